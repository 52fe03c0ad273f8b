/* SPDX-License-Identifier: ISC */
/*
 * charset - text of messages as UTF-8: character sets, encoded words (RFC
 * 2047), and the form in which text is compared (RFC 5051).
 *
 * The sets are those that mail has, and tables of the program
 * (charset_tables.h): nothing is loaded, and nothing is remembered.
 */
#ifndef MAIL_CHARSET_H
#define MAIL_CHARSET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

#define CHARSET_NAME_BYTES	40
#define ENCODED_WORD_BYTES	4096	/* longer ones are left as they are */

bool	 charset_is_known(struct slice name);
/*
 * Appends s as valid UTF-8; what cannot be converted becomes U+FFFD.  Bytes
 * that are not the UTF-8 they claim to be are windows-1252.  So are those of an
 * unknown charset, and false is returned.  Stops at the buf's ceiling without
 * a word.
 */
bool	 charset_to_utf8(struct slice name, struct slice s, struct buf *);
/* The same, but refuses: -1 if the charset is unknown or s is not of it. */
int	 charset_convert(struct slice name, struct slice s, struct buf *);
/* Valid UTF-8 of bytes of which nothing is known. */
void	 charset_guess(struct slice s, struct buf *);

/* A field body, unfolded and with its encoded words decoded: UTF-8 without
 * line ends or NUL, trimmed.  Stops at the ceiling. */
void	 words_decode(struct slice body, struct buf *);

/*
 * Appends s (UTF-8) in the form for comparison: i;unicode-casemap, which is
 * title case and decomposed; each code point by itself.  -1 at the ceiling.
 */
int	 casefold(struct slice s, struct buf *);
/* The same bytes for ASCII only: to[] has s.n bytes.  False: s has others. */
bool	 casefold_ascii(struct slice s, char *to);

#endif
