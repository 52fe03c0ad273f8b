/* SPDX-License-Identifier: ISC */
/*
 * limits - how much each login has sent, and may send (submission.limits,
 * submission.recipient_limits).
 *
 * It is here because every message comes by here, from whichever smtpd, and
 * because here is a disk.  Each limit counts in windows of its time: what was
 * counted in the one before weighs as much as is left of it.
 *
 * The counts are written to the file `limits` a few seconds after they have
 * changed, and when the suite stops.  After a crash, messages in the journal
 * that came later than the file are counted again.  So a crash may forget what
 * was sent in the last seconds and has left the journal already; no mail hangs
 * on it.
 *
 *	u32 LIMITS_MAGIC   u32 CRC-32C of what follows
 *	u64 when it was written, ms   u32 logins, each: slice login   u8 counts,
 *	each: u8 kind   u64 ms of the window   u64 its number   u32 now
 *	u32 before
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "qmgr.h"

#define LIMITS_MAGIC	UINT32_C(0x314c5143)	/* "CQL1" */
#define LIMITS_FRESH	"limits.new"
#define LOGINS		50000	/* then nothing is counted for new ones */
#define COUNT_MOST	2000000000	/* more than a limit can be */
#define SAVE_MS		2000
#define SAVE_PER_MS	10	/* logins; many are written less often */

enum kind { MESSAGES, RECIPIENTS, KINDS };

/* In window `number` of `ms`, and in the one before it. */
struct count {
	int64_t		 ms;		/* 0: unused */
	uint64_t	 number;
	uint32_t	 now, before;
};

struct login {
	uint64_t	 id;		/* first: idmap; hash of the name */
	struct slice	 name;		/* owned */
	struct count	 counts[KINDS][CONF_LIMITS];
};

struct limits {
	struct qmgr	*q;
	struct idmap	 logins;
	struct conf_limit of[KINDS][CONF_LIMITS];
	size_t		 n[KINDS];
	int64_t		 saved_ms;	/* since 1970: what the file has */
	int64_t		 next_save;	/* monotonic */
	bool		 dirty;
	bool		 full_told;
	/* A write that is under way. */
	struct disk_task task;
	struct buf	 bytes;
	bool		 saving;
	int		 error;
};

static void	 configure(struct limits *);
static void	 take_list(struct limits *, enum kind,
		    const struct conf_list *);
static struct login *find(struct limits *, struct slice);
static struct login *get(struct limits *, struct slice);
static void	 login_free(struct limits *, struct login *);
static struct count *count_of(struct login *, enum kind, int64_t ms);
static void	 turn(struct count *, int64_t now_ms);
static uint64_t	 used(const struct count *, int64_t now_ms);
static int64_t	 wait_for(const struct count *, uint64_t n, int64_t now_ms);
static bool	 is_stale(const struct login *, int64_t now_ms);
static void	 load(struct limits *);
static bool	 unpack_login(struct limits *, struct wire *);
static void	 save(struct limits *);
static void	 pack(struct limits *, struct buf *);
static void	 save_work(struct disk_task *);
static void	 save_done(struct disk_task *);

#define OF_TASK(t)							\
	((struct limits *)(void *)((char *)(t) - offsetof(struct limits, task)))

void
limits_init(struct qmgr *q)
{
	struct limits *l = mem_alloc(sizeof(*l));

	l->q = q;
	buf_init(&l->bytes, LIMITS_BYTES);
	q->limits = l;
	configure(l);
	load(l);
}

void
limits_clear(struct qmgr *q)
{
	struct limits *l = q->limits;
	struct login *u;
	size_t cursor = 0;

	if (l == NULL)
		return;
	while ((u = idmap_next(&l->logins, &cursor)) != NULL) {
		free((char *)(uintptr_t)u->name.p);
		free(u);
	}
	idmap_clear(&l->logins);
	buf_clear(&l->bytes);
	free(l);
	q->limits = NULL;
}

void
limits_reload(struct qmgr *q)
{
	configure(q->limits);
}

static void
configure(struct limits *l)
{
	take_list(l, MESSAGES, &l->q->conf->submission_limits);
	take_list(l, RECIPIENTS, &l->q->conf->submission_recipient_limits);
}

static void
take_list(struct limits *l, enum kind kind, const struct conf_list *words)
{
	size_t i;

	l->n[kind] = 0;
	for (i = 0; i < words->n && l->n[kind] < CONF_LIMITS; i++)
		if (conf_limit_parse(slice_str(words->v[i]),
		    &l->of[kind][l->n[kind]]))
			l->n[kind]++;
}

/* ---- counting ----------------------------------------------------------- */

/* Two logins with one hash would count together: nobody can bring that about,
 * as the key is secret. */
static struct login *
find(struct limits *l, struct slice name)
{
	return idmap_find(&l->logins, siphash(l->q->hash_key, name));
}

static struct login *
get(struct limits *l, struct slice name)
{
	struct login *u = find(l, name);

	if (u != NULL)
		return u;
	if (l->logins.n >= LOGINS) {
		if (!l->full_told)
			log_warn("event=limits-full logins=%d", LOGINS);
		l->full_told = true;
		return NULL;
	}
	u = mem_alloc(sizeof(*u));
	u->id = siphash(l->q->hash_key, name);
	u->name = slice_of(mem_slicedup(name), name.n);
	idmap_add(&l->logins, u);
	return u;
}

