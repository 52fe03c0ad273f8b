/* SPDX-License-Identifier: ISC */
/*
 * life - what becomes of a message, from durable to gone.
 *
 *	entry_begin() -> route.c -> deliver.c -> rcpt_decided(), or expand.c
 *	entry_unpin() -> settle() -> report.c, or sleep_until_due(), or end()
 *
 * Q2: end() is reached only when each recipient is DONE, and a recipient with
 * a report due is DONE only when that report is durable (report.c).
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "ipc/counters.h"
#include "old.h"
#include "qmgr.h"
#include "unread.h"

#define REPORT_RETRY_MS	60000
#define CROWDED_MS	60000
#define EARLY_MS	1000	/* a retry may be */
#define WAKES_A_TURN	500	/* of messages that are in memory */

static void	 log_outcome(const struct entry *, const struct rcpt *,
		    const struct outcome *, int64_t stay_ms);
static void	 decide_failed(struct qmgr *, struct entry *, struct rcpt *);
static void	 settle(struct qmgr *, struct entry **);
static void	 fail_open(struct qmgr *, struct entry *, const char *why,
		    struct enhanced);
static void	 write_status(struct qmgr *, struct entry *);
static void	 sleep_until_due(struct qmgr *, struct entry **);
static void	 end(struct qmgr *, struct entry **);
static void	 end_files(struct qmgr *, const struct entry *, bool file,
		    bool large, bool stray);
static void	 end_durable(struct journal_wait *, bool);
static void	 wait_drop(struct journal_wait *);
static void	 loaded(struct store_wait *, bool ok);

const char *
id_text(uint64_t id)
{
	static struct queue_id_text text[4];
	static unsigned next;

	text[next = (next + 1) % 4] = queue_id_text(id);
	return text[next].s;
}

/* Whether a call that failed so may succeed a little later. */
static bool
is_of_a_moment(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM;
}

/* ---- waking ------------------------------------------------------------- */

struct waking {
	struct load	 load;		/* first */
	struct qmgr	*q;
	uint16_t	 version;	/* of the slot */
};

void
slot_wake(struct qmgr *q, struct slot *s)
{
	struct waking *w;

	if (s->state != SLOT_WAITING && s->state != SLOT_HELD)
		return;
	hop_unwait(s);
	if (s->entry != NULL) {
		entry_begin(q, s->entry);
		return;
	}
	slot_enter(&q->queue, s, SLOT_LOADING);
	q->retrying++;
	q->loading++;
	w = mem_alloc(sizeof(*w));
	w->q = q;
	w->version = s->version;
	w->load.id = s->id;
	w->load.wait.fn = loaded;
	store_load(q->store, &w->load);
}

static void
loaded(struct store_wait *sw, bool ok)
{
	struct waking *w = (struct waking *)(void *)sw;
	struct qmgr *q = w->q;
	struct slot *s = queue_find(&q->queue, w->load.id);
	struct entry *e = NULL;

	q->retrying--;
	q->loading--;
	if (s == NULL || s->state != SLOT_LOADING)
		goto out;
	if (s->version != w->version) {
		/* A tool has changed it since: read it again. */
		slot_wait(&q->queue, s, clock_now(q));
		qmgr_due_changed(q);
		goto out;
	}
	if (ok)
		e = stored_entry(&q->queue, s, buf_slice(&w->load.bytes),
		    s->id, false);
	if (e != NULL) {
		e->q = q;
		unread_apply(q, e);
		entry_begin(q, e);
	} else if (!ok && w->load.error != ENOENT && w->load.error != EFBIG) {
		/* What could not be read may be as good as ever. */
		log_error("id=%s event=file-unreadable error=%s",
		    id_text(s->id), LOG_Q(slice_str(strerror(w->load.error))));
		slot_wait(&q->queue, s, clock_now(q) +
		    jitter(q->conf->queue_retry_first));
		qmgr_due_changed(q);
	} else
		old_damaged(q, &s, w->load.error);
out:
	buf_clear(&w->load.bytes);
	free(w);
	wake_due(q);
}

bool
wake_may(const struct qmgr *q)
{
	return !q->stopping && q->retrying < RETRIES_AT_ONCE && q->loading <
	    (q->walk == NULL ? LOADS_AT_ONCE : LOADS_IN_WALK);
}

