/* SPDX-License-Identifier: ISC */
/*
 * report_top - see report.h: the names that come most often ("space saving",
 * Metwally, Agrawal, El Abbadi 2005).
 *
 * When there is no room a new name takes the place of the one with the least
 * count, and its count, which may not be its own: `error` says how much of it.
 * What comes more often than one time in TOP_NAMES is always there.
 */
#include <stdlib.h>

#include "base/num.h"
#include "report.h"

static struct top_name *find(struct top *, struct slice, uint64_t hash);
static struct top_name *replace(struct top *);
static int	 by_count(const void *, const void *);

struct top_name *
top_take(struct top *t, struct slice name)
{
	static const uint64_t key[2] = { 1, 2 };
	struct top_name *e;
	uint64_t hash;

	if (name.n > TOP_NAME_BYTES)
		name.n = TOP_NAME_BYTES;
	hash = siphash(key, name);
	e = find(t, name, hash);
	if (e == NULL) {
		e = t->n < TOP_NAMES ? &t->v[t->n++] : replace(t);
		memcpy(e->name, name.p, name.n);
		e->n_name = name.n;
		e->hash = hash;
	}
	e->n++;
	return e;
}

static struct top_name *
find(struct top *t, struct slice name, uint64_t hash)
{
	size_t i;

	for (i = 0; i < t->n; i++)
		if (t->v[i].hash == hash && slice_eq(name,
		    slice_of(t->v[i].name, t->v[i].n_name)))
			return &t->v[i];
	return NULL;
}

static struct top_name *
replace(struct top *t)
{
	struct top_name *least = &t->v[0];
	uint64_t n;
	size_t i;

	for (i = 1; i < t->n; i++)
		if (t->v[i].n < least->n)
			least = &t->v[i];
	n = least->n;
	memset(least, 0, sizeof(*least));
	least->n = least->error = n;
	return least;
}

static int
by_count(const void *a, const void *b)
{
	const struct top_name *x = *(const struct top_name *const *)a;
	const struct top_name *y = *(const struct top_name *const *)b;

	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	return slice_cmp(slice_of(x->name, x->n_name),
	    slice_of(y->name, y->n_name));
}

size_t
top_list(const struct top *t, const struct top_name **list_r, size_t max)
{
	const struct top_name *all[TOP_NAMES];
	size_t i, n = t->n < max ? t->n : max;

	for (i = 0; i < t->n; i++)
		all[i] = &t->v[i];
	qsort(all, t->n, sizeof(all[0]), by_count);
	memcpy(list_r, all, n * sizeof(all[0]));
	return n;
}
