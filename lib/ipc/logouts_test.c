/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/logouts.h"

#define ANN	SLICE_LIT("ann@example.org")
#define BOB	SLICE_LIT("bob@example.org")

static void
those_after_the_beginning_count(void **state)
{
	struct logouts l = { 0 };
	uint64_t began;

	(void)state;
	logouts_add(&l, ANN);
	began = l.n;
	assert_false(logouts_since(&l, began, ANN));
	logouts_add(&l, BOB);
	assert_false(logouts_since(&l, began, ANN));
	assert_true(logouts_since(&l, began, SLICE_LIT("Bob@Example.ORG")));
	assert_true(logouts_since(&l, 0, ANN));
	assert_false(logouts_since(&l, l.n, BOB));
	assert_false(logouts_since(&l, began, SLICE_EMPTY));
}

static void
where_too_many_came_nobody_is_sure(void **state)
{
	struct logouts l = { 0 };
	char name[30];
	int i;

	(void)state;
	for (i = 0; i < 3 * LOGOUTS_KEPT; i++) {
		snprintf(name, sizeof(name), "%d@example.org", i);
		logouts_add(&l, slice_str(name));
	}
	assert_true(logouts_since(&l, l.n - LOGOUTS_KEPT - 1, ANN));
	assert_false(logouts_since(&l, l.n - LOGOUTS_KEPT, ANN));
	assert_true(logouts_since(&l, l.n - LOGOUTS_KEPT,
	    SLICE_LIT("32@example.org")));
	assert_false(logouts_since(&l, l.n - LOGOUTS_KEPT,
	    SLICE_LIT("31@example.org")));
}

static void
one_that_is_too_long_is_nobodys(void **state)
{
	char name[LOGIN_BYTES + 1];
	struct logouts l = { 0 };

	(void)state;
	memset(name, 'a', sizeof(name));
	logouts_add(&l, slice_of(name, LOGIN_BYTES + 1));
	assert_int_equal(l.n, 0);
	logouts_add(&l, slice_of(name, LOGIN_BYTES));
	assert_true(logouts_since(&l, 0, slice_of(name, LOGIN_BYTES)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(those_after_the_beginning_count),
		cmocka_unit_test(where_too_many_came_nobody_is_sure),
		cmocka_unit_test(one_that_is_too_long_is_nobodys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
