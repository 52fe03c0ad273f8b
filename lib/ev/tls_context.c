/* SPDX-License-Identifier: ISC */
/* tls_context - what all TLS sessions of a listener, or of a client, share. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/provider.h>

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "ev/tickets.h"
#include "ev/tls_internal.h"

#define CLIENT_CHAIN_BYTES	(16 * 1024)	/* a client's certificates */
#define SERVER_CHAIN_BYTES	(64 * 1024)
#define CAS_MAX			1000	/* whose clients are taken */
#define NAME_BYTES		300	/* of a server_name extension */

/* A server signs, so its suites of TLS 1.2 are those with an ephemeral key;
 * CBC with SHA-2 for hosts of 2012 that have no GCM for RSA. */
#define SERVER_CIPHERS	"ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+SHA384:"	    \
	"ECDHE+SHA256:!CAMELLIA:!ARIA"
/* A client takes what there is: less than that would be plain text. */
#define CLIENT_CIPHERS	"HIGH:!aNULL:!PSK:!SRP"
#define GROUPS		"X25519:P-256:P-384"
#define SIGNATURES	"ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:"   \
	"RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:"			    \
	"RSA+SHA256:RSA+SHA384:RSA+SHA512"

static struct tls_context *context_new(const SSL_METHOD *, struct buf *);
static int	 set_up_server(struct tls_context *,
		    const struct tls_server_config *, struct buf *);
static int	 ask_clients(struct tls_context *, struct slice, struct buf *);
static int	 name_sessions(struct tls_context *,
		    const struct tls_server_config *);
static int	 name_session(SSL *, int *, void *);
static int	 answer_name(SSL *, int *, void *);
static int	 choose_protocol(SSL *, const unsigned char **, unsigned char *,
		    const unsigned char *, unsigned, void *);
static int	 add_cas(SSL_CTX *, struct slice, STACK_OF(X509_NAME) *);

static OSSL_LIB_CTX *library;

void
tls_init(void)
{
	if (library != NULL)
		return;
	/* OpenSSL's own configuration file could load anything. */
	OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG |
	    OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS,
	    NULL);
	library = OSSL_LIB_CTX_new();
	assert(library != NULL);
	if (OSSL_PROVIDER_load(library, "default") == NULL ||
	    tls_key_provider(library) == -1)
		abort();	/* an OpenSSL without its own provider */
}

OSSL_LIB_CTX *
tls_library(void)
{
	tls_init();
	return library;
}

const char *
tls_why(const char *otherwise)
{
	static char text[300];
	const char *data, *reason;
	unsigned long e;
	int flags;

	e = ERR_get_error_all(NULL, NULL, NULL, &data, &flags);
	reason = e == 0 ? NULL : ERR_reason_error_string(e);
	snprintf(text, sizeof(text), "%s%s%.200s",
	    reason == NULL ? otherwise : reason,
	    e != 0 && flags & ERR_TXT_STRING && data[0] != '\0' ? ": " : "",
	    e != 0 && flags & ERR_TXT_STRING ? data : "");
	ERR_clear_error();
	return text;
}

