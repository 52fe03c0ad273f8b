/* SPDX-License-Identifier: ISC */
/*
 * control - answers the tools on control.sock: status, sessions, stop, reload,
 * restart, watch, logout.
 *
 * Only root, or whoever runs the suite, is let in.  A tool is not trusted
 * beyond that: what it sends is checked like any other peer's.
 */
#include <sys/socket.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ev/acceptor.h"
#include "ipc/auth_client.h"
#include "master.h"
#include "os/proc.h"
#include "os/sandbox.h"

#define CLIENTS		32	/* at once */
#define LOGIN_MS	5000
#define STATUS_MS	2000	/* a process that does not answer is shown so */

struct client {
	TAILQ_ENTRY(client)	 entry;
	struct control		*control;
	struct channel		*channel;	/* owned; NULL: gone */
	uint64_t		 id;		/* of what it asked */
	bool			 wants_status;
	bool			 wants_few;	/* not of users' processes */
	bool			 wants_end;
	bool			 wants_reload;	/* or a restart */
	unsigned		 answers_owed;	/* to TL_LOGIN */
	uint32_t		 watch;		/* its number; 0: none */
	uint64_t		 serial;	/* of it, among all */
	struct ev_timer		 timer;		/* for them */
};

struct control {
	struct master		*master;
	int			 fd;	/* owned until control_open(), then -1 */
	struct acceptor_list	 listeners;
	struct ev_timer		 status_timer;
	TAILQ_HEAD(, client)	 clients;
	unsigned		 nclients;
	uint64_t		 last_serial;
};

static void	 accept_client(void *, const struct acceptor *, int,
		    const struct peer *);
static void	 accepting_paused(void *, int);
static void	 client_says(void *, struct channel *, struct message *);
static void	 client_is_gone(void *, struct channel *);
static void	 ask_status(struct client *, struct message *);
static bool	 is_asked_for(const struct client *, const struct process *);
static void	 ask_sessions(struct client *, struct message *);
static void	 tell_session(void *, struct buf *);
static void	 ask_stop(struct client *, struct message *);
static void	 ask_reload(struct client *, struct message *);
static void	 ask_restart(struct client *, struct message *);
static void	 restart_done(void *, int, struct slice);
static void	 status_is_due(void *);
static void	 tell_status(struct client *);
static void	 tell_usage(struct buf *, pid_t);
static void	 tell_process(struct client *, const struct process *);
static void	 ask_login(struct client *, struct message *);
static void	 login_is_late(void *);
static void	 ask_logout(struct client *, struct message *);
static void	 ask_watch(struct client *, struct message *);
static void	 reload_done(void *, int, struct slice);
static void	 tell_done(struct client *, struct slice lines, int status,
		    const char *why);
static void	 send_line(struct client *, struct buf *);
static void	 send_end(struct client *, int status, const char *why);
static void	 free_client(struct client *);

static const struct message_rule rules[] = RULES_OF(TOOL_REQUESTS);
static const struct channel_ops ops = { client_says, client_is_gone, NULL };

/* The socket stays among m->listeners, too: for who comes after this master. */
void
control_init(struct master *m)
{
	struct control *c = mem_alloc(sizeof(*c));
	const struct listener *l;

	c->master = m;
	c->fd = -1;
	TAILQ_INIT(&c->clients);
	LIST_INIT(&c->listeners);
	ev_timer_init(&c->status_timer, &m->loop, status_is_due, c);
	TAILQ_FOREACH(l, &m->listeners, entry)
		if (l->kind == LISTENER_CONTROL)
			c->fd = fcntl(l->fds[0], F_DUPFD_CLOEXEC, 0);
	if (c->fd == -1)
		err(EX_OSERR, "%s", SOCKET_CONTROL);
	m->control = c;
}

void
control_open(struct master *m)
{
	static const struct acceptor_ops accepting = { accept_client,
		accepting_paused };
	struct control *c = m->control;

	acceptor_new(&c->listeners, &m->loop, LISTENER_CONTROL,
	    SOCKET_CONTROL, c->fd, &accepting, c);
	c->fd = -1;
}

void
control_retire(struct master *m)
{
	struct client *cl;

	acceptors_free(&m->control->listeners);
	TAILQ_FOREACH(cl, &m->control->clients, entry) {
		if (cl->channel == NULL)
			continue;
		if (cl->watch != 0)
			send_end(cl, EX_TEMPFAIL, "the suite was restarted; "
			    "watch again what it serves now");
		watch_end(m, cl->watch);
		cl->watch = 0;
		channel_flush(cl->channel);
	}
}

