/* SPDX-License-Identifier: ISC */
/*
 * harness - a whole queue manager in a test, its peers played.
 *
 * The addresses say what happens: lookup sends "local..." to a mailbox,
 * "cmd..." to a program, "nobody..." nowhere, "slow..." to be asked again
 * later, "alias..." to a1 and a2, "one..." to a1, "list..." the same with the
 * reverse-path owner-list@here, "loop..." to itself, all else to the remote
 * next hop of its domain.  Deliveries end as world.outcome says.
 */
#ifndef QMGR_HARNESS_H
#define QMGR_HARNESS_H

#include "ipc/queue_shape.h"
#include "ipc/queue_tool.h"
#include "qmgr.h"

#define DELIVERIES	20000

struct delivery {
	uint64_t	 id;
	uint32_t	 number;
	bool		 local;
	bool		 maybe_done;
	char		 address[64];
	char		 sender[64];
	char		 original[64];
	struct envelope_extras extras;	/* without slices */
	uint8_t		 notify;
	bool		 envid;		/* it has one */
	uint32_t	 crc;		/* of the content */
	uint64_t	 size;
	bool		 whole;		/* it is what world_submit() made */
	uint64_t	 job;
	unsigned	 together;	/* recipients of the job */
	int64_t		 at;
	bool		 done;		/* delivered or relayed */
};

struct reported {
	enum report_kind kind;
	uint64_t	 about;
	uint64_t	 id;
	char		 to[64];
	unsigned	 nrecipients;
	enum outcome_status first;
	char		 text[128];
};

struct world {
	struct ev_loop	 loop;
	struct conf	*conf;
	char		 dir[64];
	struct qmgr	*q;		/* NULL: not running */
	struct channel	*smtpd;		/* our sides; NULL: down */
	struct channel	*lookup;
	struct channel	*local;
	struct channel	*remote;
	struct channel	*bounce;

	uint64_t	 block;		/* ids we were granted */
	unsigned	 next_in_block;

	struct delivery	*deliveries;	/* owned */
	size_t		 ndeliveries;
	struct reported	 reported[1000];
	size_t		 nreported;
	size_t		 nqueued;	/* acknowledged */
	uint64_t	*queued;	/* owned; their ids */
	size_t		 nrefused;
	uint16_t	 refusal;	/* the last code */
	size_t		 nroutes;	/* questions to lookup */
	int		 spool_fd;	/* the last SPOOL's, or -1 */

	/* What deliveries come to; NULL: delivered, or relayed.  False: no
	 * answer. */
	bool		(*outcome)(struct world *, const struct delivery *,
			    struct outcome *);
	/* Takes a job as it came, or leaves it; NULL: leaves all. */
	bool		(*job)(struct world *, struct channel *,
			    struct message *);
	/* Turns the loop once, for at most so long; NULL: ev_turn(). */
	void		(*turn)(void *turn_arg, int ms);
	void		*turn_arg;
	const char	*maildir;	/* of "local..."; NULL: one of a user */
	void		*arg;
	const struct pause *pause;	/* TL_PAUSE: this, dry_run says on */
	const char	*next_hop;	/* for REROUTE; NULL: by the tables */
	bool		 routes_down;	/* lookup does not answer */
	bool		 crashes;	/* who went down did so by its own fault */
	bool		 bounce_fails;
	struct envelope_extras extras;	/* of what is submitted */
	/* The last SQ_LIMIT. */
	size_t		 nlimits;
	uint32_t	 limit_seconds, limit_recipients;
};

/* A fresh queue directory, in memory where that can be had.  more: further
 * lines of configuration, or "". */
void	 world_init(struct world *, const char *more);
void	 world_clear(struct world *);	/* removes the directory too */
/* Starts qmgr with all peers, or those of a mask. */
enum { UP_SMTPD = 1, UP_LOOKUP = 2, UP_LOCAL = 4, UP_REMOTE = 8,
	UP_BOUNCE = 16, UP_ALL = 31 };
int	 world_start(struct world *, unsigned peers);
void	 world_up(struct world *, unsigned peers);
void	 world_down(struct world *, unsigned peers);
/* Ends qmgr without a word, as a crash would; what is not written is lost. */
void	 world_kill(struct world *);
/* In order: when its work is done. */
void	 world_stop(struct world *);
void	 world_turn(struct world *, int ms);
/* Turns until the condition holds; fails the test after ms. */
/* How much slower than ours a machine may be: its cores have other work. */
#define WORLD_SLOW	5
#define world_wait(w, ms, cond)						\
	do {								\
		int64_t world_end_ = clock_mono_ms() +			\
		    WORLD_SLOW * (ms);					\
		while (!(cond)) {					\
			if (clock_mono_ms() > world_end_)		\
				world_timeout(w, __FILE__, __LINE__, #cond); \
			world_turn(w, 2);				\
		}							\
	} while (0)
void	 world_timeout(struct world *, const char *, int, const char *);
/* Turns for a time, and as often as a machine does on which nothing stalls. */
void	 world_run(struct world *, int ms);

/* Submits; the id.  to: addresses with spaces between, each may have
 * ";notify=N". */
uint64_t world_submit(struct world *, const char *from, const char *to,
	    size_t size);
uint64_t world_submit_large(struct world *, const char *from, const char *to,
	    size_t size);
/* Asks what a login may send, waits for the answer. */
void	 world_ask_limit(struct world *, const char *login);
uint32_t world_content_crc(size_t size);
/* What a tool hears: lines, entries as "ID STATE <from> rcpt...", data, rows of
 * a shape (by change, which is an enum shape_by then) as "[NAME] N N ...", next
 * hops as "NAME STATE MESSAGES WHY"; two rows of either are asked for. */
struct told {
	struct buf	 text;
	size_t		 nentries;
	size_t		 nlines;
	bool		 over;
	int		 status;
};
void	 world_ask(struct world *, uid_t, uint16_t type,
	    enum queue_change, bool dry_run, const struct queue_filter *,
	    struct told *);
void	 told_clear(struct told *);
/* The same as root, and for at most two seconds: a disk that fails may leave it
 * without an answer. */
void	 world_ask_for_a_while(struct world *, uint16_t type,
	    enum queue_change, const struct queue_filter *, struct told *);
/* A filter of one term with a text. */
#define FILTER(kind_, text_)						\
	(struct queue_filter){ .terms = (struct queue_term[]){		\
	    { .kind = (kind_), .text = SLICE_LIT(text_) } }, .nterms = 1 }

/* How often an address was delivered to (all messages, or of one). */
size_t	 world_count(const struct world *, uint64_t id, const char *address);
/* The same without attempts that did not succeed. */
size_t	 world_done(const struct world *, uint64_t id, const char *address);

#endif
