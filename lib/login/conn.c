/* SPDX-License-Identifier: ISC */
/*
 * conn - a client's connection; see login.h.
 *
 * A connection that ends inside a call chain stays as memory, in state
 * CONN_OVER, until the end of the turn.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ipc/counters.h"
#include "login/login.h"

#define SLOT_BITS	24
#define SLOT_LIMIT	(1u << SLOT_BITS)
#define SERIAL_LIMIT	(1u << 31)

static void	 take_slot(struct login *, struct conn *);
static bool	 turn_away(struct conn *);
static void	 begin(struct conn *);
static void	 secured(void *);
static void	 client_input(void *);
static void	 take_all(struct conn *);
static void	 client_sent(void *);
static void	 client_ended(void *, enum stream_end);
static bool	 listens_still(struct conn *);
static void	 time_is_up(void *);
static bool	 is_farewell(const char *);

static const struct stream_ops client_ops = { .input = client_input,
	.sent = client_sent, .ended = client_ended, .secured = secured };

/* ---- the beginning ------------------------------------------------------- */

void
conn_new(struct login *l, int fd_take, const struct peer *who,
    const char *listener)
{
	struct conn *c;

	if (l->nconns >= SLOT_LIMIT || l->stopping) {
		close(fd_take);
		return;
	}
	c = mem_alloc(sizeof(*c));
	c->l = l;
	c->state = CONN_TALK;
	c->who = *who;
	c->listener = mem_strdup(listener);
	c->front = mem_alloc(l->protocol->front_bytes);
	c->since_ms = clock_mono_ms();
	buf_init(&c->ahead, PUMP_BYTES);
	buf_init(&c->parked, SESSION_STATE_BYTES);
	buf_init(&c->watched, WATCH_BYTES);
	stream_open(&c->client, &l->child.loop, fd_take,
	    LOGIN_OUT_BYTES + PUMP_BYTES, &client_ops, c);
	stream_stay_half_open(&c->client);
	conn_tap(c);
	take_slot(l, c);
	count(LOGIN_CONNECTIONS);
	ev_timer_init(&c->timer, &l->child.loop, time_is_up, c);
	ev_timer_set(&c->timer, l->login_ms);
	if (!turn_away(c))
		begin(c);
}

static void
take_slot(struct login *l, struct conn *c)
{
	uint32_t i, n = l->nslots;

	if (l->nfree == 0) {
		l->nslots = n == 0 ? 64 : n * 2;
		l->slots = mem_regrow(l->slots, l->nslots, sizeof(*l->slots));
		l->free_slots = mem_regrow(l->free_slots, l->nslots,
		    sizeof(*l->free_slots));
		for (i = l->nslots; i > n; i--) {
			l->slots[i - 1] = NULL;
			l->free_slots[l->nfree++] = i - 1;
		}
	}
	c->id = l->free_slots[--l->nfree];
	l->slots[c->id] = c;
	conn_rename(c);
	TAILQ_INSERT_TAIL(&l->conns, c, entry);
	count_set(LOGIN_CLIENTS, ++l->nconns);
}

void
conn_rename(struct conn *c)
{
	c->l->serial = (c->l->serial + 1) % SERIAL_LIMIT;
	c->id = (uint64_t)c->l->serial << SLOT_BITS | c->id % SLOT_LIMIT;
}

struct conn *
conn_find(struct login *l, uint64_t id)
{
	uint64_t slot = id % SLOT_LIMIT;
	struct conn *c = slot < l->nslots ? l->slots[slot] : NULL;

	return c != NULL && c->id == id ? c : NULL;
}

static bool
turn_away(struct conn *c)
{
	struct login *l = c->l;
	uint64_t client = rate_client(c->who.addr);

	if (l->nconns > l->max_connections) {
		conn_bye(c, LOGIN_END_FULL);
		return true;
	}
	if (peer_is_local(&c->who))
		return false;
	rate_connected(&l->rate, client, 0);
	c->counted = true;
	if (rate_of(&l->rate, client, 0, 0).sessions <= l->client_connections)
		return false;
	conn_bye(c, LOGIN_END_CLIENT);
	return true;
}

