/* SPDX-License-Identifier: ISC */
/* loop_test - tasks, timers, descriptors and signals in their order. */
#include <sys/socket.h>

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "ev/loop.h"

static struct ev_loop	 loop;
static char		 trace[128];	/* what ran, a letter each */

static void
note(char c)
{
	size_t n = strlen(trace);

	assert_true(n + 1 < sizeof(trace));
	trace[n] = c;
	trace[n + 1] = '\0';
}

static int
make_loop(void **state)
{
	(void)state;
	ev_loop_init(&loop);
	trace[0] = '\0';
	return 0;
}

static int
clear_loop(void **state)
{
	(void)state;
	ev_loop_clear(&loop);
	return 0;
}

/* ---- tasks ---- */

static struct ev_task	 tasks[3];
static int		 again;

static void
run_task(void *arg)
{
	note(*(const char *)arg);
	if (*(const char *)arg == 'a' && again-- > 0)
		ev_task_ask(&loop, &tasks[0]);
}

static void
tasks_run_in_the_order_of_asking_and_once(void **state)
{
	static char a[] = "a", b[] = "b", c[] = "c";

	(void)state;
	ev_task_init(&tasks[0], run_task, a);
	ev_task_init(&tasks[1], run_task, b);
	ev_task_init(&tasks[2], run_task, c);
	ev_task_ask(&loop, &tasks[1]);
	ev_task_ask(&loop, &tasks[0]);
	ev_task_ask(&loop, &tasks[1]);
	ev_task_ask(&loop, &tasks[2]);
	ev_turn(&loop, 0);
	assert_string_equal(trace, "bac");
	ev_turn(&loop, 0);
	assert_string_equal(trace, "bac");
}

static void
task_that_asks_again_runs_after_the_others(void **state)
{
	static char a[] = "a", b[] = "b";

	(void)state;
	ev_task_init(&tasks[0], run_task, a);
	ev_task_init(&tasks[1], run_task, b);
	again = 2;
	ev_task_ask(&loop, &tasks[0]);
	ev_task_ask(&loop, &tasks[1]);
	ev_turn(&loop, 0);
	assert_string_equal(trace, "abaa");
}

/* First, middle and last of the list, and the list stays usable. */
static void
cancelled_task_does_not_run(void **state)
{
	static char names[3][2] = { "a", "b", "c" };
	static const char *const left[] = { "bca", "acb", "abc" };
	size_t i, j;

	(void)state;
	for (i = 0; i < 3; i++) {
		trace[0] = '\0';
		again = 0;
		for (j = 0; j < 3; j++) {
			ev_task_init(&tasks[j], run_task, names[j]);
			ev_task_ask(&loop, &tasks[j]);
		}
		ev_task_cancel(&loop, &tasks[i]);
		ev_task_cancel(&loop, &tasks[i]);
		ev_task_ask(&loop, &tasks[i]);
		ev_turn(&loop, 0);
		assert_string_equal(trace, left[i]);
	}
}

static struct ev_task *victim;

static void
cancel_victim(void *arg)
{
	(void)arg;
	note('x');
	ev_task_cancel(&loop, victim);
}

static void
task_cancelled_by_another_does_not_run(void **state)
{
	static char b[] = "b";

	(void)state;
	ev_task_init(&tasks[0], cancel_victim, NULL);
	ev_task_init(&tasks[1], run_task, b);
	victim = &tasks[1];
	ev_task_ask(&loop, &tasks[0]);
	ev_task_ask(&loop, &tasks[1]);
	ev_turn(&loop, 0);
	assert_string_equal(trace, "x");
}

static void
stop_now(void *arg)
{
	(void)arg;
	note('s');
	ev_stop(&loop);
}

/* What a turn has begun is finished: replies are flushed. */
static void
stop_lets_the_turn_s_tasks_run(void **state)
{
	static char b[] = "b";

	(void)state;
	ev_task_init(&tasks[0], stop_now, NULL);
	ev_task_init(&tasks[1], run_task, b);
	ev_task_ask(&loop, &tasks[0]);
	ev_task_ask(&loop, &tasks[1]);
	ev_run(&loop);
	assert_string_equal(trace, "sb");
}

/* ---- timers ---- */

static void
timer_fires(void *arg)
{
	note(*(const char *)arg);
	if (*(const char *)arg == 'z')
		ev_stop(&loop);
}

