/* SPDX-License-Identifier: ISC */
/*
 * store - the old generation: a file for each message that stays.
 *
 * On disk, below the queue directory (XX: two hexadecimal digits, bits 10 to
 * 17 of the queue id, so that neighbours are in one directory):
 *
 *	deferred/XX/ID	a message: stored.h has the bytes
 *	large/XX/ID	content as it came from smtpd, nothing else
 *	deleted/XX/ID	as deferred/XX/ID: what was deleted and can be had
 *			back; the time of modification is that of the deletion.
 *			Its large content stays where it is (undo.c)
 *
 * The time of modification is the next attempt's, and HELD_MTIME_S for a held
 * message, so that a restart reads no file.
 *
 * Everything here happens on one lane, in the order it was asked for, without
 * waiting for the disk; store_barrier() makes durable what was asked for
 * before it.  Until then the journal has it too: a segment whose records
 * concern files is used again only after a barrier (journal.h, clean()).
 */
#ifndef QMGR_STORE_H
#define QMGR_STORE_H

#include "ev/disk.h"
#include "journal.h"
#include "queue.h"
#include "stored.h"

#define HELD_MTIME_S	INT64_C(4294967295)	/* 2106 */
#define STORE_DIRS	256

struct store;

/* NULL with errno. */
struct store *store_new(struct ev_loop *, int dir, struct disk_lane *);
/* When its lane is drained. */
void	 store_free(struct store **);

/* "a7/1hq3..." */
struct store_name { char s[64]; };
struct store_name store_name(const char *dir, uint64_t id);

/* ---- changes: in order, not waited for ---- */
/* One record at the end of the log, `at`; mtime in ms. */
void	 store_append(struct store *, uint64_t id, uint64_t at, uint16_t type,
	    struct slice body, int64_t mtime);
size_t	 store_append_bytes(size_t body);
void	 store_mtime(struct store *, uint64_t id, int64_t mtime);
void	 store_unlink(struct store *, uint64_t id);
void	 store_unlink_large(struct store *, uint64_t id);
void	 store_unlink_deleted(struct store *, uint64_t id);

/* Tells when all that was asked for before is durable; ok false when some of
 * it failed (it is tried again by itself).  After a sync that failed nothing
 * is believed any more: every barrier fails until a restart, which has the
 * journal. */
struct store_wait {
	struct disk_task task;
	struct store	*store;
	void		(*fn)(struct store_wait *, bool ok);
	bool		 ok;
};
void	 store_barrier(struct store *, struct store_wait *);
/* After a sync that failed the file system is looked at every ms, and `healed`
 * called when it syncs again: it is time for that restart. */
void	 store_on_healed(struct store *, int64_t ms, void (*healed)(void *),
	    void *arg);
/* Tells when it is done, durable or not. */
void	 store_fence(struct store *, struct store_wait *);

/* ---- from one directory to another ---- */
/* The file has both names, and this time; not yet durable.  wait.fn follows;
 * ok false: see error. */
struct linking {
	struct store_wait wait;		/* first */
	const char	*from, *to;	/* STORE_DEFERRED, STORE_DELETED */
	uint64_t	 id;
	int64_t		 mtime;
	uint64_t	 size;		/* found */
	int		 error;
};
void	 store_link(struct store *, struct linking *);

/* ---- a young message becomes old ---- */
struct migration {
	struct store_wait wait;		/* first */
	const char	*dir;		/* STORE_DEFERRED unless changed */
	uint64_t	 id;
	struct buf	 head;		/* stored_pack() */
	struct content	*content;	/* a reference; NULL: in the segment */
	const struct segment *segment;
	uint64_t	 at;
	uint32_t	 n;		/* content bytes */
	uint64_t	 size;		/* of the file */
	int64_t		 mtime;
	int		 error;
};
/* Fills head, n and size. */
void	 migration_init(struct migration *, const struct entry *);
/* A copy of it goes to corrupt/ID, content that has a large file to
 * corrupt/ID.content: for whoever looks for the reason.  The message itself
 * stays where it is.  wait.fn follows. */