void
wake_due(struct qmgr *q)
{
	int64_t now = clock_now(q);
	struct heap_node *n;
	unsigned i;

	for (i = 0; i < WAKES_A_TURN && wake_may(q) &&
	    (n = heap_first(&q->queue.due)) != NULL && n->when <= now; i++)
		slot_wake(q, (struct slot *)(void *)((char *)n -
		    offsetof(struct slot, due)));
	qmgr_due_changed(q);
}

/* What a pause keeps is not given up before it has been tried once more. */
static bool
is_expired(struct qmgr *q, struct entry *e, int64_t now)
{
	if (now < entry_expires(q, e))
		return false;
	e->slot->spared |= pause_keeps(q, e);
	return !e->slot->spared;
}

/* Woken for a warning or its end only, it is not tried.  A retry may be a
 * moment early, a release never (RFC 4865). */
static bool
is_time_to_try(const struct qmgr *q, const struct entry *e, int64_t now)
{
	return !e->held && !q->stopping && e->next_ms <= now + EARLY_MS &&
	    (e->env.extras.hold_ms <= 0 || entry_released(q, e) <= now);
}

void
entry_begin(struct qmgr *q, struct entry *e)
{
	uint32_t i, n = e->nrcpts;
	int64_t now = clock_now(q);

	hop_unwait(e->slot);
	slot_enter(&q->queue, e->slot, SLOT_ACTIVE);
	if (e->slot->wake)	/* but not before its release (RFC 4865) */
		e->next_ms = e->env.extras.hold_ms > 0 ?
		    entry_released(q, e) : 0;
	if (e->slot->attempts > 0 && !e->retry) {
		e->retry = true;
		q->retrying++;
	}
	entry_pin(e);
	if (is_time_to_try(q, e, now) && !is_expired(q, e, now)) {
		e->slot->wake = false;
		for (i = 0; i < n; i++)
			rcpt_begin(q, e, i);
	}
	entry_unpin(q, &e);
}

void
rcpt_begin(struct qmgr *q, struct entry *e, uint32_t number)
{
	struct rcpt *r = &e->rcpts[number];

	if (r->state != RCPT_NEW && r->state != RCPT_DEFERRED)
		return;
	e->tried = true;
	rcpt_enter(e, r, RCPT_ROUTING);
	route_ask(q, e, number);
}

/* ---- outcomes ----------------------------------------------------------- */

static struct slice
hop_name(const struct rcpt *r)
{
	return r->route == NULL || r->route->hop == NULL ? SLICE_EMPTY :
	    slice_str(r->route->hop->name);
}

static void
log_outcome(const struct entry *e, const struct rcpt *r,
    const struct outcome *o, int64_t delay)
{
	struct buf more = BUF_INIT(4096);

	if (o->took_ms > 0)
		buf_printf(&more, " took=%jd.%03d",
		    (intmax_t)(o->took_ms / 1000), (int)(o->took_ms % 1000));
	if (!slice_eq(r->address, r->original))
		buf_printf(&more, " orig=%s", LOG_Q(r->original));
	if (o->remote.n > 0)
		buf_printf(&more, " remote=%s", LOG_Q(o->remote));
	if (o->secured.n > 0)
		buf_printf(&more, " tls=%s", LOG_Q(o->secured));
	if (o->code != 0)
		buf_printf(&more, " code=%u", (unsigned)o->code);
	if (o->text.n > 0)
		buf_printf(&more, " text=%s", LOG_Q(o->text));
	log_info("id=%s event=%s rcpt=%s hop=%s delay=%lld.%03d "
	    "attempt=%u status=%s%s", id_text(e->id), outcome_name(o->status),
	    LOG_Q(r->address), LOG_Q(hop_name(r)),
	    (long long)(delay < 0 ? 0 : delay / 1000),
	    (int)(delay < 0 ? 0 : delay % 1000),
	    (unsigned)e->slot->attempts + 1, enhanced_text(o->enhanced).s,
	    buf_cstr(&more));
	buf_clear(&more);
}

