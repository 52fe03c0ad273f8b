/* SPDX-License-Identifier: ISC */
/*
 * lookup - tables, kinds of domains, aliases and routes, for smtpd and qmgr.
 *
 * The answers come from resolve.c; here are the channels, and what changes
 * with time: tables, included files, users, the configuration.  Whenever one
 * of them has changed, smtpd and qmgr are told to forget what they remember.
 *
 * It reads files that operators write and names that strangers send; it writes
 * nothing, and has no channel that leads to the network.
 *
 *	resolve.c	what an address is, and where its mail goes (resolve.h)
 *	expand.c	aliases; locate.c: where other names lead (walk.h)
 *	login.c		whose mailbox a login is; sender.c: what it may send as
 *	explain.c	what operators ask
 *	domains.c	which are ours, and of what kind
 *	tables.c	every table; includes.c: the files of :include:
 *	users.c		the system's users
 */
#include <sys/socket.h>

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "explain.h"
#include "includes.h"
#include "ipc/auth_client.h"
#include "ipc/auth_lookup.h"
#include "ipc/child.h"
#include "ipc/counters.h"
#include "ipc/lookup_local.h"
#include "ipc/qmgr_lookup.h"
#include "ipc/smtpd_lookup.h"
#include "resolve.h"
#include "users.h"

#define ADDRESSES_MAX	1024	/* of this host */
#define USAGE_MAX	4096	/* questions to local at once; a power of two */
#define USAGE_MS	5000	/* how long local may take */
#define TARGETS_BYTES	(190 * 1024)	/* of one QL_TARGETS */

/* A verdict that waits for the use of a mailbox. */
struct usage {
	struct channel		*smtpd;		/* NULL: nobody waits */
	uint64_t		 smtpd_id;
	uint64_t		 id;		/* ours, to local */
	int64_t			 until_ms;
	uint64_t		 size;
	struct destination	 quota;		/* only its quotas */
};

static struct child	 child;

static struct lookup {
	struct tables		 tables;
	struct resolver		 resolver;
	struct resolve_world	 world;
	struct users		*users;
	struct includes		*includes;
	uint8_t			 addresses[ADDRESSES_MAX][16];
	struct ev_timer		 timer;		/* table.check */
	struct usage		 usage[USAGE_MAX];	/* by id */
	uint64_t		 last_usage;
	size_t			 nusage;
	struct explain		 explain;	/* the tools */
} lookup;

static void	 acquire(struct lookup *);
static enum user_found find_user(void *, struct slice, struct user *);
static int	 read_include(void *, struct slice, uint32_t, struct slice *,
		    struct buf *);
static void	 find_addresses(struct lookup *);
static void	 load_tables(struct lookup *);
static int	 reload(void *, const struct conf *, struct buf *);
static void	 check(void *);
static bool	 check_tables(struct lookup *, bool written, bool *busy_r);
static void	 tell_changed(void);

static void	 smtpd_says(void *, struct channel *, struct message *);
static void	 rcpt_asked(struct lookup *, struct channel *,
		    struct message *);
static void	 sender_asked(struct lookup *, struct channel *,
		    struct message *);
static void	 smtpd_is_down(void *, struct channel *);
static void	 say_verdict(struct channel *, uint64_t id, bool once,
		    const struct verdict *);
static bool	 ask_usage(struct lookup *, struct channel *, uint64_t id,
		    uint64_t size, const struct destination *);
static void	 local_says(void *, struct channel *, struct message *);
static void	 local_is_down(void *, struct channel *);
static void	 give_up_usage(struct lookup *, int64_t before_ms);
static void	 accept_unknown(struct lookup *, struct usage *);

static void	 qmgr_says(void *, struct channel *, struct message *);
static void	 qmgr_is_down(void *, struct channel *);
static void	 say_route(struct channel *, uint64_t id,
		    const struct route *);
static void	 say_targets(struct channel *, uint64_t id,
		    const struct route *);

static void	 auth_says(void *, struct channel *, struct message *);
static void	 auth_is_down(void *, struct channel *);
static void	 say_mailbox(struct channel *, uint64_t id,
		    const struct login *);

static void	 listen_for_tools(void *, enum listener_kind, const char *,
		    int);
static void	 retire(void *);
static void	 status(void *, struct buf *);

static const struct message_rule smtpd_rules[] = RULES_OF(SMTPD_LOOKUP);
static const struct message_rule qmgr_rules[] = RULES_OF(QMGR_LOOKUP);
static const struct message_rule auth_rules[] = RULES_OF(AUTH_LOOKUP);
static const struct message_rule local_rules[] = RULES_OF(LOOKUP_LOCAL);

