/* SPDX-License-Identifier: ISC */
/* fs - see fs.h. */
#include <sys/ioctl.h>
#include <sys/vfs.h>

#include <linux/fs.h>
#include <linux/magic.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "fs.h"

#define PIECE	(256 * 1024)	/* of a read of unknown length */
#define TOPDIR_FLAG	0x00020000	/* EXT4_TOPDIR_FL, chattr's T */

static int
real_openat(int dir, const char *path, int flags, mode_t mode)
{
	return openat(dir, path, flags, mode);
}

static int
real_linkat(int from_dir, const char *from, int to_dir, const char *to)
{
	return linkat(from_dir, from, to_dir, to, 0);
}

static int
real_fstatat(int dir, const char *path, struct stat *st)
{
	return fstatat(dir, path, st, AT_SYMLINK_NOFOLLOW);
}

static int
real_fstat(int fd, struct stat *st)
{
	return fstat(fd, st);
}

static int64_t
real_boot_s(void)
{
	return (clock_wall_ms() - clock_ms(CLOCK_BOOTTIME)) / 1000;
}

const struct fs fs_real = {
	.openat = real_openat,
	.close = close,
	.mkdirat = mkdirat,
	.pread = pread,
	.pwrite = pwrite,
	.write = write,
	.writev = writev,
	.renameat = renameat,
	.linkat = real_linkat,
	.unlinkat = unlinkat,
	.ftruncate = ftruncate,
	.fdatasync = fdatasync,
	.fsync = fsync,
	.syncfs = syncfs,
	.fchmod = fchmod,
	.futimens = futimens,
	.fstat = real_fstat,
	.fstatat = real_fstatat,
	.fstatvfs = fstatvfs,
	.boot_s = real_boot_s,
};

int
fs_open(const struct fs *fs, int dir, const char *path, int flags, mode_t mode)
{
	return fs->openat(dir, path,
	    flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode);
}

int
fs_open_dir(const struct fs *fs, int at, const char *path)
{
	return fs->openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
}

void
fs_close(const struct fs *fs, int fd)
{
	int error = errno;

	if (fd != -1)
		fs->close(fd);
	errno = error;
}

int
fs_write(const struct fs *fs, int fd, struct slice s)
{
	ssize_t w;

	while (s.n > 0) {
		w = fs->write(fd, s.p, s.n);
		if (w == -1 && errno == EINTR)
			continue;
		if (w == 0)
			errno = EIO;
		if (w <= 0)
			return -1;
		s = slice_from(s, (size_t)w);
	}
	return 0;
}

int
fs_writev(const struct fs *fs, int fd, struct iovec *iov, int n)
{
	ssize_t w;

	while (n > 0) {
		if (iov->iov_len == 0) {
			iov++;
			n--;
			continue;
		}
		w = fs->writev(fd, iov, n);
		if (w == -1 && errno == EINTR)
			continue;
		if (w == 0)
			errno = EIO;
		if (w <= 0)
			return -1;
		for (; n > 0 && (size_t)w >= iov->iov_len; iov++, n--)
			w -= (ssize_t)iov->iov_len;
		if (n > 0) {
			iov->iov_base = (char *)iov->iov_base + w;
			iov->iov_len -= (size_t)w;
		}
	}
	return 0;
}

