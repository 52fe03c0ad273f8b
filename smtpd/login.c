/* SPDX-License-Identifier: ISC */
/*
 * login - see login.h.
 *
 *	S_READY --> S_AUTH_ASKED <--> S_AUTH_LINE --> S_READY
 *	   (AUTH)	       (334)
 *
 * auth conducts the mechanisms; here is what base64 and RFC 4954 make of them.
 * What a client says in the dialogue is never logged, and is wiped where it was
 * copied.
 *
 * A question's id: the session's slot and serial, and which of its attempts it
 * is, so that an answer to one that was cancelled is not taken for another's.
 */
#include <stdlib.h>

#include "base/base64.h"
#include "base/log.h"
#include "base/mem.h"
#include "ipc/auth_client.h"
#include "ipc/counters.h"
#include "login.h"
#include "session.h"

#define ATTEMPT_BITS	(64 - SESSION_SLOT_BITS - SESSION_SERIAL_BITS)
#define MASK(bits)	((UINT64_C(1) << (bits)) - 1)

static struct slice offered(const struct session *);
static bool	 is_offered(const struct session *, struct slice mechanism);
static bool	 fits(const struct session *, struct slice mechanism);
static bool	 word_in(struct slice words, struct slice word);
static struct slice certificate_of(const struct session *);
static void	 start(struct session *, struct slice mechanism, bool initial,
		    struct slice response);
static void	 respond(struct session *, struct slice line);
static void	 cancel(struct session *);
static void	 give_up(struct session *, unsigned code, const char *words);
static uint64_t	 id_of(const struct session *);
static struct session *find(struct smtpd *, uint64_t id);
static void	 message(void *, struct channel *, struct message *);
static void	 mechanisms(struct smtpd *, struct message *);
static void	 challenge(struct smtpd *, struct message *);
static void	 succeeded(struct smtpd *, struct message *);
static void	 failed(struct smtpd *, struct message *);
static void	 refuse(struct session *, enum auth_failure, struct slice text);
static void	 down(void *, struct channel *);

const struct message_rule smtpd_auth_rules[] = RULES_OF(AUTH_CLIENT);
const struct channel_ops smtpd_auth_ops = { message, down, NULL };

/* What a failure is to the client: RFC 4954 section 6. */
static const struct {
	enum auth_failure why;
	unsigned	 code;
	const char	*enhanced;
	const char	*text;		/* where auth gives none */
} replies[] = {
	{ AUTH_BAD,	    535, "5.7.8",  "Authentication failed" },
	{ AUTH_TRY_LATER,   454, "4.7.0",  "Logins are not possible now, "
	    "try again later" },
	{ AUTH_NOT_ALLOWED, 535, "5.7.8",  "This login may not send mail" },
	{ AUTH_NEEDS_TLS,   538, "5.7.11", "Encryption is required for this" },
	{ AUTH_EXPIRED,	    535, "5.7.8",  "The password has expired" },
	{ AUTH_TOO_MANY,    454, "4.7.0",  "Too many logins, try again later" },
	{ AUTH_PROTOCOL,    501, "5.5.2",  "This is not what the mechanism "
	    "wants" },
	{ AUTH_NO_MECHANISM, 504, "5.5.4", "No such mechanism here" },
};

/* ---- what is offered ---------------------------------------------------- */

/* Mechanisms that stay secret by themselves are offered without TLS; the
 * others to who is on this host, too. */
static struct slice
offered(const struct session *s)
{
	return slice_str(session_is_secure(s) ||
	    peer_is_local(&s->client.peer) ?
	    s->d->mechanisms_tls : s->d->mechanisms_clear);
}

static bool
is_offered(const struct session *s, struct slice mechanism)
{
	return word_in(offered(s), mechanism) && fits(s, mechanism);
}

/* Nothing to bind to, or no certificate that was verified. */
static bool
fits(const struct session *s, struct slice mechanism)
{
	uint8_t binding[32];

	if (slice_ends_nocase(mechanism, SLICE_LIT("-PLUS")))
		return stream_tls_exporter(&s->stream, binding) == 0;
	return !slice_eq_nocase(mechanism, SLICE_LIT("EXTERNAL")) ||
	    certificate_of(s).n > 0;
}

static struct slice
certificate_of(const struct session *s)
{
	const struct tls_info *tls = stream_tls_info(&s->stream);

	return tls != NULL && tls->verified ? tls->peer_emails : SLICE_EMPTY;
}

