/* SPDX-License-Identifier: ISC */
/*
 * smtp - what is said over a connection (RFC 5321, RFC 2033 for LMTP).
 *
 * Always: `owed` holds the steps whose replies are to come, in their order;
 * replies are handled by the row of the first.  Recipients of the transaction
 * are RCPT_SENT, then RCPT_ACCEPTED or RCPT_DECIDED; those for a later
 * transaction are RCPT_TODO.
 */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "ipc/counters.h"
#include "attempt.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "compose.h"
#include "conn.h"
#include "mail/dot.h"
#include "secure.h"
#include "site.h"

/* Below this content is added.  Small, because remote_timeout_block runs from
 * one time that all is with the kernel to the next. */
#define OUT_FILL	(32 * 1024)
#define EARLY_BYTES	(64 * 1024)	/* content that is sent unasked */
#define ONE_BY_ONE_MS	INT64_C(86400000)	/* without PIPELINING */
#define SAID_BYTES	(64 * 1024)	/* commands that are written together */
#define ENCODED_BYTES	(4 * CONTENT_PIECE)

enum step {
	S_HANDSHAKE, S_GREETING, S_EHLO, S_HELO, S_STARTTLS, S_RSET, S_MAIL,
	    S_RCPT, S_DATA, S_END,
	S_DISCARD, STEPS
};

/* The domains of a transaction, where the host limits them. */
#define DOMAINS_AT_ONCE	64
struct domains {
	uint64_t	 max;		/* 0: no limit */
	size_t		 n;
	struct slice	 names[DOMAINS_AT_ONCE];
};

static void	 greeting(struct conn *, struct owed);
static void	 say_hello(struct conn *, enum step);
static void	 ehlo(struct conn *, struct owed);
static void	 helo(struct conn *, struct owed);
static bool	 wants_tls(const struct conn *);
static bool	 secure_first(struct conn *);
static void	 starttls(struct conn *, struct owed);
static void	 start_handshake(struct conn *);
static void	 handshake(struct conn *, struct owed);
static void	 greeted(struct conn *);
static bool	 is_ourselves(const struct conn *);
static void	 looped(struct conn *);

static void	 begin_transaction(struct conn *);
static bool	 host_can_take_it(struct conn *);
static const char *lacks(const struct conn *, struct enhanced *);
static void	 refuse_all(struct conn *, uint16_t, struct enhanced,
		    struct slice text);
static void	 choose_recipients(struct conn *);
static bool	 is_out_of_step(struct conn *);
static void	 out_of_step(struct conn *, const char *what);
static void	 say_all(struct conn *);
static bool	 say_one(struct conn *);
static void	 say_mail(struct conn *);
static void	 say_rcpt(struct conn *);
static bool	 say_content(struct conn *);
static bool	 pipelines(const struct conn *);
static bool	 chunks(const struct conn *);
static bool	 has_room(struct domains *, struct slice address);
static void	 rset(struct conn *, struct owed);
static void	 mail(struct conn *, struct owed);
static void	 rcpt(struct conn *, struct owed);
static bool	 is_too_many(const struct conn *, const struct outcome *);
static void	 data(struct conn *, struct owed);
static void	 start_content(struct conn *);
static void	 unreadable(struct conn *, int error);
static void	 pump(struct conn *);
static void	 end(struct conn *, struct owed);
static bool	 is_no_promise(struct conn *);
static void	 bdat_unknown(struct conn *);
static void	 end_lmtp(struct conn *);
static void	 discard(struct conn *, struct owed);
static void	 transaction_over(struct conn *);

static void	 replied(struct conn *);
static bool	 is_sensible(enum step, uint16_t code);
static void	 go_on(struct conn *);
static void	 await(struct conn *);
static void	 owe(struct conn *, enum step, size_t recipient);
static struct owed first_owed(const struct conn *);
static void	 pop_owed(struct conn *);
static struct outcome outcome_of(struct conn *, enum outcome_status);
static void	 strip_enhanced(struct buf *, struct enhanced);

/* What a step is called, how long its reply may take (RFC 5321 section
 * 4.5.3.2), and who handles it. */
