/* SPDX-License-Identifier: ISC */
/* loop - see loop.h. */
#include <string.h>

#include "base/log.h"
#include "ev/loop.h"

static void	 run_tasks(struct ev_loop *);

void
ev_loop_init(struct ev_loop *l)
{
	struct event_config *cfg = event_config_new();

	memset(l, 0, sizeof(*l));
	l->tasks_end = &l->tasks;
	if (cfg != NULL) {
		/* One thread, so no locks; changes to a descriptor's wishes
		 * are collected and told to the kernel once a turn; nobody's
		 * environment decides (each look at it is four calls, and each
		 * session has a loop). */
		event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK |
		    EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST |
		    EVENT_BASE_FLAG_IGNORE_ENV);
		l->base = event_base_new_with_config(cfg);
		event_config_free(cfg);
	}
	if (l->base == NULL)
		log_fatal("event=no-event-loop");
}

void
ev_loop_clear(struct ev_loop *l)
{
	event_base_free(l->base);
	l->base = NULL;
}

void
ev_run(struct ev_loop *l)
{
	while (!l->stop)
		ev_turn(l, -1);
	l->stop = false;
}

static void
turn_is_over(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

void
ev_turn(struct ev_loop *l, int ms)
{
	run_tasks(l);	/* what was asked for outside of a turn */
	log_flush();
	if (l->stop)
		return;
	if (ms >= 0) {
		struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

		event_base_once(l->base, -1, EV_TIMEOUT, turn_is_over, NULL,
		    &tv);
	}
	if (event_base_loop(l->base, EVLOOP_ONCE |
	    EVLOOP_NO_EXIT_ON_EMPTY) == -1)
		log_fatal("event=event-loop-failed");
	run_tasks(l);
	log_flush();
}

void
ev_stop(struct ev_loop *l)
{
	l->stop = true;
}

static void
run_tasks(struct ev_loop *l)
{
	struct ev_task *t;

	while ((t = l->tasks) != NULL) {
		l->tasks = t->next;
		if (l->tasks == NULL)
			l->tasks_end = &l->tasks;
		t->due = false;
		t->fn(t->arg);
	}
}

static void
io_ready(evutil_socket_t fd, short what, void *arg)
{
	struct ev_io *io = arg;

	(void)fd;
	io->fn(io->arg, (what & EV_READ ? EV_WANT_READ : 0) |
	    (what & EV_WRITE ? EV_WANT_WRITE : 0));
}

void
ev_io_init(struct ev_io *io, struct ev_loop *l, int fd,
    void (*fn)(void *, int), void *arg)
{
	memset(io, 0, sizeof(*io));
	io->loop = l;
	io->fd = fd;
	io->fn = fn;
	io->arg = arg;
	event_assign(&io->ev, l->base, fd, EV_PERSIST, io_ready, io);
}

void
ev_io_want(struct ev_io *io, int wants)
{
	short what = EV_PERSIST;

	if (wants == io->wants)
		return;
	if (io->wants != 0)
		event_del(&io->ev);
	io->wants = wants;
	if (wants == 0)
		return;
	if (wants & EV_WANT_READ)
		what |= EV_READ;
	if (wants & EV_WANT_WRITE)
		what |= EV_WRITE;
	event_assign(&io->ev, io->loop->base, io->fd, what, io_ready, io);
	if (event_add(&io->ev, NULL) == -1)
		log_fatal("event=cannot-watch fd=%d", io->fd);
}

void
ev_io_clear(struct ev_io *io)
{
	if (io->loop != NULL && io->wants != 0)
		event_del(&io->ev);
	memset(io, 0, sizeof(*io));
}

static void
timer_ready(evutil_socket_t fd, short what, void *arg)
{
	struct ev_timer *t = arg;

	(void)fd;
	(void)what;
	t->fn(t->arg);
}

void
ev_timer_init(struct ev_timer *t, struct ev_loop *l, void (*fn)(void *),
    void *arg)
{
	t->loop = l;
	t->fn = fn;
	t->arg = arg;
	event_assign(&t->ev, l->base, -1, 0, timer_ready, t);
}

void
ev_timer_set(struct ev_timer *t, int64_t ms)
{
	struct timeval tv;

	if (ms < 0)
		ms = 0;
	tv.tv_sec = ms / 1000;
	tv.tv_usec = ms % 1000 * 1000;
	event_add(&t->ev, &tv);
}

bool
ev_timer_is_set(const struct ev_timer *t)
{
	return t->loop != NULL && event_pending(&t->ev, EV_TIMEOUT, NULL) != 0;
}

void
ev_timer_stop(struct ev_timer *t)
{
	if (t->loop != NULL)
		event_del(&t->ev);
}

void
ev_timer_clear(struct ev_timer *t)
{
	if (t->loop != NULL)
		event_del(&t->ev);
	memset(t, 0, sizeof(*t));
}

void
ev_task_init(struct ev_task *t, void (*fn)(void *), void *arg)
{
	*t = (struct ev_task){ .fn = fn, .arg = arg };
}

void
ev_task_ask(struct ev_loop *l, struct ev_task *t)
{
	if (t->due)
		return;
	t->due = true;
	t->next = NULL;
	*l->tasks_end = t;
	l->tasks_end = &t->next;
}

void
ev_task_cancel(struct ev_loop *l, struct ev_task *t)
{
	struct ev_task **at;

	if (!t->due)
		return;
	for (at = &l->tasks; *at != t; at = &(*at)->next)
		;
	*at = t->next;
	if (t->next == NULL)
		l->tasks_end = at;
	t->due = false;
}

static void
signal_ready(evutil_socket_t sig, short what, void *arg)
{
	struct ev_signal *s = arg;

	(void)what;
	s->fn(s->arg, (int)sig);
}

void
ev_signal_init(struct ev_signal *s, struct ev_loop *l, int sig,
    void (*fn)(void *, int), void *arg)
{
	s->fn = fn;
	s->arg = arg;
	event_assign(&s->ev, l->base, sig, EV_SIGNAL | EV_PERSIST,
	    signal_ready, s);
	if (event_add(&s->ev, NULL) == -1)
		log_fatal("event=cannot-catch signal=%d", sig);
}
