/* SPDX-License-Identifier: ISC */
/*
 * route - where recipients go, asked of lookup (ipc/qmgr_lookup.h).
 *
 * Answers are remembered for a short time, until lookup says that its tables
 * have changed; what is refused, deferred or expanded is asked each time.  At
 * most ASKS questions are under way; the rest wait in order.  While lookup is
 * down all of them do.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "qmgr.h"

#define ASKS		1000
#define CACHE_ROUTES	20000
#define CACHE_MS	60000

struct ask {
	uint64_t	 id;		/* first: idmap */
	TAILQ_ENTRY(ask) link;		/* waiting */
	struct entry	*e;		/* pinned */
	uint32_t	 number;
	/* QL_TARGETS that came in parts: */
	struct buf	 targets;
	uint32_t	 ntargets;
	unsigned	 lost;		/* times lookup died with it */
};

struct routes {
	struct idmap	 cache;
	TAILQ_HEAD(, route) order;	/* of the cache, oldest first */
	struct idmap	 asked;
	TAILQ_HEAD(, ask) waiting;
	uint64_t	 last_ask;
};

static void	 lookup_says(void *, struct channel *, struct message *);
static void	 lookup_is_down(void *, struct channel *);
static void	 ask_send(struct qmgr *, struct ask *);
static void	 ask_more(struct qmgr *);
static void	 ask_free(struct ask *);
static void	 destination_came(struct qmgr *, struct channel *,
		    struct message *);
static void	 targets_came(struct qmgr *, struct channel *,
		    struct message *);
static void	 use_targets(struct qmgr *, struct ask *);
static struct route *route_new(struct qmgr *, struct slice key,
		    const struct destination *);
static struct route *route_by_hand(struct qmgr *, struct slice next_hop);
static void	 routed(struct qmgr *, struct entry *, uint32_t number,
		    struct route *);
static void	 decide(struct qmgr *, struct entry *, uint32_t number,
		    const struct destination *);
static void	 cache_add(struct qmgr *, struct route *);
static void	 cache_remove(struct qmgr *, struct route *);

const struct message_rule lookup_rules[] = RULES_OF(QMGR_LOOKUP);
const struct channel_ops lookup_ops = { lookup_says, lookup_is_down, NULL };

void
routes_init(struct qmgr *q)
{
	q->routes = mem_alloc(sizeof(*q->routes));
	TAILQ_INIT(&q->routes->order);
	TAILQ_INIT(&q->routes->waiting);
}

void
routes_clear(struct qmgr *q)
{
	struct routes *rs = q->routes;
	struct route *r;
	struct ask *a;
	size_t cursor = 0;

	if (rs == NULL)
		return;
	while ((r = TAILQ_FIRST(&rs->order)) != NULL)
		cache_remove(q, r);
	while ((a = idmap_next(&rs->asked, &cursor)) != NULL)
		ask_free(a);
	while ((a = TAILQ_FIRST(&rs->waiting)) != NULL) {
		TAILQ_REMOVE(&rs->waiting, a, link);
		ask_free(a);
	}
	idmap_clear(&rs->asked);
	idmap_clear(&rs->cache);
	free(rs);
	q->routes = NULL;
}

/* ---- asking ------------------------------------------------------------- */

static void
key_of(const struct rcpt *r, struct buf *b)
{
	put_u8(b, (uint8_t)((r->flags & RCPT_EXPANDED ? ROUTE_EXPANDED : 0) |
	    (r->flags & RCPT_NO_FORWARD ? ROUTE_NO_FORWARD : 0)));
	put_slice(b, r->address);
	put_slice(b, r->owner);
}

void
route_ask(struct qmgr *q, struct entry *e, uint32_t number)
{
	struct routes *rs = q->routes;
	struct buf key = BUF_INIT(8192);
	struct route *r;
	struct ask *a;

	if (e->rcpts[number].reroute.n > 0) {
		routed(q, e, number, route_by_hand(q,
		    e->rcpts[number].reroute));
		return;
	}
	key_of(&e->rcpts[number], &key);
	r = idmap_find(&rs->cache, siphash(q->hash_key, buf_slice(&key)));
	if (r != NULL && slice_eq(r->key, buf_slice(&key)) &&
	    r->until > clock_mono_ms()) {
		r->refs++;
		routed(q, e, number, r);
	} else {
		a = mem_alloc(sizeof(*a));
		a->id = ++rs->last_ask;
		a->e = e;
		a->number = number;
		buf_init(&a->targets, 64 * 1024 * 1024);
		entry_pin(e);
		if (q->lookup != NULL && rs->asked.n < ASKS)
			ask_send(q, a);
		else
			TAILQ_INSERT_TAIL(&rs->waiting, a, link);
	}
	buf_clear(&key);
}

