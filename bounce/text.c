/* SPDX-License-Identifier: ISC */
/* text - see text.h. */
#include "mail/address.h"
#include "mail/header.h"
#include "text.h"

#define COLUMNS		76
#define WORD_BYTES	400	/* longer ones are cut in two */

static void	clean_word(struct text *, struct slice, bool utf8);
static size_t	utf8_prefix(struct slice);
static size_t	cut_at_character(struct slice, size_t max);

void
text_add(struct text *t, struct slice s)
{
	if (!t->full && buf_add(t->b, s) != 0)
		t->full = true;
}

void
text_str(struct text *t, const char *s)
{
	text_add(t, slice_str(s));
}

void
text_printf(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (!t->full && buf_vprintf(t->b, fmt, ap) != 0)
		t->full = true;
	va_end(ap);
}

void
text_clean(struct text *t, struct slice s, bool utf8)
{
	clean_word(t, s, utf8);
}

/* Runs of bytes that may stay are added whole. */
static void
clean_word(struct text *t, struct slice s, bool utf8)
{
	size_t n;

	while (s.n > 0) {
		for (n = 0; n < s.n && s.p[n] >= ' ' && s.p[n] < 127; n++)
			;
		if (n == 0 && utf8 && (unsigned char)s.p[0] >= 0x80)
			n = utf8_prefix(s);
		text_add(t, slice_first(s, n));
		s = slice_from(s, n);
		if (n == 0) {
			text_str(t, s.p[0] == '\t' || s.p[0] == '\n' ||
			    s.p[0] == '\r' ? " " : "?");
			s = slice_from(s, 1);
		}
	}
}

/* The bytes of the character at the front that is not ASCII; 0: it is none. */
static size_t
utf8_prefix(struct slice s)
{
	size_t n;

	for (n = 2; n <= 4 && n <= s.n; n++)
		if (slice_is_utf8(slice_first(s, n)))
			return (unsigned char)s.p[n - 1] >= 0x80 ? n : 0;
	return 0;
}

void
text_folded(struct text *t, size_t column, const char *indent, struct slice s,
    bool utf8)
{
	const size_t margin = strlen(indent);
	bool fresh = true, forced;
	struct slice word;
	size_t n;

	while (s.n > 0 && !t->full) {
		forced = false;
		for (; s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t' ||
				      s.p[0] == '\r' || s.p[0] == '\n');
		     s = slice_from(s, 1))
			forced = forced || s.p[0] == '\n';
		for (n = 0; n < s.n && s.p[n] != ' ' && s.p[n] != '\t' &&
		    s.p[n] != '\r' && s.p[n] != '\n'; n++)
			;
		n = cut_at_character(slice_first(s, n), WORD_BYTES);
		word = slice_first(s, n);
		s = slice_from(s, n);
		if (n == 0)
			break;
		if ((forced && !fresh) || column + 1 + n > COLUMNS) {
			if (!fresh || column > margin) {
				text_str(t, "\r\n");
				text_str(t, indent);
				column = margin;
			}
		} else if (!fresh) {
			text_str(t, " ");
			column++;
		}
		clean_word(t, word, utf8);
		column += n;
		fresh = false;
	}
}

static size_t
cut_at_character(struct slice s, size_t max)
{
	size_t n = max;

	if (s.n <= max)
		return s.n;
	while (n > max - 4 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	return n;
}

void
text_phrase(struct text *t, struct slice s)
{
	t->full = t->full || header_phrase(t->b, s) != 0;
}

void
text_unstructured(struct text *t, struct slice s)
{
	t->full = t->full || header_text(t->b, s) != 0;
}
