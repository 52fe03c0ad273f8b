/* SPDX-License-Identifier: ISC */
/*
 * lines - logical lines of a text: comments and empty lines are left out, a
 * line that begins with a blank continues the one before.
 */
#ifndef TABLE_LINES_H
#define TABLE_LINES_H

#include "base/buf.h"

struct lines {
	int		 fd;	/* borrowed, or -1: all is in raw */
	struct buf	 raw;
	size_t		 off;	/* read up to here */
	bool		 eof;
	unsigned	 at;	/* physical line at off, from 1 */
	struct buf	 line;
};

enum lines_next {
	LINES_OK,
	LINES_END,
	LINES_BAD,	/* why says it; line_r where */
};

void	 lines_open(struct lines *, int fd);
void	 lines_open_text(struct lines *, struct slice);
void	 lines_close(struct lines *);
/* The text is valid until the next call; *no_r is the line it began on. */
enum lines_next lines_next(struct lines *, struct slice *text_r,
	    unsigned *no_r, struct buf *why);

#endif
