/* SPDX-License-Identifier: ISC */
/* parse - see parse.h. */
#include <assert.h>

#include "base/num.h"
#include "mail/address.h"
#include "parse.h"

#define ALL	(IC_ATOM | IC_ASTRING | IC_LIST | IC_TAG | IC_QUOTED)

const uint8_t imap_classes[256] = {
	[0x01 ... 0x09] = IC_QUOTED,
	[0x0b ... 0x0c] = IC_QUOTED,
	[0x0e ... 0x1f] = IC_QUOTED,
	[' '] = IC_QUOTED,
	['!'] = ALL,
	['#' ... '$'] = ALL,
	['%'] = IC_LIST | IC_QUOTED,
	['&' ... '\''] = ALL,
	['(' ... ')'] = IC_QUOTED,
	['*'] = IC_LIST | IC_QUOTED,
	['+'] = ALL & ~IC_TAG,
	[',' ... '['] = ALL,
	[']'] = ALL & ~IC_ATOM,
	['^' ... 'z'] = ALL,
	['{'] = IC_QUOTED,
	['|' ... '~'] = ALL,
	[0x7f] = IC_QUOTED,
};

/* ---- collecting ---------------------------------------------------------- */

/*
 * LINE --"{n}" CRLF--> ASK --keep--> KEEP --n bytes--> LINE
 *   |                    \--pass--> PASS --n bytes--> LINE
 *   |                     \--skip-> SKIP --n bytes--> LINE
 *   '--CRLF--> WHOLE, until collector_reset()
 */
enum { LINE, ASK, KEEP, PASS, SKIP, WHOLE };

static enum collect take_line(struct collector *, struct slice *);
static enum collect end_line(struct collector *);
static bool	 announces(struct collector *);

void
collector_init(struct collector *c, size_t line_max, size_t literals_max)
{
	*c = (struct collector){ .line_max = line_max };
	/* Each literal's announcement is text, too. */
	buf_init(&c->text, line_max + literals_max);
}

void
collector_clear(struct collector *c)
{
	buf_clear(&c->text);
}

void
collector_reset(struct collector *c)
{
	/* An idle session keeps no memory for it. */
	if (c->text.cap > 4096)
		buf_clear(&c->text);
	buf_reset(&c->text);
	c->literal = (struct literal){ 0 };
	c->line = c->segment = 0;
	c->left = 0;
	c->literals = 0;
	c->state = LINE;
	c->bad = c->skipped = false;
}

bool
collector_is_idle(const struct collector *c)
{
	return c->state == LINE && c->line == 0 && c->literals == 0;
}

enum collect
collect(struct collector *c, struct slice *in, struct slice *bytes_r)
{
	size_t n;

	assert(c->state != ASK && c->state != WHOLE);
	if (c->state != LINE) {
		n = c->left < in->n ? (size_t)c->left : in->n;
		*bytes_r = slice_first(*in, n);
		*in = slice_from(*in, n);
		c->left -= n;
		if (c->state == KEEP)
			buf_add(&c->text, *bytes_r);
		else if (c->state == PASS && n > 0) {
			if (c->left == 0)
				c->state = LINE;
			return COLLECT_PASSED;
		}
		if (c->left > 0)
			return COLLECT_MORE;
		c->state = LINE;
		c->segment = c->text.n;
	}
	return take_line(c, in);
}

static enum collect
take_line(struct collector *c, struct slice *in)
{
	size_t n = slice_find(*in, '\n');
	bool whole = n < in->n;
	struct slice part = slice_first(*in, whole ? n + 1 : n);

	*in = slice_from(*in, part.n);
	if (part.n > c->line_max - c->line) {
		part.n = c->line_max - c->line;
		c->bad = true;
	}
	c->line += part.n;
	if (buf_add(&c->text, part) == -1)
		c->bad = true;
	if (c->bad) {
		/* What follows is not looked at: the session ends. */
		c->state = WHOLE;
		return COLLECT_BAD_LINE;
	}
	return whole ? end_line(c) : COLLECT_MORE;
}

