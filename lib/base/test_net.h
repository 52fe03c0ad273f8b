/* SPDX-License-Identifier: ISC */
/*
 * test_net - for unit tests: whether a test can talk to itself.  Where packages
 * are built there may be no network at all, not even the loopback.  Include
 * cmocka.h first.
 */
#ifndef BASE_TEST_NET_H
#define BASE_TEST_NET_H

#include <sys/socket.h>

#include <netinet/in.h>
#include <stdbool.h>
#include <unistd.h>

/* family is AF_INET or AF_INET6. */
static inline bool
has_loopback(int family)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct sockaddr *sa = family == AF_INET ? (struct sockaddr *)&in :
	    (struct sockaddr *)&at;
	socklen_t len = family == AF_INET ? sizeof(in) : sizeof(at);
	int server = socket(family, SOCK_STREAM, 0);
	int client = socket(family, SOCK_STREAM, 0);
	bool has = server != -1 && client != -1 && bind(server, sa, len) == 0 &&
	    listen(server, 1) == 0 && getsockname(server, sa, &len) == 0 &&
	    connect(client, sa, len) == 0;

	if (server != -1)
		close(server);
	if (client != -1)
		close(client);
	return has;
}

/* Skips the test; call it before there is anything to release. */
static inline void
need_loopback(void)
{
	if (!has_loopback(AF_INET))
		skip();
}

#endif
