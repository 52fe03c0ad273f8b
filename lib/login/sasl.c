/* SPDX-License-Identifier: ISC */
/*
 * sasl - the dialogue with auth; see login.h.
 *
 * Each attempt has a number of its own, so that an answer to one that was
 * cancelled is not taken for another's.  What a client says here is never
 * logged, and is wiped where it was copied.
 */
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/log.h"
#include "base/mem.h"
#include "ipc/counters.h"
#include "login/login.h"

#define NAME_BYTES	256	/* of what the client calls itself */

static void	 ask(struct conn *, struct slice mechanism,
		    struct slice initial, struct slice client_name);
static void	 not_sasl(struct conn *, const char *);
static void	 auth_says(void *, struct channel *, struct message *);
static void	 auth_is_down(void *, struct channel *);
static void	 take_mechanisms(struct login *, struct message *);
static void	 take_challenge(struct conn *, struct message *);
static void	 take_ok(struct conn *, struct message *);
static void	 take_fail(struct conn *, struct message *);
static void	 fail(struct conn *, enum auth_failure, struct slice text);

const struct message_rule auth_rules[] = RULES_OF(AUTH_CLIENT);
const struct channel_ops auth_ops = { auth_says, auth_is_down, NULL };

static struct channel *
auth_of(const struct conn *c)
{
	return child_peer(&c->l->child, ROLE_AUTH, 0);
}

/* ---- what is offered ----------------------------------------------------- */

struct slice
conn_mechanisms(const struct conn *c)
{
	const struct login *l = c->l;

	if (!conn_is_tls(c))
		return slice_str(peer_is_local(&c->who) ? l->from_here :
		    l->without_tls);
	return slice_str(stream_tls_info(&c->client)->verified ?
	    l->with_certificate : l->with_tls);
}

bool
conn_offers(const struct conn *c, struct slice mechanism)
{
	struct slice rest = conn_mechanisms(c), word;

	while (slice_next(&rest, ' ', &word))
		if (word.n > 0 && slice_eq_nocase(word, mechanism))
			return true;
	return false;
}

static bool
is_external(struct slice mechanism)
{
	return slice_eq_nocase(mechanism, SLICE_LIT("EXTERNAL"));
}

/* Those that need something of TLS itself. */
static bool
needs_tls(struct slice mechanism)
{
	return slice_ends_nocase(mechanism, SLICE_LIT("-PLUS")) ||
	    is_external(mechanism);
}

/* The words that are not left out; owned by the caller. */
static char *
without(struct slice words, bool (*left_out)(struct slice))
{
	struct buf b = BUF_INIT(1024);
	struct slice word;
	char *kept;

	while (slice_next(&words, ' ', &word))
		if (word.n > 0 && !left_out(word))
			buf_printf(&b, "%s%.*s", b.n > 0 ? " " : "",
			    SLICE_ARG(word));
	kept = mem_slicedup(buf_slice(&b));
	buf_clear(&b);
	return kept;
}

static void
take_mechanisms(struct login *l, struct message *m)
{
	struct slice with = get_text(&m->body, 512);
	struct slice in_clear = get_text(&m->body, 512);

	if (!wire_done(&m->body))
		return;
	free(l->with_certificate);
	free(l->with_tls);
	free(l->without_tls);
	free(l->from_here);
	l->with_certificate = mem_slicedup(with);
	l->with_tls = without(with, is_external);
	l->without_tls = mem_slicedup(in_clear);
	l->from_here = without(with, needs_tls);
}

/* ---- the client ---------------------------------------------------------- */

static void
start(struct conn *c, struct channel *auth, struct slice mechanism,
    struct slice initial, struct slice client_name)
{
	const struct tls_info *info = conn_is_tls(c) ?
	    stream_tls_info(&c->client) : NULL;
	uint8_t exporter[32];
	uint8_t unique[TLS_UNIQUE_BYTES];
	bool bound = info != NULL &&
	    stream_tls_exporter(&c->client, exporter) == 0;
	bool bound_12 = info != NULL &&
	    stream_tls_unique(&c->client, unique) == 0;
	struct buf *b;

