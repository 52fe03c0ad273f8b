/* SPDX-License-Identifier: ISC */
/*
 * tap_test - watches come and go while sessions are spoken; a reader that does
 * not read, or is gone, costs lines and nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/socket.h>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/test_guard.h"
#include "ipc/master_child.h"
#include "ipc/tap.h"

static const uint8_t client[16] = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 7 };

struct fixture {
	struct ev_loop	 loop;
	struct taps	 taps;
	struct stream	 stream;
	int		 peer;
	int		 reader;
};

static void
on_input(void *arg)
{
	struct fixture *f = arg;

	stream_consume(&f->stream, stream_input(&f->stream).n);
	ev_stop(&f->loop);
}

static void
on_end(void *arg, enum stream_end how)
{
	(void)arg;
	(void)how;
}

static const struct stream_ops ops = { .input = on_input, .ended = on_end };

/* -1 where taps_watch() refuses it. */
static int
begin(struct fixture *f, uint32_t number, uint32_t protocols, unsigned bits,
    int *reader_r)
{
	struct buf b = BUF_INIT(64);
	struct message m = { .type = CTL_WATCH, .nfds = 1 };
	uint8_t net[16];
	int s[2], r;

	memcpy(net, client, 16);
	net[15] = 0;
	assert_int_equal(pipe2(s, O_CLOEXEC | O_NONBLOCK), 0);
	fcntl(s[1], F_SETPIPE_SZ, 4096);
	put_u32(&b, number);
	put_u32(&b, protocols);
	put_u8(&b, (uint8_t)bits);
	buf_add(&b, slice_of(net, 16));
	m.body = wire_of(buf_slice(&b));
	m.fds[0] = s[1];
	r = taps_watch(&f->taps, &m);
	if (m.fds[0] != -1)
		close(m.fds[0]);
	buf_clear(&b);
	*reader_r = s[0];
	return r;
}

static int
set_up(void **state)
{
	static struct fixture f;
	int s[2];

	memset(&f, 0, sizeof(f));
	signal(SIGPIPE, SIG_IGN);
	ev_loop_init(&f.loop);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	f.peer = s[1];
	stream_open(&f.stream, &f.loop, s[0], 1 << 20, &ops, &f);
	*state = &f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	stream_close(&f->stream);
	assert_int_equal(f->taps.ntaps, 0);
	close(f->peer);
	ev_loop_clear(&f->loop);
	return 0;
}

/* The client says something, and the owner takes it. */
static void
hear(struct fixture *f, const char *text)
{
	assert_int_equal(write(f->peer, text, strlen(text)), strlen(text));
	ev_run(&f->loop);
}

static char *
shown(int reader)
{
	static char all[65536];
	ssize_t n = read(reader, all, sizeof(all) - 1);

	all[n > 0 ? n : 0] = '\0';
	return all;
}

static void
lines_have_their_form(void **state)
{
	struct fixture *f = *state;
	char *all;
	int reader;

	assert_int_equal(begin(f, 1, UINT32_MAX, 120, &reader), 0);
	tap_open(&f->taps, &f->stream, TAP_SMTP, client, true, "mx\033[2J");
	hear(f, "EHLO c\r\nAUTH PLAIN c2VjcmV0\r\n");
	stream_printf(&f->stream, "250 %s\r\n", "s");
	stream_write(&f->stream, SLICE_LIT("235 In\r\n"));
	all = shown(reader);
	assert_non_null(strstr(all, " smtp "));
	assert_non_null(strstr(all, ".1 192.0.2.7 - mx?[2J\n"));
	assert_non_null(strstr(all, ".1 192.0.2.7 > EHLO c\n"));
	assert_non_null(strstr(all, "> AUTH PLAIN (hidden, 9 bytes)\n"));
	assert_non_null(strstr(all, ".1 192.0.2.7 < 250 s\n"));
	assert_null(strstr(all, "c2VjcmV0"));
	stream_close(&f->stream);
	assert_non_null(strstr(shown(reader), " - closed\n"));
	taps_watch_end(&f->taps, 1);
	assert_int_equal(read(reader, all, 1), 0);
	close(reader);
}

