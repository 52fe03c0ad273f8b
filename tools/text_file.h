/* SPDX-License-Identifier: ISC */
/*
 * text_file - changes a file that people edit, too: locked, and replaced as a
 * whole and durably, so that nobody ever reads half of it.  What is not
 * concerned is the caller's to copy as it was, comments and order too.
 */
#ifndef TOOLS_TEXT_FILE_H
#define TOOLS_TEXT_FILE_H

#include <sys/types.h>

#include <limits.h>

#include "base/buf.h"

#define TEXT_FILE_BYTES	((size_t)512 * 1024 * 1024)

struct text_file {
	char		 path[PATH_MAX];	/* links followed */
	int		 lock_fd;	/* owned, or -1 */
	struct buf	 text;		/* as it was read */
	uid_t		 uid;		/* of the file, kept */
	gid_t		 gid;
	mode_t		 mode;
};

/* Locked until text_file_close().  A file that is not there is an empty one,
 * which will get what uid, gid and mode say now.  -1 and why. */
int	 text_file_open(struct text_file *, const char *path, bool to_change,
	    struct buf *why);
/* The new text takes the place of the old, durably.  -1 and why. */
int	 text_file_replace(struct text_file *, struct slice text,
	    struct buf *why);
void	 text_file_close(struct text_file *);

#endif
