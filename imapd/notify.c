/* SPDX-License-Identifier: ISC */
/*
 * notify - NOTIFY (RFC 5465): news without asking, of the selected mailbox and
 * of others.
 *
 * Events that are known: MessageNew, MessageExpunge, FlagChange.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "fetch.h"
#include "imap.h"

#define NOTIFY_GROUPS	16
#define NOTIFY_NAMES	100	/* mailboxes and subtrees of a group */
#define NOTIFY_WATCHED	1000	/* mailboxes of which news is asked */

enum { EV_NEW = 1, EV_EXPUNGE = 2, EV_FLAGS = 4 };

struct group {
	enum {
		G_SELECTED, G_SELECTED_DELAYED, G_INBOXES, G_PERSONAL,
		G_SUBSCRIBED, G_SUBTREE, G_MAILBOXES,
	} what;
	struct slice	 names[NOTIFY_NAMES];
	size_t		 nnames;
	unsigned	 events;
};

struct notify {
	struct arena	 arena;
	struct group	 groups[NOTIFY_GROUPS];
	size_t		 n;
	bool		 selected, delayed;
	unsigned	 selected_events;
	bool		 has_fetch;
	struct fetch	 fetch;		/* of MessageNew; its slices: arena */
	bool		 due;		/* news of the selected one waits */
};

static bool	 take_groups(struct imap_session *, struct cursor *,
		    struct notify *, const char **);
static bool	 take_which(struct imap_session *, struct cursor *,
		    struct notify *, struct group *);
static bool	 take_names(struct imap_session *, struct cursor *,
		    struct notify *, struct group *);
static bool	 take_events(struct imap_session *, struct cursor *,
		    struct notify *, struct group *, const char **);
static unsigned	 events_of(const struct notify *, struct slice mailbox,
		    bool subscribed);
static void	 tell_other(struct imap_session *, struct slice, unsigned);
static void	 tell_all(struct imap_session *);

void
cmd_notify(struct imap_session *s, struct cursor *c)
{
	struct notify *n;
	const char *code = NULL;
	bool status;

	if (cur_sp_word(c, "NONE") && cur_end(c)) {
		notify_free(s);
		watch(s);
		tagged(s, OK, NULL, "Done");
		return;
	}
	if (!cur_sp_word(c, "SET")) {
		bad_args(s, "NONE, or SET and groups");
		return;
	}
	n = mem_alloc(sizeof(*n));
	n->arena = ARENA_INIT(ARENA_BYTES);
	status = cur_sp_word(c, "STATUS");
	if (!take_groups(s, c, n, &code) || !cur_end(c)) {
		arena_clear(&n->arena);
		free(n);
		if (code != NULL)
			tagged(s, NO, code, "That cannot be told");
		else
			bad_args(s, "groups of mailboxes with their events");
		return;
	}
	notify_free(s);
	s->notify = n;
	watch(s);
	if (status)
		tell_all(s);
	tagged(s, OK, NULL, "Done");
}

void
notify_free(struct imap_session *s)
{
	if (s->notify != NULL)
		arena_clear(&s->notify->arena);
	free(s->notify);
	s->notify = NULL;
}

static bool
take_groups(struct imap_session *s, struct cursor *c, struct notify *n,
    const char **code)
{
	struct group *g;

	while (cur_sp(c)) {
		if (n->n == NOTIFY_GROUPS)
			return false;
		g = &n->groups[n->n++];
		if (!cur_open(c) || !take_which(s, c, n, g) || !cur_sp(c) ||
		    !take_events(s, c, n, g, code) || !cur_close(c))
			return false;
		if (g->what <= G_SELECTED_DELAYED) {
			n->selected = true;
			n->delayed = g->what == G_SELECTED_DELAYED;
			n->selected_events = g->events;
		}
	}
	return n->n > 0;
}

static bool
take_which(struct imap_session *s, struct cursor *c, struct notify *n,
    struct group *g)
{
	static const char *const words[] = { "selected", "selected-delayed",
		"inboxes", "personal", "subscribed", "subtree", "mailboxes" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (cur_word(c, words[i])) {
			g->what = i;
			return i < G_SUBTREE || take_names(s, c, n, g);
		}
	return false;
}

static bool
take_names(struct imap_session *s, struct cursor *c, struct notify *n,
    struct group *g)
{
	struct slice name;
	bool list;

