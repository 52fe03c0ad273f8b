/* SPDX-License-Identifier: ISC */
/* The scheduler with a clock of its own. */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/mem.h"
#include "schedule.h"

#define JOBS	20000

struct bed {
	struct sched	 s;
	int64_t		 now;
	struct attempt	*sent[JOBS];	/* in order */
	unsigned	 nsent;
	int		 order[JOBS];	/* their priorities */
	unsigned	 senders[JOBS];
	unsigned	 back;		/* handed back: dead */
	unsigned	 crowded;
	unsigned	 wanted;
	bool		 busy;
	struct slot	 slots[1000];
	struct attempt_list all;
};

static enum send_result
send_job(void *arg, struct attempt *j)
{
	struct bed *b = arg;

	if (b->busy)
		return SEND_BUSY;
	assert_true(b->nsent < JOBS);
	b->order[b->nsent] = j->priority;
	b->senders[b->nsent] = (unsigned)j->sender_key;
	b->sent[b->nsent++] = j;
	return SEND_DONE;
}

static void
end_job(struct bed *b, struct attempt *j)
{
	TAILQ_REMOVE(&b->all, j, of_entry);
	hop_release(&b->s, &j->hop);
	free(j);
}

static void
hand_back(void *arg, struct attempt *j, bool dead)
{
	struct bed *b = arg;

	if (dead)
		b->back++;
	else
		b->crowded++;
	end_job(b, j);
}

static void
wanted(void *arg, struct hop *h, unsigned n)
{
	struct bed *b = arg;

	for (; n > 0 && !TAILQ_EMPTY(&h->waiting); n--) {
		b->wanted++;
		hop_unwait(TAILQ_FIRST(&h->waiting));
	}
}

static const struct sched_ops ops = { send_job, hand_back, wanted };

static void
bed_init(struct bed *b, uint64_t rate)
{
	struct sched_config c = { .remote_window = 20, .local_window = 256,
		.remote_rate = rate, .retry_first = 1000,
		.retry_max = 8000 };

	memset(b, 0, sizeof(*b));
	b->now = 1000000;
	TAILQ_INIT(&b->all);
	sched_init(&b->s, &c, &ops, b);
}

static void
bed_clear(struct bed *b)
{
	struct attempt *j;

	while ((j = TAILQ_FIRST(&b->all)) != NULL) {
		if (j->state == JOB_READY)
			sched_remove(&b->s, j);
		end_job(b, j);
	}
	sched_clear(&b->s);
}

static void
job_of(struct bed *b, const char *hop, uint64_t sender, bool retry,
    int priority)
{
	struct attempt *j = mem_alloc(sizeof(*j));

	j->priority = priority;

	j->hop = hop_get(&b->s, strncmp(hop, "local", 5) == 0,
	    slice_str(hop));
	j->sender_key = sender;
	j->retry = retry;
	j->key = sender;
	TAILQ_INSERT_TAIL(&b->all, j, of_entry);
	sched_add(&b->s, j, b->now);
}

static void
job(struct bed *b, const char *hop, uint64_t sender, bool retry)
{
	job_of(b, hop, sender, retry, 0);
}

static void
result(struct bed *b, unsigned i, enum job_result r)
{
	struct attempt *j = b->sent[i];

	sched_result(&b->s, j, r, SLICE_LIT("words"), b->now);
	b->sent[i] = NULL;
	end_job(b, j);
}

/* Jobs under way for a hop. */
static unsigned
inflight(struct bed *b, const char *hop)
{
	struct hop *h = hop_find(&b->s, slice_str(hop));

	return h == NULL ? 0 : h->inflight;
}

static void
window_begins_small_and_grows_with_success(void **state)
{
	struct bed b;
	unsigned i, done = 0;

	(void)state;
	bed_init(&b, 0);
	for (i = 0; i < 1000; i++)
		job(&b, "far", 1, false);
	sched_run(&b.s, b.now);
	assert_int_equal(b.nsent, WINDOW_START);
	while (done < 5) {
		result(&b, done++, JOB_DELIVERED);
		sched_run(&b.s, b.now);
	}
	assert_int_equal(inflight(&b, "far"), WINDOW_START + 1);
	while (done < 500) {
		result(&b, done++, JOB_DELIVERED);
		sched_run(&b.s, b.now);
	}
	assert_int_equal(inflight(&b, "far"), 20);
	bed_clear(&b);
}

