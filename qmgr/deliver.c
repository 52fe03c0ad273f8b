/* SPDX-License-Identifier: ISC */
/*
 * deliver - jobs for local and remote, and what comes back (ipc/delivery.h).
 *
 * A process that dies takes its jobs' recipients back to READY, for whom it is
 * not known whether they have been served (maybe_done).  The messages it had
 * are suspects: they are tried one at a time, and the one that a second
 * process dies with is held, unless somebody killed that process from outside.
 *
 * local and remote are not trusted: a result for a recipient that is not in
 * the job ends the channel, and a result for a job that is over is normal.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "old.h"
#include "qmgr.h"

#define JOB_BYTES	(90 * 1024)	/* recipients of a job, packed */
#define SPREAD		10	/* jobs of a next hop before another process
				 * takes part */
#define JOBS		16000	/* with all processes */

static void	 delivery_says(void *, struct channel *, struct message *);
static void	 delivery_is_down(void *, struct channel *);
static void	 delivery_relaxed(void *, struct channel *);
static void	 secured_came(struct qmgr *, struct channel *,
		    struct message *);
static void	 result_came(struct qmgr *, struct channel *, struct message *);
static bool	 take_result(struct qmgr *, struct attempt *, struct wire *,
		    struct outcome *site, bool *any_good);
static void	 expanded_came(struct qmgr *, struct channel *,
		    struct message *);
static void	 full_came(struct qmgr *, struct channel *, struct message *);
static void	 doubt(struct qmgr *, struct entry *);
static void	 looked(struct store_wait *, bool ok);
static void	 job_over(struct qmgr *, struct attempt *, enum job_result);
static struct attempt *job_for(struct qmgr *, struct entry *,
		    const struct rcpt *, size_t bytes);
static void	 job_free(struct qmgr *, struct attempt **);
static enum send_result job_send(void *, struct attempt *);
static void	 hand_back(void *, struct attempt *, bool dead);
static void	 hop_wants(void *, struct hop *, unsigned);
static struct channel *channel_for(struct qmgr *, const struct attempt *);
static bool	 send_packed(struct qmgr *, struct attempt *, struct channel *);
static void	 job_lost(struct qmgr *, struct attempt *);
static void	 suspect(struct qmgr *, struct entry *);
static void	 accuse(struct qmgr *, const struct entry *,
		    const struct channel *);
static void	 judge(struct qmgr *, const struct channel *);
static void	 convict(struct qmgr *, struct entry *, const char *process);
static void	 suspect_next(struct qmgr *);

const struct message_rule delivery_rules[] = RULES_OF(DELIVERY);
const struct channel_ops delivery_ops = { delivery_says, delivery_is_down,
	delivery_relaxed };
const struct sched_ops deliver_sched_ops = { job_send, hand_back, hop_wants };

/* ---- gathering ---------------------------------------------------------- */

static uint64_t
sender_key(const struct qmgr *q, const struct entry *e, const struct rcpt *r)
{
	struct slice from = e->senders[r->sender];
	size_t at = slice_rfind(from, '@');

	if (from.n == 0)
		return siphash(q->hash_key, e->env.client);
	return siphash(q->hash_key, at < from.n ? slice_from(from, at) : from);
}

/* The packed size of a recipient, with room to spare. */
static size_t
rcpt_bytes(const struct rcpt *r)
{
	return r->address.n + r->original.n + r->orcpt.n + 128 +
	    r->route->to.home.n + r->route->to.path.n + r->route->to.user.n +
	    r->route->to.next_hop.n;
}

static struct attempt *
job_for(struct qmgr *q, struct entry *e, const struct rcpt *r, size_t bytes)
{
	uint32_t most = r->route->hop->local ? JOB_RECIPIENTS :
	    (uint32_t)q->conf->remote_max_recipients;
	struct attempt *j;
	unsigned looked = 0;

	TAILQ_FOREACH_REVERSE(j, &e->jobs, attempt_list, of_entry) {
		if (j->state == JOB_GATHERED && j->hop == r->route->hop &&
		    j->key == (r->route->group ^ r->sender) && j->n < most &&
		    j->bytes + bytes <= JOB_BYTES)
			return j;
		if (++looked == 32)
			break;
	}
	j = mem_alloc(sizeof(*j));
	j->id = ++q->last_job;
	j->entry = e;
	j->hop = r->route->hop;
	j->hop->refs++;
	j->key = r->route->group ^ r->sender;
	j->sender_key = sender_key(q, e, r);
	j->retry = e->slot->attempts > 0;
	j->priority = e->env.extras.priority;
	TAILQ_INSERT_TAIL(&e->jobs, j, of_entry);
	return j;
}

