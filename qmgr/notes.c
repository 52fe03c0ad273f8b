/* SPDX-License-Identifier: ISC */
/* notes - see notes.h. */
#include <errno.h>
#include <fcntl.h>

#include "base/log.h"
#include "base/num.h"
#include "base/wire.h"
#include "journal.h"
#include "mail/queue_format.h"
#include "notes.h"

static int
replace(int dir, const char *name, struct slice text)
{
	return fs_replace(fs, dir, name, text, true) == 0 ? fs->fsync(dir) :
	    -1;
}

static int
set_format(int dir, struct slice text)
{
	return replace(dir, QUEUE_FORMAT_NAME, text);
}

int
notes_check_format(int dir)
{
	struct buf b = BUF_INIT(QUEUE_FORMAT_BYTES);
	uint64_t found = 0;
	int r = fs_read_file(fs, dir, QUEUE_FORMAT_NAME, &b,
	    QUEUE_FORMAT_BYTES, NULL);

	if (r == -1 && errno == ENOENT)
		r = set_format(dir, SLICE_LIT(QUEUE_FORMAT_TEXT));
	else if (r == 0 && queue_format_parse(buf_slice(&b), &found) &&
	    found == QUEUE_FORMAT_ADOPTED) {
		log_error("event=queue-adopted advice=\"another instance has "
		    "taken over what is in this queue; name an empty "
		    "directory in path.queue\"");
		errno = EPROTONOSUPPORT;
		r = -1;
	} else if (r == 0 && (found == 0 || found > QUEUE_FORMAT)) {
		log_error("event=queue-newer format=%llu known=%d "
		    "advice=\"a later version has written this queue; start "
		    "that one\"", (unsigned long long)found, QUEUE_FORMAT);
		errno = EPROTONOSUPPORT;
		r = -1;
	}
	buf_clear(&b);
	return r;
}

int
notes_begin(int dir)
{
	if (fs->unlinkat(dir, NOTE_EMPTY, 0) == 0)
		return fs->fsync(dir);
	return errno == ENOENT ? 0 : -1;
}

void
notes_end_empty(int dir)
{
	fs_close(fs, fs_open(fs, dir, NOTE_EMPTY, O_WRONLY | O_CREAT, 0644));
}

int
notes_need_format_2(int dir)
{
	struct buf b = BUF_INIT(QUEUE_FORMAT_BYTES);
	uint64_t found = 0;
	int r = fs_read_file(fs, dir, QUEUE_FORMAT_NAME, &b,
	    QUEUE_FORMAT_BYTES, NULL);

	if (r == 0 && (!queue_format_parse(buf_slice(&b), &found) ||
	    found < 2))
		r = set_format(dir, SLICE_LIT(QUEUE_FORMAT_2_TEXT));
	buf_clear(&b);
	return r;
}

int
notes_set_adopted(int dir)
{
	return set_format(dir, SLICE_LIT(QUEUE_FORMAT_ADOPTED_TEXT));
}

bool
notes_are_adopted(int dir)
{
	struct buf b = BUF_INIT(QUEUE_FORMAT_BYTES);
	uint64_t found = 0;
	bool is = fs_read_file(fs, dir, QUEUE_FORMAT_NAME, &b,
	    QUEUE_FORMAT_BYTES, NULL) == 0 &&
	    queue_format_parse(buf_slice(&b), &found) &&
	    found == QUEUE_FORMAT_ADOPTED;

	buf_clear(&b);
	return is;
}

/* ---- files that are replaced --------------------------------------------- */

int
notes_write(int dir, const char *name, const char *magic, struct slice body)
{
	struct buf b = BUF_INIT(body.n + NOTE_MAGIC_BYTES + 4);
	int r, error;

	buf_add(&b, slice_of(magic, NOTE_MAGIC_BYTES));
	put_u32(&b, crc32c(0, body));
	buf_add(&b, body);
	r = replace(dir, name, buf_slice(&b));
	error = errno;
	buf_clear(&b);
	errno = error;
	return r;
}

bool
notes_read(struct slice file, const char *magic, struct slice *body_r)
{
	struct wire w;
	uint32_t crc;

	if (!slice_starts(file, slice_of(magic, NOTE_MAGIC_BYTES)))
		return false;
	w = wire_of(slice_from(file, NOTE_MAGIC_BYTES));
	crc = get_u32(&w);
	*body_r = w.rest;
	return !w.bad && crc == crc32c(0, w.rest);
}
