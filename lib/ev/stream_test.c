/* SPDX-License-Identifier: ISC */
/* stream_test - a stream and its peer, over socket pairs and over TCP. */
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/test_net.h"
#include "ev/stream.h"

#define OUT_MAX		(256 * 1024)

/* One side is a stream, the other a bare descriptor. */
static struct side {
	struct ev_loop	 loop;
	struct stream	 stream;
	int		 peer;
	/* what the owner does */
	size_t		 take;		/* bytes of each offer; all: SIZE_MAX */
	bool		 pause_after;	/* each offer */
	bool		 close_at_input;
	bool		 finish_at_input;
	/* what it saw */
	struct buf	 got;
	size_t		 offers;
	size_t		 last_offer;	/* bytes */
	int		 sents;
	int		 connecteds;
	int		 ends;
	enum stream_end	 end;
} side;

static void
on_input(void *arg)
{
	struct side *d = arg;
	struct slice in = stream_input(&d->stream);

	assert_int_equal(d->ends, 0);
	d->offers++;
	d->last_offer = in.n;
	if (in.n > d->take)
		in = slice_first(in, d->take);
	buf_add(&d->got, in);
	stream_consume(&d->stream, in.n);
	if (d->pause_after)
		stream_pause(&d->stream);
	if (d->finish_at_input) {
		stream_write(&d->stream, SLICE_LIT("bye"));
		stream_close_when_sent(&d->stream);
	}
	if (d->close_at_input)
		stream_close(&d->stream);
}

static void
on_sent(void *arg)
{
	((struct side *)arg)->sents++;
}

static void
on_connected(void *arg)
{
	((struct side *)arg)->connecteds++;
}

static void
on_end(void *arg, enum stream_end end)
{
	struct side *d = arg;

	d->ends++;
	d->end = end;
}

static const struct stream_ops ops = { on_input, on_sent, on_connected,
	on_end, NULL };

static int
make_side(void **state)
{
	int s[2];

	(void)state;
	memset(&side, 0, sizeof(side));
	side.take = SIZE_MAX;
	buf_init(&side.got, 16 * 1024 * 1024);
	ev_loop_init(&side.loop);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	side.peer = s[1];
	fcntl(side.peer, F_SETFL, O_NONBLOCK);
	stream_open(&side.stream, &side.loop, s[0], OUT_MAX, &ops, &side);
	return 0;
}

static int
clear_side(void **state)
{
	(void)state;
	stream_close(&side.stream);
	if (side.peer != -1)
		close(side.peer);
	buf_clear(&side.got);
	ev_loop_clear(&side.loop);
	return 0;
}

static void
say(const char *text)
{
	assert_int_equal(write(side.peer, text, strlen(text)), strlen(text));
}

static void
peer_ends(void)
{
	close(side.peer);
	side.peer = -1;
}

static void
turn(void)
{
	ev_turn(&side.loop, 0);
}

/* Until it has ended, or is plainly stuck. */
static void
turn_to_end(void)
{
	int i;

	for (i = 0; i < 10000 && side.ends == 0; i++)
		ev_turn(&side.loop, 10);
	assert_int_equal(side.ends, 1);
}

/* What the peer can read now. */
static size_t
drain(struct buf *to)
{
	char *room;
	ssize_t n;
	size_t all = 0;

	while ((room = buf_reserve(to, 65536)) != NULL &&
	    (n = recv(side.peer, room, 65536, MSG_DONTWAIT)) > 0) {
		to->n += (size_t)n;
		all += (size_t)n;
	}
	return all;
}

#define GOT(text)							\
	assert_true(slice_eq(buf_slice(&side.got), SLICE_LIT(text)))

/* ---- input ---- */

static void
input_that_is_consumed_leaves_no_buffer(void **state)
{
	(void)state;
	say("one");
	turn();
	say("two");
	turn();
	GOT("onetwo");
	assert_int_equal(side.offers, 2);
	assert_null(side.stream.kept.p);
	assert_null(side.stream.out.p);
}

