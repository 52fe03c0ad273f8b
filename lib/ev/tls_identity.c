/* SPDX-License-Identifier: ISC */
/*
 * tls_identity - a server's certificates, and which of them a client gets.
 *
 * Of those that have the name that the client asks for, the first of each type
 * of key is given to OpenSSL, which takes the one that the client can check:
 * ECDSA and RSA stand side by side.  A client that asks for no name, or for
 * one that nobody has, gets what asking for the first certificate's name
 * would bring: mail clients that find a wrong name can say so themselves.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <stdlib.h>

#include "base/mem.h"
#include "ev/tls_internal.h"

#define CHAIN_MAX	16	/* certificates in a file */
#define NAMES_MAX	10000	/* of one certificate */
#define TYPES		3	/* of keys */

struct tls_identity {
	X509		*leaf;
	STACK_OF(X509)	*chain;		/* without the leaf */
	EVP_PKEY	*key;		/* tls_key.c's */
	int		 type;
	char		*first_name;	/* owned; NULL: it has none */
};

static int	 load(struct tls_context *, struct tls_identity *,
		    const struct tls_certificate *,
		    const struct tls_server_config *, struct buf *);
static int	 read_chain(struct tls_identity *, struct slice, struct buf *);
static int	 add_names(struct tls_context *, struct tls_identity *);
static void	 add_name(struct tls_context *, struct tls_identity *,
		    const ASN1_STRING *);
static int	 name_cmp(const void *, const void *);
static size_t	 find(const struct tls_context *, const char *,
		    const struct tls_identity *[TYPES]);
static int	 use(SSL *, const struct tls_identity *);

/* ---- loading ------------------------------------------------------------- */

int
tls_identities_load(struct tls_context *c,
    const struct tls_server_config *config, struct buf *why)
{
	size_t i;

	c->identities = mem_array(config->ncertificates,
	    sizeof(*c->identities));
	for (i = 0; i < config->ncertificates; i++) {
		c->nidentities = i + 1;
		if (load(c, &c->identities[i], &config->certificates[i],
		    config, why) == -1)
			return -1;
	}
	qsort(c->names, c->nnames, sizeof(*c->names), name_cmp);
	return 0;
}

static int
load(struct tls_context *c, struct tls_identity *id,
    const struct tls_certificate *certificate,
    const struct tls_server_config *config, struct buf *why)
{
	struct tls_remote_key key = { .number = certificate->key,
		.sign = config->sign, .sign_arg = config->sign_arg };
	SSL *probe;
	int r;

	if (read_chain(id, certificate->chain, why) == -1)
		return -1;
	key.public = X509_get0_pubkey(id->leaf);
	if (key.public == NULL || (id->key = tls_key_new(&key)) == NULL) {
		buf_printf(why, "the certificate's key is of no known type "
		    "(%s)", tls_why("RSA, ECDSA and Ed25519 are"));
		return -1;
	}
	id->type = EVP_PKEY_get_base_id(key.public);
	if (add_names(c, id) == -1) {
		buf_add_str(why, "the certificate has too many names");
		return -1;
	}
	/* What a handshake would stumble over is told now. */
	probe = SSL_new(c->ssl);
	r = probe == NULL ? -1 : use(probe, id);
	SSL_free(probe);
	if (r == -1)
		buf_printf(why, "the certificate cannot be used: %s",
		    tls_why("?"));
	return r;
}

static int
read_chain(struct tls_identity *id, struct slice pem, struct buf *why)
{
	BIO *in = BIO_new_mem_buf(pem.p, (int)pem.n);
	X509 *x;
	int n;

	id->chain = sk_X509_new_null();
	for (n = 0; in != NULL && n <= CHAIN_MAX; n++) {
		x = X509_new_ex(tls_library(), TLS_PROPERTIES);
		if (x == NULL || PEM_read_bio_X509(in, &x, NULL, NULL) ==
		    NULL) {
			X509_free(x);
			break;
		}
		if (n == 0)
			id->leaf = x;
		else if (sk_X509_push(id->chain, x) == 0)
			X509_free(x);
	}
	if (n > CHAIN_MAX)
		buf_printf(why, "more than %d certificates in one file",
		    CHAIN_MAX);
	else if (n == 0)
		buf_printf(why, "no certificate: %s", tls_why("empty"));
	ERR_clear_error();
	BIO_free(in);
	return n == 0 || n > CHAIN_MAX ? -1 : 0;
}

/* The alternative names; only without any the common name (RFC 6125 section
 * 6.4.4). */
