/* SPDX-License-Identifier: ISC */
/* facts - what master tells metrics of each process: a row of CTL_FACTS. */
#ifndef IPC_FACTS_H
#define IPC_FACTS_H

#include <stdbool.h>

#include "base/wire.h"

/* The workers and commands of all users together are one row each. */
struct fact {
	uint32_t	 role;
	uint32_t	 index;
	bool		 up;
	uint32_t	 processes;
	uint32_t	 restarts;	/* since the suite's start */
	int64_t		 started_ms;	/* since 1970; 0: it does not run */
	uint64_t	 rss;		/* bytes; 0: not known */
	uint64_t	 cpu_ms;	/* user and system */
};

#define FACTS_MAX	512	/* rows */
#define FACT_BYTES	41	/* of one */

int	 fact_pack(struct buf *, const struct fact *);
void	 fact_unpack(struct wire *, struct fact *);

#endif
