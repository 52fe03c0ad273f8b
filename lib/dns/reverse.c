/* SPDX-License-Identifier: ISC */
/* reverse - an address's name, confirmed by the name's addresses; see dns.h. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "dns/dns.h"
#include "dns/query.h"

struct candidate {
	struct lookup		*owner;
	struct dns_query	*question;	/* owned; NULL: answered */
	char			 name[DNS_NAME_BYTES + 1];
	enum dns_status		 status;
	bool			 confirmed;
};

struct lookup {
	struct dns_query	 handle;	/* first: handles are cast */
	struct dns		*dns;
	struct dns_query	*question;	/* owned: PTR */
	uint8_t			 address[16];
	struct candidate	 candidates[DNS_REVERSE_NAMES];
	size_t			 ncandidates;
	void			(*fn)(void *, enum dns_status, struct slice);
	void			*arg;
};

static void	 write_ptr_name(const uint8_t[16], char *, size_t);
static void	 names_answered(void *, const struct dns_answer *);
static void	 addresses_answered(void *, const struct dns_answer *);
static void	 decide(struct lookup *);
static void	 finish(struct lookup *, enum dns_status, struct slice);
static void	 drop(struct dns_query *);

struct dns_query *
dns_reverse(struct dns *d, const uint8_t address[16],
    void (*fn)(void *, enum dns_status, struct slice), void *arg)
{
	struct lookup *l = mem_alloc(sizeof(*l));
	char name[80];

	l->handle.drop = drop;
	l->dns = d;
	l->fn = fn;
	l->arg = arg;
	memcpy(l->address, address, 16);
	write_ptr_name(address, name, sizeof(name));
	l->question = dns_ask(d, DNS_PTR, slice_str(name), names_answered, l);
	return &l->handle;
}

/* RFC 1035 section 3.5, RFC 3596 section 2.5. */
static void
write_ptr_name(const uint8_t a[16], char *out, size_t size)
{
	size_t i, n = 0;

	if (dns_address_is_ipv4(a)) {
		snprintf(out, size, "%u.%u.%u.%u.in-addr.arpa", a[15], a[14],
		    a[13], a[12]);
		return;
	}
	for (i = 16; i-- > 0; n += 4)
		snprintf(out + n, size - n, "%x.%x.", a[i] & 15, a[i] >> 4);
	snprintf(out + n, size - n, "ip6.arpa");
}

static void
names_answered(void *arg, const struct dns_answer *a)
{
	struct lookup *l = arg;
	struct candidate *c;
	enum dns_type type;
	size_t i;

	l->question = NULL;
	if (a->status != DNS_OK) {
		finish(l, a->status == DNS_FAILED ? DNS_FAILED : DNS_NO_NAME,
		    SLICE_EMPTY);
		return;
	}
	type = dns_address_is_ipv4(l->address) ? DNS_A : DNS_AAAA;
	for (i = 0; i < a->nrecords && i < DNS_REVERSE_NAMES; i++) {
		c = &l->candidates[l->ncandidates++];
		c->owner = l;
		memcpy(c->name, a->records[i].name.p, a->records[i].name.n);
		c->question = dns_ask(l->dns, type, slice_str(c->name),
		    addresses_answered, c);
	}
}

static void
addresses_answered(void *arg, const struct dns_answer *a)
{
	struct candidate *c = arg;
	struct lookup *l = c->owner;
	size_t i;

	c->question = NULL;
	c->status = a->status;
	for (i = 0; i < a->nrecords; i++)
		if (memcmp(a->records[i].address, l->address, 16) == 0)
			c->confirmed = true;
	if (c->confirmed) {
		finish(l, DNS_OK, slice_str(c->name));
		return;
	}
	for (i = 0; i < l->ncandidates; i++)
		if (l->candidates[i].question != NULL)
			return;
	decide(l);
}

/* No name leads back: for good, or perhaps only now? */
static void
decide(struct lookup *l)
{
	size_t i;

	for (i = 0; i < l->ncandidates; i++)
		if (l->candidates[i].status == DNS_FAILED)
			break;
	finish(l, i < l->ncandidates ? DNS_FAILED : DNS_NO_DATA,
	    slice_str(l->candidates[0].name));
}

static void
finish(struct lookup *l, enum dns_status status, struct slice name)
{
	void (*fn)(void *, enum dns_status, struct slice) = l->fn;

	fn(l->arg, status, name);
	drop(&l->handle);
}

static void
drop(struct dns_query *handle)
{
	struct lookup *l = (struct lookup *)handle;
	size_t i;

	dns_cancel(&l->question);
	for (i = 0; i < l->ncandidates; i++)
		dns_cancel(&l->candidates[i].question);
	free(l);
}
