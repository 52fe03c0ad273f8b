/* SPDX-License-Identifier: ISC */
/* limits_test - failures under a clock of the test's own; sessions; what is
 * remembered of passwords. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cache.h"
#include "limits.h"
#include "sessions.h"

#define MINUTE	60000

static const uint8_t home[16] = { [10] = 0xff, 0xff, 192, 0, 2, 1 };
static const uint8_t neighbour[16] = { [10] = 0xff, 0xff, 192, 0, 2, 2 };
static const uint8_t far[16] = { [10] = 0xff, 0xff, 198, 51, 100, 1 };
static const uint8_t v6[16] = { 0x20, 1, 0xd, 0xb8, 0, 1, 0, 1, 1 };
static const uint8_t v6_same64[16] = { 0x20, 1, 0xd, 0xb8, 0, 1, 0, 1, 2 };
static const uint8_t v6_same48[16] = { 0x20, 1, 0xd, 0xb8, 0, 1, 0, 2, 1 };
static const struct slice alice = { "alice", 5 }, bob = { "bob", 3 };

static const struct limits_policy policy = { .window_ms = 10 * MINUTE,
	.delay_ms = 2000, .delay_max_ms = 15000, .max_client = 4,
	.max_network = 10, .max_user = 6 };

static struct limits *
fresh(void)
{
	struct limits *l = limits_new();

	limits_configure(l, &policy);
	return l;
}

static int64_t
fail_once(struct limits *l, const uint8_t *addr, struct slice login,
    const char *tried, int64_t now)
{
	return limits_failed(l, addr, login, slice_str(tried), now);
}

static void
delays_double_up_to_the_longest(void **state)
{
	static const int64_t want[] = { 2000, 4000, 8000, 15000, 15000 };
	static const char *const tried[] = { "a", "b", "c", "d", "e" };
	struct limits *l = fresh();
	size_t i;

	(void)state;
	for (i = 0; i < 5; i++)
		assert_int_equal(fail_once(l, home, alice, tried[i], 1000),
		    want[i]);
	assert_int_equal(fail_once(l, far, alice, "x", 1000), 2000);
	limits_free(&l);
}

static void
client_is_held_and_released_with_time(void **state)
{
	static const char *const tried[] = { "a", "b", "c", "d" };
	struct limits *l = fresh();
	int i;

	(void)state;
	for (i = 0; i < 4; i++) {
		assert_int_equal(limits_ask(l, home, alice, 0), LIMITS_GO_ON);
		fail_once(l, home, bob, tried[i], 0);
	}
	assert_int_equal(limits_ask(l, home, alice, 0), LIMITS_CLIENT);
	assert_int_equal(limits_ask(l, neighbour, alice, 0), LIMITS_GO_ON);
	/* four in ten minutes: one in two and a half */
	assert_int_equal(limits_ask(l, home, alice, 2 * MINUTE),
	    LIMITS_GO_ON);
	assert_int_equal(limits_ask(l, home, alice, 11 * MINUTE),
	    LIMITS_GO_ON);
	limits_free(&l);
}

static void
v6_clients_are_a_64(void **state)
{
	static const char *const tried[] = { "a", "b", "c", "d" };
	struct limits *l = fresh();
	int i;

	(void)state;
	for (i = 0; i < 4; i++)
		fail_once(l, v6, alice, tried[i], 0);
	assert_int_equal(limits_ask(l, v6_same64, bob, 0), LIMITS_CLIENT);
	assert_int_equal(limits_ask(l, v6_same48, bob, 0), LIMITS_GO_ON);
	limits_free(&l);
}

static void
network_is_held(void **state)
{
	struct limits *l = fresh();
	uint8_t addr[16];
	char tried[2] = "a";
	int i;

	(void)state;
	memcpy(addr, home, 16);
	for (i = 0; i < 10; i++) {
		addr[15] = (uint8_t)(10 + i);
		tried[0]++;
		fail_once(l, addr, SLICE_EMPTY, tried, 0);
	}
	assert_int_equal(limits_ask(l, neighbour, bob, 0), LIMITS_NETWORK);
	assert_int_equal(limits_ask(l, far, bob, 0), LIMITS_GO_ON);
	limits_free(&l);
}

static void
attacked_user_is_not_locked_out_where_he_is_known(void **state)
{
	struct limits *l = fresh();
	uint8_t addr[16];
	char tried[2] = "a";
	int i;

	(void)state;
	limits_succeeded(l, home, alice, 0);
	memcpy(addr, far, 16);
	for (i = 0; i < 6; i++) {
		addr[13] = (uint8_t)i;
		tried[0]++;
		fail_once(l, addr, alice, tried, 0);
	}
	assert_int_equal(limits_ask(l, far, alice, 0), LIMITS_USER);
	assert_int_equal(limits_ask(l, neighbour, alice, 0), LIMITS_USER);
	assert_int_equal(limits_ask(l, home, alice, 0), LIMITS_GO_ON);
	assert_int_equal(limits_ask(l, far, bob, 0), LIMITS_GO_ON);
	limits_free(&l);
}

