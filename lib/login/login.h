/* SPDX-License-Identifier: ISC */
/*
 * login - what imapd and pop3d do before a login, and around a session.
 *
 *	login.c		the process: configuration, listeners, its peers
 *	conn.c		a connection: state, input, time, TLS, end
 *	sasl.c		the dialogue with auth
 *	session.c	master and sessions: beginning, pumping, parking
 *	watch.c		news of mailboxes, for those who watch them
 *
 * A protocol (struct login_protocol) speaks to the client until the login and
 * knows nothing of the rest.  Nothing here knows of mail.
 *
 *	SECURING --> TALK <--> AUTH --> STARTING --> SESSION <--> PARKED
 *	   ^	      |	 ^	|  ^	 |   ^			    |
 *	   +----------+	 |	v  |	 |   +----------------------+
 *	     STARTTLS	 |    RESPONSE	 |
 *			 +---------------+  (refused; UNAUTHENTICATE)
 *	any --> CLOSING --> OVER
 */
#ifndef LOGIN_LOGIN_H
#define LOGIN_LOGIN_H

#include <sys/queue.h>
#include <sys/tree.h>

#include "ev/acceptor.h"
#include "ev/stream.h"
#include "ipc/auth_client.h"
#include "ipc/certificates.h"
#include "ipc/child.h"
#include "ipc/logouts.h"
#include "ipc/rate.h"
#include "ipc/session.h"

/* What a client can make us hold before its login: input that is no whole
 * command yet.  A response of SASL_BYTES in base64 fits. */
#define LOGIN_INPUT_BYTES	(24 * 1024)
#define LOGIN_OUT_BYTES		(32 * 1024)	/* of one reply */
#define LOGIN_WAIT_BYTES	(8 * 1024)	/* replies that wait: then no
						 * more input is looked at */
#define LOGIN_ERRORS		20		/* then the client is cut off */
#define LOGIN_FAILURES		10		/* logins that failed */
#define PUMP_BYTES		(256 * 1024)	/* on its way, each direction */
#define CLOSING_MS		10000	/* for the last words */
#define DRAIN_MS		2000	/* for the client to read them */
#define LINGER_MS		60000	/* for a session's last output */
#define GONE_MS			30000	/* for a session to go on talking to who
					 * has closed his side */
#define STOPPING_MS		5000		/* for sessions to say BYE */
#define LOGOUT_MS		5000		/* for one that was told to */
#define WATCH_BYTES		8192		/* names that one watches */

struct login;
struct conn;
struct user_mail;

enum conn_state {
	CONN_SECURING,		/* a TLS handshake goes on */
	CONN_TALK,		/* commands before the login */
	CONN_RESPONSE,		/* a challenge was sent: the next line answers */
	CONN_AUTH,		/* auth is asked */
	CONN_STARTING,		/* master is asked for a session */
	CONN_SESSION,		/* the bytes are a session's */
	CONN_PARKED,		/* a session's, that has no process now */
	CONN_CLOSING,		/* the last words are being sent */
	CONN_OVER,
	CONN_STATES
};

/* Why we end a connection that is not a session's. */
enum login_end {
	LOGIN_END_TIME,		/* it took too long */
	LOGIN_END_STOP,		/* the suite stops */
	LOGIN_END_FULL,		/* too many connections */
	LOGIN_END_CLIENT,	/* too many of this client */
	LOGIN_END_ERRORS,	/* too many errors, or failed logins */
	LOGIN_END_INPUT,	/* more input than a login needs */
	LOGIN_END_NO_TLS,	/* TLS is not to be had where it is implicit */
	LOGIN_END_SESSION,	/* the session crashed, or could not go on */
	LOGIN_END_LOGOUT,	/* what it logged in with is good no more */
};

