/* SPDX-License-Identifier: ISC */
/* block - where a block stands in the text of chasqui.conf(5), for tools that
 * change one and leave the rest as its owner wrote it. */
#include "conf/keys.h"

/* What the text is made of; strings without their quotes. */
enum token {
	TOKEN_WORD,
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_END,	/* of a statement: its line's, or ';' */
	TOKEN_OTHER,	/* '=' and ',' where they stand alone */
	TOKEN_NONE,	/* of the text */
};

static enum token next_token(struct slice *rest, struct slice *token_r);

bool
conf_block_find(struct slice text, const char *kind, const char *name,
    struct slice *span_r)
{
	struct slice rest = text, token, words[2];
	size_t n = 0, depth = 0;
	bool is_it = false;

	for (;;)
		switch (next_token(&rest, &token)) {
		case TOKEN_WORD:
			if (depth == 0 && n < 2)
				words[n] = token;
			n++;
			break;
		case TOKEN_OPEN:
			if (depth++ > 0)
				break;
			is_it = n == 2 && slice_eq(words[0], slice_str(kind)) &&
			    slice_eq_nocase(words[1], slice_str(name));
			break;
		case TOKEN_CLOSE:
			if (depth > 0)
				depth--;
			if (depth == 0 && is_it) {
				*span_r = slice_of(words[0].p,
				    (size_t)(rest.p - words[0].p));
				return true;
			}
			if (depth == 0)
				n = 0;
			break;
		case TOKEN_END:
			if (depth == 0)
				n = 0;
			break;
		case TOKEN_OTHER:
			break;
		case TOKEN_NONE:
			return false;
		}
}

static size_t
string_bytes(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n && s.p[i] != '"' && s.p[i] != '\n'; i++)
		if (s.p[i] == '\\' && i + 1 < s.n)
			i++;
	return i;
}

static enum token
next_token(struct slice *rest, struct slice *token_r)
{
	size_t i = 0, n;
	char c;

	while (rest->n > 0 && (rest->p[0] == ' ' || rest->p[0] == '\t' ||
	    rest->p[0] == '\r' || rest->p[0] == '#'))
		*rest = slice_from(*rest, rest->p[0] == '#' ?
		    slice_find(*rest, '\n') : 1);
	if (rest->n == 0)
		return TOKEN_NONE;
	c = rest->p[0];
	if (c == '"') {
		n = string_bytes(slice_from(*rest, 1));
		*token_r = slice_of(rest->p + 1, n);
		n += n + 1 < rest->n ? 2 : 1;
		*rest = slice_from(*rest, n);
		return TOKEN_WORD;
	}
	while (i < rest->n && conf_is_word_char(rest->p[i]))
		i++;
	*token_r = slice_first(*rest, i == 0 ? 1 : i);
	*rest = slice_from(*rest, token_r->n);
	if (i > 0)
		return TOKEN_WORD;
	return c == '{' ? TOKEN_OPEN : c == '}' ? TOKEN_CLOSE :
	    c == '\n' || c == ';' ? TOKEN_END : TOKEN_OTHER;
}
