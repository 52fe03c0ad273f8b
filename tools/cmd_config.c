/* SPDX-License-Identifier: ISC */
/* cmd_config - `chasqui config`: check, show and explain the configuration. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "chasqui.h"
#include "conf/conf.h"
#include "ev/key_pair.h"
#include "ipc/backends.h"
#include "os/priv.h"
#include "table/aliases.h"
#include "table/mailbox_value.h"
#include "table/table.h"
#include "table_edit.h"

#define TEXT_BYTES	((size_t)64 * 1024 * 1024)

static int	 run_config(struct tool *, int, char *[]);
static int	 run_check(struct tool *, int, char *[]);
static int	 check_tables(const struct conf *);
static int	 check_values(const struct conf *);
static int	 check_users(const struct conf *);
static int	 check_user(const char *key, const char *name);
static int	 check_domains(const struct conf *);
static int	 check_certificates(const struct conf *);
static int	 check_backends(const struct conf *);
static bool	 is_first_use(const struct conf *, size_t domain,
		    const char *table);
static int	 run_show(struct tool *, int, char *[]);
static int	 run_explain(struct tool *, int, char *[]);
static int	 print(struct buf *, int status);

const struct command cmd_config = { "config",
	"check | show [--changed|--defaults] |\n    explain [KEY...]",
	"check, show or explain the configuration", run_config };

static const struct {
	const char	*name;
	int		 (*run)(struct tool *, int, char *[]);
} verbs[] = {
	{ "check", run_check },
	{ "show", run_show },
	{ "explain", run_explain },
};

static int
run_config(struct tool *t, int argc, char *argv[])
{
	size_t i;

	for (i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(t, argc - 1, argv + 1);
	return tool_usage(&cmd_config);
}

/* What `start` and `reload` would refuse, and tables that are not whole. */
static int
run_check(struct tool *t, int argc, char *argv[])
{
	const struct conf *c;
	int broken;

	(void)argv;
	if (argc != 1)
		return tool_usage(&cmd_config);
	c = tool_conf(t);
	broken = check_domains(c) + check_tables(c) + check_values(c) +
	    check_certificates(c) + check_backends(c) + check_users(c);
	if (broken > 0)
		return tool_fail(EX_CONFIG, "the configuration is valid, but "
		    "%d of its tables, entries, domains, users, backends or "
		    "certificates will not work", broken);
	printf("%s: valid, %zu listeners, %zu domains, %zu tables, %zu "
	    "certificates\n", tool_conf_path(t), c->nlisteners, c->ndomains,
	    c->ntables, c->ncertificates);
	return EX_OK;
}

static int
check_tables(const struct conf *c)
{
	struct buf why = BUF_INIT(8192);
	struct table *t;
	int broken = 0;
	size_t i;

	for (i = 0; i < c->ntables; i++) {
		t = table_new(&c->tables[i], c->table_max_entries);
		buf_reset(&why);
		if (table_load(t, &why) == -1) {
			fprintf(stderr, "table %s: %s\n", c->tables[i].name,
			    buf_cstr(&why));
			broken++;
		}
		table_free(&t);
	}
	buf_clear(&why);
	return broken;
}

/* ---- what the entries of a table mean ------------------------------------ */

/* NULL, or what is wrong with a value. */
typedef const char *value_fn(struct slice value);

static const char *
check_route(struct slice value)
{
	/* As lookup takes it: tables of Postfix have "smtp:". */
	value = slice_trim(value);
	if (slice_starts_nocase(value, SLICE_LIT("smtp:")))
		value = slice_from(value, 5);
	if (conf_next_hop_is_valid(value) || (value.n > 0 &&
	    value.p[0] == '[' && value.p[value.n - 1] == ']'))
		return NULL;
	return "it is no next hop: host, [host]:port, smtps:[host]:port, "
	    "lmtp:[host]:port or lmtp:/path";
}

static const char *
check_mailbox(struct slice value)
{
	struct mailbox_value v = { 0, 0 };
	struct slice bad;

	return mailbox_value_parse(value, &v, &bad) ? NULL :
	    "it is neither quota_bytes=SIZE nor quota_messages=NUMBER";
}

