/* SPDX-License-Identifier: ISC */
/*
 * takeover - for tests: what somebody who has taken over a process could try.
 *
 * Only in a build with --enable-test-hooks is there any of it.  A line
 * "XTAKEOVER name argument..." makes the system call of that name; a number is
 * an argument's value, "@" memory of 4096 zeroes, all else a string.
 */
#ifndef OS_TAKEOVER_H
#define OS_TAKEOVER_H

#include <stdbool.h>

#include "base/buf.h"

#ifdef TEST_HOOKS
# define TAKEOVER_BUILD	" WITH TEST HOOKS, FOR NOBODY'S MAIL"
/* False: no such line.  Otherwise appends "RESULT ERROR". */
bool	 takeover_line(struct slice line, struct buf *);
/* Of a session: where the login is mallory's, says "* taken over" to fd and
 * does what its lines say, until "XTAKEOVER on". */
void	 takeover_session(const char *login, int fd);
#else
# define TAKEOVER_BUILD	""
static inline bool
takeover_line(struct slice line, struct buf *b)
{
	(void)line;
	(void)b;
	return false;
}

static inline void
takeover_session(const char *login, int fd)
{
	(void)login;
	(void)fd;
}
#endif

#endif
