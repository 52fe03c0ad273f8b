/* SPDX-License-Identifier: ISC */
/* store - see store.h. */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "policy.h"
#include "store.h"

#define FILE_BYTES	(64 * 1024)
#define HEAP_BYTES	(8u * 1024 * 1024)	/* OpenSSL's secure heap */
#define HEAP_PIECE	32
#define RSA_BITS_MIN	2048
#define RSA_BITS_MAX	8192		/* a larger one takes too long */

struct stored_key {
	uint32_t	 number;
	EVP_PKEY	*key;		/* owned */
};

static char	*read_file(int fd, size_t *n_r, struct buf *why);
static EVP_PKEY	*read_key(int fd, struct buf *why);
static EVP_PKEY	*read_public(int fd, struct buf *why);
static int	 check(const EVP_PKEY *, const EVP_PKEY *, struct buf *why);
static const EVP_MD *digest_of(unsigned scheme);
static int	 fits(const EVP_PKEY *, unsigned scheme);

/*
 * OpenSSL's secure heap holds the secret numbers themselves, with guard pages
 * around it and outside of dumps; what is copied from them for a moment is
 * kept from the swap by locking all of the process.
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
	setrlimit(RLIMIT_MEMLOCK, &all);
	return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0 &&
	    heap == 1;
#endif
}

static const char *
why_not(const char *otherwise)
{
	unsigned long e = ERR_peek_last_error();
	const char *reason = e == 0 ? NULL : ERR_reason_error_string(e);

	ERR_clear_error();
	return reason == NULL ? otherwise : reason;
}

/* ---- reading ------------------------------------------------------------- */

/* Into the secure heap; the caller wipes it. */
static char *
read_file(int fd, size_t *n_r, struct buf *why)
{
	struct stat st;
	ssize_t r = 1;
	size_t n = 0;
	char *p;

	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) || st.st_size <= 0 ||
	    st.st_size > FILE_BYTES) {
		buf_add_str(why, "not a file of 1 to 65536 bytes");
		return NULL;
	}
	p = OPENSSL_secure_zalloc(FILE_BYTES);
	while (p != NULL && n < (size_t)st.st_size && r != 0) {
		r = pread(fd, p + n, (size_t)st.st_size - n, (off_t)n);
		if (r == -1 && errno != EINTR)
			break;
		n += r > 0 ? (size_t)r : 0;
	}
	if (p == NULL || n < (size_t)st.st_size) {
		buf_printf(why, "cannot be read: %s", p == NULL ?
		    "no memory" : strerror(errno));
		OPENSSL_secure_clear_free(p, FILE_BYTES);
		return NULL;
	}
	*n_r = n;
	return p;
}

/* There is nobody to ask. */
static int
no_password(char *p, int room, int writing, void *arg)
{
	(void)p;
	(void)room;
	(void)writing;
	(void)arg;
	return -1;
}

static EVP_PKEY *
read_key(int fd, struct buf *why)
{
	size_t n;
	char *text = read_file(fd, &n, why);
	EVP_PKEY *key;
	BIO *in;

	if (text == NULL)
		return NULL;
	in = BIO_new_mem_buf(text, (int)n);
	key = PEM_read_bio_PrivateKey(in, NULL, no_password, NULL);
	BIO_free(in);
	OPENSSL_secure_clear_free(text, FILE_BYTES);
	if (key == NULL)
		buf_printf(why, "no private key (PEM, without a password): %s",
		    why_not("?"));
	return key;
}

static EVP_PKEY *
read_public(int fd, struct buf *why)
{
	size_t n;
	char *text = read_file(fd, &n, why);
	EVP_PKEY *public = NULL;
	X509 *x;
	BIO *in;

	if (text == NULL)
		return NULL;
	in = BIO_new_mem_buf(text, (int)n);
	x = PEM_read_bio_X509(in, NULL, no_password, NULL);
	if (x == NULL || (public = X509_get_pubkey(x)) == NULL)
		buf_printf(why, "no certificate (PEM): %s", why_not("?"));
	X509_free(x);
	BIO_free(in);
	OPENSSL_secure_clear_free(text, FILE_BYTES);
	return public;
}

static int
check(const EVP_PKEY *key, const EVP_PKEY *public, struct buf *why)
{
	int bits = EVP_PKEY_get_bits(key);

	if (EVP_PKEY_is_a(key, "RSA") && (bits < RSA_BITS_MIN ||
	    bits > RSA_BITS_MAX)) {
		buf_printf(why, "an RSA key of %d bits: %d to %d are taken",
		    bits, RSA_BITS_MIN, RSA_BITS_MAX);
		return -1;
	}
	if (!EVP_PKEY_is_a(key, "RSA") && !EVP_PKEY_is_a(key, "EC") &&
	    !EVP_PKEY_is_a(key, "ED25519")) {
		buf_add_str(why, "the key is neither RSA nor ECDSA nor "
		    "Ed25519");
		return -1;
	}
	if (EVP_PKEY_eq(key, public) != 1) {
		ERR_clear_error();
		buf_add_str(why, "the key does not fit the certificate");
		return -1;
	}
	return 0;
}

int
store_add(struct store *s, uint32_t number, int key_fd, int chain_fd,
    struct buf *why)
{
	EVP_PKEY *key = read_key(key_fd, why), *public = NULL;
	int r = -1;

	if (s->n == STORE_KEYS)
		buf_add_str(why, "too many keys");
	else if (key != NULL && (public = read_public(chain_fd, why)) != NULL)
		r = check(key, public, why);
	EVP_PKEY_free(public);
	if (r == -1) {
		EVP_PKEY_free(key);
		return -1;
	}
	store_drop(s, number);
	s->v = mem_regrow(s->v, s->n + 1, sizeof(*s->v));
	s->v[s->n++] = (struct stored_key){ number, key };
	return 0;
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
