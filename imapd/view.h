/* SPDX-License-Identifier: ISC */
/*
 * view - the selected mailbox as the client knows it.
 *
 * The store's entries are what is; the view is what has been told: a client's
 * sequence numbers stay right although messages come and go, until we say so
 * (RFC 9051 section 7.5.1).  Position i of ->v is sequence number i + 1.
 */
#ifndef IMAPD_VIEW_H
#define IMAPD_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "set.h"
#include "store/store.h"

struct told {
	uint32_t	 uid;
	uint8_t		 flags;		/* as told, or as found at SELECT */
	bool		 gone;		/* expunged, and not told yet */
	uint64_t	 keywords;
	uint64_t	 modseq;
};

struct view {
	struct mailbox	*mailbox;	/* owned; NULL: none is selected */
	struct told	*v;		/* owned, ascending UIDs */
	size_t		 n, cap;
	size_t		 ngone;
	struct uids	 saved;		/* "$": UIDs (RFC 9051 6.4.4.1) */
	uint64_t	 modseq;	/* the highest at the last look */
	uint32_t	 uidnext;
	uint32_t	 messages;
	size_t		 behind;	/* private: by how many messages the store
					 * is less, where it was looked last */
};

/* The first look: all that the mailbox has.  The view is one that was cleared,
 * or all zeros. */
void	 view_open(struct view *, struct mailbox *take);
/* None is selected.  Its memory stays for the next, since most who leave a
 * mailbox select another. */
void	 view_clear(struct view *);
void	 view_free(struct view *);
void	 view_append(struct view *, const struct message_entry *);
/* 0: there is no such message in the view. */
uint32_t view_seq(const struct view *, uint32_t uid);
/* The position of the first UID that is not below this one; n for none. */
size_t	 view_position(const struct view *, uint32_t uid);
/* The store's entry of a position; NULL: it is gone meanwhile.  Fast for
 * positions that ascend. */
const struct message_entry *view_entry(struct view *, size_t position);
/* The UIDs that a set names, by sequence numbers or by UIDs, ascending, gone
 * ones too.  The set is settled by this.  False: a sequence number is above
 * what there is (BAD). */
bool	 view_resolve(const struct view *, struct set *, bool by_uid,
	    struct uids *uids_r);

#endif
