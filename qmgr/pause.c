/* SPDX-License-Identifier: ISC */
/*
 * pause - what operators have stopped for a while: deliveries to a next hop, to
 * all other hosts, into mailboxes; new mail from others, or of our own users.
 *
 * The messages of a paused next hop sleep until it is resumed; none is given up
 * before it has been tried once after that (slot.spared), their senders are
 * warned of the delay as ever.  New mail gets 450 at MAIL from smtpd, which is
 * told (SQ_PAUSED) when its channel comes up and at each change.
 *
 * The file, little-endian, replaced whole and synced before the tool is
 * answered:
 *
 *	8 "CHASQP1\n"   u32 CRC-32C of what follows   u32 count
 *	each: struct pause, packed (ipc/queue_tool.h)
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sysexits.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "control.h"
#include "mail/header.h"
#include "notes.h"

#define PAUSES		500

struct paused {
	TAILQ_ENTRY(paused) link;
	struct pause	 p;
	char		*packed;	/* owned; p's slices are its */
};
TAILQ_HEAD(paused_list, paused);

struct pauses {
	struct paused_list list;
	unsigned	 n;
};

static const char magic[] = "CHASQP1\n";

static void	 paused_add(struct pauses *, const struct pause *);
static void	 paused_free(struct pauses *, struct paused *);
static struct paused *paused_find(const struct qmgr *, enum pause_kind,
		    struct slice next_hop);
static int	 save(struct qmgr *);
static void	 changed(struct qmgr *);

/* ---- the list ----------------------------------------------------------- */

void
pauses_init(struct qmgr *q)
{
	struct buf b = BUF_INIT(PAUSES_BYTES);
	struct pauses *ps = mem_alloc(sizeof(*ps));
	struct paused *x;

	q->pauses = ps;
	TAILQ_INIT(&ps->list);
	if (fs_read_file(fs, q->dir, PAUSES_FILE, &b, PAUSES_BYTES, NULL) ==
	    0) {
		if (!pauses_unpack(q, buf_slice(&b)))
			log_error("event=pauses-damaged file=" PAUSES_FILE
			    " advice=\"nothing is paused; pause it again\"");
	} else if (errno != ENOENT)
		log_error("event=pauses-unreadable error=%s",
		    LOG_Q(slice_str(strerror(errno))));
	TAILQ_FOREACH(x, &ps->list, link)
		log_warn("event=paused what=\"%s\" reason=%s",
		    pause_name(&x->p), LOG_Q(x->p.reason));
	buf_clear(&b);
}

static void
clear(struct pauses *ps)
{
	struct paused *x;

	while ((x = TAILQ_FIRST(&ps->list)) != NULL)
		paused_free(ps, x);
}

void
pauses_clear(struct qmgr *q)
{
	if (q->pauses != NULL)
		clear(q->pauses);
	free(q->pauses);
	q->pauses = NULL;
}

static void
paused_add(struct pauses *ps, const struct pause *p)
{
	struct paused *x = mem_alloc(sizeof(*x));
	struct buf b = BUF_INIT(4096);
	struct wire w;
	bool ok;

	pause_pack(&b, p);
	x->packed = b.p;
	w = wire_of(buf_slice(&b));
	ok = pause_unpack(&w, &x->p);
	assert(ok);
	TAILQ_INSERT_TAIL(&ps->list, x, link);
	ps->n++;
}

static void
paused_free(struct pauses *ps, struct paused *x)
{
	TAILQ_REMOVE(&ps->list, x, link);
	ps->n--;
	free(x->packed);
	free(x);
}

static struct paused *
paused_find(const struct qmgr *q, enum pause_kind kind, struct slice next_hop)
{
	struct paused *x;

	TAILQ_FOREACH(x, &q->pauses->list, link)
		if (x->p.kind == kind &&
		    slice_eq_nocase(x->p.next_hop, next_hop))
			return x;
	return NULL;
}

/* ---- the file ----------------------------------------------------------- */

