/* SPDX-License-Identifier: ISC */
/*
 * sqlite - accounts of an SQLite data base, which is only read.
 *
 * The query has one parameter, :login; its rows are those of rows.h.
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
