/* SPDX-License-Identifier: ISC */
/*
 * forward - a user's ~/.forward: where mail goes instead, or besides.
 *
 * The text has targets as aliases(5) does, separated by commas or ends of
 * lines; '#' begins a comment line, and a line that begins with a blank
 * continues the one before.  The user's own name or address, or \name, keeps a
 * copy here.
 */
#ifndef LOCAL_FORWARD_H
#define LOCAL_FORWARD_H

#include "base/buf.h"
#include "base/parse.h"
#include "base/slice.h"
#include "os/fs.h"

#define FORWARD_BYTES	(64 * 1024)	/* of the file */
#define FORWARD_TARGETS	1000

/* Whose file it is. */
struct forward_owner {
	struct slice	 user;		/* system user's name */
	struct slice	 address;	/* the recipient: user+detail@domain */
	struct slice	 home;
	char		 delimiter;	/* before a detail; '\0': none */
};

struct forward {
	bool		 here;		/* a copy is kept */
	unsigned	 ntargets;
	struct buf	 targets;	/* u8 TARGET_*, slice; for EXPANDED */
};

void	 forward_init(struct forward *);
void	 forward_clear(struct forward *);

/* why gets "line 3: what is wrong" with PARSE_BAD. */
enum parse forward_parse(struct slice text, const struct forward_owner *,
	    struct forward *, struct buf *why);

enum forward_end {
	FORWARD_NONE,		/* there is none, or it is empty */
	FORWARD_OK,
	FORWARD_BROKEN,		/* why says it: it begins with the name */
};
/* ~/.forward+detail, then ~/.forward. */
enum forward_end forward_read(const struct fs *, const struct forward_owner *,
	    struct forward *, struct buf *why);

#endif
