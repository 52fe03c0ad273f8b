/* SPDX-License-Identifier: ISC */
/*
 * parse - the text of chasqui.conf(5) into a struct conf.
 *
 *	file      = *statement
 *	statement = key "=" values end | section "{" *statement "}"
 *	          / kind name "{" *statement "}"
 *	values    = *(word [","]) / "{" *(word [","] / newline) "}"
 *	end       = newline / ";" / before "}" / end of file
 *
 * After an error the parser goes on behind the statement, so that one run
 * names up to ERRORS_MAX of them.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "conf/keys.h"

#define ERRORS_MAX	20
#define WORD_BYTES	65536

struct place {
	unsigned	 line, column;
};

struct parser {
	struct slice	 rest;
	struct place	 at;		/* of rest */
	const char	*name;
	struct buf	*why;
	unsigned	 errors;
	struct conf	*conf;		/* blocks: owned by the parser until */
	void		*blocks[CONF_KINDS];	/* the end, then in the arena */
	size_t		 nblocks[CONF_KINDS];
	struct conf_mark *marks;	/* owned; then in the arena */
	size_t		 nmarks;
	/* Words of the current value. */
	const char	**words;	/* owned array */
	struct place	*places;	/* owned, of each word */
	size_t		 nwords;
	size_t		 words_cap;
};

/* What the statements of a file, section or block set. */
struct scope {
	size_t		 kind;		/* index in conf_kinds */
	size_t		 block;		/* index among those of the kind */
	struct slice	 section;	/* "smtp", or empty */
	bool		*set;		/* of each key, shared by sections */
	struct place	 opened;
	unsigned	 depth;
};

static void	 parse_statements(struct parser *, struct scope *);
static void	 parse_statement(struct parser *, struct scope *);
static void	 parse_section(struct parser *, const struct scope *,
		    struct slice, struct place);
static void	 parse_block(struct parser *, const struct scope *,
		    struct slice, struct place);
static void	 parse_assignment(struct parser *, struct scope *, struct slice,
		    struct place);
static bool	 parse_values(struct parser *, bool *listed_r);
static bool	 parse_word(struct parser *, struct slice *);
static bool	 parse_quoted(struct parser *, struct slice *);
static void	*add_block(struct parser *, size_t kind, struct slice name,
		    struct place);
static void	*object_of(struct parser *, const struct scope *);
static void	 finish_blocks(struct parser *);
static void	 check_twins(struct parser *, size_t kind);
static int	 peek(struct parser *);
static void	 take(struct parser *, size_t n);
static struct slice take_key(struct parser *);
static bool	 is_key_char(char);
static bool	 at_end_of_statement(struct parser *);
static void	 skip_statement(struct parser *);
static void	 mark(struct parser *, const struct scope *,
		    const struct conf_key *, size_t item, struct place);
static void	 complain(struct parser *, struct place, const char *, ...)
		    __attribute__((format(printf, 3, 4)));
static void	 complain_unknown(struct parser *, struct place,
		    const struct scope *, struct slice key);

#define END	(-1)

struct conf *
conf_parse(struct slice text, const char *name, struct buf *why)
{
	bool ok;
	struct conf *c = conf_parse_anyway(text, name, why, &ok);

	if (!ok)
		conf_free(&c);
	return c;
}

struct conf *
conf_parse_anyway(struct slice text, const char *name, struct buf *why,
    bool *ok_r)
{
	bool set[CONF_KEYS_MAX] = { false };
	struct scope top = { .set = set };
	struct parser p = { .rest = text, .at = { 1, 1 }, .name = name,
		.why = why };

	if (text.n > CONF_FILE_BYTES) {
		buf_printf(why, "%s: larger than %d MiB\n", name,
		    CONF_FILE_BYTES >> 20);
		*ok_r = false;
		return NULL;
	}
	p.conf = conf_new(name);
	if (slice_starts(text, SLICE_LIT("\xef\xbb\xbf")))
		p.rest = slice_from(text, 3);	/* a byte order mark */
	parse_statements(&p, &top);
	finish_blocks(&p);
	free(p.words);
	free(p.places);
	free(p.marks);
	*ok_r = p.errors == 0 && conf_check(p.conf, why);
	return p.conf;
}

