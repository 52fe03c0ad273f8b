/* SPDX-License-Identifier: ISC */
/*
 * address - see address.h.
 *
 * The skip_*() functions take one production off the front of a slice and say
 * whether it was there; on false the slice may have moved, so callers work on
 * a copy.
 */
#include <arpa/inet.h>
#include <idn2.h>
#include <stdlib.h>

#include "mail/address.h"
#include "mail/chars.h"
#include "mail/envelope.h"

#define DOMAIN_BYTES	255	/* RFC 5321 4.5.3.1.2 */
#define LABEL_BYTES	63
/* RFC 5321 4.5.3.1.1 promises 64, but variable envelope return paths are
 * longer in the wild. */
#define LOCAL_BYTES	256

static bool	skip_byte(struct slice *, char);
static bool	skip_route(struct slice *, unsigned flags);
static bool	skip_mailbox(struct slice *, unsigned flags, struct address *);
static bool	skip_local(struct slice *, unsigned flags);
static bool	skip_dot_string(struct slice *, unsigned flags);
static bool	skip_quoted(struct slice *, unsigned flags);
static bool	skip_domain(struct slice *, unsigned flags);
static bool	skip_literal(struct slice *);
static bool	 literal_is_valid(struct slice);
static bool	is_dot_string(struct slice);
static bool	is_quoted(struct slice);
static bool	label_is_valid(struct slice, unsigned flags);
static int	domain_to_ascii(struct buf *, struct slice);
static void	fold_bytes(char *, size_t);

static bool
is_utf8_byte(char c, unsigned flags)
{
	return (flags & ADDRESS_UTF8) != 0 && (unsigned char)c >= 0x80;
}

enum parse
path_parse(struct slice *in, unsigned flags, struct address *a_r)
{
	struct slice s = *in;
	struct address a = { SLICE_EMPTY, SLICE_EMPTY };

	if (!skip_byte(&s, '<'))
		return PARSE_BAD;
	if ((flags & ADDRESS_NULL) == 0 || s.n == 0 || s.p[0] != '>') {
		if (s.n > 0 && s.p[0] == '@' && !skip_route(&s, flags))
			return PARSE_BAD;
		if (!skip_mailbox(&s, flags, &a))
			return PARSE_BAD;
	}
	if (!skip_byte(&s, '>'))
		return PARSE_BAD;
	*in = s;
	*a_r = a;
	return PARSE_OK;
}

enum parse
address_parse(struct slice s, unsigned flags, struct address *a_r)
{
	struct address a;

	if (!skip_mailbox(&s, flags, &a) || s.n != 0)
		return PARSE_BAD;
	*a_r = a;
	return PARSE_OK;
}

static bool
skip_byte(struct slice *s, char c)
{
	if (s->n == 0 || s->p[0] != c)
		return false;
	*s = slice_from(*s, 1);
	return true;
}

/* A-d-l ":", RFC 5321 4.1.2: "@a,@b:". */
static bool
skip_route(struct slice *s, unsigned flags)
{
	do {
		if (!skip_byte(s, '@') || !skip_domain(s, flags))
			return false;
	} while (skip_byte(s, ','));
	return skip_byte(s, ':');
}

static bool
skip_mailbox(struct slice *s, unsigned flags, struct address *a)
{
	struct slice from = *s;

	if (!skip_local(s, flags))
		return false;
	a->local = slice_first(from, from.n - s->n);
	a->domain = SLICE_EMPTY;
	if (!skip_byte(s, '@')) {
		if ((flags & ADDRESS_BARE) != 0)
			return true;
		return (flags & ADDRESS_LOCAL) != 0 &&
		    slice_eq_nocase(a->local, SLICE_LIT("postmaster"));
	}
	from = *s;
	if (!(s->n > 0 && s->p[0] == '[' ? skip_literal(s)
					 : skip_domain(s, flags)))
		return false;
	a->domain = slice_first(from, from.n - s->n);
	return true;
}

static bool
skip_local(struct slice *s, unsigned flags)
{
	struct slice from = *s, local;
	bool ok;

	ok = s->n > 0 && s->p[0] == '"' ? skip_quoted(s, flags)
					: skip_dot_string(s, flags);
	local = slice_first(from, from.n - s->n);
	return ok && local.n <= LOCAL_BYTES && slice_is_utf8(local);
}

/* Dot-string: Atom *("." Atom). */
static bool
skip_dot_string(struct slice *s, unsigned flags)
{
	size_t i;

	do {
		for (i = 0; i < s->n && (char_is(s->p[i], CH_ATEXT) ||
					    is_utf8_byte(s->p[i], flags)); i++)
			;
		if (i == 0)
			return false;
		*s = slice_from(*s, i);
	} while (skip_byte(s, '.'));
	return true;
}

/* Quoted-string: DQUOTE *QcontentSMTP DQUOTE. */
static bool
skip_quoted(struct slice *s, unsigned flags)
{
	if (!skip_byte(s, '"'))
		return false;
	while (s->n > 0 && s->p[0] != '"') {
		if (skip_byte(s, '\\')) {
			if (s->n == 0 || s->p[0] < 32 || s->p[0] > 126)
				return false;
		} else if (!char_is(s->p[0], CH_QTEXT) &&
		    !is_utf8_byte(s->p[0], flags))
			return false;
		*s = slice_from(*s, 1);
	}
	return skip_byte(s, '"');
}

