/* SPDX-License-Identifier: ISC */
/* parcel - see parcel.h. */
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "parcel.h"

struct parcel *
parcel_new(struct message *m)
{
	struct parcel *p = mem_alloc(sizeof(*p));
	struct wire w;

	p->users = 1;
	p->id = m->id;
	p->fd = -1;
	p->arena = ARENA_INIT(JOB_ARENA_BYTES);
	buf_init(&p->body, CHANNEL_BODY_BYTES);
	buf_add(&p->body, m->body.rest);
	w = wire_of(buf_slice(&p->body));
	if (!job_unpack(&w, &p->arena, &p->job) || !wire_done(&w)) {
		parcel_drop(p);
		return NULL;
	}
	if (m->nfds > 0) {
		p->fd = m->fds[0];
		m->fds[0] = -1;
	}
	return p;
}

void
parcel_drop(struct parcel *p)
{
	if (--p->users > 0)
		return;
	if (p->fd != -1)
		close(p->fd);
	arena_clear(&p->arena);
	buf_clear(&p->body);
	free(p);
}
