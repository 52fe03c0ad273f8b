/* SPDX-License-Identifier: ISC */
/*
 * listen - binds the sockets that others accept from, and keeps them.
 *
 * Each smtpd, imapd and pop3d has a TCP socket of its own for each address
 * (SO_REUSEPORT), so that the kernel spreads connections and no two processes
 * wake for one.
 * master keeps every socket open: connections that wait in the backlog of a
 * process that died are served by its successor.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "master.h"
#include "os/sockets.h"

#define PREDECESSOR_MS	2000

static int	 prepare_block(struct master *, const struct conf_listener *,
		    struct listeners *, struct buf *);
static int	 prepare_tool_sockets(struct master *, struct listeners *,
		    struct buf *);
static struct listener *find(struct listeners *, enum listener_kind,
		    const char *name, const char *address);
static struct listener *add(struct listeners *, enum role,
		    enum listener_kind, const char *name,
		    const char *address);
static unsigned	 instances_of(const struct master *, enum role);
static int	 bind_listener(struct master *, struct listener *,
		    struct buf *);
static int	 bind_tcp(struct master *, struct listener *,
		    const struct sockaddr *, socklen_t);
static bool	 is_free(const struct sockaddr *, socklen_t);
static bool	 becomes_free(const struct master *, const struct sockaddr *,
		    socklen_t);
static bool	 is_ours(const struct master *, const char *address);
static void	 add_fd(struct listener *, int fd_take);
static void	 end(struct listeners *, struct listener *);
static void	 let_go(struct listeners *, struct listener *);

int
listen_prepare(struct master *m, const struct conf *c, struct listeners *fresh,
    struct buf *why)
{
	struct listener *l;
	size_t i;
	int r = 0;

	TAILQ_INIT(fresh);
	TAILQ_FOREACH(l, &m->listeners, entry)
		l->wanted = false;
	for (i = 0; i < c->nlisteners; i++)
		if (prepare_block(m, &c->listeners[i], fresh, why) == -1)
			r = -1;
	if (prepare_tool_sockets(m, fresh, why) == -1)
		r = -1;
	if (r == -1)
		listen_clear(fresh);
	return r;
}

static int
prepare_block(struct master *m, const struct conf_listener *b,
    struct listeners *fresh, struct buf *why)
{
	static const struct {
		const char		*mode;
		enum listener_kind	 kind;
		enum role		 role;
	} modes[] = {
		{ "submission", LISTENER_SUBMISSION, ROLE_SMTPD },
		{ "lmtp", LISTENER_LMTP, ROLE_SMTPD },
		{ "imap", LISTENER_IMAP, ROLE_IMAP_LOGIN },
		{ "pop3", LISTENER_POP3, ROLE_POP3_LOGIN },
		{ "metrics", LISTENER_METRICS, ROLE_METRICS },
	};
	enum listener_kind kind = LISTENER_SMTP;
	enum role role = ROLE_SMTPD;
	struct listener *l;
	size_t i;
	int r = 0;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(b->mode, modes[i].mode) == 0) {
			kind = modes[i].kind;
			role = modes[i].role;
		}
	for (i = 0; i < b->address.n; i++) {
		l = find(&m->listeners, kind, b->name, b->address.v[i]);
		if (l != NULL)
			l->wanted = true;
		else
			l = add(fresh, role, kind, b->name, b->address.v[i]);
		if (bind_listener(m, l, why) == -1)
			r = -1;
	}
	return r;
}

/* The path of each is its address, so that they are listeners like others. */
static int
prepare_tool_sockets(struct master *m, struct listeners *fresh,
    struct buf *why)
{
	static const struct {
		const char		*name;
		enum role		 role;
		enum listener_kind	 kind;
		mode_t			 mode;
	} sockets[] = {
		{ SOCKET_CONTROL, ROLE_MASTER, LISTENER_CONTROL, 0600 },
		{ SOCKET_QUEUE,	  ROLE_QMGR,   LISTENER_QUEUE,	 0666 },
		{ SOCKET_LOOKUP,  ROLE_LOOKUP, LISTENER_LOOKUP,	 0600 },
		{ SOCKET_SUBMIT,  ROLE_SMTPD,  LISTENER_SUBMIT,	 0666 },
		{ SOCKET_METRICS, ROLE_METRICS, LISTENER_METRICS, 0666 },
	};
	struct buf path = BUF_INIT(8192);
	struct listener *l;
	size_t i;
	int fd, r = 0;

	for (i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++) {
		buf_reset(&path);
		buf_printf(&path, "%s/%s", m->conf->path_run,
		    sockets[i].name);
		l = find(&m->listeners, sockets[i].kind, sockets[i].name,
		    buf_cstr(&path));
		if (l != NULL) {
			l->wanted = true;
			continue;
		}
		fd = unix_listen(buf_cstr(&path), sockets[i].mode);
		if (fd == -1) {
			buf_printf(why, "%s: %s\n", buf_cstr(&path),
			    strerror(errno));
			r = -1;
			continue;
		}
		add_fd(add(fresh, sockets[i].role, sockets[i].kind,
		    sockets[i].name, buf_cstr(&path)), fd);
	}
	buf_clear(&path);
	return r;
}

