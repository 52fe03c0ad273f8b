/* SPDX-License-Identifier: ISC */
/* smtpd <-> lookup: may this recipient be accepted, may this user send as
 * ...? */
#ifndef IPC_SMTPD_LOOKUP_H
#define IPC_SMTPD_LOOKUP_H

#include "ipc/channel.h"

/*        name             no  sender  fds min  max   body; id: smtpd's */
#define SMTPD_LOOKUP(X)							\
	X(SL_RCPT,	    1, SMTPD,  0,  14,  2048) /* u8 may relay, u64 size declared or 0, slice reverse-path, slice forward-path */ \
	X(SL_VERDICT,	    2, LOOKUP, 0,  7,   1024) /* u8 enum rcpt_verdict, u16 reply code, slice "5.1.1 text" */ \
	X(SL_CHANGED,	    3, LOOKUP, 0,  0,   0)    /* tables changed: forget what was remembered */ \
	X(SL_SENDER,	    4, SMTPD,  0,  10,  SENDER_ADDRESSES * 600) /* slice login, as auth has it, u8 how many, slice address each */ \
	X(SL_SENDER_VERDICT, 5, LOOKUP, 0, 2,   2)    /* u8 enum sender_verdict, u8 which of the addresses is not the login's */

ENUM_MESSAGES(SMTPD_LOOKUP);

#define SENDER_ADDRESSES 50	/* addresses of one question, at least 1 */

enum sender_verdict {
	SENDER_OWN = 1,		/* the login may send as all of them */
	SENDER_FOREIGN = 2,
	SENDER_TROUBLE = 3,	/* a table cannot be read: try later */
};

enum rcpt_verdict {
	RCPT_ACCEPT = 1,	/* smtpd may remember it for a second or so */
	RCPT_ACCEPT_ONCE = 2,	/* quota and the like: ask again next time */
	RCPT_REFUSE = 3,	/* with the reply given: 4xx or 5xx */
};

#endif
