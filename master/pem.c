/* SPDX-License-Identifier: ISC */
/* pem - see pem.h. */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "ipc/certificates.h"
#include "pem.h"

static struct stamp
stamp_of(const struct stat *st)
{
	struct stamp s;

	memset(&s, 0, sizeof(s));	/* also what is between: memcmp() */
	s.dev = st->st_dev;
	s.ino = st->st_ino;
	s.size = st->st_size;
	s.mtime = st->st_mtim;
	return s;
}

struct stamp
pem_stamp(const char *path)
{
	struct stat st = { 0 };

	if (stat(path, &st) == -1)
		memset(&st, 0, sizeof(st));
	return stamp_of(&st);
}

int
pem_open(const char *path, size_t max, struct stamp *stamp, struct buf *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd == -1 || fstat(fd, &st) == -1) {
		buf_printf(why, "%s: %s\n", path, strerror(errno));
	} else if (!S_ISREG(st.st_mode) || st.st_size == 0 ||
	    st.st_size > (off_t)max) {
		buf_printf(why, "%s: not a file of 1 to %zu bytes\n", path,
		    max);
	} else {
		*stamp = stamp_of(&st);
		return fd;
	}
	if (fd != -1)
		close(fd);
	return -1;
}

int
pem_check(const char *path, size_t max, struct buf *why)
{
	struct stamp stamp;
	int fd = pem_open(path, max, &stamp, why);

	if (fd == -1)
		return -1;
	close(fd);
	return 0;
}

int
pem_read(const char *path, struct buf *to, struct stamp *stamp,
    struct buf *why)
{
	int fd = pem_open(path, CERTIFICATE_CHAIN_BYTES, stamp, why);
	ssize_t n = -1;
	char *room;

	if (fd == -1)
		return -1;
	room = buf_reserve(to, (size_t)stamp->size);
	if (room != NULL)
		n = pread(fd, room, (size_t)stamp->size, 0);
	if (n > 0)
		to->n += (size_t)n;
	else
		buf_printf(why, "%s: cannot be read\n", path);
	close(fd);
	return n > 0 ? 0 : -1;
}
