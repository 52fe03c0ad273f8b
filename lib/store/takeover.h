/* SPDX-License-Identifier: ISC */
/*
 * takeover - what Dovecot and Courier wrote about a mailbox: UIDs, UIDVALIDITY,
 * keywords, POP3 UIDLs.  Their files are read, never changed.
 */
#ifndef STORE_TAKEOVER_H
#define STORE_TAKEOVER_H

#include "base/parse.h"
#include "state.h"

#define UIDLIST_BYTES	((size_t)1 << 30)
#define KEYWORDS_BYTES	((size_t)1 << 20)

/* dovecot-uidlist (version 3), courierimapuiddb (version 1): UIDVALIDITY,
 * UIDNEXT, GUID, and for each message UID, name, sizes, GUID, UIDL.  PARSE_BAD:
 * not such a file; the state may have a part of it. */
enum parse uidlist_parse(struct slice text, struct state *);
/* dovecot-keywords: "0 name" makes name the keyword of letter a. */
void	 dovecot_keywords_parse(struct slice text, struct state *);
/* courierimapkeywords/:list: names, then for each message which it has. */
void	 courier_keywords_parse(struct slice text, struct state *);

#endif
