/* SPDX-License-Identifier: ISC */
/* muster - see muster.h. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/wire.h"
#include "muster.h"
#include "notes.h"
#include "queue.h"

#define MUSTER_BYTES	(NOTE_MAGIC_BYTES + 4 + 8 + 8 * (size_t)MUSTER_IDS)

static const char magic[] = "CHASQN1\n";

void
muster_clear(struct muster *m)
{
	free(m->ids);
	*m = (struct muster){ 0 };
}

bool
muster_unpack(struct slice file, struct muster *m)
{
	struct slice body;
	struct wire w;

	*m = (struct muster){ 0 };
	if (!notes_read(file, magic, &body) || body.n < 8 || body.n % 8 != 0)
		return false;
	w = wire_of(body);
	m->given_out = get_u64(&w);
	m->ids = mem_regrow(NULL, w.rest.n / 8 + 1, sizeof(*m->ids));
	while (w.rest.n > 0)
		m->ids[m->n++] = get_u64(&w);
	return true;
}

int
muster_read(int dir, uint64_t given_out, struct muster *m)
{
	struct buf b = BUF_INIT(MUSTER_BYTES);
	int r = fs_read_file(fs, dir, MUSTER_FILE, &b, MUSTER_BYTES, NULL);

	*m = (struct muster){ 0 };
	if (r == -1 && errno == ENOENT)
		r = 0;
	else if (r == 0 && !muster_unpack(buf_slice(&b), m)) {
		errno = EBADMSG;
		r = -1;
	}
	buf_clear(&b);
	if (m->given_out < given_out)
		muster_clear(m);
	return r;
}

int
muster_write(int dir, uint64_t given_out, const struct queue *qu)
{
	struct buf b = BUF_INIT(MUSTER_BYTES);
	const struct slot *s;
	size_t cursor = 0;
	int r;

	if (qu->slots.n > MUSTER_IDS)
		return 0;
	put_u64(&b, given_out);
	while ((s = idmap_next(&qu->slots, &cursor)) != NULL)
		put_u64(&b, s->id);
	r = notes_write(dir, MUSTER_FILE, magic, buf_slice(&b));
	buf_clear(&b);
	return r;
}

int
muster_remove(int dir)
{
	if (fs->unlinkat(dir, MUSTER_FILE, 0) == 0)
		return fs->fsync(dir);
	return errno == ENOENT ? 0 : -1;
}
