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
		    struct slice prefix);
static int	 write_part(void *, struct slice);
static void	 count_verbatim(struct lf_writer *, struct slice);

struct output {
	const struct fs	*fs;
	int		 fd;
};

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
    struct slice prefix)
{
	struct iovec iov[2] = {
		{ (void *)(uintptr_t)prefix.p, prefix.n },
		{ c->text.p, c->text.n },
	};

	return fs_writev(fs, fd, iov, 2);
}

static int
write_part(void *arg, struct slice part)
{
	const struct output *o = arg;
	struct iovec iov = { (void *)(uintptr_t)part.p, part.n };

	return fs_writev(o->fs, o->fd, &iov, 1);
}

int
content_write(const struct content *c, const struct fs *fs, int fd,
    struct slice prefix, struct stored_size *s)
{
	struct output o = { fs, fd };
	int r;

	if (c->held) {
		r = write_held(c, fs, fd, prefix);
		*s = (struct stored_size){ c->text.n,
			c->text.n + c->lf.lines };
	} else {
		r = write_part(&o, prefix);
		if (r == 0)
			r = content_parts(c, write_part, &o, s);
	}
	s->bytes += prefix.n;
	s->virtual += prefix.n + count_lines(prefix);
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

struct conversion {
	bool		 verbatim;
	struct lf_writer lf;
	struct buf	 out;
	uint64_t	 bytes;
	int		(*sink)(void *, struct slice);
	void		*arg;
};

static int
convert_part(struct conversion *v, struct slice part)
{
	buf_reset(&v->out);
	if (v->verbatim)
		count_verbatim(&v->lf, part);
	else {
		lf_feed(&v->lf, part, &v->out);
		part = buf_slice(&v->out);
	}
	v->bytes += part.n;
	return v->sink(v->arg, part);
}

static int
convert_front(struct conversion *v, struct slice rest)
{
	size_t n;
	int r = 0;

	for (; r == 0 && rest.n > 0; rest = slice_from(rest, n)) {
		n = rest.n > CHUNK_BYTES ? CHUNK_BYTES : rest.n;
		r = convert_part(v, slice_first(rest, n));
	}
	return r;
}

static int
convert_file(struct conversion *v, const struct content *c)
{
	struct buf in = BUF_INIT(CHUNK_BYTES);
	uint64_t at;
	size_t n;
	int r = 0;

	for (at = 0; r == 0 && c->fd != -1 && at < c->size; at += n) {
		n = c->size - at > CHUNK_BYTES ? CHUNK_BYTES :
		    (size_t)(c->size - at);
		buf_reset(&in);
		r = append_file(&in, c->fd, c->offset + at, n);
		if (r == 0)
			r = convert_part(v, buf_slice(&in));
	}
	buf_clear(&in);
	return r;
}

int
content_parts(const struct content *c,
    int (*sink)(void *arg, struct slice part), void *arg,
    struct stored_size *s)
{
	struct conversion v = { .verbatim = c->verbatim, .sink = sink,
		.arg = arg, .out = BUF_INIT(CHUNK_BYTES + 1) };
	int r;

	if (c->held) {
		*s = (struct stored_size){ c->text.n,
			c->text.n + c->lf.lines };
		return sink(arg, buf_slice(&c->text));
	}
	r = convert_front(&v, c->front);
	if (r == 0)
		r = convert_file(&v, c);
	if (r == 0 && v.lf.cr) {
		buf_reset(&v.out);
		lf_end(&v.lf, &v.out);
		v.bytes += v.out.n;
		r = sink(arg, buf_slice(&v.out));
	}
	buf_clear(&v.out);
	*s = (struct stored_size){ v.bytes, v.bytes + v.lf.lines };
	return r;
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
