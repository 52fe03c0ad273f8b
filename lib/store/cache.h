/* SPDX-License-Identifier: ISC */
/*
 * cache - summaries of messages, each once, by the message's GUID.
 *
 * The file is only ever appended to, by whole writes without a lock, and never
 * synced: what is lost or damaged is made again.  Where a summary stands in it
 * is in the snapshot; what came after that is found by reading the file's end.
 */
#ifndef STORE_CACHE_H
#define STORE_CACHE_H

#include "box.h"

#define CACHE_MAX_BYTES	(UINT64_C(16) << 30)

/* The summary of a message, valid until the next call.  False: not there. */
bool	 cache_find(struct mailbox *, size_t i, struct slice *summary_r);
/* Remembers one; written when some have gathered, or at the end. */
void	 cache_add(struct mailbox *, const uint8_t guid[16],
	    struct slice summary);
void	 cache_close(struct mailbox *);
/* A record as it stands in the file; -1 at the ceiling. */
int	 cache_pack(struct buf *, uint64_t id, const uint8_t guid[16],
	    struct slice summary);

#endif
