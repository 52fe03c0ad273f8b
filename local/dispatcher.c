/* SPDX-License-Identifier: ISC */
/*
 * dispatcher - see dispatcher.h.
 *
 * Work is a job, or a question about a mailbox's usage, for one owner (pool.h).
 * Always: work is in its owner's list `waiting` with its body, or in `sent`
 * without.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "dispatcher.h"
#include "ipc/counters.h"
#include "ipc/delivery.h"
#include "ipc/fields.h"
#include "ipc/lookup_local.h"
#include "ipc/session.h"
#include "news.h"
#include "outcomes.h"
#include "parcel.h"
#include "pool.h"
#include "worker.h"

#define WAITING_BYTES	((size_t)64 * 1024 * 1024) /* bodies, all owners */
#define WORK_MAX	50000		/* at once, all owners */
#define USAGE_MAX	1000		/* questions at once */
#define ANSWERS_TOGETHER 128		/* each at most 2 KiB */

enum work_kind { WORK_JOB, WORK_USAGE };

struct work {
	TAILQ_ENTRY(work)	 link;
	struct owner		*owner;
	enum work_kind		 kind;
	uint64_t		 id;		/* ours */
	int64_t			 began_us;
	uint64_t		 asked_id;	/* qmgr's or lookup's */
	struct channel		*asker;		/* NULL: it is gone */
	bool			 sent;
	struct buf		 body;		/* while waiting */
	int			 fd;		/* owned, or -1 */
	uint32_t		*open;		/* owned: recipients that have
						 * no outcome yet, ascending */
	size_t			 nopen;
};

struct dispatcher {
	struct child		 child;
	struct ev_loop		*loop;
	struct pool		 pool;
	struct work		**work;		/* owned; by the low half of id */
	size_t			 work_cap;
	size_t			 nwork;
	size_t			 nusage;
	size_t			 waiting_bytes;
	uint32_t		 generation;	/* the high half of ids */
	size_t			 next_free;	/* where to look first */
	struct arena		 arena;		/* of one message */
	bool			 stopping;
};

static void	 dispatcher_init(struct dispatcher *, struct ev_loop *,
		    const struct conf *, struct channel *master);
static void	 dispatcher_configure(struct dispatcher *, const struct conf *);

static void	 qmgr_says(void *, struct channel *, struct message *);
static void	 take_job(struct dispatcher *, struct channel *,
		    struct message *);
static bool	 one_owner(const struct job *, struct owner_key *);
static bool	 key_of(const struct job_recipient *, struct owner_key *);
static void	 route_whole(struct dispatcher *, struct channel *,
		    struct message *, const struct job *,
		    const struct owner_key *);
static void	 route_parts(struct dispatcher *, struct channel *,
		    struct message *, struct job *);
static struct outcome outcome_here(const struct job_recipient *);
static void	 answer_one(struct channel *, uint64_t id, uint32_t number,
		    const struct outcome *);
static void	 take_cancel(struct dispatcher *, struct channel *, uint64_t);
static void	 asker_is_gone(void *, struct channel *);

static void	 lookup_says(void *, struct channel *, struct message *);
static void	 answer_usage(const struct work *, bool known, uint64_t bytes,
		    uint64_t messages);

static struct work *work_new(struct dispatcher *, struct owner *,
		    enum work_kind, struct channel *, uint64_t asked_id);
static struct work *work_find(struct dispatcher *, uint64_t id);
static void	 work_give(struct dispatcher *, struct work *,
		    struct slice body, int fd_take);
static void	 work_send(struct work *, struct slice body);
static void	 work_refuse(struct dispatcher *, struct work *,
		    const char *text);
static void	 work_done(struct dispatcher *, struct work *);

static void	 send_waiting(void *, struct owner *);
static void	 refuse_waiting(void *, struct owner *, const char *text);
static void	 refuse_sent(void *, struct owner *);
static void	 worker_down(void *, struct channel *);
static void	 worker_relaxed(void *, struct channel *);

static void	 worker_says(void *, struct channel *, struct message *);
static void	 take_news(struct dispatcher *, struct channel *,
		    struct message *);
