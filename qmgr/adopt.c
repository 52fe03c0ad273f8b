/* SPDX-License-Identifier: ISC */
/*
 * adopt - `qmgr export`: all that is in the queue of the working directory, as
 * a file of mail/queue_file.h on standard output, for `chasqui queue adopt`.
 *
 * The queue is recovered as at any start, but nothing is begun: the loop never
 * turns.  When all was written and a byte comes on standard input, the
 * directory is marked as adopted.  Until then it is what it was.
 */
#include <sys/file.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "adopt.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "mail/queue_file.h"
#include "notes.h"
#include "qmgr.h"
#include "unread.h"

#define IDENTITY_FILE	"adopting"

static int	 open_queue(struct qmgr *);
static int	 identify(struct qmgr *, char identity[QUEUE_FILE_IDENTITY]);
static int	 write_all(struct qmgr *);
static int	 write_message(struct qmgr *, uint64_t id);
static int	 write_entry(struct qmgr *, const struct entry *,
		    struct slice content);
static int	 write_large(struct qmgr *, const struct entry *);
static int	 put(const struct buf *);
static bool	 has_files(const struct qmgr *, const char *dir);

int
adopt_main(void)
{
	static struct qmgr q;
	char go;
	int status;

	log_open("chasqui", LOG_LEVEL_ERROR);
	status = open_queue(&q);
	if (status != EX_OK)
		return status;
	if (write_all(&q) == -1 || close(STDOUT_FILENO) == -1) {
		warn("the queue cannot be read");
		return EX_IOERR;
	}
	if (read(STDIN_FILENO, &go, 1) != 1)
		return EX_TEMPFAIL;	/* it is not wanted any more */
	if (notes_set_adopted(q.dir) == -1) {
		warn("the file `format`");
		return EX_IOERR;
	}
	return EX_OK;
}

static int
open_queue(struct qmgr *q)
{
	static struct ev_loop loop;
	struct buf why = BUF_INIT(4096);
	struct conf *conf = conf_parse(SLICE_EMPTY, "defaults", &why);

	q->read_only = true;
	ev_loop_init(&loop);
	if (qmgr_open(q, ".") == -1) {
		warn("the queue directory");
		return EX_NOINPUT;
	}
	if (flock(q->dir, LOCK_EX | LOCK_NB) == -1) {
		warnx("a suite is running on this queue: stop it first");
		return EX_TEMPFAIL;
	}
	/* Another directory would become one. */
	if (faccessat(q->dir, "journal", F_OK, 0) == -1) {
		warnx("this is no queue directory");
		return EX_NOINPUT;
	}
	if (has_files(q, "drop") || has_files(q, TAKEN_DIR))
		warnx("sendmail has left messages in drop/ that are not in the "
		    "queue yet; move them to drop/ of this instance");
	if (conf == NULL || (!notes_are_adopted(q->dir) &&
	    notes_check_format(q->dir) == -1) ||
	    qmgr_start(q, &loop, conf, false) == -1) {
		warn("the queue cannot be opened");
		return errno == EPROTONOSUPPORT ? EX_CONFIG : EX_IOERR;
	}
	while (q->walk != NULL)
		disk_lane_drain(q->files);
	return EX_OK;
}

static bool
has_files(const struct qmgr *q, const char *dir)
{
	DIR *d = fs_list(fs, q->dir, dir, O_NOFOLLOW);
	struct dirent *e;
	bool any = false;

	while (d != NULL && (e = readdir(d)) != NULL)
		any |= e->d_name[0] != '.';
	if (d != NULL)
		closedir(d);
	return any;
}

/* The same each time that this directory is adopted, so that what has come once
 * does not come again. */
static int
identify(struct qmgr *q, char identity[QUEUE_FILE_IDENTITY])
{
	struct buf b = BUF_INIT(64);
	int r = fs_read_file(fs, q->dir, IDENTITY_FILE, &b, 64, NULL);

	if (r == 0 && b.n == QUEUE_FILE_IDENTITY) {
		memcpy(identity, b.p, QUEUE_FILE_IDENTITY);
		buf_clear(&b);
		return 0;
	}
	buf_clear(&b);
	arc4random_buf(identity, QUEUE_FILE_IDENTITY);
	return fs_replace(fs, q->dir, IDENTITY_FILE, slice_of(identity,
	    QUEUE_FILE_IDENTITY), true) == 0 ? fs->fsync(q->dir) : -1;
}

