/* SPDX-License-Identifier: ISC */
/* clock - see clock.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/wire.h"
#include "notes.h"
#include "qmgr.h"

#define STEP_BYTES	24
#define CLOCK_BYTES	(NOTE_MAGIC_BYTES + 4 + CLOCK_STEPS * STEP_BYTES)

#define BOOT_ID		"/proc/sys/kernel/random/boot_id"
#define BOOT_BYTES	(NOTE_MAGIC_BYTES + 4 + 8 + CLOCK_BOOT_BYTES)

static const char magic[] = "CHASQC1\n";
static const char boot_magic[] = "CHASQB1\n";

/* The steps on their way to the disk. */
struct keeping {
	struct disk_task task;		/* first */
	int		 dir;		/* borrowed */
	struct buf	 body;
	struct buf	 boot;
};

static void	 read_steps(struct qmgr *);
static void	 find_unseen_step(struct qmgr *, int64_t now);
static void	 add_step(struct queue_clock *, int64_t before, int64_t after,
		    uint64_t last_id);
static void	 keep_steps(struct qmgr *);
static void	 keep_work(struct disk_task *);
static void	 keep_done(struct disk_task *);
static void	 move_waiting(struct qmgr *, int64_t ms, int64_t now);

void
clock_start(struct qmgr *q)
{
	int64_t now = clock_wall_ms();

	clock_watch_init(&q->clock.watch);
	read_steps(q);
	find_unseen_step(q, now);
	add_step(&q->clock, now, now, 0);
}

void
clock_recovered(struct qmgr *q)
{
	struct queue_clock *c = &q->clock;

	if (c->unseen)
		c->steps[c->earlier - 1].last_id = q->last_id;
	c->unseen = false;
	if (c->keep)
		keep_steps(q);
}

static void
add_step(struct queue_clock *c, int64_t before, int64_t after,
    uint64_t last_id)
{
	if (c->n < CLOCK_STEPS)
		c->steps[c->n++] = (struct clock_step){ before, after,
			last_id };
}

int64_t
clock_now(struct qmgr *q)
{
	int64_t now, ms = clock_stepped(&q->clock.watch, &now);

	if (ms != 0) {
		log_warn("event=clock-stepped ms=%lld", (long long)ms);
		add_step(&q->clock, now - ms, now, q->last_id);
		keep_steps(q);
		move_waiting(q, ms, now);
	}
	return now;
}

/* None waits for longer than it might when it is put to sleep; but for those
 * that ask for a time to come (RFC 4865), which are woken to ask again. */
static void
move_waiting(struct qmgr *q, int64_t ms, int64_t now)
{
	struct slot *s;
	struct entry *e;
	size_t cursor = 0;

	heap_move(&q->queue.due, ms, now + 2 * q->conf->queue_retry_max);
	while ((s = idmap_next(&q->queue.slots, &cursor)) != NULL) {
		e = s->entry;
		/* Its file names a time of the old clock. */
		if (s->state == SLOT_WAITING || s->state == SLOT_LOADING)
			s->wake = true;
		else if (s->state == SLOT_ACTIVE && e->next_ms > now - ms)
			e->next_ms += ms;
	}
}

/* ---- over restarts ------------------------------------------------------- */

/* Without them, a restart believes what is written in the messages. */
static void
read_steps(struct qmgr *q)
{
	struct buf b = BUF_INIT(CLOCK_BYTES);
	int r = fs_read_file(fs, q->dir, CLOCK_FILE, &b, CLOCK_BYTES, NULL);

	q->clock.n = q->clock.earlier = 0;
	if (r == 0 && !clock_unpack(buf_slice(&b), &q->clock)) {
		errno = EBADMSG;
		r = -1;
	}
	if (r == -1 && errno != ENOENT)
		log_error("event=steps-unknown file=" CLOCK_FILE " error=%s",
		    LOG_Q(slice_str(strerror(errno))));
	buf_clear(&b);
}

void
clock_identify(struct queue_clock *c)
{
	int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);

	if (fd == -1 || read(fd, c->boot, CLOCK_BOOT_BYTES) != CLOCK_BOOT_BYTES)
		memset(c->boot, 0, CLOCK_BOOT_BYTES);
	if (fd != -1)
		close(fd);
}