static enum collect
end_line(struct collector *c)
{
	struct buf *t = &c->text;

	c->state = WHOLE;
	t->n--;
	if (t->n == c->segment || t->p[t->n - 1] != '\r')
		return COLLECT_BAD_LINE;
	t->n--;
	if (!announces(c))
		return COLLECT_COMMAND;
	c->literals++;
	c->state = ASK;
	return COLLECT_LITERAL;
}

/* "{12}", "{12+}" or either with "~" before it, at the end of the text. */
static bool
announces(struct collector *c)
{
	struct slice t = slice_from(buf_slice(&c->text), c->segment), digits;
	size_t open = slice_rfind(t, '{');
	uint64_t n;

	if (open == t.n || t.p[t.n - 1] != '}')
		return false;
	digits = slice_of(t.p + open + 1, t.n - open - 2);
	c->literal.waits = digits.n == 0 || digits.p[digits.n - 1] != '+';
	if (!c->literal.waits)
		digits.n--;
	if (!slice_to_u64(digits, 0, INT64_MAX, &n))
		return false;
	c->literal.bytes = n;
	c->literal.binary = open > 0 && t.p[open - 1] == '~';
	c->segment += open - (c->literal.binary ? 1 : 0);
	return true;
}

bool
collect_literal_keep(struct collector *c)
{
	struct buf *t = &c->text;
	size_t kept;

	assert(c->state == ASK);
	/* The text without its lines; this one's CRLF comes back below. */
	kept = t->n + 2 - c->line;
	if (c->literals > COMMAND_LITERALS ||
	    c->literal.bytes > t->max - c->line_max - kept)
		return false;
	buf_add_str(t, "\r\n");
	c->left = c->literal.bytes;
	c->state = KEEP;
	return true;
}

void
collect_literal_pass(struct collector *c)
{
	assert(c->state == ASK);
	c->text.n = c->segment;
	c->left = c->literal.bytes;
	c->state = c->left > 0 ? PASS : LINE;
}

void
collect_literal_skip(struct collector *c)
{
	assert(c->state == ASK);
	c->text.n = c->segment;
	c->left = c->literal.bytes;
	c->state = SKIP;
	c->skipped = true;
}

/* ---- reading ------------------------------------------------------------- */

static bool	 take_run(struct cursor *, unsigned mask, struct slice *);
static bool	 unquote(struct cursor *, struct slice raw, struct slice *);
static int64_t	 days_of(int year, unsigned month, unsigned day);
static bool	 take_date(struct slice *, bool fixed, int64_t *);

struct cursor
cursor_of(struct slice text, struct arena *arena)
{
	return (struct cursor){ .rest = text, .arena = arena };
}

bool
cur_end(const struct cursor *c)
{
	return c->rest.n == 0;
}

char
cur_peek(const struct cursor *c)
{
	return c->rest.n == 0 ? '\0' : c->rest.p[0];
}

bool
cur_byte(struct cursor *c, char byte)
{
	if (c->rest.n == 0 || c->rest.p[0] != byte)
		return false;
	c->rest = slice_from(c->rest, 1);
	return true;
}

bool
cur_sp(struct cursor *c)
{
	return cur_byte(c, ' ');
}

bool
cur_open(struct cursor *c)
{
	if (c->depth == COMMAND_NESTING || !cur_byte(c, '('))
		return false;
	c->depth++;
	return true;
}

bool
cur_close(struct cursor *c)
{
	if (c->depth == 0 || !cur_byte(c, ')'))
		return false;
	c->depth--;
	return true;
}

bool
cur_word(struct cursor *c, const char *word)
{
	struct slice w = slice_str(word);

	if (!slice_starts_nocase(c->rest, w) ||
	    (c->rest.n > w.n && imap_is(c->rest.p[w.n], IC_ATOM)))
		return false;
	c->rest = slice_from(c->rest, w.n);
	return true;
}

bool
cur_sp_word(struct cursor *c, const char *word)
{
	struct cursor at = *c;

	if (!cur_sp(&at) || !cur_word(&at, word))
		return false;
	*c = at;
	return true;
}

