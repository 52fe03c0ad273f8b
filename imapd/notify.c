/* SPDX-License-Identifier: ISC */
/*
 * notify - NOTIFY (RFC 5465): news without asking, of the selected mailbox and
 * of others.
 *
 * Events that are known are those of events[] below.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "fetch.h"
#include "imap.h"

#define NOTIFY_GROUPS	16
#define NOTIFY_NAMES	100	/* mailboxes and subtrees of a group */
#define NOTIFY_WATCHED	1000	/* mailboxes of which news is asked */
#define NOTIFY_WAITING	(64 * 1024)	/* names that have news, an LF behind
				 * each; then all are told of */

#define EV_OF_LIST	(EV_NAME | EV_SUBSCRIPTION)
#define EV_OF_ENTRIES	(EV_METADATA | EV_SERVER_METADATA)

enum {
	G_SELECTED, G_SELECTED_DELAYED, G_INBOXES, G_PERSONAL, G_SUBSCRIBED,
	G_SUBTREE, G_MAILBOXES,
};

struct group {
	unsigned	 what;
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
	struct buf	 waiting;	/* others of which news waits */
	bool		 too_many;	/* more than it holds */
	bool		 look;		/* at names, which may have changed */
	struct names	*names;		/* owned; NULL: not asked for */
	struct entries	*entries;	/* owned; NULL: not asked for */
};

static bool	 take_groups(struct imap_session *, struct cursor *,
		    struct notify *, const char **);
static bool	 take_which(struct imap_session *, struct cursor *,
		    struct notify *, struct group *);
static bool	 take_names(struct imap_session *, struct cursor *,
		    struct notify *, struct group *);
static bool	 take_events(struct imap_session *, struct cursor *,
		    struct notify *, struct group *, const char **);
static bool	 asks_for(const struct notify *, unsigned events);
static bool	 is_selected(const struct imap_session *, struct slice);
static void	 tell_waiting(struct imap_session *);
static void	 tell_other(struct imap_session *, struct slice, unsigned);
static void	 tell_all(struct imap_session *, bool begins);

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
	buf_init(&n->waiting, NOTIFY_WAITING);
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
	if (asks_for(n, EV_OF_LIST))
		n->names = names_new(s);
	if (asks_for(n, EV_OF_ENTRIES))
		n->entries = entries_new(s);
	if (status)
		tell_all(s, true);
	tagged(s, OK, NULL, "Done");
}

