/* SPDX-License-Identifier: ISC */
/*
 * import_tables - tables of Postfix as tables of ours.
 *
 * Databases are read from the text that they were made from.  Of SQL tables the
 * query for one key becomes one for all, for a script that the operator runs:
 * nothing here looks addresses up in a data base while mail flows.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cf_text.h"
#include "import.h"
#include "mail/address.h"
#include "sql_query.h"
#include "table/driver.h"
#include "table/lines.h"
#include "table/store.h"
#include "table/table.h"

/* One table of the list. */
struct source {
	struct import	*m;
	const struct origin *o;
	enum table_use	 use;
	struct slice	 spec;		/* TYPE:NAME */
	struct slice	 type;
	const char	*path;		/* NAME */
	import_domain_fn *on_domain;
	struct store	 seen;		/* keys that were put already */
	size_t		 wrong;		/* entries that were left out */
	unsigned	 first_wrong;	/* the line of the first */
};

static void	 one_table(struct source *, struct buf *names);
static void	 from_text(struct source *, struct slice text,
		    struct buf *names);
static bool	 convert(struct source *, struct slice key, struct slice value,
		    struct buf *out);
static void	 join_senders(struct buf *text);
static void	 from_patterns(struct source *, struct slice text,
		    struct buf *names);
static void	 from_inline(struct source *, struct buf *names);
static void	 from_sql(struct source *, struct buf *names);
static struct import_table *new_table(struct source *, const char *type,
		    struct buf *names);
static bool	 import_next_hop(struct slice, struct buf *);

void
import_tables(struct import *m, const struct origin *o, struct slice list,
    enum table_use use, struct buf *names, import_domain_fn *on_domain)
{
	struct source s = { .m = m, .o = o, .use = use,
		.on_domain = on_domain };

	while (cf_next_word(&list, &s.spec)) {
		s.wrong = 0;
		store_init(&s.seen, IMPORT_TABLE_BYTES);
		one_table(&s, names);
		store_clear(&s.seen);
	}
}

static bool
is_type(struct slice type, const char *types)
{
	struct slice rest = slice_str(types), one;

	while (slice_next(&rest, ' ', &one))
		if (slice_eq(one, type))
			return true;
	return false;
}

/* Several parameters may name one table. */
static bool
is_there(struct source *s, struct buf *names)
{
	size_t i;

	for (i = 0; i < s->m->ntables && s->use != USE_DOMAINS; i++)
		if (s->m->tables[i].use == s->use &&
		    slice_eq(slice_str(s->m->tables[i].source), s->spec)) {
			buf_printf(names, "%s%s", names->n > 0 ? " " : "",
			    s->m->tables[i].name);
			return true;
		}
	return false;
}

static void
one_table(struct source *s, struct buf *names)
{
	struct buf text = BUF_INIT(IMPORT_TABLE_BYTES);
	size_t colon;

	if (slice_starts(s->spec, SLICE_LIT("proxy:")))
		s->spec = slice_from(s->spec, 6);
	colon = slice_find(s->spec, ':');
	s->type = slice_first(s->spec, colon);
	if (colon == s->spec.n) {
		import_say(s->m, REMARK_NONE, s->o, "\"%.*s\" has no type of "
		    "a table", SLICE_ARG(s->spec));
		return;
	}
	s->path = import_copy(s->m, slice_from(s->spec, colon + 1));
	if (is_there(s, names))
		return;
	if (is_type(s->type, "inline")) {
		from_inline(s, names);
		return;
	}
	if (!is_type(s->type, "hash btree lmdb dbm cdb sdbm texthash pcre "
	    "regexp mysql pgsql sqlite")) {
		import_say(s->m, REMARK_NONE, s->o, "tables of the type %.*s "
		    "(%s) cannot be used here", SLICE_ARG(s->type), s->path);
		return;
	}
	if (is_type(s->type, "mysql pgsql sqlite"))
		from_sql(s, names);
	else if (import_read(s->path, IMPORT_TABLE_BYTES, &text) == -1)
		import_say(s->m, REMARK_NONE, s->o, "%s: %s", s->path,
		    strerror(errno));
	else if (is_type(s->type, "pcre regexp"))
		from_patterns(s, buf_slice(&text), names);
	else
		from_text(s, buf_slice(&text), names);
	buf_clear(&text);
}

