/* SPDX-License-Identifier: ISC */
/* expand - aliases of every kind, down to names that stand for themselves. */
#include "walk.h"
#include "mail/address.h"
#include "mail/envelope.h"
#include "table/aliases.h"

enum tried {
	TRIED_NOTHING,		/* no entry */
	TRIED_EXPANDED,
	TRIED_TROUBLE,
};

/* Who wrote targets, and what they may be. */
enum source {
	BY_TABLE,		/* anything */
	BY_PATTERN,		/* with words of the sender's: addresses */
	BY_INCLUDED,		/* addresses */
};

static enum tried try_virtual(struct walk *, struct name *);
static enum tried try_aliases(struct walk *, struct name *);
static enum tried try_rest(struct walk *, struct name *);
static enum tried virtual_targets(struct walk *, const struct name *,
		    struct slice value, bool whole_domain, bool detail);
static bool	 alias_targets(struct walk *, const struct name *,
		    struct slice value, const struct table *, enum source);
static bool	 include(struct walk *, const struct name *, struct slice path,
		    const struct table *);
static bool	 find_owner(struct walk *, struct name *);
static bool	 child(struct walk *, const struct name *, struct slice text,
		    const char *dflt, bool no_alias);
static bool	 add_leaf(struct walk *, const struct name *, struct slice text,
		    struct slice key, uint8_t flags);
static struct slice address_text(struct walk *, const struct name *);
static bool	 in_own_expansion(const struct name *);
static bool	 some_exist(struct walk *, size_t from);
static void	 fail(struct walk *, struct slice text);

bool
expand(struct walk *w, struct name *n)
{
	enum tried r = TRIED_NOTHING;
	struct destination to;

	if (n->depth > w->r->conf->alias_max_depth) {
		walk_trouble(w, "aliases lead deeper than alias.max_depth");
		return false;
	}
	if (in_own_expansion(n)) {
		say(w, "%.*s is within its own expansion", SLICE_ARG(n->text));
		locate(w, n, 0, &to);
		if (to.kind == DEST_FAIL)
			fail(w, SLICE_LIT("5.4.6 the alias leads to itself"));
		else if (to.kind != DEST_DEFER)
			return add_leaf(w, n, address_text(w, n), n->key, 0);
		return w->trouble.kind == 0;
	}
	if (n->no_alias)
		return add_leaf(w, n, address_text(w, n), n->key,
		    TARGET_NO_FORWARD);
	r = try_virtual(w, n);
	if (r == TRIED_NOTHING && n->at != NULL &&
	    n->at->type == DOMAIN_SYSTEM)
		r = try_aliases(w, n);
	if (r == TRIED_NOTHING && n->at != NULL)
		r = try_rest(w, n);
	if (r == TRIED_NOTHING && n->parent == NULL) {
		w->itself = true;
		return true;
	}
	if (r == TRIED_NOTHING)
		return add_leaf(w, n, address_text(w, n), n->key, 0);
	return r == TRIED_EXPANDED;
}

/*
 * '|' and '/' are letters of an atom, but a target that begins with one is a
 * program or file.  A stranger's |x@domain must never become one, so such a
 * local-part is put in quotes, which means the same.
 */
static struct slice
address_text(struct walk *w, const struct name *n)
{
	struct address a;

	if (n->text.p[0] != '|' && n->text.p[0] != '/')
		return n->text;
	a = address_split(n->text);
	return walk_text(w, "\"%.*s\"@%.*s", SLICE_ARG(a.local),
	    SLICE_ARG(a.domain));
}

static bool
in_own_expansion(const struct name *n)
{
	const struct name *up;

	for (up = n->parent; up != NULL; up = up->parent)
		if (slice_eq(up->key, n->key))
			return true;
	return false;
}

/* What a pattern took over from the key was chosen by the sender: blanks and
 * commas in it would make targets of their own. */
static bool
is_plain(struct slice local)
{
	struct buf b = BUF_INIT(2 * ADDRESS_BYTES);
	bool plain = local_quote(&b, local) == 0 && b.n == local.n;

	buf_clear(&b);
	return plain;
}

/* ---- alias.virtual ------------------------------------------------------ */

static size_t
count_targets(struct walk *w, struct slice value)
{
	struct alias_target t;
	const char *why;
	size_t n = 0;

	while (alias_next(w->arena, &value, &t, &why) == PARSE_OK)
		n++;
	return n;
}