/* As many bytes as a domain could have, which then must be one. */
static bool
skip_domain(struct slice *s, unsigned flags)
{
	size_t i;

	for (i = 0; i < s->n && (char_is(s->p[i], CH_LDH) ||
				    s->p[i] == '.' || s->p[i] == '_' ||
				    is_utf8_byte(s->p[i], flags)); i++)
		;
	if (!domain_is_valid(slice_first(*s, i), flags & ADDRESS_UTF8))
		return false;
	*s = slice_from(*s, i);
	return true;
}

static bool
skip_literal(struct slice *s)
{
	size_t i = slice_find(*s, ']');

	if (i == s->n || !literal_is_valid(slice_first(*s, i + 1)))
		return false;
	*s = slice_from(*s, i + 1);
	return true;
}

bool
domain_is_valid(struct slice s, unsigned flags)
{
	struct slice label;

	if (s.n > 0 && s.p[0] == '[')
		return literal_is_valid(s);
	if (s.n == 0 || s.n > DOMAIN_BYTES || !slice_is_utf8(s))
		return false;
	while (slice_next(&s, '.', &label))
		if (!label_is_valid(label, flags))
			return false;
	return true;
}

/* sub-domain, and U-label of RFC 6531.  The underscore is no LDH, but hosts
 * have it in their names, and no trust hangs on its absence. */
static bool
label_is_valid(struct slice s, unsigned flags)
{
	bool ascii = true;
	size_t i;

	if (s.n == 0 || s.p[0] == '-' || s.p[s.n - 1] == '-')
		return false;
	for (i = 0; i < s.n; i++) {
		if (is_utf8_byte(s.p[i], flags))
			ascii = false;
		else if (!char_is(s.p[i], CH_LDH) && s.p[i] != '_')
			return false;
	}
	return !ascii || s.n <= LABEL_BYTES;
}

static bool
literal_is_valid(struct slice s)
{
	uint8_t addr[16];

	return literal_parse(s, addr);
}

