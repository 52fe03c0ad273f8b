/* SPDX-License-Identifier: ISC */
/*
 * channel - see channel.h.
 *
 * Always: `out` holds whole frames, but for the part of the first that is sent
 * already; `fds` holds the descriptors of frames in `out` in order, each with
 * the offset of its frame.  A descriptor travels with the first byte of its
 * frame, so it is never later than the frame's last byte at the receiver.
 */
#include <sys/socket.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "ipc/channel.h"

#define HEADER_BYTES	16
#define READ_BYTES	(256 * 1024)
#define READ_FIRST	4096	/* of one that has not had more at once */
#define IN_BYTES	(CHANNEL_BODY_BYTES + HEADER_BYTES + READ_BYTES)
#define FDS_WAITING	1024	/* received before their message: a breach */

struct sent_fd {
	uint64_t	 at;		/* offset of its frame since the start */
	int		 fd;		/* owned */
};

struct channel {
	struct ev_loop			*loop;
	int				 fd;		/* owned, or -1 */
	const struct message_rule	*rules;
	enum role			 self;
	enum role			 peer;
	unsigned			 index;
	const struct channel_ops	*ops;
	void				*arg;
	void				*data;
	struct ev_io			 io;
	struct ev_task			 task;
	struct buf			 in;
	size_t				 in_off;
	size_t				 want;		/* to be read at once */
	int				*got_fds;	/* owned */
	size_t				 ngot;
	struct buf			 out;
	size_t				 out_off;
	uint64_t			 out_base;	/* offset of out.p[0] */
	struct sent_fd			*fds;		/* owned */
	size_t				 nfds;
	size_t				 begun;		/* the open frame */
	bool				 is_begun;
	bool				 was_busy;
	bool				 paused;
	bool				 crashed_before;
	bool				 deaf;		/* the peer reads no more */
	bool				 broken;	/* down is to be told */
	int				 in_callback;
	bool				 free_later;
};

static void	 io_ready(void *, int);
static void	 at_turn_end(void *);
static bool	 read_some(struct channel *);
static void	 deliver(struct channel *);
static int	 next_frame(struct channel *, struct message *);
static const struct message_rule *rule_of(const struct channel *, uint16_t);
static void	 fail(struct channel *);
static void	 tell_down(struct channel *);
static void	 destroy(struct channel *);
static void	 update_wants(struct channel *);
static void	 forget_output(struct channel *);

struct channel *
channel_new(struct ev_loop *loop, int fd_take, const struct message_rule *rules,
    enum role self, enum role peer, unsigned index,
    const struct channel_ops *ops, void *arg)
{
	struct channel *c = mem_alloc(sizeof(*c));
	int flags = fcntl(fd_take, F_GETFL);

	c->loop = loop;
	c->fd = fd_take;
	c->rules = rules;
	c->self = self;
	c->peer = peer;
	c->index = index;
	c->ops = ops;
	c->arg = arg;
	buf_init(&c->in, IN_BYTES);
	c->want = READ_FIRST;
	buf_init(&c->out, CHANNEL_OUT_BYTES);
	fcntl(fd_take, F_SETFL, flags | O_NONBLOCK);
	if (loop != NULL) {
		ev_io_init(&c->io, loop, fd_take, io_ready, c);
		ev_task_init(&c->task, at_turn_end, c);
		update_wants(c);
	}
	return c;
}

void
channel_free(struct channel **cp)
{
	struct channel *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	if (c->in_callback > 0)
		c->free_later = true;
	else
		destroy(c);
}

static void
destroy(struct channel *c)
{
	size_t i;

	if (c->loop != NULL) {
		ev_io_clear(&c->io);
		ev_task_cancel(c->loop, &c->task);
	}
	if (c->fd != -1)
		close(c->fd);
	for (i = 0; i < c->ngot; i++)
		close(c->got_fds[i]);
	for (i = 0; i < c->nfds; i++)
		close(c->fds[i].fd);
	free(c->got_fds);
	free(c->fds);
	buf_clear(&c->in);
	buf_clear(&c->out);
	free(c);
}

enum role
channel_peer(const struct channel *c)
{
	return c->peer;
}

unsigned
channel_index(const struct channel *c)
{
	return c->index;
}

void
channel_set_crashed_before(struct channel *c, bool crashed)
{
	c->crashed_before = crashed;
}

bool
channel_crashed_before(const struct channel *c)
{
	return c->crashed_before;
}

void
channel_set_data(struct channel *c, void *data)
{
	c->data = data;
}

void *
channel_data(const struct channel *c)
{
	return c->data;
}

