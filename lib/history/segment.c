/* SPDX-License-Identifier: ISC */
/* segment - see segment.h. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/wire.h"
#include "history/segment.h"

static const char events_magic[] = "chqevent";
static const char index_magic[] = "chqindex";
#define MAGIC_BYTES	8

static void	 set_u32(char *, uint32_t);
static bool	 record_at(struct slice, struct history_event *,
		    size_t *bytes_r);
static void	 sort(struct index_entry *, size_t);
static void	 end_page(struct buf *, size_t start);

/* ---- names -------------------------------------------------------------- */

void
segment_name(char name[SEGMENT_NAME_BYTES], uint32_t number, bool index)
{
	snprintf(name, SEGMENT_NAME_BYTES, "%08x.%s", number,
	    index ? "index" : "events");
}

uint32_t
segment_number(const char *name, bool *index_r)
{
	char again[SEGMENT_NAME_BYTES];
	uint32_t number = (uint32_t)strtoul(name, NULL, 16);

	*index_r = strlen(name) > 9 && name[9] == 'i';
	segment_name(again, number, *index_r);
	return strcmp(name, again) == 0 ? number : 0;
}

/* ---- segments ----------------------------------------------------------- */

void
segment_header_pack(struct buf *b, int64_t made_us)
{
	size_t start = b->n;

	buf_add(b, slice_of(events_magic, MAGIC_BYTES));
	put_u32(b, SEGMENT_VERSION);
	put_u64(b, (uint64_t)made_us);
	put_u32(b, crc32c(0, slice_from(buf_slice(b), start)));
	while (b->n - start < SEGMENT_HEADER_BYTES)
		buf_add_byte(b, '\0');
}

enum segment_is
segment_header_unpack(struct slice in, int64_t *made_us_r)
{
	struct slice magic = slice_of(events_magic, MAGIC_BYTES);
	struct slice summed = slice_first(in, MAGIC_BYTES + 12);
	struct wire w = wire_of(slice_from(in, MAGIC_BYTES));
	uint32_t version = get_u32(&w);

	*made_us_r = (int64_t)get_u64(&w);
	if (!slice_starts(in, magic) || get_u32(&w) != crc32c(0, summed))
		return SEGMENT_DAMAGED;
	return version > SEGMENT_VERSION ? SEGMENT_NEWER : SEGMENT_OURS;
}

int
record_pack(struct buf *b, const struct history_event *e)
{
	size_t n = e->line.n > HISTORY_LINE_BYTES ? HISTORY_LINE_BYTES :
	    e->line.n, start = b->n, i;
	char *to = buf_reserve(b, RECORD_HEADER_BYTES + n);

	if (to == NULL)
		return -1;
	buf_add_byte(b, (char)RECORD_MARK);
	buf_add_byte(b, '\0');
	put_u32(b, 0);
	put_u16(b, (uint16_t)n);
	put_u64(b, (uint64_t)e->time_us);
	put_u32(b, e->pid);
	put_u8(b, (uint8_t)e->role);
	put_u8(b, (uint8_t)e->level);
	to = b->p + b->n;
	for (i = 0; i < n; i++)
		to[i] = e->line.p[i] >= 0x20 && e->line.p[i] <= 0x7e ?
		    e->line.p[i] : '?';
	b->n += n;
	set_u32(b->p + start + 2,
	    crc32c(0, slice_from(buf_slice(b), start + 6)));
	return 0;
}

static void
set_u32(char *to, uint32_t v)
{
	unsigned i;

	for (i = 0; i < 4; i++)
		to[i] = (char)(v >> 8 * i);
}

bool
record_next(struct slice *rest, struct history_event *e, size_t *skipped_r)
{
	struct slice in = *rest;
	const char *mark;
	size_t bytes;

	while ((mark = memchr(in.p, RECORD_MARK, in.n)) != NULL) {
		in = slice_from(in, (size_t)(mark - in.p));
		if (record_at(in, e, &bytes)) {
			*skipped_r = (size_t)(in.p - rest->p);
			*rest = slice_from(in, bytes);
			return true;
		}
		in = slice_from(in, 1);
	}
	return false;
}

static bool
record_at(struct slice in, struct history_event *e, size_t *bytes_r)
{
	struct wire w;
	uint32_t sum;
	uint64_t when;
	size_t n;

	if (in.n < RECORD_HEADER_BYTES || in.p[1] != '\0')
		return false;
	w = wire_of(slice_from(in, 2));
	sum = get_u32(&w);
	n = get_u16(&w);
	when = get_u64(&w);
	e->pid = get_u32(&w);
	e->role = get_u8(&w);
	e->level = get_u8(&w);
	if (n > HISTORY_LINE_BYTES || n > w.rest.n ||
	    e->role >= ROLE_LIMIT || e->level > LOG_LEVEL_ERROR ||
	    when > TIME_MAX_MS * UINT64_C(1000) || sum != crc32c(0,
	    slice_of(in.p + 6, RECORD_HEADER_BYTES - 6 + n)))
		return false;
	e->time_us = (int64_t)when;
	e->line = slice_first(w.rest, n);
	*bytes_r = RECORD_HEADER_BYTES + n;
	return true;
}

/* ---- keys --------------------------------------------------------------- */

static const struct {
	const char		*field;
	enum history_key	 key;
} keys[] = {
	{ "id", HISTORY_ID },		{ "report", HISTORY_ID },
	{ "msgid", HISTORY_MESSAGE_ID }, { "from", HISTORY_SENDER },
	{ "rcpt", HISTORY_RECIPIENT },	{ "orig", HISTORY_RECIPIENT },
	{ "to", HISTORY_RECIPIENT },
};

/* log_quote() cuts what is longer. */
#define KEY_BYTES	500

