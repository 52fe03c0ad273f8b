/* SPDX-License-Identifier: ISC */
/* dns_records - the DNS records that a domain of this host should have. */
#ifndef TOOLS_DNS_RECORDS_H
#define TOOLS_DNS_RECORDS_H

#include "conf/conf.h"

/* Those of the host, in the form of a zone file. */
void	 dns_records_of_host(const struct conf *);
/* Those of a domain of that type. */
void	 dns_records_of_domain(const struct conf *, const char *domain,
	    const char *type);

#endif