static const struct channel_ops smtpd_ops = { smtpd_says, smtpd_is_down,
	NULL };
static const struct channel_ops qmgr_ops = { qmgr_says, qmgr_is_down, NULL };
static const struct channel_ops auth_ops = { auth_says, auth_is_down, NULL };
static const struct channel_ops local_ops = { local_says, local_is_down,
	NULL };

static const struct child_edge edges[] = {
	{ ROLE_SMTPD, smtpd_rules, &smtpd_ops },
	{ ROLE_QMGR, qmgr_rules, &qmgr_ops },
	{ ROLE_LOCAL, local_rules, &local_ops },
	{ ROLE_AUTH, auth_rules, &auth_ops },
	{ 0, NULL, NULL },
};

static const struct child_spec spec = {
	.role = ROLE_LOOKUP,
	.edges = edges,
	.in_batches = true,
	.listener = listen_for_tools,
	.retire = retire,
	.reload = reload,
	.status = status,
};

int
main(int argc, char *argv[])
{
	child_init(&child, &spec, &lookup, argc, argv);
	acquire(&lookup);
	child_enter(&child);
	load_tables(&lookup);	/* with the rights that each later look has */
	return child_run(&child);
}

/* ---- what it answers from ----------------------------------------------- */

static void
acquire(struct lookup *l)
{
	l->users = users_new();
	l->includes = includes_new();
	users_warm_up(l->users);
	find_addresses(l);
	l->world.user = find_user;
	l->world.include = read_include;
	l->world.arg = l;
	l->world.one_user = child.ids.mode == PRIV_USER;
	l->world.uid = child.ids.uid;
	l->world.gid = child.ids.gid;
	l->world.addresses = (const uint8_t (*)[16])l->addresses;
	tables_init(&l->tables, child.conf, NULL);
	resolver_init(&l->resolver, child.conf, &l->tables, &l->world);
	explain_init(&l->explain, &l->resolver, &l->tables);
	ev_timer_init(&l->timer, &child.loop, check, l);
	ev_timer_set(&l->timer, child.conf->table_check);
}

static enum user_found
find_user(void *arg, struct slice name, struct user *user)
{
	struct lookup *l = arg;

	return users_find(l->users, name, user);
}

static int
read_include(void *arg, struct slice path, uint32_t owner,
    struct slice *text_r, struct buf *why)
{
	struct lookup *l = arg;

	return includes_read(l->includes, path, owner, text_r, why);
}

/* For user@[address]: RFC 5321 section 4.1.3. */
static void
find_addresses(struct lookup *l)
{
	struct ifaddrs *all, *i;

	if (getifaddrs(&all) == -1) {
		log_warn("event=no-addresses reason=\"%s\"", strerror(errno));
		return;
	}
	for (i = all; i != NULL && l->world.naddresses < ADDRESSES_MAX;
	    i = i->ifa_next) {
		uint8_t *to = l->addresses[l->world.naddresses];
		const void *from = i->ifa_addr;

		if (i->ifa_addr == NULL)
			continue;
		if (i->ifa_addr->sa_family == AF_INET) {
			const struct sockaddr_in *in = from;

			memset(to, 0, 10);
			memset(to + 10, 0xff, 2);
			memcpy(to + 12, &in->sin_addr, 4);
		} else if (i->ifa_addr->sa_family == AF_INET6) {
			const struct sockaddr_in6 *in6 = from;

			memcpy(to, &in6->sin6_addr, 16);
		} else {
			continue;
		}
		l->world.naddresses++;
	}
	freeifaddrs(all);
}

static void
tell_read(const struct table *t)
{
	log_info("event=table-read table=%s type=%s entries=%llu path=%s",
	    LOG_Q(slice_str(table_name(t))), table_type(t),
	    (unsigned long long)table_entries(t),
	    LOG_Q(slice_str(table_path(t))));
}

/* A table that cannot be read makes its answers temporary errors; the rest of
 * the mail flows. */
static void
load_tables(struct lookup *l)
{
	struct buf why = BUF_INIT(4096);
	size_t i;

	for (i = 0; i < l->tables.n; i++) {
		buf_reset(&why);
		if (table_load(l->tables.v[i], &why) == 0)
			tell_read(l->tables.v[i]);
		else
			log_error("event=table-broken table=%s reason=%s",
			    LOG_Q(slice_str(table_name(l->tables.v[i]))),
			    LOG_Q(buf_slice(&why)));
	}
	buf_clear(&why);
}

