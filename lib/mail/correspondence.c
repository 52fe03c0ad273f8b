/* SPDX-License-Identifier: ISC */
/*
 * correspondence - address lists with their names, message ids, base subjects;
 * see correspondence.h.
 *
 * address_list.c reads the same fields for SMTP, which wants valid addresses;
 * here every field gives what a reader of the message is to see.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "mail/chars.h"
#include "mail/correspondence.h"

/* One element of an address list while it is read.  The texts lie in the
 * reader's memory and are never longer than what they were read from. */
struct element {
	struct text { char *p; size_t n; } name, spec, comment, route;
	size_t		 at;		/* index in spec; SIZE_MAX: none */
	bool		 any;		/* something but blanks */
	bool		 has_name;
	bool		 has_comment;
	bool		 in_angle, had_angle;
	bool		 blank;		/* white space before the next word */
};

/* What ends a word: the specials of RFC 5322 3.2.3 but '.' and '\', blanks. */
static const bool is_special[256] = {
	['('] = true, [')'] = true, ['<'] = true, ['>'] = true, ['['] = true,
	[']'] = true, [':'] = true, [';'] = true, ['@'] = true, [','] = true,
	['"'] = true, [' '] = true, ['\t'] = true, ['\r'] = true,
	['\n'] = true, ['\0'] = true,
};

static bool	 read_element(struct address_reader *, struct element *,
		    bool *group_r);
static void	 take_word(struct element *, struct slice *);
static void	 take_quoted(struct element *, struct slice *);
static void	 take_literal(struct element *, struct slice *);
static void	 take_comment(struct element *, struct slice *);
static void	 take_special(struct element *, char);
static void	 add(struct text *, char);
static void	 add_word(struct element *, char);
static void	 begin_word(struct element *);
static void	 fill(const struct element *, struct header_address *);
static bool	 refwd(struct slice *);
static bool	 blob(struct slice *);

void
address_reader_init(struct address_reader *r, struct slice body)
{
	*r = (struct address_reader){ .rest = body };
}

void
address_reader_clear(struct address_reader *r)
{
	free(r->memory);
	*r = (struct address_reader){ .rest = SLICE_EMPTY };
}

bool
address_next(struct address_reader *r, struct header_address *a)
{
	struct element e;
	bool group;

	*a = (struct header_address){ .kind = ADDRESS_GROUP_END };
	for (;;) {
		if (r->ends_group) {
			r->ends_group = r->in_group = false;
			return true;
		}
		if (r->rest.n == 0) {
			/* A group that is not ended ends with the field. */
			if (!r->in_group)
				return false;
			r->in_group = false;
			return true;
		}
		if (r->memory == NULL) {
			r->n = r->rest.n;
			r->memory = mem_array(r->n, 4);
		}
		if (!read_element(r, &e, &group))
			continue;
		if (group && r->in_group) {
			/* No group within a group: its name is lost. */
			continue;
		}
		fill(&e, a);
		if (group) {
			a->kind = ADDRESS_GROUP;
			a->name = slice_of(e.name.p, e.name.n);
			r->in_group = true;
		} else {
			a->kind = ADDRESS_ONE;
		}
		return true;
	}
}

/* Moves behind one element and what ends it.  False: it was empty. */
static bool
read_element(struct address_reader *r, struct element *e, bool *group_r)
{
	struct slice *s = &r->rest;
	char c;

	*e = (struct element){ .at = SIZE_MAX };
	e->name.p = r->memory;
	e->spec.p = r->memory + r->n;
	e->comment.p = r->memory + 2 * r->n;
	e->route.p = r->memory + 3 * r->n;
	*group_r = false;
	while (s->n > 0) {
		c = s->p[0];
		if (c == ';' || (c == ',' && !e->in_angle)) {
			*s = slice_from(*s, 1);
			r->ends_group = c == ';' && r->in_group;
			break;
		}
		if (c == ':' && !e->in_angle && !e->had_angle &&
		    e->at == SIZE_MAX) {
			*s = slice_from(*s, 1);
			*group_r = e->has_name;
			if (e->has_name)
				return true;
			continue;
		}
		if (c == '(')
			take_comment(e, s);
		else if (c == '"')
			take_quoted(e, s);
		else if (c == '[')
			take_literal(e, s);
		else if (is_special[(unsigned char)c] && c != ')' && c != ']') {
			take_special(e, c);
			*s = slice_from(*s, 1);
		} else {
			take_word(e, s);
		}
	}
	return e->any;
}

