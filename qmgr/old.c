/* SPDX-License-Identifier: ISC */
/*
 * old - see old.h.
 *
 * Always: a message whose migration is under way is `migrating`, and what is
 * recorded about it goes to the journal and, behind the migration on the same
 * lane, to its file.  So the file is complete whenever the lane is done.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "old.h"
#include "unread.h"

#define BATCH		64	/* messages moved at a time */
#define LAZY_MS		5000	/* who waits shorter stays young */
#define LOOKED_AT	256	/* for those who wait longer, at a time */
#define PACE_MS		50	/* between two batches without hurry */

/* The segment that is being cleaned; there is only one. */
struct cleaner {
	struct store_wait wait;		/* first */
	struct qmgr	*q;
	struct segment	*segment;	/* NULL: none */
	unsigned	 moving;	/* of its messages */
	bool		 moved;		/* so a sync is needed */
	bool		 failed;
	bool		 syncing;
	/* Without hurry: */
	struct ev_timer	 pace;
	uint64_t	 looked;	/* the generation of the segment before */
	bool		 stumbled;	/* a move failed since the last look */
};

struct move {
	struct migration m;		/* first */
	struct qmgr	*q;
	struct segment	*segment;
};

static void	 clean_on(struct cleaner *);
static void	 cleaner_synced(struct store_wait *, bool ok);
static void	 move_some(void *);
static unsigned	 move_waiting(struct qmgr *, struct segment *);
static void	 move_start(struct qmgr *, struct entry *, struct segment *);
static void	 moved(struct qmgr *, struct slot *);
static void	 move_done(struct store_wait *, bool ok);
static void	 copied_aside(struct store_wait *, bool ok);

#define ENTRY_OF(y)							\
	((struct entry *)(void *)((char *)(y) - offsetof(struct entry, young)))

void
old_init(struct qmgr *q)
{
	q->cleaner = mem_alloc(sizeof(*q->cleaner));
	q->cleaner->q = q;
	ev_timer_init(&q->cleaner->pace, q->loop, move_some, q);
	ev_timer_set(&q->cleaner->pace, 0);
}

void
old_clear(struct qmgr *q)
{
	if (q->cleaner != NULL)
		ev_timer_clear(&q->cleaner->pace);
	free(q->cleaner);
	q->cleaner = NULL;
}

/* ---- a segment is wanted ------------------------------------------------ */

void
old_clean_segment(void *arg, struct segment *s)
{
	struct qmgr *q = arg;
	struct cleaner *c = q->cleaner;

	if (c->segment != s) {
		c->segment = s;
		c->moved = c->failed = false;
	}
	clean_on(c);
}

static void
clean_on(struct cleaner *c)
{
	struct segment *s = c->segment;
	struct qmgr *q = c->q;
	struct young *y;
	unsigned n;

	if (s == NULL || c->syncing || c->moving > 0 || q->stopping)
		return;
	if (c->failed || unread_put_aside(q) == -1) {
		c->segment = NULL;
		journal_clean_failed(q->journal, s);
		return;
	}
	y = segment_first(s);
	for (n = 0; n < BATCH && y != NULL; n++, y = TAILQ_NEXT(y, link)) {
		struct entry *e = ENTRY_OF(y);

		c->moved = true;
		c->moving++;
		if (!e->migrating)
			move_start(q, e, s);
	}
	if (c->moving > 0)
		return;
	/* Empty.  What reads from it on the lane is to be over, too. */
	c->syncing = true;
	c->wait.fn = cleaner_synced;
	if (c->moved || segment_has_files(s))
		store_barrier(q->store, &c->wait);
	else
		store_fence(q->store, &c->wait);
}

static void
cleaner_synced(struct store_wait *w, bool ok)
{
	struct cleaner *c = (struct cleaner *)(void *)w;
	struct segment *s = c->segment;

	c->syncing = false;
	c->segment = NULL;
	if (ok)
		journal_cleaned(c->q->journal, s);
	else
		journal_clean_failed(c->q->journal, s);
}

/* ---- one message -------------------------------------------------------- */

static void
move_start(struct qmgr *q, struct entry *e, struct segment *s)
{
	struct move *v = mem_alloc(sizeof(*v));

	migration_init(&v->m, e);
	v->q = q;
	v->segment = s;
	v->m.wait.fn = move_done;
	if (e->content != NULL) {
		v->m.content = e->content;
		e->content->refs++;
	}
	v->m.segment = e->young.segment;
	v->m.at = e->young.at + e->content_off;
	e->migrating = true;
	e->file_end = v->m.size;
	e->file_content = v->m.head.n;
	store_migrate(q->store, &v->m);
}

/* Memory follows the journal: what is in a file needs no entry while it
 * waits, be it for its time or behind many others at its next hop (Q5). */
