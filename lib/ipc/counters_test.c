/* SPDX-License-Identifier: ISC */
/* What is counted is there for others to read, and goes on after a restart. */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ipc/counters.h"
#include "wiring/wiring.h"

static int
memory(size_t n)
{
	int fd = memfd_create("counters", MFD_CLOEXEC);

	assert_int_not_equal(fd, -1);
	assert_int_equal(ftruncate(fd, (off_t)n), 0);
	return fd;
}

static void
another_sees_them_and_they_go_on(void **arg)
{
	int fd = memory(sizeof(struct counters));
	const struct counters *seen = mmap(NULL, sizeof(*seen), PROT_READ,
	    MAP_SHARED, fd, 0);

	(void)arg;
	assert_ptr_not_equal(seen, MAP_FAILED);
	assert_int_equal(counters_share(fcntl(fd, F_DUPFD_CLOEXEC, 3)), 0);
	count(SMTP_MESSAGES);
	count_add(SMTP_MESSAGES, 2);
	count_set(SMTP_SESSIONS, 7);
	assert_int_equal(seen->counts[COUNTER_SMTP_MESSAGES], 3);
	assert_int_equal(seen->counts[COUNTER_SMTP_SESSIONS], 7);

	/* Another process in its place. */
	counters_keep_to_myself();
	count(SMTP_MESSAGES);
	assert_int_equal(seen->counts[COUNTER_SMTP_MESSAGES], 3);
	assert_int_equal(counters_share(fd), 0);
	assert_int_equal(seen->counts[COUNTER_SMTP_MESSAGES], 3);
	assert_int_equal(seen->counts[COUNTER_SMTP_SESSIONS], 0);
	count(SMTP_MESSAGES);
	assert_int_equal(seen->counts[COUNTER_SMTP_MESSAGES], 4);
	counters_keep_to_myself();
	munmap((void *)(uintptr_t)seen, sizeof(*seen));
}

static void
memory_that_is_too_small_is_refused(void **arg)
{
	(void)arg;
	assert_int_equal(counters_share(memory(64)), -1);
	count(SMTP_MESSAGES);	/* still somewhere */
}

static void
times_fall_into_buckets(void **arg)
{
	static const struct {
		int64_t		us;
		unsigned	bucket;
	} cases[] = {
		{ -5, 0 }, { 0, 0 }, { 63, 0 }, { 64, 1 }, { 127, 1 },
		{ 128, 2 }, { 1000000, 14 }, { 134217727, 21 },
		{ 134217728, 22 }, { INT64_MAX, 22 },
	};
	size_t i;

	(void)arg;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&counters->times, 0, sizeof(counters->times));
		count_time(SMTP_COMMIT, cases[i].us);
		assert_int_equal(counters->times[TIME_SMTP_COMMIT].buckets
		    [cases[i].bucket], 1);
		assert_true(cases[i].us < 0 ||
		    (uint64_t)cases[i].us < time_bucket_end(cases[i].bucket));
	}
}

static void
quantiles_are_near(void **arg)
{
	uint64_t before[TIME_BUCKETS], *now;
	int i;

	(void)arg;
	memset(&counters->times, 0, sizeof(counters->times));
	now = counters->times[TIME_SMTP_COMMIT].buckets;
	assert_int_equal(time_quantile(now, NULL, 0.5), 0);
	count_time(SMTP_COMMIT, 9000000);
	memcpy(before, now, sizeof(before));
	for (i = 0; i < 99; i++)
		count_time(SMTP_COMMIT, 1500);
	count_time(SMTP_COMMIT, 40000);
	assert_in_range(time_quantile(now, before, 0.5), 1024, 2048);
	assert_in_range(time_quantile(now, before, 0.999), 32768, 65536);
	assert_in_range(time_quantile(now, NULL, 1), 8388608, 16777216);
}

/* Or one would hide the other, in `chasqui status` and as a metric. */
static void
no_word_is_twice_in_a_group(void **arg)
{
	size_t i, j;

	(void)arg;
	for (i = 0; i < COUNTERS_END; i++) {
		assert_string_not_equal(counter_infos[i].help, "");
		for (j = 0; j < i; j++)
			assert_true(strcmp(counter_infos[i].group,
			    counter_infos[j].group) != 0 ||
			    strcmp(counter_infos[i].word,
			    counter_infos[j].word) != 0);
	}
	assert_string_equal(counters_group(ROLE_POP3_LOGIN), "login");
	assert_string_equal(counters_group(ROLE_SMTPD), "smtpd");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_sees_them_and_they_go_on),
		cmocka_unit_test(memory_that_is_too_small_is_refused),
		cmocka_unit_test(times_fall_into_buckets),
		cmocka_unit_test(quantiles_are_near),
		cmocka_unit_test(no_word_is_twice_in_a_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
