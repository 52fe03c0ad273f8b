/* SPDX-License-Identifier: ISC */
/* cmd_start - runs master, and waits until all of the suite is ready. */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buf.h"
#include "chasqui.h"
#include "os/proc.h"

static int	 run(struct tool *, int, char *[]);
static int	 run_here(struct tool *);
static int	 run_behind(struct tool *);
static int	 wait_for_word(struct tool *, int fd, pid_t);
static void	 find_master(char *path, size_t);

const struct command cmd_start = { "start", "[-f | --foreground]",
	"start the suite, in the background or (-f) logging to stderr", run };

static int
run(struct tool *t, int argc, char *argv[])
{
	static const struct option options[] = {
		{ "foreground", no_argument, NULL, 'f' },
		{ NULL, 0, NULL, 0 },
	};
	bool here = false;
	int ch;

	while ((ch = getopt_long(argc, argv, "f", options, NULL)) != -1)
		if (ch == 'f')
			here = true;
		else
			return tool_usage(&cmd_start);
	if (optind != argc)
		return tool_usage(&cmd_start);
	tool_conf(t);	/* its mistakes are told before anything is done */
	return here ? run_here(t) : run_behind(t);
}

/* In a build tree beside us, otherwise where it was installed. */
static void
find_master(char *path, size_t size)
{
	char self[PATH_MAX];

	if (proc_program(self) == 0) {
		snprintf(path, size, "%s/../master/master", dirname(self));
		if (access(path, X_OK) == 0)
			return;
	}
	snprintf(path, size, "%s/master", LIBEXEC_DIR);
}

static int
run_here(struct tool *t)
{
	char path[PATH_MAX + 32];

	find_master(path, sizeof(path));
	execl(path, "master", "-C", t->dir, "-f", (char *)NULL);
	return tool_fail(EX_OSFILE, "%s: %s", path, strerror(errno));
}

/* master gets one end of a pipe and says "ready" there, or why not. */
static int
run_behind(struct tool *t)
{
	char path[PATH_MAX + 32], fd[16];
	int p[2], null;
	pid_t pid;

	find_master(path, sizeof(path));
	if (pipe(p) == -1)
		return tool_fail(EX_OSERR, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid == -1)
		return tool_fail(EX_OSERR, "fork: %s", strerror(errno));
	if (pid == 0) {
		setsid();
		close(p[0]);
		null = open("/dev/null", O_RDWR);
		if (null != -1)
			dup2(null, STDIN_FILENO);
		snprintf(fd, sizeof(fd), "%d", p[1]);
		execl(path, "master", "-C", t->dir, "-n", fd, (char *)NULL);
		_exit(tool_fail(EX_OSFILE, "%s: %s", path, strerror(errno)));
	}
	close(p[1]);
	return wait_for_word(t, p[0], pid);
}

static int
wait_for_word(struct tool *t, int fd, pid_t pid)
{
	struct buf word = BUF_INIT(4096);
	char *room;
	ssize_t n;
	int status;

	while ((room = buf_reserve(&word, 256)) != NULL &&
	    (n = read(fd, room, 256)) > 0) {
		word.n += (size_t)n;
		if (memchr(word.p, '\n', word.n) != NULL)
			break;
	}
	close(fd);
	if (slice_eq(buf_slice(&word), SLICE_LIT("ready\n"))) {
		buf_clear(&word);
		printf("running as process %d; log: %s\n", (int)pid,
		    tool_conf(t)->log_target);
		return EX_OK;
	}
	if (word.n > 0)
		tool_fail(0, "%.*s; log: %s",
		    SLICE_ARG(slice_trim(buf_slice(&word))),
		    tool_conf(t)->log_target);
	buf_clear(&word);
	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	    WEXITSTATUS(status) != 0)
		return WEXITSTATUS(status);
	return tool_fail(EX_SOFTWARE, "master has ended before the suite was "
	    "running; log: %s", tool_conf(t)->log_target);
}