static int
add_names(struct tls_context *c, struct tls_identity *id)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(id->leaf,
	    NID_subject_alt_name, NULL, NULL);
	X509_NAME *subject = X509_get_subject_name(id->leaf);
	const GENERAL_NAME *name;
	int i, n = sk_GENERAL_NAME_num(names);

	for (i = 0; i < n && i < NAMES_MAX; i++) {
		name = sk_GENERAL_NAME_value(names, i);
		if (name->type == GEN_DNS)
			add_name(c, id, name->d.dNSName);
	}
	GENERAL_NAMES_free(names);
	if (n > NAMES_MAX)
		return -1;
	i = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	if (id->first_name == NULL && i >= 0)
		add_name(c, id, X509_NAME_ENTRY_get_data(
		    X509_NAME_get_entry(subject, i)));
	return 0;
}

static void
add_name(struct tls_context *c, struct tls_identity *id,
    const ASN1_STRING *text)
{
	struct slice s = slice_of(ASN1_STRING_get0_data(text),
	    (size_t)ASN1_STRING_length(text));
	char *name;
	size_t i;

	if (s.n == 0 || slice_find(s, '\0') < s.n)
		return;
	name = mem_slicedup(s);
	for (i = 0; i < s.n; i++)
		name[i] = ascii_lower(name[i]);
	if (id->first_name == NULL)
		id->first_name = mem_strdup(name);
	c->names = mem_regrow(c->names, c->nnames + 1, sizeof(*c->names));
	c->names[c->nnames++] = (struct tls_name){ name,
		(size_t)(id - c->identities) };
}

static int
name_cmp(const void *va, const void *vb)
{
	const struct tls_name *a = va, *b = vb;
	int r = strcmp(a->name, b->name);

	return r != 0 ? r : a->identity < b->identity ? -1 :
	    a->identity > b->identity;
}

void
tls_identities_free(struct tls_context *c)
{
	struct tls_identity *id;
	size_t i;

	for (i = 0; i < c->nidentities; i++) {
		id = &c->identities[i];
		X509_free(id->leaf);
		sk_X509_pop_free(id->chain, X509_free);
		EVP_PKEY_free(id->key);
		free(id->first_name);
	}
	free(c->identities);
	for (i = 0; i < c->nnames; i++)
		free(c->names[i].name);
	free(c->names);
}

/* ---- choosing ------------------------------------------------------------ */

int
tls_identity_choose(SSL *ssl, void *arg)
{
	const struct tls_context *c = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	const struct tls_identity *found[TYPES];
	size_t i, n = 0;

	if (name != NULL)
		n = find(c, name, found);
	if (n == 0 && c->identities[0].first_name != NULL)
		n = find(c, c->identities[0].first_name, found);
	if (n == 0)
		found[n++] = &c->identities[0];
	SSL_certs_clear(ssl);
	for (i = 0; i < n; i++)
		if (use(ssl, found[i]) == -1)
			return 0;
	return 1;
}

/* The first of each type that has exactly this name. */
static size_t
find_exact(const struct tls_context *c, const char *name,
    const struct tls_identity *found[TYPES])
{
	size_t low = 0, high = c->nnames, middle, i, n = 0;
	const struct tls_identity *id;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (strcmp(c->names[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < c->nnames && strcmp(c->names[low].name, name) == 0;
	    low++) {
		id = &c->identities[c->names[low].identity];
		for (i = 0; i < n && found[i]->type != id->type; i++)
			;
		if (i == n && n < TYPES)
			found[n++] = id;
	}
	return n;
}

/* The name itself, then *.its-domain (RFC 6125 section 6.4.3). */
static size_t
find(const struct tls_context *c, const char *asked,
    const struct tls_identity *found[TYPES])
{
	char name[256], *dot;
	size_t i, n = strlen(asked);

	if (n == 0 || n >= sizeof(name))
		return 0;
	for (i = 0; i <= n; i++)
		name[i] = ascii_lower(asked[i]);
	if (name[n - 1] == '.')
		name[n - 1] = '\0';
	n = find_exact(c, name, found);
	dot = strchr(name, '.');
	if (n > 0 || dot == NULL || dot == name)
		return n;
	dot[-1] = '*';
	return find_exact(c, dot - 1, found);
}

static int
use(SSL *ssl, const struct tls_identity *id)
{
	return SSL_use_cert_and_key(ssl, id->leaf, id->key, id->chain, 1) ==
	    1 ? 0 : -1;
}
