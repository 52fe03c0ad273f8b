/* SPDX-License-Identifier: ISC */
/* header_test - fields, address lists, dates, and the scan of content. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "base/test_guard.h"
#include "mail/header.h"

static void
fields_of_a_header_section(void **state)
{
	struct slice s = SLICE_LIT("From: a\r\nSubject : two\r\n lines\r\n\t"
				   "three\nX:\r\n\r\nBody: no field\r\n");
	static const struct {
		const char	*name, *body;
	} want[] = {
		{ "From", " a" }, { "Subject", " two\r\n lines\r\n\tthree" },
		{ "X", "" },
	};
	struct arena a = ARENA_INIT(1000);
	struct slice text, all = s;
	struct field f;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		assert_true(header_next(&s, &f));
		assert_slice_equal(f.name, slice_str(want[i].name));
		assert_slice_equal(f.body, slice_str(want[i].body));
	}
	assert_false(header_next(&s, &f));
	assert_slice_equal(s, SLICE_LIT("\r\nBody: no field\r\n"));
	assert_int_equal(header_bytes(all), all.n - 16);
	assert_true(header_find(all, "sUBJECT", &f));
	assert_int_equal(header_unfold(&a, f.body, &text), 0);
	assert_slice_equal(text, SLICE_LIT("two lines\tthree"));
	assert_false(header_find(all, "Body", &f));
	assert_int_equal(header_count(all, "x"), 1);
	arena_clear(&a);
}

static const struct {
	const char	*in;
	size_t		 header;
	unsigned	 fields;
} section_cases[] = {
	{ "", 0, 0 }, { "\r\n", 2, 0 }, { "\n", 1, 0 }, { "\r", 1, 0 },
	{ "a:b", 3, 1 }, { "a:b\r\n", 5, 1 }, { "a:b\r\n\r\n", 7, 1 },
	{ "a:b\n\nc:d", 5, 1 }, { "a:", 2, 1 }, { ":", 1, 0 }, { "a", 1, 0 },
	{ "a b: c\r\n", 8, 0 }, { "a:b\r\nno field\r\nc:d\r\n\r\n", 22, 1 },
	{ " a:b\r\n", 6, 0 }, { "a:b\r\n ", 6, 1 }, { "a \t:b\n", 6, 1 },
	{ "\xc3\xa9:b\n", 5, 0 },
};

static void
header_sections_cut_anywhere(void **state)
{
	struct slice s;
	struct field f;
	struct guard g;
	unsigned fields;
	size_t i;

	(void)state;
	guard_init(&g, 100);
	for (i = 0; i < sizeof(section_cases) / sizeof(section_cases[0]);
	     i++) {
		s = guard_copy(&g, slice_str(section_cases[i].in));
		assert_int_equal(header_bytes(s), section_cases[i].header);
		for (fields = 0; header_next(&s, &f); fields++)
			;
		assert_int_equal(fields, section_cases[i].fields);
	}
	guard_clear(&g);
}

/* '!' before an address that is to be refused. */
static const struct {
	const char	*in;
	const char	*out[6];
} list_cases[] = {
	{ "", { NULL } },
	{ " ,, \r\n ", { NULL } },
	{ "a@b", { "a@b" } },
	{ "root", { "root" } },
	{ "a@b, c@d,root", { "a@b", "c@d", "root" } },
	{ "A B <a@b>, \"C, D\" <c@d>", { "a@b", "c@d" } },
	{ "a@b (comment, with (nested) \\) parens), c@d", { "a@b", "c@d" } },
	{ "(c) a (c) . b (c) @ (c) d . e (c)", { "a.b@d.e" } },
	{ "<a@b>(x)", { "a@b" } },
	{ "friends: a@b, c@d;, e@f", { "a@b", "c@d", "e@f" } },
	{ "undisclosed-recipients:;", { NULL } },
	{ "x:;y:a@b;", { "a@b" } },
	{ "<@r1,@r2:a@b>", { "a@b" } },
	{ "\"john doe\"@b", { "\"john doe\"@b" } },
	{ "\"john\"@b", { "john@b" } },
	{ "\"a\".\"b c\"@d", { "\"a.b c\"@d" } },
	{ "\"a\\\"b\"@c", { "\"a\\\"b\"@c" } },
	{ "a..b@c", { "\"a..b\"@c" } },
	{ "a@[192.0.2.1]", { "a@[192.0.2.1]" } },
	{ "[List] <a@b>", { "a@b" } },
	{ "J. Doe <a@b>", { "a@b" } },
	{ "a@b\r\n\t,\r\n c@d\r\n", { "a@b", "c@d" } },
	{ "\xc3\xa9@\xc3\xa9.org", { "\xc3\xa9@\xc3\xa9.org" } },
	{ "Name \"q\" <a@b> tail, c@d", { "a@b", "c@d" } },
	{ "John Doe, a@b", { "!John Doe,", "a@b" } },
	{ "a b@c", { "!a b@c" } },
	{ "a@b c", { "!a@b c" } },
	{ "<a b@c>", { "!<a b@c>" } },
	{ "a@b@c", { "!a@b@c" } },
	{ "<a@b", { "!<a@b" } },
	{ "a@b>", { "!a@b>" } },
	{ "<>", { "!<>" } },
	{ "<a@b><c@d>", { "!<a@b><c@d>" } },
	{ "@b", { "!@b" } },
	{ "a@", { "!a@" } },
	{ "a@b..c", { "!a@b..c" } },
	{ "\"a@b", { "!\"a@b" } },
	{ "(a@b", { "!(a@b" } },
	{ "a@[x", { "!a@[x" } },
	{ "a\\b@c, d@e", { "!a\\b@c,", "d@e" } },
	{ "a\x01@b", { "!a\x01@b" } },
	{ "[a]@b", { "![a]@b" } },
};

