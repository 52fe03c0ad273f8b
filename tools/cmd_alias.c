/* SPDX-License-Identifier: ISC */
/*
 * cmd_alias - `chasqui alias`: other addresses, lists and programs.
 *
 * A name with '@' is of alias.virtual, one without of alias.tables; the table
 * is the first of its kind, or that of --table.
 */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "chasqui.h"
#include "conf_edit.h"
#include "mail/address.h"
#include "queue_print.h"
#include "table/aliases.h"
#include "table/table.h"
#include "table_edit.h"

#define NOT_FOUND	1
#define VALUE_BYTES	TABLE_LINE_BYTES

/* What the command line asks for. */
struct job {
	struct tool	*tool;
	const struct conf *conf;
	const char	*table;		/* NULL: the first of its kind */
	bool		 json;
	const char	*name;
	const char *const *targets;
	size_t		 ntargets;
	bool		 listed;	/* one at least */
};

typedef int	alias_fn(struct job *);

static int	 run(struct tool *, int, char *[]);
static alias_fn	 run_add, run_del, run_list;
static int	 check_name(const struct job *);
static int	 check_target(const struct job *, const char *);
static int	 pick_table(struct job *);
static int	 declare_virtual(struct job *);
static bool	 has_target(struct slice value, struct slice target);
static void	 put_targets(struct buf *, const struct job *,
		    struct slice value, bool keep);
static int	 list_table(struct job *, const char *table,
		    const char *kind);

const struct command cmd_alias = { "alias",
	"add NAME TARGET... | del NAME [TARGET...] |\n"
	"    list [NAME] [--json]\n"
	"    [--table TABLE]\n\n"
	"NAME is user@domain or @domain (alias.virtual: its targets are "
	"addresses), or a\nname of a system domain (alias.tables: also "
	"\"|program\", /file, /maildir/,\n:include:/file).  TABLE is another "
	"than the first of its kind.  add adds to the\ntargets that are there; "
	"del without a target removes the name.",
	"add, remove and list aliases", run };

static const struct {
	const char	*name;
	int		 min, max;	/* words behind it */
	alias_fn	*run;
} verbs[] = {
	{ "add",  2, INT_MAX, run_add },
	{ "del",  1, INT_MAX, run_del },
	{ "list", 0, 1,	      run_list },
};

