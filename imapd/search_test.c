/* SPDX-License-Identifier: ISC */
/*
 * search_test - SEARCH, SORT and THREAD over a mailbox of this file's own.
 * "--bench" measures instead.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "base/test_guard.h"
#include "test_box.h"

/* ---- SEARCH -------------------------------------------------------------- */

static const struct slice corpus[] = {
#define MESSAGE(s)	{ s, sizeof(s) - 1 }
	/* 1 */
	MESSAGE("From: Ann <ann@example.com>\nTo: bob@example.org\n"
		"Subject: Hello World\nDate: Thu, 1 Jan 1970 23:30:00 -0100\n"
		"X-Other: some\n thing\n\nThe quick brown fox\n"),
	/* 2 */
	MESSAGE("From: =?utf-8?Q?J=C3=B6rg?= <j@example.com>\n"
		"Subject: =?iso-8859-1?B?R3L832U=?=\nCc: ann@example.com\n"
		"Content-Type: text/plain; charset=iso-8859-1\n"
		"Content-Transfer-Encoding: quoted-printable\n\n"
		"Sch=F6ne Gr=FC=\n=DFe aus K=F6ln\n"),
	/* 3 */
	MESSAGE("Subject: mixed\nDate: Sat, 3 Jan 1970 00:30:00 +0200\n"
		"Content-Type: multipart/mixed; boundary=b\n\npreamble\n--b\n"
		"Content-Type: text/plain; charset=koi8-r\n"
		"Content-Transfer-Encoding: base64\n\n8NLJ18XU\n--b\n"
		"Content-Type: application/x; name=secretname\n\nsecretbytes\n"
		"--b\nContent-Type: message/rfc822\n\n"
		"Subject: inner subject\n\ninner body\n"
		"--b\nContent-Type: text/html\n\n"
		"<p class=\"big\">Caf&eacute;&nbsp;&#268;ern&yacute; &amp;amp "
		"&euro\n--b--\n"),
	/* 4: nothing at all */
	MESSAGE(""),
	/* 5 */
	MESSAGE("Subject: \nSubject: second\nDate: nonsense\n\n"
		"\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 utf\n"),
#undef MESSAGE
};

