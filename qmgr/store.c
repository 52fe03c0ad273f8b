/* SPDX-License-Identifier: ISC */
/* store - see store.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "record.h"
#include "store.h"

#define FILE_BYTES	(64 * 1024 * 1024)	/* the largest we read */

#define DEFERRED	STORE_DEFERRED
#define LARGE		STORE_LARGE
#define DELETED		STORE_DELETED
#define CORRUPT		"corrupt"
#define FOREIGN_BYTES	4096	/* names of a directory that are told */

#define RETRY_MS	1000

struct store {
	int		 dir;		/* borrowed */
	struct ev_loop	*loop;
	struct disk_lane *lane;
	TAILQ_HEAD(, change) failed;	/* to be tried again */
	struct ev_timer	 retry;
	bool		 broken;	/* a sync failed */
	struct ev_timer	 look;		/* whether it works again */
	struct store_wait looking;
	int64_t		 look_ms;	/* 0: never */
	void		(*healed)(void *);
	void		*healed_arg;
};

enum change_kind { APPEND, MTIME, UNLINK };

/* A change that is under way. */
struct change {
	TAILQ_ENTRY(change) link;	/* failed */
	struct disk_task task;
	struct store	*store;
	enum change_kind kind;
	const char	*dir;
	uint64_t	 id;
	uint64_t	 at;
	int64_t		 mtime;
	int		 error;
	bool		 told;
	struct buf	 bytes;
};

static void	 retry_failed(void *);
static void	 change_start(struct change *);
static void	 change_work(struct disk_task *);
static void	 change_done(struct disk_task *);
static int	 change_file(const struct change *);
static void	 barrier_work(struct disk_task *);
static void	 fence_work(struct disk_task *);
static void	 wait_done(struct disk_task *);
static void	 barrier_done(struct disk_task *);
static void	 look_again(void *);
static void	 looked(struct store_wait *, bool ok);
static void	 link_work(struct disk_task *);
static int	 link_file(struct linking *);
static void	 migrate_work(struct disk_task *);
static int	 migrate_file(struct migration *, int fd);
static void	 copy_aside_work(struct disk_task *);
static void	 load_work(struct disk_task *);
static bool	 has_directory(int dir, const struct load *);
static void	 large_work(struct disk_task *);
static void	 look_work(struct disk_task *);
static int	 read_head(struct load *, int fd, size_t size);
static void	 list_work(struct disk_task *);
static void	 list_failed(struct listing *);
static void	 list_one(struct listing *, const char *name);
static void	 list_foreign(struct listing *, const char *name);

#define OF_TASK(type, t)						\
	((struct type *)(void *)((char *)(t) - offsetof(struct type, task)))

struct store *
store_new(struct ev_loop *loop, int dir, struct disk_lane *lane)
{
	static const char *const tops[] = { DEFERRED, LARGE, DELETED };
	struct store *s;
	char name[32];
	struct stat st;
	size_t top;
	unsigned i;
	bool made;

	/* Made last: where it is, the others have been synced. */
	made = fs->fstatat(dir, CORRUPT, &st) == -1;
	for (top = 0; top < sizeof(tops) / sizeof(tops[0]); top++) {
		if (fs_make_dir(fs, dir, tops[top], 0700) == -1)
			return NULL;
		for (i = 0; i < STORE_DIRS; i++) {
			snprintf(name, sizeof(name), "%s/%02x", tops[top], i);
			if (fs->mkdirat(dir, name, 0700) == 0)
				made = true;
			else if (errno != EEXIST)
				return NULL;
		}
	}
	if ((made && fs->syncfs(dir) == -1) ||
	    fs_make_dir(fs, dir, CORRUPT, 0700) == -1)
		return NULL;
	s = mem_alloc(sizeof(*s));
	s->dir = dir;
	s->loop = loop;
	s->lane = lane;
	TAILQ_INIT(&s->failed);
	ev_timer_init(&s->retry, loop, retry_failed, s);
	ev_timer_init(&s->look, loop, look_again, s);
	return s;
}

