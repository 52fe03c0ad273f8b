/* SPDX-License-Identifier: ISC */
/* heap - where what is allocated will lie, and when it gets its pages. */
#ifndef OS_HEAP_H
#define OS_HEAP_H

#include <stddef.h>

/*
 * What is allocated from here on lies side by side behind all that there is,
 * as far as one piece has at most 64 KiB: in the gaps between, each piece would
 * be another page to copy, here and in every fork.  What fills them is never
 * used, nor given back.
 */
void	 heap_fill_gaps(void);

/* Maps what will all be written, at once: a fault for each page costs more. */
void	 heap_touch(void *, size_t n);

#endif
