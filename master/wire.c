/* SPDX-License-Identifier: ISC */
/*
 * wire - what a process is given, and what it may say to master.
 *
 * The pairs that get a channel are the rows of wiring/wiring.h.  A pair is
 * wired when the second of the two starts, so a process that starts again is
 * wired to all that are there; the others learn of it by a new CHANNEL.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ipc/backends.h"
#include "ipc/counters.h"
#include "master.h"

/* What a process may ask in a second, and what of the answers may wait for it
 * to read them: descriptors are among them.  Over either it is not listened to
 * until the next second. */
#define ASKS_PER_S	5000
#define UNREAD_BYTES	(64 * 1024)

#define REWIRE_MS	200
#define REWIRE_AGAIN_MS	2000	/* where it was needed a moment ago */

static void	 says(void *, struct channel *, struct message *);
static void	 is_gone(void *, struct channel *);
static void	 give_start(struct process *);
static void	 put_paths(struct buf *, struct process *);
static uint64_t	 descriptors_of(const struct process *);
static bool	 is_wired_to(const struct process *, const struct process *);
static void	 wire_pair(struct process *, struct process *);
static void	 take_ready(struct process *, struct message *);
static void	 take_reloaded(struct process *, struct message *);
static void	 take_log_lost(struct process *, struct message *);
static void	 take_status(struct process *, struct message *);
static void	 take_peer_lost(struct process *, struct message *);
static void	 take_renew(struct process *, struct message *);
static void	 rewire(void *);
static void	 count_ask(struct process *);
static void	 listen_again(void *);

const struct message_rule wire_rules[] = RULES_OF(MASTER_CHILD);
const struct channel_ops wire_ops = { says, is_gone, NULL };

/* What a process may say. */
static const struct {
	uint16_t	 type;
	void		(*take)(struct process *, struct message *);
} verbs[] = {
	{ CTL_READY,		take_ready },
	{ CTL_RELOADED,		take_reloaded },
	{ CTL_LOG_LOST,		take_log_lost },
	{ CTL_STATUS,		take_status },
	{ CTL_PEER_LOST,	take_peer_lost },
	{ CTL_PONG,		pulse_answered },
	{ CTL_RENEW,		take_renew },
	{ CTL_WORKER_WANTED,	worker_wanted },
	{ CTL_SOCKET_WANTED,	socket_wanted },
	{ CTL_SESSION_WANTED,	session_wanted },
	{ CTL_SESSION_END,	session_end },
	{ CTL_SPAWN_ENDED,	session_spawn_ended },
	{ CTL_SPAWN_IS,		session_spawn_is },
	{ CTL_KEY_TAKEN,	pki_key_taken },
	{ CTL_LOGIN_IS,		control_login_is },
	{ CTL_FACTS_ASK,	facts_asked },
};

/* ---- given --------------------------------------------------------------- */

void
wire_process(struct process *p)
{
	struct master *m = p->master;
	struct listener *l;
	struct process *q;

	give_start(p);
	wire_log(p);
	if (m->rate_fds[p->role] != -1)
		wire_shared(p, "rate", m->rate_fds[p->role]);
	if (p->role == ROLE_AUTH)
		wire_shared(p, "grant", sessions_secret_fd(m));
	if (p->counters_fd != -1)
		wire_shared(p, COUNTERS_SHARED, p->counters_fd);
	facts_give(p);
	pki_give(p);
	texts_give(p);
	watch_give(p);
	history_give(p);
	TAILQ_FOREACH(l, &m->listeners, entry)
		listen_give(p, l);
	TAILQ_FOREACH(q, &m->processes, entry)
		if (process_is_alive(q) && is_wired_to(p, q))
			wire_pair(p, q);
	channel_send(p->channel, CTL_GO, 0, SLICE_EMPTY);
}

static void
give_start(struct process *p)
{
	struct master *m = p->master;
	int fd = conf_to_memfd(m->conf, p->role);
	struct buf *b;

	if (fd == -1) {
		log_error("event=no-configuration role=%s why=\"%s\"",
		    role_name(p->role), strerror(errno));
		return;		/* it ends, having got something else first */
	}
	b = channel_begin(p->channel, CTL_START, 0);
	if (b != NULL) {
		put_u32(b, p->role);
		put_u32(b, p->index);
		put_u32(b, p->account.uid);
		put_u32(b, p->account.gid);
		put_u8(b, (uint8_t)m->mode);
		put_u64(b, m->conf->process_memory);
		put_u64(b, descriptors_of(p));
		put_paths(b, p);
		p->lent = wire_lent(m, p->role, &p->group);
		put_u8(b, (uint8_t)p->lent);
		put_u32(b, p->group);
	}
	channel_end_fds(p->channel, &fd, 1);
}

