/* SPDX-License-Identifier: ISC */
/*
 * dialogue - see dialogue.h: lines, octets, and what is written of them.
 *
 * Always: text reaches say() through write_out(), which escapes it (D3).
 */
#include <assert.h>
#include <inttypes.h>

#include "base/buf.h"
#include "mail/dialogue_internal.h"

static void	 tell_unshown(struct dialogue *, enum dialogue_side);
static size_t	 take_octets(struct dialogue *, enum dialogue_side,
		    struct slice);
static void	 keep(struct dialogue_half *, struct slice);
static void	 line_is_over(struct dialogue *, enum dialogue_side);
static void	 forget_line(struct dialogue_half *);
static void	 escape(struct buf *, struct slice);
static void	 write_out(struct dialogue *, enum dialogue_side,
		    struct buf *);

static const struct dialogue_rules *const rules[] = {
	[DIALOGUE_SMTP] = &dialogue_smtp,
	[DIALOGUE_IMAP] = &dialogue_imap,
	[DIALOGUE_POP3] = &dialogue_pop3,
};

/* ---- from outside -------------------------------------------------------- */

void
dialogue_init(struct dialogue *d, enum dialogue_protocol protocol,
    bool in_order, dialogue_line *say, void *arg)
{
	memset(d, 0, sizeof(*d));
	d->protocol = protocol;
	d->say = say;
	d->arg = arg;
	d->uncertain = !in_order;
	d->state = in_order ? DIALOGUE_COMMANDS : DIALOGUE_MIDDLE;
}

void
dialogue_feed(struct dialogue *d, enum dialogue_side side, struct slice in)
{
	struct dialogue_half *h = &d->half[side];
	size_t n;

	if (in.n == 0)
		return;
	if (d->last != side)
		tell_unshown(d, d->last);
	d->last = side;
	while (in.n > 0) {
		if (d->state == DIALOGUE_OPAQUE) {
			dialogue_hide(d, side, SLICE_EMPTY, "compressed",
			    in.n);
			return;
		}
		if (h->octets > 0) {
			in = slice_from(in, take_octets(d, side, in));
			continue;
		}
		n = slice_find(in, '\n');
		keep(h, slice_first(in, n));
		if (n == in.n)
			return;
		in = slice_from(in, n + 1);
		line_is_over(d, side);
	}
}

void
dialogue_secured(struct dialogue *d)
{
	int side;

	for (side = 0; side < 2; side++) {
		forget_line(&d->half[side]);
		d->half[side].octets = 0;
		d->half[side].continued = false;
	}
	dialogue_commands(d);
	d->owed = d->nanswers = d->listing = 0;
	dialogue_hide(d, DIALOGUE_SERVER, SLICE_EMPTY, "TLS begins", 0);
}

void
dialogue_end(struct dialogue *d)
{
	enum dialogue_side side;
	struct dialogue_half *h;
	uint64_t bytes;

	for (side = DIALOGUE_CLIENT; side <= DIALOGUE_SERVER; side++) {
		h = &d->half[side];
		bytes = h->bytes + h->octets_all - h->octets;
		tell_unshown(d, side);
		if (bytes > 0)
			dialogue_hide(d, side, SLICE_EMPTY, "without an end",
			    bytes);
	}
	explicit_bzero(d->half, sizeof(d->half));
}

/* ---- lines and octets ---------------------------------------------------- */

static size_t
take_octets(struct dialogue *d, enum dialogue_side side, struct slice in)
{
	struct dialogue_half *h = &d->half[side];
	size_t n = in.n < h->octets ? in.n : (size_t)h->octets;

	h->octets -= n;
	if (h->octets == 0) {
		dialogue_hide(d, side, SLICE_EMPTY, rules[d->protocol]->octets,
		    h->octets_all);
		h->octets_all = 0;
	}
	return n;
}

void
dialogue_octets(struct dialogue *d, enum dialogue_side side, uint64_t n)
{
	d->half[side].octets = d->half[side].octets_all = n;
}

static void
keep(struct dialogue_half *h, struct slice part)
{
	size_t room = sizeof(h->line) - h->n;
	size_t n = part.n < room ? part.n : room, over;

	memcpy(h->line + h->n, part.p, n);
	h->n += n;
	h->bytes += part.n;
	if (part.n > sizeof(h->tail))
		part = slice_from(part, part.n - sizeof(h->tail));
	if (h->ntail + part.n > sizeof(h->tail)) {
		over = h->ntail + part.n - sizeof(h->tail);
		memmove(h->tail, h->tail + over, h->ntail - over);
		h->ntail -= over;
	}
	memcpy(h->tail + h->ntail, part.p, part.n);
	h->ntail += part.n;
}

