/* SPDX-License-Identifier: ISC */
/* feed - see feed.h. */
#include "base/wire.h"
#include "history/event.h"
#include "history/feed.h"

bool
feed_next(struct slice *packet, struct feed_frame *f, bool *bad_r)
{
	struct wire w = wire_of(*packet);
	uint64_t first = get_u64(&w);
	uint8_t level = get_u8(&w);
	uint16_t n = get_u16(&w);
	bool lost = level == LOG_EVENTS_LOST;

	*bad_r = false;
	if (packet->n == 0)
		return false;
	if (w.bad || n > w.rest.n || n > HISTORY_LINE_BYTES ||
	    (lost ? n != 0 : level < LOG_LEVEL_INFO ||
	    level > LOG_LEVEL_ERROR || first > TIME_MAX_MS * UINT64_C(1000))) {
		*bad_r = true;
		return false;
	}
	f->time_us = lost ? 0 : (int64_t)first;
	f->lost = lost ? first : 0;
	f->level = lost ? LOG_LEVEL_WARN : (enum log_level)level;
	f->line = slice_first(w.rest, n);
	*packet = slice_from(w.rest, n);
	return true;
}
