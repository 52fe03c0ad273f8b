/* SPDX-License-Identifier: ISC */
/*
 * cmd_queue - `chasqui queue`: list, show and change what is in the queue.
 *
 * Messages are named by their ids, selected by options (queue_select.h), or
 * both; a change needs one of them, or --all.  What cannot simply be taken back
 * is counted first, and more than CONFIRM_ABOVE messages are to be confirmed.
 * `check` reads the queue's files itself (cmd_queue_check.c); `export`,
 * `import` and `adopt` are cmd_queue_move.c's.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/num.h"
#include "chasqui.h"
#include "queue_print.h"
#include "queue_select.h"

#define CONFIRM_ABOVE	100

static int	 run_queue(struct tool *, int, char *[]);
static int	 run_list(struct tool *, struct selection *);
static int	 run_show(struct tool *, struct selection *);
static int	 run_reroute(struct tool *, struct selection *);
static int	 run_undo(struct tool *, int, char *[]);
static int	 run_change(struct tool *, struct selection *,
		    enum queue_change, bool grave);
static uint64_t	 count(struct channel *, const struct selection *,
		    enum queue_change, int *status_r);
static int	 confirm(struct channel *, const struct selection *,
		    enum queue_change);
static int	 request(struct channel *, const struct selection *,
		    enum queue_change, enum queue_how);

const struct command cmd_queue = { "queue",
	"list SELECTION [--json] | show ID... |\n"
	"    hold | release | retry | delete | bounce | reroute SELECTION\n"
	"        [--dry-run] [--confirm N] [--json] [--for-good]\n"
	"        [--to HOST[:PORT]|table] |\n"
	"    undo list | undo [--last] [SELECTION] [--dry-run] [--json] |\n"
	"    export SELECTION [--output FILE] | import FILE | adopt DIR |\n"
	"    check [--repair] [--json] |\n"
	"    shape [--by next-hop|sender-domain|recipient-domain] [--rows N] "
	"[--bars]\n        [--json]\n" SELECT_USAGE,
	"list, show, change, move the messages in the queue, or check its "
	"files", run_queue };

/* What a change takes, and one that is to be confirmed where it is of many. */
#define CHANGE	(SELECT_DRY_RUN | SELECT_JSON)
#define GRAVE	(CHANGE | SELECT_CONFIRM)

static const struct {
	const char		*name;
	enum queue_change	 change;	/* 0: none */
	unsigned		 takes;		/* of enum select_option */
	int			 (*run)(struct tool *, struct selection *);
} verbs[] = {
	{ "list",	0,		SELECT_JSON,	run_list },
	{ "show",	0,		0,		run_show },
	{ "hold",	QUEUE_HOLD,	CHANGE,		NULL },
	{ "release",	QUEUE_RELEASE,	CHANGE,		NULL },
	{ "retry",	QUEUE_RETRY,	CHANGE,		NULL },
	{ "delete",	QUEUE_DELETE,	GRAVE | SELECT_FOR_GOOD, NULL },
	{ "bounce",	QUEUE_BOUNCE,	GRAVE,		NULL },
	{ "reroute",	QUEUE_REROUTE,	GRAVE | SELECT_TO, run_reroute },
	{ "export",	0,		SELECT_OUTPUT,	run_queue_export },
};

static const struct {
	const char	*name;
	int		 (*run)(struct tool *, int, char *[]);
} others[] = {
	{ "check",	run_queue_check },
	{ "shape",	run_queue_shape },
	{ "undo",	run_undo },
	{ "import",	run_queue_import },
	{ "adopt",	run_queue_adopt },
};