void
store_free(struct store **sp)
{
	struct store *s = *sp;
	struct change *c;

	*sp = NULL;
	if (s == NULL)
		return;
	while ((c = TAILQ_FIRST(&s->failed)) != NULL) {
		TAILQ_REMOVE(&s->failed, c, link);
		buf_clear(&c->bytes);
		free(c);
	}
	ev_timer_clear(&s->retry);
	ev_timer_clear(&s->look);
	free(s);
}

struct store_name
store_name(const char *dir, uint64_t id)
{
	struct store_name n;

	snprintf(n.s, sizeof(n.s), "%s/%02x/%s", dir, store_dir_number(id),
	    queue_id_text(id).s);
	return n;
}

unsigned
store_dir_number(uint64_t id)
{
	return (unsigned)(id >> 10 & 0xff);
}

/* ---- changes ------------------------------------------------------------ */

static struct change *
change_new(struct store *s, enum change_kind kind, const char *dir,
    uint64_t id)
{
	struct change *c = mem_alloc(sizeof(*c));

	c->store = s;
	c->kind = kind;
	c->dir = dir;
	c->id = id;
	buf_init(&c->bytes, RECORD_BODY_BYTES + STORED_LOG_HEADER);
	return c;
}

static void
change_start(struct change *c)
{
	c->error = 0;
	c->task.work = change_work;
	c->task.done = change_done;
	disk_do(c->store->lane, &c->task);
}

size_t
store_append_bytes(size_t body)
{
	return STORED_LOG_HEADER + body;
}

void
store_append(struct store *s, uint64_t id, uint64_t at, uint16_t type,
    struct slice body, int64_t mtime)
{
	struct change *c = change_new(s, APPEND, DEFERRED, id);

	c->at = at;
	c->mtime = mtime;
	stored_put_record(&c->bytes, type, body);
	change_start(c);
}

void
store_mtime(struct store *s, uint64_t id, int64_t mtime)
{
	struct change *c = change_new(s, MTIME, DEFERRED, id);

	c->mtime = mtime;
	change_start(c);
}

void
store_unlink(struct store *s, uint64_t id)
{
	change_start(change_new(s, UNLINK, DEFERRED, id));
}

void
store_unlink_large(struct store *s, uint64_t id)
{
	change_start(change_new(s, UNLINK, LARGE, id));
}

void
store_unlink_deleted(struct store *s, uint64_t id)
{
	change_start(change_new(s, UNLINK, DELETED, id));
}

static void
change_work(struct disk_task *t)
{
	struct change *c = OF_TASK(change, t);

	if (change_file(c) == -1)
		c->error = errno == 0 ? EIO : errno;
	/* A file that is gone has been removed meanwhile, by a message's end
	 * or by hand: there is nothing to keep in it. */
	if (c->error == ENOENT)
		c->error = 0;
}

static int
change_file(const struct change *c)
{
	struct store_name name = store_name(c->dir, c->id);
	int fd, r = 0, error;

	if (c->kind == UNLINK)
		return fs->unlinkat(c->store->dir, name.s, 0);
	fd = fs_open(fs, c->store->dir, name.s, O_WRONLY, 0);
	if (fd == -1)
		return -1;
	if (c->kind == APPEND)
		r = fs_pwrite(fs, fd, buf_slice(&c->bytes), (off_t)c->at);
	if (r == 0)
		r = fs_set_mtime(fs, fd, c->mtime);
	error = errno;
	fs->close(fd);
	errno = error;
	return r;
}

/* What failed is asked for again, and until it is done no barrier succeeds:
 * the file is shorter than it should be, but the journal still knows. */
static void
change_done(struct disk_task *t)
{
	struct change *c = OF_TASK(change, t);
	struct store *s = c->store;

	if (c->error == 0) {
		buf_clear(&c->bytes);
		free(c);
		return;
	}
	if (!c->told)
		log_error("id=%s event=file-change-failed error=%s",
		    queue_id_text(c->id).s,
		    LOG_Q(slice_str(strerror(c->error))));
	c->told = true;
	TAILQ_INSERT_TAIL(&s->failed, c, link);
	if (!ev_timer_is_set(&s->retry))
		ev_timer_set(&s->retry, RETRY_MS);
}

