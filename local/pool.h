/* SPDX-License-Identifier: ISC */
/*
 * pool - the processes of mailboxes' owners, and whose turn it is to have one.
 *
 * An owner is one (role, uid, gid, directory).  There are places for so many
 * processes; who has none is in line.  master starts them on demand, and they
 * end when they were idle for a while or another owner needs their place.
 *
 * What is to be done is dispatcher.c's: it keeps each owner's work in the lists
 * here, and hears when that can be sent, or never will be.
 */
#ifndef LOCAL_POOL_H
#define LOCAL_POOL_H

#include <sys/queue.h>
#include <sys/tree.h>

#include <stdint.h>

#include "base/slice.h"
#include "ev/loop.h"
#include "ipc/channel.h"

struct work;

/*
 *	   pool_need()	    ask_master()       pool_up()
 *	NEW ----------> LINE ------> ASKED ------------> UP
 *			 ^	       | refused()	 |  \ make_room()
 *			 |	       v		 |   v
 *	   (work waits)	 |	     (freed)		 | DRAINING
 *			 |				 |   | pool_done()
 *			 +---- pool_down() ---- ENDING <-----+
 *					 end_worker()
 *
 * One whose process ended by itself and had answered nothing (its directory
 * may be gone) is RESTING: it gets no other for a while, which is longer each
 * time, and what is to be done meanwhile is refused.
 */
enum owner_state {
	OWNER_NEW,
	OWNER_LINE,		/* waits for a place */
	OWNER_ASKED,		/* master is starting its process */
	OWNER_UP,
	OWNER_DRAINING,		/* gets no new work, then ends */
	OWNER_ENDING,		/* was told to end */
	OWNER_RESTING,		/* has no place */
};

TAILQ_HEAD(work_list, work);
TAILQ_HEAD(owner_list, owner);
RB_HEAD(owner_tree, owner);

struct owner_key {
	enum role	 role;		/* WORKER or COMMAND */
	uint32_t	 uid;
	uint32_t	 gid;
	struct slice	 home;
};

struct owner {
	RB_ENTRY(owner)		 node;
	TAILQ_ENTRY(owner)	 line;	/* in pool->line while OWNER_LINE */
	TAILQ_ENTRY(owner)	 use;	/* in pool->by_use with a place */
	struct owner_key	 key;	/* home points to home */
	char			*home;	/* owned */
	char			*user;	/* owned */
	enum owner_state	 state;
	unsigned		 slot;
	struct channel		*channel;	/* NULL: it is not up */
	int64_t			 since_ms;	/* in this state */
	int64_t			 used_ms;
	int64_t			 rest_ms;	/* the last time; 0: none */
	/* The dispatcher's: */
	struct work_list	 waiting;
	struct work_list	 sent;
	size_t			 nsent;
	bool			 answered;	/* its process has */
};

struct pool_ops {
	/* Its process takes what waits. */
	void	(*ready)(void *arg, struct owner *);
	/* It gets none: what waits is refused.  A constant text. */
	void	(*refused)(void *arg, struct owner *, const char *text);
	/* Its process has ended: so is what was sent, of which some may have
	 * been done. */
	void	(*died)(void *arg, struct owner *);
};

struct pool {
	const struct pool_ops	*ops;
	void			*arg;
	struct channel		*master;	/* borrowed */
	size_t			 places;	/* local.workers */
	int64_t			 idle_ms;	/* local.worker_idle */
	size_t			 nplaces;	/* in use */
	unsigned		 next_slot;
	struct owner_tree	 owners;
	struct owner_list	 line;
	struct owner_list	 by_use;	/* least recently used first */
	struct ev_timer		 tick;
};

void	 pool_init(struct pool *, struct ev_loop *, struct channel *master,
	    const struct pool_ops *, void *arg);
/* When no owner has work. */
void	 pool_clear(struct pool *);

int	 owner_key_cmp(const struct owner_key *, const struct owner_key *);
/* A new one has the name `user` for its process. */
struct owner *pool_owner(struct pool *, const struct owner_key *,
	    struct slice user);
/* Something is to be done for it: true where its process is up, else it has a
 * place in line and waits. */
bool	 pool_need(struct pool *, struct owner *);
/* Nothing may be asked for it now. */
bool	 pool_rests(const struct owner *);
#define POOL_RESTS	"4.3.0 the process of the mailbox's owner does not run"
/* Something of it is done. */
void	 pool_done(struct owner *);

/* master could not start a process. */
void	 pool_refused(struct pool *, unsigned slot, struct slice why);
/* A process is there; the channel's data is its owner from then on. */
void	 pool_up(struct pool *, struct channel *);
/* Its end, expected or not. */
void	 pool_down(struct pool *, struct owner *);

#endif
