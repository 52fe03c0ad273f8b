/* SPDX-License-Identifier: ISC */
/*
 * pool - see pool.h.
 *
 * Always: the places in use are the owners that are neither new nor in line.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ipc/counters.h"
#include "ipc/delivery.h"
#include "ipc/master_child.h"
#include "pool.h"

#define TICK_MS		1000
#define START_MS	30000		/* for master to start a worker */
#define REST_FIRST_MS	50
#define REST_MAX_MS	10000

static void	 owner_enter(struct owner *, enum owner_state);
static void	 owner_free(struct pool *, struct owner *);
static void	 need_place(struct pool *, struct owner *);
static void	 fill_places(struct pool *);
static void	 ask_master(struct pool *, struct owner *);
static void	 make_room(struct pool *);
static void	 end_worker(struct owner *);
static void	 rest(struct pool *, struct owner *);
static void	 tick(void *);

int
owner_key_cmp(const struct owner_key *a, const struct owner_key *b)
{
	if (a->role != b->role)
		return a->role < b->role ? -1 : 1;
	if (a->uid != b->uid)
		return a->uid < b->uid ? -1 : 1;
	if (a->gid != b->gid)
		return a->gid < b->gid ? -1 : 1;
	return slice_cmp(a->home, b->home);
}

static int
owner_cmp(const struct owner *a, const struct owner *b)
{
	return owner_key_cmp(&a->key, &b->key);
}

RB_GENERATE_INTERNAL(owner_tree, owner, node, owner_cmp,
    __attribute__((__unused__)) static)

void
pool_init(struct pool *p, struct ev_loop *loop, struct channel *master,
    const struct pool_ops *ops, void *arg)
{
	p->ops = ops;
	p->arg = arg;
	p->master = master;
	RB_INIT(&p->owners);
	TAILQ_INIT(&p->line);
	TAILQ_INIT(&p->by_use);
	ev_timer_init(&p->tick, loop, tick, p);
}

void
pool_clear(struct pool *p)
{
	while (!RB_EMPTY(&p->owners))
		owner_free(p, RB_ROOT(&p->owners));
	ev_timer_clear(&p->tick);
}

/* ---- owners ------------------------------------------------------------- */

struct owner *
pool_owner(struct pool *p, const struct owner_key *key, struct slice user)
{
	struct owner want = { .key = *key }, *o;

	o = RB_FIND(owner_tree, &p->owners, &want);
	if (o != NULL)
		return o;
	o = mem_alloc(sizeof(*o));
	o->home = mem_slicedup(key->home);
	o->user = mem_slicedup(user);
	o->key = *key;
	o->key.home = slice_of(o->home, key->home.n);
	TAILQ_INIT(&o->waiting);
	TAILQ_INIT(&o->sent);
	RB_INSERT(owner_tree, &p->owners, o);
	if (!ev_timer_is_set(&p->tick))
		ev_timer_set(&p->tick, TICK_MS);
	return o;
}

static void
owner_enter(struct owner *o, enum owner_state state)
{
	static const unsigned from[] = {
		[OWNER_NEW] = 0,
		[OWNER_LINE] = 1 << OWNER_NEW | 1 << OWNER_UP |
		    1 << OWNER_DRAINING | 1 << OWNER_ENDING |
		    1 << OWNER_RESTING,
		[OWNER_ASKED] = 1 << OWNER_LINE,
		[OWNER_UP] = 1 << OWNER_ASKED,
		[OWNER_DRAINING] = 1 << OWNER_UP,
		[OWNER_ENDING] = 1 << OWNER_UP | 1 << OWNER_DRAINING,
		[OWNER_RESTING] = 1 << OWNER_UP,
	};

	assert(from[state] & 1u << o->state);
	o->state = state;
	o->since_ms = clock_mono_ms();
}

static bool
has_place(const struct owner *o)
{
	return o->state != OWNER_NEW && o->state != OWNER_LINE &&
	    o->state != OWNER_RESTING;
}

