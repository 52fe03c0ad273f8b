/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/num.h"
#include "harness.h"

/* ---- names --------------------------------------------------------------- */

static void
names_have_numbers_as_long_as_somebody_has_them(void **state)
{
	struct hop_names h = { .v = NULL };
	uint16_t a, b;

	(void)state;
	a = hop_names_take(&h, SLICE_LIT("a.test"));
	b = hop_names_take(&h, SLICE_LIT("b.test"));
	assert_int_not_equal(a, 0);
	assert_int_not_equal(a, b);
	assert_int_equal(hop_names_take(&h, SLICE_LIT("a.test")), a);
	assert_int_equal(hop_names_take(&h, SLICE_EMPTY), 0);
	hop_names_release(&h, 0);
	hop_names_release(&h, a);
	assert_true(slice_eq(hop_names_get(&h, a), SLICE_LIT("a.test")));
	hop_names_release(&h, a);
	/* Its number is another's now. */
	assert_int_equal(hop_names_take(&h, SLICE_LIT("c.test")), a);
	assert_true(slice_eq(hop_names_get(&h, a), SLICE_LIT("c.test")));
	assert_true(slice_eq(hop_names_get(&h, b), SLICE_LIT("b.test")));
	hop_names_clear(&h);
}

static void
names_beyond_the_limit_have_none(void **state)
{
	struct hop_names h = { .v = NULL };
	char name[32];
	unsigned i;

	(void)state;
	for (i = 0; i < HOP_NAMES + 10; i++) {
		snprintf(name, sizeof(name), "%u.test", i);
		if ((hop_names_take(&h, slice_str(name)) == 0) !=
		    (i >= HOP_NAMES))
			fail_msg("%u", i);
	}
	assert_int_not_equal(hop_names_take(&h, SLICE_LIT("7.test")), 0);
	hop_names_clear(&h);
}

/* ---- shapes -------------------------------------------------------------- */

static bool
nobody_is_there(struct world *w, const struct delivery *d, struct outcome *o)
{
	(void)w;
	(void)d;
	*o = (struct outcome){ .status = OUTCOME_DEFERRED,
		.enhanced = { 4, 4, 1 }, .site = true,
		.text = SLICE_LIT("connection refused") };
	return true;
}

static void
assert_shape(struct world *w, enum shape_by by, const char *want)
{
	struct told t;

	world_ask(w, 99, TL_QUEUE_SHAPE, (enum queue_change)by, false, NULL,
	    &t);
	assert_int_equal(t.status, 0);
	assert_string_equal(buf_cstr(&t.text), want);
	told_clear(&t);
}

static bool
all_sleep(const struct world *w)
{
	return w->q->queue.entries == 0;
}

static void
assert_shapes(struct world *w)
{
	assert_shape(w, SHAPE_BY_NEXT_HOP, "[] 6 0 0 0 0 0 0 0 0 0\n"
	    "[far] 3 0 0 0 0 0 0 0 0 0\n[near] 2 0 0 0 0 0 0 0 0 0\n"
	    "[(others)] 1 0 0 0 0 0 0 0 0 0\n");
	assert_shape(w, SHAPE_BY_SENDER_DOMAIN, "[] 6 0 0 0 0 0 0 0 0 0\n"
	    "[b] 4 0 0 0 0 0 0 0 0 0\n[<>] 1 0 0 0 0 0 0 0 0 0\n"
	    "[(others)] 1 0 0 0 0 0 0 0 0 0\n");
	assert_shape(w, SHAPE_BY_RECIPIENT_DOMAIN, "[] 6 0 0 0 0 0 0 0 0 0\n"
	    "[far] 3 0 0 0 0 0 0 0 0 0\n[near] 2 0 0 0 0 0 0 0 0 0\n"
	    "[(others)] 1 0 0 0 0 0 0 0 0 0\n");
}

