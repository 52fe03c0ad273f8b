/* SPDX-License-Identifier: ISC */
/* password_test - stored passwords of every scheme, and lines of accounts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/test_guard.h"
#include "sasl/account.h"
#include "sasl/password.h"
#include "sasl/scram.h"

static struct guard guard;

/* Made by Python's crypt, hashlib and hmac; the password is "pencil". */
static const char *const stored[] = {
	"$y$j75$saltsalt$o2gXFxBM7mhtEM8a8zhzk4Y6PnNRiSjgCeVNxKApSc8",
	"$6$rounds=1000$saltsalt$bbY.T.ZpN43KapLdmlSbP6MmxBlkMSbhrh.Y1rmY0fYaRO/"
	"t.4sKqUiU.Z8byKf8Oa1yagMn/0fncuHSYrb9h.",
	"{CRYPT}$5$rounds=1000$saltsalt$1E80wIeNUk6Tw.cvgykgsGLDhE7YCS/mO7gtCEo"
	"Kze9",
	"{SHA256-CRYPT}$5$rounds=1000$saltsalt$1E80wIeNUk6Tw.cvgykgsGLDhE7YCS/m"
	"O7gtCEoKze9",
	"{md5-crypt}$1$saltsalt$wCrc3hcrR95SV83Xh8Z.41",
	"{BLF-CRYPT}$2b$04$abcdefghijklmnopqrstuu/FyAyuZSl3DbPdvio4KrIBdz2k2yhV2",
	"{PLAIN}pencil", "{CLEARTEXT}pencil", "{clear}pencil",
	"{MD5}$1$OIeMNvvc$qnigHQNK0Kij/MiWA8r3V/",
	"{SHA}0vxRJJChUDZGC1SJQBQ51tpUB/o=",
	"{SHA1.HEX}d2fc512490a15036460b5489401439d6da5407fa",
	"{SHA.b64}0vxRJJChUDZGC1SJQBQ51tpUB/o=",
	"{SSHA}jUiE2fXCP9zu8o7d6A1xoSTG/BlOYUNs",
	"{SHA256}E4CWaPtDY4Zwb2fcsFLtWEoEuhaowCoX1m00ww/O2iE=",
	"{SHA256}13809668fb436386706f67dcb052ed584a04ba16a8c02a17d66d34c30fceda21",
	"{SSHA256}qGJ2Dcsz5wrtFD69f3ct1220UVxXA3zqlHTei5odv/dOYUNs",
	"{SHA512}Gd8Bqrgo+NUINrp1cJcTrtInM1344YZDkYXAbJF6Kn03cat24wfPo7a4nvGmaC1"
	"mgd3xGISHDl3hPnk/uVXu6w==",
	"{SSHA512}z4IsxzDXJ7rJ22YOwx6QYopGMqqkOx31VTnBbSpYp3ULZ+Kwyo9l6AE4v6gHiY"
	"oFVbJskYuDwN+94pKZcrmYnE5hQ2w=",
	"{PLAIN-MD5}a8f6830bce790a8a67fc2e84e12093ba",
	"{LDAP-MD5}qPaDC855Copn/C6E4SCTug==",
	"{SMD5}pvR1uXu5+QzOTOVi/O+SIKH8bRY=",
	"{SSHA256.HEX}b443912fa85542d5fb9da395a435d06b77c798e18b3b545f6aa33d9"
	"547256a4a7ab02bd0",
	"{PBKDF2}$1$salt$1000$e78417e7d51feb86329d044c16f394e0b68cf2ff",
	"{SCRAM-SHA-1}4096,c2FsdHk=,teYv6c12sC+8cz/On0GaJZPId4c=,Tcp4XQ4qDCS3Dv"
	"WfxbaUeeHX2qE=",
	"{SCRAM-SHA-256}4096,c2FsdHk=,gQX+Ppsii9JNBfPLVNnk1KuEs7xsq3qnzZddPBqoT"
	"/0=,2DQIs/pzVYq0pfXplBaRB8uLwmwVhLjW/WxBLVmyLlY=",
};
#define NSTORED	(sizeof(stored) / sizeof(stored[0]))

static void
each_scheme_knows_its_password(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < NSTORED; i++) {
		struct slice s = guard_copy(&guard, slice_str(stored[i]));

		if (password_check(s, SLICE_LIT("pencil")) != PASSWORD_GOOD)
			fail_msg("%s", stored[i]);
		assert_int_equal(password_check(s, SLICE_LIT("Pencil")),
		    PASSWORD_WRONG);
		assert_int_equal(password_check(s, SLICE_LIT("pencil2")),
		    PASSWORD_WRONG);
		assert_int_equal(password_check(s, SLICE_LIT("p")),
		    PASSWORD_WRONG);
		assert_int_equal(password_check(s, SLICE_EMPTY),
		    PASSWORD_WRONG);
		assert_int_equal(password_check(s, slice_of("pencil\0", 7)),
		    PASSWORD_WRONG);
	}
}

