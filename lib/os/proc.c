/* SPDX-License-Identifier: ISC */
/* proc - see proc.h. */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <linux/close_range.h>

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "base/slice.h"
#include "os/proc.h"

#define STAT_BYTES	1024
#define STATUS_BYTES	2048

static long	 number_in(const char *path, const char *word);
static ssize_t	 read_start(const char *path, char *to, size_t n);

unsigned
proc_cores(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ?
	    CPU_COUNT(&set) : 1;

	return n < 1 ? 1 : (unsigned)n;
}

int
proc_program(char path_r[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path_r, PATH_MAX - 1);

	if (n == -1)
		return -1;
	path_r[n] = '\0';
	return 0;
}

void
proc_set_name(const char *name)
{
	prctl(PR_SET_NAME, name, 0, 0, 0);
}

int
proc_in_batches(void)
{
	const struct sched_param none = { 0 };

	return sched_setscheduler(0, SCHED_BATCH, &none);
}

pid_t
proc_fork_here(void)
{
	int cpu = sched_getcpu();
	cpu_set_t all, here;
	bool bound;
	pid_t pid;

	CPU_ZERO(&here);
	if (cpu >= 0)
		CPU_SET((unsigned)cpu, &here);
	bound = sched_getaffinity(0, sizeof(all), &all) == 0 &&
	    CPU_COUNT(&all) > 1 &&
	    sched_setaffinity(0, sizeof(here), &here) == 0;
	pid = fork();
	if (bound)
		sched_setaffinity(0, sizeof(all), &all);
	return pid;
}

void
proc_hide_from(int fd)
{
	if (close_range((unsigned)fd, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
		return;
	for (; fd < (int)sysconf(_SC_OPEN_MAX); fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
}

int
proc_adopt_orphans(bool yes)
{
	return prctl(PR_SET_CHILD_SUBREAPER, yes, 0, 0, 0);
}

int
proc_descriptor(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

int
proc_signal(int descriptor, int sig)
{
	return (int)syscall(SYS_pidfd_send_signal, descriptor, sig, NULL, 0);
}

pid_t
proc_parent_of(int descriptor)
{
	char path[64];
	long pid;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", descriptor);
	pid = number_in(path, "\nPid:");
	if (pid <= 0)
		return (pid_t)pid;
	snprintf(path, sizeof(path), "/proc/%ld/status", pid);
	return (pid_t)number_in(path, "\nPPid:");
}

/* A number after a word that begins a line; 0: none. */
static long
number_in(const char *path, const char *word)
{
	char text[STATUS_BYTES], *at;
	ssize_t n = read_start(path, text, sizeof(text) - 1);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	at = strstr(text, word);
	return at == NULL ? 0 : strtol(at + strlen(word), NULL, 10);
}

/* proc(5): the 14th, 15th and 24th field, counted behind the name, which may
 * hold anything. */
bool
proc_usage(pid_t pid, struct proc_usage *u_r)
{
	char path[64], text[STAT_BYTES];
	struct slice rest, part;
	uint64_t v[25] = { 0 };
	ssize_t n;
	size_t i, end;

	*u_r = (struct proc_usage){ 0 };
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	n = read_start(path, text, sizeof(text));
	if (n <= 0)
		return false;
	rest = slice_of(text, (size_t)n);
	end = slice_rfind(rest, ')');
	if (end + 2 > rest.n)
		return false;
	rest = slice_from(rest, end + 2);
	for (i = 3; i < 25 && slice_next(&rest, ' ', &part); i++)
		slice_to_u64(part, 0, UINT64_MAX, &v[i]);
	if (i < 25)
		return false;
	u_r->cpu_ms = (v[14] + v[15]) * 1000 /
	    (uint64_t)sysconf(_SC_CLK_TCK);
	u_r->rss = v[24] * (uint64_t)sysconf(_SC_PAGESIZE);
	return true;
}

static ssize_t
read_start(const char *path, char *to, size_t n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd == -1 ? -1 : read(fd, to, n);

	if (fd != -1)
		close(fd);
	return got;
}
