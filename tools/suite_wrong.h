/* SPDX-License-Identifier: ISC */
/* suite_wrong - what an operator should know of now, from what a suite says. */
#ifndef TOOLS_SUITE_WRONG_H
#define TOOLS_SUITE_WRONG_H

#include "suite_view.h"

struct wrong {
	char	**v;		/* owned, each too: a line, safe to show */
	size_t	 n;
};

/* The gravest first. */
void	 wrong_find(struct wrong *, const struct view *);
void	 wrong_clear(struct wrong *);

#endif
