/* SPDX-License-Identifier: ISC */
/*
 * cache - passwords that were right a moment ago.
 *
 * An entry is an HMAC, by a secret of this process, over the login, what the
 * table stores for it and the password: nobody learns a password from here, and
 * an entry does not outlive what it was checked against.
 */
#ifndef AUTH_CACHE_H
#define AUTH_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

#define CACHE_ENTRIES	16384	/* the oldest of a few is replaced */

struct cache;

struct cache	*cache_new(void);
void	 cache_free(struct cache **);
void	 cache_forget(struct cache *);
bool	 cache_has(struct cache *, struct slice login, struct slice stored,
	    struct slice password, int64_t now_ms);
void	 cache_add(struct cache *, struct slice login, struct slice stored,
	    struct slice password, int64_t until_ms);

#endif
