/* SPDX-License-Identifier: ISC */
/*
 * tls_key - an OpenSSL provider for private keys that are in another process.
 *
 * A key has the public part, a number, and a function that signs.  Such a key
 * looks to libssl like any RSA, EC or Ed25519 key; it cannot be exported, so
 * OpenSSL comes here for each signature, with all that is to be signed.  The
 * scheme sent along is TLS's number for the key's type, digest and padding.
 */
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>

#include "base/mem.h"
#include "ev/tls_internal.h"

#define PROPERTIES	"provider=" TLS_PROVIDER
#define KEY_PARAM	"chasqui-key"	/* a struct tls_remote_key */
#define SIGNATURE_BYTES	2048

enum kind { RSA_KIND, EC_KIND, ED_KIND };
static const char *const kind_names[] = { "RSA", "EC", "ED25519" };

struct remote {
	enum kind		 kind;
	struct tls_remote_key	 key;	/* .public: owned */
};

struct signing {
	const struct remote	*remote;	/* libssl holds the key */
	char			 digest[32];
	bool			 pss;
};

/* ---- keys ---------------------------------------------------------------- */

static struct remote *
remote_new(enum kind kind)
{
	struct remote *r = mem_alloc(sizeof(*r));

	r->kind = kind;
	return r;
}

static void *
rsa_new(void *provider)
{
	(void)provider;
	return remote_new(RSA_KIND);
}

static void *
ec_new(void *provider)
{
	(void)provider;
	return remote_new(EC_KIND);
}

static void *
ed_new(void *provider)
{
	(void)provider;
	return remote_new(ED_KIND);
}

static void
remote_free(void *data)
{
	struct remote *r = data;

	if (r == NULL)
		return;
	EVP_PKEY_free(r->key.public);
	free(r);
}

/* Of ours, or the public part of another provider's key, to be compared. */
static int
remote_import(void *data, int selection, const OSSL_PARAM params[])
{
	const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, KEY_PARAM);
	struct remote *r = data;
	EVP_PKEY_CTX *c;
	OSSL_PARAM *copy;
	int ok;

	(void)selection;
	if (p != NULL) {
		if (p->data_size != sizeof(r->key))
			return 0;
		memcpy(&r->key, p->data, sizeof(r->key));
		return EVP_PKEY_up_ref(r->key.public);
	}
	c = EVP_PKEY_CTX_new_from_name(tls_library(), kind_names[r->kind],
	    "provider=default");
	copy = OSSL_PARAM_dup(params);
	ok = c != NULL && copy != NULL && EVP_PKEY_fromdata_init(c) == 1 &&
	    EVP_PKEY_fromdata(c, &r->key.public, EVP_PKEY_PUBLIC_KEY,
	    copy) == 1;
	OSSL_PARAM_free(copy);
	EVP_PKEY_CTX_free(c);
	return ok;
}

/* A whole key is not to be had: who wants to sign with it has to ask us. */
static int
remote_export(void *data, int selection, OSSL_CALLBACK *callback, void *arg)
{
	struct remote *r = data;
	OSSL_PARAM *params = NULL;
	int ok;

	if (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY)
		return 0;
	ok = EVP_PKEY_todata(r->key.public, selection, &params) == 1 &&
	    callback(params, arg);
	OSSL_PARAM_free(params);
	return ok;
}

static const OSSL_PARAM *
remote_types(int selection)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_octet_string(KEY_PARAM, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
		OSSL_PARAM_END
	};

	(void)selection;
	return types;
}

static int
remote_has(const void *data, int selection)
{
	const struct remote *r = data;

	(void)selection;
	return r->key.public != NULL;
}

static int
remote_match(const void *a, const void *b, int selection)
{
	const struct remote *ra = a, *rb = b;

	(void)selection;
	return EVP_PKEY_eq(ra->key.public, rb->key.public) == 1;
}

static int
remote_get_params(void *data, OSSL_PARAM params[])
{
	struct remote *r = data;

	return EVP_PKEY_get_params(r->key.public, params);
}

static const OSSL_PARAM *
remote_gettable(void *provider)
{
	static const OSSL_PARAM gettable[] = {
		OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_END
	};

	(void)provider;
	return gettable;
}