bool
pauses_unpack(struct qmgr *q, struct slice s)
{
	struct slice body;
	struct wire w;
	struct pause p;
	uint32_t n;

	if (!notes_read(s, magic, &body))
		return false;
	w = wire_of(body);
	for (n = get_u32(&w); n > 0 && q->pauses->n < PAUSES &&
	    pause_unpack(&w, &p); n--)
		paused_add(q->pauses, &p);
	if (n == 0 && wire_done(&w))
		return true;
	clear(q->pauses);
	return false;
}

static int
save(struct qmgr *q)
{
	struct buf body = BUF_INIT(PAUSES_BYTES);
	struct paused *x;
	int r;

	put_u32(&body, q->pauses->n);
	TAILQ_FOREACH(x, &q->pauses->list, link)
		pause_pack(&body, &x->p);
	r = notes_write(q->dir, PAUSES_FILE, magic, buf_slice(&body));
	if (r == -1)
		log_error("event=pauses-not-written error=%s",
		    LOG_Q(slice_str(strerror(errno))));
	buf_clear(&body);
	return r;
}

/* ---- what it means ------------------------------------------------------ */

static bool
is_local(struct slice next_hop)
{
	return slice_starts(next_hop, SLICE_LIT("local:"));
}

static struct paused *
paused_for(const struct qmgr *q, bool local, struct slice next_hop)
{
	struct paused *x = paused_find(q, PAUSE_NEXT_HOP, next_hop);

	return x != NULL ? x : paused_find(q, local ? PAUSE_LOCAL :
	    PAUSE_OUTBOUND, SLICE_EMPTY);
}

bool
pause_stops(void *arg, const struct hop *h)
{
	return paused_for(arg, h->local, slice_str(h->name)) != NULL;
}

struct slice
pause_words(struct qmgr *q, const struct hop *h)
{
	static char text[PAUSE_REASON_BYTES + 80];
	const struct paused *x = paused_for(q, h->local, slice_str(h->name));
	struct slice reason = x == NULL ? SLICE_EMPTY : x->p.reason;

	snprintf(text, sizeof(text), "delivery is paused by the postmaster"
	    "%s%.*s", reason.n > 0 ? ": " : "", SLICE_ARG(reason));
	return slice_str(text);
}

bool
pause_keeps(const struct qmgr *q, const struct entry *e)
{
	const struct rcpt *r;
	struct slice hop;
	uint32_t i;

	if (q->pauses->n == 0)
		return false;
	for (i = 0; i < e->nrcpts; i++) {
		r = &e->rcpts[i];
		if (r->state == RCPT_DONE || r->state == RCPT_OWING)
			continue;
		hop = r->reroute.n > 0 ? r->reroute : r->next_hop;
		/* Where it goes is not known yet: routing says it. */
		if (hop.n == 0 || paused_for(q, is_local(hop), hop) != NULL)
			return true;
	}
	return false;
}

/* "" where it is accepted, at most what SQ_PAUSED may have. */
static void
put_refusal(struct qmgr *q, struct buf *b, enum pause_kind kind)
{
	const struct paused *x = paused_find(q, kind, SLICE_EMPTY);
	struct buf text = BUF_INIT(512);

	if (x != NULL)
		buf_printf(&text, "4.3.2 No new mail is accepted at present"
		    "%s%.*s, try again later", x->p.reason.n > 0 ? ": " : "",
		    SLICE_ARG(x->p.reason));
	put_slice(b, buf_slice(&text));
	buf_clear(&text);
}

void
pauses_tell(struct qmgr *q, struct channel *smtpd)
{
	struct buf *b = channel_begin(smtpd, SQ_PAUSED, 0);

	if (b != NULL) {
		put_refusal(q, b, PAUSE_INBOUND);
		put_refusal(q, b, PAUSE_SUBMISSION);
	}
	channel_end(smtpd);
}

static void
changed(struct qmgr *q)
{
	size_t i;

	qmgr_configure_sched(q);
	for (i = 0; i < QMGR_PEERS; i++)
		if (q->smtpds[i] != NULL)
			pauses_tell(q, q->smtpds[i]);
	qmgr_due_changed(q);
}

