/* SPDX-License-Identifier: ISC */
/* acceptor - see acceptor.h. */
#include <netinet/tcp.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "ev/acceptor.h"

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
static void	 pause_accepting(struct acceptor *);
static void	 try_again(void *);
static void	 acceptor_free(struct acceptor *);
static bool	 peer_of(int, const union address *, struct peer *);
static sa_family_t address_of(const union address *, uint8_t addr[16]);

void
acceptor_new(struct acceptor_list *all, struct ev_loop *loop, int kind,
    const char *name, int fd_take, const struct acceptor_ops *ops, void *arg)
{
	struct acceptor *a = mem_alloc(sizeof(*a));
	int yes = 1;

	a->ops = ops;
	a->arg = arg;
	a->kind = kind;
	a->name = mem_strdup(name);
	a->fd = fd_take;
	/* Connections inherit it; replies are gathered by us, and Nagle's
	 * delay would only hold back those that come in parts. */
	setsockopt(fd_take, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	LIST_INSERT_HEAD(all, a, entry);
	ev_io_init(&a->io, loop, fd_take, ready, a);
	ev_timer_init(&a->retry, loop, try_again, a);
	ev_io_want(&a->io, EV_WANT_READ);
}

static void
acceptor_free(struct acceptor *a)
{
	LIST_REMOVE(a, entry);
	ev_io_clear(&a->io);
	ev_timer_clear(&a->retry);
	close(a->fd);
	free(a->name);
	free(a);
}

void
acceptors_free(struct acceptor_list *all)
{
	while (!LIST_EMPTY(all))
		acceptor_free(LIST_FIRST(all));
}

static void
ready(void *arg, int what)
{
	struct acceptor *a = arg;
	union address from;
	struct peer peer;
	socklen_t len;
	int i, fd;

	(void)what;
	for (i = 0; i < ACCEPTS_A_TURN; i++) {
		len = sizeof(from);
		fd = accept4(a->fd, &from.sa, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd == -1)
			break;
		if (peer_of(fd, &from, &peer))
			a->ops->accepted(a->arg, a, fd, &peer);
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
		pause_accepting(a);
		break;
	case EINVAL:	/* master has ended the socket (reload) */
	case EBADF:
		acceptor_free(a);
		break;
	default:
		break;	/* nobody there any more, or gone again */
	}
}

/* Clients wait in the kernel's queue meanwhile, and the loop does not spin. */
static void
pause_accepting(struct acceptor *a)
{
	a->ops->paused(a->arg, errno);
	ev_io_want(&a->io, 0);
	ev_timer_set(&a->retry, RETRY_MS);
}

void
acceptor_log_pause(int error, size_t nclients)
{
	log_warn("event=accept-paused error=%s connections=%zu",
	    LOG_Q(slice_str(strerror(error))), nclients);
}

static void
try_again(void *arg)
{
	struct acceptor *a = arg;

	ev_io_want(&a->io, EV_WANT_READ);
}

static bool
peer_of(int fd, const union address *from, struct peer *p)
{
	union address to;
	socklen_t len = sizeof(to);
	uid_t uid;
	gid_t gid;

	memset(p, 0, sizeof(*p));
	p->family = address_of(from, p->addr);
	if (p->family == AF_UNIX) {
		if (getpeereid(fd, &uid, &gid) == -1)
			return false;
		p->uid = uid;
		snprintf(p->text, sizeof(p->text), "uid=%u", (unsigned)uid);
		return true;
	}
	if (getsockname(fd, &to.sa, &len) == 0)
		address_of(&to, p->ours);
	return inet_ntop(p->family, p->family == AF_INET ? p->addr + 12 :
	    p->addr, p->text, sizeof(p->text)) != NULL;
}

/* What is no address of the Internet counts as a Unix socket's. */
static sa_family_t
address_of(const union address *a, uint8_t addr[16])
{
	switch (a->sa.sa_family) {
	case AF_INET:
		addr[10] = addr[11] = 0xff;
		memcpy(addr + 12, &a->in.sin_addr, 4);
		return AF_INET;
	case AF_INET6:
		memcpy(addr, &a->in6.sin6_addr, 16);
		/* A socket for both families shows IPv4 this way. */
		return IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr) ? AF_INET :
		    AF_INET6;
	default:
		return AF_UNIX;
	}
}

bool
peer_is_loopback(const struct peer *p)
{
	static const uint8_t local6[16] = { [15] = 1 };

	return p->family == AF_INET ? p->addr[12] == 127 :
	    p->family == AF_INET6 && memcmp(p->addr, local6, 16) == 0;
}

bool
peer_is_local(const struct peer *p)
{
	return p->family == AF_UNIX || peer_is_loopback(p) ||
	    memcmp(p->addr, p->ours, 16) == 0;
}
