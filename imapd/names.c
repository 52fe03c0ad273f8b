/* SPDX-License-Identifier: ISC */
/*
 * names - the list of mailboxes as a client of NOTIFY knows it, and what has
 * become of it since (RFC 5465 5.4, 5.5).
 *
 * Nobody says what was made, renamed or subscribed to: a news is a hint to look
 * again, and the list that is there is compared with the one that was.  So
 * nothing is told wrongly, whoever made the change and whatever news was lost.
 * A mailbox that has gone and another that has come with its GUID are one that
 * was renamed.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "imap.h"

#define NAMES_KNOWN	20000	/* of all mailboxes; those beyond are not told */

struct name {
	struct mailbox_entry e;		/* its name: owned */
	bool		 has_guid;
	uint8_t		 guid[16];
	struct name	*other;		/* what it was called, or is now */
};

struct names {
	struct name	*v;		/* owned; in the order of the bytes */
	size_t		 n, cap;
};

/* What this very session has changed; it knows that. */
struct own { struct slice from, to; };

static struct names *take(struct imap_session *);
static bool	 add(void *, const struct mailbox_entry *);
static void	 learn_guid(struct imap_session *, struct name *);
static struct name *find(const struct names *, struct slice);
static void	 pair(struct imap_session *, struct names *was,
		    struct names *now);
static void	 tell_there(struct imap_session *, const struct names *was,
		    const struct names *now, const struct name *,
		    const struct own *);
static void	 tell_gone(struct imap_session *, const struct names *now,
		    const struct name *, const struct own *);

struct names *
names_new(struct imap_session *s)
{
	struct names *l = take(s);
	size_t i;

	for (i = 0; i < l->n; i++)
		learn_guid(s, &l->v[i]);
	return l;
}

void
names_free(struct names **lp)
{
	struct names *l = *lp;
	size_t i;

	*lp = NULL;
	if (l == NULL)
		return;
	for (i = 0; i < l->n; i++)
		free((void *)(uintptr_t)l->v[i].e.name.p);
	free(l->v);
	free(l);
}

void
names_tell(struct imap_session *s, struct names **lp, struct slice own_from,
    struct slice own_to)
{
	const struct own own = { own_from, own_to };
	struct names *was = *lp, *now = take(s);
	size_t i;

	pair(s, was, now);
	for (i = 0; i < now->n; i++)
		tell_there(s, was, now, &now->v[i], &own);
	for (i = 0; i < was->n; i++)
		tell_gone(s, now, &was->v[i], &own);
	for (i = 0; i < now->n; i++)
		now->v[i].other = NULL;
	names_free(lp);
	*lp = now;
}

/* ---- taking stock -------------------------------------------------------- */

static int
by_name(const void *a, const void *b)
{
	return slice_cmp(((const struct name *)a)->e.name,
	    ((const struct name *)b)->e.name);
}

static struct names *
take(struct imap_session *s)
{
	struct names *l = mem_alloc(sizeof(*l));

	store_list(s->store, add, l);
	if (l->n > 0)
		qsort(l->v, l->n, sizeof(*l->v), by_name);
	return l;
}

static bool
add(void *arg, const struct mailbox_entry *e)
{
	struct names *l = arg;
	struct name *to;

	if (l->n == NAMES_KNOWN)
		return false;
	l->v = mem_room(l->v, l->n, &l->cap, sizeof(*l->v), 64);
	to = &l->v[l->n++];
	*to = (struct name){ .e = *e };
	to->e.name = slice_of(mem_slicedup(e->name), e->name.n);
	return true;
}

static void
learn_guid(struct imap_session *s, struct name *k)
{
	struct mailbox_status st;

	k->has_guid = k->e.exists &&
	    store_status(s->store, k->e.name, &st) == STORE_OK;
	if (k->has_guid)
		memcpy(k->guid, st.guid, sizeof(k->guid));
}

static struct name *
find(const struct names *l, struct slice name)
{
	const struct name key = { .e.name = name };

	return l->n == 0 ? NULL :
	    bsearch(&key, l->v, l->n, sizeof(*l->v), by_name);
}

