/* SPDX-License-Identifier: ISC */
/* notes - see notes.h. */
#include <errno.h>
#include <fcntl.h>

#include "base/log.h"
#include "mail/queue_format.h"
#include "notes.h"
#include "qmgr.h"

#define FORMAT_NEW	QUEUE_FORMAT_NAME ".new"

static int
write_format(int dir)
{
	int fd = fs_open(fs, dir, FORMAT_NEW,
	    O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd == -1)
		return -1;
	if (fs_pwrite(fs, fd, SLICE_LIT(QUEUE_FORMAT_TEXT), 0) == -1 ||
	    fs->fchmod(fd, 0644) == -1 || fs->fsync(fd) == -1) {
		fs->close(fd);
		return -1;
	}
	fs->close(fd);
	if (fs->renameat(dir, FORMAT_NEW, dir, QUEUE_FORMAT_NAME) == -1)
		return -1;
	return fs->fsync(dir);
}

int
notes_check_format(int dir)
{
	struct buf b = BUF_INIT(QUEUE_FORMAT_BYTES);
	uint64_t found = 0;
	int r = fs_read_file(fs, dir, QUEUE_FORMAT_NAME, &b,
	    QUEUE_FORMAT_BYTES, NULL);

	if (r == -1 && errno == ENOENT)
		r = write_format(dir);
	else if (r == 0 && (!queue_format_parse(buf_slice(&b), &found) ||
	    found > QUEUE_FORMAT)) {
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
	int fd = fs_open(fs, dir, NOTE_EMPTY, O_WRONLY | O_CREAT, 0644);

	if (fd != -1)
		fs->close(fd);
}
