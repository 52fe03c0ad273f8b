/* SPDX-License-Identifier: ISC */
/*
 * journal - see journal.h.
 *
 * A segment's life:
 *
 *	MAKING -> FREE -> ACTIVE -> FULL -> CLEANING -> FREE
 *	  make()  activate()  retire()  clean_oldest()  journal_cleaned()
 *
 * Always: at most one segment is ACTIVE and at most one commit under way, in
 * it; `ring` holds the FULL and CLEANING ones by generation, and only its
 * first is ever CLEANING.
 */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/wire.h"
#include "ipc/counters.h"
#include "journal.h"
#include "roll.h"
#include "segment.h"

#define JOURNAL_DIR	"journal"
#define BATCH_BYTES	(2 * 1024 * 1024)
#define SPARE_SEGMENTS	2		/* over the configured number */
#define RETRY_MS	1000

const struct fs *fs = &fs_real;

/* One record in a batch. */
struct gathered {
	uint32_t	 at;		/* in the bytes */
	uint32_t	 n;		/* with header and padding */
	uint32_t	 body;		/* bytes of the body */
	unsigned	 flags;
	struct journal_wait *wait;	/* NULL: none */
	struct young	*young;		/* NULL: none, or released meanwhile */
};

/* What one commit writes. */
struct batch {
	TAILQ_ENTRY(batch) link;
	struct disk_task  task;
	struct journal	 *j;
	struct buf	  bytes;
	struct gathered	 *recs;		/* owned */
	size_t		  nrecs;
	size_t		  cap;
	bool		  soon;
	/* Since it is sealed: */
	struct segment	 *segment;
	uint64_t	  at;
	char		  header[SEGMENT_FIXED_BYTES];
	bool		  with_header;
	int64_t		  took_us;
	int		  error;
};
TAILQ_HEAD(batch_list, batch);

/* The roll on its way to the disk. */
struct noting {
	struct disk_task  task;
	struct journal	 *j;
	struct roll	  roll;
	uint64_t	  version;
	int		  error;
};

struct making {
	struct disk_task  task;
	struct journal	 *j;
	struct segment	 *segment;
	int		  error;
};

/* A segment on its way off the disk. */
struct removal {
	struct disk_task  task;
	struct journal	 *j;
	struct segment	 *segment;
	struct roll	  roll;		/* without it */
	uint64_t	  version;
	int		  error;
};

struct journal {
	struct journal_config	 conf;
	const struct journal_ops *ops;
	void			*arg;
	int			 dir;		/* journal/; owned */
	struct segment_list	 ring;
	struct segment_list	 free;
	struct segment		*active;	/* NULL: none yet */
	unsigned		 nsegments;
	unsigned		 nfree;
	bool			 making;
	unsigned		 removing;	/* of nsegments */
	uint64_t		 generation;	/* the highest */
	uint64_t		 ids;
	struct batch_list	 gathering;	/* oldest first */
	struct batch_list	 spare;		/* empty, with memory */
	size_t			 gathered;	/* bytes */
	struct batch		*committing;
	bool			 was_full;
	bool			 failed;	/* the last commit */
	bool			 started;
	int64_t			 failing_until;	/* monotonic; 0: all is well */
	struct ev_task		 task;
	struct ev_timer		 lazy;
	struct ev_timer		 retry;
	struct journal_stats	 stats;
	struct making		 maker;
	struct roll		 missed;	/* who is not there */
	struct noting		 noter;
	bool			 noting;
	bool			 roll_is_old;
	uint64_t		 roll_version;	/* the last that was made */
	pthread_mutex_t		 roll_lock;	/* of the next one, and the
						 * file */
	uint64_t		 roll_written;	/* the version on disk */
};

static void	 drop_waits(struct batch *);
static int	 open_segments(struct journal *);
static struct segment *segment_new(struct journal *, unsigned index);
static void	 segment_drop(struct journal *, struct segment *);
static void	 remove_segment(struct journal *, struct segment *);
static void	 remove_work(struct disk_task *);
static void	 remove_done(struct disk_task *);
static int	 open_segment(struct journal *, struct segment *);
static void	 insert(struct journal *, struct segment *);
static void	 call_roll(struct journal *);
static void	 note_segments(struct journal *);
static void	 note_work(struct disk_task *);
static void	 note_done(struct disk_task *);
static int	 write_roll(struct journal *, const struct segment *without);
static struct roll make_roll(const struct journal *,
		    const struct segment *without);
static int	 write_version(struct journal *, const struct roll *,
		    uint64_t version);
static bool	 any_taken_away(const struct journal *);
static struct batch *batch_for(struct journal *, size_t);
static void	 try_commit(void *);
static void	 lazy_is_over(void *);
static bool	 have_room(struct journal *, size_t);
static void	 activate(struct journal *, struct segment *);
static void	 retire(struct journal *);
static void	 prepare(struct journal *);
static void	 make(struct journal *);
static void	 make_work(struct disk_task *);
static void	 make_done(struct disk_task *);
static void	 clean_oldest(struct journal *);
static void	 seal(struct journal *, struct batch *);
static void	 commit_work(struct disk_task *);
static void	 commit_done(struct disk_task *);
static void	 relax(struct journal *);
static void	 tell(struct batch *, bool durable);
static void	 commit_failed(struct journal *, struct batch *);
static void	 add_again(struct journal *, const struct batch *);
static void	 no_segment(struct journal *);
static void	 fail_gathered(struct journal *);
static void	 try_again(void *);

