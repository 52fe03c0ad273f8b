/* SPDX-License-Identifier: ISC */
/* Any bytes as the files that are replaced as a whole (notes.h), with checksums
 * made right, too. */
#include <assert.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/num.h"
#include "import.h"
#include "muster.h"
#include "qmgr.h"
#include "roll.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
with_checksum(struct buf *b, const char *magic, struct slice body)
{
	buf_reset(b);
	buf_add_str(b, magic);
	put_u32(b, crc32c(0, body));
	buf_add(b, body);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct qmgr q;
	static struct imported past;
	struct roll roll;
	struct muster muster;
	struct slice s = slice_of(p, n);
	struct buf b = BUF_INIT(1 << 20), words = BUF_INIT(1 << 20);

	log_set_level(LOG_LEVEL_ERROR + 1);
	q.dir = open("/nonexistent", O_RDONLY);
	pauses_init(&q);
	pauses_unpack(&q, s);
	with_checksum(&b, "CHASQP1\n", s);
	pauses_unpack(&q, buf_slice(&b));
	pauses_status(&q, &words);
	pauses_clear(&q);
	imported_unpack(s, &past);
	with_checksum(&b, "CHASQI1\n", s);
	assert(imported_unpack(buf_slice(&b), &past) || past.n == 0);
	assert(past.n <= IMPORTED);
	with_checksum(&b, "CHASQR1\n", s);
	roll_unpack(s, &roll);
	roll_clear(&roll);
	if (!roll_unpack(buf_slice(&b), &roll))
		assert(roll.n == 0);
	assert(roll.n <= ROLL_ROWS);
	roll_clear(&roll);
	with_checksum(&b, "CHASQC1\n", s);
	clock_unpack(s, &q.clock);
	if (!clock_unpack(buf_slice(&b), &q.clock))
		assert(q.clock.n == 0);
	assert(q.clock.n <= CLOCK_KEPT);
	with_checksum(&b, "CHASQN1\n", s);
	muster_unpack(s, &muster);
	muster_clear(&muster);
	if (!muster_unpack(buf_slice(&b), &muster))
		assert(muster.n == 0);
	assert(muster.n <= s.n / 8);
	muster_clear(&muster);
	buf_clear(&b);
	buf_clear(&words);
	return 0;
}
