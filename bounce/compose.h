/* SPDX-License-Identifier: ISC */
/*
 * compose - a report as a message (RFC 3461 section 6, 3464, 6522, 6533).
 *
 * Pure: from what is to be reported, the message it is about and the time to
 * an envelope and a message.  Everything that another host or user wrote (its
 * replies, addresses, the header section) is written so that it can begin
 * neither a field nor a part of its own.
 */
#ifndef BOUNCE_COMPOSE_H
#define BOUNCE_COMPOSE_H

#include "ipc/qmgr_bounce.h"
#include "ipc/smtpd_qmgr.h"
#include "template.h"

struct compose {
	const struct templates	*templates;
	const char		*hostname;
	const char		*from_name;
	uint64_t		 headers_above;	/* bytes */
	int64_t			 now_ms;
	const struct report	*report;
	/* The message, as far as it is at hand; at least INLINE_BYTES of it,
	 * or all. */
	struct slice		 message;
};

/* Both bufs are empty and have ceilings of at least ENVELOPE_BYTES and
 * INLINE_BYTES; the message is never longer than that.  false: so many
 * recipients cannot be reported in one message. */
bool	 compose(const struct compose *, struct buf *envelope,
	    struct buf *message);

#endif
