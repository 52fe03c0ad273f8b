/* SPDX-License-Identifier: ISC */
/*
 * imapd, pop3d (login) <-> a session of theirs: what goes beside the client's
 * bytes.
 *
 * The login process makes the channel, sends SE_BEGIN, and hands the other end
 * to master, which hands it to the spawn, whose fork is the session.  The end
 * of the channel is the end of the session: either side closes it, the session
 * also by ending.
 *
 * A process can be kept when its client has gone.  It says so (SE_FREE), and
 * its next session has another channel (ipc/next_client.h).
 *
 * A session that parks gives back the descriptor of the client's bytes, in
 * which there may be some that it has not read; all that it said has been
 * written before.
 */
#ifndef IPC_SESSION_H
#define IPC_SESSION_H

#include "ipc/channel.h"

#define SESSION_TAG_BYTES	256
#define SESSION_UNREAD_BYTES	(64 * 1024)
#define SESSION_STATE_BYTES	(16 * 1024)
#define SESSION_MAILBOX_BYTES	1024	/* a mailbox's name */
#define SESSION_WATCHES		256	/* mailboxes; more: all of them */

/*        name             no  sender  fds min  max     body; id: 0 */
#define SEAT(X)								\
	X(SE_BEGIN,	    1, EITHER, 0,  17,  90000)	/* login: u8 SEAT_*, slice tag, slice client (for the log), slice unread input, slice state */ \
	X(SE_NEWS,	    2, EITHER, 0,  4,   1028)	/* login: slice mailbox that has changed */ \
	X(SE_BYE,	    3, EITHER, 0,  4,   260)	/* login: slice text: say so, end */ \
	X(SE_CHANGED,	   10, EITHER, 0,  4,   1028)	/* session: slice mailbox that it has changed */ \
	X(SE_WATCH,	   11, EITHER, 0,  2,   200 * 1024) /* session: u16 count, then each: slice mailbox; instead of what it watched before; SEAT_ALL: every one */ \
	X(SE_PARK,	   12, EITHER, 1,  8,   20000)	/* session: u32 SE_NEWS that it has had, slice state; fd: the client's bytes */ \
	X(SE_UNAUTHENTICATE, 13, EITHER, 1, 4,  70000)	/* session: slice unread input; fd: the client's bytes */ \
	X(SE_OVER,	   14, EITHER, 0,  4,   260)	/* session: slice why it ends, a word for the log */ \
	X(SE_FREE,	   15, EITHER, 0,  0,   0)	/* session: it is over, but its process is there for the next one; the last message */ \
	X(SE_NONE,	   16, EITHER, 0,  0,   0)	/* spawn: no process could be made for the session; the only message */

ENUM_MESSAGES(SEAT);

enum {
	SEAT_TLS = 1,		/* the client's bytes came within TLS */
	SEAT_NEWS = 2,		/* parked: something has changed */
	SEAT_MAY_PARK = 4,
};
#define SEAT_ALL	0xffff

#endif
