/* SPDX-License-Identifier: ISC */
/*
 * fetch_write - one message's answer to a FETCH, a piece at a time.
 *
 * A message's summary and content are looked up when the first item wants
 * them, and kept until the message is done.  Of a large one nothing is in memory
 * while the client is waited for but a window of PIECE_BYTES.
 */
#include "fetch.h"
#include "mail/summary.h"
#include "search.h"


static bool	 next_item(struct fetch_reader *);
static void	 put_item(struct fetch_reader *, const struct fetch_item *);
static void	 put_flags_item(struct fetch_reader *);
static void	 put_thread_id(struct fetch_reader *);
static void	 put_summary_item(struct fetch_reader *, enum fetch_what);
static void	 put_section(struct fetch_reader *, const struct fetch_item *);
static bool	 put_cached_fields(struct fetch_reader *,
		    const struct fetch_item *);
static void	 put_binary(struct fetch_reader *, const struct fetch_item *);
static void	 put_decoded(struct fetch_reader *, const struct fetch_item *,
		    const struct part *);
static void	 begin_literal(struct fetch_reader *, const struct fetch_item *,
		    uint64_t size, bool binary);
static void	 write_literal(struct fetch_reader *);
static void	 begin_stored(struct fetch_reader *, struct slice);
static bool	 next_window(struct fetch_reader *);
static bool	 next_decoded(struct fetch_reader *);
static bool	 read_window(struct fetch_reader *, char *to, size_t n);
static void	 pass_over(struct fetch_reader *, uint64_t octets);
static bool	 load_content(struct fetch_reader *);
static bool	 load_message(struct fetch_reader *);
static bool	 load_whole(struct fetch_reader *);
static bool	 load_summary(struct fetch_reader *, struct summary *);

bool
fetch_begin(struct fetch_reader *r, size_t position)
{
	const struct message_entry *e = view_entry(&r->s->view, position);

	if (e == NULL)
		return false;
	r->entry = *e;
	r->position = position;
	r->item = 0;
	r->left = 0;
	r->first = true;
	begin_fetch(r->s, position, r->by_uid || r->f->has & 1u << F_UID);
	return true;
}

bool
fetch_go_on(struct fetch_reader *r)
{
	if (r->left > 0)
		write_literal(r);
	while (r->left == 0 && r->s->out.n < PIECE_BYTES && !r->s->stuck)
		if (!next_item(r))
			return false;
	if (r->has_content)
		message_content_let_go(&r->content);
	return true;
}

static bool
next_item(struct fetch_reader *r)
{
	struct imap_session *s = r->s;
	const struct told *t = &s->view.v[r->position];
	const struct fetch_item *it;

	if (r->item < r->f->n) {
		it = &r->f->items[r->item++];
		if (it->what != F_UID)
			put_item(r, it);
		return true;
	}
	/* What this very command has changed is told in its answer. */
	if (r->item == r->f->n && (r->f->has & 1u << F_FLAGS) == 0 &&
	    r->f->sets_seen && (t->flags != r->entry.flags ||
	    t->keywords != r->entry.keywords))
		put_flags_item(r);
	if (r->first && s->enabled & EN_UIDONLY)
		buf_printf(&s->out, "UID %u", r->entry.uid);
	else if (r->first)
		s->out.n--;	/* the SP behind the UID */
	put_str(s, ")\r\n");
	fetch_reader_clear(r);
	return false;
}

void
fetch_reader_clear(struct fetch_reader *r)
{
	if (r->has_message)
		message_clear(&r->message);
	if (r->has_content)
		message_content_clear(&r->content);
	r->has_message = r->has_content = r->has_summary = false;
	buf_clear(&r->decoded);
	buf_clear(&r->window);
	r->left = 0;
}

static void
put_name(struct fetch_reader *r, const char *name)
{
	if (!r->first)
		put_str(r->s, " ");
	r->first = false;
	put_str(r->s, name);
}

/* Zeros where the message is gone; a body would be NIL then. */
static void
facts_of(struct fetch_reader *r, unsigned wanted, struct message_facts *f)
{
	(void)!mailbox_facts(r->s->view.mailbox, r->entry.uid, wanted, f);
}

