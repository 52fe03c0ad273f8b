/* SPDX-License-Identifier: ISC */
/*
 * table_edit - changes the text of a table: the entries with the lines that
 * they have, so that one is changed and all the rest stays as somebody wrote
 * it.
 */
#ifndef TOOLS_TABLE_EDIT_H
#define TOOLS_TABLE_EDIT_H

#include "conf/conf.h"
#include "table/lines.h"
#include "text_file.h"

enum table_form {
	TABLE_FORM_FILE,	/* KEY VALUE */
	TABLE_FORM_ALIASES,	/* aliases(5) */
};

struct table_entry {
	struct slice	 span;	/* its lines, with comments between them */
	struct slice	 key;	/* aliases: without quotes, in lower case */
	struct slice	 value;	/* continuation lines joined */
	unsigned	 line;	/* in the file */
};

struct table_reader {
	enum table_form	 form;	/* set by the caller */
	struct slice	 rest;	/* the text, set by the caller */
	unsigned	 line;	/* of rest's first, from 0 */
	struct lines	 lines;	/* what the entry's slices point into */
	struct arena	 arena;
};

/* The text's next entry; its key and value are good until the next call.
 * LINES_BAD is not of this form: span and line are set, and why (a constant
 * text). */
enum lines_next table_text_next(struct table_reader *, struct table_entry *,
	    const char **why);
void	 table_reader_clear(struct table_reader *);
/* The entry of a key, whatever its case; false where there is none. */
bool	 table_text_find(struct table_reader *, struct slice key,
	    struct table_entry *);

struct table_edit {
	const struct conf	*conf;
	const struct conf_table	*table;
	enum table_form		 form;
	struct text_file	 file;
	struct table_reader	 reader;	/* of file.text */
	struct buf		 text;		/* the new text */
};

/* Whether it has lines with an address each: a table (not NULL) that is not
 * inline, of patterns or of networks. */
bool	 table_edit_can(const struct conf_table *);
/* Locks and reads the text of a table.  0, or an exit status and its reason has
 * been told: there is no such table, or it is inline, of patterns or of
 * networks. */
int	 table_edit_begin(struct table_edit *, const struct conf *,
	    const char *table, bool to_change);
/* Each prepares the new text: an entry that is there gets this value, or goes
 * if that is NULL; or a new one is put at the end. */
void	 table_edit_change(struct table_edit *, const struct table_entry *,
	    const struct slice *value);
void	 table_edit_add(struct table_edit *, struct slice key,
	    struct slice value);
/* Puts it in place and makes the database of it, where the table has one.  The
 * same results; the edit ends in any case. */
int	 table_edit_finish(struct table_edit *);
void	 table_edit_abandon(struct table_edit *);

#endif
