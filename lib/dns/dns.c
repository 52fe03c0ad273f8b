/* SPDX-License-Identifier: ISC */
/*
 * dns - single questions; see dns.h.  mx.c, addresses.c and reverse.c are made
 * of them.
 *
 * Always: a question is in its slot until its callback runs or it is dropped.
 * Either it waits for resolver, and is then in the list from oldest to newest,
 * or its status is decided and its task is due.  The id on the channel is its
 * slot and a serial number, so an answer to a question that is gone finds
 * nobody.
 */
#include <assert.h>
#include <stdlib.h>

#include <idn2.h>

#include "base/clock.h"
#include "base/mem.h"
#include "dns/answer.h"
#include "dns/dns.h"
#include "dns/query.h"

struct dns_question {
	struct dns_query	 handle;	/* first: handles are cast */
	struct dns		*dns;
	enum dns_type		 type;
	uint32_t		 slot;
	uint32_t		 serial;
	bool			 waiting;
	int64_t			 asked_ms;
	struct dns_question	*older;
	struct dns_question	*newer;
	enum dns_status		 decided;
	struct ev_task		 task;
	void			(*fn)(void *, const struct dns_answer *);
	void			*arg;
};

static void	 take_slot(struct dns *, struct dns_question *);
static void	 send_question(struct dns_question *, struct slice name);
static void	 start_waiting(struct dns_question *);
static void	 stop_waiting(struct dns_question *);
static void	 decide(struct dns_question *, enum dns_status);
static void	 tell_decided(void *);
static void	 finish(struct dns_question *, const struct dns_answer *);
static void	 drop(struct dns_query *);
static void	 release(struct dns_question *);
static void	 guard_is_up(void *);

void
dns_init(struct dns *d, struct ev_loop *loop)
{
	memset(d, 0, sizeof(*d));
	d->loop = loop;
	ev_timer_init(&d->guard, loop, guard_is_up, d);
}

void
dns_clear(struct dns *d)
{
	assert(d->nopen == 0);
	ev_timer_clear(&d->guard);
	free(d->slots);
	memset(d, 0, sizeof(*d));
}

void
dns_up(struct dns *d, struct channel *c)
{
	d->channel = c;
}

void
dns_down(struct dns *d, struct channel *c)
{
	struct dns_question *q;

	if (d->channel != c)
		return;
	d->channel = NULL;
	while ((q = d->oldest) != NULL) {
		stop_waiting(q);
		decide(q, DNS_FAILED);
	}
}

struct dns_query *
dns_ask(struct dns *d, enum dns_type type, struct slice name,
    void (*fn)(void *, const struct dns_answer *), void *arg)
{
	struct dns_question *q = mem_alloc(sizeof(*q));
	char ascii[DNS_NAME_BYTES + 1];

	q->handle.drop = drop;
	q->dns = d;
	q->type = type;
	q->fn = fn;
	q->arg = arg;
	ev_task_init(&q->task, tell_decided, q);
	take_slot(d, q);
	if (dns_name_to_ascii(name, ascii, sizeof(ascii)) == -1)
		decide(q, DNS_INVALID);
	else if (q->slot == UINT32_MAX || d->channel == NULL)
		decide(q, DNS_FAILED);
	else
		send_question(q, slice_str(ascii));
	return &q->handle;
}

/* Slot UINT32_MAX: there are too many questions. */
static void
take_slot(struct dns *d, struct dns_question *q)
{
	uint32_t i;

	q->slot = UINT32_MAX;
	q->serial = ++d->serial;
	if (d->nopen == DNS_OPEN)
		return;
	if (d->nopen == d->nslots) {
		uint32_t n = d->nslots == 0 ? 64 : d->nslots * 2;

		d->slots = mem_regrow(d->slots, n, sizeof(*d->slots));
		for (i = d->nslots; i < n; i++)
			d->slots[i] = NULL;
		d->hint = d->nslots;
		d->nslots = n;
	}
	while (d->slots[d->hint] != NULL)
		d->hint = (d->hint + 1) % d->nslots;
	q->slot = d->hint;
	d->slots[q->slot] = q;
	d->nopen++;
}

