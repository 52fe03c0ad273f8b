/* SPDX-License-Identifier: ISC */
/* aliases - see aliases.h. */
#include "mail/mime.h"
#include "table/aliases.h"

static enum parse	 unquote(struct arena *, struct slice *in,
			    struct slice *text_r, const char **why);
static enum parse	 classify(struct slice, struct alias_target *,
			    const char **);
static enum parse	 address(struct slice, struct slice *, const char **);
static size_t		 bare_bytes(struct slice);
static bool		 is_blank(char);

static struct slice
skip_blanks(struct slice s)
{
	while (s.n > 0 && is_blank(s.p[0]))
		s = slice_from(s, 1);
	return s;
}

enum parse
alias_line(struct arena *a, struct slice line, struct slice *name_r,
    struct slice *targets_r, const char **why)
{
	struct slice rest = skip_blanks(line), name, copy;
	char *lower;
	size_t i;

	if (rest.n > 0 && rest.p[0] == '"') {
		if (unquote(a, &rest, &name, why) != PARSE_OK)
			return PARSE_BAD;
	} else {
		for (i = 0; i < rest.n && rest.p[i] != ':' &&
		    !is_blank(rest.p[i]); i++)
			;
		name = slice_first(rest, i);
		rest = slice_from(rest, i);
	}
	rest = skip_blanks(rest);
	if (rest.n == 0 || rest.p[0] != ':') {
		*why = "no ':' behind the name";
		return PARSE_BAD;
	}
	if (name.n == 0) {
		*why = "no name before ':'";
		return PARSE_BAD;
	}
	lower = arena_alloc(a, name.n);
	if (lower == NULL) {
		*why = "the line is too long";
		return PARSE_BAD;
	}
	for (i = 0; i < name.n; i++)
		lower[i] = ascii_lower(name.p[i]);
	copy = slice_of(lower, name.n);
	*name_r = copy;
	*targets_r = slice_trim(slice_from(rest, 1));
	return PARSE_OK;
}

/* What may stand between targets.  A comment that is not closed is none. */
static struct slice
skip_filler(struct slice s)
{
	while (s.n > 0)
		if (is_blank(s.p[0]) || s.p[0] == ',')
			s = slice_from(s, 1);
		else if (s.p[0] != '(' || !comment_skip(&s))
			break;
	return s;
}

enum parse
alias_next(struct arena *a, struct slice *rest, struct alias_target *t_r,
    const char **why)
{
	struct slice in = *rest, text, bare;
	enum parse r;
	size_t n;

	in = skip_filler(in);
	if (in.n == 0) {
		*rest = in;
		return PARSE_MORE;
	}
	n = bare_bytes(in);
	if (in.p[0] != '"') {
		bare = slice_first(in, n);
		in = slice_from(in, n);
		r = classify(bare, t_r, why);
		if (r == PARSE_OK && t_r->kind == ALIAS_COMMAND &&
		    t_r->text.n > 0 && t_r->text.p[0] == '"') {
			/* |"command arguments" */
			bare = t_r->text;
			r = unquote(a, &bare, &t_r->text, why);
			if (r == PARSE_OK && slice_trim(bare).n > 0) {
				*why = "something behind the quotes";
				r = PARSE_BAD;
			} else if (r == PARSE_OK && t_r->text.n == 0) {
				*why = "a command is missing behind '|'";
				r = PARSE_BAD;
			}
		}
		goto out;
	}
	bare = in;
	r = unquote(a, &in, &text, why);
	if (r != PARSE_OK)
		goto out;
	if (in.n > 0 && in.p[0] == '@') {	/* "local part"@domain */
		in = slice_from(bare, n);
		*t_r = (struct alias_target){ ALIAS_ADDRESS,
			slice_first(bare, n), false };
	} else if (slice_find(slice_first(bare, n), '<') < n && text.n > 0 &&
	    slice_find(text, '<') == text.n) {	/* "Name" <address> */
		in = slice_from(bare, n);
		r = classify(slice_first(bare, n), t_r, why);
	} else if (in.n > 0 && !is_blank(in.p[0]) && in.p[0] != ',') {
		*why = "something behind the quotes";
		r = PARSE_BAD;
	} else {
		r = classify(text, t_r, why);
	}
out:
	if (r == PARSE_OK)
		*rest = in;
	return r;
}