static const struct {
	const char	*program;
	const char	*hits;		/* positions, SP between */
} search_cases[] = {
	{ "ALL", "0 1 2 3 4" }, { "NOT ALL", "" },
	{ "SEEN", "0" }, { "UNSEEN", "1 2 3 4" }, { "ANSWERED", "1" },
	{ "UNANSWERED SEEN", "0" }, { "FLAGGED", "2" }, { "DELETED", "3" },
	{ "DRAFT", "4" }, { "UNDRAFT UNDELETED UNFLAGGED", "0 1" },
	{ "RECENT", "0 4" }, { "NEW", "4" }, { "OLD", "1 2 3" },
	{ "KEYWORD $forwarded", "1 2" }, { "UNKEYWORD $Forwarded", "0 3 4" },
	{ "KEYWORD none", "" }, { "UNKEYWORD none", "0 1 2 3 4" },
	{ "2:3", "1 2" }, { "*", "4" }, { "4:*,1", "0 3 4" },
	{ "UID 2,9", "1" }, { "UID *:4", "3 4" }, { "99", "" },
	{ "$", "1 3" }, { "NOT $", "0 2 4" }, { "UID $", "1 3" },
	{ "LARGER 0", "0 1 2 4" }, { "SMALLER 1", "3" },
	{ "BEFORE 2-Jan-1970", "0" }, { "ON \"2-Jan-1970\"", "1" },
	{ "SINCE 4-Jan-1970", "3 4" },
	{ "SENTBEFORE 2-Jan-1970", "0" }, { "SENTON 1-Jan-1970", "0" },
	/* as it is written, not as UTC */
	{ "SENTON 3-Jan-1970", "2" }, { "SENTSINCE 2-Jan-1970", "2" },
	{ "SAVEDBEFORE 2-Jan-1970", "0" }, { "SAVEDON 3-Jan-1970", "2" },
	{ "SAVEDSINCE 4-Jan-1970", "3 4" }, { "SAVEDATESUPPORTED", "0 1 2 3 4" },
	{ "OLDER 3600", "0 1 2 3 4" }, { "YOUNGER 3600", "" },
	{ "MODSEQ 13", "3 4" }, { "MODSEQ \"/flags/\\\\draft\" all 14", "4" },
	{ "EMAILID M00000000000000000000000000000002", "2" },
	{ "UIDAFTER 3", "3 4" }, { "UIDAFTER 5", "" },
	{ "UIDBEFORE 3", "0 1" }, { "UIDBEFORE 1", "" },
	{ "EMAILID x", "" }, { "THREADID x", "" }, { "NOT THREADID x",
	    "0 1 2 3 4" },
	{ "OR SEEN DELETED", "0 3" }, { "OR (1 SEEN) (2:3 NOT FLAGGED)", "0 1" },
	{ "(((1)))", "0" }, { "NOT NOT 1", "0" },
	/* text */
	{ "SUBJECT hello", "0" }, { "SUBJECT \"o w\"", "0" },
	{ "SUBJECT nothing", "" }, { "SUBJECT \"\"", "0 1 2 4" },
	{ "SUBJECT second", "4" },
	{ "FROM ann", "0" }, { "FROM EXAMPLE.COM", "0 1" }, { "TO bob", "0" },
	{ "CC ann", "1" }, { "BCC ann", "" }, { "HEADER x-other \"some th\"",
	    "0" }, { "HEADER X-Other \"\"", "0" }, { "HEADER none \"\"", "" },
	{ "HEADER \"\" x", "" },
	{ "BODY \"QUICK brown\"", "0" }, { "BODY hello", "" },
	{ "TEXT hello", "0" }, { "TEXT some\\", NULL },
	{ "TEXT \"some thing\"", "0" },
	{ "BODY \"inner subject\"", "2" }, { "BODY \"inner body\"", "2" },
	{ "BODY secretbytes", "" }, { "BODY secretname", "" },
	{ "TEXT secretname", "2" }, { "BODY preamble", "" },
	{ "BODY \"\"", "0 1 2 3 4" },
	/* decoded, folded */
	{ "CHARSET utf-8 SUBJECT {6}\r\ngr\xc3\x9c\xc3\x9f", "1" },
	{ "SUBJECT \"Gr\xc3\xbc\xc3\x9f" "e\"", "1" },
	{ "CHARSET ISO-8859-1 SUBJECT {3}\r\nR\xdc\xdf", "1" },
	{ "FROM \"j\xc3\xb6RG\"", "1" },
	{ "BODY \"sch\xc3\x96ne gr\xc3\xbc\xc3\x9f" "e\"", "1" },
	{ "BODY \"\xd0\xbf\xd1\x80\xd0\x98\xd0\xb2\xd0\xb5\xd1\x82\"", "2 4" },
	{ "CHARSET koi8-r BODY {6}\r\n\xf0\xf2\xe9\xf7\xe5\xf4", "2 4" },
	{ "CHARSET us-ascii TEXT fox", "0" },
	/* HTML, as it is read and as it is written */
	{ "BODY \"caf\xc3\xa9 \xc4\x8d" "ERN\xc3\xbd\"", "2" },
	{ "BODY \"caf&eacute;\"", "2" }, { "BODY \"&amp &euro\"", "2" },
	{ "BODY \"class=\\\"BIG\"", "2" }, { "BODY \"\xe2\x82\xac\"", "" },
};