static void
accept_client(void *arg, const struct acceptor *from, int fd_take,
    const struct peer *peer)
{
	struct control *c = arg;
	struct client *cl;

	(void)from;
	if ((peer->uid != 0 && peer->uid != geteuid()) ||
	    c->nclients == CLIENTS) {
		close(fd_take);
		return;
	}
	cl = mem_alloc(sizeof(*cl));
	cl->control = c;
	ev_timer_init(&cl->timer, &c->master->loop, login_is_late, cl);
	TAILQ_INSERT_TAIL(&c->clients, cl, entry);
	c->nclients++;
	cl->channel = channel_new(&c->master->loop, fd_take, rules,
	    ROLE_MASTER, ROLE_TOOL, 0, &ops, cl);
}

static void
accepting_paused(void *arg, int error)
{
	const struct control *c = arg;

	acceptor_log_pause(error, c->nclients);
}

static void
client_says(void *arg, struct channel *ch, struct message *m)
{
	static const struct {
		uint16_t	 type;
		void		(*ask)(struct client *, struct message *);
	} verbs[] = {
		{ TL_STATUS, ask_status },
		{ TL_SESSIONS, ask_sessions },
		{ TL_STOP, ask_stop },
		{ TL_RELOAD, ask_reload },
		{ TL_RESTART, ask_restart },
		{ TL_LOGIN, ask_login },
		{ TL_LOGOUT, ask_logout },
		{ TL_WATCH, ask_watch },
	};
	struct client *cl = arg;
	size_t i;

	if (cl->wants_status || cl->wants_end || cl->wants_reload ||
	    cl->answers_owed > 0 || cl->watch != 0) {
		channel_breach(ch, "one-at-a-time");
		return;
	}
	cl->id = m->id;
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (verbs[i].type == m->type) {
			verbs[i].ask(cl, m);
			return;
		}
	channel_breach(ch, "not-for-master");
}

/* A reload that it asked for goes on, and is told to nobody. */
static void
client_is_gone(void *arg, struct channel *ch)
{
	struct client *cl = arg;

	(void)ch;
	cl->channel = NULL;
	if (!cl->wants_reload)
		free_client(cl);
}

static void
free_client(struct client *cl)
{
	TAILQ_REMOVE(&cl->control->clients, cl, entry);
	cl->control->nclients--;
	watch_end(cl->control->master, cl->watch);
	channel_free(&cl->channel);
	ev_timer_clear(&cl->timer);
	free(cl);
}

/* ---- status -------------------------------------------------------------- */

static void
ask_status(struct client *cl, struct message *m)
{
	struct control *c = cl->control;
	struct process *p;

	cl->wants_status = true;
	cl->wants_few = m->body.rest.n > 0 && get_u8(&m->body) == 1;
	TAILQ_FOREACH(p, &c->master->processes, entry) {
		if (p->state != PROCESS_RUNNING || p->channel == NULL ||
		    p->status_owed || !is_asked_for(cl, p))
			continue;
		p->status_owed = true;
		channel_send(p->channel, CTL_STATUS_ASK, 0, SLICE_EMPTY);
	}
	ev_timer_set(&c->status_timer, STATUS_MS);
	control_status_came(c->master);
}

static bool
is_asked_for(const struct client *cl, const struct process *p)
{
	return !cl->wants_few || (p->role != ROLE_WORKER &&
	    p->role != ROLE_COMMAND);
}

void
control_status_came(struct master *m)
{
	struct control *c = m->control;
	struct process *p;

	if (c == NULL)
		return;
	TAILQ_FOREACH(p, &c->master->processes, entry)
		if (p->status_owed)
			return;
	status_is_due(c);
}

static void
status_is_due(void *arg)
{
	struct control *c = arg;
	struct client *cl;
	struct process *p;

	ev_timer_stop(&c->status_timer);
	TAILQ_FOREACH(cl, &c->clients, entry)
		if (cl->wants_status)
			tell_status(cl);
	TAILQ_FOREACH(p, &c->master->processes, entry) {
		free(p->status);
		p->status = NULL;
	}
}

