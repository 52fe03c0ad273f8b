/* SPDX-License-Identifier: ISC */
/*
 * What holds whatever fails.  One life of a queue is recorded on a simulated
 * disk (os/sim_disk.h): messages small and large, an alias, a failure that is
 * reported, deferrals, some that are deleted and had back, and so many that the
 * journal turns over.  Then for
 * each sync of it, and for instants between, the disk is made again as a crash
 * or a power cut at that instant may have left it, qmgr is started on that,
 * and what was acknowledged before must be there (Q1, Q2, Q3): each recipient
 * has been delivered to, whole, or its failure has been reported; what was
 * delivered to a mailbox before comes again only with a warning (maybe_done),
 * by which the mailbox has it once; and what was known for good to be
 * delivered does not come again at all.  In that second life the power goes
 * again.
 *
 * Then the same with builds that are broken on purpose: each must be found
 * out, or these tests would not see what they are for.
 *
 * CRASH_SEED=N repeats a run as far as the clock allows; CRASH_RUNS=N sets how
 * many instants are tried between syncs, 0 for none and but every eighth sync;
 * CRASH_STEP=N: of the failing calls every N-th is tried; CRASH_ONLY=PATTERN:
 * these tests only.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "harness.h"
#include "os/sim_disk.h"
#include "os/sim_run.h"

#define MESSAGES	70
#define LIVES		3
#define STUCK_MS	20000
#define SICK_MS		1000
#define SENDER		"local-s@here"

/* ---- builds that are broken --------------------------------------------- */

/* What is wrong with the build besides what the disk leaves out. */
static struct {
	bool		 no_checksums;
	bool		 no_statuses;
	bool		 no_ends;
	bool		 no_ids;
	bool		 no_backs;
	bool		 report_apart;
	/* When something was done wrong. */
	size_t		 acts[1000];
	size_t		 nacts;
} wrong;

/* The disk of the life that runs. */
static struct sim_disk *running;

static void
act(void)
{
	if (wrong.nacts < sizeof(wrong.acts) / sizeof(wrong.acts[0]))
		wrong.acts[wrong.nacts++] = sim_disk_now(running);
}

static const struct broken {
	const char	*name;
	const char	*call, *path;	/* left out */
	bool		*wrong;		/* or set */
} broken_builds[] = {
	{ "commits are not synced", "fdatasync", "journal/*", NULL },
	{ "a new segment's name is not synced", "fsync", "journal", NULL },
	{ "old files are not synced before a segment is used again", "syncfs",
	    "*", NULL },
	{ "large content is not synced", "fdatasync", "large/*", NULL },
	{ "the name of large content is not synced", "fsync", "large/??",
	    NULL },
	{ "checksums are not looked at", NULL, NULL, &wrong.no_checksums },
	{ "statuses are not written", NULL, NULL, &wrong.no_statuses },
	{ "ends are not written", NULL, NULL, &wrong.no_ends },
	{ "what came back is not written down", NULL, NULL, &wrong.no_backs },
	{ "given out ids are not written", NULL, NULL, &wrong.no_ids },
	{ "a message is done before its report is durable", NULL, NULL,
	    &wrong.report_apart },
};

uint32_t __real_crc32c(uint32_t, struct slice);
uint32_t __wrap_crc32c(uint32_t, struct slice);
void	 __real_journal_add(struct journal *, uint16_t, uint64_t,
	    const struct slice *, size_t, unsigned, struct journal_wait *,
	    struct young *);
void	 __wrap_journal_add(struct journal *, uint16_t, uint64_t,
	    const struct slice *, size_t, unsigned, struct journal_wait *,
	    struct young *);
int	 __real_submit_own(struct qmgr *, uint64_t,
	    const struct message_body *, void (*)(struct qmgr *,
	    struct entry *));
int	 __wrap_submit_own(struct qmgr *, uint64_t,
	    const struct message_body *, void (*)(struct qmgr *,
	    struct entry *));

uint32_t
__wrap_crc32c(uint32_t crc, struct slice s)
{
	return wrong.no_checksums ? 0 : __real_crc32c(crc, s);
}

void
__wrap_journal_add(struct journal *j, uint16_t type, uint64_t id,
    const struct slice *parts, size_t nparts, unsigned flags,
    struct journal_wait *wait, struct young *young)
{
	if ((wrong.no_statuses && type == REC_STATUS) ||
	    (wrong.no_ends && type == REC_DONE) ||
	    (wrong.no_backs && type == REC_BACK) ||
	    (wrong.no_ids && type == REC_IDS)) {
		act();
		if (wait != NULL)
			wait->fn(wait, true);
		return;
	}
	__real_journal_add(j, type, id, parts, nparts, flags, wait, young);
}

