/* SPDX-License-Identifier: ISC */
/* parcel - a job that outlives the message it came in. */
#ifndef LOCAL_PARCEL_H
#define LOCAL_PARCEL_H

#include "ipc/delivery.h"

#define JOB_ARENA_BYTES	(1024 * 1024)

struct parcel {
	unsigned	 users;		/* the last one frees it */
	uint64_t	 id;
	struct buf	 body;		/* what job points into */
	struct arena	 arena;
	struct job	 job;
	int		 fd;		/* owned, or -1 */
};

/* Copies a LW_JOB or LW_JOB_FILE and takes its descriptor; one user.  NULL: it
 * is malformed. */
struct parcel *parcel_new(struct message *);
void	 parcel_drop(struct parcel *);

#endif
