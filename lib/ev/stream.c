/* SPDX-License-Identifier: ISC */
/* stream - see stream.h. */
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <linux/sockios.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "ev/stream_layer.h"

#define READ_BYTES	65536

/* Where input is read; used up or copied before the loop goes on. */
static char shared[READ_BYTES + LAYER_RECORD_BYTES];
/* The stream that is being worked for, until it is closed: after a callback it
 * may be gone, with its memory. */
static struct stream *running;

static void	 start(struct stream *, struct ev_loop *, int, size_t,
		    const struct stream_ops *, void *);
static void	 update_wants(struct stream *);
static void	 make_room(struct stream *, size_t);
static void	 io_ready(void *, int);
static void	 finish_connect(struct stream *);
static void	 shake_hands(struct stream *);
static void	 read_some(struct stream *);
static ssize_t	 receive(struct stream *);
static void	 at_eof(struct stream *);
static void	 offer_input(struct stream *);
static void	 offer_again(void *);
static void	 flush_output(struct stream *);
static ssize_t	 send_some(struct stream *);
static void	 all_is_sent(struct stream *);
static void	 said_all(struct stream *);
static void	 drain(struct stream *);
static void	 end(struct stream *, enum stream_end);
static void	 time_is_up(void *);

void
stream_open(struct stream *s, struct ev_loop *l, int fd_take, size_t out_max,
    const struct stream_ops *ops, void *arg)
{
	start(s, l, fd_take, out_max, ops, arg);
	update_wants(s);
}

int
stream_connect(struct stream *s, struct ev_loop *l, const struct sockaddr *to,
    socklen_t to_len, const struct sockaddr *local, socklen_t local_len,
    size_t out_max, const struct stream_ops *ops, void *arg)
{
	int fd, saved;

	fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (fd == -1)
		return -1;
	if ((local != NULL && bind(fd, local, local_len) == -1) ||
	    (connect(fd, to, to_len) == -1 && errno != EINPROGRESS)) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	start(s, l, fd, out_max, ops, arg);
	s->connecting = true;
	update_wants(s);
	return 0;
}

static void
start(struct stream *s, struct ev_loop *l, int fd, size_t out_max,
    const struct stream_ops *ops, void *arg)
{
	int flags;

	memset(s, 0, sizeof(*s));
	s->ops = ops;
	s->arg = arg;
	s->loop = l;
	s->fd = fd;
	flags = fcntl(fd, F_GETFL);
	if (flags != -1 && (flags & O_NONBLOCK) == 0)
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	buf_init(&s->kept, STREAM_KEEP_BYTES + sizeof(shared));
	buf_init(&s->out, out_max);
	ev_io_init(&s->io, l, fd, io_ready, s);
	ev_timer_init(&s->timer, l, time_is_up, s);
	ev_task_init(&s->task, offer_again, s);
}

void
stream_close(struct stream *s)
{
	struct stream_tap *tap = s->tap;

	if (s->ops == NULL || s->fd == -1)
		return;
	s->tap = NULL;
	if (tap != NULL)
		tap->closed(tap);
	ev_io_clear(&s->io);
	ev_timer_clear(&s->timer);
	ev_task_cancel(s->loop, &s->task);
	if (s->layer != NULL) {
		s->layer->finish(s);
		s->layer->free(s);
		s->layer = NULL;
	}
	close(s->fd);
	s->fd = -1;
	if (running == s)
		running = NULL;
	s->fresh = SLICE_EMPTY;
	buf_clear(&s->kept);
	buf_clear(&s->out);
}

bool
stream_is_open(const struct stream *s)
{
	return s->ops != NULL && s->fd != -1;
}

void
stream_close_when_sent(struct stream *s)
{
	if (!stream_is_open(s))
		return;
	s->closing = true;
	s->fresh = SLICE_EMPTY;
	buf_clear(&s->kept);
	s->kept_off = 0;
	ev_task_ask(s->loop, &s->task);
}

void
stream_close_gently(struct stream *s, int64_t ms)
{
	s->drain_ms = ms;
	stream_close_when_sent(s);
}

struct slice
stream_input(const struct stream *s)
{
	if (s->fresh.n > 0)
		return s->fresh;
	return slice_from(buf_slice(&s->kept), s->kept_off);
}