static void
same_password_again_counts_once(void **state)
{
	struct limits *l = fresh();
	int i;

	(void)state;
	for (i = 0; i < 20; i++)
		assert_int_equal(fail_once(l, home, alice, "old", 0), 2000);
	assert_int_equal(limits_ask(l, home, alice, 0), LIMITS_GO_ON);
	/* the same word for another user is a guess */
	assert_int_equal(fail_once(l, home, bob, "old", 0), 4000);
	limits_free(&l);
}

static void
no_limit_still_delays(void **state)
{
	struct limits_policy none = policy;
	struct limits *l = fresh();
	char tried[2] = "a";
	int i;

	(void)state;
	none.max_client = none.max_network = none.max_user = 0;
	limits_configure(l, &none);
	for (i = 0; i < 50; i++) {
		tried[0]++;
		fail_once(l, home, alice, tried, 0);
	}
	assert_int_equal(limits_ask(l, home, alice, 0), LIMITS_GO_ON);
	assert_int_equal(fail_once(l, home, alice, "z", 0), 15000);
	limits_free(&l);
}

/* A million addresses push out each other, not those who fail much. */
static void
tables_stay_as_they_are_under_a_flood(void **state)
{
	static const char *const tried[] = { "a", "b", "c", "d" };
	struct limits *l = fresh();
	uint8_t addr[16] = { 0x20, 1 };
	uint32_t i;

	(void)state;
	for (i = 0; i < 4; i++)
		fail_once(l, home, alice, tried[i], 0);
	for (i = 0; i < 300000; i++) {
		memcpy(addr + 2, &i, sizeof(i));
		fail_once(l, addr, SLICE_EMPTY, "x", 0);
	}
	assert_int_equal(limits_ask(l, home, alice, 0), LIMITS_CLIENT);
	limits_free(&l);
}

/* ---- sessions ------------------------------------------------------------ */

static void
sessions_are_counted_by_process(void **state)
{
	struct sessions *s = sessions_new();

	(void)state;
	sessions_begin(s, 1, alice);
	sessions_begin(s, 1, alice);
	sessions_begin(s, 2, alice);
	sessions_begin(s, 2, bob);
	assert_int_equal(sessions_of(s, alice), 3);
	sessions_end(s, 1, alice);
	sessions_end(s, 1, bob);	/* never begun there */
	assert_int_equal(sessions_of(s, alice), 2);
	assert_int_equal(sessions_of(s, bob), 1);
	sessions_end_all(s, 2);
	assert_int_equal(sessions_of(s, alice), 1);
	assert_int_equal(sessions_of(s, bob), 0);
	assert_int_equal(sessions_total(s), 1);
	sessions_end_all(s, 1);
	assert_int_equal(sessions_total(s), 0);
	sessions_free(&s);
}

/* ---- the cache ----------------------------------------------------------- */

static void
cache_knows_only_what_was_right(void **state)
{
	struct cache *c = cache_new();
	struct slice hash = SLICE_LIT("$y$1"), other = SLICE_LIT("$y$2");
	struct slice right = SLICE_LIT("secret");

	(void)state;
	assert_false(cache_has(c, alice, hash, right, 0));
	cache_add(c, alice, hash, right, 1000);
	assert_true(cache_has(c, alice, hash, right, 0));
	assert_false(cache_has(c, alice, hash, SLICE_LIT("Secret"), 0));
	assert_false(cache_has(c, bob, hash, right, 0));
	/* the password was changed: another hash */
	assert_false(cache_has(c, alice, other, right, 0));
	/* the parts are told apart */
	assert_false(cache_has(c, SLICE_LIT("alice$"), SLICE_LIT("y$1"), right,
	    0));
	assert_false(cache_has(c, alice, hash, right, 1000));
	cache_add(c, alice, hash, right, 5000);
	cache_forget(c);
	assert_false(cache_has(c, alice, hash, right, 0));
	cache_free(&c);
}

static void
cache_is_bounded(void **state)
{
	struct cache *c = cache_new();
	struct slice hash = SLICE_LIT("$y$1");
	char name[16];
	int i, found = 0;

	(void)state;
	for (i = 0; i < 2 * CACHE_ENTRIES; i++) {
		snprintf(name, sizeof(name), "%d", i);
		cache_add(c, slice_str(name), hash, hash, i + 1);
	}
	for (i = 0; i < 2 * CACHE_ENTRIES; i++) {
		snprintf(name, sizeof(name), "%d", i);
		found += cache_has(c, slice_str(name), hash, hash, 0);
	}
	assert_in_range(found, CACHE_ENTRIES / 2, CACHE_ENTRIES);
	cache_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(delays_double_up_to_the_longest),
		cmocka_unit_test(client_is_held_and_released_with_time),
		cmocka_unit_test(v6_clients_are_a_64),
		cmocka_unit_test(network_is_held),
		cmocka_unit_test(
		    attacked_user_is_not_locked_out_where_he_is_known),
		cmocka_unit_test(same_password_again_counts_once),
		cmocka_unit_test(no_limit_still_delays),
		cmocka_unit_test(tables_stay_as_they_are_under_a_flood),
		cmocka_unit_test(sessions_are_counted_by_process),
		cmocka_unit_test(cache_knows_only_what_was_right),
		cmocka_unit_test(cache_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
