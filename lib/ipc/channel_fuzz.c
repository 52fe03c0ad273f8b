/* SPDX-License-Identifier: ISC */
/*
 * channel_fuzz - frames from a peer that is not ours.
 *
 * The input is what the peer writes; the byte before each piece says how long
 * the piece is and how many descriptors go with it.  Whatever comes, the
 * handler sees only messages that keep their row, and no descriptor leaks.
 */
#include <sys/socket.h>

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/channel.h"

#define EDGE(X)								\
	X(T_ANY,     1, EITHER, 0, 0,  300)				\
	X(T_SIZED,   2, EITHER, 0, 4,  8)				\
	X(T_FD,	     3, EITHER, 1, 0,  100)				\
	X(T_FDS,     4, EITHER, 3, 0,  0)				\
	X(T_OURS,    5, LOCAL,  0, 0,  100)
ENUM_MESSAGES(EDGE);

static const struct message_rule rules[] = RULES_OF(EDGE);
static int	 downs;

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
on_message(void *arg, struct channel *c, struct message *m)
{
	size_t n = get_rest(&m->body).n;

	(void)arg;
	(void)c;
	if (!(m->type == T_ANY && n <= 300 && m->nfds == 0) &&
	    !(m->type == T_SIZED && n >= 4 && n <= 8 && m->nfds == 0) &&
	    !(m->type == T_FD && n <= 100 && m->nfds == 1) &&
	    !(m->type == T_FDS && n == 0 && m->nfds == 3))
		abort();
}

static void
on_down(void *arg, struct channel *c)
{
	(void)c;
	*(struct channel **)arg = NULL;
	downs++;
}

static const struct channel_ops ops = { on_message, on_down, NULL };

static int
write_piece(int fd, const uint8_t *p, size_t n, int nfds)
{
	union {
		struct cmsghdr	align;
		char		bytes[CMSG_SPACE(4 * sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec iov = { NULL, n };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cm;
	uint8_t copy[256];
	int i, zero = 0;

	memcpy(copy, p, n);
	iov.iov_base = copy;
	if (nfds > 0) {
		mh.msg_control = control.bytes;
		mh.msg_controllen = CMSG_SPACE((size_t)nfds * sizeof(int));
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN((size_t)nfds * sizeof(int));
		for (i = 0; i < nfds; i++)
			memcpy(CMSG_DATA(cm) + (size_t)i * sizeof(int), &zero,
			    sizeof(int));
	}
	return sendmsg(fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)n ?
	    0 : -1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct ev_loop loop;
	struct channel *c;
	size_t piece;
	int s[2];

	if (loop.base == NULL) {
		ev_loop_init(&loop);
		log_to(LOG_SINK_STREAM, open("/dev/null", O_WRONLY));
	}
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, s) == -1)
		abort();
	c = channel_new(&loop, s[0], rules, ROLE_LOCAL, ROLE_WORKER, 0, &ops,
	    &c);
	while (n > 1 && c != NULL) {
		piece = (size_t)(p[0] & 63) + 1;
		if (piece > n - 1)
			piece = n - 1;
		if (write_piece(s[1], p + 1, piece, p[0] >> 6) == -1)
			break;
		p += 1 + piece;
		n -= 1 + piece;
		ev_turn(&loop, 0);
	}
	channel_free(&c);
	close(s[1]);
	/* Descriptors 0 to 2, the loop's few, the log's: no more. */
	if (fcntl(40, F_GETFD) != -1)
		abort();
	return 0;
}
