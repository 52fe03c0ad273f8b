/* SPDX-License-Identifier: ISC */
/* The queue while somebody sets the clock.  The test has a clock of its own:
 * clock_gettime() below stands before that of libc. */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "harness.h"

#define HOUR	INT64_C(3600000)
#define DAY	(24 * HOUR)
#define YEARS	(50 * 365 * DAY)

/* Beside that of the machine: by how much the wall clock was set, and how long
 * the machine has slept, which the loop's clock does not count. */
static int64_t set_ms, slept_ms;

int	 clock_gettime(clockid_t, struct timespec *);

int
clock_gettime(clockid_t which, struct timespec *t)
{
	int64_t more = which == CLOCK_REALTIME ? set_ms + slept_ms :
	    which == CLOCK_BOOTTIME ? slept_ms : 0;
	int r = (int)syscall(SYS_clock_gettime, which, t);

	t->tv_sec += more / 1000;
	t->tv_nsec += more % 1000 * 1000000;
	if (t->tv_nsec < 0) {
		t->tv_nsec += 1000000000;
		t->tv_sec--;
	} else if (t->tv_nsec >= 1000000000) {
		t->tv_nsec -= 1000000000;
		t->tv_sec++;
	}
	return r;
}

static int
set_up(void **state)
{
	(void)state;
	set_ms = slept_ms = 0;
	return 0;
}

/* ---- what is a step ----------------------------------------------------- */

static void
step_is_noticed_once(void **state)
{
	struct clock_watch w;
	int64_t now;

	(void)state;
	clock_watch_init(&w);
	assert_int_equal(clock_stepped(&w, &now), 0);
	set_ms -= DAY;
	assert_in_range(clock_stepped(&w, &now) + DAY + 100, 0, 200);
	assert_in_range(clock_wall_ms() - now, 0, 5000);
	assert_int_equal(clock_stepped(&w, &now), 0);
	set_ms += YEARS;
	assert_in_range(clock_stepped(&w, &now) - YEARS + 100, 0, 200);
	assert_int_equal(clock_stepped(&w, &now), 0);
}

static void
drift_and_sleep_are_no_step(void **state)
{
	struct clock_watch w;
	int64_t now;

	(void)state;
	clock_watch_init(&w);
	slept_ms += DAY;
	assert_int_equal(clock_stepped(&w, &now), 0);
	set_ms += CLOCK_STEP_MS / 2;
	assert_int_equal(clock_stepped(&w, &now), 0);
	set_ms -= CLOCK_STEP_MS;
	assert_int_equal(clock_stepped(&w, &now), 0);
	/* Small ones add up. */
	set_ms -= CLOCK_STEP_MS;
	assert_true(clock_stepped(&w, &now) < -CLOCK_STEP_MS);
}

/* ---- when a message arrived --------------------------------------------- */

static void
arrival_moves_with_the_clock(void **state)
{
	static const struct {
		const char	*what;
		int64_t		 steps[8];	/* before, after; 0: no more */
		uint8_t		 known;
		int64_t		 at, is;
	} cases[] = {
		{ "no step",		{ 500, 500 },	1, 600, 600 },
		{ "an earlier run",	{ 500, 500 },	0, 400, 400 },
		{ "from the future",	{ 500, 500 },	0, 900, 500 },
		{ "forward",		{ 500, 500, 700, 2700 }, 1, 600, 2600 },
		{ "forward, of an earlier run",
		    { 500, 500, 700, 2700 }, 0, 400, 2400 },
		{ "forward and back, forward again",
		    { 500, 500, 700, 1700, 1800, 800, 900, 2900 }, 2, 1750,
		    2750 },
		{ "forward, known",	{ 500, 500, 700, 2700 }, 2, 600, 600 },
		{ "forward, already by the new clock",
		    { 500, 500, 700, 2700 }, 1, 2699, 2699 },
		{ "a start in 1970: its age is known again",
		    { 5, 5, 7, 2700 }, 0, 1000, 1000 },
		{ "a start in 1970, then not far enough",
		    { 5, 5, 7, 270 }, 0, 1000, 268 },
		{ "backward",		{ 500, 500, 700, 300 }, 1, 600, 300 },
		{ "backward, of an earlier run",
		    { 500, 500, 700, 300 }, 0, 200, 100 },
		{ "there and back",
		    { 500, 500, 700, 2700, 2800, 800 }, 1, 600, 700 },
		{ "there and back, between",
		    { 500, 500, 700, 2700, 2800, 800 }, 2, 2750, 800 },
		{ "back and there",
		    { 500, 500, 700, 300, 400, 800 }, 1, 600, 600 },
	};
	struct queue_clock c;
	const int64_t *v;
	size_t i;
	int64_t is;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&c, 0, sizeof(c));
		for (v = cases[i].steps; v < cases[i].steps + 8 && v[0] != 0;
		    v += 2)
			c.steps[c.n++] = (struct clock_step){ v[0], v[1], 0 };
		is = clock_ago(&c, cases[i].known, cases[i].at);
		if (is != cases[i].is)
			fail_msg("%s: %lld", cases[i].what, (long long)is);
	}
}

