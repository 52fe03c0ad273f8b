/* SPDX-License-Identifier: ISC */
/* courier - what Courier wrote about a mailbox, beside its list of UIDs. */
#ifndef STORE_COURIER_H
#define STORE_COURIER_H

#include "os/fs.h"
#include "state.h"

#define KEYWORD_FILE_BYTES ((size_t)64 << 10)	/* of one message */

/* courierimapkeywords/:list: names, then for each message which it has. */
void	 courier_keywords_parse(struct slice text, struct state *);
/* One file of courierimapkeywords/: all keywords of message i. */
void	 courier_keyword_file(struct slice text, struct state *, size_t i);
/* Those files, which are newer than :list.  dir: the mailbox's. */
void	 courier_keyword_files(const struct fs *, int dir,
	    struct state *);
/* courierpop3dsizelist: UIDLs, of messages that get a UID where they have
 * none.  False: not such a file. */
bool	 courier_sizelist_parse(struct slice text, struct state *);

#endif