static const struct {
	const char	*name;
	size_t		 timeout;	/* in struct conf */
	void		(*replied)(struct conn *, struct owed);
} steps[STEPS] = {
#define TIMEOUT(what)	offsetof(struct conf, remote_timeout_##what)
	[S_HANDSHAKE] = { "the TLS handshake", TIMEOUT(greeting), handshake },
	[S_GREETING] = { "the connection", TIMEOUT(greeting), greeting },
	[S_EHLO] =	{ "EHLO",	TIMEOUT(greeting),	ehlo },
	[S_HELO] =	{ "HELO",	TIMEOUT(greeting),	helo },
	[S_STARTTLS] =	{ "STARTTLS",	TIMEOUT(greeting),	starttls },
	[S_RSET] =	{ "RSET",	TIMEOUT(mail),		rset },
	[S_MAIL] =	{ "MAIL",	TIMEOUT(mail),		mail },
	[S_RCPT] =	{ "RCPT",	TIMEOUT(rcpt),		rcpt },
	[S_DATA] =	{ "DATA",	TIMEOUT(data),		data },
	[S_END] = { "the end of the content", TIMEOUT(end),	end },
	[S_DISCARD] = { "the end of the content", TIMEOUT(mail), discard },
#undef TIMEOUT
};

/* ---- the greetings ------------------------------------------------------ */

void
smtp_start(struct conn *c)
{
	if (c->site->hop.smtps)
		start_handshake(c);
	else
		owe(c, S_GREETING, 0);
	await(c);
}

static void
greeting(struct conn *c, struct owed o)
{
	struct outcome why;

	(void)o;
	if (c->reply.code == 220) {
		if (!is_out_of_step(c))
			say_hello(c, S_EHLO);
		return;
	}
	/* Whatever it says of itself, it is not said of the message. */
	why = outcome_of(c, OUTCOME_DEFERRED);
	why.site = true;
	conn_fail(c, &why);
}

static void
say_hello(struct conn *c, enum step step)
{
	stream_printf(&c->stream, "%s %s\r\n", c->lmtp ? "LHLO" :
	    step == S_EHLO ? "EHLO" : "HELO", c->relay->conf->hostname);
	owe(c, step, 0);
}

static void
ehlo(struct conn *c, struct owed o)
{
	struct slice lines = buf_slice(&c->reply.text), line;
	struct outcome why;

	if (c->reply.code / 100 == 5 && !c->lmtp) {
		say_hello(c, S_HELO);
		return;
	}
	if (c->reply.code / 100 != 2) {
		why = outcome_of(c, OUTCOME_DEFERRED);
		why.site = true;
		conn_fail(c, &why);
		return;
	}
	if (slice_next(&lines, '\n', &line))
		while (slice_next(&lines, '\n', &line))
			ehlo_line(&c->ehlo, line);
	helo(c, o);
}

static void
helo(struct conn *c, struct owed o)
{
	struct outcome why;

	(void)o;
	if (c->reply.code / 100 != 2) {
		why = outcome_of(c, OUTCOME_DEFERRED);
		why.site = true;
		conn_fail(c, &why);
		return;
	}
	c->is_us = is_ourselves(c);
	if (!secure_first(c))
		greeted(c);
}

/* ---- TLS (RFC 3207) ------------------------------------------------------ */

static bool
wants_tls(const struct conn *c)
{
	return c->has_address && c->level != SECURE_NONE &&
	    (c->level != SECURE_MAY ||
	    !relay_spares_tls(c->relay, c->address, c->port));
}

/* True: this was not the last word, or it was, and the connection is gone. */
static bool
secure_first(struct conn *c)
{
	c->secure_now = false;
	if (stream_is_tls(&c->stream) || !wants_tls(c))
		return false;
	if (c->ehlo.offers & EHLO_STARTTLS) {
		/* Some close already when they are asked; where it may be
		 * without, that is what is tried next. */
		c->secure_now = c->level == SECURE_MAY;
		stream_write(&c->stream, SLICE_LIT("STARTTLS\r\n"));
		owe(c, S_STARTTLS, 0);
		return true;
	}
	if (c->level == SECURE_MAY)
		return false;
	conn_lost(c, (struct enhanced){ 4, 7, 4 }, "it does not offer "
	    "STARTTLS, and mail may go there by TLS only");
	return true;
}

static void
starttls(struct conn *c, struct owed o)
{
	struct slice text = buf_slice(&c->reply.text);
	char why[CONN_TEXT_BYTES];

	(void)o;
	if (c->reply.code == 220) {
		/* Whoever put that there would have it taken for what the host
		 * says within TLS. */
		if (stream_input(&c->stream).n > 0)
			conn_insecure(c, "more than a reply to STARTTLS came "
			    "in clear");
		else
			start_handshake(c);
		return;
	}
	c->secure_now = false;
	if (c->level == SECURE_MAY) {
		greeted(c);
		return;
	}
	snprintf(why, sizeof(why), "it offers STARTTLS and refuses it (%u "
	    "%.*s), and mail may go there by TLS only", c->reply.code,
	    (int)(text.n < 300 ? text.n : 300), text.p);
	conn_lost(c, (struct enhanced){ 4, 7, 4 }, why);
}

