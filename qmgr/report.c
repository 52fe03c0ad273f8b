/* SPDX-License-Identifier: ISC */
/*
 * report - failures, delays and successes that the sender is to hear of
 * (RFC 3461), written by bounce (ipc/qmgr_bounce.h).
 *
 * Q2: the report and what it changes in the message it is about are one
 * record.  From the question until that record is durable the message is
 * `reporting`, and no other record about it is made.
 *
 * One report is about recipients with the same reverse-path and of one kind.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "qmgr.h"

#define REPORT_BYTES	(110 * 1024)	/* recipients of one, packed */
#define REPORT_FAILURES	5		/* then the message is held */

struct pending {
	uint64_t	 id;		/* first: idmap; on the channel */
	struct entry	*e;		/* pinned */
	enum report_kind kind;
	uint64_t	 report_id;	/* queue id of the report */
	uint16_t	 sender;
	bool		 sent;
	bool		 written;	/* it is being made durable */
};

static void	 bounce_says(void *, struct channel *, struct message *);
static void	 bounce_is_down(void *, struct channel *);
static bool	 ask(struct qmgr *, struct entry *, enum report_kind,
		    uint16_t sender);
static bool	 send_report(struct qmgr *, struct pending *);
static void	 message_came(struct qmgr *, struct channel *,
		    struct message *);
static void	 report_durable(struct qmgr *, struct entry *);
static void	 failed_came(struct qmgr *, struct channel *,
		    struct message *);
static void	 pending_over(struct qmgr *, struct pending *);

const struct message_rule bounce_rules[] = RULES_OF(QMGR_BOUNCE);
const struct channel_ops bounce_ops = { bounce_says, bounce_is_down, NULL };

/* ---- who is reported on ------------------------------------------------- */

static enum report_kind
kind_of(const struct entry *e, const struct rcpt *r)
{
	struct outcome o;

	if (!rcpt_outcome(r, &o) || o.status == OUTCOME_FAILED)
		return e->senders[r->sender].n == 0 ? REPORT_POSTMASTER :
		    REPORT_FAILURE;
	return REPORT_SUCCESS;
}

static bool
wants_delay(const struct rcpt *r)
{
	return (r->state == RCPT_DEFERRED || r->state == RCPT_NEW) &&
	    !(r->flags & RCPT_WARNED) && r->outcome != NULL &&
	    (r->notify == 0 || r->notify & NOTIFY_DELAY);
}

static bool
belongs(const struct pending *p, const struct entry *e, const struct rcpt *r)
{
	if (r->sender != p->sender)
		return false;
	if (p->kind == REPORT_DELAY)
		return wants_delay(r);
	return r->state == RCPT_OWING && kind_of(e, r) == p->kind;
}

bool
report_start(struct qmgr *q, struct entry *e)
{
	uint32_t i;

	for (i = 0; i < e->nrcpts; i++)
		if (e->rcpts[i].state == RCPT_OWING)
			return ask(q, e, kind_of(e, &e->rcpts[i]),
			    e->rcpts[i].sender);
	return false;
}

int64_t
report_delay_at(const struct qmgr *q, const struct entry *e)
{
	const struct envelope_extras *x = &e->env.extras;
	int64_t at = INT64_MAX;
	uint32_t i;

	if (q->conf->queue_delay_warning != 0)
		at = entry_released(q, e) + q->conf->queue_delay_warning;
	if (x->by_mode == BY_NOTIFY && entry_by(q, e) < at)
		at = entry_by(q, e);
	if (at == INT64_MAX || e->flags & ENTRY_NO_REPORT)
		return INT64_MAX;
	for (i = 0; i < e->nrcpts; i++)
		if (wants_delay(&e->rcpts[i]) &&
		    e->senders[e->rcpts[i].sender].n > 0)
			return at;
	return INT64_MAX;
}

bool
report_delay(struct qmgr *q, struct entry *e, int64_t now)
{
	uint32_t i;

	(void)now;
	for (i = 0; i < e->nrcpts; i++)
		if (wants_delay(&e->rcpts[i]) &&
		    e->senders[e->rcpts[i].sender].n > 0)
			return ask(q, e, REPORT_DELAY, e->rcpts[i].sender);
	return false;
}

/* ---- asking bounce ------------------------------------------------------ */

static bool
ask(struct qmgr *q, struct entry *e, enum report_kind kind, uint16_t sender)
{
	struct pending *p;

	if (q->bounce == NULL || channel_is_busy(q->bounce) || q->stopping)
		return false;
	p = mem_alloc(sizeof(*p));
	p->id = ++q->last_report;
	p->e = e;
	p->kind = kind;
	p->sender = sender;
	p->report_id = qmgr_new_id(q);
	if (!send_report(q, p)) {
		free(p);
		return false;
	}
	idmap_add(&q->reports, p);
	e->reporting = true;
	entry_pin(e);
	return true;
}

