/* SPDX-License-Identifier: ISC */
/* sandbox - Landlock and seccomp for priv_enter(). */
#ifndef OS_SANDBOX_H
#define OS_SANDBOX_H

#include "os/priv.h"

/* Directories and files below which a Landlock domain allows something: opened
 * before the chroot, used after it. */
#define SANDBOX_PATHS	128
struct sandbox_paths {
	struct {
		int	fd;
		bool	writable;
	}	 v[SANDBOX_PATHS];
	size_t	 n;
};

/* ':' between paths.  Ends the process when a writable one is missing; those
 * to read that do not exist, or are too many, are left out. */
void	 sandbox_open_paths(struct sandbox_paths *, const char *paths,
	    bool writable);
/* Makes a directory, and those above it, where it is missing; what fails is
 * found when it is opened. */
void	 sandbox_make_path(const char *path);
/* The ABI of the kernel's Landlock, 0 where there is none. */
int	 sandbox_landlock_abi(void);
/* Both end the process on failure.  Landlock closes the paths. */
void	 sandbox_landlock(const struct priv *, struct sandbox_paths *);
void	 sandbox_seccomp(const struct priv *);
/* Compiles what the list of a row takes away from that of the row above, for
 * sandbox_seccomp() in forks of a process where that one is in force (in others
 * the whole list is loaded); one at a time. */
void	 sandbox_prepare(const struct priv *, const struct priv *above);

#endif
