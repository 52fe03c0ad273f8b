/* SPDX-License-Identifier: ISC */
/* lookup <-> local: how full is a mailbox?  Asked at RCPT, only where it has a
 * quota; local keeps what its workers tell. */
#ifndef IPC_LOOKUP_LOCAL_H
#define IPC_LOOKUP_LOCAL_H

#include "ipc/channel.h"

/*        name             no  sender  fds min  max   body; id: lookup's */
#define LOOKUP_LOCAL(X)							\
	X(LL_USAGE_ASK,	    1, LOOKUP, 0,  28,  4096) /* u32 uid, u32 gid, slice user, slice home, slice Maildir path, u64 bytes more */ \
	X(LL_USAGE,	    2, LOCAL,  0,  17,  17)   /* u8 known, u64 bytes used, u64 messages */

ENUM_MESSAGES(LOOKUP_LOCAL);

#endif