int
__wrap_submit_own(struct qmgr *q, uint64_t id,
    const struct message_body *body, void (*fn)(struct qmgr *,
    struct entry *))
{
	unsigned i;

	if (wrong.report_apart && body->status.n > 0) {
		act();
		/* As often as it takes to fill a sector of its own. */
		for (i = 0; i < 8; i++)
			__real_journal_add(q->journal, REC_STATUS,
			    body->report_of, &body->status, 1, JOURNAL_SOON,
			    NULL, NULL);
	}
	return __real_submit_own(q, id, body, fn);
}

/* ---- a life ------------------------------------------------------------- */

/* What was seen, and how many changes of the disk had been made before it was
 * told. */
struct sight {
	size_t		 queued, deliveries, reports;	/* of the world's */
	uint64_t	 ids;		/* the last block that was given out */
	size_t		 at;
	size_t		 settled;	/* deliveries known for good ... */
	size_t		 settled_at;	/* ... after as many changes */
};

struct life {
	struct world	 w;
	struct sim_disk	*disk;
	struct sight	*sights;	/* owned */
	size_t		 nsights;
	struct sight	 seen;		/* up to the cut, see look_back() */
};

/* What was submitted in the first life, in any order of its end. */
static struct {
	uint64_t	 id;
	const char	*to;
	size_t		 size;
} sent[MESSAGES];
static size_t nsent;

/* "later..." is deferred on its first attempt. */
static bool
outcome(struct world *w, const struct delivery *d, struct outcome *o)
{
	if (strncmp(d->address, "later", 5) == 0 && world_count(w, d->id,
	    d->address) == 1)
		*o = (struct outcome){ .status = OUTCOME_DEFERRED,
			.enhanced = { 4, 2, 1 }, .code = 450,
			.text = SLICE_LIT("come back") };
	return true;
}

/* What peers hear in a turn was sent before it began.  Each turn is seen, those
 * of the harness too: what was delivered in one that is not would seem lost. */
static void
turn(void *arg, int ms)
{
	struct life *l = arg;
	struct world *w = &l->w;
	size_t at = sim_disk_now(l->disk);
	struct sight s = { .at = at };

	ev_turn(&w->loop, ms);
	s.queued = w->nqueued;
	s.deliveries = w->ndeliveries;
	s.reports = w->nreported;
	s.ids = w->block;
	if (l->nsights > 0 && s.ids < l->sights[l->nsights - 1].ids)
		s.ids = l->sights[l->nsights - 1].ids;
	/* What qmgr was told three turns ago it has written down, unless a
	 * commit is to come. */
	if (l->nsights > 3 && journal_is_idle(w->q->journal)) {
		s.settled = l->sights[l->nsights - 3].deliveries;
		s.settled_at = sim_disk_now(l->disk);
	}
	if ((l->nsights & (l->nsights - 1)) == 0)
		l->sights = mem_regrow(l->sights,
		    l->nsights == 0 ? 1 : l->nsights * 2, sizeof(s));
	l->sights[l->nsights++] = s;
}

static void
turns(struct life *l, int n)
{
	while (n-- > 0)
		turn(l, 0);
}

/* Until what is written lazily is written. */
static void
settle(struct life *l)
{
	int64_t end = clock_mono_ms() + STUCK_MS;

	while (!journal_is_idle(l->w.q->journal) && clock_mono_ms() < end) {
		journal_flush(l->w.q->journal);
		turn(l, 1);
	}
	turns(l, 5);
}

static void
life_init(struct life *l)
{
	memset(l, 0, sizeof(*l));
	world_init(&l->w, "queue.retry_first = 100ms\n"
	    "queue.retry_max = 100ms\nqueue.delay_warning = 0\n");
}

/* -1 where qmgr does not start. */
static int
life_start(struct life *l, const struct broken *b)
{
	l->disk = running = sim_disk_new(l->w.dir);
	if (b != NULL)
		sim_disk_leave_out(l->disk, b->call, b->path);
	l->w.turn = turn;
	l->w.turn_arg = l;
	fs = &sim_fs;
	return world_start(&l->w, UP_ALL);
}

