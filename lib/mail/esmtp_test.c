/* SPDX-License-Identifier: ISC */
/* esmtp_test - parameters of MAIL and RCPT, xtext, EHLO lines, replies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/test_guard.h"
#include "mail/esmtp.h"

#define LONG10	"0123456789"
#define LONG100	LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 \
		LONG10 LONG10

static const struct {
	const char	*in;
	unsigned	 code;		/* 0: accepted */
	unsigned	 has;
	uint64_t	 size;
	enum body_type	 body;
	enum dsn_ret	 ret;
	const char	*envid, *auth;
} mail_cases[] = {
	{ "", 0, 0, 0, 0, 0, "", "" },
	{ " ", 0, 0, 0, 0, 0, "", "" },
	{ " SIZE=1234", 0, MAIL_HAS_SIZE, 1234, 0, 0, "", "" },
	{ " size=0  body=8bitMime ", 0, MAIL_HAS_SIZE | MAIL_HAS_BODY, 0,
	    BODY_8BITMIME, 0, "", "" },
	{ " BODY=BINARYMIME", 0, MAIL_HAS_BODY, 0, BODY_BINARYMIME, 0, "", "" },
	{ " BODY=7BIT SMTPUTF8", 0, MAIL_HAS_BODY | MAIL_HAS_SMTPUTF8, 0, 0, 0,
	    "", "" },
	{ " RET=HDRS ENVID=QQ314159", 0, MAIL_HAS_RET | MAIL_HAS_ENVID, 0, 0,
	    RET_HDRS, "QQ314159", "" },
	{ " RET=full ENVID=a+2Bb+20c", 0, MAIL_HAS_RET | MAIL_HAS_ENVID, 0, 0,
	    RET_FULL, "a+b c", "" },
	{ " AUTH=<>", 0, MAIL_HAS_AUTH, 0, 0, 0, "", "<>" },
	{ " AUTH=e+2Bf@example.org", 0, MAIL_HAS_AUTH, 0, 0, 0, "",
	    "e+f@example.org" },
	{ " HOLDFOR=1 MT-PRIORITY=-9 REQUIRETLS BY=+1;N", 0,
	    MAIL_HAS_HOLDFOR | MAIL_HAS_PRIORITY | MAIL_HAS_REQUIRETLS |
	    MAIL_HAS_BY, 0, 0, 0, "", "" },
	{ " HOLDUNTIL=2026-11-22T19:38:00Z by=-999999999;nT", 0,
	    MAIL_HAS_HOLDUNTIL | MAIL_HAS_BY, 0, 0, 0, "", "" },
	{ " HOLDFOR=0", 501, 0, 0, 0, 0, "", "" },
	{ " HOLDFOR=0000000001", 501, 0, 0, 0, 0, "", "" },
	{ " HOLDFOR=1s", 501, 0, 0, 0, 0, "", "" },
	{ " HOLDFOR", 501, 0, 0, 0, 0, "", "" },
	{ " HOLDUNTIL=2026-11-22", 501, 0, 0, 0, 0, "", "" },
	{ " BY=1;R BY=1;R", 501, 0, 0, 0, 0, "", "" },
	{ " BY=1", 501, 0, 0, 0, 0, "", "" },
	{ " BY=1;", 501, 0, 0, 0, 0, "", "" },
	{ " BY=1;T", 501, 0, 0, 0, 0, "", "" },
	{ " BY=1;RTT", 501, 0, 0, 0, 0, "", "" },
	{ " BY=--1;R", 501, 0, 0, 0, 0, "", "" },
	{ " BY=1000000000;R", 501, 0, 0, 0, 0, "", "" },
	{ " BY=;R", 501, 0, 0, 0, 0, "", "" },
	{ " MT-PRIORITY=10", 501, 0, 0, 0, 0, "", "" },
	{ " MT-PRIORITY=+1", 501, 0, 0, 0, 0, "", "" },
	{ " MT-PRIORITY=-", 501, 0, 0, 0, 0, "", "" },
	{ " MT-PRIORITY=-0", 501, 0, 0, 0, 0, "", "" },
	{ " REQUIRETLS=yes", 501, 0, 0, 0, 0, "", "" },
	{ " ENVID=" LONG100, 0, MAIL_HAS_ENVID, 0, 0, 0, LONG100, "" },
	{ " ENVID=" LONG100 "x", 501, 0, 0, 0, 0, "", "" },
	{ "SIZE=1", 501, 0, 0, 0, 0, "", "" },
	{ "\tSIZE=1", 501, 0, 0, 0, 0, "", "" },
	{ " SIZE", 501, 0, 0, 0, 0, "", "" },
	{ " SIZE=", 501, 0, 0, 0, 0, "", "" },
	{ " SIZE=-1", 501, 0, 0, 0, 0, "", "" },
	{ " SIZE=12x", 501, 0, 0, 0, 0, "", "" },
	{ " SIZE=99999999999999999999", 501, 0, 0, 0, 0, "", "" },
	{ " SIZE=000000000000000000001", 501, 0, 0, 0, 0, "", "" },
	{ " SIZE=1 SIZE=1", 501, 0, 0, 0, 0, "", "" },
	{ " BODY=9BIT", 501, 0, 0, 0, 0, "", "" },
	{ " RET=ALL", 501, 0, 0, 0, 0, "", "" },
	{ " ENVID=", 501, 0, 0, 0, 0, "", "" },
	{ " ENVID=a=b", 501, 0, 0, 0, 0, "", "" },
	{ " ENVID=a+2", 501, 0, 0, 0, 0, "", "" },
	{ " ENVID=a+0D+0Ab", 501, 0, 0, 0, 0, "", "" },
	{ " ENVID=a+00", 501, 0, 0, 0, 0, "", "" },
	{ " SMTPUTF8=1", 501, 0, 0, 0, 0, "", "" },
	{ " SMTPUTF8=", 501, 0, 0, 0, 0, "", "" },
	{ " AUTH=", 501, 0, 0, 0, 0, "", "" },
	{ " AUTH=+0A", 501, 0, 0, 0, 0, "", "" },
	{ " FOO=bar", 555, 0, 0, 0, 0, "", "" },
	{ " FOO", 555, 0, 0, 0, 0, "", "" },
	{ " F\x01O", 501, 0, 0, 0, 0, "", "" },
	{ " SIZE=1\r", 501, 0, 0, 0, 0, "", "" },
	{ " =1", 501, 0, 0, 0, 0, "", "" },
	{ " -SIZE=1", 501, 0, 0, 0, 0, "", "" },
	{ " ENVID=\xff", 501, 0, 0, 0, 0, "", "" },
};

