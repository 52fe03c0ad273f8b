/* SPDX-License-Identifier: ISC */
/*
 * inherit - takes the place of another master: ipc/handover.h, and restart.c
 * for its side.
 *
 * What can fail is tried while the other one still serves: configuration,
 * users, the queue's format, certificates, new listeners, and the processes
 * that need no queue.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "ipc/handover.h"
#include "master.h"

#define OFFER_MS	10000	/* it sends all at once */

struct before {
	struct master	*master;
	struct channel	*channel;	/* owned */
	pid_t		 pid;
	bool		 asked;		/* PREPARED is said */
	bool		 has_queue;
};

static void	 take_listener(struct master *, struct message *);
static void	 says(void *, struct channel *, struct message *);
static void	 is_gone(void *, struct channel *);

static const struct message_rule rules[] = RULES_OF(HANDOVER);
static const struct channel_ops ops = { says, is_gone, NULL };

static struct channel *confessor;	/* hears of master_die() */

void
inherit_open(struct master *m, int fd_take)
{
	struct before *b = mem_alloc(sizeof(*b));

	fcntl(fd_take, F_SETFD, FD_CLOEXEC);
	b->master = m;
	b->channel = channel_new(&m->loop, fd_take, rules, ROLE_TOOL,
	    ROLE_MASTER, 0, &ops, b);
	confessor = b->channel;
	m->before = b;
}

void
inherit_receive(struct master *m)
{
	struct before *b = m->before;
	struct message msg;

	do {
		if (channel_wait(b->channel, &msg, OFFER_MS) == -1)
			master_die(EX_UNAVAILABLE, "the running suite has "
			    "offered nothing");
		switch (msg.type) {
		case HO_LISTENER:
			take_listener(m, &msg);
			break;
		case HO_LOCK:
			m->pid_fd = msg.fds[0];
			break;
		default:
			b->pid = (pid_t)get_u32(&msg.body);
			break;
		}
	} while (msg.type != HO_ALL);
}

static void
take_listener(struct master *m, struct message *msg)
{
	enum listener_kind kind = get_u8(&msg->body);
	unsigned instances = get_u32(&msg->body);
	struct slice name = get_slice(&msg->body, 512);
	struct slice address = get_slice(&msg->body, 4096);

	if (!msg->body.bad)
		listen_adopt(m, kind, instances, name, address, msg->fds[0]);
	else
		close(msg->fds[0]);
}

/* ---- the start, in stages ------------------------------------------------ */

void
inherit_stage_ready(struct master *m)
{
	struct before *b = m->before;
	struct buf *out;

	if (b->asked)
		return;		/* QUEUE is awaited */
	b->asked = true;
	out = channel_begin(b->channel, HO_PREPARED, 0);
	if (out != NULL)
		put_u32(out, (uint32_t)getpid());
	channel_end(b->channel);
}

static void
says(void *arg, struct channel *c, struct message *msg)
{
	struct before *b = arg;

	if (msg->type != HO_QUEUE || !b->asked || b->has_queue) {
		channel_breach(c, "not-now");
		return;
	}
	b->has_queue = true;
	master_start_stage(b->master, STAGE_QMGR);
}

void
inherit_done(struct master *m)
{
	confessor = NULL;
	channel_send(m->before->channel, HO_RUNNING, 0, SLICE_EMPTY);
	log_info("event=took-over from=%d", (int)m->before->pid);
}

/* As long as both are there, each hears of what the other has changed. */
void
inherit_news(struct master *m)
{
	int s[2];

	if (m->before == NULL || m->phase != SUITE_RUNNING ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) == -1)
		return;
	wire_news(m, NEWS_BEFORE, s[0]);
	channel_begin(m->before->channel, HO_NEWS, 0);
	channel_end_fds(m->before->channel, &s[1], 1);
}

/* ---- the end ------------------------------------------------------------- */

static void
is_gone(void *arg, struct channel *c)
{
	struct before *b = arg;
	struct master *m = b->master;

	(void)c;
	confessor = NULL;
	m->before = NULL;
	log_info("event=ended-before pid=%d", (int)b->pid);
	free(b);
	if (m->phase == SUITE_STARTING)
		master_start_failed(m, "the suite that was to be replaced has "
		    "ended");
	else
		master_process_ended(m);
}

void
inherit_failed(const char *why)
{
	struct buf *b;

	if (confessor == NULL)
		return;
	b = channel_begin(confessor, HO_FAILED, 0);
	if (b != NULL)
		put_slice(b, slice_str(why));
	channel_end(confessor);
	channel_flush(confessor);
}

void
inherit_stop(struct master *m)
{
	if (m->before != NULL && confessor == NULL)
		channel_send(m->before->channel, HO_STOP, 0, SLICE_EMPTY);
}

void
inherit_logout(struct master *m, struct slice login)
{
	struct buf *b;

	if (m->before == NULL || confessor != NULL)
		return;
	b = channel_begin(m->before->channel, HO_LOGOUT, 0);
	if (b != NULL)
		put_slice(b, login);
	channel_end(m->before->channel);
}

bool
inherit_must_wait(const struct master *m)
{
	return m->before != NULL && confessor == NULL;
}

pid_t
inherit_pid(const struct master *m)
{
	return m->before == NULL ? 0 : m->before->pid;
}
