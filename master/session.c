/* SPDX-License-Identifier: ISC */
/*
 * session - who is logged in, and the processes of their sessions.
 *
 * A login process brings a grant that auth made; only bytes with its right
 * HMAC are looked at further, and each grant is taken once.  What it says goes
 * to the spawn, which forks a process of that uid, confined to that directory.
 * A session that parks has no process; its entry here is what lets the same
 * login process, and no other, have it go on with the same rights.
 *
 * A process whose client has gone may be kept for a while: the next login with
 * the very same rights gets it, whichever login process asks (A7).  It hears of
 * that along its line (ipc/next_client.h), and ends when its line is closed.
 *
 * A session that nobody wants any more ends by itself; one that does not is
 * killed after GRACE_MS, so that who has taken it over has it no longer than he
 * could without.  For the same reason no process is kept that is older than
 * KEPT_LIFE_MS.
 *
 * Always: an entry is wanted by its login process, or has a process, or both;
 * one that is kept is not wanted, has one process and a line, and counts in no
 * limit; no uid or directory goes to the spawn that may_run() would not pass.
 */
#include <sys/tree.h>
#include <sys/wait.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "grants.h"
#include "ipc/next_client.h"
#include "master.h"
#include "os/proc.h"

#define GRACE_MS	10000	/* to end by itself */
#define PROCESSES	4	/* of one session: those before it are ending */
#define KEPT_LIFE_MS	(10 * 60 * 1000)	/* of a process that serves many */

struct user {
	RB_ENTRY(user)		 node;
	enum auth_protocol	 protocol;
	char			*login;		/* owned */
	uint64_t		 sessions;	/* counted ones */
	LIST_HEAD(, session)	 entries;	/* all of them */
};

struct session {
	RB_ENTRY(session)	 node;
	struct master		*master;
	uint64_t		 id;
	struct user		*user;
	enum role		 role;		/* of its login process */
	unsigned		 index;
	int64_t			 began_ms;	/* monotonic */
	bool			 wanted;
	bool			 kept;
	bool			 counted;	/* in user->sessions */
	struct ev_timer		 grace;		/* when it is not wanted */
	unsigned		 processes;
	int			 line;		/* owned; to the newest of them, or
						 * -1: it is not to be kept */
	int64_t			 since_ms;	/* monotonic; that process */
	struct account		 account;
	uint64_t		 quota_bytes;
	uint64_t		 quota_messages;
	char			*directory;	/* owned */
	char			*maildir;	/* owned */
	LIST_ENTRY(session)	 of_user;
	TAILQ_ENTRY(session)	 by_age;	/* of those that are kept */
};

TAILQ_HEAD(session_queue, session);

RB_HEAD(user_tree, user);
RB_HEAD(session_tree, session);

struct sessions {
	struct grants		*grants;	/* owned */
	uint64_t		 last_id;
	struct session_tree	 all;
	uint64_t		 nall;
	struct user_tree	 users;
	/* By protocol: */
	uint64_t		 running[AUTH_POP3 + 1]; /* processes */
	uint64_t		 refused[AUTH_POP3 + 1];
	struct session_queue	 kept[AUTH_POP3 + 1];	/* the oldest first */
	uint64_t		 nkept[AUTH_POP3 + 1];
};

/* What a protocol's processes and limits are called. */
static const struct protocol {
	enum auth_protocol	 protocol;
	enum role		 login;
	enum role		 spawn;
} protocols[] = {
	{ AUTH_IMAP, ROLE_IMAP_LOGIN, ROLE_IMAP_SPAWN },
	{ AUTH_POP3, ROLE_POP3_LOGIN, ROLE_POP3_SPAWN },
};

static struct session *begin(struct process *, const struct protocol *,
		    struct message *, struct slice grant,
		    enum session_refusal *, const char **);
static struct session *session_new(struct master *, struct user *,
		    const struct grant *);
static struct session *take_kept(struct user *, const struct grant *,
		    struct message *);
static struct session *go_on(struct process *, uint64_t id,
		    enum session_refusal *, const char **);
static const char *may_run(const struct master *, const struct grant *);
static bool	 is_below(struct slice path, struct slice directory);
static bool	 has_room(struct master *, const struct protocol *);
static void	 make_room(const struct session *);
static uint64_t	 process_limit(const struct master *, enum auth_protocol);
static uint64_t	 user_limit(const struct master *, enum auth_protocol);
static struct process *spawn_of(struct master *, const struct protocol *);
static bool	 order(struct process *spawn, struct session *,
		    struct message *);