/* All or nothing: a new table that cannot be read refuses the configuration. */
static int
reload(void *arg, const struct conf *conf, struct buf *why)
{
	struct lookup *l = arg;
	struct tables fresh;
	bool busy;
	size_t i;

	tables_init(&fresh, conf, &l->tables);
	for (i = 0; i < fresh.n; i++) {
		if (tables_has(&l->tables, fresh.v[i]))
			continue;
		if (table_load(fresh.v[i], why) == -1) {
			if (strstr(buf_cstr(why), strerror(EACCES)) != NULL)
				buf_add_str(why, " (a directory that no table "
				    "was in before takes a restart)");
			tables_clear(&fresh, &l->tables);
			return -1;
		}
		tell_read(fresh.v[i]);
	}
	resolver_clear(&l->resolver);
	tables_clear(&l->tables, &fresh);
	l->tables = fresh;
	resolver_init(&l->resolver, conf, &l->tables, &l->world);
	/* Whoever has just edited a table expects it in force now. */
	do {
		busy = false;
		check_tables(l, true, &busy);
	} while (busy);
	ev_timer_set(&l->timer, conf->table_check);
	tell_changed();
	return 0;
}

static void
check(void *arg)
{
	struct lookup *l = arg;
	bool busy = false, changed;

	changed = check_tables(l, false, &busy);
	changed |= includes_check(l->includes);
	changed |= users_check(l->users);
	if (changed)
		tell_changed();
	give_up_usage(l, clock_mono_ms());
	ev_timer_set(&l->timer, busy ? 1 : l->resolver.conf->table_check);
}

static bool
check_tables(struct lookup *l, bool written, bool *busy_r)
{
	struct buf why = BUF_INIT(4096);
	bool changed = false;
	size_t i;

	for (i = 0; i < l->tables.n; i++) {
		struct table *t = l->tables.v[i];

		buf_reset(&why);
		switch (written ? table_refresh_written(t, &why) :
		    table_refresh(t, &why)) {
		case TABLE_SAME:
			break;
		case TABLE_BUSY:
			*busy_r = true;
			break;
		case TABLE_CHANGED:
			tell_read(t);
			changed = true;
			break;
		case TABLE_BROKEN:
			log_error("event=table-broken table=%s reason=%s",
			    LOG_Q(slice_str(table_name(t))),
			    LOG_Q(buf_slice(&why)));
			break;
		}
	}
	buf_clear(&why);
	return changed;
}

static void
tell_changed(void)
{
	struct channel *c;
	size_t i;

	for (i = 0; (c = child_peer_nth(&child, ROLE_SMTPD, i)) != NULL; i++)
		channel_send(c, SL_CHANGED, 0, SLICE_EMPTY);
	for (i = 0; (c = child_peer_nth(&child, ROLE_QMGR, i)) != NULL; i++)
		channel_send(c, QL_CHANGED, 0, SLICE_EMPTY);
}

/* ---- smtpd: may it come in? --------------------------------------------- */

static void
smtpd_says(void *arg, struct channel *c, struct message *m)
{
	if (m->type == SL_SENDER)
		sender_asked(arg, c, m);
	else
		rcpt_asked(arg, c, m);
}

static void
rcpt_asked(struct lookup *l, struct channel *c, struct message *m)
{
	struct arena arena = ARENA_INIT(RESOLVE_ARENA);
	uint8_t may_relay = get_u8(&m->body);
	uint64_t size = get_u64(&m->body);
	struct slice from = get_slice(&m->body, 1024);
	struct slice to = get_slice(&m->body, 1024);
	struct verdict v;

	if (!wire_done(&m->body) || may_relay > 1) {
		channel_breach(c, "bad-field");
		return;
	}
	count(LOOKUP_RCPTS);
	resolve_rcpt(&l->resolver, &arena, may_relay == 1, to, NULL, &v);
	if (v.trouble)
		log_warn("event=lookup-trouble from=%s to=%s reason=%s",
		    LOG_Q(from), LOG_Q(to), LOG_Q(v.mailbox.text));
	if (v.kind != VERDICT_ASK_USAGE)
		say_verdict(c, m->id, false, &v);
	else if (!ask_usage(l, c, m->id, size, &v.mailbox))
		say_verdict(c, m->id, true, &v);
	arena_clear(&arena);
}

static void
say_verdict(struct channel *c, uint64_t id, bool once,
    const struct verdict *v)
{
	struct slice text = v->text;
	struct buf *b = channel_begin(c, SL_VERDICT, id);

	if (b != NULL) {
		if (text.n > 900)
			text = slice_first(text, 900);
		put_u8(b, v->kind == VERDICT_REFUSE ? RCPT_REFUSE :
		    once ? RCPT_ACCEPT_ONCE : RCPT_ACCEPT);
		put_u16(b, v->code);
		put_slice(b, text);
	}
	channel_end(c);
}

