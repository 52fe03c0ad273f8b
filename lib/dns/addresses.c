/* SPDX-License-Identifier: ISC */
/* addresses - A and AAAA of a host, asked at once; see dns.h. */
#include <stdlib.h>

#include "base/mem.h"
#include "dns/dns.h"
#include "dns/query.h"

enum { PART_IPV6, PART_IPV4, PARTS };

struct part {
	struct lookup		*owner;
	struct dns_query	*question;	/* owned; NULL: answered */
	enum dns_status		 status;	/* 0: not wanted */
	uint8_t			 addresses[DNS_ADDRESSES][16];
	size_t			 naddresses;
};

struct lookup {
	struct dns_query	 handle;	/* first: handles are cast */
	struct dns		*dns;
	struct part		 parts[PARTS];
	bool			 secure;
	uint32_t		 ttl;
	struct ev_task		 task;		/* nothing needs to be asked */
	void			(*fn)(void *, const struct dns_addresses *);
	void			*arg;
};

static void	 ask_part(struct lookup *, int part, enum dns_type,
		    struct slice host);
static void	 part_answered(void *, const struct dns_answer *);
static void	 all_answered(void *);
static enum dns_status status_of(const struct lookup *);
static void	 drop(struct dns_query *);

struct dns_query *
dns_addresses(struct dns *d, struct slice host, unsigned wants,
    void (*fn)(void *, const struct dns_addresses *), void *arg)
{
	struct lookup *l = mem_alloc(sizeof(*l));
	uint8_t literal[16];
	struct part *p;

	l->handle.drop = drop;
	l->dns = d;
	l->fn = fn;
	l->arg = arg;
	l->secure = true;
	l->ttl = UINT32_MAX;
	ev_task_init(&l->task, all_answered, l);
	if (dns_address_parse(host, literal)) {
		bool v4 = dns_address_is_ipv4(literal);

		p = &l->parts[v4 ? PART_IPV4 : PART_IPV6];
		p->status = DNS_NO_DATA;
		if (wants & (v4 ? DNS_WANT_IPV4 : DNS_WANT_IPV6)) {
			p->status = DNS_OK;
			memcpy(p->addresses[0], literal, 16);
			p->naddresses = 1;
		}
		ev_task_ask(d->loop, &l->task);
		return &l->handle;
	}
	if (wants & DNS_WANT_IPV6)
		ask_part(l, PART_IPV6, DNS_AAAA, host);
	if (wants & DNS_WANT_IPV4)
		ask_part(l, PART_IPV4, DNS_A, host);
	if (wants == 0)
		ev_task_ask(d->loop, &l->task);
	return &l->handle;
}

static void
ask_part(struct lookup *l, int part, enum dns_type type, struct slice host)
{
	l->parts[part].owner = l;
	l->parts[part].question = dns_ask(l->dns, type, host, part_answered,
	    &l->parts[part]);
}

static void
part_answered(void *arg, const struct dns_answer *a)
{
	struct part *p = arg;
	struct lookup *l = p->owner;
	size_t i;

	p->question = NULL;
	p->status = a->status;
	l->secure = l->secure && a->secure;
	if (a->status == DNS_OK && a->ttl < l->ttl)
		l->ttl = a->ttl;
	for (i = 0; i < a->nrecords && i < DNS_ADDRESSES; i++)
		memcpy(p->addresses[p->naddresses++], a->records[i].address,
		    16);
	if (l->parts[0].question == NULL && l->parts[1].question == NULL)
		all_answered(l);
}

static void
all_answered(void *arg)
{
	struct lookup *l = arg;
	uint8_t all[DNS_ADDRESSES][16];
	struct dns_addresses r = { .addresses = all, .secure = l->secure,
		.ttl = l->ttl };
	size_t i, part, left[PARTS];

	/* Many of one family must not crowd out the other. */
	for (part = 0; part < PARTS; part++) {
		left[part] = l->parts[part].naddresses;
		if (left[part] > DNS_ADDRESSES / 2 &&
		    l->parts[PARTS - 1 - part].naddresses > 0)
			left[part] = DNS_ADDRESSES / 2;
	}
	for (part = 0; part < PARTS; part++)
		for (i = 0; i < left[part]; i++)
			memcpy(all[r.naddresses++],
			    l->parts[part].addresses[i], 16);
	r.status = status_of(l);
	if (r.naddresses == 0)
		r.ttl = 0;
	l->fn(l->arg, &r);
	free(l);
}

static enum dns_status
status_of(const struct lookup *l)
{
	/* The first of these that any part has. */
	static const enum dns_status order[] = { DNS_OK, DNS_FAILED,
		DNS_NO_DATA, DNS_NO_NAME, DNS_INVALID };
	size_t i, part;

	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		for (part = 0; part < PARTS; part++)
			if (l->parts[part].status == order[i])
				return order[i];
	return DNS_NO_DATA;
}

static void
drop(struct dns_query *handle)
{
	struct lookup *l = (struct lookup *)handle;
	size_t part;

	for (part = 0; part < PARTS; part++)
		dns_cancel(&l->parts[part].question);
	ev_task_cancel(l->dns->loop, &l->task);
	free(l);
}
