/* SPDX-License-Identifier: ISC */
/*
 * session - see session.h.
 *
 * A session that ends inside a call chain stays as memory, in state S_OVER,
 * until the end of the turn, so that callers can still look at its state.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "content.h"
#include "login.h"
#include "ipc/counters.h"
#include "mail/outcome.h"
#include "session.h"
#include "submission.h"
#include "submit.h"
#include "verbs.h"

#define SLOT_LIMIT	(1u << SESSION_SLOT_BITS)
#define OUT_BYTES	(128 * 1024)
#define LMTP_REPLY_BYTES 256		/* of each recipient */
#define TICK_MS		1000
#define QUICK_TICK_MS	50		/* while a short time is waited for */

static bool	 refuse_connection(struct session *);
static unsigned	 window_part(const struct session *, uint32_t *);
static void	 begin(struct session *);
static void	 greet(struct session *);
static void	 session_tap(struct session *, bool in_order);
static void	 session_secured(void *);
static void	 ask_name(struct session *);
static void	 name_found(void *, enum dns_status, struct slice);
static void	 take_slot(struct smtpd *, struct session *);
static void	 session_input(void *);
static bool	 take_input(struct session *);
static bool	 skip_octets(struct session *);
static bool	 has_spoken(const struct session *);
static void	 refuse_early_talker(struct session *);
static void	 session_sent(void *);
static void	 session_ended(void *, enum stream_end);
static void	 settle(struct session *);
static void	 log_refusal(struct session *, unsigned, struct slice);
static enum deadline deadline_of(enum session_state);
static int64_t	 deadline_at(const struct session *, int64_t);
static void	 start_clock(struct smtpd *);
static void	 clock_ticks(void *);
static void	 time_is_up(struct session *);
static void	 session_shut(struct session *, const char *words,
		    const char *why);
static void	 end_slow_ones(struct smtpd *);
static void	 reap(void *);
static void	 session_free(struct session *);

static const struct stream_ops stream_ops = { session_input, session_sent,
	NULL, session_ended, session_secured };

/* ---- the beginning --------------------------------------------------- */

void
session_new(struct smtpd *d, int fd_take, const struct client *client)
{
	struct settings *set = d->settings;
	bool local = client->peer.family == AF_UNIX;
	size_t out = OUT_BYTES;
	struct session *s;

	if (d->nsessions >= SLOT_LIMIT) {
		close(fd_take);
		return;
	}
	s = mem_alloc(sizeof(*s));

	s->d = d;
	s->set = settings_ref(set);
	s->client = *client;
	s->client.listener = s->listener = mem_strdup(
	    client->listener == NULL ? "" : client->listener);
	s->connected_ms = clock_mono_ms();
	s->stage = "connect";
	s->state = S_GREETING;
	s->may_relay = client->kind == LISTENER_SUBMIT ||
	    (client->kind != LISTENER_SUBMISSION && !local &&
	    nets_have(&set->relay, client->peer.addr));
	s->exempt = local || nets_have(&set->relay, client->peer.addr);
	s->bare_lf = client->kind == LISTENER_SUBMIT ||
	    (!local && nets_have(&set->bare_lf, client->peer.addr));
	if (client->kind == LISTENER_LMTP)
		out += LMTP_REPLY_BYTES * set->max_recipients;
	stream_open(&s->stream, d->loop, fd_take, out, &stream_ops, s);
	stream_stay_half_open(&s->stream);
	session_tap(s, true);
	take_slot(d, s);
	count(SMTP_CONNECTIONS);
	if (client->tls == LISTENER_TLS_IMPLICIT) {
		struct tls_context *tls = d->tls_of == NULL ? NULL :
		    d->tls_of(d->tls_arg, client->listener);

		if (tls == NULL) {
			session_cut(s, "no-certificate");
			return;
		}
		stream_tls_accept(&s->stream, tls);
		s->state = S_HANDSHAKE;
	}
	if (refuse_connection(s))
		return;
	ask_name(s);
	if (s->state == S_HANDSHAKE)
		session_touch(s);
	else
		begin(s);
}

static void
begin(struct session *s)
{
	session_enter(s, S_GREETING);
	if (s->exempt || submission_is(s))
		greet(s);
	else if (has_spoken(s))
		refuse_early_talker(s);
	else if (s->set->greet_delay == 0)
		greet(s);
}

