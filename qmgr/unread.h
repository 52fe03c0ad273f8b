/* SPDX-License-Identifier: ISC */
/* unread - changes of messages whose files could not be read at the start. */
#ifndef QMGR_UNREAD_H
#define QMGR_UNREAD_H

#include "qmgr.h"

/* ---- while the journal is read: recover.c ---- */

bool	 unread_has(const struct qmgr *, uint64_t id);
/* Behind those that are kept of this message already; body is copied. */
void	 unread_add(struct qmgr *, uint64_t id, uint16_t type,
	    struct slice body);
/* The message has ended, or that was taken back. */
void	 unread_ended(struct qmgr *, uint64_t id, bool ended);
/* The journal is read: who has not ended waits to be read again, at once. */
void	 unread_settle(struct qmgr *);

/* ---- afterwards ---- */

/* Its file has been read: it gets the changes, and its file does. */
void	 unread_apply(struct qmgr *, struct entry *);
/* The same for an entry of a queue apart, which is to be seen only. */
void	 unread_look(const struct qmgr *, struct queue *apart, struct entry *);
/* The journal forgets what is here: puts all of it aside, with the files.  -1:
 * it is too early, or could not be written, and must not be forgotten yet. */
int	 unread_put_aside(struct qmgr *);
/* The changes of a message whose file is put aside. */
void	 unread_put_aside_one(struct qmgr *, uint64_t id);
void	 unread_clear(struct qmgr *);

#endif
