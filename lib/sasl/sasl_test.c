/* SPDX-License-Identifier: ISC */
/* sasl_test - each mechanism's dialogue: the RFCs' examples, and what is not to
 * be let in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/base64.h"
#include "base/test_guard.h"
#include "sasl/prep.h"
#include "sasl/sasl.h"
#include "sasl/scram.h"

static struct guard guard;

static struct slice
guarded(struct slice s)
{
	return guard_copy(&guard, s);
}

static enum sasl_step
first(struct sasl *s, enum sasl_mechanism m, struct slice initial)
{
	struct sasl_context c = { .nonce = SLICE_LIT("3rfcNHYJY1ZVvWVs7j"),
		.exporter = SLICE_EMPTY, .certificate = SLICE_EMPTY };
	struct slice in = guarded(initial);

	return sasl_start(s, m, &c, &in);
}

#define BYTES(text)	{ text, sizeof(text) - 1 }

/* ---- one response -------------------------------------------------------- */

static const struct {
	const char		*name;
	enum sasl_mechanism	 mechanism;
	struct slice		 in;
	enum sasl_step		 step;
	const char		*login;		/* ASK */
	const char		*secret;	/* ASK: password or token */
} cases[] = {
	{ "rfc4616", SASL_PLAIN, BYTES("\0tim\0tanstaaftanstaaf"), SASL_ASK,
	  "tim", "tanstaaftanstaaf" },
	{ "own authzid", SASL_PLAIN, BYTES("Tim\0tim\0x"), SASL_ASK, "tim",
	  "x" },
	{ "rfc4616 acts for another", SASL_PLAIN,
	  BYTES("Ursel\0Kurt\0xipj3plmq"), SASL_FAIL, NULL, NULL },
	{ "nothing", SASL_PLAIN, BYTES(""), SASL_BAD, NULL, NULL },
	{ "one NUL", SASL_PLAIN, BYTES("\0tim"), SASL_BAD, NULL, NULL },
	{ "no name", SASL_PLAIN, BYTES("\0\0secret"), SASL_FAIL, NULL, NULL },
	{ "no password", SASL_PLAIN, BYTES("\0tim\0"), SASL_FAIL, NULL,
	  NULL },
	{ "NUL in the password", SASL_PLAIN, BYTES("\0tim\0a\0b"), SASL_BAD,
	  NULL, NULL },
	{ "control in the name", SASL_PLAIN, BYTES("\0t\nm\0x"), SASL_FAIL,
	  NULL, NULL },
	{ "blank in the name", SASL_PLAIN, BYTES("\0t m\0x"), SASL_FAIL, NULL,
	  NULL },
	{ "broken UTF-8", SASL_PLAIN, BYTES("\0t\xc3\0x"), SASL_FAIL, NULL,
	  NULL },
	{ "rfc4013: roman numeral nine", SASL_PLAIN, BYTES("\0\xe2\x85\xa8\0x"),
	  SASL_ASK, "IX", "x" },
	{ "rfc4013: soft hyphen", SASL_PLAIN, BYTES("\0I\xc2\xad" "X\0x"),
	  SASL_ASK, "ix", "x" },
	{ "scram", SASL_SCRAM_SHA_256, BYTES("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"),
	  SASL_ASK, "user", NULL },
	{ "scram: written name", SASL_SCRAM_SHA_256,
	  BYTES("n,,n=a=2Cb=3Dc,r=x"), SASL_ASK, "a,b=c", NULL },
	{ "scram: own authzid", SASL_SCRAM_SHA_256, BYTES("n,a=user,n=user,r=x"),
	  SASL_ASK, "user", NULL },
	{ "scram: other authzid", SASL_SCRAM_SHA_256,
	  BYTES("n,a=root,n=user,r=x"), SASL_FAIL, NULL, NULL },
	{ "scram: extension", SASL_SCRAM_SHA_256, BYTES("n,,n=user,r=x,y=z"),
	  SASL_ASK, "user", NULL },
	{ "scram: mandatory extension", SASL_SCRAM_SHA_256,
	  BYTES("n,,m=z,n=user,r=x"), SASL_BAD, NULL, NULL },
	{ "scram: wrong escape", SASL_SCRAM_SHA_256, BYTES("n,,n=a=2cb,r=x"),
	  SASL_BAD, NULL, NULL },
	{ "scram: cut escape", SASL_SCRAM_SHA_256, BYTES("n,,n=a=2,r=x"),
	  SASL_BAD, NULL, NULL },
	{ "scram: no nonce", SASL_SCRAM_SHA_256, BYTES("n,,n=user,r="),
	  SASL_BAD, NULL, NULL },
	{ "scram: nonce with a blank", SASL_SCRAM_SHA_256,
	  BYTES("n,,n=user,r=a b"), SASL_BAD, NULL, NULL },
	{ "scram: no name", SASL_SCRAM_SHA_256, BYTES("n,,n=,r=x"), SASL_BAD,
	  NULL, NULL },
	{ "scram: binding without plus", SASL_SCRAM_SHA_256,
	  BYTES("p=tls-exporter,,n=user,r=x"), SASL_BAD, NULL, NULL },
	{ "scram: plus without binding", SASL_SCRAM_SHA_256_PLUS,
	  BYTES("n,,n=user,r=x"), SASL_BAD, NULL, NULL },
	{ "scram: unknown flag", SASL_SCRAM_SHA_256, BYTES("z,,n=user,r=x"),
	  SASL_BAD, NULL, NULL },
	{ "scram: nothing", SASL_SCRAM_SHA_256, BYTES(""), SASL_BAD, NULL,
	  NULL },
	{ "rfc7628", SASL_OAUTHBEARER, BYTES("n,a=user@example.com,\1"
	  "host=server.example.com\1port=143\1auth=Bearer vF9dft4qmTc2Nvb3RlckBhb"
	  "HRhdmlzdGEuY29tCg==\1\1"), SASL_ASK, "user@example.com",
	  "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==" },
	{ "oauth: the token's login", SASL_OAUTHBEARER,
	  BYTES("n,,\1auth=bearer abc\1\1"), SASL_ASK, "", "abc" },
	{ "oauth: not complete", SASL_OAUTHBEARER,
	  BYTES("n,,\1auth=Bearer abc\1"), SASL_BAD, NULL, NULL },
	{ "oauth: two tokens", SASL_OAUTHBEARER,
	  BYTES("n,,\1auth=Bearer a\1auth=Bearer b\1\1"), SASL_BAD, NULL,
	  NULL },
	{ "oauth: more behind the end", SASL_OAUTHBEARER,
	  BYTES("n,,\1auth=Bearer a\1\1x"), SASL_BAD, NULL, NULL },
	{ "oauth: basic", SASL_OAUTHBEARER, BYTES("n,,\1auth=Basic YQ==\1\1"),
	  SASL_BAD, NULL, NULL },
	{ "oauth: no header", SASL_OAUTHBEARER, BYTES("auth=Bearer a\1\1"),
	  SASL_BAD, NULL, NULL },
	{ "xoauth2", SASL_XOAUTH2, BYTES("user=Someuser@example.com\1auth=Bearer "
	  "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\1\1"), SASL_ASK,
	  "someuser@example.com",
	  "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg" },
	{ "xoauth2: no user", SASL_XOAUTH2, BYTES("auth=Bearer a\1\1"),
	  SASL_BAD, NULL, NULL },
	{ "external: no certificate", SASL_EXTERNAL, BYTES(""), SASL_FAIL,
	  NULL, NULL },
};

