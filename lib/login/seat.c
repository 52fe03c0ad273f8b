/* SPDX-License-Identifier: ISC */
/* seat - see seat.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ipc/next_client.h"
#include "login/seat.h"
#include "os/takeover.h"

#define BEGIN_MS	10000	/* SE_BEGIN is there already */
#define BEGIN_BYTES	90000
#define WHY_BYTES	200
#define NEWS_MS		20	/* from one news of a mailbox to the next */

static void	 login_says(void *, struct channel *, struct message *);
static void	 login_is_gone(void *, struct channel *);
static int	 take_client(struct seat *, int channel_fd_take, int fd_take);
static bool	 take_begin(struct seat *, struct message *);
static void	 forget_client(struct seat *);
static void	 take_news(struct seat *, struct message *);
static void	 take_bye(struct seat *, struct message *);
static void	 tell_changed(void *);
static void	 tell_what_is_left(struct seat *);
static int	 give_back(struct seat *);

static const struct message_rule rules[] = RULES_OF(SEAT);
static const struct channel_ops channel_ops = { login_says, login_is_gone,
	NULL };

int
seat_init(struct seat *s, int channel_fd_take, int fd_take)
{
	ev_loop_init(&s->loop);
	buf_init(&s->begin, BEGIN_BYTES);
	buf_init(&s->changed, SESSION_MAILBOX_BYTES);
	ev_timer_init(&s->tells, &s->loop, tell_changed, s);
	return take_client(s, channel_fd_take, fd_take);
}

static int
take_client(struct seat *s, int channel_fd_take, int fd_take)
{
	struct message m;

	s->fd = fd_take;
	s->channel = channel_new(&s->loop, channel_fd_take, rules, s->self,
	    s->login_role, 0, &channel_ops, s);
	if (channel_wait(s->channel, &m, BEGIN_MS) == -1 ||
	    m.type != SE_BEGIN || !take_begin(s, &m))
		return -1;
	takeover_session(s->login, s->fd);
	return 0;
}

static bool
take_begin(struct seat *s, struct message *m)
{
	struct wire w;
	uint8_t flags;

	buf_add(&s->begin, get_rest(&m->body));
	w = wire_of(buf_slice(&s->begin));
	flags = get_u8(&w);
	s->tls = flags & SEAT_TLS;
	s->has_news = flags & SEAT_NEWS;
	s->may_park = flags & SEAT_MAY_PARK;
	s->tag = get_slice(&w, SESSION_TAG_BYTES);
	s->client = get_slice(&w, 64);
	s->unread = get_slice(&w, SESSION_UNREAD_BYTES);
	s->state = get_slice(&w, SESSION_STATE_BYTES);
	return wire_done(&w);
}

void
seat_start(struct seat *s, const struct seat_ops *ops, void *arg)
{
	s->ops = ops;
	s->arg = arg;
}

void
seat_flush(struct seat *s)
{
	if (s->channel != NULL)
		channel_flush(s->channel);
}

bool
seat_next(struct seat *s)
{
	int fds[NEXT_CLIENT_FDS];

	if (!s->is_over || s->channel == NULL)
		return false;
	channel_send(s->channel, SE_FREE, 0, SLICE_EMPTY);
	forget_client(s);
	log_flush();
	return next_client_wait(s->line, fds) == 0 &&
	    take_client(s, fds[0], fds[1]) == 0;
}

/* The login process hears that it is free when the client's bytes are closed
 * here. */
static void
forget_client(struct seat *s)
{
	if (s->fd != -1)
		close(s->fd);
	s->fd = -1;
	seat_flush(s);
	channel_free(&s->channel);
	ev_timer_stop(&s->tells);
	buf_clear(&s->begin);
	buf_clear(&s->changed);
	s->tag = s->client = s->unread = s->state = SLICE_EMPTY;
	s->tls = s->has_news = s->may_park = s->is_over = false;
	s->news = 0;
	s->ops = NULL;
	s->arg = NULL;
}

void
seat_clear(struct seat *s)
{
	forget_client(s);
	close(s->line);
	ev_loop_clear(&s->loop);
	free(s->login);
	free(s->directory);
	free(s->maildir);
	s->login = s->directory = s->maildir = NULL;
}

/* ---- said by the login process ------------------------------------------- */

static void
login_says(void *arg, struct channel *c, struct message *m)
{
	struct seat *s = arg;

	if (m->type == SE_NEWS)
		take_news(s, m);
	else if (m->type == SE_BYE)
		take_bye(s, m);
	else
		channel_breach(c, "not-a-login's");
}

