/* SPDX-License-Identifier: ISC */
/*
 * session - a connection and its session's process; see login.h.
 *
 * Without TLS the session has the client's own socket, and we keep ours open
 * beside it, unread.  Within TLS it has one end of a socketpair, and we carry
 * the bytes.  Always: at most PUMP_BYTES are on their way in each direction;
 * the connection of a session ends when its process is gone and all that it
 * said has been read.
 *
 * Parked: no process, no channel; what the session needs to go on is in
 * c->parked, what it had not read in c->ahead.  The client's next byte, or news
 * of a mailbox that it watches, has another process go on.  Both are kept until
 * that process has said something, which it does before it reads from the
 * client; until then nothing more is carried to it.  So one that dies before is
 * replaced without a loss, and one that dies later ends the connection.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ipc/counters.h"
#include "login/login.h"

#define RETRY_MS	500	/* then ever later, up to SLOW times that */
#define SLOW		10
#define BACK_BYTES	16384	/* read at once from what comes back */
#define DEATHS		60	/* to go on, then the client is let go */

static bool	 launch(struct conn *, struct slice grant);
static void	 take_started(struct login *, struct message *);
static void	 send_begin(struct conn *);
static void	 take_refused(struct login *, struct message *);
static void	 no_session(struct conn *, enum session_refusal);
static void	 process_died(struct conn *);
static void	 end_at_master(struct login *, uint64_t session, bool is_free);
static void	 seat_says(void *, struct channel *, struct message *);
static void	 take_changed(struct conn *, struct message *);
static void	 take_watch(struct conn *, struct message *);
static void	 take_park(struct conn *, struct message *);
static void	 take_unauthenticate(struct conn *, struct message *);
static void	 take_over(struct conn *, struct message *);
static void	 take_free(struct conn *, struct message *);
static bool	 read_back(struct conn *, struct message *);
static bool	 read_out(struct conn *);
static void	 seat_is_down(void *, struct channel *);
static void	 inner_input(void *);
static void	 inner_sent(void *);
static void	 inner_ended(void *, enum stream_end);
static void	 session_proved(struct conn *);
static void	 finish(struct conn *);

static const struct message_rule seat_rules[] = RULES_OF(SEAT);
static const struct channel_ops seat_ops = { seat_says, seat_is_down, NULL };
static const struct stream_ops inner_ops = { .input = inner_input,
	.sent = inner_sent, .ended = inner_ended };

/* What a session may say. */
static const struct {
	uint16_t	 type;
	void		(*take)(struct conn *, struct message *);
} verbs[] = {
	{ SE_CHANGED,		take_changed },
	{ SE_WATCH,		take_watch },
	{ SE_PARK,		take_park },
	{ SE_UNAUTHENTICATE,	take_unauthenticate },
	{ SE_OVER,		take_over },
	{ SE_FREE,		take_free },
};

/* ---- beginning ----------------------------------------------------------- */

void
session_begin(struct conn *c, struct slice grant)
{
	conn_enter(c, CONN_STARTING);
	ev_timer_stop(&c->timer);
	stream_pause(&c->client);
	if (!launch(c, grant))
		no_session(c, SESSION_LATER);
}

/* The client's bytes, as the session gets them; -1: not to be had. */
static int
bytes_for(struct conn *c)
{
	int s[2];

	if (!conn_is_tls(c))
		return fcntl(c->client.fd, F_DUPFD_CLOEXEC, 3);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) == -1)
		return -1;
	stream_close(&c->inner);
	stream_open(&c->inner, &c->l->child.loop, s[0], PUMP_BYTES, &inner_ops,
	    c);
	return s[1];
}

