/* SPDX-License-Identifier: ISC */
/*
 * record - the bytes of the index: what stands in a log and in a snapshot.
 * Pure functions; nothing here opens a file.
 *
 * A file begins with FILE_HEADER_BYTES: magic, format version, the mailbox's
 * GUID and UIDVALIDITY, its generation, CRC-32C.  Records follow, each
 *
 *	u32 bytes of the body	u32 CRC-32C of all that follows, begun with the
 *				generation, so that no other file's record fits
 *	u64 mod-sequence	0: the next one when it is read (REC_DELIVERED)
 *	u8 type, u8 flags, 6 bytes of zero
 *	the body, padded with zeros to RECORD_ALIGN
 *
 * A group of records ends with one that has RECORD_COMMIT and counts as a
 * whole or not at all.  A snapshot has the same form, in two groups.  The first
 * makes an empty mailbox what it was, as far as flags and numbers go; the
 * second has the rest, names and facts, which many who open a mailbox never
 * ask for.  REC_SNAP, the first record, says where the second begins.  (Version
 * 1 had one group with REC_ADD for each message; it is still read.)
 */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "base/wire.h"
#include "store.h"

#define FILE_HEADER_BYTES	64
#define RECORD_HEADER_BYTES	24
#define RECORD_ALIGN		8
#define RECORD_BYTES		(16 * 1024 * 1024)	/* of a body */
#define FORMAT_VERSION		2
#define FORMAT_OLDEST		1	/* that is read */
#define MESSAGE_NAME_BYTES	255	/* base name and flags: NAME_MAX */
#define MESSAGE_UIDL_BYTES	70

enum file_kind { FILE_LOG, FILE_SNAP, FILE_CACHE };

struct file_header {
	enum file_kind	 kind;
	uint8_t		 guid[16];
	uint64_t	 generation;
	uint32_t	 uidvalidity;
};

void	 file_header_pack(struct buf *, const struct file_header *);
/* False: no such file, or damaged.  in is at least the header. */
bool	 file_header_unpack(struct slice in, enum file_kind,
	    struct file_header *);
/* It is whole, and of a format that a later version has brought: not ours to
 * read, to mend or to replace. */
bool	 file_header_is_newer(struct slice in, enum file_kind);

#define RECORD_COMMIT	1

enum record_type {
	REC_ADD = 1,	/* struct message_record */
	REC_DELIVERED,	/* the same, its UID the next one when it is read (in
			 * its place: the low bits of the boot time, or 0);
			 * nothing if there is a message of that name */
	REC_FLAGS,	/* struct flags_record, UID ranges */
	REC_EXPUNGE,	/* UID ranges */
	REC_KEYWORD,	/* u8 bit, slice name */
	REC_NAME,	/* u32 UID, u8 in new/, slice flags: as the file is
			 * named now */
	REC_STAMP,	/* struct stamp of new/, of cur/, time of the last scan */
	REC_RESERVE,	/* u32 UID, u64 mod-sequence: below them numbers may be
			 * given out without a sync; i64 boot */
	REC_EPOCH,	/* u32 UIDNEXT, u64 mod-sequence: those below may have
			 * been given out before a crash; all messages get it */
	REC_RECENT,	/* u32 UID: from here on \Recent */
	REC_TAKEN,	/* u8 kind, i64 mtime ns, u64 size of a file that was
			 * taken over */
	REC_VANISHED,	/* u64 mod-sequence, ranges; snapshots only */
	REC_SNAP,	/* struct snap_record; snapshots only */
	REC_CACHE,	/* 16 bytes GUID, the rest the summary; cache only */
	REC_UIDL,	/* u8 format of UIDLs */
	REC_DONE,	/* files of all expunged messages are removed, those of
			 * messages that were added are in their place */
	REC_MOVE,	/* slice mailbox, then u32 UID, slice base name there of
			 * each message that is being moved */
	REC_MOVED,	/* all that is over */
	REC_FACTS,	/* struct facts_record, any number of them */
	REC_ENTRIES,	/* struct entry_record, up to BLOCK_MESSAGES; snapshots only */
	REC_REST,	/* the rest of as many messages; snapshots only */
};

struct record {
	enum record_type type;
	bool		 commit;
	uint64_t	 modseq;
	struct slice	 body;
	size_t		 bytes;		/* all of it, with header and padding */
};

/* Begins a record in a buf; its body is added by put_*() until record_end().
 * Both -1 at the ceiling: then the buf's contents are of no use. */
int	 record_begin(struct buf *, enum record_type, size_t *at_r);
int	 record_end(struct buf *, size_t at);
/* Makes the records of a buf between two offsets one group. */
void	 group_seal(struct buf *, size_t from, size_t to, uint64_t generation,
	    uint64_t modseq);