static struct tls_context *
context_new(const SSL_METHOD *method, struct buf *why)
{
	struct tls_context *c = mem_alloc(sizeof(*c));

	ERR_clear_error();
	c->refs = 1;
	c->ssl = SSL_CTX_new_ex(tls_library(), TLS_PROPERTIES, method);
	if (c->ssl == NULL || SSL_CTX_set_min_proto_version(c->ssl,
	    TLS1_2_VERSION) != 1) {
		buf_add_str(why, tls_why("no memory"));
		tls_context_release(&c);
		return NULL;
	}
	SSL_CTX_set_app_data(c->ssl, c);
	/* A peer that shuts down the socket alone may still listen. */
	SSL_CTX_set_options(c->ssl, SSL_OP_NO_COMPRESSION |
	    SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(c->ssl, SSL_MODE_RELEASE_BUFFERS |
	    SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(c->ssl, 1);
	SSL_CTX_set_cert_verify_callback(c->ssl, tls_verify, NULL);
	return c;
}

/* ---- servers ------------------------------------------------------------- */

struct tls_context *
tls_server_new(const struct tls_server_config *config, struct buf *why)
{
	struct tls_context *c = context_new(TLS_server_method(), why);

	assert(config->ncertificates > 0);
	if (c == NULL)
		return NULL;
	c->server = true;
	if (config->alpn != NULL)
		c->alpn = mem_strdup(config->alpn);
	if (set_up_server(c, config, why) == -1) {
		if (why->n == 0)
			buf_add_str(why, tls_why("OpenSSL refuses"));
		tls_context_release(&c);
	}
	return c;
}

static int
set_up_server(struct tls_context *c, const struct tls_server_config *config,
    struct buf *why)
{
	static char groups[] = GROUPS, signatures[] = SIGNATURES;
	SSL_CTX *ssl = c->ssl;

	SSL_CTX_set_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE |
	    SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_security_level(ssl, 2);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_cert_list(ssl, CLIENT_CHAIN_BYTES);
	SSL_CTX_set_client_hello_cb(ssl, name_session, c);
	SSL_CTX_set_tlsext_servername_callback(ssl, answer_name);
	SSL_CTX_set_alpn_select_cb(ssl, choose_protocol, c);
	SSL_CTX_set_cert_cb(ssl, tls_identity_choose, c);
	if (config->tls13_only &&
	    SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) != 1)
		return -1;
	if (SSL_CTX_set_cipher_list(ssl, SERVER_CIPHERS) != 1 ||
	    SSL_CTX_set1_groups_list(ssl, groups) != 1 ||
	    SSL_CTX_set1_sigalgs_list(ssl, signatures) != 1 ||
	    name_sessions(c, config) == -1)
		return -1;
	if (config->ticket_keys != NULL &&
	    config->ticket_bytes >= sizeof(struct ticket_memory)) {
		c->ticket_keys = config->ticket_keys;
		SSL_CTX_set_timeout(ssl, config->ticket_life_ms / 1000);
		tls_tickets_use(c);
	} else {
		SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
		SSL_CTX_set_num_tickets(ssl, 0);
	}
	if (config->client_cas.n > 0 &&
	    ask_clients(c, config->client_cas, why) == -1)
		return -1;
	return tls_identities_load(c, config, why);
}

/* A client that has no certificate, or another one, is served all the same;
 * tls_info says what it is. */
static int
ask_clients(struct tls_context *c, struct slice cas, struct buf *why)
{
	STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();

	c->asks_client = true;
	if (names == NULL || add_cas(c->ssl, cas, names) <= 0) {
		buf_printf(why, "client_ca: no certificate: %s",
		    tls_why("empty"));
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return -1;
	}
	/* One that others stand above is trusted for itself, not for them. */
	X509_STORE_set_flags(SSL_CTX_get_cert_store(c->ssl),
	    X509_V_FLAG_PARTIAL_CHAIN);
	SSL_CTX_set_client_CA_list(c->ssl, names);
	SSL_CTX_set_verify(c->ssl, SSL_VERIFY_PEER, NULL);
	return 0;
}

/* A ticket says who the client is, so it is good only where the same question
 * was asked. */
static int
name_sessions(struct tls_context *c, const struct tls_server_config *config)
{
	struct buf all = BUF_INIT(config->client_cas.n + 8192);
	size_t n;
	int r;

	r = buf_printf(&all, "%s%c", config->name == NULL ? "" : config->name,
	    config->tls13_only ? '3' : '2');
	r |= buf_add(&all, config->client_cas);
	if (r == 0 && EVP_Q_digest(tls_library(), "SHA256", TLS_PROPERTIES,
	    all.p, all.n, c->sessions, &n) == 1)
		r = SSL_CTX_set_session_id_context(c->ssl, c->sessions,
		    sizeof(c->sessions)) == 1 ? 0 : -1;
	else
		r = -1;
	buf_clear(&all);
	return r;
}

/* And only under the name that it was made under (RFC 6066 section 3), since
 * OpenSSL does not compare them. */
static int
name_session(SSL *ssl, int *alert, void *arg)
{
	const struct tls_context *c = arg;
	unsigned char text[sizeof(c->sessions) + NAME_BYTES];
	unsigned char id[sizeof(c->sessions)];
	const unsigned char *ext;
	size_t n, i, used = sizeof(c->sessions);

	memcpy(text, c->sessions, sizeof(c->sessions));
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &ext,
	    &n) == 1)
		/* What is no name of a host is refused later. */
		for (i = 0; i < n && used < sizeof(text); i++)
			text[used++] = (unsigned char)ascii_lower((char)ext[i]);
	if (EVP_Q_digest(tls_library(), "SHA256", TLS_PROPERTIES, text, used,
	    id, &n) == 1 &&
	    SSL_set_session_id_context(ssl, id, sizeof(id)) == 1)
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_INTERNAL_ERROR;
	return SSL_CLIENT_HELLO_ERROR;
}

