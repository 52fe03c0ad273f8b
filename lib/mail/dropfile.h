/* SPDX-License-Identifier: ISC */
/*
 * dropfile - a message that sendmail(8) leaves while the suite is stopped.
 *
 * It is written under a name that begins with '.', synced, and renamed to one
 * that does not; qmgr takes only the latter, only regular files with one link,
 * and takes their owner for the sender's identity, whatever is written inside.
 * Whoever drops a file can also change it while it is read: read it once, with
 * read() and never mapped, and believe what was checked.
 *
 *	0	"chqdrop1"
 *	8	u32	bytes of the envelope
 *	12	u64	bytes of the content
 *	20	packed envelope, content
 *	end	u32	CRC-32C of all before it
 */
#ifndef MAIL_DROPFILE_H
#define MAIL_DROPFILE_H

#include "base/arena.h"
#include "base/buf.h"
#include "mail/envelope.h"

#define DROP_DIR		"drop"	/* below path.queue */
#define DROP_HEADER_BYTES	20
#define DROP_TRAILER_BYTES	4
#define DROP_ENVELOPE_BYTES	(100 * 1024)

struct drop_header {
	uint32_t	 envelope;	/* bytes */
	uint64_t	 content;
};

/* Header and packed envelope; what follows is the content, and the trailer
 * with the CRC of everything.  -1 at the buf's ceiling or over the limit. */
int	 drop_begin(struct buf *, const struct envelope *, uint64_t content);
int	 drop_trailer(struct buf *, uint32_t crc);

/* From the first DROP_HEADER_BYTES of a file of file_bytes; false where the
 * sizes do not add up. */
bool	 drop_header_parse(struct slice, uint64_t file_bytes,
	    struct drop_header *);
/* A whole file at hand: checks everything.  Slices point into the file's
 * bytes, as envelope_unpack() has it. */
bool	 drop_parse(struct slice file, struct arena *, struct envelope *,
	    struct slice *content_r);

#endif
