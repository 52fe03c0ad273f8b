/* SPDX-License-Identifier: ISC */
/* test_fs - for tests: a file system whose n-th call fails, or ends the
 * process as a crash would, and a directory to work in. */
#ifndef LOCAL_TEST_FS_H
#define LOCAL_TEST_FS_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <unistd.h>

#include "os/fs.h"

enum { TEST_CRASH_STATUS = 99 };

static struct {
	long	 calls;		/* so far */
	long	 fail_at;	/* the number of the call; 0: none */
	int	 error;		/* errno, or -1: _exit() */
	bool	 fail_syncs;	/* each */
	bool	 cut_writes;	/* each write takes 7 bytes at most */
} test_fs;

static bool
test_fs_fails(void)
{
	if (++test_fs.calls != test_fs.fail_at)
		return false;
	if (test_fs.error == -1)
		_exit(TEST_CRASH_STATUS);
	errno = test_fs.error;
	return true;
}

static int
test_openat(int dir, const char *path, int flags, mode_t mode)
{
	return test_fs_fails() ? -1 : fs_real.openat(dir, path, flags, mode);
}

static int
test_mkdirat(int dir, const char *path, mode_t mode)
{
	return test_fs_fails() ? -1 : fs_real.mkdirat(dir, path, mode);
}

static ssize_t
test_writev(int fd, const struct iovec *iov, int n)
{
	struct iovec part = iov[0];

	if (test_fs_fails()) {
		/* As a full disk does: some of it is there. */
		if (part.iov_len > 3)
			part.iov_len = 3;
		(void)!fs_real.writev(fd, &part, 1);
		errno = test_fs.error;
		return -1;
	}
	if (!test_fs.cut_writes)
		return fs_real.writev(fd, iov, n);
	if (part.iov_len > 7)
		part.iov_len = 7;
	return fs_real.writev(fd, &part, 1);
}

static int
test_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return test_fs_fails() ? -1 :
	    fs_real.renameat(from_dir, from, to_dir, to);
}

static int
test_unlinkat(int dir, const char *path, int flags)
{
	return test_fs_fails() ? -1 : fs_real.unlinkat(dir, path, flags);
}

static int
test_ftruncate(int fd, off_t size)
{
	return test_fs_fails() ? -1 : fs_real.ftruncate(fd, size);
}

static bool
test_sync_fails(void)
{
	if (test_fs.fail_syncs)
		errno = EIO;
	return test_fs.fail_syncs;
}

static int
test_fsync(int fd)
{
	return test_fs_fails() || test_sync_fails() ? -1 : fs_real.fsync(fd);
}

static int
test_syncfs(int fd)
{
	return test_fs_fails() || test_sync_fails() ? -1 : fs_real.syncfs(fd);
}

/* Closing cannot fail in a way that matters, but can be where a crash is. */
static int
test_close(int fd)
{
	int error = errno;

	if (test_fs.error == -1)
		test_fs_fails();
	errno = error;
	return fs_real.close(fd);
}

static const struct fs fs_test __attribute__((unused)) = {
	.openat = test_openat,
	.mkdirat = test_mkdirat,
	.pread = pread,
	.writev = test_writev,
	.renameat = test_renameat,
	.unlinkat = test_unlinkat,
	.ftruncate = test_ftruncate,
	.fsync = test_fsync,
	.syncfs = test_syncfs,
	.close = test_close,
};

/* snprintf() that must fit. */
static inline void __attribute__((format(printf, 3, 4)))
test_path(char *to, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(to, size, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= size)
		abort();
}

static int
test_remove_one(const char *path, const struct stat *st, int flag,
    struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline void
test_remove(const char *dir)
{
	nftw(dir, test_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A new directory; its path is absolute. */
static inline const char *
test_dir(void)
{
	static char path[PATH_MAX];
	char cwd[PATH_MAX - 32];

	if (getcwd(cwd, sizeof(cwd)) == NULL)
		abort();
	test_path(path, sizeof(path), "%s/local_test.XXXXXX", cwd);
	if (mkdtemp(path) == NULL)
		abort();
	return path;
}

/* How many entries a directory has; the name of the last, and its size. */
struct test_entries {
	int	 n;
	char	 name[NAME_MAX + 1];
	off_t	 size;
};

static inline struct test_entries
test_list(const char *dir, const char *sub)
{
	struct test_entries r = { 0 };
	char path[PATH_MAX];
	struct dirent *e;
	struct stat st;
	DIR *d;

	test_path(path, sizeof(path), "%s/%s", dir, sub);
	d = opendir(path);
	while (d != NULL && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		r.n++;
		test_path(r.name, sizeof(r.name), "%s", e->d_name);
		if (fstatat(dirfd(d), e->d_name, &st, 0) == 0)
			r.size = st.st_size;
	}
	if (d != NULL)
		closedir(d);
	return r;
}

#endif
