/* SPDX-License-Identifier: ISC */
/* ub_loop - see ub_loop.h; each function is what unbound-event.h asks of it. */
#include <sys/time.h>

#include <stdlib.h>

#include "base/mem.h"
#include "ub_loop.h"

typedef void (*ub_callback)(int, short, void *);

struct ub_loop_event {
	struct ub_event	 ub;		/* first: see ub_loop */
	struct event	 ev;
	struct ev_loop	*loop;
	int		 fd;
	short		 bits;		/* UB_EV_* */
	ub_callback	 fn;
	void		*arg;
};

static struct ub_event *event_make(struct ub_event_base *, int, short,
		    ub_callback, void *);
static short	 bits_to_libevent(short);
static short	 bits_to_unbound(short);
static void	 event_ready(evutil_socket_t, short, void *);
static void	 event_assign_again(struct ub_loop_event *);

static struct ub_loop_event *
own(struct ub_event *e)
{
	return (struct ub_loop_event *)e;
}

static void
base_free(struct ub_event_base *b)
{
	(void)b;	/* the loop is not libunbound's */
}

static int
base_dispatch(struct ub_event_base *b)
{
	(void)b;
	return -1;	/* we run the loop ourselves */
}

static int
base_exit(struct ub_event_base *b, struct timeval *tv)
{
	(void)b;
	(void)tv;
	return 0;
}

static struct ub_event *
signal_make(struct ub_event_base *b, int sig, ub_callback fn, void *arg)
{
	return event_make(b, sig, UB_EV_SIGNAL | UB_EV_PERSIST, fn, arg);
}

static struct ub_event *
wsaevent_make(struct ub_event_base *b, void *wsaevent, ub_callback fn,
    void *arg)
{
	(void)b;
	(void)wsaevent;
	(void)fn;
	(void)arg;
	return NULL;	/* another system's */
}

static void
event_add_bits(struct ub_event *e, short bits)
{
	own(e)->bits = (short)(own(e)->bits | bits);
	event_assign_again(own(e));
}

static void
event_del_bits(struct ub_event *e, short bits)
{
	own(e)->bits = (short)(own(e)->bits & ~bits);
	event_assign_again(own(e));
}

static void
event_set_fd(struct ub_event *e, int fd)
{
	own(e)->fd = fd;
	event_assign_again(own(e));
}

static void
event_release(struct ub_event *e)
{
	event_del(&own(e)->ev);
	free(own(e));
}

static int
event_start(struct ub_event *e, struct timeval *tv)
{
	return event_add(&own(e)->ev, tv);
}

static int
event_end(struct ub_event *e)
{
	return event_del(&own(e)->ev);
}

static int
timer_start(struct ub_event *e, struct ub_event_base *b, ub_callback fn,
    void *arg, struct timeval *tv)
{
	struct ub_loop_event *own_e = own(e);

	(void)b;
	own_e->fd = -1;
	own_e->bits = UB_EV_TIMEOUT;
	own_e->fn = fn;
	own_e->arg = arg;
	event_assign_again(own_e);
	return event_add(&own_e->ev, tv);
}

static void
wsaevent_release(struct ub_event *e)
{
	(void)e;
}

static void
wouldblock(struct ub_event *e, int bit)
{
	(void)e;
	(void)bit;
}

static struct ub_event_vmt event_vmt = {
	.add_bits = event_add_bits,
	.del_bits = event_del_bits,
	.set_fd = event_set_fd,
	.free = event_release,
	.add = event_start,
	.del = event_end,
	.add_timer = timer_start,
	.del_timer = event_end,
	.add_signal = event_start,
	.del_signal = event_end,
	.winsock_unregister_wsaevent = wsaevent_release,
	.winsock_tcp_wouldblock = wouldblock,
};

static struct ub_event_base_vmt base_vmt = {
	.free = base_free,
	.dispatch = base_dispatch,
	.loopexit = base_exit,
	.new_event = event_make,
	.new_signal = signal_make,
	.winsock_register_wsaevent = wsaevent_make,
};

void
ub_loop_init(struct ub_loop *u, struct ev_loop *loop)
{
	u->base.magic = UB_EVENT_MAGIC;
	u->base.vmt = &base_vmt;
	u->loop = loop;
}

static struct ub_event *
event_make(struct ub_event_base *b, int fd, short bits, ub_callback fn,
    void *arg)
{
	struct ub_loop_event *e = mem_alloc(sizeof(*e));

	e->ub.magic = UB_EVENT_MAGIC;
	e->ub.vmt = &event_vmt;
	e->loop = ((struct ub_loop *)b)->loop;
	e->fd = fd;
	e->bits = bits;
	e->fn = fn;
	e->arg = arg;
	event_assign(&e->ev, e->loop->base, fd, bits_to_libevent(bits),
	    event_ready, e);
	return &e->ub;
}

/* libunbound deletes an event before it changes it. */
static void
event_assign_again(struct ub_loop_event *e)
{
	event_del(&e->ev);
	event_assign(&e->ev, e->loop->base, e->fd, bits_to_libevent(e->bits),
	    event_ready, e);
}

static const struct {
	short	ub, ev;
} bit_pairs[] = {
	{ UB_EV_TIMEOUT, EV_TIMEOUT }, { UB_EV_READ, EV_READ },
	{ UB_EV_WRITE, EV_WRITE }, { UB_EV_SIGNAL, EV_SIGNAL },
	{ UB_EV_PERSIST, EV_PERSIST },
};
#define NBITS	(sizeof(bit_pairs) / sizeof(bit_pairs[0]))

static short
bits_to_libevent(short ub)
{
	short ev = 0;
	size_t i;

	for (i = 0; i < NBITS; i++)
		if (ub & bit_pairs[i].ub)
			ev = (short)(ev | bit_pairs[i].ev);
	return ev;
}

static short
bits_to_unbound(short ev)
{
	short ub = 0;
	size_t i;

	for (i = 0; i < NBITS; i++)
		if (ev & bit_pairs[i].ev)
			ub = (short)(ub | bit_pairs[i].ub);
	return ub;
}

static void
event_ready(evutil_socket_t fd, short what, void *arg)
{
	struct ub_loop_event *e = arg;

	e->fn((int)fd, bits_to_unbound(what), e->arg);
}