static const char *
ec_operation(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

/* ---- signatures ---------------------------------------------------------- */

static void *
signing_new(void *provider, const char *properties)
{
	(void)provider;
	(void)properties;
	return mem_alloc(sizeof(struct signing));
}

static int
signing_set_params(void *data, const OSSL_PARAM params[])
{
	const OSSL_PARAM *p = OSSL_PARAM_locate_const(params,
	    OSSL_SIGNATURE_PARAM_PAD_MODE);
	struct signing *s = data;
	const char *word;
	int number;

	if (p == NULL)
		return 1;
	if (p->data_type == OSSL_PARAM_UTF8_STRING) {
		if (!OSSL_PARAM_get_utf8_string_ptr(p, &word))
			return 0;
		s->pss = strcmp(word, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0;
		return 1;
	}
	if (!OSSL_PARAM_get_int(p, &number))
		return 0;
	s->pss = number == RSA_PKCS1_PSS_PADDING;
	return 1;
}

/* The length of a PSS salt is that of the digest in all of TLS. */
static const OSSL_PARAM *
signing_settable(void *data, void *provider)
{
	static const OSSL_PARAM settable[] = {
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL,
		    0),
		OSSL_PARAM_END
	};

	(void)data;
	(void)provider;
	return settable;
}

static int
signing_init(void *data, const char *digest, void *key,
    const OSSL_PARAM params[])
{
	struct signing *s = data;

	s->remote = key;
	s->pss = false;
	strlcpy(s->digest, digest == NULL ? "" : digest, sizeof(s->digest));
	return params == NULL || signing_set_params(s, params);
}

/* RFC 8446 section 4.2.3; 0: TLS has none. */
static unsigned
scheme_of(const struct signing *s)
{
	static const struct {
		enum kind	 kind;
		bool		 pss;
		const char	*digest, *other;
		unsigned	 scheme;
	} schemes[] = {
		{ RSA_KIND, true, "SHA256", "SHA2-256", 0x0804 },
		{ RSA_KIND, true, "SHA384", "SHA2-384", 0x0805 },
		{ RSA_KIND, true, "SHA512", "SHA2-512", 0x0806 },
		{ RSA_KIND, false, "SHA256", "SHA2-256", 0x0401 },
		{ RSA_KIND, false, "SHA384", "SHA2-384", 0x0501 },
		{ RSA_KIND, false, "SHA512", "SHA2-512", 0x0601 },
		{ EC_KIND, false, "SHA256", "SHA2-256", 0x0403 },
		{ EC_KIND, false, "SHA384", "SHA2-384", 0x0503 },
		{ EC_KIND, false, "SHA512", "SHA2-512", 0x0603 },
		{ ED_KIND, false, "", "", 0x0807 },
	};
	size_t i;

	for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (schemes[i].kind == s->remote->kind &&
		    schemes[i].pss == s->pss &&
		    (strcasecmp(schemes[i].digest, s->digest) == 0 ||
		    strcasecmp(schemes[i].other, s->digest) == 0))
			return schemes[i].scheme;
	return 0;
}

static int
signing_sign(void *data, unsigned char *out, size_t *n, size_t room,
    const unsigned char *input, size_t ninput)
{
	struct signing *s = data;
	const struct tls_remote_key *key = &s->remote->key;
	int size = EVP_PKEY_get_size(key->public);
	struct buf signature;
	unsigned scheme;
	int ok;

	if (size <= 0 || size > SIGNATURE_BYTES)
		return 0;
	*n = (size_t)size;
	if (out == NULL)
		return 1;
	scheme = scheme_of(s);
	if (scheme == 0 || key->sign == NULL)
		return 0;
	buf_init(&signature, SIGNATURE_BYTES);
	ok = key->sign(key->sign_arg, key->number, scheme,
	    slice_of(input, ninput), &signature) == 0 &&
	    signature.n > 0 && signature.n <= room;
	if (ok) {
		memcpy(out, signature.p, signature.n);
		*n = signature.n;
	} else
		ERR_raise_data(ERR_LIB_USER, ERR_R_INTERNAL_ERROR,
		    "the private key is not to be had");
	buf_clear(&signature);
	return ok;
}

/* ---- the provider -------------------------------------------------------- */

#define FN(id, fn)	{ id, (void (*)(void))(fn) }
#define KEY_FUNCTIONS							\
	FN(OSSL_FUNC_KEYMGMT_FREE, remote_free),			\
	FN(OSSL_FUNC_KEYMGMT_IMPORT, remote_import),			\
	FN(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, remote_types),		\
	FN(OSSL_FUNC_KEYMGMT_EXPORT, remote_export),			\
	FN(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, remote_types),		\
	FN(OSSL_FUNC_KEYMGMT_HAS, remote_has),				\
	FN(OSSL_FUNC_KEYMGMT_MATCH, remote_match),			\
	FN(OSSL_FUNC_KEYMGMT_GET_PARAMS, remote_get_params),		\
	FN(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, remote_gettable)

static const OSSL_DISPATCH rsa_keys[] = {
	FN(OSSL_FUNC_KEYMGMT_NEW, rsa_new), KEY_FUNCTIONS, { 0, NULL }
};
static const OSSL_DISPATCH ec_keys[] = {
	FN(OSSL_FUNC_KEYMGMT_NEW, ec_new), KEY_FUNCTIONS,
	FN(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, ec_operation), { 0, NULL }
};
static const OSSL_DISPATCH ed_keys[] = {
	FN(OSSL_FUNC_KEYMGMT_NEW, ed_new), KEY_FUNCTIONS, { 0, NULL }
};
static const OSSL_DISPATCH signatures[] = {
	FN(OSSL_FUNC_SIGNATURE_NEWCTX, signing_new),
	FN(OSSL_FUNC_SIGNATURE_FREECTX, free),
	FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, signing_init),
	FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, signing_sign),
	FN(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, signing_set_params),
	FN(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, signing_settable),
	{ 0, NULL }
};

