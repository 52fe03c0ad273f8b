/* SPDX-License-Identifier: ISC */
/*
 * grant - auth's word to master that somebody has logged in.
 *
 * auth makes it, a login process carries it, master checks it: HMAC-SHA-256
 * with a secret that master made at its start and gave to auth alone.  A login
 * process that is taken over can use what its own clients have brought, once
 * and soon, and can neither make nor change one.
 */
#ifndef IPC_GRANT_H
#define IPC_GRANT_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "ipc/auth_client.h"

#define GRANT_SECRET_BYTES	32
#define GRANT_LIFE_MS		60000

struct grant {
	enum auth_protocol protocol;
	uint8_t		 nonce[16];	/* master takes each once */
	int64_t		 until_ms;	/* monotonic */
	struct slice	 login;		/* user@domain, or a system user's name */
	uint32_t	 uid;
	uint32_t	 gid;
	struct slice	 user;		/* system user's name, "" for virtual */
	struct slice	 directory;	/* all that the session may reach */
	struct slice	 maildir;	/* absolute, in directory */
	uint64_t	 quota_bytes;	/* 0: none */
	uint64_t	 quota_messages;
};

int	 grant_seal(struct buf *, const struct grant *,
	    const uint8_t secret[GRANT_SECRET_BYTES]);
/* Slices point into sealed.  False: not ours, or its time is over. */
bool	 grant_open(struct slice sealed, int64_t now_ms,
	    const uint8_t secret[GRANT_SECRET_BYTES], struct grant *);

#endif
