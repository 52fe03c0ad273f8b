/* SPDX-License-Identifier: ISC */
/*
 * drop - messages that sendmail(8) left in drop/ while the suite was stopped
 * (mail/dropfile.h).
 *
 * Anybody can put anything there.  A file is first moved to taken/ID, where
 * only we can reach it by name, with the queue id that it will have: a crash
 * between its commit and its removal then does not make it come twice.  It is
 * read once; its owner, as the kernel has it, is the sender.  What is no drop
 * file goes to corrupt/.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "mail/dropfile.h"
#include "mail/header.h"
#include "qmgr.h"

#define AT_A_TIME	20	/* files in one turn */
#define EVERY_MS	10000
#define CHUNK_BYTES	65536

struct drops {
	struct ev_timer	 timer;
	int		 dir;		/* drop/; owned, or -1 */
	bool		 again;		/* something stayed in taken/ */
};

/* One file as it is read. */
struct drop {
	struct qmgr	*q;
	uint64_t	 id;
	int		 fd;
	struct stat	 st;
	struct drop_header head;
	struct buf	 front;		/* header and envelope */
	struct buf	 content;	/* small */
	struct buf	 prefix;	/* our trace field */
	uint32_t	 crc;		/* of the content alone */
};

static void	 look(void *);
static void	 move(struct qmgr *, const char *name);
static void	 take_in(struct qmgr *, uint64_t id);
static void	 refuse(struct drop *);
static int	 drop_read(struct drop *);
static int	 read_content(struct drop *, uint32_t crc);
static int	 submit(struct drop *);
static void	 durable(struct qmgr *, struct entry *);
static void	 drop_forget(struct qmgr *, uint64_t id);

static struct store_name
taken_name(uint64_t id)
{
	struct store_name n;

	snprintf(n.s, sizeof(n.s), TAKEN_DIR "/%s", queue_id_text(id).s);
	return n;
}

void
drop_init(struct qmgr *q)
{
	struct drops *d = mem_alloc(sizeof(*d));

	q->drops = d;
	ev_timer_init(&d->timer, q->loop, look, q);
	if (fs_make_dir(fs, q->dir, TAKEN_DIR, 0700) == -1)
		log_error("event=no-directory name=%s error=%s", TAKEN_DIR,
		    LOG_Q(slice_str(strerror(errno))));
	d->dir = fs_open(fs, q->dir, DROP_DIR, O_RDONLY | O_DIRECTORY, 0);
	if (d->dir == -1)
		log_warn("event=no-directory name=%s error=%s", DROP_DIR,
		    LOG_Q(slice_str(strerror(errno))));
	ev_timer_set(&d->timer, 0);
}

void
drop_clear(struct qmgr *q)
{
	struct drops *d = q->drops;

	if (d == NULL)
		return;
	ev_timer_clear(&d->timer);
	if (d->dir != -1)
		fs->close(d->dir);
	free(d);
	q->drops = NULL;
}

void
drop_take_in(struct qmgr *q)
{
	ev_timer_set(&q->drops->timer, 0);
}

static void
look(void *arg)
{
	struct qmgr *q = arg;
	struct dirent *e;
	unsigned n = 0;
	DIR *d = q->drops->dir == -1 || q->stopping || q->disk_full ||
	    q->walk != NULL ? NULL : fs_list(fs, q->dir, DROP_DIR,
	    O_NOFOLLOW);

	if (d != NULL && q->drops->again)
		drop_recover(q);
	while (d != NULL && n < AT_A_TIME && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.') {
			move(q, e->d_name);
			n++;
		}
	if (d != NULL)
		closedir(d);
	ev_timer_set(&q->drops->timer, n == AT_A_TIME ? 1 : EVERY_MS);
}