static void
line_is_over(struct dialogue *d, enum dialogue_side side)
{
	struct dialogue_half *h = &d->half[side];
	struct slice line = slice_of(h->line, h->n);
	uint64_t bytes = h->bytes;

	if (h->ntail > 0 && h->tail[h->ntail - 1] == '\r') {
		bytes--;
		h->ntail--;
	}
	if (line.n > bytes)
		line.n--;
	if (line.n > DIALOGUE_LINE_BYTES)
		line.n = DIALOGUE_LINE_BYTES;
	rules[d->protocol]->line[side](d, line, bytes);
	forget_line(h);
}

static void
forget_line(struct dialogue_half *h)
{
	explicit_bzero(h->line, h->n);
	explicit_bzero(h->tail, sizeof(h->tail));
	h->n = h->ntail = 0;
	h->bytes = 0;
}

/* ---- for the protocols --------------------------------------------------- */

struct slice
dialogue_word(struct slice line, struct slice *rest_r)
{
	size_t n = slice_find(line, ' ');

	*rest_r = slice_from(line, n < line.n ? n + 1 : n);
	return slice_first(line, n);
}

void
dialogue_commands(struct dialogue *d)
{
	tell_unshown(d, DIALOGUE_CLIENT);
	tell_unshown(d, DIALOGUE_SERVER);
	d->state = DIALOGUE_COMMANDS;
	d->dotted = d->replied = false;
	d->awaited.n = d->tag.n = 0;
	d->literal_waits = false;
}

void
dialogue_sasl(struct dialogue *d, struct slice command, struct slice args,
    uint64_t bytes)
{
	/* IANA's registry, and what is used without being there. */
	static const char *const names[] = { "PLAIN", "LOGIN", "CRAM-MD5",
		"DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS",
		"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512",
		"SCRAM-SHA-512-PLUS", "OAUTHBEARER", "XOAUTH2", "EXTERNAL",
		"ANONYMOUS", "GSSAPI", "GS2-KRB5", "NTLM", "KERBEROS_V4" };
	struct buf b = BUF_INIT(DIALOGUE_LINE_BYTES);
	struct slice initial, name = dialogue_word(args, &initial);
	size_t i, hidden = args.n;

	buf_add(&b, command);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (slice_eq_nocase(name, slice_str(names[i]))) {
			buf_printf(&b, " %s", names[i]);
			hidden = initial.n;
		}
	if (hidden == 0)
		dialogue_show(d, DIALOGUE_CLIENT, buf_slice(&b), b.n);
	else
		dialogue_hide(d, DIALOGUE_CLIENT, buf_slice(&b), "hidden",
		    bytes > b.n ? bytes - b.n : 0);
	d->state = DIALOGUE_SASL;
	buf_clear(&b);
}

/* ---- what is written ----------------------------------------------------- */

void
dialogue_show(struct dialogue *d, enum dialogue_side side, struct slice line,
    uint64_t bytes)
{
	struct buf b = BUF_INIT(DIALOGUE_TEXT_BYTES);

	tell_unshown(d, side);
	escape(&b, line);
	if (bytes > line.n)
		buf_printf(&b, " ... (%" PRIu64 " bytes)", bytes);
	write_out(d, side, &b);
}

void
dialogue_hide(struct dialogue *d, enum dialogue_side side, struct slice shown,
    const char *what, uint64_t bytes)
{
	struct buf b = BUF_INIT(DIALOGUE_TEXT_BYTES);

	tell_unshown(d, side);
	escape(&b, shown);
	buf_printf(&b, "%s(%s", shown.n > 0 ? " " : "", what);
	if (bytes > 0)
		buf_printf(&b, ", %" PRIu64 " byte%s", bytes,
		    bytes == 1 ? "" : "s");
	buf_add_byte(&b, ')');
	write_out(d, side, &b);
}

void
dialogue_hush(struct dialogue *d, enum dialogue_side side, uint64_t bytes)
{
	d->half[side].unshown += bytes + 2;	/* its CRLF, too */
}

static void
tell_unshown(struct dialogue *d, enum dialogue_side side)
{
	uint64_t bytes = d->half[side].unshown;

	d->half[side].unshown = 0;
	if (bytes > 0)
		dialogue_hide(d, side, SLICE_EMPTY,
		    d->state == DIALOGUE_MIDDLE ? "not shown: it was looked "
		    "at from the middle on" : "message content", bytes);
}

/* A backslash stands for itself but where it could begin an escape. */
static void
escape(struct buf *b, struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] >= 0x20 && s.p[i] < 0x7f && (s.p[i] != '\\' ||
		    i + 1 == s.n || s.p[i + 1] != 'x'))
			buf_add_byte(b, s.p[i]);
		else
			buf_printf(b, "\\x%02x", (unsigned char)s.p[i]);
}

static void
write_out(struct dialogue *d, enum dialogue_side side, struct buf *b)
{
	if (b->n > 0)
		d->say(d->arg, side, buf_slice(b));
	if (b->p != NULL)
		explicit_bzero(b->p, b->cap);
	buf_clear(b);
}
