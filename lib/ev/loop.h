/* SPDX-License-Identifier: ISC */
/*
 * loop - one process's event loop, over libevent.
 *
 * Everything runs in one thread.  A turn of the loop is: wait, run what is
 * ready, then run the end-of-turn tasks.  Tasks are where work of a whole turn
 * is done once: replies flushed, messages to other processes sent, a journal
 * committed.
 */
#ifndef EV_LOOP_H
#define EV_LOOP_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include <stdbool.h>
#include <stdint.h>

struct ev_task;

struct ev_loop {
	struct event_base	*base;		/* owned */
	struct ev_task		*tasks;		/* due at the end of this turn */
	struct ev_task		**tasks_end;
	bool			 stop;
};

void	 ev_loop_init(struct ev_loop *);
void	 ev_loop_clear(struct ev_loop *);
/* Until ev_stop(); flushes the log after each turn. */
void	 ev_run(struct ev_loop *);
/* One turn; waits at most ms (-1: without limit).  For tests and tools. */
void	 ev_turn(struct ev_loop *, int ms);
void	 ev_stop(struct ev_loop *);

/* A descriptor to watch; level-triggered. */
enum { EV_WANT_READ = 1, EV_WANT_WRITE = 2 };
struct ev_io {
	struct event	 ev;
	struct ev_loop	*loop;
	int		 fd;		/* borrowed */
	int		 wants;
	void		(*fn)(void *arg, int ready);
	void		*arg;
};
void	 ev_io_init(struct ev_io *, struct ev_loop *, int fd,
	    void (*fn)(void *arg, int ready), void *arg);
/* wants: a mask of EV_WANT_*; 0 stops watching. */
void	 ev_io_want(struct ev_io *, int wants);
void	 ev_io_clear(struct ev_io *);	/* also of a zeroed one */

/* A timer that runs once. */
struct ev_timer {
	struct event	 ev;
	struct ev_loop	*loop;
	void		(*fn)(void *arg);
	void		*arg;
};
void	 ev_timer_init(struct ev_timer *, struct ev_loop *, void (*fn)(void *),
	    void *arg);
void	 ev_timer_set(struct ev_timer *, int64_t ms);
bool	 ev_timer_is_set(const struct ev_timer *);
void	 ev_timer_stop(struct ev_timer *);	/* also of a zeroed one */
void	 ev_timer_clear(struct ev_timer *);	/* the same */

/* Work for the end of the current turn; asking twice runs it once.  A task
 * that asks again runs again in the same turn, after the others. */
struct ev_task {
	struct ev_task	*next;
	bool		 due;
	void		(*fn)(void *arg);
	void		*arg;
};
void	 ev_task_init(struct ev_task *, void (*fn)(void *), void *arg);
void	 ev_task_ask(struct ev_loop *, struct ev_task *);
void	 ev_task_cancel(struct ev_loop *, struct ev_task *);

/* A signal, delivered in the loop. */
struct ev_signal {
	struct event	 ev;
	void		(*fn)(void *arg, int sig);
	void		*arg;
};
void	 ev_signal_init(struct ev_signal *, struct ev_loop *, int sig,
	    void (*fn)(void *arg, int sig), void *arg);

#endif