	if (client_name.n > NAME_BYTES)
		client_name.n = NAME_BYTES;
	b = channel_begin(auth, AU_START, c->id);
	if (b != NULL) {
		put_u8(b, (uint8_t)c->l->protocol->auth);
		put_u8(b, (uint8_t)((info != NULL ? AUTH_TLS : 0) |
		    (peer_is_local(&c->who) ? AUTH_LOCAL : 0) |
		    (initial.p != NULL ? AUTH_INITIAL : 0)));
		buf_add(b, slice_of(c->who.addr, 16));
		buf_add(b, slice_of(c->who.ours, 16));
		put_slice(b, slice_of(exporter, bound ? sizeof(exporter) : 0));
		put_slice(b, slice_of(unique, bound_12 ? sizeof(unique) : 0));
		put_slice(b, info != NULL && info->verified ?
		    info->peer_emails : SLICE_EMPTY);
		put_slice(b, client_name);
		put_slice(b, mechanism);
		put_slice(b, initial.p != NULL ? initial : SLICE_EMPTY);
	}
	channel_end(auth);
}

/* initial.p NULL: none. */
static void
ask(struct conn *c, struct slice mechanism, struct slice initial,
    struct slice client_name)
{
	struct channel *auth = auth_of(c);

	conn_rename(c);
	conn_enter(c, CONN_AUTH);
	c->asking = true;
	c->logouts = c->l->logouts.n;
	if (c->l->stopping || auth == NULL)
		fail(c, AUTH_TRY_LATER, SLICE_EMPTY);
	else if (mechanism.n > 64 || initial.n > SASL_BYTES)
		fail(c, AUTH_NO_MECHANISM, SLICE_EMPTY);
	else
		start(c, auth, mechanism, initial, client_name);
}

static void
wipe(struct buf *b)
{
	if (b->p != NULL)
		explicit_bzero(b->p, b->cap);
	buf_clear(b);
}

void
conn_authenticate(struct conn *c, struct slice mechanism,
    struct slice initial, struct slice client_name)
{
	struct buf b = BUF_INIT(SASL_BYTES);

	if (!conn_offers(c, mechanism)) {
		c->l->protocol->failed(c, c->l->with_tls[0] == '\0' ?
		    AUTH_TRY_LATER : AUTH_NO_MECHANISM, SLICE_EMPTY);
		conn_error(c);
	} else if (initial.n == 0)
		ask(c, mechanism, (struct slice){ NULL, 0 }, client_name);
	else if (slice_eq(initial, SLICE_LIT("=")) || b64_decode(initial, &b))
		ask(c, mechanism, buf_slice(&b), client_name);
	else
		not_sasl(c, "That is not base64");
	wipe(&b);
}

void
conn_login(struct conn *c, struct slice name, struct slice password,
    struct slice client_name)
{
	struct buf b = BUF_INIT(SASL_BYTES);

	if (buf_add_byte(&b, '\0') == 0 && buf_add(&b, name) == 0 &&
	    buf_add_byte(&b, '\0') == 0 && buf_add(&b, password) == 0 &&
	    memchr(name.p, '\0', name.n) == NULL &&
	    memchr(password.p, '\0', password.n) == NULL)
		ask(c, SLICE_LIT("PLAIN"), buf_slice(&b), client_name);
	else {
		conn_enter(c, CONN_AUTH);
		fail(c, AUTH_BAD, SLICE_EMPTY);
	}
	wipe(&b);
}

void
conn_respond(struct conn *c, struct slice line)
{
	struct channel *auth = auth_of(c);
	struct buf b = BUF_INIT(SASL_BYTES);

	if (slice_eq(line, SLICE_LIT("*")))
		not_sasl(c, "Cancelled");
	else if (!b64_decode(line, &b))
		not_sasl(c, "That is not base64");
	else {
		conn_enter(c, CONN_AUTH);
		if (auth == NULL)
			fail(c, AUTH_TRY_LATER, SLICE_EMPTY);
		else
			channel_send(auth, AU_RESPONSE, c->id, buf_slice(&b));
	}
	wipe(&b);
}