int
fs_pwrite(const struct fs *fs, int fd, struct slice s, off_t at)
{
	ssize_t w;

	while (s.n > 0) {
		w = fs->pwrite(fd, s.p, s.n, at);
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
fs_read_exactly(const struct fs *fs, int fd, void *to, size_t n, off_t at)
{
	char *p = to;
	ssize_t r;

	while (n > 0) {
		r = fs->pread(fd, p, n, at);
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
fs_read(const struct fs *fs, int fd, struct buf *b, size_t n, off_t at)
{
	ssize_t r;
	char *to;

	while (n > 0) {
		to = buf_reserve(b, n < PIECE ? n : PIECE);
		if (to == NULL) {
			errno = EFBIG;
			return -1;
		}
		r = fs->pread(fd, to, n < PIECE ? n : PIECE, at);
		if (r == -1 && errno == EINTR)
			continue;
		if (r == -1)
			return -1;
		if (r == 0)
			break;
		b->n += (size_t)r;
		n -= (size_t)r;
		at += r;
	}
	return 0;
}

int
fs_read_file(const struct fs *fs, int dir, const char *name,
    struct buf *b, size_t max, struct stat *st_r)
{
	struct stat st;
	int r = -1, fd = fs_open(fs, dir, name, O_RDONLY | O_NONBLOCK, 0);

	if (fd == -1)
		return -1;
	if (fs->fstat(fd, &st) == -1)
		goto end;
	errno = !S_ISREG(st.st_mode) ? EINVAL : EFBIG;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > max)
		goto end;
	r = fs_read(fs, fd, b, (size_t)st.st_size, 0);
	if (st_r != NULL)
		*st_r = st;
end:
	fs_close(fs, fd);
	return r;
}

int
fs_replace(const struct fs *fs, int dir, const char *name,
    struct slice content, bool sync)
{
	struct fs_replacement to;

	if (fs_replace_begin(fs, &to, dir, name) == -1)
		return -1;
	return fs_replace_end(fs, &to, fs_write(fs, to.fd, content) == 0,
	    sync);
}

int
fs_replace_begin(const struct fs *fs, struct fs_replacement *to, int dir,
    const char *name)
{
	static _Atomic unsigned turn;

	to->dir = dir;
	to->name = name;
	snprintf(to->tmp, sizeof(to->tmp), "%s.tmp.%ld.%u", name,
	    (long)getpid(), turn++);
	/* What a crash has left may be the file itself by another name. */
	fs->unlinkat(dir, to->tmp, 0);
	to->fd = fs_open(fs, dir, to->tmp, O_WRONLY | O_CREAT | O_EXCL, 0600);
	return to->fd == -1 ? -1 : 0;
}

int
fs_replace_end(const struct fs *fs, struct fs_replacement *to, bool written,
    bool sync)
{
	int r = written ? 0 : -1;

	if (r == 0 && sync)
		r = fs->fsync(to->fd);
	fs_close(fs, to->fd);
	to->fd = -1;
	if (r == 0)
		r = fs->renameat(to->dir, to->tmp, to->dir, to->name);
	if (r == -1) {
		int error = errno;

		fs->unlinkat(to->dir, to->tmp, 0);
		errno = error;
	}
	return r;
}

int
fs_make_dir(const struct fs *fs, int dir, const char *name, mode_t mode)
{
	if (fs->mkdirat(dir, name, mode) == 0)
		return fs->fsync(dir);
	return errno == EEXIST ? 0 : -1;
}

int
fs_set_mtime(const struct fs *fs, int fd, int64_t ms)
{
	struct timespec t[2] = {
		{ .tv_nsec = UTIME_OMIT },
		{ ms / 1000, ms % 1000 * 1000000 },
	};

	return fs->futimens(fd, t);
}

void
fs_push(int fd, off_t at, off_t n)
{
	(void)!sync_file_range(fd, at, n, SYNC_FILE_RANGE_WRITE);
}

bool
fs_spread(int dir)
{
	int flags;

	if (ioctl(dir, FS_IOC_GETFLAGS, &flags) == -1)
		return false;
	flags |= TOPDIR_FLAG;
	return ioctl(dir, FS_IOC_SETFLAGS, &flags) == 0;
}

const char *
fs_unfit(const char *path)
{
	static const struct {
		long		 magic;
		const char	*name;
	} kinds[] = {
		{ TMPFS_MAGIC, "tmpfs" }, { RAMFS_MAGIC, "ramfs" },
		{ NFS_SUPER_MAGIC, "nfs" }, { SMB_SUPER_MAGIC, "smb" },
		{ SMB2_SUPER_MAGIC, "smb" }, { CIFS_SUPER_MAGIC, "cifs" },
		{ FUSE_SUPER_MAGIC, "fuse" },
	};
	struct statfs s;
	size_t i;

	if (statfs(path, &s) == -1)
		return NULL;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if ((long)s.f_type == kinds[i].magic)
			return kinds[i].name;
	return NULL;
}

DIR *
fs_list(const struct fs *fs, int at, const char *path, int flags)
{
	int fd = fs->openat(at, path,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags, 0);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);

	if (d == NULL && fd != -1)
		fs_close(fs, fd);
	return d;
}
