/* SPDX-License-Identifier: ISC */
/*
 * sim_run - for tests on the simulated disk: what the environment says of a
 * run, and the builds that a test must find out.  Needs cmocka.h before it.
 */
#ifndef OS_SIM_RUN_H
#define OS_SIM_RUN_H

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/num.h"

static inline const char *
sim_environment(const char *prefix, const char *what)
{
	char name[40];

	snprintf(name, sizeof(name), "%s_%s", prefix, what);
	return getenv(name);
}

/* The seed, PREFIX_SEED or a new one, which is printed; PREFIX_RUNS goes to
 * *runs, and PREFIX_ONLY chooses tests. */
static inline uint64_t
sim_begin_runs(const char *prefix, size_t *runs)
{
	const char *s = sim_environment(prefix, "SEED");
	const char *r = sim_environment(prefix, "RUNS");
	uint64_t n, seed = (uint64_t)clock_wall_ms() * 1000003 % 1000000;

	if (s != NULL && slice_to_u64(slice_str(s), 0, UINT64_MAX, &n))
		seed = n;
	if (r != NULL && slice_to_u64(slice_str(r), 0, 1000000, &n))
		*runs = (size_t)n;
	if (sim_environment(prefix, "ONLY") != NULL)
		cmocka_set_test_filter(sim_environment(prefix, "ONLY"));
	print_message("%s_SEED=%llu\n", prefix, (unsigned long long)seed);
	return seed;
}

/* What was seen of a broken build after so many power cuts; NULL: nothing, so
 * the test has a hole. */
static inline bool
sim_found_out(const char *build, size_t cuts, const char *bad)
{
	if (bad == NULL)
		print_error("not found out: %s\n", build);
	else
		print_message("%s: power cut %zu: %s\n", build, cuts, bad);
	return bad != NULL;
}

#endif
