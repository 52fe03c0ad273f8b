/* SPDX-License-Identifier: ISC */
/*
 * cmd_mailbox - `chasqui mailbox`: one user's mailboxes, on disk.
 *
 * WHOSE is an address, which the running suite turns into a Maildir, or the
 * Maildir's path.  As root the command becomes the owner before it touches
 * anything there, so that no link leads it elsewhere with root's rights.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/num.h"
#include "chasqui.h"
#include "mail/summary.h"
#include "mbox.h"
#include "os/sandbox.h"
#include "queue_print.h"
#include "store/names.h"
#include "store/store.h"

#define DIFFERS		1	/* exit status: verify has found something */

struct job {
	struct tool	*tool;
	char		 path[PATH_MAX];	/* of the Maildir */
	uid_t		 uid;
	gid_t		 gid;
	bool		 absent;	/* whose first mail or login makes it */
	struct store	*store;
	bool		 json;
	unsigned	 bad;
	int		 status;
	const char	*mailbox;	/* of which lines are printed */
};

typedef int	verb_fn(struct job *, int argc, char *argv[]);

static int	 run_mailbox(struct tool *, int, char *[]);
static verb_fn	 run_list, run_create, run_rename, run_delete, run_verify,
    run_repair, run_export, run_import,
    run_convert;
static int	 find_maildir(struct job *, const char *whose);
static int	 ask_lookup(struct job *, const char *address);
static void	 take_line(void *, struct message *);
static int	 open_store(struct job *);
static int	 result(struct job *, const char *what, enum store_result);
static int	 for_each(struct job *, int argc, char *argv[],
		    enum store_result (*)(struct job *, struct slice));

const struct command cmd_mailbox = { "mailbox",
	"list [--json] WHOSE | create WHOSE NAME |\n"
	"    rename WHOSE FROM TO | delete WHOSE NAME |\n"
	"    verify WHOSE [NAME...] | repair WHOSE [NAME...] |\n"
	"    export-uidlist WHOSE [NAME...] | import WHOSE NAME FILE... |\n"
	"    convert WHOSE",
	"a user's mailboxes; WHOSE is an address or the path of a Maildir",
	run_mailbox };

static const struct verb {
	const char	*name;
	int		 min, max;	/* arguments after WHOSE */
	verb_fn		*run;
} verbs[] = {
	{ "list",		0, 0,		run_list },
	{ "create",		1, 1,		run_create },
	{ "rename",		2, 2,		run_rename },
	{ "delete",		1, 1,		run_delete },
	{ "verify",		0, INT_MAX,	run_verify },
	{ "repair",		0, INT_MAX,	run_repair },
	{ "export-uidlist",	0, INT_MAX,	run_export },
	{ "import",		2, INT_MAX,	run_import },
	{ "convert",		0, 0,		run_convert },
};

/* --json may stand anywhere; it is taken out. */
static bool
take_json(int *argc, char *argv[])
{
	int i, n = 0;

	for (i = 0; i < *argc; i++)
		if (strcmp(argv[i], "--json") != 0)
			argv[n++] = argv[i];
	i = *argc;
	*argc = n;
	return n < i;
}

static int
run_mailbox(struct tool *t, int argc, char *argv[])
{
	static struct job j;
	const struct verb *v;
	const int at = 2;
	int r;

	j.tool = t;
	for (v = verbs; argc > 2 && v < verbs + sizeof(verbs) /
	    sizeof(verbs[0]); v++) {
		if (strcmp(argv[1], v->name) != 0)
			continue;
		if (v->run == run_list)
			j.json = take_json(&argc, argv);
		if (argc - at - 1 < v->min || argc - at - 1 > v->max)
			break;
		r = find_maildir(&j, argv[at]);
		if (r == EX_OK)
			r = tool_become(j.uid, j.gid);
		if (r == EX_OK)
			r = open_store(&j);
		if (r == EX_OK)
			r = v->run(&j, argc - at - 1, argv + at + 1);
		store_close(&j.store);
		return r;
	}
	return tool_usage(&cmd_mailbox);
}

