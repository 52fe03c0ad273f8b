/* SPDX-License-Identifier: ISC */
/* section - what FETCH takes out of a message; see message.h. */
#include "mail/chars.h"
#include "mail/message.h"

static bool	 is_named(const struct section *, struct slice name);
static void	 decode_base64(struct mime_decoder *, struct slice, bool last,
		    struct buf *);
static void	 decode_qp(struct slice, struct buf *);

/* ---- parts and sections ------------------------------------------------- */

static const struct part *
child(const struct message *m, const struct part *p, uint32_t number)
{
	uint32_t i = p->first;

	while (--number > 0 && i != PART_NONE)
		i = m->parts[i].next;
	return i == PART_NONE ? NULL : &m->parts[i];
}

const struct part *
message_part(const struct message *m, const uint32_t *path, size_t n)
{
	const struct part *p = &m->parts[0];
	bool whole = true;	/* p is a message, not yet a part of one */
	size_t i;

	for (i = 0; i < n; i++, whole = false) {
		if (path[i] == 0)
			return NULL;
		if (!whole && p->kind == PART_MESSAGE) {
			p = &m->parts[p->first];
			whole = true;
		}
		if (p->kind == PART_MULTIPART)
			p = child(m, p, path[i]);
		else if (!whole || path[i] != 1)
			return NULL;
		if (p == NULL)
			return NULL;
	}
	return p;
}

bool
message_section(const struct message *m, const struct section *s,
    struct slice *stored_r, uint64_t *size_r)
{
	const struct part *p = message_part(m, s->path, s->npath);

	if (p == NULL)
		return false;
	if (s->npath > 0 && s->what != SECTION_ALL && s->what != SECTION_MIME) {
		/* Of the message within. */
		if (p->kind != PART_MESSAGE)
			return false;
		p = &m->parts[p->first];
	}
	switch (s->what) {
	case SECTION_ALL:
		if (s->npath == 0) {
			*stored_r = m->bytes;
			*size_r = p->header_size + p->body_size;
			return true;
		}
		__attribute__((fallthrough));
	case SECTION_TEXT:
		*stored_r = part_body(m, p);
		*size_r = p->body_size;
		return true;
	case SECTION_MIME:
		if (s->npath == 0)
			return false;
		__attribute__((fallthrough));
	case SECTION_HEADER:
	case SECTION_FIELDS:
	case SECTION_FIELDS_NOT:
		*stored_r = part_header(m, p);
		*size_r = p->header_size;
		return true;
	}
	return false;
}

int
section_fields(struct buf *b, struct slice header, const struct section *s)
{
	size_t was = b->n;
	struct field f;

	while (field_next(&header, &f)) {
		if (is_named(s, f.name) != (s->what == SECTION_FIELDS))
			continue;
		if (crlf_add(b, f.whole, 0, UINT64_MAX) != 0 ||
		    (f.whole.p[f.whole.n - 1] != '\n' &&
			buf_add(b, SLICE_LIT("\r\n")) != 0))
			goto full;
	}
	if (buf_add(b, SLICE_LIT("\r\n")) == 0)
		return 0;
full:
	b->n = was;
	return -1;
}

static bool
is_named(const struct section *s, struct slice name)
{
	size_t i;

	for (i = 0; i < s->nfields; i++)
		if (slice_eq_nocase(s->fields[i], name))
			return true;
	return false;
}

/* ---- line ends ---------------------------------------------------------- */

void
crlf_reader_init(struct crlf_reader *r, struct slice stored)
{
	*r = (struct crlf_reader){ .rest = stored };
}

/* The bytes to the next LF that needs a CR, at most max. */
static size_t
plain_run(const struct crlf_reader *r, size_t max)
{
	struct slice s = r->rest;
	size_t at = 0;
	const char *lf;

	if (s.n > max)
		s.n = max;
	while (at < s.n) {
		lf = memchr(s.p + at, '\n', s.n - at);
		if (lf == NULL)
			return s.n;
		at = (size_t)(lf - s.p);
		if (at == 0 ? !r->after_cr : s.p[at - 1] != '\r')
			return at;
		at++;
	}
	return s.n;
}

