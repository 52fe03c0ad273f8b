/* SPDX-License-Identifier: ISC */
/*
 * content - a message's bytes, and its summary.
 *
 * Files are read, never mapped: somebody else may shorten one at any time, and
 * a mapping would then end the session.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cache.h"

#define CONTENT_BYTES	(UINT64_C(1) << 30)	/* of one message */

static int	 open_message(struct mailbox *, uint32_t uid, ssize_t *i_r);

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

static enum store_result
read_message(struct mailbox *mb, uint32_t uid, struct buf *b)
{
	const struct fs *fs = mb->store->fs;
	uint64_t bytes;
	struct stat st;
	ssize_t i;
	int r, fd = open_message(mb, uid, &i);

	if (fd == -1)
		return errno == ENOENT ? STORE_EXPUNGED :
		    store_failed(mb->store);
	r = fs->fstat(fd, &st);
	if (r == 0 && !S_ISREG(st.st_mode)) {
		errno = EINVAL;
		r = -1;
	}
	if (r == 0)
		r = fs_read(fs, fd, b, (size_t)st.st_size, 0);
	fs_close(fs, fd);
	if (r == -1)
		return store_failed(mb->store);
	if (mb->state.slots[i].unknown != 0) {
		bytes = crlf_bytes(buf_slice(b));
		facts_learn(mb, (size_t)i, &st, &bytes);
	}
	return STORE_OK;
}

enum store_result
mailbox_content(struct mailbox *mb, uint32_t uid, struct message_content *c)
{
	struct buf b = BUF_INIT(CONTENT_BYTES);
	enum store_result r = read_message(mb, uid, &b);

	if (r != STORE_OK) {
		buf_clear(&b);
		return r;
	}
	*c = (struct message_content){ .bytes = buf_slice(&b), .map = b.p,
		.map_bytes = b.n };
	return STORE_OK;
}

void
message_content_clear(struct message_content *c)
{
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
