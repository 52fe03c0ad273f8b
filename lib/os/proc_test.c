/* SPDX-License-Identifier: ISC */
/* proc_test - what a process learns of itself and of its children. */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/proc.h"

/* A child that only waits for its end. */
static pid_t
child_new(void)
{
	pid_t pid = proc_fork_here();

	if (pid == 0)
		for (;;)
			pause();
	assert_int_not_equal(pid, -1);
	return pid;
}

static void
a_child_is_ours_until_it_was_waited_for(void **state)
{
	pid_t pid = child_new();
	int fd = proc_descriptor(pid), how;
	siginfo_t info;

	(void)state;
	assert_int_not_equal(fd, -1);
	assert_int_equal(proc_parent_of(fd), getpid());
	assert_int_equal(proc_signal(fd, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(proc_parent_of(fd), getpid());
	assert_int_equal(waitpid(pid, &how, 0), pid);
	assert_int_equal(proc_parent_of(fd), -1);
	assert_int_equal(proc_signal(fd, SIGKILL), -1);
	assert_int_equal(errno, ESRCH);
	close(fd);
}

static void
what_is_no_process_has_no_parent(void **state)
{
	int fd = open("/dev/null", O_RDONLY);

	(void)state;
	assert_int_equal(proc_parent_of(fd), 0);
	close(fd);
	assert_int_equal(proc_parent_of(fd), 0);
}

static void
usage_is_of_who_is_there(void **state)
{
	struct proc_usage u;
	pid_t pid = child_new();

	(void)state;
	assert_true(proc_usage(getpid(), &u));
	assert_true(u.rss > 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_false(proc_usage(pid, &u));
	assert_true(u.rss == 0 && u.cpu_ms == 0);
}

static void
our_program_is_found(void **state)
{
	char path[PATH_MAX];

	(void)state;
	assert_int_equal(proc_program(path), 0);
	assert_int_equal(path[0], '/');
	assert_int_equal(access(path, X_OK), 0);
	assert_true(proc_cores() >= 1);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_child_is_ours_until_it_was_waited_for),
		cmocka_unit_test(what_is_no_process_has_no_parent),
		cmocka_unit_test(usage_is_of_who_is_there),
		cmocka_unit_test(our_program_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
