/* SPDX-License-Identifier: ISC */
/*
 * disk - file system work beside the loop.
 *
 * A lane is one thread that carries out tasks in the order they came; what
 * is done is told in the loop, in the same order.  A sync then takes no time
 * from the sessions and deliveries that go on meanwhile.  Where no thread can
 * be had (or a test wants none) work() runs at once, and done() still only at
 * the end of the turn.
 *
 * work() may touch nothing but its task and the file system: it neither logs
 * nor allocates from what the loop owns.
 */
#ifndef EV_DISK_H
#define EV_DISK_H

#include "ev/loop.h"

struct disk_task {
	struct disk_task *next;
	void		(*work)(struct disk_task *);
	void		(*done)(struct disk_task *);
};

struct disk_lane;

/* threaded false: without a thread. */
struct disk_lane *disk_lane_new(struct ev_loop *, bool threaded);
/* Waits for all tasks, whose done() then runs.  May be NULL. */
void	 disk_lane_drain(struct disk_lane *);
/* Only when drained. */
void	 disk_lane_free(struct disk_lane **);
/* The task is the caller's memory and stays in place until done(). */
void	 disk_do(struct disk_lane *, struct disk_task *);
/* Tasks whose done() has not run. */
unsigned disk_lane_load(const struct disk_lane *);
bool	 disk_lane_is_threaded(const struct disk_lane *);

#endif