void
stream_consume(struct stream *s, size_t n)
{
	if (s->tap != NULL && n > 0)
		s->tap->received(s->tap, slice_first(stream_input(s), n));
	if (s->fresh.n > 0) {
		assert(n <= s->fresh.n);
		s->fresh = slice_from(s->fresh, n);
		return;
	}
	assert(n <= s->kept.n - s->kept_off);
	s->kept_off += n;
	if (s->kept_off == s->kept.n) {
		buf_clear(&s->kept);
		s->kept_off = 0;
	}
	/* Reading may have stopped because too much was kept. */
	if (n > 0 && stream_is_open(s))
		ev_task_ask(s->loop, &s->task);
}

void
stream_pause(struct stream *s)
{
	if (!stream_is_open(s))
		return;
	s->paused = true;
	update_wants(s);
}

void
stream_resume(struct stream *s)
{
	if (!s->paused || !stream_is_open(s))
		return;
	s->paused = false;
	update_wants(s);
	/* What was kept back is offered at the end of this turn. */
	s->resumed = true;
	ev_task_ask(s->loop, &s->task);
}

bool
stream_peer_is_gone(struct stream *s)
{
	char c;
	ssize_t n;

	if (!stream_is_open(s) || s->ended || s->eof)
		return true;
	if (s->layer != NULL)
		return s->layer->peer_is_gone(s);
	n = recv(s->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT);
	return n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR);
}

bool
stream_peer_is_reset(struct stream *s)
{
	char c;

	if (!stream_is_open(s) || s->ended)
		return true;
	return recv(s->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == -1 &&
	    errno != EAGAIN && errno != EINTR;
}

/* What is sent already does not count against out_max; it is moved away when
 * that is cheap, or needed. */
static void
make_room(struct stream *s, size_t n)
{
	if (s->out_off > 0 && (s->out_off > s->out.n / 2 ||
	    s->out.max - s->out.n < n)) {
		buf_drop(&s->out, s->out_off);
		s->out_off = 0;
	}
}

int
stream_write(struct stream *s, struct slice bytes)
{
	if (!stream_is_open(s) || s->ended || s->closing)
		return 0;	/* nobody will read it; not an error */
	make_room(s, bytes.n);
	if (buf_add(&s->out, bytes) == -1)
		return -1;
	if (s->tap != NULL)
		s->tap->written(s->tap, bytes);
	ev_task_ask(s->loop, &s->task);
	return 0;
}

int
stream_printf(struct stream *s, const char *fmt, ...)
{
	va_list ap;
	size_t n;
	int r;

	if (!stream_is_open(s) || s->ended || s->closing)
		return 0;
	make_room(s, 0);
	n = s->out.n;
	va_start(ap, fmt);
	r = buf_vprintf(&s->out, fmt, ap);
	va_end(ap);
	if (s->tap != NULL)
		s->tap->written(s->tap, slice_from(buf_slice(&s->out), n));
	if (r == 0)
		ev_task_ask(s->loop, &s->task);
	return r;
}

size_t
stream_unsent(const struct stream *s)
{
	return s->out.n - s->out_off;
}

size_t
stream_on_its_way(const struct stream *s)
{
	int n;

	return ioctl(s->fd, SIOCOUTQ, &n) == -1 || n < 0 ? 0 : (size_t)n;
}

int
stream_take_unsent(struct stream *s, struct buf *b)
{
	assert(s->layer == NULL);
	if (!stream_is_open(s))
		return 0;
	if (buf_add(b, slice_from(buf_slice(&s->out), s->out_off)) == -1)
		return -1;
	buf_clear(&s->out);
	s->out_off = 0;
	update_wants(s);
	return 0;
}

void
stream_stay_half_open(struct stream *s)
{
	s->half_open = true;
}

void
stream_timeout(struct stream *s, int64_t ms)
{
	if (!stream_is_open(s))
		return;
	if (ms > 0)
		ev_timer_set(&s->timer, ms);
	else
		ev_timer_stop(&s->timer);
}

/* What the kernel should tell us follows from the state alone. */
static void
update_wants(struct stream *s)
{
	int wants = 0;

	if (s->connecting)
		wants = EV_WANT_WRITE;
	else if (s->draining)
		wants = s->ended ? 0 : EV_WANT_READ;
	else if (s->securing && s->clear == 0 && !s->ended)
		wants = s->securing_writes ? EV_WANT_WRITE : EV_WANT_READ;
	else if (!s->ended) {
		if (!s->paused && !s->eof && !s->securing &&
		    s->kept.n - s->kept_off < STREAM_KEEP_BYTES)
			wants |= EV_WANT_READ;
		/* What this turn's end sends need not be waited for. */
		if (stream_unsent(s) > 0 && !s->task.due)
			wants |= EV_WANT_WRITE;
	}
	ev_io_want(&s->io, wants);
}

static void
io_ready(void *arg, int ready)
{
	struct stream *s = arg;

	running = s;
	if (s->connecting) {
		finish_connect(s);
		return;
	}
	if (s->draining) {
		drain(s);
		return;
	}
	if (s->securing && s->clear == 0) {
		shake_hands(s);
		return;
	}
	if (ready & EV_WANT_WRITE) {
		flush_output(s);
		if (running != s)
			return;
		if (s->securing && s->clear == 0 && !s->ended) {
			shake_hands(s);
			return;
		}
	}
	if (ready & EV_WANT_READ && !s->securing && !s->ended && !s->eof)
		read_some(s);
}

static void
finish_connect(struct stream *s)
{
	socklen_t len = sizeof(s->error);

	s->connecting = false;
	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &s->error, &len) == -1)
		s->error = errno;
	update_wants(s);
	if (s->error != 0)
		end(s, STREAM_ERROR);
	else if (s->ops->connected != NULL)
		s->ops->connected(s->arg);
}

