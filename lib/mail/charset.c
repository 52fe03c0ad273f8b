/* SPDX-License-Identifier: ISC */
/*
 * charset - character sets; see charset.h.
 *
 * Sets of one byte become a table of 128 code points when they are first used;
 * others keep an iconv descriptor.  UTF-8, US-ASCII and windows-1252 (which
 * iso-8859-1 is taken for, as everybody does) need neither.
 */
#include <errno.h>
#include <iconv.h>
#include <stdlib.h>

#include "base/mem.h"
#include "mail/address.h"
#include "mail/charset.h"

enum kind { KIND_UTF8, KIND_TABLE, KIND_ICONV, KIND_UNKNOWN };

struct charset {
	char		 name[CHARSET_NAME_BYTES + 1];	/* lower case */
	enum kind	 kind;
	uint16_t	 high[128];	/* KIND_TABLE: of bytes 128 to 255 */
	iconv_t		 cd;		/* KIND_ICONV */
};

static struct charset *cache[CHARSETS];
static size_t	 ncache, newest;

static struct charset *charset_get(struct slice name);
static void	 charset_load(struct charset *);
static bool	 load_table(struct charset *, iconv_t);
static bool	 by_iconv(iconv_t, struct slice, struct buf *);
static bool	 by_table(const uint16_t *, struct slice, struct buf *);

static const uint16_t windows_1252[128] = {
	0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6,
	0x2030, 0x160, 0x2039, 0x152, 0x8d, 0x17d, 0x8f, 0x90, 0x2018, 0x2019,
	0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a,
	0x153, 0x9d, 0x17e, 0x178,
#define U4(c)	(c), (c) + 1, (c) + 2, (c) + 3
#define U16(c)	U4(c), U4((c) + 4), U4((c) + 8), U4((c) + 12)
	U16(0xa0), U16(0xb0), U16(0xc0), U16(0xd0), U16(0xe0), U16(0xf0),
};

/* Names that mean more than they say. */
static const struct {
	const char	*name, *meant;
} meanings[] = {
	{ "", "us-ascii" },
	{ "ansi_x3.4-1968", "us-ascii" },
	{ "ascii", "us-ascii" },
	{ "us-ascii", "us-ascii" },
	{ "utf8", "utf-8" },
	{ "unicode-1-1-utf-8", "utf-8" },
	{ "unknown-8bit", "us-ascii" },
	{ "8bit", "us-ascii" },
	{ "x-unknown", "us-ascii" },
	{ "default", "us-ascii" },
	{ "latin1", "windows-1252" },
	{ "iso8859-1", "windows-1252" },
	{ "iso-8859-1", "windows-1252" },
	{ "iso_8859-1", "windows-1252" },
	{ "cp1252", "windows-1252" },
	{ "iso-8859-9", "windows-1254" },
	{ "iso-8859-11", "windows-874" },
	{ "tis-620", "windows-874" },
	{ "gb2312", "gb18030" },
	{ "gbk", "gb18030" },
	{ "x-gbk", "gb18030" },
	{ "big5", "cp950" },
	{ "shift_jis", "cp932" },
	{ "shift-jis", "cp932" },
	{ "sjis", "cp932" },
	{ "x-sjis", "cp932" },
	{ "ks_c_5601-1987", "cp949" },
	{ "euc-kr", "cp949" },
	{ "windows-31j", "cp932" },
	{ "iso-8859-8-i", "iso-8859-8" },
	{ "iso-2022-jp", "iso-2022-jp-2" },
	{ "x-mac-roman", "macintosh" },
	{ "x-user-defined", "us-ascii" },
	{ "windows-874", "cp874" },
};

static const char *const usual[] = {
	"iso-8859-2", "iso-8859-3", "iso-8859-4", "iso-8859-5", "iso-8859-6",
	"iso-8859-7", "iso-8859-8", "iso-8859-10", "iso-8859-13",
	"iso-8859-14", "iso-8859-15", "iso-8859-16", "windows-1250",
	"windows-1251", "windows-1253", "windows-1254", "windows-1255",
	"windows-1256", "windows-1257", "windows-1258", "cp874", "koi8-r",
	"koi8-u", "cp437", "cp850", "cp852", "cp858", "cp866", "macintosh",
	"gb18030", "hz-gb-2312", "cp950", "big5-hkscs", "cp932", "euc-jp",
	"iso-2022-jp-2", "cp949", "iso-2022-kr", "euc-tw", "utf-7", "utf-16",
	"utf-16le", "utf-16be", "utf-32",
};

