/* SPDX-License-Identifier: ISC */
/* queue - see queue.h. */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "queue.h"

#define SENDERS		1000	/* reverse-paths of one message: lists in lists */
#define CHUNK_SLOTS	4000

static struct blob *keep(struct queue *, struct entry *, struct slice);
static void	 count(struct queue *, struct entry *, ssize_t);

/* ---- slots -------------------------------------------------------------- */

/* A million of them would cost as many allocations' overhead, and lie between
 * entries, whose memory then could not be given back. */
struct slot_chunk {
	struct slot_chunk *next;
	struct slot	 slots[CHUNK_SLOTS];
};

void
queue_init(struct queue *q)
{
	memset(q, 0, sizeof(*q));
	TAILQ_INIT(&q->unused);
}

static void
more_slots(struct queue *q)
{
	struct slot_chunk *c = mem_alloc(sizeof(*c));
	size_t i;

	c->next = q->chunks;
	q->chunks = c;
	for (i = 0; i < CHUNK_SLOTS; i++)
		TAILQ_INSERT_TAIL(&q->unused, &c->slots[i], of_hop);
}

struct slot *
queue_slot_new(struct queue *q, uint64_t id)
{
	struct slot *s;

	if (TAILQ_EMPTY(&q->unused))
		more_slots(q);
	s = TAILQ_FIRST(&q->unused);
	TAILQ_REMOVE(&q->unused, s, of_hop);
	memset(s, 0, sizeof(*s));
	s->id = id;
	idmap_add(&q->slots, s);
	return s;
}

void
queue_slot_free(struct queue *q, struct slot **sp)
{
	struct slot *s = *sp;

	*sp = NULL;
	assert(s->entry == NULL && s->hop == NULL);
	heap_remove(&q->due, &s->due);
	hop_names_release(&q->hop_names, s->next_hop);
	s->next_hop = 0;
	idmap_remove(&q->slots, s->id);
	s->id = 0;
	TAILQ_INSERT_HEAD(&q->unused, s, of_hop);
}

/* New chunks come before the older ones, and none goes away. */
struct slot *
queue_next_slot(const struct queue *q, struct slot_cursor *c)
{
	struct slot *s;

	if (!c->begun)
		c->chunk = q->chunks;
	c->begun = true;
	for (; c->chunk != NULL; c->chunk = c->chunk->next, c->at = 0)
		while (c->at < CHUNK_SLOTS) {
			s = (struct slot *)(uintptr_t)&c->chunk->slots[c->at++];
			if (s->id != 0)
				return s;
		}
	return NULL;
}

struct slot *
queue_find(const struct queue *q, uint64_t id)
{
	return idmap_find(&q->slots, id);
}

void
slot_enter(struct queue *q, struct slot *s, enum slot_state state)
{
	if (state != SLOT_WAITING)
		heap_remove(&q->due, &s->due);
	s->state = (uint8_t)state;
}

void
slot_wait(struct queue *q, struct slot *s, int64_t until)
{
	slot_enter(q, s, SLOT_WAITING);
	heap_set(&q->due, &s->due, until);
}

void
queue_clear(struct queue *q)
{
	struct slot_chunk *c;
	struct slot *s;
	size_t cursor = 0;

	while ((s = idmap_next(&q->slots, &cursor)) != NULL)
		if (s->entry != NULL)
			entry_free(q, &s->entry);
	while ((c = q->chunks) != NULL) {
		q->chunks = c->next;
		free(c);
	}
	TAILQ_INIT(&q->unused);
	idmap_clear(&q->slots);
	heap_clear(&q->due);
	hop_names_clear(&q->hop_names);
}

/* ---- entries ------------------------------------------------------------ */

static void
count(struct queue *q, struct entry *e, ssize_t n)
{
	e->memory = (size_t)((ssize_t)e->memory + n);
	q->memory = (size_t)((ssize_t)q->memory + n);
}