static void
put_item(struct fetch_reader *r, const struct fetch_item *it)
{
	struct imap_session *s = r->s;
	struct message_facts f;

	switch (it->what) {
	case F_UID:
		break;
	case F_FLAGS:
		put_flags_item(r);
		break;
	case F_INTERNALDATE:
		put_name(r, "INTERNALDATE ");
		facts_of(r, FACT_DATES, &f);
		put_internaldate(s, f.internal_ms);
		break;
	case F_SIZE:
		put_name(r, "RFC822.SIZE ");
		facts_of(r, FACT_SIZE, &f);
		put_number(s, f.size);
		break;
	case F_MODSEQ:
		put_name(r, "MODSEQ (");
		put_number(s, r->entry.modseq);
		put_str(s, ")");
		break;
	case F_EMAILID:
		put_name(r, "EMAILID ");
		facts_of(r, FACT_GUID, &f);
		put_object_id(s, 'M', f.guid);
		break;
	case F_THREADID:
		put_name(r, "THREADID ");
		put_thread_id(r);
		break;
	case F_SAVEDATE:
		put_name(r, "SAVEDATE ");
		facts_of(r, FACT_DATES, &f);
		put_internaldate(s, f.saved_ms);
		break;
	case F_ENVELOPE:
	case F_BODYSTRUCTURE:
	case F_BODY:
	case F_PREVIEW:
		put_summary_item(r, it->what);
		break;
	case F_SECTION:
		put_section(r, it);
		break;
	case F_BINARY:
	case F_BINARY_SIZE:
		put_binary(r, it);
		break;
	}
}

static void
put_thread_id(struct fetch_reader *r)
{
	struct message_facts f;
	struct summary sum;
	uint8_t id[16];

	if (!load_summary(r, &sum)) {
		put_str(r->s, "NIL");
		return;
	}
	facts_of(r, FACT_GUID, &f);
	thread_id(&sum, f.guid, id);
	put_object_id(r->s, 'T', id);
}

static void
put_flags_item(struct fetch_reader *r)
{
	struct imap_session *s = r->s;
	const struct message_entry *e = &r->entry;
	struct told *t = &s->view.v[r->position];

	put_name(r, "FLAGS ");
	put_flag_list(s, e->flags, e->keywords);
	if (s->enabled & EN_CONDSTORE && t->modseq != e->modseq &&
	    (r->f->has & 1u << F_MODSEQ) == 0) {
		put_str(s, " MODSEQ (");
		put_number(s, e->modseq);
		put_str(s, ")");
	}
	t->flags = e->flags;
	t->keywords = e->keywords;
	t->modseq = e->modseq;
}

static void
put_summary_item(struct fetch_reader *r, enum fetch_what what)
{
	struct imap_session *s = r->s;
	struct summary sum;
	bool good = load_summary(r, &sum);
	unsigned flags = speaks_utf8(s) ? IMAP_UTF8 : 0;
	int wrote = 0;

	put_name(r, what == F_ENVELOPE ? "ENVELOPE " :
	    what == F_BODYSTRUCTURE ? "BODYSTRUCTURE " :
	    what == F_BODY ? "BODY " : "PREVIEW ");
	if (what == F_PREVIEW)
		put_nstring(s, good ? sum.preview : SLICE_EMPTY);
	else if (what == F_ENVELOPE && good && sum.envelope.n > 0)
		put(s, sum.envelope);
	else if (what == F_BODYSTRUCTURE && good && sum.bodystructure.n > 0)
		put(s, sum.bodystructure);
	else if (what == F_BODY && good && sum.bodystructure.n > 0)
		wrote = imap_body(&s->out, sum.bodystructure);
	else if (!load_whole(r)) {
		/* The answer is begun; it is to be grammar all the same. */
		put_str(s, what == F_ENVELOPE ?
		    "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)" :
		    "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 0 0)");
	} else if (what == F_ENVELOPE)
		wrote = imap_envelope(&s->out, part_header(&r->message,
		    &r->message.parts[0]), flags);
	else if (what == F_BODYSTRUCTURE)
		wrote = imap_bodystructure(&s->out, &r->message, flags);
	else {
		struct buf b = BUF_INIT(OUT_BYTES);

		wrote = imap_bodystructure(&b, &r->message, flags);
		if (wrote == 0)
			wrote = imap_body(&s->out, buf_slice(&b));
		buf_clear(&b);
	}
	if (wrote == -1)
		s->stuck = true;
}

