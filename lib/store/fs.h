/* SPDX-License-Identifier: ISC */
/*
 * fs - the file system calls of the store, so that tests can fail the n-th of
 * them, or end there as a crash or a power cut would.
 */
#ifndef STORE_FS_H
#define STORE_FS_H

#include <sys/stat.h>
#include <sys/types.h>

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/slice.h"

struct store_fs {
	int	(*openat)(int dir, const char *path, int flags, mode_t);
	int	(*mkdirat)(int dir, const char *path, mode_t);
	ssize_t	(*pread)(int fd, void *to, size_t n, off_t at);
	ssize_t	(*pwrite)(int fd, const void *from, size_t n, off_t at);
	ssize_t	(*write)(int fd, const void *from, size_t n);
	int	(*renameat)(int from_dir, const char *from, int to_dir,
		    const char *to);
	int	(*linkat)(int from_dir, const char *from, int to_dir,
		    const char *to);
	int	(*unlinkat)(int dir, const char *path, int flags);
	int	(*ftruncate)(int fd, off_t);
	int	(*fdatasync)(int fd);
	int	(*fsync)(int fd);
	int	(*syncfs)(int fd);
	int	(*futimens)(int fd, const struct timespec times[2]);
	int	(*fstat)(int fd, struct stat *);
	int	(*fstatat)(int dir, const char *path, struct stat *);
	int	(*close)(int fd);
	/* When the machine was started, seconds since 1970, about. */
	int64_t	(*boot_s)(void);
};

extern const struct store_fs store_fs_real;

/* All of it, whatever the kernel takes at once.  -1 with errno; a part may be
 * there then. */
int	 store_fs_write(const struct store_fs *, int fd, struct slice);
int	 store_fs_pwrite(const struct store_fs *, int fd, struct slice, off_t);
/* Adds what the file has from an offset on, at most n bytes, up to its end.
 * -1 with errno (EFBIG: the buf's ceiling). */
int	 store_fs_read(const struct store_fs *, int fd, struct buf *, size_t n,
	    off_t);
/* Adds a whole file, at most max bytes, without following a link and without
 * waiting for a FIFO.  -1 with errno. */
int	 store_fs_read_file(const struct store_fs *, int dir, const char *name,
	    struct buf *, size_t max, struct stat *);
int	 store_fs_dir(const struct store_fs *, int at, const char *path);
/* Makes a new file of this content in place of an old one: written to a
 * temporary name beside it, synced if told so, renamed.  The directory is not
 * synced.  -1 with errno. */
int	 store_fs_replace(const struct store_fs *, int dir, const char *name,
	    struct slice content, bool sync);
/* The entries of a directory; NULL with errno.  closedir() ends it. */
DIR	*store_fs_list(const struct store_fs *, int at, const char *path);
/* close() that keeps errno; -1 is nothing. */
void	 store_fs_close(const struct store_fs *, int fd);

#endif