static bool
launch(struct conn *c, struct slice grant)
{
	struct login *l = c->l;
	struct buf *b;
	int s[2], fds[2];

	if (l->stopping ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) == -1)
		return false;
	fds[0] = s[1];
	fds[1] = bytes_for(c);
	if (fds[1] == -1) {
		log_warn("event=no-descriptors why=\"%s\"", strerror(errno));
		close(s[0]);
		close(s[1]);
		return false;
	}
	c->inner_done = !conn_is_tls(c);
	c->said_over = c->has_none = false;
	c->news_sent = 0;
	c->seat = channel_new(&l->child.loop, s[0], seat_rules,
	    l->protocol->role, l->protocol->session, 0, &seat_ops, c);
	b = channel_begin(l->child.master, CTL_SESSION_WANTED, c->id);
	if (b != NULL) {
		put_u64(b, c->session);
		put_slice(b, grant);
	}
	channel_end_fds(l->child.master, fds, 2);
	return true;
}

void
session_control(struct login *l, struct message *m)
{
	if (m->type == CTL_SESSION)
		take_started(l, m);
	else if (m->type == CTL_SESSION_REFUSED)
		take_refused(l, m);
	else
		channel_breach(l->child.master, "not-for-a-login");
}

static void
take_started(struct login *l, struct message *m)
{
	struct conn *c = conn_find(l, m->id);
	uint64_t session = get_u64(&m->body);
	struct slice maildir;

	get_slice(&m->body, LOGIN_BYTES);
	maildir = get_slice(&m->body, 4096);
	if (!wire_done(&m->body)) {
		channel_breach(l->child.master, "session");
		return;
	}
	if (c == NULL || c->state != CONN_STARTING) {
		end_at_master(l, session, false); /* the client has gone */
		return;
	}
	if (c->seat == NULL) {
		/* Its process is gone already; of a new one nothing is left. */
		if (c->session == 0)
			end_at_master(l, session, false);
		process_died(c);
		return;
	}
	c->session = session;
	watch_mail(c, maildir);
	send_begin(c);
	conn_enter(c, CONN_SESSION);
	c->news = false;
	if (!conn_is_tls(c))
		tap_close(&c->client, "logged in without TLS: the session has "
		    "the connection itself and is not shown");
	if (!conn_is_tls(c) || c->parked.n > 0)
		return;		/* see session_proved() */
	conn_resume(c);
	if (c->client_gone)
		session_client_ended(c);
}

static void
send_begin(struct conn *c)
{
	struct slice unread = conn_input(c);
	bool parked = c->parked.n > 0;
	struct buf *b;

	if (unread.n > SESSION_UNREAD_BYTES)
		unread.n = SESSION_UNREAD_BYTES;
	b = channel_begin(c->seat, SE_BEGIN, 0);
	if (b != NULL) {
		put_u8(b, (uint8_t)((conn_is_tls(c) ? SEAT_TLS : 0) |
		    (c->news ? SEAT_NEWS : 0) | SEAT_MAY_PARK));
		put_slice(b, parked ? SLICE_EMPTY : c->l->protocol->tag(c));
		put_slice(b, slice_str(c->who.text));
		put_slice(b, unread);
		put_slice(b, buf_slice(&c->parked));
	}
	channel_end(c->seat);
	if (!parked)
		conn_consume(c, unread.n);
	else if (c->ahead.n == 0) {
		buf_add(&c->ahead, unread);
		stream_consume(&c->client, unread.n);
	}
	c->handed = unread.n;
}

/* It has taken over: what another would need in its place can go, and what is
 * behind that follows. */
static void
session_proved(struct conn *c)
{
	if (c->parked.n == 0)
		return;
	buf_clear(&c->parked);
	c->retries = c->deaths = 0;
	buf_drop(&c->ahead, c->handed);
	if (conn_is_tls(c)) {
		stream_write(&c->inner, buf_slice(&c->ahead));
		stream_resume(&c->client);
	}
	buf_clear(&c->ahead);
	if (c->client_gone)
		session_client_ended(c);
}