static void
mail_parameters(void **state)
{
	struct arena a = ARENA_INIT(4000);
	struct mail_params p;
	struct esmtp_error e;
	struct guard g;
	size_t i;
	bool ok;

	(void)state;
	guard_init(&g, 1000);
	for (i = 0; i < sizeof(mail_cases) / sizeof(mail_cases[0]); i++) {
		arena_clear(&a);
		print_message("MAIL%s\n", mail_cases[i].in);
		ok = mail_params_parse(guard_copy(&g,
		    slice_str(mail_cases[i].in)), &a, &p, &e);
		assert_int_equal(e.code, mail_cases[i].code);
		assert_int_equal(ok, e.code == 0);
		assert_int_equal(e.text != NULL, !ok);
		if (!ok)
			continue;
		assert_int_equal(p.has, mail_cases[i].has);
		assert_int_equal(p.size, mail_cases[i].size);
		assert_int_equal(p.body, mail_cases[i].body);
		assert_int_equal(p.ret, mail_cases[i].ret);
		assert_int_equal(p.smtputf8,
		    (p.has & MAIL_HAS_SMTPUTF8) != 0);
		assert_slice_equal(p.envid, slice_str(mail_cases[i].envid));
		assert_slice_equal(p.auth, slice_str(mail_cases[i].auth));
	}
	guard_clear(&g);
	arena_clear(&a);
}

