/* SPDX-License-Identifier: ISC */
/* names - see names.h. */
#include <limits.h>
#include <string.h>

#include "names.h"

static const char base64[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/* ---- UTF-8 -------------------------------------------------------------- */

/* RFC 3629 section 4; 0 at the end or where it is not well formed. */
static uint32_t
utf8_next(struct slice *in)
{
	const unsigned char *p = (const unsigned char *)in->p;
	uint32_t c;
	size_t i, n;

	if (in->n == 0)
		return 0;
	c = p[0];
	n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ?
	    3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
	if (n == 0 || n > in->n)
		return 0;
	if (n > 1)
		c &= 0xffu >> (n + 1);
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fu);
	}
	if ((n == 3 && (c < 0x800 || (c >= 0xd800 && c < 0xe000))) ||
	    (n == 4 && (c < 0x10000 || c > 0x10ffff)))
		return 0;
	*in = slice_from(*in, n);
	return c;
}

bool
utf8_is_valid(struct slice s)
{
	while (s.n > 0)
		if (utf8_next(&s) == 0)
			return false;
	return true;
}

static int
utf8_put(struct buf *b, uint32_t c)
{
	char t[4];
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4, i;

	for (i = n; i-- > 1; c >>= 6)
		t[i] = (char)(0x80 | (c & 0x3f));
	t[0] = (char)(n == 1 ? c : (0xf00u >> n & 0xff) | c);
	return buf_add(b, slice_of(t, n));
}

/* ---- modified UTF-7 ----------------------------------------------------- */

/* Sixteen-bit units as base 64, bits left over in the last character. */
struct packer {
	struct buf	*b;
	uint32_t	 bits;
	unsigned	 n;
	bool		 open;
};

static void
pack_unit(struct packer *p, uint32_t unit)
{
	if (!p->open)
		buf_add_byte(p->b, '&');
	p->open = true;
	p->bits = p->bits << 16 | unit;
	for (p->n += 16; p->n >= 6; p->n -= 6)
		buf_add_byte(p->b, base64[p->bits >> (p->n - 6) & 0x3f]);
}

static void
pack_end(struct packer *p)
{
	if (!p->open)
		return;
	if (p->n > 0)
		buf_add_byte(p->b, base64[p->bits << (6 - p->n) & 0x3f]);
	buf_add_byte(p->b, '-');
	*p = (struct packer){ .b = p->b };
}

int
mutf7_encode(struct slice s, struct buf *b)
{
	struct packer p = { .b = b };
	uint32_t c;

	while (s.n > 0) {
		c = utf8_next(&s);
		if (c == 0)
			return -1;
		if (c >= 0x20 && c < 0x7f) {
			pack_end(&p);
			if (buf_add_byte(b, (char)c) == -1 ||
			    (c == '&' && buf_add_byte(b, '-') == -1))
				return -1;
		} else if (c < 0x10000)
			pack_unit(&p, c);
		else {
			pack_unit(&p, 0xd7c0 + (c >> 10));
			pack_unit(&p, 0xdc00 + (c & 0x3ff));
		}
	}
	pack_end(&p);
	return buf_reserve(b, 0) == NULL ? -1 : 0;
}

/* The run after '&' up to '-'.  False: not base 64 of whole UTF-16. */
static bool
decode_run(struct slice run, struct buf *b)
{
	uint32_t bits = 0, unit, high = 0;
	unsigned n = 0;
	const char *at;
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
			utf8_put(b, 0x10000 + ((high - 0xd800) << 10) +
			    (unit - 0xdc00));
			high = 0;
		} else if (unit >= 0xd800 && unit < 0xdc00)
			high = unit;
		else if (unit == 0 || (unit >= 0xdc00 && unit < 0xe000) ||
		    (unit >= 0x20 && unit < 0x7f))
			return false;
		else
			utf8_put(b, unit);
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
		if (end == 1)
			buf_add_byte(b, '&');
		/* Two runs in a row would have been one. */
		else if (after_run || !decode_run(slice_of(s.p + 1, end - 1),
		    b))
			goto bad;
		after_run = end > 1;
		s = slice_from(s, end + 1);
	}
	return PARSE_OK;
bad:
	b->n = start;
	return PARSE_BAD;
}

/* ---- mailbox names ------------------------------------------------------ */

bool
name_is_valid(struct slice name)
{
	struct slice rest = name, level;
	unsigned levels = 0;
	size_t i;

	if (name.n == 0 || name.n > STORE_NAME_BYTES || !utf8_is_valid(name))
		return false;
	for (i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] < ' ' || name.p[i] == 0x7f ||
		    name.p[i] == '.')
			return false;
	while (slice_next(&rest, '/', &level))
		if (level.n == 0 || ++levels > STORE_DEPTH)
			return false;
	return true;
}

int
name_to_dir(struct slice name, bool utf7, struct buf *b)
{
	size_t i, start = b->n;

	if (buf_add_byte(b, '.') == -1 || (utf7 ? mutf7_encode(name, b) :
	    buf_add(b, name)) == -1)
		return -1;
	for (i = start; i < b->n; i++)
		if (b->p[i] == '/')
			b->p[i] = '.';
	return b->n - start > NAME_MAX ? -1 : 0;
}

enum parse
name_from_dir(struct slice dir, struct buf *b)
{
	size_t start = b->n, i;
	struct slice name;

	if (mutf7_decode(dir, b) != PARSE_OK) {
		if (!utf8_is_valid(dir) || buf_add(b, dir) == -1)
			return PARSE_BAD;
	}
	for (i = start; i < b->n; i++) {
		if (b->p[i] == '/')
			goto bad;
		if (b->p[i] == '.')
			b->p[i] = '/';
	}
	name = slice_from(buf_slice(b), start);
	if (name_is_valid(name))
		return PARSE_OK;
bad:
	b->n = start;
	return PARSE_BAD;
}

int
name_cmp(struct slice a, struct slice b)
{
	bool ia = slice_eq(a, SLICE_LIT("INBOX")),
	    ib = slice_eq(b, SLICE_LIT("INBOX"));
	size_t i;
	int x, y;

	if (ia || ib)
		return (int)ib - (int)ia;
	for (i = 0; i < a.n && i < b.n; i++) {
		if (a.p[i] == b.p[i])
			continue;
		x = a.p[i] == '/' ? 0 : (unsigned char)a.p[i];
		y = b.p[i] == '/' ? 0 : (unsigned char)b.p[i];
		return x - y;
	}
	return a.n < b.n ? -1 : a.n > b.n;
}

bool
name_is_below(struct slice name, struct slice parent)
{
	return slice_starts(name, parent) && name.n > parent.n &&
	    name.p[parent.n] == '/';
}
