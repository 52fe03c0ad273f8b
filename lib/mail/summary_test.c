/* SPDX-License-Identifier: ISC */
/*
 * summary_test - dates, message ids, base subjects, previews, and the summary
 * that holds them.  "--bench" measures instead.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <time.h>

#include "base/test_guard.h"
#include "mail/correspondence.h"
#include "mail/message.h"
#include "mail/summary.h"

#define TEXT(s)	{ s, sizeof(s) - 1 }
#define NO_DATE	INT64_MIN

static const struct {
	const char	*in;
	int64_t		 seconds;	/* NO_DATE: none */
	int		 zone;
} date_cases[] = {
	{ "Thu, 1 Jan 1970 00:00:00 +0000", 0, 0 },
	{ "1 Jan 1970 00:00:00 GMT", 0, 0 },
	{ "Fri, 27 Nov 2026 14:00:00 +0100 (CET)", 1795784400, 60 },
	{ "Fri,27 Nov 2026 08:00 EST", 1795784400, -300 },
	{ " Fri (x) , 27 (y) Nov 2026\r\n 13 : 00 : 00 (z) Z", 1795784400, 0 },
	{ "27 Nov 26 13:00:00 -0000", 1795784400, 0 },
	{ "29 Feb 2000 00:00:00 +0000", 951782400, 0 },
	{ "29 Feb 1900 00:00:00 +0000", NO_DATE, 0 },
	{ "31 Dec 99 23:59:60 UT", 946684800, 0 },
	{ "1 Jan 100 00:00 +0000", 946684800, 0 },
	{ "27-Nov-2026 13.00.00 +0000", 1795784400, 0 },
	{ "Friday, 27 November 2026 13:00:00 +0000", 1795784400, 0 },
	{ "27 Nov 2026 13:00:00", 1795784400, 0 },
	{ "27 Nov 2026 13:00:00 XYZ", 1795784400, 0 },
	{ "27 Nov 2026 13:00:00 +9999", 1795784400, 0 },
	{ "27 Nov 2026 13:00:00 +05", 1795784400, 0 },
	{ "27 Nov 2026", 1795737600, 0 },
	{ "27 Nov 2026 25:00:00 +0100", 1795737600, 0 },
	{ "1 Jan 9999 00:00:00 +0000", 253370764800, 0 },
	{ "", NO_DATE, 0 }, { "Fri", NO_DATE, 0 }, { "27", NO_DATE, 0 },
	{ "27 Nov", NO_DATE, 0 }, { "0 Nov 2026", NO_DATE, 0 },
	{ "31 Nov 2026", NO_DATE, 0 }, { "27 Xyz 2026", NO_DATE, 0 },
	{ "27 Nov 20266", NO_DATE, 0 }, { "(((", NO_DATE, 0 },
	{ "123 Nov 2026", NO_DATE, 0 },
};

static void
dates(void **state)
{
	struct guard g;
	int64_t ms;
	size_t i, n;
	int zone;

	(void)state;
	guard_init(&g, 1000);
	for (i = 0; i < sizeof(date_cases) / sizeof(date_cases[0]); i++) {
		struct slice in = slice_str(date_cases[i].in);
		bool ok = date_parse(guard_copy(&g, in), &ms, &zone);

		if (ok != (date_cases[i].seconds != NO_DATE) ||
		    (ok && (ms != date_cases[i].seconds * 1000 ||
			       zone != date_cases[i].zone)))
			fail_msg("%s: %d %lld %d", date_cases[i].in, ok,
			    (long long)ms / 1000, zone);
		for (n = 0; n < in.n; n++)
			date_parse(guard_copy(&g, slice_first(in, n)), &ms,
			    &zone);
	}
	guard_clear(&g);
}

static void
dates_are_read_as_they_are_written(void **state)
{
	int64_t ms, got;
	int zone;

	(void)state;
	for (ms = 0; ms < INT64_C(4000000000000);
	    ms += 86400000 * 11 + 3661000) {
		assert_true(date_parse(slice_str(date_text(ms).s), &got,
		    &zone));
		assert_int_equal(got, ms);
	}
}

