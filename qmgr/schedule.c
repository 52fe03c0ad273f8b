/* SPDX-License-Identifier: ISC */
/*
 * schedule - see schedule.h.
 *
 * Always: a hop is in the ring when it has READY jobs and nothing but its turn
 * keeps it from sending; it is in `timed` when only time does.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "schedule.h"

enum { NEW, RETRY };
#define NEW_FOR_A_RETRY	3	/* new jobs sent before a retry has its turn */
#define OTHERS_FOR_THE_LEAST 10	/* the same for the least of priorities */
#define NO_ROOM_MS	200
#define MINUTE_US	(60 * 1000 * 1000)

struct sender {
	RB_ENTRY(sender) by_key;
	uint64_t	 key;
	int		 priority;	/* one sender for each */
	unsigned	 jobs;		/* of both kinds */
	struct attempt_list	 queue[2];
	TAILQ_ENTRY(sender) ring[2];
};

static int	 hop_cmp(const struct hop *, const struct hop *);
static int	 sender_cmp(const struct sender *, const struct sender *);
static void	 hop_free(struct sched *, struct hop *);
static void	 hop_limits(struct sched *, struct hop *);
static void	 hop_wake(struct sched *, struct hop *, int64_t now);
static void	 hop_enter_ring(struct sched *, struct hop *);
static void	 hop_leave_ring(struct sched *, struct hop *);
static bool	 hop_may_send(struct sched *, struct hop *, int64_t now);
static void	 hop_send(struct sched *, struct hop *, int64_t now);
static struct attempt *hop_next_job(struct hop *);
static void	 hop_empty(struct sched *, struct hop *);
static void	 hop_die(struct sched *, struct hop *, struct slice words,
		    int64_t now);
static void	 hop_succeeded(struct hop *);
static bool	 hop_is_proven(const struct hop *);
static bool	 hop_is_crowded(const struct hop *);
static void	 hop_want(struct sched *, struct hop *);
static struct sender *sender_get(struct hop *, const struct attempt *);
static void	 ring_insert(struct hop *, int kind, struct sender *);
static struct sender *ring_next(struct hop *, int kind);
static void	 job_enqueue(struct hop *, struct attempt *, bool front);
static void	 job_dequeue(struct hop *, struct attempt *);

#define STATIC	static __attribute__((unused))
RB_GENERATE_INTERNAL(hops, hop, by_name, hop_cmp, STATIC)
RB_GENERATE_INTERNAL(senders, sender, by_key, sender_cmp, STATIC)

static int
hop_cmp(const struct hop *a, const struct hop *b)
{
	return strcmp(a->name, b->name);
}

static int
sender_cmp(const struct sender *a, const struct sender *b)
{
	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return a->priority < b->priority ? -1 : a->priority > b->priority;
}

int64_t
jitter(int64_t ms)
{
	if (ms < 5)
		return ms;
	if (ms > INT32_MAX / 2)
		ms = INT32_MAX / 2;
	return ms - ms / 5 +
	    (int64_t)arc4random_uniform((uint32_t)(ms / 5 * 2 + 1));
}

void
sched_init(struct sched *s, const struct sched_config *conf,
    const struct sched_ops *ops, void *arg)
{
	memset(s, 0, sizeof(*s));
	s->conf = *conf;
	s->ops = ops;
	s->arg = arg;
	RB_INIT(&s->hops);
	TAILQ_INIT(&s->ring);
}

void
sched_clear(struct sched *s)
{
	struct hop *h, *next;

	RB_FOREACH_SAFE(h, hops, &s->hops, next) {
		h->refs = 0;
		heap_remove(&s->timed, &h->wake);
		hop_free(s, h);
	}
	heap_clear(&s->timed);
}

void
sched_configure(struct sched *s, const struct sched_config *conf)
{
	struct hop **changed = mem_array(s->nhops + 1, sizeof(*changed)), *h;
	size_t n = 0, i;
	bool was;

	s->conf = *conf;
	RB_FOREACH(h, hops, &s->hops) {
		was = h->paused;
		hop_limits(s, h);
		if (h->paused != was) {
			h->refs++;	/* what follows may release others */
			changed[n++] = h;
		}
	}
	for (i = 0; i < n; i++) {
		h = changed[i];
		if (h->paused)
			hop_empty(s, h);
		else {
			hop_enter_ring(s, h);
			hop_want(s, h);
		}
		hop_release(s, &h);
	}
	free(changed);
}

