/* SPDX-License-Identifier: ISC */
/* site - a next hop: its plan, and its connections that are idle. */
#ifndef REMOTE_SITE_H
#define REMOTE_SITE_H

#include "next_hop.h"
#include "plan.h"
#include "relay.h"
#include "secure.h"

LIST_HEAD(sessions, session);

struct site {
	struct relay		*relay;
	struct site		*chain;		/* in the hash table */
	TAILQ_ENTRY(site)	 entry;		/* in ->unused if refs is 0 */
	char			*name;		/* owned */
	struct next_hop		 hop;		/* points into name */
	unsigned		 refs;		/* attempts and connections */
	struct plan		*plan;		/* owned; NULL: none yet */
	struct conn_queue	 idle;		/* longest idle first */
	bool			 no_chunking;	/* offered, and not known */
	int64_t			 one_by_one_ms;	/* no pipelining until then;
						 * monotonic */
	struct secure_policy	 secure;	/* owned */
	bool			 changed;	/* by site_configure_all() */
	struct sessions		 sessions;	/* owned; of TLS */
};

/* NULL: the text is no next hop.  Each call is matched by site_release(). */
struct site *site_get(struct relay *, struct slice name);
void	 site_release(struct site **);
/* Borrowed; a stale one is replaced. */
struct plan *site_plan(struct site *);
/* Each policy as the relay's new configuration has it. */
void	 site_configure_all(struct relay *);
/* Frees them all; none may be in use. */
void	 site_clear_all(struct relay *);

#endif
