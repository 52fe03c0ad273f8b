/* SPDX-License-Identifier: ISC */
/*
 * sources - where accounts come from, in the order of auth.backends: the first
 * that has a login has all of it.
 */
#ifndef AUTH_SOURCES_H
#define AUTH_SOURCES_H

#include "conf/conf.h"
#include "sasl/account.h"

#define ACCOUNT_OF_ONE	64	/* lines, or rows, of one login */

struct sources;

/* Opens what has to be opened while that can be done. */
struct sources	*sources_new(const struct conf *);
void	 sources_free(struct sources **);
/* Reads files that have changed; true when one has. */
bool	 sources_refresh(struct sources *);
/* The accounts of a login, at most n; -1: it cannot be known now.  Valid until
 * the next call of any of these. */
int	 sources_find(struct sources *, struct slice login, struct account *v,
	    size_t n);
/* Of one that is external, and the last that was found: 1 the password is
 * right (and may say expired), 0 it is not, -1 it cannot be known now.
 * password NULL: whether there is such an account.  May block. */
int	 sources_ask(struct sources *, struct account *, const char *password);
/* The backend that had, or may have, the last login; NULL: none. */
const char *sources_last(const struct sources *);
/* Of the files, for `chasqui status`. */
size_t	 sources_count(const struct sources *);

#endif