static const char *
check_targets(struct slice value)
{
	struct arena arena = ARENA_INIT(2 * TABLE_LINE_BYTES);
	struct alias_target t;
	const char *why = NULL;
	char path[PATH_MAX];
	enum parse p;

	while ((p = alias_next(&arena, &value, &t, &why)) == PARSE_OK)
		if (t.kind == ALIAS_INCLUDE && t.text.n < sizeof(path)) {
			memcpy(path, t.text.p, t.text.n);
			path[t.text.n] = '\0';
			if (access(path, F_OK) == 0 || errno != ENOENT)
				continue;
			arena_clear(&arena);
			return "the file is not there";
		}
	arena_clear(&arena);
	return p == PARSE_BAD ? why : NULL;
}

/* Each entry that is wrong is a line; how many there are.  What is no text has
 * been made of one, or is matched only. */
static int
check_table_values(const struct conf *c, const char *name, value_fn *check)
{
	const struct conf_table *ct = table_conf(c, name);
	struct table_entry entry;
	struct table_edit e;
	enum lines_next got;
	const char *why;
	int broken = 0;

	if (!table_edit_can(ct) ||
	    access(ct->path, R_OK) == -1 ||
	    table_edit_begin(&e, c, name, false) != 0)
		return 0;
	while ((got = table_text_next(&e.reader, &entry, &why)) != LINES_END) {
		why = got == LINES_OK ? check(entry.value) : NULL;
		if (why == NULL)
			continue;
		fprintf(stderr, "table %s: %s:%u: \"%.*s\": %s\n", name,
		    e.file.path, entry.line, SLICE_ARG(entry.value), why);
		broken++;
	}
	table_edit_abandon(&e);
	return broken;
}

static int
check_values(const struct conf *c)
{
	int broken = 0;
	size_t i, j;

	for (i = 0; i < c->route_tables.n; i++)
		broken += check_table_values(c, c->route_tables.v[i],
		    check_route);
	for (i = 0; i < c->ndomains; i++)
		for (j = 0; j < c->domains[i].mailboxes.n; j++)
			if (is_first_use(c, i, c->domains[i].mailboxes.v[j]))
				broken += check_table_values(c,
				    c->domains[i].mailboxes.v[j],
				    check_mailbox);
	for (i = 0; i < c->alias_virtual.n; i++)
		broken += check_table_values(c, c->alias_virtual.v[i],
		    check_targets);
	for (i = 0; i < c->alias_tables.n; i++)
		broken += check_table_values(c, c->alias_tables.v[i],
		    check_targets);
	return broken;
}

/* Many domains may have one table. */
static bool
is_first_use(const struct conf *c, size_t domain, const char *table)
{
	size_t i;

	for (i = 0; i < domain; i++)
		if (conf_has(&c->domains[i].mailboxes, table))
			return false;
	return true;
}

/* ---- who delivers -------------------------------------------------------- */

/* As `start` of root wants them. */
static int
check_users(const struct conf *c)
{
	const struct {
		const char	*key, *name;
	} users[] = { { "user.mail", c->user_mail },
		{ "user.commands", c->user_commands } };
	struct buf name = BUF_INIT(1024);
	const struct priv *row;
	int broken = 0;
	size_t i;

	if (geteuid() != 0)
		return 0;
	for (i = 0; i < 2; i++)
		broken += check_user(users[i].key, users[i].name);
	for (i = 0; i < ROLE_LIMIT; i++) {
		row = priv_of((enum role)i);
		if (row == NULL || row->user == NULL)
			continue;
		buf_reset(&name);
		buf_printf(&name, "%s%s", c->user_prefix, row->user);
		broken += check_user("user.prefix", buf_cstr(&name));
	}
	buf_clear(&name);
	return broken;
}

static int
check_user(const char *key, const char *name)
{
	const struct passwd *pw = getpwnam(name);

	if (pw == NULL)
		fprintf(stderr, "%s: there is no system user \"%s\"\n", key,
		    name);
	else if (pw->pw_uid == 0 || pw->pw_gid == 0)
		fprintf(stderr, "%s: the system user \"%s\" has uid or gid 0, "
		    "which no process of the suite may have\n", key, name);
	else
		return 0;
	return 1;
}

