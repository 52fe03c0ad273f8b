/* SPDX-License-Identifier: ISC */
/* mime - see mime.h. */
#include "base/base64.h"
#include "mail/chars.h"
#include "mail/mime.h"

#define LINE_CHARS	76	/* RFC 2045 6.7, 6.8 */

static struct slice take_token(struct slice *);
static bool	take_byte(struct slice *, char);
static bool	take_param(struct slice *, struct slice *name_r, char *value,
		    size_t max, size_t *n_r);
static bool	take_quoted(struct slice *, char *value, size_t max,
		    size_t *n_r);
static bool	delimiter_check(struct slice body, size_t at, size_t n,
		    struct delimiter *);

bool
mime_type_parse(struct slice s, struct mime_type *t_r)
{
	struct mime_type t = { 0 };
	struct slice name;
	char value[BOUNDARY_BYTES + 1];
	size_t n;

	s = cfws_skip(s);
	t.type = take_token(&s);
	s = cfws_skip(s);
	if (t.type.n == 0 || !take_byte(&s, '/'))
		return false;
	s = cfws_skip(s);
	t.subtype = take_token(&s);
	if (t.subtype.n == 0)
		return false;
	while (take_param(&s, &name, value, sizeof(value), &n)) {
		if (!slice_eq_nocase(name, SLICE_LIT("boundary")) ||
		    t.nboundary != 0 || n > BOUNDARY_BYTES)
			continue;
		memcpy(t.boundary, value, n);
		t.nboundary = n;
	}
	*t_r = t;
	return true;
}

/* ";" attribute "=" value.  What is longer than max is told by n_r > max. */
static bool
take_param(struct slice *s, struct slice *name_r, char *value, size_t max,
    size_t *n_r)
{
	struct slice token;

	*s = cfws_skip(*s);
	if (!take_byte(s, ';'))
		return false;
	*s = cfws_skip(*s);
	*name_r = take_token(s);
	*s = cfws_skip(*s);
	if (name_r->n == 0 || !take_byte(s, '='))
		return false;
	*s = cfws_skip(*s);
	if (s->n > 0 && s->p[0] == '"')
		return take_quoted(s, value, max, n_r);
	token = take_token(s);
	*n_r = token.n;
	memcpy(value, token.p, token.n < max ? token.n : max);
	return token.n > 0;
}

static bool
take_quoted(struct slice *s, char *value, size_t max, size_t *n_r)
{
	size_t i, n = 0;

	for (i = 1; i < s->n && s->p[i] != '"'; i++) {
		if (s->p[i] == '\\' && i + 1 < s->n)
			i++;
		if (s->p[i] == '\r' || s->p[i] == '\n')
			continue;	/* folding */
		if (n < max)
			value[n] = s->p[i];
		n++;
	}
	if (i >= s->n)
		return false;
	*s = slice_from(*s, i + 1);
	*n_r = n;
	return true;
}

static bool
take_byte(struct slice *s, char c)
{
	if (s->n == 0 || s->p[0] != c)
		return false;
	*s = slice_from(*s, 1);
	return true;
}

static struct slice
take_token(struct slice *s)
{
	struct slice token = *s;

	for (token.n = 0; token.n < s->n && char_is(s->p[token.n], CH_TOKEN);)
		token.n++;
	*s = slice_from(*s, token.n);
	return token;
}

struct slice
cfws_skip(struct slice s)
{
	while (s.n > 0) {
		if (s.p[0] == '(') {
			if (!comment_skip(&s))
				s = slice_from(s, s.n);
		} else if (s.p[0] == ' ' || s.p[0] == '\t' || s.p[0] == '\r' ||
		    s.p[0] == '\n')
			s = slice_from(s, 1);
		else
			break;
	}
	return s;
}

bool
comment_skip(struct slice *s)
{
	size_t i, depth = 0;

	for (i = 0; i < s->n; i++) {
		if (s->p[i] == '\\')
			i++;
		else if (s->p[i] == '(')
			depth++;
		else if (s->p[i] == ')' && --depth == 0) {
			*s = slice_from(*s, i + 1);
			return true;
		}
	}
	return false;
}

bool
mime_type_is(const struct mime_type *t, const char *type, const char *subtype)
{
	return slice_eq_nocase(t->type, slice_str(type)) &&
	    (subtype == NULL ||
		slice_eq_nocase(t->subtype, slice_str(subtype)));
}

