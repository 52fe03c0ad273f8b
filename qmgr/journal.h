/* SPDX-License-Identifier: ISC */
/*
 * journal - the young generation: what one sync makes durable for many.
 *
 * Records are gathered while the last commit is under way, then written with
 * one write and one fdatasync for all of them (group commit).  They go into
 * preallocated segments, files journal/0000, 0001 ... below the queue
 * directory, which are used in a ring: always the one with the oldest
 * generation is used again, and only when nothing in it is needed any more.
 * So what a record says about a message is never outlived by that message.
 *
 * segment.h has the bytes.
 *
 * Q1: wait functions hear `true` only after the sync.  After a write or sync
 * that failed nothing of that commit is believed, its segment takes no more
 * records, and the next one goes on.
 */
#ifndef QMGR_JOURNAL_H
#define QMGR_JOURNAL_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "ev/loop.h"
#include "ev/disk.h"
#include "os/fs.h"

#define SEGMENT_HEADER_BYTES	4096
#define SEGMENT_MIN_BYTES	(1024 * 1024)
#define RECORD_HEADER_BYTES	32
#define RECORD_BODY_BYTES	(400 * 1024)	/* the longest body */
#define JOURNAL_GATHER_BYTES	(16 * 1024 * 1024)	/* then it is full */

/* What the whole queue is read and written by: the real calls, unless a test
 * has put others here. */
extern const struct fs *fs;

struct journal;
struct segment;

/* A message whose record is needed; embedded in its owner. */
struct young {
	TAILQ_ENTRY(young) link;
	struct segment	*segment;	/* NULL: not in the journal (yet) */
	uint64_t	 at;		/* of the body, in the segment */
	uint32_t	 n;
};

/* Told once, when a record is durable or never will be. */
struct journal_wait {
	void		(*fn)(struct journal_wait *, bool durable);
	/* The journal is closed before that; may be NULL. */
	void		(*drop)(struct journal_wait *);
};

struct journal_ops {
	/* The oldest segment is wanted: move what is young in it to files, and
	 * sync whatever its records say about files (segment_has_files()).
	 * Then call journal_cleaned(). */
	void	(*clean)(void *arg, struct segment *);
	/* Not full any more. */
	void	(*relaxed)(void *arg);
};

struct journal_config {
	int		 dir;		/* of the queue; borrowed */
	uint64_t	 segment_bytes;
	unsigned	 segments;
	struct ev_loop	*loop;
	struct disk_lane *commits;	/* used by nobody else */
	struct disk_lane *files;	/* new segments are made there */
	/* Opened to be looked at (and mended) only: nothing is made, and
	 * journal_add() may not follow. */
	bool		 look;
	bool		 mend;
};

/* Opens what is there and makes what is not.  NULL with errno. */
struct journal *journal_open(const struct journal_config *,
	    const struct journal_ops *, void *arg);
/* With no commit under way.  What is gathered is not written. */
void	 journal_close(struct journal **);

struct record {
	uint16_t	 type;
	uint64_t	 id;
	struct slice	 body;		/* borrowed until the function returns */
	struct segment	*segment;
	uint64_t	 at;		/* of the body */
};

/* What replay found besides records. */
enum damage_kind {
	DAMAGE_RECORDS,		/* bytes between records are none */
	DAMAGE_TAIL,		/* nor at the end, where one was begun: a write
				 * that was cut short, or the same */
	DAMAGE_HEADER,		/* one of its headers; the other served */
	DAMAGE_SHORT,		/* it ends before its time; what is there was
				 * read */
	DAMAGE_SEGMENT,		/* both headers: it cannot be read */
	DAMAGE_EMPTIED,		/* it is shorter than any segment is made, and
				 * has no header */
	DAMAGE_UNOPENED,	/* with `look`: see error */
	DAMAGE_MISSING,		/* it was there and is not; no segment, no fd */
};
struct journal_damage {
	enum damage_kind kind;
	struct segment	*segment;
	const char	*name;		/* of the file */
	uint64_t	 generation;
	int		 fd;
	uint64_t	 from;		/* the bytes that could not be read */
	uint64_t	 to;
	int		 error;
};

