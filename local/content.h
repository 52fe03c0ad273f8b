/* SPDX-License-Identifier: ISC */
/*
 * content - a message's content in the form that mailboxes store: lines end in
 * LF.
 *
 * A small message is converted once and held, however many recipients it has;
 * a large one is converted as it is copied.  What came as BINARYMIME is
 * re-encoded to 8-bit text (RFC 3030 section 3); where that is not possible
 * (signed parts), it is stored byte for byte as it came, since changing the
 * line ends of binary data would damage it.
 */
#ifndef LOCAL_CONTENT_H
#define LOCAL_CONTENT_H

#include "base/buf.h"
#include "ipc/delivery.h"
#include "os/fs.h"

#define CONTENT_HELD_BYTES	(1024 * 1024)	/* above, it is streamed */
#define CONTENT_HEAD_BYTES	(256 * 1024)	/* of the header section */

/* Resumable at every byte. */
struct lf_writer {
	bool		 cr;		/* a CR that may belong to a CRLF */
	bool		 last_cr;	/* the last byte written is CR */
	uint64_t	 lines;		/* LFs without a CR before them */
};

struct content {
	struct slice	 front;		/* borrowed: as it came */
	int		 fd;		/* borrowed: what follows it, or -1 */
	uint64_t	 offset;
	uint64_t	 size;
	bool		 verbatim;
	bool		 held;		/* text has all of it */
	struct lf_writer lf;		/* where held: after all of it */
	struct buf	 text;
	struct buf	 head;		/* of large messages: their front */
	struct buf	 binary;	/* re-encoded */
};

/* What a stored message takes: its file, and with CRLF line ends. */
struct stored_size {
	uint64_t	 bytes;
	uint64_t	 virtual;
};

void	 content_init(struct content *);
void	 content_clear(struct content *);
/* Takes up another message; fd is borrowed.  -1 with errno: unreadable. */
int	 content_set(struct content *, const struct job *, int fd);
/* The start of the message as it came, with the header section unless that is
 * above CONTENT_HEAD_BYTES. */
struct slice content_head(const struct content *);
/* What it will take without any prefix, at most (exact where held). */
uint64_t content_bytes(const struct content *);
/* Gives the message as it is stored to sink, in parts; ends with -1 when sink
 * returns that, or with errno where it cannot be read. */
int	 content_parts(const struct content *,
	    int (*sink)(void *arg, struct slice part), void *arg,
	    struct stored_size *);
/* Writes the prefix (lines that end in LF) and the message.  -1 with errno. */
int	 content_write(const struct content *, const struct fs *, int fd,
	    struct slice prefix, struct stored_size *);

/* CRLF becomes LF; anything else stays.  out must have room for in.n + 1. */
void	 lf_feed(struct lf_writer *, struct slice in, struct buf *out);
void	 lf_end(struct lf_writer *, struct buf *out);

#endif
