/* SPDX-License-Identifier: ISC */
/* priv - what each process may do, and the step that makes it so. */
#ifndef OS_PRIV_H
#define OS_PRIV_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "ipc/wiring.h"

enum priv_mode {
	PRIV_FULL = 1,		/* started as root: all of it */
	PRIV_USER = 2,		/* without root: no chroot, no uid change */
};

/* Given by master in START. */
struct priv_ids {
	enum priv_mode	 mode;
	uid_t		 uid;
	gid_t		 gid;
	const char	*root;		/* becomes the root directory; "" none */
	const char	*writable;	/* Landlock: what RW_FILES may reach */
	const char	*readable;	/* Landlock: RO_FILES; ':' between paths */
	uint64_t	 memory;	/* RLIMIT_AS, bytes */
	uint64_t	 descriptors;	/* RLIMIT_NOFILE */
};

/*
 * In this order: chroot, groups, gid, uid, PR_SET_NO_NEW_PRIVS,
 * PR_SET_DUMPABLE 0, rlimits, Landlock, seccomp.  Ends the process when any
 * of it fails; a kernel without Landlock is logged once and goes on.
 */
void	 priv_enter(enum role, const struct priv_ids *);

#endif
