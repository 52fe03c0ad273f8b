/* SPDX-License-Identifier: ISC */
/*
 * pem - files of certificates and keys: opened, looked at again, copied.
 *
 * What is in them is not looked at here.
 */
#ifndef MASTER_PEM_H
#define MASTER_PEM_H

#include <sys/types.h>

#include <time.h>

#include "base/buf.h"

/* What tells a file from the one that was there before; memcmp() compares. */
struct stamp {
	dev_t		 dev;
	ino_t		 ino;
	off_t		 size;
	struct timespec	 mtime;
};

/* All zero where there is none. */
struct stamp pem_stamp(const char *path);
/* A regular file of 1 to max bytes; -1 and a line in why. */
int	 pem_open(const char *path, size_t max, struct stamp *,
	    struct buf *why);
/* Whether pem_open() would; -1 and a line in why. */
int	 pem_check(const char *path, size_t max, struct buf *why);
/* All of it, at most CERTIFICATE_CHAIN_BYTES; -1 and a line in why. */
int	 pem_read(const char *path, struct buf *, struct stamp *,
	    struct buf *why);

#endif