void
deliver_gather(struct qmgr *q, struct entry *e, uint32_t number)
{
	const struct rcpt *r = &e->rcpts[number];
	size_t bytes = rcpt_bytes(r);
	struct attempt *j = job_for(q, e, r, bytes);

	if (j->n == j->cap) {
		j->cap = j->cap == 0 ? 4 : j->cap * 2;
		j->numbers = mem_regrow(j->numbers, j->cap,
		    sizeof(*j->numbers));
	}
	j->numbers[j->n++] = number;
	j->bytes += bytes;
}

static void
job_free(struct qmgr *q, struct attempt **jp)
{
	struct attempt *j = *jp;

	*jp = NULL;
	TAILQ_REMOVE(&j->entry->jobs, j, of_entry);
	hop_release(&q->sched, &j->hop);
	free(j->words);
	free(j->secured);
	free(j->numbers);
	free(j);
}

void
attempt_drop(struct qmgr *q, struct attempt *j)
{
	if (j->state == JOB_READY)
		sched_remove(&q->sched, j);
	job_free(q, &j);
}

/* Its recipients wait again. */
static void
job_undo(struct qmgr *q, struct attempt **jp)
{
	struct attempt *j = *jp;
	struct rcpt *r;
	uint32_t i;

	for (i = 0; i < j->n; i++) {
		r = &j->entry->rcpts[j->numbers[i]];
		if (r->state == RCPT_READY || r->state == RCPT_SENT)
			rcpt_enter(j->entry, r, r->outcome != NULL ?
			    RCPT_DEFERRED : RCPT_NEW);
	}
	job_free(q, jp);
}

/* The entry is pinned. */
void
deliver_go(struct qmgr *q, struct entry *e)
{
	struct attempt *j, *next;
	int64_t now = clock_mono_ms();

	for (j = TAILQ_FIRST(&e->jobs); j != NULL; j = next) {
		next = TAILQ_NEXT(j, of_entry);
		if (j->state != JOB_GATHERED)
			continue;
		if (e->held || e->delete || q->stopping)
			job_undo(q, &j);
		else if (!e->suspected)
			sched_add(&q->sched, j, now);
	}
	qmgr_wake_scheduler(q);
}

void
deliver_cancel(struct qmgr *q, struct entry *e)
{
	struct attempt *j, *next;

	for (j = TAILQ_FIRST(&e->jobs); j != NULL; j = next) {
		next = TAILQ_NEXT(j, of_entry);
		switch (j->state) {
		case JOB_READY:
			sched_remove(&q->sched, j);
			job_undo(q, &j);
			break;
		case JOB_GATHERED:
			job_undo(q, &j);
			break;
		case JOB_SENT:
			channel_send(j->channel, DL_CANCEL, j->id,
			    SLICE_EMPTY);
			break;
		}
	}
}

/* ---- sending ------------------------------------------------------------ */

/* A next hop stays with one remote process, so that connections are used
 * again; a busy one spreads to the others. */
static struct channel *
channel_for(struct qmgr *q, const struct attempt *j)
{
	struct channel *c;
	unsigned i, at;

	if (j->hop->local)
		return q->local != NULL && !channel_is_busy(q->local) ?
		    q->local : NULL;
	if (q->nremotes == 0)
		return NULL;
	at = (unsigned)siphash(q->hash_key, slice_str(j->hop->name)) +
	    j->hop->inflight / SPREAD;
	for (i = 0; i < q->nremotes; i++) {
		c = q->remotes[(at + i) % q->nremotes];
		if (c != NULL && !channel_is_busy(c))
			return c;
	}
	return NULL;
}