static struct slice
key_part(struct slice value)
{
	return value.n > KEY_BYTES ? slice_first(value, KEY_BYTES) : value;
}

uint32_t
key_hash(uint64_t seed, enum history_key key, struct slice value)
{
	const uint64_t with[2] = { seed, (uint64_t)key };
	char folded[KEY_BYTES];
	size_t i;

	value = key_part(value);
	for (i = 0; i < value.n; i++)
		folded[i] = ascii_lower(value.p[i]);
	return (uint32_t)siphash(with, slice_of(folded, value.n));
}

/* The kind of a field, 0: it is no key. */
static enum history_key
key_of(struct slice field)
{
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (slice_eq(field, slice_str(keys[i].field)))
			return keys[i].key;
	return 0;
}

size_t
event_hashes(const struct history_event *e, uint64_t seed,
    uint32_t hashes_r[EVENT_KEYS])
{
	enum history_key key;
	size_t i, n = 0;

	for (i = 0; i < e->nfields && n < EVENT_KEYS; i++) {
		key = key_of(e->fields[i].key);
		if (key != 0)
			hashes_r[n++] = key_hash(seed, key,
			    e->fields[i].value);
	}
	return n;
}

bool
event_has(const struct history_event *e, enum history_key key,
    struct slice value)
{
	size_t i;

	for (i = 0; i < e->nfields; i++)
		if (key_of(e->fields[i].key) == key && slice_eq_nocase(
		    key_part(e->fields[i].value), key_part(value)))
			return true;
	return false;
}

void
index_entries_add(struct index_entries *all, const struct history_event *e,
    uint64_t seed, size_t offset)
{
	uint32_t hashes[EVENT_KEYS];
	size_t i, n = event_hashes(e, seed, hashes);

	if (all->n + n > all->room) {
		all->room = 2 * (all->n + n);
		all->v = mem_regrow(all->v, all->room, sizeof(*all->v));
	}
	for (i = 0; i < n; i++)
		all->v[all->n++] = (struct index_entry){ hashes[i],
			(uint32_t)offset };
}

/* ---- the index ---------------------------------------------------------- */

void
index_pack(struct buf *b, const struct index_header *h,
    struct index_entry *entries)
{
	size_t start = b->n, i, page;

	put_u32(b, 0);
	put_u32(b, 0);
	buf_add(b, slice_of(index_magic, MAGIC_BYTES));
	put_u32(b, SEGMENT_VERSION);
	put_u32(b, h->entries);
	put_u64(b, (uint64_t)h->least_us);
	put_u64(b, (uint64_t)h->most_us);
	put_u64(b, h->seed);
	end_page(b, start);
	sort(entries, h->entries);
	for (i = 0; i < h->entries; i += page) {
		start = b->n;
		page = h->entries - i < INDEX_PAGE_ENTRIES ?
		    h->entries - i : INDEX_PAGE_ENTRIES;
		put_u32(b, 0);
		put_u32(b, (uint32_t)page);
		for (size_t j = i; j < i + page; j++) {
			put_u32(b, entries[j].hash);
			put_u32(b, entries[j].offset);
		}
		end_page(b, start);
	}
}

/* Fills it up and puts its sum in front. */
static void
end_page(struct buf *b, size_t start)
{
	size_t n = INDEX_PAGE_BYTES - (b->n - start);
	char *to = buf_reserve(b, n);

	memset(to, 0, n);
	b->n += n;
	set_u32(b->p + start, crc32c(0, slice_from(buf_slice(b), start + 4)));
}

/* By a byte of the hash at a time, the last first; what comes in the order of
 * the offsets stays in it. */
static void
sort(struct index_entry *entries, size_t n)
{
	struct index_entry *other = mem_regrow(NULL, n + 1, sizeof(*other));
	struct index_entry *from = entries, *to = other, *t;
	size_t count[257], i;
	unsigned shift;

	for (shift = 0; shift < 32; shift += 8) {
		memset(count, 0, sizeof(count));
		for (i = 0; i < n; i++)
			count[(from[i].hash >> shift & 255) + 1]++;
		for (i = 1; i < 256; i++)
			count[i] += count[i - 1];
		for (i = 0; i < n; i++)
			to[count[from[i].hash >> shift & 255]++] = from[i];
		t = from;
		from = to;
		to = t;
	}
	free(other);	/* after four turns they are in place again */
}

static bool
page_is_whole(struct slice page)
{
	struct wire w = wire_of(page);

	return page.n == INDEX_PAGE_BYTES &&
	    get_u32(&w) == crc32c(0, slice_from(page, 4));
}

bool
index_header_unpack(struct slice page, struct index_header *h)
{
	struct wire w = wire_of(page);

	if (!page_is_whole(page))
		return false;
	get_u64(&w);
	if (!slice_starts(w.rest, slice_of(index_magic, MAGIC_BYTES)))
		return false;
	w = wire_of(slice_from(w.rest, MAGIC_BYTES));
	if (get_u32(&w) > SEGMENT_VERSION)
		return false;
	h->entries = get_u32(&w);
	h->least_us = (int64_t)get_u64(&w);
	h->most_us = (int64_t)get_u64(&w);
	h->seed = get_u64(&w);
	return true;
}

bool
index_page_unpack(struct slice page,
    struct index_entry entries_r[INDEX_PAGE_ENTRIES], size_t *n_r)
{
	struct wire w = wire_of(page);
	size_t i, n;

	if (!page_is_whole(page))
		return false;
	get_u32(&w);
	n = get_u32(&w);
	if (n == 0 || n > INDEX_PAGE_ENTRIES)
		return false;
	for (i = 0; i < n; i++) {
		entries_r[i].hash = get_u32(&w);
		entries_r[i].offset = get_u32(&w);
	}
	*n_r = n;
	return true;
}
