/* SPDX-License-Identifier: ISC */
/*
 * qmgr <-> bounce: the text of a report (RFC 3461, 3464).
 *
 * qmgr sends what is to be reported to the reverse-path and gets a whole
 * message back, which it puts into the queue in the same commit as the
 * recipients' final status (Q2).
 */
#ifndef IPC_QMGR_BOUNCE_H
#define IPC_QMGR_BOUNCE_H

#include "ipc/channel.h"

enum report_kind {
	REPORT_FAILURE = 1,
	REPORT_DELAY = 2,
	REPORT_SUCCESS = 3,	/* delivered, relayed or expanded, as each
				 * recipient's outcome says */
	REPORT_POSTMASTER = 4,	/* a copy of a bounce that has nowhere to go */
};
#define REPORT_KINDS	(REPORT_POSTMASTER + 1)

/* The file of the operator's own text, below path.templates. */
const char *report_text_file(enum report_kind);

/*        name             no  sender  fds min  max     body; id: qmgr's */
#define QMGR_BOUNCE(X)							\
	X(QB_REPORT,	    1, QMGR,   0,  32,  CHANNEL_BODY_BYTES) /* a packed struct report */ \
	X(QB_REPORT_FILE,   2, QMGR,   1,  32,  CHANNEL_BODY_BYTES) /* the same; fd: more content */ \
	X(QB_MESSAGE,	    3, BOUNCE, 0,  8,   240 * 1024)	/* slice envelope, slice content */ \
	X(QB_FAILED,	    4, BOUNCE, 0,  4,   1024)	/* slice why: it cannot be written */

ENUM_MESSAGES(QMGR_BOUNCE);

#include "mail/envelope.h"
#include "mail/outcome.h"

struct report_recipient {
	struct slice	 address;	/* Final-Recipient */
	struct slice	 original;	/* before expansion, for the text */
	struct slice	 orcpt;		/* Original-Recipient */
	uint8_t		 notify;
	struct outcome	 outcome;	/* the last attempt's */
	int64_t		 attempted_ms;	/* Last-Attempt-Date */
};

struct report {
	enum report_kind kind;
	uint64_t	 queue_id;	/* of the message reported on */
	uint64_t	 report_id;	/* of the message to be made */
	struct slice	 reverse_path;
	struct slice	 envid;
	enum dsn_ret	 ret;
	enum body_type	 body;
	bool		 smtputf8;
	int64_t		 arrived_ms;	/* Arrival-Date */
	int64_t		 until_ms;	/* DELAY: Will-Retry-Until */
	struct slice	 content;	/* the front of the message, or all */
	uint64_t	 offset;	/* ..._FILE: the rest in the file */
	uint64_t	 size;		/* ..._FILE: its bytes */
	uint32_t	 crc;		/* and their CRC-32C; 0: not known */
	uint64_t	 total;		/* the message's whole size */
	struct report_recipient *recipients;
	size_t		 nrecipients;
};

int	 report_pack(struct buf *, const struct report *);
bool	 report_unpack(struct wire *, struct arena *, struct report *);

#endif
