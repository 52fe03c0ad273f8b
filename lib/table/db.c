/* SPDX-License-Identifier: ISC */
/*
 * db - Berkeley DB files, read, and made from their text.
 *
 * Keys and values end in NUL, as Postfix writes them, so that its tools read
 * ours; both forms are read.  A reader sees a replaced file by table_refresh().
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef HAVE_DB5_3_DB_H
#include <db5.3/db.h>
#else
#include <db.h>
#endif

#include "base/file.h"
#include "base/mem.h"
#include "table/aliases.h"
#include "table/driver.h"
#include "table/lines.h"

#define READ_CACHE	(4 * 1024 * 1024)
#define WRITE_CACHE	(64 * 1024 * 1024)
#define PROGRESS_EVERY	10000

struct db_table {
	DB		*db;		/* owned, NULL before open */
	struct buf	 key;		/* with its NUL */
};

static int	 db_open(void *, const char *, DBTYPE, struct buf *);
static void	 quiet(const DB_ENV *, const char *, const char *);

static void *
db_begin(uint64_t max_entries)
{
	struct db_table *t = mem_alloc(sizeof(*t));

	(void)max_entries;
	buf_init(&t->key, TABLE_KEY_BYTES + 1);
	return t;
}

static void
db_free(void *v)
{
	struct db_table *t = v;

	if (t->db != NULL)
		t->db->close(t->db, DB_NOSYNC);
	buf_clear(&t->key);
	free(t);
}

/* The library's own messages would go to stderr; what matters is in the
 * result. */
static void
quiet(const DB_ENV *env, const char *prefix, const char *text)
{
	(void)env;
	(void)prefix;
	(void)text;
}

static int
db_open(void *v, const char *path, DBTYPE type, struct buf *why)
{
	struct db_table *t = v;
	int fd = file_open(path), r;

	/* Berkeley DB would wait for a FIFO's other end. */
	if (fd == -1) {
		buf_add_str(why, file_error(errno));
		return -1;
	}
	close(fd);
	r = db_create(&t->db, NULL, 0);
	if (r != 0) {
		t->db = NULL;
	} else {
		t->db->set_errcall(t->db, quiet);
		t->db->set_cachesize(t->db, 0, READ_CACHE, 1);
		/* postmap(1) truncates a database in place: a mapped page
		 * would then be a SIGBUS. */
		r = t->db->open(t->db, NULL, path, NULL, type,
		    DB_RDONLY | DB_NOMMAP, 0);
	}
	if (r == 0)
		return 0;
	buf_add_str(why, r == EINVAL ? type == DB_BTREE ?
	    "not a btree database; chasqui table make builds it" :
	    "not a hash database; chasqui table make builds it" :
	    db_strerror(r));
	return -1;
}

static int
btree_open(void *v, const char *path, struct buf *why)
{
	return db_open(v, path, DB_BTREE, why);
}

static int
hash_open(void *v, const char *path, struct buf *why)
{
	return db_open(v, path, DB_HASH, why);
}

/* The value goes to scratch, since the library's memory is reused. */
static enum table_result
db_find(void *v, struct slice key, struct table_hit *hit, struct buf *scratch,
    struct buf *why)
{
	struct db_table *t = v;
	size_t zero;
	int r = DB_NOTFOUND;

	buf_reset(&t->key);
	if (buf_add(&t->key, key) == -1 || buf_add_byte(&t->key, '\0') == -1)
		return TABLE_MISSING;
	for (zero = 1; zero <= 1 && r == DB_NOTFOUND; zero--) {
		DBT k = { .data = t->key.p }, value = { 0 };

		k.size = (u_int32_t)(key.n + zero);
		r = t->db->get(t->db, NULL, &k, &value, 0);
		if (r != 0)
			continue;
		buf_reset(scratch);
		if (buf_add(scratch, slice_of(value.data, value.size)) == -1) {
			buf_add_str(why, "a value is too long");
			return TABLE_ERROR;
		}
		if (scratch->n > 0 && scratch->p[scratch->n - 1] == '\0')
			scratch->n--;
		hit->value = buf_slice(scratch);
		hit->line = 0;
		return TABLE_FOUND;
	}
	if (r == DB_NOTFOUND)
		return TABLE_MISSING;
	buf_add_str(why, db_strerror(r));
	return TABLE_ERROR;
}

