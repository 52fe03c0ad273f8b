/* SPDX-License-Identifier: ISC */
/* http_fuzz - a head is judged alike whole and as it grows byte by byte. */
#include <stdint.h>
#include <stdlib.h>

#include "http.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct http_request r;
	struct slice s = slice_of(p, n);
	enum parse whole = http_parse(s, &r), part = PARSE_MORE;
	size_t i;

	if (whole == PARSE_OK && (r.path.n == 0 || r.path.p[0] != '/' ||
	    r.method.n == 0 || r.path.p < s.p ||
	    r.path.p + r.path.n > s.p + s.n))
		abort();
	for (i = 0; i <= n && part == PARSE_MORE; i++)
		part = http_parse(slice_first(s, i), &r);
	if (part != whole)
		abort();
	return 0;
}
