/* SPDX-License-Identifier: ISC */
/*
 * tls - the layer of TLS in a stream; see tls.h and stream_layer.h.
 *
 * OpenSSL reads and writes the socket by a BIO of ours, which counts what
 * comes and stops it after `raw` bytes: so all whole records that have come
 * are given to the owner at once, and between two reads OpenSSL holds at most
 * a part of one record, and no buffer when it holds nothing.  What is needed
 * only for the handshake is freed after it.
 */
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/mem.h"
#include "ev/stream_layer.h"
#include "ev/tls_internal.h"

#define HANDSHAKE_MS	30000
#define HANDSHAKE_BYTES	(64 * 1024)	/* from the peer */
#define HELLO_BYTES	(16 * 1024)	/* a ClientHello: OpenSSL takes memory
					 * for what its header says */
#define EMAILS_BYTES	1000
#define SUBJECT_BYTES	500
#define FINGERPRINT_BYTES 32

/* Where the bytes of a ClientHello begin and end; see hello_is_small(). */
struct guard {
	uint8_t		 header[5];	/* of the record */
	uint8_t		 nheader;
	uint8_t		 start[4];	/* of the message: type, length */
	uint8_t		 nstart;
	uint16_t	 record_left;
	uint32_t	 message_left;
};

struct handshake {
	struct ev_timer	 timer;
	size_t		 bytes;
	struct guard	 guard;
	bool		 too_large;
	/* A client's demand: */
	bool		 verify;
	uint8_t		(*fingerprints)[FINGERPRINT_BYTES]; /* owned */
	size_t		 nfingerprints;
	char		**names;	/* owned */
	size_t		 nnames;
};

struct tls {
	struct stream		*stream;
	struct tls_context	*context;	/* a reference */
	SSL			*ssl;		/* owned */
	struct handshake	*handshake;	/* owned; NULL: done */
	size_t			 raw;		/* may still be read there */
	bool			 eof;		/* of the socket */
	bool			 over;		/* .error: 0 EOF, else errno */
	bool			 broken;	/* nothing more can be said */
	int			 error;
	char			*why;		/* owned; NULL: no error */
	struct tls_info		 info;
	char			*sni;		/* owned, like these: */
	char			*subject, *emails;
};

static void	 add_layer(struct stream *, struct tls_context *, bool server,
		    struct handshake *take);
static BIO	*new_bio(struct tls *);
static int	 bio_read(BIO *, char *, int);
static int	 bio_write(BIO *, const char *, int);
static long	 bio_ctrl(BIO *, int, long, void *);
static bool	 hello_may_come(const SSL *);
static bool	 hello_is_small(struct guard *, const uint8_t *, size_t);
static enum layer_step shake(struct stream *);
static enum layer_step shake_failed(struct tls *, int);
static enum layer_step shaken(struct tls *);
static bool	 resumed_as_demanded(struct tls *);
static void	 fill_info(struct tls *);
static void	 describe_peer(struct tls *, X509 *);
static void	 handshake_free(struct handshake **);
static void	 too_slow(void *);
static ssize_t	 layer_read(struct stream *, char *, size_t, size_t);
static void	 read_ended(struct tls *, int);
static ssize_t	 layer_write(struct stream *, const char *, size_t);
static bool	 layer_is_over(const struct stream *);
static bool	 layer_peer_is_gone(const struct stream *);
static void	 layer_finish(struct stream *);
static void	 layer_free(struct stream *);

static const struct stream_layer tls_layer = { shake, layer_read, layer_write,
	layer_is_over, layer_peer_is_gone, layer_finish, layer_free };

/* ---- the beginning ------------------------------------------------------- */

void
stream_tls_accept(struct stream *s, struct tls_context *c)
{
	assert(c->server);
	if (stream_is_open(s))
		add_layer(s, c, true, mem_alloc(sizeof(struct handshake)));
}

