/* SPDX-License-Identifier: ISC */
/*
 * The queue and a Maildir lose their power at the same instant.  qmgr and a
 * worker are joined on one simulated disk (os/sim_disk.h), with only local's
 * dispatcher played.  At each sync, and at instants between, the disk is made
 * again as a power cut may have left it, both are started on that, and when the
 * queue is empty each message that was acknowledged before is in the Maildir,
 * whole (Q2, Q3): what qmgr has written down as delivered was durable there
 * before.
 *
 * Two broken builds must be found out.  CRASH_SEED=N repeats a run as far as
 * the clock allows; CRASH_RUNS=N: how many instants between syncs.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <sys/socket.h>

#include "../qmgr/harness.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "ipc/delivery.h"
#include "os/sim_run.h"
#include "parcel.h"
#include "test_dir.h"
#include "worker.h"

#define MESSAGES	40
#define STUCK_MS	20000

struct life {
	struct world	 w;		/* first: its hooks find the life */
	struct sim_disk	*disk;
	char		 maildir[PATH_MAX];
	struct worker	*worker;
	struct channel	*worker_side;
	struct channel	*side;		/* the dispatcher's */
	/* How many changes had been made before each was acknowledged. */
	size_t		 acknowledged[MESSAGES];
	size_t		 nacknowledged;
};

/* What the first life has left in the Maildir. */
static struct {
	char		 name[NAME_MAX + 1];
	uint32_t	 crc;
} stored[2 * MESSAGES];
static size_t nstored;

/* ---- builds that are broken --------------------------------------------- */

static const struct broken {
	const char	*name, *call, *path;	/* left out; or */
	bool		 too_early;
} broken_builds[] = {
	{ "the Maildir is not synced", "syncfs", "mail/*", false },
	{ "qmgr hears of a delivery before its sync", NULL, NULL, true },
};
static bool too_early;

/* ---- local's dispatcher ------------------------------------------------- */

static bool
take_job(struct world *w, struct channel *c, struct message *m)
{
	struct life *l = (struct life *)(void *)w;
	struct arena arena = ARENA_INIT(JOB_ARENA_BYTES);
	struct wire body = m->body;
	struct outcome done = { .status = OUTCOME_DELIVERED,
		.enhanced = { 2, 0, 0 }, .text = SLICE_LIT("ok") };
	struct job j;
	struct buf *b;
	size_t i;

	if (c != w->local)
		return false;
	b = channel_begin(l->side, m->type == DL_JOB ? LW_JOB : LW_JOB_FILE,
	    m->id);
	assert_int_equal(buf_add(b, m->body.rest), 0);
	if (m->type == DL_JOB)
		channel_end(l->side);
	else {
		channel_end_fds(l->side, m->fds, 1);
		m->fds[0] = -1;
	}
	if (!too_early)
		return true;
	assert_true(job_unpack(&body, &arena, &j));
	b = channel_begin(c, DL_RESULT, m->id);
	put_u32(b, (uint32_t)j.nrecipients);
	for (i = 0; i < j.nrecipients; i++) {
		put_u32(b, j.recipients[i].number);
		outcome_pack(b, &done);
	}
	channel_end(c);
	arena_clear(&arena);
	return true;
}

static void
worker_says(void *arg, struct channel *ch, struct message *m)
{
	struct life *l = arg;
	struct buf *b;

	(void)ch;
	if (m->type != LW_RESULT || too_early || l->w.local == NULL)
		return;
	b = channel_begin(l->w.local, DL_RESULT, m->id);
	assert_int_equal(buf_add(b, m->body.rest), 0);
	channel_end(l->w.local);
}

static void
worker_is_down(void *arg, struct channel *ch)
{
	(void)arg;
	(void)ch;
	fail_msg("the worker has ended");
}

