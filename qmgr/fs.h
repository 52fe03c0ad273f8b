/* SPDX-License-Identifier: ISC */
/*
 * fs - the one seam between the queue and the file system.
 *
 * Every call of qmgr that reads or changes the queue directory goes through
 * this struct, so that a test can fail, shorten or stop after the n-th of
 * them, and can tell which of their effects a power cut may undo.  The
 * functions are those of POSIX and are called from more than one thread.
 */
#ifndef QMGR_FS_H
#define QMGR_FS_H

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>

#include <dirent.h>
#include <stdbool.h>

#include "base/buf.h"

struct fs {
	int	(*open)(int dir, const char *path, int flags, mode_t mode);
	int	(*close)(int fd);
	ssize_t	(*read)(int fd, void *, size_t, off_t);		/* pread */
	ssize_t	(*write)(int fd, const void *, size_t, off_t);	/* pwrite */
	int	(*datasync)(int fd);				/* fdatasync */
	int	(*sync)(int fd);				/* fsync */
	int	(*syncfs)(int fd);
	int	(*rename)(int dir, const char *, int to_dir, const char *to);
	int	(*unlink)(int dir, const char *);
	int	(*mkdir)(int dir, const char *, mode_t);
	int	(*chmod)(int fd, mode_t);
	int	(*truncate)(int fd, off_t);
	int	(*mtime)(int fd, int64_t ms);
	int	(*stat)(int fd, struct stat *);
	int	(*statat)(int dir, const char *, struct stat *); /* no follow */
	int	(*statvfs)(int fd, struct statvfs *);
};

/* The real one, unless a test has put another here. */
extern const struct fs *fs;
extern const struct fs fs_real;

/* All of it or -1. */
int	 fs_write_all(int fd, struct slice, off_t at);
/* n bytes, or -1; a file that ends before is EIO. */
int	 fs_read_all(int fd, void *, size_t n, off_t at);
/* The whole file, as far as the buf's ceiling allows (EFBIG). */
int	 fs_read_file(int dir, const char *path, struct buf *);
/* Makes a directory unless it is there; syncs dir where it was made. */
int	 fs_make_dir(int dir, const char *name, mode_t);
/* For readdir(); errors as opendir(). */
DIR	*fs_list(int dir, const char *name);

#endif