/* Owed by the stream, not by the host: smtp_secured() has it. */
static void
start_handshake(struct conn *c)
{
	c->secure_now = true;
	owe(c, S_HANDSHAKE, 0);
	secure_start(c);
}

static void
handshake(struct conn *c, struct owed o)
{
	(void)o;
	conn_lost(c, (struct enhanced){ 4, 5, 0 }, "it sent a reply to "
	    "nothing");
}

void
smtp_secured(struct conn *c)
{
	assert(first_owed(c).step == S_HANDSHAKE);
	pop_owed(c);
	/* RFC 3207 section 4.2: all that was said before is void. */
	memset(&c->ehlo, 0, sizeof(c->ehlo));
	if (c->site->hop.smtps)
		owe(c, S_GREETING, 0);
	else
		say_hello(c, S_EHLO);
	await(c);
}

static void
greeted(struct conn *c)
{
	if (c->has_address)
		relay_avoid(c->relay, c->address, c->port, false);
	if (c->ehlo.rcpt_max > 0)
		c->rcpt_limit = c->ehlo.rcpt_max;
	if (c->is_us)
		looped(c);
	else
		smtp_begin(c);
}

/* The host calls itself by our name: where MX records led here, the message
 * would come back again and again. */
static bool
is_ourselves(const struct conn *c)
{
	struct slice name = buf_slice(&c->reply.text);
	size_t i;

	for (i = 0; i < name.n && name.p[i] > ' '; i++)
		;
	return c->by_mx && slice_eq_nocase(slice_first(name, i),
	    slice_str(c->relay->conf->hostname));
}

static void
looped(struct conn *c)
{
	struct attempt *a = c->attempt;
	struct outcome o = { .status = OUTCOME_FAILED,
		.enhanced = { 5, 4, 6 }, .remote = slice_str(c->name),
		.text = SLICE_LIT("the domain's MX host is this host, which "
		    "does not receive mail for it (loop)") };

	if (!c->best) {
		/* Better hosts than we are there, but not now. */
		o.status = OUTCOME_DEFERRED;
		o.enhanced = (struct enhanced){ 4, 4, 1 };
		o.text = SLICE_LIT("no MX host that is better than this host "
		    "can be reached");
		o.site = true;
	}
	c->attempt = NULL;
	attempt_give_up(a, &o);
	conn_quit(c);
}

/* ---- a transaction ------------------------------------------------------ */

void
smtp_begin(struct conn *c)
{
	struct attempt *a = c->attempt;

	if (c->outdated) {
		/* The policy has changed since it was begun. */
		c->attempt = NULL;
		conn_quit(c);
		attempt_try_again(a);
		return;
	}
	conn_enter(c, C_BUSY);
	begin_transaction(c);
}

static void
begin_transaction(struct conn *c)
{
	/* No way leads here in clear where that is forbidden. */
	assert(c->level < SECURE_ENCRYPT || !c->has_address ||
	    stream_is_tls(&c->stream));
	c->replied = false;
	c->written = false;
	c->sending = false;
	c->accepted = 0;
	if (is_out_of_step(c) || !host_can_take_it(c))
		return;
	c->messages++;
	count(REMOTE_MESSAGES);
	choose_recipients(c);
	c->say = c->needs_rset ? SAY_RSET : SAY_MAIL;
	go_on(c);
}

/* False: the attempt goes on without this connection, or is over. */
static bool
host_can_take_it(struct conn *c)
{
	struct attempt *a = c->attempt;
	struct outcome o;
	const char *why;
	uint64_t size;

	c->utf8 = a->needs_utf8;
	if (c->utf8 && !(c->ehlo.offers & EHLO_SMTPUTF8)) {
		/* Another host of the next hop may know it. */
		o = (struct outcome){ .status = OUTCOME_FAILED,
			.enhanced = { 5, 6, 7 }, .remote = slice_str(c->name),
			.text = SLICE_LIT("the host does not take "
			    "internationalized mail (SMTPUTF8)") };
		conn_rest(c);
		attempt_try_next(a, &o);
		return false;
	}
	o = (struct outcome){ .status = OUTCOME_FAILED,
		.remote = slice_str(c->name) };
	why = lacks(c, &o.enhanced);
	if (why != NULL) {
		o.text = slice_str(why);
		conn_rest(c);
		attempt_try_next(a, &o);
		return false;
	}
	if (attempt_convert(a, c->ehlo.offers, &o) == -1) {
		o.remote = slice_str(c->name);
		attempt_decide_all(a, RCPT_TODO, &o);
		conn_rest(c);
		attempt_finish(a);
		return false;
	}
	size = content_size(&a->content);
	if (c->ehlo.size > 0 && size > c->ehlo.size) {
		refuse_all(c, 552, (struct enhanced){ 5, 3, 4 },
		    SLICE_LIT("the message is larger than the host takes"));
		return false;
	}
	return true;
}

