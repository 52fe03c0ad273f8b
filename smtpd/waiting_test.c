/* SPDX-License-Identifier: ISC */
/* Sessions that wait: for verdicts, ids, files and QUEUED; processes that go
 * away meanwhile, clients that do, limits and times. */
#include <sys/socket.h>

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "ipc/smtpd_lookup.h"
#include "test_client.h"

#define CONF	"hostname = mx.example.org\n"				\
		"log.level = error\n"					\
		"relay_networks = 127.0.0.0/8\n"			\
		"smtp.max_message = 1M\n"				\
		"smtp.max_transactions = 5\n"
#define NOT_NOW	"451 4.3.0 The queue is not available, try again later\r\n"
#define UNCHECKED "451 4.3.0 Recipients cannot be checked now, "	\
		"try again later\r\n"

static void
start(const char *more)
{
	char conf[2000];

	snprintf(conf, sizeof(conf), "%s%s", CONF, more);
	fake_init(&f, conf);
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
	return fake_connect(&f, LISTENER_SMTP, "127.0.0.1");
}

/* ---- verdicts -------------------------------------------------------- */

static void
verdicts_may_come_in_any_order(void **state)
{
	int fd = dial();

	(void)state;
	f.hold_verdicts = true;
	say(fd, "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.org>\r\n"
	    "RCPT TO:<no@example.org>\r\nRCPT TO:<c@example.org>\r\nDATA\r\n"
	    "x\r\n.\r\n");
	hear(fd, HELLO EHLO_REPLY MAIL_OK);
	assert_int_equal(f.nheld, 3);	/* asked at once */
	fake_decide(&f, 2);
	fake_settle(&f);
	hear(fd, "");
	fake_decide(&f, 0);
	fake_settle(&f);
	hear(fd, RCPT_OK);
	fake_decide(&f, 1);
	fake_settle(&f);
	hear(fd, "550 5.1.1 No such user\r\n" RCPT_OK GO QUEUED);
	assert_int_equal(f.messages[0].envelope.nrecipients, 2);
	hang_up(fd);
}

static void
at_most_so_many_are_asked_at_once(void **state)
{
	struct buf in = BUF_INIT(1024 * 1024), out = BUF_INIT(1024 * 1024);
	int i, fd = dial();

	(void)state;
	f.hold_verdicts = true;
	buf_add_str(&in, "EHLO c\r\nMAIL FROM:<>\r\n");
	for (i = 0; i < 100; i++)
		buf_printf(&in, "RCPT TO:<u%d@example.org>\r\n", i);
	buf_add_str(&in, "DATA\r\nx\r\n.\r\n");
	say(fd, buf_cstr(&in));
	hear(fd, HELLO EHLO_REPLY MAIL_OK);
	assert_int_equal(f.nheld, ASKED_MAX);
	f.hold_verdicts = false;
	for (i = 0; i < ASKED_MAX; i++)
		fake_decide(&f, (size_t)i);
	fake_settle(&f);
	fake_settle(&f);
	for (i = 0; i < 100; i++)
		buf_add_str(&out, RCPT_OK);
	buf_add_str(&out, GO QUEUED);
	hear(fd, buf_cstr(&out));
	assert_int_equal(f.messages[0].envelope.nrecipients, 100);
	buf_clear(&in);
	buf_clear(&out);
	hang_up(fd);
}

static void
accepted_recipients_are_remembered(void **state)
{
	int fd = dial(), other;

	(void)state;
	say(fd, UP_TO_RCPT "RSET\r\nMAIL FROM:<>\r\n"
	    "RCPT TO:<u@example.org>\r\nRCPT TO:<u@example.org>\r\n");
	hear(fd, UP_TO_RCPT_OK OK MAIL_OK RCPT_OK RCPT_OK);
	assert_int_equal(f.questions, 1);
	/* Not for one who has another right to relay. */
	other = fake_connect(&f, LISTENER_SMTP, "192.0.2.1");
	say(other, "EHLO c\r\n");
	say(other, "MAIL FROM:<>\r\nRCPT TO:<u@example.org>\r\n");
	hear(other, HELLO EHLO_REPLY MAIL_OK RCPT_OK);
	assert_int_equal(f.questions, 2);
	/* Refusals and ..._ONCE are asked again. */
	say(fd, "RCPT TO:<once@example.org>\r\nRCPT TO:<once@example.org>\r\n"
	    "RCPT TO:<no@example.org>\r\nRCPT TO:<no@example.org>\r\n");
	hear(fd, RCPT_OK RCPT_OK "550 5.1.1 No such user\r\n"
	    "550 5.1.1 No such user\r\n");
	assert_int_equal(f.questions, 6);
	channel_send(f.lookup, SL_CHANGED, 0, SLICE_EMPTY);
	fake_settle(&f);
	say(fd, "RCPT TO:<u@example.org>\r\n");
	hear(fd, RCPT_OK);
	assert_int_equal(f.questions, 7);
	hang_up(fd);
	hang_up(other);
}

