/* SPDX-License-Identifier: ISC */
/* start - the queue manager as a whole: opening, its clocks, stopping. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ipc/counters.h"
#include "muster.h"
#include "notes.h"
#include "old.h"
#include "qmgr.h"
#include "unread.h"

#define TICK_MS		1000
#define LOOK_MS		10000	/* at a disk that failed */

static void	 configure_sched(struct qmgr *, struct sched_config *);
static void	 hop_limits(void *, const char *, unsigned *, uint64_t *);
static void	 show_counts(const struct qmgr *);
static void	 tick(void *);
static void	 due(void *);
static void	 run_sched(void *);
static void	 try_stop(struct qmgr *);

static const struct journal_ops journal_ops = { old_clean_segment,
	qmgr_relaxed };

int
qmgr_open(struct qmgr *q, const char *path)
{
	clock_identify(&q->clock);
	q->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return q->dir == -1 ? -1 : 0;
}

int
qmgr_start(struct qmgr *q, struct ev_loop *loop, const struct conf *conf,
    bool threads)
{
	struct journal_config jc = {
		.dir = q->dir,
		.segment_bytes = conf->queue_journal,
		.segments = (unsigned)conf->queue_segments,
		.loop = loop,
	};
	struct sched_config sc;

	q->loop = loop;
	q->conf = conf;
	queue_init(&q->queue);
	clock_start(q);
	TAILQ_INIT(&q->committing);
	TAILQ_INIT(&q->suspects);
	arc4random_buf(q->hash_key, sizeof(q->hash_key));
	ev_timer_init(&q->due_timer, loop, due, q);
	ev_timer_init(&q->sched_timer, loop, run_sched, q);
	ev_timer_init(&q->tick, loop, tick, q);
	ev_task_init(&q->sched_task, run_sched, q);
	q->commits = disk_lane_new(loop, threads);
	q->files = disk_lane_new(loop, threads);
	if (!q->read_only && (notes_check_format(q->dir) == -1 ||
	    notes_begin(q->dir) == -1))
		return -1;
	q->store = store_new(loop, q->dir, q->files);
	if (q->store == NULL)
		return -1;
	store_on_healed(q->store, LOOK_MS, q->renew, q->renew_arg);
	jc.commits = q->commits;
	jc.files = q->files;
	q->journal = journal_open(&jc, &journal_ops, q);
	if (q->journal == NULL)
		return -1;
	old_init(q);
	routes_init(q);
	undo_init(q);
	pauses_init(q);
	configure_sched(q, &sc);
	sched_init(&q->sched, &sc, &deliver_sched_ops, q);
	submit_tick(q);
	limits_init(q);
	control_init(q);
	shapes_init(q);
	drop_init(q);
	if (recover(q) == -1)
		return -1;
	clock_recovered(q);
	ev_timer_set(&q->tick, TICK_MS);
	qmgr_due_changed(q);
	return 0;
}

static void
configure_sched(struct qmgr *q, struct sched_config *sc)
{
	*sc = (struct sched_config){
		.remote_window = (unsigned)q->conf->remote_concurrency,
		.local_window = (unsigned)q->conf->local_concurrency,
		.remote_rate = q->conf->remote_rate,
		.retry_first = q->conf->queue_retry_first,
		.retry_max = q->conf->queue_retry_max,
		.limits = hop_limits,
		.paused = pause_stops,
	};
}

static void
hop_limits(void *arg, const char *name, unsigned *window, uint64_t *rate)
{
	struct qmgr *q = arg;
	const struct conf_nexthop *h = conf_nexthop_find(q->conf,
	    slice_str(name));

	if (h != NULL) {
		*window = (unsigned)h->concurrency;
		*rate = h->rate;
	}
}

void
qmgr_reload(struct qmgr *q, const struct conf *conf)
{
	q->conf = conf;
	qmgr_configure_sched(q);
	limits_reload(q);
}

void
qmgr_configure_sched(struct qmgr *q)
{
	struct sched_config sc;

	configure_sched(q, &sc);
	sched_configure(&q->sched, &sc);
	qmgr_wake_scheduler(q);
}

void
qmgr_channel_up(struct qmgr *q, struct channel *c)
{
	unsigned index = channel_index(c);

	switch ((int)channel_peer(c)) {
	case ROLE_SMTPD:
		if (index >= QMGR_PEERS)
			break;
		q->smtpds[index] = c;
		submit_up(q, c);
		return;
	case ROLE_REMOTE:
		if (index >= QMGR_PEERS)
			break;
		q->remotes[index] = c;
		if (index >= q->nremotes)
			q->nremotes = index + 1;
		deliver_up(q, c);
		return;
	case ROLE_LOCAL:
		q->local = c;
		deliver_up(q, c);
		return;
	case ROLE_LOOKUP:
		q->lookup = c;
		route_up(q);
		return;
	case ROLE_BOUNCE:
		q->bounce = c;
		report_up(q);
		return;
	case ROLE_METRICS:
		return;
	}
	log_error("event=unexpected-peer role=%s index=%u",
	    role_name(channel_peer(c)), index);
}

