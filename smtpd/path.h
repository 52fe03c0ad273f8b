/* SPDX-License-Identifier: ISC */
/* path - the address in MAIL and RCPT. */
#ifndef SMTPD_PATH_H
#define SMTPD_PATH_H

#include "base/arena.h"

/*
 * "FROM:<address>" or "TO:<address>" at the front of *args, which then stands
 * at the parameters.  What goes wrong in the field is let through: a space
 * behind the colon, brackets left out.  *text_r is local@domain in the arena
 * (without '@' for <postmaster>; empty for <>), UTF-8 possibly.
 */
bool	 path_take(struct slice *args, const char *keyword, unsigned flags,
	    struct arena *, struct slice *text_r);

#endif
