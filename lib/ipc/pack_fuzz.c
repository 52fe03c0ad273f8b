/* SPDX-License-Identifier: ISC */
/* pack_fuzz - the packed structures of the edges: what is read packs to the
 * same bytes.  The first byte chooses the structure. */
#include <assert.h>

#include "ipc/delivery.h"
#include "ipc/qmgr_bounce.h"
#include "ipc/queue_tool.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define CHECK(unpacked, packed)						\
	do {								\
		if ((unpacked) && wire_done(&w)) {			\
			assert((packed) == 0);				\
			assert(slice_eq(buf_slice(&b), s));		\
		}							\
	} while (0)

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct arena a = ARENA_INIT(1 << 22);
	struct buf b = BUF_INIT(1 << 22);
	struct destination d;
	struct job j;
	struct report r;
	struct queue_entry e;
	struct queue_filter f;
	struct pause paused;
	struct slice s;
	struct wire w;

	if (n == 0)
		return 0;
	s = slice_of(p + 1, n - 1);
	w = wire_of(s);
	switch (p[0] % 6) {
	case 0:
		CHECK(destination_unpack(&w, &d), destination_pack(&b, &d));
		break;
	case 1:
		CHECK(job_unpack(&w, &a, &j), job_pack(&b, &j));
		break;
	case 2:
		CHECK(report_unpack(&w, &a, &r), report_pack(&b, &r));
		break;
	case 3:
		CHECK(queue_entry_unpack(&w, &a, &e), queue_entry_pack(&b, &e));
		break;
	case 4:
		CHECK(queue_filter_unpack(&w, &a, &f),
		    queue_filter_pack(&b, &f));
		break;
	case 5:
		CHECK(pause_unpack(&w, &paused), pause_pack(&b, &paused));
		break;
	}
	arena_clear(&a);
	buf_clear(&b);
	return 0;
}
