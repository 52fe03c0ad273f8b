/* SPDX-License-Identifier: ISC */
/* staging_test - whose directories are removed, and when another is tried. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/test_files.h"
#include "os/sim_disk.h"
#include "staging.h"

static struct {
	char		 dir[64];
	struct sim_disk	*disk;
	dev_t		 dev;
	struct staging	*staging;
} t;

static int
start(void **state)
{
	struct stat st;

	(void)state;
	snprintf(t.dir, sizeof(t.dir), "staging_test.XXXXXX");
	assert_non_null(mkdtemp(t.dir));
	t.disk = sim_disk_new(t.dir);
	assert_int_equal(stat(t.dir, &st), 0);
	t.dev = st.st_dev;
	t.staging = staging_new(&sim_fs, t.dir, false);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	staging_free(&t.staging);
	sim_disk_free(&t.disk);
	test_remove(t.dir);
	return 0;
}

static int
entries_of(const char *sub)
{
	int n = 0, dir = open(t.dir, O_RDONLY | O_DIRECTORY);
	DIR *d = fs_list(&fs_real, dir, sub, 0);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	if (d != NULL)
		closedir(d);
	close(dir);
	return n;
}

/* So many files, made as quickly; the directory after that. */
static ino_t
make(unsigned n, int64_t us)
{
	struct stat st;

	for (; n > 0; n--) {
		assert_int_not_equal(staging_dir(t.staging, t.dev), -1);
		staging_took(t.staging, us);
	}
	assert_int_equal(fstat(staging_dir(t.staging, t.dev), &st), 0);
	return st.st_ino;
}

static void
nothing_is_made_before_it_is_needed(void **state)
{
	(void)state;
	assert_int_equal(entries_of("."), 0);
}

static void
other_file_system_has_none(void **state)
{
	(void)state;
	assert_int_not_equal(staging_dir(t.staging, t.dev), -1);
	assert_int_equal(staging_dir(t.staging, t.dev + 1), -1);
}

static void
another_directory_is_tried_where_all_of_a_window_are_slow(void **state)
{
	ino_t first = make(0, 0), second;

	(void)state;
	assert_int_equal(make(10 * STAGING_WINDOW, STAGING_SLOW_US), first);
	assert_int_equal(make(STAGING_WINDOW - 1, STAGING_SLOW_US + 1), first);
	assert_int_equal(make(1, 1), first);
	second = make(STAGING_WINDOW, STAGING_SLOW_US + 1);
	assert_int_not_equal(second, first);
	assert_int_equal(make(10 * STAGING_WINDOW, 1), second);
	assert_int_not_equal(make(STAGING_WINDOW, STAGING_SLOW_US + 1),
	    second);
}

/* It may be that the machine is slow: the tries become rare. */
static void
tries_become_rare_where_none_helps(void **state)
{
	ino_t before = make(0, 0), now;
	unsigned i, tries = 0;

	(void)state;
	for (i = 0; i < 10 * STAGING_PATIENCE; i++) {
		now = make(STAGING_WINDOW, 10 * STAGING_SLOW_US);
		tries += now != before;
		before = now;
	}
	assert_in_range(tries, 10, 20);
}

static void
what_a_dead_process_left_is_removed_and_what_a_live_one_has_is_not(
    void **state)
{
	struct staging *other;
	int dir, fd, status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		dir = staging_dir(t.staging, t.dev);
		_exit(openat(dir, "x", O_CREAT | O_WRONLY, 0600) == -1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(entries_of(STAGING_NAME), 1);

	dir = staging_dir(t.staging, t.dev);
	assert_int_equal(entries_of(STAGING_NAME), 1);
	fd = openat(dir, "y", O_CREAT | O_WRONLY, 0600);
	assert_int_not_equal(fd, -1);
	close(fd);

	other = staging_new(&sim_fs, t.dir, false);
	assert_int_not_equal(staging_dir(other, t.dev), -1);
	assert_int_equal(entries_of(STAGING_NAME), 2);
	assert_int_equal(faccessat(dir, "y", F_OK, 0), 0);
	staging_free(&other);
	assert_int_equal(entries_of(STAGING_NAME), 1);
	staging_free(&t.staging);
	assert_int_equal(entries_of(STAGING_NAME), 0);
	t.staging = staging_new(&sim_fs, t.dir, false);
}

/* Otherwise another place is of no use. */
static bool
file_system_has_places(void)
{
	int dir = open(t.dir, O_RDONLY | O_DIRECTORY);
	bool has = fs_spread(dir);

	close(dir);
	return has;
}

/* So many files, the quickest of them as quick; whether they are all made here
 * or all elsewhere. */
static bool
are_staged(struct staging *s, unsigned n, int64_t us)
{
	unsigned i, staged = 0;
	int64_t took;

	for (i = 0; i < n; i++) {
		took = i == n / 2 ? us : 10 * us;
		if (staging_dir(s, t.dev) == -1)
			staging_elsewhere_took(s, took);
		else {
			staging_took(s, took);
			staged++;
		}
	}
	assert_true(staged == 0 || staged == n);
	return staged > 0;
}

/* A session's: most make few files. */
static void
late_one_begins_when_files_made_elsewhere_take_long(void **state)
{
	struct staging *late = staging_new(&sim_fs, t.dir, true);
	bool has = file_system_has_places();

	(void)state;
	assert_false(are_staged(late, STAGING_FIRST, STAGING_SLOW_US));
	assert_false(are_staged(late, STAGING_FIRST, STAGING_SLOW_US));
	assert_false(are_staged(late, STAGING_FIRST, STAGING_SLOW_US + 1));
	assert_int_equal(are_staged(late, STAGING_FIRST, 10), has);
	assert_int_equal(are_staged(late, 2 * STAGING_WINDOW, 10), has);
	assert_int_equal(entries_of(STAGING_NAME), has);
	staging_free(&late);
	assert_int_equal(entries_of(STAGING_NAME), 0);
}

static void
late_one_ends_where_it_is_in_vain(void **state)
{
	struct staging *late = staging_new(&sim_fs, t.dir, true);
	bool has = file_system_has_places();

	(void)state;
	assert_false(are_staged(late, STAGING_FIRST, 200));
	assert_int_equal(are_staged(late, STAGING_FIRST, 101), has);
	assert_false(are_staged(late, 8 * STAGING_FIRST, 200));
	assert_int_equal(entries_of(STAGING_NAME), 0);
	assert_int_equal(are_staged(late, 8 * STAGING_FIRST, 100), has);
	assert_int_equal(are_staged(late, STAGING_WINDOW, 200), has);
	staging_free(&late);
}

static void
what_cannot_be_had_is_asked_for_later(void **state)
{
	(void)state;
	sim_disk_fail(t.disk, SIM_ONCE, 1, EIO);
	assert_int_equal(staging_dir(t.staging, t.dev), -1);
	assert_int_equal(staging_dir(t.staging, t.dev), -1);
	assert_int_equal(sim_disk_counted(t.disk), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)
		TEST(nothing_is_made_before_it_is_needed),
		TEST(other_file_system_has_none),
		TEST(another_directory_is_tried_where_all_of_a_window_are_slow),
		TEST(tries_become_rare_where_none_helps),
		TEST(what_a_dead_process_left_is_removed_and_what_a_live_one_has_is_not),
		TEST(late_one_begins_when_files_made_elsewhere_take_long),
		TEST(late_one_ends_where_it_is_in_vain),
		TEST(what_cannot_be_had_is_asked_for_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
