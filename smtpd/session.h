/* SPDX-License-Identifier: ISC */
/*
 * session - one client's connection.
 *
 *	S_GREETING --> S_START --> S_READY --> S_ID_ASKED --> S_MAIL
 *			  (EHLO)	 (MAIL)	 +--------------^ |
 *							  RCPT ---+
 *	S_MAIL, S_RCPT --> S_RCPT_ASKED --> S_MAIL or S_RCPT	(lookup)
 *	S_RCPT --> S_DATA					(DATA)
 *	S_RCPT, S_CHUNKS --> S_CHUNK --> S_CHUNKS		(BDAT)
 *	S_DATA, S_CHUNK <--> S_SPOOL_ASKED			(qmgr)
 *	S_DATA, S_CHUNK, S_SPOOL_ASKED --> S_COMPLETE		(content)
 *	S_COMPLETE --> S_NAME_ASKED --> S_COMPLETE		(resolver)
 *	S_COMPLETE --> S_SUBMIT_HELD --> S_COMPLETE		(busy)
 *	S_COMPLETE --> S_SUBMITTED --> S_READY			(qmgr)
 *	S_START, S_READY --> S_HANDSHAKE --> S_START		(STARTTLS)
 *	S_HANDSHAKE --> S_GREETING				(implicit TLS)
 *	S_READY --> S_AUTH_ASKED <--> S_AUTH_LINE --> S_READY	(auth)
 *	S_READY --> S_SENDER_ASKED --> S_LIMIT_ASKED --> as MAIL (a login)
 *	content --> S_AUTHORS_ASKED --> S_COMPLETE		(lookup)
 *	any --> S_READY or S_START (RSET, EHLO), S_CLOSING, S_OVER
 *
 * While a session waits for another process it takes no input: at most what
 * one read brought is kept, and the client is held back by TCP.  Only
 * S_RCPT_ASKED takes more RCPTs, whose replies come in their order.
 */
#ifndef SMTPD_SESSION_H
#define SMTPD_SESSION_H

#include "ev/acceptor.h"
#include "ev/stream.h"
#include "ev/tls.h"
#include "ipc/certificates.h"
#include "ipc/master_child.h"
#include "smtpd.h"
#include "tx.h"

enum session_state {
	S_GREETING =	1 << 0,
	S_START =	1 << 1,		/* greeted, no EHLO yet */
	S_READY =	1 << 2,		/* no transaction */
	S_ID_ASKED =	1 << 3,		/* MAIL waits for a queue id */
	S_MAIL =	1 << 4,		/* a transaction without recipients */
	S_RCPT =	1 << 5,		/* one recipient at least */
	S_RCPT_ASKED =	1 << 6,		/* verdicts are outstanding */
	S_DATA =	1 << 7,		/* content until CRLF.CRLF */
	S_CHUNK =	1 << 8,		/* octets of a BDAT */
	S_CHUNKS =	1 << 9,		/* between two BDATs */
	S_SPOOL_ASKED =	1 << 10,	/* no file for the content yet */
	S_COMPLETE =	1 << 11,	/* passing: all content is there */
	S_NAME_ASKED =	1 << 12,	/* the trace field lacks the name */
	S_SUBMIT_HELD =	1 << 13,	/* the channel is too busy */
	S_SUBMITTED =	1 << 14,	/* Q1: no 250 before QUEUED */
	S_CLOSING =	1 << 15,	/* the last reply is being sent */
	S_OVER =	1 << 16,	/* nothing touches it any more */
	S_HANDSHAKE =	1 << 17,	/* of TLS: nothing is said inside yet */
	S_AUTH_ASKED =	1 << 18,	/* auth has the word */
	S_AUTH_LINE =	1 << 19,	/* the client has, in its dialogue */
	S_SENDER_ASKED = 1 << 20,	/* MAIL: may this login send as this? */
	S_LIMIT_ASKED =	1 << 21,	/* MAIL: has it sent too much? */
	S_AUTHORS_ASKED = 1 << 22,	/* From and Sender: are they its own? */
};

#define S_WAITING	(S_ID_ASKED | S_RCPT_ASKED | S_SPOOL_ASKED |	\
			    S_NAME_ASKED | S_SUBMIT_HELD | S_SUBMITTED | \
			    S_AUTH_ASKED | S_SENDER_ASKED |		\
			    S_LIMIT_ASKED | S_AUTHORS_ASKED)
#define S_COMMANDS	(S_START | S_READY | S_MAIL | S_RCPT | S_CHUNKS)
#define S_ENDED		(S_CLOSING | S_OVER)

/* Of the ids that requests carry. */
#define SESSION_SLOT_BITS 20
#define SESSION_SERIAL_BITS 24