/* The same of a part of one; the last part has the end. */
void	 group_seal_part(struct buf *, size_t from, size_t to,
	    uint64_t generation, uint64_t modseq, bool last);

/* Makes the one at an offset a group; its bytes. */
size_t	 record_seal(struct buf *, size_t at, uint64_t generation,
	    uint64_t modseq);

enum record_read {
	RECORD_OK,
	RECORD_END,	/* in is empty */
	RECORD_CUT,	/* the rest is less than a record: not written yet */
	RECORD_BAD,
};
/* The record at the front; in is not moved. */
enum record_read record_read(struct slice in, uint64_t generation,
	    struct record *);
/* Whether a whole record begins anywhere (aligned) in the bytes.  The bytes
 * that were summed up for it are taken off *budget; false when it is used
 * up. */
#define SEARCH_BYTES	((size_t)1 << 30)
bool	 record_search(struct slice in, uint64_t generation, size_t *budget,
	    size_t *at_r);

/* ---- bodies -------------------------------------------------------------- */

struct message_record {
	uint32_t	 uid;
	uint8_t		 flags;
	bool		 in_new;
	bool		 in_tmp;	/* REC_ADD: its file is in tmp/ until
					 * REC_DONE, and then in cur/ */
	uint64_t	 keywords;
	uint64_t	 modseq;
	uint8_t		 unknown;	/* enum message_fact; KNOWN_BY_LIST */
	struct message_facts facts;
	uint64_t	 stored;	/* bytes of the file; known with the dates */
	uint64_t	 cache_at;	/* snapshots: in the cache; 0 not there */
	uint32_t	 cache_n;
	struct slice	 base;		/* of the file name, up to ":" */
	struct slice	 info;		/* the rest, ":2,S", or empty */
	struct slice	 uidl;		/* of another server; empty: by rule */
};
int	 put_message(struct buf *, const struct message_record *);
struct message_record get_message(struct wire *);

#define KNOWN_BY_LIST	4	/* of another server's, which has no flags */
#define NAME_ONLY	(FACT_SIZE | FACT_DATES | KNOWN_BY_LIST)
#define BLOCK_MESSAGES	64	/* as many are lost by one damaged byte */

/* The rest of a message: what a struct entry_record has not.  flags, keywords
 * and mod-sequence are left alone. */
int	 put_message_rest(struct buf *, const struct message_record *);
struct message_record get_message_rest(struct wire *);

struct entry_record {
	uint32_t	 uid, name_hash;
	uint8_t		 flags;
	bool		 in_new;
	uint64_t	 keywords, modseq;
};
int	 put_entry(struct buf *, const struct entry_record *);
struct entry_record get_entry(struct wire *);

/* What was found out of a message that is in the index. */
struct facts_record {
	uint32_t	 uid;
	uint8_t		 unknown;
	uint64_t	 size, stored;
	int64_t		 internal_ms, saved_ms;
};
int	 put_facts(struct buf *, const struct facts_record *);
struct facts_record get_facts(struct wire *);

struct flags_record {
	uint8_t		 add, del;
	uint64_t	 kadd, kdel;
};
int	 put_flag_record(struct buf *, const struct flags_record *);
struct flags_record get_flags(struct wire *);

/* What a directory looked like when it was last read. */
struct stamp {
	uint64_t	 ino;
	int64_t		 mtime_ns, ctime_ns;
};
int	 put_stamp(struct buf *, const struct stamp *);
struct stamp get_stamp(struct wire *);

struct range { uint32_t lo, hi; };	/* both included */
int	 put_range(struct buf *, struct range);
/* False at the end of the wire, or where it is bad. */
bool	 get_range(struct wire *, struct range *);

struct snap_record {
	uint32_t	 uidnext, uid_limit, recent_from;
	uint64_t	 modseq, modseq_limit, vanished_floor;
	int64_t		 boot_s;
	uint64_t	 cache_id, cache_end;
	uint64_t	 messages;
	uint64_t	 rest_at;	/* in the file; 0: there is one group */
};
int	 put_snap(struct buf *, const struct snap_record *);
/* Sets rest_at in the record that begins at an offset. */
void	 snap_set_rest(struct buf *, size_t at, uint64_t rest_at);
struct snap_record get_snap(struct wire *);

/* Of a base name; equal names have equal ones. */
uint32_t name_hash(struct slice base);
/* The message's GUID from its first name, so that it is found again even when
 * the index is lost. */
void	 guid_of_name(struct slice base, uint8_t guid[16]);

#endif