static void
update_wants(struct channel *c)
{
	int wants = 0;

	if (c->loop == NULL || c->broken)
		return;
	if (!c->paused)
		wants |= EV_WANT_READ;
	if (c->out.n > c->out_off)
		wants |= EV_WANT_WRITE;
	ev_io_want(&c->io, wants);
}

void
channel_pause(struct channel *c, bool paused)
{
	c->paused = paused;
	update_wants(c);
	if (!paused && c->loop != NULL)
		ev_task_ask(c->loop, &c->task);
}

/* ---- sending ------------------------------------------------------------ */

/* The part of the output that is sent counts against nothing. */
static void
forget_sent(struct channel *c)
{
	c->out_base += c->out_off;
	if (c->out_off == c->out.n)
		buf_reset(&c->out);
	else
		buf_drop(&c->out, c->out_off);
	c->out_off = 0;
}

struct buf *
channel_begin(struct channel *c, uint16_t type, uint64_t id)
{
	size_t at;

	if (c == NULL || c->broken || c->deaf || c->free_later)
		return NULL;
	assert(!c->is_begun);
	if (c->out_off == c->out.n ||
	    c->out.max - c->out.n < CHANNEL_BODY_BYTES + HEADER_BYTES)
		forget_sent(c);
	at = c->out.n;
	if (c->out.max - c->out.n < CHANNEL_BODY_BYTES + HEADER_BYTES) {
		log_error("event=channel-output-limit peer=%s index=%u",
		    role_name(c->peer), c->index);
		fail(c);
		return NULL;
	}
	put_u32(&c->out, 0);
	put_u16(&c->out, type);
	put_u16(&c->out, 0);
	put_u64(&c->out, id);
	c->begun = at;
	c->is_begun = true;
	return &c->out;
}

void
channel_end(struct channel *c)
{
	channel_end_fds(c, NULL, 0);
}

void
channel_end_fds(struct channel *c, const int *fds_take, int nfds)
{
	const struct message_rule *rule;
	uint32_t total, total_le;
	uint16_t type, nfds_le = (uint16_t)nfds;
	int i;

	if (c == NULL || !c->is_begun) {
		for (i = 0; i < nfds; i++)
			close(fds_take[i]);
		return;
	}
	c->is_begun = false;
	total = (uint32_t)(c->out.n - c->begun);
	total_le = htole32(total);
	memcpy(c->out.p + c->begun, &total_le, 4);
	memcpy(&type, c->out.p + c->begun + 4, 2);
	type = le16toh(type);
	nfds_le = htole16(nfds_le);
	memcpy(c->out.p + c->begun + 6, &nfds_le, 2);
	rule = rule_of(c, type);
	assert(rule != NULL);
	assert(rule->sender == 0 || rule->sender == c->self);
	assert(rule->fds == nfds);
	assert(total - HEADER_BYTES >= rule->min);
	assert(total - HEADER_BYTES <= rule->max);
	if (nfds > 0) {
		c->fds = mem_regrow(c->fds, c->nfds + (size_t)nfds,
		    sizeof(*c->fds));
		for (i = 0; i < nfds; i++)
			c->fds[c->nfds++] = (struct sent_fd){
				c->out_base + c->begun, fds_take[i] };
	}
	if (c->out.n - c->out_off > CHANNEL_BUSY_BYTES)
		c->was_busy = true;
	if (c->loop != NULL)
		ev_task_ask(c->loop, &c->task);
}

void
channel_send(struct channel *c, uint16_t type, uint64_t id, struct slice body)
{
	struct buf *b = channel_begin(c, type, id);

	if (b != NULL) {
		int r = buf_add(b, body);

		assert(r == 0);		/* channel_begin() made room */
	}
	channel_end(c);
}

size_t
channel_unsent(const struct channel *c)
{
	return c->out.n - c->out_off;
}

bool
channel_is_busy(const struct channel *c)
{
	return c->out.n - c->out_off > CHANNEL_BUSY_BYTES;
}

/* Sends up to the next frame that has descriptors, or that frame's
 * descriptors with its first byte.  Bytes sent, or -1. */