static void
tell_status(struct client *cl)
{
	static const char *const phases[] = { "starting", "running",
		"retired", "stopping" };
	struct master *m = cl->control->master;
	struct buf line = BUF_INIT(4096);
	struct process *p;

	cl->wants_status = false;
	buf_printf(&line, "role=master index=0 pid=%d state=%s uptime=%lld "
	    "restarts=0 uid=%u mode=%s landlock=%d conf=", (int)getpid(),
	    phases[m->phase],
	    (long long)(clock_mono_ms() - m->started_ms) / 1000,
	    (unsigned)getuid(), m->mode == PRIV_FULL ? "full" : "user",
	    sandbox_landlock_abi());
	buf_add_str(&line, LOG_Q(slice_str(m->conf_path)));
	if (inherit_pid(m) != 0)
		buf_printf(&line, " retired=%d", (int)inherit_pid(m));
	tell_usage(&line, getpid());
	send_line(cl, &line);
	TAILQ_FOREACH(p, &m->processes, entry)
		if (is_asked_for(cl, p))
			tell_process(cl, p);
	send_end(cl, EX_OK, "");
	buf_clear(&line);
}

static void
tell_usage(struct buf *line, pid_t pid)
{
	struct proc_usage u;

	if (proc_usage(pid, &u))
		buf_printf(line, " rss_kib=%ju cpu_ms=%ju",
		    (uintmax_t)u.rss / 1024, (uintmax_t)u.cpu_ms);
}

static void
tell_process(struct client *cl, const struct process *p)
{
	struct buf line = BUF_INIT(65000);

	buf_printf(&line, "role=%s index=%u pid=%d state=%s uptime=%lld "
	    "restarts=%u uid=%u", role_name(p->role), p->index, (int)p->pid,
	    process_state_name(p->state), p->pid == 0 ? 0LL :
	    (long long)(clock_mono_ms() - p->started_ms) / 1000, p->restarts,
	    (unsigned)p->account.uid);
	if (p->pid != 0)
		tell_usage(&line, p->pid);
	if (p->directory != NULL)
		buf_printf(&line, " directory=%s",
		    LOG_Q(slice_str(p->directory)));
	if (p->status_owed)
		buf_add_str(&line, " answers=no");
	else if (p->status != NULL) {
		buf_add_byte(&line, ' ');
		buf_add_str(&line, p->status);
	}
	sessions_status(p, &line);
	send_line(cl, &line);
	buf_clear(&line);
}

static void
ask_sessions(struct client *cl, struct message *m)
{
	sessions_list(cl->control->master, get_u32(&m->body), tell_session,
	    cl);
	send_end(cl, EX_OK, "");
}

static void
tell_session(void *arg, struct buf *line)
{
	send_line(arg, line);
}

/* ---- stop and reload ----------------------------------------------------- */

static void
ask_stop(struct client *cl, struct message *m)
{
	(void)m;
	cl->wants_end = true;
	master_stop(cl->control->master);
}

void
control_suite_ended(struct master *m)
{
	struct client *cl;

	TAILQ_FOREACH(cl, &m->control->clients, entry) {
		if (!cl->wants_end)
			continue;
		send_end(cl, EX_OK, "");
		channel_flush(cl->channel);
	}
}

static void
ask_reload(struct client *cl, struct message *m)
{
	(void)m;
	cl->wants_reload = true;
	reload_start(cl->control->master, reload_done, cl);
}

static void
ask_restart(struct client *cl, struct message *m)
{
	(void)m;
	cl->wants_reload = true;
	restart_start(cl->control->master, restart_done, cl);
}

static void
reload_done(void *arg, int status, struct slice lines)
{
	tell_done(arg, lines, status, status == 0 ? "" : status == EX_CONFIG ?
	    "the configuration in force is unchanged where the lines above "
	    "do not say otherwise" : "the reload is not complete");
}

static void
restart_done(void *arg, int status, struct slice lines)
{
	tell_done(arg, lines, status, status == 0 ? "" :
	    "the suite goes on as it was");
}

static void
tell_done(struct client *cl, struct slice lines, int status, const char *why)
{
	struct slice part;

	cl->wants_reload = false;
	if (cl->channel == NULL) {
		free_client(cl);
		return;
	}
	while (lines.n > 0 && slice_next(&lines, '\n', &part))
		if (part.n > 0)
			channel_send(cl->channel, TL_LINE, cl->id,
			    slice_first(part, part.n > 65000 ? 65000 :
			    part.n));
	send_end(cl, status, why);
}

/* ---- logins -------------------------------------------------------------- */

