/* SPDX-License-Identifier: ISC */
/*
 * drop - leaves a submission in QUEUE/drop, for qmgr's next look.
 *
 * Anybody may make files in that directory and nobody but qmgr can list it.
 * A file is whole when it has its final name.  The directory cannot be opened
 * for fsync(); the second fsync of the file takes the rename with it on the
 * file systems that Linux has journals for.
 */
#include <sys/stat.h>

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/num.h"
#include "mail/address.h"
#include "mail/dropfile.h"
#include "os/fs.h"
#include "submission.h"

struct writer {
	int		 fd;
	uint32_t	 crc;
};

static int	pack_front(struct submission *, struct buf *);
static int	write_file(struct submission *, int fd, struct slice front);
static int	put(struct writer *, struct slice);

int
drop(struct submission *s, const char *queue)
{
	struct buf front = BUF_INIT(1 << 20);
	char from[80], *to = from + 1;
	struct buf path = BUF_INIT(8192);
	int dir = -1, fd = -1, status = EX_TEMPFAIL;

	snprintf(from, sizeof(from), ".%lld.%u.%08x",
	    (long long)clock_wall_ms(), (unsigned)getpid(), arc4random());
	if (pack_front(s, &front) == -1) {
		warnx("too many recipients for a message while the mail system "
		    "is stopped");
		goto out;
	}
	buf_printf(&path, "%s/" DROP_DIR, queue);
	dir = open(buf_cstr(&path), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir == -1 || (fd = openat(dir, from, O_WRONLY | O_CREAT | O_EXCL |
	    O_NOFOLLOW | O_CLOEXEC, 0640)) == -1) {
		warn("the mail system is stopped, and the message cannot be "
		    "left for it: %s", buf_cstr(&path));
		goto out;
	}
	if (fchmod(fd, 0640) == -1 ||
	    write_file(s, fd, buf_slice(&front)) == -1 || fsync(fd) == -1 ||
	    renameat(dir, from, dir, to) == -1) {
		warn("%s", buf_cstr(&path));
		unlinkat(dir, from, 0);
		goto out;
	}
	if (fsync(fd) == -1)
		warn("%s/%s", buf_cstr(&path), to);
	status = EX_OK;
out:
	if (fd != -1)
		close(fd);
	if (dir != -1)
		close(dir);
	buf_clear(&front);
	buf_clear(&path);
	return status;
}

/* Envelope, and the fields that smtpd would have put in front. */
static int
pack_front(struct submission *s, struct buf *front)
{
	struct buf trace = BUF_INIT(4096);
	char client[32];
	struct envelope e = {
		.reverse_path = s->sender,
		.envid = s->envid,
		.ret = s->ret,
		.body = slice_is_ascii(buf_slice(&s->text)) ? BODY_7BIT
							    : BODY_8BITMIME,
		.smtputf8 = !slice_is_ascii(s->sender),
		.arrived_ms = clock_wall_ms(),
		.helo = SLICE_EMPTY,
		.protocol = SLICE_LIT("local"),
		.nrecipients = s->nrcpts,
	};
	size_t i;
	int r = -1;

	snprintf(client, sizeof(client), "uid=%u", (unsigned)s->uid);
	e.client = slice_str(client);
	e.recipients = arena_alloc(&s->arena,
	    s->nrcpts * sizeof(*e.recipients));
	if (e.recipients == NULL)
		return -1;
	for (i = 0; i < s->nrcpts; i++) {
		e.recipients[i] = (struct recipient){ s->rcpts[i],
			SLICE_EMPTY, s->notify };
		e.smtputf8 |= !slice_is_ascii(s->rcpts[i]);
	}
	if (submission_add_trace(s, e.arrived_ms, &trace) == 0 &&
	    drop_begin(front, &e, trace.n + s->text.n) == 0)
		r = buf_add(front, buf_slice(&trace));
	buf_clear(&trace);
	return r;
}

static int
write_file(struct submission *s, int fd, struct slice front)
{
	struct writer w = { .fd = fd };
	struct buf trailer = BUF_INIT(DROP_TRAILER_BYTES);
	int r = -1;

	if (put(&w, front) == 0 && put(&w, buf_slice(&s->text)) == 0 &&
	    drop_trailer(&trailer, w.crc) == 0)
		r = put(&w, buf_slice(&trailer));
	buf_clear(&trailer);
	return r;
}

static int
put(struct writer *w, struct slice s)
{
	w->crc = crc32c(w->crc, s);
	return fs_write(&fs_real, w->fd, s);
}
