/* SPDX-License-Identifier: ISC */
/*
 * rate - sessions, connections and messages of each client.
 *
 * All processes of a role count together in memory that they share.  Each has a
 * table of its own there, which only it writes, and reads those of the others:
 * nothing is locked, and a process that dies leaves counts that its successor
 * clears.  The memory's contents are not trusted: they can make limits wrong,
 * and nothing else.
 *
 * A client is an IPv4 address or an IPv6 /64.
 */
#ifndef IPC_RATE_H
#define IPC_RATE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define RATE_PROCESSES	64
#define RATE_WAYS	8		/* clients that share a place */
#define RATE_SETS	2048

/* Relaxed atomics: other processes read while the owner writes. */
struct rate_entry {
	_Atomic uint64_t client;	/* 0: free */
	_Atomic uint32_t sessions;	/* open now */
	_Atomic uint32_t window;	/* number of the window counted */
	_Atomic uint32_t connections[2]; /* in it, and in the one before */
	_Atomic uint32_t messages[2];
};

struct rate_table {
	struct rate_entry v[RATE_SETS][RATE_WAYS];
};

struct rate_memory {
	_Atomic uint32_t processes;	/* tables in use: those below this */
	uint32_t	 unused[1023];	/* tables begin at a page */
	struct rate_table tables[RATE_PROCESSES];
};

struct rate {
	struct rate_memory *memory;	/* mapped or own */
	unsigned	 self;		/* the table that this process writes */
	size_t		 bytes;
};

struct rate_use {
	uint64_t	 sessions;
	uint64_t	 connections;	/* in the last window, about */
	uint64_t	 messages;
};

#define RATE_BYTES	sizeof(struct rate_memory)

/* Counts in memory of its own, until rate_share(). */
void	 rate_init(struct rate *);
/* Before any session.  -1: fd cannot be used, and counts stay this process's
 * own.  fd stays the caller's. */
int	 rate_share(struct rate *, int fd, unsigned self);
void	 rate_clear(struct rate *);

uint64_t rate_client(const uint8_t addr[16]);
void	 rate_connected(struct rate *, uint64_t client, uint32_t window);
void	 rate_disconnected(struct rate *, uint64_t client);
void	 rate_message(struct rate *, uint64_t client, uint32_t window);
/* part: how much of the window is over, 0 to 1000. */
struct rate_use rate_of(const struct rate *, uint64_t client, uint32_t window,
	    unsigned part);

#endif