static uint64_t
db_entries(const void *v)
{
	(void)v;
	return 0;
}

const struct driver driver_btree = { "btree", true, db_begin, NULL, btree_open,
	db_find, db_entries, db_free };
const struct driver driver_hash = { "hash", true, db_begin, NULL, hash_open,
	db_find, db_entries, db_free };

void
db_paths(const char *path, struct buf *database, struct buf *text)
{
	struct slice s = slice_str(path);

	if (slice_ends_nocase(s, SLICE_LIT(".db")))
		s = slice_first(s, s.n - 3);
	buf_reset(database);
	buf_reset(text);
	buf_add(text, s);
	buf_add(database, s);
	buf_add_str(database, ".db");
}

/*
 * Making a database: text lines into PATH.db.new.PID, synced, renamed.
 */
struct maker {
	bool		 aliases;
	const char	*text;		/* paths */
	const char	*database;
	char		 fresh[PATH_MAX];
	DB		*db;
	uint64_t	 n;
	struct buf	 key;
	struct buf	*why;
	void		(*progress)(void *, uint64_t);
	void		*arg;
};

static int	 maker_fill(struct maker *, int fd);
static int	 maker_add(struct maker *, struct slice line, unsigned no);
static int	 maker_put(struct maker *, struct slice, struct slice,
		    unsigned no);
static int	 maker_finish(struct maker *, const struct stat *);
static int	 sync_directory(const char *path);

int64_t
table_make(const struct conf_table *ct, bool aliases,
    void (*progress)(void *, uint64_t), void *arg, struct buf *why)
{
	struct buf database = BUF_INIT(PATH_MAX), text = BUF_INIT(PATH_MAX);
	struct maker m = { .aliases = aliases, .why = why,
		.progress = progress, .arg = arg,
		.key = BUF_INIT(TABLE_KEY_BYTES + 1) };
	bool btree = strcmp(ct->type, "btree") == 0;
	struct stat st;
	int fd = -1, r = -1;

	if (!btree && strcmp(ct->type, "hash") != 0) {
		buf_printf(why, "table %s is of the type %s, which needs no "
		    "database", ct->name, ct->type);
		return -1;
	}
	db_paths(ct->path, &database, &text);
	m.text = buf_cstr(&text);
	m.database = buf_cstr(&database);
	fd = file_open(m.text);
	if (fd == -1 || fstat(fd, &st) == -1) {
		buf_printf(why, "%s: %s", m.text, file_error(errno));
		goto out;
	}
	if ((size_t)snprintf(m.fresh, sizeof(m.fresh), "%s.new.%d", m.database,
	    (int)getpid()) >= sizeof(m.fresh)) {
		buf_printf(why, "%s: the path is too long", m.text);
		goto out;
	}
	unlink(m.fresh);
	r = db_create(&m.db, NULL, 0);
	if (r == 0) {
		m.db->set_errcall(m.db, quiet);
		m.db->set_cachesize(m.db, 0, WRITE_CACHE, 1);
		/* A damaged page is an error, and not other answers. */
		r = m.db->set_flags(m.db, DB_CHKSUM);
	}
	if (r == 0)
		r = m.db->open(m.db, NULL, m.fresh, NULL,
		    btree ? DB_BTREE : DB_HASH, DB_CREATE | DB_EXCL, 0600);
	if (r != 0) {
		buf_printf(why, "%s: %s", m.fresh, db_strerror(r));
		r = -1;
		goto out;
	}
	r = maker_fill(&m, fd);
	if (r == 0)
		r = maker_finish(&m, &st);
out:
	if (m.db != NULL)
		m.db->close(m.db, DB_NOSYNC);
	if (r == -1 && m.fresh[0] != '\0')
		unlink(m.fresh);
	if (fd != -1)
		close(fd);
	buf_clear(&m.key);
	buf_clear(&database);
	buf_clear(&text);
	return r == -1 ? -1 : (int64_t)m.n;
}

static int
maker_fill(struct maker *m, int fd)
{
	struct lines lines;
	struct slice line;
	enum lines_next next;
	struct buf reason = BUF_INIT(1024);
	unsigned no;
	int r = 0;

	lines_open(&lines, fd);
	while (r == 0 &&
	    (next = lines_next(&lines, &line, &no, &reason)) != LINES_END) {
		if (next == LINES_BAD) {
			buf_printf(m->why, "%s:%u: %s", m->text, no,
			    buf_cstr(&reason));
			r = -1;
		} else {
			r = maker_add(m, line, no);
		}
		if (m->progress != NULL && m->n % PROGRESS_EVERY == 0)
			m->progress(m->arg, m->n);
	}
	lines_close(&lines);
	buf_clear(&reason);
	return r;
}

