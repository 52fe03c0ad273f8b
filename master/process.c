/* SPDX-License-Identifier: ISC */
/*
 * process - the life of each process that master starts.
 *
 * All of it is one table of state and event; the picture is in master.h.  A
 * process that dies is started again: at once the first time, then after 50
 * ms, doubling to 10 s, until it has run well for 30 s.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ipc/counters.h"
#include "master.h"
#include "os/memory.h"
#include "os/proc.h"

#define START_MS	30000	/* until READY */
#define WELL_MS		30000	/* running so long is running well */
#define STOP_MS		30000
#define WAIT_FIRST_MS	50
#define WAIT_MAX_MS	10000
#define WAIT_LOCK_MS	5	/* for the worker before to end */
#define WAIT_TELL_MS	1000	/* and it is told that it does not */

static const char *const programs[ROLE_LIMIT] = {
#define X(name, no, program, instances) [ROLE_##name] = program,
	ROLES(X)
#undef X
};

typedef void action(struct process *);
static action	 start, up, again, gone, too_slow, ran_well, stop, kill_it,
		 give_up, ignore, impossible, retire;

static action *const table[PROCESS_STATES][PROCESS_EVENTS] = {
	[PROCESS_DOWN] = {
		[EVENT_START] = start,	 [EVENT_READY] = ignore,
		[EVENT_DIED] = impossible, [EVENT_TIME] = ignore,
		[EVENT_STOP] = ignore,	 [EVENT_RETIRE] = ignore,
	},
	[PROCESS_STARTING] = {
		[EVENT_START] = ignore,	 [EVENT_READY] = up,
		[EVENT_DIED] = again,	 [EVENT_TIME] = too_slow,
		[EVENT_STOP] = stop,	 [EVENT_RETIRE] = stop,
	},
	[PROCESS_RUNNING] = {
		[EVENT_START] = ignore,	 [EVENT_READY] = kill_it,
		[EVENT_DIED] = again,	 [EVENT_TIME] = ran_well,
		[EVENT_STOP] = stop,	 [EVENT_RETIRE] = retire,
	},
	[PROCESS_STOPPING] = {
		[EVENT_START] = ignore,	 [EVENT_READY] = ignore,
		[EVENT_DIED] = gone,	 [EVENT_TIME] = kill_it,
		[EVENT_STOP] = ignore,	 [EVENT_RETIRE] = ignore,
	},
	[PROCESS_WAITING] = {
		[EVENT_START] = ignore,	 [EVENT_READY] = ignore,
		[EVENT_DIED] = impossible, [EVENT_TIME] = start,
		[EVENT_STOP] = give_up,	 [EVENT_RETIRE] = give_up,
	},
	[PROCESS_RETIRING] = {
		[EVENT_START] = ignore,	 [EVENT_READY] = kill_it,
		[EVENT_DIED] = gone,	 [EVENT_TIME] = stop,
		[EVENT_STOP] = stop,	 [EVENT_RETIRE] = ignore,
	},
};

static void	 enter(struct process *, enum process_state);
static void	 wait_for_lock(struct process *);
static void	 become(const struct process *, int fd)
		    __attribute__((noreturn));
static void	 clear_channel(struct process *);
static void	 reaped(struct process *, int status);
static void	 time_is_up(void *);
static void	 hung_up(void *);
static void	 make_counters(struct process *);
static bool	 is_users(const struct process *);

static char	 program_dir[PATH_MAX];
static int	 program_fds[ROLE_LIMIT];	/* O_PATH */
static bool	 in_build_tree;		/* ../PROGRAM/PROGRAM */

/* ---- the table's actions ------------------------------------------------ */

void
process_event(struct process *p, enum process_event event)
{
	table[p->state][event](p);
}

