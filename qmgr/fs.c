/* SPDX-License-Identifier: ISC */
/* fs - see fs.h. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "fs.h"

static int
real_open(int dir, const char *path, int flags, mode_t mode)
{
	return openat(dir, path, flags | O_CLOEXEC | O_NOFOLLOW, mode);
}

static int
real_unlink(int dir, const char *path)
{
	return unlinkat(dir, path, 0);
}

static int
real_mtime(int fd, int64_t ms)
{
	struct timespec t[2] = {
		{ .tv_nsec = UTIME_OMIT },
		{ ms / 1000, ms % 1000 * 1000000 },
	};

	return futimens(fd, t);
}

static int
real_statat(int dir, const char *path, struct stat *st)
{
	return fstatat(dir, path, st, AT_SYMLINK_NOFOLLOW);
}

const struct fs fs_real = {
	.open = real_open,
	.close = close,
	.read = pread,
	.write = pwrite,
	.datasync = fdatasync,
	.sync = fsync,
	.syncfs = syncfs,
	.rename = renameat,
	.unlink = real_unlink,
	.mkdir = mkdirat,
	.chmod = fchmod,
	.truncate = ftruncate,
	.mtime = real_mtime,
	.stat = fstat,
	.statat = real_statat,
	.statvfs = fstatvfs,
};

const struct fs *fs = &fs_real;

int
fs_write_all(int fd, struct slice s, off_t at)
{
	ssize_t w;

	while (s.n > 0) {
		w = fs->write(fd, s.p, s.n, at);
		if (w == -1 && errno == EINTR)
			continue;
		if (w == 0)
			errno = EIO;
		if (w <= 0)
			return -1;
		s = slice_from(s, (size_t)w);
		at += w;
	}
	return 0;
}

int
fs_read_all(int fd, void *to, size_t n, off_t at)
{
	char *p = to;
	ssize_t r;

	while (n > 0) {
		r = fs->read(fd, p, n, at);
		if (r == -1 && errno == EINTR)
			continue;
		if (r == 0)
			errno = EIO;
		if (r <= 0)
			return -1;
		p += r;
		n -= (size_t)r;
		at += r;
	}
	return 0;
}

int
fs_read_file(int dir, const char *path, struct buf *b)
{
	struct stat st;
	char *to;
	int fd = fs->open(dir, path, O_RDONLY, 0), r = -1, error;

	if (fd == -1)
		return -1;
	if (fs->stat(fd, &st) == 0) {
		to = buf_reserve(b, (size_t)st.st_size);
		if (to == NULL)
			errno = EFBIG;
		else
			r = fs_read_all(fd, to, (size_t)st.st_size, 0);
		if (r == 0)
			b->n += (size_t)st.st_size;
	}
	error = errno;
	fs->close(fd);
	errno = error;
	return r;
}

int
fs_make_dir(int dir, const char *name, mode_t mode)
{
	if (fs->mkdir(dir, name, mode) == 0)
		return fs->sync(dir);
	return errno == EEXIST ? 0 : -1;
}

DIR *
fs_list(int dir, const char *name)
{
	int fd = fs->open(dir, name, O_RDONLY | O_DIRECTORY, 0);
	DIR *d;

	if (fd == -1)
		return NULL;
	d = fdopendir(fd);
	if (d == NULL)
		fs->close(fd);
	return d;
}