static void	 login_says(void *, struct channel *, struct message *);
static void	 login_is_down(void *, struct channel *);
static bool	 take_result(struct dispatcher *, struct work *,
		    struct message *);
static bool	 take_expanded(struct dispatcher *, struct work *,
		    struct message *);
static bool	 take_usage(struct dispatcher *, struct work *,
		    struct message *);

static const struct pool_ops pool_ops = { send_waiting, refuse_waiting,
	refuse_sent };

const struct message_rule qmgr_local_rules[] = RULES_OF(DELIVERY);
const struct message_rule lookup_local_rules[] = RULES_OF(LOOKUP_LOCAL);
const struct channel_ops dispatcher_qmgr_ops = { qmgr_says, asker_is_gone,
	NULL };
const struct channel_ops dispatcher_lookup_ops = { lookup_says, asker_is_gone,
	NULL };
const struct channel_ops dispatcher_worker_ops = { worker_says, worker_down,
	worker_relaxed };

static const struct channel_ops login_ops = { login_says, login_is_down,
	NULL };

static const struct child_edge edges[] = {
	{ ROLE_QMGR, qmgr_local_rules, &dispatcher_qmgr_ops },
	{ ROLE_LOOKUP, lookup_local_rules, &dispatcher_lookup_ops },
	{ ROLE_WORKER, local_worker_rules, &dispatcher_worker_ops },
	{ ROLE_COMMAND, local_worker_rules, &dispatcher_worker_ops },
	{ ROLE_IMAP_LOGIN, news_rules, &login_ops },
	{ ROLE_POP3_LOGIN, news_rules, &login_ops },
	{ ROLE_LOCAL, news_rules, &login_ops },	/* before or after us */
	{ 0, NULL, NULL },
};

/* ---- start and end ------------------------------------------------------ */

static int
reload(void *arg, const struct conf *conf, struct buf *why)
{
	(void)why;
	dispatcher_configure(arg, conf);
	return 0;
}

static void
stop(void *arg)
{
	struct dispatcher *d = arg;

	d->stopping = true;
	if (d->nwork == 0)
		ev_stop(d->loop);
}

static void
status(void *arg, struct buf *b)
{
	struct dispatcher *d = arg;

	buf_printf(b, "waiting_bytes=%zu", d->waiting_bytes);
}

static const struct child_spec spec = {
	.role = ROLE_LOCAL,
	.edges = edges,
	.channel_up = dispatcher_channel_up,
	.reload = reload,
	.stop = stop,
	.status = status,
	.control = dispatcher_control,
};

int
dispatcher_main(int argc, char *argv[])
{
	static struct dispatcher d;

	child_init(&d.child, &spec, &d, argc, argv);
	dispatcher_init(&d, &d.child.loop, d.child.conf, d.child.master);
	child_enter(&d.child);
	return child_run(&d.child);
}

static void
dispatcher_init(struct dispatcher *d, struct ev_loop *loop,
    const struct conf *conf, struct channel *master)
{
	d->loop = loop;
	pool_init(&d->pool, loop, master, &pool_ops, d);
	d->arena = ARENA_INIT(JOB_ARENA_BYTES);
	dispatcher_configure(d, conf);
}

struct dispatcher *
dispatcher_new(struct ev_loop *loop, const struct conf *conf,
    struct channel *master)
{
	struct dispatcher *d = mem_alloc(sizeof(*d));

	dispatcher_init(d, loop, conf, master);
	return d;
}

void
dispatcher_free(struct dispatcher **dp)
{
	struct dispatcher *d = *dp;
	size_t i;

	*dp = NULL;
	if (d == NULL)
		return;
	for (i = 0; i < d->work_cap; i++)
		if (d->work[i] != NULL)
			work_done(d, d->work[i]);
	pool_clear(&d->pool);
	arena_clear(&d->arena);
	free(d->work);
	free(d);
}

static void
dispatcher_configure(struct dispatcher *d, const struct conf *conf)
{
	d->pool.places = (size_t)conf->local_workers;
	d->pool.idle_ms = conf->local_worker_idle;
}

