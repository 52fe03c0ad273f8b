/* SPDX-License-Identifier: ISC */
/* esmtp - see esmtp.h.  Parameters are two tables: a row says how a value is
 * read and what is answered when it cannot be. */
#include "base/num.h"
#include "mail/address.h"
#include "mail/chars.h"
#include "mail/esmtp.h"
#include "mail/header.h"
#include "mail/utf8.h"

struct param_rule {
	const char	*keyword;
	unsigned	 has;
	enum { NO_VALUE, VALUE } value;
	bool		(*read)(struct arena *, struct slice, void *params);
	const char	*text;		/* why it is refused */
};

static bool	params_parse(const struct param_rule *, struct slice,
		    struct arena *, void *params, unsigned *has,
		    struct esmtp_error *);
static const struct param_rule *param_check(const struct param_rule *,
		    struct slice param, struct slice *value_r,
		    struct esmtp_error *);
static bool	param_is_valid(struct slice name, struct slice value);
static bool	read_size(struct arena *, struct slice, void *);
static bool	read_body(struct arena *, struct slice, void *);
static bool	read_ret(struct arena *, struct slice, void *);
static bool	read_envid(struct arena *, struct slice, void *);
static bool	read_smtputf8(struct arena *, struct slice, void *);
static bool	read_auth(struct arena *, struct slice, void *);
static bool	read_holdfor(struct arena *, struct slice, void *);
static bool	read_holduntil(struct arena *, struct slice, void *);
static bool	read_by(struct arena *, struct slice, void *);
static bool	read_priority(struct arena *, struct slice, void *);
static bool	read_requiretls(struct arena *, struct slice, void *);
static bool	read_notify(struct arena *, struct slice, void *);
static bool	read_orcpt(struct arena *, struct slice, void *);
static bool	orcpt_decode(struct arena *, struct slice type,
		    struct slice value, struct slice *text_r);
static bool	unitext_decode(struct arena *, struct slice, struct slice *);
static size_t	unitext_char(struct slice, char to[4], size_t *n_r);
static bool	is_graphic(struct slice);

static const struct param_rule mail_rules[] = {
	{ "SIZE", MAIL_HAS_SIZE, VALUE, read_size,
	    "5.5.4 SIZE takes a number" },
	{ "BODY", MAIL_HAS_BODY, VALUE, read_body,
	    "5.5.4 BODY is 7BIT, 8BITMIME or BINARYMIME" },
	{ "SMTPUTF8", MAIL_HAS_SMTPUTF8, NO_VALUE, read_smtputf8,
	    "5.5.4 SMTPUTF8 takes no value" },
	{ "RET", MAIL_HAS_RET, VALUE, read_ret, "5.5.4 RET is FULL or HDRS" },
	{ "ENVID", MAIL_HAS_ENVID, VALUE, read_envid,
	    "5.5.4 ENVID is xtext of at most 100 characters" },
	{ "AUTH", MAIL_HAS_AUTH, VALUE, read_auth,
	    "5.5.4 AUTH is <> or an address as xtext" },
	{ "HOLDFOR", MAIL_HAS_HOLDFOR, VALUE, read_holdfor,
	    "5.5.4 HOLDFOR is a number of seconds" },
	{ "HOLDUNTIL", MAIL_HAS_HOLDUNTIL, VALUE, read_holduntil,
	    "5.5.4 HOLDUNTIL is a time such as 2027-01-31T12:00:00Z" },
	{ "BY", MAIL_HAS_BY, VALUE, read_by,
	    "5.5.4 BY is a number of seconds, ';', and R or N" },
	{ "MT-PRIORITY", MAIL_HAS_PRIORITY, VALUE, read_priority,
	    "5.5.4 MT-PRIORITY is a number from -9 to 9" },
	{ "REQUIRETLS", MAIL_HAS_REQUIRETLS, NO_VALUE, read_requiretls,
	    "5.5.4 REQUIRETLS takes no value" },
	{ NULL, 0, NO_VALUE, NULL, NULL },
};

static const struct param_rule rcpt_rules[] = {
	{ "NOTIFY", RCPT_HAS_NOTIFY, VALUE, read_notify,
	    "5.5.4 NOTIFY is NEVER, or some of SUCCESS,FAILURE,DELAY" },
	{ "ORCPT", RCPT_HAS_ORCPT, VALUE, read_orcpt,
	    "5.5.4 ORCPT is a type, ';' and an address as xtext" },
	{ NULL, 0, NO_VALUE, NULL, NULL },
};

bool
mail_params_parse(struct slice s, struct arena *a, struct mail_params *p_r,
    struct esmtp_error *e)
{
	struct mail_params p = {
		.envid = SLICE_EMPTY, .auth = SLICE_EMPTY,
	};