static void
address_lists(void **state)
{
	struct arena a = ARENA_INIT(10000);
	struct slice s, got;
	struct guard g;
	enum parse r;
	const char *const *want;
	size_t i;

	(void)state;
	guard_init(&g, 1000);
	for (i = 0; i < sizeof(list_cases) / sizeof(list_cases[0]); i++) {
		print_message("%s\n", list_cases[i].in);
		s = guard_copy(&g, slice_str(list_cases[i].in));
		for (want = list_cases[i].out;; want++) {
			r = address_list_next(&s, &a, &got);
			if (r == PARSE_MORE)
				break;
			assert_non_null(*want);
			assert_int_equal(r == PARSE_BAD, **want == '!');
			assert_slice_equal(got, slice_str(*want +
			    (r == PARSE_BAD)));
		}
		assert_null(*want);
	}
	guard_clear(&g);
	arena_clear(&a);
}

static void
long_display_name_does_not_hurt(void **state)
{
	struct arena a = ARENA_INIT(10000);
	struct buf b = BUF_INIT(100000);
	struct slice s, got;
	unsigned i;

	(void)state;
	for (i = 0; i < 9000; i++)
		buf_add_str(&b, "word ");
	buf_add_str(&b, "<a@b>, ");
	for (i = 0; i < 9000; i++)
		buf_add_byte(&b, '(');
	s = buf_slice(&b);
	assert_int_equal(address_list_next(&s, &a, &got), PARSE_OK);
	assert_slice_equal(got, SLICE_LIT("a@b"));
	assert_int_equal(address_list_next(&s, &a, &got), PARSE_BAD);
	assert_int_equal(address_list_next(&s, &a, &got), PARSE_MORE);
	buf_clear(&b);
	arena_clear(&a);
}

