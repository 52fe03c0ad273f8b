/* SPDX-License-Identifier: ISC */
/*
 * auth <-> lookup: whose mailbox is it that a login name names?
 *
 * smtpd asks whether a login may send as an address: SL_SENDER of
 * ipc/smtpd_lookup.h.
 */
#ifndef IPC_AUTH_LOOKUP_H
#define IPC_AUTH_LOOKUP_H

#include "ipc/channel.h"

/*        name             no  sender  fds min  max   body; id: auth's */
#define AUTH_LOOKUP(X)							\
	X(AL_MAILBOX_ASK,   1, AUTH,   0,  4,  512)	/* slice login name */ \
	X(AL_MAILBOX,	    2, LOOKUP, 0,  5,  12000)	/* u8 enum login_found, slice canonical login, u32 uid, u32 gid, slice system user, slice directory, slice Maildir, u64 quota bytes, u64 quota messages; only the first where not LOGIN_FOUND */

ENUM_MESSAGES(AUTH_LOOKUP);

enum login_found {
	LOGIN_FOUND = 1,
	LOGIN_UNKNOWN = 2,	/* no mailbox has this address or name */
	LOGIN_TROUBLE = 3,	/* try later */
};

#endif