static void
move(struct qmgr *q, const char *name)
{
	uint64_t id = qmgr_new_id(q);

	if (fs->renameat(q->drops->dir, name, q->dir, taken_name(id).s) == -1)
		log_error("event=drop-not-taken name=%s error=%s",
		    LOG_Q(slice_str(name)),
		    LOG_Q(slice_str(strerror(errno))));
	else
		take_in(q, id);
}

/* At the end of the walk: what a crash left in taken/.  Its message may be
 * durable, or have ended; then only the file is to go. */
void
drop_recover(struct qmgr *q)
{
	DIR *d = fs_list(fs, q->dir, TAKEN_DIR, O_NOFOLLOW);
	const struct slot *s;
	struct dirent *e;
	uint64_t id;

	q->drops->again = false;
	while (d != NULL && (e = readdir(d)) != NULL) {
		if (!queue_id_parse(slice_str(e->d_name), &id))
			continue;
		s = queue_find(&q->queue, id);
		if (s == NULL && !walk_has_ended(q, id))
			take_in(q, id);
		else if (s == NULL || s->state != SLOT_COMMITTING)
			fs->unlinkat(q->dir, taken_name(id).s, 0);
	}
	if (d != NULL)
		closedir(d);
}

/* The message of this id has been durable: its drop file is not needed. */
static void
drop_forget(struct qmgr *q, uint64_t id)
{
	fs->unlinkat(q->dir, taken_name(id).s, 0);
}

/* Not waited for: neither a FIFO nor a device gets past the checks. */
static void
take_in(struct qmgr *q, uint64_t id)
{
	struct drop d = { .q = q, .id = id };
	int r = -1;

	buf_init(&d.front, DROP_HEADER_BYTES + DROP_ENVELOPE_BYTES);
	buf_init(&d.content, INLINE_BYTES);
	buf_init(&d.prefix, 4096);
	errno = 0;
	d.fd = fs_open(fs, q->dir, taken_name(id).s, O_RDONLY | O_NONBLOCK, 0);
	if (d.fd != -1 && fs->fstat(d.fd, &d.st) == 0 &&
	    S_ISREG(d.st.st_mode) && d.st.st_nlink == 1)
		r = drop_read(&d);
	if (r == 0)
		r = submit(&d);
	if (r == -1)
		refuse(&d);
	if (d.fd != -1)
		fs->close(d.fd);
	buf_clear(&d.front);
	buf_clear(&d.content);
	buf_clear(&d.prefix);
}

/* What cannot be read now may be readable later; what is no drop file stays
 * none. */
static void
refuse(struct drop *d)
{
	struct qmgr *q = d->q;
	struct store_name to;
	char name[32];
	int error = errno;

	fs->unlinkat(q->dir, store_name("large", d->id).s, 0);
	errno = error;
	if (errno == ENOSPC || errno == EIO || errno == EMFILE ||
	    errno == ENFILE || errno == EDQUOT) {
		log_error("id=%s event=drop-unreadable error=%s",
		    id_text(d->id), LOG_Q(slice_str(strerror(errno))));
		q->drops->again = true;
		return;
	}
	snprintf(name, sizeof(name), "drop-%s", queue_id_text(d->id).s);
	store_put_aside(q->dir, taken_name(d->id).s, name, &to);
	log_error("id=%s event=drop-set-aside file=%s uid=%u error=%s",
	    id_text(d->id), to.s, (unsigned)d->st.st_uid, error == 0 ?
	    "format" : LOG_Q(slice_str(strerror(error))));
}

static int
drop_read(struct drop *d)
{
	char *p;
	size_t n;

	if (d->st.st_size < DROP_HEADER_BYTES)
		return -1;
	p = buf_reserve(&d->front, DROP_HEADER_BYTES);
	if (fs_read_exactly(fs, d->fd, p, DROP_HEADER_BYTES, 0) == -1 ||
	    !drop_header_parse(slice_of(p, DROP_HEADER_BYTES),
	    (uint64_t)d->st.st_size, &d->head))
		return -1;
	d->front.n = DROP_HEADER_BYTES;
	n = d->head.envelope;
	p = buf_reserve(&d->front, n);
	if (p == NULL ||
	    fs_read_exactly(fs, d->fd, p, n, DROP_HEADER_BYTES) == -1)
		return -1;
	d->front.n += n;
	return read_content(d, crc32c(0, buf_slice(&d->front)));
}

