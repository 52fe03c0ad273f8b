/* SPDX-License-Identifier: ISC */
/* tls_self - see tls_self.h. */
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <stdlib.h>

#include "ev/tls_internal.h"
#include "ev/tls_self.h"

#define DAY_SECONDS	86400

static EVP_PKEY	*make_key(enum tls_self_key);
static int	 fill_in(X509 *, const struct tls_self *, EVP_PKEY *);
static int	 add_names(X509 *, const struct tls_self *);
static int	 write_out(BIO *, struct buf *);

int
tls_self_signed(const struct tls_self *self, struct buf *certificate,
    struct buf *key)
{
	EVP_PKEY *pkey = make_key(self->key);
	X509 *x = X509_new_ex(tls_library(), TLS_PROPERTIES);
	BIO *public = BIO_new(BIO_s_mem()), *private =
	    BIO_new(BIO_s_secmem());
	const EVP_MD *md = self->key == TLS_SELF_ED25519 ? NULL :
	    EVP_sha256();
	int r = -1;

	if (pkey != NULL && x != NULL && public != NULL && private != NULL &&
	    fill_in(x, self, pkey) == 0 && X509_sign(x, pkey, md) > 0 &&
	    PEM_write_bio_X509(public, x) == 1 &&
	    PEM_write_bio_PKCS8PrivateKey(private, pkey, NULL, NULL, 0, NULL,
	    NULL) == 1 && write_out(public, certificate) == 0)
		r = write_out(private, key);
	BIO_free(public);
	BIO_free(private);
	X509_free(x);
	EVP_PKEY_free(pkey);
	return r;
}

static EVP_PKEY *
make_key(enum tls_self_key type)
{
	switch (type) {
	case TLS_SELF_P256:
		return EVP_PKEY_Q_keygen(tls_library(), TLS_PROPERTIES, "EC",
		    "P-256");
	case TLS_SELF_P384:
		return EVP_PKEY_Q_keygen(tls_library(), TLS_PROPERTIES, "EC",
		    "P-384");
	case TLS_SELF_RSA:
		return EVP_PKEY_Q_keygen(tls_library(), TLS_PROPERTIES, "RSA",
		    (size_t)2048);
	case TLS_SELF_ED25519:
		return EVP_PKEY_Q_keygen(tls_library(), TLS_PROPERTIES,
		    "ED25519");
	}
	return NULL;
}

/* Its time begins a day ago, for clocks that are late. */
static int
fill_in(X509 *x, const struct tls_self *self, EVP_PKEY *pkey)
{
	X509_NAME *name = X509_get_subject_name(x);
	const unsigned char *cn = (const void *)self->names[0];
	size_t n = strlen(self->names[0]);
	uint64_t serial;

	arc4random_buf(&serial, sizeof(serial));
	/* A common name has at most 64 characters. */
	if (n <= 64 && X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
	    cn, (int)n, -1, 0) != 1)
		return -1;
	return X509_set_version(x, X509_VERSION_3) == 1 &&
	    ASN1_INTEGER_set_uint64(X509_get_serialNumber(x),
	    serial >> 1 | 1) == 1 &&
	    X509_gmtime_adj(X509_getm_notBefore(x), -(long)DAY_SECONDS *
	    (self->days < 0 ? 1 - self->days : 1)) != NULL &&
	    X509_gmtime_adj(X509_getm_notAfter(x), DAY_SECONDS *
	    self->days) != NULL &&
	    X509_set_issuer_name(x, name) == 1 &&
	    X509_set_pubkey(x, pkey) == 1 ? add_names(x, self) : -1;
}

static int
add_extension(X509 *x, int nid, const char *text)
{
	X509V3_CTX c;
	X509_EXTENSION *e;
	int ok;

	X509V3_set_ctx(&c, x, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &c, nid, text);
	ok = e != NULL && X509_add_ext(x, e, -1) == 1;
	X509_EXTENSION_free(e);
	return ok ? 0 : -1;
}

static int
add_names(X509 *x, const struct tls_self *self)
{
	struct buf text = BUF_INIT(64 * 1024);
	size_t i;
	int r = 0;

	for (i = 0; i < self->nnames; i++)
		r |= buf_printf(&text, "%sDNS:%s", i > 0 ? "," : "",
		    self->names[i]);
	if (self->email != NULL)
		r |= buf_printf(&text, ",email:%s", self->email);
	if (r == 0)
		r = add_extension(x, NID_subject_alt_name, buf_cstr(&text));
	buf_clear(&text);
	if (r == 0)
		r = add_extension(x, NID_basic_constraints,
		    "critical,CA:FALSE");
	return r;
}

static int
write_out(BIO *from, struct buf *to)
{
	char *p;
	long n = BIO_get_mem_data(from, &p);

	return n > 0 ? buf_add(to, slice_of(p, (size_t)n)) : -1;
}
