/* SPDX-License-Identifier: ISC */
/*
 * expand - a recipient becomes others of the same message: an alias, a list, a
 * ~/.forward.
 *
 * The children are durable before the parent is done, in as many records as it
 * takes; until then they are not touched, since a restart might find others.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "qmgr.h"

#define EXPAND_BYTES	(150 * 1024)	/* targets in one record */

/* One record on its way. */
struct expanding {
	struct journal_wait wait;	/* first */
	struct qmgr	*q;
	struct entry	*e;		/* pinned */
	bool		 last;
};

static void	 refuse_expansion(struct qmgr *, struct entry *,
		    uint32_t number, struct enhanced, const char *text);
static bool	 has_child(const struct entry *, const struct target *,
		    struct slice owner);
static void	 expansion_notify(const struct rcpt *, bool list, bool single,
		    struct expansion *, struct outcome *);
static uint32_t	 one_record(const struct target *, uint32_t);
static void	 expand_some(struct qmgr *, struct entry *,
		    const struct expansion *, const struct target *,
		    uint32_t n, bool last);
static void	 expand_durable(struct journal_wait *, bool);
static void	 forget(struct journal_wait *);

void
entry_expand(struct qmgr *q, struct entry *e, uint32_t number,
    struct slice owner, bool here, const struct target *targets,
    uint32_t ntargets)
{
	struct rcpt *r = &e->rcpts[number];
	struct expansion x = { .parent = number, .owner = owner };
	struct target *fresh;
	struct outcome o = { 0 };
	struct buf packed = BUF_INIT(4096);
	uint32_t i, n = 0, from;
	bool list = ntargets > 0, single = ntargets == 1 && !here;
	enum kept then;

	if (r->depth >= MAX_DEPTH) {
		refuse_expansion(q, e, number, (struct enhanced){ 5, 4, 6 },
		    "too many levels of aliases and forwarding");
		return;
	}
	fresh = mem_array(ntargets, sizeof(*fresh));
	for (i = 0; i < ntargets; i++) {
		list = list && targets[i].new_sender;
		if (!has_child(e, &targets[i], owner))
			fresh[n++] = targets[i];
	}
	if (n > ENVELOPE_RECIPIENTS - e->nrcpts) {
		refuse_expansion(q, e, number, (struct enhanced){ 5, 5, 3 },
		    "too many recipients after expansion");
		free(fresh);
		return;
	}
	rcpt_enter(e, r, RCPT_EXPANDING);
	expansion_notify(r, list, single, &x, &o);
	r->attempted_ms = clock_now(q);
	outcome_pack(&packed, &o);
	log_info("id=%s event=expanded rcpt=%s to=%u%s%s", id_text(e->id),
	    LOG_Q(r->address), (unsigned)n, list ? " sender=" : "",
	    list ? LOG_Q(targets[0].sender) : "");
	then = x.then;
	for (from = 0; from < n || from == 0; from += i) {
		i = one_record(fresh + from, n - from);
		if (i > 0) {
			expansion_notify(r, fresh[from].new_sender, single,
			    &x, &o);
			x.new_sender = fresh[from].new_sender;
			x.sender = fresh[from].sender;
		}
		x.then = from + i >= n ? then : KEPT_OPEN;
		x.outcome = x.then == KEPT_OPEN ? SLICE_EMPTY :
		    buf_slice(&packed);
		expand_some(q, e, &x, fresh + from, i, from + i >= n);
		if (i == 0)
			break;
	}
	buf_clear(&packed);
	free(fresh);
}

static void
refuse_expansion(struct qmgr *q, struct entry *e, uint32_t number,
    struct enhanced enhanced, const char *text)
{
	struct outcome o = { .status = OUTCOME_FAILED, .enhanced = enhanced,
		.code = 554, .text = slice_str(text) };

	rcpt_decided(q, e, &e->rcpts[number], &o);
}

static bool
has_child(const struct entry *e, const struct target *t, struct slice owner)
{
	uint32_t i;

	for (i = (uint32_t)e->env.nrecipients; i < e->nrcpts; i++)
		if (slice_eq(e->rcpts[i].address, t->address) &&
		    (e->rcpts[i].flags & RCPT_NO_FORWARD) == t->flags &&
		    slice_eq(e->rcpts[i].owner, owner))
			return true;
	return false;
}

/* What the children are told of NOTIFY, and the sender of the parent: RFC 3461
 * 5.2.7.  A list (a new reverse-path) is a delivery, its members have nothing
 * to do with what the sender asked; one other address stands for the parent;
 * several, of which the parent's own mailbox may be one, get no SUCCESS of
 * their own. */
static void
expansion_notify(const struct rcpt *r, bool list, bool single,
    struct expansion *x, struct outcome *o)
{
	bool success = (r->notify & NOTIFY_SUCCESS) != 0;

	o->status = list ? OUTCOME_DELIVERED : OUTCOME_EXPANDED;
	o->enhanced = (struct enhanced){ 2, 0, 0 };
	o->text = list ? SLICE_LIT("distributed to a mailing list") :
	    SLICE_LIT("expanded");
	x->keep_orcpt = !list;
	x->then = success && !single ? KEPT_OWING : KEPT_DONE;
	if (list) {
		x->notify = 0;
		x->then = success ? KEPT_OWING : KEPT_DONE;
	} else if (single || r->notify == 0)
		x->notify = r->notify;
	else {
		x->notify = r->notify & (uint8_t)~NOTIFY_SUCCESS;
		if (x->notify == 0)
			x->notify = NOTIFY_NEVER;
	}
}

/* How many of the first targets go into one record: those with the same
 * reverse-path, as far as there is room. */
static uint32_t
one_record(const struct target *t, uint32_t n)
{
	size_t bytes = 0;
	uint32_t i;

	for (i = 0; i < n && bytes < EXPAND_BYTES; i++) {
		if (t[i].new_sender != t[0].new_sender ||
		    !slice_eq(t[i].sender, t[0].sender))
			break;
		bytes += t[i].address.n + 8;
	}
	return i;
}

static void
expand_some(struct qmgr *q, struct entry *e, const struct expansion *x,
    const struct target *targets, uint32_t n, bool last)
{
	struct expanding *w = mem_alloc(sizeof(*w));
	struct buf body = BUF_INIT(RECORD_BODY_BYTES);
	enum applied a;

	w->wait.fn = expand_durable;
	w->wait.drop = forget;
	w->q = q;
	w->e = e;
	w->last = last;
	expand_pack(&body, e, x, targets, n);
	entry_pin(e);
	a = record_apply(&q->queue, e, REC_EXPAND, buf_slice(&body), false);
	assert(a == APPLIED);
	entry_record(q, e, REC_EXPAND, buf_slice(&body),
	    JOURNAL_SOON | JOURNAL_STUBBORN, &w->wait);
	buf_clear(&body);
}

static void
expand_durable(struct journal_wait *wait, bool durable)
{
	struct expanding *w = (struct expanding *)(void *)wait;
	struct qmgr *q = w->q;
	struct entry *e = w->e;
	uint32_t i, n = e->nrcpts;

	(void)durable;		/* STUBBORN: it is */
	if (w->last && !e->delete && !e->held)
		for (i = (uint32_t)e->env.nrecipients; i < n; i++)
			if (e->rcpts[i].state == RCPT_NEW)
				rcpt_begin(q, e, i);
	free(w);
	entry_unpin(q, &e);
}

static void
forget(struct journal_wait *w)
{
	free(w);	/* it is the first member of what was allocated */
}
