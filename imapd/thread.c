/* SPDX-License-Identifier: ISC */
/*
 * thread - THREAD, RFC 5256 section 3 (ORDEREDSUBJECT, REFERENCES).
 *
 * Containers are numbers into one array, so nothing here has a pointer that
 * moves, and no function recurses: a conversation may be as long as the mailbox
 * (S4).  Ids and subjects are found by keyed hashes, since strangers choose
 * them.  Links are no longer followed when THREAD_STEPS are used up: what is
 * then left is a thread of its own.
 */
#include <endian.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/num.h"
#include "mail/summary.h"
#include "search.h"

#define THREAD_BYTES	(256 * 1024 * 1024)	/* of ids and subjects */
#define THREAD_STEPS	50000000	/* towards a root, to find loops */
#define THREAD_IDS	10000000	/* that are referred to */

#define NONE	UINT32_MAX

struct container {
	uint32_t	 parent, first, last, next, prev;
	uint32_t	 message;	/* index of positions; NONE: a dummy */
};

struct message {
	int64_t		 date;
	size_t		 subject, nsubject;	/* in texts */
	bool		 is_reply;
};

/* Open addressing; a slot is an index into entries, NONE: empty. */
struct table {
	uint32_t	*slots;		/* owned */
	size_t		 nslots, n;
	struct entry { size_t at, n; uint32_t value; } *entries; /* owned */
	size_t		 cap;
};

struct threader {
	struct view	*view;
	const struct uids *positions;
	struct message	*messages;	/* owned */
	struct container *v;		/* owned; v[0] is the root */
	uint32_t	 n, cap;
	struct buf	 texts;
	struct table	 ids, subjects;
	uint64_t	 key[2];
	uint64_t	 steps;
};

static struct slice first_id(struct slice references);
static void	 read_messages(struct threader *, bool link);
static void	 link_message(struct threader *, uint32_t i, struct slice id,
		    struct slice references);
static void	 link_to(struct threader *, uint32_t parent, uint32_t child);
static bool	 may_link(struct threader *, uint32_t parent, uint32_t child);
static void	 by_references(struct threader *);
static void	 by_subject(struct threader *);
static void	 gather_roots(struct threader *);
static void	 prune(struct threader *);
static void	 merge_subjects(struct threader *);
static void	 merge(struct threader *, struct entry *, uint32_t c);
static void	 sort_children(struct threader *, uint32_t parent);
static void	 sort_all(struct threader *);
static int	 write_threads(struct threader *, bool uids, struct buf *);

static uint32_t	 container_new(struct threader *, uint32_t message);
static void	 append(struct threader *, uint32_t parent, uint32_t child);
static void	 detach(struct threader *, uint32_t child);
static const struct message *message_of(const struct threader *, uint32_t);
static struct entry *table_get(struct threader *, struct table *,
		    struct slice);

/* ---- ids of threads ------------------------------------------------------ */

static struct slice
first_id(struct slice references)
{
	return slice_first(references, slice_find(references, ' '));
}

void
thread_id(const struct summary *sum, const uint8_t guid[16], uint8_t id_r[16])
{
	/* Ids are the same at each start; who wants to be in a thread only
	 * has to refer to it, so nothing is won by finding equal ones. */
	static const uint64_t keys[2][2] = { { 1, 2 }, { 3, 4 } };
	struct slice root = first_id(sum->references);
	uint64_t half;
	size_t i;

	if (root.n == 0)
		root = sum->message_id;
	if (root.n == 0) {
		memcpy(id_r, guid, 16);
		return;
	}
	for (i = 0; i < 2; i++) {
		half = htobe64(siphash(keys[i], root));
		memcpy(id_r + 8 * i, &half, sizeof(half));
	}
}

/* ---- THREAD -------------------------------------------------------------- */

