/* SPDX-License-Identifier: ISC */
/*
 * worker - see worker.h.
 *
 * A job is carried out when it is read, but for large ones with many
 * recipients, which must not hold up the rest.  Answers wait for a sync.  One
 * runs at a time, beside the loop, and what is written meanwhile gathers for the
 * next: the longer a sync takes, the more it is for.  Under load the next one
 * waits besides, since the mail is in the mailbox already, and only the queue
 * waits for it to be durable there: SYNC_APART_MS for each answer of the one
 * before, at most SYNC_APART_MAX_MS.  A lone delivery finds that this has passed,
 * and the sessions that have its mailbox open hear of it at once.
 * Always: an answer that says delivered is sent only after the sync of its
 * batch was told to be good (Q2).
 */
#include <sys/queue.h>
#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "content.h"
#include "durable.h"
#include "forward.h"
#include "ipc/delivery.h"
#include "maildir.h"
#include "mbox.h"
#include "outcomes.h"
#include "parcel.h"
#include "prefix.h"
#include "worker.h"

#define TURN_BYTES	(16 * 1024 * 1024) /* of large jobs, in one turn */
#define LARGE_JOBS	32		/* above, nothing more is read */
#define TEXTS_BYTES	(1024 * 1024)
#define NEWS_BYTES	(1024 * 1024)
#define PREFIX_BYTES	(16 * 1024)
#define RESERVED_FDS	96	/* channels, log, job files, sync, staging */
#define SYNC_APART_MS	3		/* from begin to begin, an answer, */
#define SYNC_APART_MAX_MS 25		/* at most, */
#define SYNC_AT_ONCE	256		/* unless so many answers wait */
#define ANSWERS_TOGETHER 128	/* each at most 2 KiB */
#define OPEN_MAILDIRS	1024	/* at most */

struct answer {
	uint64_t	 job;
	uint32_t	 number;
	struct outcome	 outcome;	/* text: constant or in the batch */
	bool		 expanded;	/* outcome is of the copy kept here */
	bool		 here;
	struct slice	 targets;	/* owned; of EXPANDED */
};

struct batch {
	struct answer	*answers;	/* owned */
	size_t		 n;
	size_t		 cap;
	struct arena	 texts;
	struct buf	 news;		/* paths of Maildirs, NUL after each */
};

/* A large message for many: delivered to some in each turn. */
struct large {
	TAILQ_ENTRY(large) link;
	struct parcel	*parcel;
	size_t		 next;		/* recipient */
};

struct worker {
	struct child	 child;
	struct ev_loop	*loop;
	const struct fs	*fs;
	struct stat	 confined;	/* what child.directory was then */
	char		*path_mail;	/* owned */
	char		 delimiter;
	bool		 forward;
	bool		 refuse_full;	/* quota.full = refuse */
	struct durable	 durable;
	struct maildirs	*maildirs;	/* owned */
	struct content	 content;
	struct buf	 prefix;
	struct arena	 arena;		/* of one job */
	struct channel	*local;		/* who asked last */
	struct disk_lane *lane;		/* owned */
	TAILQ_HEAD(, large) large;
	size_t		 nlarge;
	struct ev_timer	 next_large;
	struct batch	 gathering;
	struct batch	 syncing;
	int64_t		 sync_next_ms;	/* not before; monotonic */
	struct ev_timer	 sync_later;
	bool		 ending;	/* when all is answered */
	struct ev_task	 end_of_turn;
};

static void	 worker_init(struct worker *, struct ev_loop *,
		    const struct fs *, const struct conf *, size_t open_max);
static void	 worker_configure(struct worker *, const struct conf *);
static void	 batch_clear(struct batch *);
static void	 local_says(void *, struct channel *, struct message *);
static void	 take_job(struct worker *, struct channel *, struct message *);
static void	 local_is_gone(void *, struct channel *);
static void	 deliver_some(struct worker *, uint64_t id, const struct job *,
		    int fd, size_t from, size_t n);
static void	 large_add(struct worker *, struct message *);
static void	 large_go_on(void *);
static void	 large_end(struct worker *, struct large *, const char *why);
static void	 take_cancel(struct worker *, uint64_t id);
static void	 take_usage_ask(struct worker *, struct channel *,
		    struct message *);
static void	 deliver(struct worker *, const struct job *,
		    const struct job_recipient *, struct answer *);
static void	 follow_forward(struct worker *, const struct job *,
		    const struct job_recipient *, struct answer *);