static void
begin(struct conn *c)
{
	if (certificates_mode(&c->l->certificates, c->listener) ==
	    LISTENER_TLS_IMPLICIT) {
		conn_start_tls(c);
		return;
	}
	c->greeted = true;
	c->l->protocol->greet(c);
}

/* What a session has in hand is not known here; without TLS its bytes do not
 * even come by. */
void
conn_tap(struct conn *c)
{
	enum tap_protocol protocol = c->l->protocol->role == ROLE_IMAP_LOGIN ?
	    TAP_IMAP : TAP_POP3;

	if (c->state < CONN_STARTING || (c->state <= CONN_PARKED &&
	    conn_is_tls(c)))
		tap_open(&c->l->child.taps, &c->client, protocol, c->who.addr,
		    c->state == CONN_SECURING || c->state == CONN_TALK,
		    c->listener);
}

/* ---- TLS ----------------------------------------------------------------- */

bool
conn_is_tls(const struct conn *c)
{
	return stream_is_tls(&c->client);
}

bool
conn_may_start_tls(struct conn *c)
{
	return !conn_is_tls(c) &&
	    certificates_of(&c->l->certificates, c->listener) != NULL;
}

bool
conn_must_start_tls(struct conn *c)
{
	return !conn_is_tls(c) && certificates_mode(&c->l->certificates,
	    c->listener) == LISTENER_TLS_REQUIRED;
}

void
conn_start_tls(struct conn *c)
{
	struct tls_context *t = certificates_of(&c->l->certificates,
	    c->listener);

	if (t == NULL) {
		conn_bye(c, LOGIN_END_NO_TLS);
		return;
	}
	conn_enter(c, CONN_SECURING);
	buf_clear(&c->ahead);
	stream_tls_accept(&c->client, t);
}

static void
secured(void *arg)
{
	struct conn *c = arg;

	if (c->state != CONN_SECURING)
		return;
	conn_enter(c, CONN_TALK);
	if (c->greeted)
		c->l->protocol->secured(c);
	else
		c->l->protocol->greet(c);
	c->greeted = true;
}

/* ---- input --------------------------------------------------------------- */

struct slice
conn_input(struct conn *c)
{
	struct slice in = stream_input(&c->client);

	if (c->ahead.n == 0)
		return in;
	if (in.n > c->ahead.max - c->ahead.n)
		in.n = c->ahead.max - c->ahead.n;
	buf_add(&c->ahead, in);
	stream_consume(&c->client, in.n);
	return buf_slice(&c->ahead);
}

void
conn_consume(struct conn *c, size_t n)
{
	if (c->ahead.n == 0) {
		stream_consume(&c->client, n);
		return;
	}
	buf_drop(&c->ahead, n);
	if (c->ahead.n == 0)
		buf_clear(&c->ahead);
}

static void
client_input(void *arg)
{
	struct conn *c = arg;

	switch (c->state) {
	case CONN_TALK:
	case CONN_RESPONSE:
		take_all(c);
		break;
	case CONN_SESSION:
		session_client_input(c);
		break;
	case CONN_PARKED:
		stream_pause(&c->client);
		session_wake(c, false);
		break;
	case CONN_AUTH:
	case CONN_STARTING:
		stream_pause(&c->client);
		break;
	case CONN_SECURING:
	case CONN_CLOSING:
	case CONN_OVER:
	case CONN_STATES:
		break;
	}
}

/* A client that asks and does not read is not asked for more. */
static bool
is_full(const struct conn *c)
{
	return stream_unsent(&c->client) > LOGIN_WAIT_BYTES;
}

/* The same for a client that sends all at once and one that sends bytes. */
static void
take_all(struct conn *c)
{
	bool more = true;

	if (c->taking)
		return;
	c->taking = true;
	while (more && (c->state == CONN_TALK || c->state == CONN_RESPONSE) &&
	    conn_input(c).n > 0 && !is_full(c))
		more = c->l->protocol->take(c);
	c->taking = false;
	if (c->state >= CONN_CLOSING || c->state == CONN_SECURING)
		return;
	if (c->state == CONN_AUTH || c->state == CONN_STARTING || is_full(c))
		stream_pause(&c->client);
	if (c->state <= CONN_STARTING && conn_input(c).n > LOGIN_INPUT_BYTES)
		conn_bye(c, LOGIN_END_INPUT);
}

