/* SPDX-License-Identifier: ISC */
/* wire - see wire.h. */
#include <endian.h>

#include "base/wire.h"

#define PUT(name, type, swap)						\
int									\
name(struct buf *b, type v)						\
{									\
	v = (type)swap(v);						\
	return buf_add(b, slice_of(&v, sizeof(v)));			\
}
PUT(put_u8, uint8_t, )
PUT(put_u16, uint16_t, htole16)
PUT(put_u32, uint32_t, htole32)
PUT(put_u64, uint64_t, htole64)

int
put_slice(struct buf *b, struct slice s)
{
	if (s.n > UINT32_MAX || buf_reserve(b, s.n + 4) == NULL)
		return -1;
	put_u32(b, (uint32_t)s.n);
	return buf_add(b, s);
}

int
put_time(struct buf *b, int64_t ms)
{
	if (ms < 0)
		ms = 0;
	return put_u64(b, (uint64_t)(ms > TIME_MAX_MS ? TIME_MAX_MS : ms));
}

static bool
take(struct wire *w, void *to, size_t n)
{
	if (w->bad || w->rest.n < n) {
		w->bad = true;
		return false;
	}
	memcpy(to, w->rest.p, n);
	w->rest = slice_from(w->rest, n);
	return true;
}

#define GET(name, type, swap)						\
type									\
name(struct wire *w)							\
{									\
	type v;								\
									\
	return take(w, &v, sizeof(v)) ? (type)swap(v) : 0;		\
}
GET(get_u8, uint8_t, )
GET(get_u16, uint16_t, le16toh)
GET(get_u32, uint32_t, le32toh)
GET(get_u64, uint64_t, le64toh)

struct slice
get_slice(struct wire *w, size_t max)
{
	size_t n = get_u32(w);
	struct slice s;

	if (w->bad || n > max || n > w->rest.n) {
		w->bad = true;
		return SLICE_EMPTY;
	}
	s = slice_first(w->rest, n);
	w->rest = slice_from(w->rest, n);
	return s;
}

struct slice
get_text(struct wire *w, size_t max)
{
	struct slice s = get_slice(w, max);
	size_t i;

	for (i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f) {
			w->bad = true;
			return SLICE_EMPTY;
		}
	}
	return s;
}

uint8_t
get_enum(struct wire *w, uint8_t max)
{
	uint8_t v = get_u8(w);

	if (v > max) {
		w->bad = true;
		return 0;
	}
	return v;
}

bool
get_bool(struct wire *w)
{
	return get_enum(w, 1) == 1;
}

int64_t
get_time(struct wire *w)
{
	uint64_t v = get_u64(w);

	if (v > TIME_MAX_MS) {
		w->bad = true;
		return 0;
	}
	return (int64_t)v;
}

struct slice
get_rest(struct wire *w)
{
	struct slice s = w->bad ? SLICE_EMPTY : w->rest;

	w->rest = SLICE_EMPTY;
	return s;
}

void *
get_list(struct wire *w, struct arena *a, size_t max, size_t item_min,
    size_t size, size_t *n_r)
{
	size_t n = get_u32(w);
	void *p = NULL;

	if (!w->bad && n <= max && n <= w->rest.n / item_min)
		p = arena_alloc(a, n * size);
	if (p == NULL)
		wire_fail(w);
	*n_r = p != NULL ? n : 0;
	return p;
}

void
wire_fail(struct wire *w)
{
	w->bad = true;
}

bool
wire_done(const struct wire *w)
{
	return !w->bad && w->rest.n == 0;
}
