/* SPDX-License-Identifier: ISC */
/*
 * submit - messages come in from smtpd (ipc/smtpd_qmgr.h).
 *
 * Q1: QUEUED is sent by message_durable() alone.  Until then the message is
 * COMMITTING, its recipients may be routed already but nothing is delivered.
 *
 * smtpd is not trusted: an id that it was not given, or has used, an envelope
 * that is none, or more than it may send, ends the channel.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ipc/counters.h"
#include "old.h"
#include "qmgr.h"

#define BLOCKS		16384	/* remembered of a channel */
#define ID_TIME_SHIFT	20
#define RESERVE_MS	60000	/* of ids, ahead */
#define SPOOLS		5000	/* large messages of a channel at once */

/* QUEUE_ID_BLOCK ids that were granted, and which of them were used. */
struct block {
	uint64_t	 first;
	unsigned	 nused;
	uint8_t		 used[QUEUE_ID_BLOCK / 8];
};

struct spool {
	uint64_t	 id;		/* first: idmap */
};

/* What we know of one smtpd; the channel's data. */
struct submitter {
	struct block	**blocks;	/* owned, by first */
	size_t		 nblocks;
	struct idmap	 spools;	/* large files that are being written */
	unsigned	 waiting;	/* IDS_ASK without an answer */
};

/* A large message whose file is being synced. */
struct syncing {
	struct large_sync sync;		/* first */
	struct qmgr	*q;
};

static void	 smtpd_says(void *, struct channel *, struct message *);
static void	 smtpd_is_down(void *, struct channel *);
static void	 ids_ask(struct qmgr *, struct channel *, struct message *);
static void	 grant(struct qmgr *, struct channel *);
static void	 reserve(struct qmgr *);
static void	 ids_durable(struct journal_wait *, bool);
static void	 submit(struct qmgr *, struct channel *, struct message *);
static void	 spool_ask(struct qmgr *, struct channel *, struct message *);
static void	 submit_spooled(struct qmgr *, struct channel *,
		    struct message *);
static void	 sync_large(struct qmgr *, struct entry *);
static void	 spool_synced(struct store_wait *, bool ok);
static void	 abort_message(struct qmgr *, struct channel *,
		    struct message *);
static void	 limit_ask(struct qmgr *, struct channel *, struct message *);
static bool	 over_login_limit(struct qmgr *, struct entry **);
static struct entry *entry_make(struct qmgr *, uint64_t id, struct slice,
		    struct channel *);
static void	 entry_commit(struct qmgr *, struct entry *,
		    const struct message_body *, unsigned flags);
static void	 message_durable(struct journal_wait *, bool durable);
static void	 undo(struct qmgr *, struct entry **, bool in_journal);
static bool	 id_use(struct channel *, uint64_t id);
static void	 refuse(struct channel *, uint64_t id,
		    uint16_t code, const char *text);

const struct message_rule smtpd_rules[] = RULES_OF(SMTPD_QMGR);
const struct channel_ops smtpd_ops = { smtpd_says, smtpd_is_down, NULL };

static const struct {
	uint16_t	 type;
	void		(*take)(struct qmgr *, struct channel *,
			    struct message *);
} verbs[] = {
	{ SQ_IDS_ASK,		ids_ask },
	{ SQ_SUBMIT,		submit },
	{ SQ_SPOOL_ASK,		spool_ask },
	{ SQ_SUBMIT_SPOOLED,	submit_spooled },
	{ SQ_ABORT,		abort_message },
	{ SQ_LIMIT_ASK,		limit_ask },
};

static void
smtpd_says(void *arg, struct channel *c, struct message *m)
{
	size_t i;

	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (verbs[i].type == m->type)
			verbs[i].take(arg, c, m);
}

/* ---- channels ----------------------------------------------------------- */

