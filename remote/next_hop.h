/* SPDX-License-Identifier: ISC */
/*
 * next_hop - the text of a next hop, taken apart.
 *
 *	example.org		the MX hosts of example.org
 *	example.org:2525	the same, at that port
 *	[mail.example.org]	that host; [mail.example.org]:2525
 *	[192.0.2.1]:2525	that address; [IPv6:2001:db8::1], [2001:db8::1]
 *	smtps:[host]:port	TLS from the first byte; smtps:host is the same
 *	lmtp:[host]:port	LMTP to that host; lmtp:host:port is the same
 *	lmtp:/run/lmtp.sock	LMTP to a Unix socket
 */
#ifndef REMOTE_NEXT_HOP_H
#define REMOTE_NEXT_HOP_H

#include <stdint.h>

#include "base/slice.h"

#define SMTPS_PORT	465	/* RFC 8314 section 7.3: submissions */
#define LMTP_PORT	24	/* what the field uses; RFC 2033 names none */

enum hop_kind { HOP_MX = 1, HOP_HOST, HOP_ADDRESS, HOP_SOCKET };

struct next_hop {
	enum hop_kind	 kind;
	bool		 lmtp;
	bool		 smtps;
	struct slice	 host;		/* domain, host, or path; borrowed */
	uint16_t	 port;		/* 0: not given */
	uint8_t		 address[16];	/* HOP_ADDRESS; IPv4 mapped */
};

bool	 next_hop_parse(struct slice, struct next_hop *);

#endif
