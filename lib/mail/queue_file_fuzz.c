/* SPDX-License-Identifier: ISC */
/* Any bytes as an exported queue; and as the bodies of frames whose checksums
 * are right: u8 type, u8 length, body, each. */
#include <assert.h>

#include "mail/queue_file.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
read_all(struct slice in)
{
	struct queue_file f = { 0 };
	struct queue_frame r;
	const char *why = NULL;
	size_t n = in.n;

	while (queue_file_next(&f, &in, &r, &why) == PARSE_OK) {
		assert(in.n < n && r.body.n <= QUEUE_FRAME_BYTES);
		assert(f.bytes <= QUEUE_FILE_MESSAGE);
		n = in.n;
	}
	assert(in.n == n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice s = slice_of(p, n), body;
	struct buf b = BUF_INIT(1 << 22);

	read_all(s);
	buf_add(&b, SLICE_LIT(QUEUE_FILE_MAGIC));
	while (s.n >= 2 && s.n - 2 >= (uint8_t)s.p[1]) {
		body = slice_first(slice_from(s, 2), (uint8_t)s.p[1]);
		queue_frame_put(&b, (uint8_t)s.p[0] % 8, body);
		s = slice_from(slice_from(s, 2), body.n);
	}
	read_all(buf_slice(&b));
	buf_clear(&b);
	return 0;
}