/* RFC 5321 4.1.3; the only tag that is registered is IPv6. */
bool
literal_parse(struct slice s, uint8_t addr_r[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	const struct slice tag = SLICE_LIT("IPv6:");
	char text[INET6_ADDRSTRLEN];
	uint8_t addr[16];

	if (s.n < 2 || s.p[0] != '[' || s.p[s.n - 1] != ']')
		return false;
	s = slice_of(s.p + 1, s.n - 2);
	memcpy(addr, mapped, sizeof(mapped));
	if (slice_starts_nocase(s, tag)) {
		s = slice_from(s, tag.n);
		if (slice_find(s, ':') == s.n)
			return false;
	} else if (slice_find(s, ':') != s.n)
		return false;
	if (s.n >= sizeof(text) || slice_find(s, '\0') != s.n)
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	if (slice_find(s, ':') != s.n ? inet_pton(AF_INET6, text, addr) != 1
				      : inet_pton(AF_INET, text,
					    addr + 12) != 1)
		return false;
	memcpy(addr_r, addr, sizeof(addr));
	return true;
}

struct address
address_split(struct slice s)
{
	size_t at = slice_rfind(s, '@');

	/* The last one may be within the quotes of a bare local-part. */
	if (at == s.n || s.p[s.n - 1] == '"')
		return (struct address){ s, SLICE_EMPTY };
	return (struct address){ slice_first(s, at), slice_from(s, at + 1) };
}

int
address_canonical(struct arena *a, const struct address *addr, bool fold_local,
    struct slice *text_r)
{
	struct buf b = BUF_INIT(ADDRESS_BYTES);
	struct arena tmp = ARENA_INIT(ADDRESS_BYTES);
	struct slice local;
	int r = -1;

	if (local_unquote(&tmp, addr->local, &local) != 0 ||
	    local_quote(&b, local) != 0)
		goto out;
	if (fold_local)
		fold_bytes(b.p, b.n);
	if (addr->domain.n > 0 &&
	    (buf_add_byte(&b, '@') != 0 ||
		domain_canonical(&b, addr->domain) != 0))
		goto out;
	r = arena_copy(a, buf_slice(&b), text_r);
out:
	arena_clear(&tmp);
	buf_clear(&b);
	return r;
}

int
domain_canonical(struct buf *b, struct slice domain)
{
	size_t n = b->n;

	if (!slice_is_ascii(domain))
		return domain_to_ascii(b, domain);
	if (buf_add(b, domain) != 0)
		return -1;
	fold_bytes(b->p + n, domain.n);
	return 0;
}

/* UTS 46, not transitional: as browsers and registries do it today. */
static int
domain_to_ascii(struct buf *b, struct slice domain)
{
	char utf8[ADDRESS_BYTES + 1], *ascii = NULL;
	int r = -1;

	if (domain.n >= sizeof(utf8) || !slice_is_utf8(domain) ||
	    slice_find(domain, '\0') != domain.n)
		return -1;
	memcpy(utf8, domain.p, domain.n);
	utf8[domain.n] = '\0';
	if (idn2_to_ascii_8z(utf8, &ascii,
		IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK) {
		if (domain_is_valid(slice_str(ascii), 0))
			r = buf_add_str(b, ascii);
		idn2_free(ascii);
	}
	return r;
}

int
domain_unicode(struct buf *b, struct slice domain)
{
	struct buf back = BUF_INIT(ADDRESS_BYTES);
	char ascii[ADDRESS_BYTES + 1], *utf8 = NULL;
	int r = -1;

	if (domain.n >= sizeof(ascii) || slice_find(domain, '\0') != domain.n)
		return -1;
	memcpy(ascii, domain.p, domain.n);
	ascii[domain.n] = '\0';
	if (idn2_to_unicode_8z8z(ascii, &utf8, 0) == IDN2_OK) {
		if (!slice_is_ascii(slice_str(utf8)) &&
		    domain_to_ascii(&back, slice_str(utf8)) == 0 &&
		    slice_eq(buf_slice(&back), domain))
			r = buf_add_str(b, utf8);
		idn2_free(utf8);
	}
	buf_clear(&back);
	return r;
}

static void
fold_bytes(char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = ascii_lower(p[i]);
}

int
local_unquote(struct arena *a, struct slice local, struct slice *text_r)
{
	char *p;
	size_t i, n = 0;

	if (!is_quoted(local)) {
		*text_r = local;
		return 0;
	}
	p = arena_alloc(a, local.n);
	if (p == NULL)
		return -1;
	for (i = 1; i < local.n - 1; i++) {
		if (local.p[i] == '\\' && i + 1 < local.n - 1)
			i++;
		p[n++] = local.p[i];
	}
	*text_r = slice_of(p, n);
	return 0;
}

static bool
is_quoted(struct slice s)
{
	return s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"';
}

int
local_quote(struct buf *b, struct slice s)
{
	size_t i, n = b->n;

	if (is_dot_string(s))
		return buf_add(b, s);
	if (buf_add_byte(b, '"') != 0)
		goto full;
	for (i = 0; i < s.n; i++) {
		/* Nothing in RFC 5321 can carry control characters. */
		if ((unsigned char)s.p[i] < 32 || s.p[i] == 127)
			goto full;
		if ((s.p[i] == '"' || s.p[i] == '\\') &&
		    buf_add_byte(b, '\\') != 0)
			goto full;
		if (buf_add_byte(b, s.p[i]) != 0)
			goto full;
	}
	if (buf_add_byte(b, '"') == 0)
		return 0;
full:
	b->n = n;
	return -1;
}

static bool
is_dot_string(struct slice s)
{
	return skip_dot_string(&s, ADDRESS_UTF8) && s.n == 0;
}

bool
slice_is_ascii(struct slice s)
{
	uint64_t word[8], all;
	size_t i;

	for (; s.n >= sizeof(word); s = slice_from(s, sizeof(word))) {
		memcpy(word, s.p, sizeof(word));
		for (all = 0, i = 0; i < 8; i++)
			all |= word[i];
		if ((all & UINT64_C(0x8080808080808080)) != 0)
			return false;
	}
	for (i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

/* The well-formed sequences of RFC 3629 section 4: how many bytes follow the
 * first, and the range of the second. */
static const struct utf8_row {
	uint8_t	 first_min, first_max;
	uint8_t	 more;
	uint8_t	 second_min, second_max;
} utf8_rows[] = {
	{ 0xc2, 0xdf, 1, 0x80, 0xbf },
	{ 0xe0, 0xe0, 2, 0xa0, 0xbf },
	{ 0xe1, 0xec, 2, 0x80, 0xbf },
	{ 0xed, 0xed, 2, 0x80, 0x9f },	/* no surrogates */
	{ 0xee, 0xef, 2, 0x80, 0xbf },
	{ 0xf0, 0xf0, 3, 0x90, 0xbf },
	{ 0xf1, 0xf3, 3, 0x80, 0xbf },
	{ 0xf4, 0xf4, 3, 0x80, 0x8f },
};

/* The bytes of the sequence at the front, 0 where there is none. */
size_t
utf8_sequence(struct slice s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	const struct utf8_row *r = utf8_rows;
	const struct utf8_row *end =
	    utf8_rows + sizeof(utf8_rows) / sizeof(utf8_rows[0]);
	size_t i;

	while (r < end && (p[0] < r->first_min || p[0] > r->first_max))
		r++;
	if (r == end || s.n <= r->more || p[1] < r->second_min ||
	    p[1] > r->second_max)
		return 0;
	for (i = 2; i <= r->more; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return 1u + r->more;
}

bool
slice_is_utf8(struct slice s)
{
	size_t n;

	if (slice_is_ascii(s))
		return true;
	while (s.n > 0) {
		n = (unsigned char)s.p[0] < 0x80 ? 1 : utf8_sequence(s);
		if (n == 0)
			return false;
		s = slice_from(s, n);
	}
	return true;
}
