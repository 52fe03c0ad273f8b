/* SPDX-License-Identifier: ISC */
/* listener - see listener.h. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "listener.h"
#include "session.h"

/* Those that are there have their turn too. */
#define ACCEPTS_A_TURN	16
#define RETRY_MS	500	/* without descriptors or memory */

union address {
	struct sockaddr		sa;
	struct sockaddr_in	in;
	struct sockaddr_in6	in6;
	struct sockaddr_un	un;
};

static void	 ready(void *, int);
static void	 try_again(void *);
static void	 out_of_descriptors(struct listener *);
static void	 our_address(int, uint8_t addr[16]);
static bool	 client_of(struct listener *, int, const union address *,
		    struct client *);

void
listener_new(struct listener_list *all, struct smtpd *d,
    enum listener_kind kind, const char *name, int fd_take)
{
	struct listener *l = mem_alloc(sizeof(*l));
	int yes = 1;

	l->d = d;
	l->kind = kind;
	l->name = mem_strdup(name);
	l->fd = fd_take;
	/* Connections inherit it; replies are gathered by us, and Nagle's
	 * delay would only hold back those that come in parts. */
	setsockopt(fd_take, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	LIST_INSERT_HEAD(all, l, entry);
	ev_io_init(&l->io, d->loop, fd_take, ready, l);
	ev_timer_init(&l->retry, d->loop, try_again, l);
	ev_io_want(&l->io, EV_WANT_READ);
}

void
listener_free(struct listener *l)
{
	LIST_REMOVE(l, entry);
	ev_io_clear(&l->io);
	ev_timer_clear(&l->retry);
	close(l->fd);
	free(l->name);
	free(l);
}

static void
ready(void *arg, int what)
{
	struct listener *l = arg;
	union address from;
	struct client c;
	socklen_t len;
	int i, fd;

	(void)what;
	for (i = 0; i < ACCEPTS_A_TURN; i++) {
		len = sizeof(from);
		fd = accept4(l->fd, &from.sa, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd == -1)
			break;
		if (client_of(l, fd, &from, &c))
			session_new(l->d, fd, &c);
		else
			close(fd);
	}
	if (i == ACCEPTS_A_TURN)
		return;
	switch (errno) {
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		out_of_descriptors(l);
		break;
	case EINVAL:	/* master has ended the socket (reload) */
	case EBADF:
		listener_free(l);
		break;
	default:
		break;	/* nobody there any more, or gone again */
	}
}

/* Clients wait in the kernel's queue meanwhile, and the loop does not spin. */
static void
out_of_descriptors(struct listener *l)
{
	log_warn("event=accept-paused error=%s sessions=%zu",
	    LOG_Q(slice_str(strerror(errno))), l->d->nsessions);
	ev_io_want(&l->io, 0);
	ev_timer_set(&l->retry, RETRY_MS);
}

static void
try_again(void *arg)
{
	struct listener *l = arg;

	ev_io_want(&l->io, EV_WANT_READ);
}

static bool
client_of(struct listener *l, int fd, const union address *from,
    struct client *c)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	*c = (struct client){ .kind = l->kind, .family = from->sa.sa_family,
		.listener = l->name };
	if (l->d->tls_mode != NULL && c->family != AF_UNIX)
		c->tls = l->d->tls_mode(l->d->tls_arg, l->name);
	switch (c->family) {
	case AF_INET:
		c->addr[10] = c->addr[11] = 0xff;
		memcpy(c->addr + 12, &from->in.sin_addr, 4);
		break;
	case AF_INET6:
		memcpy(c->addr, &from->in6.sin6_addr, 16);
		/* A socket for both families shows IPv4 this way. */
		if (IN6_IS_ADDR_V4MAPPED(&from->in6.sin6_addr))
			c->family = AF_INET;
		break;
	default:
		c->family = AF_UNIX;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1)
			return false;
		c->uid = cred.uid;
		snprintf(c->text, sizeof(c->text), "uid=%u",
		    (unsigned)cred.uid);
		return true;
	}
	our_address(fd, c->ours);
	return inet_ntop(c->family, c->family == AF_INET ? c->addr + 12 :
	    c->addr, c->text, sizeof(c->text)) != NULL;
}

/* Where the client has connected to; zeros where the kernel does not say. */
static void
our_address(int fd, uint8_t addr[16])
{
	union address a;
	socklen_t len = sizeof(a);

	if (getsockname(fd, &a.sa, &len) == -1)
		return;
	if (a.sa.sa_family == AF_INET6)
		memcpy(addr, &a.in6.sin6_addr, 16);
	else if (a.sa.sa_family == AF_INET) {
		addr[10] = addr[11] = 0xff;
		memcpy(addr + 12, &a.in.sin_addr, 4);
	}
}
