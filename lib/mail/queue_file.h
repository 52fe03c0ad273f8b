/* SPDX-License-Identifier: ISC */
/*
 * queue_file - the form of `chasqui queue export` (chasqui-queue(5)).
 *
 *	8 "CHASQX1\n", then frames, little-endian:
 *	    u32 CRC-32C of what follows   u32 length of the body   u8 type   body
 *
 *	BEGIN	16 bytes that no other file has   u64 time, ms
 *	MESSAGE	u64 queue id   u32 bytes of the message   u64 bytes of its large
 *		content, or 0; that follows in BYTES and CONTENT frames
 *	BYTES	of the message: a file of deferred/, as it would be now
 *	CONTENT	of the large content
 *	END	u64 number of messages
 *
 * A file that ends before its END is none.
 */
#ifndef MAIL_QUEUE_FILE_H
#define MAIL_QUEUE_FILE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/num.h"
#include "base/slice.h"

#define QUEUE_FILE_MAGIC	"CHASQX1\n"
#define QUEUE_FILE_MAGIC_BYTES	8
#define QUEUE_FILE_IDENTITY	16
#define QUEUE_FRAME_HEADER	9
#define QUEUE_FRAME_BYTES	65536	/* the longest body */
#define QUEUE_FILE_MESSAGE	(16 * 1024 * 1024)	/* bytes of a message */

enum queue_frame_type {
	FRAME_BEGIN = 1, FRAME_MESSAGE = 2, FRAME_BYTES = 3,
	FRAME_CONTENT = 4, FRAME_END = 5,
};

struct queue_frame {
	enum queue_frame_type type;
	struct slice	 body;		/* borrowed */
	/* MESSAGE: */
	uint64_t	 id;
	uint32_t	 bytes;
	uint64_t	 content;
};

/* -1 at the buf's ceiling. */
int	 queue_frame_put(struct buf *, enum queue_frame_type,
	    struct slice body);
int	 queue_frame_put_begin(struct buf *, const char identity[16],
	    int64_t ms);
int	 queue_frame_put_message(struct buf *, uint64_t id, uint32_t bytes,
	    uint64_t content);
int	 queue_frame_put_end(struct buf *, uint64_t messages);

/*
 * Reads one frame after the other and sees that they fit together.  Begin with
 * zero; the magic is the first of what is read.
 */
struct queue_file {
	bool		 begun;		/* the magic has been seen */
	bool		 named;		/* so has BEGIN */
	bool		 ended;
	uint32_t	 bytes;		/* of the message, still to come */
	uint64_t	 content;	/* of its content */
	uint64_t	 messages;
};
/* The next frame off *in, which changes on PARSE_OK only.  PARSE_BAD: *why_r
 * says what is wrong. */
enum parse queue_file_next(struct queue_file *, struct slice *in,
	    struct queue_frame *, const char **why_r);

#endif
