/* SPDX-License-Identifier: ISC */
/*
 * hop_names - names of next hops by small numbers.
 *
 * A slot has two bytes to remember where its message waits to go while all
 * else of it is in its file.  Each name is kept once, as long as a slot has its
 * number; where there are more than HOP_NAMES at a time, the later ones have
 * none.
 */
#ifndef QMGR_HOP_NAMES_H
#define QMGR_HOP_NAMES_H

#include <sys/tree.h>

#include <stdint.h>

#include "base/slice.h"

#define HOP_NAMES	60000

struct hop_name;
RB_HEAD(hop_name_tree, hop_name);

struct hop_names {
	struct hop_name_tree	 tree;
	struct hop_name		**v;	/* by number - 1; owned */
	uint32_t		 n;
	uint32_t		 unused;	/* the first such number, or 0 */
};

/* A reference to the number of a name; 0: there is none for it. */
uint16_t hop_names_take(struct hop_names *, struct slice name);
/* Gives a reference back; 0 is allowed. */
void	 hop_names_release(struct hop_names *, uint16_t number);
/* Borrowed; "" for 0. */
struct slice hop_names_get(const struct hop_names *, uint16_t number);
void	 hop_names_clear(struct hop_names *);

#endif
