/* SPDX-License-Identifier: ISC */
/* segment - see segment.h. */
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/wire.h"
#include "record.h"
#include "segment.h"

#define RECORD_MAGIC	0xc5636552u	/* "Rec\xc5" */
#define FORMAT_VERSION	1
#define FILL_BYTES	(1024 * 1024)	/* of a new segment, between syncs */

static const char segment_magic[8] = "CHASQJ1\n";

static enum header header_at(struct segment *, uint64_t at, uint64_t *ids_r);
static enum header header_unpack(struct slice, struct segment *,
		    uint64_t *ids_r);
static uint32_t	 crc_of(uint32_t salt, struct slice whole);

/* ---- the header ---------------------------------------------------------- */

enum header
segment_read_headers(struct segment *s, uint64_t *ids_r)
{
	struct segment last = *s;
	enum header first, second = HEADER_NONE;
	uint64_t ids, end;

	first = header_at(s, 0, ids_r);
	end = first == HEADER_OK ? s->should : s->size;
	if (end > SEGMENT_HEADER_BYTES)
		second = header_at(&last, end - SEGMENT_HEADER_BYTES, &ids);
	s->half_headed = first != second;
	if (first != HEADER_NONE)
		return first;
	if (second == HEADER_OK) {
		s->generation = last.generation;
		s->salt = last.salt;
		s->should = last.should;
		*ids_r = ids;
	}
	return second;
}

static enum header
header_at(struct segment *s, uint64_t at, uint64_t *ids_r)
{
	char head[SEGMENT_FIXED_BYTES];

	if (at + sizeof(head) > s->size || fs_read_exactly(fs, s->fd, head,
	    sizeof(head), (off_t)at) == -1)
		return HEADER_NONE;
	return header_unpack(slice_of(head, sizeof(head)), s, ids_r);
}

static enum header
header_unpack(struct slice head, struct segment *s, uint64_t *ids_r)
{
	struct wire w;
	uint64_t generation, size, ids;
	uint32_t salt, crc, version;

	if (memcmp(head.p, segment_magic, 8) != 0)
		return HEADER_NONE;
	w = wire_of(slice_from(head, 8));
	crc = get_u32(&w);
	if (crc != crc32c(0, slice_from(head, 12)))
		return HEADER_NONE;
	version = get_u32(&w);
	if (version != FORMAT_VERSION)
		return version > FORMAT_VERSION ? HEADER_NEWER : HEADER_NONE;
	generation = get_u64(&w);
	size = get_u64(&w);
	ids = get_u64(&w);
	get_u64(&w);
	salt = get_u32(&w);
	if (w.bad || size < SEGMENT_MIN_BYTES)
		return HEADER_NONE;
	s->generation = generation;
	s->salt = salt;
	s->should = size;
	*ids_r = ids;
	return HEADER_OK;
}

void
segment_pack_header(const struct segment *s, uint64_t ids,
    char to[SEGMENT_FIXED_BYTES])
{
	static const char zero[12];
	struct buf b = BUF_INIT(SEGMENT_FIXED_BYTES);
	uint32_t crc;

	buf_add(&b, slice_of(segment_magic, 8));
	put_u32(&b, 0);
	put_u32(&b, FORMAT_VERSION);
	put_u64(&b, s->generation);
	put_u64(&b, s->size);
	put_u64(&b, ids);
	put_u64(&b, (uint64_t)clock_wall_ms());
	put_u32(&b, s->salt);
	buf_add(&b, slice_of(zero, sizeof(zero)));
	assert(b.n == SEGMENT_FIXED_BYTES);
	crc = htole32(crc32c(0, slice_from(buf_slice(&b), 12)));
	memcpy(to, b.p, SEGMENT_FIXED_BYTES);
	memcpy(to + 8, &crc, 4);
	buf_clear(&b);
}

int
segment_write_headers(struct segment *s, uint64_t ids)
{
	char head[SEGMENT_FIXED_BYTES];
	struct slice bytes = slice_of(head, sizeof(head));

	if (s->size < s->should && fs->ftruncate(s->fd, (off_t)s->should) == -1)
		return -1;
	s->size = s->should;
	segment_pack_header(s, ids, head);
	if (fs_pwrite(fs, s->fd, bytes, 0) == -1)
		return -1;
	return fs_pwrite(fs, s->fd, bytes,
	    (off_t)(s->size - SEGMENT_HEADER_BYTES));
}

