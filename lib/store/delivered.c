/* SPDX-License-Identifier: ISC */
/*
 * delivered - deliveries tell the index of what they have put into new/.
 *
 * The record has no UID: the next one is the message's, when the record is
 * read.  So whoever delivers reads nothing, and a delivery into a mailbox that
 * nobody has opened yet costs one failed open.  Records of several messages of
 * one mailbox are gathered, and written when another mailbox's turn comes or
 * when the caller says so, who also sees to syncing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "cache.h"

#define GATHER_BYTES	(1024 * 1024)
#define READ_BYTES	(1024 * 1024)	/* larger ones are read when asked for */
#define LOCK_MS		200	/* a delivery does not wait long for a session */

struct deliveries {
	char		 dir[NAME_MAX + 1];	/* below the root */
	uint64_t	 cache_id;	/* 0: there is no cache */
	uint8_t		 cache_guid[16];
	struct buf	 records;	/* not sealed; empty: none */
	struct buf	 summaries;	/* sealed for cache_id */
	struct buf	 summary;
};

static struct deliveries *get(struct store *);
static bool	 begin(struct store *, struct deliveries *, const char *dir);
static int	 gather(struct store *, struct deliveries *,
		    const char *file_name, uint64_t stored, struct slice);
static void	 summarise(struct store *, struct deliveries *,
		    const char *file_name, const uint8_t guid[16],
		    struct slice message);
static enum store_result write_out(struct store *, struct deliveries *);
static int	 lock_log(struct store *, int dir, struct file_header *,
		    off_t *end_r);
static void	 write_summaries(struct store *, struct deliveries *,
		    int dir);

static struct deliveries *
get(struct store *s)
{
	struct deliveries *d = s->deliveries;

	if (d == NULL) {
		d = s->deliveries = mem_alloc(sizeof(*d));
		buf_init(&d->records, 2 * GATHER_BYTES);
		buf_init(&d->summaries, 2 * GATHER_BYTES);
		buf_init(&d->summary, RECORD_BYTES);
	}
	return d;
}

void
deliveries_free(struct deliveries **dp)
{
	struct deliveries *d = *dp;

	*dp = NULL;
	if (d == NULL)
		return;
	buf_clear(&d->records);
	buf_clear(&d->summaries);
	buf_clear(&d->summary);
	free(d);
}

static bool
read_header(struct store *s, int fd, enum file_kind kind,
    struct file_header *h)
{
	struct buf b = BUF_INIT(FILE_HEADER_BYTES);
	bool ok = fs_read(s->fs, fd, &b, FILE_HEADER_BYTES, 0) == 0 &&
	    file_header_unpack(buf_slice(&b), kind, h);

	buf_clear(&b);
	return ok;
}

/* ---- gathering ---------------------------------------------------------- */

enum store_result
store_delivered(struct store *s, struct slice mailbox, const char *file_name,
    uint64_t stored_bytes, struct slice message)
{
	struct deliveries *d = get(s);
	enum store_result r;
	char dir[NAME_MAX + 1];

	r = store_dir_of(s, mailbox, dir);
	if (r != STORE_OK)
		return r;
	if (d->records.n > 0 && (strcmp(dir, d->dir) != 0 ||
	    d->records.n + d->summaries.n > GATHER_BYTES))
		(void)!write_out(s, d);
	if (d->records.n == 0 && !begin(s, d, dir))
		return STORE_OK;
	return gather(s, d, file_name, stored_bytes, message) == -1 ?
	    STORE_LIMIT : STORE_OK;
}

/* False: there is no index, and nothing to be told. */
static bool
begin(struct store *s, struct deliveries *d, const char *dir)
{
	const struct fs *fs = s->fs;
	struct file_header h;
	char path[NAME_MAX + 32];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/" LOG_NAME, dir);
	if (fs->fstatat(s->root, path, &st) == -1)
		return false;
	snprintf(d->dir, sizeof(d->dir), "%s", dir);
	d->cache_id = 0;
	if (s->options.summarise == NULL)
		return true;
	snprintf(path, sizeof(path), "%s/" CACHE_NAME, dir);
	fd = fs->openat(s->root, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
	    O_CLOEXEC, 0);
	if (fd != -1 && read_header(s, fd, FILE_CACHE, &h)) {
		d->cache_id = h.generation;
		memcpy(d->cache_guid, h.guid, sizeof(h.guid));
	}
	fs_close(fs, fd);
	return true;
}

static uint64_t
number_after(const char *name, const char *key)
{
	const char *at = strstr(name, key);
	struct slice s;
	uint64_t v = 0;

	if (at != NULL) {
		s = slice_str(at + strlen(key));
		(void)!parse_u64(&s, &v);
	}
	return v;
}