/* A path that is not there already, while there is room. */
static void
add_path(struct buf *paths, struct slice path)
{
	struct slice rest = buf_slice(paths), part;

	while (slice_next(&rest, ':', &part))
		if (slice_eq(part, path))
			return;
	if (buf_printf(paths, ":%.*s", SLICE_ARG(path)) == -1)
		log_warn("event=too-many-directories path=%s", LOG_Q(path));
}

/* That of a file. */
static void
add_directory(struct buf *paths, struct slice file)
{
	size_t slash = slice_rfind(file, '/');

	if (slash > 0 && slash < file.n)
		add_path(paths, slice_first(file, slash));
}

/* PATH or KEYID=PATH. */
static void
add_keys(struct buf *paths, const struct conf_list *keys)
{
	struct slice path;
	size_t i, at;

	for (i = 0; i < keys->n; i++) {
		path = slice_str(keys->v[i]);
		at = slice_find(path, '=');
		add_directory(paths, at < path.n ? slice_from(path, at + 1) :
		    path);
	}
}

/* root, writable, readable, directory */
static void
put_paths(struct buf *b, struct process *p)
{
	const struct master *m = p->master;
	const struct priv *row = priv_of(p->role);
	const char *own = p->directory == NULL ? "" : p->directory;

	free(p->readable);
	p->readable = wire_readable(m->conf, row);
	if (p->role == ROLE_QMGR)
		own = m->conf->path_queue;
	else if (p->role == ROLE_HISTORY && m->keeps_history)
		own = m->conf->path_history;
	put_slice(b, slice_str(row->root == WHOLE || row->root == OWN ? "" :
	    row->root == SPOOL && own[0] != '\0' ? own : m->empty_root));
	put_slice(b, slice_str(row->files == RW_FILES ? own : ""));
	put_slice(b, slice_str(p->readable));
	put_slice(b, slice_str(own));
}

/* The name service, included lists, and the directories of the tables, whose
 * files are replaced by new ones. */
char *
wire_readable(const struct conf *conf, const struct priv *row)
{
	struct buf paths = BUF_INIT(12000);
	size_t i;
	char *text;

	if (row == priv_of(ROLE_VERIFIER)) {
		buf_add_str(&paths, "/etc/machine-id");
		for (i = 0; i < conf->auth_passwords.n; i++)
			add_directory(&paths,
			    slice_str(conf->auth_passwords.v[i]));
		if (conf_has(&conf->auth_backends, "sqlite"))
			add_directory(&paths, slice_str(conf->auth_sqlite));
		if (conf_has(&conf->auth_backends, "postgresql"))
			add_directory(&paths,
			    slice_str(conf->auth_postgresql_password_file));
		/* Files that are replaced by new ones, of libraries too. */
		if (conf_has(&conf->auth_backends, "system") ||
		    conf_has(&conf->auth_backends, "pam"))
			add_path(&paths, SLICE_LIT("/etc"));
		if (conf_has(&conf->auth_backends, "pam"))
			add_path(&paths, SLICE_LIT("/var/lib/sss"));
		for (i = 0; i < conf->noauths; i++)
			add_keys(&paths, &conf->oauths[i].keys);
	} else if (row->files == RO_FILES) {
		buf_printf(&paths, "/etc:/usr/lib:/lib:/usr/share:%s",
		    conf->path_tables);
		for (i = 0; i < conf->ntables; i++)
			add_directory(&paths,
			    slice_str(conf->tables[i].path));
		for (i = 0; i < conf->alias_includes.n; i++)
			add_path(&paths,
			    slice_str(conf->alias_includes.v[i]));
	}
	text = mem_slicedup(buf_slice(&paths));
	buf_clear(&paths);
	return text;
}

