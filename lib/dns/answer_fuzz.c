/* SPDX-License-Identifier: ISC */
/* Any bytes as an answer of each type. */
#include <stdlib.h>

#include "dns/answer.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const enum dns_type types[] = { DNS_A, DNS_CNAME, DNS_PTR,
		DNS_MX, DNS_TXT, DNS_AAAA, DNS_TLSA };
	struct dns_record records[DNS_RECORDS];
	struct dns_answer a;
	struct wire w;
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		w = wire_of(slice_of(p, n));
		if (dns_answer_unpack(&w, types[i], &a, records) &&
		    a.nrecords > DNS_RECORDS)
			abort();
	}
	return 0;
}
