/* SPDX-License-Identifier: ISC */
/*
 * submit - see submit.h.
 *
 * Q1: content_accept(), which says 250, is called for QUEUED and for nothing
 * else.
 *
 * RFC 1047: a client that gave up while it waited sends the message again, so
 * one that is seen to be gone has its message aborted: before SUBMIT, and
 * after it as long as qmgr has not made it durable.
 */
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "content.h"
#include "ipc/counters.h"
#include "ipc/smtpd_qmgr.h"
#include "session.h"
#include "submission.h"
#include "submit.h"
#include "trace.h"
#include "verbs.h"

#define HALF_CLOSED_MS	5000		/* see submit_client_listens() */
#define IDS_LOW		1536	/* another block is asked for */

static bool	 take_id(struct smtpd *, uint64_t *);
static void	 ask_for_ids(struct smtpd *);
static void	 ids_granted(struct smtpd *, struct message *);
static bool	 name_is_awaited(const struct session *);
static bool	 renew_id(struct session *);
static void	 send_message(struct session *);
static void	 pack_envelope(const struct session *, struct buf *);
static void	 enlist(struct session *);
static void	 delist(struct session *);
static struct session *find(struct smtpd *, uint64_t);
static void	 message(void *, struct channel *, struct message *);
static void	 paused(struct smtpd *, struct message *);
static void	 spool_came(struct smtpd *, struct message *);
static void	 queued(struct smtpd *, struct message *);
static void	 refused(struct smtpd *, struct message *);
static void	 down(void *, struct channel *);
static void	 fail_waiting(struct session *);
static void	 relaxed(void *, struct channel *);

const struct message_rule smtpd_qmgr_rules[] = RULES_OF(SMTPD_QMGR);
const struct channel_ops smtpd_qmgr_ops = { message, down, relaxed };

static const char unavailable[] =
    "4.3.0 The queue is not available, try again later";

/* ---- queue ids ------------------------------------------------------- */

bool
submit_take_id(struct session *s)
{
	struct tx *tx = s->tx;

	tx->epoch = s->d->epoch;
	if (take_id(s->d, &tx->id))
		return true;
	session_enter(s, S_ID_ASKED);
	TAILQ_INSERT_TAIL(&s->d->want_id, s, waiting);
	return false;
}

static bool
take_id(struct smtpd *d, uint64_t *id_r)
{
	struct id_block *b = &d->blocks[0];

	if (d->nblocks == 0)
		return false;
	*id_r = b->next++;
	if (b->next == b->end) {
		d->nblocks--;
		memmove(b, b + 1, d->nblocks * sizeof(*b));
	}
	ask_for_ids(d);
	return true;
}

static void
ask_for_ids(struct smtpd *d)
{
	uint64_t left = (uint64_t)d->blocks_asked * QUEUE_ID_BLOCK;
	unsigned i;

	for (i = 0; i < d->nblocks; i++)
		left += d->blocks[i].end - d->blocks[i].next;
	while (left < IDS_LOW && d->qmgr != NULL) {
		channel_send(d->qmgr, SQ_IDS_ASK, 0, SLICE_EMPTY);
		d->blocks_asked++;
		left += QUEUE_ID_BLOCK;
	}
}

static void
ids_granted(struct smtpd *d, struct message *m)
{
	uint64_t first = get_u64(&m->body);
	struct session *s;

	if (d->blocks_asked == 0 || d->nblocks == QUEUE_ID_BLOCKS ||
	    first == 0 || first > UINT64_MAX - QUEUE_ID_BLOCK) {
		channel_breach(d->qmgr, "ids");
		return;
	}
	d->blocks_asked--;
	d->blocks[d->nblocks++] = (struct id_block){ first,
		first + QUEUE_ID_BLOCK };
	while ((s = TAILQ_FIRST(&d->want_id)) != NULL &&
	    take_id(d, &s->tx->id)) {
		TAILQ_REMOVE(&d->want_id, s, waiting);
		mail_begun(s);
		session_resume(s);
	}
}

/* ---- sending --------------------------------------------------------- */

