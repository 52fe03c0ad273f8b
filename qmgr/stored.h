/* SPDX-License-Identifier: ISC */
/*
 * stored - what the bytes of a message's file say.
 *
 * On disk, little-endian:
 *
 *	message head, 80 bytes
 *	    8 "CHASQM1\n"   u32 CRC-32C of what follows
 *	    u32 version (1)   u64 queue id   u32 ENTRY_* flags
 *	    u32 seq of the state   u64 size of the large file   u64 report of
 *	    u32 length of the envelope   u32 of the state   u32 of the content
 *	    u32 CRC-32C of envelope and state
 *	    u32 CRC-32C of the content   u32 CRC-32C of the large file, 0: not
 *	    known   8 zero
 *	envelope (packed), state, content
 *	log: each u32 "Log\xc5"   u32 CRC-32C of what follows
 *	    u16 type   u16 zero   u32 length   body
 *
 * State is a list of records, see record.h; so is the log.  All but the log is
 * written once.
 */
#ifndef QMGR_STORED_H
#define QMGR_STORED_H

#include "base/buf.h"
#include "base/parse.h"
#include "queue.h"

#define STORED_HEAD_BYTES	80
#define STORED_LOG_HEADER	16

/* ---- written ---- */
/* Head, envelope and state; what follows in the file is e's content. */
void	 stored_pack(struct buf *, const struct entry *);
/* The checksums of head and content, before anything is written. */
void	 stored_seal(struct buf *packed, struct slice content);
/* One record of the log. */
void	 stored_put_record(struct buf *, uint16_t type, struct slice body);

/* ---- read ---- */
/* Slices into a file's bytes. */
struct stored {
	uint32_t	 flags;
	uint32_t	 seq;
	uint64_t	 large_n;
	uint32_t	 large_crc;
	uint64_t	 report_of;
	struct slice	 envelope;
	struct slice	 state;
	struct slice	 content;
	uint32_t	 content_n;
	uint64_t	 content_at;
	struct slice	 log;
};
/* false: damaged.  The content's CRC is checked where it is there. */
bool	 stored_parse(struct slice bytes, uint64_t id, bool head_only,
	    struct stored *);
/* The same in words: what is damaged, or NULL.  Where it is the content alone,
 * the rest of *s_r is right. */
const char *stored_fault(struct slice bytes, uint64_t id, bool head_only,
	    struct stored *s_r);
/* Of a file of that size: what stands before the content, and how much content
 * there is, for who reads all but that.  A damaged head has none. */
void	 stored_find_content(const char head[STORED_HEAD_BYTES], size_t size,
	    size_t *before_r, size_t *n_r);
/* The next record off *log; PARSE_MORE: no whole valid one is left. */
enum parse stored_log_next(struct slice *log, uint16_t *type_r,
	    struct slice *body_r);
/* Makes an entry of it, log applied.  NULL: damaged. */
struct entry *stored_entry(struct queue *, struct slot *, struct slice bytes,
	    uint64_t id, bool head_only);

#endif
