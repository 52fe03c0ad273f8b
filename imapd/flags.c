/* SPDX-License-Identifier: ISC */
/* flags - STORE and UID STORE (RFC 9051 6.4.6, 7162). */
#include <stdlib.h>

#include "imap.h"

struct store_args {
	struct flag_request q;
	bool		 silent;
	bool		 conditional;	/* UNCHANGEDSINCE */
	bool		 makes;		/* keywords that are not there yet */
	unsigned	 missing;	/* of them */
	bool		 too_long;	/* one can be in no mailbox */
};

static bool	 take_args(struct imap_session *, struct cursor *,
		    struct store_args *, enum store_result *);
static void	 store(struct imap_session *, struct set *,
		    const struct store_args *);
static void	 tell(struct imap_session *, uint32_t uid,
		    const struct store_args *);
static void	 failed_one(void *, uint32_t);

void
cmd_store(struct imap_session *s, struct cursor *c)
{
	struct store_args a = { .q.unchanged_since = UINT64_MAX };
	enum store_result r = STORE_OK;
	struct set set = { 0 };

	if (!cur_sp(c) || !cur_set(c, SET_STAR | SET_SAVED, &set) ||
	    !cur_sp(c) || !take_args(s, c, &a, &r) || !cur_end(c))
		bad_args(s, "a set, FLAGS, +FLAGS or -FLAGS, and flags");
	else if (a.too_long && a.q.how != FLAGS_REMOVE)
		tagged(s, NO, "LIMIT", "A keyword is too long");
	else if (r != STORE_OK)
		store_refused(s, r);
	else
		store(s, &set, &a);
	set_clear(&set);
}

static bool
take_how(struct cursor *c, struct store_args *a)
{
	a->q.how = cur_byte(c, '+') ? FLAGS_ADD :
	    cur_byte(c, '-') ? FLAGS_REMOVE : FLAGS_SET;
	if (cur_word(c, "FLAGS.SILENT"))
		a->silent = true;
	else if (!cur_word(c, "FLAGS"))
		return false;
	return cur_sp(c);
}

static bool
take_flag(struct imap_session *s, struct cursor *c, struct store_args *a)
{
	struct slice name;
	int bit;

	if (!cur_flag(c, &name))
		return false;
	if (name.p[0] == '\\') {
		/* Others of the system's are no business of clients. */
		a->q.flags |= system_flag(name) & FLAGS_STORED;
		return system_flag(name) != 0 &&
		    system_flag(name) != FLAG_RECENT;
	}
	a->too_long = a->too_long || name.n > STORE_KEYWORD_BYTES;
	bit = mailbox_keyword(s->view.mailbox, name, a->makes);
	if (bit >= 0)
		a->q.keywords |= UINT64_C(1) << bit;
	else
		a->missing++;
	return true;
}

static bool
take_flags(struct imap_session *s, struct cursor *c, struct store_args *a)
{
	bool list = cur_open(c);

	a->missing = 0;
	if (list && cur_close(c))
		return true;
	do {
		if (!take_flag(s, c, a))
			return false;
	} while (cur_sp(c));
	return !list || cur_close(c);
}

static bool
take_args(struct imap_session *s, struct cursor *c, struct store_args *a,
    enum store_result *r)
{
	struct cursor at;

	if (cur_open(c)) {
		if (!cur_word(c, "UNCHANGEDSINCE") || !cur_sp(c) ||
		    !cur_number64(c, &a->q.unchanged_since) || !cur_close(c) ||
		    !cur_sp(c))
			return false;
		a->conditional = true;
		s->enabled |= EN_CONDSTORE;
	}
	if (!take_how(c, a))
		return false;
	/* None of the keywords is made by a command that cannot be done. */
	at = *c;
	if (!take_flags(s, &at, a) || !cur_end(&at))
		return false;
	if (a->q.how == FLAGS_REMOVE || a->missing == 0 || a->too_long) {
		*c = at;
		return true;
	}
	if (mailbox_keywords(s->view.mailbox) + a->missing > STORE_KEYWORDS)
		*r = STORE_NO_KEYWORD;
	else {
		a->makes = true;
		(void)!take_flags(s, c, a);
		if (a->missing > 0)
			*r = STORE_NO_KEYWORD;
	}
	*c = at;
	return true;
}

