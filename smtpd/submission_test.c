/* SPDX-License-Identifier: ISC */
/* Users who log in, and what is done for and asked of what they send. */
#include <sys/socket.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ipc/auth_client.h"
#include "login.h"
#include "mail/header.h"
#include "test_client.h"

#define CONF	"hostname = mx.example.org\n"				\
		"log.level = error\n"					\
		"relay_networks = 127.0.0.0/8 192.0.2.0/24\n"		\
		"smtp.max_message = 1M\n"				\
		"smtp.max_transactions = 5\n"

#define EHLO_FRONT "250-mx.example.org\r\n250-PIPELINING\r\n"		\
		"250-SIZE 1048576\r\n250-8BITMIME\r\n"			\
		"250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n"		\
		"250-CHUNKING\r\n250-BINARYMIME\r\n250-SMTPUTF8\r\n"	\
		"250-LIMITS RCPTMAX=1000 MAILMAX=5\r\n"
#define EHLO_REST "250-FUTURERELEASE 604800 *\r\n250-DELIVERBY\r\n"	\
		"250-MT-PRIORITY MIXER\r\n250 HELP\r\n"
#define EHLO_TLS EHLO_FRONT "250-AUTH PLAIN LOGIN SCRAM-SHA-256\r\n"	\
		EHLO_REST
#define EHLO_CLEAR EHLO_FRONT "250-AUTH SCRAM-SHA-256\r\n" EHLO_REST

/* "\0joe@example.org\0secret" and so on. */
#define JOE	"AGpvZUBleGFtcGxlLm9yZwBzZWNyZXQ="
#define JOE_WRONG "AGpvZUBleGFtcGxlLm9yZwB3cm9uZw=="
#define LOGGED_IN "235 2.7.0 Authentication successful\r\n"
#define WRONG	"535 5.7.8 Wrong\r\n"
#define NOT_BASE64 "501 5.5.2 That is not base64\r\n"
#define MAIL	"MAIL FROM:<joe@example.org>\r\n"
#define RCPT	"RCPT TO:<u@far.example>\r\n"

static void
start(const char *more)
{
	char conf[2000];

	snprintf(conf, sizeof(conf), "%s%s", CONF, more);
	fake_init(&f, conf);
	fake_auth_up(&f);
}

static int
set_up(void **state)
{
	(void)state;
	start("");
	return 0;
}

static int
dial(void)
{
	int fd = fake_connect(&f, LISTENER_SUBMISSION, "192.0.2.1");

	fake_secure(&f);
	return fd;
}

/* Joe is logged in. */
static int
joe(void)
{
	int fd = dial();

	say(fd, "EHLO c\r\nAUTH PLAIN " JOE "\r\n");
	hear(fd, HELLO EHLO_TLS LOGGED_IN);
	return fd;
}

/* ---- AUTH ------------------------------------------------------------ */

struct dialogue {
	const char	*name;
	const char	*input;
	const char	*output;
};

#define IN	"EHLO c\r\n"
#define OUT	HELLO EHLO_TLS

