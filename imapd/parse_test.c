/* SPDX-License-Identifier: ISC */
/* parse_test - commands collected and read; sets; names in UTF-7; patterns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/test_guard.h"
#include "imap.h"
#include "pattern.h"

static void
literals_in_place(void **state)
{
	static const char said[] = "a X {3}\r\na\r\n {2+}\r\n{} y\r\n";
	struct collector c;
	struct slice in, part, bytes;
	size_t cut, i, events;
	enum collect what;

	(void)state;
	for (cut = 1; cut < sizeof(said) - 1; cut++) {
		collector_init(&c, 1000, 1000);
		events = 0;
		in = slice_of(said, sizeof(said) - 1);
		for (i = 0; i < in.n; i += cut) {
			part = slice_of(said + i, i + cut < in.n ? cut :
			    in.n - i);
			do {
				what = collect(&c, &part, &bytes);
				if (what == COLLECT_LITERAL) {
					assert_true(collect_literal_keep(&c));
					events++;
				}
			} while (what != COLLECT_MORE &&
			    what != COLLECT_COMMAND);
		}
		assert_int_equal(what, COLLECT_COMMAND);
		assert_int_equal(events, 2);
		assert_slice_equal(buf_slice(&c.text),
		    slice_of(said, sizeof(said) - 3));
		collector_clear(&c);
	}
}

static void
elements(void **state)
{
	static const struct {
		const char	*in, *want;	/* NULL: it is none */
		bool		(*take)(struct cursor *, struct slice *);
	} cases[] = {
		{ "abc d", "abc", cur_atom }, { "a]b", "a", cur_atom },
		{ "a]b c", "a]b", cur_astring }, { "%", NULL, cur_astring },
		{ "a%*b ", "a%*b", cur_list_mailbox }, { "", NULL, cur_atom },
		{ "\"a b\"x", "a b", cur_quoted }, { "\"\"", "", cur_quoted },
		{ "\"a\\\"\\\\b\"", "a\"\\b", cur_quoted },
		{ "\"a\\b\"", NULL, cur_quoted }, { "\"a", NULL, cur_quoted },
		{ "\"a\\", NULL, cur_quoted }, { "\"a\r\"", NULL, cur_quoted },
		{ "\"\xc3\xa4\"", NULL, cur_quoted },
		{ "{2}\r\nabc", "ab", cur_string },
		{ "{2+}\r\nab", "ab", cur_string },
		{ "{3}\r\nab", NULL, cur_string }, { "{}\r\n", NULL, cur_string },
		{ "{1}\nab", NULL, cur_string }, { "~{1}\r\na", NULL, cur_string },
		{ "{99999999999999999999}\r\n", NULL, cur_string },
		{ "\\Seen", "\\Seen", cur_flag }, { "\\", NULL, cur_flag },
		{ "+a", NULL, cur_tag }, { "a+", "a", cur_tag },
	};
	struct arena a = ARENA_INIT(1000);
	struct cursor c;
	struct slice got;
	struct guard g;
	size_t i;

	(void)state;
	guard_init(&g, 100);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		c = cursor_of(guard_copy(&g, slice_str(cases[i].in)), &a);
		if (cases[i].want == NULL)
			assert_false(cases[i].take(&c, &got));
		else {
			assert_true(cases[i].take(&c, &got));
			assert_slice_equal(got, slice_str(cases[i].want));
		}
	}
	guard_clear(&g);
	arena_clear(&a);
}

static void
dates(void **state)
{
	static const struct { const char *in; int64_t ms; } cases[] = {
		{ "\"01-Jan-1970 00:00:00 +0000\"", 0 },
		{ "\" 1-jan-1970 01:00:00 +0100\"", 0 },
		{ "\" 9-Sep-2001 01:46:40 +0000\"", INT64_C(1000000000000) },
		{ "\"29-Feb-2000 00:00:00 -0030\"", INT64_C(951784200000) },
		{ "\"29-Feb-2001 00:00:00 +0000\"", -1 },
		{ "\"1-Jan-1970 00:00:00 +0000\"", -1 },
		{ "\"01-Jan-1970 24:00:00 +0000\"", -1 },
		{ "\"01-Jan-1970 00:00:00 0000\"", -1 },
		{ "\"01-Jan-1970 00:00:00 +0000", -1 }, { "\"", -1 },
	};
	struct cursor c;
	int64_t ms;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		c = cursor_of(slice_str(cases[i].in), NULL);
		assert_int_equal(cur_date_time(&c, &ms), cases[i].ms >= 0);
		if (cases[i].ms >= 0)
			assert_int_equal(ms, cases[i].ms);
	}
}

static void
sets(void **state)
{
	static const struct { const char *in, *want; uint32_t max; } cases[] = {
		{ "1", "1", 9 }, { "5:3,1,2", "1:5", 9 }, { "*", "9", 9 },
		{ "*:7,1", "1,7:9", 9 }, { "12:*", "9:12", 9 },
		{ "*", "", 0 }, { "1:*", "", 0 }, { "2,2,2:2", "2", 9 },
		{ "1:4294967295", "1:4294967295", 9 },
		{ "4294967295,1,4294967294", "1,4294967294:4294967295", 9 },
		{ "0", NULL, 9 }, { "1,", NULL, 9 }, { ":1", NULL, 9 },
		{ "1:2:3", "1:2", 9 }, { "4294967296", NULL, 9 },
		{ "01", NULL, 9 },
	};
	struct set_writer w;
	struct cursor c;
	struct set set;
	struct buf b = BUF_INIT(1000);
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		c = cursor_of(slice_str(cases[i].in), NULL);
		assert_int_equal(cur_set(&c, SET_STAR, &set),
		    cases[i].want != NULL);
		if (cases[i].want == NULL)
			continue;
		set_settle(&set, cases[i].max);
		buf_reset(&b);
		w = (struct set_writer){ .to = &b };
		for (k = 0; k < set.n; k++)
			set_write_range(&w, set.v[k].first, set.v[k].last);
		set_write_end(&w);
		assert_slice_equal(buf_slice(&b), slice_str(cases[i].want));
		set_clear(&set);
	}
	buf_clear(&b);
}

static void
patterns(void **state)
{
	static const struct { const char *p, *name; bool matches; } cases[] = {
		{ "*", "a/b", true }, { "%", "a/b", false }, { "%", "a", true },
		{ "%/%", "a/b", true }, { "a*c", "abbc", true },
		{ "a%c", "ab/c", false }, { "a*", "b", false },
		{ "*b%", "a/b/bc", true }, { "*/%", "a/b/c", true },
		{ "%b*", "ab/c", true }, { "inbox", "INBOX", true },
		{ "inbox/%", "INBOX/a", true }, { "Sent", "sent", false },
		{ "", "a", false }, { "a", "", false }, { "%%", "", true },
		{ "*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(pattern_matches(slice_str(cases[i].p),
		    slice_str(cases[i].name)), cases[i].matches);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(literals_in_place), cmocka_unit_test(elements),
		cmocka_unit_test(dates), cmocka_unit_test(sets),
		cmocka_unit_test(patterns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
