/* SPDX-License-Identifier: ISC */
/* store - see store.h. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/num.h"
#include "table/store.h"

/* A slot holds 16 bits of the hash above 48 bits of the entry's offset + 1. */
#define OFFSET_BITS	48
#define OFFSET_MASK	(((uint64_t)1 << OFFSET_BITS) - 1)
#define STORE_BYTES	((size_t)1 << 40)

static uint64_t *slot_of(const struct store *, struct slice key, uint64_t hash,
		    struct slice *value_r, unsigned *line_r);
static void	 grow(struct store *);
static void	 put_number(struct buf *, uint64_t);
static uint64_t	 get_number(const char **);

void
store_init(struct store *s, uint64_t max_entries)
{
	*s = (struct store){ .bytes = BUF_INIT(STORE_BYTES),
		.max = max_entries };
	arc4random_buf(s->key, sizeof(s->key));
}

void
store_clear(struct store *s)
{
	buf_clear(&s->bytes);
	free(s->slots);
	s->slots = NULL;
	s->nslots = s->n = 0;
}

enum store_add
store_add(struct store *s, struct slice key, struct slice value, unsigned line,
    unsigned *line_r)
{
	uint64_t hash = siphash(s->key, key), offset = s->bytes.n;
	struct slice other;
	uint64_t *slot;

	if (s->n >= s->nslots / 4 * 3)
		grow(s);
	slot = slot_of(s, key, hash, &other, line_r);
	if (*slot != 0)
		return STORE_TWIN;
	if (s->n == s->max)
		return STORE_FULL;
	put_number(&s->bytes, key.n);
	put_number(&s->bytes, value.n);
	put_number(&s->bytes, line);
	buf_add(&s->bytes, key);
	buf_add(&s->bytes, value);
	*slot = (hash & ~OFFSET_MASK) | (offset + 1);
	s->n++;
	return STORE_ADDED;
}

bool
store_find(const struct store *s, struct slice key, struct slice *value_r,
    unsigned *line_r)
{
	if (s->nslots == 0)
		return false;
	return *slot_of(s, key, siphash(s->key, key), value_r, line_r) != 0;
}

/* The slot of the key, or the empty one where it would go. */
static uint64_t *
slot_of(const struct store *s, struct slice key, uint64_t hash,
    struct slice *value_r, unsigned *line_r)
{
	uint64_t i = hash & (s->nslots - 1), key_n, value_n, line;
	const char *p;

	for (; s->slots[i] != 0; i = (i + 1) & (s->nslots - 1)) {
		if (((s->slots[i] ^ hash) & ~OFFSET_MASK) != 0)
			continue;
		p = s->bytes.p + ((s->slots[i] & OFFSET_MASK) - 1);
		key_n = get_number(&p);
		value_n = get_number(&p);
		line = get_number(&p);
		if (!slice_eq(slice_of(p, key_n), key))
			continue;
		*value_r = slice_of(p + key_n, value_n);
		*line_r = (unsigned)line;
		break;
	}
	return &s->slots[i];
}

static void
grow(struct store *s)
{
	uint64_t old_n = s->nslots, *old = s->slots, i, j, hash;
	uint64_t key_n;
	const char *p;

	s->nslots = old_n == 0 ? 64 : old_n * 2;
	s->slots = mem_array(s->nslots, sizeof(*s->slots));
	for (i = 0; i < old_n; i++) {
		if (old[i] == 0)
			continue;
		p = s->bytes.p + ((old[i] & OFFSET_MASK) - 1);
		key_n = get_number(&p);
		get_number(&p);
		get_number(&p);
		hash = siphash(s->key, slice_of(p, key_n));
		for (j = hash & (s->nslots - 1); s->slots[j] != 0;)
			j = (j + 1) & (s->nslots - 1);
		s->slots[j] = old[i];
	}
	free(old);
}

/* Seven bits a byte, the lowest first. */
static void
put_number(struct buf *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		buf_add_byte(b, (char)(v | 0x80));
	buf_add_byte(b, (char)v);
}

static uint64_t
get_number(const char **p)
{
	uint64_t v = 0;
	unsigned shift;

	for (shift = 0; ((unsigned char)**p & 0x80) != 0; shift += 7)
		v |= (uint64_t)((unsigned char)*(*p)++ & 0x7f) << shift;
	return v | (uint64_t)(unsigned char)*(*p)++ << shift;
}
