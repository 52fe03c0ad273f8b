/* SPDX-License-Identifier: ISC */
/*
 * structure - ENVELOPE, BODYSTRUCTURE and BODY as FETCH answers them, RFC 9051
 * 7.5.2 and its grammar (msg-att-static), which RFC 3501 shares.
 *
 * What a broken message lacks but the grammar wants is filled in so that
 * clients find a text: a multipart without parts has an empty one, a type that
 * cannot be read is text/plain.  Strings that a quoted string cannot hold are
 * literals.
 */
#include "base/num.h"
#include "mail/address.h"
#include "mail/correspondence.h"
#include "mail/message.h"

#define DEFAULT_CHARSET	"(\"charset\" \"us-ascii\")"
#define QUOTED_BYTES	4096	/* longer strings are literals */

static int	 add_address(struct buf *, const struct header_address *,
		    unsigned flags);
static int	 add_unfolded(struct buf *, struct slice, size_t room,
		    bool quote);
static int	 add_part(struct buf *, const struct message *, uint32_t,
		    unsigned flags);
static int	 add_multipart(struct buf *, const struct message *, uint32_t,
		    unsigned flags);
static int	 add_leaf(struct buf *, const struct part *, unsigned flags);
static int	 add_extension(struct buf *, const struct part *,
		    unsigned flags);
static int	 add_params(struct buf *, struct arena *, struct slice,
		    bool text, unsigned flags);
static int	 add_type_params(struct buf *, const struct part *,
		    unsigned flags);
static int	 add_disposition(struct buf *, struct slice, unsigned flags);
static int	 add_language(struct buf *, struct slice, unsigned flags);

/* ---- strings ------------------------------------------------------------ */

int
imap_nstring(struct buf *b, struct slice s, unsigned flags)
{
	size_t i, n = 0, extra = 0;
	bool eight_bit = false;

	if (s.p == NULL)
		return buf_add_str(b, "NIL");
	for (i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		n += c != '\r' && c != '\n';
		extra += c == '"' || c == '\\';
		eight_bit |= c >= 0x80;
	}
	if (n <= QUOTED_BYTES && (!eight_bit ||
	    ((flags & IMAP_UTF8) != 0 && slice_is_utf8(s)))) {
		return add_unfolded(b, s, n + extra + 2, true);
	}
	if (buf_printf(b, "{%zu}\r\n", n) != 0)
		return -1;
	return add_unfolded(b, s, n, false);
}

/* room: what it comes to. */
static int
add_unfolded(struct buf *b, struct slice s, size_t room, bool quote)
{
	size_t i, n = 0;
	char *to, c;

	to = buf_reserve(b, room);
	if (to == NULL)
		return -1;
	if (quote)
		to[n++] = '"';
	for (i = 0; i < s.n; i++) {
		c = s.p[i];
		if (c == '\r' || c == '\n')
			continue;
		if (quote && (c == '"' || c == '\\'))
			to[n++] = '\\';
		if (c == '\t')
			c = ' ';
		to[n++] = c == '\0' ? '?' : c;
	}
	if (quote)
		to[n++] = '"';
	b->n += n;
	return 0;
}

/* A field body as a whole. */
static int
add_field(struct buf *b, struct slice s, unsigned flags)
{
	return imap_nstring(b, s.p == NULL ? s : slice_trim(s), flags);
}

/* ---- ENVELOPE ----------------------------------------------------------- */

/* In the order of the answer. */
enum {
	E_DATE, E_SUBJECT, E_FROM, E_SENDER, E_REPLY_TO, E_TO, E_CC, E_BCC,
	E_IN_REPLY_TO, E_MESSAGE_ID, E_FIELDS,
};
static const struct slice envelope_names[E_FIELDS] = {
#define NAME(s) { s, sizeof(s) - 1 }
	[E_DATE] = NAME("date"), [E_SUBJECT] = NAME("subject"),
	[E_FROM] = NAME("from"), [E_SENDER] = NAME("sender"),
	[E_REPLY_TO] = NAME("reply-to"), [E_TO] = NAME("to"),
	[E_CC] = NAME("cc"), [E_BCC] = NAME("bcc"),
	[E_IN_REPLY_TO] = NAME("in-reply-to"),
	[E_MESSAGE_ID] = NAME("message-id"),
#undef NAME
};

