/* SPDX-License-Identifier: ISC */
/*
 * maildir - see maildir.h.
 *
 * Always: a struct maildir in the tree has its directories open, and is in
 * the list of use, most recently used first.
 */
#include <sys/queue.h>
#include <sys/tree.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "mail/summary.h"
#include "maildir.h"
#include "store/quota.h"
#include "store/staging.h"
#include "store/store.h"

#define HOST_BYTES	80	/* of the host in a file name */
#define SCANS		5	/* of a directory that changes meanwhile */

struct maildir {
	RB_ENTRY(maildir)	 node;
	TAILQ_ENTRY(maildir)	 use;
	char			*path;		/* owned */
	int			 tmp;		/* owned; directories */
	int			 new;
	int			 cur;
	int			 root;		/* -1 until its quota is asked */
	struct store		*store;		/* owned; NULL until the first
						 * message */
	TAILQ_ENTRY(maildir)	 arrived_link;
	bool			 arrived;	/* since maildirs_record() */
	bool			 staged;	/* files are made in staging */
	dev_t			 dev;
	ino_t			 ino;
	int			 device;	/* durable's number for it */
	int64_t			 checked_ms;
};

RB_HEAD(maildir_tree, maildir);
TAILQ_HEAD(maildir_list, maildir);

struct maildirs {
	const struct fs		*fs;
	struct durable		*durable;
	char			 host[HOST_BYTES + 5];
	size_t			 open_max;
	int64_t			 check_ms;
	struct staging		*staging;	/* owned */
	size_t			 nopen;
	struct maildir_tree	 tree;
	struct maildir_list	 by_use;
	struct maildir_list	 arrived;
};

struct unique_name {
	char	 base[200];	/* without sizes, which take 46 at most */
	size_t	 n;
};

static void	 host_for_names(char *to, size_t size, const char *host);
static struct maildir *maildir_get(struct maildirs *,
		    const struct maildir_copy *);
static bool	 still_there(struct maildirs *, struct maildir *);
static struct maildir *maildir_open(struct maildirs *, const char *path,
		    struct slice root);
static int	 open_parts(struct maildirs *, struct maildir *, int dir);
static int	 make_below(struct maildirs *, struct slice path,
		    struct slice root);
static void	 maildir_close(struct maildirs *, struct maildir *);
static void	 unique_name(const struct maildirs *,
		    const struct maildir_copy *, struct unique_name *);
static int	 find_earlier(struct maildirs *, struct maildir *,
		    const struct unique_name *, const struct maildir_copy *);
static enum maildir_end check_quota(struct maildirs *, struct maildir *,
		    const struct maildir_copy *);
static int	 store(struct maildirs *, struct maildir *,
		    const struct maildir_copy *, const struct unique_name *);

static int
maildir_cmp(const struct maildir *a, const struct maildir *b)
{
	return strcmp(a->path, b->path);
}

RB_GENERATE_INTERNAL(maildir_tree, maildir, node, maildir_cmp,
    __attribute__((__unused__)) static)

struct maildirs *
maildirs_new(const struct fs *fs, struct durable *d, const char *host,
    const char *staging_root, size_t open_max, int64_t check_ms)
{
	struct maildirs *ms = mem_alloc(sizeof(*ms));

	ms->fs = fs;
	ms->durable = d;
	ms->check_ms = check_ms;
	ms->open_max = open_max < 1 ? 1 : open_max;
	RB_INIT(&ms->tree);
	TAILQ_INIT(&ms->by_use);
	TAILQ_INIT(&ms->arrived);
	host_for_names(ms->host, sizeof(ms->host), host);
	ms->staging = staging_new(fs, staging_root, false);
	return ms;
}

void
maildirs_free(struct maildirs **msp)
{
	struct maildirs *ms = *msp;

	*msp = NULL;
	if (ms == NULL)
		return;
	while (!TAILQ_EMPTY(&ms->by_use))
		maildir_close(ms, TAILQ_FIRST(&ms->by_use));
	staging_free(&ms->staging);
	free(ms);
}

