/* SPDX-License-Identifier: ISC */
/*
 * undo - what was deleted stays in deleted/ for a while, and can come back.
 *
 * A message that is deleted gets a second name in deleted/, or a file there
 * where it had none; when that is durable its DONE record is written, and the
 * first name goes.  It comes back the other way round: a BACK record, which
 * takes the DONE back; its old name; and when that is durable the name in
 * deleted/ goes, durably, before it is tried.  So after a crash (Q3)
 *
 *	a message that recovery knows is in the queue, whatever is in deleted/,
 *	where its file is then removed (recover.c);
 *	any other file in deleted/ is one that was deleted.
 *
 * Each step is done for all that has come meanwhile, with one sync.  What was
 * deleted by one request has one time, by which "the last" are known.  Large
 * content never moves.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "qmgr.h"

#define PURGES_A_TICK	2000
#define GRAVE_BYTES	4096	/* a file takes at least that */
#define CLEAR_AGAIN_MS	500	/* after names could not be removed durably */

/* A message that can be had back. */
struct grave {
	uint64_t	 id;		/* first: idmap */
	struct heap_node when;		/* of the deletion */
	uint64_t	 bytes;
	uint8_t		 steps;		/* slot.steps */
	bool		 large;
	bool		 leaving;	/* it is on its way back */
};

/* One message on its way into deleted/, or out of it. */
struct passage {
	TAILQ_ENTRY(passage) link;
	struct undo	*undo;
	uint64_t	 id;
	struct entry	*e;		/* in: burying */
	bool		 held;		/* out */
	bool		 failed;
	uint64_t	 bytes;
	struct linking	 linking;
	struct migration writing;
	struct journal_wait back;	/* out: its record */
};
TAILQ_HEAD(passage_list, passage);

/* Where a batch is. */
enum stage {
	RESTING,
	COPYING,	/* files get their other names */
	SYNCING,
	CLEARING,	/* names in deleted/ go, and another sync: those that
			 * came back, and those whose way in failed */
};

struct batch {
	struct store_wait wait;		/* first */
	struct ev_timer	 again;
	struct undo	*undo;
	enum stage	 stage;
	struct passage_list coming;	/* for the next one */
	struct passage_list under_way;
	size_t		 open;		/* of under_way, not copied yet */
};

struct undo {
	struct qmgr	*q;
	struct idmap	 graves;
	struct heap	 order;		/* the earliest first */
	uint64_t	 bytes;
	int64_t		 last_time;
	uint64_t	 failures;	/* passages that led nowhere */
	size_t		 passages;	/* all of them */
	struct batch	 in;
	struct batch	 out;
};

static void	 clear_again(void *);
static void	 bury_next(struct undo *);
static void	 bury_one(struct undo *, struct passage *);
static void	 linked(struct store_wait *, bool ok);
static void	 written(struct store_wait *, bool ok);
static void	 bury_copied(struct undo *);
static void	 bury_synced(struct store_wait *, bool ok);
static void	 bury_cleared(struct store_wait *, bool ok);
static void	 buried(struct undo *, struct passage *);
static void	 back_recorded(struct journal_wait *, bool durable);
static void	 restore_next(struct undo *);
static void	 came_back(struct store_wait *, bool ok);
static void	 restore_copied(struct undo *);
static void	 restore_synced(struct store_wait *, bool ok);
static void	 restore_cleared(struct store_wait *, bool ok);
static void	 passage_free(struct undo *, struct passage *);
static struct grave *grave_add(struct undo *, uint64_t id, int64_t when,
		    uint64_t bytes);
static void	 grave_free(struct undo *, struct grave *);

#define PASSAGE_OF(w, member)						\
	((struct passage *)(void *)((char *)(w) -			\
	    offsetof(struct passage, member)))

static struct grave *
first(const struct undo *u)
{
	struct heap_node *n = heap_first(&u->order);

	return n == NULL ? NULL : (struct grave *)(void *)((char *)n -
	    offsetof(struct grave, when));
}

static void
batch_init(struct undo *u, struct batch *b)
{
	b->undo = u;
	ev_timer_init(&b->again, u->q->loop, clear_again, b);
	TAILQ_INIT(&b->coming);
	TAILQ_INIT(&b->under_way);
}

void
undo_init(struct qmgr *q)
{
	struct undo *u = mem_alloc(sizeof(*u));

	u->q = q;
	batch_init(u, &u->in);
	batch_init(u, &u->out);
	q->undo = u;
}

static void
passages_clear(struct undo *u, struct passage_list *list)
{
	struct passage *p;

	while ((p = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, p, link);
		passage_free(u, p);
	}
}

