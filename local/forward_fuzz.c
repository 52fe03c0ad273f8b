/* SPDX-License-Identifier: ISC */
/* forward_fuzz - what is understood can be unpacked by who gets it. */
#include <assert.h>

#include "base/wire.h"
#include "forward.h"
#include "ipc/qmgr_lookup.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct forward_owner owner = { .user = { "bob", 3 },
		.address = { "bob+x@example.org", 17 }, .home = { "/", 1 },
		.delimiter = '+' };
	struct buf why = BUF_INIT(4096);
	struct forward f;
	struct wire w;
	unsigned i;

	forward_init(&f);
	if (forward_parse(slice_of(data, n), &owner, &f, &why) == PARSE_OK) {
		w = wire_of(buf_slice(&f.targets));
		for (i = 0; i < f.ntargets; i++) {
			get_enum(&w, TARGET_NO_FORWARD);
			get_text(&w, TARGET_BYTES);
		}
		assert(wire_done(&w));
	} else
		assert(why.n > 0);
	forward_clear(&f);
	buf_clear(&why);
	return 0;
}