int
dns_name_to_ascii(struct slice name, char *out, size_t size)
{
	char *utf8, *ascii;
	size_t i;
	int r;

	if (name.n > 0 && name.p[name.n - 1] == '.')
		name.n--;
	for (i = 0; i < name.n && (unsigned char)name.p[i] < 0x80; i++)
		;
	if (i == name.n) {
		if (!dns_is_host_name(name) || name.n >= size)
			return -1;
		memcpy(out, name.p, name.n);
		out[name.n] = '\0';
		return 0;
	}
	if (name.n > 4 * DNS_NAME_BYTES || memchr(name.p, 0, name.n) != NULL)
		return -1;
	utf8 = mem_slicedup(name);
	r = idn2_to_ascii_8z(utf8, &ascii,
	    IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	free(utf8);
	if (r != IDN2_OK)
		return -1;
	r = !dns_is_host_name(slice_str(ascii)) || strlen(ascii) >= size ?
	    -1 : 0;
	if (r == 0)
		memcpy(out, ascii, strlen(ascii) + 1);
	idn2_free(ascii);
	return r;
}

static void
send_question(struct dns_question *q, struct slice name)
{
	struct buf *b;

	b = channel_begin(q->dns->channel, DN_ASK,
	    (uint64_t)q->serial << 32 | q->slot);
	if (b == NULL) {
		decide(q, DNS_FAILED);
		return;
	}
	put_u16(b, (uint16_t)q->type);
	put_u8(b, 0);
	put_slice(b, name);
	channel_end(q->dns->channel);
	start_waiting(q);
}

/* ---- waiting ------------------------------------------------------------ */

static void
start_waiting(struct dns_question *q)
{
	struct dns *d = q->dns;

	q->waiting = true;
	q->asked_ms = clock_mono_ms();
	q->older = d->newest;
	if (d->newest != NULL)
		d->newest->newer = q;
	else {
		d->oldest = q;
		ev_timer_set(&d->guard, DNS_GUARD_MS);
	}
	d->newest = q;
}

static void
stop_waiting(struct dns_question *q)
{
	struct dns *d = q->dns;

	if (!q->waiting)
		return;
	q->waiting = false;
	if (q->older != NULL)
		q->older->newer = q->newer;
	else
		d->oldest = q->newer;
	if (q->newer != NULL)
		q->newer->older = q->older;
	else
		d->newest = q->older;
	q->older = q->newer = NULL;
	if (d->oldest == NULL)
		ev_timer_stop(&d->guard);
}

static void
guard_is_up(void *arg)
{
	struct dns *d = arg;
	struct dns_question *q;
	int64_t now = clock_mono_ms();

	while ((q = d->oldest) != NULL && now - q->asked_ms >= DNS_GUARD_MS) {
		stop_waiting(q);
		decide(q, DNS_FAILED);
	}
	if (q != NULL)
		ev_timer_set(&d->guard, q->asked_ms + DNS_GUARD_MS - now);
}

/* ---- answers ------------------------------------------------------------ */

void
dns_message(struct dns *d, struct channel *c, struct message *m)
{
	struct dns_record records[DNS_RECORDS];
	struct dns_question *q;
	struct dns_answer a;
	uint32_t slot = (uint32_t)(m->id & UINT32_MAX);

	if (c != d->channel || slot >= d->nslots)
		return;
	q = d->slots[slot];
	if (q == NULL || q->serial != m->id >> 32 || !q->waiting)
		return;
	if (m->type == DN_ANSWER &&
	    dns_answer_unpack(&m->body, q->type, &a, records))
		finish(q, &a);
	else
		channel_breach(c, "answer");	/* dns_down() answers q */
}

/* The callback comes at the end of the turn. */
static void
decide(struct dns_question *q, enum dns_status status)
{
	q->decided = status;
	ev_task_ask(q->dns->loop, &q->task);
}

static void
tell_decided(void *arg)
{
	struct dns_question *q = arg;
	struct dns_answer a = { .status = q->decided,
		.canonical = SLICE_EMPTY };

	finish(q, &a);
}

static void
finish(struct dns_question *q, const struct dns_answer *a)
{
	void (*fn)(void *, const struct dns_answer *) = q->fn;
	void *arg = q->arg;

	release(q);
	fn(arg, a);
}

void
dns_cancel(struct dns_query **qp)
{
	struct dns_query *q = *qp;

	*qp = NULL;
	if (q != NULL)
		q->drop(q);
}

static void
drop(struct dns_query *handle)
{
	release((struct dns_question *)handle);
}

static void
release(struct dns_question *q)
{
	stop_waiting(q);
	ev_task_cancel(q->dns->loop, &q->task);
	if (q->slot != UINT32_MAX) {
		q->dns->slots[q->slot] = NULL;
		q->dns->hint = q->slot;
		q->dns->nopen--;
	}
	free(q);
}
