/* SPDX-License-Identifier: ISC */
/* spawn - see spawn.h. */
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/tree.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "ipc/counters.h"
#include "ipc/next_client.h"
#include "login/spawn.h"
#include "os/priv.h"

/* A session's descriptors: 0 to 2, then these, and the log. */
#define SEAT_CHANNEL_FD	3
#define SEAT_CLIENT_FD	4
#define SEAT_LINE_FD	5
#define SEAT_LOG_FD	6
#define SEAT_ORDERS_FD	10	/* until its order has come; above its loop's */
#define SEAT_FDS	512	/* its limit */
#define ABOVE		16	/* where they are while they move */
#define ORDER_FDS	3	/* of CTL_SPAWN */

/* Processes forked ahead, that wait for an order; and their lines, of which
 * some are those of orders that have not been read yet. */
#define AHEAD		4
#define LINES		(2 * AHEAD)

struct forked {
	RB_ENTRY(forked) node;
	pid_t		 pid;
	uint64_t	 session;	/* 0: waits for an order */
	struct line	*line;		/* its orders'; NULL: it is another's */
	bool		 let_go;	/* ends without one */
};
RB_HEAD(forked_tree, forked);

/* Made before the spawn is confined, who can make no socket.  A line has one
 * holder, and gets another one when it is empty. */
struct line {
	int		 fds[2];	/* ours, the holder's; owned */
	struct forked	*holder;
};

/* CTL_SPAWN. */
struct order {
	uint64_t	 session;
	uint32_t	 uid, gid;
	uint64_t	 quota_bytes, quota_messages;
	struct slice	 login, directory, maildir;
};

struct spawn {
	struct child		 child;
	const struct spawn_spec	*spec;
	struct ev_signal	 died;
	struct ev_task		 refill;
	struct forked_tree	 forked;
	struct line		 lines[LINES];
	size_t			 nsessions;
	uint64_t		 begun;
};

static void	 make_lines(struct spawn *);
static void	 control(void *, struct message *);
static void	 status(void *, struct buf *);
static void	 take_order(struct spawn *, struct message *);
static bool	 parse_order(struct slice, struct order *);
static bool	 give(struct spawn *, const struct order *, struct slice,
		    const int fds[ORDER_FDS]);
static void	 refill(void *);
static struct line *free_line(struct spawn *);
static void	 empty(struct line *);
static struct forked *add_forked(struct spawn *, pid_t, uint64_t session);
static int	 reloaded(void *, const struct conf *, struct buf *);
static void	 let_all_go(void *);
static void	 show_processes(struct spawn *, struct message *);
static void	 tell_ended(struct spawn *, uint64_t session, pid_t, int);
static void	 somebody_died(void *, int);
static void	 wait_for_order(struct spawn *, int line)
		    __attribute__((noreturn));
static void	 begin_at_once(struct spawn *, const struct order *,
		    const int fds[ORDER_FDS]) __attribute__((noreturn));
static void	 become_session(struct spawn *, struct seat *,
		    const struct order *) __attribute__((noreturn));
static void	 keep_only(const struct spawn *, const int *fds, int to, int n);
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
		.status = status, .reload = reloaded,
		.log_changed = let_all_go };
	static struct spawn s;

	child.role = spec->spawn;
	s.spec = spec;
	RB_INIT(&s.forked);
	child_init(&s.child, &child, &s, argc, argv);
	setproctitle_init(argc, argv, environ);
	ev_signal_init(&s.died, &s.child.loop, SIGCHLD, somebody_died, &s);
	ev_task_init(&s.refill, refill, &s);
	if (spec->warm != NULL)
		spec->warm();
	priv_prepare(spec->session, spec->spawn);
	make_lines(&s);
	child_enter(&s.child);
	/* What a fork copies page tables for, and, where it is in pieces,
	 * pages: an allocation of the fork's writes to each piece. */
	malloc_trim(0);
	return child_run(&s.child);
}

static void
make_lines(struct spawn *s)
{
	size_t i;

	for (i = 0; i < LINES; i++)
		if (next_client_line(s->lines[i].fds) == -1)
			log_fatal("event=no-descriptors why=\"%s\"",
			    strerror(errno));
}