/* to NULL: only counted. */
static uint64_t
take(struct crlf_reader *r, char *to, uint64_t max)
{
	uint64_t n = 0;
	size_t run;

	while (n < max) {
		if (r->owes_lf) {
			if (to != NULL)
				to[n] = '\n';
			n++;
			r->owes_lf = r->after_cr = false;
			r->rest = slice_from(r->rest, 1);
			continue;
		}
		if (r->rest.n == 0)
			break;
		run = plain_run(r, max - n > SIZE_MAX ? SIZE_MAX :
							(size_t)(max - n));
		if (run > 0) {
			if (to != NULL)
				memcpy(to + n, r->rest.p, run);
			n += run;
			r->after_cr = r->rest.p[run - 1] == '\r';
			r->rest = slice_from(r->rest, run);
			continue;
		}
		if (to != NULL)
			to[n] = '\r';
		n++;
		r->owes_lf = true;
	}
	return n;
}

size_t
crlf_read(struct crlf_reader *r, char *to, size_t max)
{
	return (size_t)take(r, to, max);
}

uint64_t
crlf_skip(struct crlf_reader *r, uint64_t n)
{
	return take(r, NULL, n);
}

uint64_t
crlf_size(struct slice s)
{
	struct crlf_reader r;

	crlf_reader_init(&r, s);
	return take(&r, NULL, UINT64_MAX);
}

int
crlf_add(struct buf *b, struct slice s, uint64_t from, uint64_t max)
{
	struct crlf_reader r, ahead;
	uint64_t n;
	char *to;

	crlf_reader_init(&r, s);
	crlf_skip(&r, from);
	ahead = r;
	n = take(&ahead, NULL, max);
	if (n > b->max || (to = buf_reserve(b, (size_t)n)) == NULL)
		return -1;
	b->n += crlf_read(&r, to, (size_t)n);
	return 0;
}

/* ---- content transfer encodings ----------------------------------------- */

enum decode
part_decode(const struct message *m, const struct part *p, struct buf *b)
{
	return mime_decode((enum mime_encoding)p->encoding, part_body(m, p), b);
}

enum decode
mime_decode(enum mime_encoding encoding, struct slice s, struct buf *b)
{
	size_t room = b->max - b->n;
	struct mime_decoder whole = { .encoding = encoding };

	switch (encoding) {
	case ENCODING_7BIT:
	case ENCODING_8BIT:
	case ENCODING_BINARY:
		if (crlf_add(b, s, 0, UINT64_MAX) == 0)
			return DECODE_OK;
		crlf_add(b, s, 0, room);
		return DECODE_FULL;
	case ENCODING_QP:
		/* LF becomes CRLF, all else does not grow. */
		if (s.n > room / 2) {
			decode_qp(slice_first(s, room / 2), b);
			return DECODE_FULL;
		}
		decode_qp(s, b);
		return DECODE_OK;
	case ENCODING_BASE64:
		if (s.n / 4 * 3 + 3 > room) {
			decode_base64(&whole, slice_first(s, room < 3 ? 0 :
				room / 3 * 4 - 4), true, b);
			return DECODE_FULL;
		}
		decode_base64(&whole, s, true, b);
		return DECODE_OK;
	case ENCODING_OTHER:
		break;
	}
	return DECODE_UNKNOWN;
}

void
mime_decoder_init(struct mime_decoder *d, enum mime_encoding encoding)
{
	*d = (struct mime_decoder){ .encoding = encoding };
}

/* Lines are decoded each by itself; within one, white space and what follows
 * "=" stay together. */
