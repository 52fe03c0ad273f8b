/* SPDX-License-Identifier: ISC */
/*
 * attempt - a job of qmgr: who has got the message, who not yet, and why.
 *
 * Always: an attempt has a connection, or waits for DNS or master (its
 * waiter), and ends as soon as each recipient has its outcome; qmgr is told
 * then, once.
 */
#ifndef REMOTE_ATTEMPT_H
#define REMOTE_ATTEMPT_H

#include "content.h"
#include "plan.h"
#include "relay.h"

#define ATTEMPT_ARENA_BYTES	(8u * 1024 * 1024)

enum rcpt_state {
	RCPT_TODO,		/* not in the transaction under way */
	RCPT_SENT,		/* in it, no reply yet */
	RCPT_ACCEPTED,		/* RCPT got 2xx */
	RCPT_DECIDED,		/* has its outcome */
};

struct attempt_recipient {
	enum rcpt_state	 state;
	bool		 may_be_taken_back; /* decided by a reply to RCPT in the
					 * transaction under way */
	struct outcome	 outcome;	/* slices in the arena */
};

struct attempt {
	LIST_ENTRY(attempt)	 entry;
	struct relay		*relay;
	uint64_t		 id;		/* qmgr's job */
	char			*body;		/* owned; job is in it */
	struct arena		 arena;
	struct job		 job;
	int			 fd;		/* owned, or -1 */
	struct attempt_recipient *recipients;	/* in the arena */
	size_t			 undecided;
	struct site		*site;		/* a reference */
	struct plan		*plan;		/* a reference, or NULL */
	struct plan_cursor	 cursor;
	struct plan_waiter	 waiter;
	uint64_t		 socket_id;	/* asked of master; 0: none */
	struct conn		*conn;		/* borrowed; NULL: none */
	bool			 has_slot;	/* counted in relay->nconns */
	unsigned		 tries;
	struct outcome		 last;		/* of the last address */
	bool			 needs_utf8;
	enum body_type		 body_type;	/* of content */
	struct content		 content;
	struct buf		 converted;	/* what content may point to */
};

/* A job from qmgr: DL_JOB or DL_JOB_FILE. */
void	 attempt_begin(struct relay *, struct channel *, struct message *);
/* Ends it where nothing is decided; results follow all the same. */
void	 attempt_cancel(struct attempt *);
/* Ends it without a word to qmgr. */
void	 attempt_drop(struct attempt *);
/* Everything that is not decided is deferred. */
void	 attempt_defer_rest(struct attempt *, struct enhanced, const char *);

/* What master answered. */
void	 attempt_got_socket(struct attempt *, int fd_take);
void	 attempt_no_socket(struct attempt *, struct slice why);

/* ---- what a connection tells --------------------------------------------- */

/* A recipient's outcome; the slices are copied. */
void	 attempt_decide(struct attempt *, size_t recipient,
	    const struct outcome *);
/* The same for all in one state. */
void	 attempt_decide_all(struct attempt *, enum rcpt_state,
	    const struct outcome *);
/* The replies have lost their step: who was refused in the transaction under
 * way is undecided again. */
void	 attempt_take_back(struct attempt *);
/* The connection is gone, or of no use; `why` is kept in case there is no other
 * address.  Recipients in RCPT_SENT and RCPT_ACCEPTED become RCPT_TODO. */
void	 attempt_try_next(struct attempt *, const struct outcome *why);
/* The same for an idle connection that proved dead: begins anew. */
void	 attempt_try_again(struct attempt *);
/* The same for a host that cannot do TLS, and need not: as try_again, but
 * counted. */
void	 attempt_try_in_clear(struct attempt *, const struct outcome *why);
/* No address may be tried any more. */
void	 attempt_give_up(struct attempt *, const struct outcome *why);
/* Each recipient is decided, and the connection free for another. */
void	 attempt_finish(struct attempt *);

/* Chooses what is sent to a host that offers this: 0, or -1 and the outcome
 * (constant text) for all recipients. */
int	 attempt_convert(struct attempt *, unsigned offers, struct outcome *);

#endif
