/* SPDX-License-Identifier: ISC */
/*
 * recover - what was there when we started (Q3).
 *
 * The journal is read first, oldest record first.  A message whose MESSAGE
 * record is found is young, and the journal knows all that happened to it; a
 * file with its id is a migration that was not finished, or not yet needed,
 * and is removed.  Records about other messages are about files: what the file
 * does not have yet is added to it, when it can be read (unread.h).
 *
 * Then the directories are walked: of each file only name and time are looked
 * at.  What is in deleted/ can be had back, unless its message is in the queue
 * or has ended otherwise: then a name was left by an end of ours.
 * Large files that belong to no message are removed.  A million files
 * take seconds, or on a cold disk minutes, so service begins before: each
 * directory is listed on the files' lane, between what else is done there.
 * Until that is over `qmgr.walk` is set, and
 *
 *	- an id that is not known may be one of a file not seen yet: tools that
 *	  name messages, and files in taken/, wait;
 *	- what has ended, by the journal or since, is remembered, because a
 *	  listing may still show its file;
 *	- a young message's file is removed as it is found, unless a migration
 *	  is under way that writes it anew;
 *	- ids above walk.boundary were given out since, so their large files are
 *	  no orphans.
 *
 * In the end who was in the queue at the last stop (muster.h) is in it, or has
 * ended since, or is missed.
 *
 * Without a journal that says which ids are given out, new ones are safe only
 * when all files are known: the walk is then carried out at once.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "muster.h"
#include "old.h"
#include "qmgr.h"
#include "unread.h"

#define MISSED_TOLD	100	/* messages, each by a line of the log */

struct recovery {
	struct qmgr	*q;
	uint64_t	 records;
	uint64_t	 damaged;
	uint64_t	 highest;	/* queue id */
};

/* A message that has ended. */
struct gone {
	uint64_t	 id;		/* first: idmap */
	bool		 stale;		/* a file that is found is not needed */
	bool		 kept;		/* what is in deleted/ is its own */
};

struct walk {
	struct listing	 l;		/* first */
	struct qmgr	*q;
	size_t		 top;		/* which of walked[] */
	uint64_t	 boundary;	/* the highest id of before */
	struct idmap	 gone;		/* owned, with its things */
	struct muster	 muster;	/* who was there at the last stop */
	int64_t		 start;
	uint64_t	 files;
	uint64_t	 orphans;
	bool		 partial;	/* something could not be listed */
	bool		 ending;	/* what it asked to be removed is */
};

static void	 take_record(void *, const struct record *);
static void	 take_damage(void *, const struct journal_damage *);
static void	 take_message(struct recovery *, const struct record *);
static void	 take_change(struct recovery *, uint64_t id, uint16_t type,
		    struct slice body);
static struct entry *entry_of_file(struct recovery *, uint64_t id,
		    bool *unreadable);
static void	 take_done(struct recovery *, const struct record *);
static void	 take_back(struct recovery *, uint64_t id);
static void	 settle_all(struct recovery *);
static void	 walk_init(struct qmgr *);
static void	 walk_start(struct qmgr *);
static void	 take_muster(struct walk *);
static void	 remember(struct walk *, uint64_t id, bool stale,
		    bool kept);
static void	 listed(struct store_wait *, bool ok);
static void	 take_file(struct walk *, const struct listed *);
static void	 take_deleted(struct walk *, const struct listed *);
static void	 take_large(struct walk *, const struct listed *);
static void	 walk_over(struct walk *);
static void	 miss_messages(const struct walk *);

/* In this order: each needs to know what was found before. */
static const struct {
	const char	*dir;
	void		(*take)(struct walk *, const struct listed *);
} walked[] = {
	{ STORE_DEFERRED,	take_file },
	{ STORE_DELETED,	take_deleted },
	{ STORE_LARGE,		take_large },
};