static const struct {
	const char	*in;
	unsigned	 code;
	uint8_t		 notify;
	const char	*orcpt;
} rcpt_cases[] = {
	{ "", 0, 0, "" },
	{ " NOTIFY=NEVER", 0, NOTIFY_NEVER, "" },
	{ " NOTIFY=success,DELAY,Failure", 0,
	    NOTIFY_SUCCESS | NOTIFY_DELAY | NOTIFY_FAILURE, "" },
	{ " ORCPT=rfc822;Bob@Example.ORG NOTIFY=DELAY", 0, NOTIFY_DELAY,
	    "rfc822;Bob@Example.ORG" },
	{ " ORCPT=x400;/S=a", 501, 0, "" },
	{ " ORCPT=x400;/S+3Da+20b", 0, 0, "x400;/S=a b" },
	{ " ORCPT=rfc822;a+40b", 0, 0, "rfc822;a@b" },
	{ " ORCPT=utf-8;a\\x{E9}b@c", 0, 0, "utf-8;a\xc3\xa9"
						"b@c" },
	{ " ORCPT=utf-8;a\xc3\xa9@c", 0, 0, "utf-8;a\xc3\xa9@c" },
	{ " ORCPT=utf-8;a\\x{1F600}@c", 0, 0, "utf-8;a\xf0\x9f\x98\x80@c" },
	{ " ORCPT=utf-8;a\\x{D800}", 501, 0, "" },
	{ " ORCPT=utf-8;a\\x{110000}", 501, 0, "" },
	{ " ORCPT=utf-8;a\\x{0A}", 501, 0, "" },
	{ " ORCPT=utf-8;a\\x{", 501, 0, "" },
	{ " ORCPT=utf-8;a\\x{41", 501, 0, "" },
	{ " ORCPT=utf-8;a\\", 501, 0, "" },
	{ " ORCPT=rfc822;a\xc3\xa9@c", 501, 0, "" },
	{ " NOTIFY=NEVER,SUCCESS", 501, 0, "" },
	{ " NOTIFY=", 501, 0, "" },
	{ " NOTIFY=SUCCESS,", 501, 0, "" },
	{ " NOTIFY=SOMETIMES", 501, 0, "" },
	{ " ORCPT=bob@example.org", 501, 0, "" },
	{ " ORCPT=;bob", 501, 0, "" },
	{ " ORCPT=rfc822;", 501, 0, "" },
	{ " ORCPT=rf(c;a", 501, 0, "" },
	{ " ORCPT=rfc822;a+0Ab", 501, 0, "" },
	{ " ORCPT=rfc822;" LONG100 LONG100 LONG100 LONG100 LONG100 LONG100, 501,
	    0, "" },
	{ " SIZE=1", 555, 0, "" },
};

static void
rcpt_parameters(void **state)
{
	struct arena a = ARENA_INIT(4000);
	struct rcpt_params p;
	struct esmtp_error e;
	struct guard g;
	size_t i;
	bool ok;

	(void)state;
	guard_init(&g, 1000);
	for (i = 0; i < sizeof(rcpt_cases) / sizeof(rcpt_cases[0]); i++) {
		arena_clear(&a);
		print_message("RCPT%s\n", rcpt_cases[i].in);
		ok = rcpt_params_parse(guard_copy(&g,
		    slice_str(rcpt_cases[i].in)), &a, &p, &e);
		assert_int_equal(e.code, rcpt_cases[i].code);
		assert_int_equal(ok, e.code == 0);
		if (!ok)
			continue;
		assert_int_equal(p.notify, rcpt_cases[i].notify);
		assert_slice_equal(p.orcpt, slice_str(rcpt_cases[i].orcpt));
	}
	guard_clear(&g);
	arena_clear(&a);
}

static void
parameters_over_arena_limit_are_refused(void **state)
{
	struct arena a = ARENA_INIT(10);
	struct mail_params p;
	struct esmtp_error e;

	(void)state;
	assert_false(mail_params_parse(SLICE_LIT(" ENVID=" LONG10 "x"), &a, &p,
	    &e));
	assert_int_equal(e.code, 501);
	arena_clear(&a);
}

