/* SPDX-License-Identifier: ISC */
/* Counts of clients, shared by processes that need not trust each other. */
#include <sys/mman.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "ipc/rate.h"

static uint64_t
client(const char *text)
{
	uint8_t addr[16] = { [10] = 0xff, [11] = 0xff };

	if (inet_pton(AF_INET, text, addr + 12) != 1)
		assert_int_equal(inet_pton(AF_INET6, text, addr), 1);
	return rate_client(addr);
}

static void
clients_are_addresses_or_prefixes(void **state)
{
	(void)state;
	assert_true(client("192.0.2.1") != client("192.0.2.2"));
	assert_true(client("2001:db8::1") == client("2001:db8::ffff:1"));
	assert_true(client("2001:db8::1") != client("2001:db8:0:1::1"));
	assert_true(client("::1") != 0);
}

static void
windows_slide(void **state)
{
	struct rate r;
	uint64_t c = client("192.0.2.1");
	struct rate_use use;
	int i;

	(void)state;
	rate_init(&r);
	for (i = 0; i < 10; i++)
		rate_connected(&r, c, 100);
	for (i = 0; i < 4; i++)
		rate_message(&r, c, 100);
	rate_disconnected(&r, c);
	use = rate_of(&r, c, 100, 500);
	assert_int_equal(use.sessions, 9);
	assert_int_equal(use.connections, 10);
	assert_int_equal(use.messages, 4);
	/* A quarter of the next is over: three quarters of this one count. */
	use = rate_of(&r, c, 101, 250);
	assert_int_equal(use.connections, 7);
	assert_int_equal(use.messages, 3);
	rate_message(&r, c, 101);
	assert_int_equal(rate_of(&r, c, 101, 250).messages, 4);
	use = rate_of(&r, c, 102, 0);
	assert_int_equal(use.connections, 0);
	assert_int_equal(use.messages, 1);
	use = rate_of(&r, c, 200, 0);
	assert_int_equal(use.messages, 0);
	assert_int_equal(use.sessions, 9);
	assert_int_equal(rate_of(&r, client("192.0.2.2"), 100, 0).sessions, 0);
	rate_clear(&r);
}

static int
shared_memory(off_t size)
{
	int fd = memfd_create("rate", MFD_CLOEXEC);

	assert_true(fd != -1);
	assert_int_equal(ftruncate(fd, size), 0);
	return fd;
}

static void
processes_count_together(void **state)
{
	int fd = shared_memory(RATE_BYTES);
	struct rate a, b;
	uint64_t c = client("192.0.2.1");

	(void)state;
	rate_init(&a);
	rate_init(&b);
	assert_int_equal(rate_share(&a, fd, 0), 0);
	assert_int_equal(rate_share(&b, fd, 5), 0);
	rate_connected(&a, c, 1);
	rate_connected(&b, c, 1);
	rate_connected(&b, c, 1);
	assert_int_equal(rate_of(&a, c, 1, 0).sessions, 3);
	assert_int_equal(rate_of(&b, c, 1, 0).connections, 3);
	/* One dies, and its successor has none of its sessions. */
	rate_clear(&b);
	rate_init(&b);
	assert_int_equal(rate_share(&b, fd, 5), 0);
	assert_int_equal(rate_of(&a, c, 1, 0).sessions, 1);
	rate_clear(&a);
	rate_clear(&b);
	close(fd);
}

static void
memory_that_cannot_be_used(void **state)
{
	int fd = shared_memory(RATE_BYTES - 1);
	struct rate r;

	(void)state;
	rate_init(&r);
	assert_int_equal(rate_share(&r, fd, 0), -1);
	assert_int_equal(rate_share(&r, -1, 0), -1);
	close(fd);
	fd = shared_memory(RATE_BYTES);
	assert_int_equal(rate_share(&r, fd, RATE_PROCESSES), -1);
	rate_connected(&r, 1, 1);
	assert_int_equal(rate_of(&r, 1, 1, 0).sessions, 1);
	rate_clear(&r);
	close(fd);
}

static void
hostile_memory_only_miscounts(void **state)
{
	int fd = shared_memory(RATE_BYTES);
	struct rate r;
	uint64_t c = client("192.0.2.1");
	void *p;

	(void)state;
	rate_init(&r);
	assert_int_equal(rate_share(&r, fd, 3), 0);
	p = mmap(NULL, RATE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(p != MAP_FAILED);
	memset(p, 0xff, RATE_BYTES);
	rate_connected(&r, c, 1);
	rate_message(&r, c, 1);
	rate_disconnected(&r, c);
	rate_of(&r, c, 1, 999);
	rate_of(&r, UINT64_MAX, UINT32_MAX, 1000);
	munmap(p, RATE_BYTES);
	rate_clear(&r);
	close(fd);
}

static void
more_clients_than_places(void **state)
{
	struct rate r;
	uint64_t c, kept = client("192.0.2.1");

	(void)state;
	rate_init(&r);
	rate_connected(&r, kept, 1);
	for (c = 1000; c < 101000; c++)
		rate_message(&r, c, 2);
	/* Open sessions are not displaced. */
	assert_int_equal(rate_of(&r, kept, 2, 0).sessions, 1);
	for (c = 1000; c < 101000; c++)
		rate_connected(&r, c, 2);
	assert_int_equal(rate_of(&r, kept, 2, 0).sessions, 1);
	for (c = 1000; c < 101000; c++)
		rate_disconnected(&r, c);
	rate_clear(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clients_are_addresses_or_prefixes),
		cmocka_unit_test(windows_slide),
		cmocka_unit_test(processes_count_together),
		cmocka_unit_test(memory_that_cannot_be_used),
		cmocka_unit_test(hostile_memory_only_miscounts),
		cmocka_unit_test(more_clients_than_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
