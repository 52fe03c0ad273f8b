/* SPDX-License-Identifier: ISC */
/* query - what every handle of dns.h begins with; for lib/dns only. */
#ifndef DNS_QUERY_H
#define DNS_QUERY_H

struct dns_query {
	/* Ends it without a callback and frees it. */
	void	(*drop)(struct dns_query *);
};

#endif
