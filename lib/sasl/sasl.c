/* SPDX-License-Identifier: ISC */
/*
 * sasl - see sasl.h: what all mechanisms share, and the plain ones (PLAIN,
 * LOGIN, EXTERNAL).
 *
 * A mechanism is two functions: for what the client says, and for the answer
 * to a question.  Both begin with a switch over the state.
 */
#include <assert.h>

#include "sasl/mechanism.h"
#include "sasl/prep.h"

/* State 0 is the client's first response in each. */
enum { FIRST = 0, LOGIN_PASSWORD, ASKED, OVER };

typedef enum sasl_step	feed_fn(struct sasl *, struct slice);
typedef enum sasl_step	answer_fn(struct sasl *, const struct sasl_answer *);

static feed_fn	 plain_feed, login_feed, external_feed;
static answer_fn simple_answer;

static const struct mechanism {
	const char	*name;
	unsigned	 flags;
} mechanisms[SASL_MECHANISM_LIMIT] = {
#define X(mechanism, name, flags) [mechanism] = { name, flags },
	SASL_MECHANISMS(X)
#undef X
};

static const struct conduct {
	/* What is sent to one who gave no initial response. */
	const char	*prompt;
	feed_fn		*feed;
	answer_fn	*answer;
} conducts[SASL_MECHANISM_LIMIT] = {
	[SASL_PLAIN] =		{ "", plain_feed, simple_answer },
	[SASL_LOGIN] =		{ "Username:", login_feed, simple_answer },
	[SASL_EXTERNAL] =	{ "", external_feed, simple_answer },
	[SASL_SCRAM_SHA_256_PLUS] = { "", scram_feed, scram_answer },
	[SASL_SCRAM_SHA_256] =	{ "", scram_feed, scram_answer },
	[SASL_SCRAM_SHA_1_PLUS] = { "", scram_feed, scram_answer },
	[SASL_SCRAM_SHA_1] =	{ "", scram_feed, scram_answer },
	[SASL_OAUTHBEARER] =	{ "", oauth_feed, oauth_answer },
	[SASL_XOAUTH2] =	{ "", oauth_feed, oauth_answer },
};

enum sasl_mechanism
sasl_mechanism_find(struct slice name)
{
	unsigned i;

	for (i = SASL_NONE + 1; i < SASL_MECHANISM_LIMIT; i++)
		if (slice_eq_nocase(name, slice_str(mechanisms[i].name)))
			return (enum sasl_mechanism)i;
	return SASL_NONE;
}

const char *
sasl_mechanism_name(enum sasl_mechanism m)
{
	return m > SASL_NONE && m < SASL_MECHANISM_LIMIT ?
	    mechanisms[m].name : "?";
}

unsigned
sasl_mechanism_flags(enum sasl_mechanism m)
{
	return m < SASL_MECHANISM_LIMIT ? mechanisms[m].flags : 0;
}

/* ---- the dialogue -------------------------------------------------------- */

enum sasl_step
sasl_start(struct sasl *s, enum sasl_mechanism m,
    const struct sasl_context *context, const struct slice *initial)
{
	assert(m > SASL_NONE && m < SASL_MECHANISM_LIMIT);
	*s = (struct sasl){ .mechanism = m, .context = *context,
		.arena = ARENA_INIT(SASL_ARENA_BYTES),
		.out = BUF_INIT(SASL_ARENA_BYTES), .login = SLICE_EMPTY,
		.why = "" };
	if (!sasl_keep(s, context->exporter, &s->context.exporter) ||
	    !sasl_keep(s, context->unique, &s->context.unique) ||
	    !sasl_keep(s, context->certificate, &s->context.certificate) ||
	    !sasl_keep(s, context->nonce, &s->context.nonce))
		return sasl_fail(s, "too-long");
	if (initial != NULL)
		return conducts[m].feed(s, *initial);
	buf_add_str(&s->out, conducts[m].prompt);
	return SASL_SEND;
}

enum sasl_step
sasl_feed(struct sasl *s, struct slice response)
{
	if (s->question.kind != SASL_Q_NONE)
		return sasl_bad(s, "response-unasked");
	buf_reset(&s->out);
	return conducts[s->mechanism].feed(s, response);
}

enum sasl_step
sasl_answer(struct sasl *s, const struct sasl_answer *a)
{
	s->question = (struct sasl_question){ .kind = SASL_Q_NONE };
	buf_reset(&s->out);
	return conducts[s->mechanism].answer(s, a);
}

void
sasl_clear(struct sasl *s)
{
	if (s->secret != NULL)
		explicit_bzero(s->secret, s->nsecret);
	arena_clear(&s->arena);
	buf_clear(&s->out);
	*s = (struct sasl){ .mechanism = SASL_NONE };
}

enum sasl_step
sasl_fail(struct sasl *s, const char *why)
{
	s->why = why;
	s->state = OVER;
	return SASL_FAIL;
}

enum sasl_step
sasl_bad(struct sasl *s, const char *why)
{
	s->why = why;
	s->state = OVER;
	return SASL_BAD;
}

enum sasl_step
sasl_send(struct sasl *s, unsigned state)
{
	s->state = state;
	return SASL_SEND;
}

enum sasl_step
sasl_ask(struct sasl *s, enum sasl_question_kind kind, unsigned state)
{
	s->state = state;
	s->question.kind = kind;
	s->question.login = s->login;
	return SASL_ASK;
}

