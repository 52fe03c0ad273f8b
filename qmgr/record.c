/* SPDX-License-Identifier: ISC */
/* record - see record.h. */
#include <assert.h>

#include "base/mem.h"
#include "ipc/fields.h"
#include "ipc/qmgr_lookup.h"
#include "record.h"

#define OWNER_BYTES	512
#define WHY_BYTES	500

static enum applied apply_status(struct queue *, struct entry *, struct wire *);
static bool	 apply_rcpt(struct queue *, struct entry *, struct wire *);
static enum applied apply_expand(struct queue *, struct entry *,
		    struct wire *);
static bool	 finish_parent(struct queue *, struct entry *, struct rcpt *,
		    const struct expansion *);
static enum applied apply_hold(struct queue *, struct entry *, struct wire *);
static enum applied apply_reroute(struct queue *, struct entry *,
		    struct wire *);
static void	 pack_rcpt(struct buf *, const struct entry *,
		    const struct rcpt *);
static void	 pack_children(struct buf *, const struct entry *, uint32_t *);

int
message_pack_head(struct buf *b, const struct message_body *m)
{
	struct slice status = m->status;
	struct buf crc = BUF_INIT(4);

	if (m->flags & ENTRY_LARGE && m->large_crc != 0) {
		put_u32(&crc, m->large_crc);
		status = buf_slice(&crc);
	}
	put_u8(b, m->flags);
	put_u64(b, m->large_n);
	put_u64(b, m->report_of);
	put_slice(b, m->envelope);
	put_slice(b, status);
	buf_clear(&crc);
	return put_u32(b, (uint32_t)m->content.n);
}

bool
message_unpack(struct slice body, struct message_body *m)
{
	struct wire w = wire_of(body), crc = wire_of(SLICE_EMPTY);

	m->flags = get_u8(&w);
	m->large_n = get_u64(&w);
	m->report_of = get_u64(&w);
	m->envelope = get_slice(&w, RECORD_BODY_BYTES);
	m->status = get_slice(&w, RECORD_BODY_BYTES);
	m->content = get_slice(&w, RECORD_BODY_BYTES);
	m->large_crc = 0;
	if (m->flags & ENTRY_LARGE && m->status.n > 0) {
		crc = wire_of(m->status);
		m->large_crc = get_u32(&crc);
		m->status = SLICE_EMPTY;
	}
	return wire_done(&w) && wire_done(&crc);
}

/* ---- packing ------------------------------------------------------------ */

static enum kept
kept_as(const struct rcpt *r)
{
	return r->state == RCPT_DONE ? KEPT_DONE :
	    r->state == RCPT_OWING ? KEPT_OWING : KEPT_OPEN;
}

static void
patch_u32(struct buf *b, size_t at, uint32_t v)
{
	struct buf four = BUF_INIT(4);

	put_u32(&four, v);
	memcpy(b->p + at, four.p, 4);
	buf_clear(&four);
}

static void
pack_rcpt(struct buf *b, const struct entry *e, const struct rcpt *r)
{
	/* How a delivery ended in words matters only while somebody is to be
	 * told. */
	bool words = kept_as(r) != KEPT_DONE && r->outcome != NULL;

	put_u32(b, rcpt_number(e, r));
	put_u8(b, (uint8_t)kept_as(r));
	put_u8(b, r->flags & RCPT_KEPT_FLAGS);
	put_time(b, r->attempted_ms);
	put_slice(b, words ? slice_of(r->outcome, r->noutcome) : SLICE_EMPTY);
	put_slice(b, words ? r->next_hop : SLICE_EMPTY);
}

static void
status_pack_some(struct buf *b, const struct entry *e, uint32_t seq,
    bool (*which)(const struct rcpt *), uint32_t *from)
{
	size_t start = b->n, count_at;
	uint32_t count = 0;

	put_u32(b, seq);
	put_u8(b, e->slot->attempts);
	put_time(b, e->next_ms);
	count_at = b->n;
	put_u32(b, 0);
	for (; *from < e->nrcpts && b->n - start < STATUS_BYTES; ++*from)
		if (which(&e->rcpts[*from])) {
			pack_rcpt(b, e, &e->rcpts[*from]);
			count++;
		}
	patch_u32(b, count_at, count);
}

