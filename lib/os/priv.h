/* SPDX-License-Identifier: ISC */
/* priv - what each process may do, and the step that makes it so. */
#ifndef OS_PRIV_H
#define OS_PRIV_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "wiring/wiring.h"

enum priv_mode {
	PRIV_FULL = 1,		/* started as root: all of it */
	PRIV_USER = 2,		/* without root: no chroot, no uid change */
};

/* The columns of the privilege table, lib/os/priv.c. */
enum priv_root { EMPTY = 1, SPOOL, WHOLE, OWN };
enum priv_net { NO_NET = 1, NET_SERVE, NET_DIAL, NET_DNS, NET_LOCAL, ANY_NET };
enum priv_files { NO_FILES = 1, RO_FILES, RW_FILES, ANY_FILES, SPAWN_FILES };
enum {
	MAY_EXEC = 1,		/* starts programs; no list of system calls */
	KEEP_GROUPS = 2,	/* those that master has set */
	MAY_THREAD = 4,		/* threads, made after priv_enter() so that they
				 * are confined too; still no processes */
	MAY_FORK = 8,		/* forks, and each fork enters a row of its own:
				 * keeps what that takes */
	OF_SPAWN = 16,		/* forked so: `writable` is opened as the user,
				 * and made where it is missing; with it, the
				 * spawn's capabilities go last */
	LENT = 32,		/* has, beyond its row, what `lent` of priv_ids
				 * says */
	MAY_TRY = 64,		/* a forbidden call fails: LEND_MODULES */
	MAY_PLACE = 128,	/* says where a directory's files are laid */
};

/* What master lends a row that takes it, as the configuration asks for it. */
enum {
	LEND_SOCKETS = 1,	/* NET_LOCAL */
	LEND_MODULES = 2,	/* the code of others, which tries what it may
				 * not: a forbidden call fails, and does not
				 * end the process */
};

struct priv {
	const char	*name;		/* of the role */
	/* The system user is user.prefix and this; NULL: of the recipient. */
	const char	*user;
	enum priv_root	 root;
	enum priv_net	 net;
	enum priv_files	 files;
	unsigned	 extra;
};

/* The row of a role; NULL for master, which keeps what it has, and for roles
 * that have no process. */
const struct priv *priv_of(enum role);

/* Given by master in START. */
struct priv_ids {
	enum priv_mode	 mode;
	uid_t		 uid;
	gid_t		 gid;
	const char	*root;		/* becomes the root directory; "" none */
	/* Landlock: what RW_FILES may reach; of OWN the root, too. */
	const char	*writable;
	const char	*readable;	/* Landlock: RO_FILES; ':' between paths */
	uint64_t	 memory;	/* RLIMIT_AS, bytes */
	uint64_t	 descriptors;	/* RLIMIT_NOFILE */
	unsigned	 lent;		/* LEND_* */
	gid_t		 group;		/* LENT: its only other; 0: none */
};

/*
 * In this order: chroot, groups, gid, uid, PR_SET_NO_NEW_PRIVS,
 * PR_SET_DUMPABLE 0, rlimits, Landlock, seccomp.  Ends the process when any
 * of it fails; a kernel without Landlock is logged and goes on.  The paths in
 * priv_ids are those from before the chroot.  What the process needs from
 * outside of its row (directories, descriptors) it has opened before.
 */
void	 priv_enter(enum role, const struct priv_ids *);
/* Makes now what priv_enter() of this row would make each time: for a process
 * that enters the row `above` and then forks others into this one. */
void	 priv_prepare(enum role, enum role above);

/* Of priv_enter(), what master does at its start: no exec gives rights, nobody
 * without them sees our memory.  -1 with errno. */
int	 priv_seal(void);
/* For master, once its sockets and directories are there: of root's
 * capabilities it and all that it starts keep those that the table in priv.c
 * names.  Does nothing without root; ends the process on failure. */
void	 priv_limit_master(void);

#endif