/* Every message that is here has seen it: their ids are known later. */
static void
find_unseen_step(struct qmgr *q, int64_t now)
{
	struct queue_clock *c = &q->clock;
	struct buf b = BUF_INIT(BOOT_BYTES);
	struct slice body, name = slice_of(c->boot, CLOCK_BOOT_BYTES);
	struct wire w;
	int64_t ms;

	c->unseen = false;
	c->keep = !q->read_only && c->boot[0] != '\0';
	if (!c->keep || fs_read_file(fs, q->dir, CLOCK_BOOT_FILE, &b,
	    BOOT_BYTES, NULL) == -1 ||
	    !notes_read(buf_slice(&b), boot_magic, &body))
		goto out;
	w = wire_of(body);
	ms = c->watch.offset_ms - (int64_t)get_u64(&w);
	if (w.bad || !slice_eq(w.rest, name))
		goto out;
	c->keep = ms >= CLOCK_STEP_MS || ms <= -CLOCK_STEP_MS;
	if (!c->keep)
		goto out;
	log_warn("event=clock-stepped ms=%lld", (long long)ms);
	add_step(c, now - ms, now, UINT64_MAX);
	c->unseen = c->n > c->earlier;
	c->earlier = c->n;
out:
	buf_clear(&b);
}

bool
clock_unpack(struct slice file, struct queue_clock *c)
{
	struct clock_step s;
	struct slice body;
	struct wire w;

	c->n = 0;
	if (!notes_read(file, magic, &body) ||
	    body.n > CLOCK_KEPT * STEP_BYTES)
		return false;
	for (w = wire_of(body); w.rest.n > 0 && !w.bad;) {
		s.last_id = get_u64(&w);
		s.before = get_time(&w);
		s.after = get_time(&w);
		add_step(c, s.before, s.after, s.last_id);
	}
	if (!wire_done(&w))
		c->n = 0;
	c->earlier = c->n;
	return wire_done(&w);
}

static void
keep_steps(struct qmgr *q)
{
	const struct queue_clock *c = &q->clock;
	struct keeping *k = mem_alloc(sizeof(*k));
	const struct clock_step *s = c->steps;

	k->task.work = keep_work;
	k->task.done = keep_done;
	k->dir = q->dir;
	buf_init(&k->body, CLOCK_KEPT * STEP_BYTES);
	if (c->n > CLOCK_KEPT)
		s = &c->steps[c->n - CLOCK_KEPT];
	for (; s < &c->steps[c->n]; s++) {
		if (s->before == s->after)
			continue;	/* a start */
		put_u64(&k->body, s->last_id);
		put_time(&k->body, s->before);
		put_time(&k->body, s->after);
	}
	buf_init(&k->boot, BOOT_BYTES);
	put_u64(&k->boot, (uint64_t)c->watch.offset_ms);
	buf_add(&k->boot, slice_of(c->boot, CLOCK_BOOT_BYTES));
	disk_do(q->files, &k->task);
}

static void
keep_work(struct disk_task *t)
{
	struct keeping *k = (struct keeping *)(void *)t;

	/* In this order: a step that is known twice moves nothing twice. */
	if (k->body.n == 0 || notes_write(k->dir, CLOCK_FILE, magic,
	    buf_slice(&k->body)) == 0)
		(void)!notes_write(k->dir, CLOCK_BOOT_FILE, boot_magic,
		    buf_slice(&k->boot));
}

static void
keep_done(struct disk_task *t)
{
	struct keeping *k = (struct keeping *)(void *)t;

	buf_clear(&k->body);
	buf_clear(&k->boot);
	free(k);
}

uint8_t
clock_known(const struct queue_clock *c, uint64_t id)
{
	uint8_t n = 0;

	while (n < c->earlier && c->steps[n].last_id < id)
		n++;
	return n;
}

int64_t
clock_ago(const struct queue_clock *c, uint8_t known, int64_t at_ms)
{
	const struct clock_step *s = &c->steps[known], *first;
	const struct clock_step *start = &c->steps[c->earlier];
	int64_t latest = INT64_MAX, moved, ms;

	for (; s < start; s++)
		if (s->after > s->before && at_ms <= s->before)
			at_ms += s->after - s->before;
	moved = at_ms;
	for (first = s; s < &c->steps[c->n]; s++) {
		ms = s->after - s->before;
		if (ms > 0 && at_ms <= s->before)
			at_ms += ms;
		/* Who saw one was there at all later ones. */
		if (s != first || ms < 0 || moved <= s->before)
			moved += ms;
		latest = s == first ? s->after : latest + ms;
	}
	if (known > c->earlier && moved > at_ms)
		at_ms = moved;
	return at_ms < latest ? at_ms : latest;
}