/* Whatever is not on the disk is forgotten. */
static void
life_end(struct life *l)
{
	sim_disk_stop(l->disk);
	l->w.turn = NULL;
	world_kill(&l->w);
	fs = &fs_real;
}

static void
life_clear(struct life *l)
{
	world_clear(&l->w);
	sim_disk_free(&l->disk);
	free(l->sights);
}

static void
look_back(struct life *l, size_t cut)
{
	size_t i, settled = 0;

	memset(&l->seen, 0, sizeof(l->seen));
	for (i = 0; i < l->nsights && l->sights[i].at <= cut; i++) {
		l->seen = l->sights[i];
		if (l->seen.settled_at <= cut && l->seen.settled > settled)
			settled = l->seen.settled;
	}
	l->seen.settled = settled;
}

/* ---- the first life ----------------------------------------------------- */

static void
note_sent(uint64_t id, const char *to, size_t size)
{
	assert_true(nsent < MESSAGES);
	sent[nsent].id = id;
	sent[nsent].to = to;
	sent[nsent++].size = size;
}

static void
say(struct life *l, const char *to, size_t size)
{
	if (l->w.block != 0)
		note_sent(world_submit(&l->w, SENDER, to, size), to, size);
}

static void
say_large(struct life *l, const char *to, size_t size)
{
	size_t refused = l->w.nrefused;
	uint64_t id;

	if (l->w.block == 0)
		return;
	id = world_submit_large(&l->w, SENDER, to, size);
	if (l->w.nrefused == refused)
		note_sent(id, to, size);
}

static void
ask_about(struct life *l, enum queue_change what, enum queue_where where,
    uint64_t id)
{
	struct queue_filter f = { .ids = &id, .nids = 1, .where = where };
	struct told t;

	world_ask_for_a_while(&l->w, TL_QUEUE_CHANGE, what, &f, &t);
	told_clear(&t);
}

/* Small and large ones are held, deleted, and had back, each on its way through
 * the journal or in its file: whatever the instant, it is in the queue, or can
 * be had back. */
static void
play_undo(struct life *l)
{
	size_t first = nsent, i;

	say(l, "later5@far", 4000);
	say_large(l, "later6@far local6@here", 200000);
	say(l, "later7@far", 90000);
	turns(l, 8);
	for (i = first; i < nsent; i++) {
		ask_about(l, QUEUE_DELETE, QUEUE_LIVE, sent[i].id);
		if (i == first + 1)
			turns(l, 8);
		ask_about(l, QUEUE_UNDO, QUEUE_UNDO_ALL, sent[i].id);
	}
}

static void
play(struct life *l)
{
	struct world *w = &l->w;
	unsigned n;

	nsent = 0;
	w->outcome = outcome;
	channel_send(w->smtpd, SQ_IDS_ASK, 0, SLICE_EMPTY);
	for (n = 0; n < 200 && w->block == 0; n++)
		turn(l, 1);
	say(l, "local1@here later@far", 3000);
	turns(l, 3);
	say(l, "alias@here", 100000);
	turns(l, 8);
	say(l, "nobody@here local2@here", 500);
	turns(l, 6);
	say_large(l, "later4@far local4@here", 300000);
	turns(l, 6);
	say(l, "later2@far", 120000);
	/* The journal turns over, and what waits moves to files. */
	for (n = 0; n < 36; n++) {
		say(l, n % 3 == 0 ? "later3@far2" : n % 7 == 0 ?
		    "nobody@here" : "local3@here", 125000 - n);
		turns(l, 6);
	}
	say_large(l, "local5@here", 200000);
	play_undo(l);
	for (n = 0; n < 600 && w->q->queue.slots.n > 0; n++)
		turn(l, 2);
	settle(l);
}

/* ---- what must hold ----------------------------------------------------- */

static bool
was_delivered(const struct life *v, size_t n, uint64_t id,
    const char *address)
{
	size_t i, j;

	for (i = 0; i < n; i++)
		for (j = 0; j < v[i].seen.deliveries; j++)
			if (v[i].w.deliveries[j].done &&
			    v[i].w.deliveries[j].id == id &&
			    strcmp(v[i].w.deliveries[j].address, address) == 0)
				return true;
	return false;
}

/* A report is one that has arrived. */
static bool
was_reported(const struct life *v, size_t n, uint64_t about)
{
	size_t i, j;

	for (i = 0; i < n; i++)
		for (j = 0; j < v[i].seen.reports; j++)
			if (v[i].w.reported[j].about == about &&
			    was_delivered(v, n, v[i].w.reported[j].id, SENDER))
				return true;
	return false;
}

