/* SPDX-License-Identifier: ISC */
/* conf_fuzz - any text parses or is refused; what parses writes and parses, and
 * its blocks are found. */
#include <assert.h>

#include "conf/conf.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf why = BUF_INIT(65536), text = BUF_INIT(1 << 20);
	struct conf *c, *again;
	struct slice span;
	size_t i;

	c = conf_parse(slice_of(data, n), "fuzz", &why);
	if (c != NULL && conf_write(c, R_ALL, false, &text) == 0) {
		again = conf_parse(buf_slice(&text), "again", &why);
		assert(again != NULL);
		conf_free(&again);
	}
	for (i = 0; c != NULL && i < c->ndomains; i++)
		assert(conf_block_find(slice_of(data, n), "domain",
		    c->domains[i].name, &span));
	conf_free(&c);
	buf_clear(&why);
	buf_clear(&text);
	return 0;
}
