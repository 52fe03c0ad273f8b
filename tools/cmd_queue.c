/* SPDX-License-Identifier: ISC */
/*
 * cmd_queue - `chasqui queue`: list, show and change what is in the queue.
 *
 * Messages are named by their ids, selected by options, or both; a change needs
 * one of them, or --all.  `check` reads the queue's files itself, whether the
 * suite is running or not (cmd_queue_check.c).
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "chasqui.h"
#include "queue_print.h"

struct selection {
	struct queue_filter	 filter;
	uint64_t		 ids[QUEUE_FILTER_IDS];
	bool			 any;		/* something was selected */
	bool			 all;
	bool			 dry_run;
	bool			 json;
};

static int	 run_queue(struct tool *, int, char *[]);
static int	 run_list(struct tool *, struct selection *);
static int	 run_show(struct tool *, struct selection *);
static int	 run_change(struct tool *, struct selection *,
		    enum queue_change);
static int	 select_messages(struct selection *, int, char *[]);
static int	 select_option(struct selection *, int);
static int	 select_age(int64_t *);
static int	 select_size(uint64_t *);
static int	 select_state(struct selection *);
static int	 select_ids(struct selection *, int, char *[]);

const struct command cmd_queue = { "queue",
	"check [--repair] [--json] |\n"
	"    shape [--by next-hop|sender-domain|recipient-domain] [--rows N] "
	"[--bars] [--json] |\n"
	"    list|show|hold|release|retry|delete|bounce [ID...] [--sender A] "
	"[--recipient A] [--next-hop H] [--reason TEXT] [--older T] "
	"[--younger T] [--larger N] [--smaller N] "
	"[--state active|deferred|held] [--all] [--dry-run] [--json]",
	"list, show or change the messages in the queue, or check its files",
	run_queue };

static const struct {
	const char		*name;
	enum queue_change	 change;	/* 0: none */
	int			 (*run)(struct tool *, struct selection *);
} verbs[] = {
	{ "list",	0,		run_list },
	{ "show",	0,		run_show },
	{ "hold",	QUEUE_HOLD,	NULL },
	{ "release",	QUEUE_RELEASE,	NULL },
	{ "retry",	QUEUE_RETRY,	NULL },
	{ "delete",	QUEUE_DELETE,	NULL },
	{ "bounce",	QUEUE_BOUNCE,	NULL },
};

static int
run_queue(struct tool *t, int argc, char *argv[])
{
	static struct selection s;
	size_t i;
	int status;

	if (argc > 1 && strcmp(argv[1], "check") == 0)
		return run_queue_check(t, argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "shape") == 0)
		return run_queue_shape(t, argc - 1, argv + 1);
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (argc > 1 && strcmp(argv[1], verbs[i].name) == 0)
			break;
	if (i == sizeof(verbs) / sizeof(verbs[0]))
		return tool_fail(EX_USAGE, "say what to do: check, shape, list, "
		    "show, hold, release, retry, delete or bounce");
	status = select_messages(&s, argc - 1, argv + 1);
	if (status != EX_OK)
		return status;
	if (verbs[i].run != NULL)
		return verbs[i].run(t, &s);
	return run_change(t, &s, verbs[i].change);
}

