/* SPDX-License-Identifier: ISC */
/* select - SELECT, EXAMINE, CLOSE, UNSELECT; QRESYNC's first answer. */
#include <stdlib.h>

#include "imap.h"

/* RFC 7162 3.2.5: what the client remembers of the mailbox. */
struct resync {
	bool		 given;
	uint32_t	 uidvalidity;
	uint64_t	 modseq;
	struct set	 known;		/* UIDs; n 0: all */
	struct set	 seqs, seq_uids; /* pairs that it knows */
};

static void	 select_mailbox(struct imap_session *, struct cursor *,
		    bool read_only);
static bool	 take_params(struct imap_session *, struct cursor *,
		    struct resync *);
static bool	 take_resync(struct cursor *, struct resync *);
static void	 open_it(struct imap_session *, struct slice name,
		    bool read_only, struct resync *);
static void	 tell_mailbox(struct imap_session *);
static void	 tell_unseen(struct imap_session *);
static void	 resync(struct imap_session *, struct resync *);

void
cmd_select(struct imap_session *s, struct cursor *c)
{
	select_mailbox(s, c, false);
}

void
cmd_examine(struct imap_session *s, struct cursor *c)
{
	select_mailbox(s, c, true);
}

void
deselect(struct imap_session *s)
{
	if (s->state != S_SELECTED)
		return;
	view_clear(&s->view);
	s->state = S_AUTH;
	s->read_only = false;
	s->keywords_told = 0;
	watch(s);
}

void
cmd_unselect(struct imap_session *s, struct cursor *c)
{
	if (!cur_end(c)) {
		bad_args(s, "nothing");
		return;
	}
	deselect(s);
	tagged(s, OK, NULL, "Done");
}

/* Messages with \Deleted go, and nobody here is told. */
void
cmd_close(struct imap_session *s, struct cursor *c)
{
	const struct message_entry *e;
	struct uids all = { 0 };
	enum store_result r = STORE_OK;
	size_t i, n;

	if (!cur_end(c)) {
		bad_args(s, "nothing");
		return;
	}
	e = mailbox_entries(s->view.mailbox, &n);
	for (i = 0; i < n && !s->read_only; i++)
		if (e[i].flags & FLAG_DELETED)
			uids_add(&all, e[i].uid);
	if (all.n > 0) {
		r = mailbox_expunge(s->view.mailbox,
		    (struct uid_list){ all.v, all.n }, true);
		changed(s, mailbox_name(s->view.mailbox));
	}
	uids_clear(&all);
	deselect(s);
	if (r == STORE_OK)
		tagged(s, OK, NULL, "Done");
	else
		store_refused(s, r);
}

static void
select_mailbox(struct imap_session *s, struct cursor *c, bool read_only)
{
	struct resync q = { 0 };
	struct slice name;

	if (cur_sp(c) && cur_mailbox(s, c, &name) && take_params(s, c, &q) &&
	    cur_end(c)) {
		if (q.given && (s->enabled & EN_QRESYNC) == 0)
			tagged(s, BAD, NULL, "ENABLE QRESYNC comes first");
		else
			open_it(s, name, read_only, &q);
	} else
		bad_args(s, "a mailbox, and (CONDSTORE) or (QRESYNC (...))");
	set_clear(&q.known);
	set_clear(&q.seqs);
	set_clear(&q.seq_uids);
}

static bool
take_params(struct imap_session *s, struct cursor *c, struct resync *q)
{
	if (!cur_sp(c))
		return true;
	if (!cur_open(c))
		return false;
	do {
		if (cur_word(c, "CONDSTORE"))
			s->enabled |= EN_CONDSTORE;
		else if (q->given || !cur_word(c, "QRESYNC") || !cur_sp(c) ||
		    !take_resync(c, q))
			return false;
	} while (cur_sp(c));
	return cur_close(c);
}

/* "(" uidvalidity SP mod-sequence [SP known-uids] [SP "(" seqs SP uids ")"]
 * ")" */
static bool
take_resync(struct cursor *c, struct resync *q)
{
	bool seqs;

	q->given = true;
	if (!cur_open(c) || !cur_nz_number(c, &q->uidvalidity) || !cur_sp(c) ||
	    !cur_number64(c, &q->modseq))
		return false;
	seqs = cur_sp(c);
	if (seqs && cur_peek(c) != '(') {
		if (!cur_set(c, 0, &q->known))
			return false;
		seqs = cur_sp(c);
	}
	if (seqs && (!cur_open(c) || !cur_set(c, 0, &q->seqs) || !cur_sp(c) ||
	    !cur_set(c, 0, &q->seq_uids) || !cur_close(c)))
		return false;
	return cur_close(c);
}

static void
open_it(struct imap_session *s, struct slice name, bool read_only,
    struct resync *q)
{
	struct mailbox *m;
	enum store_result r;

	/* Also where it fails, none is selected then (RFC 9051 6.3.2). */
	if (s->state == S_SELECTED) {
		deselect(s);
		say(s, "* OK [CLOSED] The previous mailbox is closed");
	}
	r = mailbox_open(s->store, name, read_only, &m);
	if (r != STORE_OK) {
		store_refused(s, r);
		return;
	}
	view_open(&s->view, m);
	s->state = S_SELECTED;
	s->read_only = read_only || mailbox_is_read_only(m);
	watch(s);
	tell_mailbox(s);
	if (q->given)
		resync(s, q);
	tagged(s, OK, s->read_only ? "READ-ONLY" : "READ-WRITE", "Selected");
}