static void
nothing_that_is_broken_lets_anybody_in(void **state)
{
	static const char *const broken[] = { "", "*", "!", "!!", "x", "{",
		"{}", "{PLAIN", "{NOPE}pencil", "{SHA}", "{SHA}pencil",
		"{SSHA}0vxRJJChUDZGC1SJQBQ51tpUB/o=", "{CRYPT}", "{CRYPT}*",
		"{PLAIN.b64}cGVuY2ls", "{MD5}", "{SMD5}", "{PLAIN-MD5}pencil",
		"{SHA.NOPE}0vxRJJChUDZGC1SJQBQ51tpUB/o=", "{PBKDF2}$1$$1$",
		"{PBKDF2}$1$salt$0$e78417e7d51feb86329d044c16f394e0b68cf2ff",
		"{PBKDF2}$2$salt$1$e78417e7d51feb86329d044c16f394e0b68cf2ff",
		"{SCRAM-SHA-256}", "{SCRAM-SHA-256}4096,c2FsdHk=,,",
		"{SCRAM-SHA-256}99999999999,c2FsdHk=,teYv,Tcp4",
		"{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$c2FsdA$aGFzaA",
		"$y$", "$6$", "$9$saltsalt$hash", "*0", "!$y$j75$salt$hash" };
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		assert_int_not_equal(password_check(guard_copy(&guard,
		    slice_str(broken[i])), SLICE_LIT("pencil")),
		    PASSWORD_GOOD);
	/* each cut of the cheap ones */
	for (i = 6; i < NSTORED - 3; i++)
		for (n = 0; n < strlen(stored[i]) - 2; n++)
			assert_int_not_equal(password_check(guard_copy(&guard,
			    slice_first(slice_str(stored[i]), n)),
			    SLICE_LIT("pencil")), PASSWORD_GOOD);
	assert_int_equal(password_check_nobody(SLICE_LIT("pencil")),
	    PASSWORD_WRONG);
	assert_int_equal(password_check_nobody(
	    SLICE_LIT("nobody's password")), PASSWORD_WRONG);
}

static void
what_is_made_is_checked(void **state)
{
	struct buf b = BUF_INIT(STORED_BYTES);

	(void)state;
	assert_int_equal(password_make(SLICE_LIT("pencil"), &b), 0);
	assert_string_equal(password_scheme_name(buf_slice(&b)), "yescrypt");
	assert_int_equal(password_check(buf_slice(&b), SLICE_LIT("pencil")),
	    PASSWORD_GOOD);
	buf_reset(&b);
	assert_int_equal(password_make_fast(SLICE_LIT("pencil"), &b), 0);
	assert_int_equal(password_check(buf_slice(&b), SLICE_LIT("pencil")),
	    PASSWORD_GOOD);
	assert_int_equal(password_check(buf_slice(&b), SLICE_LIT("pencils")),
	    PASSWORD_WRONG);
	assert_int_equal(password_make(slice_of("a\0b", 3), &b), -1);
	buf_clear(&b);
}

static void
scram_keys_as_text(void **state)
{
	struct scram_keys k, back;
	struct buf b = BUF_INIT(SCRAM_TEXT_BYTES);

	(void)state;
	assert_int_equal(scram_keys_make(&k, SASL_SHA_256, SLICE_LIT("pencil"),
	    SLICE_LIT("salty"), 4096), 0);
	assert_int_equal(scram_keys_write(&b, &k), 0);
	assert_slice_equal(buf_slice(&b), slice_from(
	    slice_str(stored[NSTORED - 1]), 15));
	assert_true(scram_keys_parse(buf_slice(&b), SASL_SHA_256, &back));
	assert_memory_equal(back.stored, k.stored, 32);
	assert_false(scram_keys_parse(buf_slice(&b), SASL_SHA_1, &back));
	assert_int_equal(scram_keys_make(&k, SASL_SHA_256, SLICE_LIT("x"),
	    SLICE_EMPTY, 1), -1);
	assert_int_equal(scram_keys_make(&k, SASL_SHA_256, SLICE_LIT("x"),
	    SLICE_LIT("s"), 0), -1);
	buf_clear(&b);
}

/* ---- accounts ------------------------------------------------------------ */

