/* SPDX-License-Identifier: ISC */
/*
 * sqlite - see sqlite.h.
 *
 * The statement is prepared once and its parameter bound for each login: no
 * text of a client is ever part of a query.  After an error all is opened
 * anew, at most once a second.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "rows.h"
#include "sqlite.h"

#ifdef HAVE_SQLITE3
#include <sqlite3.h>

#define BUSY_MS		200
#define AGAIN_MS	1000

struct sqlite_source {
	char		*path;		/* owned */
	char		*query;		/* owned */
	sqlite3		*db;		/* owned; NULL: not open */
	sqlite3_stmt	*stmt;		/* owned */
	struct row_columns	 columns;
	int64_t		 again_ms;
	struct arena	 arena;		/* of the last answer */
};

static bool	 open_all(struct sqlite_source *);
static bool	 find_columns(struct sqlite_source *);
static void	 close_all(struct sqlite_source *);
static struct slice text_of(void *, int);

struct sqlite_source *
sqlite_source_new(const char *path, const char *query)
{
	struct sqlite_source *s = mem_alloc(sizeof(*s));

	s->path = mem_strdup(path);
	s->query = mem_strdup(query);
	s->arena = ARENA_INIT(ROWS_ARENA_BYTES);
	sqlite3_initialize();
	return s;
}

void
sqlite_source_free(struct sqlite_source **sp)
{
	struct sqlite_source *s = *sp;

	if (s == NULL)
		return;
	close_all(s);
	arena_clear(&s->arena);
	free(s->path);
	free(s->query);
	free(s);
	*sp = NULL;
}

static void
close_all(struct sqlite_source *s)
{
	sqlite3_finalize(s->stmt);
	sqlite3_close(s->db);
	s->stmt = NULL;
	s->db = NULL;
}

static bool
open_all(struct sqlite_source *s)
{
	int64_t now = clock_mono_ms();

	if (s->stmt != NULL)
		return true;
	if (now < s->again_ms)
		return false;
	s->again_ms = now + AGAIN_MS;
	if (sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READONLY |
	    SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK &&
	    sqlite3_busy_timeout(s->db, BUSY_MS) == SQLITE_OK &&
	    sqlite3_prepare_v2(s->db, s->query, -1, &s->stmt, NULL) ==
	    SQLITE_OK && s->stmt != NULL) {
		if (find_columns(s))
			return true;
	} else
		log_error("event=sqlite-failed path=%s reason=%s",
		    LOG_Q(slice_str(s->path)),
		    LOG_Q(slice_str(sqlite3_errmsg(s->db))));
	close_all(s);
	return false;
}

static bool
find_columns(struct sqlite_source *s)
{
	const char *name;
	int i;

	row_columns_init(&s->columns);
	for (i = 0; i < sqlite3_column_count(s->stmt); i++) {
		name = sqlite3_column_name(s->stmt, i);
		if (!row_columns_add(&s->columns, name, i)) {
			log_error("event=sqlite-failed path=%s column=%s "
			    "reason=\"not a column that means something\"",
			    LOG_Q(slice_str(s->path)),
			    LOG_Q(slice_str(name)));
			return false;
		}
	}
	if (s->columns.at[ROW_PASSWORD] != -1 &&
	    sqlite3_bind_parameter_index(s->stmt, ":login") == 1 &&
	    sqlite3_bind_parameter_count(s->stmt) == 1 &&
	    sqlite3_stmt_readonly(s->stmt))
		return true;
	log_error("event=sqlite-failed path=%s reason=\"the query needs a "
	    "column password and the one parameter :login, and changes "
	    "nothing\"", LOG_Q(slice_str(s->path)));
	return false;
}

int
sqlite_source_find(struct sqlite_source *s, struct slice login,
    struct account *v, size_t room)
{
	int n = 0, r;

	arena_clear(&s->arena);
	s->arena = ARENA_INIT(ROWS_ARENA_BYTES);
	if (!open_all(s))
		return -1;
	r = sqlite3_bind_text(s->stmt, 1, login.p, (int)login.n,
	    SQLITE_TRANSIENT);
	if (r == SQLITE_OK)
		r = SQLITE_ROW;
	while (r == SQLITE_ROW && (size_t)n < room) {
		r = sqlite3_step(s->stmt);
		if (r == SQLITE_ROW && row_take(&s->columns, text_of,
		    s, &s->arena, login, &v[n]))
			n++;
	}
	if (r != SQLITE_DONE && r != SQLITE_ROW) {
		log_error("event=sqlite-failed path=%s reason=%s",
		    LOG_Q(slice_str(s->path)),
		    LOG_Q(slice_str(sqlite3_errmsg(s->db))));
		close_all(s);
		return -1;
	}
	sqlite3_reset(s->stmt);
	sqlite3_clear_bindings(s->stmt);
	return n;
}

static struct slice
text_of(void *arg, int number)
{
	const struct sqlite_source *s = arg;
	const unsigned char *text = sqlite3_column_text(s->stmt, number);
	int n = sqlite3_column_bytes(s->stmt, number);

	return text == NULL || n <= 0 ? SLICE_EMPTY :
	    slice_of(text, (size_t)n);
}

#else	/* a build without it says so where it is asked for */

struct sqlite_source {
	char	none;
};

struct sqlite_source *
sqlite_source_new(const char *path, const char *query)
{
	(void)query;
	log_error("event=sqlite-failed path=%s reason=\"this build has no "
	    "SQLite (configure --with-sqlite)\"", LOG_Q(slice_str(path)));
	return mem_alloc(sizeof(struct sqlite_source));
}

void
sqlite_source_free(struct sqlite_source **sp)
{
	free(*sp);
	*sp = NULL;
}

int
sqlite_source_find(struct sqlite_source *s, struct slice login,
    struct account *v, size_t n)
{
	(void)s;
	(void)login;
	(void)v;
	(void)n;
	return -1;
}

#endif
