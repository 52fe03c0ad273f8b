/* SPDX-License-Identifier: ISC */
/* mbox - see mbox.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "mbox.h"

#define LOCK_TRIES	10
#define LOCK_WAIT_MS	50	/* between two tries */
#define OUT_BYTES	(8 * 1024 * 1024)

static int	 open_regular(const struct fs *, const char *path,
		    struct stat *);
static int	 lock(int fd);
static int	 append(const struct fs *, int fd, const struct mbox_copy *,
		    bool needs_newline);
static int	 put_part(void *, struct slice);
static void	 put_from_line(struct buf *, const struct mbox_copy *);
static bool	 ends_with_newline(int fd, off_t size);

int
mbox_append(const struct fs *fs, const struct mbox_copy *c)
{
	char path[PATH_MAX];
	struct stat st;
	int fd, error;

	if (c->path.n == 0 || c->path.n >= sizeof(path) ||
	    c->path.p[0] != '/') {
		errno = EINVAL;
		return -1;
	}
	memcpy(path, c->path.p, c->path.n);
	path[c->path.n] = '\0';
	fd = open_regular(fs, path, &st);
	if (fd == -1)
		return -1;
	if (append(fs, fd, c, !ends_with_newline(fd, st.st_size)) == 0 &&
	    fs->fsync(fd) == 0) {
		fs->close(fd);
		return 0;
	}
	error = errno;
	fs->ftruncate(fd, st.st_size);
	fs->close(fd);
	errno = error;
	return -1;
}

/* Locked, and still the file of that name when the lock was there: a reader
 * that replaces the file does so with the lock. */
static int
open_regular(const struct fs *fs, const char *path, struct stat *st)
{
	struct stat now;
	int fd, error, tries;

	for (tries = 0; tries < 3; tries++) {
		fd = fs->openat(AT_FDCWD, path, O_RDWR | O_APPEND | O_CREAT |
		    O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
		if (fd == -1)
			return -1;
		errno = EINVAL;
		if (fstat(fd, st) == -1 || !S_ISREG(st->st_mode) ||
		    lock(fd) == -1 || fstat(fd, st) == -1) {
			error = errno;
			fs->close(fd);
			errno = error;
			return -1;
		}
		if (lstat(path, &now) == 0 && now.st_dev == st->st_dev &&
		    now.st_ino == st->st_ino)
			return fd;
		fs->close(fd);
	}
	errno = EAGAIN;
	return -1;
}

static int
lock(int fd)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct timespec wait = { 0, LOCK_WAIT_MS * 1000000L };
	int i;

	for (i = 0; i < LOCK_TRIES; i++) {
		if (fcntl(fd, F_SETLK, &l) == 0)
			return 0;
		if (errno != EAGAIN && errno != EACCES)
			return -1;
		nanosleep(&wait, NULL);
	}
	errno = EAGAIN;
	return -1;
}

static bool
ends_with_newline(int fd, off_t size)
{
	char last;

	return size == 0 ||
	    (pread(fd, &last, 1, size - 1) == 1 && last == '\n');
}

struct mbox_output {
	const struct fs		*fs;
	int			 fd;
	struct from_quoter	 quoter;
	struct buf		 out;
};

static int
flush(struct mbox_output *o)
{
	struct iovec iov = { o->out.p, o->out.n };
	int r = fs_writev(o->fs, o->fd, &iov, 1);

	buf_reset(&o->out);
	return r;
}

static int
append(const struct fs *fs, int fd, const struct mbox_copy *c,
    bool needs_newline)
{
	struct mbox_output o = { .fs = fs, .fd = fd,
		.out = BUF_INIT(OUT_BYTES) };
	struct stored_size size;
	int r;

	if (needs_newline)
		buf_add_byte(&o.out, '\n');
	put_from_line(&o.out, c);
	buf_add(&o.out, c->prefix);
	r = content_parts(c->content, put_part, &o, &size);
	if (r == 0) {
		from_quote_end(&o.quoter, &o.out);
		/* Content may end within a line. */
		buf_add_str(&o.out, o.quoter.in_line ? "\n\n" : "\n");
		r = flush(&o);
	}
	buf_clear(&o.out);
	return r;
}

static int
put_part(void *arg, struct slice part)
{
	struct mbox_output *o = arg;

	if (from_quote(&o->quoter, part, &o->out) == -1) {
		errno = EFBIG;
		return -1;
	}
	return flush(o);
}

/* RFC 4155 appendix A: "From sender date", asctime() in UTC. */
static void
put_from_line(struct buf *b, const struct mbox_copy *c)
{
	time_t now = (time_t)(c->now_ms / 1000);
	struct slice sender = c->reverse_path;
	char date[40];
	struct tm tm;
	size_t i;

	if (sender.n == 0)
		sender = SLICE_LIT("MAILER-DAEMON");
	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "%a %b %e %H:%M:%S %Y", &tm);
	buf_add_str(b, "From ");
	for (i = 0; i < sender.n; i++)
		buf_add_byte(b, sender.p[i] <= ' ' && sender.p[i] > 0 ? '_' :
		    sender.p[i]);
	buf_printf(b, " %s\n", date);
}

/* ---- quoting ------------------------------------------------------------ */

static const struct slice from = { "From ", 5 };

/* What was held back, one more mark first if it was the whole word. */
static int
release(struct from_quoter *q, struct buf *out)
{
	char *to = buf_reserve(out, q->marks + q->matched + 1);

	if (to == NULL)
		return -1;
	if (q->matched == from.n)
		*to++ = '>';
	memset(to, '>', q->marks);
	memcpy(to + q->marks, from.p, q->matched);
	out->n += q->marks + q->matched + (q->matched == from.n);
	q->in_line = true;
	q->marks = q->matched = 0;
	return 0;
}

int
from_quote(struct from_quoter *q, struct slice in, struct buf *out)
{
	size_t n;

	while (in.n > 0) {
		if (q->in_line) {
			n = slice_find(in, '\n');
			n += n < in.n;
			if (buf_add(out, slice_first(in, n)) == -1)
				return -1;
			q->in_line = in.p[n - 1] != '\n';
			in = slice_from(in, n);
		} else if (q->matched == 0 && in.p[0] == '>') {
			q->marks++;
			in = slice_from(in, 1);
		} else if (in.p[0] == from.p[q->matched]) {
			in = slice_from(in, 1);
			if (++q->matched == from.n && release(q, out) == -1)
				return -1;
		} else if (release(q, out) == -1)
			return -1;
	}
	return 0;
}

int
from_quote_end(struct from_quoter *q, struct buf *out)
{
	return q->marks + q->matched > 0 ? release(q, out) : 0;
}
