/* SPDX-License-Identifier: ISC */
/* content - see content.h. */
#include <errno.h>
#include <unistd.h>

#include "base/num.h"
#include "content.h"

uint64_t
content_size(const struct content *c)
{
	return c->front.n + (c->fd == -1 ? 0 : c->size);
}

int
content_read(struct content *c, uint64_t at, struct slice *piece_r)
{
	static char shared[CONTENT_PIECE];
	uint64_t left = content_size(c) - at;
	size_t want = left < CONTENT_PIECE ? (size_t)left : CONTENT_PIECE;
	ssize_t n;

	if (at < c->front.n) {
		*piece_r = slice_from(c->front, (size_t)at);
		if (piece_r->n > want)
			piece_r->n = want;
		return 0;
	}
	*piece_r = SLICE_EMPTY;
	if (want == 0)
		return 0;
	do {
		n = pread(c->fd, shared, want,
		    (off_t)(c->offset + (at - c->front.n)));
	} while (n == -1 && errno == EINTR);
	if (n == 0)
		errno = EIO;
	if (n <= 0)
		return -1;
	*piece_r = slice_of(shared, (size_t)n);
	c->seen = crc32c(at == c->front.n ? 0 : c->seen, *piece_r);
	if ((uint64_t)n == left && c->crc != 0 && c->seen != c->crc) {
		errno = EBADMSG;
		return -1;
	}
	return 0;
}

int
content_read_all(struct content *c, struct buf *b)
{
	struct slice piece;
	uint64_t at = 0;

	for (;;) {
		if (content_read(c, at, &piece) == -1)
			return -1;
		if (piece.n == 0)
			return 0;
		if (buf_add(b, piece) == -1) {
			errno = ENOMEM;
			return -1;
		}
		at += piece.n;
	}
}
