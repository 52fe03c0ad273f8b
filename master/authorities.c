/* SPDX-License-Identifier: ISC */
/*
 * authorities - tls.ca_file for remote: who may vouch for other hosts.
 *
 * remote gets the file's descriptor at its start, and again when the file has
 * changed and has not changed any more since the look before.  Where there is
 * no such file, no authority is known.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "ipc/certificates.h"
#include "master.h"
#include "os/memory.h"
#include "pem.h"

struct authorities {
	char		*path;		/* owned; NULL: not started */
	struct stamp	 taken;		/* of what was given out last */
	struct stamp	 seen;		/* of the last look */
};

static bool	 verifies_hosts(const struct conf *);

/* Its default need not be there where nobody asks for it. */
int
authorities_check(const struct conf *conf, struct buf *why)
{
	return verifies_hosts(conf) ? pem_check(conf->tls_ca_file,
	    AUTHORITIES_BYTES, why) : 0;
}

static bool
verifies_hosts(const struct conf *conf)
{
	size_t i;

	for (i = 0; i < conf->nnexthops; i++)
		if (strcmp(conf->nexthops[i].tls, "verify") == 0)
			return true;
	return strcmp(conf->remote_tls, "verify") == 0;
}

void
authorities_reload(struct master *m)
{
	struct authorities *a = m->authorities;

	if (a == NULL)
		a = m->authorities = mem_alloc(sizeof(*a));
	if (a->path != NULL && strcmp(a->path, m->conf->tls_ca_file) == 0)
		return;
	free(a->path);
	a->path = mem_strdup(m->conf->tls_ca_file);
	/* Of another file nothing has been seen: it is given out. */
	memset(&a->taken, 0xff, sizeof(a->taken));
	a->seen = pem_stamp(a->path);
	authorities_look(m);
}

void
authorities_look(struct master *m)
{
	struct authorities *a = m->authorities;
	struct stamp now = pem_stamp(a->path);
	struct process *p;

	if (memcmp(&now, &a->seen, sizeof(now)) != 0) {
		a->seen = now;
		return;
	}
	if (memcmp(&now, &a->taken, sizeof(now)) == 0)
		return;
	a->taken = now;
	TAILQ_FOREACH(p, &m->processes, entry)
		if (p->role == ROLE_REMOTE && process_is_alive(p))
			authorities_give(p);
}

void
authorities_give(struct process *p)
{
	const struct conf *conf = p->master->conf;
	struct buf why = BUF_INIT(1000);
	struct stamp stamp;
	int fd = pem_open(conf->tls_ca_file, AUTHORITIES_BYTES, &stamp, &why);

	if (fd == -1 && verifies_hosts(conf))
		log_error("event=authorities-not-read why=%s",
		    LOG_Q(slice_trim(buf_slice(&why))));
	buf_clear(&why);
	if (fd == -1)
		fd = memory_of_text("chasqui-pem", SLICE_EMPTY);
	if (fd == -1)
		return;
	channel_begin(p->channel, CTL_AUTHORITIES, 0);
	channel_end_fds(p->channel, &fd, 1);
}
