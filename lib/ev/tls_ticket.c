/* SPDX-License-Identifier: ISC */
/* tls_ticket - session tickets with the keys of ev/tickets.h. */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <stdlib.h>

#include "ev/tickets.h"
#include "ev/tls_internal.h"

enum { TICKET_FAILED = -1, TICKET_UNKNOWN = 0, TICKET_GOOD = 1,
	TICKET_RENEW = 2 };

static int	 ticket_key(SSL *, unsigned char *, unsigned char *,
		    EVP_CIPHER_CTX *, EVP_MAC_CTX *, int);

void
tls_tickets_use(struct tls_context *c)
{
	SSL_CTX_set_tlsext_ticket_key_evp_cb(c->ssl, ticket_key);
}

static int
use_key(const struct ticket_key *key, const unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int sealing)
{
	static EVP_CIPHER *aes;
	struct ticket_key copy = *key;
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, copy.mac,
		    sizeof(copy.mac)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest,
		    0),
		OSSL_PARAM_construct_end(),
	};
	int ok;

	if (aes == NULL)
		aes = EVP_CIPHER_fetch(tls_library(), "AES-256-CBC",
		    TLS_PROPERTIES);
	ok = aes != NULL && EVP_CipherInit_ex2(cipher, aes, copy.cipher, iv,
	    sealing, NULL) && EVP_MAC_CTX_set_params(mac, params);
	explicit_bzero(&copy, sizeof(copy));
	return ok ? TICKET_GOOD : TICKET_FAILED;
}

/* Where the memory cannot be read, tickets are sealed with keys that nobody
 * has, and open nowhere: both sides then do a whole handshake next time. */
static void
nobodys_keys(struct ticket_key keys[TICKET_KEYS])
{
	arc4random_buf(keys, TICKET_KEYS * sizeof(*keys));
}

static int
ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int sealing)
{
	const struct tls_context *c = SSL_CTX_get_app_data(
	    SSL_get_SSL_CTX(ssl));
	struct ticket_key keys[TICKET_KEYS];
	int i, r = TICKET_UNKNOWN;

	if (!tickets_read((const void *)c->ticket_keys, keys))
		nobodys_keys(keys);
	if (sealing) {
		memcpy(name, keys[0].name, sizeof(keys[0].name));
		r = RAND_bytes_ex(tls_library(), iv, 16, 0) == 1 ?
		    use_key(&keys[0], iv, cipher, mac, 1) : TICKET_FAILED;
	} else
		for (i = 0; i < TICKET_KEYS && r == TICKET_UNKNOWN; i++)
			if (CRYPTO_memcmp(name, keys[i].name,
			    sizeof(keys[i].name)) == 0) {
				r = use_key(&keys[i], iv, cipher, mac, 0);
				if (r == TICKET_GOOD && i > 0)
					r = TICKET_RENEW;
			}
	explicit_bzero(keys, sizeof(keys));
	return r;
}
