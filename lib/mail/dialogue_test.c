/* SPDX-License-Identifier: ISC */
/*
 * dialogue_test - every way of logging in to SMTP, IMAP and POP3, and all that
 * carries message content: whole, byte by byte, and with the end of each piece
 * at the end of memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/test_guard.h"
#include "mail/dialogue.h"

/* "C line|" and "S line|" are what is said, each with CRLF; "c..." and "s..."
 * without one.  Expected: "> line|", "< line|". */
struct script {
	const char	*name;
	const char	*said;
	const char	*shown;
};

#define PLAIN	"AGFuYQBzZWNyZXQ="	/* ana, secret */
#define SHOWN_EHLO "> EHLO c.test|< 250-s.test|< 250 AUTH PLAIN LOGIN|"
#define EHLO	"C EHLO c.test|S 250-s.test|S 250 AUTH PLAIN LOGIN|"

static const struct script smtp[] = {
	{ "a message", "S 220 s.test ESMTP|" EHLO
	    "C MAIL FROM:<a@c.test>|S 250 Ok|C RCPT TO:<b@s.test>|S 250 Ok|"
	    "C DATA|S 354 Go|C Subject: private|C |C RSET all of it|C ..|C .|"
	    "S 250 2.0.0 Ok: queued|C QUIT|S 221 Bye|",
	    "< 220 s.test ESMTP|" SHOWN_EHLO "> MAIL FROM:<a@c.test>|< 250 Ok|"
	    "> RCPT TO:<b@s.test>|< 250 Ok|> DATA|< 354 Go|"
	    "> (message content, 40 bytes)|< 250 2.0.0 Ok: queued|"
	    "> QUIT|< 221 Bye|" },
	{ "pipelined, as a client of ours", "C MAIL FROM:<>|C RCPT TO:<b@s>|"
	    "C DATA|S 250 Ok|S 250 Ok|S 354 Go|C NOOP secret|C .|C QUIT|"
	    "S 250 Ok|C QUIT|",
	    "> MAIL FROM:<>|> RCPT TO:<b@s>|> DATA|< 250 Ok|< 250 Ok|< 354 Go|"
	    "> (message content, 19 bytes)|< 250 Ok|> QUIT|" },
	{ "DATA refused", "C DATA|S 554 No valid recipients|C RSET|S 250 Ok|",
	    "> DATA|< 554 No valid recipients|> RSET|< 250 Ok|" },
	{ "an end that is answered too early", "C DATA|S 354 Go|C a|"
	    "S 552 Too much|C NOOP b|C .|C NOOP c|S 250 Ok|",
	    "> DATA|< 354 Go|> (message content, 3 bytes)|< 552 Too much|"
	    "> (message content, 8 bytes)|> NOOP c|< 250 Ok|" },
	{ "chunks", "C BDAT 11|cNOOP secret|C BDAT 4 LAST|cAUTH|S 250 Ok|"
	    "S 250 Ok|C QUIT|",
	    "> BDAT 11|> (message content, 11 bytes)|> BDAT 4 LAST|"
	    "> (message content, 4 bytes)|< 250 Ok|< 250 Ok|> QUIT|" },
	{ "a chunk of nothing, and of no size", "C BDAT 0 LAST|S 250 Ok|"
	    "C BDAT x|C secret|S 501 Size|C NOOP|",
	    "> BDAT 0 LAST|< 250 Ok|> BDAT x|> (unknown command, 6 bytes)|"
	    "< 501 Size|> NOOP|" },
	{ "AUTH PLAIN with an initial response", "C AUTH PLAIN " PLAIN
	    "|S 235 In|C NOOP|",
	    "> AUTH PLAIN (hidden, 17 bytes)|< 235 In|> NOOP|" },
	{ "AUTH PLAIN without", "C auth plain|S 334 |C " PLAIN "|S 535 No|"
	    "C RSET|",
	    "> auth PLAIN|< 334 (challenge, 1 byte)|"
	    "> (SASL response, 16 bytes)|< 535 No|> RSET|" },
	{ "AUTH LOGIN", "C AUTH LOGIN|S 334 VXNlcm5hbWU6|C YW5h|"
	    "S 334 UGFzc3dvcmQ6|C c2VjcmV0|S 235 In|C MAIL FROM:<a@b>|",
	    "> AUTH LOGIN|< 334 (challenge, 13 bytes)|"
	    "> (SASL response, 4 bytes)|< 334 (challenge, 13 bytes)|"
	    "> (SASL response, 8 bytes)|< 235 In|> MAIL FROM:<a@b>|" },
	{ "AUTH LOGIN with the name", "C AUTH LOGIN YW5h|S 334 UGFzcw==|"
	    "C c2VjcmV0|S 235 In|",
	    "> AUTH LOGIN (hidden, 5 bytes)|< 334 (challenge, 9 bytes)|"
	    "> (SASL response, 8 bytes)|< 235 In|" },
	{ "SCRAM", "C AUTH SCRAM-SHA-256 biwsbj1hbmE=|S 334 cj1hYmM=|"
	    "C Yz1iaXdzLHI9|S 334 dj1hYmM=|C |S 235 In|",
	    "> AUTH SCRAM-SHA-256 (hidden, 13 bytes)|"
	    "< 334 (challenge, 9 bytes)|> (SASL response, 12 bytes)|"
	    "< 334 (challenge, 9 bytes)|> (SASL response)|< 235 In|" },
	{ "OAUTHBEARER and its error", "C AUTH OAUTHBEARER bixhPWFuYSwB|"
	    "S 334 eyJzdGF0dXMi|C AQ==|S 535 No|C QUIT|",
	    "> AUTH OAUTHBEARER (hidden, 13 bytes)|"
	    "< 334 (challenge, 13 bytes)|> (SASL response, 4 bytes)|< 535 No|"
	    "> QUIT|" },
	{ "cancelled", "C AUTH PLAIN|S 334 |C *|S 501 Cancelled|C NOOP|",
	    "> AUTH PLAIN|< 334 (challenge, 1 byte)|"
	    "> (SASL response, 1 byte)|< 501 Cancelled|> NOOP|" },
	{ "a mechanism that is none", "C AUTH c2VjcmV0|S 504 No such|"
	    "C AUTH HUNTER2 x|S 504 No such|",
	    "> AUTH (hidden, 9 bytes)|< 504 No such|"
	    "> AUTH (hidden, 10 bytes)|< 504 No such|" },
	{ "responses behind a refusal", "C AUTH LOGIN|S 538 Encryption|"
	    "C YW5h|S 500 What|C c2VjcmV0|S 500 What|C QUIT|",
	    "> AUTH LOGIN|< 538 Encryption|> (unknown command, 4 bytes)|"
	    "< 500 What|> (unknown command, 8 bytes)|< 500 What|> QUIT|" },
	{ "all of it at once", "C EHLO c|C AUTH PLAIN " PLAIN "|C c2VjcmV0|"
	    "C MAIL FROM:<a@b>|S 250 s|S 235 In|S 500 What|C NOOP|",
	    "> EHLO c|> AUTH PLAIN (hidden, 17 bytes)|"
	    "> (SASL response, 8 bytes)|> (SASL response, 15 bytes)|< 250 s|"
	    "< 235 In|< 500 What|> NOOP|" },
	{ "words that are no commands", "C GET / HTTP/1.1|"
	    "C Authorization: Basic c2VjcmV0|C |C  AUTH PLAIN x|"
	    "C AUTH\tPLAIN x|C BURL imap://u;AUTH=x|S 500 What|S secret|",
	    "> (unknown command, 14 bytes)|> (unknown command, 29 bytes)|"
	    "> (unknown command)|> (unknown command, 13 bytes)|"
	    "> (unknown command, 12 bytes)|> (unknown command, 20 bytes)|"
	    "< 500 What|< (not a reply, 6 bytes)|" },
	{ "bytes for a terminal", "C NOOP \033[2J\\\x80\\x80|S 250 \a\r\177|",
	    "> NOOP \\x1b[2J\\\\x80\\x5cx80|< 250 \\x07\\x0d\\x7f|" },
	{ "without an end", "C DATA|S 354 Go|cAUTH PLAIN x",
	    "> DATA|< 354 Go|> (without an end, 12 bytes)|" },
};

