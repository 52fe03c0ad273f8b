/* SPDX-License-Identifier: ISC */
/* ehlo - a server's replies: what it offers, and any reply (esmtp.h). */
#include "base/num.h"
#include "mail/esmtp.h"

static const struct {
	const char	*keyword;
	unsigned	 offer;
} offers[] = {
	{ "PIPELINING", EHLO_PIPELINING }, { "SIZE", EHLO_SIZE },
	{ "8BITMIME", EHLO_8BITMIME }, { "DSN", EHLO_DSN },
	{ "ENHANCEDSTATUSCODES", EHLO_ENHANCED },
	{ "CHUNKING", EHLO_CHUNKING }, { "BINARYMIME", EHLO_BINARYMIME },
	{ "SMTPUTF8", EHLO_SMTPUTF8 }, { "STARTTLS", EHLO_STARTTLS },
	{ "LIMITS", EHLO_LIMITS }, { "AUTH", EHLO_AUTH },
	{ "REQUIRETLS", EHLO_REQUIRETLS }, { "DELIVERBY", EHLO_DELIVERBY },
	{ "MT-PRIORITY", EHLO_MT_PRIORITY },
};

static bool	take_word(struct slice *, struct slice *word_r);
static void	ehlo_limit(struct ehlo *, struct slice);
static bool	reply_add(struct reply *, struct slice);
static enum parse reply_line(struct reply *);
static bool	reply_code(struct slice, uint16_t *code_r);

void
ehlo_line(struct ehlo *e, struct slice s)
{
	struct slice keyword, word;
	unsigned offer = 0;
	size_t i;

	if (!take_word(&s, &keyword))
		return;
	/* "AUTH=PLAIN" is how drafts of RFC 2554 had it. */
	keyword.n = slice_find(keyword, '=');
	for (i = 0; i < sizeof(offers) / sizeof(offers[0]); i++)
		if (slice_eq_nocase(keyword, slice_str(offers[i].keyword)))
			offer = offers[i].offer;
	e->offers |= offer;
	while (take_word(&s, &word)) {
		if (offer == EHLO_SIZE)
			(void)slice_to_u64(word, 0, UINT64_MAX, &e->size);
		else if (offer == EHLO_DELIVERBY)
			(void)slice_to_u64(slice_first(word,
			    slice_find(word, ',')), 0, 999999999,
			    &e->min_by_s);
		else if (offer == EHLO_LIMITS)
			ehlo_limit(e, word);
	}
}

static bool
take_word(struct slice *s, struct slice *word_r)
{
	size_t i;

	*s = slice_trim(*s);
	if (s->n == 0)
		return false;
	for (i = 0; i < s->n && s->p[i] != ' ' && s->p[i] != '\t'; i++)
		;
	*word_r = slice_first(*s, i);
	*s = slice_from(*s, i);
	return true;
}

/* RFC 9422 section 4: a number of 1 to 6 digits, not 0. */
static void
ehlo_limit(struct ehlo *e, struct slice word)
{
	size_t eq = slice_find(word, '=');
	struct slice name = slice_first(word, eq);
	uint64_t v;

	if (eq == word.n ||
	    !slice_to_u64(slice_from(word, eq + 1), 1, 999999, &v))
		return;
	if (slice_eq_nocase(name, SLICE_LIT("RCPTMAX")))
		e->rcpt_max = v;
	else if (slice_eq_nocase(name, SLICE_LIT("MAILMAX")))
		e->mail_max = v;
	else if (slice_eq_nocase(name, SLICE_LIT("RCPTDOMAINMAX")))
		e->rcpt_domain_max = v;
}

void
reply_init(struct reply *r)
{
	*r = (struct reply){ .text = BUF_INIT(REPLY_BYTES) };
}

void
reply_reset(struct reply *r)
{
	buf_reset(&r->text);
	r->code = 0;
	r->lines = 0;
	r->line = 0;
	r->cut = 0;
}

void
reply_clear(struct reply *r)
{
	buf_clear(&r->text);
	reply_reset(r);
}

enum parse
reply_feed(struct reply *r, struct slice *in)
{
	size_t n;
	bool whole;
	enum parse result = PARSE_MORE;

	while (in->n > 0 && result == PARSE_MORE) {
		n = slice_find(*in, '\n');
		whole = n < in->n;
		if (!reply_add(r, slice_first(*in, n)))
			return PARSE_BAD;
		*in = slice_from(*in, whole ? n + 1 : n);
		if (whole)
			result = reply_line(r);
	}
	return result;
}

/* A part of a line, kept raw behind the text of the lines before it. */
static bool
reply_add(struct reply *r, struct slice s)
{
	size_t room = REPLY_LINE_BYTES - (r->text.n - r->line);

	if (s.n > room) {
		r->cut += s.n - room;
		s.n = room;
	}
	return r->cut <= REPLY_CUT_BYTES && buf_add(&r->text, s) == 0;
}

/* A line is whole: takes its code off and joins it to those before. */
static enum parse
reply_line(struct reply *r)
{
	struct buf *b = &r->text;
	struct slice s = slice_from(buf_slice(b), r->line);
	uint16_t code;
	bool last;

	while (s.n > 0 && s.p[s.n - 1] == '\r')
		s.n--;
	if (!reply_code(s, &code) ||
	    (r->lines > 0 && code / 100 != r->code / 100) ||
	    r->lines == REPLY_LINES)
		return PARSE_BAD;
	last = s.n == 3 || s.p[3] != '-';
	s = slice_from(s, s.n == 3 ? 3 : 4);
	if (s.n > 0)
		memmove(b->p + r->line, s.p, s.n);
	b->n = r->line + s.n;
	r->code = code;
	r->lines++;
	if (last)
		return PARSE_OK;
	if (buf_add_byte(b, '\n') != 0)
		return PARSE_BAD;
	r->line = b->n;
	return PARSE_MORE;
}

/* Reply-code of RFC 5321 4.2, then SP, '-' or the end of the line. */
static bool
reply_code(struct slice s, uint16_t *code_r)
{
	uint64_t v;

	if (s.n < 3 || !slice_to_u64(slice_first(s, 3), 200, 599, &v) ||
	    (s.n > 3 && s.p[3] != ' ' && s.p[3] != '-' && s.p[3] != '\t'))
		return false;
	*code_r = (uint16_t)v;
	return true;
}
