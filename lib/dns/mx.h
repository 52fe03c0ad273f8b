/* SPDX-License-Identifier: ISC */
/* mx - the choice of MX hosts as a pure function, for its test. */
#ifndef DNS_MX_H
#define DNS_MX_H

#include "dns/dns.h"

void	 dns_mx_choose(const struct dns_answer *, struct slice domain,
	    struct dns_mx *);

#endif
