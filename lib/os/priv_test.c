/* SPDX-License-Identifier: ISC */
/*
 * priv_test - each row of the privilege table, entered and tried.
 *
 * Every attempt runs in a child of its own that enters the row and then does
 * one thing, which works, fails, or ends it with the call's name in the log.
 * As root the rows are entered with uid, chroot and all; otherwise without.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <linux/sockios.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <linux/fs.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "os/priv.h"
#include "os/sandbox.h"

#define NOBODY	65534

enum result { WORKS, FAILS, DIES };
static const char *const result_names[] = { "works", "fails", "dies" };

static char	 base[64];	/* a directory made for this run */
static char	 inside[96];	/* below it: writable to RW_FILES */
static char	 readable[96];	/* and readable */
static char	 outside[96];	/* and neither */
static char	 empty[96];
static int	 spare_fd;	/* a file of `outside`, opened before */
static int	 listener;	/* bound, as master would */

/* ---- attempts: 0 or -1 ---- */

static int
try_nothing(void)
{
	return 0;
}

static int
try_log(void)
{
	log_error("event=test");
	return 0;
}

static int
try_local_time(void)
{
	time_t now = time(NULL);
	struct tm tm;

	return localtime_r(&now, &tm) == NULL ? -1 : 0;
}

static void *
return_arg(void *arg)
{
	return arg;
}

static int
try_thread(void)
{
	pthread_t t;

	return pthread_create(&t, NULL, return_arg, NULL) == 0 &&
	    pthread_join(t, NULL) == 0 ? 0 : -1;
}

static int
try_memory(void)
{
	char *p = malloc(10 * 1024 * 1024);

	if (p == NULL)
		return -1;
	memset(p, 1, 10 * 1024 * 1024);
	free(p);
	return 0;
}

static int
try_use_open_file(void)
{
	char c;
	struct stat st;

	return pread(spare_fd, &c, 1, 0) == 1 && fstat(spare_fd, &st) == 0 ?
	    0 : -1;
}

static int
try_channel(void)
{
	int s[2];
	char c = 'x';

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, s) == -1)
		return -1;
	return send(s[0], &c, 1, MSG_NOSIGNAL) == 1 && recv(s[1], &c, 1, 0)
	    == 1 ? 0 : -1;
}

static int
open_in(const char *dir, const char *name, int flags)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return open(path, flags, 0600) == -1 ? -1 : 0;
}

static int
try_read_passwd(void)
{
	return open("/etc/passwd", O_RDONLY) == -1 ? -1 : 0;
}

static int
try_read_outside(void)
{
	return open_in(outside, "file", O_RDONLY);
}

static int
try_read_readable(void)
{
	return open_in(readable, "file", O_RDONLY);
}

static int
try_write_readable(void)
{
	return open_in(readable, "file", O_WRONLY);
}

static int
try_create_outside(void)
{
	return open_in(outside, "new", O_WRONLY | O_CREAT);
}

/* As the owner of a directory does it: relative to a descriptor. */
static int
try_write_inside(int dir)
{
	int fd = openat(dir, "a", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd == -1 || write(fd, "x", 1) != 1 || fsync(fd) == -1 ||
	    (mkdirat(dir, "d", 0700) == -1 && errno != EEXIST) ||
	    renameat(dir, "a", dir, "d/b") == -1 ||
	    unlinkat(dir, "d/b", 0) == -1)
		return -1;
	return 0;
}

static int inside_fd;
static int
try_use_inside(void)
{
	return try_write_inside(inside_fd);
}

static int
try_tcp_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) == -1 ? -1 : 0;
}

static int
try_on_its_way(void)
{
	int n;

	return ioctl(inside_fd, SIOCOUTQ, &n) == -1 && errno == EPERM ? -1 : 0;
}

static int
try_udp_socket(void)
{
	return socket(AF_INET, SOCK_DGRAM, 0) == -1 ? -1 : 0;
}

