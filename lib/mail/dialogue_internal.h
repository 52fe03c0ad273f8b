/* SPDX-License-Identifier: ISC */
/* dialogue_internal - between dialogue.c and what knows each protocol. */
#ifndef MAIL_DIALOGUE_INTERNAL_H
#define MAIL_DIALOGUE_INTERNAL_H

#include "mail/dialogue.h"

struct dialogue_rules {
	/* A line of a side's, without its end; at most DIALOGUE_LINE_BYTES of
	 * it, bytes says how many it has. */
	void	(*line[2])(struct dialogue *, struct slice, uint64_t bytes);
	const char *octets;	/* what a literal or chunk is called */
};

extern const struct dialogue_rules dialogue_smtp, dialogue_imap,
    dialogue_pop3;

/* A line as it is, escaped and cut. */
void	 dialogue_show(struct dialogue *, enum dialogue_side, struct slice,
	    uint64_t bytes);
/* "shown (what, N bytes)" */
void	 dialogue_hide(struct dialogue *, enum dialogue_side,
	    struct slice shown, const char *what, uint64_t bytes);
/* Adds to what is told as one size when somebody else speaks. */
void	 dialogue_hush(struct dialogue *, enum dialogue_side, uint64_t bytes);
/* n bytes follow that are no line. */
void	 dialogue_octets(struct dialogue *, enum dialogue_side, uint64_t n);
/* What comes from this client next is a command; what went on is forgotten. */
void	 dialogue_commands(struct dialogue *);
/* AUTH or AUTHENTICATE, with its arguments: the name of a mechanism that is
 * registered is shown, nothing else. */
void	 dialogue_sasl(struct dialogue *, struct slice command,
	    struct slice args, uint64_t bytes);

/* The part before the first blank; *rest_r is what follows it. */
struct slice dialogue_word(struct slice, struct slice *rest_r);

#endif
