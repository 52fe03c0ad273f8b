/* SPDX-License-Identifier: ISC */
/*
 * acceptor - a listening socket, and who connects to it.
 *
 * Of those that wait some are accepted in each turn of the loop.  Without
 * descriptors or memory they are left in the kernel's queue for half a second.
 */
#ifndef EV_ACCEPTOR_H
#define EV_ACCEPTOR_H

#include <netinet/in.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <stdbool.h>
#include <stdint.h>

#include "ev/loop.h"

/* Who has connected. */
struct peer {
	sa_family_t	 family;	/* AF_INET, AF_INET6 or AF_UNIX */
	uint8_t		 addr[16];	/* IPv4 as ::ffff:0:0/96 */
	uint8_t		 ours[16];	/* where it came to; zeros: unknown */
	uid_t		 uid;		/* AF_UNIX */
	char		 text[INET6_ADDRSTRLEN]; /* "192.0.2.1", "uid=1000" */
};

struct acceptor;

struct acceptor_ops {
	/* fd_take is non-blocking. */
	void	(*accepted)(void *arg, const struct acceptor *, int fd_take,
		    const struct peer *);
	/* error is the errno: for acceptor_log_pause(). */
	void	(*paused)(void *arg, int error);
};

struct acceptor {
	const struct acceptor_ops *ops;
	void			*arg;
	int			 kind;
	char			*name;		/* owned */
	int			 fd;		/* owned */
	struct ev_io		 io;
	struct ev_timer		 retry;
	LIST_ENTRY(acceptor)	 entry;
};
LIST_HEAD(acceptor_list, acceptor);

/* kind and name (copied) are for the caller: which block of the configuration
 * it is.  Accepts until it is freed or somebody (master, in a reload) ends the
 * socket, and is then off the list and gone.  ops stay the caller's. */
void	 acceptor_new(struct acceptor_list *, struct ev_loop *, int kind,
	    const char *name, int fd_take, const struct acceptor_ops *,
	    void *arg);
void	 acceptors_free(struct acceptor_list *);
/* What every daemon says of a pause; how many clients it has by now. */
void	 acceptor_log_pause(int error, size_t nclients);

bool	 peer_is_loopback(const struct peer *);
/* By a Unix socket, from a loopback address, or from the one it came to. */
bool	 peer_is_local(const struct peer *);

#endif
