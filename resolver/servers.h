/* SPDX-License-Identifier: ISC */
/* servers - which name servers to ask, as libunbound writes them. */
#ifndef RESOLVER_SERVERS_H
#define RESOLVER_SERVERS_H

#include <netinet/in.h>

#include "base/slice.h"

#define SERVERS		16
#define SERVER_BYTES	(INET6_ADDRSTRLEN + 32)	/* scope, "@65535" */

struct servers {
	char	names[SERVERS][SERVER_BYTES];	/* "192.0.2.1@53" */
	size_t	n;
};

/* "192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:53".  -1: none
 * of these, or there are too many. */
int	 servers_add(struct servers *, struct slice word);

#endif