static bool
word_in(struct slice words, struct slice word)
{
	struct slice w;

	while (slice_next(&words, ' ', &w))
		if (w.n > 0 && slice_eq_nocase(w, word))
			return true;
	return false;
}

void
login_offer(const struct session *s, struct buf *b)
{
	struct slice rest = offered(s), word;
	size_t n = b->n;

	if (s->client.kind != LISTENER_SUBMISSION || (!session_is_secure(s) &&
	    s->client.tls == LISTENER_TLS_REQUIRED))
		return;
	buf_add_str(b, "250-AUTH");
	while (slice_next(&rest, ' ', &word))
		if (word.n > 0 && fits(s, word))
			buf_printf(b, " %.*s", SLICE_ARG(word));
	if (b->n == n + strlen("250-AUTH"))
		b->n = n;
	else
		buf_add_str(b, "\r\n");
}

bool
login_is_missing(struct session *s)
{
	if (s->client.kind != LISTENER_SUBMISSION || s->login != NULL)
		return false;
	if (s->d->auth == NULL)
		session_refuse(s, 454, "4.7.0 Logins are not possible now, "
		    "try again later");
	else if (!session_is_secure(s) && offered(s).n == 0)
		session_refuse(s, 530, "5.7.0 Say STARTTLS first, then log in");
	else
		session_refuse(s, 530, "5.7.0 Authentication required");
	return true;
}

/* ---- the client --------------------------------------------------------- */

void
login_command(struct session *s, struct slice args)
{
	struct slice name = slice_first(args, slice_find(args, ' '));
	struct slice initial = slice_trim(slice_from(args, name.n));
	struct buf b = BUF_INIT(SASL_BYTES);
	bool is_word = slice_find(initial, ' ') == initial.n;

	if (s->client.kind != LISTENER_SUBMISSION)
		session_refuse(s, 502, "5.5.1 Command not implemented");
	else if (!s->extended)
		session_refuse(s, 503, "5.5.1 Say EHLO first");
	else if (s->login != NULL)
		session_refuse(s, 503, "5.5.1 You are logged in already");
	else if (name.n == 0 || !is_word)
		session_refuse(s, 501, "5.5.4 AUTH MECHANISM [INITIAL-RESPONSE]"
		    " expected");
	else if (s->d->auth == NULL)
		refuse(s, AUTH_TRY_LATER, SLICE_EMPTY);
	else if (!session_is_secure(s) && !word_in(offered(s), name) &&
	    word_in(slice_str(s->d->mechanisms_tls), name))
		refuse(s, AUTH_NEEDS_TLS, SLICE_EMPTY);
	else if (!is_offered(s, name))
		refuse(s, AUTH_NO_MECHANISM, SLICE_EMPTY);
	else if (initial.n > 0 && !slice_eq(initial, SLICE_LIT("=")) &&
	    !b64_decode(initial, &b))
		session_refuse(s, 501, "5.5.2 That is not base64");
	else
		start(s, name, initial.n > 0, buf_slice(&b));
	if (b.p != NULL)
		explicit_bzero(b.p, b.cap);
	buf_clear(&b);
}

static void
start(struct session *s, struct slice mechanism, bool initial,
    struct slice response)
{
	struct channel *c = s->d->auth;
	uint8_t binding[32];
	uint8_t unique[TLS_UNIQUE_BYTES];
	bool bound = stream_tls_exporter(&s->stream, binding) == 0;
	bool bound_12 = stream_tls_unique(&s->stream, unique) == 0;
	struct buf *b;

	s->auth_attempts++;
	s->auth_failed = 0;
	s->auth_open = true;
	s->logouts = s->d->logouts.n;
	b = channel_begin(c, AU_START, id_of(s));
	if (b != NULL) {
		put_u8(b, AUTH_SMTP);
		put_u8(b, (uint8_t)((session_is_secure(s) ? AUTH_TLS : 0) |
		    (peer_is_local(&s->client.peer) ? AUTH_LOCAL : 0) |
		    (initial ? AUTH_INITIAL : 0)));
		buf_add(b, slice_of(s->client.peer.addr, 16));
		buf_add(b, slice_of(s->client.peer.ours, 16));
		put_slice(b, slice_of(binding, bound ? sizeof(binding) : 0));
		put_slice(b, slice_of(unique, bound_12 ? sizeof(unique) : 0));
		put_slice(b, certificate_of(s));
		put_slice(b, slice_str(s->helo));
		put_slice(b, mechanism);
		put_slice(b, response);
	}
	channel_end(c);
	session_enter(s, S_AUTH_ASKED);
}

