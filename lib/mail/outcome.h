/* SPDX-License-Identifier: ISC */
/*
 * outcome - how an attempt to deliver to one recipient ended.
 *
 * It travels from the delivery process to qmgr, into the queue and into the
 * DSN unchanged.  Switches over the status have no default.
 */
#ifndef MAIL_OUTCOME_H
#define MAIL_OUTCOME_H

#include <stdint.h>

#include "base/buf.h"
#include "base/wire.h"

enum outcome_status {
	OUTCOME_DELIVERED = 1,	/* durable in the mailbox */
	OUTCOME_RELAYED = 2,	/* the next host took it and reports itself (DSN) */
	OUTCOME_RELAYED_NO_DSN = 3, /* took it, and does not know DSN */
	OUTCOME_EXPANDED = 4,	/* became other recipients */
	OUTCOME_DEFERRED = 5,
	OUTCOME_FAILED = 6,
};

/* RFC 3463: class.subject.detail; class 0: none. */
struct enhanced {
	uint8_t		 class;
	uint16_t	 subject;
	uint16_t	 detail;
};

#define OUTCOME_TEXT_BYTES	1000	/* longer words of a peer are cut */

struct outcome {
	enum outcome_status status;
	struct enhanced	 enhanced;
	uint16_t	 code;		/* SMTP reply code; 0: it was no reply */
	bool		 site;		/* the next hop as a whole is at fault */
	bool		 damaged;	/* the content has another checksum than
					 * its job says; never in the queue */
	struct slice	 remote;	/* "name[address]:port"; empty: local */
	struct slice	 text;		/* the peer's words, or ours; one line,
					 * '\n' between the lines of a reply */
	/* "TLSv1.3/verified", for the log; empty: in clear, or local.  Not
	 * packed: DL_SECURED has it. */
	struct slice	 secured;
	int64_t		 took_ms;	/* the attempt, for the log; 0: there
					 * was none.  Not packed either. */
};

int	 outcome_pack(struct buf *, const struct outcome *);
bool	 outcome_unpack(struct wire *, struct outcome *);
const char *outcome_name(enum outcome_status);	/* "delivered" ... */

/* "5.1.1" at the front of *in: moves past it.  RFC 3463 section 2. */
bool	 enhanced_parse(struct slice *in, struct enhanced *);
struct enhanced_text { char s[16]; };
struct enhanced_text enhanced_text(struct enhanced);
/* The one that fits a reply code without any: 450 -> 4.0.0 and so on. */
struct enhanced enhanced_for_code(uint16_t code);

#endif
