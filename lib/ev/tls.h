/* SPDX-License-Identifier: ISC */
/*
 * tls - TLS on a stream, and what each side needs for it.
 *
 * No private key is in the process: a provider inside this layer sends what is
 * to be signed to `keys` by the function given, and blocks for the answer (a
 * few hundred microseconds).  TLS 1.2 and later.
 */
#ifndef EV_TLS_H
#define EV_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "ev/stream.h"

/* Once, before the process is confined: OpenSSL's own setting up, which reads
 * no configuration file. */
void	 tls_init(void);

/* Counted: sessions keep the one they began with. */
struct tls_context;

/* Asks `keys` for a private-key operation; -1: not to be had.  key is the
 * number of the certificate's key, scheme of ipc/keys.h. */
typedef int (*tls_sign_fn)(void *arg, uint32_t key, unsigned scheme,
	    struct slice input, struct buf *signature);

struct tls_certificate {
	struct slice	 chain;		/* PEM: the leaf first */
	uint32_t	 key;		/* its key's number at `keys` */
};

struct tls_server_config {
	/* The first is the default. */
	const struct tls_certificate *certificates;
	size_t		 ncertificates;
	/* PEM; .n 0: no client certificate is asked for. */
	struct slice	 client_cas;
	const uint8_t	*ticket_keys;	/* ev/tickets.h; NULL: none */
	size_t		 ticket_bytes;
	int64_t		 ticket_life_ms;
	/* Sessions are resumed only where this is the same; copied. */
	const char	*name;
	/* The protocol's name in ALPN (RFC 7301), copied; NULL: it has none.  A
	 * client that speaks of others only is refused, so that what was meant
	 * for another server is not said to this one; without a name of our own
	 * that is one who speaks of the web's. */
	const char	*alpn;
	bool		 tls13_only;
	tls_sign_fn	 sign;
	void		*sign_arg;
};
/* NULL and why. */
struct tls_context *tls_server_new(const struct tls_server_config *,
	    struct buf *why);

struct tls_client_config {
	struct slice	 cas;		/* PEM: the roots of verify */
};
struct tls_context *tls_client_new(const struct tls_client_config *,
	    struct buf *why);

struct tls_context *tls_context_ref(struct tls_context *);
void	 tls_context_release(struct tls_context **);

/* What a client demands of the server's certificate. */
struct tls_demand {
	const char	*sni;		/* NULL: none is sent */
	bool		 verify;	/* chain and one of names[] */
	const char *const *names;
	size_t		 nnames;
	/* SHA-256 of the certificate: one of them. */
	const uint8_t	(*fingerprints)[32];
	size_t		 nfingerprints;
	/* An earlier session with this peer, DER; .n 0: none. */
	struct slice	 session;
};

/*
 * From now on the stream's bytes are TLS.  Plaintext that had been read before
 * is thrown away (RFC 3207 section 6: nothing can be injected), output that
 * waits goes out first, in clear.  stream_input(), stream_write() and all else
 * then carry the bytes inside.  `secured` of stream_ops is called when the
 * handshake is done; a failure ends the stream with STREAM_ERROR, and
 * stream_tls_error() tells why.
 */
void	 stream_tls_accept(struct stream *, struct tls_context *);
void	 stream_tls_connect(struct stream *, struct tls_context *,
	    const struct tls_demand *);

bool	 stream_is_tls(const struct stream *);
struct tls_info {
	const char	*version;	/* "TLSv1.3" */
	const char	*cipher;
	int		 bits;
	bool		 resumed;
	const char	*sni;		/* "" for none */
	bool		 verified;	/* the demand was met, or the client's
					 * certificate is of client_cas */
	struct slice	 peer_subject;	/* of the peer's certificate; "" none */
	struct slice	 peer_emails;	/* rfc822Names, SP between; else CN */
	uint8_t		 peer_fingerprint[32];
};
/* After `secured`; borrowed from the stream. */
const struct tls_info *stream_tls_info(const struct stream *);
/* One line for the log: the alert, or what of the demand was not met. */
const char *stream_tls_error(const struct stream *);
/* RFC 9266 tls-exporter; -1: not to be had (TLS 1.2 without extended master
 * secret). */
int	 stream_tls_exporter(const struct stream *, uint8_t out[32]);
/* RFC 5929 tls-unique, as a server has it: of TLS 1.2 with extended master
 * secret, else -1; TLS 1.3 has none. */
#define TLS_UNIQUE_BYTES	12
int	 stream_tls_unique(const struct stream *,
	    uint8_t out[TLS_UNIQUE_BYTES]);
/* The client's session for the next connection, DER; -1: none yet. */
int	 stream_tls_session(const struct stream *, struct buf *);

#endif
