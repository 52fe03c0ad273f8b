/* SPDX-License-Identifier: ISC */
/*
 * compose - see compose.h.
 *
 * The report is written with the most detail first; when it does not fit, it
 * is written again with less, until only what RFC 3464 requires is left.
 */
#include <assert.h>

#include "base/num.h"
#include "mail/address.h"
#include "mail/header.h"
#include "mail/mime.h"
#include "compose.h"
#include "status.h"

#define LINE_BYTES	998	/* RFC 5322 2.1.1 */
#define MESSAGE_ID_BYTES 500

static const struct detail details[] = {
	/*  whole  header     words  listed */
	{ true,	 64 * 1024,  1000,  1000 },
	{ false, 64 * 1024,  1000,  1000 },
	{ false, 16 * 1024,   300,   100 },
	{ false,  4 * 1024,     0,    20 },
};

/* One attempt. */
struct work {
	const struct compose	*c;
	const struct detail	*detail;
	struct text		 t;
	struct slice		 header;	/* of the message returned */
	struct buf		 people;	/* owned: the text */
	char			 boundary[64];
	bool			 global;	/* RFC 6533 */
};

static bool	write_all(struct work *);
static bool	write_envelope(const struct compose *, struct slice message,
		    struct buf *);
static struct slice header_of(const struct compose *, size_t max);
static bool	wants_global(const struct work *);
static bool	wants_whole(const struct work *);
static void	choose_boundary(struct work *);
static void	write_people(struct work *);
static void	write_value(struct work *, struct text *,
		    enum template_value);
static void	write_plain(struct text *, struct slice);
static void	write_header(struct work *);
static void	write_threading(struct work *);
static bool	find_message_id(const struct work *, struct arena *,
		    struct slice *);
static void	write_part(struct work *, const char *description,
		    const char *type, const char *encoding);
static void	write_returned(struct work *);
static bool	lines_are_fit(struct slice);
static const char *encoding_of(struct slice);

bool
compose(const struct compose *c, struct buf *envelope, struct buf *message)
{
	struct work w = { .c = c, .people = BUF_INIT(INLINE_BYTES) };
	bool done = false;
	size_t i;

	assert(message->max >= INLINE_BYTES);
	for (i = 0; i < sizeof(details) / sizeof(details[0]) && !done; i++) {
		buf_reset(message);
		buf_reset(&w.people);
		w.t = (struct text){ message, false };
		w.detail = &details[i];
		done = write_all(&w) && message->n <= INLINE_BYTES;
	}
	buf_clear(&w.people);
	return done && write_envelope(c, buf_slice(message), envelope);
}

static bool
write_all(struct work *w)
{
	w->header = header_of(w->c, w->detail->header);
	w->global = wants_global(w);
	write_people(w);
	choose_boundary(w);
	write_header(w);
	write_part(w, "Notification",
	    slice_is_ascii(buf_slice(&w->people)) ?
		"text/plain; charset=us-ascii" : "text/plain; charset=utf-8",
	    encoding_of(buf_slice(&w->people)));
	text_add(&w->t, buf_slice(&w->people));
	write_part(w, "Delivery report", w->global ?
	    "message/global-delivery-status" : "message/delivery-status",
	    w->global ? "8bit" : NULL);
	status_fields(&w->t, w->c, w->detail, w->global);
	write_returned(w);
	text_printf(&w->t, "\r\n--%s--\r\n", w->boundary);
	return !w->t.full;
}

/* The fields, without the empty line, as far as they go into max. */
static struct slice
header_of(const struct compose *c, size_t max)
{
	struct slice rest = c->message;
	struct field f;
	size_t n = 0;

	while (n <= max && header_next(&rest, &f) && n + f.whole.n <= max)
		n += f.whole.n;
	return slice_first(c->message, n);
}

/* UTF-8 in addresses, or in a header section that is meant to have it. */
static bool
wants_global(const struct work *w)
{
	const struct report *r = w->c->report;
	size_t i;

	if (r->smtputf8 && !slice_is_ascii(w->header) &&
	    slice_is_utf8(w->header))
		return true;
	for (i = 0; i < r->nrecipients; i++)
		if (!slice_is_ascii(r->recipients[i].address) ||
		    !slice_is_ascii(r->recipients[i].original) ||
		    !slice_is_ascii(r->recipients[i].orcpt))
			return true;
	return false;
}

