/* SPDX-License-Identifier: ISC */
/* locate - the destination of one name, after all aliases. */
#include <limits.h>
#include <stdlib.h>

#include "base/num.h"
#include "mail/address.h"
#include "table/mailbox_value.h"
#include "walk.h"

#define FILE_NAME_BYTES	255	/* NAME_MAX */
#define DNS_NAME_BYTES	253	/* RFC 1035, without the last dot */

static void	 locate_system(struct walk *, const struct name *, unsigned,
		    struct destination *);
static void	 locate_user(struct walk *, const struct user *, unsigned,
		    struct destination *);
static void	 locate_virtual(struct walk *, const struct name *,
		    struct destination *);
static void	 locate_relay(struct walk *, const struct name *,
		    struct destination *);
static void	 locate_remote(struct walk *, const struct name *,
		    struct destination *);
static void	 use_next_hop(struct walk *, struct slice,
		    struct destination *);
static bool	 is_by_mx(struct walk *, struct slice hop);
static enum table_result find_route(struct walk *, const struct name *,
		    struct table_hit *);
static bool	 mailbox_limits(struct walk *, struct slice,
		    struct destination *);
static void	 set_maildir(struct walk *, struct slice domain,
		    struct slice local, struct destination *);
static bool	 mail_user(struct walk *, const char *name, struct user *);
static void	 unknown(struct destination *);

void
locate(struct walk *w, const struct name *n, unsigned flags,
    struct destination *to)
{
	*to = (struct destination){ .kind = 0 };
	if (n->at == NULL)
		locate_remote(w, n, to);
	else
		switch (n->at->type) {
		case DOMAIN_SYSTEM:
			locate_system(w, n, flags, to);
			break;
		case DOMAIN_VIRTUAL:
			locate_virtual(w, n, to);
			break;
		case DOMAIN_RELAY:
			locate_relay(w, n, to);
			break;
		case DOMAIN_ALIAS:
			unknown(to);
			break;
		}
	if (w->trouble.kind != 0)
		*to = w->trouble;
	if (to->kind == DEST_MAILDIR)
		say(w, "=> %.*s: Maildir %.*s of uid %u", SLICE_ARG(n->text),
		    SLICE_ARG(to->path), to->uid);
	else if (to->kind == DEST_REMOTE)
		say(w, "=> %.*s: next hop %.*s%s", SLICE_ARG(n->text),
		    SLICE_ARG(to->next_hop), is_by_mx(w, to->next_hop) ?
		    " (by MX)" : "");
	else
		say(w, "=> %.*s: %u %.*s", SLICE_ARG(n->text), to->code,
		    SLICE_ARG(to->text));
}

static void
unknown(struct destination *to)
{
	*to = dest_fail(550, SLICE_LIT("5.1.1 no such user here"));
}

bool
dest_is_unknown(const struct destination *to)
{
	return to->kind == DEST_FAIL &&
	    slice_starts(to->text, SLICE_LIT("5.1.1 "));
}

/* ---- users of this host ------------------------------------------------- */

static bool
find_user(struct walk *w, struct slice name, struct user *u,
    enum user_found *r)
{
	const struct resolve_world *world = w->r->world;

	if (name.n == 0)
		return false;
	*r = world->user(world->arg, name, u);
	if (*r == USER_TROUBLE)
		walk_trouble(w, "the system's users cannot be looked up");
	else
		say(w, "system user %.*s: %s", SLICE_ARG(name),
		    *r == USER_FOUND ? "exists" : "unknown");
	return *r != USER_UNKNOWN;
}

static void
locate_system(struct walk *w, const struct name *n, unsigned flags,
    struct destination *to)
{
	struct user u;
	enum user_found r = USER_UNKNOWN;

	if (!find_user(w, n->local, &u, &r) && !find_user(w, n->base, &u, &r)) {
		/* Root's mail has a place whatever the system is like. */
		if (slice_eq(n->local, SLICE_LIT("root")))
			u.uid = 0;
		else {
			unknown(to);
			return;
		}
	}
	if (r == USER_TROUBLE)
		return;
	if (u.uid == 0) {
		say(w, "root has no alias: its mail goes to a Maildir below "
		    "path.mail");
		set_maildir(w, slice_str(w->r->conf->hostname[0] != '\0' ?
		    w->r->conf->hostname : w->r->domains.first_system),
		    SLICE_LIT("root"), to);
	} else {
		locate_user(w, &u, flags, to);
	}
}