static void
dates(void **state)
{
	static const struct {
		const char	*zone;
		int64_t		 ms;
		const char	*text;
	} cases[] = {
		{ "UTC0", 0, "Thu, 01 Jan 1970 00:00:00 +0000" },
		{ "UTC0", 1795376280999, "Sun, 22 Nov 2026 19:38:00 +0000" },
		{ "XXX-5:30", 1795376280000, "Mon, 23 Nov 2026 01:08:00 +0530" },
		{ "XXX3:30", 1795376280000, "Sun, 22 Nov 2026 16:08:00 -0330" },
		{ "UTC0", -1, "Thu, 01 Jan 1970 00:00:00 +0000" },
		{ "UTC0", INT64_MAX, "Fri, 31 Dec 9999 23:59:59 +0000" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setenv("TZ", cases[i].zone, 1);
		tzset();
		assert_string_equal(date_text(cases[i].ms).s, cases[i].text);
	}
}

static void
internet_dates(void **state)
{
	static const struct {
		const char	*text;
		int64_t		 ms;	/* -1: none */
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-11-22T19:38:00Z", 1795376280000 },
		{ "2026-11-22t19:38:00z", 1795376280000 },
		{ "2026-11-22T19:38:00.999999999999999999Z", 1795376280000 },
		{ "2026-11-23T01:08:00+05:30", 1795376280000 },
		{ "2026-11-22T16:08:00-03:30", 1795376280000 },
		{ "2024-02-29T00:00:00Z", 1709164800000 },
		{ "2016-12-31T23:59:60Z", 1483228799000 },
		{ "1970-01-01T00:00:00+23:59", 0 },
		{ "9998-12-31T23:59:59-23:59", 253370851139000 },
		{ "2023-02-29T00:00:00Z", -1 },
		{ "2026-11-31T00:00:00Z", -1 },
		{ "2026-00-01T00:00:00Z", -1 },
		{ "2026-13-01T00:00:00Z", -1 },
		{ "2026-01-00T00:00:00Z", -1 },
		{ "2026-01-01T24:00:00Z", -1 },
		{ "2026-01-01T00:60:00Z", -1 },
		{ "2026-01-01T00:00:61Z", -1 },
		{ "2026-01-01T00:00:00", -1 },
		{ "2026-01-01T00:00:00.Z", -1 },
		{ "2026-01-01T00:00:00ZZ", -1 },
		{ "2026-01-01T00:00:00+0000", -1 },
		{ "2026-01-01T00:00:00+24:00", -1 },
		{ "2026-01-01 00:00:00Z", -1 },
		{ "26-01-01T00:00:00Z", -1 },
		{ "+026-01-01T00:00:00Z", -1 },
		{ "1969-01-01T00:00:00Z", -1 },
		{ "9999-01-01T00:00:00Z", -1 },
		{ "", -1 }, { "Z", -1 }, { "2026", -1 },
	};
	struct guard g;
	int64_t ms;
	size_t i;

	(void)state;
	setenv("TZ", "XXX-5:30", 1);	/* makes no difference */
	tzset();
	guard_init(&g, 100);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ms = -1;
		if (!date_parse_3339(guard_copy(&g, slice_str(cases[i].text)),
		    &ms))
			ms = -1;
		if (ms != cases[i].ms)
			fail_msg("%s: %jd", cases[i].text, (intmax_t)ms);
	}
	guard_clear(&g);
	assert_string_equal(date_text_3339(1795376280999).s,
	    "2026-11-22T19:38:00Z");
	assert_string_equal(date_text_3339(-5).s, "1970-01-01T00:00:00Z");
	assert_string_equal(date_text_3339(INT64_MAX).s,
	    "9999-12-31T23:59:59Z");
}

static void
phrases_and_text(void **state)
{
	static const struct {
		const char	*in, *phrase, *text;
	} t[] = {
		{ "Joe Doe", "Joe Doe", "Joe Doe" },
		{ "J. \"D\"", "\"J. \\\"D\\\"\"", "J. \"D\"" },
		{ "", "\"\"", "" },
		{ " a", "\" a\"", " a" },
		{ "a\r\nBcc: x", "\"a??Bcc: x\"", "a??Bcc: x" },
		{ "Caf\xc3\xa9", "=?utf-8?B?Q2Fmw6k=?=",
		    "=?utf-8?B?Q2Fmw6k=?=" },
		{ "\xff", "=?unknown-8bit?B?/w==?=",
		    "=?unknown-8bit?B?/w==?=" },
		/* No character is divided. */
		{ "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3"
		  "\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
		  "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3"
		  "\xa9 \xc3\xa9",
		  "=?utf-8?B?w6nDqcOpw6nDqcOpw6nDqcOpw6nDqcOpw6nDqcOpw6nDqcOpw6nD"
		  "qSA=?=\r\n =?utf-8?B?w6k=?=", NULL },
	};
	struct buf b = BUF_INIT(1000), small = BUF_INIT(3);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		buf_reset(&b);
		assert_int_equal(header_phrase(&b, slice_str(t[i].in)), 0);
		assert_slice_equal(buf_slice(&b), slice_str(t[i].phrase));
		if (t[i].text == NULL)
			continue;
		buf_reset(&b);
		assert_int_equal(header_text(&b, slice_str(t[i].in)), 0);
		assert_slice_equal(buf_slice(&b), slice_str(t[i].text));
	}
	assert_int_equal(header_phrase(&small, SLICE_LIT("a.b")), -1);
	assert_int_equal(header_text(&small, SLICE_LIT("\xc3\xa9")), -1);
	assert_int_equal(small.n, 0);
	buf_clear(&b);
	buf_clear(&small);
}

