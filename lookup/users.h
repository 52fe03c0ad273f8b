/* SPDX-License-Identifier: ISC */
/*
 * users - the system's users, remembered for a few seconds.
 *
 * Every question to the name service reads files or asks another daemon, so
 * answers are kept for USERS_MS; when /etc/passwd changes, all are forgotten.
 */
#ifndef LOOKUP_USERS_H
#define LOOKUP_USERS_H

#include "resolve.h"

#define USERS_MS	10000
#define USERS_MAX	10000	/* then all are forgotten */

struct users;

struct users *users_new(void);
void	 users_free(struct users **);
/* As in struct resolve_world. */
enum user_found users_find(void *users, struct slice name, struct user *);
/* Looks at /etc/passwd; true when it has changed. */
bool	 users_check(struct users *);
/* What the name service and the C library open once, before rights drop. */
void	 users_warm_up(struct users *);

#endif
