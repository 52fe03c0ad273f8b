/* SPDX-License-Identifier: ISC */
/* queue_print - the queue as mailq(1) and `chasqui queue list` show it. */
#ifndef TOOLS_QUEUE_PRINT_H
#define TOOLS_QUEUE_PRINT_H

#include "ipc/json.h"
#include "ipc/queue_tool.h"

enum queue_form {
	QUEUE_FORM_MAILQ,	/* the usual look */
	QUEUE_FORM_JSON,	/* an object a line */
};

struct queue_print {
	enum queue_form	 form;
	const char	*none;		/* what is said where there is no
					 * message; NULL: the queue is empty */
	uint64_t	 messages;	/* printed so far */
	uint64_t	 bytes;
};

/* Asks for the messages that match and prints each as it comes, so that a long
 * queue takes no memory here.  An exit status of sysexits.h. */
int	 queue_print(struct queue_print *, struct channel *,
	    const struct queue_filter *);

#endif
