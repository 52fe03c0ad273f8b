/* SPDX-License-Identifier: ISC */
/* explain - see explain.h. */
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/mem.h"
#include "explain.h"
#include "ipc/master_child.h"
#include "ipc/tool.h"

#define TRACE_BYTES	(1024 * 1024)

static void	 accept_tool(void *, const struct acceptor *, int,
		    const struct peer *);
static void	 accepting_paused(void *, int);
static void	 tool_says(void *, struct channel *, struct message *);
static void	 tool_is_down(void *, struct channel *);
static void	 explain_address(struct explain *, struct channel *,
		    uint64_t id, struct slice);
static void	 explain_login(struct explain *, struct channel *,
		    uint64_t id, struct slice);
static void	 say_maildir(struct explain *, struct channel *, uint64_t id,
		    struct slice name);
static void	 query(struct explain *, struct channel *, uint64_t id,
		    struct slice table, struct slice key);
static void	 tool_lines(struct channel *, uint64_t id, struct slice);

static const struct message_rule tool_rules[] = RULES_OF(TOOL_REQUESTS);
static const struct channel_ops tool_ops = { tool_says, tool_is_down, NULL };

void
explain_init(struct explain *e, const struct resolver *resolver,
    const struct tables *tables)
{
	e->resolver = resolver;
	e->tables = tables;
}

void
explain_listen(struct explain *e, struct ev_loop *loop, const char *name,
    int fd_take)
{
	static const struct acceptor_ops accepting = { accept_tool,
		accepting_paused };

	explain_retire(e);
	e->loop = loop;
	acceptor_new(&e->listeners, loop, LISTENER_LOOKUP, name, fd_take,
	    &accepting, e);
}

void
explain_retire(struct explain *e)
{
	acceptors_free(&e->listeners);
}

static void
accept_tool(void *arg, const struct acceptor *from, int fd_take,
    const struct peer *peer)
{
	struct explain *e = arg;
	struct channel *c;

	(void)from;
	if (e->ntools == TOOLS_MAX) {
		close(fd_take);
		return;
	}
	c = channel_new(e->loop, fd_take, tool_rules, ROLE_LOOKUP,
	    ROLE_TOOL, 0, &tool_ops, e);
	if (peer->uid != 0 && peer->uid != geteuid()) {
		tool_end(c, 0, EX_NOPERM, SLICE_LIT("only root and the user "
		    "that the suite runs as may ask this"));
		channel_flush(c);
		channel_free(&c);
		return;
	}
	e->tools[e->ntools++] = c;
}

static void
accepting_paused(void *arg, int error)
{
	const struct explain *e = arg;

	acceptor_log_pause(error, e->ntools);
}

static void
tool_is_down(void *arg, struct channel *c)
{
	struct explain *e = arg;
	size_t i;

	for (i = 0; i < e->ntools; i++)
		if (e->tools[i] == c)
			e->tools[i--] = e->tools[--e->ntools];
}

static void
tool_says(void *arg, struct channel *c, struct message *m)
{
	struct explain *e = arg;
	struct slice first = get_slice(&m->body, 2048), second;

	switch (m->type) {
	case TL_EXPLAIN:
		get_u8(&m->body);
		if (wire_done(&m->body))
			explain_address(e, c, m->id, first);
		break;
	case TL_LOGIN:
		if (wire_done(&m->body))
			explain_login(e, c, m->id, first);
		break;
	case TL_MAILBOX:
		if (wire_done(&m->body))
			say_maildir(e, c, m->id, first);
		break;
	case TL_TABLE_QUERY:
		second = get_slice(&m->body, 2048);
		if (wire_done(&m->body))
			query(e, c, m->id, first, second);
		break;
	default:
		tool_end(c, m->id, EX_PROTOCOL,
		    SLICE_LIT("lookup does not answer this"));
		return;
	}
	if (!wire_done(&m->body))
		channel_breach(c, "bad-field");
}

static void
explain_address(struct explain *e, struct channel *c, uint64_t id,
    struct slice address)
{
	struct arena arena = ARENA_INIT(RESOLVE_ARENA);
	struct buf trace = BUF_INIT(TRACE_BYTES);
	struct verdict v, stranger;

