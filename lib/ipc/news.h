/* SPDX-License-Identifier: ISC */
/*
 * local <-> imapd, pop3d (login): which mailboxes have changed.
 *
 * A login process tells what its sessions have changed, local what its workers
 * have delivered to; local passes each on to the other login processes that
 * have said they listen.  Nothing depends on it but how soon a client hears of
 * a change: what is lost is found when the mailbox is looked at next.
 *
 * The Maildir is the user's, as in the grant; a login process takes it from
 * master, so that no session can speak for another's mail.
 */
#ifndef IPC_NEWS_H
#define IPC_NEWS_H

#include "ipc/channel.h"

/*        name             no  sender  fds min  max     body; id: 0 */
#define NEWS(X)								\
	X(NW_LISTEN,	    1, EITHER, 0,  1,   1)	/* login: u8: somebody here watches a mailbox, or nobody does any more */ \
	X(NW_CHANGED,	    2, EITHER, 0,  8,   5200)	/* slice Maildir, slice mailbox */

ENUM_MESSAGES(NEWS);

#endif
