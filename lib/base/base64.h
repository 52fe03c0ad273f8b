/* SPDX-License-Identifier: ISC */
/* base64 - RFC 4648 section 4 and 5, in one piece and exact. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/buf.h"

/* Standard alphabet, padded, no line breaks.  -1 at the ceiling. */
int	 b64_encode(struct buf *, struct slice);
/* Exact: padded, no other byte, no bits left over (RFC 4648 section 3.5), so
 * that a value has one form.  Appends; false changes nothing. */
bool	 b64_decode(struct slice, struct buf *);
/* The same without padding. */
bool	 b64_decode_bare(struct slice, struct buf *);
/* The URL alphabet without padding (RFC 7515 section 2). */
bool	 b64url_decode(struct slice, struct buf *);

#endif
