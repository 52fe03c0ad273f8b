/* SPDX-License-Identifier: ISC */
/* heap - see heap.h.  glibc's: keepcost is what is free at the top. */
#include <sys/mman.h>

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

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

void
heap_touch(void *p, size_t n)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t from = ((uintptr_t)p + page - 1) & ~(page - 1);
	uintptr_t to = ((uintptr_t)p + n) & ~(page - 1);

	/* Where the kernel cannot (before Linux 5.14), it faults as ever. */
	if (to > from + page)
		(void)!madvise((void *)from, to - from, MADV_POPULATE_WRITE);
}