void
rcpt_decided(struct qmgr *q, struct entry *e, struct rcpt *r,
    const struct outcome *o)
{
	bool success = rcpt_wants_success(e, r);
	int64_t stay_ms, stay_us;

	r->attempted_ms = clock_now(q);
	stay_ms = r->attempted_ms - entry_arrived(q, e);
	stay_us = 1000 * stay_ms;
	log_outcome(e, r, o, stay_ms);
	if (o->status == OUTCOME_DEFERRED || o->status == OUTCOME_FAILED ||
	    success)
		rcpt_set_outcome(&q->queue, e, r, o);
	rcpt_set_next_hop(&q->queue, e, r, hop_name(r));
	if (!(r->flags & RCPT_DIRTY)) {
		r->flags |= RCPT_DIRTY;
		e->dirty++;
	}
	/* A worker that died, or whose sync failed, may have stored it. */
	if (o->status == OUTCOME_DEFERRED)
		r->flags |= RCPT_MAYBE_DONE;
	else
		r->flags &= (uint8_t)~RCPT_MAYBE_DONE;
	switch (o->status) {
	case OUTCOME_DELIVERED:
	case OUTCOME_EXPANDED:
		count(QUEUE_DELIVERED);
		count_time(QUEUE_STAY, stay_us);
		rcpt_enter(e, r, success ? RCPT_OWING : RCPT_DONE);
		return;
	case OUTCOME_RELAYED:	/* the next host reports (RFC 3461 5.2.2) */
		count(QUEUE_RELAYED);
		count_time(QUEUE_STAY, stay_us);
		rcpt_enter(e, r, RCPT_DONE);
		return;
	case OUTCOME_RELAYED_NO_DSN:
		count(QUEUE_RELAYED);
		count_time(QUEUE_STAY, stay_us);
		rcpt_enter(e, r, success ? RCPT_OWING : RCPT_DONE);
		return;
	case OUTCOME_DEFERRED:
		count(QUEUE_DEFERRED);
		rcpt_enter(e, r, RCPT_DEFERRED);
		return;
	case OUTCOME_FAILED:
		count(QUEUE_FAILED);
		decide_failed(q, e, r);
		return;
	}
}

/* Is anybody to hear of it?  RFC 3461 4.1; nobody where the reverse-path is
 * null, but postmaster where that is configured. */
static void
decide_failed(struct qmgr *q, struct entry *e, struct rcpt *r)
{
	bool wanted = r->notify == 0 || r->notify & NOTIFY_FAILURE;

	if (e->senders[r->sender].n == 0) {
		log_warn("id=%s event=double-bounce rcpt=%s", id_text(e->id),
		    LOG_Q(r->address));
		wanted = q->conf->bounce_postmaster_copy;
	}
	if (e->flags & ENTRY_NO_REPORT)
		wanted = false;
	rcpt_enter(e, r, wanted ? RCPT_OWING : RCPT_DONE);
}

/* ---- what now? ---------------------------------------------------------- */

void
entry_unpin(struct qmgr *q, struct entry **ep)
{
	struct entry *e = *ep;

	assert(e->pins > 0);
	if (--e->pins == 0)
		settle(q, ep);
}

static void
settle(struct qmgr *q, struct entry **ep)
{
	struct entry *e = *ep;
	int64_t now = clock_now(q);

	if (e->slot->state != SLOT_ACTIVE || e->reporting || e->burying)
		return;
	e->pins++;	/* what follows decides recipients in its turn */
	if (e->routing == 0)
		deliver_go(q, e);
	if (e->busy == 0 && e->bounce)
		fail_open(q, e, "returned by the postmaster",
		    (struct enhanced){ 5, 0, 0 });
	else if (e->busy == 0 && !e->held && is_expired(q, e, now))
		fail_open(q, e, "delivery time expired",
		    (struct enhanced){ 5, 4, 7 });
	e->pins--;
	if (e->busy == 0)
		deliver_idle(q, e);
	if (e->busy > 0) {
		if (e->dirty > 0)
			write_status(q, e);
		return;
	}
	if (e->delete && e->delete_at != 0 && !e->buried &&
	    e->open + e->owing > 0) {
		if (e->dirty > 0)
			write_status(q, e);
		undo_bury(q, e);	/* settles it again */
		return;
	}
	if (e->delete || (e->open == 0 && e->owing == 0)) {
		end(q, ep);
		return;
	}
	if (!e->held && (e->owing > 0 || now >= report_delay_at(q, e))) {
		if (e->dirty > 0)
			write_status(q, e);
		if (e->owing > 0 ? report_start(q, e) :
		    report_delay(q, e, now))
			return;
	}
	sleep_until_due(q, ep);
}

