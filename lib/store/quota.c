/* SPDX-License-Identifier: ISC */
/* quota - see quota.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "quota.h"

#define FILE_NAME	"maildirsize"
#define DOUBT_SECONDS	(15 * 60)	/* how long a full one is believed */

/* The state of the file as read. */
struct size_file {
	struct quota	 limits;
	struct quota	 used;
	unsigned	 lines;
	struct timespec	 mtime;
};

struct newer {
	struct timespec	 than;
	bool		 found;
};

static int	 read_file(const struct fs *, int dir, struct size_file *);
static int	 count_all(const struct fs *, int dir, struct quota *);
static int	 each_folder(const struct fs *, int dir,
		    int (*)(const struct fs *, int folder, void *), void *);
static int	 is_newer(const struct fs *, int folder, void *);
static int	 count_folder(const struct fs *, int folder, void *);
static int	 count_messages(const struct fs *, int dir, const char *sub,
		    struct quota *);
static void	 write_file(const struct fs *, int dir,
		    const struct quota *limits, const struct quota *used);

/* ---- the file's text ---------------------------------------------------- */

/* "1000000S,1000C": each part a number and what it counts; other letters are
 * somebody's extension. */
static bool
parse_limits(struct slice line, struct quota *q)
{
	struct slice part;
	uint64_t v;

	*q = (struct quota){ 0, 0 };
	while (slice_next(&line, ',', &part)) {
		part = slice_trim(part);
		if (part.n == 0)
			continue;
		if (parse_u64(&part, &v) != PARSE_OK || part.n != 1)
			return false;
		if (part.p[0] == 'S')
			q->bytes = v;
		else if (part.p[0] == 'C')
			q->messages = v;
	}
	return true;
}

static bool
take_signed(struct slice *in, int64_t *v_r)
{
	bool negative;
	uint64_t v;

	while (in->n > 0 && (in->p[0] == ' ' || in->p[0] == '\t'))
		*in = slice_from(*in, 1);
	negative = in->n > 0 && in->p[0] == '-';
	if (negative)
		*in = slice_from(*in, 1);
	if (parse_u64(in, &v) != PARSE_OK || v > INT64_MAX)
		return false;
	*v_r = negative ? -(int64_t)v : (int64_t)v;
	return true;
}

enum parse
maildirsize_parse(struct slice text, struct quota *limits_r,
    struct quota *used_r, unsigned *lines_r)
{
	int64_t bytes = 0, messages = 0, b, m;
	struct quota limits;
	struct slice line;
	unsigned lines = 0;

	/* The last line is whole only with its end. */
	if (text.n == 0 || text.p[text.n - 1] != '\n')
		return PARSE_BAD;
	text.n--;
	if (!slice_next(&text, '\n', &line) || !parse_limits(line, &limits))
		return PARSE_BAD;
	for (; slice_next(&text, '\n', &line); lines++)
		if (!take_signed(&line, &b) || !take_signed(&line, &m) ||
		    slice_trim(line).n > 0 ||
		    __builtin_add_overflow(bytes, b, &bytes) ||
		    __builtin_add_overflow(messages, m, &messages))
			return PARSE_BAD;
	if (bytes < 0 || messages < 0)
		return PARSE_BAD;
	*limits_r = limits;
	*used_r = (struct quota){ (uint64_t)bytes, (uint64_t)messages };
	*lines_r = lines;
	return PARSE_OK;
}

/* ---- asking ------------------------------------------------------------- */

/* 0, or -1 where it has to be made anew. */
static int
read_file(const struct fs *fs, int dir, struct size_file *f)
{
	char text[MAILDIRSIZE_BYTES];
	struct stat st;
	ssize_t n;
	int fd = fs->openat(dir, FILE_NAME,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);

	if (fd == -1)
		return -1;
	n = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_size < MAILDIRSIZE_BYTES ? read(fd, text, sizeof(text)) : -1;
	fs->close(fd);
	if (n <= 0 || n == MAILDIRSIZE_BYTES)
		return -1;
	f->mtime = st.st_mtim;
	return maildirsize_parse(slice_of(text, (size_t)n), &f->limits,
	    &f->used, &f->lines) == PARSE_OK ? 0 : -1;
}

static int
recount(const struct fs *fs, int dir, const struct quota *limits,
    struct quota *used)
{
	if (count_all(fs, dir, used) == -1)
		return -1;
	if (limits != NULL)
		write_file(fs, dir, limits, used);
	return 0;
}

static bool
fits(const struct quota *limits, const struct quota *used,
    const struct quota *more)
{
	return (limits->bytes == 0 || (more->bytes <= limits->bytes &&
	    used->bytes <= limits->bytes - more->bytes)) &&
	    (limits->messages == 0 || (more->messages <= limits->messages &&
	    used->messages <= limits->messages - more->messages));
}

/*
 * Whether a file that says "full" may be wrong: who deletes with another
 * program than a mail server leaves it as it is.  It costs a stat() a folder,
 * so it is asked only then.
 */
static bool
is_doubtful(const struct fs *fs, int dir, const struct size_file *f)
{
	struct newer n = { .than = f->mtime };
	time_t now = time(NULL);

	return f->lines > 1 || f->mtime.tv_sec > now ||
	    now - f->mtime.tv_sec >= DOUBT_SECONDS ||
	    each_folder(fs, dir, is_newer, &n) == -1 || n.found;
}

int
quota_used(const struct fs *fs, int dir, uint64_t bytes,
    struct quota *used_r)
{
	struct size_file f;