static void
retry_failed(void *arg)
{
	struct store *s = arg;
	TAILQ_HEAD(, change) again = TAILQ_HEAD_INITIALIZER(again);
	struct change *c;

	TAILQ_CONCAT(&again, &s->failed, link);
	while ((c = TAILQ_FIRST(&again)) != NULL) {
		TAILQ_REMOVE(&again, c, link);
		change_start(c);
	}
}

/* ---- barrier ------------------------------------------------------------ */

static void
wait_start(struct store *s, struct store_wait *w,
    void (*work)(struct disk_task *), void (*done)(struct disk_task *))
{
	w->store = s;
	w->ok = false;
	w->task.work = work;
	w->task.done = done;
	disk_do(s->lane, &w->task);
}

static void
wait_done(struct disk_task *t)
{
	struct store_wait *w = OF_TASK(store_wait, t);

	w->fn(w, w->ok);
}

static void
barrier_done(struct disk_task *t)
{
	struct store_wait *w = OF_TASK(store_wait, t);
	struct store *s = w->store;

	if (!w->ok && !s->broken) {
		log_error("event=sync-failed what=\"files of the queue\" "
		    "remedy=\"see to the disk; qmgr starts anew when it "
		    "works\"");
		s->broken = true;
		if (s->healed != NULL)
			ev_timer_set(&s->look, s->look_ms);
	}
	w->fn(w, w->ok && !s->broken && TAILQ_EMPTY(&s->failed));
}

void
store_on_healed(struct store *s, int64_t ms, void (*healed)(void *), void *arg)
{
	s->look_ms = ms;
	s->healed = healed;
	s->healed_arg = arg;
}

static void
look_again(void *arg)
{
	struct store *s = arg;

	s->looking.fn = looked;
	wait_start(s, &s->looking, barrier_work, wait_done);
}

static void
looked(struct store_wait *w, bool ok)
{
	struct store *s = w->store;

	ev_timer_set(&s->look, s->look_ms);
	if (!ok)
		return;
	log_warn("event=sync-works what=\"files of the queue\"");
	s->healed(s->healed_arg);
}

void
store_barrier(struct store *s, struct store_wait *w)
{
	wait_start(s, w, barrier_work, barrier_done);
}

void
store_fence(struct store *s, struct store_wait *w)
{
	wait_start(s, w, fence_work, wait_done);
}

static void
fence_work(struct disk_task *t)
{
	OF_TASK(store_wait, t)->ok = true;
}

static void
barrier_work(struct disk_task *t)
{
	struct store_wait *w = OF_TASK(store_wait, t);

	w->ok = fs->syncfs(w->store->dir) == 0;
}

/* ---- from one directory to another -------------------------------------- */

void
store_link(struct store *s, struct linking *l)
{
	wait_start(s, &l->wait, link_work, wait_done);
}

static void
link_work(struct disk_task *t)
{
	struct linking *l = (struct linking *)(void *)OF_TASK(store_wait, t);

	l->wait.ok = link_file(l) == 0;
	l->error = l->wait.ok ? 0 : errno;
}

/* A name that a crash has left there is the same message's. */
static int
link_file(struct linking *l)
{
	struct store_name from = store_name(l->from, l->id);
	struct store_name to = store_name(l->to, l->id);
	int dir = l->wait.store->dir, fd, r = -1;
	struct stat st;

	fd = fs_open(fs, dir, from.s, O_WRONLY, 0);
	if (fd == -1)
		return -1;
	if (fs->fstat(fd, &st) == 0 && fs_set_mtime(fs, fd, l->mtime) == 0 &&
	    (fs->linkat(dir, from.s, dir, to.s) == 0 || (errno == EEXIST &&
	    fs->unlinkat(dir, to.s, 0) == 0 &&
	    fs->linkat(dir, from.s, dir, to.s) == 0))) {
		l->size = (uint64_t)st.st_size;
		r = 0;
	}
	fs_close(fs, fd);
	return r;
}