static void
lookup_dies_and_comes_back(void **state)
{
	int fd = dial();

	(void)state;
	f.hold_verdicts = true;
	say(fd, "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.org>\r\n"
	    "RCPT TO:<b@example.org>\r\nNOOP\r\n");
	hear(fd, HELLO EHLO_REPLY MAIL_OK);
	fake_lookup_down(&f);
	hear(fd, UNCHECKED UNCHECKED OK);
	say(fd, "RCPT TO:<a@example.org>\r\nDATA\r\n");
	hear(fd, UNCHECKED "554 5.5.1 No valid recipients\r\n");
	f.hold_verdicts = false;
	fake_lookup_up(&f);
	say(fd, "RCPT TO:<a@example.org>\r\nDATA\r\n.\r\n");
	hear(fd, RCPT_OK GO QUEUED);
	hang_up(fd);
}

static void
client_leaves_while_lookup_thinks(void **state)
{
	int fd = dial();

	(void)state;
	f.hold_verdicts = true;
	say(fd, "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.org>\r\n");
	hang_up(fd);
	assert_int_equal(f.smtpd.nsessions, 0);
	/* The slot has another owner when the answer comes. */
	fd = dial();
	say(fd, "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\n");
	fake_decide(&f, 0);
	fake_settle(&f);
	hear(fd, HELLO EHLO_REPLY MAIL_OK);
	fake_decide(&f, 1);
	fake_decide(&f, 1);	/* twice: nobody waits for it any more */
	fake_settle(&f);
	hear(fd, RCPT_OK);
	hang_up(fd);
}

/* ---- qmgr ------------------------------------------------------------ */

static void
mail_waits_for_an_id(void **state)
{
	int fd = dial(), gone = dial();

	(void)state;
	f.hold_ids = true;
	fake_qmgr_down(&f);
	fake_qmgr_up(&f);
	fake_settle(&f);
	say(fd, "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<u@example.org>\r\n");
	say(gone, "EHLO c\r\nMAIL FROM:<>\r\n");
	hear(fd, HELLO EHLO_REPLY);
	hang_up(gone);
	fake_qmgr_down(&f);
	hear(fd, NOT_NOW "503 5.5.1 MAIL was refused\r\n");
	f.hold_ids = false;
	fake_qmgr_up(&f);
	fake_settle(&f);
	say(fd, "MAIL FROM:<>\r\n");
	hear(fd, MAIL_OK);
	hang_up(fd);
}

/* Q1 */
static void
no_250_before_queued(void **state)
{
	int fd = dial();

	(void)state;
	f.hold_queued = true;
	say(fd, UP_TO_DATA "x\r\n.\r\nNOOP\r\n");
	hear(fd, UP_TO_DATA_OK);
	fake_queued(&f, f.messages[0].id);
	fake_settle(&f);
	hear(fd, QUEUED OK);
	fake_queued(&f, f.messages[0].id);	/* of no interest any more */
	fake_settle(&f);
	hear(fd, "");
	hang_up(fd);
}

static void
what_qmgr_refuses_is_refused(void **state)
{
	int fd = dial();

	(void)state;
	f.refuse = "452 4.3.1 Disk full";
	say(fd, UP_TO_DATA "x\r\n.\r\nNOOP\r\n");
	hear(fd, UP_TO_DATA_OK "452 4.3.1 Disk full\r\n" OK);
	assert_int_equal(f.aborts, 0);
	hang_up(fd);
}

static void
qmgr_dies_and_comes_back(void **state)
{
	int fd = dial(), other = dial(), third = dial();

	(void)state;
	f.hold_queued = true;
	say(fd, UP_TO_DATA "x\r\n.\r\nNOOP\r\n");
	say(other, UP_TO_DATA "x\r\n");
	say(third, "EHLO c\r\n");
	fake_qmgr_down(&f);
	hear(fd, UP_TO_DATA_OK NOT_NOW OK);
	say(third, "MAIL FROM:<>\r\n");
	hear(third, HELLO EHLO_REPLY NOT_NOW);
	say(other, ".\r\n");
	hear(other, UP_TO_DATA_OK NOT_NOW);
	f.hold_queued = false;
	fake_qmgr_up(&f);
	fake_settle(&f);
	say(fd, "MAIL FROM:<>\r\nRCPT TO:<u@example.org>\r\nDATA\r\n"
	    "y\r\n.\r\n");
	hear(fd, MAIL_OK RCPT_OK GO QUEUED);
	hang_up(fd);
	hang_up(other);
	hang_up(third);
}

/* An id is good only on the channel that granted it: fake.c checks. */
static void
transaction_outlives_qmgr(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, UP_TO_DATA "x\r\n");
	fake_qmgr_down(&f);
	f.next_id = FAKE_FIRST_ID + 1000000;
	fake_qmgr_up(&f);
	fake_settle(&f);
	say(fd, ".\r\n");
	hear(fd, UP_TO_DATA_OK QUEUED);
	assert_true(f.messages[0].id >= FAKE_FIRST_ID + 1000000);
	hang_up(fd);
}

static void
client_leaves_while_qmgr_works(void **state)
{
	int fd = dial();

	(void)state;
	f.hold_queued = true;
	say(fd, UP_TO_DATA "x\r\n.\r\n");
	hang_up(fd);
	assert_int_equal(f.aborts, 1);
	assert_true(f.messages[0].aborted);
	assert_int_equal(f.smtpd.nsessions, 0);
	fake_queued(&f, f.messages[0].id);
	fake_settle(&f);
}