static void
take_special(struct element *e, char c)
{
	switch (c) {
	case '<':
		if (e->in_angle || e->had_angle)
			break;	/* "<a@b> <c@d>": the first counts */
		e->in_angle = e->any = true;
		e->spec.n = 0;
		e->at = SIZE_MAX;
		break;
	case '>':
		e->had_angle |= e->in_angle;
		e->in_angle = false;
		break;
	case ',':
		/* In a route: "<@a,@b:c@d>". */
		add(&e->spec, ',');
		break;
	case ':':
		if (!e->in_angle)
			break;
		e->route.n = e->spec.n;
		memcpy(e->route.p, e->spec.p, e->spec.n);
		e->spec.n = 0;
		e->at = SIZE_MAX;
		break;
	case '@':
		e->any = true;
		if (e->had_angle)
			break;
		e->at = e->spec.n;
		add(&e->spec, '@');
		if (!e->in_angle)
			add(&e->name, '@');
		break;
	default:
		e->blank = true;
	}
}

/* Up to the next special; atoms, dots and whatever else is met. */
static void
take_word(struct element *e, struct slice *s)
{
	size_t i = 0;

	begin_word(e);
	do
		add_word(e, s->p[i++]);
	while (i < s->n && !is_special[(unsigned char)s->p[i]]);
	*s = slice_from(*s, i);
}

static void
take_quoted(struct element *e, struct slice *s)
{
	size_t i;

	begin_word(e);
	for (i = 1; i < s->n && s->p[i] != '"'; i++) {
		if (s->p[i] == '\\' && i + 1 < s->n)
			i++;
		if (s->p[i] != '\r' && s->p[i] != '\n')
			add_word(e, s->p[i]);
	}
	*s = slice_from(*s, i < s->n ? i + 1 : i);
}

static void
take_literal(struct element *e, struct slice *s)
{
	size_t i;

	begin_word(e);
	for (i = 0; i < s->n && s->p[i] != ']'; i++)
		if (s->p[i] != '\r' && s->p[i] != '\n')
			add_word(e, s->p[i]);
	if (i < s->n)
		add_word(e, s->p[i++]);
	*s = slice_from(*s, i);
}

/* The last one is the name of an address that has no other (RFC 822). */
static void
take_comment(struct element *e, struct slice *s)
{
	size_t i, depth = 0;

	e->comment.n = 0;
	e->has_comment = true;
	e->blank = true;
	for (i = 0; i < s->n; i++) {
		if (s->p[i] == '(' && depth++ == 0)
			continue;
		if (s->p[i] == ')' && --depth == 0)
			break;
		if (s->p[i] == '\\' && i + 1 < s->n)
			i++;
		if (s->p[i] != '\r' && s->p[i] != '\n')
			add(&e->comment, s->p[i]);
	}
	*s = slice_from(*s, i < s->n ? i + 1 : i);
}

static void
add(struct text *t, char c)
{
	t->p[t->n++] = c;
}

/* Words of a name have a blank between them, those of an address none. */
static void
begin_word(struct element *e)
{
	e->any = true;
	if (e->in_angle || e->had_angle)
		return;
	if (e->blank && e->name.n > 0)
		add(&e->name, ' ');
	e->has_name = true;
	e->blank = false;
}

static void
add_word(struct element *e, char c)
{
	if (e->had_angle)
		return;		/* behind '>' */
	add(&e->spec, c);
	if (!e->in_angle)
		add(&e->name, c);
}