/* What the sender has made a condition, and this host cannot do; NULL: nothing.
 * Another host of the next hop may. */
static const char *
lacks(const struct conn *c, struct enhanced *e_r)
{
	const struct envelope_extras *x = &c->attempt->job.extras;

	/* RFC 8689 section 4.2.1: it would take TLS, and a certificate that
	 * was verified. */
	if (x->require_tls) {
		*e_r = (struct enhanced){ 5, 7, 30 };
		return "the message may only go where TLS is required "
		    "(REQUIRETLS)";
	}
	/* RFC 2852 section 4.1.4.2.  LMTP is the delivery itself. */
	if (x->by_mode == BY_RETURN && !c->lmtp &&
	    (!(c->ehlo.offers & EHLO_DELIVERBY) ||
	    by_seconds(x, clock_wall_ms()) < (int64_t)c->ehlo.min_by_s)) {
		*e_r = (struct enhanced){ 5, 3, 3 };
		return "the host does not promise to deliver within the time "
		    "given (DELIVERBY)";
	}
	return NULL;
}

static void
refuse_all(struct conn *c, uint16_t code, struct enhanced e,
    struct slice text)
{
	struct attempt *a = c->attempt;
	struct outcome o = { .status = OUTCOME_FAILED, .code = code,
		.enhanced = e, .text = text, .remote = slice_str(c->name) };

	attempt_decide_all(a, RCPT_TODO, &o);
	conn_rest(c);
	attempt_finish(a);
}

static void
choose_recipients(struct conn *c)
{
	struct attempt *a = c->attempt;
	struct domains domains = { .max = c->ehlo.rcpt_domain_max };
	size_t i, n = 0;

	for (i = 0; i < a->job.nrecipients; i++) {
		a->recipients[i].may_be_taken_back = false;
		if (a->recipients[i].state == RCPT_TODO &&
		    (c->rcpt_limit == 0 || n < c->rcpt_limit) &&
		    has_room(&domains, a->job.recipients[i].address)) {
			a->recipients[i].state = RCPT_SENT;
			n++;
		}
	}
}

/* RFC 9422 section 4.3, RCPTDOMAINMAX: is the address's domain one of those in
 * the transaction, or may it become one? */
static bool
has_room(struct domains *d, struct slice address)
{
	size_t at = slice_rfind(address, '@'), i;
	struct slice domain = slice_from(address, at < address.n ? at + 1 :
	    address.n);

	if (d->max == 0)
		return true;
	for (i = 0; i < d->n; i++)
		if (slice_eq_nocase(d->names[i], domain))
			return true;
	if (d->n >= d->max || d->n == DOMAINS_AT_ONCE)
		return false;
	d->names[d->n++] = domain;
	return true;
}

/* True: it has said something that it was not asked, and the connection is
 * gone.  Each reply would count for the command after its own.  421 may come at
 * any time. */
static bool
is_out_of_step(struct conn *c)
{
	struct slice in = stream_input(&c->stream);

	if (c->nowed > 0 || in.n == 0 || slice_starts(in, SLICE_LIT("421")))
		return false;
	out_of_step(c, "it sent a reply to nothing");
	return true;
}

/* Which reply was meant for whom is not known, so nobody is refused. */
static void
out_of_step(struct conn *c, const char *what)
{
	if (c->attempt != NULL)
		attempt_take_back(c->attempt);
	conn_lost(c, (struct enhanced){ 4, 5, 0 }, what);
}

/* All that may be said now: without PIPELINING one command at a time. */
static void
say_all(struct conn *c)
{
	struct buf *line = &c->relay->line;

	if (c->say != SAY_NOTHING && is_out_of_step(c))
		return;
	buf_reset(line);
	while (c->say != SAY_NOTHING && (c->nowed == 0 || pipelines(c)) &&
	    stream_unsent(&c->stream) < OUT_FILL && say_one(c))
		if (line->n >= SAID_BYTES) {
			stream_write(&c->stream, buf_slice(line));
			buf_reset(line);
		}
	if (line->n > 0)
		stream_write(&c->stream, buf_slice(line));
	if (c->sending)
		pump(c);
}

static bool
pipelines(const struct conn *c)
{
	return (c->ehlo.offers & EHLO_PIPELINING) != 0 &&
	    clock_mono_ms() >= c->site->one_by_one_ms;
}

