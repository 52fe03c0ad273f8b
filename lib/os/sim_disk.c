/* SPDX-License-Identifier: ISC */
/*
 * sim_disk - see sim_disk.h.
 *
 * A disk is what was below its root at the beginning (inodes[], their
 * content, and CREATE changes for the names) and the changes since, each with
 * the number of the sync that made it durable.  Restoring plays the changes
 * again in memory, those that are not durable as the seed decides, and then
 * writes the tree.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/test_files.h"
#include "os/sim_disk.h"

#define NEVER		SIZE_MAX
#define ROOT		0		/* its inode */
#define NONE		UINT32_MAX	/* no inode: outside of the root */

enum kind { CREATE, UNLINK, RENAME, WRITE, TRUNCATE, TIMES, MODE, SYNC_DATA,
	SYNC, SYNCFS };

static const char *const kind_names[] = { "create", "unlink", "rename",
	"write", "truncate", "times", "mode", "fdatasync", "fsync", "syncfs" };

/* One change.  Names are in directories; the rest concerns the inode. */
struct change {
	enum kind	 kind;
	uint32_t	 inode;
	uint32_t	 dir;		/* CREATE, UNLINK; RENAME: to */
	uint32_t	 from_dir;	/* RENAME */
	char		*name;		/* owned */
	char		*from;		/* owned */
	off_t		 at;		/* WRITE; TRUNCATE: the size */
	size_t		 n;
	char		*bytes;		/* owned */
	struct timespec	 mtime;
	mode_t		 mode;
	/* The number of the sync after which it is durable. */
	size_t		 durable;
	size_t		 from_durable;	/* RENAME: that the old name is gone */
};

/* What the disk had in the beginning. */
struct inode {
	ino_t		 real;		/* who has this number now */
	mode_t		 mode;
	struct timespec	 mtime;
	char		*bytes;		/* owned */
	size_t		 n;
};

struct sim_disk {
	char		 root[PATH_MAX];	/* as the kernel says it */
	dev_t		 dev;
	struct inode	*inodes;
	uint32_t	 ninodes;
	struct change	*changes;
	size_t		 nchanges;
	size_t		 nbase;		/* changes that made what was there */
	bool		 stopped;
	bool		 names_with_files;
	enum sim_failure failure;
	size_t		 fail_at, counted;
	int		 error;
	bool		 failed;
	const char	*out_call, *out_pattern;
	size_t		 left_out;
};

static struct sim_disk *sim;		/* the one that is there, or NULL */
int64_t sim_boot_s;

/* ---- writing down ------------------------------------------------------- */

/* For what must not fail for other reasons than the test's own machine. */
#define MUST(cond)							\
	do {								\
		if (!(cond)) {						\
			fprintf(stderr, "sim_disk: %s:%d: %s: %s\n",	\
			    __FILE__, __LINE__, #cond, strerror(errno)); \
			abort();					\
		}							\
	} while (0)

static bool
is_recording(void)
{
	return sim != NULL && !sim->stopped;
}

static uint32_t
inode_new(const struct stat *st)
{
	struct inode *i;

	if ((sim->ninodes & (sim->ninodes - 1)) == 0)
		sim->inodes = mem_regrow(sim->inodes,
		    sim->ninodes == 0 ? 1 : sim->ninodes * 2,
		    sizeof(*sim->inodes));
	i = &sim->inodes[sim->ninodes];
	*i = (struct inode){ .real = st->st_ino, .mode = st->st_mode,
		.mtime = st->st_mtim };
	return sim->ninodes++;
}

/* The last one first: the kernel gives numbers out again. */
static uint32_t
inode_of(const struct stat *st)
{
	uint32_t i = sim->ninodes;

	if (st->st_dev != sim->dev)
		return NONE;
	while (i-- > 0)
		if (sim->inodes[i].real == st->st_ino)
			return i;
	return NONE;
}

static uint32_t
inode_of_fd(int fd)
{
	struct stat st;

	return fstat(fd, &st) == -1 ? NONE : inode_of(&st);
}

static struct change *
change_new(enum kind kind, uint32_t inode)
{
	struct change *c;

	if ((sim->nchanges & (sim->nchanges - 1)) == 0)
		sim->changes = mem_regrow(sim->changes,
		    sim->nchanges == 0 ? 1 : sim->nchanges * 2,
		    sizeof(*sim->changes));
	c = &sim->changes[sim->nchanges++];
	*c = (struct change){ .kind = kind, .inode = inode, .durable = NEVER,
		.from_durable = NEVER };
	return c;
}

/* Where a path leads: the directory's inode and the name in it.  False where
 * that is outside of the root. */
static bool
place_of(int dir, const char *path, uint32_t *dir_r, const char **name_r)
{
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX];
	struct stat st;
	int r;

	if (!is_recording())
		return false;
	*name_r = slash == NULL ? path : slash + 1;
	if (slash == NULL)
		r = dir == AT_FDCWD ? stat(".", &st) : fstat(dir, &st);
	else {
		MUST((size_t)(slash - path) < sizeof(parent));
		memcpy(parent, path, (size_t)(slash - path));
		parent[slash - path] = '\0';
		r = fstatat(dir, slash == path ? "/" : parent, &st, 0);
	}
	if (r == -1)
		return false;
	*dir_r = inode_of(&st);
	return *dir_r != NONE;
}

