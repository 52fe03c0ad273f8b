/* SPDX-License-Identifier: ISC */
/*
 * message - the tree of parts; see message.h.
 *
 * One pass, line by line.  The parts that are open are a chain from `open` to
 * parts[0]; those of them that are multiparts with a boundary have a level.  A
 * delimiter closes what lies within its level.  Which level it belongs to is
 * decided as RFC 2046 5.1.1 has it, from the innermost out; where boundaries
 * are prefixes of each other, the longest that fits is meant.
 */
#include "base/mem.h"
#include "base/wire.h"
#include "mail/message.h"

struct level {
	uint32_t	 part;
	struct slice	 boundary;
};

struct parser {
	struct message	*m;
	struct arena	 escaped;	/* boundaries that were quoted with \ */
	struct level	 levels[MESSAGE_DEPTH];
	size_t		 nlevels;
	uint32_t	 open;		/* the innermost part */
	size_t		 pos;		/* start of a line */
	uint64_t	 lines;		/* line ends before pos */
	uint64_t	 bare;		/* those of them that are LF alone */
	void		(*want)(void *, struct slice);	/* restoring; or NULL */
	void		*want_arg;
};

struct line {
	size_t		 at, next;
	bool		 ended, bare;
};

static void	 parse_header(struct parser *);
static void	 parse_bodies(struct parser *);
static bool	 begin_inner(struct parser *);
static void	 delimiter(struct parser *, const struct line *, size_t level,
		    bool final);
static bool	 is_delimiter(const struct parser *, const struct line *,
		    size_t *level_r, bool *final_r);
static bool	 fits(struct slice line, struct slice boundary, bool *final_r);
static uint32_t	 part_open(struct parser *);
static void	 part_close(struct parser *, uint32_t, size_t end,
		    uint64_t lines, uint64_t bare);
static void	 part_classify(struct part *);
static void	 set_type(struct part *, const char *type, const char *subtype);
static bool	 take_line(struct parser *, struct line *);
static bool	 push_level(struct parser *, uint32_t part);
static void	 read_fields(struct message *, struct part *);
static void	 read_field(struct part *, const struct field *);

void
message_parse(struct message *m, struct slice bytes)
{
	struct parser p;

	p.m = m;
	p.nlevels = 0;
	p.escaped = ARENA_INIT(MESSAGE_PARTS * MESSAGE_BOUNDARY);
	p.open = PART_NONE;
	p.pos = 0;
	p.lines = p.bare = 0;
	*m = (struct message){ .bytes = bytes };
	p.open = part_open(&p);
	parse_header(&p);
	while (begin_inner(&p))
		;
	parse_bodies(&p);
	for (; p.open != PART_NONE; p.open = m->parts[p.open].parent)
		part_close(&p, p.open, bytes.n, p.lines, p.bare);
	arena_clear(&p.escaped);
}

void
message_clear(struct message *m)
{
	free(m->parts);
	*m = (struct message){ .bytes = SLICE_EMPTY };
}

/* A new part at pos, the last child of the innermost open one. */
static uint32_t
part_open(struct parser *p)
{
	struct message *m = p->m;
	struct part *part, *parent;
	uint32_t i = m->nparts++;

	if (i == m->cap) {
		m->cap = m->cap == 0 ? 8 : m->cap * 2;
		m->parts = mem_regrow(m->parts, m->cap, sizeof(*m->parts));
	}
	part = &m->parts[i];
	memset(part, 0, sizeof(*part));
	part->parent = p->open;
	part->first = part->last = part->next = PART_NONE;
	part->header = part->body = part->end = p->pos;
	/* What has been seen so far is taken off when it is closed. */
	part->header_size = p->pos + p->bare;
	part->body_size = p->pos + p->bare;
	part->lines = p->lines;
	if (p->open == PART_NONE)
		return i;
	parent = &m->parts[p->open];
	part->depth = (uint8_t)(parent->depth + 1);
	if (parent->first == PART_NONE)
		parent->first = i;
	else
		m->parts[parent->last].next = i;
	parent->last = i;
	part->in_digest = parent->kind == PART_MULTIPART &&
	    slice_eq_nocase(parent->subtype, SLICE_LIT("digest"));
	return i;
}

/* lines, bare: up to end. */
static void
part_close(struct parser *p, uint32_t i, size_t end, uint64_t lines,
    uint64_t bare)
{
	struct part *part = &p->m->parts[i];

	part->end = end;
	part->body_size = end + bare - part->body_size;
	part->lines = lines - part->lines;
}