static void
first_response(void **state)
{
	struct sasl s;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum sasl_step step = first(&s, cases[i].mechanism,
		    cases[i].in);

		if (step != cases[i].step)
			fail_msg("%s: step %d, why %s", cases[i].name, step,
			    s.why);
		if (step == SASL_ASK) {
			assert_true(slice_eq_nocase(s.question.login,
			    slice_str(cases[i].login)) ||
			    s.question.login.n == 0);
			assert_int_equal(s.question.login.n,
			    strlen(cases[i].login));
		}
		if (step == SASL_ASK && cases[i].secret != NULL)
			assert_slice_equal(slice_of(s.secret, s.nsecret),
			    slice_str(cases[i].secret));
		sasl_clear(&s);
	}
}

static void
every_cut_of_a_response_is_survived(void **state)
{
	struct sasl s;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (n = 0; n < cases[i].in.n; n++) {
			first(&s, cases[i].mechanism,
			    slice_first(cases[i].in, n));
			sasl_clear(&s);
		}
}

/* ---- LOGIN --------------------------------------------------------------- */

static void
login_asks_twice(void **state)
{
	struct sasl_context c = { .nonce = SLICE_LIT("x"),
		.exporter = SLICE_EMPTY, .certificate = SLICE_EMPTY };
	struct sasl_answer good = { .good = true };
	struct sasl s;

	(void)state;
	assert_int_equal(sasl_start(&s, SASL_LOGIN, &c, NULL), SASL_SEND);
	assert_slice_equal(buf_slice(&s.out), SLICE_LIT("Username:"));
	assert_int_equal(sasl_feed(&s, SLICE_LIT("Tim")), SASL_SEND);
	assert_slice_equal(buf_slice(&s.out), SLICE_LIT("Password:"));
	assert_int_equal(sasl_feed(&s, SLICE_LIT("secret")), SASL_ASK);
	assert_slice_equal(s.question.login, SLICE_LIT("tim"));
	assert_slice_equal(s.question.password, SLICE_LIT("secret"));
	/* nothing is taken while the question is open */
	assert_int_equal(sasl_answer(&s, &good), SASL_OK);
	assert_int_equal(sasl_feed(&s, SLICE_LIT("more")), SASL_BAD);
	sasl_clear(&s);
	sasl_start(&s, SASL_LOGIN, &c, NULL);
	sasl_feed(&s, SLICE_LIT("bad\tname"));
	assert_int_equal(sasl_feed(&s, SLICE_LIT("secret")), SASL_FAIL);
	sasl_clear(&s);
}