static int
run_queue(struct tool *t, int argc, char *argv[])
{
	static struct selection s;
	size_t i;
	int status;

	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (argc > 1 && strcmp(argv[1], others[i].name) == 0)
			return others[i].run(t, argc - 1, argv + 1);
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (argc > 1 && strcmp(argv[1], verbs[i].name) == 0)
			break;
	if (i == sizeof(verbs) / sizeof(verbs[0]))
		return tool_fail(EX_USAGE, "say what to do: list, show, hold, "
		    "release, retry, delete, bounce, reroute, undo, export, "
		    "import, adopt, check or shape");
	status = select_messages(&s, argc - 1, argv + 1);
	if (status == EX_OK)
		status = select_takes(&s, verbs[i].name, verbs[i].takes);
	if (status != EX_OK)
		return status;
	if (verbs[i].run != NULL)
		return verbs[i].run(t, &s);
	return run_change(t, &s, verbs[i].change == QUEUE_DELETE &&
	    s.for_good ? QUEUE_DESTROY : verbs[i].change,
	    verbs[i].takes & SELECT_CONFIRM);
}

static int
run_list(struct tool *t, struct selection *s)
{
	struct queue_print p = { .form = s->json ? QUEUE_FORM_JSON :
		QUEUE_FORM_MAILQ, .none = s->filter.where != QUEUE_LIVE ?
		"Nothing can be had back" : s->any ? "No message matches" :
		NULL };
	struct channel *c = tool_connect(t, SOCKET_QUEUE);
	int status = queue_print(&p, c, &s->filter);

	channel_free(&c);
	return status;
}

static void
print_data(void *arg, struct message *m)
{
	struct slice s = get_rest(&m->body);

	(void)arg;
	if (m->type == TL_DATA)
		fwrite(s.p, 1, s.n, stdout);
}

static int
run_show(struct tool *t, struct selection *s)
{
	struct channel *c;
	struct buf *b;
	size_t i;
	int status = EX_OK, r;

	if (s->filter.nids == 0)
		return tool_fail(EX_USAGE, "name a message by its queue id; "
		    "`chasqui queue list` shows them");
	c = tool_connect(t, SOCKET_QUEUE);
	for (i = 0; i < s->filter.nids; i++) {
		b = channel_begin(c, TL_QUEUE_SHOW, i + 1);
		if (b != NULL)
			put_u64(b, s->ids[i]);
		channel_end(c);
		r = tool_answer(c, print_data, NULL);
		if (status == EX_OK)
			status = r;
	}
	channel_free(&c);
	return status;
}

/* ---- changes ------------------------------------------------------------- */

static int
run_reroute(struct tool *t, struct selection *s)
{
	if (s->to == NULL)
		return tool_fail(EX_USAGE, "say where to: --to HOST, --to "
		    "HOST:PORT, or --to table for what the tables say");
	if (strcmp(s->to, "table") == 0)
		s->to = NULL;
	else if (!conf_next_hop_is_valid(slice_str(s->to)))
		return tool_fail(EX_USAGE, "%s is no next hop: host, [host] or "
		    "host:port is", s->to);
	return run_change(t, s, QUEUE_REROUTE, true);
}

/* `undo`, `undo list`, `undo --last`, `undo ID`, `undo --sender A` ... */
static int
run_undo(struct tool *t, int argc, char *argv[])
{
	static struct selection s;
	bool list = argc > 1 && strcmp(argv[1], "list") == 0;
	int status;

	argc -= list;
	argv += list;
	status = select_messages(&s, argc, argv);
	if (status == EX_OK)
		status = select_takes(&s, "undo", CHANGE | SELECT_LAST);
	if (status != EX_OK)
		return status;
	s.filter.where = s.last ? QUEUE_UNDO_LAST : QUEUE_UNDO_ALL;
	if (list || (!s.any && !s.all && !s.last))
		return run_list(t, &s);
	s.any = true;
	return run_change(t, &s, QUEUE_UNDO, false);
}