	if (!params_parse(mail_rules, s, a, &p, &p.has, e))
		return false;
	*p_r = p;
	return true;
}

bool
rcpt_params_parse(struct slice s, struct arena *a, struct rcpt_params *p_r,
    struct esmtp_error *e)
{
	struct rcpt_params p = { .orcpt = SLICE_EMPTY };

	if (!params_parse(rcpt_rules, s, a, &p, &p.has, e))
		return false;
	*p_r = p;
	return true;
}

static bool
params_parse(const struct param_rule *rules, struct slice s, struct arena *a,
    void *params, unsigned *has, struct esmtp_error *e)
{
	const struct param_rule *r;
	struct slice param, value;

	if (s.n > 0 && s.p[0] != ' ') {
		*e = (struct esmtp_error){ 501, "5.5.4 A space is missing" };
		return false;
	}
	while (slice_next(&s, ' ', &param)) {
		if (param.n == 0)
			continue;
		r = param_check(rules, param, &value, e);
		if (r == NULL)
			return false;
		*e = (struct esmtp_error){ 501, r->text };
		if ((*has & r->has) != 0)
			e->text = "5.5.4 A parameter is given twice";
		if ((*has & r->has) != 0 || !r->read(a, value, params))
			return false;
		*has |= r->has;
	}
	*e = (struct esmtp_error){ 0, NULL };
	return true;
}

/* The rule of a parameter and its value; NULL and why. */
static const struct param_rule *
param_check(const struct param_rule *r, struct slice param,
    struct slice *value_r, struct esmtp_error *e)
{
	size_t eq = slice_find(param, '=');
	struct slice name = slice_first(param, eq), value = SLICE_EMPTY;

	if (eq < param.n)
		value = slice_from(param, eq + 1);
	if (!param_is_valid(name, value)) {
		*e = (struct esmtp_error){ 501, "5.5.4 Malformed parameter" };
		return NULL;
	}
	while (r->keyword != NULL &&
	    !slice_eq_nocase(name, slice_str(r->keyword)))
		r++;
	if (r->keyword == NULL) {
		*e = (struct esmtp_error){ 555, "5.5.4 Unknown parameter" };
		return NULL;
	}
	if ((r->value == VALUE) != (eq < param.n)) {
		*e = (struct esmtp_error){ 501, r->text };
		return NULL;
	}
	*value_r = value;
	return r;
}

/* esmtp-keyword and esmtp-value, RFC 5321 4.1.2; RFC 6531 3.3 adds UTF-8. */
static bool
param_is_valid(struct slice name, struct slice value)
{
	size_t i;

	if (name.n == 0 || name.p[0] == '-')
		return false;
	for (i = 0; i < name.n; i++)
		if (!char_is(name.p[i], CH_LDH))
			return false;
	for (i = 0; i < value.n; i++)
		if ((unsigned char)value.p[i] <= ' ' || value.p[i] == '=' ||
		    value.p[i] == 127)
			return false;
	return slice_is_utf8(value);
}

static bool
read_size(struct arena *a, struct slice s, void *params)
{
	struct mail_params *p = params;

	(void)a;
	return s.n <= 20 && slice_to_u64(s, 0, UINT64_MAX, &p->size);
}

static bool
read_body(struct arena *a, struct slice s, void *params)
{
	struct mail_params *p = params;

	(void)a;
	if (slice_eq_nocase(s, SLICE_LIT("7BIT")))
		p->body = BODY_7BIT;
	else if (slice_eq_nocase(s, SLICE_LIT("8BITMIME")))
		p->body = BODY_8BITMIME;
	else if (slice_eq_nocase(s, SLICE_LIT("BINARYMIME")))
		p->body = BODY_BINARYMIME;
	else
		return false;
	return true;
}

static bool
read_ret(struct arena *a, struct slice s, void *params)
{
	struct mail_params *p = params;

	(void)a;
	if (slice_eq_nocase(s, SLICE_LIT("FULL")))
		p->ret = RET_FULL;
	else if (slice_eq_nocase(s, SLICE_LIT("HDRS")))
		p->ret = RET_HDRS;
	else
		return false;
	return true;
}

static bool
read_envid(struct arena *a, struct slice s, void *params)
{
	struct mail_params *p = params;

	return xtext_decode(a, s, &p->envid) == PARSE_OK && p->envid.n > 0 &&
	    p->envid.n <= ENVID_BYTES && is_graphic(p->envid);
}

static bool
read_smtputf8(struct arena *a, struct slice s, void *params)
{
	struct mail_params *p = params;

	(void)a;
	(void)s;
	p->smtputf8 = true;
	return true;
}