static const OSSL_ALGORITHM key_algorithms[] = {
	{ "RSA:rsaEncryption", PROPERTIES, rsa_keys, NULL },
	{ "EC:id-ecPublicKey", PROPERTIES, ec_keys, NULL },
	{ "ED25519", PROPERTIES, ed_keys, NULL },
	{ NULL, NULL, NULL, NULL }
};
static const OSSL_ALGORITHM signature_algorithms[] = {
	{ "RSA:rsaEncryption", PROPERTIES, signatures, NULL },
	{ "ECDSA", PROPERTIES, signatures, NULL },
	{ "ED25519", PROPERTIES, signatures, NULL },
	{ NULL, NULL, NULL, NULL }
};

static const OSSL_ALGORITHM *
query(void *provider, int operation, int *no_cache)
{
	(void)provider;
	*no_cache = 0;
	return operation == OSSL_OP_KEYMGMT ? key_algorithms :
	    operation == OSSL_OP_SIGNATURE ? signature_algorithms : NULL;
}

static int
provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
    const OSSL_DISPATCH **out, void **provider)
{
	static const OSSL_DISPATCH functions[] = {
		FN(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query), { 0, NULL }
	};
	static int nothing;

	(void)handle;
	(void)in;
	*out = functions;
	*provider = &nothing;
	return 1;
}

int
tls_key_provider(OSSL_LIB_CTX *library)
{
	return OSSL_PROVIDER_add_builtin(library, TLS_PROVIDER,
	    provider_init) == 1 && OSSL_PROVIDER_load(library,
	    TLS_PROVIDER) != NULL ? 0 : -1;
}

EVP_PKEY *
tls_key_new(const struct tls_remote_key *key)
{
	struct tls_remote_key copy = *key;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(KEY_PARAM, &copy,
		    sizeof(copy)),
		OSSL_PARAM_construct_end(),
	};
	EVP_PKEY *pkey = NULL;
	EVP_PKEY_CTX *c = NULL;
	size_t i;

	for (i = 0; i < sizeof(kind_names) / sizeof(kind_names[0]); i++)
		if (EVP_PKEY_is_a(key->public, kind_names[i]))
			c = EVP_PKEY_CTX_new_from_name(tls_library(),
			    kind_names[i], PROPERTIES);
	if (c == NULL || EVP_PKEY_fromdata_init(c) != 1 ||
	    EVP_PKEY_fromdata(c, &pkey, EVP_PKEY_KEYPAIR, params) != 1)
		pkey = NULL;
	EVP_PKEY_CTX_free(c);
	return pkey;
}