static void
half_closed_after_quit_is_not_gone(void **state)
{
	int fd = dial();

	(void)state;
	f.hold_queued = true;
	say(fd, UP_TO_DATA "x\r\n.\r\nQUIT\r\n");
	shutdown(fd, SHUT_WR);
	fake_settle(&f);
	assert_int_equal(f.aborts, 0);
	fake_queued(&f, f.messages[0].id);
	fake_settle(&f);
	hear_end(fd, UP_TO_DATA_OK QUEUED BYE);
	close(fd);
}

static void
half_closed_gets_its_reply(void **state)
{
	static const char all[] = UP_TO_DATA "x\r\n.\r\n";
	size_t n;
	int fd;

	(void)state;
	/* Its EOF comes while qmgr works, or with the last line. */
	for (n = 0; n < 2; n++) {
		fd = dial();
		f.hold_queued = true;
		send(fd, all, sizeof(all) - 1, MSG_NOSIGNAL);
		if (n == 0)
			fake_settle(&f);
		shutdown(fd, SHUT_WR);
		fake_settle(&f);
		assert_int_equal(f.aborts, 0);
		assert_int_equal(f.nmessages, n + 1);
		fake_queued(&f, f.messages[n].id);
		fake_settle(&f);
		hear_end(fd, UP_TO_DATA_OK QUEUED);
		close(fd);
		assert_int_equal(f.smtpd.nsessions, 0);
	}
}

static void
gone_before_the_end_is_not_submitted(void **state)
{
	static const char all[] = UP_TO_DATA "x\r\n.\r\n";
	int fd = dial();

	(void)state;
	send(fd, all, sizeof(all) - 1, MSG_NOSIGNAL);
	close(fd);
	fake_settle(&f);
	assert_int_equal(f.nmessages, f.aborts);
	assert_int_equal(f.smtpd.nsessions, 0);
}

/* ---- large content --------------------------------------------------- */

/* Lines of 100 bytes that tell where they are. */
static char *
big_text(size_t lines)
{
	char *text = mem_alloc(lines * 100 + 1);
	size_t i;

	for (i = 0; i < lines; i++)
		snprintf(text + i * 100, 101, "line %-92zu.\r\n", i);
	return text;
}

static void
expect_big(const char *text)
{
	struct slice got = fake_behind_trace(f.messages[0].content);

	assert_true(f.messages[0].spooled);
	/* It has no header section. */
	assert_true(slice_starts(got, SLICE_LIT("\r\n")));
	assert_true(slice_eq(slice_from(got, 2), slice_str(text)));
}

static void
large_content_goes_through_a_file(void **state)
{
	char *text = big_text(5000);
	int fd = dial();

	(void)state;
	say(fd, UP_TO_DATA);
	say(fd, text);
	say(fd, ".\r\nNOOP\r\n");
	hear(fd, UP_TO_DATA_OK QUEUED OK);
	expect_big(text);
	assert_int_equal(f.spools, 1);
	free(text);
	hang_up(fd);
}

static void
large_content_in_chunks(void **state)
{
	char *text = big_text(5000);
	char head[60];
	int i, fd = dial();

	(void)state;
	say(fd, UP_TO_RCPT);
	hear(fd, UP_TO_RCPT_OK);
	for (i = 0; i < 5; i++) {
		snprintf(head, sizeof(head), "BDAT 100000%s\r\n",
		    i == 4 ? " LAST" : "");
		say(fd, head);
		fake_send(&f, fd, slice_of(text + i * 100000, 100000), 0);
		hear(fd, i < 4 ? "250 2.0.0 100000 octets received\r\n" :
		    QUEUED);
	}
	expect_big(text);
	free(text);
	hang_up(fd);
}

static void
declared_size_asks_for_the_file_early(void **state)
{
	int fd = dial();

	(void)state;
	f.hold_spool = true;
	say(fd, "EHLO c\r\nMAIL FROM:<> SIZE=200000\r\n"
	    "RCPT TO:<u@example.org>\r\nDATA\r\n");
	hear(fd, UP_TO_DATA_OK);
	assert_int_equal(f.spools, 1);
	/* It was not as large after all, and still goes there. */
	say(fd, "x\r\n.\r\nNOOP\r\n");
	hear(fd, "");
	fake_give_spool(&f, f.spool_id);
	fake_settle(&f);
	hear(fd, QUEUED OK);
	expect_big("x\r\n");
	hang_up(fd);
}

static void
content_waits_for_the_file(void **state)
{
	char *text = big_text(5000);
	int fd = dial();

	(void)state;
	f.hold_spool = true;
	say(fd, UP_TO_DATA);
	fake_send(&f, fd, slice_of(text, 250000), 0);
	assert_int_equal(f.spools, 1);
	assert_true(f.smtpd.content_bytes < 400000);
	fake_give_spool(&f, f.spool_id);
	fake_settle(&f);
	say(fd, text + 250000);
	say(fd, ".\r\n");
	hear(fd, UP_TO_DATA_OK QUEUED);
	expect_big(text);
	free(text);
	hang_up(fd);
}

static void
file_is_refused(void **state)
{
	char *text = big_text(5000);
	int fd = dial();

	(void)state;
	f.refuse_spool = "452 4.3.1 Disk full";
	say(fd, UP_TO_DATA);
	say(fd, text);
	say(fd, ".\r\nNOOP\r\n");
	hear(fd, UP_TO_DATA_OK "452 4.3.1 Disk full\r\n" OK);
	assert_int_equal(f.aborts, 0);
	free(text);
	hang_up(fd);
}

