/* SPDX-License-Identifier: ISC */
/*
 * schedule - who is served next (Q6).
 *
 * An attempt, on the channel a job, is one message for one or more recipients
 * with the same next hop.  Jobs wait at their next hop, each sender's in a row
 * of its own, new mail apart from retries.  The scheduler goes round the next
 * hops that may send, takes one job of each in its turn, and at each next hop
 * goes round the senders.
 *
 * A next hop may send while fewer jobs are under way than its window is wide,
 * its rate allows it, and it is not dead:
 *
 *	ALIVE --- site failure, nothing delivered since the last,
 *	  ^	  and nothing under way that could be -------------> DEAD
 *	  |                                                           |
 *	  |                                                 its back-off is over
 *	  +------- delivered ------------- PROBING <------------------+
 *	                                      |  site failure: DEAD, longer
 *
 * Of several priorities the highest has its turn first, and the least one now
 * and then all the same.
 *
 * The window of a remote next hop begins at WINDOW_START, grows by one for
 * each windowful of successes, and halves on a site failure.  DEAD jobs are
 * handed back; one message is then tried at a time (a probe).  Retries are
 * tried so as well as long as nothing has been delivered since we started or
 * since the last site failure: after a restart nobody knows who was dead.
 *
 * A next hop that is paused by hand is like a dead one that nothing wakes.
 *
 * Nothing here knows the time or the loop: the caller says what time it is
 * (milliseconds, monotonic) and asks when to come back.
 */
#ifndef QMGR_SCHEDULE_H
#define QMGR_SCHEDULE_H

#include <sys/queue.h>
#include <sys/tree.h>

#include "base/slice.h"
#include "heap.h"
#include "mail/outcome.h"
#include "queue.h"

#define WINDOW_START	5
#define HOP_RETRIES	100	/* that may be READY at one next hop */
#define HOPS_KEPT	50000	/* over it nothing is remembered of idle ones */

struct hop;
struct sender;

enum attempt_state {
	JOB_GATHERED,	/* its entry still routes recipients */
	JOB_READY,	/* waits at its next hop */
	JOB_SENT,	/* a delivery process has it */
};

struct attempt {
	uint64_t	 id;		/* first: idmap; on the channel */
	enum attempt_state	 state;
	struct hop	*hop;		/* a reference */
	struct sender	*sender;	/* READY */
	TAILQ_ENTRY(attempt) link;		/* READY: of the sender */
	TAILQ_ENTRY(attempt) of_entry;
	struct entry	*entry;
	uint64_t	 key;		/* recipients of different keys are not
					 * put together */
	uint64_t	 sender_key;
	bool		 retry;
	int		 priority;	/* RFC 6710: higher ones first */
	uint32_t	*numbers;	/* owned; of its recipients */
	uint32_t	 n;
	uint32_t	 cap;
	uint32_t	 open;		/* SENT: without an outcome yet */
	struct channel	*channel;	/* SENT: who has it */
	int64_t		 sent_ms;	/* SENT: since when, monotonic */
	size_t		 bytes;		/* recipients, packed, about */
	bool		 good;		/* some outcome was not the site's */
	char		*words;		/* of the site's failure, packed; owned */
	uint32_t	 nwords;
	char		*secured;	/* DL_SECURED, or NULL; owned */
};
enum hop_state { HOP_ALIVE, HOP_DEAD, HOP_PROBING };

struct hop {
	RB_ENTRY(hop)	 by_name;
	char		*name;		/* owned */
	bool		 local;
	enum hop_state	 state;
	bool		 paused;	/* by hand: nothing is sent */
	unsigned	 refs;		/* routes, jobs */
	unsigned	 limit;		/* of the window */
	unsigned	 window;
	unsigned	 credit;	/* successes since it last grew */
	unsigned	 inflight;
	unsigned	 successes;	/* since the last site failure */
	uint64_t	 rate;		/* messages a minute; 0: no limit */
	int64_t		 next_us;	/* the rate's theoretical arrival time */
	int64_t		 backoff_ms;	/* the last */
	int64_t		 blocked_until;	/* the process had no room for it */
	char		*outcome;	/* of the failure it is dead by; owned */
	uint32_t	 noutcome;
	RB_HEAD(senders, sender) senders;
	/* With jobs: new, retries; by priority, highest first. */
	TAILQ_HEAD(sender_ring, sender) rings[2];
	unsigned	 ready[2];	/* jobs in them */
	unsigned	 since_retry;	/* new ones sent since a retry was */
	unsigned	 since_least;	/* others, since the least priority's */
	TAILQ_ENTRY(hop) ring;		/* of the hops that may send */
	bool		 in_ring;
	struct heap_node wake;		/* DEAD, or over its rate */
	struct slot_list waiting;	/* messages that wait for it */
	unsigned	 nwaiting;
};

