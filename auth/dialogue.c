/* SPDX-License-Identifier: ISC */
/*
 * dialogue - one login, from AU_START to its AU_OK or AU_FAIL.
 *
 *	start -> CLIENT <--- challenge, response
 *		  |  ^
 *	  ask()   v  | dialogue_salt(), dialogue_verdict()
 *		VERIFIER
 *		  | logged_in()
 *		  v
 *		LOOKUP -> dialogue_mailbox() -> AU_OK
 *
 *	fail() from any of them -> HELD -> AU_FAIL
 *
 * A failure's answer is held back from the moment that the password was
 * known, not from the verdict: how long the verdict took shows to nobody.
 */
#include <arpa/inet.h>

#include <assert.h>
#include <stdlib.h>

#include "ipc/counters.h"
#include "auth.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ev/tls.h"

#define NONCE_BYTES	18
#define FLAGS		(AUTH_TLS | AUTH_LOCAL | AUTH_INITIAL)
#define NAME_BYTES	512	/* what the client calls itself */
#define MECHANISM_BYTES	64
#define REASON_BYTES	64

enum dialogue_state { CLIENT, VERIFIER, LOOKUP, HELD };

struct dialogue {
	TAILQ_ENTRY(dialogue)	 entry;		/* of the client */
	TAILQ_ENTRY(dialogue)	 held;		/* where waits */
	bool			 waits;		/* HELD, for its time */
	RB_ENTRY(dialogue)	 node;
	struct auth		*auth;
	struct client		*client;
	uint64_t		 client_id;
	uint64_t		 id;		/* to verifiers and lookup */
	enum dialogue_state	 state;
	struct ev_timer		 timer;
	int64_t			 began_ms;
	int64_t			 shown_ms;	/* the password came; 0: not yet */
	enum auth_protocol	 protocol;
	uint8_t			 flags;
	uint8_t			 address[16];
	char			*name;		/* owned: EHLO, ID */
	struct sasl		 sasl;
	unsigned		 verifier;	/* VERIFIER: its index */
	char			 reason[REASON_BYTES];	/* of the verdict */
	char			 app[64];	/* name of the app password */
	bool			 is_over;	/* a limit of failures */
	enum auth_failure	 failure;	/* HELD */
};

static int
by_client(const struct dialogue *a, const struct dialogue *b)
{
	if (a->client != b->client)
		return a->client->number < b->client->number ? -1 : 1;
	if (a->client_id != b->client_id)
		return a->client_id < b->client_id ? -1 : 1;
	return 0;
}

RB_GENERATE_INTERNAL(dialogue_tree, dialogue, node, by_client,
    __attribute__((unused)) static)

static struct dialogue *dialogue_new(struct auth *, struct client *,
		    uint64_t id);
static void	 dialogue_free(struct dialogue *);
static struct dialogue *dialogue_by_id(struct auth *, uint64_t id,
		    enum dialogue_state);
static void	 enter(struct dialogue *, enum dialogue_state);
static bool	 is_offered(const struct dialogue *, enum sasl_mechanism);
static bool	 is_private(const struct dialogue *, enum sasl_mechanism);
static void	 begin(struct dialogue *, enum sasl_mechanism,
		    struct sasl_context *, const struct slice *initial);
static void	 step(struct dialogue *, enum sasl_step);
static void	 ask(struct dialogue *);
static void	 add_default_domain(struct dialogue *);
static void	 logged_in(struct dialogue *);
static void	 say_ok(struct dialogue *, const struct grant *);
static void	 fail(struct dialogue *, enum auth_failure, const char *why);
static void	 wait_no_more(struct dialogue *);
static void	 say_fail(struct dialogue *);
static void	 refuse(struct client *, uint64_t id, enum auth_failure);
static void	 time_is_up(void *);
static void	 log_failure(const struct dialogue *, const char *why);

/* ---- life ---------------------------------------------------------------- */

static struct dialogue *
dialogue_new(struct auth *a, struct client *c, uint64_t id)
{
	struct dialogue *d;
	size_t slot;

	if (a->nfree == 0)
		return NULL;
	slot = a->free_slots[--a->nfree];
	d = mem_alloc(sizeof(*d));
	d->auth = a;
	d->client = c;
	d->client_id = id;
	d->id = ++a->serial * DIALOGUES_MAX + slot;
	d->began_ms = clock_mono_ms();
	ev_timer_init(&d->timer, &a->child.loop, time_is_up, d);
	a->slots[slot] = d;
	TAILQ_INSERT_TAIL(&c->dialogues, d, entry);
	RB_INSERT(dialogue_tree, &a->by_client, d);
	return d;
}

