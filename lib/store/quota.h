/* SPDX-License-Identifier: ISC */
/*
 * quota - how full a Maildir is, as Maildir++ keeps it: in a file maildirsize
 * that Courier and Dovecot read and write too.
 *
 * Its first line has the limits ("1000000S,1000C"), each further one what was
 * added or taken away ("4711 1", "-4711 -1").  It is only a sum of what the
 * directories hold, so it is never synced, and is made anew whenever something
 * about it is odd.
 */
#ifndef STORE_QUOTA_H
#define STORE_QUOTA_H

#include <stdint.h>

#include "base/parse.h"
#include "base/slice.h"
#include "os/fs.h"

#define MAILDIRSIZE_BYTES	5120	/* from here on it is made anew */

struct quota {
	uint64_t	 bytes;
	uint64_t	 messages;	/* 0: no limit, in both */
};

/* The whole text of a maildirsize.  PARSE_BAD: make it anew. */
enum parse maildirsize_parse(struct slice text, struct quota *limits_r,
	    struct quota *used_r, unsigned *lines_r);

/* What is used, when so many bytes are to be added; dir is the Maildir.  -1
 * with errno. */
int	 quota_used(const struct fs *, int dir, uint64_t bytes,
	    struct quota *used_r);
/*
 * Whether so much more has room: 1, or 0.  A file that says no is not believed
 * before the directories were read once more, unless they have not changed
 * since it was written.  -1 with errno: not known.
 */
int	 quota_has_room(const struct fs *, int dir, const struct quota *limits,
	    const struct quota *more);
/* So much was added, or taken away. */
void	 quota_change(const struct fs *, int dir, int64_t bytes,
	    int64_t messages);

#endif
