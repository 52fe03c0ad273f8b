/* SPDX-License-Identifier: ISC */
/*
 * check - looks at a whole queue directory: every record, every file, every
 * checksum; and mends what it finds, where it is asked to.
 *
 * Looking changes nothing and is safe beside a qmgr at work: what that may be
 * writing at the moment is looked at twice, and is a fault only if it is one
 * both times.  Mending is for a directory that nobody else has (Q4).  It never
 * deletes: what is damaged goes to corrupt/, as a whole or a copy of it.
 */
#ifndef QMGR_CHECK_H
#define QMGR_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct finding {
	const char	*file;		/* below the queue directory */
	struct slice	 what;		/* is wrong */
	const char	*remedy;	/* what repair does, or did */
	bool		 can_mend;
	bool		 mended;
	int		 error;		/* why not, or 0 */
};

struct check {
	int		 dir;		/* of the queue; borrowed */
	bool		 live;		/* a qmgr may be at work there */
	bool		 repair;	/* not with live */
	void		(*tell)(void *, const struct finding *);
	void		*arg;
	/* Counted: */
	uint64_t	 segments, records, messages, large, drops;
	uint64_t	 findings, mended;
};

/* -1 with errno: could not look. */
int	 queue_check(struct check *);
/* The program's other life (check_main.c); the exit status. */
int	 check_main(const char *how, const char *form);

#endif