void
submit_ask_spool(struct session *s)
{
	struct tx *tx = s->tx;
	struct buf *b;

	if (s->d->qmgr == NULL || !renew_id(s)) {
		content_fail(s, 451, unavailable);
		return;
	}
	tx->spool = SPOOL_ASKED;
	enlist(s);
	b = channel_begin(s->d->qmgr, SQ_SPOOL_ASK, tx->id);
	if (b != NULL)
		put_u64(b, tx->declared);
	channel_end(s->d->qmgr);
}

void
submit_go_on(struct session *s)
{
	if (s->state != S_COMPLETE)
		session_enter(s, S_COMPLETE);
	if (s->d->qmgr == NULL || !renew_id(s)) {
		content_refuse(s, 451, unavailable);
	} else if (name_is_awaited(s)) {
		session_enter(s, S_NAME_ASKED);
	} else if (stream_input(&s->stream).n == 0 &&
	    stream_peer_is_gone(&s->stream) &&
	    (!submit_client_listens(s) || stream_peer_is_reset(&s->stream))) {
		session_cut(s, "gone");
	} else if (channel_is_busy(s->d->qmgr)) {
		session_enter(s, S_SUBMIT_HELD);
		TAILQ_INSERT_TAIL(&s->d->want_submit, s, waiting);
	} else if (s->tx->spool == SPOOL_OPEN && !content_flush(s)) {
		content_refuse(s, s->tx->fault, s->tx->fault_words);
	} else {
		s->tx->submitted_us = clock_mono_us();
		send_message(s);
		session_enter(s, S_SUBMITTED);
	}
}

bool
submit_client_listens(const struct session *s)
{
	return (s->state & (S_COMPLETE | S_NAME_ASKED | S_SUBMIT_HELD |
	    S_SUBMITTED)) != 0 &&
	    clock_mono_ms() < s->tx->complete_ms + HALF_CLOSED_MS;
}

static bool
name_is_awaited(const struct session *s)
{
	return s->ptr_query != NULL &&
	    clock_mono_ms() < s->connected_ms + NAME_WAIT_MS;
}

/* The id was granted on a channel that is gone, and nothing was sent under it:
 * another does as well. */
static bool
renew_id(struct session *s)
{
	struct tx *tx = s->tx;

	if (tx->epoch == s->d->epoch)
		return true;
	if (!take_id(s->d, &tx->id))
		return false;
	tx->epoch = s->d->epoch;
	return true;
}

static void
send_message(struct session *s)
{
	static struct buf envelope = BUF_INIT(ENVELOPE_BYTES +
	    ENVELOPE_FIXED_BYTES), prefix = BUF_INIT(TRACE_BYTES);
	struct tx *tx = s->tx;
	struct channel *c = s->d->qmgr;
	bool file = tx->spool == SPOOL_OPEN;
	struct buf *b;

	buf_reset(&envelope);
	buf_reset(&prefix);
	pack_envelope(s, &envelope);
	trace_write(s, clock_wall_ms(), &prefix);
	b = channel_begin(c, file ? SQ_SUBMIT_SPOOLED : SQ_SUBMIT, tx->id);
	if (b != NULL) {
		put_slice(b, buf_slice(&envelope));
		put_u32(b, (uint32_t)(prefix.n + tx->content.n));
		buf_add(b, buf_slice(&prefix));
		buf_add(b, buf_slice(&tx->content));
		if (file) {
			put_u64(b, tx->spooled);
			put_u32(b, tx->spooled_crc);
		}
	}
	channel_end(c);
	enlist(s);
	s->d->content_bytes -= tx->content.n;
	buf_clear(&tx->content);
	if (tx->spool_fd != -1)
		close(tx->spool_fd);
	tx->spool_fd = -1;
}

