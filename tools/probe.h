/* SPDX-License-Identifier: ISC */
/* probe - enters a row of the privilege table and tries what it forbids. */
#ifndef TOOLS_PROBE_H
#define TOOLS_PROBE_H

#include "os/priv.h"

enum probe_result {
	PROBE_KILLED,		/* the system call list ended it */
	PROBE_REFUSED,		/* the kernel said no */
	PROBE_DONE,		/* it worked */
	PROBE_BROKEN,		/* the row could not be entered */
};

struct probe {
	const char	*name;		/* "open a file" */
	/* Whether the row allows it, so that it proves nothing. */
	bool		(*may)(const struct priv *);
	/* What only a newer Landlock refuses: its ABI, or 0. */
	int		 landlock;
	int		(*run)(void);	/* -1: refused */
};

/* Ends with a NULL name. */
extern const struct probe probes[];

/* Opens what the probes need before they are confined. */
void	 probe_prepare(void);
/* In a process of its own. */
enum probe_result probe_run(const struct probe *, enum role,
	    const struct priv_ids *);

#endif
