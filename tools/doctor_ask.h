/* SPDX-License-Identifier: ISC */
/* doctor_ask - questions to the configured name servers, one at a time. */
#ifndef TOOLS_DOCTOR_ASK_H
#define TOOLS_DOCTOR_ASK_H

#include "base/buf.h"
#include "conf/conf.h"

#define DNS_REPLY_BYTES	65535

enum dns_result {
	DNS_RECORDS_CAME,
	DNS_NOTHING,	/* the name has no such records */
	DNS_NO_NAME,	/* there is no such name */
	DNS_SILENT,	/* no server answered */
	DNS_FAILED,	/* they answered that they can't */
};

struct dns_reply {
	uint8_t	 bytes[DNS_REPLY_BYTES];
	size_t	 n;
};

/* Asks the servers in turn until one answers; type is of arpa/nameser.h. */
enum dns_result dns_ask(const struct conf *, const char *name, int type,
	    struct dns_reply *);
/* The i-th record of the type in the answer, as text: an address, a host name
 * without its last dot, "PREFERENCE HOST", or the characters of a TXT record.
 * False: there are not so many. */
bool	 dns_record(const struct dns_reply *, int type, size_t i, char *text,
	    size_t size);

#endif
