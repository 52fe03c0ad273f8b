/* SPDX-License-Identifier: ISC */
/* argv - see argv.h. */
#include "argv.h"

static bool	 take_word(struct slice *in, char **to, const char **why);

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

enum parse
argv_split(struct arena *a, struct slice text, char ***argv_r,
    const char **why)
{
	/* Every word and its NUL fit: words are divided by a byte each. */
	char *to = arena_alloc(a, text.n + 1);
	char **argv = arena_alloc(a, (ARGV_WORDS + 1) * sizeof(*argv));
	size_t n = 0;

	*why = "it is too long";
	if (to == NULL || argv == NULL)
		return PARSE_BAD;
	for (;;) {
		while (text.n > 0 && is_blank(text.p[0]))
			text = slice_from(text, 1);
		if (text.n == 0)
			break;
		*why = "it has too many arguments";
		if (n == ARGV_WORDS)
			return PARSE_BAD;
		argv[n++] = to;
		if (!take_word(&text, &to, why))
			return PARSE_BAD;
		*to++ = '\0';
	}
	argv[n] = NULL;
	*why = "it does not begin with the program's absolute path";
	if (n == 0 || argv[0][0] != '/')
		return PARSE_BAD;
	*argv_r = argv;
	return PARSE_OK;
}

static bool
take_word(struct slice *in, char **to, const char **why)
{
	struct slice s = *in;
	char quote = '\0', c;

	for (; s.n > 0 && (quote != '\0' || !is_blank(s.p[0]));
	    s = slice_from(s, 1)) {
		c = s.p[0];
		*why = "it contains a NUL";
		if (c == '\0')
			return false;
		if (c == quote) {
			quote = '\0';
			continue;
		}
		if (quote == '\0' && (c == '"' || c == '\'')) {
			quote = c;
			continue;
		}
		if (c == '\\' && s.n > 1 && s.p[1] != '\0' &&
		    (quote == '\0' || (quote == '"' &&
		    (s.p[1] == '"' || s.p[1] == '\\')))) {
			s = slice_from(s, 1);
			c = s.p[0];
		}
		*(*to)++ = c;
	}
	*why = "a quote is not closed";
	if (quote != '\0')
		return false;
	*in = s;
	return true;
}
