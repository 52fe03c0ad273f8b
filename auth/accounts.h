/* SPDX-License-Identifier: ISC */
/*
 * accounts - the password files in memory, for the verifier.
 *
 * They are looked at before each question, so that a password that was changed
 * or revoked is so at once.  A file that cannot be read leaves the old contents
 * in force; a line that is wrong is left out and named in the log.
 */
#ifndef AUTH_ACCOUNTS_H
#define AUTH_ACCOUNTS_H

#include "conf/conf.h"
#include "sasl/account.h"

#define ACCOUNT_FILE_BYTES	((size_t)512 * 1024 * 1024)

struct accounts;

struct accounts	*accounts_new(const struct conf_list *paths);
void	 accounts_free(struct accounts **);
/* Reads what has changed; true when something has. */
bool	 accounts_refresh(struct accounts *);
/* False: no file could ever be read. */
bool	 accounts_are_there(const struct accounts *);
/* The lines of a login, at most n; how many.  Valid until the next refresh. */
size_t	 accounts_find(const struct accounts *, struct slice login,
	    struct account *v, size_t n);
size_t	 accounts_count(const struct accounts *);

#endif
