/* SPDX-License-Identifier: ISC */
/* front - see front.h. */
#include <stdint.h>
#include <string.h>

#include "base/num.h"
#include "front.h"

enum { CH_ATOM = 1, CH_TAG = 2 };

struct cursor {
	char	*p;
	char	*end;
};

static bool	 literal_at_end(struct slice line, uint64_t *n, bool *waits);
static enum parse take_token(struct cursor *, struct front_command *);
static bool	 take_quoted(struct cursor *, struct slice *);
static bool	 take_literal(struct cursor *, struct slice *);

/* ---- whole commands ------------------------------------------------------ */

enum front_result
front_frame(struct front_frame *f, struct slice in, size_t max,
    size_t *used_r)
{
	uint64_t literal;
	struct slice line;
	bool waits;
	size_t n;

	for (;;) {
		if (f->at > max)
			return FRONT_TOO_LONG;
		if (f->at > in.n)
			return FRONT_MORE;
		if (f->seen < f->at)
			f->seen = f->at;
		n = f->seen + slice_find(slice_from(in, f->seen), '\n');
		if (n == in.n) {
			f->seen = n;
			return n >= max ? FRONT_TOO_LONG : FRONT_MORE;
		}
		if (n == f->at || in.p[n - 1] != '\r')
			return FRONT_BAD_LINE;
		if (n >= max)
			return FRONT_TOO_LONG;
		line = slice_of(in.p + f->at, n - 1 - f->at);
		if (!literal_at_end(line, &literal, &waits)) {
			*used_r = n + 1;
			return FRONT_WHOLE;
		}
		if (literal > max || n + 1 + literal > max)
			return FRONT_TOO_LONG;
		f->at = f->seen = n + 1 + (size_t)literal;
		if (waits)
			return FRONT_GO_AHEAD;
	}
}

/* "{" 1*DIGIT ["+"] "}" */
static bool
literal_at_end(struct slice line, uint64_t *n_r, bool *waits_r)
{
	size_t open = slice_rfind(line, '{');
	struct slice digits;

	if (open == line.n || line.p[line.n - 1] != '}')
		return false;
	digits = slice_of(line.p + open + 1, line.n - open - 2);
	*waits_r = digits.n == 0 || digits.p[digits.n - 1] != '+';
	if (!*waits_r)
		digits.n--;
	return slice_to_u64(digits, 0, UINT32_MAX, n_r);
}

/* ---- their parts --------------------------------------------------------- */

static bool
is_atom_char(char c, bool tag)
{
	static const char specials[] = "(){%*\"\\";
	unsigned char u = (unsigned char)c;

	if (u <= 0x20 || u >= 0x7f || memchr(specials, c, 7) != NULL)
		return false;
	return !tag || c != '+';
}

static struct slice
take_word(struct cursor *c, bool tag)
{
	char *from = c->p;

	while (c->p < c->end && is_atom_char(*c->p, tag))
		c->p++;
	return slice_of(from, (size_t)(c->p - from));
}

static bool
take_byte(struct cursor *c, char byte)
{
	if (c->p == c->end || *c->p != byte)
		return false;
	c->p++;
	return true;
}

enum parse
front_parse(char *text, size_t n, struct front_command *cmd)
{
	struct cursor c = { text, text + n };

	memset(cmd, 0, sizeof(*cmd));
	cmd->tag = cmd->name = SLICE_EMPTY;
	if (n < 2 || text[n - 2] != '\r' || text[n - 1] != '\n')
		return PARSE_BAD;
	c.end -= 2;
	cmd->tag = take_word(&c, true);
	if (cmd->tag.n > FRONT_TAG_BYTES)
		cmd->tag = SLICE_EMPTY;
	if (cmd->tag.n == 0 || !take_byte(&c, ' '))
		return PARSE_BAD;
	cmd->name = take_word(&c, false);
	if (cmd->name.n == 0)
		return PARSE_BAD;
	while (c.p < c.end) {
		/* Inside of parentheses blanks stand between, not before. */
		if (*c.p != ')' && !(cmd->nargs > 0 &&
		    cmd->args[cmd->nargs - 1].kind == FRONT_OPEN) &&
		    !take_byte(&c, ' '))
			return PARSE_BAD;
		if (take_token(&c, cmd) != PARSE_OK)
			return PARSE_BAD;
	}
	return PARSE_OK;
}

static enum parse
take_token(struct cursor *c, struct front_command *cmd)
{
	struct front_token *t = &cmd->args[cmd->nargs];
	bool ok;

	if (cmd->nargs == FRONT_TOKENS || c->p == c->end)
		return PARSE_BAD;
	switch (*c->p) {
	case '(':
	case ')':
		t->kind = *c->p == '(' ? FRONT_OPEN : FRONT_CLOSE;
		t->text = slice_of(c->p++, 1);
		ok = true;
		break;
	case '"':
		t->kind = FRONT_STRING;
		ok = take_quoted(c, &t->text);
		break;
	case '{':
		t->kind = FRONT_STRING;
		ok = take_literal(c, &t->text);
		break;
	default:
		t->kind = FRONT_ATOM;
		t->text = take_word(c, false);
		ok = t->text.n > 0;
		break;
	}
	cmd->nargs += ok;
	return ok ? PARSE_OK : PARSE_BAD;
}

/* Unquoted in place: it only gets shorter. */
static bool
take_quoted(struct cursor *c, struct slice *r)
{
	char *to = ++c->p, *from = to;

	for (; c->p < c->end && *c->p != '"'; c->p++) {
		if (*c->p == '\\' && (++c->p == c->end ||
		    (*c->p != '"' && *c->p != '\\')))
			return false;
		if (*c->p == '\0' || *c->p == '\r' || *c->p == '\n')
			return false;
		*to++ = *c->p;
	}
	*r = slice_of(from, (size_t)(to - from));
	return take_byte(c, '"');
}

static bool
take_literal(struct cursor *c, struct slice *r)
{
	char *eol = memchr(c->p, '\n', (size_t)(c->end - c->p));
	uint64_t n;
	bool waits;

	if (eol == NULL || eol == c->p || eol[-1] != '\r' ||
	    !literal_at_end(slice_of(c->p, (size_t)(eol - 1 - c->p)), &n,
	    &waits) || n > (uint64_t)(c->end - eol - 1))
		return false;
	*r = slice_of(eol + 1, (size_t)n);
	c->p = eol + 1 + n;
	return memchr(r->p, '\0', r->n) == NULL;
}
