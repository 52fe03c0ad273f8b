/* SPDX-License-Identifier: ISC */
/*
 * cmd_table - `chasqui table`: make databases, look a key up.
 *
 * query asks the running suite, whose answer is the one that counts; where it
 * does not run, the table's file is read.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "chasqui.h"
#include "os/sockets.h"
#include "table/table.h"

static int	 run_table(struct tool *, int, char *[]);
static int	 run_make(struct tool *, int, char *[]);
static int	 make(const struct conf *, const struct conf_table *);
static void	 show_progress(void *, uint64_t);
static int	 run_query(struct tool *, int, char *[]);
static bool	 suite_runs(struct tool *);
static int	 query_suite(struct tool *, const char *, const char *);
static int	 query_file(const struct conf *, const struct conf_table *,
		    const char *);

const struct command cmd_table = { "table",
	"make [TABLE...] | query TABLE KEY",
	"make databases (all btree and hash tables), or look a key up",
	run_table };

#define NOT_FOUND	1

static int
run_table(struct tool *t, int argc, char *argv[])
{
	if (argc >= 2 && strcmp(argv[1], "make") == 0)
		return run_make(t, argc - 1, argv + 1);
	if (argc == 4 && strcmp(argv[1], "query") == 0)
		return run_query(t, argc - 1, argv + 1);
	return tool_usage(&cmd_table);
}

static int
no_such_table(const struct conf *c, const char *name)
{
	size_t i;

	fprintf(stderr, "tables of the configuration:");
	for (i = 0; i < c->ntables; i++)
		fprintf(stderr, " %s", c->tables[i].name);
	fprintf(stderr, "\n");
	return tool_fail(EX_USAGE, "there is no table \"%s\"", name);
}

static bool
is_database(const struct conf_table *ct)
{
	return strcmp(ct->type, "btree") == 0 || strcmp(ct->type, "hash") == 0;
}

/* ---- make --------------------------------------------------------------- */

static int
run_make(struct tool *t, int argc, char *argv[])
{
	const struct conf *c = tool_conf(t);
	const struct conf_table *ct;
	int status = EX_OK, made = 0, i, r;
	size_t j;

	for (i = 1; i < argc; i++) {
		ct = table_conf(c, argv[i]);
		r = ct == NULL ? no_such_table(c, argv[i]) : make(c, ct);
		if (r != EX_OK)
			status = r;
	}
	for (j = 0; argc == 1 && j < c->ntables; j++) {
		if (!is_database(&c->tables[j]))
			continue;
		r = make(c, &c->tables[j]);
		if (r != EX_OK)
			status = r;
		made++;
	}
	if (argc == 1 && made == 0)
		printf("no table is of the type btree or hash: nothing to "
		    "make\n");
	return status;
}

static int
make(const struct conf *c, const struct conf_table *ct)
{
	struct buf why = BUF_INIT(8192);
	bool terminal = isatty(STDOUT_FILENO) == 1;
	const char *name = ct->name;
	int64_t n;
	int status = EX_OK;

	n = table_make(ct, table_has_aliases(c, ct->name),
	    terminal ? show_progress : NULL, &name, &why);
	if (terminal)
		printf("\r\033[K");
	if (n == -1)
		status = tool_fail(EX_DATAERR, "%s; the database is as it was",
		    buf_cstr(&why));
	else
		printf("%s: %" PRId64 " entries\n", ct->name, n);
	buf_clear(&why);
	return status;
}

static void
show_progress(void *arg, uint64_t n)
{
	const char *const *name = arg;

	printf("\r%s: %" PRIu64 " entries so far", *name, n);
	fflush(stdout);
}

/* ---- query -------------------------------------------------------------- */

static int
run_query(struct tool *t, int argc, char *argv[])
{
	const struct conf *c = tool_conf(t);
	const struct conf_table *ct = table_conf(c, argv[1]);

	(void)argc;
	if (strlen(argv[2]) > TABLE_KEY_BYTES)
		return tool_fail(EX_USAGE, "the key is too long");
	if (suite_runs(t))
		return query_suite(t, argv[1], argv[2]);
	if (ct == NULL)
		return no_such_table(c, argv[1]);
	return query_file(c, ct, argv[2]);
}

static bool
suite_runs(struct tool *t)
{
	struct buf path = BUF_INIT(2 * PATH_MAX);
	bool runs;
	int fd;

	buf_printf(&path, "%s/%s", tool_conf(t)->path_run, SOCKET_LOOKUP);
	fd = unix_connect(buf_cstr(&path));
	/* Who may not ask hears so when he does. */
	runs = fd != -1 || errno == EACCES;
	buf_clear(&path);
	if (fd != -1)
		close(fd);
	return runs;
}

static int
query_suite(struct tool *t, const char *table, const char *key)
{
	struct channel *c = tool_connect(t, SOCKET_LOOKUP);
	struct buf *b = channel_begin(c, TL_TABLE_QUERY, 1);
	int status;

	if (b != NULL) {
		put_slice(b, slice_str(table));
		put_slice(b, slice_str(key));
	}
	channel_end(c);
	status = tool_answer(c, NULL, NULL);
	channel_free(&c);
	return status;
}

static int
query_file(const struct conf *c, const struct conf_table *ct, const char *key)
{
	struct table *t = table_new(ct, c->table_max_entries);
	struct buf why = BUF_INIT(8192);
	struct table_hit hit;
	int status = EX_SOFTWARE;

	table_load(t, &why);
	buf_reset(&why);
	switch (table_find(t, slice_str(key), &hit, &why)) {
	case TABLE_FOUND:
		printf("%.*s\n", SLICE_ARG(hit.value));
		status = EX_OK;
		break;
	case TABLE_MISSING:
		status = tool_fail(NOT_FOUND, "the table has no such key");
		break;
	case TABLE_ERROR:
		status = tool_fail(EX_NOINPUT, "%s", buf_cstr(&why));
		break;
	}
	buf_clear(&why);
	table_free(&t);
	return status;
}