static const struct script imap[] = {
	{ "LOGIN with atoms and strings", "S * OK IMAP|C a LOGIN ana secret|"
	    "S a NO Wrong|C b login \"ana\" \"sec\\\"ret\"|S b OK In|"
	    "C c NOOP|S c OK Done|",
	    "< * OK IMAP|> a LOGIN (hidden, 11 bytes)|< a NO Wrong|"
	    "> b login (hidden, 17 bytes)|< b OK In|> c NOOP|< c OK Done|" },
	{ "LOGIN with literals", "C a LOGIN {3}|S + Go|cana|C  {6}|S + Go|"
	    "csecret|C |S a OK In|C b NOOP|",
	    "> a LOGIN (hidden, 4 bytes)|< + Go|> (literal, 3 bytes)|"
	    "> (the command goes on, 4 bytes)|< + Go|> (literal, 6 bytes)|"
	    "< a OK In|> b NOOP|" },
	{ "LOGIN with literals that do not wait", "C a LOGIN {3+}|cana|"
	    "C  {6+}|csecret|C |C b SELECT INBOX|S a OK In|",
	    "> a LOGIN (hidden, 5 bytes)|> (literal, 3 bytes)|"
	    "> (the command goes on, 5 bytes)|> (literal, 6 bytes)|"
	    "> b SELECT INBOX|< a OK In|" },
	{ "a literal that is refused", "C a LOGIN {99999}|S a BAD Too long|"
	    "C b LOGIN ana secret|S b OK In|",
	    "> a LOGIN (hidden, 8 bytes)|< a BAD Too long|"
	    "> b LOGIN (hidden, 11 bytes)|< b OK In|" },
	{ "a literal of nothing", "C a LOGIN {0}|S + Go|C  secret|S a NO|"
	    "C b NOOP|", "> a LOGIN (hidden, 4 bytes)|< + Go|"
	    "> (the command goes on, 7 bytes)|< a NO|> b NOOP|" },
	{ "AUTHENTICATE PLAIN", "C a AUTHENTICATE PLAIN|S + |C " PLAIN
	    "|S a OK In|C b NOOP|",
	    "> a AUTHENTICATE PLAIN|< + (challenge)|"
	    "> (SASL response, 16 bytes)|< a OK In|> b NOOP|" },
	{ "with an initial response", "C a authenticate plain " PLAIN
	    "|S a NO Wrong|C b NOOP|",
	    "> a authenticate PLAIN (hidden, 17 bytes)|< a NO Wrong|> b NOOP|" },
	{ "SCRAM", "C a AUTHENTICATE SCRAM-SHA-256|S + |C biwsbj1hbmE=|"
	    "S + cj1hYmM=|C Yz1iaXdzLHI9|S + dj1hYmM=|C |S a OK In|",
	    "> a AUTHENTICATE SCRAM-SHA-256|< + (challenge)|"
	    "> (SASL response, 12 bytes)|< + (challenge, 8 bytes)|"
	    "> (SASL response, 12 bytes)|< + (challenge, 8 bytes)|"
	    "> (SASL response)|< a OK In|" },
	{ "AUTHENTICATE all at once", "C a AUTHENTICATE LOGIN|C YW5h|"
	    "C c2VjcmV0|C b LOGIN x y|S + VXNlcg==|S + UGFzcw==|S a NO|C c NOOP|",
	    "> a AUTHENTICATE LOGIN|> (SASL response, 4 bytes)|"
	    "> (SASL response, 8 bytes)|> (SASL response, 11 bytes)|"
	    "< + (challenge, 8 bytes)|< + (challenge, 8 bytes)|< a NO|"
	    "> c NOOP|" },
	{ "responses behind a refusal", "C a AUTHENTICATE PLAIN|S a NO TLS|"
	    "C c2VjcmV0|S c2VjcmV0 BAD A command is expected|",
	    "> a AUTHENTICATE PLAIN|< a NO TLS|> (unknown command, 8 bytes)|"
	    "< BAD (to a command that is not shown, 34 bytes)|" },
	{ "a login without a tag", "C LOGIN ana secret|S LOGIN BAD ana|"
	    "C login {3+}|cana|C  secret|",
	    "> (unknown command, 16 bytes)|"
	    "< BAD (to a command that is not shown, 13 bytes)|"
	    "> (unknown command, 10 bytes)|> (literal, 3 bytes)|"
	    "> (the command goes on, 7 bytes)|" },
	{ "FETCH", "C a UID FETCH 1:* (FLAGS BODY[])|"
	    "S * 1 FETCH (UID 7 FLAGS (\\Seen) BODY[] {12}|s* 2 EXISTS|s12|"
	    "S  PREVIEW \"the \\\"secret\" X \"\")|S a OK Done|",
	    "> a UID FETCH 1:* (FLAGS BODY[])|"
	    "< * 1 FETCH (UID 7 FLAGS (\\Seen) BODY[] {12}|"
	    "< (literal, 12 bytes)|<  PREVIEW \"...\" X \"\")|< a OK Done|" },
	{ "FETCH of strings", "S * 3 FETCH (ENVELOPE (\"Fri\" \"secret\" NIL))|"
	    "S * METADATA INBOX (/private/comment \"secret\")|"
	    "S * SEARCH 1 2|",
	    "< * 3 FETCH (ENVELOPE (\"...\" \"...\" NIL))|"
	    "< * METADATA INBOX (/private/comment \"...\")|< * SEARCH 1 2|" },
	{ "APPEND", "C a APPEND INBOX (\\Seen) {11}|S + Go|cb LOGIN x y|C |"
	    "S a OK Done|C b NOOP|",
	    "> a APPEND INBOX (\\Seen) {11}|< + Go|> (literal, 11 bytes)|"
	    "< a OK Done|> b NOOP|" },
	{ "a URL with a token", "C a APPEND Drafts CATENATE (URL "
	    "\"imap://x/y;urlauth=z:internal:secret\")|S a NO|",
	    "> a APPEND Drafts CATENATE (URL \"...\")|< a NO|" },
	{ "IDLE", "C a IDLE|S + idling|S * 5 EXISTS|C DONE|S a OK Done|",
	    "> a IDLE|< + idling|< * 5 EXISTS|> DONE|< a OK Done|" },
	{ "COMPRESS", "C a COMPRESS DEFLATE|S a OK Begin|cb LOGIN ana secret|"
	    "s* OK|", "> a COMPRESS DEFLATE|< a OK Begin|"
	    "> (compressed, 18 bytes)|< (compressed, 4 bytes)|" },
	{ "COMPRESS refused", "C a COMPRESS DEFLATE|S a NO|C b NOOP|",
	    "> a COMPRESS DEFLATE|< a NO|> b NOOP|" },
	{ "SETMETADATA", "C a SETMETADATA INBOX (/private/comment \"s\")|",
	    "> a SETMETADATA INBOX (/private/comment \"...\")|" },
};