static void
dialogue_free(struct dialogue *d)
{
	struct auth *a = d->auth;
	size_t slot = d->id % DIALOGUES_MAX;

	if (d->state == VERIFIER)
		pool_cancel(a, d->id, d->verifier);
	wait_no_more(d);
	ev_timer_clear(&d->timer);
	sasl_clear(&d->sasl);
	RB_REMOVE(dialogue_tree, &a->by_client, d);
	TAILQ_REMOVE(&d->client->dialogues, d, entry);
	a->slots[slot] = NULL;
	a->free_slots[a->nfree++] = slot;
	free(d->name);
	free(d);
}

static struct dialogue *
find(struct auth *a, struct client *c, uint64_t id)
{
	struct dialogue key = { .client = c, .client_id = id };

	return RB_FIND(dialogue_tree, &a->by_client, &key);
}

/* NULL: the client has gone meanwhile. */
static struct dialogue *
dialogue_by_id(struct auth *a, uint64_t id, enum dialogue_state state)
{
	struct dialogue *d = a->slots[id % DIALOGUES_MAX];

	return d != NULL && d->id == id && d->state == state ? d : NULL;
}

static void
enter(struct dialogue *d, enum dialogue_state state)
{
	if (d->state == VERIFIER)
		pool_answered(d->auth, d->verifier);
	d->state = state;
	if (state == CLIENT)
		ev_timer_set(&d->timer, d->auth->child.conf->auth_timeout);
	else
		ev_timer_stop(&d->timer);
}

/* The client has not answered, or the time of a held answer has come. */
static void
time_is_up(void *arg)
{
	struct dialogue *d = arg;

	if (d->state == HELD)
		say_fail(d);
	else
		fail(d, AUTH_TRY_LATER, "client-timeout");
}

/* ---- AU_START ------------------------------------------------------------ */

/* What the peer speaks; it cannot have a grant for anything else. */
static enum auth_protocol
protocol_of(const struct client *c)
{
	enum role peer = channel_peer(c->channel);

	return peer == ROLE_IMAP_LOGIN ? AUTH_IMAP :
	    peer == ROLE_POP3_LOGIN ? AUTH_POP3 : AUTH_SMTP;
}

/* Untrusted clients: a wrong body ends their channel. */
void
dialogue_start(struct auth *a, struct client *c, struct message *m)
{
	struct wire *w = &m->body;
	struct sasl_context context = { .plus_offered = false };
	enum sasl_mechanism mechanism;
	struct dialogue *d;
	struct slice name, initial;
	uint8_t protocol = get_enum(w, AUTH_POP3);
	uint8_t flags = get_enum(w, FLAGS), address[16], i;

	for (i = 0; i < 32; i++) {
		uint8_t byte = get_u8(w);

		if (i < 16)	/* ours is not looked at */
			address[i] = byte;
	}
	context.exporter = get_slice(w, 32);
	context.unique = get_slice(w, TLS_UNIQUE_BYTES);
	context.certificate = get_text(w, 2048);
	name = get_slice(w, NAME_BYTES);
	mechanism = sasl_mechanism_find(get_slice(w, MECHANISM_BYTES));
	initial = get_slice(w, SASL_BYTES);
	if (!wire_done(w) || protocol != protocol_of(c) ||
	    find(a, c, m->id) != NULL ||
	    (context.exporter.n != 0 && context.exporter.n != 32) ||
	    (context.unique.n != 0 && context.unique.n != TLS_UNIQUE_BYTES)) {
		channel_breach(c->channel, "start");
		return;
	}
	d = dialogue_new(a, c, m->id);
	if (d == NULL) {
		count(AUTH_REFUSED);
		refuse(c, m->id, AUTH_TRY_LATER);
		return;
	}
	d->protocol = (enum auth_protocol)protocol;
	d->flags = flags;
	memcpy(d->address, address, sizeof(d->address));
	d->name = mem_slicedup(name);
	begin(d, mechanism, &context,
	    flags & AUTH_INITIAL ? &initial : NULL);
}

