/* SPDX-License-Identifier: ISC */
/* sessions - see sessions.h.  A row of client 0 is the login's sum. */
#include <sys/tree.h>

#include <stdlib.h>

#include "base/mem.h"
#include "sessions.h"

struct row {
	RB_ENTRY(row)	 node;
	unsigned	 client;
	struct slice	 login;		/* points to text */
	char		*text;		/* owned */
	uint64_t	 n;
};
RB_HEAD(row_tree, row);

struct sessions {
	struct row_tree	 rows;		/* by client, then login */
	uint64_t	 total;
};

static int
by_client(const struct row *a, const struct row *b)
{
	if (a->client != b->client)
		return a->client < b->client ? -1 : 1;
	return slice_cmp(a->login, b->login);
}

RB_GENERATE_INTERNAL(row_tree, row, node, by_client,
    __attribute__((unused)) static)

static struct row *row_find(const struct sessions *, unsigned, struct slice);
static void	 add(struct sessions *, unsigned, struct slice);
static void	 take(struct sessions *, struct row *, uint64_t n);

struct sessions *
sessions_new(void)
{
	struct sessions *s = mem_alloc(sizeof(*s));

	RB_INIT(&s->rows);
	return s;
}

void
sessions_free(struct sessions **sp)
{
	struct row *r, *next;

	if (*sp == NULL)
		return;
	RB_FOREACH_SAFE(r, row_tree, &(*sp)->rows, next)
		take(*sp, r, r->n);
	free(*sp);
	*sp = NULL;
}

static struct row *
row_find(const struct sessions *s, unsigned client, struct slice login)
{
	struct row_tree rows = s->rows;
	struct row key = { .client = client, .login = login };

	return RB_FIND(row_tree, &rows, &key);
}

uint64_t
sessions_of(const struct sessions *s, struct slice login)
{
	const struct row *r = row_find(s, 0, login);

	return r == NULL ? 0 : r->n;
}

uint64_t
sessions_total(const struct sessions *s)
{
	return s->total;
}

static void
add(struct sessions *s, unsigned client, struct slice login)
{
	struct row *r = row_find(s, client, login);

	if (r == NULL) {
		r = mem_alloc(sizeof(*r));
		r->client = client;
		r->text = mem_slicedup(login);
		r->login = slice_of(r->text, login.n);
		RB_INSERT(row_tree, &s->rows, r);
	}
	r->n++;
}

static void
take(struct sessions *s, struct row *r, uint64_t n)
{
	if (r == NULL)
		return;
	r->n -= n < r->n ? n : r->n;
	if (r->n > 0)
		return;
	RB_REMOVE(row_tree, &s->rows, r);
	free(r->text);
	free(r);
}

void
sessions_begin(struct sessions *s, unsigned client, struct slice login)
{
	add(s, client, login);
	add(s, 0, login);
	s->total++;
}

void
sessions_end(struct sessions *s, unsigned client, struct slice login)
{
	struct row *r = row_find(s, client, login);

	if (r == NULL)
		return;
	take(s, row_find(s, 0, login), 1);
	take(s, r, 1);
	s->total--;
}

void
sessions_end_all(struct sessions *s, unsigned client)
{
	struct row key = { .client = client, .login = SLICE_EMPTY };
	struct row *r;

	while ((r = RB_NFIND(row_tree, &s->rows, &key)) != NULL &&
	    r->client == client) {
		s->total -= r->n;
		take(s, row_find(s, 0, r->login), r->n);
		take(s, r, r->n);
	}
}
