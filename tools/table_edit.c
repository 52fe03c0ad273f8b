/* SPDX-License-Identifier: ISC */
/* table_edit - see table_edit.h. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "chasqui.h"
#include "table/aliases.h"
#include "table/driver.h"
#include "table/table.h"
#include "table_edit.h"

static bool	 is_entry_line(struct slice);
static size_t	 line_bytes(struct slice);
static bool	 take_lines(struct table_reader *, struct table_entry *);

static int	 find_form(struct table_edit *);
static void	 text_path(const struct conf_table *, char path[PATH_MAX]);
static void	 put_entry(struct buf *, enum table_form, struct slice key,
		    struct slice value);
static bool	 is_database(const struct conf_table *);

/* ---- reading ------------------------------------------------------------- */

enum lines_next
table_text_next(struct table_reader *r, struct table_entry *e,
    const char **why)
{
	struct buf reason = BUF_INIT(256);
	struct slice text;
	unsigned no;
	enum parse parsed = PARSE_OK;

	table_reader_clear(r);
	r->arena = ARENA_INIT((size_t)4 * TABLE_LINE_BYTES);
	if (!take_lines(r, e))
		return LINES_END;
	lines_open_text(&r->lines, e->span);
	*why = "it begins with a blank and continues nothing, is too long, or "
	    "is no text";
	if (lines_next(&r->lines, &text, &no, &reason) != LINES_OK)
		parsed = PARSE_BAD;
	else if (r->form == TABLE_FORM_ALIASES)
		parsed = alias_line(&r->arena, text, &e->key, &e->value, why);
	else
		file_line_split(text, &e->key, &e->value);
	buf_clear(&reason);
	return parsed == PARSE_OK ? LINES_OK : LINES_BAD;
}

void
table_reader_clear(struct table_reader *r)
{
	lines_close(&r->lines);
	arena_clear(&r->arena);
}

bool
table_text_find(struct table_reader *r, struct slice key,
    struct table_entry *e)
{
	const char *why;
	enum lines_next n;

	while ((n = table_text_next(r, e, &why)) != LINES_END)
		if (n == LINES_OK && slice_eq_nocase(e->key, key))
			return true;
	return false;
}

/* From the next line that says something to the last that continues it. */
static bool
take_lines(struct table_reader *r, struct table_entry *e)
{
	size_t at, end, n;

	while (r->rest.n > 0 && !is_entry_line(r->rest)) {
		r->rest = slice_from(r->rest, line_bytes(r->rest));
		r->line++;
	}
	if (r->rest.n == 0)
		return false;
	e->line = ++r->line;
	end = at = line_bytes(r->rest);
	while (at < r->rest.n) {
		struct slice s = slice_from(r->rest, at);
		bool blank = s.p[0] == ' ' || s.p[0] == '\t';

		if (is_entry_line(s) && !blank)
			break;
		n = line_bytes(s);
		at += n;
		if (is_entry_line(s))
			end = at;
	}
	e->span = slice_first(r->rest, end);
	r->rest = slice_from(r->rest, end);
	for (at = line_bytes(e->span); at < e->span.n;
	    at += line_bytes(slice_from(e->span, at)))
		r->line++;
	return true;
}

static size_t
line_bytes(struct slice s)
{
	size_t n = slice_find(s, '\n');

	return n < s.n ? n + 1 : n;
}

/* Neither a comment nor empty. */
static bool
is_entry_line(struct slice s)
{
	s = slice_trim(slice_first(s, line_bytes(s)));
	return s.n > 0 && s.p[0] != '#';
}

/* ---- editing ------------------------------------------------------------- */

bool
table_edit_can(const struct conf_table *t)
{
	return t != NULL && strcmp(t->type, "inline") != 0 &&
	    strcmp(t->type, "pcre") != 0 && strcmp(t->type, "cidr") != 0;
}

int
table_edit_begin(struct table_edit *e, const struct conf *c,
    const char *table, bool to_change)
{
	struct buf why = BUF_INIT(8192);
	char path[PATH_MAX];
	int r;

	*e = (struct table_edit){ .conf = c, .table = table_conf(c, table),
		.text = BUF_INIT(TEXT_FILE_BYTES), .file = {
		.uid = geteuid(), .gid = getegid(), .mode = 0644 } };
	if (e->table == NULL)
		return tool_fail(EX_USAGE, "there is no table \"%s\"", table);
	r = find_form(e);
	if (r != 0)
		return r;
	text_path(e->table, path);
	if (text_file_open(&e->file, path, to_change, &why) == -1)
		return tool_fail(errno == EACCES ? EX_NOPERM : EX_CANTCREAT,
		    "%s", buf_cstr(&why));
	e->reader.form = e->form;
	e->reader.rest = buf_slice(&e->file.text);
	return 0;
}