/* ---- sections ------------------------------------------------------------ */

static void
put_label(struct fetch_reader *r, const struct fetch_item *it)
{
	put_name(r, "");
	put(r->s, it->label);
	put_str(r->s, " ");
}

static void
put_section(struct fetch_reader *r, const struct fetch_item *it)
{
	const struct section *sec = &it->section;
	struct slice stored;
	uint64_t size;
	bool fields = sec->what == SECTION_FIELDS ||
	    sec->what == SECTION_FIELDS_NOT;

	put_label(r, it);
	if (fields && sec->npath == 0 && put_cached_fields(r, it))
		return;
	if (!load_content(r)) {
		put_str(r->s, "NIL");
		return;
	}
	/* Of a large one the size is known from its parts. */
	if (sec->npath == 0 && sec->what == SECTION_ALL && !r->content.away) {
		stored = r->content.bytes;
		size = crlf_size(stored);
	} else if (!load_message(r) ||
	    !message_section(&r->message, sec, &stored, &size)) {
		put_str(r->s, "NIL");
		return;
	}
	if (fields) {
		message_content_want(&r->content, stored);
		buf_reset(&r->decoded);
		if (section_fields(&r->decoded, stored, sec) == -1)
			r->s->stuck = true;
		r->literal = LITERAL_RAW;
		r->raw = buf_slice(&r->decoded);
		size = r->raw.n;
	} else
		begin_stored(r, stored);
	begin_literal(r, it, size, false);
}

/* From the summary, where it has all that is asked for. */
static bool
put_cached_fields(struct fetch_reader *r, const struct fetch_item *it)
{
	const struct section *sec = &it->section;
	struct summary sum;
	size_t i;

	if (!load_summary(r, &sum) || !sum.fields_kept)
		return false;
	if (!sum.fields_all) {
		if (sec->what == SECTION_FIELDS_NOT)
			return false;
		for (i = 0; i < sec->nfields; i++)
			if (!summary_keeps(sec->fields[i]))
				return false;
	}
	buf_reset(&r->decoded);
	if (section_fields(&r->decoded, sum.fields, sec) == -1)
		r->s->stuck = true;
	r->literal = LITERAL_RAW;
	r->raw = buf_slice(&r->decoded);
	begin_literal(r, it, r->raw.n, false);
	return true;
}

/* RFC 9051 6.4.5.1: without its content transfer encoding. */
static void
put_binary(struct fetch_reader *r, const struct fetch_item *it)
{
	const struct part *p = NULL;
	enum decode d = DECODE_OK;

	put_label(r, it);
	if (load_message(r))
		p = message_part(&r->message, it->section.path,
		    it->section.npath);
	buf_clear(&r->decoded);
	if (p == NULL) {
		put_str(r->s, it->what == F_BINARY ? "NIL" : "0");
		return;
	}
	if (r->content.away && (it->section.npath == 0 ||
	    p->encoding != ENCODING_OTHER)) {
		put_decoded(r, it, p);
		return;
	}
	if (it->section.npath == 0) {
		/* The whole message: no encoding is above it. */
		if (crlf_add(&r->decoded, r->content.bytes, 0, UINT64_MAX) == -1)
			d = DECODE_FULL;
	} else
		d = part_decode(&r->message, p, &r->decoded);
	if (d != DECODE_OK)
		r->trouble = d == DECODE_UNKNOWN ? "UNKNOWN-CTE" : "LIMIT";
	if (it->what == F_BINARY_SIZE)
		put_number(r->s, r->decoded.n);
	else if (d != DECODE_OK)
		put_str(r->s, "NIL");
	else {
		r->literal = LITERAL_RAW;
		r->raw = buf_slice(&r->decoded);
		begin_literal(r, it, r->raw.n,
		    slice_find(r->raw, '\0') < r->raw.n);
	}
}