static struct import_table *
new_table(struct source *s, const char *type, struct buf *names)
{
	static const char *const kinds[] = {
		[USE_ALIASES] = "aliases", [USE_VIRTUAL] = "virtual",
		[USE_MAILBOXES] = "mailboxes", [USE_ROUTES] = "routes",
		[USE_RECIPIENTS] = "recipients", [USE_SENDERS] = "senders",
		[USE_DOMAINS] = "domains",
	};
	struct import *m = s->m;
	struct import_table *t;
	struct buf name = BUF_INIT(64);
	size_t i, twins = 0;

	if (m->ntables == IMPORT_TABLES) {
		import_say(m, REMARK_NONE, s->o, "more than %d tables",
		    IMPORT_TABLES);
		return NULL;
	}
	for (i = 0; i < m->ntables; i++)
		twins += m->tables[i].use == s->use;
	buf_printf(&name, twins == 0 ? "%s" : "%s-%zu", kinds[s->use],
	    twins + 1);
	t = &m->tables[m->ntables++];
	*t = (struct import_table){ .type = type, .use = s->use,
		.name = import_copy(m, buf_slice(&name)),
		.source = import_copy(m, s->spec),
		.text = BUF_INIT(IMPORT_TABLE_BYTES) };
	buf_printf(&t->text, "# Taken from %s.\n", t->source);
	buf_printf(names, "%s%s", names->n > 0 ? " " : "", t->name);
	buf_clear(&name);
	return t;
}

/* ---- texts --------------------------------------------------------------- */

static void
from_text(struct source *s, struct slice text, struct buf *names)
{
	struct import_table *t = s->use == USE_DOMAINS ? NULL : new_table(s,
	    s->use == USE_ALIASES ? "aliases" : "file", names);
	struct buf why = BUF_INIT(1024), none = BUF_INIT(16);
	struct slice line, key, value;
	struct lines l;
	enum lines_next r;
	unsigned no;

	if (t == NULL && s->use != USE_DOMAINS)
		return;
	if (s->use == USE_ALIASES) {
		buf_add(&t->text, text);	/* the same form */
		import_say(s->m, REMARK_TAKEN, s->o, "the table %s, as it is",
		    t->name);
		return;
	}
	lines_open_text(&l, text);
	while ((r = lines_next(&l, &line, &no, &why)) == LINES_OK) {
		file_line_split(line, &key, &value);
		if (!convert(s, key, value, t == NULL ? &none : &t->text) &&
		    s->wrong++ == 0)
			s->first_wrong = no;
	}
	if (r == LINES_BAD)
		import_say(s->m, REMARK_NONE, s->o, "%s:%u: %s; what follows "
		    "is left out", s->path, no, buf_cstr(&why));
	if (s->wrong > 0)
		import_say(s->m, REMARK_NONE, s->o, "%s:%u: %zu entries from "
		    "here on have no equivalent, or are there twice, and are "
		    "left out", s->path,
		    s->first_wrong, s->wrong);
	if (t != NULL && s->use == USE_SENDERS)
		join_senders(&t->text);
	if (t != NULL)
		import_say(s->m, REMARK_TAKEN, s->o, "the table %s", t->name);
	lines_close(&l);
	buf_clear(&why);
	buf_clear(&none);
}

/* Of twins the first counts, as for postmap(1). */
static bool
is_twin(struct source *s, struct slice key)
{
	struct buf folded = BUF_INIT(TABLE_KEY_BYTES);
	unsigned first;
	bool twin = key_fold(key, &folded) == -1 || store_add(&s->seen,
	    buf_slice(&folded), SLICE_EMPTY, 1, &first) != STORE_ADDED;

	buf_clear(&folded);
	return twin;
}

