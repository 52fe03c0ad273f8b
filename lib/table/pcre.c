/* SPDX-License-Identifier: ISC */
/*
 * pcre - tables of patterns, the first that matches counts.
 *
 *	/pattern/flags RESULT
 *
 * Any character that is not alphanumeric may stand for '/'.  Matching ignores
 * case unless the flag i turns that off; m, s, x, A and U are those of
 * pcre2pattern(3).  $1 to $9, ${1} and $(1) in the result stand for what the
 * groups matched, $$ for '$'.  A pattern that needs too much time, depth or
 * memory ends the look-up with an error instead of the process.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdlib.h>

#include "base/mem.h"
#include "table/driver.h"

#define PATTERNS_MAX	10000
#define MATCH_LIMIT	200000		/* steps of one match */
#define DEPTH_LIMIT	1000
#define HEAP_KIB	1024
#define RESULT_BYTES	TABLE_LINE_BYTES

struct pattern {
	pcre2_code	*code;		/* owned */
	char		*result;	/* owned */
	unsigned	 line;
};

struct pcre_table {
	struct pattern		*patterns;	/* owned */
	size_t			 n;
	pcre2_match_data	*match;		/* owned */
	pcre2_match_context	*limits;	/* owned */
};

static int	 parse_flags(struct slice, uint32_t *options, struct buf *why);
static int	 check_result(struct slice, uint32_t groups, struct buf *why);
static bool	 next_group(struct slice *, struct slice *text_r,
		    unsigned *group_r);
static int	 substitute(const struct pcre_table *, struct slice key,
		    struct slice result, int groups, struct buf *to,
		    bool *any_r);

static void *
pcre_begin(uint64_t max_entries)
{
	struct pcre_table *t = mem_alloc(sizeof(*t));

	(void)max_entries;
	t->match = pcre2_match_data_create(10, NULL);
	t->limits = pcre2_match_context_create(NULL);
	if (t->match == NULL || t->limits == NULL)
		abort();
	pcre2_set_match_limit(t->limits, MATCH_LIMIT);
	pcre2_set_depth_limit(t->limits, DEPTH_LIMIT);
	pcre2_set_heap_limit(t->limits, HEAP_KIB);
	return t;
}

static void
pcre_free(void *v)
{
	struct pcre_table *t = v;
	size_t i;

	for (i = 0; i < t->n; i++) {
		pcre2_code_free(t->patterns[i].code);
		free(t->patterns[i].result);
	}
	free(t->patterns);
	pcre2_match_data_free(t->match);
	pcre2_match_context_free(t->limits);
	free(t);
}

static uint64_t
pcre_entries(const void *v)
{
	const struct pcre_table *t = v;

	return t->n;
}

/* The index of the delimiter that ends a pattern; s.n: none. */
static size_t
find_delimiter(struct slice s, char delimiter)
{
	size_t i;

	for (i = 0; i < s.n && s.p[i] != delimiter; i++)
		if (s.p[i] == '\\' && i + 1 < s.n)
			i++;
	return i;
}

static int
pcre_line(void *v, struct slice line, unsigned no, struct buf *why)
{
	struct pcre_table *t = v;
	uint32_t options = PCRE2_CASELESS, groups = 0;
	struct slice pattern, flags, result;
	PCRE2_UCHAR text[256];
	pcre2_code *code;
	PCRE2_SIZE at;
	size_t end;
	int error;
	char c = line.p[0];

	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '!' || c == '\\') {
		buf_add_str(why, "/pattern/flags RESULT expected");
		return -1;
	}
	pattern = slice_from(line, 1);
	end = find_delimiter(pattern, c);
	if (end == pattern.n) {
		buf_printf(why, "no '%c' behind the pattern",
		    c >= ' ' && c <= '~' ? c : '?');
		return -1;
	}
	file_line_split(slice_from(pattern, end + 1), &flags, &result);
	pattern = slice_first(pattern, end);
	if (parse_flags(flags, &options, why) == -1)
		return -1;
	if (t->n == PATTERNS_MAX) {
		buf_printf(why, "more than %d patterns", PATTERNS_MAX);
		return -1;
	}
	code = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.n, options, &error,
	    &at, NULL);
	if (code == NULL) {
		pcre2_get_error_message(error, text, sizeof(text));
		buf_printf(why, "pattern, at %zu: %s", (size_t)at,
		    (const char *)text);
		return -1;
	}
	pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &groups);
	if (check_result(result, groups, why) == -1) {
		pcre2_code_free(code);
		return -1;
	}
	if ((t->n & (t->n - 1)) == 0)
		t->patterns = mem_regrow(t->patterns, t->n == 0 ? 1 : t->n * 2,
		    sizeof(*t->patterns));
	t->patterns[t->n++] = (struct pattern){ code, mem_slicedup(result),
		no };
	return 0;
}

