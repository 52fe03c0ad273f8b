/* SPDX-License-Identifier: ISC */
/*
 * certificates - the TLS of a process that serves it: smtpd, and the logins of
 * imapd and pop3d.
 *
 * master gives the chains (CTL_CERTIFICATES) and the memory of the tickets
 * (CTL_SHARED "tickets"), keys signs; from these and the configuration comes
 * a TLS context for each listener block.  The daemon
 *
 *	- has { ROLE_KEYS, keys_client_rules, &keys_client_ops } among its
 *	  edges (they ignore their argument);
 *	- calls certificates_init() after child_init(), before child_enter();
 *	- passes on spec.control, spec.shared and spec.reload;
 *	- asks certificates_of() when a connection is to become TLS, each time.
 *
 * Renewed certificates serve the next handshake; sessions keep their own.
 */
#ifndef IPC_CERTIFICATES_H
#define IPC_CERTIFICATES_H

#include "ev/tls.h"
#include "ipc/child.h"
#include "ipc/keys.h"

extern const struct message_rule keys_client_rules[];
extern const struct channel_ops keys_client_ops;

#define CERTIFICATES_BYTES	(64u * 1024 * 1024)	/* all chains */
#define CERTIFICATE_CHAIN_BYTES	(64u * 1024)		/* one of them, PEM */
#define TICKETS_SHARED		"tickets"

/* The words of listener.tls. */
enum listener_tls {
	LISTENER_TLS_NONE,
	LISTENER_TLS_STARTTLS,	/* offered */
	LISTENER_TLS_REQUIRED,	/* offered, and nothing is done without it */
	LISTENER_TLS_IMPLICIT,	/* from the first byte */
};

struct listener_context;

struct certificates {
	struct child	*child;
	struct buf	 bundle;	/* what master gave */
	const uint8_t	*tickets;	/* mapped; NULL: none */
	size_t		 ticket_bytes;
	struct listener_context *contexts; /* owned; made when asked for */
	size_t		 ncontexts;
	uint64_t	 last_id;	/* of requests to keys */
	int64_t		 complained_ms;
	int64_t		 not_before_ms;	/* keys is not asked: it was slow */
};

void	 certificates_init(struct certificates *, struct child *);
void	 certificates_clear(struct certificates *);
/* True for CTL_CERTIFICATES, which is then done with. */
bool	 certificates_control(struct certificates *, struct message *);
/* True for the tickets' memory; fd stays the caller's to close. */
bool	 certificates_shared(struct certificates *, const char *name, int fd);
/* In spec.reload: contexts are made anew, of the configuration that child has
 * by then. */
void	 certificates_reload(struct certificates *);

/* How TLS is to be spoken at the listener block; NONE for a name that is not
 * among the child's listeners. */
enum listener_tls certificates_mode(const struct certificates *,
	    const char *listener);
/* Borrowed until control returns to the loop (streams take their reference).
 * NULL: TLS is not to be had there, because tls = none or no certificate is
 * there; STARTTLS is then not offered, and an implicit one is closed. */
struct tls_context *certificates_of(struct certificates *,
	    const char *listener);

/* What is in CTL_CERTIFICATES's memory: u32 count of certificates, each slice
 * name, u32 key, slice chain; u32 count of listeners, each slice name, slice
 * client CAs (PEM). */
struct certificate_entry {
	struct slice	 name;
	uint32_t	 key;
	struct slice	 chain;
};
/* The CERTIFICATE blocks of a PEM text alone: a file may hold its key too. */
int	 certificates_only(struct slice pem, struct buf *);
/* Appends; the caller has put the counts. */
int	 certificates_put(struct buf *, const struct certificate_entry *);
int	 certificates_put_cas(struct buf *, struct slice listener,
	    struct slice cas);

#endif
