/* SPDX-License-Identifier: ISC */
/*
 * sender - may this login send as this address?  See resolve.h.
 *
 * What stands for one mailbox alone is its owner's; an address that leads to
 * several is nobody's by itself, since every member of a list could send in
 * its name.
 */
#include "mail/address.h"
#include "walk.h"

static bool	 is_mailbox_of(const struct resolver *, struct arena *,
		    struct slice address, const struct destination *mailbox,
		    bool *trouble_r);
static bool	 same_mailbox(const struct destination *,
		    const struct destination *);
static enum table_result find_grant(struct walk *, const struct name *login,
		    struct slice *value_r);
static bool	 grant_covers(struct walk *, struct slice value,
		    const struct name *address);
static bool	 is_same_or_detail(const struct name *address,
		    const struct name *of);

enum sender_verdict
resolve_sender(const struct resolver *r, struct arena *arena,
    struct slice login, struct slice address)
{
	enum sender_verdict v = SENDER_FOREIGN;
	struct destination mailbox = { .kind = 0 }, to = { .kind = 0 };
	struct name from = { .parent = NULL }, user = { .parent = NULL };
	bool trouble = false;
	struct slice value;
	struct walk w;

	walk_init(&w, r, arena, NULL);
	if (!name_set(&w, &from, address, r->domains.first_system) ||
	    !name_set(&w, &user, login, r->domains.first_system))
		goto out;
	if (user.at != NULL)
		locate(&w, &user, ROUTE_NO_FORWARD, &mailbox);
	if (from.at != NULL)
		locate(&w, &from, ROUTE_NO_FORWARD, &to);
	if (w.trouble.kind != 0)
		v = SENDER_TROUBLE;
	else if (slice_eq(from.key, user.key))
		v = SENDER_OWN;
	else if (is_same_or_detail(&from, &user) &&
	    (to.kind != DEST_MAILDIR || same_mailbox(&to, &mailbox)))
		v = SENDER_OWN;	/* wherever its mail is sent on to */
	else if (from.at != NULL && mailbox.kind == DEST_MAILDIR &&
	    is_mailbox_of(r, arena, address, &mailbox, &trouble))
		v = SENDER_OWN;
	else if (trouble)
		v = SENDER_TROUBLE;
	else
		switch (find_grant(&w, &user, &value)) {
		case TABLE_FOUND:
			if (grant_covers(&w, value, &from))
				v = SENDER_OWN;
			break;
		case TABLE_MISSING:
			break;
		case TABLE_ERROR:
			v = SENDER_TROUBLE;
			break;
		}
out:
	walk_clear(&w);
	return v;
}

/* Aliases and all: the mailbox, and nothing beside it. */
static bool
is_mailbox_of(const struct resolver *r, struct arena *arena,
    struct slice address, const struct destination *mailbox, bool *trouble_r)
{
	struct route route, last;

	resolve_route(r, arena, 0, address, SLICE_EMPTY, NULL, &route);
	*trouble_r = route.trouble;
	if (route.trouble || route.ntargets > 1)
		return false;
	if (route.ntargets == 0)
		return same_mailbox(&route.to, mailbox);
	resolve_route(r, arena, ROUTE_EXPANDED | ROUTE_NO_FORWARD,
	    route.targets[0].text, SLICE_EMPTY, NULL, &last);
	*trouble_r = last.trouble;
	return !last.trouble && same_mailbox(&last.to, mailbox);
}

static bool
same_mailbox(const struct destination *a, const struct destination *b)
{
	return a->kind == DEST_MAILDIR && b->kind == DEST_MAILDIR &&
	    a->uid == b->uid && slice_eq(a->path, b->path);
}

static bool
is_same_or_detail(const struct name *address, const struct name *of)
{
	return slice_eq(address->key, of->key) ||
	    (address->base.n > 0 && slice_eq(address->base_key, of->key));
}

/* ---- submission.senders ------------------------------------------------- */

/* By the login's whole address; users of this host by their name too. */
static enum table_result
find_grant(struct walk *w, const struct name *login, struct slice *value_r)
{
	const struct table_list *list = &w->r->senders;
	enum table_result r;
	struct table_hit hit;

	if (list->n == 0)
		return TABLE_MISSING;
	r = find_in(w, list, login->key, &hit, NULL);
	if (r == TABLE_MISSING && login->at != NULL &&
	    login->at->type == DOMAIN_SYSTEM)
		r = find_in(w, list, login->local, &hit, NULL);
	if (r != TABLE_FOUND)
		return r;
	return arena_copy(w->arena, hit.value, value_r) == 0 ? r : TABLE_ERROR;
}

/* Words with blanks or commas between: addresses, domains, "*". */
static bool
grant_covers(struct walk *w, struct slice value, const struct name *address)
{
	struct slice word, text;
	struct name n;
	size_t i;

	while (value.n > 0) {
		for (i = 0; i < value.n && value.p[i] != ' ' &&
		    value.p[i] != '\t' && value.p[i] != ','; i++)
			;
		word = slice_first(value, i);
		value = slice_from(value, i < value.n ? i + 1 : i);
		if (word.n == 0)
			continue;
		if (slice_eq(word, SLICE_LIT("*")))
			return true;
		/* A domain has the form of an address in it, so that it is
		 * compared as such: A-labels, lower case. */
		if (word.p[0] == '@' || slice_find(word, '@') == word.n)
			text = walk_text(w, "x%s%.*s", word.p[0] == '@' ? "" :
			    "@", SLICE_ARG(word));
		else
			text = word;
		n = (struct name){ .parent = NULL };
		if (!name_set(w, &n, text, w->r->domains.first_system))
			continue;
		if (text.p == word.p ? is_same_or_detail(address, &n) :
		    slice_eq(address->domain, n.domain))
			return true;
	}
	return false;
}
