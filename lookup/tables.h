/* SPDX-License-Identifier: ISC */
/* tables - every table of the configuration. */
#ifndef LOOKUP_TABLES_H
#define LOOKUP_TABLES_H

#include "table/table.h"

struct tables {
	struct table	**v;	/* in the order of the configuration */
	size_t		 n;
};

/* A set for a configuration.  Tables that old has with the same settings are
 * in both; the others have read nothing yet.  old may be NULL. */
void	 tables_init(struct tables *, const struct conf *,
	    const struct tables *old);
/* Frees the set and those of its tables that keep does not have. */
void	 tables_clear(struct tables *, const struct tables *keep);
bool	 tables_has(const struct tables *, const struct table *);
/* By name; NULL. */
struct table *tables_find(const struct tables *, const char *name);

#endif
