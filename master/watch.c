/* SPDX-License-Identifier: ISC */
/*
 * watch - who looks at sessions (`chasqui watch`): a pipe for each.
 *
 * The tool has the end that is read, each process that talks to a network has
 * the other, and so has this one, for processes that start meanwhile.  It never
 * looks into it.  A watch ends with the tool's connection to control.sock.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "ipc/tap.h"
#include "master.h"

/* What a reader may be behind, bytes; the kernel may give less. */
#define PIPE_BYTES	(1024 * 1024)

struct watch {
	uint32_t	 number;
	uint32_t	 protocols;
	struct conf_net	 net;
	int		 fd;		/* owned; processes write to it */
};

struct watches {
	struct watch	 v[TAP_WATCHES];	/* number 0: free */
	uint32_t	 last;
};

static bool	 is_watched(const struct process *);
static void	 give(struct process *, const struct watch *);

uint32_t
watch_begin(struct master *m, const struct conf_net *net, uint32_t protocols,
    int *fd_r)
{
	struct watch *w;
	struct process *p;
	int s[2];

	if (m->watches == NULL)
		m->watches = mem_alloc(sizeof(*m->watches));
	for (w = m->watches->v; w < m->watches->v + TAP_WATCHES; w++)
		if (w->number == 0)
			break;
	if (w == m->watches->v + TAP_WATCHES) {
		errno = EBUSY;
		return 0;
	}
	if (pipe2(s, O_CLOEXEC | O_NONBLOCK) == -1)
		return 0;
	fcntl(s[1], F_SETPIPE_SZ, PIPE_BYTES);
	*fd_r = s[0];
	w->fd = s[1];
	w->net = *net;
	w->protocols = protocols;
	w->number = ++m->watches->last;
	TAILQ_FOREACH(p, &m->processes, entry)
		if (process_is_alive(p) && is_watched(p))
			give(p, w);
	return w->number;
}

void
watch_end(struct master *m, uint32_t number)
{
	struct watch *w;
	struct process *p;
	struct buf *b;

	if (m->watches == NULL || number == 0)
		return;
	for (w = m->watches->v; w < m->watches->v + TAP_WATCHES; w++)
		if (w->number == number)
			break;
	if (w == m->watches->v + TAP_WATCHES)
		return;
	w->number = 0;
	close(w->fd);
	TAILQ_FOREACH(p, &m->processes, entry) {
		if (!process_is_alive(p) || !is_watched(p))
			continue;
		b = channel_begin(p->channel, CTL_WATCH_END, 0);
		if (b != NULL)
			put_u32(b, number);
		channel_end(p->channel);
	}
}

void
watch_give(struct process *p)
{
	struct watches *all = p->master->watches;
	size_t i;

	for (i = 0; all != NULL && is_watched(p) && i < TAP_WATCHES; i++)
		if (all->v[i].number != 0)
			give(p, &all->v[i]);
}

static bool
is_watched(const struct process *p)
{
	return p->role == ROLE_SMTPD || p->role == ROLE_REMOTE ||
	    p->role == ROLE_IMAP_LOGIN || p->role == ROLE_POP3_LOGIN;
}

static void
give(struct process *p, const struct watch *w)
{
	int fd = fcntl(w->fd, F_DUPFD_CLOEXEC, 0);
	struct buf *b;

	if (fd == -1) {
		log_warn("event=not-watched role=%s index=%u why=\"%s\"",
		    role_name(p->role), p->index, strerror(errno));
		return;
	}
	b = channel_begin(p->channel, CTL_WATCH, 0);
	if (b != NULL) {
		put_u32(b, w->number);
		put_u32(b, w->protocols);
		put_u8(b, w->net.bits);
		buf_add(b, slice_of(w->net.addr, sizeof(w->net.addr)));
	}
	channel_end_fds(p->channel, &fd, 1);
}