static void
input_left_over_comes_before_the_next(void **state)
{
	(void)state;
	side.take = 2;
	say("abcd");
	turn();
	turn();		/* nothing new: not offered again */
	assert_int_equal(side.offers, 1);
	say("ef");
	turn();
	GOT("abcd");
	assert_int_equal(side.last_offer, 4);
	say("g");
	turn();
	GOT("abcdef");
	assert_int_equal(side.last_offer, 3);
}

static void
paused_stream_reads_nothing_until_resumed(void **state)
{
	(void)state;
	side.take = 1;
	side.pause_after = true;
	say("abc");
	turn();
	say("d");
	turn();
	assert_int_equal(side.offers, 1);
	stream_resume(&side.stream);
	turn();
	GOT("ab");	/* what was kept back, and paused again */
	side.pause_after = false;
	side.take = SIZE_MAX;
	stream_resume(&side.stream);
	turn();
	turn();
	GOT("abcd");
}

/* What is written to who has closed its side is sent, until we close. */
static void
half_open_stream_sends_on(void **state)
{
	struct buf b = BUF_INIT(1000000);

	(void)state;
	stream_stay_half_open(&side.stream);
	say("ask");
	shutdown(side.peer, SHUT_WR);
	turn();
	turn();
	GOT("ask");
	assert_int_equal(side.ends, 1);
	assert_int_equal(side.end, STREAM_EOF);
	stream_write(&side.stream, SLICE_LIT("answer"));
	turn();
	stream_pause(&side.stream);
	stream_resume(&side.stream);
	turn();
	drain(&b);
	assert_true(slice_eq(buf_slice(&b), SLICE_LIT("answer")));
	assert_int_equal(side.ends, 1);
	assert_int_equal(side.sents, 1);
	stream_write(&side.stream, SLICE_LIT(", bye"));
	stream_close_when_sent(&side.stream);
	turn();
	drain(&b);
	assert_true(slice_eq(buf_slice(&b), SLICE_LIT("answer, bye")));
	assert_int_equal(side.ends, 2);
	buf_clear(&b);
}

static void
unsent_output_can_be_taken_back(void **state)
{
	struct buf b = BUF_INIT(1000000), small = BUF_INIT(2);

	(void)state;
	stream_write(&side.stream, SLICE_LIT("abc"));
	assert_int_equal(stream_take_unsent(&side.stream, &small), -1);
	assert_int_equal(stream_take_unsent(&side.stream, &b), 0);
	assert_true(slice_eq(buf_slice(&b), SLICE_LIT("abc")));
	assert_int_equal(stream_unsent(&side.stream), 0);
	turn();
	buf_reset(&b);
	assert_int_equal(drain(&b), 0);
	buf_clear(&b);
	buf_clear(&small);
}

/* Too much of it stops the reading; taking from it, anywhere, starts it. */
static void
unconsumed_input_is_bounded(void **state)
{
	static char block[65536];
	size_t sent = 0, before;
	ssize_t n;
	int i;

	(void)state;
	side.take = 0;
	for (i = 0; i < 100; i++) {
		while ((n = write(side.peer, block, sizeof(block))) > 0)
			sent += (size_t)n;
		turn();
	}
	before = stream_input(&side.stream).n;
	assert_in_range(before, STREAM_KEEP_BYTES,
	    STREAM_KEEP_BYTES + 65536);
	assert_true(sent > before);
	stream_consume(&side.stream, before - 10);
	for (i = 0; i < 10; i++)
		turn();
	assert_true(stream_input(&side.stream).n > 10);
	assert_int_equal(side.ends, 0);
	/* One that consumes nearly all of it each time goes on for ever. */
	for (i = 0; i < 100; i++) {
		stream_consume(&side.stream,
		    stream_input(&side.stream).n - 1);
		if (write(side.peer, block, sizeof(block)) == -1)
			assert_int_equal(errno, EAGAIN);
		turn();
	}
	assert_int_equal(side.ends, 0);
}