static void
worker_start(struct life *l)
{
	static const struct channel_ops ops = { worker_says, worker_is_down,
		NULL };
	struct buf why = BUF_INIT(4000), text = BUF_INIT(4000);
	struct conf *conf;
	int fds[2];

	buf_printf(&text, "hostname = mx.example.org\npath.mail = \"%s/mail\"\n"
	    "local.sync = filesystem\n", l->w.dir);
	conf = conf_parse(buf_slice(&text), "test", &why);
	assert_non_null(conf);
	l->worker = worker_new(&l->w.loop, &sim_fs, conf, 10, false);
	conf_free(&conf);
	buf_clear(&text);
	buf_clear(&why);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	l->worker_side = channel_new(&l->w.loop, fds[0], local_worker_rules,
	    ROLE_WORKER, ROLE_LOCAL, 0, &worker_ops, l->worker);
	l->side = channel_new(&l->w.loop, fds[1], local_worker_rules,
	    ROLE_LOCAL, ROLE_WORKER, 0, &ops, l);
}

/* ---- a life ------------------------------------------------------------- */

static void
life_init(struct life *l)
{
	memset(l, 0, sizeof(*l));
	world_init(&l->w, "queue.retry_first = 100ms\n"
	    "queue.retry_max = 100ms\nqueue.delay_warning = 0\n");
	test_path(l->maildir, sizeof(l->maildir), "%s/mail/Maildir", l->w.dir);
	l->w.maildir = l->maildir;
	l->w.job = take_job;
}

/* -1 where qmgr does not start. */
static int
life_start(struct life *l, const struct broken *b)
{
	l->disk = sim_disk_new(l->w.dir);
	if (b != NULL && b->call != NULL)
		sim_disk_leave_out(l->disk, b->call, b->path);
	fs = &sim_fs;
	worker_start(l);
	return world_start(&l->w, UP_ALL);
}

/* Whatever is not on the disk is forgotten. */
static void
life_end(struct life *l)
{
	sim_disk_stop(l->disk);
	world_kill(&l->w);
	channel_free(&l->side);
	channel_free(&l->worker_side);
	worker_free(&l->worker);
	fs = &fs_real;
}

static void
life_clear(struct life *l)
{
	world_clear(&l->w);
	sim_disk_free(&l->disk);
}

/* What peers hear in a turn was sent before it began. */
static void
turn(struct life *l, int ms)
{
	size_t at = sim_disk_now(l->disk);

	ev_turn(&l->w.loop, ms);
	while (l->nacknowledged < l->w.nqueued)
		l->acknowledged[l->nacknowledged++] = at;
}

/* Until the queue is empty. */
static bool
live_on(struct life *l)
{
	int64_t end = clock_mono_ms() + STUCK_MS;

	while (l->w.q->queue.slots.n > 0 || l->w.q->walk != NULL) {
		if (clock_mono_ms() > end)
			return false;
		turn(l, 1);
	}
	return true;
}

static void
play(struct life *l)
{
	unsigned n;
	int i;

	for (n = 0; n < MESSAGES; n++) {
		if (n % 9 == 4)
			world_submit_large(&l->w, "s@here", "local@here",
			    200000 + n);
		else
			world_submit(&l->w, "s@here", n % 4 == 0 ?
			    "local1@here local2@here" : "local@here",
			    500 + n * 100);
		/* Some alone, some together. */
		for (i = 0; i < (int)(n % 5) * 3; i++)
			turn(l, 0);
	}
	assert_true(live_on(l));
}

/* ---- what must hold ----------------------------------------------------- */

static uint32_t
crc_of_file(int dir, const char *name)
{
	struct buf b = BUF_INIT(1000000);
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	uint32_t crc;

	assert_true(fd != -1);
	(void)!fs_read(&fs_real, fd, &b, 900000, 0);
	close(fd);
	crc = crc32c(0, buf_slice(&b));
	buf_clear(&b);
	return crc;
}

/* Reads what there is, when nothing was lost. */
static void
take_stored(const struct life *l)
{
	char path[PATH_MAX + 8];
	struct dirent *e;
	DIR *d;

	test_path(path, sizeof(path), "%s/new", l->maildir);
	d = opendir(path);
	assert_non_null(d);
	for (nstored = 0; (e = readdir(d)) != NULL;) {
		if (e->d_name[0] == '.')
			continue;
		assert_true(nstored < sizeof(stored) / sizeof(stored[0]));
		test_path(stored[nstored].name, sizeof(stored[0].name), "%s",
		    e->d_name);
		stored[nstored++].crc = crc_of_file(dirfd(d), e->d_name);
	}
	closedir(d);
}