static void
enter(struct process *p, enum process_state state)
{
	static const int64_t times[PROCESS_STATES] = {
		[PROCESS_STARTING] = START_MS,
		[PROCESS_RUNNING] = WELL_MS,
		[PROCESS_STOPPING] = STOP_MS,
	};

	p->state = state;
	if (times[state] > 0)
		ev_timer_set(&p->timer, times[state]);
	else
		ev_timer_stop(&p->timer);
}

static void
start(struct process *p)
{
	int s[2] = { -1, -1 };

	if (p->role == ROLE_WORKER && worker_lock(p) == -1 &&
	    errno == EWOULDBLOCK) {
		wait_for_lock(p);
		return;
	}
	p->started_ms = clock_mono_ms();
	log_flush();
	if ((p->role == ROLE_WORKER && p->lock_fd == -1) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) == -1 ||
	    (p->pid = fork()) == -1) {
		p->pid = 0;
		log_error("event=cannot-start role=%s index=%u why=\"%s\"",
		    role_name(p->role), p->index, strerror(errno));
		if (s[0] != -1) {
			close(s[0]);
			close(s[1]);
		}
		worker_unlock(p);
		enter(p, PROCESS_STARTING);
		worker_not_started(p);
		again(p);
		return;
	}
	if (p->pid == 0)
		become(p, s[1]);
	close(s[1]);
	p->channel = channel_new(&p->master->loop, s[0], wire_rules,
	    ROLE_MASTER, p->role, p->index, &wire_ops, p);
	enter(p, PROCESS_STARTING);
	wire_process(p);
	log_debug("event=started role=%s index=%u child=%d",
	    role_name(p->role), p->index, (int)p->pid);
}

static void
wait_for_lock(struct process *p)
{
	int64_t now = clock_mono_ms();

	if (p->waits_since_ms == 0)
		p->waits_since_ms = now;
	if (!p->waits_told && now - p->waits_since_ms >= WAIT_TELL_MS) {
		p->waits_told = true;
		log_warn("event=worker-waits uid=%u directory=%s "
		    "why=\"the one before it has not ended\"",
		    (unsigned)p->account.uid,
		    LOG_Q(slice_str(p->directory)));
	}
	enter(p, PROCESS_WAITING);
	ev_timer_set(&p->timer, WAIT_LOCK_MS);
}

static void
up(struct process *p)
{
	p->was_ready = true;
	enter(p, PROCESS_RUNNING);
	log_info("event=ready role=%s index=%u child=%d ms=%lld",
	    role_name(p->role), p->index, (int)p->pid,
	    (long long)(clock_mono_ms() - p->started_ms));
	if (p->renew_owed) {
		p->renew_owed = false;
		reload_answered(p, true, SLICE_EMPTY);
	}
	if (p->role == ROLE_LOCAL)
		inherit_news(p->master);
	master_ready_changed(p->master);
}

/* It died although it should not. */
static void
again(struct process *p)
{
	int64_t ms = p->failures == 0 ? 0 : WAIT_FIRST_MS;
	unsigned i;

	if (is_users(p)) {
		gone(p);	/* local asks for another when it needs one */
		return;
	}
	for (i = 1; i < p->failures && ms < WAIT_MAX_MS; i++)
		ms *= 2;
	if (ms > WAIT_MAX_MS)
		ms = WAIT_MAX_MS;
	p->failures++;
	p->restarts++;
	enter(p, PROCESS_WAITING);
	ev_timer_set(&p->timer, ms);
	if (p->role == ROLE_LOCAL)
		worker_end_all(p->master);
	master_ready_changed(p->master);
}

static void
gone(struct process *p)
{
	struct master *m = p->master;

	enter(p, PROCESS_DOWN);
	if (is_users(p)) {
		TAILQ_REMOVE(&m->processes, p, entry);
		ev_timer_clear(&p->timer);
		ev_timer_clear(&p->hangup);
		ev_timer_clear(&p->rewire);
		ev_timer_clear(&p->listen_again);
		free(p->user);
		free(p->directory);
		free(p->status);
		free(p->readable);
		free(p);
	} else if (p->renew && m->phase != SUITE_STOPPING) {
		p->renew = false;
		start(p);
	}
	master_process_ended(m);
}