static void
status(void *arg, struct buf *b)
{
	const struct spawn *s = arg;

	buf_printf(b, "processes=%zu begun=%ju", s->nsessions,
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

/* ---- orders -------------------------------------------------------------- */

static void
take_order(struct spawn *s, struct message *m)
{
	struct slice body = get_rest(&m->body);
	struct order order;
	pid_t pid;

	if (!parse_order(body, &order)) {
		channel_breach(s->child.master, "order");
		return;
	}
	s->begun++;
	ev_task_ask(&s->child.loop, &s->refill);
	if (give(s, &order, body, m->fds))
		return;
	pid = fork();
	if (pid == 0)
		begin_at_once(s, &order, m->fds);
	if (pid == -1) {
		log_error("event=cannot-fork why=\"%s\"", strerror(errno));
		tell_ended(s, order.session, 0, 0);
		return;
	}
	add_forked(s, pid, order.session);
	s->nsessions++;
}

static bool
parse_order(struct slice body, struct order *o)
{
	struct wire w = wire_of(body);

	o->session = get_u64(&w);
	o->uid = get_u32(&w);
	o->gid = get_u32(&w);
	o->quota_bytes = get_u64(&w);
	o->quota_messages = get_u64(&w);
	o->login = get_slice(&w, 512);
	o->directory = get_slice(&w, 4096);
	o->maildir = get_slice(&w, 4096);
	return wire_done(&w);
}

/* To one that was forked ahead. */
static bool
give(struct spawn *s, const struct order *order, struct slice body,
    const int fds[ORDER_FDS])
{
	struct forked *f;
	size_t i;

	for (i = 0; i < LINES; i++) {
		f = s->lines[i].holder;
		if (f == NULL || f->session != 0 || f->let_go)
			continue;
		if (line_send(s->lines[i].fds[0], body, fds, ORDER_FDS) == 0) {
			f->session = order->session;
			s->nsessions++;
			return true;
		}
		f->let_go = true;
	}
	return false;
}

/* ---- forked ahead -------------------------------------------------------- */

/* At the end of a turn in which there were orders: one that fails at once is
 * not tried again and again. */
static void
refill(void *arg)
{
	struct spawn *s = arg;
	struct line *line;
	size_t i, n = 0;
	pid_t pid;

	for (i = 0; i < LINES; i++)
		n += s->lines[i].holder != NULL &&
		    s->lines[i].holder->session == 0;
	for (; n < AHEAD && (line = free_line(s)) != NULL; n++) {
		pid = fork();
		if (pid == 0)
			wait_for_order(s, line->fds[1]);
		if (pid == -1)
			return;
		if (line->holder != NULL)
			line->holder->line = NULL;
		line->holder = add_forked(s, pid, 0);
		line->holder->line = line;
	}
}

static struct line *
free_line(struct spawn *s)
{
	struct line *l;
	char byte;

	for (l = s->lines; l < s->lines + LINES; l++)
		if (l->holder == NULL || (l->holder->session != 0 &&
		    recv(l->fds[1], &byte, 1, MSG_PEEK | MSG_DONTWAIT) == -1))
			return l;
	return NULL;
}

/* Of what its holder has died without. */
static void
empty(struct line *l)
{
	int fds[ORDER_FDS], i;
	char bytes[LINE_BYTES];

	while (recv(l->fds[1], bytes, 1, MSG_PEEK | MSG_DONTWAIT) == 1)
		if (line_wait(l->fds[1], bytes, sizeof(bytes), fds,
		    ORDER_FDS) != -1)
			for (i = 0; i < ORDER_FDS; i++)
				close(fds[i]);
	l->holder = NULL;
}

static struct forked *
add_forked(struct spawn *s, pid_t pid, uint64_t session)
{
	struct forked *f = mem_alloc(sizeof(*f));

	f->pid = pid;
	f->session = session;
	RB_INSERT(forked_tree, &s->forked, f);
	return f;
}

/* They have the configuration of before. */
static int
reloaded(void *arg, const struct conf *conf, struct buf *why)
{
	(void)conf;
	(void)why;
	let_all_go(arg);
	return 0;
}

/* What is no order ends them. */
static void
let_all_go(void *arg)
{
	struct spawn *s = arg;
	struct line *l;

	for (l = s->lines; l < s->lines + LINES; l++)
		if (l->holder != NULL && l->holder->session == 0 &&
		    !l->holder->let_go) {
			l->holder->let_go = true;
			send(l->fds[0], "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		}
}

/* ---- ends ---------------------------------------------------------------- */

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
		fd = (int)syscall(SYS_pidfd_open, f->pid, 0);
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
		if (f->line != NULL)
			empty(f->line);
		if (f->session != 0) {
			tell_ended(s, f->session, f->pid, how);
			s->nsessions--;
		} else if (how != 0)
			log_error("event=cannot-fork why=\"one that was forked "
			    "ahead has died\" status=%d", how);
		RB_REMOVE(forked_tree, &s->forked, f);
		free(f);
	}
}

/* ---- in the fork --------------------------------------------------------- */

/* Nothing of the spawn's is used from here on but its memory: the loop's epoll
 * set is the spawn's too, so it is left without a call that would change it.
 * One that waits has the spawn's rights, and its trust: it hears nobody but the
 * spawn, and until it is confined it reads nothing else. */
static void
wait_for_order(struct spawn *s, int line)
{
	struct seat seat = { .fd = -1 };
	char bytes[LINE_BYTES];
	int fds[ORDER_FDS], fd;
	struct order order;
	ssize_t n;

	signal(SIGCHLD, SIG_DFL);
	counters_keep_to_myself();
	line = fcntl(line, F_DUPFD_CLOEXEC, ABOVE);
	keep_only(s, &line, SEAT_ORDERS_FD, 1);
	setproctitle("%s ahead", role_name(s->spec->spawn));
	/* These are to be the first free ones when the order's come. */
	for (fd = SEAT_CHANNEL_FD; fd <= SEAT_LINE_FD; fd++)
		dup2(SEAT_ORDERS_FD, fd);
	seat_prepare(&seat);
	close_range(SEAT_CHANNEL_FD, SEAT_LINE_FD, 0);
	n = line_wait(SEAT_ORDERS_FD, bytes, sizeof(bytes), fds, ORDER_FDS);
	if (n == -1 || !parse_order(slice_of(bytes, (size_t)n), &order))
		_exit(EX_OK);
	close(SEAT_ORDERS_FD);
	if (fds[0] != SEAT_CHANNEL_FD || fds[1] != SEAT_CLIENT_FD ||
	    fds[2] != SEAT_LINE_FD)
		log_fatal("event=cannot-fork why=\"descriptors\"");
	become_session(s, &seat, &order);
}

static void
begin_at_once(struct spawn *s, const struct order *order,
    const int fds[ORDER_FDS])
{
	struct seat seat = { .fd = -1 };
	int above[ORDER_FDS], i;

	signal(SIGCHLD, SIG_DFL);
	counters_keep_to_myself();
	for (i = 0; i < ORDER_FDS; i++)
		above[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, ABOVE);
	keep_only(s, above, SEAT_CHANNEL_FD, ORDER_FDS);
	seat_prepare(&seat);
	become_session(s, &seat, order);
}

static void
become_session(struct spawn *s, struct seat *seat, const struct order *order)
{
	const struct spawn_spec *spec = s->spec;
	struct priv_ids ids = s->child.ids;
	int r = EX_TEMPFAIL;

	seat->conf = s->child.conf;
	seat->self = spec->session;
	seat->login_role = spec->login;
	seat->line = SEAT_LINE_FD;
	seat->id = order->session;
	seat->quota_bytes = order->quota_bytes;
	seat->quota_messages = order->quota_messages;
	seat->login = mem_slicedup(order->login);
	seat->directory = mem_slicedup(order->directory);
	seat->maildir = mem_slicedup(order->maildir);
	setproctitle("%s %s", role_name(spec->session), seat->login);
	ids.uid = order->uid;
	ids.gid = order->gid;
	ids.root = ids.readable = "";
	ids.writable = seat->directory;
	ids.descriptors = SEAT_FDS;
	priv_enter(spec->session, &ids);
	if (ids.mode == PRIV_FULL)
		take_root(seat);
	if (seat_init(seat, SEAT_CHANNEL_FD, SEAT_CLIENT_FD) == 0)
		r = spec->run(seat);
	seat_clear(seat);
	log_flush();
	_exit(r);
}

/* Of the spawn's descriptors the log, and these, moved to where they belong. */
static void
keep_only(const struct spawn *s, const int *fds, int to, int n)
{
	int next = log_forked(role_name(s->spec->session), SEAT_LOG_FD);
	int i, after = to + n > next ? to + n : next;

	close_range(SEAT_CHANNEL_FD, SEAT_LINE_FD, 0);
	if (next < to)
		close_range((unsigned)next, (unsigned)to - 1, 0);
	for (i = 0; i < n; i++)
		if (fds[i] == -1 || dup2(fds[i], to + i) == -1)
			log_fatal("event=cannot-fork why=\"%s\"",
			    strerror(errno));
	if (close_range((unsigned)after, ~0U, 0) == -1)
		log_fatal("event=cannot-fork why=\"%s\"", strerror(errno));
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
