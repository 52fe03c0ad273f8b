/* SPDX-License-Identifier: ISC */
/* test_client - for tests: one smtpd with its fakes around it, and what clients
 * say to it and hear.  Include cmocka.h first. */
#ifndef SMTPD_TEST_CLIENT_H
#define SMTPD_TEST_CLIENT_H

#include <unistd.h>

#include "fake.h"
#include "replies.h"

static struct fake f;

static inline int
tear_down(void **state)
{
	(void)state;
	fake_clear(&f);
	return 0;
}

static inline void
say(int fd, const char *text)
{
	fake_send(&f, fd, slice_str(text), 0);
}

/* All that has come by now; the pattern is replies.h's. */
#define hear(fd, pattern)	hear_(fd, pattern, false, __LINE__)
#define hear_end(fd, pattern)	hear_(fd, pattern, true, __LINE__)
static inline void
hear_(int fd, const char *pattern, bool closed, int line)
{
	struct buf got = BUF_INIT(1024 * 1024);
	bool eof;

	fake_receive(fd, &got, &eof);
	if (!fake_matches(buf_slice(&got), pattern))
		fail_msg("line %d: got\n%s\nexpected\n%s", line, buf_cstr(&got),
		    pattern);
	if (eof != closed)
		fail_msg("line %d: %s", line, eof ? "closed" : "not closed");
	buf_clear(&got);
}

static inline void
hang_up(int fd)
{
	close(fd);
	fake_settle(&f);
}

#endif
