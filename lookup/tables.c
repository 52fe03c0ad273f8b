/* SPDX-License-Identifier: ISC */
/* tables - see tables.h. */
#include <stdlib.h>

#include "base/mem.h"
#include "tables.h"

void
tables_init(struct tables *t, const struct conf *c, const struct tables *old)
{
	size_t i, j;

	*t = (struct tables){ .v = mem_array(c->ntables, sizeof(*t->v)) };
	for (i = 0; i < c->ntables; i++) {
		for (j = 0; old != NULL && j < old->n; j++)
			if (table_is(old->v[j], &c->tables[i],
			    c->table_max_entries))
				break;
		t->v[t->n++] = old != NULL && j < old->n ? old->v[j] :
		    table_new(&c->tables[i], c->table_max_entries);
	}
}

void
tables_clear(struct tables *t, const struct tables *keep)
{
	size_t i;

	for (i = 0; i < t->n; i++)
		if (keep == NULL || !tables_has(keep, t->v[i]))
			table_free(&t->v[i]);
	free(t->v);
	*t = (struct tables){ 0 };
}

bool
tables_has(const struct tables *t, const struct table *table)
{
	size_t i;

	for (i = 0; i < t->n; i++)
		if (t->v[i] == table)
			return true;
	return false;
}

struct table *
tables_find(const struct tables *t, const char *name)
{
	size_t i;

	for (i = 0; i < t->n; i++)
		if (strcasecmp(table_name(t->v[i]), name) == 0)
			return t->v[i];
	return NULL;
}
