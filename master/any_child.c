/* SPDX-License-Identifier: ISC */
/*
 * any_child - a daemon for the tests of master, which plays every role.
 *
 * A test talks to it over any listener, a command a line, an answer a line.  A
 * command that starts with a role's name goes to that role over the channel:
 * "qmgr local pid" asks smtpd's qmgr's local.  It knows its orders for start
 * and reload from the configuration: hostname = WHAT.ROLE.test, where WHAT is
 * die (never READY) or refuse (the reload).
 */
#include <sys/mman.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "ev/stream.h"
#include "ipc/child.h"
#include "ipc/next_client.h"
#include "os/proc.h"

#define SAY(X)								\
	X(SAY_ASK,    1, EITHER, 0, 0, 4096)				\
	X(SAY_ANSWER, 2, EITHER, 0, 0, 4096)
ENUM_MESSAGES(SAY);

struct daemon {
	struct child	 child;
	struct ev_io	 listeners[32];
	size_t		 nlisteners;
	char		 shared[32];
	char		*refused;	/* why a worker was */
	bool		 stubborn;
	char		 secret[65];	/* of grants; hexadecimal */
};

/* A login's end of a session, or a spawn's. */
struct end {
	struct daemon	*daemon;
	uint64_t	 session;	/* 0: free */
	int		 fd;
	struct ev_io	 io;
	int		 line;		/* a spawn's: ipc/next_client.h */
	struct ev_io	 line_io;
};

struct client {
	struct stream	 stream;
	struct daemon	*daemon;
};

/* A client's line, or a peer's: where its answer goes. */
struct asked {
	struct channel	*channel;
	uint64_t	 id;
	int		 fd;
	struct channel	*to;		/* who owes the answer; NULL: nobody */
};

static void	 run_line(struct daemon *, struct slice, struct asked *);
static void	 answer(struct asked *, const char *fmt, ...)
		    __attribute__((format(printf, 2, 3)));

static const struct message_rule say_rules[] = RULES_OF(SAY);
static struct asked waiting[64];	/* by id */
static struct end ends[64];
static struct asked wants_session = { .fd = -1 };
static int	 new_end = -1;		/* of the session that is asked for */

/* ---- commands ---- */

static void
cmd_pid(struct daemon *d, struct slice arg, struct asked *a)
{
	(void)d;
	(void)arg;
	answer(a, "%d", (int)getpid());
}

static void
cmd_peers(struct daemon *d, struct slice arg, struct asked *a)
{
	struct buf b = BUF_INIT(4000);
	size_t i;

	(void)arg;
	for (i = 0; i < d->child.npeers; i++)
		buf_printf(&b, "%s.%u ",
		    role_name(channel_peer(d->child.peers[i])),
		    channel_index(d->child.peers[i]));
	answer(a, "%s", buf_cstr(&b));
	buf_clear(&b);
}

static void
cmd_self(struct daemon *d, struct slice arg, struct asked *a)
{
	(void)arg;
	answer(a, "%s.%u hostname=%s shared=%s listeners=%zu directory=%s",
	    role_name(d->child.spec->role), d->child.index,
	    d->child.conf->hostname, d->shared, d->nlisteners,
	    d->child.directory);
}

static void
cmd_exit(struct daemon *d, struct slice arg, struct asked *a)
{
	uint64_t n = 0;

	(void)d;
	(void)a;
	slice_to_u64(arg, 0, 255, &n);
	_exit((int)n);
}

/* A system call that no row allows. */
static void
cmd_forbidden(struct daemon *d, struct slice arg, struct asked *a)
{
	(void)d;
	(void)arg;
	answer(a, "%d", execl("/bin/true", "true", (char *)NULL));
}

/* Ends the channel to a peer, while both live. */
static void
cmd_breach(struct daemon *d, struct slice arg, struct asked *a)
{
	size_t i;

	for (i = 0; i < d->child.npeers; i++)
		if (slice_eq(arg, slice_str(role_name(
		    channel_peer(d->child.peers[i]))))) {
			channel_breach(d->child.peers[i], "asked-to");
			answer(a, "done");
			return;
		}
	answer(a, "no such peer");
}

static void
cmd_stubborn(struct daemon *d, struct slice arg, struct asked *a)
{
	(void)arg;
	d->stubborn = true;
	answer(a, "done");
}

