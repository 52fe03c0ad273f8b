/* SPDX-License-Identifier: ISC */
/* json - see json.h. */
#include "sasl/json.h"

/* What is still to be read. */
struct cursor {
	struct slice	 in;
	struct arena	*arena;
	unsigned	 depth;
};

static bool	 take_value(struct cursor *, struct json_value *);
static bool	 take_string(struct cursor *, struct slice *text_r);
static bool	 take_escape(struct cursor *, char **to);
static bool	 take_hex4(struct cursor *, unsigned *);
static bool	 take_number(struct cursor *);
static bool	 take_object(struct cursor *, struct json_object *);
static bool	 take_array(struct cursor *, struct json_value *v, int room,
		    int *n_r);
static bool	 take_word(struct cursor *, const char *);

static void
skip_blanks(struct cursor *c)
{
	size_t i;

	for (i = 0; i < c->in.n && (c->in.p[i] == ' ' || c->in.p[i] == '\t' ||
	    c->in.p[i] == '\n' || c->in.p[i] == '\r'); i++)
		;
	c->in = slice_from(c->in, i);
}

static char
peek(const struct cursor *c)
{
	return c->in.n > 0 ? c->in.p[0] : '\0';
}

static bool
take_char(struct cursor *c, char want)
{
	if (c->in.n == 0 || c->in.p[0] != want)
		return false;
	c->in = slice_from(c->in, 1);
	return true;
}

static bool
take_word(struct cursor *c, const char *word)
{
	struct slice w = slice_str(word);

	if (!slice_starts(c->in, w))
		return false;
	c->in = slice_from(c->in, w.n);
	return true;
}

static bool
take_value(struct cursor *c, struct json_value *v)
{
	struct slice from;
	bool ok;

	skip_blanks(c);
	from = c->in;
	*v = (struct json_value){ .text = SLICE_EMPTY };
	switch (peek(c)) {
	case '"':
		v->kind = JSON_STRING;
		ok = take_string(c, &v->text);
		break;
	case '{':
		v->kind = JSON_OBJECT;
		ok = take_object(c, NULL);
		break;
	case '[':
		v->kind = JSON_ARRAY;
		ok = take_array(c, NULL, 0, NULL);
		break;
	case 't':
		v->kind = JSON_TRUE;
		ok = take_word(c, "true");
		break;
	case 'f':
		v->kind = JSON_FALSE;
		ok = take_word(c, "false");
		break;
	case 'n':
		v->kind = JSON_NULL;
		ok = take_word(c, "null");
		break;
	default:
		v->kind = JSON_NUMBER;
		ok = take_number(c);
		break;
	}
	v->raw = slice_first(from, from.n - c->in.n);
	skip_blanks(c);
	return ok;
}

static size_t
take_digits(struct cursor *c)
{
	size_t n = 0;

	while (peek(c) >= '0' && peek(c) <= '9') {
		c->in = slice_from(c->in, 1);
		n++;
	}
	return n;
}

static bool
take_number(struct cursor *c)
{
	take_char(c, '-');
	if (!take_char(c, '0') && take_digits(c) == 0)
		return false;
	if (take_char(c, '.') && take_digits(c) == 0)
		return false;
	if (take_char(c, 'e') || take_char(c, 'E')) {
		if (!take_char(c, '+'))
			take_char(c, '-');
		return take_digits(c) > 0;
	}
	return true;
}

/* The decoded form is never longer than the text. */
static bool
take_string(struct cursor *c, struct slice *text_r)
{
	char *text, *to, ch;

	if (!take_char(c, '"'))
		return false;
	text = to = arena_alloc(c->arena, c->in.n + 1);
	if (text == NULL)
		return false;
	while (c->in.n > 0) {
		ch = c->in.p[0];
		c->in = slice_from(c->in, 1);
		if (ch == '"') {
			*text_r = slice_of(text, (size_t)(to - text));
			return true;
		}
		if ((unsigned char)ch < ' ')
			return false;
		if (ch != '\\')
			*to++ = ch;
		else if (!take_escape(c, &to))
			return false;
	}
	return false;
}

static bool
take_hex4(struct cursor *c, unsigned *v_r)
{
	unsigned v = 0;
	size_t i;

	if (c->in.n < 4)
		return false;
	for (i = 0; i < 4; i++) {
		char ch = ascii_lower(c->in.p[i]);

		if (ch >= '0' && ch <= '9')
			v = v << 4 | (unsigned)(ch - '0');
		else if (ch >= 'a' && ch <= 'f')
			v = v << 4 | (unsigned)(ch - 'a' + 10);
		else
			return false;
	}
	c->in = slice_from(c->in, 4);
	*v_r = v;
	return true;
}