static enum tried
try_virtual(struct walk *w, struct name *n)
{
	const struct table_list *list = &w->r->virtual;
	bool system = n->at != NULL && n->at->type == DOMAIN_SYSTEM;
	const struct {
		struct slice	 key;
		bool		 whole_domain, detail;
	} keys[] = {
		{ n->key, false, false },
		{ n->base_key, false, true },
		{ system ? name_bare_key(n->local) : SLICE_EMPTY, false,
		    false },
		{ system ? name_bare_key(n->base) : SLICE_EMPTY, false, true },
		{ walk_text(w, "@%.*s", SLICE_ARG(n->domain)), true, false },
	};
	enum table_result r;
	struct table_hit hit;
	struct slice value;
	size_t i;

	for (i = 0; list->n > 0 && i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (keys[i].key.n == 0)
			continue;
		r = find_in(w, list, keys[i].key, &hit, NULL);
		if (r == TABLE_ERROR)
			return TRIED_TROUBLE;
		if (r == TABLE_MISSING || (hit.composed &&
		    !is_plain(n->local) && count_targets(w, hit.value) != 1))
			continue;
		/* The same table may be asked again further down. */
		if (arena_copy(w->arena, hit.value, &value) == -1) {
			walk_trouble(w, "out of room");
			return TRIED_TROUBLE;
		}
		return virtual_targets(w, n, value, keys[i].whole_domain,
		    keys[i].detail);
	}
	return TRIED_NOTHING;
}

/* "@other" keeps the local-part; of user+detail -> other the detail goes on to
 * other+detail where it is the only one. */
static enum tried
virtual_targets(struct walk *w, const struct name *n, struct slice value,
    bool whole_domain, bool detail)
{
	struct address from = address_split(n->text), to;
	const char *why = "", *dflt = w->r->domains.first_system;
	bool single = detail && count_targets(w, value) == 1;
	struct alias_target t;
	struct slice text;
	enum parse r;

	while ((r = alias_next(w->arena, &value, &t, &why)) == PARSE_OK) {
		text = t.text;
		if (t.kind != ALIAS_ADDRESS) {
			walk_trouble(w, "alias.virtual leads to addresses "
			    "only, not to %.*s", SLICE_ARG(text));
			return TRIED_TROUBLE;
		}
		if (text.n > 1 && text.p[0] == '@') {
			text = walk_text(w, "%.*s%.*s", SLICE_ARG(from.local),
			    SLICE_ARG(text));
		} else if (single && !whole_domain && from.local.p[0] != '"' &&
		    slice_find(text, '"') == text.n) {
			to = address_split(text);
			text = walk_text(w, "%.*s%.*s%s%.*s",
			    SLICE_ARG(to.local),
			    SLICE_ARG(slice_from(from.local, n->base.n)),
			    to.domain.n > 0 ? "@" : "", SLICE_ARG(to.domain));
		}
		if (!child(w, n, text, dflt, t.no_alias))
			return TRIED_TROUBLE;
	}
	if (r == PARSE_BAD) {
		walk_trouble(w, "the aliases of %.*s: %s", SLICE_ARG(n->key),
		    why);
		return TRIED_TROUBLE;
	}
	return TRIED_EXPANDED;
}

/* ---- aliases(5) --------------------------------------------------------- */

static enum tried
try_aliases(struct walk *w, struct name *n)
{
	const struct table_list *list = &w->r->aliases;
	const struct slice keys[] = { n->local, n->base };
	enum table_result r = TABLE_MISSING;
	struct name named = *n;
	struct table_hit hit;
	struct table *table;
	struct slice value;
	size_t i;

	for (i = 0; list->n > 0 && i < 2; i++) {
		if (keys[i].n == 0)
			continue;
		r = find_in(w, list, keys[i], &hit, &table);
		if (r == TABLE_FOUND && hit.composed && !is_plain(keys[i]))
			r = TABLE_MISSING;
		if (r != TABLE_MISSING)
			break;
	}
	if (r == TABLE_MISSING)
		return TRIED_NOTHING;
	if (r == TABLE_ERROR)
		return TRIED_TROUBLE;
	if (arena_copy(w->arena, hit.value, &value) == -1) {
		walk_trouble(w, "out of room");
		return TRIED_TROUBLE;
	}
	named.local = keys[i];
	if (!find_owner(w, &named))
		return TRIED_TROUBLE;
	/* The chain goes through n, whose name is the one to recognise. */
	n->reverse_path = named.reverse_path;
	return alias_targets(w, n, value, table, hit.composed ? BY_PATTERN :
	    BY_TABLE) ? TRIED_EXPANDED : TRIED_TROUBLE;
}

