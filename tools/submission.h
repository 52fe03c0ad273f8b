/* SPDX-License-Identifier: ISC */
/*
 * submission - a message that a program of this host hands in: sendmail(8)
 * reads it, makes it whole, and gives it to smtpd (submit.c) or, where the
 * suite does not run, leaves it for qmgr (drop.c).
 */
#ifndef TOOLS_SUBMISSION_H
#define TOOLS_SUBMISSION_H

#include <sys/types.h>

#include "base/arena.h"
#include "base/buf.h"
#include "mail/envelope.h"

/* Input of any line ends, as it comes, becomes text with CRLF. */
struct text_reader {
	bool	 dot_ends;	/* a line with only a dot is the end */
	bool	 done;
	bool	 last_cr;
	char	 line[3];	/* the line's first bytes, */
	size_t	 n;		/* and how many it has (3: or more) */
};
/* -1 at the buf's ceiling. */
int	 text_read(struct text_reader *, struct slice, struct buf *);
int	 text_end(struct text_reader *, struct buf *);

#define SUBMISSION_ARENA	(64 * 1024 * 1024)	/* of addresses */

struct submission {
	const char	*domain;	/* of names without one */
	const char	*hostname;
	const char	*from_name;	/* for a From field; "" none */
	size_t		 line_max;	/* of the message, without CRLF; 0: any,
					 * else at least 10 */
	uid_t		 uid;
	struct arena	 arena;		/* owned: what follows */
	struct slice	 sender;	/* "" null */
	struct slice	 from;		/* for a From field */
	struct slice	*rcpts;
	size_t		 nrcpts;
	size_t		 rcpts_room;
	uint8_t		 notify;
	enum dsn_ret	 ret;
	struct slice	 envid;
	struct buf	 text;		/* owned: the message, CRLF */
};

void	 submission_init(struct submission *, size_t text_max);
void	 submission_clear(struct submission *);
/* One address, or several between commas; "<>" for a null sender.  -1: it is
 * none, *bad_r is the part at fault. */
int	 submission_add_rcpt(struct submission *, struct slice,
	    struct slice *bad_r);
int	 submission_set_sender(struct submission *, struct slice);

/* What a message must have is added (a header section, From), Bcc fields and a
 * line of mbox are taken out.  take_rcpts: recipients are read from To, Cc and
 * Bcc (or, where there are any, from Resent- ones).  -1: *bad_r is an address
 * at fault, or empty at the buf's ceiling. */
int	 submission_finish(struct submission *, bool take_rcpts,
	    struct slice *bad_r);
/* Fields that smtpd would have added. */
int	 submission_add_trace(struct submission *, int64_t now_ms,
	    struct buf *);

/* An exit status of sysexits.h; what is wrong is told on stderr.  -1: nobody
 * listens there, and nothing was sent. */
int	 submit(const struct submission *, const char *socket, bool verbose);
/* stdin and stdout as an SMTP session; -1 as above. */
int	 submit_session(const char *socket);
int	 drop(struct submission *, const char *queue);

/* Databases of the tables in alias.tables; an exit status. */
struct tool;
int	 newaliases(struct tool *);

#endif
