/* SPDX-License-Identifier: ISC */
/* copy - COPY, MOVE, EXPUNGE (RFC 9051 6.4.7, 6.4.8, 6.4.3, 4315, 6851). */
#include <stdlib.h>

#include "imap.h"

static void	 copy_or_move(struct imap_session *, struct cursor *,
		    bool move);
static void	 do_copy(struct imap_session *, struct uids *, struct slice to,
		    bool move);
static void	 copyuid(struct buf *, const struct copied *);
static void	 expunge(struct imap_session *, struct uids *);

void
cmd_copy(struct imap_session *s, struct cursor *c)
{
	copy_or_move(s, c, false);
}

void
cmd_move(struct imap_session *s, struct cursor *c)
{
	copy_or_move(s, c, true);
}

static void
copy_or_move(struct imap_session *s, struct cursor *c, bool move)
{
	struct set set = { 0 };
	struct uids uids = { 0 };
	struct slice to;

	if (!cur_sp(c) || !cur_set(c, SET_STAR | SET_SAVED, &set) ||
	    !cur_sp(c) || !cur_mailbox(s, c, &to) || !cur_end(c))
		bad_args(s, "a set and a mailbox");
	else if (!view_resolve(&s->view, &set, s->by_uid, &uids))
		tagged(s, BAD, NULL, "There is no message of that number");
	else if (uids.n > MESSAGE_LIMIT)
		tagged(s, NO, "LIMIT", "Too many messages at once");
	else
		do_copy(s, &uids, to, move);
	set_clear(&set);
	uids_clear(&uids);
}

static void
do_copy(struct imap_session *s, struct uids *uids, struct slice to, bool move)
{
	struct buf code = BUF_INIT(OUT_BYTES);
	struct copied done = { 0 };
	enum store_result r;

	r = mailbox_copy(s->view.mailbox, (struct uid_list){ uids->v, uids->n },
	    to, move, &done);
	if (r == STORE_NO_MAILBOX)
		tagged(s, NO, "TRYCREATE", "There is no such mailbox");
	else if (r != STORE_OK)
		store_refused(s, r);
	else {
		changed(s, to);
		copyuid(&code, &done);
		if (move) {
			changed(s, mailbox_name(s->view.mailbox));
			if (done.n > 0)
				say(s, "* OK [%s] Moved", buf_cstr(&code));
			tagged(s, OK, NULL, "Done");
		} else if (done.n > 0)
			tagged(s, OK, buf_cstr(&code), "Done");
		else
			tagged(s, OK, NULL, "Nothing was there to be copied");
	}
	free(done.from);
	free(done.to);
	buf_clear(&code);
}

static void
copyuid(struct buf *b, const struct copied *done)
{
	buf_printf(b, "COPYUID %u ", done->uidvalidity);
	uids_write(b, done->from, done->n);
	buf_add_byte(b, ' ');
	uids_write(b, done->to, done->n);
}

/* ---- EXPUNGE ------------------------------------------------------------- */

void
cmd_expunge(struct imap_session *s, struct cursor *c)
{
	struct uids uids = { 0 };
	size_t i;

	if (!cur_end(c)) {
		bad_args(s, "nothing");
		return;
	}
	for (i = 0; i < s->view.n; i++)
		uids_add(&uids, s->view.v[i].uid);
	expunge(s, &uids);
	uids_clear(&uids);
}

void
cmd_uid_expunge(struct imap_session *s, struct cursor *c)
{
	struct uids uids = { 0 };
	struct set set = { 0 };

	if (!cur_sp(c) || !cur_set(c, SET_STAR | SET_SAVED, &set) ||
	    !cur_end(c))
		bad_args(s, "a set of UIDs");
	else {
		view_resolve(&s->view, &set, true, &uids);
		expunge(s, &uids);
	}
	set_clear(&set);
	uids_clear(&uids);
}

/* What is gone is told by sync_view(), before the answer. */
static void
expunge(struct imap_session *s, struct uids *uids)
{
	const struct message_entry *e;
	enum store_result r = STORE_OK;
	struct view *v = &s->view;
	size_t i, n = 0;
	char code[64];

	for (i = 0; i < uids->n; i++) {
		e = view_entry(v, view_position(v, uids->v[i]));
		if (e != NULL && e->flags & FLAG_DELETED)
			uids->v[n++] = e->uid;
	}
	uids->n = n;
	if (n > 0) {
		r = mailbox_expunge(v->mailbox,
		    (struct uid_list){ uids->v, n }, true);
		changed(s, mailbox_name(v->mailbox));
	}
	if (r != STORE_OK) {
		store_refused(s, r);
		return;
	}
	if (s->enabled & EN_QRESYNC) {
		/* RFC 7162 3.2.7: the client can say "up to here" with it. */
		mailbox_refresh(v->mailbox, NULL, NULL);
		sync_view(s, true);
		snprintf(code, sizeof(code), "HIGHESTMODSEQ %llu",
		    (unsigned long long)mailbox_head(v->mailbox)->highestmodseq);
		tagged(s, OK, code, "Done");
	} else
		tagged(s, OK, NULL, "Done");
}
