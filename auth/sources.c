/* SPDX-License-Identifier: ISC */
/* sources - see sources.h. */
#include <assert.h>
#include <stdlib.h>

#include "accounts.h"
#include "base/mem.h"
#include "pam.h"
#include "postgresql.h"
#include "sasl/prep.h"
#include "sources.h"
#include "sqlite.h"
#include "system.h"

enum kind { SOURCE_FILE, SOURCE_SQLITE, SOURCE_POSTGRESQL, SOURCE_SYSTEM,
	SOURCE_PAM, SOURCE_KINDS };

/* As auth.backends calls them. */
static const char *const kind_names[SOURCE_KINDS] = { "file", "sqlite",
	"postgresql", "system", "pam" };

struct source {
	enum kind			 kind;
	struct accounts			*accounts;	/* owned */
	struct sqlite_source		*sqlite;	/* owned */
	struct postgresql_source	*postgresql;	/* owned */
	struct system_source		*system;	/* owned */
	struct pam_source		*pam;		/* owned */
};

struct sources {
	struct source	*v;	/* owned */
	size_t		 n;
	struct source	*last;	/* that gave an account */
};

static void	 open_source(struct source *, const struct conf *);
static int	 find_in(struct source *, struct slice login,
		    struct account *v, size_t room);

struct sources *
sources_new(const struct conf *c)
{
	struct sources *s = mem_alloc(sizeof(*s));
	size_t i;
	int k;

	s->v = mem_array(c->auth_backends.n + 1, sizeof(*s->v));
	for (i = 0; i < c->auth_backends.n; i++)
		for (k = 0; k < SOURCE_KINDS; k++)
			if (strcmp(c->auth_backends.v[i], kind_names[k]) ==
			    0) {
				s->v[s->n].kind = (enum kind)k;
				open_source(&s->v[s->n++], c);
			}
	return s;
}

static void
open_source(struct source *s, const struct conf *c)
{
	switch (s->kind) {
	case SOURCE_FILE:
		s->accounts = accounts_new(&c->auth_passwords);
		break;
	case SOURCE_SQLITE:
		s->sqlite = sqlite_source_new(c->auth_sqlite,
		    c->auth_sqlite_query);
		break;
	case SOURCE_POSTGRESQL:
		s->postgresql = postgresql_source_new(c);
		break;
	case SOURCE_SYSTEM:
		s->system = system_source_new("/etc/passwd", "/etc/shadow",
		    c->user_minimum_uid);
		break;
	case SOURCE_PAM:
		s->pam = pam_source_new(c->auth_pam_service,
		    c->user_minimum_uid);
		break;
	case SOURCE_KINDS:
		break;
	}
}

void
sources_free(struct sources **sp)
{
	struct sources *s = *sp;
	size_t i;

	if (s == NULL)
		return;
	for (i = 0; i < s->n; i++) {
		accounts_free(&s->v[i].accounts);
		sqlite_source_free(&s->v[i].sqlite);
		postgresql_source_free(&s->v[i].postgresql);
		system_source_free(&s->v[i].system);
		pam_source_free(&s->v[i].pam);
	}
	free(s->v);
	free(s);
	*sp = NULL;
}

bool
sources_refresh(struct sources *s)
{
	bool changed = false;
	size_t i;

	for (i = 0; i < s->n; i++)
		if (s->v[i].kind == SOURCE_FILE)
			changed = accounts_refresh(s->v[i].accounts) ||
			    changed;
	return changed;
}

/* A login that a source which cannot be read may have is not looked for in the
 * next: another password would be his then. */
int
sources_find(struct sources *s, struct slice login, struct account *v,
    size_t room)
{
	struct buf other = BUF_INIT(SASL_LOGIN_BYTES);
	bool has_other = sasl_login_in_unicode(login, &other);
	size_t i;
	int n = 0, k;

	s->last = NULL;
	for (i = 0; i < s->n && n == 0; i++) {
		n = find_in(&s->v[i], login, v, room);
		if (n == 0 && has_other)
			n = find_in(&s->v[i], buf_slice(&other), v, room);
		if (n != 0)
			s->last = &s->v[i];
	}
	for (k = 0; k < n; k++)
		v[k].login = login;	/* whichever form it stands under */
	buf_clear(&other);
	return n;
}

static int
find_in(struct source *s, struct slice login, struct account *v, size_t room)
{
	switch (s->kind) {
	case SOURCE_FILE:
		return accounts_are_there(s->accounts) ?
		    (int)accounts_find(s->accounts, login, v, room) : -1;
	case SOURCE_SQLITE:
		return sqlite_source_find(s->sqlite, login, v, room);
	case SOURCE_POSTGRESQL:
		return postgresql_source_find(s->postgresql, login, v, room);
	case SOURCE_SYSTEM:
		return system_source_find(s->system, login, v);
	case SOURCE_PAM:
		return pam_source_find(s->pam, login, v);
	case SOURCE_KINDS:
		break;
	}
	return -1;
}

int
sources_ask(struct sources *s, struct account *a, const char *password)
{
	assert(a->external && s->last != NULL && s->last->pam != NULL);
	return pam_source_ask(s->last->pam, a, password);
}

const char *
sources_last(const struct sources *s)
{
	return s->last == NULL ? NULL : kind_names[s->last->kind];
}

size_t
sources_count(const struct sources *s)
{
	size_t i, n = 0;

	for (i = 0; i < s->n; i++)
		if (s->v[i].kind == SOURCE_FILE)
			n += accounts_count(s->v[i].accounts);
	return n;
}
