/* SPDX-License-Identifier: ISC */
/*
 * trace_text - see trace_text.h.
 *
 * The role is certain, what a process says is not: a row of the table is for
 * one process.  Any other event of a message is shown as it was logged.
 */
#include <stdio.h>

#include "base/num.h"
#include "trace_text.h"

typedef bool	 tell_fn(const struct history_event *, unsigned part,
		    struct trace_step *);
static tell_fn	 accepted, queued, outcome, expanded, reported, removed,
    refused, aborted, no_connection, changed;
static bool	 as_logged(const struct history_event *, struct trace_step *);

static const struct {
	enum role	 role;
	const char	*name;
	tell_fn		*tell;
} rows[] = {
	{ ROLE_SMTPD,	"accepted",	  accepted },
	{ ROLE_SMTPD,	"refused",	  refused },
	{ ROLE_SMTPD,	"aborted",	  aborted },
	{ ROLE_QMGR,	"queued",	  queued },
	{ ROLE_QMGR,	"delivered",	  outcome },
	{ ROLE_QMGR,	"relayed",	  outcome },
	{ ROLE_QMGR,	"deferred",	  outcome },
	{ ROLE_QMGR,	"failed",	  outcome },
	{ ROLE_QMGR,	"expanded",	  expanded },
	{ ROLE_QMGR,	"reported",	  reported },
	{ ROLE_QMGR,	"removed",	  removed },
	{ ROLE_QMGR,	"changed",	  changed },
	{ ROLE_REMOTE,	"connect-failed", no_connection },
	{ ROLE_REMOTE,	"connection-failed", no_connection },
};

void
trace_step_init(struct trace_step *s)
{
	s->at_us = 0;
	s->took_us = -1;
	buf_init(&s->text, 16 * 1024);
	buf_init(&s->words, 16 * 1024);
}

void
trace_step_clear(struct trace_step *s)
{
	buf_clear(&s->text);
	buf_clear(&s->words);
}

bool
trace_step_of(const struct history_event *e, unsigned part,
    struct trace_step *s)
{
	size_t i;

	buf_reset(&s->text);
	buf_reset(&s->words);
	s->at_us = e->time_us;
	s->took_us = -1;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].role == e->role &&
		    slice_eq(e->name, slice_str(rows[i].name)))
			return rows[i].tell(e, part, s);
	return part == 0 && as_logged(e, s);
}

/* ---- fields -------------------------------------------------------------- */

static struct slice
field(const struct history_event *e, const char *key)
{
	struct slice s = history_event_field(e, key);

	return s.p == NULL || slice_eq(s, SLICE_LIT("-")) ? SLICE_EMPTY : s;
}

static bool
has(const struct history_event *e, const char *key)
{
	return field(e, key).n > 0;
}

/* What a peer said: nothing that a terminal would obey. */
static void
add(struct buf *b, struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		buf_add_byte(b, s.p[i] == '\n' ? ' ' :
		    s.p[i] < 0x20 || s.p[i] > 0x7e ? '?' : s.p[i]);
}

static void
add_field(struct buf *b, const char *before, const struct history_event *e,
    const char *key)
{
	if (!has(e, key))
		return;
	buf_add_str(b, before);
	add(b, field(e, key));
}

/* "1.234" seconds; -1: it does not say. */
static int64_t
microseconds(const struct history_event *e, const char *key)
{
	struct slice s = field(e, key);
	uint64_t whole = 0, part = 0;

	if (parse_u64(&s, &whole) != PARSE_OK || whole > UINT32_MAX)
		return -1;
	if (s.n == 4 && s.p[0] == '.') {
		s = slice_from(s, 1);
		parse_u64(&s, &part);
	}
	return (int64_t)whole * 1000000 + (int64_t)part * 1000;
}

struct trace_time
trace_time(int64_t us)
{
	struct trace_time t;
	int64_t s = us / 1000000;

	if (us < 0)
		t.s[0] = '\0';
	else if (s == 0)
		snprintf(t.s, sizeof(t.s), "%d ms", (int)(us / 1000));
	else if (s < 60)
		snprintf(t.s, sizeof(t.s), "%.2f s", (double)us / 1e6);
	else if (s < 3600)
		snprintf(t.s, sizeof(t.s), "%dm%02ds", (int)(s / 60),
		    (int)(s % 60));
	else if (s < 86400)
		snprintf(t.s, sizeof(t.s), "%dh%02dm", (int)(s / 3600),
		    (int)(s / 60 % 60));
	else
		snprintf(t.s, sizeof(t.s), "%dd%02dh", (int)(s / 86400 %
		    100000), (int)(s / 3600 % 24));
	return t;
}

/* ---- coming in ----------------------------------------------------------- */

/* The client's sending, and then ours until it was on stable storage. */
static bool
accepted(const struct history_event *e, unsigned part, struct trace_step *s)
{
	int64_t receive = microseconds(e, "receive");
	int64_t commit = microseconds(e, "commit");

	if (part > 1)
		return false;
	s->at_us = e->time_us - (commit > 0 ? commit : 0);
	if (part == 1) {
		s->took_us = commit;
		buf_add_str(&s->text, "on stable storage; the client has "
		    "its 250");
		return true;
	}
	s->at_us -= receive > 0 ? receive : 0;
	s->took_us = receive;
	add_field(&s->text, "taken from ", e, "client");
	add_field(&s->text, ", which calls itself ", e, "helo");
	add_field(&s->text, ", by ", e, "proto");
	add_field(&s->text, ", logged in as ", e, "login");
	return true;
}