int64_t
entry_arrived(const struct qmgr *q, const struct entry *e)
{
	return clock_ago(&q->clock, e->slot->steps, e->env.arrived_ms);
}

/* One from the future is released as long after its arrival as it asked for. */
int64_t
entry_released(const struct qmgr *q, const struct entry *e)
{
	int64_t at = entry_arrived(q, e), hold = e->env.extras.hold_ms;

	if (hold <= e->env.arrived_ms)
		return at;
	return at < e->env.arrived_ms ? hold - e->env.arrived_ms + at : hold;
}

int64_t
entry_by(const struct qmgr *q, const struct entry *e)
{
	return e->env.extras.by_ms - e->env.arrived_ms + entry_arrived(q, e);
}

int64_t
entry_expires(const struct qmgr *q, const struct entry *e)
{
	int64_t at = entry_released(q, e) + q->conf->queue_lifetime;

	return e->env.extras.by_mode == BY_RETURN && entry_by(q, e) < at ?
	    entry_by(q, e) : at;
}

/* With the last attempt's words, which say what the matter was. */
static void
fail_open(struct qmgr *q, struct entry *e, const char *why,
    struct enhanced enhanced)
{
	struct buf text = BUF_INIT(4096);
	struct outcome o;
	uint32_t i;

	for (i = 0; i < e->nrcpts; i++) {
		struct rcpt *r = &e->rcpts[i];

		if (r->state != RCPT_NEW && r->state != RCPT_DEFERRED)
			continue;
		memset(&o, 0, sizeof(o));
		buf_reset(&text);
		buf_add_str(&text, why);
		if (rcpt_outcome(r, &o) && o.text.n > 0) {
			buf_add_str(&text, "; last attempt: ");
			buf_add(&text, o.text);
		}
		o.status = OUTCOME_FAILED;
		o.enhanced = enhanced;
		o.text = buf_slice(&text);
		rcpt_decided(q, e, r, &o);
	}
	buf_clear(&text);
}

static bool
is_dirty(const struct rcpt *r)
{
	return r->flags & RCPT_DIRTY;
}

static void
write_status(struct qmgr *q, struct entry *e)
{
	struct buf b = BUF_INIT(RECORD_BODY_BYTES);
	uint32_t from = 0, i;

	while (from < e->nrcpts) {
		buf_reset(&b);
		status_pack(&b, e, is_dirty, &from);
		entry_record(q, e, REC_STATUS, buf_slice(&b), 0, NULL);
	}
	for (i = 0; i < e->nrcpts; i++)
		e->rcpts[i].flags &= (uint8_t)~RCPT_DIRTY;
	e->dirty = 0;
	buf_clear(&b);
}

void
entry_record(struct qmgr *q, struct entry *e, uint16_t type,
    struct slice body, unsigned flags, struct journal_wait *wait)
{
	bool file = e->has_file || e->migrating;

	journal_add(q->journal, type, e->id, &body, 1,
	    flags | (file ? JOURNAL_FILES : 0), wait, NULL);
	if (!file)
		return;
	store_append(q->store, e->id, e->file_end, type, body,
	    e->held ? HELD_MTIME_S * 1000 : e->next_ms);
	e->file_end += store_append_bytes(body.n);
}

/* ---- sleeping ----------------------------------------------------------- */

void
slot_wait_again(struct qmgr *q, struct slot *s, int64_t until)
{
	int64_t now = clock_now(q), most = q->conf->queue_retry_max;

	if (until > now + most + most / 5) {	/* jitter() included */
		until = now + most - arc4random_uniform((uint32_t)(most / 5));
		s->wake = true;
	}
	slot_wait(&q->queue, s, until);
}

