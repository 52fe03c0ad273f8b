/* SPDX-License-Identifier: ISC */
/*
 * queue - the messages in memory.
 *
 * Every message has a slot: 64 bytes, and some 20 in the map and the heap, all
 * that is known of one that sleeps in its file.  One that is being worked on,
 * or is young, has an entry too: its envelope, its recipients and, while memory
 * allows, its content.
 *
 * A recipient's states; what a restart finds stands behind each:
 *
 *	NEW -----> ROUTING -> READY -> SENT		open
 *	 ^  route()    |                 |
 *	 |             v                 v
 *	 |         EXPANDING         (outcome)		open
 *	 |             |            /    |    \
 *	 +-- DEFERRED <------------+     |     |	open, last outcome
 *	  due                            v     v
 *	                  OWING (a report is due) ----> DONE
 *	                                        durable	owing; done
 *
 * rcpt_enter() alone changes the state, and keeps the entry's counts.
 */
#ifndef QMGR_QUEUE_H
#define QMGR_QUEUE_H

#include <sys/queue.h>

#include "heap.h"
#include "hop_names.h"
#include "idmap.h"
#include "ipc/channel.h"
#include "journal.h"
#include "mail/envelope.h"
#include "mail/outcome.h"

struct entry;
struct hop;
struct attempt;
struct qmgr;
struct route;

enum slot_state {
	SLOT_COMMITTING,	/* not durable yet: not acknowledged */
	SLOT_ACTIVE,		/* something is under way for it */
	SLOT_WAITING,		/* until its time, or for its next hop */
	SLOT_HELD,		/* until released */
	SLOT_LOADING,		/* its file is being read */
};

struct slot {
	uint64_t	 id;		/* first: idmap; 0: not in use */
	struct heap_node due;		/* WAITING: in queue.due; .spare: when
					 * its message arrived, seconds since
					 * 1970, 0: see its file */
	struct entry	*entry;		/* NULL: asleep in its file */
	struct hop	*hop;		/* the next hop it waits for, or NULL */
	TAILQ_ENTRY(slot) of_hop;
	uint16_t	 version;	/* counts how often it was unloaded: what
				 * was read of its file before is stale */
	uint8_t		 state;		/* enum slot_state */
	uint8_t		 attempts;
	bool		 wake : 1;	/* it is to be tried at once, whatever
				 * its file says of the next attempt */
	bool		 spared : 1;	/* a pause has kept it: it is tried once
				 * more before it is given up */
	uint8_t		 steps;		/* of the clock (clock.h) that its time
					 * of arrival knows of */
	uint16_t	 next_hop;	/* in queue.hop_names: where it waits
					 * to go; 0: see its file */
};
TAILQ_HEAD(slot_list, slot);

enum rcpt_state {
	RCPT_NEW, RCPT_ROUTING, RCPT_EXPANDING, RCPT_READY, RCPT_SENT,
	RCPT_DEFERRED, RCPT_OWING, RCPT_DONE,
};

enum {
	RCPT_NO_FORWARD = 1,	/* was "\name" */
	RCPT_EXPANDED = 2,	/* came from another recipient */
	RCPT_MAYBE_DONE = 4,	/* an attempt's end is not known */
	RCPT_WARNED = 8,	/* the delay was reported */
	RCPT_DIRTY = 16,	/* its record is to be written */
	RCPT_REPORTING = 32,	/* bounce is writing about it */
	RCPT_REROUTED = 64,	/* that is to be written */
	/* Kept on disk: */
	RCPT_KEPT_FLAGS = RCPT_NO_FORWARD | RCPT_EXPANDED | RCPT_WARNED,
};

#define NO_PARENT	UINT32_MAX

struct rcpt {
	/* All slices are in memory that the entry owns. */
	struct slice	 address;
	struct slice	 original;	/* before any expansion */
	struct slice	 orcpt;
	struct slice	 owner;		/* whose ~/.forward named it */
	struct slice	 next_hop;	/* of the last attempt */
	struct slice	 reroute;	/* chosen by hand; "" by the tables */
	struct route	*route;		/* a reference, or NULL */
	char		*outcome;	/* packed, owned; NULL: no attempt */
	uint32_t	 noutcome;
	uint32_t	 parent;	/* its number, or NO_PARENT */
	int64_t		 attempted_ms;
	uint16_t	 sender;	/* which of entry.senders */
	uint8_t		 notify;
	uint8_t		 state;		/* enum rcpt_state */
	uint8_t		 flags;		/* RCPT_* */
	uint8_t		 depth;		/* of expansion */
};

/* Content that is in memory; shared with what reads it on a lane. */
struct content {
	uint32_t	 refs;
	uint32_t	 n;
	char		 bytes[];
};

struct blob {
	struct blob	*next;
	size_t		 n;
	char		 bytes[];
};

enum {
	ENTRY_LARGE = 1,	/* the content is in large/XX/ID, `content` is
				 * only what comes before it */
	ENTRY_NO_REPORT = 2,	/* nobody hears of its failures */
};

TAILQ_HEAD(attempt_list, attempt);