/* The next line; false at the end of the message. */
static bool
take_line(struct parser *p, struct line *l)
{
	struct slice s = p->m->bytes;
	const char *lf;

	if (p->pos == s.n)
		return false;
	l->at = p->pos;
	lf = memchr(s.p + p->pos, '\n', s.n - p->pos);
	l->ended = lf != NULL;
	if (lf == NULL) {
		l->next = s.n;
		l->bare = false;
	} else {
		l->next = (size_t)(lf - s.p) + 1;
		l->bare = l->next - l->at < 2 || lf[-1] != '\r';
	}
	p->pos = l->next;
	p->lines += l->ended;
	p->bare += l->bare;
	return true;
}

static void
untake_line(struct parser *p, const struct line *l)
{
	p->pos = l->at;
	p->lines -= l->ended;
	p->bare -= l->bare;
}

/* Of the innermost part: to the empty line, or to a delimiter of a level that
 * it is in. */
static void
parse_header(struct parser *p)
{
	struct part *part = &p->m->parts[p->open];
	const char *s = p->m->bytes.p;
	struct line l;
	size_t level;
	bool final;

	while (take_line(p, &l)) {
		if (l.ended && l.next - l.at == (l.bare ? 1 : 2))
			break;
		if (s[l.at] == '-' && is_delimiter(p, &l, &level, &final)) {
			untake_line(p, &l);
			break;
		}
	}
	part->body = p->pos;
	part->header_size = p->pos + p->bare - part->header_size;
	part->body_size = p->pos + p->bare;
	part->lines = p->lines;
	read_fields(p->m, part);
}

/* The innermost part's header section has been read: a message in it is
 * opened, a multipart's boundary is waited for.  True: there is a new
 * innermost part. */
static bool
begin_inner(struct parser *p)
{
	struct part *part = &p->m->parts[p->open];

	if (part->kind == PART_LEAF)
		return false;
	if (part->depth >= MESSAGE_DEPTH - 1 ||
	    p->m->nparts >= MESSAGE_PARTS - 1) {
		part->kind = PART_LEAF;
		part->opaque = true;
		set_type(part, "application", "octet-stream");
		return false;
	}
	if (part->kind == PART_MESSAGE) {
		p->open = part_open(p);
		parse_header(p);
		return true;
	}
	if (!push_level(p, p->open)) {
		/* Without a boundary it is text that can at least be read. */
		part->kind = PART_LEAF;
		part->content_type = slice_of(NULL, 0);
		set_type(part, "text", "plain");
	}
	return false;
}

static void
parse_bodies(struct parser *p)
{
	const char *s = p->m->bytes.p;
	struct line l;
	size_t level;
	bool final;

	while (take_line(p, &l))
		if (s[l.at] == '-' && is_delimiter(p, &l, &level, &final))
			delimiter(p, &l, level, final);
}

static void
delimiter(struct parser *p, const struct line *l, size_t level, bool final)
{
	const char *s = p->m->bytes.p;
	uint32_t to = p->levels[level].part;
	uint64_t lines = p->lines - l->ended, bare = p->bare - l->bare;
	size_t end = l->at;

	/* The line end before the line belongs to it, but where it is the end
	 * of a header section.  There is one: a level begins behind one. */
	if (p->m->parts[p->open].body < l->at) {
		lines--;
		end--;
		if (end > 0 && s[end - 1] == '\r')
			end--;
		else
			bare--;
	}
	for (; p->open != to; p->open = p->m->parts[p->open].parent)
		part_close(p, p->open, end, lines, bare);
	p->nlevels = final ? level : level + 1;
	if (final)
		return;
	p->open = part_open(p);
	if (p->m->nparts == MESSAGE_PARTS) {
		/* All the rest is this one. */
		p->m->parts[p->open].opaque = true;
		p->m->parts[p->open].header_size = 0;
		set_type(&p->m->parts[p->open], "application", "octet-stream");
		p->nlevels = 0;
		return;
	}
	parse_header(p);
	while (begin_inner(p))
		;
}

static bool
is_delimiter(const struct parser *p, const struct line *l, size_t *level_r,
    bool *final_r)
{
	struct slice line = slice_of(p->m->bytes.p + l->at, l->next - l->at);
	size_t i, longest = 0;
	bool final;

	if (p->nlevels == 0 || line.n < 3 || line.p[1] != '-')
		return false;
	line = slice_from(line, 2);
	for (i = p->nlevels; i-- > 0;) {
		if (p->levels[i].boundary.n <= longest ||
		    !fits(line, p->levels[i].boundary, &final))
			continue;
		longest = p->levels[i].boundary.n;
		*level_r = i;
		*final_r = final;
	}
	return longest > 0;
}