static int
try_unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) == -1 ? -1 : 0;
}

static int
try_raw_socket(void)
{
	return socket(AF_INET, SOCK_RAW, IPPROTO_TCP) == -1 ? -1 : 0;
}

static int
try_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 0) == -1 ? -1 : 0;
}

/* The name is taken already or not: anything but EACCES shows a hole. */
static int
try_bind_port(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons(8025),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return bind(fd, (struct sockaddr *)&in, sizeof(in)) == -1 &&
	    errno == EACCES ? -1 : 0;
}

static int
try_accept(void)
{
	fcntl(listener, F_SETFL, O_NONBLOCK);
	return accept4(listener, NULL, NULL, SOCK_CLOEXEC) == -1 &&
	    errno != EAGAIN ? -1 : 0;
}

static int
try_exec(void)
{
	static char name[] = "true";
	char *const argv[] = { name, NULL };

	return execv("/bin/true", argv);
}

static int
try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid == -1 ? -1 : 0;
}

static int
try_setuid(void)
{
	return setuid(0) == -1 ? -1 : 0;
}

static int
try_setresuid(void)
{
	return setresuid(NOBODY - 2, NOBODY - 2, NOBODY - 2);
}

static int
try_write_by_name(void)
{
	int dir = open(inside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir == -1 ? -1 : try_write_inside(dir);
}

static int
try_chroot(void)
{
	return chroot("/");
}

static int
try_trace_parent(void)
{
	return (int)ptrace(PTRACE_SEIZE, getppid(), NULL, NULL);
}

static int
try_kill_parent(void)
{
	return kill(getppid(), SIGCONT);
}

static int
try_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
}

/* By these the kernel would send the signal. */
static int
try_set_owner(void)
{
	return fcntl(spare_fd, F_SETOWN, getppid());
}

static int
try_set_signal(void)
{
	return fcntl(spare_fd, F_SETSIG, SIGKILL);
}

static int
try_async(void)
{
	return fcntl(spare_fd, F_SETFL, O_ASYNC);
}

static int
try_datagrams(void)
{
	int s[2];

	return socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
}

static int
try_chmod(void)
{
	return chmod(outside, 0777);
}

static int
try_set_times(void)
{
	return utimensat(AT_FDCWD, outside, NULL, 0);
}

static int
try_set_own_times(void)
{
	return futimens(inside_fd, NULL);
}

/* Not every file system has them. */
static int
try_file_flags(void)
{
	int flags;

	return ioctl(inside_fd, FS_IOC_GETFLAGS, &flags) == 0 ||
	    errno == ENOTTY || errno == EOPNOTSUPP ? 0 : -1;
}

static int
try_look_outside(void)
{
	struct stat st;

	return stat(outside, &st);
}

static int
try_handle_sigsys(void)
{
	return signal(SIGSYS, SIG_IGN) == SIG_ERR ? -1 : 0;
}

static int
try_more_descriptors(void)
{
	struct rlimit r = { 4096, 4096 };

	return setrlimit(RLIMIT_NOFILE, &r);
}

#ifdef SYS_chmod
# define CHMOD	"chmod"
#else
# define CHMOD	"fchmodat"
#endif
#ifdef SANITIZED
# define OR_FAILS(r)	FAILS	/* allowed to the sanitizers' reports */
#else
# define OR_FAILS(r)	(r)
#endif