static struct listener *
find(struct listeners *list, enum listener_kind kind, const char *name,
    const char *address)
{
	struct listener *l;

	TAILQ_FOREACH(l, list, entry)
		if (l->kind == kind && strcmp(l->name, name) == 0 &&
		    strcmp(l->address, address) == 0)
			break;
	return l;
}

static struct listener *
add(struct listeners *list, enum role role, enum listener_kind kind,
    const char *name, const char *address)
{
	struct listener *l = mem_alloc(sizeof(*l));

	l->role = role;
	l->kind = kind;
	l->name = mem_strdup(name);
	l->address = mem_strdup(address);
	l->wanted = true;
	TAILQ_INSERT_TAIL(list, l, entry);
	return l;
}

static void
add_fd(struct listener *l, int fd_take)
{
	l->fds = mem_regrow(l->fds, l->nfds + 1, sizeof(*l->fds));
	l->fds[l->nfds++] = fd_take;
}

static unsigned
instances_of(const struct master *m, enum role role)
{
	return role == ROLE_METRICS ? 1 :
	    role == ROLE_SMTPD ? m->nsmtpd : m->nlogin;
}

/* What is missing of its sockets: all of a new one, and of one that another
 * suite had with fewer processes the rest. */
static int
bind_listener(struct master *m, struct listener *l, struct buf *why)
{
	unsigned wanted = instances_of(m, l->role);
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct conf_endpoint e;
	int fd, r = -1;

	if (l->nfds > 0 && (l->instances == 0 || l->instances >= wanted)) {
		/* More sockets than processes: some have several. */
		l->instances = l->instances == 0 ? 0 : wanted;
		return 0;
	}
	errno = EINVAL;
	if (conf_endpoint_parse(l->address, &e)) {
		in.sin_port = in6.sin6_port = htons(e.port);
		memcpy(&in6.sin6_addr, e.addr, 16);
		memcpy(&in.sin_addr, e.addr + 12, 4);
		switch (e.kind) {
		case ENDPOINT_UNIX:
			fd = unix_listen(l->address, 0666);
			if (fd != -1)
				add_fd(l, fd);
			r = fd == -1 ? -1 : 0;
			break;
		case ENDPOINT_IPV4:
			r = bind_tcp(m, l, (struct sockaddr *)&in,
			    sizeof(in));
			break;
		case ENDPOINT_IPV6:
			r = bind_tcp(m, l, (struct sockaddr *)&in6,
			    sizeof(in6));
			break;
		case ENDPOINT_ANY:
			in6.sin6_addr = in6addr_any;
			in.sin_addr.s_addr = htonl(INADDR_ANY);
			r = bind_tcp(m, l, (struct sockaddr *)&in6,
			    sizeof(in6));
			if (r == -1 && errno != EAFNOSUPPORT &&
			    errno != EADDRNOTAVAIL)
				break;
			r = bind_tcp(m, l, (struct sockaddr *)&in,
			    sizeof(in));
			break;
		}
	}
	if (r == 0 && e.kind != ENDPOINT_UNIX)
		l->instances = wanted;
	if (r == -1)
		buf_printf(why, "listener %s: %s: %s%s\n", l->name,
		    l->address, strerror(errno),
		    errno == EADDRINUSE ? " (is another mail server running?)" :
		    errno == EACCES ? " (ports below 1024 take root)" : "");
	return r;
}

static int
bind_tcp(struct master *m, struct listener *l, const struct sockaddr *sa,
    socklen_t len)
{
	unsigned wanted = instances_of(m, l->role), i;
	int fd, one = 1, saved;

	/* With SO_REUSEPORT an instance that runs already would not be in the
	 * way, and would get half of the connections. */
	if (!is_ours(m, l->address) && !becomes_free(m, sa, len))
		return -1;
	for (i = l->instances; i < wanted; i++) {
		fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC |
		    SOCK_NONBLOCK, 0);
		if (fd == -1)
			return -1;
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
		if (sa->sa_family == AF_INET6)
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one,
			    sizeof(one));
		if (bind(fd, sa, len) == -1 || listen(fd, SOMAXCONN) == -1) {
			saved = errno;
			close(fd);
			errno = saved;
			return -1;
		}
		add_fd(l, fd);
	}
	return 0;
}

