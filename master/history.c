/* SPDX-License-Identifier: ISC */
/*
 * history - who tells the event history, and how: a socket for each process, so
 * that history knows who speaks, and nobody can speak for another.
 *
 * Packets are whole or not there (SOCK_SEQPACKET), and who writes never waits.
 * Sessions of users have none: their spawn's is closed in the fork.  When
 * history dies, its successor gets new ones, and what was said meanwhile is
 * lost and counted (base/log.h).
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "master.h"
#include "os/sockets.h"

/* Of a process's events that history has not read yet, as far as the kernel
 * lets us. */
#define UNREAD_BYTES	(1024 * 1024)

static bool	 is_wanted(const struct master *);
static void	 give_socket(struct process *history, struct process *);
static void	 give_all(struct master *);

void
history_prepare(struct master *m)
{
	struct buf why = BUF_INIT(8192);

	m->keeps_history = m->conf->history_size != 0 &&
	    ground_directory(m, m->conf->path_history,
	    m->accounts[ROLE_HISTORY], 0750, &why) == 0;
	if (why.n > 0)
		log_warn("event=history-unusable why=%s",
		    LOG_Q(buf_slice(&why)));
	buf_clear(&why);
	m->tells_history = is_wanted(m);
}

static bool
is_wanted(const struct master *m)
{
	return m->keeps_history || m->conf->log_postfix[0] != '\0';
}

void
history_give(struct process *p)
{
	struct process *history = process_find(p->master, ROLE_HISTORY, 0);

	if (p->role == ROLE_HISTORY) {
		if (p->master->tells_history)
			give_all(p->master);
		history_give_log(p->master);
	} else if (p->master->tells_history && history != NULL &&
	    process_is_alive(history))
		give_socket(history, p);
}

void
history_reload(struct master *m)
{
	bool now = is_wanted(m);

	if (now && !m->tells_history)
		give_all(m);
	m->tells_history = now;
	history_give_log(m);
}

static void
give_all(struct master *m)
{
	struct process *history = process_find(m, ROLE_HISTORY, 0), *p;

	if (history == NULL || !process_is_alive(history))
		return;
	give_socket(history, NULL);
	TAILQ_FOREACH(p, &m->processes, entry)
		if (process_is_alive(p))
			give_socket(history, p);
}

/* From p, or from ourselves. */
static void
give_socket(struct process *history, struct process *p)
{
	int s[2], bytes = UNREAD_BYTES;
	struct buf *b;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s) == -1) {
		log_warn("event=history-not-told role=%s why=\"%s\"",
		    role_name(p == NULL ? ROLE_MASTER : p->role),
		    strerror(errno));
		return;
	}
	setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	b = channel_begin(history->channel, CTL_EVENTS_OF, 0);
	if (b != NULL) {
		put_u32(b, p == NULL ? ROLE_MASTER : p->role);
		put_u32(b, p == NULL ? 0 : p->index);
		put_u32(b, (uint32_t)(p == NULL ? getpid() : p->pid));
	}
	channel_end_fds(history->channel, &s[1], 1);
	if (p == NULL) {
		log_events_to(s[0]);
		return;
	}
	channel_begin(p->channel, CTL_EVENTS, 0);
	channel_end_fds(p->channel, &s[0], 1);
}

/* ---- the log in Postfix's form ------------------------------------------- */

void
history_give_log(struct master *m)
{
	struct process *history = process_find(m, ROLE_HISTORY, 0);
	const char *where = m->conf->log_postfix;
	bool syslog = strcmp(where, "syslog") == 0;
	struct buf *b;
	int fd = -1;

	if (history == NULL || !process_is_alive(history))
		return;
	if (where[0] != '\0')
		fd = syslog ? unix_connect_datagram("/dev/log") :
		    ground_open_log_file(where);
	if (fd == -1 && where[0] != '\0')
		log_error("event=postfix-log-not-opened path=%s why=\"%s\"",
		    LOG_Q(slice_str(where)), strerror(errno));
	if (fd == -1) {
		channel_send(history->channel, CTL_POSTFIX_LOG_END, 0,
		    SLICE_EMPTY);
		return;
	}
	b = channel_begin(history->channel, CTL_POSTFIX_LOG, 0);
	if (b != NULL)
		put_u8(b, syslog ? LOG_SINK_SYSLOG : LOG_SINK_STREAM);
	channel_end_fds(history->channel, &fd, 1);
}
