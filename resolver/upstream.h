/* SPDX-License-Identifier: ISC */
/*
 * upstream - libunbound, set up from our configuration.
 *
 * Everything is asked of the given name servers (forwarding), with
 * libunbound's cache before them, and with validation where wanted.
 */
#ifndef RESOLVER_UPSTREAM_H
#define RESOLVER_UPSTREAM_H

#include "base/arena.h"
#include "base/buf.h"
#include "conf/conf.h"
#include "dns/dns.h"
#include "servers.h"
#include "ub_loop.h"

#define ANCHORS_BYTES	65536

struct upstream;

struct upstream_conf {
	const struct servers	*servers;
	bool			 dnssec;
	struct slice		 anchors;	/* DS and DNSKEY lines */
	uint64_t		 cache_bytes;
	unsigned		 sockets;	/* at once */
};

/* Reads no files.  NULL and why when libunbound will not have it. */
struct upstream *upstream_new(struct ub_loop *, const struct upstream_conf *,
	    struct buf *why);
/* Callbacks of open questions do not run any more. */
void	 upstream_free(struct upstream **);

/* fn runs exactly once, perhaps before this returns; what it is given is valid
 * until it returns.  why is for the log, or NULL. */
typedef void (*upstream_fn)(void *arg, const struct dns_answer *,
	    const char *why);
void	 upstream_ask(struct upstream *, enum dns_type, const char *name,
	    upstream_fn, void *arg);

/* The root's keys: the text of a file (fd, or -1), else those built in. */
int	 upstream_read_anchors(int fd, struct buf *);

#endif