void
status_pack(struct buf *b, struct entry *e, bool (*which)(const struct rcpt *),
    uint32_t *from)
{
	status_pack_some(b, e, ++e->seq, which, from);
}

static void
expand_pack_head(struct buf *b, uint32_t seq, const struct expansion *x,
    uint32_t first)
{
	put_u32(b, seq);
	put_u32(b, x->parent);
	put_u8(b, (uint8_t)x->then);
	put_slice(b, x->outcome);
	put_u32(b, first);
	put_u8(b, x->new_sender);
	put_slice(b, x->sender);
	put_slice(b, x->owner);
	put_u8(b, x->notify);
	put_u8(b, x->keep_orcpt);
}

void
expand_pack(struct buf *b, struct entry *e, const struct expansion *x,
    const struct target *targets, uint32_t ntargets)
{
	uint32_t i;

	expand_pack_head(b, ++e->seq, x, e->nrcpts);
	put_u32(b, ntargets);
	for (i = 0; i < ntargets; i++) {
		put_u8(b, targets[i].flags);
		put_slice(b, targets[i].address);
	}
}

void
hold_pack(struct buf *b, struct entry *e)
{
	put_u32(b, ++e->seq);
	put_u8(b, e->held);
	put_slice(b, e->why_held);
}

static void
reroute_pack_some(struct buf *b, const struct entry *e, uint32_t seq,
    bool (*which)(const struct rcpt *), uint32_t *from)
{
	size_t start = b->n, count_at;
	uint32_t count = 0;

	put_u32(b, seq);
	count_at = b->n;
	put_u32(b, 0);
	for (; *from < e->nrcpts && b->n - start < STATUS_BYTES; ++*from)
		if (which(&e->rcpts[*from])) {
			put_u32(b, *from);
			put_slice(b, e->rcpts[*from].reroute);
			count++;
		}
	patch_u32(b, count_at, count);
}

static bool
is_to_be_written(const struct rcpt *r)
{
	return r->flags & RCPT_REROUTED;
}

void
reroute_pack(struct buf *b, struct entry *e, uint32_t *from)
{
	reroute_pack_some(b, e, ++e->seq, is_to_be_written, from);
}

/* ---- applying ----------------------------------------------------------- */

enum applied
record_apply(struct queue *q, struct entry *e, uint16_t type,
    struct slice body, bool check_seq)
{
	static enum applied (*const apply[])(struct queue *, struct entry *,
	    struct wire *) = {
		[REC_STATUS] = apply_status,
		[REC_EXPAND] = apply_expand,
		[REC_HOLD] = apply_hold,
		[REC_REROUTE] = apply_reroute,
	};
	struct wire w = wire_of(body);
	uint32_t seq = get_u32(&w);
	enum applied a;

	if (w.bad || type >= sizeof(apply) / sizeof(apply[0]) ||
	    apply[type] == NULL)
		return APPLIED_BAD;
	if (check_seq && seq <= e->seq)
		return APPLIED_OLD;
	a = apply[type](q, e, &w);
	if (a == APPLIED && check_seq)
		e->seq = seq;
	return a;
}

static enum applied
apply_status(struct queue *q, struct entry *e, struct wire *w)
{
	uint8_t attempts = get_u8(w);
	int64_t next = get_time(w);
	uint32_t n = get_u32(w), i;

	for (i = 0; i < n && !w->bad; i++)
		if (!apply_rcpt(q, e, w))
			return APPLIED_BAD;
	if (!wire_done(w))
		return APPLIED_BAD;
	e->slot->attempts = attempts;
	e->next_ms = next;
	return APPLIED;
}

/* Of a success nobody is told where the reverse-path is null.  Older versions
 * wrote down that it was owed, and could not pay it. */
static enum rcpt_state
owing(const struct entry *e, const struct rcpt *r, const struct outcome *o)
{
	return o->status == OUTCOME_FAILED || e->senders[r->sender].n > 0 ?
	    RCPT_OWING : RCPT_DONE;
}