struct login_protocol {
	enum role		 role;
	enum role		 session;
	enum auth_protocol	 auth;
	enum listener_kind	 listener;
	size_t			 front_bytes;	/* of conn->front */
	/* Once, when all is ready for the greeting. */
	void	(*greet)(struct conn *);
	/* In TALK and RESPONSE: does what can be done with the input.  False:
	 * more is needed, or something else has to happen first. */
	bool	(*take)(struct conn *);
	/* After STARTTLS: forget what was said in clear (RFC 3207). */
	void	(*secured)(struct conn *);
	/* What was to be a SASL response is none, and counts as an error. */
	void	(*not_sasl)(struct conn *, const char *text);
	void	(*failed)(struct conn *, enum auth_failure, struct slice text);
	void	(*refused)(struct conn *, enum session_refusal);
	/* The last words; in_session: after the login, where the protocol
	 * would not expect them otherwise. */
	void	(*bye)(struct conn *, enum login_end, bool in_session);
	/* The tag that the session is to answer. */
	struct slice (*tag)(const struct conn *);
};

TAILQ_HEAD(conn_list, conn);
LIST_HEAD(conn_watchers, conn);
RB_HEAD(mail_tree, user_mail);

struct conn {
	struct login		*l;
	enum conn_state		 state;
	uint64_t		 id;		/* slot and serial */
	struct stream		 client;
	struct ev_timer		 timer;		/* login_ms, idle_ms */
	struct peer		 who;
	char			*listener;	/* name of the block; owned */
	void			*front;		/* the protocol's own; owned */
	uint64_t		 logouts;	/* when auth was asked */
	int64_t			 since_ms;
	unsigned		 errors;
	unsigned		 failures;
	bool			 counted;	/* in l->rate */
	bool			 greeted;
	bool			 taking;	/* input is being worked on */
	bool			 asking;	/* auth owes an answer, or we do */
	bool			 client_gone;	/* EOF: says no more, but listens */
	bool			 said_over;	/* the session ended in order */
	bool			 has_none;	/* no process could be made */
	bool			 wake;		/* parked: as soon as it can be */
	bool			 inner_done;	/* all that it said was read */
	bool			 revoked;	/* the session was told to end */
	unsigned		 retries;	/* to have it go on */
	unsigned		 deaths;	/* of processes for that */
	size_t			 handed;	/* of ahead: went with SE_BEGIN */
	bool			 news;		/* parked: something changed */
	const char		*end;		/* why it ended, for the log */
	char			 over[32];	/* why the session did */
	struct buf		 ahead;		/* input before the stream's */
	/* After the login: */
	char			*login;		/* owned; NULL before */
	uint64_t		 session;	/* master's number; 0 none */
	struct channel		*seat;		/* owned; NULL: no process */
	struct stream		 inner;		/* within TLS: to the session */
	uint32_t		 news_sent;	/* SE_NEWS to this process */
	struct buf		 parked;	/* the state; empty: a new one */
	struct user_mail	*mail;		/* whose; NULL: not known yet */
	struct buf		 watched;	/* slices of wire.h */
	bool			 watches_all;
	LIST_ENTRY(conn)	 by_mail;
	TAILQ_ENTRY(conn)	 entry;		/* l->conns, or l->over */
};

struct login {
	struct child		 child;
	const struct login_protocol *protocol;
	struct certificates	 certificates;
	struct rate		 rate;
	struct acceptor_list	 listeners;
	struct conn		**slots;	/* owned */
	uint32_t		 nslots;
	uint32_t		*free_slots;	/* owned; nfree of nslots */
	uint32_t		 nfree;
	uint32_t		 serial;
	struct conn_list	 conns;
	struct conn_list	 over;		/* freed at turn's end */
	size_t			 nconns;
	size_t			 nsessions;	/* with a process */
	size_t			 nparked;
	struct ev_task		 reaper;
	struct ev_timer		 stop_timer;
	bool			 stopping;
	bool			 retiring;	/* ends with the last client */
	/* What auth offers, SP between. */
	char			*with_certificate; /* owned; a client's, verified */
	char			*with_tls;	/* owned */
	char			*without_tls;	/* owned */
	char			*from_here;	/* owned; of local clients */
	struct logouts		 logouts;
	struct mail_tree	 mails;
	size_t			 nwatching;
	bool			 listens;	/* said to local */
	/* From the configuration: */
	char			*hostname;	/* owned */
	uint64_t		 max_connections;
	uint64_t		 client_connections;
	int64_t			 login_ms;
	int64_t			 idle_ms;	/* parked for so long: autologout */
	int64_t			 gone_ms;	/* GONE_MS */
};