static bool
read_auth(struct arena *a, struct slice s, void *params)
{
	struct mail_params *p = params;
	struct address addr;

	if (xtext_decode(a, s, &p->auth) != PARSE_OK)
		return false;
	return slice_eq(p->auth, SLICE_LIT("<>")) ||
	    address_parse(p->auth, ADDRESS_UTF8 | ADDRESS_BARE, &addr) ==
		PARSE_OK;
}

/* RFC 4865 section 3: 1*9DIGIT, from 1. */
static bool
read_holdfor(struct arena *a, struct slice s, void *params)
{
	struct mail_params *p = params;
	uint64_t v;

	(void)a;
	if (s.n > 9 || !slice_to_u64(s, 1, 999999999, &v))
		return false;
	p->hold_s = (uint32_t)v;
	return true;
}

static bool
read_holduntil(struct arena *a, struct slice s, void *params)
{
	struct mail_params *p = params;

	(void)a;
	return date_parse_3339(s, &p->hold_until_ms);
}

/* RFC 2852 section 4: ["-" / "+"] 1*9DIGIT ";" ("R" / "N") ["T"]. */
static bool
read_by(struct arena *a, struct slice s, void *params)
{
	struct mail_params *p = params;
	size_t semi = slice_find(s, ';');
	struct slice number = slice_first(s, semi), mode;
	bool minus = number.n > 0 && number.p[0] == '-';
	uint64_t v;

	(void)a;
	if (minus || (number.n > 0 && number.p[0] == '+'))
		number = slice_from(number, 1);
	if (semi == s.n || number.n > 9 ||
	    !slice_to_u64(number, 0, 999999999, &v))
		return false;
	mode = slice_from(s, semi + 1);
	if (mode.n == 2 && ascii_lower(mode.p[1]) == 't') {
		p->by_trace = true;
		mode.n--;
	}
	if (slice_eq_nocase(mode, SLICE_LIT("R")))
		p->by_mode = BY_RETURN;
	else if (slice_eq_nocase(mode, SLICE_LIT("N")))
		p->by_mode = BY_NOTIFY;
	else
		return false;
	p->by_s = minus ? -(int64_t)v : (int64_t)v;
	return true;
}

static bool
read_priority(struct arena *a, struct slice s, void *params)
{
	struct mail_params *p = params;
	bool minus = s.n > 0 && s.p[0] == '-';
	uint64_t v;

	(void)a;
	if (minus)
		s = slice_from(s, 1);
	if (s.n != 1 || !slice_to_u64(s, minus ? 1 : 0, 9, &v))
		return false;
	p->priority = minus ? -(int)v : (int)v;
	return true;
}

static bool
read_requiretls(struct arena *a, struct slice s, void *params)
{
	struct mail_params *p = params;

	(void)a;
	(void)s;
	p->require_tls = true;
	return true;
}

static bool
read_notify(struct arena *a, struct slice s, void *params)
{
	static const struct {
		const char	*name;
		uint8_t		 bit;
	} words[] = {
		{ "NEVER", NOTIFY_NEVER }, { "SUCCESS", NOTIFY_SUCCESS },
		{ "FAILURE", NOTIFY_FAILURE }, { "DELAY", NOTIFY_DELAY },
	};
	struct rcpt_params *p = params;
	struct slice word;
	size_t i;

	(void)a;
	while (slice_next(&s, ',', &word)) {
		for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (slice_eq_nocase(word, slice_str(words[i].name)))
				break;
		if (i == sizeof(words) / sizeof(words[0]))
			return false;
		p->notify |= words[i].bit;
	}
	return (p->notify & NOTIFY_NEVER) == 0 || p->notify == NOTIFY_NEVER;
}

/* addr-type ";" xtext; the type is an atom. */
static bool
read_orcpt(struct arena *a, struct slice s, void *params)
{
	struct rcpt_params *p = params;
	size_t i, semi = slice_find(s, ';');

	if (semi == 0 || semi == s.n)
		return false;
	for (i = 0; i < semi; i++)
		if (!char_is(s.p[i], CH_ATEXT))
			return false;
	return orcpt_decode(a, slice_first(s, semi), slice_from(s, semi + 1),
	    &p->orcpt);
}

static bool
orcpt_decode(struct arena *a, struct slice type, struct slice value,
    struct slice *text_r)
{
	struct slice text;
	char *p;

