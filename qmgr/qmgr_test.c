/* SPDX-License-Identifier: ISC */
/* The whole queue manager with its peers played (harness.h). */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/num.h"
#include "harness.h"

static bool
all_gone(const struct world *w)
{
	return w->q->queue.slots.n == 0;
}

static void
small_message_is_acknowledged_and_delivered(void **state)
{
	struct world w;
	uint64_t id;

	(void)state;
	world_init(&w, "");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	id = world_submit(&w, "a@b", "local1@here", 5000);
	world_wait(&w, 5000, w.nqueued == 1);
	assert_int_equal(w.queued[0], id);
	world_wait(&w, 5000, w.ndeliveries == 1 && all_gone(&w));
	assert_int_equal(w.deliveries[0].id, id);
	assert_int_equal(w.deliveries[0].size, 5000);
	assert_int_equal(w.deliveries[0].crc, world_content_crc(5000));
	assert_string_equal(w.deliveries[0].sender, "a@b");
	assert_false(w.deliveries[0].maybe_done);
	world_clear(&w);
}

static void
large_message_goes_through_its_own_file(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, "");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_submit_large(&w, "a@b", "local1@here x@far", 400000);
	world_wait(&w, 5000, w.ndeliveries == 2 && all_gone(&w));
	assert_int_equal(w.deliveries[0].crc, world_content_crc(400000));
	assert_int_equal(w.deliveries[1].crc, world_content_crc(400000));
	world_clear(&w);
}

static void
recipients_of_one_next_hop_go_together(void **state)
{
	struct world w;
	size_t i;

	(void)state;
	world_init(&w, "");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_submit(&w, "a@b", "local1@here local2@here x@far y@far z@other",
	    100);
	world_wait(&w, 5000, w.ndeliveries == 5 && all_gone(&w));
	for (i = 0; i < 5; i++)
		assert_int_equal(w.deliveries[i].together,
		    strcmp(w.deliveries[i].address, "z@other") == 0 ? 1 : 2);
	world_clear(&w);
}

static void
killed_before_delivery_delivers_after_restart(void **state)
{
	struct world w;
	uint64_t id, id2;

	(void)state;
	world_init(&w, "");
	assert_int_equal(world_start(&w, UP_SMTPD | UP_LOOKUP), 0);
	id = world_submit(&w, "a@b", "local1@here x@far", 5000);
	id2 = world_submit_large(&w, "a@b", "local2@here", 300000);
	world_wait(&w, 5000, w.nqueued == 2);
	world_kill(&w);
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_wait(&w, 5000, w.ndeliveries == 3 && all_gone(&w));
	assert_int_equal(world_count(&w, id, "local1@here"), 1);
	assert_int_equal(world_count(&w, id, "x@far"), 1);
	assert_int_equal(world_count(&w, id2, "local2@here"), 1);
	assert_true(w.deliveries[0].maybe_done);
	assert_int_equal(w.deliveries[0].crc,
	    world_content_crc((size_t)w.deliveries[0].size));
	/* A crash now could make them come again: the end is recorded with
	 * the next commit. */
	world_wait(&w, 5000, journal_is_idle(w.q->journal));
	world_kill(&w);
	assert_int_equal(world_start(&w, UP_ALL), 0);
	assert_true(all_gone(&w));
	world_clear(&w);
}

static void
thousand_messages_through_small_segments(void **state)
{
	struct world w;
	int i;

	(void)state;
	world_init(&w, "");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	for (i = 0; i < 1000; i++) {
		world_submit(&w, "a@b", i % 3 == 0 ? "x@far" : "local@here",
		    10000);
		if (i % 50 == 0)
			world_run(&w, 1);
	}
	world_wait(&w, 20000, w.nqueued == 1000 && w.ndeliveries == 1000 &&
	    all_gone(&w));
	world_clear(&w);
}

static bool
first_two_fail(struct world *w, const struct delivery *d, struct outcome *o)
{
	if (world_count(w, d->id, d->address) <= 2) {
		o->status = OUTCOME_DEFERRED;
		o->enhanced = (struct enhanced){ 4, 2, 1 };
		o->code = 450;
		o->text = SLICE_LIT("greylisted");
	}
	return true;
}

static void
deferred_recipient_is_tried_again(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, "");
	w.outcome = first_two_fail;
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_submit(&w, "a@b", "x@far", 100);
	world_wait(&w, 5000, w.ndeliveries == 3 && all_gone(&w));
	assert_true(w.deliveries[1].at - w.deliveries[0].at >= 75);
	assert_true(w.deliveries[2].at - w.deliveries[1].at >= 150);
	assert_int_equal(w.nreported, 0);
	world_clear(&w);
}

static void
failure_is_reported_and_the_report_delivered(void **state)
{
	struct world w;
	uint64_t id;

	(void)state;
	world_init(&w, "");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	id = world_submit(&w, "local-a@here", "nobody@here local2@here", 100);
	world_wait(&w, 5000, w.ndeliveries == 2 && all_gone(&w));
	assert_int_equal(w.nreported, 1);
	assert_int_equal(w.reported[0].kind, REPORT_FAILURE);
	assert_int_equal(w.reported[0].about, id);
	assert_string_equal(w.reported[0].to, "local-a@here");
	assert_string_equal(w.reported[0].text, "no such user");
	assert_int_equal(world_count(&w, w.reported[0].id, "local-a@here"), 1);
	world_clear(&w);
}

static void
alias_becomes_its_targets(void **state)
{
	struct world w;
	uint64_t id;
	size_t i;

	(void)state;
	world_init(&w, "");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	id = world_submit(&w, "a@b", "alias@here", 100);
	world_wait(&w, 5000, w.ndeliveries == 2 && all_gone(&w));
	assert_int_equal(world_count(&w, id, "local-a1@here"), 1);
	assert_int_equal(world_count(&w, id, "local-a2@here"), 1);
	for (i = 0; i < 2; i++)
		assert_string_equal(w.deliveries[i].original, "alias@here");
	world_submit(&w, "a@b", "loop@here", 100);
	world_wait(&w, 5000, w.nreported == 1);
	world_clear(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_message_is_acknowledged_and_delivered),
		cmocka_unit_test(large_message_goes_through_its_own_file),
		cmocka_unit_test(recipients_of_one_next_hop_go_together),
		cmocka_unit_test(killed_before_delivery_delivers_after_restart),
		cmocka_unit_test(thousand_messages_through_small_segments),
		cmocka_unit_test(deferred_recipient_is_tried_again),
		cmocka_unit_test(failure_is_reported_and_the_report_delivered),
		cmocka_unit_test(alias_becomes_its_targets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
