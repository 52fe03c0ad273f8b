/* SPDX-License-Identifier: ISC */
/* compose - the text of MAIL and RCPT, with the parameters that a server
 * offers.  Pure functions on bytes. */
#ifndef REMOTE_COMPOSE_H
#define REMOTE_COMPOSE_H

#include "base/buf.h"
#include "ipc/delivery.h"
#include "mail/esmtp.h"

struct compose {
	unsigned	 offers;	/* EHLO_* */
	enum body_type	 body;		/* as it will be sent */
	uint64_t	 size;
	bool		 utf8;		/* SMTPUTF8 is asked for */
	int64_t		 now_ms;	/* since 1970 */
};

/* Appends a whole command.  -1 at the ceiling, or where an address cannot be
 * written without SMTPUTF8; nothing is appended then. */
int	 compose_mail(struct buf *, const struct compose *,
	    const struct job *);
int	 compose_rcpt(struct buf *, const struct compose *,
	    const struct job_recipient *);

/* How much is left of the time that DELIVERBY gives. */
#define BY_MOST		999999999
int64_t	 by_seconds(const struct envelope_extras *, int64_t now_ms);

/* True where the envelope or the header section needs SMTPUTF8 (RFC 6531);
 * a domain that can be written in A-labels does not. */
bool	 job_needs_utf8(const struct job *, struct slice header);

#endif
