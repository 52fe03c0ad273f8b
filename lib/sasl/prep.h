/* SPDX-License-Identifier: ISC */
/* prep - names and passwords in the one form that is compared: RFC 4013, with
 * the tables of today's Unicode as RFC 8265 has them. */
#ifndef SASL_PREP_H
#define SASL_PREP_H

#include "base/buf.h"

/* What a password may have at most, prepared or not. */
#define PASSWORD_BYTES	1024

/*
 * Appends the prepared form: other spaces become U+0020, what is invisible is
 * left out, NFKC.  False (nothing appended) for control characters, NUL among
 * them, private or unassigned code points, broken UTF-8, and for what is
 * longer than the buf takes.  ASCII is unchanged.
 */
bool	 sasl_prep(struct slice, struct buf *);
/* A name as it may stand in a list of accounts: prepared, and ASCII letters in
 * lower case; no blanks.  False too where it is empty. */
bool	 sasl_prep_name(struct slice, struct buf *);
/* A login name in its one form: the same, with the domain's labels in ASCII
 * (RFC 5890), as addresses are looked up. */
bool	 sasl_prep_login(struct slice, struct buf *);
/* The other form of what sasl_prep_login() has made, which accounts may stand
 * under, too.  False: there is none. */
bool	 sasl_login_in_unicode(struct slice, struct buf *);

#endif
