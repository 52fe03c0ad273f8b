/* SPDX-License-Identifier: ISC */
/* resolver <-> smtpd, remote: DNS questions.  lib/dns is the client. */
#ifndef IPC_RESOLVER_H
#define IPC_RESOLVER_H

#include "ipc/channel.h"

/*        name             no  sender    fds min  max     body; id: client's */
#define RESOLVER_CLIENT(X)						\
	X(DN_ASK,	    1, EITHER,   0,  7,   512)	/* u16 type, u8 flags (0), slice name in text form */ \
	X(DN_ANSWER,	    2, RESOLVER, 0,  12,  65536)	/* u8 enum dns_status, u8 secure, u32 ttl, slice canonical name, u16 count, then each record: A 4 bytes, AAAA 16 bytes, MX u16 and slice name, PTR and CNAME slice name, TXT slice, TLSA u8 u8 u8 slice */

ENUM_MESSAGES(RESOLVER_CLIENT);

enum dns_type {
	DNS_A = 1, DNS_CNAME = 5, DNS_PTR = 12, DNS_MX = 15, DNS_TXT = 16,
	DNS_AAAA = 28, DNS_TLSA = 52,
};

enum dns_status {
	DNS_OK = 1,
	DNS_NO_NAME = 2,	/* NXDOMAIN */
	DNS_NO_DATA = 3,
	DNS_FAILED = 4,		/* SERVFAIL, time-out, bogus: try later */
	DNS_INVALID = 5,	/* the name cannot be asked for */
};

#endif
