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

#include "base/buf.h"
#include "base/slice.h"

/* -1 when the buf's ceiling is reached (contents unchanged). */
int	 put_u8(struct buf *, uint8_t);
int	 put_u16(struct buf *, uint16_t);
int	 put_u32(struct buf *, uint32_t);
int	 put_u64(struct buf *, uint64_t);
int	 put_slice(struct buf *, struct slice);

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
/* Marks the wire bad: a field had a value that may not be. */
void	 wire_fail(struct wire *);
/* True when every field was there and nothing is left. */
bool	 wire_done(const struct wire *);

#endif
