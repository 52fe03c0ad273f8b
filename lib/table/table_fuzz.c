/* SPDX-License-Identifier: ISC */
/* table_fuzz - the text of each form of table, and alias targets.  The first
 * byte chooses the form, the first line is also looked up. */
#include <assert.h>

#include "table/aliases.h"
#include "table/driver.h"
#include "table/lines.h"
#include "table/mailbox_value.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const struct driver *const forms[] = { &driver_inline, &driver_file,
	&driver_aliases, &driver_pcre, &driver_cidr };

static void
take_targets(struct slice text)
{
	struct arena arena = ARENA_INIT(1 << 20);
	struct alias_target target;
	const char *why = NULL;
	enum parse r;

	while ((r = alias_next(&arena, &text, &target, &why)) == PARSE_OK)
		assert(target.text.n > 0);
	assert(r == PARSE_MORE || why != NULL);
	arena_clear(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf why = BUF_INIT(4096), scratch = BUF_INIT(TABLE_LINE_BYTES);
	const struct driver *d;
	struct mailbox_value limits = { 0, 0 };
	struct table_hit hit;
	struct slice text, line, key;
	struct lines lines;
	unsigned no;
	void *table;

	if (n == 0)
		return 0;
	d = forms[data[0] % 5];
	text = slice_of(data + 1, n - 1);
	take_targets(text);
	if (!mailbox_value_parse(text, &limits, &key))
		assert(key.n > 0);
	table = d->begin(1000);
	lines_open_text(&lines, text);
	while (lines_next(&lines, &line, &no, &why) == LINES_OK)
		if (d->line(table, line, no, &why) == -1)
			break;
	lines_close(&lines);
	key = slice_first(text, slice_find(text, '\n'));
	d->find(table, key, &hit, &scratch, &why);
	d->free(table);
	buf_clear(&why);
	buf_clear(&scratch);
	return 0;
}
