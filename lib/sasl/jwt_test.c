/* SPDX-License-Identifier: ISC */
/* jwt_test - tokens that are signed here, and what others would like to pass
 * as one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <openssl/bio.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include "base/base64.h"
#include "base/test_guard.h"
#include "sasl/json.h"
#include "sasl/jwt.h"

#define NOW	1800000000

enum { RS, EC, ED, OTHER_EC, KEYS };

static EVP_PKEY	*private[KEYS];
static char	 pem[KEYS][2048];
static const char *const audiences[] = { "mail", "other" };
static struct jwt_provider provider = { .issuer = "https://id.example",
	.audiences = audiences, .naudiences = 2, .claim = "email",
	.scope = "" };
static struct arena arena = { .max = JWT_ARENA_BYTES };
static struct guard guard;

static int
make_keys(void **state)
{
	static const char *const ids[] = { "rsa", "ec", "ed", "ec2" };
	BIO *bio;
	char *p;
	long n;
	int i;

	(void)state;
	guard_init(&guard, 65536);
	private[RS] = EVP_RSA_gen(2048);
	private[EC] = EVP_EC_gen("P-256");
	private[ED] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	private[OTHER_EC] = EVP_EC_gen("P-256");
	for (i = 0; i < KEYS; i++) {
		bio = BIO_new(BIO_s_mem());
		assert_int_equal(PEM_write_bio_PUBKEY(bio, private[i]), 1);
		n = BIO_get_mem_data(bio, &p);
		memcpy(pem[i], p, (size_t)n);
		BIO_free(bio);
		if (i != OTHER_EC)
			assert_true(jwt_key_read(
			    &provider.keys[provider.nkeys++],
			    slice_str(ids[i]), slice_str(pem[i])));
	}
	return 0;
}

static int
free_keys(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < KEYS; i++)
		EVP_PKEY_free(private[i]);
	while (provider.nkeys > 0)
		jwt_key_clear(&provider.keys[--provider.nkeys]);
	arena_clear(&arena);
	return 0;
}

static void
put_part(struct buf *b, struct slice s)
{
	struct buf text = BUF_INIT(65536);
	size_t i;

	b64_encode(&text, s);
	for (i = 0; i < text.n && text.p[i] != '='; i++)
		buf_add_byte(b, text.p[i] == '+' ? '-' : text.p[i] == '/' ?
		    '_' : text.p[i]);
	buf_clear(&text);
}

/* DER as raw r and s. */
static size_t
raw_ecdsa(unsigned char *sig, size_t n)
{
	const unsigned char *p = sig;
	ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &p, (long)n);

	BN_bn2binpad(ECDSA_SIG_get0_r(s), sig, 32);
	BN_bn2binpad(ECDSA_SIG_get0_s(s), sig + 32, 32);
	ECDSA_SIG_free(s);
	return 64;
}

static void
sign(struct buf *out, int key, const char *header, const char *claims)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char sig[512];
	size_t n = sizeof(sig);

	buf_reset(out);
	put_part(out, slice_str(header));
	buf_add_byte(out, '.');
	put_part(out, slice_str(claims));
	assert_int_equal(EVP_DigestSignInit(ctx, NULL, key == ED ? NULL :
	    EVP_sha256(), NULL, private[key]), 1);
	assert_int_equal(EVP_DigestSign(ctx, sig, &n,
	    (unsigned char *)out->p, out->n), 1);
	EVP_MD_CTX_free(ctx);
	if (key == EC || key == OTHER_EC)
		n = raw_ecdsa(sig, n);
	buf_add_byte(out, '.');
	put_part(out, slice_of(sig, n));
}

static const char *
check(const struct buf *token, struct slice *login_r)
{
	*login_r = SLICE_EMPTY;
	arena_clear(&arena);
	arena = ARENA_INIT(JWT_ARENA_BYTES);
	return jwt_check(guard_copy(&guard, buf_slice(token)), &provider, 1,
	    NOW, &arena, login_r);
}

#define GOOD	"\"iss\":\"https://id.example\",\"aud\":\"mail\"," \
		"\"exp\":1800000100,\"email\":\"a@b.example\""