/* Held in memory, asleep in their files, and after a restart. */
static void
shape_is_the_same_wherever_messages_are(void **state)
{
	static const struct {
		const char	*from, *to;
	} mails[] = {
		{ "a@b", "x@far" }, { "a@B", "y@far" }, { "", "z@far y@near" },
		{ "a@b", "x@near" }, { "a@b", "y@near" }, { "a@c", "x@Third" },
	};
	struct world w;
	struct slot_cursor at = { .begun = false };
	const struct slot *s;
	size_t i;

	(void)state;
	world_init(&w, "queue.retry_first = 60s\nqueue.retry_max = 1h\n"
	    "queue.delay_warning = 0\n");
	w.outcome = nobody_is_there;
	assert_int_equal(world_start(&w, UP_ALL), 0);
	for (i = 0; i < sizeof(mails) / sizeof(mails[0]); i++)
		world_submit(&w, mails[i].from, mails[i].to, 300);
	world_wait(&w, 5000, w.ndeliveries >= 3);
	world_run(&w, 50);
	assert_shapes(&w);
	world_wait(&w, 20000, all_sleep(&w));
	/* By next hop no file is needed. */
	for (i = 0; (s = queue_next_slot(&w.q->queue, &at)) != NULL; i++) {
		assert_int_not_equal(s->next_hop, 0);
		assert_int_not_equal(s->due.spare, 0);
	}
	assert_int_equal(i, sizeof(mails) / sizeof(mails[0]));
	assert_shapes(&w);
	world_kill(&w);
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_wait(&w, 5000, w.q->walk == NULL);
	assert_shapes(&w);
	world_clear(&w);
}

static void
ages_fall_into_their_classes(void **state)
{
	static const struct {
		int64_t		minutes;
		unsigned	class;
	} cases[] = {
		{ -5, 0 }, { 0, 0 }, { 4, 0 }, { 5, 1 }, { 9, 1 }, { 10, 2 },
		{ 79, 4 }, { 80, 5 }, { 1279, 8 }, { 1280, 9 },
		{ 1000000, 9 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(shape_class(cases[i].minutes * 60000),
		    cases[i].class);
}

static void
next_hops_in_trouble_say_why(void **state)
{
	struct world w;
	struct told t;

	(void)state;
	world_init(&w, "queue.retry_first = 60s\nqueue.retry_max = 1h\n");
	w.outcome = nobody_is_there;
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_submit(&w, "a@b", "x@far", 300);
	world_wait(&w, 5000, w.ndeliveries == 1);
	world_run(&w, 50);
	world_submit(&w, "a@b", "y@far", 300);
	world_run(&w, 50);
	world_ask(&w, 99, TL_NEXT_HOPS, 0, false, NULL, &t);
	assert_int_equal(t.status, 0);
	assert_string_equal(buf_cstr(&t.text), "far 2 2 connection refused\n");
	told_clear(&t);
	world_clear(&w);
}

/* What is asked for wrongly costs the channel. */
static void
requests_that_are_none_end_their_channel(void **state)
{
	static const struct queue_filter none;
	struct world w;
	struct told t;

	(void)state;
	world_init(&w, "");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_ask(&w, 99, TL_QUEUE_SHAPE, (enum queue_change)0, false, &none,
	    &t);
	assert_int_equal(t.status, -1);
	told_clear(&t);
	world_ask(&w, 99, TL_QUEUE_SHAPE, (enum queue_change)4, false, &none,
	    &t);
	assert_int_equal(t.status, -1);
	told_clear(&t);
	world_clear(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_have_numbers_as_long_as_somebody_has_them),
		cmocka_unit_test(names_beyond_the_limit_have_none),
		cmocka_unit_test(ages_fall_into_their_classes),
		cmocka_unit_test(shape_is_the_same_wherever_messages_are),
		cmocka_unit_test(next_hops_in_trouble_say_why),
		cmocka_unit_test(requests_that_are_none_end_their_channel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