/* ---- next hops ---------------------------------------------------------- */

static void
hop_limits(struct sched *s, struct hop *h)
{
	unsigned limit = h->local ? s->conf.local_window :
	    s->conf.remote_window, own = 0;
	uint64_t rate = h->local ? 0 : s->conf.remote_rate, own_rate = 0;

	if (s->conf.limits != NULL)
		s->conf.limits(s->arg, h->name, &own, &own_rate);
	h->limit = own != 0 ? own : limit;
	h->rate = own_rate != 0 ? own_rate : rate;
	if (h->local || h->window > h->limit)
		h->window = h->limit;
	h->paused = s->conf.paused != NULL && s->conf.paused(s->arg, h);
}

struct hop *
hop_find(struct sched *s, struct slice name)
{
	struct hop key = { .name = mem_slicedup(name) };
	struct hop *h = RB_FIND(hops, &s->hops, &key);

	free(key.name);
	return h;
}

struct hop *
hop_after(struct sched *s, struct hop *h)
{
	return h == NULL ? RB_MIN(hops, &s->hops) : RB_NEXT(hops, &s->hops, h);
}

struct hop *
hop_get(struct sched *s, bool local, struct slice name)
{
	struct hop *h = hop_find(s, name);

	if (h == NULL) {
		h = mem_alloc(sizeof(*h));
		h->name = mem_slicedup(name);
		h->local = local;
		RB_INIT(&h->senders);
		TAILQ_INIT(&h->rings[NEW]);
		TAILQ_INIT(&h->rings[RETRY]);
		TAILQ_INIT(&h->waiting);
		h->window = WINDOW_START;
		hop_limits(s, h);
		RB_INSERT(hops, &s->hops, h);
		s->nhops++;
	}
	h->refs++;
	return h;
}

/* What was learned of a dead next hop is kept until its back-off is over. */
void
hop_release(struct sched *s, struct hop **hp)
{
	struct hop *h = *hp;

	*hp = NULL;
	if (h == NULL || --h->refs > 0)
		return;
	if (h->wake.at == 0 || s->nhops > HOPS_KEPT)
		hop_free(s, h);
}

static void
hop_free(struct sched *s, struct hop *h)
{
	struct sender *d, *next;

	if (h->refs > 0 || h->nwaiting > 0)
		return;
	hop_leave_ring(s, h);
	heap_remove(&s->timed, &h->wake);
	RB_FOREACH_SAFE(d, senders, &h->senders, next) {
		RB_REMOVE(senders, &h->senders, d);
		free(d);
	}
	RB_REMOVE(hops, &s->hops, h);
	s->nhops--;
	free(h->outcome);
	free(h->name);
	free(h);
}

static void
hop_enter_ring(struct sched *s, struct hop *h)
{
	if (h->in_ring || h->ready[NEW] + h->ready[RETRY] == 0)
		return;
	h->in_ring = true;
	TAILQ_INSERT_TAIL(&s->ring, h, ring);
}

static void
hop_leave_ring(struct sched *s, struct hop *h)
{
	if (!h->in_ring)
		return;
	h->in_ring = false;
	TAILQ_REMOVE(&s->ring, h, ring);
}

/* True where it may send now; otherwise it is put where it will be found
 * when that changes. */
static bool
hop_may_send(struct sched *s, struct hop *h, int64_t now)
{
	int64_t until = h->blocked_until;

	if (h->paused || h->state == HOP_DEAD ||
	    h->inflight >= (h->state == HOP_PROBING ? 1 : h->window))
		return false;	/* sched_result() or hop_wake() follows */
	if (h->rate > 0 && h->next_us / 1000 > until)
		until = h->next_us / 1000;
	if (until <= now)
		return true;
	heap_set(&s->timed, &h->wake, until);
	return false;
}

