/* SPDX-License-Identifier: ISC */
/*
 * scram - the messages of SCRAM (RFC 5802 section 7, RFC 7677, RFC 9266).
 *
 *	FIRST -client-first-> SALT_ASKED -answer-> FINAL -client-final->
 *	PROOF_ASKED -answer-> SIGNED -empty response-> SASL_OK
 *
 * The stored keys stay with the tables: they are asked for a salt, then
 * whether a proof fits.  The proof covers all that was said before it, and
 * with -PLUS the TLS connection, so that nobody between can have changed it.
 */
#include "base/base64.h"
#include "sasl/mechanism.h"
#include "sasl/scram.h"

#define NONCE_BYTES	256	/* of the client */

enum { FIRST = 0, SALT_ASKED, FINAL, PROOF_ASKED, SIGNED, OVER };

static enum sasl_step client_first(struct sasl *, struct slice);
static enum sasl_step channel_flag(struct sasl *, struct slice);
static enum sasl_step server_first(struct sasl *, const struct sasl_answer *);
static enum sasl_step client_final(struct sasl *, struct slice);
static bool	 binding_fits(const struct sasl *, struct slice base64);
static enum sasl_step ask_proof(struct sasl *, struct slice without_proof,
		    struct slice base64);
static enum sasl_step server_final(struct sasl *, const struct sasl_answer *);
static bool	 take_attribute(struct slice *rest, char name,
		    struct slice *value_r);
static bool	 is_printable(struct slice);
static enum sasl_hash hash_of(const struct sasl *);
static bool	 is_plus(const struct sasl *);
static struct slice bound_to(const struct sasl *, struct slice flag);

enum sasl_step
scram_feed(struct sasl *s, struct slice in)
{
	switch (s->state) {
	case FIRST:
		return client_first(s, in);
	case FINAL:
		return client_final(s, in);
	case SIGNED:
		if (in.n > 0)
			return sasl_bad(s, "response-unasked");
		s->state = OVER;
		return SASL_OK;
	default:
		return sasl_bad(s, "response-unasked");
	}
}

enum sasl_step
scram_answer(struct sasl *s, const struct sasl_answer *a)
{
	switch (s->state) {
	case SALT_ASKED:
		return server_first(s, a);
	case PROOF_ASKED:
		return server_final(s, a);
	default:
		return sasl_bad(s, "answer-unasked");
	}
}

static enum sasl_hash
hash_of(const struct sasl *s)
{
	return s->mechanism == SASL_SCRAM_SHA_1 ||
	    s->mechanism == SASL_SCRAM_SHA_1_PLUS ? SASL_SHA_1 : SASL_SHA_256;
}

/* The data of the binding that the flag at the front names. */
static struct slice
bound_to(const struct sasl *s, struct slice flag)
{
	return slice_starts(flag, SLICE_LIT("p=tls-unique")) ?
	    s->context.unique : s->context.exporter;
}

static bool
is_plus(const struct sasl *s)
{
	return (sasl_mechanism_flags(s->mechanism) & SASL_PLUS) != 0;
}

/* "x=value" up to the next ','. */
static bool
take_attribute(struct slice *rest, char name, struct slice *value_r)
{
	struct slice part;

	if (rest->p == NULL || !slice_next(rest, ',', &part) || part.n < 2 ||
	    part.p[0] != name || part.p[1] != '=')
		return false;
	*value_r = slice_from(part, 2);
	return true;
}

static bool
is_printable(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] < '!' || s.p[i] > '~' || s.p[i] == ',')
			return false;
	return s.n > 0;
}

/* ---- gs2-header "n=" name ",r=" nonce ------------------------------------ */

static enum sasl_step
client_first(struct sasl *s, struct slice in)
{
	struct slice rest = in, flag, authzid, name, nonce, extension;
	enum sasl_step step;

	if (!slice_next(&rest, ',', &flag) || rest.p == NULL ||
	    !slice_next(&rest, ',', &authzid) || rest.p == NULL)
		return sasl_bad(s, "no-gs2-header");
	step = channel_flag(s, flag);
	if (step != SASL_OK)
		return step;
	if (!sasl_keep(s, slice_first(in, (size_t)(rest.p - in.p)),
	    &s->gs2_header) || !sasl_keep(s, rest, &s->client_first_bare))
		return sasl_bad(s, "too-long");
	/* A mandatory extension (m=) that we do not know fails here, too. */
	if (!take_attribute(&rest, 'n', &name) ||
	    !take_attribute(&rest, 'r', &nonce) || !is_printable(nonce) ||
	    nonce.n > NONCE_BYTES)
		return sasl_bad(s, "bad-client-first");
	while (rest.p != NULL)
		if (!slice_next(&rest, ',', &extension) || extension.n < 2 ||
		    extension.p[1] != '=')
			return sasl_bad(s, "bad-client-first");
	if (!sasl_name_decode(s, name, &name))
		return sasl_bad(s, "bad-name");
	if (!sasl_set_login(s, name))
		return sasl_fail(s, "bad-name");
	if (authzid.n > 0) {
		if (!slice_starts(authzid, SLICE_LIT("a=")) ||
		    !sasl_name_decode(s, slice_from(authzid, 2), &authzid))
			return sasl_bad(s, "bad-authzid");
		if (!sasl_is_own(s, authzid))
			return sasl_fail(s, "acts-for-another");
	}
	if (!sasl_keep(s, nonce, &s->nonce))
		return sasl_bad(s, "too-long");
	s->question.hash = hash_of(s);
	return sasl_ask(s, SASL_Q_SCRAM_SALT, SALT_ASKED);
}