/* ---- SCRAM --------------------------------------------------------------- */

struct example {
	enum sasl_mechanism	 mechanism;
	enum sasl_hash		 hash;
	const char		*server_nonce;
	const char		*salt;		/* base64 */
	const char		*client_first, *server_first, *client_final,
				*server_final;
};

/* RFC 5802 section 5, RFC 7677 section 3: user "user", password "pencil". */
static const struct example examples[] = {
	{ SASL_SCRAM_SHA_1, SASL_SHA_1, "3rfcNHYJY1ZVvWVs7j",
	  "QSXCR+Q6sek8bf92",
	  "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
	  "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,"
	  "i=4096",
	  "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,"
	  "p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
	  "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=" },
	{ SASL_SCRAM_SHA_256, SASL_SHA_256, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
	  "W22ZaJ0SNY7soEsUEjb6gQ==",
	  "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
	  "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	  "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
	  "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	  "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
	  "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" },
};

static enum sasl_step
to_final(struct sasl *s, const struct example *e, struct scram_keys *k)
{
	struct sasl_context c = { .nonce = slice_str(e->server_nonce),
		.exporter = SLICE_EMPTY, .certificate = SLICE_EMPTY };
	struct slice in = slice_str(e->client_first);
	struct sasl_answer a = { .good = true, .iterations = 4096 };
	struct buf salt = BUF_INIT(64);
	enum sasl_step step;

	assert_int_equal(sasl_start(s, e->mechanism, &c, &in), SASL_ASK);
	assert_int_equal(s->question.kind, SASL_Q_SCRAM_SALT);
	assert_true(b64_decode(slice_str(e->salt), &salt));
	assert_int_equal(scram_keys_make(k, e->hash, SLICE_LIT("pencil"),
	    buf_slice(&salt), 4096), 0);
	a.salt = buf_slice(&salt);
	step = sasl_answer(s, &a);
	buf_clear(&salt);
	return step;
}

static void
scram_examples_of_the_rfcs(void **state)
{
	uint8_t signature[SASL_HASH_BYTES];
	struct sasl_answer a = { .good = true };
	struct scram_keys k;
	struct sasl s;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		const struct example *e = &examples[i];

		assert_int_equal(to_final(&s, e, &k), SASL_SEND);
		assert_slice_equal(buf_slice(&s.out),
		    slice_str(e->server_first));
		assert_int_equal(sasl_feed(&s,
		    guarded(slice_str(e->client_final))), SASL_ASK);
		assert_int_equal(s.question.kind, SASL_Q_SCRAM_PROOF);
		assert_true(scram_check(&k, s.question.message,
		    s.question.proof, signature));
		a.signature = slice_of(signature, scram_hash_bytes(e->hash));
		assert_int_equal(sasl_answer(&s, &a), SASL_SEND);
		assert_slice_equal(buf_slice(&s.out),
		    slice_str(e->server_final));
		assert_int_equal(sasl_feed(&s, SLICE_EMPTY), SASL_OK);
		sasl_clear(&s);
	}
}

