/* SPDX-License-Identifier: ISC */
/* html - see html.h. */
#include <string.h>

#include "base/num.h"
#include "mail/chars.h"
#include "mail/html.h"
#include "mail/utf8.h"

/* Of Latin 1, from U+00A0 on. */
static const char latin1[96][7] = {
	"nbsp", "iexcl", "cent", "pound", "curren", "yen", "brvbar", "sect",
	"uml", "copy", "ordf", "laquo", "not", "shy", "reg", "macr", "deg",
	"plusmn", "sup2", "sup3", "acute", "micro", "para", "middot", "cedil",
	"sup1", "ordm", "raquo", "frac14", "frac12", "frac34", "iquest",
	"Agrave", "Aacute", "Acirc", "Atilde", "Auml", "Aring", "AElig",
	"Ccedil", "Egrave", "Eacute", "Ecirc", "Euml", "Igrave", "Iacute",
	"Icirc", "Iuml", "ETH", "Ntilde", "Ograve", "Oacute", "Ocirc",
	"Otilde", "Ouml", "times", "Oslash", "Ugrave", "Uacute", "Ucirc",
	"Uuml", "Yacute", "THORN", "szlig", "agrave", "aacute", "acirc",
	"atilde", "auml", "aring", "aelig", "ccedil", "egrave", "eacute",
	"ecirc", "euml", "igrave", "iacute", "icirc", "iuml", "eth", "ntilde",
	"ograve", "oacute", "ocirc", "otilde", "ouml", "divide", "oslash",
	"ugrave", "uacute", "ucirc", "uuml", "yacute", "thorn", "yuml",
};

static const struct { const char *name; uint16_t c; } others[] = {
	{ "amp", '&' }, { "lt", '<' }, { "gt", '>' }, { "quot", '"' },
	{ "apos", '\'' }, { "ensp", 0x2002 }, { "emsp", 0x2003 },
	{ "zwnj", 0x200c }, { "ndash", 0x2013 }, { "mdash", 0x2014 },
	{ "lsquo", 0x2018 }, { "rsquo", 0x2019 }, { "sbquo", 0x201a },
	{ "ldquo", 0x201c }, { "rdquo", 0x201d }, { "bdquo", 0x201e },
	{ "bull", 0x2022 }, { "hellip", 0x2026 }, { "euro", 0x20ac },
	{ "trade", 0x2122 },
};

/* "#223", "#xDF", "szlig"; 0: not known. */
static uint32_t
character_of(struct slice name)
{
	uint64_t v = 0;
	size_t i;

	if (name.n > 2 && name.p[0] == '#' && ascii_lower(name.p[1]) == 'x') {
		for (i = 2; i < name.n; i++) {
			int d = char_hex(name.p[i]);

			if (d < 0)
				return 0;
			v = v << 4 | (unsigned)d;
		}
		return (uint32_t)v;
	}
	if (name.n > 1 && name.p[0] == '#')
		return slice_to_u64(slice_from(name, 1), 0, UINT32_MAX, &v) ?
		    (uint32_t)v : 0;
	for (i = 0; i < sizeof(latin1) / sizeof(latin1[0]); i++)
		if (slice_eq(name, slice_str(latin1[i])))
			return 0xa0 + (uint32_t)i;
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (slice_eq(name, slice_str(others[i].name)))
			return others[i].c;
	return 0;
}

size_t
html_entity(struct slice s, char c[4], size_t *n_r)
{
	struct slice front = s.n > HTML_ENTITY_BYTES ?
	    slice_first(s, HTML_ENTITY_BYTES) : s;
	size_t end = slice_find(front, ';');
	uint32_t v = 0;

	if (end > 0 && end < front.n)
		v = character_of(slice_of(s.p + 1, end - 1));
	if (v == 0 || v > 0x10ffff || (v >= 0xd800 && v < 0xe000)) {
		c[0] = '&';
		*n_r = 1;
		return 1;
	}
	*n_r = utf8_encode(v, c);
	return end + 1;
}

size_t
html_decode(char *p, size_t n)
{
	size_t from = 0, to = 0, k;
	char c[4];

	while (from < n) {
		if (p[from] != '&') {
			p[to++] = p[from++];
			continue;
		}
		from += html_entity(slice_of(p + from, n - from), c, &k);
		memcpy(p + to, c, k);
		to += k;
	}
	return to;
}