static void	 to_mailbox(struct worker *, const struct job *,
		    const struct job_recipient *, struct outcome *);
static void	 to_mbox(struct worker *, const struct job *,
		    const struct job_recipient *, struct outcome *);
static void	 to_maildir(struct worker *, const struct job *,
		    const struct job_recipient *, struct outcome *);
static void	 answer(struct worker *, const struct answer *);
static void	 end_turn(void *);
static void	 synced(void *, bool ok);
static void	 send_answers(struct worker *, struct batch *);
static void	 send_expanded(struct worker *, const struct answer *);

const struct message_rule local_worker_rules[] = RULES_OF(LOCAL_WORKER);
const struct channel_ops worker_ops = { local_says, local_is_gone, NULL };

static const struct child_edge edges[] = {
	{ ROLE_LOCAL, local_worker_rules, &worker_ops },
	{ 0, NULL, NULL },
};

/* ---- start and end ------------------------------------------------------ */

static int
reload(void *arg, const struct conf *conf, struct buf *why)
{
	(void)why;
	worker_configure(arg, conf);
	return 0;
}

static void
stop(void *arg)
{
	struct worker *w = arg;

	w->ending = true;
	while (!TAILQ_EMPTY(&w->large))
		large_end(w, TAILQ_FIRST(&w->large),
		    "4.3.2 the system is stopping");
	ev_task_ask(w->loop, &w->end_of_turn);
}

static void
status(void *arg, struct buf *b)
{
	const struct durable *d = &((struct worker *)arg)->durable;

	buf_printf(b, "files=%llu syncs=%llu sync_ms=%lld",
	    (unsigned long long)d->files_synced, (unsigned long long)d->syncs,
	    (long long)d->sync_us / 1000);
}

static const struct child_spec spec = {
	.role = ROLE_WORKER,
	.edges = edges,
	.reload = reload,
	.stop = stop,
	.status = status,
};

int
worker_main(int argc, char *argv[])
{
	static struct worker w;
	uint64_t fds;

	child_init(&w.child, &spec, &w, argc, argv);
	fds = w.child.ids.descriptors;
	fds = fds > RESERVED_FDS ? (fds - RESERVED_FDS) / MAILDIR_FDS : 1;
	worker_init(&w, &w.child.loop, &fs_real, w.child.conf,
	    fds < OPEN_MAILDIRS ? (size_t)fds : OPEN_MAILDIRS);
	(void)!stat(w.child.directory, &w.confined);
	child_enter(&w.child);
	w.lane = disk_lane_new(w.loop, true);
	return child_run(&w.child);
}

static void
worker_init(struct worker *w, struct ev_loop *loop, const struct fs *fs,
    const struct conf *conf, size_t open_max)
{
	w->loop = loop;
	w->fs = fs;
	content_init(&w->content);
	buf_init(&w->prefix, PREFIX_BYTES);
	w->arena = ARENA_INIT(JOB_ARENA_BYTES);
	w->gathering.texts = ARENA_INIT(TEXTS_BYTES);
	w->syncing.texts = ARENA_INIT(TEXTS_BYTES);
	w->gathering.news = BUF_INIT(NEWS_BYTES);
	w->syncing.news = BUF_INIT(NEWS_BYTES);
	TAILQ_INIT(&w->large);
	ev_task_init(&w->end_of_turn, end_turn, w);
	ev_timer_init(&w->next_large, loop, large_go_on, w);
	ev_timer_init(&w->sync_later, loop, end_turn, w);
	durable_init(&w->durable, fs, DURABLE_AUTO);
	w->maildirs = maildirs_new(fs, &w->durable, conf->hostname,
	    conf->path_mail, open_max, MAILDIR_CHECK_MS);
	worker_configure(w, conf);
}

struct worker *
worker_new(struct ev_loop *loop, const struct fs *fs, const struct conf *conf,
    size_t open_max, bool threaded)
{
	struct worker *w = mem_alloc(sizeof(*w));

	worker_init(w, loop, fs, conf, open_max);
	w->lane = disk_lane_new(loop, threaded);
	return w;
}

