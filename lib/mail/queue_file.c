/* SPDX-License-Identifier: ISC */
/* queue_file - see queue_file.h. */
#include "base/wire.h"
#include "mail/queue_file.h"

static enum parse take_magic(struct queue_file *, struct slice *,
		    const char **);
static const char *take_frame(struct queue_file *, struct queue_frame *);
static const char *take_message(struct queue_file *, struct queue_frame *);

/* ---- writing ------------------------------------------------------------ */

int
queue_frame_put(struct buf *b, enum queue_frame_type type, struct slice body)
{
	struct buf rest = BUF_INIT(QUEUE_FRAME_HEADER);
	size_t n = b->n;
	uint32_t crc;
	int r = 0;

	put_u32(&rest, (uint32_t)body.n);
	put_u8(&rest, (uint8_t)type);
	crc = crc32c(crc32c(0, buf_slice(&rest)), body);
	if (put_u32(b, crc) != 0 || buf_add(b, buf_slice(&rest)) != 0 ||
	    buf_add(b, body) != 0) {
		b->n = n;
		r = -1;
	}
	buf_clear(&rest);
	return r;
}

static int
put_numbers(struct buf *b, enum queue_frame_type type, struct buf *body)
{
	int r = queue_frame_put(b, type, buf_slice(body));

	buf_clear(body);
	return r;
}

int
queue_frame_put_begin(struct buf *b, const char identity[16], int64_t ms)
{
	struct buf body = BUF_INIT(64);

	buf_add(&body, slice_of(identity, QUEUE_FILE_IDENTITY));
	put_u64(&body, (uint64_t)ms);
	return put_numbers(b, FRAME_BEGIN, &body);
}

int
queue_frame_put_message(struct buf *b, uint64_t id, uint32_t bytes,
    uint64_t content)
{
	struct buf body = BUF_INIT(64);

	put_u64(&body, id);
	put_u32(&body, bytes);
	put_u64(&body, content);
	return put_numbers(b, FRAME_MESSAGE, &body);
}

int
queue_frame_put_end(struct buf *b, uint64_t messages)
{
	struct buf body = BUF_INIT(8);

	put_u64(&body, messages);
	return put_numbers(b, FRAME_END, &body);
}

/* ---- reading ------------------------------------------------------------ */

enum parse
queue_file_next(struct queue_file *f, struct slice *in, struct queue_frame *r,
    const char **why_r)
{
	struct slice rest = *in;
	struct wire w;
	uint32_t crc, n;
	enum parse p;

	p = take_magic(f, &rest, why_r);
	if (p != PARSE_OK)
		return p;
	w = wire_of(rest);
	crc = get_u32(&w);
	n = get_u32(&w);
	r->type = get_u8(&w);
	if (w.bad)
		return PARSE_MORE;
	*why_r = "a frame is longer than any may be";
	if (n > QUEUE_FRAME_BYTES)
		return PARSE_BAD;
	if (n > w.rest.n)
		return PARSE_MORE;
	*why_r = "a checksum is wrong: it is damaged";
	if (crc != crc32c(0, slice_of(rest.p + 4, QUEUE_FRAME_HEADER - 4 + n)))
		return PARSE_BAD;
	r->body = slice_first(w.rest, n);
	*why_r = take_frame(f, r);
	if (*why_r != NULL)
		return PARSE_BAD;
	f->begun = true;
	*in = slice_from(w.rest, n);
	return PARSE_OK;
}

static enum parse
take_magic(struct queue_file *f, struct slice *in, const char **why_r)
{
	static const struct slice magic = { QUEUE_FILE_MAGIC,
		QUEUE_FILE_MAGIC_BYTES };

	if (f->begun)
		return PARSE_OK;
	if (in->n < magic.n)
		return PARSE_MORE;
	if (!slice_starts(*in, magic)) {
		*why_r = slice_starts(*in, SLICE_LIT("CHASQX")) ?
		    "a later version has written it" :
		    "it is no exported queue";
		return PARSE_BAD;
	}
	*in = slice_from(*in, magic.n);
	return PARSE_OK;
}

static const char *
take_frame(struct queue_file *f, struct queue_frame *r)
{
	struct wire w = wire_of(r->body);

	if (f->ended)
		return "something follows its end";
	if (f->named == (r->type == FRAME_BEGIN))
		return "it does not begin as it should";
	if ((f->bytes > 0) != (r->type == FRAME_BYTES) ||
	    (f->bytes == 0 && f->content > 0) != (r->type == FRAME_CONTENT))
		return "its frames are not in order";
	switch (r->type) {
	case FRAME_BEGIN:
		f->named = true;
		return r->body.n == QUEUE_FILE_IDENTITY + 8 ? NULL :
		    "it does not begin as it should";
	case FRAME_MESSAGE:
		return take_message(f, r);
	case FRAME_BYTES:
		if (r->body.n == 0 || r->body.n > f->bytes)
			return "a message is longer than it says";
		f->bytes -= (uint32_t)r->body.n;
		return NULL;
	case FRAME_CONTENT:
		if (r->body.n == 0 || r->body.n > f->content)
			return "a message is longer than it says";
		f->content -= r->body.n;
		return NULL;
	case FRAME_END:
		f->ended = true;
		return get_u64(&w) == f->messages && wire_done(&w) ? NULL :
		    "messages are missing";
	}
	return "it has a frame of a kind that is not known here";
}

static const char *
take_message(struct queue_file *f, struct queue_frame *r)
{
	struct wire w = wire_of(r->body);

	r->id = get_u64(&w);
	r->bytes = get_u32(&w);
	r->content = get_u64(&w);
	if (!wire_done(&w) || r->bytes == 0 ||
	    r->bytes > QUEUE_FILE_MESSAGE || r->content > INT64_MAX)
		return "a message says of itself what cannot be";
	f->bytes = r->bytes;
	f->content = r->content;
	f->messages++;
	return NULL;
}
