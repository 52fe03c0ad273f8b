/* SPDX-License-Identifier: ISC */
/* content - see content.h. */
#include <errno.h>
#include <unistd.h>

#include "content.h"
#include "mail/downgrade.h"

#define CHUNK_BYTES	(256 * 1024)
/* Binary content is re-encoded in memory; a larger message stays as it is. */
#define BINARY_BYTES	(256 * 1024 * 1024)

static int	 read_head(struct content *);
static int	 reencode(struct content *);
static int	 append_file(struct buf *, int fd, uint64_t offset, size_t n);
static void	 hold(struct content *);
static int	 write_held(const struct content *, const struct fs *, int,
		    struct slice, struct stored_size *);
static int	 write_streamed(const struct content *, const struct fs *, int,
		    struct slice, struct stored_size *);
static void	 count_verbatim(struct lf_writer *, struct slice);
static int	 write_part(const struct content *, const struct fs *, int,
		    struct lf_writer *, struct slice, struct buf *,
		    uint64_t *);

void
content_init(struct content *c)
{
	*c = (struct content){ .fd = -1, .text = BUF_INIT(CONTENT_HELD_BYTES +
	    CHANNEL_BODY_BYTES), .head = BUF_INIT(CONTENT_HEAD_BYTES +
	    CHANNEL_BODY_BYTES), .binary = BUF_INIT(2 * BINARY_BYTES) };
}

void
content_clear(struct content *c)
{
	buf_clear(&c->text);
	buf_clear(&c->head);
	buf_clear(&c->binary);
}

int
content_set(struct content *c, const struct job *j, int fd)
{
	c->front = j->content;
	c->fd = fd;
	c->offset = fd == -1 ? 0 : j->offset;
	c->size = fd == -1 ? 0 : j->size;
	c->verbatim = false;
	c->held = false;
	if (j->body == BODY_BINARYMIME && reencode(c) == -1)
		return -1;
	if (c->fd == -1 && c->front.n <= CONTENT_HELD_BYTES)
		hold(c);
	return c->fd == -1 ? 0 : read_head(c);
}

static int
read_head(struct content *c)
{
	size_t n = c->size > CONTENT_HEAD_BYTES ? CONTENT_HEAD_BYTES :
	    (size_t)c->size;

	buf_reset(&c->head);
	buf_add(&c->head, c->front);
	return append_file(&c->head, c->fd, c->offset, n);
}

/* RFC 3030 section 3: we cannot promise that who reads the mailbox takes
 * binary. */
static int
reencode(struct content *c)
{
	struct buf whole = BUF_INIT(BINARY_BYTES);
	const char *why;
	int r = -1;

	c->verbatim = true;
	if (c->size > BINARY_BYTES - CHANNEL_BODY_BYTES)
		return 0;
	buf_add(&whole, c->front);
	if (c->fd == -1 ||
	    append_file(&whole, c->fd, c->offset, (size_t)c->size) == 0) {
		r = 0;
		buf_clear(&c->binary);
		switch (downgrade(buf_slice(&whole), BODY_8BITMIME,
		    &c->binary, &why)) {
		case DOWNGRADE_DONE:
			c->front = buf_slice(&c->binary);
			c->fd = -1;
			c->size = 0;
			c->verbatim = false;
			break;
		case DOWNGRADE_NOT_NEEDED:
			c->verbatim = false;
			break;
		case DOWNGRADE_IMPOSSIBLE:
			break;
		}
	}
	buf_clear(&whole);
	return r;
}

static int
append_file(struct buf *b, int fd, uint64_t offset, size_t n)
{
	char *to = buf_reserve(b, n);
	ssize_t r;

	if (to == NULL) {
		errno = EFBIG;
		return -1;
	}
	while (n > 0) {
		r = pread(fd, b->p + b->n, n, (off_t)offset);
		if (r == -1 && errno == EINTR)
			continue;
		if (r == 0)
			errno = EIO;	/* shorter than qmgr says */
		if (r <= 0)
			return -1;
		b->n += (size_t)r;
		offset += (uint64_t)r;
		n -= (size_t)r;
	}
	return 0;
}

struct slice
content_head(const struct content *c)
{
	return c->fd == -1 ? c->front : buf_slice(&c->head);
}

uint64_t
content_bytes(const struct content *c)
{
	return c->held ? c->text.n : c->front.n + c->size;
}

static void
hold(struct content *c)
{
	buf_reset(&c->text);
	c->lf = (struct lf_writer){ 0 };
	if (c->verbatim) {
		count_verbatim(&c->lf, c->front);
		buf_add(&c->text, c->front);
	} else {
		lf_feed(&c->lf, c->front, &c->text);
		lf_end(&c->lf, &c->text);
	}
	c->held = true;
}