static int64_t
backoff(const struct qmgr *q, unsigned attempts)
{
	int64_t ms = q->conf->queue_retry_first;

	while (--attempts > 0 && ms < q->conf->queue_retry_max)
		ms *= 2;
	return jitter(ms < q->conf->queue_retry_max ? ms :
	    q->conf->queue_retry_max);
}

/* The next hop, dead or crowded, that all it has to do waits for, or NULL. */
static struct hop *
waits_for(const struct entry *e)
{
	struct hop *h = NULL;
	uint32_t i;

	for (i = 0; i < e->nrcpts; i++) {
		const struct rcpt *r = &e->rcpts[i];

		if (r->state != RCPT_DEFERRED && r->state != RCPT_NEW)
			continue;
		if (r->route == NULL || r->route->hop == NULL ||
		    (h != NULL && h != r->route->hop))
			return NULL;
		h = r->route->hop;
	}
	return h != NULL && (h->paused || hop_is_dead(h) || e->crowded) ? h :
	    NULL;
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void
sleep_until_due(struct qmgr *q, struct entry **ep)
{
	struct entry *e = *ep;
	struct slot *s = e->slot;
	int64_t now = clock_now(q), due;
	struct hop *h = waits_for(e);

	if (q->sched.nhops > HOPS_KEPT)
		h = NULL;
	if (e->crowded)
		e->next_ms = now + jitter(earlier(CROWDED_MS,
		    q->conf->queue_retry_max));
	else if (e->tried && !q->stopping) {
		if (s->attempts < UINT8_MAX)
			s->attempts++;
		e->next_ms = now + backoff(q, s->attempts);
		if (h != NULL && h->paused)
			e->next_ms = now + q->conf->queue_retry_max;
		else if (h != NULL)
			e->next_ms = now + hop_until(h) - clock_mono_ms();
		if (e->dirty == 0) {
			e->rcpts[0].flags |= RCPT_DIRTY;
			e->dirty++;
		}
	}
	e->tried = e->crowded = false;
	if (e->dirty > 0)
		write_status(q, e);
	due = INT64_MAX;
	if (e->open > 0) {
		due = h == NULL ? e->next_ms : h->paused ? INT64_MAX : now +
		    2 * q->conf->queue_retry_max;
		if (!s->spared)
			due = earlier(due, entry_expires(q, e));
	}
	if (e->owing > 0 || report_delay_at(q, e) <= now)
		due = earlier(due, now + REPORT_RETRY_MS);
	else
		due = earlier(due, report_delay_at(q, e));
	if (due <= now)
		due = now + 1000;
	if (e->retry) {
		e->retry = false;
		q->retrying--;
	}
	if (e->held)
		slot_enter(&q->queue, s, SLOT_HELD);
	else {
		slot_wait(&q->queue, s, due);
		if (h != NULL)
			hop_wait(h, s);
	}
	entry_release_routes(q, e);
	if (e->has_file && !e->migrating && e->owing == 0)
		entry_free(&q->queue, ep);
	qmgr_due_changed(q);
}

void
entry_set_held(struct qmgr *q, struct entry *e, bool held, struct slice why)
{
	struct buf b = BUF_INIT(4096);

	if (e->reporting) {	/* pending_over() */
		e->hold = held;
		e->release = !held;
		return;
	}
	if (e->held == held)
		return;
	e->held = held;
	e->why_held = entry_keep(&q->queue, e, why.n > 400 ?
	    slice_first(why, 400) : why);
	hold_pack(&b, e);
	entry_record(q, e, REC_HOLD, buf_slice(&b), JOURNAL_SOON, NULL);
	buf_clear(&b);
}

void
entry_write_reroutes(struct qmgr *q, struct entry *e)
{
	struct buf b = BUF_INIT(RECORD_BODY_BYTES);
	uint32_t from = 0, i;

	while (from < e->nrcpts) {
		buf_reset(&b);
		reroute_pack(&b, e, &from);
		entry_record(q, e, REC_REROUTE, buf_slice(&b), JOURNAL_SOON,
		    NULL);
	}
	for (i = 0; i < e->nrcpts; i++)
		e->rcpts[i].flags &= (uint8_t)~RCPT_REROUTED;
	buf_clear(&b);
}

/* ---- the end ------------------------------------------------------------ */

void
entry_release_routes(struct qmgr *q, struct entry *e)
{
	uint32_t i;

	for (i = 0; i < e->nrcpts; i++)
		route_release(q, &e->rcpts[i].route);
}

/* The files go when it is durable that they are not needed. */
struct ending {
	struct journal_wait wait;	/* first */
	struct qmgr	*q;
	uint64_t	 id;
	bool		 file;
	bool		 large;
	bool		 stray;		/* a name in deleted/ of an earlier
					 * life may be left */
};

static void
wait_drop(struct journal_wait *w)
{
	free(w);	/* it is the first member of what was allocated */
}

static void
end_files(struct qmgr *q, const struct entry *e, bool file, bool large,
    bool stray)
{
	const struct slice kept = SLICE_LIT("\1");
	struct ending *n = mem_alloc(sizeof(*n));

	n->wait.fn = end_durable;
	n->wait.drop = wait_drop;
	n->q = q;
	n->id = e->id;
	n->file = file;
	n->large = large;
	n->stray = stray;
	journal_add(q->journal, REC_DONE, e->id, &kept, e->buried,
	    JOURNAL_FILES | JOURNAL_STUBBORN, &n->wait, NULL);
}

static void
end_durable(struct journal_wait *w, bool durable)
{
	struct ending *n = (struct ending *)(void *)w;

	(void)durable;		/* STUBBORN */
	if (n->file)
		store_unlink(n->q->store, n->id);
	if (n->large)
		store_unlink_large(n->q->store, n->id);
	if (n->stray)
		store_unlink_deleted(n->q->store, n->id);
	free(n);
}

static void
end(struct qmgr *q, struct entry **ep)
{
	struct entry *e = *ep;
	struct slot *s = e->slot;
	bool file = e->has_file || e->migrating;
	bool large = (e->flags & ENTRY_LARGE) != 0 && !e->buried;
	bool stray = walk_may_find(q, e->id) && !e->buried;

	assert(TAILQ_EMPTY(&e->jobs));
	log_info("id=%s event=removed%s", id_text(e->id),
	    e->delete ? " deleted=1" : "");
	count(QUEUE_REMOVED);
	if (file || large || stray || e->buried)
		end_files(q, e, file, large, stray);
	else
		journal_add(q->journal, REC_DONE, e->id, NULL, 0, 0, NULL,
		    NULL);
	walk_ended(q, e->id, !file, e->buried);
	if (e->retry)
		q->retrying--;
	entry_release_routes(q, e);
	journal_release(q->journal, &e->young);
	entry_free(&q->queue, ep);
	hop_unwait(s);
	queue_slot_free(&q->queue, &s);
}

/* ---- content ------------------------------------------------------------ */

struct content *
entry_content(struct qmgr *q, struct entry *e)
{
	char *bytes;
	struct load l = { .id = e->id };
	struct store_name file = store_name(STORE_DEFERRED, e->id);
	int r;

	if (e->content == NULL) {
		if (e->young.segment != NULL) {
			snprintf(file.s, sizeof(file.s), "journal/%s",
			    segment_name(e->young.segment));
			bytes = mem_realloc(NULL, e->content_n);
			r = segment_read(e->young.segment, bytes, e->content_n,
			    e->young.at + e->content_off);
			if (r == 0)
				entry_set_content(&q->queue, e,
				    slice_of(bytes, e->content_n));
			free(bytes);
		} else {
			struct stored st;

			r = store_read(q->dir, &l);
			if (r == 0 && stored_parse(buf_slice(&l.bytes), e->id,
			    false, &st))
				entry_set_content(&q->queue, e, st.content);
			buf_clear(&l.bytes);
		}
		if (e->content == NULL) {
			entry_unreadable(q, e, file.s, errno);
			return NULL;
		}
	}
	e->content->refs++;
	return e->content;
}

void
entry_unreadable(struct qmgr *q, struct entry *e, const char *file, int error)
{
	log_error("id=%s event=content-unreadable file=%s error=%s",
	    id_text(e->id), file, LOG_Q(slice_str(strerror(error))));
	if (is_of_a_moment(error))
		e->tried = true;
	else
		entry_set_held(q, e, true,
		    SLICE_LIT("its content cannot be read"));
}