static enum send_result
job_send(void *arg, struct attempt *j)
{
	struct qmgr *q = arg;
	struct entry *e = j->entry;
	struct channel *c = channel_for(q, j);
	uint32_t i;

	q->jobs_full = q->jobs.n >= JOBS;
	if (c == NULL || q->jobs_full)
		return SEND_BUSY;
	if (!send_packed(q, j, c)) {
		entry_pin(e);
		job_undo(q, &j);
		entry_unpin(q, &e);
		return SEND_NEVER;
	}
	for (i = 0; i < j->n; i++)
		rcpt_enter(e, &e->rcpts[j->numbers[i]], RCPT_SENT);
	j->open = j->n;
	j->channel = c;
	e->slot->spared = false;
	j->sent_ms = clock_mono_ms();
	idmap_add(&q->jobs, j);
	return SEND_DONE;
}

static bool
send_packed(struct qmgr *q, struct attempt *j, struct channel *c)
{
	struct entry *e = j->entry;
	const struct rcpt *r = &e->rcpts[j->numbers[0]];
	struct content *content = entry_content(q, e);
	struct job m = {
		.queue_id = e->id,
		.reverse_path = e->senders[r->sender],
		.envid = entry_envid(e, r->sender),
		.ret = entry_ret(e, r->sender),
		.body = e->env.body,
		.smtputf8 = e->env.smtputf8,
		.arrived_ms = e->env.arrived_ms,
		.extras = e->env.extras,
	};
	struct buf *b;
	uint32_t i;
	int fd = -1;
	bool ok = false;

	if (content == NULL)
		return false;
	if (e->flags & ENTRY_LARGE) {
		fd = store_large_open(q->store, e->id, e->large_n);
		if (fd == -1) {
			entry_unreadable(q, e, store_name(STORE_LARGE,
			    e->id).s, errno);
			goto out;
		}
		m.size = e->large_n;
		m.crc = e->large_crc;
	}
	m.extras.login = SLICE_EMPTY;
	if (m.extras.by_mode != BY_NONE)
		m.extras.by_ms = entry_by(q, e);
	m.content = slice_of(content->bytes, content->n);
	m.recipients = mem_array(j->n, sizeof(*m.recipients));
	m.nrecipients = j->n;
	for (i = 0; i < j->n; i++) {
		r = &e->rcpts[j->numbers[i]];
		m.recipients[i] = (struct job_recipient){
			.number = j->numbers[i],
			.address = r->address,
			.original = r->original,
			.orcpt = r->orcpt,
			.notify = r->notify,
			.maybe_done = (r->flags & RCPT_MAYBE_DONE) != 0,
			.to = r->route->to,
		};
	}
	b = channel_begin(c, fd == -1 ? DL_JOB : DL_JOB_FILE, j->id);
	if (b != NULL && job_pack(b, &m) == -1)
		log_fatal("id=%s event=job-too-long", id_text(e->id));
	if (fd == -1)
		channel_end(c);
	else
		channel_end_fds(c, &fd, 1);
	free(m.recipients);
	ok = true;
out:
	content_release(&q->queue, &content);
	return ok;
}

/* All that is to be tried now is this job, of a message that was tried before:
 * its file has all that is to be said. */
static bool
has_waited(const struct attempt *j)
{
	return j->retry && j->n == j->entry->open;
}

/* Paused: by hand, like a dead one.  Crowded: it goes back to sleep until its
 * next hop wants it.  So it does at a dead one when it was not tried: nothing
 * is written, or a million messages would be after a restart.  Otherwise dead
 * means: what happened to others there has happened to these (Q6: a dead next
 * hop costs one probe, not one attempt a message). */
static void
hand_back(void *arg, struct attempt *j, bool dead)
{
	struct qmgr *q = arg;
	struct entry *e = j->entry;
	struct hop *h = j->hop;
	struct wire w = wire_of(slice_of(h->outcome, h->noutcome));
	struct outcome o;
	uint32_t i;

	e->slot->spared |= h->paused;
	if (!dead || has_waited(j)) {
		entry_pin(e);
		e->crowded = true;
		job_undo(q, &j);
		entry_unpin(q, &e);
		return;
	}
	if (h->paused)
		o = (struct outcome){ .enhanced = { 4, 3, 2 },
			.text = pause_words(q, h) };
	else if (h->outcome == NULL || !outcome_unpack(&w, &o))
		o = (struct outcome){ .status = OUTCOME_DEFERRED,
			.enhanced = { 4, 4, 1 },
			.text = SLICE_LIT("the next hop does not answer") };
	o.status = OUTCOME_DEFERRED;
	entry_pin(e);
	for (i = 0; i < j->n; i++)
		rcpt_decided(q, e, &e->rcpts[j->numbers[i]], &o);
	job_free(q, &j);
	entry_unpin(q, &e);
}