static void
each_algorithm(void **state)
{
	static const struct {
		int		 key;
		const char	*header;
		const char	*why;		/* NULL: good */
	} cases[] = {
		{ RS, "{\"alg\":\"RS256\"}", NULL },
		{ EC, "{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}", NULL },
		{ ED, "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}", NULL },
		{ EC, "{\"alg\":\"ES256\",\"kid\":\"rsa\"}", "bad-signature" },
		{ EC, "{\"alg\":\"ES256\",\"kid\":\"../../etc/passwd\"}",
		  "bad-signature" },
		{ EC, "{\"alg\":\"ES256\",\"kid\":7}", "bad-key-id" },
		{ OTHER_EC, "{\"alg\":\"ES256\"}", "bad-signature" },
		{ RS, "{\"alg\":\"ES256\"}", "bad-signature" },
		{ RS, "{\"alg\":\"RS512\"}", "bad-signature" },
		{ RS, "{\"alg\":\"none\"}", "bad-signature" },
		{ RS, "{\"alg\":\"HS256\"}", "bad-signature" },
		{ RS, "{}", "no-algorithm" },
		{ RS, "{\"alg\":\"RS256\",\"alg\":\"none\"}", "not-a-jwt" },
		{ RS, "{\"alg\":\"RS256\",\"crit\":[\"b64\"]}",
		  "unknown-extension" },
		{ RS, "[]", "not-a-jwt" }, { RS, "", "not-a-jwt" },
	};
	struct buf token = BUF_INIT(65536);
	struct slice login;
	const char *why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sign(&token, cases[i].key, cases[i].header, "{" GOOD "}");
		why = check(&token, &login);
		if (cases[i].why == NULL) {
			assert_null(why);
			assert_slice_equal(login, SLICE_LIT("a@b.example"));
		} else if (why == NULL || strcmp(why, cases[i].why) != 0)
			fail_msg("%s: %s", cases[i].header,
			    why == NULL ? "good" : why);
	}
	buf_clear(&token);
}

static void
each_claim(void **state)
{
#define HEAD	"\"iss\":\"https://id.example\",\"email\":\"a@b.example\","
	static const struct {
		const char	*claims;
		const char	*why;
	} cases[] = {
		{ "{" GOOD ",\"email_verified\":true}", NULL },
		{ "{" GOOD ",\"email_verified\":false}",
		  "address-not-verified" },
		{ "{" GOOD ",\"email_verified\":\"true\"}",
		  "address-not-verified" },
		{ "{" GOOD ",\"nbf\":1800000030}", NULL },
		{ "{" GOOD ",\"nbf\":1800001000}", "token-not-yet-valid" },
		{ "{" GOOD ",\"iat\":1800001000}", "token-not-yet-valid" },
		{ "{" HEAD "\"aud\":[\"x\",\"other\"],\"exp\":1800000001}",
		  NULL },
		{ "{" HEAD "\"aud\":\"mailbox\",\"exp\":1800000001}",
		  "wrong-audience" },
		{ "{" HEAD "\"aud\":[\"mail\",7],\"exp\":1800000001}",
		  "wrong-audience" },
		{ "{" HEAD "\"exp\":1800000001}", "wrong-audience" },
		{ "{" HEAD "\"aud\":\"mail\"}", "no-expiry" },
		{ "{" HEAD "\"aud\":\"mail\",\"exp\":\"1900000000\"}",
		  "no-expiry" },
		{ "{" HEAD "\"aud\":\"mail\",\"exp\":1799999900}",
		  "token-expired" },
		{ "{" HEAD "\"aud\":\"mail\",\"exp\":-1}", "no-expiry" },
		{ "{" HEAD "\"aud\":\"mail\",\"exp\":9e99}", "no-expiry" },
		{ "{\"iss\":\"https://evil.example\",\"aud\":\"mail\","
		  "\"exp\":1800000100,\"email\":\"a@b.example\"}",
		  "unknown-issuer" },
		{ "{\"iss\":\"https://id.example\",\"aud\":\"mail\","
		  "\"exp\":1800000100,\"sub\":\"a\"}", "no-login-claim" },
	};
	struct buf token = BUF_INIT(65536);
	struct slice login;
	const char *why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sign(&token, ED, "{\"alg\":\"EdDSA\"}", cases[i].claims);
		why = check(&token, &login);
		if ((why == NULL) != (cases[i].why == NULL) ||
		    (why != NULL && strcmp(why, cases[i].why) != 0))
			fail_msg("%s: %s", cases[i].claims,
			    why == NULL ? "good" : why);
	}
	provider.scope = "mail.read";
	sign(&token, ED, "{\"alg\":\"EdDSA\"}", "{" GOOD "}");
	assert_string_equal(check(&token, &login), "no-scope");
	sign(&token, ED, "{\"alg\":\"EdDSA\"}",
	    "{" GOOD ",\"scope\":\"openid mail.read\"}");
	assert_null(check(&token, &login));
	provider.scope = "";
	buf_clear(&token);
}