static void
owner_free(struct pool *p, struct owner *o)
{
	assert(TAILQ_EMPTY(&o->waiting) && TAILQ_EMPTY(&o->sent));
	if (o->state == OWNER_LINE)
		TAILQ_REMOVE(&p->line, o, line);
	if (has_place(o)) {
		TAILQ_REMOVE(&p->by_use, o, use);
		count_set(LOCAL_WORKERS, --p->nplaces);
	}
	RB_REMOVE(owner_tree, &p->owners, o);
	free(o->home);
	free(o->user);
	free(o);
}

/* ---- places ------------------------------------------------------------- */

bool
pool_need(struct pool *p, struct owner *o)
{
	o->used_ms = clock_mono_ms();
	if (o->state == OWNER_NEW || (o->state == OWNER_RESTING &&
	    !pool_rests(o)))
		need_place(p, o);
	if (o->state != OWNER_UP)
		return false;
	TAILQ_REMOVE(&p->by_use, o, use);
	TAILQ_INSERT_TAIL(&p->by_use, o, use);
	return true;
}

bool
pool_rests(const struct owner *o)
{
	return o->state == OWNER_RESTING &&
	    clock_mono_ms() - o->since_ms < o->rest_ms;
}

static void
need_place(struct pool *p, struct owner *o)
{
	owner_enter(o, OWNER_LINE);
	TAILQ_INSERT_TAIL(&p->line, o, line);
	fill_places(p);
}

static void
fill_places(struct pool *p)
{
	struct owner *o;

	while (p->nplaces < p->places && (o = TAILQ_FIRST(&p->line)) != NULL) {
		TAILQ_REMOVE(&p->line, o, line);
		ask_master(p, o);
	}
	if (!TAILQ_EMPTY(&p->line))
		make_room(p);
}

/*
 * Somebody is in line: the least recently used idle process goes, or else the
 * one that is up for longest gets no more work until it has gone once through
 * the line.  So a few busy owners do not keep the others out (Q6).
 */
static void
make_room(struct pool *p)
{
	struct owner *o, *idle = NULL, *oldest = NULL, *last;
	size_t going = 0, in_line = 0;

	TAILQ_FOREACH(o, &p->line, line)
		in_line++;
	TAILQ_FOREACH(o, &p->by_use, use)
		going += o->state == OWNER_DRAINING ||
		    o->state == OWNER_ENDING;
	for (; going < in_line; going++) {
		idle = oldest = NULL;
		TAILQ_FOREACH(o, &p->by_use, use) {
			if (o->state != OWNER_UP)
				continue;
			if (idle == NULL && o->nsent == 0)
				idle = o;
			if (oldest == NULL || o->since_ms < oldest->since_ms)
				oldest = o;
		}
		last = idle != NULL ? idle : oldest;
		if (last == NULL)
			return;
		if (last->nsent == 0)
			end_worker(last);
		else
			owner_enter(last, OWNER_DRAINING);
	}
}

void
pool_done(struct owner *o)
{
	o->used_ms = clock_mono_ms();
	if (o->state == OWNER_DRAINING && o->nsent == 0)
		end_worker(o);
}

/* ---- processes ---------------------------------------------------------- */

static void
ask_master(struct pool *p, struct owner *o)
{
	struct buf *b;

	owner_enter(o, OWNER_ASKED);
	count_set(LOCAL_WORKERS, ++p->nplaces);
	TAILQ_INSERT_TAIL(&p->by_use, o, use);
	o->slot = p->next_slot++;
	b = channel_begin(p->master, CTL_WORKER_WANTED, 0);
	if (b != NULL) {
		put_u32(b, o->slot);
		put_u32(b, o->key.role);
		put_u32(b, o->key.uid);
		put_u32(b, o->key.gid);
		put_slice(b, slice_str(o->user));
		put_slice(b, o->key.home);
	}
	channel_end(p->master);
}

static struct owner *
owner_by_slot(struct pool *p, unsigned slot)
{
	struct owner *o;

	TAILQ_FOREACH(o, &p->by_use, use)
		if (o->slot == slot)
			return o;
	return NULL;
}