static void
copy_demand(struct handshake *h, const struct tls_demand *d)
{
	size_t i;

	h->verify = d->verify;
	h->names = mem_array(d->nnames, sizeof(*h->names));
	for (i = 0; i < d->nnames; i++)
		h->names[h->nnames++] = mem_strdup(d->names[i]);
	h->fingerprints = mem_array(d->nfingerprints,
	    sizeof(*h->fingerprints));
	h->nfingerprints = d->nfingerprints;
	if (d->nfingerprints > 0)
		memcpy(h->fingerprints, d->fingerprints,
		    d->nfingerprints * sizeof(*h->fingerprints));
}

void
stream_tls_connect(struct stream *s, struct tls_context *c,
    const struct tls_demand *d)
{
	struct handshake *h = mem_alloc(sizeof(*h));
	const unsigned char *der = (const void *)d->session.p;
	SSL_SESSION *session;
	struct tls *t;

	assert(!c->server);
	copy_demand(h, d);
	if (!stream_is_open(s)) {
		handshake_free(&h);
		return;
	}
	add_layer(s, c, false, h);
	t = s->layer_data;
	if (d->sni != NULL) {
		char *name = mem_strdup(d->sni); /* OpenSSL copies it, too */

		SSL_set_tlsext_host_name(t->ssl, name);
		free(name);
	}
	/* The callback decides; with VERIFY_NONE nobody would hear it. */
	if (h->verify || h->nfingerprints > 0)
		SSL_set_verify(t->ssl, SSL_VERIFY_PEER, NULL);
	if (d->session.n > 0 && (session = d2i_SSL_SESSION(NULL, &der,
	    (long)d->session.n)) != NULL) {
		SSL_set_session(t->ssl, session);
		SSL_SESSION_free(session);
	}
	ERR_clear_error();
}

static void
add_layer(struct stream *s, struct tls_context *c, bool server,
    struct handshake *take)
{
	struct tls *t = mem_alloc(sizeof(*t));
	BIO *bio;

	t->stream = s;
	t->context = tls_context_ref(c);
	t->handshake = take;
	t->ssl = SSL_new(c->ssl);
	bio = new_bio(t);
	if (t->ssl == NULL || bio == NULL)
		abort();	/* as mem_alloc() when memory is out */
	SSL_set_bio(t->ssl, bio, bio);
	SSL_set_app_data(t->ssl, t);
	if (server)
		SSL_set_accept_state(t->ssl);
	else
		SSL_set_connect_state(t->ssl);
	ev_timer_init(&take->timer, s->loop, too_slow, t);
	ev_timer_set(&take->timer, HANDSHAKE_MS);
	stream_add_layer(s, &tls_layer, t);
}

static void
handshake_free(struct handshake **hp)
{
	struct handshake *h = *hp;

	*hp = NULL;
	if (h == NULL)
		return;
	ev_timer_clear(&h->timer);
	while (h->nnames > 0)
		free(h->names[--h->nnames]);
	free(h->names);
	free(h->fingerprints);
	free(h);
}

static void
say_why(struct tls *t, const char *why)
{
	if (t->why == NULL)
		t->why = mem_strdup(why);
}

static void
too_slow(void *arg)
{
	struct tls *t = arg;

	say_why(t, "the handshake took too long");
	t->broken = true;
	stream_layer_failed(t->stream, ETIMEDOUT);
}

/* ---- the socket ---------------------------------------------------------- */

static BIO *
new_bio(struct tls *t)
{
	static BIO_METHOD *method;
	BIO *bio;

	if (method == NULL) {
		method = BIO_meth_new(BIO_TYPE_SOURCE_SINK |
		    BIO_get_new_index(), "stream");
		if (method == NULL)
			return NULL;
		BIO_meth_set_read(method, bio_read);
		BIO_meth_set_write(method, bio_write);
		BIO_meth_set_ctrl(method, bio_ctrl);
	}
	bio = BIO_new(method);
	if (bio != NULL) {
		BIO_set_data(bio, t);
		BIO_set_init(bio, 1);
	}
	return bio;
}

