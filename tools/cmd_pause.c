/* SPDX-License-Identifier: ISC */
/* cmd_pause - `chasqui pause` and `chasqui resume`: what the suite does not do
 * for a while.  It stays so across restarts. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/clock.h"
#include "chasqui.h"
#include "ipc/queue_tool.h"

static int	 run_pause(struct tool *, int, char *[]);
static int	 run_resume(struct tool *, int, char *[]);
static void	 print_pause(void *, struct slice);

const struct command cmd_pause = { "pause",
	"[WHAT] [--for T] [--reason TEXT]\n"
	"    WHAT: outbound | local | inbound | submission | next-hop HOST",
	"stop deliveries or new mail for a while, or say what is stopped",
	run_pause };

const struct command cmd_resume = { "resume",
	"WHAT\n"
	"    WHAT: outbound | local | inbound | submission | next-hop HOST",
	"go on with what was paused", run_resume };

static const struct {
	const char	*name;
	enum pause_kind	 kind;
} kinds[] = {
	{ "next-hop",	PAUSE_NEXT_HOP },
	{ "outbound",	PAUSE_OUTBOUND },
	{ "local",	PAUSE_LOCAL },
	{ "inbound",	PAUSE_INBOUND },
	{ "submission",	PAUSE_SUBMISSION },
};

/* What argv names; false: nothing. */
static bool
take_what(struct pause *p, int argc, char *argv[])
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (argc > 0 && strcmp(argv[0], kinds[i].name) == 0)
			p->kind = kinds[i].kind;
	if (p->kind == 0 || argc != (p->kind == PAUSE_NEXT_HOP ? 2 : 1))
		return false;
	if (argc == 2)
		p->next_hop = slice_str(argv[1]);
	return argc == 1 || p->next_hop.n > 0;
}

static int
ask(struct tool *t, bool pause, const struct pause *p)
{
	struct channel *c = tool_connect(t, SOCKET_QUEUE);
	struct buf *b = channel_begin(c, TL_PAUSE, 1);
	int status;

	if (b != NULL) {
		put_u8(b, pause);
		pause_pack(b, p);
	}
	channel_end(c);
	status = tool_answer(c, NULL, NULL);
	channel_free(&c);
	return status;
}

static int
list(struct tool *t)
{
	struct channel *c = tool_connect(t, SOCKET_QUEUE);
	size_t n = 0;
	int status;

	channel_send(c, TL_PAUSES, 1, SLICE_EMPTY);
	status = tool_answer_lines(c, print_pause, &n);
	channel_free(&c);
	if (status == EX_OK && n == 0)
		fprintf(stderr, "nothing is paused\n");
	return status;
}

static void
print_pause(void *arg, struct slice line)
{
	size_t *n = arg;

	++*n;
	printf("%.*s\n", SLICE_ARG(line));
}

void
pauses_each(struct tool *t, void (*take)(void *, struct slice), void *arg)
{
	struct channel *c = tool_connect_if_running(t, SOCKET_QUEUE);
	struct message m;

	if (c == NULL)
		return;
	channel_send(c, TL_PAUSES, 1, SLICE_EMPTY);
	while (channel_wait(c, &m, -1) == 0 && m.type == TL_LINE)
		take(arg, get_rest(&m.body));
	channel_free(&c);
}

static int
take_option(struct pause *p, int opt)
{
	uint64_t ms;

	switch (opt) {
	case 'f':
		if (!conf_duration_parse(slice_str(optarg), &ms) || ms == 0 ||
		    ms > INT64_C(366) * 86400 * 1000)
			return tool_fail(EX_USAGE, "%s is no time: 90s, 30m, "
			    "4h, 2d", optarg);
		p->until_ms = clock_wall_ms() + (int64_t)ms;
		return EX_OK;
	case 'r':
		p->reason = slice_str(optarg);
		if (p->reason.n > PAUSE_REASON_BYTES)
			return tool_fail(EX_USAGE, "a reason has at most %d "
			    "bytes", PAUSE_REASON_BYTES);
		return EX_OK;
	default:
		return tool_usage(&cmd_pause);
	}
}

static int
run_pause(struct tool *t, int argc, char *argv[])
{
	static const struct option options[] = {
		{ "for",	required_argument, NULL, 'f' },
		{ "reason",	required_argument, NULL, 'r' },
		{ NULL,		0,		   NULL, 0 },
	};
	struct pause p = { 0 };
	int opt, status;

	if (argc == 1)
		return list(t);
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		status = take_option(&p, opt);
		if (status != EX_OK)
			return status;
	}
	if (!take_what(&p, argc - optind, argv + optind))
		return tool_usage(&cmd_pause);
	return ask(t, true, &p);
}

static int
run_resume(struct tool *t, int argc, char *argv[])
{
	struct pause p = { 0 };

	if (!take_what(&p, argc - 1, argv + 1))
		return tool_usage(&cmd_resume);
	return ask(t, false, &p);
}
