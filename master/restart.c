/* SPDX-License-Identifier: ISC */
/*
 * restart - another master takes the place of this one: ipc/handover.h.
 *
 *	      PREPARED		    qmgr has ended	   RUNNING
 *	OFFERED -----> EMPTYING -----------------> GIVEN ---------> RETIRED
 *	   |		  |			     |
 *	   +--------------+---- FAILED, or gone -----+--> all is as before
 *
 * The listening sockets stay open throughout, here or there or in both, so a
 * client waits at most until somebody accepts it.  smtpd ends first, each
 * session once its transaction is over; then qmgr, so that the queue has one
 * owner at a time.  Those who read their mail stay with the process that they
 * have, whose helpers stay with it, for process.retire at most.
 */
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "ipc/handover.h"
#include "ipc/auth_client.h"
#include "master.h"
#include "os/proc.h"

#define PREPARE_MS	90000	/* its own limits end it before */
#define TAKE_MS		180000
#define LINGER_MS	500

enum state { OFFERED, EMPTYING, GIVEN, RETIRED };

struct restart {
	struct master	*master;
	struct channel	*channel;	/* owned; NULL: gone */
	enum state	 state;
	pid_t		 pid;		/* its; 0: not known yet */
	bool		 going_on;	/* in go_on() */
	struct buf	 why;		/* it failed */
	struct ev_timer	 timer;
	void		(*done)(void *, int, struct slice);
	void		*arg;
};

static int	 launch(struct master *, int fd);
static void	 become_next(struct master *, int fd)
		    __attribute__((noreturn));
static void	 offer(struct restart *);
static void	 says(void *, struct channel *, struct message *);
static void	 is_gone(void *, struct channel *);
static void	 is_late(void *);
static void	 take_prepared(struct restart *, struct message *);
static void	 go_on(struct restart *);
static void	 take_running(struct restart *, struct message *);
static void	 take_failed(struct restart *, struct message *);
static void	 take_news(struct restart *, struct message *);
static void	 take_logout(struct restart *, struct message *);
static void	 take_stop(struct restart *, struct message *);
static void	 take_back(struct restart *);
static bool	 must_stay(const struct master *);
static void	 retire(struct restart *);
static void	 look_whether_it_ended(void *);

static const struct message_rule rules[] = RULES_OF(HANDOVER);
static const struct channel_ops ops = { says, is_gone, NULL };

static const struct {
	uint16_t	 type;
	unsigned	 when;		/* bits of enum state */
	void		(*take)(struct restart *, struct message *);
} verbs[] = {
	{ HO_PREPARED,	1 << OFFERED,	take_prepared },
	{ HO_RUNNING,	1 << GIVEN,	take_running },
	{ HO_FAILED,	1 << OFFERED | 1 << EMPTYING | 1 << GIVEN,
	  take_failed },
	{ HO_NEWS,	1 << RETIRED,	take_news },
	{ HO_LOGOUT,	1 << RETIRED,	take_logout },
	{ HO_STOP,	1 << RETIRED,	take_stop },
};

/* ---- the next one is started --------------------------------------------- */

void
restart_start(struct master *m, void (*done)(void *, int, struct slice),
    void *arg)
{
	struct restart *r;
	int s[2] = { -1, -1 };

	if (m->phase != SUITE_RUNNING || m->reload != NULL ||
	    m->restart != NULL) {
		done(arg, EX_TEMPFAIL, m->restart != NULL ?
		    SLICE_LIT("a restart is under way\n") : m->reload != NULL ?
		    SLICE_LIT("a reload is under way\n") :
		    SLICE_LIT("the suite is starting or stopping\n"));
		return;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) == -1 ||
	    launch(m, s[1]) == -1) {
		done(arg, EX_OSERR, slice_str(strerror(errno)));
		if (s[0] != -1) {
			close(s[0]);
			close(s[1]);
		}
		return;
	}
	close(s[1]);
	log_info("event=restarting program=%s",
	    LOG_Q(slice_str(m->program)));
	r = mem_alloc(sizeof(*r));
	*r = (struct restart){ .master = m, .done = done, .arg = arg };
	buf_init(&r->why, 8192);
	ev_timer_init(&r->timer, &m->loop, is_late, r);
	ev_timer_set(&r->timer, PREPARE_MS);
	r->channel = channel_new(&m->loop, s[0], rules, ROLE_MASTER,
	    ROLE_TOOL, 0, &ops, r);
	m->restart = r;
	offer(r);
}