static void
put(struct buf *out, struct slice key, struct slice value)
{
	buf_add(out, key);
	if (value.n > 0) {
		buf_add_byte(out, '\t');
		buf_add(out, value);
	}
	buf_add_byte(out, '\n');
}

/* Mailboxes have one place here: path.mail/DOMAIN/LOCAL-PART/Maildir. */
static bool
convert_mailbox(struct source *s, struct slice key, struct slice value,
    struct buf *out)
{
	struct address a = address_split(key);

	if (a.domain.n == 0 || a.local.n == 0)
		return false;
	put(out, key, SLICE_EMPTY);
	if (value.n > 0)
		buf_printf(&s->m->moves, "%.*s\t%.*s\n", SLICE_ARG(key),
		    SLICE_ARG(value));
	return true;
}

/* Of Postfix a sender and who may use it; of ours a login and its senders. */
static bool
convert_senders(struct slice key, struct slice value, struct buf *out)
{
	struct slice login;
	bool any = false;

	while (cf_next_word(&value, &login)) {
		put(out, login, key);
		any = true;
	}
	return any;
}

static int
slice_order(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* "alice a@x", "alice b@x" become "alice a@x, b@x". */
static void
join_senders(struct buf *text)
{
	struct buf out = BUF_INIT(IMPORT_TABLE_BYTES);
	struct slice rest = buf_slice(text), line, login, last = SLICE_EMPTY;
	struct slice *lines = mem_alloc((text->n / 2 + 1) * sizeof(*lines));
	size_t n = 0, i, tab;

	while (slice_next(&rest, '\n', &line))
		if (line.n > 0 && line.p[0] == '#')
			buf_printf(&out, "%.*s", SLICE_ARG(line));
		else if (line.n > 0)
			lines[n++] = line;
	qsort(lines, n, sizeof(*lines), slice_order);
	for (i = 0; i < n; i++) {
		tab = slice_find(lines[i], '\t');
		login = slice_first(lines[i], tab);
		if (slice_eq_nocase(login, last) && i > 0)
			buf_printf(&out, ", %.*s",
			    SLICE_ARG(slice_from(lines[i], tab + 1)));
		else
			buf_printf(&out, "\n%.*s", SLICE_ARG(lines[i]));
		last = login;
	}
	buf_add_byte(&out, '\n');
	free(lines);
	buf_clear(text);
	*text = out;
}

/* Once each. */
static void
add_word(struct buf *words, struct slice word)
{
	struct slice rest = buf_slice(words), one;

	while (slice_next(&rest, ' ', &one))
		if (slice_eq(one, word))
			return;
	buf_printf(words, "%s%.*s", words->n > 0 ? " " : "", SLICE_ARG(word));
}

static bool
convert(struct source *s, struct slice key, struct slice value,
    struct buf *out)
{
	struct buf hop = BUF_INIT(1024);
	bool ok = true;

	if (s->use != USE_SENDERS && is_twin(s, key))
		return false;
	switch (s->use) {
	case USE_ALIASES:
	case USE_VIRTUAL:
		/* "domain anything" declares the domain, and is no address. */
		if (s->use == USE_VIRTUAL && slice_find(key, '@') == key.n &&
		    conf_domain_is_valid(key) && slice_find(key, '.') < key.n)
			import_domain(s->m, s->o, key, "alias");
		else if (value.n > 0)
			put(out, key, value);
		else
			ok = false;
		break;
	case USE_MAILBOXES:
		ok = convert_mailbox(s, key, value, out);
		break;
	case USE_ROUTES:
		ok = import_next_hop(value, &hop);
		if (ok)
			put(out, key, buf_slice(&hop));
		if (slice_starts(buf_slice(&hop), SLICE_LIT("lmtp:/")))
			add_word(&s->m->sockets, slice_from(buf_slice(&hop),
			    5));
		break;
	case USE_RECIPIENTS:
		if (key.p[0] == '@')
			add_word(&s->m->open, key);
		else
			put(out, key, SLICE_EMPTY);
		break;
	case USE_SENDERS:
		ok = convert_senders(key, value, out);
		break;
	case USE_DOMAINS:
		s->on_domain(s->m, s->o, key);
		break;
	}
	buf_clear(&hop);
	return ok;
}

/* transport(5): TRANSPORT:NEXTHOP, either of which may be empty, as a next hop
 * of ours; false: there is none. */
static bool
import_next_hop(struct slice value, struct buf *out)
{
	size_t colon = slice_find(value, ':');
	struct slice transport = slice_first(value, colon), hop;

	if (colon == value.n)
		return false;
	hop = slice_trim(slice_from(value, colon + 1));
	if (slice_eq(transport, SLICE_LIT("lmtp"))) {
		buf_add_str(out, "lmtp:");
		if (slice_starts(hop, SLICE_LIT("unix:/")))
			hop = slice_from(hop, 5);
		else if (slice_starts(hop, SLICE_LIT("inet:")))
			hop = slice_from(hop, 5);
		if (hop.n > 0 && hop.p[0] != '/' && hop.p[0] != '[') {
			colon = slice_rfind(hop, ':');
			buf_printf(out, "[%.*s]%.*s",
			    SLICE_ARG(slice_first(hop, colon)),
			    SLICE_ARG(slice_from(hop, colon)));
		} else
			buf_add(out, hop);
	} else if (transport.n == 0 || is_type(transport, "smtp relay"))
		buf_add(out, hop);
	else
		return false;
	if (conf_next_hop_is_valid(buf_slice(out)))
		return true;
	buf_reset(out);
	return false;
}

/* ---- patterns ------------------------------------------------------------ */

/* ${1} and $(1) are $1. */
static void
put_replacement(struct buf *out, struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++) {
		if (i + 3 < s.n && s.p[i] == '$' &&
		    (s.p[i + 1] == '{' || s.p[i + 1] == '(') &&
		    s.p[i + 2] >= '1' && s.p[i + 2] <= '9' &&
		    (s.p[i + 3] == '}' || s.p[i + 3] == ')')) {
			buf_printf(out, "$%c", s.p[i + 2]);
			i += 3;
		} else
			buf_add_byte(out, s.p[i]);
	}
	buf_add_byte(out, '\n');
}