static void
hop_wants(void *arg, struct hop *h, unsigned n)
{
	struct qmgr *q = arg;
	struct slot *s;

	for (; n > 0 && q->retrying < RETRIES_AT_ONCE &&
	    (s = TAILQ_FIRST(&h->waiting)) != NULL; n--) {
		s->wake = true;
		slot_wake(q, s);
	}
}

/* ---- results ------------------------------------------------------------ */

static void
delivery_says(void *arg, struct channel *c, struct message *m)
{
	switch (m->type) {
	case DL_RESULT:
		result_came(arg, c, m);
		break;
	case DL_EXPANDED:
		expanded_came(arg, c, m);
		break;
	case DL_SECURED:
		secured_came(arg, c, m);
		break;
	case DL_FULL:
		full_came(arg, c, m);
		break;
	default:
		channel_breach(c, "unexpected");
		break;
	}
}

static struct attempt *
job_of(struct qmgr *q, const struct channel *c, uint64_t id)
{
	struct attempt *j = idmap_find(&q->jobs, id);

	return j != NULL && j->channel == c ? j : NULL;
}

/* The recipient of a job that still waits for its outcome, or NULL. */
static struct rcpt *
job_rcpt(struct attempt *j, uint32_t number)
{
	struct rcpt *r;
	uint32_t i;

	for (i = 0; i < j->n; i++)
		if (j->numbers[i] == number) {
			r = &j->entry->rcpts[number];
			return r->state == RCPT_SENT ? r : NULL;
		}
	return NULL;
}

/* For the log only. */
static void
secured_came(struct qmgr *q, struct channel *c, struct message *m)
{
	struct attempt *j = job_of(q, c, m->id);
	struct slice words = get_slice(&m->body, SECURED_BYTES);

	if (!wire_done(&m->body)) {
		channel_breach(c, "secured");
		return;
	}
	if (j == NULL)
		return;
	free(j->secured);
	j->secured = words.n == 0 ? NULL : mem_slicedup(words);
}

static void
result_came(struct qmgr *q, struct channel *c, struct message *m)
{
	struct attempt *j = job_of(q, c, m->id);
	struct outcome site = { 0 };
	struct entry *e;
	uint32_t n = get_u32(&m->body);
	bool good = false;

	if (j == NULL)
		return;
	e = j->entry;
	entry_pin(e);
	for (; n > 0 && take_result(q, j, &m->body, &site, &good); n--)
		continue;
	if (n > 0 || !wire_done(&m->body)) {
		channel_breach(c, "result");
		entry_unpin(q, &e);
		return;
	}
	j->good |= good;
	if (site.status != 0) {
		struct buf b = BUF_INIT(8192);

		outcome_pack(&b, &site);
		free(j->words);
		j->words = b.p;
		j->nwords = (uint32_t)b.n;
	}
	if (j->open == 0)
		job_over(q, j, j->good ? JOB_DELIVERED : JOB_SITE_FAILED);
	entry_unpin(q, &e);
}

/* One recipient's outcome. */
static bool
take_result(struct qmgr *q, struct attempt *j, struct wire *w,
    struct outcome *site, bool *any_good)
{
	uint32_t number = get_u32(w);
	struct outcome o;
	struct rcpt *r;

	if (!outcome_unpack(w, &o))
		return false;
	r = job_rcpt(j, number);
	if (r == NULL)
		return false;
	if (o.site && o.status == OUTCOME_DEFERRED)
		*site = o;
	else
		*any_good = true;
	j->open--;
	if (o.damaged)
		doubt(q, j->entry);
	o.damaged = false;
	if (j->secured != NULL)
		o.secured = slice_str(j->secured);
	o.took_ms = clock_mono_ms() - j->sent_ms;
	rcpt_decided(q, j->entry, r, &o);
	return true;
}

/* ---- damaged content ---------------------------------------------------- */

struct doubt {
	struct large_look look;		/* first */
	struct qmgr	*q;
};

/* Who delivers it says that its large content is damaged.  We look ourselves,
 * since what is held is held for its other recipients, too. */
