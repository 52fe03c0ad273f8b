/* SPDX-License-Identifier: ISC */
/*
 * metrics - shows to monitoring systems what every process counts.
 *
 * It only reads: counters in memory that it cannot write, what master says of
 * the processes, and of qmgr the next hops.  Both are asked when somebody asks
 * us, at most once in FRESH_MS; who does not answer within ANSWER_MS is left
 * out.
 *
 *	serve.c		connections; http.c: the head of a request
 *	page.c		the answer
 *	past.c		what was counted a moment ago
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "metrics.h"

#define FRESH_MS	1000
#define ANSWER_MS	1000

struct metrics {
	struct child	 child;
	struct server	*server;	/* owned */
	struct scene	 scene;
	struct past	 past;
	struct ev_timer	 sample;
	struct ev_timer	 late;
	int64_t		 asked_ms;	/* monotonic; 0: never */
	bool		 asking;
	bool		 facts_owed;
	bool		 hops_owed;
};

static void	 listener(void *, enum listener_kind, const char *, int);
static void	 control(void *, struct message *);
static void	 take_counters(struct metrics *, struct message *);
static void	 take_facts(struct metrics *, struct message *);
static void	 qmgr_says(void *, struct channel *, struct message *);
static void	 qmgr_is_gone(void *, struct channel *);
static void	 wanted(void *);
static void	 scene_is_late(void *);
static void	 try_to_answer(struct metrics *);
static void	 take_sample(void *);
static void	 stop(void *);
static void	 status(void *, struct buf *);

static const struct message_rule qmgr_rules[] = RULES_OF(QMGR_METRICS);
static const struct channel_ops qmgr_ops = { qmgr_says, qmgr_is_gone, NULL };
static const struct child_edge edges[] = {
	{ ROLE_QMGR, qmgr_rules, &qmgr_ops },
	{ 0, NULL, NULL },
};
static const struct child_spec spec = {
	.role = ROLE_METRICS,
	.edges = edges,
	.listener = listener,
	.control = control,
	.stop = stop,
	.status = status,
};

int
main(int argc, char *argv[])
{
	static struct metrics m;

	child_init(&m.child, &spec, &m, argc, argv);
	m.server = server_new(&m.child.loop, wanted, &m);
	ev_timer_init(&m.late, &m.child.loop, scene_is_late, &m);
	ev_timer_init(&m.sample, &m.child.loop, take_sample, &m);
	ev_timer_set(&m.sample, 0);
	child_enter(&m.child);
	return child_run(&m.child);
}

static void
listener(void *arg, enum listener_kind kind, const char *name, int fd_take)
{
	struct metrics *m = arg;

	server_listen(m->server, kind, name, fd_take);
}

/* ---- what master says ---------------------------------------------------- */

static void
control(void *arg, struct message *msg)
{
	struct metrics *m = arg;

	if (msg->type == CTL_COUNTERS)
		take_counters(m, msg);
	else if (msg->type == CTL_FACTS)
		take_facts(m, msg);
	else
		channel_breach(m->child.master, "not-for-metrics");
}

/* Of a process that was started again they come again. */
static struct source *
source_for(struct scene *s, enum role role, unsigned index)
{
	size_t i;

	for (i = 0; i < s->nsources; i++)
		if (s->sources[i].role == role && s->sources[i].index == index)
			return &s->sources[i];
	if (s->nsources == PROCESSES_MAX)
		return NULL;
	s->sources[i] = (struct source){ .role = role, .index = index };
	s->nsources++;
	return &s->sources[i];
}

static void
take_counters(struct metrics *m, struct message *msg)
{
	enum role role = (enum role)get_u32(&msg->body);
	unsigned index = get_u32(&msg->body);
	struct source *src;
	struct stat st;
	void *p = MAP_FAILED;

	/* Sealed by master: it never becomes shorter. */
	if (fstat(msg->fds[0], &st) == 0 &&
	    st.st_size >= (off_t)sizeof(struct counters))
		p = mmap(NULL, sizeof(struct counters), PROT_READ, MAP_SHARED,
		    msg->fds[0], 0);
	if (p == MAP_FAILED) {
		log_warn("event=counters-not-seen role=%s index=%u why=\"%s\"",
		    role_name(role), index, strerror(errno));
		return;
	}
	src = source_for(&m->scene, role, index);
	if (src == NULL) {
		munmap(p, sizeof(struct counters));
		return;
	}
	if (src->counters != NULL)
		munmap((void *)(uintptr_t)src->counters,
		    sizeof(struct counters));
	src->counters = p;
}