static void
pack_envelope(const struct session *s, struct buf *b)
{
	const struct tx *tx = s->tx;
	struct envelope e = {
		.reverse_path = tx->reverse_path,
		.envid = tx->envid,
		.ret = tx->ret,
		.body = tx->body,
		.smtputf8 = tx->smtputf8,
		.arrived_ms = clock_wall_ms(),
		.client = slice_str(s->client.peer.text),
		.helo = s->helo != NULL ? slice_str(s->helo) : SLICE_EMPTY,
		.protocol = slice_str(trace_protocol(s)),
		.extras = tx->extras,
		.recipients = tx->recipients,
		.nrecipients = tx->nrecipients,
	};

	envelope_pack(b, &e);
}

/* ---- who waits for what ---------------------------------------------- */

static void
enlist(struct session *s)
{
	struct session **bucket = &s->d->in_qmgr[s->tx->id % IN_QMGR_BUCKETS];

	if (s->tx->in_qmgr)
		return;
	s->tx->in_qmgr = true;
	s->next_in_qmgr = *bucket;
	*bucket = s;
}

static void
delist(struct session *s)
{
	struct session **at = &s->d->in_qmgr[s->tx->id % IN_QMGR_BUCKETS];

	if (!s->tx->in_qmgr)
		return;
	for (; *at != s; at = &(*at)->next_in_qmgr)
		;
	*at = s->next_in_qmgr;
	s->next_in_qmgr = NULL;
	s->tx->in_qmgr = false;
}

static struct session *
find(struct smtpd *d, uint64_t id)
{
	struct session *s = d->in_qmgr[id % IN_QMGR_BUCKETS];

	while (s != NULL && s->tx->id != id)
		s = s->next_in_qmgr;
	return s;
}

void
submit_abort(struct session *s)
{
	if (s->tx == NULL || !s->tx->in_qmgr)
		return;
	delist(s);
	if (s->d->qmgr != NULL)
		channel_send(s->d->qmgr, SQ_ABORT, s->tx->id, SLICE_EMPTY);
}

void
submit_forget(struct session *s)
{
	/* Its content was complete: somebody may ask where it went. */
	if (s->state & (S_COMPLETE | S_NAME_ASKED | S_SUBMIT_HELD |
	    S_SUBMITTED))
		log_info("id=%s event=aborted client=%s reason=client-gone",
		    queue_id_text(s->tx->id).s, s->client.peer.text);
	if (s->state == S_ID_ASKED)
		TAILQ_REMOVE(&s->d->want_id, s, waiting);
	else if (s->state == S_SUBMIT_HELD)
		TAILQ_REMOVE(&s->d->want_submit, s, waiting);
	submit_abort(s);
}

/* ---- qmgr ------------------------------------------------------------ */

void
submit_qmgr_up(struct smtpd *d, struct channel *c)
{
	d->qmgr = c;
	d->epoch++;
	d->nblocks = 0;
	d->blocks_asked = 0;
	ask_for_ids(d);
}

static void
message(void *arg, struct channel *c, struct message *m)
{
	(void)c;
	switch (m->type) {
	case SQ_IDS:
		ids_granted(arg, m);
		break;
	case SQ_SPOOL:
		spool_came(arg, m);
		break;
	case SQ_QUEUED:
		queued(arg, m);
		break;
	case SQ_LIMIT:
		submission_limit(arg, m);
		break;
	case SQ_REFUSED:
		refused(arg, m);
		break;
	case SQ_PAUSED:
		paused(arg, m);
		break;
	default:
		break;	/* the rules let nothing else through */
	}
}

static void
paused(struct smtpd *d, struct message *m)
{
	struct slice inbound = get_text(&m->body, PAUSED_BYTES - 1);
	struct slice submission = get_text(&m->body, PAUSED_BYTES - 1);

	if (!wire_done(&m->body)) {
		channel_breach(d->qmgr, "paused");
		return;
	}
	snprintf(d->paused_inbound, PAUSED_BYTES, "%.*s", SLICE_ARG(inbound));
	snprintf(d->paused_submission, PAUSED_BYTES, "%.*s",
	    SLICE_ARG(submission));
}

static void
spool_came(struct smtpd *d, struct message *m)
{
	struct session *s = find(d, m->id);

	if (s == NULL || s->tx->spool != SPOOL_ASKED)
		return;
	content_spool_open(s, m->fds[0]);
	m->fds[0] = -1;
}