static bool
may_have_patterns(enum table_use use)
{
	return use == USE_VIRTUAL || use == USE_ROUTES ||
	    use == USE_RECIPIENTS || use == USE_MAILBOXES;
}

static void
from_patterns(struct source *s, struct slice text, struct buf *names)
{
	struct import_table *t;
	struct buf why = BUF_INIT(1024);
	struct slice line;
	struct lines l;
	enum lines_next r;
	size_t left_out = 0;
	unsigned no;

	if (!may_have_patterns(s->use)) {
		import_say(s->m, REMARK_NONE, s->o, "%s: patterns are not "
		    "possible here", s->path);
		return;
	}
	t = new_table(s, "pcre", names);
	if (t == NULL)
		return;
	lines_open_text(&l, text);
	while ((r = lines_next(&l, &line, &no, &why)) == LINES_OK)
		if (line.p[0] != '/')
			left_out++;	/* if, endif, !/not/ */
		else
			put_replacement(&t->text, line);
	if (r == LINES_BAD || left_out > 0)
		import_say(s->m, REMARK_NONE, s->o, "%s: %zu lines with if, "
		    "endif or a negated pattern are left out; what they "
		    "guarded now always counts: look at the table %s", s->path,
		    left_out, t->name);
	import_say(s->m, is_type(s->type, "regexp") || s->use == USE_ROUTES ?
	    REMARK_DIFFERS : REMARK_TAKEN, s->o, is_type(s->type, "regexp") ?
	    "the table %s, whose patterns count as Perl's now" :
	    s->use == USE_ROUTES ? "the table %s; its values have to be next "
	    "hops without a transport" : "the table %s", t->name);
	lines_close(&l);
	buf_clear(&why);
}

/* ---- inline -------------------------------------------------------------- */

