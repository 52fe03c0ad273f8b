/* SPDX-License-Identifier: ISC */
/*
 * address_list - the addresses in a header field (RFC 5322 3.4, 4.4).
 *
 * One element is read at a time, up to ',' or ';' outside of quotes, comments
 * and angle brackets.  Its words are joined without the white space and
 * comments between them; '<' throws away what was read as the display name,
 * ':' as the name of a group or (within brackets) as an obsolete route.  The
 * text is not recursive: comments nest by a counter.
 */
#include "mail/address.h"
#include "mail/chars.h"
#include "mail/envelope.h"
#include "mail/header.h"
#include "mail/mime.h"

struct element {
	char		 text[ADDRESS_BYTES];	/* local-part unquoted, domain */
	size_t		 n;
	size_t		 at;		/* index of '@' */
	bool		 has_at;
	bool		 any;		/* something but blanks and comments */
	bool		 after_word;	/* the next word has to come after . @ */
	bool		 phrase;	/* words side by side: no address */
	bool		 bad;
	bool		 in_angle, had_angle;
};

static bool	take_element(struct slice *, struct element *);
static void	take_special(struct element *, char);
static void	take_word(struct element *, struct slice *);
static void	take_quoted(struct element *, struct slice *);
static void	take_literal(struct element *, struct slice *);
static void	skip_comment(struct element *, struct slice *);
static void	begin_word(struct element *);
static void	forget(struct element *);
static void	append(struct element *, struct slice);
static enum parse finish(const struct element *, struct arena *,
		    struct slice *);

enum parse
address_list_next(struct slice *rest, struct arena *a, struct slice *addr_r)
{
	struct element e;
	struct slice from;

	do {
		if (rest->n == 0)
			return PARSE_MORE;
		memset(&e, 0, sizeof(e));
		from = *rest;
	} while (!take_element(rest, &e));
	if (!e.bad && finish(&e, a, addr_r) == PARSE_OK)
		return PARSE_OK;
	*addr_r = slice_trim(slice_first(from, from.n - rest->n));
	return PARSE_BAD;
}

/* Moves behind one element and what ends it; false where it was empty. */
static bool
take_element(struct slice *s, struct element *e)
{
	char c;

	while (s->n > 0) {
		c = s->p[0];
		if ((c == ',' && !e->in_angle) || c == ';') {
			*s = slice_from(*s, 1);
			break;
		}
		if (c == '(')
			skip_comment(e, s);
		else if (c == '"')
			take_quoted(e, s);
		else if (c == '[')
			take_literal(e, s);
		else if (char_is(c, CH_ATEXT) || (unsigned char)c >= 0x80)
			take_word(e, s);
		else {
			take_special(e, c);
			*s = slice_from(*s, 1);
		}
	}
	if (e->in_angle)
		e->bad = true;
	return e->any;
}

static void
take_special(struct element *e, char c)
{
	switch (c) {
	case ' ':
	case '\t':
	case '\r':
	case '\n':
		return;
	case '<':
		e->bad |= e->had_angle;
		forget(e);
		e->in_angle = e->had_angle = e->any = true;
		return;
	case '>':
		e->bad |= !e->in_angle;
		e->in_angle = false;
		return;
	case ':':
		/* "group:" is over; its first member follows. */
		forget(e);
		e->any = e->in_angle;
		return;
	case ',':
		forget(e);	/* within a route */
		return;
	case '@':
		e->bad |= e->has_at;
		e->any = e->has_at = true;
		e->at = e->n;
		append(e, SLICE_LIT("@"));
		e->after_word = false;
		return;
	case '.':
		e->any = true;
		append(e, SLICE_LIT("."));
		e->after_word = false;
		return;
	default:
		e->any = e->bad = true;
	}
}

static void
take_word(struct element *e, struct slice *s)
{
	size_t i = 0;

	while (i < s->n && (char_is(s->p[i], CH_ATEXT) ||
			       (unsigned char)s->p[i] >= 0x80))
		i++;
	begin_word(e);
	append(e, slice_first(*s, i));
	*s = slice_from(*s, i);
}

static void
take_quoted(struct element *e, struct slice *s)
{
	size_t i;

	begin_word(e);
	for (i = 1; i < s->n && s->p[i] != '"'; i++) {
		if (s->p[i] == '\\' && i + 1 < s->n)
			i++;
		if (s->p[i] != '\r' && s->p[i] != '\n')
			append(e, slice_of(s->p + i, 1));
	}
	if (i >= s->n) {
		e->bad = true;
		i = s->n - 1;
	}
	*s = slice_from(*s, i + 1);
}

static void
take_literal(struct element *e, struct slice *s)
{
	size_t i = slice_find(*s, ']');

	begin_word(e);
	e->phrase |= !e->has_at;
	if (i == s->n) {
		e->bad = true;
		i--;
	}
	append(e, slice_first(*s, i + 1));
	*s = slice_from(*s, i + 1);
}

static void
skip_comment(struct element *e, struct slice *s)
{
	if (!comment_skip(s)) {
		e->any = e->bad = true;
		*s = slice_from(*s, s->n);
	}
}

/* Words side by side are a display name; it is thrown away at '<', and is an
 * error where no bracket comes. */
static void
begin_word(struct element *e)
{
	e->any = true;
	if (e->had_angle && !e->in_angle)
		return;		/* behind '>' */
	e->phrase |= e->after_word;
	e->after_word = true;
}

static void
forget(struct element *e)
{
	e->n = 0;
	e->has_at = e->after_word = e->phrase = false;
}

/* A display name may be of any length: what does not fit is known by n. */
static void
append(struct element *e, struct slice s)
{
	if (e->had_angle && !e->in_angle)
		return;		/* behind '>' */
	if (e->n <= sizeof(e->text) && s.n <= sizeof(e->text) - e->n)
		memcpy(e->text + e->n, s.p, s.n);
	else
		s.n = sizeof(e->text) + 1 - e->n;
	e->n += s.n;
}

static enum parse
finish(const struct element *e, struct arena *a, struct slice *addr_r)
{
	struct slice text = slice_of(e->text, e->n), local = text;
	struct buf b = BUF_INIT(ADDRESS_BYTES);
	struct address addr;
	enum parse r = PARSE_BAD;

	if (e->n == 0 || e->n > sizeof(e->text) || e->phrase ||
	    (e->has_at && e->at == 0))
		return PARSE_BAD;
	if (e->has_at)
		local = slice_first(text, e->at);
	if (local_quote(&b, local) == 0 &&
	    buf_add(&b, slice_from(text, local.n)) == 0 &&
	    address_parse(buf_slice(&b), ADDRESS_UTF8 | ADDRESS_BARE, &addr) ==
		PARSE_OK &&
	    arena_copy(a, buf_slice(&b), addr_r) == 0)
		r = PARSE_OK;
	buf_clear(&b);
	return r;
}