static ssize_t
send_some(struct channel *c)
{
	union {
		struct cmsghdr	align;
		char		bytes[CMSG_SPACE(CHANNEL_FDS * sizeof(int))];
	} control;
	uint64_t at = c->out_base + c->out_off;
	struct iovec iov = { c->out.p + c->out_off, c->out.n - c->out_off };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cm;
	int fds[CHANNEL_FDS];
	size_t n = 0, i;
	ssize_t w;

	while (n < c->nfds && n < CHANNEL_FDS && c->fds[n].at == at) {
		fds[n] = c->fds[n].fd;
		n++;
	}
	if (n < c->nfds)
		iov.iov_len = (size_t)(c->fds[n].at - at);
	if (n > 0) {
		memset(&control, 0, sizeof(control));
		mh.msg_control = control.bytes;
		mh.msg_controllen = CMSG_SPACE(n * sizeof(int));
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(cm), fds, n * sizeof(int));
	}
	w = sendmsg(c->fd, &mh, MSG_NOSIGNAL);
	if (w <= 0)
		return w;
	for (i = 0; i < n; i++)
		close(fds[i]);
	c->nfds -= n;
	if (c->nfds > 0 && n > 0)
		memmove(c->fds, c->fds + n, c->nfds * sizeof(*c->fds));
	c->out_off += (size_t)w;
	return w;
}

static void
forget_output(struct channel *c)
{
	c->deaf = true;
	c->out_off = c->out.n;
	while (c->nfds > 0)
		close(c->fds[--c->nfds].fd);
}

void
channel_flush(struct channel *c)
{
	ssize_t w;

	while (!c->broken && c->out.n > c->out_off) {
		w = send_some(c);
		if (w == -1 && errno == EINTR)
			continue;
		if (w == -1 && (errno == EAGAIN || errno == ENOBUFS ||
		    errno == ETOOMANYREFS))
			break;
		if (w == -1 && (errno == EPIPE || errno == ECONNRESET)) {
			/* What the peer said before it ended is still read;
			 * then its EOF. */
			forget_output(c);
			break;
		}
		if (w == -1) {
			fail(c);
			return;
		}
	}
	if (c->out_off == c->out.n || c->out_off > c->out.n / 2)
		forget_sent(c);
	/* A burst's memory is not kept. */
	if (c->out.n == 0 && c->out.cap > 1024 * 1024)
		buf_clear(&c->out);
	update_wants(c);
	if (c->was_busy && c->out.n - c->out_off < CHANNEL_BUSY_BYTES / 2) {
		c->was_busy = false;
		if (c->ops->relaxed != NULL) {
			c->in_callback++;
			c->ops->relaxed(c->arg, c);
			c->in_callback--;
			if (c->free_later)
				ev_task_ask(c->loop, &c->task);
		}
	}
}

/* ---- receiving ---------------------------------------------------------- */

static void
io_ready(void *arg, int ready)
{
	struct channel *c = arg;

	if (ready & EV_WANT_READ) {
		if (read_some(c))
			deliver(c);
		else if (!c->broken)
			fail(c);
	}
	if (ready & EV_WANT_WRITE || c->broken || c->free_later)
		ev_task_ask(c->loop, &c->task);
}

/* Also where a channel that failed or was freed inside a callback ends. */
static void
at_turn_end(void *arg)
{
	struct channel *c = arg;

	if (!c->free_later && !c->broken && !c->paused)
		deliver(c);
	if (!c->free_later && !c->broken) {
		c->in_callback++;
		channel_flush(c);
		c->in_callback--;
	}
	if (c->broken && !c->free_later)
		tell_down(c);
	else if (c->free_later)
		destroy(c);
}

