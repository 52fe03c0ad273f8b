/* SPDX-License-Identifier: ISC */
/*
 * import - takes in what another queue, or this one, has exported: see
 * control.h, and export.c for the form.
 *
 * All of a file or nothing: each message is held ("being imported") until
 * TL_IMPORT_END, when all are durable, the file's identity is written down, and
 * then they are released.  An import that is cut off by its tool is taken back;
 * by a crash, it leaves held messages, which the next import of the same file
 * knows again: by the same id and content, or by an id made of the file's
 * identity and theirs where the old one was taken.  A file that was imported to
 * the end brings nothing twice, whatever has become of its messages since.
 *
 * The tool may be wrong, so what it sends is unpacked, and written anew.
 */
#include <errno.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "control.h"
#include "import.h"
#include "notes.h"

#define MESSAGE_BYTES	(16 * 1024 * 1024)	/* without large content */
#define ID_TRIES	64
#define ID_LOW_BITS	20	/* of an id, below its time */
#define WHY		"being imported"

static const char magic[] = "CHASQI1\n";	/* of the file `imported` */

/* A message whose file is being written. */
struct taking {
	struct migration m;		/* first */
	struct large_sync sync;
	struct import	*im;
	bool		 large;
	bool		 release;	/* it was not held before */
};

struct import {
	struct client	*c;
	struct qmgr	*q;
	char		 identity[IDENTITY_BYTES];
	bool		 known;		/* has been imported to its end */
	struct queue	 apart;		/* where messages are unpacked */
	/* The message that comes: */
	struct buf	 bytes;
	size_t		 expected;	/* 0: none */
	uint64_t	 origin;	/* its id there */
	uint64_t	 large_n;
	struct taking	*spooling;	/* its large content is being written by
					 * the tool */
	/* What is to be released, and to be taken back if it comes to that. */
	uint64_t	*held;		/* owned */
	size_t		 nheld;
	uint64_t	*taken;		/* owned */
	size_t		 ntaken;
	unsigned	 in_flight;
	size_t		 again;		/* were here already */
	size_t		 skipped;	/* came with the same file before */
	bool		 syncing;	/* all of it is to be durable */
	bool		 ending;	/* and then let go */
	bool		 over;
	struct store_wait barrier;
};

static bool	 message_begins(struct import *, struct message *);
static bool	 data_came(struct import *, struct message *);
static void	 message_came(struct import *);
static struct entry *unpack(struct import *, struct slot *);
static bool	 find_place(struct import *, const struct entry *,
		    uint64_t *id_r);
static bool	 is_same(struct import *, uint64_t id, const struct entry *,
		    bool *ours_r);
static void	 take(struct import *, struct entry *, uint64_t id);
static void	 spool(struct import *, struct taking *, uint64_t size);
static bool	 spooled(struct import *);
static void	 spool_synced(struct store_wait *, bool ok);
static void	 written(struct store_wait *, bool ok);
static void	 answer(struct import *, uint64_t id);
static void	 import_end(struct import *);
static void	 import_synced(struct store_wait *, bool ok);
static void	 synced(struct client *);
static void	 let_go(struct client *);
static void	 fail(struct import *, int status, const char *why);
static void	 take_back(struct import *);

/* ---- the dialogue ------------------------------------------------------- */

bool
import_begin(struct client *c, struct message *m)
{
	struct imported *past;
	struct import *im;
	struct buf b = BUF_INIT(sizeof(*past) + 64);
	struct slice identity = m->body.rest;
	uint32_t i;

	if (c->import != NULL && c->pending > 0)
		return false;	/* the last one is not over */
	import_free(c);
	if (c->q->walk != NULL) {
		request_finish(c, EX_TEMPFAIL, "the queue is being read after "
		    "a start: try again in a moment");
		return true;
	}
	if (notes_need_format_2(c->q->dir) == -1) {
		request_finish(c, EX_IOERR, "the file `format` of the queue "
		    "cannot be written");
		return true;
	}
	im = mem_alloc(sizeof(*im));
	im->c = c;
	im->q = c->q;
	memcpy(im->identity, identity.p, IDENTITY_BYTES);
	queue_init(&im->apart);
	buf_init(&im->bytes, MESSAGE_BYTES);
	past = mem_alloc(sizeof(*past));
	if (fs_read_file(fs, c->q->dir, IMPORTED_FILE, &b, b.max, NULL) == 0 &&
	    !imported_unpack(buf_slice(&b), past))
		log_error("event=imported-damaged file=" IMPORTED_FILE);
	for (i = 0; i < past->n; i++)
		im->known |= memcmp(past->v[i].identity, im->identity,
		    IDENTITY_BYTES) == 0;
	free(past);
	buf_clear(&b);
	c->import = im;
	return true;
}