static void
begin_corpus(struct view *v)
{
	size_t i;

	box_clear();
	for (i = 0; i < sizeof(corpus) / sizeof(corpus[0]); i++)
		box_add(corpus[i]);
	box.e[0].flags = FLAG_SEEN;
	box.e[1].flags = FLAG_ANSWERED;
	box.e[2].flags = FLAG_FLAGGED;
	box.e[3].flags = FLAG_DELETED;
	box.e[4].flags = FLAG_DRAFT;
	box.e[1].keywords = box.e[2].keywords = 8;
	view_open(v, &box);
	v->v[0].flags |= FLAG_RECENT;
	v->v[4].flags |= FLAG_RECENT;
	uids_add(&v->saved, 2);
	uids_add(&v->saved, 4);
}

static enum search_error
run(struct view *v, struct slice program, unsigned flags, struct buf *out)
{
	struct arena a = ARENA_INIT(1 << 20);
	struct cursor c = cursor_of(program, &a);
	struct search *s = NULL;
	enum search_error e;
	size_t i;

	c.utf8 = true;
	buf_reset(out);
	e = search_parse(&c, flags, &s);
	if (e == SEARCH_OK) {
		search_begin(s, v);
		while (search_step(s, 0) == SEARCH_GOING_ON)
			;
		for (i = 0; i < search_hits(s)->n; i++)
			buf_printf(out, "%s%u", i == 0 ? "" : " ",
			    search_hits(s)->v[i]);
	}
	search_free(&s);
	arena_clear(&a);
	return e;
}

static void
programs_match(bool summaries)
{
	struct buf out = BUF_INIT(1000);
	struct guard g;
	struct view v = { 0 };
	size_t i, n;
	bool good;

	guard_init(&g, 1000);
	begin_corpus(&v);
	box.no_summaries = !summaries;
	for (i = 0; i < sizeof(search_cases) / sizeof(search_cases[0]); i++) {
		struct slice p = slice_str(search_cases[i].program);

		good = search_cases[i].hits != NULL;
		assert_int_equal(run(&v, guard_copy(&g, p), 0, &out),
		    good ? SEARCH_OK : SEARCH_BAD);
		if (good && !slice_eq(buf_slice(&out),
			slice_str(search_cases[i].hits)))
			fail_msg("%s: got \"%s\", not \"%s\"",
			    search_cases[i].program, buf_cstr(&out),
			    search_cases[i].hits);
		for (n = 0; n < p.n; n++)
			run(&v, guard_copy(&g, slice_first(p, n)), 0, &out);
	}
	view_free(&v);
	guard_clear(&g);
	buf_clear(&out);
}

static void
programs_match_with_summaries(void **state)
{
	(void)state;
	programs_match(true);
}

static void
programs_match_without_summaries(void **state)
{
	(void)state;
	programs_match(false);
}

/* RFC 8474 5.2: what belongs together, by what the messages themselves say. */
static void
threads_have_ids(void **state)
{
	static const struct {
		const char	*text;
		unsigned	 thread;
	} cases[] = {
		{ "Message-ID: <1@a>\n\n", 1 },
		{ "Message-ID: <2@a>\nReferences: <1@a>\n\n", 1 },
		{ "Message-ID: <3@a>\nReferences: <1@a> <2@a>\n"
		    "In-Reply-To: <2@a>\n\n", 1 },
		{ "Message-ID: <4@a>\nIn-Reply-To: <1@a>\n\n", 1 },
		{ "References: <1@a>\n\n", 1 },
		{ "Message-ID: <5@a>\nSubject: Re: x\n\n", 2 },
		{ "Message-ID: <1@A>\n\n", 3 },
		{ "\n", 4 }, { "Message-ID: nonsense\n\n", 5 }, { "", 6 },
	};
	enum { N = sizeof(cases) / sizeof(cases[0]) };
	struct buf bytes = BUF_INIT(2 * SUMMARY_BYTES);
	uint8_t guid[16] = { 0 }, ids[N][16];
	struct summary sum;
	size_t i, k;

	(void)state;
	for (i = 0; i < N; i++) {
		guid[0] = (uint8_t)i;
		buf_reset(&bytes);
		assert_int_equal(summary_build(slice_str(cases[i].text),
		    &bytes), 0);
		assert_true(summary_read(buf_slice(&bytes), &sum));
		thread_id(&sum, guid, ids[i]);
		for (k = 0; k < i; k++)
			assert_int_equal(memcmp(ids[i], ids[k], 16) == 0,
			    cases[i].thread == cases[k].thread);
	}
	buf_clear(&bytes);
}

