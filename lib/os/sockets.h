/* SPDX-License-Identifier: ISC */
/* sockets - Unix sockets that are found by a path of any length. */
#ifndef OS_SOCKETS_H
#define OS_SOCKETS_H

#include <sys/types.h>

/* A listening stream socket in place of whatever the path was; close-on-exec,
 * non-blocking.  -1 with errno. */
int	 unix_listen(const char *path, mode_t);
/* Connected, close-on-exec; -1 with errno. */
int	 unix_connect(const char *path);
/* The same for datagrams (/dev/log). */
int	 unix_connect_datagram(const char *path);

#endif