/* Each copy of what was acknowledged before the cut. */
static const char *
check_stored(const struct life *first, size_t cut, const struct life *l)
{
	char path[2 * PATH_MAX], id[40];
	size_t i, n;

	for (i = 0; i < first->nacknowledged; i++) {
		if (first->acknowledged[i] > cut)
			continue;
		test_path(id, sizeof(id), "Q%sR",
		    queue_id_text(first->w.queued[i]).s);
		for (n = 0; n < nstored; n++) {
			if (strstr(stored[n].name, id) == NULL)
				continue;
			test_path(path, sizeof(path), "%s/new/%s", l->maildir,
			    stored[n].name);
			if (access(path, F_OK) == -1)
				return sim_because("%s is lost",
				    stored[n].name);
			if (crc_of_file(AT_FDCWD, path) != stored[n].crc)
				return sim_because("%s is not whole",
				    stored[n].name);
		}
	}
	return NULL;
}

struct cut {
	size_t		 at;
	uint64_t	 seed;
};

static const char *
relive(const struct life *first, const struct cut *c, const struct broken *b)
{
	struct life *l = mem_alloc(sizeof(*l));
	const char *bad;

	life_init(l);
	sim_disk_restore(first->disk, l->w.dir, c->at, SIM_POWER, c->seed);
	assert_int_equal(life_start(l, b), 0);
	bad = live_on(l) ? check_stored(first, c->at, l) :
	    sim_because("a message does not go out");
	life_end(l);
	life_clear(l);
	free(l);
	return bad;
}

/* ---- the runs ----------------------------------------------------------- */

static uint64_t seed;
static size_t runs = 10;

static struct life *
record(const struct broken *b)
{
	struct life *l = mem_alloc(sizeof(*l));
	char path[PATH_MAX];

	life_init(l);
	test_path(path, sizeof(path), "%s/mail", l->w.dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(life_start(l, b), 0);
	play(l);
	take_stored(l);
	life_end(l);
	return l;
}

static void
a_power_cut_at_both_loses_nothing(void **state)
{
	struct life *first = record(NULL);
	size_t all = sim_disk_now(first->disk), i;
	uint64_t r = seed;
	struct cut c;
	const char *bad = NULL;

	(void)state;
	assert_true(nstored > MESSAGES);
	for (i = 0, c.at = 0; bad == NULL && c.at < all; i++) {
		c.at = sim_disk_next_sync(first->disk, c.at + 1);
		c.seed = sim_random(&r);
		bad = relive(first, &c, NULL);
	}
	for (; bad == NULL && runs > 0; runs--, i++) {
		c.at = sim_random(&r) % (all + 1);
		c.seed = sim_random(&r);
		bad = relive(first, &c, NULL);
	}
	if (bad != NULL)
		fail_msg("power cut before change %zu of %zu (%s), seed %llu "
		    "of run CRASH_SEED=%llu: %s", c.at, all,
		    sim_disk_change(first->disk, c.at),
		    (unsigned long long)c.seed, (unsigned long long)seed, bad);
	print_message("%zu changes, %zu power cuts\n", all, i);
	life_clear(first);
	free(first);
}

static bool
find_out(const struct broken *b, size_t most)
{
	struct life *first;
	const char *bad = NULL;
	uint64_t r = seed;
	struct cut c;
	size_t n;

	too_early = b->too_early;
	first = record(b);
	if (b->call != NULL && sim_disk_left_out(first->disk) == 0)
		print_error("%s: there is no such call\n", b->name);
	for (n = 1; n <= most && bad == NULL; n++) {
		c.seed = sim_random(&r);
		c.at = sim_random(&r) % (sim_disk_now(first->disk) + 1);
		bad = relive(first, &c, b);
	}
	too_early = false;
	life_clear(first);
	free(first);
	return sim_found_out(b->name, n - 1, bad);
}

static void
every_broken_build_is_found_out(void **state)
{
	size_t i, n = sizeof(broken_builds) / sizeof(broken_builds[0]);
	unsigned missed = 0;

	(void)state;
	for (i = 0; i < n; i++)
		missed += !find_out(&broken_builds[i], 200);
	assert_int_equal(missed, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_power_cut_at_both_loses_nothing),
		cmocka_unit_test(every_broken_build_is_found_out),
	};

	seed = sim_begin_runs("CRASH", &runs);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
