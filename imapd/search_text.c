/* SPDX-License-Identifier: ISC */
/*
 * search_text - looks for a text in one message: decoded, converted to UTF-8
 * and in the form for comparison (mail/charset.h), as the needle is.
 *
 * Memory is bounded: text goes through in chunks that overlap by the needle's
 * length; only a part in base64 or quoted-printable is decoded as a whole, and
 * of that SEARCH_PART_BYTES at most.  What is text: the fields of header
 * sections, text parts, and both of messages within the message.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "criteria.h"
#include "mail/charset.h"
#include "mail/correspondence.h"
#include "mail/html.h"

struct candidate {
	struct mailbox	*mailbox;
	uint32_t	 uid;
	bool		 failed;
	bool		 have_summary, no_summary;
	bool		 have_content, parsed;
	struct summary	 summary;
	struct message_content content;
	struct message	 message;
	/* Scratch, kept from message to message. */
	struct buf	 decoded, utf8, folded;
	struct arena	 arena;
};

static bool	 need_summary(struct candidate *);
static bool	 need_content(struct candidate *);
static bool	 need_message(struct candidate *);
static struct slice header_of(struct candidate *);
static bool	 field_has(struct candidate *, struct slice body,
		    struct slice needle);
static bool	 fields_have(struct candidate *, struct slice header,
		    struct slice needle);
static void	 fold_field(struct candidate *, const struct field *);
static bool	 part_has(struct candidate *, const struct part *,
		    struct slice needle);
static bool	 text_has(struct candidate *, struct slice text,
		    struct slice charset, bool decode, struct slice needle);
static size_t	 chunk_of(struct slice);
static void	 fold_chunk(struct candidate *, struct slice charset,
		    bool utf8, bool decode, struct slice);
static bool	 has(struct slice, struct slice needle);

struct candidate *
candidate_new(void)
{
	struct candidate *c = mem_alloc(sizeof(*c));

	c->decoded = BUF_INIT(SEARCH_PART_BYTES);
	c->utf8 = BUF_INIT(SEARCH_CHUNK * 8);
	c->folded = BUF_INIT(SIZE_MAX / 4);
	c->arena = ARENA_INIT(MESSAGE_FIELD_BYTES * 8);
	return c;
}

void
candidate_free(struct candidate **pc)
{
	struct candidate *c = *pc;

	*pc = NULL;
	if (c == NULL)
		return;
	candidate_set(c, NULL, 0);
	buf_clear(&c->decoded);
	buf_clear(&c->utf8);
	buf_clear(&c->folded);
	arena_clear(&c->arena);
	free(c);
}

void
candidate_set(struct candidate *c, struct mailbox *mailbox, uint32_t uid)
{
	if (c->parsed)
		message_clear(&c->message);
	if (c->have_content)
		message_content_clear(&c->content);
	arena_clear(&c->arena);
	/* Scratch that one large message has made is not kept. */
	if (c->decoded.cap > SEARCH_CHUNK * 4)
		buf_clear(&c->decoded);
	c->mailbox = mailbox;
	c->uid = uid;
	c->failed = c->have_summary = c->no_summary = false;
	c->have_content = c->parsed = false;
}

bool
candidate_failed(const struct candidate *c)
{
	return c->failed;
}

static bool
need_summary(struct candidate *c)
{
	struct slice bytes;

	if (c->have_summary || c->no_summary)
		return c->have_summary;
	c->have_summary = mailbox_summary(c->mailbox, c->uid, &bytes) ==
		STORE_OK && bytes.n > 0 && summary_read(bytes, &c->summary);
	c->no_summary = !c->have_summary;
	return c->have_summary;
}

bool
candidate_thread(struct candidate *c, uint8_t id[16])
{
	struct message_facts f;

	if (!need_summary(c) ||
	    mailbox_facts(c->mailbox, c->uid, FACT_GUID, &f) != STORE_OK)
		return false;
	thread_id(&c->summary, f.guid, id);
	return true;
}

static bool
need_content(struct candidate *c)
{
	if (!c->have_content && !c->failed) {
		c->have_content = mailbox_content(c->mailbox, c->uid,
		    &c->content) == STORE_OK;
		c->failed = !c->have_content;
		/* The summary's bytes were valid until that call. */
		c->have_summary = false;
	}
	return c->have_content;
}