/* ---- opening ------------------------------------------------------------ */

struct journal *
journal_open(const struct journal_config *conf, const struct journal_ops *ops,
    void *arg)
{
	struct journal *j = mem_alloc(sizeof(*j));

	j->conf = *conf;
	j->ops = ops;
	j->arg = arg;
	j->dir = -1;
	TAILQ_INIT(&j->ring);
	TAILQ_INIT(&j->free);
	TAILQ_INIT(&j->gathering);
	TAILQ_INIT(&j->spare);
	j->maker.j = j;
	ev_task_init(&j->task, try_commit, j);
	ev_timer_init(&j->lazy, conf->loop, lazy_is_over, j);
	ev_timer_init(&j->retry, conf->loop, try_again, j);
	pthread_mutex_init(&j->roll_lock, NULL);
	j->noter.j = j;
	j->noter.task.work = note_work;
	j->noter.task.done = note_done;
	if (open_segments(j) == -1) {
		journal_close(&j);
		return NULL;
	}
	return j;
}

void
journal_close(struct journal **jp)
{
	struct journal *j = *jp;
	struct segment *s;
	struct batch *b;

	*jp = NULL;
	if (j == NULL)
		return;
	assert(j->committing == NULL && !j->making && !j->noting);
	roll_clear(&j->missed);
	pthread_mutex_destroy(&j->roll_lock);
	while ((s = TAILQ_FIRST(&j->ring)) != NULL) {
		TAILQ_REMOVE(&j->ring, s, link);
		segment_drop(j, s);
	}
	while ((s = TAILQ_FIRST(&j->free)) != NULL) {
		TAILQ_REMOVE(&j->free, s, link);
		segment_drop(j, s);
	}
	if (j->active != NULL)
		segment_drop(j, j->active);
	TAILQ_FOREACH(b, &j->gathering, link)
		drop_waits(b);
	TAILQ_CONCAT(&j->spare, &j->gathering, link);
	while ((b = TAILQ_FIRST(&j->spare)) != NULL) {
		TAILQ_REMOVE(&j->spare, b, link);
		buf_clear(&b->bytes);
		free(b->recs);
		free(b);
	}
	ev_task_cancel(j->conf.loop, &j->task);
	ev_timer_clear(&j->lazy);
	ev_timer_clear(&j->retry);
	if (j->dir != -1)
		fs->close(j->dir);
	free(j);
}

static void
drop_waits(struct batch *b)
{
	struct journal_wait *w;
	size_t i;

	for (i = 0; i < b->nrecs; i++) {
		w = b->recs[i].wait;
		if (w != NULL && w->drop != NULL)
			w->drop(w);
	}
}

static int
open_segments(struct journal *j)
{
	struct dirent *e;
	struct segment *s;
	struct slice name;
	uint64_t index;
	int error;
	DIR *d;

	if (!j->conf.look &&
	    fs_make_dir(fs, j->conf.dir, JOURNAL_DIR, 0700) == -1)
		return -1;
	j->dir = fs_open(fs, j->conf.dir, JOURNAL_DIR, O_RDONLY | O_DIRECTORY,
	    0);
	if (j->dir == -1 && j->conf.look && errno == ENOENT) {
		call_roll(j);	/* it was never used, or is gone */
		return 0;
	}
	if (j->dir == -1)
		return -1;
	d = fs_list(fs, j->conf.dir, JOURNAL_DIR, O_NOFOLLOW);
	if (d == NULL)
		return -1;
	while ((e = readdir(d)) != NULL) {
		name = slice_str(e->d_name);
		if (slice_ends_nocase(name, SLICE_LIT(".new")) &&
		    !j->conf.look)
			fs->unlinkat(j->dir, e->d_name, 0);
		if (name.n != 4 || !slice_to_u64(name, 0, 9999, &index))
			continue;
		s = segment_new(j, (unsigned)index);
		if (open_segment(j, s) == 0)
			continue;
		error = errno;
		if (j->conf.look) {
			s->error = error;
			insert(j, s);
			continue;
		}
		log_error("event=segment-not-opened name=%s error=%s",
		    s->name, LOG_Q(slice_str(strerror(error))));
		segment_drop(j, s);
		closedir(d);
		errno = error;
		return -1;
	}
	closedir(d);
	call_roll(j);
	return 0;
}

static struct segment *
segment_new(struct journal *j, unsigned index)
{
	struct segment *s = mem_alloc(sizeof(*s));

	s->fd = -1;
	s->index = index;
	s->state = SEG_MAKING;
	snprintf(s->name, sizeof(s->name), "%04u", index % 10000);
	snprintf(s->new_name, sizeof(s->new_name), "%04u.new", index % 10000);
	TAILQ_INIT(&s->young);
	j->nsegments++;
	return s;
}

