/* SPDX-License-Identifier: ISC */
/*
 * table - keys and values from files, whatever their form (chasqui.conf(5)).
 *
 * A table answers from what was last read whole.  table_refresh() looks at the
 * file, reads a changed one beside the old in steps of bounded work, and puts
 * it in force at its end; a broken one changes nothing and is named once.
 *
 * Keys are compared without ASCII case, but pcre gets them as they are.
 */
#ifndef TABLE_TABLE_H
#define TABLE_TABLE_H

#include "base/buf.h"
#include "conf/conf.h"

/* A line with its continuations: a list of ten thousand members is one. */
#define TABLE_LINE_BYTES	(1024 * 1024)
#define TABLE_KEY_BYTES		1024

struct table;

enum table_result {
	TABLE_FOUND,
	TABLE_MISSING,
	TABLE_ERROR,	/* not readable, or a limit of a pattern: see why */
};

struct table_hit {
	struct slice	 value;	/* until the next call with this table */
	unsigned	 line;	/* of the file; 0: it has none */
	bool		 composed; /* of parts of the key, as a pattern says */
};

/* Reads nothing yet, and so answers TABLE_ERROR.  The settings are copied. */
struct table *table_new(const struct conf_table *, uint64_t max_entries);
void	 table_free(struct table **);
const char *table_name(const struct table *);
const char *table_type(const struct table *);
/* The file that is read: for btree and hash the database; "" for inline. */
const char *table_path(const struct table *);
/* The owner of the file that was last read; root for inline. */
uint32_t table_owner(const struct table *);
/* Whether this table is what the settings ask for. */
bool	 table_is(const struct table *, const struct conf_table *,
	    uint64_t max_entries);

enum table_refresh {
	TABLE_SAME,	/* nothing has changed */
	TABLE_BUSY,	/* being read: call again for the next step */
	TABLE_CHANGED,	/* a new state is in force */
	TABLE_BROKEN,	/* told once for each state of the file: why */
};
/* why: "FILE:LINE: reason", only with TABLE_BROKEN. */
enum table_refresh table_refresh(struct table *, struct buf *why);
/* The same, when somebody has said that he has written the file to its end. */
enum table_refresh table_refresh_written(struct table *, struct buf *why);
/* Reads to the end at once: 0, or -1 and why. */
int	 table_load(struct table *, struct buf *why);

/* why is set with TABLE_ERROR. */
enum table_result table_find(struct table *, struct slice key,
	    struct table_hit *, struct buf *why);
/* Entries or patterns; 0 where that is not known (btree, hash). */
uint64_t table_entries(const struct table *);

/*
 * Makes the database of a btree or hash table from the text beside it: users
 * (KEY VALUE lines, or aliases(5) text) becomes users.db.  It is put in place
 * whole and durable, or not at all.  progress may be NULL; it is called now and
 * then with the entries so far.  The number of entries, or -1 and why.
 */
int64_t	 table_make(const struct conf_table *, bool aliases,
	    void (*progress)(void *arg, uint64_t entries), void *arg,
	    struct buf *why);
/* Whether a table is named in alias.tables, so that its text is aliases(5). */
bool	 table_has_aliases(const struct conf *, const char *name);
const struct conf_table *table_conf(const struct conf *, const char *name);

#endif
