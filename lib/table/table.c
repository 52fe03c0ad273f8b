/* SPDX-License-Identifier: ISC */
/* table - see table.h. */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "table/driver.h"
#include "table/lines.h"

#define LINES_A_STEP	20000	/* a few milliseconds */
#define SETTLE_MS	200	/* who writes a file in place gets this time */

/* What tells one state of a file from another. */
struct stamp {
	dev_t		 dev;
	ino_t		 ino;
	off_t		 size;
	struct timespec	 mtime;
	struct timespec	 ctime;
	uid_t		 uid;
	int		 error;		/* errno of stat(), or 0 */
};

struct table {
	char			*name;		/* owned, as all strings here */
	char			*conf_path;
	char			*path;		/* what is read */
	char			**entries;	/* inline */
	size_t			 nentries;
	uint64_t		 max_entries;
	const struct driver	*driver;
	void			*data;		/* in force, or NULL */
	struct stamp		 seen;		/* last one looked at whole */
	bool			 looked;
	struct buf		 why;		/* why data is NULL */
	struct buf		 key;		/* folded */
	struct buf		 scratch;	/* a value */
	/* The reading under way. */
	void			*next;		/* NULL: none */
	struct stamp		 next_stamp;
	int			 fd;
	struct lines		 lines;
};

static enum table_refresh	 begin(struct table *, struct stamp,
				    struct buf *);
static enum table_refresh	 refresh(struct table *, bool written,
				    struct buf *);
static enum table_refresh	 step(struct table *, struct buf *);
static enum table_refresh	 finish(struct table *);
static enum table_refresh	 fail(struct table *, unsigned line,
				    const char *reason, struct buf *);
static void			 abandon(struct table *);
static struct stamp		 stamp_of(const char *);
static struct stamp		 stamp_fd(int);
static bool			 same_stamp(struct stamp, struct stamp);
static bool			 is_being_written(struct stamp, struct stamp);

static const struct driver *const drivers[] = { &driver_inline, &driver_file,
	&driver_aliases, &driver_btree, &driver_hash, &driver_pcre,
	&driver_cidr };
#define NDRIVERS	(sizeof(drivers) / sizeof(drivers[0]))

static bool
is_db(const struct driver *d)
{
	return d->open != NULL;
}

struct table *
table_new(const struct conf_table *ct, uint64_t max_entries)
{
	struct table *t = mem_alloc(sizeof(*t));
	struct buf database = BUF_INIT(PATH_MAX), text = BUF_INIT(PATH_MAX);
	size_t i;

	t->driver = &driver_file;
	for (i = 0; i < NDRIVERS; i++)
		if (strcmp(drivers[i]->type, ct->type) == 0)
			t->driver = drivers[i];
	t->name = mem_strdup(ct->name);
	t->conf_path = mem_strdup(ct->path);
	db_paths(ct->path, &database, &text);
	t->path = mem_strdup(is_db(t->driver) ? buf_cstr(&database) : ct->path);
	buf_clear(&database);
	buf_clear(&text);
	t->entries = mem_array(ct->entries.n, sizeof(*t->entries));
	for (i = 0; i < ct->entries.n; i++)
		t->entries[t->nentries++] = mem_strdup(ct->entries.v[i]);
	t->max_entries = max_entries;
	buf_init(&t->why, 4096);
	buf_printf(&t->why, "%s: not read yet", t->path);
	buf_init(&t->key, TABLE_KEY_BYTES);
	buf_init(&t->scratch, TABLE_LINE_BYTES + 1);
	t->fd = -1;
	return t;
}

void
table_free(struct table **tp)
{
	struct table *t = *tp;
	size_t i;

	if (t == NULL)
		return;
	abandon(t);
	if (t->data != NULL)
		t->driver->free(t->data);
	for (i = 0; i < t->nentries; i++)
		free(t->entries[i]);
	free(t->entries);
	free(t->name);
	free(t->conf_path);
	free(t->path);
	buf_clear(&t->why);
	buf_clear(&t->key);
	buf_clear(&t->scratch);
	free(t);
	*tp = NULL;
}