/* ---- migration ---------------------------------------------------------- */

void
migration_init(struct migration *m, const struct entry *e)
{
	memset(m, 0, sizeof(*m));
	m->dir = DEFERRED;
	m->id = e->id;
	m->n = e->content_n;
	m->mtime = e->held ? HELD_MTIME_S * 1000 : e->next_ms;
	buf_init(&m->head, SIZE_MAX / 2);
	stored_pack(&m->head, e);
	m->size = m->head.n + m->n;
}

void
store_migrate(struct store *s, struct migration *m)
{
	wait_start(s, &m->wait, migrate_work, wait_done);
}

static void
migrate_work(struct disk_task *t)
{
	struct migration *m =
	    (struct migration *)(void *)OF_TASK(store_wait, t);
	struct store_name name = store_name(m->dir, m->id);
	int fd = fs_open(fs, m->wait.store->dir, name.s,
	    O_WRONLY | O_CREAT | O_TRUNC, 0600);

	m->wait.ok = fd != -1 && migrate_file(m, fd) == 0;
	m->error = m->wait.ok ? 0 : errno;
	if (fd != -1)
		fs->close(fd);
	if (!m->wait.ok && fd != -1)
		fs->unlinkat(m->wait.store->dir, name.s, 0);
}

static int
migrate_file(struct migration *m, int fd)
{
	char *copy = NULL;
	const char *content;
	int r = -1;

	if (m->content != NULL)
		content = m->content->bytes;
	else {
		content = copy = mem_realloc(NULL, m->n);
		if (segment_read(m->segment, copy, m->n, m->at) == -1)
			goto out;
	}
	stored_seal(&m->head, slice_of(content, m->n));
	if (fs_pwrite(fs, fd, buf_slice(&m->head), 0) == 0 &&
	    fs_pwrite(fs, fd, slice_of(content, m->n),
	    (off_t)m->head.n) == 0 && fs_set_mtime(fs, fd, m->mtime) == 0)
		r = 0;
out:
	free(copy);
	return r;
}

/* ---- a copy aside ------------------------------------------------------- */

void
store_copy_aside(struct store *s, struct migration *m)
{
	wait_start(s, &m->wait, copy_aside_work, wait_done);
}

static void
copy_aside_work(struct disk_task *t)
{
	struct migration *m =
	    (struct migration *)(void *)OF_TASK(store_wait, t);
	int dir = m->wait.store->dir;
	struct store_name large = store_name(LARGE, m->id);
	char to[64];
	int fd;

	snprintf(to, sizeof(to), "%s/%s", CORRUPT, queue_id_text(m->id).s);
	fd = fs_open(fs, dir, to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	m->wait.ok = fd != -1 && migrate_file(m, fd) == 0;
	m->error = errno;
	if (fd != -1)
		fs->close(fd);
	snprintf(to, sizeof(to), "%s/%s.content", CORRUPT,
	    queue_id_text(m->id).s);
	if (m->wait.ok && store_copy_file(dir, large.s, to) == -1 &&
	    errno != ENOENT) {
		m->error = errno;
		m->wait.ok = false;
	}
}

int
store_copy_file(int dir, const char *from, const char *to)
{
	char *bytes = mem_realloc(NULL, 65536);
	int in = fs_open(fs, dir, from, O_RDONLY, 0);
	int out = in == -1 ? -1 :
	    fs_open(fs, dir, to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	int error = errno;
	off_t at = 0;
	ssize_t n = -1;

	while (out != -1 && (n = fs->pread(in, bytes, 65536, at)) > 0) {
		if (fs_pwrite(fs, out, slice_of(bytes, (size_t)n), at) == -1) {
			n = -1;
			break;
		}
		at += n;
	}
	if (out != -1) {
		error = errno;
		fs->close(out);
	}
	if (in != -1)
		fs->close(in);
	free(bytes);
	errno = error;
	return n == 0 ? 0 : -1;
}

/* ---- reading ------------------------------------------------------------ */

void
store_load(struct store *s, struct load *l)
{
	wait_start(s, &l->wait, load_work, wait_done);
}

static void
load_work(struct disk_task *t)
{
	struct load *l = (struct load *)(void *)OF_TASK(store_wait, t);
	int dir = l->wait.store->dir;

	l->wait.ok = store_read(dir, l) == 0;
	if (!l->wait.ok && l->error == ENOENT && !has_directory(dir, l))
		l->error = ENOTDIR;
}

/* Without it nothing is known of the file, which may come back with it. */
static bool
has_directory(int dir, const struct load *l)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%02x", l->dir == NULL ? DEFERRED :
	    l->dir, store_dir_number(l->id));
	return fs->fstatat(dir, path, &st) == 0;
}