/* ---- whose -------------------------------------------------------------- */

static bool
has_directory(const char *path, const char *name)
{
	char whole[PATH_MAX + 8];
	struct stat st;

	snprintf(whole, sizeof(whole), "%s/%s", path, name);
	return stat(whole, &st) == 0 && S_ISDIR(st.st_mode);
}

static int
find_maildir(struct job *j, const char *whose)
{
	struct stat st;
	int r;

	if (whose[0] == '/')
		snprintf(j->path, sizeof(j->path), "%s", whose);
	else {
		r = ask_lookup(j, whose);
		if (r != EX_OK)
			return r;
	}
	if (lstat(j->path, &st) == -1) {
		/* Nothing is made with root's rights. */
		j->absent = errno == ENOENT && whose[0] != '/' &&
		    (geteuid() != 0 || j->uid != 0);
		return j->absent ? EX_OK : tool_fail(EX_NOINPUT, "%s: %s",
		    j->path, strerror(errno));
	}
	if (!S_ISDIR(st.st_mode))
		return tool_fail(EX_NOINPUT, "%s is no directory", j->path);
	/* Opening a store makes what is missing; not just anywhere. */
	if (whose[0] == '/' && !has_directory(j->path, "cur") &&
	    !has_directory(j->path, "new"))
		return tool_fail(EX_NOINPUT, "%s is no Maildir: it has neither "
		    "cur nor new", j->path);
	j->uid = st.st_uid;
	j->gid = st.st_gid;
	return EX_OK;
}

static int
ask_lookup(struct job *j, const char *address)
{
	struct channel *c;
	struct buf *b;
	int status;

	if (strlen(address) > 500)
		return tool_fail(EX_USAGE, "the address is too long");
	c = tool_connect(j->tool, SOCKET_LOOKUP);
	b = channel_begin(c, TL_MAILBOX, 1);
	if (b != NULL)
		put_slice(b, slice_str(address));
	channel_end(c);
	status = tool_answer(c, take_line, j);
	channel_free(&c);
	if (status == EX_OK && j->path[0] != '/')
		status = tool_fail(EX_PROTOCOL, "lookup named no Maildir");
	return status;
}

/* "UID GID", then the path. */
static void
take_line(void *arg, struct message *m)
{
	struct job *j = arg;
	struct slice text = m->body.rest;
	uint64_t uid, gid;

	if (m->type != TL_DATA)
		return;
	if (text.n > 0 && text.p[0] == '/' && text.n < sizeof(j->path)) {
		snprintf(j->path, sizeof(j->path), "%.*s", SLICE_ARG(text));
	} else if (parse_u64(&text, &uid) == PARSE_OK && uid <= UINT32_MAX &&
	    text.n > 0 && slice_to_u64(slice_from(text, 1), 0, UINT32_MAX,
	    &gid)) {
		j->uid = (uid_t)uid;
		j->gid = (gid_t)gid;
	}
}

static void
trouble(const char *mailbox, const char *text)
{
	fprintf(stderr, "chasqui: %s: %s\n", mailbox, text);
}

/* Where there is no Maildir yet it is made, as a login would. */
static int
open_store(struct job *j)
{
	const struct store_options o = { .summarise = summary_build,
		.create = j->absent, .create_special = j->absent,
		.warn = trouble };

	if (j->absent)
		sandbox_make_path(j->path);
	j->store = store_open(j->path, &o);
	return j->store != NULL ? EX_OK : tool_fail(EX_NOINPUT, "%s: %s",
	    j->path, strerror(errno));
}