/* The public key as the secret of an HMAC: the oldest trick. */
static void
public_key_is_no_secret(void **state)
{
	struct buf token = BUF_INIT(65536);
	unsigned char mac[64];
	struct slice login;
	unsigned n = 0;

	(void)state;
	put_part(&token, SLICE_LIT("{\"alg\":\"HS256\"}"));
	buf_add_byte(&token, '.');
	put_part(&token, SLICE_LIT("{" GOOD "}"));
	HMAC(EVP_sha256(), pem[RS], (int)strlen(pem[RS]),
	    (unsigned char *)token.p, token.n, mac, &n);
	buf_add_byte(&token, '.');
	put_part(&token, slice_of(mac, n));
	assert_string_equal(check(&token, &login), "bad-signature");
	buf_clear(&token);
}

static void
every_change_of_a_byte_is_noticed(void **state)
{
	struct buf token = BUF_INIT(65536);
	struct slice login;
	size_t i;

	(void)state;
	sign(&token, EC, "{\"alg\":\"ES256\"}", "{" GOOD "}");
	for (i = 0; i < token.n; i++) {
		token.p[i] ^= 4;
		assert_non_null(check(&token, &login));
		token.p[i] ^= 4;
	}
	for (i = token.n; i > 0; i--) {
		token.n = i - 1;
		assert_non_null(check(&token, &login));
	}
	buf_clear(&token);
}

static void
weak_keys_are_not_taken(void **state)
{
	EVP_PKEY *small = EVP_RSA_gen(1024);
	BIO *bio = BIO_new(BIO_s_mem());
	struct jwt_key k;
	char *p;
	long n;

	(void)state;
	PEM_write_bio_PUBKEY(bio, small);
	n = BIO_get_mem_data(bio, &p);
	assert_false(jwt_key_read(&k, SLICE_EMPTY, slice_of(p, (size_t)n)));
	assert_false(jwt_key_read(&k, SLICE_EMPTY, SLICE_LIT("not a key")));
	EVP_PKEY_free(small);
	BIO_free(bio);
}

/* ---- JSON ---------------------------------------------------------------- */

static void
json_strictness(void **state)
{
	static const char *const good[] = { "{}", " { } ", "{\"a\":1}",
		"{\"a\":[1,2,{\"b\":null}],\"c\":-0.5e+3}",
		"{\"a\":\"\\u00e9\\ud83d\\ude00\\n\"}" };
	static const char *const bad[] = { "", "[]", "{", "{}x", "{\"a\"}",
		"{\"a\":}", "{\"a\":1,}", "{a:1}", "{\"a\":01}", "{\"a\":1.}",
		"{\"a\":\"\n\"}", "{\"a\":\"\\x\"}", "{\"a\":\"\\ud800\"}",
		"{\"a\":\"\\u0000\"}", "{\"a\":\"\\udc00\"}", "{\"a\":tru}",
		"{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "{\"a\":+1}",
		"{\"a\":\"", "{\"a\":[1,]}", "{\"a\":1 \"b\":2}", "{\"a\":--1}" };
	struct json_object o;
	struct buf deep = BUF_INIT(4096);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!json_object_parse(guard_copy(&guard, slice_str(good[i])),
		    &arena, &o))
			fail_msg("%s", good[i]);
	assert_slice_equal(json_find(&o, "a")->text,
	    SLICE_LIT("\xc3\xa9\xf0\x9f\x98\x80\n"));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (json_object_parse(guard_copy(&guard, slice_str(bad[i])),
		    &arena, &o))
			fail_msg("%s", bad[i]);
	buf_add_str(&deep, "{\"a\":");
	for (i = 0; i < 1000; i++)
		buf_add_byte(&deep, '[');
	assert_false(json_object_parse(buf_slice(&deep), &arena, &o));
	buf_clear(&deep);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_algorithm),
		cmocka_unit_test(each_claim),
		cmocka_unit_test(public_key_is_no_secret),
		cmocka_unit_test(every_change_of_a_byte_is_noticed),
		cmocka_unit_test(weak_keys_are_not_taken),
		cmocka_unit_test(json_strictness),
	};

	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