static void
note_name(enum kind kind, uint32_t inode, uint32_t dir, const char *name)
{
	struct change *c = change_new(kind, inode);

	c->dir = dir;
	c->name = mem_strdup(name);
}

static void
note_write(int fd, const void *p, size_t n, off_t at)
{
	uint32_t inode = is_recording() ? inode_of_fd(fd) : NONE;
	struct change *c;

	if (inode == NONE)
		return;
	c = change_new(WRITE, inode);
	c->at = at;
	c->n = n;
	c->bytes = mem_alloc(n + 1);
	memcpy(c->bytes, p, n);
}

static bool
is_made_durable(const struct change *c, const struct change *sync)
{
	switch (c->kind) {
	case CREATE:
		if (sim->names_with_files && sync->kind == SYNC &&
		    c->inode == sync->inode)
			return true;
		return c->dir == sync->inode;
	case UNLINK:
		return c->dir == sync->inode;
	case RENAME:
		return c->dir == sync->inode || c->from_dir == sync->inode ||
		    (sim->names_with_files && sync->kind == SYNC &&
		    c->inode == sync->inode);
	case WRITE:
	case TRUNCATE:
		return c->inode == sync->inode;
	case TIMES:
	case MODE:
		return sync->kind == SYNC && c->inode == sync->inode;
	case SYNC_DATA:
	case SYNC:
	case SYNCFS:
		break;
	}
	return false;
}

static void
note_sync(enum kind kind, int fd)
{
	uint32_t inode = is_recording() ? inode_of_fd(fd) : NONE;
	struct change *c, *sync;
	size_t i, at;

	if (inode == NONE)
		return;
	at = sim->nchanges;
	sync = change_new(kind, inode);
	for (i = 0; i < at; i++) {
		c = &sim->changes[i];
		if (c->durable == NEVER &&
		    (kind == SYNCFS || is_made_durable(c, sync)))
			c->durable = at;
		if (c->from_durable == NEVER && c->kind == RENAME &&
		    (kind == SYNCFS || c->from_dir == inode))
			c->from_durable = at;
	}
}

/* ---- failures ----------------------------------------------------------- */

enum call { C_OPEN, C_CREATE, C_MKDIR, C_READ, C_WRITE, C_NAME, C_TRUNCATE,
	C_SYNC, C_OTHER };

static bool
can_fail(enum call call, int error)
{
	switch (error) {
	case EMFILE:
		return call == C_OPEN || call == C_CREATE;
	case EINTR:
		return call == C_READ || call == C_WRITE;
	case ENOSPC:
		return call != C_OPEN && call != C_READ && call != C_OTHER;
	default:
		return true;
	}
}

