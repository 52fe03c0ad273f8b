/* SPDX-License-Identifier: ISC */
/* login - see login.h.  Here: the process. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "login/login.h"

static void	 configure(struct login *, const struct conf *);
static void	 channel_up(void *, struct channel *);
static void	 listener(void *, enum listener_kind, const char *, int);
static void	 accepted(void *, const struct acceptor *, int,
		    const struct peer *);
static void	 accepting_paused(void *, int);
static void	 shared(void *, const char *, int);
static int	 reload(void *, const struct conf *, struct buf *);
static void	 retire(void *);
static void	 stop(void *);
static void	 stop_is_late(void *);
static void	 watched(void *);
static void	 control(void *, struct message *);
static void	 reap(void *);

static const struct child_edge edges[] = {
	{ ROLE_AUTH,  auth_rules,	 &auth_ops },
	{ ROLE_KEYS,  keys_client_rules, &keys_client_ops },
	{ ROLE_LOCAL, news_rules,	 &news_ops },
	{ 0, NULL, NULL },
};

int
login_main(const struct login_protocol *protocol, int argc, char *argv[])
{
	static struct child_spec spec = { .edges = edges,
		.channel_up = channel_up, .listener = listener,
		.shared = shared, .reload = reload, .stop = stop,
		.retire = retire, .watched = watched, .control = control };
	static struct login l;

	spec.role = protocol->role;
	login_init(&l, protocol);
	child_init(&l.child, &spec, &l, argc, argv);
	configure(&l, l.child.conf);
	certificates_init(&l.certificates, &l.child);
	child_enter(&l.child);
	return child_run(&l.child);
}

void
login_init(struct login *l, const struct login_protocol *protocol)
{
	memset(l, 0, sizeof(*l));
	l->protocol = protocol;
	TAILQ_INIT(&l->conns);
	TAILQ_INIT(&l->over);
	RB_INIT(&l->mails);
	l->with_certificate = mem_strdup("");
	l->with_tls = mem_strdup("");
	l->without_tls = mem_strdup("");
	l->from_here = mem_strdup("");
	rate_init(&l->rate);
	ev_task_init(&l->reaper, reap, l);
	l->hostname = mem_strdup("localhost");
	l->max_connections = l->client_connections = 1000;
	l->login_ms = 60000;
	l->gone_ms = GONE_MS;
}

void
login_clear(struct login *l)
{
	struct conn *c, *next;

	TAILQ_FOREACH_SAFE(c, &l->conns, entry, next)
		conn_cut(c, "end");
	reap(l);
	ev_task_cancel(&l->child.loop, &l->reaper);
	ev_timer_clear(&l->stop_timer);
	rate_clear(&l->rate);
	free(l->slots);
	free(l->free_slots);
	free(l->with_certificate);
	free(l->with_tls);
	free(l->without_tls);
	free(l->from_here);
	free(l->hostname);
}

static void
configure(struct login *l, const struct conf *c)
{
	bool imap = l->protocol->auth == AUTH_IMAP;

	free(l->hostname);
	l->hostname = mem_strdup(c->hostname);
	l->max_connections = imap ? c->imap_max_connections :
	    c->pop3_max_connections;
	l->client_connections = imap ? c->imap_client_connections :
	    c->pop3_client_connections;
	l->login_ms = imap ? c->imap_login_timeout : c->pop3_login_timeout;
	l->idle_ms = c->imap_timeout;
}

static void
channel_up(void *arg, struct channel *c)
{
	if (channel_peer(c) == ROLE_LOCAL)
		watch_local_up(arg, c);
}

static void
shared(void *arg, const char *name, int fd_take)
{
	struct login *l = arg;

	if (!certificates_shared(&l->certificates, name, fd_take) &&
	    strcmp(name, "rate") == 0 &&
	    rate_share(&l->rate, fd_take, l->child.index) == -1)
		log_warn("event=rate-not-shared");
	close(fd_take);
}

/* Connections that are there keep what they began with. */
static int
reload(void *arg, const struct conf *conf, struct buf *why)
{
	struct login *l = arg;

	(void)why;
	configure(l, conf);
	certificates_reload(&l->certificates);
	return 0;
}

static void
watched(void *arg)
{
	struct login *l = arg;
	struct conn *c;

	TAILQ_FOREACH(c, &l->conns, entry)
		conn_tap(c);
}

static void
control(void *arg, struct message *m)
{
	struct login *l = arg;

	if (m->type == CTL_LOGOUT)
		login_logout(l, get_rest(&m->body));
	else if (!certificates_control(&l->certificates, m))
		session_control(l, m);
}

void
login_logout(struct login *l, struct slice body)
{
	struct wire w = wire_of(body);
	struct slice login = get_text(&w, LOGIN_BYTES);
	struct conn *c, *next;

	logouts_add(&l->logouts, login);
	TAILQ_FOREACH_SAFE(c, &l->conns, entry, next) {
		if (c->login == NULL ||
		    !slice_eq_nocase(slice_str(c->login), login))
			continue;
		if (c->state != CONN_SESSION) {
			conn_bye(c, LOGIN_END_LOGOUT);
			continue;
		}
		c->revoked = true;
		session_bye(c, "Your login was changed");
		ev_timer_set(&c->timer, LOGOUT_MS);
	}
}

/* Those that are there go on as ever. */
static void
retire(void *arg)
{
	struct login *l = arg;

	l->retiring = true;
	acceptors_free(&l->listeners);
	ev_task_ask(&l->child.loop, &l->reaper);
}

/* Sessions say goodbye themselves. */
static void
stop(void *arg)
{
	struct login *l = arg;
	struct conn *c, *next;

	l->stopping = true;
	acceptors_free(&l->listeners);
	ev_timer_init(&l->stop_timer, &l->child.loop, stop_is_late, l);
	ev_timer_set(&l->stop_timer, STOPPING_MS);
	TAILQ_FOREACH_SAFE(c, &l->conns, entry, next)
		if (c->state == CONN_SESSION)
			session_bye(c, "The server is shutting down");
		else
			conn_bye(c, LOGIN_END_STOP);
	ev_task_ask(&l->child.loop, &l->reaper);
}

static void
stop_is_late(void *arg)
{
	struct login *l = arg;
	struct conn *c, *next;

	TAILQ_FOREACH_SAFE(c, &l->conns, entry, next)
		conn_cut(c, "stop");
}

/* ---- listeners ----------------------------------------------------------- */

static void
listener(void *arg, enum listener_kind kind, const char *name, int fd_take)
{
	static const struct acceptor_ops ops = { accepted, accepting_paused };
	struct login *l = arg;

	if (kind != l->protocol->listener) {
		close(fd_take);
		return;
	}
	acceptor_new(&l->listeners, &l->child.loop, (int)kind, name, fd_take,
	    &ops, l);
}

static void
accepted(void *arg, const struct acceptor *from, int fd_take,
    const struct peer *who)
{
	conn_new(arg, fd_take, who, from->name);
}

static void
accepting_paused(void *arg, int error)
{
	const struct login *l = arg;

	acceptor_log_pause(error, l->nconns);
}

static void
reap(void *arg)
{
	struct login *l = arg;
	struct conn *c;

	while ((c = TAILQ_FIRST(&l->over)) != NULL) {
		TAILQ_REMOVE(&l->over, c, entry);
		free(c->listener);
		free(c->front);
		free(c->login);
		buf_clear(&c->ahead);
		buf_clear(&c->parked);
		buf_clear(&c->watched);
		free(c);
	}
	if ((l->stopping || l->retiring) && l->nconns == 0)
		ev_stop(&l->child.loop);
}