/* All of the addresses must be the login's; the first that is not is told. */
static void
sender_asked(struct lookup *l, struct channel *c, struct message *m)
{
	struct arena arena = ARENA_INIT(RESOLVE_ARENA);
	struct slice login = get_slice(&m->body, 512), address;
	uint8_t i, n = get_u8(&m->body), which = 0;
	enum sender_verdict v = SENDER_OWN;
	struct buf *b;

	for (i = 0; i < n && n <= SENDER_ADDRESSES; i++) {
		address = get_slice(&m->body, 600);
		if (m->body.bad || v != SENDER_OWN)
			continue;
		which = i;
		v = resolve_sender(&l->resolver, &arena, login, address);
		arena_clear(&arena);
		if (v == SENDER_TROUBLE)
			log_warn("event=lookup-trouble login=%s from=%s",
			    LOG_Q(login), LOG_Q(address));
	}
	if (!wire_done(&m->body) || n == 0 || n > SENDER_ADDRESSES) {
		channel_breach(c, "bad-field");
		return;
	}
	count(LOOKUP_SENDERS);
	b = channel_begin(c, SL_SENDER_VERDICT, m->id);
	if (b != NULL) {
		put_u8(b, (uint8_t)v);
		put_u8(b, which);
	}
	channel_end(c);
}

static void
smtpd_is_down(void *arg, struct channel *c)
{
	struct lookup *l = arg;
	size_t i;

	for (i = 0; i < USAGE_MAX && l->nusage > 0; i++)
		if (l->usage[i].smtpd == c) {
			l->usage[i].smtpd = NULL;
			l->nusage--;
		}
}

/* False: it cannot be asked now, and the message is let in; the worker has the
 * last word. */
static bool
ask_usage(struct lookup *l, struct channel *c, uint64_t id, uint64_t size,
    const struct destination *to)
{
	struct channel *local = child_peer(&child, ROLE_LOCAL, 0);
	struct usage *u = &l->usage[++l->last_usage % USAGE_MAX];
	struct buf *b;

	if (local == NULL || u->smtpd != NULL || channel_is_busy(local))
		return false;
	b = channel_begin(local, LL_USAGE_ASK, l->last_usage);
	if (b == NULL)
		return false;
	put_u32(b, to->uid);
	put_u32(b, to->gid);
	put_slice(b, to->user);
	put_slice(b, to->home);
	put_slice(b, to->path);
	put_u64(b, size);
	channel_end(local);
	*u = (struct usage){ c, id, l->last_usage, clock_mono_ms() + USAGE_MS,
		size, { .quota_bytes = to->quota_bytes,
		    .quota_messages = to->quota_messages } };
	l->nusage++;
	return true;
}

static void
local_says(void *arg, struct channel *c, struct message *m)
{
	struct lookup *l = arg;
	struct usage *u = &l->usage[m->id % USAGE_MAX];
	uint8_t known = get_u8(&m->body);
	uint64_t bytes = get_u64(&m->body);
	uint64_t messages = get_u64(&m->body);
	struct verdict v = { .kind = VERDICT_ACCEPT };

	if (!wire_done(&m->body) || known > 1) {
		channel_breach(c, "bad-field");
		return;
	}
	if (u->smtpd == NULL || u->id != m->id)
		return;		/* too late */
	if (known == 1)
		resolve_has_room(&l->resolver, &u->quota, bytes, messages,
		    u->size, &v);
	say_verdict(u->smtpd, u->smtpd_id, true, &v);
	u->smtpd = NULL;
	l->nusage--;
}

static void
local_is_down(void *arg, struct channel *c)
{
	(void)c;
	give_up_usage(arg, INT64_MAX);
}

static void
give_up_usage(struct lookup *l, int64_t before_ms)
{
	size_t i;

	for (i = 0; i < USAGE_MAX && l->nusage > 0; i++)
		if (l->usage[i].smtpd != NULL &&
		    l->usage[i].until_ms < before_ms)
			accept_unknown(l, &l->usage[i]);
}

static void
accept_unknown(struct lookup *l, struct usage *u)
{
	struct verdict v = { .kind = VERDICT_ACCEPT };

	say_verdict(u->smtpd, u->smtpd_id, true, &v);
	u->smtpd = NULL;
	l->nusage--;
}

/* ---- qmgr: where does it go? -------------------------------------------- */