struct entry {
	struct slot	*slot;
	struct qmgr	*q;		/* for callbacks */
	void		(*on_durable)(struct qmgr *, struct entry *);
	uint64_t	 id;
	struct young	 young;
	struct journal_wait wait;	/* for its MESSAGE record */
	struct slice	 packed;	/* the envelope as it came, in blobs */
	struct envelope	 env;		/* unpacked, without the recipients */
	uint32_t	 flags;		/* ENTRY_* */
	uint32_t	 seq;		/* of the last record about it */
	struct content	*content;	/* a reference; NULL: not in memory */
	uint32_t	 content_n;
	uint32_t	 content_off;	/* in the body of its MESSAGE record */
	uint64_t	 file_content;	/* has_file: where in the file */
	uint64_t	 large_n;	/* bytes in the large file */
	uint32_t	 large_crc;	/* their CRC-32C; 0: not known */
	struct rcpt	*rcpts;		/* owned */
	uint32_t	 nrcpts;
	uint32_t	 cap;
	struct slice	*senders;	/* reverse-paths; [0] is the envelope's */
	uint16_t	 nsenders;
	struct blob	*blobs;		/* owned */
	size_t		 memory;	/* all of the above, bytes */
	/* Recipients: neither DONE nor OWING; OWING; under way; ROUTING. */
	uint32_t	 open;
	uint32_t	 owing;
	uint32_t	 busy;
	uint32_t	 routing;
	uint32_t	 dirty;
	struct attempt_list jobs;	/* of all states */
	TAILQ_ENTRY(entry) of_peer;	/* COMMITTING: of its submitter */
	struct channel	*from;		/* COMMITTING: who is told; or NULL */
	int64_t		 next_ms;	/* the next attempt; 0: now */
	uint64_t	 report_of;	/* this is the report on that message */
	unsigned	 pins;		/* it may not be unloaded or end now */
	TAILQ_ENTRY(entry) of_suspects;
	uint8_t		 kills;		/* processes that died with it */
	bool		 suspected;	/* it is in that list */
	bool		 doubted;	/* its large content is being read */
	bool		 has_file;	/* old generation */
	uint64_t	 file_end;	/* where its log goes on */
	bool		 migrating;
	bool		 held;
	struct slice	 why_held;
	bool		 aborted;	/* COMMITTING: the client is gone */
	bool		 hold;		/* becomes `held` when not reporting */
	bool		 release;
	bool		 delete;	/* as soon as nothing is under way */
	int64_t		 delete_at;	/* it can be had back: when that was
					 * asked for; 0: it cannot */
	bool		 burying;	/* undo.c is at it */
	bool		 buried;	/* a durable copy is in deleted/ */
	bool		 bounce;	/* fail what is open */
	bool		 retry;		/* this activity is not its first */
	bool		 crowded;	/* too many are before it at its next
				 * hop: it waits for that in its file */
	bool		 tried;		/* in this activity */
	bool		 reporting;	/* from the question to bounce until its
				 * report is durable: no record is made
				 * about this message meanwhile */
	uint8_t		 report_failures;
};

struct slot_chunk;

struct queue {
	struct idmap	 slots;
	struct slot_chunk *chunks;	/* where slots are; owned */
	struct slot_list unused;	/* slots of them, by of_hop */
	struct heap	 due;		/* of WAITING slots */
	struct hop_names hop_names;	/* of those that sleep */
	size_t		 entries;
	size_t		 memory;	/* of all entries with content */
	size_t		 content;	/* of content alone */
};

void	 queue_init(struct queue *);
struct slot *queue_slot_new(struct queue *, uint64_t id);
/* The slot has no entry any more. */
void	 queue_slot_free(struct queue *, struct slot **);
struct slot *queue_find(const struct queue *, uint64_t id);
/* All slots, in no order, in as many turns as one likes: the cursor, zeroed to
 * begin, stays good whatever comes and goes meanwhile, which may be missed.
 * NULL after the last. */
struct slot_cursor {
	const struct slot_chunk *chunk;
	size_t		 at;
	bool		 begun;
};
struct slot *queue_next_slot(const struct queue *, struct slot_cursor *);
void	 slot_enter(struct queue *, struct slot *, enum slot_state);
/* What can be told of a message that sleeps without reading its file. */
void	 slot_remember(struct queue *, struct slot *, const struct entry *);
/* WAITING until a time, ms since 1970. */
void	 slot_wait(struct queue *, struct slot *, int64_t until);
void	 queue_clear(struct queue *);

/*
 * An entry for a slot from a packed envelope, which is copied; its recipients
 * are NEW.  NULL: it is none.
 */
struct entry *entry_new(struct queue *, struct slot *, struct slice envelope);
void	 entry_free(struct queue *, struct entry **);
void	 entry_set_content(struct queue *, struct entry *, struct slice);
void	 entry_drop_content(struct queue *, struct entry *);
void	 content_release(struct queue *, struct content **);
/* Memory that lives as long as the entry. */
struct slice entry_keep(struct queue *, struct entry *, struct slice);
/* The whole message's size. */
uint64_t entry_size(const struct entry *);
/* ENVID and RET for recipients of one of entry.senders: those of a list's
 * members are not what the message came with (RFC 3461 section 5.2.7). */
struct slice entry_envid(const struct entry *, uint16_t sender);
enum dsn_ret entry_ret(const struct entry *, uint16_t sender);
/* Where the reverse-path is null there is nobody to be told. */
bool	 rcpt_wants_success(const struct entry *, const struct rcpt *);
/* Numbers continue from entry.nrcpts.  NULL: too many. */
struct rcpt *entry_add_rcpt(struct queue *, struct entry *);
/* Which of entry.senders; adds it.  -1: too many. */
int	 entry_sender(struct queue *, struct entry *, struct slice);

void	 rcpt_enter(struct entry *, struct rcpt *, enum rcpt_state);
static inline uint32_t
rcpt_number(const struct entry *e, const struct rcpt *r)
{
	return (uint32_t)(r - e->rcpts);
}
void	 rcpt_set_next_hop(struct queue *, struct entry *, struct rcpt *,
	    struct slice);
void	 rcpt_set_reroute(struct queue *, struct entry *, struct rcpt *,
	    struct slice);
void	 rcpt_set_outcome(struct queue *, struct entry *, struct rcpt *,
	    const struct outcome *);
/* False where there was none. */
bool	 rcpt_outcome(const struct rcpt *, struct outcome *);

#endif
