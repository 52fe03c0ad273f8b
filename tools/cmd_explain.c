/* SPDX-License-Identifier: ISC */
/* cmd_explain - `chasqui explain`: where mail for an address goes, and why.
 * The running suite answers, from the tables that are in force; for a login
 * auth and a verifier do, too.  No password is asked for, or shown. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "chasqui.h"
#include "conf/conf.h"

static int	 run_explain(struct tool *, int, char *[]);
static int	 explain_logins(struct tool *, int, char *[]);
static int	 ask_login(struct tool *, const char *socket,
		    const char *login);

const struct command cmd_explain = { "explain",
	"ADDRESS... | login NAME...",
	"say where mail for an address goes, or what a login may",
	run_explain };

static int
ask_login(struct tool *t, const char *socket, const char *login)
{
	struct channel *c = tool_connect(t, socket);
	struct buf *b = channel_begin(c, TL_LOGIN, 1);
	int r;

	if (b != NULL)
		put_slice(b, slice_str(login));
	channel_end(c);
	r = tool_answer(c, NULL, NULL);
	channel_free(&c);
	return r;
}

/* As auth makes a login of a name, auth.default_domain and all. */
static int
explain_logins(struct tool *t, int argc, char *argv[])
{
	const char *domain = tool_conf(t)->auth_default_domain;
	char login[321];
	int i, n, r, status = EX_OK;

	for (i = 0; i < argc; i++) {
		n = snprintf(login, sizeof(login), "%s%s%s", argv[i],
		    domain[0] != '\0' && strchr(argv[i], '@') == NULL ? "@" :
		    "", strchr(argv[i], '@') == NULL ? domain : "");
		if (n < 1 || (size_t)n >= sizeof(login))
			return tool_fail(EX_USAGE, "a login name has 1 to 320 "
			    "bytes");
		printf("%slogin %s\n", i > 0 ? "\n" : "", login);
		fflush(stdout);
		r = ask_login(t, SOCKET_CONTROL, login);
		if (r == EX_OK)
			r = ask_login(t, SOCKET_LOOKUP, login);
		if (r != EX_OK)
			status = r;
	}
	return status;
}

/* ---- the last step ------------------------------------------------------- */

/* What the configuration says of connections to a next hop. */
static void
tell_policy(const struct conf *c, struct slice hop)
{
	const struct conf_nexthop *h = conf_nexthop_find(c, hop);
	bool own = h != NULL && strcmp(h->tls, "default") != 0;

	printf("   TLS: %s (%s)\n", own ? h->tls : c->remote_tls, own ?
	    "its nexthop block" : "remote.tls");
	if (own && h->tls_fingerprints.n > 0)
		printf("   with one of %zu fingerprints\n",
		    h->tls_fingerprints.n);
}

/* Where mail would end. */
struct ends {
	bool	 remote;
	bool	 local;
};

/* A line of the answer, as it stands and with what others than lookup know:
 * "=> ADDRESS: next hop HOP (by MX)", "=> ADDRESS: Maildir ...". */
static void
tell_line(struct tool *t, struct slice line, struct ends *mail)
{
	static const char mark[] = ": next hop ";
	struct slice hop = line;

	printf("%.*s\n", SLICE_ARG(line));
	if (!slice_starts(line, SLICE_LIT("=> ")))
		return;
	while (hop.n > 0 && !slice_starts(hop, slice_str(mark)))
		hop = slice_from(hop, 1);
	if (hop.n == 0) {
		mail->local = true;
		return;
	}
	mail->remote = true;
	hop = slice_from(hop, sizeof(mark) - 1);
	tell_policy(tool_conf(t), slice_first(hop, slice_find(hop, ' ')));
}

/* What is paused and concerns such mail. */
static void
tell_pause(void *arg, struct slice pause)
{
	const struct ends *mail = arg;

	if (slice_starts(pause, SLICE_LIT("local ")) ? mail->local :
	    slice_starts(pause, SLICE_LIT("outbound ")) ||
	    slice_starts(pause, SLICE_LIT("next-hop ")) ? mail->remote : false)
		printf("   paused: %.*s\n", SLICE_ARG(pause));
}

static int
explain_answer(struct tool *t, struct channel *c)
{
	struct ends mail = { false, false };
	struct message m;
	struct slice why;
	int status;

	while (channel_wait(c, &m, -1) == 0)
		if (m.type == TL_LINE)
			tell_line(t, get_rest(&m.body), &mail);
		else if (m.type == TL_END) {
			status = get_u8(&m.body);
			why = get_slice(&m.body, 1024);
			pauses_each(t, tell_pause, &mail);
			return why.n > 0 ? tool_fail(status, "%.*s",
			    SLICE_ARG(why)) : status;
		}
	return tool_fail(EX_UNAVAILABLE, "the suite has not answered");
}

static int
run_explain(struct tool *t, int argc, char *argv[])
{
	static const struct option options[] = { { NULL, 0, NULL, 0 } };
	struct channel *c;
	struct buf *b;
	int i, status = EX_OK, r;

	if (getopt_long(argc, argv, "+", options, NULL) != -1 ||
	    optind == argc)
		return tool_usage(&cmd_explain);
	argc -= optind - 1;
	argv += optind - 1;
	if (strcmp(argv[1], "login") == 0 && argc > 2)
		return explain_logins(t, argc - 2, argv + 2);
	for (i = 1; i < argc; i++)
		if (strlen(argv[i]) > 1500)
			return tool_fail(EX_USAGE, "an address is too long");
	c = tool_connect(t, SOCKET_LOOKUP);
	for (i = 1; i < argc; i++) {
		b = channel_begin(c, TL_EXPLAIN, (uint64_t)i);
		if (b != NULL) {
			put_slice(b, slice_str(argv[i]));
			put_u8(b, 0);
		}
		channel_end(c);
		r = explain_answer(t, c);
		if (r != EX_OK)
			status = r;
		if (i + 1 < argc)
			putchar('\n');
	}
	channel_free(&c);
	return status;
}
