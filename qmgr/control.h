/* SPDX-License-Identifier: ISC */
/*
 * control - what the parts of queue.sock share.
 *
 *	control.c	connections; requests; which messages are looked at
 *	select.c	whether a message is meant
 *	show.c		listing and showing
 *	change.c	hold, release, retry, delete, bounce, reroute, undo
 *	export.c	messages as a stream of bytes
 *	import.c	and back
 *	pause.c		what is stopped for a while
 */
#ifndef QMGR_CONTROL_H
#define QMGR_CONTROL_H

#include "ipc/queue_tool.h"
#include "qmgr.h"

struct import;

/* What is done to each message that matches. */
struct request {
	uint16_t	 type;		/* TL_QUEUE_*; 0: none under way */
	uint64_t	 id;		/* the tool's */
	struct arena	 arena;
	struct queue_filter filter;
	enum queue_change change;
	enum queue_how	 how;
	struct slice	 next_hop;	/* REROUTE: the new one; "" by table */
	int64_t		 at;		/* DELETE: what it deletes has this time */
	uint64_t	 undo_failures;	/* of undo.c when it began */
	uint64_t	*ids;		/* owned; still to be looked at, a
					 * heap with the oldest on top: it is
					 * made in linear time, so that the
					 * first of a million comes at once;
					 * NULL: waits for the walk */
	size_t		 nids;
	size_t		 matched;
	bool		 internal;	/* nothing is told about each message */
	bool		 failed;	/* EXPORT: one could not be read */
};

struct client {
	TAILQ_ENTRY(client) link;
	struct qmgr	*q;
	struct channel	*channel;	/* owned; NULL: gone */
	uid_t		 uid;
	bool		 may_change;
	unsigned	 pending;	/* loads, and other waits that have
					 * its address: it lives as long */
	struct request	 r;
	struct import	*import;	/* owned, or NULL */
	struct ev_timer	 timer;		/* goes on in the next turn */
};

/* control.c */
/* One thing that had the client's address is over. */
void	 client_unpend(struct client *);
/* The request goes on in the next turn, unless nobody wants it any more. */
void	 request_go_on(struct client *);
void	 request_finish(struct client *, int status, const char *why);
/* In pieces of DATA_BYTES. */
#define DATA_BYTES	32768	/* of a TL_DATA */
void	 request_send(struct client *, struct slice);
void	 request_say(struct client *, const char *fmt, ...)
		    __attribute__((format(printf, 2, 3)));
/* r->ids have come in any order. */
void	 request_sort(struct request *);
/* fn follows when all that was recorded until now is durable, unless the client
 * has gone meanwhile. */
void	 request_when_durable(struct client *,
		    void (*fn)(struct client *));

/* select.c */
enum queue_state shown_state(const struct slot *);
/* What can be said without its envelope. */
bool	 slot_may_match(const struct request *, const struct slot *);
bool	 filter_needs_envelope(const struct queue_filter *);
bool	 rcpt_matches(const struct request *, const struct entry *,
		    const struct rcpt *);
/* Where it is to go, as far as that is known. */
struct slice rcpt_next_hop(const struct rcpt *);
bool	 entry_matches(const struct request *, struct qmgr *,
		    const struct entry *);

/* show.c; kept_until: of one that was deleted, else 0 */
void	 show_listed(struct client *, const struct entry *,
		    int64_t kept_until);
void	 show_whole(struct client *, struct entry *);

/* change.c */
/* Does it to a message that is in the queue. */
void	 change_message(struct client *, struct slot *);
/* Has back one that was deleted; its file says what e says. */
void	 change_undo(struct client *, const struct entry *);
bool	 change_is_crowded(const struct client *);

/* export.c */
void	 export_message(struct client *, struct entry *);

/* import.c: false is a breach */
bool	 import_begin(struct client *, struct message *);
bool	 import_says(struct client *, struct message *);
void	 import_stop(struct client *);
void	 import_free(struct client *);

/* pause.c */
bool	 pause_ask(struct client *, struct message *);
bool	 pause_list(struct client *, struct message *);
/* Notes at the head of a listing. */
void	 pause_note(struct client *);

#endif
