/* SPDX-License-Identifier: ISC */
/*
 * wire - fields of messages between processes and of records on disk.
 *
 * Numbers are little-endian and of fixed width; a slice is a 32-bit length and
 * its bytes.  Writers append to a buf.  A reader consumes a slice from the
 * front; the first field that is not there makes it bad, every read after that
 * gives zero, and wire_done() tells at the end whether all was there and
 * nothing was left over.
 */
#ifndef BASE_WIRE_H
#define BASE_WIRE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"

#define TIME_MAX_MS	INT64_C(253402300799999)	/* the end of 9999 */

/* -1 when the buf's ceiling is reached (contents unchanged). */
int	 put_u8(struct buf *, uint8_t);
int	 put_u16(struct buf *, uint16_t);
int	 put_u32(struct buf *, uint32_t);
int	 put_u64(struct buf *, uint64_t);
int	 put_slice(struct buf *, struct slice);
/* Brought into the range of get_time(). */
int	 put_time(struct buf *, int64_t ms_since_1970);

struct wire {
	struct slice	rest;	/* borrowed */
	bool		bad;
};

static inline struct wire
wire_of(struct slice s)
{
	return (struct wire){ s, false };
}

uint8_t	 get_u8(struct wire *);
uint16_t get_u16(struct wire *);
uint32_t get_u32(struct wire *);
uint64_t get_u64(struct wire *);
/* A slice of at most max bytes, borrowed from what the wire reads. */
struct slice get_slice(struct wire *, size_t max);
/* All that is left. */
struct slice get_rest(struct wire *);
/* A slice of text: no control characters (0 to 31, 127). */
struct slice get_text(struct wire *, size_t max);
/* A u8 that is at most max, 0 or 1, and a time: milliseconds from 1970 to the
 * end of the year 9999.  Other values make the wire bad. */
uint8_t	 get_enum(struct wire *, uint8_t max);
bool	 get_bool(struct wire *);
int64_t	 get_time(struct wire *);
/* A list begins: a u32 says how many items follow, each of at least item_min
 * bytes on the wire.  Gives room for them in the arena, size bytes each,
 * zeroed; NULL, and the wire bad: more than max, more than there can be, or no
 * room.  So a number costs no more memory than the bytes that came with it. */
void	*get_list(struct wire *, struct arena *, size_t max, size_t item_min,
	    size_t size, size_t *n_r);
/* Marks the wire bad: a field had a value that may not be. */
void	 wire_fail(struct wire *);
/* True when every field was there and nothing is left. */
bool	 wire_done(const struct wire *);

#endif
