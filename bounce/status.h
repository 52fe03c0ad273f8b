/* SPDX-License-Identifier: ISC */
/* status - what happened to each recipient: for programs, as the fields of a
 * message/delivery-status part, and for people. */
#ifndef BOUNCE_STATUS_H
#define BOUNCE_STATUS_H

#include "compose.h"
#include "text.h"

/* How much is told, so that a report stays within its size. */
struct detail {
	bool	 whole;		/* the message may be returned whole */
	size_t	 header;	/* bytes of its header section */
	size_t	 words;		/* bytes of a remote host's words; 0: none, and
				 * of the optional fields none */
	size_t	 listed;	/* recipients in the text for people */
};

/* The body of the part; global: UTF-8 is allowed (RFC 6533). */
void	 status_fields(struct text *, const struct compose *,
	    const struct detail *, bool global);
/* ${recipients}. */
void	 status_list(struct text *, const struct compose *,
	    const struct detail *);

#endif
