/* SPDX-License-Identifier: ISC */
/*
 * reload - puts a new configuration in the place of the old.
 *
 * The file is read and checked whole, and new listeners are bound, before
 * anything changes: a broken file, or an address that is taken, leaves all as
 * it was.  Then each process gets its part and says whether it took it.
 * Listeners that stay are not touched, and no connection ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"
#include "ipc/backends.h"
#include "master.h"

#define ANSWER_MS	10000
#define LINES_BYTES	(256 * 1024)

struct reload {
	struct master	*master;
	void		(*done)(void *, int, struct slice);
	void		*arg;
	struct buf	 lines;
	struct ev_timer	 timer;
	unsigned	 owed;		/* answers */
	int		 status;
};

static void	 finish_now(void (*)(void *, int, struct slice), void *,
		    int status, struct buf *lines);
static void	 keep_what_cannot_change(struct master *, struct conf *,
		    struct buf *);
static void	 give_or_renew(struct reload *, struct process *);
static void	 give_configuration(struct reload *, struct process *);
static void	 too_late(void *);
static void	 finish(struct reload *);

void
reload_start(struct master *m, void (*done)(void *, int, struct slice),
    void *arg)
{
	struct buf lines = BUF_INIT(LINES_BYTES);
	struct listeners fresh;
	struct process *p;
	struct reload *r;
	struct conf *conf;

	if (m->reload != NULL || m->restart != NULL ||
	    m->phase != SUITE_RUNNING) {
		buf_printf(&lines, "%s; try again in a moment\n",
		    m->reload != NULL ? "a reload is under way" :
		    m->restart != NULL ? "a restart is under way" :
		    "the suite is starting or stopping");
		finish_now(done, arg, EX_TEMPFAIL, &lines);
		return;
	}
	conf = conf_load(m->conf_path, &lines);
	if (conf == NULL) {
		finish_now(done, arg, EX_CONFIG, &lines);
		return;
	}
	keep_what_cannot_change(m, conf, &lines);
	if (backends_check(conf, m->mode == PRIV_FULL, &lines) == -1 ||
	    pki_check(conf, &lines) == -1) {
		conf_free(&conf);
		finish_now(done, arg, EX_CONFIG, &lines);
		return;
	}
	if (listen_prepare(m, conf, &fresh, &lines) == -1) {
		conf_free(&conf);
		finish_now(done, arg, EX_CONFIG, &lines);
		return;
	}
	conf_free(&m->conf);
	m->conf = conf;
	sessions_keep_none(m);
	if (ground_open_log(m, &lines) == -1)
		log_error("event=log-not-opened why=%s",
		    LOG_Q(buf_slice(&lines)));
	r = mem_alloc(sizeof(*r));
	*r = (struct reload){ .master = m, .done = done, .arg = arg,
		.lines = lines };
	m->reload = r;
	ev_timer_init(&r->timer, &m->loop, too_late, r);
	ev_timer_set(&r->timer, ANSWER_MS);
	master_notify("RELOADING=1");
	TAILQ_FOREACH(p, &m->processes, entry)
		if (process_is_alive(p))
			give_or_renew(r, p);
	TAILQ_FOREACH(p, &m->processes, entry)
		if (process_is_alive(p))
			texts_give(p);
	pki_reload(m);
	history_reload(m);
	listen_commit(m, &fresh);
	master_make_served(m);
	TAILQ_FOREACH(p, &m->processes, entry)
		if (p->state == PROCESS_DOWN)
			process_event(p, EVENT_START);
	if (r->owed == 0)
		finish(r);
}

static void
finish_now(void (*done)(void *, int, struct slice), void *arg, int status,
    struct buf *lines)
{
	log_error("event=reload-failed why=%s", LOG_Q(buf_slice(lines)));
	done(arg, status, buf_slice(lines));
	buf_clear(lines);
}

