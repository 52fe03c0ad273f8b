/* SPDX-License-Identifier: ISC */
/*
 * writer - keeps the event history: appends records, begins segments, makes
 * their indexes, removes the oldest.  One writer a directory.
 *
 * Nothing is synced: after a power cut the last seconds may be missing, and
 * what is damaged is passed over by whoever reads.  What cannot be written is
 * lost, and counted.
 */
#ifndef HISTORY_WRITER_H
#define HISTORY_WRITER_H

#include "history/segment.h"
#include "os/fs.h"

struct history_writer {
	const struct fs	*fs;
	int		 dir;		/* owned */
	uint64_t	 bytes_max;	/* of all files together, about */
	int64_t		 age_max_us;
	uint32_t	 first, number;	/* the oldest segment, and this one */
	int		 fd;		/* of this one; owned; -1: none */
	uint64_t	 size;		/* of this one, with what is written */
	uint64_t	 others;	/* bytes of the other files */
	int64_t		 least_us, most_us; /* of this one's records */
	uint64_t	 seed;		/* of this one's hashes */
	struct index_entries all;	/* of this one */
	size_t		 written;	/* of them, whose records are */
	struct buf	 pending;	/* records to be written */
	size_t		 npending;
	uint64_t	 lost;		/* events that could not be written */
	int		 error;		/* errno of the last write; 0: well */
};

/* Takes over the directory's descriptor.  Continues the last segment, whose
 * torn tail it cuts, and makes indexes that are missing.  -1 with errno. */
int	 history_writer_open(struct history_writer *, const struct fs *,
	    int dir_take, uint64_t bytes_max, int64_t age_max_us);
void	 history_writer_close(struct history_writer *);

/* An event that was parsed; it is on its way with the next flush. */
void	 history_writer_add(struct history_writer *,
	    const struct history_event *);
/* Writes what was added; begins the next segment where this one is full. */
void	 history_writer_flush(struct history_writer *, int64_t now_us);
/* Ends this segment where it is full or old, and removes what is too old or too
 * much.  Events that were added must have been flushed. */
void	 history_writer_prune(struct history_writer *, int64_t now_us);

#endif
