/* SPDX-License-Identifier: ISC */
/*
 * rcpt - see rcpt.h.
 *
 * Up to ASKED_MAX recipients of a transaction are asked at once; their replies
 * come in the order of the commands, so those that need no question wait in
 * the same ring.  What lookup accepts is remembered for VERDICT_MS at most and
 * until it says that something changed; refusals never are.
 *
 * A question's id: the session's slot and serial, and the place in the
 * transaction.  Answers to what nobody waits for are dropped.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "ipc/smtpd_lookup.h"
#include "ipc/smtpd_qmgr.h"
#include "mail/address.h"
#include "mail/esmtp.h"
#include "path.h"
#include "rcpt.h"
#include "session.h"
#include "submission.h"
#include "submit.h"

#define SERIAL_BITS	SESSION_SERIAL_BITS
#define ARENA_ROOM	(8 * 1024)	/* more than one RCPT takes */
#define PLACE_BITS	(64 - SESSION_SLOT_BITS - SERIAL_BITS)
#define MASK(bits)	((UINT64_C(1) << (bits)) - 1)

static bool	 parse_rcpt(struct session *, struct slice, struct recipient *);
static bool	 has_room(struct session *, const struct recipient *);
static void	 ask(struct session *, const struct recipient *);
static void	 accept_known(struct session *, const struct recipient *);
static void	 refuse(struct session *, unsigned, const char *);
static struct asked *append(struct session *);
static void	 reply_in_order(struct session *);
static void	 add_recipient(struct tx *, const struct recipient *);
static size_t	 recipient_bytes(const struct recipient *);
static uint64_t	 verdict_hash(const struct session *, struct slice);
static bool	 verdict_known(const struct session *, struct slice);
static void	 remember(struct session *, struct slice);
static void	 message(void *, struct channel *, struct message *);
static void	 verdict(struct smtpd *, struct message *);
static void	 down(void *, struct channel *);

const struct message_rule smtpd_lookup_rules[] = RULES_OF(SMTPD_LOOKUP);
const struct channel_ops smtpd_lookup_ops = { message, down, NULL };

bool
rcpt_may_follow(const struct session *s, struct slice input)
{
	const struct tx *tx = s->tx;

	return slice_starts_nocase(input, SLICE_LIT("RCPT ")) &&
	    tx->asked_end - tx->asked_first < ASKED_MAX &&
	    s->d->lookup != NULL && !channel_is_busy(s->d->lookup);
}

void
rcpt_command(struct session *s, struct slice args)
{
	struct recipient r;

	s->refused_to = args;
	if (s->tx->arena.used > TX_ARENA_BYTES - ARENA_ROOM)
		refuse(s, 452, "4.5.3 Too many recipients");
	else if (parse_rcpt(s, args, &r) && has_room(s, &r)) {
		s->refused_to = r.address;
		if (verdict_known(s, r.address))
			accept_known(s, &r);
		else if (s->d->lookup == NULL)
			refuse(s, 451, "4.3.0 Recipients cannot be checked "
			    "now, try again later");
		else
			ask(s, &r);
	}
	s->refused_to = (struct slice){ NULL, 0 };
	reply_in_order(s);
}

static bool
parse_rcpt(struct session *s, struct slice args, struct recipient *r)
{
	struct tx *tx = s->tx;
	struct rcpt_params params;
	struct esmtp_error error;

	if (!path_take(&args, "TO:", ADDRESS_LOCAL, &tx->arena, &r->address)) {
		refuse(s, 501, "5.1.3 RCPT TO:<address> expected");
		return false;
	}
	if (!tx->smtputf8 && !slice_is_ascii(r->address)) {
		refuse(s, 553, "5.6.7 The address needs SMTPUTF8");
		return false;
	}
	if (!rcpt_params_parse(args, &tx->arena, &params, &error)) {
		refuse(s, error.code, error.text);
		return false;
	}
	r->orcpt = params.orcpt;
	r->notify = params.notify;
	return true;
}