static bool
is_free(const struct sockaddr *sa, socklen_t len)
{
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1, r, saved;

	if (fd == -1)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (sa->sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	r = bind(fd, sa, len);
	saved = errno;
	close(fd);
	errno = saved;
	return r == 0;
}

/* The processes of a master that was killed a moment ago may be about to end;
 * who starts the suite waits for them. */
static bool
becomes_free(const struct master *m, const struct sockaddr *sa, socklen_t len)
{
	int64_t until = clock_mono_ms() + PREDECESSOR_MS;

	while (!is_free(sa, len)) {
		if (errno != EADDRINUSE || m->phase != SUITE_STARTING ||
		    clock_mono_ms() >= until)
			return false;
		usleep(20 * 1000);
	}
	return true;
}

/* An address that moves to another block is bound for a moment by both. */
static bool
is_ours(const struct master *m, const char *address)
{
	const struct listener *l;

	TAILQ_FOREACH(l, &m->listeners, entry)
		if (strcmp(l->address, address) == 0)
			return true;
	return false;
}

void
listen_commit(struct master *m, struct listeners *fresh)
{
	struct listener *l, *next;
	struct process *p;

	TAILQ_FOREACH_SAFE(l, &m->listeners, entry, next)
		if (!l->wanted && m->phase == SUITE_STARTING) {
			/* The suite before this one still serves there. */
			TAILQ_REMOVE(&m->listeners, l, entry);
			TAILQ_INSERT_TAIL(&m->leaving, l, entry);
		} else if (!l->wanted)
			end(&m->listeners, l);
	while ((l = TAILQ_FIRST(fresh)) != NULL) {
		TAILQ_REMOVE(fresh, l, entry);
		TAILQ_INSERT_TAIL(&m->listeners, l, entry);
		TAILQ_FOREACH(p, &m->processes, entry)
			if (process_is_alive(p))
				listen_give(p, l);
	}
}

void
listen_adopt(struct master *m, enum listener_kind kind, unsigned instances,
    struct slice name, struct slice address, int fd_take)
{
	static const enum role roles[] = {
		[LISTENER_SMTP] = ROLE_SMTPD, [LISTENER_LMTP] = ROLE_SMTPD,
		[LISTENER_SUBMIT] = ROLE_SMTPD, [LISTENER_QUEUE] = ROLE_QMGR,
		[LISTENER_LOOKUP] = ROLE_LOOKUP,
		[LISTENER_CONTROL] = ROLE_MASTER,
		[LISTENER_IMAP] = ROLE_IMAP_LOGIN,
		[LISTENER_POP3] = ROLE_POP3_LOGIN,
		[LISTENER_SUBMISSION] = ROLE_SMTPD,
		[LISTENER_METRICS] = ROLE_METRICS,
	};
	char *n, *a;
	struct listener *l;

	if (kind >= sizeof(roles) / sizeof(roles[0]) || roles[kind] == 0) {
		close(fd_take);		/* of a later version */
		return;
	}
	n = mem_slicedup(name);
	a = mem_slicedup(address);
	l = find(&m->listeners, kind, n, a);
	if (l == NULL)
		l = add(&m->listeners, roles[kind], kind, n, a);
	l->instances = instances;
	fcntl(fd_take, F_SETFD, FD_CLOEXEC);
	add_fd(l, fd_take);
	free(n);
	free(a);
}

/* The sockets of a listener that are this process's. */
void
listen_give(struct process *p, const struct listener *l)
{
	struct buf *b;
	size_t i;
	int fd;

	for (i = 0; i < l->nfds; i++) {
		if (l->role != p->role || (l->instances > 0 &&
		    i % l->instances != p->index))
			continue;
		fd = dup(l->fds[i]);
		if (fd == -1) {
			log_error("event=dup-failed why=\"%s\"",
			    strerror(errno));
			return;
		}
		b = channel_begin(p->channel, CTL_LISTENER, 0);
		if (b != NULL) {
			put_u8(b, (uint8_t)l->kind);
			put_slice(b, slice_str(l->name));
		}
		channel_end_fds(p->channel, &fd, 1);
	}
}

/* shutdown() reaches the copies that others hold: their accept() fails with
 * EINVAL, and they close them. */
static void
end(struct listeners *list, struct listener *l)
{
	size_t i;

	for (i = 0; i < l->nfds; i++)
		shutdown(l->fds[i], SHUT_RDWR);
	let_go(list, l);
}

static void
let_go(struct listeners *list, struct listener *l)
{
	size_t i;

	TAILQ_REMOVE(list, l, entry);
	for (i = 0; i < l->nfds; i++)
		close(l->fds[i]);
	free(l->fds);
	free(l->name);
	free(l->address);
	free(l);
}

void
listen_clear(struct listeners *list)
{
	struct listener *l;

	while ((l = TAILQ_FIRST(list)) != NULL)
		end(list, l);
}

void
listen_let_go(struct master *m)
{
	struct listener *l;

	while ((l = TAILQ_FIRST(&m->listeners)) != NULL)
		let_go(&m->listeners, l);
}