const char *
table_name(const struct table *t)
{
	return t->name;
}

const char *
table_type(const struct table *t)
{
	return t->driver->type;
}

const char *
table_path(const struct table *t)
{
	return t->path;
}

uint64_t
table_entries(const struct table *t)
{
	return t->data == NULL ? 0 : t->driver->entries(t->data);
}

uint32_t
table_owner(const struct table *t)
{
	return t->seen.uid;
}

bool
table_is(const struct table *t, const struct conf_table *ct,
    uint64_t max_entries)
{
	size_t i;

	if (strcmp(t->name, ct->name) != 0 ||
	    strcmp(t->driver->type, ct->type) != 0 ||
	    strcmp(t->conf_path, ct->path) != 0 ||
	    t->max_entries != max_entries || t->nentries != ct->entries.n)
		return false;
	for (i = 0; i < t->nentries; i++)
		if (strcmp(t->entries[i], ct->entries.v[i]) != 0)
			return false;
	return true;
}

enum table_refresh
table_refresh(struct table *t, struct buf *why)
{
	return refresh(t, false, why);
}

enum table_refresh
table_refresh_written(struct table *t, struct buf *why)
{
	return refresh(t, true, why);
}

static enum table_refresh
refresh(struct table *t, bool written, struct buf *why)
{
	struct stamp now = { 0 };

	if (t->next != NULL)
		return step(t, why);
	if (t->driver != &driver_inline)
		now = stamp_of(t->path);
	if (t->looked && (same_stamp(now, t->seen) ||
	    (!written && is_being_written(now, t->seen))))
		return TABLE_SAME;
	return begin(t, now, why);
}

int
table_load(struct table *t, struct buf *why)
{
	enum table_refresh r;

	while ((r = table_refresh(t, why)) == TABLE_BUSY)
		;
	if (r == TABLE_BROKEN)
		return -1;
	if (t->data == NULL) {
		buf_add(why, buf_slice(&t->why));
		return -1;
	}
	return 0;
}

static enum table_refresh
begin(struct table *t, struct stamp now, struct buf *why)
{
	struct buf reason = BUF_INIT(1024);
	enum table_refresh r;
	size_t i;

	t->next_stamp = now;
	t->next = t->driver->begin(t->max_entries);
	if (now.error != 0) {
		r = fail(t, 0, strerror(now.error), why);
	} else if (t->driver == &driver_inline) {
		for (i = 0; i < t->nentries; i++)
			if (t->driver->line(t->next, slice_str(t->entries[i]),
			    0, &reason) == -1)
				break;
		r = i < t->nentries ? fail(t, 0, buf_cstr(&reason), why) :
		    finish(t);
	} else if (is_db(t->driver)) {
		r = t->driver->open(t->next, t->path, &reason) == 0 ?
		    finish(t) : fail(t, 0, buf_cstr(&reason), why);
	} else {
		t->fd = file_open(t->path);
		if (t->fd == -1) {
			r = fail(t, 0, file_error(errno), why);
		} else {
			t->next_stamp = stamp_fd(t->fd);
			lines_open(&t->lines, t->fd);
			r = step(t, why);
		}
	}
	buf_clear(&reason);
	return r;
}

static enum table_refresh
step(struct table *t, struct buf *why)
{
	struct buf reason = BUF_INIT(1024);
	enum table_refresh r = TABLE_BUSY;
	struct slice line;
	unsigned no = 0, i;

	for (i = 0; i < LINES_A_STEP && r == TABLE_BUSY; i++) {
		switch (lines_next(&t->lines, &line, &no, &reason)) {
		case LINES_OK:
			if (t->driver->line(t->next, line, no, &reason) == -1)
				r = fail(t, no, buf_cstr(&reason), why);
			break;
		case LINES_BAD:
			r = fail(t, no, buf_cstr(&reason), why);
			break;
		case LINES_END:
			/* Written to while it was read: what was read may be
			 * half of it.  The next look sees the new state. */
			if (!same_stamp(stamp_fd(t->fd), t->next_stamp)) {
				abandon(t);
				r = TABLE_SAME;
			} else {
				r = finish(t);
			}
			break;
		}
	}
	buf_clear(&reason);
	return r;
}