void
undo_clear(struct qmgr *q)
{
	struct undo *u = q->undo;
	struct grave *g;

	if (u == NULL)
		return;
	ev_timer_clear(&u->in.again);
	ev_timer_clear(&u->out.again);
	passages_clear(u, &u->in.coming);
	passages_clear(u, &u->in.under_way);
	passages_clear(u, &u->out.coming);
	passages_clear(u, &u->out.under_way);
	while ((g = first(u)) != NULL)
		grave_free(u, g);
	heap_clear(&u->order);
	idmap_clear(&u->graves);
	free(u);
	q->undo = NULL;
}

static struct passage *
passage_new(struct undo *u, struct batch *b, uint64_t id)
{
	struct passage *p = mem_alloc(sizeof(*p));

	p->undo = u;
	p->id = id;
	TAILQ_INSERT_TAIL(&b->coming, p, link);
	u->passages++;
	return p;
}

static void
passage_free(struct undo *u, struct passage *p)
{
	content_release(&u->q->queue, &p->writing.content);
	buf_clear(&p->writing.head);
	free(p);
	u->passages--;
}

static void
batch_begin(struct batch *b)
{
	b->stage = COPYING;
	TAILQ_CONCAT(&b->under_way, &b->coming, link);
}

/* A name that is left in deleted/ would be taken for a deleted message when the
 * one that has left has been delivered: so that waits.  Where the disk has no
 * more to say it does until the next start. */
static void
batch_clear(struct batch *b, void (*cleared)(struct store_wait *, bool))
{
	b->stage = CLEARING;
	b->wait.fn = cleared;
	store_barrier(b->undo->q->store, &b->wait);
}

static void
clear_again(void *arg)
{
	struct batch *b = arg;

	batch_clear(b, b->wait.fn);
}

static void
batch_end(struct batch *b)
{
	b->stage = RESTING;
	control_goes_on(b->undo->q);
}

bool
undo_is_busy(const struct qmgr *q)
{
	return q->undo->passages > 0;
}

uint64_t
undo_failures(const struct qmgr *q)
{
	return q->undo->failures;
}

size_t
undo_load(const struct qmgr *q)
{
	return q->undo->passages;
}

bool
undo_is_offered(const struct qmgr *q)
{
	return q->conf->queue_undo > 0 && q->conf->queue_undo_size > 0;
}

/* ---- in ----------------------------------------------------------------- */

int64_t
undo_time(struct qmgr *q)
{
	struct undo *u = q->undo;
	int64_t now = clock_wall_ms();

	u->last_time = now > u->last_time ? now : u->last_time + 1;
	return u->last_time;
}

void
undo_bury(struct qmgr *q, struct entry *e)
{
	struct undo *u = q->undo;

	e->burying = true;
	passage_new(u, &u->in, e->id)->e = e;
	bury_next(u);
}

static void
bury_next(struct undo *u)
{
	struct passage *p, *next;

	if (u->in.stage != RESTING || TAILQ_EMPTY(&u->in.coming))
		return;
	batch_begin(&u->in);
	u->in.open = 1;		/* this one's */
	TAILQ_FOREACH_SAFE(p, &u->in.under_way, link, next) {
		u->in.open++;
		bury_one(u, p);
	}
	u->in.open--;
	bury_copied(u);
}

/* Where a file is being made of it just now, that is what is linked: it comes
 * before on the lane.  If it cannot be made this fails, too. */
static void
bury_one(struct undo *u, struct passage *p)
{
	struct entry *e = p->e;
	struct migration *m = &p->writing;

	if (e->has_file || e->migrating) {
		p->linking = (struct linking){ .from = STORE_DEFERRED,
			.to = STORE_DELETED, .id = p->id,
			.mtime = e->delete_at };
		p->linking.wait.fn = linked;
		store_link(u->q->store, &p->linking);
		return;
	}
	migration_init(m, e);
	m->dir = STORE_DELETED;
	m->mtime = e->delete_at;
	m->content = e->content;
	if (m->content != NULL)
		m->content->refs++;
	m->segment = e->young.segment;
	m->at = e->young.at + e->content_off;
	m->wait.fn = written;
	store_migrate(u->q->store, m);
}

static void
linked(struct store_wait *w, bool ok)
{
	struct passage *p = PASSAGE_OF(w, linking);

	p->failed = !ok;
	p->bytes = p->linking.size;
	p->undo->in.open--;
	bury_copied(p->undo);
}

static void
written(struct store_wait *w, bool ok)
{
	struct passage *p = PASSAGE_OF(w, writing);

	p->failed = !ok;
	p->bytes = p->writing.size;
	content_release(&p->undo->q->queue, &p->writing.content);
	p->undo->in.open--;
	bury_copied(p->undo);
}

