/* SPDX-License-Identifier: ISC */
/*
 * next_client - master's word to a session that has been kept: here is another
 * client of yours.
 *
 * Each session's process has one end of a line whose other end master holds,
 * who writes to it and never reads.  What goes along it are the descriptors
 * that a new process would have begun with.  When master closes its end, the
 * process has nothing more to wait for, and ends.
 */
#ifndef IPC_NEXT_CLIENT_H
#define IPC_NEXT_CLIENT_H

#define NEXT_CLIENT_FDS	2	/* the channel of ipc/session.h, the client's
				 * bytes */

/* line_r[0] is master's end.  -1 with errno. */
int	 next_client_line(int line_r[2]);
/* Does not wait.  The descriptors stay the caller's.  -1: nobody is there. */
int	 next_client_send(int line, const int fds[NEXT_CLIENT_FDS]);
/* Waits as long as it takes.  The descriptors are the caller's from then on.
 * -1: nobody comes any more. */
int	 next_client_wait(int line, int fds_r[NEXT_CLIENT_FDS]);

#endif