static void
scram_final_that_is_not_right(void **state)
{
	static const struct {
		const char	*final;
		enum sasl_step	 step;
	} finals[] = {
		/* another nonce: a replay */
		{ "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7k,p=v0X8v3Bz"
		  "2T0CJGbJQyF0X+HI4Ts=", SASL_FAIL },
		/* the header was "y,," when it left the client */
		{ "c=eSws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz"
		  "2T0CJGbJQyF0X+HI4Ts=", SASL_FAIL },
		{ "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,c=biws,p=v0X8v3Bz"
		  "2T0CJGbJQyF0X+HI4Ts=", SASL_BAD },
		{ "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j", SASL_BAD },
		{ "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=%%%%",
		  SASL_BAD },
		{ "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=",
		  SASL_BAD },
		{ "p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", SASL_BAD },
		{ "", SASL_BAD }, { ",", SASL_BAD }, { ",p=", SASL_BAD },
	};
	struct scram_keys k;
	struct sasl s;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(finals) / sizeof(finals[0]); i++) {
		to_final(&s, &examples[0], &k);
		if (sasl_feed(&s, guarded(slice_str(finals[i].final))) !=
		    finals[i].step)
			fail_msg("%s", finals[i].final);
		sasl_clear(&s);
	}
}

static void
channel_binding(void **state)
{
	static const char exporter[32] = "exporter";
	struct sasl_context c = { .nonce = SLICE_LIT("n"),
		.certificate = SLICE_EMPTY, .plus_offered = true,
		.exporter = slice_of(exporter, sizeof(exporter)) };
	struct sasl_answer salt = { .good = true, .iterations = 1,
		.salt = SLICE_LIT("salt") };
	struct slice in = SLICE_LIT("p=tls-exporter,,n=user,r=x");
	struct buf bound = BUF_INIT(200), final = BUF_INIT(400);
	struct sasl s;
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		assert_int_equal(sasl_start(&s, SASL_SCRAM_SHA_256_PLUS, &c,
		    &in), SASL_ASK);
		assert_int_equal(sasl_answer(&s, &salt), SASL_SEND);
		buf_reset(&bound);
		buf_reset(&final);
		buf_add_str(&bound, "p=tls-exporter,,");
		buf_add(&bound, c.exporter);
		if (i == 1)
			bound.p[bound.n - 1] ^= 1;
		buf_add_str(&final, "c=");
		b64_encode(&final, buf_slice(&bound));
		buf_add_str(&final, ",r=xn,p="
		    "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
		assert_int_equal(sasl_feed(&s, buf_slice(&final)), i == 0 ?
		    SASL_ASK : SASL_FAIL);
		sasl_clear(&s);
	}
	buf_clear(&bound);
	buf_clear(&final);
	/* One that this connection does not have, and one that nobody has. */
	in = SLICE_LIT("p=tls-unique,,n=user,r=x");
	assert_int_equal(sasl_start(&s, SASL_SCRAM_SHA_256_PLUS, &c, &in),
	    SASL_FAIL);
	assert_string_equal(s.why, "no-channel-binding");
	sasl_clear(&s);
	in = SLICE_LIT("p=tls-uniquer,,n=user,r=x");
	assert_int_equal(sasl_start(&s, SASL_SCRAM_SHA_256_PLUS, &c, &in),
	    SASL_FAIL);
	assert_string_equal(s.why, "unknown-channel-binding");
	sasl_clear(&s);
	in = SLICE_LIT("y,,n=user,r=x");
	assert_int_equal(sasl_start(&s, SASL_SCRAM_SHA_256, &c, &in),
	    SASL_FAIL);
	assert_string_equal(s.why, "downgrade");
	sasl_clear(&s);
	c.plus_offered = false;
	assert_int_equal(sasl_start(&s, SASL_SCRAM_SHA_256, &c, &in),
	    SASL_ASK);
	sasl_clear(&s);
}

