/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "chasqui.h"
#include "queue_select.h"

static void
terms_are_taken_apart(void **state)
{
	static const struct {
		const char	*argv[6];
		struct queue_term term;
	} t[] = {
		{ { "--sender", "<>" },
		    { TERM_SENDER, false, { "<>", 2 }, 0 } },
		{ { "--not", "--sender", "@a" },
		    { TERM_SENDER, true, { "@a", 2 }, 0 } },
		{ { "--not", "--not", "--sender", "@a" },
		    { TERM_SENDER, false, { "@a", 2 }, 0 } },
		{ { "--login", "" }, { TERM_LOGIN, false, { "", 0 }, 0 } },
		{ { "--older", "2m" },
		    { TERM_OLDER, false, { "", 0 }, 120000 } },
		{ { "--younger", "2m" },
		    { TERM_OLDER, true, { "", 0 }, 120000 } },
		{ { "--not", "--younger", "2m" },
		    { TERM_OLDER, false, { "", 0 }, 120000 } },
		{ { "--larger", "1K" },
		    { TERM_LARGER, false, { "", 0 }, 1024 } },
		{ { "--smaller", "1K" },
		    { TERM_LARGER, true, { "", 0 }, 1023 } },
		{ { "--attempts", "0" },
		    { TERM_ATTEMPTS, false, { "", 0 }, 0 } },
		{ { "--state", "held", "--state", "active" },
		    { TERM_STATES, false, { "", 0 },
		    1 << QUEUE_HELD | 1 << QUEUE_ACTIVE } },
	};
	struct selection s;
	const struct queue_term *got;
	char *argv[8];
	size_t i;
	int n;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		memset(&s, 0, sizeof(s));
		argv[0] = (char *)(uintptr_t)"list";
		for (n = 0; n < 6 && t[i].argv[n] != NULL; n++)
			argv[n + 1] = (char *)(uintptr_t)t[i].argv[n];
		argv[n + 1] = NULL;
		assert_int_equal(select_messages(&s, n + 1, argv), EX_OK);
		assert_int_equal(s.filter.nterms, 1);
		got = &s.filter.terms[0];
		assert_int_equal(got->kind, t[i].term.kind);
		assert_int_equal(got->negated, t[i].term.negated);
		assert_true(slice_eq(got->text, t[i].term.text));
		assert_int_equal(got->number, t[i].term.number);
		assert_true(s.any);
	}
}

static void
nonsense_is_refused(void **state)
{
	static const char *const bad[][4] = { { "--sender" },
	    { "--sender", "" },
		{ "--not" }, { "--not", "--all" }, { "--not", "--dry-run" },
		{ "--sender", "a", "--not" }, { "--older", "soon" },
		{ "--older", "0s" }, { "--older", "-1h" },
		{ "--older", "99999999999999999999d" }, { "--larger", "0" },
		{ "--larger", "big" }, { "--attempts", "-1" },
		{ "--attempts", "1x" }, { "--state", "lost" },
		{ "--state", "" }, { "--confirm", "0" },
		{ "--confirm", "many" }, { "no-id" }, { "../../etc" },
		{ "--unheard-of" } };
	struct selection s;
	char *argv[8];
	size_t i;
	int n;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(&s, 0, sizeof(s));
		argv[0] = (char *)(uintptr_t)"list";
		for (n = 0; n < 4 && bad[i][n] != NULL; n++)
			argv[n + 1] = (char *)(uintptr_t)bad[i][n];
		argv[n + 1] = NULL;
		if (select_messages(&s, n + 1, argv) != EX_USAGE)
			fail_msg("case %zu", i);
	}
}

static void
too_much_is_refused(void **state)
{
	static char *argv[QUEUE_FILTER_IDS + 3];
	struct selection s = { .any = false };
	int n;

	(void)state;
	argv[0] = (char *)(uintptr_t)"list";
	for (n = 1; n < 2 * (QUEUE_FILTER_TERMS + 1); n += 2) {
		argv[n] = (char *)(uintptr_t)"--sender";
		argv[n + 1] = (char *)(uintptr_t)"a@b";
	}
	assert_int_equal(select_messages(&s, n, argv), EX_USAGE);
	memset(&s, 0, sizeof(s));
	for (n = 1; n < QUEUE_FILTER_IDS + 2; n++)
		argv[n] = (char *)(uintptr_t)"1m8fepdqgy90k";
	assert_int_equal(select_messages(&s, n - 1, argv), EX_OK);
	assert_int_equal(s.filter.nids, QUEUE_FILTER_IDS);
	memset(&s, 0, sizeof(s));
	assert_int_equal(select_messages(&s, n, argv), EX_USAGE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(terms_are_taken_apart),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(too_much_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