static bool
chunks(const struct conn *c)
{
	return (c->ehlo.offers & EHLO_CHUNKING) != 0 && !c->site->no_chunking;
}

/* False: something must be answered first. */
static bool
say_one(struct conn *c)
{
	switch (c->say) {
	case SAY_RSET:
		buf_add_str(&c->relay->line, "RSET\r\n");
		owe(c, S_RSET, 0);
		c->needs_rset = false;
		c->say = SAY_MAIL;
		return true;
	case SAY_MAIL:
		say_mail(c);
		return true;
	case SAY_RCPT:
		say_rcpt(c);
		return true;
	case SAY_CONTENT:
		return say_content(c);
	case SAY_NOTHING:
		break;
	}
	return false;
}

static struct compose
compose_of(const struct conn *c)
{
	return (struct compose){ .offers = c->ehlo.offers,
		.body = c->attempt->body_type,
		.size = content_size(&c->attempt->content), .utf8 = c->utf8,
		.now_ms = clock_wall_ms() };
}

static void
say_mail(struct conn *c)
{
	struct compose how = compose_of(c);

	if (compose_mail(&c->relay->line, &how, &c->attempt->job) != 0) {
		attempt_decide_all(c->attempt, RCPT_SENT, &(struct outcome){
		    .status = OUTCOME_FAILED, .enhanced = { 5, 6, 7 },
		    .text = SLICE_LIT("the reverse-path cannot be written for "
		    "this host") });
		c->say = SAY_NOTHING;
		return;
	}
	owe(c, S_MAIL, 0);
	c->say = SAY_RCPT;
	c->say_recipient = 0;
}

static void
say_rcpt(struct conn *c)
{
	struct attempt *a = c->attempt;
	struct compose how = compose_of(c);
	size_t i = c->say_recipient;

	while (i < a->job.nrecipients &&
	    a->recipients[i].state != RCPT_SENT)
		i++;
	c->say_recipient = i + 1;
	if (i == a->job.nrecipients) {
		c->say = SAY_CONTENT;
		return;
	}
	if (compose_rcpt(&c->relay->line, &how, &a->job.recipients[i]) == 0)
		owe(c, S_RCPT, i);
	else
		attempt_decide(a, i, &(struct outcome){
		    .status = OUTCOME_FAILED, .enhanced = { 5, 6, 7 },
		    .text = SLICE_LIT("the address cannot be written for "
		    "this host") });
}

/*
 * DATA may follow the recipients at once: no reply to them can pass for a 354.
 * With BDAT, one too many would pass for the reply that takes the message: it
 * waits for them until the host has kept in step for a whole transaction.  Then
 * a small message follows its envelope at once, and the host throws it away
 * where it has refused all recipients (RFC 3030 section 2).
 */
static bool
say_content(struct conn *c)
{
	uint64_t size = content_size(&c->attempt->content);

	if (chunks(c) && c->nowed > 0 &&
	    (c->messages == 1 || size > EARLY_BYTES))
		return false;
	c->say = SAY_NOTHING;
	if (c->nowed == 0 && c->accepted == 0)
		return false;
	if (!chunks(c)) {
		buf_add_str(&c->relay->line, "DATA\r\n");
		owe(c, S_DATA, 0);
		return false;
	}
	buf_printf(&c->relay->line, "BDAT %llu LAST\r\n",
	    (unsigned long long)size);
	owe(c, S_END, 0);
	c->dots = false;
	start_content(c);
	return false;
}

static void
rset(struct conn *c, struct owed o)
{
	struct outcome why;

	(void)o;
	if (c->reply.code / 100 == 2)
		return;
	why = outcome_of(c, OUTCOME_DEFERRED);
	conn_fail(c, &why);
}

static void
mail(struct conn *c, struct owed o)
{
	struct outcome why;

	(void)o;
	if (c->reply.code / 100 == 2) {
		c->needs_rset = true;
		return;
	}
	why = outcome_of(c, OUTCOME_FAILED);
	if (why.status == OUTCOME_DEFERRED) {
		/* Not of a recipient: another host may be able to (RFC 5321
		 * section 5.1).  Content that went ahead is for nobody. */
		c->written = false;
		conn_fail(c, &why);
		return;
	}
	attempt_decide_all(c->attempt, RCPT_SENT, &why);
	if (!pipelines(c))
		c->say = SAY_NOTHING;
}