void
submit_up(struct qmgr *q, struct channel *c)
{
	channel_set_data(c, mem_alloc(sizeof(struct submitter)));
	channel_pause(c, q->paused);
	pauses_tell(q, c);
}

static void
smtpd_is_down(void *arg, struct channel *c)
{
	struct qmgr *q = arg;
	struct submitter *s = channel_data(c);
	struct entry *e;
	struct spool *sp;
	size_t i, cursor = 0;

	TAILQ_FOREACH(e, &q->committing, of_peer)
		if (e->from == c) {
			e->from = NULL;
			e->aborted = true;
		}
	if (channel_index(c) < QMGR_PEERS && q->smtpds[channel_index(c)] == c)
		q->smtpds[channel_index(c)] = NULL;
	while ((sp = idmap_next(&s->spools, &cursor)) != NULL) {
		store_unlink_large(q->store, sp->id);
		free(sp);
	}
	idmap_clear(&s->spools);
	for (i = 0; i < s->nblocks; i++)
		free(s->blocks[i]);
	free(s->blocks);
	free(s);
	channel_set_data(c, NULL);
}

/* ---- queue ids ---------------------------------------------------------- */

/*
 * An id is the time in ms, ten random bits that spread the files over their
 * directories, and ten bits counted within a block.  No two blocks have the
 * same time, and none is given out that a restart might give out again.
 */
static uint64_t
next_block(struct qmgr *q)
{
	uint64_t ms = (uint64_t)clock_wall_ms();

	if (ms <= q->last_id >> ID_TIME_SHIFT)
		ms = (q->last_id >> ID_TIME_SHIFT) + 1;
	q->last_id = ms << ID_TIME_SHIFT |
	    (uint64_t)arc4random_uniform(1024) << 10;
	return q->last_id;
}

/* An id of ours is in the record that makes it used. */
uint64_t
qmgr_new_id(struct qmgr *q)
{
	return next_block(q);
}

static void
reserve(struct qmgr *q)
{
	struct buf b = BUF_INIT(8);
	struct slice body;
	uint64_t ms = (uint64_t)clock_wall_ms();

	if (q->ids_asked > q->ids_reserved)
		return;
	if (ms < q->last_id >> ID_TIME_SHIFT)
		ms = q->last_id >> ID_TIME_SHIFT;
	q->ids_asked = (ms + RESERVE_MS) << ID_TIME_SHIFT;
	put_u64(&b, q->ids_asked);
	body = buf_slice(&b);
	q->ids_wait.fn = ids_durable;
	journal_set_ids(q->journal, q->ids_asked);
	journal_add(q->journal, REC_IDS, 0, &body, 1,
	    JOURNAL_SOON | JOURNAL_STUBBORN, &q->ids_wait, NULL);
	buf_clear(&b);
}

static void
ids_durable(struct journal_wait *w, bool durable)
{
	struct qmgr *q = (struct qmgr *)(void *)((char *)w -
	    offsetof(struct qmgr, ids_wait));
	size_t i;

	(void)durable;
	q->ids_reserved = q->ids_asked;
	for (i = 0; i < QMGR_PEERS; i++)
		if (q->smtpds[i] != NULL)
			grant(q, q->smtpds[i]);
}

static void
ids_ask(struct qmgr *q, struct channel *c, struct message *m)
{
	struct submitter *s = channel_data(c);

	(void)m;
	if (s->waiting > 64) {
		channel_breach(c, "ids");
		return;
	}
	s->waiting++;
	grant(q, c);
}