static const struct script pop3[] = {
	{ "USER and PASS", "S +OK POP3|C USER ana|S +OK|C PASS se cret|"
	    "S -ERR Wrong|C QUIT|S +OK Bye|",
	    "< +OK POP3|> USER ana|< +OK|> PASS (hidden, 8 bytes)|"
	    "< -ERR Wrong|> QUIT|< +OK Bye|" },
	{ "APOP", "C APOP ana c4c9334bac560ecc979e58001b3e22fb|S -ERR No|",
	    "> APOP (hidden, 37 bytes)|< -ERR No|" },
	{ "AUTH", "C AUTH|S +OK|S PLAIN|S .|C AUTH PLAIN|S + |C " PLAIN
	    "|S +OK In|C STAT|S +OK 2 320|",
	    "> AUTH|< +OK|< PLAIN|< .|> AUTH PLAIN|< + (challenge)|"
	    "> (SASL response, 16 bytes)|< +OK In|> STAT|< +OK 2 320|" },
	{ "AUTH with an initial response", "C auth plain " PLAIN
	    "|S -ERR [AUTH] No|C NOOP|",
	    "> auth PLAIN (hidden, 17 bytes)|< -ERR [AUTH] No|> NOOP|" },
	{ "AUTH SCRAM", "C AUTH SCRAM-SHA-1 biwsbj1hbmE=|S + cj1hYmM=|"
	    "C Yz1iaXdzLHI9|S + dj1hYmM=|C |S +OK|",
	    "> AUTH SCRAM-SHA-1 (hidden, 13 bytes)|< + (challenge, 8 bytes)|"
	    "> (SASL response, 12 bytes)|< + (challenge, 8 bytes)|"
	    "> (SASL response)|< +OK|" },
	{ "all at once", "C USER ana|C PASS secret|C AUTH LOGIN|C c2VjcmV0|"
	    "S +OK|S -ERR|S + VXNlcg==|S -ERR|C c2VjcmV0|S -ERR What|",
	    "> USER ana|> PASS (hidden, 7 bytes)|> AUTH LOGIN|"
	    "> (SASL response, 8 bytes)|< +OK|< -ERR|< + (challenge, 8 bytes)|"
	    "< -ERR|> (unknown command, 8 bytes)|< -ERR What|" },
	{ "messages and lists", "C RETR 1|C LIST|C LIST 1|S +OK 12 octets|"
	    "S Subject: private|S +OK this is in it|S ..|S .|S +OK|S 1 120|"
	    "S .|S +OK 1 120|C TOP 1 0|S +OK|S From: me|S |S .|",
	    "> RETR 1|> LIST|> LIST 1|< +OK 12 octets|"
	    "< (message content, 41 bytes)|< .|< +OK|< 1 120|< .|< +OK 1 120|"
	    "> TOP 1 0|< +OK|< (message content, 12 bytes)|< .|" },
	{ "a message that is not there", "C RETR 9|S -ERR None|C STAT|"
	    "S +OK 0 0|", "> RETR 9|< -ERR None|> STAT|< +OK 0 0|" },
};

