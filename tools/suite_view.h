/* SPDX-License-Identifier: ISC */
/*
 * suite_view - what a running suite says of itself at one moment: for
 * `chasqui status` and `chasqui top`.
 */
#ifndef TOOLS_SUITE_VIEW_H
#define TOOLS_SUITE_VIEW_H

#include "chasqui.h"
#include "ipc/queue_shape.h"

#define VIEW_HOPS	200	/* next hops, those with most messages */
#define VIEW_SESSIONS	1000	/* the newest */
#define VIEW_PATIENCE_MS 5000

struct view_hop {
	struct hop_row	 row;
	char		*name;		/* owned; as it may be shown */
	char		*why;		/* the same */
};

struct view {
	/* key=value words of each process, master's first. */
	char		**lines;	/* owned, each too */
	size_t		 nlines;
	struct view_hop	*hops;		/* owned */
	size_t		 nhops;
	bool		 hops_known;	/* qmgr has answered */
	char		**sessions;	/* owned; lines */
	size_t		 nsessions;
	int64_t		 at_ms;		/* monotonic */
};

/* Asks master, and qmgr where queue is not NULL; the channels stay the
 * caller's.  sessions: of mailboxes, too.  -1: master does not answer. */
int	 view_take(struct view *, struct channel *control,
	    struct channel *queue, bool few, bool sessions);
void	 view_clear(struct view *);

/* "key=value" or key="va lue" from the front of *rest. */
bool	 word_next(struct slice *rest, struct slice *key, struct slice *value);
/* A line's value without quotes; "?" where there is none. */
struct slice word_of(const char *line, const char *key);
/* 0 where there is none, or it is no number. */
uint64_t word_number(const char *line, const char *key);

/* The same of all processes that count in a group (ipc/counters.h), summed. */
uint64_t view_sum(const struct view *, const char *group, const char *word);
/* What metrics has seen in the last seconds: "smtpd.messages"; recent_ms of
 * it, 0 where it is not known. */
uint64_t view_recent(const struct view *, const char *name);
int64_t	 view_recent_ms(const struct view *);

/* "12s", "5m03s", "7h05m", "12d07h" */
struct age_text { char s[32]; };
struct age_text age_text(uint64_t seconds);
/* "850us", "12ms", "3.4s" */
struct time_text { char s[32]; };
struct time_text time_text(uint64_t us);
/* "812", "12.3k", "4.5M"; bytes: "12K", "34M" */
struct count_text { char s[32]; };
struct count_text count_text(uint64_t);
struct count_text size_text(uint64_t bytes);
/* A copy that is safe on a terminal; the caller frees it. */
char	*clean_text(struct slice);

#endif