	if (!cur_sp(c))
		return false;
	list = cur_open(c);
	do {
		if (g->nnames == NOTIFY_NAMES || !cur_mailbox(s, c, &name) ||
		    arena_copy(&n->arena, name, &g->names[g->nnames++]) == -1)
			return false;
	} while (list && cur_sp(c));
	return !list || cur_close(c);
}

/* What MessageNew is to be answered with is kept in our own arena. */
static bool
take_fetch(struct cursor *c, struct notify *n, struct group *g)
{
	struct cursor at = *c;
	struct slice text;
	bool good;

	if (!cur_sp(&at) || cur_peek(&at) != '(')
		return true;
	if (g->what > G_SELECTED_DELAYED ||
	    arena_copy(&n->arena, at.rest, &text) == -1)
		return false;
	at.rest = text;
	at.arena = &n->arena;
	good = fetch_parse(&at, &n->fetch);
	n->has_fetch = good;
	c->rest = slice_from(c->rest, c->rest.n - at.rest.n);
	/* New mail is not seen by being told. */
	n->fetch.sets_seen = false;
	return good;
}

static bool
take_events(struct imap_session *s, struct cursor *c, struct notify *n,
    struct group *g, const char **code)
{
	static const struct { const char *name; unsigned bit; } events[] = {
		{ "MessageNew", EV_NEW }, { "MessageExpunge", EV_EXPUNGE },
		{ "FlagChange", EV_FLAGS },
	};
	static const char *const others[] = { "AnnotationChange",
		"MailboxName", "SubscriptionChange", "MailboxMetadataChange",
		"ServerMetadataChange" };
	size_t i;