static void
rcpt(struct conn *c, struct owed o)
{
	struct attempt_recipient *r = &c->attempt->recipients[o.recipient];
	struct outcome why;

	if (r->state != RCPT_SENT)
		return;		/* MAIL was refused, so this is too */
	if (c->reply.code / 100 == 2) {
		r->state = RCPT_ACCEPTED;
		c->accepted++;
		return;
	}
	why = outcome_of(c, OUTCOME_FAILED);
	if (is_too_many(c, &why)) {
		/* In the next transaction (RFC 5321 section 4.5.3.1.10). */
		r->state = RCPT_TODO;
		c->rcpt_limit = c->accepted;
		return;
	}
	attempt_decide(c->attempt, o.recipient, &why);
	r->may_be_taken_back = true;
}

/* RFC 821 had 552 for this.  One that is meant otherwise comes again when it
 * is the first of its transaction, and counts then. */
static bool
is_too_many(const struct conn *c, const struct outcome *o)
{
	if (c->accepted == 0 || (o->code != 452 && o->code != 552))
		return false;
	return o->enhanced.subject == 0 ||
	    (o->enhanced.subject == 5 && o->enhanced.detail == 3);
}

static void
data(struct conn *c, struct owed o)
{
	struct outcome why;

	(void)o;
	if (c->reply.code / 100 != 3) {
		if (slice_starts(stream_input(&c->stream), SLICE_LIT("354"))) {
			/* That is the reply to DATA. */
			out_of_step(c, "it sent a reply to nothing");
			return;
		}
		why = outcome_of(c, OUTCOME_FAILED);
		attempt_decide_all(c->attempt, RCPT_ACCEPTED, &why);
		return;
	}
	if (stream_input(&c->stream).n > 0) {
		/* Whatever that says of the content, it has not seen it. */
		conn_lost(c, (struct enhanced){ 4, 5, 0 },
		    "more than a reply to DATA came before the content");
		return;
	}
	if (c->accepted > 0) {
		owe(c, S_END, 0);
		c->dots = true;
		start_content(c);
	} else if (c->lmtp)
		/* It owes a reply for each of no recipients: no way on. */
		conn_lost(c, (struct enhanced){ 4, 5, 0 },
		    "DATA was accepted without recipients");
	else {
		/* RFC 2920 section 3.1: ended at once, to no effect. */
		stream_write(&c->stream, SLICE_LIT(".\r\n"));
		owe(c, S_DISCARD, 0);
	}
}

static void
discard(struct conn *c, struct owed o)
{
	(void)c;
	(void)o;
}

/* ---- the content -------------------------------------------------------- */

static void
start_content(struct conn *c)
{
	c->sending = true;
	c->written = false;
	c->sent = 0;
	c->dot_state = 0;
}

void
smtp_sent(struct conn *c)
{
	if (c->state != C_BUSY || (!c->sending && c->say == SAY_NOTHING))
		return;
	say_all(c);
	await(c);
}

/* No fault of the host's.  It has not seen the end, so it has no message. */
static void
unreadable(struct conn *c, int error)
{
	struct attempt *a = c->attempt;

	log_error("id=%s event=cannot-read-content why=\"%s\"",
	    queue_id_text(a->job.queue_id).s, strerror(error));
	conn_abandon(c);
	attempt_give_up(a, &(struct outcome){ .status = OUTCOME_DEFERRED,
	    .enhanced = { 4, 3, 0 }, .damaged = error == EBADMSG,
	    .text = SLICE_LIT("the content cannot be read (local trouble)") });
}

/* Adds content while the host takes it. */
static void
pump(struct conn *c)
{
	static struct buf encoded = BUF_INIT(ENCODED_BYTES);
	struct slice piece;
	int r;

	while (c->sending && stream_unsent(&c->stream) < OUT_FILL) {
		if (content_read(&c->attempt->content, c->sent,
		    &piece) == -1) {
			unreadable(c, errno);
			return;
		}
		if (piece.n == 0) {
			buf_reset(&encoded);
			if (c->dots) {
				dot_encode_end(c->dot_state, &encoded);
				stream_write(&c->stream,
				    buf_slice(&encoded));
			}
			c->sending = false;
			c->written = true;
			return;
		}
		c->sent += piece.n;
		if (!c->dots) {
			stream_write(&c->stream, piece);
			continue;
		}
		buf_reset(&encoded);
		/* At most twice the piece, so there is room. */
		r = dot_encode(&c->dot_state, piece, &encoded);
		assert(r == 0);
		stream_write(&c->stream, buf_slice(&encoded));
	}
}

