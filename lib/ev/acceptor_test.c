/* SPDX-License-Identifier: ISC */
/* Connections: who the client is, and what happens without descriptors. */
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/test_net.h"
#include "ev/acceptor.h"

/* What was seen of the last connection. */
static struct {
	struct peer	 peer;
	char		 name[20];
	int		 kind;
	int		 fd;
	unsigned	 n;
	unsigned	 pauses;
} seen;
static struct ev_loop loop;
static struct acceptor_list all;

static void
accepted(void *arg, const struct acceptor *from, int fd_take,
    const struct peer *peer)
{
	assert_ptr_equal(arg, &seen);
	assert_int_not_equal(fcntl(fd_take, F_GETFL) & O_NONBLOCK, 0);
	seen.peer = *peer;
	snprintf(seen.name, sizeof(seen.name), "%s", from->name);
	seen.kind = from->kind;
	if (seen.fd != -1)
		close(seen.fd);
	seen.fd = fd_take;
	seen.n++;
}

static void
paused(void *arg, int error)
{
	assert_ptr_equal(arg, &seen);
	assert_int_equal(error, EMFILE);
	seen.pauses++;
}

static int
set_up(void **state)
{
	(void)state;
	ev_loop_init(&loop);
	LIST_INIT(&all);
	memset(&seen, 0, sizeof(seen));
	seen.fd = -1;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	acceptors_free(&all);
	if (seen.fd != -1)
		close(seen.fd);
	ev_loop_clear(&loop);
	return 0;
}

union address {
	struct sockaddr		sa;
	struct sockaddr_in	in;
	struct sockaddr_in6	in6;
	struct sockaddr_un	un;
};

/* A listener on a free port of the loopback; *at_r and the length are what a
 * client connects to. */
static socklen_t
listen_on(int family, union address *at_r)
{
	static const struct acceptor_ops ops = { accepted, paused };
	socklen_t len = sizeof(*at_r);
	int fd, no = 0;

	if (family != AF_UNIX)
		need_loopback();
	memset(at_r, 0, sizeof(*at_r));
	at_r->sa.sa_family = (sa_family_t)family;
	fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(fd != -1);
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
	assert_int_equal(bind(fd, &at_r->sa, family == AF_UNIX ?
	    sizeof(sa_family_t) : family == AF_INET ? sizeof(at_r->in) :
	    sizeof(at_r->in6)), 0);
	assert_int_equal(listen(fd, 100), 0);
	assert_int_equal(getsockname(fd, &at_r->sa, &len), 0);
	if (family == AF_INET)
		at_r->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else if (family == AF_INET6)
		at_r->in6.sin6_addr = in6addr_loopback;
	acceptor_new(&all, &loop, 7, "public", fd, &ops, &seen);
	return len;
}

/* Connects and is accepted, if that can be. */
static int
dial(const union address *to, socklen_t len)
{
	int fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd != -1);
	assert_int_equal(connect(fd, &to->sa, len), 0);
	ev_turn(&loop, 1000);
	return fd;
}

static void
expect_peer(const char *text, int family)
{
	assert_int_equal(seen.n, 1);
	seen.n = 0;
	assert_string_equal(seen.peer.text, text);
	assert_int_equal(seen.peer.family, family);
	assert_string_equal(seen.name, "public");
	assert_int_equal(seen.kind, 7);
	assert_true(peer_is_local(&seen.peer));
	assert_int_equal(peer_is_loopback(&seen.peer), family != AF_UNIX);
}

static void
clients_are_known_by_their_address(void **state)
{
	union address at;
	char uid[40];
	socklen_t len;
	int fd;

	(void)state;
	len = listen_on(AF_INET, &at);
	fd = dial(&at, len);
	expect_peer("127.0.0.1", AF_INET);
	close(fd);

	len = listen_on(AF_UNIX, &at);
	fd = dial(&at, len);
	snprintf(uid, sizeof(uid), "uid=%u", (unsigned)getuid());
	expect_peer(uid, AF_UNIX);
	close(fd);
}

static void
clients_are_known_by_their_ipv6_address(void **state)
{
	union address at, mapped;
	socklen_t len;
	int fd;

	(void)state;
	if (!has_loopback(AF_INET6))
		skip();
	len = listen_on(AF_INET6, &at);
	fd = dial(&at, len);
	expect_peer("::1", AF_INET6);
	close(fd);

	/* A socket for both families shows IPv4 as ::ffff:127.0.0.1. */
	mapped = at;
	assert_int_equal(inet_pton(AF_INET6, "::ffff:127.0.0.1",
	    &mapped.in6.sin6_addr), 1);
	fd = dial(&mapped, len);
	expect_peer("127.0.0.1", AF_INET);
	close(fd);
}

static void
others_are_not_local(void **state)
{
	const struct peer other = { .family = AF_INET, .addr = { [10] = 0xff,
	    [11] = 0xff, 192, 0, 2, 1 } };
	/* Its last byte is that of ::1, and byte 12 that of 127.0.0.0. */
	const struct peer six = { .family = AF_INET6, .addr = { 0x20, 1, 0xd,
	    0xb8, [12] = 127, [15] = 1 } };
	struct peer own = other;

	(void)state;
	assert_false(peer_is_local(&other));
	assert_false(peer_is_loopback(&six));
	assert_false(peer_is_local(&six));
	memcpy(own.ours, own.addr, sizeof(own.ours));
	assert_true(peer_is_local(&own));
	assert_false(peer_is_loopback(&own));
}

static void
without_descriptors_clients_wait(void **state)
{
	struct rlimit was, none;
	union address at;
	socklen_t len = listen_on(AF_INET, &at);
	int64_t until = clock_mono_ms() + 10000;
	int i, fd, turns = 0;

	(void)state;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd != -1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = (rlim_t)fd + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(connect(fd, &at.sa, len), 0);
	ev_turn(&loop, 1000);
	assert_int_equal(seen.n, 0);
	assert_int_equal(seen.pauses, 1);
	/* The loop rests meanwhile: it would turn thousands of times. */
	for (i = 0; i < 100 && clock_mono_ms() < until - 9800; i++, turns++)
		ev_turn(&loop, 50);
	assert_true(turns < 50);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	while (seen.n == 0 && clock_mono_ms() < until)
		ev_turn(&loop, 100);
	expect_peer("127.0.0.1", AF_INET);
	close(fd);
}

static void
socket_that_ended_is_let_go(void **state)
{
	union address at;

	(void)state;
	listen_on(AF_INET, &at);
	/* As master does at a reload. */
	shutdown(LIST_FIRST(&all)->fd, SHUT_RDWR);
	ev_turn(&loop, 1000);
	assert_true(LIST_EMPTY(&all));
}

int
main(void)
{
#define TEST(name)	cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(clients_are_known_by_their_address),
		TEST(clients_are_known_by_their_ipv6_address),
		TEST(others_are_not_local),
		TEST(without_descriptors_clients_wait),
		TEST(socket_that_ended_is_let_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
