/* SPDX-License-Identifier: ISC */
/*
 * compose_test - reports are composed and taken apart again: the structure of
 * RFC 6522, each field of RFC 3464, sizes, characters, and words of others
 * that try to be more than words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/num.h"
#include "base/test_guard.h"
#include "compose.h"
#include "mail/address.h"
#include "mail/header.h"
#include "mail/mime.h"

#define E_ACUTE		"\xc3\xa9"
#define ORIGINAL	"From: <s@example.org>\r\nSubject: hello\r\n"	\
			"Message-ID: <id@example.org>\r\n\r\nthe body\r\n"

static struct templates templates;
static struct report_recipient to[3];
static struct report report;
static struct compose job;

/* What came out. */
static struct buf envelope_bytes, message;
static struct arena arena = { .max = 1 << 20 };
static struct envelope envelope;
static struct slice parts[3];		/* each with its header */
static struct mime_type types[3];

static int
setup(void **state)
{
	(void)state;
	templates_init(&templates);
	buf_init(&envelope_bytes, ENVELOPE_BYTES);
	buf_init(&message, INLINE_BYTES);
	to[0] = (struct report_recipient){
		.address = SLICE_LIT("bob@next.example"),
		.original = SLICE_LIT("bob@next.example"),
		.orcpt = SLICE_LIT("rfc822;Bob+x@host.example"),
		.outcome = { .status = OUTCOME_FAILED,
		    .enhanced = { 5, 1, 1 }, .code = 550,
		    .remote = SLICE_LIT("mx.next.example[192.0.2.7]:25"),
		    .text = SLICE_LIT("5.1.1 no such person\nask "
				      "somebody else") },
		.attempted_ms = 1795376280000,
	};
	to[1] = to[0];
	to[1].address = SLICE_LIT("|/bin/prog secret");
	to[1].original = SLICE_LIT("list@example.org");
	to[1].orcpt = SLICE_LIT("");
	to[1].outcome = (struct outcome){ .status = OUTCOME_FAILED,
		.remote = SLICE_LIT(""), .text = SLICE_LIT("it exits with 1") };
	to[2] = to[0];
	report = (struct report){
		.kind = REPORT_FAILURE,
		.queue_id = 0x1234,
		.report_id = 0x5678,
		.reverse_path = SLICE_LIT("s@example.org"),
		.envid = SLICE_LIT("QQ 314"),
		.body = BODY_7BIT,
		.arrived_ms = 1795376200000,
		.until_ms = 1795380000000,
		.recipients = to,
		.nrecipients = 1,
	};
	job = (struct compose){
		.templates = &templates,
		.hostname = "mx.example.org",
		.from_name = "Mail Delivery System",
		.headers_above = 50 * 1024,
		.now_ms = 1795376300000,
		.report = &report,
		.message = SLICE_LIT(ORIGINAL),
	};
	setenv("TZ", "UTC0", 1);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	templates_clear(&templates);
	buf_clear(&envelope_bytes);
	buf_clear(&message);
	arena_clear(&arena);
	return 0;
}

/* Composes, and takes the result apart as RFC 2046 has it. */
static void
compose_and_parse(void)
{
	struct slice all, body, line;
	struct delimiter d = { 0 };
	struct mime_type type;
	struct field f;
	struct wire w;
	size_t at, i;

	report.total = report.total == 0 ? job.message.n : report.total;
	buf_reset(&envelope_bytes);
	assert_true(compose(&job, &envelope_bytes, &message));
	assert_true(message.n <= INLINE_BYTES);
	w = wire_of(buf_slice(&envelope_bytes));
	assert_true(envelope_unpack(&w, &arena, &envelope) && wire_done(&w));
	all = buf_slice(&message);
	assert_true(header_find(all, "Content-Type", &f));
	assert_true(mime_type_parse(f.body, &type));
	assert_true(mime_type_is(&type, "multipart", "report"));
	assert_int_equal(header_count(all, "MIME-Version"), 1);
	body = slice_from(all, header_bytes(all));
	for (at = 0, i = 0; i < 4; i++, at = d.next) {
		assert_true(delimiter_find(body, at, &type, &d));
		assert_int_equal(d.last, i == 3);
		if (i == 0)
			continue;
		parts[i - 1] = slice_of(body.p + at, d.part_end - at);
		assert_true(header_find(parts[i - 1], "Content-Type", &f));
		assert_true(mime_type_parse(f.body, &types[i - 1]));
	}
	assert_int_equal(d.next, body.n);
	assert_true(mime_type_is(&types[0], "text", "plain"));
	while (slice_next(&all, '\n', &line)) {
		assert_true(line.n <= 999);
		assert_int_equal(slice_find(line, '\r') + (all.p != NULL),
		    line.n);
	}
}

