/* SPDX-License-Identifier: ISC */
/*
 * past - what was counted a moment ago.
 *
 * A look is taken every SAMPLE_MS and a few are kept, so that `chasqui status`
 * can say at once what the last seconds were like.
 */
#include <inttypes.h>

#include "base/clock.h"
#include "metrics.h"

static void
totals_take(struct totals *t, const struct scene *s)
{
	const struct counters *c;
	size_t i;
	unsigned j, k;

	memset(t, 0, sizeof(*t));
	t->at_ms = clock_mono_ms();
	for (i = 0; i < s->nsources; i++) {
		c = s->sources[i].counters;
		for (j = 0; j < COUNTERS_END; j++)
			t->sum.counts[j] += counter_get(&c->counts[j]);
		for (j = 0; j < TIMES_END; j++)
			for (k = 0; k < TIME_BUCKETS; k++)
				t->sum.times[j].buckets[k] +=
				    counter_get(&c->times[j].buckets[k]);
	}
}

void
past_add(struct past *p, const struct scene *s)
{
	totals_take(&p->samples[p->next], s);
	p->next = (p->next + 1) % SAMPLES;
}

static const struct totals *
oldest(const struct past *p)
{
	unsigned i, at;

	for (i = 0; i < SAMPLES; i++) {
		at = (p->next + i) % SAMPLES;
		if (p->samples[at].at_ms != 0)
			return &p->samples[at];
	}
	return NULL;
}

/* Words that say nothing new are left out: a total that has not grown, and the
 * times of what has not happened. */
void
past_tell(const struct past *p, const struct scene *s, struct buf *words)
{
	static struct totals now;
	const struct totals *then = oldest(p);
	const uint64_t *n, *before;
	uint64_t more;
	unsigned i, j;

	if (then == NULL)
		return;
	totals_take(&now, s);
	buf_printf(words, " recent_ms=%" PRId64, now.at_ms - then->at_ms);
	for (i = 0; i < COUNTERS_END; i++)
		if (counter_infos[i].kind == COUNT_TOTAL &&
		    now.sum.counts[i] > then->sum.counts[i])
			buf_printf(words, " %s.%s=%" PRIu64,
			    counter_infos[i].group, counter_infos[i].word,
			    now.sum.counts[i] - then->sum.counts[i]);
	for (i = 0; i < TIMES_END; i++) {
		n = now.sum.times[i].buckets;
		before = then->sum.times[i].buckets;
		for (more = 0, j = 0; j < TIME_BUCKETS; j++)
			more += n[j] - before[j];
		if (more == 0)
			continue;
		buf_printf(words, " %s.%s_n=%" PRIu64 " %s.%s_p50_us=%" PRIu64
		    " %s.%s_p99_us=%" PRIu64, time_infos[i].group,
		    time_infos[i].word, more,
		    time_infos[i].group, time_infos[i].word,
		    time_quantile(n, before, 0.5), time_infos[i].group,
		    time_infos[i].word, time_quantile(n, before, 0.99));
	}
}
