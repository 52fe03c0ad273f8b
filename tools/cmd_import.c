/* SPDX-License-Identifier: ISC */
/*
 * cmd_import - `chasqui import`: a configuration of ours from that of Postfix,
 * Dovecot, or both, and a report of what became of each setting.
 *
 * What is written goes into a directory of its own; nothing that is read is
 * changed, and nothing is started.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "import.h"
#include "instance.h"
#include "table/table.h"

static int	 run(struct tool *, int, char *[]);
static int	 write_all(struct import *);
static void	 complete(struct import *);
static void	 put_conf(const struct import *, struct buf *);
static int	 write_tables(struct import *, const struct instance *);
static int	 write_script(const struct import *, const char *name,
		    const struct buf *);
static int	 check_result(const struct import *);
static void	 put_moves(const struct import *, struct buf *);
static void	 put_report(const struct import *, struct buf *);
static bool	 has_use(const struct import *, enum table_use);

const struct command cmd_import = { "import",
	"--to DIR postfix DIRECTORY |\n"
	"    --to DIR dovecot FILE | --to DIR postfix DIRECTORY dovecot FILE\n\n"
	"Writes DIR/chasqui.conf, its tables and DIR/import-report.txt, which "
	"says of\neach setting what became of it.  The originals are only "
	"read.",
	"make a configuration from that of Postfix or Dovecot", run };

static int
run(struct tool *t, int argc, char *argv[])
{
	static const struct option options[] = {
		{ "to", required_argument, NULL, 't' },
		{ NULL, 0, NULL, 0 },
	};
	static struct import m;
	static const struct {
		const char	*name;
		int		(*run)(struct import *, const char *);
	} servers[] = {
		{ "postfix", import_postfix }, { "dovecot", import_dovecot },
	};
	const char *to = NULL;
	char path[PATH_MAX];
	int ch, i, r = EX_OK;
	size_t j;

	(void)t;
	while ((ch = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (ch == 't')
			to = optarg;
		else
			return tool_usage(&cmd_import);
	argc -= optind;
	argv += optind;
	if (to == NULL || argc < 2 || argc > 4 || argc % 2 != 0)
		return tool_usage(&cmd_import);
	snprintf(path, sizeof(path), "%s/chasqui.conf", to);
	if (access(path, F_OK) == 0)
		return tool_fail(EX_CANTCREAT, "%s is there already and is "
		    "left alone; name another directory", path);
	import_init(&m, to);
	for (i = 0; i < argc && r == EX_OK; i += 2) {
		for (j = 0; j < 2; j++)
			if (strcmp(argv[i], servers[j].name) == 0)
				break;
		if (j == 2)
			return tool_usage(&cmd_import);
		r = servers[j].run(&m, argv[i + 1]);
	}
	if (r == EX_OK)
		r = write_all(&m);
	import_clear(&m);
	return r;
}

static bool
has_use(const struct import *m, enum table_use use)
{
	size_t i;

	for (i = 0; i < m->ntables; i++)
		if (m->tables[i].use == use)
			return true;
	return false;
}

/* ---- writing ------------------------------------------------------------- */

static int
write_all(struct import *m)
{
	struct instance at = { .dir = m->to };
	struct buf conf = BUF_INIT(IMPORT_TEXT_BYTES);
	struct buf report = BUF_INIT(4 * IMPORT_TEXT_BYTES);
	struct buf moves = BUF_INIT(2 * IMPORT_TEXT_BYTES);
	int r;

	umask(022);
	complete(m);
	put_conf(m, &conf);
	put_report(m, &report);
	put_moves(m, &moves);
	r = instance_make_users(&at);
	if (r == 0)
		r = instance_make_directories(&at);
	if (r == 0)
		r = write_tables(m, &at);
	if (r == 0)
		r = instance_write_passwords(&at, &m->passwords);
	if (r == 0 && m->certificates.n == 0)
		r = instance_write_certificate(&at, import_value(m, "hostname",
		    "localhost"));
	if (r == 0 && m->fetch.n > 0)
		r = write_script(m, "fetch-tables", &m->fetch);
	if (r == 0 && moves.n > 0)
		r = write_script(m, "move-mailboxes", &moves);
	if (r == 0)
		r = instance_write(&at, "import-report.txt", 0644, &report);
	if (r == 0)
		r = instance_write(&at, "chasqui.conf", 0644, &conf);
	if (r == 0)
		r = check_result(m);
	if (r == 0)
		printf("%u settings taken over, %u that differ, %u without an "
		    "equivalent: read %s/import-report.txt first\n",
		    m->count[REMARK_TAKEN], m->count[REMARK_DIFFERS],
		    m->count[REMARK_NONE], m->to);
	buf_clear(&conf);
	buf_clear(&report);
	buf_clear(&moves);
	return r;
}

