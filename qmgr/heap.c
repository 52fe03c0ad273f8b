/* SPDX-License-Identifier: ISC */
/* heap - see heap.h. */
#include <stdlib.h>

#include "base/mem.h"
#include "heap.h"

static void
put(struct heap *h, uint32_t at, struct heap_node *n)
{
	h->v[at - 1] = n;
	n->at = at;
}

static void
sift(struct heap *h, struct heap_node *n)
{
	uint32_t at = n->at, child;

	for (; at > 1 && h->v[at / 2 - 1]->when > n->when; at /= 2)
		put(h, at, h->v[at / 2 - 1]);
	for (; (child = at * 2) <= h->n; at = child) {
		if (child < h->n && h->v[child]->when < h->v[child - 1]->when)
			child++;
		if (h->v[child - 1]->when >= n->when)
			break;
		put(h, at, h->v[child - 1]);
	}
	put(h, at, n);
}

void
heap_set(struct heap *h, struct heap_node *n, int64_t when)
{
	n->when = when;
	if (n->at == 0) {
		if (h->n == h->cap) {
			h->cap = h->cap == 0 ? 64 : h->cap + h->cap / 8;
			h->v = mem_regrow(h->v, h->cap, sizeof(*h->v));
		}
		put(h, ++h->n, n);
	}
	sift(h, n);
}

void
heap_move(struct heap *h, int64_t by, int64_t latest)
{
	uint32_t i;

	for (i = 0; i < h->n; i++) {
		h->v[i]->when += by;
		if (h->v[i]->when > latest)
			h->v[i]->when = latest;
	}
}

void
heap_remove(struct heap *h, struct heap_node *n)
{
	struct heap_node *last;
	uint32_t at = n->at;

	if (at == 0)
		return;
	n->at = 0;
	last = h->v[--h->n];
	if (last == n)
		return;
	put(h, at, last);
	sift(h, last);
}

struct heap_node *
heap_first(const struct heap *h)
{
	return h->n == 0 ? NULL : h->v[0];
}

void
heap_clear(struct heap *h)
{
	free(h->v);
	*h = (struct heap){ 0 };
}