int	 login_main(const struct login_protocol *, int argc, char *argv[]);
/* For tests: without a process. */
void	 login_init(struct login *, const struct login_protocol *);
void	 login_clear(struct login *);
/* CTL_LOGOUT's body: ends that login's connections. */
void	 login_logout(struct login *, struct slice body);

/* ---- for the protocols --------------------------------------------------- */

/* Input that has not been consumed; at most LOGIN_INPUT_BYTES of it can
 * wait. */
struct slice conn_input(struct conn *);
void	 conn_consume(struct conn *, size_t);
void	 conn_say(struct conn *, struct slice);
void	 conn_printf(struct conn *, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
/* The last words were said: sends them and closes.  why is for the log; after
 * "logout", "quit" and "eof" nothing more is expected of the client, otherwise
 * what it goes on to say does not cost it our last words. */
void	 conn_close(struct conn *, const char *why);
/* Counts a bad command; true when it was the last that is borne (the end has
 * been said). */
bool	 conn_error(struct conn *);
bool	 conn_is_tls(const struct conn *);
/* STARTTLS can be offered; nothing is done without it (listener.tls =
 * required). */
bool	 conn_may_start_tls(struct conn *);
bool	 conn_must_start_tls(struct conn *);
/* After the go-ahead was said. */
void	 conn_start_tls(struct conn *);
/* SASL mechanisms that are offered now, SP between. */
struct slice conn_mechanisms(const struct conn *);
bool	 conn_offers(const struct conn *, struct slice mechanism);

/* What follows is a challenge ("+ " and base64: RFC 9051 section 6.2.2, 5034
 * section 4), after which the state is RESPONSE; or failed(), not_sasl(), or a
 * session.  initial: base64, or "=" for an empty response (RFC 4959 section 3);
 * empty: there is none. */
void	 conn_authenticate(struct conn *, struct slice mechanism,
	    struct slice initial, struct slice client_name);
/* Name and password, as PLAIN. */
void	 conn_login(struct conn *, struct slice name, struct slice password,
	    struct slice client_name);
/* In RESPONSE: the client's line, without CRLF: base64, or "*", which ends the
 * attempt. */
void	 conn_respond(struct conn *, struct slice line);

/* ---- between the files --------------------------------------------------- */

/* conn.c; takes over fd. */
void	 conn_new(struct login *, int fd_take, const struct peer *,
	    const char *listener);
void	 conn_enter(struct conn *, enum conn_state);
struct conn *conn_find(struct login *, uint64_t id);
/* Shows it to those who watch its client's network. */
void	 conn_tap(struct conn *);
/* Gives it a new number: what was asked under the old one is answered in
 * vain. */
void	 conn_rename(struct conn *);
/* Goes on with input that was held back. */
void	 conn_resume(struct conn *);
/* Says the last words and closes. */
void	 conn_bye(struct conn *, enum login_end);
void	 conn_cut(struct conn *, const char *why);

/* sasl.c */
extern const struct message_rule auth_rules[];
extern const struct channel_ops auth_ops;
void	 sasl_gone(struct conn *);
/* The login is over: auth, which counts, is told, and c->login is gone. */
void	 sasl_logout(struct conn *);

/* session.c */
void	 session_begin(struct conn *, struct slice grant);
void	 session_wake(struct conn *, bool news);
void	 session_control(struct login *, struct message *);
void	 session_client_input(struct conn *);
void	 session_client_sent(struct conn *);
/* The client has closed its side.  False: the connection is over. */
bool	 session_client_ended(struct conn *);
void	 session_news(struct conn *, struct slice mailbox);
/* It is to take its leave with this text. */
void	 session_bye(struct conn *, const char *text);
/* Tries again to have a parked session go on.  False: none is. */
bool	 session_retry(struct conn *);
/* Lets go of all that belongs to the session. */
void	 session_clear(struct conn *);

/* watch.c */
extern const struct message_rule news_rules[];
extern const struct channel_ops news_ops;
void	 watch_local_up(struct login *, struct channel *);
/* Whose mail the connection's session is of. */
void	 watch_mail(struct conn *, struct slice maildir);
/* Instead of what it watched before; false: not well-formed. */
bool	 watch_set(struct conn *, struct wire *);
void	 watch_clear(struct conn *);
/* This session has changed a mailbox. */
void	 watch_changed(struct conn *, struct slice mailbox);

#endif
