/* SPDX-License-Identifier: ISC */
/*
 * shape - how much waits, where to, and for how long (`chasqui queue shape`).
 *
 * A message counts once: at its first recipient that is open.  For next hops
 * that is answered from memory, but for messages that have slept since before
 * the last start: their files are read, once.  For domains the files of all
 * that sleep are read, a few at a time.
 *
 * Slots are gone through for at most SLICE_US in a turn, so that a million of
 * them hold up nobody; what comes or goes meanwhile may be counted or not.
 */
#include <stdlib.h>
#include <sysexits.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ipc/queue_shape.h"
#include "old.h"
#include "qmgr.h"

#define SLICE_US	2000
#define LOOK_AT_CLOCK	64	/* slots */
#define READ_AHEAD	64	/* files at once */
#define MANY_FILES	20000	/* the tool is told to be patient */
#define NAMES_MAX	100000	/* told apart; the rest is one */

struct shape_name {
	RB_ENTRY(shape_name)	 node;
	struct shape_row	 row;		/* its name is .text */
	char			*text;		/* owned */
	uint64_t		 total;
};
RB_HEAD(shape_names, shape_name);

struct shape {
	TAILQ_ENTRY(shape)	 entry;
	struct qmgr		*q;
	struct channel		*channel;	/* borrowed; NULL: gone */
	uint64_t		 id;		/* the tool's */
	enum shape_by		 by;
	uint32_t		 wanted;	/* rows */
	struct slot_cursor	 at;
	bool			 seen_all;
	unsigned		 loading;
	uint64_t		 files;		/* read so far */
	struct shape_row	 all;
	struct shape_row	 others;	/* beyond NAMES_MAX */
	struct shape_names	 names;
	size_t			 nnames;
	struct ev_timer		 timer;		/* goes on in the next turn */
};

struct shapes {
	TAILQ_HEAD(, shape)	 all;
};

/* A message whose file has to be read. */
struct shape_load {
	struct load	 load;		/* first */
	struct shape	*shape;		/* lives at least until this is done */
	uint16_t	 version;	/* of the slot */
};

static void	 go_on(void *);
static void	 look_at(struct shape *, struct slot *);
static void	 read_file(struct shape *, struct slot *);
static void	 was_read(struct store_wait *, bool ok);
static void	 count_entry(struct shape *, const struct slot *,
		    const struct entry *);
static void	 count_one(struct shape *, const struct slot *,
		    int64_t arrived_ms, struct slice name);
static struct shape_row *row_of(struct shape *, struct slice name);
static struct slice domain_of(struct slice address);
static void	 tell(struct shape *);
static void	 shape_free(struct shape *);

static int
name_cmp(const struct shape_name *a, const struct shape_name *b)
{
	return slice_cmp(a->row.name, b->row.name);
}

RB_GENERATE_INTERNAL(shape_names, shape_name, node, name_cmp,
    __attribute__((__unused__)) static)

/* ---- requests ------------------------------------------------------------ */

void
shapes_init(struct qmgr *q)
{
	q->shapes = mem_alloc(sizeof(*q->shapes));
	TAILQ_INIT(&q->shapes->all);
}

bool
shape_asked(struct qmgr *q, struct channel *ch, struct message *m)
{
	struct shape *s;
	unsigned by;
	uint32_t rows;

	if (m->type != TL_QUEUE_SHAPE)
		return false;
	by = get_enum(&m->body, SHAPE_BY_RECIPIENT_DOMAIN);
	rows = get_u32(&m->body);
	if (!wire_done(&m->body) || by == 0 || rows > SHAPE_ROWS) {
		channel_breach(ch, "shape");
		return true;
	}
	s = mem_alloc(sizeof(*s));
	s->q = q;
	s->channel = ch;
	s->id = m->id;
	s->by = (enum shape_by)by;
	s->wanted = rows;
	s->all.name = SLICE_EMPTY;
	s->others.name = SLICE_LIT("(others)");
	RB_INIT(&s->names);
	ev_timer_init(&s->timer, q->loop, go_on, s);
	TAILQ_INSERT_TAIL(&q->shapes->all, s, entry);
	if (q->walk != NULL)
		channel_send(ch, TL_NOTE, s->id, SLICE_LIT("the queue is "
		    "being read after a start: not all of it is known yet"));
	ev_timer_set(&s->timer, 0);
	return true;
}

