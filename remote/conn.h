/* SPDX-License-Identifier: ISC */
/*
 * conn - one connection to a host, and the SMTP or LMTP spoken over it.
 *
 * What is said is a queue of steps that are still owed a reply; the steps
 * table in conn.c says for each how long that may take and who handles it.
 * With PIPELINING (RFC 2920) all up to the content is written at once, with
 * CHUNKING (RFC 3030) mostly a small message's content too.
 */
#ifndef REMOTE_CONN_H
#define REMOTE_CONN_H

#include "ev/stream.h"
#include "mail/esmtp.h"
#include "plan.h"
#include "relay.h"
#include "secure.h"

#define CONN_NAME_BYTES	320	/* host[address]:port */
#define CONN_TEXT_BYTES	600	/* what we say of a failure */

/*
 *	CONNECTING --connected--> HELLO --greeted--> BUSY <--> IDLE
 *
 *	conn_run() leads from IDLE to BUSY, transaction_over() back.  From each
 *	of them conn_quit() leads to QUITTING and bury() to DEAD, from where
 *	there is no way; the memory goes at the end of the turn.
 */
enum conn_state { C_CONNECTING, C_HELLO, C_BUSY, C_IDLE, C_QUITTING, C_DEAD };

/* What is to be said next in a transaction. */
enum say { SAY_RSET, SAY_MAIL, SAY_RCPT, SAY_CONTENT, SAY_NOTHING };

struct owed {
	uint8_t		 step;
	uint32_t	 recipient;
};

struct conn {
	LIST_ENTRY(conn)	 entry;		/* relay's conns, or dead */
	TAILQ_ENTRY(conn)	 idle_entry;	/* relay's */
	TAILQ_ENTRY(conn)	 site_entry;	/* the site's idle ones */
	struct relay		*relay;
	struct site		*site;		/* owned reference */
	struct attempt		*attempt;	/* borrowed; BUSY, or before */
	struct stream		 stream;
	enum conn_state		 state;
	char			 name[CONN_NAME_BYTES];
	uint8_t			 address[16];
	uint16_t		 port;
	bool			 has_address;	/* not a Unix socket */
	bool			 by_mx;
	bool			 best;		/* see struct target */
	bool			 lmtp;
	bool			 is_us;		/* it says that it is */
	char			 host[DNS_NAME_BYTES + 1]; /* for TLS; "" */
	enum secure_level	 level;		/* what holds for it */
	bool			 outdated;	/* another policy holds now */
	bool			 secure_now;	/* TLS was asked for, and nothing
						 * was said within it yet */
	char			 secured[SECURED_BYTES]; /* "": in clear */
	struct ehlo		 ehlo;
	struct reply		 reply;
	/* The steps that are owed a reply: a ring. */
	struct owed		*owed;		/* owned */
	size_t			 owed_at, nowed, owed_room;
	bool			 ahead;		/* the last was said before
						 * one ahead was answered */
	/* The transaction under way. */
	enum say		 say;
	size_t			 say_recipient;	/* for SAY_RCPT */
	size_t			 accepted;
	bool			 needs_rset;	/* MAIL was accepted, no end */
	bool			 replied;	/* in this transaction */
	bool			 utf8;
	/* The content on its way. */
	bool			 sending;
	bool			 written;	/* all of it, with its end */
	bool			 dots;		/* DATA, not BDAT */
	unsigned		 dot_state;
	uint64_t		 sent;
	/* Over its life. */
	uint64_t		 messages;
	size_t			 rcpt_limit;	/* 0: none known */
	int64_t			 idle_since;
};

/* -1 with errno: not even begun, the attempt is still free.  See
 * conn_error_is_ours(). */
int	 conn_open(struct relay *, struct site *, const struct target *,
	    struct attempt *);
/* True where this host, not the other, was what failed. */
bool	 conn_error_is_ours(int error);
/* A socket that is connected (LMTP over a Unix socket). */
void	 conn_adopt(struct relay *, struct site *, int fd_take,
	    struct attempt *);
/* An idle one gets work. */
void	 conn_run(struct conn *, struct attempt *);
/* The attempt goes its own way; the connection is closed. */
void	 conn_abandon(struct conn *);
/* Says QUIT and closes; not while BUSY. */
void	 conn_quit(struct conn *);
/* Shows it to those who watch the host's network; nothing has been asked of
 * the host that it has not answered. */
void	 conn_tap(struct conn *);
/* The end of the content may have reached the host. */
bool	 conn_may_have_delivered(const struct conn *);
/* Closes at once and releases all but the memory. */
void	 conn_bury(struct conn *);
void	 conn_free_dead(struct relay *);

/* ---- between conn.c and smtp.c ------------------------------------------- */

void	 conn_enter(struct conn *, enum conn_state);
/* The work is done: waits for more, or says QUIT. */
void	 conn_rest(struct conn *);
/* The connection is of no use any more: its attempt goes on elsewhere. */
void	 conn_fail(struct conn *, const struct outcome *);
/* The same, with our own words: what went wrong, after "NAME: ". */
void	 conn_lost(struct conn *, struct enhanced, const char *what);
/* TLS failed: without it where that is allowed, else elsewhere. */
void	 conn_insecure(struct conn *, const char *why);

void	 smtp_start(struct conn *);		/* connected */
void	 smtp_secured(struct conn *);		/* the handshake is done */
void	 smtp_begin(struct conn *);		/* a new attempt */
void	 smtp_input(struct conn *);
void	 smtp_sent(struct conn *);		/* room for more content */
/* "RCPT": what the host has not answered. */
const char *smtp_waits_for(const struct conn *);
/* The reply did not come in time: perhaps the host has lost what was said ahead
 * of it, whatever it has offered.  For a day its site is told one thing at a
 * time. */
void	 smtp_timed_out(struct conn *);

/* ---- names --------------------------------------------------------------- */

/* "connect to mx[192.0.2.1]:25: Connection refused" */
void	 conn_failure_text(const struct target *, const char *what,
	    const char *why, char *text, size_t size);

#endif
