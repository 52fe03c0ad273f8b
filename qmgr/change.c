/* SPDX-License-Identifier: ISC */
/* change - what tools do to messages: see control.h. */
#include "base/clock.h"
#include "base/log.h"
#include "control.h"

#define CROWD	2000	/* deletions that are not durable yet */

static void	 retry(struct qmgr *, struct slot *);
static void	 change_entry(struct client *, struct entry *);
static void	 hold(struct qmgr *, struct entry *);
static void	 release(struct qmgr *, struct entry *);
static void	 reroute(struct client *, struct entry *);

static const struct {
	const char	*done;
	const char	*would;
} words[] = {
	[QUEUE_HOLD] =	  { "held", "would be held" },
	[QUEUE_RELEASE] = { "released", "would be released" },
	[QUEUE_RETRY] =	  { "to be tried now", "would be tried now" },
	[QUEUE_DELETE] =  { "deleted", "would be deleted" },
	[QUEUE_BOUNCE] =  { "returned to its sender",
		"would be returned to its sender" },
	[QUEUE_DESTROY] = { "deleted for good", "would be deleted for good" },
	[QUEUE_REROUTE] = { "rerouted", "would be rerouted" },
	[QUEUE_UNDO] =	  { "back in the queue", "would be back in the queue" },
};

/* False where it is not to be done. */
static bool
tell(struct client *c, uint64_t id)
{
	const struct request *r = &c->r;
	const char *done = words[r->change].done;

	if (r->how != QUEUE_DO) {
		if (r->how == QUEUE_DRY_RUN)
			request_say(c, "%s: %s", id_text(id),
			    words[r->change].would);
		return false;
	}
	if (!r->internal)
		request_say(c, "%s: %s", id_text(id), done);
	log_info("id=%s event=changed to=\"%s\" uid=%u", id_text(id), done,
	    (unsigned)c->uid);
	return true;
}

/* One of the tools' deletions follows another only when there is room: each
 * waits for the disk in memory. */
bool
change_is_crowded(const struct client *c)
{
	return c->r.type == TL_QUEUE_CHANGE && undo_load(c->q) >= CROWD;
}

void
change_message(struct client *c, struct slot *s)
{
	if (!tell(c, s->id))
		return;
	if (c->r.change == QUEUE_RETRY)
		retry(c->q, s);
	else
		change_entry(c, s->entry);
}

void
change_undo(struct client *c, const struct entry *e)
{
	if (tell(c, e->id))
		undo_restore(c->q, e->id, e->held);
}

static void
retry(struct qmgr *q, struct slot *s)
{
	uint64_t id = s->id;
	struct hop *h = s->hop;
	const struct entry *e = s->entry;
	uint32_t i;

	if (s->state != SLOT_WAITING)
		return;
	s->wake = true;
	for (i = 0; h == NULL && e != NULL && i < e->nrcpts; i++)
		if (e->rcpts[i].next_hop.n > 0)
			h = hop_find(&q->sched, e->rcpts[i].next_hop);
	if (h != NULL)
		hop_revive(&q->sched, h, clock_mono_ms());
	/* That may have woken it as the probe, which may have ended it. */
	s = queue_find(&q->queue, id);
	if (s == NULL || s->state != SLOT_WAITING)
		return;
	hop_unwait(s);
	slot_wait(&q->queue, s, clock_wall_ms());
	qmgr_due_changed(q);
}

static void
change_entry(struct client *c, struct entry *e)
{
	struct qmgr *q = c->q;

	hop_unwait(e->slot);
	slot_enter(&q->queue, e->slot, SLOT_ACTIVE);
	entry_pin(e);
	switch (c->r.change) {
	case QUEUE_HOLD:
		hold(q, e);
		break;
	case QUEUE_RELEASE:
		release(q, e);
		break;
	case QUEUE_DELETE:
		e->delete_at = c->r.at;
		__attribute__((fallthrough));
	case QUEUE_DESTROY:
		e->delete = true;
		deliver_cancel(q, e);
		break;
	case QUEUE_BOUNCE:
		entry_set_held(q, e, false, SLICE_EMPTY);
		e->bounce = true;
		deliver_cancel(q, e);
		break;
	case QUEUE_REROUTE:
		reroute(c, e);
		break;
	case QUEUE_RETRY:
	case QUEUE_UNDO:
		break;
	}
	entry_unpin(q, &e);
}

static void
hold(struct qmgr *q, struct entry *e)
{
	entry_set_held(q, e, true, SLICE_LIT("by request"));
	deliver_cancel(q, e);
}

static void
release(struct qmgr *q, struct entry *e)
{
	if (!e->held && !e->hold)
		return;
	e->report_failures = 0;
	entry_set_held(q, e, false, SLICE_EMPTY);
	e->slot->wake = true;
	entry_begin(q, e);
}

/* The chosen recipients, and at once; one that is being sent to goes its new
 * way if that attempt fails.  While a report is written no record is made. */
static void
reroute(struct client *c, struct entry *e)
{
	struct qmgr *q = c->q;
	uint32_t i;

	if (e->reporting) {
		request_say(c, "%s: is being reported on, so not rerouted: "
		    "try again", id_text(e->id));
		return;
	}
	deliver_cancel(q, e);
	for (i = 0; i < e->nrcpts; i++)
		if (rcpt_matches(&c->r, e, &e->rcpts[i]) &&
		    !slice_eq(e->rcpts[i].reroute, c->r.next_hop)) {
			rcpt_set_reroute(&q->queue, e, &e->rcpts[i],
			    c->r.next_hop);
			e->rcpts[i].flags |= RCPT_REROUTED;
		}
	entry_write_reroutes(q, e);
	e->slot->wake = true;
	entry_begin(q, e);
}
