/* SPDX-License-Identifier: ISC */
/* counters - see counters.h. */
#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <unistd.h>

#include "ipc/counters.h"
#include "wiring/wiring.h"

static struct counters own;
struct counters *counters = &own;

const struct counter_info counter_infos[COUNTERS_END] = {
#define X(name, group, kind, word, help)				\
	[COUNTER_##name] = { #group, #word, help, COUNT_##kind },
	COUNTERS(X)
#undef X
};

const struct counter_info time_infos[TIMES_END] = {
#define X(name, group, word, help)					\
	[TIME_##name] = { #group, #word, help, COUNT_TOTAL },
	TIMES(X)
#undef X
};

int
counters_share(int fd_take)
{
	struct stat st;
	void *p = MAP_FAILED;
	int error;
	unsigned i;

	if (fstat(fd_take, &st) == 0) {
		errno = EINVAL;
		if (st.st_size >= (off_t)sizeof(own))
			p = mmap(NULL, sizeof(own), PROT_READ | PROT_WRITE,
			    MAP_SHARED, fd_take, 0);
	}
	error = errno;
	close(fd_take);
	errno = error;
	if (p == MAP_FAILED)
		return -1;
	counters = p;
	for (i = 0; i < COUNTERS_END; i++)
		if (counter_infos[i].kind == COUNT_NOW)
			counter_put(&counters->counts[i], 0);
	return 0;
}

void
counters_keep_to_myself(void)
{
	if (counters == &own)
		return;
	munmap(counters, sizeof(*counters));
	counters = &own;
}

const char *
counters_group(unsigned role)
{
	if (role == ROLE_IMAP_LOGIN || role == ROLE_POP3_LOGIN)
		return "login";
	return role_name(role);
}

static unsigned
bucket_of(uint64_t us)
{
	unsigned i = 0;

	us /= TIME_FIRST_US;
	if (us > 0)
		i = 64 - (unsigned)__builtin_clzll(us);
	return i < TIME_BUCKETS ? i : TIME_BUCKETS - 1;
}

uint64_t
time_bucket_end(unsigned i)
{
	return i < TIME_BUCKETS - 1 ? (uint64_t)TIME_FIRST_US << i :
	    UINT64_MAX;
}

void
count_time_us(enum timed t, int64_t us)
{
	uint64_t took = us > 0 ? (uint64_t)us : 0;
	uint64_t *bucket = &counters->times[t].buckets[bucket_of(took)];
	uint64_t *sum = &counters->times[t].sum_us;

	counter_put(bucket, *bucket + 1);
	counter_put(sum, *sum + took);
}

uint64_t
time_quantile(const uint64_t now[TIME_BUCKETS], const uint64_t *before,
    double q)
{
	uint64_t n[TIME_BUCKETS], all = 0, below = 0, from, to;
	unsigned i;
	double want;

	for (i = 0; i < TIME_BUCKETS; i++) {
		n[i] = now[i] - (before != NULL && before[i] <= now[i] ?
		    before[i] : 0);
		all += n[i];
	}
	if (all == 0)
		return 0;
	want = q * (double)all;
	for (i = 0; i < TIME_BUCKETS - 1; i++) {
		if ((double)(below + n[i]) >= want)
			break;
		below += n[i];
	}
	from = i == 0 ? 0 : time_bucket_end(i - 1);
	to = i == TIME_BUCKETS - 1 ? 2 * from : time_bucket_end(i);
	return n[i] == 0 ? from : from + (uint64_t)((double)(to - from) *
	    (want - (double)below) / (double)n[i]);
}
