/* SPDX-License-Identifier: ISC */
/* news - passes on which mailboxes have changed, to the processes of imapd
 * and pop3d that listen: ipc/news.h. */
#ifndef LOCAL_NEWS_H
#define LOCAL_NEWS_H

#include "ipc/child.h"

extern const struct message_rule news_rules[];

/* A login process says something. */
void	 news_take(const struct child *, struct channel *from,
	    struct message *);
/* To the local of the suite before or after this one: tell us. */
void	 news_listen(struct channel *);
/* To all that listen but one; from NULL: to all. */
void	 news_tell(const struct child *, const struct channel *from,
	    struct slice maildir, struct slice mailbox);

#endif
