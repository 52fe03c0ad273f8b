/* SPDX-License-Identifier: ISC */
/*
 * What holds whatever fails: for every n, the n-th change that qmgr makes to
 * the file system is its last (a crash), its last with all that was not synced
 * undone (a power cut, Q3), or fails alone (a full or broken disk).  After a
 * restart every acknowledged message is there (Q1, Q2): each recipient has
 * been delivered to, or its failure reported.  A second copy into a mailbox is
 * always announced (maybe_done), so that the mailbox has one.
 *
 * CRASH_STEP=1 tries every n; without it every eleventh, to save time.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "harness.h"

#define UNDOS	100000
#define PATH_MAX_	300

enum plan { PLAN_NONE, PLAN_STOP, PLAN_POWER, PLAN_POWER_SOME, PLAN_FAIL };

/* How to take back one change that is not durable. */
struct undo {
	enum { U_GONE, U_WRITE, U_CREATE, U_UNLINK, U_RENAME } what;
	char		 path[PATH_MAX_];
	char		 to[PATH_MAX_];	/* RENAME: from; UNLINK: the copy */
	off_t		 at;
	off_t		 size;		/* WRITE: of the file before */
	char		*old;		/* WRITE; owned */
	size_t		 n;
};

static struct {
	enum plan	 plan;
	unsigned	 at;		/* the n-th change */
	unsigned	 changes;	/* so far */
	bool		 dead;
	bool		 counting;
	int		 error;
	struct undo	*undos;
	size_t		 nundos;
	char		 graveyard[64];	/* hard links to what was unlinked */
	unsigned	 graves;
	unsigned	 seed;
} disk;

/* True where the change may be made. */
static bool
may_change(void)
{
	if (disk.dead) {
		errno = EIO;
		return false;
	}
	if (!disk.counting || ++disk.changes != disk.at)
		return true;
	if (disk.plan == PLAN_FAIL) {
		errno = disk.error;
		return false;
	}
	if (disk.plan != PLAN_NONE) {
		disk.dead = true;
		errno = EIO;
		return false;
	}
	return true;
}

static void
path_of_fd(int fd, char path[PATH_MAX_])
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, PATH_MAX_ - 1);
	assert_true(n > 0);
	path[n] = '\0';
}

static void
path_at(int dir, const char *name, char path[PATH_MAX_])
{
	char top[PATH_MAX_];

	path_of_fd(dir, top);
	assert_true(snprintf(path, PATH_MAX_, "%s/%s", top, name) <
	    PATH_MAX_);
}

static struct undo *
undo_new(void)
{
	assert_true(disk.nundos < UNDOS);
	memset(&disk.undos[disk.nundos], 0, sizeof(struct undo));
	return &disk.undos[disk.nundos++];
}

static void
undo_drop(struct undo *u)
{
	free(u->old);
	u->old = NULL;
	u->what = U_GONE;
}

static int
t_open(int dir, const char *path, int flags, mode_t mode)
{
	struct undo *u;
	struct stat st;
	char full[PATH_MAX_];

	if (!(flags & O_CREAT))
		return fs_real.openat(dir, path, flags, mode);
	if (!may_change())
		return -1;
	path_at(dir, path, full);
	if (lstat(full, &st) == -1) {
		u = undo_new();
		u->what = U_CREATE;
		memcpy(u->path, full, sizeof(full));
	}
	/* O_TRUNC of what is there is never needed to be undone here: only
	 * files nobody needs are written over. */
	return fs_real.openat(dir, path, flags, mode);
}

static ssize_t
t_write(int fd, const void *p, size_t n, off_t at)
{
	struct undo *u;
	struct stat st;
	ssize_t r;

	if (!may_change())
		return -1;
	assert_int_equal(fstat(fd, &st), 0);
	u = undo_new();
	u->what = U_WRITE;
	path_of_fd(fd, u->path);
	u->at = at;
	u->size = st.st_size;
	u->n = n;
	u->old = mem_alloc(n + 1);
	if (at < st.st_size) {
		int rfd = open(u->path, O_RDONLY);

		r = pread(rfd, u->old, n, at);
		assert_true(r >= 0);
		close(rfd);
	}
	return fs_real.pwrite(fd, p, n, at);
}

