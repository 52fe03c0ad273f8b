/* SPDX-License-Identifier: ISC */
/*
 * record - what journal and queue files say about a message.
 *
 * The bodies, little-endian; a slice is a u32 length and its bytes:
 *
 *	MESSAGE	u8 ENTRY_* flags   u64 size of the large file
 *		u64 queue id of the message that this is a report on, or 0
 *		slice envelope (packed)   slice STATUS body about that message;
 *		with ENTRY_LARGE, which no report has, u32 CRC-32C of the large
 *		file, or nothing: it is not known
 *		slice content, or with ENTRY_LARGE what comes before the file
 *	STATUS	u32 seq   u8 attempts   u64 next attempt, ms   u32 count, each:
 *		u32 recipient number   u8 0 open, 1 owing, 2 done
 *		u8 RCPT_* flags   u64 attempted, ms   slice outcome (packed)
 *		slice next hop
 *	EXPAND	u32 seq   u32 parent's number   u8 0 parent stays open (more
 *		follows), 1 owing, 2 done   slice parent's outcome
 *		u32 number of the first child
 *		u8 whether there is a new reverse-path   slice reverse-path
 *		slice owner   u8 NOTIFY of the children
 *		u8 whether they keep ORCPT   u32 count, each: u8 RCPT_* flags,
 *		slice address
 *	HOLD	u32 seq   u8 held   slice why
 *	DONE	nothing: every recipient is done, or it was deleted
 *	IDS	u64: queue ids below this are given out (record's id 0)
 *	VOID	anything: stands where a damaged record was (journal_mend())
 *	REROUTE	u32 seq   u32 count, each: u32 recipient number   slice next hop
 *		that was chosen by hand, empty: by the tables again
 *	BACK	nothing: in spite of a DONE before, a file of this id is a
 *		message (it was deleted and is back, or it was imported)
 *
 * REROUTE and BACK are written in queues of format 2 only (notes.h).
 *
 * seq counts the records about one message.  One that is not above what is
 * known already is passed over, so that applying a record twice does nothing.
 *
 * A failure and its report are one record (MESSAGE with a STATUS inside): both
 * are durable or none is (Q2).
 */
#ifndef QMGR_RECORD_H
#define QMGR_RECORD_H

#include "queue.h"

enum {
	REC_MESSAGE = 1,
	REC_STATUS = 2,
	REC_EXPAND = 3,
	REC_HOLD = 4,
	REC_DONE = 5,		/* u8 1: can be had back; or nothing */
	REC_IDS = 6,
	REC_VOID = 7,
	REC_REROUTE = 8,
	REC_BACK = 9,
};

struct message_body {
	uint8_t		 flags;
	uint64_t	 large_n;
	uint32_t	 large_crc;	/* 0: not known */
	uint64_t	 report_of;
	struct slice	 envelope;
	struct slice	 status;	/* of report_of; empty: none */
	struct slice	 content;
};

/* The first parts of a MESSAGE body; the content itself is to follow. */
int	 message_pack_head(struct buf *, const struct message_body *);
bool	 message_unpack(struct slice body, struct message_body *);

/* A STATUS body about recipients for which `which` says so, from number
 * *from on as far as STATUS_BYTES allow; *from is then the next one, or
 * nrcpts.  Counts seq up unless the entry is const. */
#define STATUS_BYTES	(180 * 1024)
void	 status_pack(struct buf *, struct entry *,
	    bool (*which)(const struct rcpt *), uint32_t *from);

/* How a recipient is kept. */
enum kept { KEPT_OPEN, KEPT_OWING, KEPT_DONE };

/* What an expansion says beside its targets. */
struct expansion {
	uint32_t	 parent;
	enum kept	 then;		/* the parent; OPEN: unchanged, and more
					 * children follow */
	struct slice	 outcome;	/* the parent's, packed */
	bool		 new_sender;
	struct slice	 sender;
	struct slice	 owner;
	uint8_t		 notify;
	bool		 keep_orcpt;
};
struct target {
	uint8_t		 flags;		/* RCPT_NO_FORWARD */
	struct slice	 address;
	/* The reverse-path of its copy (owner- aliases); the parent's where it
	 * is not new.  What stands in one record has one. */
	bool		 new_sender;
	struct slice	 sender;
};
void	 expand_pack(struct buf *, struct entry *, const struct expansion *,
	    const struct target *, uint32_t ntargets);
void	 hold_pack(struct buf *, struct entry *);
/* Of recipients that are RCPT_REROUTED, from *from on as status_pack(). */
void	 reroute_pack(struct buf *, struct entry *, uint32_t *from);

enum applied {
	APPLIED,
	APPLIED_OLD,	/* known already */
	APPLIED_BAD,	/* does not fit the message */
};
/*
 * Makes what a STATUS, EXPAND or HOLD record says true of an entry whose
 * recipients are NEW, DEFERRED, OWING or DONE.  check_seq false: whatever its
 * seq (state section of a file).
 */
enum applied record_apply(struct queue *, struct entry *, uint16_t type,
	    struct slice body, bool check_seq);

/* The whole state of an entry as records: u16 type, slice body, each. */
void	 message_state_pack(struct buf *, const struct entry *);
enum applied message_state_apply(struct queue *, struct entry *, struct slice);

#endif
