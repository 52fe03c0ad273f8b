/* SPDX-License-Identifier: ISC */
/* lines - see lines.h. */
#include <errno.h>
#include <unistd.h>

#include "table/lines.h"
#include "table/table.h"

#define READ_BYTES	65536

static enum lines_next	 physical(struct lines *, struct slice *, struct buf *);
static bool		 is_blank_char(char);
static bool		 is_ignored(struct slice);

void
lines_open(struct lines *l, int fd)
{
	*l = (struct lines){ .fd = fd, .at = 1,
		.raw = BUF_INIT(TABLE_LINE_BYTES + 2 * READ_BYTES),
		.line = BUF_INIT(TABLE_LINE_BYTES) };
}

void
lines_open_text(struct lines *l, struct slice text)
{
	lines_open(l, -1);
	l->raw.max = text.n;
	buf_add(&l->raw, text);
	l->eof = true;
}

void
lines_close(struct lines *l)
{
	buf_clear(&l->raw);
	buf_clear(&l->line);
}

enum lines_next
lines_next(struct lines *l, struct slice *text_r, unsigned *no_r,
    struct buf *why)
{
	struct slice s;
	enum lines_next r;
	size_t n;

	buf_reset(&l->line);
	*no_r = l->at;
	while ((r = physical(l, &s, why)) == LINES_OK) {
		n = s.n + 1;
		s = slice_first(s, s.n > 0 && s.p[s.n - 1] == '\r' ? s.n - 1 :
		    s.n);
		if (!is_ignored(s)) {
			if (!is_blank_char(s.p[0])) {
				if (l->line.n > 0)
					break;	/* it begins the next one */
				*no_r = l->at;
			} else if (l->line.n == 0) {
				*no_r = l->at;
				buf_add_str(why, "it begins with a blank, but "
				    "there is no line to continue");
				return LINES_BAD;
			}
			if (l->line.n > 0)
				buf_add_byte(&l->line, ' ');
			if (buf_add(&l->line, slice_trim(s)) == -1) {
				buf_printf(why, "longer than %d bytes",
				    TABLE_LINE_BYTES);
				return LINES_BAD;
			}
		}
		l->off += n < l->raw.n - l->off ? n : l->raw.n - l->off;
		l->at++;
	}
	if (r == LINES_BAD) {
		*no_r = l->at;
		return r;
	}
	*text_r = buf_slice(&l->line);
	return l->line.n > 0 ? LINES_OK : LINES_END;
}

/* The next line of the file, not consumed. */
static enum lines_next
physical(struct lines *l, struct slice *s_r, struct buf *why)
{
	struct slice s;
	size_t end;
	ssize_t n;
	char *room;

	for (;;) {
		s = slice_from(buf_slice(&l->raw), l->off);
		end = slice_find(s, '\n');
		if (end < s.n || l->eof || s.n > TABLE_LINE_BYTES)
			break;
		buf_drop(&l->raw, l->off);
		l->off = 0;
		room = buf_reserve(&l->raw, READ_BYTES);
		n = room == NULL ? -1 : read(l->fd, room, READ_BYTES);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			buf_add_str(why, strerror(errno));
			return LINES_BAD;
		}
		l->eof = n == 0;
		l->raw.n += (size_t)n;
	}
	if (s.n == 0)
		return LINES_END;
	if (end > TABLE_LINE_BYTES) {
		buf_printf(why, "longer than %d bytes", TABLE_LINE_BYTES);
		return LINES_BAD;
	}
	*s_r = slice_first(s, end);
	if (slice_find(*s_r, '\0') < s_r->n) {
		buf_add_str(why, "a NUL byte: this is not a text file");
		return LINES_BAD;
	}
	return LINES_OK;
}

static bool
is_blank_char(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_ignored(struct slice s)
{
	s = slice_trim(s);
	return s.n == 0 || s.p[0] == '#';
}
