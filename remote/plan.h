/* SPDX-License-Identifier: ISC */
/*
 * plan - the hosts and addresses of a next hop, in the order to try them
 * (RFC 5321 section 5.1).
 *
 * A plan is shared by the attempts that go through it at the same time; each
 * has its own cursor.  It learns the addresses of a host only when an attempt
 * comes to it.
 */
#ifndef REMOTE_PLAN_H
#define REMOTE_PLAN_H

#include "mail/outcome.h"
#include "next_hop.h"
#include "relay.h"

struct plan;

struct plan_cursor {
	size_t		 host;
	size_t		 address;
	bool		 second_round;	/* now those that are avoided */
	bool		 any;		/* a target was given */
};

struct target {
	struct slice	 host;		/* the plan's; "" for an address */
	uint8_t		 address[16];
	uint16_t	 port;
	bool		 by_mx;
	/* Our own host, if it answers, means a loop (no better host). */
	bool		 best;
};

enum plan_answer {
	PLAN_TARGET,		/* *target_r is to be tried */
	PLAN_WAIT,		/* DNS: the waiter is called later */
	PLAN_NONE,		/* no more; see plan_error() */
};

LIST_HEAD(plan_waiters, plan_waiter);
struct plan_waiter {
	LIST_ENTRY(plan_waiter) entry;
	bool		 waiting;
	void		(*fn)(void *arg);
	void		*arg;
};

/* hop must live as long as the plan. */
struct plan *plan_new(struct relay *, const struct next_hop *hop);
struct plan *plan_ref(struct plan *);
void	 plan_unref(struct plan **);
bool	 plan_is_stale(const struct plan *);
enum plan_answer plan_next(struct plan *, struct plan_cursor *,
	    struct target *target_r, struct plan_waiter *);
void	 plan_forget_waiter(struct plan_waiter *);
/* Why there is no target at all; false where targets were found.  The text is
 * constant. */
bool	 plan_error(const struct plan *, struct outcome *);

#endif
