/* SPDX-License-Identifier: ISC */
/*
 * spawn - the process that is warm: libraries loaded, configuration read, the
 * sessions' list of system calls compiled.  It forks a session whenever master
 * says so, and reads nothing else.
 *
 * It parses no byte of a client's, has a uid that owns nothing, and keeps the
 * capabilities that a fork needs to become a user's process.  A session that
 * crashes is master's to log; a spawn that dies leaves its sessions be.
 */
#ifndef LOGIN_SPAWN_H
#define LOGIN_SPAWN_H

#include "ipc/child.h"
#include "login/seat.h"

struct spawn_spec {
	enum role	 spawn;
	enum role	 session;
	enum role	 login;
	/* Before the rights are dropped: loads what sessions will need, which
	 * can open no file but mail.  May be NULL. */
	void		(*warm)(void);
	/* In the new process, confined: the session, whole, and those that
	 * follow (seat_next()).  Its exit status. */
	int		(*run)(struct seat *);
};

int	 spawn_main(const struct spawn_spec *, int argc, char *argv[]);

#endif
