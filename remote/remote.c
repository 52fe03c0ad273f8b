/* SPDX-License-Identifier: ISC */
/*
 * remote - takes messages to other hosts by SMTP and LMTP, for qmgr.
 *
 * One process holds thousands of connections.  Neither the hosts that it talks
 * to nor the resolver is trusted.
 *
 *	relay.c		what all parts share: limits, counts
 *	attempt.c	a job: who has got the message, who not yet, and why
 *	content.c	its bytes, in pieces
 *	site.c		a next hop; next_hop.c: its text
 *	plan.c		its hosts, in the order to try them
 *	conn.c		one connection
 *	smtp.c		what is said over it; compose.c: MAIL and RCPT
 *	secure.c	TLS: what is demanded, and what is remembered
 */
#include <sys/stat.h>

#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "ipc/child.h"
#include "relay.h"

struct remote {
	struct child	 child;
	struct relay	 relay;
};

static void	 channel_up(void *, struct channel *);
static void	 qmgr_says(void *, struct channel *, struct message *);
static void	 qmgr_is_down(void *, struct channel *);
static void	 resolver_says(void *, struct channel *, struct message *);
static void	 resolver_is_down(void *, struct channel *);
static void	 ask_socket(void *, uint64_t id, struct slice path);
static void	 take_authorities(struct remote *, int fd);
static void	 master_answers(void *, struct message *);
static int	 reload(void *, const struct conf *, struct buf *);
static void	 stop(void *);
static void	 stopped(void *);
static void	 watched(void *);
static void	 status(void *, struct buf *);

static const struct message_rule qmgr_rules[] = RULES_OF(DELIVERY);
static const struct channel_ops qmgr_ops = { qmgr_says, qmgr_is_down, NULL };
static const struct message_rule resolver_rules[] = RULES_OF(RESOLVER_CLIENT);
static const struct channel_ops resolver_ops = { resolver_says,
	resolver_is_down, NULL };
static const struct child_edge edges[] = {
	{ ROLE_QMGR, qmgr_rules, &qmgr_ops },
	{ ROLE_RESOLVER, resolver_rules, &resolver_ops },
	{ 0, NULL, NULL },
};
static const struct child_spec remote_spec = {
	.role = ROLE_REMOTE,
	.edges = edges,
	.in_batches = true,
	.channel_up = channel_up,
	.reload = reload,
	.stop = stop,
	.status = status,
	.watched = watched,
	.control = master_answers,
};

int
main(int argc, char *argv[])
{
	static struct remote d;

	child_init(&d.child, &remote_spec, &d, argc, argv);
	tls_init();
	relay_init(&d.relay, &d.child.loop, d.child.conf);
	d.relay.taps = &d.child.taps;
	d.relay.ask_socket = ask_socket;
	d.relay.ask_socket_arg = &d;
	child_enter(&d.child);
	return child_run(&d.child);
}

static void
channel_up(void *arg, struct channel *c)
{
	struct remote *d = arg;

	if (channel_peer(c) == ROLE_QMGR)
		d->relay.qmgr = c;
	else
		dns_up(&d->relay.dns, c);
}

static void
qmgr_says(void *arg, struct channel *c, struct message *m)
{
	struct remote *d = arg;

	relay_message(&d->relay, c, m);
}

static void
qmgr_is_down(void *arg, struct channel *c)
{
	struct remote *d = arg;

	if (d->relay.qmgr == c)
		relay_qmgr_down(&d->relay);
}

static void
resolver_says(void *arg, struct channel *c, struct message *m)
{
	struct remote *d = arg;

	dns_message(&d->relay.dns, c, m);
}

static void
resolver_is_down(void *arg, struct channel *c)
{
	struct remote *d = arg;

	dns_down(&d->relay.dns, c);
}

/* From an empty root no Unix socket can be reached. */
static void
ask_socket(void *arg, uint64_t id, struct slice path)
{
	struct remote *d = arg;
	struct buf *b = channel_begin(d->child.master, CTL_SOCKET_WANTED, id);

	if (b != NULL)
		put_slice(b, path);
	channel_end(d->child.master);
}

/* What cannot be read is as good as none: nothing is verified then. */
static void
take_authorities(struct remote *d, int fd)
{
	struct buf pem = BUF_INIT(AUTHORITIES_BYTES);
	struct stat st;
	ssize_t n = 0;

	if (fstat(fd, &st) == 0 && st.st_size > 0 &&
	    buf_reserve(&pem, (size_t)st.st_size) != NULL)
		n = pread(fd, pem.p, (size_t)st.st_size, 0);
	if (n > 0)
		pem.n = (size_t)n;
	relay_take_authorities(&d->relay, buf_slice(&pem));
	buf_clear(&pem);
}

static void
master_answers(void *arg, struct message *m)
{
	struct remote *d = arg;
	struct slice why;

	if (m->type == CTL_AUTHORITIES) {
		take_authorities(d, m->fds[0]);
		return;
	}
	if (m->type == CTL_SOCKET) {
		relay_got_socket(&d->relay, m->id, m->fds[0]);
		m->fds[0] = -1;
		return;
	}
	why = get_slice(&m->body, 512);
	if (m->type == CTL_SOCKET_REFUSED && wire_done(&m->body))
		relay_no_socket(&d->relay, m->id, why);
	else
		channel_breach(d->child.master, "socket");
}

static void
watched(void *arg)
{
	struct remote *d = arg;

	relay_watched(&d->relay);
}

/* Connections that stand keep what they were greeted with. */
static int
reload(void *arg, const struct conf *conf, struct buf *why)
{
	struct remote *d = arg;

	(void)why;
	relay_configure(&d->relay, conf);
	return 0;
}

static void
stop(void *arg)
{
	struct remote *d = arg;

	relay_stop(&d->relay, stopped, d);
}

static void
stopped(void *arg)
{
	struct remote *d = arg;

	ev_stop(&d->child.loop);
}

static void
status(void *arg, struct buf *b)
{
	const struct remote *d = arg;
	const struct relay *r = &d->relay;

	buf_printf(b, "next-hops=%zu tls-sessions=%zu", r->nsites,
	    r->nsessions);
}