/* SLOT ROLE UID GID USER DIRECTORY */
static void
cmd_want(struct daemon *d, struct slice arg, struct asked *a)
{
	struct slice part;
	uint64_t n;
	struct buf *b;
	int i;

	free(d->refused);
	d->refused = NULL;
	b = channel_begin(d->child.master, CTL_WORKER_WANTED, 0);
	for (i = 0; b != NULL && slice_next(&arg, ' ', &part); i++) {
		n = 0;
		if (i < 4) {
			slice_to_u64(part, 0, UINT32_MAX, &n);
			put_u32(b, (uint32_t)n);
		} else
			put_slice(b, slice_eq(part, SLICE_LIT("-")) ?
			    SLICE_EMPTY : part);
	}
	channel_end(d->child.master);
	answer(a, "asked");
}

/* Lives, and does nothing any more. */
static void
cmd_hang(struct daemon *d, struct slice arg, struct asked *a)
{
	volatile bool forever = true;

	(void)d;
	(void)arg;
	(void)a;
	while (forever)
		;
}

static void
cmd_flood(struct daemon *d, struct slice arg, struct asked *a)
{
	unsigned i;

	(void)arg;
	for (i = 0; i < 20000; i++)
		channel_send(d->child.master, CTL_LOG_LOST, 0, SLICE_EMPTY);
	answer(a, "done");
}

static void
cmd_renew(struct daemon *d, struct slice arg, struct asked *a)
{
	(void)arg;
	child_renew(&d->child);
	answer(a, "done");
}

static void
cmd_refused(struct daemon *d, struct slice arg, struct asked *a)
{
	(void)arg;
	answer(a, "%s", d->refused == NULL ? "no" : d->refused);
}

/* INDEX COMMAND: only of the process with this index. */
static void
cmd_if(struct daemon *d, struct slice arg, struct asked *a)
{
	struct slice index;
	uint64_t n = 0;

	if (slice_next(&arg, ' ', &index) && slice_to_u64(index, 0, 99, &n) &&
	    n == d->child.index)
		run_line(d, arg, a);
	else
		answer(a, "other");
}

static void
cmd_secret(struct daemon *d, struct slice arg, struct asked *a)
{
	(void)arg;
	answer(a, "%s", d->secret);
}

/* new GRANT, in hexadecimal, or on SESSION */
static void
cmd_session(struct daemon *d, struct slice arg, struct asked *a)
{
	static const char hex[] = "0123456789abcdef";
	struct slice how = SLICE_EMPTY;
	struct buf grant = BUF_INIT(4096);
	uint64_t id = 0;
	struct buf *b;
	int s[2], fds[2];
	size_t i;

	slice_next(&arg, ' ', &how);
	if (slice_eq(how, SLICE_LIT("on")))
		slice_to_u64(arg, 0, UINT64_MAX, &id);
	for (i = 0; id == 0 && i + 1 < arg.n; i += 2)
		buf_add_byte(&grant, (char)((strchr(hex, arg.p[i]) - hex) *
		    16 + (strchr(hex, arg.p[i + 1]) - hex)));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) == -1)
		abort();
	new_end = s[0];
	fds[0] = s[1];
	fds[1] = dup(s[1]);
	wants_session = *a;
	b = channel_begin(d->child.master, CTL_SESSION_WANTED, 1);
	if (b != NULL) {
		put_u64(b, id);
		put_slice(b, buf_slice(&grant));
	}
	channel_end_fds(d->child.master, fds, 2);
	buf_clear(&grant);
}

static void
session_answered(struct message *m)
{
	uint64_t id = get_u64(&m->body);
	struct slice login = get_slice(&m->body, 500);
	struct slice maildir = get_slice(&m->body, 4096);
	size_t i;

	for (i = 0; i < 64 && ends[i].session != 0;)
		i++;
	if (i == 64)
		abort();
	ends[i].session = id;
	ends[i].fd = new_end;
	answer(&wants_session, "%ju %.*s %.*s", (uintmax_t)id,
	    SLICE_ARG(login), SLICE_ARG(maildir));
}

static void
session_refused(struct message *m)
{
	unsigned refusal = get_u8(&m->body);
	struct slice why = get_slice(&m->body, 500);

	close(new_end);
	answer(&wants_session, "refused %u %.*s", refusal, SLICE_ARG(why));
}

