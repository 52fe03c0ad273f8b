/* SPDX-License-Identifier: ISC */
/*
 * tickets - the keys that TLS session tickets are sealed with, in memory that
 * master shares with all processes of a role.
 *
 * master writes, the others have it to read.  A writer that is at it is seen
 * by an odd sequence; who reads then, or during a change, reads again.
 */
#ifndef EV_TICKETS_H
#define EV_TICKETS_H

#include <stdbool.h>
#include <stdint.h>

#define TICKET_KEYS	3	/* the newest seals; all open */

struct ticket_key {
	uint8_t	 name[16];
	uint8_t	 cipher[32];
	uint8_t	 mac[32];
};

struct ticket_memory {
	uint32_t	 sequence;
	uint32_t	 spare;
	struct ticket_key keys[TICKET_KEYS];
};

/* New keys everywhere, in zeroed memory. */
void	 tickets_init(struct ticket_memory *);
/* A new first key; the last is forgotten. */
void	 tickets_rotate(struct ticket_memory *);
/* False when it is not to be had (the writer died at it). */
bool	 tickets_read(const struct ticket_memory *,
	    struct ticket_key [TICKET_KEYS]);

#endif
