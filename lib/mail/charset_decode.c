/* SPDX-License-Identifier: ISC */
/*
 * charset_decode - see charset_decode.h.
 *
 * A set is a function that takes one step: from the front of what is left it
 * takes a character, or an escape sequence, which is none.
 */
#include <string.h>

#include "mail/charset_decode.h"
#include "mail/charset_tables.h"
#include "mail/utf8.h"

#define NOTHING		UINT32_MAX	/* no character: an escape sequence */
#define CUT		0		/* instead of the bytes that were taken */

/* What the bytes before say of those that come. */
struct state {
	enum { ASCII, ROMAN, DOUBLE } in;	/* ISO-2022, of 7 bits */
	enum charset_plane plane;		/* DOUBLE */
	enum { NO_G2, LATIN, GREEK } g2;
	bool		 little, begun;		/* UTF-16, UTF-32 */
	bool		 base64;		/* UTF-7: within one */
	unsigned	 nbits;			/* UTF-7: of these, the lowest */
	uint32_t	 bits;
	uint32_t	 half;			/* UTF-7, UTF-16: of a pair, or 0 */
	uint32_t	 more;			/* to follow the character, or 0 */
};

/*
 * How many bytes were taken for *c; CUT: they are the beginning of something;
 * -n: the first n are none of the set.  There is at least one.
 */
typedef int	 step(struct state *, struct slice, uint32_t *c);

struct decoder {
	const char	*name;
	step		*step;
	struct state	 first;
};

static step	 step_double, step_hkscs, step_euc_jp, step_euc_tw, step_gb18030,
		    step_jp, step_kr, step_utf7, step_utf16, step_utf32;
static int	 put(uint32_t, struct buf *);
static int	 cell(enum charset_plane, struct slice, uint32_t *);
static int	 cell_of_7_bits(enum charset_plane, struct slice, uint32_t *);
static int	 gb_four(struct slice, uint32_t *);
static int	 escape(struct state *, struct slice);
static int	 single_shift(const struct state *, struct slice, uint32_t *);
static int	 base64_value(unsigned char);
static int	 join(struct state *, uint32_t unit, int n, uint32_t *c);
static uint32_t	 unit(const struct state *, struct slice, size_t n);
static bool	 is_mark(struct state *, struct slice, size_t n);

static const struct decoder decoders[] = {
	{ "cp932",	step_double,	{ .plane = PLANE_CP932 } },
	{ "cp949",	step_double,	{ .plane = PLANE_CP949 } },
	{ "cp950",	step_double,	{ .plane = PLANE_CP950 } },
	{ "big5-hkscs",	step_hkscs,	{ .plane = PLANE_HKSCS } },
	{ "gb18030",	step_gb18030,	{ .plane = PLANE_GB } },
	{ "euc-jp",	step_euc_jp,	{ .plane = PLANE_JIS } },
	{ "euc-tw",	step_euc_tw,	{ .plane = PLANE_CNS1 } },
	{ "iso-2022-jp-2", step_jp,	{ .in = ASCII } },
	{ "iso-2022-kr", step_kr,	{ .in = ASCII } },
	{ "utf-7",	step_utf7,	{ .base64 = false } },
	{ "utf-16",	step_utf16,	{ .little = true } },
	{ "utf-16le",	step_utf16,	{ .little = true, .begun = true } },
	{ "utf-16be",	step_utf16,	{ .begun = true } },
	{ "utf-32",	step_utf32,	{ .little = true } },
};

const struct decoder *
decoder_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(decoders) / sizeof(decoders[0]); i++)
		if (strcmp(decoders[i].name, name) == 0)
			return &decoders[i];
	return NULL;
}

bool
decoder_run(const struct decoder *d, struct slice s, struct buf *b)
{
	struct state st = d->first;
	bool ok = true;
	uint32_t c;
	int n;

	while (s.n > 0) {
		c = NOTHING;
		n = d->step(&st, s, &c);
		if (n <= 0) {
			ok = false;
			c = 0xfffd;
			n = n == CUT || (size_t)-n > s.n ? (int)s.n : -n;
		}
		s = slice_from(s, (size_t)n);
		if ((c != NOTHING && put(c, b) != 0) ||
		    (st.more != 0 && put(st.more, b) != 0))
			return false;
		st.more = 0;
	}
	if (st.half != 0)
		put(0xfffd, b);
	return ok && st.half == 0;
}

