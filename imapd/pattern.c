/* SPDX-License-Identifier: ISC */
/* pattern - see pattern.h. */
#include "imap.h"
#include "pattern.h"

/*
 * Greedy with two places to come back to: to the last "*", and to a "%" behind
 * it.  A "*" passed later makes both of the earlier ones needless, since it can
 * take whatever they could; so nothing is tried twice for two stars.
 */
bool
pattern_matches(struct slice p, struct slice name)
{
	size_t i = 0, n = 0, star = SIZE_MAX, star_n = 0;
	size_t one = SIZE_MAX, one_n = 0;
	bool inbox = slice_eq(slice_first(name, slice_find(name, DELIMITER)),
	    SLICE_LIT("INBOX"));

	while (n < name.n || i < p.n) {
		if (i < p.n && p.p[i] == '*') {
			star = i++;
			star_n = n;
			one = SIZE_MAX;
			continue;
		}
		if (i < p.n && p.p[i] == '%') {
			one = i++;
			one_n = n;
			continue;
		}
		if (i < p.n && n < name.n && (p.p[i] == name.p[n] ||
		    (inbox && n < 5 &&
		    ascii_lower(p.p[i]) == ascii_lower(name.p[n])))) {
			i++;
			n++;
			continue;
		}
		if (one != SIZE_MAX && one_n < name.n &&
		    name.p[one_n] != DELIMITER) {
			n = ++one_n;
			i = one + 1;
			continue;
		}
		if (star == SIZE_MAX || star_n >= name.n)
			return false;
		n = ++star_n;
		i = star + 1;
		one = SIZE_MAX;
	}
	return true;
}
