/* SPDX-License-Identifier: ISC */
/* attempt - see attempt.h. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "attempt.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "compose.h"
#include "conn.h"
#include "mail/downgrade.h"
#include "mail/header.h"
#include "site.h"

#define RESULT_BYTES	(200 * 1024)	/* of one DL_RESULT */

static struct attempt *attempt_new(struct relay *, struct message *);
static void	 find_connection(struct attempt *);
static void	 seek(void *);
static void	 ask_for_socket(struct attempt *);
static void	 exhausted(struct attempt *);
static void	 remember(struct attempt *, const struct outcome *);
static void	 reopen_recipients(struct attempt *);
static void	 set_slot(struct attempt *, bool);
static struct slice header_of(struct attempt *);
static int	 convert_to(struct attempt *, enum body_type,
		    struct outcome *);
static size_t	 alike(const struct attempt *, size_t);
static void	 say_secured(const struct attempt *, size_t, struct slice *);
static void	 report(struct attempt *);
static void	 attempt_free(struct attempt *);

/* ---- the beginning ------------------------------------------------------ */

void
attempt_begin(struct relay *r, struct channel *c, struct message *m)
{
	struct attempt *a;

	if (r->stopping) {
		channel_send(c, DL_FULL, m->id, SLICE_EMPTY);
		return;
	}
	a = attempt_new(r, m);
	if (a == NULL) {
		channel_breach(c, "job");
		return;
	}
	a->site = site_get(r, a->job.recipients[0].to.next_hop);
	if (a->site == NULL)
		attempt_give_up(a, &(struct outcome){
		    .status = OUTCOME_FAILED, .enhanced = { 5, 3, 5 },
		    .text = SLICE_LIT("the configured next hop is none") });
	else
		find_connection(a);
}

static struct attempt *
attempt_new(struct relay *r, struct message *m)
{
	struct attempt *a = mem_alloc(sizeof(*a));
	struct wire w;

	LIST_INSERT_HEAD(&r->attempts, a, entry);
	a->relay = r;
	a->id = m->id;
	a->fd = -1;
	a->arena = ARENA_INIT(ATTEMPT_ARENA_BYTES);
	a->waiter.fn = seek;
	a->waiter.arg = a;
	a->body = mem_slicedup(m->body.rest);
	w = wire_of(slice_of(a->body, m->body.rest.n));
	if (!job_unpack(&w, &a->arena, &a->job) || !wire_done(&w)) {
		attempt_free(a);
		return NULL;
	}
	if (m->type == DL_JOB_FILE) {
		a->fd = m->fds[0];
		m->fds[0] = -1;
	}
	a->undecided = a->job.nrecipients;
	/* Room for this is a part of the arena's limit. */
	a->recipients = arena_alloc(&a->arena,
	    a->undecided * sizeof(*a->recipients));
	a->body_type = a->job.body;
	a->content = (struct content){ a->job.content, a->fd, a->job.offset,
		a->job.size, a->job.crc, 0 };
	a->needs_utf8 = job_needs_utf8(&a->job, header_of(a));
	return a;
}

/* Only what SMTPUTF8 needs is looked at, so the front is enough: a header
 * section that is longer than a piece counts by its beginning. */
static struct slice
header_of(struct attempt *a)
{
	struct slice front;

	if (!a->job.smtputf8 || content_read(&a->content, 0, &front) == -1)
		return SLICE_EMPTY;
	return slice_first(front, header_bytes(front));
}

static void
find_connection(struct attempt *a)
{
	struct conn *c = TAILQ_LAST(&a->site->idle, conn_queue);

	if (c != NULL) {
		conn_run(c, a);
		return;
	}
	if (!relay_make_room(a->relay)) {
		channel_send(a->relay->qmgr, DL_FULL, a->id, SLICE_EMPTY);
		attempt_free(a);
		return;
	}
	set_slot(a, true);
	a->plan = plan_ref(site_plan(a->site));
	seek(a);
}