static void
take_refused(struct login *l, struct message *m)
{
	struct conn *c = conn_find(l, m->id);
	enum session_refusal why = get_u8(&m->body);

	if (c != NULL && c->state == CONN_STARTING)
		no_session(c, why);
}

/* Somebody who logs in is told; a parked session's client knows of nothing,
 * and waits: many may be woken at once, and have their turn one after another.
 */
static void
no_session(struct conn *c, enum session_refusal why)
{
	stream_close(&c->inner);
	channel_free(&c->seat);
	if (c->session != 0 && why == SESSION_LATER) {
		conn_enter(c, CONN_PARKED);
		c->wake = true;
		c->retries += c->retries < SLOW;
		ev_timer_set(&c->timer, RETRY_MS / 2 * c->retries +
		    arc4random_uniform(RETRY_MS / 2 * c->retries));
		return;
	}
	if (c->session != 0) {
		conn_bye(c, LOGIN_END_SESSION);
		return;
	}
	sasl_logout(c);
	conn_enter(c, CONN_TALK);
	ev_timer_set(&c->timer, c->l->login_ms);
	c->l->protocol->refused(c, why);
	conn_resume(c);
}

/* Before it had taken over. */
static void
process_died(struct conn *c)
{
	if (++c->deaths > DEATHS)
		conn_bye(c, LOGIN_END_SESSION);
	else
		no_session(c, SESSION_LATER);
}

static void
end_at_master(struct login *l, uint64_t session, bool is_free)
{
	struct buf *b = channel_begin(l->child.master, CTL_SESSION_END, 0);

	if (b != NULL) {
		put_u64(b, session);
		put_u8(b, is_free);
	}
	channel_end(l->child.master);
}

void
session_clear(struct conn *c)
{
	stream_close(&c->inner);
	channel_free(&c->seat);
	watch_clear(c);
	if (c->session != 0)
		end_at_master(c->l, c->session, false);
	c->session = 0;
	buf_clear(&c->parked);
}

/* ---- what sessions say --------------------------------------------------- */

static void
seat_says(void *arg, struct channel *ch, struct message *m)
{
	struct conn *c = arg;
	size_t i;

	/* Also before master has said that it starts. */
	if (m->type == SE_NONE) {
		c->has_none = true;
		return;
	}
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (verbs[i].type == m->type && c->state == CONN_SESSION) {
			session_proved(c);
			verbs[i].take(c, m);
			return;
		}
	channel_breach(ch, "not-a-session's");
}

static void
take_changed(struct conn *c, struct message *m)
{
	struct slice mailbox = get_text(&m->body, SESSION_MAILBOX_BYTES);

	if (wire_done(&m->body))
		watch_changed(c, mailbox);
	else
		channel_breach(c->seat, "changed");
}

static void
take_watch(struct conn *c, struct message *m)
{
	if (!watch_set(c, &m->body))
		channel_breach(c->seat, "watch");
}

static void
take_over(struct conn *c, struct message *m)
{
	struct slice why = get_text(&m->body, sizeof(c->over) - 1);

	c->said_over = true;
	snprintf(c->over, sizeof(c->over), "%.*s", SLICE_ARG(why));
}

/* For us its process is gone. */
static void
take_free(struct conn *c, struct message *m)
{
	(void)m;
	if (!c->said_over) {
		channel_breach(c->seat, "free");
		return;
	}
	end_at_master(c->l, c->session, true);
	c->session = 0;
	channel_free(&c->seat);
	if (c->inner_done)
		finish(c);
}

/* What it had not read within TLS comes back before what we have.  False: that
 * is more than we keep. */
static bool
read_back(struct conn *c, struct message *m)
{
	bool all = !conn_is_tls(c);
	ssize_t n;
	char *room;

	while (!all && (room = buf_reserve(&c->ahead, BACK_BYTES)) != NULL) {
		n = recv(m->fds[0], room, BACK_BYTES, MSG_DONTWAIT);
		all = n <= 0;
		c->ahead.n += all ? 0 : (size_t)n;
	}
	all = all && stream_take_unsent(&c->inner, &c->ahead) == 0;
	if (c->ahead.n == 0)
		buf_clear(&c->ahead);
	close(m->fds[0]);
	m->fds[0] = -1;
	return all;
}

