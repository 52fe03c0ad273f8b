/* SPDX-License-Identifier: ISC */
/*
 * smtpd <-> qmgr: putting messages into the queue.
 *
 * Queue ids: qmgr grants blocks of QUEUE_ID_BLOCK consecutive ids; smtpd uses
 * each once, so that trace fields can name the id without a round trip, and
 * asks for a block before it runs out.  An id that was not granted on this
 * channel, or is used twice, is a breach.
 *
 * Small: SUBMIT holds everything.  Large: SPOOL_ASK, SPOOL with a descriptor
 * to which smtpd appends the content, then SUBMIT_SPOOLED.  Q1: QUEUED is sent
 * when content and envelope are on stable storage.
 *
 * The limits of a login are asked at MAIL, so that it is refused before its
 * message is sent; they are counted, and looked at again, with the message.
 *
 * bounce uses SUBMIT's form too, see ipc/qmgr_bounce.h.
 */
#ifndef IPC_SMTPD_QMGR_H
#define IPC_SMTPD_QMGR_H

#include "ipc/channel.h"

#define QUEUE_ID_BLOCK		1024
#define INLINE_BYTES		(128 * 1024)	/* content of one SUBMIT */
#define PREFIX_BYTES		(32 * 1024)	/* header fields put in front */
#define SUBMIT_BYTES		(240 * 1024)

/*        name             no  sender fds min  max     body; id */
#define SMTPD_QMGR(X)							\
	X(SQ_IDS_ASK,	    1, SMTPD, 0,  0,   0)	/* id 0 */	\
	X(SQ_IDS,	    2, QMGR,  0,  8,   8)	/* u64 first of a block */ \
	X(SQ_SUBMIT,	    3, SMTPD, 0,  8,   SUBMIT_BYTES) /* slice envelope, slice content; id: queue id */ \
	X(SQ_SPOOL_ASK,	    4, SMTPD, 0,  8,   8)	/* u64 size expected or 0; id: queue id */ \
	X(SQ_SPOOL,	    5, QMGR,  1,  0,   0)	/* fd to append to; id: queue id */ \
	X(SQ_SUBMIT_SPOOLED, 6, SMTPD, 0, 20,  SUBMIT_BYTES) /* slice envelope, slice prefix, u64 size of the content in the file, u32 its CRC-32C; id: queue id */ \
	X(SQ_ABORT,	    7, SMTPD, 0,  0,   0)	/* the client is gone: forget it unless it is durable */ \
	X(SQ_QUEUED,	    8, QMGR,  0,  0,   0)	/* durable: 250 is true now; id: queue id */ \
	X(SQ_REFUSED,	    9, QMGR,  0,  6,   1024)	/* u16 reply code, slice "4.3.1 text" */ \
	X(SQ_LIMIT_ASK,	   10, SMTPD, 0,  4,   512)	/* slice login that wants to send; id: smtpd's */ \
	X(SQ_PAUSED,	   12, QMGR,  0,  8,   1024)	/* slice "4.3.2 text" while no mail is accepted from other hosts, else ""; slice the same for our users, and sendmail */ \
	X(SQ_LIMIT,	   11, QMGR,  0,  8,   8)	/* u32 seconds until it may (0: now), u32 recipients that it may name now */

ENUM_MESSAGES(SMTPD_QMGR);
/* Envelopes with more recipients than fit (about 4,000 long ones) are refused
 * by smtpd with 452 at RCPT: it checks the packed size as it grows. */
#define ENVELOPE_BYTES		(100 * 1024)

#endif