void
charset_warm_up(void)
{
	struct buf b = BUF_INIT(100);
	size_t i;

	for (i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		charset_get(slice_str(usual[i]));
	/* The tables of Latin, Greek and Cyrillic, so that what is forked off
	 * shares them. */
	casefold(SLICE_LIT("\xc3\xa9\xc4\x8d\xce\xb1\xd0\xb0\xe2\x80\x99"),
	    &b);
	buf_clear(&b);
}

bool
charset_is_known(struct slice name)
{
	return charset_get(name)->kind != KIND_UNKNOWN;
}

/* What is looked up twice is found first: few sets are in use at a time. */
static struct charset *
charset_get(struct slice name)
{
	static struct charset unknown = { .kind = KIND_UNKNOWN };
	char lower[CHARSET_NAME_BYTES + 1];
	struct charset *cs;
	size_t i;

	name = slice_trim(name);
	if (name.n > CHARSET_NAME_BYTES)
		return &unknown;
	for (i = 0; i < name.n; i++) {
		/* What iconv would take apart or look for in a file's name. */
		if (name.p[i] <= ' ' || name.p[i] == '/' || name.p[i] == 127 ||
		    name.p[i] == ',')
			return &unknown;
		lower[i] = ascii_lower(name.p[i]);
	}
	lower[name.n] = '\0';
	for (i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
		if (strcmp(lower, meanings[i].name) == 0) {
			strlcpy(lower, meanings[i].meant, sizeof(lower));
			break;
		}
	}
	for (i = 0; i < ncache; i++)
		if (strcmp(lower, cache[i]->name) == 0)
			return cache[i];
	if (ncache < CHARSETS) {
		newest = ncache++;
		cache[newest] = mem_alloc(sizeof(**cache));
	} else {
		/* In turn, those that were not there from the start. */
		newest = newest + 1 < CHARSETS ? newest + 1 : CHARSETS / 2;
		if (cache[newest]->kind == KIND_ICONV)
			iconv_close(cache[newest]->cd);
	}
	cs = cache[newest];
	*cs = (struct charset){ .kind = KIND_UNKNOWN };
	strlcpy(cs->name, lower, sizeof(cs->name));
	charset_load(cs);
	return cs;
}

static void
charset_load(struct charset *cs)
{
	iconv_t cd;

	if (strcmp(cs->name, "utf-8") == 0 ||
	    strcmp(cs->name, "us-ascii") == 0) {
		cs->kind = KIND_UTF8;
		return;
	}
	if (strcmp(cs->name, "windows-1252") == 0) {
		cs->kind = KIND_TABLE;
		memcpy(cs->high, windows_1252, sizeof(cs->high));
		return;
	}
	cd = iconv_open("UTF-8", cs->name);
	if (cd == (iconv_t)-1)
		return;
	if (load_table(cs, cd)) {
		cs->kind = KIND_TABLE;
		iconv_close(cd);
		return;
	}
	cs->kind = KIND_ICONV;
	cs->cd = cd;
}

/* False: it is not ASCII and 128 characters of one byte. */
static bool
load_table(struct charset *cs, iconv_t cd)
{
	unsigned char out[8];
	char in, *pin, *pout;
	size_t nin, nout, i;
	uint32_t c;

	for (i = 0; i < 256; i++) {
		in = (char)i;
		pin = &in;
		pout = (char *)out;
		nin = 1;
		nout = sizeof(out);
		iconv(cd, NULL, NULL, NULL, NULL);
		c = 0xfffd;
		if (iconv(cd, &pin, &nin, &pout, &nout) == (size_t)-1) {
			if (errno == EINVAL)
				return false;	/* the first of several */
		} else {
			nout = sizeof(out) - nout;
			if (nin != 0 || nout == 0 || nout > 3)
				return false;
			c = out[0];
			if (nout == 2)
				c = (c & 0x1f) << 6 | (out[1] & 0x3fU);
			else if (nout == 3)
				c = (c & 0xf) << 12 | (out[1] & 0x3fU) << 6 |
				    (out[2] & 0x3fU);
		}
		if (i < 128 && c != i)
			return false;
		if (i >= 128)
			cs->high[i - 128] = (uint16_t)c;
	}
	return true;
}

bool
charset_to_utf8(struct slice name, struct slice s, struct buf *b)
{
	struct charset *cs = charset_get(name);

	switch (cs->kind) {
	case KIND_UTF8:
		charset_guess(s, b);
		return true;
	case KIND_TABLE:
		by_table(cs->high, s, b);
		return true;
	case KIND_ICONV:
		by_iconv(cs->cd, s, b);
		return true;
	case KIND_UNKNOWN:
		break;
	}
	charset_guess(s, b);
	return false;
}

int
charset_convert(struct slice name, struct slice s, struct buf *b)
{
	struct charset *cs = charset_get(name);
	size_t was = b->n;
	bool ok = false;

	switch (cs->kind) {
	case KIND_UTF8:
		ok = (strcmp(cs->name, "us-ascii") == 0 ? slice_is_ascii(s) :
							  slice_is_utf8(s)) &&
		    buf_add(b, s) == 0;
		break;
	case KIND_TABLE:
		ok = by_table(cs->high, s, b);
		break;
	case KIND_ICONV:
		ok = by_iconv(cs->cd, s, b);
		break;
	case KIND_UNKNOWN:
		break;
	}
	if (!ok)
		b->n = was;
	return ok ? 0 : -1;
}

/* Each piece by itself, so that a character that was cut at the end does not
 * spoil all before it. */
void
charset_guess(struct slice s, struct buf *b)
{
	size_t good, n, room;

	while (s.n > 0) {
		room = b->max - b->n;
		for (good = 0; good < s.n; good += n) {
			n = (unsigned char)s.p[good] < 0x80 ? 1 :
			    utf8_sequence(slice_from(s, good));
			if (n == 0 || n > room - good)
				break;
		}
		buf_add(b, slice_first(s, good));
		s = slice_from(s, good);
		if (s.n == 0 || b->max - b->n < 4)
			break;
		by_table(windows_1252, slice_first(s, 1), b);
		s = slice_from(s, 1);
	}
}

/* ---- the three ways; false: not all could be converted ------------------- */

static size_t
put_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	to[0] = (char)(0xe0 | c >> 12);
	to[1] = (char)(0x80 | (c >> 6 & 0x3f));
	to[2] = (char)(0x80 | (c & 0x3f));
	return 3;
}

