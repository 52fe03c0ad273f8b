/* SPDX-License-Identifier: ISC */
/* aliases - makes the databases of alias tables: newaliases(1), sendmail
 * -bi. */
#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>

#include "chasqui.h"
#include "submission.h"
#include "table/table.h"

int
newaliases(struct tool *t)
{
	const struct conf *c = tool_conf(t);
	struct buf why = BUF_INIT(8192);
	const struct conf_table *table;
	int status = EX_OK, made = 0;
	int64_t n;
	size_t i;

	for (i = 0; i < c->alias_tables.n; i++) {
		table = table_conf(c, c->alias_tables.v[i]);
		if (table == NULL || (strcmp(table->type, "btree") != 0 &&
					 strcmp(table->type, "hash") != 0))
			continue;
		made++;
		buf_reset(&why);
		n = table_make(table, true, NULL, NULL, &why);
		if (n == -1)
			status = tool_fail(EX_DATAERR,
			    "%s; the database is as it was", buf_cstr(&why));
		else
			printf("%s: %" PRId64 " aliases\n", table->name, n);
	}
	if (made == 0)
		printf("alias.tables has no btree or hash table: a change of "
		    "the text is enough\n");
	buf_clear(&why);
	return status;
}
