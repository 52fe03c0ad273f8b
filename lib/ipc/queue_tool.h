/* SPDX-License-Identifier: ISC */
/* queue_tool - what queue.sock carries: a filter to qmgr, entries back. */
#ifndef IPC_QUEUE_TOOL_H
#define IPC_QUEUE_TOOL_H

#include <stdint.h>

#include "base/arena.h"
#include "ipc/tool.h"
#include "mail/outcome.h"

#define QUEUE_FILTER_IDS	500
#define QUEUE_FILTER_TERMS	32
#define QUEUE_ENTRY_RECIPIENTS	200

/*
 * What a message must be.  Terms about recipients choose among those that are
 * not done: a message is meant when one of them fits all these terms together.
 * Texts are compared without regard to the case of ASCII letters.
 */
enum queue_term_kind {
	/* Of recipients: */
	TERM_RECIPIENT = 1,	/* an address or "@domain" */
	TERM_NEXT_HOP,		/* the whole name */
	TERM_REASON,		/* a part of the last outcome's text, or of why
				 * it is held */
	/* Of the message: */
	TERM_SENDER,		/* "<>" the null one, "@domain" or an address */
	TERM_LOGIN,		/* who submitted it; "" nobody */
	TERM_CLIENT,		/* the address of the client, or how it begins
				 * where the text ends in "*" */
	TERM_OLDER,		/* number: ms since it arrived, at least */
	TERM_LARGER,		/* number: bytes, more than */
	TERM_ATTEMPTS,		/* number: so many or more */
	TERM_STATES,		/* number: mask of 1 << enum queue_state */
	TERM_LAST = TERM_STATES
};
struct queue_term {
	uint8_t		 kind;
	bool		 negated;
	struct slice	 text;
	uint64_t	 number;
};

/* Where to look. */
enum queue_where {
	QUEUE_LIVE,
	QUEUE_UNDO_ALL,		/* what was deleted and can be had back */
	QUEUE_UNDO_LAST,	/* of that, what the last request deleted */
};

/* All terms must hold; ids: any of them.  Nothing set: all messages. */
struct queue_filter {
	uint64_t	*ids;		/* in the arena */
	size_t		 nids;		/* at most QUEUE_FILTER_IDS */
	struct queue_term *terms;	/* in the arena */
	size_t		 nterms;	/* at most QUEUE_FILTER_TERMS */
	enum queue_where where;
};

enum queue_state {
	QUEUE_ACTIVE = 1, QUEUE_DEFERRED = 2, QUEUE_HELD = 3,
	QUEUE_DELETED = 4,	/* until next_attempt_ms it can be had back */
};

struct queue_entry_recipient {
	struct slice	 address;
	struct slice	 next_hop;	/* "" where not routed yet */
	uint8_t		 final;		/* 1: done, not shown by mailq */
	bool		 rerouted;	/* next_hop was set by hand */
	struct outcome	 outcome;	/* status 0: no attempt yet */
};

struct queue_entry {
	uint64_t	 id;
	enum queue_state state;
	uint64_t	 size;
	int64_t		 arrived_ms;
	int64_t		 next_attempt_ms;	/* 0: now, or held */
	int64_t		 release_ms;	/* FUTURERELEASE; 0: not asked for */
	uint32_t	 attempts;
	struct slice	 reverse_path;
	struct slice	 client;
	struct slice	 login;		/* who submitted it; "" nobody */
	struct queue_entry_recipient *recipients; /* open ones; at most
						    * QUEUE_ENTRY_RECIPIENTS */
	size_t		 nrecipients;
	uint32_t	 more;		/* recipients that are not listed */
};

/* What is stopped for a while. */
enum pause_kind {
	PAUSE_NEXT_HOP = 1,	/* deliveries to one next hop */
	PAUSE_OUTBOUND,		/* to all remote ones */
	PAUSE_LOCAL,		/* into mailboxes, and to programs */
	PAUSE_INBOUND,		/* new mail from other hosts */
	PAUSE_SUBMISSION,	/* new mail of our users, and sendmail's */
	PAUSE_KINDS
};
#define PAUSE_REASON_BYTES	200
struct pause {
	enum pause_kind	 kind;
	struct slice	 next_hop;	/* NEXT_HOP; else "" */
	int64_t		 since_ms;
	int64_t		 until_ms;	/* 0: until somebody resumes it */
	struct slice	 reason;
};
/* "next-hop example.org", "outbound" ...; valid for the next 2 calls. */
const char *pause_name(const struct pause *);
int	 pause_pack(struct buf *, const struct pause *);
bool	 pause_unpack(struct wire *, struct pause *);

int	 queue_filter_pack(struct buf *, const struct queue_filter *);
bool	 queue_filter_unpack(struct wire *, struct arena *,
	    struct queue_filter *);
int	 queue_entry_pack(struct buf *, const struct queue_entry *);
bool	 queue_entry_unpack(struct wire *, struct arena *,
	    struct queue_entry *);

#endif