static void
take_news(struct seat *s, struct message *m)
{
	struct slice mailbox = get_slice(&m->body, SESSION_MAILBOX_BYTES);

	s->news++;
	if (s->ops != NULL && s->ops->news != NULL)
		s->ops->news(s->arg, mailbox);
}

static void
take_bye(struct seat *s, struct message *m)
{
	char text[WHY_BYTES + 1];
	struct slice said = get_text(&m->body, WHY_BYTES);

	memcpy(text, said.p, said.n);
	text[said.n] = '\0';
	if (s->ops != NULL)
		s->ops->bye(s->arg, text);
}

static void
login_is_gone(void *arg, struct channel *c)
{
	struct seat *s = arg;

	(void)c;
	s->channel = NULL;
	if (s->ops != NULL)
		s->ops->gone(s->arg);
}

/* ---- said to it ---------------------------------------------------------- */

void
seat_changed(struct seat *s, struct slice mailbox)
{
	int64_t now = clock_mono_ms(), next = s->told_ms + NEWS_MS;
	bool again = slice_eq(buf_slice(&s->changed), mailbox);

	if (mailbox.n > SESSION_MAILBOX_BYTES)
		return;
	if (again && now < next) {
		if (!ev_timer_is_set(&s->tells))
			ev_timer_set(&s->tells, next - now);
		return;
	}
	if (!again)
		tell_what_is_left(s);
	ev_timer_stop(&s->tells);
	buf_reset(&s->changed);
	buf_add(&s->changed, mailbox);
	tell_changed(s);
}

static void
tell_changed(void *arg)
{
	struct seat *s = arg;
	struct buf *b;

	if (s->channel == NULL)
		return;
	s->told_ms = clock_mono_ms();
	b = channel_begin(s->channel, SE_CHANGED, 0);
	if (b != NULL)
		put_slice(b, buf_slice(&s->changed));
	channel_end(s->channel);
}

/* Before anything else is. */
static void
tell_what_is_left(struct seat *s)
{
	if (!ev_timer_is_set(&s->tells))
		return;
	ev_timer_stop(&s->tells);
	tell_changed(s);
}

void
seat_watch(struct seat *s, const struct slice *mailboxes, size_t n)
{
	struct buf *b;
	bool all = n > SESSION_WATCHES;
	size_t i;

	for (i = 0; i < n; i++)
		all = all || mailboxes[i].n == 0 ||
		    mailboxes[i].n > SESSION_MAILBOX_BYTES;
	if (s->channel == NULL)
		return;
	b = channel_begin(s->channel, SE_WATCH, 0);
	if (b != NULL)
		put_u16(b, all ? SEAT_ALL : (uint16_t)n);
	for (i = 0; b != NULL && !all && i < n; i++)
		put_slice(b, mailboxes[i]);
	channel_end(s->channel);
}

static int
give_back(struct seat *s)
{
	tell_what_is_left(s);
	return s->channel == NULL || s->fd == -1 ? -1 :
	    fcntl(s->fd, F_DUPFD_CLOEXEC, 3);
}

bool
seat_park(struct seat *s, struct slice state)
{
	struct buf *b;
	int fd;

	if (!s->may_park || state.n == 0 || state.n > SESSION_STATE_BYTES)
		return false;
	fd = give_back(s);
	if (fd == -1)
		return false;
	b = channel_begin(s->channel, SE_PARK, 0);
	if (b != NULL) {
		put_u32(b, s->news);
		put_slice(b, state);
	}
	channel_end_fds(s->channel, &fd, 1);
	return b != NULL;
}

void
seat_unauthenticate(struct seat *s, struct slice unread)
{
	struct buf *b;
	int fd = give_back(s);

	if (fd == -1 || unread.n > SESSION_UNREAD_BYTES) {
		seat_over(s, "unauthenticate");
		if (fd != -1)
			close(fd);
		return;
	}
	b = channel_begin(s->channel, SE_UNAUTHENTICATE, 0);
	if (b != NULL)
		put_slice(b, unread);
	channel_end_fds(s->channel, &fd, 1);
}

void
seat_over(struct seat *s, const char *why)
{
	struct slice word = slice_str(why);
	struct buf *b;

	if (word.n > WHY_BYTES)
		word.n = WHY_BYTES;
	tell_what_is_left(s);
	s->is_over = true;
	if (s->channel == NULL)
		return;
	b = channel_begin(s->channel, SE_OVER, 0);
	if (b != NULL)
		put_slice(b, word);
	channel_end(s->channel);
}
