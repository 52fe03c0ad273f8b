/* SPDX-License-Identifier: ISC */
/*
 * ground - what must be there before any process can start: the users, the
 * directories, the lock that keeps a second instance away, the log.
 *
 * Directories are opened without following a link at their end, and changed
 * through the descriptor: an instance may stand below a directory that others
 * write to.
 */
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "mail/queue_format.h"
#include "master.h"
#include "os/sockets.h"

#define PID_FILE	"master.pid"
#define LEFT_OVER_MS	10000

static char	*path_in(const char *dir, const char *name);
static void	 lock_or_die(int fd);
static void	 make_directory(struct master *, const char *path,
		    struct account, mode_t);
static int	 make_parents(const char *path);
static struct account find_user(const char *name, const char *why);
static int	 open_syslog(struct master *, struct buf *);
static void	 look_for_syslog(void *);

static const struct account root_account = { 0, 0 };

static char *
path_in(const char *dir, const char *name)
{
	struct buf b = BUF_INIT(8192);
	char *path;

	buf_printf(&b, "%s/%s", dir, name);
	path = mem_slicedup(buf_slice(&b));
	buf_clear(&b);
	return path;
}

/* Before anything is changed or missed: whoever starts it, and whatever this
 * machine lacks, an instance that runs is the reason to name. */
void
ground_refuse_second(struct master *m)
{
	int fd = ground_open_lock(m);

	if (fd == -1)
		return;		/* ground_lock() will say why, if it matters */
	lock_or_die(fd);
	close(fd);
}

/* The lock lives as long as the descriptor, so a dead instance has none. */
void
ground_lock(struct master *m)
{
	char *path = path_in(m->conf->path_run, PID_FILE);

	make_directory(m, m->conf->path_run, root_account, 0755);
	m->pid_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
	    0644);
	if (m->pid_fd == -1)
		master_die(EX_CANTCREAT, "%s: %s", path, strerror(errno));
	lock_or_die(m->pid_fd);
	free(path);
	m->owns_ground = true;
	ground_sign_lock(m);
}

void
ground_sign_lock(struct master *m)
{
	char text[32];
	int n;

	n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(m->pid_fd, 0) == -1 ||
	    pwrite(m->pid_fd, text, (size_t)n, 0) != n)
		master_die(EX_CANTCREAT, PID_FILE ": %s", strerror(errno));
}

int
ground_open_lock(const struct master *m)
{
	char *path = path_in(m->conf->path_run, PID_FILE);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	free(path);
	return fd;
}

/* Here, so that a start, or the end of the suite before this one, is not begun
 * in vain; qmgr looks again. */
void
ground_check_queue(struct master *m)
{
	struct buf text = BUF_INIT(QUEUE_FORMAT_BYTES);
	char *path = path_in(m->conf->path_queue, QUEUE_FORMAT_NAME), *room;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	uint64_t version = 0;
	ssize_t n;

	free(path);
	if (fd == -1)
		return;
	room = buf_reserve(&text, QUEUE_FORMAT_BYTES);
	n = read(fd, room, QUEUE_FORMAT_BYTES);
	close(fd);
	if (n > 0)
		text.n = (size_t)n;
	if (queue_format_parse(buf_slice(&text), &version) &&
	    version == QUEUE_FORMAT_ADOPTED)
		master_die(EX_CONFIG, "another instance has adopted the queue "
		    "in %s; name an empty directory in path.queue",
		    m->conf->path_queue);
	if (version == 0 || version > QUEUE_FORMAT)
		master_die(EX_CONFIG,
		    "a later version has written the queue in "
		    "%s (format %llu; this version reads up to %d); nothing "
		    "was touched", m->conf->path_queue,
		    (unsigned long long)version, QUEUE_FORMAT);
	buf_clear(&text);
}

/* Whose lock it is has ended: a child that it was about to run had the lock,
 * too, and ends, or lets go of it, at once. */