/* Without the message at hand it is read from new/. */
static void
summarise(struct store *s, struct deliveries *d, const char *file_name,
    const uint8_t guid[16], struct slice message)
{
	struct buf b = BUF_INIT(READ_BYTES);
	char path[2 * NAME_MAX + 8];

	if (message.n == 0) {
		snprintf(path, sizeof(path), "%s/new/%s", d->dir, file_name);
		if (fs_read_file(s->fs, s->root, path, &b, READ_BYTES,
		    NULL) == 0)
			message = buf_slice(&b);
	}
	buf_reset(&d->summary);
	if (message.n > 0 && s->options.summarise(message, &d->summary) == 0)
		cache_pack(&d->summaries, d->cache_id, guid,
		    buf_slice(&d->summary));
	buf_clear(&b);
}

static int
gather(struct store *s, struct deliveries *d, const char *file_name,
    uint64_t stored, struct slice message)
{
	struct message_record m = { .in_new = true, .stored = stored,
		.uid = (uint32_t)s->fs->boot_s(),
		.base = slice_str(file_name), .info = SLICE_EMPTY,
		.uidl = SLICE_EMPTY };
	size_t at, start = d->records.n;

	if (m.base.n > MESSAGE_NAME_BYTES)
		return -1;
	m.facts.size = number_after(file_name, ",W=");
	/* Whoever scans the directory reads it from the file. */
	if (m.facts.size < stored)
		return 0;
	m.facts.internal_ms = m.facts.saved_ms = clock_wall_ms();
	guid_of_name(m.base, m.facts.guid);
	if (record_begin(&d->records, REC_DELIVERED, &at) == -1 ||
	    put_message(&d->records, &m) == -1 ||
	    record_end(&d->records, at) == -1) {
		d->records.n = start;
		return -1;
	}
	if (d->cache_id != 0)
		summarise(s, d, file_name, m.facts.guid, message);
	return 0;
}

/* ---- writing ------------------------------------------------------------ */

enum store_result
store_deliveries_write(struct store *s)
{
	return s->deliveries == NULL ? STORE_OK : write_out(s, s->deliveries);
}

static enum store_result
write_out(struct store *s, struct deliveries *d)
{
	const struct fs *fs = s->fs;
	enum store_result r = STORE_OK;
	struct file_header h;
	size_t at, n;
	off_t end;
	int dir, log;

	if (d->records.n == 0)
		return STORE_OK;
	dir = fs_open_dir(fs, s->root, d->dir);
	log = dir == -1 ? -1 : lock_log(s, dir, &h, &end);
	if (log != -1) {
		/* Each counts for itself. */
		for (at = 0; at < d->records.n; at += n)
			n = record_seal(&d->records, at, h.generation, 0);
		if (fs_pwrite(fs, log, buf_slice(&d->records), end) ==
		    -1) {
			r = store_failed(s);
			(void)!fs->ftruncate(log, end);
		}
		fs_close(fs, log);
		write_summaries(s, d, dir);
	}
	fs_close(fs, dir);
	buf_reset(&d->records);
	buf_reset(&d->summaries);
	return r;
}

static int
lock_log(struct store *s, int dir, struct file_header *h, off_t *end_r)
{
	const struct fs *fs = s->fs;
	struct stat st;
	int fd, tries;

	for (tries = 0; tries < 3; tries++) {
		fd = fs->openat(dir, LOG_NAME, O_RDWR | O_NOFOLLOW |
		    O_NONBLOCK | O_CLOEXEC, 0);
		if (fd == -1)
			return -1;
		if (store_log_lock(fd, LOCK_MS) != STORE_OK ||
		    fs->fstat(fd, &st) == -1) {
			fs_close(fs, fd);
			return -1;
		}
		if (st.st_nlink > 0 && read_header(s, fd, FILE_LOG, h)) {
			*end_r = st.st_size;
			return fd;
		}
		fs_close(fs, fd);
	}
	return -1;
}

static void
write_summaries(struct store *s, struct deliveries *d, int dir)
{
	const struct fs *fs = s->fs;
	struct file_header h;
	int fd;

	if (d->summaries.n == 0)
		return;
	fd = fs->openat(dir, CACHE_NAME, O_RDWR | O_APPEND | O_NOFOLLOW |
	    O_NONBLOCK | O_CLOEXEC, 0);
	if (fd != -1 && read_header(s, fd, FILE_CACHE, &h) &&
	    h.generation == d->cache_id)
		(void)!fs->write(fd, d->summaries.p, d->summaries.n);
	fs_close(fs, fd);
}