static bool
by_table(const uint16_t *high, struct slice s, struct buf *b)
{
	bool ok = true;
	char *to;
	size_t i, k, n, take;

	for (i = 0; i < s.n; i += take) {
		take = s.n - i < 4096 ? s.n - i : 4096;
		to = buf_reserve(b, take * 3);
		if (to == NULL) {
			take = (b->max - b->n) / 3;
			if (take == 0)
				return false;
			if (take > s.n - i)
				take = s.n - i;
			to = buf_reserve(b, take * 3);
		}
		for (k = 0, n = 0; k < take; k++) {
			unsigned char c = (unsigned char)s.p[i + k];

			if (c < 0x80) {
				to[n++] = (char)c;
				continue;
			}
			ok &= high[c - 128] != 0xfffd;
			n += put_utf8(to + n, high[c - 128]);
		}
		b->n += n;
	}
	return ok;
}

static bool
by_iconv(iconv_t cd, struct slice s, struct buf *b)
{
	char *in, *out;
	size_t nin = s.n, nout, room;
	bool ok = true;

	/* iconv() does not write to what it reads. */
	memcpy(&in, &s.p, sizeof(in));
	iconv(cd, NULL, NULL, NULL, NULL);
	while (nin > 0) {
		room = b->max - b->n < 4096 ? b->max - b->n : 4096;
		if (room < 16)
			return false;
		out = buf_reserve(b, room);
		nout = room;
		if (iconv(cd, &in, &nin, &out, &nout) != (size_t)-1) {
			b->n += room - nout;
			continue;
		}
		b->n += room - nout;
		if (errno == E2BIG && nout < room)
			continue;
		ok = false;
		if (b->max - b->n < 3)
			return false;
		buf_add(b, SLICE_LIT("\xef\xbf\xbd"));
		/* EINVAL: the end of s is the beginning of something. */
		if (errno != EILSEQ)
			return false;
		in++;
		nin--;
	}
	return ok;
}