/* Of an unquoted local-part. */
static struct slice
whole_address(struct walk *w, struct slice local, struct slice domain)
{
	struct buf b = BUF_INIT(2 * ADDRESS_BYTES);
	struct slice text = SLICE_EMPTY;

	if (local_quote(&b, local) == 0)
		text = walk_text(w, "%s@%.*s", buf_cstr(&b),
		    SLICE_ARG(domain));
	buf_clear(&b);
	return text;
}

/* Mail for a list with an owner gets the owner's address as its reverse-path,
 * so that reports go there (RFC 5321 section 3.9.2). */
static bool
find_owner(struct walk *w, struct name *n)
{
	struct slice key;
	struct table_hit hit;

	if (slice_starts(n->local, SLICE_LIT("owner-")))
		return true;
	key = walk_text(w, "owner-%.*s", SLICE_ARG(n->local));
	switch (find_in(w, &w->r->aliases, key, &hit, NULL)) {
	case TABLE_FOUND:
		n->reverse_path = whole_address(w, key, n->domain);
		say(w, "the reverse-path becomes %.*s",
		    SLICE_ARG(n->reverse_path));
		return true;
	case TABLE_MISSING:
		return true;
	case TABLE_ERROR:
		break;
	}
	return false;
}

static bool
alias_targets(struct walk *w, const struct name *n, struct slice value,
    const struct table *table, enum source source)
{
	const char *why = "", *who = source == BY_PATTERN ?
	    "a pattern with parts of the key" : "an included file";
	struct alias_target t;
	struct slice text, domain;
	enum parse r;
	bool ok = true;

	while (ok && (r = alias_next(w->arena, &value, &t, &why)) == PARSE_OK) {
		switch (t.kind) {
		case ALIAS_ADDRESS:
			/* A bare name is one of the same domain. */
			domain = walk_text(w, "%.*s", SLICE_ARG(n->domain));
			text = t.text;
			if (address_split(text).domain.n == 0)
				text = walk_text(w, "%.*s@%.*s",
				    SLICE_ARG(text), SLICE_ARG(domain));
			ok = child(w, n, text, w->r->domains.first_system,
			    t.no_alias);
			break;
		case ALIAS_COMMAND:
		case ALIAS_FILE:
			if (source != BY_TABLE) {
				walk_trouble(w, "%s names a program or file: "
				    "%.*s", who, SLICE_ARG(t.text));
				return false;
			}
			if (t.text.n >= TARGET_BYTES) {
				walk_trouble(w, "a target is too long");
				return false;
			}
			text = t.kind == ALIAS_FILE ? t.text :
			    walk_text(w, "|%.*s", SLICE_ARG(t.text));
			ok = add_leaf(w, n, text, text, 0);
			break;
		case ALIAS_INCLUDE:
			if (source != BY_TABLE) {
				walk_trouble(w, "%s includes a file: %.*s",
				    who, SLICE_ARG(t.text));
				return false;
			}
			ok = include(w, n, t.text, table);
			break;
		}
	}
	if (ok && r == PARSE_BAD) {
		walk_trouble(w, "the aliases of %.*s: %s", SLICE_ARG(n->key),
		    why);
		return false;
	}
	return ok;
}

/* Lines of targets; those that begin with '#' are comments. */
static bool
include(struct walk *w, const struct name *n, struct slice path,
    const struct table *table)
{
	const struct resolve_world *world = w->r->world;
	struct slice text, line;

	buf_reset(&w->why);
	if (world->include(world->arg, path, table_owner(table), &text,
	    &w->why) == -1 || arena_copy(w->arena, text, &text) == -1) {
		walk_trouble(w, ":include:%.*s: %s", SLICE_ARG(path),
		    buf_cstr(&w->why));
		return false;
	}
	say(w, "reads %.*s", SLICE_ARG(path));
	while (slice_next(&text, '\n', &line)) {
		line = slice_trim(line);
		if (line.n > 0 && line.p[0] != '#' &&
		    !alias_targets(w, n, line, table, BY_INCLUDED))
			return false;
	}
	return true;
}

/* ---- what nothing has taken --------------------------------------------- */

static bool
is_postmaster(const struct name *n)
{
	return slice_eq(n->local, SLICE_LIT("postmaster")) ||
	    (n->at->type == DOMAIN_SYSTEM &&
	    slice_eq(n->local, SLICE_LIT("mailer-daemon")));
}