/* A second's worth may go at once after a pause, then evenly. */
static void
hop_pay(struct hop *h, int64_t now)
{
	int64_t step, burst, earliest;

	if (h->rate == 0)
		return;
	step = (int64_t)(MINUTE_US / h->rate);
	burst = step > 1000000 ? 0 : 1000000 - step;
	earliest = now * 1000 - burst;
	if (h->next_us < earliest)
		h->next_us = earliest;
	h->next_us += step;
}

/* Its time has come. */
static void
hop_wake(struct sched *s, struct hop *h, int64_t now)
{
	heap_remove(&s->timed, &h->wake);
	if (h->state == HOP_DEAD)
		hop_revive(s, h, now);
	else if (h->refs == 0)
		hop_free(s, h);
	else
		hop_enter_ring(s, h);
}

void
hop_revive(struct sched *s, struct hop *h, int64_t now)
{
	(void)now;
	if (h->state != HOP_DEAD)
		return;
	heap_remove(&s->timed, &h->wake);
	h->state = HOP_PROBING;
	if (h->refs == 0 && h->nwaiting == 0) {
		hop_free(s, h);
		return;
	}
	hop_enter_ring(s, h);
	hop_want(s, h);
}

/* Its jobs are handed back. */
static void
hop_empty(struct sched *s, struct hop *h)
{
	struct sender *d;
	struct attempt *j;
	int kind;

	hop_leave_ring(s, h);
	h->refs++;	/* handing back may release what it holds */
	for (kind = NEW; kind <= RETRY; kind++)
		while ((d = TAILQ_FIRST(&h->rings[kind])) != NULL) {
			j = TAILQ_FIRST(&d->queue[kind]);
			sched_remove(s, j);
			s->ops->hand_back(s->arg, j, true);
		}
	h->refs--;
}

static void
hop_die(struct sched *s, struct hop *h, struct slice words, int64_t now)
{
	if (h->state != HOP_DEAD) {
		h->backoff_ms = h->backoff_ms == 0 ? s->conf.retry_first :
		    h->backoff_ms * 2;
		if (h->backoff_ms > s->conf.retry_max)
			h->backoff_ms = s->conf.retry_max;
		heap_set(&s->timed, &h->wake, now + jitter(h->backoff_ms));
	}
	h->state = HOP_DEAD;
	h->window = h->local ? h->limit : 1;
	h->credit = 0;
	free(h->outcome);
	h->outcome = mem_slicedup(words);
	h->noutcome = (uint32_t)words.n;
	hop_empty(s, h);
}

static void
hop_succeeded(struct hop *h)
{
	h->successes++;
	h->backoff_ms = 0;
	if (h->state != HOP_ALIVE) {
		h->state = HOP_ALIVE;
		h->window = h->limit < WINDOW_START ? h->limit : WINDOW_START;
		if (h->local)
			h->window = h->limit;
		return;
	}
	if (h->window < h->limit && ++h->credit >= h->window) {
		h->window++;
		h->credit = 0;
	}
}

/* Others than new messages may be sent there more than one at a time. */
static bool
hop_is_proven(const struct hop *h)
{
	return h->local || (h->state == HOP_ALIVE && h->successes > 0);
}

/* Retries beyond this go back to sleep, so that next hops that time out do not
 * keep those of others from being awake (Q6). */
static bool
hop_is_crowded(const struct hop *h)
{
	return hop_is_proven(h) ? h->ready[RETRY] >= HOP_RETRIES :
	    h->ready[RETRY] + h->inflight > 0;
}

/* Messages that wait for it are woken as there is room for them, not all at
 * once. */
static void
hop_want(struct sched *s, struct hop *h)
{
	unsigned room = hop_is_proven(h) ? h->window * 2 : 1;
	unsigned have = h->ready[NEW] + h->ready[RETRY] + h->inflight;

	if (!h->paused && h->state != HOP_DEAD && h->nwaiting > 0 &&
	    have < room)
		s->ops->wanted(s->arg, h, room - have);
}

void
hop_wait(struct hop *h, struct slot *slot)
{
	if (slot->hop == h)
		return;
	hop_unwait(slot);
	slot->hop = h;
	TAILQ_INSERT_TAIL(&h->waiting, slot, of_hop);
	h->nwaiting++;
}

