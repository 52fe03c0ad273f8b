/* SPDX-License-Identifier: ISC */
/*
 * slice - bytes that belong to somebody else.
 *
 * A slice is borrowed, may contain NUL, is never written through and never
 * freed.  Who made it says how long it is valid.
 */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
	const char	*p;
	size_t		 n;
};

#define SLICE_EMPTY	((struct slice){ "", 0 })
#define SLICE_LIT(s)	((struct slice){ "" s, sizeof(s) - 1 })
/* For "%.*s": SLICE_ARG(x).  The slice must be shorter than INT_MAX. */
#define SLICE_ARG(s)	(int)(s).n, (s).p

static inline struct slice
slice_str(const char *s)
{
	return (struct slice){ s, strlen(s) };
}

static inline struct slice
slice_of(const void *p, size_t n)
{
	return (struct slice){ p, n };
}

static inline bool
slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Everything after the first n bytes; n must not exceed s.n. */
static inline struct slice
slice_from(struct slice s, size_t n)
{
	return (struct slice){ s.p + n, s.n - n };
}

/* The first n bytes; n must not exceed s.n. */
static inline struct slice
slice_first(struct slice s, size_t n)
{
	return (struct slice){ s.p, n };
}

/* ASCII case folding only: independent of the locale (RFC 5321 2.4). */
static inline char
ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool	 slice_eq_nocase(struct slice, struct slice);
bool	 slice_starts(struct slice, struct slice prefix);
bool	 slice_starts_nocase(struct slice, struct slice prefix);
bool	 slice_ends_nocase(struct slice, struct slice suffix);
/* <0, 0, >0, bytes compared as unsigned; a prefix sorts first. */
int	 slice_cmp(struct slice, struct slice);
/* The index of the first c, or s.n where there is none. */
size_t	 slice_find(struct slice, char c);
/* The index of the last c, or s.n where there is none. */
size_t	 slice_rfind(struct slice, char c);
/* Without SP, HTAB, CR and LF at both ends. */
struct slice slice_trim(struct slice);
/*
 * Takes the next part that ends at sep, or the rest, off *rest.  False when
 * *rest is exhausted (its p is then NULL).  An empty slice yields one empty
 * part.
 */
bool	 slice_next(struct slice *rest, char sep, struct slice *part_r);

#endif