enum { CR_ = 1, LF_ = 2, NUL_ = 4, B8 = 8, H8 = 16, D = 32, M = 64, F = 128 };

static const struct {
	const char	*in;
	size_t		 n;		/* 0: strlen */
	unsigned	 flags;
	uint64_t	 longest;
	unsigned	 received;
} scan_cases[] = {
	{ "", 0, 0, 0, 0 },
	{ "Date: x\r\nFROM : y\r\nmessage-id:z\r\n\r\nabc\r\n", 0, D | M | F,
	    12, 0 },
	{ "Received: a\r\nReceived: b\r\n c\r\nDelivered-To: d\r\n\r\n", 0, 0,
	    15, 3 },
	{ "X: y\r\n\r\nReceived: a\r\nDate: b\r\n", 0, 0, 11, 0 },
	{ " Received: a\r\nXReceived: b\r\nReceivedX: c\r\n", 0, 0, 12, 0 },
	{ "Received-long-name-here: a\r\nReceived", 0, 0, 26, 0 },
	{ "Received\r\n: x\r\n", 0, 0, 8, 0 },
	{ "a: b\nReceived: c\n\nReceived: d\n", 0, LF_, 11, 1 },
	{ "a\rb", 0, CR_, 3, 0 },
	{ "a\r", 0, CR_, 1, 0 },
	{ "a\r\r\n", 0, CR_, 2, 0 },
	{ "a\r\n\r", 0, CR_, 1, 0 },
	{ "\r\n\r\r\n", 0, CR_, 1, 0 },
	{ "a\0b", 3, NUL_, 3, 0 },
	{ "a: \xe9\r\n\r\n", 0, B8 | H8, 4, 0 },
	{ "a: b\r\n\r\n\xe9\r\n", 0, B8, 4, 0 },
	{ "\n\rx\r\n", 0, LF_ | CR_, 2, 0 },
	/* found by header_fuzz: cut behind its CR this became a From */
	{ "From\r:x\r\n", 0, CR_, 7, 0 },
	{ "\rReceived: x\r\n", 0, CR_, 12, 0 },
};

static unsigned
scan_flags(const struct content_scan *c)
{
	return (c->bare_cr ? CR_ : 0u) | (c->bare_lf ? LF_ : 0u) |
	    (c->nul ? NUL_ : 0u) | (c->eight_bit ? B8 : 0u) |
	    (c->header_8bit ? H8 : 0u) | (c->has_date ? D : 0u) |
	    (c->has_message_id ? M : 0u) | (c->has_from ? F : 0u);
}

static void
content_scanned_in_parts_of_any_size(void **state)
{
	struct content_scan c;
	struct slice s;
	struct guard g;
	size_t i, n, part;

	(void)state;
	guard_init(&g, 100);
	for (i = 0; i < sizeof(scan_cases) / sizeof(scan_cases[0]); i++) {
		print_message("%s\n", scan_cases[i].in);
		for (n = 1; n < 60; n++) {
			content_scan_init(&c);
			s = slice_str(scan_cases[i].in);
			if (scan_cases[i].n > 0)
				s.n = scan_cases[i].n;
			while (s.n > 0) {
				part = s.n < n ? s.n : n;
				content_scan_feed(&c,
				    guard_copy(&g, slice_first(s, part)));
				s = slice_from(s, part);
			}
			content_scan_end(&c);
			assert_int_equal(scan_flags(&c), scan_cases[i].flags);
			assert_int_equal(c.longest, scan_cases[i].longest);
			assert_int_equal(c.received, scan_cases[i].received);
		}
	}
	guard_clear(&g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_of_a_header_section),
		cmocka_unit_test(header_sections_cut_anywhere),
		cmocka_unit_test(address_lists),
		cmocka_unit_test(long_display_name_does_not_hurt),
		cmocka_unit_test(dates),
		cmocka_unit_test(internet_dates),
		cmocka_unit_test(phrases_and_text),
		cmocka_unit_test(content_scanned_in_parts_of_any_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
