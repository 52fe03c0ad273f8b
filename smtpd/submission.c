/* SPDX-License-Identifier: ISC */
/*
 * submission - see submission.h.
 *
 *	MAIL --> S_SENDER_ASKED --> S_LIMIT_ASKED --> mail_go_on()
 *		     (lookup)		 (qmgr)
 *	content --> S_AUTHORS_ASKED --> content_complete()
 *			 (lookup)
 *
 * The header section of a submission is held in memory until it is whole, and
 * edited there; the body goes on as it is.  Every reader of the message must
 * see the fields that were checked here, so a header section that could be
 * read in two ways (a line that is no field, a bare CR or LF, From twice) is
 * refused.
 *
 * A question's id: the session's slot and serial; a session has one at a time.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "content.h"
#include "ipc/smtpd_lookup.h"
#include "ipc/smtpd_qmgr.h"
#include "mail/address.h"
#include "mail/chars.h"
#include "session.h"
#include "submission.h"
#include "verbs.h"

#define MASK(bits)	((UINT64_C(1) << (bits)) - 1)

enum section { SECTION_MORE, SECTION_WHOLE, SECTION_BAD };

static bool	 take_hold(struct session *, const struct mail_params *);
static bool	 take_by(struct session *, const struct mail_params *);
static void	 ask_sender(struct session *);
static void	 ask_limit(struct session *);
static void	 mail_refused(struct session *, unsigned, const char *);
static struct session *asker(struct smtpd *, uint64_t id, unsigned states);
static enum section section_end(struct tx *, size_t *n_r);
static bool	 is_field_line(struct slice);
static bool	 has_bare(struct slice);
static void	 edit(struct session *, size_t);
static bool	 look_at_field(struct session *, const struct field *,
		    unsigned *counts);
static bool	 take_authors(struct session *, struct slice body);
static void	 drop_bytes(struct session *, size_t from, size_t to);
static void	 say_wait(struct session *, uint32_t seconds);

static const char unchecked[] =
    "4.3.0 The sender cannot be checked now, try again later";

bool
submission_is(const struct session *s)
{
	return s->client.kind == LISTENER_SUBMISSION;
}

static uint64_t
id_of(const struct session *s)
{
	return (uint64_t)s->slot << SESSION_SERIAL_BITS |
	    (s->serial & MASK(SESSION_SERIAL_BITS));
}

static struct session *
asker(struct smtpd *d, uint64_t id, unsigned states)
{
	struct session *s = session_find(d,
	    (uint32_t)(id >> SESSION_SERIAL_BITS),
	    (uint32_t)(id & MASK(SESSION_SERIAL_BITS)));

	return s != NULL && s->state & states ? s : NULL;
}

/* ---- the extensions ----------------------------------------------------- */

void
submission_offer(const struct session *s, struct buf *b)
{
	int64_t hold = s->set->max_hold;

	if (!submission_is(s))
		return;
	if (hold > 0)
		buf_printf(b, "250-FUTURERELEASE %jd %s\r\n",
		    (intmax_t)(hold / 1000),
		    date_text_3339(clock_wall_ms() + hold).s);
	buf_add_str(b, "250-DELIVERBY\r\n"
	    "250-MT-PRIORITY " PRIORITY_PROFILE "\r\n");
}

bool
submission_take_params(struct session *s, const struct mail_params *p)
{
	const unsigned ours = MAIL_HAS_HOLDFOR | MAIL_HAS_HOLDUNTIL |
	    MAIL_HAS_BY | MAIL_HAS_PRIORITY;
	struct tx *tx = s->tx;

	/* What EHLO did not say is not known here.  REQUIRETLS is said by
	 * nobody yet. */
	if ((p->has & ours && !submission_is(s)) || p->require_tls ||
	    (p->has & (MAIL_HAS_HOLDFOR | MAIL_HAS_HOLDUNTIL) &&
	    s->set->max_hold == 0)) {
		session_refuse(s, 555, "5.5.4 Unknown parameter");
		return false;
	}
	if (!take_hold(s, p) || !take_by(s, p))
		return false;
	tx->extras.priority = p->priority;
	/* RFC 4954 section 5: from who is not trusted it is as good as <>. */
	if (p->has & MAIL_HAS_AUTH)
		tx->extras.auth = s->login != NULL ? p->auth :
		    SLICE_LIT("<>");
	if (s->login != NULL)
		tx->extras.login = slice_str(s->login);
	return true;
}

