/* SPDX-License-Identifier: ISC */
/* submission - see submission.h: reading a message and making it whole. */
#include <unistd.h>

#include "mail/address.h"
#include "mail/header.h"
#include "submission.h"

static int	end_line(struct text_reader *, struct buf *);
static int	add_one(struct submission *, struct slice);
static int	qualify(struct submission *, struct slice, struct slice *);
static int	put_lines(struct submission *, struct slice, struct buf *);
static size_t	break_at(struct slice line, size_t max);
static struct slice without_mbox_line(struct slice);
static int	take_recipients(struct submission *, struct slice text,
		    struct slice *bad_r);
static int	put_fields(struct submission *, struct slice *rest,
		    struct buf *);
static int	put_from(struct submission *, struct buf *);

/* ---- reading ------------------------------------------------------------ */

int
text_read(struct text_reader *r, struct slice s, struct buf *b)
{
	size_t n;
	char c;

	while (s.n > 0 && !r->done) {
		c = s.p[0];
		if (c == '\n' && r->last_cr) {
			r->last_cr = false;	/* its line has ended */
			s = slice_from(s, 1);
			continue;
		}
		r->last_cr = c == '\r';
		if (c == '\n' || c == '\r') {
			if (end_line(r, b) == -1)
				return -1;
			s = slice_from(s, 1);
			continue;
		}
		n = slice_find(s, '\n');
		n = slice_find(slice_first(s, n), '\r');
		for (size_t i = 0; i < n && r->n < sizeof(r->line); i++)
			r->line[r->n++] = s.p[i];
		if (buf_add(b, slice_first(s, n)) == -1)
			return -1;
		s = slice_from(s, n);
	}
	return 0;
}

static int
end_line(struct text_reader *r, struct buf *b)
{
	if (r->dot_ends && r->n == 1 && r->line[0] == '.') {
		b->n--;
		r->done = true;
		return 0;
	}
	r->n = 0;
	return buf_add(b, SLICE_LIT("\r\n"));
}

int
text_end(struct text_reader *r, struct buf *b)
{
	return r->n > 0 && !r->done ? end_line(r, b) : 0;
}

/* ---- addresses ---------------------------------------------------------- */

void
submission_init(struct submission *s, size_t text_max)
{
	*s = (struct submission){
		.from_name = "",
		.arena = ARENA_INIT(SUBMISSION_ARENA),
		.sender = SLICE_EMPTY,
		.from = SLICE_EMPTY,
		.envid = SLICE_EMPTY,
		.text = BUF_INIT(text_max),
	};
}

void
submission_clear(struct submission *s)
{
	buf_clear(&s->text);
	arena_clear(&s->arena);
	s->rcpts = NULL;
	s->nrcpts = s->rcpts_room = 0;
}

int
submission_add_rcpt(struct submission *s, struct slice list,
    struct slice *bad_r)
{
	struct slice addr;
	enum parse r;

	while ((r = address_list_next(&list, &s->arena, &addr)) != PARSE_MORE) {
		if (r == PARSE_BAD || add_one(s, addr) == -1) {
			*bad_r = addr;
			return -1;
		}
	}
	return 0;
}

static int
add_one(struct submission *s, struct slice addr)
{
	struct slice *more;
	size_t i, room;

	if (qualify(s, addr, &addr) == -1)
		return -1;
	for (i = 0; i < s->nrcpts; i++)
		if (slice_eq_nocase(s->rcpts[i], addr))
			return 0;
	if (s->nrcpts == s->rcpts_room) {
		room = s->rcpts_room == 0 ? 16 : s->rcpts_room * 2;
		if (room > ENVELOPE_RECIPIENTS)
			return -1;
		more = arena_alloc(&s->arena, room * sizeof(*more));
		if (more == NULL)
			return -1;
		if (s->nrcpts > 0)
			memcpy(more, s->rcpts, s->nrcpts * sizeof(*more));
		s->rcpts = more;
		s->rcpts_room = room;
	}
	s->rcpts[s->nrcpts++] = addr;
	return 0;
}

/* A name of this host's users gets its domain. */
static int
qualify(struct submission *s, struct slice addr, struct slice *full_r)
{
	struct buf b = BUF_INIT(ADDRESS_BYTES);
	int r = -1;

	if (address_split(addr).domain.n > 0) {
		*full_r = addr;
		return 0;
	}
	if (buf_printf(&b, "%.*s@%s", SLICE_ARG(addr), s->domain) == 0)
		r = arena_copy(&s->arena, buf_slice(&b), full_r);
	buf_clear(&b);
	return r;
}

int
submission_set_sender(struct submission *s, struct slice text)
{
	struct slice addr;

	text = slice_trim(text);
	if (text.n == 0 || slice_eq(text, SLICE_LIT("<>"))) {
		s->sender = SLICE_EMPTY;
		return 0;
	}
	if (address_list_next(&text, &s->arena, &addr) != PARSE_OK ||
	    qualify(s, addr, &addr) == -1 || slice_trim(text).n > 0)
		return -1;
	s->sender = s->from = addr;
	return 0;
}

/* ---- the header section ------------------------------------------------- */