/* RFC 5321 section 4.5.3.1.10: 452 makes clients come again with the rest. */
static bool
has_room(struct session *s, const struct recipient *r)
{
	struct tx *tx = s->tx;
	size_t n = tx->accepted + (tx->asked_end - tx->asked_first);

	if (n >= tx->recipients_left) {
		refuse(s, 452, "4.7.1 You have sent to as many recipients as "
		    "you may for now");
		return false;
	}
	if (n < s->set->max_recipients && tx->envelope_bytes +
	    recipient_bytes(r) <= ENVELOPE_BYTES) {
		tx->envelope_bytes += recipient_bytes(r);
		return true;
	}
	refuse(s, 452, "4.5.3 Too many recipients");
	return false;
}

static size_t
recipient_bytes(const struct recipient *r)
{
	return RECIPIENT_FIXED_BYTES + r->address.n + r->orcpt.n;
}

static void
ask(struct session *s, const struct recipient *r)
{
	struct tx *tx = s->tx;
	uint64_t id = (uint64_t)s->slot << (SERIAL_BITS + PLACE_BITS) |
	    (s->serial & MASK(SERIAL_BITS)) << PLACE_BITS |
	    (tx->asked_end & MASK(PLACE_BITS));
	struct buf *b;

	*append(s) = (struct asked){ .r = *r,
		.bytes = (uint16_t)recipient_bytes(r) };
	b = channel_begin(s->d->lookup, SL_RCPT, id);
	if (b != NULL) {
		put_u8(b, s->may_relay);
		put_u64(b, tx->declared);
		put_slice(b, tx->reverse_path);
		put_slice(b, r->address);
	}
	channel_end(s->d->lookup);
}

static void
accept_known(struct session *s, const struct recipient *r)
{
	struct tx *tx = s->tx;

	if (tx->asked_first != tx->asked_end) {
		*append(s) = (struct asked){ .r = *r, .decided = true,
			.accepted = true };
		return;
	}
	add_recipient(tx, r);
	session_say(s, SLICE_LIT("250 2.1.5 Ok\r\n"));
	if (s->state != S_RCPT)
		session_enter(s, S_RCPT);
}

static void
refuse(struct session *s, unsigned code, const char *words)
{
	struct tx *tx = s->tx;
	struct asked *a;

	if (tx->asked_first == tx->asked_end) {
		session_refuse(s, code, "%s", words);
		return;
	}
	a = append(s);
	*a = (struct asked){ .decided = true, .code = (uint16_t)code };
	arena_copy(&tx->arena, s->refused_to, &a->r.address);
	arena_copy(&tx->arena, slice_str(words), &a->words);
}

static struct asked *
append(struct session *s)
{
	struct tx *tx = s->tx;

	if (tx->asked == NULL)
		tx->asked = mem_array(ASKED_MAX, sizeof(*tx->asked));
	if (s->state != S_RCPT_ASKED)
		session_enter(s, S_RCPT_ASKED);
	return &tx->asked[tx->asked_end++ % ASKED_MAX];
}

/* As far as all before are decided. */
static void
reply_in_order(struct session *s)
{
	struct tx *tx = s->tx;
	struct asked *a;

	if (s->state != S_RCPT_ASKED)
		return;
	while (tx->asked_first != tx->asked_end) {
		a = &tx->asked[tx->asked_first % ASKED_MAX];
		if (!a->decided)
			return;
		tx->asked_first++;
		if (a->accepted) {
			add_recipient(tx, &a->r);
			session_say(s, SLICE_LIT("250 2.1.5 Ok\r\n"));
			continue;
		}
		tx->envelope_bytes -= a->bytes;
		s->stage = "rcpt";
		s->refused_to = a->r.address;
		session_refuse(s, a->code, "%.*s", SLICE_ARG(a->words));
		s->refused_to = (struct slice){ NULL, 0 };
	}
	session_enter(s, tx->nrecipients > 0 ? S_RCPT : S_MAIL);
}

/* Of a local-part the case may matter to who has it (RFC 5321 section 2.4). */
static bool
is_same(struct slice a, struct slice b)
{
	size_t at = slice_rfind(a, '@');

	return a.n == b.n && slice_eq(slice_first(a, at), slice_first(b, at)) &&
	    slice_eq_nocase(slice_from(a, at), slice_from(b, at));
}

/* Whoever is named twice gets one copy, under the conditions named first. */
static void
add_recipient(struct tx *tx, const struct recipient *r)
{
	size_t i;

	tx->accepted++;
	for (i = 0; i < tx->nrecipients; i++)
		if (is_same(tx->recipients[i].address, r->address))
			return;
	tx->recipients = mem_room(tx->recipients, tx->nrecipients, &tx->cap,
	    sizeof(*tx->recipients), 4);
	tx->recipients[tx->nrecipients++] = *r;
}