/* RFC 4865 section 4.  A time that is over already asks for nothing. */
static bool
take_hold(struct session *s, const struct mail_params *p)
{
	int64_t now = clock_wall_ms(), until = p->hold_until_ms;

	if (p->has & MAIL_HAS_HOLDFOR && p->has & MAIL_HAS_HOLDUNTIL) {
		session_refuse(s, 501, "5.5.4 HOLDFOR and HOLDUNTIL are one "
		    "too many");
		return false;
	}
	if (p->has & MAIL_HAS_HOLDFOR)
		until = now + (int64_t)p->hold_s * 1000;
	if (until > now + s->set->max_hold) {
		session_refuse(s, 501, "5.5.4 Messages are held for at most "
		    "%jd seconds", (intmax_t)(s->set->max_hold / 1000));
		return false;
	}
	if (until > now)
		s->tx->extras.hold_ms = until;
	return true;
}

/* RFC 2852 section 4: what is to be returned after no time at all cannot be
 * meant. */
static bool
take_by(struct session *s, const struct mail_params *p)
{
	struct envelope_extras *x = &s->tx->extras;

	if (p->by_mode == BY_RETURN && p->by_s <= 0) {
		session_refuse(s, 501, "5.5.4 BY with R takes a time to come");
		return false;
	}
	if (p->by_mode == BY_NONE)
		return true;
	x->by_mode = p->by_mode;
	x->by_trace = p->by_trace;
	x->by_ms = clock_wall_ms() + p->by_s * 1000;
	if (x->by_ms < 1)
		x->by_ms = 1;
	if (x->by_mode == BY_RETURN && x->by_ms <= x->hold_ms) {
		session_refuse(s, 501, "5.5.4 BY ends before the message is "
		    "released");
		return false;
	}
	return true;
}

/* ---- MAIL --------------------------------------------------------------- */

bool
submission_ask_sender(struct session *s)
{
	if (!submission_is(s))
		return false;
	/* A null reverse-path is nobody's: reports of mail programs have it. */
	if (s->tx->reverse_path.n == 0)
		ask_limit(s);
	else
		ask_sender(s);
	return true;
}

static void
ask_sender(struct session *s)
{
	struct channel *c = s->d->lookup;
	struct buf *b;

	if (c == NULL) {
		mail_refused(s, 451, unchecked);
		return;
	}
	session_enter(s, S_SENDER_ASKED);
	b = channel_begin(c, SL_SENDER, id_of(s));
	if (b != NULL) {
		put_slice(b, slice_str(s->login));
		put_u8(b, 1);
		put_slice(b, s->tx->reverse_path);
	}
	channel_end(c);
}

static void
ask_limit(struct session *s)
{
	struct channel *c = s->d->qmgr;
	struct buf *b;

	if (c == NULL) {
		mail_refused(s, 451, "4.3.0 The queue is not available, try "
		    "again later");
		return;
	}
	session_enter(s, S_LIMIT_ASKED);
	b = channel_begin(c, SQ_LIMIT_ASK, id_of(s));
	if (b != NULL)
		put_slice(b, slice_str(s->login));
	channel_end(c);
}

static void
mail_refused(struct session *s, unsigned code, const char *words)
{
	s->stage = "mail";
	session_refuse(s, code, "%s", words);
	session_ready(s);
}

void
submission_limit(struct smtpd *d, struct message *m)
{
	uint32_t seconds = get_u32(&m->body), left = get_u32(&m->body);
	struct session *s = asker(d, m->id, S_LIMIT_ASKED);

	if (!wire_done(&m->body)) {
		channel_breach(d->qmgr, "limit");
		return;
	}
	if (s == NULL)
		return;
	s->tx->recipients_left = left;
	if (seconds > 0)
		say_wait(s, seconds);
	else
		mail_go_on(s);
	session_resume(s);
}

static void
say_wait(struct session *s, uint32_t seconds)
{
	char words[WORDS_BYTES];

	snprintf(words, sizeof(words), "4.7.1 You have sent as much as you "
	    "may for now, try again in %u minutes", (seconds + 59) / 60);
	mail_refused(s, 450, words);
}

