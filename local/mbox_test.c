/* SPDX-License-Identifier: ISC */
/* mbox_test - quoting at every division, and files after every failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/wait.h>

#include <signal.h>

#include "base/test_guard.h"
#include "mbox.h"
#include "test_dir.h"

static const struct {
	const char	*in;
	const char	*out;
} cases[] = {
	{ "", "" },
	{ "From a\n", ">From a\n" },
	{ "From", "From" },
	{ "From ", ">From " },
	{ "From\n", "From\n" },
	{ "from a\n", "from a\n" },
	{ " From a\n", " From a\n" },
	{ ">From a\n", ">>From a\n" },
	{ ">>From a\n>x\n>>", ">>>From a\n>x\n>>" },
	{ "> From a\n", "> From a\n" },
	{ "x\n\nFrom a\nFFrom a\nFroFrom \n", "x\n\n>From a\nFFrom a\n"
	    "FroFrom \n" },
	{ "Fr>From a\n", "Fr>From a\n" },
};

static void
from_is_quoted(void **state)
{
	struct buf out = BUF_INIT(1000);
	struct guard g;
	struct slice in;
	size_t i, step, n;

	(void)state;
	guard_init(&g, 200);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (step = 1; step < 20; step++) {
			struct from_quoter q = { 0 };

			in = guard_copy(&g, slice_str(cases[i].in));
			for (; in.n > 0; in = slice_from(in, n)) {
				n = in.n < step ? in.n : step;
				from_quote(&q, slice_first(in, n), &out);
			}
			from_quote_end(&q, &out);
			assert_string_equal(buf_cstr(&out), cases[i].out);
			buf_reset(&out);
		}
	guard_clear(&g);
	buf_clear(&out);
}

#define FIRST	"From x Thu Jan  1 00:00:00 1970\nA: b\n\nold\n\n"
#define SECOND	"From s@client.example Sat Nov 22 19:33:20 2025\n"	\
		"P: q\nSubject: x\n\n>From y\n\n"

static const char *dir;
static char path[PATH_MAX];

static void
put_first(void)
{
	int fd;

	dir = test_dir();
	test_path(path, sizeof(path), "%s/box", dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, FIRST, strlen(FIRST)), strlen(FIRST));
	close(fd);
}

static void
assert_file(const char *want)
{
	char got[1000];
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, got, sizeof(got) - 1);

	assert_true(n >= 0);
	got[n] = '\0';
	assert_string_equal(got, want);
	close(fd);
}

static int
append(const struct fs *fs)
{
	struct job j = { .content = SLICE_LIT("Subject: x\r\n\r\nFrom y\r\n") };
	struct content content;
	struct mbox_copy c = { .path = slice_str(path),
		.reverse_path = SLICE_LIT("s@client.example"),
		.now_ms = INT64_C(1763840000000), .prefix = SLICE_LIT("P: q\n"),
		.content = &content };
	int r, error;

	content_init(&content);
	content_set(&content, &j, -1);
	r = mbox_append(fs, &c);
	error = errno;
	content_clear(&content);
	errno = error;
	return r;
}

static void
message_is_appended(void **state)
{
	(void)state;
	put_first();
	assert_int_equal(append(&fs_real), 0);
	assert_file(FIRST SECOND);
	unlink(path);
	assert_int_equal(append(&fs_real), 0);
	assert_file(SECOND);
	sim_dir_remove(dir);
}

static void
failure_of_any_call_leaves_the_file_as_it_was(void **state)
{
	struct sim_disk *disk;
	size_t n;
	int r = -1;

	(void)state;
	for (n = 1; r == -1; n++) {
		put_first();
		disk = sim_disk_new(dir);
		sim_disk_fail(disk, SIM_ONCE, n, ENOSPC);
		r = append(&sim_fs);
		sim_disk_stop(disk);
		sim_disk_free(&disk);
		assert_file(r == 0 ? FIRST SECOND : FIRST);
		sim_dir_remove(dir);
	}
	assert_true(n > 2);
}

static void
only_regular_files_are_written(void **state)
{
	char other[PATH_MAX];

	(void)state;
	put_first();
	test_path(other, sizeof(other), "%s/other", dir);
	assert_int_equal(rename(path, other), 0);
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(append(&fs_real), -1);
	assert_int_equal(errno, ELOOP);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(append(&fs_real), -1);
	assert_int_equal(errno, EINVAL);
	sim_dir_remove(dir);
}

static void
locked_file_is_left_alone(void **state)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd, ready[2];
	char c = 0;
	pid_t pid;

	(void)state;
	put_first();
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		fd = open(path, O_RDWR);
		if (fcntl(fd, F_SETLK, &l) == 0)
			(void)!write(ready[1], &c, 1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(append(&fs_real), -1);
	assert_int_equal(errno, EAGAIN);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(append(&fs_real), 0);
	assert_file(FIRST SECOND);
	close(ready[0]);
	close(ready[1]);
	sim_dir_remove(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_is_quoted),
		cmocka_unit_test(message_is_appended),
		cmocka_unit_test(failure_of_any_call_leaves_the_file_as_it_was),
		cmocka_unit_test(only_regular_files_are_written),
		cmocka_unit_test(locked_file_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