void	 store_copy_aside(struct store *, struct migration *);
/* Writes the file, not yet durable.  wait.fn follows. */
void	 store_migrate(struct store *, struct migration *);

/* ---- reading ---- */
struct load {
	struct store_wait wait;		/* first; ok false: see error */
	uint64_t	 id;
	const char	*dir;		/* NULL: STORE_DEFERRED */
	bool		 head_only;	/* without the content */
	struct buf	 bytes;
	int64_t		 mtime;
	int		 error;
};
void	 store_load(struct store *, struct load *);
/* The same now, without the lane, from a queue directory. */
int	 store_read(int dir, struct load *);

/* ---- large content ---- */
/* A new file to append to, and what was made; -1 with errno. */
int	 store_large_create(struct store *, uint64_t id);
/* To read; EIO where it has another size. */
int	 store_large_open(struct store *, uint64_t id, uint64_t size);
struct large_sync {
	struct store_wait wait;		/* first */
	uint64_t	 id;
	uint64_t	 size;		/* expected */
	int		 error;
};
/* Makes it durable, size checked. */
void	 store_large_sync(struct store *, struct large_sync *);
/* Reads all of it.  -1 with errno; EBADMSG: it has another size or, where that
 * is known, another checksum. */
int	 store_large_read(int dir, uint64_t id, uint64_t size, uint32_t crc);
struct large_look {
	struct store_wait wait;		/* first; ok false: see error */
	uint64_t	 id;
	uint64_t	 size;		/* expected */
	uint32_t	 crc;
	int		 error;
};
/* The same on the lane. */
void	 store_large_look(struct store *, struct large_look *);

/* Where a file that is put aside goes: corrupt/NAME; NAME.1 and so on where
 * that is there already, for nothing in corrupt/ is written over. */
struct store_name store_aside_name(int dir, const char *name);
int	 store_put_aside(int dir, const char *path, const char *name,
	    struct store_name *to_r);
/* Not synced. */
int	 store_copy_file(int dir, const char *from, const char *to);
/* Puts a message's file aside, or bytes of a segment; both are logged. */
void	 store_set_aside(struct store *, const char *dir, uint64_t id);
int	 store_save_damage(int dir, const struct journal_damage *);
/* What the journal knew of a message whose file is put aside; synced.  -1 with
 * errno. */
#define STORE_CHANGES	".changes"	/* behind its name */
int	 store_save_changes(int dir, uint64_t id, struct slice changes);

/* ---- what is there ---- */
/* One of the STORE_DIRS directories of deferred/ or large/, read on the
 * lane. */
struct listing {
	struct store_wait wait;		/* first; ok false: see error */
	const char	*dir;		/* STORE_DEFERRED, ... */
	unsigned	 number;
	struct listed {
		uint64_t id;
		int64_t	 mtime;
		uint64_t size;
	}		*files;		/* owned */
	size_t		 n;
	size_t		 cap;
	struct buf	 foreign;	/* names that are no queue ids, each with
					 * its NUL, as far as there is room */
	int		 error;
};
#define STORE_DEFERRED	"deferred"
#define STORE_LARGE	"large"
#define STORE_DELETED	"deleted"
/* Which of the directories has it. */
unsigned store_dir_number(uint64_t id);
/* What an earlier listing has found is replaced.  wait.fn follows. */
void	 store_walk_next(struct store *, struct listing *);
void	 listing_clear(struct listing *);
/* For who serves nobody meanwhile: each that has an id for a name, whatever it
 * is.  unlisted() hears of a directory that cannot be, with errno. */
void	 store_walk(int top, const char *dir,
	    void (*found)(void *arg, uint64_t id, const struct stat *),
	    void (*unlisted)(void *arg, const char *path), void *arg);

#endif
