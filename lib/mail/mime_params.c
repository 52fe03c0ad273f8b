/* SPDX-License-Identifier: ISC */
/*
 * mime_params - the parameters of MIME fields, RFC 2045 5.1 and RFC 2231, as
 * they are met in the field: unquoted values with blanks in them, quotes that
 * are never closed, "*" in any order.  Linear in the field.
 */
#include "base/num.h"
#include "mail/chars.h"
#include "mail/charset.h"
#include "mail/message.h"

/* A parameter as it is written. */
struct raw_param {
	struct slice	 name;
	struct slice	 value;		/* between the quotes, escapes in it */
	bool		 escaped;	/* it has '\', or a folding */
};

/* "name*3*": one of the pieces of a value. */
struct piece {
	struct slice	 name, value;
	uint64_t	 index;
	bool		 extended;
};

static bool	param_next(struct slice *, struct raw_param *);
static void	take_quoted(struct slice *, struct raw_param *);
static void	take_plain(struct slice *, struct raw_param *);
static struct slice raw_value(struct arena *, const struct raw_param *);
static bool	piece_split(struct slice name, struct piece *);
static int	piece_cmp(const void *, const void *);
static struct slice pieces_join(struct arena *, const struct piece *,
		    size_t n, bool extended);
static int	add_extended(struct buf *, const struct piece *);
static void	percent_decode(struct slice, struct buf *);

bool
mime_type_split(struct slice s, struct slice *type_r, struct slice *subtype_r,
    struct slice *params_r)
{
	struct slice type, subtype;

	s = cfws_skip(s);
	for (type = s, type.n = 0; type.n < s.n &&
	    char_is(s.p[type.n], CH_TOKEN);)
		type.n++;
	s = cfws_skip(slice_from(s, type.n));
	if (type.n == 0 || s.n == 0 || s.p[0] != '/')
		return false;
	s = cfws_skip(slice_from(s, 1));
	for (subtype = s, subtype.n = 0; subtype.n < s.n &&
	    char_is(s.p[subtype.n], CH_TOKEN);)
		subtype.n++;
	if (subtype.n == 0)
		return false;
	*type_r = type;
	*subtype_r = subtype;
	*params_r = slice_from(s, subtype.n);
	return true;
}

bool
mime_disposition_split(struct slice s, struct slice *name_r,
    struct slice *params_r)
{
	struct slice name;

	s = cfws_skip(s);
	for (name = s, name.n = 0; name.n < s.n &&
	    char_is(s.p[name.n], CH_TOKEN);)
		name.n++;
	if (name.n == 0)
		return false;
	*name_r = name;
	*params_r = slice_from(s, name.n);
	return true;
}

bool
mime_boundary(struct arena *a, struct slice s, struct slice *text_r)
{
	struct raw_param raw;
	struct slice text;

	while (param_next(&s, &raw)) {
		if (!slice_eq_nocase(raw.name, SLICE_LIT("boundary")))
			continue;
		text = raw_value(a, &raw);
		/* RFC 2046 5.1.1: it does not end with white space. */
		while (text.n > 0 && (text.p[text.n - 1] == ' ' ||
					 text.p[text.n - 1] == '\t'))
			text.n--;
		*text_r = text;
		return true;
	}
	return false;
}

/* The next ";" name "=" value; what is not one is passed over. */
static bool
param_next(struct slice *rest, struct raw_param *r)
{
	struct slice s = *rest, name;

	for (;;) {
		s = cfws_skip(s);
		if (s.n == 0)
			return false;
		if (s.p[0] == ';') {
			s = slice_from(s, 1);
			continue;
		}
		for (name = s, name.n = 0; name.n < s.n &&
		    char_is(s.p[name.n], CH_TOKEN) && s.p[name.n] != '=';)
			name.n++;
		s = cfws_skip(slice_from(s, name.n));
		if (name.n > 0 && s.n > 0 && s.p[0] == '=')
			break;
		if (name.n == 0 && s.n > 0)
			s = slice_from(s, 1);
	}
	r->name = name;
	r->escaped = false;
	s = cfws_skip(slice_from(s, 1));
	if (s.n > 0 && s.p[0] == '"')
		take_quoted(&s, r);
	else
		take_plain(&s, r);
	*rest = s;
	return true;
}

