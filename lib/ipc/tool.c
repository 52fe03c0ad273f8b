/* SPDX-License-Identifier: ISC */
/* tool - see tool.h. */
#include "ipc/tool.h"

#define WHY_BYTES	1000

void
tool_end(struct channel *c, uint64_t id, int status, struct slice why)
{
	struct buf *b = channel_begin(c, TL_END, id);

	if (b != NULL) {
		put_u8(b, (uint8_t)status);
		put_slice(b, slice_first(why, why.n < WHY_BYTES ? why.n :
		    WHY_BYTES));
	}
	channel_end(c);
}