/* ---- a queue ------------------------------------------------------------ */

static bool
nothing_works(struct world *w, const struct delivery *d, struct outcome *o)
{
	(void)w;
	(void)d;
	o->status = OUTCOME_DEFERRED;
	o->enhanced = (struct enhanced){ 4, 2, 1 };
	o->text = SLICE_LIT("not now");
	return true;
}

#define FOR_HOURS	"queue.retry_first = 1h\nqueue.retry_max = 2h\n"	\
	"queue.lifetime = 2d\nqueue.delay_warning = 0\n"

/* A queue manager with a message that waits for its second attempt. */
static struct slot *
begin(struct world *w, const char *more)
{
	struct slot *s;
	uint64_t id;

	world_init(w, more);
	w->outcome = nothing_works;
	assert_int_equal(world_start(w, UP_ALL), 0);
	id = world_submit(w, "local-s@here", "x@far", 100);
	s = NULL;
	world_wait(w, 5000, w->ndeliveries == 1 && (s = queue_find(
	    &w->q->queue, id)) != NULL && s->state == SLOT_WAITING);
	return s;
}

static unsigned
noticed(const struct world *w)
{
	return w->q->clock.n - w->q->clock.earlier - 1u;
}

static int64_t
due_in(const struct slot *s)
{
	return s->due.when - clock_wall_ms();
}

static void
retries_keep_their_distance(void **state)
{
	static const int64_t steps[] = { -DAY, DAY, -YEARS, YEARS, YEARS,
		CLOCK_STEP_MS, -CLOCK_STEP_MS, -YEARS };
	struct world w;
	struct slot *s = begin(&w, FOR_HOURS);
	size_t i;
	int64_t due;

	(void)state;
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		due = due_in(s);
		assert_in_range(due, HOUR / 2, 2 * HOUR);
		set_ms += steps[i] + (steps[i] > 0 ? 50 : -50);
		world_wait(&w, 5000, noticed(&w) == i + 1);
		assert_in_range(due_in(s), due - HOUR / 10, due);
		assert_int_equal(w.ndeliveries, 1);
	}
	assert_int_equal(w.nreported, 0);
	w.outcome = NULL;
	slept_ms += 2 * HOUR;
	world_wait(&w, 5000, w.q->queue.slots.n == 0);
	assert_int_equal(world_done(&w, w.queued[0], "x@far"), 1);
	world_clear(&w);
}

/* What its file says is of another clock. */
static void
retry_of_a_file_comes_after_a_step(void **state)
{
	struct world w;
	struct slot *s = begin(&w, FOR_HOURS);

	(void)state;
	world_wait(&w, 10000, s->entry == NULL);
	set_ms -= HOUR / 2;
	world_wait(&w, 5000, noticed(&w) == 1);
	w.outcome = NULL;
	slept_ms += due_in(s) + 1000;
	world_wait(&w, 5000, w.q->queue.slots.n == 0);
	assert_int_equal(world_done(&w, w.queued[0], "x@far"), 1);
	world_clear(&w);
}