#define IN_MIDDLE "(not shown: it was looked at from the middle on, "

static const struct script middle_smtp[] = {
	{ "in a dialogue with auth", "C c2VjcmV0|S 334 UGFzcw==|C c2VjcmV0|"
	    "S 235 In|C NOOP|",
	    "> " IN_MIDDLE "10 bytes)|< 334 (challenge, 9 bytes)|"
	    "> " IN_MIDDLE "10 bytes)|< 235 In|> NOOP|" },
	{ "in content", "C RSET this|C .|S 250 Ok|C RSET|",
	    "> " IN_MIDDLE "14 bytes)|< 250 Ok|> RSET|" },
};

static const struct script middle_imap[] = {
	{ "in a literal", "S the NOOP OK|C b NOOP|S text)|S a OK Done|"
	    "S b OK Done|C c NOOP|S c OK Done|",
	    "< " IN_MIDDLE "13 bytes)|> " IN_MIDDLE "8 bytes)|"
	    "< " IN_MIDDLE "18 bytes)|"
	    "< OK (to a command that is not shown, 9 bytes)|"
	    "> c NOOP|< c OK Done|" },
	{ "in an APPEND", "C b LOGIN x y|C )|S a OK Done|C c NOOP|S c OK|"
	    "C d NOOP|",
	    "> " IN_MIDDLE "16 bytes)|< " IN_MIDDLE "11 bytes)|"
	    "> " IN_MIDDLE "8 bytes)|"
	    "< OK (to a command that is not shown, 4 bytes)|> d NOOP|" },
};