void
dispatcher_channel_up(void *arg, struct channel *ch)
{
	struct dispatcher *d = arg;

	if (channel_peer(ch) == ROLE_WORKER || channel_peer(ch) == ROLE_COMMAND)
		pool_up(&d->pool, ch);
	else if (channel_peer(ch) == ROLE_LOCAL)
		news_listen(ch);
}

void
dispatcher_control(void *arg, struct message *m)
{
	struct dispatcher *d = arg;
	unsigned slot = get_u32(&m->body);
	struct slice why = get_slice(&m->body, 512);

	if (m->type == CTL_WORKER_REFUSED && wire_done(&m->body))
		pool_refused(&d->pool, slot, why);
	else
		log_error("event=bad-control type=%u", m->type);
}

/* ---- qmgr's jobs -------------------------------------------------------- */

static void
qmgr_says(void *arg, struct channel *ch, struct message *m)
{
	struct dispatcher *d = arg;

	switch (m->type) {
	case DL_JOB:
	case DL_JOB_FILE:
		take_job(d, ch, m);
		break;
	case DL_CANCEL:
		take_cancel(d, ch, m->id);
		break;
	default:
		channel_breach(ch, "direction");
	}
}

static void
take_job(struct dispatcher *d, struct channel *ch, struct message *m)
{
	struct owner_key key;
	struct wire w = m->body;	/* the body is sent on as it is */
	struct job j;

	arena_clear(&d->arena);
	if (!job_unpack(&w, &d->arena, &j) || !wire_done(&w)) {
		channel_breach(ch, "job");
		return;
	}
	if (d->waiting_bytes + m->body.rest.n > WAITING_BYTES ||
	    d->nwork + j.nrecipients > WORK_MAX) {
		channel_send(ch, DL_FULL, m->id, SLICE_EMPTY);
		return;
	}
	if (one_owner(&j, &key))
		route_whole(d, ch, m, &j, &key);
	else
		route_parts(d, ch, m, &j);
}

/* Whether a process has to deliver this copy, and whose. */
static bool
key_of(const struct job_recipient *r, struct owner_key *k)
{
	const struct destination *to = &r->to;

	*k = (struct owner_key){ ROLE_WORKER, to->uid, to->gid, to->home };
	switch (to->kind) {
	case DEST_COMMAND:
		k->role = ROLE_COMMAND;
		return to->uid != 0;
	case DEST_MAILDIR:
	case DEST_FILE:
		return to->uid != 0;
	case DEST_DISCARD:
	case DEST_REMOTE:
	case DEST_FAIL:
	case DEST_DEFER:
		break;
	}
	return false;
}

/* The outcome of a copy that is for no process. */
static struct outcome
outcome_here(const struct job_recipient *r)
{
	switch (r->to.kind) {
	case DEST_DISCARD:
		return outcome_delivered();
	case DEST_MAILDIR:
	case DEST_FILE:
	case DEST_COMMAND:
		/* Nothing ever runs as root for mail. */
		return outcome_of("5.3.5 nothing is delivered as root: "
		    "make an alias");
	case DEST_REMOTE:
	case DEST_FAIL:
	case DEST_DEFER:
		break;
	}
	return outcome_of("4.3.5 this is no local destination");
}

static bool
one_owner(const struct job *j, struct owner_key *key_r)
{
	struct owner_key k;
	size_t i;

	if (!key_of(&j->recipients[0], key_r))
		return false;
	for (i = 1; i < j->nrecipients; i++)
		if (!key_of(&j->recipients[i], &k) ||
		    owner_key_cmp(&k, key_r) != 0)
			return false;
	return true;
}

static int
number_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Makes work of a job whose recipients have one owner. */
static struct work *
job_work(struct dispatcher *d, struct channel *ch, uint64_t id,
    const struct job *j, const struct owner_key *key)
{
	struct owner *o = pool_owner(&d->pool, key, j->recipients[0].to.user);
	struct work *k = work_new(d, o, WORK_JOB, ch, id);
	size_t i;

	k->open = mem_array(j->nrecipients, sizeof(*k->open));
	k->nopen = j->nrecipients;
	for (i = 0; i < j->nrecipients; i++)
		k->open[i] = j->recipients[i].number;
	qsort(k->open, k->nopen, sizeof(*k->open), number_cmp);
	return k;
}