static void
window_halves_on_a_site_failure_between_successes(void **state)
{
	struct bed b;
	unsigned i;

	(void)state;
	bed_init(&b, 0);
	for (i = 0; i < 1000; i++)
		job(&b, "far", 1, false);
	for (i = 0; i < 500; i++) {
		sched_run(&b.s, b.now);
		result(&b, i, JOB_DELIVERED);
	}
	assert_int_equal(hop_find(&b.s, SLICE_LIT("far"))->window, 20);
	result(&b, i++, JOB_SITE_FAILED);
	assert_int_equal(hop_find(&b.s, SLICE_LIT("far"))->window, 10);
	assert_int_equal(b.back, 0);
	/* Again, with nothing delivered in between: dead when all that is
	 * under way has failed. */
	while (i < b.nsent) {
		assert_false(hop_is_dead(hop_find(&b.s, SLICE_LIT("far"))));
		assert_int_equal(b.back, 0);
		result(&b, i++, JOB_SITE_FAILED);
		sched_run(&b.s, b.now);
	}
	assert_int_equal(i, 519);
	assert_true(hop_is_dead(hop_find(&b.s, SLICE_LIT("far"))));
	assert_true(b.back > 0);
	bed_clear(&b);
}

/* It refuses all connections but two. */
static void
hop_that_takes_a_few_at_a_time_is_not_dead(void **state)
{
	struct bed b;
	unsigned i, from = 0, end, taken, refused = 0;

	(void)state;
	bed_init(&b, 0);
	for (i = 0; i < 1000; i++)
		job(&b, "far", 1, false);
	sched_run(&b.s, b.now);
	assert_int_equal(b.nsent, WINDOW_START);
	while (b.nsent < 500) {
		end = b.nsent;
		taken = from + 2;
		for (i = taken; i < end; i++, refused++)
			result(&b, i, JOB_SITE_FAILED);
		for (i = from; i < taken && i < end; i++)
			result(&b, i, JOB_DELIVERED);
		from = end;
		sched_run(&b.s, b.now);
		assert_true(b.nsent > end);
	}
	assert_int_equal(b.back, 0);
	assert_in_range(refused, 1, 250);
	bed_clear(&b);
}

static void
dead_hop_is_probed_once_per_back_off(void **state)
{
	struct bed b;
	struct hop *h;
	unsigned i, probes = 0;
	int64_t last;

	(void)state;
	bed_init(&b, 0);
	job(&b, "far", 1, false);
	sched_run(&b.s, b.now);
	h = hop_get(&b.s, false, SLICE_LIT("far"));
	result(&b, 0, JOB_SITE_FAILED);
	assert_true(hop_is_dead(h));
	for (i = 0; i < 100; i++)
		hop_wait(h, &b.slots[i]);
	job(&b, "far", 1, false);
	assert_int_equal(b.back, 1);
	last = b.now;
	while (probes < 6) {
		b.now += 50;
		sched_run(&b.s, b.now);
		if (b.wanted == probes)
			continue;
		assert_int_equal(b.wanted, probes + 1);
		probes++;
		/* 1, 2, 4, 8, 8 seconds, each with a fifth of jitter */
		{
			int64_t want = 1000 << (probes < 4 ? probes - 1 : 3);

			assert_in_range(b.now - last, want * 79 / 100,
			    want * 121 / 100 + 50);
		}
		last = b.now;
		job(&b, "far", 1, true);
		job(&b, "far", 2, false);
		sched_run(&b.s, b.now);
		assert_int_equal(b.nsent, 1 + probes);	/* only one goes */
		result(&b, probes, JOB_SITE_FAILED);
	}
	/* It lives: those that wait are wanted as there is room. */
	while (b.wanted == probes) {
		b.now += 50;
		sched_run(&b.s, b.now);
	}
	job(&b, "far", 1, true);
	sched_run(&b.s, b.now);
	result(&b, b.nsent - 1, JOB_DELIVERED);
	assert_in_range(b.wanted, probes + 2, probes + 15);
	while (h->nwaiting > 0)
		hop_unwait(TAILQ_FIRST(&h->waiting));
	hop_release(&b.s, &h);
	bed_clear(&b);
}

