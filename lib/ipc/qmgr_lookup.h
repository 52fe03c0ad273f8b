/* SPDX-License-Identifier: ISC */
/*
 * qmgr <-> lookup: where does this recipient go?
 *
 * The answer is either one destination for the recipient itself, or a list of
 * targets that it becomes.  qmgr makes the targets durable as recipients of the
 * message and asks for each of them again with ROUTE_EXPANDED, which yields a
 * destination and never another list; but what a ~/.forward named (owner is
 * set) may be an alias, and yield one.
 *
 * A target that begins with '|' or '/' is a program or file; an address that
 * does is sent with its local-part in quotes, and no recipient is taken for a
 * program or file without ROUTE_EXPANDED.
 */
#ifndef IPC_QMGR_LOOKUP_H
#define IPC_QMGR_LOOKUP_H

#include "ipc/channel.h"

#define TARGET_BYTES	2048	/* an address, "|command", "/file", ":maildir" */

/*        name             no  sender  fds min  max     body; id: qmgr's */
#define QMGR_LOOKUP(X)							\
	X(QL_ROUTE,	    1, QMGR,   0,  9,   8192)	/* u8 ROUTE_* flags, slice recipient, slice owner (the user whose ~/.forward named it, else empty: a program or file is used with that user's rights) */ \
	X(QL_DESTINATION,   2, LOOKUP, 0,  10,  8192)	/* a packed struct destination */ \
	X(QL_TARGETS,	    3, LOOKUP, 0,  9,   200 * 1024) /* slice new reverse-path ("" keeps it: owner- aliases; a null one stays null; it is for the targets of this message), u8 last (0: another TARGETS with the same id follows), then u8 TARGET_* flags and slice each */ \
	X(QL_CHANGED,	    4, LOOKUP, 0,  0,   0)	/* tables changed: forget what was remembered */

ENUM_MESSAGES(QMGR_LOOKUP);

enum {
	ROUTE_EXPANDED = 1,	/* the recipient came from TARGETS or .forward */
	ROUTE_NO_FORWARD = 2,	/* a system user's \name: not ~/.forward again */
};
enum {
	TARGET_NO_FORWARD = 1,	/* was "\name" */
};

enum destination_kind {
	DEST_MAILDIR = 1,	/* local: a mailbox */
	DEST_COMMAND = 2,	/* local: a program, argv without a shell */
	DEST_FILE = 3,		/* local: append to an mbox file */
	DEST_DISCARD = 4,	/* /dev/null */
	DEST_REMOTE = 5,	/* remote: SMTP or LMTP to the next hop */
	DEST_FAIL = 6,		/* outcome failed, with code and text */
	DEST_DEFER = 7,		/* outcome deferred, with code and text */
};

/* Packed in this order by destination_pack(), lib/ipc/destination.h. */

#endif
