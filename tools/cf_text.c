/* SPDX-License-Identifier: ISC */
/* cf_text - see cf_text.h. */
#include <stdlib.h>

#include "cf_text.h"

/* The expansion under way. */
struct expansion {
	const struct cf_text *cf;
	cf_default_fn	*dflt;
	void		*arg;
	struct buf	*out;
	unsigned	 names;		/* put in place so far */
};

static void	 add_line(struct cf_text *, struct buf *line, unsigned no,
		    bool is_master);
static int	 expand(struct expansion *, struct slice, unsigned depth);
static int	 expand_name(struct expansion *, struct slice, unsigned depth);
static bool	 next_blank_word(struct slice *, struct slice *);
static bool	 is_blank(char);
static bool	 is_name_char(char);

/* ---- lines --------------------------------------------------------------- */

void
cf_parse(struct cf_text *cf, struct slice text, bool is_master)
{
	struct buf line = BUF_INIT(CF_VALUE_BYTES);
	struct slice s, trimmed;
	unsigned no = 0, began = 0;

	*cf = (struct cf_text){ .arena = ARENA_INIT(CF_ARENA_BYTES) };
	cf->v = arena_alloc(&cf->arena, CF_PARAMS * sizeof(*cf->v));
	text = slice_first(text, text.n < CF_FILE_BYTES ? text.n :
	    CF_FILE_BYTES);
	while (slice_next(&text, '\n', &s)) {
		no++;
		trimmed = slice_trim(s);
		if (trimmed.n == 0 || trimmed.p[0] == '#')
			continue;
		/* A blank continues the line before, if there is one. */
		if (is_blank(s.p[0]) && line.n > 0)
			buf_add_byte(&line, ' ');
		else {
			add_line(cf, &line, began, is_master);
			began = no;
		}
		if (buf_add(&line, trimmed) == -1) {
			if (cf->refused++ == 0)
				cf->first_refused = no;
		}
	}
	add_line(cf, &line, began, is_master);
	buf_clear(&line);
}

/* "name = value", or in master.cf "name rest". */
static bool
split(struct slice line, bool is_master, struct slice *name,
    struct slice *value)
{
	size_t end = 0;

	while (end < line.n && !is_blank(line.p[end]) &&
	    (is_master || line.p[end] != '='))
		end++;
	*name = slice_first(line, end);
	*value = slice_trim(slice_from(line, end));
	if (is_master)
		return name->n > 0 && value->n > 0;
	if (name->n == 0 || value->n == 0 || value->p[0] != '=')
		return false;
	*value = slice_trim(slice_from(*value, 1));
	return true;
}

static void
add_line(struct cf_text *cf, struct buf *line, unsigned no, bool is_master)
{
	struct cf_param *p = &cf->v[cf->n];
	struct slice name, value;

	if (line->n == 0)
		return;
	if (cf->n < CF_PARAMS &&
	    split(buf_slice(line), is_master, &name, &value) &&
	    arena_copy(&cf->arena, name, &p->name) == 0 &&
	    arena_copy(&cf->arena, value, &p->value) == 0) {
		p->line = no;
		cf->n++;
	} else if (cf->refused++ == 0)
		cf->first_refused = no;
	buf_reset(line);
}

void
cf_clear(struct cf_text *cf)
{
	arena_clear(&cf->arena);
	cf->v = NULL;
	cf->n = 0;
}

struct cf_param *
cf_find(const struct cf_text *cf, struct slice name)
{
	size_t i;

	for (i = cf->n; i > 0; i--)
		if (slice_eq(cf->v[i - 1].name, name))
			return &cf->v[i - 1];
	return NULL;
}

/* ---- $names -------------------------------------------------------------- */

int
cf_expand(const struct cf_text *cf, struct slice value, cf_default_fn *dflt,
    void *arg, struct buf *out)
{
	struct expansion x = { cf, dflt, arg, out, 0 };

	out->max = CF_VALUE_BYTES;
	return expand(&x, value, 0);
}

/* Up to the bracket that belongs to the one before s; s.n where none does. */
static size_t
closing(struct slice s, char open, char close)
{
	size_t i, depth = 1;

	for (i = 0; i < s.n; i++)
		if (s.p[i] == open)
			depth++;
		else if (s.p[i] == close && --depth == 0)
			break;
	return i;
}