/* Tries addresses until one is being connected to. */
static void
seek(void *arg)
{
	struct attempt *a = arg;
	struct outcome why;
	struct target t;
	char text[CONN_TEXT_BYTES];

	if (a->site->hop.kind == HOP_SOCKET) {
		ask_for_socket(a);
		return;
	}
	for (;;) {
		if (a->tries >= TRIES) {
			exhausted(a);
			return;
		}
		switch (plan_next(a->plan, &a->cursor, &t, &a->waiter)) {
		case PLAN_WAIT:
			return;
		case PLAN_NONE:
			exhausted(a);
			return;
		case PLAN_TARGET:
			break;
		}
		/* The slot becomes the connection's. */
		set_slot(a, false);
		if (conn_open(a->relay, a->site, &t, a) == 0)
			return;
		set_slot(a, true);
		why = (struct outcome){ .status = OUTCOME_DEFERRED,
			.enhanced = { 4, 4, 1 },
			.site = !conn_error_is_ours(errno) };
		conn_failure_text(&t, "connect", strerror(errno), text,
		    sizeof(text));
		why.text = slice_str(text);
		remember(a, &why);
	}
}

/* There is one address, and it is tried once. */
static void
ask_for_socket(struct attempt *a)
{
	struct relay *r = a->relay;

	if (a->tries > 0) {
		exhausted(a);
		return;
	}
	a->socket_id = ++r->last_socket_id;
	r->ask_socket(r->ask_socket_arg, a->socket_id, a->site->hop.host);
}

void
attempt_got_socket(struct attempt *a, int fd_take)
{
	a->socket_id = 0;
	set_slot(a, false);
	conn_adopt(a->relay, a->site, fd_take, a);
}

void
attempt_no_socket(struct attempt *a, struct slice why)
{
	struct outcome o = { .status = OUTCOME_DEFERRED,
		.enhanced = { 4, 4, 1 }, .site = true };
	char text[CONN_TEXT_BYTES];

	a->socket_id = 0;
	snprintf(text, sizeof(text), "connect to %.*s: %.*s",
	    SLICE_ARG(a->site->hop.host), SLICE_ARG(why));
	o.text = slice_str(text);
	attempt_give_up(a, &o);
}

static void
exhausted(struct attempt *a)
{
	struct outcome o = a->last;

	if (o.status == 0 && !plan_error(a->plan, &o))
		o = (struct outcome){ .status = OUTCOME_DEFERRED,
			.enhanced = { 4, 4, 1 }, .site = true,
			.text = SLICE_LIT("no host of the next hop can be "
			    "reached") };
	attempt_give_up(a, &o);
}

/* ---- what a connection tells -------------------------------------------- */

void
attempt_try_next(struct attempt *a, const struct outcome *why)
{
	assert(why->status == OUTCOME_DEFERRED ||
	    why->status == OUTCOME_FAILED);
	a->conn = NULL;
	a->tries++;
	reopen_recipients(a);
	remember(a, why);
	set_slot(a, true);
	if (a->plan == NULL)
		a->plan = plan_ref(site_plan(a->site));
	seek(a);
}

void
attempt_try_again(struct attempt *a)
{
	a->conn = NULL;
	reopen_recipients(a);
	set_slot(a, true);
	plan_unref(&a->plan);
	a->plan = plan_ref(site_plan(a->site));
	a->cursor = (struct plan_cursor){ .host = 0 };
	seek(a);
}

void
attempt_try_in_clear(struct attempt *a, const struct outcome *why)
{
	a->tries++;
	remember(a, why);
	attempt_try_again(a);
}

void
attempt_give_up(struct attempt *a, const struct outcome *why)
{
	a->conn = NULL;
	reopen_recipients(a);
	attempt_decide_all(a, RCPT_TODO, why);
	attempt_finish(a);
}

/* A host that can never take the message counts only where each other host
 * says the same: one that is down now might take it. */
static void
remember(struct attempt *a, const struct outcome *why)
{
	if (a->last.status == OUTCOME_DEFERRED &&
	    why->status == OUTCOME_FAILED)
		return;
	a->last = *why;
	if (arena_copy(&a->arena, why->text, &a->last.text) == -1)
		a->last.text = SLICE_EMPTY;
	if (arena_copy(&a->arena, why->remote, &a->last.remote) == -1)
		a->last.remote = SLICE_EMPTY;
}

