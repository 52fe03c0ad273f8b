/* SPDX-License-Identifier: ISC */
/*
 * history - keeps the event history: all that the log says of each message,
 * found by queue id, Message-ID, sender and recipient (lib/history); and writes
 * the mail log in Postfix's form, where it is wanted (postfix.c).
 *
 * Each process has a socket to it, and no answer comes back: who writes does
 * not wait, and mail does not depend on it.  What a process sends is bounded,
 * taken apart and marked with its role.  Nothing is read for PAUSE_MS after
 * something was, so that under load the work is done for many messages at once.
 */
#include <sys/socket.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "history/feed.h"
#include "history/writer.h"
#include "ipc/child.h"
#include "postfix.h"

#define PAUSE_MS	25
#define TURN_PACKETS	64	/* of one process; the rest waits, or is lost */
#define PRUNE_MS	(3600 * 1000)
#define TELL_MS		10000	/* between lines about lost events */
#define DAY_US		(INT64_C(86400) * 1000000)

/* A process that tells its events. */
struct source {
	TAILQ_ENTRY(source)	 entry;
	struct history_process	*history;
	enum role		 role;
	unsigned		 index;
	uint32_t		 pid;
	struct ev_io		 io;	/* its fd is owned */
	uint64_t		 untold;	/* lost, and not said yet */
	int64_t			 told_ms;	/* monotonic; 0: never */
	bool			 ended;
};
TAILQ_HEAD(sources, source);

struct history_process {
	struct child		 child;
	int			 dir;		/* owned until the writer has
						 * it; -1: nothing is kept */
	bool			 keeps;
	struct history_writer	 writer;
	struct postfix_log	 postfix;
	struct sources		 sources;
	struct ev_timer		 pause;
	struct ev_timer		 prune;
	uint64_t		 events, lost, faulty;
};

static void	 open_directory(struct history_process *);
static void	 open_writer(struct history_process *);
static void	 master_says(void *, struct message *);
static void	 take_source(struct history_process *, struct message *);
static void	 take_postfix_log(struct history_process *, struct message *);
static void	 something_came(void *, int);
static void	 pause_is_over(void *);
static bool	 read_all(struct history_process *);
static bool	 read_source(struct source *);
static void	 end_sources(struct history_process *);
static void	 take_packet(struct source *, struct slice);
static void	 tell_lost(struct source *);
static void	 keep(struct history_process *, struct history_event *);
static void	 written(struct history_process *);
static void	 want_reads(struct history_process *, int wants);
static void	 prune_now(void *);
static int	 reload(void *, const struct conf *, struct buf *why);
static void	 stop(void *);
static void	 status(void *, struct buf *);

static const struct child_edge edges[] = { { 0, NULL, NULL } };
static const struct child_spec spec = {
	.role = ROLE_HISTORY,
	.edges = edges,
	.in_batches = true,
	.reload = reload,
	.stop = stop,
	.status = status,
	.control = master_says,
};

int
main(int argc, char *argv[])
{
	static struct history_process h;

	child_init(&h.child, &spec, &h, argc, argv);
	TAILQ_INIT(&h.sources);
	ev_timer_init(&h.pause, &h.child.loop, pause_is_over, &h);
	ev_timer_init(&h.prune, &h.child.loop, prune_now, &h);
	postfix_init(&h.postfix, h.child.conf->hostname);
	umask(027);	/* members of its group may read */
	open_directory(&h);
	child_enter(&h.child);
	open_writer(&h);
	return child_run(&h.child);
}

/* ---- the directory ------------------------------------------------------- */

/* master has seen to it that it is there, or told that it cannot be used. */
static void
open_directory(struct history_process *h)
{
	h->dir = h->child.ids.writable[0] == '\0' ? -1 :
	    fs_open_dir(&fs_real, AT_FDCWD, h->child.ids.writable);
}

