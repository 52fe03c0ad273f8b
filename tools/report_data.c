/* SPDX-License-Identifier: ISC */
/*
 * report_data - see report.h: what is counted of which event.
 *
 * An event counts only from the role that has it to say: smtpd, which talks to
 * the network, cannot claim a delivery.
 */
#include <inttypes.h>
#include <math.h>
#include <time.h>

#include "base/num.h"
#include "report.h"

#define DELAY_FIRST	0.01	/* seconds: the first class ends here */

static int64_t	 begin_of(int64_t us, int64_t step_us);
static void	 take_queued(struct report *, struct report_bucket *,
		    const struct history_event *);
static void	 take_refused(struct report *, struct report_bucket *,
		    const struct history_event *);
static void	 take_done(struct report *, struct report_bucket *,
		    const struct history_event *);
static void	 take_relayed(struct report *, struct report_bucket *,
		    const struct history_event *);
static void	 take_deferred(struct report *, struct report_bucket *,
		    const struct history_event *);
static void	 take_failed(struct report *, struct report_bucket *,
		    const struct history_event *);
static void	 take_login(struct report *, struct report_bucket *,
		    const struct history_event *);
static void	 take_login_failed(struct report *, struct report_bucket *,
		    const struct history_event *);
static void	 take_note(struct report *, struct report_bucket *,
		    const struct history_event *);
static void	 take_trouble(struct report *, struct report_bucket *,
		    const struct history_event *);
static void	 count(struct report *, struct report_bucket *,
		    enum report_count);
static void	 outcome(struct report *, const struct history_event *,
		    unsigned number);
static void	 delivered(struct report *, struct report_bucket *,
		    const struct history_event *);
static double	 seconds_of(struct slice);
static struct slice domain_of(struct slice address);

static const struct {
	const char	*name;
	enum role	 role;
	void		(*take)(struct report *, struct report_bucket *,
			    const struct history_event *);
} events[] = {
	{ "queued",	  ROLE_QMGR,	take_queued },
	{ "refused",	  ROLE_SMTPD,	take_refused },
	{ "delivered",	  ROLE_QMGR,	take_done },
	{ "relayed",	  ROLE_QMGR,	take_relayed },
	{ "deferred",	  ROLE_QMGR,	take_deferred },
	{ "failed",	  ROLE_QMGR,	take_failed },
	{ "login",	  ROLE_AUTH,	take_login },
	{ "login-failed", ROLE_AUTH,	take_login_failed },
	{ "starting",	  ROLE_MASTER,	take_note },
	{ "running",	  ROLE_MASTER,	take_note },
	{ "stopping",	  ROLE_MASTER,	take_note },
	{ "stopped",	  ROLE_MASTER,	take_note },
	{ "reloaded",	  ROLE_MASTER,	take_note },
	{ "restarting",	  ROLE_MASTER,	take_note },
	{ "handed-over",  ROLE_MASTER,	take_note },
	{ "certificate-renewed", ROLE_MASTER, take_note },
	{ "clock-stepped", ROLE_QMGR,	take_note },
	{ "died",	  ROLE_MASTER,	take_trouble },
	{ "hung",	  ROLE_MASTER,	take_trouble },
	{ "worker-died",  ROLE_LOCAL,	take_trouble },
	{ "session-died", ROLE_MASTER,	take_trouble },
	{ "killing",	  ROLE_MASTER,	take_trouble },
	{ "not-ready",	  ROLE_MASTER,	take_trouble },
	{ "reload-failed", ROLE_MASTER,	take_trouble },
	{ "reload-incomplete", ROLE_MASTER, take_trouble },
	{ "restart-failed", ROLE_MASTER, take_trouble },
	{ "journal-damaged", ROLE_QMGR,	take_trouble },
	{ "commit-failed", ROLE_QMGR,	take_trouble },
	{ "disk-full",	  ROLE_QMGR,	take_trouble },
};

const struct report_took report_took[REPORT_TOOK] = {
	{ "0.1 s", 0.1 }, { "1 s", 1 }, { "10 s", 10 }, { "1 min", 60 },
	{ "10 min", 600 }, { "1 h", 3600 }, { "6 h", 21600 },
	{ "1 d", 86400 }, { "more", INFINITY },
};

/* ---- time ---------------------------------------------------------------- */