static void
take_quoted(struct slice *s, struct raw_param *r)
{
	size_t i;

	for (i = 1; i < s->n && s->p[i] != '"'; i++) {
		if (s->p[i] == '\\' && i + 1 < s->n)
			i++, r->escaped = true;
		else if (s->p[i] == '\n' || s->p[i] == '\r')
			r->escaped = true;
	}
	r->value = slice_of(s->p + 1, i - 1);
	*s = slice_from(*s, i < s->n ? i + 1 : i);
}

/* Not only a token: file names with blanks are often left unquoted. */
static void
take_plain(struct slice *s, struct raw_param *r)
{
	size_t i;

	for (i = 0; i < s->n && s->p[i] != ';'; i++) {
		if (s->p[i] == '(' && i > 0 &&
		    (s->p[i - 1] == ' ' || s->p[i - 1] == '\t'))
			break;
		if (s->p[i] == '\n' || s->p[i] == '\r')
			r->escaped = true;
	}
	r->value = slice_trim(slice_first(*s, i));
	*s = slice_from(*s, i);
}

static struct slice
raw_value(struct arena *a, const struct raw_param *r)
{
	struct slice v = r->value;
	size_t i, n = 0;
	char *p;

	if (!r->escaped || (p = arena_alloc(a, v.n)) == NULL)
		return v;
	for (i = 0; i < v.n; i++) {
		if (v.p[i] == '\\' && i + 1 < v.n)
			i++;
		else if (v.p[i] == '\n' || v.p[i] == '\r')
			continue;
		p[n++] = v.p[i];
	}
	return slice_of(p, n);
}

void
mime_params_parse(struct arena *a, struct slice s, struct mime_params *out)
{
	struct piece pieces[MESSAGE_PARAMS], *q;
	struct raw_param raw;
	size_t i, n, npieces = 0;
	bool extended;

	out->n = 0;
	while (out->n + npieces < MESSAGE_PARAMS && param_next(&s, &raw)) {
		q = &pieces[npieces];
		if (memchr(raw.name.p, '*', raw.name.n) != NULL &&
		    piece_split(raw.name, q)) {
			q->value = raw_value(a, &raw);
			npieces++;
			continue;
		}
		out->v[out->n].name = raw.name;
		out->v[out->n++].value = raw_value(a, &raw);
	}
	if (npieces == 0)
		return;
	qsort(pieces, npieces, sizeof(*pieces), piece_cmp);
	for (q = pieces; npieces > 0; q += n, npieces -= n) {
		extended = q->extended;
		for (n = 1; n < npieces &&
		    slice_eq_nocase(q[n].name, q->name); n++)
			extended |= q[n].extended;
		/* Up to the first that is missing. */
		for (i = 0; i < n && q[i].index == i; i++)
			;
		if (i == 0)
			continue;
		out->v[out->n].name = q->name;
		if (extended) {
			struct buf b = BUF_INIT(256);

			if (buf_add(&b, q->name) != 0 ||
			    buf_add_byte(&b, '*') != 0 ||
			    arena_copy(a, buf_slice(&b),
				&out->v[out->n].name) != 0)
				extended = false;
			buf_clear(&b);
		}
		out->v[out->n++].value = pieces_join(a, q, i, extended);
	}
}

/* "name*3", "name*3*".  "name*" stays what it is. */
static bool
piece_split(struct slice s, struct piece *q)
{
	size_t star;

	q->extended = s.n > 1 && s.p[s.n - 1] == '*';
	if (q->extended)
		s.n--;
	star = slice_rfind(s, '*');
	if (star == 0 || star == s.n)
		return false;
	q->name = slice_first(s, star);
	return slice_to_u64(slice_from(s, star + 1), 0, MESSAGE_PARAMS,
	    &q->index);
}