int
thread_write(struct view *view, enum thread_algorithm algorithm,
    const struct uids *positions, bool uids, struct buf *b)
{
	struct threader t = { .view = view, .positions = positions,
		.texts = BUF_INIT(THREAD_BYTES) };
	size_t was = b->n;
	int r;

	arc4random_buf(t.key, sizeof(t.key));
	t.messages = mem_array(positions->n + 1, sizeof(*t.messages));
	container_new(&t, NONE);
	read_messages(&t, algorithm == THREAD_REFERENCES);
	if (algorithm == THREAD_REFERENCES)
		by_references(&t);
	else
		by_subject(&t);
	r = write_threads(&t, uids, b);
	if (r != 0)
		b->n = was;
	free(t.messages);
	free(t.v);
	free(t.ids.slots);
	free(t.ids.entries);
	free(t.subjects.slots);
	free(t.subjects.entries);
	buf_clear(&t.texts);
	return r;
}

/* ---- what is known of the messages -------------------------------------- */

static void
read_messages(struct threader *t, bool link)
{
	const struct message_entry *e;
	struct summary sum;
	struct message_facts facts;
	struct slice bytes;
	struct message *m;
	uint32_t i, uid;

	for (i = 0; i < t->positions->n; i++) {
		m = &t->messages[i];
		e = view_entry(t->view, t->positions->v[i]);
		sum = (struct summary){ .date_ms = INT64_MIN };
		uid = e != NULL ? e->uid : 0;
		if (e != NULL && (mailbox_summary(t->view->mailbox, uid,
			&bytes) != STORE_OK || !summary_read(bytes, &sum)))
			sum = (struct summary){ .date_ms = INT64_MIN };
		if (sum.date_ms != INT64_MIN)
			m->date = sum.date_ms;
		else if (e != NULL && mailbox_facts(t->view->mailbox, uid,
			FACT_DATES, &facts) == STORE_OK)
			m->date = facts.internal_ms;
		m->is_reply = sum.is_reply;
		m->subject = t->texts.n;
		if (sum.base_subject.n > 0 &&
		    buf_add(&t->texts, sum.base_subject) == 0)
			m->nsubject = sum.base_subject.n;
		if (link)
			link_message(t, i, sum.message_id, sum.references);
		else
			container_new(t, i);
	}
}

static struct slice
subject_of(const struct threader *t, const struct message *m)
{
	if (m->nsubject == 0)
		return SLICE_EMPTY;
	return slice_of(t->texts.p + m->subject, m->nsubject);
}

/* ---- ORDEREDSUBJECT ----------------------------------------------------- */

/* The first message of a subject is a root, all others are its children. */
static void
by_subject(struct threader *t)
{
	const struct message *m;
	struct entry *e;
	uint32_t c, i, n = t->n;
	uint32_t *order = mem_array(n, sizeof(*order));

	/* By date first: the first of a subject is then the oldest. */
	for (c = 1; c < n; c++)
		append(t, 0, c);
	sort_children(t, 0);
	for (i = 0, c = t->v[0].first; c != NONE; c = t->v[c].next)
		order[i++] = c;
	for (n = i, i = 0; i < n; i++) {
		m = message_of(t, order[i]);
		e = table_get(t, &t->subjects, subject_of(t, m));
		if (e->value == NONE) {
			e->value = order[i];
			continue;
		}
		detach(t, order[i]);
		append(t, e->value, order[i]);
	}
	free(order);
}

/* ---- REFERENCES --------------------------------------------------------- */

static void
by_references(struct threader *t)
{
	uint32_t c;

	gather_roots(t);
	prune(t);
	/* Step 4: a dummy is what its oldest child is. */
	for (c = t->v[0].first; c != NONE; c = t->v[c].next)
		if (t->v[c].message == NONE)
			sort_children(t, c);
	sort_children(t, 0);
	merge_subjects(t);
	sort_all(t);
}

/* Step 1. */
static void
link_message(struct threader *t, uint32_t i, struct slice id,
    struct slice references)
{
	struct slice rest = references, ref;
	uint32_t before = NONE, c, self;
	struct entry *e;

