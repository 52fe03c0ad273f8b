/* SPDX-License-Identifier: ISC */
/*
 * stream - a connection's bytes in both directions.
 *
 * An idle stream holds no buffers: input is read into memory that all streams
 * of the process share, and only what its owner does not consume at once is
 * kept.  Output is collected and written at the end of the turn.
 *
 * Callbacks may call any stream function, stream_close() included; after
 * that no callback of this stream runs, and the functions do nothing.  Once
 * closed, the stream's memory may be freed, in the callback too.
 */
#ifndef EV_STREAM_H
#define EV_STREAM_H

#include <sys/socket.h>

#include "base/buf.h"
#include "ev/loop.h"

enum stream_end {
	STREAM_EOF,		/* the peer has closed its side; see
				 * stream_stay_half_open() */
	STREAM_ERROR,		/* reset or alike: .error has the errno */
	STREAM_TIMEOUT,		/* nothing happened for the time given */
};

struct stream;
struct stream_layer;
struct stream_ops {
	/* Unconsumed input has grown; see stream_input().  Called again only
	 * when more arrives, or after stream_resume(). */
	void	(*input)(void *arg);
	/* All output is with the kernel.  May be NULL. */
	void	(*sent)(void *arg);
	/* An outgoing connection is established.  May be NULL. */
	void	(*connected)(void *arg);
	/* The stream is over (or the connection failed, or time is up); the
	 * owner still has to call stream_close(), at once or later. */
	void	(*ended)(void *arg, enum stream_end);
	/* The handshake of ev/tls.h is done.  May be NULL. */
	void	(*secured)(void *arg);
};

/* Somebody who looks on (ipc/tap.h): hears, in the order in which the owner
 * does it, what the owner consumes and writes, without TLS.  Must not call any
 * stream function. */
struct stream_tap {
	void	(*received)(struct stream_tap *, struct slice);
	void	(*written)(struct stream_tap *, struct slice);
	/* A layer comes in between, and what was not consumed is gone. */
	void	(*secured)(struct stream_tap *);
	/* The stream is closed; it does not know the tap any more. */
	void	(*closed)(struct stream_tap *);
};

#define STREAM_KEEP_BYTES	(128 * 1024)	/* most unconsumed input */

struct stream {
	const struct stream_ops	*ops;
	void			*arg;
	struct ev_loop		*loop;
	int			 fd;		/* owned, or -1 */
	int			 error;		/* errno of STREAM_ERROR */
	struct ev_io		 io;
	struct ev_timer		 timer;
	struct ev_task		 task;
	struct slice		 fresh;		/* in the shared memory */
	struct buf		 kept;		/* unconsumed input */
	size_t			 kept_off;
	struct buf		 out;
	size_t			 out_off;
	/* TLS, see stream_layer.h: */
	const struct stream_layer *layer;	/* NULL: none */
	void			*layer_data;	/* owned by the layer */
	size_t			 clear;		/* of out, goes before it */
	bool			 securing;	/* its handshake goes on */
	bool			 securing_writes; /* and waits to send */
	bool			 connecting;
	bool			 paused;
	bool			 resumed;	/* kept input is to be offered */
	bool			 eof;
	bool			 ended;
	bool			 closing;	/* close when all is sent */
	bool			 draining;	/* it is, and our side is shut */
	int64_t			 drain_ms;	/* > 0: closes gently */
	size_t			 drained;
	bool			 half_open;	/* output goes on after EOF */
	bool			 eof_told;
	struct stream_tap	*tap;		/* borrowed; NULL: nobody */
};

/* Takes over a connected socket, which is made non-blocking.  out_max limits
 * the output that may wait, bytes. */
void	 stream_open(struct stream *, struct ev_loop *, int fd_take,
	    size_t out_max, const struct stream_ops *, void *arg);
/* Starts a connection; `connected` or `ended` follows.  local may be NULL.
 * -1 with errno when it cannot even be started (nothing to close then). */
int	 stream_connect(struct stream *, struct ev_loop *,
	    const struct sockaddr *, socklen_t, const struct sockaddr *local,
	    socklen_t local_len, size_t out_max, const struct stream_ops *,
	    void *arg);
void	 stream_close(struct stream *);		/* also of a zeroed one */
bool	 stream_is_open(const struct stream *);
/* Closes once the output is with the kernel (`ended` then comes with
 * STREAM_EOF); input from now on is discarded. */
void	 stream_close_when_sent(struct stream *);
/* The same for a peer that may go on talking: to close with input unread would
 * be a reset, which can take our last words with it.  So our side is shut
 * first, and what still comes is read and dropped, until the peer has closed
 * too, ms have passed or STREAM_DRAIN_BYTES have come; then `ended`. */
#define STREAM_DRAIN_BYTES	(1024 * 1024)
void	 stream_close_gently(struct stream *, int64_t ms);

/* From now on the peer's EOF ends only the input: `ended` says so with
 * STREAM_EOF, once, and what is written is still sent.  It may come again with
 * an error, or when what stream_close_when_sent() waits for is sent. */
void	 stream_stay_half_open(struct stream *);

/* Input that was not consumed; valid until control returns to the loop. */
struct slice stream_input(const struct stream *);
void	 stream_consume(struct stream *, size_t n);
/* While paused nothing is read, so the peer is held back by TCP. */
void	 stream_pause(struct stream *);
void	 stream_resume(struct stream *);
/* True where the peer's EOF, or a reset, is known although input may be
 * unconsumed; asks the kernel, so that it also works while paused. */
bool	 stream_peer_is_gone(struct stream *);
/* True where it does not read any more either; one that has closed its side
 * only, or has not said yet that it reads no more, is not. */
bool	 stream_peer_is_reset(struct stream *);

/* -1 when more than out_max would wait. */
int	 stream_write(struct stream *, struct slice);
int	 stream_printf(struct stream *, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
size_t	 stream_unsent(const struct stream *);
/* What the kernel has and the peer's has not, as far as it has said.  A reply
 * of TCP acknowledges what had come before it (RFC 9293 section 3.4), so one
 * that finds something on its way was given without that. */
size_t	 stream_on_its_way(const struct stream *);
/* Moves what is not with the kernel yet to b; -1 when it does not fit.  Not
 * where there is TLS. */
int	 stream_take_unsent(struct stream *, struct buf *b);

/* `ended` with STREAM_TIMEOUT unless called again within ms; 0: no limit. */
void	 stream_timeout(struct stream *, int64_t ms);

#endif
