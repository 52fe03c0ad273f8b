/* SPDX-License-Identifier: ISC */
/*
 * tap - in a process that talks to a network: what `chasqui watch` is told of
 * its sessions.
 *
 * A watch is a network, some protocols and a pipe from master, which nobody
 * here reads or waits for: what does not fit is left out and counted.  A
 * session whose peer is in the network gets a tap on its stream; what is said
 * goes through mail/dialogue.h, and a line at a time into the pipe:
 *
 *	MILLISECONDS PROTOCOL SESSION PEER DIRECTION TEXT
 *
 * SESSION is PROCESS.NUMBER; DIRECTION '>' from the client, '<' to it, '-' a
 * remark.  All is printable ASCII, a line has at most TAP_LINE_BYTES.
 *
 * While nobody watches a session costs one comparison when it begins, and one
 * for what it says.
 */
#ifndef IPC_TAP_H
#define IPC_TAP_H

#include <sys/queue.h>

#include "conf/conf.h"
#include "ev/stream.h"
#include "ipc/channel.h"

/* A line goes into a pipe whole or not at all (PIPE_BUF). */
#define TAP_LINE_BYTES	4000
#define TAP_WATCHES	4	/* at once */
#define TAP_SESSIONS	1000	/* of a process, at once; more are not shown */

/* The numbers are those of the messages, as bits 1 << TAP_*. */
enum tap_protocol {
	TAP_SMTP, TAP_LMTP, TAP_SUBMISSION, TAP_IMAP, TAP_POP3,
	TAP_REMOTE,		/* we are the client */
	TAP_PROTOCOLS
};
extern const char *const tap_protocol_names[TAP_PROTOCOLS];

struct tap;
struct tap_watch {
	uint32_t	 number;	/* master's; 0: free */
	uint32_t	 protocols;
	struct conf_net	 net;
	int		 fd;		/* owned */
	uint64_t	 lost;		/* lines, not told yet */
	bool		 full_told;
};

/* Zeroed at the beginning. */
struct taps {
	struct tap_watch	 watches[TAP_WATCHES];
	unsigned		 nwatches;
	LIST_HEAD(, tap)	 taps;		/* owned */
	unsigned		 ntaps;
	uint32_t		 serial;
};

/* CTL_WATCH; takes over its descriptor.  -1: it is not well-formed, or there
 * are too many. */
int	 taps_watch(struct taps *, struct message *);
void	 taps_watch_end(struct taps *, uint32_t number);

void	 tap_open_watched(struct taps *, struct stream *, enum tap_protocol,
	    const uint8_t addr[16], bool in_order, const char *what);
/* The stream is open.  in_order: the client's next command is its next byte.
 * what: the first remark.  Nothing is done where there is a tap already. */
static inline void
tap_open(struct taps *t, struct stream *s, enum tap_protocol protocol,
    const uint8_t addr[16], bool in_order, const char *what)
{
	if (t != NULL && t->nwatches > 0)
		tap_open_watched(t, s, protocol, addr, in_order, what);
}
/* It can be looked at no longer, for a reason that is told. */
void	 tap_close(struct stream *, const char *why);

#endif