static enum table_refresh
finish(struct table *t)
{
	if (t->data != NULL)
		t->driver->free(t->data);
	t->data = t->next;
	t->next = NULL;
	t->seen = t->next_stamp;
	t->looked = true;
	abandon(t);
	return TABLE_CHANGED;
}

static enum table_refresh
fail(struct table *t, unsigned line, const char *reason, struct buf *why)
{
	struct buf text = BUF_INIT(4096);

	if (line > 0)
		buf_printf(&text, "%s:%u: %s", t->path, line, reason);
	else if (t->path[0] != '\0')
		buf_printf(&text, "%s: %s", t->path, reason);
	else
		buf_printf(&text, "table %s: %s", t->name, reason);
	buf_add(why, buf_slice(&text));
	buf_reset(&t->why);
	buf_add(&t->why, buf_slice(&text));
	buf_clear(&text);
	t->seen = t->next_stamp;
	t->looked = true;
	abandon(t);
	return TABLE_BROKEN;
}

static void
abandon(struct table *t)
{
	if (t->next != NULL)
		t->driver->free(t->next);
	t->next = NULL;
	if (t->fd != -1) {
		close(t->fd);
		lines_close(&t->lines);
	}
	t->fd = -1;
}

enum table_result
table_find(struct table *t, struct slice key, struct table_hit *hit,
    struct buf *why)
{
	struct table_hit found = { .value = SLICE_EMPTY };
	struct buf reason = BUF_INIT(1024);
	enum table_result r;

	if (t->data == NULL) {
		buf_add(why, buf_slice(&t->why));
		return TABLE_ERROR;
	}
	if (key.n > TABLE_KEY_BYTES)
		return TABLE_MISSING;
	if (t->driver->fold) {
		key_fold(key, &t->key);
		key = buf_slice(&t->key);
	}
	r = t->driver->find(t->data, key, &found, &t->scratch, &reason);
	if (r == TABLE_FOUND)
		*hit = found;
	else if (r == TABLE_ERROR)
		buf_printf(why, "%s: %s", t->path, buf_cstr(&reason));
	buf_clear(&reason);
	return r;
}

static struct stamp
make_stamp(const struct stat *st, int error)
{
	if (error != 0)
		return (struct stamp){ .error = error };
	if (!S_ISREG(st->st_mode))
		return (struct stamp){ .error = S_ISDIR(st->st_mode) ? EISDIR :
			EINVAL };
	return (struct stamp){ st->st_dev, st->st_ino, st->st_size,
		st->st_mtim, st->st_ctim, st->st_uid, 0 };
}

static struct stamp
stamp_of(const char *path)
{
	struct stat st;
	int error = stat(path, &st) == -1 ? errno : 0;

	return make_stamp(&st, error);
}

static struct stamp
stamp_fd(int fd)
{
	struct stat st;
	int error = fstat(fd, &st) == -1 ? errno : 0;

	return make_stamp(&st, error);
}

static bool
same_stamp(struct stamp a, struct stamp b)
{
	return a.error == b.error && a.dev == b.dev && a.ino == b.ino &&
	    a.size == b.size && a.mtime.tv_sec == b.mtime.tv_sec &&
	    a.mtime.tv_nsec == b.mtime.tv_nsec &&
	    a.ctime.tv_sec == b.ctime.tv_sec &&
	    a.ctime.tv_nsec == b.ctime.tv_nsec;
}

/* The same file, changed a moment ago: an editor or a shell may be about to
 * write the rest.  A new file in its place is taken as whole. */
static bool
is_being_written(struct stamp now, struct stamp seen)
{
	int64_t age = clock_wall_ms() -
	    ((int64_t)now.mtime.tv_sec * 1000 + now.mtime.tv_nsec / 1000000);

	return now.error == 0 && seen.error == 0 && now.ino == seen.ino &&
	    now.dev == seen.dev && age >= 0 && age < SETTLE_MS;
}
