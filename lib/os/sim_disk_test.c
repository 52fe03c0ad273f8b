/* SPDX-License-Identifier: ISC */
/* sim_disk_test - the simulated disk keeps what it promises and loses, now and
 * then, all else: what it never lost, no test of the queue would miss. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/sim_disk.h"

#define TRIES	200	/* seeds; each case that can be is met */

static char *root;
static struct sim_disk *disk;
static int dir = -1;

static int
start(void **state)
{
	(void)state;
	root = sim_dir_new(".");
	dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir != -1);
	assert_int_equal(mkdirat(dir, "a", 0700), 0);
	assert_int_equal(mkdirat(dir, "b", 0700), 0);
	disk = sim_disk_new(root);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	sim_disk_free(&disk);
	close(dir);
	sim_dir_remove(root);
	free(root);
	return 0;
}

/* A new file with this text; synced or not is the caller's business. */
static int
put(const char *path, const char *text)
{
	int fd = sim_fs.openat(dir, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd != -1);
	assert_int_equal(sim_fs.write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static void
sync_dir(const char *path)
{
	int fd = sim_fs.openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC,
	    0);

	assert_int_equal(sim_fs.fsync(fd), 0);
	close(fd);
}

/* What is left of a file: its bytes, or NULL. */
static const char *
left(const char *in, const char *path)
{
	static char text[4096];
	char full[PATH_MAX];
	ssize_t n;
	int fd;

	snprintf(full, sizeof(full), "%s/%s", in, path);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return NULL;
	n = read(fd, text, sizeof(text) - 1);
	assert_true(n >= 0);
	text[n] = '\0';
	close(fd);
	return text;
}

/* How often, of TRIES power cuts at the end, the file is not there, has this
 * text, or is there without it. */
struct tally {
	unsigned	 gone, whole, other;
};

static struct tally
cut_power(const char *path, const char *text)
{
	struct tally t = { 0, 0, 0 };
	const char *got;
	uint64_t seed;
	char *to;

	for (seed = 0; seed < TRIES; seed++) {
		to = sim_dir_new(".");
		sim_disk_restore(disk, to, sim_disk_now(disk), SIM_POWER, seed);
		got = left(to, path);
		if (got == NULL)
			t.gone++;
		else if (strcmp(got, text) == 0)
			t.whole++;
		else
			t.other++;
		sim_dir_remove(to);
		free(to);
	}
	return t;
}

static void
what_is_not_synced_is_there_or_not(void **state)
{
	struct tally t;

	(void)state;
	close(put("a/x", "text"));
	t = cut_power("a/x", "text");
	assert_true(t.gone > 0);
	assert_true(t.whole > 0);
	assert_true(t.other > 0);	/* its name without its bytes */
}

static void
a_file_is_durable_when_it_and_its_name_are(void **state)
{
	struct tally t;
	int fd;

	(void)state;
	fd = put("a/x", "text");
	assert_int_equal(sim_fs.fdatasync(fd), 0);
	t = cut_power("a/x", "text");
	assert_true(t.gone > 0);
	assert_int_equal(t.other, 0);
	sync_dir("a");
	assert_int_equal(cut_power("a/x", "text").whole, TRIES);
	/* What comes after is at risk again; what was is not. */
	assert_int_equal(sim_fs.write(fd, "s", 1), 1);
	t = cut_power("a/x", "texts");
	assert_int_equal(t.gone, 0);
	assert_true(t.whole > 0);
	assert_true(t.other > 0);
	close(fd);
}

static void
the_directory_alone_keeps_no_bytes(void **state)
{
	struct tally t;

	(void)state;
	close(put("a/x", "text"));
	sync_dir("a");
	t = cut_power("a/x", "text");
	assert_int_equal(t.gone, 0);
	assert_true(t.other > 0);
}

static void
names_go_with_files_only_where_that_is_set(void **state)
{
	int fd;

	(void)state;
	sim_disk_names_with_files(disk);
	fd = put("a/x", "text");
	assert_int_equal(sim_fs.fsync(fd), 0);
	assert_int_equal(cut_power("a/x", "text").whole, TRIES);
	close(fd);
}

static void
syncfs_keeps_all(void **state)
{
	(void)state;
	close(put("a/x", "text"));
	close(put("b/y", "more"));
	assert_int_equal(sim_fs.syncfs(dir), 0);
	assert_int_equal(cut_power("a/x", "text").whole, TRIES);
	assert_int_equal(cut_power("b/y", "more").whole, TRIES);
}

static void
a_name_that_was_removed_may_be_back(void **state)
{
	struct tally t;

	(void)state;
	close(put("a/x", "text"));
	assert_int_equal(sim_fs.syncfs(dir), 0);
	assert_int_equal(sim_fs.unlinkat(dir, "a/x", 0), 0);
	t = cut_power("a/x", "text");
	assert_true(t.gone > 0);
	assert_true(t.whole > 0);
	assert_int_equal(t.other, 0);
	sync_dir("a");
	assert_int_equal(cut_power("a/x", "text").gone, TRIES);
}

/* Of a file with one name that is renamed: how often it is found under no
 * name, under one, under two. */
static void
count_names(const char *from, const char *to, unsigned n[3])
{
	uint64_t seed;
	char *in;

	memset(n, 0, 3 * sizeof(*n));
	close(put(from, "text"));
	assert_int_equal(sim_fs.syncfs(dir), 0);
	assert_int_equal(sim_fs.renameat(dir, from, dir, to), 0);
	for (seed = 0; seed < TRIES; seed++) {
		in = sim_dir_new(".");
		sim_disk_restore(disk, in, sim_disk_now(disk), SIM_POWER, seed);
		n[(left(in, from) != NULL) + (left(in, to) != NULL)]++;
		sim_dir_remove(in);
		free(in);
	}
}

static void
a_rename_is_whole_in_one_directory_only(void **state)
{
	unsigned n[3];

	(void)state;
	count_names("a/x", "a/y", n);
	assert_int_equal(n[1], TRIES);
	count_names("a/p", "b/p", n);
	assert_int_equal(n[0], 0);
	assert_true(n[1] > 0);
	assert_true(n[2] > 0);
}

static void
a_crash_loses_at_most_a_part_of_the_last_write(void **state)
{
	size_t at, all;
	uint64_t seed;
	unsigned parts = 0;
	char *to;

	(void)state;
	close(put("a/x", "first"));
	at = sim_disk_now(disk);
	close(put("a/y", "second"));
	all = sim_disk_now(disk);
	for (seed = 0; seed < TRIES; seed++) {
		to = sim_dir_new(".");
		sim_disk_restore(disk, to, all - 1, SIM_CRASH, seed);
		assert_string_equal(left(to, "a/x"), "first");
		assert_int_equal(strncmp(left(to, "a/y"), "second",
		    strlen(left(to, "a/y"))), 0);
		parts += strlen(left(to, "a/y")) > 0;
		sim_dir_remove(to);
		free(to);
	}
	assert_true(parts > 0);
	to = sim_dir_new(".");
	sim_disk_restore(disk, to, at, SIM_CRASH, 1);
	assert_null(left(to, "a/y"));
	sim_dir_remove(to);
	free(to);
}

static void
the_same_seed_leaves_the_same(void **state)
{
	char *one, *two, first[100];
	uint64_t seed;

	(void)state;
	close(put("a/x", "text"));
	for (seed = 0; seed < 20; seed++) {
		one = sim_dir_new(".");
		two = sim_dir_new(".");
		sim_disk_restore(disk, one, sim_disk_now(disk), SIM_POWER,
		    seed);
		sim_disk_restore(disk, two, sim_disk_now(disk), SIM_POWER,
		    seed);
		snprintf(first, sizeof(first), "%s", left(one, "a/x") == NULL ?
		    "none" : left(one, "a/x"));
		assert_string_equal(first, left(two, "a/x") == NULL ? "none" :
		    left(two, "a/x"));
		sim_dir_remove(one);
		sim_dir_remove(two);
		free(one);
		free(two);
	}
}

static void
the_nth_call_fails(void **state)
{
	int fd;

	(void)state;
	fd = put("a/x", "text");
	sim_disk_fail(disk, SIM_ONCE, 2, ENOSPC);
	assert_int_equal(sim_fs.write(fd, "1", 1), 1);
	assert_false(sim_disk_failed(disk));
	assert_int_equal(sim_fs.write(fd, "2", 1), -1);
	assert_int_equal(errno, ENOSPC);
	assert_true(sim_disk_failed(disk));
	assert_int_equal(sim_fs.write(fd, "3", 1), 1);
	sim_disk_fail(disk, SIM_SHORT, 1, 0);
	assert_int_equal(sim_fs.write(fd, "4567", 4), 2);
	assert_int_equal(sim_fs.write(fd, "67", 2), 2);
	sim_disk_fail(disk, SIM_DEAD, 1, 0);
	assert_int_equal(sim_fs.fsync(fd), -1);
	assert_int_equal(sim_fs.write(fd, "8", 1), -1);
	assert_int_equal(errno, EIO);
	sim_disk_fail(disk, SIM_NONE, 0, 0);
	assert_int_equal(sim_fs.syncfs(dir), 0);
	assert_int_equal(cut_power("a/x", "text134567").whole, TRIES);
	close(fd);
}

static void
a_call_that_is_left_out_keeps_nothing(void **state)
{
	int fd;

	(void)state;
	sim_disk_leave_out(disk, "fsync", "a/*");
	fd = put("a/x", "text");
	assert_int_equal(sim_fs.fsync(fd), 0);
	sync_dir("a");
	assert_int_equal(sim_disk_left_out(disk), 1);
	assert_true(cut_power("a/x", "text").other > 0);
	close(fd);
}

#define T(name)	cmocka_unit_test_setup_teardown(name, start, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_not_synced_is_there_or_not),
		T(a_file_is_durable_when_it_and_its_name_are),
		T(the_directory_alone_keeps_no_bytes),
		T(names_go_with_files_only_where_that_is_set),
		T(syncfs_keeps_all),
		T(a_name_that_was_removed_may_be_back),
		T(a_rename_is_whole_in_one_directory_only),
		T(a_crash_loses_at_most_a_part_of_the_last_write),
		T(the_same_seed_leaves_the_same),
		T(the_nth_call_fails),
		T(a_call_that_is_left_out_keeps_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