/* The bytes of a target that is not in quotes as a whole: up to a comma or,
 * but for commands and names with <address>, a blank. */
static size_t
bare_bytes(struct slice s)
{
	bool quoted = false, to_comma = s.p[0] == '|';
	size_t i, blank = s.n;

	for (i = 0; i < s.n; i++) {
		if (quoted && s.p[i] == '\\' && i + 1 < s.n)
			i++;
		else if (s.p[i] == '"')
			quoted = !quoted;
		else if (quoted)
			continue;
		else if (s.p[i] == ',')
			break;
		else if (s.p[i] == '<')
			to_comma = true;
		else if (is_blank(s.p[i]) && blank == s.n)
			blank = i;
	}
	return to_comma || blank > i ? i : blank;
}

/* "..." at the front of *in. */
static enum parse
unquote(struct arena *a, struct slice *in, struct slice *text_r,
    const char **why)
{
	struct slice s = slice_from(*in, 1);
	char *to = arena_alloc(a, s.n + 1);
	size_t i, n = 0;

	if (to == NULL) {
		*why = "the line is too long";
		return PARSE_BAD;
	}
	for (i = 0; i < s.n && s.p[i] != '"'; i++) {
		if (s.p[i] == '\\' && i + 1 < s.n)
			i++;
		to[n++] = s.p[i];
	}
	if (i == s.n) {
		*why = "a quote is not closed";
		return PARSE_BAD;
	}
	*in = slice_from(s, i + 1);
	*text_r = slice_of(to, n);
	return PARSE_OK;
}

static enum parse
classify(struct slice s, struct alias_target *t_r, const char **why)
{
	struct alias_target t = { .kind = ALIAS_ADDRESS };

	s = slice_trim(s);
	if (slice_starts(s, SLICE_LIT("|"))) {
		t.kind = ALIAS_COMMAND;
		t.text = slice_trim(slice_from(s, 1));
		*why = "a command is missing behind '|'";
	} else if (slice_starts(s, SLICE_LIT("/"))) {
		t.kind = ALIAS_FILE;
		t.text = s;
	} else if (slice_starts_nocase(s, SLICE_LIT(":include:"))) {
		t.kind = ALIAS_INCLUDE;
		t.text = slice_trim(slice_from(s, 9));
		if (t.text.n > 0 && t.text.p[0] != '/') {
			*why = ":include: wants an absolute path";
			return PARSE_BAD;
		}
		*why = ":include: wants a path";
	} else {
		if (slice_starts(s, SLICE_LIT("\\"))) {
			t.no_alias = true;
			s = slice_from(s, 1);
		}
		if (address(s, &t.text, why) != PARSE_OK)
			return PARSE_BAD;
		*why = "an empty target";
	}
	if (t.text.n == 0)
		return PARSE_BAD;
	*t_r = t;
	return PARSE_OK;
}

/* An address, of `Name <address>` the one in the brackets. */
static enum parse
address(struct slice s, struct slice *text_r, const char **why)
{
	size_t open = slice_find(s, '<'), close, i;
	bool quoted = false, in_domain = false;

	if (open < s.n) {
		s = slice_from(s, open + 1);
		close = slice_find(s, '>');
		if (close == s.n ||
		    skip_filler(slice_from(s, close + 1)).n > 0) {
			*why = "'<' without '>' at the end";
			return PARSE_BAD;
		}
		s = slice_trim(slice_first(s, close));
	}
	for (i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (quoted && c == '\\' && i + 1 < s.n)
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (c == '@' && !quoted)
			in_domain = true;
		else if (c < ' ' || c == 0x7f || (!quoted &&
		    strchr(in_domain ? " <>();,|\\" : " <>()[]:;,|\\", c) !=
		    NULL)) {
			*why = "not an address";
			return PARSE_BAD;
		}
	}
	*text_r = s;
	return PARSE_OK;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
