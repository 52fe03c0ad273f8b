/* SPDX-License-Identifier: ISC */
/*
 * qmgr - what its parts share.
 *
 *	start.c		opening, clocks, stopping
 *	submit.c	smtpd: messages come in
 *	limits.c	how much each login may send
 *	drop.c		messages left in drop/ while the suite was stopped
 *	life.c		what becomes of a message
 *	expand.c	a recipient becomes others
 *	route.c		lookup: where recipients go
 *	deliver.c	local, remote: jobs and their results
 *	report.c	bounce: reports about failures, delays, successes
 *	queue.c		the messages in memory
 *	schedule.c	who is served next
 *	journal.c	the young generation; segment.c: its files
 *	roll.c		which of these there must be
 *	old.c		the way from the young to the old
 *	store.c		the old generation; stored.c: what a file of it says
 *	record.c	what both say about a message
 *	notes.c		small files at the top of the queue directory
 *	recover.c	what was there when we started
 *	muster.c	which messages there must be
 *	unread.c	those whose files cannot be read
 *	clock.c		what happens when the wall clock is set
 *	undo.c		what was deleted, and can be had back
 *	pause.c		what is stopped for a while
 *	control.c	queue.sock: the tools (control.h)
 *	shape.c		queue.sock: how much waits, where to, for how long
 *	hops.c		next hops, for tools and metrics
 *	check.c		`chasqui queue check`, in a process of its own
 *	adopt.c		`qmgr export`, likewise
 */
#ifndef QMGR_QMGR_H
#define QMGR_QMGR_H

#include "clock.h"
#include "conf/conf.h"
#include "ev/disk.h"
#include "ipc/channel.h"
#include "ipc/delivery.h"
#include "ipc/master_child.h"
#include "ipc/qmgr_bounce.h"
#include "ipc/qmgr_lookup.h"
#include "ipc/smtpd_qmgr.h"
#include "ipc/tool.h"
#include "journal.h"
#include "queue.h"
#include "record.h"
#include "schedule.h"
#include "store.h"

#define QMGR_PEERS	64	/* processes of one role */
#define RETRIES_AT_ONCE	2000	/* sleeping messages that are awake */
#define LOADS_AT_ONCE	64	/* their files, for which others on the lane wait */
#define LOADS_IN_WALK	8	/* the same while the directories are walked */
#define MAX_DEPTH	20	/* of expansion */
#define KILLS		2	/* processes that die with a message */

struct cleaner;
struct routes;
struct drops;
struct limits;
struct controls;
struct shapes;
struct walk;
struct undo;
struct pauses;

struct qmgr {
	struct ev_loop		*loop;
	const struct conf	*conf;		/* borrowed; changes at reload */
	int			 dir;		/* the queue; owned */
	struct disk_lane	*commits;
	struct disk_lane	*files;
	struct journal		*journal;
	struct store		*store;
	struct cleaner		*cleaner;	/* old.c's */
	struct queue		 queue;
	struct walk		*walk;		/* not all files are known yet;
						 * NULL: they are */
	struct idmap		 unread;	/* unread.c's; */
	int64_t			 unread_since_ms;	/* monotonic */
	struct sched		 sched;
	struct queue_clock	 clock;
	struct routes		*routes;
	struct drops		*drops;
	struct limits		*limits;
	struct controls		*controls;
	struct undo		*undo;
	struct pauses		*pauses;
	struct shapes		*shapes;
	int64_t			 hops_told_ms;	/* to metrics; monotonic */
	uint64_t		 hash_key[2];

	struct channel		*lookup;	/* NULL: down; so for all */
	struct channel		*local;
	struct channel		*bounce;
	struct channel		*remotes[QMGR_PEERS];	/* by index */
	unsigned		 nremotes;	/* highest index + 1 */
	struct channel		*smtpds[QMGR_PEERS];
	bool			 paused;	/* smtpds are not read from */

	uint64_t		 last_id;	/* the start of the last block */
	uint64_t		 ids_reserved;	/* durable: ids below may be used */
	uint64_t		 ids_asked;	/* to be reserved */
	struct journal_wait	 ids_wait;

	struct idmap		 jobs;		/* SENT */
	bool			 jobs_full;
	uint64_t		 last_job;
	struct entry		*suspect;	/* the one that is tried alone */
	uint64_t		 accused;	/* its id, or 0: a process ended */
	enum role		 accuser;	/* with it, and this one */
	unsigned		 accuser_index;
	TAILQ_HEAD(, entry)	 suspects;	/* who wait for that */
	TAILQ_HEAD(, entry)	 committing;	/* by of_peer */