/* ---- ends ---- */

static void
end_comes_after_the_input(void **state)
{
	(void)state;
	say("last");
	peer_ends();
	turn_to_end();
	GOT("last");
	assert_int_equal(side.end, STREAM_EOF);
	turn();
	assert_int_equal(side.ends, 1);
	assert_true(stream_is_open(&side.stream));
}

static void
end_while_paused_waits_for_the_input_to_be_taken(void **state)
{
	(void)state;
	side.take = 1;
	side.pause_after = true;
	say("ab");
	turn();
	peer_ends();
	assert_true(stream_peer_is_gone(&side.stream));
	turn();
	turn();
	assert_int_equal(side.ends, 0);
	side.pause_after = false;
	stream_resume(&side.stream);
	turn_to_end();
	GOT("ab");
}

static void
peer_that_is_there_is_not_gone(void **state)
{
	(void)state;
	assert_false(stream_peer_is_gone(&side.stream));
	stream_pause(&side.stream);
	say("x");
	assert_false(stream_peer_is_gone(&side.stream));
}

static void
closed_in_its_callback_hears_no_more(void **state)
{
	(void)state;
	side.close_at_input = true;
	say("one");
	peer_ends();
	turn();
	turn();
	GOT("one");
	assert_int_equal(side.ends, 0);
	assert_false(stream_is_open(&side.stream));
}

/* The owner may be gone with it. */
static struct owner {
	struct stream	 stream;
	bool		 at_end;
} *owner;
static int frees;

static void
free_at_input(void *arg)
{
	struct owner *o = arg;

	if (o->at_end)
		return;
	stream_close(&o->stream);
	free(o);
	frees++;
}

static void
free_at_end(void *arg, enum stream_end end)
{
	struct owner *o = arg;

	(void)end;
	stream_close(&o->stream);
	free(o);
	frees++;
}

static void
freed_in_its_callback_is_not_touched_again(void **state)
{
	static const struct stream_ops freeing = { free_at_input, NULL, NULL,
		free_at_end, NULL };
	int i, s[2];

	(void)state;
	frees = 0;
	for (i = 0; i < 4; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
		owner = mem_alloc(sizeof(*owner));
		owner->at_end = i > 0;
		stream_open(&owner->stream, &side.loop, s[0], OUT_MAX,
		    &freeing, owner);
		if (i < 2)		/* input, input and end */
			assert_int_equal(write(s[1], "x", 1), 1);
		else if (i == 2)	/* output that fails */
			stream_pause(&owner->stream);
		if (i == 3)
			stream_timeout(&owner->stream, 1);
		else if (i != 0)
			close(s[1]);
		if (i == 2)
			stream_write(&owner->stream, SLICE_LIT("x"));
		while (frees == i)
			ev_turn(&side.loop, 10);
		if (i == 0 || i == 3)
			close(s[1]);
	}
	assert_int_equal(frees, 4);
}

static void
functions_of_a_closed_stream_do_nothing(void **state)
{
	(void)state;
	stream_close(&side.stream);
	assert_int_equal(stream_write(&side.stream, SLICE_LIT("x")), 0);
	assert_int_equal(stream_printf(&side.stream, "%d", 1), 0);
	stream_pause(&side.stream);
	stream_resume(&side.stream);
	stream_timeout(&side.stream, 1);
	stream_timeout(&side.stream, 0);
	stream_close_when_sent(&side.stream);
	assert_true(stream_peer_is_gone(&side.stream));
	assert_int_equal(stream_input(&side.stream).n, 0);
	stream_close(&side.stream);
	ev_turn(&side.loop, 5);
	assert_int_equal(side.ends, 0);
}

static void
zeroed_stream_can_be_closed(void **state)
{
	struct stream s;

	(void)state;
	memset(&s, 0, sizeof(s));
	assert_false(stream_is_open(&s));
	stream_close(&s);
}