static void
ask_send(struct qmgr *q, struct ask *a)
{
	struct buf *b;

	idmap_add(&q->routes->asked, a);
	b = channel_begin(q->lookup, QL_ROUTE, a->id);
	if (b != NULL)
		key_of(&a->e->rcpts[a->number], b);
	channel_end(q->lookup);
}

static void
ask_more(struct qmgr *q)
{
	struct routes *rs = q->routes;
	struct ask *a;

	while (q->lookup != NULL && rs->asked.n < ASKS &&
	    (a = TAILQ_FIRST(&rs->waiting)) != NULL) {
		TAILQ_REMOVE(&rs->waiting, a, link);
		ask_send(q, a);
	}
}

static void
ask_free(struct ask *a)
{
	buf_clear(&a->targets);
	free(a);
}

static void
ask_done(struct qmgr *q, struct ask *a)
{
	struct entry *e = a->e;

	ask_free(a);
	entry_unpin(q, &e);
	ask_more(q);
}

void
route_up(struct qmgr *q)
{
	ask_more(q);
}

static void
ask_lost(struct qmgr *q, struct ask *a)
{
	idmap_remove(&q->routes->asked, a->id);
	buf_reset(&a->targets);
	a->ntargets = 0;
	if (++a->lost >= KILLS) {
		struct outcome o = { .status = OUTCOME_DEFERRED,
			.enhanced = { 4, 3, 0 },
			.text = SLICE_LIT("the look-up service failed") };

		rcpt_decided(q, a->e, &a->e->rcpts[a->number], &o);
		ask_done(q, a);
		return;
	}
	TAILQ_INSERT_HEAD(&q->routes->waiting, a, link);
}

static void
lookup_is_down(void *arg, struct channel *c)
{
	struct qmgr *q = arg;
	struct routes *rs = q->routes;
	struct ask *a;
	size_t cursor;

	if (q->lookup != c)
		return;
	q->lookup = NULL;
	while (cursor = 0, (a = idmap_next(&rs->asked, &cursor)) != NULL)
		ask_lost(q, a);
}

/* ---- answers ------------------------------------------------------------ */

static void
lookup_says(void *arg, struct channel *c, struct message *m)
{
	struct qmgr *q = arg;
	struct route *r;

	switch (m->type) {
	case QL_DESTINATION:
		destination_came(q, c, m);
		break;
	case QL_TARGETS:
		targets_came(q, c, m);
		break;
	case QL_CHANGED:
		while ((r = TAILQ_FIRST(&q->routes->order)) != NULL)
			cache_remove(q, r);
		break;
	}
}

static void
destination_came(struct qmgr *q, struct channel *c, struct message *m)
{
	struct ask *a = idmap_find(&q->routes->asked, m->id);
	struct buf key = BUF_INIT(8192);
	struct destination to;
	struct route *r;

	if (!destination_unpack(&m->body, &to) || !wire_done(&m->body)) {
		channel_breach(c, "destination");
		return;
	}
	if (a == NULL)
		return;
	idmap_remove(&q->routes->asked, a->id);
	if (to.kind == DEST_FAIL || to.kind == DEST_DEFER ||
	    to.kind == DEST_DISCARD)
		decide(q, a->e, a->number, &to);
	else {
		key_of(&a->e->rcpts[a->number], &key);
		r = route_new(q, buf_slice(&key), &to);
		cache_add(q, r);
		buf_clear(&key);
		routed(q, a->e, a->number, r);
	}
	ask_done(q, a);
}

static void
targets_came(struct qmgr *q, struct channel *c, struct message *m)
{
	struct ask *a = idmap_find(&q->routes->asked, m->id);
	struct slice sender = get_slice(&m->body, ADDRESS_BYTES);
	bool last = get_bool(&m->body);
	struct wire w = m->body;

	while (!w.bad && w.rest.n > 0) {
		uint8_t flags = get_u8(&w);
		struct slice t = get_slice(&w, TARGET_BYTES);

		if (w.bad || a == NULL)
			continue;
		a->ntargets++;
		put_u8(&a->targets, flags & TARGET_NO_FORWARD ?
		    RCPT_NO_FORWARD : 0);
		put_slice(&a->targets, sender);
		if (put_slice(&a->targets, t) == -1)
			wire_fail(&w);
	}
	if (w.bad) {
		channel_breach(c, "targets");
		return;
	}
	if (a == NULL)
		return;
	if (!last)
		return;
	idmap_remove(&q->routes->asked, a->id);
	use_targets(q, a);
	ask_done(q, a);
}

