/* SPDX-License-Identifier: ISC */
/* client - see client.h. */
#include <sys/socket.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "client.h"
#include "mail/summary.h"

struct ev_loop client_loop;
struct imap_session_config client_config = {
	.line_bytes = 65536, .append_bytes = 1000000, .compress = true,
	.unauthenticate = true,
	.hostname = "mail.example.org", .login = "ann", .admin = "",
};

const char *client_maildir = "";

static void	 begin(struct client *, const struct imap_begin *);

static void
on_changed(void *arg, struct slice mailbox)
{
	struct client *c = arg;

	buf_add(&c->changed, mailbox);
	buf_add_byte(&c->changed, '\n');
}

static void
on_watch(void *arg, const struct slice *v, size_t n)
{
	struct client *c = arg;
	size_t i;

	buf_reset(&c->watched);
	for (i = 0; i < n; i++) {
		buf_add(&c->watched, v[i]);
		buf_add_byte(&c->watched, '\n');
	}
}

static bool
on_park(void *arg, struct slice state)
{
	struct client *c = arg;

	if (!c->parks)
		return false;
	buf_reset(&c->state);
	buf_add(&c->state, state);
	c->parked = true;
	return true;
}

static void
on_ended(void *arg, const char *why)
{
	struct client *c = arg;

	c->ended = true;
	snprintf(c->why, sizeof(c->why), "%s", why);
	imap_session_free(&c->session);
}

static void
on_unauthenticate(void *arg, struct slice unread)
{
	struct client *c = arg;

	c->unauthenticated = true;
	buf_add(&c->state, unread);
}

static const struct imap_seat_ops seat = {
	on_changed, on_watch, on_park, on_ended, on_unauthenticate,
};

static void
begin(struct client *c, const struct imap_begin *b)
{
	struct imap_begin begin = *b;
	int pair[2], n = 1 << 20;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
	    pair) == -1)
		abort();
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &n, sizeof(n));
	c->fd = pair[0];
	begin.fd_take = pair[1];
	c->session = imap_session_new(&client_loop, c->store, &client_config,
	    &begin, &seat, c);
	if (c->session == NULL)
		close(pair[1]);
}

void
client_begin(void)
{
	if (client_loop.base == NULL)
		ev_loop_init(&client_loop);
}

void
client_login(struct client *c)
{
	struct imap_begin b = { .tag = SLICE_LIT("t"), .unread = SLICE_EMPTY,
		.state = SLICE_EMPTY };

	static const struct store_options options = { .create = true,
		.create_special = true, .summarise = summary_build };

	*c = (struct client){ .store = store_open(client_maildir, &options) };
	buf_init(&c->got, 100 * 1024 * 1024);
	buf_init(&c->state, 1024 * 1024);
	buf_init(&c->changed, 1024 * 1024);
	buf_init(&c->watched, 1024 * 1024);
	begin(c, &b);
	assert(c->session != NULL);
	client_settle(c);
	buf_reset(&c->got);
}

void
client_resume(struct client *c, bool news)
{
	struct imap_begin b = { .tag = SLICE_EMPTY, .unread = SLICE_EMPTY,
		.state = buf_slice(&c->state), .news = news };

	imap_session_free(&c->session);
	close(c->fd);
	c->parked = false;
	begin(c, &b);
	if (c->session != NULL)
		client_settle(c);
}

void
client_close(struct client *c)
{
	imap_session_free(&c->session);
	store_close(&c->store);
	close(c->fd);
	buf_clear(&c->got);
	buf_clear(&c->state);
	buf_clear(&c->changed);
	buf_clear(&c->watched);
}

static bool
receive(struct client *c)
{
	char *to = buf_reserve(&c->got, 65536);
	ssize_t n = to == NULL ? 0 : read(c->fd, to, 65536);

	if (n <= 0)
		return false;
	c->got.n += (size_t)n;
	return true;
}

void
client_settle(struct client *c)
{
	unsigned quiet = 0;

	while (quiet < 3) {
		ev_turn(&client_loop, 0);
		quiet = receive(c) ? 0 : quiet + 1;
		/* A search that works on lets the loop turn. */
		if (c->session != NULL && (c->session->job != NULL ||
		    ev_timer_is_set(&c->session->go_on)))
			quiet = 0;
	}
}

void
client_send(struct client *c, struct slice text)
{
	ssize_t n;

	while (text.n > 0) {
		n = send(c->fd, text.p, text.n, MSG_NOSIGNAL);
		if (n == -1 && errno != EAGAIN)
			return;
		if (n > 0)
			text = slice_from(text, (size_t)n);
		ev_turn(&client_loop, 0);
		receive(c);
	}
}

struct slice
client_ask(struct client *c, const char *text)
{
	buf_reset(&c->got);
	client_send(c, slice_str(text));
	client_settle(c);
	return buf_slice(&c->got);
}
