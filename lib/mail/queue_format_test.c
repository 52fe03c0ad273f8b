/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/test_guard.h"
#include "mail/queue_format.h"

static void
formats(void **state)
{
	static const struct {
		const char	*in;
		uint64_t	 version;	/* 0: none */
	} t[] = {
		{ QUEUE_FORMAT_TEXT, 1 },
		{ QUEUE_FORMAT_2_TEXT, QUEUE_FORMAT },
		{ QUEUE_FORMAT_ADOPTED_TEXT, QUEUE_FORMAT_ADOPTED },
		{ "chasqui-queue 2\n", 2 },
		{ "chasqui-queue 4294967295\n", 4294967295 },
		{ "chasqui-queue 2\nand more\n", 2 },
		{ "", 0 },
		{ "\n", 0 },
		{ "chasqui-queue 1", 0 },
		{ "chasqui-queue\n", 0 },
		{ "chasqui-queue \n", 0 },
		{ "chasqui-queue 0\n", 0 },
		{ "chasqui-queue -1\n", 0 },
		{ "chasqui-queue 1 \n", 0 },
		{ "chasqui-queue 4294967296\n", 0 },
		{ "chasqui-queue 99999999999999999999999\n", 0 },
		{ "postfix-queue 1\n", 0 },
	};
	struct guard g;
	uint64_t v;
	size_t i;

	(void)state;
	guard_init(&g, 1000);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		v = 77;
		assert_int_equal(queue_format_parse(guard_copy(&g,
		    slice_str(t[i].in)), &v), t[i].version != 0);
		assert_int_equal(v, t[i].version != 0 ? t[i].version : 77);
	}
	guard_clear(&g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