bool
login_take_line(struct session *s)
{
	struct slice in = stream_input(&s->stream);
	char copy[AUTH_LINE_BYTES];
	size_t n, used;

	s->stage = "auth";
	if (in.n > AUTH_LINE_BYTES)
		in.n = AUTH_LINE_BYTES;
	n = slice_find(in, '\n');
	used = n + 1;
	if (n == in.n) {
		if (n < AUTH_LINE_BYTES)
			return false;
		s->skip_line = true;
		give_up(s, 500, "5.5.6 Line too long");
		return true;
	}
	if (n > 0 && in.p[n - 1] == '\r')
		n--;
	else if (!s->bare_lf) {
		give_up(s, 500, "5.5.2 Lines end in CR LF");
		session_close(s, "bare-lf");
		return false;
	}
	/* The input may move when it is consumed. */
	memcpy(copy, in.p, n);
	stream_consume(&s->stream, used);
	respond(s, slice_of(copy, n));
	explicit_bzero(copy, n);
	return true;
}

static void
respond(struct session *s, struct slice line)
{
	struct buf b = BUF_INIT(SASL_BYTES);

	if (s->auth_failed != 0) {
		refuse(s, s->auth_failed, SLICE_EMPTY);
		session_ready(s);
	} else if (slice_eq(line, SLICE_LIT("*")))
		give_up(s, 501, "5.7.0 Authentication cancelled");
	else if (!b64_decode(line, &b))
		give_up(s, 501, "5.5.2 That is not base64");
	else {
		session_enter(s, S_AUTH_ASKED);
		channel_send(s->d->auth, AU_RESPONSE, id_of(s), buf_slice(&b));
	}
	if (b.p != NULL)
		explicit_bzero(b.p, b.cap);
	buf_clear(&b);
}

static void
give_up(struct session *s, unsigned code, const char *words)
{
	cancel(s);
	session_refuse(s, code, "%s", words);
	session_ready(s);
}

static void
cancel(struct session *s)
{
	if (s->auth_open && s->d->auth != NULL)
		channel_send(s->d->auth, AU_CANCEL, id_of(s), SLICE_EMPTY);
	s->auth_open = false;
}

void
login_forget(struct session *s)
{
	struct buf *b;

	cancel(s);
	if (!s->login_counts || s->d->auth == NULL)
		return;
	s->login_counts = false;
	b = channel_begin(s->d->auth, AU_LOGOUT, id_of(s));
	if (b != NULL)
		put_slice(b, slice_str(s->login));
	channel_end(s->d->auth);
}

/* ---- auth --------------------------------------------------------------- */

static uint64_t
id_of(const struct session *s)
{
	return ((uint64_t)s->slot << SESSION_SERIAL_BITS |
	    (s->serial & MASK(SESSION_SERIAL_BITS))) << ATTEMPT_BITS |
	    (s->auth_attempts & MASK(ATTEMPT_BITS));
}

/* The session whose dialogue an answer belongs to, or NULL. */
static struct session *
find(struct smtpd *d, uint64_t id)
{
	struct session *s = session_find(d,
	    (uint32_t)(id >> (SESSION_SERIAL_BITS + ATTEMPT_BITS)),
	    (uint32_t)(id >> ATTEMPT_BITS & MASK(SESSION_SERIAL_BITS)));

	return s != NULL && s->auth_open && id_of(s) == id ? s : NULL;
}

void
login_auth_up(struct smtpd *d, struct channel *c)
{
	d->auth = c;	/* what it offers, it says by itself */
}

static void
message(void *arg, struct channel *c, struct message *m)
{
	(void)c;
	switch (m->type) {
	case AU_MECHANISMS:
		mechanisms(arg, m);
		break;
	case AU_CHALLENGE:
		challenge(arg, m);
		break;
	case AU_OK:
		succeeded(arg, m);
		break;
	case AU_FAIL:
		failed(arg, m);
		break;
	default:
		channel_breach(c, "not-for-smtpd");
		break;
	}
}

static void
mechanisms(struct smtpd *d, struct message *m)
{
	struct slice tls = get_text(&m->body, MECHANISMS_BYTES - 1);
	struct slice clear = get_text(&m->body, MECHANISMS_BYTES - 1);

	if (!wire_done(&m->body)) {
		channel_breach(d->auth, "mechanisms");
		return;
	}
	memcpy(d->mechanisms_tls, tls.p, tls.n);
	d->mechanisms_tls[tls.n] = '\0';
	memcpy(d->mechanisms_clear, clear.p, clear.n);
	d->mechanisms_clear[clear.n] = '\0';
}

