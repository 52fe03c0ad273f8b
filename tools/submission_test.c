/* SPDX-License-Identifier: ISC */
/* submission_test - what sendmail makes of the text and the addresses that it
 * is given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/test_guard.h"
#include "submission.h"

static const struct {
	const char	*in, *out;
	bool		 dot_ends;
} text_cases[] = {
	{ "", "", true },
	{ "a\nb\n", "a\r\nb\r\n", true },
	{ "a\r\nb\r\n", "a\r\nb\r\n", true },
	{ "a\rb\r", "a\r\nb\r\n", true },
	{ "a\n\rb", "a\r\n\r\nb\r\n", true },
	{ "a\r\r\nb", "a\r\n\r\nb\r\n", true },
	{ "open", "open\r\n", true },
	{ "\n\n", "\r\n\r\n", true },
	{ "a\n.\nb\n", "a\r\n", true },
	{ "a\n.\r\nb\n", "a\r\n", true },
	{ "a\n.\nb\n", "a\r\n.\r\nb\r\n", false },
	{ "a\n..\n.b\nc.\n", "a\r\n..\r\n.b\r\nc.\r\n", true },
	{ ".\nb", "", true },
	{ "a\n.", "a\r\n", true },
	{ "a\n.", "a\r\n.\r\n", false },
};

static void
text_in_parts_of_any_size(void **state)
{
	struct buf b = BUF_INIT(1000);
	struct guard g;
	struct slice s;
	size_t i, n, part;

	(void)state;
	guard_init(&g, 100);
	for (i = 0; i < sizeof(text_cases) / sizeof(text_cases[0]); i++) {
		for (n = 1; n < 12; n++) {
			struct text_reader r = {
				.dot_ends = text_cases[i].dot_ends,
			};

			buf_reset(&b);
			s = slice_str(text_cases[i].in);
			while (s.n > 0) {
				part = s.n < n ? s.n : n;
				assert_int_equal(text_read(&r, guard_copy(&g,
				    slice_first(s, part)), &b), 0);
				s = slice_from(s, part);
			}
			assert_int_equal(text_end(&r, &b), 0);
			assert_slice_equal(buf_slice(&b),
			    slice_str(text_cases[i].out));
		}
	}
	guard_clear(&g);
	buf_clear(&b);
}

#define FROM	"From: Joe Doe <joe@host.example>\r\n"

static const struct {
	const char	*name, *in, *out;
	bool		 take;
	const char	*rcpts;		/* with a blank behind each */
} finish_cases[] = {
	{ "whole", "From: a\r\nTo: b\r\n\r\nx\r\n",
	    "From: a\r\nTo: b\r\n\r\nx\r\n", false, "" },
	{ "no From", "To: b\r\n\r\nx\r\n", "To: b\r\n" FROM "\r\nx\r\n", false,
	    "" },
	{ "no header", "hello\r\nthere\r\n", FROM "\r\nhello\r\nthere\r\n",
	    false, "" },
	{ "only a body", "\r\nhello\r\n", FROM "\r\nhello\r\n", false, "" },
	{ "nothing", "", FROM "\r\n", false, "" },
	{ "header only", "To: b\r\n", "To: b\r\n" FROM "\r\n", false, "" },
	{ "no empty line", "To: b\r\nhello\r\n", "To: b\r\n" FROM
	    "\r\nhello\r\n", false, "" },
	{ "mbox line", "From a@b Sun Nov 22\r\nTo: b\r\n\r\n",
	    "To: b\r\n" FROM "\r\n", false, "" },
	{ "Bcc goes", "Bcc: x,\r\n y\r\nfrom: a\r\n\r\n", "from: a\r\n\r\n",
	    false, "" },
	{ "-t", "To: b@c, d\r\nCc: (x) E <e@f>,B@C\r\nBcc: s: g@h;\r\n\r\n",
	    "To: b@c, d\r\nCc: (x) E <e@f>,B@C\r\n" FROM "\r\n", true,
	    "b@c d@host.example e@f g@h " },
	{ "-t, resent", "To: b@c\r\nResent-To: d@e\r\nResent-Bcc: f@g\r\n\r\n",
	    "To: b@c\r\nResent-To: d@e\r\n" FROM "\r\n", true, "d@e f@g " },
};

static void
messages_made_whole(void **state)
{
	struct buf rcpts = BUF_INIT(1000);
	struct submission s;
	struct slice bad;
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(finish_cases) / sizeof(finish_cases[0]); i++) {
		print_message("%s\n", finish_cases[i].name);
		submission_init(&s, 1000);
		s.domain = "host.example";
		s.from_name = "Joe Doe";
		assert_int_equal(submission_set_sender(&s, SLICE_LIT("joe")),
		    0);
		buf_add_str(&s.text, finish_cases[i].in);
		assert_int_equal(submission_finish(&s, finish_cases[i].take,
		    &bad), 0);
		assert_slice_equal(buf_slice(&s.text),
		    slice_str(finish_cases[i].out));
		buf_reset(&rcpts);
		for (j = 0; j < s.nrcpts; j++)
			buf_printf(&rcpts, "%.*s ", SLICE_ARG(s.rcpts[j]));
		assert_slice_equal(buf_slice(&rcpts),
		    slice_str(finish_cases[i].rcpts));
		submission_clear(&s);
	}
	buf_clear(&rcpts);
}