	self = NONE;
	if (id.n > 0 && t->ids.n < THREAD_IDS) {
		e = table_get(t, &t->ids, id);
		if (e->value == NONE) {
			self = container_new(t, i);
			t->ids.entries[t->ids.n - 1].value = self;
		} else if (t->v[e->value].message == NONE) {
			self = e->value;
			t->v[self].message = i;
		}
	}
	/* Without an id, or with one that was there: unique. */
	if (self == NONE)
		self = container_new(t, i);
	if (references.n == 0)
		rest = slice_of(NULL, 0);
	while (rest.p != NULL && slice_next(&rest, ' ', &ref)) {
		if (ref.n == 0 || t->ids.n >= THREAD_IDS)
			continue;
		e = table_get(t, &t->ids, ref);
		if (e->value == NONE) {
			c = container_new(t, NONE);
			t->ids.entries[t->ids.n - 1].value = c;
		} else {
			c = e->value;
		}
		/* 1 (A): what is linked stays linked. */
		if (before != NONE && t->v[c].parent == NONE)
			link_to(t, before, c);
		before = c;
	}
	/* 1 (B): what the message itself says of its parent counts more, also
	 * that it has none. */
	if (before != NONE && (before == t->v[self].parent ||
	    !may_link(t, before, self)))
		return;
	detach(t, self);
	if (before != NONE)
		append(t, before, self);
}

static void
link_to(struct threader *t, uint32_t parent, uint32_t child)
{
	if (may_link(t, parent, child))
		append(t, parent, child);
}

/* Not to itself, nor to what is below it. */
static bool
may_link(struct threader *t, uint32_t parent, uint32_t child)
{
	uint32_t c;

	/* Without children nothing is below it. */
	if (t->v[child].first == NONE)
		return parent != child;
	for (c = parent; c != NONE; c = t->v[c].parent)
		if (c == child || ++t->steps > THREAD_STEPS)
			return false;
	return true;
}

/* Step 2: those without a parent, in the order in which they were met. */
static void
gather_roots(struct threader *t)
{
	uint32_t c;

	for (c = 1; c < t->n; c++)
		if (t->v[c].parent == NONE)
			append(t, 0, c);
}

/* The next one of a walk through all below the root, parents first. */
static uint32_t
walk(const struct threader *t, uint32_t c)
{
	if (t->v[c].first != NONE)
		return t->v[c].first;
	while (c != 0 && t->v[c].next == NONE)
		c = t->v[c].parent;
	return c == 0 ? NONE : t->v[c].next;
}

/* Step 3, children before their parents. */
static void
prune(struct threader *t)
{
	uint32_t *order = mem_array(t->n, sizeof(*order));
	uint32_t c, k, n = 0, parent, next;

	for (c = walk(t, 0); c != NONE; c = walk(t, c))
		order[n++] = c;
	while (n > 0) {
		c = order[--n];
		parent = t->v[c].parent;
		if (t->v[c].message != NONE)
			continue;
		/* At the root a dummy with several children stays. */
		if (parent == 0 && t->v[c].first != t->v[c].last)
			continue;
		for (k = t->v[c].first; k != NONE; k = next) {
			next = t->v[k].next;
			detach(t, k);
			append(t, parent, k);
		}
		detach(t, c);
	}
	free(order);
}

/* Step 5. */
static void
merge_subjects(struct threader *t)
{
	const struct message *m, *had;
	struct entry *e;
	struct slice subject;
	uint32_t c, next;
	bool dummy;

	for (c = t->v[0].first; c != NONE; c = t->v[c].next) {
		m = message_of(t, c);
		subject = subject_of(t, m);
		if (subject.n == 0)
			continue;
		e = table_get(t, &t->subjects, subject);
		if (e->value == NONE) {
			e->value = c;
			continue;
		}
		had = message_of(t, e->value);
		dummy = t->v[c].message == NONE;
		if (t->v[e->value].message != NONE &&
		    (dummy || (had->is_reply && !m->is_reply)))
			e->value = c;
	}
	for (c = t->v[0].first; c != NONE; c = next) {
		next = t->v[c].next;
		subject = subject_of(t, message_of(t, c));
		if (subject.n == 0)
			continue;
		e = table_get(t, &t->subjects, subject);
		if (e->value != NONE && e->value != c)
			merge(t, e, c);
	}
}