static const struct attempt {
	enum role	 role;
	const char	*name;
	int		(*fn)(void);
	enum result	 want;
	const char	*call;		/* DIES: what the log names */
} attempts[] = {
#define IN_EVERY_CELL(role)						\
	{ role, "live", try_nothing, WORKS, NULL },			\
	{ role, "log", try_log, WORKS, NULL },				\
	{ role, "local time", try_local_time, WORKS, NULL },		\
	{ role, "memory", try_memory, WORKS, NULL },			\
	{ role, "an open file", try_use_open_file, WORKS, NULL },	\
	{ role, "a socketpair", try_channel, WORKS, NULL },		\
	{ role, "code", try_code, FAILS, NULL },			\
	{ role, "signals by F_SETOWN", try_set_owner, DIES, "fcntl" },	\
	{ role, "F_SETSIG", try_set_signal, DIES, "fcntl" },		\
	{ role, "O_ASYNC", try_async, DIES, "fcntl" },			\
	{ role, "datagram sockets", try_datagrams, DIES, "socketpair" }, \
	{ role, "more descriptors", try_more_descriptors, FAILS, NULL }, \
	{ role, "SIGSYS ignored", try_handle_sigsys, DIES, "rt_sigaction" }, \
	{ role, "execve", try_exec, DIES, "execve" },			\
	{ role, "fork", try_fork, DIES, "clone" },			\
	{ role, "setuid", try_setuid, DIES, "setuid" },			\
	{ role, "chroot", try_chroot, DIES, "chroot" },			\
	{ role, "ptrace", try_trace_parent, DIES, "ptrace" },		\
	{ role, "kill", try_kill_parent, DIES, "kill" },		\
	{ role, "raw socket", try_raw_socket, DIES, "socket" },		\
	{ role, "netlink", try_netlink, DIES, "socket" }
#define NO_FILES_IN(role)						\
	{ role, "read passwd", try_read_passwd, OR_FAILS(DIES), "openat" }, \
	{ role, "create", try_create_outside, OR_FAILS(DIES), "openat" }
#define ITS_DIRECTORY_IN(role)						\
	{ role, "chmod outside", try_chmod, DIES, CHMOD },		\
	{ role, "times outside", try_set_times, DIES, "utimensat" },	\
	{ role, "times inside", try_set_own_times, WORKS, NULL }
#define NO_SOCKETS_IN(role)						\
	{ role, "tcp socket", try_tcp_socket, DIES, "socket" },		\
	{ role, "udp socket", try_udp_socket, DIES, "socket" },		\
	{ role, "unix socket", try_unix_socket, DIES, "socket" }

	IN_EVERY_CELL(ROLE_SMTPD),
	NO_FILES_IN(ROLE_SMTPD),
	NO_SOCKETS_IN(ROLE_SMTPD),
	{ ROLE_SMTPD, "accept", try_accept, WORKS, NULL },

	IN_EVERY_CELL(ROLE_BOUNCE),
	NO_FILES_IN(ROLE_BOUNCE),
	NO_SOCKETS_IN(ROLE_BOUNCE),
	{ ROLE_BOUNCE, "accept", try_accept, DIES, "accept4" },

	IN_EVERY_CELL(ROLE_LOCAL),
	NO_FILES_IN(ROLE_LOCAL),
	NO_SOCKETS_IN(ROLE_LOCAL),

	IN_EVERY_CELL(ROLE_REMOTE),
	NO_FILES_IN(ROLE_REMOTE),
	{ ROLE_REMOTE, "tcp socket", try_tcp_socket, WORKS, NULL },
	{ ROLE_REMOTE, "bytes on their way", try_on_its_way, WORKS, NULL },
	{ ROLE_SMTPD, "bytes on their way", try_on_its_way, DIES, "ioctl" },
	{ ROLE_REMOTE, "udp socket", try_udp_socket, DIES, "socket" },

	IN_EVERY_CELL(ROLE_RESOLVER),
	NO_FILES_IN(ROLE_RESOLVER),
	{ ROLE_RESOLVER, "tcp socket", try_tcp_socket, WORKS, NULL },
	{ ROLE_RESOLVER, "udp socket", try_udp_socket, WORKS, NULL },

	IN_EVERY_CELL(ROLE_KEYS),
	NO_FILES_IN(ROLE_KEYS),
	NO_SOCKETS_IN(ROLE_KEYS),
	{ ROLE_KEYS, "accept", try_accept, DIES, "accept4" },

	IN_EVERY_CELL(ROLE_METRICS),
	NO_FILES_IN(ROLE_METRICS),
	NO_SOCKETS_IN(ROLE_METRICS),
	{ ROLE_METRICS, "accept", try_accept, WORKS, NULL },

	IN_EVERY_CELL(ROLE_QMGR),
	NO_SOCKETS_IN(ROLE_QMGR),
	{ ROLE_QMGR, "read passwd", try_read_passwd, FAILS, NULL },
	{ ROLE_QMGR, "create", try_create_outside, FAILS, NULL },
	{ ROLE_QMGR, "thread", try_thread, WORKS, NULL },
	{ ROLE_QMGR, "own directory", try_use_inside, WORKS, NULL },

	IN_EVERY_CELL(ROLE_HISTORY),
	NO_SOCKETS_IN(ROLE_HISTORY),
	{ ROLE_HISTORY, "read passwd", try_read_passwd, FAILS, NULL },
	{ ROLE_HISTORY, "create", try_create_outside, FAILS, NULL },
	{ ROLE_HISTORY, "accept", try_accept, DIES, "accept4" },
	{ ROLE_HISTORY, "own directory", try_use_inside, WORKS, NULL },

	IN_EVERY_CELL(ROLE_WORKER),
	NO_SOCKETS_IN(ROLE_WORKER),
	{ ROLE_WORKER, "read outside", try_read_outside, FAILS, NULL },
	{ ROLE_WORKER, "create", try_create_outside, FAILS, NULL },
	{ ROLE_WORKER, "own directory", try_use_inside, WORKS, NULL },
	{ ROLE_WORKER, "accept", try_accept, DIES, "accept4" },
	ITS_DIRECTORY_IN(ROLE_QMGR),
	{ ROLE_QMGR, "flags of files", try_file_flags, DIES, "ioctl" },
	ITS_DIRECTORY_IN(ROLE_WORKER),
	{ ROLE_WORKER, "flags of files", try_file_flags, WORKS, NULL },

	IN_EVERY_CELL(ROLE_IMAP_SESSION),
	ITS_DIRECTORY_IN(ROLE_IMAP_SESSION),
	ITS_DIRECTORY_IN(ROLE_POP3_SESSION),
	{ ROLE_IMAP_SESSION, "flags of files", try_file_flags, WORKS, NULL },
	{ ROLE_POP3_SESSION, "flags of files", try_file_flags, DIES, "ioctl" },
	NO_SOCKETS_IN(ROLE_IMAP_SESSION),
	{ ROLE_IMAP_SESSION, "read outside", try_read_outside, FAILS, NULL },
	{ ROLE_IMAP_SESSION, "create", try_create_outside, FAILS, NULL },
	{ ROLE_IMAP_SESSION, "own directory", try_use_inside, WORKS, NULL },
	{ ROLE_IMAP_SESSION, "own by name", try_write_by_name, WORKS, NULL },
	{ ROLE_IMAP_SESSION, "another uid", try_setresuid, DIES,
	    "setresuid" },
	{ ROLE_IMAP_SESSION, "accept", try_accept, DIES, "accept4" },
	IN_EVERY_CELL(ROLE_POP3_SESSION),
	NO_SOCKETS_IN(ROLE_POP3_SESSION),
	{ ROLE_POP3_SESSION, "read outside", try_read_outside, FAILS, NULL },
	{ ROLE_POP3_SESSION, "another uid", try_setresuid, DIES,
	  "setresuid" },
	{ ROLE_POP3_SESSION, "own directory", try_use_inside, WORKS, NULL },
	NO_SOCKETS_IN(ROLE_IMAP_SPAWN),
	{ ROLE_IMAP_SPAWN, "fork", try_fork, WORKS, NULL },
	{ ROLE_IMAP_SPAWN, "exec", try_exec, DIES, "execve" },
	{ ROLE_IMAP_SPAWN, "kill", try_kill_parent, DIES, "kill" },
	IN_EVERY_CELL(ROLE_IMAP_LOGIN),
	NO_SOCKETS_IN(ROLE_IMAP_LOGIN),
	{ ROLE_IMAP_LOGIN, "accept", try_accept, WORKS, NULL },

	IN_EVERY_CELL(ROLE_LOOKUP),
	{ ROLE_LOOKUP, "tcp socket", try_tcp_socket, DIES, "socket" },
	{ ROLE_LOOKUP, "unix socket", try_unix_socket, WORKS, NULL },
	{ ROLE_LOOKUP, "read outside", try_read_outside, FAILS, NULL },
	{ ROLE_LOOKUP, "read readable", try_read_readable, WORKS, NULL },
	{ ROLE_LOOKUP, "write readable", try_write_readable, OR_FAILS(DIES),
	  "openat" },
	{ ROLE_LOOKUP, "create", try_create_outside, OR_FAILS(DIES),
	  "openat" },

	{ ROLE_COMMAND, "exec", try_exec, WORKS, NULL },
	{ ROLE_COMMAND, "fork", try_fork, WORKS, NULL },
	{ ROLE_COMMAND, "setuid", try_setuid, FAILS, NULL },
	{ ROLE_COMMAND, "chroot", try_chroot, FAILS, NULL },
	{ ROLE_COMMAND, "ptrace", try_trace_parent, FAILS, NULL },
};

