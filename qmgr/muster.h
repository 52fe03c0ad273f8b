/* SPDX-License-Identifier: ISC */
/*
 * muster - which messages a queue had when its manager ended in order, so that
 * one whose file somebody has removed since is missed.
 *
 * It is true until the next manager changes something, which removes it first:
 * after a crash there is none, and nobody is missed.  A version that does not
 * know it leaves it there, but gives out queue ids: where more are given out than
 * it says, it is not believed.
 *
 * On disk, `messages` in the queue directory, as notes.h has it: "CHASQN1\n",
 * then u64 queue ids below this are given out, and the id of each, u64.
 */
#ifndef QMGR_MUSTER_H
#define QMGR_MUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

#define MUSTER_FILE	"messages"
#define MUSTER_IDS	(8u * 1024 * 1024)	/* of more none is made */

struct queue;

struct muster {
	uint64_t	 given_out;
	uint64_t	*ids;		/* owned */
	size_t		 n;
};

void	 muster_clear(struct muster *);
/* false: the bytes are damaged, or none of ours; *m is empty then. */
bool	 muster_unpack(struct slice file, struct muster *m);
/* Empty where there is none, or not of a queue that has given out these ids.
 * -1 with errno (EBADMSG: it is damaged). */
int	 muster_read(int dir, uint64_t given_out, struct muster *);
/* What the queue has, none of it under way.  Durably; -1 with errno. */
int	 muster_write(int dir, uint64_t given_out, const struct queue *);
/* It is not true any more.  Durably; -1 with errno. */
int	 muster_remove(int dir);

#endif
