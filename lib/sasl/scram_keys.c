/* SPDX-License-Identifier: ISC */
/* scram_keys - see scram.h. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/base64.h"
#include "base/num.h"
#include "sasl/scram.h"

static const EVP_MD *digest(enum sasl_hash);
static bool	 mac(enum sasl_hash, const uint8_t *key, struct slice,
		    uint8_t *out);
static bool	 hash_of(enum sasl_hash, const uint8_t *, uint8_t *out);
static bool	 derive(struct scram_keys *, struct slice password);
static bool	 take_base64(struct slice *rest, uint8_t *, size_t min,
		    size_t max, size_t *n_r);

static const EVP_MD *
digest(enum sasl_hash h)
{
	return h == SASL_SHA_1 ? EVP_sha1() : EVP_sha256();
}

size_t
scram_hash_bytes(enum sasl_hash h)
{
	return h == SASL_SHA_1 ? 20 : 32;
}

static bool
mac(enum sasl_hash h, const uint8_t *key, struct slice s, uint8_t *out)
{
	unsigned n = 0;

	return HMAC(digest(h), key, (int)scram_hash_bytes(h),
	    (const unsigned char *)s.p, s.n, out, &n) != NULL;
}

static bool
hash_of(enum sasl_hash h, const uint8_t *in, uint8_t *out)
{
	return EVP_Digest(in, scram_hash_bytes(h), out, NULL, digest(h),
	    NULL) == 1;
}

/* RFC 5802 section 3: from SaltedPassword to StoredKey and ServerKey. */
static bool
derive(struct scram_keys *k, struct slice password)
{
	uint8_t salted[SASL_HASH_BYTES], client[SASL_HASH_BYTES];
	bool ok;

	ok = PKCS5_PBKDF2_HMAC(password.p, (int)password.n, k->salt,
	    (int)k->nsalt, (int)k->iterations, digest(k->hash),
	    (int)scram_hash_bytes(k->hash), salted) == 1 &&
	    mac(k->hash, salted, SLICE_LIT("Client Key"), client) &&
	    hash_of(k->hash, client, k->stored) &&
	    mac(k->hash, salted, SLICE_LIT("Server Key"), k->server);
	explicit_bzero(salted, sizeof(salted));
	explicit_bzero(client, sizeof(client));
	return ok;
}

int
scram_keys_make(struct scram_keys *k, enum sasl_hash h, struct slice password,
    struct slice salt, uint32_t iterations)
{
	*k = (struct scram_keys){ .hash = h, .iterations = iterations,
		.nsalt = salt.n };
	if (salt.n == 0 || salt.n > sizeof(k->salt) || password.n > INT32_MAX ||
	    iterations == 0 || iterations > SCRAM_ITERATIONS_MAX)
		return -1;
	memcpy(k->salt, salt.p, salt.n);
	return derive(k, password) ? 0 : -1;
}

bool
scram_check(const struct scram_keys *k, struct slice message,
    struct slice proof, uint8_t signature_r[SASL_HASH_BYTES])
{
	size_t n = scram_hash_bytes(k->hash), i;
	uint8_t key[SASL_HASH_BYTES], stored[SASL_HASH_BYTES];
	bool good;

	if (proof.n != n || !mac(k->hash, k->stored, message, key))
		return false;
	for (i = 0; i < n; i++)
		key[i] ^= (uint8_t)proof.p[i];
	good = hash_of(k->hash, key, stored) &&
	    CRYPTO_memcmp(stored, k->stored, n) == 0 &&
	    mac(k->hash, k->server, message, signature_r);
	explicit_bzero(key, sizeof(key));
	return good;
}

bool
scram_check_password(const struct scram_keys *k, struct slice password)
{
	struct scram_keys made = *k;
	bool good = password.n <= INT32_MAX && derive(&made, password) &&
	    CRYPTO_memcmp(made.stored, k->stored,
	    scram_hash_bytes(k->hash)) == 0;

	explicit_bzero(&made, sizeof(made));
	return good;
}

/* ---- as text ------------------------------------------------------------- */

int
scram_keys_write(struct buf *b, const struct scram_keys *k)
{
	size_t n = scram_hash_bytes(k->hash);
	int r = buf_printf(b, "%u,", k->iterations);

	r |= b64_encode(b, slice_of(k->salt, k->nsalt));
	r |= buf_add_byte(b, ',');
	r |= b64_encode(b, slice_of(k->stored, n));
	r |= buf_add_byte(b, ',');
	r |= b64_encode(b, slice_of(k->server, n));
	return r == 0 ? 0 : -1;
}

static bool
take_base64(struct slice *rest, uint8_t *to, size_t min, size_t max,
    size_t *n_r)
{
	struct buf b = BUF_INIT(SCRAM_TEXT_BYTES);
	struct slice part;
	bool ok = slice_next(rest, ',', &part) && b64_decode(part, &b) &&
	    b.n >= min && b.n <= max;

	if (ok) {
		memcpy(to, b.p, b.n);
		*n_r = b.n;
	}
	buf_clear(&b);
	return ok;
}

bool
scram_keys_parse(struct slice s, enum sasl_hash h, struct scram_keys *k_r)
{
	struct scram_keys k = { .hash = h };
	size_t n = scram_hash_bytes(h), got;
	struct slice number;
	uint64_t iterations;

	if (s.n > SCRAM_TEXT_BYTES || !slice_next(&s, ',', &number) ||
	    !slice_to_u64(number, 1, SCRAM_ITERATIONS_MAX, &iterations) ||
	    !take_base64(&s, k.salt, 1, sizeof(k.salt), &k.nsalt) ||
	    !take_base64(&s, k.stored, n, n, &got) ||
	    !take_base64(&s, k.server, n, n, &got) || s.p != NULL)
		return false;
	k.iterations = (uint32_t)iterations;
	*k_r = k;
	return true;
}
