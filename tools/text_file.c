/* SPDX-License-Identifier: ISC */
/* text_file - see text_file.h. */
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "os/fs.h"
#include "text_file.h"

static int	 lock(struct text_file *, struct buf *why);
static int	 write_beside(const struct text_file *, const char *temp,
		    int fd, struct slice);
static int	 sync_directory(const char *path);

int
text_file_open(struct text_file *f, const char *path, bool to_change,
    struct buf *why)
{
	struct stat st;
	int fd;

	/* A link stays one: what it leads to is replaced. */
	if (realpath(path, f->path) == NULL)
		snprintf(f->path, sizeof(f->path), "%s", path);
	f->lock_fd = -1;
	f->text = BUF_INIT(TEXT_FILE_BYTES);
	if (to_change && lock(f, why) == -1)
		return -1;
	fd = file_open(f->path);
	if (fd == -1 && errno == ENOENT)
		return 0;
	if (fd == -1 || fstat(fd, &st) == -1 ||
	    fs_read(&fs_real, fd, &f->text, (size_t)st.st_size, 0) == -1) {
		buf_printf(why, "%s: %s", path, file_error(errno));
		if (fd != -1)
			close(fd);
		text_file_close(f);
		return -1;
	}
	f->uid = st.st_uid;
	f->gid = st.st_gid;
	f->mode = st.st_mode & 0777;
	close(fd);
	return 0;
}

/* A file of its own: the one that is locked must not be replaced. */
static int
lock(struct text_file *f, struct buf *why)
{
	char path[PATH_MAX + 8];

	snprintf(path, sizeof(path), "%s.lock", f->path);
	f->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	if (f->lock_fd != -1 && flock(f->lock_fd, LOCK_EX) == 0)
		return 0;
	buf_printf(why, "%s: %s", path, strerror(errno));
	text_file_close(f);
	return -1;
}

void
text_file_close(struct text_file *f)
{
	if (f->lock_fd != -1)
		close(f->lock_fd);
	f->lock_fd = -1;
	if (f->text.n > 0)
		explicit_bzero(f->text.p, f->text.n);
	buf_clear(&f->text);
}

int
text_file_replace(struct text_file *f, struct slice text,
    struct buf *why)
{
	char temp[PATH_MAX + 8];
	int fd, r, saved;

	snprintf(temp, sizeof(temp), "%s.XXXXXX", f->path);
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd == -1) {
		buf_printf(why, "%s: %s", temp, strerror(errno));
		return -1;
	}
	r = write_beside(f, temp, fd, text);
	saved = errno;
	close(fd);
	if (r == -1) {
		unlink(temp);
		buf_printf(why, "%s: %s; it is as it was", f->path,
		    strerror(saved));
	} else if (sync_directory(f->path) == -1)
		buf_printf(why, "%s: its directory: %s", f->path,
		    strerror(errno));
	return r;
}

static int
write_beside(const struct text_file *f, const char *temp, int fd,
    struct slice text)
{
	if (fs_write(&fs_real, fd, text) == -1)
		return -1;
	/* Owner before mode: the bits are for the new group. */
	if (geteuid() == 0 && fchown(fd, f->uid, f->gid) == -1)
		return -1;
	if (fchmod(fd, f->mode) == -1 || fsync(fd) == -1)
		return -1;
	return rename(temp, f->path);
}

static int
sync_directory(const char *path)
{
	char dir[PATH_MAX];
	struct slice s = slice_str(path);
	size_t slash = slice_rfind(s, '/');
	int fd, r;

	snprintf(dir, sizeof(dir), "%.*s", slash == s.n ? 1 : (int)slash + 1,
	    slash == s.n ? "." : path);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = fd == -1 ? -1 : fsync(fd);
	if (fd != -1)
		close(fd);
	return r;
}
