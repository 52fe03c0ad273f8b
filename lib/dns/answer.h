/* SPDX-License-Identifier: ISC */
/* answer - the body of DN_ANSWER, checked. */
#ifndef DNS_ANSWER_H
#define DNS_ANSWER_H

#include "base/buf.h"
#include "dns/dns.h"

#define DNS_DATA_BYTES	8192	/* of one TXT or TLSA record */

/*
 * False: resolver broke the rules.  Slices point into the wire's bytes; records
 * has room for DNS_RECORDS.  Records whose name is no host name are left out,
 * and an answer that has none left becomes DNS_NO_DATA.
 */
bool	 dns_answer_unpack(struct wire *, enum dns_type, struct dns_answer *,
	    struct dns_record *records);
/* The other way, for resolver; at most DNS_RECORDS.  -1 at the ceiling. */
int	 dns_answer_pack(struct buf *, enum dns_type,
	    const struct dns_answer *);

#endif