static void
message_ids(void **state)
{
	static const struct {
		const char	*in, *want;
	} cases[] = {
		{ "", "" }, { "<a@b>", "a@b|" }, { "x <a> y\r\n <b>", "a|b|" },
		{ "<>", "" }, { "< a >", "a|" }, { "<a<b>", "b|" },
		{ "<a", "" }, { "a>", "" }, { "<<<<>>>>", "" },
	};
	struct buf b = BUF_INIT(100);
	struct slice rest, id;
	struct guard g;
	size_t i;

	(void)state;
	guard_init(&g, 100);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		rest = guard_copy(&g, slice_str(cases[i].in));
		buf_reset(&b);
		while (message_id_next(&rest, &id))
			buf_printf(&b, "%.*s|", SLICE_ARG(id));
		assert_slice_equal(buf_slice(&b), slice_str(cases[i].want));
	}
	guard_clear(&g);
	buf_clear(&b);
}

static void
base_subjects(void **state)
{
	static const struct {
		const char	*in, *want;
		bool		 reply;
	} cases[] = {
		{ "", "", false }, { "a", "a", false }, { " a ", "a", false },
		{ "Re: a", "a", true }, { "RE : fwd:FW: a", "a", true },
		{ "Re[2]: a", "a", true }, { "re [x] : a", "a", true },
		{ "[list] a", "a", false }, { "[l] [m] a", "a", false },
		{ "[l] Re: [m] a", "a", true }, { "[l]", "[l]", false },
		{ "[l] [m]", "[m]", false }, { "Re: [l]", "[l]", true },
		{ "a (fwd)", "a", true }, { "a (FWD) (fwd) ", "a", true },
		{ "[fwd: a]", "a", true }, { "[Fwd: Re: [l] a (fwd)]", "a", true },
		{ "[fwd: a", "[fwd: a", false }, { "[fwd:]", "", true },
		{ "Re:", "", true }, { "Re a", "Re a", false },
		{ "Rex: a", "Rex: a", false }, { "[a[b] c", "[a[b] c", false },
		{ "(fwd)", "", true }, { "re[: x", "re[: x", false },
	};
	struct slice got;
	struct guard g;
	size_t i, n;
	bool reply;

	(void)state;
	guard_init(&g, 100);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slice in = slice_str(cases[i].in);

		got = subject_base(guard_copy(&g, in), &reply);
		assert_slice_equal(got, slice_str(cases[i].want));
		assert_int_equal(reply, cases[i].reply);
		for (n = 0; n < in.n; n++)
			subject_base(guard_copy(&g, slice_first(in, n)),
			    &reply);
	}
	guard_clear(&g);
}