/* '/' and ':' have meanings of their own; the Maildir page gives these
 * replacements.  ',' would begin the sizes. */
static void
host_for_names(char *to, size_t size, const char *host)
{
	size_t n = 0, i;

	for (i = 0; host[i] != '\0' && n + 5 < size; i++) {
		unsigned char c = (unsigned char)host[i];

		if (c == '/' || c == ':' || c == ',' || c <= ' ' || c == 0x7f)
			n += (size_t)snprintf(to + n, size - n, "\\%03o", c);
		else
			to[n++] = (char)c;
	}
	to[n] = '\0';
	if (n == 0)
		snprintf(to, size, "localhost");
}

enum maildir_end
maildir_store(struct maildirs *ms, const struct maildir_copy *c)
{
	struct unique_name name;
	struct maildir *m = maildir_get(ms, c);
	enum maildir_end end;
	int found;

	if (m == NULL)
		return MAILDIR_FAILED;
	unique_name(ms, c, &name);
	if (c->maybe_done) {
		found = find_earlier(ms, m, &name, c);
		if (found != 0)
			return found == 1 ? MAILDIR_STORED : MAILDIR_FAILED;
	}
	if (c->quota_bytes > 0 || c->quota_messages > 0) {
		end = check_quota(ms, m, c);
		if (end != MAILDIR_STORED)
			return end;
	}
	if (store(ms, m, c, &name) == 0)
		return MAILDIR_STORED;
	if (errno != ENOENT)
		return MAILDIR_FAILED;
	/* The directories that we hold open were removed. */
	maildir_close(ms, m);
	m = maildir_get(ms, c);
	return m != NULL && store(ms, m, c, &name) == 0 ? MAILDIR_STORED :
	    MAILDIR_FAILED;
}

/* ---- the open ones ------------------------------------------------------ */

static struct maildir *
maildir_get(struct maildirs *ms, const struct maildir_copy *c)
{
	char path[PATH_MAX];
	struct maildir key = { .path = path }, *m;

	if (c->path.n == 0 || c->path.n >= sizeof(path) ||
	    c->path.p[0] != '/' || memchr(c->path.p, '\0', c->path.n)) {
		errno = c->path.n >= sizeof(path) ? ENAMETOOLONG : ENOENT;
		return NULL;
	}
	memcpy(path, c->path.p, c->path.n);
	path[c->path.n] = '\0';
	m = RB_FIND(maildir_tree, &ms->tree, &key);
	if (m != NULL && still_there(ms, m)) {
		TAILQ_REMOVE(&ms->by_use, m, use);
		TAILQ_INSERT_HEAD(&ms->by_use, m, use);
		return m;
	}
	if (m != NULL)
		maildir_close(ms, m);
	while (ms->nopen >= ms->open_max)
		maildir_close(ms, TAILQ_LAST(&ms->by_use, maildir_list));
	return maildir_open(ms, path, c->root);
}

/* Somebody may move a Maildir away or restore one from a backup; nothing must
 * go on to be written where its owner does not look. */
static bool
still_there(struct maildirs *ms, struct maildir *m)
{
	int64_t now = clock_mono_ms();
	struct stat st;

	if (now - m->checked_ms < ms->check_ms)
		return true;
	m->checked_ms = now;
	return stat(m->path, &st) == 0 && st.st_dev == m->dev &&
	    st.st_ino == m->ino;
}

static int
open_dir(struct maildirs *ms, int at, const char *path)
{
	return ms->fs->openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
}

