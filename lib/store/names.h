/* SPDX-License-Identifier: ISC */
/* names - mailbox names as users see them and as they stand on disk. */
#ifndef STORE_NAMES_H
#define STORE_NAMES_H

#include "base/buf.h"
#include "base/parse.h"
#include "base/slice.h"
#include "store.h"

/* INBOX is one in any case of letters: "INBOX" for it, other names as they
 * are. */
struct slice name_canonical(struct slice);
/* The same for names from without: where INBOX stands above others, too, the
 * name with "INBOX" in `to`, which has room for it and may be where it is. */
struct slice name_fold_inbox(struct slice name, char *to);
/* "A/B" as one may be made: levels that are not empty, no '.', no control
 * characters.  INBOX counts. */
bool	 name_is_valid(struct slice);
/* ".A.B" of "A/B", in modified UTF-7 or as it is. */
int	 name_to_dir(struct slice name, bool utf7, struct buf *);
/* "A/B" of "A.B"; PARSE_BAD: no name of ours. */
enum parse name_from_dir(struct slice dir, struct buf *);
/* Levels above come first, then by bytes; INBOX before all. */
int	 name_cmp(struct slice, struct slice);
/* Whether a name is below another. */
bool	 name_is_below(struct slice name, struct slice parent);

#endif
