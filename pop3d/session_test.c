/* SPDX-License-Identifier: ISC */
/* Sessions over a socket pair, with a store in memory. */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_store.h"
#include "session.h"

#define REPLY_BYTES	(8 * 1024 * 1024)

static struct {
	struct ev_loop		 loop;
	struct pop3_session	*session;
	int			 fd;		/* the client's */
	struct buf		 got;
	const char		*why;		/* it ended */
	unsigned		 changed;
} t;

static void
changed(void *arg, struct slice mailbox)
{
	(void)arg;
	assert_true(slice_eq(mailbox, SLICE_LIT("INBOX")));
	t.changed++;
}

static void
ended(void *arg, const char *why)
{
	(void)arg;
	t.why = why;
}

static void
begin_with(struct store *store, struct slice unread)
{
	const struct pop3_config config = { .timeout_ms = 60000,
		.mark_seen = true, .changed = changed, .ended = ended };
	int s[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    s), 0);
	fcntl(s[0], F_SETFL, O_NONBLOCK);
	ev_loop_init(&t.loop);
	buf_init(&t.got, REPLY_BYTES);
	t.fd = s[0];
	t.why = NULL;
	t.changed = 0;
	t.session = pop3_session_new(&t.loop, store, &config, s[1], unread);
}

static void
begin(void)
{
	begin_with((struct store *)&t, SLICE_EMPTY);
}

static void
end(void)
{
	pop3_session_free(&t.session);
	close(t.fd);
	buf_clear(&t.got);
	ev_loop_clear(&t.loop);
}

/* Turns the loop until nothing comes any more. */
static const char *
reply(void)
{
	char part[65536];
	ssize_t n;
	int idle = 0;

	while (idle < 3) {
		ev_turn(&t.loop, 0);
		n = read(t.fd, part, sizeof(part));
		if (n > 0)
			buf_add(&t.got, slice_of(part, (size_t)n));
		idle = n > 0 ? 0 : idle + 1;
	}
	return buf_cstr(&t.got);
}

static void
send_text(const char *text)
{
	size_t n = strlen(text);

	assert_int_equal(write(t.fd, text, n), n);
}

/* Says it, and the whole answer is this. */
#define says(command, answer)	says_(command, answer, __LINE__)
static void
says_(const char *command, const char *answer, int line)
{
	const char *got;

	buf_reset(&t.got);
	send_text(command);
	got = reply();
	if (strcmp(got, answer) != 0) {
		print_error("line %d: %s is answered %s", line, command, got);
		fail();
	}
}

static void
three_messages(void)
{
	fake_reset();
	fake_add(3, SLICE_LIT("Subject: a\n\none\ntwo\n.three\n"));
	fake_add(5, SLICE_LIT("Subject: b\n\n"));
	fake_add(9, SLICE_LIT("no end"));
}

static void
commands_have_their_answers(void **state)
{
	(void)state;
	three_messages();
	begin();
	assert_string_equal(reply(), "+OK Logged in, 3 messages\r\n");
	says("STAT\r\n", "+OK 3 52\r\n");
	says("list\r\n", "+OK 3 messages (52 octets)\r\n1 32\r\n2 14\r\n"
	    "3 6\r\n.\r\n");
	says("LIST 2\r\n", "+OK 2 14\r\n");
	says("UIDL\r\n", "+OK\r\n1 uid3\r\n2 uid5\r\n3 uid9\r\n.\r\n");
	says("UIDL 3\r\n", "+OK 3 uid9\r\n");
	says("RETR 1\r\n", "+OK 32 octets\r\nSubject: a\r\n\r\none\r\n"
	    "two\r\n..three\r\n.\r\n");
	says("RETR 2\r\n", "+OK 14 octets\r\nSubject: b\r\n\r\n.\r\n");
	says("RETR 3\r\n", "+OK 6 octets\r\nno end\r\n.\r\n");
	says("TOP 1 0\r\n", "+OK\r\nSubject: a\r\n\r\n.\r\n");
	says("TOP 1 2\r\n", "+OK\r\nSubject: a\r\n\r\none\r\ntwo\r\n.\r\n");
	says("TOP 1 9999\r\n", "+OK\r\nSubject: a\r\n\r\none\r\ntwo\r\n"
	    "..three\r\n.\r\n");
	says("NOOP\r\n", "+OK\r\n");
	says("LANG *\r\n", "+OK en Language is English\r\n");
	says("LANG EN-gb\r\n", "+OK en Language is English\r\n");
	says("LANG eng\r\n", "-ERR No such language; LANG lists them\r\n");
	says("LANG xx\r\n", "-ERR No such language; LANG lists them\r\n");
	says("QUIT\r\n", "+OK Bye\r\n");
	assert_string_equal(t.why, "quit");
	end();
}

