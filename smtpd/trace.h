/* SPDX-License-Identifier: ISC */
/* trace - the fields that we put in front of a message. */
#ifndef SMTPD_TRACE_H
#define SMTPD_TRACE_H

#include "base/buf.h"

struct session;

/* The most that trace_write() writes. */
#define TRACE_BYTES	4096

/* The Received field (RFC 5321 section 4.4) of the session's transaction; the
 * fields that a local submission lacks; and the empty line that a message
 * without a header section lacks. */
void	 trace_write(struct session *, int64_t now_ms, struct buf *);
/* RFC 3848, RFC 6531 section 4.3: "ESMTP", "UTF8LMTP", "local" ... */
const char *trace_protocol(const struct session *);

#endif