static int
durable_file(int fd)
{
	char path[PATH_MAX_], *slash, dir[PATH_MAX_];
	size_t i;
	struct stat st;

	path_of_fd(fd, path);
	assert_int_equal(fstat(fd, &st), 0);
	for (i = 0; i < disk.nundos; i++) {
		struct undo *u = &disk.undos[i];

		if (!S_ISDIR(st.st_mode)) {
			if (u->what == U_WRITE && strcmp(u->path, path) == 0)
				undo_drop(u);
			continue;
		}
		if (u->what == U_GONE || u->what == U_WRITE)
			continue;
		memcpy(dir, u->path, sizeof(dir));
		slash = strrchr(dir, '/');
		*slash = '\0';
		if (strcmp(dir, path) == 0)
			undo_drop(u);
	}
	return 0;
}

static int
t_datasync(int fd)
{
	if (!may_change())
		return -1;
	return durable_file(fd);
}

static int
t_syncfs(int fd)
{
	size_t i;

	(void)fd;
	if (!may_change())
		return -1;
	for (i = 0; i < disk.nundos; i++)
		undo_drop(&disk.undos[i]);
	disk.nundos = 0;
	return 0;
}

static int
t_rename(int dir, const char *from, int to_dir, const char *to)
{
	struct undo *u;

	if (!may_change())
		return -1;
	u = undo_new();
	u->what = U_RENAME;
	path_at(dir, from, u->to);
	path_at(to_dir, to, u->path);
	return fs_real.renameat(dir, from, to_dir, to);
}

static int
t_unlink(int dir, const char *path, int flags)
{
	struct undo *u;
	char full[PATH_MAX_], grave[PATH_MAX_];

	if (!may_change())
		return -1;
	path_at(dir, path, full);
	snprintf(grave, sizeof(grave), "%s/%u", disk.graveyard, disk.graves++);
	if (link(full, grave) == 0) {
		u = undo_new();
		u->what = U_UNLINK;
		memcpy(u->path, full, sizeof(full));
		memcpy(u->to, grave, sizeof(grave));
	}
	return fs_real.unlinkat(dir, path, flags);
}

static int
t_mkdir(int dir, const char *path, mode_t mode)
{
	return fs_real.mkdirat(dir, path, mode);
}

static int
t_mtime(int fd, const struct timespec times[2])
{
	if (!may_change())
		return -1;
	return fs_real.futimens(fd, times);
}

/* Takes back what is not durable, the last first; some of it, or all. */
static void
cut_power(bool some)
{
	unsigned seed = disk.seed;
	struct undo *u;
	int fd;

	while (disk.nundos > 0) {
		u = &disk.undos[--disk.nundos];
		if (u->what == U_GONE)
			continue;
		if (some && rand_r(&seed) % 2 == 0) {
			undo_drop(u);
			continue;
		}
		switch (u->what) {
		case U_GONE:
			break;
		case U_WRITE:
			fd = open(u->path, O_WRONLY);
			if (fd == -1)
				break;
			assert_int_equal(pwrite(fd, u->old, u->n, u->at), u->n);
			if (!some && u->at + (off_t)u->n > u->size)
				assert_int_equal(ftruncate(fd, u->size), 0);
			close(fd);
			break;
		case U_CREATE:
			unlink(u->path);
			break;
		case U_UNLINK:
			if (link(u->to, u->path) == -1)
				assert_int_equal(errno, EEXIST);
			break;
		case U_RENAME:
			rename(u->path, u->to);
			break;
		}
		undo_drop(u);
	}
}

static struct fs t_fs;

static void
disk_init(void)
{
	t_fs = fs_real;
	t_fs.openat = t_open;
	t_fs.pwrite = t_write;
	t_fs.fdatasync = t_datasync;
	t_fs.fsync = t_datasync;
	t_fs.syncfs = t_syncfs;
	t_fs.renameat = t_rename;
	t_fs.unlinkat = t_unlink;
	t_fs.mkdirat = t_mkdir;
	t_fs.futimens = t_mtime;
	if (disk.undos == NULL)
		disk.undos = mem_array(UNDOS, sizeof(*disk.undos));
	snprintf(disk.graveyard, sizeof(disk.graveyard),
	    "/tmp/qmgr_graves.%d", (int)getpid());
	mkdir(disk.graveyard, 0700);
	fs = &t_fs;
}

