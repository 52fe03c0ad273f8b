/* SPDX-License-Identifier: ISC */
/* disk - see disk.h. */
#include <sys/eventfd.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "ev/disk.h"

#define STACK_BYTES	(256 * 1024)

/* A queue of tasks, oldest first. */
struct fifo {
	struct disk_task	*first;
	struct disk_task	**end;
};

struct disk_lane {
	struct ev_loop	*loop;
	bool		 threaded;
	unsigned	 load;		/* the loop's */
	pthread_t	 thread;
	pthread_mutex_t	 lock;		/* of the next three */
	pthread_cond_t	 wanted;
	struct fifo	 todo;
	struct fifo	 done;
	bool		 stop;
	int		 fd;		/* eventfd: something is done */
	struct ev_io	 io;
	struct ev_task	 task;
};

static void	 start_thread(struct disk_lane *);
static void	*run(void *);
static void	 fd_is_ready(void *, int);
static void	 tell_done(void *);

static void
fifo_init(struct fifo *f)
{
	f->first = NULL;
	f->end = &f->first;
}

static void
fifo_add(struct fifo *f, struct disk_task *t)
{
	t->next = NULL;
	*f->end = t;
	f->end = &t->next;
}

static struct disk_task *
fifo_take(struct fifo *f)
{
	struct disk_task *t = f->first;

	if (t != NULL) {
		f->first = t->next;
		if (f->first == NULL)
			f->end = &f->first;
	}
	return t;
}

struct disk_lane *
disk_lane_new(struct ev_loop *loop, bool threaded)
{
	struct disk_lane *l = mem_alloc(sizeof(*l));

	l->loop = loop;
	l->fd = -1;
	fifo_init(&l->todo);
	fifo_init(&l->done);
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->wanted, NULL);
	ev_task_init(&l->task, tell_done, l);
	if (threaded)
		start_thread(l);
	return l;
}

static void
start_thread(struct disk_lane *l)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int error;

	l->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->fd == -1) {
		log_warn("event=no-disk-thread error=%d", errno);
		return;
	}
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&l->thread, &attr, run, l);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (error != 0) {
		log_warn("event=no-disk-thread error=%d", error);
		return;
	}
	l->threaded = true;
	ev_io_init(&l->io, l->loop, l->fd, fd_is_ready, l);
	ev_io_want(&l->io, EV_WANT_READ);
}

void
disk_lane_drain(struct disk_lane *l)
{
	struct timespec pause = { 0, 200 * 1000 };

	while (l != NULL && l->load > 0) {
		tell_done(l);
		if (l->load > 0)
			nanosleep(&pause, NULL);
	}
}

void
disk_lane_free(struct disk_lane **lp)
{
	struct disk_lane *l = *lp;

	*lp = NULL;
	if (l == NULL)
		return;
	if (l->threaded) {
		pthread_mutex_lock(&l->lock);
		l->stop = true;
		pthread_cond_signal(&l->wanted);
		pthread_mutex_unlock(&l->lock);
		pthread_join(l->thread, NULL);
		ev_io_clear(&l->io);
	}
	ev_task_cancel(l->loop, &l->task);
	if (l->fd != -1)
		close(l->fd);
	pthread_cond_destroy(&l->wanted);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

void
disk_do(struct disk_lane *l, struct disk_task *t)
{
	l->load++;
	if (!l->threaded) {
		t->work(t);
		fifo_add(&l->done, t);
		ev_task_ask(l->loop, &l->task);
		return;
	}
	pthread_mutex_lock(&l->lock);
	fifo_add(&l->todo, t);
	pthread_mutex_unlock(&l->lock);
	/* Unlocked, or the thread would wake only to wait for us. */
	pthread_cond_signal(&l->wanted);
}

unsigned
disk_lane_load(const struct disk_lane *l)
{
	return l->load;
}

bool
disk_lane_is_threaded(const struct disk_lane *l)
{
	return l->threaded;
}

/* The thread. */
static void *
run(void *arg)
{
	struct disk_lane *l = arg;
	struct disk_task *t;
	const uint64_t one = 1;
	bool first;

	pthread_mutex_lock(&l->lock);
	for (;;) {
		while ((t = fifo_take(&l->todo)) == NULL && !l->stop)
			pthread_cond_wait(&l->wanted, &l->lock);
		if (t == NULL)
			break;
		pthread_mutex_unlock(&l->lock);
		t->work(t);
		pthread_mutex_lock(&l->lock);
		first = l->done.first == NULL;
		fifo_add(&l->done, t);
		pthread_mutex_unlock(&l->lock);
		if (first && write(l->fd, &one, sizeof(one)) == -1) {
			/* the counter is full: the loop is awake anyway */
		}
		pthread_mutex_lock(&l->lock);
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

static void
fd_is_ready(void *arg, int ready)
{
	struct disk_lane *l = arg;
	uint64_t n;

	(void)ready;
	if (read(l->fd, &n, sizeof(n)) == -1 && errno != EAGAIN)
		log_fatal("event=disk-thread-lost error=%d", errno);
	tell_done(l);
}

static void
tell_done(void *arg)
{
	struct disk_lane *l = arg;
	struct fifo got;
	struct disk_task *t;

	pthread_mutex_lock(&l->lock);
	got = l->done;
	if (got.first == NULL)
		got.end = &got.first;
	fifo_init(&l->done);
	pthread_mutex_unlock(&l->lock);
	while ((t = fifo_take(&got)) != NULL) {
		l->load--;
		t->done(t);
	}
}