static void
end(struct conn *c, struct owed o)
{
	struct outcome how;

	(void)o;
	/* After a refused BDAT the transaction still stands (RFC 3030
	 * section 2); for the rest RSET does no harm. */
	c->needs_rset = c->reply.code / 100 != 2;
	if (!c->dots && (c->reply.code == 500 || c->reply.code == 502)) {
		bdat_unknown(c);
		return;
	}
	if (c->reply.code / 100 == 2 && is_no_promise(c))
		return;
	if (c->sending || stream_unsent(&c->stream) > 0) {
		/* It has seen enough; we cannot say RSET in the middle. */
		how = outcome_of(c, OUTCOME_FAILED);
		attempt_decide_all(c->attempt, RCPT_ACCEPTED, &how);
		conn_lost(c, (struct enhanced){ 4, 4, 2 },
		    "it refused the content before its end");
		return;
	}
	if (c->lmtp && c->accepted > 0) {
		end_lmtp(c);
		return;
	}
	how = outcome_of(c, OUTCOME_FAILED);
	attempt_decide_all(c->attempt, RCPT_ACCEPTED, &how);
}

/* True: the 2yz that was just read is not, for sure, the reply to the content,
 * and the connection is gone. */
static bool
is_no_promise(struct conn *c)
{
	struct slice in = stream_input(&c->stream);
	const char *what;

	if (c->sending || stream_unsent(&c->stream) > 0 ||
	    stream_on_its_way(&c->stream) > 0)
		what = "the content was accepted before its end";
	else if ((!c->lmtp || c->accepted == 1) && in.n > 0 &&
	    (in.p[0] == '4' || in.p[0] == '5') &&
	    !slice_starts(in, SLICE_LIT("421")))
		what = "the content was accepted and refused";
	else
		return false;
	conn_lost(c, (struct enhanced){ 4, 5, 0 }, what);
	return true;
}

/* It offers CHUNKING and does not know BDAT: it takes the content for commands
 * now.  Once more from the beginning, with DATA. */
static void
bdat_unknown(struct conn *c)
{
	struct attempt *a = c->attempt;

	log_info("event=no-chunking host=%s code=%u",
	    LOG_Q(slice_str(c->name)), c->reply.code);
	c->site->no_chunking = true;
	conn_abandon(c);
	if (a->undecided > 0)
		attempt_try_again(a);
	else
		attempt_finish(a);
}

/* RFC 2033 section 4.2: a reply for each recipient that was accepted. */
static void
end_lmtp(struct conn *c)
{
	struct attempt *a = c->attempt;
	struct outcome how = outcome_of(c, OUTCOME_FAILED);
	size_t i;

	for (i = 0; i < a->job.nrecipients; i++)
		if (a->recipients[i].state == RCPT_ACCEPTED)
			break;
	attempt_decide(a, i, &how);
	if (--c->accepted > 0)
		owe(c, S_END, 0);
}

/* Every step has its reply. */
static void
transaction_over(struct conn *c)
{
	struct attempt *a = c->attempt;

	if (a->undecided == 0) {
		conn_rest(c);
		attempt_finish(a);
		return;
	}
	if (c->messages >= c->relay->conf->remote_max_messages ||
	    (c->ehlo.mail_max > 0 && c->messages >= c->ehlo.mail_max)) {
		conn_rest(c);
		attempt_try_again(a);
		return;
	}
	begin_transaction(c);
}

/* ---- replies ------------------------------------------------------------ */

void
smtp_input(struct conn *c)
{
	struct slice in, rest;
	enum parse p;

	while (c->state == C_HELLO || c->state == C_BUSY) {
		in = stream_input(&c->stream);
		if (in.n == 0)
			break;
		rest = in;
		p = reply_feed(&c->reply, &rest);
		stream_consume(&c->stream, in.n - rest.n);
		if (p == PARSE_OK)
			replied(c);
		else if (p == PARSE_BAD)
			conn_lost(c, (struct enhanced){ 4, 5, 0 },
			    "it does not speak SMTP");
		else
			break;
	}
}

static void
replied(struct conn *c)
{
	struct owed o;
	struct outcome why;
	char text[CONN_TEXT_BYTES];

	if (c->nowed == 0) {
		out_of_step(c, "it sent a reply to nothing");
		return;
	}
	o = first_owed(c);
	if (!is_sensible(o.step, c->reply.code)) {
		snprintf(text, sizeof(text), "a reply to %s that makes no "
		    "sense (%u)", steps[o.step].name, c->reply.code);
		c->written = false;	/* it has not been accepted */
		out_of_step(c, text);
		return;
	}
	if (c->reply.code == 421 && o.step != S_GREETING) {
		/* RFC 5321 section 3.8: it closes the connection. */
		why = outcome_of(c, OUTCOME_DEFERRED);
		why.site = true;
		c->written = false;	/* a clear answer: not delivered */
		conn_fail(c, &why);
		return;
	}
	pop_owed(c);
	steps[o.step].replied(c, o);
	c->replied = c->replied || o.step >= S_RSET;
	reply_reset(&c->reply);
	go_on(c);
}

