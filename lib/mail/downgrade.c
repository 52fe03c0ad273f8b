/* SPDX-License-Identifier: ISC */
/*
 * downgrade - see downgrade.h.
 *
 * An entity (the message, or a part) that is within the limits already is
 * copied as it is.  Otherwise its header fields are copied, but for
 * Content-Transfer-Encoding, which is written anew, and its body is gone
 * through (multipart, message) or encoded.  The recursion is bounded by
 * MIME_DEPTH.
 *
 * Lines of more than 998 bytes are mended where a part is encoded anyway or
 * says that it is binary; alone they make nothing impossible.
 */
#include "mail/address.h"
#include "mail/downgrade.h"
#include "mail/header.h"
#include "mail/mime.h"

#define LINE_BYTES	998	/* RFC 5322 2.1.1 */

struct job {
	enum body_type	 to;
	struct buf	*out;
	unsigned	 parts;
	const char	*why;		/* set: it is impossible */
};

enum kind { MESSAGE, PART, DIGEST_PART };

/* What an entity's header says. */
struct entity {
	enum kind	 kind;
	struct slice	 whole;
	struct slice	 header;	/* with the empty line */
	struct slice	 body;
	struct mime_type type;
	bool		 has_type;
	bool		 has_version;
	enum mime_encoding encoding;
};

static bool	is_untouched(struct slice, enum body_type);
static bool	is_fit(struct slice, enum body_type);
static bool	ends_are_fit(struct slice);
static bool	has_long_line(struct slice);
static void	entity_convert(struct job *, struct slice, unsigned depth,
		    enum kind);
static void	entity_read(struct entity *);
static void	entity_by_type(struct job *, const struct entity *,
		    unsigned depth);
static const char *why_fixed(const struct entity *);
static void	entity_encode(struct job *, const struct entity *);
static bool	wants_qp(const struct entity *);
static void	write_header(struct job *, const struct entity *,
		    const char *encoding);
static void	multipart_convert(struct job *, const struct entity *,
		    unsigned depth);
static void	write_filler(struct job *, struct slice);
static void	job_write(struct job *, struct slice);
static void	job_fail(struct job *, const char *why);

enum downgrade
downgrade(struct slice message, enum body_type to, struct buf *out,
    const char **why_r)
{
	struct job j = { .to = to, .out = out };
	size_t n = out->n;

	*why_r = NULL;
	if (is_untouched(message, to))
		return DOWNGRADE_NOT_NEEDED;
	entity_convert(&j, message, 0, MESSAGE);
	if (j.why == NULL)
		return DOWNGRADE_DONE;
	out->n = n;
	*why_r = j.why;
	return DOWNGRADE_IMPOSSIBLE;
}

static bool
is_untouched(struct slice s, enum body_type to)
{
	return is_fit(s, to) && !has_long_line(s);
}

static bool
is_fit(struct slice s, enum body_type to)
{
	return (to != BODY_7BIT || slice_is_ascii(s)) &&
	    slice_find(s, '\0') == s.n && ends_are_fit(s);
}

/* Each line ends in CRLF (the last may be open) and has no other CR. */
static bool
ends_are_fit(struct slice s)
{
	struct slice line;

	while (slice_next(&s, '\n', &line))
		if (slice_find(line, '\r') + (s.p != NULL) != line.n)
			return false;
	return true;
}

static bool
has_long_line(struct slice s)
{
	struct slice line;

	while (slice_next(&s, '\n', &line))
		if (line.n > LINE_BYTES + 1)	/* with its CR */
			return true;
	return false;
}

static void
entity_convert(struct job *j, struct slice s, unsigned depth, enum kind kind)
{
	struct entity e = { .kind = kind, .whole = s };

	if (++j->parts > MIME_PARTS || depth > MIME_DEPTH)
		job_fail(j, "the MIME structure is too large or too deep");
	else if (is_untouched(s, j->to))
		job_write(j, s);
	else {
		entity_read(&e);
		entity_by_type(j, &e, depth);
	}
}

static void
entity_read(struct entity *e)
{
	struct field f;

	e->header = slice_first(e->whole, header_bytes(e->whole));
	e->body = slice_from(e->whole, e->header.n);
	e->has_version = header_find(e->header, "MIME-Version", &f);
	if (header_find(e->header, "Content-Transfer-Encoding", &f))
		e->encoding = mime_encoding_parse(f.body);
	if (header_find(e->header, "Content-Type", &f) &&
	    mime_type_parse(f.body, &e->type)) {
		e->has_type = true;
	} else if (e->kind == DIGEST_PART) {
		e->type.type = SLICE_LIT("message");
		e->type.subtype = SLICE_LIT("rfc822");
	} else {
		e->type.type = SLICE_LIT("text");
		e->type.subtype = SLICE_LIT("plain");
	}
}