static void
route_whole(struct dispatcher *d, struct channel *ch, struct message *m,
    const struct job *j, const struct owner_key *key)
{
	struct work *k = job_work(d, ch, m->id, j, key);
	int fd = -1;

	if (m->nfds > 0) {
		fd = m->fds[0];
		m->fds[0] = -1;
	}
	work_give(d, k, m->body.rest, fd);
}

/* The recipients from i on that have the same owner, moved to the front of the
 * rest; how many. */
static size_t
gather(struct job *j, size_t i, const struct owner_key *key)
{
	struct job_recipient r;
	struct owner_key k;
	size_t n = 1, at;

	for (at = i + 1; at < j->nrecipients; at++) {
		if (!key_of(&j->recipients[at], &k) ||
		    owner_key_cmp(&k, key) != 0)
			continue;
		r = j->recipients[i + n];
		j->recipients[i + n] = j->recipients[at];
		j->recipients[at] = r;
		n++;
	}
	return n;
}

static void
route_parts(struct dispatcher *d, struct channel *ch, struct message *m,
    struct job *j)
{
	struct buf body = BUF_INIT(CHANNEL_BODY_BYTES);
	struct outcome o;
	struct owner_key key;
	struct job part;
	size_t i, n;
	int fd;

	for (i = 0; i < j->nrecipients; i += n) {
		n = 1;
		if (!key_of(&j->recipients[i], &key)) {
			o = outcome_here(&j->recipients[i]);
			answer_one(ch, m->id, j->recipients[i].number, &o);
			continue;
		}
		n = gather(j, i, &key);
		part = *j;
		part.recipients = j->recipients + i;
		part.nrecipients = n;
		fd = m->nfds == 0 ? -1 : fcntl(m->fds[0], F_DUPFD_CLOEXEC, 0);
		if (m->nfds > 0 && fd == -1) {
			o = outcome_of("4.3.2 too many open files");
			for (n = 0; n < part.nrecipients; n++)
				answer_one(ch, m->id,
				    part.recipients[n].number, &o);
			continue;
		}
		buf_reset(&body);
		if (job_pack(&body, &part) == -1)
			abort();	/* a part is no larger than its job */
		work_give(d, job_work(d, ch, m->id, &part, &key),
		    buf_slice(&body), fd);
	}
	buf_clear(&body);
}

static void
answer_one(struct channel *ch, uint64_t id, uint32_t number,
    const struct outcome *o)
{
	struct buf *b = channel_begin(ch, DL_RESULT, id);

	if (b != NULL) {
		put_u32(b, 1);
		put_u32(b, number);
		outcome_pack(b, o);
	}
	channel_end(ch);
}

static void
take_cancel(struct dispatcher *d, struct channel *ch, uint64_t id)
{
	struct work *k;
	size_t i;

	for (i = 0; i < d->work_cap; i++) {
		k = d->work[i];
		if (k == NULL || k->asker != ch || k->asked_id != id ||
		    k->kind != WORK_JOB)
			continue;
		if (!k->sent)
			work_refuse(d, k, "4.3.0 cancelled");
		else if (k->owner->channel != NULL)
			channel_send(k->owner->channel, LW_CANCEL, k->id,
			    SLICE_EMPTY);
	}
}

/* qmgr or lookup: its questions are nobody's any more.  The next qmgr asks for
 * the same copies, which may exist; a worker must not make them after that. */
static void
asker_is_gone(void *arg, struct channel *ch)
{
	struct dispatcher *d = arg;
	struct work *k;
	size_t i;

	for (i = 0; i < d->work_cap; i++) {
		k = d->work[i];
		if (k == NULL || k->asker != ch)
			continue;
		k->asker = NULL;
		if (!k->sent)
			work_done(d, k);
		else if (k->kind == WORK_JOB && k->owner->channel != NULL &&
		    k->owner->key.role == ROLE_WORKER)
			channel_send(k->owner->channel, LW_CANCEL, k->id,
			    SLICE_EMPTY);
	}
}