static bool
apply_rcpt(struct queue *q, struct entry *e, struct wire *w)
{
	uint32_t number = get_u32(w);
	enum kept kept = get_enum(w, KEPT_DONE);
	uint8_t flags = get_u8(w) & RCPT_KEPT_FLAGS;
	int64_t attempted = get_time(w);
	struct slice packed = get_slice(w, RECORD_BODY_BYTES);
	struct slice next_hop = get_slice(w, NEXT_HOP_BYTES);
	struct wire ow = wire_of(packed);
	struct outcome o;
	struct rcpt *r;

	if (w->bad || number >= e->nrcpts)
		return false;
	r = &e->rcpts[number];
	if (packed.n > 0) {
		if (!outcome_unpack(&ow, &o) || !wire_done(&ow))
			return false;
		rcpt_set_outcome(q, e, r, &o);
	} else if (kept == KEPT_OWING)
		return false;	/* what would the report say? */
	r->flags = (uint8_t)((r->flags & ~RCPT_KEPT_FLAGS) | flags);
	r->attempted_ms = attempted;
	rcpt_set_next_hop(q, e, r, next_hop);
	rcpt_enter(e, r, kept == KEPT_DONE ? RCPT_DONE :
	    kept == KEPT_OWING ? owing(e, r, &o) :
	    packed.n > 0 ? RCPT_DEFERRED : RCPT_NEW);
	return true;
}

/* Each child knows where it comes from by its parent's number. */
static enum applied
apply_expand(struct queue *q, struct entry *e, struct wire *w)
{
	struct wire kept;
	struct expansion x;
	uint32_t first, n, i;
	struct rcpt *r;
	uint8_t depth;
	int sender;

	/* Its slices are to live as long as the entry. */
	kept = wire_of(entry_keep(q, e, get_rest(w)));
	w = &kept;
	x.parent = get_u32(w);
	x.then = get_enum(w, KEPT_DONE);
	x.outcome = get_slice(w, RECORD_BODY_BYTES);
	first = get_u32(w);
	x.new_sender = get_bool(w);
	x.sender = get_slice(w, ADDRESS_BYTES);
	x.owner = get_slice(w, OWNER_BYTES);
	x.notify = get_u8(w);
	x.keep_orcpt = get_bool(w);
	n = get_u32(w);
	if (w->bad || x.parent >= e->nrcpts || first != e->nrcpts ||
	    n > ENVELOPE_RECIPIENTS - e->nrcpts)
		return APPLIED_BAD;
	sender = x.new_sender ? entry_sender(q, e, x.sender) :
	    e->rcpts[x.parent].sender;
	if (sender == -1)
		return APPLIED_BAD;
	depth = e->rcpts[x.parent].depth;
	if (depth < UINT8_MAX)
		depth++;
	for (i = 0; i < n && !w->bad; i++) {
		uint8_t flags = get_u8(w) & RCPT_NO_FORWARD;
		struct slice address = get_slice(w, TARGET_BYTES);

		if (w->bad)
			break;
		r = entry_add_rcpt(q, e);
		assert(r != NULL);
		r->address = address;
		r->original = e->rcpts[x.parent].original;
		r->orcpt = x.keep_orcpt ? e->rcpts[x.parent].orcpt :
		    SLICE_EMPTY;
		r->owner = x.owner;
		r->parent = x.parent;
		r->sender = (uint16_t)sender;
		r->notify = x.notify;
		r->flags = flags | RCPT_EXPANDED;
		r->depth = depth;
	}
	if (!wire_done(w) || (x.then != KEPT_OPEN &&
	    !finish_parent(q, e, &e->rcpts[x.parent], &x)))
		return APPLIED_BAD;
	return APPLIED;
}

static bool
finish_parent(struct queue *q, struct entry *e, struct rcpt *r,
    const struct expansion *x)
{
	struct wire w = wire_of(x->outcome);
	struct outcome o;

	if (!outcome_unpack(&w, &o) || !wire_done(&w))
		return false;
	rcpt_set_outcome(q, e, r, &o);
	rcpt_enter(e, r, x->then == KEPT_DONE ? RCPT_DONE : owing(e, r, &o));
	return true;
}

