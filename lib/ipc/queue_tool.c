/* SPDX-License-Identifier: ISC */
/* queue_tool - see queue_tool.h. */
#include <stdio.h>

#include "ipc/fields.h"
#include "ipc/qmgr_lookup.h"
#include "ipc/queue_tool.h"
#include "mail/envelope.h"

#define RECIPIENT_MIN	11	/* bytes of one with empty slices, no outcome */
#define CLIENT_BYTES	128
#define STATES		(UINT64_C(1) << QUEUE_ACTIVE | \
			    UINT64_C(1) << QUEUE_DEFERRED | \
			    UINT64_C(1) << QUEUE_HELD)
#define TERM_MIN	14	/* bytes of one with an empty text */
#define TERM_BYTES	1000

static bool	get_ids(struct wire *, struct arena *, struct queue_filter *);
static bool	get_terms(struct wire *, struct arena *, struct queue_filter *);
static int	put_recipients(struct buf *, const struct queue_entry *);
static int	put_outcome(struct buf *, const struct outcome *);
static bool	get_recipients(struct wire *, struct arena *,
		    struct queue_entry *);
static void	get_recipient(struct wire *, struct queue_entry_recipient *);

int
queue_filter_pack(struct buf *b, const struct queue_filter *f)
{
	const struct queue_term *t;
	size_t i, n = b->n;

	if (f->nids > QUEUE_FILTER_IDS || f->nterms > QUEUE_FILTER_TERMS ||
	    put_u8(b, (uint8_t)f->where) != 0 ||
	    put_u32(b, (uint32_t)f->nids) != 0)
		goto full;
	for (i = 0; i < f->nids; i++)
		if (put_u64(b, f->ids[i]) != 0)
			goto full;
	if (put_u32(b, (uint32_t)f->nterms) != 0)
		goto full;
	for (i = 0; i < f->nterms; i++) {
		t = &f->terms[i];
		if (put_u8(b, t->kind) != 0 || put_u8(b, t->negated) != 0 ||
		    put_slice(b, t->text) != 0 || put_u64(b, t->number) != 0)
			goto full;
	}
	return 0;
full:
	b->n = n;
	return -1;
}

bool
queue_filter_unpack(struct wire *w, struct arena *a, struct queue_filter *f_r)
{
	struct queue_filter f = { .where = get_enum(w, QUEUE_UNDO_LAST) };

	if (!get_ids(w, a, &f) || !get_terms(w, a, &f))
		return false;
	*f_r = f;
	return true;
}

static bool
get_ids(struct wire *w, struct arena *a, struct queue_filter *f)
{
	size_t i;

	f->ids = get_list(w, a, QUEUE_FILTER_IDS, 8, sizeof(*f->ids), &f->nids);
	for (i = 0; i < f->nids; i++)
		f->ids[i] = get_u64(w);
	return !w->bad;
}

static bool
get_terms(struct wire *w, struct arena *a, struct queue_filter *f)
{
	struct queue_term *t;
	size_t i;

	f->terms = get_list(w, a, QUEUE_FILTER_TERMS, TERM_MIN,
	    sizeof(*f->terms), &f->nterms);
	for (i = 0; i < f->nterms && !w->bad; i++) {
		t = &f->terms[i];
		t->kind = get_enum(w, TERM_LAST);
		t->negated = get_bool(w);
		t->text = get_text(w, TERM_BYTES);
		t->number = get_u64(w);
		if (t->kind == 0 || (t->kind == TERM_OLDER &&
		    t->number > (uint64_t)TIME_MAX_MS) ||
		    (t->kind == TERM_STATES && (t->number & ~STATES) != 0))
			wire_fail(w);
	}
	return !w->bad;
}

int
queue_entry_pack(struct buf *b, const struct queue_entry *e)
{
	size_t n = b->n;

	if (put_u64(b, e->id) == 0 && put_u8(b, (uint8_t)e->state) == 0 &&
	    put_u64(b, e->size) == 0 && put_time(b, e->arrived_ms) == 0 &&
	    put_time(b, e->next_attempt_ms) == 0 &&
	    put_time(b, e->release_ms) == 0 && put_slice(b, e->login) == 0 &&
	    put_u32(b, e->attempts) == 0 &&
	    put_slice(b, e->reverse_path) == 0 &&
	    put_slice(b, e->client) == 0 && put_u32(b, e->more) == 0 &&
	    put_recipients(b, e) == 0)
		return 0;
	b->n = n;
	return -1;
}