static void
parse_statements(struct parser *p, struct scope *s)
{
	int c;

	for (;;) {
		c = peek(p);
		if (c == '\n' || c == ';') {
			take(p, 1);
		} else if (c == '}' && s->depth > 0) {
			take(p, 1);
			return;
		} else if (c == END) {
			if (s->depth > 0)
				complain(p, s->opened, "no '}' for this '{'");
			return;
		} else if (c == '}') {
			complain(p, p->at, "'}' without a '{'");
			take(p, 1);
		} else {
			parse_statement(p, s);
		}
	}
}

static void
parse_statement(struct parser *p, struct scope *s)
{
	struct place at = p->at;
	struct slice key = take_key(p);
	int c;

	if (key.n == 0) {
		complain(p, at, "a key or a block expected");
		skip_statement(p);
		return;
	}
	c = peek(p);
	if (c == '=')
		parse_assignment(p, s, key, at);
	else if (s->depth > 0) {
		complain(p, p->at, "'=' expected after \"%s\"",
		    conf_show(key).s);
		skip_statement(p);
	} else if (c == '{')
		parse_section(p, s, key, at);
	else if (c == '\n' || c == ';' || c == '}' || c == END) {
		complain(p, p->at, "'=' or '{' expected after \"%s\"",
		    conf_show(key).s);
		skip_statement(p);
	} else
		parse_block(p, s, key, at);
}

/* "smtp" with keys "smtp.*" has sections; NULL names: there is none. */
static bool
is_section(struct slice name)
{
	const struct conf_kind *top = &conf_kinds[0];
	size_t i;

	for (i = 0; i < top->nkeys; i++) {
		struct slice key = slice_str(top->keys[i].name);

		if (slice_starts(key, name) && key.n > name.n &&
		    key.p[name.n] == '.')
			return true;
	}
	return false;
}

/* The nearest section or, with blocks, kind of block. */
static const char *
nearest_group(struct slice wrong, bool blocks)
{
	static char sections[CONF_KEYS_MAX][24];
	const char *names[CONF_KEYS_MAX + 1];
	const struct conf_kind *top = &conf_kinds[0];
	size_t i, n = 0, dot;

	for (i = 1; blocks && i < CONF_KINDS; i++)
		names[n++] = conf_kinds[i].name;
	for (i = 0; !blocks && i < top->nkeys; i++) {
		struct slice key = slice_str(top->keys[i].name);

		dot = slice_find(key, '.');
		if (dot == key.n || dot >= sizeof(sections[0]))
			continue;
		memcpy(sections[n], key.p, dot);
		sections[n][dot] = '\0';
		names[n] = sections[n];
		n++;
	}
	names[n] = NULL;
	return conf_nearest(wrong, names);
}

static void
parse_section(struct parser *p, const struct scope *s, struct slice name,
    struct place at)
{
	struct scope in = { s->kind, s->block, name, s->set, p->at,
		s->depth + 1 };
	const char *near;
	size_t i;

	if (!is_section(name)) {
		for (i = 1; i < CONF_KINDS; i++)
			if (slice_eq(name, slice_str(conf_kinds[i].name)))
				break;
		near = nearest_group(name, false);
		if (i < CONF_KINDS)
			complain(p, p->at, "a name expected: %s NAME { ... }",
			    conf_kinds[i].name);
		else if (near != NULL)
			complain(p, at, "unknown section \"%s\"; did you mean "
			    "\"%s\"?", conf_show(name).s, near);
		else
			complain(p, at, "unknown section \"%s\"",
			    conf_show(name).s);
		skip_statement(p);
		return;
	}
	take(p, 1);
	parse_statements(p, &in);
}

