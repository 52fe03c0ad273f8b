/* SPDX-License-Identifier: ISC */
/* cache - see cache.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cache.h"

#define WINDOW_BYTES	(256 * 1024)
#define GATHER_BYTES	(128 * 1024)
#define COMPACT_BYTES	(1024 * 1024)	/* smaller, dead ones do no harm */

struct cache {
	int		 fd;		/* owned; -1 */
	bool		 missing;	/* and not to be made */
	uint64_t	 end;		/* bytes whose records are known */
	struct buf	 window;	/* bytes of the file */
	uint64_t	 window_at;
	struct buf	 out;		/* not written yet */
	uint32_t	*table;		/* owned: GUID -> index + 1 */
	size_t		 table_cap, table_n;
	uint32_t	 table_uidnext;	/* what the state was then */
	uint64_t	 table_modseq;
	struct buf	 record;	/* the last that was larger than window */
};

static struct cache *cache_get(struct mailbox *);
static void	 cache_open(struct mailbox *, bool create);
static void	 cache_forget(struct mailbox *);
static void	 read_tail(struct mailbox *);
static void	 attach(struct mailbox *, const char *guid, uint64_t at,
		    uint32_t n);
static void	 cache_flush(struct mailbox *);
static void	 cache_drop(struct mailbox *);

static struct cache *
cache_get(struct mailbox *mb)
{
	struct cache *c = mb->cache;

	if (c == NULL) {
		c = mb->cache = mem_alloc(sizeof(*c));
		c->fd = -1;
		buf_init(&c->window, WINDOW_BYTES);
		buf_init(&c->out, RECORD_BYTES * 2);
		buf_init(&c->record, RECORD_BYTES * 2);
	}
	if (c->fd == -1 && !c->missing)
		cache_open(mb, false);
	return c;
}

/* Another file than the one that the snapshot knows: from its beginning. */
static void
cache_forget(struct mailbox *mb)
{
	size_t i;

	for (i = 0; i < mb->state.n; i++)
		mb->state.slots[i].cache_n = 0;
	mb->state.cache_end = FILE_HEADER_BYTES;
	mb->cache->window.n = 0;
}

static int
make_cache(struct mailbox *mb)
{
	const struct fs *fs = mb->store->fs;
	struct file_header h = { .kind = FILE_CACHE, .uidvalidity = 1 };
	struct buf b = BUF_INIT(FILE_HEADER_BYTES);
	char name[64];
	int fd;

	memcpy(h.guid, mb->state.guid, sizeof(h.guid));
	arc4random_buf(&h.generation, sizeof(h.generation));
	file_header_pack(&b, &h);
	snprintf(name, sizeof(name), CACHE_NAME ".tmp.%ld.%u", (long)getpid(),
	    mb->store->turn++);
	fs->unlinkat(mb->dir, name, 0);
	fd = fs->openat(mb->dir, name, O_RDWR | O_CREAT | O_EXCL | O_APPEND |
	    O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd != -1 && (fs_write(fs, fd, buf_slice(&b)) == -1 ||
	    fs->linkat(mb->dir, name, mb->dir, CACHE_NAME) == -1)) {
		fs_close(fs, fd);
		fd = -1;
	}
	fs->unlinkat(mb->dir, name, 0);
	buf_clear(&b);
	return fd;
}