/* What the client may use at all on this connection. */
static bool
is_offered(const struct dialogue *d, enum sasl_mechanism m)
{
	unsigned bound = SASL_PLUS | SASL_CERTIFICATE;

	return m != SASL_NONE && d->auth->offered[m] &&
	    ((d->flags & AUTH_TLS) != 0 ||
	    (sasl_mechanism_flags(m) & bound) == 0);
}

static bool
is_private(const struct dialogue *d, enum sasl_mechanism m)
{
	const char *where = d->auth->child.conf->auth_plaintext;

	return (sasl_mechanism_flags(m) & SASL_CLEARTEXT) == 0 ||
	    (d->flags & AUTH_TLS) != 0 || strcmp(where, "any") == 0 ||
	    (strcmp(where, "local") == 0 && (d->flags & AUTH_LOCAL) != 0);
}

static void
begin(struct dialogue *d, enum sasl_mechanism m, struct sasl_context *context,
    const struct slice *initial)
{
	const bool *offered = d->auth->offered;
	struct buf nonce = BUF_INIT(64);
	uint8_t bytes[NONCE_BYTES];

	d->sasl.mechanism = m;
	if (!is_offered(d, m)) {
		fail(d, AUTH_NO_MECHANISM, "not-offered");
		return;
	}
	if (!is_private(d, m)) {
		fail(d, AUTH_NEEDS_TLS, "needs-tls");
		return;
	}
	arc4random_buf(bytes, sizeof(bytes));
	b64_encode(&nonce, slice_of(bytes, sizeof(bytes)));
	context->nonce = buf_slice(&nonce);
	context->plus_offered = (d->flags & AUTH_TLS) != 0 &&
	    context->exporter.n > 0 && (offered[SASL_SCRAM_SHA_256_PLUS] ||
	    offered[SASL_SCRAM_SHA_1_PLUS]);
	step(d, sasl_start(&d->sasl, m, context, initial));
	buf_clear(&nonce);
}

/* ---- the client's and the mechanism's steps ------------------------------ */

void
dialogue_response(struct auth *a, struct client *c, uint64_t id,
    struct slice response)
{
	struct dialogue *d = find(a, c, id);

	/* It may have been answered meanwhile. */
	if (d != NULL && d->state == CLIENT)
		step(d, sasl_feed(&d->sasl, response));
}

static void
step(struct dialogue *d, enum sasl_step s)
{
	switch (s) {
	case SASL_SEND:
		enter(d, CLIENT);
		channel_send(d->client->channel, AU_CHALLENGE, d->client_id,
		    buf_slice(&d->sasl.out));
		break;
	case SASL_ASK:
		ask(d);
		break;
	case SASL_OK:
		logged_in(d);
		break;
	case SASL_FAIL:
		fail(d, AUTH_BAD, d->reason[0] != '\0' ? d->reason :
		    d->sasl.why);
		break;
	case SASL_BAD:
		fail(d, AUTH_PROTOCOL, d->sasl.why);
		break;
	}
}

/* "alice" means alice@auth.default_domain, where that is set. */
static void
add_default_domain(struct dialogue *d)
{
	const char *domain = d->auth->child.conf->auth_default_domain;
	struct buf b = BUF_INIT(LOGIN_BYTES);
	struct slice login = d->sasl.question.login;

	if (domain[0] != '\0' && login.n > 0 &&
	    slice_find(login, '@') == login.n &&
	    buf_printf(&b, "%.*s@%s", SLICE_ARG(login), domain) == 0 &&
	    arena_copy(&d->sasl.arena, buf_slice(&b), &login) == 0)
		d->sasl.question.login = d->sasl.login = login;
	buf_clear(&b);
}

static void
ask(struct dialogue *d)
{
	struct auth *a = d->auth;
	enum limits_verdict v;

	add_default_domain(d);
	d->shown_ms = clock_mono_ms();
	v = limits_ask(a->limits, d->address, d->sasl.question.login,
	    d->shown_ms);
	if (v != LIMITS_GO_ON) {
		count(AUTH_REFUSED);
		d->is_over = true;
		fail(d, AUTH_TRY_LATER, limits_verdict_name(v));
	} else if (pool_ask(a, d->id, d->protocol, &d->sasl.question,
	    &d->verifier) == -1) {
		count(AUTH_REFUSED);
		fail(d, AUTH_TRY_LATER, "verifiers-busy");
	} else
		enter(d, VERIFIER);
}