int
store_read(int dir, struct load *l)
{
	struct store_name name = store_name(l->dir == NULL ? DEFERRED :
	    l->dir, l->id);
	struct stat st;
	int fd, r = -1;

	buf_init(&l->bytes, FILE_BYTES);
	fd = fs_open(fs, dir, name.s, O_RDONLY, 0);
	if (fd == -1 || fs->fstat(fd, &st) == -1)
		goto out;
	l->mtime = (int64_t)st.st_mtim.tv_sec * 1000 +
	    st.st_mtim.tv_nsec / 1000000;
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_BYTES) {
		errno = EFBIG;
		goto out;
	}
	r = read_head(l, fd, (size_t)st.st_size);
out:
	l->error = r == 0 ? 0 : errno;
	if (fd != -1)
		fs->close(fd);
	return r;
}

/* Content is in the middle; without it what stands before and behind it is
 * put together. */
static int
read_head(struct load *l, int fd, size_t size)
{
	size_t before = size, skip = 0, n;
	char head[STORED_HEAD_BYTES];
	char *to;

	if (l->head_only && size >= sizeof(head)) {
		if (fs_read_exactly(fs, fd, head, sizeof(head), 0) == -1)
			return -1;
		stored_find_content(head, size, &before, &skip);
	}
	n = size - skip;
	to = buf_reserve(&l->bytes, n);
	if (to == NULL || fs_read_exactly(fs, fd, to, before, 0) == -1 ||
	    fs_read_exactly(fs, fd, to + before, n - before,
	    (off_t)(before + skip)) == -1)
		return -1;
	l->bytes.n = n;
	return 0;
}

/* ---- large content ------------------------------------------------------ */

int
store_large_create(struct store *s, uint64_t id)
{
	return fs_open(fs, s->dir, store_name(LARGE, id).s,
	    O_WRONLY | O_CREAT | O_EXCL | O_APPEND, 0600);
}

int
store_large_open(struct store *s, uint64_t id, uint64_t size)
{
	int fd = fs_open(fs, s->dir, store_name(LARGE, id).s, O_RDONLY, 0);
	struct stat st;

	if (fd == -1)
		return -1;
	if (fs->fstat(fd, &st) == 0 && (uint64_t)st.st_size == size)
		return fd;
	fs->close(fd);
	errno = EIO;
	return -1;
}

void
store_large_sync(struct store *s, struct large_sync *l)
{
	wait_start(s, &l->wait, large_work, wait_done);
}

/* The file and the entry of its directory. */
static void
large_work(struct disk_task *t)
{
	struct large_sync *l = (struct large_sync *)(void *)OF_TASK(store_wait,
	    t);
	struct store *s = l->wait.store;
	struct store_name name = store_name(LARGE, l->id);
	char dir[16];
	struct stat st;
	int fd = fs_open(fs, s->dir, name.s, O_RDONLY, 0), dfd;

	snprintf(dir, sizeof(dir), "%s/%02x", LARGE, store_dir_number(l->id));
	dfd = fs_open(fs, s->dir, dir, O_RDONLY | O_DIRECTORY, 0);
	if (fd == -1 || dfd == -1 || fs->fstat(fd, &st) == -1)
		l->error = errno;
	else if (st.st_size < 0 || (uint64_t)st.st_size != l->size)
		l->error = EMSGSIZE;
	else if (fs->fdatasync(fd) == -1 || fs->fsync(dfd) == -1)
		l->error = errno;
	else
		l->wait.ok = true;
	if (fd != -1)
		fs->close(fd);
	if (dfd != -1)
		fs->close(dfd);
}

