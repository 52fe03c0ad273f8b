/* SPDX-License-Identifier: ISC */
/* idmap - things found by a 64-bit id, which is their first member. */
#ifndef QMGR_IDMAP_H
#define QMGR_IDMAP_H

#include <stddef.h>
#include <stdint.h>

struct idmap {
	uint64_t	**v;		/* owned; the things are not */
	size_t		  cap;
	size_t		  n;
};

void	*idmap_find(const struct idmap *, uint64_t id);
/* The id must not be in it. */
void	 idmap_add(struct idmap *, void *);
void	 idmap_remove(struct idmap *, uint64_t id);	/* also if not in */
/* One after the other, from *cursor 0 on; NULL after the last.  The map must
 * not change meanwhile. */
void	*idmap_next(const struct idmap *, size_t *cursor);
void	 idmap_clear(struct idmap *);

#endif