static void
file_cannot_be_written(void **state)
{
	char *text = big_text(5000);
	int fd = dial();

	(void)state;
	f.spool_flags = O_RDONLY;
	say(fd, UP_TO_DATA);
	say(fd, text);
	say(fd, ".\r\nNOOP\r\n");
	hear(fd, UP_TO_DATA_OK "452 4.3.1 The message could not be stored, "
	    "try again later\r\n" OK);
	assert_int_equal(f.aborts, 1);
	assert_int_equal(f.nmessages, 0);
	free(text);
	hang_up(fd);
}

static void
rset_lets_go_of_the_file(void **state)
{
	char *text = big_text(5000);
	int fd = dial();

	(void)state;
	say(fd, UP_TO_RCPT "BDAT 500000\r\n");
	say(fd, text);
	say(fd, "RSET\r\n");
	hear(fd, UP_TO_RCPT_OK "250 2.0.0 500000 octets received\r\n" OK);
	assert_int_equal(f.aborts, 1);
	say(fd, "MAIL FROM:<>\r\nRCPT TO:<u@example.org>\r\nBDAT 500000\r\n");
	say(fd, text);
	hang_up(fd);
	assert_int_equal(f.aborts, 2);
	free(text);
}

static void
qmgr_dies_with_the_file(void **state)
{
	char *text = big_text(5000);
	int fd = dial();

	(void)state;
	say(fd, UP_TO_DATA);
	fake_send(&f, fd, slice_of(text, 250000), 0);
	fake_qmgr_down(&f);
	fake_qmgr_up(&f);
	fake_settle(&f);
	say(fd, text + 250000);
	say(fd, ".\r\nNOOP\r\n");
	hear(fd, UP_TO_DATA_OK NOT_NOW OK);
	free(text);
	hang_up(fd);
}

/* ---- limits ---------------------------------------------------------- */

static void
content_above_the_limit(void **state)
{
	char *text = big_text(12000);
	int fd = dial();

	(void)state;
	say(fd, UP_TO_DATA);
	say(fd, text);
	say(fd, ".\r\nNOOP\r\n");
	hear(fd, UP_TO_DATA_OK "552 5.3.4 The message is too large\r\n" OK);
	assert_int_equal(f.aborts, 1);
	say(fd, "MAIL FROM:<>\r\nRCPT TO:<u@example.org>\r\nBDAT 1200000\r\n");
	say(fd, text);
	say(fd, "BDAT 4\r\nQUITBDAT 4 LAST\r\nQUITNOOP\r\n");
	hear(fd, MAIL_OK RCPT_OK "552 5.3.4 The message is too large\r\n"
	    "552 5.3.4 The message is too large\r\n"
	    "552 5.3.4 The message is too large\r\n" OK);
	assert_int_equal(f.nmessages, 0);
	free(text);
	hang_up(fd);
}

static void
line_above_the_limit(void **state)
{
	char line[2000];
	int fd;

	(void)state;
	fake_clear(&f);
	start("smtp.max_line = 1000\n");
	fd = dial();
	memset(line, 'x', sizeof(line));
	memcpy(line + 1000, "\r\n.\r\n", 6);
	say(fd, UP_TO_DATA);
	say(fd, line);
	hear(fd, UP_TO_DATA_OK QUEUED);
	line[1000] = 'x';
	memcpy(line + 1001, "\r\n.\r\n", 6);
	say(fd, "MAIL FROM:<>\r\nRCPT TO:<u@example.org>\r\nDATA\r\n");
	say(fd, line);
	hear(fd, MAIL_OK RCPT_OK GO
	    "554 5.6.0 The message has a line that is too long\r\n");
	hang_up(fd);
}

static void
memory_is_bounded(void **state)
{
	char *text = big_text(1000);
	int fd[12], i;

	(void)state;
	fake_clear(&f);
	start("smtp.memory = 1M\n");
	for (i = 0; i < 12; i++) {
		fd[i] = dial();
		say(fd[i], UP_TO_DATA);
		say(fd[i], text);
		hear(fd[i], UP_TO_DATA_OK);
	}
	assert_true(f.smtpd.content_bytes <= 1024 * 1024);
	for (i = 0; i < 12; i++) {
		say(fd[i], ".\r\n");
		hear(fd[i], i < 10 ? QUEUED :
		    "452 4.3.1 Out of memory, try again later\r\n");
		hang_up(fd[i]);
	}
	assert_int_equal(f.smtpd.content_bytes, 0);
	free(text);
}

static void
hops_are_counted(void **state)
{
	int i, fd;

	(void)state;
	fake_clear(&f);
	start("smtp.max_hops = 5\n");
	fd = dial();
	say(fd, UP_TO_DATA);
	for (i = 0; i < 5; i++)
		say(fd, "Received: x\r\n");
	say(fd, "\r\n.\r\n");
	hear(fd, UP_TO_DATA_OK
	    "554 5.4.6 Too many hops: the message loops\r\n");
	hang_up(fd);
}

