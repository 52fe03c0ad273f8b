/* SPDX-License-Identifier: ISC */
/*
 * reader - the event history, read beside the process that writes it.
 *
 *	struct history *h = history_open("/var/lib/chasqui/history", &why);
 *
 *	history_each(h, HISTORY_ALWAYS, print_one, &p);
 *	history_find(h, HISTORY_RECIPIENT, SLICE_LIT("ana@example.org"),
 *	    HISTORY_ALWAYS, print_one, &p);
 *	history_close(&h);
 *
 * For tools, which wait for the disk.  Nothing is locked or changed: a segment
 * that the writer removes meanwhile is simply not found any more, and a record
 * that is being written is no record yet.  Damage costs the records that it
 * hit; history_stat() counts it.  The format is told in segment.h.
 *
 * What a process says of itself is not verified: smtpd, for one, talks to the
 * network.  What counts is told from event.role, which is certain.
 */
#ifndef HISTORY_READER_H
#define HISTORY_READER_H

#include "base/buf.h"
#include "history/event.h"

struct history;

/* From since_us on, up to but without until_us, microseconds since 1970. */
struct history_range {
	int64_t		 since_us;
	int64_t		 until_us;
};
#define HISTORY_ALWAYS	((struct history_range){ 0, INT64_MAX })

/* What an event can be found by.  Letters in either case (ASCII) are equal. */
enum history_key {
	HISTORY_ID = 1,		/* id= or report=: a queue id */
	HISTORY_MESSAGE_ID,	/* msgid=, with its angle brackets */
	HISTORY_SENDER,		/* from=, "" is the null reverse-path */
	HISTORY_RECIPIENT,	/* rcpt=, orig= or to=: an address */
};

struct history_stat {
	unsigned	 segments;
	uint64_t	 bytes;		/* of all files */
	int64_t		 first_us;	/* the oldest segment's begin; 0: none */
	uint64_t	 damaged;	/* bytes passed over so far by this
					 * reader that are no record */
	uint64_t	 records;	/* read so far by this reader */
};

/* An event, valid until the function returns; there is no other walk of this
 * reader in it.  false ends the walk. */
typedef bool history_take(void *arg, const struct history_event *);

/* NULL and why, in words, with what to do where the caller may not read it.
 * A directory without segments is an empty history. */
struct history *history_open(const char *directory, struct buf *why);
void	 history_close(struct history **);

/* Events in the order in which they were written down: that of each process is
 * kept, between processes it is that of time but for a moment (well below a
 * second); but while one suite takes the place of another, each writes a
 * segment of its own, and they come one after the other.  0: to the end, or
 * until take() had enough; -1 with errno: a file could not be read. */
int	 history_each(struct history *, struct history_range, history_take *,
	    void *arg);
/* Those alone that have the key; by the index, where there is one. */
int	 history_find(struct history *, enum history_key, struct slice value,
	    struct history_range, history_take *, void *arg);

void	 history_stat(struct history *, struct history_stat *);

#endif