static void
login_free(struct limits *l, struct login *u)
{
	idmap_remove(&l->logins, u->id);
	free((char *)(uintptr_t)u->name.p);
	free(u);
}

/* The count of a window; one that no limit wants any more makes room. */
static struct count *
count_of(struct login *u, enum kind kind, int64_t ms)
{
	struct count *c = u->counts[kind], *oldest = c;
	size_t i;

	for (i = 0; i < CONF_LIMITS; i++) {
		if (c[i].ms == ms)
			return &c[i];
		if (c[i].ms == 0 || (oldest->ms != 0 &&
		    c[i].number * (uint64_t)c[i].ms <
		    oldest->number * (uint64_t)oldest->ms))
			oldest = &c[i];
	}
	*oldest = (struct count){ .ms = ms };
	return oldest;
}

static void
turn(struct count *c, int64_t now_ms)
{
	uint64_t number = (uint64_t)(now_ms / c->ms);

	/* A clock that is set back by a little gives nothing back. */
	if (number <= c->number && number + 1 >= c->number)
		return;
	c->before = number == c->number + 1 ? c->now : 0;
	c->now = 0;
	c->number = number;
}

static uint64_t
used(const struct count *c, int64_t now_ms)
{
	uint64_t ms = (uint64_t)c->ms, left = ms - (uint64_t)now_ms % ms;

	return c->now + (uint64_t)c->before * left / ms;
}

/* How long until used() is below n. */
static int64_t
wait_for(const struct count *c, uint64_t n, int64_t now_ms)
{
	uint64_t ms = (uint64_t)c->ms, t = (uint64_t)now_ms % ms, at;

	if (used(c, now_ms) < n)
		return 0;
	if (c->now < n) {
		/* When enough of the window before has gone. */
		at = ms - (n - c->now) * ms / c->before + 1;
		return at > t ? (int64_t)(at - t) : 1;
	}
	/* In the next window, where this is the one before. */
	return (int64_t)(ms - t + (ms - n * ms / c->now) + 1);
}

void
limits_ask(struct qmgr *q, struct slice login, int64_t *wait_ms_r,
    uint32_t *recipients_r)
{
	struct limits *l = q->limits;
	struct login *u = find(l, login);
	int64_t now = clock_wall_ms(), wait;
	uint64_t n, have;
	struct count *c;
	size_t i, kind;

	*wait_ms_r = 0;
	*recipients_r = UINT32_MAX;
	for (kind = 0; kind < KINDS; kind++)
		for (i = 0; i < l->n[kind]; i++) {
			n = l->of[kind][i].n;
			have = 0;
			if (u != NULL) {
				c = count_of(u, (enum kind)kind,
				    l->of[kind][i].ms);
				turn(c, now);
				have = used(c, now);
				wait = wait_for(c, n, now);
				if (wait > *wait_ms_r)
					*wait_ms_r = wait;
			}
			if (kind == RECIPIENTS && *recipients_r >
			    (n > have ? n - have : 0))
				*recipients_r =
				    (uint32_t)(n > have ? n - have : 0);
		}
}

void
limits_count(struct qmgr *q, struct slice login, uint32_t recipients,
    int64_t at_ms)
{
	struct limits *l = q->limits;
	struct login *u;
	struct count *c;
	size_t i, kind;

	if (l->n[MESSAGES] + l->n[RECIPIENTS] == 0 ||
	    (u = get(l, login)) == NULL)
		return;
	for (kind = 0; kind < KINDS; kind++)
		for (i = 0; i < l->n[kind]; i++) {
			c = count_of(u, (enum kind)kind, l->of[kind][i].ms);
			turn(c, at_ms);
			c->now += kind == MESSAGES ? 1 : recipients;
			if (c->now > COUNT_MOST)
				c->now = COUNT_MOST;
		}
	l->dirty = true;
}

int64_t
limits_saved(const struct qmgr *q)
{
	return q->limits->saved_ms;
}

/* ---- the file ----------------------------------------------------------- */

static void
load(struct limits *l)
{
	struct buf b = BUF_INIT(LIMITS_BYTES);

	if (fs_read_file(fs, l->q->dir, LIMITS_FILE, &b, SIZE_MAX,
	    NULL) == -1) {
		if (errno != ENOENT)
			log_error("event=limits-unreadable error=%s",
			    LOG_Q(slice_str(strerror(errno))));
	} else if (!limits_unpack(l->q, buf_slice(&b)))
		log_error("event=limits-damaged");
	buf_clear(&b);
}

bool
limits_are_whole(struct slice s)
{
	struct wire w = wire_of(s);
	uint32_t magic = get_u32(&w), crc = get_u32(&w);

	return !w.bad && magic == LIMITS_MAGIC && crc == crc32c(0, w.rest);
}

