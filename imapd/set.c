/* SPDX-License-Identifier: ISC */
/* set - see set.h. */
#include <stdlib.h>

#include "base/mem.h"
#include "set.h"

static bool	 take_number(struct cursor *, bool star, uint32_t *);
static int	 set_add(struct set *, uint32_t first, uint32_t last);
static int	 by_first(const void *, const void *);

bool
cur_set(struct cursor *c, unsigned may, struct set *set)
{
	struct cursor at = *c;
	uint32_t a, b;

	*set = (struct set){ 0 };
	if (may & SET_SAVED && cur_byte(&at, '$')) {
		set->saved = true;
		*c = at;
		return true;
	}
	do {
		if (!take_number(&at, may & SET_STAR, &a))
			goto bad;
		b = a;
		if (cur_byte(&at, ':') && !take_number(&at, may & SET_STAR, &b))
			goto bad;
		if (set_add(set, a, b) == -1)
			goto bad;
	} while (cur_byte(&at, ','));
	*c = at;
	return true;
bad:
	set_clear(set);
	return false;
}

static bool
take_number(struct cursor *c, bool star, uint32_t *r)
{
	if (!star || !cur_byte(c, '*'))
		return cur_nz_number(c, r);
	*r = 0;
	return true;
}

static int
set_add(struct set *set, uint32_t first, uint32_t last)
{
	if (set->n == SET_RANGES)
		return -1;
	set->v = mem_room(set->v, set->n, &set->cap, sizeof(*set->v), 4);
	set->v[set->n++] = (struct set_range){ first, last };
	return 0;
}

void
set_clear(struct set *set)
{
	free(set->v);
	*set = (struct set){ 0 };
}

static int
by_first(const void *va, const void *vb)
{
	const struct set_range *a = va, *b = vb;

	return (a->first > b->first) - (a->first < b->first);
}

void
set_settle(struct set *set, uint32_t max)
{
	struct set_range r;
	size_t i, n = 0;

	for (i = 0; i < set->n; i++) {
		r = set->v[i];
		if (max == 0 && (r.first == 0 || r.last == 0))
			continue;
		r.first = r.first == 0 ? max : r.first;
		r.last = r.last == 0 ? max : r.last;
		if (r.first > r.last)
			r = (struct set_range){ r.last, r.first };
		set->v[n++] = r;
	}
	set->n = n;
	if (n < 2)
		return;
	qsort(set->v, n, sizeof(*set->v), by_first);
	for (i = n = 1; i < set->n; i++) {
		if (set->v[n - 1].last == UINT32_MAX ||
		    set->v[i].first <= set->v[n - 1].last + 1) {
			if (set->v[i].last > set->v[n - 1].last)
				set->v[n - 1].last = set->v[i].last;
		} else
			set->v[n++] = set->v[i];
	}
	set->n = n;
}

bool
set_has(const struct set *set, uint32_t x)
{
	size_t low = 0, high = set->n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (set->v[mid].last < x)
			low = mid + 1;
		else
			high = mid;
	}
	return low < set->n && set->v[low].first <= x;
}

void
uids_add(struct uids *u, uint32_t x)
{
	u->v = mem_room(u->v, u->n, &u->cap, sizeof(*u->v), 8);
	u->v[u->n++] = x;
}

void
uids_clear(struct uids *u)
{
	free(u->v);
	*u = (struct uids){ 0 };
}

void
uids_copy(struct uids *u, const struct uids *from)
{
	uids_clear(u);
	if (from->n == 0)
		return;
	u->v = mem_array(from->n, sizeof(*u->v));
	memcpy(u->v, from->v, from->n * sizeof(*u->v));
	u->n = u->cap = from->n;
}

bool
uids_have(const struct uids *u, uint32_t x)
{
	size_t low = 0, high = u->n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (u->v[mid] < x)
			low = mid + 1;
		else
			high = mid;
	}
	return low < u->n && u->v[low] == x;
}

void
set_write(struct set_writer *w, uint32_t x)
{
	set_write_range(w, x, x);
}

void
set_write_range(struct set_writer *w, uint32_t first, uint32_t last)
{
	if (w->first != 0 && w->last != UINT32_MAX && first == w->last + 1) {
		w->last = last;
		return;
	}
	set_write_end(w);
	w->first = first;
	w->last = last;
}

void
set_write_end(struct set_writer *w)
{
	if (w->first == 0)
		return;
	if (w->any)
		buf_add_byte(w->to, ',');
	w->any = true;
	buf_printf(w->to, "%u", w->first);
	if (w->last != w->first)
		buf_printf(w->to, ":%u", w->last);
	w->first = 0;
}

void
uids_write(struct buf *b, const uint32_t *v, size_t n)
{
	struct set_writer w = { .to = b };
	size_t i;

	for (i = 0; i < n; i++)
		set_write(&w, v[i]);
	set_write_end(&w);
}
