/* SPDX-License-Identifier: ISC */
/*
 * import - what `chasqui import` gathers from other servers' configurations,
 * and what it says about each of their settings.
 *
 * Everything is gathered in memory and written at the end into a directory of
 * its own; the files that are read are never changed.
 */
#ifndef TOOLS_IMPORT_H
#define TOOLS_IMPORT_H

#include "base/arena.h"
#include "base/buf.h"
#include "chasqui.h"

#define IMPORT_DOMAINS		10000
#define IMPORT_TABLES		64
#define IMPORT_KEYS		128
#define IMPORT_TABLE_BYTES	((size_t)256 * 1024 * 1024)
#define IMPORT_TEXT_BYTES	((size_t)16 * 1024 * 1024)

enum remark {
	REMARK_TAKEN,		/* means the same here */
	REMARK_DIFFERS,		/* taken, or needless, but not quite the same */
	REMARK_NONE,		/* nothing here does that */
};
#define REMARKS	(REMARK_NONE + 1)

/* Where a setting stands in the files that are read. */
struct origin {
	const char	*file;
	unsigned	 line;	/* 0: nowhere, it is a default */
	struct slice	 name, value;
};

struct import_domain {
	const char	*name, *type;	/* owned by the arena */
};

struct import_table {
	const char	*name;		/* ours */
	const char	*type;		/* of chasqui.conf(5) */
	struct buf	 text;		/* of its file; owned */
	const char	*source;	/* TYPE:NAME as it was called there */
	unsigned	 use;		/* enum table_use */
};

struct import_key {
	const char	*key;		/* of chasqui.conf(5) */
	const char	*text;		/* what stands behind '=' */
};

struct import {
	const char	*to;		/* the directory that is written */
	struct buf	 report[REMARKS];
	unsigned	 count[REMARKS];
	struct import_key keys[IMPORT_KEYS];
	size_t		 nkeys;
	struct import_domain *domains;	/* owned by the arena */
	size_t		 ndomains;
	struct import_table tables[IMPORT_TABLES];
	size_t		 ntables;
	struct buf	 listeners, certificates, smarthost;	/* blocks */
	struct buf	 sockets;	/* that routes lead to, words */
	struct buf	 open;		/* "@domain" words: relay domains that take
					 * mail for any address */
	struct buf	 virtual, aliases, routes, senders;	/* of tables */
	struct buf	 fetch;		/* a shell script; empty: none needed */
	struct buf	 moves;		/* mailboxes that lie elsewhere */
	struct buf	 passwords;	/* auth/passwords */
	bool		 has_tls;	/* a listener that needs a certificate */
	struct arena	 arena;
};

void	 import_init(struct import *, const char *to);
void	 import_clear(struct import *);

/* A line of the report; fmt may be NULL. */
void	 import_say(struct import *, enum remark, const struct origin *,
	    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Sets a key of ours.  What is set already stays, and the report says so. */
void	 import_set(struct import *, const struct origin *, const char *key,
	    const char *value);		/* one word */
void	 import_set_list(struct import *, const struct origin *,
	    const char *key, struct slice words);
/* What a key was set to, else dflt. */
const char *import_value(const struct import *, const char *key,
	    const char *dflt);
/* A domain that is new, or there already of this type; otherwise, and where it
 * is no domain's name, that is said. */
void	 import_domain(struct import *, const struct origin *,
	    struct slice name, const char *type);
void	 import_listener(struct import *, const char *name,
	    const char *address, const char *mode, const char *tls);
/* Where one of its files is not there, that is said instead. */
void	 import_certificate(struct import *, const char *name,
	    const char *chain, const char *key);
const char *import_copy(struct import *, struct slice);

/* A whole file, at most max bytes of it.  -1 with errno. */
int	 import_read(const char *path, size_t max, struct buf *);

/* ---- tables (import_tables.c) -------------------------------------------- */

enum table_use {
	USE_ALIASES,	/* aliases(5) */
	USE_VIRTUAL,	/* address -> addresses */
	USE_MAILBOXES,	/* address -> path */
	USE_ROUTES,	/* address, domain -> transport:nexthop */
	USE_RECIPIENTS,	/* address -> anything */
	USE_SENDERS,	/* address -> logins */
	USE_DOMAINS,	/* domain -> anything */
};

/* Makes a table of ours of each that a list names ("hash:/etc/postfix/virtual
 * pcre:/etc/postfix/more"), and puts their names into names.  What cannot be is
 * said.  USE_DOMAINS makes none: on_domain is called for each key. */
typedef void import_domain_fn(struct import *, const struct origin *,
	    struct slice name);
void	 import_tables(struct import *, const struct origin *,
	    struct slice list, enum table_use, struct buf *names,
	    import_domain_fn *on_domain);
/* The script's functions, once. */
void	 import_fetch_begin(struct import *);
void	 import_shell_word(struct buf *, struct slice);

/* ---- the servers --------------------------------------------------------- */

/* 0, or an exit status and its reason has been told. */
int	 import_postfix(struct import *, const char *dir);
/* Of its master.cf, where inet_interfaces has this value. */
struct cf_text;
void	 import_services(struct import *, const char *path,
	    const struct cf_text *, struct slice interfaces);
int	 import_dovecot(struct import *, const char *file);

#endif