static void
bury_copied(struct undo *u)
{
	if (u->in.open > 0)
		return;
	u->in.stage = SYNCING;
	u->in.wait.fn = bury_synced;
	store_barrier(u->q->store, &u->in.wait);
}

static void
bury_synced(struct store_wait *w, bool ok)
{
	struct undo *u = ((struct batch *)(void *)w)->undo;
	struct passage *p;
	bool all = true;

	TAILQ_FOREACH(p, &u->in.under_way, link)
		if (!ok || p->failed) {
			p->failed = true;
			store_unlink_deleted(u->q->store, p->id);
			all = false;
		}
	if (all)
		bury_cleared(w, true);
	else
		batch_clear(&u->in, bury_cleared);
}

static void
bury_cleared(struct store_wait *w, bool ok)
{
	struct undo *u = ((struct batch *)(void *)w)->undo;
	struct passage *p;

	if (!ok) {
		ev_timer_set(&u->in.again, CLEAR_AGAIN_MS);
		return;
	}
	while ((p = TAILQ_FIRST(&u->in.under_way)) != NULL) {
		TAILQ_REMOVE(&u->in.under_way, p, link);
		buried(u, p);
		passage_free(u, p);
	}
	batch_end(&u->in);
	bury_next(u);
}

/* What cannot be kept is not deleted either. */
static void
buried(struct undo *u, struct passage *p)
{
	struct entry *e = p->e;
	bool large = (e->flags & ENTRY_LARGE) != 0;
	struct grave *g;

	e->burying = false;
	if (!p->failed) {
		g = grave_add(u, p->id, e->delete_at, p->bytes +
		    (large ? e->large_n : 0));
		g->large = large;
		g->steps = e->slot->steps;
		e->buried = true;
	} else {
		log_warn("id=%s event=not-deleted why=\"it could not be "
		    "written to deleted/\"", id_text(p->id));
		u->failures++;
		e->delete_at = 0;
		e->delete = false;
	}
	entry_pin(e);
	entry_unpin(u->q, &e);
}

/* ---- out ---------------------------------------------------------------- */

void
undo_restore(struct qmgr *q, uint64_t id, bool held)
{
	struct undo *u = q->undo;
	struct grave *g = idmap_find(&u->graves, id);
	struct passage *p;

	if (g == NULL || g->leaving)
		return;
	g->leaving = true;
	p = mem_alloc(sizeof(*p));
	p->undo = u;
	p->id = id;
	p->held = held;
	p->back.fn = back_recorded;
	u->passages++;
	journal_add(q->journal, REC_BACK, id, NULL, 0, JOURNAL_SOON |
	    JOURNAL_STUBBORN | JOURNAL_FILES, &p->back, NULL);
}

static void
back_recorded(struct journal_wait *w, bool durable)
{
	struct passage *p = PASSAGE_OF(w, back);

	(void)durable;		/* STUBBORN */
	TAILQ_INSERT_TAIL(&p->undo->out.coming, p, link);
	restore_next(p->undo);
}

static void
restore_next(struct undo *u)
{
	struct passage *p, *next;

	if (u->out.stage != RESTING || TAILQ_EMPTY(&u->out.coming))
		return;
	batch_begin(&u->out);
	u->out.open = 1;
	TAILQ_FOREACH_SAFE(p, &u->out.under_way, link, next) {
		u->out.open++;
		p->linking = (struct linking){ .from = STORE_DELETED,
			.to = STORE_DEFERRED, .id = p->id,
			.mtime = p->held ? HELD_MTIME_S * 1000 :
			    clock_wall_ms() };
		p->linking.wait.fn = came_back;
		store_link(u->q->store, &p->linking);
	}
	u->out.open--;
	restore_copied(u);
}

static void
came_back(struct store_wait *w, bool ok)
{
	struct passage *p = PASSAGE_OF(w, linking);

	p->failed = !ok;
	if (!ok)
		log_error("id=%s event=not-back error=%s", id_text(p->id),
		    LOG_Q(slice_str(strerror(p->linking.error))));
	p->undo->out.open--;
	restore_copied(p->undo);
}

static void
restore_copied(struct undo *u)
{
	if (u->out.open > 0)
		return;
	u->out.stage = SYNCING;
	u->out.wait.fn = restore_synced;
	store_barrier(u->q->store, &u->out.wait);
}

static void
restore_synced(struct store_wait *w, bool ok)
{
	struct undo *u = ((struct batch *)(void *)w)->undo;
	struct passage *p;

	TAILQ_FOREACH(p, &u->out.under_way, link)
		if (ok && !p->failed)
			store_unlink_deleted(u->q->store, p->id);
		else
			p->failed = true;
	batch_clear(&u->out, restore_cleared);
}

