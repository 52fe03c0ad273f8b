/* SPDX-License-Identifier: ISC */
/*
 * index_fuzz - logs, snapshots and caches: as they are, and with right
 * checksums around whatever the bodies are; what comes of it is packed and
 * read again, and must be the same.
 */
#include <assert.h>
#include <stdlib.h>

#include "state.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
raw(struct slice in)
{
	struct file_header h;
	struct record r;
	size_t at, budget = 1 << 20;
	int kind;

	for (kind = FILE_LOG; kind <= FILE_CACHE; kind++)
		file_header_unpack(in, (enum file_kind)kind, &h);
	record_read(in, 1, &r);
	record_search(in, 1, &budget, &at);
}

/* Type, length, body. */
static void
apply_all(struct slice in, struct state *s, struct changes *c)
{
	struct buf b = BUF_INIT(1 << 20);
	struct record r;
	size_t at, n;

	while (in.n > 2) {
		n = (unsigned char)in.p[1];
		if (n > in.n - 2)
			n = in.n - 2;
		buf_reset(&b);
		record_begin(&b, (enum record_type)((unsigned char)in.p[0] %
		    REC_REST + 1), &at);
		buf_add(&b, slice_of(in.p + 2, n));
		record_end(&b, at);
		group_seal(&b, 0, b.n, 1, (uint64_t)(in.p[0] & 0x20 ? 0 :
		    s->modseq + 1));
		assert(record_read(buf_slice(&b), 1, &r) == RECORD_OK);
		state_apply(s, &r, in.p[0] & 0x40, c);
		in = slice_from(in, 2 + n);
	}
	buf_clear(&b);
}

static void
pack_and_compare(struct state *s)
{
	struct buf b = BUF_INIT(1 << 26);
	struct state again;
	struct record r;
	struct slice in;
	size_t i = 0;

	s->partial = 0;		/* names that never came are empty */
	state_compact(s);
	assert(state_pack(s, &b) == 0);
	assert(state_pack_rest(s, &i, &b, SIZE_MAX) == 0);
	group_seal(&b, 0, b.n, 2, s->modseq);
	state_init(&again);
	for (in = buf_slice(&b); record_read(in, 2, &r) == RECORD_OK;
	    in = slice_from(in, r.bytes))
		if (!state_apply(&again, &r, false, NULL))
			goto end;	/* numbers that a snapshot refuses */
	assert(in.n == 0 && again.n == s->n);
	for (i = 0; i < s->n; i++) {
		assert(again.entries[i].uid == s->entries[i].uid);
		assert(slice_eq(state_base(&again, i), state_base(s, i)));
		assert(slice_eq(state_info(&again, i), state_info(s, i)));
	}
end:
	state_clear(&again);
	buf_clear(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct changes c = { 0 };
	struct state s, other;
	size_t half = n / 2;

	raw(slice_of(data, n));
	state_init(&s);
	state_init(&other);
	apply_all(slice_of(data, half), &s, &c);
	apply_all(slice_of(data + half, n - half), &other, NULL);
	s.visible = s.n;
	other.partial = 0;
	state_replace(&s, &other, &c);
	changes_settle(&c);
	pack_and_compare(&s);
	state_clear(&s);
	state_clear(&other);
	free(c.v);
	return 0;
}