/* SESSION: its process ends, as where it parks. */
static void
cmd_end(struct daemon *d, struct slice arg, struct asked *a)
{
	uint64_t id = 0;
	size_t i;

	(void)d;
	slice_to_u64(arg, 0, UINT64_MAX, &id);
	for (i = 0; i < 64; i++)
		if (id != 0 && ends[i].session == id) {
			close(ends[i].fd);
			ends[i].session = 0;
		}
	answer(a, "done");
}

static void
end_at_master(struct daemon *d, uint64_t id, bool is_free)
{
	struct buf *b = channel_begin(d->child.master, CTL_SESSION_END, 0);

	if (b != NULL) {
		put_u64(b, id);
		put_u8(b, is_free);
	}
	channel_end(d->child.master);
}

/* SESSION: nobody wants it any more. */
static void
cmd_forget(struct daemon *d, struct slice arg, struct asked *a)
{
	uint64_t id = 0;

	slice_to_u64(arg, 0, UINT64_MAX, &id);
	end_at_master(d, id, false);
	answer(a, "done");
}

/* SESSION: its client has gone, and its process waits for another. */
static void
cmd_free(struct daemon *d, struct slice arg, struct asked *a)
{
	uint64_t id = 0;
	size_t i;

	slice_to_u64(arg, 0, UINT64_MAX, &id);
	for (i = 0; i < 64; i++)
		if (id != 0 && ends[i].session == id) {
			if (write(ends[i].fd, "f", 1) == -1)
				abort();
			close(ends[i].fd);
			ends[i].session = 0;
		}
	end_at_master(d, id, true);
	answer(a, "done");
}

static const struct {
	const char	*name;
	void		(*run)(struct daemon *, struct slice, struct asked *);
} commands[] = {
	{ "pid", cmd_pid }, { "peers", cmd_peers }, { "self", cmd_self },
	{ "exit", cmd_exit }, { "forbidden", cmd_forbidden },
	{ "breach", cmd_breach }, { "stubborn", cmd_stubborn },
	{ "hang", cmd_hang }, { "flood", cmd_flood }, { "renew", cmd_renew },
	{ "want", cmd_want }, { "refused", cmd_refused },
	{ "if", cmd_if }, { "secret", cmd_secret },
	{ "session", cmd_session }, { "end", cmd_end },
	{ "forget", cmd_forget }, { "free", cmd_free },
};

static void
run_line(struct daemon *d, struct slice line, struct asked *a)
{
	size_t sp = slice_find(line, ' '), i;
	struct slice word = slice_first(line, sp), rest =
	    slice_from(line, sp < line.n ? sp + 1 : sp);
	static uint64_t ids;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (slice_eq(word, slice_str(commands[i].name))) {
			commands[i].run(d, rest, a);
			return;
		}
	for (i = 0; i < d->child.npeers; i++)
		if (slice_eq(word, slice_str(role_name(
		    channel_peer(d->child.peers[i]))))) {
			waiting[++ids % 64] = *a;
			waiting[ids % 64].to = d->child.peers[i];
			channel_send(d->child.peers[i], SAY_ASK, ids, rest);
			return;
		}
	answer(a, "?");
}

static void
answer(struct asked *a, const char *fmt, ...)
{
	struct buf b = BUF_INIT(4096);
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	if (a->channel != NULL)
		channel_send(a->channel, SAY_ANSWER, a->id, buf_slice(&b));
	else {
		buf_add_byte(&b, '\n');
		send(a->fd, b.p, b.n, MSG_NOSIGNAL);
		close(a->fd);
	}
	buf_clear(&b);
}

/* ---- the skeleton ---- */

static void
peer_says(void *arg, struct channel *c, struct message *m)
{
	struct daemon *d = arg;
	struct asked a = { c, m->id, -1, NULL };
	struct asked *w = &waiting[m->id % 64];

	if (m->type == SAY_ASK)
		run_line(d, get_rest(&m->body), &a);
	else if (m->type == SAY_ANSWER && w->to == c) {
		answer(w, "%.*s", SLICE_ARG(m->body.rest));
		w->to = NULL;
	}
}

