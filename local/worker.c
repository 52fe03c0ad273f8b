/* SPDX-License-Identifier: ISC */
/*
 * worker - see worker.h.
 *
 * A job is carried out when it is read; its answers wait for the end of the
 * turn, when one sync covers all that the turn has written.  Always: an answer
 * that says delivered is sent only after durable_end() was true (S1, Q2).
 */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "content.h"
#include "durable.h"
#include "ipc/delivery.h"
#include "maildir.h"
#include "outcomes.h"
#include "prefix.h"
#include "worker.h"

#define JOB_ARENA_BYTES	(1024 * 1024)
#define PREFIX_BYTES	(16 * 1024)
#define RESERVED_FDS	64	/* channels, log, job files, group sync */
#define ANSWERS_TOGETHER 128	/* each at most 2 KiB */
#define OPEN_MAILDIRS	1024	/* at most */

struct answer {
	uint64_t	 job;
	uint32_t	 number;
	struct outcome	 outcome;	/* with constant texts */
};

struct worker {
	struct child	 child;
	struct ev_loop	*loop;
	const struct fs	*fs;
	char		*path_mail;	/* owned */
	struct durable	 durable;
	struct maildirs	*maildirs;	/* owned */
	struct content	 content;
	struct buf	 prefix;
	struct arena	 arena;		/* of one job */
	struct channel	*local;		/* who asked last */
	struct answer	*answers;	/* owned; of this turn */
	size_t		 nanswers;
	size_t		 answers_cap;
	struct ev_task	 end_of_turn;
};

static void	 worker_init(struct worker *, struct ev_loop *,
		    const struct fs *, const struct conf *, size_t open_max);
static void	 worker_configure(struct worker *, const struct conf *);
static void	 local_says(void *, struct channel *, struct message *);
static void	 take_job(struct worker *, struct channel *, struct message *);
static void	 local_is_gone(void *, struct channel *);
static void	 deliver(struct worker *, const struct job *,
		    const struct job_recipient *, struct outcome *);
static void	 to_maildir(struct worker *, const struct job *,
		    const struct job_recipient *, struct outcome *);
static void	 answer(struct worker *, uint64_t job, uint32_t number,
		    const struct outcome *);
static void	 end_turn(void *);
static void	 send_answers(struct worker *);

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

	ev_stop(w->loop);	/* after this turn's answers */
}

static const struct child_spec spec = {
	.role = ROLE_WORKER,
	.edges = edges,
	.reload = reload,
	.stop = stop,
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
	child_enter(&w.child);
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
	ev_task_init(&w->end_of_turn, end_turn, w);
	durable_init(&w->durable, fs, DURABLE_AUTO);
	w->maildirs = maildirs_new(fs, &w->durable, conf->hostname, open_max,
	    MAILDIR_CHECK_MS);
	worker_configure(w, conf);
}

struct worker *
worker_new(struct ev_loop *loop, const struct fs *fs, const struct conf *conf,
    size_t open_max)
{
	struct worker *w = mem_alloc(sizeof(*w));

	worker_init(w, loop, fs, conf, open_max);
	return w;
}

void
worker_free(struct worker **wp)
{
	struct worker *w = *wp;

	*wp = NULL;
	if (w == NULL)
		return;
	ev_task_cancel(w->loop, &w->end_of_turn);
	maildirs_free(&w->maildirs);
	durable_clear(&w->durable);
	content_clear(&w->content);
	buf_clear(&w->prefix);
	arena_clear(&w->arena);
	free(w->answers);
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
	case LW_CANCEL:
		break;	/* what was read is written already */
	case LW_END:
		ev_stop(w->loop);
		break;
	default:
		channel_breach(ch, "direction");
	}
}

static void
take_job(struct worker *w, struct channel *ch, struct message *m)
{
	struct outcome o;
	struct job j;
	size_t i;
	int error = 0;

	arena_clear(&w->arena);
	if (!job_unpack(&m->body, &w->arena, &j) || !wire_done(&m->body)) {
		channel_breach(ch, "job");
		return;
	}
	if (content_set(&w->content, &j, m->nfds > 0 ? m->fds[0] : -1) == -1) {
		error = errno;
		log_error("id=%s event=content-unreadable reason=%s",
		    queue_id_text(j.queue_id).s,
		    LOG_Q(slice_str(strerror(error))));
	}
	for (i = 0; i < j.nrecipients; i++) {
		if (error != 0)
			o = outcome_of("4.3.0 the queue file cannot be read");
		else
			deliver(w, &j, &j.recipients[i], &o);
		answer(w, m->id, j.recipients[i].number, &o);
	}
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
    struct outcome *o)
{
	switch (r->to.kind) {
	case DEST_MAILDIR:
		if (prefix_has_looped(content_head(&w->content), r->address))
			*o = outcome_of("5.4.6 mail loop: the message was "
			    "delivered to this address before");
		else
			to_maildir(w, j, r, o);
		break;
	case DEST_DISCARD:
		*o = outcome_delivered();
		break;
	case DEST_FILE:
	case DEST_COMMAND:
	case DEST_REMOTE:
	case DEST_FAIL:
	case DEST_DEFER:
		*o = outcome_of("4.3.5 not a mailbox's destination");
		break;
	}
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
		*o = outcome_of("4.2.2 mailbox is full");
		break;
	case MAILDIR_FAILED:
		error = errno;
		*o = outcome_of_errno(error);
		log_error("id=%s event=delivery-failed to=%s path=%s reason=%s",
		    queue_id_text(j->queue_id).s, LOG_Q(r->address),
		    LOG_Q(r->to.path), LOG_Q(slice_str(strerror(error))));
		break;
	}
}

/* ---- answers ------------------------------------------------------------ */

static void
answer(struct worker *w, uint64_t job, uint32_t number,
    const struct outcome *o)
{
	if (w->nanswers == w->answers_cap) {
		w->answers_cap = w->answers_cap * 2 + 64;
		w->answers = mem_regrow(w->answers, w->answers_cap,
		    sizeof(*w->answers));
	}
	w->answers[w->nanswers++] = (struct answer){ job, number, *o };
	ev_task_ask(w->loop, &w->end_of_turn);
}

static void
end_turn(void *arg)
{
	struct worker *w = arg;
	size_t i;

	if (!durable_end(&w->durable)) {
		log_error("event=sync-failed deliveries=%zu", w->nanswers);
		for (i = 0; i < w->nanswers; i++)
			if (w->answers[i].outcome.status == OUTCOME_DELIVERED)
				w->answers[i].outcome = outcome_of(
				    "4.3.0 the mailbox could not be synced");
	}
	send_answers(w);
	w->nanswers = 0;
}

/* One message for each run of answers to the same job. */
static void
send_answers(struct worker *w)
{
	size_t i, k, n;
	struct buf *b;

	for (i = 0; i < w->nanswers; i += n) {
		for (n = 1; i + n < w->nanswers && n < ANSWERS_TOGETHER &&
		    w->answers[i + n].job == w->answers[i].job; n++)
			;
		b = w->local == NULL ? NULL : channel_begin(w->local, LW_RESULT,
		    w->answers[i].job);
		if (b == NULL)
			return;
		put_u32(b, (uint32_t)n);
		for (k = i; k < i + n; k++) {
			put_u32(b, w->answers[k].number);
			outcome_pack(b, &w->answers[k].outcome);
		}
		channel_end(w->local);
	}
}