	struct idmap		 reports;
	uint64_t		 last_report;

	unsigned		 retrying;	/* woken messages that are active */
	unsigned		 loading;	/* whose files are being read */
	bool			 disk_full;	/* below queue.min_free */
	uint64_t		 free_bytes;
	struct ev_timer		 due_timer;	/* WAITING slots */
	struct ev_timer		 sched_timer;
	struct ev_task		 sched_task;
	struct ev_timer		 tick;
	void			(*renew)(void *);	/* or NULL: a new start */
	void			*renew_arg;		/* is wanted */
	bool			 read_only;	/* adopt.c: it is not ours */
	bool			 stopping;
	void			(*stopped)(void *);	/* once all is durable */
	void			*stopped_arg;
};

/* qmgr.c */
/* Opens the queue directory (before rights are dropped). */
int	 qmgr_open(struct qmgr *, const char *path);
/* Recovers what is there and begins.  threads false: file system work in the
 * loop, for tests. */
int	 qmgr_start(struct qmgr *, struct ev_loop *, const struct conf *,
	    bool threads);
void	 qmgr_channel_up(struct qmgr *, struct channel *);
void	 qmgr_reload(struct qmgr *, const struct conf *);
/* Limits or pauses of next hops have changed. */
void	 qmgr_configure_sched(struct qmgr *);
/* Nothing new is begun; stopped() follows when all is durable. */
void	 qmgr_stop(struct qmgr *, void (*stopped)(void *), void *arg);
void	 qmgr_clear(struct qmgr *);
void	 qmgr_status(struct qmgr *, struct buf *);
extern const struct channel_ops smtpd_ops, lookup_ops, delivery_ops, bounce_ops;
extern const struct message_rule smtpd_rules[], lookup_rules[],
    delivery_rules[], bounce_rules[];

/* A queue id nobody has used. */
uint64_t qmgr_new_id(struct qmgr *);
/* Something may be sent, or a sleeping message has got another time. */
void	 qmgr_wake_scheduler(struct qmgr *);
void	 qmgr_due_changed(struct qmgr *);
/* smtpds are read from unless the journal is full. */
void	 qmgr_relaxed(void *arg);

/* life.c */
/* An entry may not end or sleep while it is pinned; the last unpin decides
 * what becomes of it. */
static inline void
entry_pin(struct entry *e)
{
	e->pins++;
}
void	 entry_unpin(struct qmgr *, struct entry **);
/* Tries all its open recipients. */
void	 entry_begin(struct qmgr *, struct entry *);
/* A WAITING or HELD message is tried now; its file is loaded as needed. */
void	 slot_wake(struct qmgr *, struct slot *);
/* The due ones of the WAITING, as many as may be awake. */
void	 wake_due(struct qmgr *);
bool	 wake_may(const struct qmgr *);
void	 rcpt_decided(struct qmgr *, struct entry *, struct rcpt *,
	    const struct outcome *);
/* Of the recipients that are RCPT_REROUTED. */
void	 entry_write_reroutes(struct qmgr *, struct entry *);
void	 entry_set_held(struct qmgr *, struct entry *, bool, struct slice why);
void	 entry_release_routes(struct qmgr *, struct entry *);
/* By the clock of today (clock.h): when it arrived; when its delivery could
 * begin, which is then or later where it asked for that; by when its sender
 * wishes it to be delivered (RFC 2852); and when it is given up, by us or by
 * that wish. */
int64_t	 entry_arrived(const struct qmgr *, const struct entry *);
int64_t	 entry_released(const struct qmgr *, const struct entry *);
int64_t	 entry_by(const struct qmgr *, const struct entry *);
int64_t	 entry_expires(const struct qmgr *, const struct entry *);
/* WAITING as it was before a restart.  Where the clock has been set back since,
 * for no longer than it might wait anew. */
void	 slot_wait_again(struct qmgr *, struct slot *, int64_t until);
/* Content, from memory or the disk; released with content_release().  NULL
 * and a log line where it cannot be read: see entry_unreadable(). */
struct content *entry_content(struct qmgr *, struct entry *);
/* The message is tried again later where descriptors or memory were short;
 * else it is held.  file: where its content is. */