bool
import_says(struct client *c, struct message *m)
{
	struct import *im = c->import;

	if (im->ending || c->r.type != TL_IMPORT)
		return false;
	switch (m->type) {
	case TL_MESSAGE:
		return message_begins(im, m);
	case TL_DATA:
		return data_came(im, m);
	case TL_IMPORT_LARGE:
		return spooled(im);
	case TL_IMPORT_SYNC:
	case TL_IMPORT_END:
		if (im->expected > 0 || im->spooling != NULL || im->syncing)
			return false;
		im->syncing = true;
		im->ending = m->type == TL_IMPORT_END;
		import_end(im);
		return true;
	default:
		return false;
	}
}

static bool
message_begins(struct import *im, struct message *m)
{
	uint32_t n;

	if (im->expected > 0 || im->spooling != NULL)
		return false;
	im->origin = get_u64(&m->body);
	n = get_u32(&m->body);
	im->large_n = get_u64(&m->body);
	if (!wire_done(&m->body) || n == 0 || n > MESSAGE_BYTES)
		return false;
	im->expected = n;
	buf_reset(&im->bytes);
	return true;
}

static bool
data_came(struct import *im, struct message *m)
{
	struct slice s = get_rest(&m->body);

	if (im->expected == 0 || s.n > im->expected - im->bytes.n)
		return false;
	buf_add(&im->bytes, s);
	if (im->bytes.n == im->expected) {
		im->expected = 0;
		message_came(im);
	}
	return true;
}

/* ---- one message -------------------------------------------------------- */

static void
message_came(struct import *im)
{
	struct slot like = { .id = im->origin };
	struct entry *e = unpack(im, &like);
	uint64_t id = im->origin;

	if (e == NULL)
		fail(im, EX_DATAERR, "a message of the file is damaged");
	else if (im->q->queue.slots.n >= im->q->conf->queue_max_messages ||
	    im->q->disk_full)
		fail(im, EX_CANTCREAT, "there is no room in the queue");
	else if (!find_place(im, e, &id))
		answer(im, id);		/* it is here */
	else if (im->known) {
		im->skipped++;
		answer(im, 0);
	} else
		take(im, e, id);
	entry_free(&im->apart, &like.entry);
}

static struct entry *
unpack(struct import *im, struct slot *like)
{
	struct entry *e = stored_entry(&im->apart, like, buf_slice(&im->bytes),
	    im->origin, false);

	if (e == NULL)
		return NULL;
	if (e->nrcpts > 0 && (e->flags & ~(uint32_t)(ENTRY_LARGE |
	    ENTRY_NO_REPORT)) == 0 && e->content_n <= INLINE_BYTES &&
	    im->large_n == (e->flags & ENTRY_LARGE ? e->large_n : 0))
		return e;
	entry_free(&im->apart, &like->entry);
	return NULL;
}

/* Another id of the same time, always the same for this message of this
 * file. */
static uint64_t
other_id(const struct import *im, unsigned attempt)
{
	struct buf b = BUF_INIT(64);
	uint64_t key[2], id;

	memcpy(key, im->identity, sizeof(key));
	put_u64(&b, im->origin);
	put_u32(&b, attempt);
	id = (im->origin >> ID_LOW_BITS) << ID_LOW_BITS |
	    (siphash(key, buf_slice(&b)) & ((1u << ID_LOW_BITS) - 1));
	buf_clear(&b);
	return id;
}

/* False: it is in the queue, under *id_r. */
static bool
find_place(struct import *im, const struct entry *e, uint64_t *id_r)
{
	bool ours;
	unsigned i;

	for (i = 0; i < ID_TRIES; i++, *id_r = other_id(im, i)) {
		if (undo_has(im->q, *id_r))
			continue;
		if (queue_find(&im->q->queue, *id_r) == NULL)
			return true;
		if (!is_same(im, *id_r, e, &ours))
			continue;
		im->again++;
		if (ours) {
			im->held = mem_regrow(im->held, im->nheld + 1,
			    sizeof(*im->held));
			im->held[im->nheld++] = *id_r;
		}
		return false;
	}
	*id_r = qmgr_new_id(im->q);
	return true;
}

/* ours: it waits for the end of an import. */
static bool
is_same(struct import *im, uint64_t id, const struct entry *e, bool *ours_r)
{
	struct slot *s = queue_find(&im->q->queue, id);
	struct slot like = { .id = id };
	struct load l = { .id = id, .head_only = true };
	const struct entry *have = s->entry;
	bool same;

	if (have == NULL && store_read(im->q->dir, &l) == 0)
		have = stored_entry(&im->apart, &like, buf_slice(&l.bytes), id,
		    true);
	same = have != NULL && slice_eq(have->packed, e->packed) &&
	    have->content_n == e->content_n && have->large_n == e->large_n;
	*ours_r = same && have->held &&
	    slice_eq(have->why_held, SLICE_LIT(WHY));
	entry_free(&im->apart, &like.entry);
	buf_clear(&l.bytes);
	return same;
}