static int
run(struct tool *t, int argc, char *argv[])
{
	static const struct option options[] = {
		{ "table", required_argument, NULL, 't' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	struct job j = { .tool = t };
	size_t i;
	int ch;

	while ((ch = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (ch == 't')
			j.table = optarg;
		else if (ch == 'j')
			j.json = true;
		else
			return tool_usage(&cmd_alias);
	argc -= optind;
	argv += optind;
	for (i = 0; argc > 0 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, argv[0]) == 0 &&
		    argc - 1 >= verbs[i].min && argc - 1 <= verbs[i].max) {
			j.name = argv[1];
			j.targets = (const char *const *)argv + 2;
			j.ntargets = argc > 2 ? (size_t)argc - 2 : 0;
			j.conf = tool_conf(t);
			return verbs[i].run(&j);
		}
	return tool_usage(&cmd_alias);
}

static bool
is_virtual(const struct job *j)
{
	return strchr(j->name, '@') != NULL;
}

/* ---- what may be written ------------------------------------------------- */

static bool
is_own_domain(const struct conf *c, struct slice name)
{
	size_t i;

	for (i = 0; i < c->ndomains; i++)
		if (slice_eq_nocase(slice_str(c->domains[i].name), name))
			return true;
	return false;
}

static int
check_name(const struct job *j)
{
	struct slice name = slice_str(j->name);
	struct address a;

	if (name.n == 0 || name.n > TABLE_KEY_BYTES ||
	    strpbrk(j->name, "\n\r") != NULL || name.p[0] == '#')
		return tool_fail(EX_USAGE, "\"%s\" cannot be an alias's name",
		    j->name);
	if (!is_virtual(j))
		return strpbrk(j->name, " \t") == NULL ? 0 :
		    tool_fail(EX_USAGE, "\"%s\": a name has no blanks",
		    j->name);
	if (name.p[0] == '@')
		a = (struct address){ SLICE_EMPTY, slice_from(name, 1) };
	else if (address_parse(name, ADDRESS_UTF8, &a) != PARSE_OK)
		return tool_fail(EX_USAGE, "%s is not an address: user@domain "
		    "is wanted, or @domain for all of a domain", j->name);
	if (!is_own_domain(j->conf, a.domain))
		return tool_fail(EX_DATAERR, "%.*s is no domain that is "
		    "received here, so the alias would say nothing; `chasqui "
		    "domain add %.*s` first", SLICE_ARG(a.domain),
		    SLICE_ARG(a.domain));
	return 0;
}

/* One target, of a kind that the table may have. */
static int
check_target(const struct job *j, const char *text)
{
	struct arena arena = ARENA_INIT(2 * VALUE_BYTES);
	struct slice rest = slice_str(text);
	struct alias_target t;
	struct address a;
	const char *why = "it is empty";
	int r = 0;

	if (strpbrk(text, "\n\r") != NULL)
		why = "it has more than one line";
	else if (alias_next(&arena, &rest, &t, &why) == PARSE_OK) {
		why = NULL;
		if (slice_trim(rest).n > 0)
			why = "more than one target in a word; a program's "
			    "command with commas stands in double quotes";
		else if (is_virtual(j) && t.kind != ALIAS_ADDRESS)
			why = "an address leads to addresses only; programs "
			    "and files are for names without '@'";
		else if (is_virtual(j) && slice_find(t.text, '@') == t.text.n)
			why = "an address with its domain is wanted";
		else if (t.kind == ALIAS_ADDRESS && t.text.p[0] != '@' &&
		    address_parse(t.text, ADDRESS_UTF8 | ADDRESS_BARE, &a) !=
		    PARSE_OK)
			why = "it is not an address";
		else if (t.kind == ALIAS_ADDRESS && t.text.p[0] == '@' &&
		    !conf_domain_is_valid(slice_from(t.text, 1)))
			why = "it is not a domain";
	}
	if (why != NULL)
		r = tool_fail(EX_USAGE, "\"%s\": %s", text, why);
	arena_clear(&arena);
	return r;
}

/* ---- the table ----------------------------------------------------------- */

static int
pick_table(struct job *j)
{
	const struct conf_list *list = is_virtual(j) ?
	    &j->conf->alias_virtual : &j->conf->alias_tables;

	if (j->table != NULL && !conf_has(list, j->table))
		return tool_fail(EX_USAGE, "the table %s is not in %s",
		    j->table,
		    is_virtual(j) ? "alias.virtual" : "alias.tables");
	if (j->table == NULL && list->n > 0)
		j->table = list->v[0];
	if (j->table != NULL)
		return 0;
	if (is_virtual(j))
		return declare_virtual(j);
	return tool_fail(EX_DATAERR, "alias.tables of %s names no table; say\n"
	    "\talias.tables = aliases\n\ttable aliases { type = aliases; path "
	    "= aliases }", j->conf->path);
}

/* The configuration had no such table until now. */
static int
declare_virtual(struct job *j)
{
	struct conf_edit e;
	struct buf why = BUF_INIT(8192);
	struct text_file f = { .uid = geteuid(), .gid = getegid(),
		.mode = 0644 };
	char path[PATH_MAX];
	int r;

	if (table_conf(j->conf, "virtual") != NULL)
		return tool_fail(EX_DATAERR, "alias.virtual of %s names no "
		    "table", j->conf->path);
	snprintf(path, sizeof(path), "%s/virtual", j->conf->path_tables);
	if (text_file_open(&f, path, true, &why) == -1)
		return tool_fail(EX_CANTCREAT, "%s", buf_cstr(&why));
	if (f.text.n == 0 && text_file_replace(&f, SLICE_LIT("# Other "
	    "addresses: an address or @domain, and the addresses that get its "
	    "mail.\n"), &why) == -1) {
		text_file_close(&f);
		return tool_fail(EX_CANTCREAT, "%s", buf_cstr(&why));
	}
	text_file_close(&f);
	r = conf_edit_begin(&e, j->tool);
	if (r != 0)
		return r;
	buf_add_str(&e.text, "\nalias.virtual = virtual\ntable virtual {\n"
	    "\tpath = virtual\n}\n");
	r = conf_edit_finish(&e);
	if (r == 0) {
		printf("declared the table virtual in %s\n", j->conf->path);
		j->table = "virtual";
		j->conf = tool_conf_again(j->tool);
	}
	return r;
}

static bool
has_target(struct slice value, struct slice target)
{
	struct arena arena = ARENA_INIT(4 * VALUE_BYTES);
	struct alias_target a, b;
	const char *why;
	bool has = false;

	if (alias_next(&arena, &target, &b, &why) == PARSE_OK)
		while (!has && alias_next(&arena, &value, &a, &why) == PARSE_OK)
			has = a.kind == b.kind &&
			    slice_eq_nocase(a.text, b.text);
	arena_clear(&arena);
	return has;
}

static bool
is_asked_for(const struct job *j, struct slice target)
{
	size_t i;

	for (i = 0; i < j->ntargets; i++)
		if (has_target(slice_str(j->targets[i]), target))
			return true;
	return false;
}

/* The targets of value, as they are written there; keep: those of the command
 * line too, otherwise without them. */
static void
put_targets(struct buf *b, const struct job *j, struct slice value, bool keep)
{
	struct arena arena = ARENA_INIT(4 * VALUE_BYTES);
	struct slice rest = value, one;
	struct alias_target t;
	const char *why;
	size_t i;

	while (alias_next(&arena, &rest, &t, &why) == PARSE_OK) {
		one = slice_first(value, (size_t)(rest.p - value.p));
		value = rest;
		one = slice_trim(one);
		while (one.n > 0 && (one.p[0] == ',' || one.p[0] == ' ' ||
		    one.p[0] == '\t'))
			one = slice_from(one, 1);
		while (one.n > 0 && one.p[one.n - 1] == ',')
			one.n--;
		if (!keep && is_asked_for(j, one))
			continue;
		buf_printf(b, "%s%.*s", b->n > 0 ? ", " : "", SLICE_ARG(one));
	}
	for (i = 0; keep && i < j->ntargets; i++)
		if (!has_target(buf_slice(b), slice_str(j->targets[i])))
			buf_printf(b, "%s%s", b->n > 0 ? ", " : "",
			    j->targets[i]);
	arena_clear(&arena);
}

/* ---- add, del ------------------------------------------------------------ */

static void
say_value(const struct job *j, struct slice value)
{
	printf("%s: %.*s\n", j->name, SLICE_ARG(value));
}

static int
run_add(struct job *j)
{
	struct buf value = BUF_INIT(VALUE_BYTES);
	struct table_edit e;
	struct table_entry entry;
	struct slice s;
	size_t i;
	int r = check_name(j);

	for (i = 0; r == 0 && i < j->ntargets; i++)
		r = check_target(j, j->targets[i]);
	if (r == 0)
		r = pick_table(j);
	if (r == 0)
		r = table_edit_begin(&e, j->conf, j->table, true);
	if (r != 0)
		return r;
	if (table_text_find(&e.reader, slice_str(j->name), &entry)) {
		put_targets(&value, j, entry.value, true);
		s = buf_slice(&value);
		table_edit_change(&e, &entry, &s);
	} else {
		put_targets(&value, j, SLICE_EMPTY, true);
		table_edit_add(&e, slice_str(j->name), buf_slice(&value));
	}
	r = table_edit_finish(&e);
	if (r == 0)
		say_value(j, buf_slice(&value));
	buf_clear(&value);
	return r;
}

static int
not_there(const struct job *j, struct table_edit *e, const char *target)
{
	table_edit_abandon(e);
	if (target != NULL)
		return tool_fail(NOT_FOUND, "%s does not lead to %s; nothing "
		    "was changed", j->name, target);
	return tool_fail(NOT_FOUND, "the table %s has no %s", j->table,
	    j->name);
}

static int
run_del(struct job *j)
{
	struct buf value = BUF_INIT(VALUE_BYTES);
	struct table_edit e;
	struct table_entry entry;
	struct slice s;
	size_t i;
	int r = pick_table(j);

	if (r == 0)
		r = table_edit_begin(&e, j->conf, j->table, true);
	if (r != 0)
		return r;
	if (!table_text_find(&e.reader, slice_str(j->name), &entry))
		return not_there(j, &e, NULL);
	for (i = 0; i < j->ntargets; i++)
		if (!has_target(entry.value, slice_str(j->targets[i])))
			return not_there(j, &e, j->targets[i]);
	if (j->ntargets > 0)
		put_targets(&value, j, entry.value, false);
	s = buf_slice(&value);
	table_edit_change(&e, &entry, s.n > 0 ? &s : NULL);
	r = table_edit_finish(&e);
	if (r == 0 && s.n > 0)
		say_value(j, s);
	else if (r == 0)
		printf("removed %s\n", j->name);
	buf_clear(&value);
	return r;
}

/* ---- list ---------------------------------------------------------------- */

static int
run_list(struct job *j)
{
	const struct conf *c = j->conf;
	size_t i;
	int r = 0;

	if (j->table != NULL && !conf_has(&c->alias_virtual, j->table) &&
	    !conf_has(&c->alias_tables, j->table))
		return tool_fail(EX_USAGE, "the table %s is neither in "
		    "alias.virtual nor in alias.tables", j->table);
	for (i = 0; r == 0 && i < c->alias_virtual.n; i++)
		r = list_table(j, c->alias_virtual.v[i], "virtual");
	for (i = 0; r == 0 && i < c->alias_tables.n; i++)
		r = list_table(j, c->alias_tables.v[i], "alias");
	if (r == 0 && j->name != NULL && !j->listed)
		return tool_fail(NOT_FOUND, "there is no alias %s", j->name);
	return r;
}

static int
list_table(struct job *j, const char *table, const char *kind)
{
	struct table_edit e;
	struct table_entry entry;
	enum lines_next got;
	const char *why;
	int r;

	if (j->table != NULL && strcmp(j->table, table) != 0)
		return 0;
	r = table_edit_begin(&e, j->conf, table, false);
	if (r == EX_DATAERR && j->table == NULL)
		return 0;	/* told; the others can be listed */
	if (r != 0)
		return r;
	while ((got = table_text_next(&e.reader, &entry, &why)) != LINES_END) {
		if (got == LINES_BAD) {
			r = tool_fail(EX_DATAERR, "%s:%u: %s", e.file.path,
			    entry.line, why);
			continue;
		}
		if (j->name != NULL && !slice_eq_nocase(entry.key,
		    slice_str(j->name)))
			continue;
		j->listed = true;
		if (!j->json) {
			printf("%.*s: %.*s\n", SLICE_ARG(entry.key),
			    SLICE_ARG(entry.value));
			continue;
		}
		putchar('{');
		json_text("name", entry.key);
		putchar(',');
		json_text("targets", entry.value);
		putchar(',');
		json_text("table", slice_str(table));
		printf(",\"kind\":\"%s\",\"line\":%u}\n", kind, entry.line);
	}
	table_edit_abandon(&e);
	return r;
}