static const struct dialogue dialogues[] = {
	{ "plain_with_initial_response", IN "AUTH PLAIN " JOE "\r\n",
	    OUT LOGGED_IN },
	{ "mechanism_in_any_case", IN "auth pLaIn " JOE "\r\n",
	    OUT LOGGED_IN },
	{ "plain_without_initial_response", IN "AUTH PLAIN\r\n" JOE "\r\n",
	    OUT "334 \r\n" LOGGED_IN },
	{ "login", IN "AUTH LOGIN\r\nam9lQGV4YW1wbGUub3Jn\r\nc2VjcmV0\r\n",
	    OUT "334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n" LOGGED_IN },
	{ "wrong_password", IN "AUTH PLAIN " JOE_WRONG "\r\nNOOP\r\n",
	    OUT WRONG OK },
	{ "empty_initial_response", IN "AUTH PLAIN =\r\nNOOP\r\n",
	    OUT "501 5.5.2 This is not what the mechanism wants\r\n" OK },
	{ "empty_line_is_an_empty_response", IN "AUTH PLAIN\r\n\r\nNOOP\r\n",
	    OUT "334 \r\n501 5.5.2 This is not what the mechanism wants\r\n"
	    OK },
	{ "an_equals_sign_is_no_response", IN "AUTH PLAIN\r\n=\r\nNOOP\r\n",
	    OUT "334 \r\n" NOT_BASE64 OK },
	{ "cancelled", IN "AUTH PLAIN\r\n*\r\nAUTH PLAIN " JOE "\r\n",
	    OUT "334 \r\n501 5.7.0 Authentication cancelled\r\n" LOGGED_IN },
	{ "bad_base64", IN "AUTH PLAIN !\r\nAUTH PLAIN AGpvZQ=\r\n"
	    "AUTH PLAIN AGpvZR==\r\nAUTH PLAIN AG=vZQ==\r\n"
	    "AUTH PLAIN\r\nAG pvZQ==\r\nNOOP\r\n",
	    OUT NOT_BASE64 NOT_BASE64 NOT_BASE64 NOT_BASE64 "334 \r\n"
	    NOT_BASE64 OK },
	{ "unknown_mechanism", IN "AUTH CRAM-MD5\r\nAUTH\r\n"
	    "AUTH PLAIN a b\r\nAUTH EXTERNAL\r\nAUTH SCRAM-SHA-256-PLUS\r\n",
	    OUT "504 5.5.4 No such mechanism here\r\n501 5.5.4 *\r\n"
	    "501 5.5.4 *\r\n504 5.5.4 No such mechanism here\r\n"
	    "504 5.5.4 No such mechanism here\r\n" },
	{ "twice", IN "AUTH PLAIN " JOE "\r\nAUTH PLAIN " JOE "\r\n",
	    OUT LOGGED_IN "503 5.5.1 You are logged in already\r\n" },
	{ "stays_after_ehlo_and_rset", IN "AUTH PLAIN " JOE "\r\nRSET\r\n"
	    IN "AUTH PLAIN " JOE "\r\n" MAIL,
	    OUT LOGGED_IN OK EHLO_TLS "503 5.5.1 You are logged in already\r\n"
	    MAIL_OK },
	{ "within_a_transaction", IN "AUTH PLAIN " JOE "\r\n" MAIL
	    "AUTH PLAIN " JOE "\r\n",
	    OUT LOGGED_IN MAIL_OK SEQUENCE },
	{ "before_ehlo", "AUTH PLAIN " JOE "\r\n", HELLO SEQUENCE },
	{ "after_helo", "HELO c\r\nAUTH PLAIN " JOE "\r\n",
	    HELLO HELO_REPLY "503 5.5.1 Say EHLO first\r\n" },
	{ "try_later", IN "AUTH PLAIN AGxhdGVyAA==\r\n",
	    OUT "454 4.7.0 Logins are not possible now, try again later\r\n" },
	{ "not_allowed", IN "AUTH PLAIN AGZvcmVpZ24A\r\n",
	    OUT "535 5.7.8 This login may not send mail\r\n" },
	{ "expired", IN "AUTH PLAIN AGV4cGlyZWQA\r\n",
	    OUT "535 5.7.8 The password has expired\r\n" },
	{ "too_many", IN "AUTH PLAIN AG1hbnkA\r\n",
	    OUT "454 4.7.0 Too many logins, try again later\r\n" },
	{ "mail_needs_a_login", IN MAIL "NOOP\r\n",
	    OUT "530 5.7.0 Authentication required\r\n" OK },
	{ "rcpt_behind_it_is_no_error", IN MAIL RCPT "DATA\r\n",
	    OUT "530 5.7.0 Authentication required\r\n"
	    "503 5.5.1 MAIL was refused\r\n503 5.5.1 MAIL was refused\r\n" },
};

static void
dialogues_of_auth(void **state)
{
	size_t i, part;
	int fd;

	(void)state;
	for (i = 0; i < sizeof(dialogues) / sizeof(dialogues[0]); i++)
		for (part = 0; part <= 1; part++) {
			fd = dial();
			fake_send(&f, fd, slice_str(dialogues[i].input), part);
			print_message("%s\n", dialogues[i].name);
			hear(fd, dialogues[i].output);
			hang_up(fd);
		}
}

static void
long_lines(void **state)
{
	struct buf in = BUF_INIT(100000);
	size_t i;
	int fd = dial();

	(void)state;
	/* As long as may be: a login that is too long, but a line that is
	 * not. */
	buf_add_str(&in, IN "AUTH PLAIN\r\n");
	for (i = 0; i < AUTH_LINE_BYTES - 4; i++)
		buf_add_byte(&in, 'A');
	buf_add_str(&in, "\r\n*\r\n");
	say(fd, buf_cstr(&in));
	hear(fd, OUT "334 \r\n" WRONG "500 5.5.2 Command not recognized\r\n");
	buf_reset(&in);
	buf_add_str(&in, "AUTH PLAIN\r\n");
	for (i = 0; i < AUTH_LINE_BYTES; i++)
		buf_add_byte(&in, 'A');
	buf_add_str(&in, "\r\nNOOP\r\n");
	say(fd, buf_cstr(&in));
	hear(fd, "334 \r\n500 5.5.6 Line too long\r\n" OK);
	assert_int_equal(f.auth_cancels, 1);
	/* With the command. */
	buf_reset(&in);
	buf_add_str(&in, "AUTH PLAIN ");
	for (i = 0; i < AUTH_LINE_BYTES - 4; i++)
		buf_add_byte(&in, 'A');
	buf_add_str(&in, "\r\nAUTH PLAIN ");
	for (i = 0; i < AUTH_LINE_BYTES + 100; i++)
		buf_add_byte(&in, 'A');
	buf_add_str(&in, "\r\nNOOP\r\n");
	say(fd, buf_cstr(&in));
	hear(fd, WRONG "500 5.5.6 Line too long\r\n" OK);
	/* Nothing else may be that long. */
	buf_reset(&in);
	for (i = 0; i < COMMAND_BYTES; i++)
		buf_add_byte(&in, 'A');
	buf_add_str(&in, "\r\nNOOP\r\n");
	say(fd, buf_cstr(&in));
	hear(fd, "500 5.5.2 Line too long\r\n" OK);
	buf_clear(&in);
	hang_up(fd);
}

static void
failures_are_counted(void **state)
{
	int i, fd;

	(void)state;
	fake_clear(&f);
	start("smtp.max_errors = 3\n");
	fd = dial();
	say(fd, IN);
	hear(fd, OUT);
	for (i = 0; i < 2; i++) {
		say(fd, "AUTH PLAIN " JOE_WRONG "\r\n");
		hear(fd, WRONG);
	}
	say(fd, "AUTH PLAIN " JOE_WRONG "\r\n");
	hear_end(fd, WRONG "421 4.7.0 Too many errors\r\n");
	close(fd);
}