/* ---- lookup's questions ------------------------------------------------- */

static void
lookup_says(void *arg, struct channel *ch, struct message *m)
{
	struct dispatcher *d = arg;
	struct owner_key key = { .role = ROLE_WORKER };
	struct buf body = BUF_INIT(8192);
	struct slice user, path;
	struct work none = { .asker = ch, .asked_id = m->id };
	uint64_t more;

	key.uid = get_u32(&m->body);
	key.gid = get_u32(&m->body);
	user = get_slice(&m->body, 256);
	key.home = get_slice(&m->body, 4096);
	path = get_slice(&m->body, 4096);
	more = get_u64(&m->body);
	if (!wire_done(&m->body) || m->type != LL_USAGE_ASK) {
		channel_breach(ch, "usage");
		return;
	}
	if (key.uid == 0 || d->nusage >= USAGE_MAX || path.n > 4000) {
		answer_usage(&none, false, 0, 0);
		return;
	}
	put_slice(&body, path);
	put_u64(&body, more);
	work_give(d, work_new(d, pool_owner(&d->pool, &key, user), WORK_USAGE,
	    ch, m->id), buf_slice(&body), -1);
	buf_clear(&body);
}

static void
answer_usage(const struct work *k, bool known, uint64_t bytes,
    uint64_t messages)
{
	struct buf *b;

	if (k->asker == NULL)
		return;
	b = channel_begin(k->asker, LL_USAGE, k->asked_id);
	if (b != NULL) {
		put_u8(b, known);
		put_u64(b, bytes);
		put_u64(b, messages);
	}
	channel_end(k->asker);
}

/* ---- work --------------------------------------------------------------- */

static struct work *
work_new(struct dispatcher *d, struct owner *o, enum work_kind kind,
    struct channel *asker, uint64_t asked_id)
{
	struct work *k = mem_alloc(sizeof(*k));
	size_t at, old = d->work_cap;

	if (d->nwork == d->work_cap) {
		d->work_cap = d->work_cap * 2 + 64;
		d->work = mem_regrow(d->work, d->work_cap, sizeof(*d->work));
		memset(d->work + old, 0, (d->work_cap - old) *
		    sizeof(*d->work));
		d->next_free = old;
	}
	for (at = d->next_free; d->work[at] != NULL;)
		at = (at + 1) % d->work_cap;
	d->next_free = (at + 1) % d->work_cap;
	d->work[at] = k;
	count_set(LOCAL_JOBS, ++d->nwork);
	d->nusage += kind == WORK_USAGE;
	k->id = (uint64_t)++d->generation << 32 | at;
	k->began_us = clock_mono_us();
	k->owner = o;
	k->kind = kind;
	k->asker = asker;
	k->asked_id = asked_id;
	k->fd = -1;
	buf_init(&k->body, CHANNEL_BODY_BYTES);
	return k;
}

static struct work *
work_find(struct dispatcher *d, uint64_t id)
{
	size_t at = (size_t)(id & 0xffffffff);

	if (at >= d->work_cap || d->work[at] == NULL || d->work[at]->id != id)
		return NULL;
	return d->work[at];
}

/* To the owner's process, or into its line. */
static void
work_give(struct dispatcher *d, struct work *k, struct slice body, int fd_take)
{
	struct owner *o = k->owner;

	k->fd = fd_take;
	if (pool_rests(o)) {
		TAILQ_INSERT_TAIL(&o->waiting, k, link);
		work_refuse(d, k, POOL_RESTS);
		return;
	}
	if (pool_need(&d->pool, o) && TAILQ_EMPTY(&o->waiting) &&
	    !channel_is_busy(o->channel)) {
		work_send(k, body);
		return;
	}
	buf_add(&k->body, body);
	d->waiting_bytes += body.n;
	TAILQ_INSERT_TAIL(&o->waiting, k, link);
}

