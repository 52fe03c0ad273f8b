/* SPDX-License-Identifier: ISC */
/* maildir_test - copies in Maildirs: names, repeats, and what is left when any
 * call fails or was the last one before a crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/wait.h>

#include <ftw.h>
#include <signal.h>

#include "base/num.h"
#include "maildir.h"
#include "store/staging.h"
#include "test_dir.h"

#define ID		UINT64_C(0x123456789)
#define ARRIVED		INT64_C(1763840000123)
#define MESSAGE		"Subject: x\r\n\r\nbody\r\n"
#define OTHERS		4000	/* more than are read at once */
#define STORED_BYTES	(11 + 17)	/* P: prefixes\n and the rest */

struct box {
	const char		*dir;
	char			 path[PATH_MAX];
	struct durable		 durable;
	struct maildirs		*maildirs;
	struct content		 content;
	struct maildir_copy	 copy;
};

/* Whether files are made in staging; every case has to hold either way. */
static bool	 staged;

static void
box_open(struct box *b, const char *dir, const struct fs *fs,
    enum durable_mode mode)
{
	struct job j = { .content = SLICE_LIT(MESSAGE) };

	b->dir = dir;
	test_path(b->path, sizeof(b->path), "%s/example.org/user/Maildir", dir);
	durable_init(&b->durable, fs, mode);
	b->maildirs = maildirs_new(fs, &b->durable, "mx.example:x/y,z",
	    staged ? dir : "", 2, 0);
	content_init(&b->content);
	content_set(&b->content, &j, -1);
	b->copy = (struct maildir_copy){ .path = slice_str(b->path),
		.root = slice_str(dir), .queue_id = ID, .number = 7,
		.arrived_ms = ARRIVED, .prefix = SLICE_LIT("P: prefix!\n"),
		.content = &b->content };
}

static void
box_close(struct box *b)
{
	maildirs_free(&b->maildirs);
	durable_clear(&b->durable);
	content_clear(&b->content);
}

/* One attempt, as the worker makes it: true means that qmgr was told. */
static bool
attempt(const char *dir, const struct fs *fs, enum durable_mode mode,
    bool maybe_done)
{
	struct box b;
	bool ok;

	box_open(&b, dir, fs, mode);
	b.copy.maybe_done = maybe_done;
	ok = maildir_store(b.maildirs, &b.copy) == MAILDIR_STORED;
	if (!durable_now(&b.durable))
		ok = false;
	box_close(&b);
	return ok;
}

static int	 nfiles;

static int
count_file(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)path;
	(void)st;
	(void)ftw;
	nfiles += flag == FTW_F;
	return 0;
}

static int
files_staged(const char *dir)
{
	char path[PATH_MAX];

	test_path(path, sizeof(path), "%s/" STAGING_NAME, dir);
	nfiles = 0;
	nftw(path, count_file, 16, FTW_PHYS);
	return nfiles;
}

static void
assert_one_copy(const char *dir, int in_tmp)
{
	struct test_entries new, tmp;

	new = test_list(dir, "example.org/user/Maildir/new");
	tmp = test_list(dir, "example.org/user/Maildir/tmp");
	assert_int_equal(files_staged(dir), 0);
	assert_int_equal(new.n, 1);
	assert_int_equal(new.size, STORED_BYTES);
	assert_int_equal(tmp.n, in_tmp);
}

static void
name_tells_time_id_and_sizes(void **state)
{
	const char *dir = test_dir();
	struct test_entries e;

	(void)state;
	assert_true(attempt(dir, &fs_real, DURABLE_AUTO, false));
	e = test_list(dir, "example.org/user/Maildir/new");
	assert_non_null(strstr(e.name, "1763840000.M123000Q"));
	assert_non_null(strstr(e.name, queue_id_text(ID).s));
	assert_non_null(strstr(e.name, "R7.mx.example\\072x\\057y\\054z,S=28,"
	    "W=32"));
	assert_one_copy(dir, 0);
	sim_dir_remove(dir);
}