	(void)s;
	if (cur_word(c, "NONE"))
		return true;
	if (!cur_open(c))
		return false;
	do {
		for (i = 0; i < 3 && !cur_word(c, events[i].name);)
			i++;
		if (i == 3) {
			for (i = 0; i < 5; i++)
				if (cur_word(c, others[i]))
					*code = "BADEVENT (MessageNew "
					    "MessageExpunge FlagChange)";
			return false;
		}
		g->events |= events[i].bit;
		if (events[i].bit == EV_NEW && !take_fetch(c, n, g))
			return false;
	} while (cur_sp(c));
	/* RFC 5465 5: these two go together, and flags not without them. */
	return cur_close(c) && ((g->events & EV_NEW) != 0) ==
	    ((g->events & EV_EXPUNGE) != 0) &&
	    ((g->events & EV_FLAGS) == 0 || g->events & EV_NEW);
}

/* ---- news ---------------------------------------------------------------- */

static bool
names_match(const struct group *g, struct slice mailbox)
{
	size_t i;

	for (i = 0; i < g->nnames; i++) {
		if (slice_eq(g->names[i], mailbox))
			return true;
		if (g->what == G_SUBTREE && slice_starts(mailbox,
		    g->names[i]) && mailbox.p[g->names[i].n] == DELIMITER)
			return true;
	}
	return false;
}

/* The first group that names a mailbox counts. */
static unsigned
events_of(const struct notify *n, struct slice mailbox, bool subscribed)
{
	const struct group *g;
	size_t i;

	for (i = 0; i < n->n; i++) {
		g = &n->groups[i];
		if (g->what == G_PERSONAL ||
		    (g->what == G_INBOXES &&
		    slice_eq(mailbox, SLICE_LIT("INBOX"))) ||
		    (g->what == G_SUBSCRIBED && subscribed) ||
		    (g->what >= G_SUBTREE && names_match(g, mailbox)))
			return g->events;
	}
	return 0;
}

struct list_arg {
	struct imap_session *s;
	struct slice	*names;		/* for watch(); owned texts */
	size_t		 n;
	struct slice	 only;		/* the mailbox that is looked for */
	bool		 subscribed;
};

static bool
is_subscribed(void *arg, const struct mailbox_entry *e)
{
	struct list_arg *a = arg;

	if (!slice_eq(e->name, a->only))
		return true;
	a->subscribed = e->subscribed;
	return false;
}

void
notify_news(struct imap_session *s, struct slice mailbox)
{
	struct notify *n = s->notify;
	struct list_arg a = { .s = s, .only = mailbox };

	if (s->state == S_SELECTED && (mailbox.n == 0 ||
	    slice_eq(mailbox, mailbox_name(s->view.mailbox)))) {
		n->due = true;
		notify_due(s);
		return;
	}
	/* In the middle of an answer nothing else can stand; the client asks
	 * again what it was not told. */
	if (s->job != NULL)
		return;
	store_list(s->store, is_subscribed, &a);
	tell_other(s, mailbox, events_of(n, mailbox, a.subscribed));
}

/* Between commands: what the selected mailbox has new. */
void
notify_due(struct imap_session *s)
{
	struct notify *n = s->notify;
	uint32_t uidnext = s->view.uidnext;
	size_t i;

	if (n == NULL || !n->due || s->job != NULL || s->append != NULL ||
	    s->state != S_SELECTED)
		return;
	n->due = false;
	if (!s->idling && n->selected_events == 0)
		return;
	s->by_uid = false;
	sync_view(s, s->idling || (n->selected && !n->delayed));
	if (!n->has_fetch || s->state != S_SELECTED)
		return;
	for (i = view_position(&s->view, uidnext); i < s->view.n; i++)
		fetch_tell(s, &n->fetch, i);
}

static void
tell_other(struct imap_session *s, struct slice mailbox, unsigned events)
{
	unsigned items = 0;

	if (events & EV_NEW)
		items |= STATUS_MESSAGES | STATUS_UIDNEXT | STATUS_UIDVALIDITY |
		    STATUS_UNSEEN;
	if (events & EV_FLAGS)
		items |= STATUS_UIDVALIDITY | STATUS_UNSEEN;
	if (items != 0 && s->enabled & EN_CONDSTORE)
		items |= STATUS_HIGHESTMODSEQ;
	if (items != 0)
		status_tell(s, mailbox, items);
}

static bool
tell_one(void *arg, const struct mailbox_entry *e)
{
	struct list_arg *a = arg;

	if (e->exists && a->n < NOTIFY_WATCHED && events_of(a->s->notify,
	    e->name, e->subscribed) != 0)
		a->names[a->n++] = slice_str(mem_slicedup(e->name));
	return true;
}

static void
free_names(struct list_arg *a)
{
	union { const char *from; char *to; } u;
	size_t i;

	for (i = 0; i < a->n; i++) {
		u.from = a->names[i].p;
		free(u.to);
	}
	free(a->names);
}

static void
collect_names(struct imap_session *s, struct list_arg *a)
{
	*a = (struct list_arg){ .s = s };
	a->names = mem_array(NOTIFY_WATCHED + 1, sizeof(*a->names));
	if (s->notify != NULL)
		store_list(s->store, tell_one, a);
}

static bool
is_selected(const struct imap_session *s, struct slice mailbox)
{
	return s->state == S_SELECTED &&
	    slice_eq(mailbox, mailbox_name(s->view.mailbox));
}

static void
tell_all(struct imap_session *s)
{
	struct list_arg a;
	size_t i;

	collect_names(s, &a);
	for (i = 0; i < a.n; i++)
		if (!is_selected(s, a.names[i]))
			tell_other(s, a.names[i], EV_NEW | EV_FLAGS);
	free_names(&a);
}

void
watch(struct imap_session *s)
{
	struct list_arg a;
	struct slice own;

	if (s->notify == NULL) {
		if (s->state == S_SELECTED)
			own = mailbox_name(s->view.mailbox);
		s->ops->watch(s->arg, &own, s->state == S_SELECTED);
		return;
	}
	collect_names(s, &a);
	if (s->state == S_SELECTED)
		a.names[a.n++] = slice_str(mem_slicedup(
		    mailbox_name(s->view.mailbox)));
	s->ops->watch(s->arg, a.names, a.n);
	free_names(&a);
}