void
conn_resume(struct conn *c)
{
	if (c->state >= CONN_CLOSING)
		return;
	stream_resume(&c->client);
	if (c->ahead.n > 0 && (c->state == CONN_TALK ||
	    c->state == CONN_RESPONSE))
		take_all(c);
	if (c->client_gone && (c->state == CONN_TALK ||
	    c->state == CONN_RESPONSE))
		conn_close(c, "eof");
}

static void
client_sent(void *arg)
{
	struct conn *c = arg;

	if (c->state == CONN_SESSION || c->state == CONN_PARKED)
		session_client_sent(c);
	else if (c->state == CONN_TALK || c->state == CONN_RESPONSE)
		conn_resume(c);
}

static void
client_ended(void *arg, enum stream_end how)
{
	struct conn *c = arg;

	if (c->state == CONN_SECURING) {
		log_info("event=tls-failed client=%s why=%s", c->who.text,
		    LOG_Q(slice_str(stream_tls_error(&c->client))));
		conn_cut(c, "tls");
		return;
	}
	if (how == STREAM_EOF && listens_still(c))
		return;
	conn_cut(c, c->state == CONN_CLOSING ? c->end :
	    how == STREAM_EOF ? "eof" : "reset");
}

/* Who has said all that he wants still gets the answers. */
static bool
listens_still(struct conn *c)
{
	switch (c->state) {
	case CONN_TALK:
	case CONN_RESPONSE:
		if (stream_unsent(&c->client) == 0)
			return false;
		conn_close(c, "eof");
		return true;
	case CONN_AUTH:
	case CONN_STARTING:
		c->client_gone = true;
		return true;
	case CONN_SESSION:
		return session_client_ended(c);
	case CONN_SECURING:
	case CONN_PARKED:
	case CONN_CLOSING:
	case CONN_OVER:
	case CONN_STATES:
		break;
	}
	return false;
}

/* Of a login, of a session that has been parked for too long, that is to end,
 * or whose client has closed his side. */
static void
time_is_up(void *arg)
{
	struct conn *c = arg;

	if (c->state == CONN_SESSION && c->revoked)
		conn_cut(c, "revoked");
	else if (c->state == CONN_SESSION && stream_unsent(&c->client) > 0)
		ev_timer_set(&c->timer, c->l->gone_ms);	/* he still reads */
	else if (c->state == CONN_SESSION)
		conn_cut(c, "eof");
	else if (!session_retry(c))
		conn_bye(c, LOGIN_END_TIME);
}

/* ---- output -------------------------------------------------------------- */

void
conn_say(struct conn *c, struct slice s)
{
	if (c->state >= CONN_CLOSING)
		return;
	if (stream_write(&c->client, s) == -1)
		conn_cut(c, "output");
}

void
conn_printf(struct conn *c, const char *fmt, ...)
{
	struct buf b = BUF_INIT(LOGIN_OUT_BYTES);
	va_list ap;

	va_start(ap, fmt);
	if (buf_vprintf(&b, fmt, ap) == 0)
		conn_say(c, buf_slice(&b));
	va_end(ap);
	buf_clear(&b);
}

bool
conn_error(struct conn *c)
{
	if (++c->errors < LOGIN_ERRORS)
		return false;
	conn_bye(c, LOGIN_END_ERRORS);
	return true;
}

/* ---- states and ends ----------------------------------------------------- */

#define TO(state)	(1u << CONN_##state)

static const struct {
	const char	*name;
	unsigned	 next;		/* beside CLOSING and OVER */
} states[CONN_STATES] = {
	[CONN_SECURING] = { "securing", TO(TALK) },
	[CONN_TALK] = { "talk", TO(SECURING) | TO(AUTH) },
	[CONN_RESPONSE] = { "response", TO(AUTH) | TO(TALK) },
	[CONN_AUTH] = { "auth", TO(RESPONSE) | TO(TALK) | TO(STARTING) },
	[CONN_STARTING] = { "starting", TO(SESSION) | TO(TALK) | TO(PARKED) },
	[CONN_SESSION] = { "session", TO(PARKED) | TO(TALK) },
	[CONN_PARKED] = { "parked", TO(STARTING) },
	[CONN_CLOSING] = { "closing", 0 },
	[CONN_OVER] = { "over", 0 },
};

