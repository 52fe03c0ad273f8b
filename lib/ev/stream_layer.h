/* SPDX-License-Identifier: ISC */
/*
 * stream_layer - what stands between a stream and its socket, for tls.c; a
 * program that speaks no TLS is not linked with it.
 *
 * Until the handshake is done the stream reads and writes nothing itself, but
 * the output that is to go out in clear before.
 */
#ifndef EV_STREAM_LAYER_H
#define EV_STREAM_LAYER_H

#include <sys/types.h>

#include "ev/stream.h"

/* At least so much room is given to read(). */
#define LAYER_RECORD_BYTES	(18 * 1024)

enum layer_step { LAYER_DONE, LAYER_WANTS_READ, LAYER_WANTS_WRITE,
	LAYER_FAILED };

struct stream_layer {
	enum layer_step	 (*handshake)(struct stream *);
	/*
	 * Bytes for the owner, like recv(): 0 at the end, -1 with errno.
	 * Takes at most `raw` bytes from the socket, and gives all that can
	 * be had from them and from what was held before; room is more than
	 * that.
	 */
	ssize_t		 (*read)(struct stream *, char *, size_t room,
			    size_t raw);
	/* Like send(). */
	ssize_t		 (*write)(struct stream *, const char *, size_t);
	/* read() has seen the end, or an error, behind the bytes it gave. */
	bool		 (*is_over)(const struct stream *);
	/* The peer has said, or the socket says, that no more comes. */
	bool		 (*peer_is_gone)(const struct stream *);
	/* Tells the peer that no more comes. */
	void		 (*finish)(struct stream *);
	/* The socket is still open. */
	void		 (*free)(struct stream *);
};

/* Puts the layer in, which must not be there yet.  What was read is thrown
 * away, what waits to be sent goes out first. */
void	 stream_add_layer(struct stream *, const struct stream_layer *,
	    void *data_take);
/* For the layer's own limits: the stream ends with STREAM_ERROR. */
void	 stream_layer_failed(struct stream *, int error);

#endif
