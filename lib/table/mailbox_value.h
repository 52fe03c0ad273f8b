/* SPDX-License-Identifier: ISC */
/* mailbox_value - what stands behind an address in a table of mailboxes. */
#ifndef TABLE_MAILBOX_VALUE_H
#define TABLE_MAILBOX_VALUE_H

#include "base/slice.h"

struct mailbox_value {
	uint64_t	 quota_bytes;		/* 0: not given */
	uint64_t	 quota_messages;
};

/* quota_bytes=SIZE and quota_messages=NUMBER, separated by blanks or commas.
 * Words without '=' mean nothing here, so that tables of Postfix can be used.
 * What is not given stays as it was in *v.  false: *bad_r is a word that is
 * neither. */
bool	 mailbox_value_parse(struct slice, struct mailbox_value *v,
	    struct slice *bad_r);

#endif
