/* SPDX-License-Identifier: ISC */
/*
 * park - a session as bytes, and back.
 *
 * What is written: the features that are enabled, whether it is in IDLE and
 * with which tag, and of the selected mailbox its name, what the client knows
 * of it (UIDs and up to which mod-sequence) and "$".  The reader trusts
 * nothing: the bytes have been with a process that talks to the network.
 */
#include <endian.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/wire.h"
#include "imap.h"

#define STATE_VERSION	1

static int	 put_uids(struct buf *, const struct uids *);
static bool	 get_uids(struct wire *, struct uids *);
static bool	 reopen(struct imap_session *, struct wire *,
		    struct slice name);
static void	 rebuild(struct view *, const struct uids *, uint64_t modseq);

/*
 * u8 version, u8 enabled, bool idling, slice tag, slice mailbox (empty: none);
 * then bool read_only, u32 uidvalidity, u64 modseq, u32 keywords, ranges of
 * UIDs, ranges of "$".
 */
bool
state_write(const struct imap_session *s, struct buf *b)
{
	const struct view *v = &s->view;
	struct uids known = { 0 };
	size_t i;
	int r = 0;

	r |= put_u8(b, STATE_VERSION);
	r |= put_u8(b, (uint8_t)s->enabled);
	r |= put_u8(b, s->idling);
	r |= put_slice(b, slice_str(s->tag));
	if (s->state != S_SELECTED)
		return (r | put_slice(b, SLICE_EMPTY)) == 0;
	r |= put_slice(b, mailbox_name(v->mailbox));
	r |= put_u8(b, s->read_only);
	r |= put_u32(b, mailbox_head(v->mailbox)->uidvalidity);
	r |= put_u64(b, v->modseq);
	r |= put_u32(b, s->keywords_told);
	for (i = 0; i < v->n; i++)
		uids_add(&known, v->v[i].uid);
	r |= put_uids(b, &known);
	r |= put_uids(b, &v->saved);
	uids_clear(&known);
	return r == 0;
}

/* u32 ranges; each u32 first, u32 last. */
static int
put_uids(struct buf *b, const struct uids *u)
{
	size_t i, j, at = b->n;
	uint32_t n = 0;

	if (put_u32(b, 0) == -1)
		return -1;
	for (i = 0; i < u->n; i = j, n++) {
		for (j = i + 1; j < u->n && u->v[j] == u->v[j - 1] + 1;)
			j++;
		if (put_u32(b, u->v[i]) == -1 || put_u32(b, u->v[j - 1]) == -1)
			return -1;
	}
	n = htole32(n);
	memcpy(b->p + at, &n, sizeof(n));
	return 0;
}

static bool
get_uids(struct wire *w, struct uids *u)
{
	uint32_t n = get_u32(w), first, last, before = 0, x;
	uint64_t all = 0;

	while (n-- > 0 && !w->bad) {
		first = get_u32(w);
		last = get_u32(w);
		all += (uint64_t)last - first + 1;
		if (first <= before || last < first || last == UINT32_MAX ||
		    all > STORE_MESSAGES)
			return false;
		for (x = first; x <= last; x++)
			uids_add(u, x);
		before = last;
	}
	return !w->bad;
}

bool
state_read(struct imap_session *s, struct slice state)
{
	struct wire w = wire_of(state);
	struct slice tag, name;

	if (get_u8(&w) != STATE_VERSION)
		return false;
	s->enabled = get_enum(&w, EN_ALL);
	s->idling = get_bool(&w);
	tag = get_text(&w, TAG_BYTES);
	name = get_slice(&w, STORE_NAME_BYTES);
	if (w.bad)
		return false;
	memcpy(s->tag, tag.p, tag.n);
	s->tag[tag.n] = '\0';
	if (name.n == 0)
		return wire_done(&w);
	return reopen(s, &w, name);
}

static bool
reopen(struct imap_session *s, struct wire *w, struct slice name)
{
	bool read_only = get_bool(w);
	uint32_t uidvalidity = get_u32(w);
	uint64_t modseq = get_u64(w);
	struct uids known = { 0 }, saved = { 0 };
	struct mailbox *m = NULL;
	bool good;

	s->keywords_told = get_u32(w);
	good = get_uids(w, &known) && get_uids(w, &saved) && wire_done(w) &&
	    mailbox_open(s->store, name, read_only, &m) == STORE_OK &&
	    mailbox_head(m)->uidvalidity == uidvalidity;
	if (good) {
		view_open(&s->view, m);
		m = NULL;
		rebuild(&s->view, &known, modseq);
		s->view.saved = saved;
		saved = (struct uids){ 0 };
		s->state = S_SELECTED;
		s->read_only = read_only ||
		    mailbox_is_read_only(s->view.mailbox);
	}
	if (m != NULL)
		mailbox_close(&m);
	uids_clear(&known);
	uids_clear(&saved);
	return good;
}

/* As the client knew it: what has changed since is found by the next look. */
static void
rebuild(struct view *v, const struct uids *known, uint64_t modseq)
{
	struct told *now = v->v;
	size_t i, j = 0, n = v->n;

	v->v = NULL;
	v->n = v->cap = 0;
	for (i = 0; i < known->n; i++) {
		struct message_entry e = { .uid = known->v[i] };

		while (j < n && now[j].uid < e.uid)
			j++;
		view_append(v, &e);
		if (j == n || now[j].uid != e.uid)
			continue;
		v->v[i] = now[j];
		if (now[j].modseq > modseq) {
			v->v[i].flags = (uint8_t)~now[j].flags;
			v->v[i].modseq = 0;
		}
	}
	/* Never equal to what is, if anything has changed. */
	v->modseq = modseq;
	v->messages = (uint32_t)known->n;
	v->uidnext = known->n > 0 ? known->v[known->n - 1] + 1 : 1;
	free(now);
}
