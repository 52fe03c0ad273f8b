/* SPDX-License-Identifier: ISC */
/*
 * master - starts the suite's processes, confines and wires them, starts them
 * again, hands them new configurations, and stops them.
 *
 * The only process that stays root.  It reads nothing from the network; what
 * its children say is checked by the table of ipc/master_child.h, and a child
 * that breaks it is killed and started anew.  `chasqui start` runs it.
 */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ipc/backends.h"
#include "base/num.h"
#include "master.h"
#include "os/memory.h"
#include "os/priv.h"
#include "os/proc.h"
#include "os/sandbox.h"
#include "os/sockets.h"

#define START_SUITE_MS	60000
#define START_FAILURES	3	/* of one process before the start fails */
#define PER_CORE_MAX	64
#define QUEUE_COMES_MS	120000	/* from the suite before this one */

static void	 parse_args(struct master *, int, char *[]);
static void	 read_configuration(struct master *);
static void	 acquire(struct master *);
static void	 start_processes(struct master *);
static void	 suite_is_ready(struct master *);
static void	 start_is_late(void *);
static void	 go_on_stopping(struct master *);
static bool	 stops_in_step(enum role, unsigned);
static void	 on_signal(void *, int);
static void	 hangup_reload_done(void *, int, struct slice);
static void	 tell_starter(struct master *, const char *);
static unsigned	 cores(void);

/* In the order of the start's stages; those that are not here belong to the
 * first. */
static const struct {
	enum role		 role;
	enum start_stage	 stage;
} stages[] = {
	{ ROLE_QMGR, STAGE_QMGR }, { ROLE_SMTPD, STAGE_FRONTS },
	{ ROLE_IMAP_LOGIN, STAGE_FRONTS }, { ROLE_POP3_LOGIN, STAGE_FRONTS },
};

static struct ev_signal signals[5];

int
main(int argc, char *argv[])
{
	static struct master m = { .notify_fd = -1, .log_fd = -1,
		.pid_fd = -1 };

	parse_args(&m, argc, argv);
	read_configuration(&m);
	if (m.before != NULL)
		inherit_receive(&m);
	else
		ground_refuse_second(&m);
	process_find_programs(&m);
	ground_find_users(&m);
	ground_check_queue(&m);
	if (m.before == NULL)
		ground_lock(&m);
	ground_make_directories(&m);
	acquire(&m);
	priv_limit_master();
	start_processes(&m);
	ev_run(&m.loop);
	restart_clear(&m);
	control_clear(&m);
	free(m.watches);
	sessions_clear(&m);
	pki_clear(&m);
	ground_clear(&m);
	log_info("event=stopped");
	log_flush();
	return m.exit_status;
}

/* ---- start --------------------------------------------------------------- */

static void
parse_args(struct master *m, int argc, char *argv[])
{
	const char *dir = NULL;
	struct buf path = BUF_INIT(8192);
	uint64_t fd;
	int ch;

	m->before_fd = -1;
	while ((ch = getopt(argc, argv, "C:fH:n:")) != -1)
		if (ch == 'C')
			dir = optarg;
		else if (ch == 'f')
			m->foreground = true;
		else if (ch == 'n' && slice_to_u64(slice_str(optarg), 3, 1000,
		    &fd))
			m->notify_fd = (int)fd;
		else if (ch == 'H' && slice_to_u64(slice_str(optarg), 3, 1000,
		    &fd))
			m->before_fd = (int)fd;
		else
			dir = NULL, argc = 0;
	if (dir == NULL || optind != argc)
		errx(EX_USAGE, "master is a part of Chasqui and is started by "
		    "`chasqui start`");
	if (m->notify_fd != -1)
		fcntl(m->notify_fd, F_SETFD, FD_CLOEXEC);
	buf_printf(&path, "%s/chasqui.conf", dir);
	m->conf_path = mem_slicedup(buf_slice(&path));
	buf_clear(&path);
}

/* Sets up the process itself on the way. */
static void
read_configuration(struct master *m)
{
	struct buf why = BUF_INIT(64 * 1024);

	umask(022);
	if (chdir("/") == -1)	/* which nobody wants to unmount */
		err(EX_OSERR, "/");
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	tzset();
	log_open("master", LOG_LEVEL_INFO);
	m->started_ms = clock_mono_ms();
	m->mode = geteuid() == 0 ? PRIV_FULL : PRIV_USER;
	TAILQ_INIT(&m->listeners);
	TAILQ_INIT(&m->leaving);
	TAILQ_INIT(&m->processes);
	ev_loop_init(&m->loop);
	if (m->before_fd != -1)
		inherit_open(m, m->before_fd);
	m->conf = conf_load(m->conf_path, &why);
	if (m->conf == NULL) {
		fprintf(stderr, "%s", buf_cstr(&why));
		master_die(EX_CONFIG, "the configuration has errors; nothing "
		    "was started");
	}
	buf_clear(&why);
	m->nsmtpd = (unsigned)m->conf->process_smtpd;
	m->nremote = (unsigned)m->conf->process_remote;
	m->nlogin = (unsigned)m->conf->process_login;
	m->nverifier = (unsigned)m->conf->process_verifier;
	if (m->nverifier == 0)
		m->nverifier = cores();
	if (m->nsmtpd == 0)
		m->nsmtpd = cores();
	if (m->nremote == 0)
		m->nremote = cores();
	if (m->nlogin == 0)
		m->nlogin = cores();
}