static bool
is_left_over(const char *pid_text)
{
	uint64_t pid;

	return slice_to_u64(slice_str(pid_text), 1, INT32_MAX, &pid) &&
	    kill((pid_t)pid, 0) == -1 && errno == ESRCH;
}

static void
lock_or_die(int fd)
{
	int64_t until = clock_mono_ms() + LEFT_OVER_MS;
	char text[32];
	ssize_t n;

	while (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		n = pread(fd, text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = '\0';
		text[strcspn(text, "\n")] = '\0';
		if (!is_left_over(text) || clock_mono_ms() >= until)
			master_die(EX_TEMPFAIL, "this instance is running "
			    "already, as process %s; `chasqui status` shows "
			    "it, `chasqui stop` ends it", text);
		usleep(10 * 1000);
	}
}

void
ground_find_users(struct master *m)
{
	const struct priv *row;
	char name[256];
	unsigned role;

	for (role = 0; role < ROLE_LIMIT; role++) {
		row = priv_of((enum role)role);
		if (row == NULL)
			continue;
		m->accounts[role] = (struct account){ getuid(), getgid() };
		if (m->mode == PRIV_USER || row->user == NULL)
			continue;
		snprintf(name, sizeof(name), "%s%s", m->conf->user_prefix,
		    row->user);
		m->accounts[role] = find_user(name, row->user);
	}
	m->mail_account = m->command_account =
	    (struct account){ getuid(), getgid() };
	if (m->mode == PRIV_USER)
		return;
	m->mail_account = find_user(m->conf->user_mail, "user.mail");
	m->command_account = find_user(m->conf->user_commands,
	    "user.commands");
}

static struct account
find_user(const char *name, const char *why)
{
	const struct passwd *pw = getpwnam(name);

	if (pw == NULL)
		master_die(EX_NOUSER, "there is no system user \"%s\" (for "
		    "%s); `chasqui init` makes the users that are missing, or: "
		    "useradd --system --user-group --no-create-home --home-dir "
		    "/nonexistent --shell /usr/sbin/nologin %s", name, why,
		    name);
	if (pw->pw_uid == 0 || pw->pw_gid == 0)
		master_die(EX_NOPERM, "the system user \"%s\" (for %s) has "
		    "uid or gid 0, which no process of the suite may have",
		    name, why);
	return (struct account){ pw->pw_uid, pw->pw_gid };
}

void
ground_make_directories(struct master *m)
{
	const struct conf *c = m->conf;
	char *drop = path_in(c->path_queue, "drop");
	char *workers = path_in(c->path_run, WORKERS_DIR);

	m->empty_root = path_in(c->path_run, "empty");
	make_directory(m, m->empty_root, root_account, 0555);
	make_directory(m, c->path_queue, m->accounts[ROLE_QMGR], 0711);
	/* Anybody may put a file here, nobody but qmgr can list it. */
	make_directory(m, drop, m->accounts[ROLE_QMGR], 03733);
	make_directory(m, c->path_mail, m->mail_account, 0750);
	make_directory(m, workers, root_account, 0700);
	free(drop);
	free(workers);
}

static void
make_directory(struct master *m, const char *path, struct account owner,
    mode_t mode)
{
	struct buf why = BUF_INIT(PATH_MAX + 256);

	if (ground_directory(m, path, owner, mode, &why) == -1)
		master_die(EX_CANTCREAT, "%s", buf_cstr(&why));
	buf_clear(&why);
}

int
ground_directory(const struct master *m, const char *path,
    struct account owner, mode_t mode, struct buf *why)
{
	struct stat st;
	int fd = -1, r = -1;

	if (make_parents(path) == -1 ||
	    (mkdir(path, 0700) == -1 && errno != EEXIST))
		goto end;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* A link is the operator's, where only root can have made it. */
	if (fd == -1 && errno == ELOOP && lstat(path, &st) == 0 &&
	    st.st_uid == 0)
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 || fstat(fd, &st) == -1)
		goto end;
	if (m->mode == PRIV_FULL &&
	    (st.st_uid != owner.uid || st.st_gid != owner.gid) &&
	    fchown(fd, owner.uid, owner.gid) == -1) {
		buf_printf(why, "%s: cannot be given to uid %u: %s", path,
		    (unsigned)owner.uid, strerror(errno));
		goto end;
	}
	if ((st.st_mode & 07777) == mode || fchmod(fd, mode) == 0)
		r = 0;
end:
	if (r == -1 && why->n == 0)
		buf_printf(why, "%s: %s", path, strerror(errno));
	if (fd != -1)
		close(fd);
	return r;
}

