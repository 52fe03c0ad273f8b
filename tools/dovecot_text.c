/* SPDX-License-Identifier: ISC */
/* dovecot_text - see dovecot_text.h. */
#include <stdlib.h>

#include "dovecot_text.h"

/* Where the text is. */
struct place {
	struct buf	 path;		/* "service/imap-login/" */
	size_t		 begins[DOVECOT_DEPTH];	/* path.n before each level */
	size_t		 depth;
	struct slice	 file;
	unsigned	 line;
};

static void	 open_section(struct dovecot_text *, struct place *,
		    struct slice head);
static void	 add_setting(struct dovecot_text *, struct place *,
		    struct slice line);
static void	 refuse(struct dovecot_text *, const struct place *);

void
dovecot_init(struct dovecot_text *t)
{
	*t = (struct dovecot_text){
		.arena = ARENA_INIT(DOVECOT_ARENA_BYTES) };
	t->v = arena_alloc(&t->arena, DOVECOT_SETTINGS * sizeof(*t->v));
}

void
dovecot_clear(struct dovecot_text *t)
{
	arena_clear(&t->arena);
	t->v = NULL;
	t->n = 0;
}

/* Without a comment, which begins with '#' after a blank, outside quotes. */
static struct slice
without_comment(struct slice s)
{
	char quote = '\0';
	size_t i;

	for (i = 0; i < s.n; i++) {
		if (s.p[i] == '\\' && quote != '\0')
			i++;
		else if (quote != '\0')
			quote = s.p[i] == quote ? '\0' : quote;
		else if (s.p[i] == '"' || s.p[i] == '\'')
			quote = s.p[i];
		else if (s.p[i] == '#' && (i == 0 || s.p[i - 1] == ' ' ||
		    s.p[i - 1] == '\t'))
			return slice_first(s, i);
	}
	return s;
}

/* "{" and "}" may stand behind a statement: passdb { driver = pam }. */
static void
statement(struct dovecot_text *t, struct place *at, struct slice s)
{
	struct slice head, rest;
	size_t brace, eq;

	while ((s = slice_trim(s)).n > 0) {
		if (s.p[0] == '}') {
			if (at->depth == 0)
				refuse(t, at);
			else
				at->path.n = at->begins[--at->depth];
			s = slice_from(s, 1);
			continue;
		}
		brace = slice_find(s, '{');
		eq = slice_find(s, '=');
		if (brace < s.n && brace < eq) {
			open_section(t, at, slice_trim(slice_first(s, brace)));
			s = slice_from(s, brace + 1);
			continue;
		}
		head = s;
		rest = SLICE_EMPTY;
		/* The '}' of a section on one line. */
		if (at->depth > 0 && s.p[s.n - 1] == '}' &&
		    slice_find(s, '{') == s.n && slice_find(s, '%') == s.n) {
			head = slice_first(s, slice_find(s, '}'));
			rest = slice_from(s, head.n);
		}
		add_setting(t, at, slice_trim(head));
		s = rest;
	}
}

void
dovecot_parse(struct dovecot_text *t, struct slice text, const char *file,
    dovecot_include_fn *include, void *arg)
{
	struct place at = { .path = BUF_INIT(DOVECOT_PATH_BYTES) };
	struct buf line = BUF_INIT(65536);
	struct slice s, word;
	bool goes_on;

	if (arena_copy(&t->arena, slice_str(file), &at.file) == -1)
		return;
	text = slice_first(text, text.n < DOVECOT_FILE_BYTES ? text.n :
	    DOVECOT_FILE_BYTES);
	while (slice_next(&text, '\n', &s)) {
		at.line++;
		s = slice_trim(without_comment(s));
		goes_on = s.n > 0 && s.p[s.n - 1] == '\\';
		if (goes_on)
			s.n--;
		if (buf_add(&line, s) == -1)
			refuse(t, &at);
		if (goes_on) {
			buf_add_byte(&line, ' ');
			continue;
		}
		s = slice_trim(buf_slice(&line));
		if (slice_starts(s, SLICE_LIT("!include"))) {
			word = slice_trim(slice_from(s, slice_find(s, ' ')));
			if (word.n > 0 && include != NULL)
				include(arg, word, at.line);
			else
				refuse(t, &at);
		} else
			statement(t, &at, s);
		buf_reset(&line);
	}
	if (at.depth > 0)
		refuse(t, &at);
	buf_clear(&line);
	buf_clear(&at.path);
}

static void
refuse(struct dovecot_text *t, const struct place *at)
{
	if (t->refused++ == 0)
		t->first_refused = at->line;
}

/* "passdb", "service imap-login", "namespace inbox". */
static void
open_section(struct dovecot_text *t, struct place *at, struct slice head)
{
	size_t blank = slice_find(head, ' '), began = at->path.n;
	struct slice kind = slice_first(head, blank);
	struct slice name = slice_trim(slice_from(head, blank));

	if (at->depth == DOVECOT_DEPTH) {
		/* Its settings would be taken for those of the level above. */
		refuse(t, at);
		at->depth--;
		at->path.n = began = at->begins[at->depth];
	}
	at->begins[at->depth++] = began;
	if (name.n >= 2 && name.p[0] == '"')
		name = slice_of(name.p + 1, name.n - 2);
	if (name.n == 0)
		buf_printf(&at->path, "%.*s/%u/", SLICE_ARG(kind),
		    ++t->sections);
	else
		buf_printf(&at->path, "%.*s/%.*s/", SLICE_ARG(kind),
		    SLICE_ARG(name));
}

static void
add_setting(struct dovecot_text *t, struct place *at, struct slice line)
{
	size_t eq = slice_find(line, '='), began = at->path.n;
	struct slice name = slice_trim(slice_first(line, eq)), value;
	struct dovecot_setting *s = &t->v[t->n];

	if (eq == line.n || name.n == 0 || t->n == DOVECOT_SETTINGS) {
		refuse(t, at);
		return;
	}
	value = slice_trim(slice_from(line, eq + 1));
	if (value.n >= 2 && (value.p[0] == '"' || value.p[0] == '\'') &&
	    value.p[value.n - 1] == value.p[0])
		value = slice_of(value.p + 1, value.n - 2);
	if (buf_add(&at->path, name) == 0 &&
	    arena_copy(&t->arena, buf_slice(&at->path), &s->path) == 0 &&
	    arena_copy(&t->arena, value, &s->value) == 0) {
		s->file = at->file;
		s->line = at->line;
		t->n++;
	} else
		refuse(t, at);
	at->path.n = began;
}

struct dovecot_setting *
dovecot_find(const struct dovecot_text *t, const char *path)
{
	size_t i;

	for (i = t->n; i > 0; i--)
		if (slice_eq(t->v[i - 1].path, slice_str(path)))
			return &t->v[i - 1];
	return NULL;
}
