/* SPDX-License-Identifier: ISC */
/*
 * sql_query - makes of a query for one key the query for all of them.
 *
 *	SELECT goto FROM alias WHERE address = '%s' AND active = 1
 *	SELECT address, goto FROM alias WHERE active = 1
 */
#ifndef TOOLS_SQL_QUERY_H
#define TOOLS_SQL_QUERY_H

#include "base/buf.h"

#define SQL_QUERY_BYTES	8192

/* Puts the query with the key's column first into out.  False: the query is of
 * another form than SELECT .. FROM .. WHERE conditions with AND, of which one
 * is COLUMN = '%s' (or '%u', for logins); out is then as it was. */
bool	 sql_query_for_all(struct slice query, struct buf *out);
/* The same query for one key, whose place gets the parameter's name ($1,
 * :login) and whose columns are the one named password alone; False as
 * above. */
bool	 sql_query_for_password(struct slice query, const char *parameter,
	    struct buf *out);

#endif
