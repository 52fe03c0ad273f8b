/* SPDX-License-Identifier: ISC */
/*
 * summary - what is kept of a message; see summary.h.
 *
 * Each item has a limit, and their sum is below SUMMARY_BYTES.  What a client
 * asks for as a whole (ENVELOPE, BODYSTRUCTURE, fields, the table of parts) is
 * left out where it is longer; texts are cut.
 */
#include "base/wire.h"
#include "mail/charset.h"
#include "mail/correspondence.h"
#include "mail/message.h"
#include "mail/summary.h"

#define STRUCTURE_BYTES	(12 * 1024)	/* ENVELOPE, BODYSTRUCTURE */
#define FIELDS_BYTES	(12 * 1024)
#define WHOLE_BYTES	2048	/* header sections up to here are kept whole */
#define PARTS_BYTES	(8 * 1024)
#define PARTS_WORTH	(64 * 1024)	/* smaller messages are parsed again */
#define ADDRESS_TEXT	512

enum { FIELDS_KEPT = 1, FIELDS_ALL = 2, IS_REPLY = 4 };

/* The fields that are looked into. */
enum {
	F_SUBJECT, F_FROM, F_TO, F_CC, F_DATE, F_MESSAGE_ID, F_REFERENCES,
	F_IN_REPLY_TO, F_LIMIT,
};

static const struct slice names[] = {
#define NAME(s) { s, sizeof(s) - 1 }
	[F_SUBJECT] = NAME("Subject"), [F_FROM] = NAME("From"),
	[F_TO] = NAME("To"), [F_CC] = NAME("Cc"), [F_DATE] = NAME("Date"),
	[F_MESSAGE_ID] = NAME("Message-ID"),
	[F_REFERENCES] = NAME("References"),
	[F_IN_REPLY_TO] = NAME("In-Reply-To"),
	/* These are only kept. */
	NAME("Bcc"), NAME("Priority"), NAME("X-Priority"), NAME("Newsgroups"),
	NAME("Content-Type"), NAME("Reply-To"), NAME("List-Post"),
	NAME("List-Id"), NAME("Disposition-Notification-To"),
	NAME("X-Uniform-Type-Identifier"),
	NAME("X-Universally-Unique-Identifier"), NAME("Sender"),
#undef NAME
};
#define NNAMES	(sizeof(names) / sizeof(names[0]))

static void	 find_fields(struct slice header, struct slice f[F_LIMIT]);
static int	 put_structure(struct buf *, const struct message *,
		    struct slice header);
static int	 put_fields(struct buf *, const struct message *,
		    uint8_t *flags);
static int	 put_subject(struct buf *, struct slice, uint8_t *flags);
static int	 put_correspondents(struct buf *, const struct slice *f);
static int	 put_first(struct buf *, struct slice body, bool display);
static int	 put_references(struct buf *, const struct slice *f);
static int	 put_preview(struct buf *, const struct message *);
static int	 put_parts(struct buf *, const struct message *);

bool
summary_keeps(struct slice name)
{
	size_t i;

	for (i = 0; i < NNAMES; i++)
		if (slice_eq_nocase(name, names[i]))
			return true;
	return false;
}

/* A slice whose length is written when it is known. */
static int
item_begin(struct buf *b, size_t *at)
{
	*at = b->n;
	return put_u32(b, 0);
}

static int
item_end(struct buf *b, size_t at)
{
	uint32_t n = (uint32_t)(b->n - at - 4);
	unsigned i;

	for (i = 0; i < 4; i++)
		b->p[at + i] = (char)(n >> (8 * i));
	return 0;
}

/* What is longer than max is left out. */
static int
item_end_whole(struct buf *b, size_t at, size_t max)
{
	if (b->n - at - 4 > max)
		b->n = at + 4;
	return item_end(b, at);
}

int
summary_build(struct slice message, struct buf *b)
{
	struct slice f[F_LIMIT], header;
	size_t was = b->n, flags_at;
	struct message m;
	int64_t date = INT64_MIN;
	uint8_t flags = 0;
	int zone = 0, r = -1;

	message_parse(&m, message);
	header = part_header(&m, &m.parts[0]);
	find_fields(header, f);
	if (f[F_DATE].p != NULL)
		date_parse(f[F_DATE], &date, &zone);
	flags_at = b->n + 1;
	if (put_u8(b, SUMMARY_VERSION) == 0 && put_u8(b, 0) == 0 &&
	    put_u64(b, (uint64_t)date) == 0 &&
	    put_u16(b, (uint16_t)(int16_t)zone) == 0 &&
	    put_u64(b, header.n) == 0 && put_structure(b, &m, header) == 0 &&
	    put_fields(b, &m, &flags) == 0 &&
	    put_subject(b, f[F_SUBJECT], &flags) == 0 &&
	    put_correspondents(b, f) == 0 && put_references(b, f) == 0 &&
	    put_preview(b, &m) == 0 && put_parts(b, &m) == 0)
		r = 0;
	message_clear(&m);
	if (r != 0)
		b->n = was;
	else
		b->p[flags_at] = (char)flags;
	return r;
}