static void
locate_user(struct walk *w, const struct user *u, unsigned flags,
    struct destination *to)
{
	const struct conf *c = w->r->conf;

	if (u->uid < c->user_minimum_uid) {
		say(w, "uid %u is below user.minimum_uid (%llu)", u->uid,
		    (unsigned long long)c->user_minimum_uid);
		*to = dest_fail(550, SLICE_LIT("5.1.1 a system account without "
		    "an alias gets no mail"));
		return;
	}
	if (w->r->world->one_user && u->uid != w->r->world->uid) {
		*to = dest_fail(550, SLICE_LIT("5.2.1 without root this suite "
		    "delivers only to its own user"));
		return;
	}
	if (u->home.n < 2 || u->home.p[0] != '/') {
		*to = dest_defer(SLICE_LIT("4.3.5 the user has no home "
		    "directory"));
		return;
	}
	*to = (struct destination){ .kind = DEST_MAILDIR, .uid = u->uid,
		.gid = u->gid, .quota_bytes = c->quota_bytes,
		.quota_messages = c->quota_messages };
	if (c->local_forward && (flags & ROUTE_NO_FORWARD) == 0)
		to->flags |= DEST_FORWARD;
	to->next_hop = walk_text(w, "local:%u", u->uid);
	to->user = walk_text(w, "%.*s", SLICE_ARG(u->name));
	to->home = walk_text(w, "%.*s", SLICE_ARG(u->home));
	to->path = walk_text(w, "%.*s/%s", SLICE_ARG(u->home),
	    c->local_system_maildir);
}

/* ---- virtual mailboxes -------------------------------------------------- */

static void
locate_virtual(struct walk *w, const struct name *n, struct destination *to)
{
	const struct table_list *list = &n->at->keys;
	struct slice domain = slice_str(n->at->name), local;
	/* Whole address, local-part; then both without the detail. */
	const struct slice keys[] = { n->key, name_bare_key(n->local),
		n->base_key, name_bare_key(n->base) };
	enum table_result r = TABLE_MISSING;
	struct table_hit hit;
	size_t i;

	for (i = 0; i < 4 && r == TABLE_MISSING; i++) {
		local = i < 2 ? n->local : n->base;
		if (keys[i].n > 0)
			r = find_in(w, list, keys[i], &hit, NULL);
	}
	if (r == TABLE_MISSING) {
		unknown(to);
		return;
	}
	if (r == TABLE_ERROR)
		return;
	set_maildir(w, domain, local, to);
	if (to->kind == DEST_MAILDIR)
		mailbox_limits(w, hit.value, to);
}

static bool
mailbox_limits(struct walk *w, struct slice value, struct destination *to)
{
	struct mailbox_value v = { to->quota_bytes, to->quota_messages };
	struct slice bad;

	if (!mailbox_value_parse(value, &v, &bad)) {
		walk_trouble(w, "a mailbox's value has \"%.*s\", which is "
		    "neither quota_bytes=SIZE nor quota_messages=NUMBER",
		    SLICE_ARG(bad));
		return false;
	}
	to->quota_bytes = v.quota_bytes;
	to->quota_messages = v.quota_messages;
	return true;
}

int
local_file_name(struct slice local, struct buf *to)
{
	static const char hex[] = "0123456789abcdef";
	size_t i, from = to->n;
	int r = 0;

	for (i = 0; i < local.n; i++) {
		char c = local.p[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || (c == '.' && i > 0) ||
		    (c != '\0' && strchr("_+=,@-", c) != NULL)) {
			r |= buf_add_byte(to, c);
			continue;
		}
		r |= buf_add_byte(to, '%');
		r |= buf_add_byte(to, hex[(unsigned char)c >> 4]);
		r |= buf_add_byte(to, hex[(unsigned char)c & 15]);
	}
	return r == 0 && to->n > from && to->n - from <= FILE_NAME_BYTES ? 0 :
	    -1;
}

static void
set_maildir(struct walk *w, struct slice domain, struct slice local,
    struct destination *to)
{
	const struct conf *c = w->r->conf;
	struct buf name = BUF_INIT(4096);
	struct user u;

