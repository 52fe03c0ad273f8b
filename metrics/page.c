/* SPDX-License-Identifier: ISC */
/*
 * page - the answer as OpenMetrics 1.0 text.
 *
 * Each row of the tables of ipc/counters.h is a metric family: its name is
 * chasqui_GROUP_WORD, and its samples are those of the processes that count it,
 * told apart by the labels role and index.  (A label "instance" is what
 * Prometheus itself gives to each place that it asks.)
 */
#include <inttypes.h>

#include "metrics.h"

static void	 put_suite(struct buf *, const struct scene *);
static void	 put_facts(struct buf *, const struct scene *);
static void	 put_counter(struct buf *, const struct scene *, unsigned);
static void	 put_times(struct buf *, const struct scene *, unsigned);
static void	 put_histogram(struct buf *, const char *name,
		    const struct source *, unsigned);
static void	 put_hops(struct buf *, const struct scene *);

int
page_write(struct buf *b, const struct scene *s)
{
	unsigned i;

	put_suite(b, s);
	put_facts(b, s);
	for (i = 0; i < COUNTERS_END; i++)
		put_counter(b, s, i);
	for (i = 0; i < TIMES_END; i++)
		put_times(b, s, i);
	put_hops(b, s);
	return buf_add_str(b, "# EOF\n");
}

/* unit: that the name ends with, or NULL. */
static void
put_family(struct buf *b, const char *name, const char *type,
    const char *unit, const char *help)
{
	buf_printf(b, "# TYPE %s %s\n", name, type);
	if (unit != NULL)
		buf_printf(b, "# UNIT %s %s\n", name, unit);
	buf_printf(b, "# HELP %s %s\n", name, help);
}

static void
put_seconds(struct buf *b, int64_t ms)
{
	buf_printf(b, "%" PRId64 ".%03d", ms / 1000, (int)(ms % 1000));
}

static void
put_suite(struct buf *b, const struct scene *s)
{
	put_family(b, "chasqui_build", "info", NULL,
	    "the version that answers");
	buf_printf(b, "chasqui_build_info{version=\"%s\"} 1\n",
	    PACKAGE_VERSION);
	if (s->started_ms == 0)
		return;
	put_family(b, "chasqui_start_time_seconds", "gauge", "seconds",
	    "when the suite was started, since 1970");
	buf_add_str(b, "chasqui_start_time_seconds ");
	put_seconds(b, s->started_ms);
	buf_add_byte(b, '\n');
}

/* ---- what master knows of each process ----------------------------------- */

static void
put_up(struct buf *b, const struct fact *f)
{
	buf_printf(b, "%d", f->up);
}

static void
put_processes(struct buf *b, const struct fact *f)
{
	buf_printf(b, "%u", f->processes);
}

static void
put_restarts(struct buf *b, const struct fact *f)
{
	buf_printf(b, "%u", f->restarts);
}

static void
put_started(struct buf *b, const struct fact *f)
{
	put_seconds(b, f->started_ms);
}

static void
put_rss(struct buf *b, const struct fact *f)
{
	buf_printf(b, "%" PRIu64, f->rss);
}

static void
put_cpu(struct buf *b, const struct fact *f)
{
	put_seconds(b, (int64_t)f->cpu_ms);
}

static const struct {
	const char	*name;
	const char	*type;
	const char	*unit;
	const char	*help;
	void		(*put)(struct buf *, const struct fact *);
} fact_families[] = {
	{ "chasqui_process_up", "gauge", NULL,
	    "1: it runs and is ready", put_up },
	{ "chasqui_process_count", "gauge", NULL,
	    "processes that there are", put_processes },
	{ "chasqui_process_restarts", "counter", NULL,
	    "times that it had to be started again", put_restarts },
	{ "chasqui_process_start_time_seconds", "gauge", "seconds",
	    "when it was started, since 1970", put_started },
	{ "chasqui_process_resident_memory_bytes", "gauge", "bytes",
	    "memory that it has in use", put_rss },
	{ "chasqui_process_cpu_seconds", "counter", "seconds",
	    "processor time of the process that runs", put_cpu },
};

static void
put_facts(struct buf *b, const struct scene *s)
{
	const struct fact *f;
	size_t i, j;

	for (i = 0; i < sizeof(fact_families) / sizeof(fact_families[0]);
	    i++) {
		if (s->nfacts == 0)
			break;
		put_family(b, fact_families[i].name, fact_families[i].type,
		    fact_families[i].unit, fact_families[i].help);
		for (j = 0; j < s->nfacts; j++) {
			f = &s->facts[j];
			buf_printf(b, "%s%s{role=\"%s\",index=\"%u\"} ",
			    fact_families[i].name,
			    strcmp(fact_families[i].type, "counter") == 0 ?
			    "_total" : "", role_name((enum role)f->role),
			    f->index);
			fact_families[i].put(b, f);
			buf_add_byte(b, '\n');
		}
	}
}

/* ---- counters and times -------------------------------------------------- */

/* Names that end with their unit; a unit of a word that is one itself. */
static const char *
unit_of(const struct counter_info *info)
{
	static const char *const units[] = { "bytes", "seconds" };
	struct slice name = slice_str(info->word);
	size_t i;

	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (slice_ends_nocase(name, slice_str(units[i])))
			return units[i];
	return NULL;
}