static const struct script middle_pop3[] = {
	{ "in a message", "C LIST|S +OK in it|S .|S +OK|S 1 120|S .|C STAT|",
	    "> " IN_MIDDLE "6 bytes)|< " IN_MIDDLE "14 bytes)|< +OK|"
	    "< (not an answer, 5 bytes)|< (not an answer, 1 byte)|> STAT|" },
};

static void
take(void *arg, enum dialogue_side side, struct slice text)
{
	struct buf *all = arg;

	assert_in_range(text.n, 1, DIALOGUE_TEXT_BYTES);
	buf_add_str(all, side == DIALOGUE_CLIENT ? "> " : "< ");
	buf_add(all, text);
	buf_add_byte(all, '|');
}

/* In pieces of at most n bytes, which end where memory does. */
static void
say(struct dialogue *d, enum dialogue_side side, struct slice s, size_t n,
    struct guard *g)
{
	while (s.n > 0) {
		if (n > s.n)
			n = s.n;
		dialogue_feed(d, side, guard_copy(g, slice_first(s, n)));
		s = slice_from(s, n);
	}
}

static void
play(struct dialogue *d, const char *script, size_t n)
{
	struct slice rest = slice_str(script), part;
	struct buf b = BUF_INIT(1024);
	struct guard g;
	bool line;

	guard_init(&g, 1024);
	while (slice_next(&rest, '|', &part)) {
		if (part.n == 0)
			continue;
		line = part.p[0] == 'C' || part.p[0] == 'S';
		buf_reset(&b);
		buf_add(&b, slice_from(part, line ? 2 : 1));
		if (line)
			buf_add_str(&b, "\r\n");
		say(d, part.p[0] == 'C' || part.p[0] == 'c' ? DIALOGUE_CLIENT :
		    DIALOGUE_SERVER, buf_slice(&b), n, &g);
	}
	buf_clear(&b);
	guard_clear(&g);
}

static void
check(enum dialogue_protocol protocol, bool in_order, const struct script *s,
    size_t piece)
{
	struct buf all = BUF_INIT(65536);
	struct dialogue d;

	dialogue_init(&d, protocol, in_order, take, &all);
	play(&d, s->said, piece);
	dialogue_end(&d);
	if (!slice_eq(buf_slice(&all), slice_str(s->shown)))
		print_error("%s, in pieces of %zu\n", s->name, piece);
	assert_slice_equal(buf_slice(&all), slice_str(s->shown));
	buf_clear(&all);
}