static void
silence_ends_it_when_a_limit_is_set(void **state)
{
	(void)state;
	stream_timeout(&side.stream, 1);
	stream_timeout(&side.stream, 0);
	ev_turn(&side.loop, 10);
	assert_int_equal(side.ends, 0);
	stream_timeout(&side.stream, 5);
	turn_to_end();
	assert_int_equal(side.end, STREAM_TIMEOUT);
	assert_int_equal(stream_write(&side.stream, SLICE_LIT("x")), 0);
	turn();
	assert_int_equal(side.ends, 1);
}

/* ---- output ---- */

static void
output_of_a_turn_is_sent_together(void **state)
{
	struct buf b = BUF_INIT(OUT_MAX);

	(void)state;
	stream_write(&side.stream, SLICE_LIT("one "));
	stream_printf(&side.stream, "%s %d", "two", 3);
	assert_int_equal(stream_unsent(&side.stream), 9);
	turn();
	assert_int_equal(stream_unsent(&side.stream), 0);
	assert_int_equal(side.sents, 1);
	drain(&b);
	assert_true(slice_eq(buf_slice(&b), SLICE_LIT("one two 3")));
	buf_clear(&b);
}

/* What is sent already does not count against the limit. */
static void
output_is_bounded_by_what_waits(void **state)
{
	static char block[32 * 1024];
	struct buf b = BUF_INIT(64 * 1024 * 1024);
	size_t sent = 0;
	int i;

	(void)state;
	while (stream_write(&side.stream, slice_of(block, sizeof(block))) ==
	    0) {
		sent += sizeof(block);
		assert_true(sent <= OUT_MAX);
	}
	assert_int_equal(sent, OUT_MAX);
	assert_int_equal(side.ends, 0);
	/* A reader that takes a little keeps it from ever being empty. */
	for (i = 0; i < 100; i++) {
		turn();
		drain(&b);
		while (OUT_MAX - stream_unsent(&side.stream) >=
		    sizeof(block)) {
			assert_int_equal(stream_write(&side.stream,
			    slice_of(block, sizeof(block))), 0);
			sent += sizeof(block);
		}
	}
	for (i = 0; i < 1000 && b.n < sent; i++) {
		turn();
		drain(&b);
	}
	assert_int_equal(b.n, sent);
	assert_true(sent > 4 * OUT_MAX);
	buf_clear(&b);
}

static void
closing_sends_everything_first(void **state)
{
	static char block[200 * 1024];
	struct buf b = BUF_INIT(1024 * 1024);
	int small = 4096, i;

	(void)state;
	setsockopt(side.stream.fd, SOL_SOCKET, SO_SNDBUF, &small,
	    sizeof(small));
	memset(block, 'x', sizeof(block));
	say("ignored from now on");
	assert_int_equal(stream_write(&side.stream,
	    slice_of(block, sizeof(block))), 0);
	stream_close_when_sent(&side.stream);
	assert_int_equal(stream_write(&side.stream, SLICE_LIT("no")), 0);
	/* Having closed its side, the peer still reads. */
	shutdown(side.peer, SHUT_WR);
	for (i = 0; i < 10000 && side.ends == 0; i++) {
		ev_turn(&side.loop, 0);
		drain(&b);
	}
	assert_int_equal(side.ends, 1);
	assert_int_equal(side.end, STREAM_EOF);
	assert_int_equal(side.offers, 0);
	drain(&b);
	assert_int_equal(b.n, sizeof(block));
	buf_clear(&b);
}

static void
closing_with_nothing_to_send_ends_at_once(void **state)
{
	(void)state;
	stream_close_when_sent(&side.stream);
	turn_to_end();
	assert_int_equal(side.end, STREAM_EOF);
}

