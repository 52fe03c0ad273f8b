/* SPDX-License-Identifier: ISC */
/*
 * charset - character sets; see charset.h.
 *
 * UTF-8 and US-ASCII stay as they are; a set of one byte is a table of 128 code
 * points; all others have a decoder.  iso-8859-1 is taken for windows-1252, as
 * everybody does.
 */
#include <string.h>

#include "mail/address.h"
#include "mail/charset.h"
#include "mail/charset_decode.h"
#include "mail/charset_tables.h"

/* One of the three, or unknown. */
struct charset {
	bool			 is_utf8, is_ascii;
	const uint16_t		*high;		/* of bytes 128 to 255 */
	const struct decoder	*decoder;
};

static bool	 charset_get(struct slice name, struct charset *);
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

bool
charset_is_known(struct slice name)
{
	struct charset cs;

	return charset_get(name, &cs);
}

static bool
charset_get(struct slice name, struct charset *cs)
{
	char lower[CHARSET_NAME_BYTES + 1];
	const char *meant = lower;
	size_t i;

	*cs = (struct charset){ .high = NULL };
	name = slice_trim(name);
	if (name.n > CHARSET_NAME_BYTES)
		return false;
	for (i = 0; i < name.n; i++)
		lower[i] = ascii_lower(name.p[i]);
	lower[name.n] = '\0';
	for (i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (strcmp(lower, meanings[i].name) == 0) {
			meant = meanings[i].meant;
			break;
		}
	cs->is_ascii = strcmp(meant, "us-ascii") == 0;
	cs->is_utf8 = cs->is_ascii || strcmp(meant, "utf-8") == 0;
	if (strcmp(meant, "windows-1252") == 0)
		cs->high = windows_1252;
	for (i = 0; i < charsets_of_a_byte_n && cs->high == NULL; i++)
		if (strcmp(meant, charsets_of_a_byte[i].name) == 0)
			cs->high = charsets_of_a_byte[i].high;
	if (!cs->is_utf8 && cs->high == NULL)
		cs->decoder = decoder_find(meant);
	return cs->is_utf8 || cs->high != NULL || cs->decoder != NULL;
}

bool
charset_to_utf8(struct slice name, struct slice s, struct buf *b)
{
	struct charset cs;
	bool known = charset_get(name, &cs);

	if (cs.high != NULL)
		by_table(cs.high, s, b);
	else if (cs.decoder != NULL)
		decoder_run(cs.decoder, s, b);
	else
		charset_guess(s, b);
	return known;
}

int
charset_convert(struct slice name, struct slice s, struct buf *b)
{
	struct charset cs;
	size_t was = b->n;
	bool ok = false;

	if (!charset_get(name, &cs))
		return -1;
	if (cs.high != NULL)
		ok = by_table(cs.high, s, b);
	else if (cs.decoder != NULL)
		ok = decoder_run(cs.decoder, s, b);
	else
		ok = (cs.is_ascii ? slice_is_ascii(s) : slice_is_utf8(s)) &&
		    buf_add(b, s) == 0;
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

/* ---- a byte each; false: not all could be converted --------------------- */

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
