/* SPDX-License-Identifier: ISC */
/* qmgr_metrics - see qmgr_metrics.h. */
#include "ipc/fields.h"
#include "ipc/qmgr_metrics.h"

int
hop_sum_pack(struct buf *b, const struct hop_sum *h)
{
	size_t n = b->n;

	if (put_slice(b, h->name) == 0 && put_u32(b, h->hops) == 0 &&
	    put_u32(b, h->dead) == 0 && put_u64(b, h->waiting) == 0 &&
	    put_u64(b, h->ready) == 0 && put_u64(b, h->active) == 0)
		return 0;
	b->n = n;
	return -1;
}

void
hop_sum_unpack(struct wire *w, struct hop_sum *h)
{
	h->name = get_slice(w, NEXT_HOP_BYTES);
	h->hops = get_u32(w);
	h->dead = get_u32(w);
	h->waiting = get_u64(w);
	h->ready = get_u64(w);
	h->active = get_u64(w);
}
