/* SPDX-License-Identifier: ISC */
/*
 * What holds whatever fails: for every n, the n-th change that the store makes
 * to the file system fails alone (a full or broken disk), is its last (the
 * session is killed), or its last with all that was not synced undone (a power
 * cut), or some of it.  Afterwards what was acknowledged is there (S1), under
 * its UID, and no UID or mod-sequence is given out twice (S2); what was not
 * acknowledged is there as a whole or not at all.
 *
 * FAULT_STEP=1 tries every n; without it every fifth, to save time.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include "test_store.h"

#define UNDOS		20000
#define MESSAGES	200
#define BOXES		2

enum plan { PLAN_NONE, PLAN_FAIL, PLAN_STOP, PLAN_POWER, PLAN_POWER_SOME };

/* How to take back one change that is not durable. */
struct undo {
	enum { U_GONE, U_WRITE, U_CREATE, U_UNLINK, U_RENAME } what;
	ino_t		 ino;		/* WRITE: of the file; else of the
					 * directory that names it */
	int		 fd;		/* WRITE: owned */
	char		 path[PATH_MAX];
	char		 from[PATH_MAX]; /* RENAME; UNLINK: the copy */
	char		 over[PATH_MAX]; /* RENAME: what was there; "" nothing */
	off_t		 at, size;
	char		*old;		/* owned */
	size_t		 n;
};

static struct {
	enum plan	 plan;
	unsigned	 at, changes;
	bool		 dead, counting;
	struct undo	*undos;
	size_t		 nundos;
	char		 graves[64];
	unsigned	 ngraves, seed;
	int64_t		 boot_s;
} disk;

static bool
may_change(void)
{
	if (!disk.dead && (!disk.counting || ++disk.changes != disk.at))
		return true;
	errno = EIO;
	if (disk.plan == PLAN_STOP || disk.plan == PLAN_POWER ||
	    disk.plan == PLAN_POWER_SOME)
		disk.dead = true;
	else if (!disk.dead)
		errno = ENOSPC;
	return disk.plan == PLAN_NONE;
}

static void
path_at(int dir, const char *name, char path[PATH_MAX])
{
	char link[64], top[PATH_MAX];
	ssize_t n;

	if (dir == AT_FDCWD || name[0] == '/') {
		test_path(path, PATH_MAX, "%s", name);
		return;
	}
	snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
	n = readlink(link, top, sizeof(top) - 1);
	assert_true(n > 0);
	top[n] = '\0';
	test_path(path, PATH_MAX, "%s/%s", top, name);
}

static ino_t
parent_of(const char *path)
{
	char dir[PATH_MAX], *slash;
	struct stat st;

	test_path(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash == NULL)
		return 0;
	*slash = '\0';
	return stat(dir, &st) == 0 ? st.st_ino : 0;
}

static struct undo *
undo_new(int what, int dir, const char *name)
{
	struct undo *u = &disk.undos[disk.nundos++];

	assert_true(disk.nundos < UNDOS);
	memset(u, 0, sizeof(*u));
	u->what = (unsigned)what;
	u->fd = -1;
	if (name != NULL) {
		path_at(dir, name, u->path);
		u->ino = parent_of(u->path);
	}
	return u;
}

static void
undo_drop(struct undo *u)
{
	free(u->old);
	u->old = NULL;
	if (u->fd != -1)
		close(u->fd);
	u->fd = -1;
	u->what = U_GONE;
}

/* A second name for what is about to lose its own. */
static bool
bury(int dir, const char *name, char to[PATH_MAX])
{
	char full[PATH_MAX];

	path_at(dir, name, full);
	test_path(to, PATH_MAX, "%s/%u", disk.graves, disk.ngraves++);
	if (link(full, to) == 0)
		return true;
	to[0] = '\0';
	return false;
}

/* ---- the calls ---------------------------------------------------------- */

static int
t_openat(int dir, const char *path, int flags, mode_t mode)
{
	struct stat st;

	if (!(flags & O_CREAT))
		return fs_real.openat(dir, path, flags, mode);
	if (!may_change())
		return -1;
	if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == -1)
		undo_new(U_CREATE, dir, path);
	return fs_real.openat(dir, path, flags, mode);
}