bool
shape_is_owed(const struct qmgr *q, const struct channel *ch)
{
	const struct shape *s;

	TAILQ_FOREACH(s, &q->shapes->all, entry)
		if (s->channel == ch)
			return true;
	return false;
}

void
shape_gone(struct qmgr *q, const struct channel *ch)
{
	struct shape *s, *next;

	TAILQ_FOREACH_SAFE(s, &q->shapes->all, entry, next)
		if (s->channel == ch) {
			s->channel = NULL;
			if (s->loading == 0)
				shape_free(s);
		}
}

void
shapes_clear(struct qmgr *q)
{
	struct shape *s;

	if (q->shapes == NULL)
		return;
	while ((s = TAILQ_FIRST(&q->shapes->all)) != NULL)
		shape_free(s);
	free(q->shapes);
	q->shapes = NULL;
}

static void
shape_free(struct shape *s)
{
	struct shape_name *n;

	TAILQ_REMOVE(&s->q->shapes->all, s, entry);
	ev_timer_clear(&s->timer);
	while ((n = RB_ROOT(&s->names)) != NULL) {
		RB_REMOVE(shape_names, &s->names, n);
		free(n->text);
		free(n);
	}
	free(s);
}

/* ---- going through the slots --------------------------------------------- */

static void
go_on(void *arg)
{
	struct shape *s = arg;
	int64_t began_us = clock_mono_us();
	struct slot *slot;
	unsigned n;

	for (n = 1; !s->seen_all; n++) {
		if (s->loading >= READ_AHEAD)
			return;		/* was_read() goes on */
		if (n % LOOK_AT_CLOCK == 0 &&
		    clock_mono_us() - began_us > SLICE_US) {
			ev_timer_set(&s->timer, 0);
			return;
		}
		slot = queue_next_slot(&s->q->queue, &s->at);
		if (slot == NULL)
			s->seen_all = true;
		else if (slot->state != SLOT_COMMITTING)
			look_at(s, slot);
	}
	if (s->loading > 0)
		return;
	tell(s);
	shape_free(s);
}

static void
look_at(struct shape *s, struct slot *slot)
{
	if (slot->entry != NULL)
		count_entry(s, slot, slot->entry);
	else if (s->by == SHAPE_BY_NEXT_HOP && slot->next_hop != 0)
		count_one(s, slot, (int64_t)slot->due.spare * 1000,
		    hop_names_get(&s->q->queue.hop_names, slot->next_hop));
	else
		read_file(s, slot);
}

static void
read_file(struct shape *s, struct slot *slot)
{
	struct shape_load *l = mem_alloc(sizeof(*l));

	if (++s->files == MANY_FILES && s->channel != NULL)
		channel_send(s->channel, TL_NOTE, s->id, SLICE_LIT("many "
		    "messages have to be read from their files: please wait"));
	l->shape = s;
	l->version = slot->version;
	l->load.id = slot->id;
	l->load.head_only = true;
	l->load.wait.fn = was_read;
	s->loading++;
	store_load(s->q->store, &l->load);
}

/* One that was woken meanwhile is in memory now; one whose file is damaged is
 * found by whoever wants to deliver it. */
static void
was_read(struct store_wait *w, bool ok)
{
	struct shape_load *l = (struct shape_load *)(void *)w;
	struct shape *s = l->shape;
	struct queue *qu = &s->q->queue, apart = { .due = { 0 } };
	struct slot *slot = queue_find(qu, l->load.id), like;
	struct entry *e;

	s->loading--;
	if (s->channel != NULL && slot != NULL && slot->entry != NULL)
		count_entry(s, slot, slot->entry);
	else if (s->channel != NULL && slot != NULL && ok) {
		like = *slot;
		e = stored_entry(&apart, &like, buf_slice(&l->load.bytes),
		    slot->id, true);
		if (e != NULL) {
			count_entry(s, slot, e);
			if (slot->version == l->version)
				slot_remember(qu, slot, e);
		}
		entry_free(&apart, &like.entry);
	}
	buf_clear(&l->load.bytes);
	free(l);
	if (s->channel == NULL && s->loading == 0)
		shape_free(s);
	else if (s->channel != NULL && (s->loading == 0 ||
	    (!s->seen_all && s->loading <= READ_AHEAD / 2)))
		ev_timer_set(&s->timer, 0);
}