static void
parse_block(struct parser *p, const struct scope *s, struct slice kind,
    struct place at)
{
	bool set[CONF_KEYS_MAX] = { false };
	struct scope in = { .set = set, .depth = s->depth + 1 };
	struct place name_at = p->at;
	struct slice name;
	const char *near;
	void *block;

	for (in.kind = 1; in.kind < CONF_KINDS; in.kind++)
		if (slice_eq(kind, slice_str(conf_kinds[in.kind].name)))
			break;
	if (in.kind == CONF_KINDS) {
		near = nearest_group(kind, true);
		if (conf_key_find(&conf_kinds[0], kind) != NULL)
			complain(p, name_at, "'=' expected after \"%s\"",
			    conf_show(kind).s);
		else if (near != NULL)
			complain(p, at, "unknown block \"%s\"; did you mean "
			    "\"%s\"?", conf_show(kind).s, near);
		else
			complain(p, at, "unknown key or block \"%s\"",
			    conf_show(kind).s);
		skip_statement(p);
		return;
	}
	if (!parse_word(p, &name)) {
		skip_statement(p);
		return;
	}
	in.opened = p->at;
	if (peek(p) != '{') {
		complain(p, p->at, "'{' expected after %s %s",
		    conf_kinds[in.kind].name, conf_show(name).s);
		skip_statement(p);
		return;
	}
	if (name.n == 0)
		complain(p, name_at, "the name of a %s is empty",
		    conf_kinds[in.kind].name);
	in.opened = p->at;
	in.block = p->nblocks[in.kind];
	block = add_block(p, in.kind, name, name_at);
	if (block == NULL) {
		skip_statement(p);
		return;
	}
	take(p, 1);
	parse_statements(p, &in);
}

static void
parse_assignment(struct parser *p, struct scope *s, struct slice name,
    struct place at)
{
	const struct conf_kind *kind = &conf_kinds[s->kind];
	const struct conf_key *key;
	struct buf why = BUF_INIT(1024);
	char full[CONF_KEYS_MAX];
	struct place end;
	bool listed;
	size_t bad, i, n;

	n = s->section.n + name.n + 1;
	if (s->section.n > 0 && n < sizeof(full)) {
		memcpy(full, s->section.p, s->section.n);
		full[s->section.n] = '.';
		memcpy(full + s->section.n + 1, name.p, name.n);
		key = conf_key_find(kind, slice_of(full, n));
	} else {
		key = conf_key_find(kind, name);
	}
	if (key == NULL) {
		complain_unknown(p, at, s, name);
		skip_statement(p);
		return;
	}
	take(p, 1);
	peek(p);
	end = p->at;
	if (!parse_values(p, &listed)) {
		if (listed)	/* the rest of the list is not a statement */
			take(p, slice_find(p->rest, '}') < p->rest.n ?
			    slice_find(p->rest, '}') + 1 : p->rest.n);
		skip_statement(p);
		return;
	}
	if (s->set[key - kind->keys])
		complain(p, at, "%s is set twice", key->name);
	s->set[key - kind->keys] = true;
	if (p->nwords == 0 && !listed &&
	    (key->type == CONF_LIST || key->type == CONF_NETS)) {
		complain(p, end, "%s wants words ({ } for none)", key->name);
	} else if (conf_value_set(p->conf->arena, key, object_of(p, s),
	    p->words, p->nwords, &why, &bad) == -1) {
		complain(p, bad < p->nwords ? p->places[bad] : end, "%s",
		    buf_cstr(&why));
	}
	buf_clear(&why);
	for (i = 0; i < p->nwords; i++)
		mark(p, s, key, i, p->places[i]);
	if (p->nwords == 0)
		mark(p, s, key, 0, end);
}