static void
segment_drop(struct journal *j, struct segment *s)
{
	if (s->fd != -1)
		fs->close(s->fd);
	j->nsegments--;
	free(s);
}

/* Durably, or its old records could come back one day.  What says of messages
 * in it that they have ended is used again only behind this on the lane. */
static void
remove_segment(struct journal *j, struct segment *s)
{
	struct removal *r = mem_alloc(sizeof(*r));

	r->j = j;
	r->segment = s;
	r->roll = make_roll(j, s);
	r->version = ++j->roll_version;
	r->task.work = remove_work;
	r->task.done = remove_done;
	j->removing++;
	disk_do(j->conf.files, &r->task);
}

static void
remove_work(struct disk_task *t)
{
	struct removal *r = (struct removal *)((char *)t -
	    offsetof(struct removal, task));
	struct journal *j = r->j;
	const struct segment *s = r->segment;

	write_version(j, &r->roll, r->version);
	if (!s->taken_away && (fs->unlinkat(j->dir, s->name, 0) == -1 ||
	    fs->fsync(j->dir) == -1))
		r->error = errno;
}

static void
remove_done(struct disk_task *t)
{
	struct removal *r = (struct removal *)((char *)t -
	    offsetof(struct removal, task));
	struct journal *j = r->j;

	if (r->error != 0)
		log_error("event=segment-not-removed name=%s error=%s",
		    r->segment->name, LOG_Q(slice_str(strerror(r->error))));
	segment_drop(j, r->segment);
	roll_clear(&r->roll);
	free(r);
	j->removing--;
	prepare(j);
}

/* Puts it into the ring by generation; its header decides what can be read
 * from it. */
static int
open_segment(struct journal *j, struct segment *s)
{
	enum header what;
	struct stat st;
	uint64_t ids = 0;

	s->fd = fs_open(fs, j->dir, s->name, j->conf.look && !j->conf.mend ?
	    O_RDONLY : O_RDWR, 0);
	if (s->fd == -1 || fs->fstat(s->fd, &st) == -1)
		return -1;
	if (!S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : ENODEV;
		return -1;
	}
	s->size = (uint64_t)st.st_size;
	s->state = SEG_FULL;
	s->headed = true;
	what = segment_read_headers(s, &ids);
	if (what == HEADER_NEWER) {
		errno = EPROTONOSUPPORT;
		return -1;
	}
	if (what == HEADER_OK) {
		s->used = SEGMENT_HEADER_BYTES;
		if (s->size > s->should)
			s->size = s->should;
	}
	if (s->size < SEGMENT_MIN_BYTES || s->size < s->should)
		s->bad = true;	/* it was cut short */
	if (s->generation > j->generation)
		j->generation = s->generation;
	if (ids > j->ids)
		j->ids = ids;
	insert(j, s);
	return 0;
}

static void
insert(struct journal *j, struct segment *s)
{
	struct segment *at;

	TAILQ_FOREACH(at, &j->ring, link)
		if (at->generation > s->generation)
			break;
	if (at != NULL)
		TAILQ_INSERT_BEFORE(at, s, link);
	else
		TAILQ_INSERT_TAIL(&j->ring, s, link);
}

/* ---- replay ------------------------------------------------------------- */

/* A damage function, and what it is told. */
struct teller {
	void	(*fn)(void *, const struct journal_damage *);
	void	*arg;
};

static void
tell_damage(const struct teller *t, enum damage_kind kind, struct segment *s,
    uint64_t from, uint64_t to)
{
	struct journal_damage d = { .kind = kind, .segment = s,
		.name = s->name, .generation = s->generation, .fd = s->fd,
		.from = from, .to = to, .error = s->error };

	t->fn(t->arg, &d);
}

static void
tell_tail(const struct teller *t, struct scan *c, struct segment *s,
    uint64_t from)
{
	uint64_t to = from, end;

	while ((end = scan_begun_at(c, to)) != 0)
		to = end;
	if (to > from)
		tell_damage(t, DAMAGE_TAIL, s, from, to);
}

static void
replay_segment(struct scan *c, struct segment *s,
    void (*record)(void *, const struct record *), const struct teller *t)
{
	struct record r;
	uint64_t at, next;
	size_t whole;

	for (at = SEGMENT_HEADER_BYTES;; at += whole) {
		if (!scan_record_at(c, at, &r, &whole)) {
			next = scan_next_record(c, at + 8);
			if (next == 0)
				break;	/* the tail */
			tell_damage(t, DAMAGE_RECORDS, s, at, next);
			at = next;
			if (!scan_record_at(c, at, &r, &whole))
				break;	/* not readable any more */
		}
		r.segment = s;
		record(t->arg, &r);
	}
	s->used = at;
	tell_tail(t, c, s, at);
}

