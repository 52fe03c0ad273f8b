/* SPDX-License-Identifier: ISC */
/* num - numbers, CRC-32C and queue ids from bytes and back. */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/parse.h"
#include "base/slice.h"

/* The longest run of decimal digits at the front of *in, at most UINT64_MAX.
 * *in and *v_r change only on PARSE_OK; no sign, no blanks. */
enum parse parse_u64(struct slice *in, uint64_t *v_r);
/* The whole slice is one decimal number from min to max. */
bool	 slice_to_u64(struct slice, uint64_t min, uint64_t max, uint64_t *v_r);

/* CRC-32C (Castagnoli, RFC 3720 appendix B.4); crc is 0 at the start. */
uint32_t crc32c(uint32_t crc, struct slice);

/* Keyed hash (SipHash-2-4) for tables whose keys a peer chooses. */
uint64_t siphash(const uint64_t key[2], struct slice);

/*
 * A queue id: 64 bits, unique for the life of a queue directory, growing with
 * time.  Written as QUEUE_ID_CHARS characters of lower-case base 32 without
 * i, l, o and u.
 */
#define QUEUE_ID_CHARS	13
struct queue_id_text {
	char	s[QUEUE_ID_CHARS + 1];
};
struct queue_id_text queue_id_text(uint64_t);
bool	 queue_id_parse(struct slice, uint64_t *id_r);

#endif
