/* SPDX-License-Identifier: ISC */
/*
 * downgrade - a message for a host without 8BITMIME or BINARYMIME (RFC 6152
 * section 3, RFC 3030 section 3): body parts are re-encoded as quoted-printable
 * or base64 and say so, multiparts and message/rfc822 parts are gone through.
 * What is signed (multipart/signed, RFC 1847), the other types of message, and
 * 8-bit characters in a header section cannot be changed and make it fail.
 */
#ifndef MAIL_DOWNGRADE_H
#define MAIL_DOWNGRADE_H

#include "base/buf.h"
#include "mail/envelope.h"

enum downgrade {
	DOWNGRADE_DONE,		/* out_r holds the whole message */
	DOWNGRADE_NOT_NEEDED,	/* it was within `to` already; nothing is in out */
	DOWNGRADE_IMPOSSIBLE,	/* why_r is a constant text */
};
/* to: BODY_7BIT, or BODY_8BITMIME for what was BINARYMIME.  The output buf's
 * ceiling bounds the memory; reaching it is IMPOSSIBLE. */
enum downgrade downgrade(struct slice message, enum body_type to,
	    struct buf *out, const char **why_r);

#define MIME_DEPTH	32
#define MIME_PARTS	1000

#endif