static void
who_is_not_meant_has_no_tap(void **state)
{
	static const uint8_t other[16] = { [10] = 0xff, [11] = 0xff, 192, 0, 3,
		7 };
	struct fixture *f = *state;
	int reader;

	tap_open(NULL, &f->stream, TAP_SMTP, client, true, "");
	tap_open(&f->taps, &f->stream, TAP_SMTP, client, true, "");
	assert_null(f->stream.tap);
	assert_int_equal(begin(f, 1, 1u << TAP_IMAP, 120, &reader), 0);
	tap_open(&f->taps, &f->stream, TAP_SMTP, client, true, "");
	tap_open(&f->taps, &f->stream, TAP_IMAP, other, true, "");
	assert_null(f->stream.tap);
	tap_open(&f->taps, &f->stream, TAP_IMAP, client, true, "");
	assert_non_null(f->stream.tap);
	taps_watch_end(&f->taps, 7);	/* none */
	assert_non_null(f->stream.tap);
	taps_watch_end(&f->taps, 1);
	assert_null(f->stream.tap);
	close(reader);
}

static void
two_watch_and_one_goes(void **state)
{
	struct fixture *f = *state;
	int a, b;

	assert_int_equal(begin(f, 1, UINT32_MAX, 120, &a), 0);
	tap_open(&f->taps, &f->stream, TAP_SMTP, client, true, "");
	assert_int_equal(begin(f, 2, UINT32_MAX, 120, &b), 0);
	tap_open(&f->taps, &f->stream, TAP_SMTP, client, false, "");
	hear(f, "NOOP one\r\n");
	assert_non_null(strstr(shown(a), "NOOP one"));
	assert_non_null(strstr(shown(b), "NOOP one"));
	taps_watch_end(&f->taps, 1);
	close(a);
	hear(f, "NOOP two\r\n");
	assert_non_null(strstr(shown(b), "NOOP two"));
	taps_watch_end(&f->taps, 2);
	close(b);
}

static void
a_slow_reader_loses_lines_and_is_told(void **state)
{
	struct fixture *f = *state;
	int reader, i;

	assert_int_equal(begin(f, 1, UINT32_MAX, 120, &reader), 0);
	tap_open(&f->taps, &f->stream, TAP_SMTP, client, true, "");
	for (i = 0; i < 1000; i++)
		hear(f, "NOOP and some words to fill the pipe with\r\n");
	assert_non_null(strstr(shown(reader), "NOOP and some words"));
	hear(f, "NOOP after\r\n");
	assert_non_null(strstr(shown(reader), " lines lost: the reader was "
	    "too slow\n"));
	hear(f, "NOOP then\r\n");
	assert_non_null(strstr(shown(reader), "> NOOP then\n"));
	close(reader);
	hear(f, "NOOP to nobody\r\n");
	taps_watch_end(&f->taps, 1);
}

static void
there_are_not_more_than_the_limit(void **state)
{
	struct fixture *f = *state;
	int readers[TAP_WATCHES + 1];
	uint32_t i;

	for (i = 0; i < TAP_WATCHES; i++)
		assert_int_equal(begin(f, i + 1, UINT32_MAX, 120,
		    &readers[i]), 0);
	assert_int_equal(begin(f, 99, UINT32_MAX, 120, &readers[i]), -1);
	close(readers[i]);
	taps_watch_end(&f->taps, 2);
	close(readers[1]);
	assert_int_equal(begin(f, 99, UINT32_MAX, 129, &readers[1]), -1);
	close(readers[1]);
	assert_int_equal(begin(f, 0, UINT32_MAX, 120, &readers[1]), -1);
	close(readers[1]);
	taps_watch_end(&f->taps, 1);
	taps_watch_end(&f->taps, 3);
	taps_watch_end(&f->taps, 4);
	assert_int_equal(f->taps.nwatches, 0);
	close(readers[0]);
	close(readers[2]);
	close(readers[3]);
}

/* A session in clear goes where nobody hears it. */
static void
what_cannot_be_heard_is_told(void **state)
{
	struct fixture *f = *state;
	int reader;

	assert_int_equal(begin(f, 1, UINT32_MAX, 120, &reader), 0);
	tap_open(&f->taps, &f->stream, TAP_IMAP, client, true, "");
	tap_close(&f->stream, "gone elsewhere");
	tap_close(&f->stream, "twice");
	assert_null(f->stream.tap);
	assert_non_null(strstr(shown(reader), "- gone elsewhere\n"));
	taps_watch_end(&f->taps, 1);
	close(reader);
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lines_have_their_form),
		TEST(who_is_not_meant_has_no_tap),
		TEST(two_watch_and_one_goes),
		TEST(a_slow_reader_loses_lines_and_is_told),
		TEST(there_are_not_more_than_the_limit),
		TEST(what_cannot_be_heard_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
