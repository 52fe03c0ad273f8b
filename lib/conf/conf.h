/* SPDX-License-Identifier: ISC */
/*
 * conf - the configuration in memory, and chasqui.conf(5).
 *
 *	# a comment
 *	hostname = mx.example.org
 *	smtp.max_message = 20M		# or, the same:
 *	smtp {
 *		max_message = 20M
 *	}
 *	relay_networks = 127.0.0.0/8, 192.0.2.0/24	# or { one a line }
 *	listener public { address = *:25 }
 *	domain example.org { type = virtual; mailboxes = users }
 *
 * A statement ends with its line, with ';' or before '}'.  Words with other
 * characters than letters, digits and ._-+*:/@[]=!~%^|<>? are put in double
 * quotes, where \" and \\ are the only escapes.  Unknown keys are errors and
 * name the nearest known one.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "conf/schema.h"

struct conf_list {
	const char	**v;	/* NUL-terminated words */
	size_t		 n;
};

typedef const char	*conf_STRING;
typedef bool		 conf_BOOL;
typedef uint64_t	 conf_INT;
typedef uint64_t	 conf_SIZE;
typedef int64_t		 conf_DURATION;
typedef struct conf_list conf_LIST;
typedef struct conf_list conf_NETS;

#define CONF_FIELD_(field, name, TYPE, dflt, min, max, readers, text)	\
	conf_##TYPE field;
#define CONF_STRUCT_(kind, KEYS, text)					\
	struct conf_##kind { const char *name; KEYS(CONF_FIELD_) };
CONF_BLOCK_KINDS(CONF_STRUCT_)

#define CONF_ARRAY_(kind, KEYS, text)					\
	struct conf_##kind *kind##s; size_t n##kind##s;

struct conf {
	CONF_KEYS(CONF_FIELD_)
	/* listeners and nlisteners, domains and ndomains, ... in file order */
	CONF_BLOCK_KINDS(CONF_ARRAY_)
	const char	*path;		/* of the file, "" for a child's part */
	struct arena	*arena;		/* owned: everything above */
	/* Where values were set, for messages; private, sorted. */
	const struct conf_mark *marks;
	size_t		 nmarks;
};

#define CONF_FILE_BYTES	(16 * 1024 * 1024)	/* of a file */
#define CONF_WORDS	10000			/* of one list */

/* Reads and checks a file.  NULL on error; why then holds lines of the form
 * "FILE:LINE:COLUMN: reason".  Relative paths become absolute, an empty
 * hostname becomes the system's. */
struct conf *conf_load(const char *path, struct buf *why);
/* What is left of a file with mistakes: what has one keeps its default.  It
 * says where a suite that runs is to be found, and is in force nowhere.  NULL:
 * the file cannot be read. */
struct conf *conf_load_anyway(const char *path);
/* The same for text at hand, but paths and hostname stay as they are; name
 * stands for the file in messages. */
struct conf *conf_parse(struct slice text, const char *name, struct buf *why);
/* Checks what no single key shows: tables that are named exist, addresses and
 * next hops can be parsed, and so on.  conf_load() and conf_parse() call it. */
bool	 conf_check(const struct conf *, struct buf *why);
void	 conf_free(struct conf **);

/* What a role reads, as text that conf_parse() reads back.  defaults: also
 * keys that have their default value. */
int	 conf_write(const struct conf *, uint32_t readers, bool defaults,
	    struct buf *);
/* One word as conf_parse() reads it, in quotes where it needs them. */
int	 conf_word_write(struct buf *, const char *);
/* Where in a text that conf_parse() reads the block `KIND NAME { ... }` stands:
 * from its kind to behind its '}'.  Names are compared without case. */
bool	 conf_block_find(struct slice text, const char *kind, const char *name,
	    struct slice *span_r);
/* The part of a role as a sealed memfd, and back (fd stays the caller's). */
int	 conf_to_memfd(const struct conf *, enum role);
struct conf *conf_from_fd(int fd, struct buf *why);

/* The text about a key or block kind ("smtp.max_message", "listener",
 * "listener.mode"): type, default, limits, meaning; false and the nearest
 * name where there is none. */
bool	 conf_explain(const char *key, struct buf *);
/* The names of all sections, block kinds and their keys. */
void	 conf_explain_all(struct buf *);
/* The option list of the man page, mdoc. */
int	 conf_write_mdoc(struct buf *);

/* Sizes and times as in the file, for the tools: "20M" is bytes; "90s" and
 * "1h30m" are milliseconds, and 0 needs no unit. */
bool	 conf_size_parse(struct slice, uint64_t *bytes_r);
bool	 conf_duration_parse(struct slice, uint64_t *ms_r);

/* So many in a time: "100/1h".  One key has CONF_LIMITS of them at most. */
#define CONF_LIMITS	4
struct conf_limit {
	uint64_t n;
	int64_t	 ms;
};
bool	 conf_limit_parse(struct slice, struct conf_limit *);

/* A network in CIDR form, or one address; v6 may be in brackets.  Bits behind
 * the prefix must be zero. */
struct conf_net {
	uint8_t	 addr[16];	/* IPv4 as ::ffff:0:0/96 */
	uint8_t	 bits;		/* 0..128 */
};
bool	 conf_net_parse(const char *, struct conf_net *);
bool	 conf_net_has(const struct conf_net *, const uint8_t addr[16]);
/* One IPv4 or IPv6 address, IPv4 mapped. */
bool	 conf_ip_parse(struct slice, uint8_t addr_r[16]);

/* A place to listen at, or a server to ask. */
struct conf_endpoint {
	enum {
		ENDPOINT_ANY,		/* *:PORT */
		ENDPOINT_IPV4,
		ENDPOINT_IPV6,
		ENDPOINT_UNIX,		/* the path is the text itself */
	}		 kind;
	uint8_t		 addr[16];	/* IPv4 as ::ffff:0:0/96 */
	uint16_t	 port;
};
/* ADDRESS:PORT, [v6]:PORT, *:PORT or a path (it has a '/'). */
bool	 conf_endpoint_parse(const char *, struct conf_endpoint *);
/* Whether no listener takes mail (smtp, lmtp) of other hosts: a Unix socket
 * does, since what stands before it may. */
bool	 conf_is_loopback_only(const struct conf *);
/* host, [host], host:port, [host]:port, smtps:[host]:port, lmtp:[host]:port,
 * lmtp:/path; host is a name or an address (v6 in brackets, with or without
 * IPv6:). */
bool	 conf_next_hop_is_valid(struct slice);
/* The block of a next hop: its own, else that of the nearest domain above it
 * (".example.com"); NULL where there is none. */
const struct conf_nexthop *conf_nexthop_find(const struct conf *,
	    struct slice next_hop);
/* A word of nexthop.tls_fingerprints. */
bool	 conf_fingerprint_parse(struct slice, uint8_t digest_r[32]);
bool	 conf_has(const struct conf_list *, const char *word);
/* Labels of letters, digits, '-', '_' or UTF-8 with dots between them. */
bool	 conf_domain_is_valid(struct slice);

#endif