static void
tell_missed(struct journal *j, const struct teller *t)
{
	struct journal_damage d = { .kind = DAMAGE_MISSING, .fd = -1 };
	char name[16];
	size_t i;

	/* Being told may strike it. */
	for (i = j->missed.n; i-- > 0;) {
		snprintf(name, sizeof(name), "%04u",
		    j->missed.rows[i].index % 10000);
		d.name = name;
		d.generation = j->missed.rows[i].generation;
		t->fn(t->arg, &d);
	}
}

void
journal_replay(struct journal *j,
    void (*record)(void *, const struct record *),
    void (*damage)(void *, const struct journal_damage *), void *arg)
{
	struct scan c = { .bytes = mem_realloc(NULL, SCAN_BYTES) };
	struct teller t = { damage, arg };
	struct segment *s;

	TAILQ_FOREACH(s, &j->ring, link) {
		c.s = s;
		c.n = 0;
		if (s->error != 0) {
			tell_damage(&t, DAMAGE_UNOPENED, s, 0, 0);
			continue;
		}
		if (s->used == 0) {
			if (s->size < SEGMENT_MIN_BYTES)
				tell_damage(&t, DAMAGE_EMPTIED, s, 0, s->size);
			else if (s->listed || scan_looks_used(&c))
				tell_damage(&t, DAMAGE_SEGMENT, s, 0, s->size);
			continue;
		}
		if (s->size < s->should)
			tell_damage(&t, DAMAGE_SHORT, s, s->size, s->should);
		else if (s->half_headed)
			tell_damage(&t, DAMAGE_HEADER, s, 0,
			    SEGMENT_FIXED_BYTES);
		replay_segment(&c, s, record, &t);
	}
	tell_missed(j, &t);
	free(c.bytes);
}

/* ---- mending ------------------------------------------------------------ */

int
journal_mend(struct journal *j, const struct journal_damage *d)
{
	int r = -1;

	switch (d->kind) {
	case DAMAGE_MISSING:
		return journal_strike(j, d);
	case DAMAGE_RECORDS:
	case DAMAGE_TAIL:
		r = segment_void(d->segment, d->from, d->to);
		break;
	case DAMAGE_HEADER:
	case DAMAGE_SHORT:
		r = segment_write_headers(d->segment, j->ids);
		break;
	case DAMAGE_SEGMENT:
	case DAMAGE_EMPTIED:
	case DAMAGE_UNOPENED:
		errno = ENOTSUP;
		break;
	}
	return r == -1 ? -1 : fs->fdatasync(d->fd);
}

void
journal_keep(struct journal *j, struct young *y, const struct record *r)
{
	journal_release(j, y);
	y->segment = r->segment;
	y->at = r->at;
	y->n = (uint32_t)r->body.n;
	TAILQ_INSERT_TAIL(&r->segment->young, y, link);
}

/* What replay has read may concern files, of which we know no more: every
 * segment is cleaned with a sync before it is used again. */
void
journal_start(struct journal *j)
{
	struct segment *s;

	TAILQ_FOREACH(s, &j->ring, link)
		s->files = true;
	j->started = true;
	prepare(j);
}

/* ---- adding ------------------------------------------------------------- */

static struct batch *
batch_for(struct journal *j, size_t n)
{
	struct batch *b = TAILQ_LAST(&j->gathering, batch_list);
	size_t most = j->conf.segment_bytes / 8;

	if (most > BATCH_BYTES)
		most = BATCH_BYTES;
	if (b != NULL && (b->bytes.n == 0 || b->bytes.n + n <= most))
		return b;
	b = TAILQ_FIRST(&j->spare);
	if (b != NULL)
		TAILQ_REMOVE(&j->spare, b, link);
	else {
		b = mem_alloc(sizeof(*b));
		b->j = j;
		buf_init(&b->bytes, SIZE_MAX / 2);
	}
	b->soon = false;
	TAILQ_INSERT_TAIL(&j->gathering, b, link);
	return b;
}

static struct gathered *
batch_rec(struct batch *b)
{
	b->recs = mem_room(b->recs, b->nrecs, &b->cap, sizeof(*b->recs), 64);
	return &b->recs[b->nrecs++];
}

static void
want_commit(struct journal *j, struct batch *b, unsigned flags)
{
	if (flags & JOURNAL_SOON) {
		b->soon = true;
		ev_task_ask(j->conf.loop, &j->task);
	} else if (!ev_timer_is_set(&j->lazy))
		ev_timer_set(&j->lazy, JOURNAL_LAZY_MS);
	if (j->gathered > JOURNAL_GATHER_BYTES)
		j->was_full = true;
}

void
journal_add(struct journal *j, uint16_t type, uint64_t id,
    const struct slice *parts, size_t nparts, unsigned flags,
    struct journal_wait *wait, struct young *young)
{
	struct batch *b;
	struct gathered *g;
	size_t n = 0, whole, i;

	for (i = 0; i < nparts; i++)
		n += parts[i].n;
	assert(n <= RECORD_BODY_BYTES);
	whole = segment_record_bytes(n);
	b = batch_for(j, whole);
	g = batch_rec(b);
	*g = (struct gathered){ .at = (uint32_t)b->bytes.n,
		.n = (uint32_t)whole, .body = (uint32_t)n, .flags = flags,
		.wait = wait, .young = young };
	segment_put(&b->bytes, type, id, parts, nparts);
	j->gathered += whole;
	if (young != NULL)
		young->segment = NULL;
	want_commit(j, b, flags);
}