static void
too_slow(struct process *p)
{
	log_error("event=not-ready role=%s index=%u child=%d ms=%d",
	    role_name(p->role), p->index, (int)p->pid, START_MS);
	kill_it(p);
}

static void
ran_well(struct process *p)
{
	p->failures = 0;
}

static void
stop(struct process *p)
{
	channel_send(p->channel, CTL_STOP, 0, SLICE_EMPTY);
	enter(p, PROCESS_STOPPING);
}

static void
retire(struct process *p)
{
	channel_send(p->channel, CTL_RETIRE, 0, SLICE_EMPTY);
	enter(p, PROCESS_RETIRING);
	ev_timer_set(&p->timer, (int64_t)p->master->conf->process_retire);
}

static void
kill_it(struct process *p)
{
	if (p->state == PROCESS_STOPPING)
		log_warn("event=killing role=%s index=%u child=%d "
		    "why=\"did not end in time\"", role_name(p->role),
		    p->index, (int)p->pid);
	if (p->pid != 0)
		kill(p->pid, SIGKILL);
}

static void
give_up(struct process *p)
{
	gone(p);
}

static void
ignore(struct process *p)
{
	(void)p;
}

static void
impossible(struct process *p)
{
	log_fatal("event=impossible role=%s state=%s", role_name(p->role),
	    process_state_name(p->state));
}

/* ---- in the new process -------------------------------------------------- */

static void
program_path(char *path, size_t size, enum role role)
{
	if (in_build_tree)
		snprintf(path, size, "%s/../%.*s/%s", program_dir,
		    (int)strcspn(programs[role], "-"), programs[role],
		    programs[role]);
	else
		snprintf(path, size, "%s/%s", program_dir, programs[role]);
}

/*
 * Installed, all programs are in one directory, as master is; in a build tree
 * "imapd" and "imapd-session" are in imapd/.  CHASQUI_LIBEXEC is for tests.
 * They are opened now: what is started again later is of our own version,
 * whatever has been installed meanwhile.
 */
void
process_find_programs(struct master *m)
{
	const char *given = secure_getenv("CHASQUI_LIBEXEC");
	char self[PATH_MAX], path[PATH_MAX + 64];
	unsigned role;

	if (proc_program(self) == -1)
		master_die(EX_OSFILE, "/proc/self/exe: %s", strerror(errno));
	m->program = mem_strdup(self);
	if (given != NULL && strlen(given) < sizeof(program_dir)) {
		snprintf(program_dir, sizeof(program_dir), "%s", given);
	} else {
		snprintf(program_dir, sizeof(program_dir), "%s",
		    dirname(self));
		snprintf(path, sizeof(path), "%s/smtpd", program_dir);
		in_build_tree = access(path, X_OK) == -1;
	}
	for (role = 0; role < ROLE_LIMIT; role++) {
		if (priv_of((enum role)role) == NULL)
			continue;
		program_path(path, sizeof(path), (enum role)role);
		program_fds[role] = access(path, X_OK) == -1 ? -1 :
		    open(path, O_PATH | O_CLOEXEC);
		if (program_fds[role] == -1)
			master_die(EX_OSFILE, "%s: %s; the installation is "
			    "incomplete", path, strerror(errno));
	}
}

static void
die_before_exec(const char *what)
{
	int e = errno;

	/* Nothing else is open: to whoever reads our stderr. */
	dprintf(STDERR_FILENO, "chasqui: %s: %s\n", what, strerror(e));
	_exit(EX_OSERR);
}

void
process_reset_signals(void)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	sigset_t none;
	int sig;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (sig = 1; sig < NSIG; sig++)
		sigaction(sig, &sa, NULL);
}

#define LOCK_FD		(CHILD_FD + 1)
#define PROGRAM_FD	(CHILD_FD + 2)	/* closed by execveat() */