static void
hops_and_senders_take_turns(void **state)
{
	struct bed b;
	unsigned i, far = 0, near = 0, spam = 0, shop = 0;

	(void)state;
	bed_init(&b, 0);
	for (i = 0; i < 1000; i++)
		job(&b, "far", 666, false);
	for (i = 0; i < 3; i++)
		job(&b, "far", 7, false);
	for (i = 0; i < 5; i++)
		job(&b, "near", 666, false);
	sched_run(&b.s, b.now);
	for (i = 0; i < b.nsent; i++) {
		if (strcmp(b.sent[i]->hop->name, "near") == 0)
			near++;
		else if (b.sent[i]->sender_key == 666)
			spam++, far++;
		else
			shop++, far++;
	}
	assert_int_equal(near, 5);
	assert_int_equal(far, 5);
	assert_int_equal(shop, 2);	/* one each in turn */
	/* hop after hop, not all of one first */
	assert_string_not_equal(b.sent[0]->hop->name, b.sent[1]->hop->name);
	bed_clear(&b);
}

/* The next hop is known from now on, as one that a route leads to. */
static void
know(struct bed *b, const char *hop)
{
	hop_get(&b->s, false, slice_str(hop));
}

/* Something has been delivered to it; it is the first that was sent. */
static void
prove(struct bed *b, const char *hop)
{
	know(b, hop);
	job(b, hop, 1, false);
	sched_run(&b->s, b->now);
	result(b, 0, JOB_DELIVERED);
}

static void
nobody_known_gets_more_than_one_retry_at_a_time(void **state)
{
	struct bed b;
	unsigned i;

	(void)state;
	bed_init(&b, 0);
	know(&b, "far");
	for (i = 0; i < 20; i++)
		job(&b, "far", 1, true);
	sched_run(&b.s, b.now);
	assert_int_equal(b.nsent, 1);
	assert_int_equal(b.crowded, 19);
	job(&b, "far", 1, true);	/* while the first is under way */
	sched_run(&b.s, b.now);
	assert_int_equal(b.nsent, 1);
	assert_int_equal(b.crowded, 20);
	result(&b, 0, JOB_DELIVERED);
	for (i = 0; i < 20; i++)
		job(&b, "far", 1, true);
	sched_run(&b.s, b.now);
	assert_int_equal(b.nsent, 1 + WINDOW_START);
	assert_int_equal(b.crowded, 20);
	bed_clear(&b);
}

static void
backlog_of_retries_does_not_stop_new_mail(void **state)
{
	struct bed b;
	unsigned i, fresh = 0;

	(void)state;
	bed_init(&b, 0);
	prove(&b, "far");
	for (i = 0; i < 90; i++)
		job(&b, "far", 1, true);
	for (i = 0; i < 30; i++)
		job(&b, "far", 2, false);
	for (i = 1; i < 41; i++) {
		sched_run(&b.s, b.now);
		fresh += !b.sent[i]->retry;
		result(&b, i, JOB_DELIVERED);
	}
	assert_int_equal(fresh, 30);	/* three of four */
	bed_clear(&b);
}

static void
too_many_retries_go_back_to_sleep(void **state)
{
	struct bed b;
	unsigned i;

	(void)state;
	bed_init(&b, 0);
	prove(&b, "far");
	for (i = 0; i < 500; i++)
		job(&b, "far", 1, true);
	assert_int_equal(b.crowded, 400);
	assert_int_equal(b.s.ready, 100);
	bed_clear(&b);
}

static void
rate_is_kept_to_the_millisecond(void **state)
{
	struct bed b;
	int64_t start;
	unsigned i, done = 0;

	(void)state;
	bed_init(&b, 600);	/* ten a second */
	start = b.now;
	for (i = 0; i < 200; i++)
		job(&b, "far", 1, false);
	while (b.nsent < 100) {
		sched_run(&b.s, b.now);
		while (done < b.nsent)
			result(&b, done++, JOB_DELIVERED);
		b.now += 10;
	}
	/* 100 messages: a second's worth at once, then 100 ms each */
	assert_in_range(b.now - start, 8900, 9300);
	bed_clear(&b);
}

static void
busy_process_is_asked_again_when_it_says(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b, 0);
	b.busy = true;
	job(&b, "far", 1, false);
	job(&b, "local:1", 1, false);
	sched_run(&b.s, b.now);
	assert_int_equal(b.nsent, 0);
	b.busy = false;
	sched_run(&b.s, b.now);
	assert_int_equal(b.nsent, 0);
	sched_unblock(&b.s);
	sched_run(&b.s, b.now);
	assert_int_equal(b.nsent, 2);
	bed_clear(&b);
}