static void
previews(void **state)
{
	static const struct {
		struct slice	 in, want;
	} cases[] = {
		{ TEXT("\n"), TEXT("") },
		{ TEXT("\n a\r\n\r\n\tb  c\x01 "), TEXT("a b c") },
		{ TEXT("Content-Type: image/png\n\nx"), TEXT("") },
		{ TEXT("Content-Type: text/html\n\n<html><head><title>t</title>"
		       "<style>s{}</style></head><body a=\"b\">x&amp;y<br>z"
		       "<script>q<p></script><!-- no > --> &lt;&bogus; w"),
		    TEXT("x&y z <&bogus; w") },
		{ TEXT("Content-Type: text/html\n\nStra&szlig;e &Auml;"
		       "&#228;&#xE4;&#X20AC;&hellip;&nbsp;<b>f<i>o</I></b>o"
		       "<span style=x>!</span><p>p<bold>q"),
		    TEXT("Stra\xc3\x9f" "e \xc3\x84\xc3\xa4\xc3\xa4\xe2\x82\xac"
		       "\xe2\x80\xa6 foo! p q") },
		{ TEXT("Content-Type: text/html\n\n&#0;&#xD800;&#1114112;&#x;"
		       "&#;&;&SZLIG;&amp"),
		    TEXT("&#0;&#xD800;&#1114112;&#x;&#;&;&SZLIG;&amp") },
		{ TEXT("Content-Type: text/html\n\n<"), TEXT("") },
		{ TEXT("Content-Type: text/html\n\na<style>b"), TEXT("a") },
		{ TEXT("Content-Type: text/html\n\na<styles>b</styles>"),
		    TEXT("a b") },
		/* the plain text of an alternative; not an attachment's */
		{ TEXT("Content-Type: multipart/x; boundary=b\n\n--b\n"
		       "Content-Type: text/html\n\nhtml\n--b\n\nplain\n--b--"),
		    TEXT("plain") },
		{ TEXT("Content-Type: multipart/x; boundary=b\n\n--b\n"
		       "Content-Disposition: attachment\n\nno\n--b\n"
		       "Content-Type: text/html\n\nhtml\n--b--"),
		    TEXT("html") },
		{ TEXT("Content-Type: message/rfc822\n\nSubject: x\n\nno"),
		    TEXT("") },
		{ TEXT("Content-Transfer-Encoding: base64\n\nw6k="),
		    TEXT("\xc3\xa9") },
	};
	struct buf b = BUF_INIT(1000), in = BUF_INIT(100000);
	struct message m;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		message_parse(&m, cases[i].in);
		buf_reset(&b);
		assert_int_equal(message_preview(&m, &b), 0);
		assert_slice_equal(buf_slice(&b), cases[i].want);
		message_clear(&m);
	}
	/* Characters are counted, and none is cut. */
	buf_add_str(&in, "\n");
	for (i = 0; i < 5000; i++)
		buf_add_str(&in, "\xc3\xa9");
	message_parse(&m, buf_slice(&in));
	buf_reset(&b);
	assert_int_equal(message_preview(&m, &b), 0);
	assert_int_equal(b.n, PREVIEW_CHARS * 2);
	assert_memory_equal(b.p, in.p + 1, b.n);
	message_clear(&m);
	buf_clear(&b);
	buf_clear(&in);
}

static const struct slice usual = TEXT(
    "Received: from x\n\tby y\nFrom: =?utf-8?q?J=C3=B6rg?= <j@example.com>\n"
    "To: G: Ann <ann@example.org>, b@x;\nCc: c@x\n"
    "Subject: Re:  [l]  =?utf-8?q?gr=C3=BC=C3=9Fe?=\n"
    "Date: Fri, 27 Nov 2026 14:00:00 +0100\nMessage-ID: <m @x>\n"
    "In-Reply-To: <r@x>\nReferences: <a@x>\n <b@x> <r@x>\n\nbody text\n");

static void
the_usual_message(void **state)
{
	struct buf b = BUF_INIT(SUMMARY_BYTES);
	struct summary s;
	size_t n;

	(void)state;
	assert_int_equal(summary_build(usual, &b), 0);
	assert_true(summary_read(buf_slice(&b), &s));
	assert_slice_equal(s.subject, SLICE_LIT("Re:  [l]  gr\xc3\xbc\xc3\x9f"
						"e"));
	assert_slice_equal(s.base_subject, SLICE_LIT("GRU\xcc\x88\xc3\x9f"
						     "E"));
	assert_true(s.is_reply);
	assert_slice_equal(s.from, SLICE_LIT("j"));
	assert_slice_equal(s.to, SLICE_LIT("G"));
	assert_slice_equal(s.cc, SLICE_LIT("c"));
	assert_slice_equal(s.display_from, SLICE_LIT("J\xc3\xb6rg"));
	assert_slice_equal(s.message_id, SLICE_LIT("m@x"));
	assert_slice_equal(s.references, SLICE_LIT("a@x b@x r@x"));
	assert_int_equal(s.date_ms, INT64_C(1795784400000));
	assert_int_equal(s.date_zone, 60);
	assert_slice_equal(s.preview, SLICE_LIT("body text"));
	assert_true(s.fields_kept && s.fields_all);
	assert_int_equal(s.fields.n, crlf_size(slice_first(usual,
	    (size_t)s.header_bytes)));
	assert_true(s.envelope.n > 0 && s.bodystructure.n > 0);
	for (n = 0; n < b.n; n++)
		assert_false(summary_read(slice_first(buf_slice(&b), n), &s));
	buf_reset(&b);
	assert_int_equal(summary_build(SLICE_EMPTY, &b), 0);
	assert_true(summary_read(buf_slice(&b), &s));
	assert_int_equal(s.date_ms, NO_DATE);
	buf_clear(&b);
}

