/* SPDX-License-Identifier: ISC */
/*
 * socket - connects to the Unix socket of an LMTP server when remote asks.
 *
 * remote is in an empty root and not trusted: it gets sockets that the
 * configuration names, and no others.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "master.h"

static bool	 is_allowed(const struct conf *, struct slice path);
static int	 connect_to(struct slice path);
static void	 refuse(struct process *, uint64_t id, struct slice path,
		    const char *why);

void
socket_wanted(struct process *remote, struct message *msg)
{
	struct slice path = get_slice(&msg->body, 4096);
	int fd;

	if (!wire_done(&msg->body) || path.n == 0) {
		channel_breach(remote->channel, "socket");
		return;
	}
	if (!is_allowed(remote->master->conf, path)) {
		refuse(remote, msg->id, path, "not listed in remote.sockets");
		return;
	}
	fd = connect_to(path);
	if (fd == -1) {
		refuse(remote, msg->id, path, strerror(errno));
		return;
	}
	channel_begin(remote->channel, CTL_SOCKET, msg->id);
	channel_end_fds(remote->channel, &fd, 1);
}

static bool
is_allowed(const struct conf *conf, struct slice path)
{
	static const struct slice lmtp = { "lmtp:", 5 };
	struct slice hop;
	size_t i;

	for (i = 0; i < conf->remote_sockets.n; i++)
		if (slice_eq(slice_str(conf->remote_sockets.v[i]), path))
			return true;
	for (i = 0; i < conf->ndomains; i++) {
		hop = slice_str(conf->domains[i].relay_to);
		if (slice_starts_nocase(hop, lmtp) &&
		    slice_eq(slice_from(hop, lmtp.n), path))
			return true;
	}
	return false;
}

/* Never waits: a Unix socket answers at once, or with EAGAIN while its server
 * is behind. */
static int
connect_to(struct slice path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd, saved;

	if (path.n >= sizeof(sun.sun_path) ||
	    memchr(path.p, '\0', path.n) != NULL) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sun.sun_path, path.p, path.n);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static void
refuse(struct process *p, uint64_t id, struct slice path, const char *why)
{
	struct buf *b = channel_begin(p->channel, CTL_SOCKET_REFUSED, id);

	log_info("event=socket-refused path=%s why=\"%s\"", LOG_Q(path), why);
	if (b != NULL)
		put_slice(b, slice_str(why));
	channel_end(p->channel);
}
