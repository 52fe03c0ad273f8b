/* SPDX-License-Identifier: ISC */
/*
 * jwt - access tokens that are JSON Web Tokens (RFC 7519, RFC 9068), checked
 * against keys that the operator has configured.
 *
 * Nothing of a token is believed before its signature has been checked, but
 * for its issuer and key id, which only choose among configured keys.  The
 * algorithm follows from the key, and a token that names another is false.
 */
#ifndef SASL_JWT_H
#define SASL_JWT_H

#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"

#define JWT_KEYS	16	/* of one provider */
#define JWT_LEEWAY_S	60	/* by how much clocks may differ */
#define JWT_ARENA_BYTES	(256 * 1024)

struct jwt_key {
	struct slice	 id;		/* borrowed; empty: fits any */
	void		*key;		/* owned; EVP_PKEY */
	const char	*algorithm;	/* "RS256", "ES256" or "EdDSA" */
};

struct jwt_provider {
	const char	*issuer;	/* borrowed, as all here */
	const char *const *audiences;	/* one of them */
	size_t		 naudiences;
	const char	*claim;		/* the login */
	const char	*scope;		/* that has to be granted; "" any */
	struct jwt_key	 keys[JWT_KEYS];
	size_t		 nkeys;
};

/* A public key in PEM.  False: it is none, or of no use here (RSA of 2048 bits
 * and more, P-256, Ed25519 are). */
bool	 jwt_key_read(struct jwt_key *, struct slice id, struct slice pem);
void	 jwt_key_clear(struct jwt_key *);

/* NULL where the token is good: *login_r is then in the arena.  Else a word for
 * the log. */
const char *jwt_check(struct slice token, const struct jwt_provider *,
	    size_t n, int64_t now_s, struct arena *, struct slice *login_r);

#endif
