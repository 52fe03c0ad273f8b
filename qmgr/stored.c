/* SPDX-License-Identifier: ISC */
/* stored - see stored.h. */
#include <endian.h>
#include <string.h>

#include "base/num.h"
#include "base/wire.h"
#include "record.h"
#include "stored.h"

#define FORMAT_VERSION	1
#define LOG_MAGIC	0xc5676f4cu	/* "Log\xc5" */

static const char file_magic[8] = "CHASQM1\n";

static size_t	 log_record(struct slice log, bool *whole_r);

/* ---- written ------------------------------------------------------------- */

void
stored_pack(struct buf *b, const struct entry *e)
{
	static const char zero[8];
	struct buf state = BUF_INIT(SIZE_MAX / 2);

	message_state_pack(&state, e);
	buf_add(b, slice_of(file_magic, 8));
	put_u32(b, 0);			/* the CRC of the rest */
	put_u32(b, FORMAT_VERSION);
	put_u64(b, e->id);
	put_u32(b, e->flags);
	put_u32(b, e->seq);
	put_u64(b, e->large_n);
	put_u64(b, e->report_of);
	put_u32(b, (uint32_t)e->packed.n);
	put_u32(b, (uint32_t)state.n);
	put_u32(b, e->content_n);
	put_u32(b, crc32c(crc32c(0, e->packed), buf_slice(&state)));
	put_u32(b, 0);			/* the content's */
	put_u32(b, e->large_crc);
	buf_add(b, slice_of(zero, sizeof(zero)));
	buf_add(b, e->packed);
	buf_add(b, buf_slice(&state));
	buf_clear(&state);
}

void
stored_seal(struct buf *b, struct slice content)
{
	uint32_t crc;

	crc = htole32(crc32c(0, content));
	memcpy(b->p + 64, &crc, 4);
	crc = htole32(crc32c(0, slice_of(b->p + 12, STORED_HEAD_BYTES - 12)));
	memcpy(b->p + 8, &crc, 4);
}

void
stored_put_record(struct buf *b, uint16_t type, struct slice body)
{
	size_t at = b->n;
	uint32_t crc;

	put_u32(b, LOG_MAGIC);
	put_u32(b, 0);
	put_u16(b, type);
	put_u16(b, 0);
	put_u32(b, (uint32_t)body.n);
	buf_add(b, body);
	crc = htole32(crc32c(0, slice_from(buf_slice(b), at + 8)));
	memcpy(b->p + at + 4, &crc, 4);
}

/* ---- read ---------------------------------------------------------------- */

void
stored_find_content(const char head[STORED_HEAD_BYTES], size_t size,
    size_t *before_r, size_t *n_r)
{
	struct wire w = wire_of(slice_of(head + 48, 12));
	size_t before = STORED_HEAD_BYTES + (size_t)get_u32(&w), n;

	before += get_u32(&w);
	n = get_u32(&w);
	if (before > size || n > size - before) {
		before = size;	/* damaged: let the parser say so */
		n = 0;
	}
	*before_r = before;
	*n_r = n;
}

const char *
stored_fault(struct slice bytes, uint64_t id, bool head_only,
    struct stored *s_r)
{
	struct stored s = { 0 };
	struct wire w;
	uint32_t crc, envelope_n, state_n, crc_both, crc_content;
	size_t n;