int
store_large_read(int dir, uint64_t id, uint64_t size, uint32_t crc)
{
	int fd = fs_open(fs, dir, store_name(LARGE, id).s, O_RDONLY, 0);
	char *bytes = mem_realloc(NULL, 65536);
	struct stat st;
	uint32_t seen = 0;
	uint64_t at = 0;
	size_t n;
	int r = fd == -1 ? -1 : fs->fstat(fd, &st);

	if (r == 0 && (uint64_t)st.st_size != size) {
		errno = EBADMSG;
		r = -1;
	}
	for (; r == 0 && crc != 0 && at < size; at += n) {
		n = size - at < 65536 ? (size_t)(size - at) : 65536;
		r = fs_read_exactly(fs, fd, bytes, n, (off_t)at);
		seen = crc32c(seen, slice_of(bytes, n));
	}
	if (r == 0 && crc != 0 && seen != crc) {
		errno = EBADMSG;
		r = -1;
	}
	fs_close(fs, fd);
	free(bytes);
	return r;
}

void
store_large_look(struct store *s, struct large_look *l)
{
	wait_start(s, &l->wait, look_work, wait_done);
}

static void
look_work(struct disk_task *t)
{
	struct large_look *l = (struct large_look *)(void *)OF_TASK(store_wait,
	    t);

	l->wait.ok = store_large_read(l->wait.store->dir, l->id, l->size,
	    l->crc) == 0;
	l->error = l->wait.ok ? 0 : errno;
}

/* ---- what is damaged, what is there ------------------------------------- */

struct store_name
store_aside_name(int dir, const char *name)
{
	struct store_name to;
	struct stat st;
	unsigned i;

	snprintf(to.s, sizeof(to.s), CORRUPT "/%s", name);
	for (i = 1; fs->fstatat(dir, to.s, &st) == 0; i++)
		snprintf(to.s, sizeof(to.s), CORRUPT "/%s.%u", name, i);
	return to;
}

int
store_put_aside(int dir, const char *path, const char *name,
    struct store_name *to_r)
{
	*to_r = store_aside_name(dir, name);
	return fs->renameat(dir, path, dir, to_r->s);
}

void
store_set_aside(struct store *s, const char *dir, uint64_t id)
{
	struct store_name to;

	if (store_put_aside(s->dir, store_name(dir, id).s,
	    queue_id_text(id).s, &to) == -1)
		log_error("id=%s event=not-set-aside error=%s",
		    queue_id_text(id).s, LOG_Q(slice_str(strerror(errno))));
	else
		log_error("id=%s event=set-aside file=%s", queue_id_text(id).s,
		    to.s);
}