static size_t
pick(const struct pending *p, struct report_recipient *v)
{
	struct entry *e = p->e;
	size_t n = 0, bytes = 0;
	uint32_t i;

	for (i = 0; i < e->nrcpts && bytes < REPORT_BYTES; i++) {
		struct rcpt *r = &e->rcpts[i];

		r->flags &= (uint8_t)~RCPT_REPORTING;
		if (!belongs(p, e, r))
			continue;
		v[n] = (struct report_recipient){
			.address = r->address,
			.original = r->original,
			.orcpt = r->orcpt,
			.notify = r->notify,
			.attempted_ms = r->attempted_ms,
		};
		if (!rcpt_outcome(r, &v[n].outcome))
			continue;
		bytes += r->address.n + r->original.n + r->orcpt.n +
		    r->noutcome + 64;
		r->flags |= RCPT_REPORTING;
		n++;
	}
	for (; i < e->nrcpts; i++)
		e->rcpts[i].flags &= (uint8_t)~RCPT_REPORTING;
	return n;
}

static bool
send_report(struct qmgr *q, struct pending *p)
{
	struct entry *e = p->e;
	struct content *content = entry_content(q, e);
	struct report r = {
		.kind = p->kind,
		.queue_id = e->id,
		.report_id = p->report_id,
		.reverse_path = e->senders[p->sender],
		.envid = entry_envid(e, p->sender),
		.ret = entry_ret(e, p->sender),
		.body = e->env.body,
		.smtputf8 = e->env.smtputf8,
		.arrived_ms = e->env.arrived_ms,
		.until_ms = entry_expires(q, e),
		.total = entry_size(e),
	};
	struct buf *b;
	int fd = -1;

	r.content = content == NULL ? SLICE_EMPTY :
	    slice_of(content->bytes, content->n);
	if (e->flags & ENTRY_LARGE)
		fd = store_large_open(q->store, e->id, e->large_n);
	if (fd != -1) {
		r.size = e->large_n;
		r.crc = e->large_crc;
	}
	r.recipients = mem_array(e->nrcpts, sizeof(*r.recipients));
	r.nrecipients = pick(p, r.recipients);
	if (r.nrecipients > 0) {
		b = channel_begin(q->bounce, fd == -1 ? QB_REPORT :
		    QB_REPORT_FILE, p->id);
		if (b != NULL && report_pack(b, &r) == -1)
			log_fatal("id=%s event=report-too-long",
			    id_text(e->id));
		if (fd == -1)
			channel_end(q->bounce);
		else
			channel_end_fds(q->bounce, &fd, 1);
	} else if (fd != -1)
		fs->close(fd);
	free(r.recipients);
	content_release(&q->queue, &content);
	return r.nrecipients > 0;
}

/* ---- what bounce says --------------------------------------------------- */

static void
bounce_says(void *arg, struct channel *c, struct message *m)
{
	switch (m->type) {
	case QB_MESSAGE:
		message_came(arg, c, m);
		break;
	case QB_FAILED:
		failed_came(arg, c, m);
		break;
	default:
		channel_breach(c, "unexpected");
		break;
	}
}

static bool
is_reporting(const struct rcpt *r)
{
	return r->flags & RCPT_REPORTING;
}

/* What the report makes of the recipients it is about; undone with done
 * false. */
static void
apply_report(const struct pending *p, bool done)
{
	struct entry *e = p->e;
	uint32_t i;

	for (i = 0; i < e->nrcpts; i++) {
		struct rcpt *r = &e->rcpts[i];

		if (!is_reporting(r))
			continue;
		if (p->kind != REPORT_DELAY)
			rcpt_enter(e, r, done ? RCPT_DONE : RCPT_OWING);
		else if (done)
			r->flags |= RCPT_WARNED;
		else
			r->flags &= (uint8_t)~RCPT_WARNED;
	}
}