void
worker_free(struct worker **wp)
{
	struct worker *w = *wp;

	*wp = NULL;
	if (w == NULL)
		return;
	w->local = NULL;
	while (!TAILQ_EMPTY(&w->large))
		large_end(w, TAILQ_FIRST(&w->large), "4.3.0 it is over");
	ev_timer_clear(&w->next_large);
	ev_timer_clear(&w->sync_later);
	ev_task_cancel(w->loop, &w->end_of_turn);
	disk_lane_drain(w->lane);
	disk_lane_free(&w->lane);
	batch_clear(&w->gathering);
	batch_clear(&w->syncing);
	free(w->gathering.answers);
	free(w->syncing.answers);
	buf_clear(&w->gathering.news);
	buf_clear(&w->syncing.news);
	maildirs_free(&w->maildirs);
	durable_clear(&w->durable);
	content_clear(&w->content);
	buf_clear(&w->prefix);
	arena_clear(&w->arena);
	free(w->path_mail);
	free(w);
}

static void
worker_configure(struct worker *w, const struct conf *conf)
{
	if (!durable_mode_parse(conf->local_sync, &w->durable.mode))
		log_error("event=bad-setting key=local.sync");
	free(w->path_mail);
	w->path_mail = mem_strdup(conf->path_mail);
	w->delimiter = conf->recipient_delimiter[0];
	w->forward = conf->local_forward;
	w->refuse_full = strcmp(conf->quota_full, "refuse") == 0;
}

/* ---- what local asks ---------------------------------------------------- */

static void
local_says(void *arg, struct channel *ch, struct message *m)
{
	struct worker *w = arg;

	w->local = ch;
	switch (m->type) {
	case LW_JOB:
	case LW_JOB_FILE:
		take_job(w, ch, m);
		break;
	case LW_USAGE_ASK:
		take_usage_ask(w, ch, m);
		break;
	case LW_CANCEL:
		take_cancel(w, m->id);
		break;
	case LW_END:
		stop(w);
		break;
	default:
		channel_breach(ch, "direction");
	}
}

static void
take_job(struct worker *w, struct channel *ch, struct message *m)
{
	struct wire body = m->body;
	struct job j;

	arena_clear(&w->arena);
	if (!job_unpack(&body, &w->arena, &j) || !wire_done(&body)) {
		channel_breach(ch, "job");
		return;
	}
	if (m->nfds > 0 && j.nrecipients > 1 &&
	    j.size > TURN_BYTES / j.nrecipients)
		large_add(w, m);
	else
		deliver_some(w, m->id, &j, m->nfds > 0 ? m->fds[0] : -1, 0,
		    j.nrecipients);
}

static void
deliver_some(struct worker *w, uint64_t id, const struct job *j, int fd,
    size_t from, size_t n)
{
	struct answer a;
	size_t i;
	int error = 0;

	if (content_set(&w->content, j, fd) == -1) {
		error = errno;
		log_error("id=%s event=content-unreadable reason=%s",
		    queue_id_text(j->queue_id).s,
		    LOG_Q(slice_str(strerror(error))));
	}
	for (i = from; i < from + n; i++) {
		a = (struct answer){ .job = id,
			.number = j->recipients[i].number };
		if (error == EBADMSG)
			a.outcome = outcome_of_errno(error);
		else if (error != 0)
			a.outcome = outcome_of("4.3.0 the queue file cannot "
			    "be read");
		else
			deliver(w, j, &j->recipients[i], &a);
		answer(w, &a);
	}
}

/* ---- large messages for many -------------------------------------------- */

static void
large_add(struct worker *w, struct message *m)
{
	struct large *l = mem_alloc(sizeof(*l));

	l->parcel = parcel_new(m);
	TAILQ_INSERT_TAIL(&w->large, l, link);
	if (++w->nlarge == LARGE_JOBS)
		channel_pause(w->local, true);
	ev_timer_set(&w->next_large, 0);
}

/* Some recipients of the first, which then goes to the end of the line. */
static void
large_go_on(void *arg)
{
	struct worker *w = arg;
	struct large *l = TAILQ_FIRST(&w->large);
	const struct job *j;
	size_t n;

	if (l == NULL)
		return;
	j = &l->parcel->job;
	n = TURN_BYTES / (size_t)(j->size < TURN_BYTES ? j->size + 1 :
	    TURN_BYTES);
	if (n > j->nrecipients - l->next)
		n = j->nrecipients - l->next;
	deliver_some(w, l->parcel->id, j, l->parcel->fd, l->next, n);
	l->next += n;
	if (l->next == j->nrecipients)
		large_end(w, l, NULL);
	else {
		TAILQ_REMOVE(&w->large, l, link);
		TAILQ_INSERT_TAIL(&w->large, l, link);
	}
	if (!TAILQ_EMPTY(&w->large))
		ev_timer_set(&w->next_large, 0);
}