void
journal_release(struct journal *j, struct young *y)
{
	struct segment *s = y->segment;

	(void)j;
	if (s == NULL)
		return;
	TAILQ_REMOVE(&s->young, y, link);
	y->segment = NULL;
	if (s->state == SEG_CLEANING && TAILQ_EMPTY(&s->young))
		j->ops->clean(j->arg, s);
}

void
journal_moved(struct journal *j, struct young *y)
{
	if (y->segment != NULL)
		y->segment->files = true;
	journal_release(j, y);
}

void
journal_set_ids(struct journal *j, uint64_t ids)
{
	j->ids = ids;
}

uint64_t
journal_ids(const struct journal *j)
{
	return j->ids;
}

bool
journal_is_full(const struct journal *j)
{
	return j->gathered > JOURNAL_GATHER_BYTES;
}

bool
journal_is_failing(const struct journal *j)
{
	return j->failing_until > clock_mono_ms();
}

bool
journal_is_idle(const struct journal *j)
{
	return j->gathered == 0 && j->committing == NULL && !j->making &&
	    !j->noting && j->removing == 0;
}

void
journal_flush(struct journal *j)
{
	struct batch *b = TAILQ_LAST(&j->gathering, batch_list);

	if (b != NULL)
		want_commit(j, b, JOURNAL_SOON);
}

static void
lazy_is_over(void *arg)
{
	journal_flush(arg);
}

/* ---- committing --------------------------------------------------------- */

static void
try_commit(void *arg)
{
	struct journal *j = arg;
	struct batch *b = TAILQ_FIRST(&j->gathering);

	if (!j->started || j->committing != NULL || b == NULL ||
	    journal_is_failing(j))
		return;
	if (!b->soon && TAILQ_NEXT(b, link) == NULL)
		return;		/* lazy ones only: the timer runs */
	if (!have_room(j, b->bytes.n))
		return;		/* goes on when there is a segment */
	TAILQ_REMOVE(&j->gathering, b, link);
	seal(j, b);
	disk_do(j->conf.commits, &b->task);
}

/* There is an active segment with room, or becomes one at once. */
static bool
have_room(struct journal *j, size_t n)
{
	struct segment *s = j->active;

	if (s != NULL && !s->taken_away &&
	    s->used + n <= s->size - SEGMENT_HEADER_BYTES)
		return true;
	if (s != NULL)
		retire(j);
	s = TAILQ_FIRST(&j->free);
	if (s != NULL)
		activate(j, s);
	prepare(j);
	return s != NULL;
}

static void
activate(struct journal *j, struct segment *s)
{
	assert(s->state == SEG_FREE && TAILQ_EMPTY(&s->young));
	TAILQ_REMOVE(&j->free, s, link);
	j->nfree--;
	s->state = SEG_ACTIVE;
	s->generation = ++j->generation;
	s->salt = arc4random();
	s->used = SEGMENT_HEADER_BYTES;
	s->headed = false;
	s->files = false;
	j->active = s;
}

static void
retire(struct journal *j)
{
	struct segment *s = j->active;

	s->state = SEG_FULL;
	TAILQ_INSERT_TAIL(&j->ring, s, link);
	j->active = NULL;
}

static bool
any_taken_away(const struct journal *j)
{
	const struct segment *s;

	TAILQ_FOREACH(s, &j->ring, link)
		if (s->taken_away)
			return true;
	return false;
}

/* Sees to it that there is a free segment before it is needed. */
static void
prepare(struct journal *j)
{
	const struct segment *oldest = TAILQ_FIRST(&j->ring);
	unsigned most = j->conf.segments;

	if (!j->started)
		return;
	/* What is young in it lasts only as long as we do. */
	if (any_taken_away(j))
		clean_oldest(j);
	if (j->nfree > 0 || j->making)
		return;
	/* Not before it will soon be wanted: to make one is much for the
	 * disk, and what is in the oldest may be gone until then. */
	if (j->active != NULL && j->active->used < j->active->size / 2)
		return;
	/* Without any active one (after a restart, or where cleaning takes
	 * its time) one more is better than to wait; an empty one is soon
	 * cleaned. */
	if (j->active == NULL)
		most += SPARE_SEGMENTS;
	if (j->nsegments < most &&
	    (oldest == NULL || !TAILQ_EMPTY(&oldest->young)))
		make(j);
	else
		clean_oldest(j);
}

static void
seal(struct journal *j, struct batch *b)
{
	struct segment *s = j->active;

	b->segment = s;
	b->at = s->used;
	b->error = 0;
	b->with_header = !s->headed;
	if (b->with_header)
		segment_pack_header(s, j->ids, b->header);
	b->task.work = commit_work;
	b->task.done = commit_done;
	s->used += b->bytes.n;
	j->committing = b;
	prepare(j);
}