static int
run_list(struct tool *t, struct selection *s)
{
	struct queue_print p = { .form = s->json ? QUEUE_FORM_JSON :
		QUEUE_FORM_MAILQ };
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

static int
run_change(struct tool *t, struct selection *s, enum queue_change change)
{
	struct channel *c;
	struct buf *b;
	int status;

	if (!s->any && !s->all)
		return tool_fail(EX_USAGE, "name messages by their queue ids, "
		    "select them (--sender, --recipient, ...), or say --all");
	c = tool_connect(t, SOCKET_QUEUE);
	b = channel_begin(c, TL_QUEUE_CHANGE, 1);
	if (b != NULL) {
		put_u8(b, (uint8_t)change);
		put_u8(b, s->dry_run);
		queue_filter_pack(b, &s->filter);
	}
	channel_end(c);
	status = tool_answer(c, NULL, NULL);
	channel_free(&c);
	return status;
}

/* ---- what is selected ---------------------------------------------------- */

enum {
	OPT_SENDER = 256, OPT_RECIPIENT, OPT_NEXT_HOP, OPT_REASON, OPT_OLDER,
	OPT_YOUNGER, OPT_LARGER, OPT_SMALLER, OPT_STATE, OPT_ALL, OPT_DRY_RUN,
	OPT_JSON,
};

static const struct option options[] = {
	{ "sender",	required_argument, NULL, OPT_SENDER },
	{ "recipient",	required_argument, NULL, OPT_RECIPIENT },
	{ "next-hop",	required_argument, NULL, OPT_NEXT_HOP },
	{ "reason",	required_argument, NULL, OPT_REASON },
	{ "older",	required_argument, NULL, OPT_OLDER },
	{ "younger",	required_argument, NULL, OPT_YOUNGER },
	{ "larger",	required_argument, NULL, OPT_LARGER },
	{ "smaller",	required_argument, NULL, OPT_SMALLER },
	{ "state",	required_argument, NULL, OPT_STATE },
	{ "all",	no_argument,	   NULL, OPT_ALL },
	{ "dry-run",	no_argument,	   NULL, OPT_DRY_RUN },
	{ "json",	no_argument,	   NULL, OPT_JSON },
	{ NULL,		0,		   NULL, 0 },
};

static int
select_messages(struct selection *s, int argc, char *argv[])
{
	int opt, status;

	s->filter.ids = s->ids;
	optind = 0;	/* getopt has seen the command before ours */
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		status = select_option(s, opt);
		if (status != EX_OK)
			return status;
	}
	return select_ids(s, argc - optind, argv + optind);
}

static int
select_option(struct selection *s, int opt)
{
	struct queue_filter *f = &s->filter;

	if (opt < OPT_ALL)
		s->any = true;
	switch (opt) {
	case OPT_SENDER:
		f->sender = slice_str(optarg);
		return EX_OK;
	case OPT_RECIPIENT:
		f->recipient = slice_str(optarg);
		return EX_OK;
	case OPT_NEXT_HOP:
		f->next_hop = slice_str(optarg);
		return EX_OK;
	case OPT_REASON:
		f->reason = slice_str(optarg);
		return EX_OK;
	case OPT_OLDER:
		return select_age(&f->older_ms);
	case OPT_YOUNGER:
		return select_age(&f->younger_ms);
	case OPT_LARGER:
		return select_size(&f->larger);
	case OPT_SMALLER:
		return select_size(&f->smaller);
	case OPT_STATE:
		return select_state(s);
	case OPT_ALL:
		s->all = true;
		return EX_OK;
	case OPT_DRY_RUN:
		s->dry_run = true;
		return EX_OK;
	case OPT_JSON:
		s->json = true;
		return EX_OK;
	default:
		return EX_USAGE;	/* getopt has said why */
	}
}

static int
select_age(int64_t *ms_r)
{
	uint64_t ms;

	if (!conf_duration_parse(slice_str(optarg), &ms) || ms == 0 ||
	    ms > INT64_MAX)
		return tool_fail(EX_USAGE, "%s is no time: 90s, 30m, 4h, 2d",
		    optarg);
	*ms_r = (int64_t)ms;
	return EX_OK;
}

static int
select_size(uint64_t *bytes_r)
{
	if (!conf_size_parse(slice_str(optarg), bytes_r) || *bytes_r == 0)
		return tool_fail(EX_USAGE, "%s is no size: 1000, 50K, 10M",
		    optarg);
	return EX_OK;
}

static int
select_state(struct selection *s)
{
	static const struct {
		const char		*name;
		enum queue_state	 state;
	} states[] = {
		{ "active", QUEUE_ACTIVE }, { "deferred", QUEUE_DEFERRED },
		{ "held", QUEUE_HELD },
	};
	size_t i;

	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(optarg, states[i].name) == 0) {
			s->filter.states |= (uint8_t)(1u << states[i].state);
			return EX_OK;
		}
	return tool_fail(EX_USAGE, "%s is no state: active, deferred, held",
	    optarg);
}

static int
select_ids(struct selection *s, int argc, char *argv[])
{
	int i;

	if (argc > QUEUE_FILTER_IDS)
		return tool_fail(EX_USAGE, "at most %d messages at once; use "
		    "--sender, --recipient and so on for more",
		    QUEUE_FILTER_IDS);
	for (i = 0; i < argc; i++) {
		if (!queue_id_parse(slice_str(argv[i]), &s->ids[i]))
			return tool_fail(EX_USAGE, "%s is no queue id: they "
			    "have %d letters and digits", argv[i],
			    QUEUE_ID_CHARS);
		s->any = true;
	}
	s->filter.nids = (size_t)argc;
	return EX_OK;
}
