/* SPDX-License-Identifier: ISC */
/* facts - see facts.h. */
#include "ipc/facts.h"

int
fact_pack(struct buf *b, const struct fact *f)
{
	size_t n = b->n;

	if (put_u32(b, f->role) == 0 && put_u32(b, f->index) == 0 &&
	    put_u8(b, f->up) == 0 && put_u32(b, f->processes) == 0 &&
	    put_u32(b, f->restarts) == 0 && put_time(b, f->started_ms) == 0 &&
	    put_u64(b, f->rss) == 0 && put_u64(b, f->cpu_ms) == 0)
		return 0;
	b->n = n;
	return -1;
}

void
fact_unpack(struct wire *w, struct fact *f)
{
	f->role = get_u32(w);
	f->index = get_u32(w);
	f->up = get_bool(w);
	f->processes = get_u32(w);
	f->restarts = get_u32(w);
	f->started_ms = get_time(w);
	f->rss = get_u64(w);
	f->cpu_ms = get_u64(w);
}
