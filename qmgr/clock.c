/* SPDX-License-Identifier: ISC */
/* clock - see clock.h. */
#include "base/clock.h"
#include "base/log.h"
#include "qmgr.h"

static void	 add_step(struct queue_clock *, int64_t before, int64_t after);
static void	 move_waiting(struct qmgr *, int64_t ms, int64_t now);

void
clock_start(struct qmgr *q)
{
	int64_t now = clock_wall_ms();

	clock_watch_init(&q->clock.watch);
	q->clock.n = 0;
	add_step(&q->clock, now, now);
}

static void
add_step(struct queue_clock *c, int64_t before, int64_t after)
{
	if (c->n < CLOCK_STEPS)
		c->steps[c->n++] = (struct clock_step){ before, after };
}

int64_t
clock_now(struct qmgr *q)
{
	int64_t now, ms = clock_stepped(&q->clock.watch, &now);

	if (ms != 0) {
		log_warn("event=clock-stepped ms=%lld", (long long)ms);
		add_step(&q->clock, now - ms, now);
		move_waiting(q, ms, now);
	}
	return now;
}

/* None waits for longer than it might when it is put to sleep; but for those
 * that ask for a time to come (RFC 4865), which are woken to ask again. */
static void
move_waiting(struct qmgr *q, int64_t ms, int64_t now)
{
	struct slot *s;
	struct entry *e;
	size_t cursor = 0;

	heap_move(&q->queue.due, ms, now + 2 * q->conf->queue_retry_max);
	while ((s = idmap_next(&q->queue.slots, &cursor)) != NULL) {
		e = s->entry;
		/* Its file names a time of the old clock. */
		if (s->state == SLOT_WAITING || s->state == SLOT_LOADING)
			s->wake = true;
		else if (s->state == SLOT_ACTIVE && e->next_ms > now - ms)
			e->next_ms += ms;
	}
}

int64_t
clock_ago(const struct queue_clock *c, uint8_t known, int64_t at_ms)
{
	const struct clock_step *s;
	int64_t latest = INT64_MAX;

	for (s = &c->steps[known]; s < &c->steps[c->n]; s++) {
		if (s->after > s->before && at_ms <= s->before)
			at_ms += s->after - s->before;
		latest = latest == INT64_MAX ? s->after :
		    latest + s->after - s->before;
	}
	return at_ms < latest ? at_ms : latest;
}