#define COMMAND_BYTES	2048	/* a line: 512, and what extensions add */
#define HELO_BYTES	255
#define UNSENT_BYTES	(16 * 1024)	/* replies waiting: no more commands */
#define REPLY_TEXT_BYTES 500
#define NAME_WAIT_MS	2000	/* for the client's name, since the connect */
#define CLOSING_MS	10000	/* for the client to take the last reply */

struct client {
	struct peer	 peer;
	enum listener_kind kind;
	enum listener_tls tls;
	const char	*listener;	/* the block; the session copies it */
};

struct session {
	struct smtpd		*d;
	struct settings		*set;		/* a reference */
	enum session_state	 state;
	uint32_t		 slot;		/* d->slots[slot] == this */
	uint32_t		 serial;
	struct stream		 stream;
	struct client		 client;
	char			*listener;	/* owned: client.listener */
	bool			 may_relay;
	bool			 exempt;	/* from limits a client */
	bool			 bare_lf;	/* LF is taken for CRLF */
	bool			 extended;	/* EHLO, not HELO */
	bool			 throttled;	/* until replies are taken */
	bool			 half_closed;	/* it only listens any more */
	bool			 skip_line;	/* too long: until its end */
	bool			 counted;	/* in d->rate */
	bool			 mail_refused;	/* and what is piped behind */
	bool			 greeted;
	uint64_t		 skip;		/* octets of a refused chunk */
	bool			 secured;	/* it is within TLS */
	char			*login;		/* owned; NULL: not logged in */
	bool			 login_counts;	/* auth counts it as logged in */
	bool			 revoked;	/* ends after the transaction */
	bool			 auth_open;	/* a dialogue with auth */
	uint8_t			 auth_failed;	/* enum auth_failure that the
						 * client is not told yet */
	uint64_t		 logouts;	/* when auth was asked */
	uint32_t		 auth_attempts;
	char			*helo;		/* owned; NULL before */
	char			*ptr;		/* owned; NULL: not known */
	struct dns_query	*ptr_query;	/* owned; NULL: none */
	const char		*stage;		/* for the log: "rcpt" */
	const char		*end;		/* why it ended, for the log */
	struct slice		 refused_to;	/* RCPT under way: the log */
	uint32_t		 errors;
	uint32_t		 transactions;
	uint32_t		 accepted;	/* messages */
	int64_t			 connected_ms;
	enum deadline		 deadline;	/* the list that it is in */
	int64_t			 deadline_ms;
	TAILQ_ENTRY(session)	 by_deadline;
	TAILQ_ENTRY(session)	 waiting;	/* want_id, want_submit, over */
	struct session		*next_in_qmgr;
	struct tx		*tx;		/* owned; NULL: none */
};

/* All bytes are within TLS; then stream_tls_info() of its stream says more. */
bool	 session_is_secure(const struct session *);
/* STARTTLS may be said. */
bool	 session_offers_tls(const struct session *);
/* The reply is said; from now on TLS, and a session that knows nothing of what
 * was said before. */
void	 session_start_tls(struct session *, struct tls_context *);

/* All sessions that are there: somebody has begun to watch. */
void	 session_tap_all(struct smtpd *);
/* Takes over fd.  The session greets, speaks, and frees itself. */
void	 session_new(struct smtpd *, int fd_take, const struct client *);
/* The only way that state changes. */
void	 session_enter(struct session *, enum session_state);
/* A complete command or a part of the content came: time starts again. */
void	 session_touch(struct session *);
/* Goes on with input that was held back while the session waited. */
void	 session_resume(struct session *);
/* The transaction is over, or there was none. */
void	 session_ready(struct session *);
/* Sends what was said and closes.  why is a word for the log. */
void	 session_close(struct session *, const char *why);
/* 421 with these words, which begin with the enhanced code, and closes, for
 * something of the client's: logged as a refusal. */
void	 session_turn_away(struct session *, const char *words,
	    const char *why);
/* Closes at once. */
void	 session_cut(struct session *, const char *why);
/* The session of a number given in a request, or NULL if it is over. */
struct session *session_find(struct smtpd *, uint32_t slot, uint32_t serial);

/* The client's messages in smtp.rate_window: has it sent enough, and one more
 * was sent. */
bool	 session_over_rate(const struct session *);
void	 session_count_message(struct session *);

/* A whole line with its CRLF. */
void	 session_say(struct session *, struct slice);
void	 session_reply(struct session *, unsigned code, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));
/* The same, logged and counted: for codes of 400 and above.  The words begin
 * with the enhanced status code. */
void	 session_refuse(struct session *, unsigned code, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));

#endif