static unsigned
cores(void)
{
	unsigned n = proc_cores();

	return n > PER_CORE_MAX ? PER_CORE_MAX : n;
}

static void
raise_descriptor_limit(void)
{
	const rlim_t wanted = 131072;
	struct rlimit r, more = { wanted, wanted };

	if (getrlimit(RLIMIT_NOFILE, &r) == -1 || (r.rlim_max < wanted &&
	    geteuid() == 0 && setrlimit(RLIMIT_NOFILE, &more) == 0))
		return;
	/* Root may lack the right to have more, in a container. */
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
}

static int
make_rates(void)
{
	int fd = memory_shared("chasqui-rate", RATE_SHARED_BYTES);

	if (fd == -1)
		master_die(EX_OSERR, "shared memory: %s", strerror(errno));
	return fd;
}

/* Listeners, shared memory, the log. */
static void
acquire(struct master *m)
{
	struct buf why = BUF_INIT(64 * 1024);
	struct listeners fresh;

	raise_descriptor_limit();
	/* Nothing that descends from here gains rights by an exec, and
	 * sessions whose spawn died are ours. */
	if (priv_seal() == -1 || proc_adopt_orphans(true) == -1)
		master_die(EX_OSERR, "prctl: %s", strerror(errno));
	if (listen_prepare(m, m->conf, &fresh, &why) == -1) {
		fprintf(stderr, "%s", buf_cstr(&why));
		master_die(EX_UNAVAILABLE, "not all addresses can be listened "
		    "on; nothing was started");
	}
	listen_commit(m, &fresh);
	memset(m->rate_fds, -1, sizeof(m->rate_fds));
	m->rate_fds[ROLE_SMTPD] = make_rates();
	m->rate_fds[ROLE_IMAP_LOGIN] = make_rates();
	m->rate_fds[ROLE_POP3_LOGIN] = make_rates();
	sessions_init(m);
	if (ground_open_log(m, &why) == -1) {
		fprintf(stderr, "%s", buf_cstr(&why));
		master_die(EX_CANTCREAT, "the log cannot be opened");
	}
	history_prepare(m);
	if (backends_check(m->conf, m->mode == PRIV_FULL, &why) == -1) {
		fprintf(stderr, "%s", buf_cstr(&why));
		master_die(EX_CONFIG, "not all of auth.backends can work; "
		    "nothing was started");
	}
	if (pki_start(m, &why) == -1) {
		fprintf(stderr, "%s", buf_cstr(&why));
		master_die(EX_CONFIG, "not all certificates can be read; "
		    "nothing was started");
	}
	buf_clear(&why);
}