	resolve_rcpt(e->resolver, &arena, true, address, &trace, &v);
	tool_lines(c, id, buf_slice(&trace));
	buf_reset(&trace);
	resolve_rcpt(e->resolver, &arena, false, address, NULL, &stranger);
	if (v.kind == VERDICT_REFUSE)
		buf_printf(&trace, "refused: %u %.*s", v.code,
		    SLICE_ARG(v.text));
	else if (stranger.kind == VERDICT_REFUSE)
		buf_printf(&trace, "accepted from relay_networks only; others: "
		    "%u %.*s", stranger.code, SLICE_ARG(stranger.text));
	else if (v.kind == VERDICT_ASK_USAGE)
		buf_printf(&trace, "accepted while the mailbox is below its "
		    "quota (%llu bytes, %llu messages; 0 is none)",
		    (unsigned long long)v.mailbox.quota_bytes,
		    (unsigned long long)v.mailbox.quota_messages);
	else
		buf_add_str(&trace, "accepted");
	tool_lines(c, id, buf_slice(&trace));
	tool_end(c, id, v.kind != VERDICT_REFUSE ? EX_OK :
	    v.code < 500 ? EX_TEMPFAIL : EX_NOUSER, SLICE_EMPTY);
	buf_clear(&trace);
	arena_clear(&arena);
}

static void
explain_login(struct explain *e, struct channel *c, uint64_t id,
    struct slice name)
{
	struct arena arena = ARENA_INIT(RESOLVE_ARENA);
	struct buf text = BUF_INIT(TRACE_BYTES);
	struct login login;

	resolve_login(e->resolver, &arena, name, &text, &login);
	if (login.found == LOGIN_FOUND)
		buf_printf(&text, "mailbox %.*s: uid %u, gid %u, Maildir "
		    "%.*s\nits sessions reach %.*s and nothing else\nquota "
		    "%llu bytes, %llu messages (0 is none)\n",
		    SLICE_ARG(login.login), login.to.uid, login.to.gid,
		    SLICE_ARG(login.to.path), SLICE_ARG(login.directory),
		    (unsigned long long)login.to.quota_bytes,
		    (unsigned long long)login.to.quota_messages);
	else if (login.found == LOGIN_TROUBLE)
		buf_printf(&text, "mailbox: cannot be told now: %.*s\n",
		    SLICE_ARG(login.why));
	else
		buf_add_str(&text, "mailbox: none; such a login can send and "
		    "no more\n");
	tool_lines(c, id, buf_slice(&text));
	tool_end(c, id, login.found == LOGIN_FOUND ? EX_OK :
	    login.found == LOGIN_TROUBLE ? EX_TEMPFAIL : EX_NOUSER,
	    SLICE_EMPTY);
	buf_clear(&text);
	arena_clear(&arena);
}

static void
say_maildir(struct explain *e, struct channel *c, uint64_t id,
    struct slice name)
{
	struct arena arena = ARENA_INIT(RESOLVE_ARENA);
	struct buf owner = BUF_INIT(64);
	struct login login;

	resolve_login(e->resolver, &arena, name, NULL, &login);
	if (login.found == LOGIN_FOUND) {
		buf_printf(&owner, "%u %u", login.to.uid, login.to.gid);
		channel_send(c, TL_DATA, id, buf_slice(&owner));
		channel_send(c, TL_DATA, id, login.to.path);
		tool_end(c, id, EX_OK, SLICE_EMPTY);
	} else if (login.found == LOGIN_TROUBLE)
		tool_end(c, id, EX_TEMPFAIL, login.why);
	else
		tool_end(c, id, EX_NOUSER,
		    SLICE_LIT("no mailbox has this address or name"));
	buf_clear(&owner);
	arena_clear(&arena);
}

static void
query(struct explain *e, struct channel *c, uint64_t id, struct slice name,
    struct slice key)
{
	char *text = mem_slicedup(name);
	struct table *t = tables_find(e->tables, text);
	struct buf why = BUF_INIT(900);
	struct table_hit hit;

	free(text);
	if (t == NULL) {
		tool_end(c, id, EX_USAGE, SLICE_LIT("there is no such table in "
		    "the configuration"));
		return;
	}
	switch (table_find(t, key, &hit, &why)) {
	case TABLE_FOUND:
		tool_lines(c, id, hit.value.n == 0 ? SLICE_LIT("\n") :
		    hit.value);
		tool_end(c, id, EX_OK, SLICE_EMPTY);
		break;
	case TABLE_MISSING:
		tool_end(c, id, 1, SLICE_LIT("the table has no such key"));
		break;
	case TABLE_ERROR:
		tool_end(c, id, EX_TEMPFAIL, buf_slice(&why));
		break;
	}
	buf_clear(&why);
}

static void
tool_lines(struct channel *c, uint64_t id, struct slice text)
{
	struct slice line;

	if (text.n > 0 && text.p[text.n - 1] == '\n')
		text.n--;
	while (slice_next(&text, '\n', &line))
		channel_send(c, TL_LINE, id, slice_first(line,
		    line.n < 65536 ? line.n : 65536));
}
