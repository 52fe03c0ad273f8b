/* SPDX-License-Identifier: ISC */
/* spawn - see spawn.h. */
#include <sys/tree.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "ipc/counters.h"
#include "ipc/session.h"
#include "login/spawn.h"
#include "os/heap.h"
#include "os/huge_text.h"
#include "os/priv.h"
#include "os/proc.h"

/* A session's descriptors: 0 to 2, then these, and the log. */
#define SEAT_CHANNEL_FD	3
#define SEAT_CLIENT_FD	4
#define SEAT_LINE_FD	5
#define SEAT_LOG_FD	6
#define SEAT_FDS	512	/* its limit */
#define ABOVE		16	/* where they are while they move */

struct forked {
	RB_ENTRY(forked) node;
	pid_t		 pid;
	uint64_t	 session;
};
RB_HEAD(forked_tree, forked);

struct spawn {
	struct child		 child;
	const struct spawn_spec	*spec;
	struct ev_signal	 died;
	struct forked_tree	 forked;
	size_t			 nforked;
	uint64_t		 begun;
};

static void	 control(void *, struct message *);
static void	 status(void *, struct buf *);
static void	 take_order(struct spawn *, struct message *);
static void	 show_processes(struct spawn *, struct message *);
static void	 tell_none(struct spawn *, int fd_take);
static void	 tell_ended(struct spawn *, uint64_t session, pid_t, int);
static void	 somebody_died(void *, int);
static void	 become_session(struct spawn *, struct seat *,
		    struct priv_ids *, const int fds[3])
		    __attribute__((noreturn));
static void	 keep_only(const struct spawn *, const int fds[3]);
static void	 take_root(struct seat *);

static int
forked_cmp(const struct forked *a, const struct forked *b)
{
	return a->pid < b->pid ? -1 : a->pid > b->pid;
}

RB_GENERATE_INTERNAL(forked_tree, forked, node, forked_cmp,
    __attribute__((__unused__)) static)

int
spawn_main(const struct spawn_spec *spec, int argc, char *argv[])
{
	static const struct child_edge edges[] = { { 0, NULL, NULL } };
	static struct child_spec child = { .edges = edges, .control = control,
		.status = status };
	static struct spawn s;

	child.role = spec->spawn;
	s.spec = spec;
	RB_INIT(&s.forked);
	huge_text();
	child_init(&s.child, &child, &s, argc, argv);
	setproctitle_init(argc, argv, environ);
	ev_signal_init(&s.died, &s.child.loop, SIGCHLD, somebody_died, &s);
	if (spec->warm != NULL)
		spec->warm();
	priv_prepare(spec->session, spec->spawn);
	child_enter(&s.child);
	heap_fill_gaps();
	return child_run(&s.child);
}

static void
status(void *arg, struct buf *b)
{
	const struct spawn *s = arg;

	buf_printf(b, "processes=%zu begun=%ju", s->nforked,
	    (uintmax_t)s->begun);
}

static void
control(void *arg, struct message *m)
{
	struct spawn *s = arg;

	if (m->type == CTL_SPAWN)
		take_order(s, m);
	else if (m->type == CTL_SPAWN_WHO)
		show_processes(s, m);
	else
		channel_breach(s->child.master, "not-for-a-spawn");
}

static void
take_order(struct spawn *s, struct message *m)
{
	struct wire *w = &m->body;
	struct priv_ids ids = s->child.ids;
	struct seat seat = { .conf = s->child.conf, .fd = -1,
		.self = s->spec->session, .login_role = s->spec->login,
		.line = SEAT_LINE_FD };
	struct slice login, directory, maildir;
	struct forked *f;
	pid_t pid;

	seat.id = get_u64(w);
	ids.uid = get_u32(w);
	ids.gid = get_u32(w);
	seat.quota_bytes = get_u64(w);
	seat.quota_messages = get_u64(w);
	login = get_slice(w, 512);
	directory = get_slice(w, 4096);
	maildir = get_slice(w, 4096);
	if (!wire_done(w)) {
		channel_breach(s->child.master, "order");
		return;
	}
	s->begun++;
	pid = proc_fork_here();
	if (pid == 0) {
		counters_keep_to_myself();
		seat.login = mem_slicedup(login);
		seat.directory = mem_slicedup(directory);
		seat.maildir = mem_slicedup(maildir);
		become_session(s, &seat, &ids, m->fds);
	}
	if (pid == -1) {
		log_error("event=cannot-fork why=\"%s\"", strerror(errno));
		tell_none(s, m->fds[0]);
		m->fds[0] = -1;
		tell_ended(s, seat.id, 0, 0);
		return;
	}
	f = mem_alloc(sizeof(*f));
	f->pid = pid;
	f->session = seat.id;
	RB_INSERT(forked_tree, &s->forked, f);
	s->nforked++;
}