static bool
counts_in(const struct source *src, const struct counter_info *info)
{
	return strcmp(counters_group(src->role), info->group) == 0;
}

static void
put_counter(struct buf *b, const struct scene *s, unsigned c)
{
	const struct counter_info *info = &counter_infos[c];
	bool total = info->kind == COUNT_TOTAL, first = true;
	const struct source *src;
	char name[64];
	size_t i;

	snprintf(name, sizeof(name), "chasqui_%s_%s", info->group,
	    info->word);
	for (i = 0; i < s->nsources; i++) {
		src = &s->sources[i];
		if (!counts_in(src, info))
			continue;
		if (first)
			put_family(b, name, total ? "counter" : "gauge",
			    unit_of(info), info->help);
		first = false;
		buf_printf(b, "%s%s{role=\"%s\",index=\"%u\"} %" PRIu64 "\n",
		    name, total ? "_total" : "", role_name(src->role),
		    src->index, counter_get(&src->counters->counts[c]));
	}
}

static void
put_times(struct buf *b, const struct scene *s, unsigned t)
{
	const struct counter_info *info = &time_infos[t];
	bool first = true;
	char name[64];
	size_t i;

	snprintf(name, sizeof(name), "chasqui_%s_%s_seconds", info->group,
	    info->word);
	for (i = 0; i < s->nsources; i++) {
		if (!counts_in(&s->sources[i], info))
			continue;
		if (first)
			put_family(b, name, "histogram", "seconds",
			    info->help);
		first = false;
		put_histogram(b, name, &s->sources[i], t);
	}
}

/* The count is made of the buckets that are shown, so that they agree whatever
 * is counted meanwhile. */
static void
put_histogram(struct buf *b, const char *name, const struct source *src,
    unsigned t)
{
	const uint64_t *buckets = src->counters->times[t].buckets;
	uint64_t n = 0, sum = counter_get(&src->counters->times[t].sum_us);
	char labels[64], le[32];
	unsigned i;

	snprintf(labels, sizeof(labels), "role=\"%s\",index=\"%u\"",
	    role_name(src->role), src->index);
	for (i = 0; i < TIME_BUCKETS; i++) {
		n += counter_get(&buckets[i]);
		if (i == TIME_BUCKETS - 1)
			snprintf(le, sizeof(le), "+Inf");
		else
			snprintf(le, sizeof(le), "%.9g",
			    (double)time_bucket_end(i) / 1e6);
		buf_printf(b, "%s_bucket{%s,le=\"%s\"} %" PRIu64 "\n", name,
		    labels, le, n);
	}
	buf_printf(b, "%s_count{%s} %" PRIu64 "\n", name, labels, n);
	buf_printf(b, "%s_sum{%s} %" PRIu64 ".%06u\n", name, labels,
	    sum / 1000000, (unsigned)(sum % 1000000));
}

/* ---- next hops ----------------------------------------------------------- */

static uint64_t
hop_waiting(const struct hop_sum *h)
{
	return h->waiting;
}

static uint64_t
hop_ready(const struct hop_sum *h)
{
	return h->ready;
}

static uint64_t
hop_active(const struct hop_sum *h)
{
	return h->active;
}

static uint64_t
hop_dead(const struct hop_sum *h)
{
	return h->dead;
}

static uint64_t
hop_number(const struct hop_sum *h)
{
	return h->hops;
}

static const struct {
	const char	*name;
	const char	*help;
	uint64_t	(*of)(const struct hop_sum *);
} hop_families[] = {
	{ "chasqui_next_hop_waiting",
	    "messages that wait until it may be tried again", hop_waiting },
	{ "chasqui_next_hop_ready",
	    "deliveries that wait for their turn", hop_ready },
	{ "chasqui_next_hop_active",
	    "deliveries under way", hop_active },
	{ "chasqui_next_hop_dead",
	    "next hops that are not tried for now", hop_dead },
	{ "chasqui_next_hop_count",
	    "next hops that the row stands for", hop_number },
};

/* A next hop is named by mail: what could break a label is left out. */
static void
put_label(struct buf *b, const char *name)
{
	for (; *name != '\0'; name++)
		buf_add_byte(b, *name < ' ' || *name > '~' || *name == '"' ||
		    *name == '\\' ? '_' : *name);
}

static void
put_hops(struct buf *b, const struct scene *s)
{
	size_t i, j;

	for (i = 0; s->hops_known &&
	    i < sizeof(hop_families) / sizeof(hop_families[0]); i++) {
		put_family(b, hop_families[i].name, "gauge", NULL,
		    hop_families[i].help);
		for (j = 0; j < s->nhops; j++) {
			buf_printf(b, "%s{next_hop=\"", hop_families[i].name);
			put_label(b, s->hops[j].name);
			buf_printf(b, "\"} %" PRIu64 "\n",
			    hop_families[i].of(&s->hops[j].sum));
		}
		buf_printf(b, "%s{next_hop=\"(others)\"} %" PRIu64 "\n",
		    hop_families[i].name, hop_families[i].of(&s->rest));
	}
}