static void
programs_that_are_refused(void **state)
{
	static const struct {
		const char	*program;
		enum search_error error;
		unsigned	 flags;
	} cases[] = {
		{ "", SEARCH_BAD, 0 }, { "ALL ", SEARCH_BAD, 0 },
		{ "NOTHING", SEARCH_BAD, 0 }, { "(ALL", SEARCH_BAD, 0 },
		{ "ALL)", SEARCH_BAD, 0 }, { "()", SEARCH_BAD, 0 },
		{ "OR ALL", SEARCH_BAD, 0 }, { "NOT", SEARCH_BAD, 0 },
		{ "SUBJECT", SEARCH_BAD, 0 }, { "0", SEARCH_BAD, 0 },
		{ "BEFORE 32-Jan-1970", SEARCH_BAD, 0 },
		{ "OLDER 0", SEARCH_BAD, 0 }, { "LARGER -1", SEARCH_BAD, 0 },
		{ "CHARSET x-none ALL", SEARCH_BADCHARSET, 0 },
		{ "CHARSET \"../x\" ALL", SEARCH_BADCHARSET, 0 },
		{ "CHARSET \"\" ALL", SEARCH_BADCHARSET, 0 },
		{ "CHARSET us-ascii SUBJECT {1}\r\n\xe9", SEARCH_BADCHARSET, 0 },
		{ "CHARSET utf-8 ALL", SEARCH_BAD, SEARCH_UTF8 },
		{ "ALL", SEARCH_BAD, SEARCH_CHARSET_FIRST },
		{ "utf-8 ALL", SEARCH_OK, SEARCH_CHARSET_FIRST },
		{ "1", SEARCH_UIDREQUIRED, SEARCH_UIDONLY },
		{ "OR UID 1 NOT (ALL 1:*)", SEARCH_UIDREQUIRED,
		    SEARCH_UIDONLY },
		{ "UIDAFTER 0", SEARCH_BAD, 0 },
		{ "UIDBEFORE *", SEARCH_BAD, 0 },
		{ "UIDAFTER 1:2", SEARCH_BAD, 0 },
		{ "UID 1", SEARCH_OK, SEARCH_UIDONLY },
		{ "$", SEARCH_OK, SEARCH_UIDONLY },
	};
	struct buf out = BUF_INIT(1000), p = BUF_INIT(100000);
	struct view v = { 0 };
	size_t i;

	(void)state;
	begin_corpus(&v);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (run(&v, slice_str(cases[i].program), cases[i].flags,
			&out) != cases[i].error)
			fail_msg("%s", cases[i].program);
	for (i = 0; i < 100; i++)
		buf_add_str(&p, "NOT ");
	buf_add_str(&p, "ALL");
	assert_int_equal(run(&v, buf_slice(&p), 0, &out), SEARCH_LIMIT);
	buf_reset(&p);
	for (i = 0; i < 40; i++)
		buf_add_str(&p, "(");
	assert_int_equal(run(&v, buf_slice(&p), 0, &out), SEARCH_LIMIT);
	buf_reset(&p);
	buf_add_str(&p, "ALL");
	for (i = 0; i < SEARCH_KEYS; i++)
		buf_add_str(&p, " ALL");
	assert_int_equal(run(&v, buf_slice(&p), 0, &out), SEARCH_LIMIT);
	view_free(&v);
	buf_clear(&p);
	buf_clear(&out);
}