static void
grant(struct qmgr *q, struct channel *c)
{
	struct submitter *s = channel_data(c);
	struct block *b;
	uint64_t limit = q->ids_reserved >> ID_TIME_SHIFT, ms;
	struct buf *out;

	while (s != NULL && s->waiting > 0) {
		ms = (uint64_t)clock_wall_ms();
		if (ms <= q->last_id >> ID_TIME_SHIFT)
			ms = (q->last_id >> ID_TIME_SHIFT) + 1;
		if (ms + RESERVE_MS / 2 > limit)
			reserve(q);
		if (ms >= limit)
			return;		/* when it is durable */
		if (s->nblocks == BLOCKS) {
			free(s->blocks[0]);
			memmove(s->blocks, s->blocks + 1,
			    --s->nblocks * sizeof(*s->blocks));
		}
		b = mem_alloc(sizeof(*b));
		b->first = next_block(q);
		s->blocks = mem_regrow(s->blocks, s->nblocks + 1,
		    sizeof(*s->blocks));
		s->blocks[s->nblocks++] = b;
		s->waiting--;
		out = channel_begin(c, SQ_IDS, 0);
		if (out != NULL)
			put_u64(out, b->first);
		channel_end(c);
	}
}

/* False for an id that was not granted here or is used already. */
static bool
id_use(struct channel *c, uint64_t id)
{
	struct submitter *s = channel_data(c);
	size_t low = 0, high = s->nblocks, mid;
	struct block *b;
	unsigned n;

	while (low < high) {
		mid = (low + high) / 2;
		if (s->blocks[mid]->first + QUEUE_ID_BLOCK <= id)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == s->nblocks || s->blocks[low]->first > id)
		return false;
	b = s->blocks[low];
	n = (unsigned)(id - b->first);
	if (b->used[n / 8] & 1 << n % 8)
		return false;
	b->used[n / 8] |= (uint8_t)(1 << n % 8);
	if (++b->nused == QUEUE_ID_BLOCK) {
		free(b);
		s->nblocks--;
		memmove(s->blocks + low, s->blocks + low + 1,
		    (s->nblocks - low) * sizeof(*s->blocks));
	}
	return true;
}

/* ---- small messages ----------------------------------------------------- */

static void
refuse(struct channel *c, uint64_t id, uint16_t code,
    const char *text)
{
	struct buf *b;

	count(QUEUE_REFUSED);
	log_info("id=%s event=refused code=%u text=\"%s\"", id_text(id),
	    (unsigned)code, text);
	if (c == NULL)
		return;
	b = channel_begin(c, SQ_REFUSED, id);
	if (b != NULL) {
		put_u16(b, code);
		put_slice(b, slice_str(text));
	}
	channel_end(c);
}

/* Over a limit the client is asked to try later (Q5). */
static const char *
over_limit(const struct qmgr *q)
{
	if (q->stopping)
		return "4.3.2 the mail system is being stopped";
	if (q->queue.slots.n >= q->conf->queue_max_messages)
		return "4.3.1 too many messages in the queue";
	if (q->disk_full)
		return "4.3.1 insufficient system storage";
	if (journal_is_failing(q->journal))
		return "4.3.0 the queue cannot be written at present";
	return NULL;
}

static void
submit(struct qmgr *q, struct channel *c, struct message *m)
{
	struct message_body body = { 0 };
	const char *why = over_limit(q);
	struct entry *e;

	body.envelope = get_slice(&m->body, ENVELOPE_BYTES);
	body.content = get_slice(&m->body, INLINE_BYTES);
	if (!wire_done(&m->body) || !id_use(c, m->id)) {
		channel_breach(c, "submit");
		return;
	}
	if (why != NULL) {
		refuse(c, m->id, 452, why);
		return;
	}
	e = entry_make(q, m->id, body.envelope, c);
	if (e == NULL) {
		channel_breach(c, "envelope");
		return;
	}
	if (over_login_limit(q, &e))
		return;
	entry_set_content(&q->queue, e, body.content);
	entry_commit(q, e, &body, 0);
}

static struct entry *
entry_make(struct qmgr *q, uint64_t id, struct slice envelope,
    struct channel *from)
{
	struct slot *s;
	struct entry *e;

