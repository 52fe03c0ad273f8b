/* SPDX-License-Identifier: ISC */
/*
 * qmgr -> local -> worker, and qmgr -> remote: attempts to deliver.
 *
 * One job is one message for one or more recipients with the same next hop.
 * The content is what is inline, followed by what the descriptor holds from
 * the given offset (large messages, read-only).  DL_RESULT may come in parts;
 * the job is over when each recipient has had its outcome.  For a mailbox,
 * delivered means durable in it.
 */
#ifndef IPC_DELIVERY_H
#define IPC_DELIVERY_H

#include "ipc/channel.h"
#include "ipc/destination.h"
#include "mail/envelope.h"
#include "mail/outcome.h"

#define JOB_RECIPIENTS	1000
#define SECURED_BYTES	100	/* the words of DL_SECURED */

/*        name             no  sender fds min  max     body; id: qmgr's job */
#define DELIVERY(X)							\
	X(DL_JOB,	    1, QMGR,  0,  32,  CHANNEL_BODY_BYTES) /* a packed struct job */ \
	X(DL_JOB_FILE,	    2, QMGR,  1,  32,  CHANNEL_BODY_BYTES) /* the same; fd: more content */ \
	X(DL_RESULT,	    3, EITHER, 0, 4,   CHANNEL_BODY_BYTES) /* u32 count, then each: u32 recipient number, packed outcome */ \
	X(DL_EXPANDED,	    4, EITHER, 0, 9,   200 * 1024) /* ~/.forward: u32 recipient number, u8 also delivered here, slice targets: u8 TARGET_* and slice each */ \
	X(DL_CANCEL,	    5, QMGR,  0,  0,   0)	/* deleted or held: end it where nothing is decided yet */ \
	X(DL_FULL,	    6, EITHER, 0, 0,   0)	/* job not taken (limits): try again soon */ \
	X(DL_USAGE_ASK,	    7, EITHER, 0, 12,  4096)	/* local -> worker: slice Maildir path, u64 bytes more */ \
	X(DL_SECURED,	    9, EITHER, 0, 4,   200)	/* remote -> qmgr: slice how the connection was protected whose results follow, for the log; "": it was not */ \
	X(DL_USAGE,	    8, EITHER, 0, 17,  17)	/* worker -> local: u8 known, u64 bytes used, u64 messages */

ENUM_MESSAGES(DELIVERY);
/* local sends on what qmgr sent, to a WORKER (mailboxes, mbox files) or to a
 * COMMAND process (programs), one for each uid and directory in use.  Same
 * numbers, so that a job is passed on without being repacked. */
#define LOCAL_WORKER(X)							\
	X(LW_JOB,	    1, LOCAL, 0,  32,  CHANNEL_BODY_BYTES)	\
	X(LW_JOB_FILE,	    2, LOCAL, 1,  32,  CHANNEL_BODY_BYTES)	\
	X(LW_RESULT,	    3, EITHER, 0, 4,   CHANNEL_BODY_BYTES)	\
	X(LW_EXPANDED,	    4, EITHER, 0, 9,   200 * 1024)		\
	X(LW_CANCEL,	    5, LOCAL, 0,  0,   0)			\
	X(LW_FULL,	    6, EITHER, 0, 0,   0)			\
	X(LW_USAGE_ASK,	    7, LOCAL, 0,  12,  4096)			\
	X(LW_USAGE,	    8, EITHER, 0, 17,  17)				\
	X(LW_END,	    9, LOCAL, 0,  0,   0)	/* no work for it: answer what there is, end */ \
	X(LW_NEWS,	   10, WORKER, 0, 9,   5200)	/* id 0: slice the user's Maildir, slice mailbox, u8 0: there is something new in it */

ENUM_MESSAGES(LOCAL_WORKER);

struct job_recipient {
	uint32_t	 number;	/* qmgr's, in the message */
	struct slice	 address;	/* where this copy goes */
	struct slice	 original;	/* as it was before any expansion */
	struct slice	 orcpt;
	uint8_t		 notify;
	bool		 maybe_done;	/* an earlier attempt's end is unknown:
					 * look for its copy first */
	struct destination to;
};

struct job {
	uint64_t	 queue_id;
	struct slice	 reverse_path;
	struct slice	 envid;
	enum dsn_ret	 ret;
	enum body_type	 body;
	bool		 smtputf8;
	int64_t		 arrived_ms;
	struct slice	 content;	/* the front, or all of it */
	uint64_t	 offset;	/* DL_JOB_FILE: the rest in the file */
	uint64_t	 size;		/* DL_JOB_FILE: its bytes */
	uint32_t	 crc;		/* and their CRC-32C; 0: not known */
	struct envelope_extras extras;	/* without the login */
	struct job_recipient *recipients;
	size_t		 nrecipients;
};

int	 job_pack(struct buf *, const struct job *);
bool	 job_unpack(struct wire *, struct arena *, struct job *);

#endif
