/* SPDX-License-Identifier: ISC */
/* catenate - parts of a new message that are here already (RFC 4469). */
#ifndef IMAPD_CATENATE_H
#define IMAPD_CATENATE_H

#include "imap.h"

/* Gives the bytes that an IMAP URL (RFC 5092) of this user's names, in pieces.
 * False: there are none. */
bool	 catenate_url(struct imap_session *, struct slice url,
	    void (*bytes)(struct imap_session *, struct slice));

#endif