static void
wrong_commands_are_refused(void **state)
{
	static const char *const wrong[] = { "RETR\r\n", "RETR 0\r\n",
		"RETR 4\r\n", "RETR x\r\n", "RETR -1\r\n", "RETR 1 2\r\n",
		"RETR 99999999999999999999\r\n", "TOP 1\r\n", "TOP\r\n",
		"TOP x 1\r\n", "TOP 1 -1\r\n", "DELE\r\n", "XYZ\r\n", "\r\n",
		"USER x\r\n", "PASS x\r\n", "STLS\r\n", "AUTH PLAIN\r\n",
		"APOP a b\r\n", "UTF8\r\n", "LIST x\r\n", "UIDL 9\r\n" };
	size_t i;

	(void)state;
	three_messages();
	begin();
	reply();
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		buf_reset(&t.got);
		send_text(wrong[i]);
		assert_memory_equal(reply(), "-ERR ", 5);
	}
	says("NOOP\r\n", "+OK\r\n");
	end();
}

static void
too_many_errors_end_it(void **state)
{
	int i;

	(void)state;
	three_messages();
	begin();
	for (i = 0; i < 60; i++)
		send_text("XYZ\r\n");
	reply();
	assert_string_equal(t.why, "errors");
	end();
}

static void
deletions_are_made_at_quit(void **state)
{
	(void)state;
	three_messages();
	begin();
	reply();
	says("DELE 1\r\n", "+OK Message 1 deleted\r\n");
	says("DELE 1\r\n", "-ERR This message is deleted\r\n");
	says("RETR 1\r\n", "-ERR This message is deleted\r\n");
	says("STAT\r\n", "+OK 2 20\r\n");
	says("LIST\r\n", "+OK 2 messages (20 octets)\r\n2 14\r\n3 6\r\n.\r\n");
	assert_true(fake_has(3));
	says("RSET\r\n", "+OK\r\n");
	says("STAT\r\n", "+OK 3 52\r\n");
	says("DELE 2\r\nDELE 3\r\nQUIT\r\n", "+OK Message 2 deleted\r\n"
	    "+OK Message 3 deleted\r\n+OK Bye\r\n");
	assert_true(fake_has(3));
	assert_false(fake_has(5));
	assert_false(fake_has(9));
	assert_int_equal(t.changed, 1);
	end();
}

static void
without_quit_nothing_is_deleted(void **state)
{
	(void)state;
	three_messages();
	begin();
	says("DELE 1\r\n", "+OK Logged in, 3 messages\r\n"
	    "+OK Message 1 deleted\r\n");
	shutdown(t.fd, SHUT_WR);
	reply();
	assert_string_equal(t.why, "eof");
	end();
	assert_true(fake_has(3));
}

static void
a_failed_update_is_told(void **state)
{
	(void)state;
	three_messages();
	fake_fail_expunge(STORE_FAILED);
	begin();
	says("DELE 1\r\nQUIT\r\n", "+OK Logged in, 3 messages\r\n"
	    "+OK Message 1 deleted\r\n"
	    "-ERR [SYS/TEMP] The deleted messages are still there\r\n");
	assert_true(fake_has(3));
	assert_int_equal(t.changed, 0);
	end();
}

static void
what_another_session_expunged_keeps_its_number(void **state)
{
	(void)state;
	three_messages();
	begin();
	reply();
	fake_expunge(5);
	says("STAT\r\n", "+OK 3 52\r\n");
	says("RETR 2\r\n", "-ERR [SYS/TEMP] This message was expunged "
	    "meanwhile\r\n");
	says("UIDL\r\n", "+OK\r\n1 uid3\r\n3 uid9\r\n.\r\n");
	says("DELE 2\r\nQUIT\r\n", "+OK Message 2 deleted\r\n+OK Bye\r\n");
	assert_true(fake_has(3) && fake_has(9));
	end();
}

static void
what_was_retrieved_is_seen(void **state)
{
	(void)state;
	three_messages();
	begin();
	reply();
	buf_reset(&t.got);
	send_text("RETR 1\r\nTOP 2 0\r\nQUIT\r\n");
	reply();
	end();
	assert_int_equal(fake_flags(3), FLAG_SEEN);
	assert_int_equal(fake_flags(5), 0);
}