static void
store(struct imap_session *s, struct set *set, const struct store_args *a)
{
	struct uids uids, failed = { 0 };
	enum store_result r;
	struct buf code = BUF_INIT(1024 * 1024);
	uint64_t modseq;
	size_t i;

	if (!view_resolve(&s->view, set, s->by_uid, &uids)) {
		tagged(s, BAD, NULL, "There is no message of that number");
		return;
	}
	if (uids.n > MESSAGE_LIMIT) {
		tagged(s, NO, "LIMIT", "Too many messages at once");
		uids_clear(&uids);
		return;
	}
	if (mailbox_keywords(s->view.mailbox) != s->keywords_told)
		tell_keywords(s);
	r = mailbox_set_flags(s->view.mailbox,
	    (struct uid_list){ uids.v, uids.n }, &a->q, failed_one, &failed,
	    &modseq);
	for (i = 0; r == STORE_OK && i < uids.n; i++)
		if (!uids_have(&failed, uids.v[i]))
			tell(s, uids.v[i], a);
	if (r != STORE_OK)
		store_refused(s, r);
	else if (failed.n > 0) {
		buf_add_str(&code, "MODIFIED ");
		if (!s->by_uid)
			for (i = 0; i < failed.n; i++)
				failed.v[i] = view_seq(&s->view, failed.v[i]);
		uids_write(&code, failed.v, failed.n);
		tagged(s, OK, buf_cstr(&code), "Some had changed");
	} else
		tagged(s, OK, NULL, "Done");
	if (r == STORE_OK && uids.n > failed.n)
		changed(s, mailbox_name(s->view.mailbox));
	uids_clear(&uids);
	uids_clear(&failed);
	buf_clear(&code);
}

/* In any order from the store; kept ascending. */
static void
failed_one(void *arg, uint32_t uid)
{
	struct uids *u = arg;
	size_t i;

	uids_add(u, uid);
	for (i = u->n - 1; i > 0 && u->v[i - 1] > uid; i--)
		u->v[i] = u->v[i - 1];
	u->v[i] = uid;
}

/* What the client expects by its own STORE need not be told where it wants
 * silence; what another session did to the same message must be. */
static void
tell(struct imap_session *s, uint32_t uid, const struct store_args *a)
{
	size_t i = view_position(&s->view, uid);
	const struct message_entry *e = view_entry(&s->view, i);
	struct told *t = &s->view.v[i];
	uint8_t flags = t->flags;
	uint64_t keywords = t->keywords;

	if (e == NULL)
		return;		/* gone; EXPUNGE will say so */
	switch (a->q.how) {
	case FLAGS_SET:
		flags = (uint8_t)((flags & FLAG_RECENT) | a->q.flags);
		keywords = a->q.keywords;
		break;
	case FLAGS_ADD:
		flags |= a->q.flags;
		keywords |= a->q.keywords;
		break;
	case FLAGS_REMOVE:
		flags &= (uint8_t)~a->q.flags;
		keywords &= ~a->q.keywords;
		break;
	}
	if (!a->silent || flags != e->flags || keywords != e->keywords)
		tell_flags_of(s, i, s->by_uid);
	else if (s->enabled & EN_CONDSTORE) {
		begin_fetch(s, i, s->by_uid || s->enabled & EN_QRESYNC);
		put_str(s, "MODSEQ (");
		put_number(s, e->modseq);
		put_str(s, "))\r\n");
	}
	t->flags = e->flags;
	t->keywords = e->keywords;
	t->modseq = e->modseq;
	if (s->out.n >= PIECE_BYTES)
		flush(s);
}