/* ---- counting ------------------------------------------------------------ */

static void
count_entry(struct shape *s, const struct slot *slot, const struct entry *e)
{
	struct slice name = SLICE_EMPTY;
	const struct rcpt *r;
	uint32_t i;

	for (i = 0; i < e->nrcpts; i++)
		if (e->rcpts[i].state != RCPT_DONE)
			break;
	r = i < e->nrcpts ? &e->rcpts[i] : NULL;
	switch (s->by) {
	case SHAPE_BY_NEXT_HOP:
		if (r != NULL)
			name = r->route != NULL && r->route->hop != NULL ?
			    slice_str(r->route->hop->name) : r->next_hop;
		break;
	case SHAPE_BY_SENDER_DOMAIN:
		name = e->env.reverse_path.n == 0 ? SLICE_LIT("<>") :
		    domain_of(e->env.reverse_path);
		break;
	case SHAPE_BY_RECIPIENT_DOMAIN:
		if (r != NULL)
			name = domain_of(r->address);
		break;
	}
	count_one(s, slot, e->env.arrived_ms, name);
}

static void
count_one(struct shape *s, const struct slot *slot, int64_t arrived_ms,
    struct slice name)
{
	int64_t now = clock_wall_ms();
	unsigned class = shape_class(now - clock_ago(&s->q->clock,
	    slot->steps, arrived_ms));

	if (name.n == 0)
		name = SLICE_LIT("(not known yet)");
	s->all.n[class]++;
	row_of(s, name)->n[class]++;
}

/* Domains and hosts have no case. */
static struct shape_row *
row_of(struct shape *s, struct slice name)
{
	struct shape_name key, *n;
	char *text = mem_slicedup(name);
	size_t i;

	for (i = 0; i < name.n; i++)
		text[i] = ascii_lower(text[i]);
	key.row.name = slice_of(text, name.n);
	n = RB_FIND(shape_names, &s->names, &key);
	if (n != NULL || s->nnames == NAMES_MAX) {
		free(text);
		return n == NULL ? &s->others : &n->row;
	}
	n = mem_alloc(sizeof(*n));
	n->text = text;
	n->row.name = key.row.name;
	RB_INSERT(shape_names, &s->names, n);
	s->nnames++;
	return &n->row;
}

static struct slice
domain_of(struct slice address)
{
	size_t at = slice_rfind(address, '@');

	return at == address.n ? SLICE_LIT("(no domain)") :
	    slice_from(address, at + 1);
}

/* ---- the answer ---------------------------------------------------------- */

static int
larger_first(const void *a, const void *b)
{
	const struct shape_name *x = *(struct shape_name *const *)a;
	const struct shape_name *y = *(struct shape_name *const *)b;

	if (x->total != y->total)
		return x->total > y->total ? -1 : 1;
	return slice_cmp(x->row.name, y->row.name);
}

static void
tell_row(struct shape *s, const struct shape_row *r)
{
	struct buf *b = channel_begin(s->channel, TL_SHAPE, s->id);

	if (b != NULL)
		shape_row_pack(b, r);
	channel_end(s->channel);
}

/* All; the largest; and the rest, where there is any, as one. */
static void
tell(struct shape *s)
{
	struct shape_name **v = mem_array(s->nnames + 1, sizeof(*v)), *n;
	size_t i = 0, j;

	RB_FOREACH(n, shape_names, &s->names) {
		n->total = shape_row_total(&n->row);
		v[i++] = n;
	}
	qsort(v, s->nnames, sizeof(*v), larger_first);
	tell_row(s, &s->all);
	for (i = 0; i < s->nnames; i++) {
		if (i < s->wanted)
			tell_row(s, &v[i]->row);
		else
			for (j = 0; j < SHAPE_CLASSES; j++)
				s->others.n[j] += v[i]->row.n[j];
	}
	if (shape_row_total(&s->others) > 0)
		tell_row(s, &s->others);
	free(v);
	tool_end(s->channel, s->id, EX_OK, SLICE_EMPTY);
}
