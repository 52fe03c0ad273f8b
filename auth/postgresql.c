/* SPDX-License-Identifier: ISC */
/*
 * postgresql - see postgresql.h.
 *
 * The statement is prepared once for a connection, and a login is its
 * parameter: no text of a client is ever part of a query.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ipc/auth_client.h"
#include "postgresql.h"
#include "rows.h"

#ifdef HAVE_POSTGRESQL
#include <libpq-fe.h>

#define STATEMENT	"chasqui"
#define WAIT_FIRST_MS	1000
#define WAIT_MAX_MS	10000

enum parameter { HOST, PORT, DATABASE, USER, PASSWORD_FILE, OPTIONS,
	APPLICATION, ENCODING, NO_TLS, NO_GSS, PARAMETERS };

static const char *const parameter_names[PARAMETERS + 1] = { "host", "port",
	"dbname", "user", "passfile", "options", "application_name",
	"client_encoding", "sslmode", "gssencmode", NULL };

struct postgresql_source {
	char		*values[PARAMETERS + 1];	/* owned */
	char		*query;		/* owned */
	int64_t		 timeout_ms;
	PGconn		*db;		/* owned; NULL: not connected */
	struct row_columns columns;
	int64_t		 deadline_ms;	/* of what is under way */
	int64_t		 again_ms, wait_ms;	/* after a failure */
	struct arena	 arena;		/* of the last answer */
};

static bool	 open_all(struct postgresql_source *);
static bool	 connect_by(struct postgresql_source *);
static bool	 prepare(struct postgresql_source *);
static bool	 find_columns(struct postgresql_source *);
static int	 ask(struct postgresql_source *, struct slice login,
		    struct account *v, size_t room);
static int	 take_rows(struct postgresql_source *, struct slice login,
		    struct account *v, size_t room);
static bool	 wait_for(struct postgresql_source *, short events);
static PGresult	*next_result(struct postgresql_source *);
static bool	 command_is_done(struct postgresql_source *,
		    PGresult **last_r);
static struct slice text_of(void *, int);
static void	 failed(struct postgresql_source *, const char *why);
static void	 close_all(struct postgresql_source *);
static void	 be_quiet(void *, const char *);

struct postgresql_source *
postgresql_source_new(const struct conf *c)
{
	struct postgresql_source *s = mem_alloc(sizeof(*s));
	char port[24], options[128];
	const char *file = c->auth_postgresql_password_file;

	snprintf(port, sizeof(port), "%llu",
	    (unsigned long long)c->auth_postgresql_port);
	snprintf(options, sizeof(options),
	    "-c default_transaction_read_only=on "
	    "-c statement_timeout=%lld",
	    (long long)c->auth_postgresql_timeout);
	s->values[HOST] = mem_strdup(c->auth_postgresql_socket);
	s->values[PORT] = mem_strdup(port);
	s->values[DATABASE] = mem_strdup(c->auth_postgresql_database);
	s->values[USER] = mem_strdup(c->auth_postgresql_user);
	/* Empty, the library would look for a home directory. */
	s->values[PASSWORD_FILE] = mem_strdup(file[0] != '\0' ? file :
	    "/nonexistent");
	s->values[OPTIONS] = mem_strdup(options);
	s->values[APPLICATION] = mem_strdup("chasqui");
	s->values[ENCODING] = mem_strdup("UTF8");
	s->values[NO_TLS] = mem_strdup("disable");
	s->values[NO_GSS] = mem_strdup("disable");
	s->query = mem_strdup(c->auth_postgresql_query);
	s->timeout_ms = c->auth_postgresql_timeout;
	s->wait_ms = WAIT_FIRST_MS;
	s->arena = ARENA_INIT(ROWS_ARENA_BYTES);
	return s;
}

void
postgresql_source_free(struct postgresql_source **sp)
{
	struct postgresql_source *s = *sp;
	int i;

	if (s == NULL)
		return;
	close_all(s);
	arena_clear(&s->arena);
	for (i = 0; i < PARAMETERS; i++)
		free(s->values[i]);
	free(s->query);
	free(s);
	*sp = NULL;
}

