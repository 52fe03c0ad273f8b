/* SPDX-License-Identifier: ISC */
/* includes - the files of :include:, kept while they do not change. */
#ifndef LOOKUP_INCLUDES_H
#define LOOKUP_INCLUDES_H

#include "base/buf.h"

#define INCLUDE_BYTES	(4 * 1024 * 1024)	/* of one file */
#define INCLUDES_MAX	1000			/* then all are forgotten */

struct includes;

struct includes *includes_new(void);
void	 includes_free(struct includes **);
/* As in struct resolve_world: the owner must be root, owner or ourselves, and
 * others must not be able to write to the file. */
int	 includes_read(void *includes, struct slice path, uint32_t owner,
	    struct slice *text_r, struct buf *why);
/* Forgets files that have changed; true when there were any. */
bool	 includes_check(struct includes *);

#endif
