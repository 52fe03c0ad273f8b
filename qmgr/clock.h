/* SPDX-License-Identifier: ISC */
/*
 * clock - the queue's time, when the wall clock is set.
 *
 * What waits, and how long a message may stay, is told in times of the wall
 * clock, because it must outlast a restart.  When that clock is set, messages
 * that wait are moved along with it (clock_now()), and the arrival of each
 * message is taken for what the clock of today would have shown (clock_ago()):
 *
 *	- forward: messages that had arrived by the old clock move along, so that
 *	  nothing is returned, or warned of, before its time;
 *	- backward: none moves;
 *	- but none has arrived later than the first step it saw, or than this
 *	  run's start, so that one from the future does not stay for ever.
 *
 * The latest steps outlast a restart; which of them a message of before has seen
 * is told by its queue id, since later ones are higher.  What the clock did while
 * nobody was here is not known: then the arrival that is written in the message
 * is believed, as far as it is over.
 *
 * On disk, `clock` in the queue directory, as notes.h has it: "CHASQC1\n", then
 * for each step u64 the highest queue id given out before it, and two times, ms:
 * before and after.
 */
#ifndef QMGR_CLOCK_H
#define QMGR_CLOCK_H

#include <stdint.h>

#include "base/slice.h"
#include "base/steps.h"

struct qmgr;

/* A step, or the start; slot.steps counts them.  Later ones still move what
 * waits, but no arrival. */
#define CLOCK_STEPS	255
#define CLOCK_KEPT	100	/* over a restart */
#define CLOCK_FILE	"clock"

struct clock_step {
	int64_t		 before, after;	/* ms since 1970 */
	uint64_t	 last_id;	/* given out before; of a start 0 */
};

struct queue_clock {
	struct clock_watch watch;
	struct clock_step steps[CLOCK_STEPS];
	uint8_t		 n;
	uint8_t		 earlier;	/* of them: of earlier runs */
};

/* Before any message is known. */
void	 clock_start(struct qmgr *);
/* Milliseconds since 1970; sees to a step first, so that nobody acts on the new
 * time and the old waits. */
int64_t	 clock_now(struct qmgr *);
/* How many steps a message of an earlier run has seen. */
uint8_t	 clock_known(const struct queue_clock *, uint64_t id);
/* Steps of earlier runs, for one that has none yet.  false: the bytes are
 * damaged, or none of ours. */
bool	 clock_unpack(struct slice file, struct queue_clock *);
/* A time that was written down after the first `known` steps. */
int64_t	 clock_ago(const struct queue_clock *, uint8_t known, int64_t at_ms);

#endif