static int
result(struct job *j, const char *what, enum store_result r)
{
	if (r == STORE_OK)
		return EX_OK;
	if (r == STORE_FAILED)
		return tool_fail(EX_IOERR, "%s: %s", what,
		    strerror(store_errno(j->store)));
	return tool_fail(r == STORE_BUSY ? EX_TEMPFAIL : EX_DATAERR,
	    "%s: %s%s", what, store_strerror(r),
	    r == STORE_NO_MAILBOX ? "; `chasqui mailbox list` shows them, "
	    "`create` makes one" : "");
}

/* ---- list --------------------------------------------------------------- */

static void
print_json(const struct mailbox_entry *e, const struct mailbox_status *st,
    uint64_t bytes)
{
	printf("{");
	json_text("name", e->name);
	printf(",\"subscribed\":%s,\"special_use\":%u,\"messages\":%" PRIu32
	    ",\"unseen\":%" PRIu32 ",\"bytes\":%" PRIu64 ",\"uidnext\":%"
	    PRIu32 ",\"uidvalidity\":%" PRIu32 ",\"highestmodseq\":%" PRIu64
	    "}\n", e->subscribed ? "true" : "false", e->special_use,
	    st->messages, st->unseen, bytes, st->uidnext, st->uidvalidity,
	    st->highestmodseq);
}

static bool
list_one(void *arg, const struct mailbox_entry *e)
{
	struct job *j = arg;
	struct mailbox_status st;
	enum store_result r;
	uint64_t bytes;

	if (!e->exists)
		return true;
	r = store_status(j->store, e->name, &st);
	if (r == STORE_OK)
		r = store_size(j->store, e->name, false, &bytes);
	if (r != STORE_OK) {
		j->status = result(j, "a mailbox", r);
		return true;
	}
	if (j->json)
		print_json(e, &st, bytes);
	else
		printf("%8" PRIu32 " %8" PRIu32 " %12" PRIu64 "  %.*s\n",
		    st.messages, st.unseen, bytes, SLICE_ARG(e->name));
	return true;
}

static int
run_list(struct job *j, int argc, char *argv[])
{
	enum store_result r;

	(void)argc;
	(void)argv;
	if (!j->json)
		printf("%8s %8s %12s  %s\n", "messages", "unseen", "bytes",
		    "mailbox");
	r = store_list(j->store, list_one, j);
	return r == STORE_OK ? j->status : result(j, "list", r);
}

/* ---- changes ------------------------------------------------------------ */

static int
run_create(struct job *j, int argc, char *argv[])
{
	struct slice name = name_fold_inbox(slice_str(argv[0]), argv[0]);

	(void)argc;
	return result(j, argv[0], store_create(j->store, name, 0));
}

static int
run_rename(struct job *j, int argc, char *argv[])
{
	struct slice to = name_fold_inbox(slice_str(argv[1]), argv[1]);

	(void)argc;
	return result(j, argv[0], store_rename(j->store, slice_str(argv[0]),
	    to));
}

static int
run_delete(struct job *j, int argc, char *argv[])
{
	(void)argc;
	return result(j, argv[0], store_delete(j->store, slice_str(argv[0])));
}

/* ---- of some or all ----------------------------------------------------- */

struct each {
	struct job	*job;
	enum store_result (*fn)(struct job *, struct slice);
};

static void
do_one(struct job *j, struct slice name,
    enum store_result (*fn)(struct job *, struct slice))
{
	char text[STORE_NAME_BYTES + 1];
	enum store_result r;

	snprintf(text, sizeof(text), "%.*s", SLICE_ARG(name));
	j->mailbox = text;
	r = fn(j, name);
	if (r != STORE_OK)
		j->status = result(j, text, r);
	j->mailbox = NULL;
}

static bool
do_listed(void *arg, const struct mailbox_entry *e)
{
	struct each *each = arg;

	if (e->exists)
		do_one(each->job, e->name, each->fn);
	return true;
}

static int
for_each(struct job *j, int argc, char *argv[],
    enum store_result (*fn)(struct job *, struct slice))
{
	struct each each = { j, fn };
	enum store_result r;
	int i;

