/* SPDX-License-Identifier: ISC */
/* writer - see writer.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "history/writer.h"

#define PENDING_BYTES	(1024 * 1024)
#define FLUSH_BYTES	(256 * 1024)	/* pending is written at the latest */
#define PARTS		16		/* of the bounds: a segment is no more */
#define LEAST_BYTES	(16 * 1024)	/* but always as much as this */
#define FILE_MODE	0640		/* the group may read */

static int	 find_segments(struct history_writer *);
static int	 go_on(struct history_writer *);
static int	 begin(struct history_writer *, int64_t now_us);
static bool	 lock(int fd);
static int	 end(struct history_writer *);
static int	 load(struct history_writer *, int fd, uint64_t *end_r,
		    enum segment_is *);
static int	 write_index(struct history_writer *, uint32_t number);
static bool	 is_full(const struct history_writer *, int64_t now_us);
static void	 forget(struct history_writer *);
static void	 remove_oldest(struct history_writer *);
static void	 add_entries(struct history_writer *,
		    const struct history_event *, uint64_t offset);

/* ---- the directory ------------------------------------------------------ */

int
history_writer_open(struct history_writer *w, const struct fs *fs,
    int dir_take, uint64_t bytes_max, int64_t age_max_us)
{
	*w = (struct history_writer){ .fs = fs, .dir = dir_take, .fd = -1,
		.bytes_max = bytes_max, .age_max_us = age_max_us,
		.pending = BUF_INIT(PENDING_BYTES) };
	arc4random_buf(&w->seed, sizeof(w->seed));
	forget(w);
	return find_segments(w) == -1 || (w->number != 0 && go_on(w) == -1) ?
	    -1 : 0;
}

void
history_writer_close(struct history_writer *w)
{
	fs_close(w->fs, w->fd);
	fs_close(w->fs, w->dir);
	w->fd = w->dir = -1;
	free(w->all.v);
	w->all = (struct index_entries){ .v = NULL };
	buf_clear(&w->pending);
}

static int
find_segments(struct history_writer *w)
{
	DIR *d = fs_list(w->fs, w->dir, ".", 0);
	const struct dirent *e;
	struct stat st;
	uint32_t number;
	bool index;

	if (d == NULL)
		return -1;
	w->first = 0;
	w->others = 0;
	while ((e = readdir(d)) != NULL) {
		number = segment_number(e->d_name, &index);
		if (number == 0 ||
		    w->fs->fstatat(w->dir, e->d_name, &st) == -1)
			continue;
		if (index || number != w->number || w->fd == -1)
			w->others += (uint64_t)st.st_size;
		if (w->first == 0 || number < w->first)
			w->first = number;
		if (number > w->number && w->fd == -1)
			w->number = number;
	}
	closedir(d);
	return 0;
}

static int
open_file(struct history_writer *w, uint32_t number, bool index, int flags)
{
	char name[SEGMENT_NAME_BYTES];

	segment_name(name, number, index);
	return fs_open(w->fs, w->dir, name, flags, FILE_MODE);
}

/* Indexes that a crash has prevented, then the last segment itself. */
static int
go_on(struct history_writer *w)
{
	enum segment_is is;
	uint32_t number;
	uint64_t whole;
	int fd;

	for (number = w->first; number <= w->number; number++) {
		fd = open_file(w, number, true, O_RDONLY);
		if (fd != -1) {
			fs_close(w->fs, fd);
			continue;
		}
		fd = open_file(w, number, false, O_RDWR);
		if (fd == -1 || !lock(fd)) {
			fs_close(w->fs, fd);
			continue;
		}
		if (load(w, fd, &whole, &is) == -1) {
			fs_close(w->fs, fd);
			return -1;
		}
		if (number == w->number && is == SEGMENT_OURS) {
			w->fd = fd;
			w->size = whole;
			w->others -= whole;
			/* A torn tail; what stands behind it is no record. */
			return w->fs->ftruncate(fd, (off_t)whole);
		}
		fs_close(w->fs, fd);
		if (is != SEGMENT_NEWER && write_index(w, number) == -1)
			return -1;
	}
	forget(w);
	return 0;	/* the next one begins with the first event */
}

/* Its writer has a segment locked.  While one suite takes the place of another
 * there are two, each with its own. */
static bool
lock(int fd)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_SETLK, &whole) == 0;
}

/* The entries of all that a segment has. */
static int
load(struct history_writer *w, int fd, uint64_t *end_r, enum segment_is *is)
{
	struct buf text = BUF_INIT(SEGMENT_BYTES_MAX);
	char room[HISTORY_LINE_BYTES];
	struct history_event e;
	struct slice rest;
	size_t skipped;
	int64_t made_us;
	int r = fs_read(w->fs, fd, &text, SEGMENT_BYTES_MAX, 0);

	forget(w);
	rest = buf_slice(&text);
	*end_r = SEGMENT_HEADER_BYTES;
	*is = rest.n < SEGMENT_HEADER_BYTES ? SEGMENT_DAMAGED :
	    segment_header_unpack(rest, &made_us);
	while (r == 0 && *is != SEGMENT_NEWER &&
	    record_next(&rest, &e, &skipped)) {
		*end_r = (uint64_t)(rest.p - text.p);
		history_event_parse(&e, e.line, room);
		add_entries(w, &e, *end_r - RECORD_HEADER_BYTES - e.line.n);
	}
	w->written = w->all.n;
	buf_clear(&text);
	return r;
}

/* ---- segments ----------------------------------------------------------- */

static void
forget(struct history_writer *w)
{
	w->all.n = w->written = 0;
	w->least_us = INT64_MAX;
	w->most_us = 0;
}