static bool
need_message(struct candidate *c)
{
	if (!c->parsed && need_content(c)) {
		message_parse(&c->message, c->content.bytes);
		c->parsed = true;
	}
	return c->parsed;
}

/* Of the message, where the summary does not have what is asked. */
static struct slice
header_of(struct candidate *c)
{
	if (!need_content(c))
		return SLICE_EMPTY;
	return slice_first(c->content.bytes, header_bytes(c->content.bytes));
}

/* ---- what is asked ------------------------------------------------------ */

bool
candidate_sent_day(struct candidate *c, int64_t *days_r)
{
	int64_t ms = INT64_MIN;
	int zone = 0;
	struct field f;

	if (need_summary(c)) {
		ms = c->summary.date_ms;
		zone = c->summary.date_zone;
	} else if (header_find(header_of(c), "Date", &f)) {
		date_parse(f.body, &ms, &zone);
	}
	if (ms == INT64_MIN)
		return false;
	ms += (int64_t)zone * 60000;
	*days_r = ms >= 0 ? ms / 86400000 : -((86400000 - 1 - ms) / 86400000);
	return true;
}

bool
candidate_subject_has(struct candidate *c, struct slice needle)
{
	if (!need_summary(c) || c->summary.subject.n >= SUMMARY_TEXT - 3)
		return candidate_header_has(c, SLICE_LIT("Subject"), needle);
	/* Empty: there may be none, and "" is found in one only. */
	if (c->summary.subject.n == 0)
		return candidate_header_has(c, SLICE_LIT("Subject"), needle);
	buf_reset(&c->folded);
	casefold(c->summary.subject, &c->folded);
	return has(buf_slice(&c->folded), needle);
}

bool
candidate_header_has(struct candidate *c, struct slice name,
    struct slice needle)
{
	struct slice header;
	struct field f;

	if (need_summary(c) && c->summary.fields_kept &&
	    (c->summary.fields_all || summary_keeps(name)))
		header = c->summary.fields;
	else
		header = header_of(c);
	while (field_next(&header, &f))
		if (slice_eq_nocase(f.name, name) &&
		    field_has(c, f.body, needle))
			return true;
	return false;
}

bool
candidate_text_has(struct candidate *c, struct slice needle, bool with_header)
{
	const struct part *p;
	uint32_t i;

	if (!need_message(c))
		return false;
	for (i = 0; i < c->message.nparts; i++) {
		p = &c->message.parts[i];
		/* Of BODY: only the header sections of messages within. */
		if ((with_header || (i > 0 &&
			c->message.parts[p->parent].kind == PART_MESSAGE)) &&
		    fields_have(c, part_header(&c->message, p), needle))
			return true;
		if (p->kind == PART_LEAF && !p->opaque &&
		    part_is(p, "text", NULL) && part_has(c, p, needle))
			return true;
	}
	return false;
}

/* ---- header sections ---------------------------------------------------- */

/* Every field has a text, so an empty needle is in it. */
static bool
field_has(struct candidate *c, struct slice body, struct slice needle)
{
	buf_reset(&c->folded);
	buf_reset(&c->utf8);
	words_decode(body, &c->utf8);
	casefold(buf_slice(&c->utf8), &c->folded);
	return has(buf_slice(&c->folded), needle);
}

/* Fields have a line end between them, which only a needle that has one too
 * can reach over. */
static bool
fields_have(struct candidate *c, struct slice header, struct slice needle)
{
	struct field f;

	buf_reset(&c->folded);
	while (field_next(&header, &f)) {
		fold_field(c, &f);
		if (c->folded.n < SEARCH_CHUNK)
			continue;
		if (has(buf_slice(&c->folded), needle))
			return true;
		buf_reset(&c->folded);
	}
	return has(buf_slice(&c->folded), needle);
}

