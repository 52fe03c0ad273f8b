/* SPDX-License-Identifier: ISC */
/* suite_wrong - see suite_wrong.h. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "os/takeover.h"
#include "suite_wrong.h"

#define YOUNG_S		3600	/* a restart is news for so long */
#define BURST		20	/* failed logins in the last seconds */
#define ENDS_SOON_S	(14 * 86400)
#define SLOW_US		5000000	/* 99 of 100 replies should be faster */

static void	 add(struct wrong *, const char *fmt, ...)
		    __attribute__((format(printf, 2, 3)));
static void	 look_at_suite(struct wrong *, const struct view *);
static void	 look_at_process(struct wrong *, const char *line);
static void	 look_at_work(struct wrong *, const struct view *);
static void	 look_at_hops(struct wrong *, const struct view *);

void
wrong_find(struct wrong *w, const struct view *v)
{
	size_t i;

	*w = (struct wrong){ .n = 0 };
	for (i = 1; i < v->nlines; i++)
		look_at_process(w, v->lines[i]);
	look_at_work(w, v);
	look_at_hops(w, v);
	look_at_suite(w, v);
}

void
wrong_clear(struct wrong *w)
{
	size_t i;

	for (i = 0; i < w->n; i++)
		free(w->v[i]);
	free(w->v);
	*w = (struct wrong){ .n = 0 };
}

static void
add(struct wrong *w, const char *fmt, ...)
{
	struct buf line = BUF_INIT(4096);
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&line, fmt, ap);
	va_end(ap);
	w->v = mem_regrow(w->v, w->n + 1, sizeof(*w->v));
	w->v[w->n++] = clean_text(buf_slice(&line));
	buf_clear(&line);
}

static void
look_at_process(struct wrong *w, const char *line)
{
	struct slice role = word_of(line, "role");
	struct slice state = word_of(line, "state");
	uint64_t index = word_number(line, "index");
	uint64_t restarts = word_number(line, "restarts");
	uint64_t age = word_number(line, "uptime");

	if (!slice_eq(state, SLICE_LIT("running")))
		add(w, "%.*s %" PRIu64 " is not running: %.*s",
		    SLICE_ARG(role), index, SLICE_ARG(state));
	else if (slice_eq(word_of(line, "answers"), SLICE_LIT("no")))
		add(w, "%.*s %" PRIu64 " does not answer", SLICE_ARG(role),
		    index);
	else if (restarts > 0 && age < YOUNG_S)
		add(w, "%.*s %" PRIu64 " ended by its own fault %s ago, "
		    "restarts: %" PRIu64 "; see the log", SLICE_ARG(role),
		    index, age_text(age).s, restarts);
}

static void
look_at_work(struct wrong *w, const struct view *v)
{
	uint64_t n, now;

	n = view_recent(v, "qmgr.refused");
	if (n > 0)
		add(w, "mail is refused for want of room: %" PRIu64 " messages "
		    "lately; look at the queue's disk", n);
	n = view_recent(v, "auth.failed") + view_recent(v, "auth.refused");
	if (n >= BURST && n > view_recent(v, "auth.logins"))
		add(w, "%" PRIu64 " logins failed lately: somebody may be "
		    "guessing passwords", n);
	n = view_sum(v, "keys", "expires");
	now = (uint64_t)(clock_wall_ms() / 1000);
	if (n > 0 && n < now + ENDS_SOON_S)
		add(w, "a certificate %s%s: `chasqui doctor` names it",
		    n > now ? "ends in " : "has ended",
		    n > now ? age_text(n - now).s : "");
	n = view_recent(v, "bounce.failed");
	if (n > 0)
		add(w, "%" PRIu64 " reports could not be written lately", n);
	n = view_recent(v, "resolver.timed_out");
	if (n > 0 && 2 * n > view_recent(v, "resolver.asked"))
		add(w, "the name servers do not answer: %" PRIu64 " questions "
		    "lately", n);
	n = view_recent(v, "smtpd.commit_p99_us");
	if (n > SLOW_US)
		add(w, "messages wait long for their 250: 1 in 100 %s or "
		    "more; look at the disk", time_text(n).s);
}

/* Those that mail waits for; the most of it first, as they come. */
static void
look_at_hops(struct wrong *w, const struct view *v)
{
	const struct view_hop *h;
	size_t i;

	if (!v->hops_known)
		add(w, "qmgr does not say how its next hops are");
	for (i = 0; i < v->nhops; i++) {
		h = &v->hops[i];
		if (h->row.state == HOP_ROW_ALIVE)
			continue;
		add(w, "next hop %s is dead, %" PRIu64 " wait, next try in %s"
		    ": %s", h->name, h->row.sum.waiting + h->row.sum.ready,
		    age_text((uint64_t)h->row.again_ms / 1000).s, h->why);
	}
}

static void
look_at_suite(struct wrong *w, const struct view *v)
{
	const char *master = v->lines[0];
	struct slice state = word_of(master, "state");

	if (!slice_eq(state, SLICE_LIT("running")))
		add(w, "the suite is %.*s", SLICE_ARG(state));
	if (!slice_eq(word_of(master, "mode"), SLICE_LIT("full")))
		add(w, "started without root: one uid for all processes, "
		    "whose confinement is reduced");
	else if (word_number(master, "landlock") == 0)
		add(w, "this kernel has no Landlock: confinement is reduced");
	if (!slice_eq(word_of(master, "retired"), SLICE_LIT("?")))
		add(w, "process %.*s still has sessions from before the last "
		    "restart", SLICE_ARG(word_of(master, "retired")));
	if (TAKEOVER_BUILD[0] != '\0')
		add(w, "built%s", TAKEOVER_BUILD);
}