static void
recipients_above_the_limit(void **state)
{
	char rcpt[60];
	int i, fd;

	(void)state;
	fake_clear(&f);
	start("smtp.max_recipients = 100\n");
	fd = dial();
	say(fd, "HELO c\r\nMAIL FROM:<>\r\n");
	hear(fd, HELLO HELO_REPLY MAIL_OK);
	for (i = 0; i < 100; i++) {
		snprintf(rcpt, sizeof(rcpt), "RCPT TO:<u%d@example.org>\r\n",
		    i);
		say(fd, rcpt);
		hear(fd, RCPT_OK);
	}
	say(fd, "RCPT TO:<u@example.org>\r\nDATA\r\n.\r\n");
	hear(fd, "452 4.5.3 Too many recipients\r\n" GO QUEUED);
	assert_int_equal(f.messages[0].envelope.nrecipients, 100);
	hang_up(fd);
}

static void
envelope_above_the_limit(void **state)
{
	char rcpt[700], orcpt[481];
	int n = 0, fd = dial();
	struct buf got = BUF_INIT(100000);
	bool eof;

	(void)state;
	memset(orcpt, 'x', sizeof(orcpt));
	orcpt[sizeof(orcpt) - 1] = '\0';
	say(fd, "HELO c\r\nMAIL FROM:<>\r\n");
	hear(fd, HELLO HELO_REPLY MAIL_OK);
	for (;; n++) {
		snprintf(rcpt, sizeof(rcpt), "RCPT TO:<u%d@example.org> "
		    "ORCPT=rfc822;%s\r\n", n, orcpt);
		say(fd, rcpt);
		buf_reset(&got);
		fake_receive(fd, &got, &eof);
		if (!fake_matches(buf_slice(&got), RCPT_OK))
			break;
	}
	assert_true(fake_matches(buf_slice(&got),
	    "452 4.5.3 Too many recipients\r\n"));
	assert_true(n > 150 && n < 250);
	say(fd, "DATA\r\n.\r\n");
	hear(fd, GO QUEUED);
	assert_int_equal(f.messages[0].envelope.nrecipients, n);
	buf_clear(&got);
	hang_up(fd);
}

/* RCPTs that are put off are no errors, but they take memory. */
static void
refused_recipients_are_bounded(void **state)
{
	int i, fd = dial();
	struct buf got = BUF_INIT(100000);
	char rcpt[300];
	bool eof;

	(void)state;
	say(fd, "HELO c\r\nMAIL FROM:<>\r\n");
	for (i = 0; i < 10000; i++) {
		snprintf(rcpt, sizeof(rcpt), "RCPT TO:<later%0200d@example.org>"
		    "\r\n", i);
		say(fd, rcpt);
		buf_reset(&got);
		fake_receive(fd, &got, &eof);
		if (slice_starts(buf_slice(&got), SLICE_LIT("452 ")))
			break;
	}
	assert_true(i > 1000 && i < 3000);
	assert_true(fake_matches(buf_slice(&got),
	    "452 4.5.3 Too many recipients\r\n"));
	say(fd, "RSET\r\nMAIL FROM:<>\r\nRCPT TO:<u@example.org>\r\n");
	hear(fd, OK MAIL_OK RCPT_OK);
	buf_clear(&got);
	hang_up(fd);
}

static void
long_command_is_dropped_to_its_end(void **state)
{
	char line[5000];
	int part;
	int fd;

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line, "NOOP ", 5);
	memcpy(line + sizeof(line) - 10, "\nQUIT\n\r\n", 9);
	for (part = 0; part < 2; part++) {
		fd = dial();
		fake_send(&f, fd, slice_str(line), (size_t)part);
		say(fd, "NOOP\r\n");
		hear(fd, HELLO "500 5.5.2 Line too long\r\n" OK);
		hang_up(fd);
	}
}

static void
replies_that_nobody_reads_are_bounded(void **state)
{
	struct buf in = BUF_INIT(4 * 1024 * 1024);
	size_t i, n = 60000, off = 0;
	struct buf got = BUF_INIT(32 * 1024 * 1024);
	int fd = dial();
	ssize_t w;
	bool eof;

	(void)state;
	for (i = 0; i < n; i++)
		buf_add_str(&in, "EHLO c\r\n");
	for (i = 0; i < 100; i++) {
		w = send(fd, in.p + off, in.n - off, MSG_NOSIGNAL);
		if (w > 0)
			off += (size_t)w;
		fake_settle(&f);
		assert_true(stream_unsent(&f.smtpd.slots[
		    f.smtpd.free_slots[f.smtpd.nfree]]->stream) < 64 * 1024);
	}
	assert_true(off < in.n);
	while (off < in.n) {
		fake_receive(fd, &got, &eof);
		w = send(fd, in.p + off, in.n - off, MSG_NOSIGNAL);
		if (w > 0)
			off += (size_t)w;
		fake_settle(&f);
	}
	while (got.n < strlen(HELLO) + n * strlen(EHLO_REPLY)) {
		fake_receive(fd, &got, &eof);
		assert_false(eof);
		fake_settle(&f);
	}
	buf_clear(&in);
	buf_clear(&got);
	hang_up(fd);
}

