/* SPDX-License-Identifier: ISC */
/*
 * box - what the files of the store share: a store, a mailbox that is open,
 * and its log (index.c), scan (scan.c) and names (names.c).
 */
#ifndef STORE_BOX_H
#define STORE_BOX_H

#include <limits.h>

#include "os/fs.h"
#include "state.h"

#define LOG_NAME	"chasqui.log"
#define SNAP_NAME	"chasqui.snap"
#define CACHE_NAME	"chasqui.cache"

#define LOG_MIN_BYTES	(64 * 1024)	/* shorter, it is not made a snapshot */
#define LOG_BYTES	(UINT64_C(8) << 30)
#define GROUP_BYTES	(UINT64_C(4) << 30)
#define WORK_MS		900	/* S1: a record is synced, names are set */
#define RESCAN_MS	(3600 * 1000)	/* a scan though nothing seems changed */
#define KEPT		2	/* mailboxes that were closed, in memory */

struct store {
	const struct fs *fs;
	struct store_options options;
	int		 root;		/* owned */
	char		*path;		/* owned */
	int		 error;		/* store_errno() */
	unsigned	 turn;		/* of unique names */
	char		 host[64];
	bool		 owes_special;	/* see store_create_special() */
	struct mailbox	*open;		/* those that are, linked */
	struct mailbox	*kept[KEPT];	/* owned: closed last, that opening
					 * them again costs only what changed */
	struct mailbox	*target;	/* owned: where the last append or copy
					 * went */
	unsigned	 closings;	/* of mailboxes, so far */
	struct staging	*staging;	/* owned, NULL where there is none */
	bool		 resolving;	/* move.c */
	struct deliveries *deliveries;	/* owned, NULL until the first */
};

struct cache;

struct mailbox {
	struct store	*store;
	struct mailbox	*next;
	char		*name;		/* owned; UTF-8 */
	bool		 read_only;
	bool		 quiet;		/* nobody looks: nothing becomes seen */
	uint32_t	 uidvalidity;	/* of a new index; 0: the time */
	int		 dir;		/* owned */
	int		 log;		/* owned; -1: there is none that we may
					 * have, all is in memory only */
	uint64_t	 log_at;	/* bytes of it that are in state */
	uint64_t	 snap_bytes;
	unsigned	 locked;	/* depth */
	bool		 moving;	/* by us: the record is not resolved */
	bool		 stale;		/* the log is to be opened again */
	bool		 is_open;	/* changes are told */
	bool		 distrusted;	/* and its snapshot read whole at once */
	int64_t		 unsynced_ms;	/* since when; 0: nothing is */
	bool		 unlinked[2];	/* files, from new/ and cur/, which were
					 * not synced since */
	bool		 names_late;	/* flags are to go into names */
	bool		 facts_late;	/* some were found out */
	uint32_t	 nrecent;
	uint64_t	 counted, counted_generation; /* log_at of head */
	struct state	 state;
	struct buf	 group;		/* records that are gathered */
	uint32_t	 added;		/* UIDs that it gives out */
	struct changes	 pending;	/* since the last refresh */
	struct changes	 told;		/* of the last refresh */
	struct mailbox_status head;
	struct cache	*cache;		/* owned, NULL until it is used */
	struct buf	 summary;
};


/* Opens it without that anybody sees the messages. */
enum store_result mailbox_open_quiet(struct store *, struct slice name,
	    struct mailbox **);
/* One whose directory was just made. */
enum store_result mailbox_open_new(struct store *, struct slice name,
	    uint32_t uidvalidity, struct mailbox **);
/* What its index says, and nothing is written.  STORE_DAMAGED: there is none
 * that says anything; it is open nevertheless. */
enum store_result mailbox_open_index(struct store *, struct slice name,
	    struct mailbox **);
/* One to write to: that which is open, or another.  Not to be closed; valid
 * until the next call. */
enum store_result mailbox_target(struct store *, struct slice name,
	    struct mailbox **);
/* The bit of a keyword, made where it is missing; under the lock, -1. */
int	 mailbox_make_keyword(struct mailbox *, struct slice name);
/* The index of a message whose file is there, under the name that is in the
 * state then. */
enum store_result mailbox_find_file(struct mailbox *, uint32_t uid,
	    ssize_t *i_r);
void	 mailbox_drop_kept(struct store *);
void	 deliveries_free(struct deliveries **);

/* Where its changes are told; NULL while it is being opened, for nobody. */
static inline struct changes *
mailbox_changes(struct mailbox *mb)
{
	return mb->is_open ? &mb->pending : NULL;
}

/* ---- index.c: log and snapshot ------------------------------------------ */

/* Opens the index of mb->dir, makes it where there is none, and takes in what
 * it says. */
enum store_result index_open(struct mailbox *);
/* Reads an index, and makes none. */
enum store_result index_load(struct mailbox *);
/* What was put off until somebody closes it: names, snapshot, sync. */
void	 index_settle(struct mailbox *);
void	 index_close(struct mailbox *);
/* EXAMINE, too, keeps the index, where the file system lets it. */
bool	 index_is_writable(const struct mailbox *);
/* Makes sure that all of the state is there: slots, not only entries.  Where
 * that part of the snapshot turns out to be damaged, the index is made anew:
 * places in the arrays change as by index_lock(). */
enum store_result index_whole(struct mailbox *);
/* What others have written since. */
enum store_result index_catch_up(struct mailbox *);
/* The lock, and then index_catch_up(): what follows is as the newest record
 * says.  Each needs its unlock. */
