/* SPDX-License-Identifier: ISC */
/*
 * cmd_domain - `chasqui domain`: the domains whose mail is received here.
 *
 * They are blocks of chasqui.conf, which stays its owner's: a new one is put at
 * the end, one that goes takes its own lines along, nothing else moves.
 */
#include <sys/stat.h>

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "chasqui.h"
#include "conf_edit.h"
#include "dns_records.h"
#include "mail/address.h"
#include "queue_print.h"
#include "table/table.h"
#include "table_edit.h"

#define NOT_FOUND	1

/* A domain as the options describe it. */
struct wanted {
	const char	*name;
	const char	*type;
	const char	*mailboxes;	/* NULL: as the other domains */
	const char	*relay_to;
	const char	*catch_all;
	bool		 json;
};

static int	 run(struct tool *, int, char *[]);
static int	 run_add(struct tool *, const struct wanted *);
static int	 run_del(struct tool *, const struct wanted *);
static int	 run_list(struct tool *, const struct wanted *);
static int	 run_records(struct tool *, const struct wanted *);
static int	 check_new(const struct conf *, const struct wanted *);
static void	 put_domain(struct buf *, const struct wanted *,
		    const char *mailboxes);
static const char *pick_mailboxes(struct conf_edit *, const struct conf *,
		    bool *is_new_r);
static int	 make_table_file(const struct conf *, const char *name);
static void	 say_what_is_next(const struct conf *, const struct wanted *,
		    const char *mailboxes);
static void	 say_what_stays(const struct conf *,
		    const struct conf_domain *);

const struct command cmd_domain = { "domain",
	"add DOMAIN [--type virtual|system|relay|alias]\n"
	"        [--mailboxes TABLE] [--catch-all ADDRESS] [--relay-to HOP] |\n"
	"    del DOMAIN | list [--json] | records DOMAIN\n\n"
	"virtual: its mailboxes are addresses in a table; system: the users of "
	"this host;\nrelay: taken and sent on; alias: each address is in "
	"alias.virtual.",
	"add, remove and list the domains received here", run };

static const struct {
	const char	*name;
	int		 words;
	int		 (*run)(struct tool *, const struct wanted *);
} verbs[] = {
	{ "add",  1, run_add },
	{ "del",  1, run_del },
	{ "list", 0, run_list },
	{ "records", 1, run_records },
};