/* ---- layers -------------------------------------------------------------- */

void
stream_add_layer(struct stream *s, const struct stream_layer *layer,
    void *data_take)
{
	assert(s->layer == NULL && stream_is_open(s));
	if (s->tap != NULL)
		s->tap->secured(s->tap);
	s->layer = layer;
	s->layer_data = data_take;
	s->fresh = SLICE_EMPTY;
	buf_clear(&s->kept);
	s->kept_off = 0;
	s->clear = stream_unsent(s);
	s->securing = true;
	s->securing_writes = false;
	update_wants(s);
	/* The connecting side speaks first, and what is to go out in clear
	 * goes at once. */
	ev_task_ask(s->loop, &s->task);
}

void
stream_layer_failed(struct stream *s, int error)
{
	running = s;
	s->error = error;
	end(s, STREAM_ERROR);
}

static void
shake_hands(struct stream *s)
{
	enum layer_step step = s->layer->handshake(s);

	s->securing_writes = step == LAYER_WANTS_WRITE;
	switch (step) {
	case LAYER_DONE:
		break;
	case LAYER_WANTS_READ:
	case LAYER_WANTS_WRITE:
		update_wants(s);
		return;
	case LAYER_FAILED:
		s->error = EPROTO;
		end(s, STREAM_ERROR);
		return;
	}
	s->securing = false;
	update_wants(s);
	if (s->ops->secured != NULL)
		s->ops->secured(s->arg);
	if (running != s || s->ended)
		return;
	/* What was written meanwhile; and the first bytes may have come with
	 * the last of the handshake. */
	ev_task_ask(s->loop, &s->task);
	if (!s->paused)
		read_some(s);
}

/* ---- input --------------------------------------------------------------- */

static ssize_t
receive(struct stream *s)
{
	if (s->layer != NULL)
		return s->layer->read(s, shared, sizeof(shared), READ_BYTES);
	return recv(s->fd, shared, READ_BYTES, 0);
}

static void
at_eof(struct stream *s)
{
	s->eof = true;
	update_wants(s);
	/* Who has closed its side may still read our last words. */
	if (s->closing && stream_unsent(s) > 0)
		return;
	/* With unconsumed input the owner hears of the end when it has taken
	 * what it can (offer_again). */
	if (s->paused && stream_input(s).n > 0)
		return;
	end(s, STREAM_EOF);
}

static void
read_some(struct stream *s)
{
	ssize_t n = receive(s);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == -1) {
		s->error = errno;
		end(s, STREAM_ERROR);
		return;
	}
	if (n == 0) {
		at_eof(s);
		return;
	}
	if (s->closing)
		return;
	if (s->kept.n > s->kept_off) {
		buf_drop(&s->kept, s->kept_off);
		s->kept_off = 0;
		if (buf_add(&s->kept, slice_of(shared, (size_t)n)) == -1) {
			s->error = ENOBUFS;
			end(s, STREAM_ERROR);
			return;
		}
	} else {
		buf_clear(&s->kept);
		s->kept_off = 0;
		s->fresh = slice_of(shared, (size_t)n);
	}
	offer_input(s);
	if (running != s || s->ended)
		return;
	update_wants(s);
	/* Nothing more comes from the socket, so nobody would look again. */
	if (s->layer != NULL && !s->securing && !s->eof &&
	    s->layer->is_over(s))
		read_some(s);
}

