/* SPDX-License-Identifier: ISC */
/* packet - a DNS message (RFC 1035 section 4) to the fields that we pass on. */
#ifndef RESOLVER_PACKET_H
#define RESOLVER_PACKET_H

#include "base/arena.h"
#include "base/parse.h"
#include "dns/dns.h"

#define CLASS_IN	1
#define PACKET_JUMPS	64	/* compression pointers in one name */

/*
 * The answer to a question of this type: records of that type in the answer
 * section, the name that the last CNAME leads to, the least TTL.  Names and
 * data are in the arena; records has room for DNS_RECORDS.  The status is set
 * from the reply code; a referral is DNS_FAILED.  PARSE_BAD: no DNS message, or
 * one that is damaged.
 */
enum parse packet_parse(struct slice message, enum dns_type, struct arena *,
	    struct dns_answer *, struct dns_record *records);

#endif