/* Several fields of one name, which RFC 5322 3.6 forbids: the first counts. */
static void
collect(struct slice header, struct slice fields[E_FIELDS])
{
	struct field f;
	size_t i;

	for (i = 0; i < E_FIELDS; i++)
		fields[i] = slice_of(NULL, 0);
	while (field_next(&header, &f)) {
		if (f.name.n < 2 || f.name.n > 11)
			continue;
		for (i = 0; i < E_FIELDS; i++) {
			if (fields[i].p != NULL ||
			    !slice_eq_nocase(f.name, envelope_names[i]))
				continue;
			fields[i] = slice_trim(f.body);
			if (fields[i].n > MESSAGE_FIELD_BYTES)
				fields[i].n = MESSAGE_FIELD_BYTES;
		}
	}
	/* Absent or empty: as From. */
	if (fields[E_SENDER].n == 0)
		fields[E_SENDER] = fields[E_FROM];
	if (fields[E_REPLY_TO].n == 0)
		fields[E_REPLY_TO] = fields[E_FROM];
}

int
imap_envelope(struct buf *b, struct slice header, unsigned flags)
{
	struct slice fields[E_FIELDS];
	size_t i, was = b->n, at[E_FIELDS], len[E_FIELDS];

	collect(header, fields);
	for (i = 0; i < E_FIELDS; i++) {
		if (buf_add_byte(b, i == 0 ? '(' : ' ') != 0)
			goto full;
		at[i] = b->n;
		if (i < E_FROM || i > E_BCC) {
			if (imap_nstring(b, fields[i], flags) != 0)
				goto full;
		} else if ((i == E_SENDER || i == E_REPLY_TO) &&
		    fields[i].p == fields[E_FROM].p) {
			char *to = buf_reserve(b, len[E_FROM]);

			if (to == NULL)
				goto full;
			memcpy(to, b->p + at[E_FROM], len[E_FROM]);
			b->n += len[E_FROM];
		} else if (imap_addresses(b, fields[i], flags) != 0) {
			goto full;
		}
		len[i] = b->n - at[i];
	}
	if (buf_add_byte(b, ')') == 0)
		return 0;
full:
	b->n = was;
	return -1;
}

int
imap_addresses(struct buf *b, struct slice body, unsigned flags)
{
	struct address_reader r;
	struct header_address a;
	size_t was = b->n;
	int e = 0;

	address_reader_init(&r, body);
	while (e == 0 && address_next(&r, &a)) {
		if (b->n == was)
			e = buf_add_byte(b, '(');
		if (e == 0)
			e = add_address(b, &a, flags);
	}
	address_reader_clear(&r);
	if (e == 0)
		e = b->n == was ? buf_add_str(b, "NIL") : buf_add_byte(b, ')');
	if (e != 0)
		b->n = was;
	return e;
}

/* A host that is missing is "", as NIL there means a group. */
static int
add_address(struct buf *b, const struct header_address *a, unsigned flags)
{
	switch (a->kind) {
	case ADDRESS_GROUP_END:
		return buf_add_str(b, "(NIL NIL NIL NIL)");
	case ADDRESS_GROUP:
		if (buf_add_str(b, "(NIL NIL ") != 0 ||
		    imap_nstring(b, a->name.p == NULL ? SLICE_EMPTY : a->name,
			flags) != 0)
			return -1;
		return buf_add_str(b, " NIL)");
	case ADDRESS_ONE:
		break;
	}
	if (buf_add_byte(b, '(') != 0 || imap_nstring(b, a->name, flags) != 0 ||
	    buf_add_byte(b, ' ') != 0 ||
	    imap_nstring(b, a->route, flags) != 0 ||
	    buf_add_byte(b, ' ') != 0 ||
	    imap_nstring(b, a->mailbox, flags) != 0 ||
	    buf_add_byte(b, ' ') != 0 || imap_nstring(b, a->host, flags) != 0)
		return -1;
	return buf_add_byte(b, ')');
}