static int
put(uint32_t c, struct buf *b)
{
	char *to = buf_reserve(b, 4);

	if (to == NULL)
		return -1;
	b->n += utf8_encode(c, to);
	return 0;
}

static unsigned
byte(struct slice s, size_t i)
{
	return (unsigned char)s.p[i];
}

/* ---- two bytes ----------------------------------------------------------- */

/* One or two bytes, of which the first is above 127. */
static int
cell(enum charset_plane plane, struct slice s, uint32_t *c)
{
	const struct charset_cells *p = &charset_planes[plane];
	size_t i;

	if (p->high[byte(s, 0) - 128] != 0) {
		*c = p->high[byte(s, 0) - 128];
		return 1;
	}
	if (byte(s, 0) < PLANE_LEAD || byte(s, 0) >= PLANE_LEAD + PLANE_LEADS)
		return -1;
	if (s.n < 2)
		return CUT;
	if (byte(s, 1) < PLANE_TRAIL ||
	    byte(s, 1) >= PLANE_TRAIL + PLANE_TRAILS)
		return -1;
	i = (byte(s, 0) - PLANE_LEAD) * PLANE_TRAILS + byte(s, 1) - PLANE_TRAIL;
	if (p->low[i] == 0 && !(p->sip[i / 8] & 1 << i % 8))
		return -1;
	*c = p->low[i] + (p->sip[i / 8] & 1 << i % 8 ? 0x20000U : 0);
	return 2;
}

static int
step_double(struct state *st, struct slice s, uint32_t *c)
{
	if (byte(s, 0) >= 128)
		return cell(st->plane, s, c);
	*c = byte(s, 0);
	return 1;
}

/* Four pairs are two characters: a letter and its accent. */
static int
step_hkscs(struct state *st, struct slice s, uint32_t *c)
{
	int n = step_double(st, s, c);
	unsigned pair = n == 2 ? byte(s, 0) << 8 | byte(s, 1) : 0;

	if (pair == 0x8862 || pair == 0x88a3)
		st->more = 0x304;
	else if (pair == 0x8864 || pair == 0x88a5)
		st->more = 0x30c;
	return n;
}

static int
step_euc_jp(struct state *st, struct slice s, uint32_t *c)
{
	int n;

	if (byte(s, 0) == 0x8e) {	/* katakana of half width */
		if (s.n < 2)
			return CUT;
		if (byte(s, 1) < 0xa1 || byte(s, 1) > 0xdf)
			return -1;
		*c = 0xff61 + byte(s, 1) - 0xa1;
		return 2;
	}
	if (byte(s, 0) != 0x8f)
		return step_double(st, s, c);
	if (s.n < 2)
		return CUT;
	if (byte(s, 1) < 0xa1)
		return -1;
	n = cell(PLANE_JIS212, slice_from(s, 1), c);
	return n > 0 ? n + 1 : n;
}

/* Planes 1 and 2, which have all that Big5 has. */
static int
step_euc_tw(struct state *st, struct slice s, uint32_t *c)
{
	int n;

	if (byte(s, 0) != 0x8e)
		return step_double(st, s, c);
	if (s.n < 3)
		return CUT;
	if ((byte(s, 1) != 0xa1 && byte(s, 1) != 0xa2) || byte(s, 2) < 0xa1)
		return -1;
	n = cell(byte(s, 1) == 0xa1 ? PLANE_CNS1 : PLANE_CNS2,
	    slice_from(s, 2), c);
	return n > 0 ? n + 2 : n;
}

static int
step_gb18030(struct state *st, struct slice s, uint32_t *c)
{
	if (byte(s, 0) >= PLANE_LEAD && byte(s, 0) != 0xff && s.n >= 2 &&
	    byte(s, 1) >= '0' && byte(s, 1) <= '9')
		return gb_four(s, c);
	return step_double(st, s, c);
}