/* Whatever is large: the summary stays below SUMMARY_BYTES, and says what it
 * has not kept. */
static void
extreme_messages_have_small_summaries(void **state)
{
	static const struct {
		const char	*start, *repeated, *end;
	} cases[] = {
		{ "Subject: ", "a b ", "\n\nx" },
		{ "Subject: ", "=?utf-8?q?=C3=A9?= ", "\n\nx" },
		{ "To: ", "someone@example.com, ", "\n\nx" },
		{ "From: ", "someone ", "\n\nx" },
		{ "References: ", "<some-id@example.com>\n ", "\n\nx" },
		{ "Message-ID: <", "id", ">\n\nx" },
		{ "X: y\n", "X-Other: value\n", "\nx" },
		{ "X: y\n", "Content-Type: a/b; c=d\n", "\nx" },
		{ "Content-Type: a/b", "; name=value", "\n\nx" },
		{ "Content-Type: multipart/x; boundary=b\n\n", "--b\n\nx\n",
		    "--b--\n" },
		{ "Content-Type: text/html\n\n", "<b>&amp;", "" },
		{ "\n", "text ", "" },
	};
	struct buf b = BUF_INIT(SUMMARY_BYTES), in = BUF_INIT(4 << 20);
	struct summary s;
	size_t i;
	clock_t from;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_reset(&in);
		buf_add_str(&in, cases[i].start);
		while (in.n < 2 << 20)
			buf_add_str(&in, cases[i].repeated);
		buf_add_str(&in, cases[i].end);
		from = clock();
		buf_reset(&b);
		assert_int_equal(summary_build(buf_slice(&in), &b), 0);
		assert_true(clock() - from < 2 * CLOCKS_PER_SEC);
		assert_true(summary_read(buf_slice(&b), &s));
		assert_true(s.subject.n <= SUMMARY_TEXT);
		assert_true(s.references.n <= SUMMARY_REFERENCES);
	}
	buf_clear(&b);
	buf_clear(&in);
}

static void
bench(void)
{
	struct buf in = BUF_INIT(1 << 20), b = BUF_INIT(SUMMARY_BYTES);
	struct timespec a, z;
	unsigned i;

	buf_add(&in, slice_first(usual, usual.n - 11));
	buf_add_str(&in, "MIME-Version: 1.0\nContent-Type: text/plain; "
	    "charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n");
	while (in.n < 4096)
		buf_add_str(&in, "A line of text as there are many in a usual "
		    "message, not too long.\n");
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	for (i = 0; i < 100000; i++) {
		buf_reset(&b);
		summary_build(buf_slice(&in), &b);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &z);
	printf("summary_build: %.2f us for %zu bytes, %zu kept\n",
	    ((double)(z.tv_sec - a.tv_sec) * 1e6 +
		(double)(z.tv_nsec - a.tv_nsec) / 1e3) / 100000, in.n, b.n);
	buf_clear(&in);
	buf_clear(&b);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dates),
		cmocka_unit_test(dates_are_read_as_they_are_written),
		cmocka_unit_test(message_ids),
		cmocka_unit_test(base_subjects),
		cmocka_unit_test(previews),
		cmocka_unit_test(the_usual_message),
		cmocka_unit_test(extreme_messages_have_small_summaries),
	};

	if (argc > 1 && strcmp(argv[1], "--bench") == 0) {
		bench();
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
