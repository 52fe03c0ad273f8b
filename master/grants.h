/* SPDX-License-Identifier: ISC */
/*
 * grants - the secret that auth makes grants with, and which were taken.
 *
 * A2: what a login process brings is believed only with the right HMAC, within
 * GRANT_LIFE_MS, and once.  What a believed grant may have is not decided here.
 */
#ifndef MASTER_GRANTS_H
#define MASTER_GRANTS_H

#include <stddef.h>
#include <stdint.h>

#include "ipc/grant.h"

struct grants;

/* With a secret of its own; NULL with errno. */
struct grants *grants_new(void);
void	 grants_free(struct grants **);
/* The secret, in a sealed memory: for auth alone.  Borrowed. */
int	 grants_secret_fd(const struct grants *);
/* NULL, or why it is not believed.  Its slices point into `sealed`. */
const char *grants_take(struct grants *, struct slice sealed,
	    enum auth_protocol, int64_t now_ms, struct grant *);
/* How many are remembered as taken. */
size_t	 grants_taken(const struct grants *);

#endif