/* What is true only now, for those who look at our counters. */
static void
show_counts(const struct qmgr *q)
{
	count_set(QUEUE_MESSAGES, q->queue.slots.n);
	count_set(QUEUE_MEMORY, q->queue.memory + q->queue.content);
	count_set(QUEUE_JOBS, q->jobs.n);
	count_set(QUEUE_NEXT_HOPS, q->sched.nhops);
}

/* ---- clocks ------------------------------------------------------------- */

static void
tick(void *arg)
{
	struct qmgr *q = arg;

	clock_now(q);
	journal_look(q->journal);
	submit_tick(q);
	limits_tick(q);
	pauses_tick(q);
	undo_tick(q);
	show_counts(q);
	sched_tick(&q->sched);
	wake_due(q);
	qmgr_wake_scheduler(q);
	if (q->stopping)
		try_stop(q);
	ev_timer_set(&q->tick, q->stopping ? TICK_MS / 20 : TICK_MS);
}

static void
due(void *arg)
{
	wake_due(arg);
}

void
qmgr_due_changed(struct qmgr *q)
{
	const struct heap_node *n = heap_first(&q->queue.due);
	int64_t ms;

	if (n == NULL || q->stopping)
		return;
	ms = n->when - clock_wall_ms();
	if (ms > TICK_MS)
		return;		/* the tick is soon enough */
	if (!wake_may(q))	/* what is awake goes on with the others */
		ms = TICK_MS / 10;
	ev_timer_set(&q->due_timer, ms < 0 ? 0 : ms);
}

void
qmgr_wake_scheduler(struct qmgr *q)
{
	ev_task_ask(q->loop, &q->sched_task);
}

static void
run_sched(void *arg)
{
	struct qmgr *q = arg;
	int64_t now = clock_mono_ms(), next;

	if (q->stopping)
		return;
	sched_run(&q->sched, now);
	next = sched_next(&q->sched);
	if (next >= 0)
		ev_timer_set(&q->sched_timer, next - now);
}

/* ---- stopping ----------------------------------------------------------- */

void
qmgr_stop(struct qmgr *q, void (*stopped)(void *), void *arg)
{
	q->stopping = true;
	q->stopped = stopped;
	q->stopped_arg = arg;
	journal_flush(q->journal);
	ev_timer_set(&q->tick, 0);
}

/* Deliveries that are under way may end, as long as their processes live:
 * master bounds the time. */
static void
try_stop(struct qmgr *q)
{
	void (*stopped)(void *) = q->stopped;

	journal_flush(q->journal);
	limits_tick(q);
	if (stopped == NULL || q->jobs.n > 0 || !journal_is_idle(q->journal) ||
	    disk_lane_load(q->files) > 0)
		return;
	q->stopped = NULL;
	if (q->queue.slots.n == 0)
		notes_end_empty(q->dir);
	else if (q->walk == NULL &&
	    muster_write(q->dir, q->ids_reserved, &q->queue) == -1)
		log_warn("event=muster-not-written error=%s",
		    LOG_Q(slice_str(strerror(errno))));
	stopped(q->stopped_arg);
}

void
qmgr_clear(struct qmgr *q)
{
	struct slot *s;
	size_t cursor = 0;
	struct attempt *j;

	disk_lane_drain(q->commits);
	disk_lane_drain(q->files);
	while ((s = idmap_next(&q->queue.slots, &cursor)) != NULL) {
		hop_unwait(s);
		if (s->entry == NULL)
			continue;
		while ((j = TAILQ_FIRST(&s->entry->jobs)) != NULL)
			attempt_drop(q, j);
		entry_release_routes(q, s->entry);
	}
	idmap_clear(&q->jobs);
	walk_clear(q);
	unread_clear(q);
	control_clear(q);
	undo_clear(q);
	shapes_clear(q);
	drop_clear(q);
	limits_clear(q);
	pauses_clear(q);
	reports_clear(q);
	routes_clear(q);
	journal_close(&q->journal);
	queue_clear(&q->queue);
	sched_clear(&q->sched);
	store_free(&q->store);
	old_clear(q);
	disk_lane_free(&q->commits);
	disk_lane_free(&q->files);
	ev_timer_clear(&q->due_timer);
	ev_timer_clear(&q->sched_timer);
	ev_timer_clear(&q->tick);
	ev_task_cancel(q->loop, &q->sched_task);
	fs->close(q->dir);
}

void
qmgr_status(struct qmgr *q, struct buf *b)
{
	struct journal_stats st;

	show_counts(q);
	journal_stats(q->journal, &st);
	buf_printf(b, "entries=%zu journal_bytes=%llu segments=%u "
	    "segments_free=%u%s", q->queue.entries,
	    (unsigned long long)st.bytes, st.segments, st.free,
	    disk_lane_is_threaded(q->commits) ? "" : " threads=no");
	walk_status(q, b);
	undo_status(q, b);
	pauses_status(q, b);
}