/* What a session that has ended said within TLS, before we speak again.  False:
 * the client does not read. */
static bool
read_out(struct conn *c)
{
	char piece[BACK_BYTES];
	ssize_t n = 0;

	if (!stream_is_open(&c->inner))
		return true;
	if (stream_write(&c->client, stream_input(&c->inner)) == -1)
		return false;
	do {
		if (stream_write(&c->client, slice_of(piece,
		    (size_t)n)) == -1)
			return false;
		n = recv(c->inner.fd, piece, sizeof(piece), MSG_DONTWAIT);
	} while (n > 0);
	stream_close(&c->inner);
	return true;
}

static void
take_park(struct conn *c, struct message *m)
{
	uint32_t news = get_u32(&m->body);
	struct slice state = get_slice(&m->body, SESSION_STATE_BYTES);

	if (!wire_done(&m->body) || state.n == 0) {
		channel_breach(c->seat, "park");
		return;
	}
	if (!read_back(c, m)) {
		conn_bye(c, LOGIN_END_SESSION);
		return;
	}
	buf_add(&c->parked, state);
	conn_enter(c, CONN_PARKED);
	count(LOGIN_PARKINGS);
	c->news = news != c->news_sent;
	channel_free(&c->seat);
	if (c->l->stopping || c->revoked) {
		conn_bye(c, c->revoked ? LOGIN_END_LOGOUT : LOGIN_END_STOP);
		return;
	}
	ev_timer_set(&c->timer, c->l->idle_ms);
	if (c->news || c->ahead.n > 0 || c->client_gone ||
	    stream_input(&c->client).n > 0)
		session_wake(c, c->news);
	else
		stream_resume(&c->client);
}

static void
take_unauthenticate(struct conn *c, struct message *m)
{
	struct slice unread = get_slice(&m->body, SESSION_UNREAD_BYTES);

	if (!wire_done(&m->body)) {
		channel_breach(c->seat, "unauthenticate");
		return;
	}
	buf_add(&c->ahead, unread);
	if (!read_back(c, m) || !read_out(c)) {
		conn_bye(c, LOGIN_END_SESSION);
		return;
	}
	channel_free(&c->seat);
	watch_clear(c);
	end_at_master(c->l, c->session, false);
	c->session = 0;
	sasl_logout(c);
	c->revoked = false;
	conn_enter(c, CONN_TALK);
	ev_timer_set(&c->timer, c->l->login_ms);
	conn_resume(c);
}

static void
seat_is_down(void *arg, struct channel *ch)
{
	struct conn *c = arg;

	(void)ch;
	c->seat = NULL;
	/* While it was starting: master will say what became of it. */
	if (c->state == CONN_SESSION && c->inner_done)
		finish(c);
}

/* Its process is gone, and all that it said is with the client, or on its
 * way. */
static void
finish(struct conn *c)
{
	if (c->parked.n > 0)
		process_died(c);
	else if (c->said_over)
		conn_close(c, c->over);
	else if (!c->has_none)
		conn_bye(c, LOGIN_END_SESSION);
	else if (c->handed > 0)
		/* With what the client had sent behind its login. */
		conn_bye(c, LOGIN_END_FULL);
	else {
		watch_clear(c);
		end_at_master(c->l, c->session, false);
		c->session = 0;
		no_session(c, SESSION_LATER);
	}
}

/* ---- news, and the end --------------------------------------------------- */