static void
too_many_sessions(void **state)
{
	int fd[4], i;

	(void)state;
	fake_clear(&f);
	start("smtp.max_sessions = 3\nsmtp.client_sessions = 2\n"
	    "smtp.rate_connections = 4\nsmtp.rate_messages = 1\n"
	    "smtp.rate_window = 1h\n");
	for (i = 0; i < 3; i++) {
		fd[i] = dial();		/* exempt from all but the first */
		hear(fd[i], HELLO);
	}
	fd[3] = dial();
	hear_end(fd[3], "421 4.3.2 Too many sessions, try again later\r\n");
	for (i = 0; i < 4; i++)
		hang_up(fd[i]);
	for (i = 0; i < 2; i++) {
		fd[i] = fake_connect(&f, LISTENER_SMTP, "2001:db8::1");
		hear(fd[i], HELLO);
	}
	fd[2] = fake_connect(&f, LISTENER_SMTP, "2001:db8::2");
	hear_end(fd[2], "421 4.7.0 Too many sessions from your network\r\n");
	hang_up(fd[2]);
	say(fd[0], "EHLO c\r\n");
	say(fd[0], "MAIL FROM:<>\r\nRCPT TO:<u@example.org>\r\n");
	say(fd[0], "DATA\r\n");
	say(fd[0], ".\r\nMAIL FROM:<>\r\n");
	hear(fd[0], EHLO_REPLY MAIL_OK RCPT_OK GO QUEUED "450 4.7.1 Too many "
	    "messages from your network, try again later\r\n");
	hang_up(fd[0]);
	hang_up(fd[1]);
	fd[0] = fake_connect(&f, LISTENER_SMTP, "2001:db8::2");
	hear(fd[0], HELLO);
	fd[1] = fake_connect(&f, LISTENER_SMTP, "2001:db8::2");
	hear_end(fd[1], "421 4.7.0 Too many connections from your network\r\n");
	fd[2] = fake_connect(&f, LISTENER_SMTP, "2001:db8:0:1::2");
	hear(fd[2], HELLO);
	for (i = 0; i < 3; i++)
		hang_up(fd[i]);
}

/* ---- time ------------------------------------------------------------ */

/* Turns until the client hears something, which must happen within 10 s. */
static void
await(int fd)
{
	int64_t until = clock_mono_ms() + 10000;
	char c;

	while (recv(fd, &c, 1, MSG_PEEK) == -1 && clock_mono_ms() < until)
		ev_turn(&f.loop, 100);
	fake_settle(&f);
}

static void
early_talker_is_refused(void **state)
{
	int fd, other;

	(void)state;
	fake_clear(&f);
	start("smtp.greet_delay = 1s\n");
	fd = fake_connect(&f, LISTENER_SMTP, "192.0.2.1");
	other = fake_connect(&f, LISTENER_SMTP, "192.0.2.1");
	hear(fd, "");
	say(fd, "EHLO c\r\n");
	hear_end(fd, "554 5.5.1 You spoke before the greeting\r\n");
	await(other);
	hear(other, HELLO);
	hang_up(fd);
	hang_up(other);
}

static void
who_has_spoken_when_it_is_accepted_is_refused(void **state)
{
	int fd = fake_connect_saying(&f, LISTENER_SMTP, "192.0.2.1",
	    "EHLO c\r\n");

	(void)state;
	hear_end(fd, "554 5.5.1 You spoke before the greeting\r\n");
	hang_up(fd);
	/* Our own clients may be as simple as they like. */
	fd = fake_connect_saying(&f, LISTENER_SMTP, "127.0.0.1", "NOOP\r\n");
	hear(fd, HELLO "250 2.0.0 Ok\r\n");
	hang_up(fd);
}

static void
stranger_must_wait_for_replies(void **state)
{
	int fd = fake_connect(&f, LISTENER_SMTP, "192.0.2.1");

	(void)state;
	say(fd, "EHLO c\r\n");
	say(fd, "MAIL FROM:<>\r\nRCPT TO:<u@example.org>\r\nDATA\r\nx\r\n");
	hear_end(fd, HELLO EHLO_REPLY MAIL_OK RCPT_OK
	    "554 5.5.0 You did not wait for the reply\r\n");
	hang_up(fd);
}

static void
silence_ends_a_session(void **state)
{
	int fd, other;

	(void)state;
	fake_clear(&f);
	start("smtp.timeout_command = 1s\nsmtp.timeout_data = 1s\n");
	fd = dial();
	other = dial();
	hear(fd, HELLO);
	say(other, UP_TO_DATA "x\r\n");
	hear(other, UP_TO_DATA_OK);
	await(fd);
	hear_end(fd, "421 4.4.2 Timeout, closing the connection\r\n");
	await(other);
	hear_end(other, "421 4.4.2 Timeout, closing the connection\r\n");
	hang_up(fd);
	hang_up(other);
}

static void
note_drained(void *arg)
{
	*(bool *)arg = true;
}

static void
stop_lets_transactions_end(void **state)
{
	int idle = dial(), busy = dial();
	bool drained = false;

	(void)state;
	say(idle, "EHLO c\r\n");
	say(busy, UP_TO_DATA "x\r\n");
	smtpd_drain(&f.smtpd, note_drained, &drained);
	fake_settle(&f);
	hear_end(idle, HELLO EHLO_REPLY "421 4.3.2 Shutting down\r\n");
	assert_false(drained);
	say(busy, ".\r\n");
	hear_end(busy, UP_TO_DATA_OK QUEUED "421 4.3.2 Shutting down\r\n");
	assert_true(drained);
	close(idle);
	close(busy);
}

/* ---- what qmgr is told ----------------------------------------------- */