static struct maildir *
maildir_open(struct maildirs *ms, const char *path, struct slice root)
{
	struct maildir *m;
	struct stat st;
	int dir = open_dir(ms, AT_FDCWD, path), error;

	if (dir == -1 && errno == ENOENT && root.n > 0 &&
	    make_below(ms, slice_str(path), root) == 0)
		dir = open_dir(ms, AT_FDCWD, path);
	if (dir == -1)
		return NULL;
	m = mem_alloc(sizeof(*m));
	m->tmp = m->new = m->cur = m->root = -1;
	m->path = mem_strdup(path);
	m->checked_ms = clock_mono_ms();
	if (fstat(dir, &st) == -1)
		goto fail;
	m->dev = st.st_dev;
	m->ino = st.st_ino;
	m->staged = slice_eq(root, slice_str(staging_root(ms->staging)));
	m->device = durable_device(ms->durable, dir, st.st_dev);
	if (open_parts(ms, m, dir) == -1)
		goto fail;
	ms->fs->close(dir);
	RB_INSERT(maildir_tree, &ms->tree, m);
	TAILQ_INSERT_HEAD(&ms->by_use, m, use);
	ms->nopen++;
	return m;
fail:
	error = errno;
	ms->fs->close(dir);
	if (m->tmp != -1)
		ms->fs->close(m->tmp);
	if (m->new != -1)
		ms->fs->close(m->new);
	free(m->path);
	free(m);
	errno = error;
	return NULL;
}

static int
open_part(struct maildirs *ms, struct maildir *m, int dir, const char *name)
{
	int fd = open_dir(ms, dir, name);

	if (fd != -1 || errno != ENOENT)
		return fd;
	if (ms->fs->mkdirat(dir, name, 0700) == -1 && errno != EEXIST)
		return -1;
	durable_dir(ms->durable, dir, m->device);
	return open_dir(ms, dir, name);
}

static int
open_parts(struct maildirs *ms, struct maildir *m, int dir)
{
	m->tmp = open_part(ms, m, dir, "tmp");
	if (m->tmp == -1)
		return -1;
	m->new = open_part(ms, m, dir, "new");
	if (m->new == -1)
		return -1;
	m->cur = open_part(ms, m, dir, "cur");
	return m->cur == -1 ? -1 : 0;
}

/* Makes one directory of a path and moves on into it; takes over dir. */
static int
make_next(struct maildirs *ms, int dir, struct slice part)
{
	char name[NAME_MAX + 1];
	int next, made;

	if (part.n == 0 || part.n > NAME_MAX ||
	    slice_eq(part, SLICE_LIT(".")) ||
	    slice_eq(part, SLICE_LIT(".."))) {
		ms->fs->close(dir);
		errno = EINVAL;
		return -1;
	}
	memcpy(name, part.p, part.n);
	name[part.n] = '\0';
	made = ms->fs->mkdirat(dir, name, 0700);
	next = made == 0 || errno == EEXIST ? open_dir(ms, dir, name) : -1;
	/* Rare, so it is made durable at once. */
	if (made == 0 && next != -1 && ms->fs->fsync(dir) == -1) {
		ms->fs->close(next);
		next = -1;
	}
	made = errno;
	ms->fs->close(dir);
	errno = made;
	return next;
}

/* The root itself must be there: if it is not mounted, mail has to wait. */
static int
make_below(struct maildirs *ms, struct slice path, struct slice root)
{
	char name[PATH_MAX];
	struct slice rest, part;
	int dir;

	while (root.n > 1 && root.p[root.n - 1] == '/')
		root.n--;
	if (!slice_starts(path, root) || path.n <= root.n ||
	    path.p[root.n] != '/' || root.n >= sizeof(name)) {
		errno = ENOENT;
		return -1;
	}
	memcpy(name, root.p, root.n);
	name[root.n] = '\0';
	dir = open_dir(ms, AT_FDCWD, name);
	rest = slice_from(path, root.n + 1);
	while (dir != -1 && slice_next(&rest, '/', &part))
		if (part.n > 0)
			dir = make_next(ms, dir, part);
	if (dir == -1)
		return -1;
	ms->fs->close(dir);
	return 0;
}

