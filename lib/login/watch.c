/* SPDX-License-Identifier: ISC */
/*
 * watch - which connections want to hear of which mailboxes; see login.h.
 *
 * A mailbox is a Maildir, which master has named, and a name that a session
 * says: a session hears and tells only of its own user's mail.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "ipc/news.h"
#include "login/login.h"

#define MAILDIR_BYTES	4096

struct user_mail {
	RB_ENTRY(user_mail)	 node;
	char			*maildir;	/* owned */
	struct conn_watchers	 conns;		/* its sessions */
};

static void	 local_says(void *, struct channel *, struct message *);
static void	 local_is_down(void *, struct channel *);
static void	 tell_listens(struct login *);
static void	 tell(struct user_mail *, struct slice mailbox,
		    const struct conn *except);
static bool	 watches(const struct conn *, struct slice mailbox);

const struct message_rule news_rules[] = RULES_OF(NEWS);
const struct channel_ops news_ops = { local_says, local_is_down, NULL };

static int
mail_cmp(const struct user_mail *a, const struct user_mail *b)
{
	return strcmp(a->maildir, b->maildir);
}

RB_GENERATE_INTERNAL(mail_tree, user_mail, node, mail_cmp,
    __attribute__((__unused__)) static)

/* ---- who watches what ---------------------------------------------------- */

void
watch_mail(struct conn *c, struct slice maildir)
{
	struct user_mail key, *m;

	if (c->mail != NULL)
		return;		/* parked, and going on */
	key.maildir = mem_slicedup(maildir);
	m = RB_FIND(mail_tree, &c->l->mails, &key);
	if (m == NULL) {
		m = mem_alloc(sizeof(*m));
		m->maildir = key.maildir;
		LIST_INIT(&m->conns);
		RB_INSERT(mail_tree, &c->l->mails, m);
	} else
		free(key.maildir);
	c->mail = m;
	LIST_INSERT_HEAD(&m->conns, c, by_mail);
}

static bool
is_watching(const struct conn *c)
{
	return c->watches_all || c->watched.n > 0;
}

bool
watch_set(struct conn *c, struct wire *w)
{
	bool was = is_watching(c);
	uint16_t n = get_u16(w), i;
	struct slice name;

	buf_clear(&c->watched);
	c->watches_all = n == SEAT_ALL;
	for (i = 0; i < n && n != SEAT_ALL && !w->bad; i++) {
		name = get_slice(w, SESSION_MAILBOX_BYTES);
		if (put_slice(&c->watched, name) == -1)
			c->watches_all = true;
	}
	if (c->watches_all)
		buf_clear(&c->watched);
	c->l->nwatching += (size_t)is_watching(c) - (size_t)was;
	tell_listens(c->l);
	return wire_done(w);
}

void
watch_clear(struct conn *c)
{
	struct user_mail *m = c->mail;

	if (m == NULL)
		return;
	c->l->nwatching -= is_watching(c);
	buf_clear(&c->watched);
	c->watches_all = false;
	LIST_REMOVE(c, by_mail);
	c->mail = NULL;
	if (LIST_EMPTY(&m->conns)) {
		RB_REMOVE(mail_tree, &c->l->mails, m);
		free(m->maildir);
		free(m);
	}
	tell_listens(c->l);
}

static bool
watches(const struct conn *c, struct slice mailbox)
{
	struct wire w = wire_of(buf_slice(&c->watched));

	while (!c->watches_all && w.rest.n > 0)
		if (slice_eq(get_slice(&w, SESSION_MAILBOX_BYTES), mailbox))
			return true;
	return c->watches_all;
}

/* ---- news ---------------------------------------------------------------- */

static void
tell(struct user_mail *m, struct slice mailbox, const struct conn *except)
{
	struct conn *c, *next;

	for (c = LIST_FIRST(&m->conns); c != NULL; c = next) {
		next = LIST_NEXT(c, by_mail);
		if (c != except && watches(c, mailbox))
			session_news(c, mailbox);
	}
}

void
watch_changed(struct conn *c, struct slice mailbox)
{
	struct channel *local = child_peer(&c->l->child, ROLE_LOCAL, 0);
	struct buf *b;

	if (c->mail == NULL)
		return;
	tell(c->mail, mailbox, c);
	if (local == NULL || channel_is_busy(local))
		return;
	b = channel_begin(local, NW_CHANGED, 0);
	if (b != NULL) {
		put_slice(b, slice_str(c->mail->maildir));
		put_slice(b, mailbox);
	}
	channel_end(local);
}

static void
local_says(void *arg, struct channel *ch, struct message *m)
{
	struct login *l = arg;
	struct slice maildir, mailbox;
	struct user_mail key, *mail;

	if (m->type != NW_CHANGED) {
		channel_breach(ch, "not-local's");
		return;
	}
	maildir = get_text(&m->body, MAILDIR_BYTES);
	mailbox = get_text(&m->body, SESSION_MAILBOX_BYTES);
	if (!wire_done(&m->body)) {
		channel_breach(ch, "news");
		return;
	}
	key.maildir = mem_slicedup(maildir);
	mail = RB_FIND(mail_tree, &l->mails, &key);
	free(key.maildir);
	if (mail != NULL)
		tell(mail, mailbox, NULL);
}

/* What was missed meanwhile is found when the mailbox is looked at next. */
static void
local_is_down(void *arg, struct channel *ch)
{
	struct login *l = arg;

	(void)ch;
	l->listens = false;
}

void
watch_local_up(struct login *l, struct channel *ch)
{
	(void)ch;
	l->listens = false;
	tell_listens(l);
}

static void
tell_listens(struct login *l)
{
	struct channel *local = child_peer(&l->child, ROLE_LOCAL, 0);
	struct buf *b;

	if (local == NULL || l->listens == (l->nwatching > 0))
		return;
	l->listens = l->nwatching > 0;
	b = channel_begin(local, NW_LISTEN, 0);
	if (b != NULL)
		put_u8(b, l->listens);
	channel_end(local);
}
