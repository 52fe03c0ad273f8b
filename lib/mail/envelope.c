/* SPDX-License-Identifier: ISC */
/*
 * envelope - see envelope.h.
 *
 * The packed form is also on disk: its first byte is a version, and a changed
 * form gets a new one.  Version 2 has the extras behind the recipients; an
 * envelope without any is written in version 1, so that there is one form for
 * each envelope.
 */
#include "mail/envelope.h"

#define VERSION_PLAIN	1
#define VERSION_EXTRAS	2

enum {
	EXTRAS_BY_TRACE = 1,
	EXTRAS_REQUIRE_TLS = 2,
	EXTRAS_FLAGS = 3,	/* all of them */
};

/* A recipient with empty slices; bounds the count before memory is taken. */
#define RECIPIENT_MIN		9

#define CLIENT_BYTES		128
#define HELO_BYTES		512
#define PROTOCOL_BYTES		64

static int	put_recipients(struct buf *, const struct envelope *);
static bool	get_recipients(struct wire *, struct arena *,
		    struct envelope *);
static struct recipient get_recipient(struct wire *);

int
envelope_pack(struct buf *b, const struct envelope *e)
{
	bool plain = extras_are_empty(&e->extras);
	size_t n = b->n;

	if (put_u8(b, plain ? VERSION_PLAIN : VERSION_EXTRAS) == 0 &&
	    put_slice(b, e->reverse_path) == 0 &&
	    put_slice(b, e->envid) == 0 && put_u8(b, (uint8_t)e->ret) == 0 &&
	    put_u8(b, (uint8_t)e->body) == 0 && put_u8(b, e->smtputf8) == 0 &&
	    put_time(b, e->arrived_ms) == 0 && put_slice(b, e->client) == 0 &&
	    put_slice(b, e->helo) == 0 && put_slice(b, e->protocol) == 0 &&
	    put_recipients(b, e) == 0 &&
	    (plain || extras_pack(b, &e->extras) == 0))
		return 0;
	b->n = n;
	return -1;
}

static int
put_recipients(struct buf *b, const struct envelope *e)
{
	const struct recipient *r;
	size_t i;

	if (e->nrecipients > ENVELOPE_RECIPIENTS ||
	    put_u32(b, (uint32_t)e->nrecipients) != 0)
		return -1;
	for (i = 0; i < e->nrecipients; i++) {
		r = &e->recipients[i];
		if (put_slice(b, r->address) != 0 ||
		    put_slice(b, r->orcpt) != 0 || put_u8(b, r->notify) != 0)
			return -1;
	}
	return 0;
}

bool
envelope_unpack(struct wire *w, struct arena *a, struct envelope *e_r)
{
	struct envelope e = { 0 };
	uint8_t version = get_u8(w);

	if (version != VERSION_PLAIN && version != VERSION_EXTRAS)
		wire_fail(w);
	e.reverse_path = get_text(w, ADDRESS_BYTES);
	e.envid = get_text(w, ENVID_BYTES);
	e.ret = (enum dsn_ret)get_enum(w, RET_HDRS);
	e.body = (enum body_type)get_enum(w, BODY_BINARYMIME);
	e.smtputf8 = get_bool(w);
	e.arrived_ms = get_time(w);
	e.client = get_text(w, CLIENT_BYTES);
	e.helo = get_text(w, HELO_BYTES);
	e.protocol = get_text(w, PROTOCOL_BYTES);
	if (!get_recipients(w, a, &e))
		return false;
	if (version == VERSION_EXTRAS) {
		extras_unpack(w, &e.extras);
		if (extras_are_empty(&e.extras))
			wire_fail(w);
	}
	if (w->bad)
		return false;
	*e_r = e;
	return true;
}

static bool
get_recipients(struct wire *w, struct arena *a, struct envelope *e)
{
	size_t i;

	e->recipients = get_list(w, a, ENVELOPE_RECIPIENTS, RECIPIENT_MIN,
	    sizeof(*e->recipients), &e->nrecipients);
	for (i = 0; i < e->nrecipients && !w->bad; i++)
		e->recipients[i] = get_recipient(w);
	return !w->bad;
}

static struct recipient
get_recipient(struct wire *w)
{
	struct recipient r;

	r.address = get_text(w, ADDRESS_BYTES);
	r.orcpt = get_text(w, ORCPT_BYTES);
	r.notify = get_notify(w);
	if (r.address.n == 0)
		wire_fail(w);
	return r;
}

bool
extras_are_empty(const struct envelope_extras *x)
{
	return x->login.n == 0 && x->auth.n == 0 && x->hold_ms == 0 &&
	    x->by_mode == BY_NONE && !x->require_tls && x->priority == 0;
}

int
extras_pack(struct buf *b, const struct envelope_extras *x)
{
	size_t n = b->n;

	if (put_slice(b, x->login) == 0 && put_slice(b, x->auth) == 0 &&
	    put_time(b, x->hold_ms) == 0 && put_time(b, x->by_ms) == 0 &&
	    put_u8(b, (uint8_t)x->by_mode) == 0 &&
	    put_u8(b, (uint8_t)((x->by_trace ? EXTRAS_BY_TRACE : 0) |
	    (x->require_tls ? EXTRAS_REQUIRE_TLS : 0))) == 0 &&
	    put_u8(b, (uint8_t)(x->priority - PRIORITY_LEAST)) == 0)
		return 0;
	b->n = n;
	return -1;
}

void
extras_unpack(struct wire *w, struct envelope_extras *x_r)
{
	struct envelope_extras x = { 0 };
	uint8_t flags;

	x.login = get_text(w, LOGIN_NAME_BYTES);
	x.auth = get_text(w, ADDRESS_BYTES);
	x.hold_ms = get_time(w);
	x.by_ms = get_time(w);
	x.by_mode = (enum by_mode)get_enum(w, BY_NOTIFY);
	flags = get_enum(w, EXTRAS_FLAGS);
	x.by_trace = (flags & EXTRAS_BY_TRACE) != 0;
	x.require_tls = (flags & EXTRAS_REQUIRE_TLS) != 0;
	x.priority = (int)get_enum(w, PRIORITY_MOST - PRIORITY_LEAST) +
	    PRIORITY_LEAST;
	/* Without a time there is nothing to do then. */
	if (x.by_mode == BY_NONE && (x.by_ms != 0 || x.by_trace))
		wire_fail(w);
	*x_r = x;
}

uint8_t
get_notify(struct wire *w)
{
	uint8_t v = get_enum(w, NOTIFY_NEVER | NOTIFY_SUCCESS |
	    NOTIFY_FAILURE | NOTIFY_DELAY);

	/* RFC 3461 section 4.1: NEVER stands alone. */
	if ((v & NOTIFY_NEVER) != 0 && v != NOTIFY_NEVER)
		wire_fail(w);
	return v;
}
