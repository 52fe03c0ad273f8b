/* SPDX-License-Identifier: ISC */
/* content - a message's bytes, wherever they are, in pieces. */
#ifndef REMOTE_CONTENT_H
#define REMOTE_CONTENT_H

#include <stdint.h>

#include "base/buf.h"

#define CONTENT_PIECE	(64 * 1024)

struct content {
	struct slice	 front;		/* borrowed */
	int		 fd;		/* borrowed; -1: front is all */
	uint64_t	 offset;	/* what follows in the file */
	uint64_t	 size;
	uint32_t	 crc;		/* its CRC-32C; 0: not known */
	uint32_t	 seen;		/* that of what was read of it */
};

uint64_t content_size(const struct content *);
/* The piece at a place, at most CONTENT_PIECE bytes; empty at the end.  Valid
 * until the next call for any content.  -1 with errno; EIO where the file is
 * shorter than it should be.  Read from its beginning to its end, damaged
 * content ends with EBADMSG in place of its last piece. */
int	 content_read(struct content *, uint64_t at, struct slice *piece_r);
/* All of it, appended.  -1 with errno; ENOMEM at the ceiling. */
int	 content_read_all(struct content *, struct buf *);

#endif