/* Nobody would get mail there. */
static int
check_domains(const struct conf *c)
{
	int broken = 0;
	size_t i;

	for (i = 0; i < c->ndomains; i++) {
		const struct conf_domain *d = &c->domains[i];

		if (strcmp(d->type, "virtual") == 0 && d->mailboxes.n == 0 &&
		    d->catch_all[0] == '\0' && c->alias_virtual.n == 0) {
			fprintf(stderr, "domain %s: virtual, but without "
			    "mailboxes, catch_all and alias.virtual: all its "
			    "mail is refused\n", d->name);
			broken++;
		}
		if (strcmp(d->type, "alias") == 0 && d->catch_all[0] == '\0' &&
		    c->alias_virtual.n == 0) {
			fprintf(stderr, "domain %s: its addresses are in no "
			    "alias.virtual table: all its mail is refused\n",
			    d->name);
			broken++;
		}
	}
	return broken;
}

#define SOON_SECONDS	(14 * 86400L)

static int
check_certificate(const struct conf_certificate *c)
{
	int key_fd = file_open(c->key), chain_fd = -1;
	const char *path = c->key;
	struct buf why = BUF_INIT(1000);
	EVP_PKEY *key = NULL;
	long left;

	if (key_fd != -1) {
		path = c->chain;
		chain_fd = file_open(path);
	}
	if (chain_fd == -1)
		buf_printf(&why, "%s: %s%s", path, file_error(errno),
		    errno == EACCES ? " (check as root)" : "");
	else
		key = key_pair_read(key_fd, chain_fd, &why);
	if (key == NULL)
		fprintf(stderr, "certificate %s: %s\n", c->name,
		    buf_cstr(&why));
	left = key == NULL ? SOON_SECONDS : key_pair_seconds_left(chain_fd);
	if (left < SOON_SECONDS)
		fprintf(stderr, "certificate %s: note: %s\n", c->name,
		    left <= 0 ? "it is not valid now" :
		    "it is valid for less than 14 days");
	if (key_fd != -1)
		close(key_fd);
	if (chain_fd != -1)
		close(chain_fd);
	EVP_PKEY_free(key);
	buf_clear(&why);
	return key != NULL ? 0 : 1;
}

static int
check_certificates(const struct conf *c)
{
	int broken = 0;
	size_t i;

	for (i = 0; i < c->ncertificates; i++)
		broken += check_certificate(&c->certificates[i]);
	return broken;
}

/* As `start` of whoever asks this. */
static int
check_backends(const struct conf *c)
{
	struct buf why = BUF_INIT(4096);
	int r = backends_check(c, geteuid() == 0, &why);

	if (r == -1)
		fprintf(stderr, "%s", buf_cstr(&why));
	buf_clear(&why);
	/* It may be made later. */
	if (conf_has(&c->auth_backends, "sqlite") &&
	    access(c->auth_sqlite, F_OK) == -1)
		fprintf(stderr, "auth.sqlite: note: %s: %s\n", c->auth_sqlite,
		    strerror(errno));
	return r == -1;
}

static int
run_show(struct tool *t, int argc, char *argv[])
{
	static const struct option options[] = {
		{ "changed", no_argument, NULL, 'c' },
		{ "defaults", no_argument, NULL, 'd' },
		{ NULL, 0, NULL, 0 },
	};
	struct buf text = BUF_INIT(TEXT_BYTES);
	bool changed = false, defaults = false;
	struct conf *c = NULL;
	int ch, r;

	optind = 0;
	while ((ch = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (ch) {
		case 'c':
			changed = true;
			break;
		case 'd':
			defaults = true;
			break;
		default:
			return tool_usage(&cmd_config);
		}
	if (optind < argc || (changed && defaults))
		return tool_usage(&cmd_config);
	if (defaults)
		c = conf_parse(SLICE_EMPTY, "", &text);
	r = conf_write(defaults ? c : tool_conf(t), R_ALL, !changed, &text);
	conf_free(&c);
	return print(&text, r == 0 ? EX_OK : EX_SOFTWARE);
}

static int
run_explain(struct tool *t, int argc, char *argv[])
{
	struct buf text = BUF_INIT(TEXT_BYTES);
	int i, status = EX_OK;

	(void)t;
	if (argc == 1)
		conf_explain_all(&text);
	for (i = 1; i < argc; i++)
		if (!conf_explain(argv[i], &text))
			status = EX_USAGE;
	return print(&text, status);
}

static int
print(struct buf *text, int status)
{
	FILE *to = status == EX_OK ? stdout : stderr;

	fwrite(buf_slice(text).p, 1, text->n, to);
	buf_clear(text);
	return status;
}