/* The recipients that are left are answered with why. */
static void
large_end(struct worker *w, struct large *l, const char *why)
{
	const struct job *j = &l->parcel->job;
	struct answer a = { .job = l->parcel->id };

	for (; l->next < j->nrecipients; l->next++) {
		a.number = j->recipients[l->next].number;
		a.outcome = outcome_of(why);
		answer(w, &a);
	}
	TAILQ_REMOVE(&w->large, l, link);
	if (w->nlarge-- == LARGE_JOBS && w->local != NULL)
		channel_pause(w->local, false);
	parcel_drop(l->parcel);
	free(l);
}

static void
take_cancel(struct worker *w, uint64_t id)
{
	struct large *l;

	TAILQ_FOREACH(l, &w->large, link)
		if (l->parcel->id == id) {
			large_end(w, l, "4.3.0 cancelled");
			return;
		}
}

/* ---- other questions ---------------------------------------------------- */

static void
take_usage_ask(struct worker *w, struct channel *ch, struct message *m)
{
	struct slice path = get_slice(&m->body, 4096);
	struct quota used = { 0, 0 };
	uint64_t more;
	struct buf *b;
	bool known;

	more = get_u64(&m->body);
	if (!wire_done(&m->body)) {
		channel_breach(ch, "usage");
		return;
	}
	known = maildir_used(w->maildirs, path, more, &used) == 0;
	b = channel_begin(ch, LW_USAGE, m->id);
	if (b != NULL) {
		put_u8(b, known);
		put_u64(b, used.bytes);
		put_u64(b, used.messages);
	}
	channel_end(ch);
}

/* Without local there is nobody to work for; the next one starts its own. */
static void
local_is_gone(void *arg, struct channel *ch)
{
	struct worker *w = arg;

	(void)ch;
	w->local = NULL;
	ev_stop(w->loop);
}

/* ---- one recipient ------------------------------------------------------ */

static void
deliver(struct worker *w, const struct job *j, const struct job_recipient *r,
    struct answer *a)
{
	if (prefix_has_looped(content_head(&w->content), prefix_address(r)))
		a->outcome = outcome_of("5.4.6 mail loop: the message was "
		    "delivered to this address before");
	else if (w->forward && r->to.flags & DEST_FORWARD &&
	    r->to.kind == DEST_MAILDIR && r->to.user.n > 0)
		follow_forward(w, j, r, a);
	else
		to_mailbox(w, j, r, &a->outcome);
}

/* The text lasts as long as this turn's answers; a plain one where there are
 * too many. */
static struct outcome
outcome_with(struct worker *w, const char *plain, struct slice more)
{
	struct outcome o = outcome_of(plain);
	struct slice copy;

	if (arena_copy(&w->gathering.texts, more, &copy) == 0)
		o.text = copy;
	return o;
}

static void
follow_forward(struct worker *w, const struct job *j,
    const struct job_recipient *r, struct answer *a)
{
	struct forward_owner owner = { .user = r->to.user,
		.address = r->address, .home = r->to.home,
		.delimiter = w->delimiter };
	struct buf why = BUF_INIT(1000);
	struct forward f;

	forward_init(&f);
	switch (forward_read(w->fs, &owner, &f, &why)) {
	case FORWARD_NONE:
		to_mailbox(w, j, r, &a->outcome);
		break;
	case FORWARD_BROKEN:
		log_warn("id=%s event=forward-broken user=%s why=%s",
		    queue_id_text(j->queue_id).s, LOG_Q(r->to.user),
		    LOG_Q(buf_slice(&why)));
		a->outcome = outcome_with(w, "4.3.5 ~/.forward is broken",
		    buf_slice(&why));
		break;
	case FORWARD_OK:
		a->outcome = outcome_delivered();
		a->here = f.here;
		if (f.here)
			to_mailbox(w, j, r, &a->outcome);
		/* Where no copy could be kept the sender is told of that, and
		 * nothing is forwarded yet. */
		a->expanded = f.ntargets > 0 &&
		    a->outcome.status == OUTCOME_DELIVERED;
		if (a->expanded) {
			a->targets = buf_slice(&f.targets);
			f.targets = BUF_INIT(0);
		}
		break;
	}
	buf_clear(&why);
	forward_clear(&f);
}

