/* SPDX-License-Identifier: ISC */
/*
 * preview - a few words of a message for a list of messages (RFC 8970).
 *
 * The first text/plain that is no attachment, else the first text/html, of
 * which tags, style and script are left out; both by one pass over at most
 * PREVIEW_SOURCE bytes.
 */
#include "base/num.h"
#include "mail/charset.h"
#include "mail/chars.h"
#include "mail/correspondence.h"
#include "mail/html.h"
#include "mail/message.h"
#include "mail/utf8.h"

#define PREVIEW_BYTES	(PREVIEW_CHARS * 4)

static const struct part *find_text(const struct message *,
		    const char *subtype);
static void	 drop_torn(struct buf *);
static bool	 is_attachment(const struct part *);
static void	 strip_html(struct slice, struct buf *);
static bool	 is_inline(struct slice);
static size_t	 tag_end(struct slice, const char **hidden_r);
static int	 squeeze(struct slice, struct buf *);

int
message_preview(const struct message *m, struct buf *b)
{
	struct buf raw = BUF_INIT(PREVIEW_SOURCE * 2);
	struct buf text = BUF_INIT(PREVIEW_SOURCE * 3);
	struct buf plain = BUF_INIT(PREVIEW_SOURCE * 3);
	struct arena a = ARENA_INIT(MESSAGE_FIELD_BYTES * 4);
	const struct part *p = find_text(m, "plain");
	bool html = p == NULL;
	struct slice body;
	size_t max = PREVIEW_BYTES * 2;
	int r = 0;

	if (html) {
		p = find_text(m, "html");
		max = PREVIEW_SOURCE;
	}
	if (p == NULL)
		return 0;
	body = part_body(m, p);
	if (body.n > max)
		body.n = max;
	if (mime_decode((enum mime_encoding)p->encoding, body, &raw) ==
	    DECODE_OK) {
		if (body.n == max)
			drop_torn(&raw);
		charset_to_utf8(part_charset(&a, p), buf_slice(&raw), &text);
		if (html)
			strip_html(buf_slice(&text), &plain);
		r = squeeze(buf_slice(html ? &plain : &text), b);
	}
	arena_clear(&a);
	buf_clear(&raw);
	buf_clear(&text);
	buf_clear(&plain);
	return r;
}

/* A character of UTF-8 that was cut at the end. */
static void
drop_torn(struct buf *b)
{
	size_t n = b->n, k;

	for (k = 0; k < 4 && n > 0 &&
	    ((unsigned char)b->p[n - 1] & 0xc0) == 0x80; k++)
		n--;
	if (n > 0 && (unsigned char)b->p[n - 1] >= 0xc0)
		b->n = n - 1;
}

/* Not of a message within this one. */
static const struct part *
find_text(const struct message *m, const char *subtype)
{
	const struct part *p;
	uint32_t i, parent;

	for (i = 0; i < m->nparts && i < 100; i++) {
		p = &m->parts[i];
		if (p->kind != PART_LEAF || p->opaque ||
		    !part_is(p, "text", subtype) || is_attachment(p))
			continue;
		for (parent = p->parent; parent != PART_NONE &&
		    m->parts[parent].kind == PART_MULTIPART;)
			parent = m->parts[parent].parent;
		if (parent == PART_NONE)
			return p;
	}
	return NULL;
}

static bool
is_attachment(const struct part *p)
{
	struct slice name, params;

	return p->disposition.p != NULL &&
	    mime_disposition_split(p->disposition, &name, &params) &&
	    slice_eq_nocase(name, SLICE_LIT("attachment"));
}

static void
strip_html(struct slice s, struct buf *b)
{
	const char *hidden = NULL;	/* the element whose text is no text */
	size_t i = 0, n, k;
	char c[4];

	while (i < s.n) {
		if (s.p[i] == '<') {
			if (!is_inline(slice_from(s, i + 1)))
				buf_add_byte(b, ' ');
			i += tag_end(slice_from(s, i), &hidden);
		} else if (hidden != NULL) {
			i++;
		} else if (s.p[i] == '&') {
			k = html_entity(slice_from(s, i), c, &n);
			buf_add(b, slice_of(c, n));
			i += k;
		} else {
			buf_add_byte(b, s.p[i++]);
		}
	}
}

/* Whether the name of a tag, which is at the front, is one that does not end a
 * word. */
static bool
is_inline(struct slice s)
{
	static const char *const names[] = { "a", "b", "i", "u", "s", "em",
		"strong", "span", "font", "small", "big", "sub", "sup", "code",
		"wbr" };
	struct slice name;
	size_t i, n = 0;

	if (s.n > 0 && s.p[0] == '/')
		s = slice_from(s, 1);
	while (n < s.n && n < sizeof("strong") && s.p[n] > ' ' &&
	    s.p[n] != '>' && s.p[n] != '/')
		n++;
	name = slice_first(s, n);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (slice_eq_nocase(name, slice_str(names[i])))
			return true;
	return false;
}

/* Behind a tag or a comment at the front. */
static size_t
tag_end(struct slice s, const char **hidden)
{
	static const char *const names[] = { "style", "script", "head",
		"title" };
	const char *end;
	size_t i, k;
	bool closes;

	if (slice_starts(s, SLICE_LIT("<!--"))) {
		end = memmem(s.p, s.n, "-->", 3);
		return end == NULL ? s.n : (size_t)(end - s.p) + 3;
	}
	closes = s.n > 1 && s.p[1] == '/';
	i = closes ? 2 : 1;
	for (k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
		struct slice name = slice_str(names[k]);

		if (!slice_starts_nocase(slice_from(s, i < s.n ? i : s.n),
			name) || (i + name.n < s.n &&
			memchr(" \t\r\n/>", s.p[i + name.n], 6) == NULL))
			continue;
		if (closes && *hidden == names[k])
			*hidden = NULL;
		else if (!closes && *hidden == NULL)
			*hidden = names[k];
	}
	i = slice_find(s, '>');
	return i < s.n ? i + 1 : s.n;
}

/* White space becomes single blanks; at most PREVIEW_CHARS characters. */
static int
squeeze(struct slice s, struct buf *b)
{
	size_t i, was = b->n, chars = 0;
	bool blank = false;

	for (i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= ' ' || c == 127) {
			blank = true;
			continue;
		}
		/* U+00A0 and U+200C, the padding of newsletters. */
		if (c == 0xc2 && s.n - i > 1 &&
		    memcmp(s.p + i, "\xc2\xa0", 2) == 0) {
			blank = true;
			i++;
			continue;
		}
		if (c == 0xe2 && s.n - i > 2 &&
		    memcmp(s.p + i, "\xe2\x80\x8c", 3) == 0) {
			i += 2;
			continue;
		}
		if ((c & 0xc0) != 0x80) {
			chars += blank && b->n > was ? 2 : 1;
			if (chars > PREVIEW_CHARS)
				break;
			if (blank && b->n > was && buf_add_byte(b, ' ') != 0)
				return -1;
			blank = false;
		}
		if (buf_add_byte(b, s.p[i]) != 0)
			return -1;
	}
	return 0;
}
