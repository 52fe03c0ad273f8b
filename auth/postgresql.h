/* SPDX-License-Identifier: ISC */
/*
 * postgresql - accounts of a PostgreSQL data base, which is only read.
 *
 * The server is reached by its Unix socket, since a verifier has no network.
 * The query has one parameter, $1, the login; its rows are those of rows.h.
 */
#ifndef AUTH_POSTGRESQL_H
#define AUTH_POSTGRESQL_H

#include "conf/conf.h"
#include "sasl/account.h"

struct postgresql_source;

/* What is configured is copied.  The connection is made when it is wanted. */
struct postgresql_source *postgresql_source_new(const struct conf *);
void	 postgresql_source_free(struct postgresql_source **);
/* As sources_find(); returns after auth.postgresql_timeout at the latest, and
 * after one failure not before a pause that doubles up to 10 s. */
int	 postgresql_source_find(struct postgresql_source *,
	    struct slice login, struct account *v, size_t n);

#endif
