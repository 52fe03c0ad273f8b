/* SPDX-License-Identifier: ISC */
/*
 * segment - one file of the journal, and what its bytes say.
 *
 * For journal.c alone, which knows when each is used.  On disk, little-endian:
 *
 *	segment header, at 0 and again in the last 4096 bytes
 *	    8 "CHASQJ1\n"   u32 CRC-32C of what follows (52 bytes)
 *	    u32 version (1)   u64 generation   u64 size of the file
 *	    u64 queue ids below this are given out   u64 time, ms   u32 salt
 *	    12 zero
 *	from 4096 on: records, each at a multiple of 8
 *	    u32 "Rec\xc5"   u32 CRC-32C   u32 length of the body
 *	    u32 low half of the segment's generation   u64 queue id
 *	    u16 type   u16 zero   u32 place of the record / 8   body
 *
 * A record's CRC starts from the segment's salt and covers all of header and
 * body but magic and CRC.  So the old bytes of a segment that is used again,
 * a torn tail, and bytes that only look like a record (in the content of a
 * message that somebody made for this) are all recognised.  A body that is
 * damaged in the middle costs that record alone: reading goes on at the next
 * valid one.  One good header of the two is enough, and a segment that was cut
 * short is read as far as it goes.  A segment is called 0000.new until it has
 * its size, so that one without is known to have been cut short later.
 */
#ifndef QMGR_SEGMENT_H
#define QMGR_SEGMENT_H

#include "base/buf.h"
#include "journal.h"

#define SEGMENT_FIXED_BYTES	64		/* of a header, used */
#define SCAN_BYTES		(1024 * 1024)

enum segment_state {
	SEG_MAKING, SEG_FREE, SEG_ACTIVE, SEG_FULL, SEG_CLEANING,
};

TAILQ_HEAD(young_list, young);

struct segment {
	TAILQ_ENTRY(segment) link;	/* in the ring, or among the free */
	enum segment_state state;
	unsigned	 index;
	char		 name[16];	/* "0003" */
	char		 new_name[16];	/* "0003.new": until it has its size */
	int		 fd;		/* owned, or -1 */
	uint64_t	 size;		/* of the file */
	uint64_t	 generation;
	uint32_t	 salt;
	uint64_t	 used;		/* where the next record goes */
	bool		 headed;	/* its header is durable */
	bool		 half_headed;	/* one of the two is damaged */
	uint64_t	 should;	/* the size that its header gives */
	bool		 files;
	bool		 bad;		/* a write failed: not used again */
	bool		 listed;	/* in the roll, and has no header */
	bool		 taken_away;	/* its name is gone: nothing that is
					 * written lasts */
	int		 error;		/* why it could not be opened, or 0 */
	struct young_list young;
};
TAILQ_HEAD(segment_list, segment);

/* ---- the header ---- */

enum header {
	HEADER_OK,
	HEADER_NONE,	/* a segment that was never used */
	HEADER_NEWER,	/* a later version's, and not ours to touch */
};

/* Of a file that is open and whose size is known.  The first counts, the second
 * where the first cannot be read. */
enum header segment_read_headers(struct segment *, uint64_t *ids_r);
void	 segment_pack_header(const struct segment *, uint64_t ids,
	    char to[SEGMENT_FIXED_BYTES]);
/* The same header at both places, in a file of its size.  -1 with errno. */
int	 segment_write_headers(struct segment *, uint64_t ids);

/* ---- a record ---- */

/* With header and padding. */
size_t	 segment_record_bytes(size_t body);
/* Adds one that is whole but for its seal. */
void	 segment_put(struct buf *, uint16_t type, uint64_t id,
	    const struct slice *parts, size_t nparts);
/* Makes it one of this generation at this place. */
void	 segment_seal(const struct segment *, uint64_t at, char *record,
	    size_t body);

/* ---- reading ---- */

/* A window on a segment's bytes. */
struct scan {
	const struct segment *s;
	char		*bytes;		/* owned, SCAN_BYTES */
	uint64_t	 at;		/* of bytes[0] */
	size_t		 n;
};

/* The record at a place, and its bytes with padding; false where there is no
 * valid one.  r->segment is not touched. */
bool	 scan_record_at(struct scan *, uint64_t at, struct record *r,
	    size_t *whole_r);
/* The next place from at on that holds a valid record, or 0. */
uint64_t scan_next_record(struct scan *, uint64_t at);
/* Whether a record of this generation was begun at a place, and how far it
 * would reach; 0: none was. */
uint64_t scan_begun_at(struct scan *, uint64_t at);
/* A segment whose header cannot be read (twice), and yet has records. */
bool	 scan_looks_used(struct scan *);

/* ---- writing over ---- */

/* REC_VOID records over a range, neither end of which is within a record; -1
 * with errno, ENOTSUP where a part is too short for one. */
int	 segment_void(const struct segment *, uint64_t from, uint64_t to);
/* Written through once: later commits then change no metadata.  A little at a
 * time, so that commits meanwhile do not wait for the whole of it. */
int	 segment_fill(const struct segment *);

#endif