static void
repeat_finds_the_copy_wherever_it_went(void **state)
{
	const char *dir = test_dir();
	char from[PATH_MAX], to[PATH_MAX + 32];
	struct test_entries e;

	(void)state;
	assert_true(attempt(dir, &fs_real, DURABLE_FILESYSTEM, true));
	assert_true(attempt(dir, &fs_real, DURABLE_FILESYSTEM, true));
	assert_one_copy(dir, 0);
	e = test_list(dir, "example.org/user/Maildir/new");
	test_path(from, sizeof(from), "%s/example.org/user/Maildir/new/%s", dir,
	    e.name);
	test_path(to, sizeof(to), "%s/example.org/user/Maildir/cur/%s:2,S", dir,
	    e.name);
	assert_int_equal(rename(from, to), 0);
	assert_true(attempt(dir, &fs_real, DURABLE_FILESYSTEM, true));
	assert_int_equal(test_list(dir, "example.org/user/Maildir/new").n, 0);
	assert_int_equal(test_list(dir, "example.org/user/Maildir/cur").n, 1);
	sim_dir_remove(dir);
}

/* A user at work: flags of the copy, and of others, change all the time. */
static void
change_flags(const char *cur, const char *name)
{
	char plain[PATH_MAX], seen[PATH_MAX], other[PATH_MAX], next[PATH_MAX];
	unsigned i;

	test_path(plain, sizeof(plain), "%s/%s:2,", cur, name);
	test_path(seen, sizeof(seen), "%s/%s:2,S", cur, name);
	for (i = 0; getppid() != 1; i++) {
		test_path(other, sizeof(other), "%s/%u.x:2,", cur, i % OTHERS);
		test_path(next, sizeof(next), "%s/%u.x:2,F", cur, i % OTHERS);
		if (rename(plain, seen) == -1 || rename(seen, plain) == -1 ||
		    (rename(other, next) == -1 && rename(next, other) == -1))
			break;
	}
}

