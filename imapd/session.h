/* SPDX-License-Identifier: ISC */
/*
 * session - IMAP after the login (RFC 9051, RFC 3501): one user, one
 * connection.
 *
 * Knows nothing of master, login or TLS: it has a connection with clear bytes,
 * a store, and a seat's functions to call.  The same code runs in the session
 * process and, over a socket pair, in tests.
 */
#ifndef IMAPD_SESSION_H
#define IMAPD_SESSION_H

#include <stdbool.h>

#include "base/slice.h"
#include "ev/loop.h"
#include "store/store.h"

struct imap_session;

struct imap_seat_ops {
	/* This session has changed a mailbox: others are to be told. */
	void	(*changed)(void *arg, struct slice mailbox);
	/* Which mailboxes it wants news of: the selected one, those of NOTIFY;
	 * an empty name: all.  Called when that changes. */
	void	(*watch)(void *arg, const struct slice *mailboxes, size_t n);
	/* In IDLE with nothing to say, or long silent between commands: the
	 * process may write `state` down, close and end; a new one goes on with
	 * it.  False: stay. */
	bool	(*park)(void *arg, struct slice state);
	/* It is over (LOGOUT, error, time): the session is freed by the
	 * caller. */
	void	(*ended)(void *arg, const char *why);
	/* UNAUTHENTICATE (RFC 8437): back to login; unread is input left
	 * over. */
	void	(*unauthenticate)(void *arg, struct slice unread);
};

struct imap_session_config {
	int64_t		 timeout_ms;	/* without a command (RFC 9051 5.4) */
	int64_t		 park_ms;	/* silent so long: parked; 0 never */
	size_t		 line_bytes;	/* imap.max_line */
	uint64_t	 append_bytes;	/* APPENDLIMIT */
	bool		 compress;	/* COMPRESS=DEFLATE may be offered */
	bool		 unauthenticate; /* so may UNAUTHENTICATE */
	const char	*hostname;
	const char	*login;
	const char	*admin;		/* METADATA /shared/admin; "" none */
	struct store_usage quota;	/* limits; 0 none */
};

struct imap_begin {
	int		 fd_take;	/* the connection */
	struct slice	 tag;		/* of the LOGIN or AUTHENTICATE:
					 * answered with OK [CAPABILITY ...]; .n
					 * 0 with a state, or for PREAUTH */
	bool		 preauth;
	struct slice	 unread;	/* input that login had read already */
	struct slice	 state;		/* parked: goes on silently */
	bool		 news;		/* parked: something has changed */
};

/* The store stays the caller's.  NULL: the state cannot be used. */
struct imap_session *imap_session_new(struct ev_loop *, struct store *,
	    const struct imap_session_config *, const struct imap_begin *,
	    const struct imap_seat_ops *, void *arg);
void	 imap_session_free(struct imap_session **);
/* A delivery, or another session's change. */
void	 imap_session_news(struct imap_session *, struct slice mailbox);
/* "* BYE text", then ended(). */
void	 imap_session_bye(struct imap_session *, const char *text);

#endif
