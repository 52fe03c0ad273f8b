/* SPDX-License-Identifier: ISC */
/* record - see record.h. */
#include <endian.h>
#include <string.h>

#include "base/num.h"
#include "record.h"

static const char *const magics[] = {
	[FILE_LOG] = "CHASQLOG", [FILE_SNAP] = "CHASQSNP",
	[FILE_CACHE] = "CHASQCCH",
};

/* ---- file headers ------------------------------------------------------- */

void
file_header_pack(struct buf *b, const struct file_header *h)
{
	size_t start = b->n;

	buf_add(b, slice_of(magics[h->kind], 8));
	put_u32(b, FORMAT_VERSION);
	put_u32(b, h->uidvalidity);
	buf_add(b, slice_of(h->guid, sizeof(h->guid)));
	put_u64(b, h->generation);
	while (b->n - start < FILE_HEADER_BYTES - 4)
		put_u8(b, 0);
	put_u32(b, crc32c(0, slice_of(b->p + start, FILE_HEADER_BYTES - 4)));
}

/* Magic and checksum, which stay what they are in every version; rest_r is
 * what is between them, and begins with the version. */
static bool
is_header(struct slice in, enum file_kind kind, struct wire *rest_r)
{
	struct wire w;
	uint32_t crc;

	if (in.n < FILE_HEADER_BYTES || memcmp(in.p, magics[kind], 8) != 0)
		return false;
	w = wire_of(slice_of(in.p + FILE_HEADER_BYTES - 4, 4));
	crc = get_u32(&w);
	if (crc != crc32c(0, slice_first(in, FILE_HEADER_BYTES - 4)))
		return false;
	*rest_r = wire_of(slice_from(slice_first(in, FILE_HEADER_BYTES), 8));
	return true;
}

bool
file_header_is_newer(struct slice in, enum file_kind kind)
{
	struct wire w;

	return is_header(in, kind, &w) && get_u32(&w) > FORMAT_VERSION;
}

bool
file_header_unpack(struct slice in, enum file_kind kind, struct file_header *h)
{
	struct wire w;
	uint32_t version;

	if (!is_header(in, kind, &w))
		return false;
	version = get_u32(&w);
	if (version < FORMAT_OLDEST || version > FORMAT_VERSION)
		return false;
	h->kind = kind;
	h->uidvalidity = get_u32(&w);
	memcpy(h->guid, w.rest.p, sizeof(h->guid));
	w.rest = slice_from(w.rest, sizeof(h->guid));
	h->generation = get_u64(&w);
	return h->uidvalidity != 0;
}

/* ---- records ------------------------------------------------------------ */

static inline void
store_u32(char *to, uint32_t v)
{
	v = htole32(v);
	memcpy(to, &v, sizeof(v));
}

static inline void
store_u64(char *to, uint64_t v)
{
	v = htole64(v);
	memcpy(to, &v, sizeof(v));
}