int
recover(struct qmgr *q)
{
	struct recovery r = { .q = q };
	int64_t start = clock_mono_ms();

	walk_init(q);
	journal_replay(q->journal, take_record, take_damage, &r);
	settle_all(&r);
	unread_settle(q);
	q->ids_reserved = q->ids_asked = journal_ids(q->journal);
	q->last_id = r.highest > q->ids_reserved ? r.highest :
	    q->ids_reserved;
	journal_start(q->journal);
	log_info("event=recovered messages=%zu records=%llu damaged=%llu "
	    "ms=%lld", q->queue.slots.n, (unsigned long long)r.records,
	    (unsigned long long)r.damaged,
	    (long long)(clock_mono_ms() - start));
	walk_start(q);
	if (q->ids_reserved == 0)
		while (q->walk != NULL)
			disk_lane_drain(q->files);
	return 0;
}

static void
take_damage(void *arg, const struct journal_damage *d)
{
	struct recovery *r = arg;

	r->damaged++;
	switch (d->kind) {
	case DAMAGE_RECORDS:
	case DAMAGE_TAIL:
	case DAMAGE_SEGMENT:
		store_save_damage(r->q->dir, d);
		break;
	case DAMAGE_HEADER:
		log_error("event=journal-damaged segment=%s what=header",
		    d->name);
		break;
	case DAMAGE_SHORT:
		log_error("event=journal-damaged segment=%s what=length "
		    "bytes=%llu of=%llu", d->name, (unsigned long long)d->from,
		    (unsigned long long)d->to);
		break;
	case DAMAGE_EMPTIED:
		log_error("event=journal-damaged segment=%s what=emptied "
		    "bytes=%llu", d->name, (unsigned long long)d->to);
		break;
	case DAMAGE_MISSING:
		log_error("event=segment-missing segment=%s generation=%llu",
		    d->name, (unsigned long long)d->generation);
		break;
	case DAMAGE_UNOPENED:
		break;		/* then there is no recovery */
	}
}

static void
log_bad_record(uint64_t id, uint16_t type)
{
	log_error("id=%s event=bad-record type=%u", id_text(id),
	    (unsigned)type);
}

static void
bad_record(struct recovery *r, uint64_t id, uint16_t type)
{
	r->damaged++;
	log_bad_record(id, type);
}

static void
take_record(void *arg, const struct record *rec)
{
	struct recovery *r = arg;
	struct wire w = wire_of(rec->body);
	uint64_t ids;

	r->records++;
	if (rec->id > r->highest)
		r->highest = rec->id;
	switch (rec->type) {
	case REC_MESSAGE:
		take_message(r, rec);
		break;
	case REC_STATUS:
	case REC_EXPAND:
	case REC_HOLD:
	case REC_REROUTE:
		take_change(r, rec->id, rec->type, rec->body);
		break;
	case REC_DONE:
		take_done(r, rec);
		break;
	case REC_BACK:
		take_back(r, rec->id);
		break;
	case REC_IDS:
		ids = get_u64(&w);
		if (wire_done(&w) && ids > journal_ids(r->q->journal))
			journal_set_ids(r->q->journal, ids);
		break;
	case REC_VOID:
		break;
	default:
		bad_record(r, rec->id, rec->type);
		break;
	}
}

static struct slot *
slot_found(struct qmgr *q, uint64_t id)
{
	struct slot *s = queue_slot_new(&q->queue, id);

	s->steps = clock_known(&q->clock, id);
	return s;
}

static void
forget(struct recovery *r, struct slot *s)
{
	if (s->entry != NULL) {
		journal_release(r->q->journal, &s->entry->young);
		entry_free(&r->q->queue, &s->entry);
	}
	queue_slot_free(&r->q->queue, &s);
}