/* ---- answers of a verifier ----------------------------------------------- */

bool
dialogue_salt(struct auth *a, uint64_t id, struct wire *w)
{
	struct dialogue *d = dialogue_by_id(a, id, VERIFIER);
	struct sasl_answer answer = { .good = true };

	answer.iterations = get_u32(w);
	answer.salt = get_slice(w, 64);
	if (!wire_done(w))
		return false;
	if (d == NULL)
		return true;
	if (d->sasl.question.kind != SASL_Q_SCRAM_SALT)
		return false;
	enter(d, CLIENT);
	step(d, sasl_answer(&d->sasl, &answer));
	return true;
}

static void
take_word(char *to, size_t room, struct slice s)
{
	size_t n = s.n < room ? s.n : room - 1;

	memcpy(to, s.p, n);
	to[n] = '\0';
}

static void
judged(struct dialogue *d, enum verdict_kind kind,
    const struct sasl_answer *answer)
{
	enter(d, CLIENT);
	switch (kind) {
	case LOGIN_GOOD:
	case LOGIN_WRONG:
		step(d, sasl_answer(&d->sasl, answer));
		break;
	case LOGIN_FORBIDDEN:
	case LOGIN_DISABLED:
		fail(d, AUTH_NOT_ALLOWED, d->reason);
		break;
	case LOGIN_EXPIRED:
		fail(d, AUTH_EXPIRED, d->reason);
		break;
	case LOGIN_BROKEN:
		fail(d, AUTH_TRY_LATER, d->reason);
		break;
	}
}

bool
dialogue_verdict(struct auth *a, uint64_t id, struct wire *w)
{
	struct dialogue *d = dialogue_by_id(a, id, VERIFIER);
	enum verdict_kind kind = (enum verdict_kind)get_enum(w, LOGIN_BROKEN);
	struct slice login = get_slice(w, LOGIN_BYTES);
	struct slice extra = get_slice(w, 128);
	struct slice reason = get_text(w, REASON_BYTES);
	struct sasl_answer answer = { .good = kind == LOGIN_GOOD,
		.login = login };

	if (!wire_done(w) || kind == 0)
		return false;
	if (d == NULL)
		return true;
	if (d->sasl.question.kind == SASL_Q_SCRAM_SALT)
		return false;
	if (d->sasl.question.kind == SASL_Q_SCRAM_PROOF)
		answer.signature = extra;
	else
		take_word(d->app, sizeof(d->app), extra);
	take_word(d->reason, sizeof(d->reason), reason);
	judged(d, kind, &answer);
	return true;
}

void
dialogue_verifier_lost(struct auth *a, unsigned index)
{
	struct client *c;
	struct dialogue *d, *next;

	TAILQ_FOREACH(c, &a->clients, entry)
		TAILQ_FOREACH_SAFE(d, &c->dialogues, entry, next)
			if (d->state == VERIFIER && d->verifier == index)
				fail(d, AUTH_TRY_LATER, "verifier-lost");
}

/* ---- the mailbox --------------------------------------------------------- */

static void
logged_in(struct dialogue *d)
{
	struct channel *lookup = child_peer(&d->auth->child, ROLE_LOOKUP, 0);
	struct buf *b;

	if (lookup == NULL) {
		fail(d, AUTH_TRY_LATER, "lookup-lost");
		return;
	}
	enter(d, LOOKUP);
	b = channel_begin(lookup, AL_MAILBOX_ASK, d->id);
	if (b != NULL)
		put_slice(b, d->sasl.login);
	channel_end(lookup);
}