static void
take_facts(struct metrics *m, struct message *msg)
{
	struct scene *s = &m->scene;
	uint32_t n, i;

	s->started_ms = get_time(&msg->body);
	n = get_u32(&msg->body);
	for (i = 0; i < n && i < FACTS_MAX; i++)
		fact_unpack(&msg->body, &s->facts[i]);
	if (!wire_done(&msg->body)) {
		channel_breach(m->child.master, "facts");
		return;
	}
	s->nfacts = i;
	m->facts_owed = false;
	try_to_answer(m);
}

/* ---- what qmgr says ------------------------------------------------------ */

static void
qmgr_says(void *arg, struct channel *c, struct message *msg)
{
	struct metrics *m = arg;
	struct scene *s = &m->scene;
	struct wire *w = &msg->body;
	uint32_t n, i;

	hop_sum_unpack(w, &s->rest);
	n = get_u32(w);
	for (i = 0; i < n && i < METRICS_HOPS; i++) {
		hop_sum_unpack(w, &s->hops[i].sum);
		snprintf(s->hops[i].name, NAME_BYTES, "%.*s",
		    SLICE_ARG(s->hops[i].sum.name));
		s->hops[i].sum.name = SLICE_EMPTY;
	}
	s->rest.name = SLICE_EMPTY;
	if (!wire_done(w)) {
		channel_breach(c, "hops");
		return;
	}
	s->nhops = i;
	s->hops_known = true;
	m->hops_owed = false;
	try_to_answer(m);
}

static void
qmgr_is_gone(void *arg, struct channel *c)
{
	struct metrics *m = arg;

	(void)c;
	m->scene.hops_known = false;
	m->hops_owed = false;
	try_to_answer(m);
}

/* ---- somebody asks ------------------------------------------------------- */

static void
wanted(void *arg)
{
	struct metrics *m = arg;
	struct channel *qmgr = child_peer(&m->child, ROLE_QMGR, 0);
	int64_t now = clock_mono_ms();

	if (m->asking)
		return;
	m->asking = true;
	ev_timer_set(&m->late, ANSWER_MS);
	if (m->asked_ms == 0 || now - m->asked_ms >= FRESH_MS) {
		m->asked_ms = now;
		m->facts_owed = true;
		channel_send(m->child.master, CTL_FACTS_ASK, 0, SLICE_EMPTY);
		m->hops_owed = qmgr != NULL;
		if (qmgr != NULL)
			channel_send(qmgr, QX_HOPS_ASK, 0, SLICE_EMPTY);
	} else if (!m->facts_owed && !m->hops_owed)
		ev_timer_set(&m->late, 0);	/* in the next turn */
}

/* Old figures would look like a suite where nothing happens. */
static void
scene_is_late(void *arg)
{
	struct metrics *m = arg;

	if (m->facts_owed)
		m->scene.nfacts = 0;
	if (m->hops_owed)
		m->scene.hops_known = false;
	m->facts_owed = m->hops_owed = false;
	try_to_answer(m);
}

static void
try_to_answer(struct metrics *m)
{
	if (!m->asking || m->facts_owed || m->hops_owed)
		return;
	m->asking = false;
	ev_timer_stop(&m->late);
	server_answer(m->server, &m->scene);
}

/* ---- chasqui status ------------------------------------------------------ */

static void
take_sample(void *arg)
{
	struct metrics *m = arg;

	past_add(&m->past, &m->scene);
	ev_timer_set(&m->sample, SAMPLE_MS);
}

static void
status(void *arg, struct buf *words)
{
	const struct metrics *m = arg;

	buf_printf(words, "processes=%zu", m->scene.nsources);
	past_tell(&m->past, &m->scene, words);
}

static void
stop(void *arg)
{
	struct metrics *m = arg;

	server_stop(m->server);
	ev_stop(&m->child.loop);
}