void
hop_unwait(struct slot *slot)
{
	struct hop *h = slot->hop;

	if (h == NULL)
		return;
	TAILQ_REMOVE(&h->waiting, slot, of_hop);
	h->nwaiting--;
	slot->hop = NULL;
}

bool
hop_is_dead(const struct hop *h)
{
	return h->state == HOP_DEAD;
}

int64_t
hop_until(const struct hop *h)
{
	return h->wake.when;
}

/* ---- jobs at a next hop ------------------------------------------------- */

static struct sender *
sender_get(struct hop *h, const struct attempt *j)
{
	struct sender *d, like = { .key = j->sender_key,
		.priority = j->priority };

	d = RB_FIND(senders, &h->senders, &like);
	if (d == NULL) {
		d = mem_alloc(sizeof(*d));
		d->key = like.key;
		d->priority = like.priority;
		TAILQ_INIT(&d->queue[NEW]);
		TAILQ_INIT(&d->queue[RETRY]);
		RB_INSERT(senders, &h->senders, d);
	}
	return d;
}

/* Behind those of its priority and above.  Where all have the same, as nearly
 * always, that is the end; a high one has few before it. */
static void
ring_insert(struct hop *h, int kind, struct sender *d)
{
	struct sender_ring *ring = &h->rings[kind];
	struct sender *at = TAILQ_LAST(ring, sender_ring);

	if (at == NULL || at->priority >= d->priority) {
		TAILQ_INSERT_TAIL(ring, d, ring[kind]);
		return;
	}
	TAILQ_FOREACH(at, ring, ring[kind])
		if (at->priority < d->priority)
			break;
	TAILQ_INSERT_BEFORE(at, d, ring[kind]);
}

/* Whose turn it is; the least priority's last one now and then, so that nobody
 * who may ask for a higher one starves the others (Q6). */
static struct sender *
ring_next(struct hop *h, int kind)
{
	struct sender_ring *ring = &h->rings[kind];
	struct sender *first = TAILQ_FIRST(ring);
	struct sender *last = TAILQ_LAST(ring, sender_ring), *d = first;

	if (first->priority == last->priority)
		h->since_least = 0;
	else if (++h->since_least > OTHERS_FOR_THE_LEAST) {
		h->since_least = 0;
		d = last;
	}
	TAILQ_REMOVE(ring, d, ring[kind]);
	if (d == first)
		ring_insert(h, kind, d);
	else {		/* the others of its priority are before it in turn */
		TAILQ_FOREACH(first, ring, ring[kind])
			if (first->priority <= d->priority)
				break;
		if (first == NULL)
			TAILQ_INSERT_TAIL(ring, d, ring[kind]);
		else
			TAILQ_INSERT_BEFORE(first, d, ring[kind]);
	}
	return d;
}

static void
job_enqueue(struct hop *h, struct attempt *j, bool front)
{
	struct sender *d = sender_get(h, j);

	if (TAILQ_EMPTY(&d->queue[j->retry]))
		ring_insert(h, j->retry, d);
	if (front)
		TAILQ_INSERT_HEAD(&d->queue[j->retry], j, link);
	else
		TAILQ_INSERT_TAIL(&d->queue[j->retry], j, link);
	d->jobs++;
	h->ready[j->retry]++;
	j->sender = d;
	j->state = JOB_READY;
}

static void
job_dequeue(struct hop *h, struct attempt *j)
{
	struct sender *d = j->sender;

	TAILQ_REMOVE(&d->queue[j->retry], j, link);
	if (TAILQ_EMPTY(&d->queue[j->retry]))
		TAILQ_REMOVE(&h->rings[j->retry], d, ring[j->retry]);
	h->ready[j->retry]--;
	j->sender = NULL;
	j->state = JOB_GATHERED;
	if (--d->jobs == 0) {
		RB_REMOVE(senders, &h->senders, d);
		free(d);
	}
}