static void
to_mailbox(struct worker *w, const struct job *j,
    const struct job_recipient *r, struct outcome *o)
{
	switch (r->to.kind) {
	case DEST_MAILDIR:
		to_maildir(w, j, r, o);
		break;
	case DEST_FILE:
		to_mbox(w, j, r, o);
		break;
	case DEST_DISCARD:
		*o = outcome_delivered();
		break;
	case DEST_COMMAND:
	case DEST_REMOTE:
	case DEST_FAIL:
	case DEST_DEFER:
		*o = outcome_of("4.3.5 not a mailbox's destination");
		break;
	}
}

/*
 * Landlock knows the directory that was there when this process was confined.
 * Where another has taken its place, as when its file system is mounted later
 * than we were started, nothing in that can be written: the next process can.
 */
static void
end_if_exchanged(struct worker *w)
{
	const char *path = w->child.directory;
	struct stat st;

	if (path == NULL || w->ending || stat(path, &st) == -1 ||
	    (st.st_dev == w->confined.st_dev &&
	    st.st_ino == w->confined.st_ino))
		return;
	log_warn("event=directory-exchanged path=%s", LOG_Q(slice_str(path)));
	stop(w);
}

static void
tell_failed(struct worker *w, const struct job *j,
    const struct job_recipient *r, int error)
{
	log_error("id=%s event=delivery-failed to=%s path=%s reason=%s",
	    queue_id_text(j->queue_id).s, LOG_Q(r->address), LOG_Q(r->to.path),
	    LOG_Q(slice_str(strerror(error))));
	end_if_exchanged(w);
}

static void
to_mbox(struct worker *w, const struct job *j, const struct job_recipient *r,
    struct outcome *o)
{
	struct mbox_copy c = { .path = r->to.path,
		.reverse_path = j->reverse_path, .now_ms = clock_wall_ms(),
		.content = &w->content };
	int error;

	buf_reset(&w->prefix);
	prefix_write(&w->prefix, j, r);
	c.prefix = buf_slice(&w->prefix);
	if (mbox_append(w->fs, &c) == 0) {
		*o = outcome_delivered();
		return;
	}
	error = errno;
	if (error == EAGAIN)
		*o = outcome_of("4.2.0 the mailbox is locked");
	else if (error == EINVAL || error == ELOOP)
		*o = outcome_of("4.3.5 the mailbox is no regular file");
	else
		*o = outcome_of_errno(error);
	tell_failed(w, j, r, error);
}

/* Directories may be made below path.mail, or below a home that exists. */
static struct slice
root_for(const struct worker *w, const struct job_recipient *r)
{
	struct slice mail = slice_str(w->path_mail);

	if (r->to.flags & DEST_VIRTUAL && mail.n > 0 &&
	    slice_starts(r->to.path, mail))
		return mail;
	return r->to.home;
}

static void
to_maildir(struct worker *w, const struct job *j,
    const struct job_recipient *r, struct outcome *o)
{
	struct maildir_copy c = {
		.path = r->to.path,
		.root = root_for(w, r),
		.queue_id = j->queue_id,
		.number = r->number,
		.arrived_ms = j->arrived_ms,
		.maybe_done = r->maybe_done,
		.quota_bytes = r->to.quota_bytes,
		.quota_messages = r->to.quota_messages,
		.content = &w->content,
	};
	int error;

	buf_reset(&w->prefix);
	prefix_write(&w->prefix, j, r);
	c.prefix = buf_slice(&w->prefix);
	switch (maildir_store(w->maildirs, &c)) {
	case MAILDIR_STORED:
		*o = outcome_delivered();
		break;
	case MAILDIR_FULL:
		*o = outcome_of(w->refuse_full ? "5.2.2 mailbox is full" :
		    "4.2.2 mailbox is full");
		break;
	case MAILDIR_TOO_LARGE:
		*o = outcome_of("5.2.3 the message is larger than the mailbox "
		    "may be");
		break;
	case MAILDIR_FAILED:
		error = errno;
		*o = outcome_of_errno(error);
		tell_failed(w, j, r, error);
		break;
	}
}

/* ---- answers ------------------------------------------------------------ */

static void
answer(struct worker *w, const struct answer *a)
{
	struct batch *b = &w->gathering;

	if (b->n == b->cap) {
		b->cap = b->cap * 2 + 64;
		b->answers = mem_regrow(b->answers, b->cap,
		    sizeof(*b->answers));
	}
	b->answers[b->n++] = *a;
	ev_task_ask(w->loop, &w->end_of_turn);
}