/*
 * Who watches over us goes on with the next one: a service manager that is
 * told its number has it for a child of its own; another sees the process that
 * it has started stay, and has its signals passed on.
 */
static bool
must_stay(const struct master *m)
{
	return m->foreground && m->before_fd == -1 &&
	    getenv("NOTIFY_SOCKET") == NULL;
}

static int
launch(struct master *m, int fd)
{
	bool stays = must_stay(m);
	int status;
	pid_t pid;

	log_flush();
	if (!stays)
		proc_adopt_orphans(false);
	pid = fork();
	if (pid == 0) {
		if (!stays && (pid = fork()) != 0)
			_exit(pid == -1 ? EX_OSERR : EX_OK);
		become_next(m, fd);
	}
	if (pid != -1 && !stays && (waitpid(pid, &status, 0) == -1 ||
	    status != 0)) {
		errno = EAGAIN;
		pid = -1;
	}
	if (!stays)
		proc_adopt_orphans(true);
	return pid == -1 ? -1 : 0;
}

/* Descriptors: 0 to 2 as we have them, and the channel. */
static void
become_next(struct master *m, int fd)
{
	char program[] = "master", in[] = "-C", here[] = "-f", from[] = "-H",
	    number[] = "3", *dir = dirname(mem_strdup(m->conf_path));
	char *argv[] = { program, in, dir, from, number,
		m->foreground ? here : NULL, NULL };

	process_reset_signals();
	if (fd != 3 && dup2(fd, 3) == -1)
		_exit(EX_OSERR);
	fcntl(3, F_SETFD, 0);
	closefrom(4);
	execv(m->program, argv);
	dprintf(STDERR_FILENO, "chasqui: %s: %s\n", m->program,
	    strerror(errno));
	_exit(EX_OSFILE);
}

static void
offer(struct restart *r)
{
	struct master *m = r->master;
	const struct listener *l;
	struct buf *b;
	size_t i;
	int fd;

	TAILQ_FOREACH(l, &m->listeners, entry)
		for (i = 0; i < l->nfds; i++) {
			fd = fcntl(l->fds[i], F_DUPFD_CLOEXEC, 3);
			if (fd == -1)
				continue;	/* it binds one itself, or fails */
			b = channel_begin(r->channel, HO_LISTENER, 0);
			if (b != NULL) {
				put_u8(b, (uint8_t)l->kind);
				put_u32(b, l->instances);
				put_slice(b, slice_str(l->name));
				put_slice(b, slice_str(l->address));
			}
			channel_end_fds(r->channel, &fd, 1);
		}
	fd = fcntl(m->pid_fd, F_DUPFD_CLOEXEC, 3);
	channel_begin(r->channel, HO_LOCK, 0);
	channel_end_fds(r->channel, &fd, 1);
	b = channel_begin(r->channel, HO_ALL, 0);
	if (b != NULL)
		put_u32(b, (uint32_t)getpid());
	channel_end(r->channel);
}

/* ---- what it says -------------------------------------------------------- */

static void
says(void *arg, struct channel *c, struct message *m)
{
	struct restart *r = arg;
	size_t i;

	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (verbs[i].type == m->type &&
		    verbs[i].when & 1U << r->state) {
			verbs[i].take(r, m);
			return;
		}
	channel_breach(c, "not-now");
}

