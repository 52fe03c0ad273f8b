/* SPDX-License-Identifier: ISC */
/* compress - COMPRESS=DEFLATE (RFC 4978). */
#include <stdlib.h>

#include <zlib.h>

#include "base/mem.h"
#include "imap.h"

#define WINDOW_BITS	(-15)	/* raw, RFC 1951 */
#define LEVEL		3	/* speed matters more: the text repeats itself */
#define MEMORY		8
#define CHUNK_BYTES	(16 * 1024)
#define BLOCK_ENDS	128	/* z_stream.data_type, after Z_BLOCK */

struct deflate_pair {
	z_stream	 out, in;
	struct buf	 plain;		/* inflated and not consumed */
	size_t		 plain_off;
	bool		 over;		/* the client has ended its stream */
	char		 chunk[CHUNK_BYTES];
};

static bool	 deflate_begin(struct imap_session *);

void
cmd_compress(struct imap_session *s, struct cursor *c)
{
	if (!cur_sp_word(c, "DEFLATE") || !cur_end(c)) {
		bad_args(s, "DEFLATE");
		return;
	}
	if (!s->config.compress)
		tagged(s, NO, "CANNOT", "That is not offered");
	else if (s->deflate != NULL)
		tagged(s, NO, "COMPRESSIONACTIVE", "It is active already");
	else {
		tagged(s, OK, NULL, "Compressed from now on");
		flush(s);
		if (!deflate_begin(s))
			session_over(s, "no compression");
	}
}

static bool
deflate_begin(struct imap_session *s)
{
	struct deflate_pair *d = mem_alloc(sizeof(*d));

	if (deflateInit2(&d->out, LEVEL, Z_DEFLATED, WINDOW_BITS, MEMORY,
	    Z_DEFAULT_STRATEGY) != Z_OK) {
		free(d);
		return false;
	}
	if (inflateInit2(&d->in, WINDOW_BITS) != Z_OK) {
		deflateEnd(&d->out);
		free(d);
		return false;
	}
	buf_init(&d->plain, CHUNK_BYTES);
	s->deflate = d;
	return true;
}

void
deflate_end(struct imap_session *s)
{
	struct deflate_pair *d = s->deflate;

	s->deflate = NULL;
	if (d == NULL)
		return;
	deflateEnd(&d->out);
	inflateEnd(&d->in);
	buf_clear(&d->plain);
	free(d);
}

/* zlib reads through a pointer that it does not write through. */
static Bytef *
input_of(struct slice s)
{
	union { const char *from; Bytef *to; } u = { .from = s.p };

	return u.to;
}

void
deflate_write(struct imap_session *s, struct slice text)
{
	struct deflate_pair *d = s->deflate;
	size_t n;

	if (text.n == 0)
		return;
	d->out.next_in = input_of(text);
	d->out.avail_in = (uInt)text.n;
	do {
		d->out.next_out = (Bytef *)d->chunk;
		d->out.avail_out = CHUNK_BYTES;
		deflate(&d->out, Z_SYNC_FLUSH);
		n = CHUNK_BYTES - d->out.avail_out;
		if (stream_write(&s->stream, slice_of(d->chunk, n)) == -1)
			s->stuck = true;
	} while (d->out.avail_out == 0 && !s->stuck);
}

/* One call of inflate() from the stream's input into room for a chunk; where a
 * block ends it stops, and what is behind may be no part of the stream. */
static int
inflate_block(struct imap_session *s, char *to)
{
	struct deflate_pair *d = s->deflate;
	struct slice in = stream_input(&s->stream);
	int r;

	d->in.next_in = input_of(in);
	d->in.avail_in = (uInt)in.n;
	d->in.next_out = (Bytef *)to;
	d->in.avail_out = CHUNK_BYTES;
	r = inflate(&d->in, Z_BLOCK);
	stream_consume(&s->stream, in.n - d->in.avail_in);
	d->over = r == Z_STREAM_END;
	return r;
}

/* A flush is an empty block behind the text, which nobody has asked for yet. */
void
deflate_leave(struct imap_session *s)
{
	struct deflate_pair *d = s->deflate;
	int r = Z_OK;

	if (d == NULL)
		return;
	while (!d->over && r == Z_OK && stream_input(&s->stream).n > 0) {
		r = inflate_block(s, d->chunk);
		if (d->in.data_type & BLOCK_ENDS)
			break;
	}
	deflate_end(s);
}

/* No more than a chunk at once, however much a few bytes would become. */
bool
inflate_input(struct imap_session *s, struct slice *plain_r)
{
	struct deflate_pair *d = s->deflate;
	size_t before;
	int r;

	while (d->plain.n == d->plain_off) {
		buf_reset(&d->plain);
		d->plain_off = 0;
		before = stream_input(&s->stream).n;
		if (d->over && before > 0)
			return false;
		if (d->over)
			break;
		r = inflate_block(s, buf_reserve(&d->plain, CHUNK_BYTES));
		if (r != Z_OK && r != Z_BUF_ERROR && r != Z_STREAM_END)
			return false;
		d->plain.n = CHUNK_BYTES - d->in.avail_out;
		if (d->plain.n == 0 && stream_input(&s->stream).n == 0) {
			buf_clear(&d->plain);
			break;
		}
		if (d->plain.n == 0 && r == Z_BUF_ERROR &&
		    stream_input(&s->stream).n == before)
			return false;
	}
	*plain_r = slice_from(buf_slice(&d->plain), d->plain_off);
	return true;
}

void
inflate_consume(struct imap_session *s, size_t n)
{
	s->deflate->plain_off += n;
}
