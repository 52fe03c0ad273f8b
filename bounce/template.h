/* SPDX-License-Identifier: ISC */
/*
 * template - the texts of reports: built in, or an operator's files.
 *
 * A file is UTF-8: if it begins with "Subject: ", that line and an empty one
 * are the subject; the rest is the text, in which ${name} stands for one of
 * the fixed values below.  There is nothing else to it, and what is put in is
 * not looked at again.
 */
#ifndef BOUNCE_TEMPLATE_H
#define BOUNCE_TEMPLATE_H

#include "base/buf.h"
#include "ipc/qmgr_bounce.h"

#define TEMPLATE_BYTES	(16 * 1024)

/*        name            what is put in */
#define TEMPLATE_VALUES(X)						\
	X(SENDER,	"sender")	/* the reverse-path */		\
	X(RECIPIENTS,	"recipients")	/* each with what happened */	\
	X(HOSTNAME,	"hostname")					\
	X(QUEUE_ID,	"queue_id")	/* of the message */		\
	X(ARRIVAL,	"arrival")	/* its date */			\
	X(UNTIL,	"until")	/* how long it is tried: delay */

enum template_value {
#define X(name, text)	VALUE_##name,
	TEMPLATE_VALUES(X)
#undef X
	NVALUES,
};

struct template {
	char	*subject;	/* owned, one line */
	char	*text;		/* owned, lines end in '\n' */
};

#define NKINDS	REPORT_KINDS

struct templates {
	struct template	 of[NKINDS];	/* by enum report_kind */
};

void	 templates_init(struct templates *);	/* those built in */
/* One of the operator's, from its file.  -1 and why when it cannot be used; the
 * one before then stays. */
int	 templates_take(struct templates *, struct slice name, int fd,
	    struct buf *why);
void	 templates_clear(struct templates *);

/* The text of one file; name is for messages.  -1 and why. */
int	 template_parse(struct template *, struct slice text, const char *name,
	    struct buf *why);
/* Takes the next piece off *text: a run of plain text, or (value_r not
 * NVALUES) a value's place.  False at the end. */
bool	 template_next(const char **text, struct slice *plain_r,
	    enum template_value *value_r);

#endif
