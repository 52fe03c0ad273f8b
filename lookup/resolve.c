/* SPDX-License-Identifier: ISC */
/* resolve - the two questions; see resolve.h. */
#include <stdarg.h>
#include <stdlib.h>

#include "base/mem.h"
#include "walk.h"
#include "mail/address.h"
#include "mail/envelope.h"

#define WHY_BYTES	2048
#define TEXT_LIMIT	900	/* of "5.1.1 text", see ipc/fields.h */

static void	 deny_relay(struct walk *, struct verdict *);
static bool	 passes_route_on(struct walk *, const struct name *,
		    const struct route *);
static bool	 names_a_route(struct slice local);
static bool	 expand_whole(struct walk *, struct name *, struct route *);
static void	 group_targets(struct walk *, struct route *);
static void	 judge(struct walk *, const struct name *, const struct route *,
		    struct verdict *);
static struct destination best_target(struct walk *, const struct route *);
static struct destination locate_target(struct walk *, const struct target *);
static void	 refuse(struct verdict *, const struct destination *);
static int	 by_reverse_path(const void *, const void *);

void
resolver_init(struct resolver *r, const struct conf *c,
    const struct tables *tables, const struct resolve_world *world)
{
	*r = (struct resolver){ .conf = c, .world = world };
	domains_init(&r->domains, c, tables);
	table_list_init(&r->virtual, &c->alias_virtual, tables);
	table_list_init(&r->aliases, &c->alias_tables, tables);
	table_list_init(&r->routes, &c->route_tables, tables);
	table_list_init(&r->senders, &c->submission_senders, tables);
}

void
resolver_clear(struct resolver *r)
{
	domains_clear(&r->domains);
	free(r->virtual.v);
	free(r->aliases.v);
	free(r->routes.v);
	free(r->senders.v);
	*r = (struct resolver){ 0 };
}

/* ---- what both questions share ------------------------------------------ */

void
walk_init(struct walk *w, const struct resolver *r, struct arena *arena,
    struct buf *trace)
{
	*w = (struct walk){ .r = r, .arena = arena, .trace = trace,
		.why = BUF_INIT(WHY_BYTES) };
	store_init(&w->seen, UINT64_MAX);
}

void
walk_clear(struct walk *w)
{
	store_clear(&w->seen);
	buf_clear(&w->why);
}

void
say(struct walk *w, const char *fmt, ...)
{
	va_list ap;
	unsigned i;

	if (w->trace == NULL)
		return;
	for (i = 0; i < w->indent && i < 20; i++)
		buf_add_str(w->trace, "  ");
	va_start(ap, fmt);
	buf_vprintf(w->trace, fmt, ap);
	va_end(ap);
	buf_add_byte(w->trace, '\n');
}

struct slice
walk_text(struct walk *w, const char *fmt, ...)
{
	struct buf b = BUF_INIT(WALK_TEXT_BYTES);
	struct slice copy = SLICE_LIT("4.3.0 out of room");
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	arena_copy(w->arena, buf_slice(&b), &copy);
	buf_clear(&b);
	return copy;
}

void
walk_trouble(struct walk *w, const char *fmt, ...)
{
	struct buf b = BUF_INIT(4096);
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	say(w, "trouble: %s", buf_cstr(&b));
	if (w->trouble.kind == 0)
		w->trouble = dest_defer(walk_text(w, "4.3.0 %s", buf_cstr(&b)));
	buf_clear(&b);
}

static struct slice
short_text(struct slice s)
{
	return slice_first(s, s.n < TEXT_LIMIT ? s.n : TEXT_LIMIT);
}

struct destination
dest_fail(uint16_t code, struct slice text)
{
	return (struct destination){ .kind = DEST_FAIL, .code = code,
		.text = short_text(text) };
}

struct destination
dest_defer(struct slice text)
{
	return (struct destination){ .kind = DEST_DEFER, .code = 451,
		.text = short_text(text) };
}