static void
local_window_is_wide_at_once(void **state)
{
	struct bed b;
	unsigned i;

	(void)state;
	bed_init(&b, 0);
	for (i = 0; i < 1000; i++)
		job(&b, "local:1000", 1, false);
	sched_run(&b.s, b.now);
	assert_int_equal(b.nsent, 256);
	result(&b, 0, JOB_NO_ROOM);
	sched_run(&b.s, b.now);
	assert_int_equal(b.nsent, 256);
	b.now += 1000;
	sched_run(&b.s, b.now);
	assert_int_equal(b.nsent, 257);
	bed_clear(&b);
}

static void
idle_hops_are_forgotten(void **state)
{
	struct bed b;
	char name[32];
	unsigned i;

	(void)state;
	bed_init(&b, 0);
	for (i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "h%u", i);
		job(&b, name, 1, false);
	}
	sched_run(&b.s, b.now);
	assert_int_equal(b.s.nhops, 1000);
	for (i = 0; i < 1000; i++)
		result(&b, i, i % 2 == 0 ? JOB_DELIVERED : JOB_SITE_FAILED);
	assert_int_equal(b.s.nhops, 500);
	b.now += 20000;
	sched_run(&b.s, b.now);
	assert_int_equal(b.s.nhops, 0);
	bed_clear(&b);
}

/* Sends all, one after the other; priorities in this order. */
static void
drain(struct bed *b)
{
	unsigned done = 0;

	for (;;) {
		sched_run(&b->s, b->now);
		if (done == b->nsent)
			break;
		result(b, done++, JOB_DELIVERED);
	}
}

static void
higher_priorities_go_first(void **state)
{
	static const int order[] = { 0, -9, 9, 3, 0, -9, 9, 3 };
	struct bed b;
	unsigned i;

	(void)state;
	bed_init(&b, 0);
	for (i = 0; i < 8; i++)
		job_of(&b, "far", i % 3, false, order[i]);
	drain(&b);
	assert_int_equal(b.nsent, 8);
	for (i = 1; i < 8; i++)
		assert_true(b.order[i - 1] >= b.order[i]);
	bed_clear(&b);
}

static void
senders_of_one_priority_take_turns(void **state)
{
	struct bed b;
	unsigned i;

	(void)state;
	bed_init(&b, 0);
	for (i = 0; i < 30; i++)
		job_of(&b, "far", i / 10, false, 5);
	job_of(&b, "far", 7, false, 0);
	drain(&b);
	for (i = 0; i < 9; i++)
		assert_int_equal(b.senders[i], i % 3);
	bed_clear(&b);
}

static void
the_least_priority_does_not_starve(void **state)
{
	struct bed b;
	unsigned i, seen[3] = { 0, 0, 0 };

	(void)state;
	bed_init(&b, 0);
	for (i = 0; i < 300; i++)
		job_of(&b, "far", 1, false, 9);
	for (i = 0; i < 30; i++)
		job_of(&b, "far", 10 + i % 3, false, -1);
	drain(&b);
	/* Each sender of it has had its turn within the first 50. */
	for (i = 0; i < 50; i++)
		if (b.senders[i] >= 10)
			seen[b.senders[i] - 10]++;
	assert_true(seen[0] >= 1 && seen[1] >= 1 && seen[2] >= 1);
	assert_true(seen[0] + seen[1] + seen[2] <= 5);
	bed_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(window_begins_small_and_grows_with_success),
		cmocka_unit_test(
		    window_halves_on_a_site_failure_between_successes),
		cmocka_unit_test(hop_that_takes_a_few_at_a_time_is_not_dead),
		cmocka_unit_test(dead_hop_is_probed_once_per_back_off),
		cmocka_unit_test(hops_and_senders_take_turns),
		cmocka_unit_test(
		    nobody_known_gets_more_than_one_retry_at_a_time),
		cmocka_unit_test(backlog_of_retries_does_not_stop_new_mail),
		cmocka_unit_test(too_many_retries_go_back_to_sleep),
		cmocka_unit_test(rate_is_kept_to_the_millisecond),
		cmocka_unit_test(busy_process_is_asked_again_when_it_says),
		cmocka_unit_test(local_window_is_wide_at_once),
		cmocka_unit_test(idle_hops_are_forgotten),
		cmocka_unit_test(higher_priorities_go_first),
		cmocka_unit_test(senders_of_one_priority_take_turns),
		cmocka_unit_test(the_least_priority_does_not_starve),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