struct sched_config {
	unsigned	 remote_window;
	unsigned	 local_window;
	uint64_t	 remote_rate;
	int64_t		 retry_first;	/* ms */
	int64_t		 retry_max;
	/* Limits of one next hop; 0 keeps the above.  May be NULL. */
	void		(*limits)(void *arg, const char *name,
			    unsigned *window, uint64_t *rate);
	/* Whether nothing is to be sent there.  May be NULL. */
	bool	(*paused)(void *arg, const struct hop *);
};

enum send_result {
	SEND_DONE,
	SEND_BUSY,	/* no process of this kind takes more now */
	SEND_NEVER,	/* the job is gone: the caller has dealt with it */
};

struct sched_ops {
	enum send_result (*send)(void *arg, struct attempt *);
	/* The next hop is dead (or paused), or has as many jobs of messages
	 * that were tried before as it may: this one is handed back,
	 * GATHERED. */
	void	(*hand_back)(void *arg, struct attempt *, bool dead);
	/* Up to n messages that wait for the next hop are wanted. */
	void	(*wanted)(void *arg, struct hop *, unsigned n);
};

RB_HEAD(hops, hop);

struct sched {
	struct sched_config	 conf;
	const struct sched_ops	*ops;
	void			*arg;
	struct hops		 hops;
	unsigned		 nhops;
	TAILQ_HEAD(hop_ring, hop) ring;
	struct heap		 timed;
	bool			 blocked[2];	/* remote, local: SEND_BUSY */
	unsigned		 ready;		/* jobs */
	unsigned		 sent;
};

void	 sched_init(struct sched *, const struct sched_config *,
	    const struct sched_ops *, void *arg);
void	 sched_clear(struct sched *);
/* New limits for all next hops, and pauses. */
void	 sched_configure(struct sched *, const struct sched_config *);

/* A reference to the next hop of a name. */
struct hop *hop_get(struct sched *, bool local, struct slice name);
void	 hop_release(struct sched *, struct hop **);
/* The one of a name if it is known: no reference. */
struct hop *hop_find(struct sched *, struct slice name);
/* All that are known, by name: the first after NULL, NULL after the last. */
struct hop *hop_after(struct sched *, struct hop *);

/* The job waits at its hop from now on; where the hop is dead it is handed
 * back at once. */
void	 sched_add(struct sched *, struct attempt *, int64_t now);
/* Takes back a READY job. */
void	 sched_remove(struct sched *, struct attempt *);
/* Sends what may be sent. */
void	 sched_run(struct sched *, int64_t now);
/* When sched_run() has something to do by time alone; -1: never. */
int64_t	 sched_next(const struct sched *);
/* After SEND_BUSY of a next hop's kind: try again. */
void	 sched_unblock(struct sched *);
/* Now and then: sees whether messages that wait should be wanted again, since
 * one that was may never have come. */
void	 sched_tick(struct sched *);

enum job_result {
	JOB_DELIVERED,		/* at least one recipient, or the site is well
				 * and has refused */
	JOB_SITE_FAILED,
	JOB_NO_ROOM,		/* the process had no room for it */
	JOB_LOST,		/* the process died */
};
/* A SENT job is over.  words: the packed outcome of a site failure. */
void	 sched_result(struct sched *, struct attempt *, enum job_result,
	    struct slice words, int64_t now);

/* The message waits for the hop, without a job. */
void	 hop_wait(struct hop *, struct slot *);
void	 hop_unwait(struct slot *);
bool	 hop_is_dead(const struct hop *);
/* When a dead hop is tried again. */
int64_t	 hop_until(const struct hop *);
/* Tries a dead hop now. */
void	 hop_revive(struct sched *, struct hop *, int64_t now);

/* ms with up to a fifth more or less. */
int64_t	 jitter(int64_t ms);

#endif