struct entry *
entry_new(struct queue *q, struct slot *slot, struct slice envelope)
{
	struct entry *e = mem_alloc(sizeof(*e));
	struct arena arena = ARENA_INIT(64 * 1024 * 1024);
	struct wire w;
	struct rcpt *r;
	size_t i;

	e->slot = slot;
	e->id = slot->id;
	TAILQ_INIT(&e->jobs);
	slot->entry = e;
	q->entries++;
	count(q, e, (ssize_t)sizeof(*e));
	e->packed = entry_keep(q, e, envelope);
	w = wire_of(e->packed);
	if (!envelope_unpack(&w, &arena, &e->env) || !wire_done(&w)) {
		arena_clear(&arena);
		entry_free(q, &slot->entry);
		return NULL;
	}
	entry_sender(q, e, e->env.reverse_path);
	e->cap = (uint32_t)e->env.nrecipients;
	e->rcpts = mem_array(e->cap, sizeof(*e->rcpts));
	count(q, e, (ssize_t)(e->cap * sizeof(*e->rcpts)));
	for (i = 0; i < e->env.nrecipients; i++) {
		r = entry_add_rcpt(q, e);
		r->address = r->original = e->env.recipients[i].address;
		r->orcpt = e->env.recipients[i].orcpt;
		r->notify = e->env.recipients[i].notify;
	}
	e->env.recipients = NULL;	/* was in the arena */
	e->next_ms = e->env.extras.hold_ms;
	arena_clear(&arena);
	return e;
}

/* By its first open recipient. */
void
slot_remember(struct queue *q, struct slot *s, const struct entry *e)
{
	uint32_t i;

	for (i = 0; i < e->nrcpts; i++)
		if (e->rcpts[i].state != RCPT_DONE)
			break;
	s->due.spare = (uint32_t)(e->env.arrived_ms / 1000);
	hop_names_release(&q->hop_names, s->next_hop);
	s->next_hop = i == e->nrcpts ? 0 :
	    hop_names_take(&q->hop_names, e->rcpts[i].next_hop);
}

void
entry_free(struct queue *q, struct entry **ep)
{
	struct entry *e = *ep;
	struct blob *b;
	uint32_t i;

	if (e == NULL)
		return;
	*ep = NULL;
	/* It falls asleep; one that is only looked at has no place there. */
	if (q->chunks != NULL && (e->slot->state == SLOT_WAITING ||
	    e->slot->state == SLOT_HELD))
		slot_remember(q, e->slot, e);
	e->slot->entry = NULL;
	e->slot->version++;
	entry_drop_content(q, e);
	for (i = 0; i < e->nrcpts; i++)
		free(e->rcpts[i].outcome);
	free(e->rcpts);
	free(e->senders);
	while ((b = e->blobs) != NULL) {
		e->blobs = b->next;
		free(b);
	}
	q->memory -= e->memory;
	q->entries--;
	free(e);
}

void
entry_set_content(struct queue *q, struct entry *e, struct slice s)
{
	entry_drop_content(q, e);
	e->content = mem_realloc(NULL, sizeof(*e->content) + s.n);
	e->content->refs = 1;
	e->content->n = (uint32_t)s.n;
	if (s.n > 0)
		memcpy(e->content->bytes, s.p, s.n);
	e->content_n = (uint32_t)s.n;
	q->content += s.n;
}

void
entry_drop_content(struct queue *q, struct entry *e)
{
	content_release(q, &e->content);
}

void
content_release(struct queue *q, struct content **cp)
{
	struct content *c = *cp;

	*cp = NULL;
	if (c == NULL || --c->refs > 0)
		return;
	q->content -= c->n;
	free(c);
}

struct slice
entry_keep(struct queue *q, struct entry *e, struct slice s)
{
	struct blob *b = keep(q, e, s);

	return slice_of(b->bytes, s.n);
}

static struct blob *
keep(struct queue *q, struct entry *e, struct slice s)
{
	struct blob *b = mem_realloc(NULL, sizeof(*b) + s.n);

	if (s.n > 0)
		memcpy(b->bytes, s.p, s.n);
	b->n = s.n;
	b->next = e->blobs;
	e->blobs = b;
	count(q, e, (ssize_t)(sizeof(*b) + s.n));
	return b;
}

uint64_t
entry_size(const struct entry *e)
{
	return e->content_n + e->large_n;
}