/* What cannot be read matches nothing, not even NOT. */
static void
messages_that_cannot_be_read_match_nothing(void **state)
{
	struct buf out = BUF_INIT(1000);
	struct view v = { 0 };

	(void)state;
	begin_corpus(&v);
	box.no_content = true;
	assert_int_equal(run(&v, SLICE_LIT("NOT BODY x"), 0, &out), SEARCH_OK);
	assert_int_equal(out.n, 0);
	assert_int_equal(run(&v, SLICE_LIT("OR SEEN BODY x"), 0, &out),
	    SEARCH_OK);
	assert_slice_equal(buf_slice(&out), SLICE_LIT("0"));
	view_free(&v);
	buf_clear(&out);
}

static void
cheap_criteria_spare_reading(void **state)
{
	struct buf out = BUF_INIT(1000);
	struct view v = { 0 };

	(void)state;
	begin_corpus(&v);
	box.reads = 0;
	run(&v, SLICE_LIT("BODY x SUBJECT hello SEEN"), 0, &out);
	assert_int_equal(box.reads, 1);
	view_free(&v);
	buf_clear(&out);
}

/* For SORT and THREAD: what matches has a summary when it is done. */
static void
summaries_are_made_while_searching(void **state)
{
	struct arena a = ARENA_INIT(1 << 20);
	struct cursor c = cursor_of(SLICE_LIT("2:3"), &a);
	struct search *s;
	struct view v = { 0 };

	(void)state;
	begin_corpus(&v);
	assert_int_equal(search_parse(&c, 0, &s), SEARCH_OK);
	search_wants_summaries(s);
	search_begin(s, &v);
	while (search_step(s, 0) == SEARCH_GOING_ON)
		;
	assert_true(box.summary[0].n == 0 && box.summary[1].n > 0 &&
	    box.summary[2].n > 0 && box.summary[3].n == 0);
	search_free(&s);
	view_free(&v);
	arena_clear(&a);
}

/* A needle over every boundary of the chunks, in each encoding. */
static void
text_is_found_across_chunks(void **state)
{
	static const char *const heads[] = { "\n",
		"Content-Type: text/plain; charset=iso-8859-5\n\n",
		"Content-Transfer-Encoding: quoted-printable\n\n",
		"Content-Type: text/html; charset=utf-8\n\n" };
	struct buf b = BUF_INIT(1 << 20), out = BUF_INIT(1000);
	struct view v = { 0 };
	size_t i, k, at;

	(void)state;
	for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		for (k = 0; k < 20; k++) {
			box_clear();
			buf_reset(&b);
			buf_add_str(&b, heads[i]);
			for (at = b.n + 64 * 1024 - k; b.n < at;)
				buf_add_byte(&b, '.');
			buf_add_str(&b, i == 3 ? "needle&eacute;!" :
			    "needle\xc3\xa9!");
			for (at = b.n + 100000; b.n < at;)
				buf_add_byte(&b, '.');
			box_add(buf_slice(&b));
			view_open(&v, &box);
			run(&v, SLICE_LIT("BODY needle"), 0, &out);
			assert_slice_equal(buf_slice(&out), SLICE_LIT("0"));
			if (i != 1) {
				run(&v, SLICE_LIT("BODY \"E\xc3\x89!\""), 0,
				    &out);
				assert_slice_equal(buf_slice(&out),
				    SLICE_LIT("0"));
			}
			view_free(&v);
		}
	}
	box_clear();
	buf_clear(&b);
	buf_clear(&out);
}

/* ---- SORT ---------------------------------------------------------------- */

static const struct slice sortable[] = {
#define MESSAGE(s)	{ s, sizeof(s) - 1 }
	MESSAGE("From: Zoe <b@x>\nTo: c@x\nSubject: Re: beta\n"
		"Date: 3 Jan 2020 00:00:00 +0000\n\n12345\n"),
	MESSAGE("From: a@x\nTo: \"=?utf-8?q?=C3=84rger?=\" <z@x>\n"
		"Subject: Alpha\nDate: 2 Jan 2020 00:00:00 +0000\nCc: m@x\n\n"),
	MESSAGE("From: A@x\nSubject: [l] ALPHA (fwd)\nCc: k@x\n\n1\n"),
	MESSAGE("From: Ann <c@x>\nTo: C@x\nSubject: gamma\n"
		"Date: 2 Jan 2020 01:00:00 +0200\n\n123\n"),
#undef MESSAGE
};