/* The words up to the end of the statement, which stays. */
static bool
parse_values(struct parser *p, bool *listed_r)
{
	struct slice word;
	struct place at = p->at;
	int c;

	p->nwords = 0;
	*listed_r = peek(p) == '{';
	if (*listed_r)
		take(p, 1);
	for (;;) {
		c = peek(p);
		if (*listed_r && c == '}') {
			take(p, 1);
			peek(p);
			if (at_end_of_statement(p))
				return true;
			*listed_r = false;
			complain(p, p->at, "the end of the line, ';' or '}' "
			    "expected");
			return false;
		}
		if (c == ',' || (*listed_r && c == '\n')) {
			take(p, 1);
			continue;
		}
		if (*listed_r && c == END) {
			complain(p, at, "no '}' for this '{'");
			return false;
		}
		if (!*listed_r && at_end_of_statement(p))
			return true;
		if (p->nwords == CONF_WORDS) {
			complain(p, p->at, "more than %d words", CONF_WORDS);
			return false;
		}
		if (p->nwords == p->words_cap) {
			p->words_cap = p->words_cap * 2 + 16;
			p->words = mem_regrow(p->words, p->words_cap,
			    sizeof(*p->words));
			p->places = mem_regrow(p->places, p->words_cap,
			    sizeof(*p->places));
		}
		p->places[p->nwords] = p->at;
		if (!parse_word(p, &word))
			return false;
		p->words[p->nwords++] = word.p;
	}
}

/* A word in the arena, NUL-terminated. */
static bool
parse_word(struct parser *p, struct slice *word_r)
{
	size_t n;

	if (peek(p) == '"')
		return parse_quoted(p, word_r);
	for (n = 0; n < p->rest.n && conf_is_word_char(p->rest.p[n]); n++)
		;
	if (n == 0) {
		complain(p, p->at, "\"%s\" must be in double quotes",
		    conf_show(slice_first(p->rest, 1)).s);
		return false;
	}
	if (n > WORD_BYTES || arena_copy(p->conf->arena,
	    slice_first(p->rest, n), word_r) == -1) {
		complain(p, p->at, "the word is too long");
		return false;
	}
	take(p, n);
	return true;
}

static bool
parse_quoted(struct parser *p, struct slice *word_r)
{
	struct place at = p->at;
	struct slice s = slice_from(p->rest, 1);
	struct buf word = BUF_INIT(WORD_BYTES);
	size_t i;
	bool ok = false;

	for (i = 0; i < s.n && s.p[i] != '"'; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '\n' || c == '\r')
			break;
		if ((c < ' ' && c != '\t') || c == 0x7f) {
			complain(p, at, "a control character in quotes");
			goto out;
		}
		if (c == '\\') {
			i++;
			if (i == s.n || (s.p[i] != '"' && s.p[i] != '\\')) {
				complain(p, at, "in quotes a backslash stands "
				    "only before '\"' or another");
				goto out;
			}
		}
		if (buf_add_byte(&word, s.p[i]) == -1) {
			complain(p, at, "the word is too long");
			goto out;
		}
	}
	if (i == s.n || s.p[i] != '"') {
		complain(p, at, "the quotes are not closed on their line");
		goto out;
	}
	if (arena_copy(p->conf->arena, buf_slice(&word), word_r) == -1) {
		complain(p, at, "the configuration is too large");
		goto out;
	}
	take(p, i + 2);
	ok = true;
out:
	buf_clear(&word);
	return ok;
}

static void *
add_block(struct parser *p, size_t k, struct slice name, struct place at)
{
	const struct conf_kind *kind = &conf_kinds[k];
	struct scope s = { .kind = k, .block = p->nblocks[k] };
	size_t n = p->nblocks[k];
	char *lower, *block;
	const char *first;
	size_t i, path;

	if (n == CONF_BLOCKS) {
		complain(p, at, "more than %d blocks of this kind",
		    CONF_BLOCKS);
		return NULL;
	}
	if ((n & (n - 1)) == 0)	/* room for the next power of two */
		p->blocks[k] = mem_regrow(p->blocks[k], n == 0 ? 1 : n * 2,
		    kind->size);
	block = (char *)p->blocks[k] + n * kind->size;
	memset(block, 0, kind->size);
	conf_set_defaults(p->conf->arena, kind, block);
	/* Names are compared without case: they are domains for the most.  A
	 * next hop may have a path. */
	lower = arena_alloc(p->conf->arena, name.n + 1);
	path = slice_find(name, '/');
	for (i = 0; lower != NULL && i < name.n; i++)
		lower[i] = i < path ? ascii_lower(name.p[i]) : name.p[i];
	first = lower == NULL ? "" : lower;
	memcpy(block, &first, sizeof(first));
	p->nblocks[k]++;
	mark(p, &s, NULL, 0, at);
	return block;
}