/* A field of the block (0: the message's) of the status part, unfolded. */
static struct slice
status_field(size_t block, const char *name)
{
	struct slice s = slice_from(parts[1], header_bytes(parts[1])), text;
	struct field f;

	for (; block > 0; block--)
		s = slice_from(s, header_bytes(s));
	if (!header_find(s, name, &f))
		return SLICE_EMPTY;
	assert_int_equal(header_count(s, name), 1);
	assert_int_equal(header_unfold(&arena, f.body, &text), 0);
	return text;
}

static size_t
status_blocks(void)
{
	struct slice s = slice_from(parts[1], header_bytes(parts[1]));
	size_t n;

	for (n = 0; s.n > 0; n++)
		s = slice_from(s, header_bytes(s));
	return n;
}

static struct slice
message_field(const char *name)
{
	struct slice text = SLICE_EMPTY;
	struct field f;

	if (header_find(buf_slice(&message), name, &f))
		header_unfold(&arena, f.body, &text);
	return text;
}

static struct slice
part_body(size_t i)
{
	return slice_from(parts[i], header_bytes(parts[i]));
}

static bool
contains(struct slice s, const char *text)
{
	return memmem(s.p, s.n, text, strlen(text)) != NULL;
}

#define FIELD(block, name, text) \
	assert_slice_equal(status_field(block, name), SLICE_LIT(text))

static void
failure_field_by_field(void **state)
{
	(void)state;
	compose_and_parse();
	assert_int_equal(envelope.reverse_path.n, 0);
	assert_int_equal(envelope.nrecipients, 1);
	assert_slice_equal(envelope.recipients[0].address,
	    SLICE_LIT("s@example.org"));
	assert_int_equal(envelope.recipients[0].notify, NOTIFY_NEVER);
	assert_int_equal(envelope.body, BODY_7BIT);
	assert_slice_equal(message_field("From"), SLICE_LIT(
	    "Mail Delivery System <MAILER-DAEMON@mx.example.org>"));
	assert_slice_equal(message_field("To"), SLICE_LIT("<s@example.org>"));
	assert_slice_equal(message_field("Auto-Submitted"),
	    SLICE_LIT("auto-replied"));
	assert_slice_equal(message_field("In-Reply-To"),
	    SLICE_LIT("<id@example.org>"));
	assert_slice_equal(message_field("References"),
	    SLICE_LIT("<id@example.org>"));
	assert_slice_equal(message_field("Date"),
	    SLICE_LIT("Sun, 22 Nov 2026 19:38:20 +0000"));
	assert_slice_equal(message_field("Message-ID"),
	    SLICE_LIT("<0000000000nkr.1795376300000@mx.example.org>"));
	assert_true(message_field("Subject").n > 0);
	assert_true(message_field("Received").n > 0);

	assert_true(mime_type_is(&types[1], "message", "delivery-status"));
	assert_int_equal(status_blocks(), 2);
	FIELD(0, "Reporting-MTA", "dns; mx.example.org");
	FIELD(0, "Original-Envelope-Id", "QQ 314");
	FIELD(0, "Arrival-Date", "Sun, 22 Nov 2026 19:36:40 +0000");
	FIELD(1, "Original-Recipient", "rfc822;Bob+x@host.example");
	FIELD(1, "Final-Recipient", "rfc822; bob@next.example");
	FIELD(1, "Action", "failed");
	FIELD(1, "Status", "5.1.1");
	FIELD(1, "Remote-MTA", "dns; mx.next.example (192.0.2.7)");
	FIELD(1, "Diagnostic-Code",
	    "smtp; 550 5.1.1 no such person    ask somebody else");
	FIELD(1, "Last-Attempt-Date", "Sun, 22 Nov 2026 19:38:00 +0000");
	FIELD(1, "Will-Retry-Until", "");

	assert_true(mime_type_is(&types[2], "message", "rfc822"));
	assert_slice_equal(part_body(2), SLICE_LIT(ORIGINAL));
	assert_true(contains(part_body(0), "<bob@next.example>"));
	assert_true(contains(part_body(0), "no such person"));
	assert_true(contains(part_body(0), "mx.example.org"));
	assert_false(contains(part_body(0), "${"));
}

