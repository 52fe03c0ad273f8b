/* SPDX-License-Identifier: ISC */
/* store - see store.h. */
#include <sys/mman.h>
#include <sys/resource.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ev/key_pair.h"
#include "policy.h"
#include "store.h"

#define HEAP_BYTES	(4u * 1024 * 1024)	/* OpenSSL's secure heap */
#define HEAP_PIECE	32

struct stored_key {
	uint32_t	 number;
	EVP_PKEY	*key;		/* owned */
	int64_t		 end;		/* of its certificate */
};

static const EVP_MD *digest_of(unsigned scheme);
static int	 fits(const EVP_PKEY *, unsigned scheme);

/*
 * OpenSSL's secure heap holds the secret numbers themselves, with guard pages
 * around it and outside of dumps.  What is copied from them for a moment is
 * kept from the swap by locking all of the process; where the limit cannot be
 * raised, only what there is now, or new memory could not be had at all.
 */
bool
store_lock_memory(void)
{
	static const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	int heap = CRYPTO_secure_malloc_init(HEAP_BYTES, HEAP_PIECE);

#ifdef SANITIZED	/* whose shadow memory is not to be locked */
	(void)all;
	return heap == 1;
#else
	if (setrlimit(RLIMIT_MEMLOCK, &all) == 0)
		mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
	else
		mlockall(MCL_CURRENT | MCL_ONFAULT);
	return heap == 1;
#endif
}

int
store_add(struct store *s, uint32_t number, int key_fd, int chain_fd,
    struct buf *why)
{
	EVP_PKEY *key;
	long left;

	if (s->n == STORE_KEYS) {
		buf_add_str(why, "too many keys");
		return -1;
	}
	key = key_pair_read(key_fd, chain_fd, why);
	if (key == NULL)
		return -1;
	store_drop(s, number);
	s->v = mem_regrow(s->v, s->n + 1, sizeof(*s->v));
	left = key_pair_seconds_left(chain_fd);
	s->v[s->n++] = (struct stored_key){ number, key,
		clock_wall_ms() / 1000 + (left > 0 ? left : 0) };
	return 0;
}

int64_t
store_first_end(const struct store *s)
{
	int64_t first = 0;
	size_t i;

	for (i = 0; i < s->n; i++)
		if (first == 0 || s->v[i].end < first)
			first = s->v[i].end;
	return first;
}

void
store_drop(struct store *s, uint32_t number)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (s->v[i].number == number) {
			EVP_PKEY_free(s->v[i].key);
			s->v[i] = s->v[--s->n];
			return;
		}
}

void
store_clear(struct store *s)
{
	while (s->n > 0)
		EVP_PKEY_free(s->v[--s->n].key);
	free(s->v);
	s->v = NULL;
}

/* ---- signing ------------------------------------------------------------- */

static const EVP_MD *
digest_of(unsigned scheme)
{
	switch ((enum keys_scheme)scheme) {
	case KEYS_RSA_SHA256:
	case KEYS_ECDSA_SHA256:
	case KEYS_PSS_SHA256:
		return EVP_sha256();
	case KEYS_RSA_SHA384:
	case KEYS_ECDSA_SHA384:
	case KEYS_PSS_SHA384:
		return EVP_sha384();
	case KEYS_RSA_SHA512:
	case KEYS_ECDSA_SHA512:
	case KEYS_PSS_SHA512:
		return EVP_sha512();
	case KEYS_ED25519:
		break;
	}
	return NULL;
}

static bool
is_pss(unsigned scheme)
{
	return scheme == KEYS_PSS_SHA256 || scheme == KEYS_PSS_SHA384 ||
	    scheme == KEYS_PSS_SHA512;
}

static int
fits(const EVP_PKEY *key, unsigned scheme)
{
	if (scheme == KEYS_ED25519)
		return EVP_PKEY_is_a(key, "ED25519");
	return EVP_PKEY_is_a(key, (scheme & 0xff) == 3 ? "EC" : "RSA");
}

int
store_sign(const struct store *s, uint32_t number, unsigned scheme,
    struct slice input, struct buf *signature)
{
	EVP_PKEY *key = NULL;
	EVP_PKEY_CTX *c;
	EVP_MD_CTX *md;
	size_t i, n = KEYS_SIGNATURE_BYTES;
	unsigned char *room;
	int r = KEYS_FAILED;

	for (i = 0; i < s->n && key == NULL; i++)
		if (s->v[i].number == number)
			key = s->v[i].key;
	if (key == NULL)
		return KEYS_UNKNOWN;
	if (!policy_allows(scheme, input))
		return KEYS_NOT_TLS;
	md = EVP_MD_CTX_new();
	room = (void *)buf_reserve(signature, n);
	if (md != NULL && room != NULL && fits(key, scheme) &&
	    EVP_DigestSignInit(md, &c, digest_of(scheme), NULL, key) == 1 &&
	    (!is_pss(scheme) ||
	    (EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PSS_PADDING) == 1 &&
	    EVP_PKEY_CTX_set_rsa_pss_saltlen(c, RSA_PSS_SALTLEN_DIGEST) ==
	    1)) && EVP_DigestSign(md, room, &n, (const void *)input.p,
	    input.n) == 1) {
		signature->n += n;
		r = 0;
	}
	ERR_clear_error();
	EVP_MD_CTX_free(md);
	return r;
}
