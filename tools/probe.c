/* SPDX-License-Identifier: ISC */
/*
 * probe - see probe.h.
 *
 * What a compromised process would try first.  Each attempt is of a kind that
 * does no harm where it succeeds.
 */
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "probe.h"

/* A file that everybody may read, in no directory that any row names. */
#define A_FILE		"/usr/bin/env"

static int	 tcp_fd = -1;	/* made before */

/* ---- attempts ------------------------------------------------------------ */

static int
read_a_file(void)
{
	return open(A_FILE, O_RDONLY | O_CLOEXEC);
}

static int
write_a_file(void)
{
	return open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
}

static int
list_a_directory(void)
{
	return open("/usr", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int
make_tcp_socket(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int
make_udp_socket(void)
{
	return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static int
make_unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int
make_raw_socket(void)
{
	return socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);
}

/* Anything but "not permitted" would be a way out. */
static int
use_tcp(int (*fn)(int, const struct sockaddr *, socklen_t), in_port_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };

	return fn(tcp_fd, (struct sockaddr *)&in, sizeof(in)) == -1 &&
	    (errno == EACCES || errno == EPERM) ? -1 : 0;
}

static int
connect_by_tcp(void)
{
	return use_tcp(connect, 9);
}

/* High, so that it is not for want of root that it fails. */
static int
bind_a_port(void)
{
	return use_tcp(bind, 62525);
}

static int
start_a_process(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return (int)pid;
}

static int
run_a_program(void)
{
	return execl("/bin/true", "true", (char *)NULL);
}

static int
become_root(void)
{
	return setuid(0);
}

static int
leave_the_root(void)
{
	return chroot(".");
}

static int
trace_a_process(void)
{
	return (int)ptrace(PTRACE_SEIZE, getppid(), NULL, NULL);
}

static int
read_memory(void)
{
	char c;
	struct iovec here = { &c, 1 }, there = { &tcp_fd, 1 };

	return process_vm_readv(getppid(), &here, 1, &there, 1, 0) == 1 ? 0 :
	    -1;
}

static int
signal_a_process(void)
{
	return kill(getppid(), 0);
}

static int
make_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
}

/* ---- what the rows allow ------------------------------------------------- */

static bool
never(const struct priv *row)
{
	(void)row;
	return false;
}

static bool
all_files(const struct priv *row)
{
	return row->files == ANY_FILES || row->files == SPAWN_FILES;
}

static bool
tcp(const struct priv *row)
{
	return row->net == NET_DIAL || row->net == NET_DNS ||
	    row->net == ANY_NET;
}

static bool
udp(const struct priv *row)
{
	return row->net == NET_DNS || row->net == ANY_NET;
}

static bool
local_sockets(const struct priv *row)
{
	return row->net == NET_LOCAL || row->net == ANY_NET;
}

static bool
any_net(const struct priv *row)
{
	return row->net == ANY_NET;
}

static bool
programs(const struct priv *row)
{
	return (row->extra & MAY_EXEC) != 0;
}

static bool
processes(const struct priv *row)
{
	return (row->extra & (MAY_EXEC | MAY_FORK)) != 0;
}

static bool
roots(const struct priv *row)
{
	return (row->extra & MAY_FORK) != 0;
}

const struct probe probes[] = {
	{ "read a file",	all_files,     0, read_a_file },
	{ "write a file",	all_files,     0, write_a_file },
	{ "list a directory",	all_files,     0, list_a_directory },
	{ "make a TCP socket",	tcp,	       0, make_tcp_socket },
	{ "make a UDP socket",	udp,	       0, make_udp_socket },
	{ "make a Unix socket",	local_sockets, 0, make_unix_socket },
	{ "make a raw socket",	never,	       0, make_raw_socket },
	{ "connect",		tcp,	       0, connect_by_tcp },
	{ "bind a port",	any_net,       4, bind_a_port },
	{ "start a process",	processes,      0, start_a_process },
	{ "run a program",	programs,      0, run_a_program },
	{ "become root",	never,	       0, become_root },
	{ "change the root",	roots,	       0, leave_the_root },
	{ "trace a process",	never,	       0, trace_a_process },
	{ "read its memory",	never,	       0, read_memory },
	{ "signal it",		never,	       6, signal_a_process },
	{ "make code",		programs,      0, make_code },
	{ NULL, NULL, 0, NULL },
};

void
probe_prepare(void)
{
	tcp_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

enum probe_result
probe_run(const struct probe *p, enum role role, const struct priv_ids *ids)
{
	enum { DONE = 0, REFUSED = 1, ENTERED = 42 };
	int status, said[2];
	char entered = 0;
	pid_t pid;
	ssize_t n;

	if (pipe2(said, O_CLOEXEC) == -1)
		return PROBE_BROKEN;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		log_to(LOG_SINK_STREAM, open("/dev/null", O_WRONLY));
		priv_enter(role, ids);
		entered = ENTERED;
		if (write(said[1], &entered, 1) != 1)
			_exit(REFUSED);
		_exit(p->run() == -1 ? REFUSED : DONE);
	}
	close(said[1]);
	n = read(said[0], &entered, 1);
	close(said[0]);
	if (pid == -1 || waitpid(pid, &status, 0) == -1 || n != 1 ||
	    entered != ENTERED)
		return PROBE_BROKEN;
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS ? PROBE_KILLED :
		    PROBE_BROKEN;
	return WEXITSTATUS(status) == DONE ? PROBE_DONE : PROBE_REFUSED;
}