/* On the lane: nothing but the batch is touched. */
static void
commit_work(struct disk_task *t)
{
	struct batch *b = (struct batch *)((char *)t -
	    offsetof(struct batch, task));
	struct segment *s = b->segment;
	struct slice head = slice_of(b->header, sizeof(b->header));
	int64_t began_us = clock_mono_us();
	struct stat st;
	size_t i;

	for (i = 0; i < b->nrecs; i++)
		segment_seal(s, b->at + b->recs[i].at, b->bytes.p +
		    b->recs[i].at, b->recs[i].body);
	/* First the old header goes: under it, records of messages that ended
	 * long ago would count again where a power cut spares them and takes
	 * those that say that they ended. */
	if ((b->with_header && (fs_pwrite(fs, s->fd, head, 0) == -1 ||
	    fs_pwrite(fs, s->fd, head,
	    (off_t)(s->size - SEGMENT_HEADER_BYTES)) == -1 ||
	    fs->fdatasync(s->fd) == -1)) ||
	    fs_pwrite(fs, s->fd, buf_slice(&b->bytes), (off_t)b->at) == -1 ||
	    fs->fdatasync(s->fd) == -1 || fs->fstat(s->fd, &st) == -1)
		b->error = errno == 0 ? EIO : errno;
	else if (st.st_nlink == 0)
		b->error = ENOENT;	/* what has no name is not durable */
	b->took_us = clock_mono_us() - began_us;
}

static void
commit_done(struct disk_task *t)
{
	struct batch *b = (struct batch *)((char *)t -
	    offsetof(struct batch, task));
	struct journal *j = b->j;
	struct segment *s = b->segment;

	j->committing = NULL;
	j->gathered -= b->bytes.n;
	if (b->error != 0)
		commit_failed(j, b);
	else {
		if (!s->headed)
			j->roll_is_old = true;
		s->headed = true;
		j->failed = false;
		j->failing_until = 0;
		count(QUEUE_COMMITS);
		count_time(QUEUE_SYNC, b->took_us);
		count_add(QUEUE_RECORDS, b->nrecs);
		j->stats.bytes += b->bytes.n;
		tell(b, true);
	}
	b->nrecs = 0;
	if (b->bytes.cap > BATCH_BYTES)
		buf_clear(&b->bytes);
	else
		buf_reset(&b->bytes);
	TAILQ_INSERT_TAIL(&j->spare, b, link);
	if (!TAILQ_EMPTY(&j->gathering))
		ev_task_ask(j->conf.loop, &j->task);
	if (j->roll_is_old)
		note_segments(j);
	relax(j);
}

static void
relax(struct journal *j)
{
	if (!j->was_full || j->gathered >= JOURNAL_GATHER_BYTES / 2)
		return;
	j->was_full = false;
	j->ops->relaxed(j->arg);
}

static void
tell(struct batch *b, bool durable)
{
	struct gathered *g;
	size_t i;

	for (i = 0; i < b->nrecs; i++) {
		g = &b->recs[i];
		if (durable && g->flags & JOURNAL_FILES)
			b->segment->files = true;
		if (durable && g->young != NULL) {
			g->young->segment = b->segment;
			g->young->at = b->at + g->at + RECORD_HEADER_BYTES;
			g->young->n = g->body;
			TAILQ_INSERT_TAIL(&b->segment->young, g->young, link);
		}
		if (g->wait != NULL && (durable ||
		    !(g->flags & JOURNAL_STUBBORN)))
			g->wait->fn(g->wait, durable);
	}
}

/* fsync tells an error once and then believes what it could not write, so
 * this segment is not written to again.  One that has no header yet may still
 * have that of before, and with it messages whose end stands in segments that
 * are used again earlier than this one's turn would come: it goes at once. */
static void
commit_failed(struct journal *j, struct batch *b)
{
	struct segment *s = b->segment;

	errno = b->error;
	log_error("event=commit-failed segment=%s records=%zu error=%s",
	    s->name, b->nrecs, LOG_Q(slice_str(strerror(b->error))));
	j->stats.failures++;
	if (b->error == ENOENT)
		s->taken_away = true;
	if (s->headed) {
		s->bad = true;
		s->files = true;
		retire(j);
	} else {
		j->active = NULL;
		remove_segment(j, s);
	}
	if (j->failed) {
		j->failing_until = clock_mono_ms() + RETRY_MS;
		ev_timer_set(&j->retry, RETRY_MS);
	}
	j->failed = true;
	add_again(j, b);
	tell(b, false);
	prepare(j);
}

/* What nobody waits for is true in any case and only has to be written. */
static void
add_again(struct journal *j, const struct batch *b)
{
	const struct gathered *g;
	struct slice body;
	struct wire w;
	uint64_t id;
	size_t i;

	for (i = 0; i < b->nrecs; i++) {
		g = &b->recs[i];
		if (g->wait != NULL && !(g->flags & JOURNAL_STUBBORN))
			continue;
		w = wire_of(slice_of(b->bytes.p + g->at + 16, 10));
		id = get_u64(&w);
		body = slice_of(b->bytes.p + g->at + RECORD_HEADER_BYTES,
		    g->body);
		journal_add(j, get_u16(&w), id, &body, 1, g->flags, g->wait,
		    g->young);
	}
}

