/* SPDX-License-Identifier: ISC */
/*
 * postfix - the mail log in the form of Postfix 3, for programs that analyse it
 * (pflogsumm and its kind).
 *
 * It is made of events as they come, and keeps nothing of a message.  What
 * Postfix has no line for is left out; chasqui-history(8) says what there is.
 */
#ifndef POSTFIX_H
#define POSTFIX_H

#include "base/buf.h"
#include "history/event.h"

struct postfix_log {
	char		 host[256];
	enum log_sink	 sink;
	int		 fd;		/* owned; -1: nobody wants it */
	struct buf	 lines;		/* of a file; until postfix_flush() */
};

void	 postfix_init(struct postfix_log *, const char *host);
void	 postfix_log_to(struct postfix_log *, enum log_sink, int fd_take);
/* Writes what it says in Postfix's words, if anything: to syslog at once. */
void	 postfix_event(struct postfix_log *, const struct history_event *);
/* To the file.  What does not get there is lost. */
void	 postfix_flush(struct postfix_log *);

#endif