static void
peer_is_down(void *arg, struct channel *c)
{
	size_t i;

	(void)arg;
	for (i = 0; i < 64; i++) {
		if (waiting[i].to == c) {
			waiting[i].to = NULL;
			answer(&waiting[i], "down");
		}
		/* nobody to answer to any more */
		if (waiting[i].to != NULL && waiting[i].channel == c)
			waiting[i].to = NULL;
	}
}

static const struct channel_ops say_ops = { peer_says, peer_is_down, NULL };

/* One line a connection. */
static void
line_is_there(void *arg)
{
	struct client *c = arg;
	struct slice line = stream_input(&c->stream);
	struct asked a = { NULL, 0, -1, NULL };

	if (slice_find(line, '\n') == line.n)
		return;
	a.fd = dup(c->stream.fd);
	run_line(c->daemon, slice_first(line, slice_find(line, '\n')), &a);
	stream_close(&c->stream);
	free(c);
}

static void
client_is_gone(void *arg, enum stream_end end)
{
	struct client *c = arg;

	(void)end;
	stream_close(&c->stream);
	free(c);
}

static const struct stream_ops client_ops = { line_is_there, NULL, NULL,
	client_is_gone, NULL };

static void
accept_one(void *arg, int ready)
{
	struct daemon *d = arg;
	struct client *c;
	size_t i;
	int fd;

	(void)ready;
	for (i = 0; i < d->nlisteners; i++) {
		if (d->listeners[i].fd == -1)
			continue;
		fd = accept4(d->listeners[i].fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd == -1 && errno == EINVAL) {
			close(d->listeners[i].fd);
			ev_io_clear(&d->listeners[i]);
			d->listeners[i].fd = -1;
		}
		if (fd == -1)
			continue;
		c = mem_alloc(sizeof(*c));
		c->daemon = d;
		stream_open(&c->stream, &d->child.loop, fd, 4096, &client_ops,
		    c);
	}
}

static void
take_listener(void *arg, enum listener_kind kind, const char *name,
    int fd_take)
{
	struct daemon *d = arg;
	struct ev_io *io = &d->listeners[d->nlisteners++];

	(void)kind;
	(void)name;
	ev_io_init(io, &d->child.loop, fd_take, accept_one, d);
	ev_io_want(io, EV_WANT_READ);
}

static void
take_shared(void *arg, const char *name, int fd_take)
{
	struct daemon *d = arg;
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
	    fd_take, 0);
	uint8_t secret[32];
	size_t i;

	if (strcmp(name, "grant") == 0 && pread(fd_take, secret,
	    sizeof(secret), 0) == sizeof(secret))
		for (i = 0; i < sizeof(secret); i++)
			snprintf(d->secret + 2 * i, 3, "%02x", secret[i]);
	/* The keys of tickets are only to be read. */
	if (strcmp(name, "tickets") != 0)
		snprintf(d->shared, sizeof(d->shared), "%s",
		    p == MAP_FAILED ? "failed" : name);
	else if (p != MAP_FAILED || mmap(NULL, 4096, PROT_READ, MAP_SHARED,
	    fd_take, 0) == MAP_FAILED)
		snprintf(d->shared, sizeof(d->shared), "bad-tickets");
	close(fd_take);
}

static bool
is_told_to(const struct conf *conf, const char *what, enum role role)
{
	char name[64];

	snprintf(name, sizeof(name), "%s.%s.test", what, role_name(role));
	return strcmp(conf->hostname, name) == 0;
}

static int
reload(void *arg, const struct conf *conf, struct buf *why)
{
	struct daemon *d = arg;

	if (!is_told_to(conf, "refuse", d->child.spec->role))
		return 0;
	buf_add_str(why, "told to refuse");
	return -1;
}

static void
stop(void *arg)
{
	struct daemon *d = arg;

	if (!d->stubborn)
		ev_stop(&d->child.loop);
}

static void
status(void *arg, struct buf *b)
{
	(void)arg;
	buf_add_str(b, "test=1");
}

/* As a process that has ended. */
static void
session_is_over(struct end *e)
{
	struct buf *b = channel_begin(e->daemon->child.master,
	    CTL_SPAWN_ENDED, 0);

	if (b != NULL) {
		put_u64(b, e->session);
		put_u32(b, 1);
		put_u32(b, 0);
	}
	channel_end(e->daemon->child.master);
	ev_io_clear(&e->io);
	ev_io_clear(&e->line_io);
	if (e->fd != -1)
		close(e->fd);
	close(e->line);
	e->session = 0;
}