/* Behind the boundary: "--", white space, or the end. */
static bool
fits(struct slice line, struct slice boundary, bool *final_r)
{
	if (!slice_starts(line, boundary))
		return false;
	line = slice_from(line, boundary.n);
	*final_r = slice_starts(line, SLICE_LIT("--"));
	return *final_r || line.n == 0 || line.p[0] == ' ' ||
	    line.p[0] == '\t' || line.p[0] == '\r' || line.p[0] == '\n';
}

/* False: it has no boundary that can be used. */
static bool
push_level(struct parser *p, uint32_t i)
{
	struct slice type, subtype, params, boundary = SLICE_EMPTY;

	if (!mime_type_split(p->m->parts[i].content_type, &type, &subtype,
		&params) ||
	    !mime_boundary(&p->escaped, params, &boundary) ||
	    boundary.n == 0 || boundary.n > MESSAGE_BOUNDARY)
		return false;
	p->levels[p->nlevels++] = (struct level){ i, boundary };
	return true;
}

/* ---- what a part is ----------------------------------------------------- */

static void
read_fields(struct message *m, struct part *part)
{
	struct slice rest = part_header(m, part);
	const char *lf;
	struct field f;

	/* Few fields matter, so names are not taken apart before their first
	 * letters are right. */
	while (rest.n > 8) {
		if ((rest.p[0] == 'C' || rest.p[0] == 'c') &&
		    slice_starts_nocase(rest, SLICE_LIT("content-")) &&
		    header_next(&rest, &f)) {
			read_field(part, &f);
			continue;
		}
		lf = memchr(rest.p, '\n', rest.n);
		if (lf == NULL)
			break;
		rest = slice_from(rest, (size_t)(lf - rest.p) + 1);
	}
	part_classify(part);
}

/* The first of a name counts. */
static void
read_field(struct part *part, const struct field *f)
{
	static const struct {
		struct slice	name;
		size_t		at;
	} names[] = {
#define FIELD(name, member) { { name, sizeof(name) - 1 },		\
		offsetof(struct part, member) }
		FIELD("type", content_type),
		FIELD("transfer-encoding", transfer_encoding),
		FIELD("disposition", disposition),
		FIELD("language", language),
		FIELD("location", location),
		FIELD("id", id),
		FIELD("description", description),
		FIELD("md5", md5),
#undef FIELD
	};
	struct slice name = slice_from(f->name, sizeof("content-") - 1);
	struct slice *to;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!slice_eq_nocase(name, names[i].name))
			continue;
		to = (struct slice *)(void *)((char *)part + names[i].at);
		if (to->p != NULL)
			return;
		*to = f->body;
		if (to->n > MESSAGE_FIELD_BYTES)
			to->n = MESSAGE_FIELD_BYTES;
		return;
	}
}

static void
set_type(struct part *part, const char *type, const char *subtype)
{
	part->type = slice_str(type);
	part->subtype = slice_str(subtype);
}

static void
part_classify(struct part *part)
{
	struct slice params;
	bool identity;

	part->encoding = (uint8_t)(part->transfer_encoding.p == NULL ?
		ENCODING_7BIT : mime_encoding_parse(part->transfer_encoding));
	identity = part->encoding <= ENCODING_BINARY;
	part->kind = PART_LEAF;
	if (part->content_type.p == NULL ||
	    !mime_type_split(part->content_type, &part->type, &part->subtype,
		&params)) {
		part->content_type = slice_of(NULL, 0);
		if (part->in_digest)
			set_type(part, "message", "rfc822");
		else
			set_type(part, "text", "plain");
	}
	if (slice_eq_nocase(part->type, SLICE_LIT("multipart"))) {
		part->kind = PART_MULTIPART;
	} else if (part_is(part, "message", "rfc822") ||
	    part_is(part, "message", "global")) {
		part->kind = PART_MESSAGE;
		/* RFC 2046 5.2.1 allows no encoding; what has one all the same
		 * is bytes that a client may decode. */
		if (!identity) {
			part->kind = PART_LEAF;
			part->opaque = true;
			set_type(part, "application", "octet-stream");
		}
	}
}

bool
part_is(const struct part *p, const char *type, const char *subtype)
{
	return slice_eq_nocase(p->type, slice_str(type)) &&
	    (subtype == NULL ||
		slice_eq_nocase(p->subtype, slice_str(subtype)));
}

bool
field_next(struct slice *rest, struct field *f)
{
	size_t n;

	while (rest->n > 0) {
		if (header_next(rest, f))
			return true;
		if (rest->p[0] == '\n' ||
		    (rest->p[0] == '\r' && rest->n > 1 && rest->p[1] == '\n'))
			return false;
		n = slice_find(*rest, '\n');
		*rest = slice_from(*rest, n < rest->n ? n + 1 : n);
	}
	return false;
}