static void
without_tls_only_what_stays_secret(void **state)
{
	int fd = fake_connect(&f, LISTENER_SUBMISSION, "192.0.2.1");
	int local;

	(void)state;
	say(fd, IN "AUTH PLAIN " JOE "\r\nAUTH FOO\r\n" MAIL);
	hear(fd, HELLO EHLO_CLEAR
	    "538 5.7.11 Encryption is required for this\r\n"
	    "504 5.5.4 No such mechanism here\r\n"
	    "530 5.7.0 Authentication required\r\n");
	assert_int_equal(f.auth_starts, 0);
	/* Nobody can listen on the way from this host to itself. */
	local = fake_connect(&f, LISTENER_SUBMISSION, "127.0.0.1");
	say(local, IN "AUTH PLAIN " JOE "\r\n");
	hear(local, HELLO EHLO_FRONT "250-AUTH PLAIN LOGIN SCRAM-SHA-256\r\n"
	    EHLO_REST LOGGED_IN);
	hang_up(fd);
	hang_up(local);
}

static void
not_on_other_listeners(void **state)
{
	int fd = fake_connect(&f, LISTENER_SMTP, "192.0.2.1");

	(void)state;
	fake_secure(&f);
	say(fd, "EHLO c\r\n");
	say(fd, "AUTH PLAIN " JOE "\r\nMAIL FROM:<a@b.example> HOLDFOR=10\r\n"
	    "MAIL FROM:<a@b.example> BY=10;R\r\n"
	    "MAIL FROM:<a@b.example> MT-PRIORITY=1\r\n"
	    "MAIL FROM:<a@b.example> AUTH=c@d.example\r\n"
	    "RCPT TO:<u@example.org>\r\nDATA\r\n");
	say(fd, "Bcc: x\r\n\r\nx\r\n.\r\n");
	hear(fd, HELLO EHLO_FRONT "250 HELP\r\n"
	    "502 5.5.1 Command not implemented\r\n"
	    "555 5.5.4 Unknown parameter\r\n555 5.5.4 Unknown parameter\r\n"
	    "555 5.5.4 Unknown parameter\r\n" MAIL_OK RCPT_OK GO QUEUED);
	/* Who is not trusted cannot say who it was. */
	assert_true(slice_eq(f.messages[0].envelope.extras.auth,
	    SLICE_LIT("<>")));
	assert_true(slice_eq(fake_behind_trace(f.messages[0].content),
	    SLICE_LIT("Bcc: x\r\n\r\nx\r\n")));
	assert_int_equal(f.limits + f.senders, 0);
	hang_up(fd);
}

static void
auth_dies_and_comes_back(void **state)
{
	int asked = dial(), line = dial(), in = joe(), fresh;

	(void)state;
	say(line, IN "AUTH PLAIN\r\n");
	hear(line, OUT "334 \r\n");
	f.hold_auth = true;
	say(asked, IN "AUTH PLAIN " JOE "\r\nNOOP\r\n");
	hear(asked, OUT);
	fake_auth_down(&f);
	hear(asked, "454 4.7.0 Logins are not possible now, try again later"
	    "\r\n" OK);
	hear(line, "");		/* until it has said its line */
	say(line, JOE "\r\nNOOP\r\n");
	hear(line, "454 4.7.0 Logins are not possible now, try again later"
	    "\r\n" OK);
	say(line, "AUTH PLAIN " JOE "\r\n" MAIL);
	hear(line, "454 4.7.0 Logins are not possible now, try again later"
	    "\r\n"
	    "454 4.7.0 Logins are not possible now, try again later\r\n");
	say(in, MAIL);
	hear(in, MAIL_OK);	/* it is logged in all the same */
	fresh = dial();
	say(fresh, IN);
	hear(fresh, HELLO EHLO_FRONT EHLO_REST);
	f.hold_auth = false;
	fake_auth_up(&f);
	say(line, "AUTH PLAIN " JOE "\r\n");
	hear(line, LOGGED_IN);
	hang_up(in);
	assert_int_equal(f.logouts, 0);	/* this auth knows nothing of it */
	hang_up(line);
	assert_int_equal(f.logouts, 1);
	hang_up(asked);
	hang_up(fresh);
}

static void
log_out(struct slice login)
{
	struct buf b = BUF_INIT(400);

	put_slice(&b, login);
	login_logout(&f.smtpd, buf_slice(&b));
	buf_clear(&b);
}

/* Its password may have been checked before it was changed. */
static void
a_login_that_is_ended_while_auth_is_asked(void **state)
{
	int fd = dial();

	(void)state;
	log_out(SLICE_LIT("joe@example.org"));
	say(fd, IN "AUTH LOGIN\r\nam9lQGV4YW1wbGUub3Jn\r\n");
	hear(fd, OUT "334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n");
	log_out(SLICE_LIT("ann@example.org"));
	log_out(SLICE_LIT("Joe@example.org"));
	say(fd, "c2VjcmV0\r\n");
	hear(fd, "454 4.7.0 Logins are not possible now, try again later"
	    "\r\n");
	assert_int_equal(f.logouts, 1);
	say(fd, "AUTH PLAIN " JOE "\r\n");
	hear(fd, LOGGED_IN);
	hang_up(fd);
	assert_int_equal(f.logouts, 2);
}