static void
repeat_finds_a_copy_whose_name_changes_all_the_time(void **state)
{
	const char *dir = test_dir();
	char cur[PATH_MAX], from[PATH_MAX], to[PATH_MAX];
	struct test_entries e;
	unsigned i, found = 0;
	pid_t pid;
	int fd;

	(void)state;
	assert_true(attempt(dir, &fs_real, DURABLE_FILESYSTEM, false));
	e = test_list(dir, "example.org/user/Maildir/new");
	test_path(cur, sizeof(cur), "%s/example.org/user/Maildir/cur", dir);
	test_path(from, sizeof(from), "%s/../new/%s", cur, e.name);
	test_path(to, sizeof(to), "%s/%s:2,", cur, e.name);
	assert_int_equal(rename(from, to), 0);
	for (i = 0; i < OTHERS; i++) {
		test_path(from, sizeof(from), "%s/%u.x:2,", cur, i);
		fd = open(from, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		assert_true(fd != -1);
		close(fd);
	}
	pid = fork();
	if (pid == 0) {
		change_flags(cur, e.name);
		_exit(0);
	}
	for (i = 0; i < 100; i++) {
		found += attempt(dir, &fs_real, DURABLE_FILESYSTEM, true);
		assert_int_equal(test_list(dir, "example.org/user/Maildir/new")
		    .n, 0);
	}
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(attempt(dir, &fs_real, DURABLE_FILESYSTEM, true));
	assert_int_equal(test_list(dir, "example.org/user/Maildir/new").n, 0);
	print_message("found %u of %u times\n", found, i);
	sim_dir_remove(dir);
}

static void
copy_cut_short_by_a_power_cut_is_replaced(void **state)
{
	const char *dir = test_dir();
	char path[PATH_MAX];
	off_t size;

	(void)state;
	assert_true(attempt(dir, &fs_real, DURABLE_AUTO, false));
	for (size = 0; size < STORED_BYTES; size++) {
		test_path(path, sizeof(path),
		    "%s/example.org/user/Maildir/new/%s", dir,
		    test_list(dir, "example.org/user/Maildir/new").name);
		assert_int_equal(truncate(path, size), 0);
		assert_true(attempt(dir, &fs_real, DURABLE_AUTO, true));
		assert_one_copy(dir, 0);
	}
	sim_dir_remove(dir);
}

/* The design's "a crash never makes a duplicate in a Maildir".  crash_test.c
 * has power cuts, and many messages. */
static void
crash_at_any_change_leaves_one_copy_after_the_retry(void **state)
{
	static const enum durable_mode modes[] = { DURABLE_AUTO,
		DURABLE_FILESYSTEM, DURABLE_FILE };
	char dir[PATH_MAX];
	struct sim_disk *disk;
	const char *left;
	size_t i, at;

	(void)state;
	for (i = 0; i < 3; i++) {
		test_path(dir, sizeof(dir), "%s", test_dir());
		disk = sim_disk_new(dir);
		assert_true(attempt(dir, &sim_fs, modes[i], false));
		sim_disk_stop(disk);
		assert_true(sim_disk_now(disk) > 10);
		for (at = 0; at <= sim_disk_now(disk); at++) {
			left = test_dir();
			sim_disk_restore(disk, left, at, SIM_CRASH, at);
			assert_true(attempt(left, &fs_real, modes[i], true));
			assert_one_copy(left, 0);
			sim_dir_remove(left);
		}
		sim_disk_free(&disk);
		sim_dir_remove(dir);
	}
}

/* A delivery whose n-th call fails, and its retry.  False where there are not
 * so many. */
static bool
deliver_failing(enum sim_failure failure, size_t n, int error)
{
	const char *dir = test_dir();
	struct sim_disk *disk = sim_disk_new(dir);
	bool ok, failed;

	sim_disk_fail(disk, failure, n, error);
	ok = attempt(dir, &sim_fs, DURABLE_AUTO, false);
	failed = sim_disk_failed(disk);
	sim_disk_stop(disk);
	sim_disk_free(&disk);
	assert_true(ok || failure == SIM_ONCE);
	if (ok)
		assert_one_copy(dir, 0);
	assert_true(attempt(dir, &fs_real, DURABLE_AUTO, true));
	assert_one_copy(dir, 0);
	sim_dir_remove(dir);
	return failed;
}

static void
failure_of_any_call_is_told_and_mended_by_the_retry(void **state)
{
	static const int errors[] = { EIO, ENOSPC, EDQUOT };
	size_t i, n;

	(void)state;
	for (i = 0; i < 3; i++) {
		for (n = 1; deliver_failing(SIM_ONCE, n, errors[i]); n++)
			assert_true(n < 100);
		assert_true(n > 5);
	}
}

static void
short_writes_are_completed(void **state)
{
	size_t n;

	(void)state;
	for (n = 1; deliver_failing(SIM_SHORT, n, 0); n++)
		;
	assert_true(n > 1);
}

static void
nothing_is_made_outside_of_the_root(void **state)
{
	const char *dir = test_dir();
	char root[PATH_MAX], path[PATH_MAX];
	struct box b;
	size_t i;
	static const char *const paths[] = { "mail/../x/Maildir",
		"other/Maildir", "mailx/Maildir", "mail/./a", "none/a" };

	(void)state;
	test_path(root, sizeof(root), "%s/mail", dir);
	assert_int_equal(mkdir(root, 0700), 0);
	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		box_open(&b, dir, &fs_real, DURABLE_AUTO);
		test_path(path, sizeof(path), "%s/%s", dir, paths[i]);
		b.copy.path = slice_str(path);
		b.copy.root = slice_str(root);
		assert_int_equal(maildir_store(b.maildirs, &b.copy),
		    MAILDIR_FAILED);
		box_close(&b);
	}
	assert_int_equal(test_list(dir, "").n, 1);
	assert_int_equal(test_list(dir, "mail").n, 0);
	sim_dir_remove(dir);
}

static void
home_that_is_missing_is_not_made(void **state)
{
	const char *dir = test_dir();
	char root[PATH_MAX], path[PATH_MAX];
	struct box b;

	(void)state;
	test_path(root, sizeof(root), "%s/home", dir);
	test_path(path, sizeof(path), "%s/home/Maildir", dir);
	box_open(&b, dir, &fs_real, DURABLE_AUTO);
	b.copy.path = slice_str(path);
	b.copy.root = slice_str(root);
	assert_int_equal(maildir_store(b.maildirs, &b.copy), MAILDIR_FAILED);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(mkdir(root, 0700), 0);
	assert_int_equal(maildir_store(b.maildirs, &b.copy), MAILDIR_STORED);
	assert_true(durable_now(&b.durable));
	assert_int_equal(test_list(root, "Maildir/new").n, 1);
	box_close(&b);
	sim_dir_remove(dir);
}

