/* SPDX-License-Identifier: ISC */
/*
 * oauth - the messages of OAUTHBEARER (RFC 7628) and of XOAUTH2, which came
 * before it.
 *
 * A refusal is told in a challenge, whose response says nothing, and only then
 * fails the dialogue: both have it so.
 */
#include "sasl/mechanism.h"

#define KVSEP	'\001'

enum { FIRST = 0, ASKED, REFUSED, OVER };

static enum sasl_step bearer_first(struct sasl *, struct slice);
static enum sasl_step xoauth2_first(struct sasl *, struct slice);
static enum sasl_step take_pairs(struct sasl *, struct slice, bool user);
static bool	 take_bearer(struct slice value, struct slice *token_r);
static enum sasl_step refuse(struct sasl *, const char *why);

enum sasl_step
oauth_feed(struct sasl *s, struct slice in)
{
	switch (s->state) {
	case FIRST:
		/* Nothing at first: the client wants to be asked. */
		return s->mechanism == SASL_OAUTHBEARER ?
		    bearer_first(s, in) : xoauth2_first(s, in);
	case REFUSED:
		return sasl_fail(s, s->why);
	default:
		return sasl_bad(s, "response-unasked");
	}
}

/* ("n" | "y") "," ["a=" saslname] "," kvsep *(key "=" value kvsep) kvsep */
static enum sasl_step
bearer_first(struct sasl *s, struct slice in)
{
	struct slice flag, authzid, nothing;

	if (!slice_next(&in, ',', &flag) || in.p == NULL ||
	    !slice_next(&in, ',', &authzid) || in.p == NULL ||
	    !(slice_eq(flag, SLICE_LIT("n")) ||
	    slice_eq(flag, SLICE_LIT("y"))))
		return sasl_bad(s, "no-gs2-header");
	if (authzid.n > 0) {
		if (!slice_starts(authzid, SLICE_LIT("a=")) ||
		    !sasl_name_decode(s, slice_from(authzid, 2), &authzid))
			return sasl_bad(s, "bad-authzid");
		if (!sasl_set_login(s, authzid))
			return sasl_fail(s, "bad-name");
	}
	if (!slice_next(&in, KVSEP, &nothing) || nothing.n > 0 || in.p == NULL)
		return sasl_bad(s, "not-oauthbearer");
	return take_pairs(s, in, false);
}

/* "user=" name kvsep "auth=Bearer " token kvsep kvsep */
static enum sasl_step
xoauth2_first(struct sasl *s, struct slice in)
{
	return take_pairs(s, in, true);
}

static enum sasl_step
take_pairs(struct sasl *s, struct slice in, bool with_user)
{
	struct slice pair, token = SLICE_EMPTY;
	bool ended = false;

	while (!ended && slice_next(&in, KVSEP, &pair) && in.p != NULL) {
		if (pair.n == 0)
			ended = true;
		else if (slice_starts(pair, SLICE_LIT("auth="))) {
			if (token.n > 0 || !take_bearer(slice_from(pair, 5),
			    &token))
				return sasl_bad(s, "no-bearer-token");
		} else if (with_user && slice_starts(pair,
		    SLICE_LIT("user="))) {
			if (!sasl_set_login(s, slice_from(pair, 5)))
				return sasl_fail(s, "bad-name");
		} else if (slice_find(pair, '=') == pair.n)
			return sasl_bad(s, "bad-pair");
	}
	if (!ended || in.n > 0 || token.n == 0 ||
	    (with_user && s->login.n == 0))
		return sasl_bad(s, "not-complete");
	if (!sasl_keep_secret(s, token, &s->question.token))
		return sasl_fail(s, "too-long");
	return sasl_ask(s, SASL_Q_TOKEN, ASKED);
}

/* RFC 6750: the scheme in any case, b64token. */
static bool
take_bearer(struct slice value, struct slice *token_r)
{
	size_t i;

	if (!slice_starts_nocase(value, SLICE_LIT("bearer ")))
		return false;
	value = slice_trim(slice_from(value, 7));
	for (i = 0; i < value.n; i++)
		if (value.p[i] <= ' ' || value.p[i] > '~')
			return false;
	*token_r = value;
	return value.n > 0 && value.n <= SASL_TOKEN_BYTES;
}

enum sasl_step
oauth_answer(struct sasl *s, const struct sasl_answer *a)
{
	struct slice claimed = s->login;

	if (s->state != ASKED)
		return sasl_bad(s, "answer-unasked");
	if (!a->good)
		return refuse(s, "refused");
	if (!sasl_set_login(s, a->login))
		return refuse(s, "bad-name");
	if (!sasl_is_own(s, claimed)) {
		s->login = claimed;
		return refuse(s, "token-of-another");
	}
	s->state = OVER;
	return SASL_OK;
}

static enum sasl_step
refuse(struct sasl *s, const char *why)
{
	s->why = why;
	buf_add_str(&s->out, s->mechanism == SASL_OAUTHBEARER ?
	    "{\"status\":\"invalid_token\"}" :
	    "{\"status\":\"401\",\"schemes\":\"bearer\"}");
	return sasl_send(s, REFUSED);
}
