/* SPDX-License-Identifier: ISC */
/* queue_shape - what queue.sock carries for `chasqui queue shape`, and of next
 * hops for `chasqui status` and `chasqui top`. */
#ifndef IPC_QUEUE_SHAPE_H
#define IPC_QUEUE_SHAPE_H

#include "ipc/qmgr_metrics.h"
#include "ipc/tool.h"

/* What messages are put together by. */
enum shape_by {
	SHAPE_BY_NEXT_HOP = 1, SHAPE_BY_SENDER_DOMAIN = 2,
	SHAPE_BY_RECIPIENT_DOMAIN = 3,
};

/* Class i has the messages that are younger than 5 << i minutes and not in a
 * class before it, the last one all others. */
#define SHAPE_CLASSES		10
#define SHAPE_FIRST_MINUTES	5
#define SHAPE_ROWS		1000	/* the most that can be asked for */

/* One name's messages, by age; the row with the name "" comes first and has
 * all messages. */
struct shape_row {
	struct slice	 name;		/* borrowed */
	uint64_t	 n[SHAPE_CLASSES];
};

/* The class of an age in milliseconds. */
unsigned shape_class(int64_t age_ms);

uint64_t shape_row_total(const struct shape_row *);
int	 shape_row_pack(struct buf *, const struct shape_row *);
void	 shape_row_unpack(struct wire *, struct shape_row *);

enum hop_row_state {
	HOP_ROW_ALIVE = 1, HOP_ROW_DEAD = 2, HOP_ROW_PROBED = 3,
};

struct hop_row {
	struct hop_sum	 sum;
	enum hop_row_state state;
	uint32_t	 window;	/* deliveries that it may have at once */
	int64_t		 again_ms;	/* DEAD: from now until it is tried */
	struct slice	 why;		/* DEAD: what was said last; borrowed */
};

int	 hop_row_pack(struct buf *, const struct hop_row *);
void	 hop_row_unpack(struct wire *, struct hop_row *);

#endif
