/* SPDX-License-Identifier: ISC */
/* Rows of data bases, and the system's users, as accounts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "rows.h"
#include "system.h"

static void
expiry(void **state)
{
	static const struct {
		long	 changed, max, expire;
		bool	 is_expired;
	} cases[] = {
		{ 20000, 99999, -1, false }, { 20000, -1, -1, false },
		{ -1, -1, -1, false }, { 0, 99999, -1, true },
		{ 20000, 99999, 20499, true }, { 20000, 99999, 20500, true },
		{ 20000, 99999, 20501, false }, { 20000, 99999, 0, true },
		{ 20000, 499, -1, true }, { 20000, 500, -1, false },
		{ 30000, 1, -1, false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct spwd sp = { .sp_lstchg = cases[i].changed,
			.sp_max = cases[i].max, .sp_expire = cases[i].expire };

		assert_int_equal(shadow_is_expired(&sp, 20500),
		    cases[i].is_expired);
	}
}

static struct slice
text_of(void *arg, int number)
{
	return slice_str(((const char **)arg)[number]);
}

static void
flags_of_rows(void **state)
{
	static const struct {
		const char	*text;
		bool		 is_set;
	} cases[] = { { "", false }, { "0", false }, { "f", false },
		{ "NO", false }, { "false", false }, { "1", true },
		{ "t", true }, { "off", true }, { "what", true } };
	const char *values[] = { "{PLAIN}x", "" };
	struct arena arena = ARENA_INIT(ROWS_ARENA_BYTES);
	struct row_columns c;
	struct account a;
	size_t i;

	(void)state;
	row_columns_init(&c);
	assert_true(row_columns_add(&c, "password", 0));
	assert_true(row_columns_add(&c, "disabled", 1));
	assert_false(row_columns_add(&c, "disable", 2));
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		values[1] = cases[i].text;
		assert_true(row_take(&c, text_of, values, &arena,
		    SLICE_LIT("a"), &a));
		assert_int_equal(a.disabled, cases[i].is_set);
	}
	values[0] = "";
	assert_true(row_take(&c, text_of, values, &arena, SLICE_LIT("a"),
	    &a));
	assert_true(slice_eq(a.stored, SLICE_LIT("*")));
	arena_clear(&arena);
}

static const char *
file_of(const char *text)
{
	static char path[2][32];
	static int n;
	char *p = path[n++ % 2];
	int fd;

	snprintf(p, sizeof(path[0]), "sources_test.XXXXXX");
	fd = mkstemp(p);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	return p;
}

static void
system_users(void **state)
{
	static const struct {
		const char	*name, *stored;
		int		 found;
	} cases[] = { { "anna", "$6$x$y", 1 }, { "low", NULL, 0 },
		{ "none", NULL, 0 }, { "empty", "*", 1 }, { "odd", "*", 1 },
		{ "bare", "*", 1 }, { "", NULL, 0 }, { "+", NULL, 0 } };
	const char *passwd = file_of("low:x:10:10::/:/bin/sh\n"
	    "anna:x:1000:1000::/:/bin/sh\nempty:x:1001:1::/:/bin/sh\n"
	    "odd:x:1002:1::/:/bin/sh\nbare:x:1003:1::/:/bin/sh\n+::::::\n");
	const char *shadow = file_of("anna:$6$x$y:20000:0:99999:7:::\n"
	    "low:$6$x$y:20000::::::\nempty::20000::::::\n"
	    "odd:{PLAIN}x:20000::::::\n");
	struct system_source *s = system_source_new(passwd, shadow, 500);
	struct account a;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(system_source_find(s,
		    slice_str(cases[i].name), &a), cases[i].found);
		if (cases[i].found == 1)
			assert_true(slice_eq(a.stored,
			    slice_str(cases[i].stored)));
	}
	unlink(shadow);
	assert_int_equal(system_source_find(s, SLICE_LIT("anna"), &a), -1);
	unlink(passwd);
	system_source_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(expiry),
		cmocka_unit_test(flags_of_rows),
		cmocka_unit_test(system_users),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
