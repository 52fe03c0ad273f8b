/* SPDX-License-Identifier: ISC */
/* address_fuzz - paths, mailboxes, domains, address lists: what is accepted
 * has its parts within the input and survives being made canonical. */
#include <assert.h>

#include "mail/address.h"
#include "mail/envelope.h"
#include "mail/header.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check_canonical(struct arena *a, const struct address *addr)
{
	struct address again;
	struct slice once, twice;

	if (address_canonical(a, addr, true, &once) != 0)
		return;
	again = address_split(once);
	assert(address_canonical(a, &again, true, &twice) == 0);
	assert(slice_eq(once, twice));
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct arena a = ARENA_INIT(1 << 20);
	struct slice all = slice_of(p, n), in, got;
	struct address addr;
	unsigned flags;
	enum parse r;

	for (flags = 0; flags < 16; flags++) {
		in = all;
		if (path_parse(&in, flags, &addr) == PARSE_OK) {
			assert(in.p > all.p && in.p + in.n == all.p + all.n);
			assert(in.p[-1] == '>');
		}
		if (address_parse(all, flags, &addr) == PARSE_OK)
			check_canonical(&a, &addr);
		domain_is_valid(all, flags & ADDRESS_UTF8);
	}
	in = all;
	while ((r = address_list_next(&in, &a, &got)) != PARSE_MORE)
		if (r == PARSE_OK)
			assert(address_parse(got,
				   ADDRESS_UTF8 | ADDRESS_BARE, &addr) ==
			    PARSE_OK);
	arena_clear(&a);
	return 0;
}