int
store_save_damage(int dir, const struct journal_damage *d)
{
	char path[64], *bytes = mem_realloc(NULL, 65536);
	uint64_t at, n, from = d->from, to = d->to;
	int fd = d->fd, out, r = -1;

	snprintf(path, sizeof(path), "%s/journal-%s-%llx-%llx", CORRUPT,
	    d->name, (unsigned long long)d->generation,
	    (unsigned long long)from);
	/* A start that was cut short may have left a part. */
	out = fs_open(fs, dir, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	for (at = from; out != -1 && at < to; at += n) {
		n = to - at < 65536 ? to - at : 65536;
		if (fs_read_exactly(fs, fd, bytes, (size_t)n,
		    (off_t)at) == -1 ||
		    fs_pwrite(fs, out, slice_of(bytes, (size_t)n),
		    (off_t)(at - from)) == -1)
			break;
	}
	if (out != -1) {
		r = at >= to && fs->fsync(out) == 0 ? 0 : -1;
		fs->close(out);
	}
	free(bytes);
	log_error("event=journal-damaged segment=%s from=%llu to=%llu saved=%s",
	    d->name, (unsigned long long)from, (unsigned long long)to,
	    r == 0 ? path : "no");
	return r;
}

int
store_save_changes(int dir, uint64_t id, struct slice changes)
{
	char path[64];
	int fd, r = -1;

	snprintf(path, sizeof(path), "%s/%s" STORE_CHANGES, CORRUPT,
	    queue_id_text(id).s);
	fd = fs_open(fs, dir, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd == -1)
		return -1;
	if (fs_pwrite(fs, fd, changes, 0) == 0 && fs->fsync(fd) == 0)
		r = 0;
	fs->close(fd);
	return r;
}

static void
walk_one(int top, const char *dir,
    void (*found)(void *, uint64_t, const struct stat *),
    void (*unlisted)(void *, const char *), void *arg)
{
	struct dirent *e;
	struct stat st;
	char path[64];
	uint64_t id;
	DIR *d = fs_list(fs, top, dir, O_NOFOLLOW);

	if (d == NULL)
		unlisted(arg, dir);
	while (d != NULL && (e = readdir(d)) != NULL) {
		if (!queue_id_parse(slice_str(e->d_name), &id)) {
			if (e->d_name[0] != '.')
				log_warn("event=foreign-file dir=%s name=%s",
				    dir, LOG_Q(slice_str(e->d_name)));
			continue;
		}
		snprintf(path, sizeof(path), "%s/%s", dir,
		    queue_id_text(id).s);
		if (fs->fstatat(top, path, &st) == 0)
			found(arg, id, &st);
	}
	if (d != NULL)
		closedir(d);
}

void
store_walk(int top, const char *dir,
    void (*found)(void *, uint64_t, const struct stat *),
    void (*unlisted)(void *, const char *), void *arg)
{
	char path[32];
	unsigned i;

	for (i = 0; i < STORE_DIRS; i++) {
		snprintf(path, sizeof(path), "%s/%02x", dir, i);
		walk_one(top, path, found, unlisted, arg);
	}
}

void
store_walk_next(struct store *s, struct listing *l)
{
	wait_start(s, &l->wait, list_work, wait_done);
}

static void
list_work(struct disk_task *t)
{
	struct listing *l = (struct listing *)(void *)OF_TASK(store_wait, t);
	struct dirent *e;
	char name[16];
	DIR *d;

	l->n = 0;
	buf_clear(&l->foreign);
	buf_init(&l->foreign, FOREIGN_BYTES);
	snprintf(name, sizeof(name), "%s/%02x", l->dir, l->number);
	d = fs_list(fs, l->wait.store->dir, name, O_NOFOLLOW);
	l->error = errno;
	l->wait.ok = d != NULL;
	while (d != NULL && (errno = 0, e = readdir(d)) != NULL)
		list_one(l, e->d_name);
	if (d != NULL && errno != 0)
		list_failed(l);
	if (d != NULL)
		closedir(d);
}

static void
list_failed(struct listing *l)
{
	l->error = errno;
	l->wait.ok = false;
}

static void
list_one(struct listing *l, const char *name)
{
	struct stat st;
	uint64_t id;

	if (!queue_id_parse(slice_str(name), &id) ||
	    store_dir_number(id) != l->number) {
		list_foreign(l, name);
		return;
	}
	if (fs->fstatat(l->wait.store->dir, store_name(l->dir, id).s,
	    &st) == -1) {
		if (errno != ENOENT)	/* it was removed meanwhile */
			list_failed(l);
		return;
	}
	if (!S_ISREG(st.st_mode)) {
		list_foreign(l, name);
		return;
	}
	l->files = mem_room(l->files, l->n, &l->cap, sizeof(*l->files), 64);
	l->files[l->n++] = (struct listed){ id,
		(int64_t)st.st_mtim.tv_sec * 1000 +
		st.st_mtim.tv_nsec / 1000000, (uint64_t)st.st_size };
}

static void
list_foreign(struct listing *l, const char *name)
{
	if (name[0] != '.')
		buf_add(&l->foreign, slice_of(name, strlen(name) + 1));
}

void
listing_clear(struct listing *l)
{
	buf_clear(&l->foreign);
	free(l->files);
	l->files = NULL;
	l->n = l->cap = 0;
}