int
submission_finish(struct submission *s, bool take_rcpts, struct slice *bad_r)
{
	struct slice text = without_mbox_line(buf_slice(&s->text));
	struct buf b = BUF_INIT(s->text.max);
	struct slice rest = text;

	*bad_r = SLICE_EMPTY;
	if (take_rcpts && take_recipients(s, text, bad_r) == -1)
		return -1;
	if (put_fields(s, &rest, &b) == -1)
		goto full;
	/* Text without an empty line behind the fields is the body. */
	if (!slice_starts(rest, SLICE_LIT("\r\n")) &&
	    buf_add(&b, SLICE_LIT("\r\n")) == -1)
		goto full;
	if (buf_add(&b, rest) == -1)
		goto full;
	buf_reset(&s->text);
	if (put_lines(s, buf_slice(&b), &s->text) == -1)
		goto full;
	buf_clear(&b);
	return 0;
full:
	buf_clear(&b);
	return -1;
}

/* Output of programs has lines of any length, and they do not ask why it was
 * refused: what is too long for smtpd becomes several lines.  Each but the
 * first begins with a blank, so that a field stays one. */
static int
put_lines(struct submission *s, struct slice text, struct buf *b)
{
	struct slice line;
	size_t n, max = s->line_max;

	while (text.n > 0) {
		n = slice_find(text, '\n');
		line = slice_first(text, n < text.n ? n + 1 : n);
		text = slice_from(text, line.n);
		while (max > 0 && line.n > max + 2) {
			n = break_at(line, max - 1);
			if (buf_add(b, slice_first(line, n)) == -1 ||
			    buf_add_str(b, line.p[n] == ' ' ? "\r\n" :
			    "\r\n ") == -1)
				return -1;
			line = slice_from(line, n);
		}
		if (buf_add(b, line) == -1)
			return -1;
	}
	return 0;
}

/* Before a blank, if there is one near; not within a character of UTF-8. */
static size_t
break_at(struct slice line, size_t max)
{
	size_t n;

	for (n = max; n > max / 2; n--)
		if (line.p[n] == ' ')
			return n;
	for (n = max; n > max - 3 && (line.p[n] & 0xc0) == 0x80; n--)
		;
	return n;
}

/* "From a@b Sun Nov 22 ...": what some programs have from a mailbox file. */
static struct slice
without_mbox_line(struct slice s)
{
	size_t n;

	while (slice_starts(s, SLICE_LIT("From ")) ||
	    slice_starts(s, SLICE_LIT(">From "))) {
		n = slice_find(s, '\n');
		s = slice_from(s, n < s.n ? n + 1 : n);
	}
	return s;
}

static bool
is_one_of(struct slice name, const char *const *names)
{
	for (; *names != NULL; names++)
		if (slice_eq_nocase(name, slice_str(*names)))
			return true;
	return false;
}

static const char *const plain_names[] = { "To", "Cc", "Bcc", NULL };
static const char *const resent_names[] = { "Resent-To", "Resent-Cc",
	"Resent-Bcc", NULL };
static const char *const blind_names[] = { "Bcc", "Resent-Bcc", NULL };

static int
take_recipients(struct submission *s, struct slice text, struct slice *bad_r)
{
	const char *const *names = plain_names;
	struct slice rest = text;
	struct field f;

	while (header_next(&rest, &f))
		if (is_one_of(f.name, resent_names))
			names = resent_names;
	rest = text;
	while (header_next(&rest, &f))
		if (is_one_of(f.name, names) &&
		    submission_add_rcpt(s, f.body, bad_r) == -1)
			return -1;
	return 0;
}

/* The fields but Bcc, and From where there is none. */
static int
put_fields(struct submission *s, struct slice *rest, struct buf *b)
{
	bool has_from = header_count(*rest, "From") > 0;
	struct field f;

	while (header_next(rest, &f))
		if (!is_one_of(f.name, blind_names) &&
		    buf_add(b, f.whole) == -1)
			return -1;
	return has_from ? 0 : put_from(s, b);
}

static int
put_from(struct submission *s, struct buf *b)
{
	struct slice name = slice_str(s->from_name);

	if (buf_add_str(b, "From: ") == -1 ||
	    (name.n > 0 && (header_phrase(b, name) == -1 ||
			       buf_add_byte(b, ' ') == -1)))
		return -1;
	return buf_printf(b, "<%.*s>\r\n", SLICE_ARG(s->from));
}

int
submission_add_trace(struct submission *s, int64_t now_ms, struct buf *b)
{
	struct slice text = buf_slice(&s->text);
	struct date_text date = date_text(now_ms);

	if (buf_printf(b, "Received: by %s (Chasqui, from userid %u);\r\n\t%s"
			  "\r\n", s->hostname, (unsigned)s->uid, date.s) == -1)
		return -1;
	if (header_count(text, "Date") == 0 &&
	    buf_printf(b, "Date: %s\r\n", date.s) == -1)
		return -1;
	if (header_count(text, "Message-ID") == 0 &&
	    buf_printf(b, "Message-ID: <%lld.%u.%08x@%s>\r\n",
		(long long)now_ms, (unsigned)getpid(), arc4random(),
		s->hostname) == -1)
		return -1;
	return 0;
}