/* These are built into processes that run; the next start takes them. */
static void
keep_what_cannot_change(struct master *m, struct conf *c, struct buf *lines)
{
	struct {
		const char	*name;
		const char	**fresh;
		const char	*old;
	} texts[] = {
		{ "path.queue", &c->path_queue, m->conf->path_queue },
		{ "path.run", &c->path_run, m->conf->path_run },
		{ "path.mail", &c->path_mail, m->conf->path_mail },
		{ "path.history", &c->path_history, m->conf->path_history },
		{ "user.prefix", &c->user_prefix, m->conf->user_prefix },
		{ "user.mail", &c->user_mail, m->conf->user_mail },
		{ "user.commands", &c->user_commands,
		  m->conf->user_commands },
	};
	struct {
		const char	*name;
		uint64_t	*fresh;
		uint64_t	 old;
	} numbers[] = {
		{ "process.smtpd", &c->process_smtpd,
		  m->conf->process_smtpd },
		{ "process.verifier", &c->process_verifier,
		  m->conf->process_verifier },
		{ "process.remote", &c->process_remote,
		  m->conf->process_remote },
		{ "process.login", &c->process_login,
		  m->conf->process_login },
	};
	struct slice copy;
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (strcmp(*texts[i].fresh, texts[i].old) == 0)
			continue;
		buf_printf(lines, "note: %s changes with the next start\n",
		    texts[i].name);
		if (arena_copy(c->arena, slice_str(texts[i].old), &copy) == 0)
			*texts[i].fresh = copy.p;
	}
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (*numbers[i].fresh == numbers[i].old)
			continue;
		buf_printf(lines, "note: %s changes with the next start\n",
		    numbers[i].name);
		*numbers[i].fresh = numbers[i].old;
	}
}

/* A process that may read other directories from now on has to be another:
 * Landlock never widens. */
static void
give_or_renew(struct reload *r, struct process *p)
{
	char *readable = wire_readable(r->master->conf, priv_of(p->role));
	gid_t group;
	unsigned lent = wire_lent(r->master, p->role, &group);

	/* Modules of PAM are loaded at the start. */
	if (p->state == PROCESS_RUNNING && (strcmp(readable, p->readable) !=
	    0 || lent != p->lent || group != p->group ||
	    lent & LEND_MODULES)) {
		p->renew_owed = true;
		r->owed++;
		process_renew(p);
	} else
		give_configuration(r, p);
	free(readable);
}

static void
give_configuration(struct reload *r, struct process *p)
{
	int fd = conf_to_memfd(r->master->conf, p->role);

	if (fd == -1) {
		buf_printf(&r->lines, "%s %u: %s\n", role_name(p->role),
		    p->index, strerror(errno));
		r->status = EX_OSERR;
		return;
	}
	wire_log(p);
	if (channel_begin(p->channel, CTL_RELOAD, 0) != NULL) {
		p->reload_owed = true;
		r->owed++;
	}
	channel_end_fds(p->channel, &fd, 1);
}

void
reload_answered(struct process *p, bool taken, struct slice why)
{
	struct reload *r = p->master->reload;

	if (r == NULL)
		return;
	if (!taken) {
		buf_printf(&r->lines, "%s %u keeps its old configuration: ",
		    role_name(p->role), p->index);
		buf_add(&r->lines, why);
		buf_add_byte(&r->lines, '\n');
		r->status = EX_CONFIG;
	}
	if (--r->owed == 0)
		finish(r);
}

/* Its successor starts with the new one. */
void
reload_process_gone(struct process *p)
{
	struct reload *r = p->master->reload;

	if (r != NULL && p->reload_owed && --r->owed == 0)
		finish(r);
}

static void
too_late(void *arg)
{
	struct reload *r = arg;
	struct process *p;

	TAILQ_FOREACH(p, &r->master->processes, entry) {
		if (!p->reload_owed && !p->renew_owed)
			continue;
		p->reload_owed = p->renew_owed = false;
		buf_printf(&r->lines, "%s %u has not answered within %d s\n",
		    role_name(p->role), p->index, ANSWER_MS / 1000);
		r->status = EX_TEMPFAIL;
	}
	finish(r);
}

static void
finish(struct reload *r)
{
	struct master *m = r->master;

	m->reload = NULL;
	master_notify("READY=1");
	if (r->status == 0)
		log_info("event=reloaded");
	else
		log_error("event=reload-incomplete why=%s",
		    LOG_Q(buf_slice(&r->lines)));
	r->done(r->arg, r->status, buf_slice(&r->lines));
	ev_timer_clear(&r->timer);
	buf_clear(&r->lines);
	free(r);
}
