/* SPDX-License-Identifier: ISC */
/* trace_text - one event of a message's road, told to a human being. */
#ifndef TOOLS_TRACE_TEXT_H
#define TOOLS_TRACE_TEXT_H

#include "base/buf.h"
#include "history/event.h"

/* One step, for a line or several. */
struct trace_step {
	int64_t		 at_us;		/* when it began, since 1970 */
	int64_t		 took_us;	/* -1: nobody knows, or it is a moment */
	struct buf	 text;		/* what happened */
	struct buf	 words;		/* what the other side said; empty: nothing */
};

void	 trace_step_init(struct trace_step *);
void	 trace_step_clear(struct trace_step *);
/* False: it is not told, since another event tells it better.  part: an event
 * may be several steps, from 0 on. */
bool	 trace_step_of(const struct history_event *, unsigned part,
	    struct trace_step *);
/* "12 ms", "1.23 s", "5m12s", "3h05m", "2d04h"; at most 8 characters. */
struct trace_time { char s[16]; };
struct trace_time trace_time(int64_t us);

#endif