static void
commands_come_byte_by_byte_and_all_at_once(void **state)
{
	static const char all[] = "STAT\r\nLIST 1\r\nNOOP\r\n";
	static const char answers[] = "+OK 3 52\r\n+OK 1 32\r\n+OK\r\n";
	size_t i;

	(void)state;
	three_messages();
	begin();
	reply();
	says(all, answers);
	buf_reset(&t.got);
	for (i = 0; all[i] != '\0'; i++) {
		assert_int_equal(write(t.fd, all + i, 1), 1);
		reply();
	}
	assert_string_equal(buf_cstr(&t.got), answers);
	end();
}

static void
input_that_login_had_read_comes_first(void **state)
{
	(void)state;
	three_messages();
	begin_with((struct store *)&t, SLICE_LIT("STAT\r\nLIS"));
	send_text("T 2\r\n");
	assert_string_equal(reply(), "+OK Logged in, 3 messages\r\n"
	    "+OK 3 52\r\n+OK 2 14\r\n");
	end();
}

static void
lines_end_in_crlf(void **state)
{
	(void)state;
	three_messages();
	begin();
	reply();
	send_text("STAT\n");
	reply();
	assert_string_equal(t.why, "line");
	end();
}

static void
long_lines_end_it(void **state)
{
	char line[600];

	(void)state;
	three_messages();
	begin();
	reply();
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	send_text(line);
	reply();
	assert_string_equal(t.why, "line");
	end();
}

/* 4 MiB for a client that reads nothing at first. */
static void
large_messages_wait_for_the_client(void **state)
{
	static char text[4 * 1024 * 1024];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(text); i++)
		text[i] = i % 64 == 63 ? '\n' : i % 64 == 0 ? '.' : 'x';
	memcpy(text, "A: b\n\n", 6);
	fake_reset();
	fake_add(1, slice_of(text, sizeof(text)));
	begin();
	send_text("RETR 1\r\nNOOP\r\n");
	for (i = 0; i < 100; i++)
		ev_turn(&t.loop, 0);
	reply();
	/* A CR and a dot for each line more. */
	assert_in_range(t.got.n, sizeof(text) + 2 * (sizeof(text) / 64) - 8,
	    sizeof(text) + 2 * (sizeof(text) / 64) + 100);
	assert_memory_equal(t.got.p + t.got.n - 10, "\r\n.\r\n+OK\r\n", 10);
	end();
}

static void
a_maildrop_that_cannot_be_opened_is_told(void **state)
{
	(void)state;
	fake_reset();
	begin_with(NULL, SLICE_EMPTY);
	assert_string_equal(reply(), "-ERR [SYS/TEMP] The maildrop cannot be "
	    "opened\r\n");
	assert_string_equal(t.why, "no-maildrop");
	end();
	fake_fail_open(STORE_DAMAGED);
	begin();
	assert_string_equal(reply(), "-ERR [SYS/PERM] The maildrop cannot be "
	    "opened\r\n");
	end();
}

static void
a_stop_is_told(void **state)
{
	(void)state;
	three_messages();
	begin();
	reply();
	buf_reset(&t.got);
	pop3_session_bye(t.session, "Going away");
	assert_string_equal(reply(), "-ERR [SYS/TEMP] Going away\r\n");
	assert_string_equal(t.why, "stop");
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_have_their_answers),
		cmocka_unit_test(wrong_commands_are_refused),
		cmocka_unit_test(too_many_errors_end_it),
		cmocka_unit_test(deletions_are_made_at_quit),
		cmocka_unit_test(without_quit_nothing_is_deleted),
		cmocka_unit_test(a_failed_update_is_told),
		cmocka_unit_test(what_another_session_expunged_keeps_its_number),
		cmocka_unit_test(what_was_retrieved_is_seen),
		cmocka_unit_test(commands_come_byte_by_byte_and_all_at_once),
		cmocka_unit_test(input_that_login_had_read_comes_first),
		cmocka_unit_test(lines_end_in_crlf),
		cmocka_unit_test(long_lines_end_it),
		cmocka_unit_test(large_messages_wait_for_the_client),
		cmocka_unit_test(a_maildrop_that_cannot_be_opened_is_told),
		cmocka_unit_test(a_stop_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
