/* SPDX-License-Identifier: ISC */
/* plan - see plan.h. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "plan.h"

#define TTL_MIN		1u	/* seconds */
#define TTL_MAX		3600u
#define TTL_FAILED	5u	/* a failed look-up is not repeated before */

enum host_state { UNASKED, ASKED, KNOWN, UNKNOWN, NONE };

struct host {
	struct plan		*plan;
	char			*name;		/* owned */
	uint16_t		 preference;
	enum host_state		 state;
	struct dns_query	*query;		/* owned while ASKED */
	uint8_t			(*addresses)[16]; /* owned */
	size_t			 naddresses;
};

struct plan {
	struct relay		*relay;
	const struct next_hop	*hop;
	unsigned		 refs;
	struct dns_query	*query;		/* owned; MX */
	bool			 ready;		/* hosts are known */
	bool			 implicit;	/* there are no MX records */
	struct outcome		 error;		/* status 0: none */
	struct host		 hosts[DNS_MX_HOSTS];
	size_t			 nhosts;
	int64_t			 expires_ms;
	struct plan_waiters	 waiters;
};

static void	 got_mx(void *, const struct dns_mx *);
static void	 take_hosts(struct plan *, const struct dns_mx *);
static size_t	 hosts_before_us(struct plan *, const struct dns_mx *);
static void	 add_host(struct plan *, struct slice name, uint16_t);
static void	 ask_addresses(struct host *);
static void	 got_addresses(void *, const struct dns_addresses *);
static void	 take_addresses(struct host *, const struct dns_addresses *);
static void	 shuffle(uint8_t (*)[16], size_t n);
static void	 set_ttl(struct plan *, uint32_t);
static void	 wake(struct plan *);
static void	 fail(struct plan *, enum outcome_status, uint16_t code,
		    struct enhanced, struct slice text);
static bool	 next_address(struct host *, struct plan_cursor *,
		    struct target *);
static uint16_t	 port_of(const struct plan *);

struct plan *
plan_new(struct relay *r, const struct next_hop *hop)
{
	struct plan *p = mem_alloc(sizeof(*p));
	struct host *h;

	p->relay = r;
	p->hop = hop;
	p->refs = 1;
	p->expires_ms = clock_mono_ms() + TTL_MAX * 1000;
	LIST_INIT(&p->waiters);
	switch (hop->kind) {
	case HOP_MX:
		p->query = dns_mx(&r->dns, hop->host, got_mx, p);
		break;
	case HOP_HOST:
		add_host(p, hop->host, 0);
		p->ready = true;
		break;
	case HOP_ADDRESS:
		add_host(p, SLICE_EMPTY, 0);
		h = &p->hosts[0];
		h->state = KNOWN;
		h->addresses = mem_array(1, 16);
		memcpy(h->addresses[0], hop->address, 16);
		h->naddresses = 1;
		p->ready = true;
		break;
	case HOP_SOCKET:
		p->ready = true;
		break;
	}
	return p;
}

struct plan *
plan_ref(struct plan *p)
{
	p->refs++;
	return p;
}

void
plan_unref(struct plan **pp)
{
	struct plan *p = *pp;
	size_t i;

	*pp = NULL;
	if (p == NULL || --p->refs > 0)
		return;
	dns_cancel(&p->query);
	for (i = 0; i < p->nhosts; i++) {
		dns_cancel(&p->hosts[i].query);
		free(p->hosts[i].name);
		free(p->hosts[i].addresses);
	}
	free(p);
}

bool
plan_is_stale(const struct plan *p)
{
	return clock_mono_ms() >= p->expires_ms;
}

/* ---- what DNS says ------------------------------------------------------ */

static void
got_mx(void *arg, const struct dns_mx *mx)
{
	struct plan *p = arg;

	p->query = NULL;
	p->ready = true;
	p->implicit = mx->implicit;
	set_ttl(p, mx->ttl);
	switch (mx->status) {
	case DNS_MX_FOUND:
		take_hosts(p, mx);
		break;
	case DNS_MX_NULL:
		fail(p, OUTCOME_FAILED, 556, (struct enhanced){ 5, 1, 10 },
		    SLICE_LIT("the domain takes no mail (null MX record)"));
		break;
	case DNS_MX_NO_DOMAIN:
		fail(p, OUTCOME_FAILED, 0, (struct enhanced){ 5, 1, 2 },
		    SLICE_LIT("there is no such domain"));
		break;
	case DNS_MX_UNUSABLE:
		fail(p, OUTCOME_FAILED, 0, (struct enhanced){ 5, 4, 4 },
		    SLICE_LIT("the domain's MX records name no host"));
		break;
	case DNS_MX_FAILED:
		set_ttl(p, TTL_FAILED);
		fail(p, OUTCOME_DEFERRED, 0, (struct enhanced){ 4, 4, 3 },
		    SLICE_LIT("the domain's MX records cannot be looked up "
		    "now"));
		break;
	}
	wake(p);
}