/* Section 6: SASL_OK to go on. */
static enum sasl_step
channel_flag(struct sasl *s, struct slice flag)
{
	if (slice_starts(flag, SLICE_LIT("p="))) {
		if (!is_plus(s))
			return sasl_bad(s, "binding-without-plus");
		if (!slice_eq(flag, SLICE_LIT("p=tls-exporter")) &&
		    !slice_eq(flag, SLICE_LIT("p=tls-unique")))
			return sasl_fail(s, "unknown-channel-binding");
		if (bound_to(s, flag).n == 0)
			return sasl_fail(s, "no-channel-binding");
		return SASL_OK;
	}
	if (is_plus(s))
		return sasl_bad(s, "plus-without-binding");
	if (slice_eq(flag, SLICE_LIT("n")))
		return SASL_OK;
	if (!slice_eq(flag, SLICE_LIT("y")))
		return sasl_bad(s, "no-gs2-header");
	/* It could have bound, and saw no -PLUS among what we offered: somebody
	 * has taken it away on the way. */
	if (s->context.plus_offered)
		return sasl_fail(s, "downgrade");
	return SASL_OK;
}

/* "r=" both nonces ",s=" salt ",i=" iterations */
static enum sasl_step
server_first(struct sasl *s, const struct sasl_answer *a)
{
	struct buf *b = &s->out;
	int r;

	if (a->salt.n == 0 || a->salt.n > SCRAM_SALT_BYTES ||
	    a->iterations == 0)
		return sasl_fail(s, "no-salt");
	r = buf_printf(b, "r=%.*s", SLICE_ARG(s->nonce));
	r |= buf_add(b, s->context.nonce);
	if (r != 0 || !sasl_keep(s, slice_from(buf_slice(b), 2), &s->nonce))
		return sasl_fail(s, "too-long");
	r |= buf_add_str(b, ",s=");
	r |= b64_encode(b, a->salt);
	r |= buf_printf(b, ",i=%u", a->iterations);
	if (r != 0 || !sasl_keep(s, buf_slice(b), &s->server_first))
		return sasl_fail(s, "too-long");
	return sasl_send(s, FINAL);
}

/* ---- "c=" binding ",r=" nonce ",p=" proof -------------------------------- */

static enum sasl_step
client_final(struct sasl *s, struct slice in)
{
	struct slice rest, binding, nonce, proof, extension;
	size_t comma = slice_rfind(in, ',');

	/* The proof is last, and its base64 has no ','. */
	if (comma == in.n)
		return sasl_bad(s, "bad-client-final");
	rest = slice_from(in, comma + 1);
	if (!take_attribute(&rest, 'p', &proof) || rest.p != NULL)
		return sasl_bad(s, "bad-client-final");
	in = rest = slice_first(in, comma);
	if (!take_attribute(&rest, 'c', &binding) ||
	    !take_attribute(&rest, 'r', &nonce))
		return sasl_bad(s, "bad-client-final");
	while (rest.p != NULL)
		if (!slice_next(&rest, ',', &extension) || extension.n < 2 ||
		    extension.p[1] != '=')
			return sasl_bad(s, "bad-client-final");
	if (!slice_eq(nonce, s->nonce))
		return sasl_fail(s, "wrong-nonce");
	if (!binding_fits(s, binding))
		return sasl_fail(s, "wrong-channel-binding");
	return ask_proof(s, in, proof);
}

/* The gs2 header as it was sent, and the data of the binding that it named. */
static bool
binding_fits(const struct sasl *s, struct slice base64)
{
	struct buf got = BUF_INIT(SASL_ARENA_BYTES);
	struct buf want = BUF_INIT(SASL_ARENA_BYTES);
	bool fits;

	buf_add(&want, s->gs2_header);
	if (is_plus(s))
		buf_add(&want, bound_to(s, s->gs2_header));
	fits = b64_decode(base64, &got) &&
	    slice_eq(buf_slice(&got), buf_slice(&want));
	buf_clear(&got);
	buf_clear(&want);
	return fits;
}

static enum sasl_step
ask_proof(struct sasl *s, struct slice without_proof, struct slice base64)
{
	struct buf b = BUF_INIT(SASL_ARENA_BYTES);
	bool ok;

	ok = b64_decode(base64, &b) &&
	    b.n == scram_hash_bytes(hash_of(s)) &&
	    sasl_keep(s, buf_slice(&b), &s->question.proof);
	buf_reset(&b);
	if (ok)
		ok = buf_add(&b, s->client_first_bare) == 0 &&
		    buf_add_byte(&b, ',') == 0 &&
		    buf_add(&b, s->server_first) == 0 &&
		    buf_add_byte(&b, ',') == 0 &&
		    buf_add(&b, without_proof) == 0 &&
		    sasl_keep(s, buf_slice(&b), &s->question.message);
	buf_clear(&b);
	if (!ok)
		return sasl_bad(s, "bad-proof");
	s->question.hash = hash_of(s);
	return sasl_ask(s, SASL_Q_SCRAM_PROOF, PROOF_ASKED);
}

static enum sasl_step
server_final(struct sasl *s, const struct sasl_answer *a)
{
	if (!a->good)
		return sasl_fail(s, "refused");
	if (buf_add_str(&s->out, "v=") == -1 ||
	    b64_encode(&s->out, a->signature) == -1)
		return sasl_fail(s, "too-long");
	return sasl_send(s, SIGNED);
}