/* auth is told where it knows of the attempt; nothing follows from it. */
static void
not_sasl(struct conn *c, const char *text)
{
	sasl_gone(c);
	if (c->state == CONN_RESPONSE)
		conn_enter(c, CONN_TALK);
	c->l->protocol->not_sasl(c, text);
}

void
sasl_gone(struct conn *c)
{
	struct channel *auth = auth_of(c);

	if (c->asking && auth != NULL)
		channel_send(auth, AU_CANCEL, c->id, SLICE_EMPTY);
	c->asking = false;
}

void
sasl_logout(struct conn *c)
{
	struct channel *auth = auth_of(c);
	struct buf *b;

	if (c->login == NULL)
		return;
	if (auth != NULL) {
		b = channel_begin(auth, AU_LOGOUT, c->id);
		if (b != NULL)
			put_slice(b, slice_str(c->login));
		channel_end(auth);
	}
	free(c->login);
	c->login = NULL;
}

/* ---- auth ---------------------------------------------------------------- */

static void
auth_says(void *arg, struct channel *ch, struct message *m)
{
	struct login *l = arg;
	struct conn *c;

	if (m->type == AU_MECHANISMS) {
		take_mechanisms(l, m);
		return;
	}
	c = conn_find(l, m->id);
	if (c == NULL || c->state != CONN_AUTH)
		return;		/* it has gone meanwhile */
	switch (m->type) {
	case AU_CHALLENGE:
		take_challenge(c, m);
		break;
	case AU_OK:
		take_ok(c, m);
		break;
	case AU_FAIL:
		take_fail(c, m);
		break;
	default:
		channel_breach(ch, "not-auth's");
		break;
	}
}

static void
take_challenge(struct conn *c, struct message *m)
{
	struct buf b = BUF_INIT(LOGIN_OUT_BYTES);

	conn_enter(c, CONN_RESPONSE);
	buf_add_str(&b, "+ ");
	b64_encode(&b, get_rest(&m->body));
	buf_add_str(&b, "\r\n");
	conn_say(c, buf_slice(&b));
	buf_clear(&b);
	conn_resume(c);
}

static void
take_ok(struct conn *c, struct message *m)
{
	struct slice login = get_text(&m->body, LOGIN_BYTES);
	struct slice grant = get_slice(&m->body, GRANT_BYTES);

	if (!wire_done(&m->body) || grant.n == 0 || login.n == 0) {
		fail(c, AUTH_TRY_LATER, SLICE_EMPTY);
		return;
	}
	c->asking = false;
	c->login = mem_slicedup(login);
	if (logouts_since(&c->l->logouts, c->logouts, login)) {
		sasl_logout(c);
		fail(c, AUTH_TRY_LATER, SLICE_EMPTY);
		return;
	}
	count(LOGIN_LOGINS);
	session_begin(c, grant);
}

static void
take_fail(struct conn *c, struct message *m)
{
	enum auth_failure why = get_u8(&m->body);
	struct slice text = get_text(&m->body, 500);

	if (!wire_done(&m->body) || why < AUTH_BAD ||
	    why > AUTH_NO_MECHANISM) {
		why = AUTH_TRY_LATER;
		text = SLICE_EMPTY;
	}
	fail(c, why, text);
}

static void
fail(struct conn *c, enum auth_failure why, struct slice text)
{
	c->asking = false;
	conn_enter(c, CONN_TALK);
	c->l->protocol->failed(c, why, text);
	if (c->state == CONN_TALK && ++c->failures >= LOGIN_FAILURES)
		conn_bye(c, LOGIN_END_ERRORS);
	conn_resume(c);
}

static void
auth_is_down(void *arg, struct channel *ch)
{
	struct login *l = arg;
	struct conn *c, *next;

	(void)ch;
	TAILQ_FOREACH_SAFE(c, &l->conns, entry, next)
		if (c->state == CONN_AUTH || c->state == CONN_RESPONSE) {
			if (c->state == CONN_RESPONSE)
				conn_enter(c, CONN_AUTH);
			fail(c, AUTH_TRY_LATER, SLICE_EMPTY);
		}
}
