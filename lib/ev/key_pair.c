/* SPDX-License-Identifier: ISC */
/* key_pair - see key_pair.h. */
#include <sys/stat.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <errno.h>
#include <unistd.h>

#include "ev/key_pair.h"

#define FILE_BYTES	(64 * 1024)
#define RSA_BITS_MIN	2048
#define RSA_BITS_MAX	8192		/* a larger one takes too long */

static char	*read_file(int fd, size_t *n_r, struct buf *why);
static EVP_PKEY	*read_key(int fd, struct buf *why);
static X509	*read_certificate(int fd, struct buf *why);
static int	 check(const EVP_PKEY *, const EVP_PKEY *, struct buf *why);

EVP_PKEY *
key_pair_read(int key_fd, int chain_fd, struct buf *why)
{
	EVP_PKEY *key = read_key(key_fd, why);
	X509 *x = key == NULL ? NULL : read_certificate(chain_fd, why);

	if (x == NULL || check(key, X509_get0_pubkey(x), why) == -1) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	X509_free(x);
	ERR_clear_error();
	return key;
}

long
key_pair_seconds_left(int chain_fd)
{
	struct buf why = BUF_INIT(1000);
	X509 *x = read_certificate(chain_fd, &why);
	int days = 0, seconds = 0;
	long left = -1;

	if (x != NULL && ASN1_TIME_diff(&days, &seconds, NULL,
	    X509_get0_notAfter(x)) == 1)
		left = (long)days * 86400 + seconds;
	if (x != NULL && (left < 0 ||
	    X509_cmp_current_time(X509_get0_notBefore(x)) > 0))
		left = 0;
	X509_free(x);
	buf_clear(&why);
	return left;
}

static const char *
why_not(const char *otherwise)
{
	unsigned long e = ERR_peek_last_error();
	const char *reason = e == 0 ? NULL : ERR_reason_error_string(e);

	ERR_clear_error();
	return reason == NULL ? otherwise : reason;
}

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

static X509 *
read_certificate(int fd, struct buf *why)
{
	size_t n;
	char *text = read_file(fd, &n, why);
	X509 *x;
	BIO *in;

	if (text == NULL)
		return NULL;
	in = BIO_new_mem_buf(text, (int)n);
	x = PEM_read_bio_X509(in, NULL, no_password, NULL);
	if (x == NULL)
		buf_printf(why, "no certificate (PEM): %s", why_not("?"));
	BIO_free(in);
	OPENSSL_secure_clear_free(text, FILE_BYTES);
	return x;
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
	if (public == NULL || EVP_PKEY_eq(key, public) != 1) {
		ERR_clear_error();
		buf_add_str(why, "the key does not fit the certificate");
		return -1;
	}
	return 0;
}