static int
run(struct tool *t, int argc, char *argv[])
{
	static const struct option options[] = {
		{ "type", required_argument, NULL, 't' },
		{ "mailboxes", required_argument, NULL, 'm' },
		{ "relay-to", required_argument, NULL, 'r' },
		{ "catch-all", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	struct wanted w = { .type = "virtual", .relay_to = "",
		.catch_all = "" };
	size_t i;
	int ch;

	while ((ch = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (ch) {
		case 't':
			w.type = optarg;
			break;
		case 'm':
			w.mailboxes = optarg;
			break;
		case 'r':
			w.relay_to = optarg;
			break;
		case 'c':
			w.catch_all = optarg;
			break;
		case 'j':
			w.json = true;
			break;
		default:
			return tool_usage(&cmd_domain);
		}
	argc -= optind;
	argv += optind;
	for (i = 0; argc > 0 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, argv[0]) == 0 &&
		    verbs[i].words == argc - 1) {
			w.name = argv[1];
			return verbs[i].run(t, &w);
		}
	return tool_usage(&cmd_domain);
}

static const struct conf_domain *
find_domain(const struct conf *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->ndomains; i++)
		if (strcasecmp(c->domains[i].name, name) == 0)
			return &c->domains[i];
	return NULL;
}

static int
no_such_domain(const struct conf *c, const char *name)
{
	return tool_fail(NOT_FOUND, "%s is no domain of %s; `chasqui domain "
	    "list` shows them", name, c->path);
}

/* ---- add ----------------------------------------------------------------- */

static int
run_add(struct tool *t, const struct wanted *w)
{
	const struct conf *c = tool_conf(t);
	const char *mailboxes = w->mailboxes;
	bool is_new = false;
	struct conf_edit e;
	int r;

	r = check_new(c, w);
	if (r == 0)
		r = conf_edit_begin(&e, t);
	if (r != 0)
		return r;
	if (strcmp(w->type, "virtual") == 0 && mailboxes == NULL)
		mailboxes = pick_mailboxes(&e, c, &is_new);
	put_domain(&e.text, w, mailboxes);
	/* Before the suite looks for it. */
	if (is_new && (r = make_table_file(c, mailboxes)) != 0) {
		conf_edit_abandon(&e);
		return r;
	}
	r = conf_edit_finish(&e);
	if (r == 0)
		say_what_is_next(c, w, mailboxes);
	return r;
}

static int
check_new(const struct conf *c, const struct wanted *w)
{
	struct slice name = slice_str(w->name);
	const struct conf_domain *d = find_domain(c, w->name);

	if (!conf_domain_is_valid(name) || name.n > 255)
		return tool_fail(EX_USAGE, "%s: not a domain: labels of "
		    "letters, digits and '-' with dots between them are "
		    "wanted%s", w->name, slice_find(name, '@') < name.n ?
		    "; an address is added by `chasqui alias` or `chasqui "
		    "user`" : "");
	if (d != NULL)
		return tool_fail(EX_DATAERR, "%s is there already, of type %s",
		    d->name, d->type);
	if (strcmp(w->type, "relay") != 0 && w->relay_to[0] != '\0')
		return tool_fail(EX_USAGE, "--relay-to is for --type relay");
	if (strcmp(w->type, "virtual") != 0 && w->mailboxes != NULL)
		return tool_fail(EX_USAGE, "--mailboxes is for --type virtual");
	if (strcmp(w->type, "alias") == 0 && w->catch_all[0] == '\0' &&
	    c->alias_virtual.n == 0)
		return tool_fail(EX_DATAERR, "a domain of type alias has its "
		    "addresses in a table of alias.virtual, and there is "
		    "none; `chasqui alias add NAME@DOMAIN TARGET` for a "
		    "domain that is there makes one");
	if (slice_find(name, '.') == name.n)
		printf("note: %s has no dot; mail from elsewhere will hardly "
		    "find it\n", w->name);
	return 0;
}

/* That of the last virtual domain; where there is none yet, `mailboxes`, which
 * is declared if it has to be. */
static const char *
pick_mailboxes(struct conf_edit *e, const struct conf *c, bool *is_new_r)
{
	size_t i;

	for (i = c->ndomains; i > 0; i--)
		if (strcmp(c->domains[i - 1].type, "virtual") == 0 &&
		    c->domains[i - 1].mailboxes.n > 0)
			return c->domains[i - 1].mailboxes.v[0];
	if (table_conf(c, "mailboxes") == NULL) {
		buf_add_str(&e->text, "\ntable mailboxes {\n\tpath = "
		    "mailboxes\n}\n");
		*is_new_r = true;
	}
	return "mailboxes";
}

static int
make_table_file(const struct conf *c, const char *name)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", c->path_tables, name);
	if (access(path, F_OK) == 0)
		return 0;
	f = fopen(path, "we");
	if (f == NULL || fputs("# The mailboxes of virtual domains: an address "
	    "a line.\n", f) == EOF || fchmod(fileno(f), 0644) == -1 ||
	    fclose(f) == EOF)
		return tool_fail(EX_CANTCREAT, "%s: %s", path,
		    strerror(errno));
	return 0;
}

static void
put_key(struct buf *b, const char *key, const char *value)
{
	if (value == NULL || value[0] == '\0')
		return;
	buf_printf(b, "\t%s = ", key);
	conf_word_write(b, value);
	buf_add_byte(b, '\n');
}

static void
put_domain(struct buf *b, const struct wanted *w, const char *mailboxes)
{
	buf_add_str(b, "\ndomain ");
	conf_word_write(b, w->name);
	buf_add_str(b, " {\n");
	put_key(b, "type", w->type);
	put_key(b, "mailboxes", mailboxes);
	put_key(b, "catch_all", w->catch_all);
	put_key(b, "relay_to", w->relay_to);
	buf_add_str(b, "}\n");
}

static void
say_what_is_next(const struct conf *c, const struct wanted *w,
    const char *mailboxes)
{
	printf("%s is received here now\n", w->name);
	if (strcmp(w->type, "system") != 0 && conf_is_loopback_only(c))
		printf("note: from this host alone: no listener of %s is on "
		    "another address than loopback;\n      `address = *:25` "
		    "takes mail of other hosts\n", c->path);
	if (mailboxes != NULL)
		printf("next: `chasqui user add NAME@%s --mailbox` makes a "
		    "mailbox (table %s) and its login\n", w->name, mailboxes);
	printf("in the DNS, which `chasqui doctor dns` compares:\n\n");
	dns_records_of_domain(c, w->name, w->type);
}

/* ---- del ----------------------------------------------------------------- */

static int
run_del(struct tool *t, const struct wanted *w)
{
	const struct conf *c = tool_conf(t);
	const struct conf_domain *d = find_domain(c, w->name);
	struct conf_edit e;
	int r;

	if (d == NULL)
		return no_such_domain(c, w->name);
	r = conf_edit_begin(&e, t);
	if (r != 0)
		return r;
	if (!conf_edit_drop_block(&e, "domain", w->name)) {
		conf_edit_abandon(&e);
		return tool_fail(EX_SOFTWARE, "%s: its block is not found",
		    w->name);
	}
	r = conf_edit_finish(&e);
	if (r == 0) {
		printf("%s is not received here any more\n", d->name);
		say_what_stays(c, d);
	}
	return r;
}

static size_t
count_entries(const struct conf *c, const char *table, const char *domain)
{
	const struct conf_table *ct = table_conf(c, table);
	struct table_edit e;
	struct table_entry entry;
	enum lines_next got;
	const char *why;
	size_t n = 0;

	if (!table_edit_can(ct) ||
	    table_edit_begin(&e, c, table, false) != 0)
		return 0;
	while ((got = table_text_next(&e.reader, &entry, &why)) != LINES_END)
		if (got == LINES_OK && slice_eq_nocase(
		    address_split(entry.key).domain, slice_str(domain)))
			n++;
	table_edit_abandon(&e);
	return n;
}

static void
say_what_stays(const struct conf *c, const struct conf_domain *d)
{
	const struct conf_list *lists[] = { &d->mailboxes, &c->alias_virtual };
	char path[PATH_MAX];
	size_t i, j, n;

	for (i = 0; i < 2; i++)
		for (j = 0; j < lists[i]->n; j++) {
			n = count_entries(c, lists[i]->v[j], d->name);
			if (n > 0)
				printf("the table %s keeps its %zu addresses "
				    "there\n", lists[i]->v[j], n);
		}
	snprintf(path, sizeof(path), "%s/%s", c->path_mail, d->name);
	if (access(path, F_OK) == 0)
		printf("its mail stays in %s\n", path);
}

/* ---- list ---------------------------------------------------------------- */

static void
print_list(const char *key, const struct conf_list *l)
{
	size_t i;

	printf(",\"%s\":[", key);
	for (i = 0; i < l->n; i++) {
		if (i > 0)
			putchar(',');
		json_string(slice_str(l->v[i]));
	}
	putchar(']');
}

static void
print_json(const struct conf_domain *d)
{
	putchar('{');
	json_text("domain", slice_str(d->name));
	putchar(',');
	json_text("type", slice_str(d->type));
	print_list("mailboxes", &d->mailboxes);
	print_list("recipients", &d->recipients);
	putchar(',');
	json_text("catch_all", slice_str(d->catch_all));
	putchar(',');
	json_text("relay_to", slice_str(d->relay_to));
	puts("}");
}

static void
print_line(const struct conf_domain *d)
{
	size_t i;

	printf("%-30s %-8s", d->name, d->type);
	for (i = 0; i < d->mailboxes.n; i++)
		printf(" mailboxes=%s", d->mailboxes.v[i]);
	for (i = 0; i < d->recipients.n; i++)
		printf(" recipients=%s", d->recipients.v[i]);
	if (d->catch_all[0] != '\0')
		printf(" catch_all=%s", d->catch_all);
	if (d->relay_to[0] != '\0')
		printf(" relay_to=%s", d->relay_to);
	putchar('\n');
}

static int
run_list(struct tool *t, const struct wanted *w)
{
	const struct conf *c = tool_conf(t);
	size_t i;

	for (i = 0; i < c->ndomains; i++)
		if (w->json)
			print_json(&c->domains[i]);
		else
			print_line(&c->domains[i]);
	return EX_OK;
}

/* ---- records ------------------------------------------------------------- */

static int
run_records(struct tool *t, const struct wanted *w)
{
	const struct conf *c = tool_conf(t);
	const struct conf_domain *d = find_domain(c, w->name);

	if (d == NULL)
		return no_such_domain(c, w->name);
	dns_records_of_host(c);
	printf("\n");
	dns_records_of_domain(c, w->name, d->type);
	return EX_OK;
}
