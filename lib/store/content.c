/* SPDX-License-Identifier: ISC */
/*
 * content - a message's bytes, and its summary.
 *
 * Files are read, never mapped: somebody else may shorten one at any time, and
 * a mapping would then end the session.
 */
#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cache.h"

#define CONTENT_BYTES	(UINT64_C(1) << 30)	/* of one message */

static int	 open_message(struct mailbox *, uint32_t uid, ssize_t *i_r);
static bool	 read_whole(struct message_content *);
static size_t	 read_into(struct message_content *, size_t at, size_t n);

/* The file of a message under the name that it had last. */
static int
open_named(struct mailbox *mb, size_t i)
{
	struct buf path = BUF_INIT(PATH_MAX);
	int fd;

	state_path(&mb->state, i, &path);
	fd = mb->store->fs->openat(mb->dir, buf_cstr(&path),
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
	buf_clear(&path);
	return fd;
}

/* -1 with errno; ENOENT: the message is gone. */
static int
open_message(struct mailbox *mb, uint32_t uid, ssize_t *i_r)
{
	int fd, error;

	if (index_whole(mb) != STORE_OK) {
		errno = EIO;
		return -1;
	}
	*i_r = state_find(&mb->state, uid);
	if (*i_r == -1) {
		errno = ENOENT;
		return -1;
	}
	fd = open_named(mb, (size_t)*i_r);
	if (fd != -1 || errno != ENOENT)
		return fd;
	/* Somebody has renamed or removed it. */
	if (index_lock(mb) != STORE_OK) {
		errno = EBUSY;
		return -1;
	}
	fd = -1;
	*i_r = state_find(&mb->state, uid);
	if (*i_r != -1)
		fd = open_named(mb, (size_t)*i_r);
	if (fd == -1 && *i_r != -1 &&
	    scan_mailbox(mb, SCAN_NEW | SCAN_CUR, NULL) == STORE_OK) {
		*i_r = state_find(&mb->state, uid);
		if (*i_r != -1)
			fd = open_named(mb, (size_t)*i_r);
	}
	error = *i_r == -1 ? ENOENT : errno;
	index_unlock(mb);
	errno = error;
	return fd;
}

enum store_result
mailbox_find_file(struct mailbox *mb, uint32_t uid, ssize_t *i_r)
{
	int fd = open_message(mb, uid, i_r);

	if (fd == -1)
		return errno == ENOENT ? STORE_EXPUNGED :
		    store_failed(mb->store);
	fs_close(mb->store->fs, fd);
	return STORE_OK;
}

static uint64_t
crlf_bytes(struct slice s)
{
	const char *p, *end = s.p + s.n;
	uint64_t n = s.n;

	for (p = s.p; p < end && (p = memchr(p, '\n', (size_t)(end - p))) !=
	    NULL; p++)
		n += p == s.p || p[-1] != '\r';
	return n;
}

static int
open_regular(struct mailbox *mb, uint32_t uid, ssize_t *i_r, struct stat *st)
{
	const struct fs *fs = mb->store->fs;
	int fd = open_message(mb, uid, i_r);

	if (fd == -1)
		return -1;
	if (fs->fstat(fd, st) == 0) {
		if (S_ISREG(st->st_mode))
			return fd;
		errno = EINVAL;
	}
	fs_close(fs, fd);
	return -1;
}

static enum store_result
read_small(const struct fs *fs, int fd_take, size_t n,
    struct message_content *c)
{
	struct buf b = BUF_INIT(STORE_HELD_BYTES);
	int r = fs_read(fs, fd_take, &b, n, 0);

	fs_close(fs, fd_take);
	if (r == -1) {
		buf_clear(&b);
		return STORE_FAILED;
	}
	*c = (struct message_content){ .bytes = buf_slice(&b), .map = b.p,
		.map_bytes = b.n };
	return STORE_OK;
}

/* Room for all of it, which is no memory before something is read into it. */
static enum store_result
begin_large(const struct fs *fs, int fd_take, uint64_t n,
    struct message_content *c)
{
	void *map;

	if (n > CONTENT_BYTES) {
		fs_close(fs, fd_take);
		errno = EFBIG;
		return STORE_FAILED;
	}
	map = mmap(NULL, n, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED) {
		fs_close(fs, fd_take);
		return STORE_FAILED;
	}
	*c = (struct message_content){ .bytes = { map, n }, .map = map,
		.map_bytes = n, .fs = fs, .fd = fd_take, .away = true };
	return STORE_OK;
}

static enum store_result
read_message(struct mailbox *mb, uint32_t uid, bool away,
    struct message_content *c)
{
	const struct fs *fs = mb->store->fs;
	enum store_result r;
	uint64_t bytes;
	struct stat st;
	ssize_t i;
	int fd = open_regular(mb, uid, &i, &st);

	if (fd == -1)
		return errno == ENOENT ? STORE_EXPUNGED :
		    store_failed(mb->store);
	if (st.st_size <= STORE_HELD_BYTES)
		r = read_small(fs, fd, (size_t)st.st_size, c);
	else
		r = begin_large(fs, fd, (uint64_t)st.st_size, c);
	if (r != STORE_OK)
		return store_failed(mb->store);
	if (c->away && away)
		return STORE_OK;
	if (c->away && !read_whole(c)) {
		message_content_clear(c);
		return store_failed(mb->store);
	}
	if (mb->state.slots[i].unknown != 0) {
		bytes = crlf_bytes(c->bytes);
		facts_learn(mb, (size_t)i, &st, &bytes);
	}
	return STORE_OK;
}

/* All that is left of a file that somebody has shortened meanwhile. */
static bool
read_whole(struct message_content *c)
{
	size_t n = read_into(c, 0, c->map_bytes);

	if (n == SIZE_MAX)
		return false;
	c->bytes.n = n;
	c->away = false;
	return true;
}

/* How many there are of [at, at + n); SIZE_MAX with errno. */
static size_t
read_into(struct message_content *c, size_t at, size_t n)
{
	size_t got = 0;
	ssize_t r;

	while (got < n) {
		r = c->fs->pread(c->fd, (char *)c->map + at + got, n - got,
		    (off_t)(at + got));
		if (r == -1 && errno == EINTR)
			continue;
		if (r == -1)
			return SIZE_MAX;
		if (r == 0)
			break;
		got += (size_t)r;
	}
	return got;
}

enum store_result
mailbox_content(struct mailbox *mb, uint32_t uid, struct message_content *c)
{
	return read_message(mb, uid, false, c);
}

enum store_result
mailbox_content_away(struct mailbox *mb, uint32_t uid,
    struct message_content *c)
{
	return read_message(mb, uid, true, c);
}

void
message_content_want(struct message_content *c, struct slice part)
{
	if (!c->away || part.n == 0)
		return;
	read_into(c, (size_t)(part.p - c->bytes.p), part.n);
	c->wanted = true;
}

void
message_content_let_go(struct message_content *c)
{
	if (c->fs == NULL || (c->away && !c->wanted) ||
	    madvise(c->map, c->map_bytes, MADV_DONTNEED) == -1)
		return;
	c->away = true;
	c->wanted = false;
}

size_t
message_content_read(const struct message_content *c, size_t at, char *to,
    size_t n)
{
	ssize_t got;

	if (at >= c->bytes.n)
		return 0;
	n = n < c->bytes.n - at ? n : c->bytes.n - at;
	if (!c->away) {
		memcpy(to, c->bytes.p + at, n);
		return n;
	}
	do
		got = c->fs->pread(c->fd, to, n, (off_t)at);
	while (got == -1 && errno == EINTR);
	return got == -1 ? 0 : (size_t)got;
}

void
message_content_clear(struct message_content *c)
{
	if (c->fs != NULL) {
		munmap(c->map, c->map_bytes);
		fs_close(c->fs, c->fd);
	} else
		free(c->map);
	memset(c, 0, sizeof(*c));
}

enum store_result
mailbox_summary(struct mailbox *mb, uint32_t uid, struct slice *summary_r)
{
	struct message_content c;
	enum store_result r = index_whole(mb);
	ssize_t i = state_find(&mb->state, uid);

	*summary_r = SLICE_EMPTY;
	if (r != STORE_OK)
		return r;
	if (i == -1)
		return STORE_EXPUNGED;
	if (cache_find(mb, (size_t)i, summary_r) ||
	    mb->store->options.summarise == NULL)
		return STORE_OK;
	r = mailbox_content(mb, uid, &c);
	if (r != STORE_OK)
		return r;
	buf_reset(&mb->summary);
	i = state_find(&mb->state, uid);
	if (mb->store->options.summarise(c.bytes, &mb->summary) == 0 &&
	    i != -1) {
		cache_add(mb, mb->state.slots[i].facts.guid,
		    buf_slice(&mb->summary));
		*summary_r = buf_slice(&mb->summary);
	}
	message_content_clear(&c);
	return STORE_OK;
}
