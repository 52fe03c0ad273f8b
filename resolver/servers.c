/* SPDX-License-Identifier: ISC */
/* servers - see servers.h. */
#include <stdio.h>

#include "base/num.h"
#include "dns/dns.h"
#include "servers.h"

static bool	 split_port(struct slice, struct slice *, uint64_t *);

int
servers_add(struct servers *s, struct slice word)
{
	struct slice host, address;
	uint8_t binary[16];
	uint64_t port;
	size_t i;

	if (s->n == SERVERS || !split_port(word, &host, &port))
		return -1;
	/* fe80::1%eth0: the scope is libunbound's to understand. */
	address = slice_first(host, slice_find(host, '%'));
	if (!dns_address_parse(address, binary) || host.n > address.n + 20)
		return -1;
	for (i = address.n; i < host.n; i++)
		if (host.p[i] <= ' ' || host.p[i] == '@' || host.p[i] >= 127)
			return -1;
	snprintf(s->names[s->n++], SERVER_BYTES, "%.*s@%u", SLICE_ARG(host),
	    (unsigned)port);
	return 0;
}

static bool
split_port(struct slice word, struct slice *host, uint64_t *port)
{
	size_t end = word.n;

	*host = word;
	*port = 53;
	if (word.n > 0 && word.p[0] == '[') {
		end = slice_find(word, ']');
		if (end == word.n)
			return false;
		*host = slice_from(slice_first(word, end), 1);
		if (end + 1 == word.n)
			return true;
		end++;
	} else if (slice_find(word, ':') == slice_rfind(word, ':') &&
	    slice_find(word, ':') < word.n) {
		end = slice_find(word, ':');
		*host = slice_first(word, end);
	} else
		return true;
	return word.p[end] == ':' && slice_to_u64(slice_from(word, end + 1), 1,
	    65535, port);
}