static void
orcpt_there_and_back(void **state)
{
	static const struct {
		const char	*in, *ascii, *utf8;
	} cases[] = {
		{ "rfc822;a+b=c@d", "rfc822;a+2Bb+3Dc@d", "rfc822;a+2Bb+3Dc@d" },
		{ "utf-8;\xc3\xa9+@d", "utf-8;\\x{E9}\\x{2B}@d",
		    "utf-8;\xc3\xa9\\x{2B}@d" },
		{ "utf-8;\xf0\x9f\x98\x80", "utf-8;\\x{1F600}",
		    "utf-8;\xf0\x9f\x98\x80" },
	};
	struct buf b = BUF_INIT(1000);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_reset(&b);
		assert_int_equal(orcpt_encode(&b, slice_str(cases[i].in),
		    false), 0);
		assert_slice_equal(buf_slice(&b), slice_str(cases[i].ascii));
		buf_reset(&b);
		orcpt_encode(&b, slice_str(cases[i].in), true);
		assert_slice_equal(buf_slice(&b), slice_str(cases[i].utf8));
	}
	assert_int_equal(orcpt_encode(&b, SLICE_LIT("nothing"), true), -1);
	buf_clear(&b);
}

static void
xtext_there_and_back_for_every_byte(void **state)
{
	struct arena a = ARENA_INIT(100000);
	struct buf b = BUF_INIT(100);
	struct slice back;
	int i;

	(void)state;
	for (i = 0; i < 256; i++) {
		char c = (char)i;

		buf_reset(&b);
		assert_int_equal(xtext_encode(&b, slice_of(&c, 1)), 0);
		assert_int_equal(b.n, i < 33 || i > 126 || c == '+' ||
		    c == '=' ? 3 : 1);
		assert_int_equal(xtext_decode(&a, buf_slice(&b), &back),
		    PARSE_OK);
		assert_slice_equal(back, slice_of(&c, 1));
	}
	buf_clear(&b);
	arena_clear(&a);
}

static void
ehlo_lines(void **state)
{
	static const char *const lines[] = {
		"PIPELINING", "size 52428800", "8bitmime", "DSN\t", " ",
		"", "AUTH=PLAIN LOGIN", "LIMITS RCPTMAX=100 mailmax=5 X=1 "
		"RCPTDOMAINMAX=0", "XUNKNOWN 1", "SIZES", "CHUNKING",
	};
	struct ehlo e = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		ehlo_line(&e, slice_str(lines[i]));
	assert_int_equal(e.offers, EHLO_PIPELINING | EHLO_SIZE |
	    EHLO_8BITMIME | EHLO_DSN | EHLO_AUTH | EHLO_LIMITS | EHLO_CHUNKING);
	assert_int_equal(e.size, 52428800);
	assert_int_equal(e.rcpt_max, 100);
	assert_int_equal(e.mail_max, 5);
	assert_int_equal(e.rcpt_domain_max, 0);
}

static const struct {
	const char	*in;
	enum parse	 result;
	unsigned	 code;
	const char	*text;
	const char	*rest;
} reply_cases[] = {
	{ "250 2.1.0 Ok\r\n", PARSE_OK, 250, "2.1.0 Ok", "" },
	{ "250\r\n", PARSE_OK, 250, "", "" },
	{ "250 \r\n", PARSE_OK, 250, "", "" },
	{ "220 a\n250 b\n", PARSE_OK, 220, "a", "250 b\n" },
	{ "250-a\r\n250-b\r\n250 c\r\n354 x", PARSE_OK, 250, "a\nb\nc",
	    "354 x" },
	{ "250-a\r\n251 b\r\n", PARSE_OK, 251, "a\nb", "" },
	{ "250-\r\n250 \r\n", PARSE_OK, 250, "\n", "" },
	{ "250-a\r\n", PARSE_MORE, 0, NULL, NULL },
	{ "25", PARSE_MORE, 0, NULL, NULL },
	{ "250 a\r", PARSE_MORE, 0, NULL, NULL },
	{ "\r\n", PARSE_BAD, 0, NULL, NULL },
	{ "25\r\n", PARSE_BAD, 0, NULL, NULL },
	{ "2500\r\n", PARSE_BAD, 0, NULL, NULL },
	{ "150 a\r\n", PARSE_BAD, 0, NULL, NULL },
	{ "650 a\r\n", PARSE_BAD, 0, NULL, NULL },
	{ "hello\r\n", PARSE_BAD, 0, NULL, NULL },
	{ "250-a\r\n550 b\r\n", PARSE_BAD, 0, NULL, NULL },
	{ "2x0 a\r\n", PARSE_BAD, 0, NULL, NULL },
};

