/* SPDX-License-Identifier: ISC */
/* quota_test - maildirsize, and what is counted where it is odd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/time.h>

#include "base/test_guard.h"
#include "maildir.h"
#include "store/quota.h"
#include "test_dir.h"

static const struct {
	const char	*in;
	bool		 ok;
	struct quota	 limits, used;
	unsigned	 lines;
} cases[] = {
	{ "1000S,20C\n300 2\n", true, { 1000, 20 }, { 300, 2 }, 1 },
	{ "20C,1000S\n300 2\n-100 -1\n  7 \t1\n", true, { 1000, 20 },
	    { 207, 2 }, 3 },
	/* as Courier pads it */
	{ "1000S\n         300            2\n", true, { 1000, 0 }, { 300, 2 },
	    1 },
	{ "\n300 2\n", true, { 0, 0 }, { 300, 2 }, 1 },
	{ "5Z,1000S\n", true, { 1000, 0 }, { 0, 0 }, 0 },
	{ "", false, { 0, 0 }, { 0, 0 }, 0 },
	{ "1000S,20C", false, { 0, 0 }, { 0, 0 }, 0 },
	{ "1000S,20C\n300 2", false, { 0, 0 }, { 0, 0 }, 0 },
	{ "1000S,20C\n300\n", false, { 0, 0 }, { 0, 0 }, 0 },
	{ "1000S,20C\n300 2 x\n", false, { 0, 0 }, { 0, 0 }, 0 },
	{ "1000S,20C\n\n", false, { 0, 0 }, { 0, 0 }, 0 },
	{ "1000S,20C\n-1 2\n", false, { 0, 0 }, { 0, 0 }, 0 },
	{ "1000S,20C\n1 -2\n", false, { 0, 0 }, { 0, 0 }, 0 },
	{ "1000,20C\n1 2\n", false, { 0, 0 }, { 0, 0 }, 0 },
	{ "xS\n1 2\n", false, { 0, 0 }, { 0, 0 }, 0 },
	{ "99999999999999999999S\n1 2\n", false, { 0, 0 }, { 0, 0 },
	    0 },
	{ "1S\n9223372036854775807 1\n1 1\n", false, { 0, 0 }, { 0, 0 },
	    0 },
	{ "1S\n9223372036854775808 1\n", false, { 0, 0 }, { 0, 0 }, 0 },
	{ "1S\n- 1\n", false, { 0, 0 }, { 0, 0 }, 0 },
};

static void
text_is_understood(void **state)
{
	struct quota limits, used;
	struct guard g;
	unsigned lines;
	enum parse r;
	size_t i;

	(void)state;
	guard_init(&g, 200);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		r = maildirsize_parse(guard_copy(&g, slice_str(cases[i].in)),
		    &limits, &used, &lines);
		if ((r == PARSE_OK) != cases[i].ok)
			print_error("case %zu: %s\n", i, cases[i].in);
		assert_int_equal(r, cases[i].ok ? PARSE_OK : PARSE_BAD);
		if (!cases[i].ok)
			continue;
		assert_int_equal(limits.bytes, cases[i].limits.bytes);
		assert_int_equal(limits.messages, cases[i].limits.messages);
		assert_int_equal(used.bytes, cases[i].used.bytes);
		assert_int_equal(used.messages, cases[i].used.messages);
		assert_int_equal(lines, cases[i].lines);
	}
	guard_clear(&g);
}

static const char *dir;

static void
put_file(const char *name, size_t bytes)
{
	static const char zeros[5000];
	char path[PATH_MAX];
	int fd;

	test_path(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd != -1);
	assert_int_equal(write(fd, zeros, bytes), bytes);
	close(fd);
}