static void
take(struct import *im, struct entry *e, uint64_t id)
{
	struct taking *t = mem_alloc(sizeof(*t));
	struct slot *s;

	t->im = im;
	t->large = (e->flags & ENTRY_LARGE) != 0;
	t->release = !e->held;
	if (t->release) {
		e->held = true;
		e->why_held = SLICE_LIT(WHY);
	}
	e->id = id;
	migration_init(&t->m, e);
	t->m.content = e->content;
	t->m.content->refs++;
	t->m.wait.fn = written;
	if (id > im->q->last_id)
		im->q->last_id = id;
	s = queue_slot_new(&im->q->queue, id);
	slot_enter(&im->q->queue, s, SLOT_LOADING);
	im->taken = mem_regrow(im->taken, im->ntaken + 1, sizeof(*im->taken));
	im->taken[im->ntaken++] = id;
	im->c->pending++;
	im->in_flight++;
	journal_add(im->q->journal, REC_BACK, id, NULL, 0, JOURNAL_FILES, NULL,
	    NULL);
	if (t->large)
		spool(im, t, e->large_n);
	else {
		store_migrate(im->q->store, &t->m);
		answer(im, id);
	}
}

/* The tool writes it into a file of ours, which is synced before the message
 * is written. */
static void
spool(struct import *im, struct taking *t, uint64_t size)
{
	int fd = store_large_create(im->q->store, t->m.id);
	struct buf *b;

	t->sync.id = t->m.id;
	t->sync.size = size;
	t->sync.wait.fn = spool_synced;
	im->spooling = t;
	if (fd == -1) {
		log_error("id=%s event=spool-failed error=%s",
		    id_text(t->m.id), LOG_Q(slice_str(strerror(errno))));
		fail(im, EX_IOERR, "the content of a message cannot be "
		    "stored");
		return;
	}
	b = channel_begin(im->c->channel, TL_FILE, im->c->r.id);
	if (b != NULL)
		put_u64(b, size);
	channel_end_fds(im->c->channel, &fd, 1);
}

static bool
spooled(struct import *im)
{
	struct taking *t = im->spooling;

	if (t == NULL)
		return false;
	im->spooling = NULL;
	store_large_sync(im->q->store, &t->sync);
	answer(im, t->m.id);
	return true;
}

static void
spool_synced(struct store_wait *w, bool ok)
{
	struct taking *t = (struct taking *)(void *)((char *)w -
	    offsetof(struct taking, sync));

	if (ok)
		store_migrate(t->im->q->store, &t->m);
	else {
		t->m.error = t->sync.error;
		written(&t->m.wait, false);
	}
}

static void
taking_free(struct taking *t)
{
	content_release(&t->im->apart, &t->m.content);
	buf_clear(&t->m.head);
	free(t);
}

static void
written(struct store_wait *w, bool ok)
{
	struct taking *t = (struct taking *)(void *)w;
	struct import *im = t->im;
	struct client *c = im->c;
	struct slot *s = queue_find(&im->q->queue, t->m.id);

	im->in_flight--;
	if (s != NULL && s->state == SLOT_LOADING)
		slot_enter(&im->q->queue, s, SLOT_HELD);
	if (ok && t->release) {
		im->held = mem_regrow(im->held, im->nheld + 1,
		    sizeof(*im->held));
		im->held[im->nheld++] = t->m.id;
	}
	if (!ok && !im->over)
		log_error("id=%s event=not-imported error=%s",
		    id_text(t->m.id), LOG_Q(slice_str(strerror(t->m.error))));
	taking_free(t);
	if (im->over && im->in_flight == 0)
		take_back(im);
	else if (!ok && !im->over)
		fail(im, EX_IOERR, "a message cannot be written");
	else if (im->syncing)
		import_end(im);
	client_unpend(c);
}

/* The next one is sent when this has come. */
static void
answer(struct import *im, uint64_t id)
{
	struct buf *b = channel_begin(im->c->channel, TL_MESSAGE,
	    im->c->r.id);

	if (b != NULL) {
		put_u64(b, id);
		put_u32(b, 0);
		put_u64(b, 0);
	}
	channel_end(im->c->channel);
}

/* ---- the end ------------------------------------------------------------ */

static void
import_end(struct import *im)
{
	if (im->in_flight > 0 || im->over)
		return;
	im->c->pending++;
	im->barrier.fn = import_synced;
	store_barrier(im->q->store, &im->barrier);
}