static void
find_fields(struct slice header, struct slice f[F_LIMIT])
{
	struct field field;
	size_t i;

	for (i = 0; i < F_LIMIT; i++)
		f[i] = slice_of(NULL, 0);
	while (field_next(&header, &field)) {
		for (i = 0; i < F_LIMIT; i++) {
			if (f[i].p != NULL ||
			    !slice_eq_nocase(field.name, names[i]))
				continue;
			f[i] = slice_trim(field.body);
			if (f[i].n > MESSAGE_FIELD_BYTES)
				f[i].n = MESSAGE_FIELD_BYTES;
		}
	}
}

static int
put_structure(struct buf *b, const struct message *m, struct slice header)
{
	size_t at;

	/* A long one may be much longer than the buf: it is not an error. */
	if (item_begin(b, &at) != 0)
		return -1;
	if (header.n <= STRUCTURE_BYTES * 8)
		imap_envelope(b, header, 0);
	item_end_whole(b, at, STRUCTURE_BYTES);
	if (item_begin(b, &at) != 0)
		return -1;
	if (m->nparts <= STRUCTURE_BYTES / 32)
		imap_bodystructure(b, m, 0);
	return item_end_whole(b, at, STRUCTURE_BYTES);
}

static int
put_fields(struct buf *b, const struct message *m, uint8_t *flags)
{
	const struct part *p = &m->parts[0];
	struct slice header = part_header(m, p);
	struct field f;
	size_t at;

	if (item_begin(b, &at) != 0)
		return -1;
	*flags |= FIELDS_KEPT;
	if (p->header_size <= WHOLE_BYTES) {
		*flags |= FIELDS_ALL;
		if (crlf_add(b, header, 0, UINT64_MAX) != 0)
			return -1;
		return item_end(b, at);
	}
	while (field_next(&header, &f)) {
		if (!summary_keeps(f.name))
			continue;
		if (b->n - at + f.whole.n > FIELDS_BYTES ||
		    crlf_add(b, f.whole, 0, UINT64_MAX) != 0 ||
		    (f.whole.p[f.whole.n - 1] != '\n' &&
			buf_add(b, SLICE_LIT("\r\n")) != 0)) {
			*flags &= (uint8_t)~FIELDS_KEPT;
			b->n = at + 4;
			break;
		}
	}
	return item_end(b, at);
}

/* Runs of blanks become one (RFC 5256 2.1, step 1), in place. */
static size_t
squeeze(char *p, size_t n)
{
	size_t i, k = 0;

	for (i = 0; i < n; i++)
		if (p[i] != ' ' || (k > 0 && p[k - 1] != ' '))
			p[k++] = p[i];
	return k;
}

static int
put_subject(struct buf *b, struct slice body, uint8_t *flags)
{
	struct buf text = BUF_INIT(SUMMARY_TEXT);
	struct slice base;
	bool is_reply = false;
	size_t at;
	int r;

	if (body.p != NULL)
		words_decode(body, &text);
	r = put_slice(b, buf_slice(&text));
	text.n = squeeze(text.p, text.n);
	base = subject_base(buf_slice(&text), &is_reply);
	if (is_reply)
		*flags |= IS_REPLY;
	if (r == 0 && (r = item_begin(b, &at)) == 0 &&
	    (r = casefold(base, b)) == 0) {
		if (b->n - at - 4 > SUMMARY_TEXT)
			b->n = at + 4 + SUMMARY_TEXT;
		item_end(b, at);
	}
	buf_clear(&text);
	return r;
}

static int
put_correspondents(struct buf *b, const struct slice *f)
{
	if (put_first(b, f[F_FROM], false) != 0 ||
	    put_first(b, f[F_TO], false) != 0 ||
	    put_first(b, f[F_CC], false) != 0 ||
	    put_first(b, f[F_FROM], true) != 0 ||
	    put_first(b, f[F_TO], true) != 0)
		return -1;
	return 0;
}

/* RFC 5256: the local-part of the first address (a group's name); RFC 5957: its
 * display name, or else local-part@host. */