static void
orders(void **state)
{
	static const struct {
		const char	*keys, *order;	/* order NULL: refused */
	} cases[] = {
		{ "(ARRIVAL)", "0123" }, { "(REVERSE ARRIVAL)", "3210" },
		{ "(DATE)", "2310" }, { "(SUBJECT)", "1203" },
		{ "(REVERSE SUBJECT)", "3012" }, { "(SUBJECT REVERSE DATE)",
		    "1203" }, { "(FROM)", "1203" }, { "(FROM REVERSE ARRIVAL)",
		    "2103" }, { "(TO)", "2031" }, { "(CC)", "0321" },
		{ "(SIZE)", "2301" }, { "(DISPLAYFROM)", "1230" },
		{ "(DISPLAYTO DATE)", "2130" }, { "(display" "from)", "1230" },
		{ "()", NULL }, { "(REVERSE)", NULL }, { "(X)", NULL },
		{ "(DATE", NULL }, { "DATE", NULL }, { "(DATE  DATE)", NULL },
	};
	struct arena a = ARENA_INIT(1000);
	struct sort_key keys[SORT_KEYS];
	struct uids p = { 0 };
	struct view v = { 0 };
	struct cursor c;
	size_t i, k, n;
	char got[5] = "";

	(void)state;
	box_clear();
	for (i = 0; i < 4; i++)
		box_add(sortable[i]);
	view_open(&v, &box);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		c = cursor_of(slice_str(cases[i].keys), &a);
		assert_int_equal(sort_parse(&c, keys, &n),
		    cases[i].order != NULL);
		if (cases[i].order == NULL)
			continue;
		p.n = 0;
		for (k = 0; k < 4; k++)
			uids_add(&p, (uint32_t)k);
		sort_positions(&v, keys, n, &p);
		for (k = 0; k < 4; k++)
			got[k] = (char)('0' + p.v[k]);
		if (strcmp(got, cases[i].order) != 0)
			fail_msg("%s: %s, not %s", cases[i].keys, got,
			    cases[i].order);
	}
	uids_clear(&p);
	view_free(&v);
	arena_clear(&a);
}

/* ---- THREAD -------------------------------------------------------------- */

/* One line a message: "id refs|subject"; dates ascend. */
static const struct {
	const char	*messages;
	const char	*references, *ordered;
} thread_cases[] = {
	{ "", "", "" },
	{ "a|x", "(1)", "(1)" },
	{ "a|x;b a|Re: x", "(1 2)", "(1 2)" },
	{ "a|x;b a|Re: x;c a|Re: x", "(1 (2)(3))", "(1 (2)(3))" },
	{ "a|x;b a|Re: x;c a b|Re: x;d c|re: x", "(1 2 3 4)",
	    "(1 (2)(3)(4))" },
	/* a parent that is not there */
	{ "b a|Re: x;c a|Re: x", "((1)(2))", "(1 2)" },
	{ "b a|Re: x", "(1)", "(1)" },
	{ "c a b|Re: x;d a|Re: x", "((1)(2))", "(1 2)" },
	/* the oldest child has the subject of a parent that is not there */
	{ "c p q|x;d p|y;e|Re: x", "((1)(2)(3))", "(1 3)(2)" },
	/* children before their parents */
	{ "c b|Re: x;b a|Re: x;a|x", "(3 2 1)", "(1 (2)(3))" },
	/* by subject: a reply without references; two that are none */
	{ "a|x;b|Re: x", "(1 2)", "(1 2)" },
	{ "b|Re: x;a|x", "(2 1)", "(1 2)" },
	{ "a|x;b|x", "((1)(2))", "(1 2)" },
	{ "a|x;b|x;c|Re: x", "((1)(2)(3))", "(1 (2)(3))" },
	{ "a|x;b|y", "(1)(2)", "(1)(2)" },
	/* no subject is no subject in common */
	{ "a|;b|", "(1)(2)", "(1 2)" },
	/* it is no reply, whatever others say of it */
	{ "a|x;b a c|y;c|z", "(1)(3 2)", "(1)(2)(3)" },
	/* loops, itself, the same id twice, none */
	{ "a b|x;b a|x", "(2 1)", "(1 2)" },
	{ "a a|x", "(1)", "(1)" },
	{ "a|x;a|y", "(1)(2)", "(1)(2)" },
	{ "|x;|y", "(1)(2)", "(1)(2)" },
	{ "a b c a|x;b c|x;c a|x", NULL, "(1 (2)(3))" },
};