static void *
object_of(struct parser *p, const struct scope *s)
{
	if (s->kind == 0)
		return p->conf;
	return (char *)p->blocks[s->kind] + s->block * conf_kinds[s->kind].size;
}

/* Moves blocks and marks into the configuration. */
static void
finish_blocks(struct parser *p)
{
	const struct conf_kind *kind;
	struct arena *arena = p->conf->arena;
	void *copy;
	size_t k, bytes;

	for (k = 1; k < CONF_KINDS; k++) {
		kind = &conf_kinds[k];
		bytes = p->nblocks[k] * kind->size;
		copy = arena_alloc(arena, bytes + 1);
		if (copy != NULL && bytes > 0)
			memcpy(copy, p->blocks[k], bytes);
		memcpy((char *)p->conf + kind->array, &copy, sizeof(copy));
		memcpy((char *)p->conf + kind->count, &p->nblocks[k],
		    sizeof(p->nblocks[k]));
		free(p->blocks[k]);
		if (copy == NULL)
			complain(p, p->at, "the configuration is too large");
	}
	if (p->nmarks > 0)
		qsort(p->marks, p->nmarks, sizeof(*p->marks), conf_mark_cmp);
	copy = arena_alloc(arena, p->nmarks * sizeof(*p->marks) + 1);
	if (copy == NULL) {
		complain(p, p->at, "the configuration is too large");
		return;
	}
	if (p->nmarks > 0)
		memcpy(copy, p->marks, p->nmarks * sizeof(*p->marks));
	p->conf->marks = copy;
	p->conf->nmarks = p->nmarks;
	for (k = 1; k < CONF_KINDS && p->errors == 0; k++)
		check_twins(p, k);
}

struct named {
	const char	*name;
	size_t		 block;
};

static int
named_cmp(const void *va, const void *vb)
{
	const struct named *a = va, *b = vb;
	int c = strcmp(a->name, b->name);

	return c != 0 ? c : a->block < b->block ? -1 : a->block > b->block;
}

/* Two blocks of a kind with the same name. */
static void
check_twins(struct parser *p, size_t k)
{
	const struct conf_kind *kind = &conf_kinds[k];
	size_t n = conf_count(p->conf, kind), i;
	struct named *all = mem_array(n, sizeof(*all));
	struct conf_mark want, *hit;

	for (i = 0; i < n; i++) {
		memcpy(&all[i].name, conf_object(p->conf, kind, i),
		    sizeof(all[i].name));
		all[i].block = i;
	}
	qsort(all, n, sizeof(*all), named_cmp);
	for (i = 1; i < n; i++) {
		if (strcmp(all[i - 1].name, all[i].name) != 0)
			continue;
		want = (struct conf_mark){ NULL, k, all[i].block, 0, 0, 0 };
		hit = bsearch(&want, p->marks, p->nmarks, sizeof(want),
		    conf_mark_cmp);
		complain(p, hit == NULL ? p->at :
		    (struct place){ hit->line, hit->column },
		    "%s %s is there twice", kind->name,
		    conf_show(slice_str(all[i].name)).s);
	}
	free(all);
}

/* The next character that is no blank or comment; END. */
static int
peek(struct parser *p)
{
	size_t n;

	for (;;) {
		if (p->rest.n == 0)
			return END;
		switch (p->rest.p[0]) {
		case ' ':
		case '\t':
		case '\r':
			take(p, 1);
			break;
		case '#':
			n = slice_find(p->rest, '\n');
			take(p, n);
			break;
		default:
			return (unsigned char)p->rest.p[0];
		}
	}
}