static inline uint32_t
load_u32(const char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static size_t
padded(size_t n)
{
	return (n + RECORD_ALIGN - 1) & ~(size_t)(RECORD_ALIGN - 1);
}

int
record_begin(struct buf *b, enum record_type type, size_t *at_r)
{
	char *to = buf_reserve(b, RECORD_HEADER_BYTES);

	if (to == NULL)
		return -1;
	memset(to, 0, RECORD_HEADER_BYTES);
	to[16] = (char)type;
	*at_r = b->n;
	b->n += RECORD_HEADER_BYTES;
	return 0;
}

int
record_end(struct buf *b, size_t at)
{
	size_t n = b->n - at - RECORD_HEADER_BYTES;
	size_t more = padded(n) - n;
	char *to;

	if (n > RECORD_BYTES)
		return -1;
	to = buf_reserve(b, more);
	if (to == NULL)
		return -1;
	memset(to, 0, more);
	b->n += more;
	store_u32(b->p + at, (uint32_t)n);
	return 0;
}

static uint32_t
record_crc(const char *p, size_t bytes, uint64_t generation)
{
	return crc32c((uint32_t)generation ^ 0x5a5a5a5au,
	    slice_of(p + 8, bytes - 8)) ^ load_u32(p);
}

static size_t
seal(char *p, uint64_t generation, uint64_t modseq, bool commit)
{
	size_t bytes = RECORD_HEADER_BYTES + padded(load_u32(p));

	store_u64(p + 8, modseq);
	p[17] = commit ? RECORD_COMMIT : 0;
	store_u32(p + 4, record_crc(p, bytes, generation));
	return bytes;
}

size_t
record_seal(struct buf *b, size_t at, uint64_t generation, uint64_t modseq)
{
	return seal(b->p + at, generation, modseq, true);
}

void
group_seal(struct buf *b, size_t from, size_t to, uint64_t generation,
    uint64_t modseq)
{
	group_seal_part(b, from, to, generation, modseq, true);
}

void
group_seal_part(struct buf *b, size_t from, size_t to, uint64_t generation,
    uint64_t modseq, bool last)
{
	size_t bytes;

	for (; from < to; from += bytes) {
		bytes = RECORD_HEADER_BYTES + padded(load_u32(b->p + from));
		seal(b->p + from, generation, modseq,
		    last && from + bytes == to);
	}
}

enum record_read
record_read(struct slice in, uint64_t generation, struct record *r)
{
	size_t n, bytes;
	struct wire w;

	if (in.n == 0)
		return RECORD_END;
	if (in.n < RECORD_HEADER_BYTES)
		return RECORD_CUT;
	n = load_u32(in.p);
	if (n > RECORD_BYTES)
		return RECORD_BAD;
	bytes = RECORD_HEADER_BYTES + padded(n);
	if (bytes > in.n)
		return RECORD_CUT;
	if (load_u32(in.p + 4) != record_crc(in.p, bytes, generation))
		return RECORD_BAD;
	w = wire_of(slice_of(in.p + 8, 8));
	r->modseq = get_u64(&w);
	r->type = (enum record_type)(unsigned char)in.p[16];
	r->commit = in.p[17] & RECORD_COMMIT;
	r->body = slice_of(in.p + RECORD_HEADER_BYTES, n);
	r->bytes = bytes;
	return RECORD_OK;
}

bool
record_search(struct slice in, uint64_t generation, size_t *budget,
    size_t *at_r)
{
	struct record r;
	size_t at, n;

	for (at = 0; at + RECORD_HEADER_BYTES <= in.n; at += RECORD_ALIGN) {
		/* Most that is not a record is seen by its zeros or type. */
		if (in.p[at + 16] == 0 || in.p[at + 18] != 0 ||
		    in.p[at + 23] != 0)
			continue;
		n = load_u32(in.p + at);
		if (n > RECORD_BYTES || n > in.n - at)
			continue;
		if (n > *budget)
			return false;
		*budget -= n;
		if (record_read(slice_from(in, at), generation, &r) ==
		    RECORD_OK) {
			*at_r = at;
			return true;
		}
	}
	return false;
}

/* ---- bodies ------------------------------------------------------------- */

#define MESSAGE_FIXED	86
#define REST_FIXED	68
#define ENTRY_BYTES	26

static int	 put_names(struct buf *, const struct message_record *);
static void	 get_names(struct wire *, size_t fixed, const char *lengths,
		    struct message_record *);
static void	 check_message(struct wire *, const struct message_record *);

int
put_message(struct buf *b, const struct message_record *m)
{
	char *p = buf_reserve(b, MESSAGE_FIXED + m->base.n + m->info.n +
	    m->uidl.n);

	if (p == NULL)
		return -1;
	store_u32(p, m->uid);
	p[4] = (char)m->flags;
	p[5] = (char)(m->in_new | m->in_tmp << 1);
	store_u64(p + 6, m->keywords);
	store_u64(p + 14, m->modseq);
	store_u64(p + 22, m->facts.size);
	store_u64(p + 30, m->stored);
	store_u64(p + 38, (uint64_t)m->facts.internal_ms);
	store_u64(p + 46, (uint64_t)m->facts.saved_ms);
	memcpy(p + 54, m->facts.guid, 16);
	store_u64(p + 70, m->cache_at);
	store_u32(p + 78, m->cache_n);
	p[82] = (char)(unsigned char)m->base.n;
	p[83] = (char)(unsigned char)m->info.n;
	p[84] = (char)(unsigned char)m->uidl.n;
	p[85] = (char)m->unknown;
	b->n += MESSAGE_FIXED;
	return put_names(b, m);
}

static int
put_names(struct buf *b, const struct message_record *m)
{
	return buf_add(b, m->base) == -1 || buf_add(b, m->info) == -1 ||
	    buf_add(b, m->uidl) == -1 ? -1 : 0;
}

static inline uint64_t
load_u64(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

/* Names that could lead out of the directory, or end early, are nobody's. */
static bool
is_safe_name(struct slice s)
{
	return memchr(s.p, '/', s.n) == NULL && memchr(s.p, '\0', s.n) == NULL;
}

static bool
is_time(int64_t ms)
{
	return ms >= -TIME_MAX_MS && ms <= TIME_MAX_MS;
}

struct message_record
get_message(struct wire *w)
{
	struct message_record m = { 0 };
	const char *p = w->rest.p;

	if (w->bad || w->rest.n < MESSAGE_FIXED) {
		wire_fail(w);
		return m;
	}
	m.uid = load_u32(p);
	m.flags = (uint8_t)p[4] & 0x1f;
	m.in_new = p[5] & 1;
	m.in_tmp = p[5] >> 1 & 1;
	m.keywords = load_u64(p + 6);
	m.modseq = load_u64(p + 14);
	m.facts.size = load_u64(p + 22);
	m.stored = load_u64(p + 30);
	m.facts.internal_ms = (int64_t)load_u64(p + 38);
	m.facts.saved_ms = (int64_t)load_u64(p + 46);
	memcpy(m.facts.guid, p + 54, 16);
	m.cache_at = load_u64(p + 70);
	m.cache_n = load_u32(p + 78);
	m.unknown = (uint8_t)p[85] & NAME_ONLY;
	get_names(w, MESSAGE_FIXED, p + 82, &m);
	check_message(w, &m);
	return m;
}

/* Behind the fixed bytes; their lengths are three bytes among these. */
static void
get_names(struct wire *w, size_t fixed, const char *lengths,
    struct message_record *m)
{
	size_t base = (unsigned char)lengths[0];
	size_t info = (unsigned char)lengths[1];
	size_t uidl = (unsigned char)lengths[2];
	const char *p = w->rest.p + fixed;

	if (w->rest.n < fixed + base + info + uidl) {
		wire_fail(w);
		return;
	}
	m->base = slice_of(p, base);
	m->info = slice_of(p + base, info);
	m->uidl = slice_of(p + base + info, uidl);
	w->rest = slice_from(w->rest, fixed + base + info + uidl);
}

static void
check_message(struct wire *w, const struct message_record *m)
{
	if (w->bad || m->base.n == 0 ||
	    m->base.n + m->info.n > MESSAGE_NAME_BYTES ||
	    m->uidl.n > MESSAGE_UIDL_BYTES || m->base.p[0] == '.' ||
	    !is_safe_name(m->base) || !is_safe_name(m->info) ||
	    !is_time(m->facts.internal_ms) || !is_time(m->facts.saved_ms))
		wire_fail(w);
}

int
put_message_rest(struct buf *b, const struct message_record *m)
{
	char *p = buf_reserve(b, REST_FIXED + m->base.n + m->info.n +
	    m->uidl.n);

	if (p == NULL)
		return -1;
	store_u32(p, m->uid);
	p[4] = (char)m->unknown;
	p[5] = (char)(unsigned char)m->base.n;
	p[6] = (char)(unsigned char)m->info.n;
	p[7] = (char)(unsigned char)m->uidl.n;
	store_u64(p + 8, m->facts.size);
	store_u64(p + 16, m->stored);
	store_u64(p + 24, (uint64_t)m->facts.internal_ms);
	store_u64(p + 32, (uint64_t)m->facts.saved_ms);
	memcpy(p + 40, m->facts.guid, 16);
	store_u64(p + 56, m->cache_at);
	store_u32(p + 64, m->cache_n);
	b->n += REST_FIXED;
	return put_names(b, m);
}

struct message_record
get_message_rest(struct wire *w)
{
	struct message_record m = { 0 };
	const char *p = w->rest.p;

	if (w->bad || w->rest.n < REST_FIXED) {
		wire_fail(w);
		return m;
	}
	m.uid = load_u32(p);
	m.unknown = (uint8_t)p[4] & NAME_ONLY;
	m.facts.size = load_u64(p + 8);
	m.stored = load_u64(p + 16);
	m.facts.internal_ms = (int64_t)load_u64(p + 24);
	m.facts.saved_ms = (int64_t)load_u64(p + 32);
	memcpy(m.facts.guid, p + 40, 16);
	m.cache_at = load_u64(p + 56);
	m.cache_n = load_u32(p + 64);
	get_names(w, REST_FIXED, p + 5, &m);
	check_message(w, &m);
	return m;
}

int
put_entry(struct buf *b, const struct entry_record *e)
{
	char *p = buf_reserve(b, ENTRY_BYTES);

	if (p == NULL)
		return -1;
	store_u32(p, e->uid);
	store_u32(p + 4, e->name_hash);
	store_u64(p + 8, e->keywords);
	store_u64(p + 16, e->modseq);
	p[24] = (char)e->flags;
	p[25] = e->in_new;
	b->n += ENTRY_BYTES;
	return 0;
}

struct entry_record
get_entry(struct wire *w)
{
	struct entry_record e = { 0 };
	const char *p = w->rest.p;

	if (w->bad || w->rest.n < ENTRY_BYTES) {
		wire_fail(w);
		return e;
	}
	e.uid = load_u32(p);
	e.name_hash = load_u32(p + 4);
	e.keywords = load_u64(p + 8);
	e.modseq = load_u64(p + 16);
	e.flags = (uint8_t)p[24] & FLAGS_STORED;
	e.in_new = p[25] & 1;
	w->rest = slice_from(w->rest, ENTRY_BYTES);
	return e;
}

int
put_facts(struct buf *b, const struct facts_record *f)
{
	put_u32(b, f->uid);
	put_u8(b, f->unknown);
	put_u64(b, f->size);
	put_u64(b, f->stored);
	put_u64(b, (uint64_t)f->internal_ms);
	return put_u64(b, (uint64_t)f->saved_ms);
}

struct facts_record
get_facts(struct wire *w)
{
	struct facts_record f;

	f.uid = get_u32(w);
	f.unknown = get_u8(w) & NAME_ONLY;
	f.size = get_u64(w);
	f.stored = get_u64(w);
	f.internal_ms = (int64_t)get_u64(w);
	f.saved_ms = (int64_t)get_u64(w);
	if (!is_time(f.internal_ms) || !is_time(f.saved_ms))
		wire_fail(w);
	return f;
}

int
put_flag_record(struct buf *b, const struct flags_record *f)
{
	return put_u8(b, f->add) == -1 || put_u8(b, f->del) == -1 ||
	    put_u64(b, f->kadd) == -1 || put_u64(b, f->kdel) == -1 ? -1 : 0;
}

struct flags_record
get_flags(struct wire *w)
{
	struct flags_record f;

	f.add = get_u8(w) & 0x1f;
	f.del = get_u8(w) & 0x1f;
	f.kadd = get_u64(w);
	f.kdel = get_u64(w);
	return f;
}

int
put_stamp(struct buf *b, const struct stamp *s)
{
	return put_u64(b, s->ino) == -1 ||
	    put_u64(b, (uint64_t)s->mtime_ns) == -1 ||
	    put_u64(b, (uint64_t)s->ctime_ns) == -1 ? -1 : 0;
}

struct stamp
get_stamp(struct wire *w)
{
	struct stamp s;

	s.ino = get_u64(w);
	s.mtime_ns = (int64_t)get_u64(w);
	s.ctime_ns = (int64_t)get_u64(w);
	return s;
}

int
put_range(struct buf *b, struct range r)
{
	return put_u32(b, r.lo) == -1 || put_u32(b, r.hi) == -1 ? -1 : 0;
}

bool
get_range(struct wire *w, struct range *r)
{
	if (w->bad || w->rest.n == 0)
		return false;
	r->lo = get_u32(w);
	r->hi = get_u32(w);
	if (w->bad || r->lo == 0 || r->hi < r->lo) {
		wire_fail(w);
		return false;
	}
	return true;
}

#define SNAP_REST	68	/* where rest_at is in the body */

int
put_snap(struct buf *b, const struct snap_record *s)
{
	put_u32(b, s->uidnext);
	put_u32(b, s->uid_limit);
	put_u32(b, s->recent_from);
	put_u64(b, s->modseq);
	put_u64(b, s->modseq_limit);
	put_u64(b, s->vanished_floor);
	put_u64(b, (uint64_t)s->boot_s);
	put_u64(b, s->cache_id);
	put_u64(b, s->cache_end);
	put_u64(b, s->messages);
	return put_u64(b, s->rest_at);
}

void
snap_set_rest(struct buf *b, size_t at, uint64_t rest_at)
{
	store_u64(b->p + at + RECORD_HEADER_BYTES + SNAP_REST, rest_at);
}

struct snap_record
get_snap(struct wire *w)
{
	struct snap_record s;

	s.uidnext = get_u32(w);
	s.uid_limit = get_u32(w);
	s.recent_from = get_u32(w);
	s.modseq = get_u64(w);
	s.modseq_limit = get_u64(w);
	s.vanished_floor = get_u64(w);
	s.boot_s = (int64_t)get_u64(w);
	s.cache_id = get_u64(w);
	s.cache_end = get_u64(w);
	s.messages = get_u64(w);
	s.rest_at = w->rest.n > 0 ? get_u64(w) : 0;
	if (s.uidnext == 0 || s.modseq >= UINT64_MAX / 4 ||
	    s.modseq_limit >= UINT64_MAX / 4)
		wire_fail(w);
	return s;
}

uint32_t
name_hash(struct slice s)
{
	uint64_t h = UINT64_C(0x9e3779b97f4a7c15);
	char last[8] = { 0 };

	for (; s.n >= 8; s = slice_from(s, 8)) {
		h = (h ^ load_u64(s.p)) * UINT64_C(0xff51afd7ed558ccd);
		h ^= h >> 32;
	}
	if (s.n > 0)
		memcpy(last, s.p, s.n);
	h = (h ^ load_u64(last) ^ (uint64_t)s.n << 56) *
	    UINT64_C(0xc4ceb9fe1a85ec53);
	return (uint32_t)(h ^ h >> 29);
}

/* Names are made by mail servers, not by who writes the messages; a keyed hash
 * with known keys is enough. */
void
guid_of_name(struct slice base, uint8_t guid[16])
{
	static const uint64_t keys[2][2] = {
		{ 0x6368617371756931u, 0x6d61696c626f7831u },
		{ 0x6368617371756932u, 0x6d61696c626f7832u },
	};
	uint64_t h;
	int i, j;

	for (i = 0; i < 2; i++) {
		h = siphash(keys[i], base);
		for (j = 0; j < 8; j++)
			guid[8 * i + j] = (uint8_t)(h >> 8 * j);
	}
}