static void
answers_to_nobody(void **state)
{
	int fd = dial();

	(void)state;
	f.hold_auth = true;
	say(fd, IN "AUTH PLAIN " JOE "\r\n");
	hang_up(fd);
	assert_int_equal(f.auth_cancels, 1);
	fake_auth_fails(&f, AUTH_BAD, "late");
	/* The same slot, and then the same session's next attempt. */
	fd = dial();
	say(fd, IN "AUTH PLAIN " JOE "\r\n");
	hear(fd, OUT);
	f.hold_auth = false;
	f.auth_id--;
	fake_auth_fails(&f, AUTH_BAD, "late");
	fake_settle(&f);
	hear(fd, "");
	f.auth_id++;
	fake_auth_fails(&f, AUTH_BAD, "in time\r\n");
	fake_settle(&f);
	assert_null(f.smtpd.auth);	/* a control character: a breach */
	f.smtpd_auth = NULL;
	hear(fd, "454 4.7.0 Logins are not possible now, try again later\r\n");
	hang_up(fd);
}

static void
a_failure_while_the_client_has_the_word(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, IN "AUTH PLAIN\r\n");
	fake_auth_fails(&f, AUTH_TOO_MANY, "");
	fake_settle(&f);
	hear(fd, OUT "334 \r\n");
	say(fd, "*\r\nNOOP\r\n");
	hear(fd, "454 4.7.0 Too many logins, try again later\r\n" OK);
	assert_int_equal(f.auth_cancels, 0);
	hang_up(fd);
}

/* ---- MAIL ------------------------------------------------------------ */

static void
senders(void **state)
{
	int fd = joe();

	(void)state;
	say(fd, "MAIL FROM:<boss@example.org>\r\n" RCPT "RSET\r\n"
	    "MAIL FROM:<trouble@example.org>\r\n"
	    "MAIL FROM:<joe+x@example.org>\r\nRSET\r\n"
	    "MAIL FROM:<alias@example.org>\r\nRSET\r\nMAIL FROM:<>\r\n" RCPT);
	hear(fd, "553 5.7.1 This sender address is not yours\r\n"
	    "503 5.5.1 MAIL was refused\r\n" OK
	    "451 4.3.0 The sender cannot be checked now, try again later\r\n"
	    MAIL_OK OK MAIL_OK OK MAIL_OK RCPT_OK);
	assert_int_equal(f.senders, 4);	/* <> is nobody's */
	assert_int_equal(f.limits, 3);
	hang_up(fd);
}

static void
limits(void **state)
{
	int fd = joe();

	(void)state;
	f.limit_seconds = 61;
	say(fd, MAIL RCPT);
	hear(fd, "450 4.7.1 You have sent as much as you may for now, try "
	    "again in 2 minutes\r\n503 5.5.1 MAIL was refused\r\n");
	f.limit_seconds = 0;
	f.recipients_left = 2;
	say(fd, MAIL "RCPT TO:<no@far.example>\r\n");
	say(fd, "RCPT TO:<a@far.example>\r\nRCPT TO:<b@far.example>\r\n"
	    "RCPT TO:<c@far.example>\r\nDATA\r\n.\r\n");
	hear(fd, MAIL_OK "550 5.1.1 No such user\r\n" RCPT_OK RCPT_OK
	    "452 4.7.1 You have sent to as many recipients as you may for "
	    "now\r\n" GO QUEUED);
	hang_up(fd);
}

static void
mail_waits_and_its_peers_die(void **state)
{
	int fd = joe(), gone = joe();

	(void)state;
	f.hold_senders = true;
	say(fd, MAIL "NOOP\r\n");
	say(gone, MAIL);
	hear(fd, "");
	hang_up(gone);
	fake_lookup_down(&f);
	hear(fd, "451 4.3.0 The sender cannot be checked now, try again later"
	    "\r\n" OK);
	say(fd, MAIL);
	hear(fd, "451 4.3.0 The sender cannot be checked now, try again later"
	    "\r\n");
	f.hold_senders = false;
	fake_lookup_up(&f);
	f.hold_limits = true;
	say(fd, MAIL "NOOP\r\n");
	hear(fd, "");
	fake_qmgr_down(&f);
	hear(fd, "451 4.3.0 The queue is not available, try again later\r\n"
	    OK);
	f.hold_limits = false;
	fake_qmgr_up(&f);
	fake_settle(&f);
	say(fd, MAIL);
	hear(fd, MAIL_OK);
	hang_up(fd);
}

