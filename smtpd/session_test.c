/* SPDX-License-Identifier: ISC */
/* Whole sessions: what a client says, what it is told, what qmgr gets. */
#include <sys/socket.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/num.h"
#include "fake.h"
#include "replies.h"

#define CONF	"hostname = mx.example.org\n"				\
		"log.level = error\n"					\
		"relay_networks = 127.0.0.0/8\n"			\
		"smtp.max_message = 1M\n"				\
		"smtp.max_errors = 5\n"					\
		"smtp.max_transactions = 5\n"

struct dialogue {
	const char	*name;
	const char	*input;
	const char	*output;	/* '*': any bytes but CR */
	const char	*content;	/* after the trace field; NULL: none */
	unsigned	 messages;
	const char	*client;	/* default 127.0.0.1 */
	enum listener_kind kind;	/* default SMTP */
	size_t		 n;		/* of input, where it has NULs */
};

static const struct dialogue dialogues[] = {
	{ .name = "one_message",
	    UP_TO_DATA "Subject: x\r\n\r\n..hi\r\n.\r\nQUIT\r\n",
	    UP_TO_DATA_OK QUEUED BYE,
	    "Subject: x\r\n\r\n.hi\r\n", 1 },
	{ .name = "helo_works_too",
	    "HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<u@example.org>\r\nDATA\r\n"
	    "x\r\n.\r\n",
	    HELLO HELO_REPLY MAIL_OK RCPT_OK GO QUEUED, "\r\nx\r\n", 1 },
	{ .name = "empty_message",
	    UP_TO_DATA ".\r\n", UP_TO_DATA_OK QUEUED, "", 1 },
	{ .name = "two_messages",
	    UP_TO_DATA "x\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<v@example.org>\r\n"
	    "DATA\r\ny\r\n.\r\n",
	    UP_TO_DATA_OK QUEUED MAIL_OK RCPT_OK GO QUEUED, "\r\ny\r\n", 2 },
	{ .name = "lower_case_and_spaces",
	    "ehlo c  \r\nmail from: <a@b.example>\r\n"
	    "rcpt to:<u@example.org> \t\r\nquit\r\n",
	    UP_TO_RCPT_OK BYE, NULL, 0 },
	{ .name = "address_without_brackets",
	    "EHLO c\r\nMAIL FROM:a@b.example SIZE=100\r\n"
	    "RCPT TO:u@example.org\r\n",
	    UP_TO_RCPT_OK, NULL, 0 },
	{ .name = "source_route_is_ignored",
	    "EHLO c\r\nMAIL FROM:<a@b.example>\r\n"
	    "RCPT TO:<@x.example,@y.example:u@example.org>\r\nDATA\r\n.\r\n",
	    UP_TO_DATA_OK QUEUED, "", 1 },
	{ .name = "postmaster_without_domain",
	    "EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<Postmaster>\r\n",
	    UP_TO_RCPT_OK, NULL, 0 },
	{ .name = "quoted_local_part_and_literal",
	    "EHLO [192.0.2.1]\r\nMAIL FROM:<\"a b\"@[192.0.2.1]>\r\n"
	    "RCPT TO:<\"u >\"@example.org>\r\n",
	    UP_TO_RCPT_OK, NULL, 0 },
	{ .name = "unknown_command", "EHLO c\r\nXYZZY\r\n\r\n",
	    HELLO EHLO_REPLY "500 5.5.2 Command not recognized\r\n"
	    "500 5.5.2 Command not recognized\r\n", NULL, 0 },
	{ .name = "lhlo_is_not_smtp", "LHLO c\r\n",
	    HELLO "500 5.5.2 Command not recognized\r\n", NULL, 0 },
	{ .name = "mail_before_ehlo",
	    "MAIL FROM:<>\r\n", HELLO SEQUENCE, NULL, 0 },
	{ .name = "rcpt_before_mail", "EHLO c\r\nRCPT TO:<u@example.org>\r\n",
	    HELLO EHLO_REPLY SEQUENCE, NULL, 0 },
	{ .name = "data_before_mail", "EHLO c\r\nDATA\r\n",
	    HELLO EHLO_REPLY SEQUENCE, NULL, 0 },
	{ .name = "mail_twice", "EHLO c\r\nMAIL FROM:<>\r\nMAIL FROM:<>\r\n",
	    HELLO EHLO_REPLY MAIL_OK SEQUENCE, NULL, 0 },
	{ .name = "data_without_recipients",
	    "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<no@example.org>\r\nDATA\r\n"
	    "RSET\r\n",
	    HELLO EHLO_REPLY MAIL_OK "550 5.1.1 No such user\r\n"
	    "554 5.5.1 No valid recipients\r\n" OK, NULL, 0 },
	{ .name = "data_without_any_rcpt", "EHLO c\r\nMAIL FROM:<>\r\nDATA\r\n",
	    HELLO EHLO_REPLY MAIL_OK "554 5.5.1 No valid recipients\r\n",
	    NULL, 0 },
	{ .name = "ehlo_ends_the_transaction", UP_TO_RCPT "EHLO d\r\nDATA\r\n",
	    UP_TO_RCPT_OK EHLO_REPLY SEQUENCE, NULL, 0 },
	{ .name = "rset_ends_the_transaction", UP_TO_RCPT "RSET\r\nDATA\r\n",
	    UP_TO_RCPT_OK OK SEQUENCE, NULL, 0 },
	{ .name = "rset_before_ehlo",
	    "RSET\r\nMAIL FROM:<>\r\n", HELLO OK SEQUENCE,
	    NULL, 0 },
	{ .name = "small_commands",
	    "NOOP\r\nNOOP x\r\nVRFY u\r\nVRFY\r\nEXPN l\r\nHELP\r\n"
	    "STARTTLS\r\n",
	    HELLO OK OK "252 2.5.2 Send some mail, and RCPT will tell\r\n"
	    "501 5.5.4 VRFY takes an address\r\n"
	    "502 5.5.1 EXPN is not offered\r\n"
	    "214-2.0.0 This is Chasqui.  Commands: EHLO HELO MAIL RCPT DATA "
	    "BDAT\r\n214 2.0.0 RSET NOOP VRFY HELP QUIT\r\n"
	    "502 5.5.1 Command not implemented\r\n", NULL, 0 },
	{ .name = "helo_without_name", "EHLO\r\nHELO \r\n",
	    HELLO "501 5.5.4 Your host name is expected\r\n"
	    "501 5.5.4 Your host name is expected\r\n", NULL, 0 },
	{ .name = "bad_paths",
	    "EHLO c\r\nMAIL FROM:<a@b\r\nMAIL FROM:<a@b>x\r\nMAIL TO:<a@b>\r\n"
	    "MAIL\r\n",
	    HELLO EHLO_REPLY "501 5.1.7 MAIL FROM:<address> expected\r\n"
	    "501 5.1.7 MAIL FROM:<address> expected\r\n"
	    "501 5.1.7 MAIL FROM:<address> expected\r\n"
	    "501 5.1.7 MAIL FROM:<address> expected\r\n", NULL, 0 },
	{ .name = "null_recipient", "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<>\r\n",
	    HELLO EHLO_REPLY MAIL_OK "501 5.1.3 RCPT TO:<address> expected\r\n",
	    NULL, 0 },
	{ .name = "parameters",
	    "EHLO c\r\nMAIL FROM:<a@b.example> SIZE=1000 BODY=8BITMIME "
	    "RET=HDRS ENVID=x+2By SMTPUTF8 AUTH=<>\r\n"
	    "RCPT TO:<u@example.org> NOTIFY=SUCCESS,FAILURE "
	    "ORCPT=rfc822;u@example.net\r\n",
	    UP_TO_RCPT_OK, NULL, 0 },
	{ .name = "bad_parameters",
	    "EHLO c\r\nMAIL FROM:<> FOO=1\r\nMAIL FROM:<> SIZE=x\r\n"
	    "MAIL FROM:<> BODY=9BIT\r\nMAIL FROM:<>\r\n"
	    "RCPT TO:<u@example.org> NOTIFY=NEVER,DELAY\r\n",
	    HELLO EHLO_REPLY "555 5.5.4 *\r\n" "501 5.5.4 *\r\n"
	    "501 5.5.4 *\r\n" MAIL_OK "501 5.5.4 *\r\n", NULL, 0 },
	{ .name = "size_above_the_limit",
	    "EHLO c\r\nMAIL FROM:<> SIZE=1048577\r\n",
	    HELLO EHLO_REPLY "552 5.3.4 The message is too large; the limit "
	    "is 1048576 bytes\r\n", NULL, 0 },
	{ .name = "utf8_needs_the_extension",
	    "EHLO c\r\nMAIL FROM:<\xc3\xa9@b.example>\r\nMAIL FROM:<>\r\n"
	    "RCPT TO:<\xc3\xa9@example.org>\r\n",
	    HELLO EHLO_REPLY "553 5.6.7 The address needs SMTPUTF8\r\n" MAIL_OK
	    "553 5.6.7 The address needs SMTPUTF8\r\n", NULL, 0 },
	{ .name = "utf8_with_the_extension",
	    "EHLO c\r\nMAIL FROM:<\xc3\xa9@b.example> SMTPUTF8\r\n"
	    "RCPT TO:<\xc3\xa9@example.org>\r\n", UP_TO_RCPT_OK, NULL, 0 },
	{ .name = "relay_denied_to_strangers",
	    "EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<u@example.net>\r\n"
	    "RCPT TO:<u@example.org>\r\n",
	    HELLO EHLO_REPLY MAIL_OK "550 5.7.1 Relaying denied\r\n" RCPT_OK,
	    NULL, 0, "192.0.2.1" },
	{ .name = "relay_for_own_networks",
	    "EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<u@example.net>\r\n",
	    UP_TO_RCPT_OK, NULL, 0 },
	{ .name = "pipelined_verdicts_in_order",
	    "EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<u@example.org>\r\n"
	    "RCPT TO:<no@example.org>\r\nRCPT TO:<u@example.org>\r\n"
	    "RCPT TO:<>\r\nRCPT TO:<later@example.org>\r\n"
	    "RCPT TO:<once@example.org>\r\nDATA\r\nx\r\n.\r\n",
	    UP_TO_RCPT_OK "550 5.1.1 No such user\r\n" RCPT_OK
	    "501 5.1.3 RCPT TO:<address> expected\r\n"
	    "451 4.4.3 Not now\r\n" RCPT_OK GO QUEUED, "\r\nx\r\n", 1 },
	{ .name = "too_many_errors",
	    "a\r\nb\r\nc\r\nd\r\ne\r\nf\r\n",
	    HELLO "500 5.5.2 Command not recognized\r\n"
	    "500 5.5.2 Command not recognized\r\n"
	    "500 5.5.2 Command not recognized\r\n"
	    "500 5.5.2 Command not recognized\r\n"
	    "500 5.5.2 Command not recognized\r\n"
	    "421 4.7.0 Too many errors\r\n", NULL, 0 },
	{ .name = "too_many_transactions",
	    "HELO c\r\nMAIL FROM:<>\r\nRSET\r\nMAIL FROM:<>\r\nRSET\r\n"
	    "MAIL FROM:<>\r\nRSET\r\nMAIL FROM:<>\r\nRSET\r\nMAIL FROM:<>\r\n"
	    "RSET\r\nMAIL FROM:<>\r\nNOOP\r\n",
	    HELLO HELO_REPLY MAIL_OK OK MAIL_OK OK MAIL_OK OK MAIL_OK OK
	    MAIL_OK OK "421 4.5.3 Too many messages in one session\r\n",
	    NULL, 0 },
	{ .name = "http_is_cut_off", "GET / HTTP/1.1\r\nMAIL FROM:<>\r\n",
	    HELLO "554 5.5.1 This is a mail server\r\n", NULL, 0 },
	{ .name = "tls_is_cut_off", "\x16\x03\x01\x02",
	    HELLO "500 5.5.2 Lines end in CR LF\r\n", NULL, 0 },
	{ .name = "control_characters", "EHLO c\r\nNOOP \x01\r\nNOOP \r x\r\n",
	    HELLO EHLO_REPLY "500 5.5.2 Control characters in a command\r\n"
	    "500 5.5.2 Control characters in a command\r\n", NULL, 0 },
	{ .name = "nul_in_a_command", "EHLO c\r\nNOOP \0x\r\nNOOP\r\n",
	    HELLO EHLO_REPLY "500 5.5.2 Control characters in a command\r\n" OK,
	    NULL, 0, .n = sizeof("EHLO c\r\nNOOP \0x\r\nNOOP\r\n") - 1 },
	{ .name = "bare_lf_ends_no_command", "EHLO c\nMAIL FROM:<>\r\n",
	    HELLO "500 5.5.2 Lines end in CR LF\r\n", NULL, 0 },
	{ .name = "bare_lf_in_a_later_command", "EHLO c\r\nNOOP\nQUIT\r\n",
	    HELLO EHLO_REPLY "500 5.5.2 Lines end in CR LF\r\n", NULL, 0 },
	/* Smuggling: none of these ends the content. */
	{ .name = "lf_dot_lf", UP_TO_DATA "x\n.\nMAIL FROM:<>\r\n.\r\nNOOP\r\n",
	    UP_TO_DATA_OK BARE OK, NULL, 0 },
	{ .name = "lf_dot_crlf",
	    UP_TO_DATA "x\n.\r\nMAIL FROM:<>\r\n.\r\nNOOP\r\n",
	    UP_TO_DATA_OK BARE OK, NULL, 0 },
	{ .name = "crlf_dot_lf",
	    UP_TO_DATA "x\r\n.\nMAIL FROM:<>\r\n.\r\nNOOP\r\n",
	    UP_TO_DATA_OK BARE OK, NULL, 0 },
	{ .name = "cr_dot_cr", UP_TO_DATA "x\r.\rMAIL FROM:<>\r\n.\r\nNOOP\r\n",
	    UP_TO_DATA_OK BARE OK, NULL, 0 },
	{ .name = "crlf_dot_cr",
	    UP_TO_DATA "x\r\n.\rMAIL FROM:<>\r\n.\r\nNOOP\r\n",
	    UP_TO_DATA_OK BARE OK, NULL, 0 },
	{ .name = "cr_dot_crlf",
	    UP_TO_DATA "x\r.\r\nMAIL FROM:<>\r\n.\r\nNOOP\r\n",
	    UP_TO_DATA_OK BARE OK, NULL, 0 },
	{ .name = "lf_crlf_dot", UP_TO_DATA "x\r\r\n.\r\nNOOP\r\n",
	    UP_TO_DATA_OK BARE OK, NULL, 0 },
	{ .name = "nul_before_dot",
	    UP_TO_DATA "x\r\n\0.\r\nNOOP\r\n.\r\n",
	    UP_TO_DATA_OK QUEUED, NULL, 1,
	    .n = sizeof(UP_TO_DATA "x\r\n\0.\r\nNOOP\r\n.\r\n") - 1 },
	{ .name = "bare_lf_is_mended_on_submission",
	    UP_TO_DATA "Date: x\nMessage-ID: <y>\n\na\r\nb\n\r\n.\r\nNOOP\n",
	    UP_TO_DATA_OK QUEUED OK,
	    "Date: x\r\nMessage-ID: <y>\r\n\r\na\r\nb\r\n\r\n", 1, "uid=1000",
	    LISTENER_SUBMIT },
	/* CHUNKING. */
	{ .name = "one_chunk", UP_TO_RCPT "BDAT 5 LAST\r\nab\r\n.NOOP\r\n",
	    UP_TO_RCPT_OK QUEUED OK, "\r\nab\r\n.", 1 },
	{ .name = "chunks",
	    UP_TO_RCPT "BDAT 4\r\nab\r\nBDAT 3\r\n.\r\nBDAT 0\r\n"
	    "bdat 2 last\r\n\r\nNOOP\r\n",
	    UP_TO_RCPT_OK "250 2.0.0 4 octets received\r\n"
	    "250 2.0.0 3 octets received\r\n"
	    "250 2.0.0 0 octets received\r\n" QUEUED OK,
	    "\r\nab\r\n.\r\n\r\n", 1 },
	{ .name = "last_chunk_is_empty",
	    UP_TO_RCPT "BDAT 4\r\nab\r\nBDAT 0 LAST\r\nNOOP\r\n",
	    UP_TO_RCPT_OK "250 2.0.0 4 octets received\r\n" QUEUED OK,
	    "\r\nab\r\n", 1 },
	{ .name = "only_chunk_is_empty", UP_TO_RCPT "BDAT 0 LAST\r\nNOOP\r\n",
	    UP_TO_RCPT_OK QUEUED OK, "", 1 },
	{ .name = "rset_between_chunks",
	    UP_TO_RCPT "BDAT 4\r\nab\r\nRSET\r\nBDAT 4 LAST\r\nNOOPNOOP\r\n",
	    UP_TO_RCPT_OK "250 2.0.0 4 octets received\r\n" OK SEQUENCE OK,
	    NULL, 0 },
	{ .name = "data_between_chunks", UP_TO_RCPT "BDAT 4\r\nab\r\nDATA\r\n"
	    "MAIL FROM:<>\r\nRCPT TO:<u@example.org>\r\n",
	    UP_TO_RCPT_OK "250 2.0.0 4 octets received\r\n" SEQUENCE SEQUENCE
	    SEQUENCE, NULL, 0 },
	{ .name = "chunk_without_transaction_is_dropped",
	    "BDAT 6 LAST\r\nQUIT\r\nEHLO c\r\nBDAT 6\r\nQUIT\r\nNOOP\r\n",
	    HELLO SEQUENCE EHLO_REPLY SEQUENCE OK, NULL, 0 },
	{ .name = "chunk_without_recipients_is_dropped",
	    "EHLO c\r\nMAIL FROM:<>\r\nBDAT 6 LAST\r\nQUIT\r\nRSET\r\n",
	    HELLO EHLO_REPLY MAIL_OK "554 5.5.1 No valid recipients\r\n" OK,
	    NULL, 0 },
	{ .name = "chunk_with_a_bad_word_is_dropped",
	    UP_TO_RCPT "BDAT 6 FIRST\r\nQUIT\r\nNOOP\r\n",
	    UP_TO_RCPT_OK "501 5.5.4 BDAT SIZE [LAST] expected\r\n" OK,
	    NULL, 0 },
	{ .name = "chunk_without_a_size_ends_it",
	    UP_TO_RCPT "BDAT LAST\r\nQUIT\r\n",
	    UP_TO_RCPT_OK "501 5.5.4 BDAT SIZE [LAST] expected\r\n", NULL, 0 },
	{ .name = "chunk_of_all_octets_there_are",
	    UP_TO_RCPT "BDAT 18446744073709551615\r\nQUIT\r\nNOOP\r\n",
	    UP_TO_RCPT_OK, NULL, 0 },
	{ .name = "chunk_of_more_than_that",
	    UP_TO_RCPT "BDAT 18446744073709551616\r\nQUIT\r\n",
	    UP_TO_RCPT_OK "501 5.5.4 BDAT SIZE [LAST] expected\r\n", NULL, 0 },
	{ .name = "bare_lf_in_chunks",
	    UP_TO_RCPT "BDAT 3\r\na\nbBDAT 2 LAST\r\n\r\nNOOP\r\n",
	    UP_TO_RCPT_OK "250 2.0.0 3 octets received\r\n" BARE OK,
	    NULL, 0 },
	{ .name = "line_end_across_chunks",
	    UP_TO_RCPT "BDAT 2\r\na\rBDAT 2 LAST\r\n\nb",
	    UP_TO_RCPT_OK "250 2.0.0 2 octets received\r\n" QUEUED,
	    "\r\na\r\nb", 1 },
	{ .name = "bare_lf_in_chunks_is_mended_on_submission",
	    UP_TO_RCPT "BDAT 29\r\nDate: 1\nMessage-ID: 2\n\na\r\nb\n\r"
	    "BDAT 3 LAST\r\n\nc\n",
	    UP_TO_RCPT_OK "250 2.0.0 29 octets received\r\n" QUEUED,
	    "Date: 1\r\nMessage-ID: 2\r\n\r\na\r\nb\r\n\r\nc\r\n", 1,
	    "uid=1000", LISTENER_SUBMIT },
	{ .name = "binarymime",
	    "EHLO c\r\nMAIL FROM:<a@b.example> BODY=BINARYMIME\r\n"
	    "RCPT TO:<u@example.org>\r\nDATA\r\nBDAT 5 LAST\r\na\nb\rcNOOP\r\n",
	    UP_TO_RCPT_OK "503 5.5.1 BODY=BINARYMIME needs BDAT\r\n" QUEUED OK,
	    "\r\na\nb\rc", 1 },
	/* LMTP. */
	{ .name = "lmtp",
	    "LHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<u@example.org>\r\n"
	    "RCPT TO:<no@example.org>\r\nRCPT TO:<v@example.org>\r\nDATA\r\n"
	    "x\r\n.\r\nNOOP\r\n",
	    UP_TO_RCPT_OK "550 5.1.1 No such user\r\n" RCPT_OK GO QUEUED QUEUED
	    OK, "\r\nx\r\n", 1, NULL, LISTENER_LMTP },
	{ .name = "lmtp_refuses_for_each",
	    "LHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<u@example.org>\r\n"
	    "RCPT TO:<v@example.org>\r\nDATA\r\nx\n.\r\n.\r\nNOOP\r\n",
	    UP_TO_RCPT_OK RCPT_OK GO BARE BARE OK, NULL, 0, NULL,
	    LISTENER_LMTP },
	{ .name = "lmtp_has_no_ehlo", "EHLO c\r\nHELO c\r\n",
	    HELLO "500 5.5.2 Command not recognized\r\n"
	    "500 5.5.2 Command not recognized\r\n", NULL, 0, NULL,
	    LISTENER_LMTP },
};

