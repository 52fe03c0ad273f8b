/* SPDX-License-Identifier: ISC */
/* sources - see sources.h. */
#include <stdlib.h>

#include "accounts.h"
#include "base/mem.h"
#include "sources.h"
#include "sqlite.h"

enum kind { SOURCE_FILE, SOURCE_SQLITE };

struct source {
	enum kind		 kind;
	struct accounts		*accounts;	/* owned */
	struct sqlite_source	*sqlite;	/* owned */
};

struct sources {
	struct source	*v;	/* owned */
	size_t		 n;
};

struct sources *
sources_new(const struct conf *c)
{
	struct sources *s = mem_alloc(sizeof(*s));
	size_t i;

	s->n = c->auth_backends.n;
	s->v = mem_array(s->n + 1, sizeof(*s->v));
	for (i = 0; i < s->n; i++)
		if (strcmp(c->auth_backends.v[i], "sqlite") == 0) {
			s->v[i].kind = SOURCE_SQLITE;
			s->v[i].sqlite = sqlite_source_new(c->auth_sqlite,
			    c->auth_sqlite_query);
		} else {
			s->v[i].kind = SOURCE_FILE;
			s->v[i].accounts = accounts_new(&c->auth_passwords);
		}
	return s;
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
	size_t i;
	int n = 0;

	for (i = 0; i < s->n && n == 0; i++)
		switch (s->v[i].kind) {
		case SOURCE_FILE:
			n = accounts_are_there(s->v[i].accounts) ?
			    (int)accounts_find(s->v[i].accounts, login, v,
			    room) : -1;
			break;
		case SOURCE_SQLITE:
			n = sqlite_source_find(s->v[i].sqlite, login, v,
			    room);
			break;
		}
	return n;
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
