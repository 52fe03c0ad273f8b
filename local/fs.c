/* SPDX-License-Identifier: ISC */
/* fs - see fs.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "fs.h"

static int
real_openat(int dir, const char *path, int flags, mode_t mode)
{
	return openat(dir, path, flags, mode);
}

static int
real_unlinkat(int dir, const char *path)
{
	return unlinkat(dir, path, 0);
}

const struct fs fs_real = {
	.openat = real_openat,
	.mkdirat = mkdirat,
	.writev = writev,
	.renameat = renameat,
	.unlinkat = real_unlinkat,
	.ftruncate = ftruncate,
	.fsync = fsync,
	.syncfs = syncfs,
	.close = close,
};

int
fs_write_all(const struct fs *fs, int fd, struct iovec *iov, int n)
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