static void
replies_in_parts_of_any_size(void **state)
{
	struct reply r;
	struct guard g;
	struct slice s, in;
	enum parse got;
	size_t i, n;

	(void)state;
	guard_init(&g, 1000);
	reply_init(&r);
	for (i = 0; i < sizeof(reply_cases) / sizeof(reply_cases[0]); i++) {
		print_message("%s\n", reply_cases[i].in);
		for (n = 1; n < 30; n++) {
			reply_reset(&r);
			s = slice_str(reply_cases[i].in);
			got = PARSE_MORE;
			while (s.n > 0 && got == PARSE_MORE) {
				in = guard_copy(&g, slice_first(s,
				    s.n < n ? s.n : n));
				s = slice_from(s, in.n);
				got = reply_feed(&r, &in);
				s = slice_of(s.p - in.n, s.n + in.n);
			}
			assert_int_equal(got, reply_cases[i].result);
			if (got != PARSE_OK)
				continue;
			assert_int_equal(r.code, reply_cases[i].code);
			assert_slice_equal(buf_slice(&r.text),
			    slice_str(reply_cases[i].text));
			assert_slice_equal(s, slice_str(reply_cases[i].rest));
		}
	}
	reply_clear(&r);
	guard_clear(&g);
}

static void
reply_limits(void **state)
{
	struct reply r;
	struct slice in;
	unsigned i;
	enum parse got = PARSE_MORE;

	(void)state;
	reply_init(&r);
	for (i = 0; i <= REPLY_LINES && got == PARSE_MORE; i++) {
		in = SLICE_LIT("250-a\r\n");
		got = reply_feed(&r, &in);
	}
	assert_int_equal(got, PARSE_BAD);
	assert_int_equal(i, REPLY_LINES + 1);

	reply_reset(&r);
	got = PARSE_MORE;
	for (i = 0; got == PARSE_MORE; i++) {
		in = SLICE_LIT("2");
		got = reply_feed(&r, &in);
	}
	assert_int_equal(got, PARSE_BAD);
	assert_int_equal(i, REPLY_LINE_BYTES + REPLY_CUT_BYTES + 1);
	reply_clear(&r);
}

/* The front of it, whether it comes at once or bit by bit. */
static void
a_long_reply_line_is_cut(void **state)
{
	struct buf text = BUF_INIT(10000);
	struct reply r;
	struct slice in;
	enum parse got = PARSE_MORE;
	size_t i;

	(void)state;
	buf_add_str(&text, "550-");
	for (i = 0; i < 5000; i++)
		buf_add_byte(&text, 'x');
	buf_add_str(&text, "\r\n550 end\r\n");
	reply_init(&r);
	in = buf_slice(&text);
	assert_int_equal(reply_feed(&r, &in), PARSE_OK);
	assert_int_equal(r.code, 550);
	assert_int_equal(r.text.n, REPLY_LINE_BYTES - 4 + 4);
	assert_slice_equal(slice_from(buf_slice(&r.text), r.text.n - 5),
	    SLICE_LIT("x\nend"));
	reply_reset(&r);
	for (i = 0; i < text.n; i++) {
		in = slice_of(text.p + i, 1);
		assert_int_equal(got, PARSE_MORE);
		got = reply_feed(&r, &in);
	}
	assert_int_equal(got, PARSE_OK);
	assert_int_equal(r.text.n, REPLY_LINE_BYTES - 4 + 4);
	reply_clear(&r);
	buf_clear(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mail_parameters),
		cmocka_unit_test(rcpt_parameters),
		cmocka_unit_test(parameters_over_arena_limit_are_refused),
		cmocka_unit_test(orcpt_there_and_back),
		cmocka_unit_test(xtext_there_and_back_for_every_byte),
		cmocka_unit_test(ehlo_lines),
		cmocka_unit_test(replies_in_parts_of_any_size),
		cmocka_unit_test(reply_limits),
		cmocka_unit_test(a_long_reply_line_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
