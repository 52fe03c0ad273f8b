/* SPDX-License-Identifier: ISC */
/* idmap - see idmap.h.  Open addressing with linear probing; ids are made by
 * us, so nobody can aim at a bucket.  It grows by a third, not to the double:
 * a place is a fraction of the capacity, which then may be any number. */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "idmap.h"

static size_t
place_of(const struct idmap *m, uint64_t id)
{
	id *= UINT64_C(0x9e3779b97f4a7c15);
	id ^= id >> 32;
	id *= UINT64_C(0x9e3779b97f4a7c15);
	return (size_t)((unsigned __int128)id * m->cap >> 64);
}

static size_t
after(const struct idmap *m, size_t i)
{
	return i + 1 == m->cap ? 0 : i + 1;
}

void *
idmap_find(const struct idmap *m, uint64_t id)
{
	size_t i;

	if (m->cap == 0)
		return NULL;
	for (i = place_of(m, id); m->v[i] != NULL; i = after(m, i))
		if (*m->v[i] == id)
			return m->v[i];
	return NULL;
}

static void
insert(struct idmap *m, uint64_t *thing)
{
	size_t i = place_of(m, *thing);

	while (m->v[i] != NULL)
		i = after(m, i);
	m->v[i] = thing;
}

static void
grow(struct idmap *m)
{
	struct idmap old = *m;
	size_t i;

	m->cap = old.cap == 0 ? 64 : old.cap + old.cap / 3;
	m->v = mem_array(m->cap, sizeof(*m->v));
	for (i = 0; i < old.cap; i++)
		if (old.v[i] != NULL)
			insert(m, old.v[i]);
	free(old.v);
}

void
idmap_add(struct idmap *m, void *thing)
{
	assert(idmap_find(m, *(uint64_t *)thing) == NULL);
	if (m->n + 1 > m->cap / 5 * 4)
		grow(m);
	insert(m, thing);
	m->n++;
}

void
idmap_remove(struct idmap *m, uint64_t id)
{
	size_t i, hole, home;

	if (m->cap == 0)
		return;
	for (i = place_of(m, id); m->v[i] != NULL && *m->v[i] != id;)
		i = after(m, i);
	if (m->v[i] == NULL)
		return;
	m->n--;
	/* Close the gap: what came after and would have liked the hole, or a
	 * place before it, moves up. */
	for (hole = i;;) {
		m->v[hole] = NULL;
		do {
			i = after(m, i);
			if (m->v[i] == NULL)
				return;
			home = place_of(m, *m->v[i]);
		} while (hole <= i ? hole < home && home <= i :
		    hole < home || home <= i);
		m->v[hole] = m->v[i];
		hole = i;
	}
}

void *
idmap_next(const struct idmap *m, size_t *cursor)
{
	while (*cursor < m->cap)
		if (m->v[(*cursor)++] != NULL)
			return m->v[*cursor - 1];
	return NULL;
}

void
idmap_clear(struct idmap *m)
{
	free(m->v);
	*m = (struct idmap){ 0 };
}
