/* SPDX-License-Identifier: ISC */
/* charset_decode - sets of several bytes or with states; for charset.c. */
#ifndef MAIL_CHARSET_DECODE_H
#define MAIL_CHARSET_DECODE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"

struct decoder;

/* By its name in lower case; NULL: not one of these. */
const struct decoder *decoder_find(const char *name);
/* Appends s as UTF-8, with U+FFFD for what is none of the set.  False: there
 * was such, or the buf's ceiling was reached. */
bool	 decoder_run(const struct decoder *, struct slice s, struct buf *);

#endif