static int
write_all(struct qmgr *q)
{
	struct buf b = BUF_INIT(1024);
	char identity[QUEUE_FILE_IDENTITY];
	const struct slot *s;
	uint64_t *ids = mem_array(q->queue.slots.n + 1, sizeof(*ids));
	size_t cursor = 0, n = 0, i;
	int r = identify(q, identity);

	buf_add(&b, SLICE_LIT(QUEUE_FILE_MAGIC));
	queue_frame_put_begin(&b, identity, clock_wall_ms());
	while ((s = idmap_next(&q->queue.slots, &cursor)) != NULL)
		ids[n++] = s->id;
	if (r == 0)
		r = put(&b);
	for (i = 0; i < n && r == 0; i++)
		r = write_message(q, ids[i]);
	buf_reset(&b);
	queue_frame_put_end(&b, n);
	if (r == 0)
		r = put(&b);
	buf_clear(&b);
	free(ids);
	return r;
}

static int
write_message(struct qmgr *q, uint64_t id)
{
	struct slot *s = queue_find(&q->queue, id), like = { .id = id };
	struct load l = { .id = id };
	struct content *content;
	struct entry *e = s->entry;
	int r = -1;

	if (e != NULL) {
		content = entry_content(q, e);
		if (content != NULL)
			r = write_entry(q, e, slice_of(content->bytes,
			    content->n));
		content_release(&q->queue, &content);
		return r;
	}
	like.attempts = s->attempts;
	if (store_read(q->dir, &l) == 0)
		e = stored_entry(&q->queue, &like, buf_slice(&l.bytes), id,
		    false);
	if (e != NULL)
		unread_apply(q, e);
	if (e != NULL)
		r = write_entry(q, e, slice_of(e->content->bytes,
		    e->content->n));
	else
		warnx("message %s is damaged; `chasqui queue check` of its "
		    "suite says how", id_text(id));
	entry_free(&q->queue, &like.entry);
	buf_clear(&l.bytes);
	return r;
}

static int
write_entry(struct qmgr *q, const struct entry *e, struct slice content)
{
	struct buf b = BUF_INIT(SIZE_MAX / 2);
	struct migration m;
	struct slice rest;
	size_t n;
	int r;

	migration_init(&m, e);
	stored_seal(&m.head, content);
	buf_add(&m.head, content);
	queue_frame_put_message(&b, e->id, (uint32_t)m.head.n,
	    e->flags & ENTRY_LARGE ? e->large_n : 0);
	for (rest = buf_slice(&m.head); rest.n > 0;
	    rest = slice_from(rest, n)) {
		n = rest.n < QUEUE_FRAME_BYTES ? rest.n : QUEUE_FRAME_BYTES;
		queue_frame_put(&b, FRAME_BYTES, slice_first(rest, n));
	}
	r = put(&b);
	if (r == 0 && e->flags & ENTRY_LARGE)
		r = write_large(q, e);
	buf_clear(&m.head);
	buf_clear(&b);
	return r;
}

static int
write_large(struct qmgr *q, const struct entry *e)
{
	char *bytes = mem_realloc(NULL, QUEUE_FRAME_BYTES);
	struct buf b = BUF_INIT(QUEUE_FRAME_BYTES + 64);
	int fd = store_large_open(q->store, e->id, e->large_n);
	int r = fd == -1 ? -1 : 0;
	uint64_t at;
	size_t n;

	for (at = 0; r == 0 && at < e->large_n; at += n) {
		n = e->large_n - at < QUEUE_FRAME_BYTES ?
		    (size_t)(e->large_n - at) : QUEUE_FRAME_BYTES;
		r = fs_read_exactly(fs, fd, bytes, n, (off_t)at);
		buf_reset(&b);
		queue_frame_put(&b, FRAME_CONTENT, slice_of(bytes, n));
		if (r == 0)
			r = put(&b);
	}
	if (fd == -1)
		warnx("the content of message %s is missing", id_text(e->id));
	fs_close(fs, fd);
	free(bytes);
	buf_clear(&b);
	return r;
}

static int
put(const struct buf *b)
{
	return fs_write(fs, STDOUT_FILENO, buf_slice(b));
}
