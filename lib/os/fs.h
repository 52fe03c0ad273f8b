/* SPDX-License-Identifier: ISC */
/*
 * fs - the one seam between mail and the file system.
 *
 * Every call that reads or changes the queue, a mailbox or its index goes
 * through this struct, so that a test can fail, shorten or stop after the n-th
 * of them, and can tell which of their effects a power cut may undo.  The
 * functions are those of POSIX, whose names they have, and may be called from
 * more than one thread.
 */
#ifndef OS_FS_H
#define OS_FS_H

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

/* More than files' times go on by at once: a change that comes sooner after
 * another may leave them as they are. */
#define FS_TICK_NS	INT64_C(100000000)

struct fs {
	int	(*openat)(int dir, const char *path, int flags, mode_t);
	int	(*close)(int fd);
	int	(*mkdirat)(int dir, const char *path, mode_t);
	ssize_t	(*pread)(int fd, void *to, size_t n, off_t at);
	ssize_t	(*pwrite)(int fd, const void *from, size_t n, off_t at);
	ssize_t	(*write)(int fd, const void *from, size_t n);
	ssize_t	(*writev)(int fd, const struct iovec *, int n);
	int	(*renameat)(int from_dir, const char *from, int to_dir,
		    const char *to);
	int	(*linkat)(int from_dir, const char *from, int to_dir,
		    const char *to);
	int	(*unlinkat)(int dir, const char *path, int flags);
	int	(*ftruncate)(int fd, off_t);
	int	(*fdatasync)(int fd);
	int	(*fsync)(int fd);
	int	(*syncfs)(int fd);
	int	(*fchmod)(int fd, mode_t);
	int	(*futimens)(int fd, const struct timespec times[2]);
	int	(*fstat)(int fd, struct stat *);
	int	(*fstatat)(int dir, const char *path, struct stat *);
	int	(*fstatvfs)(int fd, struct statvfs *);
	/* When the machine was started, seconds since 1970, about. */
	int64_t	(*boot_s)(void);
};

/* linkat() and fstatat() of it follow no link at the end of a path. */
extern const struct fs fs_real;

/* openat() that follows no link at the end of the path, waits for nobody (a
 * FIFO has no other end), and is closed by execve(). */
int	 fs_open(const struct fs *, int dir, const char *path, int flags,
	    mode_t);
/* Opens a directory to read or to sync. */
int	 fs_open_dir(const struct fs *, int at, const char *path);
/* close() that keeps errno; -1 is nothing. */
void	 fs_close(const struct fs *, int fd);

/* All of it, whatever the kernel takes at once.  -1 with errno; a part may be
 * there then.  iov is used up. */
int	 fs_write(const struct fs *, int fd, struct slice);
int	 fs_writev(const struct fs *, int fd, struct iovec *iov, int n);
int	 fs_pwrite(const struct fs *, int fd, struct slice, off_t at);

/* n bytes, or -1 with errno; EIO where the file ends before. */
int	 fs_read_exactly(const struct fs *, int fd, void *to, size_t n,
	    off_t at);
/* Adds what the file has from an offset on, at most n bytes, up to its end.
 * -1 with errno (EFBIG: the buf's ceiling). */
int	 fs_read(const struct fs *, int fd, struct buf *, size_t n, off_t at);
/* Adds a whole file, at most max bytes, without following a link and without
 * waiting for a FIFO.  -1 with errno.  st_r may be NULL. */
int	 fs_read_file(const struct fs *, int dir, const char *path,
	    struct buf *, size_t max, struct stat *st_r);

/* Makes a new file of this content in place of an old one: written to a
 * temporary name beside it, synced if told so, renamed.  The directory is not
 * synced.  -1 with errno. */
int	 fs_replace(const struct fs *, int dir, const char *name,
	    struct slice content, bool sync);
/* The same in pieces: what is written to fd between the two.  The end makes
 * it the file, or where it could not be written (errno) nothing. */
struct fs_replacement {
	int		 dir;		/* borrowed */
	const char	*name;		/* borrowed */
	int		 fd;		/* owned */
	char		 tmp[NAME_MAX + 1];
};
int	 fs_replace_begin(const struct fs *, struct fs_replacement *, int dir,
	    const char *name);
int	 fs_replace_end(const struct fs *, struct fs_replacement *,
	    bool written, bool sync);
/* Makes a directory unless it is there; syncs dir where it was made. */
int	 fs_make_dir(const struct fs *, int dir, const char *name, mode_t);
int	 fs_set_mtime(const struct fs *, int fd, int64_t ms);
/* Begins to write n bytes of a file to the disk, and waits for nothing. */
void	 fs_push(int fd, off_t at, off_t n);
/* What is made in a directory, other directories that is, is to lie far apart
 * on the disk.  false: the file system knows no such wish (only ext2 to ext4
 * do, and only they need it). */
bool	 fs_spread(int dir);
/* The kind of the file system that path is on, where what was synced there may
 * be lost by a crash, of this machine or another; NULL: none of these. */
const char *fs_unfit(const char *path);
/* The entries of a directory; NULL with errno.  closedir() ends it.  Flags:
 * O_NOFOLLOW or 0. */
DIR	*fs_list(const struct fs *, int at, const char *path, int flags);

#endif
