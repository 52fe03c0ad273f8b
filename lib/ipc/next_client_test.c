/* SPDX-License-Identifier: ISC */
/* next_client_test - a line: what comes, what does not, and both ends' ends. */
#include <sys/socket.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/next_client.h"

static int line[2], client[2];

static int
set_up(void **state)
{
	(void)state;
	assert_int_equal(next_client_line(line), 0);
	assert_int_equal(pipe(client), 0);
	return 0;
}

static int
tear_down(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		close(line[i]);
		close(client[i]);
	}
	return 0;
}

static void
descriptors_come_in_their_order(void **state)
{
	int got[NEXT_CLIENT_FDS], round;
	char byte;

	(void)state;
	for (round = 0; round < 2; round++) {
		assert_int_equal(next_client_send(line[0], client), 0);
		assert_int_equal(next_client_wait(line[1], got), 0);
		assert_int_equal(write(got[1], "x", 1), 1);
		assert_int_equal(read(got[0], &byte, 1), 1);
		close(got[0]);
		close(got[1]);
	}
}

static void
nobody_comes_along_a_closed_line(void **state)
{
	int got[NEXT_CLIENT_FDS];

	(void)state;
	/* what was sent before is still there */
	assert_int_equal(next_client_send(line[0], client), 0);
	close(line[0]);
	line[0] = -1;
	assert_int_equal(next_client_wait(line[1], got), 0);
	close(got[0]);
	close(got[1]);
	assert_int_equal(next_client_wait(line[1], got), -1);
}

static void
nobody_is_there_at_a_closed_line(void **state)
{
	(void)state;
	close(line[1]);
	line[1] = -1;
	assert_int_equal(next_client_send(line[0], client), -1);
	/* and the descriptors are still the caller's */
	assert_int_equal(write(client[1], "x", 1), 1);
}

static void
nothing_goes_to_master(void **state)
{
	(void)state;
	assert_int_equal(send(line[1], "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	descriptors_come_in_their_order(state);
}

static void
byte_without_descriptors_is_nobody(void **state)
{
	int got[NEXT_CLIENT_FDS];

	(void)state;
	assert_int_equal(send(line[0], "", 1, 0), 1);
	assert_int_equal(next_client_wait(line[1], got), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(descriptors_come_in_their_order),
		TEST(nobody_comes_along_a_closed_line),
		TEST(nobody_is_there_at_a_closed_line),
		TEST(nothing_goes_to_master),
		TEST(byte_without_descriptors_is_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
