/* SPDX-License-Identifier: ISC */
/*
 * hops - tells tools and metrics of the next hops: those with most messages
 * one by one, for metrics the rest as a sum.
 */
#include <stdlib.h>
#include <sysexits.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ipc/queue_shape.h"
#include "qmgr.h"

#define ROWS_MAX	1000	/* that a tool may ask for */
#define TELL_MS		500	/* metrics asks no sooner again */

/* The first of them, those with most messages. */
struct top {
	const struct hop	**v;	/* owned; largest first */
	size_t			 n;
	size_t			 max;
};

static void	 metrics_asks(void *, struct channel *, struct message *);
static void	 metrics_is_gone(void *, struct channel *);

const struct message_rule metrics_rules[] = RULES_OF(QMGR_METRICS);
const struct channel_ops metrics_ops = { metrics_asks, metrics_is_gone, NULL };

static uint64_t
messages_of(const struct hop *h)
{
	return (uint64_t)h->nwaiting + h->ready[0] + h->ready[1] +
	    h->inflight;
}

static struct hop_sum
sum_of(const struct hop *h)
{
	return (struct hop_sum){
		.name = slice_str(h->name),
		.hops = 1,
		.dead = h->state != HOP_ALIVE,
		.waiting = h->nwaiting,
		.ready = (uint64_t)h->ready[0] + h->ready[1],
		.active = h->inflight,
	};
}

/* Of two with as many, the one that is in trouble is told first. */
static bool
is_before(const struct hop *a, const struct hop *b)
{
	uint64_t x = messages_of(a), y = messages_of(b);

	if (x != y)
		return x > y;
	return a->state != HOP_ALIVE && b->state == HOP_ALIVE;
}

static void
top_add(struct top *t, const struct hop *h)
{
	size_t i;

	if (t->max == 0 ||
	    (t->n == t->max && !is_before(h, t->v[t->n - 1])))
		return;
	i = t->n < t->max ? t->n++ : t->n - 1;
	for (; i > 0 && is_before(h, t->v[i - 1]); i--)
		t->v[i] = t->v[i - 1];
	t->v[i] = h;
}

static bool
top_has(const struct top *t, const struct hop *h)
{
	size_t i;

	for (i = 0; i < t->n && t->v[i] != h; i++)
		continue;
	return i < t->n;
}

static struct top
find_top(struct qmgr *q, size_t max)
{
	struct top t = { .v = mem_array(max + 1, sizeof(*t.v)), .max = max };
	struct hop *h = NULL;

	while ((h = hop_after(&q->sched, h)) != NULL)
		top_add(&t, h);
	return t;
}

/* ---- metrics ------------------------------------------------------------- */

/* It reads what strangers send: what it asks may cost only so much. */
static void
metrics_asks(void *arg, struct channel *c, struct message *m)
{
	struct qmgr *q = arg;
	int64_t now = clock_mono_ms();
	struct hop_sum rest = { .name = SLICE_EMPTY }, one;
	struct hop *h = NULL;
	struct top t;
	struct buf *b;
	size_t i;

	(void)m;
	if (q->hops_told_ms != 0 && now - q->hops_told_ms < TELL_MS)
		return;
	q->hops_told_ms = now;
	t = find_top(q, METRICS_HOPS);
	while ((h = hop_after(&q->sched, h)) != NULL) {
		if (top_has(&t, h))
			continue;
		one = sum_of(h);
		rest.hops += one.hops;
		rest.dead += one.dead;
		rest.waiting += one.waiting;
		rest.ready += one.ready;
		rest.active += one.active;
	}
	b = channel_begin(c, QX_HOPS, 0);
	if (b != NULL) {
		hop_sum_pack(b, &rest);
		put_u32(b, (uint32_t)t.n);
		for (i = 0; i < t.n; i++) {
			one = sum_of(t.v[i]);
			hop_sum_pack(b, &one);
		}
	}
	channel_end(c);
	free(t.v);
}

static void
metrics_is_gone(void *arg, struct channel *c)
{
	(void)arg;
	(void)c;
}

/* ---- tools --------------------------------------------------------------- */

static void
tell_hop(struct channel *ch, uint64_t id, const struct hop *h)
{
	struct wire w = wire_of(slice_of(h->outcome, h->noutcome));
	struct hop_row r = {
		.sum = sum_of(h),
		.state = h->state == HOP_ALIVE ? HOP_ROW_ALIVE :
		    h->state == HOP_DEAD ? HOP_ROW_DEAD : HOP_ROW_PROBED,
		.window = h->window,
		.why = SLICE_EMPTY,
	};
	struct outcome o;
	struct buf *b;

	if (h->state == HOP_DEAD)
		r.again_ms = hop_until(h) - clock_mono_ms();
	if (h->state != HOP_ALIVE && h->outcome != NULL &&
	    outcome_unpack(&w, &o))
		r.why = o.text;
	b = channel_begin(ch, TL_NEXT_HOP, id);
	if (b != NULL)
		hop_row_pack(b, &r);
	channel_end(ch);
}

bool
hops_asked(struct qmgr *q, struct channel *ch, struct message *m)
{
	struct top t;
	uint32_t rows;
	size_t i;

	if (m->type != TL_NEXT_HOPS)
		return false;
	rows = get_u32(&m->body);
	if (rows > ROWS_MAX) {
		channel_breach(ch, "next-hops");
		return true;
	}
	t = find_top(q, rows);
	for (i = 0; i < t.n; i++)
		tell_hop(ch, m->id, t.v[i]);
	free(t.v);
	tool_end(ch, m->id, EX_OK, SLICE_EMPTY);
	return true;
}