enum store_result index_lock(struct mailbox *);
void	 index_unlock(struct mailbox *);
enum store_result store_log_lock(int fd, int64_t ms);
/* Writes what is in mb->group as one group, which gets the next mod-sequence,
 * and applies it.  own: see state_apply().  Under the lock; nothing has changed
 * when it fails. */
enum store_result index_commit(struct mailbox *, bool own);
/* Numbers ahead are made safe to give out; under the lock. */
enum store_result index_reserve(struct mailbox *);
/* All that was committed is durable. */
enum store_result index_sync(struct mailbox *);
/* Makes the names in cur/ durable.  -1 with errno. */
int	 index_sync_names(struct mailbox *);
/* A snapshot of the state, and an empty log that follows it.  Under the lock of
 * the old log, if there is one; with that of the new one afterwards. */
enum store_result index_new_generation(struct mailbox *);
/* That now, if worth it or always; under the lock. */
enum store_result index_snapshot(struct mailbox *, bool always);
/* Removes the files of expunged messages, and puts those of added ones into
 * their place; under the lock. */
enum store_result index_finish(struct mailbox *);

/* ---- rebuild.c: an index made anew --------------------------------------- */

/* Sets the index aside and makes it anew from what can be read of it and from
 * the Maildir.  Under the lock. */
enum store_result index_rebuild(struct mailbox *, const char *why);
/* Makes it of the Maildir, known (UIDs of files, keywords, numbers that were
 * used) and a header, of which what is 0 is chosen; generation is that of the
 * files there, or 0.  Under the lock, if there is a log; nothing has changed
 * when it fails. */
enum store_result index_fill(struct mailbox *, struct state *known,
	    const struct file_header *);

/* ---- scan.c: the Maildir ------------------------------------------------ */

#define SCAN_NEW	1
#define SCAN_CUR	2
#define SCAN_SIZES	4	/* files shorter than the index says are gone */

/* Which directories have changed since they were last read. */
int	 scan_needed(struct mailbox *);
/* Reads them and commits what is different; under the lock.  known: UIDs of
 * messages that are not in the index; may be NULL. */
enum store_result scan_mailbox(struct mailbox *, int what,
	    struct state *known);
/* The directory's stamp as it is, after a change of ours that began when it
 * was `before`: marked as seen, if nobody else has changed it. */
void	 scan_stamp_before(struct mailbox *, struct stamp[2]);
void	 scan_stamp_after(struct mailbox *, const struct stamp[2]);
/* The same of cur/ alone, which the caller has open. */
void	 scan_stamp_cur(struct mailbox *, int cur, const struct stat *before);
/* Flags into file names, those that are late; under the lock. */
enum store_result scan_set_names(struct mailbox *);
/* Whether a file that we have made is shorter than its name says. */
bool	 scan_is_cut(const struct fs *, int dir, const char *name,
	    struct slice base, uint64_t stored);

/* ---- facts.c ------------------------------------------------------------- */

/* What was found out of a message from its file: the state has it, and
 * facts_write() will remember it.  crlf_bytes NULL: only the dates. */
void	 facts_learn(struct mailbox *, size_t i, const struct stat *,
	    const uint64_t *crlf_bytes);
/* Those that a slot has not; the index is whole. STORE_EXPUNGED: the file is
 * gone. */
enum store_result facts_need(struct mailbox *, size_t i, unsigned wanted);
/* Writes what was learnt; under the lock. */
enum store_result facts_write(struct mailbox *);

/* ---- move.c -------------------------------------------------------------- */

/* Records for from->group, under the lock: that messages are being moved, with
 * the base names that they will have there; and that this is over. */
void	 move_put(struct mailbox *from, struct slice to,
	    const struct slice *bases, struct uid_list);
void	 move_put_end(struct mailbox *from);
/* For an index that is made anew: of all that were salvaged those that may not
 * be over. */
void	 move_keep(struct state *, const struct state *known);
/* A move that was cut off is finished or undone; under the lock. */
enum store_result move_resolve(struct mailbox *from);
/* As mailbox_expunge(), and it ends a move; under the lock. */
enum store_result mailbox_expunge_moved(struct mailbox *, struct uid_list);

/* ---- takeover.c ---------------------------------------------------------- */

/* What other servers' files say of a mailbox without an index. */
void	 takeover_read(struct mailbox *, struct state *known);
/* Whether dovecot-uidlist is not the one that was read or exported last. */
bool	 takeover_is_newer(const struct mailbox *);
/* What it says now, and what of the index goes with it.  False: nothing that
 * counts. */
bool	 takeover_again(struct mailbox *, struct state *all);
/* A record for mb->group: it is known as it is. */
void	 takeover_put_seen(struct mailbox *);
/* What is wrong with it, for people; false: nothing. */
bool	 takeover_fault(struct mailbox *, struct buf *line);
/* The UIDL of a message that has none of its own; -1: too long. */
int	 takeover_uidl(const struct mailbox *, size_t i, struct buf *);
/* Whether another server has had this store. */
bool	 takeover_is_theirs(const struct store *);
/* The highest UIDVALIDITY that Dovecot gave out, 0 where it did not. */
uint32_t takeover_uidvalidity(struct store *);

/* ---- tidy.c -------------------------------------------------------------- */

/* Removes temporary files that were left over long ago. */
void	 tidy_mailbox(struct mailbox *);

/* ---- names.c ------------------------------------------------------------- */

/* The directory of a mailbox below the root: "." or ".A.B". */
enum store_result store_dir_of(struct store *, struct slice name,
	    char dir[NAME_MAX + 1]);

enum store_result store_failed(struct store *);	/* keeps errno */
void	 store_unique_name(struct store *, char to[MESSAGE_NAME_BYTES],
	    int64_t *now_ms_r);

#endif