	if (local_file_name(local, &name) == -1) {
		*to = dest_fail(550, SLICE_LIT("5.1.1 the name is too long for "
		    "a mailbox"));
	} else if (mail_user(w, c->user_mail, &u)) {
		*to = (struct destination){ .kind = DEST_MAILDIR,
			.flags = DEST_VIRTUAL, .uid = u.uid, .gid = u.gid,
			.quota_bytes = c->quota_bytes,
			.quota_messages = c->quota_messages };
		to->next_hop = walk_text(w, "local:%u", u.uid);
		to->user = SLICE_EMPTY;
		to->home = slice_str(c->path_mail);
		to->path = walk_text(w, "%s/%.*s/%s/Maildir", c->path_mail,
		    SLICE_ARG(domain), buf_cstr(&name));
	}
	buf_clear(&name);
}

/* user.mail or user.commands: this process's own without root. */
static bool
mail_user(struct walk *w, const char *name, struct user *u)
{
	const struct resolve_world *world = w->r->world;
	enum user_found r;

	if (world->one_user) {
		*u = (struct user){ world->uid, world->gid, SLICE_EMPTY,
			SLICE_EMPTY };
		return true;
	}
	r = world->user(world->arg, slice_str(name), u);
	if (r == USER_UNKNOWN)
		walk_trouble(w, "there is no system user %s (user.mail, "
		    "user.commands)", name);
	else if (r == USER_TROUBLE)
		walk_trouble(w, "the system's users cannot be looked up");
	return r == USER_FOUND;
}

/* ---- other hosts -------------------------------------------------------- */

static void
locate_relay(struct walk *w, const struct name *n, struct destination *to)
{
	const struct table_list *list = &n->at->keys;
	enum table_result r = TABLE_FOUND;
	struct table_hit hit;

	if (list->n > 0) {
		r = find_in(w, list, n->key, &hit, NULL);
		if (r == TABLE_MISSING && n->base.n > 0)
			r = find_in(w, list, n->base_key, &hit, NULL);
	}
	if (r == TABLE_MISSING)
		unknown(to);
	else if (r == TABLE_FOUND && n->at->relay_to[0] != '\0')
		use_next_hop(w, slice_str(n->at->relay_to), to);
	else if (r == TABLE_FOUND)
		locate_remote(w, n, to);
}

static void
locate_remote(struct walk *w, const struct name *n, struct destination *to)
{
	struct table_hit hit = { .value = SLICE_EMPTY };

	switch (find_route(w, n, &hit)) {
	case TABLE_FOUND:
		use_next_hop(w, hit.value, to);
		break;
	case TABLE_MISSING:
		if (n->domain.n > DNS_NAME_BYTES)
			*to = dest_fail(550, SLICE_LIT("5.1.2 there is no "
			    "such domain: its name is longer than one can "
			    "be"));
		else
			use_next_hop(w, n->domain, to);
		break;
	case TABLE_ERROR:
		break;
	}
}

/* The address, the domain, .parent of each length, "*". */
static enum table_result
find_route(struct walk *w, const struct name *n, struct table_hit *hit)
{
	const struct table_list *list = &w->r->routes;
	enum table_result r;
	struct slice parent;
	size_t dot;

	if (list->n == 0)
		return TABLE_MISSING;
	r = find_in(w, list, n->key, hit, NULL);
	if (r == TABLE_MISSING && n->base.n > 0)
		r = find_in(w, list, n->base_key, hit, NULL);
	if (r == TABLE_MISSING)
		r = find_in(w, list, n->domain, hit, NULL);
	for (parent = n->domain; r == TABLE_MISSING && parent.p[0] != '[' &&
	    (dot = slice_find(parent, '.')) < parent.n;) {
		parent = slice_from(parent, dot);	/* ".parent" */
		r = find_in(w, list, parent, hit, NULL);
		parent = slice_from(parent, 1);
	}
	if (r == TABLE_MISSING)
		r = find_in(w, list, SLICE_LIT("*"), hit, NULL);
	return r;
}

/* qmgr schedules by this text, so that it has one form: lower case, but for
 * paths; without "smtp:", which tables of Postfix have. */
