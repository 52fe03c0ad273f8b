/* SPDX-License-Identifier: ISC */
/*
 * ub_loop - libunbound's descriptors and timers in our loop.
 *
 * libunbound may be built with another libevent than ours, so it is given its
 * pluggable event interface (unbound-event.h) and never sees a struct of
 * libevent.  No thread and no process is made.
 */
#ifndef RESOLVER_UB_LOOP_H
#define RESOLVER_UB_LOOP_H

#include <unbound-event.h>

#include "ev/loop.h"

struct ub_loop {
	struct ub_event_base	 base;	/* first: libunbound knows only it */
	struct ev_loop		*loop;
};

void	 ub_loop_init(struct ub_loop *, struct ev_loop *);

#endif