static struct fake f;

static int
set_up(void **state)
{
	(void)state;
	fake_init(&f, CONF);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	fake_clear(&f);
	return 0;
}

static void
expect_output(int fd, const char *pattern, const char *name)
{
	struct buf got = BUF_INIT(1024 * 1024);
	bool eof;

	fake_receive(fd, &got, &eof);
	if (!fake_matches(buf_slice(&got), pattern))
		fail_msg("%s: got\n%s\nexpected\n%s", name, buf_cstr(&got),
		    pattern);
	buf_clear(&got);
}

/* A stranger must wait for the reply to EHLO and DATA: line by line. */
static void
send_dialogue(int fd, struct slice s, const char *client, size_t part)
{
	size_t n;

	if (client == NULL || slice_starts(slice_str(client),
	    SLICE_LIT("uid="))) {
		fake_send(&f, fd, s, part);
		return;
	}
	while (s.n > 0) {
		n = slice_find(s, '\n') + 1;
		fake_send(&f, fd, slice_first(s, n), part);
		s = slice_from(s, n);
	}
}

static void
run_dialogue(const struct dialogue *t, size_t part)
{
	const char *client = t->client != NULL ? t->client : "127.0.0.1";
	size_t n = t->n != 0 ? t->n : strlen(t->input);
	unsigned before = f.queued;
	struct slice got;
	int fd;

	fake_forget_messages(&f);
	fd = fake_connect(&f, t->kind != 0 ? t->kind : LISTENER_SMTP, client);
	send_dialogue(fd, slice_of(t->input, n), t->client, part);
	expect_output(fd, t->output, t->name);
	assert_int_equal(f.queued - before, t->messages);
	if (t->content != NULL) {
		got = fake_behind_trace(f.messages[f.nmessages - 1].content);
		if (!slice_eq(got, slice_str(t->content)))
			fail_msg("%s: content is\n%.*s", t->name,
			    SLICE_ARG(got));
	}
	close(fd);
	fake_settle(&f);
	assert_int_equal(f.smtpd.nsessions, 0);
	assert_int_equal(f.smtpd.content_bytes, 0);
}

static void
dialogues_are_answered(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(dialogues) / sizeof(dialogues[0]); i++) {
		run_dialogue(&dialogues[i], 0);
		run_dialogue(&dialogues[i], 1);
		run_dialogue(&dialogues[i], 7);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(dialogues_are_answered, set_up,
		    tear_down),
	};

	log_open("test", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
