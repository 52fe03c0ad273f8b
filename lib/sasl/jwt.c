/* SPDX-License-Identifier: ISC */
/* jwt - see jwt.h. */
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/base64.h"
#include "sasl/json.h"
#include "sasl/jwt.h"

#define PART_BYTES	(16 * 1024)	/* of a token, decoded */
#define RSA_BITS	2048
#define VALUES		16		/* audiences in a token */

struct token {
	struct slice	 signing_input;
	struct buf	 signature;
	struct json_object header, claims;
	struct arena	*arena;
};

static const char *token_parse(struct token *, struct slice);
static const char *check_header(const struct token *, struct slice *alg_r,
		    struct slice *kid_r);
static const struct jwt_provider *provider_of(const struct token *,
		    const struct jwt_provider *, size_t n);
static bool	 is_signed(const struct token *, const struct jwt_provider *,
		    struct slice alg, struct slice kid);
static bool	 verify(const struct token *, const struct jwt_key *);
static bool	 ecdsa_to_der(struct slice raw, struct buf *);
static const char *check_claims(const struct token *,
		    const struct jwt_provider *, int64_t now);
static bool	 has_audience(const struct token *,
		    const struct jwt_provider *);
static bool	 has_scope(const struct token *, const char *);
static const char *take_login(const struct token *,
		    const struct jwt_provider *, struct slice *);

/* ---- keys ---------------------------------------------------------------- */

bool
jwt_key_read(struct jwt_key *k, struct slice id, struct slice pem)
{
	BIO *bio = pem.n > INT32_MAX ? NULL :
	    BIO_new_mem_buf(pem.p, (int)pem.n);
	EVP_PKEY *key = bio == NULL ? NULL :
	    PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	char curve[32] = "";

	BIO_free(bio);
	*k = (struct jwt_key){ .id = id };
	if (key == NULL)
		return false;
	if (EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) >= RSA_BITS)
		k->algorithm = "RS256";
	else if (EVP_PKEY_is_a(key, "ED25519"))
		k->algorithm = "EdDSA";
	else if (EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key,
	    curve, sizeof(curve), NULL) == 1 &&
	    (strcmp(curve, "prime256v1") == 0 || strcmp(curve, "P-256") == 0))
		k->algorithm = "ES256";
	if (k->algorithm == NULL) {
		EVP_PKEY_free(key);
		return false;
	}
	k->key = key;
	return true;
}

void
jwt_key_clear(struct jwt_key *k)
{
	EVP_PKEY_free(k->key);
	*k = (struct jwt_key){ .id = SLICE_EMPTY };
}

/* ---- the token ----------------------------------------------------------- */

const char *
jwt_check(struct slice text, const struct jwt_provider *all, size_t n,
    int64_t now, struct arena *arena, struct slice *login_r)
{
	static struct token t;	/* large, and of one call */
	const struct jwt_provider *p = NULL;
	struct slice alg = SLICE_EMPTY, kid = SLICE_EMPTY;
	const char *why;

	t.arena = arena;
	t.signature = BUF_INIT(PART_BYTES);
	why = token_parse(&t, text);
	if (why == NULL)
		why = check_header(&t, &alg, &kid);
	if (why == NULL && (p = provider_of(&t, all, n)) == NULL)
		why = "unknown-issuer";
	if (why == NULL && !is_signed(&t, p, alg, kid))
		why = "bad-signature";
	if (why == NULL)
		why = check_claims(&t, p, now);
	if (why == NULL)
		why = take_login(&t, p, login_r);
	buf_clear(&t.signature);
	return why;
}

static bool
part_decode(const struct token *t, struct slice part, struct slice *out_r)
{
	struct buf b = BUF_INIT(PART_BYTES);
	bool ok = b64url_decode(part, &b) &&
	    arena_copy(t->arena, buf_slice(&b), out_r) == 0;

	buf_clear(&b);
	return ok;
}

/* RFC 7515 section 3.1: header.payload.signature */
static const char *
token_parse(struct token *t, struct slice text)
{
	struct slice rest = text, head, body, head_text, body_text;

	if (!slice_next(&rest, '.', &head) || rest.p == NULL ||
	    !slice_next(&rest, '.', &body) || rest.p == NULL ||
	    slice_find(rest, '.') < rest.n)
		return "not-a-jwt";
	t->signing_input = slice_first(text,
	    (size_t)(body.p + body.n - text.p));
	if (!part_decode(t, head, &head_text) ||
	    !part_decode(t, body, &body_text) ||
	    !b64url_decode(rest, &t->signature) ||
	    !json_object_parse(head_text, t->arena, &t->header) ||
	    !json_object_parse(body_text, t->arena, &t->claims))
		return "not-a-jwt";
	return NULL;
}

static bool
take_string(const struct json_object *o, const char *name, struct slice *s_r)
{
	const struct json_value *v = json_find(o, name);

	*s_r = SLICE_EMPTY;
	if (v == NULL || v->kind != JSON_STRING)
		return false;
	*s_r = v->text;
	return true;
}

static const char *
check_header(const struct token *t, struct slice *alg_r, struct slice *kid_r)
{
	/* Extensions that must be understood: we know none. */
	if (json_find(&t->header, "crit") != NULL)
		return "unknown-extension";
	if (!take_string(&t->header, "alg", alg_r))
		return "no-algorithm";
	if (json_find(&t->header, "kid") != NULL &&
	    !take_string(&t->header, "kid", kid_r))
		return "bad-key-id";
	if (json_find(&t->header, "kid") == NULL)
		*kid_r = SLICE_EMPTY;
	return NULL;
}

