/* SPDX-License-Identifier: ISC */
/*
 * system - the users of this machine as accounts: /etc/passwd and /etc/shadow.
 *
 * The files are read here and not through the name service: a service of it
 * may want sockets, or load code, and whoever is not in these files has no
 * password in them either.
 */
#ifndef AUTH_SYSTEM_H
#define AUTH_SYSTEM_H

#include <shadow.h>

#include "sasl/account.h"

struct system_source;

/* Paths are borrowed.  Users below minimum_uid have no account. */
struct system_source *system_source_new(const char *passwd,
	    const char *shadow, uint64_t minimum_uid);
void	 system_source_free(struct system_source **);
/* As sources_find(). */
int	 system_source_find(struct system_source *, struct slice login,
	    struct account *);
/* shadow(5): the account is over, or its password is too old or is to be
 * changed.  today: days since 1970. */
bool	 shadow_is_expired(const struct spwd *, long today);

#endif