static void
work_send(struct work *k, struct slice body)
{
	struct channel *ch = k->owner->channel;
	uint16_t type = k->kind == WORK_USAGE ? LW_USAGE_ASK :
	    k->fd == -1 ? LW_JOB : LW_JOB_FILE;
	struct buf *b = channel_begin(ch, type, k->id);

	if (b != NULL)
		buf_add(b, body);
	if (k->fd == -1)
		channel_end(ch);
	else
		channel_end_fds(ch, &k->fd, 1);
	k->fd = -1;
	k->sent = true;
	TAILQ_INSERT_TAIL(&k->owner->sent, k, link);
	k->owner->nsent++;
}

/* Answers what is not answered yet, and ends it.  A constant text. */
static void
work_refuse(struct dispatcher *d, struct work *k, const char *text)
{
	struct outcome o = outcome_of(text);
	struct buf *b;
	size_t i = 0, n;

	if (k->kind == WORK_USAGE)
		answer_usage(k, false, 0, 0);
	while (k->asker != NULL && i < k->nopen) {
		n = k->nopen - i > ANSWERS_TOGETHER ? ANSWERS_TOGETHER :
		    k->nopen - i;
		b = channel_begin(k->asker, DL_RESULT, k->asked_id);
		if (b == NULL)
			break;
		put_u32(b, (uint32_t)n);
		for (; n > 0; n--) {
			put_u32(b, k->open[i++]);
			outcome_pack(b, &o);
		}
		channel_end(k->asker);
	}
	work_done(d, k);
}

static void
work_done(struct dispatcher *d, struct work *k)
{
	struct owner *o = k->owner;

	if (k->sent) {
		TAILQ_REMOVE(&o->sent, k, link);
		o->nsent--;
	} else {
		TAILQ_REMOVE(&o->waiting, k, link);
		d->waiting_bytes -= k->body.n;
	}
	d->work[k->id & 0xffffffff] = NULL;
	count_set(LOCAL_JOBS, --d->nwork);
	count_time(LOCAL_DELIVERY, clock_mono_us() - k->began_us);
	d->nusage -= k->kind == WORK_USAGE;
	if (k->fd != -1)
		close(k->fd);
	buf_clear(&k->body);
	free(k->open);
	free(k);
	pool_done(o);
	if (d->stopping && d->nwork == 0)
		ev_stop(d->loop);
}

/* ---- what the pool says ------------------------------------------------- */

static void
send_waiting(void *arg, struct owner *o)
{
	struct dispatcher *d = arg;
	struct work *k;

	while (o->state == OWNER_UP && !channel_is_busy(o->channel) &&
	    (k = TAILQ_FIRST(&o->waiting)) != NULL) {
		TAILQ_REMOVE(&o->waiting, k, link);
		d->waiting_bytes -= k->body.n;
		work_send(k, buf_slice(&k->body));
		buf_clear(&k->body);
	}
}

static void
refuse_waiting(void *arg, struct owner *o, const char *text)
{
	while (!TAILQ_EMPTY(&o->waiting))
		work_refuse(arg, TAILQ_FIRST(&o->waiting), text);
}

/* What it had and did not answer may be done or not; qmgr then says so with the
 * next attempt (maybe_done). */
static void
refuse_sent(void *arg, struct owner *o)
{
	while (!TAILQ_EMPTY(&o->sent))
		work_refuse(arg, TAILQ_FIRST(&o->sent),
		    "4.3.0 delivery process ended");
}

static void
worker_down(void *arg, struct channel *ch)
{
	struct dispatcher *d = arg;
	struct owner *o = channel_data(ch);

	if (o != NULL)
		pool_down(&d->pool, o);
}

static void
worker_relaxed(void *arg, struct channel *ch)
{
	struct owner *o = channel_data(ch);

	if (o != NULL)
		send_waiting(arg, o);
}

/* ---- what the processes answer ------------------------------------------ */

/* Only of mailboxes where it may write. */
static void
take_news(struct dispatcher *d, struct channel *ch, struct message *m)
{
	const struct owner *o = channel_data(ch);
	struct slice maildir = get_text(&m->body, PATH_BYTES);
	struct slice mailbox = get_text(&m->body, SESSION_MAILBOX_BYTES);

	get_u8(&m->body);
	if (!wire_done(&m->body) || o == NULL ||
	    !slice_starts(maildir, o->key.home) ||
	    (maildir.n > o->key.home.n && maildir.p[o->key.home.n] != '/'))
		channel_breach(ch, "news");
	else
		news_tell(&d->child, NULL, maildir, mailbox);
}