static const struct {
	const char	*line;
	enum parse	 parse;
	const char	*login, *stored, *app;
	unsigned	 protocols;
	bool		 disabled;
} lines[] = {
	{ "", PARSE_MORE, NULL, NULL, NULL, 0, false },
	{ "  \t", PARSE_MORE, NULL, NULL, NULL, 0, false },
	{ "# a comment", PARSE_MORE, NULL, NULL, NULL, 0, false },
	{ "a@b.example\t$y$x", PARSE_OK, "a@b.example", "$y$x", "",
	  ACCOUNT_ALL, false },
	{ " a@b.example   *   disabled ", PARSE_OK, "a@b.example", "*", "",
	  ACCOUNT_ALL, true },
	{ "a *\tapp=phone made=2026-01-01 protocols=imap,SMTP", PARSE_OK, "a",
	  "*", "phone", ACCOUNT_IMAP | ACCOUNT_SMTP, false },
	{ "a:{PLAIN}x:1000:1000::/home/a::", PARSE_OK, "a", "{PLAIN}x", "",
	  ACCOUNT_ALL, false },
	{ "a:{PLAIN}x", PARSE_OK, "a", "{PLAIN}x", "", ACCOUNT_ALL, false },
	{ "a::::::: nologin", PARSE_OK, "a", "*", "", ACCOUNT_ALL, true },
	/* fuzzer's find */
	{ "2@:=! !", PARSE_BAD, NULL, NULL, NULL, 0, false },
	{ "a", PARSE_BAD, NULL, NULL, NULL, 0, false },
	{ ":x", PARSE_BAD, NULL, NULL, NULL, 0, false },
	{ "a * disable", PARSE_BAD, NULL, NULL, NULL, 0, false },
	{ "a * protocols=", PARSE_BAD, NULL, NULL, NULL, 0, false },
	{ "a * protocols=imap,", PARSE_BAD, NULL, NULL, NULL, 0, false },
	{ "a * protocols=imap,http", PARSE_BAD, NULL, NULL, NULL, 0, false },
	{ "a * app=", PARSE_BAD, NULL, NULL, NULL, 0, false },
	{ "a * app=a/b", PARSE_BAD, NULL, NULL, NULL, 0, false },
	{ "a \x01", PARSE_BAD, NULL, NULL, NULL, 0, false },
	{ "\xff *", PARSE_BAD, NULL, NULL, NULL, 0, false },
};

static void
lines_of_accounts(void **state)
{
	struct account a;
	const char *why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (account_parse(guard_copy(&guard, slice_str(
		    lines[i].line)), &a, &why) != lines[i].parse)
			fail_msg("\"%s\"", lines[i].line);
		if (lines[i].parse != PARSE_OK)
			continue;
		assert_slice_equal(a.login, slice_str(lines[i].login));
		assert_slice_equal(a.stored, slice_str(lines[i].stored));
		assert_int_equal(a.app.n, strlen(lines[i].app));
		assert_int_equal(a.protocols, lines[i].protocols);
		assert_int_equal(a.disabled, lines[i].disabled);
	}
}

static void
what_is_written_is_read_back(void **state)
{
	struct account a = { .login = SLICE_LIT("a@b.example"),
		.stored = SLICE_LIT("$y$x"), .app = SLICE_LIT("phone"),
		.scram = { [SASL_SHA_256] = SLICE_LIT("1,a,b,c") },
		.made = SLICE_LIT("2026-01-01"), .protocols = ACCOUNT_POP3,
		.disabled = true, .expired = true }, back;
	struct buf b = BUF_INIT(ACCOUNT_LINE_BYTES);
	const char *why;

	(void)state;
	assert_int_equal(account_write(&b, &a), 0);
	assert_int_equal(account_parse(buf_slice(&b), &back, &why), PARSE_OK);
	assert_slice_equal(back.login, a.login);
	assert_slice_equal(back.app, a.app);
	assert_slice_equal(back.scram[SASL_SHA_256], a.scram[SASL_SHA_256]);
	assert_int_equal(back.protocols, ACCOUNT_POP3);
	assert_true(back.disabled && back.expired);
	buf_clear(&b);
}

/* A costly one that counted as cheap would stop a verifier's loop. */
static void
what_is_cheap_is_known(void **state)
{
	static const char *const cheap[] = { "{PLAIN}x", "{clear}x",
		"{SHA.hex}x", "{SSHA512}x", "{SHA256}" };
	static const char *const costly[] = { "$y$j9T$x", "{CRYPT}$1$x",
		"{BLF-CRYPT}$2b$x", "{PBKDF2}$1$x", "{SCRAM-SHA-256}x",
		"{SCRAM-SHA-1}x", "{ARGON2ID}x", "{NONE}x", "{PLAIN", "",
		"{}", "{PLAIN.utf7}x", "x" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cheap) / sizeof(cheap[0]); i++)
		assert_true(password_is_cheap(guard_copy(&guard,
		    slice_str(cheap[i]))));
	for (i = 0; i < sizeof(costly) / sizeof(costly[0]); i++)
		assert_false(password_is_cheap(guard_copy(&guard,
		    slice_str(costly[i]))));
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
		cmocka_unit_test(each_scheme_knows_its_password),
		cmocka_unit_test(nothing_that_is_broken_lets_anybody_in),
		cmocka_unit_test(what_is_cheap_is_known),
		cmocka_unit_test(what_is_made_is_checked),
		cmocka_unit_test(scram_keys_as_text),
		cmocka_unit_test(lines_of_accounts),
		cmocka_unit_test(what_is_written_is_read_back),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