static void
envelope_carries_all(void **state)
{
	const struct envelope *e = &f.messages[0].envelope;
	int fd = fake_connect(&f, LISTENER_SMTP, "2001:db8::1");

	(void)state;
	say(fd, "EHLO [IPv6:2001:db8::1]\r\n");
	say(fd, "MAIL FROM:<\"a b\"@b.example> SIZE=4 BODY=8BITMIME RET=HDRS "
	    "ENVID=Q+2BQ SMTPUTF8\r\nRCPT TO:<u@example.org> NOTIFY=SUCCESS,"
	    "DELAY ORCPT=rfc822;U+40example.org\r\n"
	    "RCPT TO:<v@example.org> NOTIFY=NEVER\r\n");
	say(fd, "DATA\r\n");
	say(fd, "x\r\n.\r\n");
	hear(fd, HELLO EHLO_REPLY MAIL_OK RCPT_OK RCPT_OK GO QUEUED);
#define IS(slice, text)	assert_true(slice_eq(slice, SLICE_LIT(text)))
	IS(e->reverse_path, "\"a b\"@b.example");
	IS(e->envid, "Q+Q");
	assert_int_equal(e->ret, RET_HDRS);
	assert_int_equal(e->body, BODY_8BITMIME);
	assert_true(e->smtputf8);
	IS(e->client, "2001:db8::1");
	IS(e->helo, "[IPv6:2001:db8::1]");
	IS(e->protocol, "UTF8SMTP");
	assert_int_equal(e->nrecipients, 2);
	IS(e->recipients[0].address, "u@example.org");
	IS(e->recipients[0].orcpt, "rfc822;U@example.org");
	assert_int_equal(e->recipients[0].notify,
	    NOTIFY_SUCCESS | NOTIFY_DELAY);
	assert_int_equal(e->recipients[1].notify, NOTIFY_NEVER);
	hang_up(fd);
}

static void
recipient_named_twice_gets_one_copy(void **state)
{
	int fd = fake_connect(&f, LISTENER_LMTP, "uid=5");

	(void)state;
	say(fd, "LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<u@example.org>\r\n"
	    "RCPT TO:<v@example.org>\r\nRCPT TO:<u@Example.ORG>\r\nDATA\r\n"
	    ".\r\n");
	/* A reply for each RCPT all the same: RFC 2033 section 4.2. */
	hear(fd, HELLO EHLO_REPLY MAIL_OK RCPT_OK RCPT_OK RCPT_OK GO QUEUED
	    QUEUED QUEUED);
	assert_int_equal(f.messages[0].envelope.nrecipients, 2);
	hang_up(fd);
}

static void
trace_fields_have_the_usual_form(void **state)
{
	static const struct {
		enum listener_kind kind;
		const char	*client;
		const char	*helo;
		const char	*mail;
		const char	*field;
	} t[] = {
		{ LISTENER_SMTP, "192.0.2.1", "EHLO c.example", "<>",
		    "Received: from c.example (unknown [192.0.2.1])\r\n"
		    "\tby mx.example.org (Chasqui) with ESMTP id *\r\n"
		    "\tfor <u@example.org>; *\r\n" },
		{ LISTENER_SMTP, "2001:db8::1", "HELO [x]\\y(z)",  "<>",
		    "Received: from [x]?y?z? (unknown [IPv6:2001:db8::1])\r\n"
		    "\tby mx.example.org (Chasqui) with SMTP id *\r\n"
		    "\tfor <u@example.org>; *\r\n" },
		{ LISTENER_SMTP, "127.0.0.1", "EHLO c", "<> SMTPUTF8",
		    "Received: from c (localhost [127.0.0.1])\r\n"
		    "\tby mx.example.org (Chasqui) with UTF8SMTP id *\r\n"
		    "\tfor <u@example.org>; *\r\n" },
		{ LISTENER_LMTP, "uid=5", "LHLO c", "<>",
		    "Received: from c (local userid 5)\r\n"
		    "\tby mx.example.org (Chasqui) with LMTP id *\r\n"
		    "\tfor <u@example.org>; *\r\n" },
		{ LISTENER_SUBMIT, "uid=1000", "EHLO c", "<>",
		    "Received: by mx.example.org (Chasqui, from userid 1000)"
		    "\r\n\tid *\r\n\tfor <u@example.org>; *\r\n"
		    "Date: *\r\nMessage-ID: *\r\n" },
	};
	struct buf in = BUF_INIT(10000);
	size_t i;
	int fd;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		fd = fake_connect(&f, t[i].kind, t[i].client);
		fake_forget_messages(&f);
		buf_reset(&in);
		buf_printf(&in, "%s\r\n", t[i].helo);
		say(fd, buf_cstr(&in));
		buf_reset(&in);
		buf_printf(&in, "MAIL FROM:%s\r\nRCPT TO:<u@example.org>\r\n",
		    t[i].mail);
		say(fd, buf_cstr(&in));
		say(fd, "DATA\r\n");
		say(fd, ".\r\n");
		if (f.nmessages != 1 ||
		    !fake_matches(f.messages[0].content, t[i].field))
			fail_msg("%zu: %.*s", i,
			    SLICE_ARG(f.messages[0].content));
		hang_up(fd);
	}
	buf_clear(&in);
}

/* ---- the client's name ----------------------------------------------- */