static void
maildir_that_was_replaced_is_noticed(void **state)
{
	const char *dir = test_dir();
	char old[PATH_MAX + 8];
	struct box b;

	(void)state;
	box_open(&b, dir, &fs_real, DURABLE_FILESYSTEM);
	assert_int_equal(maildir_store(b.maildirs, &b.copy), MAILDIR_STORED);
	sim_dir_remove(b.path);
	b.copy.number++;
	assert_int_equal(maildir_store(b.maildirs, &b.copy), MAILDIR_STORED);
	assert_int_equal(test_list(b.path, "new").n, 1);
	test_path(old, sizeof(old), "%s.old", b.path);
	assert_int_equal(rename(b.path, old), 0);
	b.copy.number++;
	assert_int_equal(maildir_store(b.maildirs, &b.copy), MAILDIR_STORED);
	assert_int_equal(test_list(b.path, "new").n, 1);
	assert_int_equal(test_list(old, "new").n, 1);
	assert_true(durable_now(&b.durable));
	box_close(&b);
	sim_dir_remove(dir);
}

static void
more_maildirs_than_may_be_open(void **state)
{
	const char *dir = test_dir();
	char path[PATH_MAX + 32];
	struct box b;
	int i;

	(void)state;
	box_open(&b, dir, &fs_real, DURABLE_AUTO);
	for (i = 0; i < 20; i++) {
		test_path(path, sizeof(path), "%s/u%d/Maildir", dir, i % 5);
		b.copy.path = slice_str(path);
		b.copy.number = (uint32_t)i;
		assert_int_equal(maildir_store(b.maildirs, &b.copy),
		    MAILDIR_STORED);
	}
	assert_true(durable_now(&b.durable));
	for (i = 0; i < 5; i++) {
		test_path(path, sizeof(path), "u%d/Maildir/new", i);
		assert_int_equal(test_list(dir, path).n, 4);
	}
	box_close(&b);
	sim_dir_remove(dir);
}

/* Somebody may tidy up by hand. */
static void
staging_that_is_gone_is_done_without(void **state)
{
	const char *dir = test_dir();
	char path[PATH_MAX];
	struct box b;

	(void)state;
	test_path(path, sizeof(path), "%s/" STAGING_NAME, dir);
	box_open(&b, dir, &fs_real, DURABLE_AUTO);
	for (b.copy.number = 0; b.copy.number < 3; b.copy.number++) {
		assert_int_equal(maildir_store(b.maildirs, &b.copy),
		    MAILDIR_STORED);
		sim_dir_remove(path);
	}
	assert_true(durable_now(&b.durable));
	assert_int_equal(test_list(b.path, "new").n, 3);
	box_close(&b);
	sim_dir_remove(dir);
}

static int
stage(void **state)
{
	(void)state;
	staged = true;
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_tells_time_id_and_sizes),
		cmocka_unit_test(repeat_finds_the_copy_wherever_it_went),
		cmocka_unit_test(
		    repeat_finds_a_copy_whose_name_changes_all_the_time),
		cmocka_unit_test(copy_cut_short_by_a_power_cut_is_replaced),
		cmocka_unit_test(
		    crash_at_any_change_leaves_one_copy_after_the_retry),
		cmocka_unit_test(
		    failure_of_any_call_is_told_and_mended_by_the_retry),
		cmocka_unit_test(short_writes_are_completed),
		cmocka_unit_test(nothing_is_made_outside_of_the_root),
		cmocka_unit_test(home_that_is_missing_is_not_made),
		cmocka_unit_test(maildir_that_was_replaced_is_noticed),
		cmocka_unit_test(more_maildirs_than_may_be_open),
		cmocka_unit_test(staging_that_is_gone_is_done_without),
	};

	return cmocka_run_group_tests_name("tmp", tests, NULL, NULL) +
	    cmocka_run_group_tests_name("staging", tests, stage, NULL);
}