static void
take_hosts(struct plan *p, const struct dns_mx *mx)
{
	size_t i, n = hosts_before_us(p, mx);

	for (i = 0; i < n; i++)
		add_host(p, mx->hosts[i].name, mx->hosts[i].preference);
	if (n == 0)
		fail(p, OUTCOME_FAILED, 0, (struct enhanced){ 5, 4, 6 },
		    SLICE_LIT("the domain's best MX host is this host, which "
		    "does not receive mail for it (loop)"));
}

/* RFC 5321 section 5.1: where we are one of the MX hosts, those of our
 * preference and worse are not for us. */
static size_t
hosts_before_us(struct plan *p, const struct dns_mx *mx)
{
	struct slice us = slice_str(p->relay->conf->hostname);
	size_t i, n;

	for (i = 0; i < mx->nhosts; i++)
		if (slice_eq_nocase(mx->hosts[i].name, us))
			break;
	for (n = i; i < mx->nhosts && n > 0; n--)
		if (mx->hosts[n - 1].preference < mx->hosts[i].preference)
			break;
	return n;
}

static void
add_host(struct plan *p, struct slice name, uint16_t preference)
{
	struct host *h = &p->hosts[p->nhosts++];

	h->plan = p;
	h->name = mem_slicedup(name);
	h->preference = preference;
}

static void
ask_addresses(struct host *h)
{
	const struct conf *conf = h->plan->relay->conf;
	unsigned wants = (conf->remote_ipv4 ? DNS_WANT_IPV4 : 0u) |
	    (conf->remote_ipv6 ? DNS_WANT_IPV6 : 0u);

	h->state = ASKED;
	h->query = dns_addresses(&h->plan->relay->dns, slice_str(h->name),
	    wants, got_addresses, h);
}

static void
got_addresses(void *arg, const struct dns_addresses *a)
{
	struct host *h = arg;

	h->query = NULL;
	h->state = a->status == DNS_OK ? KNOWN :
	    a->status == DNS_FAILED ? UNKNOWN : NONE;
	set_ttl(h->plan, a->status == DNS_FAILED ? TTL_FAILED :
	    a->status == DNS_OK ? a->ttl : TTL_MAX);
	if (a->status == DNS_OK)
		take_addresses(h, a);
	wake(h->plan);
}

/* Each family in an order of chance (the name server's is no promise), one of
 * each in turn: a network without working IPv6 then costs one attempt, not
 * one for each address. */
static void
take_addresses(struct host *h, const struct dns_addresses *a)
{
	uint8_t all[DNS_ADDRESSES][16];
	size_t i, n = a->naddresses, n6 = 0;

	memcpy(all, a->addresses, n * 16);
	while (n6 < n && !dns_address_is_ipv4(all[n6]))
		n6++;
	shuffle(all, n6);
	shuffle(all + n6, n - n6);
	h->addresses = mem_array(n, 16);
	for (i = 0; i < n; i++) {
		if (i < n6)
			memcpy(h->addresses[h->naddresses++], all[i], 16);
		if (n6 + i < n)
			memcpy(h->addresses[h->naddresses++], all[n6 + i],
			    16);
	}
}

static void
shuffle(uint8_t (*a)[16], size_t n)
{
	uint8_t t[16];
	size_t j;

	for (; n > 1; n--) {
		j = arc4random_uniform((uint32_t)n);
		memcpy(t, a[n - 1], 16);
		memmove(a[n - 1], a[j], 16);
		memcpy(a[j], t, 16);
	}
}

static void
set_ttl(struct plan *p, uint32_t ttl)
{
	int64_t at;

	if (ttl < TTL_MIN)
		ttl = TTL_MIN;
	if (ttl > TTL_MAX)
		ttl = TTL_MAX;
	at = clock_mono_ms() + (int64_t)ttl * 1000;
	if (at < p->expires_ms)
		p->expires_ms = at;
}

