/* SPDX-License-Identifier: ISC */
/* Any bytes as a name server's message, and what comes of it as an answer. */
#include <stdlib.h>

#include "dns/answer.h"
#include "packet.h"
#include "servers.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const enum dns_type types[] = { DNS_A, DNS_CNAME, DNS_PTR,
		DNS_MX, DNS_TXT, DNS_AAAA, DNS_TLSA };
	struct dns_record records[DNS_RECORDS], back[DNS_RECORDS];
	struct servers servers = { .n = 0 };
	struct dns_answer a, a_back;
	struct arena arena;
	struct buf b;
	struct wire w;
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		arena = ARENA_INIT(256 * 1024);
		b = BUF_INIT(65536);
		if (packet_parse(slice_of(p, n), types[i], &arena, &a,
		    records) == PARSE_OK &&
		    dns_answer_pack(&b, types[i], &a) == 0) {
			/* What we send must be what the client takes. */
			w = wire_of(buf_slice(&b));
			if (!dns_answer_unpack(&w, types[i], &a_back, back))
				abort();
		}
		buf_clear(&b);
		arena_clear(&arena);
	}
	servers_add(&servers, slice_of(p, n));
	return 0;
}
