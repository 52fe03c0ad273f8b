/* SPDX-License-Identifier: ISC */
/*
 * proc - processes and processors, where the platform has no common call.
 *
 * Functions that can fail answer -1 with errno unless they say otherwise.
 */
#ifndef OS_PROC_H
#define OS_PROC_H

#include <sys/types.h>

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/* Processors that we may run on; at least 1. */
unsigned proc_cores(void);
/* The path of our own program, whatever argv[0] says. */
int	 proc_program(char path_r[PATH_MAX]);
/* What ps(1) shows as the command, where exec had only a descriptor. */
void	 proc_set_name(const char *);

/* Where processors are wanted by more than one, we do not take one away from
 * who wakes us, but run later for all that has come until then.  Threads that
 * are made later have it too. */
int	 proc_in_batches(void);

/* fork() whose child begins on the processor that has its memory at hand and
 * on which all wait for it, where the kernel would wake another that is idle.
 * It goes wherever there is room as soon as it has begun. */
pid_t	 proc_fork_here(void);

/* From this descriptor on all are closed by execve(). */
void	 proc_hide_from(int fd);

/* Whether we become the parent of what our children leave behind. */
int	 proc_adopt_orphans(bool);

/* A descriptor of a process, which no other one can take the place of: owned,
 * closed by execve(). */
int	 proc_descriptor(pid_t);
/* kill() by it. */
int	 proc_signal(int descriptor, int sig);
/* Whose child it is, also as a zombie; 0: of nobody that we can see, -1: it
 * has been waited for. */
pid_t	 proc_parent_of(int descriptor);

struct proc_usage {
	uint64_t	 rss;		/* bytes */
	uint64_t	 cpu_ms;	/* since the process began */
};
/* false, and zeroes, where nothing can be said of it. */
bool	 proc_usage(pid_t, struct proc_usage *);

#endif
