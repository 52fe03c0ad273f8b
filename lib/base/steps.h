/* SPDX-License-Identifier: ISC */
/*
 * steps - notices that somebody has set the wall clock.
 *
 * Against CLOCK_BOOTTIME, which goes on while the machine sleeps, and which the
 * kernel slews together with the wall clock: what an NTP daemon does to a clock
 * that runs a little fast or slow is no step.  Small steps add up to one.
 */
#ifndef BASE_STEPS_H
#define BASE_STEPS_H

#include <stdint.h>

#define CLOCK_STEP_MS	10000	/* less is none */

struct clock_watch {
	int64_t		 offset_ms;	/* of the wall clock, to the other */
};

void	 clock_watch_init(struct clock_watch *);
/* By how much the wall clock was set since the last step, or the beginning: ms,
 * negative where backward; 0: not.  *now_r is what it shows, ms since 1970. */
int64_t	 clock_stepped(struct clock_watch *, int64_t *now_r);

#endif
