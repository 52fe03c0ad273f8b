/* SPDX-License-Identifier: ISC */
/* heap_test - what is allocated after heap_fill_gaps() lies behind the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "os/heap.h"

#define PIECES	2000

static void *pieces[PIECES];

/* A heap as a start leaves it: a gap beside each piece, of every size. */
static uintptr_t
make_gaps(void)
{
	uintptr_t highest = 0;
	size_t i;

	for (i = 0; i < PIECES; i++) {
		pieces[i] = malloc(16 + i * 8);
		assert_non_null(pieces[i]);
		if ((uintptr_t)pieces[i] > highest)
			highest = (uintptr_t)pieces[i];
	}
	for (i = 0; i + 1 < PIECES; i += 2) {
		free(pieces[i]);
		pieces[i] = NULL;
	}
	return highest;
}

static void
drop_pieces(void)
{
	size_t i;

	for (i = 0; i < PIECES; i++)
		free(pieces[i]);
}

static void
without_it_gaps_are_used(void **state)
{
	uintptr_t highest = make_gaps();
	void *p = malloc(4000);

	(void)state;
	assert_true((uintptr_t)p < highest);
	free(p);
	drop_pieces();
}

static void
what_comes_lies_behind_all(void **state)
{
	static const size_t sizes[] = { 8, 24, 100, 500, 1000, 1024, 1040,
		3000, 4096, 16000, 60000 };
	void *got[sizeof(sizes) / sizeof(sizes[0]) * 3];
	size_t n = sizeof(got) / sizeof(got[0]), i;
	uintptr_t highest = make_gaps();

	(void)state;
	heap_fill_gaps();
	for (i = 0; i < n; i++) {
		got[i] = malloc(sizes[i / 3]);
		assert_true((uintptr_t)got[i] > highest);
		highest = (uintptr_t)got[i];
	}
	while (n-- > 0)
		free(got[n]);
	drop_pieces();
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_it_gaps_are_used),
		cmocka_unit_test(what_comes_lies_behind_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
