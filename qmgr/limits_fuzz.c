/* SPDX-License-Identifier: ISC */
/* Any bytes as the file of limits, with its checksum made right; then questions
 * and counts over all of it. */
#include <assert.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "qmgr.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct qmgr q;
	struct buf why = BUF_INIT(1000), b = BUF_INIT(1 << 20);
	struct conf *conf = conf_parse(SLICE_LIT("submission.limits = 3/1h 9/1s"
	    " 1000000000/31d\nsubmission.recipient_limits = 5/2s\n"), "f",
	    &why);
	uint32_t recipients;
	int64_t wait;

	assert(conf != NULL);
	log_set_level(LOG_LEVEL_ERROR + 1);
	q.conf = conf;
	q.dir = open("/nonexistent", O_RDONLY);
	limits_init(&q);
	put_u32(&b, UINT32_C(0x314c5143));
	put_u32(&b, crc32c(0, slice_of(p, n)));
	buf_add(&b, slice_of(p, n));
	limits_unpack(&q, buf_slice(&b));
	limits_unpack(&q, slice_of(p, n));
	limits_ask(&q, SLICE_LIT("joe"), &wait, &recipients);
	assert(wait >= 0);
	limits_count(&q, SLICE_LIT("joe"), 100, clock_wall_ms());
	limits_ask(&q, SLICE_LIT("joe"), &wait, &recipients);
	assert(wait > 0 && recipients == 0);
	limits_clear(&q);
	conf_free(&conf);
	buf_clear(&b);
	buf_clear(&why);
	return 0;
}
