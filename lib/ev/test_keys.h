/* SPDX-License-Identifier: ISC */
/*
 * test_keys - for unit tests: certificates, and their keys in this process, as
 * `keys` has them in another.  Include cmocka.h first.
 */
#ifndef EV_TEST_KEYS_H
#define EV_TEST_KEYS_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/buf.h"
#include "ev/tls_self.h"

struct test_key {
	struct buf	 chain;		/* PEM */
	EVP_PKEY	*key;		/* owned */
	uint8_t		 fingerprint[32];
};

static inline X509 *
test_key_certificate(const struct test_key *k)
{
	BIO *b = BIO_new_mem_buf(k->chain.p, (int)k->chain.n);
	X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);

	BIO_free(b);
	assert_non_null(x);
	return x;
}

static inline void
test_key_make(struct test_key *k, const struct tls_self *self)
{
	struct buf key = BUF_INIT(65536);
	unsigned n;
	X509 *x;
	BIO *b;

	buf_init(&k->chain, 65536);
	assert_int_equal(tls_self_signed(self, &k->chain, &key), 0);
	b = BIO_new_mem_buf(key.p, (int)key.n);
	k->key = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
	assert_non_null(k->key);
	BIO_free(b);
	buf_clear(&key);
	x = test_key_certificate(k);
	X509_digest(x, EVP_sha256(), k->fingerprint, &n);
	X509_free(x);
}

static inline void
test_key_clear(struct test_key *k)
{
	EVP_PKEY_free(k->key);
	buf_clear(&k->chain);
}

static inline const EVP_MD *
test_key_digest(unsigned scheme)
{
	switch (scheme) {
	case 0x0401: case 0x0403: case 0x0804:
		return EVP_sha256();
	case 0x0501: case 0x0503: case 0x0805:
		return EVP_sha384();
	case 0x0601: case 0x0603: case 0x0806:
		return EVP_sha512();
	default:
		return NULL;
	}
}

/* What tls_sign_fn has to do. */
static inline int
test_key_sign(const struct test_key *k, unsigned scheme, struct slice input,
    struct buf *out)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *c;
	size_t n = 1000;
	int r = -1;

	if (EVP_DigestSignInit(md, &c, test_key_digest(scheme), NULL,
	    k->key) == 1 && (scheme >> 8 != 8 || scheme == 0x0807 ||
	    (EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PSS_PADDING) == 1 &&
	    EVP_PKEY_CTX_set_rsa_pss_saltlen(c, RSA_PSS_SALTLEN_DIGEST) ==
	    1)) && EVP_DigestSign(md, (void *)buf_reserve(out, n), &n,
	    (const void *)input.p, input.n) == 1) {
		out->n += n;
		r = 0;
	}
	EVP_MD_CTX_free(md);
	return r;
}

#endif
