/* SPDX-License-Identifier: ISC */
/* quota_fuzz - texts of maildirsize. */
#include <assert.h>

#include "quota.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct quota limits, used;
	unsigned lines;

	if (maildirsize_parse(slice_of(data, n), &limits, &used, &lines) ==
	    PARSE_OK)
		assert(used.bytes <= INT64_MAX && lines < n);
	return 0;
}