static void
remove_file(const char *name)
{
	char path[PATH_MAX];

	test_path(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(unlink(path), 0);
}

static void
put_dir(const char *name)
{
	char path[PATH_MAX];

	test_path(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

/* As if nothing had changed for a while. */
static void
age_directories(void)
{
	static const char *const names[] = { "new", "cur", ".Sent/cur" };
	struct timeval times[2] = { { 1763840000, 0 }, { 1763840000, 0 } };
	char path[PATH_MAX];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		test_path(path, sizeof(path), "%s/%s", dir, names[i]);
		assert_int_equal(utimes(path, times), 0);
	}
}

static void
put_text(const char *text, int seconds_old)
{
	char path[PATH_MAX];
	struct timeval times[2];
	int fd;

	test_path(path, sizeof(path), "%s/maildirsize", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	gettimeofday(&times[0], NULL);
	times[0].tv_sec -= seconds_old;
	times[1] = times[0];
	assert_int_equal(futimes(fd, times), 0);
	close(fd);
}

static void
assert_text(const char *want)
{
	char path[PATH_MAX], got[200];
	ssize_t n;
	int fd;

	test_path(path, sizeof(path), "%s/maildirsize", dir);
	fd = open(path, O_RDONLY);
	n = read(fd, got, sizeof(got) - 1);
	assert_true(n >= 0);
	got[n] = '\0';
	assert_string_equal(got, want);
	close(fd);
}

static int
make_maildir(void **state)
{
	(void)state;
	dir = test_dir();
	put_dir("cur");
	put_dir("new");
	put_dir("tmp");
	put_dir(".Sent");
	put_dir(".Sent/cur");
	put_dir("files");
	put_file("cur/1.a.host,S=1000,W=1010:2,S", 3);	/* the name counts */
	put_file("new/2.b.host", 200);
	put_file("new/.hidden", 5000);
	put_file(".Sent/cur/3.c.host,S=30:2,", 30);
	put_file("files/x", 4000);
	put_file("tmp/4.d.host", 4000);
	age_directories();
	return 0;
}

static int
remove_maildir(void **state)
{
	(void)state;
	sim_dir_remove(dir);
	return 0;
}

static int
has_room(int fd, const struct quota *limits, uint64_t bytes, uint64_t messages)
{
	return quota_has_room(&fs_real, fd, limits,
	    &(struct quota){ bytes, messages });
}

static void
missing_or_odd_file_is_made_anew(void **state)
{
	static const char *const odd[] = { NULL, "junk\n", "1S,2C\n1 1\n",
		"5000S,10C\n1230 3\n7", "5000S,10C\n-5 1\n" };
	struct quota limits = { 5000, 10 }, used;
	int fd = open(dir, O_RDONLY | O_DIRECTORY);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		if (odd[i] != NULL)
			put_text(odd[i], 0);
		assert_int_equal(has_room(fd, &limits, 1, 1), 1);
		assert_int_equal(quota_used(&fs_real, fd, 1, &used), 0);
		assert_int_equal(used.bytes, 1230);
		assert_int_equal(used.messages, 3);
		assert_text("5000S,10C\n1230 3\n");
	}
	assert_int_equal(test_list(dir, "tmp").n, 1);
	close(fd);
}

static void
file_that_grew_long_is_made_anew(void **state)
{
	struct quota limits = { 5000, 10 };
	int fd = open(dir, O_RDONLY | O_DIRECTORY), i;

	(void)state;
	put_text("5000S,10C\n0 0\n", 0);
	for (i = 0; i < MAILDIRSIZE_BYTES / 4; i++)
		quota_change(&fs_real, fd, 1, 1);
	assert_int_equal(has_room(fd, &limits, 1, 1), 1);
	assert_text("5000S,10C\n1230 3\n");
	close(fd);
}

static void
full_is_believed_only_of_a_fresh_file(void **state)
{
	struct quota limits = { 5000, 10 }, used;
	int fd = open(dir, O_RDONLY | O_DIRECTORY);

	(void)state;
	put_text("5000S,10C\n4000 3\n", 0);
	assert_int_equal(has_room(fd, &limits, 1000, 1), 1);
	assert_int_equal(has_room(fd, &limits, 1001, 1), 0);
	assert_text("5000S,10C\n4000 3\n");
	put_text("5000S,10C\n4000 3\n", 16 * 60);
	assert_int_equal(has_room(fd, &limits, 1001, 1), 1);
	assert_text("5000S,10C\n1230 3\n");
	put_text("5000S,10C\n2000 1\n2000 1\n", 0);
	assert_int_equal(has_room(fd, &limits, 1001, 1), 1);
	/* Somebody deletes without telling. */
	put_text("5000S,10C\n4990 3\n", 0);
	assert_int_equal(has_room(fd, &limits, 100, 1), 0);
	assert_int_equal(quota_used(&fs_real, fd, 100, &used), 0);
	assert_int_equal(used.bytes, 4990);
	put_text("5000S,10C\n4990 3\n", 10);
	remove_file(".Sent/cur/3.c.host,S=30:2,");
	assert_int_equal(quota_used(&fs_real, fd, 10, &used), 0);
	assert_int_equal(used.bytes, 4990);	/* it has room for that */
	assert_int_equal(quota_used(&fs_real, fd, 100, &used), 0);
	assert_int_equal(used.bytes, 1200);
	assert_text("5000S,10C\n1200 2\n");
	put_file(".Sent/cur/3.c.host,S=30:2,", 30);
	age_directories();
	/* Messages are limited too. */
	put_text("5000S,10C\n100 10\n", 0);
	assert_int_equal(has_room(fd, &limits, 1, 1), 0);
	put_text("5000S,10C\n100 8\n", 0);
	assert_int_equal(has_room(fd, &limits, 1, 2), 1);
	assert_int_equal(has_room(fd, &limits, 1, 3), 0);
	limits.messages = 3;
	assert_int_equal(has_room(fd, &limits, 1, 1), 0);
	assert_text("5000S,3C\n1230 3\n");
	close(fd);
}

static void
deliveries_are_added_and_refused(void **state)
{
	struct job j = { .content = SLICE_LIT("A: b\r\n\r\n") };
	struct content content;
	struct durable d;
	struct maildirs *ms;
	struct quota used;
	struct maildir_copy c = { .path = slice_str(dir), .quota_messages = 4,
		.quota_bytes = 2000, .prefix = SLICE_EMPTY };

	(void)state;
	durable_init(&d, &fs_real, DURABLE_AUTO);
	ms = maildirs_new(&fs_real, &d, "host", "", 2, 0);
	content_init(&content);
	content_set(&content, &j, -1);
	c.content = &content;
	assert_int_equal(maildir_store(ms, &c), MAILDIR_STORED);
	assert_text("2000S,4C\n1230 3\n6 1\n");
	assert_int_equal(maildir_used(ms, slice_str(dir), 0, &used), 0);
	assert_int_equal(used.bytes, 1236);
	assert_int_equal(used.messages, 4);
	c.number++;
	assert_int_equal(maildir_store(ms, &c), MAILDIR_FULL);
	c.quota_bytes = 5;
	assert_int_equal(maildir_store(ms, &c), MAILDIR_TOO_LARGE);
	assert_int_equal(test_list(dir, "new").n, 2);
	maildirs_free(&ms);
	durable_clear(&d);
	content_clear(&content);
}

#define T(name)	\
	cmocka_unit_test_setup_teardown(name, make_maildir, remove_maildir)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_understood),
		T(missing_or_odd_file_is_made_anew),
		T(file_that_grew_long_is_made_anew),
		T(full_is_believed_only_of_a_fresh_file),
		T(deliveries_are_added_and_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