	if (slice_eq_nocase(type, SLICE_LIT("utf-8"))) {
		if (!unitext_decode(a, value, &text))
			return false;
	} else if (xtext_decode(a, value, &text) != PARSE_OK ||
	    !slice_is_ascii(text))
		return false;
	if (text.n == 0 || !is_graphic(text) ||
	    type.n + 1 + text.n > ORCPT_BYTES)
		return false;
	p = arena_alloc(a, type.n + 1 + text.n);
	if (p == NULL)
		return false;
	memcpy(p, type.p, type.n);
	p[type.n] = ';';
	memcpy(p + type.n + 1, text.p, text.n);
	*text_r = slice_of(p, type.n + 1 + text.n);
	return true;
}

/* utf-8-addr-xtext and -unitext of RFC 6533 section 3: UTF-8 in which
 * "\x{HEX}" stands for a character. */
static bool
unitext_decode(struct arena *a, struct slice s, struct slice *text_r)
{
	char *p = arena_alloc(a, s.n), c[4];
	size_t n = 0, len, used;

	if (p == NULL || !slice_is_utf8(s))
		return false;
	while (s.n > 0) {
		if (s.p[0] != '\\') {
			p[n++] = s.p[0];
			s = slice_from(s, 1);
			continue;
		}
		used = unitext_char(s, c, &len);
		if (used == 0)
			return false;
		memcpy(p + n, c, len);	/* shorter than its escape */
		n += len;
		s = slice_from(s, used);
	}
	*text_r = slice_of(p, n);
	return true;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "\x{" 2*6HEXDIG "}" at the front; the bytes used, 0: it is none. */
static size_t
unitext_char(struct slice s, char to[4], size_t *n_r)
{
	uint32_t v = 0;
	size_t i;

	if (!slice_starts(s, SLICE_LIT("\\x{")))
		return 0;
	for (i = 3; i < s.n && i < 9 && hex_value(s.p[i]) >= 0; i++)
		v = v << 4 | (uint32_t)hex_value(s.p[i]);
	if (i < 5 || i == s.n || s.p[i] != '}' || v > 0x10ffff ||
	    (v >= 0xd800 && v <= 0xdfff))
		return 0;
	*n_r = utf8_encode(v, to);
	return i + 1;
}

/* Without control characters: what is decoded goes into header fields. */
static bool
is_graphic(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 127)
			return false;
	return true;
}

static int
unitext_encode(struct buf *b, struct slice s, bool utf8)
{
	uint32_t v;
	struct slice c;

	if (!slice_is_utf8(s))
		return -1;
	while (s.n > 0) {
		c = s;
		v = utf8_decode(&s);
		c.n -= s.n;
		if ((v < 0x80 && v > ' ' && v < 127 && v != '\\' && v != '+' &&
			v != '=') || (v >= 0x80 && utf8)) {
			if (buf_add(b, c) != 0)
				return -1;
		} else if (buf_printf(b, "\\x{%02X}", v) != 0)
			return -1;
	}
	return 0;
}

int
orcpt_encode(struct buf *b, struct slice orcpt, bool utf8)
{
	size_t semi = slice_find(orcpt, ';'), n = b->n;
	struct slice type = slice_first(orcpt, semi), rest;

	if (semi == orcpt.n)
		return -1;
	rest = slice_from(orcpt, semi + 1);
	if (buf_add(b, type) == 0 && buf_add_byte(b, ';') == 0 &&
	    (slice_eq_nocase(type, SLICE_LIT("utf-8")) ?
		unitext_encode(b, rest, utf8) : xtext_encode(b, rest)) == 0)
		return 0;
	b->n = n;
	return -1;
}

int
xtext_encode(struct buf *b, struct slice s)
{
	size_t i, n = b->n;

	for (i = 0; i < s.n; i++) {
		if (char_is(s.p[i], CH_XTEXT) ?
			buf_add_byte(b, s.p[i]) != 0 :
			buf_printf(b, "+%02X", (unsigned char)s.p[i]) != 0) {
			b->n = n;
			return -1;
		}
	}
	return 0;
}

enum parse
xtext_decode(struct arena *a, struct slice s, struct slice *text_r)
{
	char *p = arena_alloc(a, s.n);
	size_t i, n = 0;

	if (p == NULL)
		return PARSE_BAD;
	for (i = 0; i < s.n; i++) {
		if (char_is(s.p[i], CH_XTEXT)) {
			p[n++] = s.p[i];
			continue;
		}
		if (s.p[i] != '+' || s.n - i < 3 ||
		    hex_value(s.p[i + 1]) < 0 || hex_value(s.p[i + 2]) < 0)
			return PARSE_BAD;
		p[n++] = (char)(hex_value(s.p[i + 1]) << 4 |
		    hex_value(s.p[i + 2]));
		i += 2;
	}
	*text_r = slice_of(p, n);
	return PARSE_OK;
}
