/* SPDX-License-Identifier: ISC */
/* steps - see steps.h. */
#include "clock.h"
#include "steps.h"

#define TOGETHER_MS	1000	/* readings of both clocks */

void
clock_watch_init(struct clock_watch *w)
{
	w->offset_ms = clock_wall_ms() - clock_ms(CLOCK_BOOTTIME);
}

int64_t
clock_stepped(struct clock_watch *w, int64_t *now_r)
{
	int64_t before = clock_ms(CLOCK_BOOTTIME), now = clock_wall_ms();
	int64_t ms = now - before - w->offset_ms;

	*now_r = now;
	if (ms < CLOCK_STEP_MS && ms > -CLOCK_STEP_MS)
		return 0;
	/* We, or the machine, may have slept between the two. */
	if (clock_ms(CLOCK_BOOTTIME) - before > TOGETHER_MS)
		return 0;
	w->offset_ms += ms;
	return ms;
}