static void
challenge(struct smtpd *d, struct message *m)
{
	struct slice bytes = get_rest(&m->body);
	struct session *s = find(d, m->id);
	struct buf b = BUF_INIT(2 * SASL_BYTES);

	if (s == NULL)
		return;
	if (s->state != S_AUTH_ASKED) {
		channel_breach(d->auth, "challenge");
		return;
	}
	buf_add_str(&b, "334 ");
	b64_encode(&b, bytes);
	buf_add_str(&b, "\r\n");
	session_say(s, buf_slice(&b));
	buf_clear(&b);
	session_enter(s, S_AUTH_LINE);
	session_resume(s);
}

static void
succeeded(struct smtpd *d, struct message *m)
{
	struct slice login = get_text(&m->body, LOGIN_BYTES);
	struct session *s = find(d, m->id);

	get_slice(&m->body, GRANT_BYTES);
	if (!wire_done(&m->body) || login.n == 0 ||
	    (s != NULL && s->state != S_AUTH_ASKED)) {
		channel_breach(d->auth, "ok");
		return;
	}
	if (s == NULL)
		return;
	s->auth_open = false;
	s->login = mem_slicedup(login);
	s->login_counts = true;
	if (logouts_since(&d->logouts, s->logouts, login)) {
		login_forget(s);
		free(s->login);
		s->login = NULL;
		refuse(s, AUTH_TRY_LATER, SLICE_EMPTY);
		session_ready(s);
		session_resume(s);
		return;
	}
	s->may_relay = true;
	count(SMTP_LOGINS);
	log_info("event=login client=%s login=%s tls=%s", s->client.peer.text,
	    LOG_Q(login), session_is_secure(s) ? "yes" : "no");
	session_say(s, SLICE_LIT("235 2.7.0 Authentication successful\r\n"));
	session_ready(s);
	session_resume(s);
}

/* While the client's line is waited for, the reply waits for that, too. */
static void
failed(struct smtpd *d, struct message *m)
{
	enum auth_failure why = get_u8(&m->body);
	struct slice text = get_text(&m->body, 900);
	struct session *s = find(d, m->id);

	if (!wire_done(&m->body) || why < AUTH_BAD ||
	    why > AUTH_NO_MECHANISM) {
		channel_breach(d->auth, "fail");
		return;
	}
	if (s == NULL)
		return;
	s->auth_open = false;
	if (s->state == S_AUTH_LINE) {
		s->auth_failed = (uint8_t)why;
		return;
	}
	refuse(s, why, text);
	session_ready(s);
	session_resume(s);
}

static void
refuse(struct session *s, enum auth_failure why, struct slice text)
{
	size_t i = 0;

	while (replies[i].why != why)
		i++;
	if (text.n == 0)
		text = slice_str(replies[i].text);
	session_refuse(s, replies[i].code, "%s %.*s", replies[i].enhanced,
	    SLICE_ARG(text));
}

void
login_logout(struct smtpd *d, struct slice body)
{
	struct wire w = wire_of(body);
	struct slice login = get_text(&w, LOGIN_BYTES);
	struct session *s;
	uint32_t i;

	logouts_add(&d->logouts, login);
	for (i = 0; i < d->nslots; i++) {
		s = d->slots[i];
		if (s == NULL || s->login == NULL ||
		    !slice_eq_nocase(slice_str(s->login), login))
			continue;
		s->revoked = true;
		if (s->state & S_COMMANDS)
			session_turn_away(s, LOGIN_CHANGED, "revoked");
	}
}

static void
down(void *arg, struct channel *c)
{
	struct smtpd *d = arg;
	struct session *s;
	uint32_t i;

	(void)c;
	d->auth = NULL;
	d->mechanisms_tls[0] = d->mechanisms_clear[0] = '\0';
	for (i = 0; i < d->nslots; i++) {
		s = d->slots[i];
		if (s == NULL)
			continue;
		s->login_counts = false;	/* the next one knows nothing */
		if (!s->auth_open)
			continue;
		s->auth_open = false;
		s->auth_failed = AUTH_TRY_LATER;
		if (s->state != S_AUTH_ASKED)
			continue;	/* respond() says so */
		refuse(s, AUTH_TRY_LATER, SLICE_EMPTY);
		session_ready(s);
		session_resume(s);
	}
}