static void
batch_clear(struct batch *b)
{
	while (b->n > 0)
		free((void *)(uintptr_t)b->answers[--b->n].targets.p);
	arena_clear(&b->texts);
	buf_reset(&b->news);
}

/* Too many for one batch: their sessions look for themselves in the end. */
static void
add_news(void *arg, struct slice path)
{
	struct batch *b = arg;

	if (b->news.n + path.n + 1 > NEWS_BYTES)
		return;
	buf_add(&b->news, path);
	buf_add_byte(&b->news, '\0');
}

/* What is durable is told to the sessions that have the mailbox open. */
static void
send_news(struct worker *w, const struct batch *batch)
{
	const char *p = batch->news.p;
	struct buf *b;

	for (; p < batch->news.p + batch->news.n && w->local != NULL;
	    p += strlen(p) + 1) {
		b = channel_begin(w->local, LW_NEWS, 0);
		if (b != NULL) {
			put_slice(b, slice_str(p));
			put_slice(b, SLICE_LIT("INBOX"));
			put_u8(b, 0);
		}
		channel_end(w->local);
	}
}

static int64_t
sync_apart_ms(size_t nanswers)
{
	if (nanswers >= SYNC_APART_MAX_MS / SYNC_APART_MS)
		return SYNC_APART_MAX_MS;
	return (int64_t)nanswers * SYNC_APART_MS;
}

static bool
sync_is_too_soon(struct worker *w)
{
	int64_t wait = w->sync_next_ms - clock_mono_ms();

	if (wait <= 0 || w->gathering.n >= SYNC_AT_ONCE || w->ending)
		return false;
	ev_timer_set(&w->sync_later, wait);
	return true;
}

static void
end_turn(void *arg)
{
	struct worker *w = arg;
	struct batch b;

	if (w->durable.running)
		return;		/* synced() asks again */
	if (!durable_is_pending(&w->durable)) {
		send_answers(w, &w->gathering);
		if (w->ending)
			ev_stop(w->loop);
		return;
	}
	if (sync_is_too_soon(w))
		return;
	w->sync_next_ms = clock_mono_ms() + sync_apart_ms(w->gathering.n);
	/* Before the sync, which makes the records durable with the rest. */
	maildirs_record(w->maildirs, add_news, &w->gathering);
	b = w->syncing;
	w->syncing = w->gathering;
	w->gathering = b;
	durable_start(&w->durable, w->lane, synced, w);
}

static void
synced(void *arg, bool ok)
{
	struct worker *w = arg;
	struct answer *a;
	size_t i;

	if (!ok)
		log_error("event=sync-failed deliveries=%zu", w->syncing.n);
	for (i = 0; !ok && i < w->syncing.n; i++) {
		a = &w->syncing.answers[i];
		if (a->outcome.status != OUTCOME_DELIVERED)
			continue;
		a->outcome = outcome_of("4.3.0 the mailbox could not be "
		    "synced");
		a->expanded = false;
	}
	if (ok)
		send_news(w, &w->syncing);
	send_answers(w, &w->syncing);
	ev_task_ask(w->loop, &w->end_of_turn);
}

/* One message for each run of answers to the same job. */
static void
send_answers(struct worker *w, struct batch *batch)
{
	const struct answer *a = batch->answers, *end = a + batch->n, *next;
	struct buf *b;

	for (; a < end && w->local != NULL; a = next) {
		next = a + 1;
		if (a->expanded) {
			send_expanded(w, a);
			continue;
		}
		while (next < end && next - a < ANSWERS_TOGETHER &&
		    next->job == a->job && !next->expanded)
			next++;
		b = channel_begin(w->local, LW_RESULT, a->job);
		if (b == NULL)
			break;
		put_u32(b, (uint32_t)(next - a));
		for (; a < next; a++) {
			put_u32(b, a->number);
			outcome_pack(b, &a->outcome);
		}
		channel_end(w->local);
	}
	batch_clear(batch);
}

static void
send_expanded(struct worker *w, const struct answer *a)
{
	struct buf *b = channel_begin(w->local, LW_EXPANDED, a->job);

	if (b != NULL) {
		put_u32(b, a->number);
		put_u8(b, a->here);
		put_slice(b, a->targets);
	}
	channel_end(w->local);
}
