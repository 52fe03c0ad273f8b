/* SPDX-License-Identifier: ISC */
/* local_names - names that need no name server (RFC 6761 section 6.3). */
#ifndef RESOLVER_LOCAL_NAMES_H
#define RESOLVER_LOCAL_NAMES_H

#include "dns/dns.h"

/* True: the answer is set; record_r is where its record is. */
bool	 local_names_answer(enum dns_type, struct slice name,
	    struct dns_answer *, struct dns_record *record_r);

#endif
