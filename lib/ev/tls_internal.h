/* SPDX-License-Identifier: ISC */
/* tls_internal - what the files of the TLS layer share. */
#ifndef EV_TLS_INTERNAL_H
#define EV_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "ev/tls.h"

/* Asked wherever OpenSSL looks for an implementation: its own first, so that
 * tls_key.c's are taken only for the keys that were made by it. */
#define TLS_PROPERTIES	"?provider=default"

struct tls_identity;

/* Of certificates, in lower case, sorted. */
struct tls_name {
	char			*name;		/* owned */
	size_t			 identity;	/* which of them has it */
};

struct tls_context {
	unsigned		 refs;
	SSL_CTX			*ssl;		/* owned */
	bool			 server;
	bool			 asks_client;	/* for a certificate */
	const uint8_t		*ticket_keys;	/* borrowed for good */
	char			*alpn;		/* owned; NULL: no name */
	unsigned char		 sessions[32];	/* where they are good */
	struct tls_identity	*identities;	/* owned array */
	size_t			 nidentities;
	struct tls_name		*names;		/* owned array */
	size_t			 nnames;
};

/* A library context of our own, with the default provider and ours. */
OSSL_LIB_CTX	*tls_library(void);

/* tls_identity.c: the certificates of a server. */
int	 tls_identities_load(struct tls_context *,
	    const struct tls_server_config *, struct buf *why);
void	 tls_identities_free(struct tls_context *);
/* For SSL_CTX_set_cert_cb(); arg is the context. */
int	 tls_identity_choose(SSL *, void *arg);

/* tls_key.c: a key that is elsewhere; its public part is that of the
 * certificate.  NULL on failure. */
struct tls_remote_key {
	EVP_PKEY	*public;	/* borrowed while it is made */
	uint32_t	 number;
	tls_sign_fn	 sign;
	void		*sign_arg;
};
#define TLS_PROVIDER	"chasqui"
int	 tls_key_provider(OSSL_LIB_CTX *);
EVP_PKEY *tls_key_new(const struct tls_remote_key *);

/* tls_ticket.c: sessions are sealed with the context's ticket keys. */
void	 tls_tickets_use(struct tls_context *);

/* tls.c: what verification demands; for the context's callback. */
int	 tls_verify(X509_STORE_CTX *, void *);

/* The oldest error of OpenSSL in words, or the text given; the queue is then
 * empty. */
const char *tls_why(const char *otherwise);

#endif
