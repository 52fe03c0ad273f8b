/* SPDX-License-Identifier: ISC */
/* status - see status.h. */
#include "mail/address.h"
#include "mail/header.h"
#include "status.h"

static void	recipient_fields(struct text *, const struct compose *,
		    const struct report_recipient *, const struct detail *,
		    bool global);
static void	address_field(struct text *, const char *name, struct slice,
		    bool global);
static void	diagnostic_field(struct text *, const struct outcome *,
		    size_t words, bool global);
static void	remote_field(struct text *, struct slice remote, bool global);
static void	put_code(struct text *, const struct outcome *);
static void	date_field(struct text *, const char *name, int64_t ms);
static void	list_one(struct text *, const struct report *,
		    const struct report_recipient *, const struct detail *);
static const char *action(enum report_kind, enum outcome_status);
static struct enhanced status_code(enum report_kind, const struct outcome *);
static struct slice words_of(const struct outcome *, size_t max);
static struct slice status_address(const struct report_recipient *);

void
status_fields(struct text *t, const struct compose *c, const struct detail *d,
    bool global)
{
	const struct report *r = c->report;
	size_t i;

	text_printf(t, "Reporting-MTA: dns; %s\r\n", c->hostname);
	if (r->envid.n > 0) {
		text_str(t, "Original-Envelope-Id: ");
		text_clean(t, r->envid, global);
		text_str(t, "\r\n");
	}
	date_field(t, "Arrival-Date", r->arrived_ms);
	for (i = 0; i < r->nrecipients && !t->full; i++)
		recipient_fields(t, c, &r->recipients[i], d, global);
}

static void
recipient_fields(struct text *t, const struct compose *c,
    const struct report_recipient *to, const struct detail *d, bool global)
{
	enum report_kind kind = c->report->kind;
	const struct outcome *o = &to->outcome;

	text_str(t, "\r\n");
	if (to->orcpt.n > 0 && d->words > 0) {
		text_str(t, "Original-Recipient: ");
		text_clean(t, to->orcpt, global);
		text_str(t, "\r\n");
	}
	address_field(t, "Final-Recipient", status_address(to), global);
	text_printf(t, "Action: %s\r\nStatus: %s\r\n", action(kind, o->status),
	    enhanced_text(status_code(kind, o)).s);
	if (d->words == 0)
		return;
	if (o->remote.n > 0)
		remote_field(t, o->remote, global);
	if (o->code != 0 || o->text.n > 0)
		diagnostic_field(t, o, d->words, global);
	if (to->attempted_ms > 0)
		date_field(t, "Last-Attempt-Date", to->attempted_ms);
	if (kind == REPORT_DELAY && c->report->until_ms > 0)
		date_field(t, "Will-Retry-Until", c->report->until_ms);
}

static void
address_field(struct text *t, const char *name, struct slice address,
    bool global)
{
	text_printf(t, "%s: %s; ", name,
	    slice_is_ascii(address) ? "rfc822" : "utf-8");
	text_clean(t, address, global);
	text_str(t, "\r\n");
}

/* "name[address]:port": the name, and the address as a comment; without a name
 * its literal.  A socket of this host has no name outside. */
static void
remote_field(struct text *t, struct slice remote, bool global)
{
	size_t open = slice_find(remote, '['), close;
	struct slice rest = slice_from(remote, open), address;

	if (remote.p[0] == '/')
		return;
	text_str(t, "Remote-MTA: dns; ");
	close = slice_find(rest, ']');
	if (close == rest.n) {
		text_clean(t, remote, global);
	} else {
		address = slice_of(rest.p + 1, close - 1);
		text_clean(t, slice_first(remote, open), global);
		text_str(t, open > 0 ? " (" : slice_find(address, ':') <
		    address.n ? "[IPv6:" : "[");
		text_clean(t, address, global);
		text_str(t, open > 0 ? ")" : "]");
	}
	text_str(t, "\r\n");
}

/* Of another host: its reply, each line of it; otherwise our own words. */
static void
diagnostic_field(struct text *t, const struct outcome *o, size_t words,
    bool global)
{
	const char *type = o->remote.n > 0 && o->code != 0 ? "smtp"
							   : "X-Chasqui";
	text_printf(t, "Diagnostic-Code: %s; ", type);
	put_code(t, o);
	text_folded(t, 32, "    ", words_of(o, words), global);
	text_str(t, "\r\n");
}

/* "550 5.1.1 ": as it was in the reply, where the enhanced code is no longer in
 * the words.  x.0.0 may be one that was made up for a reply without any. */