static void
open_writer(struct history_process *h)
{
	const struct conf *c = h->child.conf;

	if (h->dir == -1)
		return;
	h->keeps = history_writer_open(&h->writer, &fs_real, h->dir,
	    c->history_size, (int64_t)c->history_days * DAY_US) == 0;
	if (!h->keeps) {
		log_error("event=history-unusable why=\"%s\"",
		    strerror(errno));
		history_writer_close(&h->writer);
		return;
	}
	prune_now(h);
}

static void
prune_now(void *arg)
{
	struct history_process *h = arg;

	history_writer_prune(&h->writer, clock_wall_ms() * 1000);
	ev_timer_set(&h->prune, PRUNE_MS);
}

/* ---- what master says ---------------------------------------------------- */

static void
master_says(void *arg, struct message *m)
{
	struct history_process *h = arg;

	switch (m->type) {
	case CTL_EVENTS_OF:
		take_source(h, m);
		break;
	case CTL_POSTFIX_LOG:
		take_postfix_log(h, m);
		break;
	case CTL_POSTFIX_LOG_END:
		postfix_log_to(&h->postfix, LOG_SINK_STREAM, -1);
		break;
	default:
		channel_breach(h->child.master, "not-for-history");
		break;
	}
}

/* What the one before it has still said is read first. */
static void
take_source(struct history_process *h, struct message *m)
{
	enum role role = get_u32(&m->body);
	unsigned index = get_u32(&m->body);
	uint32_t pid = get_u32(&m->body);
	struct source *s;

	if (!wire_done(&m->body) || role >= ROLE_LIMIT) {
		channel_breach(h->child.master, "events-of");
		return;
	}
	TAILQ_FOREACH(s, &h->sources, entry)
		if (s->role == role && s->index == index) {
			read_source(s);
			s->ended = true;
		}
	end_sources(h);
	s = mem_alloc(sizeof(*s));
	*s = (struct source){ .history = h, .role = role, .index = index,
		.pid = pid };
	ev_io_init(&s->io, &h->child.loop, m->fds[0], something_came, s);
	m->fds[0] = -1;
	TAILQ_INSERT_TAIL(&h->sources, s, entry);
	if (!ev_timer_is_set(&h->pause))
		ev_io_want(&s->io, EV_WANT_READ);
}

static void
take_postfix_log(struct history_process *h, struct message *m)
{
	uint8_t sink = get_u8(&m->body);

	if (!wire_done(&m->body) || (sink != LOG_SINK_STREAM &&
	    sink != LOG_SINK_SYSLOG)) {
		channel_breach(h->child.master, "postfix-log");
		return;
	}
	postfix_log_to(&h->postfix, sink, m->fds[0]);
	m->fds[0] = -1;
}

static int
reload(void *arg, const struct conf *conf, struct buf *why)
{
	struct history_process *h = arg;

	(void)why;
	if (h->keeps && conf->history_size == 0) {
		ev_timer_stop(&h->prune);
		history_writer_close(&h->writer);
		h->keeps = false;
	}
	h->writer.bytes_max = conf->history_size;
	h->writer.age_max_us = (int64_t)conf->history_days * DAY_US;
	if (h->keeps)
		prune_now(h);
	return 0;
}

/* We are the last: what the others have said to the end is there. */
static void
stop(void *arg)
{
	struct history_process *h = arg;
	struct source *s;

	while (read_all(h))
		;
	TAILQ_FOREACH(s, &h->sources, entry)
		s->ended = true;
	end_sources(h);
	if (h->keeps)
		history_writer_close(&h->writer);
	postfix_log_to(&h->postfix, LOG_SINK_STREAM, -1);
	ev_timer_clear(&h->pause);
	ev_timer_clear(&h->prune);
	ev_stop(&h->child.loop);
}

static void
status(void *arg, struct buf *b)
{
	struct history_process *h = arg;

	buf_printf(b, "events=%ju lost=%ju faulty=%ju bytes=%ju",
	    (uintmax_t)h->events, (uintmax_t)(h->lost + h->writer.lost),
	    (uintmax_t)h->faulty,
	    (uintmax_t)(h->writer.others + h->writer.size));
}

