/* SPDX-License-Identifier: ISC */
/*
 * entries - the metadata as a client of NOTIFY knows it, and which of it has
 * changed since (RFC 5465 5.6, 5.7).
 *
 * As with names (names.c), a news is a hint to look again, and what is there is
 * compared with what was.  Of a value only a hash is kept.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "base/num.h"
#include "imap.h"

#define ENTRIES_KNOWN	20000	/* of all; those beyond are not told */

struct entry {
	struct slice	 mailbox;	/* empty: the server */
	struct slice	 name;
	uint64_t	 value;		/* its hash */
};

struct entries {
	struct arena	 arena;		/* has the texts */
	struct entry	*v;		/* owned; by mailbox, then by name */
	size_t		 n, cap;
	uint64_t	 key[2];
};

/* Entries of one mailbox in one response. */
struct telling {
	struct imap_session *s;
	const struct own_entries *own;
	struct slice	 mailbox;	/* that was looked at last */
	bool		 any;		/* it was */
	bool		 wanted;	/* by the client, and it is there */
	bool		 begun;		/* its response */
};

static struct entries *take(struct imap_session *, const uint64_t key[2]);
static bool	 add(void *, struct slice mailbox, struct slice name,
		    struct slice value);
static int	 order(const void *, const void *);
static void	 tell(struct telling *, const struct entry *);
static void	 turn_to(struct telling *, struct slice mailbox);
static bool	 is_own(const struct own_entries *, const struct entry *);
static bool	 is_there(struct imap_session *, struct slice mailbox);

struct entries *
entries_new(struct imap_session *s)
{
	uint64_t key[2];

	arc4random_buf(key, sizeof(key));
	return take(s, key);
}

void
entries_free(struct entries **lp)
{
	struct entries *l = *lp;

	*lp = NULL;
	if (l == NULL)
		return;
	arena_clear(&l->arena);
	free(l->v);
	free(l);
}

void
entries_tell(struct imap_session *s, struct entries **lp,
    const struct own_entries *own)
{
	struct entries *was = *lp, *now = take(s, was->key);
	struct telling t = { .s = s, .own = own };
	size_t i = 0, j = 0;
	int c;

	while (i < was->n || j < now->n) {
		c = i == was->n ? 1 : j == now->n ? -1 :
		    order(&was->v[i], &now->v[j]);
		if (c != 0 || was->v[i].value != now->v[j].value)
			tell(&t, c < 0 ? &was->v[i] : &now->v[j]);
		i += c <= 0;
		j += c >= 0;
	}
	if (t.begun)
		put_str(s, "\r\n");
	entries_free(lp);
	*lp = now;
}

/* ---- taking stock -------------------------------------------------------- */

static struct entries *
take(struct imap_session *s, const uint64_t key[2])
{
	struct entries *l = mem_alloc(sizeof(*l));

	l->arena = ARENA_INIT(SIZE_MAX / 2);
	memcpy(l->key, key, sizeof(l->key));
	store_metadata_all(s->store, add, l);
	if (l->n > 0)
		qsort(l->v, l->n, sizeof(*l->v), order);
	return l;
}

static bool
add(void *arg, struct slice mailbox, struct slice name, struct slice value)
{
	struct entries *l = arg;
	struct entry *e;

	if (l->n == ENTRIES_KNOWN)
		return false;
	l->v = mem_room(l->v, l->n, &l->cap, sizeof(*l->v), 64);
	e = &l->v[l->n];
	*e = (struct entry){ .value = siphash(l->key, value) };
	if (arena_copy(&l->arena, mailbox, &e->mailbox) == -1 ||
	    arena_copy(&l->arena, name, &e->name) == -1)
		return false;
	l->n++;
	return true;
}

static int
order(const void *va, const void *vb)
{
	const struct entry *a = va, *b = vb;
	int c = slice_cmp(a->mailbox, b->mailbox);

	return c != 0 ? c : slice_cmp(a->name, b->name);
}

/* ---- telling ------------------------------------------------------------- */

/* RFC 5464 4.4.2: "* METADATA INBOX /shared/comment /private/comment". */
static void
tell(struct telling *t, const struct entry *e)
{
	if (!t->any || !slice_eq(t->mailbox, e->mailbox))
		turn_to(t, e->mailbox);
	if (!t->wanted || is_own(t->own, e))
		return;
	if (!t->begun) {
		put_str(t->s, "* METADATA ");
		put_mailbox(t->s, e->mailbox);
	}
	t->begun = true;
	put_str(t->s, " ");
	put_astring(t->s, e->name);
}

static void
turn_to(struct telling *t, struct slice mailbox)
{
	if (t->begun)
		put_str(t->s, "\r\n");
	t->begun = false;
	t->any = true;
	t->mailbox = mailbox;
	t->wanted = notify_wants_metadata(t->s, mailbox) &&
	    is_there(t->s, mailbox);
}

static bool
is_own(const struct own_entries *own, const struct entry *e)
{
	size_t i;

	if (own == NULL || !slice_eq(own->mailbox, e->mailbox))
		return false;
	for (i = 0; i < own->n; i++)
		if (slice_eq(own->names[i], e->name))
			return true;
	return false;
}

static bool
none(void *arg, struct slice name, struct slice value)
{
	(void)arg;
	(void)name;
	(void)value;
	return false;
}

/* What a mailbox had has gone with it; that is told by its name. */
static bool
is_there(struct imap_session *s, struct slice mailbox)
{
	return store_metadata_each(s->store, mailbox, none, NULL) == STORE_OK;
}