static void
start_processes(struct master *m)
{
	static const int caught[] = { SIGCHLD, SIGTERM, SIGINT, SIGHUP };
	/* Who answers starts before who asks. */
	struct {
		enum role	 role;
		unsigned	 n;
	} order[] = {
		{ ROLE_HISTORY, 1 }, { ROLE_KEYS, 1 }, { ROLE_RESOLVER, 1 },
		{ ROLE_LOOKUP, 1 },
		{ ROLE_VERIFIER, m->nverifier }, { ROLE_AUTH, 1 },
		{ ROLE_BOUNCE, 1 }, { ROLE_LOCAL, 1 },
		    { ROLE_REMOTE, m->nremote },
		{ ROLE_QMGR, 1 }, { ROLE_SMTPD, m->nsmtpd },
		{ ROLE_METRICS, 1 },
	};
	unsigned i, j;

	for (i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		ev_signal_init(&signals[i], &m->loop, caught[i], on_signal,
		    m);
	control_init(m);
	pulse_init(m);
	ev_timer_init(&m->start_timer, &m->loop, start_is_late, m);
	log_info("event=starting mode=%s landlock=%d smtpd=%u remote=%u",
	    m->mode == PRIV_FULL ? "full" : "user", sandbox_landlock_abi(),
	    m->nsmtpd, m->nremote);
	if (m->mode == PRIV_USER)
		log_warn("event=without-root advice=\"all processes run as "
		    "this user, without chroot; start as root for the whole "
		    "confinement\"");
	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		for (j = 0; j < order[i].n; j++)
			process_new(m, order[i].role, j);
	master_make_served(m);
	if (m->before == NULL)
		control_open(m);
	master_start_stage(m, m->before == NULL ? STAGE_FRONTS :
	    STAGE_HELPERS);
}

static enum start_stage
stage_of(enum role role)
{
	size_t i;

	for (i = 0; i < sizeof(stages) / sizeof(stages[0]); i++)
		if (stages[i].role == role)
			return stages[i].stage;
	return STAGE_HELPERS;
}

/* And those before it, where they are not there yet. */
void
master_start_stage(struct master *m, enum start_stage stage)
{
	struct process *p;

	m->start_stage = stage;
	ev_timer_set(&m->start_timer, START_SUITE_MS);
	TAILQ_FOREACH(p, &m->processes, entry)
		if (stage_of(p->role) <= stage)
			process_event(p, EVENT_START);
}

/* Mailbox access has processes where it has a listener. */
void
master_make_served(struct master *m)
{
	const struct {
		enum role	 served;
		enum role	 role;
		unsigned	 n;
	} access[] = {
		{ ROLE_IMAP_LOGIN, ROLE_IMAP_SPAWN, 1 },
		{ ROLE_IMAP_LOGIN, ROLE_IMAP_LOGIN, m->nlogin },
		{ ROLE_POP3_LOGIN, ROLE_POP3_SPAWN, 1 },
		{ ROLE_POP3_LOGIN, ROLE_POP3_LOGIN, m->nlogin },
	};
	const struct listener *l;
	size_t i;
	unsigned j;

	for (i = 0; i < sizeof(access) / sizeof(access[0]); i++) {
		TAILQ_FOREACH(l, &m->listeners, entry)
			if (l->role == access[i].served)
				break;
		for (j = 0; l != NULL && j < access[i].n; j++)
			if (process_find(m, access[i].role, j) == NULL)
				process_new(m, access[i].role, j);
	}
}

/* A process became ready, or died. */
void
master_ready_changed(struct master *m)
{
	const struct process *p;
	bool all = true;

	if (m->phase != SUITE_STARTING)
		return;
	TAILQ_FOREACH(p, &m->processes, entry) {
		if (stage_of(p->role) > m->start_stage ||
		    !process_is_awaited(p))
			continue;
		all = all && p->state == PROCESS_RUNNING;
		if (p->failures >= START_FAILURES && !p->was_ready) {
			master_start_failed(m, "%s does not start; the log "
			    "says why", role_name(p->role));
			return;
		}
	}
	if (!all)
		return;
	switch (m->start_stage) {
	case STAGE_HELPERS:
		/* smtpd of the other may need a while. */
		ev_timer_set(&m->start_timer, QUEUE_COMES_MS);
		inherit_stage_ready(m);
		break;
	case STAGE_QMGR:
		master_start_stage(m, STAGE_FRONTS);
		break;
	case STAGE_FRONTS:
		suite_is_ready(m);
		break;
	}
}

static void
suite_is_ready(struct master *m)
{
	m->phase = SUITE_RUNNING;
	ev_timer_stop(&m->start_timer);
	log_info("event=running ms=%lld",
	    (long long)(clock_mono_ms() - m->started_ms));
	tell_starter(m, "ready\n");
	if (m->before == NULL) {
		master_notify("READY=1");
		return;
	}
	/* The other one tells the service manager. */
	ground_sign_lock(m);
	m->owns_ground = true;
	inherit_done(m);
	inherit_news(m);
	listen_clear(&m->leaving);
	control_open(m);
}

static void
start_is_late(void *arg)
{
	struct master *m = arg;
	const struct process *p;

	TAILQ_FOREACH(p, &m->processes, entry)
		if (p->state != PROCESS_RUNNING && process_is_awaited(p))
			break;
	master_start_failed(m, "%s is not ready after %d s",
	    p == NULL ? "?" : role_name(p->role), START_SUITE_MS / 1000);
}

void
master_start_failed(struct master *m, const char *fmt, ...)
{
	struct buf why = BUF_INIT(4096);
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&why, fmt, ap);
	va_end(ap);
	log_error("event=start-failed why=%s", LOG_Q(buf_slice(&why)));
	buf_add_byte(&why, '\n');
	tell_starter(m, buf_cstr(&why));
	inherit_failed(buf_cstr(&why));
	m->exit_status = EX_UNAVAILABLE;
	buf_clear(&why);
	master_stop(m);
}