static void
make_threads(const char *text, struct buf *mail, size_t *at)
{
	struct slice rest = slice_str(text), line, id, refs;
	unsigned day = 1;

	buf_reset(mail);
	while (rest.p != NULL && *text != '\0' &&
	    slice_next(&rest, ';', &line)) {
		at[box.n] = mail->n;
		buf_printf(mail, "Date: %u Jan 2020 00:00:00 +0000\n", day++);
		refs = slice_first(line, slice_find(line, '|'));
		slice_next(&refs, ' ', &id);
		if (id.n > 0)
			buf_printf(mail, "Message-ID: <%.*s>\n", SLICE_ARG(id));
		buf_add_str(mail, "References:");
		while (refs.p != NULL && slice_next(&refs, ' ', &id))
			buf_printf(mail, " <%.*s>", SLICE_ARG(id));
		line = slice_from(line, slice_find(line, '|') + 1);
		buf_printf(mail, "\nSubject: %.*s\n\n", SLICE_ARG(line));
		box_add(SLICE_EMPTY);
	}
	at[box.n] = mail->n;
}

static void
threads(void **state)
{
	struct buf mail = BUF_INIT(10000), out = BUF_INIT(1000);
	struct uids p = { 0 };
	struct view v = { 0 };
	size_t at[100], i, k;

	(void)state;
	for (i = 0; i < sizeof(thread_cases) / sizeof(thread_cases[0]); i++) {
		box_clear();
		make_threads(thread_cases[i].messages, &mail, at);
		p.n = 0;
		for (k = 0; k < box.n; k++) {
			box.content[k] = slice_of(mail.p + at[k],
			    at[k + 1] - at[k]);
			uids_add(&p, (uint32_t)k);
		}
		view_open(&v, &box);
		buf_reset(&out);
		assert_int_equal(thread_write(&v, THREAD_REFERENCES, &p, false,
		    &out), 0);
		if (thread_cases[i].references != NULL &&
		    strcmp(buf_cstr(&out), thread_cases[i].references) != 0)
			fail_msg("%s: %s, not %s", thread_cases[i].messages,
			    buf_cstr(&out), thread_cases[i].references);
		buf_reset(&out);
		assert_int_equal(thread_write(&v, THREAD_ORDEREDSUBJECT, &p,
		    true, &out), 0);
		if (strcmp(buf_cstr(&out), thread_cases[i].ordered) != 0)
			fail_msg("%s: %s, not %s", thread_cases[i].messages,
			    buf_cstr(&out), thread_cases[i].ordered);
		view_free(&v);
	}
	box_clear();
	uids_clear(&p);
	buf_clear(&mail);
	buf_clear(&out);
}