static void
cache_open(struct mailbox *mb, bool create)
{
	const struct fs *fs = mb->store->fs;
	struct cache *c = mb->cache;
	struct buf b = BUF_INIT(FILE_HEADER_BYTES);
	struct file_header h;

	c->fd = fs->openat(mb->dir, CACHE_NAME, (mb->read_only ? O_RDONLY :
	    O_RDWR | O_APPEND) | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
	if (c->fd == -1 && create && !mb->read_only)
		c->fd = make_cache(mb);
	c->missing = c->fd == -1;
	if (c->fd == -1)
		return;
	if (fs_read(fs, c->fd, &b, FILE_HEADER_BYTES, 0) == -1 ||
	    !file_header_unpack(buf_slice(&b), FILE_CACHE, &h) ||
	    memcmp(h.guid, mb->state.guid, sizeof(h.guid)) != 0)
		cache_drop(mb);
	else if (h.generation != mb->state.cache_id ||
	    mb->state.cache_end < FILE_HEADER_BYTES) {
		mb->state.cache_id = h.generation;
		cache_forget(mb);
	}
	buf_clear(&b);
}

/* Damaged, or another mailbox's: a new one is made when it is needed. */
static void
cache_drop(struct mailbox *mb)
{
	const struct fs *fs = mb->store->fs;
	struct cache *c = mb->cache;

	if (!mb->read_only)
		fs->unlinkat(mb->dir, CACHE_NAME, 0);
	fs_close(fs, c->fd);
	c->fd = -1;
	c->missing = true;
	mb->state.cache_id = 0;
	cache_forget(mb);
}

/* ---- finding ------------------------------------------------------------ */

static size_t
guid_slot(const struct cache *c, const void *guid)
{
	uint64_t h;

	memcpy(&h, guid, sizeof(h));
	return (size_t)(h * UINT64_C(0x9e3779b97f4a7c15) >> 20) &
	    (c->table_cap - 1);
}

/* Kept while the same messages are in the same places: whoever reads summaries
 * that he makes himself comes here with each hundred of them. */
static void
build_table(struct mailbox *mb)
{
	struct cache *c = mb->cache;
	const struct state *s = &mb->state;
	size_t i, at;

	if (c->table != NULL && c->table_n == s->n &&
	    c->table_uidnext == s->uidnext && c->table_modseq == s->modseq)
		return;
	c->table_uidnext = s->uidnext;
	c->table_modseq = s->modseq;
	free(c->table);
	c->table_cap = 64;
	while (c->table_cap < s->n * 2)
		c->table_cap *= 2;
	c->table = mem_array(c->table_cap, sizeof(*c->table));
	c->table_n = s->n;
	for (i = 0; i < s->n; i++) {
		at = guid_slot(c, s->slots[i].facts.guid);
		while (c->table[at] != 0)
			at = (at + 1) & (c->table_cap - 1);
		c->table[at] = (uint32_t)i + 1;
	}
}

static void
attach(struct mailbox *mb, const char *guid, uint64_t at, uint32_t n)
{
	struct cache *c = mb->cache;
	struct state *s = &mb->state;
	size_t slot = guid_slot(c, guid), i;

	for (; c->table[slot] != 0; slot = (slot + 1) & (c->table_cap - 1)) {
		i = c->table[slot] - 1;
		if (i < s->n && memcmp(s->slots[i].facts.guid,
		    guid, 16) == 0) {
			s->slots[i].cache_at = at;
			s->slots[i].cache_n = n;
		}
	}
}

/* Records that the snapshot does not know of yet. */
static void
read_tail(struct mailbox *mb)
{
	const struct fs *fs = mb->store->fs;
	struct cache *c = mb->cache;
	struct state *s = &mb->state;
	struct buf b = BUF_INIT(CACHE_MAX_BYTES);
	struct record r;
	struct slice in;
	struct stat st;

	if (fs->fstat(c->fd, &st) == -1 ||
	    (uint64_t)st.st_size <= s->cache_end)
		return;
	if (fs_read(fs, c->fd, &b, (size_t)st.st_size - s->cache_end,
	    (off_t)s->cache_end) == -1) {
		buf_clear(&b);
		return;
	}
	build_table(mb);
	in = buf_slice(&b);
	while (record_read(in, s->cache_id, &r) == RECORD_OK) {
		if (r.type == REC_CACHE && r.body.n > 16)
			attach(mb, r.body.p, s->cache_end, (uint32_t)r.bytes);
		s->cache_end += r.bytes;
		in = slice_from(in, r.bytes);
	}
	/* A whole one that is damaged, or part of one that will never be
	 * whole, would hide all that follows. */
	if (in.n >= RECORD_HEADER_BYTES &&
	    record_read(in, s->cache_id, &r) == RECORD_BAD)
		cache_drop(mb);
	buf_clear(&b);
}

/* The bytes at an offset; .n 0 where they are not to be had. */
static struct slice
bytes_at(struct mailbox *mb, uint64_t at, size_t n)
{
	const struct fs *fs = mb->store->fs;
	struct cache *c = mb->cache;
	struct buf *b = &c->window;
	uint64_t from = c->window_at;

	if (n > WINDOW_BYTES) {
		b = &c->record;
		buf_reset(b);
		if (fs_read(fs, c->fd, b, n, (off_t)at) == -1 ||
		    b->n < n)
			return SLICE_EMPTY;
		return buf_slice(b);
	}
	if (at < from || at + n > from + b->n) {
		buf_reset(b);
		c->window_at = at;
		if (fs_read(fs, c->fd, b, WINDOW_BYTES, (off_t)at) ==
		    -1 || b->n < n)
			return SLICE_EMPTY;
	}
	return slice_of(b->p + (at - c->window_at), n);
}

bool
cache_find(struct mailbox *mb, size_t i, struct slice *summary_r)
{
	struct cache *c = cache_get(mb);
	struct slot *t = &mb->state.slots[i];
	struct slice bytes;
	struct record r;

	if (c->fd == -1)
		return false;
	if (t->cache_n == 0) {
		read_tail(mb);
		if (c->fd == -1 || t->cache_n == 0)
			return false;
	}
	bytes = bytes_at(mb, t->cache_at, t->cache_n);
	if (record_read(bytes, mb->state.cache_id, &r) != RECORD_OK ||
	    r.type != REC_CACHE || r.body.n < 16 ||
	    memcmp(r.body.p, t->facts.guid, 16) != 0) {
		t->cache_n = 0;
		return false;
	}
	*summary_r = slice_from(r.body, 16);
	return true;
}

/* ---- adding ------------------------------------------------------------- */

int
cache_pack(struct buf *b, uint64_t id, const uint8_t guid[16],
    struct slice summary)
{
	size_t at, start = b->n;

	if (record_begin(b, REC_CACHE, &at) == -1 ||
	    buf_add(b, slice_of(guid, 16)) == -1 ||
	    buf_add(b, summary) == -1 || record_end(b, at) == -1) {
		b->n = start;
		return -1;
	}
	group_seal(b, at, b->n, id, 0);
	return 0;
}

void
cache_add(struct mailbox *mb, const uint8_t guid[16], struct slice summary)
{
	struct cache *c = cache_get(mb);

	if (mb->read_only || summary.n > RECORD_BYTES / 2)
		return;
	if (c->fd == -1) {
		c->missing = false;
		cache_open(mb, true);
	}
	if (c->fd == -1 ||
	    cache_pack(&c->out, mb->state.cache_id, guid, summary) == -1)
		return;
	if (c->out.n > GATHER_BYTES)
		cache_flush(mb);
}

/* In one write, so that those of several sessions never mix; one that is cut
 * makes the file damaged, and it is made anew. */
static void
cache_flush(struct mailbox *mb)
{
	struct cache *c = mb->cache;

	if (c->out.n > 0 && c->fd != -1)
		(void)!mb->store->fs->write(c->fd, c->out.p, c->out.n);
	buf_reset(&c->out);
}

/* ---- the end ------------------------------------------------------------ */

/* Whether most of the file is of messages that are gone; then it is dropped
 * rather than copied: what is still wanted is made again as it is asked for. */
static bool
is_mostly_dead(struct mailbox *mb)
{
	const struct state *s = &mb->state;
	uint64_t live = 0;
	size_t i;

	if (s->cache_end < COMPACT_BYTES)
		return false;
	for (i = 0; i < s->n; i++)
		if (!state_is_gone(s, i))
			live += s->slots[i].cache_n;
	return live < s->cache_end / 4;
}

void
cache_close(struct mailbox *mb)
{
	struct cache *c = mb->cache;

	if (c == NULL)
		return;
	cache_flush(mb);
	if (c->fd != -1 && !mb->read_only && mb->state.partial == 0) {
		read_tail(mb);
		if (c->fd != -1 && is_mostly_dead(mb))
			cache_drop(mb);
	}
	fs_close(mb->store->fs, c->fd);
	buf_clear(&c->window);
	buf_clear(&c->out);
	buf_clear(&c->record);
	free(c->table);
	free(c);
	mb->cache = NULL;
}
