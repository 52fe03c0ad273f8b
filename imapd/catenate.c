/* SPDX-License-Identifier: ISC */
/* catenate - see catenate.h. */
#include "base/num.h"
#include "catenate.h"
#include "fetch.h"

/* "/Drafts;UIDVALIDITY=385759045/;UID=20/;SECTION=1.2/;PARTIAL=0.1024" */
struct url {
	struct slice	 mailbox;
	uint32_t	 uidvalidity;	/* 0: any */
	uint32_t	 uid;
	struct section	 section;
	uint64_t	 from, max;
};

static bool	 parse_url(struct imap_session *, struct slice, struct url *);
static bool	 decode(struct imap_session *, struct slice, struct slice *);
static bool	 give(struct imap_session *, struct mailbox *,
		    const struct url *,
		    void (*)(struct imap_session *, struct slice));

bool
catenate_url(struct imap_session *s, struct slice text,
    void (*bytes)(struct imap_session *, struct slice))
{
	struct mailbox *m = NULL;
	struct url u;
	bool good;

	if (!parse_url(s, text, &u))
		return false;
	if (u.mailbox.n == 0) {
		/* Relative to the selected mailbox. */
		return s->state == S_SELECTED &&
		    give(s, s->view.mailbox, &u, bytes);
	}
	if (mailbox_open(s->store, u.mailbox, true, &m) != STORE_OK)
		return false;
	good = give(s, m, &u, bytes);
	mailbox_close(&m);
	return good;
}

/* A piece up to the next "/;". */
static struct slice
next_piece(struct slice *rest)
{
	const char *hit = memmem(rest->p, rest->n, "/;", 2);
	size_t n = hit == NULL ? rest->n : (size_t)(hit - rest->p);
	struct slice piece = slice_first(*rest, n);

	*rest = slice_from(*rest, hit == NULL ? n : n + 2);
	return piece;
}

static bool
take_number(struct slice text, const char *name, uint32_t *r)
{
	uint64_t v;

	if (!slice_starts_nocase(text, slice_str(name)) || !slice_to_u64(
	    slice_from(text, strlen(name)), 1, UINT32_MAX, &v))
		return false;
	*r = (uint32_t)v;
	return true;
}

/* "/MAILBOX;UIDVALIDITY=1/;UID=..."; "/;UID=..." and ";UID=..." are of the
 * selected mailbox.  What is left begins with "UID=". */
static bool
parse_url_mailbox(struct imap_session *s, struct slice *text, struct url *u)
{
	struct slice piece;
	size_t n;

	if (text->n > 0 && text->p[0] == ';') {
		*text = slice_from(*text, 1);
		return true;
	}
	if (text->n == 0 || text->p[0] != '/')
		return false;
	if (text->n > 1 && text->p[1] != ';')
		*text = slice_from(*text, 1);
	piece = next_piece(text);
	n = slice_find(piece, ';');
	return (n == piece.n || take_number(slice_from(piece, n),
	    ";UIDVALIDITY=", &u->uidvalidity)) &&
	    decode(s, slice_first(piece, n), &u->mailbox);
}

static bool
parse_url(struct imap_session *s, struct slice text, struct url *u)
{
	struct slice piece, value;
	struct cursor c;
	size_t n;

	*u = (struct url){ .max = UINT64_MAX };
	if (!parse_url_mailbox(s, &text, u) ||
	    !take_number(next_piece(&text), "UID=", &u->uid))
		return false;
	while (text.n > 0) {
		piece = next_piece(&text);
		n = slice_find(piece, '=');
		if (n == piece.n ||
		    !decode(s, slice_from(piece, n + 1), &value))
			return false;
		c = cursor_of(value, &s->arena);
		if (slice_eq_nocase(slice_first(piece, n),
		    SLICE_LIT("SECTION"))) {
			if (!section_parse(&c, &u->section) || !cur_end(&c))
				return false;
		} else if (!slice_eq_nocase(slice_first(piece, n),
		    SLICE_LIT("PARTIAL")) || !cur_number64(&c, &u->from) ||
		    (cur_byte(&c, '.') && !cur_number64(&c, &u->max)) ||
		    !cur_end(&c))
			return false;
	}
	return true;
}

static int
hex_value(char c)
{
	c = ascii_lower(c);
	return c >= '0' && c <= '9' ? c - '0' :
	    c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
decode(struct imap_session *s, struct slice in, struct slice *r)
{
	char *to = arena_alloc(&s->arena, in.n + 1);
	size_t i, n = 0;

	if (to == NULL)
		return false;
	for (i = 0; i < in.n; i++) {
		if (in.p[i] != '%') {
			to[n++] = in.p[i];
			continue;
		}
		if (in.n - i < 3 || hex_value(in.p[i + 1]) < 0 ||
		    hex_value(in.p[i + 2]) < 0)
			return false;
		to[n++] = (char)(hex_value(in.p[i + 1]) << 4 |
		    hex_value(in.p[i + 2]));
		i += 2;
	}
	*r = slice_of(to, n);
	return true;
}

static bool
give_section(struct imap_session *s, struct slice content, const struct url *u,
    void (*bytes)(struct imap_session *, struct slice))
{
	struct buf fields = BUF_INIT(OUT_BYTES);
	struct crlf_reader lines;
	struct message m;
	struct slice stored;
	uint64_t size, left = u->max;
	char piece[4096];
	size_t n;
	bool good;

	message_parse(&m, content);
	good = message_section(&m, &u->section, &stored, &size);
	if (good && u->section.nfields > 0) {
		good = section_fields(&fields, stored, &u->section) == 0;
		stored = buf_slice(&fields);
	}
	if (good) {
		crlf_reader_init(&lines, stored);
		crlf_skip(&lines, u->from);
		while (left > 0 && (n = crlf_read(&lines, piece,
		    left < sizeof(piece) ? left : sizeof(piece))) > 0) {
			bytes(s, slice_of(piece, n));
			left -= n;
		}
	}
	message_clear(&m);
	buf_clear(&fields);
	return good;
}

static bool
give(struct imap_session *s, struct mailbox *m, const struct url *u,
    void (*bytes)(struct imap_session *, struct slice))
{
	struct message_content content;
	bool good;

	if ((u->uidvalidity != 0 &&
	    u->uidvalidity != mailbox_head(m)->uidvalidity) ||
	    mailbox_content(m, u->uid, &content) != STORE_OK)
		return false;
	good = give_section(s, content.bytes, u, bytes);
	message_content_clear(&content);
	return good;
}
