/* SPDX-License-Identifier: ISC */
/*
 * reader - see reader.h.
 *
 * A segment is read whole, where it is needed: it is small.  A search asks the
 * index for the offsets.  Without one, or where a page of it is damaged, the
 * segment is read through, and what was found in it is kept for the next
 * search: the last one, which is being written, has no index, and only grows.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "history/segment.h"
#include "os/fs.h"

/* A segment without an index, as far as it was read. */
struct tail {
	uint32_t	 number;	/* 0: none */
	struct buf	 text;		/* whole records */
	struct index_entries all;
};

struct history {
	int		 dir;		/* owned */
	const struct fs	*fs;
	uint32_t	*numbers;	/* owned; of segments, ascending */
	size_t		 n;
	uint64_t	 damaged;
	uint64_t	 records;
	struct buf	 room;		/* of the event that is shown */
	struct tail	 tail;
};

/* A walk through all that history_each() and history_find() have in common. */
struct walk {
	struct history		*h;
	struct history_range	 range;
	enum history_key	 key;	/* 0: every event */
	struct slice		 value;
	history_take		*take;
	void			*arg;
	bool			 enough;
};

static int	 list_segments(struct history *);
static int	 walk(struct walk *);
static int	 walk_segment(struct walk *, uint32_t number);
static int	 walk_index(struct walk *, int fd, const struct index_header *,
		    uint32_t number);
static bool	 page_before(struct walk *, int fd, uint32_t pages,
		    uint32_t hash, uint32_t *page_r);
static int	 walk_tail(struct walk *, uint32_t number);
static int	 tail_read_on(struct history *, int fd);
static int	 walk_records(struct walk *, uint32_t number);
static bool	 skip_header(struct slice *);
static void	 show(struct walk *, struct history_event *);

/* ---- the directory ------------------------------------------------------ */

struct history *
history_open(const char *directory, struct buf *why)
{
	struct history *h = mem_alloc(sizeof(*h));

	h->fs = &fs_real;
	h->tail.text = BUF_INIT(SEGMENT_BYTES_MAX);
	h->room = BUF_INIT(HISTORY_LINE_BYTES);
	buf_reserve(&h->room, HISTORY_LINE_BYTES);
	h->dir = fs_open_dir(h->fs, AT_FDCWD, directory);
	if (h->dir != -1 && list_segments(h) == 0)
		return h;
	if (errno == EACCES)
		buf_printf(why, "%s: only root, and members of the group that "
		    "owns it, may read the event history", directory);
	else
		buf_printf(why, "%s: %s", directory, strerror(errno));
	history_close(&h);
	return NULL;
}

void
history_close(struct history **h)
{
	if (*h == NULL)
		return;
	fs_close((*h)->fs, (*h)->dir);
	buf_clear(&(*h)->room);
	buf_clear(&(*h)->tail.text);
	free((*h)->tail.all.v);
	free((*h)->numbers);
	free(*h);
	*h = NULL;
}

static int
compare(const void *one, const void *other)
{
	const uint32_t *a = one, *b = other;

	return *a < *b ? -1 : *a > *b;
}

static int
list_segments(struct history *h)
{
	DIR *d = fs_list(h->fs, h->dir, ".", 0);
	const struct dirent *e;
	uint32_t number;
	bool index;

	if (d == NULL)
		return -1;
	h->n = 0;
	while ((e = readdir(d)) != NULL) {
		number = segment_number(e->d_name, &index);
		if (number == 0 || index)
			continue;
		h->numbers = mem_regrow(h->numbers, h->n + 1,
		    sizeof(*h->numbers));
		h->numbers[h->n++] = number;
	}
	closedir(d);
	if (h->n > 0)
		qsort(h->numbers, h->n, sizeof(*h->numbers), compare);
	return 0;
}

static int
open_file(struct history *h, uint32_t number, bool index)
{
	char name[SEGMENT_NAME_BYTES];

	segment_name(name, number, index);
	return fs_open(h->fs, h->dir, name, O_RDONLY, 0);
}