int
content_write(const struct content *c, const struct fs *fs, int fd,
    struct slice prefix, struct stored_size *s)
{
	return c->held ? write_held(c, fs, fd, prefix, s) :
	    write_streamed(c, fs, fd, prefix, s);
}

static uint64_t
count_lines(struct slice s)
{
	struct slice line;
	uint64_t n = 0;

	while (slice_next(&s, '\n', &line))
		n++;
	return n - 1;
}

static int
write_held(const struct content *c, const struct fs *fs, int fd,
    struct slice prefix, struct stored_size *s)
{
	struct iovec iov[2] = {
		{ (void *)(uintptr_t)prefix.p, prefix.n },
		{ c->text.p, c->text.n },
	};

	if (fs_write_all(fs, fd, iov, 2) == -1)
		return -1;
	s->bytes = prefix.n + c->text.n;
	s->virtual = s->bytes + count_lines(prefix) + c->lf.lines;
	return 0;
}

static int
write_streamed(const struct content *c, const struct fs *fs, int fd,
    struct slice prefix, struct stored_size *s)
{
	struct buf in = BUF_INIT(CHUNK_BYTES);
	struct buf out = BUF_INIT(CHUNK_BYTES + CHANNEL_BODY_BYTES + 1);
	struct iovec iov = { (void *)(uintptr_t)prefix.p, prefix.n };
	struct lf_writer lf = { 0 };
	uint64_t at = 0, bytes = prefix.n;
	struct slice part, rest = c->front;
	size_t n;
	int r = fs_write_all(fs, fd, &iov, 1);

	while (r == 0 && rest.n > 0) {
		n = rest.n > CHUNK_BYTES ? CHUNK_BYTES : rest.n;
		part = slice_first(rest, n);
		rest = slice_from(rest, n);
		r = write_part(c, fs, fd, &lf, part, &out, &bytes);
	}
	while (r == 0 && c->fd != -1 && at < c->size) {
		n = c->size - at > CHUNK_BYTES ? CHUNK_BYTES :
		    (size_t)(c->size - at);
		buf_reset(&in);
		r = append_file(&in, c->fd, c->offset + at, n);
		if (r == 0)
			r = write_part(c, fs, fd, &lf, buf_slice(&in), &out,
			    &bytes);
		at += n;
	}
	if (r == 0 && lf.cr) {
		buf_reset(&out);
		lf_end(&lf, &out);
		bytes += out.n;
		iov = (struct iovec){ out.p, out.n };
		r = fs_write_all(fs, fd, &iov, 1);
	}
	buf_clear(&in);
	buf_clear(&out);
	*s = (struct stored_size){ bytes,
		bytes + count_lines(prefix) + lf.lines };
	return r;
}

/* Only for the size with CRLF line ends. */
static void
count_verbatim(struct lf_writer *lf, struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++) {
		lf->lines += s.p[i] == '\n' && !lf->last_cr;
		lf->last_cr = s.p[i] == '\r';
	}
}

static int
write_part(const struct content *c, const struct fs *fs, int fd,
    struct lf_writer *lf, struct slice part, struct buf *out, uint64_t *bytes)
{
	struct iovec iov;

	buf_reset(out);
	if (c->verbatim) {
		count_verbatim(lf, part);
		buf_add(out, part);
	} else
		lf_feed(lf, part, out);
	*bytes += out->n;
	iov = (struct iovec){ out->p, out->n };
	return fs_write_all(fs, fd, &iov, 1);
}

/* ---- line ends ---------------------------------------------------------- */

static void
lf_copy(struct lf_writer *lf, const char *p, size_t n, struct buf *out)
{
	if (n == 0)
		return;
	memcpy(out->p + out->n, p, n);
	out->n += n;
	lf->last_cr = p[n - 1] == '\r';
}

void
lf_feed(struct lf_writer *lf, struct slice in, struct buf *out)
{
	const char *nl;
	size_t n;

	if (in.n == 0 || buf_reserve(out, in.n + 1) == NULL)
		return;
	if (lf->cr && in.p[0] != '\n')
		lf_copy(lf, "\r", 1, out);
	lf->cr = false;
	while (in.n > 0) {
		nl = memchr(in.p, '\n', in.n);
		n = nl == NULL ? in.n : (size_t)(nl - in.p);
		if (n > 0 && in.p[n - 1] == '\r') {
			lf_copy(lf, in.p, n - 1, out);
			lf->cr = nl == NULL;
		} else
			lf_copy(lf, in.p, n, out);
		if (nl == NULL)
			return;
		lf->lines += !lf->last_cr;
		out->p[out->n++] = '\n';
		lf->last_cr = false;
		in = slice_from(in, n + 1);
	}
}

void
lf_end(struct lf_writer *lf, struct buf *out)
{
	if (lf->cr && buf_add_byte(out, '\r') == 0)
		lf->last_cr = true;
	lf->cr = false;
}