static struct session *session_find(struct sessions *, uint64_t id);
static void	 unwanted(struct session *);
static bool	 may_be_kept(const struct session *);
static void	 keep(struct session *);
static void	 no_longer_kept(struct session *);
static void	 keep_no_more(struct session *);
static void	 close_line(struct session *);
static int64_t	 keep_ms(const struct master *, enum auth_protocol);
static uint64_t	 kept_limit(const struct master *, enum auth_protocol);
static void	 grace_is_over(void *);
static bool	 is_child_of(int pidfd, const struct process *);
static void	 settle(struct sessions *, struct session *);
static const struct protocol *protocol_of(enum role);

static int
user_cmp(const struct user *a, const struct user *b)
{
	if (a->protocol != b->protocol)
		return a->protocol < b->protocol ? -1 : 1;
	return strcmp(a->login, b->login);
}

static int
session_cmp(const struct session *a, const struct session *b)
{
	return a->id < b->id ? -1 : a->id > b->id;
}

RB_GENERATE_INTERNAL(user_tree, user, node, user_cmp,
    __attribute__((__unused__)) static)
RB_GENERATE_INTERNAL(session_tree, session, node, session_cmp,
    __attribute__((__unused__)) static)

void
sessions_init(struct master *m)
{
	struct sessions *s = mem_alloc(sizeof(*s));

	s->grants = grants_new();
	if (s->grants == NULL)
		master_die(EX_OSERR, "shared memory: %s", strerror(errno));
	RB_INIT(&s->all);
	RB_INIT(&s->users);
	TAILQ_INIT(&s->kept[AUTH_IMAP]);
	TAILQ_INIT(&s->kept[AUTH_POP3]);
	m->sessions = s;
}

void
sessions_clear(struct master *m)
{
	struct sessions *s = m->sessions;
	struct session *e;

	m->sessions = NULL;
	if (s == NULL)
		return;
	while ((e = RB_ROOT(&s->all)) != NULL) {
		if (e->kept)
			keep_no_more(e);
		e->wanted = false;
		e->processes = 0;
		settle(s, e);
	}
	grants_free(&s->grants);
	free(s);
}

int
sessions_secret_fd(const struct master *m)
{
	return grants_secret_fd(m->sessions->grants);
}

/* ---- wanted -------------------------------------------------------------- */

void
session_wanted(struct process *login, struct message *msg)
{
	struct master *m = login->master;
	const struct protocol *protocol = protocol_of(login->role);
	uint64_t id = get_u64(&msg->body);
	struct slice grant = get_slice(&msg->body, GRANT_BYTES);
	enum session_refusal refusal = SESSION_LATER;
	const char *why = "no session can be started now";
	struct process *spawn;
	struct session *s = NULL;
	struct buf *b;

	if (!wire_done(&msg->body) || protocol == NULL ||
	    protocol->login != login->role || (id == 0) != (grant.n > 0)) {
		channel_breach(login->channel, "session");
		return;
	}
	spawn = spawn_of(m, protocol);
	if (spawn != NULL && has_room(m, protocol))
		s = id == 0 ? begin(login, protocol, msg, grant, &refusal,
		    &why) : go_on(login, id, &refusal, &why);
	/* With a kept process it is already. */
	if (s != NULL && msg->fds[0] != -1 && !order(spawn, s, msg)) {
		refusal = SESSION_LATER;
		why = "no descriptors";
		if (id == 0)
			unwanted(s);
		s = NULL;
	}
	if (s == NULL) {
		m->sessions->refused[protocol->protocol]++;
		/* Many parked ones may be woken at once. */
		if (id == 0 || refusal != SESSION_LATER)
			log_warn("event=session-refused role=%s index=%u "
			    "why=\"%s\"", role_name(login->role),
			    login->index, why);
		b = channel_begin(login->channel, CTL_SESSION_REFUSED,
		    msg->id);
		if (b != NULL) {
			put_u8(b, (uint8_t)refusal);
			put_slice(b, slice_str(why));
		}
		channel_end(login->channel);
		return;
	}
	b = channel_begin(login->channel, CTL_SESSION, msg->id);
	if (b != NULL) {
		put_u64(b, s->id);
		put_slice(b, slice_str(s->user->login));
		put_slice(b, slice_str(s->maildir));
	}
	channel_end(login->channel);
}

