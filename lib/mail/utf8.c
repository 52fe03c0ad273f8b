/* SPDX-License-Identifier: ISC */
/* utf8 - see utf8.h. */
#include <string.h>

#include "mail/address.h"
#include "mail/utf8.h"

size_t
utf8_encode(uint32_t v, char to[4])
{
	static const uint8_t lead[5] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	size_t i, n = v < 0x80 ? 1 : v < 0x800 ? 2 : v < 0x10000 ? 3 : 4;

	for (i = n - 1; i > 0; i--, v >>= 6)
		to[i] = (char)(0x80 | (v & 0x3f));
	to[0] = (char)(lead[n] | v);
	return n;
}

uint32_t
utf8_decode(struct slice *s)
{
	unsigned char c = (unsigned char)s->p[0];
	uint32_t v = c < 0x80 ? c : c < 0xe0 ? c & 0x1f :
	    c < 0xf0 ? c & 0x0f : c & 0x07;
	size_t i = 1;

	for (; i < s->n && ((unsigned char)s->p[i] & 0xc0) == 0x80; i++)
		v = v << 6 | ((unsigned char)s->p[i] & 0x3f);
	*s = slice_from(*s, i);
	return v;
}

/* RFC 3501's, with ',' for '/'. */
static const char base64[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/* ---- modified UTF-7 ----------------------------------------------------- */

/* Sixteen-bit units as base 64, bits left over in the last character. */
struct packer {
	struct buf	*b;
	uint32_t	 bits;
	unsigned	 n;
	bool		 open;
	bool		 full;		/* the buf was, once */
};

static void
add(struct packer *p, char c)
{
	if (buf_add_byte(p->b, c) == -1)
		p->full = true;
}

static void
pack_unit(struct packer *p, uint32_t unit)
{
	if (!p->open)
		add(p, '&');
	p->open = true;
	p->bits = p->bits << 16 | unit;
	for (p->n += 16; p->n >= 6; p->n -= 6)
		add(p, base64[p->bits >> (p->n - 6) & 0x3f]);
}

static void
pack_end(struct packer *p)
{
	if (!p->open)
		return;
	if (p->n > 0)
		add(p, base64[p->bits << (6 - p->n) & 0x3f]);
	add(p, '-');
	p->bits = p->n = 0;
	p->open = false;
}

int
mutf7_encode(struct slice s, struct buf *b)
{
	struct packer p = { .b = b };
	size_t start = b->n;
	uint32_t c;

	if (!slice_is_utf8(s) || slice_find(s, '\0') < s.n)
		return -1;
	while (s.n > 0) {
		c = utf8_decode(&s);
		if (c >= 0x20 && c < 0x7f) {
			pack_end(&p);
			add(&p, (char)c);
			if (c == '&')
				add(&p, '-');
		} else if (c < 0x10000)
			pack_unit(&p, c);
		else {
			pack_unit(&p, 0xd7c0 + (c >> 10));
			pack_unit(&p, 0xdc00 + (c & 0x3ff));
		}
	}
	pack_end(&p);
	if (!p.full)
		return 0;
	b->n = start;
	return -1;
}

/* The run after '&' up to '-'.  False: not base 64 of whole UTF-16, or it does
 * not fit. */
static bool
decode_run(struct slice run, struct buf *b)
{
	uint32_t bits = 0, unit, high = 0;
	unsigned n = 0;
	const char *at;
	char t[4];
	size_t i;

	for (i = 0; i < run.n; i++) {
		at = memchr(base64, run.p[i], 64);
		if (at == NULL)
			return false;
		bits = bits << 6 | (uint32_t)(at - base64);
		n += 6;
		if (n < 16)
			continue;
		n -= 16;
		unit = bits >> n & 0xffff;
		if (high != 0) {
			if (unit < 0xdc00 || unit >= 0xe000)
				return false;
			unit += 0x10000 + ((high - 0xd800) << 10) - 0xdc00;
			high = 0;
		} else if (unit >= 0xd800 && unit < 0xdc00) {
			high = unit;
			continue;
		} else if (unit == 0 || (unit >= 0xdc00 && unit < 0xe000) ||
		    (unit >= 0x20 && unit < 0x7f))
			return false;
		if (buf_add(b, slice_of(t, utf8_encode(unit, t))) == -1)
			return false;
	}
	return high == 0 && n < 6 && (bits & ((1u << n) - 1)) == 0;
}

enum parse
mutf7_decode(struct slice s, struct buf *b)
{
	size_t start = b->n, end;
	bool after_run = false;
	unsigned char c;

	while (s.n > 0) {
		c = (unsigned char)s.p[0];
		if (c < 0x20 || c >= 0x7f)
			goto bad;
		if (c != '&') {
			if (buf_add_byte(b, (char)c) == -1)
				goto bad;
			s = slice_from(s, 1);
			after_run = false;
			continue;
		}
		end = slice_find(s, '-');
		if (end == s.n)
			goto bad;
		/* Two runs in a row would have been one. */
		if (end == 1 ? buf_add_byte(b, '&') == -1 : after_run ||
		    !decode_run(slice_of(s.p + 1, end - 1), b))
			goto bad;
		after_run = end > 1;
		s = slice_from(s, end + 1);
	}
	return PARSE_OK;
bad:
	b->n = start;
	return PARSE_BAD;
}
