/* SPDX-License-Identifier: ISC */
/*
 * sqlite - accounts of an SQLite data base, which is only read.
 *
 * The query has one parameter, :login, and gives a row for the account and one
 * for each of its app passwords.  Its columns are known by their names:
 * password, scram_sha_256, scram_sha_1, app, protocols, disabled, expired; the
 * first is needed, and a column of another name is an error, as an attribute of
 * a password file is.
 */
#ifndef AUTH_SQLITE_H
#define AUTH_SQLITE_H

#include "sasl/account.h"

struct sqlite_source;

/* path and query are copied. */
struct sqlite_source *sqlite_source_new(const char *path, const char *query);
void	 sqlite_source_free(struct sqlite_source **);
/* As sources_find(). */
int	 sqlite_source_find(struct sqlite_source *, struct slice login,
	    struct account *v, size_t n);

#endif