static void
senders(void **state)
{
	static const struct {
		const char	*in, *sender, *from;	/* NULL: refused */
	} t[] = {
		{ "a@b", "a@b", "a@b" }, { "a", "a@h", "a@h" },
		{ "<a@b>", "a@b", "a@b" }, { "Joe <a@b>", "a@b", "a@b" },
		{ "<>", "", "joe@h" }, { "", "", "joe@h" },
		{ "a@b, c@d", NULL, NULL }, { "a b", NULL, NULL },
		{ "a@b\r\nRCPT x", NULL, NULL },
	};
	struct submission s;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		submission_init(&s, 100);
		s.domain = "h";
		submission_set_sender(&s, SLICE_LIT("joe"));
		assert_int_equal(submission_set_sender(&s, slice_str(t[i].in)),
		    t[i].sender == NULL ? -1 : 0);
		if (t[i].sender != NULL) {
			assert_slice_equal(s.sender, slice_str(t[i].sender));
			assert_slice_equal(s.from, slice_str(t[i].from));
		}
		submission_clear(&s);
	}
}

static void
recipients(void **state)
{
	struct submission s;
	struct slice bad;
	char text[40];
	unsigned i;

	(void)state;
	submission_init(&s, 100);
	s.domain = "h";
	assert_int_equal(submission_add_rcpt(&s, SLICE_LIT("a@b c@d"), &bad),
	    -1);
	assert_slice_equal(bad, SLICE_LIT("a@b c@d"));
	assert_int_equal(submission_add_rcpt(&s, SLICE_LIT("a@b, A@B,c"),
	    &bad), 0);
	assert_int_equal(s.nrcpts, 2);
	for (i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "u%u@example.org", i);
		assert_int_equal(submission_add_rcpt(&s, slice_str(text),
		    &bad), 0);
	}
	assert_int_equal(s.nrcpts, 1002);
	assert_slice_equal(s.rcpts[0], SLICE_LIT("a@b"));
	assert_slice_equal(s.rcpts[1001], SLICE_LIT("u999@example.org"));
	submission_clear(&s);
}

static void
too_large(void **state)
{
	struct text_reader r = { .dot_ends = true };
	struct submission s;
	struct slice bad;

	(void)state;
	submission_init(&s, 10);
	s.domain = "h";
	assert_int_equal(text_read(&r, SLICE_LIT("0123456789\n"), &s.text),
	    -1);
	buf_reset(&s.text);
	buf_add_str(&s.text, "a: b\r\n\r\nx");
	assert_int_equal(submission_finish(&s, false, &bad), -1);
	assert_int_equal(bad.n, 0);
	submission_clear(&s);
}

static void
lines_that_are_too_long_become_several(void **state)
{
	static const struct {
		const char	*in, *out;
	} rows[] = {
		{ "From: a@b\r\n\r\n1234567890\r\n",
		    "From: a@b\r\n\r\n1234567890\r\n" },
		{ "From: a@b\r\n\r\n12345678901\r\nx",
		    "From: a@b\r\n\r\n123456789\r\n 01\r\nx" },
		{ "From: a@b\r\n\r\n1234567890123456789012345",
		    "From: a@b\r\n\r\n123456789\r\n 012345678\r\n 9012345" },
		{ "From: a@b\r\n\r\n1234567 90 1 3456789012\r\n",
		    "From: a@b\r\n\r\n1234567\r\n 90 1\r\n 34567890\r\n"
		    " 12\r\n" },
		{ "From: a@b\r\n\r\n12345678\303\27401\r\n",
		    "From: a@b\r\n\r\n12345678\r\n \303\27401\r\n" },
		{ "From: a@b, c@d, e@f\r\n\r\n",
		    "From:\r\n a@b,\r\n c@d, e@f\r\n\r\n" },
	};
	struct submission s;
	struct slice bad;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		submission_init(&s, 1000);
		s.domain = "h";
		s.line_max = 10;
		buf_add_str(&s.text, rows[i].in);
		assert_int_equal(submission_finish(&s, false, &bad), 0);
		assert_slice_equal(buf_slice(&s.text), slice_str(rows[i].out));
		submission_clear(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_in_parts_of_any_size),
		cmocka_unit_test(messages_made_whole),
		cmocka_unit_test(senders),
		cmocka_unit_test(recipients),
		cmocka_unit_test(lines_that_are_too_long_become_several),
		cmocka_unit_test(too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