static bool
was_acknowledged(const struct life *l, uint64_t id)
{
	size_t i;

	for (i = 0; i < l->seen.queued; i++)
		if (l->w.queued[i] == id)
			return true;
	return false;
}

static const char *
check_address(const struct life *v, size_t n, uint64_t id,
    const char *address)
{
	if (strcmp(address, "nobody@here") == 0)
		return was_reported(v, n, id) ? NULL :
		    sim_because("the report on %s is lost",
		    queue_id_text(id).s);
	if (strcmp(address, "alias@here") == 0)
		return was_delivered(v, n, id, "local-a1@here") &&
		    was_delivered(v, n, id, "local-a2@here") ? NULL :
		    sim_because("a member of the alias has not got %s",
		    queue_id_text(id).s);
	return was_delivered(v, n, id, address) ? NULL :
	    sim_because("%s of %s is lost", address, queue_id_text(id).s);
}

/* Q1, Q2, Q3: of what was acknowledged before the first cut. */
static const char *
check_nothing_lost(const struct life *v, size_t n)
{
	struct slice rest, word;
	char address[64];
	const char *bad;
	size_t i;

	for (i = 0; i < nsent; i++) {
		if (!was_acknowledged(&v[0], sent[i].id))
			continue;
		rest = slice_str(sent[i].to);
		while (slice_next(&rest, ' ', &word)) {
			snprintf(address, sizeof(address), "%.*s",
			    SLICE_ARG(word));
			bad = check_address(v, n, sent[i].id, address);
			if (bad != NULL)
				return bad;
		}
	}
	return NULL;
}

static const char *
check_whole(const struct delivery *d)
{
	size_t i;

	for (i = 0; i < nsent && sent[i].id != d->id; i++)
		;
	if (i == nsent)
		return NULL;		/* a report */
	if (d->size != sent[i].size || !d->whole)
		return sim_because("%s came with other content",
		    queue_id_text(d->id).s);
	return NULL;
}

/* Who has got a message before the last life. */
static const char *
check_again(const struct life *v, size_t n, const struct delivery *d)
{
	size_t i, j;

	for (i = 0; i + 1 < n; i++)
		for (j = 0; j < v[i].seen.deliveries; j++) {
			const struct delivery *o = &v[i].w.deliveries[j];

			if (o->id != d->id || o->number != d->number ||
			    !o->done)
				continue;
			if (o->local && !d->maybe_done)
				return sim_because("%s comes again without a "
				    "warning", queue_id_text(d->id).s);
			if (j < v[i].seen.settled)
				return sim_because("%s to %s comes again, though "
				    "that was written down",
				    queue_id_text(d->id).s, d->address);
		}
	return NULL;
}

static const char *
check_deliveries(const struct life *v, size_t n)
{
	const struct world *w = &v[n - 1].w;
	const char *bad = NULL;
	size_t i;

	for (i = 0; i < w->ndeliveries && bad == NULL; i++) {
		bad = check_whole(&w->deliveries[i]);
		if (bad == NULL)
			bad = check_again(v, n, &w->deliveries[i]);
	}
	return bad;
}

static void
not_listed(void *arg, const char *path)
{
	(void)arg;
	fail_msg("%s cannot be listed", path);
}

static void
see_file(void *arg, uint64_t id, const struct stat *st)
{
	(void)st;
	*(uint64_t *)arg = id;
}

/* The last life has run until nothing was left to do. */
static const char *
check_empty(const struct life *l)
{
	static const char *const dirs[] = { "deferred", "large", "deleted" };
	uint64_t left = 0;
	size_t i;

	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		store_walk(l->w.q->dir, dirs[i], see_file, not_listed,
		    &left);
		if (left != 0)
			return sim_because("the file of %s in %s is left over",
			    queue_id_text(left).s, dirs[i]);
	}
	return NULL;
}

/* ---- another life ------------------------------------------------------- */

static bool
has_held(const struct world *w)
{
	struct queue *q = &w->q->queue;
	size_t cursor = 0;
	struct slot *s;

	while ((s = idmap_next(&q->slots, &cursor)) != NULL)
		if (s->state == SLOT_HELD)
			return true;
	return false;
}

static void
ask(struct life *l, enum queue_change what)
{
	struct told t;

	world_ask_for_a_while(&l->w, TL_QUEUE_CHANGE, what,
	    &(struct queue_filter){ 0 }, &t);
	told_clear(&t);
}

