/* SPDX-License-Identifier: ISC */
/*
 * roll - which segments the journal is known to have: a note beside it, for
 * nothing within a directory tells that a file of it was removed.
 *
 * A segment is entered after its first commit, and struck before it is removed.
 * So what the note names is there, or somebody else has taken it away.
 *
 * On disk, `segments` in the queue directory, as notes.h has it: "CHASQR1\n",
 * then u32 number, and each u32 index  u32 missed (0, 1)  u64 generation.
 */
#ifndef QMGR_ROLL_H
#define QMGR_ROLL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

#define ROLL_FILE	"segments"
#define ROLL_ROWS	10000		/* at most: one a name */

struct roll {
	struct roll_row {
		unsigned	 index;		/* of its name */
		/* It was not there at a start.  Said at each one, until its
		 * file is there again or the row is struck. */
		bool		 missed;
		uint64_t	 generation;
	}		*rows;		/* owned */
	size_t		 n;
};

void	 roll_add(struct roll *, unsigned index, uint64_t generation,
	    bool missed);
void	 roll_clear(struct roll *);
/* false: the bytes are damaged, or none of ours; *roll is empty then. */
bool	 roll_unpack(struct slice file, struct roll *);
/* -1 with errno (EBADMSG: it is damaged).  Where there is no note it is empty:
 * an earlier version has written this queue, or nobody has. */
int	 roll_read(int dir, struct roll *);
/* Durably.  -1 with errno.  May be called on a lane. */
int	 roll_write(int dir, const struct roll *);

#endif
