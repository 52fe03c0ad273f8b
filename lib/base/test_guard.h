/* SPDX-License-Identifier: ISC */
/*
 * test_guard - for unit tests: bytes whose end is the end of accessible
 * memory, so that a parser that reads one too many is caught without help of
 * a sanitizer.  Include cmocka.h first.
 */
#ifndef BASE_TEST_GUARD_H
#define BASE_TEST_GUARD_H

#include <sys/mman.h>

#include <unistd.h>

#include "base/slice.h"

struct guard {
	char		*map;
	size_t		 bytes;		/* accessible */
	size_t		 page;
};

static inline void
guard_init(struct guard *g, size_t max)
{
	g->page = (size_t)sysconf(_SC_PAGESIZE);
	g->bytes = (max / g->page + 1) * g->page;
	g->map = mmap(NULL, g->bytes + g->page, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(g->map, MAP_FAILED);
	assert_int_equal(mprotect(g->map + g->bytes, g->page, PROT_NONE), 0);
}

/* A copy of s against the guard page; valid until the next call. */
static inline struct slice
guard_copy(struct guard *g, struct slice s)
{
	char *p = g->map + g->bytes - s.n;

	assert_true(s.n <= g->bytes);
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return slice_of(p, s.n);
}

static inline void
guard_clear(struct guard *g)
{
	munmap(g->map, g->bytes + g->page);
}

/* Two slices are equal; tells both where they are not. */
#define assert_slice_equal(a, b)					\
	assert_slice_equal_((a), (b), __FILE__, __LINE__)
static inline void
assert_slice_equal_(struct slice a, struct slice b, const char *file, int line)
{
	if (slice_eq(a, b))
		return;
	print_error("%s:%d: \"%.*s\" (%zu) is not \"%.*s\" (%zu)\n", file, line,
	    SLICE_ARG(a), a.n, SLICE_ARG(b), b.n);
	fail();
}

#endif