/* Small content into memory, large into its own file; then the trailer. */
static int
read_content(struct drop *d, uint32_t crc)
{
	bool large = d->head.content > d->q->conf->queue_inline;
	off_t at = (off_t)d->front.n, out_at = 0;
	uint64_t left = d->head.content;
	char *chunk = mem_realloc(NULL, CHUNK_BYTES), trailer[4];
	struct wire w;
	size_t n;
	int out = -1, r = -1;

	if (large) {
		/* what an earlier, cut short reading has left */
		fs->unlinkat(d->q->dir, store_name("large", d->id).s, 0);
		out = store_large_create(d->q->store, d->id);
		if (out == -1)
			goto out;
	}
	for (; left > 0; left -= n, at += (off_t)n, out_at += (off_t)n) {
		n = left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES;
		if (fs_read_exactly(fs, d->fd, chunk, n, at) == -1)
			goto out;
		crc = crc32c(crc, slice_of(chunk, n));
		d->crc = crc32c(d->crc, slice_of(chunk, n));
		if ((large && fs_pwrite(fs, out, slice_of(chunk, n),
		    out_at) == -1) ||
		    (!large && buf_add(&d->content, slice_of(chunk, n)) == -1))
			goto out;
	}
	if (fs_read_exactly(fs, d->fd, trailer, 4, at) == 0) {
		w = wire_of(slice_of(trailer, 4));
		r = get_u32(&w) == crc ? 0 : -1;
	}
out:
	if (out != -1)
		fs->close(out);
	free(chunk);
	return r;
}

static int
submit(struct drop *d)
{
	struct slice packed = slice_from(buf_slice(&d->front),
	    DROP_HEADER_BYTES);
	struct arena arena = ARENA_INIT(16 * 1024 * 1024);
	struct buf repacked = BUF_INIT(ENVELOPE_BYTES), whole;
	struct message_body body = { 0 };
	struct wire w = wire_of(packed);
	struct envelope e;
	char client[32];
	int r = -1;

	buf_init(&whole, RECORD_BODY_BYTES);
	if (!envelope_unpack(&w, &arena, &e) || !wire_done(&w) ||
	    e.nrecipients == 0)
		goto out;
	snprintf(client, sizeof(client), "uid=%u", (unsigned)d->st.st_uid);
	e.client = slice_str(client);
	e.helo = SLICE_EMPTY;
	e.protocol = SLICE_LIT("local");
	e.arrived_ms = clock_wall_ms();
	buf_printf(&d->prefix, "Received: by %s (Chasqui, from uid %u)\r\n"
	    "\twith local id %s;\r\n\t%s\r\n", d->q->conf->hostname,
	    (unsigned)d->st.st_uid, queue_id_text(d->id).s,
	    date_text(e.arrived_ms).s);
	if (envelope_pack(&repacked, &e) == -1)
		goto out;
	body.envelope = buf_slice(&repacked);
	buf_add(&whole, buf_slice(&d->prefix));
	buf_add(&whole, buf_slice(&d->content));
	body.content = buf_slice(&whole);
	if (d->head.content > d->q->conf->queue_inline) {
		body.flags = ENTRY_LARGE;
		body.large_n = d->head.content;
		body.large_crc = d->crc;
	}
	r = submit_own(d->q, d->id, &body, durable);
out:
	arena_clear(&arena);
	buf_clear(&repacked);
	buf_clear(&whole);
	return r;
}

static void
durable(struct qmgr *q, struct entry *e)
{
	drop_forget(q, e->id);
}