/* Descriptors of the new process: 0 to 2, its channel, a worker's lock, nothing
 * else. */
static void
keep_only(const struct process *p, int fd)
{
	int program = fcntl(program_fds[p->role], F_DUPFD_CLOEXEC,
	    PROGRAM_FD);
	int lock = p->lock_fd == -1 ? -1 : fcntl(p->lock_fd, F_DUPFD_CLOEXEC,
	    PROGRAM_FD + 1);
	int null = open("/dev/null", O_RDWR);
	int err = p->master->log_sink == LOG_SINK_STREAM ? p->master->log_fd :
	    null;

	if (null == -1 || dup2(null, STDIN_FILENO) == -1 ||
	    dup2(null, STDOUT_FILENO) == -1 ||
	    dup2(err, STDERR_FILENO) == -1)
		die_before_exec("descriptors");
	if (fd == CHILD_FD) {
		if (fcntl(fd, F_SETFD, 0) == -1)
			die_before_exec("descriptors");
	} else if (dup2(fd, CHILD_FD) == -1)
		die_before_exec("descriptors");
	close(LOCK_FD);
	if (p->lock_fd != -1 && (lock == -1 || dup2(lock, LOCK_FD) == -1))
		die_before_exec("descriptors");
	if (program == -1 || (program != PROGRAM_FD &&
	    dup3(program, PROGRAM_FD, O_CLOEXEC) == -1))
		die_before_exec("descriptors");
	closefrom(PROGRAM_FD + 1);
}

static void
become(const struct process *p, int fd)
{
	static const char *const names[] = { "PATH", "TZ", "ASAN_OPTIONS",
		"UBSAN_OPTIONS", "LSAN_OPTIONS", NULL };
	char role[16], index[16];
	const char *program = programs[p->role];
	char *argv[] = { mem_strdup(program), role, index, NULL };
	char *envp[8];
	struct buf b = BUF_INIT(8192);
	size_t i, n = 0;

	process_reset_signals();
	if (p->role == ROLE_COMMAND && p->master->mode == PRIV_FULL &&
	    p->user[0] != '\0' &&
	    initgroups(p->user, p->account.gid) == -1)
		die_before_exec("initgroups");
	if (p->role == ROLE_COMMAND && p->master->mode == PRIV_FULL &&
	    p->user[0] == '\0' && setgroups(0, NULL) == -1)
		die_before_exec("setgroups");
	for (i = 0; names[i] != NULL; i++) {
		const char *value = i == 0 ? "/usr/local/bin:/usr/bin:/bin" :
		    getenv(names[i]);

		if (value == NULL)
			continue;
		buf_reset(&b);
		buf_printf(&b, "%s=%s", names[i], value);
		envp[n++] = mem_slicedup(buf_slice(&b));
	}
	envp[n] = NULL;
	snprintf(role, sizeof(role), "%s", role_name(p->role));
	snprintf(index, sizeof(index), "%u", p->index);
	keep_only(p, fd);
	execveat(PROGRAM_FD, "", argv, envp, AT_EMPTY_PATH);
	die_before_exec(program);
	_exit(EX_OSERR);
}

/* ---- ends ---------------------------------------------------------------- */

void
process_reap(struct master *m)
{
	struct process *p;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		TAILQ_FOREACH(p, &m->processes, entry)
			if (p->pid == pid)
				break;
		if (p != NULL)
			reaped(p, status);
	}
}

