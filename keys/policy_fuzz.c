/* SPDX-License-Identifier: ISC */
/* policy_fuzz - the first two bytes are the scheme, the rest the input. */
#include <stdint.h>
#include <stdlib.h>

#include "policy.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice input;

	if (n < 2)
		return 0;
	input = slice_of(p + 2, n - 2);
	if (!policy_allows((unsigned)(p[0] << 8 | p[1]), input))
		return 0;
	/* Whatever is allowed is of a handful of lengths. */
	if (input.n != 130 && input.n != 146 && input.n != 133 &&
	    input.n != 165 && input.n != 201 && input.n != 100 &&
	    input.n != 124)
		abort();
	return 0;
}
