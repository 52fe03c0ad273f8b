/* SPDX-License-Identifier: ISC */
/* sql_query - see sql_query.h. */
#include "sql_query.h"

#define CONDITIONS	16

struct query {
	struct slice	 columns, from;
	struct slice	 key;		/* the column */
	struct slice	 others[CONDITIONS];
	size_t		 nothers;
};

static bool	 take_apart(struct slice, struct query *);
static bool	 take_key(struct slice condition, struct slice *key_r);
static size_t	 find_word(struct slice, const char *word);
static void	 put_others(const struct query *, const char *before,
		    struct buf *);

bool
sql_query_for_all(struct slice text, struct buf *out)
{
	struct query q;

	if (text.n > SQL_QUERY_BYTES || !take_apart(text, &q))
		return false;
	buf_printf(out, "SELECT %.*s", SLICE_ARG(q.key));
	if (!slice_eq_nocase(q.columns, q.key) &&
	    !slice_eq(q.columns, SLICE_LIT("1")))
		buf_printf(out, ", %.*s", SLICE_ARG(q.columns));
	buf_printf(out, " FROM %.*s", SLICE_ARG(q.from));
	put_others(&q, " WHERE ", out);
	return true;
}

/* The one that is `password`, or `... AS password`. */
static bool
find_password(struct slice columns, struct slice *column_r)
{
	struct slice one;

	while (slice_next(&columns, ',', &one)) {
		one = slice_trim(one);
		if (slice_eq_nocase(one, SLICE_LIT("password")) ||
		    (slice_find(one, '(') == one.n &&
		    slice_ends_nocase(one, SLICE_LIT(" as password")))) {
			*column_r = one;
			return true;
		}
	}
	return false;
}

bool
sql_query_for_password(struct slice text, const char *parameter,
    struct buf *out)
{
	struct slice password;
	struct query q;

	if (text.n > SQL_QUERY_BYTES || !take_apart(text, &q) ||
	    !find_password(q.columns, &password))
		return false;
	buf_printf(out, "SELECT %.*s FROM %.*s WHERE %.*s = %s",
	    SLICE_ARG(password), SLICE_ARG(q.from), SLICE_ARG(q.key),
	    parameter);
	put_others(&q, " AND ", out);
	return true;
}

static void
put_others(const struct query *q, const char *before, struct buf *out)
{
	size_t i;

	for (i = 0; i < q->nothers; i++)
		buf_printf(out, "%s%.*s", i == 0 ? before : " AND ",
		    SLICE_ARG(q->others[i]));
}

static bool
take_apart(struct slice s, struct query *q)
{
	static const char *const foreign[] = { "OR", "UNION", "LIMIT", "ORDER",
		"GROUP", "HAVING", "JOIN" };
	struct slice rest, one;
	size_t from, where, end, i;
	bool has_key = false;

	*q = (struct query){ .nothers = 0 };
	s = slice_trim(s);
	while (s.n > 0 && s.p[s.n - 1] == ';')
		s = slice_trim(slice_first(s, s.n - 1));
	from = find_word(s, "FROM");
	where = find_word(s, "WHERE");
	if (find_word(s, "SELECT") != 0 || from >= where || where == s.n ||
	    find_word(slice_from(s, 1), "SELECT") < s.n - 1)
		return false;
	for (i = 0; i < s.n; i++)
		if (s.p[i] == '\n' || s.p[i] == '\r' || s.p[i] == '\0' ||
		    s.p[i] == ';')
			return false;
	q->columns = slice_trim(slice_of(s.p + 6, from - 6));
	q->from = slice_trim(slice_of(s.p + from + 4, where - from - 4));
	rest = slice_from(s, where + 5);
	for (i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		if (find_word(rest, foreign[i]) < rest.n)
			return false;
	if (q->columns.n == 0 || q->from.n == 0 ||
	    slice_find(q->columns, '%') < q->columns.n ||
	    slice_find(q->from, '%') < q->from.n)
		return false;
	while (rest.n > 0) {
		end = find_word(rest, "AND");
		one = slice_trim(slice_first(rest, end));
		rest = slice_from(rest, end + (end < rest.n ? 3 : 0));
		if (slice_find(one, '%') < one.n) {
			if (has_key || !take_key(one, &q->key))
				return false;
			has_key = true;
		} else if (one.n == 0 || q->nothers == CONDITIONS)
			return false;
		else
			q->others[q->nothers++] = one;
	}
	return has_key;
}

/* COLUMN = '%s' */
static bool
take_key(struct slice s, struct slice *key_r)
{
	size_t eq = slice_find(s, '='), i;
	struct slice key = slice_trim(slice_first(s, eq)), value;

	if (eq == s.n || key.n == 0)
		return false;
	value = slice_trim(slice_from(s, eq + 1));
	for (i = 0; i < key.n; i++)
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		    "0123456789_.`", key.p[i]) == NULL || key.p[i] == '\0')
			return false;
	*key_r = key;
	return slice_eq(value, SLICE_LIT("'%s'")) ||
	    slice_eq(value, SLICE_LIT("'%u'"));
}

/* Outside quotes, whatever its case; s.n: not there. */
static size_t
find_word(struct slice s, const char *word)
{
	struct slice w = slice_str(word);
	char quote = '\0';
	size_t i, n;

	for (i = 0; i < s.n; i++) {
		if (quote != '\0') {
			quote = s.p[i] == quote ? '\0' : quote;
			continue;
		}
		if (s.p[i] == '\'' || s.p[i] == '"') {
			quote = s.p[i];
			continue;
		}
		if (i > 0 && strchr(" \t()", s.p[i - 1]) == NULL)
			continue;
		n = i + w.n;
		if (slice_starts_nocase(slice_from(s, i), w) &&
		    (n == s.n || strchr(" \t()", s.p[n]) != NULL))
			return i;
	}
	return s.n;
}