static void
worker_says(void *arg, struct channel *ch, struct message *m)
{
	struct dispatcher *d = arg;
	struct work *k;
	bool ok = false;

	if (m->type == LW_NEWS) {
		take_news(d, ch, m);
		return;
	}
	k = work_find(d, m->id);
	/* It may only speak of what it was given: a user's process must not
	 * decide on another user's mail. */
	if (k == NULL || !k->sent || k->owner->channel != ch) {
		channel_breach(ch, "no-such-job");
		return;
	}
	k->owner->answered = true;
	if (k->kind == WORK_JOB && m->type == LW_RESULT)
		ok = take_result(d, k, m);
	else if (k->kind == WORK_JOB && m->type == LW_EXPANDED)
		ok = take_expanded(d, k, m);
	else if (k->kind == WORK_USAGE && m->type == LW_USAGE)
		ok = take_usage(d, k, m);
	if (!ok)
		channel_breach(ch, "answer");
}

static void
login_says(void *arg, struct channel *ch, struct message *m)
{
	struct dispatcher *d = arg;

	news_take(&d->child, ch, m);
}

static void
login_is_down(void *arg, struct channel *ch)
{
	(void)arg;
	(void)ch;
}

/* The recipient is one of the work that has no outcome yet: takes it off. */
static bool
close_number(struct work *k, uint32_t number)
{
	uint32_t *at = k->nopen == 0 ? NULL : bsearch(&number, k->open,
	    k->nopen, sizeof(*k->open), number_cmp);

	if (at == NULL)
		return false;
	k->nopen--;
	memmove(at, at + 1, (size_t)(k->open + k->nopen - at) * sizeof(*at));
	return true;
}

/* Nothing of it is passed on unless all of it is right. */
static bool
result_is_valid(const struct work *k, struct wire w)
{
	struct outcome o;
	uint32_t i, n = get_u32(&w);

	if (n == 0 || n > k->nopen)
		return false;
	for (i = 0; i < n; i++) {
		get_u32(&w);
		if (!outcome_unpack(&w, &o) || o.site || o.remote.n > 0 ||
		    (o.status != OUTCOME_DELIVERED &&
		    o.status != OUTCOME_DEFERRED && o.status != OUTCOME_FAILED))
			return false;
	}
	return wire_done(&w);
}

static bool
take_result(struct dispatcher *d, struct work *k, struct message *m)
{
	struct wire w = m->body;
	struct outcome o;
	uint32_t n;

	if (!result_is_valid(k, w))
		return false;
	for (n = get_u32(&w); n > 0; n--) {
		if (!close_number(k, get_u32(&w)))
			return false;
		outcome_unpack(&w, &o);
	}
	if (k->asker != NULL)
		channel_send(k->asker, DL_RESULT, k->asked_id, m->body.rest);
	if (k->nopen == 0)
		work_done(d, k);
	return true;
}

static bool
take_expanded(struct dispatcher *d, struct work *k, struct message *m)
{
	struct wire w = m->body, targets;
	uint32_t number = get_u32(&w);

	get_bool(&w);
	targets = wire_of(get_slice(&w, CHANNEL_BODY_BYTES));
	if (!wire_done(&w))
		return false;
	while (targets.rest.n > 0 && !targets.bad) {
		get_enum(&targets, TARGET_NO_FORWARD);
		get_text(&targets, TARGET_BYTES);
	}
	if (targets.bad || !close_number(k, number))
		return false;
	if (k->asker != NULL)
		channel_send(k->asker, DL_EXPANDED, k->asked_id, m->body.rest);
	if (k->nopen == 0)
		work_done(d, k);
	return true;
}

static bool
take_usage(struct dispatcher *d, struct work *k, struct message *m)
{
	bool known = get_bool(&m->body);
	uint64_t bytes = get_u64(&m->body), messages = get_u64(&m->body);

	if (!wire_done(&m->body))
		return false;
	answer_usage(k, known, bytes, messages);
	work_done(d, k);
	return true;
}