void
report_init(struct report *r, struct history_range range, int64_t first_us,
    int64_t now_us)
{
	static const int steps[] = { 60, 120, 300, 600, 900, 1800, 3600, 7200,
		10800, 21600, 43200, 86400, 2 * 86400, 7 * 86400, 14 * 86400,
		28 * 86400, 91 * 86400, 364 * 86400 };
	size_t i = 0;
	int64_t span;

	memset(r, 0, sizeof(*r));
	r->until_us = range.until_us > now_us ? now_us : range.until_us;
	r->since_us = range.since_us > first_us ? range.since_us : first_us;
	if (r->since_us >= r->until_us)
		r->since_us = r->until_us - INT64_C(3600) * 1000000;
	do {
		r->step_us = INT64_C(1000000) * steps[i];
		span = r->until_us - begin_of(r->since_us, r->step_us);
		r->nbuckets = (size_t)((span + r->step_us - 1) / r->step_us);
	} while (r->nbuckets > REPORT_BUCKETS &&
	    ++i < sizeof(steps) / sizeof(steps[0]));
	if (r->nbuckets > REPORT_BUCKETS)
		r->nbuckets = REPORT_BUCKETS;
	r->since_us = begin_of(r->since_us, r->step_us);
}

/* Where the clock on the wall shows a multiple of the step. */
static int64_t
begin_of(int64_t us, int64_t step_us)
{
	time_t t = (time_t)(us / 1000000);
	struct tm tm;
	int64_t offset = 0;

	if (localtime_r(&t, &tm) != NULL)
		offset = (int64_t)tm.tm_gmtoff * 1000000;
	return us - (us + offset) % step_us;
}

/* ---- events -------------------------------------------------------------- */