enum mime_encoding
mime_encoding_parse(struct slice s)
{
	static const char *const names[] = {
		[ENCODING_7BIT] = "7bit", [ENCODING_8BIT] = "8bit",
		[ENCODING_BINARY] = "binary",
		[ENCODING_QP] = "quoted-printable",
		[ENCODING_BASE64] = "base64",
	};
	struct slice token;
	unsigned i;

	s = cfws_skip(s);
	token = take_token(&s);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (slice_eq_nocase(token, slice_str(names[i])))
			return (enum mime_encoding)i;
	return ENCODING_OTHER;
}

bool
delimiter_find(struct slice body, size_t from, const struct mime_type *t,
    struct delimiter *d_r)
{
	char text[BOUNDARY_BYTES + 2] = "--";
	size_t n = t->nboundary + 2;
	const char *hit;

	memcpy(text + 2, t->boundary, t->nboundary);
	for (; body.n - from >= n; from++) {
		hit = memmem(body.p + from, body.n - from, text, n);
		if (hit == NULL)
			return false;
		from = (size_t)(hit - body.p);
		d_r->part_end = from;
		if (delimiter_check(body, from, n, d_r))
			return true;
	}
	return false;
}

/* A line of its own: at the start of one, and followed by "--", blanks or the
 * line's end, so that a longer boundary is not taken for this one. */
static bool
delimiter_check(struct slice body, size_t at, size_t n, struct delimiter *d)
{
	struct slice tail = slice_from(body, at + n);

	if (at > 0 && body.p[at - 1] != '\n')
		return false;
	d->last = slice_starts(tail, SLICE_LIT("--"));
	if (!d->last && tail.n > 0 && tail.p[0] != ' ' && tail.p[0] != '\t' &&
	    tail.p[0] != '\r' && tail.p[0] != '\n')
		return false;
	n = slice_find(tail, '\n');
	d->next = body.n - tail.n + (n < tail.n ? n + 1 : n);
	/* The line end before it belongs to it. */
	if (d->part_end > 0)
		d->part_end--;
	if (d->part_end > 0 && body.p[d->part_end - 1] == '\r')
		d->part_end--;
	return true;
}

int
base64_lines(struct buf *b, struct slice s)
{
	struct slice line;

	for (; s.n > 0; s = slice_from(s, line.n)) {
		line = slice_first(s, s.n < LINE_CHARS / 4 * 3 ? s.n :
		    LINE_CHARS / 4 * 3);
		if (b64_encode(b, line) != 0 ||
		    buf_add(b, SLICE_LIT("\r\n")) != 0)
			return -1;
	}
	return 0;
}

/* Whether the byte at the front may stand for itself; RFC 2045 6.7.  "From "
 * is hidden from programs that keep mail in mbox files. */
static bool
qp_is_literal(struct slice s, bool first)
{
	char c = s.p[0];

	if (c == ' ' || c == '\t')
		return s.n > 1 && s.p[1] != '\r' && s.p[1] != '\n';
	if (first && slice_starts(s, SLICE_LIT("From ")))
		return false;
	return c > ' ' && c < 127 && c != '=';
}

int
qp_encode(struct buf *b, struct slice s)
{
	static const char hex[] = "0123456789ABCDEF";
	char line[LINE_CHARS + 2];
	size_t n = 0, need;
	bool literal;

	for (; s.n > 0; s = slice_from(s, 1)) {
		if (slice_starts(s, SLICE_LIT("\r\n"))) {
			line[n++] = '\r';
			line[n++] = '\n';
			if (buf_add(b, slice_of(line, n)) != 0)
				return -1;
			n = 0;
			s = slice_from(s, 1);
			continue;
		}
		literal = qp_is_literal(s, n == 0);
		need = literal ? 1 : 3;
		/* One column is kept for the '=' of a soft line break. */
		if (n + need > LINE_CHARS - 1) {
			if (buf_add(b, slice_of(line, n)) != 0 ||
			    buf_add(b, SLICE_LIT("=\r\n")) != 0)
				return -1;
			n = 0;
			literal = qp_is_literal(s, true);
		}
		if (literal) {
			line[n++] = s.p[0];
		} else {
			line[n++] = '=';
			line[n++] = hex[(unsigned char)s.p[0] >> 4];
			line[n++] = hex[s.p[0] & 15];
		}
	}
	return buf_add(b, slice_of(line, n));
}