/* What was deleted when it ended is had back, as its postmaster would. */
static void
ask_undo(struct life *l)
{
	struct told t;

	while (l->w.q->walk != NULL)
		turn(l, 1);
	world_ask_for_a_while(&l->w, TL_QUEUE_CHANGE, QUEUE_UNDO,
	    &(struct queue_filter){ .where = QUEUE_UNDO_ALL }, &t);
	told_clear(&t);
}

/* Runs until the queue is empty.  A message that is held, which a read that
 * failed can do, is released as its postmaster would. */
static const char *
live_on(struct life *l, bool release_held, int ms)
{
	int64_t end = clock_mono_ms() + ms;

	ask_undo(l);
	ask(l, QUEUE_RETRY);
	while (l->w.q->queue.slots.n > 0 || l->w.q->walk != NULL) {
		if (has_held(&l->w) && !release_held)
			return sim_because("a message cannot be read");
		if (has_held(&l->w))
			ask(l, QUEUE_RELEASE);
		if (clock_mono_ms() > end)
			return sim_because("a message does not go out");
		turn(l, 1);
	}
	settle(l);
	return NULL;
}

struct cut {
	size_t		 at;
	enum sim_end	 end;
	uint64_t	 seed;
};

/* A life on what the last of n lives has left at a cut, and judgement. */
static const char *
relive(struct life *v, size_t n, const struct cut *c, const struct broken *b)
{
	struct life *l = &v[n];
	const char *bad;

	look_back(&v[n - 1], c->at);
	life_init(l);
	sim_disk_restore(v[n - 1].disk, l->w.dir, c->at, c->end, c->seed);
	if (life_start(l, b) == -1) {
		bad = sim_because("qmgr does not start: %s", strerror(errno));
		sim_disk_stop(l->disk);
		free(l->w.q);
		l->w.q = NULL;
		fs = &fs_real;
		return bad;
	}
	if (l->w.q->ids_reserved < v[n - 1].seen.ids)
		bad = sim_because("ids are given out twice");
	else
		bad = live_on(l, false, STUCK_MS);
	look_back(l, SIZE_MAX);
	if (bad == NULL)
		bad = check_nothing_lost(v, n + 1);
	if (bad == NULL)
		bad = check_deliveries(v, n + 1);
	if (bad == NULL)
		bad = check_empty(l);
	life_end(l);
	return bad;
}

/* At a cut of the first life, and at one of the second. */
static const char *
try_cut(struct life *v, const struct cut *c, const struct broken *b)
{
	struct cut second = { .end = c->end, .seed = c->seed };
	const char *bad = relive(v, 1, c, b);

	if (bad == NULL && v[1].nsights > 0) {
		second.at = sim_random(&second.seed) %
		    (sim_disk_now(v[1].disk) + 1);
		bad = relive(v, 2, &second, b);
		life_clear(&v[2]);
	}
	life_clear(&v[1]);
	return bad;
}

/* ---- the runs ----------------------------------------------------------- */

static uint64_t seed;
static size_t runs = 25;

static void
record(struct life *l, const struct broken *b)
{
	life_init(l);
	assert_int_equal(life_start(l, b), 0);
	play(l);
	life_end(l);
}

static void
judge(struct life *v, const struct cut *c)
{
	const char *bad = try_cut(v, c, NULL);

	if (bad != NULL)
		fail_msg("%s before change %zu of %zu (%s), seed %llu of run "
		    "CRASH_SEED=%llu: %s", c->end == SIM_POWER ? "power cut" :
		    "crash", c->at, sim_disk_now(v->disk),
		    sim_disk_change(v->disk, c->at),
		    (unsigned long long)c->seed, (unsigned long long)seed, bad);
}

/* Before and after each sync, and at instants between. */
static void
sweep(enum sim_end end)
{
	struct life v[LIVES];
	struct cut c = { .end = end };
	size_t i, all, step = runs == 0 ? 8 : 1, n = 0;
	uint64_t r = seed;

	record(v, NULL);
	all = sim_disk_now(v->disk);
	assert_true(all > 500);
	for (c.at = sim_disk_next_sync(v->disk, 0); c.at < all; c.at++) {
		if (n++ % step == 0) {
			c.seed = sim_random(&r);
			judge(v, &c);
		}
		c.at = sim_disk_next_sync(v->disk, c.at + 1) - 1;
	}
	for (i = 0; i < runs; i++) {
		c.seed = sim_random(&r);
		c.at = sim_random(&r) % (all + 1);
		judge(v, &c);
	}
	print_message("%zu changes, %zu syncs\n", all, n);
	life_clear(v);
}

