/* SPDX-License-Identifier: ISC */
/*
 * mem - allocation that does not fail.
 *
 * When memory runs out the process ends with a log line, and master starts it
 * again.  Nothing acknowledged is lost by that (Q1), and it is safe only
 * because every quantity that a peer controls has a limit (Q5).
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

#include "base/slice.h"

void	*mem_alloc(size_t n);			/* zeroed */
void	*mem_array(size_t n, size_t size);	/* zeroed, overflow-checked */
void	*mem_realloc(void *, size_t n);
void	*mem_regrow(void *, size_t n, size_t size); /* overflow-checked */
/* An array of n things of size bytes each, owned, gets room for one more: it
 * has it for *cap, at first none, then `first`, and twice as many each time. */
void	*mem_room(void *, size_t n, size_t *cap, size_t size, size_t first);
char	*mem_strdup(const char *);
/* A NUL-terminated copy; bytes after an inner NUL are kept but not seen. */
char	*mem_slicedup(struct slice);

#endif
