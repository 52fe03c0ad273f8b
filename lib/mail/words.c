/* SPDX-License-Identifier: ISC */
/*
 * words - encoded words in field bodies, RFC 2047.
 *
 * Words side by side in the same charset are converted together, since many
 * programs cut characters in two.  What is no encoded word stays as it is;
 * bytes that are not ASCII are guessed at.  Linear: the search for the end of a
 * word is remembered.
 */
#include "mail/chars.h"
#include "mail/charset.h"
#include "mail/mime.h"
#include "mail/message.h"

struct word {
	struct slice	 charset;
	struct slice	 text;
	char		 encoding;	/* 'b' or 'q' */
	size_t		 next;		/* behind it */
};

struct decoder {
	struct slice	 s;		/* all of it */
	size_t		 close;		/* the next "?=" not before this was
					 * looked for; s.n: none */
	size_t		 closed_from;
	struct slice	 charset;	/* of pending */
	struct buf	 pending;	/* decoded, not yet converted */
	struct buf	*out;
};

static size_t	 find_pair(struct slice, size_t at, char, char);
static bool	 word_at(struct decoder *, size_t at, struct word *);
static void	 word_add(struct decoder *, const struct word *);
static void	 flush(struct decoder *);
static void	 add_plain(struct decoder *, struct slice);
static void	 add_clean(struct buf *, struct slice);
static void	 decode_q(struct slice, struct buf *);

void
words_decode(struct slice body, struct buf *out)
{
	struct decoder d = { .s = slice_trim(body), .out = out };
	struct slice s = d.s;
	struct word w;
	size_t i, from = 0, gap = 0;
	bool after_word = false;

	i = find_pair(s, 0, '=', '?');
	if (i == s.n) {
		add_plain(&d, s);
		return;
	}
	d.pending = BUF_INIT(MESSAGE_FIELD_BYTES);
	for (; i < s.n; i = find_pair(s, i, '=', '?')) {
		if (!word_at(&d, i, &w)) {
			i += 2;
			continue;
		}
		/* White space between encoded words is not text. */
		gap = i - from;
		if (!after_word ||
		    slice_trim(slice_of(s.p + from, gap)).n > 0) {
			flush(&d);
			add_plain(&d, slice_of(s.p + from, gap));
		}
		word_add(&d, &w);
		after_word = true;
		from = i = w.next;
	}
	flush(&d);
	add_plain(&d, slice_from(s, from));
	buf_clear(&d.pending);
}

/* The first index from `at` of a and b side by side; s.n: none. */
static size_t
find_pair(struct slice s, size_t at, char a, char b)
{
	for (; at < s.n; at++) {
		at += slice_find(slice_from(s, at), a);
		if (s.n - at > 1 && s.p[at + 1] == b)
			return at;
	}
	return s.n;
}

/* "=?" charset ["*" language] "?" encoding "?" text "?=" */
static bool
word_at(struct decoder *d, size_t at, struct word *w)
{
	struct slice s = d->s;
	size_t i = at + 2, from = i, star;

	while (i < s.n && i - from <= CHARSET_NAME_BYTES * 2 &&
	    char_is(s.p[i], CH_TOKEN) && s.p[i] != '?')
		i++;
	if (i == from || s.n - i < 4 || s.p[i] != '?' || s.p[i + 2] != '?')
		return false;
	w->charset = slice_of(s.p + from, i - from);
	star = slice_find(w->charset, '*');
	w->charset.n = star;
	w->encoding = ascii_lower(s.p[i + 1]);
	if (w->encoding != 'b' && w->encoding != 'q')
		return false;
	from = i + 3;
	if (d->close < from || d->closed_from == 0) {
		d->close = find_pair(s, from, '?', '=');
		d->closed_from = from;
	}
	if (d->close == s.n || d->close - from > ENCODED_WORD_BYTES)
		return false;
	w->text = slice_of(s.p + from, d->close - from);
	w->next = d->close + 2;
	return true;
}

static void
word_add(struct decoder *d, const struct word *w)
{
	if (!slice_eq_nocase(d->charset, w->charset))
		flush(d);
	d->charset = w->charset;
	if (w->encoding == 'b')
		mime_decode(ENCODING_BASE64, w->text, &d->pending);
	else
		decode_q(w->text, &d->pending);
}

static void
flush(struct decoder *d)
{
	struct buf text = BUF_INIT(MESSAGE_FIELD_BYTES);

	if (d->pending.n > 0) {
		charset_to_utf8(d->charset, buf_slice(&d->pending), &text);
		add_clean(d->out, buf_slice(&text));
	}
	buf_reset(&d->pending);
	buf_clear(&text);
	d->charset = SLICE_EMPTY;
}

static void
decode_q(struct slice s, struct buf *b)
{
	char *to = buf_reserve(b, s.n);
	size_t i, n = 0;
	int hi, lo;

	if (to == NULL)
		return;
	for (i = 0; i < s.n; i++) {
		if (s.p[i] == '=' && s.n - i > 2 &&
		    (hi = char_hex(s.p[i + 1])) >= 0 &&
		    (lo = char_hex(s.p[i + 2])) >= 0) {
			to[n++] = (char)(hi << 4 | lo);
			i += 2;
		} else {
			to[n++] = s.p[i] == '_' ? ' ' : s.p[i];
		}
	}
	b->n += n;
}

/* Text outside of encoded words; line ends go, as unfolding wants. */
static void
add_plain(struct decoder *d, struct slice s)
{
	struct buf text = BUF_INIT(MESSAGE_FIELD_BYTES);
	size_t i;

	for (i = 0; i < s.n && (unsigned char)s.p[i] < 0x80; i++)
		;
	if (i == s.n) {
		add_clean(d->out, s);
		return;
	}
	charset_guess(s, &text);
	add_clean(d->out, buf_slice(&text));
	buf_clear(&text);
}

/* Without line ends; other control characters become a blank. */
static void
add_clean(struct buf *b, struct slice s)
{
	size_t i, n = 0;
	char *to;

	if (s.n > b->max - b->n) {
		s.n = b->max - b->n;
		while (s.n > 0 && ((unsigned char)s.p[s.n] & 0xc0) == 0x80)
			s.n--;
	}
	to = buf_reserve(b, s.n);
	if (to == NULL)
		return;
	for (i = 0; i < s.n; i++)
		if (s.p[i] != '\n' && s.p[i] != '\r')
			to[n++] = (unsigned char)s.p[i] < ' ' ||
			    s.p[i] == 127 ? ' ' : s.p[i];
	b->n += n;
}