void
pauses_tick(struct qmgr *q)
{
	struct paused *x, *next;
	int64_t now = clock_wall_ms();
	bool any = false;

	TAILQ_FOREACH_SAFE(x, &q->pauses->list, link, next)
		if (x->p.until_ms != 0 && x->p.until_ms <= now) {
			log_info("event=resumed what=\"%s\" why=\"its time is "
			    "over\"", pause_name(&x->p));
			paused_free(q->pauses, x);
			any = true;
		}
	if (!any)
		return;
	(void)save(q);		/* a restart would see that it is over, too */
	changed(q);
}

void
pauses_status(const struct qmgr *q, struct buf *b)
{
	const struct paused *x;
	const char *between = " paused=\"";

	TAILQ_FOREACH(x, &q->pauses->list, link) {
		if (x->p.next_hop.n > 0 && slice_find(x->p.next_hop, '"') <
		    x->p.next_hop.n)
			continue;
		buf_printf(b, "%s%s", between, pause_name(&x->p));
		between = ", ";
	}
	if (between[0] == ',')
		buf_add_byte(b, '"');
}

/* ---- the tools ---------------------------------------------------------- */

static const char *
set(struct qmgr *q, const struct pause *p)
{
	struct paused *old = paused_find(q, p->kind, p->next_hop);

	if (old == NULL && q->pauses->n == PAUSES)
		return "too much is paused already";
	if (old != NULL)
		paused_free(q->pauses, old);
	paused_add(q->pauses, p);
	return NULL;
}

static const char *
unset(struct qmgr *q, const struct pause *p)
{
	struct paused *old = paused_find(q, p->kind, p->next_hop);

	if (old == NULL)
		return "that is not paused";
	paused_free(q->pauses, old);
	return NULL;
}

bool
pause_ask(struct client *c, struct message *m)
{
	struct qmgr *q = c->q;
	bool on = get_bool(&m->body);
	const char *why;
	struct pause p;

	if (!pause_unpack(&m->body, &p) || !wire_done(&m->body))
		return false;
	p.since_ms = clock_wall_ms();
	why = on ? set(q, &p) : unset(q, &p);
	if (why != NULL) {
		request_finish(c, EX_DATAERR, why);
		return true;
	}
	log_warn("event=%s what=\"%s\" uid=%u reason=%s", on ? "paused" :
	    "resumed", pause_name(&p), (unsigned)c->uid, LOG_Q(p.reason));
	changed(q);
	if (save(q) == -1)
		request_finish(c, EX_IOERR, "it is so until the next restart, "
		    "but the file `pauses` of the queue cannot be written");
	else
		request_finish(c, EX_OK, "");
	return true;
}

static void
describe(const struct pause *p, struct buf *b)
{
	buf_printf(b, "%s since %s", pause_name(p),
	    date_text_3339(p->since_ms).s);
	if (p->until_ms != 0)
		buf_printf(b, " until %s", date_text_3339(p->until_ms).s);
	if (p->reason.n > 0)
		buf_printf(b, ": %.*s", SLICE_ARG(p->reason));
}

bool
pause_list(struct client *c, struct message *m)
{
	struct buf b = BUF_INIT(2048);
	struct paused *x;

	(void)m;
	TAILQ_FOREACH(x, &c->q->pauses->list, link) {
		buf_reset(&b);
		describe(&x->p, &b);
		request_say(c, "%.*s", SLICE_ARG(buf_slice(&b)));
	}
	buf_clear(&b);
	request_finish(c, EX_OK, "");
	return true;
}

void
pause_note(struct client *c)
{
	struct buf b = BUF_INIT(2048);
	struct paused *x;

	TAILQ_FOREACH(x, &c->q->pauses->list, link) {
		buf_reset(&b);
		buf_add_str(&b, "paused: ");
		describe(&x->p, &b);
		channel_send(c->channel, TL_NOTE, c->r.id,
		    slice_first(buf_slice(&b), b.n < 1024 ? b.n : 1024));
	}
	buf_clear(&b);
}