/* ---- what is remembered ---------------------------------------------- */

static uint64_t
verdict_hash(const struct session *s, struct slice address)
{
	char key[1 + ADDRESS_BYTES];
	uint64_t h;

	key[0] = s->may_relay ? 1 : 0;
	memcpy(key + 1, address.p, address.n);
	h = siphash(s->d->verdicts.key, slice_of(key, 1 + address.n));
	return h != 0 ? h : 1;
}

static bool
verdict_known(const struct session *s, struct slice address)
{
	const struct verdict_cache *c = &s->d->verdicts;
	uint64_t h = verdict_hash(s, address);

	return c->v[h % VERDICTS].hash == h &&
	    c->v[h % VERDICTS].until_ms > clock_mono_ms();
}

static void
remember(struct session *s, struct slice address)
{
	struct verdict_cache *c = &s->d->verdicts;
	uint64_t h = verdict_hash(s, address);

	c->v[h % VERDICTS].hash = h;
	c->v[h % VERDICTS].until_ms = clock_mono_ms() + VERDICT_MS;
}

static void
forget_verdicts(struct smtpd *d)
{
	memset(d->verdicts.v, 0, sizeof(d->verdicts.v));
}

/* ---- lookup ---------------------------------------------------------- */

void
rcpt_lookup_up(struct smtpd *d, struct channel *c)
{
	d->lookup = c;
	forget_verdicts(d);
}

static void
message(void *arg, struct channel *c, struct message *m)
{
	(void)c;
	switch (m->type) {
	case SL_VERDICT:
		verdict(arg, m);
		break;
	case SL_SENDER_VERDICT:
		submission_verdict(arg, m);
		break;
	case SL_CHANGED:
		forget_verdicts(arg);
		break;
	default:
		break;	/* the rules let nothing else through */
	}
}

static void
verdict(struct smtpd *d, struct message *m)
{
	enum rcpt_verdict v = get_u8(&m->body);
	uint16_t code = get_u16(&m->body);
	struct slice words = get_slice(&m->body, 1024);
	struct session *s;
	struct asked *a;
	uint32_t place;

	if (!wire_done(&m->body) || v < RCPT_ACCEPT || v > RCPT_REFUSE ||
	    (v == RCPT_REFUSE && (code < 400 || code > 599))) {
		channel_breach(d->lookup, "verdict");
		return;
	}
	s = session_find(d, (uint32_t)(m->id >> (SERIAL_BITS + PLACE_BITS)),
	    (uint32_t)(m->id >> PLACE_BITS & MASK(SERIAL_BITS)));
	if (s == NULL || s->state != S_RCPT_ASKED)
		return;
	place = (uint32_t)(m->id - s->tx->asked_first) & MASK(PLACE_BITS);
	if (place >= s->tx->asked_end - s->tx->asked_first)
		return;
	a = &s->tx->asked[(s->tx->asked_first + place) % ASKED_MAX];
	if (a->decided)
		return;
	a->decided = true;
	a->accepted = v != RCPT_REFUSE;
	a->code = code;
	if (v == RCPT_REFUSE)
		arena_copy(&s->tx->arena, words, &a->words);
	if (v == RCPT_ACCEPT)
		remember(s, a->r.address);
	reply_in_order(s);
	session_resume(s);
}

static void
fail_questions(struct session *s)
{
	struct tx *tx = s->tx;
	struct asked *a;
	uint32_t i;

	for (i = tx->asked_first; i != tx->asked_end; i++) {
		a = &tx->asked[i % ASKED_MAX];
		if (a->decided)
			continue;
		a->decided = true;
		a->code = 451;
		a->words = SLICE_LIT("4.3.0 Recipients cannot be checked "
		    "now, try again later");
	}
	reply_in_order(s);
	session_resume(s);
}

static void
down(void *arg, struct channel *c)
{
	struct smtpd *d = arg;
	uint32_t i;

	(void)c;
	d->lookup = NULL;
	for (i = 0; i < d->nslots; i++)
		if (d->slots[i] != NULL && d->slots[i]->state == S_RCPT_ASKED)
			fail_questions(d->slots[i]);
	submission_lookup_down(d);
}