/* tls_identity_choose() looks at the name; this says that it was seen. */
static int
answer_name(SSL *ssl, int *alert, void *arg)
{
	(void)ssl;
	(void)alert;
	(void)arg;
	return SSL_TLSEXT_ERR_OK;
}

static bool
is_of_web(struct slice protocol)
{
	return slice_starts(protocol, SLICE_LIT("http/")) ||
	    slice_eq(protocol, SLICE_LIT("h2")) ||
	    slice_eq(protocol, SLICE_LIT("h3"));
}

/* RFC 7301 section 3.2; OpenSSL has looked at the list's form. */
static int
choose_protocol(SSL *ssl, const unsigned char **chosen_r, unsigned char *n_r,
    const unsigned char *list, unsigned n, void *arg)
{
	const struct tls_context *c = arg;
	bool foreign = c->alpn != NULL;
	struct slice protocol;
	unsigned at;

	(void)ssl;
	for (at = 0; at < n && list[at] < n - at; at += 1u + list[at]) {
		protocol = slice_of(list + at + 1, list[at]);
		foreign = foreign || is_of_web(protocol);
		if (c->alpn == NULL ||
		    !slice_eq(protocol, slice_str(c->alpn)))
			continue;
		*chosen_r = list + at + 1;
		*n_r = list[at];
		return SSL_TLSEXT_ERR_OK;
	}
	return foreign ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
}

/* How many; -1 on failure.  names may be NULL. */
static int
add_cas(SSL_CTX *ssl, struct slice pem, STACK_OF(X509_NAME) *names)
{
	BIO *in = BIO_new_mem_buf(pem.p, (int)pem.n);
	X509_STORE *store = SSL_CTX_get_cert_store(ssl);
	X509_NAME *name;
	X509 *x;
	int n = 0;

	while (in != NULL && n >= 0) {
		x = X509_new_ex(tls_library(), TLS_PROPERTIES);
		if (x == NULL ||
		    PEM_read_bio_X509(in, &x, NULL, NULL) == NULL) {
			X509_free(x);
			break;
		}
		name = NULL;
		if (names != NULL && n < CAS_MAX &&
		    (name = X509_NAME_dup(X509_get_subject_name(x))) != NULL &&
		    sk_X509_NAME_push(names, name) == 0)
			X509_NAME_free(name);
		n = X509_STORE_add_cert(store, x) == 1 ? n + 1 : -1;
		X509_free(x);
	}
	BIO_free(in);
	return n;
}

/* ---- clients ------------------------------------------------------------- */

struct tls_context *
tls_client_new(const struct tls_client_config *config, struct buf *why)
{
	struct tls_context *c = context_new(TLS_client_method(), why);

	if (c == NULL)
		return NULL;
	SSL_CTX_set_max_cert_list(c->ssl, SERVER_CHAIN_BYTES);
	SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_CLIENT |
	    SSL_SESS_CACHE_NO_INTERNAL);
	if (SSL_CTX_set_cipher_list(c->ssl, CLIENT_CIPHERS) != 1 ||
	    (config->cas.n > 0 && add_cas(c->ssl, config->cas, NULL) <= 0)) {
		buf_printf(why, "no certificate of an authority: %s",
		    tls_why("empty"));
		tls_context_release(&c);
	}
	/* Where the file ended is no error of what comes next. */
	ERR_clear_error();
	return c;
}

/* ---- both ---------------------------------------------------------------- */

struct tls_context *
tls_context_ref(struct tls_context *c)
{
	c->refs++;
	return c;
}

void
tls_context_release(struct tls_context **cp)
{
	struct tls_context *c = *cp;

	*cp = NULL;
	if (c == NULL || --c->refs > 0)
		return;
	SSL_CTX_free(c->ssl);
	tls_identities_free(c);
	free(c->alpn);
	free(c);
}