static void
parameters(void **state)
{
	const struct envelope_extras *x;
	char text[300];
	int64_t now = clock_wall_ms();
	int fd = joe();

	(void)state;
	say(fd, "MAIL FROM:<joe@example.org> HOLDFOR=604801\r\n"
	    "MAIL FROM:<joe@example.org> HOLDFOR=0\r\n"
	    "MAIL FROM:<joe@example.org> HOLDFOR=1000000000\r\n"
	    "MAIL FROM:<joe@example.org> HOLDUNTIL=9998-01-01T00:00:00Z\r\n"
	    "MAIL FROM:<joe@example.org> HOLDUNTIL=2027-02-30T00:00:00Z\r\n"
	    "MAIL FROM:<joe@example.org> HOLDUNTIL=2027-02-03\r\n"
	    "MAIL FROM:<joe@example.org> HOLDFOR=1 "
	    "HOLDUNTIL=2027-01-01T00:00:00Z\r\n");
	hear(fd, "501 5.5.4 *\r\n501 5.5.4 *\r\n501 5.5.4 *\r\n501 5.5.4 *\r\n"
	    "501 5.5.4 *\r\n501 5.5.4 *\r\n501 5.5.4 *\r\n");
	say(fd, "MAIL FROM:<joe@example.org> BY=0;R\r\n"
	    "MAIL FROM:<joe@example.org> BY=-1;R\r\n"
	    "MAIL FROM:<joe@example.org> BY=1\r\n"
	    "MAIL FROM:<joe@example.org> BY=1;X\r\n"
	    "MAIL FROM:<joe@example.org> BY=1;RX\r\n"
	    "MAIL FROM:<joe@example.org> BY=;R\r\n"
	    "MAIL FROM:<joe@example.org> MT-PRIORITY=10\r\n"
	    "MAIL FROM:<joe@example.org> MT-PRIORITY=-0\r\n"
	    "MAIL FROM:<joe@example.org> REQUIRETLS\r\n");
	hear(fd, "501 5.5.4 *\r\n501 5.5.4 *\r\n501 5.5.4 *\r\n501 5.5.4 *\r\n"
	    "501 5.5.4 *\r\n501 5.5.4 *\r\n501 5.5.4 *\r\n501 5.5.4 *\r\n"
	    "555 5.5.4 Unknown parameter\r\n");
	snprintf(text, sizeof(text), "MAIL FROM:<joe@example.org> "
	    "HOLDUNTIL=%s BY=-60;NT MT-PRIORITY=-9 AUTH=e+3Dmc2@d.example\r\n"
	    RCPT "DATA\r\n.\r\n", date_text_3339(now + 3600000).s);
	say(fd, text);
	hear(fd, MAIL_OK RCPT_OK GO QUEUED);
	x = &f.messages[0].envelope.extras;
	assert_true(x->hold_ms > now + 3590000 && x->hold_ms < now + 3610000);
	assert_int_equal(x->by_mode, BY_NOTIFY);
	assert_true(x->by_trace);
	assert_true(x->by_ms > now - 70000 && x->by_ms < now - 50000);
	assert_int_equal(x->priority, -9);
	assert_true(slice_eq(x->login, SLICE_LIT("joe@example.org")));
	assert_true(slice_eq(x->auth, SLICE_LIT("e=mc2@d.example")));
	/* What is over is not waited for. */
	say(fd, "MAIL FROM:<joe@example.org> HOLDUNTIL=2020-01-01T00:00:00Z "
	    "BY=+60;r\r\n" RCPT "DATA\r\n.\r\n");
	hear(fd, MAIL_OK RCPT_OK GO QUEUED);
	x = &f.messages[1].envelope.extras;
	assert_int_equal(x->hold_ms, 0);
	assert_int_equal(x->by_mode, BY_RETURN);
	assert_int_equal(x->auth.n, 0);
	hang_up(fd);
}

static void
holding_can_be_switched_off(void **state)
{
	int fd;

	(void)state;
	fake_clear(&f);
	start("submission.max_hold = 0\n");
	fd = dial();
	say(fd, IN "AUTH PLAIN " JOE "\r\n"
	    "MAIL FROM:<joe@example.org> HOLDFOR=1\r\n");
	hear(fd, HELLO EHLO_FRONT "250-AUTH PLAIN LOGIN SCRAM-SHA-256\r\n"
	    "250-DELIVERBY\r\n"
	    "250-MT-PRIORITY MIXER\r\n250 HELP\r\n" LOGGED_IN
	    "555 5.5.4 Unknown parameter\r\n");
	hang_up(fd);
}

/* ---- the header section ---------------------------------------------- */

#define ADDED	"Date: *\r\nMessage-ID: <*\r\n"
#define ADDED_FROM "From: <joe@example.org>\r\n" ADDED
#define DATED	"Date: x\r\nMessage-ID: <y@z>\r\n"
#define FROM	"From: joe@example.org\r\n"

