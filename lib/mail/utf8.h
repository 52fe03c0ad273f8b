/* SPDX-License-Identifier: ISC */
/*
 * utf8 - single characters, and the modified UTF-7 that IMAP4rev1 and Maildir++
 * write names of mailboxes in.  Whether text is UTF-8 says slice_is_utf8()
 * (mail/address.h).
 */
#ifndef MAIL_UTF8_H
#define MAIL_UTF8_H

#include <stdint.h>

#include "base/buf.h"
#include "base/parse.h"

/* The bytes of a character, and how many. */
size_t	 utf8_encode(uint32_t, char to[4]);
/* Takes the character at the front; the slice is UTF-8 and not empty. */
uint32_t utf8_decode(struct slice *);

/* RFC 3501 section 5.1.3.  -1: not UTF-8, a NUL, or the buf's ceiling. */
int	 mutf7_encode(struct slice utf8, struct buf *);
/* PARSE_BAD: not the one form that the encoder writes; the buf is as it was. */
enum parse mutf7_decode(struct slice, struct buf *);

#endif