static void
use_next_hop(struct walk *w, struct slice hop, struct destination *to)
{
	struct buf b = BUF_INIT(1024);
	struct slice text;
	size_t i;

	hop = slice_trim(hop);
	if (slice_starts_nocase(hop, SLICE_LIT("smtp:")))
		hop = slice_from(hop, 5);
	if (!conf_next_hop_is_valid(hop) &&
	    !(hop.n > 0 && hop.p[0] == '[' && hop.p[hop.n - 1] == ']')) {
		walk_trouble(w, "a route has \"%.*s\", which is no next hop",
		    SLICE_ARG(hop));
		return;
	}
	buf_add(&b, hop);
	for (i = 0; i < b.n && b.p[i] != '/'; i++)
		b.p[i] = ascii_lower(b.p[i]);
	if (arena_copy(w->arena, buf_slice(&b), &text) == 0)
		*to = (struct destination){ .kind = DEST_REMOTE,
			.next_hop = text };
	else
		walk_trouble(w, "out of room");
	buf_clear(&b);
}

/* As remote takes it: a domain, perhaps with a port. */
static bool
is_by_mx(struct walk *w, struct slice hop)
{
	struct slice host = slice_first(hop, slice_find(hop, ':'));
	uint8_t address[16];

	return hop.p[0] != '[' && !slice_starts(hop, SLICE_LIT("smtps:")) &&
	    !slice_starts(hop, SLICE_LIT("lmtp:")) &&
	    !literal_parse(walk_text(w, "[%.*s]", SLICE_ARG(host)), address);
}

/* ---- programs and files ------------------------------------------------- */

static bool
is_safe_path(struct slice path)
{
	struct slice rest = path, part;
	size_t i;

	for (i = 0; i < path.n; i++)
		if ((unsigned char)path.p[i] < ' ' || path.p[i] == ':')
			return false;
	while (slice_next(&rest, '/', &part))
		if (slice_eq(part, SLICE_LIT("..")))
			return false;
	return path.n < 4000 && slice_rfind(path, '/') > 0;
}

/* With the rights of the user whose ~/.forward named it, else with those of
 * user.commands. */
static bool
special_user(struct walk *w, struct slice owner, struct user *u,
    struct destination *to)
{
	const struct conf *c = w->r->conf;
	enum user_found r = USER_UNKNOWN;

	if (owner.n == 0) {
		if (c->alias_commands)
			return mail_user(w, c->user_commands, u);
		*to = dest_fail(550, SLICE_LIT("5.7.1 alias tables may not "
		    "name programs or files here"));
		return false;
	}
	find_user(w, owner, u, &r);
	if (r == USER_FOUND && u->uid >= c->user_minimum_uid)
		return true;
	*to = dest_fail(550, SLICE_LIT("5.1.1 the user whose ~/.forward named "
	    "it does not exist"));
	return false;
}

void
locate_special(struct walk *w, struct slice text, struct slice owner,
    struct destination *to)
{
	struct slice dir = text;
	struct user u = { 0 };

	*to = (struct destination){ .kind = 0 };
	if (slice_eq(text, SLICE_LIT("/dev/null"))) {
		to->kind = DEST_DISCARD;
		to->next_hop = SLICE_LIT("local:discard");
		say(w, "=> /dev/null: discarded");
		return;
	}
	if (special_user(w, owner, &u, to)) {
		to->uid = u.uid;
		to->gid = u.gid;
		to->user = walk_text(w, "%.*s", SLICE_ARG(owner));
		to->home = walk_text(w, "%.*s", SLICE_ARG(u.home));
		to->next_hop = walk_text(w, "local:%u", u.uid);
		if (text.p[0] == '|') {
			to->kind = DEST_COMMAND;
			to->path = slice_from(text, 1);
			if (owner.n == 0)
				to->home = SLICE_EMPTY;
		} else if (!is_safe_path(text)) {
			*to = dest_fail(550, SLICE_LIT("5.3.5 not a path that "
			    "mail is written to"));
		} else {
			to->kind = text.p[text.n - 1] == '/' ? DEST_MAILDIR :
			    DEST_FILE;
			while (to->kind == DEST_MAILDIR && dir.n > 1 &&
			    dir.p[dir.n - 1] == '/')
				dir = slice_first(dir, dir.n - 1);
			to->path = dir;
			to->home = slice_first(dir, slice_rfind(dir, '/'));
		}
	}
	if (w->trouble.kind != 0)
		*to = w->trouble;
	if (to->kind == DEST_FAIL || to->kind == DEST_DEFER)
		say(w, "=> %.*s: %u %.*s", SLICE_ARG(text), to->code,
		    SLICE_ARG(to->text));
	else
		say(w, "=> %.*s as uid %u", SLICE_ARG(text), to->uid);
}