static void
from_inline(struct source *s, struct buf *names)
{
	struct slice rest = slice_trim(slice_str(s->path)), one;
	struct buf text = BUF_INIT(CF_VALUE_BYTES + 4096);
	size_t eq;

	if (rest.n >= 2 && rest.p[0] == '{')
		rest = slice_of(rest.p + 1, rest.n - 2);
	while (slice_next(&rest, ',', &one)) {
		one = slice_trim(one);
		eq = slice_find(one, '=');
		if (eq == 0 || eq == one.n)
			continue;
		buf_printf(&text, "%.*s\t%.*s\n",
		    SLICE_ARG(slice_trim(slice_first(one, eq))),
		    SLICE_ARG(slice_trim(slice_from(one, eq + 1))));
	}
	from_text(s, buf_slice(&text), names);
	buf_clear(&text);
}

/* ---- SQL ----------------------------------------------------------------- */

void
import_shell_word(struct buf *b, struct slice s)
{
	size_t i;

	buf_add_byte(b, '\'');
	for (i = 0; i < s.n; i++)
		if (s.p[i] == '\'')
			buf_add_str(b, "'\\''");
		else if (s.p[i] != '\n' && s.p[i] != '\0')
			buf_add_byte(b, s.p[i]);
	buf_add_byte(b, '\'');
}

/* Passwords stay in the files where they are. */
void
import_fetch_begin(struct import *m)
{
	if (m->fetch.n > 0)
		return;
	buf_add_str(&m->fetch,
"#!/bin/sh\n"
"# fetch-tables - fills tables from the data base that another mail server asked\n"
"# for each message.  Run it before the first start, and then from cron or after\n"
"# each change; a table is put in place whole, or stays as it was.\n"
"set -eu\n"
"umask 077\n"
"cd \"$(dirname \"$0\")\"\n"
"\n"
"# setting FILE NAME: what the other server's file says\n"
"setting() { sed -n \"s/^[[:space:]]*$2[[:space:]]*=[[:space:]]*//p\" \"$1\" | "
"tail -n 1; }\n"
"\n"
"mysql_query() { # FILE QUERY\n"
"	host=$(setting \"$1\" hosts); host=${host%%[ ,]*}\n"
"	case $host in\n"
"	unix:*)	at=\"--socket=${host#unix:}\" ;;\n"
"	*)	host=${host#inet:}; at=\"--host=${host%%:*}\" ;;\n"
"	esac\n"
"	MYSQL_PWD=$(setting \"$1\" password) mysql -N -B \"$at\" \\\n"
"	    --user=\"$(setting \"$1\" user)\" \"$(setting \"$1\" dbname)\" -e \"$2\"\n"
"}\n"
"\n"
"pgsql_query() { # FILE QUERY\n"
"	host=$(setting \"$1\" hosts); host=${host%%[ ,]*}; host=${host#inet:}\n"
"	host=${host#unix:}\n"
"	PGPASSWORD=$(setting \"$1\" password) psql -At -F \"$(printf '\\t')\" \\\n"
"	    -h \"${host%%:*}\" -U \"$(setting \"$1\" user)\" \\\n"
"	    -d \"$(setting \"$1\" dbname)\" -c \"$2\"\n"
"}\n"
"\n"
"sqlite_query() { # FILE QUERY\n"
"	sqlite3 -batch -separator \"$(printf '\\t')\" \"$(setting \"$1\" dbpath)\" \"$2\"\n"
"}\n"
"\n"
"# What a query gave; one that fails ends the script, and no table changes.\n"
"rows=$(mktemp)\n"
"trap 'rm -f \"$rows\"' EXIT\n"
"\n"
"# put TABLE: the standard input takes the table's place\n"
"put() {\n"
"	cat >\"tables/$1.new\"\n"
"	chmod 644 \"tables/$1.new\"\n"
"	sync \"tables/$1.new\"\n"
"	mv \"tables/$1.new\" \"tables/$1\"\n"
"}\n");
}

static const struct cf_param *
find(const struct cf_text *cf, const char *name)
{
	return cf_find(cf, slice_str(name));
}

