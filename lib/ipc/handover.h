/* SPDX-License-Identifier: ISC */
/*
 * master <-> the master that is to take its place (`chasqui restart`).
 *
 *	old					new
 *	LISTENER ..., LOCK, ALL		->	reads, checks, starts what needs
 *						no queue
 *	ends smtpd, then qmgr		<-	PREPARED
 *	QUEUE				->	starts qmgr, then the rest
 *	says so to its service manager	<-	RUNNING
 *	serves who is there, until	<-	NEWS: the two locals tell each other
 *	they have gone; ends		<-	LOGOUT: end one user's connections
 *					<-	STOP: now
 *
 * Up to PREPARED nothing has changed in the old one, and up to RUNNING it goes
 * on where it was when the new one FAILED or has ended.  The two may be of
 * different versions: rows are only added, and a row's body only grows.  The
 * new one is to the old one what a tool is: not trusted.
 */
#ifndef IPC_HANDOVER_H
#define IPC_HANDOVER_H

#include "ipc/channel.h"

/*        name              no  sender  fds min  max     body; id: 0 */
#define HANDOVER(X)							\
	X(HO_LISTENER,	    1, MASTER, 1,  14, 8192)	/* u8 kind (ipc/master_child.h), u32 instances that share the address, slice name of the block, slice address; fd: a socket of it */ \
	X(HO_LOCK,	    2, MASTER, 1,  0,   64)	/* fd: master.pid, locked */ \
	X(HO_ALL,	    3, MASTER, 0,  4,   64)	/* u32 process id */ \
	X(HO_PREPARED,	    4, TOOL,   0,  4,   64)	/* u32 process id */ \
	X(HO_QUEUE,	    5, MASTER, 0,  0,   64)	/* nobody has it */ \
	X(HO_RUNNING,	    6, TOOL,   0,  0,   64)	\
	X(HO_FAILED,	    7, TOOL,   0,  4,   8192)	/* slice why; it ends */ \
	X(HO_NEWS,	    8, TOOL,   1,  0,   64)	/* fd: a channel of ipc/news.h to the new one's local */ \
	X(HO_STOP,	    9, TOOL,   0,  0,   64)	\
	X(HO_LOGOUT,	   10, TOOL,   0,  5,   400)	/* slice login name: CTL_LOGOUT */

ENUM_MESSAGES(HANDOVER);

#endif
