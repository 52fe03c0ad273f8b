/* SPDX-License-Identifier: ISC */
/*
 * buf - bytes that we own, growing up to a ceiling given at creation.
 *
 * Reaching the ceiling is an ordinary failure (-1, contents unchanged).  When
 * memory itself runs out the process ends; see base/mem.h.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdint.h>

#include "base/slice.h"

struct buf {
	char	*p;	/* owned; NULL while empty */
	size_t	 n;	/* used */
	size_t	 cap;
	size_t	 max;	/* the ceiling, bytes */
};

#define BUF_INIT(max_)	((struct buf){ .max = (max_) })

void	 buf_init(struct buf *, size_t max);
/* Frees the memory; the buf can be used again. */
void	 buf_clear(struct buf *);
/* Forgets the contents, keeps the memory. */
void	 buf_reset(struct buf *);
/* Makes room for n more bytes and returns where they go, NULL at the ceiling.
 * The caller fills them and adds to ->n. */
char	*buf_reserve(struct buf *, size_t n);
int	 buf_add(struct buf *, struct slice);
int	 buf_add_byte(struct buf *, char);
int	 buf_add_str(struct buf *, const char *);
int	 buf_printf(struct buf *, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
int	 buf_vprintf(struct buf *, const char *fmt, va_list)
	    __attribute__((format(printf, 2, 0)));
/* Removes the first n bytes; n must not exceed ->n. */
void	 buf_drop(struct buf *, size_t n);
/* Valid until the buf changes. */
static inline struct slice
buf_slice(const struct buf *b)
{
	return (struct slice){ b->n == 0 ? "" : b->p, b->n };
}
/* The contents NUL-terminated; valid until the buf changes.  Contents that
 * contain NUL look shorter. */
const char *buf_cstr(struct buf *);

#endif
