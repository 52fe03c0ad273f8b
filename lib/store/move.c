/* SPDX-License-Identifier: ISC */
/*
 * move - a MOVE that is cut off is finished or undone, not both.
 *
 * Under the locks of both mailboxes, REC_MOVE in the old one's log says what is
 * going where before the new one's log has it.  The record that expunges the
 * messages ends it.  Whoever has the old one's lock next and finds it still
 * there, looks which messages have arrived: these are expunged, the others
 * stay.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "box.h"

#define BLOCK	10000	/* messages in one record */

void
move_put(struct mailbox *from, struct slice to, const struct slice *bases,
    struct uid_list uids)
{
	size_t at = 0, i;

	for (i = 0; i < uids.n; i++) {
		if (i % BLOCK == 0) {
			record_begin(&from->group, REC_MOVE, &at);
			put_slice(&from->group, to);
		}
		put_u32(&from->group, uids.v[i]);
		put_slice(&from->group, bases[i]);
		if (i % BLOCK == BLOCK - 1 || i == uids.n - 1)
			record_end(&from->group, at);
	}
}

void
move_put_end(struct mailbox *from)
{
	size_t at;

	record_begin(&from->group, REC_MOVED, &at);
	record_end(&from->group, at);
}

static bool
has_any(const struct state *s, struct wire w)
{
	uint32_t uid;

	get_slice(&w, STORE_NAME_BYTES);
	while (!w.bad && w.rest.n > 0) {
		uid = get_u32(&w);
		get_slice(&w, MESSAGE_NAME_BYTES);
		if (!w.bad && state_find(s, uid) != -1)
			return true;
	}
	return false;
}

void
move_keep(struct state *s, const struct state *known)
{
	struct wire w = wire_of(buf_slice(&known->move));
	struct slice body;

	while (!w.bad && w.rest.n > 0) {
		body = get_slice(&w, RECORD_BYTES);
		if (has_any(known, wire_of(body)))
			put_slice(&s->move, body);
	}
}

/* The mailbox that they were to go to; *opened_r: it is to be closed.  One that
 * we have locked could not be opened again. */
static enum store_result
find_target(struct store *s, struct slice name, struct mailbox **to_r,
    bool *opened_r)
{
	struct mailbox *to;

	*opened_r = false;
	for (to = s->open; to != NULL; to = to->next)
		if (to->locked > 0 && slice_eq(slice_str(to->name), name))
			break;
	if (to == NULL && s->target != NULL && s->target->locked > 0 &&
	    slice_eq(slice_str(s->target->name), name))
		to = s->target;
	*to_r = to;
	if (to != NULL)
		return STORE_OK;
	*opened_r = true;
	return mailbox_open_quiet(s, name, to_r);
}

/* Expunges what has come to the other mailbox; each by itself, since a power
 * cut may have let some of them through. */
static void
put_arrived(struct mailbox *from, struct mailbox *to, struct wire w)
{
	size_t at, start = from->group.n;
	struct slice base;
	uint32_t uid;
	bool any = false;

	record_begin(&from->group, REC_EXPUNGE, &at);
	while (!w.bad && w.rest.n > 0) {
		uid = get_u32(&w);
		base = get_slice(&w, MESSAGE_NAME_BYTES);
		if (w.bad || state_find(&from->state, uid) == -1 ||
		    state_find_name(&to->state, base) == -1)
			continue;
		put_range(&from->group, (struct range){ uid, uid });
		any = true;
	}
	record_end(&from->group, at);
	if (!any)
		from->group.n = start;
}

/* One record, whose body is w. */
static enum store_result
resolve_one(struct mailbox *from, struct wire w)
{
	struct slice name = get_slice(&w, STORE_NAME_BYTES);
	struct mailbox *to;
	bool opened;
	enum store_result r = find_target(from->store, name, &to, &opened);

	if (r == STORE_NO_MAILBOX)
		return STORE_OK;
	if (r == STORE_OK)
		r = index_whole(to);
	if (r == STORE_OK)
		put_arrived(from, to, w);
	if (opened)
		mailbox_close(&to);
	return r;
}

enum store_result
move_resolve(struct mailbox *from)
{
	struct store *s = from->store;
	enum store_result r = index_whole(from);
	struct wire w = wire_of(buf_slice(&from->state.move));
	struct slice body;

	/* Opening the other one may find a record that leads back here. */
	if (s->resolving || r != STORE_OK)
		return r;
	s->resolving = true;
	buf_reset(&from->group);
	while (r == STORE_OK && !w.bad && w.rest.n > 0) {
		body = get_slice(&w, RECORD_BYTES);
		r = resolve_one(from, wire_of(body));
	}
	s->resolving = false;
	/* They are lost here only when they are safe there. */
	if (r == STORE_OK && from->group.n > 0 &&
	    s->fs->syncfs(s->root) == -1)
		r = store_failed(s);
	if (r != STORE_OK)
		return r;
	move_put_end(from);
	r = index_commit(from, false);
	return r == STORE_OK && from->state.unlinks.n > 0 ?
	    index_finish(from) : r;
}