/* Whether any leaf from this one on has somewhere to go. */
static bool
some_exist(struct walk *w, size_t from)
{
	struct destination to;
	struct name leaf;
	size_t i;

	for (i = from; i < w->nleaves && w->trouble.kind == 0; i++) {
		leaf = (struct name){ .parent = NULL };
		if (w->leaves[i].text.p[0] == '|' ||
		    w->leaves[i].text.p[0] == '/')
			return true;
		if (!name_set(w, &leaf, w->leaves[i].text,
		    w->r->domains.first_system))
			continue;
		locate(w, &leaf, 0, &to);
		if (to.kind != DEST_FAIL)
			return w->trouble.kind == 0;
	}
	return false;
}

/* The configured postmaster if that name exists, else root. */
static bool
postmaster(struct walk *w, const struct name *n)
{
	struct destination failure = w->failure;
	size_t before = w->nleaves;
	struct slice root = walk_text(w, "root@%s",
	    w->r->domains.first_system);

	say(w, "postmaster must be reachable: tries %s",
	    w->r->conf->postmaster);
	if (!child(w, n, slice_str(w->r->conf->postmaster),
	    w->r->domains.first_system, false))
		return false;
	if (some_exist(w, before))
		return true;
	if (w->trouble.kind != 0)
		return false;
	w->nleaves = before;
	w->failure = failure;
	say(w, "tries root");
	return child(w, n, root, w->r->domains.first_system, false);
}

/* The catch-all, or postmaster; a mailbox that exists stands for itself. */
static enum tried
try_rest(struct walk *w, struct name *n)
{
	struct destination to;

	if (n->at->catch_all[0] == '\0' && !is_postmaster(n))
		return TRIED_NOTHING;
	if (n->at->type == DOMAIN_RELAY && n->at->catch_all[0] == '\0')
		return TRIED_NOTHING;
	locate(w, n, 0, &to);
	if (w->trouble.kind != 0)
		return TRIED_TROUBLE;
	if (!dest_is_unknown(&to))
		return TRIED_NOTHING;
	if (n->at->catch_all[0] != '\0') {
		say(w, "catch_all of %s: %s", n->at->name, n->at->catch_all);
		return child(w, n, slice_str(n->at->catch_all),
		    w->r->domains.first_system, false) ? TRIED_EXPANDED :
		    TRIED_TROUBLE;
	}
	return postmaster(w, n) ? TRIED_EXPANDED : TRIED_TROUBLE;
}

/* ---- results ------------------------------------------------------------ */

/* A target that is no address is kept as one, so that the sender hears of it;
 * it cannot be mistaken for a program or file. */
static bool
child(struct walk *w, const struct name *n, struct slice text,
    const char *dflt, bool no_alias)
{
	struct name next = { .parent = n, .depth = n->depth + 1,
		.no_alias = no_alias, .reverse_path = n->reverse_path };
	bool ok = true;

	if (name_set(w, &next, text, dflt)) {
		w->indent++;
		ok = expand(w, &next);
		w->indent--;
	} else if (text.n > 0 && text.n <= TARGET_BYTES &&
	    text.p[0] != '|' && text.p[0] != '/') {
		ok = add_leaf(w, n, text, text, 0);
	}
	return ok;
}

static bool
add_leaf(struct walk *w, const struct name *n, struct slice text,
    struct slice key, uint8_t flags)
{
	struct target *more;
	unsigned line;
	size_t cap;

	/* At other hosts local-parts may differ by their case. */
	if (n->at == NULL && key.p == n->key.p)
		key = text;
	if (store_add(&w->seen, key, SLICE_EMPTY, 0, &line) == STORE_TWIN) {
		say(w, "%.*s is there already", SLICE_ARG(text));
		return true;
	}
	if (w->nleaves == w->r->conf->alias_max_results) {
		walk_trouble(w, "more recipients than alias.max_results");
		return false;
	}
	if (w->nleaves == w->leaves_cap) {
		cap = w->leaves_cap * 2 + 8;
		more = arena_alloc(w->arena, cap * sizeof(*more));
		if (more == NULL) {
			walk_trouble(w, "out of room");
			return false;
		}
		if (w->nleaves > 0)
			memcpy(more, w->leaves, w->nleaves * sizeof(*more));
		w->leaves = more;
		w->leaves_cap = cap;
	}
	say(w, "-> %.*s", SLICE_ARG(text));
	w->leaves[w->nleaves++] = (struct target){ text, flags,
		n->reverse_path };
	w->enough = w->probe && w->nleaves == PROBE_LEAVES && some_exist(w, 0);
	return !w->enough;
}

static void
fail(struct walk *w, struct slice text)
{
	if (w->failure.kind == 0)
		w->failure = dest_fail(550, text);
}
