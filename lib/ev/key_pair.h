/* SPDX-License-Identifier: ISC */
/* key_pair - a private key from a file, and the certificate that it fits. */
#ifndef EV_KEY_PAIR_H
#define EV_KEY_PAIR_H

#include <openssl/evp.h>

#include "base/buf.h"

/*
 * Both files are PEM and are read from their beginning; the descriptors stay
 * the caller's.  NULL and why: one is not what it should be, the key is not
 * RSA of 2048 to 8192 bits, ECDSA or Ed25519, or it is not the key of the
 * chain's first certificate.  The key's text is held in OpenSSL's secure heap,
 * where there is one.
 */
EVP_PKEY *key_pair_read(int key_fd, int chain_fd, struct buf *why);
/* How many seconds the chain's first certificate is still good; 0: no more,
 * or not yet; -1: it cannot be read. */
long	 key_pair_seconds_left(int chain_fd);

#endif