static void
fail(struct plan *p, enum outcome_status status, uint16_t code,
    struct enhanced enhanced, struct slice text)
{
	p->error = (struct outcome){ .status = status, .code = code,
		.enhanced = enhanced, .text = text,
		.site = status == OUTCOME_DEFERRED };
}

/* Those who wait again while they are called are not called again. */
static void
wake(struct plan *p)
{
	struct plan_waiters woken = LIST_HEAD_INITIALIZER(woken);
	struct plan_waiter *w;
	struct plan *held = plan_ref(p);

	while ((w = LIST_FIRST(&p->waiters)) != NULL) {
		LIST_REMOVE(w, entry);
		LIST_INSERT_HEAD(&woken, w, entry);
	}
	while ((w = LIST_FIRST(&woken)) != NULL) {
		LIST_REMOVE(w, entry);
		w->waiting = false;
		w->fn(w->arg);
	}
	plan_unref(&held);
}

void
plan_forget_waiter(struct plan_waiter *w)
{
	if (w->waiting)
		LIST_REMOVE(w, entry);
	w->waiting = false;
}

static enum plan_answer
wait_for(struct plan *p, struct plan_waiter *w)
{
	w->waiting = true;
	LIST_INSERT_HEAD(&p->waiters, w, entry);
	return PLAN_WAIT;
}

/* ---- going through it --------------------------------------------------- */

enum plan_answer
plan_next(struct plan *p, struct plan_cursor *c, struct target *t,
    struct plan_waiter *w)
{
	struct host *h;

	if (!p->ready)
		return wait_for(p, w);
	for (;;) {
		if (c->host == p->nhosts) {
			/* All of them failed lately: try them all the same. */
			if (c->second_round || c->any)
				return PLAN_NONE;
			*c = (struct plan_cursor){ .second_round = true };
		}
		if (c->host == p->nhosts)
			return PLAN_NONE;
		h = &p->hosts[c->host];
		if (h->state == UNASKED)
			ask_addresses(h);
		if (h->state == ASKED)
			return wait_for(p, w);
		if (next_address(h, c, t))
			return PLAN_TARGET;
		c->host++;
		c->address = 0;
	}
}

static bool
next_address(struct host *h, struct plan_cursor *c, struct target *t)
{
	struct plan *p = h->plan;
	const uint8_t *address;

	while (c->address < h->naddresses) {
		address = h->addresses[c->address++];
		if (relay_avoids(p->relay, address, port_of(p)) !=
		    c->second_round)
			continue;
		c->any = true;
		t->host = slice_str(h->name);
		memcpy(t->address, address, 16);
		t->port = port_of(p);
		t->by_mx = p->hop->kind == HOP_MX;
		t->best = h->preference == p->hosts[0].preference;
		return true;
	}
	return false;
}

static uint16_t
port_of(const struct plan *p)
{
	if (p->hop->port != 0)
		return p->hop->port;
	if (p->hop->lmtp)
		return LMTP_PORT;
	if (p->hop->smtps)
		return SMTPS_PORT;
	return p->hop->kind == HOP_MX ?
	    (uint16_t)p->relay->conf->remote_port : 25;
}

bool
plan_error(const struct plan *p, struct outcome *o)
{
	const struct conf *conf = p->relay->conf;
	bool unknown = false;
	size_t i;

	*o = p->error;
	if (o->status != 0)
		return true;
	for (i = 0; i < p->nhosts; i++) {
		if (p->hosts[i].naddresses > 0)
			return false;
		unknown = unknown || p->hosts[i].state == UNKNOWN;
	}
	if (unknown)
		*o = (struct outcome){ .status = OUTCOME_DEFERRED,
			.enhanced = { 4, 4, 3 }, .site = true,
			.text = SLICE_LIT("the next hop's addresses cannot be "
			    "looked up now") };
	else if (!conf->remote_ipv4 || !conf->remote_ipv6)
		/* It may have addresses of the other family. */
		*o = (struct outcome){ .status = OUTCOME_DEFERRED,
			.enhanced = { 4, 4, 4 }, .site = true,
			.text = SLICE_LIT("the next hop has no address of the "
			    "family that this host uses") };
	else if (p->implicit)
		*o = (struct outcome){ .status = OUTCOME_FAILED,
			.enhanced = { 5, 1, 2 },
			.text = SLICE_LIT("the domain has neither MX nor "
			    "address records") };
	else
		*o = (struct outcome){ .status = OUTCOME_FAILED,
			.enhanced = { 5, 4, 4 },
			.text = SLICE_LIT("the next hop has no address") };
	return true;
}