	if (bytes.n < STORED_HEAD_BYTES)
		return "it is shorter than its head";
	if (memcmp(bytes.p, file_magic, 8) != 0)
		return "it does not begin as a message does";
	w = wire_of(slice_of(bytes.p + 8, STORED_HEAD_BYTES - 8));
	crc = get_u32(&w);
	if (crc != crc32c(0, slice_of(bytes.p + 12, STORED_HEAD_BYTES - 12)))
		return "its head is damaged";
	if (get_u32(&w) != FORMAT_VERSION)
		return "it has another version";
	if (get_u64(&w) != id)
		return "it is another message than its name says";
	s.flags = get_u32(&w);
	s.seq = get_u32(&w);
	s.large_n = get_u64(&w);
	s.report_of = get_u64(&w);
	envelope_n = get_u32(&w);
	state_n = get_u32(&w);
	s.content_n = get_u32(&w);
	crc_both = get_u32(&w);
	crc_content = get_u32(&w);
	s.large_crc = get_u32(&w);
	n = bytes.n - STORED_HEAD_BYTES;
	if (envelope_n > n || state_n > n - envelope_n)
		return "it ends within its envelope";
	s.envelope = slice_of(bytes.p + STORED_HEAD_BYTES, envelope_n);
	s.state = slice_of(s.envelope.p + envelope_n, state_n);
	if (crc_both != crc32c(crc32c(0, s.envelope), s.state))
		return "its envelope is damaged";
	if (!head_only && s.content_n > n - envelope_n - state_n) {
		*s_r = s;
		return "it ends within its content";
	}
	s.content = slice_of(s.state.p + state_n,
	    head_only ? 0 : s.content_n);
	s.content_at = STORED_HEAD_BYTES + (uint64_t)envelope_n + state_n;
	s.log = slice_of(s.content.p + s.content.n,
	    n - envelope_n - state_n - s.content.n);
	*s_r = s;
	if (!head_only && crc_content != crc32c(0, s.content))
		return "its content is damaged";
	return NULL;
}

bool
stored_parse(struct slice bytes, uint64_t id, bool head_only,
    struct stored *s_r)
{
	struct stored s;

	if (stored_fault(bytes, id, head_only, &s) != NULL)
		return false;
	*s_r = s;
	return true;
}

/* The record at the front: its bytes with the header, and whether its checksum
 * fits.  0: none was ever there. */
static size_t
log_record(struct slice log, bool *whole_r)
{
	struct wire w = wire_of(log);
	uint32_t magic = get_u32(&w), crc = get_u32(&w), n;

	get_u32(&w);
	n = get_u32(&w);
	if (w.bad || magic != LOG_MAGIC || n > w.rest.n)
		return 0;
	*whole_r = crc == crc32c(0, slice_of(log.p + 8,
	    STORED_LOG_HEADER - 8 + n));
	return STORED_LOG_HEADER + n;
}

/* One that is damaged is passed over where a whole one stands behind it.  The
 * bytes of a record are never searched for another: some are a peer's. */
enum parse
stored_log_next(struct slice *log, uint16_t *type_r, struct slice *body_r)
{
	struct slice rest = *log;
	struct wire w;
	bool whole;
	size_t n;

	for (; (n = log_record(rest, &whole)) > 0; rest = slice_from(rest, n)) {
		if (!whole)
			continue;
		w = wire_of(slice_from(rest, 8));
		*type_r = get_u16(&w);
		*body_r = slice_of(rest.p + STORED_LOG_HEADER,
		    n - STORED_LOG_HEADER);
		*log = slice_from(rest, n);
		return PARSE_OK;
	}
	return PARSE_MORE;
}

struct entry *
stored_entry(struct queue *q, struct slot *slot, struct slice bytes,
    uint64_t id, bool head_only)
{
	struct stored s;
	struct entry *e;
	struct slice body;
	uint16_t type;
	uint32_t i;

	if (!stored_parse(bytes, id, head_only, &s))
		return NULL;
	e = entry_new(q, slot, s.envelope);
	if (e == NULL)
		return NULL;
	e->flags = s.flags;
	e->large_n = s.large_n;
	e->large_crc = s.large_crc;
	e->report_of = s.report_of;
	e->content_n = s.content_n;
	e->file_content = s.content_at;
	e->has_file = true;
	if (message_state_apply(q, e, s.state) != APPLIED)
		goto bad;
	e->seq = s.seq;
	while (stored_log_next(&s.log, &type, &body) == PARSE_OK)
		if (record_apply(q, e, type, body, true) == APPLIED_BAD)
			goto bad;
	/* A torn end is written over by what comes next. */
	e->file_end = s.content_at + s.content_n +
	    (uint64_t)(s.log.p - s.content.p) - s.content.n;
	if (!head_only)
		entry_set_content(q, e, s.content);
	/* It may have been under way when an earlier qmgr ended. */
	for (i = 0; i < e->nrcpts; i++)
		e->rcpts[i].flags |= RCPT_MAYBE_DONE;
	return e;
bad:
	entry_free(q, &slot->entry);
	return NULL;
}
