/* SPDX-License-Identifier: ISC */
/* smtpd <-> lookup: may this recipient be accepted? */
#ifndef IPC_SMTPD_LOOKUP_H
#define IPC_SMTPD_LOOKUP_H

#include "ipc/channel.h"

/*        name             no  sender  fds min  max   body; id: smtpd's */
#define SMTPD_LOOKUP(X)							\
	X(SL_RCPT,	    1, SMTPD,  0,  14,  2048) /* u8 may relay, u64 size declared or 0, slice reverse-path, slice forward-path */ \
	X(SL_VERDICT,	    2, LOOKUP, 0,  7,   1024) /* u8 enum rcpt_verdict, u16 reply code, slice "5.1.1 text" */ \
	X(SL_CHANGED,	    3, LOOKUP, 0,  0,   0)    /* tables changed: forget what was remembered */

ENUM_MESSAGES(SMTPD_LOOKUP);

enum rcpt_verdict {
	RCPT_ACCEPT = 1,	/* smtpd may remember it for a second or so */
	RCPT_ACCEPT_ONCE = 2,	/* quota and the like: ask again next time */
	RCPT_REFUSE = 3,	/* with the reply given: 4xx or 5xx */
};

#endif