void
pool_refused(struct pool *p, unsigned slot, struct slice why)
{
	struct owner *o = owner_by_slot(p, slot);

	if (o == NULL || o->state != OWNER_ASKED)
		return;
	if (!TAILQ_EMPTY(&o->waiting))
		log_error("event=worker-refused role=%s uid=%u directory=%s "
		    "why=%s", role_name(o->key.role), o->key.uid,
		    LOG_Q(o->key.home), LOG_Q(why));
	p->ops->refused(p->arg, o, "4.3.5 no process could be started for the "
	    "mailbox's owner");
	owner_free(p, o);
	fill_places(p);
}

void
pool_up(struct pool *p, struct channel *ch)
{
	struct owner *o = owner_by_slot(p, channel_index(ch));

	if (o == NULL || o->state != OWNER_ASKED) {
		/* It came after START_MS. */
		channel_send(ch, LW_END, 0, SLICE_EMPTY);
		return;
	}
	channel_set_data(ch, o);
	o->channel = ch;
	o->answered = false;
	owner_enter(o, OWNER_UP);
	o->used_ms = clock_mono_ms();
	p->ops->ready(p->arg, o);
}

static void
end_worker(struct owner *o)
{
	owner_enter(o, OWNER_ENDING);
	channel_send(o->channel, LW_END, 0, SLICE_EMPTY);
}

void
pool_down(struct pool *p, struct owner *o)
{
	o->channel = NULL;
	if (o->nsent > 0)
		log_error("event=worker-died role=%s uid=%u directory=%s "
		    "jobs=%zu", role_name(o->key.role), o->key.uid,
		    LOG_Q(o->key.home), o->nsent);
	/* Not DRAINING: it needs no message to end any more. */
	if (o->state == OWNER_DRAINING)
		o->state = OWNER_ENDING;
	p->ops->died(p->arg, o);
	if (o->state == OWNER_UP && !o->answered) {
		rest(p, o);
		return;
	}
	o->rest_ms = 0;
	if (TAILQ_EMPTY(&o->waiting)) {
		owner_free(p, o);
		fill_places(p);
		return;
	}
	TAILQ_REMOVE(&p->by_use, o, use);
	count_set(LOCAL_WORKERS, --p->nplaces);
	need_place(p, o);
}

static void
rest(struct pool *p, struct owner *o)
{
	o->rest_ms = o->rest_ms == 0 ? REST_FIRST_MS : o->rest_ms * 2;
	if (o->rest_ms > REST_MAX_MS)
		o->rest_ms = REST_MAX_MS;
	p->ops->refused(p->arg, o, POOL_RESTS);
	TAILQ_REMOVE(&p->by_use, o, use);
	count_set(LOCAL_WORKERS, --p->nplaces);
	owner_enter(o, OWNER_RESTING);
	fill_places(p);
}

/* Nothing is remembered of an owner for whom nothing comes. */
static void
forget_resting(struct pool *p, int64_t now)
{
	struct owner *o, *next;

	RB_FOREACH_SAFE(o, owner_tree, &p->owners, next)
		if (o->state == OWNER_RESTING &&
		    now - o->used_ms >= 2 * REST_MAX_MS)
			owner_free(p, o);
}

/* Idle processes end; who waits too long for one is told. */
static void
tick(void *arg)
{
	struct pool *p = arg;
	struct owner *o, *next;
	int64_t now = clock_mono_ms();

	TAILQ_FOREACH_SAFE(o, &p->by_use, use, next) {
		if (o->state == OWNER_UP && o->nsent == 0 &&
		    TAILQ_EMPTY(&o->waiting) && now - o->used_ms >= p->idle_ms)
			end_worker(o);
		else if (o->state == OWNER_ASKED &&
		    now - o->since_ms >= START_MS) {
			pool_refused(p, o->slot, SLICE_LIT("no answer"));
			break;		/* the list may have changed */
		}
	}
	forget_resting(p, now);
	if (!RB_EMPTY(&p->owners))
		ev_timer_set(&p->tick, p->idle_ms < TICK_MS ? p->idle_ms :
		    TICK_MS);
}
