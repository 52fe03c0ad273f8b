/* SPDX-License-Identifier: ISC */
/* list - inside the store: the list of mailboxes, and metadata. */
#ifndef STORE_LIST_H
#define STORE_LIST_H

#include "box.h"

#define META_NAME	"chasqui.meta"
#define SPECIAL_ENTRY	"/private/specialuse"
#define UIDVALIDITY_ENTRY "/chasqui/uidvalidity"
#define SPECIALS_ENTRY	"/chasqui/specials-made"

/* The lock of the list and of the metadata. */
enum store_result store_lock(struct store *);
void	 store_unlock(struct store *);
/* Sent, Drafts, Trash, Junk and Archive, where no mailbox has that use: once,
 * so that a user can do without one; and not before somebody looks for another
 * mailbox than the inbox, which not every login does. */
void	 store_create_special(struct store *);
/* Whether so much more, and so many, may be stored. */
enum store_result store_has_room(struct store *, uint64_t bytes,
	    uint64_t messages);

/* ---- meta.c -------------------------------------------------------------- */

/* All entries of all mailboxes; slices point into text. */
struct meta {
	struct buf	 text;
	struct meta_entry {
		struct slice	 mailbox, entry, value;
	}		*v;		/* owned */
	size_t		 n, cap;
};
enum store_result meta_read(struct store *, struct meta *);
enum store_result meta_write(struct store *, const struct meta *);
void	 meta_clear(struct meta *);
/* value.p NULL removes.  The slices must last as long as meta. */
void	 meta_set(struct meta *, struct slice mailbox, struct slice entry,
	    struct slice value);
struct slice meta_get(const struct meta *, struct slice mailbox,
	    struct slice entry);
unsigned special_parse(struct slice);
void	 special_write(unsigned mask, struct buf *);

#endif