static void
doubt(struct qmgr *q, struct entry *e)
{
	struct doubt *d;

	if (e->doubted || !(e->flags & ENTRY_LARGE))
		return;
	e->doubted = true;
	entry_pin(e);
	d = mem_alloc(sizeof(*d));
	d->q = q;
	d->look.id = e->id;
	d->look.size = e->large_n;
	d->look.crc = e->large_crc;
	d->look.wait.fn = looked;
	store_large_look(q->store, &d->look);
}

static void
looked(struct store_wait *w, bool ok)
{
	struct doubt *d = (struct doubt *)(void *)w;
	struct slot *s = queue_find(&d->q->queue, d->look.id);
	struct entry *e = s == NULL ? NULL : s->entry;

	if (e != NULL && e->doubted) {
		e->doubted = false;
		if (!ok)
			entry_unreadable(d->q, e, store_name(STORE_LARGE,
			    e->id).s, d->look.error);
		entry_unpin(d->q, &e);
	}
	free(d);
}

/* ---- the end of a job --------------------------------------------------- */

static void
job_over(struct qmgr *q, struct attempt *j, enum job_result result)
{
	char *words = j->words;

	idmap_remove(&q->jobs, j->id);
	j->channel = NULL;
	j->words = NULL;
	sched_result(&q->sched, j, result, slice_of(words, j->nwords),
	    clock_mono_ms());
	free(words);
	job_free(q, &j);
	if (q->jobs_full) {
		q->jobs_full = false;
		sched_unblock(&q->sched);
	}
	qmgr_wake_scheduler(q);
}

/* ~/.forward: the recipient becomes others, with its user's rights. */
static void
expanded_came(struct qmgr *q, struct channel *c, struct message *m)
{
	struct attempt *j = job_of(q, c, m->id);
	uint32_t number = get_u32(&m->body), n = 0;
	struct target *t = NULL;
	struct rcpt *r;
	struct entry *e;
	struct slice owner, list;
	struct wire w;
	bool here;

	here = get_bool(&m->body);
	list = get_slice(&m->body, 200 * 1024);
	if (j == NULL)
		return;
	r = job_rcpt(j, number);
	for (w = wire_of(list); !w.bad && w.rest.n > 0; n++) {
		t = mem_regrow(t, n + 1, sizeof(*t));
		t[n] = (struct target){ .flags = get_u8(&w) &
			TARGET_NO_FORWARD ? RCPT_NO_FORWARD : 0 };
		t[n].address = get_slice(&w, TARGET_BYTES);
	}
	if (r == NULL || w.bad || !wire_done(&m->body) || n == 0) {
		free(t);
		channel_breach(c, "expanded");
		return;
	}
	e = j->entry;
	entry_pin(e);
	owner = r->route->to.user;
	j->open--;
	j->good = true;
	entry_expand(q, e, number, owner, here, t, n);
	free(t);
	if (j->open == 0)
		job_over(q, j, JOB_DELIVERED);
	entry_unpin(q, &e);
}

/* The process has no room: its recipients are READY again. */
static void
full_came(struct qmgr *q, struct channel *c, struct message *m)
{
	struct attempt *j = job_of(q, c, m->id);
	struct entry *e;
	uint32_t i;

	if (j == NULL)
		return;
	e = j->entry;
	entry_pin(e);
	idmap_remove(&q->jobs, j->id);
	sched_result(&q->sched, j, JOB_NO_ROOM, SLICE_EMPTY, clock_mono_ms());
	for (i = 0; i < j->n; i++) {
		struct rcpt *r = &e->rcpts[j->numbers[i]];

		if (r->state == RCPT_SENT)
			rcpt_enter(e, r, RCPT_READY);
		else
			j->numbers[i--] = j->numbers[--j->n];
	}
	j->channel = NULL;
	j->open = 0;
	if (j->n == 0)
		job_free(q, &j);
	/* settle() gives it to its next hop again */
	entry_unpin(q, &e);
}

/* ---- processes come and go ---------------------------------------------- */

void
deliver_up(struct qmgr *q, struct channel *c)
{
	judge(q, c);
	sched_unblock(&q->sched);
	qmgr_wake_scheduler(q);
}

static void
delivery_relaxed(void *arg, struct channel *c)
{
	deliver_up(arg, c);
}

