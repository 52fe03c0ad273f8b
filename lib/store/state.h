/* SPDX-License-Identifier: ISC */
/*
 * state - a mailbox in memory, as its records make it.  No I/O.
 *
 * Always: entries and slots are parallel and sorted by UID; visible of them
 * were there at the last refresh.  An expunged message stays, marked gone,
 * until state_compact(), so that sequence numbers do not move under a
 * session that has not been told.
 *
 * A snapshot gives entries first.  The slots of the first `partial` of them are
 * empty then, until the records of its second group have been applied; what
 * needs slots before that is put off (REC_NAME, REC_FACTS) or may not be
 * applied (state_needs_rest()).
 */
#ifndef STORE_STATE_H
#define STORE_STATE_H

#include "changes.h"
#include "info.h"
#include "record.h"
#include "store.h"

#define VANISHED_MAX	20000	/* ranges remembered for QRESYNC */
#define UID_RESERVE	1000
#define MODSEQ_RESERVE	(UINT64_C(1) << 20)
#define TAKEN_KINDS	8

/* message_entry.marks */
#define MARK_GONE	1	/* expunged */
#define MARK_NEW	2	/* its file is in new/ */

/* The rest of an entry. */
struct slot {
	struct message_facts facts;
	uint32_t	 name;		/* offset in names: base, info, uidl */
	uint8_t		 base_n, info_n, uidl_n;
	uint8_t		 unknown;	/* of facts; KNOWN_BY_LIST */
	bool		 facts_late;	/* found out, and no record says so */
	bool		 unseen_file;	/* for a scan */
	bool		 has_was;
	uint8_t		 was_n;
	uint32_t	 was;		/* in names: the flags that its name had
					 * before, in this generation */
	uint32_t	 cache_n;
	uint64_t	 cache_at;
	uint64_t	 stored;
};

struct taken {
	int64_t		 mtime_ns;	/* 0: not taken over */
	uint64_t	 size;
};

struct vanished {
	struct range	 uids;
	uint64_t	 modseq;
};

struct state {
	struct message_entry *entries;	/* owned */
	struct slot	*slots;		/* owned */
	size_t		 n, cap;
	size_t		 visible;
	size_t		 ngone;
	size_t		 partial;	/* 0: all is there */
	size_t		 nrest;		/* of these, slots that have come */
	int		 rest_fd;	/* owned, -1: the snapshot, */
	uint64_t	 rest_at, rest_end; /* where the rest is in it */
	struct buf	 late;		/* records put off: u8 type, slice body */
	unsigned	 name_asks;	/* before table was built */
	bool		 salvage;	/* names first, then flags: both count
					 * without the other */
	struct buf	 names;
	uint8_t		 guid[16];
	uint64_t	 generation;
	uint32_t	 uidvalidity;
	uint32_t	 uidnext, uid_limit, recent_from;
	uint64_t	 modseq, modseq_limit;
	int64_t		 boot_s;
	char		*keywords[STORE_KEYWORDS];	/* owned; NULL: free */
	struct vanished	*vanished;	/* owned; mod-sequences ascending */
	size_t		 nvanished, vanished_cap;
	uint64_t	 vanished_floor;
	struct stamp	 new_stamp, cur_stamp;
	int64_t		 scanned_ms;
	uint64_t	 cache_id, cache_end;
	struct taken	 taken[TAKEN_KINDS];
	uint8_t		 uidl_format;
	/* Files of expunged messages, "cur/name", each with a NUL: who wrote
	 * the record removes them next, and who finds them here did not live
	 * to. */
	struct buf	 unlinks;
	bool		 unlinks_moved;	/* of messages that were moved */
	/* Files of messages that were added from tmp/, likewise: names below
	 * it, which get their place in cur/. */
	struct buf	 links;
	/* Slices: the bodies of REC_MOVE records that are not over. */
	struct buf	 move;
	/* Base name -> index + 1 in entries; built when it is first asked
	 * for. */
	uint32_t	*table;		/* owned */
	size_t		 table_cap;
};

void	 state_init(struct state *);
void	 state_clear(struct state *);

#define BOOT_SLACK_S	5	/* the clock was set a little */
/* Whether the machine has been up since the last REC_RESERVE, when its boot
 * time has these low bits. */
bool	 state_is_of_boot(const struct state *, uint32_t boot_s);

/* Applies one record.  own: a change that this session makes; it is not among
 * the changes, but for an expunge.  changes may be NULL.  False: the record
 * cannot be; nothing was changed. */
bool	 state_apply(struct state *, const struct record *, bool own,
	    struct changes *);
/* Whether a record cannot be applied to a state of which a part is missing. */
bool	 state_needs_rest(struct state *, const struct record *);
/* All of the rest was applied: what was put off follows.  False: some of it was
 * missing, or it was another mailbox's. */
bool	 state_end_rest(struct state *);
static inline bool
state_is_gone(const struct state *s, size_t i)
{
	return s->entries[i].marks & MARK_GONE;
}
static inline bool
state_is_new(const struct state *s, size_t i)
{
	return s->entries[i].marks & MARK_NEW;
}
void	 state_mark_gone(struct state *, size_t i);
/* Adds a message at the end. */
bool	 state_add(struct state *, const struct message_record *);
/* The same of one whose hash is known, and whose base and info stand in names
 * already. */
bool	 state_add_named(struct state *, const struct message_record *,
	    uint32_t hash, uint32_t name);
/* Room for so many more, all of which will come. */
void	 state_reserve(struct state *, size_t n);
/* The index of a UID that is not gone, or -1. */
ssize_t	 state_find(const struct state *, uint32_t uid);
/* The index of the first UID that is not less. */
size_t	 state_lower(const struct state *, uint32_t uid);
ssize_t	 state_find_name(struct state *, struct slice base);
/* By its hash alone, so also of those whose slots are missing.  The first few
 * are looked for without a table. */
bool	 state_may_have_name(struct state *, struct slice base);
struct slice state_base(const struct state *, size_t i);
struct slice state_info(const struct state *, size_t i);
struct slice state_uidl(const struct state *, size_t i);
/* Adds where its file is, "cur/name:2,S"; no NUL. */
int	 state_path(const struct state *, size_t i, struct buf *);
/* Whether that is what its name had before it got the one of now. */
bool	 state_had_info(const struct state *, size_t i, struct slice info);
/* The whole message as a record; its slices point into the state. */
struct message_record state_message(const struct state *, size_t i);
/* Drops what is gone, and makes all visible. */
void	 state_compact(struct state *);
/* The first group of a snapshot of it at the end of a buf that has all that
 * comes before it, not sealed.  -1: too large. */
int	 state_pack(const struct state *, struct buf *);
/* Of the second group the records from message *i on, at least one if there is
 * any left, until the buf has so many bytes. */
int	 state_pack_rest(const struct state *, size_t *i, struct buf *,
	    size_t bytes);
void	 state_count(const struct state *, struct mailbox_status *);
/* A new state of the same mailbox takes the place of an old one: messages that
 * the old one showed and the new one has not stay as gone ones. */
void	 state_replace(struct state *old, struct state *new_take,
	    struct changes *);

#endif