static void
reopen_recipients(struct attempt *a)
{
	size_t i;

	for (i = 0; i < a->job.nrecipients; i++) {
		a->recipients[i].may_be_taken_back = false;
		if (a->recipients[i].state != RCPT_DECIDED)
			a->recipients[i].state = RCPT_TODO;
	}
}

void
attempt_decide(struct attempt *a, size_t i, const struct outcome *o)
{
	struct attempt_recipient *r = &a->recipients[i];

	if (r->state == RCPT_DECIDED)
		return;
	r->state = RCPT_DECIDED;
	a->undecided--;
	r->outcome = *o;
	if (r->outcome.text.n > OUTCOME_TEXT_BYTES)
		r->outcome.text.n = OUTCOME_TEXT_BYTES;
	if (arena_copy(&a->arena, r->outcome.text, &r->outcome.text) == -1)
		r->outcome.text = SLICE_EMPTY;
	if (arena_copy(&a->arena, o->remote, &r->outcome.remote) == -1)
		r->outcome.remote = SLICE_EMPTY;
	if (a->conn == NULL || arena_copy(&a->arena,
	    slice_str(a->conn->secured), &r->outcome.secured) == -1)
		r->outcome.secured = SLICE_EMPTY;
}

void
attempt_take_back(struct attempt *a)
{
	size_t i;

	for (i = 0; i < a->job.nrecipients; i++) {
		if (!a->recipients[i].may_be_taken_back)
			continue;
		a->recipients[i].may_be_taken_back = false;
		a->recipients[i].state = RCPT_TODO;
		a->undecided++;
	}
}

void
attempt_decide_all(struct attempt *a, enum rcpt_state state,
    const struct outcome *o)
{
	size_t i;

	for (i = 0; i < a->job.nrecipients; i++)
		if (a->recipients[i].state == state)
			attempt_decide(a, i, o);
}

void
attempt_defer_rest(struct attempt *a, struct enhanced e, const char *text)
{
	struct outcome o = { .status = OUTCOME_DEFERRED, .enhanced = e,
		.text = slice_str(text) };

	if (a->conn != NULL)
		conn_abandon(a->conn);
	attempt_give_up(a, &o);
}

void
attempt_cancel(struct attempt *a)
{
	/* Once a host has a recipient and the content, it decides. */
	if (a->conn == NULL || a->conn->accepted == 0 ||
	    !conn_may_have_delivered(a->conn))
		attempt_defer_rest(a, (struct enhanced){ 4, 3, 0 },
		    "the attempt was cancelled");
}

/* ---- what is sent ------------------------------------------------------- */

int
attempt_convert(struct attempt *a, unsigned offers, struct outcome *o)
{
	enum body_type best = BODY_7BIT;

	if (offers & EHLO_8BITMIME)
		best = BODY_8BITMIME;
	if (offers & EHLO_BINARYMIME && offers & EHLO_CHUNKING &&
	    !a->site->no_chunking)
		best = BODY_BINARYMIME;
	if (a->converted.n > 0 && a->job.body <= best) {
		/* Made for another host; this one takes it as it is. */
		a->relay->converted -= a->converted.n;
		buf_clear(&a->converted);
		a->content = (struct content){ a->job.content, a->fd,
			a->job.offset, a->job.size, a->job.crc, 0 };
		a->body_type = a->job.body;
	}
	if (a->body_type <= best)
		return 0;
	return convert_to(a, best, o);
}