bool
dialogue_mailbox(struct auth *a, uint64_t id, struct wire *w)
{
	struct dialogue *d = dialogue_by_id(a, id, LOOKUP);
	struct grant g = { .nonce = { 0 } };
	enum login_found found = (enum login_found)get_enum(w, LOGIN_TROUBLE);

	g.login = get_text(w, LOGIN_BYTES);
	if (found == LOGIN_FOUND) {
		g.uid = get_u32(w);
		g.gid = get_u32(w);
		g.user = get_text(w, 256);
		g.directory = get_text(w, 4096);
		g.maildir = get_text(w, 4096);
		g.quota_bytes = get_u64(w);
		g.quota_messages = get_u64(w);
	}
	if (!wire_done(w) || found == 0)
		return false;
	if (d == NULL)
		return true;
	if (found == LOGIN_TROUBLE) {
		fail(d, AUTH_TRY_LATER, "lookup-trouble");
	} else if (found == LOGIN_UNKNOWN && d->protocol != AUTH_SMTP) {
		fail(d, AUTH_NOT_ALLOWED, "no-mailbox");
	} else {
		/* Who has no mailbox may still send: a printer, say. */
		if (found == LOGIN_UNKNOWN)
			g.login = d->sasl.login;
		say_ok(d, &g);
	}
	return true;
}

void
dialogue_lookup_lost(struct auth *a)
{
	struct client *c;
	struct dialogue *d, *next;

	TAILQ_FOREACH(c, &a->clients, entry)
		TAILQ_FOREACH_SAFE(d, &c->dialogues, entry, next)
			if (d->state == LOOKUP)
				fail(d, AUTH_TRY_LATER, "lookup-lost");
}

/* ---- the end ------------------------------------------------------------- */

static const char *
protocol_name(enum auth_protocol p)
{
	return p == AUTH_SMTP ? "smtp" : p == AUTH_IMAP ? "imap" : "pop3";
}

static const char *
address_text(const uint8_t address[16])
{
	static const uint8_t v4[12] = { [10] = 0xff, [11] = 0xff };
	static char text[INET6_ADDRSTRLEN];
	bool is_v4 = memcmp(address, v4, sizeof(v4)) == 0;

	inet_ntop(is_v4 ? AF_INET : AF_INET6, is_v4 ? address + 12 : address,
	    text, sizeof(text));
	return text;
}

/* The form of these two lines is documented: programs read them. */
static void
log_success(const struct dialogue *d, struct slice login)
{
	log_info("event=login client=%s protocol=%s login=%s mechanism=%s "
	    "tls=%s%s%s name=%s ms=%lld", address_text(d->address),
	    protocol_name(d->protocol), LOG_Q(login),
	    sasl_mechanism_name(d->sasl.mechanism),
	    d->flags & AUTH_TLS ? "yes" : "no",
	    d->app[0] != '\0' ? " app=" : "",
	    d->app[0] != '\0' ? LOG_Q(slice_str(d->app)) : "",
	    LOG_Q(slice_str(d->name)),
	    (long long)(clock_mono_ms() - d->began_ms));
}

static void
log_failure(const struct dialogue *d, const char *why)
{
	struct slice login = d->sasl.login;

	log_warn("event=login-failed client=%s protocol=%s login=%s "
	    "mechanism=%s tls=%s reason=%s name=%s", address_text(d->address),
	    protocol_name(d->protocol), LOG_Q(login.p == NULL ? SLICE_EMPTY :
	    login), sasl_mechanism_name(d->sasl.mechanism),
	    d->flags & AUTH_TLS ? "yes" : "no", LOG_Q(slice_str(why)),
	    LOG_Q(slice_str(d->name)));
}

static bool
seal(struct auth *a, struct grant *g, enum auth_protocol protocol,
    struct buf *sealed)
{
	if (protocol == AUTH_SMTP)
		return true;
	g->protocol = protocol;
	arc4random_buf(g->nonce, sizeof(g->nonce));
	g->until_ms = clock_mono_ms() + GRANT_LIFE_MS;
	return grant_seal(sealed, g, a->secret) == 0;
}

static void
say_ok(struct dialogue *d, const struct grant *found)
{
	struct auth *a = d->auth;
	struct grant g = *found;
	struct buf sealed = BUF_INIT(GRANT_BYTES), *b;
	uint64_t max = a->child.conf->auth_max_sessions;

	if (max > 0 && sessions_of(a->sessions, g.login) >= max) {
		fail(d, AUTH_TOO_MANY, "too-many-sessions");
		return;
	}
	if (!seal(a, &g, d->protocol, &sealed)) {
		fail(d, AUTH_TRY_LATER, "grant-too-long");
		buf_clear(&sealed);
		return;
	}
	count(AUTH_LOGINS);
	count_time(AUTH_LOGIN, 1000 * (clock_mono_ms() - d->shown_ms));
	limits_succeeded(a->limits, d->address, d->sasl.login,
	    clock_mono_ms());
	sessions_begin(a->sessions, d->client->number, g.login);
	log_success(d, g.login);
	b = channel_begin(d->client->channel, AU_OK, d->client_id);
	if (b != NULL) {
		put_slice(b, g.login);
		put_slice(b, buf_slice(&sealed));
	}
	channel_end(d->client->channel);
	buf_clear(&sealed);
	dialogue_free(d);
}