/*
 * RFC 3461 section 4.3: RET is for failures, other reports have headers only.
 * Binary content cannot be a message/rfc822 part of a message that is not
 * binary itself, and characters that no rule allows in a header section would
 * make the report undeliverable.
 */
static bool
wants_whole(const struct work *w)
{
	const struct compose *c = w->c;
	const struct report *r = c->report;

	return w->detail->whole && r->kind == REPORT_FAILURE &&
	    r->ret != RET_HDRS && r->total <= c->headers_above &&
	    r->total == c->message.n && r->body != BODY_BINARYMIME &&
	    (slice_is_ascii(w->header) || w->global) &&
	    slice_is_utf8(w->header) && lines_are_fit(c->message);
}

/* Each ends in CRLF and is no longer than allowed; no bare CR, no NUL. */
static bool
lines_are_fit(struct slice s)
{
	struct slice line;

	if (slice_find(s, '\0') != s.n)
		return false;
	while (slice_next(&s, '\n', &line))
		if (line.n > LINE_BYTES + 1 ||
		    slice_find(line, '\r') + (s.p != NULL) != line.n)
			return false;
	return true;
}

static const char *
encoding_of(struct slice s)
{
	return slice_is_ascii(s) ? NULL : "8bit";
}

/* One that nothing in the message contains. */
static void
choose_boundary(struct work *w)
{
	struct slice m = w->c->message;
	unsigned i = 0;

	do
		snprintf(w->boundary, sizeof(w->boundary), "=_%s.%u",
		    queue_id_text(w->c->report->report_id).s, i++);
	while (m.n > 0 &&
	    memmem(m.p, m.n, w->boundary, strlen(w->boundary)) != NULL);
}

static void
write_people(struct work *w)
{
	const char *p = w->c->templates->of[w->c->report->kind].text;
	struct text t = { &w->people, false };
	enum template_value value;
	struct slice plain;

	while (template_next(&p, &plain, &value)) {
		if (value == NVALUES)
			write_plain(&t, plain);
		else
			write_value(w, &t, value);
	}
	w->t.full = w->t.full || t.full;
}

/* With CRLF for LF. */
static void
write_plain(struct text *t, struct slice s)
{
	struct slice line;

	while (slice_next(&s, '\n', &line)) {
		text_add(t, line);
		if (s.p != NULL)
			text_str(t, "\r\n");
	}
}

static void
write_value(struct work *w, struct text *t, enum template_value value)
{
	const struct report *r = w->c->report;

	switch (value) {
	case VALUE_SENDER:
		text_clean(t, r->reverse_path, true);
		break;
	case VALUE_RECIPIENTS:
		status_list(t, w->c, w->detail);
		break;
	case VALUE_HOSTNAME:
		text_str(t, w->c->hostname);
		break;
	case VALUE_QUEUE_ID:
		text_str(t, queue_id_text(r->queue_id).s);
		break;
	case VALUE_ARRIVAL:
		text_str(t, date_text(r->arrived_ms).s);
		break;
	case VALUE_UNTIL:
		text_str(t, date_text(r->until_ms).s);
		break;
	case NVALUES:
		break;
	}
}

static void
write_header(struct work *w)
{
	const struct compose *c = w->c;
	const struct report *r = c->report;
	struct queue_id_text id = queue_id_text(r->report_id);
	struct text *t = &w->t;

	text_printf(t, "Received: by %s (Chasqui) id %s;\r\n\t%s\r\n",
	    c->hostname, id.s, date_text(c->now_ms).s);
	text_printf(t, "Date: %s\r\nFrom: ", date_text(c->now_ms).s);
	text_phrase(t, slice_str(c->from_name));
	text_printf(t, " <MAILER-DAEMON@%s>\r\nTo: <", c->hostname);
	if (r->kind == REPORT_POSTMASTER)
		text_printf(t, "postmaster@%s", c->hostname);
	else
		text_clean(t, r->reverse_path, true);
	text_str(t, ">\r\nSubject: ");
	text_unstructured(t, slice_str(c->templates->of[r->kind].subject));
	text_printf(t, "\r\nMessage-ID: <%s.%lld@%s>\r\n", id.s,
	    (long long)c->now_ms, c->hostname);
	write_threading(w);
	text_printf(t, "Auto-Submitted: auto-replied\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=delivery-status;\r\n"
	    "\tboundary=\"%s\"\r\n", w->boundary);
	if (w->global || !slice_is_ascii(buf_slice(&w->people)) ||
	    (wants_whole(w) && !slice_is_ascii(c->message)))
		text_str(t, "Content-Transfer-Encoding: 8bit\r\n");
	text_str(t, "\r\nThis is a report in MIME format (RFC 3464).\r\n");
}

