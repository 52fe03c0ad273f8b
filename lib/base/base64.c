/* SPDX-License-Identifier: ISC */
/* base64 - see base64.h. */
#include "base/base64.h"

static const char standard[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static bool	 decode(struct slice, const char *alphabet, struct buf *);
static int	 value_of(char, const char *alphabet);

int
b64_encode(struct buf *b, struct slice s)
{
	size_t need = (s.n + 2) / 3 * 4, i;
	char *to = buf_reserve(b, need);

	if (to == NULL)
		return -1;
	for (i = 0; i < s.n; i += 3) {
		size_t left = s.n - i;
		unsigned v = (unsigned)(unsigned char)s.p[i] << 16;

		if (left > 1)
			v |= (unsigned)(unsigned char)s.p[i + 1] << 8;
		if (left > 2)
			v |= (unsigned char)s.p[i + 2];
		*to++ = standard[v >> 18 & 63];
		*to++ = standard[v >> 12 & 63];
		*to++ = left > 1 ? standard[v >> 6 & 63] : '=';
		*to++ = left > 2 ? standard[v & 63] : '=';
	}
	b->n += need;
	return 0;
}

bool
b64_decode(struct slice s, struct buf *b)
{
	size_t pad = 0;

	if (s.n % 4 != 0)
		return false;
	while (pad < 2 && s.n > pad && s.p[s.n - 1 - pad] == '=')
		pad++;
	return decode(slice_first(s, s.n - pad), standard, b);
}

bool
b64_decode_bare(struct slice s, struct buf *b)
{
	return decode(s, standard, b);
}

bool
b64url_decode(struct slice s, struct buf *b)
{
	return decode(s, url, b);
}

static int
value_of(char c, const char *alphabet)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == alphabet[62] ? 62 : c == alphabet[63] ? 63 : -1;
}

static bool
decode(struct slice s, const char *alphabet, struct buf *b)
{
	char *to = buf_reserve(b, s.n / 4 * 3 + 3);
	uint32_t bits = 0;
	size_t i, n = 0;
	int v;

	if (to == NULL || s.n % 4 == 1)
		return false;
	for (i = 0; i < s.n; i++) {
		v = value_of(s.p[i], alphabet);
		if (v == -1)
			return false;
		bits = bits << 6 | (uint32_t)v;
		if (i % 4 == 0)
			continue;
		to[n++] = (char)(bits >> (6 - i % 4 * 2) & 0xff);
	}
	/* What is left of the last character belongs to no byte. */
	if ((s.n % 4 == 2 && (bits & 15) != 0) ||
	    (s.n % 4 == 3 && (bits & 3) != 0))
		return false;
	b->n += n;
	return true;
}
