/* SPDX-License-Identifier: ISC */
/* suggest - the name that was probably meant. */
#include "conf/keys.h"

#define NAME_BYTES	48	/* longer names are not compared */

static size_t
min_of(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours that make one of
 * the other (optimal string alignment); both at most NAME_BYTES. */
static size_t
distance(struct slice a, struct slice b)
{
	size_t row[3][NAME_BYTES + 1];
	size_t i, j, cost;
	size_t *before = row[0], *last = row[1], *now = row[2], *spare;

	for (j = 0; j <= b.n; j++)
		last[j] = j;
	for (i = 1; i <= a.n; i++) {
		now[0] = i;
		for (j = 1; j <= b.n; j++) {
			cost = ascii_lower(a.p[i - 1]) !=
			    ascii_lower(b.p[j - 1]);
			now[j] = min_of(min_of(last[j], now[j - 1]) + 1,
			    last[j - 1] + cost);
			if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] &&
			    a.p[i - 2] == b.p[j - 1])
				now[j] = min_of(now[j], before[j - 2] + 1);
		}
		spare = before;
		before = last;
		last = now;
		now = spare;
	}
	return last[b.n];
}

const char *
conf_nearest(struct slice wrong, const char *const *names)
{
	size_t best = (wrong.n < 6 ? 1 : min_of(wrong.n / 3, 4)) + 1, d;
	const char *hit = NULL;
	struct slice name;

	if (wrong.n == 0 || wrong.n > NAME_BYTES)
		return NULL;
	for (; *names != NULL; names++) {
		name = slice_str(*names);
		if (name.n > NAME_BYTES)
			continue;
		/* "max_message" where "smtp.max_message" is the name. */
		if (name.n > wrong.n && name.p[name.n - wrong.n - 1] == '.' &&
		    slice_ends_nocase(name, wrong))
			return *names;
		d = distance(wrong, name);
		if (d < best) {
			best = d;
			hit = *names;
		}
	}
	return hit;
}

struct conf_shown
conf_show(struct slice s)
{
	struct conf_shown t;
	size_t i, n = min_of(s.n, 60);

	for (i = 0; i < n; i++)
		t.s[i] = s.p[i] >= ' ' && s.p[i] <= '~' ? s.p[i] : '?';
	memcpy(t.s + n, n < s.n ? "..." : "", n < s.n ? 4 : 1);
	return t;
}
