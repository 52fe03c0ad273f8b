/* SPDX-License-Identifier: ISC */
/*
 * rows - accounts as rows of a data base, whichever it is.
 *
 * A query gives a row for the account and one for each of its app passwords.
 * Its columns are known by their names: password, scram_sha_256, scram_sha_1,
 * app, protocols, disabled, expired; the first is needed, and a column of
 * another name is an error, as an attribute of a password file is.
 */
#ifndef AUTH_ROWS_H
#define AUTH_ROWS_H

#include "base/arena.h"
#include "sasl/account.h"

#define ROWS_ARENA_BYTES	(256 * 1024)	/* the rows of one login */

enum row_column { ROW_PASSWORD, ROW_SCRAM_SHA_256, ROW_SCRAM_SHA_1, ROW_APP,
	ROW_PROTOCOLS, ROW_DISABLED, ROW_EXPIRED, ROW_COLUMNS };

struct row_columns {
	int	 at[ROW_COLUMNS];	/* their numbers; -1: none */
};

/* A value as text, borrowed until the next call; empty for NULL. */
typedef struct slice	 row_text_fn(void *arg, int number);

void	 row_columns_init(struct row_columns *);
/* False: that name means nothing. */
bool	 row_columns_add(struct row_columns *, const char *name, int number);
/* False: the row is wrong, and lets nobody in.  Copies into the arena. */
bool	 row_take(const struct row_columns *, row_text_fn *, void *arg,
	    struct arena *, struct slice login, struct account *);

#endif
