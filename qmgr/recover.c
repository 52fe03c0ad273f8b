/* SPDX-License-Identifier: ISC */
/*
 * recover - what was there when we started (Q3).
 *
 * The journal is read first, oldest record first.  A message whose MESSAGE
 * record is found is young, and the journal knows all that happened to it; a
 * file with its id is a migration that was not finished, or not yet needed,
 * and is removed.  Records about other messages are about files: what the file
 * does not have yet is added to it.
 *
 * Then the directories are walked: of each file only name, size and time are
 * looked at.  Large files that belong to no message are removed.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "old.h"
#include "qmgr.h"

struct recovery {
	struct qmgr	*q;
	uint64_t	 records;
	uint64_t	 damaged;
	uint64_t	 highest;	/* queue id */
	uint64_t	 files;
	uint64_t	 orphans;
};

static void	 take_record(void *, const struct record *);
static void	 take_damage(void *, const struct journal_damage *);
static void	 take_message(struct recovery *, const struct record *);
static void	 take_change(struct recovery *, uint64_t id, uint16_t type,
		    struct slice body);
static struct entry *entry_of_file(struct recovery *, uint64_t id);
static void	 take_done(struct recovery *, uint64_t id);
static void	 take_file(void *, uint64_t id, const struct stat *);
static void	 take_large(void *, uint64_t id, const struct stat *);
static void	 settle_all(struct recovery *);

int
recover(struct qmgr *q)
{
	struct recovery r = { .q = q };
	int64_t start = clock_mono_ms();

	journal_replay(q->journal, take_record, take_damage, &r);
	store_walk(q->dir, "deferred", take_file, &r);
	store_walk(q->dir, "large", take_large, &r);
	settle_all(&r);
	q->ids_reserved = q->ids_asked = journal_ids(q->journal);
	q->last_id = r.highest > q->ids_reserved ? r.highest :
	    q->ids_reserved;
	journal_start(q->journal);
	log_info("event=recovered messages=%zu records=%llu files=%llu "
	    "orphans=%llu damaged=%llu ms=%lld", q->queue.slots.n,
	    (unsigned long long)r.records, (unsigned long long)r.files,
	    (unsigned long long)r.orphans, (unsigned long long)r.damaged,
	    (long long)(clock_mono_ms() - start));
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
	}
}

static void
bad_record(struct recovery *r, uint64_t id, uint16_t type)
{
	r->damaged++;
	log_error("id=%s event=bad-record type=%u", id_text(id),
	    (unsigned)type);
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
		take_change(r, rec->id, rec->type, rec->body);
		break;
	case REC_DONE:
		take_done(r, rec->id);
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
	s = queue_slot_new(qu, rec->id);
	e = entry_new(qu, s, m.envelope);
	if (e == NULL) {
		queue_slot_free(qu, &s);
		bad_record(r, rec->id, rec->type);
		return;
	}
	e->q = r->q;
	e->flags = m.flags;
	e->large_n = m.large_n;
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
	struct entry *e = s != NULL ? s->entry : entry_of_file(r, id);

	if (e == NULL)
		return;		/* the message has ended since */
	switch (record_apply(&r->q->queue, e, type, body, true)) {
	case APPLIED:
		if (!e->has_file)
			break;
		store_append(r->q->store, id, e->file_end, type, body,
		    e->held ? HELD_MTIME_S * 1000 : e->next_ms);
		e->file_end += store_append_bytes(body.n);
		break;
	case APPLIED_OLD:
		break;
	case APPLIED_BAD:
		bad_record(r, id, type);
		break;
	}
}

static struct entry *
entry_of_file(struct recovery *r, uint64_t id)
{
	struct load l = { .id = id, .head_only = true };
	struct slot *s = NULL;
	struct entry *e = NULL;

	if (store_read(r->q->dir, &l) == 0) {
		s = queue_slot_new(&r->q->queue, id);
		e = stored_entry(&r->q->queue, s, buf_slice(&l.bytes), id,
		    true);
		if (e == NULL)
			old_damaged(r->q, &s, 0);
		else
			e->q = r->q;
	} else if (l.error != ENOENT)
		log_error("id=%s event=file-unreadable error=%s", id_text(id),
		    LOG_Q(slice_str(strerror(l.error))));
	buf_clear(&l.bytes);
	return e;
}

static void
take_done(struct recovery *r, uint64_t id)
{
	struct slot *s = queue_find(&r->q->queue, id);

	if (s != NULL)
		forget(r, s);
	fs->unlinkat(r->q->dir, store_name("deferred", id).s, 0);
	drop_forget(r->q, id);
}

static void
take_file(void *arg, uint64_t id, const struct stat *st)
{
	struct recovery *r = arg;
	struct queue *qu = &r->q->queue;
	struct slot *s = queue_find(qu, id);

	if (s != NULL && s->entry != NULL && !s->entry->has_file) {
		store_unlink(r->q->store, id);
		return;
	}
	if (id > r->highest)
		r->highest = id;
	r->files++;
	if (s == NULL)
		s = queue_slot_new(qu, id);
	s->kbytes = (uint32_t)((st->st_size + 1023) / 1024);
	if (st->st_mtim.tv_sec >= HELD_MTIME_S)
		slot_enter(qu, s, SLOT_HELD);
	else
		slot_wait(qu, s, (int64_t)st->st_mtim.tv_sec * 1000 +
		    st->st_mtim.tv_nsec / 1000000);
}

static void
take_large(void *arg, uint64_t id, const struct stat *st)
{
	struct recovery *r = arg;

	(void)st;
	if (queue_find(&r->q->queue, id) != NULL)
		return;
	r->orphans++;
	store_unlink_large(r->q->store, id);
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
		s->kbytes = (uint32_t)((entry_size(e) + 1023) / 1024);
		if (e->held)
			slot_enter(qu, s, SLOT_HELD);
		else
			slot_wait(qu, s, e->next_ms);
		if (e->has_file && e->owing == 0 && e->open > 0)
			entry_free(qu, &s->entry);
	}
}