static void
moved(struct qmgr *q, struct slot *s)
{
	struct entry *e = s->entry;
	const struct attempt *j;

	entry_drop_content(&q->queue, e);
	if (e->pins > 0 || e->owing > 0)
		return;
	if (s->state == SLOT_WAITING || s->state == SLOT_HELD) {
		entry_free(&q->queue, &s->entry);
		return;
	}
	TAILQ_FOREACH(j, &e->jobs, of_entry)
		if (j->state != JOB_READY)
			return;
	if (TAILQ_EMPTY(&e->jobs))
		return;
	entry_pin(e);
	e->crowded = true;
	deliver_cancel(q, e);
	entry_unpin(q, &e);
}

static void
move_done(struct store_wait *w, bool ok)
{
	struct move *v = (struct move *)(void *)w;
	struct qmgr *q = v->q;
	struct slot *s = queue_find(&q->queue, v->m.id);
	struct entry *e = s == NULL ? NULL : s->entry;
	struct cleaner *c = q->cleaner;
	bool *failed = v->segment == c->segment && c->moving > 0 ?
	    &c->failed : &c->stumbled;

	/* The first of many: all are tried again in a second. */
	if (!ok && !*failed)
		log_error("id=%s event=migration-failed error=%s",
		    id_text(v->m.id), LOG_Q(slice_str(strerror(v->m.error))));
	content_release(&q->queue, &v->m.content);
	if (e != NULL && e->migrating) {
		e->migrating = false;
		if (ok) {
			e->has_file = true;
			journal_moved(q->journal, &e->young);
			if (!e->held && e->next_ms != v->m.mtime)
				store_mtime(q->store, e->id, e->next_ms);
			moved(q, s);
		}
	}
	buf_clear(&v->m.head);
	free(v);
	if (!ok)
		*failed = true;
	if (failed == &c->failed) {
		c->moving--;
		clean_on(c);
	}
}

/* ---- without hurry ------------------------------------------------------ */

/* Segment after segment, from the oldest on: what waits for long needs no
 * entry in memory.  A million deferred messages pass here, so the pace follows
 * what there is to do, and yields to all else on the lane. */
static void
move_some(void *arg)
{
	struct qmgr *q = arg;
	struct cleaner *c = q->cleaner;
	struct segment *s = journal_after(q->journal, c->looked);
	unsigned n = BATCH;

	if (s == NULL)
		c->looked = 0;
	else if (c->segment == NULL && !q->stopping &&
	    disk_lane_load(q->files) <= BATCH) {
		n = move_waiting(q, s);
		if (n == 0)
			c->looked = segment_generation(s);
	}
	ev_timer_set(&c->pace, s == NULL || c->stumbled ? LAZY_MS / 5 :
	    n == 0 ? 4 * PACE_MS : PACE_MS);
	c->stumbled = false;
}

/* How many of a segment's messages it has moved. */
static unsigned
move_waiting(struct qmgr *q, struct segment *s)
{
	int64_t now = clock_wall_ms();
	const struct young *first = segment_first(s);
	unsigned n = 0, looked = 0;
	struct entry *e;

	do {
		e = ENTRY_OF(segment_first(s));
		segment_rotate(s);
		if (!e->migrating && (e->slot->state == SLOT_HELD ||
		    (e->slot->state == SLOT_WAITING &&
		    e->slot->due.when > now + LAZY_MS))) {
			move_start(q, e, s);
			n++;
		}
	} while (n < BATCH && ++looked < LOOKED_AT &&
	    segment_first(s) != first);
	return n;
}

/* ---- damage ------------------------------------------------------------- */

void
old_damaged(struct qmgr *q, struct slot **sp, int error)
{
	struct slot *s = *sp;

	log_error("id=%s event=queue-file-damaged error=%s", id_text(s->id),
	    error == 0 ? "format" : LOG_Q(slice_str(strerror(error))));
	unread_put_aside_one(q, s->id);
	store_set_aside(q->store, "deferred", s->id);
	walk_ended(q, s->id, false, true);
	hop_unwait(s);
	queue_slot_free(&q->queue, sp);
}

struct copy {
	struct migration m;		/* first */
	struct qmgr	*q;
};

void
old_copy_aside(struct qmgr *q, struct entry *e)
{
	struct copy *c = mem_alloc(sizeof(*c));

	migration_init(&c->m, e);
	c->q = q;
	c->m.content = entry_content(q, e);
	c->m.wait.fn = copied_aside;
	if (c->m.content != NULL) {
		store_copy_aside(q->store, &c->m);
		return;
	}
	buf_clear(&c->m.head);
	free(c);
}

static void
copied_aside(struct store_wait *w, bool ok)
{
	struct copy *c = (struct copy *)(void *)w;

	if (ok)
		log_error("id=%s event=copied-aside file=corrupt/%s",
		    id_text(c->m.id), id_text(c->m.id));
	else
		log_error("id=%s event=not-copied-aside error=%s",
		    id_text(c->m.id),
		    LOG_Q(slice_str(strerror(c->m.error))));
	content_release(&c->q->queue, &c->m.content);
	buf_clear(&c->m.head);
	free(c);
}