static bool
has_type(const struct import *m, const char *type)
{
	size_t i;

	for (i = 0; i < m->ndomains; i++)
		if (strcmp(m->domains[i].type, type) == 0)
			return true;
	return false;
}

static void
add_empty(struct import *m, const char *name, enum table_use use)
{
	if (m->ntables < IMPORT_TABLES)
		m->tables[m->ntables++] = (struct import_table){ .name = name,
			.type = "file", .use = use, .source = "",
			.text = BUF_INIT(16) };
}

/* Domains that no table says anything of get an empty one to be filled. */
static void
complete(struct import *m)
{
	if (has_type(m, "virtual") && !has_use(m, USE_MAILBOXES))
		add_empty(m, "mailboxes", USE_MAILBOXES);
	if (has_type(m, "alias") && m->virtual.n == 0) {
		add_empty(m, "virtual", USE_VIRTUAL);
		buf_add_str(&m->virtual, "virtual");
	}
}

static int
write_tables(struct import *m, const struct instance *at)
{
	char name[PATH_MAX];
	size_t i;
	int r = 0;

	for (i = 0; i < m->ntables && r == 0; i++) {
		snprintf(name, sizeof(name), "tables/%s", m->tables[i].name);
		r = instance_write(at, name, 0644, &m->tables[i].text);
	}
	return r;
}

static int
write_script(const struct import *m, const char *name, const struct buf *text)
{
	struct instance at = { .dir = m->to };

	return instance_write(&at, name, 0755, text);
}

static int
check_result(const struct import *m)
{
	struct buf why = BUF_INIT(64 * 1024);
	char path[PATH_MAX];
	struct conf *c;

	snprintf(path, sizeof(path), "%s/chasqui.conf", m->to);
	c = conf_load(path, &why);
	if (c == NULL) {
		fprintf(stderr, "%s", buf_cstr(&why));
		buf_clear(&why);
		return tool_fail(EX_SOFTWARE, "what was written does not pass "
		    "the check: mend %s", path);
	}
	conf_free(&c);
	buf_clear(&why);
	return 0;
}

/* ---- chasqui.conf -------------------------------------------------------- */

/* Names of the tables of a use, with blanks between them. */
static void
put_tables_of(const struct import *m, struct buf *b, const char *key,
    enum table_use use)
{
	size_t i;

	if (!has_use(m, use))
		return;
	buf_printf(b, "\t%s =", key);
	for (i = 0; i < m->ntables; i++)
		if (m->tables[i].use == use)
			buf_printf(b, " %s", m->tables[i].name);
	buf_add_byte(b, '\n');
}

/* Whether a table of recipients has "@domain". */
static bool
is_open(const struct import *m, const char *domain)
{
	struct slice rest = buf_slice(&m->open), one;

	while (slice_next(&rest, ' ', &one))
		if (one.n > 1 && slice_eq_nocase(slice_from(one, 1),
		    slice_str(domain)))
			return true;
	return false;
}

static void
put_domains(const struct import *m, struct buf *b)
{
	const struct import_domain *d;
	size_t i;

	for (i = 0; i < m->ndomains; i++) {
		d = &m->domains[i];
		buf_add_str(b, "domain ");
		conf_word_write(b, d->name);
		buf_printf(b, " {\n\ttype = %s\n", d->type);
		if (strcmp(d->type, "virtual") == 0)
			put_tables_of(m, b, "mailboxes", USE_MAILBOXES);
		if (strcmp(d->type, "relay") == 0 && !is_open(m, d->name))
			put_tables_of(m, b, "recipients", USE_RECIPIENTS);
		buf_add_str(b, "}\n");
	}
}

static void
put_list(struct buf *b, const char *key, const struct buf *names)
{
	if (names->n > 0)
		buf_printf(b, "%s = %.*s\n", key, SLICE_ARG(buf_slice(names)));
}

