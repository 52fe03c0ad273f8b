/* SPDX-License-Identifier: ISC */
/* event_fuzz - packets of a process that was captured, and the lines in
 * them. */
#include <assert.h>

#include "history/feed.h"
#include "history/segment.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice packet = slice_of(p, n);
	uint32_t hashes[EVENT_KEYS];
	char room[HISTORY_LINE_BYTES];
	struct history_event e = { .role = ROLE_SMTPD };
	struct history_event again;
	struct buf b = BUF_INIT(RECORD_BYTES);
	struct feed_frame f;
	struct slice rest;
	size_t skipped;
	bool bad;

	while (feed_next(&packet, &f, &bad)) {
		e.time_us = f.time_us;
		e.level = f.level;
		history_event_parse(&e, f.line, room);
		assert(e.nfields <= HISTORY_FIELDS);
		assert(event_hashes(&e, 1, hashes) <= EVENT_KEYS);
		buf_reset(&b);
		assert(record_pack(&b, &e) == 0);
		rest = buf_slice(&b);
		assert(record_next(&rest, &again, &skipped));
		assert(skipped == 0 && rest.n == 0);
		assert(again.line.n == f.line.n);
	}
	buf_clear(&b);
	return 0;
}