static void
put_code(struct text *t, const struct outcome *o)
{
	struct slice words = o->text;
	struct enhanced e;

	if (o->code == 0)
		return;
	text_printf(t, "%u ", o->code);
	if (o->enhanced.class == o->code / 100 &&
	    (o->enhanced.subject != 0 || o->enhanced.detail != 0) &&
	    !enhanced_parse(&words, &e))
		text_printf(t, "%s ", enhanced_text(o->enhanced).s);
}

static void
date_field(struct text *t, const char *name, int64_t ms)
{
	text_printf(t, "%s: %s\r\n", name, date_text(ms).s);
}

/* What to call a recipient: programs and files have no name outside. */
static struct slice
status_address(const struct report_recipient *to)
{
	struct slice a = to->address;

	/* A line of RFC 5322 must hold it. */
	if (a.n > ADDRESS_BYTES)
		a.n = ADDRESS_BYTES;
	if (to->original.n > 0 && a.n > 0 &&
	    (a.p[0] == '|' || a.p[0] == '/' || a.p[0] == ':'))
		return slice_first(to->original, to->original.n <
		    ADDRESS_BYTES ? to->original.n : ADDRESS_BYTES);
	return a;
}

/* Whose lifetime is over has failed, whatever the last attempt's end was. */
static const char *
action(enum report_kind kind, enum outcome_status status)
{
	if (kind == REPORT_FAILURE || kind == REPORT_POSTMASTER)
		return "failed";
	if (kind == REPORT_DELAY)
		return "delayed";
	switch (status) {
	case OUTCOME_DELIVERED:
		return "delivered";
	case OUTCOME_RELAYED:
	case OUTCOME_RELAYED_NO_DSN:
		return "relayed";
	case OUTCOME_EXPANDED:
		return "expanded";
	case OUTCOME_DEFERRED:
		return "delayed";
	case OUTCOME_FAILED:
		return "failed";
	}
	return "failed";
}

/* One of the outcome's own, unless it contradicts the kind of the report.  A
 * failure may have a code of class 4: its time is over. */
static struct enhanced
status_code(enum report_kind kind, const struct outcome *o)
{
	static const uint8_t classes[NKINDS] = {
		[REPORT_FAILURE] = 5, [REPORT_DELAY] = 4, [REPORT_SUCCESS] = 2,
		[REPORT_POSTMASTER] = 5,
	};
	uint8_t class = classes[kind], has = o->enhanced.class;

	if (has == class || (class == 5 && has == 4))
		return o->enhanced;
	return (struct enhanced){ class, 0, 0 };
}

static struct slice
words_of(const struct outcome *o, size_t max)
{
	return slice_first(o->text, o->text.n < max ? o->text.n : max);
}

void
status_list(struct text *t, const struct compose *c, const struct detail *d)
{
	const struct report *r = c->report;
	size_t i;

	for (i = 0; i < r->nrecipients && i < d->listed && !t->full; i++)
		list_one(t, r, &r->recipients[i], d);
	if (i < r->nrecipients)
		text_printf(t, "and %zu more, which are in the part for "
		    "programs\r\n", r->nrecipients - i);
}

static void
list_one(struct text *t, const struct report *r,
    const struct report_recipient *to, const struct detail *d)
{
	const struct outcome *o = &to->outcome;
	struct slice address = status_address(to);
	const char *what = "";

	text_str(t, "<");
	text_clean(t, address, true);
	text_str(t, ">");
	if (to->original.n > 0 && to->original.n <= ADDRESS_BYTES &&
	    !slice_eq(to->original, address)) {
		text_str(t, "\r\n    (for <");
		text_clean(t, to->original, true);
		text_str(t, ">)");
	}
	text_str(t, "\r\n    ");
	if (r->kind == REPORT_SUCCESS && o->status == OUTCOME_DELIVERED)
		what = "is in the mailbox";
	else if (r->kind == REPORT_SUCCESS && o->status == OUTCOME_EXPANDED)
		what = "was sent on to the recipients behind this address";
	else if (r->kind == REPORT_SUCCESS)
		what = "was taken over by a host that may tell nothing more";
	text_str(t, what);
	if (o->remote.n > 0) {
		text_str(t, *what != '\0' ? ":\r\n    host " : "host ");
		text_clean(t, o->remote, true);
		text_str(t, " said:\r\n    ");
	} else if (*what != '\0' && o->text.n > 0)
		text_str(t, ":\r\n    ");
	put_code(t, o);
	text_folded(t, 8, "    ", words_of(o, d->words), true);
	text_str(t, "\r\n");
}