/* What is compressed is told as it comes, so there pieces show. */
static void
check_all(enum dialogue_protocol protocol, bool in_order,
    const struct script *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		check(protocol, in_order, &s[i], 1000);
		if (strstr(s[i].shown, "(compressed") != NULL)
			continue;
		check(protocol, in_order, &s[i], 1);
		check(protocol, in_order, &s[i], 3);
	}
}
#define CHECK_ALL(protocol, in_order, table)				\
	check_all(protocol, in_order, table, sizeof(table) / sizeof(table[0]))

static void
smtp_shows_no_secret(void **state)
{
	(void)state;
	CHECK_ALL(DIALOGUE_SMTP, true, smtp);
	CHECK_ALL(DIALOGUE_SMTP, false, middle_smtp);
}

static void
imap_shows_no_secret(void **state)
{
	(void)state;
	CHECK_ALL(DIALOGUE_IMAP, true, imap);
	CHECK_ALL(DIALOGUE_IMAP, false, middle_imap);
}

static void
pop3_shows_no_secret(void **state)
{
	(void)state;
	CHECK_ALL(DIALOGUE_POP3, true, pop3);
	CHECK_ALL(DIALOGUE_POP3, false, middle_pop3);
}

static void
long_lines_are_cut_and_hold_their_literal(void **state)
{
	struct buf all = BUF_INIT(1 << 20), said = BUF_INIT(1 << 20);
	struct dialogue d;
	size_t i;

	(void)state;
	dialogue_init(&d, DIALOGUE_IMAP, true, take, &all);
	buf_add_str(&said, "* 1 FETCH (");
	for (i = 0; i < 100000; i++)
		buf_add_byte(&said, '\001');
	buf_add_str(&said, " BODY[] {6}\r\nsecret)\r\n* 2 EXISTS\r\n");
	dialogue_feed(&d, DIALOGUE_SERVER, buf_slice(&said));
	dialogue_end(&d);
	assert_slice_equal(slice_first(buf_slice(&all), 17),
	    SLICE_LIT("< * 1 FETCH (\\x01"));
	assert_non_null(strstr(buf_cstr(&all), " ... (100022 bytes)|"
	    "< (literal, 6 bytes)|< )|< * 2 EXISTS|"));
	assert_in_range(all.n, 1, DIALOGUE_TEXT_BYTES + 100);
	buf_clear(&all);
	buf_clear(&said);
}

static void
tls_begins_anew(void **state)
{
	struct buf all = BUF_INIT(65536);
	struct dialogue d;

	(void)state;
	dialogue_init(&d, DIALOGUE_IMAP, true, take, &all);
	play(&d, "C a STARTTLS|S a OK Begin|cb LOGIN x {900+}", 1000);
	dialogue_secured(&d);
	play(&d, "C c NOOP|S c OK Done|", 1000);
	dialogue_end(&d);
	assert_slice_equal(buf_slice(&all), SLICE_LIT("> a STARTTLS|"
	    "< a OK Begin|< (TLS begins)|> c NOOP|< c OK Done|"));
	buf_clear(&all);
}

/* More commands than are remembered: from then on nothing is certain. */
static void
too_many_pop3_commands_hide_the_rest(void **state)
{
	struct buf all = BUF_INIT(1 << 20);
	struct dialogue d;
	size_t i;

	(void)state;
	dialogue_init(&d, DIALOGUE_POP3, true, take, &all);
	for (i = 0; i <= DIALOGUE_OWED; i++)
		play(&d, "C STAT|", 1000);
	buf_reset(&all);
	play(&d, "S +OK|C USER ana|S .|C LIST|S +OK|S secret|S .|", 1000);
	assert_null(strstr(buf_cstr(&all), "secret"));
	assert_null(strstr(buf_cstr(&all), "ana"));
	dialogue_end(&d);
	buf_clear(&all);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(smtp_shows_no_secret),
		cmocka_unit_test(imap_shows_no_secret),
		cmocka_unit_test(pop3_shows_no_secret),
		cmocka_unit_test(long_lines_are_cut_and_hold_their_literal),
		cmocka_unit_test(tls_begins_anew),
		cmocka_unit_test(too_many_pop3_commands_hide_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
