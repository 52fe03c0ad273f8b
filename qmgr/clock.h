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
 *	- backward: none moves, and a later step forward makes up for that;
 *	- nor has any arrived later than the first step it saw, or than this
 *	  run's start, so that one from the future does not stay for ever.
 *
 * The latest steps outlast a restart, and those forward still move the messages
 * that had arrived before.  Which they are is told by their queue ids, as later
 * ones are higher, and by their arrivals, as ids are given out in blocks, some
 * of which last over a step.  A step while nobody was here is known, too, if
 * the machine was not started since: `boot` has the clock's distance to
 * CLOCK_BOOTTIME.  What the clock did while the machine was off is not known:
 * then the arrival that is written in the message is believed, as far as it is
 * over.
 *
 * On disk, `clock` in the queue directory, as notes.h has it: "CHASQC1\n", then
 * for each step u64 the highest queue id given out before, and two times, ms:
 * before and after.  `boot`: "CHASQB1\n", u64 that distance, ms, and the kernel's
 * name of this start of the machine.
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
#define CLOCK_BOOT_FILE	"boot"
#define CLOCK_BOOT_BYTES 36		/* of its name */

struct clock_step {
	int64_t		 before, after;	/* ms since 1970 */
	uint64_t	 last_id;	/* given out before; of a start 0 */
};

struct queue_clock {
	struct clock_watch watch;
	struct clock_step steps[CLOCK_STEPS];
	uint8_t		 n;
	uint8_t		 earlier;	/* of them: of earlier runs */
	char		 boot[CLOCK_BOOT_BYTES];	/* all 0: not known */
	bool		 unseen;	/* the last of the earlier ones was
					 * while nobody was here */
	bool		 keep;		/* what is on the disk is not so */
};

/* While the kernel can be asked. */
void	 clock_identify(struct queue_clock *);
/* Before any message is known. */
void	 clock_start(struct qmgr *);
/* When it is known which queue ids are given out. */
void	 clock_recovered(struct qmgr *);
/* Milliseconds since 1970; sees to a step first, so that nobody acts on the new
 * time and the old waits. */
int64_t	 clock_now(struct qmgr *);
/* How many steps a message of an earlier run has seen at least. */
uint8_t	 clock_known(const struct queue_clock *, uint64_t id);
/* Steps of earlier runs, for one that has none yet.  false: the bytes are
 * damaged, or none of ours. */
bool	 clock_unpack(struct slice file, struct queue_clock *);
/* A time that was written down after the first `known` steps. */
int64_t	 clock_ago(const struct queue_clock *, uint8_t known, int64_t at_ms);

#endif