static int
bio_read(BIO *bio, char *p, int room)
{
	struct tls *t = BIO_get_data(bio);
	struct handshake *h = t->handshake;
	size_t n = room < 0 ? 0 : (size_t)room;
	ssize_t r;

	BIO_clear_retry_flags(bio);
	if (h != NULL && h->bytes >= HANDSHAKE_BYTES) {
		h->too_large = true;
		return -1;
	}
	if (n > t->raw)
		n = t->raw;
	r = n == 0 ? -1 : recv(t->stream->fd, p, n, 0);
	if (r == -1 && (n == 0 || errno == EAGAIN || errno == EINTR)) {
		BIO_set_retry_read(bio);
		return -1;
	}
	if (r == -1) {
		t->error = errno;
		return -1;
	}
	if (r == 0) {
		t->eof = true;
		return 0;
	}
	t->raw -= (size_t)r;
	if (h != NULL) {
		h->bytes += (size_t)r;
		if (t->context->server && hello_may_come(t->ssl) &&
		    !hello_is_small(&h->guard, (const void *)p, (size_t)r)) {
			h->too_large = true;
			return -1;
		}
	}
	return (int)r;
}

static int
bio_write(BIO *bio, const char *p, int n)
{
	struct tls *t = BIO_get_data(bio);
	ssize_t w = send(t->stream->fd, p, n < 0 ? 0 : (size_t)n,
	    MSG_NOSIGNAL);

	BIO_clear_retry_flags(bio);
	if (w == -1 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_write(bio);
	else if (w == -1)
		t->error = errno;
	return (int)w;
}

static long
bio_ctrl(BIO *bio, int cmd, long number, void *p)
{
	const struct tls *t = BIO_get_data(bio);

	(void)number;
	(void)p;
	return cmd == BIO_CTRL_FLUSH ? 1 : cmd == BIO_CTRL_EOF ? t->eof : 0;
}

/* A hello can come: the first, or one more after a HelloRetryRequest.  In no
 * other state would an encrypted record look like one. */
static bool
hello_may_come(const SSL *ssl)
{
	OSSL_HANDSHAKE_STATE state = SSL_get_state(ssl);

	return state == TLS_ST_BEFORE || state == TLS_ST_SR_CLNT_HELLO ||
	    state == TLS_ST_EARLY_DATA;
}

/* OpenSSL takes up to 128 KiB for a ClientHello as soon as its first four
 * bytes say so. */
static bool
hello_is_small(struct guard *g, const uint8_t *p, size_t n)
{
	size_t part;

	while (n > 0) {
		if (g->record_left == 0) {
			g->header[g->nheader++] = *p++;
			n--;
			if (g->nheader < sizeof(g->header))
				continue;
			g->nheader = 0;
			g->record_left = (uint16_t)(g->header[3] << 8 |
			    g->header[4]);
			continue;
		}
		if (g->header[0] != 22 || g->message_left > 0) {
			part = n < g->record_left ? n : g->record_left;
			if (g->header[0] == 22 && part > g->message_left)
				part = g->message_left;
			if (g->header[0] == 22)
				g->message_left -= (uint32_t)part;
			g->record_left = (uint16_t)(g->record_left - part);
			p += part;
			n -= part;
			continue;
		}
		g->start[g->nstart++] = *p++;
		g->record_left--;
		n--;
		if (g->nstart < sizeof(g->start))
			continue;
		g->nstart = 0;
		g->message_left = (uint32_t)g->start[1] << 16 |
		    (uint32_t)g->start[2] << 8 | g->start[3];
		if (g->start[0] == 1 && g->message_left > HELLO_BYTES)
			return false;
	}
	return true;
}

/* ---- the handshake ------------------------------------------------------- */

static enum layer_step
shake(struct stream *s)
{
	struct tls *t = s->layer_data;
	int r;

	t->raw = HANDSHAKE_BYTES;
	ERR_clear_error();
	r = SSL_do_handshake(t->ssl);
	return r == 1 ? shaken(t) : shake_failed(t, SSL_get_error(t->ssl, r));
}

static enum layer_step
shake_failed(struct tls *t, int error)
{
	long verified = SSL_get_verify_result(t->ssl);
	const char *why;

	if (!t->handshake->too_large && error == SSL_ERROR_WANT_READ)
		return LAYER_WANTS_READ;
	if (!t->handshake->too_large && error == SSL_ERROR_WANT_WRITE)
		return LAYER_WANTS_WRITE;
	why = tls_why(t->error != 0 ? strerror(t->error) : "closed");
	t->broken = true;
	if (t->handshake->too_large)
		say_why(t, "the handshake is too large");
	else if (t->eof)
		say_why(t, "closed during the handshake");
	else if (!t->context->server && verified != X509_V_OK)
		say_why(t, X509_verify_cert_error_string(verified));
	else
		say_why(t, why);
	return LAYER_FAILED;
}

static enum layer_step
shaken(struct tls *t)
{
	if (!t->context->server && SSL_session_reused(t->ssl) &&
	    !resumed_as_demanded(t)) {
		say_why(t, "the session resumed is not what is demanded");
		return LAYER_FAILED;
	}
	fill_info(t);
	handshake_free(&t->handshake);
	return LAYER_DONE;
}

static bool
has_fingerprint(const struct handshake *h, X509 *x)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned n;
	size_t i;

	if (x == NULL || X509_digest(x, EVP_sha256(), digest, &n) != 1)
		return false;
	for (i = 0; i < h->nfingerprints; i++)
		if (memcmp(h->fingerprints[i], digest, FINGERPRINT_BYTES) == 0)
			return true;
	return false;
}