static void
remember(int fd, off_t at, size_t n)
{
	struct undo *u = undo_new(U_WRITE, -1, NULL);
	struct stat st;
	char link[64];
	int copy;

	assert_int_equal(fstat(fd, &st), 0);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	copy = open(link, O_RDWR);
	assert_true(copy != -1);
	u->fd = copy;
	u->ino = st.st_ino;
	u->size = st.st_size;
	u->at = at == -1 ? st.st_size : at;
	u->n = n;
	u->old = mem_alloc(n + 1);
	assert_true(pread(copy, u->old, n, u->at) >= 0);
}

static ssize_t
t_pwrite(int fd, const void *p, size_t n, off_t at)
{
	bool may = may_change();

	remember(fd, at, n);
	/* As a full disk does: some of it is there. */
	if (!may) {
		int error = errno;

		if (!disk.dead || disk.changes == disk.at)
			(void)!fs_real.pwrite(fd, p, n / 2, at);
		errno = error;
		return -1;
	}
	return fs_real.pwrite(fd, p, n, at);
}

static ssize_t
t_write(int fd, const void *p, size_t n)
{
	if (!may_change())
		return -1;
	remember(fd, -1, n);
	return fs_real.write(fd, p, n);
}

static int
t_renameat(int dir, const char *from, int to_dir, const char *to)
{
	struct undo *u;

	if (!may_change())
		return -1;
	u = undo_new(U_RENAME, to_dir, to);
	path_at(dir, from, u->from);
	bury(to_dir, to, u->over);
	return fs_real.renameat(dir, from, to_dir, to);
}

static int
t_linkat(int dir, const char *from, int to_dir, const char *to)
{
	int r;

	if (!may_change())
		return -1;
	r = fs_real.linkat(dir, from, to_dir, to);
	if (r == 0)
		undo_new(U_CREATE, to_dir, to);
	return r;
}

static int
t_unlinkat(int dir, const char *path, int flags)
{
	char grave[PATH_MAX];
	struct undo *u;

	if (!may_change())
		return -1;
	if (flags == 0 && bury(dir, path, grave)) {
		u = undo_new(U_UNLINK, dir, path);
		memcpy(u->from, grave, sizeof(grave));
	}
	return fs_real.unlinkat(dir, path, flags);
}

static int
t_ftruncate(int fd, off_t size)
{
	struct stat st;

	if (!may_change())
		return -1;
	assert_int_equal(fstat(fd, &st), 0);
	if (size < st.st_size)
		remember(fd, size, (size_t)(st.st_size - size));
	return fs_real.ftruncate(fd, size);
}