static void
maildir_close(struct maildirs *ms, struct maildir *m)
{
	RB_REMOVE(maildir_tree, &ms->tree, m);
	TAILQ_REMOVE(&ms->by_use, m, use);
	ms->nopen--;
	if (m->arrived) {
		TAILQ_REMOVE(&ms->arrived, m, arrived_link);
		if (m->store != NULL)
			(void)!store_deliveries_write(m->store);
	}
	store_close(&m->store);
	ms->fs->close(m->tmp);
	ms->fs->close(m->new);
	ms->fs->close(m->cur);
	if (m->root != -1)
		ms->fs->close(m->root);
	free(m->path);
	free(m);
}

/* ---- one copy ----------------------------------------------------------- */

static void
unique_name(const struct maildirs *ms, const struct maildir_copy *c,
    struct unique_name *u)
{
	int64_t ms_part = c->arrived_ms % 1000;
	int n = snprintf(u->base, sizeof(u->base), "%lld.M%06lldQ%sR%u.%s",
	    (long long)(c->arrived_ms / 1000), (long long)ms_part * 1000,
	    queue_id_text(c->queue_id).s, c->number, ms->host);

	u->n = n < 0 ? 0 : (size_t)n;
}

/* STORED: go on. */
static enum maildir_end
check_quota(struct maildirs *ms, struct maildir *m,
    const struct maildir_copy *c)
{
	struct quota limits = { c->quota_bytes, c->quota_messages };
	uint64_t bytes = c->prefix.n + content_bytes(c->content);

	if (limits.bytes > 0 && bytes > limits.bytes)
		return MAILDIR_TOO_LARGE;
	if (m->root == -1)
		m->root = open_dir(ms, AT_FDCWD, m->path);
	if (m->root == -1)
		return MAILDIR_FAILED;
	/* Where it is not known the message is taken: a quota is no reason to
	 * keep mail waiting. */
	return quota_has_room(ms->fs, m->root, &limits,
	    &(struct quota){ bytes, 1 }) == 0 ? MAILDIR_FULL : MAILDIR_STORED;
}

static void
trouble(const char *mailbox, const char *text)
{
	log_warn("event=takeover-trouble mailbox=%s why=\"%s\"",
	    LOG_Q(slice_str(mailbox)), text);
}

/* A message is in new/: whoever keeps account of the mailbox learns it here. */
static void
stored(struct maildirs *ms, struct maildir *m, int fd_take,
    const char *name, const struct stored_size *size)
{
	struct store_options options = { .fs = ms->fs,
		.summarise = summary_build, .warn = trouble };

	durable_add(ms->durable, fd_take, m->new, m->device);
	if (!m->arrived)
		TAILQ_INSERT_TAIL(&ms->arrived, m, arrived_link);
	m->arrived = true;
	if (m->store == NULL)
		m->store = store_open(m->path, &options);
	if (m->store != NULL)
		(void)!store_delivered(m->store, SLICE_LIT("INBOX"), name,
		    size->bytes, SLICE_EMPTY);
	if (m->root != -1)
		quota_change(ms->fs, m->root, (int64_t)size->bytes, 1);
}

/* Where a new file is made. */
static int
make_file(struct maildirs *ms, int dir, const char *name)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = ms->fs->openat(dir, name, flags, 0600);

	if (fd == -1 && errno == EEXIST && ms->fs->unlinkat(dir, name, 0) == 0)
		/* An earlier attempt's, from before a crash. */
		fd = ms->fs->openat(dir, name, flags, 0600);
	return fd;
}

/* The same in staging, -1 where that is not to be had. */
static int
make_staged(struct maildirs *ms, struct maildir *m, const char *name,
    int *dir_r)
{
	int64_t start;
	int fd;

	if (!m->staged)
		return -1;
	*dir_r = staging_dir(ms->staging, m->dev);
	if (*dir_r == -1)
		return -1;
	start = clock_mono_us();
	fd = make_file(ms, *dir_r, name);
	staging_took(ms->staging, fd == -1 ? -1 : clock_mono_us() - start);
	return fd;
}

/* O_TMPFILE with linkat(), or a rename within new/, cost the same (33 us of
 * CPU on ext4, of which the file itself takes 26), so it is done as every
 * other program expects it. */
