/* SPDX-License-Identifier: ISC */
/* view - see view.h. */
#include <stdlib.h>

#include "base/mem.h"
#include "view.h"

#define SPARE	1024	/* messages, in memory that a view keeps */

void
view_open(struct view *v, struct mailbox *take)
{
	const struct mailbox_status *head = mailbox_head(take);
	const struct message_entry *e;
	size_t n, i;

	e = mailbox_entries(take, &n);
	if (v->cap < n || v->cap / 2 > n + SPARE) {
		view_free(v);
		v->cap = n + 1;
		v->v = mem_regrow(NULL, v->cap, sizeof(*v->v));
	}
	*v = (struct view){ .mailbox = take, .v = v->v, .cap = v->cap };
	for (i = 0; i < n; i++)
		view_append(v, &e[i]);
	v->modseq = head->highestmodseq;
	v->uidnext = head->uidnext;
	v->messages = head->messages;
}

void
view_append(struct view *v, const struct message_entry *e)
{
	if (v->n == v->cap) {
		v->cap += v->cap / 2 + 16;
		v->v = mem_regrow(v->v, v->cap, sizeof(*v->v));
	}
	v->v[v->n++] = (struct told){ .uid = e->uid, .flags = e->flags,
		.keywords = e->keywords, .modseq = e->modseq };
}

void
view_clear(struct view *v)
{
	if (v->mailbox != NULL)
		mailbox_close(&v->mailbox);
	uids_clear(&v->saved);
	*v = (struct view){ .v = v->v, .cap = v->cap };
}

void
view_free(struct view *v)
{
	view_clear(v);
	free(v->v);
	*v = (struct view){ 0 };
}

size_t
view_position(const struct view *v, uint32_t uid)
{
	size_t low = 0, high = v->n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (v->v[mid].uid < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

uint32_t
view_seq(const struct view *v, uint32_t uid)
{
	size_t i = view_position(v, uid);

	return i < v->n && v->v[i].uid == uid ? (uint32_t)i + 1 : 0;
}

const struct message_entry *
view_entry(struct view *v, size_t position)
{
	const struct message_entry *e;
	uint32_t uid = v->v[position].uid;
	size_t n, i, low = 0;

	/* How far the store is behind stays the same for a long time. */
	e = mailbox_entries(v->mailbox, &n);
	i = position - v->behind;
	if (v->behind <= position && i < n && e[i].uid == uid)
		return &e[i];
	while (low < n) {
		i = low + (n - low) / 2;
		if (e[i].uid == uid) {
			v->behind = position >= i ? position - i : 0;
			return &e[i];
		}
		if (e[i].uid < uid)
			low = i + 1;
		else
			n = i;
	}
	return NULL;
}

bool
view_resolve(const struct view *v, struct set *set, bool by_uid,
    struct uids *uids_r)
{
	uint32_t max = by_uid && v->n > 0 ? v->v[v->n - 1].uid : (uint32_t)v->n;
	size_t i, r;

	*uids_r = (struct uids){ 0 };
	if (set->saved) {
		for (i = 0; i < v->saved.n; i++)
			if (view_seq(v, v->saved.v[i]) != 0)
				uids_add(uids_r, v->saved.v[i]);
		return true;
	}
	set_settle(set, max);
	if (!by_uid && set->n > 0 && set->v[set->n - 1].last > v->n)
		return false;
	for (r = 0; r < set->n; r++) {
		i = by_uid ? view_position(v, set->v[r].first) :
		    set->v[r].first - 1;
		for (; i < v->n; i++) {
			if ((by_uid ? v->v[i].uid : i + 1) > set->v[r].last)
				break;
			uids_add(uids_r, v->v[i].uid);
		}
	}
	return true;
}
