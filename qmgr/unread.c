/* SPDX-License-Identifier: ISC */
/*
 * unread - changes of messages whose files could not be read at the start.
 *
 * What could not be read may be as good as ever a moment later, but what the
 * journal knows of it must not be forgotten until then: a recipient would be
 * tried again that has its copy.  So the changes are kept here, their message
 * waits like any other, and who reads its file applies them (unread_apply()).
 * At the latest when a segment of the journal is to be used again, file and
 * changes are put aside in corrupt/, where both last.
 *
 * Always: the journal's segments that hold these changes are not reused; the
 * first that is cleaned after a start is one from before it.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "old.h"
#include "qmgr.h"
#include "unread.h"

#define PATIENCE_MS	30000	/* before it is put aside, at most */

struct unread {
	uint64_t	 id;		/* first: idmap */
	struct buf	 changes;	/* type and body of each */
	bool		 ended;		/* its DONE came; BACK takes it back */
};

bool
unread_has(const struct qmgr *q, uint64_t id)
{
	return idmap_find(&q->unread, id) != NULL;
}

void
unread_add(struct qmgr *q, uint64_t id, uint16_t type, struct slice body)
{
	struct unread *u = idmap_find(&q->unread, id);

	if (u == NULL) {
		u = mem_alloc(sizeof(*u));
		u->id = id;
		buf_init(&u->changes, SIZE_MAX / 2);
		idmap_add(&q->unread, u);
	}
	put_u16(&u->changes, type);
	put_slice(&u->changes, body);
}

void
unread_ended(struct qmgr *q, uint64_t id, bool ended)
{
	struct unread *u = idmap_find(&q->unread, id);

	if (u != NULL)
		u->ended = ended;
}

static void
drop(struct qmgr *q, struct unread *u)
{
	idmap_remove(&q->unread, u->id);
	buf_clear(&u->changes);
	free(u);
}

/* Any of those that have ended, or that have not; NULL: there is none. */
static struct unread *
any(const struct qmgr *q, bool ended)
{
	size_t cursor = 0;
	struct unread *u;

	while ((u = idmap_next(&q->unread, &cursor)) != NULL)
		if (u->ended == ended)
			break;
	return u;
}

void
unread_settle(struct qmgr *q)
{
	size_t cursor = 0;
	struct unread *u;

	q->unread_since_ms = clock_mono_ms();
	while ((u = any(q, true)) != NULL)
		drop(q, u);
	while ((u = idmap_next(&q->unread, &cursor)) != NULL)
		slot_wait_again(q, queue_slot_new(&q->queue, u->id), 0);
}

/* Of one that is not known: none. */
static struct wire
changes_of(const struct unread *u)
{
	return wire_of(u == NULL ? SLICE_EMPTY : buf_slice(&u->changes));
}

static bool
next_change(struct wire *w, uint16_t *type, struct slice *body)
{
	if (w->rest.n == 0)
		return false;
	*type = get_u16(w);
	*body = get_slice(w, SIZE_MAX);
	return true;
}

void
unread_apply(struct qmgr *q, struct entry *e)
{
	struct unread *u = idmap_find(&q->unread, e->id);
	struct wire w = changes_of(u);
	struct slice body;
	uint16_t type;

	while (next_change(&w, &type, &body))
		recover_change(q, e, type, body);
	if (u != NULL)
		drop(q, u);
}

void
unread_look(const struct qmgr *q, struct queue *apart, struct entry *e)
{
	struct wire w = changes_of(idmap_find(&q->unread, e->id));
	struct slice body;
	uint16_t type;

	while (next_change(&w, &type, &body))
		record_apply(apart, e, type, body, true);
}

static int
put_aside(struct qmgr *q, const struct unread *u)
{
	if (store_save_changes(q->dir, u->id, buf_slice(&u->changes)) == 0) {
		log_error("id=%s event=changes-set-aside file=corrupt/%s"
		    STORE_CHANGES, id_text(u->id), id_text(u->id));
		return 0;
	}
	log_error("id=%s event=not-set-aside error=%s", id_text(u->id),
	    LOG_Q(slice_str(strerror(errno))));
	return -1;
}

/* It has been tried again at least once. */
static bool
is_early(const struct qmgr *q)
{
	int64_t wait = (int64_t)q->conf->queue_retry_first * 2;

	return clock_mono_ms() - q->unread_since_ms <
	    (wait < PATIENCE_MS ? wait : PATIENCE_MS);
}

int
unread_put_aside(struct qmgr *q)
{
	struct unread *u;
	struct slot *s;

	if (q->unread.n > 0 && is_early(q))
		return -1;
	while ((u = any(q, false)) != NULL) {
		s = queue_find(&q->queue, u->id);
		if (s == NULL)
			drop(q, u);	/* it has been deleted */
		else if (put_aside(q, u) == -1)
			return -1;
		else {
			drop(q, u);
			old_damaged(q, &s, EIO);
		}
	}
	return 0;
}

void
unread_put_aside_one(struct qmgr *q, uint64_t id)
{
	struct unread *u = idmap_find(&q->unread, id);

	if (u != NULL && put_aside(q, u) == 0)
		drop(q, u);
}

void
unread_clear(struct qmgr *q)
{
	size_t cursor = 0;
	struct unread *u;

	while ((u = idmap_next(&q->unread, &cursor)) != NULL) {
		buf_clear(&u->changes);
		free(u);
	}
	idmap_clear(&q->unread);
}
