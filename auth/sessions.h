/* SPDX-License-Identifier: ISC */
/* sessions - how many each login has, by the process that holds them, so that
 * those of a process that died are not counted for ever. */
#ifndef AUTH_SESSIONS_H
#define AUTH_SESSIONS_H

#include <stdint.h>

#include "base/slice.h"

struct sessions;

struct sessions	*sessions_new(void);
void	 sessions_free(struct sessions **);
uint64_t sessions_of(const struct sessions *, struct slice login);
void	 sessions_begin(struct sessions *, unsigned client, struct slice login);
/* One that was never begun is passed over. */
void	 sessions_end(struct sessions *, unsigned client, struct slice login);
void	 sessions_end_all(struct sessions *, unsigned client);
uint64_t sessions_total(const struct sessions *);

#endif
