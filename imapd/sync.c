/* SPDX-License-Identifier: ISC */
/*
 * sync - what has changed in the selected mailbox, told.
 *
 * The view is compared with the store's entries instead of trusting a list of
 * changes: whoever changed what and when, afterwards the client knows what is.
 */
#include "imap.h"

static bool	 is_same(const struct view *, const struct mailbox_status *);
static void	 find_gone(struct view *, size_t *nknown_r);
static void	 tell_gone(struct imap_session *);
static void	 tell_new(struct imap_session *, size_t known);
static void	 tell_flags(struct imap_session *, size_t old);

void
sync_view(struct imap_session *s, bool expunges)
{
	struct view *v = &s->view;
	const struct mailbox_status *head;
	size_t known, old;
	bool same;

	if (mailbox_refresh(v->mailbox, NULL, NULL) == STORE_NO_MAILBOX) {
		imap_session_bye(s, "The mailbox was deleted");
		return;
	}
	head = mailbox_head(v->mailbox);
	same = is_same(v, head);
	if (same && (v->ngone == 0 || !expunges))
		return;
	find_gone(v, &known);
	if (mailbox_keywords(v->mailbox) != s->keywords_told)
		tell_keywords(s);
	if (expunges && v->ngone > 0)
		tell_gone(s);
	old = v->n;
	tell_new(s, known);
	if (!same)
		tell_flags(s, old);
	v->modseq = head->highestmodseq;
	v->uidnext = head->uidnext;
	v->messages = head->messages;
}

static bool
is_same(const struct view *v, const struct mailbox_status *head)
{
	return v->modseq == head->highestmodseq &&
	    v->uidnext == head->uidnext && v->messages == head->messages;
}

/* Marks them; *known_r: how many entries the client knows. */
static void
find_gone(struct view *v, size_t *known_r)
{
	const struct message_entry *e;
	size_t n, i, j = 0;

	e = mailbox_entries(v->mailbox, &n);
	for (i = 0; i < v->n; i++) {
		while (j < n && e[j].uid < v->v[i].uid)
			j++;
		if (j < n && e[j].uid == v->v[i].uid)
			j++;
		else if (!v->v[i].gone) {
			v->v[i].gone = true;
			v->ngone++;
		}
	}
	*known_r = j;
}

/* EXPUNGE from the last one down, so that a number says what it did before; or
 * one VANISHED with UIDs (RFC 7162 3.2.10). */
static void
tell_gone(struct imap_session *s)
{
	struct view *v = &s->view;
	struct set_writer w = { .to = &s->out };
	bool uids = (s->enabled & (EN_QRESYNC | EN_UIDONLY)) != 0;
	size_t i, n = 0;

	if (uids)
		put_str(s, "* VANISHED ");
	for (i = v->n; !uids && i-- > 0;)
		if (v->v[i].gone)
			say(s, "* %zu EXPUNGE", i + 1);
	for (i = 0; i < v->n; i++) {
		if (!v->v[i].gone)
			v->v[n++] = v->v[i];
		else if (uids)
			set_write(&w, v->v[i].uid);
	}
	set_write_end(&w);
	if (uids)
		put_str(s, "\r\n");
	v->n = n;
	v->ngone = 0;
	v->behind = 0;
}

static void
tell_new(struct imap_session *s, size_t known)
{
	struct view *v = &s->view;
	const struct message_entry *e;
	size_t n, i, recent = 0;

	e = mailbox_entries(v->mailbox, &n);
	if (known >= n)
		return;
	for (i = known; i < n; i++)
		view_append(v, &e[i]);
	say(s, "* %zu EXISTS", v->n);
	if (s->enabled & EN_REV2)
		return;
	for (i = 0; i < v->n; i++)
		recent += (v->v[i].flags & FLAG_RECENT) != 0;
	say(s, "* %zu RECENT", recent);
}

/* Of the first `old` positions. */
static void
tell_flags(struct imap_session *s, size_t old)
{
	struct view *v = &s->view;
	const struct message_entry *e;
	bool modseqs = (s->enabled & EN_CONDSTORE) != 0;
	struct told *t;
	size_t i;

	for (i = 0; i < old; i++) {
		t = &v->v[i];
		if (t->gone || (e = view_entry(v, i)) == NULL)
			continue;
		if (t->flags != e->flags || t->keywords != e->keywords ||
		    (modseqs && t->modseq != e->modseq))
			tell_flags_of(s, i, s->by_uid);
		t->modseq = e->modseq;
	}
}

void
tell_flags_of(struct imap_session *s, size_t position, bool uid)
{
	const struct message_entry *e = view_entry(&s->view, position);
	struct told *t = &s->view.v[position];

	if (e == NULL)
		return;
	begin_fetch(s, position, uid || s->enabled & (EN_QRESYNC | EN_REV2));
	put_str(s, "FLAGS ");
	put_flag_list(s, e->flags, e->keywords);
	if (s->enabled & EN_CONDSTORE) {
		put_str(s, " MODSEQ (");
		put_number(s, e->modseq);
		put_str(s, ")");
	}
	put_str(s, ")\r\n");
	t->flags = e->flags;
	t->keywords = e->keywords;
	t->modseq = e->modseq;
}

static void
put_all_flags(struct imap_session *s)
{
	const char *name;
	unsigned i;

	put_str(s, "\\Answered \\Flagged \\Deleted \\Seen \\Draft");
	for (i = 0; i < STORE_KEYWORDS; i++) {
		name = mailbox_keyword_name(s->view.mailbox, i);
		if (name[0] == '\0')
			continue;
		put_str(s, " ");
		put_str(s, name);
	}
}

void
tell_keywords(struct imap_session *s)
{
	unsigned n = mailbox_keywords(s->view.mailbox);

	put_str(s, "* FLAGS (");
	put_all_flags(s);
	put_str(s, ")\r\n* OK [PERMANENTFLAGS (");
	if (!s->read_only) {
		put_all_flags(s);
		if (n < STORE_KEYWORDS)
			put_str(s, " \\*");
	}
	say(s, ")] %s", s->read_only ? "Read-only" : "Flags that are kept");
	s->keywords_told = n;
}