unsigned
wire_lent(const struct master *m, enum role role, gid_t *group_r)
{
	const struct conf_list *backends = &m->conf->auth_backends;
	unsigned lent = 0;

	*group_r = 0;
	if (role != ROLE_VERIFIER)
		return 0;
	if (conf_has(backends, "system") && m->mode == PRIV_FULL)
		*group_r = backends_shadow_group();
	if (conf_has(backends, "postgresql"))
		lent |= LEND_SOCKETS;
	if (conf_has(backends, "pam"))
		lent |= LEND_SOCKETS | LEND_MODULES;
	return lent;
}

static uint64_t
descriptors_of(const struct process *p)
{
	const struct conf *c = p->master->conf;
	uint64_t n = 1024;

	if (p->role == ROLE_SMTPD)
		n = 2 * c->smtp_max_sessions + 512;
	else if (p->role == ROLE_REMOTE)
		n = 2 * c->remote_connections + 512;
	/* The client, its session's channel, and within TLS its bytes. */
	else if (p->role == ROLE_IMAP_LOGIN)
		n = 3 * c->imap_max_connections + 512;
	else if (p->role == ROLE_POP3_LOGIN)
		n = 3 * c->pop3_max_connections + 512;
	else if (p->role == ROLE_QMGR || p->role == ROLE_LOCAL ||
	    p->role == ROLE_RESOLVER)
		n = 8192;
	return n;
}

void
wire_log(struct process *p)
{
	struct master *m = p->master;
	struct buf *b;
	int fd;

	if (p->channel == NULL)
		return;
	fd = fcntl(m->log_fd, F_DUPFD_CLOEXEC, 3);
	if (fd == -1)
		return;
	b = channel_begin(p->channel, CTL_LOG, 0);
	if (b != NULL)
		put_u8(b, m->log_sink);
	channel_end_fds(p->channel, &fd, 1);
}

void
wire_shared(struct process *p, const char *name, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	struct buf *b;

	if (copy == -1)
		return;
	b = channel_begin(p->channel, CTL_SHARED, 0);
	if (b != NULL)
		put_slice(b, slice_str(name));
	channel_end_fds(p->channel, &copy, 1);
}

/* ---- pairs --------------------------------------------------------------- */

static bool
is_wired_to(const struct process *p, const struct process *q)
{
	enum { ROLE_0 = 0 };
	static const struct {
		unsigned one, other;
	} edges[] = {
#define X(name, one, other) { ROLE_##one, ROLE_##other },
		EDGES(X)
#undef X
	};
	size_t i;

	for (i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
		unsigned a = edges[i].one, b = edges[i].other;

		if ((a == p->role && b == q->role) ||
		    (a == q->role && b == p->role))
			return true;
	}
	return false;
}

static void
give_channel(struct process *to, const struct process *peer, int fd_take)
{
	struct buf *b = channel_begin(to->channel, CTL_CHANNEL, 0);

	if (b != NULL) {
		put_u32(b, peer->role);
		put_u32(b, peer->index);
		put_u8(b, peer->crashed);
	}
	channel_end_fds(to->channel, &fd_take, 1);
}

void
wire_news(struct master *m, unsigned index, int fd_take)
{
	const struct process other = { .role = ROLE_LOCAL, .index = index };
	struct process *local = process_find(m, ROLE_LOCAL, 0);

	if (local != NULL && process_is_alive(local))
		give_channel(local, &other, fd_take);
	else
		close(fd_take);
}

static void
wire_pair(struct process *p, struct process *q)
{
	int s[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) == -1) {
		log_error("event=cannot-wire one=%s other=%s why=\"%s\"",
		    role_name(p->role), role_name(q->role), strerror(errno));
		/* Without it p would be of no use for ever; its successor is
		 * started when that has waited. */
		kill(p->pid, SIGKILL);
		return;
	}
	give_channel(p, q, s[0]);
	give_channel(q, p, s[1]);
}

/* ---- said ---------------------------------------------------------------- */

static void
says(void *arg, struct channel *c, struct message *m)
{
	struct process *p = arg;
	size_t i;

	count_ask(p);
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (verbs[i].type == m->type) {
			verbs[i].take(p, m);
			return;
		}
	channel_breach(c, "not-a-child's");
}

static void
count_ask(struct process *p)
{
	int64_t now = clock_mono_ms();

	if (now - p->asks_since_ms >= 1000) {
		p->asks_since_ms = now;
		p->asks = 0;
	}
	if (++p->asks < ASKS_PER_S && channel_unsent(p->channel) < UNREAD_BYTES)
		return;
	if (!p->is_muted)
		log_warn("event=not-listened-to role=%s index=%u child=%d "
		    "asks=%u unread=%zu", role_name(p->role), p->index,
		    (int)p->pid, p->asks, channel_unsent(p->channel));
	p->is_muted = true;
	channel_pause(p->channel, true);
	if (p->listen_again.fn == NULL)
		ev_timer_init(&p->listen_again, &p->master->loop,
		    listen_again, p);
	ev_timer_set(&p->listen_again, 1000);
}

