/* SPDX-License-Identifier: ISC */
/* destination - where a recipient's copy goes; made by lookup, kept by qmgr,
 * carried out by local or remote. */
#ifndef IPC_DESTINATION_H
#define IPC_DESTINATION_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/wire.h"
#include "ipc/qmgr_lookup.h"

enum {
	DEST_FORWARD = 1,	/* look for ~/.forward first */
	DEST_VIRTUAL = 2,	/* its directory may be made (path.mail) */
};

struct destination {
	enum destination_kind kind;
	uint8_t		 flags;		/* DEST_FORWARD ... */
	/* What qmgr schedules by: for remote the next hop as configured or the
	 * domain ("example.org", "[192.0.2.1]:2525", "lmtp:/run/x"), for local
	 * "local:UID". */
	struct slice	 next_hop;
	uint32_t	 uid;		/* local kinds */
	uint32_t	 gid;
	struct slice	 user;		/* system user's name, "" for virtual */
	struct slice	 home;		/* directory the worker may reach */
	struct slice	 path;		/* MAILDIR: absolute; COMMAND: the text
					 * after '|'; FILE: the file */
	uint64_t	 quota_bytes;	/* MAILDIR: 0 none */
	uint64_t	 quota_messages;
	uint16_t	 code;		/* FAIL, DEFER: reply code */
	struct slice	 text;		/* FAIL, DEFER: "5.1.1 no such user" */
};

int	 destination_pack(struct buf *, const struct destination *);
bool	 destination_unpack(struct wire *, struct destination *);

#endif