static bool
take_run(struct cursor *c, unsigned mask, struct slice *r)
{
	size_t n = 0;

	while (n < c->rest.n && imap_is(c->rest.p[n], mask))
		n++;
	if (n == 0)
		return false;
	*r = slice_first(c->rest, n);
	c->rest = slice_from(c->rest, n);
	return true;
}

bool
cur_tag(struct cursor *c, struct slice *r)
{
	return take_run(c, IC_TAG, r);
}

bool
cur_atom(struct cursor *c, struct slice *r)
{
	return take_run(c, IC_ATOM, r);
}

bool
cur_quoted(struct cursor *c, struct slice *r)
{
	struct slice in = c->rest;
	bool escapes = false;
	size_t i;

	if (in.n == 0 || in.p[0] != '"')
		return false;
	for (i = 1; i < in.n && in.p[i] != '"'; i++) {
		if (in.p[i] == '\\') {
			escapes = true;
			if (++i == in.n || (in.p[i] != '"' && in.p[i] != '\\'))
				return false;
		} else if (!imap_is(in.p[i], IC_QUOTED) &&
		    (!c->utf8 || (in.p[i] & 0x80) == 0))
			return false;
	}
	if (i >= in.n)
		return false;
	in = slice_of(in.p + 1, i - 1);
	if (c->utf8 && !slice_is_utf8(in))
		return false;
	if (escapes && !unquote(c, in, &in))
		return false;
	*r = in;
	c->rest = slice_from(c->rest, i + 1);
	return true;
}

static bool
unquote(struct cursor *c, struct slice raw, struct slice *r)
{
	char *to = arena_alloc(c->arena, raw.n);
	size_t i, n = 0;

	if (to == NULL)
		return false;
	for (i = 0; i < raw.n; i++) {
		if (raw.p[i] == '\\')
			i++;
		to[n++] = raw.p[i];
	}
	*r = slice_of(to, n);
	return true;
}

bool
cur_literal(struct cursor *c, struct slice *r, bool *binary_r)
{
	struct slice in = c->rest;
	bool binary = in.n > 0 && in.p[0] == '~';
	uint64_t n;

	if (binary && binary_r == NULL)
		return false;
	if (binary)
		in = slice_from(in, 1);
	if (in.n == 0 || in.p[0] != '{')
		return false;
	in = slice_from(in, 1);
	if (parse_u64(&in, &n) != PARSE_OK)
		return false;
	if (in.n > 0 && in.p[0] == '+')
		in = slice_from(in, 1);
	if (!slice_starts(in, SLICE_LIT("}\r\n")) || in.n - 3 < n)
		return false;
	*r = slice_of(in.p + 3, (size_t)n);
	/* Only a literal8 may have NUL. */
	if (!binary && slice_find(*r, '\0') < r->n)
		return false;
	if (binary_r != NULL)
		*binary_r = binary;
	c->rest = slice_from(in, 3 + (size_t)n);
	return true;
}

bool
cur_string(struct cursor *c, struct slice *r)
{
	return cur_quoted(c, r) || cur_literal(c, r, NULL);
}

bool
cur_nstring(struct cursor *c, struct slice *r)
{
	if (!cur_word(c, "NIL"))
		return cur_string(c, r);
	*r = (struct slice){ NULL, 0 };
	return true;
}

bool
cur_astring(struct cursor *c, struct slice *r)
{
	return take_run(c, IC_ASTRING, r) || cur_string(c, r);
}

bool
cur_list_mailbox(struct cursor *c, struct slice *r)
{
	return take_run(c, IC_LIST, r) || cur_string(c, r);
}

bool
cur_flag(struct cursor *c, struct slice *r)
{
	struct cursor at = *c;
	struct slice word;

	cur_byte(&at, '\\');
	if (!cur_atom(&at, &word))
		return false;
	*r = slice_of(c->rest.p, (size_t)(at.rest.p - c->rest.p));
	*c = at;
	return true;
}

bool
cur_number64(struct cursor *c, uint64_t *r)
{
	struct slice in = c->rest;
	uint64_t v;

	if (parse_u64(&in, &v) != PARSE_OK || v > INT64_MAX)
		return false;
	c->rest = in;
	*r = v;
	return true;
}