void	 entry_unreadable(struct qmgr *, struct entry *, const char *file,
	    int error);
/* A record about it, into the journal and into its file where it has one. */
void	 entry_record(struct qmgr *, struct entry *, uint16_t type,
	    struct slice body, unsigned flags, struct journal_wait *);
/* A recipient that is NEW or DEFERRED is tried. */
void	 rcpt_begin(struct qmgr *, struct entry *, uint32_t number);
const char *id_text(uint64_t);	/* valid for the next 3 calls */

/* expand.c */
/* The recipient becomes others (lookup's targets, ~/.forward); here: it has got
 * a copy itself. */
void	 entry_expand(struct qmgr *, struct entry *, uint32_t number,
	    struct slice owner, bool here, const struct target *, uint32_t n);

/* submit.c */
void	 submit_up(struct qmgr *, struct channel *);
void	 submit_tick(struct qmgr *);
/* A message of our own (a report, a drop); status: see record.h.  fn, if any,
 * is called when it is durable, which it is sooner or later.  -1: the envelope
 * is none. */
int	 submit_own(struct qmgr *, uint64_t id, const struct message_body *,
	    void (*fn)(struct qmgr *, struct entry *));

/* route.c */
struct route {
	uint64_t	 hash;		/* first: idmap */
	unsigned	 refs;
	struct slice	 key;		/* owned */
	char		*packed;	/* owned */
	struct destination to;
	struct hop	*hop;		/* a reference; NULL: no delivery */
	uint64_t	 group;		/* recipients of different groups are
					 * not delivered together */
	int64_t		 until;		/* monotonic: may be used for others */
	bool		 cached;
	TAILQ_ENTRY(route) link;
};
void	 routes_init(struct qmgr *);
void	 routes_clear(struct qmgr *);
void	 route_ask(struct qmgr *, struct entry *, uint32_t number);
void	 route_release(struct qmgr *, struct route **);
void	 route_up(struct qmgr *);

/* deliver.c */
void	 deliver_gather(struct qmgr *, struct entry *, uint32_t number);
/* All its recipients are routed: its jobs go to their next hops. */
void	 deliver_go(struct qmgr *, struct entry *);
/* Takes back what no process has yet, and asks those that have it to end. */
void	 deliver_cancel(struct qmgr *, struct entry *);
/* Nothing of it is under way any more. */
void	 deliver_idle(struct qmgr *, struct entry *);
extern const struct sched_ops deliver_sched_ops;
void	 deliver_up(struct qmgr *, struct channel *);
/* At our own end: frees an attempt of any state. */
void	 attempt_drop(struct qmgr *, struct attempt *);

/* report.c */
/* Sees to the recipients that are OWING.  True while bounce is at it. */
bool	 report_start(struct qmgr *, struct entry *);
/* Warns of the delay where it is time. */
bool	 report_delay(struct qmgr *, struct entry *, int64_t now);
/* When the next warning is due, or INT64_MAX. */
int64_t	 report_delay_at(const struct qmgr *, const struct entry *);
void	 report_up(struct qmgr *);
void	 reports_clear(struct qmgr *);

/* recover.c */
int	 recover(struct qmgr *);
/* A record about a message that has been read: it is applied, and added to its
 * file if that does not have it yet.  -1: it is none, which is logged. */
int	 recover_change(struct qmgr *, struct entry *, uint16_t type,
	    struct slice body);
/* A message has ended while the directories are walked; stale: its file, if it
 * should have one, is not needed. */
void	 walk_ended(struct qmgr *, uint64_t id, bool stale, bool kept);
/* Files of it, of before the start, may not have been seen yet. */
bool	 walk_may_find(const struct qmgr *, uint64_t id);
/* It has, by the journal or during the walk. */
bool	 walk_has_ended(const struct qmgr *, uint64_t id);
void	 walk_status(const struct qmgr *, struct buf *);
void	 walk_clear(struct qmgr *);

/* limits.c */
#define LIMITS_FILE	"limits"
#define LIMITS_BYTES	(64 * 1024 * 1024)
void	 limits_init(struct qmgr *);	/* reads the file */
void	 limits_clear(struct qmgr *);
void	 limits_reload(struct qmgr *);
void	 limits_tick(struct qmgr *);	/* writes it, where it is time */
/* How long a login has to wait for its next message (0: not), and how many
 * recipients that may have. */
void	 limits_ask(struct qmgr *, struct slice login, int64_t *wait_ms_r,
	    uint32_t *recipients_r);