static const struct {
	const char	*name;
	const char	*message;
	const char	*reply;		/* NULL: QUEUED */
	const char	*queued;	/* behind the trace field */
} headers[] = {
	{ "complete", FROM DATED "\r\nx\r\n", NULL, FROM DATED "\r\nx\r\n" },
	{ "date_and_message_id_are_added", FROM "\r\nx\r\n", NULL,
	    ADDED FROM "\r\nx\r\n" },
	{ "empty_date_and_message_id_are_replaced", "Date:\r\n" FROM
	    "message-id: \r\n\t\r\n\r\nx\r\n", NULL,
	    ADDED FROM "\r\nx\r\n" },
	{ "an_empty_one_beside_another_is_left_out", "Date: \r\n" FROM DATED
	    "Message-ID:\r\n\r\nx\r\n", NULL, FROM DATED "\r\nx\r\n" },
	{ "two_dates_are_no_harm", FROM DATED "Date: y\r\n\r\nx\r\n", NULL,
	    FROM DATED "Date: y\r\n\r\nx\r\n" },
	{ "from_is_added", DATED "\r\nx\r\n", NULL,
	    "From: <joe@example.org>\r\n" DATED "\r\nx\r\n" },
	{ "no_header_section", "hello there\r\nFrom: x@y\r\n", NULL,
	    ADDED_FROM "\r\nhello there\r\nFrom: x@y\r\n" },
	{ "begins_with_a_blank", " From: x@y\r\nBcc: z\r\n", NULL,
	    ADDED_FROM "\r\n From: x@y\r\nBcc: z\r\n" },
	{ "nothing", "", NULL, ADDED_FROM },
	{ "empty_line_only", "\r\nBcc: in the body\r\n", NULL,
	    ADDED_FROM "\r\nBcc: in the body\r\n" },
	{ "header_section_only", FROM DATED, NULL, FROM DATED },
	{ "bcc_is_removed", "BCC : a@b,\r\n c@d\r\n" FROM "Bcc:\r\n" DATED
	    "bcc: e@f\r\n\r\nBcc: x\r\n", NULL,
	    FROM DATED "\r\nBcc: x\r\n" },
	{ "bcc_alone_is_removed", "Bcc: x@y\r\n", NULL, ADDED_FROM },
	{ "resent_bcc_and_return_path", FROM "Resent-Bcc: x\r\n"
	    "Return-Path: <x>\r\n" DATED "Bccx: y\r\n\r\n", NULL,
	    FROM DATED "Bccx: y\r\n\r\n" },
	{ "own_detail_and_alias", "From: Me (x) <joe+a@example.org>,\r\n"
	    "\t\"Us, all\" <alias@example.org>\r\n"
	    "Sender: joe@example.org\r\n" DATED "\r\n", NULL,
	    "From: Me (x) <joe+a@example.org>,\r\n"
	    "\t\"Us, all\" <alias@example.org>\r\n"
	    "Sender: joe@example.org\r\n" DATED "\r\n" },
	{ "foreign_from", "From: \"joe@example.org\" <boss@example.org>\r\n"
	    "\r\n", "550 5.7.1 The address in From or Sender is not yours: "
	    "boss@example.org\r\n", NULL },
	{ "one_of_several", "From: joe@example.org, boss@example.org\r\n\r\n",
	    "550 5.7.1 The address in From or Sender is not yours: "
	    "boss@example.org\r\n", NULL },
	{ "in_a_group", "From: us: joe@example.org, boss@example.org;\r\n"
	    "\r\n", "550 5.7.1 The address in From or Sender is not yours: "
	    "boss@example.org\r\n", NULL },
	{ "foreign_sender", FROM "sEnDeR: boss@example.org\r\n\r\n",
	    "550 5.7.1 The address in From or Sender is not yours: "
	    "boss@example.org\r\n", NULL },
	{ "folded_away", "From:\r\n boss@example.org\r\n\r\n",
	    "550 5.7.1 The address in From or Sender is not yours: "
	    "boss@example.org\r\n", NULL },
	{ "blanks_before_the_colon", "From \t: boss@example.org\r\n\r\n",
	    "550 5.7.1 The address in From or Sender is not yours: "
	    "boss@example.org\r\n", NULL },
	{ "from_twice", FROM FROM "\r\n",
	    "550 5.6.0 The message has two From fields\r\n", NULL },
	{ "sender_twice", FROM "Sender: joe@example.org\r\n"
	    "Sender: joe@example.org\r\n\r\n",
	    "550 5.6.0 The message has two Sender fields\r\n", NULL },
	{ "empty_from", "From: \r\n\r\n", "550 5.6.0 *\r\n", NULL },
	{ "no_address_in_from", "From: Joe Doe\r\n\r\n", "550 5.6.0 *\r\n",
	    NULL },
	{ "empty_group_in_from", "From: us:;\r\n\r\n", "550 5.6.0 *\r\n",
	    NULL },
	{ "trouble", "From: trouble@example.org\r\n\r\n",
	    "451 4.3.0 The sender cannot be checked now, try again later\r\n",
	    NULL },
	{ "line_that_is_no_field", FROM "hello\r\nFrom: x@y\r\n\r\n",
	    "550 5.6.0 The header section has a line that is no field\r\n",
	    NULL },
	{ "name_with_a_blank", FROM "a b: c\r\n\r\n",
	    "550 5.6.0 The header section has a line that is no field\r\n",
	    NULL },
	{ "no_name", FROM ": c\r\n\r\n",
	    "550 5.6.0 The header section has a line that is no field\r\n",
	    NULL },
	{ "eight_bits", "From: J\xc3\xb6 <joe@example.org>\r\n" DATED
	    "\r\n\xff\r\n", NULL,
	    "From: J\xc3\xb6 <joe@example.org>\r\n" DATED "\r\n\xff\r\n" },
};

static void
forget(void)
{
	fake_forget_messages(&f);
}

static void
check_header(size_t i, int fd)
{
	struct slice got;

	if (headers[i].reply != NULL) {
		hear(fd, headers[i].reply);
		assert_int_equal(f.nmessages, 0);
	} else {
		hear(fd, QUEUED);
		assert_int_equal(f.nmessages, 1);
		got = fake_behind_trace(f.messages[0].content);
		if (!fake_matches(got, headers[i].queued))
			fail_msg("%s: got\n%.*s", headers[i].name,
			    SLICE_ARG(got));
	}
	forget();
}