/* What is left of it goes again, as another job. */
static void
job_lost(struct qmgr *q, struct attempt *j)
{
	struct entry *e = j->entry;
	struct rcpt *r;
	uint32_t i;

	idmap_remove(&q->jobs, j->id);
	sched_result(&q->sched, j, JOB_LOST, SLICE_EMPTY, clock_mono_ms());
	for (i = 0; i < j->n; i++) {
		r = &e->rcpts[j->numbers[i]];
		if (r->state != RCPT_SENT) {
			j->numbers[i--] = j->numbers[--j->n];
			continue;
		}
		if (j->hop->local)
			r->flags |= RCPT_MAYBE_DONE;
		rcpt_enter(e, r, RCPT_READY);
	}
	j->channel = NULL;
	j->open = 0;
	j->id = ++q->last_job;
	if (j->n == 0)
		job_free(q, &j);
}

static void
delivery_is_down(void *arg, struct channel *c)
{
	struct qmgr *q = arg;
	struct attempt **had = NULL, *j;
	struct entry *e;
	size_t n = 0, i, cursor = 0;
	unsigned index = channel_index(c);

	if (q->local == c)
		q->local = NULL;
	else if (index < QMGR_PEERS && q->remotes[index] == c)
		q->remotes[index] = NULL;
	while ((j = idmap_next(&q->jobs, &cursor)) != NULL)
		if (j->channel == c) {
			had = mem_regrow(had, n + 1, sizeof(*had));
			had[n++] = j;
			entry_pin(j->entry);
		}
	if (n > 0)
		log_warn("event=delivery-process-lost process=%s jobs=%zu",
		    role_name(channel_peer(c)), n);
	for (i = 0; i < n; i++)
		if (had[i]->entry != q->suspect)
			suspect(q, had[i]->entry);
	for (i = 0; i < n; i++)
		if (had[i]->entry == q->suspect)
			accuse(q, q->suspect, c);
	for (i = 0; i < n; i++) {
		e = had[i]->entry;
		job_lost(q, had[i]);
		entry_unpin(q, &e);
	}
	free(had);
	suspect_next(q);
}

/* ---- suspects ----------------------------------------------------------- */

static void
suspect(struct qmgr *q, struct entry *e)
{
	if (e->suspected || q->stopping)
		return;
	e->kills = 1;
	e->suspected = true;
	TAILQ_INSERT_TAIL(&q->suspects, e, of_suspects);
}

/* It was the only suspect that was tried.  Whether the process ended by its own
 * fault is known when master gives the channel to the next one. */
static void
accuse(struct qmgr *q, const struct entry *e, const struct channel *c)
{
	q->accused = e->id;
	q->accuser = channel_peer(c);
	q->accuser_index = channel_index(c);
}

static void
judge(struct qmgr *q, const struct channel *c)
{
	bool same = q->accused != 0 && q->accuser == channel_peer(c) &&
	    q->accuser_index == channel_index(c);
	struct entry *e = q->suspect;

	if (!same)
		return;
	if (channel_crashed_before(c) && e != NULL && e->id == q->accused) {
		entry_pin(e);
		convict(q, e, role_name(q->accuser));
		if (e->held)
			deliver_cancel(q, e);
		entry_unpin(q, &e);
	}
	q->accused = 0;
}

static void
convict(struct qmgr *q, struct entry *e, const char *process)
{
	if (q->stopping || ++e->kills < KILLS)
		return;
	log_error("id=%s event=held process=%s why=\"%u processes ended "
	    "while they had it\"", id_text(e->id), process,
	    (unsigned)e->kills);
	entry_set_held(q, e, true,
	    SLICE_LIT("processes ended while they had it"));
	old_copy_aside(q, e);
}

void
deliver_idle(struct qmgr *q, struct entry *e)
{
	if (e->suspected) {
		e->suspected = false;
		TAILQ_REMOVE(&q->suspects, e, of_suspects);
	}
	e->kills = 0;
	if (q->suspect == e) {
		q->suspect = NULL;
		suspect_next(q);
	}
}

static void
suspect_next(struct qmgr *q)
{
	struct entry *e = TAILQ_FIRST(&q->suspects);

	if (q->suspect != NULL || e == NULL)
		return;
	TAILQ_REMOVE(&q->suspects, e, of_suspects);
	e->suspected = false;
	q->suspect = e;
	entry_pin(e);	/* settle() lets its jobs go */
	entry_unpin(q, &e);
}