bool
sasl_keep(struct sasl *s, struct slice from, struct slice *copy_r)
{
	return arena_copy(&s->arena, from, copy_r) == 0;
}

bool
sasl_keep_secret(struct sasl *s, struct slice from, struct slice *copy_r)
{
	s->secret = arena_alloc(&s->arena, from.n + 1);
	if (s->secret == NULL)
		return false;
	memcpy(s->secret, from.p, from.n);
	s->nsecret = from.n;
	*copy_r = slice_of(s->secret, s->nsecret);
	return true;
}

bool
sasl_set_login(struct sasl *s, struct slice name)
{
	struct buf b = BUF_INIT(SASL_LOGIN_BYTES);
	bool ok = name.n <= SASL_LOGIN_BYTES && sasl_prep_login(name, &b) &&
	    sasl_keep(s, buf_slice(&b), &s->login);

	buf_clear(&b);
	return ok;
}

bool
sasl_is_own(const struct sasl *s, struct slice authzid)
{
	struct buf b = BUF_INIT(SASL_LOGIN_BYTES);
	bool own = authzid.n == 0 || (authzid.n <= SASL_LOGIN_BYTES &&
	    sasl_prep_login(authzid, &b) && slice_eq(buf_slice(&b), s->login));

	buf_clear(&b);
	return own;
}

/* A saslname of RFC 5801: ',' and '=' are written =2C and =3D; any other '=' is
 * an error. */
bool
sasl_name_decode(struct sasl *s, struct slice in, struct slice *out_r)
{
	char *to = arena_alloc(&s->arena, in.n + 1);
	size_t i, n = 0;

	if (to == NULL || in.n == 0)
		return false;
	for (i = 0; i < in.n; i++) {
		if (in.p[i] == '\0')
			return false;
		if (in.p[i] != '=') {
			to[n++] = in.p[i];
			continue;
		}
		if (in.n - i < 3)
			return false;
		if (memcmp(in.p + i, "=2C", 3) == 0)
			to[n++] = ',';
		else if (memcmp(in.p + i, "=3D", 3) == 0)
			to[n++] = '=';
		else
			return false;
		i += 2;
	}
	*out_r = slice_of(to, n);
	return true;
}

/* ---- PLAIN, RFC 4616: [authzid] NUL authcid NUL passwd ------------------- */

static enum sasl_step
ask_password(struct sasl *s, struct slice password)
{
	if (password.n == 0)
		return sasl_fail(s, "empty-password");
	if (password.n > PASSWORD_BYTES)
		return sasl_fail(s, "password-too-long");
	if (memchr(password.p, '\0', password.n) != NULL)
		return sasl_bad(s, "password-has-nul");
	if (!sasl_keep_secret(s, password, &s->question.password))
		return sasl_fail(s, "too-long");
	return sasl_ask(s, SASL_Q_PASSWORD, ASKED);
}

static enum sasl_step
plain_feed(struct sasl *s, struct slice in)
{
	struct slice authzid, authcid;

	if (s->state != FIRST)
		return sasl_bad(s, "response-unasked");
	if (!slice_next(&in, '\0', &authzid) || in.p == NULL ||
	    !slice_next(&in, '\0', &authcid) || in.p == NULL)
		return sasl_bad(s, "not-plain");
	if (!sasl_set_login(s, authcid))
		return sasl_fail(s, "bad-name");
	if (!sasl_is_own(s, authzid))
		return sasl_fail(s, "acts-for-another");
	return ask_password(s, in);
}

/* ---- LOGIN: the name, then the password, each asked for ------------------ */

static enum sasl_step
login_feed(struct sasl *s, struct slice in)
{
	switch (s->state) {
	case FIRST:
		/* A wrong name is told only with the password. */
		if (!sasl_set_login(s, in))
			s->login = SLICE_EMPTY;
		buf_add_str(&s->out, "Password:");
		return sasl_send(s, LOGIN_PASSWORD);
	case LOGIN_PASSWORD:
		if (s->login.n == 0)
			return sasl_fail(s, "bad-name");
		return ask_password(s, in);
	default:
		return sasl_bad(s, "response-unasked");
	}
}

/* ---- EXTERNAL, RFC 4422 appendix A: [authzid] ---------------------------- */

static enum sasl_step
external_feed(struct sasl *s, struct slice authzid)
{
	struct slice names = s->context.certificate, name;

	if (s->state != FIRST)
		return sasl_bad(s, "response-unasked");
	if (memchr(authzid.p, '\0', authzid.n) != NULL)
		return sasl_bad(s, "name-has-nul");
	while (names.n > 0 && slice_next(&names, ' ', &name))
		if (name.n > 0 && sasl_set_login(s, name) &&
		    sasl_is_own(s, authzid))
			return sasl_ask(s, SASL_Q_ACCOUNT, ASKED);
	s->login = SLICE_EMPTY;
	return sasl_fail(s, s->context.certificate.n == 0 ?
	    "no-certificate" : "certificate-names-another");
}

static enum sasl_step
simple_answer(struct sasl *s, const struct sasl_answer *a)
{
	if (s->state != ASKED)
		return sasl_bad(s, "answer-unasked");
	if (!a->good)
		return sasl_fail(s, "refused");
	s->state = OVER;
	return SASL_OK;
}
