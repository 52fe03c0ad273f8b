/* SPDX-License-Identifier: ISC */
/* queue_shape - see queue_shape.h. */
#include "ipc/fields.h"
#include "ipc/queue_shape.h"
#include "mail/outcome.h"

#define NAME_MAX_BYTES	1024	/* of a next hop or a domain */

unsigned
shape_class(int64_t age_ms)
{
	int64_t minutes = age_ms / 60000;
	unsigned i = 0;

	while (i < SHAPE_CLASSES - 1 && minutes >= SHAPE_FIRST_MINUTES << i)
		i++;
	return i;
}

uint64_t
shape_row_total(const struct shape_row *r)
{
	uint64_t n = 0;
	unsigned i;

	for (i = 0; i < SHAPE_CLASSES; i++)
		n += r->n[i];
	return n;
}

int
shape_row_pack(struct buf *b, const struct shape_row *r)
{
	size_t n = b->n;
	unsigned i;

	if (put_slice(b, r->name) != 0)
		return -1;
	for (i = 0; i < SHAPE_CLASSES; i++)
		if (put_u64(b, r->n[i]) != 0) {
			b->n = n;
			return -1;
		}
	return 0;
}

void
shape_row_unpack(struct wire *w, struct shape_row *r)
{
	unsigned i;

	r->name = get_slice(w, NAME_MAX_BYTES);
	for (i = 0; i < SHAPE_CLASSES; i++)
		r->n[i] = get_u64(w);
}

int
hop_row_pack(struct buf *b, const struct hop_row *r)
{
	size_t n = b->n;

	if (hop_sum_pack(b, &r->sum) == 0 &&
	    put_u8(b, (uint8_t)r->state) == 0 && put_u32(b, r->window) == 0 &&
	    put_u64(b, r->again_ms < 0 ? 0 : (uint64_t)r->again_ms) == 0 &&
	    put_slice(b, r->why) == 0)
		return 0;
	b->n = n;
	return -1;
}

void
hop_row_unpack(struct wire *w, struct hop_row *r)
{
	hop_sum_unpack(w, &r->sum);
	r->state = (enum hop_row_state)get_enum(w, HOP_ROW_PROBED);
	r->window = get_u32(w);
	r->again_ms = (int64_t)(get_u64(w) & INT64_MAX);
	r->why = get_slice(w, TEXT_BYTES);
}