static int
run_change(struct tool *t, struct selection *s, enum queue_change change,
    bool grave)
{
	struct channel *c;
	int status = EX_OK;

	if (!s->any && !s->all)
		return tool_fail(EX_USAGE, "name messages by their queue ids, "
		    "select them (--sender, --recipient, ...), or say --all");
	c = tool_connect(t, SOCKET_QUEUE);
	if (!s->dry_run && grave && s->filter.nids == 0)
		status = confirm(c, s, change);
	if (status == EX_OK)
		status = request(c, s, change, s->dry_run ? QUEUE_DRY_RUN :
		    QUEUE_DO);
	channel_free(&c);
	return status;
}

static void
ask(struct channel *c, const struct selection *s, enum queue_change change,
    enum queue_how how)
{
	struct buf *b = channel_begin(c, TL_QUEUE_CHANGE, 1);

	if (b != NULL) {
		put_u8(b, (uint8_t)change);
		put_u8(b, (uint8_t)how);
		put_slice(b, change == QUEUE_REROUTE && s->to != NULL ?
		    slice_str(s->to) : SLICE_EMPTY);
		queue_filter_pack(b, &s->filter);
	}
	channel_end(c);
}

/* The changes that qmgr tells. */
struct told {
	bool		 json;
	uint64_t	 lines;
};

/* "ID: what was done to it" */
static void
tell(void *arg, struct slice line)
{
	struct told *told = arg;
	size_t colon = slice_find(line, ':');

	told->lines++;
	if (!told->json) {
		printf("%.*s\n", SLICE_ARG(line));
		return;
	}
	putchar('{');
	json_text("id", slice_first(line, colon));
	putchar(',');
	json_text("result", slice_trim(slice_from(line, colon < line.n ?
	    colon + 1 : colon)));
	puts("}");
}

static int
request(struct channel *c, const struct selection *s, enum queue_change change,
    enum queue_how how)
{
	struct told told = { .json = s->json };
	uint64_t n;
	int status;

	ask(c, s, change, how);
	status = tool_answer_lines(c, tell, &told);
	if (status == EX_OK && how == QUEUE_DRY_RUN) {
		n = count(c, s, change, &status);
		if (status == EX_OK)
			printf(s->json ? "{\"messages\":%" PRIu64 "}\n" :
			    "messages: %" PRIu64 "\n", n);
	} else if (status == EX_OK && told.lines == 0)
		fprintf(stderr, "no message matches; nothing was changed\n");
	return status;
}

/* How many there are, by a count; UINT64_MAX: no answer. */
static uint64_t
count(struct channel *c, const struct selection *s, enum queue_change change,
    int *status_r)
{
	uint64_t n = UINT64_MAX;
	struct message m;
	struct slice why;

	ask(c, s, change, QUEUE_COUNT);
	*status_r = EX_UNAVAILABLE;
	while (channel_wait(c, &m, -1) == 0) {
		if (m.type == TL_LINE)
			slice_to_u64(m.body.rest, 0, UINT64_MAX - 1, &n);
		if (m.type != TL_END)
			continue;
		*status_r = get_u8(&m.body);
		why = get_slice(&m.body, 1024);
		if (why.n > 0)
			tool_fail(*status_r, "%.*s", SLICE_ARG(why));
		break;
	}
	return n;
}

static int
confirm(struct channel *c, const struct selection *s, enum queue_change change)
{
	char line[32];
	int status;
	uint64_t n = count(c, s, change, &status), typed = s->confirm;

	if (status != EX_OK || n <= CONFIRM_ABOVE || n == typed)
		return status;
	if (typed == 0 && isatty(STDIN_FILENO)) {
		fprintf(stderr, "%llu messages.  Type this number to go on: ",
		    (unsigned long long)n);
		if (fgets(line, sizeof(line), stdin) != NULL &&
		    slice_to_u64(slice_trim(slice_str(line)), 1, UINT64_MAX,
		    &typed) && typed == n)
			return EX_OK;
		return tool_fail(EX_USAGE, "nothing was changed");
	}
	return tool_fail(EX_USAGE, "these are %llu messages; nothing was "
	    "changed.  --dry-run shows them, --confirm %llu goes on",
	    (unsigned long long)n, (unsigned long long)n);
}