/* Told by smtpd, but what we write ourselves comes by no smtpd. */
static bool
queued(const struct history_event *e, unsigned part, struct trace_step *s)
{
	if (part > 0 || has(e, "client"))
		return false;
	buf_add_str(&s->text, "queued: a report of our own");
	return true;
}

static bool
refused(const struct history_event *e, unsigned part, struct trace_step *s)
{
	if (part > 0)
		return false;
	add_field(&s->text, "", e, "to");
	if (has(e, "to"))
		buf_add_byte(&s->text, ' ');
	add_field(&s->text, "refused at ", e, "stage");
	add_field(&s->text, " to ", e, "client");
	add_field(&s->words, "", e, "code");
	add_field(&s->words, " ", e, "enhanced");
	add_field(&s->words, " ", e, "reason");
	return true;
}

static bool
aborted(const struct history_event *e, unsigned part, struct trace_step *s)
{
	if (part > 0)
		return false;
	buf_add_str(&s->text, "given up by the client; nothing was taken");
	add_field(&s->words, "", e, "reason");
	return true;
}

/* ---- going out ----------------------------------------------------------- */

/* As the other side has said it: "550 5.1.1 no such person". */
static void
add_reply(struct buf *b, const struct history_event *e)
{
	if (has(e, "code")) {
		add_field(b, "", e, "code");
		add_field(b, " ", e, "status");
		buf_add_byte(b, ' ');
	}
	add_field(b, "", e, "text");
}

static bool
outcome(const struct history_event *e, unsigned part, struct trace_step *s)
{
	if (part > 0)
		return false;
	s->took_us = microseconds(e, "took");
	if (s->took_us > 0)
		s->at_us -= s->took_us;
	add_field(&s->text, "", e, "rcpt");
	buf_add_byte(&s->text, ' ');
	add(&s->text, e->name);
	add_field(&s->text, " ", e, "status");
	if (has(e, "remote"))
		add_field(&s->text, slice_eq(e->name, SLICE_LIT("relayed")) ?
		    " to " : " by ", e, "remote");
	else if (has(e, "hop") && !slice_starts(field(e, "hop"),
	    SLICE_LIT("local:")))
		add_field(&s->text, ", next hop ", e, "hop");
	else if (slice_eq(e->name, SLICE_LIT("delivered")))
		buf_add_str(&s->text, " into the mailbox");
	add_field(&s->text, ", ", e, "tls");
	if (!slice_eq(field(e, "attempt"), SLICE_LIT("1")))
		add_field(&s->text, ", attempt ", e, "attempt");
	add_field(&s->text, " (was ", e, "orig");
	if (has(e, "orig"))
		buf_add_byte(&s->text, ')');
	add_reply(&s->words, e);
	return true;
}

static bool
expanded(const struct history_event *e, unsigned part, struct trace_step *s)
{
	if (part > 0)
		return false;
	add_field(&s->text, "", e, "rcpt");
	add_field(&s->text, " became ", e, "to");
	buf_add_str(&s->text, slice_eq(field(e, "to"), SLICE_LIT("1")) ?
	    " other recipient" : " other recipients");
	add_field(&s->text, ", reports go to ", e, "sender");
	return true;
}

static bool
reported(const struct history_event *e, unsigned part, struct trace_step *s)
{
	if (part > 0)
		return false;
	add_field(&s->text, "reported to ", e, "to");
	add_field(&s->text, ", by ", e, "report");
	return true;
}

static bool
removed(const struct history_event *e, unsigned part, struct trace_step *s)
{
	if (part > 0)
		return false;
	buf_add_str(&s->text, has(e, "deleted") ?
	    "deleted by the postmaster" : "done: removed from the queue");
	return true;
}

static bool
changed(const struct history_event *e, unsigned part, struct trace_step *s)
{
	if (part > 0)
		return false;
	add_field(&s->text, "changed by the tools: ", e, "to");
	add_field(&s->text, ", by uid ", e, "uid");
	return true;
}

static bool
no_connection(const struct history_event *e, unsigned part,
    struct trace_step *s)
{
	if (part > 0)
		return false;
	add_field(&s->text, slice_eq(e->name, SLICE_LIT("connect-failed")) ?
	    "no connection to " : "connection lost with ", e, "host");
	add_field(&s->words, "", e, "why");
	return true;
}

static bool
as_logged(const struct history_event *e, struct trace_step *s)
{
	struct slice line = e->line;

	/* The queue id stands above. */
	if (slice_starts(line, SLICE_LIT("id=")))
		line = slice_from(line, slice_find(line, ' '));
	buf_add_str(&s->text, role_name(e->role));
	buf_add_str(&s->text, ": ");
	add(&s->text, slice_trim(line));
	return true;
}