static void
restore_cleared(struct store_wait *w, bool ok)
{
	struct undo *u = ((struct batch *)(void *)w)->undo;
	struct queue *qu = &u->q->queue;
	struct passage *p;
	struct grave *g;
	struct slot *s;

	if (!ok) {
		ev_timer_set(&u->out.again, CLEAR_AGAIN_MS);
		return;
	}
	while ((p = TAILQ_FIRST(&u->out.under_way)) != NULL) {
		TAILQ_REMOVE(&u->out.under_way, p, link);
		g = idmap_find(&u->graves, p->id);
		if (p->failed) {
			g->leaving = false;
			u->failures++;
		} else {
			s = queue_slot_new(qu, p->id);
			s->steps = g->steps;
			s->wake = true;
			if (p->held)
				slot_enter(qu, s, SLOT_HELD);
			else
				slot_wait(qu, s, clock_now(u->q));
			grave_free(u, g);
		}
		passage_free(u, p);
	}
	qmgr_due_changed(u->q);
	batch_end(&u->out);
	restore_next(u);
}

/* ---- what there is ------------------------------------------------------ */

static struct grave *
grave_add(struct undo *u, uint64_t id, int64_t when, uint64_t bytes)
{
	struct grave *g = idmap_find(&u->graves, id);

	if (g != NULL)
		grave_free(u, g);
	g = mem_alloc(sizeof(*g));
	g->id = id;
	g->bytes = bytes + GRAVE_BYTES;
	u->bytes += g->bytes;
	if (when > u->last_time)
		u->last_time = when;
	idmap_add(&u->graves, g);
	heap_set(&u->order, &g->when, when);
	return g;
}

static void
grave_free(struct undo *u, struct grave *g)
{
	idmap_remove(&u->graves, g->id);
	heap_remove(&u->order, &g->when);
	u->bytes -= g->bytes;
	free(g);
}

void
undo_found(struct qmgr *q, uint64_t id, int64_t when, uint64_t bytes)
{
	struct grave *g = grave_add(q->undo, id, when, bytes);

	g->steps = clock_known(&q->clock, id);
}

bool
undo_found_large(struct qmgr *q, uint64_t id, uint64_t bytes)
{
	struct grave *g = idmap_find(&q->undo->graves, id);

	if (g == NULL)
		return false;
	if (!g->large) {
		g->large = true;
		g->bytes += bytes;
		q->undo->bytes += bytes;
	}
	return true;
}

bool
undo_has(const struct qmgr *q, uint64_t id)
{
	const struct grave *g = idmap_find(&q->undo->graves, id);

	return g != NULL && !g->leaving;
}

int64_t
undo_until(const struct qmgr *q, uint64_t id)
{
	const struct grave *g = idmap_find(&q->undo->graves, id);

	return g == NULL ? 1 : g->when.when + q->conf->queue_undo;
}

static int64_t
latest(const struct undo *u)
{
	const struct grave *g;
	size_t cursor = 0;
	int64_t when = 0;

	while ((g = idmap_next(&u->graves, &cursor)) != NULL)
		if (g->when.when > when)
			when = g->when.when;
	return when;
}

uint64_t *
undo_ids(const struct qmgr *q, bool last, size_t *n_r)
{
	const struct undo *u = q->undo;
	uint64_t *ids = mem_array(u->graves.n + 1, sizeof(*ids));
	int64_t from = last ? latest(u) : 0;
	const struct grave *g;
	size_t cursor = 0;

	*n_r = 0;
	while ((g = idmap_next(&u->graves, &cursor)) != NULL)
		if (g->when.when >= from)
			ids[(*n_r)++] = g->id;
	return ids;
}

/* The oldest go when their time is over, or there are too many bytes. */
void
undo_tick(struct qmgr *q)
{
	struct undo *u = q->undo;
	int64_t now = clock_wall_ms();
	struct grave *g;
	unsigned n = 0, purged = 0;

	if (q->walk != NULL || q->stopping)
		return;
	for (; n < PURGES_A_TICK && (g = first(u)) != NULL; n++) {
		if (g->leaving || (g->when.when + q->conf->queue_undo > now &&
		    u->bytes <= q->conf->queue_undo_size))
			break;
		store_unlink_deleted(q->store, g->id);
		if (g->large)
			store_unlink_large(q->store, g->id);
		grave_free(u, g);
		purged++;
	}
	if (purged > 0)
		log_info("event=undo-purged messages=%u left=%zu", purged,
		    u->graves.n);
}

void
undo_status(const struct qmgr *q, struct buf *b)
{
	if (q->undo->graves.n > 0)
		buf_printf(b, " deleted=%zu", q->undo->graves.n);
}