static void
queued(struct smtpd *d, struct message *m)
{
	struct session *s = find(d, m->id);
	const struct tx *tx;
	int64_t now_us = clock_mono_us();
	unsigned receive_ms, commit_ms;

	if (s == NULL || s->state != S_SUBMITTED)
		return;
	delist(s);
	tx = s->tx;
	receive_ms = (unsigned)((tx->submitted_us - tx->begun_us) / 1000);
	commit_ms = (unsigned)((now_us - tx->submitted_us) / 1000);
	s->accepted++;
	count(SMTP_MESSAGES);
	count_add(SMTP_BYTES, tx->scan.bytes);
	count_time(SMTP_COMMIT, now_us - tx->submitted_us);
	session_count_message(s);
	log_info("id=%s event=accepted from=%s nrcpt=%zu size=%ju client=%s%s%s "
	    "helo=%s proto=%s receive=%u.%03u commit=%u.%03u msgid=%s",
	    queue_id_text(tx->id).s,
	    LOG_Q(tx->reverse_path), tx->nrecipients,
	    (uintmax_t)tx->scan.bytes, s->client.peer.text,
	    s->login != NULL ? " login=" : "",
	    s->login != NULL ? LOG_Q(slice_str(s->login)) : "",
	    s->helo != NULL ? LOG_Q(slice_str(s->helo)) : "-",
	    trace_protocol(s), receive_ms / 1000, receive_ms % 1000,
	    commit_ms / 1000, commit_ms % 1000,
	    tx->msgid[0] != '\0' ? LOG_Q(slice_str(tx->msgid)) : "-");
	content_accept(s);
	session_resume(s);
}

static void
refused(struct smtpd *d, struct message *m)
{
	uint16_t code = get_u16(&m->body);
	struct slice words = get_slice(&m->body, 1024);
	struct session *s = find(d, m->id);
	char copy[WORDS_BYTES];
	size_t n = words.n < sizeof(copy) ? words.n : sizeof(copy) - 1;

	if (!wire_done(&m->body) || code < 400 || code > 599) {
		channel_breach(d->qmgr, "refused");
		return;
	}
	if (s == NULL)
		return;
	memcpy(copy, words.p, n);
	copy[n] = '\0';
	delist(s);
	if (s->state == S_SUBMITTED) {
		content_refuse(s, code, copy);
		session_resume(s);
	} else
		content_spool_refused(s, code, copy);
}

static void
down(void *arg, struct channel *c)
{
	struct smtpd *d = arg;
	struct session *s;
	size_t i;

	(void)c;
	d->qmgr = NULL;
	for (i = 0; i < IN_QMGR_BUCKETS; i++)
		while ((s = d->in_qmgr[i]) != NULL) {
			delist(s);
			fail_waiting(s);
		}
	submission_qmgr_down(d);
	while ((s = TAILQ_FIRST(&d->want_id)) != NULL) {
		TAILQ_REMOVE(&d->want_id, s, waiting);
		session_refuse(s, 451, "%s", unavailable);
		session_ready(s);
		session_resume(s);
	}
	while ((s = TAILQ_FIRST(&d->want_submit)) != NULL) {
		TAILQ_REMOVE(&d->want_submit, s, waiting);
		submit_go_on(s);	/* to its refusal */
		session_resume(s);
	}
}

/* Whether the message is in the queue is not known: the client comes again. */
static void
fail_waiting(struct session *s)
{
	if (s->state == S_SUBMITTED) {
		content_refuse(s, 451, unavailable);
		session_resume(s);
	} else
		content_spool_refused(s, 451, unavailable);
}

static void
relaxed(void *arg, struct channel *c)
{
	struct smtpd *d = arg;
	struct session *s;

	while (!channel_is_busy(c) &&
	    (s = TAILQ_FIRST(&d->want_submit)) != NULL) {
		TAILQ_REMOVE(&d->want_submit, s, waiting);
		submit_go_on(s);
		session_resume(s);
	}
}