static int
convert_to(struct attempt *a, enum body_type to, struct outcome *o)
{
	uint64_t size = content_size(&a->content);
	struct buf whole = BUF_INIT(CONVERTED_BYTES);
	struct buf out = BUF_INIT(CONVERTED_BYTES);
	const char *why = "";
	enum downgrade how;
	int r = -1;

	*o = (struct outcome){ .status = OUTCOME_DEFERRED,
		.enhanced = { 4, 3, 1 }, .text = SLICE_LIT("no memory to "
		    "convert the message to 7-bit now") };
	if (size > CONVERTED_BYTES / 4 ||
	    a->relay->converted + 3 * size > CONVERTED_BYTES) {
		if (size > CONVERTED_BYTES / 4)
			*o = (struct outcome){ .status = OUTCOME_FAILED,
				.enhanced = { 5, 6, 3 }, .text = SLICE_LIT(
				    "the host takes 7-bit messages only, and "
				    "this one is too large to convert") };
		return -1;
	}
	if (content_read_all(&a->content, &whole) == -1) {
		o->damaged = errno == EBADMSG;
		goto done;
	}
	how = downgrade(buf_slice(&whole), to, &out, &why);
	if (how == DOWNGRADE_IMPOSSIBLE) {
		*o = (struct outcome){ .status = OUTCOME_FAILED,
			.enhanced = { 5, 6, 3 }, .text = slice_str(why) };
		goto done;
	}
	if (how == DOWNGRADE_DONE) {
		a->relay->converted += out.n;
		a->relay->converted -= a->converted.n;
		buf_clear(&a->converted);
		a->converted = out;
		buf_init(&out, 0);
		a->content = (struct content){ buf_slice(&a->converted), -1,
			0, 0, 0, 0 };
	}
	a->body_type = to;
	r = 0;
done:
	buf_clear(&whole);
	buf_clear(&out);
	return r;
}

/* ---- the end ------------------------------------------------------------ */

void
attempt_finish(struct attempt *a)
{
	struct relay *r = a->relay;

	report(a);
	attempt_free(a);
	relay_check_stopped(r);
}

void
attempt_drop(struct attempt *a)
{
	if (a->conn != NULL)
		conn_abandon(a->conn);
	attempt_free(a);
}

/* How many recipients from i on go into one message: those whose connections
 * were protected alike. */
static size_t
alike(const struct attempt *a, size_t i)
{
	const struct attempt_recipient *r = a->recipients;
	size_t n = 1;

	while (n < RESULT_BYTES / (OUTCOME_TEXT_BYTES + 700) &&
	    i + n < a->job.nrecipients &&
	    slice_eq(r[i + n].outcome.secured, r[i].outcome.secured))
		n++;
	return n;
}

static void
say_secured(const struct attempt *a, size_t i, struct slice *said)
{
	struct slice words = a->recipients[i].outcome.secured;
	struct buf *b;

	if (slice_eq(words, *said))
		return;
	b = channel_begin(a->relay->qmgr, DL_SECURED, a->id);
	if (b == NULL)
		return;
	put_slice(b, words);
	channel_end(a->relay->qmgr);
	*said = words;
}

static void
report(struct attempt *a)
{
	struct channel *c = a->relay->qmgr;
	struct slice said = SLICE_EMPTY;
	struct buf *b = NULL;
	size_t i, left = 0;

	for (i = 0; i < a->job.nrecipients; i++) {
		if (left == 0) {
			left = alike(a, i);
			say_secured(a, i, &said);
			b = channel_begin(c, DL_RESULT, a->id);
			if (b == NULL)
				return;
			put_u32(b, (uint32_t)left);
		}
		put_u32(b, a->job.recipients[i].number);
		outcome_pack(b, &a->recipients[i].outcome);
		if (--left == 0)
			channel_end(c);
	}
}

static void
attempt_free(struct attempt *a)
{
	LIST_REMOVE(a, entry);
	set_slot(a, false);
	plan_forget_waiter(&a->waiter);
	plan_unref(&a->plan);
	site_release(&a->site);
	if (a->fd != -1)
		close(a->fd);
	a->relay->converted -= a->converted.n;
	buf_clear(&a->converted);
	arena_clear(&a->arena);
	free(a->body);
	free(a);
}

static void
set_slot(struct attempt *a, bool has)
{
	if (has && !a->has_slot)
		a->relay->nconns++;
	else if (!has && a->has_slot)
		a->relay->nconns--;
	a->has_slot = has;
}