static void
header_sections(void **state)
{
	struct buf in = BUF_INIT(10000);
	size_t i, part;
	int fd;

	(void)state;
	for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		for (part = 0; part < 8; part++) {
			fd = joe();
			say(fd, MAIL RCPT);
			hear(fd, MAIL_OK RCPT_OK);
			buf_reset(&in);
			if (part < 4) {
				say(fd, "DATA\r\n");
				hear(fd, GO);
				buf_add_str(&in, headers[i].message);
				buf_add_str(&in, ".\r\n");
			} else {
				buf_printf(&in, "BDAT %zu LAST\r\n",
				    strlen(headers[i].message));
				buf_add_str(&in, headers[i].message);
			}
			fake_send(&f, fd, buf_slice(&in), part % 4);
			check_header(i, fd);
			hang_up(fd);
		}
	buf_clear(&in);
}

/* Every byte in a chunk of its own. */
static void
header_sections_in_chunks(void **state)
{
	struct buf in = BUF_INIT(100000), out = BUF_INIT(100000);
	const char *p;
	size_t i;
	int fd;

	(void)state;
	for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		if (headers[i].reply != NULL)
			continue;
		fd = joe();
		buf_reset(&in);
		buf_reset(&out);
		buf_add_str(&in, MAIL RCPT);
		buf_add_str(&out, MAIL_OK RCPT_OK);
		for (p = headers[i].message; *p != '\0'; p++) {
			buf_printf(&in, "BDAT 1\r\n%c", *p);
			buf_add_str(&out, "250 2.0.0 1 octets received\r\n");
		}
		fake_send(&f, fd, buf_slice(&in), 0);
		hear(fd, buf_cstr(&out));
		say(fd, "BDAT 0 LAST\r\n");
		check_header(i, fd);
		hang_up(fd);
	}
	buf_clear(&in);
	buf_clear(&out);
}

/* Binary content may have any line ends, its header section may not. */
static void
bare_line_ends_in_a_binary_header(void **state)
{
	static const struct {
		const char	*bytes;
		size_t		 n;
	} bad[] = {
		{ "From: joe@example.org\nBcc: x\r\n\r\n", 32 },
		{ "From: joe@example.org\r\nX: a\rb\r\n\r\n", 32 },
		{ "From: joe@example.org\r\nX: a\0b\r\n\r\n", 32 },
		{ "From: joe@example.org\n\n", 23 },
	};
	struct buf in = BUF_INIT(1000);
	size_t i;
	int fd;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fd = joe();
		buf_reset(&in);
		buf_printf(&in, "MAIL FROM:<joe@example.org> BODY=BINARYMIME"
		    "\r\n" RCPT "BDAT %zu LAST\r\n", bad[i].n);
		buf_add(&in, slice_of(bad[i].bytes, bad[i].n));
		fake_send(&f, fd, buf_slice(&in), 0);
		hear(fd, MAIL_OK RCPT_OK "550 5.6.0 The header section has a "
		    "bare CR or LF, or a NUL\r\n");
		hang_up(fd);
	}
	buf_clear(&in);
}

static void
null_reverse_path_needs_from(void **state)
{
	int fd = joe();

	(void)state;
	say(fd, "MAIL FROM:<>\r\n" RCPT "DATA\r\n" DATED "\r\n.\r\n");
	hear(fd, MAIL_OK RCPT_OK GO
	    "550 5.6.0 The message has no From field\r\n");
	say(fd, "MAIL FROM:<>\r\n" RCPT "DATA\r\n" FROM DATED "\r\n.\r\n");
	hear(fd, MAIL_OK RCPT_OK GO QUEUED);
	hang_up(fd);
}

static void
fields(struct buf *b, size_t bytes)
{
	size_t end = b->n + bytes;

	while (b->n < end)
		buf_printf(b, "X: %-93s.\r\n", "");
}

static void
huge_header_sections(void **state)
{
	struct buf in = BUF_INIT(4 * 1024 * 1024);
	int fd = joe(), i;

	(void)state;
	buf_add_str(&in, MAIL RCPT "DATA\r\n");
	fields(&in, 200 * 1024);
	buf_add_str(&in, "\r\nx\r\n.\r\nNOOP\r\n");
	say(fd, buf_cstr(&in));
	hear(fd, MAIL_OK RCPT_OK GO
	    "552 5.3.4 The header section is too large\r\n" OK);
	assert_int_equal(f.smtpd.content_bytes, 0);
	/* Without an end. */
	buf_reset(&in);
	buf_add_str(&in, MAIL RCPT "DATA\r\nX: ");
	for (i = 0; i < 3000; i++)
		buf_printf(&in, "%-98s\r\n", "");
	buf_add_str(&in, ".\r\nNOOP\r\n");
	say(fd, buf_cstr(&in));
	hear(fd, MAIL_OK RCPT_OK GO
	    "552 5.3.4 The header section is too large\r\n" OK);
	buf_clear(&in);
	hang_up(fd);
}