static int
t_fsync(int fd)
{
	struct stat st;
	size_t i;

	if (!may_change())
		return -1;
	assert_int_equal(fstat(fd, &st), 0);
	for (i = 0; i < disk.nundos; i++)
		if (disk.undos[i].what != U_GONE &&
		    disk.undos[i].ino == st.st_ino)
			undo_drop(&disk.undos[i]);
	return 0;
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

static int64_t
t_boot_s(void)
{
	return disk.boot_s;
}

static void
undo_one(struct undo *u)
{
	switch (u->what) {
	case U_GONE:
		break;
	case U_WRITE:
		assert_true(pwrite(u->fd, u->old, u->n, u->at) >= 0);
		assert_int_equal(ftruncate(u->fd, u->size), 0);
		break;
	case U_CREATE:
		unlink(u->path);
		break;
	case U_UNLINK:
		(void)!link(u->from, u->path);
		break;
	case U_RENAME:
		(void)!rename(u->path, u->from);
		if (u->over[0] != '\0')
			(void)!link(u->over, u->path);
		break;
	}
}

/* Takes back what is not durable, the last first. */
static void
cut_power(bool some)
{
	struct undo *u;

	while (disk.nundos > 0) {
		u = &disk.undos[--disk.nundos];
		if (!some || rand_r(&disk.seed) % 2 == 0)
			undo_one(u);
		undo_drop(u);
	}
	disk.boot_s += 1000;
}

static struct fs fs_fault;

static void
disk_begin(enum plan plan, unsigned at)
{
	fs_fault = fs_real;
	fs_fault.openat = t_openat;
	fs_fault.pwrite = t_pwrite;
	fs_fault.write = t_write;
	fs_fault.renameat = t_renameat;
	fs_fault.linkat = t_linkat;
	fs_fault.unlinkat = t_unlinkat;
	fs_fault.ftruncate = t_ftruncate;
	fs_fault.fdatasync = t_fsync;
	fs_fault.fsync = t_fsync;
	fs_fault.syncfs = t_syncfs;
	fs_fault.boot_s = t_boot_s;
	if (disk.undos == NULL)
		disk.undos = mem_array(UNDOS, sizeof(*disk.undos));
	disk.plan = plan;
	disk.at = at;
	disk.changes = 0;
	disk.dead = disk.counting = false;
	disk.seed = at;
	disk.boot_s = 1000000;
}

/* ---- what was acknowledged ---------------------------------------------- */

struct known {
	uint32_t	 uid;
	unsigned	 text;		/* which message */
	bool		 acknowledged, expunging, maybe_gone;
	uint8_t		 flags, maybe_flags;
};

struct model {
	struct known	 v[BOXES][MESSAGES];
	size_t		 n[BOXES];
	uint32_t	 uidvalidity[BOXES];
	uint64_t	 modseq[BOXES];
	unsigned	 texts;
};

static const char *const boxes[BOXES] = { "INBOX", "Other" };

static void
text_of(unsigned i, char text[200])
{
	snprintf(text, 200, "Subject: message %u\n\nBody of %u.\n%0*u\n", i, i,
	    (int)(i % 50) + 1, i);
}

static void
learn(struct model *m, int box, uint32_t uid, unsigned text, uint8_t flags)
{
	assert_true(m->n[box] < MESSAGES);
	m->v[box][m->n[box]++] = (struct known){ .uid = uid, .text = text,
		.acknowledged = true, .flags = flags, .maybe_flags = flags };
}

static struct known *
find_known(struct model *m, int box, uint32_t uid)
{
	size_t i;

	for (i = 0; i < m->n[box]; i++)
		if (m->v[box][i].uid == uid)
			return &m->v[box][i];
	return NULL;
}

/* ---- what is done ------------------------------------------------------- */

static void
do_append(struct world *w, struct model *m, int box, unsigned count)
{
	struct append *a;
	struct appended done;
	char text[200];
	unsigned i;

	if (append_begin(w->store, slice_str(boxes[box]), &a) != STORE_OK)
		return;
	for (i = 0; i < count; i++) {
		text_of(m->texts + i, text);
		if (append_message(a, 0, FLAG_SEEN, NULL, 0, 1700000000000) !=
		    STORE_OK || append_bytes(a, slice_str(text)) != STORE_OK ||
		    append_end(a) != STORE_OK)
			break;
	}
	if (i < count)
		append_abort(&a);
	else if (append_commit(&a, &done) == STORE_OK)
		for (i = 0; i < count; i++)
			learn(m, box, done.first_uid + i, m->texts + i,
			    FLAG_SEEN);
	m->texts += count;
}

static void
do_flags(struct mailbox *mb, struct model *m, int box, uint32_t uid,
    uint8_t flags)
{
	struct known *k = find_known(m, box, uid);

	if (k == NULL)
		return;
	k->maybe_flags = flags;
	if (set_flags(mb, uid, FLAGS_SET, flags) != STORE_OK)
		return;
	m->modseq[box] = mb->state.modseq;
	if (store_work(mb->store) == STORE_OK && mb->unsynced_ms == 0)
		k->flags = flags;
}

static void
do_expunge(struct mailbox *mb, struct model *m, int box, uint32_t uid)
{
	struct known *k = find_known(m, box, uid);

	if (k == NULL)
		return;
	k->maybe_gone = true;
	if (mailbox_expunge(mb, (struct uid_list){ &uid, 1 }, false) ==
	    STORE_OK && store_work(mb->store) == STORE_OK)
		k->acknowledged = false;
}

static void
do_copy(struct mailbox *mb, struct model *m, int from, int to, uint32_t first,
    bool move)
{
	uint32_t uids[2] = { first, first + 1 };
	struct known *k;
	struct copied c;
	enum store_result r;
	size_t i;

	for (i = 0; move && i < 2; i++) {
		k = find_known(m, from, uids[i]);
		if (k != NULL)
			k->maybe_gone = true;
	}
	r = mailbox_copy(mb, (struct uid_list){ uids, 2 },
	    slice_str(boxes[to]), move, &c);
	if (r != STORE_OK)
		return;
	for (i = 0; i < c.n; i++) {
		k = find_known(m, from, c.from[i]);
		if (k == NULL)
			continue;
		learn(m, to, c.to[i], k->text, k->flags);
		m->v[to][m->n[to] - 1].maybe_flags = k->maybe_flags;
	}
	free(c.from);
	free(c.to);
}

static void
look(struct mailbox *mb, struct model *m, int box)
{
	if (m->uidvalidity[box] == 0)
		m->uidvalidity[box] = mailbox_head(mb)->uidvalidity;
	m->modseq[box] = mailbox_head(mb)->highestmodseq;
}

static void
run(struct world *w, struct model *m)
{
	struct mailbox *mb;

	do_append(w, m, 0, 1);
	do_append(w, m, 0, 3);
	if (mailbox_open(w->store, INBOX, false, &mb) != STORE_OK)
		return;
	look(mb, m, 0);
	do_flags(mb, m, 0, 2, FLAG_FLAGGED | FLAG_SEEN);
	do_flags(mb, m, 0, 3, 0);
	do_append(w, m, 0, 2);
	if (mailbox_refresh(mb, NULL, NULL) == STORE_OK)
		look(mb, m, 0);
	do_copy(mb, m, 0, 1, 1, false);
	do_copy(mb, m, 0, 1, 3, true);
	do_expunge(mb, m, 0, 1);
	if (index_lock(mb) == STORE_OK) {
		index_snapshot(mb, true);
		index_unlock(mb);
	}
	do_flags(mb, m, 0, 5, FLAG_DELETED);
	do_append(w, m, 1, 1);
	mailbox_close(&mb);
	if (mailbox_open(w->store, slice_str(boxes[1]), false, &mb) !=
	    STORE_OK)
		return;
	look(mb, m, 1);
	do_flags(mb, m, 1, 1, FLAG_ANSWERED);
	mailbox_close(&mb);
}

/* ---- what must hold ----------------------------------------------------- */

/* Which text a message has; it has all of one. */
static unsigned
text_in(struct mailbox *mb, uint32_t uid, unsigned texts)
{
	struct message_content c;
	char text[200];
	unsigned i;

	assert_int_equal(mailbox_content(mb, uid, &c), STORE_OK);
	for (i = 0; i < texts; i++) {
		text_of(i, text);
		if (slice_eq(c.bytes, slice_str(text)))
			break;
	}
	if (i == texts)
		fail_msg("UID %u has %zu bytes of nothing", uid, c.bytes.n);
	message_content_clear(&c);
	return i;
}

static void
check_box(struct world *w, struct model *m, int box)
{
	const struct message_entry *e;
	struct known *k;
	struct mailbox *mb;
	enum store_result r;
	size_t i, n;

	r = mailbox_open(w->store, slice_str(boxes[box]), false, &mb);
	if (r != STORE_OK)
		fail_msg("%s: %s (%s)", boxes[box], store_strerror(r),
		    strerror(store_errno(w->store)));
	if (m->uidvalidity[box] != 0)
		assert_int_equal(mailbox_head(mb)->uidvalidity,
		    m->uidvalidity[box]);
	assert_true(mailbox_head(mb)->highestmodseq >= m->modseq[box]);
	e = mailbox_entries(mb, &n);
	for (i = 0; i < n; i++) {
		unsigned text = text_in(mb, e[i].uid, m->texts);

		k = find_known(m, box, e[i].uid);
		if (k != NULL) {
			assert_int_equal(text, k->text);
			assert_true((e[i].flags & FLAGS_STORED) == k->flags ||
			    (e[i].flags & FLAGS_STORED) == k->maybe_flags);
			assert_true(k->acknowledged || k->maybe_gone);
		}
	}
	for (i = 0; i < m->n[box]; i++) {
		k = &m->v[box][i];
		if (k->acknowledged && !k->maybe_gone &&
		    mailbox_find(mb, k->uid) == NULL)
			fail_msg("%s: UID %u is lost", boxes[box], k->uid);
		if (!k->acknowledged)
			assert_null(mailbox_find(mb, k->uid));
		assert_true(mailbox_head(mb)->uidnext > k->uid);
	}
	mailbox_close(&mb);
}

static void
print_line(void *arg, const char *line)
{
	(void)arg;
	print_error("%s\n", line);
}

/* False when the plan had nothing left to fail. */
static bool
one_round(enum plan plan, unsigned at)
{
	struct store_options o = { .fs = &fs_fault, .create = true };
	struct store_options plain = { .create = true };
	struct world w = { 0 };
	struct model m = { 0 };
	unsigned bad = 0, changes;
	int box;

	disk_begin(plan, at);
	snprintf(disk.graves, sizeof(disk.graves), "fault_graves.XXXXXX");
	assert_non_null(mkdtemp(disk.graves));
	snprintf(w.dir, sizeof(w.dir), "fault_test.XXXXXX");
	assert_non_null(mkdtemp(w.dir));
	world_open(&w, &plain);
	assert_int_equal(store_create(w.store, SLICE_LIT("Other"), 0),
	    STORE_OK);
	store_close(&w.store);
	world_open(&w, &o);
	disk.counting = true;
	run(&w, &m);
	store_close(&w.store);
	changes = disk.changes;
	disk.counting = false;
	disk.dead = false;
	disk.plan = PLAN_NONE;
	if (plan == PLAN_POWER || plan == PLAN_POWER_SOME)
		cut_power(plan == PLAN_POWER_SOME);
	world_open(&w, &o);
	for (box = 0; box < BOXES; box++)
		check_box(&w, &m, box);
	for (box = 0; box < BOXES; box++) {
		assert_int_equal(store_verify(w.store, slice_str(boxes[box]),
		    false, print_line, NULL, &bad), STORE_OK);
		if (bad != 0)
			fail_msg("%s differs from its index", boxes[box]);
		do_append(&w, &m, box, 1);
		assert_true(m.n[box] > 0);
		check_box(&w, &m, box);
	}
	store_close(&w.store);
	while (disk.nundos > 0)
		undo_drop(&disk.undos[--disk.nundos]);
	nftw(w.dir, world_remove, 16, FTW_DEPTH | FTW_PHYS);
	nftw(disk.graves, world_remove, 16, FTW_DEPTH | FTW_PHYS);
	return at <= changes;
}

static void
every_round(enum plan plan)
{
	const char *step = getenv("FAULT_STEP"), *from = getenv("FAULT_AT");
	unsigned at, by = step != NULL ? (unsigned)(step[0] - '0') : 5;

	/* "4:10": this plan at this call only. */
	if (from != NULL) {
		if (from[0] - '0' == (int)plan)
			one_round(plan, (unsigned)strtoul(from + 2, NULL, 10));
		return;
	}
	for (at = 1 + (unsigned)plan % by; ; at += by) {
		if (getenv("FAULT_SHOW") != NULL)
			print_error("plan %d at %u\n", (int)plan, at);
		if (!one_round(plan, at))
			return;
	}
}

static void
nothing_fails(void **arg)
{
	(void)arg;
	one_round(PLAN_NONE, 0);
}

static void
a_call_that_fails_loses_nothing(void **arg)
{
	(void)arg;
	every_round(PLAN_FAIL);
}

static void
a_killed_session_loses_nothing(void **arg)
{
	(void)arg;
	every_round(PLAN_STOP);
}

static void
a_power_cut_loses_nothing_acknowledged(void **arg)
{
	(void)arg;
	every_round(PLAN_POWER);
}

static void
a_power_cut_that_keeps_some_loses_nothing_acknowledged(void **arg)
{
	(void)arg;
	every_round(PLAN_POWER_SOME);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_fails),
		cmocka_unit_test(a_call_that_fails_loses_nothing),
		cmocka_unit_test(a_killed_session_loses_nothing),
		cmocka_unit_test(a_power_cut_loses_nothing_acknowledged),
		cmocka_unit_test(
		    a_power_cut_that_keeps_some_loses_nothing_acknowledged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