static const struct protocol *
protocol_of(enum role role)
{
	size_t i;

	for (i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (protocols[i].login == role || protocols[i].spawn == role)
			return &protocols[i];
	return NULL;
}

static struct process *
spawn_of(struct master *m, const struct protocol *protocol)
{
	struct process *p = process_find(m, protocol->spawn, 0);

	return p != NULL && p->state == PROCESS_RUNNING &&
	    p->channel != NULL && !channel_is_busy(p->channel) ? p : NULL;
}

static bool
has_room(struct master *m, const struct protocol *protocol)
{
	const struct conf *c = m->conf;
	uint64_t held = m->nlogin * (c->imap_max_connections +
	    c->pop3_max_connections);
	const struct sessions *all = m->sessions;
	enum auth_protocol i = protocol->protocol;
	uint64_t most = process_limit(m, i);

	return m->phase != SUITE_STOPPING && all->nall - all->nkept[AUTH_IMAP] -
	    all->nkept[AUTH_POP3] < held && all->running[i] - all->nkept[i] <
	    most;
}

/* For one process more: those that are kept go first. */
static void
make_room(const struct session *s)
{
	struct sessions *all = s->master->sessions;
	enum auth_protocol i = s->user->protocol;

	if (all->running[i] >= process_limit(s->master, i) &&
	    all->nkept[i] > 0)
		keep_no_more(TAILQ_FIRST(&all->kept[i]));
}

static uint64_t
process_limit(const struct master *m, enum auth_protocol protocol)
{
	return protocol == AUTH_IMAP ? m->conf->imap_max_sessions :
	    m->conf->pop3_max_sessions;
}

static uint64_t
user_limit(const struct master *m, enum auth_protocol protocol)
{
	return protocol == AUTH_IMAP ? m->conf->imap_user_sessions :
	    m->conf->pop3_user_sessions;
}

static struct user *
user_get(struct sessions *s, enum auth_protocol protocol, char *login)
{
	struct user key = { .protocol = protocol, .login = login };
	struct user *u = RB_FIND(user_tree, &s->users, &key);

	if (u != NULL)
		return u;
	u = mem_alloc(sizeof(*u));
	u->protocol = protocol;
	u->login = mem_strdup(login);
	LIST_INIT(&u->entries);
	RB_INSERT(user_tree, &s->users, u);
	return u;
}

/* Of somebody who has just logged in. */
static struct session *
begin(struct process *login, const struct protocol *protocol,
    struct message *msg, struct slice sealed, enum session_refusal *refusal,
    const char **why)
{
	struct master *m = login->master;
	struct sessions *all = m->sessions;
	struct session *s;
	struct user *u;
	struct grant g;
	char *name;

	*refusal = SESSION_BAD_GRANT;
	*why = grants_take(all->grants, sealed, protocol->protocol,
	    clock_mono_ms(), &g);
	if (*why != NULL)
		return NULL;
	*refusal = SESSION_FORBIDDEN;
	*why = may_run(m, &g);
	if (*why != NULL)
		return NULL;
	name = mem_slicedup(g.login);
	u = user_get(all, g.protocol, name);
	free(name);
	*refusal = SESSION_TOO_MANY;
	*why = "too many sessions of this user";
	if (u->sessions >= user_limit(m, g.protocol))
		return NULL;
	s = take_kept(u, &g, msg);
	if (s == NULL)
		s = session_new(m, u, &g);
	s->role = login->role;
	s->index = login->index;
	s->began_ms = clock_mono_ms();
	s->wanted = s->counted = true;
	u->sessions++;
	return s;
}

/* Its entry has no process yet. */
static struct session *
session_new(struct master *m, struct user *u, const struct grant *g)
{
	struct sessions *all = m->sessions;
	struct session *s = mem_alloc(sizeof(*s));

	s->user = u;
	LIST_INSERT_HEAD(&u->entries, s, of_user);
	s->master = m;
	ev_timer_init(&s->grace, &m->loop, grace_is_over, s);
	s->id = ++all->last_id;
	s->line = -1;
	s->account = (struct account){ g->uid, g->gid };
	s->quota_bytes = g->quota_bytes;
	s->quota_messages = g->quota_messages;
	s->directory = mem_slicedup(g->directory);
	s->maildir = mem_slicedup(g->maildir);
	RB_INSERT(session_tree, &all->all, s);
	all->nall++;
	return s;
}

/* All that a process is made of. */
static bool
has_rights_of(const struct session *s, const struct grant *g)
{
	return s->account.uid == g->uid && s->account.gid == g->gid &&
	    s->quota_bytes == g->quota_bytes &&
	    s->quota_messages == g->quota_messages &&
	    slice_eq(slice_str(s->directory), g->directory) &&
	    slice_eq(slice_str(s->maildir), g->maildir);
}

/* NULL, or the client is with a process that was kept.  Those whose rights are
 * not the user's any more end. */
static struct session *
take_kept(struct user *u, const struct grant *g, struct message *msg)
{
	struct session *s, *next;

	LIST_FOREACH_SAFE(s, &u->entries, of_user, next) {
		if (!s->kept)
			continue;
		if (!has_rights_of(s, g) ||
		    next_client_send(s->line, msg->fds) == -1) {
			keep_no_more(s);
			continue;
		}
		close(msg->fds[0]);
		close(msg->fds[1]);
		msg->fds[0] = msg->fds[1] = -1;
		no_longer_kept(s);
		ev_timer_stop(&s->grace);
		return s;
	}
	return NULL;
}

static struct session *
go_on(struct process *login, uint64_t id, enum session_refusal *refusal,
    const char **why)
{
	struct session *s = session_find(login->master->sessions, id);

	if (s != NULL && s->wanted && s->role == login->role &&
	    s->index == login->index && s->processes < PROCESSES)
		return s;
	*refusal = SESSION_GONE;
	*why = "the session that was to go on is not known";
	return NULL;
}

/* NULL, or why not. auth may be wrong, or taken over: never root, never a
 * system uid. */
static const char *
may_run(const struct master *m, const struct grant *g)
{
	if (m->mode == PRIV_USER && g->uid != m->mail_account.uid)
		return "without root only its own user's";
	if (g->uid == 0 || (m->mode == PRIV_FULL && g->gid == 0))
		return "never as root";
	if (m->mode == PRIV_FULL && g->uid < m->conf->user_minimum_uid &&
	    g->uid != m->mail_account.uid)
		return "the uid is below user.minimum_uid";
	if (g->login.n == 0 || g->login.n > LOGIN_BYTES ||
	    memchr(g->login.p, '\0', g->login.n) != NULL)
		return "not a login name";
	if (!worker_is_path(g->directory) || !worker_is_path(g->maildir) ||
	    !is_below(g->maildir, g->directory))
		return "not a directory for mail";
	return NULL;
}

static bool
is_below(struct slice path, struct slice directory)
{
	return slice_starts(path, directory) && (path.n == directory.n ||
	    path.p[directory.n] == '/');
}

/* Another process for it. */
static bool
order(struct process *spawn, struct session *s, struct message *msg)
{
	int line[2], fds[3];
	struct buf *b;

	if (next_client_line(line) == -1)
		return false;
	make_room(s);
	close_line(s);
	s->line = line[0];
	s->since_ms = clock_mono_ms();
	s->processes++;
	s->master->sessions->running[s->user->protocol]++;
	fds[0] = msg->fds[0];
	fds[1] = msg->fds[1];
	fds[2] = line[1];
	msg->fds[0] = msg->fds[1] = -1;
	b = channel_begin(spawn->channel, CTL_SPAWN, 0);
	if (b != NULL) {
		put_u64(b, s->id);
		put_u32(b, s->account.uid);
		put_u32(b, s->account.gid);
		put_u64(b, s->quota_bytes);
		put_u64(b, s->quota_messages);
		put_slice(b, slice_str(s->user->login));
		put_slice(b, slice_str(s->directory));
		put_slice(b, slice_str(s->maildir));
	}
	channel_end_fds(spawn->channel, fds, 3);
	return true;
}

/* ---- over ---------------------------------------------------------------- */

static struct session *
session_find(struct sessions *all, uint64_t id)
{
	struct session key = { .id = id };

	return RB_FIND(session_tree, &all->all, &key);
}

/* Ends the entry where nobody wants it and nothing runs. */
static void
settle(struct sessions *all, struct session *s)
{
	if (s->wanted || s->processes > 0)
		return;
	assert(!s->kept);
	ev_timer_clear(&s->grace);
	close_line(s);
	RB_REMOVE(session_tree, &all->all, s);
	all->nall--;
	s->user->sessions -= s->counted;
	LIST_REMOVE(s, of_user);
	if (LIST_EMPTY(&s->user->entries)) {
		RB_REMOVE(user_tree, &all->users, s->user);
		free(s->user->login);
		free(s->user);
	}
	free(s->directory);
	free(s->maildir);
	free(s);
}

/* A session that is gone already is not known any more. */
void
session_end(struct process *login, struct message *msg)
{
	struct sessions *all = login->master->sessions;
	uint64_t id = get_u64(&msg->body);
	bool is_free = get_u8(&msg->body) != 0;
	struct session *s = session_find(all, id);

	if (protocol_of(login->role) == NULL) {
		channel_breach(login->channel, "session");
		return;
	}
	if (s == NULL || !s->wanted || s->role != login->role ||
	    s->index != login->index)
		return;
	if (is_free && may_be_kept(s))
		keep(s);
	else
		unwanted(s);
}

static void
unwanted(struct session *s)
{
	close_line(s);
	s->wanted = false;
	ev_timer_set(&s->grace, GRACE_MS);
	settle(s->master->sessions, s);
}

/* ---- kept ---------------------------------------------------------------- */

static bool
may_be_kept(const struct session *s)
{
	return s->line != -1 && s->processes == 1 &&
	    clock_mono_ms() - s->since_ms < KEPT_LIFE_MS &&
	    s->master->phase == SUITE_RUNNING &&
	    kept_limit(s->master, s->user->protocol) > 0 &&
	    keep_ms(s->master, s->user->protocol) > 0;
}

static void
keep(struct session *s)
{
	struct sessions *all = s->master->sessions;
	enum auth_protocol i = s->user->protocol;

	s->wanted = s->counted = false;
	s->user->sessions--;
	s->kept = true;
	TAILQ_INSERT_TAIL(&all->kept[i], s, by_age);
	all->nkept[i]++;
	ev_timer_set(&s->grace, keep_ms(s->master, i));
	if (all->nkept[i] > kept_limit(s->master, i))
		keep_no_more(TAILQ_FIRST(&all->kept[i]));
}

static void
no_longer_kept(struct session *s)
{
	struct sessions *all = s->master->sessions;
	enum auth_protocol i = s->user->protocol;

	s->kept = false;
	TAILQ_REMOVE(&all->kept[i], s, by_age);
	all->nkept[i]--;
}

/* It ends by itself when its line is closed. */
static void
keep_no_more(struct session *s)
{
	no_longer_kept(s);
	unwanted(s);
}

static void
close_line(struct session *s)
{
	if (s->line != -1)
		close(s->line);
	s->line = -1;
}

void
sessions_keep_none(struct master *m)
{
	struct session *s, *next;

	RB_FOREACH_SAFE(s, session_tree, &m->sessions->all, next) {
		close_line(s);
		if (s->kept)
			keep_no_more(s);
	}
}

static int64_t
keep_ms(const struct master *m, enum auth_protocol protocol)
{
	return protocol == AUTH_IMAP ? m->conf->imap_keep : m->conf->pop3_keep;
}

static uint64_t
kept_limit(const struct master *m, enum auth_protocol protocol)
{
	return protocol == AUTH_IMAP ? m->conf->imap_max_kept :
	    m->conf->pop3_max_kept;
}

/* ---- not wanted ---------------------------------------------------------- */

/* Of one that is kept: nobody has come. */
static void
grace_is_over(void *arg)
{
	struct session *s = arg;
	struct process *spawn = spawn_of(s->master,
	    protocol_of(s->role));
	struct buf *b;

	if (s->kept) {
		keep_no_more(s);
		return;
	}
	ev_timer_set(&s->grace, GRACE_MS);
	if (spawn == NULL)
		return;
	b = channel_begin(spawn->channel, CTL_SPAWN_WHO, 0);
	if (b != NULL)
		put_u64(b, s->id);
	channel_end(spawn->channel);
}

/* That it has ended comes as of any other. */
void
session_spawn_is(struct process *spawn, struct message *msg)
{
	uint64_t id = get_u64(&msg->body);
	struct session *s = session_find(spawn->master->sessions, id);

	if (protocol_of(spawn->role) == NULL ||
	    protocol_of(spawn->role)->spawn != spawn->role ||
	    !is_child_of(msg->fds[0], spawn)) {
		channel_breach(spawn->channel, "session");
		return;
	}
	if (s == NULL || s->wanted)
		return;
	log_warn("event=session-killed role=%s login=%s why=\"nobody wants "
	    "it, and it does not end\"", role_name(spawn->role),
	    LOG_Q(slice_str(s->user->login)));
	if (proc_signal(msg->fds[0], SIGKILL) == -1 && errno != ESRCH)
		log_error("event=cannot-kill why=\"%s\"", strerror(errno));
}

/* Or has been one, and was waited for meanwhile. */
static bool
is_child_of(int pidfd, const struct process *p)
{
	pid_t parent = proc_parent_of(pidfd);

	return parent == -1 || (parent > 0 && parent == p->pid);
}

void
session_spawn_ended(struct process *spawn, struct message *msg)
{
	struct sessions *all = spawn->master->sessions;
	const struct protocol *protocol = protocol_of(spawn->role);
	uint64_t id = get_u64(&msg->body);
	uint32_t pid = get_u32(&msg->body);
	int status = (int)get_u32(&msg->body);
	struct session *s = session_find(all, id);

	if (protocol == NULL || protocol->spawn != spawn->role) {
		channel_breach(spawn->channel, "session");
		return;
	}
	if (s == NULL || s->processes == 0 ||
	    s->user->protocol != protocol->protocol)
		return;
	if (WIFSIGNALED(status))
		log_error("event=session-died role=%s login=%s child=%u "
		    "signal=SIG%s", role_name(spawn->role),
		    LOG_Q(slice_str(s->user->login)), pid,
		    sigabbrev_np(WTERMSIG(status)));
	else if (WEXITSTATUS(status) != 0)
		log_error("event=session-died role=%s login=%s child=%u "
		    "exit=%d", role_name(spawn->role),
		    LOG_Q(slice_str(s->user->login)), pid,
		    WEXITSTATUS(status));
	s->processes--;
	all->running[protocol->protocol]--;
	if (s->kept)
		no_longer_kept(s);
	settle(all, s);
}

/* Of a login process: all its sessions end by themselves.  Of a spawn: they go
 * on, but nobody tells us when they end. */
void
sessions_process_gone(struct process *p)
{
	struct sessions *all = p->master->sessions;
	const struct protocol *protocol = protocol_of(p->role);
	struct session *s, *next;

	if (protocol == NULL || all == NULL)
		return;
	RB_FOREACH_SAFE(s, session_tree, &all->all, next) {
		if (s->user->protocol != protocol->protocol)
			continue;
		if (p->role == protocol->spawn) {
			close_line(s);
			if (s->kept)
				no_longer_kept(s);
			s->processes = 0;
			settle(all, s);
		} else if (s->wanted && s->index == p->index)
			unwanted(s);
	}
	if (p->role == protocol->spawn)
		all->running[protocol->protocol] = 0;
}

void
sessions_status(const struct process *p, struct buf *b)
{
	struct sessions *all = p->master->sessions;
	const struct protocol *protocol = protocol_of(p->role);
	struct user *u;
	struct session *s;
	uint64_t users = 0, parked = 0;
	enum auth_protocol i;

	if (protocol == NULL || protocol->spawn != p->role || all == NULL)
		return;
	RB_FOREACH(u, user_tree, &all->users)
		users += u->protocol == protocol->protocol;
	RB_FOREACH(s, session_tree, &all->all)
		parked += s->user->protocol == protocol->protocol &&
		    s->processes == 0;
	i = protocol->protocol;
	buf_printf(b, " sessions=%ju parked=%ju users=%ju refused=%ju kept=%ju",
	    (uintmax_t)(all->running[i] - all->nkept[i]), (uintmax_t)parked,
	    (uintmax_t)users, (uintmax_t)all->refused[i],
	    (uintmax_t)all->nkept[i]);
}

/* The newest first. */
void
sessions_list(const struct master *m, uint32_t max,
    void (*tell)(void *, struct buf *), void *arg)
{
	struct buf line = BUF_INIT(8192);
	struct session *s;

	if (m->sessions == NULL)
		return;
	RB_FOREACH_REVERSE(s, session_tree, &m->sessions->all) {
		if (max-- == 0)
			break;
		buf_reset(&line);
		buf_printf(&line, "session=%ju role=%s index=%u state=%s "
		    "uptime=%lld uid=%u login=", (uintmax_t)s->id,
		    role_name(s->role), s->index, s->kept ? "kept" :
		    !s->wanted ? "ending" :
		    s->processes == 0 ? "parked" : "running",
		    (long long)(clock_mono_ms() - s->began_ms) / 1000,
		    (unsigned)s->account.uid);
		buf_add_str(&line, LOG_Q(slice_str(s->user->login)));
		tell(arg, &line);
	}
	buf_clear(&line);
}