static int
gb_four(struct slice s, uint32_t *c)
{
	size_t low = 0, high = gb_runs_n, middle;
	uint32_t at;

	if (s.n < 4)
		return CUT;
	if (byte(s, 2) < 0x81 || byte(s, 2) == 0xff || byte(s, 3) < '0' ||
	    byte(s, 3) > '9')
		return -1;
	at = (((byte(s, 0) - 0x81) * 10 + byte(s, 1) - '0') * 126 +
	    byte(s, 2) - 0x81) * 10 + byte(s, 3) - '0';
	if (at >= 189000 && at - 189000 <= 0x10ffff - 0x10000) {
		*c = at - 189000 + 0x10000;
		return 4;
	}
	if (at >= GB_FOUR_BMP)
		return -4;
	while (high - low > 1) {
		middle = low + (high - low) / 2;
		if (gb_runs[middle].at <= at)
			low = middle;
		else
			high = middle;
	}
	if (gb_runs[low].code == 0)
		return -4;
	*c = gb_runs[low].code + (at - gb_runs[low].at);
	return 4;
}

/* ---- 7 bits and escape sequences: RFC 1468, 1554 and 1557 ---------------- */

static const struct escape {
	const char	*bytes;
	int		 in;		/* or -1 */
	enum charset_plane plane;
	int		 g2;		/* or -1 */
} escapes[] = {
	{ "\x1b(B", ASCII, 0, -1 },
	{ "\x1b(J", ROMAN, 0, -1 },
	{ "\x1b$@", DOUBLE, PLANE_JIS, -1 },
	{ "\x1b$B", DOUBLE, PLANE_JIS, -1 },
	{ "\x1b$(D", DOUBLE, PLANE_JIS212, -1 },
	{ "\x1b$A", DOUBLE, PLANE_GB, -1 },
	{ "\x1b$(C", DOUBLE, PLANE_CP949, -1 },
	{ "\x1b.A", -1, 0, LATIN },
	{ "\x1b.F", -1, 0, GREEK },
};

static int
escape(struct state *st, struct slice s)
{
	const struct escape *e;
	size_t i, n;
	bool cut = false;

	for (i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
		e = &escapes[i];
		n = strlen(e->bytes);
		if (memcmp(s.p, e->bytes, s.n < n ? s.n : n) != 0)
			continue;
		if (s.n < n) {
			cut = true;
			continue;
		}
		if (e->in != -1) {
			st->in = (unsigned)e->in;
			st->plane = e->plane;
		}
		if (e->g2 != -1)
			st->g2 = (unsigned)e->g2;
		return (int)n;
	}
	return cut ? CUT : -1;
}

/* As the upper half of the plane, where the sets of 94 by 94 lie. */
static int
cell_of_7_bits(enum charset_plane plane, struct slice s, uint32_t *c)
{
	char upper[2];

	if (s.n < 2)
		return CUT;
	if (byte(s, 0) < 0x21 || byte(s, 1) < 0x21 || byte(s, 0) > 0x7e ||
	    byte(s, 1) > 0x7e)
		return -1;
	upper[0] = (char)(byte(s, 0) | 0x80);
	upper[1] = (char)(byte(s, 1) | 0x80);
	return cell(plane, slice_of(upper, 2), c);
}

/* The one character of the second half of ISO 8859-1 or -7 behind ESC N. */
static int
single_shift(const struct state *st, struct slice s, uint32_t *c)
{
	size_t i;

	if (s.n < 3)
		return CUT;
	if (st->g2 == NO_G2 || byte(s, 2) < 0x20 || byte(s, 2) > 0x7f)
		return -1;
	if (st->g2 == LATIN) {
		*c = byte(s, 2) | 0x80;
		return 3;
	}
	for (i = 0; i < charsets_of_a_byte_n; i++)
		if (strcmp(charsets_of_a_byte[i].name, "iso-8859-7") == 0)
			*c = charsets_of_a_byte[i].high[byte(s, 2)];
	return *c == NOTHING || *c == 0xfffd ? -1 : 3;
}

static int
step_jp(struct state *st, struct slice s, uint32_t *c)
{
	if (byte(s, 0) >= 128)
		return -1;
	if (byte(s, 0) == 0x1b)
		return s.n >= 2 && byte(s, 1) == 'N' ? single_shift(st, s, c) :
		    escape(st, s);
	if (byte(s, 0) == '\n') {	/* RFC 1554: a line begins anew */
		st->g2 = NO_G2;
		st->in = st->in == DOUBLE ? ASCII : st->in;
	}
	if (st->in == DOUBLE && byte(s, 0) > ' ')
		return cell_of_7_bits(st->plane, s, c);
	*c = byte(s, 0);
	if (st->in == ROMAN && *c == '\\')
		*c = 0xa5;	/* yen */
	else if (st->in == ROMAN && *c == '~')
		*c = 0x203e;	/* overline */
	return 1;
}

