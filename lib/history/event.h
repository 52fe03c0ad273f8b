/* SPDX-License-Identifier: ISC */
/*
 * event - one line of the log, taken apart.
 *
 * A line is words separated by blanks, each KEY=VALUE, as base/log.h writes
 * them; a value in quotes ends at the next quote, and \xHH in it is the byte
 * HH.  What is no such word is passed over, so any bytes make an event, if one
 * without a name.
 */
#ifndef HISTORY_EVENT_H
#define HISTORY_EVENT_H

#include <stdint.h>

#include "base/log.h"
#include "base/slice.h"
#include "wiring/wiring.h"

#define HISTORY_LINE_BYTES	4096	/* a longer line was cut */
#define HISTORY_FIELDS		48	/* of a line; others are left out */

struct history_field {
	struct slice	 key;		/* "rcpt" */
	struct slice	 value;		/* without its quotes, decoded: any bytes */
};

/* The slices are borrowed; who made the event says from where. */
struct history_event {
	int64_t		 time_us;	/* since 1970, by the writer's clock */
	enum role	 role;		/* whose channel it came by */
	enum log_level	 level;		/* INFO or above */
	uint32_t	 pid;		/* of it, as master knows it */
	struct slice	 line;		/* as it was logged, without time */
	struct slice	 id;		/* id=, a queue id; empty: none */
	struct slice	 name;		/* event=; empty: none */
	size_t		 nfields;	/* all, id and event among them */
	struct history_field fields[HISTORY_FIELDS];
};

/* Fills in id, name and fields.  Decoded values go to room, of as many bytes as
 * the line has, which together with the line must outlive the event. */
void	 history_event_parse(struct history_event *, struct slice line,
	    char *room);
/* The first field of this key; its p is NULL where there is none. */
struct slice history_event_field(const struct history_event *,
	    const char *key);

#endif