/* True where the call must not be made; errno is set. */
static bool
fails(enum call call)
{
	if (!is_recording() || sim->failure == SIM_NONE ||
	    sim->failure == SIM_SHORT)
		return false;
	if (sim->failure == SIM_DEAD ? call == C_OPEN || call == C_READ :
	    !can_fail(call, sim->error)) {
		errno = EIO;
		return sim->failure == SIM_DEAD && sim->failed;
	}
	if (++sim->counted < sim->fail_at ||
	    (sim->failed && sim->failure == SIM_ONCE))
		return false;
	sim->failed = true;
	errno = sim->failure == SIM_DEAD ? EIO : sim->error;
	return true;
}

/* How much of a write is made. */
static size_t
shortened(size_t n)
{
	if (!is_recording() || sim->failure != SIM_SHORT || n < 2 ||
	    ++sim->counted != sim->fail_at)
		return n;
	sim->failed = true;
	return n / 2;
}

static bool
matches(const char *full)
{
	const char *path = full + strlen(sim->root);

	if (strncmp(full, sim->root, strlen(sim->root)) != 0)
		return false;
	return fnmatch(sim->out_pattern, *path == '/' ? path + 1 : ".", 0) ==
	    0;
}

static void
path_of_fd(int fd, char path[PATH_MAX])
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, PATH_MAX - 1);
	MUST(n > 0);
	path[n] = '\0';
}

static bool
is_left_out(const char *call, int fd)
{
	char path[PATH_MAX];

	if (!is_recording() || sim->out_call == NULL ||
	    strcmp(call, sim->out_call) != 0)
		return false;
	path_of_fd(fd, path);
	if (!matches(path))
		return false;
	sim->left_out++;
	return true;
}

/* ---- the calls ---------------------------------------------------------- */

static int
sim_openat(int dir, const char *path, int flags, mode_t mode)
{
	uint32_t parent = NONE;
	const char *name;
	struct stat st;
	bool inside, was_there;
	int fd;

	if (fails(flags & O_CREAT ? C_CREATE : C_OPEN))
		return -1;
	inside = flags & (O_CREAT | O_TRUNC) &&
	    place_of(dir, path, &parent, &name);
	was_there = fstatat(dir, path, &st, 0) == 0;
	fd = fs_real.openat(dir, path, flags, mode);
	if (fd == -1 || !inside)
		return fd;
	MUST(fstat(fd, &st) == 0);
	if (!was_there)
		note_name(CREATE, inode_new(&st), parent, name);
	else if (flags & O_TRUNC)
		change_new(TRUNCATE, inode_of(&st));
	return fd;
}

static int
sim_mkdirat(int dir, const char *path, mode_t mode)
{
	uint32_t parent;
	const char *name;
	struct stat st;
	int r;

	if (fails(C_MKDIR))
		return -1;
	r = fs_real.mkdirat(dir, path, mode);
	if (r == 0 && place_of(dir, path, &parent, &name)) {
		MUST(fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0);
		note_name(CREATE, inode_new(&st), parent, name);
	}
	return r;
}

static ssize_t
sim_pread(int fd, void *to, size_t n, off_t at)
{
	return fails(C_READ) ? -1 : fs_real.pread(fd, to, n, at);
}

static ssize_t
sim_pwrite(int fd, const void *from, size_t n, off_t at)
{
	ssize_t w;

	if (fails(C_WRITE))
		return -1;
	w = fs_real.pwrite(fd, from, shortened(n), at);
	if (w > 0)
		note_write(fd, from, (size_t)w, at);
	return w;
}

static ssize_t
sim_write(int fd, const void *from, size_t n)
{
	ssize_t w;

	if (fails(C_WRITE))
		return -1;
	w = fs_real.write(fd, from, shortened(n));
	if (w > 0)
		note_write(fd, from, (size_t)w, lseek(fd, 0, SEEK_CUR) - w);
	return w;
}

static ssize_t
sim_writev(int fd, const struct iovec *iov, int n)
{
	ssize_t w, total = 0;
	int i;

	for (i = 0; i < n; i++) {
		if (iov[i].iov_len == 0)
			continue;
		w = sim_write(fd, iov[i].iov_base, iov[i].iov_len);
		if (w == -1)
			return total > 0 ? total : -1;
		total += w;
		if ((size_t)w < iov[i].iov_len)
			break;
	}
	return total;
}