	for (i = 0; i < argc; i++)
		do_one(j, slice_str(argv[i]), fn);
	if (argc > 0)
		return j->status;
	r = store_list(j->store, do_listed, &each);
	return r == STORE_OK ? j->status : result(j, "list", r);
}

static void
print_line(void *arg, const char *line)
{
	const struct job *j = arg;

	printf("%s: %s\n", j->mailbox, line);
}

static void
print_plain(void *arg, const char *line)
{
	(void)arg;
	printf("%s\n", line);
}

static enum store_result
verify(struct job *j, struct slice name)
{
	unsigned bad = 0;
	enum store_result r = store_verify(j->store, name, false, print_line,
	    j, &bad);

	j->bad += bad;
	return r;
}

static enum store_result
repair(struct job *j, struct slice name)
{
	unsigned bad = 0;
	enum store_result r = store_verify(j->store, name, true, print_line,
	    j, &bad);

	if (r == STORE_OK && bad > 0)
		printf("%s: repaired\n", j->mailbox);
	return r;
}

static enum store_result
export(struct job *j, struct slice name)
{
	return store_export_uidlist(j->store, name);
}

static int
run_verify(struct job *j, int argc, char *argv[])
{
	int r = for_each(j, argc, argv, verify);
	unsigned n = 0;

	if (r == EX_OK && argc == 0)
		r = result(j, "verify", store_convert(j->store, true,
		    print_plain, NULL, &n));
	j->bad += n;
	return r == EX_OK && j->bad > 0 ? DIFFERS : r;
}

static int
run_repair(struct job *j, int argc, char *argv[])
{
	return for_each(j, argc, argv, repair);
}

static int
run_export(struct job *j, int argc, char *argv[])
{
	return for_each(j, argc, argv, export);
}

/* Whatever could not be converted is still found. */
static int
run_convert(struct job *j, int argc, char *argv[])
{
	unsigned n = 0, left = 0;
	enum store_result r = store_convert(j->store, false, print_plain, NULL,
	    &n);

	(void)argc;
	(void)argv;
	if (r == STORE_OK)
		r = store_convert(j->store, true, NULL, NULL, &left);
	return r == STORE_OK && left > 0 ? DIFFERS : result(j, "convert", r);
}

/* ---- import ------------------------------------------------------------- */

/* NULL: the user has been told. */
static FILE *
open_input(const char *path, struct stat *st)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");

	if (f != NULL && fstat(fileno(f), st) == 0) {
		if (!S_ISDIR(st->st_mode))
			return f;
		errno = EISDIR;
	}
	tool_fail(EX_NOINPUT, "%s: %s", path, strerror(errno));
	if (f != NULL && f != stdin)
		fclose(f);
	return NULL;
}

/* Each file a message or an mbox, all of them or none. */
static int
run_import(struct job *j, int argc, char *argv[])
{
	struct appended done;
	struct append *a;
	struct stat st;
	enum store_result r = append_begin(j->store, slice_str(argv[0]), &a);
	bool broken;
	FILE *f;
	int i;

	if (r != STORE_OK)
		return result(j, argv[0], r);
	for (i = 1; i < argc; i++) {
		f = open_input(argv[i], &st);
		if (f == NULL) {
			append_abort(&a);
			return EX_NOINPUT;
		}
		r = mbox_append(a, f, &st);
		broken = ferror(f) != 0;
		if (f != stdin)
			fclose(f);
		if (broken) {
			append_abort(&a);
			return tool_fail(EX_IOERR,
			    "%s: it cannot be read to its end", argv[i]);
		}
		if (r != STORE_OK) {
			append_abort(&a);
			return result(j, argv[i], r);
		}
	}
	r = append_commit(&a, &done);
	if (r == STORE_OK && done.n == 0)
		printf("0 messages\n");
	else if (r == STORE_OK)
		printf("%" PRIu32 " messages from UID %" PRIu32 " on\n",
		    done.n, done.first_uid);
	return result(j, argv[0], r);
}