static void
login_has_gone(void *arg, int what)
{
	struct end *e = arg;
	char byte;

	(void)what;
	if (read(e->fd, &byte, 1) != 1) {
		session_is_over(e);
		return;
	}
	ev_io_clear(&e->io);
	close(e->fd);
	e->fd = -1;
	ev_io_want(&e->line_io, EV_WANT_READ);
}

static void
begin_session(struct end *e, int fd_take, int client_take)
{
	e->fd = fd_take;
	close(client_take);
	ev_io_init(&e->io, &e->daemon->child.loop, e->fd, login_has_gone, e);
	ev_io_want(&e->io, EV_WANT_READ);
}

static void
another_comes(void *arg, int what)
{
	struct end *e = arg;
	int fds[NEXT_CLIENT_FDS];

	(void)what;
	if (next_client_wait(e->line, fds) == -1) {
		log_info("event=not-kept session=%ju",
		    (uintmax_t)e->session);
		session_is_over(e);
		return;
	}
	log_info("event=next-client session=%ju", (uintmax_t)e->session);
	ev_io_want(&e->line_io, 0);
	begin_session(e, fds[0], fds[1]);
}

/* A spawn that was taken over names master itself as a session's process. */
static void
name_another(struct daemon *d, uint64_t session)
{
	int fd = proc_descriptor(getppid());
	struct buf *b = channel_begin(d->child.master, CTL_SPAWN_IS, 0);

	if (b != NULL)
		put_u64(b, session);
	channel_end_fds(d->child.master, &fd, 1);
}

/* As a spawn: a session that lasts as long as its login wants. */
static void
spawn_session(struct daemon *d, struct message *m)
{
	uint64_t id = get_u64(&m->body);
	uint32_t uid = get_u32(&m->body), gid = get_u32(&m->body);
	uint64_t bytes = get_u64(&m->body), messages = get_u64(&m->body);
	struct slice login = get_slice(&m->body, 500);
	struct slice directory = get_slice(&m->body, 4096);
	size_t i;

	log_info("event=spawned session=%ju uid=%u gid=%u quota=%ju,%ju "
	    "login=%.*s directory=%.*s", (uintmax_t)id, uid, gid,
	    (uintmax_t)bytes, (uintmax_t)messages, SLICE_ARG(login),
	    SLICE_ARG(directory));
	for (i = 0; i < 64 && ends[i].session != 0;)
		i++;
	if (i == 64)
		abort();
	ends[i].daemon = d;
	ends[i].session = id;
	ends[i].line = m->fds[2];
	ev_io_init(&ends[i].line_io, &d->child.loop, ends[i].line,
	    another_comes, &ends[i]);
	begin_session(&ends[i], m->fds[0], m->fds[1]);
	m->fds[0] = m->fds[1] = m->fds[2] = -1;
	if (slice_starts(login, SLICE_LIT("liar@")))
		name_another(d, id);
}

static void
control(void *arg, struct message *m)
{
	struct daemon *d = arg;

	if (m->type == CTL_SESSION)
		session_answered(m);
	else if (m->type == CTL_SESSION_REFUSED)
		session_refused(m);
	else if (m->type == CTL_SPAWN)
		spawn_session(d, m);
	if (m->type != CTL_WORKER_REFUSED)
		return;
	get_u32(&m->body);
	d->refused = mem_slicedup(get_slice(&m->body, 500));
}

int
main(int argc, char *argv[])
{
	static struct child_edge edges[ROLE_LIMIT];
	static struct child_spec spec = { .edges = edges,
		.listener = take_listener, .shared = take_shared,
		.reload = reload, .stop = stop, .status = status,
		.control = control };
	static struct daemon d;
	unsigned role, n = 0;

	for (role = 1; role < ROLE_LIMIT; role++) {
		if (argc > 1 && strcmp(role_name((enum role)role),
		    argv[1]) == 0)
			spec.role = (enum role)role;
		if (priv_of((enum role)role) != NULL)
			edges[n++] = (struct child_edge){ (enum role)role,
				say_rules, &say_ops };
	}
	child_init(&d.child, &spec, &d, argc, argv);
	if (is_told_to(d.child.conf, "die", spec.role))
		_exit(3);
	child_enter(&d.child);
	return child_run(&d.child);
}
