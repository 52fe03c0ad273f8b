/* SPDX-License-Identifier: ISC */
/*
 * mbox - appends to mailbox files (RFC 4155, "mboxrd" quoting).
 *
 * The file is locked with fcntl() while it grows; what was not written whole
 * is cut off again; what was is synced before it counts.
 */
#ifndef LOCAL_MBOX_H
#define LOCAL_MBOX_H

#include "content.h"

struct mbox_copy {
	struct slice	 path;		/* absolute, shorter than PATH_MAX */
	struct slice	 reverse_path;
	int64_t		 now_ms;	/* since 1970, for the From_ line */
	struct slice	 prefix;	/* fields that come first, LF */
	const struct content *content;
};

/* -1 with errno: EAGAIN where somebody else has the lock, EINVAL where it is
 * no regular file.  The message is then not in the file. */
int	 mbox_append(const struct fs *, const struct mbox_copy *);

/* A line that begins with any number of '>' and "From " gets one more '>'.
 * Resumable at every byte; zeroed at the start of the message. */
struct from_quoter {
	bool		 in_line;	/* not at its start, or ruled out */
	size_t		 marks;		/* '>' held back */
	size_t		 matched;	/* of "From ", held back */
};
int	 from_quote(struct from_quoter *, struct slice in, struct buf *out);
int	 from_quote_end(struct from_quoter *, struct buf *out);

#endif