static void
reaped(struct process *p, int status)
{
	const char *sig = WIFSIGNALED(status) ?
	    sigabbrev_np(WTERMSIG(status)) : NULL;
	int pid = (int)p->pid;

	p->pid = 0;
	worker_unlock(p);
	/* Who kills it from outside blames no message that it had. */
	p->crashed = sig != NULL ? p->hung || (WTERMSIG(status) != SIGKILL &&
	    WTERMSIG(status) != SIGTERM) : WEXITSTATUS(status) != 0;
	p->hung = p->pulse_owed = false;
	clear_channel(p);
	sessions_process_gone(p);
	if (sig != NULL)
		log_error("event=died role=%s index=%u child=%d signal=SIG%s"
		    "%s", role_name(p->role), p->index, pid, sig,
		    WTERMSIG(status) == SIGSYS ? " why=\"it made a system "
		    "call that its row of the privilege table forbids; its "
		    "own last line names it\"" : "");
	else if (WEXITSTATUS(status) != 0)
		log_error("event=died role=%s index=%u child=%d exit=%d",
		    role_name(p->role), p->index, pid, WEXITSTATUS(status));
	else
		/* Also by its own wish: an idle worker. */
		log_debug("event=ended role=%s index=%u child=%d",
		    role_name(p->role), p->index, pid);
	process_event(p, EVENT_DIED);
}

static void
clear_channel(struct process *p)
{
	channel_free(&p->channel);
	ev_timer_stop(&p->hangup);
	ev_timer_stop(&p->rewire);
	ev_timer_stop(&p->listen_again);
	p->is_muted = false;
	p->nlost = 0;
	reload_process_gone(p);
	p->reload_owed = false;
	if (p->status_owed) {
		p->status_owed = false;
		control_status_came(p->master);
	}
}

static void
time_is_up(void *arg)
{
	process_event(arg, EVENT_TIME);
}

/* Its channel is gone, and it still is not. */
static void
hung_up(void *arg)
{
	kill_it(arg);
}

/* ---- the rest ------------------------------------------------------------ */

struct process *
process_new(struct master *m, enum role role, unsigned index)
{
	struct process *p = mem_alloc(sizeof(*p));

	p->master = m;
	p->role = role;
	p->index = index;
	p->account = m->accounts[role];
	p->counters_fd = -1;
	p->lock_fd = -1;
	if (!is_users(p))
		make_counters(p);
	ev_timer_init(&p->timer, &m->loop, time_is_up, p);
	ev_timer_init(&p->hangup, &m->loop, hung_up, p);
	TAILQ_INSERT_TAIL(&m->processes, p, entry);
	return p;
}

static void
make_counters(struct process *p)
{
	p->counters_fd = memory_shared("chasqui-counters",
	    sizeof(struct counters));
	if (p->counters_fd == -1)
		log_warn("event=no-counters role=%s index=%u why=\"%s\"",
		    role_name(p->role), p->index, strerror(errno));
}

static bool
is_users(const struct process *p)
{
	return p->role == ROLE_WORKER || p->role == ROLE_COMMAND;
}

void
process_renew(struct process *p)
{
	p->renew = true;
	process_event(p, EVENT_STOP);
}

bool
process_is_alive(const struct process *p)
{
	return p->channel != NULL && (p->state == PROCESS_STARTING ||
	    p->state == PROCESS_RUNNING || p->state == PROCESS_RETIRING);
}

bool
process_is_awaited(const struct process *p)
{
	return p->role != ROLE_HISTORY && !is_users(p);
}

struct process *
process_find(struct master *m, enum role role, unsigned index)
{
	struct process *p;

	TAILQ_FOREACH(p, &m->processes, entry)
		if (p->role == role && p->index == index)
			break;
	return p;
}

void
process_kill_all(struct master *m, int sig)
{
	struct process *p;

	TAILQ_FOREACH(p, &m->processes, entry)
		if (p->pid != 0)
			kill(p->pid, sig);
}

const char *
process_state_name(enum process_state state)
{
	static const char *const names[PROCESS_STATES] = {
		[PROCESS_DOWN] = "down", [PROCESS_STARTING] = "starting",
		[PROCESS_RUNNING] = "running",
		[PROCESS_STOPPING] = "stopping",
		[PROCESS_WAITING] = "waiting",
		[PROCESS_RETIRING] = "retiring",
	};

	return names[state];
}
