/* SPDX-License-Identifier: ISC */
/* show - a message for the operator's eyes: see control.h. */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "control.h"
#include "mail/header.h"

#define ENTRY_BYTES	50000	/* of a TL_ENTRY */

static void	 show_extras(struct client *, const struct envelope_extras *);
static void	 show_content(struct client *, struct entry *);

void
show_listed(struct client *c, const struct entry *e, int64_t kept_until)
{
	struct queue_entry qe = {
		.id = e->id,
		.state = kept_until > 0 ? QUEUE_DELETED : shown_state(e->slot),
		.size = entry_size(e),
		.arrived_ms = e->env.arrived_ms,
		.next_attempt_ms = kept_until > 0 ? kept_until :
		    e->slot->state != SLOT_WAITING ? 0 :
		    e->slot->wake ? e->slot->due.when : e->next_ms,
		.release_ms = e->env.extras.hold_ms,
		.login = e->env.extras.login,
		.attempts = e->slot->attempts,
		.reverse_path = e->env.reverse_path,
		.client = e->env.client,
	};
	struct queue_entry_recipient *v;
	struct buf *b;
	size_t bytes = 0;
	uint32_t i;

	v = mem_array(QUEUE_ENTRY_RECIPIENTS, sizeof(*v));
	for (i = 0; i < e->nrcpts; i++) {
		const struct rcpt *r = &e->rcpts[i];

		if (r->state == RCPT_DONE)
			continue;
		if (qe.nrecipients == QUEUE_ENTRY_RECIPIENTS ||
		    bytes > ENTRY_BYTES) {
			qe.more++;
			continue;
		}
		v[qe.nrecipients].address = r->address;
		v[qe.nrecipients].next_hop = rcpt_next_hop(r);
		v[qe.nrecipients].rerouted = r->reroute.n > 0;
		v[qe.nrecipients].final = r->state == RCPT_OWING;
		rcpt_outcome(r, &v[qe.nrecipients].outcome);
		bytes += r->address.n + r->next_hop.n + r->noutcome + 32;
		qe.nrecipients++;
	}
	qe.recipients = v;
	b = channel_begin(c->channel, TL_ENTRY, c->r.id);
	if (b != NULL && queue_entry_pack(b, &qe) == -1)
		log_fatal("id=%s event=entry-too-long", id_text(e->id));
	channel_end(c->channel);
	free(v);
}

/* What extensions asked for. */
static void
show_extras(struct client *c, const struct envelope_extras *x)
{
	if (x->login.n > 0)
		request_say(c, "login: %s", LOG_Q(x->login));
	if (x->auth.n > 0)
		request_say(c, "auth: %s", LOG_Q(x->auth));
	if (x->hold_ms > 0)
		request_say(c, "release: %s", date_text_3339(x->hold_ms).s);
	if (x->by_mode != BY_NONE)
		request_say(c, "deliver by: %s, or %s",
		    date_text_3339(x->by_ms).s,
		    x->by_mode == BY_RETURN ? "return it" : "say so");
	if (x->priority != 0)
		request_say(c, "priority: %d", x->priority);
}

void
show_whole(struct client *c, struct entry *e)
{
	const struct rcpt *r;
	uint32_t i;

	request_say(c, "id: %s", id_text(e->id));
	request_say(c, "from: <%.*s>", SLICE_ARG(e->env.reverse_path));
	request_say(c, "client: %.*s (%.*s) by %.*s", SLICE_ARG(e->env.client),
	    SLICE_ARG(e->env.helo), SLICE_ARG(e->env.protocol));
	if (e->env.envid.n > 0)
		request_say(c, "envid: %s", LOG_Q(e->env.envid));
	if (e->report_of != 0)
		request_say(c, "report on: %s", id_text(e->report_of));
	show_extras(c, &e->env.extras);
	if (e->held)
		request_say(c, "held: %.*s", SLICE_ARG(e->why_held));
	for (i = 0; i < e->nrcpts && i < QUEUE_ENTRY_RECIPIENTS; i++) {
		r = &e->rcpts[i];
		request_say(c, "%s: <%.*s>%s%.*s%s",
		    r->state == RCPT_DONE ? "done" :
		    r->state == RCPT_OWING ? "to be reported" : "open",
		    SLICE_ARG(r->address), r->parent == NO_PARENT ? "" :
		    " from <", SLICE_ARG(r->parent == NO_PARENT ? SLICE_EMPTY :
		    e->rcpts[r->parent].address),
		    r->parent == NO_PARENT ? "" : ">");
	}
	request_say(c, "%s", "");
	if (c->may_change)
		show_content(c, e);
	else
		request_say(c, "(the content is shown to root and to who runs "
		    "the mail system)");
}

/* As much of a large message as the channel may hold. */
static void
show_content(struct client *c, struct entry *e)
{
	struct content *content;
	char *bytes;
	uint32_t crc = 0;
	uint64_t at, n;
	int fd;

	if (e->content != NULL)
		request_send(c, slice_of(e->content->bytes, e->content->n));
	else if (e->q != NULL && (content = entry_content(c->q, e)) != NULL) {
		request_send(c, slice_of(content->bytes, content->n));
		content_release(&c->q->queue, &content);
	}
	if (!(e->flags & ENTRY_LARGE))
		return;
	fd = store_large_open(c->q->store, e->id, e->large_n);
	bytes = mem_realloc(NULL, DATA_BYTES);
	for (at = 0; fd != -1 && at < e->large_n &&
	    !channel_is_busy(c->channel); at += n) {
		n = e->large_n - at < DATA_BYTES ? e->large_n - at :
		    DATA_BYTES;
		if (fs_read_exactly(fs, fd, bytes, (size_t)n, (off_t)at) == -1)
			break;
		request_send(c, slice_of(bytes, (size_t)n));
		crc = crc32c(crc, slice_of(bytes, (size_t)n));
	}
	if (fd == -1 || at < e->large_n)
		request_say(c, "(%llu more bytes)",
		    (unsigned long long)(e->large_n - (fd == -1 ? 0 : at)));
	else if (e->large_crc != 0 && crc != e->large_crc)
		request_say(c, "(the content is damaged)");
	free(bytes);
	if (fd != -1)
		fs->close(fd);
}