static void
timers_fire_once_in_their_order(void **state)
{
	struct ev_timer early, late, stopped, never = { .loop = NULL };
	static char e[] = "e", z[] = "z", s[] = "s";

	(void)state;
	ev_timer_init(&early, &loop, timer_fires, e);
	ev_timer_init(&late, &loop, timer_fires, z);
	ev_timer_init(&stopped, &loop, timer_fires, s);
	ev_timer_set(&late, 20);
	ev_timer_set(&early, 1000);
	ev_timer_set(&early, 5);	/* the last call counts */
	ev_timer_set(&stopped, 1);
	assert_true(ev_timer_is_set(&stopped));
	ev_timer_stop(&stopped);
	assert_false(ev_timer_is_set(&stopped));
	ev_run(&loop);
	assert_string_equal(trace, "ez");
	assert_false(ev_timer_is_set(&late));
	assert_false(ev_timer_is_set(&never));
	ev_timer_stop(&never);
	ev_timer_clear(&never);
	ev_timer_clear(&early);
	ev_timer_clear(&late);
	ev_timer_clear(&stopped);
}

static void
negative_time_is_now(void **state)
{
	struct ev_timer t;
	static char z[] = "z";

	(void)state;
	ev_timer_init(&t, &loop, timer_fires, z);
	ev_timer_set(&t, -5);
	ev_run(&loop);
	assert_string_equal(trace, "z");
}

static void
turn_waits_no_longer_than_told(void **state)
{
	int64_t before = clock_mono_ms();

	(void)state;
	ev_turn(&loop, 10);
	assert_in_range(clock_mono_ms() - before, 9, 2000);
}

/* ---- descriptors and signals ---- */

static struct ev_io	 io;
static int		 fds[2];

static void
io_is_ready(void *arg, int ready)
{
	char c;

	(void)arg;
	if (ready & EV_WANT_WRITE) {
		note('w');
		ev_io_want(&io, EV_WANT_READ);
	}
	if (ready & EV_WANT_READ) {
		note('r');
		assert_int_equal(read(fds[0], &c, 1), 1);
		if (c == 'q')
			ev_io_clear(&io);	/* inside its own callback */
	}
}

static void
io_tells_what_is_wanted(void **state)
{
	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	ev_io_init(&io, &loop, fds[0], io_is_ready, NULL);
	assert_int_equal(write(fds[1], "12q4", 4), 4);
	ev_turn(&loop, 0);
	assert_string_equal(trace, "");		/* nothing is wanted */
	ev_io_want(&io, EV_WANT_WRITE);
	ev_turn(&loop, 0);
	assert_string_equal(trace, "w");
	ev_turn(&loop, 0);
	assert_string_equal(trace, "wr");
	ev_io_want(&io, 0);
	ev_turn(&loop, 0);
	assert_string_equal(trace, "wr");
	ev_io_want(&io, EV_WANT_READ);
	ev_turn(&loop, 0);
	ev_turn(&loop, 0);
	assert_string_equal(trace, "wrrr");
	ev_turn(&loop, 0);
	assert_string_equal(trace, "wrrr");
	ev_io_clear(&io);
	close(fds[0]);
	close(fds[1]);
}

/* The number of a closed descriptor is given to the next one at once. */
static void
io_of_a_new_descriptor_with_an_old_number_works(void **state)
{
	int old[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, old), 0);
	ev_io_init(&io, &loop, old[0], io_is_ready, NULL);
	ev_io_want(&io, EV_WANT_READ);
	ev_turn(&loop, 0);
	ev_io_clear(&io);
	close(old[0]);
	close(old[1]);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(fds[0], old[0]);
	ev_io_init(&io, &loop, fds[0], io_is_ready, NULL);
	ev_io_want(&io, EV_WANT_READ);
	assert_int_equal(write(fds[1], "1", 1), 1);
	ev_turn(&loop, 1000);
	assert_string_equal(trace, "r");
	ev_io_clear(&io);
	close(fds[0]);
	close(fds[1]);
}

static void
signal_came(void *arg, int sig)
{
	(void)arg;
	assert_int_equal(sig, SIGUSR1);
	note('!');
	ev_stop(&loop);
}

static void
signal_is_told_in_the_loop(void **state)
{
	static struct ev_signal s;

	(void)state;
	ev_signal_init(&s, &loop, SIGUSR1, signal_came, NULL);
	raise(SIGUSR1);
	assert_string_equal(trace, "");
	ev_run(&loop);
	assert_string_equal(trace, "!");
	event_del(&s.ev);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_loop, clear_loop)
	const struct CMUnitTest tests[] = {
		TEST(tasks_run_in_the_order_of_asking_and_once),
		TEST(task_that_asks_again_runs_after_the_others),
		TEST(cancelled_task_does_not_run),
		TEST(task_cancelled_by_another_does_not_run),
		TEST(stop_lets_the_turn_s_tasks_run),
		TEST(timers_fire_once_in_their_order),
		TEST(negative_time_is_now),
		TEST(turn_waits_no_longer_than_told),
		TEST(io_tells_what_is_wanted),
		TEST(io_of_a_new_descriptor_with_an_old_number_works),
		TEST(signal_is_told_in_the_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