static int
put_first(struct buf *b, struct slice body, bool display)
{
	struct buf text = BUF_INIT(ADDRESS_TEXT);
	struct address_reader r;
	struct header_address a;
	int e;

	address_reader_init(&r, body.p == NULL ? SLICE_EMPTY : body);
	if (address_next(&r, &a)) {
		if (a.kind == ADDRESS_GROUP)
			a.mailbox = a.name;
		if (display && a.name.n > 0) {
			words_decode(a.name, &text);
		} else {
			words_decode(a.mailbox, &text);
			if (display && a.host.n > 0 &&
			    buf_add_byte(&text, '@') == 0)
				words_decode(a.host, &text);
		}
	}
	address_reader_clear(&r);
	e = put_slice(b, buf_slice(&text));
	buf_clear(&text);
	return e;
}

static int
add_id(struct buf *b, struct slice id, bool first)
{
	size_t i;

	if (!first && buf_add_byte(b, ' ') != 0)
		return -1;
	for (i = 0; i < id.n; i++)
		if ((unsigned char)id.p[i] > ' ' &&
		    buf_add_byte(b, id.p[i]) != 0)
			return -1;
	return 0;
}

/* Of too many references the last ones are kept: they are the nearest. */
static int
put_references(struct buf *b, const struct slice *f)
{
	struct slice rest, id, all;
	struct buf ids = BUF_INIT(MESSAGE_FIELD_BYTES);
	int r;

	rest = f[F_MESSAGE_ID];
	if (rest.p != NULL && message_id_next(&rest, &id) &&
	    id.n <= SUMMARY_TEXT)
		add_id(&ids, id, true);
	r = put_slice(b, buf_slice(&ids));
	buf_reset(&ids);
	rest = f[F_REFERENCES].p == NULL ? SLICE_EMPTY : f[F_REFERENCES];
	while (message_id_next(&rest, &id))
		if (id.n <= SUMMARY_TEXT && add_id(&ids, id, ids.n == 0) != 0)
			break;
	rest = f[F_IN_REPLY_TO];
	if (ids.n == 0 && rest.p != NULL && message_id_next(&rest, &id) &&
	    id.n <= SUMMARY_TEXT)
		add_id(&ids, id, true);
	all = buf_slice(&ids);
	if (all.n > SUMMARY_REFERENCES) {
		all = slice_from(all, all.n - SUMMARY_REFERENCES);
		all = slice_from(all, slice_find(all, ' '));
		all = slice_trim(all);
	}
	if (r == 0)
		r = put_slice(b, all);
	buf_clear(&ids);
	return r;
}

static int
put_preview(struct buf *b, const struct message *m)
{
	size_t at;

	if (item_begin(b, &at) != 0 || message_preview(m, b) != 0)
		return -1;
	return item_end(b, at);
}

static int
put_parts(struct buf *b, const struct message *m)
{
	size_t at;

	if (item_begin(b, &at) != 0)
		return -1;
	if (m->bytes.n >= PARTS_WORTH && m->nparts <= PARTS_BYTES / 8)
		message_put_parts(m, b);
	return item_end_whole(b, at, PARTS_BYTES);
}

bool
summary_read(struct slice bytes, struct summary *s)
{
	struct wire w = wire_of(bytes);
	uint8_t flags;

	*s = (struct summary){ .header_bytes = 0 };
	if (get_u8(&w) != SUMMARY_VERSION)
		return false;
	flags = get_u8(&w);
	s->fields_kept = (flags & FIELDS_KEPT) != 0;
	s->fields_all = (flags & FIELDS_ALL) != 0;
	s->is_reply = (flags & IS_REPLY) != 0;
	s->date_ms = (int64_t)get_u64(&w);
	s->date_zone = (int16_t)get_u16(&w);
	s->header_bytes = get_u64(&w);
	s->envelope = get_slice(&w, SUMMARY_BYTES);
	s->bodystructure = get_slice(&w, SUMMARY_BYTES);
	s->fields = get_slice(&w, SUMMARY_BYTES);
	s->subject = get_slice(&w, SUMMARY_BYTES);
	s->base_subject = get_slice(&w, SUMMARY_BYTES);
	s->from = get_slice(&w, SUMMARY_BYTES);
	s->to = get_slice(&w, SUMMARY_BYTES);
	s->cc = get_slice(&w, SUMMARY_BYTES);
	s->display_from = get_slice(&w, SUMMARY_BYTES);
	s->display_to = get_slice(&w, SUMMARY_BYTES);
	s->message_id = get_slice(&w, SUMMARY_BYTES);
	s->references = get_slice(&w, SUMMARY_BYTES);
	s->preview = get_slice(&w, SUMMARY_BYTES);
	s->parts = get_slice(&w, SUMMARY_BYTES);
	return wire_done(&w);
}
