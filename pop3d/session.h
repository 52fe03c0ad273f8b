/* SPDX-License-Identifier: ISC */
/*
 * session - POP3 after the login: one user, one maildrop, one connection.
 *
 *	TRANSACTION <--> SENDING	(RETR, TOP, LIST, UIDL)
 *	TRANSACTION --> CLOSING		(QUIT, which is the UPDATE state)
 *	any --> CLOSING, OVER
 *
 * The maildrop is what the inbox held at the login.  It is not locked: another
 * session may change the inbox meanwhile, and what it has expunged cannot be
 * retrieved any more, but keeps its number.  Deletions are carried out by QUIT,
 * all or none.
 */
#ifndef POP3D_SESSION_H
#define POP3D_SESSION_H

#include "ev/loop.h"
#include "store/store.h"

struct pop3_session;

struct pop3_config {
	int64_t		 timeout_ms;	/* without a command */
	bool		 mark_seen;	/* what was retrieved becomes \Seen */
	/* The inbox was changed. */
	void		(*changed)(void *arg, struct slice mailbox);
	/* It is over, and is to be freed by the caller. */
	void		(*ended)(void *arg, const char *why);
	void		*arg;
};

/* Takes over the connection, whose login it answers.  store NULL: it could not
 * be opened, which the client is told.  The store stays the caller's; unread
 * is input that was read before. */
struct pop3_session *pop3_session_new(struct ev_loop *, struct store *,
	    const struct pop3_config *, int fd_take, struct slice unread);
void	 pop3_session_free(struct pop3_session **);
/* "-ERR text", then ended(). */
void	 pop3_session_bye(struct pop3_session *, const char *text);

#endif