static void
disk_clear(void)
{
	char path[PATH_MAX_];
	unsigned i;

	fs = &fs_real;
	for (i = 0; i < disk.graves; i++) {
		snprintf(path, sizeof(path), "%s/%u", disk.graveyard, i);
		unlink(path);
	}
	rmdir(disk.graveyard);
	while (disk.nundos > 0)
		undo_drop(&disk.undos[--disk.nundos]);
	disk.graves = 0;
}

/* ---- the scenario ------------------------------------------------------- */

#define MESSAGES	60

static struct {
	uint64_t	 id;
	const char	*to;
} sent[MESSAGES];
static size_t nsent;

/* "later..." is deferred on its first attempt. */
static bool
outcome(struct world *w, const struct delivery *d, struct outcome *o)
{
	(void)w;
	if (strncmp(d->address, "later", 5) == 0 && world_count(w, d->id,
	    d->address) == 1)
		*o = (struct outcome){ .status = OUTCOME_DEFERRED,
			.enhanced = { 4, 2, 1 }, .code = 450,
			.text = SLICE_LIT("come back") };
	return true;
}

static void
turn(struct world *w, int turns)
{
	while (turns-- > 0 && !disk.dead)
		ev_turn(&w->loop, 0);
}

static void
say(struct world *w, const char *to, size_t size, bool large)
{
	uint64_t id;

	if (disk.dead || w->smtpd == NULL || w->block == 0)
		return;
	id = large ? world_submit_large(w, "local-s@here", to, size) :
	    world_submit(w, "local-s@here", to, size);
	sent[nsent].id = id;
	sent[nsent++].to = to;
}

static void
play(struct world *w)
{
	unsigned n;

	nsent = 0;
	w->outcome = outcome;
	channel_send(w->smtpd, SQ_IDS_ASK, 0, SLICE_EMPTY);
	for (n = 0; n < 200 && w->block == 0 && !disk.dead; n++)
		ev_turn(&w->loop, 1);
	say(w, "local1@here later@far", 3000, false);
	turn(w, 3);
	say(w, "alias@here", 200000 / 2, false);
	turn(w, 8);
	say(w, "nobody@here local2@here", 500, false);
	turn(w, 6);
	say(w, "later2@far", 120000, false);
	/* The journal turns over, and what waits moves to files. */
	for (n = 0; n < 36; n++) {
		say(w, n % 3 == 0 ? "later3@far2" : "local3@here", 125000,
		    false);
		turn(w, 6);
	}
	if (!disk.dead && w->block != 0) {
		size_t size = 300000;

		/* not by world_submit_large(), which would wait in vain */
		struct buf *b;
		uint64_t id = w->block + w->next_in_block++;

		b = channel_begin(w->smtpd, SQ_SPOOL_ASK, id);
		if (b != NULL)
			put_u64(b, size);
		channel_end(w->smtpd);
		turn(w, 10);
		if (w->spool_fd != -1) {
			char *zero = mem_alloc(size);
			struct envelope e = { .reverse_path =
				SLICE_LIT("local-s@here"),
				.arrived_ms = clock_wall_ms() };
			struct recipient r = { .address =
				SLICE_LIT("local4@here") };
			struct buf env = BUF_INIT(65536);

			assert_int_equal(write(w->spool_fd, zero, size), size);
			free(zero);
			e.recipients = &r;
			e.nrecipients = 1;
			envelope_pack(&env, &e);
			b = channel_begin(w->smtpd, SQ_SUBMIT_SPOOLED, id);
			if (b != NULL) {
				put_slice(b, buf_slice(&env));
				put_slice(b, SLICE_LIT("Received: x\r\n"));
				put_u64(b, size);
			}
			channel_end(w->smtpd);
			buf_clear(&env);
			sent[nsent].id = id;
			sent[nsent++].to = "local4@here";
		}
	}
	for (n = 0; n < 300 && !disk.dead &&
	    w->q->queue.slots.n > 0; n++)
		ev_turn(&w->loop, 2);
}

static bool
was_reported(const struct world *w, uint64_t id)
{
	size_t i;

	for (i = 0; i < w->nreported; i++)
		if (w->reported[i].about == id)
			return true;
	return false;
}

static void
must_have(const struct world *w, unsigned n, uint64_t id, const char *address)
{
	if (world_done(w, id, address) == 0)
		fail_msg("plan %d change %u: %s of %s is lost", disk.plan, n,
		    address, queue_id_text(id).s);
}