static void
listen_again(void *arg)
{
	struct process *p = arg;

	if (p->channel == NULL)
		return;
	if (channel_unsent(p->channel) >= UNREAD_BYTES) {
		ev_timer_set(&p->listen_again, 1000);
		return;
	}
	p->is_muted = false;
	channel_pause(p->channel, false);
}

/* A process without master is of no use: it ends by itself, or is ended. */
static void
is_gone(void *arg, struct channel *c)
{
	struct process *p = arg;

	(void)c;
	p->channel = NULL;
	ev_timer_set(&p->hangup, 1000);
}

static void
take_ready(struct process *p, struct message *m)
{
	(void)m;
	process_event(p, EVENT_READY);
}

static void
take_reloaded(struct process *p, struct message *m)
{
	bool taken = get_u8(&m->body) != 0;
	struct slice why = get_slice(&m->body, 4096);

	if (!wire_done(&m->body) || !p->reload_owed) {
		channel_breach(p->channel, "reloaded");
		return;
	}
	p->reload_owed = false;
	reload_answered(p, taken, why);
}

static void
take_log_lost(struct process *p, struct message *m)
{
	struct master *master = p->master;
	struct buf why = BUF_INIT(1024);

	(void)m;
	if (ground_open_log(master, &why) == 0)
		wire_log(p);
	buf_clear(&why);
	if (p->role == ROLE_HISTORY)
		history_give_log(master);
}

static void
take_status(struct process *p, struct message *m)
{
	if (!p->status_owed)
		return;
	free(p->status);
	p->status = mem_slicedup(get_rest(&m->body));
	p->status_owed = false;
	control_status_came(p->master);
}

/* It can go on only from a new start. */
static void
take_renew(struct process *p, struct message *m)
{
	(void)m;
	if (p->state != PROCESS_RUNNING || priv_of(p->role)->user == NULL)
		return;
	log_info("event=renewing role=%s index=%u child=%d",
	    role_name(p->role), p->index, (int)p->pid);
	process_renew(p);
}

/*
 * Both sides of a channel that ended tell it; the one with the lower role is
 * heard.  Where the other process died its successor gets a channel anyway, so
 * this is looked at a little later.
 */
static void
take_peer_lost(struct process *p, struct message *m)
{
	enum role role = get_u32(&m->body);
	unsigned index = get_u32(&m->body);

	if (p->role == ROLE_LOCAL)
		worker_given_up(p->master, role, index);
	if (p->role >= role || p->nlost == LOST_PEERS)
		return;
	p->lost[p->nlost].role = role;
	p->lost[p->nlost++].index = index;
	if (p->rewire.fn == NULL)
		ev_timer_init(&p->rewire, &p->master->loop, rewire, p);
	if (!ev_timer_is_set(&p->rewire))
		ev_timer_set(&p->rewire,
		    clock_mono_ms() - p->rewired_ms < 5 * REWIRE_AGAIN_MS ?
		    REWIRE_AGAIN_MS : REWIRE_MS);
}

static void
rewire(void *arg)
{
	struct process *p = arg, *q;
	int64_t now = clock_mono_ms();
	size_t i;

	for (i = 0; i < p->nlost; i++) {
		q = process_find(p->master, p->lost[i].role, p->lost[i].index);
		/* One that was started since then has been wired. */
		if (q == NULL || !process_is_alive(p) ||
		    !process_is_alive(q) || !is_wired_to(p, q) ||
		    now - q->started_ms < REWIRE_AGAIN_MS + REWIRE_MS)
			continue;
		if (q->role == ROLE_WORKER || q->role == ROLE_COMMAND) {
			/* local has given it up and will ask for another. */
			process_event(q, EVENT_STOP);
			continue;
		}
		log_warn("event=rewired one=%s index=%u other=%s "
		    "other_index=%u", role_name(p->role), p->index,
		    role_name(q->role), q->index);
		wire_pair(p, q);
		p->rewired_ms = now;
	}
	p->nlost = 0;
}