/* ---- comparing ----------------------------------------------------------- */

static bool
exists(const struct name *k)
{
	return k != NULL && k->e.exists;
}

static bool
has_children(const struct name *k)
{
	return k != NULL && k->e.has_children;
}

static bool
subscribed(const struct name *k)
{
	return k != NULL && k->e.subscribed;
}

/* Those that have come with those that have gone. */
static void
pair(struct imap_session *s, struct names *was, struct names *now)
{
	struct name *k, *o;
	size_t i, j;

	for (i = 0; i < now->n; i++) {
		k = &now->v[i];
		o = find(was, k->e.name);
		if (exists(o) || !exists(k)) {
			if (exists(o) && o->has_guid) {
				k->has_guid = true;
				memcpy(k->guid, o->guid, sizeof(k->guid));
			}
			continue;
		}
		learn_guid(s, k);
		for (j = 0; j < was->n && k->has_guid; j++) {
			o = &was->v[j];
			if (!o->has_guid || o->other != NULL || memcmp(o->guid,
			    k->guid, sizeof(k->guid)) != 0 ||
			    exists(find(now, o->e.name)))
				continue;
			k->other = o;
			o->other = k;
			break;
		}
	}
}

static bool
is_below(struct slice name, struct slice above)
{
	return above.n > 0 && name.n > above.n && slice_starts(name, above) &&
	    name.p[above.n] == DELIMITER;
}

/* The names themselves, what is below, and the level above them. */
static bool
is_own(struct slice name, const struct own *own)
{
	const struct slice of[] = { own->from, own->to };
	size_t i;

	for (i = 0; i < 2; i++)
		if (of[i].n > 0 && (slice_eq(name, of[i]) ||
		    is_below(name, of[i]) || is_below(of[i], name)))
			return true;
	return false;
}

/* A level above was renamed, and this one with it: RFC 5465 5.4. */
static bool
went_along(const struct names *now, const struct name *k)
{
	struct slice above = k->e.name, old = k->other->e.name, rest;
	const struct name *a;
	size_t end;

	while ((end = slice_rfind(above, DELIMITER)) < above.n) {
		above = slice_first(above, end);
		rest = slice_from(k->e.name, end);
		a = find(now, above);
		if (a != NULL && a->other != NULL && old.n > rest.n &&
		    slice_eq(slice_from(old, old.n - rest.n), rest) &&
		    slice_eq(slice_first(old, old.n - rest.n),
		    a->other->e.name))
			return true;
	}
	return false;
}

static void
tell_there(struct imap_session *s, const struct names *was,
    const struct names *now, const struct name *k, const struct own *own)
{
	const struct name *o = find(was, k->e.name);
	unsigned wanted = notify_events(s, k->e.name,
	    subscribed(k) || subscribed(o));
	bool named = exists(k) != exists(o) ||
	    has_children(k) != has_children(o);

	/* Its new name has been told. */
	if (!exists(k) && o != NULL && o->other != NULL)
		named = false;
	if (is_own(k->e.name, own) || (k->other != NULL && went_along(now, k)))
		return;
	if ((wanted & EV_NAME && named) || (wanted & EV_SUBSCRIPTION &&
	    subscribed(k) != subscribed(o)))
		list_tell(s, &k->e, k->other != NULL && wanted & EV_NAME ?
		    k->other->e.name : SLICE_EMPTY);
}

/* Not even a level above others, nor subscribed to. */
static void
tell_gone(struct imap_session *s, const struct names *now,
    const struct name *o, const struct own *own)
{
	struct mailbox_entry e = { .name = o->e.name };
	unsigned wanted = notify_events(s, o->e.name, subscribed(o));

	if (find(now, o->e.name) != NULL || is_own(o->e.name, own))
		return;
	if ((wanted & EV_NAME && o->other == NULL &&
	    (exists(o) || has_children(o))) ||
	    (wanted & EV_SUBSCRIPTION && subscribed(o)))
		list_tell(s, &e, SLICE_EMPTY);
}
