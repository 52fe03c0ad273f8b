/* SPDX-License-Identifier: ISC */
/*
 * text - writing lines of a report.
 *
 * A writer remembers that its buf is full, so that callers need not ask at
 * each step.  Words of others go through text_clean() or text_folded(), which
 * never write a line end that they read.
 */
#ifndef BOUNCE_TEXT_H
#define BOUNCE_TEXT_H

#include "base/buf.h"

struct text {
	struct buf	*b;		/* borrowed */
	bool		 full;
};

void	 text_add(struct text *, struct slice);
void	 text_str(struct text *, const char *);
void	 text_printf(struct text *, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));

/* Without control characters (they become '?', or a space), and what is no
 * UTF-8, or where !utf8 all that is not ASCII, becomes '?'. */
void	 text_clean(struct text *, struct slice, bool utf8);
/* The same in lines of about 76 columns: the first begins at `column`, further
 * ones with `indent`; '\n' in s is a line end too.  Ends without one. */
void	 text_folded(struct text *, size_t column, const char *indent,
	    struct slice, bool utf8);
/* header_phrase() and header_text(). */
void	 text_phrase(struct text *, struct slice);
void	 text_unstructured(struct text *, struct slice);

#endif