void
session_news(struct conn *c, struct slice mailbox)
{
	struct buf *b;

	if (c->state == CONN_PARKED) {
		session_wake(c, true);
		return;
	}
	c->news = true;
	if (c->state != CONN_SESSION || c->seat == NULL)
		return;
	c->news_sent++;
	if (channel_is_busy(c->seat))
		return;		/* it finds out when it wants to park */
	b = channel_begin(c->seat, SE_NEWS, 0);
	if (b != NULL)
		put_slice(b, mailbox);
	channel_end(c->seat);
}

void
session_wake(struct conn *c, bool news)
{
	if (c->state != CONN_PARKED)
		return;
	c->news = c->news || news;
	c->wake = true;
	if (stream_is_open(&c->inner))
		return;		/* until the one before has ended: inner_ended() */
	c->wake = false;
	ev_timer_stop(&c->timer);
	stream_pause(&c->client);
	conn_rename(c);
	conn_enter(c, CONN_STARTING);
	if (!launch(c, SLICE_EMPTY))
		no_session(c, SESSION_LATER);
}

bool
session_retry(struct conn *c)
{
	if (c->state != CONN_PARKED || !c->wake)
		return false;
	session_wake(c, false);
	return true;
}

void
session_bye(struct conn *c, const char *text)
{
	struct buf *b;

	if (c->seat == NULL)
		return;		/* it has ended */
	b = channel_begin(c->seat, SE_BYE, 0);
	if (b != NULL)
		put_slice(b, slice_str(text));
	channel_end(c->seat);
}

/* ---- bytes within TLS ---------------------------------------------------- */

void
session_client_input(struct conn *c)
{
	struct slice in = stream_input(&c->client);
	size_t room;

	if (!stream_is_open(&c->inner) || c->parked.n > 0) {
		stream_pause(&c->client);
		return;
	}
	room = PUMP_BYTES - stream_unsent(&c->inner);
	if (in.n > room) {
		in.n = room;
		stream_pause(&c->client);
	}
	stream_write(&c->inner, in);
	stream_consume(&c->client, in.n);
}

static void
inner_sent(void *arg)
{
	struct conn *c = arg;

	if (c->client_gone && c->state == CONN_SESSION)
		shutdown(c->inner.fd, SHUT_WR);
	else if (c->state == CONN_SESSION)
		stream_resume(&c->client);
}

/* It is told to end, and gets no more of who may be there no longer than it
 * keeps talking to him: a session that does not is cut off. */
bool
session_client_ended(struct conn *c)
{
	bool is_open = stream_is_open(&c->inner);

	/* Having said all, it may still have to say how it ended. */
	if (!is_open && c->seat == NULL)
		return false;
	c->client_gone = true;
	ev_timer_set(&c->timer, c->l->gone_ms);
	if (is_open && c->parked.n == 0 && stream_unsent(&c->inner) == 0)
		shutdown(c->inner.fd, SHUT_WR);
	return true;
}

static void
inner_input(void *arg)
{
	struct conn *c = arg;
	struct slice in = stream_input(&c->inner);
	size_t room = PUMP_BYTES - stream_unsent(&c->client);

	if (stream_unsent(&c->client) > PUMP_BYTES)
		room = 0;
	if (in.n > room) {
		in.n = room;
		stream_pause(&c->inner);
	}
	stream_write(&c->client, in);
	stream_consume(&c->inner, in.n);
	if (c->client_gone && in.n > 0)
		ev_timer_set(&c->timer, c->l->gone_ms);
}

void
session_client_sent(struct conn *c)
{
	if (stream_is_open(&c->inner))
		stream_resume(&c->inner);
}

static void
inner_ended(void *arg, enum stream_end how)
{
	struct conn *c = arg;

	/* It closed while we wrote: its last words are still there. */
	if (how == STREAM_ERROR)
		read_out(c);
	stream_close(&c->inner);
	c->inner_done = true;
	if (c->state == CONN_PARKED && c->wake)
		session_wake(c, false);
	else if (c->state == CONN_SESSION && c->seat == NULL)
		finish(c);
}
