/* SPDX-License-Identifier: ISC */
/*
 * fs - the file system calls that delivery makes, so that tests can fail the
 * n-th of them, or end there as a crash would.
 */
#ifndef LOCAL_FS_H
#define LOCAL_FS_H

#include <sys/stat.h>
#include <sys/uio.h>

struct fs {
	int	(*openat)(int dir, const char *path, int flags, mode_t);
	int	(*mkdirat)(int dir, const char *path, mode_t);
	ssize_t	(*writev)(int fd, const struct iovec *, int n);
	int	(*renameat)(int from_dir, const char *from, int to_dir,
		    const char *to);
	int	(*unlinkat)(int dir, const char *path);
	int	(*ftruncate)(int fd, off_t);
	int	(*fsync)(int fd);
	int	(*syncfs)(int fd);
	int	(*close)(int fd);
};

extern const struct fs fs_real;

/* All of it, whatever the kernel takes at once.  iov is used up.  -1 with
 * errno after an error; bytes may have been written then. */
int	 fs_write_all(const struct fs *, int fd, struct iovec *iov, int n);

#endif
