/* SPDX-License-Identifier: ISC */
/*
 * logouts - which logins were ended (CTL_LOGOUT) since an exchange with auth
 * began: what auth has checked may have been changed after that.
 */
#ifndef IPC_LOGOUTS_H
#define IPC_LOGOUTS_H

#include "base/slice.h"
#include "ipc/auth_client.h"

#define LOGOUTS_KEPT	16

struct logouts {		/* zeroed: none */
	uint64_t	 n;		/* so far */
	char		 names[LOGOUTS_KEPT][LOGIN_BYTES + 1];
};

/* One that is longer than LOGIN_BYTES is nobody's. */
void	 logouts_add(struct logouts *, struct slice login);
/* began: n when the exchange did.  True, too, where so many came since that it
 * is not known. */
bool	 logouts_since(const struct logouts *, uint64_t began,
	    struct slice login);

#endif
