/* SPDX-License-Identifier: ISC */
/*
 * password - passwords as they are stored, checked and made.
 *
 * What is stored is a hash of crypt(3), or "{SCHEME}" and what the scheme has
 * behind it, as Dovecot and others write them.
 */
#ifndef SASL_PASSWORD_H
#define SASL_PASSWORD_H

#include "base/buf.h"
#include "sasl/prep.h"

#define STORED_BYTES	1024	/* of one stored password */

enum password_result {
	PASSWORD_GOOD,
	PASSWORD_WRONG,
	PASSWORD_UNKNOWN_SCHEME,	/* nobody can log in with it */
};

/* Constant work for a scheme; a yescrypt takes tens of milliseconds and 16
 * MiB.  Not thread-safe. */
enum password_result password_check(struct slice stored, struct slice given);
/* The same work for a name that nobody has: always PASSWORD_WRONG. */
enum password_result password_check_nobody(struct slice given);
/* A plain text or a digest: a check takes microseconds. */
bool	 password_is_cheap(struct slice stored);
/* The name of the scheme, for messages; "unknown". */
const char *password_scheme_name(struct slice stored);

/* yescrypt with the library's own cost.  -1 and errno. */
int	 password_make(struct slice password, struct buf *);
/* One that we have made ourselves, random and long, needs no costly hash:
 * {SSHA256}. */
int	 password_make_fast(struct slice password, struct buf *);

#endif