void
notify_free(struct imap_session *s)
{
	if (s->notify != NULL) {
		arena_clear(&s->notify->arena);
		buf_clear(&s->notify->waiting);
		names_free(&s->notify->names);
		entries_free(&s->notify->entries);
	}
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
			/* RFC 5465 6.1: one of both, and of messages only. */
			if (n->selected ||
			    g->events & (EV_OF_LIST | EV_OF_ENTRIES))
				return false;
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
	unsigned i;

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
		{ "FlagChange", EV_FLAGS }, { "MailboxName", EV_NAME },
		{ "SubscriptionChange", EV_SUBSCRIPTION },
		{ "MailboxMetadataChange", EV_METADATA },
		{ "ServerMetadataChange", EV_SERVER_METADATA },
	};
	enum { EVENTS = sizeof(events) / sizeof(events[0]) };
	struct slice unknown;
	size_t i;

	(void)s;
	if (cur_word(c, "NONE"))
		return true;
	if (!cur_open(c))
		return false;
	do {
		for (i = 0; i < EVENTS && !cur_word(c, events[i].name);)
			i++;
		if (i == EVENTS) {
			/* RFC 5465 5: AnnotationChange, or a later one. */
			if (cur_atom(c, &unknown))
				*code = "BADEVENT (MessageNew MessageExpunge "
				    "FlagChange MailboxName SubscriptionChange "
				    "MailboxMetadataChange "
				    "ServerMetadataChange)";
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

/* All groups that name a mailbox count: RFC 5465 6. */
unsigned
notify_events(const struct imap_session *s, struct slice mailbox,
    bool subscribed)
{
	const struct notify *n = s->notify;
	const struct group *g;
	unsigned events = 0;
	size_t i;

	for (i = 0; i < n->n; i++) {
		g = &n->groups[i];
		if (g->what == G_PERSONAL ||
		    (g->what == G_INBOXES &&
		    slice_eq(mailbox, SLICE_LIT("INBOX"))) ||
		    (g->what == G_SUBSCRIBED && subscribed) ||
		    (g->what >= G_SUBTREE && names_match(g, mailbox)))
			events |= g->events;
	}
	return events;
}

static bool
asks_for(const struct notify *n, unsigned events)
{
	size_t i;

	for (i = 0; i < n->n; i++)
		if (n->groups[i].events & events)
			return true;
	return false;
}

struct list_arg {
	struct imap_session *s;
	struct slice	*names;		/* for watch(); owned texts */
	unsigned	*events;	/* of each */
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

static unsigned
events_of(struct imap_session *s, struct slice mailbox)
{
	struct list_arg a = { .s = s, .only = mailbox };

	store_list(s->store, is_subscribed, &a);
	return notify_events(s, mailbox, a.subscribed);
}

/* The server's are no mailbox's: whichever group asks for them. */
bool
notify_wants_metadata(struct imap_session *s, struct slice mailbox)
{
	return mailbox.n == 0 ? asks_for(s->notify, EV_SERVER_METADATA) :
	    (events_of(s, mailbox) & EV_METADATA) != 0;
}

void
notify_news(struct imap_session *s, struct slice mailbox)
{
	struct notify *n = s->notify;

	n->look = n->names != NULL || n->entries != NULL;
	if (mailbox.n == 0)
		n->due = n->too_many = true;
	else if (s->state == S_SELECTED &&
	    slice_eq(mailbox, mailbox_name(s->view.mailbox)))
		n->due = true;
	else if (buf_add(&n->waiting, mailbox) == -1 ||
	    buf_add_byte(&n->waiting, '\n') == -1)
		n->too_many = true;
	notify_due(s);
}

void
notify_own(struct imap_session *s, struct slice from, struct slice to)
{
	if (s->notify != NULL && s->notify->names != NULL)
		names_tell(s, &s->notify->names, from, to);
}

void
notify_own_metadata(struct imap_session *s, const struct own_entries *own)
{
	if (s->notify != NULL && s->notify->entries != NULL)
		entries_tell(s, &s->notify->entries, own);
}

static void
tell_waiting(struct imap_session *s)
{
	struct notify *n = s->notify;
	struct slice rest = buf_slice(&n->waiting), name;

	if (n->look && n->names != NULL)
		names_tell(s, &n->names, SLICE_EMPTY, SLICE_EMPTY);
	if (n->look && n->entries != NULL)
		entries_tell(s, &n->entries, NULL);
	n->look = false;
	if (n->too_many)
		tell_all(s, false);
	else
		while (rest.n > 0 && slice_next(&rest, '\n', &name))
			if (!is_selected(s, name))
				tell_other(s, name, events_of(s, name));
	n->too_many = false;
	buf_clear(&n->waiting);
}

/* Between commands: within an answer nothing else can stand. */
void
notify_due(struct imap_session *s)
{
	struct notify *n = s->notify;
	uint32_t uidnext = s->view.uidnext;
	size_t i;

	if (n == NULL || s->job != NULL || s->append != NULL ||
	    s->state == S_OVER)
		return;
	if (n->waiting.n > 0 || n->too_many || n->look)
		tell_waiting(s);
	if (!n->due || s->state != S_SELECTED)
		return;
	n->due = false;
	if (!s->idling && n->selected_events == 0)
		return;
	/* With UIDs: RFC 5465 5.1. */
	s->by_uid = true;
	sync_view(s, s->idling || (n->selected && !n->delayed));
	if (!n->has_fetch || s->state != S_SELECTED)
		return;
	for (i = view_position(&s->view, uidnext); i < s->view.n; i++)
		fetch_tell(s, &n->fetch, i);
}

static void
tell_status(struct imap_session *s, struct slice mailbox, unsigned events,
    bool modseq)
{
	unsigned items = 0;

	if (events & EV_NEW)
		items |= STATUS_MESSAGES | STATUS_UIDNEXT | STATUS_UIDVALIDITY |
		    STATUS_UNSEEN;
	if (events & EV_FLAGS)
		items |= STATUS_UIDVALIDITY | STATUS_UNSEEN;
	if (items != 0 && modseq)
		items |= STATUS_HIGHESTMODSEQ;
	if (items != 0)
		status_tell(s, mailbox, items);
}

static void
tell_other(struct imap_session *s, struct slice mailbox, unsigned events)
{
	tell_status(s, mailbox, events, (s->enabled & EN_CONDSTORE) != 0);
}

static bool
tell_one(void *arg, const struct mailbox_entry *e)
{
	struct list_arg *a = arg;
	unsigned events = notify_events(a->s, e->name, e->subscribed);

	if (e->exists && a->n < NOTIFY_WATCHED && events != 0) {
		a->events[a->n] = events;
		a->names[a->n++] = slice_str(mem_slicedup(e->name));
	}
	return true;
}

static void
free_names(struct list_arg *a)
{
	size_t i;

	for (i = 0; i < a->n; i++)
		free((void *)(uintptr_t)a->names[i].p);
	free(a->names);
	free(a->events);
}

static void
collect_names(struct imap_session *s, struct list_arg *a)
{
	*a = (struct list_arg){ .s = s };
	a->names = mem_array(NOTIFY_WATCHED + 1, sizeof(*a->names));
	a->events = mem_array(NOTIFY_WATCHED, sizeof(*a->events));
	if (s->notify != NULL)
		store_list(s->store, tell_one, a);
}

static bool
is_selected(const struct imap_session *s, struct slice mailbox)
{
	return s->state == S_SELECTED &&
	    slice_eq(mailbox, mailbox_name(s->view.mailbox));
}

/* begins: for NOTIFY SET STATUS, where those that ask for flags have the
 * mod-sequence even without CONDSTORE (RFC 5465 3.1). */
static void
tell_all(struct imap_session *s, bool begins)
{
	struct list_arg a;
	size_t i;

	collect_names(s, &a);
	for (i = 0; i < a.n; i++)
		if (!is_selected(s, a.names[i]))
			tell_status(s, a.names[i], a.events[i],
			    s->enabled & EN_CONDSTORE ||
			    (begins && a.events[i] & EV_FLAGS));
	free_names(&a);
}

void
watch(struct imap_session *s)
{
	struct slice own, all = SLICE_EMPTY;
	struct list_arg a;

	if (s->notify == NULL) {
		if (s->state == S_SELECTED)
			own = mailbox_name(s->view.mailbox);
		s->ops->watch(s->arg, &own, s->state == S_SELECTED);
		return;
	}
	/* One that is to be made has no name yet. */
	if (asks_for(s->notify, EV_OF_LIST | EV_OF_ENTRIES)) {
		s->ops->watch(s->arg, &all, 1);
		return;
	}
	collect_names(s, &a);
	if (s->state == S_SELECTED)
		a.names[a.n++] = slice_str(mem_slicedup(
		    mailbox_name(s->view.mailbox)));
	s->ops->watch(s->arg, a.names, a.n);
	free_names(&a);
}
