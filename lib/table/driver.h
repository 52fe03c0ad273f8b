/* SPDX-License-Identifier: ISC */
/* driver - what a form of table has to do; for this directory only. */
#ifndef TABLE_DRIVER_H
#define TABLE_DRIVER_H

#include "table/table.h"

struct driver {
	const char	*type;		/* as in the configuration */
	bool		 fold;		/* keys are in lower case */
	/* A new, empty state; one of line and open fills it. */
	void		*(*begin)(uint64_t max_entries);
	/* One logical line.  -1 and why. */
	int		 (*line)(void *, struct slice, unsigned no,
			    struct buf *why);
	/* All of it, by path.  -1 and why. */
	int		 (*open)(void *, const char *path, struct buf *why);
	/* value may be in scratch. */
	enum table_result (*find)(void *, struct slice key, struct table_hit *,
			    struct buf *scratch, struct buf *why);
	uint64_t	 (*entries)(const void *);
	void		 (*free)(void *);
};

extern const struct driver driver_inline, driver_file, driver_aliases,
    driver_btree, driver_hash, driver_pcre, driver_cidr;

/* "KEY VALUE" of a logical line; blanks in double quotes belong to the key. */
void	 file_line_split(struct slice line, struct slice *key_r,
	    struct slice *value_r);
/* The key in lower case, in a buf. */
int	 key_fold(struct slice key, struct buf *to);
/* The database of a btree or hash table, and its text. */
void	 db_paths(const char *path, struct buf *database, struct buf *text);

#endif