	if (queue_find(&q->queue, id) != NULL)
		return NULL;
	s = queue_slot_new(&q->queue, id);
	e = entry_new(&q->queue, s, envelope);
	if (e == NULL || e->nrcpts == 0) {
		if (e != NULL)
			entry_free(&q->queue, &s->entry);
		queue_slot_free(&q->queue, &s);
		return NULL;
	}
	slot_enter(&q->queue, s, SLOT_COMMITTING);
	s->steps = q->clock.n;
	e->q = q;
	e->from = from;
	TAILQ_INSERT_TAIL(&q->committing, e, of_peer);
	return e;
}

static void
entry_commit(struct qmgr *q, struct entry *e, const struct message_body *body,
    unsigned flags)
{
	struct buf head = BUF_INIT(RECORD_BODY_BYTES);
	struct slice parts[2];

	message_pack_head(&head, body);
	parts[0] = buf_slice(&head);
	parts[1] = body->content;
	e->content_off = (uint32_t)head.n;
	e->wait.fn = message_durable;
	journal_add(q->journal, REC_MESSAGE, e->id, parts, 2,
	    flags | JOURNAL_SOON |
	    (e->flags & ENTRY_LARGE ? JOURNAL_FILES : 0), &e->wait,
	    &e->young);
	buf_clear(&head);
	if (journal_is_full(q->journal) && !q->paused) {
		size_t i;

		q->paused = true;
		for (i = 0; i < QMGR_PEERS; i++)
			if (q->smtpds[i] != NULL)
				channel_pause(q->smtpds[i], true);
	}
}

void
qmgr_relaxed(void *arg)
{
	struct qmgr *q = arg;
	size_t i;

	q->paused = false;
	for (i = 0; i < QMGR_PEERS; i++)
		if (q->smtpds[i] != NULL)
			channel_pause(q->smtpds[i], false);
}

static void
message_durable(struct journal_wait *w, bool durable)
{
	struct entry *e = (struct entry *)(void *)((char *)w -
	    offsetof(struct entry, wait));
	struct qmgr *q = e->q;

	TAILQ_REMOVE(&q->committing, e, of_peer);
	if (!durable) {
		refuse(e->from, e->id, 451,
		    "4.3.0 the queue cannot be written at present");
		undo(q, &e, true);
		return;
	}
	if (e->aborted) {
		/* Never acknowledged, so nobody misses it (RFC 1047). */
		log_info("id=%s event=aborted", id_text(e->id));
		undo(q, &e, true);
		return;
	}
	if (e->from != NULL)
		channel_send(e->from, SQ_QUEUED, e->id, SLICE_EMPTY);
	e->from = NULL;
	count(QUEUE_QUEUED);
	log_info("id=%s event=queued from=%s size=%llu nrcpt=%u client=%s "
	    "proto=%s%s%s", id_text(e->id), LOG_Q(e->env.reverse_path),
	    (unsigned long long)entry_size(e), (unsigned)e->nrcpts,
	    LOG_Q(e->env.client), LOG_Q(e->env.protocol),
	    e->env.extras.login.n > 0 ? " login=" : "",
	    e->env.extras.login.n > 0 ? LOG_Q(e->env.extras.login) : "");
	if (e->on_durable != NULL)
		e->on_durable(q, e);
	if (q->queue.content > q->conf->queue_memory)
		entry_drop_content(&q->queue, e);
	entry_begin(q, e);
}

/* A message that is not acknowledged goes away.  A record of it may be on the
 * disk, whatever we were told, so that is taken back. */
static void
undo(struct qmgr *q, struct entry **ep, bool in_journal)
{
	struct entry *e = *ep;
	struct slot *s = e->slot;

	if (in_journal)
		journal_add(q->journal, REC_DONE, e->id, NULL, 0, 0, NULL,
		    NULL);
	if (e->flags & ENTRY_LARGE)
		store_unlink_large(q->store, e->id);
	journal_release(q->journal, &e->young);
	entry_free(&q->queue, ep);
	queue_slot_free(&q->queue, &s);
}