/* Only as root: without, a session has no root of its own. */
static const struct attempt attempts_as_root[] = {
	{ ROLE_IMAP_SESSION, "look outside", try_look_outside, FAILS, NULL },
	{ ROLE_POP3_SESSION, "look outside", try_look_outside, FAILS, NULL },
	{ ROLE_IMAP_SPAWN, "chroot", try_chroot, WORKS, NULL },
};

/* Only with a newer kernel's Landlock. */
static const struct attempt attempts_abi4[] = {
	{ ROLE_REMOTE, "bind a port", try_bind_port, FAILS, NULL },
	{ ROLE_RESOLVER, "bind a port", try_bind_port, FAILS, NULL },
};

static struct priv_ids
ids_for(enum role role)
{
	bool root = getuid() == 0;

	return (struct priv_ids){
		.mode = root ? PRIV_FULL : PRIV_USER,
		.uid = root ? NOBODY : getuid(),
		.gid = root ? NOBODY : getgid(),
		.root = priv_of(role)->root == SPOOL ? inside : empty,
		.writable = inside, .readable = readable,
		.memory = 1ull << 31, .descriptors = 100,
	};
}

/* As a session comes to be: returns in the fork of a confined spawn, which ends
 * as its fork does. */
static void
fork_of_spawn(enum role spawn, enum role session)
{
	struct priv_ids ids = ids_for(spawn);
	int status;
	pid_t pid;

	if (getuid() == 0)
		ids.uid = ids.gid = NOBODY - 1;
	priv_prepare(session, spawn);
	priv_enter(spawn, &ids);
	pid = fork();
	if (pid == 0)
		return;
	if (pid == -1 || waitpid(pid, &status, 0) != pid)
		_exit(99);
	if (WIFSIGNALED(status)) {
		signal(WTERMSIG(status), SIG_DFL);
		raise(WTERMSIG(status));
	}
	_exit(WEXITSTATUS(status));
}