static void
merge(struct threader *t, struct entry *e, uint32_t c)
{
	uint32_t had = e->value, k, next, dummy;
	bool c_dummy = t->v[c].message == NONE;
	bool had_dummy = t->v[had].message == NONE;

	if (c_dummy && had_dummy) {
		for (k = t->v[c].first; k != NONE; k = next) {
			next = t->v[k].next;
			detach(t, k);
			append(t, had, k);
		}
		detach(t, c);
	} else if (had_dummy) {
		detach(t, c);
		append(t, had, c);
	} else if (message_of(t, c)->is_reply &&
	    !message_of(t, had)->is_reply) {
		detach(t, c);
		append(t, had, c);
	} else {
		dummy = container_new(t, NONE);
		detach(t, c);
		/* In the other's place. */
		t->v[dummy].parent = 0;
		t->v[dummy].prev = t->v[had].prev;
		t->v[dummy].next = t->v[had].next;
		if (t->v[had].prev == NONE)
			t->v[0].first = dummy;
		else
			t->v[t->v[had].prev].next = dummy;
		if (t->v[had].next == NONE)
			t->v[0].last = dummy;
		else
			t->v[t->v[had].next].prev = dummy;
		t->v[had].parent = NONE;
		t->v[had].prev = t->v[had].next = NONE;
		append(t, dummy, had);
		append(t, dummy, c);
		e->value = dummy;
	}
}

/* Step 6; step 4 for the root alone. */
static void
sort_all(struct threader *t)
{
	uint32_t *order = mem_array(t->n, sizeof(*order));
	uint32_t c, n = 0;

	for (c = walk(t, 0); c != NONE; c = walk(t, c))
		order[n++] = c;
	/* Children first: a dummy is as old as the first of its own. */
	while (n > 0)
		sort_children(t, order[--n]);
	sort_children(t, 0);
	free(order);
}

struct dated { int64_t date; uint32_t position, container; };

static int
by_date(const void *va, const void *vb)
{
	const struct dated *a = va, *b = vb;

	if (a->date != b->date)
		return a->date < b->date ? -1 : 1;
	return (a->position > b->position) - (a->position < b->position);
}

static void
sort_children(struct threader *t, uint32_t parent)
{
	struct dated *v;
	uint32_t c;
	size_t i, n = 0;

	if (t->v[parent].first == t->v[parent].last)
		return;
	for (c = t->v[parent].first; c != NONE; c = t->v[c].next)
		n++;
	v = mem_array(n, sizeof(*v));
	for (i = 0, c = t->v[parent].first; c != NONE; c = t->v[c].next, i++)
		v[i] = (struct dated){ message_of(t, c)->date,
			(uint32_t)(message_of(t, c) - t->messages), c };
	qsort(v, n, sizeof(*v), by_date);
	t->v[parent].first = t->v[parent].last = NONE;
	for (i = 0; i < n; i++)
		append(t, parent, v[i].container);
	free(v);
}

/* ---- containers --------------------------------------------------------- */

static uint32_t
container_new(struct threader *t, uint32_t message)
{
	if (t->n == t->cap) {
		t->cap = t->cap == 0 ? 64 : t->cap * 2;
		t->v = mem_regrow(t->v, t->cap, sizeof(*t->v));
	}
	t->v[t->n] = (struct container){ NONE, NONE, NONE, NONE, NONE,
		message };
	return t->n++;
}

static void
append(struct threader *t, uint32_t parent, uint32_t child)
{
	struct container *p = &t->v[parent], *c = &t->v[child];

	c->parent = parent;
	c->next = NONE;
	c->prev = p->last;
	if (p->last == NONE)
		p->first = child;
	else
		t->v[p->last].next = child;
	p->last = child;
}

static void
detach(struct threader *t, uint32_t child)
{
	struct container *c = &t->v[child], *p;

	if (c->parent == NONE)
		return;
	p = &t->v[c->parent];
	if (c->prev == NONE)
		p->first = c->next;
	else
		t->v[c->prev].next = c->next;
	if (c->next == NONE)
		p->last = c->prev;
	else
		t->v[c->next].prev = c->prev;
	c->parent = c->prev = c->next = NONE;
}

