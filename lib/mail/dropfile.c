/* SPDX-License-Identifier: ISC */
/* dropfile - see dropfile.h. */
#include "base/num.h"
#include "base/wire.h"
#include "mail/dropfile.h"

#define MAGIC		SLICE_LIT("chqdrop1")

int
drop_begin(struct buf *b, const struct envelope *e, uint64_t content)
{
	struct buf packed = BUF_INIT(DROP_ENVELOPE_BYTES);
	size_t n = b->n;
	int r = -1;

	if (envelope_pack(&packed, e) == 0 && buf_add(b, MAGIC) == 0 &&
	    put_u32(b, (uint32_t)packed.n) == 0 && put_u64(b, content) == 0 &&
	    buf_add(b, buf_slice(&packed)) == 0)
		r = 0;
	else
		b->n = n;
	buf_clear(&packed);
	return r;
}

int
drop_trailer(struct buf *b, uint32_t crc)
{
	return put_u32(b, crc);
}

bool
drop_header_parse(struct slice s, uint64_t file_bytes, struct drop_header *h_r)
{
	const uint64_t fixed = DROP_HEADER_BYTES + DROP_TRAILER_BYTES;
	struct drop_header h;
	struct wire w;

	if (s.n < DROP_HEADER_BYTES || !slice_starts(s, MAGIC))
		return false;
	w = wire_of(slice_of(s.p + MAGIC.n, DROP_HEADER_BYTES - MAGIC.n));
	h.envelope = get_u32(&w);
	h.content = get_u64(&w);
	if (!wire_done(&w) || h.envelope > DROP_ENVELOPE_BYTES ||
	    file_bytes < fixed + h.envelope ||
	    h.content != file_bytes - fixed - h.envelope)
		return false;
	*h_r = h;
	return true;
}

bool
drop_parse(struct slice file, struct arena *a, struct envelope *e_r,
    struct slice *content_r)
{
	struct drop_header h;
	struct envelope e;
	struct wire w;

	if (!drop_header_parse(file, file.n, &h))
		return false;
	w = wire_of(slice_from(file, file.n - DROP_TRAILER_BYTES));
	file.n -= DROP_TRAILER_BYTES;
	if (get_u32(&w) != crc32c(0, file))
		return false;
	w = wire_of(slice_of(file.p + DROP_HEADER_BYTES, h.envelope));
	if (!envelope_unpack(&w, a, &e) || !wire_done(&w) ||
	    e.nrecipients == 0)
		return false;
	*e_r = e;
	*content_r = slice_from(file, DROP_HEADER_BYTES + h.envelope);
	return true;
}