static void
expect_from(const char *who)
{
	char field[200];

	snprintf(field, sizeof(field), "Received: from c (%s)\r\n", who);
	if (f.nmessages != 1 ||
	    !slice_starts(f.messages[0].content, slice_str(field)))
		fail_msg("%s, and not: %.*s", who,
		    SLICE_ARG(f.messages[0].content));
	fake_forget_messages(&f);
}

static int
stranger_sends(const char *addr)
{
	int fd = fake_connect(&f, LISTENER_SMTP, addr);

	say(fd, "EHLO c\r\n");
	say(fd, "MAIL FROM:<>\r\nRCPT TO:<u@example.org>\r\n");
	say(fd, "DATA\r\n");
	say(fd, ".\r\n");
	return fd;
}

static void
name_is_in_the_trace_field(void **state)
{
	(void)state;
	fake_resolver_up(&f);
	f.ptr = "host.example.net";
	f.ptr_address = "192.0.2.1";
	hang_up(stranger_sends("192.0.2.1"));
	expect_from("host.example.net [192.0.2.1]");
	hang_up(stranger_sends("192.0.2.2"));	/* not the name's address */
	expect_from("unknown [192.0.2.2]");
	f.ptr_address = "2001:db8::1";
	hang_up(stranger_sends("2001:db8::1"));
	expect_from("host.example.net [IPv6:2001:db8::1]");
	f.ptr = NULL;
	hang_up(stranger_sends("2001:db8::1"));
	expect_from("unknown [IPv6:2001:db8::1]");
}

static void
name_is_waited_for(void **state)
{
	int fd;

	(void)state;
	fake_resolver_up(&f);
	f.ptr = "host.example.net";
	f.ptr_address = "192.0.2.1";
	f.hold_names = true;
	fd = stranger_sends("192.0.2.1");
	hear(fd, HELLO EHLO_REPLY MAIL_OK RCPT_OK GO);
	fake_name(&f);
	hear(fd, QUEUED);
	expect_from("host.example.net [192.0.2.1]");
	hang_up(fd);
	/* One that leaves meanwhile is not submitted. */
	hang_up(stranger_sends("192.0.2.1"));
	assert_int_equal(f.smtpd.nsessions, 0);
	fake_name(&f);
	assert_int_equal(f.nmessages, 0);
}

static void
name_is_not_waited_for_long(void **state)
{
	int fd;

	(void)state;
	fake_resolver_up(&f);
	f.hold_names = true;
	fd = stranger_sends("192.0.2.1");
	hear(fd, HELLO EHLO_REPLY MAIL_OK RCPT_OK GO);
	await(fd);
	hear(fd, QUEUED);
	expect_from("unknown [192.0.2.1]");
	hang_up(fd);
}

static void
eight_bit_content_is_told(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, UP_TO_DATA "\r\n\xc3\xa9\r\n.\r\n");
	hear(fd, UP_TO_DATA_OK QUEUED);
	assert_int_equal(f.messages[0].envelope.body, BODY_8BITMIME);
	hang_up(fd);
}

static void
idle_sessions_are_small(void **state)
{
	(void)state;
	assert_true(sizeof(struct session) < 1024);
}

int
main(void)
{
#define TEST(name)	cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(verdicts_may_come_in_any_order),
		TEST(at_most_so_many_are_asked_at_once),
		TEST(accepted_recipients_are_remembered),
		TEST(lookup_dies_and_comes_back),
		TEST(client_leaves_while_lookup_thinks),
		TEST(mail_waits_for_an_id),
		TEST(no_250_before_queued),
		TEST(what_qmgr_refuses_is_refused),
		TEST(qmgr_dies_and_comes_back),
		TEST(transaction_outlives_qmgr),
		TEST(client_leaves_while_qmgr_works),
		TEST(half_closed_after_quit_is_not_gone),
		TEST(half_closed_gets_its_reply),
		TEST(gone_before_the_end_is_not_submitted),
		TEST(large_content_goes_through_a_file),
		TEST(large_content_in_chunks),
		TEST(declared_size_asks_for_the_file_early),
		TEST(content_waits_for_the_file),
		TEST(file_is_refused),
		TEST(file_cannot_be_written),
		TEST(rset_lets_go_of_the_file),
		TEST(qmgr_dies_with_the_file),
		TEST(content_above_the_limit),
		TEST(line_above_the_limit),
		TEST(memory_is_bounded),
		TEST(hops_are_counted),
		TEST(recipients_above_the_limit),
		TEST(envelope_above_the_limit),
		TEST(refused_recipients_are_bounded),
		TEST(long_command_is_dropped_to_its_end),
		TEST(replies_that_nobody_reads_are_bounded),
		TEST(too_many_sessions),
		TEST(early_talker_is_refused),
		TEST(who_has_spoken_when_it_is_accepted_is_refused),
		TEST(stranger_must_wait_for_replies),
		TEST(silence_ends_a_session),
		TEST(stop_lets_transactions_end),
		TEST(envelope_carries_all),
		TEST(recipient_named_twice_gets_one_copy),
		TEST(trace_fields_have_the_usual_form),
		TEST(name_is_in_the_trace_field),
		TEST(name_is_waited_for),
		TEST(name_is_not_waited_for_long),
		TEST(eight_bit_content_is_told),
		TEST(idle_sessions_are_small),
	};

	log_open("test", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