static void
qmgr_says(void *arg, struct channel *c, struct message *m)
{
	struct lookup *l = arg;
	struct arena arena = ARENA_INIT(RESOLVE_ARENA);
	uint8_t flags = get_u8(&m->body);
	struct slice to = get_slice(&m->body, TARGET_BYTES);
	struct slice owner = get_slice(&m->body, 256);
	struct route route;

	if (!wire_done(&m->body) ||
	    (flags & ~(ROUTE_EXPANDED | ROUTE_NO_FORWARD)) != 0) {
		channel_breach(c, "bad-field");
		return;
	}
	count(LOOKUP_ROUTES);
	resolve_route(&l->resolver, &arena, flags, to, owner, NULL, &route);
	if (route.trouble)
		log_warn("event=lookup-trouble to=%s reason=%s", LOG_Q(to),
		    LOG_Q(route.to.text));
	say_route(c, m->id, &route);
	arena_clear(&arena);
}

static void
qmgr_is_down(void *arg, struct channel *c)
{
	(void)arg;
	(void)c;
}

static void
say_route(struct channel *c, uint64_t id, const struct route *route)
{
	struct buf *b;

	if (route->ntargets > 0 && !route->trouble) {
		say_targets(c, id, route);
		return;
	}
	b = channel_begin(c, QL_DESTINATION, id);
	if (b != NULL)
		destination_pack(b, &route->to);
	channel_end(c);
}

/* A message for each reverse-path, and for each TARGETS_BYTES of targets. */
static void
say_targets(struct channel *c, uint64_t id, const struct route *route)
{
	const struct target *t;
	struct slice reverse_path;
	size_t i = 0, end, bytes, n = route->ntargets;
	struct buf *b;

	while (i < n) {
		reverse_path = route->targets[i].reverse_path;
		bytes = 0;
		for (end = i; end < n; end++) {
			t = &route->targets[end];
			bytes += 1 + 4 + t->text.n;
			if (!slice_eq(t->reverse_path, reverse_path) ||
			    bytes > TARGETS_BYTES)
				break;
		}
		b = channel_begin(c, QL_TARGETS, id);
		if (b == NULL)
			return;
		put_slice(b, reverse_path);
		put_u8(b, end == n);
		for (; i < end; i++) {
			put_u8(b, route->targets[i].flags);
			put_slice(b, route->targets[i].text);
		}
		channel_end(c);
	}
}

/* ---- auth: whose mailbox? ------------------------------------------------ */

static void
auth_says(void *arg, struct channel *c, struct message *m)
{
	struct lookup *l = arg;
	struct arena arena = ARENA_INIT(RESOLVE_ARENA);
	struct slice name = get_slice(&m->body, LOGIN_BYTES);
	struct login login;

	if (!wire_done(&m->body)) {
		channel_breach(c, "bad-field");
		return;
	}
	count(LOOKUP_LOGINS);
	resolve_login(&l->resolver, &arena, name, NULL, &login);
	if (login.found == LOGIN_TROUBLE)
		log_warn("event=lookup-trouble login=%s reason=%s",
		    LOG_Q(name), LOG_Q(login.why));
	say_mailbox(c, m->id, &login);
	arena_clear(&arena);
}

static void
auth_is_down(void *arg, struct channel *c)
{
	(void)arg;
	(void)c;
}

static void
say_mailbox(struct channel *c, uint64_t id, const struct login *login)
{
	struct buf *b = channel_begin(c, AL_MAILBOX, id);

	if (b != NULL) {
		put_u8(b, (uint8_t)login->found);
		if (login->found == LOGIN_FOUND) {
			put_slice(b, login->login);
			put_u32(b, login->to.uid);
			put_u32(b, login->to.gid);
			put_slice(b, login->to.user);
			put_slice(b, login->directory);
			put_slice(b, login->to.path);
			put_u64(b, login->to.quota_bytes);
			put_u64(b, login->to.quota_messages);
		} else
			put_slice(b, SLICE_EMPTY);
	}
	channel_end(c);
}

/* ---- tools: explain.c ---------------------------------------------------- */

static void
listen_for_tools(void *arg, enum listener_kind kind, const char *name,
    int fd_take)
{
	struct lookup *l = arg;

	if (kind == LISTENER_LOOKUP)
		explain_listen(&l->explain, &child.loop, name, fd_take);
	else
		close(fd_take);
}

static void
retire(void *arg)
{
	struct lookup *l = arg;

	explain_retire(&l->explain);
}

static void
status(void *arg, struct buf *out)
{
	struct lookup *l = arg;

	buf_printf(out, "tables=%zu", l->tables.n);
}
