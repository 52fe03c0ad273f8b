/* SPDX-License-Identifier: ISC */
/* seat_test - one process and its clients, one after another: login process and
 * master are the test's own. */
#include <sys/socket.h>

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "ipc/next_client.h"
#include "login/seat.h"

static const struct message_rule rules[] = RULES_OF(SEAT);
static struct seat seat;
static int line = -1;			/* master's end */

/* A login process's side of one client. */
struct side {
	struct channel	*channel;
	int		 client;	/* our end of its bytes */
	int		 fds[2];	/* the session's ends */
};

static struct side
client_comes(unsigned flags, const char *tag, const char *unread,
    const char *parked)
{
	struct side side;
	int channel[2], bytes[2];
	struct buf *b;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, channel), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, bytes), 0);
	side.channel = channel_new(NULL, channel[0], rules, ROLE_IMAP_LOGIN,
	    ROLE_IMAP_SESSION, 0, NULL, NULL);
	side.client = bytes[0];
	side.fds[0] = channel[1];
	side.fds[1] = bytes[1];
	b = channel_begin(side.channel, SE_BEGIN, 0);
	put_u8(b, (uint8_t)flags);
	put_slice(b, slice_str(tag));
	put_slice(b, SLICE_LIT("192.0.2.1"));
	put_slice(b, slice_str(unread));
	put_slice(b, slice_str(parked));
	channel_end(side.channel);
	channel_flush(side.channel);
	return side;
}

static void
client_leaves(struct side *side)
{
	channel_free(&side->channel);
	close(side->client);
}

/* Along the line, as master sends it. */
static void
pass_on(struct side *side)
{
	assert_int_equal(next_client_send(line, side->fds), 0);
	close(side->fds[0]);
	close(side->fds[1]);
}

static void
assert_says(struct side *side, uint16_t type)
{
	struct message m;

	assert_int_equal(channel_wait(side->channel, &m, 1000), 0);
	assert_int_equal(m.type, type);
}

/* The session has closed it. */
static void
assert_closed(int fd)
{
	char byte;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	assert_int_equal(read(fd, &byte, 1), 0);
}

static int
set_up(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(next_client_line(ends), 0);
	line = ends[0];
	seat = (struct seat){ .self = ROLE_IMAP_SESSION,
		.login_role = ROLE_IMAP_LOGIN, .line = ends[1], .fd = -1,
		.login = mem_strdup("alice") };
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	seat_clear(&seat);
	if (line != -1)
		close(line);
	return 0;
}

static void
nothing_of_a_client_is_left_for_the_next(void **state)
{
	struct side a = client_comes(SEAT_TLS | SEAT_NEWS | SEAT_MAY_PARK,
	    "a1", "a2 NOOP\r\n", "state"), b;

	(void)state;
	assert_int_equal(seat_init(&seat, a.fds[0], a.fds[1]), 0);
	assert_true(seat.tls && seat.has_news && seat.may_park);
	assert_true(slice_eq(seat.unread, SLICE_LIT("a2 NOOP\r\n")));
	seat.news = 3;
	seat_over(&seat, "logout");
	b = client_comes(0, "", "", "");
	pass_on(&b);
	assert_true(seat_next(&seat));
	assert_says(&a, SE_OVER);
	assert_says(&a, SE_FREE);
	assert_closed(a.client);
	assert_false(seat.tls || seat.has_news || seat.may_park ||
	    seat.is_over);
	assert_int_equal(seat.tag.n + seat.unread.n + seat.state.n, 0);
	assert_int_equal(seat.news, 0);
	assert_string_equal(seat.login, "alice");
	assert_int_equal(write(seat.fd, "x", 1), 1);
	client_leaves(&a);
	client_leaves(&b);
}

static void
process_that_nobody_keeps_ends(void **state)
{
	struct side a = client_comes(0, "a", "", "");

	(void)state;
	assert_int_equal(seat_init(&seat, a.fds[0], a.fds[1]), 0);
	seat_over(&seat, "logout");
	close(line);
	line = -1;
	assert_false(seat_next(&seat));
	assert_says(&a, SE_OVER);
	assert_says(&a, SE_FREE);
	assert_closed(a.client);
	client_leaves(&a);
}

/* Parked, or cut off: its state is not known to be clean. */
static void
process_that_did_not_end_in_order_serves_nobody(void **state)
{
	struct side a = client_comes(SEAT_MAY_PARK, "a", "", ""), b;

	(void)state;
	assert_int_equal(seat_init(&seat, a.fds[0], a.fds[1]), 0);
	b = client_comes(0, "b", "", "");
	pass_on(&b);
	assert_false(seat_next(&seat));
	assert_true(seat_park(&seat, SLICE_LIT("state")));
	assert_false(seat_next(&seat));
	assert_int_not_equal(seat.fd, -1);
	client_leaves(&a);
	client_leaves(&b);
}

static void
login_process_that_does_not_begin_ends_it(void **state)
{
	struct side a = client_comes(0, "a", "", "");
	int other[2];

	(void)state;
	assert_int_equal(seat_init(&seat, a.fds[0], a.fds[1]), 0);
	seat_over(&seat, "logout");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, other), 0);
	assert_int_equal(next_client_send(line, other), 0);
	close(other[0]);
	close(other[1]);
	assert_false(seat_next(&seat));
	client_leaves(&a);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* Until it is over: how many news there were, and what each began with. */
static unsigned
count_news(struct side *side, char first[4])
{
	struct message m;
	unsigned n = 0;

	for (;;) {
		assert_int_equal(channel_wait(side->channel, &m, 1000), 0);
		if (m.type == SE_OVER)
			return n;
		assert_int_equal(m.type, SE_CHANGED);
		if (n < 4)
			first[n] = get_slice(&m.body, 100).p[0];
		n++;
	}
}

static void
news_of_one_mailbox_are_gathered_and_none_is_forgotten(void **state)
{
	struct side a = client_comes(0, "a1", "", "");
	const struct slice inbox = SLICE_LIT("INBOX"), sent = SLICE_LIT("Sent");
	char first[4];
	int i;

	(void)state;
	assert_int_equal(seat_init(&seat, a.fds[0], a.fds[1]), 0);
	seat_changed(&seat, inbox);
	seat_changed(&seat, inbox);
	seat_changed(&seat, sent);
	seat_changed(&seat, sent);
	seat_over(&seat, "logout");
	seat_flush(&seat);
	assert_int_equal(count_news(&a, first), 4);
	assert_memory_equal(first, "IISS", 4);
	for (i = 0; i < 1000; i++)
		seat_changed(&seat, inbox);
	seat_over(&seat, "logout");
	seat_flush(&seat);
	assert_in_range(count_news(&a, first), 2, 500);
	client_leaves(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_of_a_client_is_left_for_the_next),
		TEST(process_that_nobody_keeps_ends),
		TEST(process_that_did_not_end_in_order_serves_nobody),
		TEST(login_process_that_does_not_begin_ends_it),
		TEST(news_of_one_mailbox_are_gathered_and_none_is_forgotten),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
