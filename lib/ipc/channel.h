/* SPDX-License-Identifier: ISC */
/*
 * channel - messages between two processes, checked by their edge's table.
 *
 * Each edge has a header with one table (see ipc/smtpd_qmgr.h for the form):
 * name, number, who sends it, how many descriptors go with it, and the least
 * and the greatest size of its body.  A message that breaks its row never
 * reaches a handler.
 *
 * Messages are sent together at the end of the turn.  The frame is: total
 * length (u32, with this header), type (u16), descriptors (u16), id (u64),
 * body.  The id names a request, and its answer carries it back; an id that
 * the receiver does not know any more is normal.
 */
#ifndef IPC_CHANNEL_H
#define IPC_CHANNEL_H

#include "base/buf.h"
#include "base/wire.h"
#include "ev/loop.h"
#include "wiring/wiring.h"

#define CHANNEL_BODY_BYTES	(256 * 1024)	/* no row may allow more */
#define CHANNEL_FDS		4		/* with one message */
/* Output that waits for a slow peer; above CHANNEL_BUSY_BYTES channel_is_busy()
 * asks senders to hold back, at the limit the channel fails. */
#define CHANNEL_BUSY_BYTES	(4 * 1024 * 1024)
#define CHANNEL_OUT_BYTES	(64 * 1024 * 1024)

struct message_rule {
	const char	*name;
	uint16_t	 type;
	uint16_t	 fds;
	enum role	 sender;	/* 0: either side */
	uint32_t	 min;		/* body, bytes */
	uint32_t	 max;
};

/* Expands an edge's table into its enum and its rules:
 *	ENUM_MESSAGES(SMTPD_QMGR);
 *	static const struct message_rule rules[] = RULES_OF(SMTPD_QMGR);  */
#define MESSAGE_ENUM_(name, no, sender, fds, min, max)	name = (no),
#define ENUM_MESSAGES(TABLE)	enum { TABLE(MESSAGE_ENUM_) }
#define MESSAGE_RULE_(name, no, sender, fds, min, max)			\
	{ #name, (no), (fds), ROLE_##sender, (min), (max) },
#define ROLE_EITHER	((enum role)0)
#define RULES_OF(TABLE)	{ TABLE(MESSAGE_RULE_) { NULL, 0, 0, ROLE_EITHER, 0, 0 } }

struct channel;

struct message {
	uint16_t	 type;
	uint64_t	 id;
	struct wire	 body;		/* borrowed until the handler returns */
	/* The handler takes what it wants and sets it to -1; the rest is
	 * closed after it. */
	int		 fds[CHANNEL_FDS];
	int		 nfds;
};

struct channel_ops {
	void	(*message)(void *arg, struct channel *, struct message *);
	/* The peer is gone or broke the protocol.  The channel is freed after
	 * this returns. */
	void	(*down)(void *arg, struct channel *);
	/* The output has fallen below half of CHANNEL_BUSY_BYTES after
	 * channel_is_busy() was true.  May be NULL. */
	void	(*relaxed)(void *arg, struct channel *);
};

/* rules end with a NULL name; self and peer are the roles of the two sides,
 * index the peer's instance.  Takes over fd. */
struct channel *channel_new(struct ev_loop *, int fd_take,
	    const struct message_rule *rules, enum role self, enum role peer,
	    unsigned index, const struct channel_ops *, void *arg);
/* Closes without calling down().  Inside a callback of this channel too. */
void	 channel_free(struct channel **);

/*
 * For a handler that finds the body of a message wrong: the same as a message
 * that breaks its row.  From a trusted peer (role_is_trusted) that is our own
 * bug and ends the process, but never master; otherwise the channel fails and
 * down() follows at the end of the turn.  why is one word for the log.
 */
void	 channel_breach(struct channel *, const char *why);

enum role channel_peer(const struct channel *);
unsigned channel_index(const struct channel *);
/* Whether the process that was at the other side before this one ended by its
 * own fault; false for the first one, and where somebody killed it. */
void	 channel_set_crashed_before(struct channel *, bool);
bool	 channel_crashed_before(const struct channel *);
/* A place for what the daemon knows of this peer. */
void	 channel_set_data(struct channel *, void *);
void	*channel_data(const struct channel *);

/*
 * One message: begin, append fields with put_*() to the buf, end.  The buf is
 * the channel's output, so bytes are copied once.  Returns NULL while the
 * channel is down; channel_end() then does nothing.  fds are taken over and
 * closed once sent.  A body that breaks the row is our own bug (assert).
 */
struct buf *channel_begin(struct channel *, uint16_t type, uint64_t id);
void	 channel_end(struct channel *);
void	 channel_end_fds(struct channel *, const int *fds_take, int nfds);
/* A message whose body is at hand. */
void	 channel_send(struct channel *, uint16_t type, uint64_t id,
	    struct slice body);
bool	 channel_is_busy(const struct channel *);
/* Bytes that the peer has not taken yet. */
size_t	 channel_unsent(const struct channel *);
/* Sends now what can be sent. */
void	 channel_flush(struct channel *);
/* While paused nothing is read from the peer. */
void	 channel_pause(struct channel *, bool paused);

/* For tools and start-up, without a loop: waits for the next message.  -1 on
 * EOF or breach.  The body is valid until the next call. */
int	 channel_wait(struct channel *, struct message *, int timeout_ms);

#endif
