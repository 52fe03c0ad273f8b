/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/test_guard.h"
#include "ipc/certificates.h"
#include "pem.h"

static char dir[] = "/tmp/pem_test.XXXXXX";
static char path[64];

static int
setup(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/a.pem", dir);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static void
write_file(const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, n), n);
	close(fd);
}

static void
a_file_is_read_whole(void **state)
{
	struct buf text = BUF_INIT(CERTIFICATE_CHAIN_BYTES), why =
	    BUF_INIT(1000);
	struct stamp stamp, again;

	(void)state;
	write_file("a chain\n", 8);
	assert_int_equal(pem_read(path, &text, &stamp, &why), 0);
	assert_slice_equal(buf_slice(&text), SLICE_LIT("a chain\n"));
	assert_int_equal(why.n, 0);
	again = pem_stamp(path);
	assert_memory_equal(&stamp, &again, sizeof(stamp));
	buf_clear(&text);
	buf_clear(&why);
}

static void
another_file_has_another_stamp(void **state)
{
	struct stamp was, now, none;

	(void)state;
	write_file("a chain\n", 8);
	was = pem_stamp(path);
	write_file("a chain that is longer\n", 23);
	now = pem_stamp(path);
	assert_memory_not_equal(&was, &now, sizeof(was));
	unlink(path);
	now = pem_stamp(path);
	memset(&none, 0, sizeof(none));
	assert_memory_equal(&now, &none, sizeof(now));
}

/* Each with a line that names it. */
static void
assert_refused(size_t max)
{
	struct buf why = BUF_INIT(1000);
	struct stamp stamp;

	assert_int_equal(pem_open(path, max, &stamp, &why), -1);
	assert_true(slice_starts(buf_slice(&why), slice_str(path)));
	assert_int_equal(why.p[why.n - 1], '\n');
	buf_reset(&why);
	assert_int_equal(pem_check(path, max, &why), -1);
	assert_true(slice_starts(buf_slice(&why), slice_str(path)));
	buf_clear(&why);
}

static void
what_is_no_such_file_is_refused(void **state)
{
	(void)state;
	unlink(path);
	assert_refused(100);			/* none */
	write_file("", 0);
	assert_refused(100);
	write_file("12345678", 8);
	assert_refused(7);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);	/* must not block */
	assert_refused(100);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_refused(1000000);
	rmdir(path);
}

static void
a_file_of_the_greatest_size_is_taken(void **state)
{
	struct buf why = BUF_INIT(1000);

	(void)state;
	write_file("12345678", 8);
	assert_int_equal(pem_check(path, 8, &why), 0);
	assert_int_equal(why.n, 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_read_whole),
		cmocka_unit_test(another_file_has_another_stamp),
		cmocka_unit_test(what_is_no_such_file_is_refused),
		cmocka_unit_test(a_file_of_the_greatest_size_is_taken),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
