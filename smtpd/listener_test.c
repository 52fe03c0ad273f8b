/* SPDX-License-Identifier: ISC */
/* Connections: who the client is, and what happens without descriptors. */
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/test_net.h"
#include "fake.h"
#include "listener.h"
#include "replies.h"

static struct fake f;
static struct listener_list listeners;

static int
set_up(void **state)
{
	(void)state;
	fake_init(&f, "hostname = mx.example.org\nlog.level = error\n");
	LIST_INIT(&listeners);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	while (!LIST_EMPTY(&listeners))
		listener_free(LIST_FIRST(&listeners));
	fake_clear(&f);
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
	listener_new(&listeners, &f.smtpd, LISTENER_SMTP, "public", fd);
	return len;
}

static int
dial(const union address *to, socklen_t len)
{
	int fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd != -1);
	assert_int_equal(connect(fd, &to->sa, len), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	fake_settle(&f);
	return fd;
}

static void
expect_client(const char *text, int family)
{
	uint32_t i;

	for (i = 0; i < f.smtpd.nslots; i++)
		if (f.smtpd.slots[i] != NULL) {
			assert_string_equal(f.smtpd.slots[i]->client.text,
			    text);
			assert_int_equal(f.smtpd.slots[i]->client.family,
			    family);
			return;
		}
	fail_msg("no session");
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
	expect_client("127.0.0.1", AF_INET);
	close(fd);
	fake_settle(&f);

	len = listen_on(AF_UNIX, &at);
	fd = dial(&at, len);
	snprintf(uid, sizeof(uid), "uid=%u", (unsigned)getuid());
	expect_client(uid, AF_UNIX);
	close(fd);
	fake_settle(&f);
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
	expect_client("::1", AF_INET6);
	close(fd);
	fake_settle(&f);

	/* A socket for both families shows IPv4 as ::ffff:127.0.0.1. */
	mapped = at;
	assert_int_equal(inet_pton(AF_INET6, "::ffff:127.0.0.1",
	    &mapped.in6.sin6_addr), 1);
	fd = dial(&mapped, len);
	expect_client("127.0.0.1", AF_INET);
	close(fd);
	fake_settle(&f);
}

static void
without_descriptors_clients_wait(void **state)
{
	struct rlimit was, none;
	union address at;
	socklen_t len = listen_on(AF_INET, &at);
	struct buf got = BUF_INIT(1000);
	int64_t until = clock_mono_ms() + 10000;
	int i, fd, turns = 0;
	bool eof;

	(void)state;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd != -1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = (rlim_t)fd + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(connect(fd, &at.sa, len), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	fake_settle(&f);
	assert_int_equal(f.smtpd.nsessions, 0);
	/* The loop rests meanwhile: it would turn thousands of times. */
	for (i = 0; i < 100 && clock_mono_ms() < until - 9800; i++, turns++)
		ev_turn(&f.loop, 50);
	assert_true(turns < 50);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	while (f.smtpd.nsessions == 0 && clock_mono_ms() < until)
		ev_turn(&f.loop, 100);
	fake_settle(&f);
	fake_receive(fd, &got, &eof);
	assert_true(fake_matches(buf_slice(&got), HELLO));
	buf_clear(&got);
	close(fd);
}

static void
socket_that_ended_is_let_go(void **state)
{
	union address at;

	(void)state;
	listen_on(AF_INET, &at);
	/* As master does at a reload. */
	shutdown(LIST_FIRST(&listeners)->fd, SHUT_RDWR);
	fake_settle(&f);
	assert_true(LIST_EMPTY(&listeners));
}

int
main(void)
{
#define TEST(name)	cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(clients_are_known_by_their_address),
		TEST(clients_are_known_by_their_ipv6_address),
		TEST(without_descriptors_clients_wait),
		TEST(socket_that_ended_is_let_go),
	};

	log_open("test", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