/* Calls the owner, then keeps what it left in the shared memory. */
static void
offer_input(struct stream *s)
{
	if (!s->paused && !s->closing && !s->securing &&
	    stream_input(s).n > 0)
		s->ops->input(s->arg);
	if (running != s)
		return;
	if (s->fresh.n > 0) {
		buf_add(&s->kept, s->fresh);
		s->fresh = SLICE_EMPTY;
	} else if (s->kept_off > 0) {
		buf_drop(&s->kept, s->kept_off);
		s->kept_off = 0;
	}
}

/* The end of a turn in which something was written or resumed. */
static void
offer_again(void *arg)
{
	struct stream *s = arg;

	if (s->connecting || s->ended || s->draining)
		return;
	running = s;
	if (s->resumed) {
		s->resumed = false;
		offer_input(s);
		if (running != s)
			return;
	}
	flush_output(s);
	if (running != s || s->ended)
		return;
	if (s->securing && s->clear == 0) {
		shake_hands(s);
		return;
	}
	update_wants(s);
	if (s->eof && !s->paused)
		end(s, STREAM_EOF);
}

/* What is to go in clear goes before the handshake, all else behind it. */
static void
flush_output(struct stream *s)
{
	ssize_t w;

	while (stream_unsent(s) > 0 && (!s->securing || s->clear > 0)) {
		w = send_some(s);
		if (w == -1 && errno == EINTR)
			continue;
		if (w == -1 && errno == EAGAIN)
			break;
		if (w == -1) {
			s->error = errno;
			end(s, STREAM_ERROR);
			return;
		}
		s->out_off += (size_t)w;
		if (stream_unsent(s) == 0) {
			all_is_sent(s);
			return;
		}
	}
	/* Nobody waits for a handshake that only a farewell would follow. */
	if (s->closing && (stream_unsent(s) == 0 ||
	    (s->securing && s->clear == 0))) {
		said_all(s);
		return;
	}
	update_wants(s);
}

static ssize_t
send_some(struct stream *s)
{
	const char *p = s->out.p + s->out_off;
	ssize_t w;

	if (s->layer != NULL && s->clear == 0)
		return s->layer->write(s, p, stream_unsent(s));
	w = send(s->fd, p, s->clear > 0 ? s->clear : stream_unsent(s),
	    MSG_NOSIGNAL);
	if (w > 0 && s->clear > 0)
		s->clear -= (size_t)w;
	return w;
}

static void
all_is_sent(struct stream *s)
{
	buf_clear(&s->out);
	s->out_off = 0;
	if (s->closing) {
		said_all(s);
		return;
	}
	update_wants(s);
	if (s->ops->sent != NULL)
		s->ops->sent(s->arg);
}

/* The last words are with the kernel. */
static void
said_all(struct stream *s)
{
	if (s->drain_ms == 0 || s->eof) {
		end(s, STREAM_EOF);
		return;
	}
	if (s->layer != NULL)
		s->layer->finish(s);
	if (shutdown(s->fd, SHUT_WR) == -1) {
		end(s, STREAM_EOF);
		return;
	}
	s->draining = true;
	ev_timer_set(&s->timer, s->drain_ms);
	update_wants(s);
}

/* Below the layer: nobody wants to know what it says. */
static void
drain(struct stream *s)
{
	ssize_t n = recv(s->fd, shared, READ_BYTES, 0);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	s->drained += n > 0 ? (size_t)n : 0;
	if (n <= 0 || s->drained > STREAM_DRAIN_BYTES)
		end(s, STREAM_EOF);
}

static void
end(struct stream *s, enum stream_end how)
{
	if (s->ended)
		return;
	if (s->half_open && how == STREAM_EOF && !s->closing) {
		if (!s->eof_told) {
			s->eof_told = true;
			s->ops->ended(s->arg, how);
		}
		return;
	}
	s->ended = true;
	update_wants(s);
	ev_timer_stop(&s->timer);
	s->ops->ended(s->arg, how);
}

static void
time_is_up(void *arg)
{
	struct stream *s = arg;

	s->connecting = false;
	end(s, s->draining ? STREAM_EOF : STREAM_TIMEOUT);
}
