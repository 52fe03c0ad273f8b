/* SPDX-License-Identifier: ISC */
/*
 * limits - who fails too often, and how long he waits for it.
 *
 * Failures are counted for the client, its network and the login name, and
 * drain away over a window.  A client from which a user has logged in before
 * is known for that user: what others do to his name does not lock him out.
 * The same wrong password again (a phone with the old one) counts once.
 *
 * All tables are of fixed size; where one is full, the entry that matters least
 * is replaced.  Keys are hashed with a secret, so that nobody can choose which.
 * No clock and no I/O: the time is given.
 */
#ifndef AUTH_LIMITS_H
#define AUTH_LIMITS_H

#include <stdint.h>

#include "base/slice.h"

struct limits;

struct limits_policy {
	int64_t		 window_ms;
	int64_t		 delay_ms;	/* after the first failure */
	int64_t		 delay_max_ms;
	uint64_t	 max_client;	/* failures in the window; 0: any */
	uint64_t	 max_network;
	uint64_t	 max_user;
};

struct limits	*limits_new(void);
void	 limits_free(struct limits **);
void	 limits_configure(struct limits *, const struct limits_policy *);

enum limits_verdict {
	LIMITS_GO_ON,
	LIMITS_CLIENT,		/* this client, */
	LIMITS_NETWORK,		/* its network, */
	LIMITS_USER,		/* or this name has failed too often */
};
/* Before a password is looked at.  addr: IPv4 mapped. */
enum limits_verdict limits_ask(struct limits *, const uint8_t addr[16],
	    struct slice login, int64_t now_ms);
/* Failures of a login name that count now, from wherever. */
uint64_t limits_of_user(struct limits *, struct slice login, int64_t now_ms);
/* A word for the log. */
const char *limits_verdict_name(enum limits_verdict);

/* secret: what was tried (password, token), only to see that it is the same
 * again; may be empty.  How long the answer is to be held back. */
int64_t	 limits_failed(struct limits *, const uint8_t addr[16],
	    struct slice login, struct slice secret, int64_t now_ms);
void	 limits_succeeded(struct limits *, const uint8_t addr[16],
	    struct slice login, int64_t now_ms);
/* The delay for one who is over a limit: the longest. */
int64_t	 limits_delay_max(const struct limits *);

#endif
