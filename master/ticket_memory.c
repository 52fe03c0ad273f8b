/* SPDX-License-Identifier: ISC */
/*
 * ticket_memory - the keys of TLS session tickets (ev/tickets.h), for each role
 * that serves TLS its own.
 *
 * Only this process can write them: its map is older than the seal.
 */
#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "ev/tickets.h"
#include "ipc/certificates.h"
#include "master.h"
#include "os/memory.h"

struct ticket_memories {
	struct ev_timer		 rotate;
	struct {
		int			 fd;	/* owned; -1: it has none */
		struct ticket_memory	*memory;
	}			 of[ROLE_LIMIT];
};

static int	 make(struct master *, enum role);
static void	 rotate(void *);

void
ticket_memory_start(struct master *m)
{
	enum role role;

	m->tickets = mem_alloc(sizeof(*m->tickets));
	for (role = 0; role < ROLE_LIMIT; role++) {
		m->tickets->of[role].fd = -1;
		if (pki_serves_tls(role) && make(m, role) == -1)
			log_warn("event=no-tickets role=%s why=\"%s\"",
			    role_name(role), strerror(errno));
	}
	ev_timer_init(&m->tickets->rotate, &m->loop, rotate, m);
	ticket_memory_reload(m);
}

static int
make(struct master *m, enum role role)
{
	int fd = memory_shared("chasqui-tickets",
	    sizeof(struct ticket_memory));
	void *p;

	if (fd == -1)
		return -1;
	p = mmap(NULL, sizeof(struct ticket_memory), PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		close(fd);
		return -1;
	}
	if (memory_close_to_writers(fd) == -1) {
		munmap(p, sizeof(struct ticket_memory));
		close(fd);
		return -1;
	}
	tickets_init(p);
	m->tickets->of[role].fd = fd;
	m->tickets->of[role].memory = p;
	return 0;
}

void
ticket_memory_reload(struct master *m)
{
	ev_timer_set(&m->tickets->rotate, m->conf->tls_tickets);
}

static void
rotate(void *arg)
{
	struct master *m = arg;
	enum role role;

	for (role = 0; role < ROLE_LIMIT; role++)
		if (m->tickets->of[role].memory != NULL)
			tickets_rotate(m->tickets->of[role].memory);
	ticket_memory_reload(m);
}

void
ticket_memory_give(struct process *p)
{
	int fd = p->master->tickets->of[p->role].fd;

	if (fd != -1)
		wire_shared(p, TICKETS_SHARED, fd);
}

void
ticket_memory_clear(struct master *m)
{
	if (m->tickets != NULL)
		ev_timer_clear(&m->tickets->rotate);
}