/* A connection that was there may have ended since (the server's restart);
 * that is seen only now, and is no failure yet. */
int
postgresql_source_find(struct postgresql_source *s, struct slice login,
    struct account *v, size_t room)
{
	bool had = s->db != NULL;
	int n;

	arena_clear(&s->arena);
	s->arena = ARENA_INIT(ROWS_ARENA_BYTES);
	if (login.n == 0 || login.n > LOGIN_BYTES ||
	    memchr(login.p, '\0', login.n) != NULL)
		return 0;
	s->deadline_ms = clock_mono_ms() + s->timeout_ms;
	n = open_all(s) ? ask(s, login, v, room) : -1;
	if (n == -1 && had && s->db != NULL &&
	    PQstatus(s->db) == CONNECTION_BAD) {
		close_all(s);
		n = open_all(s) ? ask(s, login, v, room) : -1;
	}
	if (n >= 0)
		s->wait_ms = WAIT_FIRST_MS;
	else if (s->db != NULL)
		failed(s, PQerrorMessage(s->db));
	return n;
}

static void
close_all(struct postgresql_source *s)
{
	PQfinish(s->db);
	s->db = NULL;
}

/* Until again_ms nobody is asked: whoever waits for a server that is away
 * keeps others waiting. */
static void
failed(struct postgresql_source *s, const char *why)
{
	struct slice text = slice_str(why);

	while (text.n > 0 && text.p[text.n - 1] == '\n')
		text.n--;
	if (text.n == 0)
		text = SLICE_LIT("no answer in time");
	log_error("event=postgresql-failed socket=%s reason=%s again_ms=%lld",
	    LOG_Q(slice_str(s->values[HOST])), LOG_Q(text),
	    (long long)s->wait_ms);
	close_all(s);
	s->again_ms = clock_mono_ms() + s->wait_ms;
	s->wait_ms = s->wait_ms * 2 > WAIT_MAX_MS ? WAIT_MAX_MS :
	    s->wait_ms * 2;
}

/* ---- the connection ------------------------------------------------------ */

/* False with a connection: that has the reason.  Without one: said already. */
static bool
open_all(struct postgresql_source *s)
{
	if (s->db != NULL)
		return true;
	if (clock_mono_ms() < s->again_ms)
		return false;
	return connect_by(s) && prepare(s) && find_columns(s);
}

static bool
connect_by(struct postgresql_source *s)
{
	PostgresPollingStatusType st = PGRES_POLLING_WRITING;
	const char *values[PARAMETERS + 1];
	int i;

	for (i = 0; i <= PARAMETERS; i++)
		values[i] = s->values[i];
	s->db = PQconnectStartParams(parameter_names, values, 0);
	if (s->db == NULL || PQstatus(s->db) == CONNECTION_BAD)
		return false;
	PQsetNoticeProcessor(s->db, be_quiet, NULL);
	while (st != PGRES_POLLING_OK) {
		if (st == PGRES_POLLING_FAILED || !wait_for(s,
		    st == PGRES_POLLING_READING ? POLLIN : POLLOUT))
			return false;
		st = PQconnectPoll(s->db);
	}
	return PQsetnonblocking(s->db, 1) == 0;
}

static void
be_quiet(void *arg, const char *notice)
{
	(void)arg;
	(void)notice;
}

static bool
prepare(struct postgresql_source *s)
{
	PGresult *last = NULL;
	bool ok = PQsendPrepare(s->db, STATEMENT, s->query, 0, NULL) == 1 &&
	    command_is_done(s, &last);

	PQclear(last);
	return ok;
}

static bool
find_columns(struct postgresql_source *s)
{
	PGresult *last = NULL;
	const char *why = NULL;
	int i;

	row_columns_init(&s->columns);
	if (PQsendDescribePrepared(s->db, STATEMENT) != 1 ||
	    !command_is_done(s, &last)) {
		PQclear(last);
		return false;
	}
	for (i = 0; i < PQnfields(last); i++)
		if (!row_columns_add(&s->columns, PQfname(last, i), i))
			why = "the query has a column whose name means "
			    "nothing";
	if (why == NULL && (s->columns.at[ROW_PASSWORD] == -1 ||
	    PQnparams(last) != 1))
		why = "the query needs a column password and the one "
		    "parameter $1";
	PQclear(last);
	if (why != NULL)
		failed(s, why);
	return why == NULL;
}