bool
cur_nz_number(struct cursor *c, uint32_t *r)
{
	struct cursor at = *c;
	uint64_t v;

	if (at.rest.n == 0 || at.rest.p[0] == '0' ||
	    !cur_number64(&at, &v) || v > UINT32_MAX)
		return false;
	*c = at;
	*r = (uint32_t)v;
	return true;
}

/* Proleptic Gregorian, years from 0 on; months from 1. */
static int64_t
days_of(int year, unsigned month, unsigned day)
{
	unsigned m = month > 2 ? month - 3 : month + 9;
	int y = month > 2 ? year : year - 1;
	int era = (y >= 0 ? y : y - 399) / 400;
	unsigned of_era = (unsigned)(y - era * 400);
	unsigned of_year = (153 * m + 2) / 5 + day - 1;

	return (int64_t)era * 146097 + of_era * 365 + of_era / 4 -
	    of_era / 100 + of_year - 719468;
}

static bool
take_digits(struct slice *in, size_t n, unsigned *r)
{
	uint64_t v;

	if (in->n < n || !slice_to_u64(slice_first(*in, n), 0, 9999, &v))
		return false;
	*in = slice_from(*in, n);
	*r = (unsigned)v;
	return true;
}

static bool
take_month(struct slice *in, unsigned *r)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	unsigned m;

	for (m = 0; m < 12 && in->n >= 3; m++)
		if (slice_eq_nocase(slice_first(*in, 3),
		    slice_of(months + 3 * m, 3))) {
			*in = slice_from(*in, 3);
			*r = m + 1;
			return true;
		}
	return false;
}

static bool
take_byte(struct slice *in, char c)
{
	if (in->n == 0 || in->p[0] != c)
		return false;
	*in = slice_from(*in, 1);
	return true;
}

static bool
day_exists(unsigned year, unsigned month, unsigned day)
{
	static const uint8_t days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31,
		30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return day >= 1 && day <= days[month - 1] &&
	    (month != 2 || day < 29 || leap);
}

/* fixed: the day has two places, the first of which may be SP. */
static bool
take_date(struct slice *io, bool fixed, int64_t *days_r)
{
	struct slice in = *io;
	unsigned d, m, y;
	bool one = in.n > 1 && in.p[1] == '-';

	if (fixed && take_byte(&in, ' '))
		one = true;
	else if (fixed && one)
		return false;
	if (!take_digits(&in, one ? 1 : 2, &d) || !take_byte(&in, '-') ||
	    !take_month(&in, &m) || !take_byte(&in, '-') ||
	    !take_digits(&in, 4, &y) || !day_exists(y, m, d))
		return false;
	*days_r = days_of((int)y, m, d);
	*io = in;
	return true;
}

bool
cur_date(struct cursor *c, int64_t *days_r)
{
	struct slice in = c->rest;
	bool quoted = take_byte(&in, '"');

	if (!take_date(&in, false, days_r) || (quoted && !take_byte(&in, '"')))
		return false;
	c->rest = in;
	return true;
}

bool
cur_date_time(struct cursor *c, int64_t *ms_r)
{
	struct slice in = c->rest;
	unsigned h, m, s, zh, zm;
	int64_t days, zone;
	bool west;

	if (!take_byte(&in, '"') || !take_date(&in, true, &days) ||
	    !take_byte(&in, ' ') || !take_digits(&in, 2, &h) || h > 23 ||
	    !take_byte(&in, ':') || !take_digits(&in, 2, &m) || m > 59 ||
	    !take_byte(&in, ':') || !take_digits(&in, 2, &s) || s > 60 ||
	    !take_byte(&in, ' '))
		return false;
	west = take_byte(&in, '-');
	if ((!west && !take_byte(&in, '+')) || !take_digits(&in, 2, &zh) ||
	    !take_digits(&in, 2, &zm) || zm > 59 || !take_byte(&in, '"'))
		return false;
	zone = (int64_t)(zh * 60 + zm) * 60000;
	*ms_r = days * 86400000 + (int64_t)(h * 60 + m) * 60000 +
	    (int64_t)s * 1000 - (west ? -zone : zone);
	c->rest = in;
	return true;
}