static void
enter_and_try(const struct attempt *a, int log_fd)
{
	struct priv_ids ids = ids_for(a->role);

	dup2(log_fd, STDERR_FILENO);
	if (a->role == ROLE_IMAP_SESSION)
		fork_of_spawn(ROLE_IMAP_SPAWN, a->role);
	if (a->role == ROLE_POP3_SESSION)
		fork_of_spawn(ROLE_POP3_SPAWN, a->role);
	priv_enter(a->role, &ids);
	if (priv_of(a->role)->root == OWN && ids.mode == PRIV_FULL)
		snprintf(inside, sizeof(inside), "/");
	_exit(a->fn() == 0 ? 0 : 1);
}

/* Runs one attempt; what it wrote to stderr goes to text. */
static enum result
result_of(const struct attempt *a, char *text, size_t size)
{
	int p[2], status;
	size_t n = 0;
	ssize_t r;
	pid_t pid;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		enter_and_try(a, p[1]);
	close(p[1]);
	while (n < size - 1 && (r = read(p[0], text + n, size - 1 - n)) > 0)
		n += (size_t)r;
	text[n] = '\0';
	close(p[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return DIES;
	/* A sanitizer's report ends in abort() where it is asked to. */
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT &&
	    strstr(text, "Sanitizer") != NULL)
		return FAILS;
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
		fail_msg("%s, %s: wait status %x: %s", priv_of(a->role)->name,
		    a->name, (unsigned)status, text);
	return WEXITSTATUS(status) == 0 ? WORKS : FAILS;
}

static void
check(const struct attempt *a)
{
	char text[4096], named[64];
	enum result got = result_of(a, text, sizeof(text));

	if (got != a->want)
		fail_msg("%s, %s: %s, should be: %s\n%s",
		    priv_of(a->role)->name, a->name, result_names[got],
		    result_names[a->want], text);
	snprintf(named, sizeof(named), "event=forbidden-call call=%s", a->call);
	if (got == DIES && strstr(text, named) == NULL)
		fail_msg("%s, %s: the log does not name the call: %s",
		    priv_of(a->role)->name, a->name, text);
}

static void
rows_allow_and_forbid(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
		check(&attempts[i]);
	for (i = 0; getuid() == 0 && i < sizeof(attempts_as_root) /
	    sizeof(attempts_as_root[0]); i++)
		check(&attempts_as_root[i]);
	if (sandbox_landlock_abi() >= 4)
		for (i = 0; i < sizeof(attempts_abi4) /
		    sizeof(attempts_abi4[0]); i++)
			check(&attempts_abi4[i]);
}

static void
every_role_with_a_process_has_a_row(void **state)
{
	static const enum role with[] = { ROLE_SMTPD, ROLE_QMGR, ROLE_REMOTE,
		ROLE_LOCAL, ROLE_WORKER, ROLE_BOUNCE, ROLE_LOOKUP,
		ROLE_RESOLVER, ROLE_KEYS, ROLE_METRICS,
		ROLE_HISTORY, ROLE_COMMAND, ROLE_IMAP_LOGIN,
		ROLE_IMAP_SPAWN, ROLE_IMAP_SESSION, ROLE_POP3_LOGIN,
		ROLE_POP3_SPAWN, ROLE_POP3_SESSION };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(with) / sizeof(with[0]); i++)
		assert_non_null(priv_of(with[i]));
	assert_null(priv_of(ROLE_MASTER));
	assert_null(priv_of(ROLE_TOOL));
	assert_null(priv_of(ROLE_LIMIT));
}