static void
message_came(struct qmgr *q, struct channel *c, struct message *m)
{
	struct pending *p = idmap_find(&q->reports, m->id);
	struct message_body body = { 0 };
	struct buf status = BUF_INIT(RECORD_BODY_BYTES);
	uint32_t from = 0;

	body.envelope = get_slice(&m->body, ENVELOPE_BYTES);
	body.content = get_slice(&m->body, INLINE_BYTES);
	if (!wire_done(&m->body)) {
		channel_breach(c, "report");
		return;
	}
	if (p == NULL || p->written)
		return;
	/* Only the record says so yet: here it becomes true when that is
	 * durable, and a file that is written meanwhile has the old state. */
	apply_report(p, true);
	status_pack(&status, p->e, is_reporting, &from);
	apply_report(p, false);
	p->e->seq--;
	body.report_of = p->e->id;
	body.flags = p->kind == REPORT_POSTMASTER ? ENTRY_NO_REPORT : 0;
	body.status = buf_slice(&status);
	if (submit_own(q, p->report_id, &body, report_durable) == -1)
		channel_breach(c, "report-envelope");
	else
		p->written = true;
	buf_clear(&status);
}

static void
report_durable(struct qmgr *q, struct entry *report)
{
	struct pending *p;
	struct entry *e;
	size_t cursor = 0;
	uint32_t i, from = 0;
	struct buf b = BUF_INIT(RECORD_BODY_BYTES);

	while ((p = idmap_next(&q->reports, &cursor)) != NULL)
		if (p->report_id == report->id)
			break;
	if (p == NULL)
		return;
	e = p->e;
	log_info("id=%s event=reported report=%s to=%s", id_text(e->id),
	    id_text(report->id), LOG_Q(e->senders[p->sender]));
	apply_report(p, true);
	status_pack(&b, e, is_reporting, &from);	/* counts seq up */
	if (e->has_file || e->migrating) {
		store_append(q->store, e->id, e->file_end, REC_STATUS,
		    buf_slice(&b), e->next_ms);
		e->file_end += store_append_bytes(b.n);
	}
	for (i = 0; i < e->nrcpts; i++)
		e->rcpts[i].flags &= (uint8_t)~RCPT_REPORTING;
	e->report_failures = 0;
	buf_clear(&b);
	pending_over(q, p);
}

static void
pending_over(struct qmgr *q, struct pending *p)
{
	struct entry *e = p->e;

	idmap_remove(&q->reports, p->id);
	free(p);
	e->reporting = false;
	if (e->hold || e->release)
		entry_set_held(q, e, e->hold, SLICE_LIT("by request"));
	e->hold = e->release = false;
	entry_unpin(q, &e);
}

static void
give_up(struct qmgr *q, struct pending *p)
{
	struct entry *e = p->e;
	uint32_t i;

	for (i = 0; i < e->nrcpts; i++)
		e->rcpts[i].flags &= (uint8_t)~RCPT_REPORTING;
	e->reporting = false;
	if (++e->report_failures >= REPORT_FAILURES) {
		log_error("id=%s event=set-aside why=\"no report about it can "
		    "be written\"", id_text(e->id));
		entry_set_held(q, e, true,
		    SLICE_LIT("no report about it can be written"));
	}
	pending_over(q, p);
}

static void
failed_came(struct qmgr *q, struct channel *c, struct message *m)
{
	struct pending *p = idmap_find(&q->reports, m->id);
	struct slice why = get_slice(&m->body, 1024);

	if (!wire_done(&m->body)) {
		channel_breach(c, "failed");
		return;
	}
	if (p == NULL || p->written)
		return;
	log_error("id=%s event=report-failed why=%s", id_text(p->e->id),
	    LOG_Q(why));
	give_up(q, p);
}

static void
bounce_is_down(void *arg, struct channel *c)
{
	struct qmgr *q = arg;
	struct pending **v = NULL, *p;
	size_t n = 0, i, cursor = 0;

	if (q->bounce != c)
		return;
	q->bounce = NULL;
	while ((p = idmap_next(&q->reports, &cursor)) != NULL)
		if (!p->written) {
			v = mem_regrow(v, n + 1, sizeof(struct pending *));
			v[n++] = p;
		}
	for (i = 0; i < n; i++)
		give_up(q, v[i]);
	free(v);
}

/* Messages whose report waits are WAITING for a minute at most; those with
 * an entry in memory need not wait that long. */
void
report_up(struct qmgr *q)
{
	struct slot **v = NULL, *s;
	size_t n = 0, i, cursor = 0;

	while ((s = idmap_next(&q->queue.slots, &cursor)) != NULL)
		if (s->state == SLOT_WAITING && s->entry != NULL &&
		    s->entry->owing > 0) {
			v = mem_regrow(v, n + 1, sizeof(struct slot *));
			v[n++] = s;
		}
	for (i = 0; i < n; i++)
		slot_wake(q, v[i]);
	free(v);
}

void
reports_clear(struct qmgr *q)
{
	struct pending *p;
	size_t cursor = 0;

	while ((p = idmap_next(&q->reports, &cursor)) != NULL)
		free(p);
	idmap_clear(&q->reports);
}
