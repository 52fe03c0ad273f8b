/* SPDX-License-Identifier: ISC */
/*
 * relay - what all parts of remote share: limits, counts, and who is who.
 *
 *	attempt	a job of qmgr and its recipients' outcomes	attempt.h
 *	site	a next hop: its plan, its idle connections	site.h
 *	plan	the hosts and addresses of a next hop		plan.h
 *	conn	a connection and the SMTP spoken over it	conn.h
 *
 * An attempt asks its site for an idle connection, or goes through the site's
 * plan until a connection stands.  A connection serves one attempt at a time
 * and is idle in between.
 *
 * Always: nconns counts the connections and the attempts that have none (each
 * may need one), and is at most remote.connections.
 */
#ifndef REMOTE_RELAY_H
#define REMOTE_RELAY_H

#include <sys/queue.h>

#include "conf/conf.h"
#include "dns/dns.h"
#include "ipc/tap.h"
#include "ev/tls.h"
#include "ipc/delivery.h"

#define SITES		5000	/* next hops remembered */
#define TRIES		10	/* addresses tried for one attempt */
#define AVOID_SLOTS	1024
#define LINE_BYTES	(160 * 1024)	/* commands being composed */
#define AVOID_MS	60000	/* how long a host that failed is passed over */
#define STOP_MS		20000	/* what is under way at a stop may take */
#define QUIT_MS		10000
#define CONVERTED_BYTES	(128u * 1024 * 1024) /* downgraded content, all */

struct attempt;
struct conn;
struct session;
struct site;
LIST_HEAD(attempts, attempt);
LIST_HEAD(conns, conn);
TAILQ_HEAD(conn_queue, conn);
TAILQ_HEAD(site_queue, site);
TAILQ_HEAD(session_queue, session);

/* An address where no host took our connection, or where TLS failed, lately. */
struct avoid {
	uint8_t		 address[16];
	uint16_t	 port;
	int64_t		 until_ms;
};

struct relay {
	struct ev_loop		*loop;
	const struct conf	*conf;		/* borrowed; reload sets it */
	struct channel		*qmgr;		/* borrowed; NULL: down */
	struct taps		*taps;		/* borrowed; NULL: a test */
	struct dns		 dns;
	/* Asks master for a connection to a Unix socket; relay_got_socket()
	 * or relay_no_socket() follows. */
	void			(*ask_socket)(void *arg, uint64_t id,
				    struct slice path);
	void			*ask_socket_arg;
	uint64_t		 last_socket_id;
	struct attempts		 attempts;	/* owned */
	struct conns		 conns;		/* owned; all */
	struct conn_queue	 idle;		/* longest idle first */
	struct ev_timer		 idle_timer;
	struct conns		 dead;		/* closed, still to be freed */
	struct ev_task		 bury;
	size_t			 nconns;
	size_t			 converted;	/* bytes */
	struct site		**sites;	/* hash table, owned */
	size_t			 nsites;
	struct site_queue	 unused;	/* longest unused first */
	struct avoid		 avoid[AVOID_SLOTS];
	struct avoid		 clear[AVOID_SLOTS]; /* TLS failed */
	struct tls_context	*tls;		/* a reference */
	struct session_queue	 sessions;	/* owned; see secure.c */
	size_t			 nsessions;
	uint64_t		 hash_key[2];
	struct buf		 line;		/* commands being composed */
	bool			 stopping;
	struct ev_timer		 stop_timer;
	void			(*stopped)(void *);
	void			*stopped_arg;
	/* Since the start, for `chasqui status`. */
};

void	 relay_init(struct relay *, struct ev_loop *, const struct conf *);
/* Another configuration: borrowed from now on, and the old one no more. */
void	 relay_configure(struct relay *, const struct conf *);
/* The authorities (PEM) by which hosts are verified. */
void	 relay_take_authorities(struct relay *, struct slice pem);
/* Everything under way is dropped without a word. */
void	 relay_clear(struct relay *);
/* What qmgr sends; breaches end the channel. */
void	 relay_message(struct relay *, struct channel *, struct message *);
/* master's answers to ask_socket(); nobody may be waiting any more. */
void	 relay_got_socket(struct relay *, uint64_t id, int fd_take);
void	 relay_no_socket(struct relay *, uint64_t id, struct slice why);
/* qmgr is gone: ends all attempts; the next qmgr knows that they are open. */
void	 relay_qmgr_down(struct relay *);
/* Somebody has begun to watch.  A connection that is at work is shown from its
 * next transaction on. */
void	 relay_watched(struct relay *);
/* No new jobs; fn runs when nothing is under way, at the latest after
 * STOP_MS. */
void	 relay_stop(struct relay *, void (*fn)(void *), void *arg);
void	 relay_check_stopped(struct relay *);

/* Room for one more connection, made by closing an idle one if need be. */
bool	 relay_make_room(struct relay *);
/* Something has become idle: it is let go after remote.idle. */
void	 relay_watch_idle(struct relay *);

bool	 relay_avoids(const struct relay *, const uint8_t address[16],
	    uint16_t port);
void	 relay_avoid(struct relay *, const uint8_t address[16], uint16_t port,
	    bool avoid);
/* Where TLS may be left out, it is left out there for a while. */
bool	 relay_spares_tls(const struct relay *, const uint8_t address[16],
	    uint16_t port);
void	 relay_spare_tls(struct relay *, const uint8_t address[16],
	    uint16_t port);

#endif