/* None could be made or cleaned.  Who waits for one is told so. */
static void
no_segment(struct journal *j)
{
	ev_timer_set(&j->retry, RETRY_MS);
	if (j->active != NULL || j->nfree > 0 || j->committing != NULL)
		return;
	j->failing_until = clock_mono_ms() + RETRY_MS;
	fail_gathered(j);
}

static void
fail_gathered(struct journal *j)
{
	struct batch_list old = TAILQ_HEAD_INITIALIZER(old);
	struct batch *b;

	TAILQ_CONCAT(&old, &j->gathering, link);
	while ((b = TAILQ_FIRST(&old)) != NULL) {
		TAILQ_REMOVE(&old, b, link);
		j->gathered -= b->bytes.n;
		add_again(j, b);
		tell(b, false);
		buf_clear(&b->bytes);
		b->nrecs = 0;
		TAILQ_INSERT_TAIL(&j->spare, b, link);
	}
	relax(j);
}

static void
try_again(void *arg)
{
	struct journal *j = arg;

	j->failing_until = 0;
	prepare(j);
	ev_task_ask(j->conf.loop, &j->task);
}

/* ---- segments come and go ----------------------------------------------- */

static bool
index_is_used(const struct journal *j, unsigned index)
{
	const struct segment *s;
	size_t i;

	TAILQ_FOREACH(s, &j->ring, link)
		if (s->index == index)
			return true;
	TAILQ_FOREACH(s, &j->free, link)
		if (s->index == index)
			return true;
	/* The file that is missed may come back. */
	for (i = 0; i < j->missed.n; i++)
		if (j->missed.rows[i].index == index)
			return true;
	return j->active != NULL && j->active->index == index;
}

static void
make(struct journal *j)
{
	unsigned index = 0;

	while (index_is_used(j, index))
		index++;
	j->making = true;
	j->maker.segment = segment_new(j, index);
	j->maker.segment->size = j->conf.segment_bytes;
	j->maker.error = 0;
	j->maker.task.work = make_work;
	j->maker.task.done = make_done;
	disk_do(j->conf.files, &j->maker.task);
}

static void
make_work(struct disk_task *t)
{
	struct making *m = (struct making *)((char *)t -
	    offsetof(struct making, task));
	struct segment *s = m->segment;

	s->fd = fs_open(fs, m->j->dir, s->new_name, O_RDWR | O_CREAT | O_TRUNC,
	    0600);
	if (s->fd != -1 && segment_fill(s) == 0 && fs->renameat(m->j->dir,
	    s->new_name, m->j->dir, s->name) == 0 &&
	    fs->fsync(m->j->dir) == 0)
		return;
	m->error = errno == 0 ? EIO : errno;
	if (s->fd != -1) {
		fs->unlinkat(m->j->dir, s->new_name, 0);
		fs->unlinkat(m->j->dir, s->name, 0);
	}
}

static void
make_done(struct disk_task *t)
{
	struct making *m = (struct making *)((char *)t -
	    offsetof(struct making, task));
	struct journal *j = m->j;

	j->making = false;
	if (m->error == 0) {
		m->segment->state = SEG_FREE;
		TAILQ_INSERT_TAIL(&j->free, m->segment, link);
		j->nfree++;
		ev_task_ask(j->conf.loop, &j->task);
		return;
	}
	log_error("event=no-segment name=%s error=%s", m->segment->name,
	    LOG_Q(slice_str(strerror(m->error))));
	segment_drop(j, m->segment);
	j->stats.failures++;
	no_segment(j);
}

static void
clean_oldest(struct journal *j)
{
	struct segment *s = TAILQ_FIRST(&j->ring);

	if (s == NULL || s->state == SEG_CLEANING)
		return;
	s->state = SEG_CLEANING;
	j->ops->clean(j->arg, s);
}

void
journal_cleaned(struct journal *j, struct segment *s)
{
	assert(s->state == SEG_CLEANING && TAILQ_EMPTY(&s->young));
	TAILQ_REMOVE(&j->ring, s, link);
	if (s->bad || s->taken_away || s->size != j->conf.segment_bytes ||
	    j->nsegments > j->conf.segments) {
		remove_segment(j, s);
	} else {
		s->state = SEG_FREE;
		TAILQ_INSERT_TAIL(&j->free, s, link);
		j->nfree++;
	}
	prepare(j);
	ev_task_ask(j->conf.loop, &j->task);
}

void
journal_clean_failed(struct journal *j, struct segment *s)
{
	assert(s->state == SEG_CLEANING);
	s->state = SEG_FULL;
	no_segment(j);
}

/* ---- the roll ----------------------------------------------------------- */

/* Who is in the roll and not here.  An index that is here with a later
 * generation has been used again since the roll was written. */