static void
take_message(struct recovery *r, const struct record *rec)
{
	struct queue *qu = &r->q->queue;
	struct slot *s = queue_find(qu, rec->id);
	struct message_body m;
	struct entry *e;

	if (!message_unpack(rec->body, &m)) {
		bad_record(r, rec->id, rec->type);
		return;
	}
	/* Written again after a commit that failed in part. */
	if (s != NULL)
		forget(r, s);
	s = slot_found(r->q, rec->id);
	e = entry_new(qu, s, m.envelope);
	if (e == NULL) {
		queue_slot_free(qu, &s);
		bad_record(r, rec->id, rec->type);
		return;
	}
	e->q = r->q;
	e->flags = m.flags;
	e->large_n = m.large_n;
	e->large_crc = m.large_crc;
	e->report_of = m.report_of;
	e->content_n = (uint32_t)m.content.n;
	e->content_off = (uint32_t)(rec->body.n - m.content.n);
	journal_keep(r->q->journal, &e->young, rec);
	if (e->env.extras.login.n > 0 &&
	    e->env.arrived_ms > limits_saved(r->q))
		limits_count(r->q, e->env.extras.login, e->nrcpts,
		    e->env.arrived_ms);
	if (m.status.n > 0)
		take_change(r, m.report_of, REC_STATUS, m.status);
}

static void
take_change(struct recovery *r, uint64_t id, uint16_t type, struct slice body)
{
	struct slot *s = queue_find(&r->q->queue, id);
	bool unreadable = unread_has(r->q, id);
	struct entry *e = s != NULL ? s->entry :
	    unreadable || walk_has_ended(r->q, id) ? NULL :
	    entry_of_file(r, id, &unreadable);

	if (unreadable)
		unread_add(r->q, id, type, body);
	else if (e != NULL && recover_change(r->q, e, type, body) == -1)
		r->damaged++;
	/* Or the message has ended since. */
}

int
recover_change(struct qmgr *q, struct entry *e, uint16_t type,
    struct slice body)
{
	switch (record_apply(&q->queue, e, type, body, true)) {
	case APPLIED:
		if (!e->has_file)
			break;
		store_append(q->store, e->id, e->file_end, type, body,
		    e->held ? HELD_MTIME_S * 1000 : e->next_ms);
		e->file_end += store_append_bytes(body.n);
		break;
	case APPLIED_OLD:
		break;
	case APPLIED_BAD:
		log_bad_record(e->id, type);
		return -1;
	}
	return 0;
}

static struct entry *
entry_of_file(struct recovery *r, uint64_t id, bool *unreadable)
{
	struct load l = { .id = id, .head_only = true };
	struct slot *s = NULL;
	struct entry *e = NULL;

	if (store_read(r->q->dir, &l) == 0) {
		s = slot_found(r->q, id);
		e = stored_entry(&r->q->queue, s, buf_slice(&l.bytes), id,
		    true);
		if (e == NULL)
			old_damaged(r->q, &s, 0);
		else
			e->q = r->q;
	} else if (l.error == EFBIG) {
		s = slot_found(r->q, id);
		old_damaged(r->q, &s, l.error);
	} else if (l.error != ENOENT) {
		*unreadable = true;
		log_error("id=%s event=file-unreadable error=%s", id_text(id),
		    LOG_Q(slice_str(strerror(l.error))));
	}
	buf_clear(&l.bytes);
	return e;
}

static void
take_done(struct recovery *r, const struct record *rec)
{
	struct slot *s = queue_find(&r->q->queue, rec->id);

	if (s != NULL)
		forget(r, s);
	unread_ended(r->q, rec->id, true);
	remember(r->q->walk, rec->id, true, rec->body.n > 0);
}

static void
take_back(struct recovery *r, uint64_t id)
{
	struct walk *w = r->q->walk;
	struct gone *g = idmap_find(&w->gone, id);

	if (g == NULL)
		return;
	unread_ended(r->q, id, false);
	idmap_remove(&w->gone, id);
	free(g);
}