static int
put_recipients(struct buf *b, const struct queue_entry *e)
{
	const struct queue_entry_recipient *r;
	size_t i;

	if (e->nrecipients > QUEUE_ENTRY_RECIPIENTS ||
	    put_u32(b, (uint32_t)e->nrecipients) != 0)
		return -1;
	for (i = 0; i < e->nrecipients; i++) {
		r = &e->recipients[i];
		if (put_slice(b, r->address) != 0 ||
		    put_slice(b, r->next_hop) != 0 ||
		    put_u8(b, r->final) != 0 ||
		    put_u8(b, r->rerouted) != 0 ||
		    put_outcome(b, &r->outcome) != 0)
			return -1;
	}
	return 0;
}

/* One byte says whether there is any. */
static int
put_outcome(struct buf *b, const struct outcome *o)
{
	bool any = o->status != 0;

	if (put_u8(b, any) != 0)
		return -1;
	return any ? outcome_pack(b, o) : 0;
}

bool
queue_entry_unpack(struct wire *w, struct arena *a, struct queue_entry *e_r)
{
	struct queue_entry e = { 0 };
	uint8_t state;

	e.id = get_u64(w);
	state = get_enum(w, QUEUE_DELETED);
	if (state < QUEUE_ACTIVE)
		wire_fail(w);
	e.state = (enum queue_state)state;
	e.size = get_u64(w);
	e.arrived_ms = get_time(w);
	e.next_attempt_ms = get_time(w);
	e.release_ms = get_time(w);
	e.login = get_text(w, LOGIN_NAME_BYTES);
	e.attempts = get_u32(w);
	e.reverse_path = get_text(w, ADDRESS_BYTES);
	e.client = get_text(w, CLIENT_BYTES);
	e.more = get_u32(w);
	if (!get_recipients(w, a, &e))
		return false;
	*e_r = e;
	return true;
}

static bool
get_recipients(struct wire *w, struct arena *a, struct queue_entry *e)
{
	size_t i;

	e->recipients = get_list(w, a, QUEUE_ENTRY_RECIPIENTS, RECIPIENT_MIN,
	    sizeof(*e->recipients), &e->nrecipients);
	for (i = 0; i < e->nrecipients && !w->bad; i++)
		get_recipient(w, &e->recipients[i]);
	return !w->bad;
}

static void
get_recipient(struct wire *w, struct queue_entry_recipient *r)
{
	r->address = get_text(w, TARGET_BYTES);
	r->next_hop = get_text(w, NEXT_HOP_BYTES);
	r->final = get_bool(w);
	r->rerouted = get_bool(w);
	if (get_bool(w) && !outcome_unpack(w, &r->outcome))
		wire_fail(w);
}

const char *
pause_name(const struct pause *p)
{
	static const char *const names[] = {
		[PAUSE_NEXT_HOP] = "next-hop", [PAUSE_OUTBOUND] = "outbound",
		[PAUSE_LOCAL] = "local", [PAUSE_INBOUND] = "inbound",
		[PAUSE_SUBMISSION] = "submission",
	};
	static char text[2][NEXT_HOP_BYTES + 16];
	static unsigned next;
	char *t = text[next = (next + 1) % 2];

	snprintf(t, sizeof(text[0]), "%s%s%.*s", names[p->kind],
	    p->next_hop.n > 0 ? " " : "", SLICE_ARG(p->next_hop));
	return t;
}

int
pause_pack(struct buf *b, const struct pause *p)
{
	size_t n = b->n;

	if (put_u8(b, (uint8_t)p->kind) == 0 &&
	    put_slice(b, p->next_hop) == 0 && put_time(b, p->since_ms) == 0 &&
	    put_time(b, p->until_ms) == 0 && put_slice(b, p->reason) == 0)
		return 0;
	b->n = n;
	return -1;
}

bool
pause_unpack(struct wire *w, struct pause *p_r)
{
	struct pause p = { .kind = get_enum(w, PAUSE_KINDS - 1) };

	p.next_hop = get_text(w, NEXT_HOP_BYTES);
	p.since_ms = get_time(w);
	p.until_ms = get_time(w);
	p.reason = get_text(w, PAUSE_REASON_BYTES);
	if (p.kind == 0 || (p.kind == PAUSE_NEXT_HOP) != (p.next_hop.n > 0))
		wire_fail(w);
	if (w->bad)
		return false;
	*p_r = p;
	return true;
}
