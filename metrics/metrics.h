/* SPDX-License-Identifier: ISC */
/*
 * metrics - what its files share.
 *
 *	metrics.c	start, what master and qmgr say, `chasqui status`
 *	serve.c		connections
 *	http.c		the head of a request
 *	page.c		the answer: OpenMetrics text
 *	past.c		what was counted a moment ago
 */
#ifndef METRICS_METRICS_H
#define METRICS_METRICS_H

#include "base/buf.h"
#include "ipc/child.h"
#include "ipc/counters.h"
#include "ipc/facts.h"
#include "ipc/qmgr_metrics.h"

#define PROCESSES_MAX	256	/* whose counters are seen */
#define PAGE_BYTES	(4 * 1024 * 1024)	/* of an answer */
#define NAME_BYTES	256	/* of a next hop's name in it */

/* A process's counters, mapped to be read alone. */
struct source {
	enum role		 role;
	unsigned		 index;
	const struct counters	*counters;	/* owned */
};

/* A next hop, its name cut to what a label may have. */
struct hop {
	struct hop_sum	 sum;		/* without the name */
	char		 name[NAME_BYTES];
};

/* All that the answer is made of. */
struct scene {
	struct source	 sources[PROCESSES_MAX];
	size_t		 nsources;
	int64_t		 started_ms;	/* the suite's; 0: not known yet */
	struct fact	 facts[FACTS_MAX];
	size_t		 nfacts;
	bool		 hops_known;
	struct hop_sum	 rest;		/* of the next hops not listed */
	struct hop	 hops[METRICS_HOPS];
	size_t		 nhops;
};

/* What all processes of a group counted together. */
struct totals {
	int64_t		 at_ms;		/* monotonic; 0: there is none */
	struct counters	 sum;
};

#define SAMPLE_MS	5000
#define SAMPLES		3	/* so it is 10 to 15 seconds long */

struct past {
	struct totals	 samples[SAMPLES];
	unsigned	 next;		/* is written next, the oldest */
};

/* page.c */
/* The whole answer; -1: it would be larger than the buf's ceiling. */
int	 page_write(struct buf *, const struct scene *);

/* past.c */
void	 past_add(struct past *, const struct scene *);
/* Words for `chasqui status`: what was counted since the oldest sample. */
void	 past_tell(const struct past *, const struct scene *, struct buf *);

/* serve.c */
struct server;
struct server *server_new(struct ev_loop *,
	    /* Somebody has asked: server_answer() is to follow soon. */
	    void (*wanted)(void *), void *arg);
void	 server_listen(struct server *, enum listener_kind, const char *name,
	    int fd_take);
/* Answers all who have asked so far. */
void	 server_answer(struct server *, const struct scene *);
/* Nobody is let in any more. */
void	 server_stop(struct server *);

#endif
