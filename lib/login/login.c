/* SPDX-License-Identifier: ISC */
/* login - see login.h.  Here: the process. */
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "login/login.h"

#define ACCEPTS_A_TURN	16
#define RETRY_MS	500	/* without descriptors or memory */

union address {
	struct sockaddr		sa;
	struct sockaddr_in	in;
	struct sockaddr_in6	in6;
};

static void	 configure(struct login *, const struct conf *);
static void	 channel_up(void *, struct channel *);
static void	 listener(void *, enum listener_kind, const char *, int);
static void	 listener_free(struct listener *);
static void	 accept_some(void *, int);
static void	 try_again(void *);
static bool	 address_of(const union address *, sa_family_t *,
		    uint8_t addr[16]);
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

	if (!certificates_control(&l->certificates, m))
		session_control(l, m);
}

/* Those that are there go on as ever. */
static void
retire(void *arg)
{
	struct login *l = arg;

	l->retiring = true;
	while (!LIST_EMPTY(&l->listeners))
		listener_free(LIST_FIRST(&l->listeners));
	ev_task_ask(&l->child.loop, &l->reaper);
}

/* Sessions say goodbye themselves. */
static void
stop(void *arg)
{
	struct login *l = arg;
	struct conn *c, *next;

	l->stopping = true;
	while (!LIST_EMPTY(&l->listeners))
		listener_free(LIST_FIRST(&l->listeners));
	ev_timer_init(&l->stop_timer, &l->child.loop, stop_is_late, l);
	ev_timer_set(&l->stop_timer, STOPPING_MS);
	TAILQ_FOREACH_SAFE(c, &l->conns, entry, next)
		if (c->state == CONN_SESSION)
			session_stop(c);
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
	struct login *l = arg;
	struct listener *ls;
	int yes = 1;

	if (kind != l->protocol->listener) {
		close(fd_take);
		return;
	}
	ls = mem_alloc(sizeof(*ls));
	ls->login = l;
	ls->name = mem_strdup(name);
	ls->fd = fd_take;
	/* Connections inherit it; we gather what belongs together. */
	setsockopt(fd_take, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	LIST_INSERT_HEAD(&l->listeners, ls, entry);
	ev_io_init(&ls->io, &l->child.loop, fd_take, accept_some, ls);
	ev_timer_init(&ls->retry, &l->child.loop, try_again, ls);
	ev_io_want(&ls->io, EV_WANT_READ);
}

static void
listener_free(struct listener *ls)
{
	LIST_REMOVE(ls, entry);
	ev_io_clear(&ls->io);
	ev_timer_clear(&ls->retry);
	close(ls->fd);
	free(ls->name);
	free(ls);
}

static void
accept_some(void *arg, int what)
{
	struct listener *ls = arg;
	union address from, to;
	struct client who;
	uint8_t ours[16];
	sa_family_t family;
	socklen_t len;
	int i, fd;

	(void)what;
	for (i = 0; i < ACCEPTS_A_TURN; i++) {
		len = sizeof(from);
		fd = accept4(ls->fd, &from.sa, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd == -1)
			break;
		memset(&who, 0, sizeof(who));
		len = sizeof(to);
		if (!address_of(&from, &who.family, who.addr) ||
		    getsockname(fd, &to.sa, &len) == -1 ||
		    !address_of(&to, &family, ours) ||
		    inet_ntop(who.family, who.family == AF_INET ?
		    who.addr + 12 : who.addr, who.text,
		    sizeof(who.text)) == NULL) {
			close(fd);
			continue;
		}
		who.local = memcmp(who.addr, ours, 16) == 0 ||
		    (who.family == AF_INET && who.addr[12] == 127);
		conn_new(ls->login, fd, &who, ours, ls->name);
	}
	if (i == ACCEPTS_A_TURN)
		return;
	if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
	    errno == ENOMEM) {
		log_warn("event=accept-paused error=\"%s\" connections=%zu",
		    strerror(errno), ls->login->nconns);
		ev_io_want(&ls->io, 0);
		ev_timer_set(&ls->retry, RETRY_MS);
	} else if (errno == EINVAL || errno == EBADF)
		listener_free(ls);	/* master has ended the socket */
}

static void
try_again(void *arg)
{
	struct listener *ls = arg;

	ev_io_want(&ls->io, EV_WANT_READ);
}

static bool
address_of(const union address *a, sa_family_t *family, uint8_t addr[16])
{
	memset(addr, 0, 16);
	*family = a->sa.sa_family;
	if (a->sa.sa_family == AF_INET) {
		addr[10] = addr[11] = 0xff;
		memcpy(addr + 12, &a->in.sin_addr, 4);
		return true;
	}
	if (a->sa.sa_family != AF_INET6)
		return false;
	memcpy(addr, &a->in6.sin6_addr, 16);
	/* A socket for both families shows IPv4 this way. */
	if (IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr))
		*family = AF_INET;
	return true;
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