static void
put_conf(const struct import *m, struct buf *b)
{
	bool smarthost = m->smarthost.n > 0;
	size_t i;

	buf_add_str(b, "# chasqui.conf - made by `chasqui import`; "
	    "import-report.txt says what became of\n# each setting of before. "
	    "`chasqui config explain KEY` tells what a key means.\n\n");
	for (i = 0; i < m->nkeys; i++)
		buf_printf(b, "%s = %s\n", m->keys[i].key, m->keys[i].text);
	buf_add_str(b, "\n# Where mail is taken in and read.\n");
	buf_add(b, buf_slice(&m->listeners));
	buf_add_str(b, "\n# TLS.\n");
	if (m->certificates.n > 0)
		buf_add(b, buf_slice(&m->certificates));
	else
		buf_add_str(b, "certificate self-signed {\n\tchain = "
		    INSTANCE_CHAIN "\n\tkey = " INSTANCE_KEY "\n}\n");
	buf_add_str(b, "\n# The domains whose mail is received here.\n");
	put_domains(m, b);
	buf_add_str(b, "\n# Tables.\npath.tables = tables\n");
	for (i = 0; i < m->ntables; i++)
		if (m->tables[i].use != USE_DOMAINS)
			buf_printf(b, "table %s { type = %s; path = %s }\n",
			    m->tables[i].name, m->tables[i].type,
			    m->tables[i].name);
	buf_add(b, buf_slice(&m->smarthost));
	put_list(b, "remote.sockets", &m->sockets);
	put_list(b, "alias.tables", &m->aliases);
	put_list(b, "alias.virtual", &m->virtual);
	put_list(b, "submission.senders", &m->senders);
	if (m->routes.n > 0 || smarthost)
		buf_printf(b, "route.tables =%s%.*s%s\n",
		    m->routes.n > 0 ? " " : "",
		    SLICE_ARG(buf_slice(&m->routes)),
		    smarthost ? " smarthost" : "");
}

/* ---- mailboxes ----------------------------------------------------------- */

static void
put_moves(const struct import *m, struct buf *b)
{
	struct slice rest = buf_slice(&m->moves), line;
	size_t tab;

	if (rest.n == 0)
		return;
	buf_add_str(b,
"#!/bin/sh\n"
"# move-mailboxes - copies Maildirs to where this suite looks for them.  Run it as\n"
"# root while both servers are stopped, with where they were (Postfix's\n"
"# virtual_mailbox_base) and path.mail:\n"
"#\n"
"#	move-mailboxes /var/mail/vhosts /var/mail/chasqui\n"
"set -eu\n"
"[ $# -eq 2 ] || { sed -n '2,7s/^# \\{0,1\\}//p' \"$0\"; exit 64; }\n"
"base=$1 mail=$2\n"
"umask 077\n"
"mkdir -p \"$mail\"\n"
"\n"
"take() { # ADDRESS PATH\n"
"	from=$base/${2%/} to=$mail/${1##*@}/${1%@*}/Maildir\n"
"	case $2 in\n"
"	*/)	;;\n"
"	*)	echo \"$1: $from is a mbox: chasqui mailbox import $1 INBOX $from\"\n"
"		return ;;\n"
"	esac\n"
"	if [ -e \"$to\" ]; then echo \"$1: $to is there already\"; return; fi\n"
"	if [ ! -d \"$from\" ]; then echo \"$1: there is no $from\"; return; fi\n"
"	mkdir -p \"${to%/*}\"\n"
"	cp -a \"$from\" \"$to\"\n"
"	echo \"$1: copied\"\n"
"}\n\n");
	while (slice_next(&rest, '\n', &line)) {
		tab = slice_find(line, '\t');
		if (tab == line.n)
			continue;
		buf_add_str(b, "take ");
		import_shell_word(b, slice_first(line, tab));
		buf_add_byte(b, ' ');
		import_shell_word(b, slice_from(line, tab + 1));
		buf_add_byte(b, '\n');
	}
	buf_add_str(b, "\nchown -R --reference=\"$mail\" \"$mail\"\n");
}

/* ---- the report ---------------------------------------------------------- */

static void
put_report(const struct import *m, struct buf *b)
{
	static const char *const titles[REMARKS] = {
		[REMARK_TAKEN] = "Taken over",
		[REMARK_DIFFERS] = "Differs: look at these",
		[REMARK_NONE] = "Without an equivalent: decide about these",
	};
	static const enum remark order[] = { REMARK_NONE, REMARK_DIFFERS,
		REMARK_TAKEN };
	size_t i;

	buf_add_str(b, "What became of each setting.  A line names file, line, "
	    "name and value; the line\nbelow it says what it is here.\n");
	if (m->fetch.n > 0)
		buf_add_str(b, "\nBEFORE THE FIRST START run ./fetch-tables "
		    "here: without it the tables that were in\na data base are "
		    "empty, and all their addresses are refused.\n");
	if (m->moves.n > 0)
		buf_add_str(b, "\nmove-mailboxes copies Maildirs to where they "
		    "have to be.\n");
	if (m->certificates.n == 0)
		buf_add_str(b, "\nNo certificate was found that could be read; "
		    "a self-signed one was made.\n");
	for (i = 0; i < REMARKS; i++) {
		buf_printf(b, "\n== %s (%u) ==\n\n", titles[order[i]],
		    m->count[order[i]]);
		buf_add(b, buf_slice(&m->report[order[i]]));
	}
}
