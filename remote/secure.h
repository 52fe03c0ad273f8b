/* SPDX-License-Identifier: ISC */
/*
 * secure - TLS to other hosts: what is demanded, and what is remembered.
 *
 * The policy of a next hop is that of its nexthop block, or remote.tls.
 *
 *	none		in clear
 *	may		TLS where STARTTLS is offered, whatever the certificate;
 *			where it fails, in clear, and for CLEAR_MS without
 *			trying
 *	encrypt		TLS, whatever the certificate
 *	verify		TLS, and a certificate of an authority that has one of
 *			the policy's names
 *	fingerprint	TLS, and one of the certificates that are listed
 *
 * From encrypt on nothing of a message is ever said in clear.  A Unix socket
 * needs none of this and has none.  Names that come from the DNS (MX records)
 * prove nothing, so `verify` does not take them by itself.
 */
#ifndef REMOTE_SECURE_H
#define REMOTE_SECURE_H

#include "next_hop.h"
#include "relay.h"

#define CLEAR_MS	(60 * 60 * 1000) /* a host that failed TLS is spoken
					  * to in clear */
#define SESSIONS	2000		/* TLS sessions kept for resumption */
#define SESSION_BYTES	8192		/* of one; larger ones are not kept */

struct conn;
struct site;

enum secure_level { SECURE_NONE, SECURE_MAY, SECURE_ENCRYPT, SECURE_VERIFY,
	SECURE_FINGERPRINT };

struct secure_policy {
	enum secure_level level;
	char		**names;		/* owned, like the rest */
	size_t		 nnames;
	uint8_t		(*fingerprints)[32];
	size_t		 nfingerprints;
};

/* By the relay's configuration; name is the next hop's text. */
void	 secure_policy_make(struct secure_policy *, const struct relay *,
	    struct slice name, const struct next_hop *);
void	 secure_policy_clear(struct secure_policy *);
bool	 secure_policy_eq(const struct secure_policy *,
	    const struct secure_policy *);

/* The authorities (PEM) of verify, instead of those before. */
void	 secure_authorities(struct relay *, struct slice pem);

/* Begins the handshake; `secured` or `ended` of the stream follows. */
void	 secure_start(struct conn *);
/* "TLSv1.3/verified": how a connection with TLS is protected. */
void	 secure_words(const struct conn *, char *, size_t);

/* The TLS session of a connection for the next one to its host. */
void	 secure_keep(struct conn *);
/* The host's earlier session is of no use. */
void	 secure_forget(struct conn *);
void	 secure_forget_site(struct site *);

#endif
