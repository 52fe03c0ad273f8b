/* SPDX-License-Identifier: ISC */
/* arena - see arena.h. */
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/mem.h"

#define BLOCK_BYTES	1000	/* a session's usual envelope fits in one */
#define ALIGN		alignof(max_align_t)

struct arena_block {
	struct arena_block	*next;
	size_t			 n;
	size_t			 cap;
	alignas(max_align_t) char bytes[];
};

void *
arena_alloc(struct arena *a, size_t n)
{
	struct arena_block *b = a->blocks;
	size_t need;
	void *p;

	if (n > a->max || a->used > a->max - n)
		return NULL;
	need = (n + ALIGN - 1) / ALIGN * ALIGN;
	if (b == NULL || b->cap - b->n < need) {
		size_t cap = need > BLOCK_BYTES ? need : BLOCK_BYTES;

		b = mem_alloc(sizeof(*b) + cap);
		b->cap = cap;
		b->next = a->blocks;
		a->blocks = b;
	}
	p = b->bytes + b->n;
	b->n += need;
	a->used += n;
	return p;
}

int
arena_copy(struct arena *a, struct slice s, struct slice *copy_r)
{
	char *p = arena_alloc(a, s.n + 1);

	if (p == NULL)
		return -1;
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	*copy_r = slice_of(p, s.n);
	return 0;
}

void
arena_clear(struct arena *a)
{
	struct arena_block *b, *next;

	for (b = a->blocks; b != NULL; b = next) {
		next = b->next;
		free(b);
	}
	*a = ARENA_INIT(a->max);
}