/* ---- BODYSTRUCTURE ------------------------------------------------------ */

int
imap_bodystructure(struct buf *b, const struct message *m, unsigned flags)
{
	size_t was = b->n;

	if (add_part(b, m, 0, flags) == 0)
		return 0;
	b->n = was;
	return -1;
}

/* Recursion ends at MESSAGE_DEPTH. */
static int
add_part(struct buf *b, const struct message *m, uint32_t i, unsigned flags)
{
	const struct part *p = &m->parts[i];
	uint32_t inner;

	if (p->kind == PART_MULTIPART)
		return add_multipart(b, m, i, flags);
	if (add_leaf(b, p, flags) != 0)
		return -1;
	if (p->kind == PART_MESSAGE) {
		inner = p->first;
		if (buf_add_byte(b, ' ') != 0 ||
		    imap_envelope(b, part_header(m, &m->parts[inner]), flags) !=
			0 ||
		    buf_add_byte(b, ' ') != 0 ||
		    add_part(b, m, inner, flags) != 0)
			return -1;
	}
	if ((p->kind == PART_MESSAGE || part_is(p, "text", NULL)) &&
	    buf_printf(b, " %llu", (unsigned long long)p->lines) != 0)
		return -1;
	if (buf_add_byte(b, ' ') != 0 ||
	    add_field(b, p->md5, flags) != 0)
		return -1;
	return add_extension(b, p, flags);
}

static int
add_multipart(struct buf *b, const struct message *m, uint32_t i,
    unsigned flags)
{
	const struct part *p = &m->parts[i];
	uint32_t c;

	if (buf_add_byte(b, '(') != 0)
		return -1;
	if (p->first == PART_NONE &&
	    buf_add_str(b, "(\"text\" \"plain\" " DEFAULT_CHARSET " "
		"NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL)") != 0)
		return -1;
	for (c = p->first; c != PART_NONE; c = m->parts[c].next)
		if (add_part(b, m, c, flags) != 0)
			return -1;
	if (buf_add_byte(b, ' ') != 0 ||
	    imap_nstring(b, p->subtype, flags) != 0 ||
	    buf_add_byte(b, ' ') != 0 || add_type_params(b, p, flags) != 0)
		return -1;
	return add_extension(b, p, flags);
}

/* "(" type subtype params id description encoding size; not yet closed. */
static int
add_leaf(struct buf *b, const struct part *p, unsigned flags)
{
	static const char *const encodings[] = {
		[ENCODING_7BIT] = "7bit", [ENCODING_8BIT] = "8bit",
		[ENCODING_BINARY] = "binary",
		[ENCODING_QP] = "quoted-printable",
		[ENCODING_BASE64] = "base64", [ENCODING_OTHER] = NULL,
	};
	struct slice encoding;

	if (p->encoding != ENCODING_OTHER) {
		encoding = slice_str(encodings[p->encoding]);
	} else {
		struct slice params;

		if (!mime_disposition_split(p->transfer_encoding, &encoding,
			&params))
			encoding = SLICE_LIT("7bit");
	}
	if (buf_add_byte(b, '(') != 0 || imap_nstring(b, p->type, flags) != 0 ||
	    buf_add_byte(b, ' ') != 0 ||
	    imap_nstring(b, p->subtype, flags) != 0 ||
	    buf_add_byte(b, ' ') != 0 || add_type_params(b, p, flags) != 0 ||
	    buf_add_byte(b, ' ') != 0 ||
	    add_field(b, p->id, flags) != 0 ||
	    buf_add_byte(b, ' ') != 0 ||
	    add_field(b, p->description, flags) != 0 ||
	    buf_add_byte(b, ' ') != 0 || imap_nstring(b, encoding, flags) != 0)
		return -1;
	return buf_printf(b, " %llu", (unsigned long long)p->body_size);
}