/* The next sender's next job; the sender goes to the end of its row. */
static struct attempt *
hop_next_job(struct hop *h)
{
	int kind = NEW;
	struct sender *d;

	if (h->ready[NEW] == 0 ||
	    (h->ready[RETRY] > 0 && h->since_retry >= NEW_FOR_A_RETRY))
		kind = RETRY;
	h->since_retry = kind == RETRY ? 0 : h->since_retry + 1;
	d = ring_next(h, kind);
	return TAILQ_FIRST(&d->queue[kind]);
}

void
sched_add(struct sched *s, struct attempt *j, int64_t now)
{
	(void)now;
	assert(j->state == JOB_GATHERED);
	if (j->hop->paused || j->hop->state == HOP_DEAD) {
		s->ops->hand_back(s->arg, j, true);
		return;
	}
	if (j->retry && hop_is_crowded(j->hop)) {
		s->ops->hand_back(s->arg, j, false);
		return;
	}
	job_enqueue(j->hop, j, false);
	s->ready++;
	hop_enter_ring(s, j->hop);
}

void
sched_remove(struct sched *s, struct attempt *j)
{
	assert(j->state == JOB_READY);
	job_dequeue(j->hop, j);
	s->ready--;
	if (j->hop->ready[NEW] + j->hop->ready[RETRY] == 0)
		hop_leave_ring(s, j->hop);
}

/* One job of each hop in its turn, until none may send. */
void
sched_run(struct sched *s, int64_t now)
{
	struct heap_node *n;
	struct hop *h;

	while ((n = heap_first(&s->timed)) != NULL && n->when <= now)
		hop_wake(s, (struct hop *)((char *)n -
		    offsetof(struct hop, wake)), now);
	while ((h = TAILQ_FIRST(&s->ring)) != NULL) {
		hop_leave_ring(s, h);
		if (!s->blocked[h->local] && hop_may_send(s, h, now))
			hop_send(s, h, now);
	}
}

static void
hop_send(struct sched *s, struct hop *h, int64_t now)
{
	struct attempt *j = hop_next_job(h);

	h->refs++;	/* the job's end may be the hop's */
	sched_remove(s, j);
	switch (s->ops->send(s->arg, j)) {
	case SEND_DONE:
		j->state = JOB_SENT;
		h->inflight++;
		s->sent++;
		hop_pay(h, now);
		break;
	case SEND_BUSY:
		job_enqueue(h, j, true);
		s->ready++;
		s->blocked[h->local] = true;
		break;
	case SEND_NEVER:
		break;
	}
	if (!s->blocked[h->local])
		hop_enter_ring(s, h);
	hop_release(s, &h);
}

void
sched_unblock(struct sched *s)
{
	struct hop *h;

	if (!s->blocked[false] && !s->blocked[true])
		return;
	s->blocked[false] = s->blocked[true] = false;
	RB_FOREACH(h, hops, &s->hops)
		hop_enter_ring(s, h);
}

void
sched_tick(struct sched *s)
{
	struct hop *h, *next;

	RB_FOREACH_SAFE(h, hops, &s->hops, next) {
		hop_want(s, h);
		if (h->refs == 0 && h->wake.at == 0)
			hop_free(s, h);
	}
}

int64_t
sched_next(const struct sched *s)
{
	const struct heap_node *n = heap_first(&s->timed);

	return n == NULL ? -1 : n->when;
}

void
sched_result(struct sched *s, struct attempt *j, enum job_result result,
    struct slice words, int64_t now)
{
	struct hop *h = j->hop;

	assert(j->state == JOB_SENT && h->inflight > 0);
	j->state = JOB_GATHERED;
	h->inflight--;
	s->sent--;
	switch (result) {
	case JOB_DELIVERED:
		hop_succeeded(h);
		break;
	case JOB_SITE_FAILED:
		if (h->state == HOP_DEAD)
			break;
		h->window = h->window / 2 < 1 ? 1 : h->window / 2;
		h->credit = 0;
		if (h->state == HOP_PROBING ||
		    (h->successes == 0 && h->inflight == 0))
			hop_die(s, h, words, now);
		h->successes = 0;
		break;
	case JOB_NO_ROOM:
		h->blocked_until = now + NO_ROOM_MS;
		break;
	case JOB_LOST:
		break;	/* says nothing about the next hop */
	}
	hop_enter_ring(s, h);
	hop_want(s, h);
}