/* The address of this host behind user@[address], or NULL. */
static const struct domain *
literal_domain(const struct resolver *r, struct slice literal)
{
	static const uint8_t v4[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t loopback6[16] = { [15] = 1 };
	uint8_t addr[16];
	size_t i;

	if (!literal_parse(literal, addr))
		return NULL;
	if ((memcmp(addr, v4, 12) == 0 && addr[12] == 127) ||
	    memcmp(addr, loopback6, 16) == 0)
		return &r->domains.literal;
	for (i = 0; i < r->world->naddresses; i++)
		if (memcmp(addr, r->world->addresses[i], 16) == 0)
			return &r->domains.literal;
	return NULL;
}

/* user+detail; names of lists are not taken apart by a '-'. */
static void
split_detail(struct walk *w, struct name *n)
{
	const char *delimiter = w->r->conf->recipient_delimiter;
	struct buf b = BUF_INIT(2 * ADDRESS_BYTES);
	size_t i;

	n->base = n->base_key = SLICE_EMPTY;
	if (delimiter[0] == '\0' || (delimiter[0] == '-' &&
	    (slice_starts(n->local, SLICE_LIT("owner-")) ||
	    slice_ends_nocase(n->local, SLICE_LIT("-request")))))
		return;
	i = slice_find(n->local, delimiter[0]);
	if (i == 0 || i == n->local.n)
		return;
	n->base = slice_first(n->local, i);
	if (local_quote(&b, n->base) == -1 || buf_add_byte(&b, '@') == -1 ||
	    buf_add(&b, n->domain) == -1 ||
	    arena_copy(w->arena, buf_slice(&b), &n->base_key) == -1)
		n->base = SLICE_EMPTY;
	buf_clear(&b);
}

bool
name_set(struct walk *w, struct name *n, struct slice text, const char *dflt)
{
	struct address a, key;
	struct buf b = BUF_INIT(2 * ADDRESS_BYTES);
	bool ok = false;

	if (address_parse(text, ADDRESS_UTF8 | ADDRESS_BARE, &a) != PARSE_OK)
		goto out;
	if (a.domain.n == 0) {
		buf_add(&b, text);
		buf_add_byte(&b, '@');
		buf_add_str(&b, dflt);
		text = buf_slice(&b);
		if (address_parse(text, ADDRESS_UTF8, &a) != PARSE_OK)
			goto out;
	}
	if (text.n > ADDRESS_BYTES ||
	    arena_copy(w->arena, text, &n->text) == -1 ||
	    address_canonical(w->arena, &a, true, &n->key) == -1)
		goto out;
	key = address_split(n->key);
	n->domain = key.domain;
	if (local_unquote(w->arena, key.local, &n->local) == -1)
		goto out;
	n->at = n->domain.p[0] == '[' ? literal_domain(w->r, n->domain) :
	    domains_find(&w->r->domains, n->domain);
	split_detail(w, n);
	ok = true;
out:
	if (!ok && w->failure.kind == 0)
		w->failure = dest_fail(550, walk_text(w,
		    "5.1.3 not a valid address: %.*s",
		    SLICE_ARG(slice_first(text, text.n > 300 ? 300 : text.n))));
	if (!ok)
		say(w, "%.*s: not a valid address", SLICE_ARG(text));
	buf_clear(&b);
	return ok;
}

struct slice
name_bare_key(struct slice local)
{
	return slice_find(local, '@') < local.n ? SLICE_EMPTY : local;
}

static enum table_result
find_key(struct walk *w, const struct table_list *list, struct slice key,
    struct table_hit *hit, struct table **table_r)
{
	enum table_result r;
	struct table *t;
	size_t i;

	for (i = 0; i < list->n; i++) {
		t = list->v[i];
		buf_reset(&w->why);
		r = table_find(t, key, hit, &w->why);
		if (r == TABLE_ERROR) {
			walk_trouble(w, "table %s: %s", table_name(t),
			    buf_cstr(&w->why));
			return r;
		}
		if (r == TABLE_MISSING) {
			say(w, "table %s has no %.*s", table_name(t),
			    SLICE_ARG(key));
			continue;
		}
		if (hit->line > 0)
			say(w, "table %s (%s:%u): %.*s -> %.*s", table_name(t),
			    table_path(t), hit->line, SLICE_ARG(key),
			    SLICE_ARG(hit->value));
		else
			say(w, "table %s: %.*s -> %.*s", table_name(t),
			    SLICE_ARG(key), SLICE_ARG(hit->value));
		if (table_r != NULL)
			*table_r = t;
		return r;
	}
	return TABLE_MISSING;
}

/* The key as somebody who writes tables may write its domain: with U-labels. */
static struct slice
unicode_key(struct walk *w, struct slice key)
{
	size_t at = slice_rfind(key, '@');
	struct buf b = BUF_INIT(2 * ADDRESS_BYTES);
	struct slice text = SLICE_EMPTY;

	at = at < key.n ? at + 1 : 0;
	if (at < key.n && key.p[at] == '.')
		at++;
	if (buf_add(&b, slice_first(key, at)) == 0 &&
	    domain_unicode(&b, slice_from(key, at)) == 0)
		text = walk_text(w, "%s", buf_cstr(&b));
	buf_clear(&b);
	return text;
}

enum table_result
find_in(struct walk *w, const struct table_list *list, struct slice key,
    struct table_hit *hit, struct table **table_r)
{
	enum table_result r = find_key(w, list, key, hit, table_r);

	if (r == TABLE_MISSING && list->n > 0 &&
	    memmem(key.p, key.n, "xn--", 4) != NULL) {
		key = unicode_key(w, key);
		if (key.n > 0)
			r = find_key(w, list, key, hit, table_r);
	}
	return r;
}

/* The recipient's own name, with the domain that it lacks. */
static bool
first_name(struct walk *w, struct name *n, struct slice recipient)
{
	const char *postmaster = w->r->conf->postmaster;

	*n = (struct name){ .reverse_path = SLICE_EMPTY };
	if (slice_eq_nocase(recipient, SLICE_LIT("postmaster")))
		recipient = slice_str(postmaster);
	if (!name_set(w, n, recipient, w->r->domains.first_system))
		return false;
	if (n->at != NULL)
		say(w, "%.*s: %.*s is %s", SLICE_ARG(n->text),
		    SLICE_ARG(n->domain), n->domain.p[0] == '[' ?
		    "an address of this host" : n->at->type == DOMAIN_SYSTEM ?
		    "a domain of this host's users" :
		    n->at->type == DOMAIN_VIRTUAL ?
		    "a domain of virtual mailboxes" :
		    n->at->type == DOMAIN_RELAY ?
		    "a domain that is relayed to" : "a domain of aliases");
	else
		say(w, "%.*s: %.*s is not a domain of ours",
		    SLICE_ARG(n->text), SLICE_ARG(n->domain));
	return true;
}

/* ---- where does it go? -------------------------------------------------- */

void
resolve_route(const struct resolver *r, struct arena *arena, unsigned flags,
    struct slice recipient, struct slice owner, struct buf *trace,
    struct route *route)
{
	struct walk w;
	struct name n;

	walk_init(&w, r, arena, trace);
	*route = (struct route){ .ntargets = 0 };
	if ((flags & ROUTE_EXPANDED) != 0 && recipient.n > 0 &&
	    (recipient.p[0] == '|' || recipient.p[0] == '/')) {
		/* Never from an envelope: only what we named ourselves (see
		 * address_text()), or a user's ~/.forward did. */
		locate_special(&w, recipient, owner, &route->to);
	} else if (!first_name(&w, &n, recipient)) {
		route->to = w.failure;
	} else if ((flags & ROUTE_NO_FORWARD) != 0 ||
	    ((flags & ROUTE_EXPANDED) != 0 && owner.n == 0)) {
		locate(&w, &n, flags, &route->to);
	} else {
		expand_whole(&w, &n, route);
		if (route->ntargets == 0 && route->to.kind == 0)
			locate(&w, &n, flags, &route->to);
	}
	route->trouble = w.trouble.kind != 0;
	if (route->trouble)
		route->to = w.trouble;
	walk_clear(&w);
}

/* Targets, or a failure in .to; neither: the name stands for itself. */
static bool
expand_whole(struct walk *w, struct name *n, struct route *route)
{
	if (!expand(w, n))
		return false;
	if (w->itself)
		return true;
	if (w->nleaves == 0) {
		route->to = w->failure.kind != 0 ? w->failure :
		    dest_fail(550, SLICE_LIT("5.1.1 the alias is empty"));
		return true;
	}
	group_targets(w, route);
	return true;
}

/* qmgr hears of one reverse-path after the other, in a stable order. */
static void
group_targets(struct walk *w, struct route *route)
{
	qsort(w->leaves, w->nleaves, sizeof(*w->leaves), by_reverse_path);
	route->targets = w->leaves;
	route->ntargets = w->nleaves;
}

static int
by_reverse_path(const void *va, const void *vb)
{
	const struct target *a = va, *b = vb;
	int c = slice_cmp(a->reverse_path, b->reverse_path);

	return c != 0 ? c : slice_cmp(a->text, b->text);
}

/* ---- may it come in? ---------------------------------------------------- */

void
resolve_rcpt(const struct resolver *r, struct arena *arena, bool may_relay,
    struct slice recipient, struct buf *trace, struct verdict *v)
{
	struct route route = { .ntargets = 0 };
	struct walk w;
	struct name n;

	walk_init(&w, r, arena, trace);
	w.probe = trace == NULL;
	*v = (struct verdict){ .kind = VERDICT_ACCEPT };
	if (!first_name(&w, &n, recipient)) {
		refuse(v, &w.failure);
	} else if (!may_relay && n.at == NULL) {
		deny_relay(&w, v);
	} else if (expand_whole(&w, &n, &route) && !w.enough) {
		if (!may_relay && passes_route_on(&w, &n, &route))
			deny_relay(&w, v);
		else
			judge(&w, &n, &route, v);
	}
	if (w.trouble.kind != 0) {
		refuse(v, &w.trouble);
		v->text = SLICE_LIT("4.3.0 the recipient cannot be looked up "
		    "now, try again later");
		v->trouble = true;
		/* The log is told the reason, the client is not. */
		v->mailbox = w.trouble;
	}
	walk_clear(&w);
}

static void
deny_relay(struct walk *w, struct verdict *v)
{
	say(w, "clients outside relay_networks may not send there");
	*v = (struct verdict){ .kind = VERDICT_REFUSE, .code = 550,
		.text = SLICE_LIT("5.7.1 relay access denied") };
}

/* Sender-specified routing through us (RFC 5321 section 3.6.1, appendix F.2):
 * the next host might act on it, with our address as the client's.  Of a name
 * that becomes others, those matter that kept what the sender wrote. */
static bool
passes_route_on(struct walk *w, const struct name *n,
    const struct route *route)
{
	const struct destination failure = w->failure;
	struct name target;
	bool found = false;
	size_t i;

	if (!names_a_route(n->local))
		return false;
	if (route->ntargets == 0)
		return n->at->type == DOMAIN_RELAY;
	for (i = 0; i < route->ntargets && !found; i++)
		found = strchr("|/", route->targets[i].text.p[0]) == NULL &&
		    name_set(w, &target, route->targets[i].text,
		    w->r->domains.first_system) && (target.at == NULL ||
		    target.at->type == DOMAIN_RELAY) &&
		    names_a_route(target.local);
	w->failure = failure;
	return found;
}

static bool
names_a_route(struct slice local)
{
	size_t i;

	for (i = 0; i < local.n; i++)
		if (strchr("@%!", local.p[i]) != NULL && local.p[i] != 0)
			return true;
	return false;
}

static struct destination
locate_target(struct walk *w, const struct target *t)
{
	struct destination to = { .kind = 0 };
	struct name leaf = { .no_alias = true };

	w->failure = to;
	if (t->text.p[0] == '|' || t->text.p[0] == '/')
		locate_special(w, t->text, SLICE_EMPTY, &to);
	else if (name_set(w, &leaf, t->text, w->r->domains.first_system))
		locate(w, &leaf, (t->flags & TARGET_NO_FORWARD) != 0 ?
		    ROUTE_NO_FORWARD : 0, &to);
	else
		to = w->failure;
	return to;
}

/* The first of the targets that has somewhere to go; else a temporary failure,
 * if there is one, or any.  For an explanation all are gone through. */
static struct destination
best_target(struct walk *w, const struct route *route)
{
	const struct destination none = { .kind = 0 };
	struct destination to, best = none, trouble = w->trouble;
	bool good = false;
	size_t i;

	for (i = 0; i < route->ntargets && (!good || w->trace != NULL); i++) {
		w->trouble = none;	/* that of one is not that of all */
		to = locate_target(w, &route->targets[i]);
		if (trouble.kind == 0)
			trouble = w->trouble;
		if (good)
			continue;
		good = to.kind != DEST_FAIL && to.kind != DEST_DEFER;
		if (good || best.kind == 0 || to.kind == DEST_DEFER)
			best = to;
	}
	w->trouble = good ? none : trouble;
	return best;
}

static void
judge(struct walk *w, const struct name *n, const struct route *route,
    struct verdict *v)
{
	struct destination to = route->to;

	if (route->ntargets > 0)
		to = best_target(w, route);
	else if (to.kind == 0)
		locate(w, n, 0, &to);
	if (to.kind == DEST_FAIL || to.kind == DEST_DEFER)
		refuse(v, &to);
	else if (to.kind == DEST_MAILDIR && route->ntargets <= 1 &&
	    (to.quota_bytes > 0 || to.quota_messages > 0))
		*v = (struct verdict){ .kind = VERDICT_ASK_USAGE,
			.mailbox = to };
}

static void
refuse(struct verdict *v, const struct destination *to)
{
	*v = (struct verdict){ .kind = VERDICT_REFUSE, .code = to->code,
		.text = to->text };
}

bool
resolve_has_room(const struct resolver *r, const struct destination *to,
    uint64_t bytes, uint64_t messages, uint64_t size, struct verdict *v)
{
	bool bytes_full = to->quota_bytes > 0 && (bytes >= to->quota_bytes ||
	    size > to->quota_bytes - bytes);
	bool count_full = to->quota_messages > 0 &&
	    messages >= to->quota_messages;

	if (!bytes_full && !count_full)
		return true;
	if (strcmp(r->conf->quota_full, "refuse") == 0)
		*v = (struct verdict){ .kind = VERDICT_REFUSE, .code = 552,
			.text = SLICE_LIT("5.2.2 mailbox is full") };
	else
		*v = (struct verdict){ .kind = VERDICT_REFUSE, .code = 452,
			.text = SLICE_LIT("4.2.2 mailbox is full") };
	return false;
}
