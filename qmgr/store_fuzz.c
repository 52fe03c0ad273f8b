/* SPDX-License-Identifier: ISC */
/* A queue file of any bytes, its checksums made right so that what is behind
 * them is reached. */
#include <endian.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "record.h"
#include "store.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static uint32_t
get32(const char *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return le32toh(v);
}

static void
put32(char *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, 4);
}

static void
mend(char *p, size_t n)
{
	size_t envelope, state, content, at;

	if (n < 80)
		return;
	memcpy(p, "CHASQM1\n", 8);
	put32(p + 12, 1);
	memset(p + 16, 0, 8);
	envelope = get32(p + 48) % (n - 79);
	state = get32(p + 52) % (n - 79 - envelope);
	content = get32(p + 56) % (n - 79 - envelope - state);
	put32(p + 48, (uint32_t)envelope);
	put32(p + 52, (uint32_t)state);
	put32(p + 56, (uint32_t)content);
	put32(p + 60, crc32c(0, slice_of(p + 80, envelope + state)));
	put32(p + 64, crc32c(0, slice_of(p + 80 + envelope + state,
	    content)));
	put32(p + 8, crc32c(0, slice_of(p + 12, 68)));
	for (at = 80 + envelope + state + content; n - at >= 16;) {
		size_t len = get32(p + at + 12) % (n - at - 15);

		put32(p + at, 0xc5676f4cu);
		put32(p + at + 12, (uint32_t)len);
		put32(p + at + 4, crc32c(0, slice_of(p + at + 8, 8 + len)));
		at += 16 + len;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct queue q = { .memory = 0 };
	struct slot slot = { .id = 0 };
	char *bytes = mem_alloc(n);
	struct buf state = BUF_INIT(64 * 1024 * 1024);
	struct entry *e;
	int i;

	log_open("store_fuzz", LOG_LEVEL_ERROR + 1);
	memcpy(bytes, data, n);
	for (i = 0; i < 2; i++) {
		e = stored_entry(&q, &slot, slice_of(bytes, n), 0, false);
		if (e != NULL) {
			/* What was understood can be written, and read. */
			message_state_pack(&state, e);
			buf_reset(&state);
			entry_free(&q, &slot.entry);
		}
		mend(bytes, n);
	}
	buf_clear(&state);
	free(bytes);
	return 0;
}