/* Its message, or of a dummy that of its first child, which is no dummy: below
 * the root there are none, but those that merge() has made have children that
 * are messages or dummies of prune(), whose children are messages. */
static const struct message *
message_of(const struct threader *t, uint32_t c)
{
	while (t->v[c].message == NONE && t->v[c].first != NONE)
		c = t->v[c].first;
	return &t->messages[t->v[c].message == NONE ? t->positions->n :
						      t->v[c].message];
}

/* ---- the table ---------------------------------------------------------- */

static void
table_grow(struct threader *t, struct table *h)
{
	size_t i, k;

	h->nslots = h->nslots == 0 ? 256 : h->nslots * 2;
	free(h->slots);
	h->slots = mem_array(h->nslots, sizeof(*h->slots));
	memset(h->slots, 0xff, h->nslots * sizeof(*h->slots));
	for (i = 0; i < h->n; i++) {
		k = siphash(t->key, slice_of(t->texts.p + h->entries[i].at,
		    h->entries[i].n)) & (h->nslots - 1);
		while (h->slots[k] != NONE)
			k = (k + 1) & (h->nslots - 1);
		h->slots[k] = (uint32_t)i;
	}
}

/* The entry of a text, made with value NONE where there is none: then it is the
 * last one.  Valid until the next call. */
static struct entry *
table_get(struct threader *t, struct table *h, struct slice text)
{
	struct entry *e;
	size_t k, at;

	if (h->n * 2 >= h->nslots)
		table_grow(t, h);
	for (k = siphash(t->key, text) & (h->nslots - 1); h->slots[k] != NONE;
	    k = (k + 1) & (h->nslots - 1)) {
		e = &h->entries[h->slots[k]];
		if (e->n == text.n &&
		    memcmp(t->texts.p + e->at, text.p, text.n) == 0)
			return e;
	}
	h->entries = mem_room(h->entries, h->n, &h->cap,
	    sizeof(*h->entries), 128);
	/* The text may lie in texts itself. */
	at = t->texts.n;
	if (text.n > 0 && text.p >= t->texts.p && t->texts.p != NULL &&
	    text.p < t->texts.p + t->texts.n)
		at = (size_t)(text.p - t->texts.p);
	else if (buf_add(&t->texts, text) != 0)
		text.n = 0;
	h->slots[k] = (uint32_t)h->n;
	e = &h->entries[h->n++];
	*e = (struct entry){ at, text.n, NONE };
	return e;
}

/* ---- the answer --------------------------------------------------------- */

static int
put_number(struct threader *t, uint32_t c, bool uids, struct buf *b)
{
	uint32_t position = t->positions->v[t->v[c].message];

	return buf_printf(b, "%u", uids ? t->view->v[position].uid :
					  position + 1);
}

/*
 * thread-list = "(" (thread-members / thread-nested) ")".  From a container the
 * way goes to an only child within the same parentheses, to each of several
 * within its own; back up by the parents.
 */
static int
write_threads(struct threader *t, bool uids, struct buf *b)
{
	uint32_t c = t->v[0].first, up;

	while (c != NONE) {
		up = t->v[c].parent;
		if (up == 0 || t->v[up].first != t->v[up].last) {
			if (buf_add_byte(b, '(') != 0)
				return -1;
		}
		if (t->v[c].message != NONE && put_number(t, c, uids, b) != 0)
			return -1;
		if (t->v[c].first != NONE) {
			if (t->v[c].message != NONE &&
			    buf_add_byte(b, ' ') != 0)
				return -1;
			c = t->v[c].first;
			continue;
		}
		/* The end of a line: up to where there is a next one. */
		for (;;) {
			up = t->v[c].parent;
			if ((up == 0 || t->v[up].first != t->v[up].last) &&
			    buf_add_byte(b, ')') != 0)
				return -1;
			if (t->v[c].next != NONE || up == 0)
				break;
			c = up;
		}
		c = t->v[c].next;
	}
	return 0;
}
