/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "when.h"

static void
set_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

static void
dates_are_local(void **state)
{
	static const struct {
		const char	*zone, *text;
		int64_t		 s;	/* -1: it is none */
	} t[] = {
		{ "UTC", "2026-11-27", 1795737600 },
		{ "UTC", "2026-11-27T20:41", 1795812060 },
		{ "UTC", "2026-11-27 20:41", 1795812060 },
		{ "UTC", "2026-11-27T20:41:34", 1795812094 },
		{ "UTC", "2026-11-27 20:41:34", 1795812094 },
		{ "UTC", "1970-01-01", 0 },
		{ "UTC", "2024-02-29", 1709164800 },
		{ "EST5", "2026-11-27", 1795737600 + 5 * 3600 },
		{ "UTC-2", "2026-11-27T02:00", 1795737600 },
		/* summer time, which the text does not say */
		{ "CET-1CEST,M3.5.0,M10.5.0/3", "2026-07-01", 1782856800 },
		{ "CET-1CEST,M3.5.0,M10.5.0/3", "2026-12-01", 1796079600 },
		{ "UTC", "", -1 },
		{ "UTC", "T", -1 },
		{ "UTC", "yesterday", -1 },
		{ "UTC", "2026", -1 },
		{ "UTC", "2026-13-01", -1 },
		{ "UTC", "2026-11-32", -1 },
		{ "UTC", "2026-11-27T", -1 },
		{ "UTC", "2026-11-27T24:00", -1 },
		{ "UTC", "2026-11-27T20:60", -1 },
		{ "UTC", "2026-11-27T20:41:34Z", -1 },
		{ "UTC", "2026-11-27x", -1 },
		{ "UTC", "1969-12-31", -1 },
		{ "UTC", "-1", -1 },
		{ "UTC", "3 d", -1 },
		{ "UTC", "3y", -1 },
		{ "UTC", "99999999999999999999d", -1 },
	};
	int64_t us;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		set_zone(t[i].zone);
		us = -7;
		if (when_parse(t[i].text, &us) != (t[i].s != -1))
			fail_msg("%s", t[i].text);
		if (t[i].s != -1 && us != t[i].s * 1000000)
			fail_msg("%s in %s: %lld", t[i].text, t[i].zone,
			    (long long)us);
	}
}

static void
durations_are_before_now(void **state)
{
	static const struct { const char *text; int64_t ms; } t[] = {
		{ "0s", 0 }, { "30s", 30000 }, { "30m", 1800000 },
		{ "2h", 7200000 }, { "3d", 259200000 },
	};
	int64_t before, after, us;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		before = clock_wall_ms();
		assert_true(when_parse(t[i].text, &us));
		after = clock_wall_ms();
		assert_in_range(us, (before - t[i].ms) * 1000,
		    (after - t[i].ms) * 1000);
	}
}

static void
before_all_time_is_its_beginning(void **state)
{
	int64_t us = -7;

	(void)state;
	assert_true(when_parse("100000d", &us));
	assert_int_equal(us, 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(dates_are_local),
		cmocka_unit_test(durations_are_before_now),
		cmocka_unit_test(before_all_time_is_its_beginning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