/* Disposition, language, location, and the end. */
static int
add_extension(struct buf *b, const struct part *p, unsigned flags)
{
	if (buf_add_byte(b, ' ') != 0 ||
	    add_disposition(b, p->disposition, flags) != 0 ||
	    buf_add_byte(b, ' ') != 0 ||
	    add_language(b, p->language, flags) != 0 ||
	    buf_add_byte(b, ' ') != 0 ||
	    add_field(b, p->location, flags) != 0)
		return -1;
	return buf_add_byte(b, ')');
}

static int
add_type_params(struct buf *b, const struct part *p, unsigned flags)
{
	struct slice type, subtype, params;
	struct arena a = ARENA_INIT(MESSAGE_FIELD_BYTES * 8);
	int r;

	if (p->opaque)
		return buf_add_str(b, "NIL");
	if (p->content_type.p == NULL)
		return buf_add_str(b, part_is(p, "text", NULL) ?
			DEFAULT_CHARSET : "NIL");
	if (!mime_type_split(p->content_type, &type, &subtype, &params))
		return buf_add_str(b, "NIL");
	r = add_params(b, &a, params, part_is(p, "text", NULL), flags);
	arena_clear(&a);
	return r;
}

/* text: what has no charset is us-ascii (RFC 2046 4.1.2), and is told so. */
static int
add_params(struct buf *b, struct arena *a, struct slice s, bool text,
    unsigned flags)
{
	struct mime_params params;
	size_t i;

	mime_params_parse(a, s, &params);
	for (i = 0; i < params.n && text; i++) {
		struct slice name = params.v[i].name;

		text = !slice_eq_nocase(name, SLICE_LIT("charset")) &&
		    !slice_eq_nocase(name, SLICE_LIT("charset*"));
	}
	if (params.n == 0)
		return buf_add_str(b, text ? DEFAULT_CHARSET : "NIL");
	if (text && params.n < MESSAGE_PARAMS)
		params.v[params.n++] = (struct mime_param){
			SLICE_LIT("charset"), SLICE_LIT("us-ascii") };
	for (i = 0; i < params.n; i++)
		if (buf_add_byte(b, i == 0 ? '(' : ' ') != 0 ||
		    imap_nstring(b, params.v[i].name, flags) != 0 ||
		    buf_add_byte(b, ' ') != 0 ||
		    imap_nstring(b, params.v[i].value, flags) != 0)
			return -1;
	return buf_add_byte(b, ')');
}

static int
add_disposition(struct buf *b, struct slice s, unsigned flags)
{
	struct arena a = ARENA_INIT(MESSAGE_FIELD_BYTES * 8);
	struct slice name, params;
	int r = -1;

	if (s.p == NULL || !mime_disposition_split(s, &name, &params))
		return buf_add_str(b, "NIL");
	if (buf_add_byte(b, '(') == 0 && imap_nstring(b, name, flags) == 0 &&
	    buf_add_byte(b, ' ') == 0 &&
	    add_params(b, &a, params, false, flags) == 0)
		r = buf_add_byte(b, ')');
	arena_clear(&a);
	return r;
}

/* RFC 3282: tags, commas and comments between them. */
static int
add_language(struct buf *b, struct slice s, unsigned flags)
{
	struct slice tag, rest;
	size_t n, was = b->n;

	for (n = 0; s.p != NULL && n < MESSAGE_LANGUAGES; s = rest) {
		s = cfws_skip(s);
		if (s.n == 0)
			break;
		if (!mime_disposition_split(s, &tag, &rest)) {
			rest = slice_from(s, 1);
			continue;
		}
		/* What is between a tag and the comma is not one. */
		rest = slice_from(rest, slice_find(rest, ','));
		if (buf_add_byte(b, n++ == 0 ? '(' : ' ') != 0 ||
		    imap_nstring(b, tag, flags) != 0)
			return -1;
	}
	return b->n == was ? buf_add_str(b, "NIL") : buf_add_byte(b, ')');
}

/* ---- BODY out of BODYSTRUCTURE ------------------------------------------ */