static void
begin_decoding(struct fetch_reader *r, struct slice stored,
    enum mime_encoding encoding)
{
	mime_decoder_init(&r->decoder, encoding);
	r->literal = LITERAL_DECODED;
	r->raw = SLICE_EMPTY;
	r->at = (size_t)(stored.p - r->content.bytes.p);
	r->end = r->at + stored.n;
}

/* Once to know how long it is, and what is in it, and once to write it. */
static void
put_decoded(struct fetch_reader *r, const struct fetch_item *it,
    const struct part *p)
{
	bool whole = it->section.npath == 0, has_nul = false;
	struct slice stored = whole ? r->content.bytes :
	    part_body(&r->message, p);
	enum mime_encoding encoding = whole ? ENCODING_8BIT :
	    (enum mime_encoding)p->encoding;
	uint64_t size = 0;

	for (begin_decoding(r, stored, encoding); next_decoded(r);
	    size += r->raw.n)
		has_nul = has_nul || slice_find(r->raw, '\0') < r->raw.n;
	if (it->what == F_BINARY_SIZE) {
		put_number(r->s, size);
		return;
	}
	begin_decoding(r, stored, encoding);
	begin_literal(r, it, size, has_nul);
}

/* ---- literals ------------------------------------------------------------ */

/* With line ends as CRLF.  What is in memory needs no window. */
static void
begin_stored(struct fetch_reader *r, struct slice stored)
{
	bool away = r->content.away;

	r->literal = LITERAL_LINES;
	crlf_reader_init(&r->lines, away ? SLICE_EMPTY : stored);
	r->at = away ? (size_t)(stored.p - r->content.bytes.p) : 0;
	r->end = away ? r->at + stored.n : 0;
}

/* False: there is none, or it could not be read. */
static bool
next_window(struct fetch_reader *r)
{
	size_t n = r->end - r->at;
	char *to;

	if (n == 0)
		return false;
	buf_reset(&r->window);
	n = n < PIECE_BYTES ? n : PIECE_BYTES;
	to = buf_reserve(&r->window, n);
	if (to == NULL || !read_window(r, to, n))
		return false;
	r->at += n;
	r->lines.rest = slice_of(to, n);
	return true;
}

/* A whole line where it can be, which may be longer than a window. */
static bool
next_decoded(struct fetch_reader *r)
{
	size_t n = PIECE_BYTES, piece = 0;
	bool last = r->at == r->end;
	char *to = NULL;

	if (last)
		return false;
	for (; piece == 0 && !last; n *= 2) {
		buf_reset(&r->window);
		n = n < r->end - r->at ? n : r->end - r->at;
		last = n == r->end - r->at;
		to = buf_reserve(&r->window, n);
		if (to == NULL || !read_window(r, to, n))
			return false;
		piece = mime_piece(&r->decoder, slice_of(to, n), last);
	}
	r->at += piece;
	buf_reset(&r->decoded);
	if (mime_decode_piece(&r->decoder, slice_of(to, piece), last,
	    &r->decoded) == -1)
		r->s->stuck = true;
	r->raw = buf_slice(&r->decoded);
	return true;
}

/* All n.  Otherwise the session is to end: no octets can stand for those that
 * were announced. */
static bool
read_window(struct fetch_reader *r, char *to, size_t n)
{
	size_t got = 0, more;

	while (got < n && (more = message_content_read(&r->content,
	    r->at + got, to + got, n - got)) > 0)
		got += more;
	if (got == n)
		return true;
	r->s->stuck = true;
	r->s->why = "a message could not be read";
	return false;
}

