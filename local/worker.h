/* SPDX-License-Identifier: ISC */
/*
 * worker - delivers into the mailboxes of one user, or of all virtual domains,
 * under their owner's uid.
 */
#ifndef LOCAL_WORKER_H
#define LOCAL_WORKER_H

#include "ipc/child.h"
#include "os/fs.h"

struct worker;

int	 worker_main(int argc, char *argv[]);

/* For tests: a worker without its process.  conf is used now only. */
struct worker *worker_new(struct ev_loop *, const struct fs *,
	    const struct conf *, size_t open_max, bool threaded);
void	 worker_free(struct worker **);
extern const struct message_rule local_worker_rules[];
extern const struct channel_ops worker_ops;	/* arg: struct worker */

#endif
