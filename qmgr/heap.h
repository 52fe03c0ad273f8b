/* SPDX-License-Identifier: ISC */
/* heap - what is due next: a binary heap of nodes embedded in their owners. */
#ifndef QMGR_HEAP_H
#define QMGR_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
	int64_t		 when;
	uint32_t	 at;		/* 1 and up; 0: in no heap */
	uint32_t	 spare;		/* its owner's, where padding would be */
};

struct heap {
	struct heap_node **v;		/* owned */
	uint32_t	 n;
	uint32_t	 cap;
};

/* Puts a node in, or moves it to another time. */
void	 heap_set(struct heap *, struct heap_node *, int64_t when);
/* All by as much, but none to a time after `latest`. */
void	 heap_move(struct heap *, int64_t by, int64_t latest);
void	 heap_remove(struct heap *, struct heap_node *);	/* also if not in */
/* The earliest, or NULL. */
struct heap_node *heap_first(const struct heap *);
void	 heap_clear(struct heap *);

#endif
