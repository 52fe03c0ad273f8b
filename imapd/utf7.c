/* SPDX-License-Identifier: ISC */
/* utf7 - mailbox names of IMAP4rev1 (RFC 3501 section 5.1.3). */
#include "imap.h"
#include "mail/address.h"

static const char base64[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static uint32_t	 next_point(struct slice *utf8);
static int	 add_point(struct buf *, uint32_t);
static bool	 shifted_to(struct slice, struct buf *);

/* Bits that wait to be six, or sixteen. */
struct bits {
	uint32_t	 v;
	unsigned	 n;
};

static bool
is_direct(char c)
{
	return c >= 0x20 && c <= 0x7e;
}

/* The slice is valid UTF-8 and not empty. */
static uint32_t
next_point(struct slice *s)
{
	const unsigned char *p = (const unsigned char *)s->p;
	unsigned n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	uint32_t v = n == 1 ? p[0] : p[0] & (0xffu >> (n + 1));
	unsigned i;

	for (i = 1; i < n; i++)
		v = v << 6 | (p[i] & 0x3f);
	*s = slice_from(*s, n);
	return v;
}

static int
add_unit(struct buf *b, struct bits *bits, uint32_t unit)
{
	bits->v = bits->v << 16 | unit;
	for (bits->n += 16; bits->n >= 6; bits->n -= 6)
		if (buf_add_byte(b, base64[bits->v >> (bits->n - 6) & 63]) == -1)
			return -1;
	bits->v &= 63;
	return 0;
}

static int
add_shifted(struct buf *b, struct slice *in)
{
	struct bits bits = { 0, 0 };
	uint32_t v;
	int r = buf_add_byte(b, '&');

	while (r == 0 && in->n > 0 && !is_direct(in->p[0])) {
		v = next_point(in);
		if (v >= 0x10000) {
			r = add_unit(b, &bits, 0xd800 + ((v - 0x10000) >> 10));
			v = 0xdc00 + ((v - 0x10000) & 0x3ff);
		}
		if (r == 0)
			r = add_unit(b, &bits, v);
	}
	if (r == 0 && bits.n > 0)
		r = buf_add_byte(b, base64[bits.v << (6 - bits.n) & 63]);
	return r == 0 ? buf_add_byte(b, '-') : -1;
}

bool
utf7_from(struct slice in, struct buf *b)
{
	int r = 0;

	if (!slice_is_utf8(in))
		return false;
	while (r == 0 && in.n > 0) {
		if (!is_direct(in.p[0])) {
			r = add_shifted(b, &in);
			continue;
		}
		r = buf_add_byte(b, in.p[0]);
		if (r == 0 && in.p[0] == '&')
			r = buf_add_byte(b, '-');
		in = slice_from(in, 1);
	}
	return r == 0;
}

static int
add_point(struct buf *b, uint32_t v)
{
	char t[4];
	size_t n = v < 0x80 ? 1 : v < 0x800 ? 2 : v < 0x10000 ? 3 : 4, i;

	for (i = n; i-- > 1; v >>= 6)
		t[i] = (char)(0x80 | (v & 0x3f));
	t[0] = (char)(n == 1 ? v : (0xf00u >> n & 0xff) | v);
	return buf_add(b, slice_of(t, n));
}

bool
utf7_to(struct slice in, struct buf *b)
{
	size_t end;

	while (in.n > 0) {
		if (!is_direct(in.p[0]))
			return false;
		if (in.p[0] != '&') {
			if (buf_add_byte(b, in.p[0]) == -1)
				return false;
			in = slice_from(in, 1);
			continue;
		}
		end = slice_find(in, '-');
		if (end == in.n)
			return false;
		if (end == 1 ? buf_add_byte(b, '&') == -1 :
		    !shifted_to(slice_of(in.p + 1, end - 1), b))
			return false;
		in = slice_from(in, end + 1);
	}
	return true;
}

/* What stands between "&" and "-": whole UTF-16 units that are not ASCII, so
 * that each name has one form. */
static bool
shifted_to(struct slice in, struct buf *b)
{
	struct bits bits = { 0, 0 };
	uint32_t unit, high = 0;
	const char *hit;

	for (; in.n > 0; in = slice_from(in, 1)) {
		hit = memchr(base64, in.p[0], 64);
		if (hit == NULL)
			return false;
		bits.v = bits.v << 6 | (uint32_t)(hit - base64);
		bits.n += 6;
		if (bits.n < 16)
			continue;
		bits.n -= 16;
		unit = bits.v >> bits.n & 0xffff;
		bits.v &= (1u << bits.n) - 1;
		if (high != 0) {
			if ((unit & 0xfc00) != 0xdc00)
				return false;
			unit = 0x10000 + ((high & 0x3ff) << 10) +
			    (unit & 0x3ff);
			high = 0;
		} else if ((unit & 0xfc00) == 0xd800) {
			high = unit;
			continue;
		} else if ((unit & 0xfc00) == 0xdc00 || unit == 0 ||
		    (unit < 0x80 && is_direct((char)unit)))
			return false;
		if (add_point(b, unit) == -1)
			return false;
	}
	return high == 0 && bits.n < 6 && bits.v == 0;
}