static int
store(struct maildirs *ms, struct maildir *m, const struct maildir_copy *c,
    const struct unique_name *u)
{
	const struct fs *fs = ms->fs;
	char name[NAME_MAX + 1];
	struct stored_size size;
	int dir, error, fd = make_staged(ms, m, u->base, &dir);

	if (fd == -1) {
		dir = m->tmp;
		fd = make_file(ms, dir, u->base);
	}
	if (fd == -1)
		return -1;
	if (content_write(c->content, fs, fd, c->prefix, &size) == -1)
		goto fail;
	snprintf(name, sizeof(name), "%s,S=%llu,W=%llu", u->base,
	    (unsigned long long)size.bytes, (unsigned long long)size.virtual);
	if (fs->renameat(dir, u->base, m->new, name) == -1)
		goto fail;
	stored(ms, m, fd, name, &size);
	return 0;
fail:
	error = errno;
	fs->close(fd);
	fs->unlinkat(dir, u->base, 0);
	if (error == EXDEV && dir != m->tmp) {
		/* Quotas of projects are borders, too. */
		m->staged = false;
		return store(ms, m, c, u);
	}
	errno = error;
	return -1;
}

void
maildirs_record(struct maildirs *ms, void (*each)(void *, struct slice),
    void *arg)
{
	struct maildir *m;

	while ((m = TAILQ_FIRST(&ms->arrived)) != NULL) {
		TAILQ_REMOVE(&ms->arrived, m, arrived_link);
		m->arrived = false;
		if (m->store != NULL)
			(void)!store_deliveries_write(m->store);
		each(arg, slice_str(m->path));
	}
}

/* ---- an earlier copy ---------------------------------------------------- */

/* Whether an entry is the message of this name, in whatever state. */
static bool
is_copy(const struct unique_name *u, const char *entry)
{
	return strncmp(entry, u->base, u->n) == 0 &&
	    (entry[u->n] == ',' || entry[u->n] == ':' || entry[u->n] == '\0');
}

/* ",S=1234" in a name; false where there is none. */
static bool
size_in_name(const char *entry, uint64_t *size_r)
{
	const char *at = strstr(entry, ",S=");
	struct slice s;

	if (at == NULL)
		return false;
	s = slice_str(at + 3);
	return parse_u64(&s, size_r) == PARSE_OK;
}

struct comparison {
	const struct fs	*fs;
	int		 fd;
	off_t		 at;
	bool		 differs;
};

static int
compare_part(void *arg, struct slice part)
{
	struct comparison *c = arg;
	struct buf there = BUF_INIT(SIZE_MAX / 2);
	int r = fs_read(c->fs, c->fd, &there, part.n, c->at);

	if (r == 0 && !slice_eq(buf_slice(&there), part)) {
		c->differs = true;
		r = -1;
	}
	c->at += (off_t)part.n;
	buf_clear(&there);
	return r;
}

/* Whether the file has what would be written: 1 or 0, -1 on error.  Its size
 * says little: after a power cut a file system may know the size of a file
 * whose bytes it has not written. */
static int
has_content(struct maildirs *ms, int fd, const struct maildir_copy *c)
{
	struct comparison v = { .fs = ms->fs, .fd = fd };
	struct stored_size size;

	if (compare_part(&v, c->prefix) == 0 &&
	    content_parts(c->content, compare_part, &v, &size) == 0)
		return 1;
	return v.differs ? 0 : -1;
}

/* The entry is ours: is it whole?  If so it will be durable with the rest of
 * the group; if not it is removed.  1 or 0, -1 on error. */
