/* SPDX-License-Identifier: ISC */
/*
 * report - what `chasqui report` counts, and the page that is made of it.
 *
 *	report_data.c	counts events of the history
 *	report_top.c	who comes most often, in bounded memory
 *	report_plot.c	pictures (SVG)
 *	report_page.c	the page (HTML)
 *
 * Memory is a struct report, whatever the history has.
 */
#ifndef TOOLS_REPORT_H
#define TOOLS_REPORT_H

#include <stdio.h>

#include "history/reader.h"

#define REPORT_BUCKETS	120	/* of time, at most */
#define REPORT_DELAYS	56	/* classes: 10 ms, and sqrt(2) times more each */
#define REPORT_TOOK	9	/* classes of the delay for the eye */
#define REPORT_NOTES	60	/* of what happened to the service: the last */
#define REPORT_NOTE_BYTES 200
#define TOP_NAMES	500	/* that are counted at once */
#define TOP_NAME_BYTES	128	/* of a name; what differs behind is one */

enum report_count {
	REPORT_QUEUED,		/* messages, reports of our own too */
	REPORT_REFUSED,		/* commands, 4xx or 5xx */
	REPORT_DELIVERED,	/* recipients, from here on */
	REPORT_RELAYED,
	REPORT_DEFERRED,	/* attempts */
	REPORT_FAILED,
	REPORT_LOGIN,
	REPORT_LOGIN_FAILED,
	REPORT_COUNTS
};

struct delays {
	uint32_t	 v[REPORT_DELAYS];
};

/* The class's name, and where it ends, seconds. */
extern const struct report_took {
	const char	*name;
	double		 end;
} report_took[REPORT_TOOK];

struct report_bucket {
	uint64_t	 counts[REPORT_COUNTS];
	struct delays	 delays;	/* until delivered or relayed */
};

/* Which of a name's numbers. */
enum { TOP_DONE, TOP_DEFERRED, TOP_FAILED, TOP_BYTES, TOP_NUMBERS };

struct top_name {
	char		 name[TOP_NAME_BYTES];
	size_t		 n_name;
	uint64_t	 hash;
	uint64_t	 n;		/* times it came, at most; */
	uint64_t	 error;		/* and at least n - error */
	uint64_t	 numbers[TOP_NUMBERS];
	char		 text[TOP_NAME_BYTES];	/* said with it first */
	struct delays	 delays;
};

struct top {
	struct top_name	 v[TOP_NAMES];
	size_t		 n;
};

struct report_note {
	int64_t		 us;
	bool		 bad;
	char		 text[REPORT_NOTE_BYTES];
};

struct report {
	int64_t		 since_us, until_us;
	int64_t		 step_us;	/* of a bucket */
	size_t		 nbuckets;
	struct report_bucket buckets[REPORT_BUCKETS];
	uint64_t	 totals[REPORT_COUNTS];
	uint64_t	 bytes;		/* of what was queued */
	struct delays	 delays;
	uint64_t	 took[REPORT_TOOK];
	struct top	 refusals, hops, senders, domains, refused_clients,
			 failed_logins;
	struct report_note notes[REPORT_NOTES];	/* a ring */
	uint64_t	 nnotes;
	uint64_t	 events;	/* that were read */
};

/* Times without an end become those of the history (first_us, or 0) and now. */
void	 report_init(struct report *, struct history_range, int64_t first_us,
	    int64_t now_us);
/* A history_take; arg is the report. */
bool	 report_take(void *, const struct history_event *);
/* A whole page; host is who it is of.  -1 with errno. */
int	 report_write(const struct report *, const char *host, int64_t now_us,
	    FILE *);

/* ---- between the files --------------------------------------------------- */

void	 delays_add(struct delays *, double seconds);
uint64_t delays_count(const struct delays *);
/* The quantile q (0 to 1), seconds; 0 where there is none. */
double	 delays_quantile(const struct delays *, double q);

/* Counts a name, and gives what belongs to it. */
struct top_name *top_take(struct top *, struct slice name);
/* Most first; the names stay where they are.  At most max pointers; how
 * many. */
size_t	 top_list(const struct top *, const struct top_name **list_r,
	    size_t max);

struct plot_series {
	const char	*name;
	const char	*css;		/* class: "delivered" */
	enum report_count count;
};
/* Bars over time, one series upon the other. */
void	 plot_bars(FILE *, const struct report *, const char *title,
	    const struct plot_series *, size_t n);
/* Quantiles of the delay over time. */
void	 plot_delays(FILE *, const struct report *);
/* How many took how long. */
void	 plot_delay_classes(FILE *, const struct report *);

/* "850 ms", "12 s", "3.5 h" */
void	 page_duration(FILE *, double seconds);
/* "14:00", "27 Nov", "27 Nov 14:00", "27 Nov 14:00:07", and in words. */
enum time_form { TIME_CLOCK, TIME_DAY, TIME_BOTH, TIME_EXACT, TIME_LONG,
	TIME_LONG_ZONE, TIME_MADE };
void	 page_time(FILE *, int64_t us, enum time_form);

#endif
