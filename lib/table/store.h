/* SPDX-License-Identifier: ISC */
/*
 * store - a hash table in memory that is filled once and then read.
 *
 * Entries lie one behind the other in one piece of memory; a slot is eight
 * bytes.  Hashing is keyed at random, so keys cannot be chosen to collide.
 */
#ifndef TABLE_STORE_H
#define TABLE_STORE_H

#include <stdint.h>

#include "base/buf.h"

struct store {
	struct buf	 bytes;		/* entries */
	uint64_t	*slots;		/* owned; 0: empty, else tag and offset */
	uint64_t	 nslots;	/* a power of two, or 0 */
	uint64_t	 n;
	uint64_t	 max;
	uint64_t	 key[2];
};

enum store_add { STORE_ADDED, STORE_TWIN, STORE_FULL };

void	 store_init(struct store *, uint64_t max_entries);
void	 store_clear(struct store *);
/* With STORE_TWIN the first entry stays and *line_r is its line. */
enum store_add store_add(struct store *, struct slice key, struct slice value,
	    unsigned line, unsigned *line_r);
/* The value points into the store. */
bool	 store_find(const struct store *, struct slice key,
	    struct slice *value_r, unsigned *line_r);

#endif
