/* SPDX-License-Identifier: ISC */
/*
 * aliases - the text of aliases(5).
 *
 *	name: target, target
 *
 * A target is an address or name, "|command", /file, /maildir/, :include:/file
 * or \name.  A target with blanks, commas or quotes is put in double quotes,
 * where \" and \\ stand for themselves; a command may also run to the next
 * comma as it is.  `Some Name <address>` means the address, and (comments)
 * before and behind targets mean nothing.
 */
#ifndef TABLE_ALIASES_H
#define TABLE_ALIASES_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/parse.h"
#include "base/slice.h"

enum alias_kind {
	ALIAS_ADDRESS,		/* text: an address or a name */
	ALIAS_COMMAND,		/* text: what follows '|' */
	ALIAS_FILE,		/* text: the path; a Maildir ends with '/' */
	ALIAS_INCLUDE,		/* text: the path */
};

struct alias_target {
	enum alias_kind	 kind;
	struct slice	 text;		/* in the input or the arena */
	bool		 no_alias;	/* was "\name" */
};

/* Splits a logical line into the name, without quotes and in lower case, and
 * the text of its targets.  why is a constant text with PARSE_BAD. */
enum parse alias_line(struct arena *, struct slice line, struct slice *name_r,
	    struct slice *targets_r, const char **why);
/* Takes the next target off *rest; PARSE_MORE: none is left. */
enum parse alias_next(struct arena *, struct slice *rest,
	    struct alias_target *, const char **why);

#endif