/* ---- a record ------------------------------------------------------------ */

void
segment_put(struct buf *b, uint16_t type, uint64_t id,
    const struct slice *parts, size_t nparts)
{
	static const char pad[8];
	size_t n = 0, i;

	for (i = 0; i < nparts; i++)
		n += parts[i].n;
	put_u32(b, RECORD_MAGIC);
	put_u32(b, 0);		/* CRC */
	put_u32(b, (uint32_t)n);
	put_u32(b, 0);		/* generation */
	put_u64(b, id);
	put_u16(b, type);
	put_u16(b, 0);
	put_u32(b, 0);		/* place */
	for (i = 0; i < nparts; i++)
		buf_add(b, parts[i]);
	buf_add(b, slice_of(pad, segment_record_bytes(n) -
	    RECORD_HEADER_BYTES - n));
}

void
segment_seal(const struct segment *s, uint64_t at, char *p, size_t body)
{
	uint32_t generation = htole32((uint32_t)s->generation);
	uint32_t place = htole32((uint32_t)(at / 8)), crc;

	memcpy(p + 12, &generation, 4);
	memcpy(p + 28, &place, 4);
	crc = htole32(crc_of(s->salt, slice_of(p,
	    RECORD_HEADER_BYTES + body)));
	memcpy(p + 4, &crc, 4);
}

size_t
segment_record_bytes(size_t body)
{
	return (RECORD_HEADER_BYTES + body + 7) / 8 * 8;
}

static uint32_t
crc_of(uint32_t salt, struct slice whole)
{
	return crc32c(salt, slice_from(whole, 8));
}

/* ---- reading ------------------------------------------------------------- */

/* n bytes at a place, NULL where the file ends before or cannot be read. */
static const char *
scan_see(struct scan *c, uint64_t at, size_t n)
{
	uint64_t left;

	assert(n <= SCAN_BYTES);
	if (at >= c->at && at + n <= c->at + c->n)
		return c->bytes + (at - c->at);
	if (at + n > c->s->size)
		return NULL;
	left = c->s->size - at;
	c->at = at;
	c->n = left < SCAN_BYTES ? (size_t)left : SCAN_BYTES;
	if (fs_read_exactly(fs, c->s->fd, c->bytes, c->n, (off_t)at) == -1) {
		c->n = 0;
		return NULL;
	}
	return c->bytes;
}

bool
scan_record_at(struct scan *c, uint64_t at, struct record *r, size_t *whole_r)
{
	const char *p = scan_see(c, at, RECORD_HEADER_BYTES);
	struct wire w;
	uint32_t crc, n;

	if (p == NULL)
		return false;
	w = wire_of(slice_of(p, RECORD_HEADER_BYTES));
	if (get_u32(&w) != RECORD_MAGIC)
		return false;
	crc = get_u32(&w);
	n = get_u32(&w);
	if (n > RECORD_BODY_BYTES ||
	    get_u32(&w) != (uint32_t)c->s->generation)
		return false;
	r->id = get_u64(&w);
	r->type = get_u16(&w);
	get_u16(&w);
	if (get_u32(&w) != (uint32_t)(at / 8))
		return false;
	p = scan_see(c, at, RECORD_HEADER_BYTES + n);
	if (p == NULL || crc != crc_of(c->s->salt,
	    slice_of(p, RECORD_HEADER_BYTES + n)))
		return false;
	r->body = slice_of(p + RECORD_HEADER_BYTES, n);
	r->at = at + RECORD_HEADER_BYTES;
	*whole_r = segment_record_bytes(n);
	return true;
}

