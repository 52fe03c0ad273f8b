/* SPDX-License-Identifier: ISC */
/* cf_text_fuzz - any main.cf, master.cf and SQL query. */
#include <assert.h>
#include <stdint.h>

#include "cf_text.h"
#include "sql_query.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
try_one(struct slice text, bool is_master)
{
	struct buf out = BUF_INIT(CF_VALUE_BYTES);
	struct cf_service service;
	struct slice rest, word;
	struct cf_text cf;
	size_t i;

	cf_parse(&cf, text, is_master);
	assert(cf.n <= CF_PARAMS);
	for (i = 0; i < cf.n; i++) {
		assert(cf.v[i].name.n > 0 && cf.v[i].line > 0);
		assert(cf_find(&cf, cf.v[i].name) != NULL);
		if (is_master && cf_service_parse(&cf.v[i], &service))
			assert(service.noptions <= CF_OPTIONS);
		buf_reset(&out);
		/* The work of one file is bounded by that of each value. */
		if (i < 16)
			cf_expand(&cf, cf.v[i].value, NULL, NULL, &out);
		assert(out.n <= CF_VALUE_BYTES);
		for (rest = cf.v[i].value; cf_next_word(&rest, &word); )
			assert(rest.p <= cf.v[i].value.p + cf.v[i].value.n);
	}
	cf_clear(&cf);
	buf_clear(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf out = BUF_INIT(4 * SQL_QUERY_BYTES);
	struct slice text = slice_of(data, n);

	try_one(text, false);
	try_one(text, true);
	if (!sql_query_for_all(text, &out))
		assert(out.n == 0);
	buf_reset(&out);
	if (!sql_query_for_password(text, "$1", &out))
		assert(out.n == 0);
	buf_clear(&out);
	return 0;
}