static void
last_words_of_a_callback_are_sent(void **state)
{
	struct buf b = BUF_INIT(1024 * 1024);

	(void)state;
	side.finish_at_input = true;
	say("quit");
	turn_to_end();
	drain(&b);
	assert_true(slice_eq(buf_slice(&b), SLICE_LIT("bye")));
	assert_int_equal(side.offers, 1);
	buf_clear(&b);
}

static void
writing_to_a_peer_that_is_gone_is_an_error(void **state)
{
	(void)state;
	stream_pause(&side.stream);	/* so that reading cannot see it */
	peer_ends();
	stream_write(&side.stream, SLICE_LIT("x"));
	turn_to_end();
	assert_int_equal(side.end, STREAM_ERROR);
	assert_int_equal(side.stream.error, EPIPE);
}

/* ---- connections ---- */

static int
listen_tcp(struct sockaddr_in *in)
{
	socklen_t len = sizeof(*in);
	int fd;

	need_loopback();
	fd = socket(AF_INET, SOCK_STREAM, 0);
	memset(in, 0, sizeof(*in));
	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)in, len), 0);
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)in, &len), 0);
	return fd;
}

static void
connects_and_tells_so(void **state)
{
	struct sockaddr_in in, local = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd, i;
	struct buf b = BUF_INIT(1024 * 1024);

	(void)state;
	fd = listen_tcp(&in);
	stream_close(&side.stream);
	close(side.peer);
	assert_int_equal(stream_connect(&side.stream, &side.loop,
	    (struct sockaddr *)&in, sizeof(in), (struct sockaddr *)&local,
	    sizeof(local), OUT_MAX, &ops, &side), 0);
	stream_write(&side.stream, SLICE_LIT("early"));
	side.peer = accept(fd, NULL, NULL);
	assert_true(side.peer != -1);
	for (i = 0; i < 1000 && side.sents == 0; i++)
		ev_turn(&side.loop, 10);
	assert_int_equal(side.connecteds, 1);
	drain(&b);
	assert_true(slice_eq(buf_slice(&b), SLICE_LIT("early")));
	say("hello");
	for (i = 0; i < 1000 && side.offers == 0; i++)
		ev_turn(&side.loop, 10);
	GOT("hello");
	close(fd);
	buf_clear(&b);
}

static void
refused_connection_ends_with_its_error(void **state)
{
	struct sockaddr_in in;
	int fd;

	(void)state;
	fd = listen_tcp(&in);
	close(fd);
	stream_close(&side.stream);
	if (stream_connect(&side.stream, &side.loop, (struct sockaddr *)&in,
	    sizeof(in), NULL, 0, OUT_MAX, &ops, &side) == 0) {
		turn_to_end();
		assert_int_equal(side.end, STREAM_ERROR);
		assert_int_equal(side.stream.error, ECONNREFUSED);
		assert_int_equal(side.connecteds, 0);
	} else
		assert_int_equal(errno, ECONNREFUSED);
}

/* The stream and its peer over TCP, where unread input makes a close a
 * reset. */
static void
over_tcp(void)
{
	struct sockaddr_in in;
	int fd = listen_tcp(&in);

	stream_close(&side.stream);
	close(side.peer);
	side.ends = 0;
	side.peer = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(side.peer, (struct sockaddr *)&in,
	    sizeof(in)), 0);
	fcntl(side.peer, F_SETFL, O_NONBLOCK);
	stream_open(&side.stream, &side.loop, accept(fd, NULL, NULL), OUT_MAX,
	    &ops, &side);
	close(fd);
}

static void
closing_gently_loses_no_last_words(void **state)
{
	struct buf b = BUF_INIT(1024 * 1024);
	struct pollfd p = { .events = POLLRDHUP };
	char c;

	(void)state;
	over_tcp();
	stream_pause(&side.stream);
	say("much that nobody reads");
	stream_write(&side.stream, SLICE_LIT("bye"));
	stream_close_gently(&side.stream, 60000);
	turn();
	say("and more");
	turn();
	p.fd = side.peer;
	assert_int_equal(poll(&p, 1, -1), 1);
	assert_int_equal(drain(&b), 3);
	assert_int_equal(recv(side.peer, &c, 1, 0), 0);
	assert_int_equal(side.ends, 0);
	shutdown(side.peer, SHUT_WR);
	turn_to_end();
	assert_int_equal(side.end, STREAM_EOF);
	assert_int_equal(side.offers, 0);
	buf_clear(&b);
}

