/* SPDX-License-Identifier: ISC */
/* buf - see buf.h. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"

void
buf_init(struct buf *b, size_t max)
{
	*b = BUF_INIT(max);
}

void
buf_clear(struct buf *b)
{
	free(b->p);
	*b = BUF_INIT(b->max);
}

void
buf_reset(struct buf *b)
{
	b->n = 0;
}

char *
buf_reserve(struct buf *b, size_t n)
{
	size_t cap = b->cap;

	if (n > b->max || b->n > b->max - n)
		return NULL;
	/* One byte more than used, so that buf_cstr() always has room. */
	if (b->n + n + 1 > cap) {
		if (cap < 64)
			cap = 64;
		while (cap < b->n + n + 1)
			cap += cap / 2;
		b->p = mem_realloc(b->p, cap);
		b->cap = cap;
	}
	return b->p + b->n;
}

int
buf_add(struct buf *b, struct slice s)
{
	char *to = buf_reserve(b, s.n);

	if (to == NULL)
		return -1;
	if (s.n > 0)
		memcpy(to, s.p, s.n);
	b->n += s.n;
	return 0;
}

int
buf_add_byte(struct buf *b, char c)
{
	return buf_add(b, slice_of(&c, 1));
}

int
buf_add_str(struct buf *b, const char *s)
{
	return buf_add(b, slice_str(s));
}

int
buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	char *to;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	assert(n >= 0);
	to = buf_reserve(b, (size_t)n);
	if (to == NULL)
		return -1;
	vsnprintf(to, (size_t)n + 1, fmt, ap);
	b->n += (size_t)n;
	return 0;
}

int
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = buf_vprintf(b, fmt, ap);
	va_end(ap);
	return r;
}

void
buf_drop(struct buf *b, size_t n)
{
	assert(n <= b->n);
	b->n -= n;
	if (b->n > 0 && n > 0)
		memmove(b->p, b->p + n, b->n);
}

const char *
buf_cstr(struct buf *b)
{
	if (b->p == NULL)
		return "";
	b->p[b->n] = '\0';
	return b->p;
}