/* ---- events -------------------------------------------------------------- */

static void
something_came(void *arg, int ready)
{
	struct source *s = arg;

	(void)ready;
	want_reads(s->history, 0);
	pause_is_over(s->history);
}

static void
pause_is_over(void *arg)
{
	struct history_process *h = arg;

	if (read_all(h))
		ev_timer_set(&h->pause, PAUSE_MS);
	else
		want_reads(h, EV_WANT_READ);
}

static void
want_reads(struct history_process *h, int wants)
{
	struct source *s;

	TAILQ_FOREACH(s, &h->sources, entry)
		ev_io_want(&s->io, wants);
}

/* False: nobody has said anything. */
static bool
read_all(struct history_process *h)
{
	struct source *s;
	bool some = false;

	TAILQ_FOREACH(s, &h->sources, entry) {
		some = read_source(s) || some;
		tell_lost(s);
	}
	end_sources(h);
	if (some)
		written(h);
	return some;
}

/* False: there is nothing. */
static bool
read_source(struct source *s)
{
	static char packet[LOG_EVENTS_BYTES];
	unsigned packets = 0;
	ssize_t n = -1;

	while (packets < TURN_PACKETS && (n = recv(s->io.fd, packet,
	    sizeof(packet), MSG_DONTWAIT)) > 0) {
		take_packet(s, slice_of(packet, (size_t)n));
		packets++;
	}
	s->ended = n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR);
	return packets > 0;
}

static void
take_packet(struct source *s, struct slice packet)
{
	struct history_event e = { .role = s->role, .pid = s->pid };
	struct feed_frame f;
	bool bad;

	while (feed_next(&packet, &f, &bad)) {
		if (f.lost > 0) {
			s->history->lost += f.lost;
			s->untold += f.lost;
			continue;
		}
		e.time_us = f.time_us;
		e.level = f.level;
		e.line = f.line;
		keep(s->history, &e);
	}
	if (bad && s->history->faulty++ == 0)
		log_warn("event=history-faulty role=%s index=%u child=%u",
		    role_name(s->role), s->index, s->pid);
}

/* By the log; so it is in the history, too.  A flood is told once in a
 * while. */
static void
tell_lost(struct source *s)
{
	int64_t now_ms = clock_mono_ms();

	if (s->untold == 0 || (s->told_ms != 0 &&
	    now_ms - s->told_ms < TELL_MS))
		return;
	log_warn("event=history-lost role=%s index=%u events=%ju",
	    role_name(s->role), s->index, (uintmax_t)s->untold);
	s->untold = 0;
	s->told_ms = now_ms;
}

static void
keep(struct history_process *h, struct history_event *e)
{
	static char room[HISTORY_LINE_BYTES];

	h->events++;
	history_event_parse(e, e->line, room);
	if (h->keeps)
		history_writer_add(&h->writer, e);
	postfix_event(&h->postfix, e);
}

static void
written(struct history_process *h)
{
	uint64_t lost = h->writer.lost;
	int error = h->writer.error;

	postfix_flush(&h->postfix);
	if (!h->keeps)
		return;
	history_writer_flush(&h->writer, clock_wall_ms() * 1000);
	if (h->writer.error != 0 && error == 0)
		log_error("event=history-not-written why=\"%s\"",
		    strerror(h->writer.error));
	else if (h->writer.error == 0 && error != 0)
		log_warn("event=history-written lost=%ju", (uintmax_t)lost);
}

static void
end_sources(struct history_process *h)
{
	struct source *s, *next;

	TAILQ_FOREACH_SAFE(s, &h->sources, entry, next) {
		if (!s->ended)
			continue;
		TAILQ_REMOVE(&h->sources, s, entry);
		ev_io_clear(&s->io);
		close(s->io.fd);
		free(s);
	}
}