static void
restart_with_the_clock_set_back(void **state)
{
	struct world w;
	struct slot *s = begin(&w, FOR_HOURS);
	uint64_t id = s->id;
	int file;

	(void)state;
	for (file = 0; file < 2; file++) {
		if (file)
			world_wait(&w, 10000, s->entry == NULL);
		world_wait(&w, 5000, journal_is_idle(w.q->journal));
		world_kill(&w);
		set_ms -= file ? 300 * DAY : YEARS;
		assert_int_equal(world_start(&w, UP_ALL), 0);
		world_wait(&w, 5000, w.q->walk == NULL);
		s = queue_find(&w.q->queue, id);
		assert_in_range(due_in(s), HOUR, 2 * HOUR);
		assert_int_equal(w.ndeliveries, file + 1);
		slept_ms += 2 * HOUR;
		world_wait(&w, 5000, w.ndeliveries == (size_t)file + 2 &&
		    s->state == SLOT_WAITING);
		assert_in_range(due_in(s), HOUR / 2, 3 * HOUR);
	}
	/* Now the right time comes. */
	set_ms += YEARS + 300 * DAY;
	world_wait(&w, 5000, noticed(&w) == 1);
	assert_in_range(due_in(s), HOUR / 2, 3 * HOUR);
	assert_int_equal(w.ndeliveries, 3);
	assert_int_equal(w.nreported, 0);
	w.outcome = NULL;
	slept_ms += 3 * HOUR;
	world_wait(&w, 5000, w.q->queue.slots.n == 0);
	assert_int_equal(world_done(&w, w.queued[0], "x@far"), 1);
	world_clear(&w);
}

/* ---- how long it may stay ----------------------------------------------- */

/* By the time that really passes: not sooner, and not for ever. */
static void
returned_in_time(int64_t before, int64_t step, bool restart)
{
	struct world w;

	set_ms = before;
	begin(&w, FOR_HOURS);
	set_ms += step;
	world_wait(&w, 5000, noticed(&w) == 1);
	if (restart) {
		world_wait(&w, 5000, journal_is_idle(w.q->journal));
		world_kill(&w);
		assert_int_equal(world_start(&w, UP_ALL), 0);
		world_wait(&w, 5000, w.q->walk == NULL);
	}
	slept_ms += DAY;
	world_wait(&w, 5000, w.ndeliveries == 2 &&
	    heap_first(&w.q->queue.due) != NULL);
	assert_int_equal(w.nreported, 0);
	slept_ms += DAY;
	world_wait(&w, 5000, w.nreported == 1);
	assert_int_equal(w.reported[0].kind, REPORT_FAILURE);
	world_clear(&w);
}

static void
message_is_kept_as_long_whatever_the_clock_does(void **state)
{
	(void)state;
	returned_in_time(0, 3 * DAY, false);
	returned_in_time(-YEARS, YEARS, false);
	returned_in_time(0, -3 * DAY, false);
	returned_in_time(YEARS, -YEARS, false);
}

static void
message_is_kept_as_long_over_a_restart(void **state)
{
	(void)state;
	returned_in_time(0, 3 * DAY, true);
	returned_in_time(-YEARS, YEARS, true);
	returned_in_time(0, -3 * DAY, true);
	returned_in_time(YEARS, -YEARS, true);
}

/* The machine was not started anew: its own clock tells. */
static void
step_while_nobody_was_here_returns_nothing(void **state)
{
	static const int64_t steps[] = { 20 * YEARS / 50, -20 * YEARS / 50,
		20 * YEARS / 50 };
	struct world w;
	size_t i, tried;

	(void)state;
	world_init(&w, FOR_HOURS);
	w.outcome = nothing_works;
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_submit(&w, "local-s@here", "x@far", 100);
	world_wait(&w, 5000, w.ndeliveries == 1 &&
	    heap_first(&w.q->queue.due) != NULL);
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		world_wait(&w, 5000, disk_lane_load(w.q->files) == 0);
		world_kill(&w);
		set_ms += steps[i];
		tried = w.ndeliveries;
		assert_int_equal(world_start(&w, UP_ALL), 0);
		slept_ms += 3 * HOUR;
		world_wait(&w, 5000, w.ndeliveries > tried &&
		    heap_first(&w.q->queue.due) != NULL);
		assert_int_equal(w.nreported, 0);
	}
	slept_ms += 10 * DAY;
	world_wait(&w, 5000, w.nreported == 1);
	world_clear(&w);
}