static void
closing_gently_has_an_end(void **state)
{
	static const char much[64 * 1024];
	ssize_t n;
	size_t sent = 0;

	(void)state;
	over_tcp();
	stream_close_gently(&side.stream, 60000);
	while (side.ends == 0) {
		n = send(side.peer, much, sizeof(much), MSG_NOSIGNAL);
		sent += n > 0 ? (size_t)n : 0;
		turn();
	}
	assert_int_equal(side.end, STREAM_EOF);
	assert_true(sent > STREAM_DRAIN_BYTES);
	over_tcp();
	stream_close_gently(&side.stream, 1);
	turn_to_end();
	assert_int_equal(side.end, STREAM_EOF);
}

static void
reset_is_an_error(void **state)
{
	struct sockaddr_in in;
	struct linger now = { 1, 0 };
	int fd, i;

	(void)state;
	fd = listen_tcp(&in);
	stream_close(&side.stream);
	close(side.peer);
	assert_int_equal(stream_connect(&side.stream, &side.loop,
	    (struct sockaddr *)&in, sizeof(in), NULL, 0, OUT_MAX, &ops,
	    &side), 0);
	side.peer = accept(fd, NULL, NULL);
	for (i = 0; i < 1000 && side.connecteds == 0; i++)
		ev_turn(&side.loop, 10);
	setsockopt(side.peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	peer_ends();
	turn_to_end();
	assert_int_equal(side.end, STREAM_ERROR);
	assert_int_equal(side.stream.error, ECONNRESET);
	close(fd);
}

static void
what_cannot_be_started_leaves_nothing_to_close(void **state)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX,
		.sun_path = "/nonexistent/socket" };
	struct stream s;

	(void)state;
	memset(&s, 0, sizeof(s));
	assert_int_equal(stream_connect(&s, &side.loop,
	    (struct sockaddr *)&sun, sizeof(sun), NULL, 0, OUT_MAX, &ops,
	    &side), -1);
	assert_int_equal(errno, ENOENT);
	assert_false(stream_is_open(&s));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_side, clear_side)
	const struct CMUnitTest tests[] = {
		TEST(input_that_is_consumed_leaves_no_buffer),
		TEST(input_left_over_comes_before_the_next),
		TEST(paused_stream_reads_nothing_until_resumed),
		TEST(unconsumed_input_is_bounded),
		TEST(end_comes_after_the_input),
		TEST(end_while_paused_waits_for_the_input_to_be_taken),
		TEST(peer_that_is_there_is_not_gone),
		TEST(closed_in_its_callback_hears_no_more),
		TEST(freed_in_its_callback_is_not_touched_again),
		TEST(functions_of_a_closed_stream_do_nothing),
		TEST(zeroed_stream_can_be_closed),
		TEST(silence_ends_it_when_a_limit_is_set),
		TEST(output_of_a_turn_is_sent_together),
		TEST(output_is_bounded_by_what_waits),
		TEST(closing_sends_everything_first),
		TEST(closing_with_nothing_to_send_ends_at_once),
		TEST(last_words_of_a_callback_are_sent),
		TEST(writing_to_a_peer_that_is_gone_is_an_error),
		TEST(connects_and_tells_so),
		TEST(refused_connection_ends_with_its_error),
		TEST(closing_gently_loses_no_last_words),
		TEST(closing_gently_has_an_end),
		TEST(reset_is_an_error),
		TEST(what_cannot_be_started_leaves_nothing_to_close),
		TEST(half_open_stream_sends_on),
		TEST(unsent_output_can_be_taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
