/* SPDX-License-Identifier: ISC */
/* envelope_fuzz - what the queue directory has: packed envelopes, outcomes,
 * drop files, the format.  What is read packs to the same bytes. */
#include <assert.h>

#include "base/num.h"
#include "mail/dropfile.h"
#include "mail/outcome.h"
#include "mail/queue_format.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct arena a = ARENA_INIT(1 << 20);
	struct buf b = BUF_INIT(1 << 20);
	struct slice s = slice_of(p, n), content;
	struct wire w = wire_of(s);
	struct envelope e;
	struct outcome o;
	struct drop_header h;
	uint64_t version;

	if (envelope_unpack(&w, &a, &e) && wire_done(&w)) {
		assert(envelope_pack(&b, &e) == 0);
		assert(slice_eq(buf_slice(&b), s));
	}
	buf_reset(&b);
	w = wire_of(s);
	if (outcome_unpack(&w, &o) && wire_done(&w)) {
		assert(outcome_pack(&b, &o) == 0);
		assert(slice_eq(buf_slice(&b), s));
	}
	if (queue_format_parse(s, &version))
		assert(version >= 1 && version <= UINT32_MAX);
	drop_header_parse(s, n, &h);
	/* The checksum made right, so that the rest is reached. */
	buf_reset(&b);
	buf_add(&b, s);
	drop_trailer(&b, crc32c(0, s));
	arena_clear(&a);
	drop_parse(buf_slice(&b), &a, &e, &content);
	arena_clear(&a);
	buf_clear(&b);
	return 0;
}