static int
step_kr(struct state *st, struct slice s, uint32_t *c)
{
	static const char designation[] = "\x1b$)C";

	switch (byte(s, 0)) {
	case 0x1b:
		if (memcmp(s.p, designation, s.n < 4 ? s.n : 4) != 0)
			return -1;
		return s.n < 4 ? CUT : 4;
	case 0x0e:
		st->in = DOUBLE;
		return 1;
	case 0x0f:
	case '\n':
		st->in = ASCII;
		if (byte(s, 0) == '\n')
			*c = '\n';
		return 1;
	default:
		if (byte(s, 0) >= 128)
			return -1;
		if (st->in == DOUBLE && byte(s, 0) > ' ')
			return cell_of_7_bits(PLANE_CP949, s, c);
		*c = byte(s, 0);
		return 1;
	}
}

/* ---- Unicode ------------------------------------------------------------- */

/* RFC 2152. */
static int
step_utf7(struct state *st, struct slice s, uint32_t *c)
{
	int v = base64_value((unsigned char)s.p[0]);

	if (st->base64 && v != -1) {
		st->bits = st->bits << 6 | (uint32_t)v;
		st->nbits += 6;
		if (st->nbits < 16)
			return 1;
		st->nbits -= 16;
		return join(st, st->bits >> st->nbits & 0xffff, 1, c);
	}
	if (st->base64) {
		st->base64 = false;
		st->nbits = 0;
		if (st->half != 0) {
			st->half = 0;
			return -1;
		}
		if (byte(s, 0) == '-')
			return 1;
	}
	if (byte(s, 0) == '+') {
		if (s.n >= 2 && byte(s, 1) == '-') {
			*c = '+';
			return 2;
		}
		st->base64 = true;
		st->bits = 0;
		return 1;
	}
	if (byte(s, 0) >= 128)
		return -1;
	*c = byte(s, 0);
	return 1;
}

static int
base64_value(unsigned char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits);
}

static int
step_utf16(struct state *st, struct slice s, uint32_t *c)
{
	if (!st->begun && is_mark(st, s, 2))
		return 2;
	if (s.n < 2)
		return CUT;
	return join(st, unit(st, s, 2), 2, c);
}

static int
step_utf32(struct state *st, struct slice s, uint32_t *c)
{
	uint32_t u;

	if (!st->begun && is_mark(st, s, 4))
		return 4;
	if (s.n < 4)
		return CUT;
	u = unit(st, s, 4);
	if (u > 0x10ffff || (u & 0x1ff800) == 0xd800)
		return -4;
	*c = u;
	return 4;
}

/* The next 16 bits, which n bytes have said.  *c stays NOTHING at the first
 * half of a pair. */
static int
join(struct state *st, uint32_t u, int n, uint32_t *c)
{
	uint32_t half = st->half;

	st->half = 0;
	if (half != 0 && (u & 0xfc00) == 0xdc00)
		*c = 0x10000 + ((half & 0x3ff) << 10 | (u & 0x3ff));
	else if (half != 0 || (u & 0xfc00) == 0xdc00)
		return -n;
	else if ((u & 0xfc00) == 0xd800)
		st->half = u;
	else
		*c = u;
	return n;
}

static uint32_t
unit(const struct state *st, struct slice s, size_t n)
{
	uint32_t u = 0;
	size_t i;

	for (i = 0; i < n; i++)
		u = u << 8 | byte(s, st->little ? n - 1 - i : i);
	return u;
}

/* A mark at the beginning says which byte comes first. */
static bool
is_mark(struct state *st, struct slice s, size_t n)
{
	st->begun = true;
	if (s.n < n)
		return false;
	if (unit(st, s, n) == 0xfeff)
		return true;
	st->little = !st->little;
	if (unit(st, s, n) == 0xfeff)
		return true;
	st->little = !st->little;
	return false;
}
