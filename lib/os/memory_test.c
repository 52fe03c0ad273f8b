/* SPDX-License-Identifier: ISC */
/* memory_test - what those who share a memory can do to it, and what not. */
#include <sys/mman.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/memory.h"

#define BYTES	4096

static void
a_text_stays_as_it_is(void **state)
{
	char got[16];
	int fd = memory_of_text("test", SLICE_LIT("a chain\n"));

	(void)state;
	assert_int_not_equal(fd, -1);
	assert_int_equal(pread(fd, got, sizeof(got), 0), 8);
	assert_memory_equal(got, "a chain\n", 8);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(pwrite(fd, "x", 1, 8), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	close(fd);
	fd = memory_of_text("test", SLICE_EMPTY);
	assert_int_not_equal(fd, -1);
	assert_int_equal(pread(fd, got, sizeof(got), 0), 0);
	close(fd);
}

static char *
map(int fd, int how)
{
	void *p = mmap(NULL, BYTES, how, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void
shared_memory_keeps_its_size(void **state)
{
	int fd = memory_shared("test", BYTES);
	char *p = map(fd, PROT_READ | PROT_WRITE);
	char got;

	(void)state;
	assert_non_null(p);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(ftruncate(fd, 2 * BYTES), -1);
	p[BYTES - 1] = 'x';
	assert_int_equal(pread(fd, &got, 1, BYTES - 1), 1);
	assert_int_equal(got, 'x');
	munmap(p, BYTES);
	close(fd);
}

static void
who_wrote_before_goes_on_and_nobody_else_begins(void **state)
{
	int fd = memory_shared("test", BYTES);
	char *writer = map(fd, PROT_READ | PROT_WRITE), *reader;

	(void)state;
	assert_int_equal(memory_close_to_writers(fd), 0);
	assert_null(map(fd, PROT_READ | PROT_WRITE));
	reader = map(fd, PROT_READ);
	assert_non_null(reader);
	writer[0] = 'x';
	assert_int_equal(reader[0], 'x');
	munmap(writer, BYTES);
	munmap(reader, BYTES);
	close(fd);
}

static void
a_reader_cannot_write(void **state)
{
	int fd = memory_shared("test", BYTES), reader = memory_reader(fd);
	char *p = map(reader, PROT_READ);

	(void)state;
	assert_int_not_equal(reader, -1);
	assert_null(map(reader, PROT_READ | PROT_WRITE));
	assert_int_equal(pwrite(reader, "x", 1, 0), -1);
	assert_int_equal(pwrite(fd, "x", 1, 0), 1);
	assert_int_equal(p[0], 'x');
	munmap(p, BYTES);
	close(reader);
	close(fd);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_stays_as_it_is),
		cmocka_unit_test(shared_memory_keeps_its_size),
		cmocka_unit_test(
		    who_wrote_before_goes_on_and_nobody_else_begins),
		cmocka_unit_test(a_reader_cannot_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
