/* SPDX-License-Identifier: ISC */
/*
 * segment - the bytes of the event history.  Pure functions; nothing here opens
 * a file.
 *
 * The directory has segments, numbered from 1: NNNNNNNN.events, to which
 * records are appended, and, once the next one has begun, NNNNNNNN.index.
 * Numbers are little-endian.
 *
 * A segment begins with SEGMENT_HEADER_BYTES: magic, u32 version, u64 time of
 * its making (us), CRC-32C of these.  Records follow, each
 *
 *	RECORD_MARK, a byte that no text has, and 0
 *	u32 CRC-32C of all that follows
 *	u16 n, u64 time (us), u32 pid, u8 role, u8 level
 *	the line, n bytes of 0x20 to 0x7e alone
 *
 * Text cannot hold the mark, so whoever writes lines cannot write records; and
 * after damage the next record is found by it.
 *
 * The index is pages of INDEX_PAGE_BYTES, each with the CRC-32C of its rest,
 * u32 n, and n entries: u32 hash and u32 offset of the record, in the order of
 * both numbers.  The first has no entries, but magic, u32 version, u32 number
 * of all entries, u64 the least and u64 the greatest time of the segment's
 * records, and u64 the seed of its hashes.  A damaged page costs reading the
 * segment.
 */
#ifndef HISTORY_SEGMENT_H
#define HISTORY_SEGMENT_H

#include "base/buf.h"
#include "history/reader.h"

#define SEGMENT_VERSION		1
#define SEGMENT_HEADER_BYTES	32
#define SEGMENT_BYTES		(8 * 1024 * 1024) /* then the next begins */
#define SEGMENT_BYTES_MAX	(64 * 1024 * 1024) /* a longer one is not read */
#define SEGMENT_NAME_BYTES	16	/* with the NUL */

#define RECORD_MARK		0xf1
#define RECORD_HEADER_BYTES	22
#define RECORD_BYTES		(RECORD_HEADER_BYTES + HISTORY_LINE_BYTES)

#define INDEX_PAGE_BYTES	4096
#define INDEX_PAGE_ENTRIES	((INDEX_PAGE_BYTES - 8) / 8)

/* "00000001.events" and back; 0: another name. */
void	 segment_name(char name[SEGMENT_NAME_BYTES], uint32_t number,
	    bool index);
uint32_t segment_number(const char *name, bool *index_r);

enum segment_is { SEGMENT_OURS, SEGMENT_DAMAGED, SEGMENT_NEWER };
void	 segment_header_pack(struct buf *, int64_t made_us);
/* in: at least the header.  Records are looked for in a damaged one too; one of
 * a later version is nothing that we could read. */
enum segment_is segment_header_unpack(struct slice in, int64_t *made_us_r);

/* Appends a record of time_us, role, level, pid and line; bytes of the line
 * that may not be there become '?', what is too long is cut.  -1: no room. */
int	 record_pack(struct buf *, const struct history_event *);
/* The first record in *rest, whatever stands before it (*skipped_r bytes);
 * *rest becomes what follows.  False, and nothing changes: there is none, or no
 * whole one yet.  Of the event time, role, level, pid and line are set, the
 * line borrowed. */
bool	 record_next(struct slice *rest, struct history_event *,
	    size_t *skipped_r);

/* What a record is found by. */
#define EVENT_KEYS	8	/* of one event; others are left out */
size_t	 event_hashes(const struct history_event *, uint64_t seed,
	    uint32_t hashes_r[EVENT_KEYS]);
uint32_t key_hash(uint64_t seed, enum history_key, struct slice value);
/* Whether it is an event of this key: hashes may be equal by chance. */
bool	 event_has(const struct history_event *, enum history_key,
	    struct slice value);

struct index_entry {
	uint32_t	 hash;
	uint32_t	 offset;
};
/* In the order of their offsets. */
struct index_entries {
	struct index_entry *v;		/* owned */
	size_t		 n, room;
};
/* Those of an event whose record is at offset. */
void	 index_entries_add(struct index_entries *, const struct history_event *,
	    uint64_t seed, size_t offset);
struct index_header {
	uint32_t	 entries;
	uint64_t	 seed;
	int64_t		 least_us;
	int64_t		 most_us;
};
/* Sorts the entries and appends all pages. */
void	 index_pack(struct buf *, const struct index_header *,
	    struct index_entry *);
/* Of one page each; false: damaged, or of a later version. */
bool	 index_header_unpack(struct slice page, struct index_header *);
bool	 index_page_unpack(struct slice page,
	    struct index_entry entries_r[INDEX_PAGE_ENTRIES], size_t *n_r);

#endif