static void
optional_fields_are_left_out(void **state)
{
	(void)state;
	report.envid = SLICE_EMPTY;
	to[0] = (struct report_recipient){ .address = SLICE_LIT("a@b"),
		.outcome = { .status = OUTCOME_FAILED } };
	job.message = SLICE_LIT("Subject: x\r\n\r\n");
	compose_and_parse();
	FIELD(0, "Original-Envelope-Id", "");
	FIELD(1, "Original-Recipient", "");
	FIELD(1, "Remote-MTA", "");
	FIELD(1, "Diagnostic-Code", "");
	FIELD(1, "Last-Attempt-Date", "");
	FIELD(1, "Status", "5.0.0");
	assert_int_equal(message_field("In-Reply-To").n, 0);
}

static void
remote_host_has_the_form_of_its_type(void **state)
{
	static const struct {
		const char	*remote, *field;
	} t[] = {
		{ "mx.example[192.0.2.7]:25", "dns; mx.example (192.0.2.7)" },
		{ "mx.example[2001:db8::7]:25",
		    "dns; mx.example (2001:db8::7)" },
		{ "[192.0.2.7]:2525", "dns; [192.0.2.7]" },
		{ "[2001:db8::7]:25", "dns; [IPv6:2001:db8::7]" },
		{ "mx.example", "dns; mx.example" },
		{ "/run/dovecot/lmtp", "" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		to[0].outcome.remote = slice_str(t[i].remote);
		compose_and_parse();
		assert_slice_equal(status_field(1, "Remote-MTA"),
		    slice_str(t[i].field));
	}
}

static void
code_of_a_reply_is_whole(void **state)
{
	static const struct {
		struct enhanced	 enhanced;
		uint16_t	 code;
		const char	*text, *field;
	} t[] = {
		{ { 5, 1, 1 }, 550, "no", "smtp; 550 5.1.1 no" },
		{ { 5, 1, 1 }, 550, "5.1.1 no", "smtp; 550 5.1.1 no" },
		{ { 5, 0, 0 }, 554, "no", "smtp; 554 no" },
		{ { 4, 4, 7 }, 550, "no", "smtp; 550 no" },
		{ { 0, 0, 0 }, 550, "", "smtp; 550" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		to[0].outcome.enhanced = t[i].enhanced;
		to[0].outcome.code = t[i].code;
		to[0].outcome.text = slice_str(t[i].text);
		compose_and_parse();
		assert_slice_equal(status_field(1, "Diagnostic-Code"),
		    slice_str(t[i].field));
	}
}

static void
programs_are_not_named(void **state)
{
	(void)state;
	report.nrecipients = 2;
	compose_and_parse();
	assert_int_equal(status_blocks(), 3);
	FIELD(2, "Final-Recipient", "rfc822; list@example.org");
	FIELD(2, "Diagnostic-Code", "X-Chasqui; it exits with 1");
	assert_false(contains(buf_slice(&message), "secret"));
}

static void
delays(void **state)
{
	(void)state;
	report.kind = REPORT_DELAY;
	to[0].outcome.status = OUTCOME_DEFERRED;
	to[0].outcome.enhanced = (struct enhanced){ 4, 2, 1 };
	to[0].outcome.code = 450;
	compose_and_parse();
	FIELD(1, "Action", "delayed");
	FIELD(1, "Status", "4.2.1");
	FIELD(1, "Will-Retry-Until", "Sun, 22 Nov 2026 20:40:00 +0000");
	assert_true(mime_type_is(&types[2], "text", "rfc822-headers"));
	assert_false(contains(buf_slice(&message), "the body"));
	assert_true(contains(part_body(0), "20:40:00"));
}

static void
successes(void **state)
{
	static const struct {
		enum outcome_status status;
		const char	*action;
	} t[] = {
		{ OUTCOME_DELIVERED, "delivered" },
		{ OUTCOME_RELAYED_NO_DSN, "relayed" },
		{ OUTCOME_EXPANDED, "expanded" },
	};
	size_t i;

	(void)state;
	report.kind = REPORT_SUCCESS;
	report.ret = RET_FULL;
	report.nrecipients = 3;
	for (i = 0; i < 3; i++) {
		to[i] = to[0];
		to[i].outcome.status = t[i].status;
		to[i].outcome.enhanced = (struct enhanced){ 2, 1, 5 };
		to[i].outcome.code = 250;
	}
	compose_and_parse();
	for (i = 0; i < 3; i++) {
		assert_slice_equal(status_field(i + 1, "Action"),
		    slice_str(t[i].action));
		FIELD(i + 1, "Status", "2.1.5");
	}
	/* RFC 3461 4.3: not the message, even with RET=FULL. */
	assert_true(mime_type_is(&types[2], "text", "rfc822-headers"));
}

static void
status_fits_the_kind(void **state)
{
	static const struct {
		enum report_kind kind;
		struct enhanced	 has;
		const char	*status;
	} t[] = {
		{ REPORT_FAILURE, { 4, 4, 7 }, "4.4.7" },
		{ REPORT_FAILURE, { 2, 0, 0 }, "5.0.0" },
		{ REPORT_DELAY, { 5, 1, 1 }, "4.0.0" },
		{ REPORT_SUCCESS, { 0, 0, 0 }, "2.0.0" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		report.kind = t[i].kind;
		to[0].outcome.enhanced = t[i].has;
		compose_and_parse();
		assert_slice_equal(status_field(1, "Status"),
		    slice_str(t[i].status));
	}
}

static void
for_postmaster(void **state)
{
	(void)state;
	report.kind = REPORT_POSTMASTER;
	report.reverse_path = SLICE_EMPTY;
	compose_and_parse();
	assert_slice_equal(envelope.recipients[0].address,
	    SLICE_LIT("postmaster"));
	assert_slice_equal(message_field("To"),
	    SLICE_LIT("<postmaster@mx.example.org>"));
	assert_true(mime_type_is(&types[2], "text", "rfc822-headers"));
	assert_true(contains(part_body(2), "Subject: hello\r\n"));
}

static void
header_only_where_asked_or_large(void **state)
{
	struct buf big = BUF_INIT(1 << 20);

	(void)state;
	report.ret = RET_HDRS;
	compose_and_parse();
	assert_true(mime_type_is(&types[2], "text", "rfc822-headers"));
	assert_slice_equal(part_body(2), SLICE_LIT("From: <s@example.org>\r\n"
	    "Subject: hello\r\nMessage-ID: <id@example.org>\r\n"));

	report.ret = RET_FULL;
	job.headers_above = job.message.n - 1;
	compose_and_parse();
	assert_true(mime_type_is(&types[2], "text", "rfc822-headers"));
	job.headers_above = job.message.n;
	compose_and_parse();
	assert_true(mime_type_is(&types[2], "message", "rfc822"));

	/* The limit allows it, and the report's own does not. */
	job.headers_above = 1 << 20;
	buf_add_str(&big, "Subject: big\r\n\r\n");
	while (big.n < INLINE_BYTES - 100)
		buf_add_str(&big, "line\r\n");
	job.message = buf_slice(&big);
	report.total = big.n;
	compose_and_parse();
	assert_true(mime_type_is(&types[2], "text", "rfc822-headers"));

	/* Only its front is at hand. */
	job.message = SLICE_LIT(ORIGINAL);
	report.total = 100000;
	compose_and_parse();
	assert_true(mime_type_is(&types[2], "text", "rfc822-headers"));
	buf_clear(&big);
}

static void
huge_header_sections_are_cut(void **state)
{
	struct buf big = BUF_INIT(1 << 20);

	(void)state;
	while (big.n < INLINE_BYTES - 50)
		buf_add_str(&big, "X-Filler: abcdefghijklmnop\r\n");
	job.message = buf_slice(&big);
	compose_and_parse();
	assert_true(part_body(2).n > 60 * 1024 && part_body(2).n <= 64 * 1024);
	assert_int_equal(part_body(2).n % 28, 0);
	buf_clear(&big);
}

static void
many_recipients_fit_with_less_detail(void **state)
{
	enum { MANY = 900 };
	static struct report_recipient many[MANY];
	size_t i;

	(void)state;
	for (i = 0; i < MANY; i++)
		many[i] = to[0];
	report.recipients = many;
	report.nrecipients = MANY;
	compose_and_parse();
	assert_int_equal(status_blocks(), MANY + 1);
	FIELD(MANY, "Final-Recipient", "rfc822; bob@next.example");
	FIELD(MANY, "Status", "5.1.1");
	assert_true(contains(part_body(0), "and 880 more"));
}

static void
too_many_recipients_are_refused(void **state)
{
	enum { MANY = 4000 };
	static struct report_recipient many[MANY];
	size_t i;

	(void)state;
	for (i = 0; i < MANY; i++)
		many[i] = to[0];
	report.recipients = many;
	report.nrecipients = MANY;
	report.total = job.message.n;
	assert_false(compose(&job, &envelope_bytes, &message));
}

static void
eight_bit_body_is_returned_as_it_is(void **state)
{
	(void)state;
	report.body = BODY_8BITMIME;
	job.message = SLICE_LIT("Subject: x\r\n\r\n" E_ACUTE "\xff\r\n");
	compose_and_parse();
	assert_true(mime_type_is(&types[2], "message", "rfc822"));
	assert_int_equal(envelope.body, BODY_8BITMIME);
	assert_slice_equal(message_field("Content-Transfer-Encoding"),
	    SLICE_LIT("8bit"));
}

static void
content_that_cannot_be_enclosed(void **state)
{
	static const struct {
		const char	*name;
		struct slice	 message;
		enum body_type	 body;
	} t[] = {
		{ "binary", SLICE_LIT("A: b\r\n\r\nx\r\n"), BODY_BINARYMIME },
		{ "NUL", SLICE_LIT("A: b\r\n\r\nx\0\r\n"), BODY_8BITMIME },
		{ "bare LF", SLICE_LIT("A: b\r\n\r\nx\ny\r\n"), BODY_7BIT },
		{ "bare CR", SLICE_LIT("A: b\r\n\r\nx\ry\r\n"), BODY_7BIT },
		{ "8-bit header", SLICE_LIT("A: \xe9\r\n\r\nx\r\n"),
		    BODY_8BITMIME },
		{ "UTF-8 header not announced",
		    SLICE_LIT("A: " E_ACUTE "\r\n\r\nx\r\n"), BODY_8BITMIME },
		{ "NUL in header", SLICE_LIT("A: \0\r\n\r\nx\r\n"),
		    BODY_8BITMIME },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		print_message("%s\n", t[i].name);
		job.message = t[i].message;
		report.total = 0;
		report.body = t[i].body;
		compose_and_parse();
		assert_true(mime_type_is(&types[2], "text",
		    "rfc822-headers"));
		assert_true(contains(parts[2], "A: "));
		assert_true(slice_is_ascii(buf_slice(&message)));
		assert_int_equal(envelope.body, BODY_7BIT);
	}
}

/* RFC 6533. */
static void
internationalized(void **state)
{
	(void)state;
	report.smtputf8 = true;
	report.body = BODY_8BITMIME;
	report.reverse_path = SLICE_LIT("s" E_ACUTE "@example.org");
	to[0].address = SLICE_LIT(E_ACUTE "@b");
	to[0].orcpt = SLICE_LIT("utf-8;" E_ACUTE "@b");
	job.message = SLICE_LIT("Subject: " E_ACUTE "\r\n\r\nx\r\n");
	compose_and_parse();
	assert_true(envelope.smtputf8);
	assert_true(mime_type_is(&types[1], "message",
	    "global-delivery-status"));
	assert_true(mime_type_is(&types[2], "message", "global"));
	FIELD(1, "Final-Recipient", "utf-8; " E_ACUTE "@b");
	FIELD(1, "Original-Recipient", "utf-8;" E_ACUTE "@b");
	assert_slice_equal(message_field("To"),
	    SLICE_LIT("<s" E_ACUTE "@example.org>"));
	report.ret = RET_HDRS;
	compose_and_parse();
	assert_true(mime_type_is(&types[2], "message", "global-headers"));

	/* The sender's host may not know SMTPUTF8, and need not. */
	report.reverse_path = SLICE_LIT("s@example.org");
	compose_and_parse();
	assert_false(envelope.smtputf8);
}

static void
words_stay_words(void **state)
{
	static const char *const evil[] = {
		"x\r\n\r\n--=_0000000000nkr.0--\r\n",
		"x\nFinal-Recipient: rfc822; evil@x",
		"x\r\nAction: delivered",
		"\n\n\n",
		"\x1b[2J\x07 \x7f",
		"\xff\xfe\xc3\xc3\xa9",
		"${sender} ${recipients}",
	};
	static char endless[1000];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(evil) / sizeof(evil[0]); i++) {
		to[0].outcome.text = slice_str(evil[i]);
		to[0].outcome.remote = slice_str(evil[i]);
		to[0].address = slice_str(evil[i]);
		to[0].orcpt = slice_str(evil[i]);
		report.envid = slice_str(evil[i]);
		compose_and_parse();
		assert_int_equal(status_blocks(), 2);
		FIELD(1, "Action", "failed");
		assert_true(slice_is_utf8(buf_slice(&message)));
		assert_false(contains(buf_slice(&message), "\x1b"));
	}
	memset(endless, 'x', sizeof(endless));
	to[0].outcome.text = slice_of(endless, sizeof(endless));
	compose_and_parse();
}

static void
message_ids_that_are_none(void **state)
{
	static const char *const t[] = {
		"Message-ID: \r\n\r\n", "Message-ID: x\r\n\r\n",
		"Message-ID: <a b>\r\n\r\n", "Message-ID: <a><b>\r\n\r\n",
		"Message-ID: <>\r\n\r\n", "Message-ID: <a\r\n b>\r\n\r\n",
		"X: y\r\n\r\nMessage-ID: <in@body>\r\n",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		job.message = slice_str(t[i]);
		report.total = 0;
		compose_and_parse();
		assert_int_equal(message_field("In-Reply-To").n, 0);
	}
}

static void
boundary_avoids_the_message(void **state)
{
	(void)state;
	job.message = SLICE_LIT("A: b\r\n\r\n--=_0000000000nkr.0--\r\n"
				"--=_0000000000nkr.1\r\n");
	compose_and_parse();
	assert_slice_equal(part_body(2), job.message);
}

static void
names_are_quoted_or_encoded(void **state)
{
	static const struct {
		const char	*name, *from;
	} t[] = {
		{ "Mail", "Mail <MAILER-DAEMON@mx.example.org>" },
		{ "Example, \"Inc.\"", "\"Example, \\\"Inc.\\\"\" "
		    "<MAILER-DAEMON@mx.example.org>" },
		{ "Caf" E_ACUTE, "=?utf-8?B?Q2Fmw6k=?= "
		    "<MAILER-DAEMON@mx.example.org>" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		job.from_name = t[i].name;
		compose_and_parse();
		assert_slice_equal(message_field("From"),
		    slice_str(t[i].from));
	}
}

static void
texts_of_the_operator(void **state)
{
	struct buf why = BUF_INIT(1000);
	struct template *t = &templates.of[REPORT_FAILURE];

	(void)state;
	assert_int_equal(template_parse(t, SLICE_LIT("Subject: Caf" E_ACUTE
	    "\n\nTo ${sender} of ${queue_id}: ${hostname} $ {x} $\n"
	    "${recipients}"), "f", &why), 0);
	compose_and_parse();
	assert_slice_equal(message_field("Subject"),
	    SLICE_LIT("=?utf-8?B?Q2Fmw6k=?="));
	assert_true(contains(part_body(0), "To s@example.org of "
	    "00000000004hm: mx.example.org $ {x} $\r\n<bob@next.example>"));
	assert_int_equal(template_parse(t, SLICE_LIT("line\n${nothing}"), "f",
	    &why), -1);
	assert_slice_equal(buf_slice(&why),
	    SLICE_LIT("f:2: no such value: ${nothing}; "));
	assert_int_equal(template_parse(t, SLICE_LIT("\xff"), "f", &why), -1);
	assert_int_equal(template_parse(t, SLICE_LIT("a\0"), "f", &why), -1);
	assert_int_equal(template_parse(t, SLICE_LIT("a\r\n"), "f", &why), -1);
	compose_and_parse();	/* the one before is still there */
	assert_true(contains(part_body(0), "To s@example.org"));
	assert_int_equal(template_parse(t, SLICE_LIT(""), "f", &why), 0);
	compose_and_parse();
	assert_int_equal(part_body(0).n, 0);
	buf_clear(&why);
}

#define T(fn)	cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(failure_field_by_field),
		T(optional_fields_are_left_out),
		T(remote_host_has_the_form_of_its_type),
		T(code_of_a_reply_is_whole),
		T(programs_are_not_named),
		T(delays),
		T(successes),
		T(status_fits_the_kind),
		T(for_postmaster),
		T(header_only_where_asked_or_large),
		T(huge_header_sections_are_cut),
		T(many_recipients_fit_with_less_detail),
		T(too_many_recipients_are_refused),
		T(eight_bit_body_is_returned_as_it_is),
		T(content_that_cannot_be_enclosed),
		T(internationalized),
		T(words_stay_words),
		T(message_ids_that_are_none),
		T(boundary_avoids_the_message),
		T(names_are_quoted_or_encoded),
		T(texts_of_the_operator),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