/* Before it was greeted: many a program that only sends does not wait. */
static bool
has_spoken(const struct session *s)
{
	char c;

	return s->client.tls != LISTENER_TLS_IMPLICIT &&
	    recv(s->stream.fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

static void
take_slot(struct smtpd *d, struct session *s)
{
	uint32_t i, n = d->nslots;

	if (d->nfree == 0) {
		d->nslots = n == 0 ? 64 : n * 2;
		assert(d->nslots <= SLOT_LIMIT);
		d->slots = mem_regrow(d->slots, d->nslots, sizeof(*d->slots));
		d->free_slots = mem_regrow(d->free_slots, d->nslots,
		    sizeof(*d->free_slots));
		for (i = d->nslots; i > n; i--) {
			d->slots[i - 1] = NULL;
			d->free_slots[d->nfree++] = i - 1;
		}
	}
	s->slot = d->free_slots[--d->nfree];
	s->serial = ++d->serial % (1u << SESSION_SERIAL_BITS);
	d->slots[s->slot] = s;
	count_set(SMTP_SESSIONS, ++d->nsessions);
	start_clock(d);
}

struct session *
session_find(struct smtpd *d, uint32_t slot, uint32_t serial)
{
	struct session *s = slot < d->nslots ? d->slots[slot] : NULL;

	return s != NULL && s->serial == serial ? s : NULL;
}

static bool
refuse_connection(struct session *s)
{
	struct smtpd *d = s->d;
	const struct settings *set = s->set;
	struct rate_use use;
	uint32_t window;
	unsigned part;

	if (d->nsessions > set->max_sessions) {
		session_turn_away(s, "4.3.2 Too many sessions, try again "
		    "later", "full");
		return true;
	}
	if (s->exempt)
		return false;
	part = window_part(s, &window);
	rate_connected(&d->rate, rate_client(s->client.peer.addr), window);
	s->counted = true;
	use = rate_of(&d->rate, rate_client(s->client.peer.addr), window, part);
	if (use.sessions > set->client_sessions) {
		session_turn_away(s, "4.7.0 Too many sessions from your "
		    "network", "client-sessions");
		return true;
	}
	if (set->rate_connections > 0 &&
	    use.connections > set->rate_connections) {
		session_turn_away(s, "4.7.0 Too many connections from your "
		    "network", "client-rate");
		return true;
	}
	return false;
}

/* The number of the window that is now, and how much of it is over. */
static unsigned
window_part(const struct session *s, uint32_t *window_r)
{
	int64_t now = clock_mono_ms(), w = s->set->rate_window;

	*window_r = (uint32_t)(now / w);
	return (unsigned)(now % w * 1000 / w);
}

bool
session_over_rate(const struct session *s)
{
	uint32_t window;
	unsigned part = window_part(s, &window);

	return s->counted && s->login == NULL && s->set->rate_messages > 0 &&
	    rate_of(&s->d->rate, rate_client(s->client.peer.addr), window,
	    part).messages >= s->set->rate_messages;
}

void
session_count_message(struct session *s)
{
	uint32_t window;

	if (!s->counted)
		return;
	window_part(s, &window);
	rate_message(&s->d->rate, rate_client(s->client.peer.addr), window);
}

static void
greet(struct session *s)
{
	s->greeted = true;
	session_enter(s, S_START);
	session_say(s, buf_slice(&s->set->greeting));
}

/* ---- who looks on ------------------------------------------------------ */

/* Shows it to those who watch its client's network; in_order as in
 * ipc/tap.h. */
static void
session_tap(struct session *s, bool in_order)
{
	enum tap_protocol protocol = s->client.kind == LISTENER_LMTP ?
	    TAP_LMTP : s->client.kind == LISTENER_SUBMISSION ?
	    TAP_SUBMISSION : TAP_SMTP;

	if (s->client.peer.family != AF_UNIX)
		tap_open(s->d->taps, &s->stream, protocol,
		    s->client.peer.addr, in_order, s->listener);
}

void
session_tap_all(struct smtpd *d)
{
	struct session *s;
	uint32_t i;

	for (i = 0; i < d->nslots; i++) {
		s = d->slots[i];
		if (s != NULL && !(s->state & S_ENDED))
			session_tap(s, s->state & S_COMMANDS && s->skip == 0 &&
			    !s->skip_line);
	}
}

/* ---- TLS --------------------------------------------------------------- */

bool
session_is_secure(const struct session *s)
{
	return s->secured;
}

bool
session_offers_tls(const struct session *s)
{
	return (s->client.tls == LISTENER_TLS_STARTTLS ||
	    s->client.tls == LISTENER_TLS_REQUIRED) &&
	    s->d->tls_of != NULL && !session_is_secure(s) &&
	    s->d->tls_of(s->d->tls_arg, s->client.listener) != NULL;
}

/* RFC 3207 section 4.2. */
void
session_start_tls(struct session *s, struct tls_context *tls)
{
	free(s->helo);
	s->helo = NULL;
	s->extended = false;
	s->mail_refused = false;
	session_enter(s, S_HANDSHAKE);
	stream_tls_accept(&s->stream, tls);
}

static void
session_secured(void *arg)
{
	struct session *s = arg;
	const struct tls_info *info = stream_tls_info(&s->stream);

	if (s->state != S_HANDSHAKE)
		return;
	s->secured = true;
	log_debug("event=tls client=%s version=%s cipher=%s resumed=%d "
	    "name=%s", s->client.peer.text, info->version, info->cipher,
	    info->resumed, LOG_Q(slice_str(info->sni)));
	if (s->greeted)
		session_enter(s, S_START);
	else
		begin(s);
}

/* For the trace field; see submit.c for how long it is waited for. */
static void
ask_name(struct session *s)
{
	const uint8_t *a = s->client.peer.addr;

	if (s->client.peer.family == AF_UNIX || !s->set->reverse_dns ||
	    s->client.kind == LISTENER_SUBMISSION)
		return;
	if (peer_is_loopback(&s->client.peer))
		s->ptr = mem_strdup("localhost");
	else
		s->ptr_query = dns_reverse(&s->d->dns, a, name_found, s);
}

static void
name_found(void *arg, enum dns_status status, struct slice name)
{
	struct session *s = arg;

	s->ptr_query = NULL;
	if (status == DNS_OK && dns_is_host_name(name))
		s->ptr = mem_slicedup(name);
	if (s->state == S_NAME_ASKED) {
		submit_go_on(s);
		session_resume(s);
	}
}

/* ---- input ----------------------------------------------------------- */

static void
session_input(void *arg)
{
	struct session *s = arg;
	bool more;

	while (!(s->state & S_ENDED) && stream_input(&s->stream).n > 0) {
		if (stream_unsent(&s->stream) > UNSENT_BYTES) {
			/* Until the client has taken its replies. */
			s->throttled = true;
			stream_pause(&s->stream);
			return;
		}
		more = take_input(s);
		settle(s);
		if (!more)
			break;
	}
	if (s->state & S_WAITING && stream_input(&s->stream).n > 0)
		stream_pause(&s->stream);
}

/* False: nothing more can be done with what is there. */
static bool
take_input(struct session *s)
{
	if (s->state == S_GREETING) {
		refuse_early_talker(s);
		return false;
	}
	if (s->state == S_DATA)
		return content_take_data(s);
	if (s->state == S_CHUNK)
		return content_take_chunk(s);
	if (s->state & S_WAITING && s->state != S_RCPT_ASKED)
		return false;
	if (s->state == S_AUTH_LINE)
		return login_take_line(s);
	if (s->skip > 0)
		return skip_octets(s);
	return verbs_take_line(s);
}

static void
refuse_early_talker(struct session *s)
{
	session_refuse(s, 554, "5.5.1 You spoke before the greeting");
	session_close(s, "early-talker");
}

static bool
skip_octets(struct session *s)
{
	size_t n = stream_input(&s->stream).n;

	if (n > s->skip)
		n = (size_t)s->skip;
	stream_consume(&s->stream, n);
	s->skip -= n;
	session_touch(s);
	return true;
}

void
session_resume(struct session *s)
{
	settle(s);
	if (!(s->state & (S_ENDED | S_WAITING)) || s->state == S_RCPT_ASKED)
		stream_resume(&s->stream);
}

/* What may end a session is looked at when a step is done, never inside. */
static void
settle(struct session *s)
{
	if (s->state & S_ENDED)
		return;
	if (s->errors >= s->set->max_errors)
		session_turn_away(s, "4.7.0 Too many errors", "errors");
	else if (s->half_closed && !(s->state & S_WAITING))
		session_close(s, "eof");
}

static void
session_sent(void *arg)
{
	struct session *s = arg;

	if (!s->throttled)
		return;
	s->throttled = false;
	session_resume(s);
}

/* ---- state ----------------------------------------------------------- */

static const struct {
	enum session_state	 state;
	const char		*name;
	enum deadline		 deadline;
	unsigned		 next;	/* beside S_CLOSING and S_OVER */
} states[] = {
	{ S_GREETING, "greeting", DEADLINE_GREETING, S_GREETING | S_START },
	{ S_START, "start", DEADLINE_COMMAND, S_START | S_READY |
	    S_HANDSHAKE },
	{ S_READY, "ready", DEADLINE_COMMAND, S_START | S_READY | S_MAIL |
	    S_ID_ASKED | S_HANDSHAKE | S_AUTH_ASKED | S_SENDER_ASKED |
	    S_LIMIT_ASKED },
	{ S_ID_ASKED, "id-asked", DEADLINE_NONE, S_MAIL | S_READY },
	{ S_MAIL, "mail", DEADLINE_COMMAND, S_MAIL | S_RCPT | S_RCPT_ASKED |
	    S_READY },
	{ S_RCPT, "rcpt", DEADLINE_COMMAND, S_RCPT | S_RCPT_ASKED | S_DATA |
	    S_CHUNK | S_CHUNKS | S_SPOOL_ASKED | S_AUTHORS_ASKED |
	    S_COMPLETE | S_READY },
	{ S_RCPT_ASKED, "rcpt-asked", DEADLINE_NONE, S_RCPT_ASKED | S_MAIL |
	    S_RCPT },
	{ S_DATA, "data", DEADLINE_DATA, S_DATA | S_SPOOL_ASKED |
	    S_AUTHORS_ASKED | S_COMPLETE | S_READY },
	{ S_CHUNK, "chunk", DEADLINE_DATA, S_CHUNK | S_CHUNKS | S_SPOOL_ASKED |
	    S_AUTHORS_ASKED | S_COMPLETE | S_READY },
	{ S_CHUNKS, "chunks", DEADLINE_COMMAND, S_CHUNK | S_CHUNKS |
	    S_SPOOL_ASKED | S_AUTHORS_ASKED | S_COMPLETE | S_READY },
	{ S_SPOOL_ASKED, "spool-asked", DEADLINE_NONE, S_DATA | S_CHUNK |
	    S_CHUNKS | S_SPOOL_ASKED | S_AUTHORS_ASKED | S_COMPLETE |
	    S_READY },
	{ S_COMPLETE, "complete", DEADLINE_NONE, S_NAME_ASKED | S_SUBMIT_HELD |
	    S_SUBMITTED | S_READY },
	{ S_NAME_ASKED, "name-asked", DEADLINE_NAME, S_COMPLETE | S_READY },
	{ S_SUBMIT_HELD, "submit-held", DEADLINE_NONE, S_COMPLETE | S_READY },
	{ S_SUBMITTED, "submitted", DEADLINE_NONE, S_READY },
	{ S_CLOSING, "closing", DEADLINE_CLOSING, 0 },
	{ S_OVER, "over", DEADLINE_NONE, 0 },
	/* The stream has a shorter limit of its own. */
	{ S_HANDSHAKE, "handshake", DEADLINE_COMMAND, S_GREETING | S_START },
	{ S_AUTH_ASKED, "auth-asked", DEADLINE_NONE, S_AUTH_LINE | S_READY },
	{ S_AUTH_LINE, "auth-line", DEADLINE_COMMAND, S_AUTH_ASKED | S_READY },
	{ S_SENDER_ASKED, "sender-asked", DEADLINE_NONE, S_LIMIT_ASKED |
	    S_READY },
	{ S_LIMIT_ASKED, "limit-asked", DEADLINE_NONE, S_ID_ASKED | S_MAIL |
	    S_READY },
	{ S_AUTHORS_ASKED, "authors-asked", DEADLINE_NONE, S_COMPLETE |
	    S_READY },
};

static size_t
row_of(enum session_state state)
{
	return (size_t)__builtin_ctz(state);
}

void
session_enter(struct session *s, enum session_state to)
{
	size_t from = row_of(s->state);

	assert(states[from].state == s->state);
	if (s->state != S_OVER && (to & S_ENDED))
		;
	else
		assert(states[from].next & to);
	log_debug("event=state client=%s from=%s to=%s", s->client.peer.text,
	    states[from].name, states[row_of(to)].name);
	s->state = to;
	session_touch(s);
}

static enum deadline
deadline_of(enum session_state state)
{
	return states[row_of(state)].deadline;
}

/* ---- time ------------------------------------------------------------ */

/* Sessions under the same limit stand in the order of their deadlines, so that
 * nothing but the front of each list is ever looked at. */
void
session_touch(struct session *s)
{
	struct smtpd *d = s->d;
	enum deadline kind = deadline_of(s->state);

	if (s->deadline != DEADLINE_NONE)
		TAILQ_REMOVE(&d->deadlines[s->deadline], s, by_deadline);
	s->deadline = kind;
	if (kind == DEADLINE_NONE)
		return;
	s->deadline_ms = deadline_at(s, clock_mono_ms());
	TAILQ_INSERT_TAIL(&d->deadlines[kind], s, by_deadline);
	if (kind == DEADLINE_GREETING || kind == DEADLINE_NAME)
		start_clock(d);
}

static int64_t
deadline_at(const struct session *s, int64_t now)
{
	switch (s->deadline) {
	case DEADLINE_GREETING:
		return s->connected_ms + s->set->greet_delay;
	case DEADLINE_NAME:
		return s->connected_ms + NAME_WAIT_MS;
	case DEADLINE_COMMAND:
		return now + s->set->timeout_command;
	case DEADLINE_DATA:
		return now + s->set->timeout_data;
	case DEADLINE_CLOSING:
		return now + CLOSING_MS;
	case DEADLINE_NONE:
	case DEADLINES:
		break;
	}
	return INT64_MAX;
}

/* One timer for all, and none while there is no session. */
static void
start_clock(struct smtpd *d)
{
	bool quick = !TAILQ_EMPTY(&d->deadlines[DEADLINE_GREETING]) ||
	    !TAILQ_EMPTY(&d->deadlines[DEADLINE_NAME]);

	if (ev_timer_is_set(&d->clock) && (d->clock_quick || !quick))
		return;
	d->clock_quick = quick;
	ev_timer_set(&d->clock, quick ? QUICK_TICK_MS : TICK_MS);
}

static void
clock_ticks(void *arg)
{
	struct smtpd *d = arg;
	struct session *s;
	int64_t now = clock_mono_ms();
	int kind;

	for (kind = DEADLINE_GREETING; kind < DEADLINES; kind++)
		while ((s = TAILQ_FIRST(&d->deadlines[kind])) != NULL &&
		    s->deadline_ms <= now)
			time_is_up(s);
	if (d->draining && now >= d->drain_until_ms)
		end_slow_ones(d);
	if (d->nsessions > 0)
		start_clock(d);
}

static void
time_is_up(struct session *s)
{
	switch (s->deadline) {
	case DEADLINE_GREETING:
		greet(s);
		break;
	case DEADLINE_NAME:
		submit_go_on(s);
		session_resume(s);
		break;
	case DEADLINE_COMMAND:
	case DEADLINE_DATA:
		session_shut(s, "4.4.2 Timeout, closing the connection",
		    "timeout");
		break;
	case DEADLINE_CLOSING:
		session_cut(s, s->end);
		break;
	case DEADLINE_NONE:
	case DEADLINES:
		break;
	}
}

/* ---- replies --------------------------------------------------------- */

void
session_say(struct session *s, struct slice line)
{
	int r = stream_write(&s->stream, line);

	/* Commands stop above UNSENT_BYTES, and OUT_BYTES has room for what
	 * one of them can answer. */
	assert(r == 0);
	(void)r;
}

/* Words that lookup, qmgr or a client had a part in become a line of printable
 * characters. */
static struct slice reply_line(unsigned, const char *, va_list)
    __attribute__((format(printf, 2, 0)));

static struct slice
reply_line(unsigned code, const char *fmt, va_list ap)
{
	static char line[REPLY_TEXT_BYTES + 8];
	int n, m;
	char *p;

	n = snprintf(line, sizeof(line), "%u ", code);
	m = vsnprintf(line + n, REPLY_TEXT_BYTES, fmt, ap);
	if (m < 0)
		m = 0;
	if (m >= REPLY_TEXT_BYTES)
		m = REPLY_TEXT_BYTES - 1;
	for (p = line + n; p < line + n + m; p++)
		if (*p < 0x20 || *p > 0x7e)
			*p = '?';
	n += m;
	line[n++] = '\r';
	line[n++] = '\n';
	return slice_of(line, (size_t)n);
}

void
session_reply(struct session *s, unsigned code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	session_say(s, reply_line(code, fmt, ap));
	va_end(ap);
}

void
session_refuse(struct session *s, unsigned code, const char *fmt, ...)
{
	struct slice line;
	va_list ap;

	va_start(ap, fmt);
	line = reply_line(code, fmt, ap);
	va_end(ap);
	session_say(s, line);
	log_refusal(s, code, slice_of(line.p + 4, line.n - 6));
}

static void
log_refusal(struct session *s, unsigned code, struct slice words)
{
	const struct tx *tx = s->tx;
	struct enhanced e;
	struct enhanced_text text = { "" };
	char id[sizeof("id=") + QUEUE_ID_CHARS + 1] = "";

	count(SMTP_REFUSED);
	if (code >= 500)
		s->errors++;
	if (enhanced_parse(&words, &e))
		text = enhanced_text(e);
	if (tx != NULL && tx->id != 0)
		snprintf(id, sizeof(id), "id=%s ", queue_id_text(tx->id).s);
	log_info("%sevent=refused client=%s%s%s stage=%s code=%u enhanced=%s "
	    "from=%s to=%s helo=%s reason=%s", id, s->client.peer.text,
	    s->login != NULL ? " login=" : "",
	    s->login != NULL ? LOG_Q(slice_str(s->login)) : "", s->stage,
	    code, text.s, tx != NULL ? LOG_Q(tx->reverse_path) : "-",
	    s->refused_to.p != NULL ? LOG_Q(s->refused_to) : "-",
	    s->helo != NULL ? LOG_Q(slice_str(s->helo)) : "-",
	    LOG_Q(slice_trim(words)));
}

/* ---- the end --------------------------------------------------------- */

void
session_ready(struct session *s)
{
	submit_abort(s);
	tx_free(s->d, &s->tx);
	if (s->state & S_ENDED)
		return;
	session_enter(s, s->helo != NULL ? S_READY : S_START);
	if (s->d->draining)
		session_shut(s, "4.3.2 Shutting down", "stop");
	else if (s->revoked)
		session_turn_away(s, LOGIN_CHANGED, "revoked");
}

/* 421 with these words, which begin with the enhanced code, and closes: for
 * our own reasons. */
static void
session_shut(struct session *s, const char *words, const char *why)
{
	if (s->state & S_ENDED)
		return;
	session_reply(s, 421, "%s", words);
	session_close(s, why);
}

void
session_turn_away(struct session *s, const char *words, const char *why)
{
	session_refuse(s, 421, "%s", words);
	session_close(s, why);
}

void
session_close(struct session *s, const char *why)
{
	if (s->state & S_ENDED)
		return;
	s->end = why;
	login_forget(s);
	submit_forget(s);
	tx_free(s->d, &s->tx);
	session_enter(s, S_CLOSING);
	stream_close_when_sent(&s->stream);
}

static void
session_ended(void *arg, enum stream_end how)
{
	struct session *s = arg;

	if (s->state == S_CLOSING)
		session_cut(s, s->end);
	else if (how == STREAM_EOF && submit_client_listens(s))
		s->half_closed = true;
	else if (s->state == S_HANDSHAKE) {
		log_info("event=tls-failed client=%s reason=%s",
		    s->client.peer.text,
		    LOG_Q(slice_str(stream_tls_error(&s->stream))));
		session_cut(s, "tls-failed");
	} else
		session_cut(s, how == STREAM_EOF ? "eof" : "reset");
}

void
session_cut(struct session *s, const char *why)
{
	struct smtpd *d = s->d;
	const struct tls_info *tls;
	const char *version;

	if (s->state == S_OVER)
		return;
	tls = stream_tls_info(&s->stream);
	/* The word is OpenSSL's own, and stays. */
	version = tls == NULL ? "none" : tls->version;
	login_forget(s);
	submit_forget(s);
	tx_free(d, &s->tx);
	dns_cancel(&s->ptr_query);
	stream_close(&s->stream);
	session_enter(s, S_OVER);
	if (s->counted)
		rate_disconnected(&d->rate, rate_client(s->client.peer.addr));
	d->slots[s->slot] = NULL;
	d->free_slots[d->nfree++] = s->slot;
	count_set(SMTP_SESSIONS, --d->nsessions);
	TAILQ_INSERT_TAIL(&d->over, s, waiting);
	ev_task_ask(d->loop, &d->reaper);
	log_info("event=session client=%s name=%s helo=%s tls=%s messages=%u "
	    "errors=%u ms=%jd end=%s", s->client.peer.text,
	    s->ptr != NULL ? s->ptr : "-",
	    s->helo != NULL ? LOG_Q(slice_str(s->helo)) : "-",
	    version, s->accepted,
	    s->errors, (intmax_t)(clock_mono_ms() - s->connected_ms), why);
}

static void
reap(void *arg)
{
	struct smtpd *d = arg;
	struct session *s;

	while ((s = TAILQ_FIRST(&d->over)) != NULL) {
		TAILQ_REMOVE(&d->over, s, waiting);
		session_free(s);
	}
	if (d->draining && d->nsessions == 0 && d->drained != NULL) {
		d->drained(d->drained_arg);
		d->drained = NULL;
	}
}

static void
session_free(struct session *s)
{
	settings_release(&s->set);
	free(s->listener);
	free(s->helo);
	free(s->ptr);
	free(s->login);
	free(s);
}

/* ---- all sessions ---------------------------------------------------- */

void
smtpd_init(struct smtpd *d, struct ev_loop *loop, struct settings *take)
{
	int i;

	memset(d, 0, sizeof(*d));
	d->loop = loop;
	d->settings = take;
	for (i = 0; i < DEADLINES; i++)
		TAILQ_INIT(&d->deadlines[i]);
	TAILQ_INIT(&d->over);
	TAILQ_INIT(&d->want_id);
	TAILQ_INIT(&d->want_submit);
	ev_timer_init(&d->clock, loop, clock_ticks, d);
	ev_task_init(&d->reaper, reap, d);
	dns_init(&d->dns, loop);
	rate_init(&d->rate);
	arc4random_buf(d->verdicts.key, sizeof(d->verdicts.key));
}

void
smtpd_clear(struct smtpd *d)
{
	assert(d->nsessions == 0);
	reap(d);
	ev_task_cancel(d->loop, &d->reaper);
	ev_timer_clear(&d->clock);
	dns_clear(&d->dns);
	rate_clear(&d->rate);
	settings_release(&d->settings);
	free(d->slots);
	free(d->free_slots);
}

void
smtpd_drain(struct smtpd *d, void (*drained)(void *), void *arg)
{
	uint32_t i;

	d->draining = true;
	d->drained = drained;
	d->drained_arg = arg;
	d->drain_until_ms = clock_mono_ms() + DRAIN_MS;
	for (i = 0; i < d->nslots; i++)
		if (d->slots[i] != NULL &&
		    d->slots[i]->state & (S_GREETING | S_START | S_READY |
		    S_HANDSHAKE | S_AUTH_LINE))
			session_shut(d->slots[i], "4.3.2 Shutting down",
			    "stop");
	ev_task_ask(d->loop, &d->reaper);
}

static void
end_slow_ones(struct smtpd *d)
{
	uint32_t i;

	for (i = 0; i < d->nslots; i++)
		if (d->slots[i] != NULL)
			session_shut(d->slots[i], "4.3.2 Shutting down",
			    "stop");
	d->drain_until_ms = INT64_MAX;
}