bool
report_take(void *arg, const struct history_event *e)
{
	struct report *r = arg;
	int64_t at = e->time_us - r->since_us;
	size_t i;

	r->events++;
	if (at < 0 || at / r->step_us >= (int64_t)r->nbuckets)
		return true;
	for (i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (events[i].role == e->role &&
		    slice_eq(e->name, slice_str(events[i].name))) {
			events[i].take(r, &r->buckets[at / r->step_us], e);
			break;
		}
	return true;
}

static void
count(struct report *r, struct report_bucket *b, enum report_count what)
{
	b->counts[what]++;
	r->totals[what]++;
}

static void
take_queued(struct report *r, struct report_bucket *b,
    const struct history_event *e)
{
	struct slice from = history_event_field(e, "from");
	struct top_name *t;
	uint64_t bytes;

	count(r, b, REPORT_QUEUED);
	if (from.p == NULL)
		return;
	t = top_take(&r->senders, from.n == 0 ? SLICE_LIT("<>") : from);
	if (!slice_to_u64(history_event_field(e, "size"), 0, INT64_MAX,
	    &bytes))
		return;
	t->numbers[TOP_BYTES] += bytes;
	r->bytes += bytes;
}

/* "550 5.1.1 rcpt", and what the first one was told. */
static void
take_refused(struct report *r, struct report_bucket *b,
    const struct history_event *e)
{
	struct slice reason = history_event_field(e, "reason");
	struct slice client = history_event_field(e, "client");
	struct buf name = BUF_INIT(1024);
	struct top_name *t;

	count(r, b, REPORT_REFUSED);
	buf_add(&name, history_event_field(e, "code"));
	buf_add_byte(&name, ' ');
	buf_add(&name, history_event_field(e, "enhanced"));
	buf_add_str(&name, " at ");
	buf_add(&name, history_event_field(e, "stage"));
	t = top_take(&r->refusals, buf_slice(&name));
	buf_clear(&name);
	if (t->text[0] == '\0' && reason.p != NULL)
		memcpy(t->text, reason.p, reason.n < TOP_NAME_BYTES ?
		    reason.n : TOP_NAME_BYTES - 1);
	if (client.p != NULL)
		top_take(&r->refused_clients, client);
}

static void
take_done(struct report *r, struct report_bucket *b,
    const struct history_event *e)
{
	count(r, b, REPORT_DELIVERED);
	delivered(r, b, e);
}

static void
take_relayed(struct report *r, struct report_bucket *b,
    const struct history_event *e)
{
	count(r, b, REPORT_RELAYED);
	delivered(r, b, e);
}

static void
delivered(struct report *r, struct report_bucket *b,
    const struct history_event *e)
{
	double delay = seconds_of(history_event_field(e, "delay"));
	size_t i;

	delays_add(&b->delays, delay);
	delays_add(&r->delays, delay);
	for (i = 0; i + 1 < REPORT_TOOK && delay > report_took[i].end; i++)
		;
	r->took[i]++;
	outcome(r, e, TOP_DONE);
}

static void
take_deferred(struct report *r, struct report_bucket *b,
    const struct history_event *e)
{
	count(r, b, REPORT_DEFERRED);
	outcome(r, e, TOP_DEFERRED);
}

static void
take_failed(struct report *r, struct report_bucket *b,
    const struct history_event *e)
{
	count(r, b, REPORT_FAILED);
	outcome(r, e, TOP_FAILED);
}

static void
outcome(struct report *r, const struct history_event *e, unsigned number)
{
	struct slice hop = history_event_field(e, "hop");
	struct slice rcpt = history_event_field(e, "rcpt");
	struct top_name *t;

	if (hop.n > 0) {
		t = top_take(&r->hops, hop);
		t->numbers[number]++;
		if (number == TOP_DONE)
			delays_add(&t->delays,
			    seconds_of(history_event_field(e, "delay")));
	}
	if (rcpt.p != NULL)
		top_take(&r->domains, domain_of(rcpt))->numbers[number]++;
}

static void
take_login(struct report *r, struct report_bucket *b,
    const struct history_event *e)
{
	(void)e;
	count(r, b, REPORT_LOGIN);
}

static void
take_login_failed(struct report *r, struct report_bucket *b,
    const struct history_event *e)
{
	struct slice client = history_event_field(e, "client");

	count(r, b, REPORT_LOGIN_FAILED);
	if (client.p != NULL)
		top_take(&r->failed_logins, client);
}

static void
add_note(struct report *r, const struct history_event *e, bool bad)
{
	struct report_note *n = &r->notes[r->nnotes++ % REPORT_NOTES];
	size_t at = slice_find(e->line, '=');
	struct slice text = e->line;

	/* "event=died role=smtpd ..." */
	if (slice_starts(text, SLICE_LIT("event=")))
		text = slice_from(text, at + 1);
	if (text.n >= sizeof(n->text))
		text.n = sizeof(n->text) - 1;
	memset(n, 0, sizeof(*n));
	n->us = e->time_us;
	n->bad = bad;
	memcpy(n->text, text.p, text.n);
}

static void
take_note(struct report *r, struct report_bucket *b,
    const struct history_event *e)
{
	(void)b;
	add_note(r, e, false);
}

static void
take_trouble(struct report *r, struct report_bucket *b,
    const struct history_event *e)
{
	(void)b;
	add_note(r, e, true);
}

/* ---- fields -------------------------------------------------------------- */

/* "12.345" */
static double
seconds_of(struct slice text)
{
	struct slice whole = slice_first(text, slice_find(text, '.'));
	uint64_t s = 0, ms = 0;

	slice_to_u64(whole, 0, INT32_MAX, &s);
	if (whole.n < text.n)
		slice_to_u64(slice_from(text, whole.n + 1), 0, 999, &ms);
	return (double)s + (double)ms / 1000;
}

static struct slice
domain_of(struct slice address)
{
	size_t at = slice_rfind(address, '@');

	return at == address.n ? address : slice_from(address, at + 1);
}

/* ---- delays -------------------------------------------------------------- */

static double
class_end(size_t i)
{
	return DELAY_FIRST * pow(2, (double)i / 2);
}

void
delays_add(struct delays *d, double seconds)
{
	size_t i = 0;

	while (i + 1 < REPORT_DELAYS && seconds > class_end(i))
		i++;
	d->v[i]++;
}

uint64_t
delays_count(const struct delays *d)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < REPORT_DELAYS; i++)
		n += d->v[i];
	return n;
}

double
delays_quantile(const struct delays *d, double q)
{
	uint64_t all = delays_count(d), n = 0, wanted;
	size_t i;

	if (all == 0)
		return 0;
	wanted = (uint64_t)ceil(q * (double)all);
	for (i = 0; i < REPORT_DELAYS; i++) {
		n += d->v[i];
		if (n >= wanted)
			break;
	}
	return class_end(i);
}
