/* SPDX-License-Identifier: ISC */
/*
 * pulse - finds processes that live and do nothing any more.
 *
 * Each is asked now and then whether it is there, and answers from its loop.
 * One that leaves PULSES asks in a row unanswered hangs: it is killed, counts
 * as one that ended by its own fault, and is started again.  Rounds are
 * counted, not time, so that nobody is late where the whole machine stood
 * still.  Processes of users are left alone: their files may be far away, and
 * who asked them has deadlines of his own.
 */
#include <signal.h>

#include "base/log.h"
#include "master.h"

#define PULSES	6
#define OFF_MS	5000	/* while process.hung is 0: it may be set */

static void	 beat(void *);
static void	 ask(struct process *);

void
pulse_init(struct master *m)
{
	ev_timer_init(&m->pulse, &m->loop, beat, m);
	beat(m);
}

static void
beat(void *arg)
{
	struct master *m = arg;
	struct process *p;
	int64_t hung = m->conf->process_hung;

	ev_timer_set(&m->pulse, hung > 0 ? hung / PULSES : OFF_MS);
	TAILQ_FOREACH(p, &m->processes, entry)
		if (hung > 0 && p->state == PROCESS_RUNNING &&
		    p->channel != NULL && priv_of(p->role)->user != NULL)
			ask(p);
}

static void
ask(struct process *p)
{
	if (!p->pulse_owed) {
		p->pulse_owed = true;
		p->pulses_missed = 0;
		channel_send(p->channel, CTL_PING, 0, SLICE_EMPTY);
	} else if (++p->pulses_missed == PULSES) {
		log_error("event=hung role=%s index=%u child=%d ms=%lld",
		    role_name(p->role), p->index, (int)p->pid,
		    (long long)p->master->conf->process_hung);
		p->hung = true;
		kill(p->pid, SIGKILL);
	}
}

void
pulse_answered(struct process *p, struct message *m)
{
	(void)m;
	p->pulse_owed = false;
}