/* False on EOF or error. */
static bool
read_some(struct channel *c)
{
	union {
		struct cmsghdr	align;
		char		bytes[CMSG_SPACE(253 * sizeof(int))];
	} control;
	struct iovec iov;
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *cm;
	size_t n;
	ssize_t r;

	if (c->in_off > 0) {
		buf_drop(&c->in, c->in_off);
		c->in_off = 0;
	}
	iov.iov_base = buf_reserve(&c->in, c->want);
	if (iov.iov_base == NULL)
		return false;
	iov.iov_len = c->want;
	do {
		r = recvmsg(c->fd, &mh, MSG_CMSG_CLOEXEC);
	} while (r == -1 && errno == EINTR);
	if (r == -1)
		return errno == EAGAIN;
	for (cm = CMSG_FIRSTHDR(&mh); cm != NULL; cm = CMSG_NXTHDR(&mh, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		c->got_fds = mem_regrow(c->got_fds, c->ngot + n, sizeof(int));
		memcpy(c->got_fds + c->ngot, CMSG_DATA(cm), n * sizeof(int));
		c->ngot += n;
	}
	c->in.n += (size_t)r;
	/* A session's channel has a few short messages, and memory of this size
	 * would come from the kernel and go back to it. */
	if ((size_t)r == c->want && c->want < READ_BYTES)
		c->want = READ_BYTES;
	if (mh.msg_flags & MSG_CTRUNC || c->ngot > FDS_WAITING) {
		/* Too many, or we may open no more. */
		log_error("event=channel-descriptors-lost peer=%s index=%u",
		    role_name(c->peer), c->index);
		return false;
	}
	return r > 0;
}

static void
deliver(struct channel *c)
{
	struct message m;
	int i, r = 0;

	c->in_callback++;
	while (!c->broken && !c->free_later && !c->paused &&
	    (r = next_frame(c, &m)) == 1) {
		c->ops->message(c->arg, c, &m);
		for (i = 0; i < m.nfds; i++)
			if (m.fds[i] != -1)
				close(m.fds[i]);
	}
	c->in_callback--;
	if (c->free_later || c->broken)
		ev_task_ask(c->loop, &c->task);
	else if (r == -1)
		channel_breach(c, "rules");
	/* They come with the first byte of their frame: more than those of
	 * the frame that is still coming belong to none, and would take ours
	 * away. */
	else if (r == 0 && !c->paused &&
	    c->ngot > (c->in.n > c->in_off ? CHANNEL_FDS : 0))
		channel_breach(c, "descriptors");
	/* Idle channels keep no large buffer. */
	if (!c->free_later && c->in_off == c->in.n) {
		c->in_off = 0;
		buf_reset(&c->in);
		if (c->in.cap > 2 * READ_BYTES)
			buf_clear(&c->in);
	}
}

static const struct message_rule *
rule_of(const struct channel *c, uint16_t type)
{
	const struct message_rule *r;

	for (r = c->rules; r->name != NULL; r++)
		if (r->type == type)
			return r;
	return NULL;
}

/* 1 and a message, 0 when none is complete, -1 on a breach of the rules. */
static int
next_frame(struct channel *c, struct message *m)
{
	const struct message_rule *rule;
	struct slice rest = slice_from(buf_slice(&c->in), c->in_off);
	struct wire w = wire_of(rest);
	size_t total, nfds;

	if (rest.n < HEADER_BYTES)
		return 0;
	total = get_u32(&w);
	m->type = get_u16(&w);
	nfds = get_u16(&w);
	m->id = get_u64(&w);
	rule = rule_of(c, m->type);
	if (rule == NULL || total < HEADER_BYTES ||
	    (rule->sender != 0 && rule->sender != c->peer) ||
	    total - HEADER_BYTES < rule->min ||
	    total - HEADER_BYTES > rule->max || nfds != rule->fds)
		return -1;
	if (rest.n < total)
		return 0;
	if (nfds > c->ngot || nfds > CHANNEL_FDS)
		return -1;
	memset(m->fds, -1, sizeof(m->fds));
	m->nfds = (int)nfds;
	if (nfds > 0) {
		memcpy(m->fds, c->got_fds, nfds * sizeof(int));
		c->ngot -= nfds;
		memmove(c->got_fds, c->got_fds + nfds, c->ngot * sizeof(int));
	}
	m->body = wire_of(slice_of(rest.p + HEADER_BYTES,
	    total - HEADER_BYTES));
	c->in_off += total;
	return 1;
}

int
channel_wait(struct channel *c, struct message *m, int timeout_ms)
{
	struct pollfd pfd = { c->fd, 0, 0 };
	int r;

	for (;;) {
		r = next_frame(c, m);
		if (r != 0)
			return r == 1 ? 0 : -1;
		channel_flush(c);
		if (c->broken)
			return -1;
		pfd.events = (short)(POLLIN |
		    (c->out.n > c->out_off ? POLLOUT : 0));
		r = poll(&pfd, 1, timeout_ms);
		if (r == -1 && errno == EINTR)
			continue;
		if (r <= 0)
			return -1;
		if (pfd.revents & (POLLIN | POLLHUP | POLLERR) && !read_some(c))
			return -1;
	}
}

/* ---- the end ------------------------------------------------------------ */

void
channel_breach(struct channel *c, const char *why)
{
	if (c->broken || c->free_later)
		return;
	if (c->self != ROLE_MASTER && role_is_trusted(c->peer))
		log_fatal("event=channel-breach why=%s peer=%s index=%u", why,
		    role_name(c->peer), c->index);
	log_error("event=channel-breach why=%s peer=%s index=%u", why,
	    role_name(c->peer), c->index);
	fail(c);
}

static void
fail(struct channel *c)
{
	if (c->broken)
		return;
	c->broken = true;
	if (c->loop == NULL)
		return;
	ev_io_want(&c->io, 0);
	ev_task_ask(c->loop, &c->task);
}

static void
tell_down(struct channel *c)
{
	c->in_callback++;
	c->ops->down(c->arg, c);
	c->in_callback--;
	destroy(c);
}
