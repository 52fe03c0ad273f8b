/* SPDX-License-Identifier: ISC */
/* qmgr - owns the queue: makes messages durable, schedules every attempt and
 * keeps every recipient's status.  Its parts: qmgr.h.  `qmgr check` looks at a
 * queue's files instead (check_main.c), `qmgr export` writes them out
 * (adopt.c). */
#include <sys/file.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "adopt.h"
#include "base/clock.h"
#include "base/log.h"
#include "check.h"
#include "ipc/child.h"
#include "qmgr.h"

#define OWNER_ENDS_MS	10000

struct daemon {
	struct child	 child;
	struct qmgr	 q;
};

static void	 channel_up(void *, struct channel *);
static void	 listener(void *, enum listener_kind, const char *, int);
static int	 reload(void *, const struct conf *, struct buf *);
static void	 renew(void *);
static void	 stop(void *);
static void	 stopped(void *);
static void	 own_queue(struct daemon *);
static void	 status(void *, struct buf *);

static const struct child_edge edges[] = {
	{ ROLE_SMTPD,	smtpd_rules,	&smtpd_ops },
	{ ROLE_LOOKUP,	lookup_rules,	&lookup_ops },
	{ ROLE_LOCAL,	delivery_rules,	&delivery_ops },
	{ ROLE_REMOTE,	delivery_rules,	&delivery_ops },
	{ ROLE_BOUNCE,	bounce_rules,	&bounce_ops },
	{ ROLE_METRICS,	metrics_rules,	&metrics_ops },
	{ 0, NULL, NULL },
};

static const struct child_spec spec = {
	.role = ROLE_QMGR,
	.edges = edges,
	.in_batches = true,
	.channel_up = channel_up,
	.listener = listener,
	.reload = reload,
	.stop = stop,
	.status = status,
};

static struct daemon the_daemon;

int
main(int argc, char *argv[])
{
	struct daemon *d = &the_daemon;

	if (argc == 4 && strcmp(argv[1], "check") == 0)
		return check_main(argv[2], argv[3]);
	if (argc == 2 && strcmp(argv[1], "export") == 0)
		return adopt_main();
	child_init(&d->child, &spec, &d->q, argc, argv);
	if (qmgr_open(&d->q, d->child.conf->path_queue) == -1)
		log_fatal("event=no-queue path=%s error=%s",
		    LOG_Q(slice_str(d->child.conf->path_queue)),
		    LOG_Q(slice_str(strerror(errno))));
	own_queue(d);
	d->q.renew = renew;
	d->q.renew_arg = &d->child;
	child_enter(&d->child);
	if (qmgr_start(&d->q, &d->child.loop, d->child.conf, true) == -1)
		log_fatal("event=queue-not-opened path=%s error=%s",
		    LOG_Q(slice_str(d->child.conf->path_queue)),
		    LOG_Q(slice_str(strerror(errno))));
	return child_run(&d->child);
}

/*
 * The queue has one owner.  Another may be about to end: that of a master which
 * was killed a moment ago.  Released with the directory, however we end.
 */
static void
own_queue(struct daemon *d)
{
	int64_t until = clock_mono_ms() + OWNER_ENDS_MS;

	while (flock(d->q.dir, LOCK_EX | LOCK_NB) == -1) {
		if (errno != EWOULDBLOCK || clock_mono_ms() >= until)
			log_fatal("event=queue-in-use path=%s error=%s "
			    "advice=\"another suite has this queue\"",
			    LOG_Q(slice_str(d->child.conf->path_queue)),
			    LOG_Q(slice_str(strerror(errno))));
		usleep(20 * 1000);
	}
}

static void
channel_up(void *arg, struct channel *c)
{
	qmgr_channel_up(arg, c);
}

static void
listener(void *arg, enum listener_kind kind, const char *name, int fd_take)
{
	if (kind == LISTENER_QUEUE)
		control_listen(arg, name, fd_take);
	else
		close(fd_take);
}

static int
reload(void *arg, const struct conf *conf, struct buf *why)
{
	const struct conf *now = the_daemon.child.conf;

	if (strcmp(conf->path_queue, now->path_queue) != 0) {
		buf_add_str(why, "path.queue: a change takes a restart");
		return -1;
	}
	qmgr_reload(arg, conf);
	return 0;
}

static void
renew(void *arg)
{
	child_renew(arg);
}

static void
stop(void *arg)
{
	qmgr_stop(arg, stopped, NULL);
}

static void
stopped(void *arg)
{
	(void)arg;
	ev_stop(&the_daemon.child.loop);
}

static void
status(void *arg, struct buf *b)
{
	qmgr_status(arg, b);
}