/* Held, edited, and then on to the file like the rest. */
static void
large_messages(void **state)
{
	struct buf in = BUF_INIT(4 * 1024 * 1024);
	struct buf want = BUF_INIT(4 * 1024 * 1024);
	size_t n, part;
	struct slice got;
	int fd = joe();

	(void)state;
	for (part = 0; part < 2; part++) {
		forget();
		buf_reset(&in);
		buf_reset(&want);
		buf_add_str(&in, part == 0 ? MAIL RCPT "DATA\r\n" :
		    "MAIL FROM:<joe@example.org> SIZE=700000\r\n" RCPT
		    "DATA\r\n");
		n = in.n;
		fields(&in, 60 * 1024);
		buf_add(&want, slice_from(buf_slice(&in), n));
		buf_add_str(&in, "Bcc: secret@example.org\r\n");
		n = in.n;
		buf_add_str(&in, FROM DATED "\r\n");
		fields(&in, 600 * 1024);
		buf_add(&want, slice_from(buf_slice(&in), n));
		buf_add_str(&in, ".\r\n");
		fake_send(&f, fd, buf_slice(&in), 70001);
		hear(fd, MAIL_OK RCPT_OK GO QUEUED);
		assert_true(f.messages[0].spooled);
		got = fake_behind_trace(f.messages[0].content);
		assert_true(slice_eq(got, buf_slice(&want)));
	}
	buf_clear(&in);
	buf_clear(&want);
	hang_up(fd);
}

static void
authors_wait_and_lookup_dies(void **state)
{
	int fd = joe(), gone = joe();

	(void)state;
	say(fd, MAIL RCPT);
	say(gone, MAIL RCPT);
	f.hold_senders = true;
	say(fd, "DATA\r\n" FROM "\r\n.\r\nNOOP\r\n");
	say(gone, "DATA\r\n" FROM "\r\n.\r\n");
	hear(fd, MAIL_OK RCPT_OK GO);
	hang_up(gone);
	fake_lookup_down(&f);
	hear(fd, "451 4.3.0 The sender cannot be checked now, try again later"
	    "\r\n" OK);
	say(fd, MAIL);
	assert_int_equal(f.nmessages, 0);
	hang_up(fd);
}

static void
check_of_the_header_can_be_switched_off(void **state)
{
	int fd;

	(void)state;
	fake_clear(&f);
	start("submission.check_header = no\n");
	fd = joe();
	say(fd, MAIL RCPT "DATA\r\nFrom: boss@example.org\r\nBcc: x\r\n" DATED
	    "\r\n.\r\n");
	hear(fd, MAIL_OK RCPT_OK GO QUEUED);
	assert_true(slice_eq(fake_behind_trace(f.messages[0].content),
	    SLICE_LIT("From: boss@example.org\r\n" DATED "\r\n")));
	hang_up(fd);
}

static bool
has(struct slice s, const char *part)
{
	return memmem(s.p, s.n, part, strlen(part)) != NULL;
}

static void
trace_field(void **state)
{
	int fd = joe();

	(void)state;
	fake_resolver_up(&f);
	say(fd, "MAIL FROM:<joe@example.org> MT-PRIORITY=-3\r\n" RCPT
	    "DATA\r\n.\r\n");
	hear(fd, MAIL_OK RCPT_OK GO QUEUED);
	assert_true(has(f.messages[0].content, "from c (unknown [192.0.2.1])"
	    "\r\n\tby mx.example.org (Chasqui) with ESMTPSA id "));
	assert_true(has(f.messages[0].content, " PRIORITY -3\r\n\tfor "));
	assert_true(slice_eq(f.messages[0].envelope.protocol,
	    SLICE_LIT("ESMTPSA")));
	/* The login is in the envelope and nowhere else. */
	assert_false(has(f.messages[0].content, "login"));
	hang_up(fd);
	fake_clear(&f);
	start("submission.hide_client = yes\n");
	fd = joe();
	say(fd, MAIL RCPT "DATA\r\n.\r\n");
	hear(fd, MAIL_OK RCPT_OK GO QUEUED);
	assert_true(slice_starts(f.messages[0].content, SLICE_LIT("Received: "
	    "by mx.example.org (Chasqui) with ESMTPSA id ")));
	assert_false(has(f.messages[0].content, "192.0.2.1"));
	hang_up(fd);
}

static void
a_stop_ends_a_dialogue(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, IN "AUTH LOGIN\r\n");
	hear(fd, OUT "334 VXNlcm5hbWU6\r\n");
	smtpd_drain(&f.smtpd, NULL, NULL);
	fake_settle(&f);
	hear_end(fd, "421 4.3.2 Shutting down\r\n");
	assert_int_equal(f.auth_cancels, 1);
	close(fd);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(dialogues_of_auth),
		TEST(long_lines),
		TEST(failures_are_counted),
		TEST(without_tls_only_what_stays_secret),
		TEST(not_on_other_listeners),
		TEST(auth_dies_and_comes_back),
		TEST(a_login_that_is_ended_while_auth_is_asked),
		TEST(answers_to_nobody),
		TEST(a_failure_while_the_client_has_the_word),
		TEST(senders),
		TEST(limits),
		TEST(mail_waits_and_its_peers_die),
		TEST(parameters),
		TEST(holding_can_be_switched_off),
		TEST(header_sections),
		TEST(header_sections_in_chunks),
		TEST(bare_line_ends_in_a_binary_header),
		TEST(null_reverse_path_needs_from),
		TEST(huge_header_sections),
		TEST(large_messages),
		TEST(authors_wait_and_lookup_dies),
		TEST(check_of_the_header_can_be_switched_off),
		TEST(trace_field),
		TEST(a_stop_ends_a_dialogue),
	};

	log_set_level(LOG_LEVEL_ERROR + 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