	if (read_file(fs, dir, &f) == -1)
		return recount(fs, dir, NULL, used_r);
	*used_r = f.used;
	if (fits(&f.limits, &f.used, &(struct quota){ bytes, 1 }) ||
	    !is_doubtful(fs, dir, &f))
		return 0;
	return recount(fs, dir, &f.limits, used_r);
}

int
quota_has_room(const struct fs *fs, int dir, const struct quota *limits,
    const struct quota *more)
{
	struct quota used;
	struct size_file f;

	if (read_file(fs, dir, &f) == 0 && f.limits.bytes == limits->bytes &&
	    f.limits.messages == limits->messages) {
		if (fits(limits, &f.used, more))
			return 1;
		if (!is_doubtful(fs, dir, &f))
			return 0;
	}
	if (recount(fs, dir, limits, &used) == -1)
		return -1;
	return fits(limits, &used, more);
}

/* One write, so that lines of several writers never mix. */
void
quota_change(const struct fs *fs, int dir, int64_t bytes,
    int64_t messages)
{
	char line[64];
	int fd = fs->openat(dir, FILE_NAME,
	    O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
	int n;

	if (fd == -1)
		return;
	n = snprintf(line, sizeof(line), "%lld %lld\n", (long long)bytes,
	    (long long)messages);
	/* A line that is cut makes the file odd, and it is made anew. */
	if (n > 0)
		(void)!fs->write(fd, line, (size_t)n);
	fs->close(fd);
}

/* ---- counting ----------------------------------------------------------- */

/* The Maildir itself and its folders: what begins with a dot beside new/. */
static int
each_folder(const struct fs *fs, int dir,
    int (*fn)(const struct fs *, int folder, void *arg), void *arg)
{
	struct dirent *e;
	int sub, r, fd = fs->openat(dir, ".",
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);

	if (d == NULL) {
		if (fd != -1)
			fs->close(fd);
		return -1;
	}
	r = fn(fs, dir, arg);
	while (r == 0 && (errno = 0, e = readdir(d)) != NULL) {
		if (e->d_name[0] != '.' || strcmp(e->d_name, ".") == 0 ||
		    strcmp(e->d_name, "..") == 0)
			continue;
		sub = fs->openat(dir, e->d_name, O_RDONLY | O_DIRECTORY |
		    O_NOFOLLOW | O_CLOEXEC, 0);
		if (sub == -1)
			continue;	/* a file, or gone */
		r = fn(fs, sub, arg);
		fs->close(sub);
	}
	if (r == 0 && errno != 0)
		r = -1;
	closedir(d);
	return r;
}

/* The clock of files ticks slowly: of the same time means maybe later. */
static int
is_newer(const struct fs *fs, int folder, void *arg)
{
	static const char *const subs[] = { "new", "cur" };
	struct newer *n = arg;
	struct stat st;
	size_t i;

	(void)fs;
	for (i = 0; i < sizeof(subs) / sizeof(subs[0]); i++)
		if (fstatat(folder, subs[i], &st, 0) == 0 &&
		    (st.st_mtim.tv_sec > n->than.tv_sec ||
		    (st.st_mtim.tv_sec == n->than.tv_sec &&
		    st.st_mtim.tv_nsec >= n->than.tv_nsec)))
			n->found = true;
	return 0;
}

static int
count_all(const struct fs *fs, int dir, struct quota *used)
{
	*used = (struct quota){ 0, 0 };
	return each_folder(fs, dir, count_folder, used);
}

static int
count_folder(const struct fs *fs, int folder, void *used)
{
	return count_messages(fs, folder, "new", used) == -1 ||
	    count_messages(fs, folder, "cur", used) == -1 ? -1 : 0;
}

/* The size in the name saves a stat() for each. */
static uint64_t
message_bytes(int dir, const char *name)
{
	const char *at = strstr(name, ",S=");
	struct slice s;
	struct stat st;
	uint64_t v;

	if (at != NULL) {
		s = slice_str(at + 3);
		if (parse_u64(&s, &v) == PARSE_OK && v <= INT64_MAX / 2)
			return v;
	}
	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ?
	    (uint64_t)st.st_size : 0;
}

static int
count_messages(const struct fs *fs, int dir, const char *sub,
    struct quota *used)
{
	struct dirent *e;
	int fd = fs->openat(dir, sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	DIR *d;

	if (fd == -1)	/* no such folder: it has nothing */
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	d = fdopendir(fd);
	if (d == NULL) {
		fs->close(fd);
		return -1;
	}
	while ((errno = 0, e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		if (__builtin_add_overflow(used->bytes,
		    message_bytes(fd, e->d_name), &used->bytes))
			used->bytes = INT64_MAX;
		used->messages++;
	}
	closedir(d);
	return errno == 0 ? 0 : -1;
}

/* Failing is no harm: the next one counts again. */
static void
write_file(const struct fs *fs, int dir, const struct quota *limits,
    const struct quota *used)
{
	static unsigned turn;
	char text[160], name[64];
	int fd, n, r;

	snprintf(name, sizeof(name), "tmp/maildirsize.%d.%u", (int)getpid(),
	    turn++);
	n = snprintf(text, sizeof(text), "%lluS,%lluC\n%llu %llu\n",
	    (unsigned long long)limits->bytes,
	    (unsigned long long)limits->messages,
	    (unsigned long long)used->bytes,
	    (unsigned long long)used->messages);
	fd = fs->openat(dir, name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1 || n < 0)
		return;
	r = fs_write(fs, fd, slice_of(text, (size_t)n));
	fs->close(fd);
	if (r == -1 || fs->renameat(dir, name, dir, FILE_NAME) == -1)
		fs->unlinkat(dir, name, 0);
}
