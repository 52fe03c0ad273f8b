/* SPDX-License-Identifier: ISC */
/* listener - sockets that clients connect to. */
#ifndef SMTPD_LISTENER_H
#define SMTPD_LISTENER_H

#include <sys/queue.h>

#include "ev/loop.h"
#include "ipc/master_child.h"
#include "smtpd.h"

struct listener {
	struct smtpd		*d;
	enum listener_kind	 kind;
	char			*name;		/* of the block; owned */
	int			 fd;		/* owned */
	struct ev_io		 io;
	struct ev_timer		 retry;
	LIST_ENTRY(listener)	 entry;
};
LIST_HEAD(listener_list, listener);

/* name: of the block in the configuration.  Accepts at once; ends itself when
 * the socket does. */
void	 listener_new(struct listener_list *, struct smtpd *,
	    enum listener_kind, const char *name, int fd_take);
void	 listener_free(struct listener *);

#endif