/* Each acknowledged message has come to its end. */
static void
check(const struct world *w, unsigned n)
{
	struct slice rest, word;
	char address[64];
	size_t i, j;

	for (i = 0; i < nsent; i++) {
		if (!world_was_queued(w, sent[i].id))
			continue;
		rest = slice_str(sent[i].to);
		while (slice_next(&rest, ' ', &word)) {
			snprintf(address, sizeof(address), "%.*s",
			    SLICE_ARG(word));
			if (strcmp(address, "nobody@here") == 0) {
				if (!was_reported(w, sent[i].id))
					fail_msg("plan %d change %u: no "
					    "report", disk.plan, n);
			} else if (strcmp(address, "alias@here") == 0) {
				must_have(w, n, sent[i].id, "local-a1@here");
				must_have(w, n, sent[i].id, "local-a2@here");
			} else
				must_have(w, n, sent[i].id, address);
		}
	}
	/* The reports that were durable arrive. */
	for (i = 0; i < w->nreported; i++)
		for (j = 0; j < w->nreported; j++)
			if (world_count(w, w->reported[j].id,
			    "local-s@here") > 0)
				break;
	if (w->nreported > 0)
		assert_true(j < w->nreported);
	/* A mailbox never gets the same again without a warning. */
	for (i = 0; i < w->ndeliveries; i++)
		for (j = i + 1; j < w->ndeliveries; j++)
			if (w->deliveries[i].local &&
			    w->deliveries[j].id == w->deliveries[i].id &&
			    w->deliveries[j].number ==
			    w->deliveries[i].number &&
			    !w->deliveries[j].maybe_done)
				fail_msg("plan %d change %u: twice", disk.plan,
				    n);
}

/* One life with the fault at the n-th change, and one after it.  Returns the
 * number of changes. */
static unsigned
live(enum plan plan, unsigned n, int error)
{
	struct world w;
	unsigned changes;

	disk_init();
	world_init(&w, "queue.retry_first = 100ms\nqueue.retry_max = 100ms\n"
	    "queue.delay_warning = 0\n");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	disk.plan = plan;
	disk.at = n;
	disk.error = error;
	disk.changes = 0;
	disk.seed = n;
	disk.counting = true;
	play(&w);
	changes = disk.changes;
	if (plan == PLAN_FAIL || plan == PLAN_NONE)
		world_wait(&w, 20000, w.q->queue.slots.n == 0);
	disk.counting = false;
	world_kill(&w);
	disk.dead = false;
	if (plan == PLAN_POWER || plan == PLAN_POWER_SOME)
		cut_power(plan == PLAN_POWER_SOME);
	disk_clear();
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_wait(&w, 20000, w.q->queue.slots.n == 0);
	check(&w, n);
	world_clear(&w);
	return changes;
}

static unsigned
step(void)
{
	const char *s = getenv("CRASH_STEP");
	uint64_t n = 11;

	if (s != NULL && !slice_to_u64(slice_str(s), 1, 1000, &n))
		n = 11;
	return (unsigned)n;
}

static void
sweep(enum plan plan, int error)
{
	unsigned total = live(PLAN_NONE, 0, 0), n;

	if (getenv("CRASH_STEP") != NULL)
		print_message("%u changes\n", total);
	assert_true(total > 30);
	for (n = 1 + (unsigned)plan; n <= total; n += step())
		live(plan, n, error);
}

static void
crash_at_any_change_loses_nothing(void **state)
{
	(void)state;
	sweep(PLAN_STOP, 0);
}

static void
power_cut_at_any_change_loses_nothing(void **state)
{
	(void)state;
	sweep(PLAN_POWER, 0);
}

static void
power_cut_that_loses_some_writes_loses_no_message(void **state)
{
	(void)state;
	sweep(PLAN_POWER_SOME, 0);
}

static void
change_that_fails_loses_nothing(void **state)
{
	(void)state;
	sweep(PLAN_FAIL, EIO);
	sweep(PLAN_FAIL, ENOSPC);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crash_at_any_change_loses_nothing),
		cmocka_unit_test(power_cut_at_any_change_loses_nothing),
		cmocka_unit_test(
		    power_cut_that_loses_some_writes_loses_no_message),
		cmocka_unit_test(change_that_fails_loses_nothing),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	free(disk.undos);
	return r;
}