static void
use_targets(struct qmgr *q, struct ask *a)
{
	struct target *t = mem_array(a->ntargets, sizeof(*t));
	struct wire w = wire_of(buf_slice(&a->targets));
	struct slice from = a->e->senders[a->e->rcpts[a->number].sender];
	uint32_t i;

	for (i = 0; i < a->ntargets; i++) {
		t[i].flags = get_u8(&w);
		t[i].sender = get_slice(&w, ADDRESS_BYTES);
		/* A report to a list stays one: no report about it. */
		t[i].new_sender = t[i].sender.n > 0 && from.n > 0;
		t[i].address = get_slice(&w, TARGET_BYTES);
	}
	assert(wire_done(&w));
	entry_expand(q, a->e, a->number, SLICE_EMPTY, false, t,
	    a->ntargets);
	free(t);
}

/* ---- routes ------------------------------------------------------------- */

static struct route *
route_new(struct qmgr *q, struct slice key, const struct destination *to)
{
	struct route *r = mem_alloc(sizeof(*r));
	struct buf b = BUF_INIT(16384);
	struct wire w;
	bool remote = to->kind == DEST_REMOTE;
	bool ok;

	destination_pack(&b, to);
	r->packed = b.p;
	w = wire_of(slice_of(b.p, b.n));
	ok = destination_unpack(&w, &r->to);
	assert(ok);
	r->key = slice_of(mem_slicedup(key), key.n);
	r->hash = siphash(q->hash_key, r->key);
	r->refs = 1;
	r->hop = hop_get(&q->sched, !remote, to->next_hop);
	r->until = clock_mono_ms() + CACHE_MS;
	/* One job goes to one worker: programs apart from mailboxes, each
	 * uid and directory by itself. */
	if (!remote) {
		b = BUF_INIT(16384);
		put_u8(&b, to->kind == DEST_COMMAND);
		put_u32(&b, to->uid);
		put_u32(&b, to->gid);
		put_slice(&b, to->home);
		r->group = siphash(q->hash_key, buf_slice(&b));
		buf_clear(&b);
	}
	return r;
}

/* `chasqui queue reroute`: the tables are not asked. */
static struct route *
route_by_hand(struct qmgr *q, struct slice next_hop)
{
	struct destination to = { .kind = DEST_REMOTE, .next_hop = next_hop };

	return route_new(q, SLICE_EMPTY, &to);
}

void
route_release(struct qmgr *q, struct route **rp)
{
	struct route *r = *rp;

	*rp = NULL;
	if (r == NULL || --r->refs > 0)
		return;
	hop_release(&q->sched, &r->hop);
	free(r->packed);
	free((char *)(uintptr_t)r->key.p);
	free(r);
}

static void
cache_add(struct qmgr *q, struct route *r)
{
	struct routes *rs = q->routes;
	struct route *old = idmap_find(&rs->cache, r->hash);

	if (old != NULL)
		cache_remove(q, old);
	else if (rs->cache.n >= CACHE_ROUTES)
		cache_remove(q, TAILQ_FIRST(&rs->order));
	r->cached = true;
	r->refs++;
	idmap_add(&rs->cache, r);
	TAILQ_INSERT_TAIL(&rs->order, r, link);
}

static void
cache_remove(struct qmgr *q, struct route *r)
{
	idmap_remove(&q->routes->cache, r->hash);
	TAILQ_REMOVE(&q->routes->order, r, link);
	r->cached = false;
	route_release(q, &r);
}

/* ---- what follows ------------------------------------------------------- */

/* Takes over a reference. */
static void
routed(struct qmgr *q, struct entry *e, uint32_t number, struct route *r)
{
	struct rcpt *to = &e->rcpts[number];

	route_release(q, &to->route);
	to->route = r;
	rcpt_enter(e, to, RCPT_READY);
	deliver_gather(q, e, number);
}

static void
decide(struct qmgr *q, struct entry *e, uint32_t number,
    const struct destination *to)
{
	struct outcome o = { .status = to->kind == DEST_FAIL ?
	    OUTCOME_FAILED : to->kind == DEST_DEFER ? OUTCOME_DEFERRED :
	    OUTCOME_DELIVERED, .code = to->code, .text = to->text };

	if (!enhanced_parse(&o.text, &o.enhanced))
		o.enhanced = o.status == OUTCOME_DELIVERED ?
		    (struct enhanced){ 2, 0, 0 } :
		    enhanced_for_code(o.code != 0 ? o.code :
		    o.status == OUTCOME_FAILED ? 550 : 450);
	while (o.text.n > 0 && o.text.p[0] == ' ')
		o.text = slice_from(o.text, 1);
	if (to->kind == DEST_DISCARD) {
		o.code = 0;
		o.text = SLICE_LIT("discarded");
	}
	rcpt_decided(q, e, &e->rcpts[number], &o);
}
