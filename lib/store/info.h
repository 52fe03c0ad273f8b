/* SPDX-License-Identifier: ISC */
/*
 * info - flags as letters of a Maildir's file name (":2,FS"), and back.
 *
 * Letters a to z are keywords 0 to 25, as Dovecot has them.
 */
#ifndef STORE_INFO_H
#define STORE_INFO_H

#include "record.h"

/* An info that does not begin with ":2," has none. */
void	 info_parse(struct slice info, uint8_t *flags_r, uint64_t *keywords_r);
/* The info that a message ought to have: letters that we know nothing of, and
 * what follows a comma, stay as they were.  known: keywords that exist.  Its
 * length; no NUL. */
size_t	 info_write(char to[MESSAGE_NAME_BYTES], struct slice old,
	    uint8_t flags, uint64_t keywords, uint64_t known);

#endif
