/* SPDX-License-Identifier: ISC */
/*
 * dispatcher - takes jobs from qmgr and hands each to a process of the
 * mailbox's owner.
 *
 * It has no file system and no uid but its own.  Workers are known by (role,
 * uid, gid, directory), started by master on demand, and ended when they were
 * idle for a while or another owner needs their place.
 */
#ifndef LOCAL_DISPATCHER_H
#define LOCAL_DISPATCHER_H

#include "ipc/child.h"

struct dispatcher;

int	 dispatcher_main(int argc, char *argv[]);

/* For tests: a dispatcher without its process.  conf is used now only; master
 * gets CTL_WORKER_WANTED. */
struct dispatcher *dispatcher_new(struct ev_loop *, const struct conf *,
	    struct channel *master);
void	 dispatcher_free(struct dispatcher **);
void	 dispatcher_channel_up(void *arg, struct channel *);
void	 dispatcher_control(void *arg, struct message *);

extern const struct message_rule qmgr_local_rules[];
extern const struct message_rule lookup_local_rules[];
extern const struct channel_ops dispatcher_qmgr_ops;
extern const struct channel_ops dispatcher_lookup_ops;
extern const struct channel_ops dispatcher_worker_ops;

#endif