static void
nothing_is_said(void *arg, struct channel *c, struct message *m)
{
	(void)arg;
	(void)c;
	(void)m;
}

static void
nobody_cares(void *arg, struct channel *c)
{
	(void)arg;
	(void)c;
}

/* To the login process, in place of a session. */
static void
tell_none(struct spawn *s, int fd_take)
{
	static const struct message_rule rules[] = RULES_OF(SEAT);
	static const struct channel_ops ops = { nothing_is_said, nobody_cares,
		NULL };
	struct channel *seat = channel_new(&s->child.loop, fd_take, rules,
	    s->spec->session, s->spec->login, 0, &ops, NULL);

	channel_send(seat, SE_NONE, 0, SLICE_EMPTY);
	channel_flush(seat);
	channel_free(&seat);
}

/* To master, which may end them; a pid of ours is nobody else's, since we have
 * not waited for it. */
static void
show_processes(struct spawn *s, struct message *m)
{
	uint64_t session = get_u64(&m->body);
	struct forked *f;
	struct buf *b;
	int fd;

	RB_FOREACH(f, forked_tree, &s->forked) {
		if (f->session != session)
			continue;
		fd = proc_descriptor(f->pid);
		if (fd == -1)
			continue;
		b = channel_begin(s->child.master, CTL_SPAWN_IS, 0);
		if (b != NULL)
			put_u64(b, session);
		channel_end_fds(s->child.master, &fd, 1);
	}
}

static void
tell_ended(struct spawn *s, uint64_t session, pid_t pid, int how)
{
	struct buf *b = channel_begin(s->child.master, CTL_SPAWN_ENDED, 0);

	if (b != NULL) {
		put_u64(b, session);
		put_u32(b, (uint32_t)pid);
		put_u32(b, (uint32_t)how);
	}
	channel_end(s->child.master);
}

static void
somebody_died(void *arg, int sig)
{
	struct spawn *s = arg;
	struct forked key, *f;
	int how;

	(void)sig;
	while ((key.pid = waitpid(-1, &how, WNOHANG)) > 0) {
		f = RB_FIND(forked_tree, &s->forked, &key);
		if (f == NULL)
			continue;
		tell_ended(s, f->session, f->pid, how);
		RB_REMOVE(forked_tree, &s->forked, f);
		s->nforked--;
		free(f);
	}
}

/* ---- in the fork --------------------------------------------------------- */

/* Nothing of the spawn's is used from here on but its memory: the loop's epoll
 * set is the spawn's too, so it is left without a call that would change it. */
static void
become_session(struct spawn *s, struct seat *seat, struct priv_ids *ids,
    const int fds[3])
{
	const struct spawn_spec *spec = s->spec;
	int r = EX_TEMPFAIL;

	signal(SIGCHLD, SIG_DFL);
	keep_only(s, fds);
	setproctitle("%s %s", role_name(spec->session), seat->login);
	ids->root = ids->readable = "";
	ids->writable = seat->directory;
	ids->descriptors = SEAT_FDS;
	priv_enter(spec->session, ids);
	if (ids->mode == PRIV_FULL)
		take_root(seat);
	if (seat_init(seat, SEAT_CHANNEL_FD, SEAT_CLIENT_FD) == 0)
		r = spec->run(seat);
	seat_clear(seat);
	log_flush();
	_exit(r);
}

static void
keep_only(const struct spawn *s, const int fds[3])
{
	int channel = fcntl(fds[0], F_DUPFD_CLOEXEC, ABOVE);
	int client = fcntl(fds[1], F_DUPFD_CLOEXEC, ABOVE);
	int line = fcntl(fds[2], F_DUPFD_CLOEXEC, ABOVE);
	int next = log_forked(role_name(s->spec->session), SEAT_LOG_FD);

	if (channel == -1 || client == -1 || line == -1 ||
	    dup2(channel, SEAT_CHANNEL_FD) == -1 ||
	    dup2(client, SEAT_CLIENT_FD) == -1 ||
	    dup2(line, SEAT_LINE_FD) == -1)
		log_fatal("event=cannot-fork why=\"%s\"", strerror(errno));
	closefrom(next);
}

/* The user's directory is the root from here on. */
static void
take_root(struct seat *seat)
{
	const char *below = seat->maildir + strlen(seat->directory);
	char *maildir = mem_strdup(*below == '\0' ? "/" : below);

	free(seat->maildir);
	seat->maildir = maildir;
}