size_t
mime_piece(const struct mime_decoder *d, struct slice s, bool last)
{
	const char *lf;
	size_t n;

	if (last || d->encoding != ENCODING_QP)
		return s.n;
	lf = s.n == 0 ? NULL : memrchr(s.p, '\n', s.n);
	if (lf != NULL)
		return (size_t)(lf - s.p) + 1;
	for (n = s.n; n > 1; n--)
		if (memchr(" \t\r=", s.p[n - 1], 4) == NULL &&
		    s.p[n - 2] != '=')
			return n;
	return 0;
}

int
mime_decode_piece(struct mime_decoder *d, struct slice s, bool last,
    struct buf *b)
{
	size_t room = 2 * s.n + 3;
	char *to;

	if (room > b->max - b->n)
		return -1;
	if (d->encoding == ENCODING_BASE64)
		decode_base64(d, s, last, b);
	else if (d->encoding == ENCODING_QP)
		decode_qp(s, b);
	else {
		to = buf_reserve(b, room);
		if (to == NULL)
			return -1;
		d->lines.rest = s;
		b->n += crlf_read(&d->lines, to, room);
	}
	return 0;
}

/* Value of a digit plus 1; 0 for what is passed over. */
static const uint8_t base64_digits[256] = {
	['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18,
	19, 20, 21, 22, 23, 24, 25, 26,
	['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42,
	43, 44, 45, 46, 47, 48, 49, 50, 51, 52,
	['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62,
	['+'] = 63, ['/'] = 64,
};

/* Other characters are passed over (RFC 2045 6.8); padding ends a quantum, so
 * that bodies that were joined are read too. */
static void
decode_base64(struct mime_decoder *d, struct slice s, bool last, struct buf *b)
{
	char *to = buf_reserve(b, (d->have + s.n) / 4 * 3 + 3);
	unsigned have = d->have;
	uint32_t v = d->quantum;
	size_t i, n = 0;
	uint8_t digit;

	if (to == NULL)
		return;
	for (i = 0; i < s.n; i++) {
		digit = base64_digits[(unsigned char)s.p[i]];
		if (digit == 0 && s.p[i] != '=')
			continue;
		if (digit > 0) {
			v = v << 6 | (uint32_t)(digit - 1);
			if (++have < 4)
				continue;
			to[n++] = (char)(v >> 16);
			to[n++] = (char)(v >> 8);
			to[n++] = (char)v;
		} else {
			if (have >= 2)
				to[n++] = (char)(v >> (have == 2 ? 4 : 10));
			if (have == 3)
				to[n++] = (char)(v >> 2);
		}
		have = 0;
		v = 0;
	}
	if (last && have >= 2)
		to[n++] = (char)(v >> (have == 2 ? 4 : 10));
	if (last && have == 3)
		to[n++] = (char)(v >> 2);
	d->have = have;
	d->quantum = v;
	b->n += n;
}

/* RFC 2045 6.7; "=" that begins nothing stands for itself. */
static void
decode_qp(struct slice s, struct buf *b)
{
	char *to = buf_reserve(b, s.n * 2);
	size_t i = 0, n = 0, end, k;
	int hi, lo;

	if (to == NULL)
		return;
	while (i < s.n) {
		end = i + slice_find(slice_from(s, i), '\n');
		/* Without the line end and the white space before it. */
		k = end;
		if (end < s.n && k > i && s.p[k - 1] == '\r')
			k--;
		while (k > i && (s.p[k - 1] == ' ' || s.p[k - 1] == '\t'))
			k--;
		while (i < k) {
			if (s.p[i] != '=') {
				to[n++] = s.p[i++];
			} else if (i + 1 == k && (end < s.n || i + 1 == s.n)) {
				goto soft;
			} else if (k - i > 2 &&
			    (hi = char_hex(s.p[i + 1])) >= 0 &&
			    (lo = char_hex(s.p[i + 2])) >= 0) {
				to[n++] = (char)(hi << 4 | lo);
				i += 3;
			} else {
				to[n++] = s.p[i++];
			}
		}
		if (end < s.n) {
			to[n++] = '\r';
			to[n++] = '\n';
		}
soft:
		i = end < s.n ? end + 1 : end;
	}
	b->n += n;
}