static void
abort_message(struct qmgr *q, struct channel *c, struct message *m)
{
	struct submitter *s = channel_data(c);
	struct slot *slot = queue_find(&q->queue, m->id);
	struct spool *sp = idmap_find(&s->spools, m->id);

	if (sp != NULL) {
		idmap_remove(&s->spools, m->id);
		free(sp);
		store_unlink_large(q->store, m->id);
	} else if (slot != NULL && slot->state == SLOT_COMMITTING &&
	    slot->entry->from == c) {
		slot->entry->aborted = true;
		slot->entry->from = NULL;
	}
	/* Otherwise it is durable, or never was: normal. */
}

/* ---- what a login may send ---------------------------------------------- */

static void
limit_ask(struct qmgr *q, struct channel *c, struct message *m)
{
	struct slice login = get_text(&m->body, LOGIN_NAME_BYTES);
	uint32_t recipients;
	int64_t wait;
	struct buf *b;

	if (!wire_done(&m->body) || login.n == 0) {
		channel_breach(c, "limit");
		return;
	}
	limits_ask(q, login, &wait, &recipients);
	b = channel_begin(c, SQ_LIMIT, m->id);
	if (b != NULL) {
		put_u32(b, (uint32_t)((wait + 999) / 1000));
		put_u32(b, recipients);
	}
	channel_end(c);
}

/* Several of its messages may have been let in at MAIL, together too many. */
static bool
over_login_limit(struct qmgr *q, struct entry **ep)
{
	struct entry *e = *ep;
	struct slice login = e->env.extras.login;
	uint32_t recipients;
	int64_t wait;

	if (login.n == 0)
		return false;
	limits_ask(q, login, &wait, &recipients);
	if (wait == 0 && e->nrcpts <= recipients) {
		limits_count(q, login, e->nrcpts, clock_wall_ms());
		return false;
	}
	log_info("id=%s event=login-limit login=%s nrcpt=%u", id_text(e->id),
	    LOG_Q(login), (unsigned)e->nrcpts);
	refuse(e->from, e->id, wait > 0 ? 450 : 452, wait > 0 ?
	    "4.7.1 You have sent as much as you may for now" :
	    "4.7.1 You have sent to as many recipients as you may for now");
	TAILQ_REMOVE(&q->committing, e, of_peer);
	undo(q, ep, false);
	return true;
}

/* ---- large messages ----------------------------------------------------- */

static void
spool_ask(struct qmgr *q, struct channel *c, struct message *m)
{
	struct submitter *s = channel_data(c);
	const char *why = over_limit(q);
	struct spool *sp;
	uint64_t size = get_u64(&m->body);
	int fd;

	if (!wire_done(&m->body) || !id_use(c, m->id) ||
	    s->spools.n >= SPOOLS) {
		channel_breach(c, "spool");
		return;
	}
	if (why == NULL && size > q->free_bytes)
		why = "4.3.1 insufficient system storage";
	if (why != NULL) {
		refuse(c, m->id, 452, why);
		return;
	}
	fd = store_large_create(q->store, m->id);
	if (fd == -1) {
		log_error("id=%s event=spool-failed error=%s", id_text(m->id),
		    LOG_Q(slice_str(strerror(errno))));
		refuse(c, m->id, 452, "4.3.1 insufficient system storage");
		return;
	}
	sp = mem_alloc(sizeof(*sp));
	sp->id = m->id;
	idmap_add(&s->spools, sp);
	if (channel_begin(c, SQ_SPOOL, m->id) == NULL) {
		close(fd);
		return;
	}
	channel_end_fds(c, &fd, 1);
}