/* Ends with 70 rather than going on half confined. */
static int
exit_of_enter(enum role role, const struct priv_ids *ids)
{
	int status, null;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		null = open("/dev/null", O_WRONLY);
		dup2(null, STDERR_FILENO);
		priv_enter(role, ids);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
what_cannot_be_entered_ends_the_process(void **state)
{
	struct priv_ids ids;

	(void)state;
	ids = ids_for(ROLE_WORKER);
	ids.writable = "/nonexistent";
	assert_int_equal(exit_of_enter(ROLE_WORKER, &ids), 70);
	ids = ids_for(ROLE_BOUNCE);
	assert_int_equal(exit_of_enter(ROLE_MASTER, &ids), 70);
	ids.mode = 0;
	assert_int_equal(exit_of_enter(ROLE_BOUNCE, &ids), 70);
	if (getuid() != 0)
		return;
	ids = ids_for(ROLE_BOUNCE);
	ids.uid = 0;
	assert_int_equal(exit_of_enter(ROLE_BOUNCE, &ids), 70);
	ids = ids_for(ROLE_BOUNCE);
	ids.gid = 0;
	assert_int_equal(exit_of_enter(ROLE_BOUNCE, &ids), 70);
	ids = ids_for(ROLE_BOUNCE);
	ids.root = inside;	/* belongs to nobody */
	assert_int_equal(exit_of_enter(ROLE_BOUNCE, &ids), 70);
	ids.root = "/nonexistent";
	assert_int_equal(exit_of_enter(ROLE_BOUNCE, &ids), 70);
}

#ifdef SANITIZED
static int
try_use_after_free(void)
{
	char *volatile p = mem_alloc(10);

	free(p);
	return p[1] == 'x' ? 0 : -1;
}

/* A sandbox that hid the sanitizers' findings would be worse than none. */
static void
sanitizers_report_from_every_cell(void **state)
{
	static const enum role all[] = { ROLE_SMTPD, ROLE_QMGR, ROLE_REMOTE,
		ROLE_LOCAL, ROLE_WORKER, ROLE_BOUNCE, ROLE_LOOKUP,
		ROLE_RESOLVER, ROLE_KEYS, ROLE_METRICS,
		ROLE_HISTORY, ROLE_IMAP_LOGIN, ROLE_IMAP_SPAWN,
		ROLE_IMAP_SESSION, ROLE_POP3_SESSION };
	char text[8192];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct attempt a = { all[i], "use after free",
			try_use_after_free, FAILS, NULL };

		if (result_of(&a, text, sizeof(text)) != FAILS ||
		    strstr(text, "SUMMARY: AddressSanitizer: "
		    "heap-use-after-free") == NULL ||
		    strstr(text, "forbidden-call") != NULL)
			fail_msg("%s: %s", priv_of(all[i])->name, text);
	}
}
#endif