static const struct jwt_provider *
provider_of(const struct token *t, const struct jwt_provider *all, size_t n)
{
	struct slice issuer;
	size_t i;

	if (take_string(&t->claims, "iss", &issuer))
		for (i = 0; i < n; i++)
			if (slice_eq(issuer, slice_str(all[i].issuer)))
				return &all[i];
	return NULL;
}

/* ---- the signature ------------------------------------------------------- */

static bool
is_signed(const struct token *t, const struct jwt_provider *p,
    struct slice alg, struct slice kid)
{
	const struct jwt_key *k;
	size_t i;

	for (i = 0; i < p->nkeys; i++) {
		k = &p->keys[i];
		if (!slice_eq(alg, slice_str(k->algorithm)))
			continue;
		if (kid.n > 0 && k->id.n > 0 && !slice_eq(kid, k->id))
			continue;
		if (verify(t, k))
			return true;
	}
	return false;
}

static bool
verify(const struct token *t, const struct jwt_key *k)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	struct buf der = BUF_INIT(256);
	struct slice s = buf_slice(&t->signature);
	bool is_ec = strcmp(k->algorithm, "ES256") == 0;
	bool good = ctx != NULL;

	if (is_ec) {
		good = good && ecdsa_to_der(s, &der);
		s = buf_slice(&der);
	}
	good = good && EVP_DigestVerifyInit(ctx, NULL,
	    strcmp(k->algorithm, "EdDSA") == 0 ? NULL : EVP_sha256(), NULL,
	    k->key) == 1 && EVP_DigestVerify(ctx, (const unsigned char *)s.p,
	    s.n, (const unsigned char *)t->signing_input.p,
	    t->signing_input.n) == 1;
	EVP_MD_CTX_free(ctx);
	buf_clear(&der);
	return good;
}

/* RFC 7518 section 3.4: r and s, 32 bytes each; the library wants DER. */
static bool
ecdsa_to_der(struct slice raw, struct buf *out)
{
	const unsigned char *p = (const unsigned char *)raw.p;
	unsigned char *der = NULL;
	ECDSA_SIG *sig = NULL;
	BIGNUM *r = NULL, *s = NULL;
	int n = -1;

	if (raw.n != 64)
		return false;
	sig = ECDSA_SIG_new();
	r = BN_bin2bn(p, 32, NULL);
	s = BN_bin2bn(p + 32, 32, NULL);
	if (sig != NULL && r != NULL && s != NULL &&
	    ECDSA_SIG_set0(sig, r, s) == 1) {
		r = s = NULL;	/* the signature's now */
		n = i2d_ECDSA_SIG(sig, &der);
	}
	if (n > 0 && buf_add(out, slice_of(der, (size_t)n)) == -1)
		n = -1;
	OPENSSL_free(der);
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(sig);
	return n > 0;
}

/* ---- the claims ---------------------------------------------------------- */

static const char *
check_claims(const struct token *t, const struct jwt_provider *p, int64_t now)
{
	const struct json_value *v;
	int64_t when;

	v = json_find(&t->claims, "exp");
	if (v == NULL || !json_time(v, &when))
		return "no-expiry";
	if (now > when + JWT_LEEWAY_S)
		return "token-expired";
	v = json_find(&t->claims, "nbf");
	if (v != NULL && (!json_time(v, &when) || now < when - JWT_LEEWAY_S))
		return "token-not-yet-valid";
	v = json_find(&t->claims, "iat");
	if (v != NULL && (!json_time(v, &when) || now < when - JWT_LEEWAY_S))
		return "token-not-yet-valid";
	if (!has_audience(t, p))
		return "wrong-audience";
	if (p->scope[0] != '\0' && !has_scope(t, p->scope))
		return "no-scope";
	return NULL;
}

static bool
has_audience(const struct token *t, const struct jwt_provider *p)
{
	const struct json_value *v = json_find(&t->claims, "aud");
	struct slice audiences[VALUES];
	int n, i;
	size_t k;

	n = v == NULL ? 0 : json_strings(v, t->arena, audiences, VALUES);
	for (i = 0; i < n; i++)
		for (k = 0; k < p->naudiences; k++)
			if (slice_eq(audiences[i],
			    slice_str(p->audiences[k])))
				return true;
	return false;
}

/* RFC 8693 section 4.2: words with a blank between; some send an array. */
static bool
has_scope(const struct token *t, const char *want)
{
	const struct json_value *v = json_find(&t->claims, "scope");
	struct slice lists[VALUES], word;
	int n, i;

	n = v == NULL ? 0 : json_strings(v, t->arena, lists, VALUES);
	for (i = 0; i < n; i++)
		while (slice_next(&lists[i], ' ', &word))
			if (slice_eq(word, slice_str(want)))
				return true;
	return false;
}

/* An address that the provider has not verified is whatever its user says. */
static const char *
take_login(const struct token *t, const struct jwt_provider *p,
    struct slice *login_r)
{
	const struct json_value *v = json_find(&t->claims, "email_verified");

	if (strcmp(p->claim, "email") == 0 && v != NULL &&
	    v->kind != JSON_TRUE)
		return "address-not-verified";
	if (!take_string(&t->claims, p->claim, login_r) || login_r->n == 0)
		return "no-login-claim";
	return NULL;
}