static void
import_synced(struct store_wait *w, bool ok)
{
	struct import *im = (struct import *)(void *)((char *)w -
	    offsetof(struct import, barrier));
	struct client *c = im->c;

	if (!ok && !im->over)
		fail(im, EX_IOERR, "the disk does not sync");
	else if (!im->over)
		request_when_durable(c, im->ending ? let_go : synced);
	client_unpend(c);
}

static void
synced(struct client *c)
{
	c->import->syncing = false;
	answer(c->import, 0);
}

static int
remember(const struct import *im)
{
	struct imported *past = mem_alloc(sizeof(*past));
	struct buf old = BUF_INIT(sizeof(*past) + 64);
	struct buf body = BUF_INIT(sizeof(*past) + 64);
	uint32_t i, from;
	int r;

	if (fs_read_file(fs, im->q->dir, IMPORTED_FILE, &old, old.max,
	    NULL) == 0)
		imported_unpack(buf_slice(&old), past);
	from = past->n == IMPORTED ? 1 : 0;
	put_u32(&body, past->n - from + 1);
	for (i = from; i < past->n; i++) {
		buf_add(&body, slice_of(past->v[i].identity, IDENTITY_BYTES));
		put_u64(&body, past->v[i].ms);
	}
	buf_add(&body, slice_of(im->identity, IDENTITY_BYTES));
	put_u64(&body, (uint64_t)clock_wall_ms());
	r = notes_write(im->q->dir, IMPORTED_FILE, magic, buf_slice(&body));
	buf_clear(&old);
	buf_clear(&body);
	free(past);
	return r;
}

/* All is durable: it becomes a request that releases what it has taken. */
static void
let_go(struct client *c)
{
	struct import *im = c->import;
	struct request *r = &c->r;

	if (!im->known && remember(im) == -1) {
		fail(im, EX_IOERR, "the file `imported` cannot be written");
		return;
	}
	log_info("event=imported messages=%zu again=%zu skipped=%zu uid=%u",
	    im->ntaken, im->again, im->skipped, (unsigned)c->uid);
	request_say(c, "%zu imported, %zu were in the queue, %zu had been "
	    "imported before", im->ntaken, im->again, im->skipped);
	im->over = true;
	r->type = TL_QUEUE_CHANGE;
	r->change = QUEUE_RELEASE;
	r->how = QUEUE_DO;
	r->internal = true;
	r->ids = im->held;
	r->nids = im->nheld;
	im->held = NULL;
	if (r->ids == NULL)
		r->ids = mem_alloc(sizeof(*r->ids));
	request_sort(r);
	request_go_on(c);
}

static void
fail(struct import *im, int status, const char *why)
{
	struct client *c = im->c;

	if (im->over)
		return;
	import_stop(c);
	request_finish(c, status, why);
}

/* The tool is gone, or something is wrong with what it brings. */
void
import_stop(struct client *c)
{
	struct import *im = c->import;

	if (im == NULL || im->over)
		return;
	im->over = true;
	if (im->spooling != NULL) {
		im->in_flight--;
		taking_free(im->spooling);
		im->spooling = NULL;
		/* Not client_unpend(): whoever calls this uses the client. */
		c->pending--;
	}
	if (im->in_flight == 0)
		take_back(im);
}

static void
take_back(struct import *im)
{
	struct queue *qu = &im->q->queue;
	struct slot *s;
	size_t i;

	for (i = 0; i < im->ntaken; i++) {
		s = queue_find(qu, im->taken[i]);
		if (s == NULL || s->entry != NULL)
			continue;	/* somebody has released it */
		store_unlink(im->q->store, s->id);
		store_unlink_large(im->q->store, s->id);
		queue_slot_free(qu, &s);
	}
	if (im->ntaken > 0)
		log_warn("event=import-taken-back messages=%zu", im->ntaken);
	im->ntaken = 0;
}

void
import_free(struct client *c)
{
	struct import *im = c->import;

	c->import = NULL;
	if (im == NULL)
		return;
	if (im->spooling != NULL)
		taking_free(im->spooling);
	queue_clear(&im->apart);
	buf_clear(&im->bytes);
	free(im->held);
	free(im->taken);
	free(im);
}

/* ---- the file of identities --------------------------------------------- */

bool
imported_unpack(struct slice s, struct imported *r)
{
	struct slice body;
	struct wire w;
	uint32_t n, i;
	size_t k;

	r->n = 0;
	if (!notes_read(s, magic, &body))
		return false;
	w = wire_of(body);
	n = get_u32(&w);
	if (n > IMPORTED || w.rest.n != n * (IDENTITY_BYTES + 8))
		return false;
	for (i = 0; i < n; i++) {
		for (k = 0; k < IDENTITY_BYTES; k++)
			r->v[i].identity[k] = (char)get_u8(&w);
		r->v[i].ms = get_u64(&w);
	}
	r->n = n;
	return wire_done(&w);
}
