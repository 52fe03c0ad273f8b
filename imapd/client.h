/* SPDX-License-Identifier: ISC */
/* client - for tests: a client of one session, in the same process. */
#ifndef IMAPD_CLIENT_H
#define IMAPD_CLIENT_H

#include "imap.h"

struct client {
	int		 fd;
	struct store	*store;
	struct imap_session *session;
	struct buf	 got;		/* what has come and was not taken */
	struct buf	 state;		/* of a parked session */
	struct buf	 changed;	/* names, LF behind each */
	struct buf	 watched;	/* the same, of the last call */
	bool		 parks;		/* may be parked */
	bool		 parked, ended, unauthenticated;
	char		 why[100];
};

extern struct ev_loop client_loop;
extern struct imap_session_config client_config;
/* For the real store; the one in memory has none. */
extern const char *client_maildir;

/* Makes the loop, where there is none yet. */
void	 client_begin(void);
/* The world of fake_store.h is left as it is. */
void	 client_login(struct client *);
/* With what is in state; there is no session where that is not to be read. */
void	 client_resume(struct client *, bool news);
void	 client_close(struct client *);
void	 client_send(struct client *, struct slice);
/* Lets the loop turn until nothing happens any more. */
void	 client_settle(struct client *);
/* Sends, settles, and gives what was answered; valid until the next call. */
struct slice client_ask(struct client *, const char *);

#endif