static int
find_form(struct table_edit *e)
{
	const struct conf_table *t = e->table;

	if (strcmp(t->type, "inline") == 0)
		return tool_fail(EX_DATAERR, "the entries of the table %s "
		    "stand in %s; edit them there and `chasqui reload`",
		    t->name, e->conf->path);
	if (strcmp(t->type, "pcre") == 0 || strcmp(t->type, "cidr") == 0)
		return tool_fail(EX_DATAERR, "the table %s has patterns or "
		    "networks; edit %s by hand", t->name, t->path);
	e->form = strcmp(t->type, "aliases") == 0 ||
	    table_has_aliases(e->conf, t->name) ? TABLE_FORM_ALIASES :
	    TABLE_FORM_FILE;
	return 0;
}

static bool
is_database(const struct conf_table *t)
{
	return strcmp(t->type, "btree") == 0 || strcmp(t->type, "hash") == 0;
}

/* A database's text lies beside it. */
static void
text_path(const struct conf_table *t, char path[PATH_MAX])
{
	struct slice s = slice_str(t->path);

	if (is_database(t) && slice_ends_nocase(s, SLICE_LIT(".db")))
		s.n -= sizeof(".db") - 1;
	snprintf(path, PATH_MAX, "%.*s", SLICE_ARG(s));
}

void
table_edit_change(struct table_edit *e, const struct table_entry *entry,
    const struct slice *value)
{
	struct slice all = buf_slice(&e->file.text);
	size_t at = (size_t)(entry->span.p - all.p);

	buf_add(&e->text, slice_first(all, at));
	if (value != NULL)
		put_entry(&e->text, e->form, entry->key, *value);
	buf_add(&e->text, slice_from(all, at + entry->span.n));
}

void
table_edit_add(struct table_edit *e, struct slice key, struct slice value)
{
	struct slice all = buf_slice(&e->file.text);

	buf_add(&e->text, all);
	if (all.n > 0 && all.p[all.n - 1] != '\n')
		buf_add_byte(&e->text, '\n');
	put_entry(&e->text, e->form, key, value);
}

static void
put_entry(struct buf *b, enum table_form form, struct slice key,
    struct slice value)
{
	size_t i;

	for (i = 0; i < key.n && form == TABLE_FORM_ALIASES; i++)
		if (strchr(" \t:\"\\,#", key.p[i]) != NULL)
			break;
	if (form == TABLE_FORM_FILE || i == key.n)
		buf_add(b, key);
	else {
		buf_add_byte(b, '"');
		for (i = 0; i < key.n; i++) {
			if (key.p[i] == '"' || key.p[i] == '\\')
				buf_add_byte(b, '\\');
			buf_add_byte(b, key.p[i]);
		}
		buf_add_byte(b, '"');
	}
	if (value.n > 0 || form == TABLE_FORM_ALIASES) {
		buf_add_str(b, form == TABLE_FORM_ALIASES ? ": " : "\t");
		buf_add(b, value);
	}
	buf_add_byte(b, '\n');
}

int
table_edit_finish(struct table_edit *e)
{
	struct buf why = BUF_INIT(8192);
	int status = EX_OK;

	if (text_file_replace(&e->file, buf_slice(&e->text), &why) == -1 ||
	    why.n > 0)
		status = tool_fail(EX_CANTCREAT, "%s", buf_cstr(&why));
	else if (is_database(e->table) && table_make(e->table, e->form ==
	    TABLE_FORM_ALIASES, NULL, NULL, &why) == -1)
		status = tool_fail(EX_DATAERR, "%s; the text is changed, the "
		    "database is as it was", buf_cstr(&why));
	buf_clear(&why);
	table_edit_abandon(e);
	return status;
}

void
table_edit_abandon(struct table_edit *e)
{
	table_reader_clear(&e->reader);
	text_file_close(&e->file);
	buf_clear(&e->text);
}