static int
expand(struct expansion *x, struct slice s, unsigned depth)
{
	size_t i, n;
	int r = depth > CF_DEPTH ? -1 : 0;

	for (i = 0; i < s.n && r == 0; i++) {
		if (s.p[i] != '$' || i + 1 == s.n) {
			r = buf_add_byte(x->out, s.p[i]);
			continue;
		}
		i++;
		if (s.p[i] == '$') {
			r = buf_add_byte(x->out, '$');
		} else if (s.p[i] == '{' || s.p[i] == '(') {
			n = closing(slice_from(s, i + 1), s.p[i],
			    s.p[i] == '{' ? '}' : ')');
			r = expand_name(x, slice_of(s.p + i + 1, n), depth);
			i += n + 1;
		} else {
			for (n = 0; i + n < s.n && is_name_char(s.p[i + n]);
			    n++)
				;
			r = n == 0 ? buf_add_byte(x->out, '$') :
			    expand_name(x, slice_of(s.p + i, n), depth);
			i = i + n - 1;
		}
	}
	return r;
}

/* name, name?text where it is not empty, name:text where it is. */
static int
expand_name(struct expansion *x, struct slice s, unsigned depth)
{
	const struct cf_param *p;
	struct slice value = SLICE_EMPTY, text;
	const char *known;
	size_t n;

	if (x->names++ == CF_NAMES)
		return -1;
	for (n = 0; n < s.n && is_name_char(s.p[n]); n++)
		;
	p = cf_find(x->cf, slice_first(s, n));
	if (p != NULL)
		value = p->value;
	else if (x->dflt != NULL) {
		known = x->dflt(x->arg, slice_first(s, n));
		value = known == NULL ? SLICE_EMPTY : slice_str(known);
	}
	if (n == s.n)
		return expand(x, value, depth + 1);
	text = slice_from(s, n + 1);
	if ((s.p[n] == '?' && value.n > 0) || (s.p[n] == ':' && value.n == 0))
		return expand(x, text, depth + 1);
	return 0;
}

/* ---- words --------------------------------------------------------------- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool
is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '_';
}

bool
cf_next_word(struct slice *rest, struct slice *word_r)
{
	struct slice s = *rest;
	size_t n;

	while (s.n > 0 && (is_blank(s.p[0]) || s.p[0] == ','))
		s = slice_from(s, 1);
	if (s.n == 0)
		return false;
	if (s.p[0] == '{') {
		s = slice_from(s, 1);
		n = closing(s, '{', '}');
		*word_r = slice_trim(slice_first(s, n));
		*rest = slice_from(s, n + (n < s.n));
		return true;
	}
	/* A table's name may have a part in braces: inline:{ a = b, c = d }. */
	for (n = 0; n < s.n && !is_blank(s.p[n]) && s.p[n] != ','; n++)
		if (s.p[n] == '{') {
			n += 1 + closing(slice_from(s, n + 1), '{', '}');
			if (n >= s.n)
				break;
		}
	n = n < s.n ? n : s.n;
	*word_r = slice_first(s, n);
	*rest = slice_from(s, n);
	return true;
}

static bool
next_blank_word(struct slice *rest, struct slice *word_r)
{
	size_t n = 0;

	*rest = slice_trim(*rest);
	if (rest->n > 0 && rest->p[0] == '{')
		return cf_next_word(rest, word_r);
	while (n < rest->n && !is_blank(rest->p[n]))
		n++;
	*word_r = slice_first(*rest, n);
	*rest = slice_from(*rest, n);
	return n > 0;
}

/* type private unprivileged chroot wakeup maxproc command arguments */
bool
cf_service_parse(const struct cf_param *row, struct cf_service *s)
{
	struct slice rest = row->value, word, name;
	size_t i, eq;

	*s = (struct cf_service){ .name = row->name };
	if (!next_blank_word(&rest, &s->type))
		return false;
	for (i = 0; i < 5; i++)
		if (!next_blank_word(&rest, &word))
			return false;
	if (!next_blank_word(&rest, &s->command))
		return false;
	s->rest = slice_trim(rest);
	while (next_blank_word(&rest, &word)) {
		if (!slice_starts(word, SLICE_LIT("-o")))
			continue;
		word = slice_from(word, 2);
		if (word.n == 0 && !next_blank_word(&rest, &word))
			break;
		eq = slice_find(word, '=');
		name = slice_trim(slice_first(word, eq));
		if (eq == word.n || name.n == 0 || s->noptions == CF_OPTIONS)
			continue;
		s->options[s->noptions++] = (struct cf_param){ .name = name,
			.value = slice_trim(slice_from(word, eq + 1)),
			.line = row->line };
	}
	return true;
}