/* auth and the first verifier say what they know; master only carries it. */
static void
ask_login(struct client *cl, struct message *m)
{
	static const enum role roles[] = { ROLE_VERIFIER, ROLE_AUTH };
	struct slice login = get_slice(&m->body, 320);
	struct process *p;
	struct buf *b;
	size_t i;

	if (!wire_done(&m->body)) {
		channel_breach(cl->channel, "bad-field");
		return;
	}
	cl->serial = ++cl->control->last_serial;
	for (i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		p = process_find(cl->control->master, roles[i], 0);
		if (p == NULL || p->state != PROCESS_RUNNING ||
		    p->channel == NULL)
			continue;
		b = channel_begin(p->channel, CTL_LOGIN, cl->serial);
		if (b != NULL)
			put_slice(b, login);
		channel_end(p->channel);
		cl->answers_owed++;
	}
	if (cl->answers_owed == 0)
		send_end(cl, EX_TEMPFAIL, "auth is not running");
	else
		ev_timer_set(&cl->timer, LOGIN_MS);
}

void
control_login_is(struct process *p, struct message *m)
{
	struct slice rest = get_rest(&m->body), part;
	struct client *cl;

	if (p->master->control == NULL)
		return;
	TAILQ_FOREACH(cl, &p->master->control->clients, entry)
		if (cl->serial == m->id && cl->answers_owed > 0)
			break;
	if (cl == NULL)
		return;		/* gone, or told to try later */
	while (rest.n > 0 && slice_next(&rest, '\n', &part))
		if (part.n > 0)
			channel_send(cl->channel, TL_LINE, cl->id, part);
	if (--cl->answers_owed > 0)
		return;
	ev_timer_stop(&cl->timer);
	send_end(cl, EX_OK, "");
}

static void
login_is_late(void *arg)
{
	struct client *cl = arg;

	cl->answers_owed = 0;
	send_end(cl, EX_TEMPFAIL, "auth or its verifier does not answer");
}

static void
ask_logout(struct client *cl, struct message *m)
{
	struct slice login = get_text(&m->body, LOGIN_BYTES);

	if (!wire_done(&m->body)) {
		channel_breach(cl->channel, "bad-field");
		return;
	}
	master_logout(cl->control->master, login);
	send_end(cl, EX_OK, "");
}

/* What a kept process can do is asked of each login anew (A7), so it stays. */
void
master_logout(struct master *m, struct slice login)
{
	struct process *p;
	struct buf *b;

	log_info("event=logout login=%s", LOG_Q(login));
	inherit_logout(m, login);
	TAILQ_FOREACH(p, &m->processes, entry) {
		if (!process_is_alive(p) || (p->role != ROLE_SMTPD &&
		    p->role != ROLE_IMAP_LOGIN && p->role != ROLE_POP3_LOGIN))
			continue;
		b = channel_begin(p->channel, CTL_LOGOUT, 0);
		if (b != NULL)
			put_slice(b, login);
		channel_end(p->channel);
	}
}

/* ---- watching ------------------------------------------------------------ */

/* It lasts until the tool closes its connection. */
static void
ask_watch(struct client *cl, struct message *m)
{
	uint32_t protocols = get_u32(&m->body);
	struct conf_net net = { .bits = get_u8(&m->body) };
	struct slice address = get_rest(&m->body);
	int fd;

	if (address.n != sizeof(net.addr) || net.bits > 128) {
		channel_breach(cl->channel, "bad-field");
		return;
	}
	memcpy(net.addr, address.p, address.n);
	cl->watch = watch_begin(cl->control->master, &net, protocols, &fd);
	if (cl->watch == 0) {
		send_end(cl, EX_TEMPFAIL, errno == EBUSY ? "there are as many "
		    "who watch as there may be" : strerror(errno));
		return;
	}
	channel_begin(cl->channel, TL_WATCHING, cl->id);
	channel_end_fds(cl->channel, &fd, 1);
}

/* ---- answers ------------------------------------------------------------- */

static void
send_line(struct client *cl, struct buf *line)
{
	channel_send(cl->channel, TL_LINE, cl->id, buf_slice(line));
}

static void
send_end(struct client *cl, int status, const char *why)
{
	tool_end(cl->channel, cl->id, status, slice_str(why));
}

void
control_clear(struct master *m)
{
	struct control *c = m->control;
	struct client *cl;

	m->control = NULL;
	if (c == NULL)
		return;
	while ((cl = TAILQ_FIRST(&c->clients)) != NULL)
		free_client(cl);
	acceptors_free(&c->listeners);
	if (c->fd != -1)
		close(c->fd);
	ev_timer_clear(&c->status_timer);
	free(c);
}