static enum applied
apply_hold(struct queue *q, struct entry *e, struct wire *w)
{
	bool held = get_bool(w);
	struct slice why = get_slice(w, WHY_BYTES);

	if (!wire_done(w))
		return APPLIED_BAD;
	e->held = held;
	e->why_held = entry_keep(q, e, why);
	return APPLIED;
}

static enum applied
apply_reroute(struct queue *q, struct entry *e, struct wire *w)
{
	uint32_t n = get_u32(w), number;
	struct slice hop;

	for (; n > 0 && !w->bad; n--) {
		number = get_u32(w);
		hop = get_text(w, NEXT_HOP_BYTES);
		if (w->bad || number >= e->nrcpts)
			return APPLIED_BAD;
		rcpt_set_reroute(q, e, &e->rcpts[number], hop);
	}
	return wire_done(w) ? APPLIED : APPLIED_BAD;
}

/* ---- the whole state ---------------------------------------------------- */

static void
put_record(struct buf *b, uint16_t type, const struct buf *body)
{
	put_u16(b, type);
	put_slice(b, buf_slice(body));
}

static bool
any(const struct rcpt *r)
{
	return r->state != RCPT_NEW || r->outcome != NULL ||
	    r->flags & RCPT_WARNED;
}

static bool
is_rerouted(const struct rcpt *r)
{
	return r->reroute.n > 0;
}

static void
pack_reroutes(struct buf *b, const struct entry *e)
{
	struct buf body = BUF_INIT(SIZE_MAX / 2);
	uint32_t from = 0;

	while (from < e->nrcpts && !is_rerouted(&e->rcpts[from]))
		from++;
	while (from < e->nrcpts) {
		buf_reset(&body);
		reroute_pack_some(&body, e, 0, is_rerouted, &from);
		put_record(b, REC_REROUTE, &body);
	}
	buf_clear(&body);
}

void
message_state_pack(struct buf *b, const struct entry *e)
{
	struct buf body = BUF_INIT(SIZE_MAX / 2);
	uint32_t i = (uint32_t)e->env.nrecipients, from = 0;

	while (i < e->nrcpts) {
		buf_reset(&body);
		pack_children(&body, e, &i);
		put_record(b, REC_EXPAND, &body);
	}
	while (from < e->nrcpts) {
		buf_reset(&body);
		status_pack_some(&body, e, 0, any, &from);
		put_record(b, REC_STATUS, &body);
	}
	pack_reroutes(b, e);
	if (e->held) {
		buf_reset(&body);
		put_u32(&body, 0);
		put_u8(&body, e->held);
		put_slice(&body, e->why_held);
		put_record(b, REC_HOLD, &body);
	}
	buf_clear(&body);
}

/* The children of one expansion stand together. */
static void
pack_children(struct buf *b, const struct entry *e, uint32_t *i)
{
	const struct rcpt *r = &e->rcpts[*i], *parent = &e->rcpts[r->parent];
	struct expansion x = {
		.parent = r->parent,
		.then = KEPT_OPEN,	/* a STATUS follows */
		.new_sender = r->sender != parent->sender,
		.sender = e->senders[r->sender],
		.owner = r->owner,
		.notify = r->notify,
		.keep_orcpt = r->orcpt.n > 0,
	};
	size_t count_at;
	uint32_t n = 0;

	expand_pack_head(b, 0, &x, *i);
	count_at = b->n;
	put_u32(b, 0);
	for (; *i < e->nrcpts && b->n < STATUS_BYTES; ++*i, n++) {
		r = &e->rcpts[*i];
		if (r->parent != x.parent || r->notify != x.notify ||
		    !slice_eq(r->owner, x.owner) ||
		    !slice_eq(e->senders[r->sender], x.sender))
			break;
		put_u8(b, r->flags & RCPT_NO_FORWARD);
		put_slice(b, r->address);
	}
	patch_u32(b, count_at, n);
}

enum applied
message_state_apply(struct queue *q, struct entry *e, struct slice state)
{
	struct wire w = wire_of(state);
	struct slice body;
	uint16_t type;

	while (w.rest.n > 0) {
		type = get_u16(&w);
		body = get_slice(&w, RECORD_BODY_BYTES);
		if (w.bad || record_apply(q, e, type, body, false) != APPLIED)
			return APPLIED_BAD;
	}
	return APPLIED;
}
