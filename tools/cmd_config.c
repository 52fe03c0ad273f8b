/* SPDX-License-Identifier: ISC */
/* cmd_config - `chasqui config`: check, show and explain the configuration. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/mem.h"
#include "chasqui.h"
#include "conf/conf.h"
#include "ev/key_pair.h"
#include "ipc/backends.h"
#include "table/table.h"

#define TEXT_BYTES	((size_t)64 * 1024 * 1024)

static int	 run_config(struct tool *, int, char *[]);
static int	 run_check(struct tool *, int, char *[]);
static int	 check_tables(const struct conf *);
static int	 check_domains(const struct conf *);
static int	 check_certificates(const struct conf *);
static int	 check_backends(const struct conf *);
static int	 run_show(struct tool *, int, char *[]);
static int	 run_explain(struct tool *, int, char *[]);
static int	 print(struct buf *, int status);

const struct command cmd_config = { "config",
	"check | show [--changed | --defaults] | explain [KEY...]",
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
	broken = check_domains(c) + check_tables(c) + check_certificates(c) +
	    check_backends(c);
	if (broken > 0)
		return tool_fail(EX_CONFIG, "the configuration is valid, but "
		    "%d of its tables, domains, backends or certificates "
		    "will not work", broken);
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
	int key_fd = open(c->key, O_RDONLY | O_CLOEXEC), chain_fd = -1;
	const char *path = c->key;
	struct buf why = BUF_INIT(1000);
	EVP_PKEY *key = NULL;
	long left;

	if (key_fd != -1) {
		path = c->chain;
		chain_fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (chain_fd == -1)
		buf_printf(&why, "%s: %s%s", path, strerror(errno),
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