void
history_stat(struct history *h, struct history_stat *s)
{
	char name[SEGMENT_NAME_BYTES];
	char header[SEGMENT_HEADER_BYTES];
	struct stat st;
	size_t i;
	int index, fd;

	*s = (struct history_stat){ .segments = (unsigned)h->n,
		.damaged = h->damaged, .records = h->records };
	for (i = 0; i < h->n; i++)
		for (index = 0; index < 2; index++) {
			segment_name(name, h->numbers[i], index != 0);
			if (h->fs->fstatat(h->dir, name, &st) == 0)
				s->bytes += (uint64_t)st.st_size;
		}
	fd = h->n == 0 ? -1 : open_file(h, h->numbers[0], false);
	if (fd == -1)
		return;
	if (fs_read_exactly(h->fs, fd, header, sizeof(header), 0) == 0 &&
	    segment_header_unpack(slice_of(header, sizeof(header)),
	    &s->first_us) != SEGMENT_OURS)
		s->first_us = 0;
	fs_close(h->fs, fd);
}

/* ---- walks -------------------------------------------------------------- */

int
history_each(struct history *h, struct history_range range,
    history_take *take, void *arg)
{
	struct walk w = { .h = h, .range = range, .take = take, .arg = arg };

	return walk(&w);
}

int
history_find(struct history *h, enum history_key key, struct slice value,
    struct history_range range, history_take *take, void *arg)
{
	struct walk w = { .h = h, .range = range, .key = key, .value = value,
		.take = take, .arg = arg };

	return walk(&w);
}

/* What has come since the last walk is seen by the next one. */
static int
walk(struct walk *w)
{
	size_t i;

	if (list_segments(w->h) == -1)
		return -1;
	for (i = 0; i < w->h->n && !w->enough; i++)
		if (walk_segment(w, w->h->numbers[i]) == -1 &&
		    errno != ENOENT)	/* it was too old, and is gone */
			return -1;
	return 0;
}

static int
walk_segment(struct walk *w, uint32_t number)
{
	char page[INDEX_PAGE_BYTES];
	struct index_header header;
	int fd = open_file(w->h, number, true), result = 1;

	if (fd != -1 && fs_read_exactly(w->h->fs, fd, page, sizeof(page),
	    0) == 0 && index_header_unpack(slice_of(page, sizeof(page)),
	    &header)) {
		if (header.most_us < w->range.since_us ||
		    header.least_us >= w->range.until_us)
			result = 0;
		else if (w->key != 0)
			result = walk_index(w, fd, &header, number);
	}
	fs_close(w->h->fs, fd);
	if (result == 1)
		result = w->key != 0 ? walk_tail(w, number) :
		    walk_records(w, number);
	return result;
}

/* ---- by the index ------------------------------------------------------- */

static bool
read_page(struct walk *w, int fd, uint32_t number,
    struct index_entry entries[INDEX_PAGE_ENTRIES], size_t *n_r)
{
	char page[INDEX_PAGE_BYTES];

	return fs_read_exactly(w->h->fs, fd, page, sizeof(page),
	    (off_t)(number + 1) * INDEX_PAGE_BYTES) == 0 &&
	    index_page_unpack(slice_of(page, sizeof(page)), entries, n_r);
}

/* The last page whose first entry is less than the hash, where its entries
 * begin at the earliest.  False: a page is damaged. */
static bool
page_before(struct walk *w, int fd, uint32_t pages, uint32_t hash,
    uint32_t *page_r)
{
	struct index_entry entries[INDEX_PAGE_ENTRIES];
	uint32_t low = 0, high = pages, middle;
	size_t n;

	while (high - low > 1) {
		middle = low + (high - low) / 2;
		if (!read_page(w, fd, middle, entries, &n))
			return false;
		if (entries[0].hash < hash)
			low = middle;
		else
			high = middle;
	}
	*page_r = low;
	return true;
}

static void
show_at(struct walk *w, int fd, uint32_t offset)
{
	char bytes[RECORD_BYTES];
	ssize_t n = w->h->fs->pread(fd, bytes, sizeof(bytes), offset);
	struct slice in = slice_of(bytes, n > 0 ? (size_t)n : 0);
	struct history_event e;
	size_t skipped;

	if (record_next(&in, &e, &skipped) && skipped == 0)
		show(w, &e);
	else
		w->h->damaged += RECORD_HEADER_BYTES;
}

