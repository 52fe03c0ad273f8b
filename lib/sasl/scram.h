/* SPDX-License-Identifier: ISC */
/* scram - the arithmetic of RFC 5802 and RFC 7677, and stored keys as text. */
#ifndef SASL_SCRAM_H
#define SASL_SCRAM_H

#include "sasl/sasl.h"

#define SCRAM_SALT_BYTES	64	/* the longest that is read */
#define SCRAM_NEW_SALT_BYTES	16
/* RFC 7677 asks for 4096 at least; clients count, not we. */
#define SCRAM_ITERATIONS	10000
#define SCRAM_ITERATIONS_MAX	1000000
#define SCRAM_TEXT_BYTES	512	/* of keys as text */

struct scram_keys {
	enum sasl_hash	 hash;
	uint32_t	 iterations;
	size_t		 nsalt;
	uint8_t		 salt[SCRAM_SALT_BYTES];
	uint8_t		 stored[SASL_HASH_BYTES];
	uint8_t		 server[SASL_HASH_BYTES];
};

size_t	 scram_hash_bytes(enum sasl_hash);
/* The password is prepared (sasl_prep).  -1: the library failed. */
int	 scram_keys_make(struct scram_keys *, enum sasl_hash,
	    struct slice password, struct slice salt, uint32_t iterations);
/* Whether the proof was made by one who knows the password; the signature
 * (scram_hash_bytes()) proves to him that we know it. */
bool	 scram_check(const struct scram_keys *, struct slice auth_message,
	    struct slice proof, uint8_t signature_r[SASL_HASH_BYTES]);
/* Whether it is the password that the keys were made from. */
bool	 scram_check_password(const struct scram_keys *, struct slice password);

/* "ITERATIONS,SALT,STOREDKEY,SERVERKEY", base64: the form that others have
 * after {SCRAM-SHA-256}. */
int	 scram_keys_write(struct buf *, const struct scram_keys *);
bool	 scram_keys_parse(struct slice, enum sasl_hash, struct scram_keys *);

#endif
