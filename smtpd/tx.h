/* SPDX-License-Identifier: ISC */
/*
 * tx - one mail transaction: envelope and content on their way to qmgr.
 *
 * Made at MAIL; gone with QUEUED, a refusal, RSET or the session.
 */
#ifndef SMTPD_TX_H
#define SMTPD_TX_H

#include "base/arena.h"
#include "mail/dot.h"
#include "mail/envelope.h"
#include "mail/header.h"
#include "smtpd.h"

#define TX_ARENA_BYTES	(512 * 1024)	/* paths and parameters */
#define ASKED_MAX	32		/* RCPTs in flight */
#define WORDS_BYTES	200		/* of a refusal */
#define MSGID_BYTES	200		/* for the log */

/* A RCPT that has no reply yet, because it or one before it is asked. */
struct asked {
	struct recipient r;		/* in the transaction's arena */
	bool		 decided;
	bool		 accepted;
	uint16_t	 bytes;		/* of tx.envelope_bytes, given back */
	uint16_t	 code;		/* refused: the reply */
	struct slice	 words;
};

enum spool {
	SPOOL_NONE,			/* content is in memory */
	SPOOL_ASKED,
	SPOOL_OPEN,			/* content goes to spool_fd */
};

struct tx {
	uint64_t	 id;		/* queue id */
	int64_t		 begun_us;	/* MAIL came; monotonic */
	int64_t		 complete_ms;	/* all content had come; monotonic */
	int64_t		 submitted_us;	/* qmgr was asked to take it */
	uint32_t	 epoch;		/* of the channel that granted it */
	bool		 in_qmgr;	/* it holds something: ABORT owed */

	struct arena	 arena;
	struct slice	 reverse_path;
	struct slice	 envid;
	enum dsn_ret	 ret;
	enum body_type	 body;
	bool		 smtputf8;
	uint64_t	 declared;	/* SIZE, or 0 */
	struct envelope_extras extras;	/* slices in the arena */
	uint64_t	 recipients_left; /* that the login may name */
	struct recipient *recipients;	/* owned array; accepted, each once */
	size_t		 nrecipients;
	size_t		 accepted;	/* RCPTs: repeated ones too */
	size_t		 cap;
	size_t		 envelope_bytes;
	struct asked	*asked;		/* owned ring of ASKED_MAX, or NULL */
	uint32_t	 asked_first;	/* counts up; ring index is % MAX */
	uint32_t	 asked_end;

	bool		 by_bdat;
	bool		 last_chunk;
	bool		 complete;	/* all of the content was received */
	bool		 mend_cr;	/* bare_lf in BDAT: last byte was CR */
	uint64_t	 chunk_said;	/* octets of the BDAT under way */
	uint64_t	 chunk_left;
	struct dot_decoder dot;
	struct content_scan scan;
	/* Why the content is refused in the end, the first reason; 0: it is
	 * not.  Content is not kept from then on. */
	uint16_t	 fault;
	char		 fault_words[WORDS_BYTES];
	struct buf	 content;	/* in memory, or not yet in the file */
	enum spool	 spool;
	int		 spool_fd;	/* owned, or -1 */
	bool		 headless;	/* it begins with no header field */
	/* The header section of a submission; see submission.c. */
	bool		 held;		/* it is not whole yet */
	size_t		 header_seen;	/* bytes of whole lines, while held */
	bool		 lacks_from;	/* From is added */
	struct slice	*authors;	/* owned array; of From and Sender */
	size_t		 nauthors;
	uint64_t	 spooled;	/* bytes written */
	uint32_t	 spooled_crc;	/* their CRC-32C */
	uint64_t	 pushed;	/* of which write-back was begun */
	char		 msgid[MSGID_BYTES + 1]; /* "" until it is seen */
};

struct tx *tx_new(void);
/* Content that is still held is taken off d->content_bytes. */
void	 tx_free(struct smtpd *, struct tx **);

#endif