void	 limits_count(struct qmgr *, struct slice login, uint32_t recipients,
	    int64_t at_ms);
/* The file's bytes; false: damaged, and what could be read of it is used. */
bool	 limits_unpack(struct qmgr *, struct slice);
/* Its checksum is right. */
bool	 limits_are_whole(struct slice);
/* When the file that was read had been written, since 1970; 0: none. */
int64_t	 limits_saved(const struct qmgr *);

/* drop.c */
#define TAKEN_DIR	"taken"		/* those that are being taken in */
void	 drop_init(struct qmgr *);
void	 drop_take_in(struct qmgr *);
/* At the end of the walk: what a crash has left in taken/. */
void	 drop_recover(struct qmgr *);
void	 drop_clear(struct qmgr *);

/* undo.c */
void	 undo_init(struct qmgr *);
void	 undo_clear(struct qmgr *);
void	 undo_tick(struct qmgr *);	/* forgets, where it is time */
void	 undo_status(const struct qmgr *, struct buf *);
/* The configuration wants it. */
bool	 undo_is_offered(const struct qmgr *);
/* The time of a request that deletes: no two have the same. */
int64_t	 undo_time(struct qmgr *);
/* An entry that is to be deleted, with nothing under way; settled again when it
 * is durable that it can be had back, or cannot. */
void	 undo_bury(struct qmgr *, struct entry *);
/* It can be had back: and is to be.  held: as its file says. */
void	 undo_restore(struct qmgr *, uint64_t id, bool held);
/* Messages that could not be kept, or had back, since the start. */
uint64_t undo_failures(const struct qmgr *);
/* Messages on the way there or back; control_goes_on() when it gets less. */
size_t	 undo_load(const struct qmgr *);
bool	 undo_is_busy(const struct qmgr *);
/* What there is: all of it, or of the last request; owned by the caller. */
uint64_t *undo_ids(const struct qmgr *, bool last, size_t *n_r);
bool	 undo_has(const struct qmgr *, uint64_t id);
int64_t	 undo_until(const struct qmgr *, uint64_t id);	/* ms since 1970 */
/* By the walk; false: that content belongs to none. */
void	 undo_found(struct qmgr *, uint64_t id, int64_t when, uint64_t bytes);
bool	 undo_found_large(struct qmgr *, uint64_t id, uint64_t bytes);

/* pause.c */
#define PAUSES_FILE	"pauses"
#define PAUSES_BYTES	(1024 * 1024)
void	 pauses_init(struct qmgr *);	/* reads the file */
void	 pauses_clear(struct qmgr *);
void	 pauses_tick(struct qmgr *);	/* ends what was for a time */
void	 pauses_status(const struct qmgr *, struct buf *);
/* A smtpd is told what it is not to accept. */
void	 pauses_tell(struct qmgr *, struct channel *smtpd);
bool	 pause_stops(void *q, const struct hop *);
/* Why, for the outcome; valid until the next call. */
struct slice pause_words(struct qmgr *, const struct hop *);
/* Some open recipient waits, or may wait, for what is paused. */
bool	 pause_keeps(const struct qmgr *, const struct entry *);
/* The file's bytes; false: damaged, and nothing is paused by it. */
bool	 pauses_unpack(struct qmgr *, struct slice);

/* shape.c */
void	 shapes_init(struct qmgr *);
/* True: the message was a request for a shape and is seen to. */
bool	 shape_asked(struct qmgr *, struct channel *, struct message *);
/* The tool still waits for one. */
bool	 shape_is_owed(const struct qmgr *, const struct channel *);
void	 shape_gone(struct qmgr *, const struct channel *);
void	 shapes_clear(struct qmgr *);

/* hops.c */
/* True: the message was a request for next hops, and has been answered. */
bool	 hops_asked(struct qmgr *, struct channel *, struct message *);
extern const struct channel_ops metrics_ops;
extern const struct message_rule metrics_rules[];

/* control.c */
void	 control_init(struct qmgr *);
void	 control_listen(struct qmgr *, const char *name, int fd_take);
/* A tool that is connected already. */
void	 control_client(struct qmgr *, int fd_take, uid_t);
/* All files are known. */
void	 control_walked(struct qmgr *);
/* Something that requests may wait for has happened. */
void	 control_goes_on(struct qmgr *);
void	 control_clear(struct qmgr *);

#endif
