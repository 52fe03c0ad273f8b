/* SPDX-License-Identifier: ISC */
/* phrase - text of ours in header fields (RFC 5322 3.2.5, RFC 2047). */
#include "base/base64.h"
#include "mail/address.h"
#include "mail/chars.h"
#include "mail/header.h"

#define ENCODED_BYTES	42	/* in one encoded word: 75 characters at most */

static int	encoded_words(struct buf *, struct slice);
static int	add_printable(struct buf *, char);
static bool	is_plain_phrase(struct slice);

int
header_phrase(struct buf *b, struct slice s)
{
	size_t i, n = b->n;

	if (is_plain_phrase(s))
		return buf_add(b, s);
	if (!slice_is_ascii(s))
		return encoded_words(b, s);
	if (buf_add_byte(b, '"') != 0)
		goto full;
	for (i = 0; i < s.n; i++)
		if (((s.p[i] == '"' || s.p[i] == '\\') &&
			buf_add_byte(b, '\\') != 0) ||
		    add_printable(b, s.p[i]) != 0)
			goto full;
	if (buf_add_byte(b, '"') == 0)
		return 0;
full:
	b->n = n;
	return -1;
}

static bool
is_plain_phrase(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (!char_is(s.p[i], CH_ATEXT) &&
		    (s.p[i] != ' ' || i == 0 || i == s.n - 1))
			return false;
	return s.n > 0;
}

static int
add_printable(struct buf *b, char c)
{
	return buf_add_byte(b, c >= ' ' && c < 127 ? c : '?');
}

int
header_text(struct buf *b, struct slice s)
{
	size_t i, n = b->n;

	if (!slice_is_ascii(s))
		return encoded_words(b, s);
	for (i = 0; i < s.n; i++) {
		if (add_printable(b, s.p[i]) != 0) {
			b->n = n;
			return -1;
		}
	}
	return 0;
}

/* How much of s goes into a word, with whole characters. */
static size_t
word_bytes(struct slice s)
{
	size_t n = ENCODED_BYTES;

	if (s.n <= n)
		return s.n;
	while (n > ENCODED_BYTES - 4 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	return n;
}

static int
encoded_words(struct buf *b, struct slice s)
{
	const char *charset = slice_is_utf8(s) ? "utf-8" : "unknown-8bit";
	struct buf word = BUF_INIT(100);
	size_t n, was = b->n;
	int r = 0;

	for (; s.n > 0 && r == 0; s = slice_from(s, n)) {
		n = word_bytes(s);
		buf_reset(&word);
		b64_encode(&word, slice_first(s, n));
		r = buf_printf(b, "%s=?%s?B?%.*s?=",
		    b->n == was ? "" : "\r\n ", charset,
		    SLICE_ARG(buf_slice(&word)));
	}
	if (r != 0)
		b->n = was;
	buf_clear(&word);
	return r;
}
