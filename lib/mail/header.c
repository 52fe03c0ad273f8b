/* SPDX-License-Identifier: ISC */
/* header - fields and their bodies; see header.h. */
#include "mail/chars.h"
#include "mail/header.h"

static size_t	name_bytes(struct slice);
static size_t	field_bytes(struct slice);
static struct slice without_line_end(struct slice);

bool
header_next(struct slice *rest, struct field *f_r)
{
	struct slice s = *rest;
	size_t n = name_bytes(s), colon = n;

	if (n == 0)
		return false;
	/* obs-optional: blanks before the colon. */
	while (colon < s.n && (s.p[colon] == ' ' || s.p[colon] == '\t'))
		colon++;
	if (colon == s.n || s.p[colon] != ':')
		return false;
	f_r->name = slice_first(s, n);
	f_r->whole = slice_first(s, field_bytes(s));
	f_r->body = without_line_end(slice_from(f_r->whole, colon + 1));
	*rest = slice_from(s, f_r->whole.n);
	return true;
}

static size_t
name_bytes(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n && char_is(s.p[i], CH_FTEXT); i++)
		;
	return i;
}

/* To the line end that no blank follows. */
static size_t
field_bytes(struct slice s)
{
	size_t i = 0;

	do
		i += slice_find(slice_from(s, i), '\n') + 1;
	while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t'));
	return i < s.n ? i : s.n;
}

static struct slice
without_line_end(struct slice s)
{
	if (s.n > 0 && s.p[s.n - 1] == '\n')
		s.n--;
	if (s.n > 0 && s.p[s.n - 1] == '\r')
		s.n--;
	return s;
}

size_t
header_bytes(struct slice s)
{
	size_t i = 0;

	while (i < s.n) {
		if (s.p[i] == '\n')
			return i + 1;
		if (s.p[i] == '\r' && i + 1 < s.n && s.p[i + 1] == '\n')
			return i + 2;
		i += slice_find(slice_from(s, i), '\n') + 1;
	}
	return s.n;
}

bool
header_find(struct slice message, const char *name, struct field *f_r)
{
	struct slice want = slice_str(name);
	struct field f;

	while (header_next(&message, &f)) {
		if (slice_eq_nocase(f.name, want)) {
			*f_r = f;
			return true;
		}
	}
	return false;
}

unsigned
header_count(struct slice message, const char *name)
{
	struct slice want = slice_str(name);
	struct field f;
	unsigned n = 0;

	while (header_next(&message, &f))
		n += slice_eq_nocase(f.name, want);
	return n;
}

int
header_unfold(struct arena *a, struct slice body, struct slice *text_r)
{
	struct slice s = slice_trim(body);
	char *p = arena_alloc(a, s.n);
	size_t i, n = 0;

	if (p == NULL)
		return -1;
	for (i = 0; i < s.n; i++)
		if (s.p[i] != '\r' && s.p[i] != '\n')
			p[n++] = s.p[i];
	*text_r = slice_of(p, n);
	return 0;
}
