/* SPDX-License-Identifier: ISC */
/*
 * worker - starts a process of a mailbox owner's uid when local asks for one.
 *
 * local is not trusted: what it may ask for is checked here.  It never gets a
 * process of root's, of a system uid (but user.mail and user.commands), or
 * more of them than local.workers.
 *
 * Always: one worker at a time writes for an owner in a directory, whoever has
 * started it.  The one that a `local` or a master before has left may be
 * writing still, and two would each look for a copy that the other is about to
 * make.  So each has an open file of its own below path.run, locked, until it
 * has ended: it inherits that, and does nothing with it.
 */
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "master.h"

static const char *why_not(struct master *, enum role, struct account,
		    struct slice directory);
static void	 refuse(struct process *local, uint32_t slot,
		    const char *why);

void
worker_wanted(struct process *local, struct message *msg)
{
	struct master *m = local->master;
	struct wire *w = &msg->body;
	uint32_t slot = get_u32(w);
	enum role role = get_u32(w);
	struct account who = { .uid = get_u32(w), .gid = 0 };
	struct slice user, directory;
	struct process *p;
	const char *why;

	who.gid = get_u32(w);
	user = get_slice(w, 256);
	directory = get_slice(w, 4096);
	if (!wire_done(w) || (role != ROLE_WORKER && role != ROLE_COMMAND) ||
	    memchr(user.p, '\0', user.n) != NULL) {
		channel_breach(local->channel, "worker");
		return;
	}
	why = why_not(m, role, who, directory);
	if (why != NULL) {
		log_warn("event=worker-refused role=%s uid=%u directory=%s "
		    "why=\"%s\"", role_name(role), (unsigned)who.uid,
		    LOG_Q(directory), why);
		refuse(local, slot, why);
		return;
	}
	p = process_new(m, role, slot);
	p->account = who;
	p->user = mem_slicedup(user);
	p->directory = mem_slicedup(directory);
	process_event(p, EVENT_START);
}

static const char *
why_not(struct master *m, enum role role, struct account who,
    struct slice directory)
{
	const struct process *p;
	uint64_t n = 0, all = 0;

	if (m->phase == SUITE_STOPPING)
		return "the suite is stopping";
	if (role == ROLE_WORKER && restart_gave_queue(m))
		return "another suite has the queue";
	if (m->mode == PRIV_USER && who.uid != m->mail_account.uid)
		return "without root only its own user's";
	if (who.uid == 0 || (m->mode == PRIV_FULL && who.gid == 0))
		return "never as root";
	if (m->mode == PRIV_FULL && who.uid < m->conf->user_minimum_uid &&
	    who.uid != m->mail_account.uid &&
	    who.uid != m->command_account.uid)
		return "the uid is below user.minimum_uid";
	if (!worker_is_path(directory) && !(role == ROLE_COMMAND &&
	    directory.n == 0))
		return "not a directory for mail";
	TAILQ_FOREACH(p, &m->processes, entry)
		if (p->role == ROLE_WORKER || p->role == ROLE_COMMAND) {
			all++;
			n += !p->given_up;
		}
	if (n >= m->conf->local_workers || all >= 2 * m->conf->local_workers)
		return "local.workers are running";
	return NULL;
}

/* local asks for the next as soon as one has closed its channel, which is
 * before that has ended: it does not count any more. */
void
worker_given_up(struct master *m, enum role role, unsigned slot)
{
	struct process *p = process_find(m, role, slot);

	if (p != NULL && (role == ROLE_WORKER || role == ROLE_COMMAND))
		p->given_up = true;
}

static int
lock_path(const struct process *p, char *path, size_t size)
{
	static const uint64_t key[2] = { 0, 0 };	/* the same in all */

	if ((size_t)snprintf(path, size, "%s/" WORKERS_DIR "/%u-%016" PRIx64,
	    p->master->conf->path_run, (unsigned)p->account.uid,
	    siphash(key, slice_str(p->directory))) < size)
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

/* Who had it before removes it: what was locked may be no file any more. */
static bool
is_still(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && lstat(path, &b) == 0 &&
	    a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

int
worker_lock(struct process *p)
{
	char path[PATH_MAX];
	int e, fd;

	if (lock_path(p, path, sizeof(path)) == -1)
		return -1;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB) == -1)
		e = errno;
	else if (!is_still(fd, path))
		e = EWOULDBLOCK;
	else {
		p->lock_fd = fd;
		return 0;
	}
	close(fd);
	errno = e;
	return -1;
}

void
worker_unlock(struct process *p)
{
	char path[PATH_MAX];

	if (p->lock_fd == -1)
		return;
	if (lock_path(p, path, sizeof(path)) == 0)
		unlink(path);
	close(p->lock_fd);
	p->lock_fd = -1;
}

/* Absolute, not the root itself, without "..", and with nothing that would be
 * more than one path for Landlock. */
bool
worker_is_path(struct slice path)
{
	struct slice rest = path, part;

	if (path.n < 2 || path.p[0] != '/' ||
	    memchr(path.p, '\0', path.n) != NULL ||
	    memchr(path.p, ':', path.n) != NULL)
		return false;
	while (slice_next(&rest, '/', &part))
		if (slice_eq(part, SLICE_LIT("..")))
			return false;
	return true;
}

static void
refuse(struct process *local, uint32_t slot, const char *why)
{
	struct buf *b = channel_begin(local->channel, CTL_WORKER_REFUSED, 0);

	if (b != NULL) {
		put_u32(b, slot);
		put_slice(b, slice_str(why));
	}
	channel_end(local->channel);
}

/* Nothing for processes that local did not ask for. */
void
worker_not_started(struct process *p)
{
	struct process *local = process_find(p->master, ROLE_LOCAL, 0);

	if ((p->role == ROLE_WORKER || p->role == ROLE_COMMAND) &&
	    local != NULL && process_is_alive(local))
		refuse(local, p->index, "it could not be started");
}

/* Another suite has the queue, and its workers wait for ours.  What local wants
 * one for now is nobody's any more. */
void
worker_make_way(struct master *m)
{
	struct process *p, *next;

	TAILQ_FOREACH_SAFE(p, &m->processes, entry, next)
		if (p->role == ROLE_WORKER) {
			if (p->state == PROCESS_WAITING)
				worker_not_started(p);
			process_event(p, EVENT_STOP);
		}
}

/* local is gone, and with it who would hear their answers. */
void
worker_end_all(struct master *m)
{
	struct process *p, *next;

	TAILQ_FOREACH_SAFE(p, &m->processes, entry, next)
		if (p->role == ROLE_WORKER || p->role == ROLE_COMMAND)
			process_event(p, EVENT_STOP);
}