/* ---- a question ---------------------------------------------------------- */

static int
ask(struct postgresql_source *s, struct slice login, struct account *v,
    size_t room)
{
	char text[LOGIN_BYTES + 1];
	const char *values[] = { text };

	memcpy(text, login.p, login.n);
	text[login.n] = '\0';
	if (PQsendQueryPrepared(s->db, STATEMENT, 1, values, NULL, NULL, 0) !=
	    1 || PQsetSingleRowMode(s->db) != 1)
		return -1;
	return take_rows(s, login, v, room);
}

struct row {
	const PGresult	*result;
	int		 number;
};

/* One result a row: what is more than there is room for is never held. */
static int
take_rows(struct postgresql_source *s, struct slice login, struct account *v,
    size_t room)
{
	struct row row = { NULL, 0 };
	ExecStatusType st = PGRES_SINGLE_TUPLE;
	PGresult *r;
	int n = 0;

	while ((r = next_result(s)) != NULL) {
		st = PQresultStatus(r);
		row.result = r;
		if (st == PGRES_SINGLE_TUPLE && (size_t)n < room &&
		    row_take(&s->columns, text_of, &row, &s->arena, login,
		    &v[n]))
			n++;
		PQclear(r);
		if (st == PGRES_SINGLE_TUPLE && (size_t)n == room) {
			close_all(s);
			return n;
		}
	}
	return st == PGRES_TUPLES_OK ? n : -1;
}

static struct slice
text_of(void *arg, int number)
{
	const struct row *row = arg;
	int n = PQgetlength(row->result, row->number, number);

	return n <= 0 ? SLICE_EMPTY : slice_of(PQgetvalue(row->result,
	    row->number, number), (size_t)n);
}

/* ---- waiting ------------------------------------------------------------- */

static bool
wait_for(struct postgresql_source *s, short events)
{
	struct pollfd p = { PQsocket(s->db), events, 0 };
	int64_t left = s->deadline_ms - clock_mono_ms();

	return left > 0 && p.fd >= 0 && poll(&p, 1, (int)left) == 1;
}

/* NULL: there is no more, or none in time. */
static PGresult *
next_result(struct postgresql_source *s)
{
	int unsent;

	while ((unsent = PQflush(s->db)) == 1)
		if (!wait_for(s, POLLIN | POLLOUT) ||
		    PQconsumeInput(s->db) != 1)
			return NULL;
	while (unsent == 0 && PQisBusy(s->db) == 1)
		if (!wait_for(s, POLLIN) || PQconsumeInput(s->db) != 1)
			return NULL;
	return unsent == 0 ? PQgetResult(s->db) : NULL;
}

static bool
command_is_done(struct postgresql_source *s, PGresult **last_r)
{
	PGresult *r;

	while ((r = next_result(s)) != NULL) {
		PQclear(*last_r);
		*last_r = r;
	}
	return *last_r != NULL &&
	    PQresultStatus(*last_r) == PGRES_COMMAND_OK;
}

#else	/* master starts nothing that asks for it in such a build */

struct postgresql_source {
	char	none;
};

struct postgresql_source *
postgresql_source_new(const struct conf *c)
{
	log_error("event=postgresql-failed socket=%s reason=\"this build has "
	    "no PostgreSQL (configure --with-postgresql)\"",
	    LOG_Q(slice_str(c->auth_postgresql_socket)));
	return mem_alloc(sizeof(struct postgresql_source));
}

void
postgresql_source_free(struct postgresql_source **sp)
{
	free(*sp);
	*sp = NULL;
}

int
postgresql_source_find(struct postgresql_source *s, struct slice login,
    struct account *v, size_t n)
{
	(void)s;
	(void)login;
	(void)v;
	(void)n;
	return -1;
}

#endif