static int
begin(struct history_writer *w, int64_t now_us)
{
	struct buf header = BUF_INIT(SEGMENT_HEADER_BYTES);
	uint32_t number = w->number;
	int fd, r;

	do	/* another writer's may have begun meanwhile */
		fd = open_file(w, ++number, false,
		    O_WRONLY | O_CREAT | O_EXCL);
	while (fd == -1 && errno == EEXIST);
	if (fd == -1 || !lock(fd)) {
		fs_close(w->fs, fd);
		return -1;
	}
	segment_header_pack(&header, now_us);
	r = fs_pwrite(w->fs, fd, buf_slice(&header), 0);
	buf_clear(&header);
	w->fd = fd;
	w->number = number;
	if (w->first == 0)
		w->first = number;
	/* Where there was no room for it, there may be later. */
	w->size = SEGMENT_HEADER_BYTES;
	return r;
}

static int
end(struct history_writer *w)
{
	int r = write_index(w, w->number);

	fs_close(w->fs, w->fd);
	w->fd = -1;
	w->others += w->size;
	w->size = 0;
	forget(w);
	return r;
}

static int
write_index(struct history_writer *w, uint32_t number)
{
	struct index_header h = { .entries = (uint32_t)w->all.n,
	    .seed = w->seed,
		.least_us = w->least_us, .most_us = w->most_us };
	struct buf b = BUF_INIT(SIZE_MAX / 2);
	char name[SEGMENT_NAME_BYTES];
	int fd = open_file(w, number, true, O_WRONLY | O_CREAT | O_TRUNC), r;

	if (fd == -1)
		return -1;
	index_pack(&b, &h, w->all.v);
	r = fs_write(w->fs, fd, buf_slice(&b));
	fs_close(w->fs, fd);
	segment_name(name, number, true);
	if (r == -1)
		w->fs->unlinkat(w->dir, name, 0);
	else
		w->others += b.n;
	buf_clear(&b);
	return r;
}

/* By size; or by age, so that old events can go although few come. */
static bool
is_full(const struct history_writer *w, int64_t now_us)
{
	uint64_t most = w->bytes_max / PARTS;

	if (most > SEGMENT_BYTES)
		most = SEGMENT_BYTES;
	if (most < LEAST_BYTES)
		most = LEAST_BYTES;
	return w->size >= most || (w->all.n > 0 &&
	    now_us - w->least_us > w->age_max_us / PARTS);
}

void
history_writer_prune(struct history_writer *w, int64_t now_us)
{
	char page[INDEX_PAGE_BYTES];
	struct index_header h;
	bool old;
	int fd;

	if (w->fd != -1 && is_full(w, now_us) && end(w) == -1)
		w->error = errno;
	/* Again: another writer may have been here. */
	if (find_segments(w) == -1)
		return;
	while (w->first < w->number ||
	    (w->first == w->number && w->number != 0 && w->fd == -1)) {
		fd = open_file(w, w->first, true, O_RDONLY);
		old = fd != -1 && fs_read_exactly(w->fs, fd, page,
		    sizeof(page), 0) == 0 && index_header_unpack(slice_of(page,
		    sizeof(page)), &h) && h.most_us < now_us - w->age_max_us;
		fs_close(w->fs, fd);
		if (!old && w->others + w->size <= w->bytes_max)
			return;
		remove_oldest(w);
	}
}

static void
remove_oldest(struct history_writer *w)
{
	char name[SEGMENT_NAME_BYTES];
	struct stat st;
	int index;

	for (index = 0; index < 2; index++) {
		segment_name(name, w->first, index != 0);
		if (w->fs->fstatat(w->dir, name, &st) == 0 &&
		    w->fs->unlinkat(w->dir, name, 0) == 0)
			w->others -= (uint64_t)st.st_size < w->others ?
			    (uint64_t)st.st_size : w->others;
	}
	w->first++;
}

/* ---- events ------------------------------------------------------------- */

static void
add_entries(struct history_writer *w, const struct history_event *e,
    uint64_t offset)
{
	index_entries_add(&w->all, e, w->seed, offset);
	if (e->time_us < w->least_us)
		w->least_us = e->time_us;
	if (e->time_us > w->most_us)
		w->most_us = e->time_us;
}

void
history_writer_add(struct history_writer *w, const struct history_event *e)
{
	uint64_t offset;

	if (w->pending.n >= FLUSH_BYTES)
		history_writer_flush(w, e->time_us);
	offset = (w->fd == -1 ? SEGMENT_HEADER_BYTES : w->size) +
	    w->pending.n;
	if (record_pack(&w->pending, e) == -1) {
		w->lost++;
		return;
	}
	w->npending++;
	add_entries(w, e, offset);
}

void
history_writer_flush(struct history_writer *w, int64_t now_us)
{
	int r = 0;

	if (w->npending > 0 && w->fd == -1)
		r = begin(w, now_us);
	if (r == 0 && w->npending > 0)
		r = fs_pwrite(w->fs, w->fd, buf_slice(&w->pending),
		    (off_t)w->size);
	if (r == -1) {
		w->error = errno;
		w->lost += w->npending;
		w->all.n = w->written;
		if (w->fd != -1)
			w->fs->ftruncate(w->fd, (off_t)w->size);
	} else if (w->npending > 0) {
		w->error = 0;
		w->size += w->pending.n;
		w->written = w->all.n;
	}
	w->npending = 0;
	buf_reset(&w->pending);
	if (w->fd != -1 && is_full(w, now_us))
		history_writer_prune(w, now_us);
}