/* A file system that is not ours to write to may have them all the same. */
static int
make_parents(const char *path)
{
	char *copy = mem_strdup(path), *p;
	int r = 0;

	for (p = strchr(copy + 1, '/'); p != NULL && r == 0;
	    p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(copy, 0755) == -1 && errno != EEXIST &&
		    errno != EROFS && errno != EACCES)
			r = -1;
		*p = '/';
	}
	free(copy);
	return r;
}

void
ground_clear(struct master *m)
{
	static const char *const names[] = { SOCKET_CONTROL, SOCKET_QUEUE,
		SOCKET_LOOKUP, SOCKET_SUBMIT, SOCKET_METRICS, PID_FILE };
	size_t i;
	char *path;

	if (!m->owns_ground)
		return;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		path = path_in(m->conf->path_run, names[i]);
		unlink(path);
		free(path);
	}
}

/* ---- the log ------------------------------------------------------------ */

int
ground_open_log_file(const char *path)
{
	int fd;

	if (make_parents(path) == -1)
		return -1;
	/* A FIFO that nobody reads is an error: there is no waiting. */
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC |
	    O_NOFOLLOW | O_NONBLOCK, 0640);
	if (fd != -1)
		fcntl(fd, F_SETFL, O_APPEND);
	return fd;
}

int
ground_open_log(struct master *m, struct buf *why)
{
	const char *target = m->conf->log_target;
	int fd;

	log_configure(m->conf->log_level, m->conf->log_facility);
	if (m->foreground || strcmp(target, "stderr") == 0) {
		fd = dup(STDERR_FILENO);
		m->log_sink = LOG_SINK_STREAM;
	} else if (strcmp(target, "syslog") == 0) {
		fd = open_syslog(m, why);
	} else {
		fd = ground_open_log_file(target);
		m->log_sink = LOG_SINK_STREAM;
		if (fd == -1)
			buf_printf(why, "log.target: %s: %s\n", target,
			    strerror(errno));
	}
	if (fd == -1)
		return -1;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (m->log_fd != -1)
		close(m->log_fd);
	m->log_fd = fd;
	log_to(m->log_sink, fcntl(fd, F_DUPFD_CLOEXEC, 3));
	return 0;
}

/* Without a listening syslog mail goes on: it is looked for again. */
static int
open_syslog(struct master *m, struct buf *why)
{
	int fd = unix_connect_datagram("/dev/log");
	bool is_first;

	m->log_sink = LOG_SINK_SYSLOG;
	if (fd != -1)
		return fd;
	is_first = m->log_timer.fn == NULL;
	if (is_first)
		ev_timer_init(&m->log_timer, &m->loop, look_for_syslog, m);
	ev_timer_set(&m->log_timer, 2000);
	if (m->phase == SUITE_STARTING && is_first)
		fprintf(stderr, "chasqui: warning: /dev/log: %s; nothing is "
		    "logged until a syslog daemon runs (or set log.target)\n",
		    strerror(errno));
	m->log_sink = LOG_SINK_STREAM;
	fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (fd == -1)
		buf_printf(why, "/dev/null: %s\n", strerror(errno));
	return fd;
}

static void
look_for_syslog(void *arg)
{
	struct master *m = arg;
	struct buf why = BUF_INIT(1024);
	struct process *p;

	if (ground_open_log(m, &why) == 0 && m->log_sink == LOG_SINK_SYSLOG)
		TAILQ_FOREACH(p, &m->processes, entry)
			wire_log(p);
	buf_clear(&why);
}
