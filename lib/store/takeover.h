/* SPDX-License-Identifier: ISC */
/*
 * takeover - what Dovecot wrote about a mailbox: UIDs, UIDVALIDITY, keywords,
 * POP3 UIDLs.  Its files are read, never changed but by an export.
 *
 * The stamps of the list and the keywords that were read, or exported, stand in
 * the index; if one is different, Dovecot has written it since, and they are
 * taken in again: its numbers count, since its clients know them.
 */
#ifndef STORE_TAKEOVER_H
#define STORE_TAKEOVER_H

#include "base/parse.h"
#include "box.h"
#include "state.h"

#define UIDLIST_BYTES	((size_t)1 << 30)
#define KEYWORDS_BYTES	((size_t)1 << 20)

/* The first thing that is wrong with a list; what NULL: nothing. */
struct uidlist_fault {
	unsigned	 line;
	const char	*what;
};

/* dovecot-uidlist (version 3), courierimapuiddb (version 1): UIDVALIDITY,
 * UIDNEXT, GUID, and for each message UID, name, sizes, GUID, UIDL.  PARSE_BAD:
 * not such a file, or without UIDVALIDITY; the state may have a part of it.  A
 * fault with PARSE_OK: lines were left out, and UIDNEXT is well above what it
 * says. */
enum parse uidlist_parse(struct slice text, struct state *,
	    struct uidlist_fault *);
/* dovecot-keywords: "0 name" makes name the keyword of letter a. */
void	 dovecot_keywords_parse(struct slice text, struct state *);
bool	 keyword_is_valid(struct slice);

#endif
