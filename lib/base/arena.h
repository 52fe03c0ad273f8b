/* SPDX-License-Identifier: ISC */
/*
 * arena - memory of things that end together.
 *
 * What is taken from an arena is released all at once by arena_clear().  The
 * total is limited; over the limit the functions return NULL, and the caller
 * refuses what made it grow.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/slice.h"

struct arena_block;

struct arena {
	struct arena_block	*blocks;	/* owned, newest first */
	size_t			 used;		/* bytes handed out */
	size_t			 max;		/* limit of used, bytes */
};

#define ARENA_INIT(max_)	((struct arena){ .max = (max_) })

void	*arena_alloc(struct arena *, size_t n);	/* zeroed, aligned for any type */
/* A copy with a NUL after it that is not counted. */
int	 arena_copy(struct arena *, struct slice, struct slice *copy_r);
void	 arena_clear(struct arena *);

#endif