struct slice
entry_envid(const struct entry *e, uint16_t sender)
{
	return sender == 0 ? e->env.envid : SLICE_EMPTY;
}

enum dsn_ret
entry_ret(const struct entry *e, uint16_t sender)
{
	return sender == 0 ? e->env.ret : RET_NONE;
}

struct rcpt *
entry_add_rcpt(struct queue *q, struct entry *e)
{
	struct rcpt *r;
	uint32_t more;

	if (e->nrcpts >= ENVELOPE_RECIPIENTS)
		return NULL;
	if (e->nrcpts == e->cap) {
		more = e->cap < 8 ? 8 : e->cap / 2;
		e->rcpts = mem_regrow(e->rcpts, e->cap + more,
		    sizeof(*e->rcpts));
		e->cap += more;
		count(q, e, (ssize_t)(more * sizeof(*e->rcpts)));
	}
	r = &e->rcpts[e->nrcpts++];
	memset(r, 0, sizeof(*r));
	r->parent = NO_PARENT;
	r->state = RCPT_NEW;
	e->open++;
	return r;
}

int
entry_sender(struct queue *q, struct entry *e, struct slice path)
{
	uint16_t i;

	for (i = 0; i < e->nsenders; i++)
		if (slice_eq(e->senders[i], path))
			return i;
	if (i == SENDERS)
		return -1;
	e->senders = mem_regrow(e->senders, i + 1u, sizeof(*e->senders));
	count(q, e, (ssize_t)sizeof(*e->senders));
	/* The envelope's own is in the packed bytes already. */
	e->senders[i] = i == 0 ? path : entry_keep(q, e, path);
	return e->nsenders++;
}

/* ---- recipients --------------------------------------------------------- */

/* What a state counts as. */
static const struct {
	bool	open, owing, busy, routing;
} counts_as[] = {
	[RCPT_NEW] =	   { true,  false, false, false },
	[RCPT_ROUTING] =   { true,  false, true,  true },
	[RCPT_EXPANDING] = { true,  false, true,  false },
	[RCPT_READY] =	   { true,  false, true,  false },
	[RCPT_SENT] =	   { true,  false, true,  false },
	[RCPT_DEFERRED] =  { true,  false, false, false },
	[RCPT_OWING] =	   { false, true,  false, false },
	[RCPT_DONE] =	   { false, false, false, false },
};

static void
step(uint32_t *n, bool was, bool is)
{
	assert(!was || *n > 0);
	*n = *n - (was ? 1 : 0) + (is ? 1 : 0);
}

void
rcpt_enter(struct entry *e, struct rcpt *r, enum rcpt_state to)
{
	enum rcpt_state from = r->state;

	step(&e->open, counts_as[from].open, counts_as[to].open);
	step(&e->owing, counts_as[from].owing, counts_as[to].owing);
	step(&e->busy, counts_as[from].busy, counts_as[to].busy);
	step(&e->routing, counts_as[from].routing, counts_as[to].routing);
	r->state = (uint8_t)to;
}

void
rcpt_set_next_hop(struct queue *q, struct entry *e, struct rcpt *r,
    struct slice name)
{
	if (name.n > 0 && !slice_eq(name, r->next_hop))
		r->next_hop = entry_keep(q, e, name);
}

void
rcpt_set_reroute(struct queue *q, struct entry *e, struct rcpt *r,
    struct slice name)
{
	if (!slice_eq(name, r->reroute))
		r->reroute = name.n == 0 ? SLICE_EMPTY :
		    entry_keep(q, e, name);
}

void
rcpt_set_outcome(struct queue *q, struct entry *e, struct rcpt *r,
    const struct outcome *o)
{
	struct buf b = BUF_INIT(64 * 1024);

	outcome_pack(&b, o);
	count(q, e, (ssize_t)b.n - (ssize_t)r->noutcome);
	free(r->outcome);
	r->outcome = b.p;
	r->noutcome = (uint32_t)b.n;
}

bool
rcpt_outcome(const struct rcpt *r, struct outcome *o)
{
	struct wire w = wire_of(slice_of(r->outcome, r->noutcome));

	return r->outcome != NULL && outcome_unpack(&w, o) && wire_done(&w);
}