/* 1: the index cannot be read to its end; nothing was shown then. */
static int
walk_index(struct walk *w, int fd, const struct index_header *h,
    uint32_t number)
{
	struct index_entry entries[INDEX_PAGE_ENTRIES];
	uint32_t hash = key_hash(h->seed, w->key, w->value), page = 0;
	uint32_t pages = (h->entries + INDEX_PAGE_ENTRIES - 1) /
	    INDEX_PAGE_ENTRIES;
	uint32_t *offsets = NULL;
	size_t found = 0, i, n;
	bool past = false;
	int events;

	if (pages > 0 && !page_before(w, fd, pages, hash, &page))
		return 1;
	for (; page < pages && !past; page++) {
		if (!read_page(w, fd, page, entries, &n)) {
			free(offsets);
			return 1;
		}
		for (i = 0; i < n && !past; i++) {
			past = entries[i].hash > hash;
			if (entries[i].hash != hash)
				continue;
			offsets = mem_regrow(offsets, found + 1,
			    sizeof(*offsets));
			offsets[found++] = entries[i].offset;
		}
	}
	events = found == 0 ? -1 : open_file(w->h, number, false);
	/* One event may have a key twice. */
	for (i = 0; i < found && events != -1 && !w->enough; i++)
		if (i == 0 || offsets[i] != offsets[i - 1])
			show_at(w, events, offsets[i]);
	fs_close(w->h->fs, events);
	free(offsets);
	return found > 0 && events == -1 ? -1 : 0;
}

/* ---- without one -------------------------------------------------------- */

static int
walk_tail(struct walk *w, uint32_t number)
{
	struct tail *t = &w->h->tail;
	uint32_t hash = key_hash(0, w->key, w->value);
	int fd = open_file(w->h, number, false), r;
	struct history_event e;
	struct slice rest;
	size_t i, skipped;

	if (fd == -1)
		return -1;
	if (t->number != number) {
		t->number = number;
		t->all.n = 0;
		buf_reset(&t->text);
	}
	r = tail_read_on(w->h, fd);
	fs_close(w->h->fs, fd);
	for (i = 0; i < t->all.n && r == 0 && !w->enough; i++) {
		/* One event may have a key twice. */
		if (t->all.v[i].hash != hash || (i > 0 &&
		    t->all.v[i - 1].hash == hash &&
		    t->all.v[i - 1].offset == t->all.v[i].offset))
			continue;
		rest = slice_from(buf_slice(&t->text), t->all.v[i].offset);
		if (record_next(&rest, &e, &skipped))
			show(w, &e);
	}
	return r;
}

/* From the last whole record on: what stood behind it may have been cut. */
static int
tail_read_on(struct history *h, int fd)
{
	struct tail *t = &h->tail;
	struct history_event e;
	struct slice rest;
	size_t whole = t->text.n, skipped;

	if (fs_read(h->fs, fd, &t->text, SEGMENT_BYTES_MAX, (off_t)whole) ==
	    -1)
		return -1;
	rest = slice_from(buf_slice(&t->text), whole);
	if (whole == 0 && !skip_header(&rest)) {
		buf_reset(&t->text);
		return 0;
	}
	while (record_next(&rest, &e, &skipped)) {
		h->damaged += skipped;
		whole = (size_t)(rest.p - t->text.p);
		history_event_parse(&e, e.line, h->room.p);
		index_entries_add(&t->all, &e, 0, whole -
		    RECORD_HEADER_BYTES - e.line.n);
	}
	t->text.n = whole;
	return 0;
}

/* ---- all of a segment --------------------------------------------------- */

/* False: a later version's. */
static bool
skip_header(struct slice *rest)
{
	int64_t made_us;

	if (rest->n < SEGMENT_HEADER_BYTES)
		return true;
	switch (segment_header_unpack(*rest, &made_us)) {
	case SEGMENT_OURS:
		*rest = slice_from(*rest, SEGMENT_HEADER_BYTES);
		break;
	case SEGMENT_DAMAGED:
		break;
	case SEGMENT_NEWER:
		return false;
	}
	return true;
}

static int
walk_records(struct walk *w, uint32_t number)
{
	struct buf text = BUF_INIT(SEGMENT_BYTES_MAX);
	int fd = open_file(w->h, number, false);
	struct slice rest;
	struct history_event e;
	size_t skipped;
	bool done = fd != -1 && fs_read(w->h->fs, fd, &text,
	    SEGMENT_BYTES_MAX, 0) != -1;

	fs_close(w->h->fs, fd);
	rest = buf_slice(&text);
	if (!skip_header(&rest))
		rest = SLICE_EMPTY;
	while (done && !w->enough && record_next(&rest, &e, &skipped)) {
		w->h->damaged += skipped;
		show(w, &e);
	}
	buf_clear(&text);
	return done ? 0 : -1;
}

static void
show(struct walk *w, struct history_event *e)
{
	w->h->records++;
	if (e->time_us < w->range.since_us || e->time_us >= w->range.until_us)
		return;
	history_event_parse(e, e->line, w->h->room.p);
	if (w->key == 0 || event_has(e, w->key, w->value))
		w->enough = !w->take(w->arg, e);
}
