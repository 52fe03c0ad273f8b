/* SPDX-License-Identifier: ISC */
/*
 * child - the skeleton of every daemon that master starts.
 *
 *	int
 *	main(int argc, char *argv[])
 *	{
 *		static struct bounce b;
 *
 *		child_init(&b.child, &bounce_spec, &b, argc, argv);
 *		bounce_load_templates(&b);	// acquire
 *		child_enter(&b.child);		// drop: priv_enter()
 *		return child_run(&b.child);
 *	}
 *
 * argv[1] is role_name() of the role that is wanted, for a program that has
 * several.  The functions of child_spec run only from child_run() on: shared,
 * control, channel_up, listener (in this order), then READY.  child_peer()
 * works from child_init() on.  The channels are the child's: a daemon never
 * frees one, but may end it with channel_breach(); a new one then comes.
 */
#ifndef IPC_CHILD_H
#define IPC_CHILD_H

#include <sys/types.h>

#include "conf/conf.h"
#include "ev/loop.h"
#include "ipc/channel.h"
#include "ipc/master_child.h"
#include "ipc/tap.h"
#include "os/priv.h"

struct child;

/* What the daemon can talk to, and how. */
struct child_edge {
	enum role			 peer;
	const struct message_rule	*rules;
	const struct channel_ops	*ops;	/* arg is that of child_init() */
};

struct child_spec {
	enum role			 role;
	const struct child_edge		*edges;		/* ends with peer 0 */
	/* When the processor is wanted by others it runs later, and then for
	 * all that has come meanwhile (SCHED_BATCH).  Not for who writes into
	 * mailboxes: mail that is accepted goes before mail that comes. */
	bool				 in_batches;
	/* A channel to a peer is there: at start, and again after the peer's
	 * restart (its old channel went down before).  May be NULL. */
	void	(*channel_up)(void *arg, struct channel *);
	/* A socket to accept from, also while running (reload).  Takes over
	 * fd.  When accept() fails with EINVAL master has ended the socket
	 * (reload), and the descriptor is to be closed.  NULL: none comes. */
	void	(*listener)(void *arg, enum listener_kind, const char *name,
		    int fd_take);
	/* Memory shared by all processes of the role.  May be NULL. */
	void	(*shared)(void *arg, const char *name, int fd_take);
	/* A checked configuration; child->conf is still the old one, and is
	 * replaced after 0 is returned.  -1 and why keeps the old.  May be
	 * NULL: replaced without more. */
	int	(*reload)(void *arg, const struct conf *, struct buf *why);
	/* Finish what is under way, then ev_stop().  NULL: stop at once.
	 * master kills after 30 s. */
	void	(*stop)(void *arg);
	/* Another has taken this one's place: accept nobody more, and end as
	 * after stop once the last client has gone by itself.  NULL: nobody
	 * connects, and it goes on serving its peers. */
	void	(*retire)(void *arg);
	/* key=value words for `chasqui status`.  May be NULL. */
	void	(*status)(void *arg, struct buf *);
	/* Somebody watches (`chasqui watch`): tap_open() for those who are
	 * there already.  NULL: this daemon talks to no network. */
	void	(*watched)(void *arg);
	/* CTL_* messages beyond these.  Those that come before GO are kept
	 * for child_run(), which begins with them.  May be NULL. */
	void	(*control)(void *arg, struct message *);
};

#define CHILD_PEERS	256	/* channels at once */

/* A listener, or shared memory where kind is 0, that waits for its daemon. */
struct child_gift {
	enum listener_kind	 kind;
	char			*name;		/* owned */
	int			 fd;		/* owned */
};

/* A message for spec->control that waits for it. */
struct child_order {
	struct message		 m;		/* fds are owned */
	char			*body;		/* owned */
};

struct child {
	const struct child_spec	*spec;
	void			*arg;
	struct ev_loop		 loop;
	struct conf		*conf;		/* owned; changes at reload */
	struct channel		*master;	/* owned */
	struct channel		*peers[CHILD_PEERS]; /* owned */
	size_t			 npeers;
	unsigned		 index;		/* among those of the role */
	struct priv_ids		 ids;
	struct taps		 taps;
	char			*directory;	/* WORKER: its mail root; owned */
	/* child.c's own: */
	struct child_gift	*gifts;		/* owned; until child_run() */
	size_t			 ngifts;
	struct child_order	*orders;	/* owned; until child_run() */
	size_t			 norders;
	struct ev_task		 log_task;
	bool			 log_asked;	/* CTL_LOG_LOST was said */
	bool			 started;	/* GO was said */
	bool			 working;	/* in child_run() */
	bool			 stopping;	/* STOP was said */
};

/* Blocking: until master's GO.  Ends the process when that goes wrong. */
void	 child_init(struct child *, const struct child_spec *, void *arg,
	    int argc, char *argv[]);
/* Drops the rights: the last step before the loop. */
void	 child_enter(struct child *);
/* Says READY and runs the loop; the process's exit status. */
int	 child_run(struct child *);

/* Asks master for another process in the place of this one, which is stopped
 * first (stop of child_spec): for what only a new start can mend. */
void	 child_renew(struct child *);

/* The channel to a peer, or NULL while it is down. */
struct channel *child_peer(const struct child *, enum role, unsigned index);
/* The i-th channel to any process of a role, or NULL after the last. */
struct channel *child_peer_nth(const struct child *, enum role, size_t i);

#endif