static void
submit_spooled(struct qmgr *q, struct channel *c, struct message *m)
{
	struct submitter *s = channel_data(c);
	struct message_body body = { .flags = ENTRY_LARGE };
	struct spool *sp = idmap_find(&s->spools, m->id);
	const char *why = over_limit(q);
	struct entry *e;

	body.envelope = get_slice(&m->body, ENVELOPE_BYTES);
	body.content = get_slice(&m->body, PREFIX_BYTES);
	body.large_n = get_u64(&m->body);
	body.large_crc = get_u32(&m->body);
	if (!wire_done(&m->body) || sp == NULL) {
		channel_breach(c, "submit-spooled");
		return;
	}
	idmap_remove(&s->spools, m->id);
	free(sp);
	if (why != NULL) {
		store_unlink_large(q->store, m->id);
		refuse(c, m->id, 452, why);
		return;
	}
	e = entry_make(q, m->id, body.envelope, c);
	if (e == NULL) {
		store_unlink_large(q->store, m->id);
		channel_breach(c, "envelope");
		return;
	}
	e->flags = body.flags;
	e->large_n = body.large_n;
	e->large_crc = body.large_crc;
	if (over_login_limit(q, &e))
		return;
	entry_set_content(&q->queue, e, body.content);
	sync_large(q, e);
}

static void
sync_large(struct qmgr *q, struct entry *e)
{
	struct syncing *y = mem_alloc(sizeof(*y));

	y->q = q;
	y->sync.id = e->id;
	y->sync.size = e->large_n;
	y->sync.wait.fn = spool_synced;
	store_large_sync(q->store, &y->sync);
}

static void
spool_synced(struct store_wait *w, bool ok)
{
	struct syncing *y = (struct syncing *)(void *)w;
	struct qmgr *q = y->q;
	struct slot *s = queue_find(&q->queue, y->sync.id);
	struct entry *e = s == NULL ? NULL : s->entry;
	struct message_body body = { 0 };

	if (e == NULL || s->state != SLOT_COMMITTING)
		goto out;
	if (ok && !e->aborted) {
		body.flags = (uint8_t)e->flags;
		body.large_n = e->large_n;
		body.large_crc = e->large_crc;
		body.envelope = e->packed;
		body.content = slice_of(e->content->bytes, e->content->n);
		entry_commit(q, e, &body, 0);
		goto out;
	}
	TAILQ_REMOVE(&q->committing, e, of_peer);
	if (!ok) {
		log_error("id=%s event=spool-failed error=%s", id_text(e->id),
		    LOG_Q(slice_str(strerror(y->sync.error))));
		refuse(e->from, e->id, 451,
		    "4.3.0 the content could not be stored");
	}
	undo(q, &e, false);
out:
	free(y);
}

/* ---- our own ------------------------------------------------------------ */

int
submit_own(struct qmgr *q, uint64_t id, const struct message_body *body,
    void (*fn)(struct qmgr *, struct entry *))
{
	struct entry *e = entry_make(q, id, body->envelope, NULL);

	if (e == NULL)
		return -1;
	e->flags = body->flags;
	e->report_of = body->report_of;
	e->on_durable = fn;
	entry_set_content(&q->queue, e, body->content);
	if (e->flags & ENTRY_LARGE) {
		e->large_n = body->large_n;
		e->large_crc = body->large_crc;
		sync_large(q, e);
	} else
		entry_commit(q, e, body, JOURNAL_STUBBORN |
		    (body->status.n > 0 ? JOURNAL_FILES : 0));
	return 0;
}

/* ---- now and then ------------------------------------------------------- */

void
submit_tick(struct qmgr *q)
{
	struct statvfs st;
	bool full;

	if (fs->fstatvfs(q->dir, &st) == -1)
		return;
	q->free_bytes = (uint64_t)st.f_bavail * st.f_frsize;
	full = q->free_bytes < q->conf->queue_min_free;
	if (full != q->disk_full)
		log_warn("event=%s free=%llu", full ? "disk-full" :
		    "disk-free", (unsigned long long)q->free_bytes);
	q->disk_full = full;
}
