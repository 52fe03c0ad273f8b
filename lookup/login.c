/* SPDX-License-Identifier: ISC */
/*
 * login - whose mailbox is it that a login name names?
 *
 * Aliases do not count, nor a detail (user+detail): a login has one mailbox,
 * whose mail is delivered to the same place by locate().
 */
#include "walk.h"

static struct slice parent_of(struct slice path);

void
resolve_login(const struct resolver *r, struct arena *arena,
    struct slice login, struct buf *trace, struct login *found)
{
	struct destination to;
	struct walk w;
	struct name n = { .reverse_path = SLICE_EMPTY };

	walk_init(&w, r, arena, trace);
	*found = (struct login){ .found = LOGIN_UNKNOWN };
	if (!name_set(&w, &n, login, r->domains.first_system))
		goto out;
	n.base = n.base_key = SLICE_EMPTY;
	if (n.at == NULL || n.at->type == DOMAIN_RELAY ||
	    n.at->type == DOMAIN_ALIAS) {
		say(&w, "%.*s has no mailboxes here", SLICE_ARG(n.domain));
		goto out;
	}
	locate(&w, &n, ROUTE_NO_FORWARD, &to);
	if (w.trouble.kind != 0) {
		found->found = LOGIN_TROUBLE;
		found->why = w.trouble.text;
	} else if (to.kind == DEST_MAILDIR) {
		found->found = LOGIN_FOUND;
		found->login = to.user.n > 0 ? to.user : n.key;
		found->to = to;
		/* No more than its own: neither the mail of others below
		 * path.mail, nor what else is in a home directory. */
		found->directory = (to.flags & DEST_VIRTUAL) != 0 ?
		    parent_of(to.path) : to.path;
	}
out:
	walk_clear(&w);
}

static struct slice
parent_of(struct slice path)
{
	return slice_first(path, slice_rfind(path, '/'));
}
