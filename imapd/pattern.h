/* SPDX-License-Identifier: ISC */
/* pattern - LIST's wildcards (RFC 9051 6.3.9). */
#ifndef IMAPD_PATTERN_H
#define IMAPD_PATTERN_H

#include <stdbool.h>

#include "base/slice.h"

/* "*" is any characters, "%" any but the delimiter; INBOX in any case.  Time is
 * bounded by the product of the lengths. */
bool	 pattern_matches(struct slice pattern, struct slice name);

#endif