/* So that readers show it with the message that it is about. */
static void
write_threading(struct work *w)
{
	struct arena a = ARENA_INIT(MESSAGE_ID_BYTES + 1);
	struct slice id;

	if (find_message_id(w, &a, &id)) {
		text_str(&w->t, "In-Reply-To: ");
		text_add(&w->t, id);
		text_str(&w->t, "\r\nReferences: ");
		text_add(&w->t, id);
		text_str(&w->t, "\r\n");
	}
	arena_clear(&a);
}

/* What was sent as Message-ID, if it has the form of one. */
static bool
find_message_id(const struct work *w, struct arena *a, struct slice *id_r)
{
	struct field f;
	struct slice id;
	size_t i;

	if (!header_find(w->header, "Message-ID", &f) ||
	    f.body.n > MESSAGE_ID_BYTES || header_unfold(a, f.body, &id) != 0 ||
	    id.n < 3 || id.p[0] != '<' || id.p[id.n - 1] != '>')
		return false;
	for (i = 1; i < id.n - 1; i++)
		if (id.p[i] <= ' ' || id.p[i] == 127 || id.p[i] == '<' ||
		    id.p[i] == '>')
			return false;
	*id_r = id;
	return true;
}

static void
write_part(struct work *w, const char *description, const char *type,
    const char *encoding)
{
	text_printf(&w->t, "\r\n--%s\r\nContent-Description: %s\r\n"
	    "Content-Type: %s\r\n", w->boundary, description, type);
	if (encoding != NULL)
		text_printf(&w->t, "Content-Transfer-Encoding: %s\r\n",
		    encoding);
	text_str(&w->t, "\r\n");
}

static void
write_returned(struct work *w)
{
	struct slice h = w->header, m = w->c->message;

	if (wants_whole(w)) {
		write_part(w, "Undelivered message", slice_is_ascii(h) ?
		    "message/rfc822" : "message/global", encoding_of(m));
		text_add(&w->t, m);
	} else if (w->c->report->smtputf8 && !slice_is_ascii(h) &&
	    slice_is_utf8(h) && lines_are_fit(h)) {
		write_part(w, "Header section", "message/global-headers",
		    "8bit");
		text_add(&w->t, h);
	} else if (slice_is_ascii(h) && lines_are_fit(h)) {
		write_part(w, "Header section", "text/rfc822-headers", NULL);
		text_add(&w->t, h);
	} else {
		/* RFC 6522 section 4: broken ones may be encoded. */
		write_part(w, "Header section", "text/rfc822-headers",
		    "quoted-printable");
		if (!w->t.full && qp_encode(w->t.b, h) != 0)
			w->t.full = true;
	}
}

static bool
write_envelope(const struct compose *c, struct slice message, struct buf *b)
{
	const struct report *r = c->report;
	struct recipient to = {
		.address = r->kind == REPORT_POSTMASTER
			       ? SLICE_LIT("postmaster") : r->reverse_path,
		.orcpt = SLICE_EMPTY,
		.notify = NOTIFY_NEVER,
	};
	struct envelope e = {
		.reverse_path = SLICE_EMPTY,
		.envid = SLICE_EMPTY,
		.ret = RET_HDRS,
		.body = slice_is_ascii(message) ? BODY_7BIT : BODY_8BITMIME,
		.smtputf8 = !slice_is_ascii(to.address),
		.arrived_ms = c->now_ms,
		.client = SLICE_EMPTY,
		.helo = SLICE_EMPTY,
		.protocol = SLICE_LIT("local"),
		.recipients = &to,
		.nrecipients = 1,
	};

	return envelope_pack(b, &e) == 0;
}