void
conn_enter(struct conn *c, enum conn_state to)
{
	struct login *l = c->l;

	assert(to == CONN_OVER || (to == CONN_CLOSING &&
	    c->state != CONN_OVER) || states[c->state].next & (1u << to));
	log_debug("event=state client=%s from=%s to=%s", c->who.text,
	    states[c->state].name, states[to].name);
	if (c->state == CONN_SESSION)
		count_set(LOGIN_SESSIONS, --l->nsessions);
	if (c->state == CONN_PARKED)
		count_set(LOGIN_PARKED, --l->nparked);
	c->state = to;
	if (to == CONN_SESSION)
		count_set(LOGIN_SESSIONS, ++l->nsessions);
	if (to == CONN_PARKED)
		count_set(LOGIN_PARKED, ++l->nparked);
}

void
conn_bye(struct conn *c, enum login_end end)
{
	static const char *const words[] = {
		[LOGIN_END_TIME] = "timeout", [LOGIN_END_STOP] = "stop",
		[LOGIN_END_FULL] = "full", [LOGIN_END_CLIENT] =
		"client-connections", [LOGIN_END_ERRORS] = "errors",
		[LOGIN_END_INPUT] = "input", [LOGIN_END_NO_TLS] = "no-tls",
		[LOGIN_END_SESSION] = "session",
		[LOGIN_END_LOGOUT] = "revoked",
	};

	if (c->state >= CONN_CLOSING)
		return;
	/* Nothing in clear where the client speaks TLS. */
	if (c->state != CONN_SECURING && (c->greeted ||
	    certificates_mode(&c->l->certificates, c->listener) !=
	    LISTENER_TLS_IMPLICIT))
		c->l->protocol->bye(c, end, c->session != 0);
	conn_close(c, words[end]);
}

void
conn_close(struct conn *c, const char *why)
{
	if (c->state >= CONN_CLOSING)
		return;
	c->end = why;
	sasl_gone(c);
	session_clear(c);
	conn_enter(c, CONN_CLOSING);
	ev_timer_stop(&c->timer);
	stream_timeout(&c->client, c->login != NULL ? LINGER_MS : CLOSING_MS);
	stream_resume(&c->client);
	if (is_farewell(why))
		stream_close_when_sent(&c->client);
	else
		stream_close_gently(&c->client, DRAIN_MS);
}

static bool
is_farewell(const char *why)
{
	return strcmp(why, "logout") == 0 || strcmp(why, "quit") == 0 ||
	    strcmp(why, "eof") == 0;
}

void
conn_cut(struct conn *c, const char *why)
{
	struct login *l = c->l;

	if (c->state == CONN_OVER)
		return;
	sasl_gone(c);
	session_clear(c);
	conn_enter(c, CONN_OVER);
	log_info("event=connection client=%s tls=%s login=%s errors=%u "
	    "failures=%u ms=%jd end=%s", c->who.text, conn_is_tls(c) ?
	    "yes" : "no", c->login != NULL ? LOG_Q(slice_str(c->login)) :
	    "-", c->errors, c->failures,
	    (intmax_t)(clock_mono_ms() - c->since_ms), why);
	sasl_logout(c);
	ev_timer_clear(&c->timer);
	stream_close(&c->client);
	if (c->counted)
		rate_disconnected(&l->rate, rate_client(c->who.addr));
	l->slots[c->id % SLOT_LIMIT] = NULL;
	l->free_slots[l->nfree++] = (uint32_t)(c->id % SLOT_LIMIT);
	TAILQ_REMOVE(&l->conns, c, entry);
	count_set(LOGIN_CLIENTS, --l->nconns);
	TAILQ_INSERT_TAIL(&l->over, c, entry);
	ev_task_ask(&l->child.loop, &l->reaper);
}
