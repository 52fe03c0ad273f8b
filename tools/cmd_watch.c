/* SPDX-License-Identifier: ISC */
/*
 * cmd_watch - sessions as they are spoken, of clients and hosts in a network.
 *
 * The lines come from processes that talk to the network (ipc/tap.h), so they
 * are looked at as what anybody may have sent.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "chasqui.h"
#include "ipc/json.h"
#include "ipc/tap.h"

#define READ_BYTES	65536
#define WHY_MS		2000	/* for master to say why it is over */

static int	 run(struct tool *, int, char *[]);
static bool	 take_protocols(const char *, uint32_t *);
static int	 watch(struct tool *, const struct conf_net *, uint32_t,
		    void (*show)(struct slice));
static int	 ended(struct message *);
static void	 read_lines(int fd, void (*show)(struct slice));
static bool	 show_all(struct buf *, void (*show)(struct slice));
static void	 show_line(struct slice);
static bool	 show_time(struct slice);
static void	 show_object(struct slice);

const struct command cmd_watch = { "watch",
	"[--protocol NAME[,NAME]...] [--json] NETWORK",
	"show what clients in a network say and hear, without their secrets",
	run };

static int
run(struct tool *t, int argc, char *argv[])
{
	static const struct option options[] = {
		{ "protocol", required_argument, NULL, 'p' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	void (*show)(struct slice) = show_line;
	struct conf_net net;
	uint32_t protocols = 0;
	int ch;

	while ((ch = getopt_long(argc, argv, "p:", options, NULL)) != -1)
		if (ch == 'j')
			show = show_object;
		else if (ch != 'p')
			return tool_usage(&cmd_watch);
		else if (!take_protocols(optarg, &protocols))
			return tool_fail(EX_USAGE, "\"%s\": the protocols are "
			    "smtp, lmtp, submission, imap, pop3, and remote, "
			    "which is what is said to other hosts", optarg);
	if (optind + 1 != argc)
		return tool_usage(&cmd_watch);
	if (!conf_net_parse(argv[optind], &net))
		return tool_fail(EX_USAGE, "\"%s\" is no network, such as "
		    "192.0.2.7, 192.0.2.0/24 or 2001:db8::/32", argv[optind]);
	return watch(t, &net, protocols == 0 ? UINT32_MAX : protocols, show);
}

/* "smtp,imap" */
static bool
take_protocols(const char *text, uint32_t *protocols)
{
	struct slice rest = slice_str(text), name;
	unsigned i;

	while (slice_next(&rest, ',', &name)) {
		for (i = 0; i < TAP_PROTOCOLS; i++)
			if (slice_eq(name, slice_str(tap_protocol_names[i])))
				break;
		if (i == TAP_PROTOCOLS)
			return false;
		*protocols |= 1u << i;
	}
	return true;
}

static int
watch(struct tool *t, const struct conf_net *net, uint32_t protocols,
    void (*show)(struct slice))
{
	struct channel *c = tool_connect(t, SOCKET_CONTROL);
	struct buf *b = channel_begin(c, TL_WATCH, 1);
	struct message m = { 0 };
	int status;

	if (b != NULL) {
		put_u32(b, protocols);
		put_u8(b, net->bits);
		buf_add(b, slice_of(net->addr, sizeof(net->addr)));
	}
	channel_end(c);
	if (channel_wait(c, &m, -1) == 0 && m.type == TL_WATCHING) {
		setvbuf(stdout, NULL, _IOLBF, 0);
		fprintf(stderr, "watching; ^C ends it\n");
		read_lines(m.fds[0], show);
		if (channel_wait(c, &m, WHY_MS) == -1)
			m.type = 0;
	}
	status = ended(&m);
	channel_free(&c);
	return status;
}

static int
ended(struct message *m)
{
	struct slice why;
	int status;

	if (m->type != TL_END)
		return tool_fail(EX_UNAVAILABLE, "the suite has ended");
	status = get_u8(&m->body);
	why = get_slice(&m->body, 1024);
	return tool_fail(status, "%.*s", SLICE_ARG(why));
}

/* Until all who could write have closed it. */
static void
read_lines(int fd, void (*show)(struct slice))
{
	struct buf in = BUF_INIT(READ_BYTES + TAP_LINE_BYTES);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	for (;;) {
		if (poll(&p, 1, -1) == -1 && errno != EINTR)
			break;
		if (buf_reserve(&in, READ_BYTES) == NULL)
			buf_reset(&in);		/* a line without an end */
		n = read(fd, buf_reserve(&in, READ_BYTES), READ_BYTES);
		if (n == 0)
			break;
		if (n == -1 && errno != EAGAIN && errno != EINTR)
			break;
		in.n += n > 0 ? (size_t)n : 0;
		if (!show_all(&in, show))
			break;
	}
	buf_clear(&in);
}

/* Whole lines; false when nobody reads them. */
static bool
show_all(struct buf *in, void (*show)(struct slice))
{
	struct slice rest = buf_slice(in);
	size_t n;

	while ((n = slice_find(rest, '\n')) < rest.n) {
		show(slice_first(rest, n));
		rest = slice_from(rest, n + 1);
	}
	buf_drop(in, in->n - rest.n);
	return !ferror(stdout);
}

static void
show_line(struct slice line)
{
	size_t n = slice_find(line, ' '), i;

	if (show_time(slice_first(line, n)))
		line = slice_from(line, n);
	for (i = 0; i < line.n && i < TAP_LINE_BYTES; i++)
		putchar(line.p[i] >= 0x20 && line.p[i] < 0x7f ? line.p[i] :
		    '?');
	putchar('\n');
}

/* Milliseconds since 1970 as the time of day here. */
static bool
show_time(struct slice text)
{
	struct tm tm;
	uint64_t ms;
	time_t t;

	if (!slice_to_u64(text, 0, INT64_MAX, &ms))
		return false;
	t = (time_t)(ms / 1000);
	if (localtime_r(&t, &tm) == NULL)
		return false;
	printf("%02d:%02d:%02d.%03d", tm.tm_hour, tm.tm_min, tm.tm_sec,
	    (int)(ms % 1000));
	return true;
}

/* What ipc/tap.h says a line has, as an object. */
static void
show_object(struct slice line)
{
	static const char *const keys[] = { "protocol", "session", "peer",
		"direction" };
	struct slice rest = line, word;
	uint64_t ms;
	size_t i;

	if (!slice_next(&rest, ' ', &word) ||
	    !slice_to_u64(word, 0, INT64_MAX, &ms))
		return;
	printf("{\"time_ms\":%" PRIu64, ms);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]) &&
	    slice_next(&rest, ' ', &word); i++) {
		putchar(',');
		json_text(keys[i], word);
	}
	putchar(',');
	json_text("text", slice_first(rest, TAP_LINE_BYTES));
	puts("}");
}
