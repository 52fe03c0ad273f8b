/* SPDX-License-Identifier: ISC */
/* mbox - the messages of a file into a mailbox: one, or those of an mbox. */
#ifndef TOOLS_MBOX_H
#define TOOLS_MBOX_H

#include <stdio.h>
#include <sys/stat.h>

#include "base/slice.h"
#include "store/store.h"

#define MBOX_HEADER_BYTES	(256 * 1024)	/* looked at for flags */

/* What a message's header section says of its flags; borrowed from it. */
struct mbox_flags {
	uint8_t		 flags;		/* enum flag */
	size_t		 nkeywords;
	struct slice	 keywords[STORE_KEYWORDS];
};

/* Status and X-Status with a letter for each flag, X-Keywords, and Mozilla's
 * X-Mozilla-Status (bits in hexadecimal) and X-Mozilla-Keys.  A message without
 * any of them has no flags; what is not understood says nothing. */
void	 mbox_flags_parse(struct slice header, struct mbox_flags *);

/* A file whose first line is of an mbox is one, else it is one message; an
 * empty one has none.  Read to its end; the caller looks at ferror(). */
enum store_result mbox_append(struct append *, FILE *, const struct stat *);

#endif