/* RFC 5321 section 4.2.1: 3yz asks for more, and only after DATA there is
 * more, so it is then what 2yz is elsewhere.  Neither says that anything was
 * refused.  Who is ready greets with 220 (section 4.3.2): another 2yz accepts
 * nothing, least of all the message; nor does a good-bye (221). */
static bool
is_sensible(enum step step, uint16_t code)
{
	if (step == S_GREETING && code / 100 == 2)
		return code == 220;
	if (code == 221)
		return false;
	return code / 100 != (step == S_DATA ? 2 : 3);
}

static void
go_on(struct conn *c)
{
	if (c->state == C_BUSY)
		say_all(c);
	if (c->state == C_BUSY && c->nowed == 0 && !c->sending)
		transaction_over(c);
	else if (c->state == C_BUSY || c->state == C_HELLO)
		await(c);
}

static void
await(struct conn *c)
{
	const char *conf = (const char *)c->relay->conf;
	int64_t ms = 0;

	if (c->state == C_DEAD)
		return;
	if (c->sending)
		ms = c->relay->conf->remote_timeout_block;
	else if (c->nowed > 0)
		memcpy(&ms, conf + steps[first_owed(c).step].timeout,
		    sizeof(ms));
	stream_timeout(&c->stream, ms);
}

const char *
smtp_waits_for(const struct conn *c)
{
	return c->nowed == 0 ? "nothing" : steps[first_owed(c).step].name;
}

void
smtp_timed_out(struct conn *c)
{
	if (!c->ahead || c->nowed == 0 || first_owed(c).step < S_RSET ||
	    first_owed(c).step > S_DATA)
		return;
	log_warn("event=no-pipelining host=%s waited_for=%s",
	    LOG_Q(slice_str(c->name)), LOG_Q(slice_str(smtp_waits_for(c))));
	c->site->one_by_one_ms = clock_mono_ms() + ONE_BY_ONE_MS;
}

static void
owe(struct conn *c, enum step step, size_t recipient)
{
	size_t room = c->owed_room, i;
	struct owed *ring;

	c->ahead = c->nowed > 0;
	if (c->nowed == room) {
		room = room == 0 ? 8 : room * 2;
		ring = mem_array(room, sizeof(*ring));
		for (i = 0; i < c->nowed; i++)
			ring[i] = c->owed[(c->owed_at + i) % c->owed_room];
		free(c->owed);
		c->owed = ring;
		c->owed_room = room;
		c->owed_at = 0;
	}
	c->owed[(c->owed_at + c->nowed++) % room] = (struct owed){
		(uint8_t)step, (uint32_t)recipient };
}

static struct owed
first_owed(const struct conn *c)
{
	assert(c->nowed > 0);
	return c->owed[c->owed_at];
}

static void
pop_owed(struct conn *c)
{
	c->owed_at = (c->owed_at + 1) % c->owed_room;
	c->nowed--;
}

/* The reply as an outcome; one with 4xx is deferred, one with 2xx relayed,
 * whatever `status` says of the rest.  Valid until the reply is reset. */
static struct outcome
outcome_of(struct conn *c, enum outcome_status status)
{
	struct outcome o = { .status = status, .code = c->reply.code,
		.remote = slice_str(c->name) };
	struct slice text = buf_slice(&c->reply.text);
	uint8_t class = (uint8_t)(o.code / 100);

	if (enhanced_parse(&text, &o.enhanced) && o.enhanced.class == class)
		strip_enhanced(&c->reply.text, o.enhanced);
	else
		o.enhanced = enhanced_for_code(o.code);
	o.text = buf_slice(&c->reply.text);
	if (class == 2)
		o.status = c->ehlo.offers & EHLO_DSN ? OUTCOME_RELAYED :
		    OUTCOME_RELAYED_NO_DSN;
	else if (class == 4)
		o.status = OUTCOME_DEFERRED;
	if (o.status == OUTCOME_DEFERRED)
		o.enhanced.class = 4;
	return o;
}

/* RFC 2034 section 4: each line of a reply begins with the same one. */
static void
strip_enhanced(struct buf *text, struct enhanced e)
{
	struct slice rest = buf_slice(text), line, words;
	struct enhanced line_e;
	size_t n = 0;

	while (slice_next(&rest, '\n', &line)) {
		words = line;
		if (enhanced_parse(&words, &line_e) &&
		    line_e.class == e.class && line_e.subject == e.subject &&
		    line_e.detail == e.detail)
			line = slice_trim(words);
		if (n > 0)
			text->p[n++] = '\n';
		memmove(text->p + n, line.p, line.n);
		n += line.n;
	}
	text->n = n;
}