/* ---- the ground ---- */

static void
make_dir(char *path, size_t size, const char *name)
{
	char file[160];
	int fd;

	snprintf(path, size, "%s/%s", base, name);
	assert_int_equal(mkdir(path, 0755), 0);
	if (strcmp(name, "empty") == 0)
		return;
	snprintf(file, sizeof(file), "%s/file", path);
	fd = open(file, O_RDWR | O_CREAT, 0666);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	if (getuid() == 0 && chown(path, NOBODY, NOBODY) == -1)
		fail();
}

static int
make_ground(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	char file[160];

	(void)state;
	umask(022);
	setenv("TZ", ":/etc/localtime", 1);	/* as child_init() does */
	tzset();
	snprintf(base, sizeof(base), "/tmp/priv_test.XXXXXX");
	assert_non_null(mkdtemp(base));
	assert_int_equal(chmod(base, 0755), 0);
	make_dir(inside, sizeof(inside), "inside");
	make_dir(readable, sizeof(readable), "readable");
	make_dir(outside, sizeof(outside), "outside");
	make_dir(empty, sizeof(empty), "empty");
	snprintf(file, sizeof(file), "%s/file", outside);
	spare_fd = open(file, O_RDONLY);
	inside_fd = open(inside, O_RDONLY | O_DIRECTORY);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&in, sizeof(in)),
	    0);
	return listen(listener, 1);
}

static int
clear_ground(void **state)
{
	static const char *const names[] = { "inside/file", "inside/d",
		"readable/file", "outside/file", "inside", "readable",
		"outside", "empty", "" };
	char path[160];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", base, names[i]);
		remove(path);
	}
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_role_with_a_process_has_a_row),
		cmocka_unit_test(rows_allow_and_forbid),
		cmocka_unit_test(what_cannot_be_entered_ends_the_process),
#ifdef SANITIZED
		cmocka_unit_test(sanitizers_report_from_every_cell),
#endif
	};

	return cmocka_run_group_tests(tests, make_ground, clear_ground);
}