static int
maker_add(struct maker *m, struct slice line, unsigned no)
{
	struct arena arena = ARENA_INIT((size_t)4 * TABLE_LINE_BYTES);
	struct alias_target target;
	struct slice key, value, rest;
	const char *reason = "";
	enum parse parsed = PARSE_MORE;
	int r = -1;

	if (!m->aliases) {
		file_line_split(line, &key, &value);
	} else {
		parsed = alias_line(&arena, line, &key, &value, &reason);
		rest = value;
		while (parsed == PARSE_OK)
			parsed = alias_next(&arena, &rest, &target, &reason);
		if (parsed == PARSE_MORE && value.n == 0) {
			parsed = PARSE_BAD;
			reason = "no targets behind ':'";
		}
	}
	if (parsed == PARSE_BAD)
		buf_printf(m->why, "%s:%u: %s", m->text, no, reason);
	else if (key_fold(key, &m->key) == -1 || key.n > TABLE_KEY_BYTES)
		buf_printf(m->why, "%s:%u: the key is too long", m->text, no);
	else
		r = maker_put(m, buf_slice(&m->key), value, no);
	arena_clear(&arena);
	return r;
}

static int
maker_put(struct maker *m, struct slice key, struct slice value, unsigned no)
{
	struct buf text = BUF_INIT(TABLE_LINE_BYTES + 1);
	DBT k = { 0 }, v = { 0 };
	int r;

	buf_add_byte(&m->key, '\0');
	buf_add(&text, value);
	buf_add_byte(&text, '\0');
	k.data = m->key.p;
	k.size = (u_int32_t)key.n + 1;
	v.data = text.p;
	v.size = (u_int32_t)text.n;
	r = m->db->put(m->db, NULL, &k, &v, DB_NOOVERWRITE);
	buf_clear(&text);
	if (r == 0) {
		m->n++;
		return 0;
	}
	if (r == DB_KEYEXIST)
		buf_printf(m->why, "%s:%u: the key is there already", m->text,
		    no);
	else
		buf_printf(m->why, "%s: %s", m->fresh, db_strerror(r));
	return -1;
}

/* As readable as the text is, durable, then in place. */
static int
maker_finish(struct maker *m, const struct stat *text)
{
	int fd, r;

	r = m->db->close(m->db, 0);
	m->db = NULL;
	if (r != 0) {
		buf_printf(m->why, "%s: %s", m->fresh, db_strerror(r));
		return -1;
	}
	fd = open(m->fresh, O_RDWR | O_CLOEXEC);
	if (fd == -1)
		goto fail;
	/* Only root can give it away; the reader is told by the mode then. */
	if (fchown(fd, text->st_uid, text->st_gid) == -1 && errno != EPERM)
		goto fail;
	if (fchmod(fd, text->st_mode & 0666) == -1 || fsync(fd) == -1)
		goto fail;
	close(fd);
	fd = -1;
	if (rename(m->fresh, m->database) == -1 ||
	    sync_directory(m->database) == -1)
		goto fail;
	return 0;
fail:
	buf_printf(m->why, "%s: %s", m->database, strerror(errno));
	if (fd != -1)
		close(fd);
	return -1;
}

static int
sync_directory(const char *path)
{
	struct slice s = slice_str(path);
	char *dir;
	int fd, r;

	s = slice_first(s, slice_rfind(s, '/') < s.n ? slice_rfind(s, '/') + 1 :
	    0);
	dir = s.n == 0 ? mem_strdup(".") : mem_slicedup(s);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(dir);
	if (fd == -1)
		return -1;
	r = fsync(fd);
	close(fd);
	return r;
}

bool
table_has_aliases(const struct conf *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->alias_tables.n; i++)
		if (strcasecmp(c->alias_tables.v[i], name) == 0)
			return true;
	return false;
}

const struct conf_table *
table_conf(const struct conf *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->ntables; i++)
		if (strcasecmp(c->tables[i].name, name) == 0)
			return &c->tables[i];
	return NULL;
}