bool
limits_unpack(struct qmgr *q, struct slice s)
{
	struct limits *l = q->limits;
	struct wire w;
	int64_t saved;
	uint32_t n;

	if (!limits_are_whole(s))
		return false;
	w = wire_of(slice_from(s, 8));
	saved = get_time(&w);
	for (n = get_u32(&w); n > 0 && unpack_login(l, &w); n--)
		;
	l->saved_ms = saved;
	return n == 0 && wire_done(&w);
}

static bool
unpack_login(struct limits *l, struct wire *w)
{
	struct slice name = get_text(w, LOGIN_NAME_BYTES);
	uint8_t n = get_u8(w), kind;
	struct login *u;
	struct count c;

	if (w->bad || name.n == 0 || (u = get(l, name)) == NULL)
		return false;
	for (; n > 0 && !w->bad; n--) {
		kind = get_enum(w, KINDS - 1);
		c.ms = get_time(w);
		c.number = get_u64(w);
		c.now = get_u32(w);
		c.before = get_u32(w);
		if (!w->bad && c.ms > 0)
			*count_of(u, (enum kind)kind, c.ms) = c;
	}
	return !w->bad;
}

static bool
is_stale(const struct login *u, int64_t now_ms)
{
	const struct count *c;
	size_t i, kind;

	for (kind = 0; kind < KINDS; kind++)
		for (i = 0; i < CONF_LIMITS; i++) {
			c = &u->counts[kind][i];
			if (c->ms != 0 && c->number + 2 >
			    (uint64_t)(now_ms / c->ms))
				return false;
		}
	return true;
}

void
limits_tick(struct qmgr *q)
{
	struct limits *l = q->limits;
	int64_t now = clock_mono_ms();

	if (l->dirty && !l->saving && (q->stopping || now >= l->next_save)) {
		l->next_save = now + SAVE_MS +
		    (int64_t)l->logins.n / SAVE_PER_MS;
		save(l);
	}
}

static void
save(struct limits *l)
{
	l->dirty = false;
	l->saving = true;
	buf_reset(&l->bytes);
	pack(l, &l->bytes);
	l->task.work = save_work;
	l->task.done = save_done;
	disk_do(l->q->files, &l->task);
}

static void
pack(struct limits *l, struct buf *b)
{
	int64_t now = clock_wall_ms();
	struct login *u;
	size_t cursor = 0, i, kind, at, n_at;
	uint32_t n = 0, le;
	uint8_t counts;
	struct buf head = BUF_INIT(8);

	put_u32(b, LIMITS_MAGIC);
	put_u32(b, 0);
	put_time(b, now);
	n_at = b->n;
	put_u32(b, 0);
	while ((u = idmap_next(&l->logins, &cursor)) != NULL) {
		if (is_stale(u, now))
			continue;
		n++;
		put_slice(b, u->name);
		at = b->n;
		put_u8(b, 0);
		for (counts = 0, kind = 0; kind < KINDS; kind++)
			for (i = 0; i < CONF_LIMITS; i++) {
				const struct count *c = &u->counts[kind][i];

				if (c->ms == 0)
					continue;
				counts++;
				put_u8(b, (uint8_t)kind);
				put_time(b, c->ms);
				put_u64(b, c->number);
				put_u32(b, c->now);
				put_u32(b, c->before);
			}
		b->p[at] = (char)counts;
	}
	put_u32(&head, n);
	memcpy(b->p + n_at, head.p, 4);
	buf_reset(&head);
	le = crc32c(0, slice_from(buf_slice(b), 8));
	put_u32(&head, le);
	memcpy(b->p + 4, head.p, 4);
	buf_clear(&head);
}

static void
save_work(struct disk_task *t)
{
	struct limits *l = OF_TASK(t);
	int fd = fs_open(fs, l->q->dir, LIMITS_FRESH,
	    O_WRONLY | O_CREAT | O_TRUNC, 0600);

	l->error = 0;
	if (fd == -1 || fs_pwrite(fs, fd, buf_slice(&l->bytes), 0) == -1 ||
	    fs->fdatasync(fd) == -1 ||
	    fs->renameat(l->q->dir, LIMITS_FRESH, l->q->dir, LIMITS_FILE) == -1)
		l->error = errno;
	if (fd != -1)
		fs->close(fd);
}

/* Those of whom nothing is to be remembered go now and then. */
static void
save_done(struct disk_task *t)
{
	struct limits *l = OF_TASK(t);
	int64_t now = clock_wall_ms();
	struct login *u;
	size_t cursor = 0, n = 0, i;
	struct login **stale = NULL;

	l->saving = false;
	buf_clear(&l->bytes);
	if (l->error != 0) {
		l->dirty = !l->q->stopping;
		log_error("event=limits-not-written error=%s",
		    LOG_Q(slice_str(strerror(l->error))));
	}
	while ((u = idmap_next(&l->logins, &cursor)) != NULL)
		if (is_stale(u, now)) {
			stale = mem_regrow(stale, n + 1, sizeof(*stale));
			stale[n++] = u;
		}
	for (i = 0; i < n; i++)
		login_free(l, stale[i]);
	free(stale);
	if (l->logins.n < LOGINS)
		l->full_told = false;
}
