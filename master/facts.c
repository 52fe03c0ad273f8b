/* SPDX-License-Identifier: ISC */
/*
 * facts - what metrics gets: each process's counters, to read, and what only
 * master knows of it.
 *
 * The counters' memory is opened a second time for that, so that no mapping of
 * metrics can be made writable.  Processes are looked at when somebody asks;
 * metrics asks at most once a second.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/facts.h"
#include "master.h"
#include "os/memory.h"
#include "os/proc.h"

static void	 give_counters(struct process *metrics,
		    const struct process *);
static void	 add_fact(struct buf *, const struct process *, uint32_t *n);
static void	 add_users(struct buf *, const struct master *, enum role,
		    uint32_t *n);
static struct fact fact_of(const struct process *);
static int64_t	 wall_of(int64_t mono_ms);

void
facts_give(struct process *p)
{
	struct master *m = p->master;
	struct process *metrics = p->role == ROLE_METRICS ? p :
	    process_find(m, ROLE_METRICS, 0), *q;

	if (metrics == NULL || !process_is_alive(metrics))
		return;
	if (p != metrics) {
		give_counters(metrics, p);
		return;
	}
	TAILQ_FOREACH(q, &m->processes, entry)
		give_counters(metrics, q);
}

static void
give_counters(struct process *metrics, const struct process *p)
{
	struct buf *b;
	int fd;

	if (p->counters_fd == -1)
		return;
	fd = memory_reader(p->counters_fd);
	if (fd == -1) {
		log_warn("event=counters-not-given role=%s index=%u "
		    "why=\"%s\"", role_name(p->role), p->index,
		    strerror(errno));
		return;
	}
	b = channel_begin(metrics->channel, CTL_COUNTERS, 0);
	if (b != NULL) {
		put_u32(b, p->role);
		put_u32(b, p->index);
	}
	channel_end_fds(metrics->channel, &fd, 1);
}

/* ---- what only master knows ---------------------------------------------- */

void
facts_asked(struct process *metrics, struct message *msg)
{
	struct master *m = metrics->master;
	struct buf rows = BUF_INIT(FACTS_MAX * FACT_BYTES), *b;
	const struct process *p;
	uint32_t n = 0;

	(void)msg;
	TAILQ_FOREACH(p, &m->processes, entry)
		if (p->role != ROLE_WORKER && p->role != ROLE_COMMAND)
			add_fact(&rows, p, &n);
	add_users(&rows, m, ROLE_WORKER, &n);
	add_users(&rows, m, ROLE_COMMAND, &n);
	b = channel_begin(metrics->channel, CTL_FACTS, 0);
	if (b != NULL) {
		put_time(b, wall_of(m->started_ms));
		put_u32(b, n);
		buf_add(b, buf_slice(&rows));
	}
	channel_end(metrics->channel);
	buf_clear(&rows);
}

static void
add_fact(struct buf *rows, const struct process *p, uint32_t *n)
{
	struct fact f = fact_of(p);

	if (fact_pack(rows, &f) == 0)
		++*n;
}

static void
add_users(struct buf *rows, const struct master *m, enum role role,
    uint32_t *n)
{
	struct fact all = { .role = role }, f;
	const struct process *p;

	TAILQ_FOREACH(p, &m->processes, entry) {
		if (p->role != role)
			continue;
		f = fact_of(p);
		all.up |= f.up;
		all.processes += f.processes;
		all.rss += f.rss;
		all.cpu_ms += f.cpu_ms;
	}
	if (fact_pack(rows, &all) == 0)
		++*n;
}

static struct fact
fact_of(const struct process *p)
{
	struct proc_usage u = { 0 };
	struct fact f = {
		.role = p->role,
		.index = p->index,
		.up = p->state == PROCESS_RUNNING ||
		    p->state == PROCESS_RETIRING,
		.processes = p->pid != 0,
		.restarts = p->restarts,
	};

	if (p->pid != 0) {
		f.started_ms = wall_of(p->started_ms);
		proc_usage(p->pid, &u);
	}
	f.rss = u.rss;
	f.cpu_ms = u.cpu_ms;
	return f;
}

/* What the clock would have shown then. */
static int64_t
wall_of(int64_t mono_ms)
{
	return clock_wall_ms() - (clock_mono_ms() - mono_ms);
}