static int
piece_cmp(const void *va, const void *vb)
{
	const struct piece *a = va, *b = vb;
	size_t i, n = a->name.n < b->name.n ? a->name.n : b->name.n;
	int d;

	for (i = 0; i < n; i++) {
		d = ascii_lower(a->name.p[i]) - ascii_lower(b->name.p[i]);
		if (d != 0)
			return d;
	}
	if (a->name.n != b->name.n)
		return a->name.n < b->name.n ? -1 : 1;
	return (a->index > b->index) - (a->index < b->index);
}

static struct slice
pieces_join(struct arena *a, const struct piece *q, size_t n, bool extended)
{
	struct buf b = BUF_INIT(MESSAGE_FIELD_BYTES * 3);
	struct slice text = SLICE_EMPTY;
	size_t i;

	if (extended && !q->extended && buf_add_str(&b, "''") != 0)
		return text;
	for (i = 0; i < n; i++)
		if ((extended && !q[i].extended ? add_extended(&b, &q[i]) :
						  buf_add(&b, q[i].value)) != 0)
			break;
	if (arena_copy(a, buf_slice(&b), &text) != 0)
		text = SLICE_EMPTY;
	buf_clear(&b);
	return text;
}

/* A plain piece among extended ones. */
static int
add_extended(struct buf *b, const struct piece *q)
{
	size_t i;
	char c;

	for (i = 0; i < q->value.n; i++) {
		c = q->value.p[i];
		if (char_is(c, CH_ATEXT) && c != '%' && c != '*' && c != '\'' ?
			buf_add_byte(b, c) != 0 :
			buf_printf(b, "%%%02X", (unsigned char)c) != 0)
			return -1;
	}
	return 0;
}

bool
mime_param_text(struct arena *a, const struct mime_params *params,
    const char *name, struct slice *text_r)
{
	struct slice want = slice_str(name), v, charset = SLICE_EMPTY;
	struct buf raw = BUF_INIT(MESSAGE_FIELD_BYTES);
	struct buf text = BUF_INIT(MESSAGE_FIELD_BYTES);
	const struct mime_param *p, *found = NULL;
	size_t i;
	bool ok;

	for (i = 0; i < params->n; i++) {
		p = &params->v[i];
		if (slice_eq_nocase(p->name, want) && found == NULL)
			found = p;
		if (p->name.n == want.n + 1 && p->name.p[want.n] == '*' &&
		    slice_starts_nocase(p->name, want)) {
			found = p;
			break;
		}
	}
	if (found == NULL)
		return false;
	v = found->value;
	if (found->name.n == want.n) {
		/* Against RFC 2047 5 (3), but what many programs write. */
		words_decode(v, &text);
	} else {
		i = slice_find(v, '\'');
		if (i < v.n) {
			charset = slice_first(v, i);
			v = slice_from(v, i + 1);
			i = slice_find(v, '\'');
			v = slice_from(v, i < v.n ? i + 1 : 0);
		}
		percent_decode(v, &raw);
		charset_to_utf8(charset, buf_slice(&raw), &text);
	}
	ok = arena_copy(a, buf_slice(&text), text_r) == 0;
	buf_clear(&raw);
	buf_clear(&text);
	return ok;
}

static void
percent_decode(struct slice s, struct buf *b)
{
	size_t i;
	int hi, lo;

	for (i = 0; i < s.n; i++) {
		if (s.p[i] == '%' && i + 2 < s.n &&
		    (hi = char_hex(s.p[i + 1])) >= 0 &&
		    (lo = char_hex(s.p[i + 2])) >= 0) {
			buf_add_byte(b, (char)(hi << 4 | lo));
			i += 2;
		} else {
			buf_add_byte(b, s.p[i]);
		}
	}
}

struct slice
part_charset(struct arena *a, const struct part *p)
{
	struct slice type, subtype, params, text;
	struct mime_params list;

	if (p->content_type.p == NULL ||
	    !mime_type_split(p->content_type, &type, &subtype, &params))
		return SLICE_LIT("us-ascii");
	mime_params_parse(a, params, &list);
	if (!mime_param_text(a, &list, "charset", &text))
		return SLICE_LIT("us-ascii");
	return text;
}