static int
parse_flags(struct slice flags, uint32_t *options, struct buf *why)
{
	static const struct {
		char		 c;
		uint32_t	 option;
	} known[] = {
		{ 'i', PCRE2_CASELESS }, { 'm', PCRE2_MULTILINE },
		{ 's', PCRE2_DOTALL }, { 'x', PCRE2_EXTENDED },
		{ 'A', PCRE2_ANCHORED }, { 'U', PCRE2_UNGREEDY },
	};
	size_t i, j;

	for (i = 0; i < flags.n; i++) {
		for (j = 0; j < sizeof(known) / sizeof(known[0]); j++)
			if (known[j].c == flags.p[i])
				break;
		if (j == sizeof(known) / sizeof(known[0])) {
			buf_printf(why, "unknown flag; known are i, m, s, x, "
			    "A and U");
			return -1;
		}
		*options ^= known[j].option;
	}
	return 0;
}

/* Text up to the next group, and the group's number; 0: no group follows.
 * False at the end. */
static bool
next_group(struct slice *rest, struct slice *text_r, unsigned *group_r)
{
	struct slice s = *rest;
	size_t i = slice_find(s, '$');
	char open, close;

	if (s.n == 0)
		return false;
	*group_r = 0;
	*text_r = slice_first(s, i);
	if (i + 1 >= s.n) {
		*text_r = s;
		*rest = slice_from(s, s.n);
		return true;
	}
	s = slice_from(s, i + 1);
	open = s.p[0];
	close = open == '{' ? '}' : open == '(' ? ')' : '\0';
	if (open >= '1' && open <= '9') {
		*group_r = (unsigned)(open - '0');
		s = slice_from(s, 1);
	} else if (close != '\0' && s.n >= 3 && s.p[1] >= '1' &&
	    s.p[1] <= '9' && s.p[2] == close) {
		*group_r = (unsigned)(s.p[1] - '0');
		s = slice_from(s, 3);
	} else {
		/* "$$" is '$', and so is a '$' with anything else. */
		*text_r = slice_first(*rest, i + 1);
		if (open == '$')
			s = slice_from(s, 1);
	}
	*rest = s;
	return true;
}

static int
check_result(struct slice result, uint32_t groups, struct buf *why)
{
	struct slice text;
	unsigned group;

	while (next_group(&result, &text, &group))
		if (group > groups) {
			buf_printf(why, "the result names $%u, the pattern has "
			    "%u groups", group, groups);
			return -1;
		}
	return 0;
}

static enum table_result
pcre_find(void *v, struct slice key, struct table_hit *hit,
    struct buf *scratch, struct buf *why)
{
	struct pcre_table *t = v;
	PCRE2_UCHAR text[256];
	size_t i;
	int r;

	for (i = 0; i < t->n; i++) {
		r = pcre2_match(t->patterns[i].code, (PCRE2_SPTR)key.p, key.n,
		    0, 0, t->match, t->limits);
		if (r == PCRE2_ERROR_NOMATCH)
			continue;
		hit->line = t->patterns[i].line;
		if (r < 0) {
			pcre2_get_error_message(r, text, sizeof(text));
			buf_printf(why, "line %u: %s", hit->line,
			    (const char *)text);
			return TABLE_ERROR;
		}
		buf_reset(scratch);
		if (substitute(t, key, slice_str(t->patterns[i].result), r,
		    scratch, &hit->composed) == -1) {
			buf_printf(why, "line %u: the result is too long",
			    hit->line);
			return TABLE_ERROR;
		}
		hit->value = buf_slice(scratch);
		return TABLE_FOUND;
	}
	return TABLE_MISSING;
}

/* groups: one more than the highest that matched; 0: more than there is room
 * for. */
static int
substitute(const struct pcre_table *t, struct slice key, struct slice result,
    int groups, struct buf *to, bool *any_r)
{
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(t->match);
	unsigned have = groups == 0 ? 10 : (unsigned)groups;
	struct slice text;
	unsigned group;
	int r = 0;

	*any_r = false;
	while (next_group(&result, &text, &group)) {
		r |= buf_add(to, text);
		/* With \K a match may begin behind its end. */
		if (group == 0 || group >= have ||
		    at[2 * group] == PCRE2_UNSET ||
		    at[2 * group] > at[2 * group + 1])
			continue;
		*any_r = true;
		r |= buf_add(to, slice_of(key.p + at[2 * group],
		    at[2 * group + 1] - at[2 * group]));
	}
	return r;
}

const struct driver driver_pcre = { "pcre", false, pcre_begin, pcre_line, NULL,
	pcre_find, pcre_entries, pcre_free };
