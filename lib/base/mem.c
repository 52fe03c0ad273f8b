/* SPDX-License-Identifier: ISC */
/* mem - see mem.h. */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"

static void
out_of_memory(size_t n)
{
	log_fatal("event=out-of-memory wanted=%zu", n);
}

void *
mem_alloc(size_t n)
{
	return mem_array(1, n);
}

void *
mem_array(size_t n, size_t size)
{
	void *p = calloc(n == 0 ? 1 : n, size == 0 ? 1 : size);

	if (p == NULL)
		out_of_memory(n);
	return p;
}

void *
mem_realloc(void *p, size_t n)
{
	p = realloc(p, n == 0 ? 1 : n);
	if (p == NULL)
		out_of_memory(n);
	return p;
}

void *
mem_regrow(void *p, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total))
		out_of_memory(n);
	return mem_realloc(p, total);
}

void *
mem_room(void *p, size_t n, size_t *cap, size_t size, size_t first)
{
	if (n < *cap)
		return p;
	*cap = *cap == 0 ? first : 2 * *cap;
	return mem_regrow(p, *cap, size);
}

char *
mem_strdup(const char *s)
{
	return mem_slicedup(slice_str(s));
}

char *
mem_slicedup(struct slice s)
{
	char *p = mem_realloc(NULL, s.n + 1);

	if (s.n > 0)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}