static int
sim_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	uint32_t a, b;
	const char *a_name, *b_name;
	struct change *c;
	struct stat st;
	int r;

	if (fails(C_NAME))
		return -1;
	r = fs_real.renameat(from_dir, from, to_dir, to);
	if (r == -1 || !place_of(from_dir, from, &a, &a_name))
		return r;
	MUST(place_of(to_dir, to, &b, &b_name));
	MUST(fstatat(to_dir, to, &st, AT_SYMLINK_NOFOLLOW) == 0);
	c = change_new(RENAME, inode_of(&st));
	c->dir = b;
	c->from_dir = a;
	c->name = mem_strdup(b_name);
	c->from = mem_strdup(a_name);
	return r;
}

static int
sim_linkat(int from_dir, const char *from, int to_dir, const char *to)
{
	uint32_t dir;
	const char *name;
	struct stat st;
	int r;

	if (fails(C_NAME))
		return -1;
	r = fs_real.linkat(from_dir, from, to_dir, to);
	if (r == 0 && place_of(to_dir, to, &dir, &name)) {
		MUST(fstatat(to_dir, to, &st, AT_SYMLINK_NOFOLLOW) == 0);
		note_name(CREATE, inode_of(&st), dir, name);
	}
	return r;
}

static int
sim_unlinkat(int dir, const char *path, int flags)
{
	uint32_t parent, inode = NONE;
	const char *name;
	struct stat st;
	int r;

	if (fails(C_NAME))
		return -1;
	if (is_recording() &&
	    fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		inode = inode_of(&st);
	r = fs_real.unlinkat(dir, path, flags);
	if (r == 0 && inode != NONE && place_of(dir, path, &parent, &name))
		note_name(UNLINK, inode, parent, name);
	return r;
}

static int
sim_ftruncate(int fd, off_t size)
{
	uint32_t inode;
	int r;

	if (fails(C_TRUNCATE))
		return -1;
	r = fs_real.ftruncate(fd, size);
	inode = r == 0 && is_recording() ? inode_of_fd(fd) : NONE;
	if (inode != NONE)
		change_new(TRUNCATE, inode)->at = size;
	return r;
}

/* The disk is not waited for: what is durable is what we say. */
static int
sync_call(enum kind kind, int fd)
{
	if (fails(C_SYNC))
		return -1;
	if (!is_left_out(kind_names[kind], fd))
		note_sync(kind, fd);
	return 0;
}

static int
sim_fdatasync(int fd)
{
	return sync_call(SYNC_DATA, fd);
}

static int
sim_fsync(int fd)
{
	return sync_call(SYNC, fd);
}

static int
sim_syncfs(int fd)
{
	return sync_call(SYNCFS, fd);
}

static int
sim_fchmod(int fd, mode_t mode)
{
	uint32_t inode;
	int r;

	if (fails(C_OTHER))
		return -1;
	r = fs_real.fchmod(fd, mode);
	inode = r == 0 && is_recording() ? inode_of_fd(fd) : NONE;
	if (inode != NONE)
		change_new(MODE, inode)->mode = mode;
	return r;
}

static int
sim_futimens(int fd, const struct timespec times[2])
{
	uint32_t inode;
	struct stat st;
	int r;

	if (fails(C_OTHER))
		return -1;
	r = fs_real.futimens(fd, times);
	inode = r == 0 && is_recording() ? inode_of_fd(fd) : NONE;
	if (inode != NONE) {
		MUST(fstat(fd, &st) == 0);
		change_new(TIMES, inode)->mtime = st.st_mtim;
	}
	return r;
}

static int
sim_fstat(int fd, struct stat *st)
{
	return fs_real.fstat(fd, st);
}

static int
sim_fstatat(int dir, const char *path, struct stat *st)
{
	return fs_real.fstatat(dir, path, st);
}

static int64_t
sim_boot(void)
{
	return fs_real.boot_s() + sim_boot_s;
}

const struct fs sim_fs = {
	.openat = sim_openat,
	.close = close,
	.mkdirat = sim_mkdirat,
	.pread = sim_pread,
	.pwrite = sim_pwrite,
	.write = sim_write,
	.writev = sim_writev,
	.renameat = sim_renameat,
	.linkat = sim_linkat,
	.unlinkat = sim_unlinkat,
	.ftruncate = sim_ftruncate,
	.fdatasync = sim_fdatasync,
	.fsync = sim_fsync,
	.syncfs = sim_syncfs,
	.fchmod = sim_fchmod,
	.futimens = sim_futimens,
	.fstat = sim_fstat,
	.fstatat = sim_fstatat,
	.fstatvfs = fstatvfs,
	.boot_s = sim_boot,
};

/* ---- a disk ------------------------------------------------------------- */

static void
read_inode(uint32_t n, const char *path, const struct stat *st)
{
	struct inode *i = &sim->inodes[n];
	int fd;

	if (!S_ISREG(st->st_mode) || st->st_size == 0)
		return;
	i->n = (size_t)st->st_size;
	i->bytes = mem_alloc(i->n);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	MUST(fd != -1);
	MUST(fs_read_exactly(&fs_real, fd, i->bytes, i->n, 0) == 0);
	close(fd);
}

static int
take_what_is_there(const char *path, const struct stat *st, int type,
    struct FTW *f)
{
	uint32_t known, dir;
	const char *name;

	(void)type;
	if (f->level == 0)
		return 0;
	known = inode_of(st);
	MUST(place_of(AT_FDCWD, path, &dir, &name));
	if (known == NONE) {
		known = inode_new(st);
		read_inode(known, path, st);
	}
	note_name(CREATE, known, dir, name);
	sim->changes[sim->nchanges - 1].durable = 0;
	return 0;
}

struct sim_disk *
sim_disk_new(const char *root)
{
	struct sim_disk *d = mem_alloc(sizeof(*d));
	struct stat st;

	MUST(sim == NULL || sim->stopped);
	sim = d;
	MUST(realpath(root, d->root) != NULL);
	MUST(stat(root, &st) == 0);
	d->dev = st.st_dev;
	inode_new(&st);
	MUST(nftw(d->root, take_what_is_there, 16, FTW_PHYS) == 0);
	d->nbase = d->nchanges;
	return d;
}

void
sim_disk_free(struct sim_disk **dp)
{
	struct sim_disk *d = *dp;
	size_t i;

	*dp = NULL;
	if (d == NULL)
		return;
	if (sim == d)
		sim = NULL;
	for (i = 0; i < d->ninodes; i++)
		free(d->inodes[i].bytes);
	for (i = 0; i < d->nchanges; i++) {
		free(d->changes[i].name);
		free(d->changes[i].from);
		free(d->changes[i].bytes);
	}
	free(d->inodes);
	free(d->changes);
	free(d);
}

void
sim_disk_stop(struct sim_disk *d)
{
	d->stopped = true;
}

void
sim_disk_names_with_files(struct sim_disk *d)
{
	d->names_with_files = true;
}

size_t
sim_disk_now(const struct sim_disk *d)
{
	return d->nchanges - d->nbase;
}

size_t
sim_disk_next_sync(const struct sim_disk *d, size_t at)
{
	for (at += d->nbase; at < d->nchanges; at++)
		if (d->changes[at].kind >= SYNC_DATA)
			break;
	return at - d->nbase;
}

const char *
sim_disk_change(const struct sim_disk *d, size_t at)
{
	static char text[2 * NAME_MAX + 100];
	const struct change *c;
	const char *name = "?";
	size_t i;

	at += d->nbase;
	if (at >= d->nchanges)
		return "the end";
	c = &d->changes[at];
	for (i = 0; c->name == NULL && i < at; i++)
		if (d->changes[i].name != NULL &&
		    d->changes[i].inode == c->inode)
			name = d->changes[i].name;
	snprintf(text, sizeof(text), "%s %s%s%s", kind_names[c->kind],
	    c->name != NULL ? c->name : name, c->from != NULL ? " from " : "",
	    c->from != NULL ? c->from : "");
	return text;
}

void
sim_disk_fail(struct sim_disk *d, enum sim_failure failure, size_t n,
    int error)
{
	d->failure = failure;
	d->fail_at = n;
	d->error = error;
	d->counted = 0;
	d->failed = false;
}

size_t
sim_disk_counted(const struct sim_disk *d)
{
	return d->counted;
}

bool
sim_disk_failed(const struct sim_disk *d)
{
	return d->failed;
}

void
sim_disk_leave_out(struct sim_disk *d, const char *call, const char *pattern)
{
	d->out_call = call;
	d->out_pattern = pattern;
}

size_t
sim_disk_left_out(const struct sim_disk *d)
{
	return d->left_out;
}

const char *
sim_because(const char *fmt, ...)
{
	static char why[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return why;
}

/* ---- what is left ------------------------------------------------------- */

/* splitmix64, public domain. */
uint64_t
sim_random(uint64_t *seed)
{
	uint64_t x = *seed += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

struct name {
	uint32_t	 dir;
	uint32_t	 inode;
	const char	*name;		/* borrowed; NULL: removed */
};

/* A file while it is put together. */
struct content {
	char		*bytes;		/* owned */
	size_t		 n;		/* there is memory for */
	size_t		 size;
	bool		*settled;	/* owned: sectors that stay as they are */
	size_t		 nsettled;
	struct timespec	 mtime;
	mode_t		 mode;
};

struct image {
	const struct sim_disk *d;
	struct content	*files;		/* for each inode */
	struct name	*names;
	size_t		 nnames;
	char		**made;		/* for each inode: its path, or NULL */
	uint64_t	 seed;
	bool		 power;
	/* Of 256: how likely it is that a change which nothing has made
	 * durable is there. */
	unsigned	 keep_data, keep_names, keep_sizes;
	bool		 stale;		/* old sectors show up */
};

static bool
keeps(struct image *m, unsigned of_256)
{
	return !m->power || sim_random(&m->seed) % 256 < of_256;
}

/* All, none, half, or any share. */
static unsigned
share(struct image *m)
{
	uint64_t r = sim_random(&m->seed);
	static const unsigned shares[] = { 0, 256, 128 };

	return r % 4 < 3 ? shares[r % 4] : (unsigned)(r >> 8) % 257;
}

static struct name *
find_name(struct image *m, uint32_t dir, const char *name)
{
	size_t i;

	for (i = m->nnames; i-- > 0;)
		if (m->names[i].name != NULL && m->names[i].dir == dir &&
		    strcmp(m->names[i].name, name) == 0)
			return &m->names[i];
	return NULL;
}

static void
set_name(struct image *m, uint32_t dir, const char *name, uint32_t inode)
{
	struct name *n = find_name(m, dir, name);

	if (n == NULL)
		n = &m->names[m->nnames++];
	*n = (struct name){ dir, inode, name };
}

static void
drop_name(struct image *m, uint32_t dir, const char *name, uint32_t inode)
{
	struct name *n = find_name(m, dir, name);

	if (n != NULL && n->inode == inode)
		n->name = NULL;
}

static void
reach(struct content *f, size_t n)
{
	if (n <= f->n)
		return;
	f->bytes = mem_realloc(f->bytes, n);
	memset(f->bytes + f->n, 0, n - f->n);
	f->n = n;
}

static void
settle(struct content *f, size_t sector)
{
	size_t n = sector + 64;

	if (sector >= f->nsettled) {
		f->settled = mem_regrow(f->settled, n, sizeof(bool));
		memset(f->settled + f->nsettled, 0, n - f->nsettled);
		f->nsettled = n;
	}
	f->settled[sector] = true;
}

static bool
is_settled(const struct content *f, size_t sector)
{
	return sector < f->nsettled && f->settled[sector];
}

/* What the disk had where a file has grown and its data are not there. */
static void
show_stale(struct image *m, struct content *f, size_t sector)
{
	size_t i, at = sector * SIM_SECTOR_BYTES;

	if (!m->stale || at < f->size || sim_random(&m->seed) % 2 == 0)
		return;
	reach(f, at + SIM_SECTOR_BYTES);
	for (i = 0; i < SIM_SECTOR_BYTES; i++)
		f->bytes[at + i] = (char)sim_random(&m->seed);
}

/*
 * A sector is as one of the writes has left it: once one is not there, those
 * after it are not either.  At most one more is there in part.
 */
static void
put_sector(struct image *m, struct content *f, const struct change *c,
    size_t from, size_t to, bool durable)
{
	size_t sector = from / SIM_SECTOR_BYTES, part;

	if (!durable && m->power) {
		if (is_settled(f, sector))
			return;
		if (!keeps(m, m->keep_data)) {
			settle(f, sector);
			part = 0;
			if (sim_random(&m->seed) % 4 == 0)
				part = sim_random(&m->seed) % (to - from);
			else
				show_stale(m, f, sector);
			to = from + part;
		}
	}
	if (to > from)
		memcpy(f->bytes + from, c->bytes + (from - (size_t)c->at),
		    to - from);
}

static void
put_write(struct image *m, const struct change *c, bool durable)
{
	struct content *f = &m->files[c->inode];
	size_t at = (size_t)c->at, end = at + c->n, next;
	size_t size = end > f->size ? end : f->size;

	reach(f, (end + SIM_SECTOR_BYTES - 1) / SIM_SECTOR_BYTES *
	    SIM_SECTOR_BYTES);
	for (; at < end; at = next) {
		next = (at / SIM_SECTOR_BYTES + 1) * SIM_SECTOR_BYTES;
		if (next > end)
			next = end;
		put_sector(m, f, c, at, next, durable);
	}
	if (durable || keeps(m, m->keep_sizes))
		f->size = size;
	else if (size > f->size && sim_random(&m->seed) % 4 == 0)
		f->size += sim_random(&m->seed) % (size - f->size);
}

static void
put_truncate(struct image *m, const struct change *c, bool durable)
{
	struct content *f = &m->files[c->inode];
	size_t size = (size_t)c->at;

	if (!durable && !keeps(m, m->keep_sizes))
		return;
	if (size < f->n)
		memset(f->bytes + size, 0, f->n - size);
	f->size = size;
}

static void
put_rename(struct image *m, const struct change *c, size_t at)
{
	bool there = c->durable < at || keeps(m, m->keep_names);
	bool gone = c->from_durable < at || c->dir == c->from_dir ||
	    keeps(m, 192);

	if (!there)
		return;
	if (gone)
		drop_name(m, c->from_dir, c->from, c->inode);
	set_name(m, c->dir, c->name, c->inode);
}

static void
put_change(struct image *m, const struct change *c, size_t at)
{
	struct content *f = &m->files[c->inode];
	bool durable = c->durable < at;

	switch (c->kind) {
	case CREATE:
		if (durable || keeps(m, m->keep_names))
			set_name(m, c->dir, c->name, c->inode);
		break;
	case UNLINK:
		if (durable || keeps(m, m->keep_names))
			drop_name(m, c->dir, c->name, c->inode);
		break;
	case RENAME:
		put_rename(m, c, at);
		break;
	case WRITE:
		put_write(m, c, durable);
		break;
	case TRUNCATE:
		put_truncate(m, c, durable);
		break;
	case TIMES:
		if (durable || keeps(m, 128))
			f->mtime = c->mtime;
		break;
	case MODE:
		if (durable || keeps(m, 128))
			f->mode = (f->mode & S_IFMT) | c->mode;
		break;
	case SYNC_DATA:
	case SYNC:
	case SYNCFS:
		break;
	}
}

/* Killed within a write, a process has made a part of it. */
static void
put_part(struct image *m, const struct change *c)
{
	struct change part = *c;

	if (m->power || c->kind != WRITE)
		return;
	part.n = sim_random(&m->seed) % (c->n + 1);
	if (part.n > 0)
		put_write(m, &part, true);
}

static void
make_file(struct image *m, uint32_t inode, const char *path)
{
	struct content *f = &m->files[inode];
	struct timespec t[2] = { { .tv_nsec = UTIME_OMIT }, f->mtime };
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	size_t at, n, end = f->n < f->size ? f->n : f->size;

	MUST(fd != -1);
	for (at = 0; at < end; at += n) {
		static const char zero[4096];

		n = end - at < sizeof(zero) ? end - at : sizeof(zero);
		if (memcmp(f->bytes + at, zero, n) == 0)
			continue;
		MUST(fs_pwrite(&fs_real, fd, slice_of(f->bytes + at, n),
		    (off_t)at) == 0);
	}
	MUST(ftruncate(fd, (off_t)f->size) == 0);
	MUST(fchmod(fd, f->mode & 07777) == 0);
	MUST(futimens(fd, t) == 0);
	close(fd);
}

/* A directory has one name: one that was found under two is one of them. */
static void
make_dir(struct image *m, uint32_t inode, const char *path)
{
	char sub[PATH_MAX];
	size_t i;

	m->made[inode] = mem_strdup(path);
	for (i = 0; i < m->nnames; i++) {
		const struct name *n = &m->names[i];

		if (n->name == NULL || n->dir != inode)
			continue;
		MUST(snprintf(sub, sizeof(sub), "%s/%s", path, n->name) <
		    (int)sizeof(sub));
		if (S_ISDIR(m->files[n->inode].mode)) {
			if (m->made[n->inode] != NULL)
				continue;
			MUST(mkdir(sub, m->files[n->inode].mode & 07777) == 0);
			make_dir(m, n->inode, sub);
		} else if (m->made[n->inode] != NULL)
			MUST(link(m->made[n->inode], sub) == 0);
		else {
			make_file(m, n->inode, sub);
			m->made[n->inode] = mem_strdup(sub);
		}
	}
}

static void
image_init(struct image *m, const struct sim_disk *d, bool power,
    uint64_t seed)
{
	uint32_t i;

	*m = (struct image){ .d = d, .power = power, .seed = seed };
	m->files = mem_array(d->ninodes, sizeof(*m->files));
	m->made = mem_array(d->ninodes, sizeof(*m->made));
	m->names = mem_array(d->nchanges + 1, sizeof(*m->names));
	m->keep_data = share(m);
	m->keep_names = share(m);
	m->keep_sizes = share(m);
	m->stale = sim_random(&m->seed) % 4 == 0;
	for (i = 0; i < d->ninodes; i++) {
		struct content *f = &m->files[i];

		f->mtime = d->inodes[i].mtime;
		f->mode = d->inodes[i].mode;
		reach(f, d->inodes[i].n);
		if (f->n > 0)
			memcpy(f->bytes, d->inodes[i].bytes, f->n);
		f->size = f->n;
	}
}

static void
image_clear(struct image *m)
{
	uint32_t i;

	for (i = 0; i < m->d->ninodes; i++) {
		free(m->files[i].bytes);
		free(m->files[i].settled);
		free(m->made[i]);
	}
	free(m->files);
	free(m->made);
	free(m->names);
}

void
sim_disk_restore(const struct sim_disk *d, const char *to, size_t at,
    enum sim_end end, uint64_t seed)
{
	struct image m;
	size_t i;

	at += d->nbase;
	assert(at <= d->nchanges);
	image_init(&m, d, end == SIM_POWER, seed);
	for (i = 0; i < at; i++)
		put_change(&m, &d->changes[i], i < d->nbase ? NEVER : at);
	if (at < d->nchanges)
		put_part(&m, &d->changes[at]);
	make_dir(&m, ROOT, to);
	image_clear(&m);
}

/* ---- directories -------------------------------------------------------- */

char *
sim_dir_new(const char *in)
{
	char path[PATH_MAX];

	MUST(snprintf(path, sizeof(path), "%s/sim_disk.XXXXXX", in) <
	    (int)sizeof(path));
	MUST(mkdtemp(path) != NULL);
	return mem_strdup(path);
}

void
sim_dir_remove(const char *path)
{
	test_remove(path);
}