static void
fold_field(struct candidate *c, const struct field *f)
{
	struct slice s = f->whole;
	size_t i, n, was = c->folded.n;
	char *to = buf_reserve(&c->folded, s.n + 1);

	if (to == NULL)
		return;
	/* Nearly always: ASCII without encoded words; only unfolded. */
	if (casefold_ascii(s, to) && memmem(s.p, s.n, "=?", 2) == NULL) {
		if (memchr(s.p, '\n', s.n - 1) != NULL) {
			for (i = 0, n = 0; i < s.n; i++)
				if (to[i] != '\n' && to[i] != '\r')
					to[n++] = to[i] == '\t' ? ' ' : to[i];
			to[n++] = '\n';
			c->folded.n += n;
		} else {
			c->folded.n += s.n;
		}
		return;
	}
	c->folded.n = was;
	buf_reset(&c->utf8);
	buf_add(&c->utf8, f->name);
	buf_add_str(&c->utf8, ": ");
	words_decode(f->body, &c->utf8);
	casefold(buf_slice(&c->utf8), &c->folded);
	buf_add_byte(&c->folded, '\n');
}

/* ---- bodies ------------------------------------------------------------- */

static bool
part_has(struct candidate *c, const struct part *p, struct slice needle)
{
	struct slice text = part_body(&c->message, p);
	struct slice charset = SLICE_LIT("us-ascii");

	if (p->encoding == ENCODING_QP || p->encoding == ENCODING_BASE64) {
		buf_reset(&c->decoded);
		mime_decode((enum mime_encoding)p->encoding, text, &c->decoded);
		text = buf_slice(&c->decoded);
	} else if (p->encoding == ENCODING_OTHER) {
		return false;
	}
	if (p->content_type.p != NULL)
		charset = part_charset(&c->arena, p);
	/* HTML as it is written, and as it is read. */
	return text_has(c, text, charset, false, needle) ||
	    (part_is(p, "text", "html") && slice_find(text, '&') < text.n &&
	    text_has(c, text, charset, true, needle));
}

/* decode: character references of HTML. */
static bool
text_has(struct candidate *c, struct slice text, struct slice charset,
    bool decode, struct slice needle)
{
	bool utf8 = slice_eq_nocase(charset, SLICE_LIT("utf-8")) ||
	    slice_eq_nocase(charset, SLICE_LIT("us-ascii"));
	size_t n, keep;

	buf_reset(&c->folded);
	do {
		n = chunk_of(text);
		fold_chunk(c, charset, utf8, decode, slice_first(text, n));
		text = slice_from(text, n);
		if (has(buf_slice(&c->folded), needle))
			return true;
		/* What a needle may begin in goes on into the next. */
		keep = needle.n > 0 ? needle.n - 1 : 0;
		if (keep < c->folded.n)
			buf_drop(&c->folded, c->folded.n - keep);
	} while (text.n > 0);
	return false;
}

/* Up to the last line end, so that no character is cut in two; where there is
 * none, at a place where UTF-8 and UTF-16 may be cut, and a reference not. */
static size_t
chunk_of(struct slice s)
{
	size_t n = SEARCH_CHUNK;
	const char *lf, *amp;

	if (s.n <= n)
		return s.n;
	lf = memrchr(s.p, '\n', n);
	if (lf != NULL && (size_t)(lf - s.p) >= n / 2)
		return (size_t)(lf - s.p) + 1;
	while (n > SEARCH_CHUNK - 4 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	amp = memrchr(s.p + n - HTML_ENTITY_BYTES, '&', HTML_ENTITY_BYTES);
	return amp == NULL ? n : (size_t)(amp - s.p);
}

static void
fold_chunk(struct candidate *c, struct slice charset, bool utf8, bool decode,
    struct slice s)
{
	char *to = buf_reserve(&c->folded, s.n);

	if (to == NULL)
		return;
	if (utf8 && !decode && casefold_ascii(s, to)) {
		c->folded.n += s.n;
		return;
	}
	buf_reset(&c->utf8);
	charset_to_utf8(charset, s, &c->utf8);
	if (decode)
		c->utf8.n = html_decode(c->utf8.p, c->utf8.n);
	casefold(buf_slice(&c->utf8), &c->folded);
}

static bool
has(struct slice s, struct slice needle)
{
	return needle.n == 0 ||
	    memmem(s.p, s.n, needle.p, needle.n) != NULL;
}