static void
put_utf8(char **to, unsigned v)
{
	char *p = *to;

	if (v < 0x80) {
		*p++ = (char)v;
	} else if (v < 0x800) {
		*p++ = (char)(0xc0 | v >> 6);
		*p++ = (char)(0x80 | (v & 63));
	} else if (v < 0x10000) {
		*p++ = (char)(0xe0 | v >> 12);
		*p++ = (char)(0x80 | (v >> 6 & 63));
		*p++ = (char)(0x80 | (v & 63));
	} else {
		*p++ = (char)(0xf0 | v >> 18);
		*p++ = (char)(0x80 | (v >> 12 & 63));
		*p++ = (char)(0x80 | (v >> 6 & 63));
		*p++ = (char)(0x80 | (v & 63));
	}
	*to = p;
}

/* NUL would end a string early for somebody. */
static bool
take_escape(struct cursor *c, char **to)
{
	static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
	const char *at;
	unsigned v, low;
	char ch = peek(c);

	if (c->in.n == 0)
		return false;
	c->in = slice_from(c->in, 1);
	if (ch != 'u') {
		at = ch == '\0' ? NULL : strchr(from, ch);
		if (at == NULL)
			return false;
		*(*to)++ = into[at - from];
		return true;
	}
	if (!take_hex4(c, &v) || v == 0 || (v >= 0xdc00 && v <= 0xdfff))
		return false;
	if (v >= 0xd800 && v <= 0xdbff) {
		if (!take_word(c, "\\u") || !take_hex4(c, &low) ||
		    low < 0xdc00 || low > 0xdfff)
			return false;
		v = 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00);
	}
	put_utf8(to, v);
	return true;
}

/* object: NULL only skips it. */
static bool
take_object(struct cursor *c, struct json_object *o)
{
	struct json_member m;
	size_t i, n = 0;

	if (!take_char(c, '{') || c->depth == JSON_DEPTH)
		return false;
	c->depth++;
	skip_blanks(c);
	if (!take_char(c, '}')) {
		do {
			skip_blanks(c);
			if (++n > JSON_MEMBERS || !take_string(c, &m.name))
				return false;
			skip_blanks(c);
			if (!take_char(c, ':') || !take_value(c, &m.value))
				return false;
			if (o == NULL)
				continue;
			/* Which of two would count is not for us to say. */
			for (i = 0; i < o->n; i++)
				if (slice_eq(o->v[i].name, m.name))
					return false;
			o->v[o->n++] = m;
		} while (take_char(c, ','));
		if (!take_char(c, '}'))
			return false;
	}
	c->depth--;
	return true;
}

/* v: NULL only skips it. */
static bool
take_array(struct cursor *c, struct json_value *v, int room, int *n_r)
{
	struct json_value one;
	int n = 0;

	if (!take_char(c, '[') || c->depth == JSON_DEPTH)
		return false;
	c->depth++;
	skip_blanks(c);
	if (!take_char(c, ']')) {
		do {
			if (n == JSON_MEMBERS || (v != NULL && n == room) ||
			    !take_value(c, &one))
				return false;
			if (v != NULL)
				v[n] = one;
			n++;
		} while (take_char(c, ','));
		if (!take_char(c, ']'))
			return false;
	}
	c->depth--;
	if (n_r != NULL)
		*n_r = n;
	return true;
}

bool
json_object_parse(struct slice text, struct arena *arena,
    struct json_object *o)
{
	struct cursor c = { text, arena, 0 };

	o->n = 0;
	skip_blanks(&c);
	if (!take_object(&c, o))
		return false;
	skip_blanks(&c);
	return c.in.n == 0;
}

const struct json_value *
json_find(const struct json_object *o, const char *name)
{
	size_t i;

	for (i = 0; i < o->n; i++)
		if (slice_eq(o->v[i].name, slice_str(name)))
			return &o->v[i].value;
	return NULL;
}

int
json_strings(const struct json_value *v, struct arena *arena,
    struct slice *out, int room)
{
	struct json_value all[JSON_MEMBERS];
	struct cursor c = { v->raw, arena, 0 };
	int n = 0, i;

	if (v->kind == JSON_STRING && room > 0) {
		out[0] = v->text;
		return 1;
	}
	if (v->kind != JSON_ARRAY || room > JSON_MEMBERS ||
	    !take_array(&c, all, room, &n))
		return -1;
	for (i = 0; i < n; i++) {
		if (all[i].kind != JSON_STRING)
			return -1;
		out[i] = all[i].text;
	}
	return n;
}

bool
json_time(const struct json_value *v, int64_t *seconds_r)
{
	int64_t n = 0;
	size_t i;

	if (v->kind != JSON_NUMBER)
		return false;
	for (i = 0; i < v->raw.n && v->raw.p[i] >= '0' && v->raw.p[i] <= '9';
	    i++) {
		n = n * 10 + (v->raw.p[i] - '0');
		if (n > INT64_C(1) << 53)
			return false;
	}
	/* 1.7e9 is a number, but nobody writes times so. */
	if (i == 0 || (i < v->raw.n && v->raw.p[i] != '.') ||
	    memchr(v->raw.p, 'e', v->raw.n) != NULL ||
	    memchr(v->raw.p, 'E', v->raw.n) != NULL)
		return false;
	*seconds_r = n;
	return true;
}