/* Who has an entry: the young, and the old whose file was read. */
static void
settle_all(struct recovery *r)
{
	struct queue *qu = &r->q->queue;
	size_t cursor = 0;
	struct slot *s;
	struct entry *e;
	uint32_t i;

	while ((s = idmap_next(&qu->slots, &cursor)) != NULL) {
		e = s->entry;
		if (e == NULL)
			continue;
		for (i = 0; i < e->nrcpts; i++)
			e->rcpts[i].flags |= RCPT_MAYBE_DONE;
		if (e->held)
			slot_enter(qu, s, SLOT_HELD);
		else
			slot_wait_again(r->q, s, e->next_ms);
		if (e->has_file && e->owing == 0 && e->open > 0)
			entry_free(qu, &s->entry);
	}
}

/* ---- the walk ----------------------------------------------------------- */

static void
walk_init(struct qmgr *q)
{
	struct walk *w = mem_alloc(sizeof(*w));

	w->q = q;
	w->l.dir = walked[0].dir;
	w->l.wait.fn = listed;
	q->walk = w;
}

static void
walk_start(struct qmgr *q)
{
	struct walk *w = q->walk;

	w->boundary = q->last_id;
	w->start = clock_mono_ms();
	take_muster(w);
	store_walk_next(q->store, &w->l);
}

static void
take_muster(struct walk *w)
{
	struct qmgr *q = w->q;

	if (q->read_only)
		return;
	if (muster_read(q->dir, q->ids_reserved, &w->muster) == -1 ||
	    muster_remove(q->dir) == -1)
		log_error("event=messages-unknown file=" MUSTER_FILE
		    " error=%s", LOG_Q(slice_str(strerror(errno))));
}

static void
listed(struct store_wait *sw, bool ok)
{
	struct walk *w = (struct walk *)(void *)sw;
	struct qmgr *q = w->q;
	const char *name = w->l.foreign.p;
	size_t i;

	if (w->ending) {
		walk_over(w);
		return;
	}
	if (q->stopping) {
		walk_clear(q);
		return;
	}
	if (!ok) {
		w->partial = true;
		log_error("event=directory-unreadable name=%s/%02x error=%s",
		    w->l.dir, w->l.number,
		    LOG_Q(slice_str(strerror(w->l.error))));
	}
	for (; name < w->l.foreign.p + w->l.foreign.n; name += strlen(name) + 1)
		log_warn("event=foreign-file dir=%s/%02x name=%s", w->l.dir,
		    w->l.number, LOG_Q(slice_str(name)));
	for (i = 0; i < w->l.n; i++)
		walked[w->top].take(w, &w->l.files[i]);
	qmgr_due_changed(q);
	if (++w->l.number < STORE_DIRS) {
		store_walk_next(q->store, &w->l);
	} else if (++w->top < sizeof(walked) / sizeof(walked[0])) {
		w->l.dir = walked[w->top].dir;
		w->l.number = 0;
		store_walk_next(q->store, &w->l);
	} else {
		w->ending = true;
		store_fence(q->store, &w->l.wait);
	}
}

static void
take_file(struct walk *w, const struct listed *f)
{
	struct qmgr *q = w->q;
	struct queue *qu = &q->queue;
	struct slot *s = queue_find(qu, f->id);
	const struct gone *gone = idmap_find(&w->gone, f->id);

	if (gone != NULL ? gone->stale : s != NULL && s->entry != NULL &&
	    !s->entry->has_file && !s->entry->migrating)
		store_unlink(q->store, f->id);
	if (gone != NULL || s != NULL)
		return;
	w->files++;
	if (f->id > q->last_id)
		q->last_id = f->id;
	s = slot_found(q, f->id);
	if (f->mtime >= HELD_MTIME_S * 1000)
		slot_enter(qu, s, SLOT_HELD);
	else
		slot_wait_again(q, s, f->mtime);
}

/* A message that is known is in the queue: it was about to be deleted, or has
 * come back (undo.c); or it was, and has been delivered since. */