/* All records, oldest first.  Before the first journal_add().  A tail that
 * never was a record of this generation is not told. */
void	 journal_replay(struct journal *,
	    void (*record)(void *arg, const struct record *),
	    void (*damage)(void *arg, const struct journal_damage *),
	    void *arg);
/* From a replay's damage function, opened with `mend`: makes the segment whole,
 * REC_VOID records in the place of bytes that are none; one that is missing is
 * not missed any more.  DAMAGE_SEGMENT, DAMAGE_EMPTIED and DAMAGE_UNOPENED
 * cannot be mended (ENOTSUP).  -1 with errno. */
int	 journal_mend(struct journal *, const struct journal_damage *);
/* The same place: the segment's file has been put aside and is not missed. */
int	 journal_strike(struct journal *, const struct journal_damage *);
/* From a replay's record function: its message is needed. */
void	 journal_keep(struct journal *, struct young *, const struct record *);
/* After replay: adding may begin. */
void	 journal_start(struct journal *);

enum {
	JOURNAL_SOON = 1,	/* commit at the end of the turn; else within
				 * JOURNAL_LAZY_MS */
	JOURNAL_FILES = 2,	/* it says something about a file of the old
				 * generation */
	JOURNAL_STUBBORN = 4,	/* wait hears only `true`: where the commit
				 * fails it is written again, in its place among
				 * the records without wait */
};
#define JOURNAL_LAZY_MS		100

/*
 * Adds one record whose body is the parts together.  wait and young may be
 * NULL; young is set, and kept, when the record is durable.  A record without
 * wait, or STUBBORN, is written again where its commit fails.
 */
void	 journal_add(struct journal *, uint16_t type, uint64_t id,
	    const struct slice *parts, size_t nparts, unsigned flags,
	    struct journal_wait *, struct young *);
/* The message is not needed any more; also of one that is in no segment. */
void	 journal_release(struct journal *, struct young *);
/* Once a second: a segment whose name is gone is told, takes no more records,
 * and what is young in it and before it moves to files. */
void	 journal_look(struct journal *);
/* Queue ids below this are given out: for the headers of new segments. */
void	 journal_set_ids(struct journal *, uint64_t);
uint64_t journal_ids(const struct journal *);

bool	 journal_is_full(const struct journal *);
/* Commits fail at present: messages are better refused. */
bool	 journal_is_failing(const struct journal *);
bool	 journal_is_idle(const struct journal *);
/* Commits all that is gathered, now. */
void	 journal_flush(struct journal *);

/* The first young message of a segment, or NULL. */
struct young *segment_first(const struct segment *);
bool	 segment_has_files(const struct segment *);
const char *segment_name(const struct segment *);
uint64_t segment_generation(const struct segment *);
/* Bytes at a place; may be called on a lane.  -1 with errno. */
int	 segment_read(const struct segment *, void *to, size_t n, uint64_t at);
/* In answer to ops->clean(). */
void	 journal_cleaned(struct journal *, struct segment *);
/* Cleaning went wrong; it is asked for again later. */
void	 journal_clean_failed(struct journal *, struct segment *);
/* The message is in a file now, which is to be synced before the segment is
 * used again. */
void	 journal_moved(struct journal *, struct young *);
/* The oldest segment of a generation above this one (0: any) that has young
 * messages, or NULL. */
struct segment *journal_after(const struct journal *, uint64_t generation);
/* Puts the first young message of a segment behind the others. */
void	 segment_rotate(struct segment *);

struct journal_stats {
	uint64_t	 bytes;
	uint64_t	 failures;
	unsigned	 segments;
	unsigned	 free;
};
void	 journal_stats(const struct journal *, struct journal_stats *);

#endif