/* At most n octets of the literal; 0: there are no more. */
static size_t
take_octets(struct fetch_reader *r, char *to, size_t n)
{
	size_t took = 0;

	if (r->literal == LITERAL_LINES) {
		do
			took = crlf_read(&r->lines, to, n);
		while (took == 0 && next_window(r));
		return took;
	}
	while (r->raw.n == 0 && r->literal == LITERAL_DECODED)
		if (!next_decoded(r))
			return 0;
	took = n < r->raw.n ? n : r->raw.n;
	memcpy(to, r->raw.p, took);
	r->raw = slice_from(r->raw, took);
	return took;
}

static void
pass_over(struct fetch_reader *r, uint64_t n)
{
	size_t some;

	if (r->literal == LITERAL_LINES) {
		do
			n -= crlf_skip(&r->lines, n);
		while (n > 0 && next_window(r));
		return;
	}
	while (n > 0) {
		if (r->raw.n == 0 && (r->literal != LITERAL_DECODED ||
		    !next_decoded(r)))
			return;
		some = n < r->raw.n ? (size_t)n : r->raw.n;
		r->raw = slice_from(r->raw, some);
		n -= some;
	}
}

static void
begin_literal(struct fetch_reader *r, const struct fetch_item *it,
    uint64_t size, bool binary)
{
	uint64_t from = it->partial ? it->from : 0;

	from = from < size ? from : size;
	r->binary = binary;
	r->left = size - from;
	if (it->partial && it->max < r->left)
		r->left = it->max;
	pass_over(r, from);
	put_str(r->s, binary ? "~{" : "{");
	put_number(r->s, r->left);
	put_str(r->s, "}\r\n");
	if (r->left > 0)
		write_literal(r);
}

/* RFC 9051 4.3.1: only a literal8 may have a NUL.  The size stays. */
static void
hide_nuls(char *p, size_t n)
{
	char *end = p + n;

	while ((p = memchr(p, '\0', (size_t)(end - p))) != NULL)
		*p++ = (char)0x80;
}

static void
write_literal(struct fetch_reader *r)
{
	size_t n = r->left < PIECE_BYTES ? (size_t)r->left : PIECE_BYTES;
	char *to = buf_reserve(&r->s->out, n);
	size_t got;

	if (to == NULL) {
		r->s->stuck = true;
		r->left = 0;
		return;
	}
	got = take_octets(r, to, n);
	if (r->s->stuck)
		return;
	if (got == 0)
		/* Less than was counted: the count is kept. */
		memset(to, ' ', n);
	else
		n = got;
	if (!r->binary)
		hide_nuls(to, n);
	r->s->out.n += n;
	r->left -= n;
}

/* ---- what items are made from -------------------------------------------- */

static bool
load_content(struct fetch_reader *r)
{
	enum store_result got;

	if (r->has_content)
		return true;
	r->has_summary = false;
	got = mailbox_content_away(r->s->view.mailbox, r->entry.uid, &r->content);
	r->has_content = got == STORE_OK;
	if (got == STORE_EXPUNGED)
		r->trouble = "EXPUNGEISSUED";
	else if (got != STORE_OK)
		r->trouble = "UNAVAILABLE";
	return r->has_content;
}

static void
want_header(void *arg, struct slice header)
{
	message_content_want(arg, header);
}

static bool
load_message(struct fetch_reader *r)
{
	struct summary sum;

	if (r->has_message)
		return true;
	if (!load_content(r))
		return false;
	if (!load_summary(r, &sum) || !message_restore_wanted(&r->message,
	    r->content.bytes, sum.parts, want_header, &r->content)) {
		message_content_want(&r->content, r->content.bytes);
		message_parse(&r->message, r->content.bytes);
	}
	r->has_message = true;
	return true;
}

/* With all that the parts' fields point to. */
static bool
load_whole(struct fetch_reader *r)
{
	if (!load_message(r))
		return false;
	message_content_want(&r->content, r->content.bytes);
	return true;
}

static bool
load_summary(struct fetch_reader *r, struct summary *sum)
{
	if (!r->has_summary) {
		if (mailbox_summary(r->s->view.mailbox, r->entry.uid,
		    &r->summary) != STORE_OK)
			return false;
		r->has_summary = true;
	}
	return summary_read(r->summary, sum);
}
