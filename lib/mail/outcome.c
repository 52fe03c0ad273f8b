/* SPDX-License-Identifier: ISC */
/* outcome - see outcome.h. */
#include <stdio.h>

#include "base/num.h"
#include "mail/outcome.h"

#define REMOTE_BYTES	600	/* name[address]:port */

enum { FAULT_SITE = 1, FAULT_CONTENT = 2 };

static int	put_words(struct buf *, struct slice);
static struct slice get_words(struct wire *);
static bool	words_are_clean(struct slice);
static bool	enhanced_is_valid(struct enhanced);
static bool	take_number(struct slice *, uint16_t *);

int
outcome_pack(struct buf *b, const struct outcome *o)
{
	size_t n = b->n;
	struct slice remote = o->remote;

	if (remote.n > REMOTE_BYTES)
		remote.n = REMOTE_BYTES;
	if (put_u8(b, (uint8_t)o->status) == 0 &&
	    put_u8(b, o->enhanced.class) == 0 &&
	    put_u16(b, o->enhanced.subject) == 0 &&
	    put_u16(b, o->enhanced.detail) == 0 && put_u16(b, o->code) == 0 &&
	    put_u8(b, (uint8_t)((o->site ? FAULT_SITE : 0) |
	    (o->damaged ? FAULT_CONTENT : 0))) == 0 && put_slice(b, remote) == 0 &&
	    put_words(b, o->text) == 0)
		return 0;
	b->n = n;
	return -1;
}

/* A peer's words, cut to the limit, not within a UTF-8 sequence; control
 * characters other than the '\n' between lines are replaced, so that a peer's
 * terminal tricks end here. */
static int
put_words(struct buf *b, struct slice s)
{
	char *p;
	size_t i;

	if (s.n > OUTCOME_TEXT_BYTES) {
		s.n = OUTCOME_TEXT_BYTES;
		while (s.n > OUTCOME_TEXT_BYTES - 4 &&
		    ((unsigned char)s.p[s.n] & 0xc0) == 0x80)
			s.n--;
	}
	if (put_slice(b, s) != 0)
		return -1;
	p = b->p + b->n - s.n;
	for (i = 0; i < s.n; i++)
		if (((unsigned char)p[i] < 0x20 && p[i] != '\n') ||
		    p[i] == 0x7f)
			p[i] = p[i] == '\t' ? ' ' : '?';
	return 0;
}

bool
outcome_unpack(struct wire *w, struct outcome *o_r)
{
	struct outcome o = { 0 };
	uint8_t status = get_enum(w, OUTCOME_FAILED), faults;

	if (status == 0)
		wire_fail(w);
	o.status = (enum outcome_status)status;
	o.enhanced.class = get_u8(w);
	o.enhanced.subject = get_u16(w);
	o.enhanced.detail = get_u16(w);
	o.code = get_u16(w);
	faults = get_enum(w, FAULT_SITE | FAULT_CONTENT);
	o.site = faults & FAULT_SITE;
	o.damaged = faults & FAULT_CONTENT;
	o.remote = get_text(w, REMOTE_BYTES);
	o.text = get_words(w);
	if (!enhanced_is_valid(o.enhanced) ||
	    (o.code != 0 && (o.code < 200 || o.code > 599)))
		wire_fail(w);
	if (w->bad)
		return false;
	*o_r = o;
	return true;
}

static struct slice
get_words(struct wire *w)
{
	struct slice s = get_slice(w, OUTCOME_TEXT_BYTES);

	if (words_are_clean(s))
		return s;
	wire_fail(w);
	return SLICE_EMPTY;
}

static bool
words_are_clean(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (((unsigned char)s.p[i] < 0x20 && s.p[i] != '\n') ||
		    s.p[i] == 0x7f)
			return false;
	return true;
}

static bool
enhanced_is_valid(struct enhanced e)
{
	return (e.class == 0 || e.class == 2 || e.class == 4 || e.class == 5) &&
	    e.subject <= 999 && e.detail <= 999;
}

const char *
outcome_name(enum outcome_status status)
{
	switch (status) {
	case OUTCOME_DELIVERED:
		return "delivered";
	case OUTCOME_RELAYED:
	case OUTCOME_RELAYED_NO_DSN:
		return "relayed";
	case OUTCOME_EXPANDED:
		return "expanded";
	case OUTCOME_DEFERRED:
		return "deferred";
	case OUTCOME_FAILED:
		return "failed";
	}
	return "?";
}

bool
enhanced_parse(struct slice *in, struct enhanced *e_r)
{
	struct slice s = *in;
	struct enhanced e = { 0 };

	if (s.n < 5 || (s.p[0] != '2' && s.p[0] != '4' && s.p[0] != '5') ||
	    s.p[1] != '.')
		return false;
	e.class = (uint8_t)(s.p[0] - '0');
	s = slice_from(s, 2);
	if (!take_number(&s, &e.subject) || s.n == 0 || s.p[0] != '.')
		return false;
	s = slice_from(s, 1);
	if (!take_number(&s, &e.detail) ||
	    (s.n > 0 && s.p[0] != ' ' && s.p[0] != '\t' && s.p[0] != '\r' &&
		s.p[0] != '\n'))
		return false;
	*in = s;
	*e_r = e;
	return true;
}

/* 1*3DIGIT. */
static bool
take_number(struct slice *s, uint16_t *v_r)
{
	uint64_t v;

	if (parse_u64(s, &v) != PARSE_OK || v > 999)
		return false;
	*v_r = (uint16_t)v;
	return true;
}

struct enhanced_text
enhanced_text(struct enhanced e)
{
	struct enhanced_text t;

	snprintf(t.s, sizeof(t.s), "%u.%u.%u", e.class % 10u,
	    e.subject % 1000u, e.detail % 1000u);
	return t;
}

struct enhanced
enhanced_for_code(uint16_t code)
{
	uint8_t class = (uint8_t)(code / 100);

	if (class != 2 && class != 4 && class != 5)
		class = 0;
	return (struct enhanced){ class, 0, 0 };
}