void
submission_verdict(struct smtpd *d, struct message *m)
{
	enum sender_verdict v = get_u8(&m->body);
	uint8_t which = get_u8(&m->body);
	struct session *s = asker(d, m->id, S_SENDER_ASKED | S_AUTHORS_ASKED);
	char words[WORDS_BYTES];

	if (!wire_done(&m->body) || v < SENDER_OWN || v > SENDER_TROUBLE) {
		channel_breach(d->lookup, "sender");
		return;
	}
	if (s == NULL)
		return;
	if (s->state == S_SENDER_ASKED) {
		if (v == SENDER_OWN)
			ask_limit(s);
		else if (v == SENDER_FOREIGN)
			mail_refused(s, 553, "5.7.1 This sender address is not "
			    "yours");
		else
			mail_refused(s, 451, unchecked);
	} else if (v == SENDER_OWN)
		content_complete(s);
	else if (v == SENDER_FOREIGN && which < s->tx->nauthors) {
		snprintf(words, sizeof(words), "5.7.1 The address in From or "
		    "Sender is not yours: %.*s",
		    SLICE_ARG(slice_first(s->tx->authors[which],
		    s->tx->authors[which].n < 120 ?
		    s->tx->authors[which].n : 120)));
		content_refuse(s, 550, words);
	} else
		content_refuse(s, 451, unchecked);
	session_resume(s);
}

void
submission_lookup_down(struct smtpd *d)
{
	struct session *s;
	uint32_t i;

	for (i = 0; i < d->nslots; i++) {
		s = d->slots[i];
		if (s == NULL)
			continue;
		if (s->state == S_SENDER_ASKED)
			mail_refused(s, 451, unchecked);
		else if (s->state == S_AUTHORS_ASKED)
			content_refuse(s, 451, unchecked);
		else
			continue;
		session_resume(s);
	}
}

void
submission_qmgr_down(struct smtpd *d)
{
	struct session *s;
	uint32_t i;

	for (i = 0; i < d->nslots; i++) {
		s = d->slots[i];
		if (s == NULL || s->state != S_LIMIT_ASKED)
			continue;
		mail_refused(s, 451, "4.3.0 The queue is not available, try "
		    "again later");
		session_resume(s);
	}
}

/* ---- the header section ------------------------------------------------- */

void
submission_header(struct session *s)
{
	struct tx *tx = s->tx;
	size_t n;

	switch (section_end(tx, &n)) {
	case SECTION_MORE:
		if (tx->content.n > s->set->max_header)
			content_fail(s, 552, "5.3.4 The header section is too "
			    "large");
		break;
	case SECTION_BAD:
		content_fail(s, 550, "5.6.0 The header section has a line "
		    "that is no field");
		break;
	case SECTION_WHOLE:
		tx->held = false;
		if (n > s->set->max_header)
			content_fail(s, 552, "5.3.4 The header section is too "
			    "large");
		else
			edit(s, n);
		break;
	}
}

/* Its bytes, without the empty line: none where the message begins with what
 * is no field, so that all of it is the body. */
static enum section
section_end(struct tx *tx, size_t *n_r)
{
	struct slice all = buf_slice(&tx->content), rest, line;
	size_t lf;

	*n_r = 0;
	for (;;) {
		rest = slice_from(all, tx->header_seen);
		lf = slice_find(rest, '\n');
		if (lf == rest.n && !tx->complete)
			return SECTION_MORE;
		line = slice_first(rest, lf);
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n == 0)	/* or the end of the content */
			break;
		if (line.p[0] == ' ' || line.p[0] == '\t' ?
		    tx->header_seen == 0 : !is_field_line(line)) {
			if (tx->header_seen > 0)
				return SECTION_BAD;
			break;
		}
		tx->header_seen += lf < rest.n ? lf + 1 : lf;
	}
	*n_r = tx->header_seen;
	return SECTION_WHOLE;
}

/* field-name, obsolete blanks, ':'. */
static bool
is_field_line(struct slice line)
{
	size_t i = 0;

	while (i < line.n && char_is(line.p[i], CH_FTEXT))
		i++;
	if (i == 0)
		return false;
	while (i < line.n && (line.p[i] == ' ' || line.p[i] == '\t'))
		i++;
	return i < line.n && line.p[i] == ':';
}

