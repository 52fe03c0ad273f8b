/* SPDX-License-Identifier: ISC */
/*
 * smtpd - receive mail (RFC 5321, RFC 2033) for qmgr.
 *
 *	session.c	what a session is: input, state, time, replies, end
 *	verbs.c		its commands; rcpt.c: RCPT, which lookup decides
 *	login.c		AUTH, with auth
 *	submission.c	what is done for and asked of users who log in
 *	content.c	DATA and BDAT
 *	submit.c	qmgr: queue ids, files, messages, QUEUED
 *	trace.c		the Received field
 *	settings.c	the configuration
 */
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "ipc/child.h"
#include "login.h"
#include "rcpt.h"
#include "session.h"
#include "submit.h"

static struct child child;
static struct smtpd smtpd;	/* the argument of all that child calls */
static struct certificates certificates;
static struct acceptor_list listeners = LIST_HEAD_INITIALIZER(listeners);

static void	 configure(struct smtpd *);
static struct tls_context *tls_of(void *, const char *);
static void	 watched(void *);
static void	 control(void *, struct message *);
static void	 channel_up(void *, struct channel *);
static void	 listener(void *, enum listener_kind, const char *, int);
static void	 accepted(void *, const struct acceptor *, int,
		    const struct peer *);
static void	 accepting_paused(void *, int);
static void	 shared(void *, const char *, int);
static int	 reload(void *, const struct conf *, struct buf *);
static void	 stop(void *);
static void	 drained(void *);
static void	 status(void *, struct buf *);
static void	 resolver_message(void *, struct channel *, struct message *);
static void	 resolver_down(void *, struct channel *);

static const struct message_rule resolver_rules[] = RULES_OF(RESOLVER_CLIENT);
static const struct channel_ops resolver_ops = { resolver_message,
	resolver_down, NULL };

static const struct child_edge edges[] = {
	{ ROLE_QMGR,	 smtpd_qmgr_rules,   &smtpd_qmgr_ops },
	{ ROLE_LOOKUP,	 smtpd_lookup_rules, &smtpd_lookup_ops },
	{ ROLE_RESOLVER, resolver_rules,     &resolver_ops },
	{ ROLE_AUTH,	 smtpd_auth_rules,   &smtpd_auth_ops },
	{ ROLE_KEYS,	 keys_client_rules,  &keys_client_ops },
	{ 0 },
};

static const struct child_spec spec = {
	.role = ROLE_SMTPD,
	.edges = edges,
	.in_batches = true,
	.channel_up = channel_up,
	.listener = listener,
	.shared = shared,
	.reload = reload,
	.stop = stop,
	.status = status,
	.watched = watched,
	.control = control,
};

int
main(int argc, char *argv[])
{
	child_init(&child, &spec, &smtpd, argc, argv);
	configure(&smtpd);
	child_enter(&child);
	return child_run(&child);
}

static void
configure(struct smtpd *d)
{
	struct buf why = BUF_INIT(4096);
	struct settings *set = settings_new(child.conf, &why);

	if (set == NULL)
		log_fatal("event=bad-configuration reason=%s",
		    LOG_Q(buf_slice(&why)));
	smtpd_init(d, &child.loop, set);
	certificates_init(&certificates, &child);
	d->tls_of = tls_of;
	d->tls_arg = &certificates;
	d->taps = &child.taps;
}

static struct tls_context *
tls_of(void *arg, const char *listener_name)
{
	return certificates_of(arg, listener_name);
}

static void
watched(void *arg)
{
	session_tap_all(arg);
}

static void
control(void *arg, struct message *m)
{
	if (m->type == CTL_LOGOUT)
		login_logout(arg, get_rest(&m->body));
	else if (!certificates_control(&certificates, m))
		channel_breach(child.master, "not-for-smtpd");
}

static void
listener(void *arg, enum listener_kind kind, const char *name, int fd_take)
{
	static const struct acceptor_ops ops = { accepted, accepting_paused };

	acceptor_new(&listeners, &child.loop, (int)kind, name,
	    fd_take, &ops, arg);
}

static void
accepted(void *arg, const struct acceptor *from, int fd_take,
    const struct peer *peer)
{
	struct smtpd *d = arg;
	struct client c = { .peer = *peer, .listener = from->name,
		.kind = (enum listener_kind)from->kind };

	if (peer->family != AF_UNIX)
		c.tls = certificates_mode(&certificates, from->name);
	session_new(d, fd_take, &c);
}

static void
accepting_paused(void *arg, int error)
{
	const struct smtpd *d = arg;

	acceptor_log_pause(error, d->nsessions);
}

static void
shared(void *arg, const char *name, int fd_take)
{
	struct smtpd *d = arg;

	if (!certificates_shared(&certificates, name, fd_take) &&
	    strcmp(name, "rate") == 0 &&
	    rate_share(&d->rate, fd_take, child.index) == -1)
		log_warn("event=rate-not-shared");
	close(fd_take);
}

static void
channel_up(void *arg, struct channel *c)
{
	struct smtpd *d = arg;

	if (channel_peer(c) == ROLE_QMGR)
		submit_qmgr_up(d, c);
	else if (channel_peer(c) == ROLE_LOOKUP)
		rcpt_lookup_up(d, c);
	else if (channel_peer(c) == ROLE_AUTH)
		login_auth_up(d, c);
	else if (channel_peer(c) == ROLE_RESOLVER)
		dns_up(&d->dns, c);
}

/* Sessions that are there keep the settings they began with. */
static int
reload(void *arg, const struct conf *conf, struct buf *why)
{
	struct smtpd *d = arg;
	struct settings *set = settings_new(conf, why);

	if (set == NULL)
		return -1;
	settings_release(&d->settings);
	d->settings = set;
	certificates_reload(&certificates);
	return 0;
}

static void
stop(void *arg)
{
	acceptors_free(&listeners);
	smtpd_drain(arg, drained, NULL);
}

static void
drained(void *arg)
{
	(void)arg;
	ev_stop(&child.loop);
}

static void
status(void *arg, struct buf *b)
{
	const struct smtpd *d = arg;

	buf_printf(b, "content_bytes=%ju", (uintmax_t)d->content_bytes);
}

static void
resolver_message(void *arg, struct channel *c, struct message *m)
{
	struct smtpd *d = arg;

	dns_message(&d->dns, c, m);
}

static void
resolver_down(void *arg, struct channel *c)
{
	struct smtpd *d = arg;

	dns_down(&d->dns, c);
}