static int
keep_or_remove(struct maildirs *ms, struct maildir *m, int dir,
    const char *entry, const struct maildir_copy *c)
{
	struct stat st;
	uint64_t size;
	int whole = 1;
	int fd = ms->fs->openat(dir, entry,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);

	if (fd == -1)
		return errno == ENOENT ? 0 : -1;
	if (fstat(fd, &st) == -1) {
		ms->fs->close(fd);
		return -1;
	}
	/* Somebody may have rewritten it without our size, or made it longer:
	 * then it is read. */
	if (size_in_name(entry, &size) && (uint64_t)st.st_size <= size)
		whole = (uint64_t)st.st_size < size ? 0 :
		    has_content(ms, fd, c);
	if (whole == 1) {
		durable_add(ms->durable, fd, dir, m->device);
		return 1;
	}
	fs_close(ms->fs, fd);
	if (whole == -1)
		return -1;
	return ms->fs->unlinkat(dir, entry, 0) == -1 && errno != ENOENT ?
	    -1 : 0;
}

/* Files' times have the kernel's tick, so that a second change may show no
 * other.  A directory that changed a moment ago gets a time that no tick
 * has. */
static int
mark(struct maildirs *ms, int fd, struct stat *st)
{
	struct timespec t[2] = { { .tv_nsec = UTIME_OMIT }, { 0, 0 } };
	int64_t age;

	if (fstat(fd, st) == -1 || clock_gettime(CLOCK_REALTIME, &t[1]) == -1)
		return -1;
	age = (t[1].tv_sec - st->st_mtim.tv_sec) * INT64_C(1000000000) +
	    t[1].tv_nsec - st->st_mtim.tv_nsec;
	if (age > FS_TICK_NS)
		return 0;
	if (age <= 0)
		t[1] = (struct timespec){ st->st_mtim.tv_sec +
			(st->st_mtim.tv_nsec + 1) / 1000000000,
			(st->st_mtim.tv_nsec + 1) % 1000000000 };
	return ms->fs->futimens(fd, t) == -1 ? -1 : fstat(fd, st);
}

/* 1 found, 0 not, -1 error, 2 the directory has changed meanwhile. */
static int
search_once(struct maildirs *ms, struct maildir *m, int dir,
    const struct unique_name *u, const struct maildir_copy *c)
{
	struct stat before, after;
	struct dirent *e;
	int found, fd = open_dir(ms, dir, ".");
	DIR *d = fd == -1 ? NULL : fdopendir(fd);

	if (d == NULL) {
		if (fd != -1)
			ms->fs->close(fd);
		return -1;
	}
	found = mark(ms, fd, &before);
	while (found == 0 && (errno = 0, e = readdir(d)) != NULL)
		if (is_copy(u, e->d_name))
			found = keep_or_remove(ms, m, dir, e->d_name, c);
	if (found == 0 && (errno != 0 || fstat(fd, &after) == -1))
		found = -1;
	if (found == 0 && (before.st_mtim.tv_sec != after.st_mtim.tv_sec ||
	    before.st_mtim.tv_nsec != after.st_mtim.tv_nsec))
		found = 2;
	closedir(d);
	return found;
}

/*
 * new/ first: a message only ever goes from there to cur/, so one that moves
 * meanwhile is still seen.  A rename within cur/ (a flag is set) can hide a
 * file from readdir(), so that directory is read again when it changed; where
 * that never ends, nobody knows, and the message has to wait.
 */
static int
find_earlier(struct maildirs *ms, struct maildir *m,
    const struct unique_name *u, const struct maildir_copy *c)
{
	int n, r = search_once(ms, m, m->new, u, c);

	if (r == 1 || r == -1)
		return r;
	for (n = 0, r = 2; n < SCANS && r == 2; n++)
		r = search_once(ms, m, m->cur, u, c);
	if (r != 2)
		return r;
	errno = EBUSY;
	return -1;
}

int
maildir_used(struct maildirs *ms, struct slice path, uint64_t bytes,
    struct quota *used_r)
{
	struct maildir_copy c = { .path = path };
	struct maildir *m = maildir_get(ms, &c);

	*used_r = (struct quota){ 0, 0 };
	if (m == NULL)
		return errno == ENOENT ? 0 : -1;
	if (m->root == -1)
		m->root = open_dir(ms, AT_FDCWD, m->path);
	return m->root == -1 ? -1 :
	    quota_used(ms->fs, m->root, bytes, used_r);
}
