/* SPDX-License-Identifier: ISC */
/* select - whether a message is meant: see control.h, ipc/queue_tool.h. */
#include "control.h"

enum queue_state
shown_state(const struct slot *s)
{
	switch ((enum slot_state)s->state) {
	case SLOT_HELD:
		return QUEUE_HELD;
	case SLOT_WAITING:
		return QUEUE_DEFERRED;
	case SLOT_COMMITTING:
	case SLOT_ACTIVE:
	case SLOT_LOADING:
		break;
	}
	return QUEUE_ACTIVE;
}

/* ---- terms -------------------------------------------------------------- */

/* "@domain" or a whole address; local-parts too without regard to case, as
 * operators type them. */
static bool
address_fits(struct slice want, struct slice have)
{
	if (want.n > 0 && want.p[0] == '@')
		return slice_ends_nocase(have, want);
	return slice_eq_nocase(want, have);
}

static bool
sender_fits(struct slice want, struct slice have)
{
	if (slice_eq(want, SLICE_LIT("<>")))
		return have.n == 0;
	return address_fits(want, have);
}

static bool
client_fits(struct slice want, struct slice have)
{
	if (want.n > 0 && want.p[want.n - 1] == '*')
		return slice_starts_nocase(have, slice_first(want, want.n - 1));
	return slice_eq_nocase(want, have);
}

static bool
contains(struct slice hay, struct slice needle)
{
	size_t i;

	for (i = 0; i + needle.n <= hay.n; i++)
		if (slice_starts_nocase(slice_from(hay, i), needle))
			return true;
	return false;
}

struct slice
rcpt_next_hop(const struct rcpt *r)
{
	return r->route != NULL && r->route->hop != NULL ?
	    slice_str(r->route->hop->name) : r->reroute.n > 0 ? r->reroute :
	    r->next_hop;
}

static bool
reason_fits(struct slice want, const struct entry *e, const struct rcpt *r)
{
	struct outcome o = { .text = SLICE_EMPTY };

	return (rcpt_outcome(r, &o) && contains(o.text, want)) ||
	    (e->held && contains(e->why_held, want));
}

static bool
is_of_recipients(const struct queue_term *t)
{
	return t->kind <= TERM_REASON;
}

static bool
rcpt_fits(const struct queue_term *t, const struct entry *e,
    const struct rcpt *r)
{
	switch ((enum queue_term_kind)t->kind) {
	case TERM_RECIPIENT:
		return address_fits(t->text, r->address);
	case TERM_NEXT_HOP:
		return slice_eq_nocase(t->text, rcpt_next_hop(r));
	case TERM_REASON:
		return reason_fits(t->text, e, r);
	case TERM_SENDER:
	case TERM_LOGIN:
	case TERM_CLIENT:
	case TERM_OLDER:
	case TERM_LARGER:
	case TERM_ATTEMPTS:
	case TERM_STATES:
		break;
	}
	return true;
}

static bool
message_fits(const struct queue_term *t, struct qmgr *q, const struct entry *e)
{
	switch ((enum queue_term_kind)t->kind) {
	case TERM_SENDER:
		return sender_fits(t->text, e->env.reverse_path);
	case TERM_LOGIN:
		return slice_eq_nocase(t->text, e->env.extras.login);
	case TERM_CLIENT:
		return client_fits(t->text, e->env.client);
	case TERM_OLDER:
		return clock_now(q) - entry_arrived(q, e) >=
		    (int64_t)t->number;
	case TERM_LARGER:
		return entry_size(e) > t->number;
	case TERM_ATTEMPTS:
		return e->slot->attempts >= t->number;
	case TERM_STATES:
		return (t->number & 1u << shown_state(e->slot)) != 0;
	case TERM_RECIPIENT:
	case TERM_NEXT_HOP:
	case TERM_REASON:
		break;
	}
	return true;
}

/* ---- messages ----------------------------------------------------------- */

bool
slot_may_match(const struct request *r, const struct slot *s)
{
	const struct queue_term *t;
	size_t i;

	for (i = 0; i < r->filter.nterms; i++) {
		t = &r->filter.terms[i];
		if (t->kind == TERM_STATES && t->negated ==
		    ((t->number & 1u << shown_state(s)) != 0))
			return false;
	}
	return true;
}

bool
filter_needs_envelope(const struct queue_filter *f)
{
	size_t i;

	for (i = 0; i < f->nterms; i++)
		if (f->terms[i].kind != TERM_STATES)
			return true;
	return false;
}

bool
rcpt_matches(const struct request *q, const struct entry *e,
    const struct rcpt *r)
{
	const struct queue_term *t;
	size_t i;

	if (r->state == RCPT_DONE)
		return false;
	for (i = 0; i < q->filter.nterms; i++) {
		t = &q->filter.terms[i];
		if (is_of_recipients(t) && rcpt_fits(t, e, r) == t->negated)
			return false;
	}
	return true;
}

bool
entry_matches(const struct request *r, struct qmgr *q, const struct entry *e)
{
	const struct queue_term *t;
	bool about_recipients = false;
	size_t i;

	for (i = 0; i < r->filter.nterms; i++) {
		t = &r->filter.terms[i];
		about_recipients |= is_of_recipients(t);
		if (!is_of_recipients(t) && message_fits(t, q, e) ==
		    t->negated)
			return false;
	}
	for (i = 0; about_recipients && i < e->nrcpts; i++)
		if (rcpt_matches(r, e, &e->rcpts[i]))
			return true;
	return !about_recipients;
}
