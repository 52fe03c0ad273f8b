/* SPDX-License-Identifier: ISC */
/*
 * news - see news.h.
 *
 * A channel's data says whether its process listens.  One that is behind with
 * reading gets nothing more: who looks at a mailbox finds what is new anyway.
 */
#include "ipc/fields.h"
#include "ipc/news.h"
#include "ipc/session.h"
#include "news.h"

static void	 tell_role(const struct child *, enum role,
		    const struct channel *from, struct slice, struct slice);

const struct message_rule news_rules[] = RULES_OF(NEWS);

static char	 listening;	/* its address is the mark */

void
news_take(const struct child *child, struct channel *from, struct message *m)
{
	struct slice maildir, mailbox;

	if (m->type == NW_LISTEN) {
		channel_set_data(from, get_bool(&m->body) ? &listening : NULL);
		return;
	}
	maildir = get_text(&m->body, PATH_BYTES);
	mailbox = get_text(&m->body, SESSION_MAILBOX_BYTES);
	if (wire_done(&m->body))
		news_tell(child, from, maildir, mailbox);
	else
		channel_breach(from, "news");
}

void
news_listen(struct channel *c)
{
	struct buf *b = channel_begin(c, NW_LISTEN, 0);

	if (b != NULL)
		put_u8(b, true);
	channel_end(c);
}

void
news_tell(const struct child *child, const struct channel *from,
    struct slice maildir, struct slice mailbox)
{
	tell_role(child, ROLE_IMAP_LOGIN, from, maildir, mailbox);
	tell_role(child, ROLE_POP3_LOGIN, from, maildir, mailbox);
	/* They stand in a row, so what came from one side goes to the other
	 * and ends there. */
	tell_role(child, ROLE_LOCAL, from, maildir, mailbox);
}

static void
tell_role(const struct child *child, enum role role,
    const struct channel *from, struct slice maildir, struct slice mailbox)
{
	struct channel *c;
	struct buf *b;
	size_t i;

	for (i = 0; (c = child_peer_nth(child, role, i)) != NULL; i++) {
		if (c == from || channel_data(c) == NULL || channel_is_busy(c))
			continue;
		b = channel_begin(c, NW_CHANGED, 0);
		if (b != NULL) {
			put_slice(b, maildir);
			put_slice(b, mailbox);
		}
		channel_end(c);
	}
}