/* ---- the table (message_put_parts) -------------------------------------- */

static int
put_number(struct buf *b, uint64_t v)
{
	char s[10];
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		s[n++] = (char)(v | 0x80);
	s[n++] = (char)v;
	return buf_add(b, slice_of(s, n));
}

static uint64_t
get_number(struct wire *w)
{
	uint64_t v = 0;
	unsigned shift;
	uint8_t c;

	for (shift = 0; shift < 63; shift += 7) {
		c = get_u8(w);
		v |= (uint64_t)(c & 0x7f) << shift;
		if (c < 0x80)
			return v;
	}
	wire_fail(w);
	return 0;
}

/* Parts in the order of their headers, so that offsets are written as
 * differences. */
int
message_put_parts(const struct message *m, struct buf *b)
{
	const struct part *p;
	size_t was = b->n, at = 0;
	uint32_t i;

	if (put_number(b, m->nparts) != 0)
		goto full;
	for (i = 0, p = m->parts; i < m->nparts; at = p->header, i++, p++)
		if (put_number(b, p->parent + 1) != 0 ||
		    put_u8(b, (uint8_t)(p->kind | p->opaque << 2)) != 0 ||
		    put_number(b, p->header - at) != 0 ||
		    put_number(b, p->body - p->header) != 0 ||
		    put_number(b, p->end - p->body) != 0 ||
		    put_number(b, p->header_size) != 0 ||
		    put_number(b, p->body_size) != 0 ||
		    put_number(b, p->lines) != 0)
			goto full;
	return 0;
full:
	b->n = was;
	return -1;
}

/* Takes nothing on trust but sizes and lines. */
static bool
restore_part(struct parser *p, struct wire *w, size_t *at)
{
	struct message *m = p->m;
	size_t n = m->bytes.n;
	struct part *part, *parent;
	uint32_t up = (uint32_t)get_number(w), i;
	uint8_t kind = get_u8(w);
	uint64_t header = get_number(w), body = get_number(w),
		 end = get_number(w);

	if (w->bad || (up == 0) != (m->nparts == 0) || up > m->nparts ||
	    kind > (PART_MESSAGE | 4) || (kind & 3) == 3 ||
	    header > n - *at || body > n - *at - header ||
	    end > n - *at - header - body)
		return false;
	p->open = up - 1;
	p->pos = *at += header;
	if (up > 0) {
		parent = &m->parts[up - 1];
		if (parent->kind == PART_LEAF ||
		    parent->depth >= MESSAGE_DEPTH - 1 ||
		    (parent->kind == PART_MESSAGE &&
			parent->first != PART_NONE) ||
		    *at < parent->body || header + body + end > n ||
		    *at + body + end > parent->end)
			return false;
	}
	i = part_open(p);
	part = &m->parts[i];
	part->body = part->header + body;
	part->end = part->body + end;
	part->header_size = get_number(w);
	part->body_size = get_number(w);
	part->lines = get_number(w);
	if (p->want != NULL)
		p->want(p->want_arg, part_header(m, part));
	if ((kind & 4) == 0 || body > 0)
		read_fields(m, part);
	part->opaque = (kind & 4) != 0;
	if (part->opaque)
		set_type(part, "application", "octet-stream");
	else if ((kind & 3) == PART_LEAF && part->kind != PART_LEAF) {
		part->content_type = slice_of(NULL, 0);
		set_type(part, "text", "plain");
	} else if ((kind & 3) != part->kind)
		return false;
	part->kind = kind & 3;
	return !w->bad;
}

bool
message_restore(struct message *m, struct slice bytes, struct slice table)
{
	return message_restore_wanted(m, bytes, table, NULL, NULL);
}

bool
message_restore_wanted(struct message *m, struct slice bytes,
    struct slice table, void (*want)(void *, struct slice), void *arg)
{
	struct wire w = wire_of(table);
	struct parser p;
	uint64_t n = get_number(&w), i;
	size_t at = 0;

	*m = (struct message){ .bytes = bytes };
	p.m = m;
	p.lines = p.bare = 0;
	p.want = want;
	p.want_arg = arg;
	if (w.bad || n == 0 || n > MESSAGE_PARTS)
		return false;
	for (i = 0; i < n; i++) {
		if (!restore_part(&p, &w, &at)) {
			message_clear(m);
			return false;
		}
	}
	if (!wire_done(&w)) {
		message_clear(m);
		return false;
	}
	for (i = 0; i < n; i++) {
		if (m->parts[i].kind == PART_MESSAGE &&
		    m->parts[i].first == PART_NONE) {
			message_clear(m);
			return false;
		}
	}
	return true;
}
