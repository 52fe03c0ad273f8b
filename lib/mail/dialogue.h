/* SPDX-License-Identifier: ISC */
/*
 * dialogue - what may be shown of a session: SMTP and LMTP (RFC 5321, 2033),
 * IMAP (RFC 9051), POP3 (RFC 1939).
 *
 * Bytes of both sides go in as they are said, in pieces of any length; lines
 * for a reader come out.
 *
 *	D1	No secret comes out: nothing that a client says in a SASL
 *		dialogue or as arguments of LOGIN, PASS and APOP, no challenge.
 *		What is not known is not shown: of a client only lines come out
 *		whose command is in the protocol's table.
 *	D2	Message content comes out as a size: DATA, BDAT, RETR, TOP,
 *		literals, and the strings of a FETCH response.
 *	D3	What comes out is printable ASCII, at most DIALOGUE_TEXT_BYTES.
 *
 * One who looks from the middle of a session on is shown sizes until it is
 * certain where a command begins.
 *
 * Memory: a struct dialogue, whatever is said; what was kept of a line is wiped
 * when the line is over.
 */
#ifndef MAIL_DIALOGUE_H
#define MAIL_DIALOGUE_H

#include <stdint.h>

#include "base/slice.h"

#define DIALOGUE_LINE_BYTES	800	/* of a line that are shown */
/* Each byte may become four; then the size of the whole. */
#define DIALOGUE_TEXT_BYTES	(4 * DIALOGUE_LINE_BYTES + 128)
#define DIALOGUE_TAG_BYTES	32	/* of IMAP: longer ones are hidden */
#define DIALOGUE_TAGS		16	/* commands whose answers are shown */
#define DIALOGUE_OWED		256	/* POP3 answers that are awaited */
#define DIALOGUE_TAIL_BYTES	24	/* "~{18446744073709551615+}" */

enum dialogue_protocol { DIALOGUE_SMTP, DIALOGUE_IMAP, DIALOGUE_POP3 };
enum dialogue_side { DIALOGUE_CLIENT, DIALOGUE_SERVER };

/* One line for the reader; text is valid during the call. */
typedef void dialogue_line(void *arg, enum dialogue_side, struct slice text);

enum dialogue_state {
	DIALOGUE_COMMANDS,	/* the client's next line is a command */
	DIALOGUE_SASL,		/* AUTH was said, and is not answered yet */
	DIALOGUE_DATA,		/* DATA was said */
	DIALOGUE_CONTENT,	/* 354 was */
	DIALOGUE_MIDDLE,	/* nobody knows */
	DIALOGUE_OPAQUE,	/* compressed */
};

struct dialogue_tag {
	char		 p[DIALOGUE_TAG_BYTES];
	uint8_t		 n;		/* 0: none */
};

struct dialogue_half {
	char		 line[DIALOGUE_LINE_BYTES + 1];
	size_t		 n;		/* kept of the line */
	uint64_t	 bytes;		/* of the line so far */
	char		 tail[DIALOGUE_TAIL_BYTES]; /* its last ones */
	size_t		 ntail;
	uint64_t	 octets;	/* of a literal or chunk: to come */
	uint64_t	 octets_all;
	uint64_t	 unshown;	/* bytes that are not told yet */
	bool		 continued;	/* the line goes on after a literal */
};

struct dialogue {
	dialogue_line		*say;
	void			*arg;
	enum dialogue_protocol	 protocol;
	enum dialogue_state	 state;
	enum dialogue_side	 last;		/* who spoke */
	struct dialogue_half	 half[2];
	/* SMTP: */
	unsigned		 owed;		/* replies to commands */
	bool			 dotted;	/* the content has ended, */
	bool			 replied;	/* and was answered */
	/* IMAP: */
	struct dialogue_tag	 tags[DIALOGUE_TAGS]; /* a ring */
	unsigned		 next_tag;
	struct dialogue_tag	 tag;		/* of the last command */
	struct dialogue_tag	 awaited;	/* AUTHENTICATE or COMPRESS */
	bool			 literal_waits;	/* for the server's "+" */
	/* POP3: */
	uint8_t			 answers[DIALOGUE_OWED]; /* a ring of kinds */
	unsigned		 first_answer, nanswers;
	uint8_t			 listing;	/* kind of what goes on until "." */
	bool			 uncertain;	/* it began in the middle */
};

/* in_order: the client's next byte begins a command, and none is unanswered. */
void	 dialogue_init(struct dialogue *, enum dialogue_protocol,
	    bool in_order, dialogue_line *, void *arg);
void	 dialogue_feed(struct dialogue *, enum dialogue_side, struct slice);
/* TLS begins: what was said before is forgotten (RFC 3207 section 4.2). */
void	 dialogue_secured(struct dialogue *);
/* It is over: tells the size of what has no end, and wipes. */
void	 dialogue_end(struct dialogue *);

#endif