static void
take_prepared(struct restart *r, struct message *m)
{
	struct process *p;

	r->pid = (pid_t)get_u32(&m->body);
	r->state = EMPTYING;
	log_info("event=handing-over to=%d", (int)r->pid);
	ev_timer_set(&r->timer, TAKE_MS);
	r->going_on = true;
	TAILQ_FOREACH(p, &r->master->processes, entry)
		if (p->role == ROLE_SMTPD)
			process_event(p, EVENT_STOP);
	r->going_on = false;
	go_on(r);
}

static bool
has_ended(struct master *m, enum role role)
{
	const struct process *p;

	TAILQ_FOREACH(p, &m->processes, entry)
		if (p->role == role && p->state != PROCESS_DOWN)
			return false;
	return true;
}

static void
go_on(struct restart *r)
{
	struct process *qmgr = process_find(r->master, ROLE_QMGR, 0);

	/* A process that is not there ends while it is told to. */
	if (r->state != EMPTYING ||
	    !has_ended(r->master, ROLE_SMTPD))
		return;
	r->going_on = true;
	if (qmgr->state != PROCESS_STOPPING)
		process_event(qmgr, EVENT_STOP);
	r->going_on = false;
	if (qmgr->state != PROCESS_DOWN)
		return;
	r->state = GIVEN;
	r->going_on = true;
	worker_make_way(r->master);
	r->going_on = false;
	channel_send(r->channel, HO_QUEUE, 0, SLICE_EMPTY);
}

bool
restart_gave_queue(const struct master *m)
{
	return m->restart != NULL && m->restart->state >= GIVEN;
}

/* Of those that end when nobody needs them any more. */
void
restart_process_ended(struct master *m)
{
	const struct process *p;

	if (m->restart == NULL || m->restart->going_on)
		return;
	go_on(m->restart);
	if (m->phase != SUITE_RETIRED || m->before != NULL)
		return;
	TAILQ_FOREACH(p, &m->processes, entry)
		if (p->state == PROCESS_RETIRING)
			return;
	master_stop(m);
}

static void
take_running(struct restart *r, struct message *m)
{
	(void)m;
	r->state = RETIRED;
	ev_timer_stop(&r->timer);
	retire(r);
}

static void
take_failed(struct restart *r, struct message *m)
{
	buf_reset(&r->why);
	buf_add(&r->why, slice_trim(get_slice(&m->body, 8000)));
	buf_add_byte(&r->why, '\n');
}

static void
take_news(struct restart *r, struct message *m)
{
	wire_news(r->master, NEWS_AFTER, m->fds[0]);
	m->fds[0] = -1;
}

static void
take_logout(struct restart *r, struct message *m)
{
	struct slice login = get_text(&m->body, LOGIN_BYTES);

	if (wire_done(&m->body))
		master_logout(r->master, login);
}

static void
take_stop(struct restart *r, struct message *m)
{
	(void)m;
	master_stop(r->master);
}

/* It cannot be waited for any longer; its processes end with it. */
static void
is_late(void *arg)
{
	struct restart *r = arg;

	buf_reset(&r->why);
	buf_add_str(&r->why, "the new version does not say that it is ready\n");
	if (r->pid != 0) {
		kill(r->pid, SIGKILL);	/* is_gone() comes */
		return;
	}
	channel_free(&r->channel);
	take_back(r);
}

static void
is_gone(void *arg, struct channel *c)
{
	struct restart *r = arg;

	(void)c;
	r->channel = NULL;
	if (r->state == RETIRED)
		master_stop(r->master);
	else
		take_back(r);
}

/* ---- it did not come to it ----------------------------------------------- */