/*
 * The text is our own, so a cursor is enough.  Each body is copied up to where
 * its extension data begins, which is then passed over.
 */
struct cursor {
	struct slice	 s;
	struct buf	*b;	/* NULL: what is read is only passed over */
	bool		 bad;
};

static void
pass(struct cursor *c, size_t n)
{
	if (n > c->s.n || (c->b != NULL &&
			      buf_add(c->b, slice_first(c->s, n)) != 0)) {
		c->bad = true;
		n = c->s.n;
	}
	c->s = slice_from(c->s, n);
}

static bool
at(const struct cursor *c, char want)
{
	return !c->bad && c->s.n > 0 && c->s.p[0] == want;
}

static size_t
literal_bytes(struct slice s)
{
	uint64_t n;
	size_t all = s.n;

	s = slice_from(s, 1);
	if (parse_u64(&s, &n) != PARSE_OK ||
	    !slice_starts(s, SLICE_LIT("}\r\n")) || n > s.n - 3)
		return SIZE_MAX;
	return all - s.n + 3 + (size_t)n;
}

static size_t
quoted_bytes(struct slice s)
{
	size_t i;

	for (i = 1; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			return i + 1;
	}
	return SIZE_MAX;
}

/* A string, NIL, a number, or all of a list: no recursion. */
static void
pass_value(struct cursor *c)
{
	size_t depth = 0, n;

	do {
		if (c->bad || c->s.n == 0) {
			c->bad = true;
			return;
		}
		switch (c->s.p[0]) {
		case '(':
			depth++;
			pass(c, 1);
			break;
		case ')':
			if (depth == 0) {
				c->bad = true;
				return;
			}
			depth--;
			pass(c, 1);
			break;
		case '"':
			pass(c, quoted_bytes(c->s));
			break;
		case '{':
			pass(c, literal_bytes(c->s));
			break;
		case ' ':
			if (depth == 0) {
				c->bad = true;
				return;
			}
			pass(c, 1);
			break;
		default:
			for (n = 0; n < c->s.n &&
			    memchr(" ()\"{", c->s.p[n], 5) == NULL;)
				n++;
			pass(c, n);
		}
	} while (depth > 0);
}

static void	 pass_body(struct cursor *, size_t depth);

/* The rest of a body, without being copied, and its ')'. */
static void
drop_extension(struct cursor *c)
{
	struct buf *b = c->b;

	c->b = NULL;
	while (at(c, ' ')) {
		pass(c, 1);
		pass_value(c);
	}
	c->b = b;
	if (at(c, ')'))
		pass(c, 1);
	else
		c->bad = true;
}

static void
pass_body(struct cursor *c, size_t depth)
{
	bool text, message;
	unsigned n;

	if (depth == 0 || !at(c, '(')) {
		c->bad = true;
		return;
	}
	pass(c, 1);
	if (at(c, '(')) {
		while (at(c, '('))
			pass_body(c, depth - 1);
		pass(c, 1);
		pass_value(c);
		drop_extension(c);
		return;
	}
	text = slice_starts_nocase(c->s, SLICE_LIT("\"text\""));
	message = slice_starts_nocase(c->s, SLICE_LIT("\"message\" "
						      "\"rfc822\"")) ||
	    slice_starts_nocase(c->s, SLICE_LIT("\"message\" \"global\""));
	for (n = 0; n < 7; n++) {
		if (n > 0)
			pass(c, 1);
		pass_value(c);
	}
	if (message) {
		pass(c, 1);
		pass_value(c);
		pass(c, 1);
		pass_body(c, depth - 1);
	}
	if (message || text) {
		pass(c, 1);
		pass_value(c);
	}
	drop_extension(c);
}

int
imap_body(struct buf *b, struct slice bodystructure)
{
	struct cursor c = { .s = bodystructure, .b = b };
	size_t was = b->n;

	pass_body(&c, MESSAGE_DEPTH + 1);
	if (!c.bad && c.s.n == 0)
		return 0;
	b->n = was;
	return -1;
}