/* One of the names; an address counts as one where the certificate is for
 * that address. */
static bool
has_name(const struct handshake *h, X509 *x)
{
	size_t i;

	for (i = 0; i < h->nnames; i++)
		if (X509_check_host(x, h->names[i], 0,
			X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1 ||
		    X509_check_ip_asc(x, h->names[i], 0) == 1)
			return true;
	return h->nnames == 0;
}

/* The chain, and whose it is. */
static bool
is_demanded(const struct handshake *h, X509_STORE_CTX *sc)
{
	if (X509_verify_cert(sc) != 1)
		return false;
	if (h == NULL || has_name(h, X509_STORE_CTX_get0_cert(sc)))
		return true;
	X509_STORE_CTX_set_error(sc, X509_V_ERR_HOSTNAME_MISMATCH);
	return false;
}

/* A server's clients may have any certificate; a client does what it was told
 * to.  What libssl keeps as the result says the rest. */
int
tls_verify(X509_STORE_CTX *sc, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(sc,
	    SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls *t = SSL_get_app_data(ssl);
	const struct handshake *h = t->handshake;
	int good;

	(void)arg;
	if (h == NULL || h->nfingerprints == 0) {
		good = is_demanded(h, sc);
		return good || h == NULL || !h->verify;
	}
	if (!has_fingerprint(h, X509_STORE_CTX_get0_cert(sc))) {
		say_why(t, "the certificate has another fingerprint");
		X509_STORE_CTX_set_error(sc, X509_V_ERR_CERT_REJECTED);
		return 0;
	}
	if (h->verify)
		return is_demanded(h, sc);
	X509_STORE_CTX_set_error(sc, X509_V_OK);
	return 1;
}

/* Nobody looked at a certificate now: the session's is held against the
 * demand, which may be another than at that time. */
static bool
resumed_as_demanded(struct tls *t)
{
	const struct handshake *h = t->handshake;
	X509 *x = SSL_get0_peer_certificate(t->ssl);

	if (h->nfingerprints > 0 && !has_fingerprint(h, x))
		return false;
	if (!h->verify)
		return true;
	return x != NULL && SSL_get_verify_result(t->ssl) == X509_V_OK &&
	    has_name(h, x);
}

/* ---- what it has become -------------------------------------------------- */

static void
fill_info(struct tls *t)
{
	const struct handshake *h = t->handshake;
	struct tls_info *info = &t->info;
	const SSL_CIPHER *cipher = SSL_get_current_cipher(t->ssl);
	const char *sni = SSL_get_servername(t->ssl,
	    TLSEXT_NAMETYPE_host_name);
	X509 *peer = SSL_get0_peer_certificate(t->ssl);

	info->version = SSL_get_version(t->ssl);
	info->cipher = SSL_CIPHER_get_name(cipher);
	info->bits = SSL_CIPHER_get_bits(cipher, NULL);
	info->resumed = SSL_session_reused(t->ssl);
	if (sni != NULL && sni[0] != '\0')
		t->sni = mem_strdup(sni);
	info->sni = t->sni == NULL ? "" : t->sni;
	info->peer_subject = info->peer_emails = SLICE_EMPTY;
	info->verified = t->context->server ? peer != NULL &&
	    SSL_get_verify_result(t->ssl) == X509_V_OK :
	    h->verify || h->nfingerprints > 0;
	if (peer != NULL)
		describe_peer(t, peer);
}

static void
add_email(struct buf *b, const ASN1_STRING *text)
{
	struct slice s = slice_of(ASN1_STRING_get0_data(text),
	    (size_t)ASN1_STRING_length(text));
	size_t i, before = b->n;

	for (i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
			return;
	if (s.n == 0 || (before > 0 && buf_add_byte(b, ' ') == -1))
		return;
	if (buf_add(b, s) == -1)
		b->n = before;
}

static void
describe_peer(struct tls *t, X509 *x)
{
	X509_NAME *subject = X509_get_subject_name(x);
	GENERAL_NAMES *names;
	const GENERAL_NAME *name;
	struct buf emails = BUF_INIT(EMAILS_BYTES);
	char text[SUBJECT_BYTES];
	unsigned n;
	int i;

	X509_digest(x, EVP_sha256(), t->info.peer_fingerprint, &n);
	if (X509_NAME_oneline(subject, text, sizeof(text)) != NULL) {
		t->subject = mem_strdup(text);
		t->info.peer_subject = slice_str(t->subject);
	}
	names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	for (i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		name = sk_GENERAL_NAME_value(names, i);
		if (name->type == GEN_EMAIL)
			add_email(&emails, name->d.rfc822Name);
	}
	GENERAL_NAMES_free(names);
	i = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	if (emails.n == 0 && i >= 0)
		add_email(&emails, X509_NAME_ENTRY_get_data(
		    X509_NAME_get_entry(subject, i)));
	t->emails = mem_slicedup(buf_slice(&emails));
	t->info.peer_emails = slice_str(t->emails);
	buf_clear(&emails);
}

static struct tls *
tls_of(const struct stream *s)
{
	return s->layer == &tls_layer ? s->layer_data : NULL;
}

bool
stream_is_tls(const struct stream *s)
{
	const struct tls *t = tls_of(s);

	return t != NULL && t->handshake == NULL;
}

const struct tls_info *
stream_tls_info(const struct stream *s)
{
	return stream_is_tls(s) ? &tls_of(s)->info : NULL;
}

const char *
stream_tls_error(const struct stream *s)
{
	const struct tls *t = tls_of(s);

	return t == NULL || t->why == NULL ? "" : t->why;
}

int
stream_tls_exporter(const struct stream *s, uint8_t out[32])
{
	static const char label[] = "EXPORTER-Channel-Binding";
	const struct tls *t = tls_of(s);

	if (!stream_is_tls(s) || (SSL_version(t->ssl) < TLS1_3_VERSION &&
	    SSL_get_extms_support(t->ssl) != 1))
		return -1;
	return SSL_export_keying_material(t->ssl, out, 32, label,
	    sizeof(label) - 1, (const void *)"", 0, 1) == 1 ? 0 : -1;
}

/* The first Finished message: the client's, but that of the server where a
 * session was resumed. */
int
stream_tls_unique(const struct stream *s, uint8_t out[TLS_UNIQUE_BYTES])
{
	const struct tls *t = tls_of(s);
	size_t n;

	if (!stream_is_tls(s) || SSL_version(t->ssl) != TLS1_2_VERSION ||
	    SSL_get_extms_support(t->ssl) != 1)
		return -1;
	n = SSL_session_reused(t->ssl) ?
	    SSL_get_finished(t->ssl, out, TLS_UNIQUE_BYTES) :
	    SSL_get_peer_finished(t->ssl, out, TLS_UNIQUE_BYTES);
	return n == TLS_UNIQUE_BYTES ? 0 : -1;
}

int
stream_tls_session(const struct stream *s, struct buf *b)
{
	SSL_SESSION *session = stream_is_tls(s) ?
	    SSL_get1_session(tls_of(s)->ssl) : NULL;
	unsigned char *p;
	int n, r = -1;

	if (session != NULL && SSL_SESSION_is_resumable(session) &&
	    (n = i2d_SSL_SESSION(session, NULL)) > 0 &&
	    (p = (void *)buf_reserve(b, (size_t)n)) != NULL) {
		i2d_SSL_SESSION(session, &p);
		b->n += (size_t)n;
		r = 0;
	}
	SSL_SESSION_free(session);
	return r;
}

/* ---- bytes --------------------------------------------------------------- */

static ssize_t
layer_read(struct stream *s, char *p, size_t room, size_t raw)
{
	struct tls *t = s->layer_data;
	size_t n, total = 0;

	t->raw = raw;
	while (!t->over && total < room) {
		ERR_clear_error();
		if (SSL_read_ex(t->ssl, p + total, room - total, &n) == 1) {
			total += n;
			continue;
		}
		n = (size_t)SSL_get_error(t->ssl, 0);
		if (n == SSL_ERROR_WANT_READ || n == SSL_ERROR_WANT_WRITE)
			break;
		read_ended(t, (int)n);
	}
	if (total > 0)
		return (ssize_t)total;
	if (t->over && t->error == 0)
		return 0;
	errno = t->over ? t->error : EAGAIN;
	return -1;
}

/* A peer that closes without saying so is taken as one that does: what it has
 * said ends where the protocol says, not where the bytes do. */
static void
read_ended(struct tls *t, int error)
{
	bool cut = ERR_GET_REASON(ERR_peek_error()) ==
	    SSL_R_UNEXPECTED_EOF_WHILE_READING;

	t->over = true;
	if (error == SSL_ERROR_ZERO_RETURN)
		return;
	t->broken = true;
	if (error == SSL_ERROR_SSL && (cut || t->eof)) {
		t->error = 0;
		return;
	}
	if (t->error == 0)
		t->error = EPROTO;
	say_why(t, tls_why(strerror(t->error)));
}

static bool
layer_is_over(const struct stream *s)
{
	const struct tls *t = s->layer_data;

	return t->over;
}

static ssize_t
layer_write(struct stream *s, const char *p, size_t n)
{
	struct tls *t = s->layer_data;
	size_t written;
	int error;

	if (t->broken) {
		errno = EPIPE;
		return -1;
	}
	ERR_clear_error();
	if (SSL_write_ex(t->ssl, p, n, &written) == 1)
		return (ssize_t)written;
	error = SSL_get_error(t->ssl, 0);
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		errno = EAGAIN;
	else {
		t->broken = true;
		errno = t->error != 0 ? t->error : EPROTO;
		say_why(t, tls_why(strerror(errno)));
	}
	return -1;
}

/*
 * Where the socket's end is near, what is before it is looked at: nothing, or
 * one record that can be close_notify (an alert of two bytes; in TLS 1.3 it is
 * as long as that: its type is not to be seen).
 */
static bool
layer_peer_is_gone(const struct stream *s)
{
	const struct tls *t = s->layer_data;
	struct pollfd pfd = { s->fd, POLLRDHUP, 0 };
	uint8_t p[128];
	ssize_t n;

	if (t->over || t->eof)
		return true;
	n = recv(s->fd, p, sizeof(p), MSG_PEEK | MSG_DONTWAIT);
	if (n <= 0)
		return n == 0 || (errno != EAGAIN && errno != EINTR);
	if (n < 5 || (size_t)n == sizeof(p) || poll(&pfd, 1, 0) <= 0)
		return false;
	return n == 5 + (p[3] << 8 | p[4]) && (p[0] == 21 ||
	    (p[0] == 23 && n == 5 + 2 + 1 + 16));
}

/* ---- the end ------------------------------------------------------------- */

static void
layer_finish(struct stream *s)
{
	struct tls *t = s->layer_data;

	if (t->handshake == NULL && !t->broken) {
		ERR_clear_error();
		SSL_shutdown(t->ssl);
	}
}

static void
layer_free(struct stream *s)
{
	struct tls *t = s->layer_data;

	handshake_free(&t->handshake);
	SSL_free(t->ssl);
	tls_context_release(&t->context);
	free(t->why);
	free(t->sni);
	free(t->subject);
	free(t->emails);
	free(t);
	s->layer_data = NULL;
}