/* These run the programs of this version: process.c has them open. */
static void
take_back(struct restart *r)
{
	struct master *m = r->master;
	struct process *p;

	if (r->why.n == 0)
		buf_add_str(&r->why, "the new version has ended before it was "
		    "ready; its last words are in the log\n");
	log_error("event=restart-failed why=%s", LOG_Q(buf_slice(&r->why)));
	r->done(r->arg, EX_UNAVAILABLE, buf_slice(&r->why));
	restart_clear(m);
	if (m->phase == SUITE_STOPPING)
		return;
	TAILQ_FOREACH(p, &m->processes, entry) {
		if (p->role != ROLE_SMTPD && p->role != ROLE_QMGR)
			continue;
		if (p->state == PROCESS_STOPPING)
			p->renew = true;
		else
			process_event(p, EVENT_START);
	}
}

/* ---- it serves now ------------------------------------------------------- */

static void
retire(struct restart *r)
{
	/* The others are needed by those who read their mail. */
	static const struct {
		enum role		 role;
		enum process_event	 how;
	} leaves[] = {
		{ ROLE_IMAP_LOGIN, EVENT_RETIRE },
		{ ROLE_POP3_LOGIN, EVENT_RETIRE },
		{ ROLE_REMOTE, EVENT_STOP }, { ROLE_BOUNCE, EVENT_STOP },
		{ ROLE_RESOLVER, EVENT_STOP }, { ROLE_METRICS, EVENT_STOP },
	};
	struct master *m = r->master;
	struct process *p, *next;
	size_t i;

	log_info("event=handed-over to=%d", (int)r->pid);
	m->phase = SUITE_RETIRED;
	sessions_keep_none(m);
	if (!must_stay(m))
		master_notify("MAINPID=%d\nREADY=1", (int)r->pid);
	r->done(r->arg, EX_OK, SLICE_EMPTY);
	control_retire(m);
	listen_let_go(m);
	close(m->pid_fd);
	m->pid_fd = -1;
	m->owns_ground = false;
	r->going_on = true;
	for (i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
		TAILQ_FOREACH_SAFE(p, &m->processes, entry, next)
			if (p->role == leaves[i].role)
				process_event(p, leaves[i].how);
	p = process_find(m, ROLE_LOOKUP, 0);
	if (process_is_alive(p))
		channel_send(p->channel, CTL_RETIRE, 0, SLICE_EMPTY);
	r->going_on = false;
	restart_process_ended(m);
}

bool
restart_lingers(struct master *m)
{
	struct restart *r = m->restart;

	if (r == NULL || r->state != RETIRED || !must_stay(m))
		return false;
	if (r->channel != NULL) {
		channel_free(&r->channel);
		ev_timer_init(&m->linger, &m->loop, look_whether_it_ended, m);
		look_whether_it_ended(m);
	}
	return true;
}

/* The lock goes from one to the next, and is free when the last has ended. */
static void
look_whether_it_ended(void *arg)
{
	struct master *m = arg;
	int fd = ground_open_lock(m);

	if (fd == -1 || flock(fd, LOCK_SH | LOCK_NB) == 0)
		ev_stop(&m->loop);
	else
		ev_timer_set(&m->linger, LINGER_MS);
	if (fd != -1)
		close(fd);
}

bool
restart_pass_on(struct master *m, int sig)
{
	char text[32] = "";
	uint64_t pid;
	int fd;

	if (m->restart == NULL || m->restart->state != RETIRED ||
	    !must_stay(m))
		return false;
	fd = ground_open_lock(m);
	if (fd == -1)
		return false;
	if (pread(fd, text, sizeof(text) - 1, 0) > 0 &&
	    slice_to_u64(slice_trim(slice_str(text)), 2, INT32_MAX, &pid))
		kill((pid_t)pid, sig);
	close(fd);
	return true;
}

void
restart_clear(struct master *m)
{
	struct restart *r = m->restart;

	m->restart = NULL;
	if (r == NULL)
		return;
	channel_free(&r->channel);
	ev_timer_clear(&r->timer);
	buf_clear(&r->why);
	free(r);
}
