/* SPDX-License-Identifier: ISC */
/*
 * feed - what a process sends to the history: packets of frames, whose form
 * base/log.h tells.  Whoever sends them may have been captured; a packet that
 * is not whole gives the frames up to its fault.
 */
#ifndef HISTORY_FEED_H
#define HISTORY_FEED_H

#include "base/log.h"
#include "base/slice.h"

struct feed_frame {
	int64_t		 time_us;	/* since 1970 */
	enum log_level	 level;		/* INFO or above */
	uint64_t	 lost;		/* frames that were not sent; line is
					 * empty then */
	struct slice	 line;		/* borrowed from the packet; at most
					 * HISTORY_LINE_BYTES, any bytes */
};

/* Takes the next frame off *packet.  False: none is left, or (*bad_r) what is
 * left is none. */
bool	 feed_next(struct slice *packet, struct feed_frame *, bool *bad_r);

#endif