/* Our own troubles are nobody's failures. */
static bool
counts(enum auth_failure f)
{
	switch (f) {
	case AUTH_BAD:
	case AUTH_NOT_ALLOWED:
	case AUTH_EXPIRED:
	case AUTH_PROTOCOL:
		return true;
	case AUTH_TRY_LATER:
	case AUTH_NEEDS_TLS:
	case AUTH_TOO_MANY:
	case AUTH_NO_MECHANISM:
		break;
	}
	return false;
}

/* The line is written at once, the client hears it later. */
static void
fail(struct dialogue *d, enum auth_failure f, const char *why)
{
	struct auth *a = d->auth;
	int64_t now = clock_mono_ms(), delay = 0;
	int64_t from = d->shown_ms != 0 ? d->shown_ms : now;

	count(AUTH_FAILED);
	log_failure(d, why);
	if (counts(f))
		delay = limits_failed(a->limits, d->address,
		    d->sasl.login.p == NULL ? SLICE_EMPTY : d->sasl.login,
		    d->sasl.secret == NULL ? SLICE_EMPTY :
		    slice_of(d->sasl.secret, d->sasl.nsecret), now);
	else if (d->is_over)
		delay = limits_delay_max(a->limits);
	enter(d, HELD);
	TAILQ_INSERT_TAIL(&a->held, d, held);
	d->waits = true;
	d->failure = f;
	sasl_clear(&d->sasl);
	delay -= now - from;
	ev_timer_set(&d->timer, delay > 0 ? delay : 0);
	/* Who waits takes a place, and places are for those who log in: who has
	 * waited longest hears it now. */
	if (a->nfree < DIALOGUES_MAX / 8) {
		d = TAILQ_FIRST(&a->held);
		wait_no_more(d);
		ev_timer_set(&d->timer, 0);
	}
}

static struct slice
text_of(enum auth_failure f)
{
	switch (f) {
	case AUTH_BAD:
		return SLICE_LIT("authentication failed");
	case AUTH_TRY_LATER:
		return SLICE_LIT("temporary authentication failure, "
		    "try again later");
	case AUTH_NOT_ALLOWED:
		return SLICE_LIT("this account may not use this service");
	case AUTH_NEEDS_TLS:
		return SLICE_LIT("encryption is required for this mechanism");
	case AUTH_EXPIRED:
		return SLICE_LIT("the password has expired");
	case AUTH_TOO_MANY:
		return SLICE_LIT("too many sessions of this account");
	case AUTH_PROTOCOL:
		return SLICE_LIT("that is not what this mechanism says");
	case AUTH_NO_MECHANISM:
		return SLICE_LIT("this mechanism is not offered here");
	}
	return SLICE_LIT("authentication failed");
}

static void
wait_no_more(struct dialogue *d)
{
	if (d->waits)
		TAILQ_REMOVE(&d->auth->held, d, held);
	d->waits = false;
}

static void
say_fail(struct dialogue *d)
{
	struct client *c = d->client;
	uint64_t id = d->client_id;
	enum auth_failure f = d->failure;

	dialogue_free(d);
	refuse(c, id, f);
}

static void
refuse(struct client *c, uint64_t id, enum auth_failure f)
{
	struct buf *b = channel_begin(c->channel, AU_FAIL, id);

	if (b != NULL) {
		put_u8(b, (uint8_t)f);
		put_slice(b, text_of(f));
	}
	channel_end(c->channel);
}

void
dialogue_cancel(struct auth *a, struct client *c, uint64_t id)
{
	struct dialogue *d = find(a, c, id);

	if (d != NULL)
		dialogue_free(d);
}

void
dialogue_cancel_all(struct auth *a, struct client *c)
{
	struct dialogue *d;

	(void)a;
	while ((d = TAILQ_FIRST(&c->dialogues)) != NULL)
		dialogue_free(d);
}