static void
call_roll(struct journal *j)
{
	const struct roll_row *row;
	struct roll roll;
	struct segment *s;
	size_t i;

	if (roll_read(j->conf.dir, &roll) == -1 && !j->conf.look)
		log_error("event=segments-unknown file=" ROLL_FILE " error=%s",
		    LOG_Q(slice_str(strerror(errno))));
	for (i = 0; i < roll.n; i++) {
		row = &roll.rows[i];
		TAILQ_FOREACH(s, &j->ring, link)
			if (s->index == row->index)
				break;
		if (s != NULL && s->generation == 0)
			s->listed = true;
		else if (s == NULL || (row->missed ?
		    s->generation != row->generation :
		    s->generation < row->generation))
			roll_add(&j->missed, row->index, row->generation, true);
	}
	roll_clear(&roll);
}

static struct roll
make_roll(const struct journal *j, const struct segment *without)
{
	const struct segment *s;
	struct roll r = { 0 };
	size_t i;

	TAILQ_FOREACH(s, &j->ring, link)
		if (s != without && s->generation > 0 && !s->taken_away)
			roll_add(&r, s->index, s->generation, false);
	s = j->active;
	if (s != NULL && s != without && s->headed && !s->taken_away)
		roll_add(&r, s->index, s->generation, false);
	for (i = 0; i < j->missed.n; i++)
		roll_add(&r, j->missed.rows[i].index,
		    j->missed.rows[i].generation, true);
	return r;
}

/* Never an older one over a later one, whichever thread is first. */
static int
write_version(struct journal *j, const struct roll *roll, uint64_t version)
{
	int r = 0;

	pthread_mutex_lock(&j->roll_lock);
	if (version > j->roll_written) {
		r = roll_write(j->conf.dir, roll);
		if (r == 0)
			j->roll_written = version;
	}
	pthread_mutex_unlock(&j->roll_lock);
	return r;
}

static int
write_roll(struct journal *j, const struct segment *without)
{
	struct roll roll = make_roll(j, without);
	int r = write_version(j, &roll, ++j->roll_version);

	roll_clear(&roll);
	return r;
}

/* Beside all else: a segment that is not noted yet is not missed, no more. */
static void
note_segments(struct journal *j)
{
	if (j->noting)
		return;
	j->noting = true;
	j->roll_is_old = false;
	j->noter.roll = make_roll(j, NULL);
	j->noter.version = ++j->roll_version;
	disk_do(j->conf.files, &j->noter.task);
}

static void
note_work(struct disk_task *t)
{
	struct noting *n = (struct noting *)((char *)t -
	    offsetof(struct noting, task));

	n->error = write_version(n->j, &n->roll, n->version) == 0 ? 0 : errno;
}

static void
note_done(struct disk_task *t)
{
	struct noting *n = (struct noting *)((char *)t -
	    offsetof(struct noting, task));

	n->j->noting = false;
	roll_clear(&n->roll);
	if (n->error != 0)
		n->j->roll_is_old = true;	/* with the next commit */
}

/* One that is not there, or is put aside. */
int
journal_strike(struct journal *j, const struct journal_damage *d)
{
	size_t i;

	for (i = 0; i < j->missed.n; i++)
		if (j->missed.rows[i].generation == d->generation)
			break;
	if (i < j->missed.n)
		j->missed.rows[i] = j->missed.rows[--j->missed.n];
	return write_roll(j, d->segment);
}

/* Whether somebody has taken its name away, or another file has it. */
static bool
look_for(struct journal *j, struct segment *s)
{
	struct stat ours, named;

	if (s->taken_away || fs->fstat(s->fd, &ours) == -1)
		return s->taken_away;
	if (fs->fstatat(j->dir, s->name, &named) == 0 ?
	    named.st_ino == ours.st_ino : errno != ENOENT)
		return false;
	s->taken_away = true;
	log_error("event=segment-taken-away segment=%s", s->name);
	return true;
}

void
journal_look(struct journal *j)
{
	struct segment *s, *next;
	bool lost = false;

	TAILQ_FOREACH_SAFE(s, &j->free, link, next)
		if (look_for(j, s)) {
			TAILQ_REMOVE(&j->free, s, link);
			j->nfree--;
			remove_segment(j, s);
			lost = true;
		}
	TAILQ_FOREACH(s, &j->ring, link)
		lost |= look_for(j, s);
	if (j->active != NULL)
		lost |= look_for(j, j->active);
	if (!lost)
		return;
	if (j->active != NULL && j->active->taken_away &&
	    j->committing == NULL)
		retire(j);
	prepare(j);
}

/* ---- questions ---------------------------------------------------------- */

struct segment *
journal_after(const struct journal *j, uint64_t generation)
{
	struct segment *s;

	TAILQ_FOREACH(s, &j->ring, link)
		if (s->generation > generation && !TAILQ_EMPTY(&s->young))
			return s;
	s = j->active;
	return s != NULL && s->generation > generation &&
	    !TAILQ_EMPTY(&s->young) ? s : NULL;
}

void
journal_stats(const struct journal *j, struct journal_stats *st)
{
	*st = j->stats;
	st->segments = j->nsegments;
	st->free = j->nfree;
}