static void
token_of_another_is_refused_after_a_challenge(void **state)
{
	struct sasl_answer a = { .good = true,
		.login = SLICE_LIT("eve@example.com") };
	struct sasl s;

	(void)state;
	first(&s, SASL_OAUTHBEARER, SLICE_LIT(
	    "n,a=user@example.com,\1auth=Bearer a\1\1"));
	assert_int_equal(sasl_answer(&s, &a), SASL_SEND);
	assert_slice_equal(buf_slice(&s.out),
	    SLICE_LIT("{\"status\":\"invalid_token\"}"));
	assert_int_equal(sasl_feed(&s, SLICE_LIT("\1")), SASL_FAIL);
	assert_string_equal(s.why, "token-of-another");
	sasl_clear(&s);
	first(&s, SASL_OAUTHBEARER, SLICE_LIT(
	    "n,a=user@example.com,\1auth=Bearer a\1\1"));
	a.login = SLICE_LIT("User@Example.com");
	assert_int_equal(sasl_answer(&s, &a), SASL_OK);
	assert_slice_equal(s.login, SLICE_LIT("user@example.com"));
	sasl_clear(&s);
}

static void
mechanisms_by_name(void **state)
{
	(void)state;
	assert_int_equal(sasl_mechanism_find(SLICE_LIT("scram-sha-256-plus")),
	    SASL_SCRAM_SHA_256_PLUS);
	assert_int_equal(sasl_mechanism_find(SLICE_LIT("CRAM-MD5")),
	    SASL_NONE);
	assert_int_equal(sasl_mechanism_find(SLICE_EMPTY), SASL_NONE);
	assert_string_equal(sasl_mechanism_name(SASL_XOAUTH2), "XOAUTH2");
}

/* ---- base64, preparation ------------------------------------------------- */

static void
base64_has_one_form(void **state)
{
	static const char *const bad[] = { "Zg", "Zg=", "Zh==", "Zm9=", "Z===",
		"====", "Zm9v\n", "Zm 9v", "=m9v", "Zm=v" };
	static const struct {
		const char	*plain, *text;
	} good[] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" },
		{ "foo", "Zm9v" }, { "foobar", "Zm9vYmFy" } };
	struct buf b = BUF_INIT(100);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		buf_reset(&b);
		assert_int_equal(b64_encode(&b, slice_str(good[i].plain)), 0);
		assert_slice_equal(buf_slice(&b), slice_str(good[i].text));
		buf_reset(&b);
		assert_true(b64_decode(guarded(slice_str(good[i].text)), &b));
		assert_slice_equal(buf_slice(&b), slice_str(good[i].plain));
	}
	buf_reset(&b);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (b64_decode(guarded(slice_str(bad[i])), &b))
			fail_msg("%s", bad[i]);
	assert_int_equal(b.n, 0);
	assert_true(b64url_decode(SLICE_LIT("_-8"), &b));
	assert_false(b64url_decode(SLICE_LIT("_+8"), &b));
	buf_clear(&b);
}

static void
preparation(void **state)
{
	static const struct {
		const char	*in, *out;	/* out NULL: refused */
	} preps[] = {
		{ "user", "user" }, { "USER", "USER" },
		{ "\xc2\xaa", "a" }, { "I\xc2\xadX", "IX" },
		{ "a\xc2\xa0" "b", "a b" }, { "\xe3\x80\x80", " " },
		{ "\x07", NULL }, { "a\x7f", NULL }, { "\xc2\x85", NULL },
		{ "\xee\x80\x80", NULL }, { "\xff", NULL },
		{ "\xe2\x80\xae", NULL },	/* right-to-left override */
		{ "e\xcc\x81", "\xc3\xa9" },
	};
	struct buf b = BUF_INIT(64);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(preps) / sizeof(preps[0]); i++) {
		bool ok = sasl_prep(guarded(slice_str(preps[i].in)), &b);

		assert_int_equal(ok, preps[i].out != NULL);
		if (ok)
			assert_slice_equal(buf_slice(&b),
			    slice_str(preps[i].out));
		buf_reset(&b);
	}
	assert_false(sasl_prep(slice_of("a\0b", 3), &b));
	assert_int_equal(b.n, 0);
	buf_clear(&b);
}

static int
set_up(void **state)
{
	(void)state;
	guard_init(&guard, 8192);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_response),
		cmocka_unit_test(every_cut_of_a_response_is_survived),
		cmocka_unit_test(login_asks_twice),
		cmocka_unit_test(scram_examples_of_the_rfcs),
		cmocka_unit_test(scram_final_that_is_not_right),
		cmocka_unit_test(channel_binding),
		cmocka_unit_test(token_of_another_is_refused_after_a_challenge),
		cmocka_unit_test(mechanisms_by_name),
		cmocka_unit_test(base64_has_one_form),
		cmocka_unit_test(preparation),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