static void
take_deleted(struct walk *w, const struct listed *f)
{
	struct qmgr *q = w->q;
	const struct gone *gone = idmap_find(&w->gone, f->id);

	if (queue_find(&q->queue, f->id) != NULL ||
	    (gone != NULL && !gone->kept))
		store_unlink_deleted(q->store, f->id);
	else
		undo_found(q, f->id, f->mtime, f->size);
}

static void
take_large(struct walk *w, const struct listed *f)
{
	const struct gone *gone = idmap_find(&w->gone, f->id);
	uint64_t id = f->id;

	/* Who ended since the start removes it himself; of who ended before,
	 * the removal may have been cut off.  Of who is known by its file
	 * alone, that may not have been seen. */
	if (id > w->boundary || (w->partial && gone == NULL) ||
	    queue_find(&w->q->queue, id) != NULL ||
	    (gone != NULL && !gone->stale) ||
	    undo_found_large(w->q, id, f->size))
		return;
	w->orphans++;
	store_unlink_large(w->q->store, id);
}

static void
remember(struct walk *w, uint64_t id, bool stale, bool kept)
{
	struct gone *g = idmap_find(&w->gone, id);

	if (g == NULL) {
		g = mem_alloc(sizeof(*g));
		g->id = id;
		idmap_add(&w->gone, g);
	}
	g->stale = stale;
	g->kept = kept;
}

void
walk_ended(struct qmgr *q, uint64_t id, bool stale, bool kept)
{
	/* One of this run that was never moved to a file cannot be found. */
	if (q->walk != NULL && (id <= q->walk->boundary || !stale))
		remember(q->walk, id, stale, kept);
}

bool
walk_may_find(const struct qmgr *q, uint64_t id)
{
	return q->walk != NULL && id <= q->walk->boundary;
}

bool
walk_has_ended(const struct qmgr *q, uint64_t id)
{
	return q->walk != NULL && idmap_find(&q->walk->gone, id) != NULL;
}

void
walk_status(const struct qmgr *q, struct buf *b)
{
	const struct walk *w = q->walk;

	if (w != NULL)
		buf_printf(b, " reading=%s/%02x", w->l.dir, w->l.number);
}

static void
walk_over(struct walk *w)
{
	struct qmgr *q = w->q;

	log_info("event=queue-read messages=%zu files=%llu orphans=%llu "
	    "ms=%lld", q->queue.slots.n, (unsigned long long)w->files,
	    (unsigned long long)w->orphans,
	    (long long)(clock_mono_ms() - w->start));
	/* Of a directory that could not be listed nobody is known. */
	if (!w->partial)
		miss_messages(w);
	if (!q->read_only)
		drop_recover(q);
	walk_clear(q);
	drop_take_in(q);
	control_walked(q);
}

static void
miss_messages(const struct walk *w)
{
	const struct qmgr *q = w->q;
	size_t i, missed = 0;
	uint64_t id;

	for (i = 0; i < w->muster.n; i++) {
		id = w->muster.ids[i];
		if (queue_find(&q->queue, id) != NULL ||
		    walk_has_ended(q, id))
			continue;
		if (missed++ < MISSED_TOLD)
			log_error("id=%s event=message-missing file=%s",
			    id_text(id), store_name(STORE_DEFERRED, id).s);
	}
	if (missed > 0)
		log_error("event=messages-missing number=%zu of=%zu", missed,
		    w->muster.n);
}

void
walk_clear(struct qmgr *q)
{
	struct walk *w = q->walk;
	struct gone *g;
	size_t cursor = 0;

	q->walk = NULL;
	if (w == NULL)
		return;
	while ((g = idmap_next(&w->gone, &cursor)) != NULL)
		free(g);
	idmap_clear(&w->gone);
	listing_clear(&w->l);
	muster_clear(&w->muster);
	free(w);
}
