/* SPDX-License-Identifier: ISC */
/*
 * explain - what operators ask: where mail for an address would go, what a
 * login may, whose Maildir it is, what a table says.
 *
 * The tools ask at a socket of their own (ipc/tool.h).  Explanations show what
 * is in tables, so they are for those who may read them anyway.
 */
#ifndef LOOKUP_EXPLAIN_H
#define LOOKUP_EXPLAIN_H

#include "ev/acceptor.h"
#include "ipc/channel.h"
#include "resolve.h"
#include "tables.h"

#define TOOLS_MAX	16	/* connections of tools at once */

struct explain {
	const struct resolver	*resolver;	/* borrowed, as is: */
	const struct tables	*tables;
	struct ev_loop		*loop;
	struct acceptor_list	 listeners;
	struct channel		*tools[TOOLS_MAX]; /* owned */
	size_t			 ntools;
};

/* In zeroed memory. */
void	 explain_init(struct explain *, const struct resolver *,
	    const struct tables *);
/* Takes the place of the socket before; may come before explain_init(). */
void	 explain_listen(struct explain *, struct ev_loop *, const char *name,
	    int fd_take);
/* The tools ask another. */
void	 explain_retire(struct explain *);

#endif