/* A conversation of all messages: neither stack nor time may grow with it. */
static void
a_long_conversation_is_written(void **state)
{
	struct buf mail = BUF_INIT(1 << 24), out = BUF_INIT(1 << 24);
	struct uids p = { 0 };
	struct view v = { 0 };
	size_t i, n, *at = mem_array(MESSAGES + 1, sizeof(*at));
	clock_t from;

	(void)state;
	box_clear();
	for (i = 0; i < MESSAGES; i++) {
		at[i] = mail.n;
		buf_printf(&mail, "Message-ID: <%zu>\nReferences: <%zu>\n\n",
		    i + 1, i);
		box_add(SLICE_EMPTY);
		uids_add(&p, (uint32_t)i);
	}
	at[i] = mail.n;
	for (i = 0; i < MESSAGES; i++)
		box.content[i] = slice_of(mail.p + at[i], at[i + 1] - at[i]);
	view_open(&v, &box);
	from = clock();
	assert_int_equal(thread_write(&v, THREAD_REFERENCES, &p, false, &out),
	    0);
	/* Answers first, the worst for finding loops. */
	for (i = 0; i < MESSAGES / 2; i++) {
		uint32_t k = p.v[i];

		p.v[i] = p.v[MESSAGES - 1 - i];
		p.v[MESSAGES - 1 - i] = k;
	}
	assert_int_equal(thread_write(&v, THREAD_REFERENCES, &p, false, &out),
	    0);
	assert_true(clock() - from < 5 * CLOCKS_PER_SEC);
	assert_int_equal(out.p[0], '(');
	for (i = n = 0; i < out.n; i++)
		n += out.p[i] == ')';
	assert_int_equal(n, 2);
	view_free(&v);
	box_clear();
	uids_clear(&p);
	free(at);
	buf_clear(&mail);
	buf_clear(&out);
}

/* ---- --bench ------------------------------------------------------------- */

static void
bench(void)
{
	static const char *const programs[] = { "TEXT nomatchatall",
		"BODY nomatchatall", "SUBJECT nomatchatall", "FROM nomatch",
		"HEADER X-None x", "UNSEEN", "SENTSINCE 1-Jan-2030" };
	struct buf m = BUF_INIT(10000), out = BUF_INIT(1 << 20);
	struct slice text;
	struct view v = { 0 };
	struct timespec a, z;
	size_t i;

	buf_add_str(&m, "Return-Path: <sender@example.com>\nReceived: from x by y"
	    "\n\tfor <z>; Fri, 27 Nov 2026 13:00:00 +0000\nFrom: Some Sender "
	    "<sender@example.com>\nTo: user <user@example.org>\nSubject: An "
	    "ordinary subject line\nDate: Fri, 27 Nov 2026 13:00:00 +0000\n"
	    "Message-ID: <1234567890@example.com>\nMIME-Version: 1.0\n"
	    "Content-Type: text/plain; charset=utf-8\n\n");
	for (i = 0; i < 9; i++)
		buf_add_str(&m,
		    "The quick brown fox jumps over the lazy dog, and "
		    "then it goes home.\n");
	text = buf_slice(&m);
	for (i = 0; i < 20000; i++)
		box_add(text);
	view_open(&v, &box);
	run(&v, SLICE_LIT("SUBJECT x"), 0, &out);
	for (i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
		run(&v, slice_str(programs[i]), 0, &out);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &z);
		printf("%-28s %7.2f ms, 20000 of %zu bytes\n", programs[i],
		    (double)(z.tv_sec - a.tv_sec) * 1e3 +
			(double)(z.tv_nsec - a.tv_nsec) / 1e6, text.n);
	}
	view_free(&v);
	box_clear();
	buf_clear(&m);
	buf_clear(&out);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_match_with_summaries),
		cmocka_unit_test(programs_match_without_summaries),
		cmocka_unit_test(threads_have_ids),
		cmocka_unit_test(programs_that_are_refused),
		cmocka_unit_test(messages_that_cannot_be_read_match_nothing),
		cmocka_unit_test(cheap_criteria_spare_reading),
		cmocka_unit_test(summaries_are_made_while_searching),
		cmocka_unit_test(text_is_found_across_chunks),
		cmocka_unit_test(orders),
		cmocka_unit_test(threads),
		cmocka_unit_test(a_long_conversation_is_written),
	};

	if (argc > 1 && strcmp(argv[1], "--bench") == 0) {
		bench();
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
