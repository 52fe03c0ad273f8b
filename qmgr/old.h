/* SPDX-License-Identifier: ISC */
/*
 * old - the way from the young to the old generation.
 *
 * A message leaves the journal for a file of its own when its segment is
 * wanted again, and, without hurry, when it waits.  The file is durable before
 * the journal lets go; meanwhile changes go to both.
 */
#ifndef QMGR_OLD_H
#define QMGR_OLD_H

#include "qmgr.h"

void	 old_init(struct qmgr *);
void	 old_clear(struct qmgr *);
/* journal_ops.clean */
void	 old_clean_segment(void *arg, struct segment *);
/* Its file cannot be used: it is put aside, and the slot ends. */
void	 old_damaged(struct qmgr *, struct slot **, int error);
/* A copy of a message that ends processes, for who looks for the reason. */
void	 old_copy_aside(struct qmgr *, struct entry *);

#endif