/* Columns count characters of UTF-8. */
static void
take(struct parser *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (p->rest.p[i] == '\n') {
			p->at.line++;
			p->at.column = 1;
		} else if (((unsigned char)p->rest.p[i] & 0xc0) != 0x80) {
			p->at.column++;
		}
	}
	p->rest = slice_from(p->rest, n);
}

static bool
is_key_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

static struct slice
take_key(struct parser *p)
{
	struct slice key;
	size_t n;

	for (n = 0; n < p->rest.n && is_key_char(p->rest.p[n]); n++)
		;
	key = slice_first(p->rest, n);
	take(p, n);
	return key;
}

static bool
at_end_of_statement(struct parser *p)
{
	int c = peek(p);

	return c == '\n' || c == ';' || c == '}' || c == END;
}

/* Behind what could not be understood: its line, or the block it opens. */
static void
skip_statement(struct parser *p)
{
	unsigned depth = 0;
	bool quoted = false;
	size_t i;

	for (i = 0; i < p->rest.n; i++) {
		char c = p->rest.p[i];

		if (quoted) {
			if (c == '\\' && i + 1 < p->rest.n &&
			    p->rest.p[i + 1] != '\n')
				i++;
			else if (c == '"' || c == '\n')
				quoted = false;
			if (c != '\n')
				continue;
		}
		if (c == '"')
			quoted = true;
		else if (c == '#')
			i += slice_find(slice_from(p->rest, i), '\n') - 1;
		else if (c == '{')
			depth++;
		else if (c == '}' && depth > 0 && --depth == 0) {
			i++;
			break;
		} else if (depth == 0 && (c == '\n' || c == ';' || c == '}'))
			break;
	}
	take(p, i < p->rest.n ? i : p->rest.n);
}

static void
mark(struct parser *p, const struct scope *s, const struct conf_key *key,
    size_t item, struct place at)
{
	size_t n = p->nmarks;

	if ((n & (n - 1)) == 0)
		p->marks = mem_regrow(p->marks, n == 0 ? 1 : n * 2,
		    sizeof(*p->marks));
	p->marks[p->nmarks++] = (struct conf_mark){ key, s->kind, s->block,
		item, at.line, at.column };
}

static void
complain(struct parser *p, struct place at, const char *fmt, ...)
{
	va_list ap;

	p->errors++;
	if (p->errors > ERRORS_MAX)
		return;
	buf_printf(p->why, "%s:%u:%u: ", p->name, at.line, at.column);
	va_start(ap, fmt);
	buf_vprintf(p->why, fmt, ap);
	va_end(ap);
	buf_add_byte(p->why, '\n');
	if (p->errors == ERRORS_MAX)
		buf_printf(p->why, "%s: more errors are not shown\n", p->name);
}

static void
complain_unknown(struct parser *p, struct place at, const struct scope *s,
    struct slice key)
{
	const struct conf_kind *kind = &conf_kinds[s->kind];
	const char *names[CONF_KEYS_MAX + 1], *near;
	size_t i, n = 0;

	for (i = 0; i < kind->nkeys; i++) {
		struct slice name = slice_str(kind->keys[i].name);

		if (s->section.n == 0)
			names[n++] = name.p;
		else if (slice_starts(name, s->section) &&
		    name.p[s->section.n] == '.')
			names[n++] = name.p + s->section.n + 1;
	}
	names[n] = NULL;
	near = conf_nearest(key, names);
	if (near != NULL)
		complain(p, at, "unknown key \"%s\"; did you mean \"%s\"?",
		    conf_show(key).s, near);
	else if (s->kind > 0)
		complain(p, at, "a %s has no key \"%s\"", kind->name,
		    conf_show(key).s);
	else
		complain(p, at, "unknown key \"%s\"; chasqui config show "
		    "--defaults lists all", conf_show(key).s);
}