uint64_t
scan_next_record(struct scan *c, uint64_t at)
{
	const uint32_t magic = htole32(RECORD_MAGIC);
	struct record r;
	uint32_t word;
	const char *p;
	size_t whole, left;

	while ((p = scan_see(c, at, RECORD_HEADER_BYTES)) != NULL) {
		/* through what the window holds; a record may move it */
		left = c->n - (size_t)(at - c->at);
		for (; left >= RECORD_HEADER_BYTES; left -= 8, p += 8,
		    at += 8) {
			memcpy(&word, p, sizeof(word));
			if (word == magic)
				break;
		}
		if (left < RECORD_HEADER_BYTES)
			continue;
		if (scan_record_at(c, at, &r, &whole))
			return at;
		at += 8;
	}
	return 0;
}

bool
scan_looks_used(struct scan *c)
{
	const uint32_t magic = htole32(RECORD_MAGIC);
	const char *p = scan_see(c, SEGMENT_HEADER_BYTES, 4);

	return p != NULL && memcmp(p, &magic, 4) == 0;
}

uint64_t
scan_begun_at(struct scan *c, uint64_t at)
{
	const char *p = scan_see(c, at, RECORD_HEADER_BYTES);
	uint32_t magic, n, generation, place;
	struct wire w;
	uint64_t end;

	if (p == NULL)
		return 0;
	w = wire_of(slice_of(p, RECORD_HEADER_BYTES));
	magic = get_u32(&w);
	get_u32(&w);
	n = get_u32(&w);
	generation = get_u32(&w);
	get_u64(&w);
	get_u32(&w);
	place = get_u32(&w);
	if (generation != (uint32_t)c->s->generation ||
	    (magic != RECORD_MAGIC && place != (uint32_t)(at / 8)))
		return 0;
	if (n > RECORD_BODY_BYTES)
		n = 0;
	end = at + segment_record_bytes(n);
	return end < c->s->size ? end : c->s->size;
}

/* ---- writing over -------------------------------------------------------- */

/* A record of nothing, which fills a place. */
static int
write_void(const struct segment *s, uint64_t at, uint32_t n)
{
	struct buf b = BUF_INIT(RECORD_HEADER_BYTES + RECORD_BODY_BYTES);
	char *zero = mem_alloc(n);
	struct slice body = slice_of(zero, n - RECORD_HEADER_BYTES);
	int r;

	segment_put(&b, REC_VOID, 0, &body, 1);
	segment_seal(s, at, b.p, body.n);
	r = fs_pwrite(fs, s->fd, buf_slice(&b), (off_t)at);
	buf_clear(&b);
	free(zero);
	return r;
}

int
segment_void(const struct segment *s, uint64_t from, uint64_t to)
{
	uint64_t n;

	to = to / 8 * 8;
	for (; from < to; from += n) {
		n = to - from;
		if (n < RECORD_HEADER_BYTES) {
			errno = ENOTSUP;
			return -1;
		}
		if (n > RECORD_HEADER_BYTES + RECORD_BODY_BYTES)
			n = RECORD_BODY_BYTES;
		if (write_void(s, from, (uint32_t)n) == -1)
			return -1;
	}
	return 0;
}

int
segment_fill(const struct segment *s)
{
	static const char zero[256 * 1024];
	uint64_t at, n;

	for (at = 0; at < s->size; at += n) {
		n = s->size - at;
		if (n > sizeof(zero))
			n = sizeof(zero);
		if (fs_pwrite(fs, s->fd, slice_of(zero, (size_t)n),
		    (off_t)at) == -1 ||
		    ((at + n) % FILL_BYTES == 0 && at + n < s->size &&
		    fs->fdatasync(s->fd) == -1))
			return -1;
	}
	return fs->fsync(s->fd);
}

/* ---- questions ----------------------------------------------------------- */

struct young *
segment_first(const struct segment *s)
{
	return TAILQ_FIRST(&s->young);
}

bool
segment_has_files(const struct segment *s)
{
	return s->files;
}

const char *
segment_name(const struct segment *s)
{
	return s->name;
}

uint64_t
segment_generation(const struct segment *s)
{
	return s->generation;
}

int
segment_read(const struct segment *s, void *to, size_t n, uint64_t at)
{
	return fs_read_exactly(fs, s->fd, to, n, (off_t)at);
}

void
segment_rotate(struct segment *s)
{
	struct young *y = TAILQ_FIRST(&s->young);

	TAILQ_REMOVE(&s->young, y, link);
	TAILQ_INSERT_TAIL(&s->young, y, link);
}