void
master_die(int status, const char *fmt, ...)
{
	va_list ap;

	struct buf why = BUF_INIT(8000);

	log_flush();
	va_start(ap, fmt);
	buf_vprintf(&why, fmt, ap);
	va_end(ap);
	fprintf(stderr, "chasqui: %s\n", buf_cstr(&why));
	inherit_failed(buf_cstr(&why));
	exit(status);
}

/* `chasqui start` waits for one word, or for the end of this; in the
 * background its terminal is left alone from then on. */
static void
tell_starter(struct master *m, const char *text)
{
	int null;

	if (m->notify_fd == -1)
		return;
	if (write(m->notify_fd, text, strlen(text)) == -1)
		log_debug("event=starter-gone");
	close(m->notify_fd);
	m->notify_fd = -1;
	if (m->foreground)
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null == -1)
		return;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	close(null);
}

/* sd_notify(3): a datagram to the socket that the environment names. */
void
master_notify(const char *fmt, ...)
{
	const char *path = getenv("NOTIFY_SOCKET");
	char text[64];
	va_list ap;
	int fd;

	if (path == NULL || path[0] != '/')
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fd = unix_connect_datagram(path);
	if (fd == -1)
		return;
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) == -1)
		log_warn("event=notify-failed why=\"%s\"", strerror(errno));
	close(fd);
}

/* ---- signals ------------------------------------------------------------- */

static void
on_signal(void *arg, int sig)
{
	struct master *m = arg;

	if (sig != SIGCHLD && restart_pass_on(m, sig))
		return;
	switch (sig) {
	case SIGCHLD:
		process_reap(m);
		break;
	case SIGHUP:
		reload_start(m, hangup_reload_done, m);
		break;
	default:
		log_info("event=signal signal=SIG%s", sigabbrev_np(sig));
		/* Asked twice: now. */
		if (m->phase == SUITE_STOPPING)
			process_kill_all(m, SIGKILL);
		master_stop(m);
		break;
	}
}

/* reload.c has logged it. */
static void
hangup_reload_done(void *arg, int status, struct slice lines)
{
	(void)arg;
	(void)status;
	(void)lines;
}

/* ---- stop ---------------------------------------------------------------- */

/*
 * In steps, each when the last process of the one before has ended: smtpd
 * finishes what clients are sending, imapd and pop3d end their sessions; qmgr
 * finishes the attempts under way; then those who carry them out; then who
 * writes down what they say.
 */
#define STOP_STEPS	4

/* Those that clients connect to. */
static bool
is_front(enum role role)
{
	return role == ROLE_SMTPD || role == ROLE_IMAP_LOGIN ||
	    role == ROLE_POP3_LOGIN;
}

static bool
stops_in_step(enum role role, unsigned step)
{
	return step == (is_front(role) ? 0 : role == ROLE_QMGR ? 1 :
	    role == ROLE_HISTORY ? 3 : 2);
}

void
master_stop(struct master *m)
{
	struct listeners none = TAILQ_HEAD_INITIALIZER(none);
	struct listener *l;

	if (m->phase == SUITE_STOPPING)
		return;
	log_info("event=stopping");
	if (m->phase == SUITE_RUNNING) {
		master_notify("STOPPING=1");
		restart_clear(m);	/* nobody takes our place now */
	} else if (m->phase == SUITE_STARTING && m->before != NULL)
		listen_let_go(m);	/* the other one goes on with them */
	inherit_stop(m);
	m->phase = SUITE_STOPPING;
	sessions_keep_none(m);
	ev_timer_stop(&m->start_timer);
	TAILQ_FOREACH(l, &m->listeners, entry)
		l->wanted = !is_front(l->role);
	listen_commit(m, &none);
	m->stop_step = 0;
	go_on_stopping(m);
}

static void
go_on_stopping(struct master *m)
{
	struct process *p, *next;
	bool left;

	/* A process that is not there ends while it is told to. */
	if (m->in_stop_step)
		return;
	m->in_stop_step = true;
	for (; m->stop_step < STOP_STEPS; m->stop_step++) {
		TAILQ_FOREACH_SAFE(p, &m->processes, entry, next)
			if (stops_in_step(p->role, m->stop_step))
				process_event(p, EVENT_STOP);
		left = false;
		TAILQ_FOREACH(p, &m->processes, entry)
			left = left || (stops_in_step(p->role, m->stop_step) &&
			    p->state != PROCESS_DOWN);
		if (left)
			break;
	}
	m->in_stop_step = false;
	if (m->stop_step < STOP_STEPS || inherit_must_wait(m))
		return;
	control_suite_ended(m);
	if (restart_lingers(m))
		return;
	ev_stop(&m->loop);
}

void
master_process_ended(struct master *m)
{
	restart_process_ended(m);
	if (m->phase == SUITE_STOPPING)
		go_on_stopping(m);
}