/* Of three messages each has seen one step more at least. */
static void
steps_are_known_by_queue_id(void **state)
{
	static const uint64_t ids[] = { 10, 20, 21 };
	struct queue_clock c = { .earlier = 2, .n = 3, .steps = {
		{ 500, 900, 10 }, { 1000, 700, 20 }, { 950, 950, 0 } } };
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++)
		assert_int_equal(clock_known(&c, ids[i]), i);
	assert_int_equal(clock_ago(&c, 0, 400), 800);
	/* By the new clock, whatever block its id is of. */
	assert_int_equal(clock_ago(&c, 0, 810), 810);
	assert_int_equal(clock_ago(&c, 2, 810), 810);
}

static void
time_to_deliver_by_moves_too(void **state)
{
	struct world w;
	int64_t by = clock_wall_ms() + DAY;

	(void)state;
	world_init(&w, FOR_HOURS);
	w.outcome = nothing_works;
	assert_int_equal(world_start(&w, UP_ALL), 0);
	w.extras.by_mode = BY_RETURN;
	w.extras.by_ms = by;
	world_submit(&w, "local-s@here", "x@far", 100);
	world_wait(&w, 5000, w.ndeliveries == 1 &&
	    heap_first(&w.q->queue.due) != NULL);
	set_ms += 2 * DAY;
	world_wait(&w, 5000, noticed(&w) == 1);
	slept_ms += 2 * HOUR;
	world_wait(&w, 5000, w.ndeliveries == 2 &&
	    heap_first(&w.q->queue.due) != NULL);
	assert_int_equal(w.nreported, 0);
	assert_in_range(w.deliveries[1].extras.by_ms - by - 2 * DAY + 100, 0,
	    200);
	slept_ms += DAY;
	world_wait(&w, 5000, w.nreported == 1);
	world_clear(&w);
}

/* RFC 4865: after a step forward the time has come; a step back lets nobody
 * wait for longer than he asked for. */
static void
release_is_a_time_of_the_clock(void **state)
{
	static const int64_t steps[] = { 2 * DAY, -DAY / 2 };
	struct world w;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		world_init(&w, FOR_HOURS);
		assert_int_equal(world_start(&w, UP_ALL), 0);
		w.extras.hold_ms = clock_wall_ms() + DAY;
		world_submit(&w, "a@b", "local1@here", 100);
		world_wait(&w, 5000, w.nqueued == 1 &&
		    heap_first(&w.q->queue.due) != NULL);
		set_ms += steps[i];
		world_wait(&w, 5000, noticed(&w) == 1);
		assert_int_equal(w.ndeliveries, 0);
		/* It is asked again when it wants to be released. */
		slept_ms += 4 * HOUR;
		if (steps[i] < 0) {
			world_wait(&w, 5000, heap_first(&w.q->queue.due)->when
			    > clock_wall_ms() + DAY / 2);
			assert_int_equal(w.ndeliveries, 0);
			slept_ms += DAY - 4 * HOUR;
		}
		world_wait(&w, 5000, w.ndeliveries == 1 &&
		    w.q->queue.slots.n == 0);
		world_clear(&w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup(f, set_up)
		CASE(step_is_noticed_once),
		CASE(drift_and_sleep_are_no_step),
		CASE(arrival_moves_with_the_clock),
		CASE(retries_keep_their_distance),
		CASE(retry_of_a_file_comes_after_a_step),
		CASE(restart_with_the_clock_set_back),
		CASE(message_is_kept_as_long_whatever_the_clock_does),
		CASE(message_is_kept_as_long_over_a_restart),
		CASE(step_while_nobody_was_here_returns_nothing),
		CASE(steps_are_known_by_queue_id),
		CASE(time_to_deliver_by_moves_too),
		CASE(release_is_a_time_of_the_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