static void
fill(const struct element *e, struct header_address *a)
{
	bool angle = e->in_angle || e->had_angle;
	struct slice spec = slice_of(e->spec.p, e->spec.n);

	*a = (struct header_address){ .kind = ADDRESS_ONE };
	a->host = SLICE_EMPTY;
	if (angle ? e->has_name : e->at == SIZE_MAX)
		a->name = slice_of(e->name.p, e->name.n);
	else if (e->has_comment)
		a->name = slice_trim(slice_of(e->comment.p, e->comment.n));
	if (e->route.n > 0)
		a->route = slice_of(e->route.p, e->route.n);
	a->mailbox = spec;
	if (e->at != SIZE_MAX) {
		a->mailbox = slice_first(spec, e->at);
		a->host = slice_from(spec, e->at + 1);
	} else if (!angle) {
		/* A word or a name alone: of this host. */
		a->mailbox = a->name;
		a->name = slice_of(NULL, 0);
		if (e->has_comment)
			a->name = slice_trim(slice_of(e->comment.p,
			    e->comment.n));
	}
	if (a->mailbox.p == NULL)
		a->mailbox = SLICE_EMPTY;
}

/* ---- message ids -------------------------------------------------------- */

bool
message_id_next(struct slice *rest, struct slice *id_r)
{
	struct slice s;
	size_t open, i;

	for (;;) {
		open = slice_find(*rest, '<');
		if (open == rest->n) {
			*rest = slice_from(*rest, open);
			return false;
		}
		s = slice_from(*rest, open + 1);
		for (i = 0; i < s.n && s.p[i] != '>' && s.p[i] != '<';)
			i++;
		if (i == s.n) {
			*rest = slice_from(s, i);
			return false;
		}
		*rest = slice_from(s, s.p[i] == '>' ? i + 1 : i);
		if (s.p[i] == '<')
			continue;
		*id_r = slice_trim(slice_first(s, i));
		if (id_r->n > 0)
			return true;
	}
}

/* ---- base subject (RFC 5256 2.1) ---------------------------------------- */

struct slice
subject_base(struct slice s, bool *is_reply_r)
{
	struct slice blobs, last;

	*is_reply_r = false;
again:
	/* (2) subj-trailer */
	for (s = slice_trim(s); slice_ends_nocase(s, SLICE_LIT("(fwd)"));) {
		s = slice_trim(slice_first(s, s.n - 5));
		*is_reply_r = true;
	}
	/* (3) to (5): subj-leader, and blobs where something is left. */
	for (;;) {
		s = slice_trim(s);
		for (blobs = last = s; blob(&blobs);)
			if (blobs.n > 0)
				last = blobs;
		if (refwd(&blobs)) {
			s = blobs;
			*is_reply_r = true;
			continue;
		}
		/* No blob further on can make it a leader. */
		s = last;
		break;
	}
	/* (6) */
	if (slice_starts_nocase(s, SLICE_LIT("[fwd:")) &&
	    s.p[s.n - 1] == ']') {
		s = slice_of(s.p + 5, s.n - 6);
		*is_reply_r = true;
		goto again;
	}
	return s;
}

/* "[" *BLOBCHAR "]" *WSP */
static bool
blob(struct slice *s)
{
	size_t i;

	if (s->n == 0 || s->p[0] != '[')
		return false;
	for (i = 1; i < s->n && s->p[i] != '[' && s->p[i] != ']';)
		i++;
	if (i == s->n || s->p[i] != ']')
		return false;
	do
		i++;
	while (i < s->n && s->p[i] == ' ');
	*s = slice_from(*s, i);
	return true;
}

/* ("re" / "fw" / "fwd") *WSP [subj-blob] ":" */
static bool
refwd(struct slice *in)
{
	struct slice s = *in;

	if (slice_starts_nocase(s, SLICE_LIT("fwd")))
		s = slice_from(s, 3);
	else if (slice_starts_nocase(s, SLICE_LIT("re")) ||
	    slice_starts_nocase(s, SLICE_LIT("fw")))
		s = slice_from(s, 2);
	else
		return false;
	while (s.n > 0 && s.p[0] == ' ')
		s = slice_from(s, 1);
	blob(&s);
	if (s.n == 0 || s.p[0] != ':')
		return false;
	*in = slice_from(s, 1);
	return true;
}
