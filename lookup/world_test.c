/* SPDX-License-Identifier: ISC */
/* world_test - included files and system users as the machine has them. */
#include <sys/stat.h>

#include <fcntl.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "includes.h"
#include "users.h"

static char	 dir[64], path[100];

static int
make_directory(void **state)
{
	(void)state;
	memcpy(dir, "/tmp/world_test.XXXXXX", sizeof("/tmp/world_test.XXXXXX"));
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/list", dir);
	return 0;
}

static int
remove_directory(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static void
put_file(const char *text, mode_t mode)
{
	char fresh[120];
	int fd;

	snprintf(fresh, sizeof(fresh), "%s.new", path);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	assert_int_equal(rename(fresh, path), 0);
}

/* The text, or "!" and why. */
static const char *
read_list(struct includes *in, const char *name)
{
	static struct buf out = { .max = 65536 };
	struct buf why = BUF_INIT(1024);
	struct slice text;

	buf_reset(&out);
	if (includes_read(in, slice_str(name), geteuid(), &text, &why) == 0) {
		buf_add(&out, text);
	} else {
		buf_add_byte(&out, '!');
		buf_add(&out, buf_slice(&why));
	}
	buf_clear(&why);
	return buf_cstr(&out);
}

static void
an_included_file_is_read_again_when_it_changes(void **state)
{
	struct includes *in = includes_new();

	(void)state;
	put_file("one\n", 0644);
	assert_string_equal(read_list(in, path), "one\n");
	assert_string_equal(read_list(in, path), "one\n");
	assert_false(includes_check(in));
	put_file("two\n", 0644);
	assert_string_equal(read_list(in, path), "two\n");
	put_file("three\n", 0644);
	assert_true(includes_check(in));
	assert_false(includes_check(in));
	assert_string_equal(read_list(in, path), "three\n");
	assert_int_equal(unlink(path), 0);
	assert_string_equal(read_list(in, path), "!No such file or directory");
	includes_free(&in);
	assert_null(in);
}

static void
what_others_could_have_written_is_refused(void **state)
{
	struct includes *in = includes_new();

	(void)state;
	put_file("x\n", 0666);
	assert_string_equal(read_list(in, path), "!everybody can write to it");
	put_file("x\n", 0664);
	assert_string_equal(read_list(in, path), "x\n");
	if (geteuid() == 0) {	/* only root can give files away */
		assert_int_equal(chown(path, 12345, (gid_t)-1), 0);
		assert_string_equal(read_list(in, path), "!neither root nor "
		    "the table's owner owns it");
	}
	assert_string_equal(read_list(in, dir), "!not a regular file");
	includes_free(&in);
}

static void
a_file_that_is_too_large_is_refused(void **state)
{
	struct includes *in = includes_new();

	(void)state;
	put_file("x\n", 0644);
	assert_int_equal(truncate(path, INCLUDE_BYTES + 1), 0);
	assert_string_equal(read_list(in, path), "!larger than 4 MiB");
	includes_free(&in);
}

static void
many_files_take_bounded_memory(void **state)
{
	struct includes *in = includes_new();
	char name[140];
	int i;

	(void)state;
	put_file("x\n", 0644);
	for (i = 0; i < INCLUDES_MAX + 100; i++) {
		/* One file by many paths. */
		snprintf(name, sizeof(name), "%s/%.*s/list", dir, i % 20,
		    "././././././././././");
		assert_int_not_equal(read_list(in, name)[0], '\0');
	}
	includes_free(&in);
}

static void
users_of_the_system_are_found(void **state)
{
	struct users *u = users_new();
	struct passwd *pw = getpwuid(0);
	struct user user = { 0 };
	int i;

	(void)state;
	assert_non_null(pw);
	for (i = 0; i < 2; i++) {
		assert_int_equal(users_find(u, slice_str(pw->pw_name), &user),
		    USER_FOUND);
		assert_int_equal(user.uid, 0);
		assert_true(slice_eq(user.home, slice_str(pw->pw_dir)));
	}
	assert_false(users_check(u));
	users_free(&u);
	assert_null(u);
}

static void
names_that_no_user_has_are_not_asked_for(void **state)
{
	static const char *const names[] = { "", "-", "+", "a:b", "a/b", "../x",
		"no-such-user-here", "\xc3\xbc", "a b", "a\nb",
		"a12345678901234567890123456789012345678901234567890123456789"
		"12345" };
	struct users *u = users_new();
	struct user user;
	char name[32];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(users_find(u, slice_str(names[i]), &user),
		    USER_UNKNOWN);
	assert_int_equal(users_find(u, slice_of("root\0x", 6), &user),
	    USER_UNKNOWN);
	/* A stranger's guesses do not fill the memory. */
	for (i = 0; i < USERS_MAX + 10; i++) {
		snprintf(name, sizeof(name), "no-user-%zu", i);
		assert_int_equal(users_find(u, slice_str(name), &user),
		    USER_UNKNOWN);
	}
	users_free(&u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_included_file_is_read_again_when_it_changes),
		cmocka_unit_test(what_others_could_have_written_is_refused),
		cmocka_unit_test(a_file_that_is_too_large_is_refused),
		cmocka_unit_test(many_files_take_bounded_memory),
		cmocka_unit_test(users_of_the_system_are_found),
		cmocka_unit_test(names_that_no_user_has_are_not_asked_for),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
