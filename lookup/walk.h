/* SPDX-License-Identifier: ISC */
/* walk - one resolution under way; for resolve.c, expand.c and locate.c. */
#ifndef LOOKUP_WALK_H
#define LOOKUP_WALK_H

#include "resolve.h"
#include "table/store.h"

#define PROBE_LEAVES	64

/* An address under resolution. */
struct name {
	struct slice	 text;		/* with a domain, as it was written */
	struct slice	 key;		/* canonical, local-part folded */
	struct slice	 local;		/* of key, unquoted */
	struct slice	 domain;	/* of key */
	struct slice	 base;		/* local without detail; else empty */
	struct slice	 base_key;	/* base@domain, quoted as needed */
	const struct domain *at;	/* NULL: not ours */
	const struct name *parent;	/* what it came from */
	unsigned	 depth;
	bool		 no_alias;	/* "\name" */
	struct slice	 reverse_path;	/* of an owner- alias, else empty */
};

struct walk {
	const struct resolver	*r;
	struct arena		*arena;
	struct buf		*trace;		/* or NULL */
	unsigned		 indent;
	struct target		*leaves;	/* in the arena */
	size_t			 nleaves, leaves_cap;
	bool			 itself;	/* the first name is no alias */
	/* Only whether there is somewhere to go: of a large list the first
	 * PROBE_LEAVES tell that, then enough is set and expand() returns
	 * false; strangers could keep us busy with names of lists else. */
	bool			 probe;
	bool			 enough;
	struct store		 seen;		/* leaves, against twins */
	/* What first went wrong with a part, and what makes all of it wait. */
	struct destination	 failure;	/* kind 0: nothing */
	struct destination	 trouble;	/* kind 0: nothing */
	struct buf		 why;		/* room for table_find() */
};

void	 walk_init(struct walk *, const struct resolver *, struct arena *,
	    struct buf *trace);
void	 walk_clear(struct walk *);
void	 say(struct walk *, const char *, ...)
	    __attribute__((format(printf, 2, 3)));
/* Text in the walk's arena, of WALK_TEXT_BYTES at most: two paths. */
#define WALK_TEXT_BYTES	8192
struct slice walk_text(struct walk *, const char *, ...)
	    __attribute__((format(printf, 2, 3)));
/* A temporary problem of our own: everything waits for its end. */
void	 walk_trouble(struct walk *, const char *, ...)
	    __attribute__((format(printf, 2, 3)));
struct destination dest_fail(uint16_t code, struct slice text);
struct destination dest_defer(struct slice text);

/* Fills a name from text; a missing domain becomes dflt.  False: not an
 * address (failure is set). */
bool	 name_set(struct walk *, struct name *, struct slice text,
	    const char *dflt);

/* The local-part as a key of tables that have addresses, too; empty where it
 * could be taken for one: "bob@example.org"@example.net is another's. */
struct slice name_bare_key(struct slice local);

/* The first of the tables that has the key, or has it with its domain in
 * U-labels. */
enum table_result find_in(struct walk *, const struct table_list *,
	    struct slice key, struct table_hit *, struct table **table_r);

/* expand.c: adds what the name becomes to the leaves.  False: trouble. */
bool	 expand(struct walk *, struct name *);

/* locate.c: where mail for this very name goes, aliases aside. */
void	 locate(struct walk *, const struct name *, unsigned flags,
	    struct destination *);
/* "|command", "/file" or "/dir/". */
void	 locate_special(struct walk *, struct slice text, struct slice owner,
	    struct destination *);
bool	 dest_is_unknown(const struct destination *);

#endif