static void
crash_at_any_instant_loses_nothing(void **state)
{
	(void)state;
	sweep(SIM_CRASH);
}

static void
power_cut_at_any_instant_loses_nothing(void **state)
{
	(void)state;
	sweep(SIM_POWER);
}

/* ---- calls that fail ---------------------------------------------------- */

/* One life in which the n-th call fails, and one after it.  The number of
 * calls that could. */
static size_t
live_failing(enum sim_failure failure, size_t n, int error)
{
	struct life v[2];
	const char *bad;
	size_t calls;

	life_init(v);
	assert_int_equal(life_start(v, NULL), 0);
	sim_disk_fail(v->disk, failure, n, error);
	play(v);
	calls = sim_disk_counted(v->disk);
	/* After a sync that failed only a restart helps, for some. */
	(void)live_on(v, true, SICK_MS);
	life_end(v);
	bad = relive(v, 1, &(struct cut){ sim_disk_now(v->disk), SIM_POWER,
	    n }, NULL);
	if (bad != NULL)
		fail_msg("call %zu fails with %s: %s", n, failure == SIM_SHORT ?
		    "a short write" : strerror(error), bad);
	life_clear(&v[1]);
	life_clear(&v[0]);
	return calls;
}

static void
sweep_failures(enum sim_failure failure, int error)
{
	const char *s = getenv("CRASH_STEP");
	uint64_t step = 23;
	size_t n, calls = live_failing(failure, SIZE_MAX, error);

	if (s != NULL)
		(void)!slice_to_u64(slice_str(s), 1, 1000, &step);
	for (n = 1 + seed % step; n <= calls; n += step)
		live_failing(failure, n, error);
}

static void
call_that_fails_loses_nothing(void **state)
{
	(void)state;
	sweep_failures(SIM_ONCE, EIO);
	sweep_failures(SIM_ONCE, ENOSPC);
	sweep_failures(SIM_ONCE, EMFILE);
	sweep_failures(SIM_ONCE, EINTR);
	sweep_failures(SIM_SHORT, 0);
}

/* ---- the net ------------------------------------------------------------ */

/* What shows of it after one of so many power cuts, or NULL. */
static const char *
find_out_in_a_life(const struct broken *b, size_t most, uint64_t *r, size_t *n)
{
	struct life v[LIVES];
	struct cut c = { .end = SIM_POWER };
	const char *bad = NULL;
	size_t all, nacts;

	if (b->wrong != NULL)
		*b->wrong = true;
	wrong.nacts = 0;
	record(v, b);
	nacts = wrong.nacts;
	all = sim_disk_now(v->disk);
	while (bad == NULL && most-- > 0) {
		c.seed = sim_random(r);
		c.at = sim_random(r) % (all + 1);
		if (++*n % 2 == 0 && nacts > 0)
			c.at = wrong.acts[sim_random(r) % nacts];
		if (*n % 4 < 2)
			c.at = sim_disk_next_sync(v->disk, c.at);
		bad = try_cut(v, &c, b);
	}
	if (b->wrong != NULL)
		*b->wrong = false;
	life_clear(v);
	return bad;
}

/* One life may have little that it could be known by. */
static bool
find_out(const struct broken *b)
{
	const char *bad = NULL;
	uint64_t r = seed;
	size_t lives, n = 0;

	for (lives = 0; lives < 5 && bad == NULL; lives++)
		bad = find_out_in_a_life(b, 200, &r, &n);
	return sim_found_out(b->name, n, bad);
}

/* Or one of them, where as little as possible is to be tried. */
static void
every_broken_build_is_found_out(void **state)
{
	size_t n = sizeof(broken_builds) / sizeof(broken_builds[0]);
	size_t i = runs == 0 ? seed % n : 0;
	unsigned missed = 0;

	(void)state;
	if (runs == 0)
		n = i + 1;
	for (; i < n; i++)
		missed += !find_out(&broken_builds[i]);
	assert_int_equal(missed, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crash_at_any_instant_loses_nothing),
		cmocka_unit_test(power_cut_at_any_instant_loses_nothing),
		cmocka_unit_test(call_that_fails_loses_nothing),
		cmocka_unit_test(every_broken_build_is_found_out),
	};

	seed = sim_begin_runs("CRASH", &runs);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