static void
entity_by_type(struct job *j, const struct entity *e, unsigned depth)
{
	const char *identity = j->to == BODY_7BIT ? "7bit" : "8bit";
	const char *why = why_fixed(e);

	if (why != NULL && is_fit(e->whole, j->to))
		job_write(j, e->whole);
	else if (why != NULL)
		job_fail(j, why);
	else if (!is_fit(e->header, j->to))
		job_fail(j, "a header section has 8-bit characters");
	else if (mime_type_is(&e->type, "multipart", NULL)) {
		write_header(j, e, identity);
		multipart_convert(j, e, depth);
	} else if (mime_type_is(&e->type, "message", "rfc822")) {
		write_header(j, e, identity);
		entity_convert(j, e->body, depth + 1, MESSAGE);
	} else
		entity_encode(j, e);
}

/* Why the entity must stay as it is; NULL where it need not.  RFC 2046 5.2:
 * types of message have no encoding but the identity, except those of RFC 6532
 * and 6533. */
static const char *
why_fixed(const struct entity *e)
{
	if (mime_type_is(&e->type, "multipart", "signed"))
		return "a signed part cannot be converted";
	if (mime_type_is(&e->type, "message", NULL) &&
	    !mime_type_is(&e->type, "message", "rfc822") &&
	    !slice_starts_nocase(e->type.subtype, SLICE_LIT("global")))
		return "a part of a type that may not be encoded";
	if (e->encoding == ENCODING_QP || e->encoding == ENCODING_BASE64 ||
	    e->encoding == ENCODING_OTHER)
		return "a part that is not as its encoding says";
	return NULL;
}

static void
entity_encode(struct job *j, const struct entity *e)
{
	int r;

	if (is_fit(e->body, j->to) &&
	    !(e->encoding == ENCODING_BINARY && has_long_line(e->body))) {
		write_header(j, e, j->to == BODY_7BIT ? "7bit" : "8bit");
		job_write(j, e->body);
		return;
	}
	if (wants_qp(e)) {
		write_header(j, e, "quoted-printable");
		r = qp_encode(j->out, e->body);
	} else {
		write_header(j, e, "base64");
		r = base64_lines(j->out, e->body);
	}
	if (r != 0)
		job_fail(j, "the message becomes too large");
}

/* Text stays legible where that does not make it much longer. */
static bool
wants_qp(const struct entity *e)
{
	size_t i, n = 0;

	if (!mime_type_is(&e->type, "text", NULL) ||
	    slice_find(e->body, '\0') != e->body.n)
		return false;
	for (i = 0; i < e->body.n; i++)
		n += (unsigned char)e->body.p[i] >= 0x80;
	return n <= e->body.n / 4;
}

static void
write_header(struct job *j, const struct entity *e, const char *encoding)
{
	const struct slice cte = SLICE_LIT("Content-Transfer-Encoding");
	struct slice rest = e->header, from = rest;
	struct field f;
	bool open;

	while (header_next(&rest, &f))
		if (!slice_eq_nocase(f.name, cte))
			job_write(j, f.whole);
	open = rest.n < from.n && rest.p[-1] != '\n';
	if (open)
		job_write(j, SLICE_LIT("\r\n"));
	if (e->kind == MESSAGE && !e->has_version)
		job_write(j, SLICE_LIT("MIME-Version: 1.0\r\n"));
	/* RFC 1428: we do not know the character set. */
	if (!e->has_type && mime_type_is(&e->type, "text", "plain"))
		job_write(j, SLICE_LIT("Content-Type: text/plain; "
				       "charset=unknown-8bit\r\n"));
	job_write(j, cte);
	job_write(j, SLICE_LIT(": "));
	job_write(j, slice_str(encoding));
	job_write(j, SLICE_LIT("\r\n"));
	job_write(j, rest);
}

static void
multipart_convert(struct job *j, const struct entity *e, unsigned depth)
{
	enum kind kind = mime_type_is(&e->type, "multipart", "digest")
			     ? DIGEST_PART : PART;
	struct slice b = e->body;
	struct delimiter d;
	size_t at = 0;

	if (e->type.nboundary == 0 || !delimiter_find(b, 0, &e->type, &d)) {
		job_fail(j, "a multipart without its delimiters");
		return;
	}
	write_filler(j, slice_first(b, d.part_end));
	while (j->why == NULL) {
		job_write(j, slice_of(b.p + d.part_end, d.next - d.part_end));
		at = d.next;
		if (d.last || at == b.n)
			break;
		if (!delimiter_find(b, at, &e->type, &d))
			d = (struct delimiter){ b.n, b.n, false };
		if (d.part_end < at)
			d.part_end = at;	/* nothing between two */
		entity_convert(j, slice_of(b.p + at, d.part_end - at),
		    depth + 1, kind);
	}
	write_filler(j, slice_from(b, at));
}

/* Preamble and epilogue say nothing: readers are to ignore them. */
static void
write_filler(struct job *j, struct slice s)
{
	if (is_fit(s, j->to))
		job_write(j, s);
}

static void
job_write(struct job *j, struct slice s)
{
	if (buf_add(j->out, s) != 0)
		job_fail(j, "the message becomes too large");
}

/* The first reason stands. */
static void
job_fail(struct job *j, const char *why)
{
	if (j->why == NULL)
		j->why = why;
}
