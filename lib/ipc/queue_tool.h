/* SPDX-License-Identifier: ISC */
/* queue_tool - what queue.sock carries: a filter to qmgr, entries back. */
#ifndef IPC_QUEUE_TOOL_H
#define IPC_QUEUE_TOOL_H

#include <stdint.h>

#include "base/arena.h"
#include "ipc/tool.h"
#include "mail/outcome.h"

#define QUEUE_FILTER_IDS	500
#define QUEUE_ENTRY_RECIPIENTS	200

/* All that is set must match; ids: any of them. */
struct queue_filter {
	uint64_t	*ids;		/* in the arena */
	size_t		 nids;		/* at most QUEUE_FILTER_IDS */
	struct slice	 sender;	/* "" any; "<>" null; "@domain" or address */
	struct slice	 recipient;	/* "@domain" or address */
	struct slice	 next_hop;
	struct slice	 reason;	/* a part of the last outcome's text */
	int64_t		 older_ms;	/* 0: any */
	int64_t		 younger_ms;
	uint64_t	 larger;	/* bytes; 0: any */
	uint64_t	 smaller;
	uint8_t		 states;	/* mask of 1 << enum queue_state; 0 all */
};

enum queue_state { QUEUE_ACTIVE = 1, QUEUE_DEFERRED = 2, QUEUE_HELD = 3 };

struct queue_entry_recipient {
	struct slice	 address;
	struct slice	 next_hop;	/* "" where not routed yet */
	uint8_t		 final;		/* 1: done, not shown by mailq */
	struct outcome	 outcome;	/* status 0: no attempt yet */
};

struct queue_entry {
	uint64_t	 id;
	enum queue_state state;
	uint64_t	 size;
	int64_t		 arrived_ms;
	int64_t		 next_attempt_ms;	/* 0: now, or held */
	int64_t		 release_ms;	/* FUTURERELEASE; 0: not asked for */
	uint32_t	 attempts;
	struct slice	 reverse_path;
	struct slice	 client;
	struct slice	 login;		/* who submitted it; "" nobody */
	struct queue_entry_recipient *recipients; /* open ones; at most
						    * QUEUE_ENTRY_RECIPIENTS */
	size_t		 nrecipients;
	uint32_t	 more;		/* recipients that are not listed */
};

int	 queue_filter_pack(struct buf *, const struct queue_filter *);
bool	 queue_filter_unpack(struct wire *, struct arena *, struct queue_filter *);
int	 queue_entry_pack(struct buf *, const struct queue_entry *);
bool	 queue_entry_unpack(struct wire *, struct arena *, struct queue_entry *);

#endif