/* The query, or what older files make one of. */
static bool
query_of(const struct cf_text *cf, struct buf *query)
{
	const struct cf_param *q = find(cf, "query");
	const struct cf_param *table = find(cf, "table");
	const struct cf_param *select = find(cf, "select_field");
	const struct cf_param *where = find(cf, "where_field");
	const struct cf_param *more = find(cf, "additional_conditions");

	if (q != NULL)
		buf_add(query, q->value);
	else if (table != NULL && select != NULL && where != NULL)
		buf_printf(query, "SELECT %.*s FROM %.*s WHERE %.*s = '%%s' "
		    "%.*s", SLICE_ARG(select->value), SLICE_ARG(table->value),
		    SLICE_ARG(where->value), SLICE_ARG(more == NULL ?
		    SLICE_EMPTY : more->value));
	return query->n > 0;
}

/* What becomes of the rows: a tab stands between key and value. */
static const char *
row_filter(enum table_use use)
{
	if (use == USE_MAILBOXES || use == USE_RECIPIENTS)
		return "cut -f 1";
	if (use == USE_SENDERS)
		return "awk -F '\\t' '{ s[$2] = s[$2] == \"\" ? $1 : "
		    "s[$2] \", \" $1 }\n"
		    "	END { for (l in s) print l \"\\t\" s[l] }'";
	return "cat";
}

static void
put_fetch(struct source *s, struct slice query, const char *table)
{
	struct buf *b = &s->m->fetch;

	import_fetch_begin(s->m);
	buf_printf(b, "\n%.*s_query ", SLICE_ARG(s->type));
	import_shell_word(b, slice_str(s->path));
	buf_add_str(b, " \\\n    ");
	import_shell_word(b, query);
	buf_add_str(b, " >\"$rows\"\n");
	if (table != NULL)
		buf_printf(b, "%s <\"$rows\" | put %s\n",
		    row_filter(s->use), table);
	else
		buf_add_str(b, "cut -f 1 \"$rows\" | while read -r domain; "
		    "do\n"
		    "	chasqui -C . domain list | grep -qF \"$domain \" ||\n"
		    "	    chasqui -C . domain add \"$domain\" >/dev/null\n"
		    "done\n");
}

static void
from_sql(struct source *s, struct buf *names)
{
	struct buf text = BUF_INIT(CF_FILE_BYTES),
	    one = BUF_INIT(CF_VALUE_BYTES),
	    all = BUF_INIT(CF_VALUE_BYTES);
	struct import_table *t = NULL;
	struct cf_text cf = { .n = 0 };
	bool ok;

	if (s->use != USE_DOMAINS)
		t = new_table(s, s->use == USE_ALIASES ? "aliases" : "file",
		    names);
	if (import_read(s->path, CF_FILE_BYTES, &text) == -1) {
		import_say(s->m, REMARK_NONE, s->o, "%s: %s; fill the table %s "
		    "yourself", s->path, strerror(errno), t == NULL ?
		    "of domains" : t->name);
		buf_clear(&text);
		return;
	}
	cf_parse(&cf, buf_slice(&text), false);
	ok = s->use != USE_ALIASES && query_of(&cf, &one) &&
	    sql_query_for_all(buf_slice(&one), &all);
	if (ok)
		put_fetch(s, buf_slice(&all), t == NULL ? NULL : t->name);
	if (ok && t != NULL)
		import_say(s->m, REMARK_DIFFERS, s->o, "the table %s, which "
		    "the script fetch-tables fills: %.*s", t->name,
		    SLICE_ARG(buf_slice(&all)));
	else if (ok)
		import_say(s->m, REMARK_DIFFERS, s->o, "the domains, which the "
		    "script fetch-tables adds by `chasqui domain add`: %.*s",
		    SLICE_ARG(buf_slice(&all)));
	else
		import_say(s->m, REMARK_NONE, s->o, "%s: there is no table of "
		    "addresses in a data base here, and its query is not of a "
		    "form of which one for all rows can be made%s%s%s", s->path,
		    t == NULL ? "" : "; fill tables/",
		    t == NULL ? "" : t->name, t == NULL ? "" : " yourself");
	cf_clear(&cf);
	buf_clear(&text);
	buf_clear(&one);
	buf_clear(&all);
}
