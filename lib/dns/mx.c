/* SPDX-License-Identifier: ISC */
/* mx - the hosts that take a domain's mail (RFC 5321 section 5.1). */
#include <stdlib.h>

#include "base/mem.h"
#include "dns/dns.h"
#include "dns/mx.h"
#include "dns/query.h"

struct lookup {
	struct dns_query	 handle;	/* first: handles are cast */
	struct dns_query	*question;	/* owned */
	char			 domain[DNS_NAME_BYTES + 1];
	void			(*fn)(void *, const struct dns_mx *);
	void			*arg;
};

static void	 answered(void *, const struct dns_answer *);
static void	 add_host(struct dns_mx *, struct dns_mx_host);
static void	 drop(struct dns_query *);

struct dns_query *
dns_mx(struct dns *d, struct slice domain,
    void (*fn)(void *, const struct dns_mx *), void *arg)
{
	struct lookup *l = mem_alloc(sizeof(*l));

	l->handle.drop = drop;
	l->fn = fn;
	l->arg = arg;
	if (domain.n > 0 && domain.p[domain.n - 1] == '.')
		domain.n--;
	/* A longer one can only be UTF-8, whose canonical name resolver
	 * tells. */
	if (domain.n < sizeof(l->domain))
		memcpy(l->domain, domain.p, domain.n);
	l->question = dns_ask(d, DNS_MX, domain, answered, l);
	return &l->handle;
}

static void
answered(void *arg, const struct dns_answer *a)
{
	struct dns_mx_host hosts[DNS_MX_HOSTS];
	struct lookup *l = arg;
	struct dns_mx r = { .hosts = hosts };

	l->question = NULL;
	dns_mx_choose(a, slice_str(l->domain), &r);
	l->fn(l->arg, &r);
	free(l);
}

/* The answer to the MX question for domain -> whom to try.  r->hosts has room
 * for DNS_MX_HOSTS. */
void
dns_mx_choose(const struct dns_answer *a, struct slice domain,
    struct dns_mx *r)
{
	size_t i;

	r->ttl = a->ttl;
	r->secure = a->secure;
	r->implicit = false;
	r->nhosts = 0;
	switch (a->status) {
	case DNS_NO_NAME:
	case DNS_INVALID:
		r->status = DNS_MX_NO_DOMAIN;
		return;
	case DNS_FAILED:
		r->status = DNS_MX_FAILED;
		return;
	case DNS_NO_DATA:
		/* Section 5.1: an implicit MX of preference 0, which points to
		 * the domain (or to what it is an alias of). */
		r->implicit = true;
		r->status = DNS_MX_FOUND;
		r->hosts[r->nhosts++] = (struct dns_mx_host){ 0,
			a->canonical.n > 0 ? a->canonical : domain };
		return;
	case DNS_OK:
		break;
	}
	/* RFC 7505 asks for the root as the only record; beside others it
	 * means nothing. */
	for (i = 0; i < a->nrecords; i++)
		if (a->records[i].name.n > 0)
			add_host(r, (struct dns_mx_host){
			    a->records[i].preference, a->records[i].name });
	r->status = r->nhosts > 0 ? DNS_MX_FOUND :
	    a->nrecords == 1 ? DNS_MX_NULL : DNS_MX_UNUSABLE;
}

/*
 * Keeps the hosts sorted by preference; among equals the newcomer takes each
 * place with the same chance, which makes every order equally likely.  What is
 * over the limit falls off the end.
 */
static void
add_host(struct dns_mx *r, struct dns_mx_host h)
{
	size_t from, to, at;

	for (from = 0; from < r->nhosts; from++)
		if (r->hosts[from].preference >= h.preference)
			break;
	for (to = from; to < r->nhosts; to++)
		if (r->hosts[to].preference > h.preference)
			break;
	at = from + arc4random_uniform((uint32_t)(to - from + 1));
	if (at >= DNS_MX_HOSTS)
		return;
	if (r->nhosts < DNS_MX_HOSTS)
		r->nhosts++;
	memmove(&r->hosts[at + 1], &r->hosts[at],
	    (r->nhosts - at - 1) * sizeof(h));
	r->hosts[at] = h;
}

static void
drop(struct dns_query *handle)
{
	struct lookup *l = (struct lookup *)handle;

	dns_cancel(&l->question);
	free(l);
}
