/* SPDX-License-Identifier: ISC */
/* heap - see heap.h.  glibc's: keepcost is what is free at the top. */
#include <malloc.h>
#include <stdlib.h>

#include "os/heap.h"

/* In bytes: */
#define LARGEST_GAP	65536
#define SMALL_PIECE	1024	/* glibc lists pieces of each size up to this */
#define PIECE_STEP	16
#define ROOM_BEHIND	65536	/* had in one call, not by each fork */

void
heap_fill_gaps(void)
{
#ifndef SANITIZED	/* which has its own */
	size_t n, top;

	malloc_trim(0);
	for (n = LARGEST_GAP; n > 0; n = n > SMALL_PIECE ? n / 2 :
	    n - PIECE_STEP)
		do {
			top = mallinfo2().keepcost;
			if (malloc(n) == NULL)
				return;
		} while (mallinfo2().keepcost == top);
	free(malloc(ROOM_BEHIND));
#endif
}