/* A CR or LF by itself, or a NUL. */
static bool
has_bare(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] == '\0' || (s.p[i] == '\r' &&
		    (i + 1 == s.n || s.p[i + 1] != '\n')) ||
		    (s.p[i] == '\n' && (i == 0 || s.p[i - 1] != '\r')))
			return true;
	return false;
}

enum { FROM, SENDER, DATE, MESSAGE_ID, COUNTED };

/* Takes out what is not to be sent, notes whose it says it is. */
static void
edit(struct session *s, size_t n)
{
	struct tx *tx = s->tx;
	struct slice rest = slice_first(buf_slice(&tx->content), n);
	unsigned counts[COUNTED] = { 0 };
	size_t to = 0, at = 0;
	struct field f;
	bool keep;

	if (has_bare(rest)) {
		content_fail(s, 550, "5.6.0 The header section has a bare CR "
		    "or LF, or a NUL");
		return;
	}
	while (header_next(&rest, &f)) {
		keep = look_at_field(s, &f, counts);
		if (tx->fault != 0)
			return;		/* and the content is gone */
		if (keep) {
			memmove(tx->content.p + to, tx->content.p + at,
			    f.whole.n);
			to += f.whole.n;
		}
		at += f.whole.n;
	}
	drop_bytes(s, to, n);
	tx->lacks_from = counts[FROM] == 0;
	tx->scan.has_date = counts[DATE] > 0;
	tx->scan.has_message_id = counts[MESSAGE_ID] > 0;
	if (tx->lacks_from && tx->reverse_path.n == 0)
		content_fail(s, 550, "5.6.0 The message has no From field");
}

/* False: it is left out. */
static bool
look_at_field(struct session *s, const struct field *f, unsigned *counts)
{
	static const char *const left_out[] = { "Bcc", "Resent-Bcc",
		"Return-Path" };
	static const char *const counted[COUNTED] = { "From", "Sender", "Date",
		"Message-ID" };
	size_t i;

	for (i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++)
		if (slice_eq_nocase(f->name, slice_str(left_out[i])))
			return false;
	for (i = 0; i < COUNTED; i++) {
		if (!slice_eq_nocase(f->name, slice_str(counted[i])))
			continue;
		/* An empty one is none, and is replaced. */
		if (i >= DATE && slice_trim(f->body).n == 0)
			return false;
		if (++counts[i] > 1 && i < DATE)
			content_fail(s, 550, i == FROM ?
			    "5.6.0 The message has two From fields" :
			    "5.6.0 The message has two Sender fields");
		else if (i < DATE && !take_authors(s, f->body))
			content_fail(s, 550, "5.6.0 The From or Sender field "
			    "is not made of addresses");
		return true;
	}
	return true;
}

static bool
take_authors(struct session *s, struct slice body)
{
	struct tx *tx = s->tx;
	struct slice author;
	enum parse r;
	size_t before = tx->nauthors;

	if (!s->set->check_header)
		return true;
	if (tx->authors == NULL)
		tx->authors = mem_array(SENDER_ADDRESSES,
		    sizeof(*tx->authors));
	while ((r = address_list_next(&body, &tx->arena, &author)) ==
	    PARSE_OK) {
		if (tx->nauthors == SENDER_ADDRESSES)
			return false;
		tx->authors[tx->nauthors++] = author;
	}
	return r == PARSE_MORE && tx->nauthors > before;
}

/* Out of the content that is held in memory. */
static void
drop_bytes(struct session *s, size_t from, size_t to)
{
	struct buf *b = &s->tx->content;

	if (from == to)
		return;
	memmove(b->p + from, b->p + to, b->n - to);
	b->n -= to - from;
	s->d->content_bytes -= to - from;
}

/* ---- whose is it? ------------------------------------------------------- */

bool
submission_ask_authors(struct session *s)
{
	struct channel *c = s->d->lookup;
	const struct tx *tx = s->tx;
	struct buf *b;
	size_t i;

	if (tx->nauthors == 0)
		return false;
	if (c == NULL) {
		content_refuse(s, 451, unchecked);
		return true;
	}
	session_enter(s, S_AUTHORS_ASKED);
	b = channel_begin(c, SL_SENDER, id_of(s));
	if (b != NULL) {
		put_slice(b, slice_str(s->login));
		put_u8(b, (uint8_t)tx->nauthors);
		for (i = 0; i < tx->nauthors; i++)
			put_slice(b, tx->authors[i]);
	}
	channel_end(c);
	return true;
}
