/* SPDX-License-Identifier: ISC */
/* changes - what has become of a mailbox's messages since somebody looked. */
#ifndef STORE_CHANGES_H
#define STORE_CHANGES_H

#include "store.h"

struct changes {
	struct mailbox_change *v;	/* owned; in order of what happened */
	size_t		 n, cap;
};

/* what: CHANGE_*.  To NULL: nobody wants to know. */
void	 changes_add(struct changes *, uint32_t uid, int what,
	    uint64_t modseq);
/* Sorted by UID, one each; what came and went is left out. */
void	 changes_settle(struct changes *);

#endif
