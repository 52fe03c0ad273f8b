/* SPDX-License-Identifier: ISC */
/* logouts - see logouts.h. */
#include <string.h>

#include "ipc/logouts.h"

void
logouts_add(struct logouts *l, struct slice login)
{
	char *to = l->names[l->n % LOGOUTS_KEPT];

	if (login.n > LOGIN_BYTES)
		return;
	memcpy(to, login.p, login.n);
	to[login.n] = '\0';
	l->n++;
}

bool
logouts_since(const struct logouts *l, uint64_t began, struct slice login)
{
	if (l->n - began > LOGOUTS_KEPT)
		return true;
	for (; began < l->n; began++)
		if (slice_eq_nocase(slice_str(l->names[began % LOGOUTS_KEPT]),
		    login))
			return true;
	return false;
}