static void
tell_mailbox(struct imap_session *s)
{
	const struct mailbox_status *head = mailbox_head(s->view.mailbox);
	size_t i, recent = 0;

	tell_keywords(s);
	say(s, "* %zu EXISTS", s->view.n);
	if ((s->enabled & EN_REV2) == 0) {
		for (i = 0; i < s->view.n; i++)
			recent += (s->view.v[i].flags & FLAG_RECENT) != 0;
		say(s, "* %zu RECENT", recent);
		tell_unseen(s);
	} else {
		put_str(s, "* LIST () \"/\" ");
		put_mailbox(s, mailbox_name(s->view.mailbox));
		put_str(s, "\r\n");
	}
	say(s, "* OK [UIDVALIDITY %u] UIDs are valid", head->uidvalidity);
	say(s, "* OK [UIDNEXT %u] The next UID", head->uidnext);
	say(s, "* OK [HIGHESTMODSEQ %llu] The highest mod-sequence",
	    (unsigned long long)head->highestmodseq);
	put_str(s, "* OK [MAILBOXID ");
	put_object_id(s, 'F', head->guid);
	say(s, "] Its id");
}

static void
tell_unseen(struct imap_session *s)
{
	size_t i = 0;

	while (i < s->view.n && s->view.v[i].flags & FLAG_SEEN)
		i++;
	if (i < s->view.n && (s->enabled & EN_UIDONLY) == 0)
		say(s, "* OK [UNSEEN %zu] The first unseen message", i + 1);
}

/* ---- QRESYNC ------------------------------------------------------------- */

struct vanished {
	struct set	*known;
	struct uids	 gone;
	uint32_t	 uidnext;
};

static void
collect_gone(void *arg, uint32_t uid)
{
	struct vanished *v = arg;

	if (uid < v->uidnext && (v->known->n == 0 || set_has(v->known, uid)))
		uids_add(&v->gone, uid);
}

static int
by_number(const void *va, const void *vb)
{
	const uint32_t *a = va, *b = vb;

	return (*a > *b) - (*a < *b);
}

/* Up to which UID the client's pairs of sequence number and UID are ours: what
 * has gone, has gone behind it (RFC 7162 3.2.5.2). */
static uint32_t
last_match(const struct view *v, const struct resync *q)
{
	size_t i = 0, j = 0;
	uint32_t seq, uid, last = 0, at_i = 0, at_j = 0;

	while (i < q->seqs.n && j < q->seq_uids.n) {
		seq = q->seqs.v[i].first + at_i;
		uid = q->seq_uids.v[j].first + at_j;
		if (seq > v->n || v->v[seq - 1].uid != uid)
			break;
		last = uid;
		at_i++;
		at_j++;
		if (seq >= q->seqs.v[i].last) {
			i++;
			at_i = 0;
		}
		if (uid >= q->seq_uids.v[j].last) {
			j++;
			at_j = 0;
		}
	}
	return last;
}

/* Too long ago: every UID that the client knows and that is not here. */
static void
tell_absent(struct imap_session *s, const struct set *known, uint32_t from,
    uint32_t uidnext, struct set_writer *w)
{
	static struct set_range everything = { 1, UINT32_MAX };
	const struct set_range *r = known->n == 0 ? &everything : known->v;
	size_t i, n = known->n == 0 ? 1 : known->n, at;
	uint32_t uid, end, gap;

	for (i = 0; i < n; i++) {
		uid = r[i].first > from ? r[i].first : from + 1;
		end = r[i].last < uidnext ? r[i].last : uidnext - 1;
		at = view_position(&s->view, uid);
		for (; uid <= end; uid = gap + 1) {
			gap = at < s->view.n ? s->view.v[at++].uid : UINT32_MAX;
			if (gap > uid)
				set_write_range(w, uid,
				    gap > end ? end : gap - 1);
			if (gap >= end)
				break;
		}
	}
}

/* "* VANISHED (EARLIER) 41,43:116" */
static void
vanished_earlier(struct imap_session *s, uint64_t since, struct set *known,
    uint32_t from)
{
	struct vanished v = { .known = known,
		.uidnext = mailbox_head(s->view.mailbox)->uidnext };
	size_t start = s->out.n, empty;
	struct set_writer w = { .to = &s->out };

	set_settle(known, v.uidnext - 1);
	put_str(s, "* VANISHED (EARLIER) ");
	empty = s->out.n;
	if (mailbox_vanished(s->view.mailbox, since, collect_gone, &v)) {
		if (v.gone.n > 0)
			qsort(v.gone.v, v.gone.n, sizeof(*v.gone.v), by_number);
		uids_write(&s->out, v.gone.v, v.gone.n);
	} else {
		tell_absent(s, known, from, v.uidnext, &w);
		set_write_end(&w);
	}
	if (s->out.n == empty)
		s->out.n = start;
	else
		put_str(s, "\r\n");
	uids_clear(&v.gone);
}

void
tell_vanished(struct imap_session *s, uint64_t since, struct set *known)
{
	vanished_earlier(s, since, known, 0);
}

static void
resync(struct imap_session *s, struct resync *q)
{
	size_t i;

	if (q->uidvalidity != mailbox_head(s->view.mailbox)->uidvalidity)
		return;
	vanished_earlier(s, q->modseq, &q->known, last_match(&s->view, q));
	for (i = 0; i < s->view.n; i++)
		if (s->view.v[i].modseq > q->modseq && (q->known.n == 0 ||
		    set_has(&q->known, s->view.v[i].uid)))
			tell_flags_of(s, i, true);
}
