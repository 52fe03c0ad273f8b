/* SPDX-License-Identifier: ISC */
/*
 * qmgr <-> metrics: the next hops that mail waits for.
 *
 * qmgr answers with the METRICS_HOPS next hops that have most messages, and
 * sums up the rest, so that neither the answer nor what a monitoring system
 * keeps grows with their number.
 */
#ifndef IPC_QMGR_METRICS_H
#define IPC_QMGR_METRICS_H

#include "ipc/channel.h"

#define METRICS_HOPS	20

/*        name             no  sender  fds min  max     body */
#define QMGR_METRICS(X)							\
	X(QX_HOPS_ASK,	    1, METRICS, 0, 0,   0)	\
	X(QX_HOPS,	    2, QMGR,   0,  36,  65536)	/* a hop_sum of the rest with the name "", u32 n, n hop_sums (qmgr_metrics.c) */

ENUM_MESSAGES(QMGR_METRICS);

/* One next hop, or several: then hops and dead say of how many. */
struct hop_sum {
	struct slice	 name;		/* borrowed */
	uint32_t	 hops;
	uint32_t	 dead;		/* of them */
	uint64_t	 waiting;	/* messages: for a dead or slow one */
	uint64_t	 ready;		/* deliveries that may begin */
	uint64_t	 active;	/* deliveries under way */
};

int	 hop_sum_pack(struct buf *, const struct hop_sum *);
void	 hop_sum_unpack(struct wire *, struct hop_sum *);

#endif
